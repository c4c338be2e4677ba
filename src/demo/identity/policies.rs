//! Policy documents: what principals may do, and who may become a role. Excerpts in our own selection where AWS's
//! managed policies are long; the mistakes are deliberate.

use serde_json::{Value, json};

use crate::model::principal::Document;

pub(super) const GITHUB: &str = "token.actions.githubusercontent.com";
/// The partner outside of the organisation; a made-up account.
pub(in crate::demo) const VENDOR: &str = "999900001111";

fn document(statements: &Value) -> Document {
    Document(json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

/// One statement that allows.
fn allow(actions: &[&str], resource: &Value) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resource })
}

/// An AWS-managed policy's document by its name; for service roles one that fits the name.
pub(super) fn managed(name: &str) -> Document {
    let all = json!("*");
    let list: &[&str] = match name {
        "AdministratorAccess" => return document(&json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }])),
        "PowerUserAccess" => {
            return document(&json!([
                { "Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*" },
                { "Effect": "Allow", "Action": ["iam:ListRoles", "organizations:DescribeOrganization"], "Resource": "*" },
            ]));
        }
        "ReadOnlyAccess" => &["ec2:Describe*", "iam:Get*", "iam:List*", "lambda:List*", "rds:Describe*", "s3:Get*", "s3:List*"],
        "SecurityAudit" => {
            &["cloudtrail:DescribeTrails", "config:Describe*", "ec2:Describe*", "iam:Get*", "iam:List*", "s3:GetBucket*"]
        }
        "Billing" => &["billing:Get*", "ce:*", "cur:DescribeReportDefinitions"],
        "AmazonSSMManagedInstanceCore" => &[
            "ssm:UpdateInstanceInformation",
            "ssm:GetDeployablePatchSnapshotForInstance",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        "AWSLambdaBasicExecutionRole" => &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "AWSLambdaVPCAccessExecutionRole" => &["logs:PutLogEvents", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"],
        "AmazonECSTaskExecutionRolePolicy" => &["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "logs:PutLogEvents"],
        "AmazonS3FullAccess" => &["s3:*", "s3-object-lambda:*"],
        "IAMUserChangePassword" => &["iam:ChangePassword", "iam:GetAccountPasswordPolicy"],
        "IAMFullAccess" => &["iam:*", "organizations:DescribeAccount", "organizations:ListPolicies"],
        _ => &["cloudwatch:PutMetricData", "organizations:DescribeOrganization", "tag:GetResources"],
    };
    document(&json!([allow(list, &all)]))
}

/// A customer-managed policy's document by its kind.
pub(super) fn customer(kind: &str, app: &str, account: &str) -> Document {
    let bucket = json!([format!("arn:aws:s3:::acme-{app}-data"), format!("arn:aws:s3:::acme-{app}-data/*")]);
    match kind {
        "data-access" => document(&json!([
            allow(&["s3:GetObject", "s3:PutObject", "s3:ListBucket"], &bucket),
            allow(&["kms:Decrypt", "kms:GenerateDataKey"], &json!(format!("arn:aws:kms:*:{account}:key/*"))),
        ])),
        "secrets-read" => document(&json!([allow(
            &["secretsmanager:GetSecretValue"],
            &json!(format!("arn:aws:secretsmanager:*:{account}:secret:{app}/*"))
        )])),
        "queue-worker" => document(&json!([allow(
            &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SendMessage"],
            &json!(format!("arn:aws:sqs:*:{account}:{app}-*"))
        )])),
        "deploy" => document(&json!([
            allow(&["cloudformation:*", "ecs:UpdateService", "lambda:UpdateFunctionCode", "ecr:*"], &json!("*")),
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": format!("arn:aws:iam::{account}:role/{app}-*"),
                "Condition": { "StringEquals": { "iam:PassedToService": ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com"] } },
            },
        ])),
        // Whoever holds it can start a machine with any role and read that role's credentials.
        "launch-anything" => document(&json!([allow(&["iam:PassRole", "ec2:RunInstances", "ssm:SendCommand"], &json!("*"))])),
        // Whoever holds it can write themselves a new version of any policy.
        "policy-editor" => document(&json!([allow(
            &["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:AttachRolePolicy"],
            &json!("*")
        )])),
        "full-admin" => document(&json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }])),
        "assume-anything" => document(&json!([allow(&["sts:AssumeRole"], &json!("*"))])),
        _ => document(&json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": ["iam:DeleteRolePermissionsBoundary", "iam:*User*", "organizations:*"], "Resource": "*" },
        ])),
    }
}

/// Trust to an AWS service.
pub(super) fn service(name: &str) -> Document {
    document(&json!([{ "Effect": "Allow", "Principal": { "Service": name }, "Action": "sts:AssumeRole" }]))
}

/// Trust to another account; without an external id where `external` is empty.
pub(super) fn account(id: &str, external: &str) -> Document {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{id}:root") },
        "Action": "sts:AssumeRole",
    });
    if !external.is_empty() {
        statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": external } });
    }
    document(&json!([statement]))
}

/// Trust to several accounts.
pub(super) fn accounts(ids: &[&str]) -> Document {
    let roots: Vec<String> = ids.iter().map(|id| format!("arn:aws:iam::{id}:root")).collect();
    document(&json!([{ "Effect": "Allow", "Principal": { "AWS": roots }, "Action": "sts:AssumeRole" }]))
}

/// Trust to GitHub's workflows with this subject; to every workflow of the world where it is empty.
pub(super) fn github(account: &str, subject: &str) -> Document {
    let mut condition = json!({ "StringEquals": { format!("{GITHUB}:aud"): "sts.amazonaws.com" } });
    if !subject.is_empty() {
        let operator = if subject.contains('*') { "StringLike" } else { "StringEquals" };
        condition[operator][format!("{GITHUB}:sub")] = json!(subject);
    }
    document(&json!([{
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::{account}:oidc-provider/{GITHUB}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }]))
}

/// Trust to an identity provider that speaks SAML, as IAM Identity Center writes it.
pub(super) fn saml(provider: &str) -> Document {
    document(&json!([{
        "Effect": "Allow",
        "Principal": { "Federated": provider },
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": { "StringEquals": { "SAML:aud": "https://signin.aws.amazon.com/saml" } },
    }]))
}
