//! A finding in full, in the AWS Security Finding Format (ASFF, schema version 2018-10-08). Every fact is taken from
//! the finding; what is added are the resource's details from the estate.

use serde_json::{Map, Value, json};

use crate::demo::findings::{detector, product_arn};
use crate::demo::kinds::{Class, Kind, Source};
use crate::model::arn::Arn;
use crate::model::estate::Estate;
use crate::model::finding::{Finding, Severity};

/// The ASFF record of a finding, as JSON text.
pub(super) fn build(finding: &Finding, kind: &Kind, estate: &Estate) -> String {
    let product = product_arn(kind.source, &finding.region);
    let company = if kind.source == Source::Prowler { "Prowler" } else { "AWS" };
    let normalized = match finding.severity {
        Severity::Informational => 0,
        Severity::Low => 1,
        Severity::Medium => 40,
        Severity::High => 70,
        Severity::Critical => 90,
    };
    let time = |at: jiff::Timestamp| json!(at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("SchemaVersion", json!("2018-10-08"));
    put("Id", json!(finding.source.id));
    put("ProductArn", json!(product));
    put("ProductName", json!(finding.source.name));
    put("CompanyName", json!(company));
    put("Region", json!(finding.region));
    put("GeneratorId", json!(generator(finding, kind)));
    put("AwsAccountId", json!(finding.account));
    put("AwsAccountName", json!(estate.account_label(&finding.account)));
    put("Types", json!(finding.types));
    put("FirstObservedAt", time(finding.first_seen));
    put("LastObservedAt", time(finding.updated));
    put("CreatedAt", time(finding.first_seen));
    put("UpdatedAt", time(finding.updated));
    put("Severity", json!({ "Label": finding.severity.word(), "Normalized": normalized, "Original": finding.severity.word() }));
    put("Title", json!(finding.title));
    put("Description", json!(finding.description));
    put("Remediation", json!({ "Recommendation": { "Text": finding.remediation, "Url": finding.remediation_url } }));
    put("ProductFields", fields(finding, kind, &product, company));
    put("Resources", json!([resource(finding, kind, estate)]));
    if let Some(compliance) = finding.compliance {
        let mut part = json!({ "Status": compliance.word() });
        if kind.source == Source::SecurityHub {
            part["SecurityControlId"] = json!(finding.control);
            part["AssociatedStandards"] = json!([
                { "StandardsId": "standards/aws-foundational-security-best-practices/v/1.0.0" },
                { "StandardsId": "standards/nist-800-53/v/5.0.0" },
            ]);
        }
        put("Compliance", part);
    }
    if let Some(flaw) = kind.flaw {
        put(
            "Vulnerabilities",
            json!([{
                "Id": flaw.id,
                "VulnerablePackages": [{
                    "Name": flaw.package,
                    "Version": flaw.installed,
                    "FixedInVersion": flaw.fixed,
                    "PackageManager": flaw.manager,
                }],
                "Cvss": [{ "Version": "3.1", "BaseScore": flaw.score, "Source": "NVD" }],
                "Vendor": { "Name": "NVD", "Url": finding.remediation_url, "VendorSeverity": flaw.severity.word() },
                "FixAvailable": "YES",
            }]),
        );
    }
    if let Some(verdict) = finding.verdict {
        put("VerificationState", json!(verdict.word()));
    }
    put("WorkflowState", json!("NEW"));
    put("Workflow", json!({ "Status": finding.status.word() }));
    put("RecordState", json!(finding.record.word()));
    put("FindingProviderFields", json!({ "Severity": { "Label": finding.severity.word() }, "Types": finding.types }));
    put("Sample", json!(false));
    Value::Object(record).to_string()
}

fn generator(finding: &Finding, kind: &Kind) -> String {
    match kind.source {
        Source::SecurityHub => format!("security-control/{}", finding.control),
        Source::GuardDuty => detector(&finding.account, &finding.region),
        Source::Inspector => "AWSInspector".to_owned(),
        Source::Macie => format!("aws/macie/{}", finding.control),
        Source::AccessAnalyzer => format!("aws/access-analyzer/{}", finding.control),
        Source::Prowler => format!("prowler-{}", finding.control),
    }
}

fn fields(finding: &Finding, kind: &Kind, product: &str, company: &str) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: String| fields.insert(name.to_owned(), Value::String(value));
    match kind.source {
        Source::SecurityHub => {
            put("RelatedAWSResources:0/type", "AWS::Config::ConfigRule".to_owned());
            put("aws/securityhub/annotation", finding.description.clone());
        }
        Source::GuardDuty => {
            put("aws/guardduty/service/archived", (finding.record.word() == "ARCHIVED").to_string());
            put("aws/guardduty/service/serviceName", "guardduty".to_owned());
            put("aws/guardduty/service/resourceRole", "TARGET".to_owned());
            put("aws/guardduty/service/eventFirstSeen", finding.first_seen.to_string());
        }
        Source::Inspector => {
            put("aws/inspector/FindingStatus", finding.record.word().to_owned());
            put("aws/inspector/inspectorScore", kind.flaw.map_or(0.0, |f| f.score).to_string());
            put("aws/inspector/ProductVersion", "2".to_owned());
        }
        Source::Prowler => {
            put("ProviderName", "Prowler".to_owned());
            put("ProviderVersion", "5.46.0".to_owned());
        }
        Source::Macie | Source::AccessAnalyzer => {}
    }
    put("aws/securityhub/FindingId", format!("{product}/{}", finding.source.id));
    put("aws/securityhub/ProductName", finding.source.name.clone());
    put("aws/securityhub/CompanyName", company.to_owned());
    Value::Object(fields)
}

fn resource(finding: &Finding, kind: &Kind, estate: &Estate) -> Value {
    let mut out = json!({
        "Type": finding.resource.kind,
        "Id": finding.resource.id,
        "Partition": "aws",
        "Region": finding.region,
    });
    if let Some((tags, details)) = details(finding, kind, estate) {
        if tags.as_object().is_some_and(|t| !t.is_empty()) {
            out["Tags"] = tags;
        }
        out["Details"] = json!({ finding.resource.kind.as_str(): details });
    }
    out
}

/// Tags and details of a resource that stands in the estate.
fn details(finding: &Finding, kind: &Kind, estate: &Estate) -> Option<(Value, Value)> {
    let arn: Arn = finding.resource.id.parse().ok()?;
    let id = arn.resource_id();
    let network = || estate.region(&finding.account, &finding.region).map(|r| &r.network);
    let identity = || estate.identity(&finding.account);
    Some(match kind.class {
        Class::SecurityGroup => {
            let group = network()?.security_groups.iter().find(|g| g.group_id == id)?;
            let rules: Vec<Value> = (group.ip_permissions.iter())
                .map(|rule| {
                    json!({
                        "IpProtocol": rule.ip_protocol,
                        "FromPort": rule.from_port,
                        "ToPort": rule.to_port,
                        "IpRanges": rule.ip_ranges.iter().map(|r| json!({ "CidrIp": r.cidr_ip })).collect::<Vec<_>>(),
                        "Ipv6Ranges": rule.ipv6_ranges.iter().map(|r| json!({ "CidrIpv6": r.cidr_ipv6 })).collect::<Vec<_>>(),
                        "UserIdGroupPairs": (rule.user_id_group_pairs.iter())
                            .map(|g| json!({ "GroupId": g.group_id, "UserId": g.user_id }))
                            .collect::<Vec<_>>(),
                    })
                })
                .collect();
            let details = json!({
                "GroupName": group.group_name,
                "GroupId": group.group_id,
                "OwnerId": group.owner_id,
                "VpcId": group.vpc_id,
                "IpPermissions": rules,
            });
            (json!(group.tags), details)
        }
        Class::Instance => {
            let instance = network()?.instances.iter().find(|i| i.instance_id == id)?;
            let addresses: Vec<&str> = [instance.private_ip_address.as_str(), instance.public_ip_address.as_str()]
                .into_iter()
                .filter(|a| !a.is_empty())
                .collect();
            let details = json!({
                "Type": instance.instance_type,
                "ImageId": instance.image_id,
                "IpV4Addresses": addresses,
                "VpcId": instance.vpc_id,
                "SubnetId": instance.subnet_id,
                "LaunchedAt": instance.launch_time,
                "IamInstanceProfileArn": instance.iam_instance_profile.as_ref().map(|p| p.arn.as_str()),
                "MetadataOptions": { "HttpTokens": instance.metadata_options.as_ref().map(|o| o.http_tokens.as_str()) },
            });
            (json!(instance.tags), details)
        }
        Class::Vpc => {
            let vpc = network()?.vpcs.iter().find(|v| v.vpc_id == id)?;
            let cidrs = json!([{ "CidrBlock": vpc.cidr_block, "CidrBlockState": "associated" }]);
            (json!(vpc.tags), json!({ "CidrBlockAssociationSet": cidrs, "State": vpc.state }))
        }
        Class::Role => {
            let role = identity()?.roles.iter().find(|r| r.arn == arn.as_str())?;
            let details = json!({
                "RoleName": role.role_name,
                "RoleId": role.role_id,
                "Path": role.path,
                "AssumeRolePolicyDocument": role.assume_role_policy_document.0,
                "AttachedManagedPolicies": (role.attached_managed_policies.iter())
                    .map(|p| json!({ "PolicyName": p.policy_name, "PolicyArn": p.policy_arn }))
                    .collect::<Vec<_>>(),
            });
            (json!(role.tags), details)
        }
        Class::User => {
            let user = identity()?.users.iter().find(|u| u.arn == arn.as_str())?;
            let details = json!({
                "UserName": user.user_name,
                "UserId": user.user_id,
                "Path": user.path,
                "GroupList": user.group_list,
            });
            (json!(user.tags), details)
        }
        _ => return None,
    })
}
