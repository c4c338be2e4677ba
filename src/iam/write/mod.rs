//! Policies from intent: "read on these ARNs, write on those" becomes a policy with exact actions, resources and the
//! conditions they need, split to fit AWS's size limits. What it writes is checked by our own evaluator before it is handed out.

mod needed;
mod prove;

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Action, Level, Service, facts};
use super::fit::{actions_on, below, whole_secret};
use super::graph::takes_role;
use super::lint::odd_part;
use super::policy::{Effect, Element, Policy, Statement};
use super::sets::Set;
use super::sets::glob::{self, ArnPattern};
use needed::{Needs, Only};
pub use prove::{Compared, compare};

/// What a policy is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// ARNs, with wildcards where many are meant, by what is to be done with them.
    pub on: Vec<(Level, String)>,
    /// Actions that take no resource, `ec2:DescribeRegions`; they go on `*`. With wildcards, all of those that take none.
    pub plain: Vec<String>,
    /// Actions to leave out, with wildcards where many are meant.
    pub without: Vec<String>,
    /// Roles that are handed to a service, which then acts as them.
    pub pass: Vec<String>,
    /// Services that roles are handed to, `lambda.amazonaws.com`; with none, those that the actions asked for hand them to.
    pub pass_to: Vec<String>,
    /// Services that may be given the service-linked role they work with, `ecs.amazonaws.com`.
    pub linked: Vec<String>,
    /// KMS keys that what is read and written is encrypted with.
    pub keys: Vec<String>,
    /// The policy that every user and role that is made or changed must have as its permissions boundary.
    pub boundary: Option<String>,
    /// What every request must carry: `aws:ResourceTag/team=payments`, several values with commas between.
    pub only: Vec<String>,
}

/// Why no policy can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("nothing is asked for: name ARNs to list, read, write, tag or manage, or actions that take none")]
    Nothing,
    #[error("{0:?} is no ARN of a resource; write it whole, like arn:aws:s3:::bucket/*")]
    NotAnArn(String),
    #[error("{arn} names nothing: {why}")]
    OddArn { arn: String, why: String },
    #[error("no service has a resource like {arn:?} with {level} actions; check its service and type, or ask for another level")]
    NoAction { arn: String, level: &'static str },
    #[error("there is no action {0:?}; write service:Action")]
    UnknownAction(String),
    #[error("{0} takes a resource; name that, as with --read ARN or --write ARN, or in their fields")]
    TakesResource(String),
    #[error("no action that takes no resource is like {0:?}; name the resource, as --read ARN or --write ARN")]
    NonePlain(String),
    #[error("{0:?} is no role that can be handed to a service; write its ARN, like arn:aws:iam::111122223333:role/app")]
    NotARole(String),
    #[error("no action asked for tells which service {0:?} is handed to; name the service, like lambda.amazonaws.com")]
    PassToWhom(String),
    #[error("{0:?} is no service's name; write it like lambda.amazonaws.com")]
    NotAService(String),
    #[error("{0:?} is no KMS key; write its ARN with its region, like arn:aws:kms:eu-west-1:111122223333:key/1234abcd")]
    NotAKey(String),
    #[error("none of the services asked for uses {0:?} for its caller; name what is encrypted with it, to read or to write")]
    KeyOfNothing(String),
    #[error("{0:?} is no permissions boundary; write the ARN of a managed policy")]
    NotABoundary(String),
    #[error("{text:?} is no condition: {why}")]
    NotACondition { text: String, why: String },
    #[error("nothing is left to allow: {0}")]
    NothingLeft(String),
    #[error("one statement alone is {size} characters, more than the {limit} that fit; ask for shorter ARNs")]
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
    /// Actions that were asked for and are not granted, by the reason.
    pub left_out: Vec<(String, Vec<String>)>,
    /// What else its requests name, and what an ARN that was asked for was not taken to name, in sentences.
    pub notes: Vec<String>,
}

impl Written {
    /// What is not in the policies, in sentences; none where everything is.
    pub fn beside(&self) -> Vec<String> {
        let some = |names: &[String]| {
            let shown = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            if names.len() > MOST_NAMED { format!("{shown} and {} more", names.len() - MOST_NAMED) } else { shown }
        };
        let is = |names: &[String]| if names.len() == 1 { "is" } else { "are" };
        let mut told: Vec<String> =
            (self.left_out.iter()).map(|(why, actions)| format!("{} {} left out: {why}.", some(actions), is(actions))).collect();
        if !self.also_needed.is_empty() {
            let mut names: Vec<String> = self.also_needed.iter().map(|a| (*a).to_owned()).collect();
            // What weighs most is never among those that are only counted.
            names.sort_by_key(|name| name != "iam:PassRole");
            told.push(format!("Not granted, but needed by some: {}.", some(&names)));
        }
        told.extend(self.notes.iter().cloned());
        told
    }
}

/// So many actions of a list are named.
const MOST_NAMED: usize = 8;

/// Writes policies of at most `limit` characters each (6,144 for a managed one).
///
/// # Errors
/// [`WriteError`]
pub fn write_policy(intent: &Intent, limit: usize) -> Result<Written, WriteError> {
    let meant = meant(intent)?;
    let policies = split(&groups(&meant.grants), limit)?;
    prove::prove(&policies, &meant.grants)?;
    let left_out = meant.left_out.into_iter().map(|(why, actions)| (why, actions.into_iter().collect())).collect();
    let notes = also_named(&meant.grants).into_iter().chain(not_meant(intent)).collect();
    Ok(Written { policies, also_needed: meant.also.into_iter().collect(), left_out, notes })
}

/// Every request for some actions names resources of several types, each of which has to be allowed (Service Authorization
/// Reference, required resource types).
fn also_named(grants: &Grants) -> Option<String> {
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, on) in grants {
        let Some((service, action)) = facts().action(name) else { continue };
        let granted: Vec<ArnPattern> = on.keys().map(|arn| ArnPattern::new(arn)).collect();
        let required = action.resources.iter().filter(|(_, required)| *required).filter_map(|(at, _)| service.resources.get(*at));
        for of in required.filter(|of| !granted.iter().any(|arn| of.may_be(arn))) {
            lacking.entry(of.name).or_default().push(name);
        }
    }
    let mut lacking: Vec<(&str, Vec<&str>)> = lacking.into_iter().collect();
    lacking.sort_by_key(|(_, by)| std::cmp::Reverse(by.len()));
    let told = lacking.iter().take(MOST_NAMED).map(|(of, by)| match by.as_slice() {
        [one] => format!("{of} ({one})"),
        [one, more @ ..] => format!("{of} ({one} and {} more)", more.len()),
        [] => (*of).to_owned(),
    });
    let more = lacking.len().checked_sub(MOST_NAMED + 1).map(|more| format!(" and {} more", more + 1)).unwrap_or_default();
    let told = told.collect::<Vec<_>>().join(", ");
    (!lacking.is_empty()).then(|| {
        format!("Some requests name other resources as well, and are denied until those are asked for too: {told}{more}.")
    })
}

/// `bucket*` stands for buckets here, though AWS lets it name their objects as well; a log group's ARN alone is not what most
/// requests carry (Amazon CloudWatch Logs: "CloudWatch Logs resources and operations").
fn not_meant(intent: &Intent) -> Vec<String> {
    let mut told = Vec::new();
    for (level, arn) in &intent.on {
        let named = glob::split(arn).and_then(|parts| parts[5].strip_prefix("log-group:").filter(|_| parts[2] == "logs"));
        let whole = format!("{arn}:*");
        if named.is_some_and(|name| !name.contains([':', '*'])) && !intent.on.contains(&(*level, whole.clone())) {
            let line = format!("most requests for {arn} are compared with :* behind it; ask for {whole} as well.");
            if !told.contains(&line) {
                told.push(line);
            }
        }
        if let Some(whole) = whole_secret(arn) {
            let line = format!("AWS puts six characters behind a secret's name, so that {arn} names none; ask for {whole}.");
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    for (level, arn) in &intent.on {
        for (of, other, suffix) in below(arn, *level) {
            let whole = format!("{arn}{suffix}");
            let line = format!("{arn} was taken to name {of} resources; for {other} resources, ask for {whole} as well.");
            if !intent.on.contains(&(*level, whole)) && !told.contains(&line) {
                told.push(line);
            }
        }
    }
    told
}

/// For each action the ARNs it is meant on, and the conditions it stands under there.
type Grants = BTreeMap<String, BTreeMap<String, Vec<Only>>>;

/// What an intent means.
struct Meant {
    grants: Grants,
    /// What the actions need as well.
    also: BTreeSet<&'static str>,
    /// Actions by why they are not granted.
    left_out: BTreeMap<String, BTreeSet<String>>,
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

fn overlap(a: &str, b: &str) -> bool {
    Set::resource(a).overlaps(&Set::resource(b)).unwrap_or(true)
}

fn full(service: &Service, action: &Action) -> String {
    format!("{}:{}", service.prefix, action.name)
}

/// What an intent means, action by action.
fn meant(intent: &Intent) -> Result<Meant, WriteError> {
    let asked = asked(intent)?;
    let names: BTreeSet<&str> = asked.iter().map(|a| a.name.as_str()).collect();
    let needs = Needs::read(intent, &names)?;
    let mut meant = Meant { grants: Grants::new(), also: BTreeSet::new(), left_out: BTreeMap::new() };
    for Asked { name, service, action, arn, via } in &asked {
        match needs.of((service, action), arn) {
            Ok(mut conditions) => {
                conditions.extend(via.clone());
                conditions.sort();
                let on = meant.grants.entry(name.clone()).or_default();
                // What is asked for of a key itself does not have to come through a service.
                let wider = on.get(arn).is_some_and(|known| known.len() <= conditions.len());
                if !wider {
                    on.insert(arn.clone(), conditions);
                }
                let with = action.dependent.iter().chain(needed::go_with(name)).copied();
                meant.also.extend(with.chain(takes_role(name).then_some("iam:PassRole")));
            }
            Err(why) => _ = meant.left_out.entry(why).or_default().insert(name.clone()),
        }
    }
    if meant.grants.is_empty() {
        let all = || "what is to be left out is all that is asked for".to_owned();
        return Err(WriteError::NothingLeft(meant.left_out.into_keys().next().unwrap_or_else(all)));
    }
    meant.also.retain(|a| !meant.grants.contains_key(*a));
    Ok(meant)
}

/// An action that is asked for.
struct Asked {
    name: String,
    service: &'static Service,
    action: &'static Action,
    arn: String,
    /// Where it is meant through a service only.
    via: Option<Only>,
}

fn asked(intent: &Intent) -> Result<Vec<Asked>, WriteError> {
    let none = [&intent.plain, &intent.pass, &intent.linked].iter().all(|l| l.is_empty());
    if intent.on.is_empty() && none {
        return Err(WriteError::Nothing);
    }
    if let Some(unknown) = intent.without.iter().find(|w| facts().expand(w).is_empty()) {
        return Err(WriteError::UnknownAction(short(unknown)));
    }
    let without: Vec<Set> = intent.without.iter().map(|w| Set::action(w)).collect();
    let mut found = Vec::new();
    let mut add = |service: &'static Service, action: &'static Action, arn: &str, via: Option<Only>| {
        let name = full(service, action);
        let lower = name.to_ascii_lowercase();
        if needed::can_be(&name, arn) && !without.iter().any(|w| w.contains(&lower)) {
            found.push(Asked { name, service, action, arn: arn.to_owned(), via });
        }
    };
    let mut levels: Vec<(&'static Service, Level)> = Vec::new();
    for (level, arn) in &intent.on {
        let parts = glob::split(arn).filter(|p| p[0] == "arn" && !p[5].is_empty() && !p[2].is_empty());
        if parts.is_none() {
            return Err(WriteError::NotAnArn(short(arn)));
        }
        if let Some(why) = odd_part(arn, true) {
            return Err(WriteError::OddArn { arn: short(arn), why });
        }
        let actions = actions_on(arn, *level);
        if actions.is_empty() {
            return Err(WriteError::NoAction { arn: short(arn), level: level.word() });
        }
        for (service, action) in actions {
            levels.push((service, *level));
            add(service, action, arn, None);
        }
    }
    for name in &intent.plain {
        if name.contains(['*', '?']) {
            let all: Vec<_> = facts().expand(name).into_iter().filter(|(_, _, a)| a.resources.is_empty()).collect();
            if all.is_empty() {
                return Err(WriteError::NonePlain(short(name)));
            }
            for (_, service, action) in all {
                add(service, action, "*", None);
            }
            continue;
        }
        let (service, action) = facts().action(name).ok_or_else(|| WriteError::UnknownAction(short(name)))?;
        if !action.resources.is_empty() {
            return Err(WriteError::TakesResource(full(service, action)));
        }
        add(service, action, "*", None);
    }
    let mut of_iam = |action: &str, arn: &str, via: Option<Only>| {
        if let Some((service, action)) = facts().action(action) {
            add(service, action, arn, via);
        }
    };
    for role in &intent.pass {
        if !glob::split(role).is_some_and(|p| p[2] == "iam" && p[5].starts_with("role/")) {
            return Err(WriteError::NotARole(short(role)));
        }
        of_iam("iam:PassRole", role, None);
    }
    let named = intent.on.iter().map(|(_, arn)| arn).chain(&intent.pass);
    let partition = named.filter_map(|arn| glob::split(arn)).map(|p| p[1]).find(|p| !p.contains('*')).unwrap_or("aws");
    for service in &intent.linked {
        of_iam("iam:CreateServiceLinkedRole", &needed::linked_role(service, partition)?, None);
    }
    for key in &intent.keys {
        for (action, via) in needed::of_key(key, &levels)? {
            of_iam(action, key, Some(via));
        }
    }
    Ok(found)
}

/// Statements by what they share: the ARNs and the conditions, with the actions on them.
type Groups = BTreeMap<(Vec<String>, Vec<Only>), Vec<String>>;

fn groups(grants: &Grants) -> Groups {
    let mut groups = Groups::new();
    for (action, on) in grants {
        let mut by_conditions: BTreeMap<&Vec<Only>, Vec<String>> = BTreeMap::new();
        for (arn, conditions) in on {
            by_conditions.entry(conditions).or_default().push(arn.clone());
        }
        for (conditions, arns) in by_conditions {
            groups.entry((arns, conditions.clone())).or_default().push(action.clone());
        }
    }
    groups
}

/// Puts the statements into as few documents as fit; a statement that does not fit is cut by its actions.
fn split(groups: &Groups, limit: usize) -> Result<Vec<Policy>, WriteError> {
    let statement = |(arns, conditions): &(Vec<String>, Vec<Only>), actions: &[String]| {
        let (action, resource) = (Element::of(actions.iter().cloned()), Element::of(arns.iter().cloned()));
        Statement::of(None, Effect::Allow, action, resource, conditions.iter().map(Only::condition).collect())
    };
    let size = |all: &[Statement]| Policy::of(all.to_vec()).size();
    let mut pieces = Vec::new();
    // What is too long with one action is cut by its ARNs.
    let mut cut = Vec::new();
    let mut whole: Vec<_> = groups.iter().rev().map(|(on, actions)| (on.clone(), actions)).collect();
    while let Some((on, actions)) = whole.pop() {
        let longest = actions.iter().max_by_key(|a| a.len()).cloned().unwrap_or_default();
        if on.0.len() > 1 && size(&[statement(&on, &[longest])]) > limit {
            let (first, second) = on.0.split_at(on.0.len() / 2);
            whole.push(((second.to_vec(), on.1.clone()), actions));
            whole.push(((first.to_vec(), on.1), actions));
        } else {
            cut.push((on, actions));
        }
    }
    for (on, actions) in &cut {
        let mut rest = actions.as_slice();
        while !rest.is_empty() {
            let mut take = rest.len();
            while take > 1 && size(&[statement(on, &rest[..take])]) > limit {
                take = take.div_ceil(2);
            }
            let piece = statement(on, &rest[..take]);
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
    fn everyone_has_a_folder_of_its_own() {
        let folder = "arn:aws:s3:::homes/${aws:username}/*";
        let intent = Intent { on: vec![(Level::Read, folder.into())], ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        assert_eq!(under(&written, "s3:GetObject"), [(vec![folder.to_owned()], Vec::new())]);
        assert_eq!(compare(&written.policies, &intent), Ok(Compared::default()));
        let all = Policy::read(&written.policies[0].print().replace("${aws:username}", "*")).unwrap();
        assert!(!compare(&[all], &intent).unwrap().beside.is_empty());
    }

    #[test]
    fn it_splits_and_leaves_out() {
        let on = vec![
            (Level::Write, "arn:aws:ec2:eu-west-1:111122223333:instance/*".to_owned()),
            (Level::Read, "arn:aws:dynamodb:eu-west-1:111122223333:table/t".to_owned()),
        ];
        let intent =
            Intent { on, plain: vec!["ec2:DescribeRegions".into()], without: vec!["ec2:Terminate*".into()], ..Intent::default() };
        let written = write_policy(&intent, 700).unwrap();
        assert!(written.policies.len() > 1);
        assert!(written.policies.iter().all(|p| p.size() <= 700));
        let actions = actions(&written);
        assert!(actions.contains(&"ec2:StopInstances".to_owned()) && !actions.contains(&"ec2:TerminateInstances".to_owned()));
        assert!(actions.contains(&"dynamodb:GetItem".to_owned()) && actions.contains(&"ec2:DescribeRegions".to_owned()));
    }

    /// The conditions that an action stands under, and on what.
    fn under(w: &Written, action: &str) -> Vec<(Vec<String>, Vec<String>)> {
        let all = w.policies.iter().flat_map(|p| &p.statements);
        all.filter(|s| s.action.values.iter().any(|v| v.text == action))
            .map(|s| {
                let on = s.resource.iter().flat_map(|r| &r.values).map(|v| v.text.clone()).collect();
                (on, s.conditions.iter().map(crate::iam::policy::Condition::describe).collect())
            })
            .collect()
    }

    const ROLE: &str = "arn:aws:iam::111122223333:role/app";
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:app";

    #[test]
    fn a_role_is_handed_to_the_services_asked_for_alone() {
        let intent = Intent { on: vec![(Level::Write, FUNCTION.into())], pass: vec![ROLE.into()], ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        let to = |service: &str| vec![(vec![ROLE.to_owned()], vec![format!("StringEquals iam:PassedToService {service}")])];
        assert_eq!(under(&written, "iam:PassRole"), to("lambda.amazonaws.com"));
        assert!(!written.also_needed.contains(&"iam:PassRole"));
        // Named services come before those that the actions tell.
        let named = Intent { pass_to: vec!["edgelambda.amazonaws.com".into()], ..intent.clone() };
        assert_eq!(under(&write_policy(&named, 6_144).unwrap(), "iam:PassRole"), to("edgelambda.amazonaws.com"));
        // Without its condition it is too much.
        let text = written.policies[0].print();
        let mut open = written.policies[0].clone();
        open.statements.iter_mut().for_each(|s| s.conditions.clear());
        let compared = compare(&[open], &intent).unwrap();
        assert_eq!(compared.unguarded, [("iam:PassRole".to_owned(), "iam:PassedToService".to_owned())]);
        assert!(compared.missing.is_empty() && compared.beside.is_empty());
        // With another service it does not do what was asked for.
        let other = Policy::read(&text.replace("lambda.amazonaws.com", "ec2.amazonaws.com")).unwrap();
        let compared = compare(&[other], &intent).unwrap();
        assert_eq!(compared.missing, [("iam:PassRole".to_owned(), ROLE.to_owned())]);
        // Nobody tells to which service.
        let alone = Intent { pass: vec![ROLE.into()], ..Intent::default() };
        assert_eq!(write_policy(&alone, 6_144), Err(WriteError::PassToWhom(ROLE.into())));
        assert!(matches!(
            write_policy(&Intent { pass: vec!["app".into()], pass_to: named.pass_to, ..Intent::default() }, 6_144),
            Err(WriteError::NotARole(_))
        ));
        // Managing a role hands it to nobody.
        let on = vec![(Level::PermissionsManagement, ROLE.into())];
        let written = write_policy(&Intent { on, ..Intent::default() }, 6_144).unwrap();
        assert!(under(&written, "iam:PassRole").is_empty() && !under(&written, "iam:AttachRolePolicy").is_empty());
        assert_eq!(written.beside(), ["iam:PassRole is left out: it is not said which service roles are handed to."]);
    }

    #[test]
    fn what_is_given_a_role_is_known_where_the_reference_is_silent() {
        for (on, service) in [
            ("glue:eu-west-1:111122223333:job/x", "glue"),
            ("codebuild:eu-west-1:111122223333:project/x", "codebuild"),
            ("cloudformation:eu-west-1:111122223333:stack/x/*", "cloudformation"),
            ("codepipeline:eu-west-1:111122223333:x", "codepipeline"),
            ("events:eu-west-1:111122223333:rule/x", "events"),
            ("bedrock:eu-west-1:111122223333:agent/*", "bedrock"),
        ] {
            let intent = Intent { on: vec![(Level::Write, format!("arn:aws:{on}"))], ..Intent::default() };
            let written = write_policy(&intent, 6_144).unwrap();
            assert!(
                written.beside().iter().any(|b| b.starts_with("Not granted, but needed by some: iam:PassRole")),
                "{on}: {:?}",
                written.beside()
            );
            let written = write_policy(&Intent { pass: vec![ROLE.into()], ..intent }, 6_144).unwrap();
            let expected = vec![format!("StringEquals iam:PassedToService {service}.amazonaws.com")];
            assert_eq!(under(&written, "iam:PassRole"), [(vec![ROLE.to_owned()], expected)]);
            assert!(!written.also_needed.contains(&"iam:PassRole"));
        }
    }

    #[test]
    fn under_a_region_only_what_is_asked_there_is_granted() {
        let on = vec![(Level::Write, FUNCTION.to_owned())];
        let with = |regions: &str| {
            let only = vec![format!("aws:RequestedRegion={regions}")];
            let plain = vec!["iam:ListUsers".to_owned(), "ec2:DescribeRegions".to_owned()];
            write_policy(&Intent { on: on.clone(), pass: vec![ROLE.into()], plain, only, ..Intent::default() }, 6_144)
        };
        let written = with("eu-west-1").unwrap();
        assert!(under(&written, "iam:PassRole").is_empty() && under(&written, "iam:ListUsers").is_empty());
        assert_eq!(under(&written, "lambda:CreateFunction")[0].1, ["StringEquals aws:RequestedRegion eu-west-1"]);
        assert!(!under(&written, "ec2:DescribeRegions").is_empty());
        let beside = written.beside();
        assert!(beside.iter().any(|b| b == "iam:PassRole is left out: their requests go to us-east-1 alone."), "{beside:?}");
        assert!(beside.iter().any(|b| b.starts_with("Not granted, but needed by some: iam:PassRole")), "{beside:?}");
        // A second region that is IAM's, and a pattern of regions; the function stands in neither of others.
        for both in ["eu-west-1,us-east-1", "*-west-1,us-*"] {
            assert!(!under(&with(both).unwrap(), "iam:PassRole").is_empty(), "{both}");
        }
        let written = with("us-*").unwrap();
        assert!(under(&written, "lambda:CreateFunction").is_empty() && !under(&written, "iam:ListUsers").is_empty());
        let alone = Intent { on: on.clone(), only: vec!["aws:RequestedRegion=us-east-1".into()], ..Intent::default() };
        let error = write_policy(&alone, 6_144).unwrap_err();
        assert_eq!(error, WriteError::NothingLeft("their requests go to eu-west-1 alone".into()));
    }

    #[test]
    fn nothing_is_no_policy_and_what_is_left_out_is_known() {
        let on = vec![(Level::Write, "arn:aws:sqs:eu-west-1:111122223333:q".to_owned())];
        let without = |word: &str| {
            write_policy(&Intent { on: on.clone(), without: vec![word.into()], ..Intent::default() }, 6_144)
                .map(|w| w.policies.len())
        };
        assert!(matches!(without("sqs:*"), Err(WriteError::NothingLeft(_))));
        assert_eq!(without("sqs:Delete*"), Ok(1));
        for unknown in ["sqs:DeleteQueu", "DeleteQueue", "sqqs:*"] {
            assert_eq!(without(unknown), Err(WriteError::UnknownAction(unknown.into())));
        }
    }

    #[test]
    fn no_user_or_role_is_changed_without_the_boundary_that_is_asked_for() {
        let boundary = Some("arn:aws:iam::111122223333:policy/limit".to_owned());
        let user = "arn:aws:iam::111122223333:user/app-*";
        let on = [Level::PermissionsManagement, Level::Tagging].map(|level| (level, user.to_owned()));
        let intent = Intent { on: on.into(), boundary, ..Intent::default() };
        let written = write_policy(&intent, 6_144).unwrap();
        for changes in ["CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile", "UpdateUser", "TagUser"] {
            assert!(under(&written, &format!("iam:{changes}")).is_empty(), "{changes}");
        }
        assert_eq!(under(&written, "iam:CreateUser")[0].1.len(), 1);
        assert!(!under(&written, "iam:DeleteUser").is_empty());
        assert!(written.beside().iter().any(|b| b.contains("carry no iam:PermissionsBoundary")), "{:?}", written.beside());
        // Without a boundary they are granted, and a role is handed on with one.
        let free = write_policy(&Intent { boundary: None, ..intent.clone() }, 6_144).unwrap();
        assert!(!under(&free, "iam:CreateAccessKey").is_empty());
        let on = vec![(Level::Write, FUNCTION.into())];
        let passing = write_policy(&Intent { on, pass: vec![ROLE.into()], ..intent }, 6_144).unwrap();
        assert!(!under(&passing, "iam:PassRole").is_empty());
    }

    #[test]
    fn a_pattern_that_names_objects_as_well_is_told() {
        let read = |arns: &[&str]| {
            let on = arns.iter().map(|arn| (Level::Read, (*arn).to_owned())).collect();
            write_policy(&Intent { on, ..Intent::default() }, 6_144).unwrap()
        };
        let told = read(&["arn:aws:s3:::payroll*"]).beside();
        let expected = "arn:aws:s3:::payroll* was taken to name bucket resources; for object resources, ask for \
            arn:aws:s3:::payroll*/* as well.";
        assert!(told.iter().any(|t| t == expected), "{told:?}");
        for whole in [&["arn:aws:s3:::payroll*", "arn:aws:s3:::payroll*/*"][..], &["arn:aws:s3:::payroll"], &["arn:aws:s3:::p/*"]]
        {
            assert_eq!(read(whole).notes, [""; 0], "{whole:?}");
        }
        let group = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/x";
        let told = read(&[group]).notes;
        assert!(told.len() == 1 && told[0].contains(&format!("ask for {group}:* as well")), "{told:?}");
        assert_eq!(read(&[group, &format!("{group}:*")]).notes, [""; 0]);
        let table = "arn:aws:glue:eu-west-1:111122223333:table/db/t";
        let told = read(&[table]).notes;
        assert!(told.len() == 1 && told[0].contains("asked for too: ") && told[0].contains("database (glue:"), "{told:?}");
        let above = ["arn:aws:glue:eu-west-1:111122223333:catalog", "arn:aws:glue:eu-west-1:111122223333:database/db"];
        let told = read(&[table, above[0], above[1]]).notes.join(" ");
        assert!(!told.contains("database") && !told.contains(" table"), "{told}");
        let push = read(&["arn:aws:ecr:eu-west-1:111122223333:repository/app"]);
        assert!(push.also_needed.contains(&"ecr:GetAuthorizationToken"), "{:?}", push.also_needed);
        let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db";
        let told = read(&[secret]).notes;
        assert!(told.len() == 1 && told[0].contains(&format!("ask for {secret}-??????.")), "{told:?}");
        for whole in ["-??????", "-AbC1d9", "*", "-*"] {
            assert_eq!(read(&[&format!("{secret}{whole}")]).notes, [""; 0], "{whole}");
        }
    }

    #[test]
    fn linked_roles_keys_and_boundaries_have_their_conditions() {
        let key = "arn:aws:kms:eu-west-1:111122223333:key/1";
        let intent = Intent {
            on: vec![(Level::Read, "arn:aws:s3:::data/*".into()), (Level::Write, "arn:aws:sqs:eu-west-1:111122223333:q".into())],
            linked: vec!["ecs.amazonaws.com".into()],
            keys: vec![key.into()],
            ..Intent::default()
        };
        let written = write_policy(&intent, 6_144).unwrap();
        let linked = "arn:aws:iam::*:role/aws-service-role/ecs.amazonaws.com/*";
        let of = |on: &str, conditions: &[&str]| {
            vec![(vec![on.to_owned()], conditions.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>())]
        };
        let expected = of(linked, &["StringEquals iam:AWSServiceName ecs.amazonaws.com"]);
        assert_eq!(under(&written, "iam:CreateServiceLinkedRole"), expected);
        let both = "StringEquals kms:ViaService s3.eu-west-1.amazonaws.com, sqs.eu-west-1.amazonaws.com";
        assert_eq!(under(&written, "kms:Decrypt"), of(key, &[both]));
        // What is only read is not encrypted anew.
        let sqs = "StringEquals kms:ViaService sqs.eu-west-1.amazonaws.com";
        assert_eq!(under(&written, "kms:GenerateDataKey"), of(key, &[sqs]));
        let mut expected = of(key, &["Bool kms:GrantIsForAWSResource true", sqs]);
        let mut found = under(&written, "kms:CreateGrant");
        for (_, conditions) in expected.iter_mut().chain(&mut found) {
            conditions.sort();
        }
        assert_eq!(found, expected);
        let keys = |key: &str, on: &str| {
            write_policy(&Intent { on: vec![(Level::Read, on.into())], keys: vec![key.into()], ..Intent::default() }, 6_144)
        };
        assert!(matches!(keys("arn:aws:kms:*:111122223333:key/1", "arn:aws:s3:::data/*"), Err(WriteError::NotAKey(_))));
        assert!(matches!(keys(key, ROLE), Err(WriteError::KeyOfNothing(_))));

        let boundary = "arn:aws:iam::111122223333:policy/limit".to_owned();
        let on = vec![(Level::PermissionsManagement, ROLE.to_owned())];
        let written = write_policy(&Intent { on, boundary: Some(boundary), ..Intent::default() }, 6_144).unwrap();
        let guard = ["StringEquals iam:PermissionsBoundary arn:aws:iam::111122223333:policy/limit"];
        assert_eq!(under(&written, "iam:AttachRolePolicy"), of(ROLE, &guard));
        assert!(under(&written, "iam:DeleteRolePermissionsBoundary").is_empty());
        assert!(written.beside().iter().any(|b| b.starts_with("iam:DeleteRolePermissionsBoundary is left out: ")));
    }

    #[test]
    fn conditions_that_are_asked_for_stand_on_everything_that_knows_them() {
        let on = vec![(Level::Write, "arn:aws:ec2:eu-west-1:111122223333:instance/*".to_owned())];
        let with = |only: &[&str]| {
            let only = only.iter().map(|o| (*o).to_owned()).collect();
            write_policy(&Intent { on: on.clone(), only, ..Intent::default() }, 6_144)
        };
        let written = with(&["aws:ResourceTag/team=payments,billing", "aws:SourceIp=192.0.2.0/24"]).unwrap();
        let expected = ["IpAddress aws:SourceIp 192.0.2.0/24", "StringEquals aws:ResourceTag/team payments, billing"];
        for s in written.policies.iter().flat_map(|p| &p.statements) {
            let mut found: Vec<String> = s.conditions.iter().map(crate::iam::policy::Condition::describe).collect();
            found.sort();
            assert_eq!(found, expected);
        }
        assert!(actions(&written).contains(&"ec2:StopInstances".to_owned()));
        let described = |only: &str| under(&with(&[only]).unwrap(), "ec2:StopInstances")[0].1.clone();
        assert_eq!(described("aws:PrincipalArn=arn:aws:iam::*:role/ops"), ["ArnLike aws:PrincipalArn arn:aws:iam::*:role/ops"]);
        assert_eq!(described("aws:MultiFactorAuthAge<3600"), ["NumericLessThan aws:MultiFactorAuthAge 3600"]);
        assert_eq!(described("aws:CurrentTime<2027-01-01T00:00:00Z"), ["DateLessThan aws:CurrentTime 2027-01-01T00:00:00Z"]);
        assert_eq!(
            described("aws:CalledVia=athena.amazonaws.com"),
            ["ForAnyValue:StringEquals aws:CalledVia athena.amazonaws.com"]
        );
        assert_eq!(described("aws:MultiFactorAuthPresent=true"), ["Bool aws:MultiFactorAuthPresent true"]);
        for wrong in
            ["team=a", "aws:SourceIp", "aws:SourceIp=", "aws:SourceIp=here", "aws:UserAgent<3", "s3:prefix=a", "aws:SourceVpc=*"]
        {
            assert!(matches!(with(&[wrong]), Err(WriteError::NotACondition { .. })), "{wrong}: {:?}", with(&[wrong]));
        }
        // An action whose requests cannot carry the key could never be used.
        let bucket = Intent {
            on: vec![(Level::Read, "arn:aws:s3:::data".into()), (Level::Read, "arn:aws:s3:::data/*".into())],
            only: vec!["s3:ExistingObjectTag/class=public".into()],
            ..Intent::default()
        };
        let written = write_policy(&bucket, 6_144).unwrap();
        assert!(!under(&written, "s3:GetObject").is_empty() && under(&written, "s3:GetBucketPolicy").is_empty());
        assert!(written.beside()[0].contains("left out: their requests carry no s3:ExistingObjectTag/class."));
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

    /// Whatever is asked for is proven, and our own lint finds nothing that AWS would refuse or that does nothing.
    #[test]
    fn every_kind_of_resource_has_its_policies() {
        let mut written = 0;
        let types = facts().services().flat_map(|s| s.resources.iter().map(|r| r.arn)).step_by(23);
        for (n, arn) in types.enumerate() {
            // Each of the template's blanks is filled in.
            let mut whole =
                arn.replace("${Partition}", "aws").replace("${Region}", "eu-west-1").replace("${Account}", "111122223333");
            while let (Some(from), Some(to)) = (whole.find("${"), whole.find('}')) {
                whole.replace_range(from..=to, if n % 3 == 0 { "*" } else { "name" });
            }
            for level in Level::ALL {
                let intent = Intent {
                    on: vec![(level, whole.clone())],
                    pass_to: vec!["ec2.amazonaws.com".into()],
                    boundary: Some("arn:aws:iam::111122223333:policy/limit".into()),
                    only: if n % 2 == 0 { vec!["aws:SourceVpc=vpc-1,vpc-2".into()] } else { Vec::new() },
                    ..Intent::default()
                };
                match write_policy(&intent, 6_144) {
                    Ok(done) => {
                        written += 1;
                        assert_eq!(compare(&done.policies, &intent), Ok(Compared::default()), "{whole} {level:?}");
                        for policy in &done.policies {
                            let said = crate::iam::lint::lint(&policy.print(), crate::iam::lint::Kind::Managed);
                            let bad: Vec<_> = said.iter().filter(|l| l.weight.word() == "error").collect();
                            assert!(bad.is_empty(), "{whole} {level:?}: {bad:?}");
                        }
                    }
                    Err(WriteError::NoAction { .. } | WriteError::NothingLeft(_) | WriteError::NotAnArn(_)) => {}
                    Err(other) => panic!("{whole} {level:?}: {other}"),
                }
            }
        }
        assert!(written > 100, "{written}");
    }

    #[test]
    fn errors_say_what_to_do() {
        let one = |level, arn: &str| write_policy(&Intent { on: vec![(level, arn.into())], ..Intent::default() }, 6_144);
        assert_eq!(write_policy(&Intent::default(), 6_144), Err(WriteError::Nothing));
        assert!(matches!(one(Level::Read, "bucket"), Err(WriteError::NotAnArn(_))));
        assert!(matches!(one(Level::Read, "arn:aws:s3:::"), Err(WriteError::NotAnArn(_))));
        let odd = one(Level::Read, "arn:aws:sqs:eu-wset-1:111122223333:jobs").unwrap_err();
        assert!(matches!(odd, WriteError::OddArn { .. }) && odd.to_string().contains("did you mean eu-west-1?"), "{odd}");
        assert!(matches!(one(Level::Read, "arn:aws:nosuch:::x"), Err(WriteError::NoAction { .. })));
        assert!(matches!(
            write_policy(&Intent { plain: vec!["s3:Nothing".into()], ..Intent::default() }, 6_144),
            Err(WriteError::UnknownAction(_))
        ));
        assert!(matches!(
            write_policy(&Intent { plain: vec!["s3:GetObject".into()], ..Intent::default() }, 6_144),
            Err(WriteError::TakesResource(_))
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
