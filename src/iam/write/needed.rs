//! The conditions that a grant stands under: those without which it would be more than what is meant (a role handed to any
//! service, a key used for anything), and those that are asked for. What an action is meant on is not decided here.

use std::collections::BTreeSet;

use super::{Intent, WriteError, full, overlap, short};
use crate::iam::evaluate::fits_operator;
use crate::iam::facts::keys::{is_global, kind_of, same_key};
use crate::iam::facts::{Action, Level, Service, facts, is_service, only_region};
use crate::iam::graph::handed_to;
use crate::iam::policy::{Compare, Condition, Operator};
use crate::iam::sets::Set;
use crate::iam::sets::glob::{Glob, split};

/// A condition, in parts that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Only {
    operator: Operator,
    pub(super) key: String,
    values: Vec<String>,
}

impl Only {
    fn of(operator: &str, key: &str, values: Vec<String>) -> Option<Self> {
        Some(Self { operator: Operator::read(operator)?, key: key.to_owned(), values })
    }
    /// Text is compared as it is, or with its wildcards.
    fn text(key: &str, values: Vec<String>) -> Option<Self> {
        let operator = if values.iter().any(|v| v.contains(['*', '?'])) { "StringLike" } else { "StringEquals" };
        Self::of(operator, key, values)
    }
    pub(super) fn condition(&self) -> Condition {
        Condition::of(self.operator, self.key.clone(), self.values.clone())
    }
    /// A value of the key with which the condition holds and which a request for an action on a resource can carry; none where
    /// no such request does.
    pub(super) fn example(&self, action: &str, arn: &str) -> Option<String> {
        let asked_in = if self.key.eq_ignore_ascii_case(REGION) { regions(action, arn) } else { Vec::new() };
        if asked_in.is_empty() {
            return Some(self.made_up());
        }
        let values: Vec<Glob> = self.values.iter().map(|v| Glob::new(v)).collect();
        asked_in.into_iter().find(|region| values.iter().any(|v| v.matches(region))).map(str::to_owned)
    }
    fn made_up(&self) -> String {
        let value = self.values.first().map_or("", String::as_str);
        let number = |by: f64| value.parse::<f64>().map_or_else(|_| value.to_owned(), |n| (n + by).to_string());
        match self.operator.compare {
            Compare::StringLike | Compare::Arn => value.replace(['*', '?'], "x"),
            Compare::IpAddress => value.split('/').next().unwrap_or_default().to_owned(),
            Compare::NumericLessThan => number(-1.0),
            Compare::NumericGreaterThan => number(1.0),
            Compare::DateLessThan => "1970-01-02T00:00:00Z".to_owned(),
            Compare::DateGreaterThan => "9999-01-01T00:00:00Z".to_owned(),
            _ => value.to_owned(),
        }
    }
}

const REGION: &str = "aws:RequestedRegion";

/// The regions that requests for an action on a resource go to, by its ARN or its service; none where that is anybody's choice.
fn regions<'a>(action: &str, arn: &'a str) -> Vec<&'a str> {
    let parts = split(arn);
    let named = |part: &&str| !part.is_empty() && !part.contains(['*', '?', '$']);
    if let Some(region) = parts.map(|p| p[3]).filter(named) {
        return vec![region];
    }
    let service = action.split(':').next().unwrap_or_default();
    let partition = parts.map(|p| p[1]).filter(named);
    let partitions = partition.map_or_else(|| vec!["aws", "aws-cn", "aws-us-gov"], |one| vec![one]);
    partitions.into_iter().filter_map(|partition| only_region(service, partition)).collect()
}

/// Which of AWS's services call KMS in the name of whoever asked them, by their name in `kms:ViaService`
/// (AWS KMS: "kms:ViaService", services that support it): `PREFIX.REGION.amazonaws.com`.
const VIA: &[&str] = &[
    "backup",
    "codeartifact",
    "connect",
    "dms",
    "dynamodb",
    "ec2",
    "ecr",
    "elasticache",
    "elasticfilesystem",
    "es",
    "fsx",
    "glue",
    "kafka",
    "kinesis",
    "lambda",
    "rds",
    "redshift",
    "s3",
    "sagemaker",
    "secretsmanager",
    "ses",
    "sns",
    "sqs",
    "ssm",
    "workspaces",
    "xray",
];

/// What reading encrypted data takes of its key, and writing it (AWS KMS: "Default key policy", key users).
const DECRYPTS: &[&str] = &["kms:Decrypt", "kms:DescribeKey"];
const ENCRYPTS: &[&str] = &[
    "kms:CreateGrant",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

/// An intent's parts that conditions come from, read.
pub(super) struct Needs {
    /// Services that roles are handed to.
    pass_to: BTreeSet<String>,
    boundary: Option<Only>,
    only: Vec<Only>,
}

impl Needs {
    /// Reads what is asked for; `asked` are the actions that are meant.
    pub(super) fn read(intent: &Intent, asked: &BTreeSet<&str>) -> Result<Self, WriteError> {
        let mut pass_to = BTreeSet::new();
        for service in &intent.pass_to {
            pass_to.insert(host(service)?);
        }
        if pass_to.is_empty() {
            pass_to = handed_to(asked).into_iter().map(str::to_owned).collect();
        }
        if let Some(role) = intent.pass.first().filter(|_| pass_to.is_empty()) {
            return Err(WriteError::PassToWhom(short(role)));
        }
        let actions: Vec<(&'static Service, &'static Action)> = asked.iter().filter_map(|a| facts().action(a)).collect();
        let boundary = match &intent.boundary {
            Some(arn) if split(arn).is_some_and(|p| p[2] == "iam" && p[5].starts_with("policy/")) => {
                Only::text("iam:PermissionsBoundary", vec![arn.clone()])
            }
            Some(other) => return Err(WriteError::NotABoundary(short(other))),
            None => None,
        };
        let only = intent.only.iter().map(|text| asked_for(text, &actions)).collect::<Result<_, _>>()?;
        Ok(Self { pass_to, boundary, only })
    }

    /// The conditions that an action on a resource stands under, or why it is better left out.
    pub(super) fn of(&self, (service, action): (&Service, &Action), arn: &str) -> Result<Vec<Only>, String> {
        let mut needed = Vec::new();
        match (service.prefix, action.name) {
            ("sts", "GetCallerIdentity") if !self.only.is_empty() => {
                return Err("everybody may call it, under no condition".to_owned());
            }
            // AWS IAM: "Granting a user permissions to pass a role to an AWS service".
            ("iam", "PassRole") if self.pass_to.is_empty() => {
                return Err("it is not said which service roles are handed to".to_owned());
            }
            ("iam", "PassRole") => needed.extend(Only::text("iam:PassedToService", self.pass_to.iter().cloned().collect())),
            // AWS IAM: "Using service-linked roles", permissions.
            ("iam", "CreateServiceLinkedRole") => match linked_service(arn) {
                Some(name) => needed.extend(Only::text("iam:AWSServiceName", vec![name.to_owned()])),
                None => return Err("write the role with its service, role/aws-service-role/ecs.amazonaws.com/*".to_owned()),
            },
            // AWS KMS: "Default key policy": users of a key make grants for AWS's services alone.
            ("kms", "CreateGrant") => needed.extend(Only::of("Bool", "kms:GrantIsForAWSResource", vec!["true".to_owned()])),
            // AWS IAM: "Permissions boundaries", delegating responsibility to others.
            ("iam", "DeleteRolePermissionsBoundary" | "DeleteUserPermissionsBoundary") if self.boundary.is_some() => {
                return Err("it takes the permissions boundary off".to_owned());
            }
            ("iam", "CreatePolicyVersion" | "SetDefaultPolicyVersion" | "DeletePolicy" | "DeletePolicyVersion")
                if self.boundary.iter().flat_map(|b| &b.values).any(|boundary| overlap(boundary, arn)) =>
            {
                return Err("it changes the permissions boundary itself; name policies that it is none of".to_owned());
            }
            _ => {}
        }
        match &self.boundary {
            Some(boundary) if knows(service, action, &boundary.key) => needed.push(boundary.clone()),
            Some(boundary) if changes_somebody(service, action) => {
                return Err(format!("their requests carry no {}, so that they change who is without it as well", boundary.key));
            }
            _ => {}
        }
        for only in &self.only {
            if !knows(service, action, &only.key) {
                return Err(format!("their requests carry no {}", only.key));
            }
            let name = full(service, action);
            if only.example(&name, arn).is_none() {
                return Err(format!("their requests go to {} alone", regions(&name, arn).join(" or ")));
            }
            needed.push(only.clone());
        }
        needed.sort();
        needed.dedup();
        Ok(needed)
    }
}

/// Whether an action makes a user or role another, or lets somebody be it: handing a role on and deleting do neither.
fn changes_somebody(service: &Service, action: &Action) -> bool {
    let who = |(r, _): &(usize, bool)| service.resources.get(*r).is_some_and(|r| ["user", "role"].contains(&r.name));
    service.prefix == "iam"
        && !matches!(action.level, Level::List | Level::Read)
        && !["PassRole", "CreateServiceLinkedRole"].contains(&action.name)
        && !action.name.starts_with("Delete")
        && action.resources.iter().any(who)
}

/// Whether requests for an action can carry a key. Tags are every service's own affair, though their keys are global.
fn knows(service: &Service, action: &Action, key: &str) -> bool {
    let of_tags = ["aws:ResourceTag/", "aws:RequestTag/", "aws:TagKeys"];
    let tag = of_tags.iter().any(|t| key.get(..t.len()).is_some_and(|k| k.eq_ignore_ascii_case(t)));
    (is_global(key) && !tag) || service.keys_of(action).any(|k| same_key(k, key))
}

/// Whether an action on such a resource is ever asked for: service-linked roles all stand under one path.
pub(super) fn can_be(action: &str, arn: &str) -> bool {
    let linked = || Set::resource("arn:*:iam::*:role/aws-service-role/*").overlaps(&Set::resource(arn)).unwrap_or(true);
    action != "iam:CreateServiceLinkedRole" || linked()
}

/// The service that `arn:aws:iam::*:role/aws-service-role/ecs.amazonaws.com/*` is linked to.
fn linked_service(arn: &str) -> Option<&str> {
    let name = split(arn)?[5].strip_prefix("role/aws-service-role/")?.split('/').next()?;
    (!name.is_empty() && name != "*").then_some(name)
}

/// The ARN of the roles linked to a service.
pub(super) fn linked_role(service: &str, partition: &str) -> Result<String, WriteError> {
    Ok(format!("arn:{partition}:iam::*:role/aws-service-role/{}/*", host(service)?))
}

/// `lambda.amazonaws.com`
fn host(service: &str) -> Result<String, WriteError> {
    if is_service(service) { Ok(service.to_owned()) } else { Err(WriteError::NotAService(short(service))) }
}

/// Calls that go with others, of which the reference does not say so (Amazon ECR: "IAM permissions for pushing an image to an
/// Amazon ECR private repository", and for pulling).
const GO_WITH: &[(&str, &[&str])] = &[
    ("ecr:PutImage", &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken"]),
    ("ecr:BatchGetImage", &["ecr:GetAuthorizationToken"]),
];

/// What goes with an action, beside what the reference says that it depends on.
pub(super) fn go_with(action: &str) -> &'static [&'static str] {
    GO_WITH.iter().find(|(of, _)| *of == action).map_or(&[], |(_, with)| with)
}

/// What using a key takes for the services asked for: action, and the condition that it is used through them alone.
pub(super) fn of_key(key: &str, asked: &[(&'static Service, Level)]) -> Result<Vec<(&'static str, Only)>, WriteError> {
    let region = split(key)
        .filter(|p| p[2] == "kms" && p[5].starts_with("key/") && !p[3].is_empty() && !p[3].contains(['*', '?']))
        .map(|p| (p[3], if p[1] == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }));
    let Some((region, end)) = region else { return Err(WriteError::NotAKey(short(key))) };
    let through = |writes: bool| -> Vec<String> {
        let used = |(service, level): &&(&'static Service, Level)| {
            VIA.contains(&service.prefix) && (!writes || matches!(level, Level::Write | Level::PermissionsManagement))
        };
        let names: BTreeSet<&str> = asked.iter().filter(used).map(|(service, _)| service.prefix).collect();
        names.into_iter().map(|name| format!("{name}.{region}.{end}")).collect()
    };
    let (reads, writes) = (through(false), through(true));
    if reads.is_empty() {
        return Err(WriteError::KeyOfNothing(short(key)));
    }
    let mut needed = Vec::new();
    for (actions, services) in [(DECRYPTS, reads), (ENCRYPTS, writes)] {
        if !services.is_empty() {
            let via = Only::text("kms:ViaService", services);
            needed.extend(actions.iter().filter_map(|action| Some((*action, via.clone()?))));
        }
    }
    Ok(needed)
}

/// Reads `aws:ResourceTag/team=payments`, `aws:SourceIp=10.0.0.0/8,192.0.2.0/24`, `s3:max-keys<100`: the operator is the one
/// for the key's type.
fn asked_for(text: &str, actions: &[(&'static Service, &'static Action)]) -> Result<Only, WriteError> {
    let wrong = |why: String| WriteError::NotACondition { text: short(text), why };
    let Some(at) = text.find(['=', '<', '>']).filter(|at| text[..*at].contains(':')) else {
        return Err(wrong("write KEY=VALUE, like aws:ResourceTag/team=payments".to_owned()));
    };
    let (key, sign, rest) = (text[..at].trim(), &text[at..=at], text[at + 1..].trim());
    let values: Vec<String> = rest.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect();
    let Some(first) = values.first() else { return Err(wrong(format!("{key} has no value"))) };
    if !is_global(key) && !actions.iter().any(|(s, a)| knows(s, a, key)) {
        return Err(wrong(format!("requests for none of these actions carry {key}")));
    }
    let kind = kind_of(key, actions).unwrap_or("String");
    let (set, kind) = kind.strip_prefix("ArrayOf").map_or(("", kind), |one| ("ForAnyValue:", one));
    let like = values.iter().any(|v| v.contains(['*', '?']));
    let operator = match (kind, sign) {
        ("Numeric", "=") => "NumericEquals",
        ("Numeric", "<") => "NumericLessThan",
        ("Numeric", _) => "NumericGreaterThan",
        ("Date", "=") => "DateEquals",
        ("Date", "<") => "DateLessThan",
        ("Date", _) => "DateGreaterThan",
        (_, "<" | ">") => return Err(wrong(format!("{key} is no number and no time: write {key}=VALUE"))),
        ("ARN", _) => "ArnLike",
        ("Bool", _) => "Bool",
        ("IPAddress", _) => "IpAddress",
        _ if like => "StringLike",
        _ => "StringEquals",
    };
    let Some(only) = Only::of(&format!("{set}{operator}"), key, values.clone()) else {
        return Err(wrong(format!("{first} cannot be compared with {key}")));
    };
    if let Some(unfit) = values.iter().find(|v| !fits_operator(only.operator.compare, v)) {
        return Err(wrong(format!("{operator} cannot compare {unfit:?}: {key} takes another kind of value")));
    }
    if values.iter().any(|v| v.bytes().all(|b| matches!(b, b'*' | b'?'))) {
        return Err(wrong(format!("{first} is any value; leave the condition out or name one")));
    }
    Ok(only)
}
