//! Least privilege from use: what is granted and was not used. Use is given as plain data
//! (`iam:GetServiceLastAccessedDetails`, CloudTrail look-ups). Policies without what is unused are `trim`'s.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::facts::{Action, Level, Service, facts};
use super::grants::{self, Actions};
use super::graph::takes_role;
use super::policy::Element;
use super::trim::{Stays, Trimmed, place, trim};
use crate::model::principal::{LastAccessed, Trail};

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
            (
                s.service_namespace.clone(),
                ServiceUse { last: s.last_authenticated, actions, reported: true, ..ServiceUse::default() },
            )
        });
        let mut used = Self { services: services.collect() };
        if let Some(trail) = &accessed.trail {
            used.add(trail);
        }
        used
    }
    /// Adds what CloudTrail tells. What it shows was used; what it does not show was unused only where it was read whole,
    /// and only in services that it is seen to record and whose events it all keeps.
    fn add(&mut self, trail: &Trail) {
        let mut strange: BTreeSet<&str> = DATA_EVENTS.iter().copied().collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for event in &trail.events {
            let Some((service, action)) = action_of(&event.source, &event.name) else {
                // An event that is no action of its service: what others stand for is not known either.
                strange.extend(service_of(&event.source).map(|s| s.prefix));
                continue;
            };
            seen.insert(service.prefix);
            let known = self.services.entry(service.prefix.to_owned()).or_default();
            known.last = known.last.max(Some(event.last));
            let at = known.trail.entry(action.name.to_owned()).or_default();
            *at = (*at).max(Some(event.last));
        }
        for service in seen.into_iter().filter(|s| trail.whole && !strange.contains(s)) {
            if let Some(known) = self.services.get_mut(service).filter(|k| k.reported) {
                known.recorded_from = trail.from;
            }
        }
    }
    /// What was used since, or is kept, and is in no facts: whole services, and actions of known ones.
    fn beyond_facts(&self, since: Timestamp, keep: &[&String]) -> BTreeSet<String> {
        let recent = |at: &Option<Timestamp>| at.is_some_and(|at| at >= since);
        let mut all: BTreeSet<String> = keep.iter().map(|word| (*word).clone()).collect();
        for (prefix, u) in self.services.iter().filter(|(_, u)| recent(&u.last)) {
            match facts().service(prefix) {
                None => _ = all.insert(format!("{prefix}:*")),
                Some(service) => {
                    let new = u.actions.iter().filter(|(name, at)| recent(at) && service.action(name).is_none());
                    all.extend(new.map(|(name, _)| format!("{prefix}:{name}")));
                }
            }
        }
        all
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
    /// AWS's report is about it: what it was not used for is known.
    pub reported: bool,
    /// What CloudTrail shows, by action's name.
    pub trail: BTreeMap<String, Option<Timestamp>>,
    /// All of its actions from then on would show there.
    pub recorded_from: Option<Timestamp>,
}

impl ServiceUse {
    /// Whether CloudTrail would show that an action was used since: tags are checked within the calls that set them, and so
    /// are roles that are passed and what a session carries.
    fn would_show(&self, action: &Action, since: Timestamp) -> bool {
        let within = action.level == Level::Tagging || ["PassRole", "SetSourceIdentity", "SetContext"].contains(&action.name);
        !within && self.recorded_from.is_some_and(|from| from.saturating_sub(A_DAY).is_ok_and(|from| from <= since))
    }
}

/// The report and the history are not asked for in the same second.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Services some of whose actions are data events, which the event history leaves out (AWS CloudTrail User Guide, "Logging
/// data events"): that one is not in it says nothing.
const DATA_EVENTS: &[&str] = &[
    "aoss",
    "appconfig",
    "appsync",
    "aps",
    "b2bi",
    "backup",
    "bedrock",
    "cassandra",
    "cloudtrail",
    "cloudfront",
    "cloudwatch",
    "codewhisperer",
    "cognito-identity",
    "cognito-idp",
    "dataexchange",
    "deadline",
    "dynamodb",
    "ebs",
    "elasticmapreduce",
    "execute-api",
    "finspace",
    "gamelift",
    "geo",
    "glue",
    "guardduty",
    "iot",
    "iotsitewise",
    "kendra",
    "kinesis",
    "kinesisvideo",
    "lambda",
    "logs",
    "machinelearning",
    "managedblockchain",
    "medical-imaging",
    "mobiletargeting",
    "neptune-db",
    "neptune-graph",
    "one",
    "payment-cryptography",
    "polly",
    "q",
    "qbusiness",
    "qapps",
    "rds-data",
    "redshift-data",
    "rekognition",
    "s3",
    "s3-object-lambda",
    "s3-outposts",
    "s3express",
    "s3tables",
    "sagemaker",
    "scn",
    "servicediscovery",
    "sms-voice",
    "sns",
    "socialmessaging",
    "sqs",
    "ssm",
    "ssmmessages",
    "states",
    "swf",
    "textract",
    "thinclient",
    "timestream",
    "transcribe",
    "verifiedpermissions",
    "xray",
];

/// Event sources whose first word is not the prefix of their actions.
const SOURCES: &[(&str, &str)] = &[("monitoring", "cloudwatch"), ("email", "ses"), ("tagging", "tag")];

/// Event names that are not the names of their actions.
const NAMES: &[(&str, &str, &str)] = &[("s3", "ListBuckets", "ListAllMyBuckets"), ("s3", "HeadBucket", "ListBucket")];

fn service_of(source: &str) -> Option<&'static Service> {
    let word = source.split('.').next().unwrap_or_default();
    let prefix = SOURCES.iter().find(|(s, _)| *s == word).map_or(word, |(_, prefix)| *prefix);
    facts().service(prefix)
}

/// The action that an event tells of: Lambda's events carry the date of their API version.
fn action_of(source: &str, name: &str) -> Option<(&'static Service, &'static Action)> {
    let service = service_of(source)?;
    let alias = NAMES.iter().find(|(s, event, _)| *s == service.prefix && *event == name).map_or(name, |(.., action)| *action);
    let plain = alias.find(|c: char| c.is_ascii_digit()).filter(|at| alias.len() - at >= 8).map_or(alias, |at| &alias[..at]);
    [alias, plain].into_iter().find_map(|name| service.action(name).filter(|(_, a)| a.name == name)).map(|(_, a)| (service, a))
}

/// How much is unused, in words: `12 %`, where something is not known `at least 12 %`. `unread`: policies that were not read.
pub fn share(found: &Unused, unread: &[String]) -> String {
    let least = if found.unknown.is_empty() { "" } else { "at least " };
    match (unread, found.stays.granted.count()) {
        ([], _) => format!("{least}{:.0} %", found.share * 100.0),
        (_, 0) => "an unknown part".to_owned(),
        _ => format!("{least}{:.0} %, as far as its policies were read,", found.share * 100.0),
    }
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
    /// Granted actions of which CloudTrail alone tells that they were used, and that they were not.
    pub by_trail: (usize, usize),
    /// What is granted, and what of it stays.
    stays: Stays,
}

impl Unused {
    /// The principal's own policies with only what is used or kept. Statements keep resources and
    /// conditions, and what denies stays.
    pub fn trimmed(&self, account: &Account, principal: usize) -> Vec<Trimmed> {
        trim(account, principal, &self.stays)
    }

    /// What is unused and stays granted all the same, by the ARNs of the groups that grant it.
    pub fn by_groups(&self, account: &Account, principal: usize) -> Vec<(String, Vec<String>)> {
        let of = &account.principals[principal].groups;
        let each = account.groups.iter().filter(|g| of.contains(&g.name)).map(|g| {
            let granted = grants::of_policies(g.policies.iter().map(|i| &account.policies[*i])).and(&self.stays.granted);
            let idle = granted.iter().filter(|(service, action)| self.stays.goes(place(service, action)));
            (g.arn.clone(), idle.map(|(service, action)| format!("{}:{}", service.prefix, action.name)).collect())
        });
        each.filter(|(_, idle): &(_, Vec<_>)| !idle.is_empty()).collect()
    }
}

/// Compares what a principal is granted with what it used since a time. `keep` are actions to keep whatever their use,
/// with wildcards where many are meant.
pub fn unused(account: &Account, principal: usize, used: &Use, since: Timestamp, keep: &[String]) -> Unused {
    let granted = grants::of_principal(account, &account.principals[principal]);
    let words: Vec<&String> = keep.iter().filter(|word| facts().expand(word).is_empty()).collect();
    let keep = Actions::named(&Element::of(keep.iter().cloned()));
    let recent = |at: &Option<Timestamp>| at.is_some_and(|at| at >= since);
    let mut services = BTreeSet::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let mut names = Vec::new();
    let mut kept = BTreeSet::new();
    let mut by_trail = (0, 0);
    // Granted actions of which AWS does not say that they were not used, and which go with another that stays.
    let mut silent = Vec::new();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for (service, action) in granted.iter() {
        let of_service = used.services.get(service.prefix);
        let stays = match of_service {
            None => {
                unknown.insert(service.prefix);
                true
            }
            // Only CloudTrail tells of it.
            Some(u) if !u.reported => {
                unknown.insert(service.prefix);
                true
            }
            Some(u) if !recent(&u.last) => false,
            // The service does not report this action's use, so nothing is known of it.
            Some(u) => match (u.actions.get(action.name), u.trail.get(action.name)) {
                (known, Some(at)) if recent(at) => {
                    by_trail.0 += usize::from(known.is_none_or(|at| !recent(at)));
                    true
                }
                (Some(at), _) => recent(at),
                (None, _) => !u.would_show(action, since),
            },
        };
        if stays || keep.has(place(service, action)) {
            kept.insert(place(service, action));
            if keep.has(place(service, action)) || of_service.is_some_and(|u| recent(&u.last)) {
                needed.extend(&action.dependent);
            }
            // That a role was handed over AWS never tells, and much that is given one is not said to need it.
            if takes_role(&format!("{}:{}", service.prefix, action.name)) {
                needed.insert("iam:PassRole");
            }
        } else {
            silent.push((service, action));
        }
    }
    // What another that stays asks for is checked with that, and nowhere told of by itself.
    let goes = |service: &Service, action: &Action| {
        let told = used.services.get(service.prefix).is_some_and(|u| u.actions.contains_key(action.name));
        told || !needed.contains(format!("{}:{}", service.prefix, action.name).as_str())
    };
    let mut idle = 0;
    for (service, action) in silent {
        if !goes(service, action) {
            kept.insert(place(service, action));
            continue;
        }
        idle += 1;
        if let Some(u) = used.services.get(service.prefix).filter(|u| recent(&u.last)) {
            by_trail.1 += usize::from(!u.actions.contains_key(action.name));
            names.push(format!("{}:{}", service.prefix, action.name));
        } else {
            services.insert(service.prefix);
        }
    }
    let all = granted.count();
    Unused {
        services: services.into_iter().collect(),
        actions: names,
        unknown: unknown.into_iter().collect(),
        by_trail,
        share: if all == 0 { 0.0 } else { idle as f64 / all as f64 },
        stays: Stays { granted, kept, unknown: used.beyond_facts(since, &words) },
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
            ("s3".to_owned(), ServiceUse { last: Some(at), actions, reported: true, ..ServiceUse::default() }),
            ("sqs".to_owned(), ServiceUse { reported: true, ..ServiceUse::default() }),
        ]);
        let found = unused(&account, 0, &Use { services }, since, &["sqs:SendMessage".to_owned()]);
        assert_eq!(found.services, ["sqs"]);
        assert_eq!(found.actions, ["s3:PutObject"]);
        assert_eq!(found.unknown, ["sns"]);
        assert!(found.share > 0.0 && found.share < 1.0);
        let trimmed = found.trimmed(&account, 0);
        let after = trimmed[0].after.clone().unwrap();
        assert!(trimmed[0].diff.iter().any(|l| l.starts_with("- ")));
        assert_eq!(trimmed[0].fault, None);
        // What hands a role to a service that is used goes with what asks for it, though nothing tells of it.
        let text = text.replace(r#""sns:Publish""#, r#""sns:Publish","lambda:CreateFunction","iam:PassRole","iam:GetUser""#);
        let account = Account::read(&authorization_details(&text).unwrap());
        let services = BTreeMap::from([
            ("lambda".to_owned(), ServiceUse { last: Some(at), reported: true, ..ServiceUse::default() }),
            ("iam".to_owned(), ServiceUse { reported: true, ..ServiceUse::default() }),
            ("brandnew".to_owned(), ServiceUse { last: Some(at), reported: true, ..ServiceUse::default() }),
        ]);
        let passing = unused(&account, 0, &Use { services }, since, &["newer:Do".to_owned()]);
        let stays = passing.trimmed(&account, 0)[0].after.clone().unwrap();
        assert!(stays.contains("iam:PassRole") && !stays.contains("iam:GetUser"), "{stays}");
        assert_eq!(passing.stays.unknown, ["brandnew:*".to_owned(), "newer:Do".to_owned()].into());
        let text = text.replace(r#","lambda:CreateFunction","iam:PassRole","iam:GetUser""#, "");
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
    fn what_is_given_a_role_keeps_that_it_may_be_handed_one() {
        let at: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let since: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let stays = |action: &str| {
            let text = format!(
                r#"{{"RoleDetailList":[{{"RoleName":"r","Arn":"arn:aws:iam::111122223333:role/r",
                  "AssumeRolePolicyDocument":{{"Version":"2012-10-17","Statement":[]}},
                  "RolePolicyList":[{{"PolicyName":"p","PolicyDocument":{{"Version":"2012-10-17","Statement":[
                    {{"Effect":"Allow","Action":["{action}","iam:PassRole","iam:GetUser"],"Resource":"*"}}]}}}}]}}]}}"#
            );
            let account = Account::read(&authorization_details(&text).unwrap());
            let of = |last| ServiceUse { last, reported: true, ..ServiceUse::default() };
            let service = action.split(':').next().unwrap().to_owned();
            let services = BTreeMap::from([(service, of(Some(at))), ("iam".to_owned(), of(None))]);
            let found = unused(&account, 0, &Use { services }, since, &[]);
            let after = found.trimmed(&account, 0)[0].after.clone().unwrap();
            assert!(after.contains(action) && !after.contains("iam:GetUser"), "{after}");
            after.contains("iam:PassRole")
        };
        for given in [
            "glue:CreateJob",
            "codebuild:CreateProject",
            "cloudformation:CreateStack",
            "ecs:RegisterTaskDefinition",
            "events:PutTargets",
            "lambda:UpdateFunctionConfiguration",
            "ssm:StartAutomationExecution",
        ] {
            assert!(stays(given), "{given}");
        }
        for calls in
            ["glue:StartJobRun", "codebuild:StartBuild", "lambda:InvokeFunction", "states:StartExecution", "sqs:SendMessage"]
        {
            assert!(!stays(calls), "{calls}");
        }
    }

    #[test]
    fn cloudtrail_keeps_what_it_shows_and_takes_out_only_what_it_would_have_shown() {
        let text = r#"{"UserDetailList":[{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u","UserPolicyList":[
          {"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":
            ["kms:CreateKey","kms:DescribeKey","sqs:SendMessage","sqs:CreateQueue","lambda:UpdateFunctionCode","athena:GetWorkGroup"]}]}}]}]}"#;
        let account = Account::read(&authorization_details(text).unwrap());
        let at = |text: &str| -> Option<Timestamp> { Some(text.parse().unwrap()) };
        let service = |name: &str| crate::model::principal::ServiceAccess {
            service_namespace: name.to_owned(),
            last_authenticated: at("2026-05-20T00:00:00Z"),
            ..Default::default()
        };
        let event = |source: &str, name: &str| crate::model::principal::TrailEvent {
            source: format!("{source}.amazonaws.com"),
            name: name.to_owned(),
            last: at("2026-05-20T00:00:00Z").unwrap(),
            times: 3,
        };
        let mut accessed = LastAccessed {
            made: at("2026-06-01T00:00:00Z"),
            services: ["kms", "sqs", "lambda", "athena"].map(service).into(),
            trail: Some(Trail {
                from: at("2026-03-01T00:00:00Z"),
                whole: true,
                events: vec![
                    event("kms", "DescribeKey"),
                    event("sqs", "CreateQueue"),
                    event("lambda", "UpdateFunctionCode20150331v2"),
                ],
                ..Trail::default()
            }),
            ..LastAccessed::default()
        };
        let idle = |accessed: &LastAccessed, days: i64| {
            let found = unused(&account, 0, &Use::of(accessed), Use::since(accessed, days), &[]);
            (found.actions.clone(), found.by_trail)
        };
        // kms records all it does; sqs does not; athena never showed, so that nothing is known of what it would show.
        assert_eq!(idle(&accessed, 90), (vec!["kms:CreateKey".to_owned()], (3, 1)));
        // Farther back than the history goes, and cut short, its silence says nothing.
        assert_eq!(idle(&accessed, 120), (vec![], (3, 0)));
        accessed.trail.as_mut().unwrap().whole = false;
        assert_eq!(idle(&accessed, 90), (vec![], (3, 0)));
        // An event that is no action of its service: what others are called there is not known.
        let trail = accessed.trail.as_mut().unwrap();
        trail.whole = true;
        trail.events.push(event("kms", "RotateKey"));
        assert_eq!(idle(&accessed, 90).0, Vec::<String>::new());
    }
}
