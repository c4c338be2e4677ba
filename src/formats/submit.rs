//! A finding as Security Hub takes it from a provider (`BatchImportFindings`): made of what was imported, within the limits
//! of the AWS Security Finding Format. It sends nothing.
//!
//! A record that came as ASFF goes as it came, without what only customers set there. Prowler's others go as Prowler's own
//! integration names them, so that both are one finding; everything else as a finding of the account's own product.
//! Prose beyond the limits is cut; an identity beyond them is refused.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::formats::identity::PROWLER;
use crate::model::finding::{Compliance, Finding};

/// The largest finding, in bytes.
pub const LARGEST: usize = 240 * 1024;
/// What only customers set: Security Hub takes it from no provider, or only the first time.
const CUSTOMERS: [&str; 5] = ["Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState"];
/// What Security Hub itself fills in.
const FILLED_IN: [&str; 3] = ["ProcessedAt", "AwsAccountName", "Sample"];
/// The first ASFF, and the only one: the version every finding carries.
const SCHEMA: &str = "2018-10-08";
/// A type of the taxonomy for findings that name none.
const UNTYPED: &str = "Software and Configuration Checks";

/// A finding ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// `Id` and `ProductArn`.
    pub id: String,
    pub product: String,
    /// Whose Security Hub takes it.
    pub account: String,
    pub region: String,
    document: Map<String, Value>,
}

impl Submission {
    /// Gives it another id, for findings that share one.
    pub fn rename(&mut self, id: String) {
        self.document.insert("Id".into(), Value::from(id.as_str()));
        self.id = id;
    }
    /// The JSON text.
    ///
    /// # Errors
    /// Where it is larger than Security Hub takes.
    pub fn text(&self) -> Result<String, String> {
        let text = Value::Object(self.document.clone()).to_string();
        if self.id.chars().count() > 512 {
            return Err("its Id has more than 512 characters".into());
        }
        if text.len() > LARGEST {
            return Err(format!("it has {} bytes, and Security Hub takes {LARGEST}", text.len()));
        }
        Ok(text)
    }
}

/// Makes a finding ready to be sent.
///
/// # Errors
/// Why Security Hub would not take it.
pub fn submission(finding: &Finding) -> Result<Submission, String> {
    let (account, region) = (finding.account.as_str(), finding.region.as_str());
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Err("its source does not say which account it is of".into());
    }
    if region.is_empty() {
        return Err("its source does not say which region it is of".into());
    }
    // Of a finding with several sources the documents stand in a list.
    let records = match serde_json::from_str(&finding.document) {
        Ok(Value::Array(records)) => records,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    let asff = |r: &Value| r["SchemaVersion"].is_string() && r["ProductArn"].is_string();
    let mut document = match records.into_iter().find(asff) {
        Some(Value::Object(document)) => document,
        _ => made(finding),
    };
    for field in CUSTOMERS.iter().chain(&FILLED_IN) {
        document.remove(*field);
    }
    document.insert("SchemaVersion".into(), SCHEMA.into());
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, product, generator) = (text("Id"), text("ProductArn"), text("GeneratorId"));
    if id.is_empty() || id.chars().count() > 512 {
        return Err("its Id is empty or has more than 512 characters".into());
    }
    if generator.is_empty() || generator.chars().count() > 512 {
        return Err("its GeneratorId is empty or has more than 512 characters".into());
    }
    if text("AwsAccountId") != account {
        return Err(format!("its AwsAccountId is {:?}, and not the account {account}", text("AwsAccountId")));
    }
    let of_product: Vec<&str> = product.splitn(6, ':').collect();
    if of_product.len() != 6 || of_product[2] != "securityhub" || !of_product[5].starts_with("product/") {
        return Err(format!("its ProductArn {product:?} is none"));
    }
    // It is taken in the region that its product names.
    let region = of_product[3].to_owned();
    for field in ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"] {
        let needed = matches!(field, "CreatedAt" | "UpdatedAt");
        match document.get(field).and_then(Value::as_str).map(str::parse::<Timestamp>) {
            Some(Ok(_)) => {}
            None if !needed => _ = document.remove(field),
            _ => return Err(format!("its {field} is no time")),
        }
    }
    cut_text(&mut document, "Title", 256);
    cut_text(&mut document, "Description", 1024);
    for field in ["Title", "Description"] {
        if document.get(field).and_then(Value::as_str).is_none_or(|t| t.trim().is_empty()) {
            document.insert(field.into(), Value::from(if finding.title.trim().is_empty() { "(none)" } else { &finding.title }));
            cut_text(&mut document, field, 256);
        }
    }
    if let Some(Value::Object(advice)) = document.get_mut("Remediation").and_then(|r| r.get_mut("Recommendation")) {
        cut_text(advice, "Text", 512);
    }
    let severity = document.get("Severity").filter(|s| s["Label"].is_string() || s["Normalized"].is_number());
    if severity.is_none() {
        document.insert("Severity".into(), json!({ "Label": finding.severity.word() }));
    }
    cut_list(&mut document, "Types", 50);
    cut_list(&mut document, "Resources", 32);
    cut_list(&mut document, "RelatedFindings", 10);
    let resources = document.get("Resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if resources.is_empty() || resources.iter().any(|r| !r["Id"].is_string() || !r["Type"].is_string()) {
        return Err("it names no resource, or one without Id or Type".into());
    }
    if let Some(Value::Object(fields)) = document.get_mut("ProductFields") {
        let all = std::mem::take(fields);
        let fits = all.into_iter().filter(|(key, value)| key.chars().count() <= 128 && value.is_string()).take(50);
        for (key, value) in fits {
            let text = value.as_str().unwrap_or_default();
            fields.insert(key, Value::from(cut(text, 2048)));
        }
    }
    Ok(Submission { id, product, account: account.to_owned(), region, document })
}

/// Of a finding that came in another format.
fn made(finding: &Finding) -> Map<String, Value> {
    let (account, region) = (&finding.account, &finding.region);
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let prowler = finding.source.name == PROWLER;
    let (product, generator) = if prowler {
        (format!("arn:{partition}:securityhub:{region}::product/prowler/prowler"), format!("prowler-{}", finding.control))
    } else {
        let own = format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default");
        let generator = if finding.control.is_empty() { &finding.source.name } else { &finding.control };
        (own, generator.clone())
    };
    let resource = |r: &crate::model::arn::ResourceRef| {
        json!({
            "Id": if r.id.is_empty() { format!("AWS::::Account:{account}") } else { r.id.clone() },
            "Type": if r.kind.is_empty() { "Other".to_owned() } else { r.kind.clone() },
            "Partition": partition,
            "Region": region,
        })
    };
    let resources: Vec<Value> = std::iter::once(&finding.resource).chain(&finding.others).map(resource).collect();
    let types = if finding.types.is_empty() { vec![UNTYPED.to_owned()] } else { finding.types.clone() };
    let description = if finding.description.trim().is_empty() { &finding.title } else { &finding.description };
    let mut document = json!({
        "SchemaVersion": SCHEMA,
        "Id": finding.source.id,
        "ProductArn": product,
        "GeneratorId": generator,
        "AwsAccountId": account,
        "Types": types,
        "FirstObservedAt": finding.first_seen.to_string(),
        "CreatedAt": finding.first_seen.to_string(),
        "UpdatedAt": finding.updated.to_string(),
        "Severity": { "Label": finding.severity.word() },
        "Title": finding.title,
        "Description": description,
        "Resources": resources,
        "RecordState": finding.record.word(),
        "ProductFields": { "ProviderName": finding.source.name },
    });
    if let Some(compliance) = finding.compliance {
        // Security Hub has no word for what a person has to look at.
        let word = if compliance == Compliance::Manual { Compliance::NotAvailable.word() } else { compliance.word() };
        document["Compliance"] = json!({ "Status": word });
    }
    let mut advice = Map::new();
    if !finding.remediation.trim().is_empty() {
        advice.insert("Text".into(), Value::from(finding.remediation.as_str()));
    }
    if finding.remediation_url.starts_with("http") {
        advice.insert("Url".into(), Value::from(finding.remediation_url.as_str()));
    }
    if !advice.is_empty() {
        document["Remediation"] = json!({ "Recommendation": advice });
    }
    if let Value::Object(document) = document { document } else { Map::new() }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn cut_text(document: &mut Map<String, Value>, field: &str, most: usize) {
    if let Some(Value::String(text)) = document.get_mut(field) {
        *text = cut(text, most);
    }
}

fn cut_list(document: &mut Map<String, Value>, field: &str, most: usize) {
    if let Some(Value::Array(list)) = document.get_mut(field) {
        list.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    fn all(bytes: &[u8]) -> Vec<Result<Submission, String>> {
        formats::read(bytes).unwrap().findings.iter().map(submission).collect()
    }

    #[test]
    fn prowlers_formats_are_one_finding_each_way() {
        for (bytes, kind) in [
            (&include_bytes!("../../tests/data/prowler.csv")[..], "CSV"),
            (&include_bytes!("../../tests/data/prowler.ocsf.json")[..], "OCSF"),
            (&include_bytes!("../../tests/data/prowler.asff.json")[..], "ASFF"),
        ] {
            let findings = formats::read(bytes).unwrap().findings;
            let mut same = 0;
            for finding in findings.iter().filter(|f| f.account.len() == 12 && !f.region.is_empty()) {
                let Ok(made) = submission(finding) else { continue };
                let back = formats::asff::finding(&made.text().unwrap()).unwrap();
                assert_eq!((&back.account, &back.control), (&finding.account, &finding.control), "{kind}");
                assert_eq!((back.severity, back.source.name.as_str()), (finding.severity, "Prowler"), "{kind}");
                same += usize::from(back.key == finding.key);
            }
            assert!(same * 10 >= findings.len() * 6, "{kind}: only {same} of {} are the same finding again", findings.len());
        }
    }

    #[test]
    fn what_customers_set_and_what_is_too_long_does_not_go() {
        let record = json!({
            "SchemaVersion": "2018-10-08", "Id": "1", "GeneratorId": "g", "AwsAccountId": "111122223333",
            "ProductArn": "arn:aws:securityhub:eu-west-1:111122223333:product/111122223333/default",
            "Region": "eu-west-1", "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
            "FirstObservedAt": "2026-01-01T00:00:00Z",
            "Severity": {"Label": "LOW"}, "Title": "t".repeat(300), "Description": "é".repeat(2000),
            "Resources": (0..40).map(|n| json!({"Id": n.to_string(), "Type": "Other"})).collect::<Vec<_>>(),
            "Types": vec!["a/b/c"; 60], "Note": {"Text": "n"}, "Workflow": {"Status": "RESOLVED"},
            "UserDefinedFields": {"a": "b"}, "VerificationState": "UNKNOWN", "Own": {"stays": 1},
            "ProductFields": {"long": "x".repeat(3000)},
        });
        let made = |change: &dyn Fn(&mut Value)| {
            let mut record = record.clone();
            change(&mut record);
            all(record.to_string().as_bytes()).remove(0)
        };
        let good = made(&|_| {}).unwrap();
        let document: Value = serde_json::from_str(&good.text().unwrap()).unwrap();
        for field in CUSTOMERS {
            assert!(document[field].is_null(), "{field}");
        }
        let long = |field: &str| document[field].as_str().unwrap().chars().count();
        assert_eq!((long("Title"), long("Description"), document["Own"]["stays"].as_i64()), (256, 1024, Some(1)));
        assert_eq!(document["Resources"].as_array().unwrap().len(), 32);
        assert_eq!(document["Types"].as_array().unwrap().len(), 50);
        assert_eq!(document["ProductFields"]["long"].as_str().unwrap().chars().count(), 2048);
        for (change, why) in [
            (&(|r: &mut Value| r["Id"] = "i".repeat(513).into()) as &dyn Fn(&mut Value), "its Id is empty or has more"),
            (&|r: &mut Value| r["GeneratorId"] = "".into(), "its GeneratorId is empty"),
            (&|r: &mut Value| r["AwsAccountId"] = "".into(), "does not say which account"),
            (&|r: &mut Value| r["ProductArn"] = "arn:x".into(), "its ProductArn \"arn:x\" is none"),
            (&|r: &mut Value| r["CreatedAt"] = "yesterday".into(), "its CreatedAt is no time"),
            (&|r: &mut Value| r["Resources"] = json!([]), "it names no resource"),
        ] {
            let refused = made(change).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let large = made(&|r| r["Own"] = "x".repeat(LARGEST).into()).unwrap().text().unwrap_err();
        assert!(large.contains("and Security Hub takes 245760"), "{large}");
    }
}
