//! The policies that the organisation lays over its accounts: service control policies with the usual guardrails, and
//! one resource control policy. As in AWS, what allows everything is attached everywhere.

use serde_json::{Value, json};

use crate::demo::accounts::{ORGANIZATION, SEATS};
use crate::model::account::{ControlKind, ControlPolicy, Controls, Unit};
use crate::model::document::Document;

/// All of them, over these units.
pub(super) fn build(units: &[Unit]) -> Vec<Controls> {
    let everywhere: Vec<&str> = units.iter().map(|u| u.id.as_str()).chain(SEATS.iter().map(|s| s.id)).collect();
    let at = |path: &str| units.iter().filter(|u| u.path == path).map(|u| u.id.as_str()).collect::<Vec<_>>();
    let policy = |kind: &str, id: &str, name: &str, statements: &Value, targets: &[&str]| ControlPolicy {
        id: id.to_owned(),
        arn: if name.starts_with("FullAWS") || name.starts_with("RCPFull") {
            format!("arn:aws:organizations::aws:policy/{kind}/{id}")
        } else {
            format!("arn:aws:organizations::{}:policy/{ORGANIZATION}/{kind}/{id}", SEATS[0].id)
        },
        name: name.to_owned(),
        document: Document(json!({ "Version": "2012-10-17", "Statement": statements }).to_string()),
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
    };
    let service = |id: &str, name: &str, statements: &Value, targets: &[&str]| {
        policy("service_control_policy", id, name, statements, targets)
    };
    let all = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]);
    let guard = json!([
        { "Sid": "StayInTheOrganization", "Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*" },
        {
            "Sid": "KeepTheTrail",
            "Effect": "Deny",
            "Action": ["cloudtrail:DeleteTrail", "cloudtrail:StopLogging", "config:StopConfigurationRecorder", "guardduty:DeleteDetector"],
            "Resource": "*",
        },
        {
            "Sid": "NoRootUser",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": { "StringLike": { "aws:PrincipalArn": "arn:aws:iam::*:root" } },
        },
    ]);
    let regions = json!([{
        "Sid": "OurRegions",
        "Effect": "Deny",
        "NotAction": ["iam:*", "organizations:*", "sts:*", "support:*", "cloudfront:*", "route53:*"],
        "Resource": "*",
        "Condition": { "StringNotEquals": { "aws:RequestedRegion": ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"] } },
    }]);
    let users = json!([{
        "Sid": "NoUsers",
        "Effect": "Deny",
        "Action": ["iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"],
        "Resource": "*",
    }]);
    let own = json!([{
        "Sid": "OnlyOurPeople",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {
            "StringNotEqualsIfExists": { "aws:PrincipalOrgID": ORGANIZATION },
            "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
        },
    }]);
    let resource = |id: &str, name: &str, statements: &Value, targets: &[&str]| {
        policy("resource_control_policy", id, name, statements, targets)
    };
    let full = json!([{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }]);
    vec![
        Controls {
            kind: ControlKind::Service,
            whole: true,
            policies: vec![
                service("p-8f2kguard", "guardrails", &guard, &at("")),
                service("p-8f2kregion", "our-regions", &regions, &at("Workloads")),
                service("p-8f2kusers", "no-users", &users, &at("Workloads/Production")),
                service("p-FullAWSAccess", "FullAWSAccess", &all, &everywhere),
            ],
        },
        Controls {
            kind: ControlKind::Resource,
            whole: true,
            policies: vec![
                resource("p-8f2kperimeter", "data-perimeter", &own, &at("Workloads")),
                resource("p-RCPFullAWSAccess", "RCPFullAWSAccess", &full, &everywhere),
            ],
        },
    ]
}
