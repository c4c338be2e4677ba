//! Policies without what is not used: the statements that stay, in few words, and in as many documents as AWS takes. What
//! is handed out is held against the old policy. What is used is not known here.

use std::collections::BTreeSet;
use std::ops::Range;

use super::account::Account;
use super::evaluate::Compiled;
use super::facts::{Action, Service, facts};
use super::grants::{self, Actions};
use super::lint::Kind;
use super::policy::{Effect, Element, Policy, Statement};
use super::sets::Set;
use super::sets::glob::is_every_action;

/// What a principal is granted, and the places among all actions of what stays of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stays {
    pub(super) granted: Actions,
    pub(super) kept: BTreeSet<usize>,
    /// What stays and is in no facts: `newservice:*`, `s3:NewAction`.
    pub(super) unknown: BTreeSet<String>,
}

impl Stays {
    /// Whether an action is granted and goes.
    pub(super) fn goes(&self, place: usize) -> bool {
        self.granted.has(place) && !self.kept.contains(&place)
    }
}

/// One policy before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Trimmed {
    pub name: String,
    /// Empty for an inline policy.
    pub arn: String,
    pub before: String,
    /// None where nothing of it is used and it denies nothing.
    pub after: Option<String>,
    /// Line by line, `- ` and `+ ` before what goes and comes, two spaces before what stays.
    pub diff: Vec<String>,
    /// Where AWS would not take it as it is attached.
    pub too_long: Option<TooLong>,
    /// Who else has it, where it changed and is the account's own to change.
    pub others: Vec<Other>,
    /// What is wrong with it, if anything is: something new is granted, or something that stays is not. A defect.
    pub fault: Option<String>,
}

/// A user, role or group that has a policy as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub arn: String,
    /// As its permissions boundary.
    pub boundary: bool,
}

/// Who has a managed policy, but for one principal's own use of it.
fn others(account: &Account, principal: usize, policy: usize) -> Vec<Other> {
    let other = |arn: &String, boundary| Other { arn: arn.clone(), boundary };
    let own = |at: usize| &account.principals[at].policies[..account.principals[at].own_policies];
    let attached = (0..account.principals.len()).filter(|at| *at != principal && own(*at).contains(&policy));
    let groups = account.groups.iter().filter(|g| g.policies.contains(&policy)).map(|g| other(&g.arn, false));
    let bounded = account.principals.iter().filter(|p| p.boundary == Some(policy)).map(|p| other(&p.arn, true));
    attached.map(|at| other(&account.principals[at].arn, false)).chain(groups).chain(bounded).collect()
}

/// A policy that AWS does not take where it stands (AWS: "IAM and AWS STS quotas"), and what to attach in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLong {
    /// Characters without white space: of the policy, or of all inline policies of the principal together.
    pub size: usize,
    pub limit: usize,
    /// It is inline, and the limit is that of all inline policies of a user or role together.
    pub together: bool,
    /// Managed policies that are the same together; none where one statement alone is too long.
    pub documents: Vec<String>,
}

/// The principal's own policies, each with only what stays.
pub(super) fn trim(account: &Account, principal: usize, stays: &Stays) -> Vec<Trimmed> {
    let p = &account.principals[principal];
    let policies: Vec<&Compiled> = p.policies[..p.own_policies].iter().map(|i| &account.policies[*i]).collect();
    let after: Vec<Option<Policy>> = policies.iter().map(|policy| trimmed(&policy.policy, stays)).collect();
    let size = |i: usize| after[i].as_ref().map_or(0, Policy::size);
    let changed = |i: usize| after[i].as_ref().is_some_and(|a| *a != policies[i].policy);
    // Inline policies share one limit: the longest that changed move out until the others fit.
    let limit = if p.is_role { Kind::InlineRole } else { Kind::InlineUser }.size_limit();
    let mut inline: Vec<usize> = (0..policies.len()).filter(|i| policies[*i].arn.is_empty()).collect();
    inline.sort_by_key(|i| (!changed(*i), std::cmp::Reverse(size(*i))));
    let together: usize = inline.iter().map(|i| size(*i)).sum();
    let (mut left, mut out) = (together, BTreeSet::new());
    for i in inline.iter().copied().filter(|i| changed(*i)) {
        if left > limit {
            left -= size(i);
            out.insert(i);
        }
    }
    let managed = Kind::Managed.size_limit();
    let each = policies.iter().zip(&after).enumerate().map(|(i, (policy, after))| {
        let long = match after {
            Some(_) if out.contains(&i) => Some((together, limit, true)),
            Some(after) if !policy.arn.is_empty() && changed(i) && after.size() > managed => Some((after.size(), managed, false)),
            _ => None,
        };
        let too_long = long.zip(after.as_ref()).map(|((size, limit, together), after)| {
            let documents = split(after, managed).unwrap_or_default().iter().map(Policy::print).collect();
            TooLong { size, limit, together, documents }
        });
        let before = policy.policy.print();
        let text = after.as_ref().map(Policy::print);
        let diff = diff(&before, text.as_deref().unwrap_or_default());
        let parts = too_long.iter().flat_map(|t| &t.documents);
        let fault = fault(&policy.policy, text.as_slice(), stays).or_else(|| {
            let parts: Vec<String> = parts.cloned().collect();
            if parts.is_empty() { None } else { fault(&policy.policy, &parts, stays) }
        });
        let own = !policy.arn.is_empty() && !policy.arn.contains(":iam::aws:") && after.as_ref() != Some(&policy.policy);
        let others = if own { others(account, principal, p.policies[i]) } else { Vec::new() };
        Trimmed { name: policy.name.clone(), arn: policy.arn.clone(), before, after: text, diff, too_long, others, fault }
    });
    let mut each: Vec<Trimmed> = each.collect();
    // What one denies keeps from what another allows.
    let all = |of: &mut dyn Iterator<Item = &Policy>| grants::of_statements(of.flat_map(|p| &p.statements).collect::<Vec<_>>());
    let new = all(&mut after.iter().flatten()).minus(&all(&mut policies.iter().map(|p| &p.policy)));
    if let (Some((service, action)), Some(first)) = (new.iter().next(), each.first_mut()) {
        first.fault = Some(format!("with the others it would grant {}:{}, which is new", service.prefix, action.name));
    }
    each
}

/// A policy whose Allow statements name only what stays; none where that leaves no statement.
fn trimmed(policy: &Policy, stays: &Stays) -> Option<Policy> {
    let mut after = policy.clone();
    let each = policy.statements.iter().filter_map(|s| {
        let named = Actions::named(&s.action);
        // A statement all of whose actions stay is left as it was written.
        let whole = s.effect == Effect::Deny || !named.iter().any(|(service, action)| stays.goes(place(service, action)));
        if whole { Some(s.clone()) } else { narrowed(s, &named, stays) }
    });
    after.statements = each.collect();
    (!after.statements.is_empty()).then_some(after)
}

/// The place of an action among all.
pub(super) fn place(service: &Service, action: &Action) -> usize {
    service.first + service.action(action.name).map_or(0, |(i, _)| i)
}

/// A statement with only what stays: as a list of that, or as everything without what goes, where the statement was
/// written so and that is shorter.
fn narrowed(s: &Statement, named: &Actions, stays: &Stays) -> Option<Statement> {
    let before = Before::of(&s.action);
    let mut stay = Vec::new();
    let mut go: Vec<String> = if s.action.not { s.action.values.iter().map(|v| v.text.clone()).collect() } else { Vec::new() };
    for service in facts().services() {
        let all = service.first..service.first + service.actions.len();
        let kept: Vec<bool> = all.clone().map(|i| named.has(i) && stays.kept.contains(&i)).collect();
        stay.extend(words(service, &kept, &kept, |pattern| before.names(pattern)));
        let gone: Vec<bool> = all.clone().map(|i| named.has(i) && stays.goes(i)).collect();
        // What was never named may be left out by the same words.
        let out: Vec<bool> = all.zip(&gone).map(|(i, gone)| *gone || !named.has(i)).collect();
        go.extend(words(service, &gone, &out, |_| true));
    }
    // Of what no facts tell nothing is known, and so it stays: words that mean nothing known, and what is used or kept of it.
    if !s.action.not {
        stay.extend(s.action.values.iter().map(|v| &v.text).filter(|word| facts().expand(word).is_empty()).cloned());
    }
    stay.extend(stays.unknown.iter().filter(|word| before.names(word) && !stay.contains(word)).cloned().collect::<Vec<_>>());
    if stay.is_empty() {
        return None;
    }
    let all = s.action.values.iter().any(|v| is_every_action(&v.text));
    let long = |names: &[String]| names.iter().map(|n| n.len() + 3).sum::<usize>();
    let mut narrow = s.clone();
    if (s.action.not || all) && long(&go) < long(&stay) {
        narrow.action = Element::of(go);
        narrow.action.not = true;
    } else {
        narrow.action = Element::of(stay);
    }
    Some(narrow)
}

/// What an element names, for patterns over actions that are to come as well.
struct Before {
    /// Each with what it begins with, in lower case.
    values: Vec<(String, Set)>,
    not: bool,
    /// It names everything, or what begins so.
    begins: Vec<String>,
}

impl Before {
    fn of(element: &Element) -> Self {
        let plain = |v: &str| v.strip_suffix('*').filter(|b| !b.contains(['*', '?'])).map(str::to_ascii_lowercase);
        let begins = element.values.iter().filter(|_| !element.not).filter_map(|v| plain(&v.text)).collect();
        let values = element.values.iter().map(|v| (beginning(&v.text), Set::action(&v.text))).collect();
        Self { values, not: element.not, begins }
    }
    fn names(&self, pattern: &str) -> bool {
        let lower = pattern.to_ascii_lowercase();
        if self.begins.iter().any(|b| lower.starts_with(b.as_str())) {
            return true;
        }
        // Hundreds of values are compared at once only where they have a beginning in common.
        let begins = beginning(pattern);
        let near = self.values.iter().filter(|(b, _)| b.starts_with(&begins) || begins.starts_with(b.as_str()));
        let (values, asked) = (Set::union(near.map(|(_, set)| set.clone())), Set::action(pattern));
        if self.not { !values.overlaps(&asked).unwrap_or(true) } else { values.covers(&asked).unwrap_or(false) }
    }
}

/// What comes before a pattern's first wildcard.
fn beginning(pattern: &str) -> String {
    pattern.split(['*', '?']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The actions of a service that are `wanted`, by name and by the shortest beginnings all of whose actions are `allowed`.
fn words(service: &Service, wanted: &[bool], allowed: &[bool], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let count = |places: Range<usize>, of: &[bool]| of[places].iter().filter(|is| **is).count();
    let all = 0..wanted.len();
    if count(all.clone(), wanted) == 0 {
        return Vec::new();
    }
    let whole = format!("{}:*", service.prefix);
    if count(all.clone(), allowed) == all.len() && fits(&whole) {
        return vec![whole];
    }
    let mut said = vec![false; wanted.len()];
    let mut words = Vec::new();
    for i in all.filter(|i| wanted[*i]) {
        if said[i] {
            continue;
        }
        let name = service.actions[i].name;
        // At the beginnings of the name's words, and the name itself.
        let ends = name.char_indices().skip(1).filter(|(_, c)| c.is_ascii_uppercase()).map(|(at, _)| at);
        let beginning = ends.chain([name.len()]).find_map(|end| {
            let places = service.beginning(&name[..end].to_ascii_lowercase());
            let pattern = format!("{}:{}*", service.prefix, &name[..end]);
            let exact = count(places.clone(), wanted) > 1 && count(places.clone(), allowed) == places.len();
            (exact && fits(&pattern)).then_some((pattern, places))
        });
        let (word, places) = beginning.unwrap_or_else(|| (format!("{}:{name}", service.prefix), i..i + 1));
        said[places].fill(true);
        words.push(word);
    }
    words
}

/// Cuts a policy into documents that fit; the statements of all of them together mean the same.
///
/// # Errors
/// The size of one statement that cannot be cut and does not fit.
fn split(policy: &Policy, limit: usize) -> Result<Vec<Policy>, usize> {
    // Variables mean what they did.
    let document = |statements: Vec<Statement>| {
        let mut document = Policy::of(statements);
        document.version = policy.version;
        document
    };
    let mut pieces = Vec::new();
    for s in &policy.statements {
        let values = &s.action.values;
        let mut at = 0;
        while at < values.len() {
            let mut take = values.len() - at;
            let piece = loop {
                let mut piece = s.clone();
                if take < values.len() {
                    piece.action = Element::of(values[at..at + take].iter().map(|v| v.text.clone()));
                }
                // Two statements of one name are refused.
                piece.sid = piece.sid.filter(|_| at == 0);
                let size = document(vec![piece.clone()]).size();
                if size <= limit {
                    break piece;
                }
                // A statement of what it does not name cannot be cut.
                if s.action.not || take == 1 {
                    return Err(size);
                }
                take = take.div_ceil(2);
            };
            pieces.push(piece);
            at += take;
        }
    }
    let mut documents: Vec<Vec<Statement>> = Vec::new();
    for piece in pieces {
        let with = |all: &Vec<Statement>| document(all.iter().chain([&piece]).cloned().collect()).size();
        match documents.iter_mut().find(|all| with(all) <= limit) {
            Some(all) => all.push(piece),
            None => documents.push(vec![piece]),
        }
    }
    Ok(documents.into_iter().map(document).collect())
}

/// Holds the documents as they are printed against the old one: together they grant nothing new, and all of the old one
/// that stays.
fn fault(before: &Policy, after: &[String], stays: &Stays) -> Option<String> {
    let mut statements = Vec::new();
    for text in after {
        match Policy::read(text) {
            Ok(policy) => statements.extend(policy.statements),
            Err(error) => return Some(error.to_string()),
        }
    }
    let after = grants::of_statements(&statements);
    let old = grants::of_statements(&before.statements);
    if let Some((service, action)) = after.clone().minus(&old).iter().next() {
        return Some(format!("it would grant {}:{}, which is new", service.prefix, action.name));
    }
    let lost = old.and(&stays.granted).minus(&after);
    let kept = |(service, action): &(&Service, &Action)| stays.kept.contains(&place(service, action));
    lost.iter().find(kept).map(|(s, a)| format!("it would no longer grant {}:{}, which stays", s.prefix, a.name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::read::authorization_details;

    /// What is granted to a user by such statements, of which some actions go.
    fn user(statements: &str, go: &[&str]) -> (Account, Stays) {
        let text = format!(
            r#"{{"UserDetailList":[{{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u","UserPolicyList":[
            {{"PolicyName":"p","PolicyDocument":{{"Version":"2012-10-17","Statement":{statements}}}}}]}}]}}"#
        );
        let account = Account::read(&authorization_details(&text).unwrap());
        let granted = grants::of_principal(&account, &account.principals[0]);
        let gone = Actions::named(&Element::of(go.iter().map(|g| (*g).to_owned())));
        let kept = granted.clone().minus(&gone);
        let kept = kept.iter().map(|(s, a)| place(s, a)).collect();
        (account, Stays { granted, kept, unknown: BTreeSet::new() })
    }

    fn actions(statements: &str, go: &[&str]) -> (bool, Vec<String>) {
        let (account, stays) = user(statements, go);
        let found = trim(&account, 0, &stays);
        assert_eq!(found[0].fault, None, "{:?}", found[0].after);
        let after = Policy::read(found[0].after.as_ref().unwrap()).unwrap();
        let element = &after.statements[0].action;
        // Exactly what went is gone.
        let lost = stays.granted.clone().minus(&grants::of_statements(&after.statements));
        let expected: Vec<usize> = stays.granted.iter().map(|(s, a)| place(s, a)).filter(|i| stays.goes(*i)).collect();
        assert_eq!(lost.iter().map(|(s, a)| place(s, a)).collect::<Vec<_>>(), expected);
        (element.not, element.values.iter().map(|v| v.text.clone()).collect())
    }

    #[test]
    fn beginnings_stand_for_what_stays_and_for_nothing_else() {
        let (not, kept) = actions(r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#, &["sqs:DeleteQueue", "sqs:Tag*"]);
        let has = |word: &str| kept.iter().any(|k| k == word);
        assert!(!not && has("sqs:DeleteMessage") && has("sqs:List*") && has("sqs:Get*") && !has("sqs:Delete*"), "{kept:?}");
        // What was written out is not widened to what is to come.
        let (_, kept) = actions(
            r#"{"Effect":"Allow","Action":["sqs:GetQueueUrl","sqs:GetQueueAttributes","sqs:SendMessage"],"Resource":"*"}"#,
            &["sqs:SendMessage"],
        );
        assert_eq!(kept, ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]);
        let (_, kept) = actions(r#"{"Effect":"Allow","Action":"sqs:G*","Resource":"*"}"#, &["sqs:GetQueueUrl"]);
        assert_eq!(kept, ["sqs:GetQueueAttributes"]);
        // Whole services by one word.
        let (_, kept) = actions(r#"{"Effect":"Allow","Action":["sqs:*","sns:*"],"Resource":"*"}"#, &["sns:*"]);
        assert_eq!(kept, ["sqs:*"]);
    }

    #[test]
    fn what_denies_stays_and_so_does_what_no_facts_tell() {
        let (account, stays) =
            user(r#"[{"Effect":"Allow","Action":["s3:PutObject","newsvc:Do*"],"Resource":"*"}]"#, &["s3:PutObject"]);
        let after = trim(&account, 0, &stays)[0].after.clone().unwrap();
        assert!(after.contains("newsvc:Do*") && !after.contains("PutObject"), "{after}");
        // A guard beside what it guards against.
        let text = r#"{"UserDetailList":[{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u","UserPolicyList":[
            {"PolicyName":"guard","PolicyDocument":{"Version":"2012-10-17","Statement":[
              {"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}},
            {"PolicyName":"wide","PolicyDocument":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}}]}]}"#;
        let account = Account::read(&authorization_details(text).unwrap());
        let granted = grants::of_principal(&account, &account.principals[0]);
        let kept = granted.iter().filter(|(s, _)| s.prefix == "s3").map(|(s, a)| place(s, a)).collect();
        let found = trim(&account, 0, &Stays { granted, kept, unknown: BTreeSet::new() });
        let guard = found[0].after.as_ref().unwrap();
        assert!(guard.contains("Deny") && !guard.contains("sqs") && found.iter().all(|t| t.fault.is_none()), "{found:#?}");
        // Everything, of which a service is used that no facts tell.
        let (account, mut stays) = user(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, &[]);
        stays.kept.retain(|place| facts().service("sqs").is_some_and(|s| (s.first..s.first + s.actions.len()).contains(place)));
        stays.unknown = ["brandnew:*".to_owned()].into();
        let after = trim(&account, 0, &stays)[0].after.clone().unwrap();
        assert!(after.contains("\"sqs:*\"") && after.contains("\"brandnew:*\""), "{after}");
    }

    #[test]
    fn everything_but_some_stays_so() {
        let (not, left) = actions(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#, &["sqs:*", "s3:CreateBucket"]);
        assert_eq!((not, left), (true, vec!["iam:*".to_owned(), "s3:CreateBucket".to_owned(), "sqs:*".to_owned()]));
        let (not, left) = actions(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, &["sqs:*"]);
        assert_eq!((not, left), (true, vec!["sqs:*".to_owned()]));
        // The shorter of both.
        let go: Vec<String> = facts().services().filter(|s| s.prefix != "sqs").map(|s| format!("{}:*", s.prefix)).collect();
        let go: Vec<&str> = go.iter().map(String::as_str).collect();
        let (not, left) = actions(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#, &go);
        assert_eq!((not, left), (false, vec!["sqs:*".to_owned()]));
    }

    #[test]
    fn what_aws_does_not_take_inline_is_cut_into_managed_policies() {
        // Every other action goes: no beginning stands for many.
        let every: Vec<String> = ["ec2", "rds", "iam"]
            .iter()
            .flat_map(|s| facts().service(s).into_iter())
            .flat_map(|s| s.actions.iter().step_by(2).map(|a| format!("{}:{}", s.prefix, a.name)))
            .collect();
        let go: Vec<&str> = every.iter().map(String::as_str).collect();
        let statements = r#"[{"Sid":"Most","Effect":"Allow","Action":["ec2:*","rds:*","iam:*"],"Resource":"*"},
            {"Effect":"Deny","Action":"iam:DeleteUser","Resource":"*"}]"#;
        let (account, stays) = user(statements, &go);
        let found = trim(&account, 0, &stays);
        let long = found[0].too_long.as_ref().unwrap();
        let after = Policy::read(found[0].after.as_ref().unwrap()).unwrap();
        assert_eq!((long.size, long.limit, long.together), (after.size(), 2_048, true));
        let parts: Vec<Policy> = long.documents.iter().map(|d| Policy::read(d).unwrap()).collect();
        assert!(parts.len() > 1 && parts.iter().all(|p| p.size() <= 6_144));
        assert_eq!(found[0].fault, None);
        let all: Vec<Statement> = parts.iter().flat_map(|p| p.statements.clone()).collect();
        assert_eq!(grants::of_statements(&all), grants::of_statements(&after.statements));
        assert!(all.iter().any(|s| s.effect == Effect::Deny));
        assert_eq!(all.iter().filter(|s| s.sid.is_some()).count(), 1);
        // A role's inline policies may be longer, and what did not change is AWS's already.
        let (account, stays) = user(statements, &[]);
        assert!(trim(&account, 0, &stays)[0].too_long.is_none());
        let one = r#"{"Effect":"Allow","Action":["sqs:*"],"Resource":"*"}"#;
        let (account, stays) = user(one, &["sqs:DeleteQueue"]);
        assert!(trim(&account, 0, &stays)[0].too_long.is_none());
        // What cannot be cut is not.
        let mut wide = Policy::read(&format!(r#"{{"Version":"2012-10-17","Statement":[{one}]}}"#)).unwrap();
        wide.statements[0].action = Element::of(go.iter().map(|g| (*g).to_owned()));
        assert!(split(&wide, 6_144).is_ok_and(|all| all.len() > 1));
        wide.statements[0].action.not = true;
        assert!(split(&wide, 6_144).is_err_and(|size| size > 6_144));
    }

    #[test]
    fn a_statement_of_thousands_of_actions_is_narrowed_in_time() {
        let begun = std::time::Instant::now();
        // As AWS's ReadOnlyAccess: beginnings, and names all of which a beginning would stand for.
        let (mut named, mut go) = (Vec::new(), Vec::new());
        for service in facts().services() {
            let name = |a: &Action| format!("{}:{}", service.prefix, a.name);
            go.extend(service.actions.iter().filter(|a| a.name.starts_with("Get")).take(1).map(name));
            named.extend(service.actions.iter().filter(|a| a.name.starts_with("List")).map(name));
            named.push(format!("{}:Get*", service.prefix));
        }
        let go: Vec<&str> = go.iter().map(String::as_str).collect();
        let list = serde_json::to_string(&named).unwrap();
        let (_, kept) = actions(&format!(r#"{{"Effect":"Allow","Action":{list},"Resource":"*"}}"#), &go);
        assert!(named.len() > 2_000 && kept.len() > 1_000, "{} {}", named.len(), kept.len());
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn faults_would_be_noticed() {
        let (account, stays) =
            user(r#"{"Effect":"Allow","Action":["s3:*","sqs:SendMessage"],"Resource":"*"}"#, &["s3:PutObject"]);
        let found = trim(&account, 0, &stays);
        let (before, after) = (Policy::read(&found[0].before).unwrap(), found[0].after.clone().unwrap());
        assert_eq!(fault(&before, std::slice::from_ref(&after), &stays), None);
        let more = after.replace("sqs:SendMessage", "ec2:RunInstances");
        assert!(fault(&before, &[more], &stays).unwrap().contains("ec2:RunInstances, which is new"));
        let less = after.replace("sqs:SendMessage", "s3:GetObject");
        assert!(fault(&before, &[less], &stays).unwrap().contains("no longer grant sqs:SendMessage"));
    }

    #[test]
    fn diffs_read_line_by_line() {
        assert_eq!(diff("a\nb\nc", "a\nx\nc"), ["  a", "- b", "+ x", "  c"]);
        assert_eq!(diff("", "a"), ["+ a"]);
    }
}
