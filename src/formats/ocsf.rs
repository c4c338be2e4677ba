//! The Open Cybersecurity Schema Framework: detection (2004), compliance (2003), vulnerability (2002) and the retired
//! security findings (2001), as Prowler and Security Lake write them. Field by field: `docs/findings.md`.

use serde::Deserialize;

use crate::formats::RecordError;
use crate::formats::identity::{PROWLER, ProwlerParts, ocsf_key, product_key, prowler_key};
use crate::formats::value::{List, Part, Text, first, first_time};
use crate::model::arn::ResourceRef;
use crate::model::finding::{Compliance, Finding, RecordState, Severity, SourceRef, Status, Verdict};

/// Findings classes of the category 2.
const CLASSES: [u32; 8] = [2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    class_uid: Text<'a>,
    #[serde(borrow)]
    class_name: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    metadata: Part<Metadata<'a>>,
    #[serde(borrow)]
    severity_id: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    status_id: Text<'a>,
    #[serde(borrow)]
    status_code: Text<'a>,
    #[serde(borrow)]
    status_detail: Text<'a>,
    #[serde(borrow)]
    verdict: Text<'a>,
    #[serde(borrow)]
    finding_info: Part<Info<'a>>,
    /// What `finding_info` was called before OCSF 1.1.
    #[serde(borrow)]
    finding: Part<Info<'a>>,
    #[serde(borrow)]
    resources: List<Part<Resource<'a>>>,
    #[serde(borrow)]
    resource: Part<Resource<'a>>,
    #[serde(borrow)]
    cloud: Part<Cloud<'a>>,
    #[serde(borrow)]
    compliance: Part<CompliancePart<'a>>,
    #[serde(borrow)]
    vulnerabilities: List<Part<Vulnerability<'a>>>,
    #[serde(borrow)]
    remediation: Part<Remediation<'a>>,
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow)]
    time_dt: Text<'a>,
    #[serde(borrow)]
    event_time: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    event_code: Text<'a>,
    #[serde(borrow)]
    product: Part<Product<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Product<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    vendor_name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Info<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    desc: Text<'a>,
    #[serde(borrow)]
    types: List<Text<'a>>,
    #[serde(borrow)]
    analytic: Part<Analytic<'a>>,
    #[serde(borrow)]
    first_seen_time: Text<'a>,
    #[serde(borrow)]
    first_seen_time_dt: Text<'a>,
    #[serde(borrow)]
    created_time: Text<'a>,
    #[serde(borrow)]
    created_time_dt: Text<'a>,
    #[serde(borrow)]
    modified_time: Text<'a>,
    #[serde(borrow)]
    modified_time_dt: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Analytic<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cloud<'a> {
    #[serde(borrow)]
    account: Part<Account<'a>>,
    #[serde(borrow)]
    account_uid: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Account<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CompliancePart<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    status_id: Text<'a>,
    #[serde(borrow)]
    control: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Vulnerability<'a> {
    #[serde(borrow)]
    cve: Part<Cve<'a>>,
    #[serde(borrow)]
    title: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cve<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Remediation<'a> {
    #[serde(borrow)]
    desc: Text<'a>,
    #[serde(borrow)]
    references: List<Text<'a>>,
}

/// Reads one OCSF finding from its JSON text, which becomes the finding's `document` as it stands.
///
/// # Errors
/// It is no JSON object, its class is none of the findings classes, or it lacks an id or any time.
pub(crate) fn finding(record: &str) -> Result<Finding, RecordError> {
    let r: Record<'_> = serde_json::from_str(record).map_err(|e| RecordError::json(&e))?;
    if let Some(class) = r.class_uid.number().filter(|class| !CLASSES.iter().any(|c| f64::from(*c) == *class)) {
        return Err(RecordError::new(format!("its OCSF class {class} {} is no finding (2001 to 2008 are)", r.class_name.get())));
    }
    let info = if r.finding_info.0.uid.is_empty() { &r.finding.0 } else { &r.finding_info.0 };
    if info.uid.is_empty() {
        return Err(RecordError::lacks("finding_info.uid"));
    }
    let seen = [&info.first_seen_time_dt, &info.first_seen_time, &info.created_time_dt, &info.created_time];
    let now = [&info.modified_time_dt, &info.modified_time, &r.time_dt, &r.time, &r.event_time];
    let updated = first_time(&now)
        .or_else(|| first_time(&seen))
        .ok_or_else(|| RecordError::lacks("time: neither time nor finding_info's times is one"))?;
    let first_seen = first_time(&seen).unwrap_or(updated);

    let mut resources = r
        .resources
        .0
        .iter()
        .map(|Part(x)| x)
        .chain(std::iter::once(&r.resource.0))
        .filter(|x| !x.uid.is_empty() || !x.name.is_empty());
    let main = resources.next();
    let reference = |x: &Resource<'_>| ResourceRef::new(first(&[x.uid.get(), x.name.get()]), x.kind.get());
    let resource = main.map(reference).unwrap_or_default();
    let others = resources.map(reference).collect();
    let account = first(&[r.cloud.0.account.0.uid.get(), r.cloud.0.account_uid.get()]);
    let place = first(&[main.map_or("", |x| x.region.get()), r.cloud.0.region.get()]);

    let product = &r.metadata.0.product.0;
    let by_prowler = product.name.get().eq_ignore_ascii_case(PROWLER);
    let check = first(&[r.metadata.0.event_code.get(), info.analytic.0.uid.get()]);
    let said = first(&[r.message.get(), r.status_detail.get()]);
    let product_arn = product.uid.get().starts_with("arn:").then_some(product.uid.get());
    let key = match product_arn {
        _ if by_prowler && !check.is_empty() => {
            prowler_key(&ProwlerParts { account, region: place, check, resource: &resource.id, words: said })
        }
        Some(arn) if arn.contains(":securityhub:") => product_key(arn, info.uid.get()),
        _ => ocsf_key(product.vendor_name.get(), product.name.get(), info.uid.get()),
    };
    let description = if by_prowler { first(&[said, info.desc.get()]) } else { first(&[info.desc.get(), said]) };
    let (status, record_state) = status(&r);
    let url = r.remediation.0.references.0.iter().map(Text::get).find(|url| url.starts_with("http")).unwrap_or_default();
    Ok(Finding {
        key,
        source: SourceRef { name: source_name(product, by_prowler), id: info.uid.get().to_owned() },
        also: Vec::new(),
        account: account.to_owned(),
        region: if place == "global" { String::new() } else { place.to_owned() },
        control: control(&r, info, by_prowler, check),
        title: first(&[info.title.get(), said, info.uid.get()]).to_owned(),
        description: description.to_owned(),
        severity: severity(&r),
        status,
        record: record_state,
        compliance: compliance(&r, by_prowler),
        verdict: verdict(r.verdict.get()),
        resource,
        others,
        types: info.types.0.iter().map(|t| t.get().to_owned()).filter(|t| !t.is_empty()).collect(),
        already: false,
        first_seen,
        updated,
        remediation: r.remediation.0.desc.get().to_owned(),
        remediation_url: url.to_owned(),
        document: record.to_owned(),
    })
}

/// `severity_id`: 1 informational to 5 critical, 6 fatal; else the word.
fn severity(r: &Record<'_>) -> Severity {
    match r.severity_id.get() {
        "1" => Severity::Informational,
        "2" => Severity::Low,
        "3" => Severity::Medium,
        "4" => Severity::High,
        "5" | "6" => Severity::Critical,
        _ if r.severity.get().eq_ignore_ascii_case("fatal") => Severity::Critical,
        _ => r.severity.get().parse().unwrap_or(Severity::Informational),
    }
}

/// The word before the number: Prowler before 4.5 wrote `New` beside 3. Archived is a record state.
fn status(r: &Record<'_>) -> (Status, RecordState) {
    let number = match r.status_id.get() {
        "2" => "in progress",
        "3" => "suppressed",
        "4" => "resolved",
        "5" => "archived",
        _ => "new",
    };
    let word = r.status.get().to_ascii_lowercase();
    let known = ["new", "in progress", "suppressed", "resolved", "archived", "notified"].contains(&word.as_str());
    match if known { word.as_str() } else { number } {
        "in progress" | "notified" => (Status::Notified, RecordState::Active),
        "suppressed" => (Status::Suppressed, RecordState::Active),
        "resolved" => (Status::Resolved, RecordState::Active),
        "archived" => (Status::New, RecordState::Archived),
        _ => (Status::New, RecordState::Active),
    }
}

/// The `compliance` object (class 2003), else Prowler's `status_code`.
fn compliance(r: &Record<'_>, by_prowler: bool) -> Option<Compliance> {
    let c = &r.compliance.0;
    let by_number = || match c.status_id.get() {
        "1" => Some(Compliance::Passed),
        "2" => Some(Compliance::Warning),
        "3" => Some(Compliance::Failed),
        _ => None,
    };
    let stated = result(c.status.get()).or_else(by_number);
    stated.or_else(|| by_prowler.then(|| result(r.status_code.get())).flatten())
}

/// A check's result in anyone's words: `PASS`, `Passed`, `FAILED`, `MANUAL`, …
pub(crate) fn result(word: &str) -> Option<Compliance> {
    match word.to_ascii_uppercase().as_str() {
        "PASS" => Some(Compliance::Passed),
        "FAIL" => Some(Compliance::Failed),
        "MUTED" => Some(Compliance::Warning),
        word => word.parse().ok(),
    }
}

fn verdict(word: &str) -> Option<Verdict> {
    word.to_ascii_uppercase().replace(' ', "_").parse().ok()
}

fn source_name(product: &Product<'_>, by_prowler: bool) -> String {
    let name = if by_prowler { PROWLER } else { product.name.get() };
    // Products of AWS call themselves `Amazon GuardDuty` here and `GuardDuty` in ASFF.
    let short = name.strip_prefix("Amazon ").or_else(|| name.strip_prefix("AWS ")).unwrap_or(name);
    first(&[short, product.vendor_name.get(), "unknown"]).to_owned()
}

fn control(r: &Record<'_>, info: &Info<'_>, by_prowler: bool, check: &str) -> String {
    if by_prowler && !check.is_empty() {
        return check.to_owned();
    }
    let vulnerability = r.vulnerabilities.0.first().map_or("", |Part(v)| first(&[v.cve.0.uid.get(), v.title.get()]));
    let kind = info.types.0.first().map_or("", Text::get);
    let analytic = &info.analytic.0;
    first(&[
        r.compliance.0.control.get(),
        vulnerability,
        r.metadata.0.event_code.get(),
        analytic.uid.get(),
        analytic.name.get(),
        kind,
    ])
    .to_owned()
}
