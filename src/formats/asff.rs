//! The AWS Security Finding Format (schema version 2018-10-08), as Security Hub answers and as Prowler writes it.
//! Field by field: `docs/findings.md`. Where records begin and end in a file is `split`'s concern.

use serde::Deserialize;

use crate::formats::RecordError;
use crate::formats::identity::{PROWLER, ProwlerParts, product_key, prowler_key};
use crate::formats::value::{List, Part, Text, first, first_time};
use crate::model::arn::ResourceRef;
use crate::model::finding::{Compliance, Finding, RecordState, Severity, SourceRef, Status, Verdict};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Record<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    product_arn: Text<'a>,
    #[serde(borrow)]
    product_name: Text<'a>,
    #[serde(borrow)]
    product_fields: Part<ProductFields<'a>>,
    #[serde(borrow)]
    region: Text<'a>,
    #[serde(borrow)]
    generator_id: Text<'a>,
    #[serde(borrow)]
    aws_account_id: Text<'a>,
    #[serde(borrow)]
    types: List<Text<'a>>,
    #[serde(borrow)]
    first_observed_at: Text<'a>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    severity: Part<SeverityPart<'a>>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    #[serde(borrow)]
    remediation: Part<Remediation<'a>>,
    #[serde(borrow)]
    resources: List<Part<Resource<'a>>>,
    #[serde(borrow)]
    compliance: Part<CompliancePart<'a>>,
    #[serde(borrow)]
    workflow: Part<StatusPart<'a>>,
    #[serde(borrow)]
    workflow_state: Text<'a>,
    #[serde(borrow)]
    record_state: Text<'a>,
    #[serde(borrow)]
    verification_state: Text<'a>,
    #[serde(borrow)]
    vulnerabilities: List<Part<Vulnerability<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ProductFields<'a> {
    #[serde(borrow, rename = "ControlId")]
    control_id: Text<'a>,
    #[serde(borrow, rename = "RuleId")]
    rule_id: Text<'a>,
    #[serde(borrow, rename = "aws/config/ConfigRuleName")]
    config_rule: Text<'a>,
    #[serde(borrow, rename = "aws/securityhub/ProductName")]
    product_name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct SeverityPart<'a> {
    #[serde(borrow)]
    label: Text<'a>,
    #[serde(borrow)]
    normalized: Text<'a>,
    #[serde(borrow)]
    product: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Remediation<'a> {
    #[serde(borrow)]
    recommendation: Part<Recommendation<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Recommendation<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Resource<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, rename = "Type")]
    kind: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct CompliancePart<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    security_control_id: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct StatusPart<'a> {
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Vulnerability<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// Reads one ASFF finding from its JSON text, from a file or from Security Hub's answer alike; the text becomes the
/// finding's `document` as it stands.
///
/// # Errors
/// It is no JSON object, has no `Id`, or none of `FirstObservedAt`, `CreatedAt` and `UpdatedAt` is a time. Everything
/// else may be missing.
pub fn finding(record: &str) -> Result<Finding, RecordError> {
    let r: Record<'_> = serde_json::from_str(record).map_err(|e| RecordError::json(&e))?;
    if r.id.is_empty() {
        return Err(RecordError::lacks("Id"));
    }
    let missing_time = || RecordError::lacks("time: neither FirstObservedAt, CreatedAt nor UpdatedAt is one");
    let first_seen = first_time(&[&r.first_observed_at, &r.created_at, &r.updated_at]).ok_or_else(missing_time)?;
    let updated = first_time(&[&r.updated_at, &r.created_at]).unwrap_or(first_seen);
    let mut resources = r.resources.0.iter().map(|Part(x)| ResourceRef::new(x.id.get(), x.kind.get()));
    let resource = resources.next().unwrap_or_default();
    let others = resources.filter(|other| !other.id.is_empty()).collect();
    let place = r.resources.0.first().map(|x| x.0.region.get()).unwrap_or_default();
    let by_prowler = r.product_arn.get().ends_with(":product/prowler/prowler");
    let check = r.generator_id.get().strip_prefix("prowler-").filter(|_| by_prowler);
    let key = match check {
        Some(check) => prowler_key(&ProwlerParts {
            account: r.aws_account_id.get(),
            region: place,
            check,
            resource: &resource.id,
            words: r.description.get(),
        }),
        None => product_key(r.product_arn.get(), r.id.get()),
    };
    let compliance: Option<Compliance> = r.compliance.0.status.get().parse().ok();
    let workflow = first(&[r.workflow.0.status.get(), r.workflow_state.get()]);
    // Prowler's ASFF says WARNING of what is muted, and nothing else.
    let muted = check.is_some() && compliance == Some(Compliance::Warning);
    let status = status(workflow).unwrap_or(if muted { Status::Suppressed } else { Status::New });
    Ok(Finding {
        key,
        source: SourceRef { name: source_name(&r), id: r.id.get().to_owned() },
        also: Vec::new(),
        account: r.aws_account_id.get().to_owned(),
        region: region(&r, check.is_some(), place).to_owned(),
        control: check.map_or_else(|| control(&r), str::to_owned),
        title: first(&[r.title.get(), r.description.get(), r.generator_id.get(), r.id.get()]).to_owned(),
        description: r.description.get().to_owned(),
        severity: severity(&r.severity.0, r.product_arn.get()),
        status,
        record: r.record_state.get().parse().unwrap_or(RecordState::Active),
        compliance,
        verdict: r.verification_state.get().parse::<Verdict>().ok(),
        resource,
        others,
        types: r.types.0.iter().map(|t| t.get().to_owned()).filter(|t| !t.is_empty()).collect(),
        already: false,
        first_seen,
        updated,
        remediation: r.remediation.0.recommendation.0.text.get().to_owned(),
        remediation_url: r.remediation.0.recommendation.0.url.get().to_owned(),
        document: record.to_owned(),
    })
}

/// `Workflow.Status`, or the retired `WorkflowState` in its words.
fn status(word: &str) -> Option<Status> {
    match word {
        "ASSIGNED" | "IN_PROGRESS" => Some(Status::Notified),
        "DEFERRED" => Some(Status::Suppressed),
        word => word.parse().ok(),
    }
}

/// `Severity.Label`, else `Normalized` by AWS's table, else the product's own figure (GuardDuty and Inspector count
/// to ten, others are taken to count to a hundred).
fn severity(s: &SeverityPart<'_>, product_arn: &str) -> Severity {
    if let Ok(severity) = s.label.get().parse() {
        return severity;
    }
    let to_ten = product_arn.ends_with("/guardduty") || product_arn.ends_with("/inspector");
    let product = s.product.number().map(|n| if to_ten { n * 10.0 } else { n });
    match s.normalized.number().or(product) {
        Some(n) if n >= 90.0 => Severity::Critical,
        Some(n) if n >= 70.0 => Severity::High,
        Some(n) if n >= 40.0 => Severity::Medium,
        Some(n) if n >= 1.0 => Severity::Low,
        _ => Severity::Informational,
    }
}

/// Prowler's own region is its resource's; others say theirs, or their product ARN does.
fn region<'r>(r: &'r Record<'_>, by_prowler: bool, place: &'r str) -> &'r str {
    let product = r.product_arn.get().split(':').nth(3).unwrap_or_default();
    let all = if by_prowler { [place, r.region.get(), product] } else { [r.region.get(), place, product] };
    all.into_iter().find(|region| !region.is_empty() && *region != "global").unwrap_or_default()
}

fn source_name(r: &Record<'_>) -> String {
    let product = r.product_arn.get().rsplit('/').next().unwrap_or_default();
    let named = first(&[r.product_name.get(), r.product_fields.0.product_name.get()]);
    let name = match product {
        "prowler" => PROWLER,
        "securityhub" => "Security Hub",
        "guardduty" => "GuardDuty",
        "inspector" => "Inspector",
        "macie" => "Macie",
        "config" => "Config",
        "access-analyzer" => "IAM Access Analyzer",
        "firewall-manager" => "Firewall Manager",
        "health" => "Health",
        "ssm-patch-manager" => "Systems Manager Patch Manager",
        _ => first(&[named, product, "unknown"]),
    };
    name.to_owned()
}

fn control(r: &Record<'_>) -> String {
    let fields = &r.product_fields.0;
    let named = [&r.compliance.0.security_control_id, &fields.control_id, &fields.rule_id, &fields.config_rule];
    if let Some(name) = named.into_iter().find(|n| !n.is_empty()) {
        return name.get().to_owned();
    }
    if let Some(Part(vulnerability)) = r.vulnerabilities.0.first().filter(|v| !v.0.id.is_empty()) {
        return vulnerability.id.get().to_owned();
    }
    // GuardDuty's generator is its detector; its own type stands behind the second slash, with `-` for `/`.
    if r.product_arn.get().ends_with("/guardduty") {
        let kind = r.types.0.first().and_then(|t| t.get().splitn(3, '/').nth(2));
        if let Some((purpose, rest)) = kind.and_then(|kind| kind.split_once(':')) {
            return format!("{purpose}:{}", rest.replacen('-', "/", 1));
        }
    }
    r.generator_id.get().rsplit('/').next().unwrap_or_default().to_owned()
}
