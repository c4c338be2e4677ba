//! What carries a policy of its own in the accounts: buckets, keys, queues, topics, secrets, repositories and functions. Most
//! are kept as they should be, a handful is not, as in any organisation.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::demo::accounts::{ORGANIZATION, REGIONS, SEATS, readable, tags};
use crate::demo::identity::VENDOR;
use crate::demo::random::label;
use crate::model::document::Document;
use crate::model::estate::Estate;
use crate::model::resource::{Grant, Resource};

/// Adds them, where the account's first region and the functions are.
pub(super) fn add(estate: &mut Estate) {
    for n in readable() {
        let seat = &SEATS[n];
        let (region, account, app) = (REGIONS[0], seat.id, seat.app);
        if estate.region(account, region).is_none() {
            continue;
        }
        let mut all = Vec::new();
        // A bucket's name is the world's: the first account of an application has it.
        if SEATS.iter().find(|s| s.app == app).is_some_and(|s| s.id == account) {
            all.extend(buckets(seat.name, app));
        }
        let key = format!("{:016x}", label(&format!("key of {}", seat.name)));
        let key = format!("{}-{}-4{}-8{}-{:012x}", &key[..8], &key[8..12], &key[12..15], &key[13..16], label(account) >> 16);
        all.push(data_key(seat.name, account, &format!("arn:aws:kms:{region}:{account}:key/{key}")));
        let topic = format!("arn:aws:sns:{region}:{account}:{app}-alarms");
        let queue = format!("arn:aws:sqs:{region}:{account}:{app}-events");
        all.push(with(&queue, &json!([queue_statement(seat.name, &queue, &topic)])));
        all.push(with(
            &topic,
            &json!([
                {
                    "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": { "AWS": "*" },
                    "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes"],
                    "Resource": topic, "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
                },
                {
                    "Sid": "Alarms", "Effect": "Allow", "Principal": { "Service": "cloudwatch.amazonaws.com" },
                    "Action": "sns:Publish", "Resource": topic,
                    "Condition": { "ArnLike": { "aws:SourceArn": format!("arn:aws:cloudwatch:{region}:{account}:alarm:*") } },
                },
            ]),
        ));
        let tail: String = format!("{:016x}", label(&format!("secret of {}", seat.name))).chars().take(6).collect();
        all.push(without(&format!("arn:aws:secretsmanager:{region}:{account}:secret:{app}/db-{tail}")));
        if seat.name == "shared-services" {
            let images = json!([{
                "Sid": "OurAccountsPull", "Effect": "Allow", "Principal": "*",
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Condition": { "StringEquals": { "aws:PrincipalOrgID": ORGANIZATION } },
            }]);
            all.push(with(&format!("arn:aws:ecr:{region}:{account}:repository/base-images"), &images));
        }
        estate.region_mut(account, region).resources.extend(all);
    }
    functions(estate);
}

fn with(arn: &str, statements: &Value) -> Resource {
    let policy = Document(json!({ "Version": "2012-10-17", "Statement": statements }).to_string());
    Resource { arn: arn.to_owned(), policy: Some(policy), ..Resource::default() }
}

fn without(arn: &str) -> Resource {
    Resource { arn: arn.to_owned(), ..Resource::default() }
}

fn buckets(account: &str, app: &str) -> Vec<Resource> {
    let arn = |name: &str| format!("arn:aws:s3:::acme-{app}-{name}");
    let read = |sid: &str, principal: Value, arn: &str| json!({ "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": format!("{arn}/*") });
    let data = arn("data");
    let mut statements = vec![json!({
        "Sid": "OnlyOverTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [data, format!("{data}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })];
    if account == "data-lake-prod" {
        // The perimeter above it keeps the partner out all the same.
        statements.push(read("PartnerReads", json!({ "AWS": format!("arn:aws:iam::{VENDOR}:root") }), &data));
    }
    let class = match app {
        "payments" | "identity" => "restricted",
        "lake" | "orders" => "confidential",
        _ => "",
    };
    let tags = tags(&[("data-class", class), ("app", app)]);
    let mut all = vec![Resource { restricted: Some(true), tags, ..with(&data, &json!(statements)) }];
    match account {
        "web-prod" => {
            let assets = arn("assets");
            all.push(Resource { restricted: Some(true), ..with(&assets, &json!([read("Everyone", json!("*"), &assets)])) });
        }
        "sandbox-research" => {
            let papers = arn("papers");
            all.push(Resource { restricted: Some(false), ..with(&papers, &json!([read("Everyone", json!("*"), &papers)])) });
        }
        _ => {}
    }
    all
}

fn data_key(name: &str, account: &str, arn: &str) -> Resource {
    let mut statements = vec![json!({
        "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": "kms:*", "Resource": "*",
    })];
    if name == "payments-prod" {
        statements.push(json!({
            "Sid": "AcquirerDecrypts", "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{VENDOR}:root") },
            "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*",
        }));
    }
    let mut key = with(arn, &json!(statements));
    if name == "data-lake-prod" {
        key.grants.push(Grant {
            grant_id: format!("{:032x}", u128::from(label(arn))),
            name: Some("export".to_owned()),
            grantee_principal: format!("arn:aws:iam::{account}:role/vendors/partner-export"),
            operations: ["Decrypt", "GenerateDataKey"].map(str::to_owned).to_vec(),
            ..Grant::default()
        });
    }
    key
}

/// The topic of the account delivers into its queue; in a sandbox whoever likes does.
fn queue_statement(name: &str, queue: &str, topic: &str) -> Value {
    let send = json!({
        "Sid": "Deliver", "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": queue, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
    });
    if name == "sandbox-training" {
        json!({ "Sid": "Exercise", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue })
    } else {
        send
    }
}

/// Who may invoke each function: the gateway in front of it; one has a URL that asks nobody who they are. Written as text: there
/// are hundreds of them, and a console is waiting.
fn functions(estate: &mut Estate) {
    let open = SEATS.iter().find(|s| s.name == "web-dev").map_or("", |s| s.id);
    let mut opened = false;
    for part in &mut estate.regions {
        let part = Arc::make_mut(part);
        let (account, region) = (&part.account, &part.region);
        for function in &part.workloads.functions {
            let arn = &function.function_arn;
            let mut statements = format!(
                "{{\"Sid\":\"gateway\",\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\"apigateway.amazonaws.com\"}},\
                 \"Action\":\"lambda:InvokeFunction\",\"Resource\":\"{arn}\",\
                 \"Condition\":{{\"ArnLike\":{{\"AWS:SourceArn\":\"arn:aws:execute-api:{region}:{account}:*/*/*/*\"}}}}}}"
            );
            if !opened && account == open {
                opened = true;
                statements += &format!(
                    ",{{\"Sid\":\"FunctionURLAllowPublicAccess\",\"Effect\":\"Allow\",\"Principal\":\"*\",\
                     \"Action\":\"lambda:InvokeFunctionUrl\",\"Resource\":\"{arn}\",\
                     \"Condition\":{{\"StringEquals\":{{\"lambda:FunctionUrlAuthType\":\"NONE\"}}}}}}"
                );
            }
            let policy = Document(format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}"));
            part.resources.push(Resource { arn: arn.clone(), policy: Some(policy), ..Resource::default() });
        }
        part.resources.sort_by(|a, b| a.arn.cmp(&b.arn));
    }
}
