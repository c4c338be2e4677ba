//! What some principals used of what they are granted, as `iam:GetServiceLastAccessedDetails` tells it: those of
//! pipelines and of people without an identity provider, whose permissions are looked at first.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::demo::accounts::days;
use crate::demo::random::Random;
use crate::model::principal::{Document, Identity, LastAccessed, ServiceAccess, TrackedAction};

/// Services that whoever may do everything is granted, as far as anyone here uses them.
const USUAL: &[&str] =
    &["cloudwatch", "dynamodb", "ec2", "ecr", "iam", "kms", "lambda", "logs", "rds", "s3", "secretsmanager", "sns", "sqs", "sts"];

/// Adds it to an account's identity.
pub(super) fn add(identity: &mut Identity, now: Timestamp) {
    let users = identity.users.iter().map(|u| &u.arn);
    let roles = identity.roles.iter().filter(|r| r.role_name.starts_with("ci-") || r.role_name.starts_with("release-"));
    let all = users.chain(roles.map(|r| &r.arn)).filter_map(|arn| of(identity, arn, now)).collect();
    identity.last_accessed = all;
}

/// What one user or role used; none where the account has no such.
pub(super) fn of(identity: &Identity, arn: &str, now: Timestamp) -> Option<LastAccessed> {
    let document = |arn: &str| identity.policies.iter().find(|p| p.arn == arn).and_then(|p| p.default_document());
    let user = identity.users.iter().find(|u| u.arn == arn).map(|u| {
        let groups = identity.groups.iter().filter(|g| u.group_list.contains(&g.group_name));
        let attached = u.attached_managed_policies.iter().chain(groups.flat_map(|g| &g.attached_managed_policies));
        (attached.collect::<Vec<_>>(), &u.user_policy_list)
    });
    let role = || identity.roles.iter().find(|r| r.arn == arn);
    let (attached, inline) =
        user.or_else(|| role().map(|r| (r.attached_managed_policies.iter().collect(), &r.role_policy_list)))?;
    let documents = attached.iter().filter_map(|a| document(&a.policy_arn)).chain(inline.iter().map(|p| &p.policy_document));
    let services: BTreeSet<String> = documents.flat_map(services).collect();
    let mut random = Random::of(arn);
    let services = services.into_iter().map(|name| {
        let last = random.chance(55).then(|| days(now, 1 + random.below(160) as u64));
        // Of these AWS tells single actions.
        let tracked: &[&str] = match (name.as_str(), last) {
            ("lambda", Some(_)) => &["GetFunction", "UpdateFunctionCode", "ListFunctions", "DeleteFunction"],
            ("s3", Some(_)) => &["ListAllMyBuckets", "GetBucketPolicy", "PutBucketPolicy", "CreateBucket"],
            _ => &[],
        };
        let action = |name: &&str| TrackedAction {
            action_name: (*name).to_owned(),
            last_accessed_time: last.filter(|_| random.chance(50)),
            ..TrackedAction::default()
        };
        let tracked_actions_last_accessed = tracked.iter().map(action).collect();
        ServiceAccess {
            service_namespace: name,
            last_authenticated: last,
            tracked_actions_last_accessed,
            ..ServiceAccess::default()
        }
    });
    let services = services.collect();
    Some(LastAccessed { arn: arn.to_owned(), made: Some(days(now, 0)), services, trail: None })
}

/// The services that a document's Allow statements name.
fn services(document: &Document) -> Vec<String> {
    let Some(value) = document.value() else { return Vec::new() };
    let mut all = Vec::new();
    for statement in value["Statement"].as_array().into_iter().flatten().filter(|s| s["Effect"] == "Allow") {
        let actions = match &statement["Action"] {
            serde_json::Value::String(one) => vec![one.as_str()],
            serde_json::Value::Array(list) => list.iter().filter_map(|a| a.as_str()).collect(),
            // What is not named is granted.
            _ => vec!["*"],
        };
        for action in actions {
            match action.split_once(':') {
                Some((service, _)) => all.push(service.to_owned()),
                None => all.extend(USUAL.iter().map(|s| (*s).to_owned())),
            }
        }
    }
    all
}
