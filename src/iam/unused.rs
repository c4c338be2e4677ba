//! Least privilege from use: what is granted and was not used, and a policy with only what was used and what the user
//! keeps. Use is given as plain data (`iam:GetServiceLastAccessedDetails`, CloudTrail look-ups).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::evaluate::Compiled;
use super::facts::facts;
use super::grants::{self, Actions};
use super::policy::{Effect, Element, Policy, Statement};
use crate::model::principal::LastAccessed;

/// What one principal used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// By service prefix; a service that is not named was not asked about.
    pub services: BTreeMap<String, ServiceUse>,
}

impl Use {
    /// What AWS told of one principal.
    pub fn of(accessed: &LastAccessed) -> Self {
        let services = accessed.services.iter().map(|s| {
            let actions = s.tracked_actions_last_accessed.iter().map(|a| (a.action_name.clone(), a.last_accessed_time)).collect();
            (s.service_namespace.clone(), ServiceUse { last: s.last_authenticated, actions })
        });
        Self { services: services.collect() }
    }
    /// The time so many days before AWS told it; before the beginning of time where that is not known.
    pub fn since(accessed: &LastAccessed, days: i64) -> Timestamp {
        let made = accessed.made.unwrap_or(Timestamp::MIN);
        made.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
    }
}

/// One service's last access (`ServiceLastAccessed` with `Granularity=ACTION_LEVEL`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceUse {
    /// None: not within the tracking period.
    pub last: Option<Timestamp>,
    /// By action's name; empty where the service reports none.
    pub actions: BTreeMap<String, Option<Timestamp>>,
}

/// What is granted and not used.
#[derive(Debug, Clone, PartialEq)]
pub struct Unused {
    /// Services granted, asked about and not used since.
    pub services: Vec<&'static str>,
    /// Actions granted and not used, of services that were used and report actions: `service:Action`.
    pub actions: Vec<String>,
    /// Services granted that were not asked about, of which nothing is known.
    pub unknown: Vec<&'static str>,
    /// Of the granted actions, how many are unused, from 0 to 1.
    pub share: f64,
    /// The principal's own policies with only what is used or kept. Statements keep resources, conditions and denies.
    pub trimmed: Vec<Trimmed>,
}

/// One policy before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Trimmed {
    pub name: String,
    /// Empty for an inline policy.
    pub arn: String,
    pub before: String,
    /// None where nothing of it is used.
    pub after: Option<String>,
    /// Line by line, `- ` and `+ ` before what goes and comes, two spaces before what stays.
    pub diff: Vec<String>,
}

/// Compares what a principal is granted with what it used since a time. `keep` are actions to keep whatever their use,
/// with wildcards where many are meant.
pub fn unused(account: &Account, principal: usize, used: &Use, since: Timestamp, keep: &[String]) -> Unused {
    let granted = grants::of_principal(account, principal);
    let keep = Actions::named(&Element::of(keep.iter().cloned()));
    let recent = |at: &Option<Timestamp>| at.is_some_and(|at| at >= since);
    let mut services = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let mut names = Vec::new();
    let mut kept = BTreeSet::new();
    let (mut idle, mut all) = (0usize, 0usize);
    for (service, action) in granted.iter() {
        all += 1;
        let full = format!("{}:{}", service.prefix, action.name);
        let place = service.first + service.action(action.name).map_or(0, |(i, _)| i);
        let stays = match used.services.get(service.prefix) {
            None => {
                unknown.insert(service.prefix);
                true
            }
            Some(u) if !recent(&u.last) => {
                if !keep.has(place) {
                    services.insert(service.prefix);
                }
                false
            }
            // The service does not report this action's use, so nothing is known of it.
            Some(u) => match u.actions.get(action.name) {
                Some(at) => recent(at),
                None => true,
            },
        };
        if stays || keep.has(place) {
            kept.insert(place);
        } else {
            idle += 1;
            if used.services.get(service.prefix).is_some_and(|u| recent(&u.last)) {
                names.push(full);
            }
        }
    }
    let p = &account.principals[principal];
    let trimmed = p.policies[..p.own_policies].iter().map(|i| trim(&account.policies[*i], &kept, &granted)).collect();
    Unused {
        services: services.into_iter().collect(),
        actions: names,
        unknown: unknown.into_iter().collect(),
        share: if all == 0 { 0.0 } else { idle as f64 / all as f64 },
        trimmed,
    }
}

/// A policy whose Allow statements name only the actions that stay.
fn trim(policy: &Compiled, kept: &BTreeSet<usize>, granted: &Actions) -> Trimmed {
    let before = policy.policy.print();
    let mut after = policy.policy.clone();
    after.statements = policy
        .policy
        .statements
        .iter()
        .filter_map(|s| {
            if s.effect == Effect::Deny {
                return Some(s.clone());
            }
            let named = Actions::named(&s.action);
            let lost = named.iter().any(|(sv, a)| {
                let place = sv.first + sv.action(a.name).map_or(0, |(i, _)| i);
                granted.has(place) && !kept.contains(&place)
            });
            // A statement all of whose actions stay is left as it was written.
            if !lost {
                return Some(s.clone());
            }
            narrowed(s, &named, kept)
        })
        .collect();
    let any = after.statements.iter().any(|s| s.effect == Effect::Allow);
    let text = any.then(|| after.print());
    let diff = diff(&before, text.as_deref().unwrap_or_default());
    Trimmed { name: policy.name.clone(), arn: policy.arn.clone(), before, after: text, diff }
}

fn narrowed(s: &Statement, named: &Actions, kept: &BTreeSet<usize>) -> Option<Statement> {
    let mut names = Vec::new();
    for service in facts().services() {
        let of: Vec<usize> = (0..service.actions.len()).filter(|i| named.has(service.first + i)).collect();
        let stay: Vec<usize> = of.iter().copied().filter(|i| kept.contains(&(service.first + i))).collect();
        if stay.len() == service.actions.len() && !stay.is_empty() {
            names.push(format!("{}:*", service.prefix));
        } else {
            names.extend(stay.iter().map(|i| format!("{}:{}", service.prefix, service.actions[*i].name)));
        }
    }
    if names.is_empty() {
        return None;
    }
    let mut narrow = s.clone();
    narrow.action = Element::of(names);
    Some(narrow)
}

/// A line diff by longest common subsequence; documents too long for that are shown as all gone and all new.
fn diff(before: &str, after: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if a.len() * b.len() > 4_000_000 {
        return a.iter().map(|l| format!("- {l}")).chain(b.iter().map(|l| format!("+ {l}"))).collect();
    }
    let wide = b.len() + 1;
    let mut best = vec![0u32; (a.len() + 1) * wide];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            best[i * wide + j] = if a[i] == b[j] {
                best[(i + 1) * wide + j + 1] + 1
            } else {
                best[(i + 1) * wide + j].max(best[i * wide + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push(format!("  {}", a[i]));
            i += 1;
            j += 1;
        } else if j == b.len() || i < a.len() && best[(i + 1) * wide + j] >= best[i * wide + j + 1] {
            out.push(format!("- {}", a[i]));
            i += 1;
        } else {
            out.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    out
}

/// Checks a trimmed policy against the old one: it grants nothing new.
///
/// # Errors
/// The action that only the new one grants.
pub fn grants_nothing_new(before: &Policy, after: &Policy) -> Result<(), String> {
    let of = |p: &Policy| grants::of_policies(std::iter::once(&Compiled::new("", "", p.clone())));
    let new = of(after).minus(&of(before));
    match new.iter().next() {
        None => Ok(()),
        Some((s, a)) => Err(format!("{}:{}", s.prefix, a.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::evaluate::{Context, Decision};
    use crate::iam::read::authorization_details;

    #[test]
    fn only_what_is_used_or_kept_stays() {
        let text = r#"{"RoleDetailList":[{"RoleName":"r","Arn":"arn:aws:iam::111122223333:role/r",
          "AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[]},
          "RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":["s3:*","sqs:*","sns:Publish"],"Resource":"*"},
            {"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}}]}]}"#;
        let account = Account::read(&authorization_details(text).unwrap());
        let at: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let since: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let actions = [("GetObject".to_owned(), Some(at)), ("PutObject".to_owned(), None)].into();
        let services = BTreeMap::from([
            ("s3".to_owned(), ServiceUse { last: Some(at), actions }),
            ("sqs".to_owned(), ServiceUse::default()),
        ]);
        let found = unused(&account, 0, &Use { services }, since, &["sqs:SendMessage".to_owned()]);
        assert_eq!(found.services, ["sqs"]);
        assert_eq!(found.actions, ["s3:PutObject"]);
        assert_eq!(found.unknown, ["sns"]);
        assert!(found.share > 0.0 && found.share < 1.0);
        let after = found.trimmed[0].after.clone().unwrap();
        assert!(found.trimmed[0].diff.iter().any(|l| l.starts_with("- ")));
        let policy = Policy::read(&after).unwrap();
        grants_nothing_new(&Policy::read(&found.trimmed[0].before).unwrap(), &policy).unwrap();
        let again = Account::read(
            &authorization_details(&text.replace(
                r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":["s3:*","sqs:*","sns:Publish"],"Resource":"*"},
            {"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}"#,
                &after,
            ))
            .unwrap(),
        );
        let can = |action: &str| again.can("r", action, "*", &Context::complete()).unwrap().decision;
        for kept in ["s3:GetObject", "sqs:SendMessage", "sns:Publish", "s3:ListBucket"] {
            assert_eq!(can(kept), Decision::Allowed, "{kept}");
        }
        for gone in ["s3:PutObject", "sqs:ReceiveMessage"] {
            assert_eq!(can(gone), Decision::Denied { explicit: false }, "{gone}");
        }
        assert_eq!(can("s3:DeleteBucket"), Decision::Denied { explicit: true });
    }

    #[test]
    fn diffs_read_line_by_line() {
        assert_eq!(diff("a\nb\nc", "a\nx\nc"), ["  a", "- b", "+ x", "  c"]);
        assert_eq!(diff("", "a"), ["+ a"]);
    }
}
