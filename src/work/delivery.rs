//! Decisions on their way to Security Hub: what is sent of each, and what it is held against.

use serde_json::{Map, Value, json};

use crate::ledger::local::Target;
use crate::model::finding::Finding;

/// The fields of a finding that triage changes there: what a conflict is told by.
pub const TRIAGED: [&str; 5] = ["Workflow", "Note", "VerificationState", "Severity", "UserDefinedFields"];

/// Where decisions on a finding of Security Hub are to be delivered; none where its document does not say.
pub fn target(finding: &Finding) -> Option<Target> {
    let document: Value = serde_json::from_str(&finding.document).ok()?;
    let product = document["ProductArn"].as_str()?;
    let place = json!({
        "Id": document["Id"].as_str()?,
        "ProductArn": product,
        "Account": finding.account,
        "Region": finding.region,
    });
    Some(Target { finding: place.to_string(), before: before(&document).to_string() })
}

/// What stands in the fields that triage changes.
pub fn before(document: &Value) -> Value {
    let fields = TRIAGED.iter().filter_map(|f| document.get(f).map(|v| ((*f).to_owned(), v.clone())));
    Value::Object(fields.collect::<Map<_, _>>())
}
