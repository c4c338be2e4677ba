//! Policies from intent: "read on these ARNs, write on those" becomes a policy with exact actions, resources and nothing
//! else, split to fit AWS's size limits. What it writes is checked by our own evaluator before it is handed out.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, decide};
use super::facts::{Action, Level, Service, facts};
use super::fit::actions_on;
use super::policy::{Effect, Element, Policy, Statement};
use super::sets::Set;

/// What a policy is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// ARNs, with wildcards where many are meant, by what is to be done with them.
    pub on: Vec<(Level, String)>,
    /// Actions that take no resource, `ec2:DescribeRegions`; they go on `*`. With wildcards, all of those that take none.
    pub plain: Vec<String>,
    /// Actions to leave out, with wildcards where many are meant.
    pub without: Vec<String>,
}

/// Why no policy can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("nothing is asked for: name ARNs to list, read, write, tag or manage, or actions that take none")]
    Nothing,
    #[error("{0:?} is no ARN of a resource; write it whole, like arn:aws:s3:::bucket/*")]
    NotAnArn(String),
    #[error("no service has a resource like {arn:?} with {level} actions; check its service and type, or ask for another level")]
    NoAction { arn: String, level: &'static str },
    #[error("there is no action {0:?}; write service:Action")]
    UnknownAction(String),
    #[error("no action that takes no resource is like {0:?}; name the resource, as --read ARN or --write ARN")]
    NonePlain(String),
    #[error("one statement alone is {size} characters, more than the {limit} that fit; ask for fewer ARNs at once")]
    TooLarge { size: usize, limit: usize },
    #[error("the policy written would {0}; this is a defect, please report it")]
    Unproven(String),
}

/// What was written, and what it takes beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// In as many documents as the size limit asks for.
    pub policies: Vec<Policy>,
    /// Actions that AWS says these need as well (`iam:PassRole`), which are not granted.
    pub also_needed: Vec<&'static str>,
}

/// Writes policies of at most `limit` characters each (6,144 for a managed one).
///
/// # Errors
/// [`WriteError`]
pub fn write_policy(intent: &Intent, limit: usize) -> Result<Written, WriteError> {
    let (by_action, also) = meant(intent)?;
    let mut groups: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (action, arns) in &by_action {
        groups.entry(arns.iter().cloned().collect()).or_default().push(action.clone());
    }
    let policies = split(&groups, limit)?;
    prove(&policies, &by_action)?;
    Ok(Written { policies, also_needed: also.into_iter().collect() })
}

/// The ARNs that each action is meant on.
type Meant = BTreeMap<String, BTreeSet<String>>;

/// What an intent means, action by action, and what those need as well.
fn meant(intent: &Intent) -> Result<(Meant, BTreeSet<&'static str>), WriteError> {
    if intent.on.is_empty() && intent.plain.is_empty() {
        return Err(WriteError::Nothing);
    }
    let without: Vec<Set> = intent.without.iter().map(|w| Set::action(w)).collect();
    let left_out = |s: &Service, a: &Action| {
        let full = format!("{}:{}", s.prefix, a.name).to_ascii_lowercase();
        without.iter().any(|w| w.contains(&full))
    };
    // Actions by the ARNs they go on, so that one statement holds all that share them.
    let mut by_action: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut also: BTreeSet<&'static str> = BTreeSet::new();
    for (level, arn) in &intent.on {
        let parts = super::sets::glob::split(arn).filter(|p| p[0] == "arn" && !p[5].is_empty() && !p[2].is_empty());
        if parts.is_none() {
            return Err(WriteError::NotAnArn(arn.chars().take(200).collect()));
        }
        let mut any = false;
        for (service, action) in actions_on(arn, *level) {
            any = true;
            if !left_out(service, action) {
                by_action.entry(format!("{}:{}", service.prefix, action.name)).or_default().insert(arn.clone());
                also.extend(action.dependent.iter().copied());
            }
        }
        if !any {
            return Err(WriteError::NoAction { arn: arn.chars().take(200).collect(), level: level.word() });
        }
    }
    for name in &intent.plain {
        if name.contains(['*', '?']) {
            let all = facts().expand(name).into_iter().filter(|(_, s, a)| a.resources.is_empty() && !left_out(s, a));
            let mut any = false;
            for (_, service, action) in all {
                any = true;
                by_action.entry(format!("{}:{}", service.prefix, action.name)).or_default().insert("*".to_owned());
                also.extend(action.dependent.iter().copied());
            }
            if !any {
                return Err(WriteError::NonePlain(name.chars().take(100).collect()));
            }
            continue;
        }
        let (service, action) =
            facts().action(name).ok_or_else(|| WriteError::UnknownAction(name.chars().take(100).collect()))?;
        by_action.entry(format!("{}:{}", service.prefix, action.name)).or_default().insert("*".to_owned());
    }
    also.retain(|a| !by_action.contains_key(*a));
    Ok((by_action, also))
}

/// How a policy that somebody edited compares with an intent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What was asked for and is not allowed: action and ARN.
    pub missing: Vec<(String, String)>,
    /// What is allowed and was not asked for: action, and the resource as the policy writes it.
    pub beside: Vec<(String, String)>,
}

/// Compares policies with an intent, by the evaluator for what is missing and by sets for what is too much.
///
/// # Errors
/// As [`write_policy`], for the intent.
pub fn compare(policies: &[Policy], intent: &Intent) -> Result<Compared, WriteError> {
    let (meant, _) = meant(intent)?;
    let compiled: Vec<Compiled> = policies.iter().map(|p| Compiled::new("edited", "", p.clone())).collect();
    let identity: Vec<&Compiled> = compiled.iter().collect();
    let caller = Caller::new("arn:aws:iam::111122223333:role/proof");
    let (context, layers) = (Context::complete(), Layers { identity: &identity, ..Layers::default() });
    let mut compared = Compared::default();
    for (action, arns) in &meant {
        let name = ActionName::new(action);
        // Keys and roles ask their own policy too; the identity's part is what is compared here.
        let asks_more = name.service() == "kms" || name.service() == "sts";
        for arn in arns {
            let resource = Resource::new(arn).in_account("111122223333");
            let decision = decide(&Request { caller: &caller, action: &name, resource: &resource, context: &context }, &layers);
            let granted = || policies.iter().flat_map(|p| &p.statements).any(|s| s.effect == Effect::Allow && names(s, action));
            if decision != Decision::Allowed && !(asks_more && granted()) {
                compared.missing.push((action.clone(), arn.clone()));
            }
        }
    }
    for s in policies.iter().flat_map(|p| &p.statements).filter(|s| s.effect == Effect::Allow) {
        for (service, action) in super::grants::Actions::named(&s.action).iter() {
            let full = format!("{}:{}", service.prefix, action.name);
            let asked = meant.get(&full).map(|arns| Set::union(arns.iter().map(|a| Set::resource(a))));
            let wide = |value: &str| match &asked {
                Some(asked) => !asked.covers(&Set::resource(value)).unwrap_or(false),
                None => true,
            };
            let found = match &s.resource {
                Some(r) if r.not => Some("all but what is named".to_owned()),
                Some(r) => r.values.iter().find(|v| wide(&v.text)).map(|v| v.text.clone()),
                None => None,
            };
            let found = found.map(|resource| (full, resource));
            compared.beside.extend(found.filter(|f| !compared.beside.contains(f)));
        }
    }
    Ok(compared)
}

fn names(s: &Statement, action: &str) -> bool {
    facts().action(action).is_some_and(|(service, a)| {
        let place = service.first + service.action(a.name).map_or(0, |(i, _)| i);
        super::grants::Actions::named(&s.action).has(place)
    })
}

/// Puts the statements into as few documents as fit; a statement that does not fit is cut by its actions.
fn split(groups: &BTreeMap<Vec<String>, Vec<String>>, limit: usize) -> Result<Vec<Policy>, WriteError> {
    let statement = |arns: &[String], actions: &[String]| {
        let (action, resource) = (Element::of(actions.iter().cloned()), Element::of(arns.iter().cloned()));
        Statement::of(None, Effect::Allow, action, resource, Vec::new())
    };
    let size = |all: &[Statement]| Policy::of(all.to_vec()).size();
    let mut pieces = Vec::new();
    for (arns, actions) in groups {
        let mut rest = actions.as_slice();
        while !rest.is_empty() {
            let mut take = rest.len();
            while take > 1 && size(&[statement(arns, &rest[..take])]) > limit {
                take = take.div_ceil(2);
            }
            let piece = statement(arns, &rest[..take]);
            let alone = size(std::slice::from_ref(&piece));
            if alone > limit {
                return Err(WriteError::TooLarge { size: alone, limit });
            }
            pieces.push(piece);
            rest = &rest[take..];
        }
    }
    let mut documents: Vec<Vec<Statement>> = Vec::new();
    for piece in pieces {
        let fits = documents.last_mut().filter(|d| {
            let mut with = (*d).clone();
            with.push(piece.clone());
            size(&with) <= limit
        });
        match fits {
            Some(document) => document.push(piece),
            None => documents.push(vec![piece]),
        }
    }
    Ok(documents.into_iter().map(Policy::of).collect())
}

/// Everything meant is allowed, and no other action is allowed on any of these resources.
fn prove(policies: &[Policy], meant: &BTreeMap<String, BTreeSet<String>>) -> Result<(), WriteError> {
    let compiled: Vec<Compiled> = policies.iter().map(|p| Compiled::new("written", "", p.clone())).collect();
    let identity: Vec<&Compiled> = compiled.iter().collect();
    let caller = Caller::new("arn:aws:iam::111122223333:role/proof");
    let context = Context::complete();
    let layers = Layers { identity: &identity, ..Layers::default() };
    let arns: BTreeSet<&String> = meant.values().flatten().collect();
    let resources: Vec<(&String, Resource)> =
        arns.into_iter().map(|a| (a, Resource::new(a).in_account("111122223333"))).collect();
    let services: BTreeSet<&str> = meant.keys().filter_map(|a| a.split(':').next()).collect();
    for service in services.into_iter().filter_map(|s| facts().service(s)) {
        for action in &service.actions {
            let full = format!("{}:{}", service.prefix, action.name);
            let name = ActionName::new(&full);
            let own = meant.get(&full);
            for (arn, resource) in &resources {
                let request = Request { caller: &caller, action: &name, resource, context: &context };
                let allowed = decide(&request, &layers);
                let wanted = own.is_some_and(|o| o.contains(*arn));
                if wanted && allowed != Decision::Allowed {
                    // KMS keys and roles ask their own policy too; the identity's part is what is proven here.
                    let needs_more = name.as_str().starts_with("kms:") || name.as_str().starts_with("sts:");
                    if !needs_more {
                        return Err(WriteError::Unproven(format!("not allow {full} on {arn}")));
                    }
                }
                let covered =
                    own.is_some_and(|o| o.iter().any(|o| Set::resource(o).overlaps(&Set::resource(arn)).unwrap_or(true)));
                if !wanted && !covered && matches!(allowed, Decision::Allowed) {
                    return Err(WriteError::Unproven(format!("allow {full} on {arn}, which was not asked for")));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(w: &Written) -> Vec<String> {
        w.policies.iter().flat_map(|p| &p.statements).flat_map(|s| &s.action.values).map(|v| v.text.clone()).collect()
    }

    #[test]
    fn read_on_objects_is_not_read_on_buckets() {
        let intent = Intent { on: vec![(Level::Read, "arn:aws:s3:::data/*".into())], ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        let actions = actions(&written);
        assert!(actions.contains(&"s3:GetObject".to_owned()));
        assert!(!actions.iter().any(|a| a == "s3:GetBucketPolicy" || a == "s3:PutObject"), "{actions:?}");
        let bucket = Intent { on: vec![(Level::Read, "arn:aws:s3:::data".into())], ..Intent::default() };
        assert!(self::actions(&write_policy(&bucket, 6_144).unwrap()).contains(&"s3:GetBucketPolicy".to_owned()));
    }

    #[test]
    fn it_splits_and_leaves_out() {
        let on = vec![
            (Level::Write, "arn:aws:ec2:eu-west-1:111122223333:instance/*".to_owned()),
            (Level::Read, "arn:aws:dynamodb:eu-west-1:111122223333:table/t".to_owned()),
        ];
        let intent = Intent { on, plain: vec!["ec2:DescribeRegions".into()], without: vec!["ec2:Terminate*".into()] };
        let written = write_policy(&intent, 700).unwrap();
        assert!(written.policies.len() > 1);
        assert!(written.policies.iter().all(|p| p.size() <= 700));
        let actions = actions(&written);
        assert!(actions.contains(&"ec2:StopInstances".to_owned()) && !actions.contains(&"ec2:TerminateInstances".to_owned()));
        assert!(actions.contains(&"dynamodb:GetItem".to_owned()) && actions.contains(&"ec2:DescribeRegions".to_owned()));
    }

    #[test]
    fn an_edited_policy_is_compared_with_what_was_asked_for() {
        let on = vec![(Level::Read, "arn:aws:sqs:eu-west-1:111122223333:jobs".to_owned())];
        let intent = Intent { on, ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        assert_eq!(compare(&written.policies, &intent), Ok(Compared::default()));
        let text = written.policies[0].print();
        let edited = |from: &str, to: &str| {
            assert!(text.contains(from), "{text}");
            compare(&[Policy::read(&text.replace(from, to)).unwrap()], &intent).unwrap()
        };
        let fewer = edited("sqs:GetQueueUrl", "sqs:GetQueueAttributes");
        assert_eq!(fewer.missing, [("sqs:GetQueueUrl".to_owned(), "arn:aws:sqs:eu-west-1:111122223333:jobs".to_owned())]);
        assert!(fewer.beside.is_empty());
        let wider = edited(":jobs", ":*");
        assert!(wider.missing.is_empty() && wider.beside.iter().all(|(_, on)| on.ends_with(":*")) && !wider.beside.is_empty());
        let more = edited("sqs:GetQueueUrl", "sqs:*");
        assert!(more.beside.iter().any(|(action, _)| action == "sqs:DeleteQueue"), "{:?}", more.beside);
        assert!(compare(&[], &Intent::default()).is_err());
    }

    #[test]
    fn errors_say_what_to_do() {
        let one = |level, arn: &str| write_policy(&Intent { on: vec![(level, arn.into())], ..Intent::default() }, 6_144);
        assert_eq!(write_policy(&Intent::default(), 6_144), Err(WriteError::Nothing));
        assert!(matches!(one(Level::Read, "bucket"), Err(WriteError::NotAnArn(_))));
        assert!(matches!(one(Level::Read, "arn:aws:s3:::"), Err(WriteError::NotAnArn(_))));
        assert!(matches!(one(Level::Read, "arn:aws:nosuch:::x"), Err(WriteError::NoAction { .. })));
        assert!(matches!(
            write_policy(&Intent { plain: vec!["s3:Nothing".into()], ..Intent::default() }, 6_144),
            Err(WriteError::UnknownAction(_))
        ));
        assert!(matches!(
            write_policy(&Intent { plain: vec!["sqs:Send*".into()], ..Intent::default() }, 6_144),
            Err(WriteError::NonePlain(_))
        ));
    }

    #[test]
    fn a_pattern_names_the_actions_that_take_no_resource() {
        let intent =
            Intent { plain: vec!["ec2:Describe*".into()], without: vec!["ec2:DescribeVpc*".into()], ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        let actions = actions(&written);
        assert!(actions.contains(&"ec2:DescribeRegions".to_owned()), "{actions:?}");
        assert!(!actions.iter().any(|a| a.starts_with("ec2:DescribeVpc") || a.contains('*')), "{actions:?}");
        let everywhere = |s: &Statement| s.resource.as_ref().is_some_and(|r| r.values.len() == 1 && r.values[0].text == "*");
        assert!(written.policies.iter().flat_map(|p| &p.statements).all(everywhere));
    }
}
