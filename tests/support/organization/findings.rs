//! The findings, nodes and sessions of one account, put into the front's own stores. The same plan gives the same findings,
//! except for the ids that moto draws.

use super::{Account, Plan};
use crate::support::cloud::Cloud;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Control, title, severity, resource kind.
const CHECKS: &[(&str, &str, &str, &str)] = &[
    ("EC2.13", "Security groups should not allow ingress from 0.0.0.0/0 to port 22", "HIGH", "AwsEc2SecurityGroup"),
    ("S3.8", "S3 general purpose buckets should block public access", "HIGH", "AwsS3Bucket"),
    ("IAM.1", "IAM policies should not allow full \"*\" administrative privileges", "HIGH", "AwsIamRole"),
    ("EC2.8", "EC2 instances should use Instance Metadata Service Version 2", "MEDIUM", "AwsEc2Instance"),
    ("EC2.6", "VPC flow logging should be enabled in all VPCs", "MEDIUM", "AwsEc2Vpc"),
    ("GitHub", "Trust policy accepts any repository", "CRITICAL", "AwsIamRole"),
    ("IAM.3", "IAM users' access keys should be rotated every 90 days or less", "MEDIUM", "AwsIamUser"),
    ("ELB.5", "Application Load Balancer logging should be enabled", "LOW", "AwsElbv2LoadBalancer"),
    ("Config.1", "AWS Config should be enabled", "INFORMATIONAL", "AwsAccount"),
];

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Fills the stores for one account and notes what went in. A suspended account gets nothing.
pub(super) fn build(cloud: &Cloud, account: &mut Account, index: usize, plan: &Plan) {
    let (id, name) = (account.id.clone(), account.name.clone());
    let roles: Vec<String> = account.identity.roles.iter().map(|r| r.arn.clone()).collect();
    let users: Vec<String> = account.identity.users.iter().map(|u| u.arn.clone()).collect();
    for (region, place) in &mut account.places {
        cloud.hub(|hub| hub.enable(&id, region));
        for number in 0..plan.findings {
            let (control, title, severity, kind) = CHECKS[number % CHECKS.len()];
            let ec2 = |object: &str| format!("arn:aws:ec2:{region}:{id}:{object}");
            let resource = match kind {
                "AwsEc2SecurityGroup" => ec2(&format!("security-group/{}", place.network.id("group web"))),
                "AwsS3Bucket" => format!("arn:aws:s3:::{name}-{region}-{number}"),
                "AwsIamRole" => roles[number % roles.len()].clone(),
                "AwsIamUser" => users[number % users.len()].clone(),
                "AwsEc2Instance" => ec2(&format!("instance/{}", place.network.id("instance web-0"))),
                "AwsEc2Vpc" => ec2(&format!("vpc/{}", place.network.id("vpc edge"))),
                "AwsElbv2LoadBalancer" => place.network.id("load balancer front").to_owned(),
                _ => format!("AWS::::Account:{id}"),
            };
            let finding = document(
                &Row { account: &id, name: &name, region, number, index, control, title, severity, kind, resource },
                plan.now,
            );
            place.findings.insert(finding["Id"].as_str().unwrap_or_default().to_owned());
            cloud.hub(|hub| hub.put(&id, region, finding));
        }
        let machines = ["instance web-0", "instance db-0"].map(|machine| place.network.id(machine).to_owned());
        let hybrid = (2..plan.nodes.max(2)).map(|n| format!("mi-{:017x}", (index * 1000 + n) as u64));
        for (n, node) in machines.into_iter().chain(hybrid).enumerate() {
            let seconds = plan.now.as_second() - 60 * n as i64;
            let ping = ["Online", "Online", "ConnectionLost", "Inactive"][n % 4];
            let hybrid = node.starts_with("mi-");
            let document = json!({
                "InstanceId": node,
                "PingStatus": ping,
                "LastPingDateTime": seconds,
                "AgentVersion": "3.3.1611.0",
                "IsLatestVersion": n % 2 == 0,
                "PlatformType": if n % 5 == 4 { "Windows" } else { "Linux" },
                "PlatformName": if n % 5 == 4 { "Windows Server 2025" } else { "Amazon Linux" },
                "PlatformVersion": "2023",
                "ResourceType": if hybrid { "ManagedInstance" } else { "EC2Instance" },
                "IPAddress": format!("10.{index}.2.{}", 10 + n),
                "ComputerName": format!("host-{n}.{name}.internal"),
                "AssociationStatus": "Success",
            });
            cloud.nodes(|nodes| nodes.add_node(&id, region, document, &[("team", "platform")]));
            for s in 0..3 {
                let session = format!("jo-{index:02}{n:02}{s}{region}");
                let open = s == 0 && ping == "Online";
                let mut document = json!({
                    "SessionId": session,
                    "Target": node,
                    "Status": if open { "Connected" } else { "Terminated" },
                    "StartDate": seconds - 3600 * s,
                    "DocumentName": "SSM-SessionManagerRunShell",
                    "Owner": format!("arn:aws:sts::{id}:assumed-role/SecurityAudit/jo"),
                    "Reason": "INC-1042 disk full",
                });
                if !open {
                    document["EndDate"] = (seconds - 3600 * s + 600).into();
                }
                place.sessions.insert(session);
                cloud.nodes(|nodes| nodes.add_session(&id, region, document));
            }
            place.nodes.insert(node);
        }
    }
}

struct Row<'a> {
    account: &'a str,
    name: &'a str,
    region: &'a str,
    number: usize,
    index: usize,
    control: &'a str,
    title: &'a str,
    severity: &'a str,
    kind: &'a str,
    resource: String,
}

/// One finding: states, ages and products vary with its number.
fn document(row: &Row<'_>, now: Timestamp) -> Value {
    let Row { account, name, region, number, index, control, title, severity, kind, resource } = row;
    let updated = now - SignedDuration::from_hours((number * 7 + index) as i64);
    let created = updated - SignedDuration::from_hours(24 * (1 + (number % 120) as i64));
    let passed = number % 6 == 5;
    let severity = if passed { "INFORMATIONAL" } else { severity };
    let normalized = crate::support::hub::normalized(severity).unwrap_or(0);
    let (product, company) = if number % 9 == 5 { ("prowler/prowler", "Prowler") } else { ("aws/securityhub", "AWS") };
    let workflow = ["NEW", "NEW", "NOTIFIED", "NEW", "RESOLVED", "SUPPRESSED", "NEW"][number % 7];
    let mut finding = json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("arn:aws:securityhub:{region}:{account}:security-control/{control}/finding/{number:08x}-0000-4000-8000-{account}"),
        "ProductArn": format!("arn:aws:securityhub:{region}::product/{product}"),
        "ProductName": if company == "AWS" { "Security Hub" } else { "Prowler" },
        "CompanyName": company,
        "Region": region,
        "GeneratorId": format!("security-control/{control}"),
        "AwsAccountId": account,
        "AwsAccountName": name,
        "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
        "FirstObservedAt": stamp(created),
        "LastObservedAt": stamp(updated),
        "CreatedAt": stamp(created),
        "UpdatedAt": stamp(updated),
        "ProcessedAt": stamp(updated),
        "Severity": { "Label": severity, "Normalized": normalized, "Original": severity },
        "Title": title,
        "Description": format!("{title}. Seen on {resource}."),
        "Remediation": { "Recommendation": { "Text": "See the control's documentation.", "Url": format!("https://docs.aws.amazon.com/console/securityhub/{control}/remediation") } },
        "ProductFields": { "aws/securityhub/FindingId": format!("{number}"), "aws/securityhub/CompanyName": company },
        "Resources": [{ "Type": kind, "Id": resource, "Partition": "aws", "Region": region, "Tags": { "team": "platform" } }],
        "Compliance": { "Status": if passed { "PASSED" } else { "FAILED" }, "SecurityControlId": control,
                        "AssociatedStandards": [{ "StandardsId": "standards/aws-foundational-security-best-practices/v/1.0.0" }] },
        "Workflow": { "Status": workflow },
        "WorkflowState": "NEW",
        "RecordState": if number % 11 == 10 { "ARCHIVED" } else { "ACTIVE" },
        "FindingProviderFields": { "Severity": { "Label": severity, "Original": severity }, "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"] },
    });
    if workflow == "SUPPRESSED" {
        finding["Note"] = json!({ "Text": "accepted until the migration", "UpdatedBy": "jo", "UpdatedAt": stamp(updated) });
        finding["UserDefinedFields"] = json!({ "ticket": format!("SEC-{number}") });
    }
    finding
}
