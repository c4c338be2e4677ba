//! What changes findings: `BatchImportFindings` (a provider), `BatchUpdateFindings` (a customer), and the history of both.

use super::{Hub, Key, Place, Record, invalid, key_of, label, normalized};
use crate::support::wire::Refusal;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};

/// The most a finding may weigh.
const FINDING_BYTES: usize = 240 * 1024;
/// The most findings a call.
const BATCH: usize = 100;
/// The most history kept a finding.
const HISTORY: usize = 200;

impl Hub {
    /// `BatchImportFindings`: checks each finding, fills in AWS's defaults, keeps what only a customer may change.
    pub(super) fn import(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let list = body["Findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() || list.len() > BATCH {
            return Err(invalid(format!("Findings must have between 1 and {BATCH} members, not {}", list.len())));
        }
        let now = self.clock();
        let mut failed = Vec::new();
        for finding in list {
            let id = finding["Id"].as_str().unwrap_or("unknown");
            let outcome = check(place, finding).and_then(|()| self.accept(place, finding, &now));
            if let Err(message) = outcome {
                failed.push(json!({ "Id": id, "ErrorCode": "InvalidInput", "ErrorMessage": message }));
            }
        }
        let mut answer = json!({ "FailedCount": failed.len(), "SuccessCount": list.len() - failed.len() });
        if !failed.is_empty() {
            answer["FailedFindings"] = failed.into();
        }
        Ok(answer)
    }

    fn accept(&mut self, place: &Place, finding: &Value, now: &str) -> Result<(), String> {
        let Some(hub) = self.hubs.get_mut(place) else { return Err("Security Hub is not enabled".to_owned()) };
        let mut doc = with_defaults(place, finding.clone(), now);
        let key = key_of(&doc);
        let Some(old) = hub.findings.get_mut(&key) else {
            let created = history(&key, now, true, "BATCH_IMPORT_FINDINGS", &place.0, &[]);
            let record = Record { doc, customer: BTreeSet::new(), history: VecDeque::from([created]) };
            hub.findings.insert(key, record);
            return Ok(());
        };
        let time = |doc: &Value| doc["UpdatedAt"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        if time(&doc) < time(&old.doc) {
            return Err(format!(
                "UpdatedAt {} is older than that of the stored finding, {}",
                doc["UpdatedAt"], old.doc["UpdatedAt"]
            ));
        }
        // only a customer changes these; the rest only until a customer has
        for field in ["Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState"]
            .into_iter()
            .chain(old.customer.iter().copied())
        {
            match old.doc.get(field) {
                Some(value) => doc[field] = value.clone(),
                None => drop(doc.as_object_mut().and_then(|doc| doc.remove(field))),
            }
        }
        let awake = old.doc["RecordState"] == "ARCHIVED" && doc["RecordState"] == "ACTIVE";
        let broken = old.doc["Compliance"]["Status"] == "PASSED"
            && ["FAILED", "WARNING", "NOT_AVAILABLE"].iter().any(|status| doc["Compliance"]["Status"] == *status);
        let closed = ["NOTIFIED", "RESOLVED"].iter().any(|status| doc["Workflow"]["Status"] == *status);
        if closed && (awake || broken) {
            doc["Workflow"]["Status"] = "NEW".into();
            doc["WorkflowState"] = "NEW".into();
        }
        let changes = ["RecordState", "Workflow", "Severity", "Compliance", "Title"]
            .iter()
            .filter(|field| old.doc[**field] != doc[**field]);
        let changes: Vec<Value> = changes.map(|field| change(field, &old.doc[*field], &doc[*field])).collect();
        remember(&mut old.history, history(&key, now, false, "BATCH_IMPORT_FINDINGS", &place.0, &changes));
        old.doc = doc;
        Ok(())
    }

    /// `BatchUpdateFindings`: a customer's triage. It does not touch `UpdatedAt`.
    pub(super) fn update(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let identifiers = body["FindingIdentifiers"].as_array().map(Vec::as_slice).unwrap_or_default();
        if identifiers.is_empty() || identifiers.len() > BATCH {
            return Err(invalid(format!(
                "FindingIdentifiers must have between 1 and {BATCH} members, not {}",
                identifiers.len()
            )));
        }
        let now = self.clock();
        let changes = checked_update(body, &now)?;
        let visible = self.visible(place);
        let (mut processed, mut unprocessed, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for identifier in identifiers {
            let key = key_of(identifier);
            let refused = |code: &str, message: &str| json!({ "FindingIdentifier": identifier, "ErrorCode": code, "ErrorMessage": message });
            if !seen.insert(key.clone()) {
                unprocessed.push(refused("DuplicatedFindingIdentifier", "Finding Identifier is duplicated"));
                continue;
            }
            if let Some((code, times)) = self.refusals.get_mut(&key).filter(|(_, times)| *times > 0) {
                *times -= 1;
                let message = match *code {
                    "ConcurrentUpdateError" => "Concurrent finding updates detected",
                    "InternalFailure" => "Internal service failure",
                    _ => "Invalid Input",
                };
                unprocessed.push(refused(code, message));
                continue;
            }
            let home = visible.iter().find(|at| self.hubs.get(*at).is_some_and(|hub| hub.findings.contains_key(&key))).cloned();
            match home.and_then(|at| self.hubs.get_mut(&at)?.findings.get_mut(&key)) {
                None => unprocessed.push(refused("FindingNotFound", "Finding Not Found")),
                Some(record) => match apply(record, &key, &changes, &now, &place.0) {
                    Ok(()) => processed.push(identifier.clone()),
                    Err(message) => unprocessed.push(refused("FindingSizeExceeded", &message)),
                },
            }
        }
        Ok(json!({ "ProcessedFindings": processed, "UnprocessedFindings": unprocessed }))
    }

    /// `GetFindingHistory`, newest first. Pages by offset.
    pub(super) fn history(&self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let key = key_of(&body["FindingIdentifier"]);
        if key.0.is_empty() || key.1.is_empty() {
            return Err(invalid("FindingIdentifier needs an Id and a ProductArn"));
        }
        let size = match &body["MaxResults"] {
            Value::Null => 100,
            value => {
                value.as_u64().filter(|n| (1..=100).contains(n)).ok_or_else(|| invalid("MaxResults must be between 1 and 100"))?
                    as usize
            }
        };
        let start = match &body["NextToken"] {
            Value::Null => 0,
            token => token
                .as_str()
                .and_then(|t| t.strip_prefix("history-")?.parse::<usize>().ok())
                .ok_or_else(|| invalid("The NextToken is not valid"))?,
        };
        let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (from, to) = (time(&body["StartTime"]), time(&body["EndTime"]));
        let record = self.visible(place).iter().find_map(|at| self.hubs.get(at)?.findings.get(&key));
        let kept: Vec<&Value> = record
            .into_iter()
            .flat_map(|record| &record.history)
            .filter(|entry| {
                time(&entry["UpdateTime"]).is_none_or(|at| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to))
            })
            .collect();
        let end = kept.len().min(start.saturating_add(size));
        let mut answer = json!({ "Records": kept.get(start..end).unwrap_or_default() });
        if end < kept.len() {
            answer["NextToken"] = format!("history-{end}").into();
        }
        Ok(answer)
    }
}

/// The rules of the AWS Security Finding Format that a provider's finding must keep.
fn check(place: &Place, finding: &Value) -> Result<(), String> {
    let (account, region) = place;
    let text = |field: &str, most: usize| match finding[field].as_str() {
        None | Some("") => Err(format!("{field} is required and must be a non-empty string")),
        Some(value) if value.chars().count() > most => Err(format!("{field} is longer than {most} characters")),
        Some(value) => Ok(value),
    };
    text("Title", 256)?;
    text("Description", 1024)?;
    text("Id", 512)?;
    text("GeneratorId", 512)?;
    if text("SchemaVersion", 16)? != "2018-10-08" {
        return Err("SchemaVersion must be 2018-10-08".to_owned());
    }
    if text("AwsAccountId", 12)? != account {
        return Err(format!("AwsAccountId must be the caller's account, {account}"));
    }
    let arn = text("ProductArn", 2048)?;
    let own = format!("arn:aws:securityhub:{region}:{account}:product/{account}/default");
    let partner = format!("arn:aws:securityhub:{region}::product/");
    if arn != own && !arn.starts_with(&partner) {
        return Err(format!("ProductArn must be {own} or a product of this region, not {arn}"));
    }
    for field in ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"] {
        let required = matches!(field, "CreatedAt" | "UpdatedAt");
        match &finding[field] {
            Value::Null if !required => {}
            Value::String(time) if time.parse::<Timestamp>().is_ok() => {}
            other => return Err(format!("{field} is not an ISO 8601 time: {other}")),
        }
    }
    match finding["Resources"].as_array().map(Vec::len) {
        Some(1..=32) => {}
        _ => return Err("Resources must have between 1 and 32 members".to_owned()),
    }
    if finding["Resources"].as_array().into_iter().flatten().any(|r| !r["Id"].is_string() || !r["Type"].is_string()) {
        return Err("every resource needs an Id and a Type".to_owned());
    }
    let severity = [&finding["Severity"], &finding["FindingProviderFields"]["Severity"]];
    if severity
        .iter()
        .all(|s| s["Label"].is_null() && s["Normalized"].is_null() && s["Original"].is_null() && s["Product"].is_null())
    {
        return Err("Severity or FindingProviderFields.Severity is required".to_owned());
    }
    for severity in severity {
        if severity["Label"].as_str().is_some_and(|l| normalized(l).is_none())
            || severity["Normalized"].as_i64().is_some_and(|n| label(n).is_none())
        {
            return Err(format!("Severity is not valid: {severity}"));
        }
    }
    let size = |value: &Value| value.as_array().map_or_else(|| value.as_object().map_or(0, Map::len), Vec::len);
    for (field, most) in [("Types", 50), ("ProductFields", 50), ("UserDefinedFields", 50), ("RelatedFindings", 10)] {
        if size(&finding[field]) > most {
            return Err(format!("{field} has more than {most} members"));
        }
    }
    for (field, key_most, value_most) in [("ProductFields", 128, 2048), ("UserDefinedFields", 128, 1024)] {
        for (key, value) in finding[field].as_object().into_iter().flatten() {
            if key.chars().count() > key_most || value.as_str().is_none_or(|v| v.chars().count() > value_most) {
                return Err(format!(
                    "{field}.{key} must be a string of at most {value_most} characters under a key of at most {key_most}"
                ));
            }
        }
    }
    for (field, value) in [
        ("Note.Text", &finding["Note"]["Text"]),
        ("Remediation.Recommendation.Text", &finding["Remediation"]["Recommendation"]["Text"]),
    ] {
        if value.as_str().is_some_and(|text| text.chars().count() > 512) {
            return Err(format!("{field} is longer than 512 characters"));
        }
    }
    if finding.to_string().len() > FINDING_BYTES {
        return Err("the finding is larger than 240 KB".to_owned());
    }
    Ok(())
}

/// What AWS fills in.
fn with_defaults(place: &Place, mut doc: Value, now: &str) -> Value {
    let provider = doc["FindingProviderFields"]["Severity"].clone();
    if doc["Severity"].is_null() {
        doc["Severity"] = provider;
    }
    complete_severity(&mut doc["Severity"]);
    let types = doc["FindingProviderFields"]["Types"].clone();
    if doc["Types"].is_null() {
        doc["Types"] = if types.is_null() { json!([]) } else { types };
    }
    if doc["FindingProviderFields"].is_null() {
        doc["FindingProviderFields"] = json!({ "Severity": doc["Severity"], "Types": doc["Types"] });
    }
    complete_severity(&mut doc["FindingProviderFields"]["Severity"]);
    let fill = |doc: &mut Value, field: &str, value: Value| {
        if doc[field].is_null() {
            doc[field] = value;
        }
    };
    let product = doc["ProductArn"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let company = doc["ProductArn"].as_str().unwrap_or_default().rsplit('/').nth(1).unwrap_or_default().to_owned();
    let own = product == "default";
    fill(&mut doc, "ProductName", if own { "Default".into() } else { product.into() });
    fill(&mut doc, "CompanyName", if own { "Personal".into() } else { company.into() });
    fill(&mut doc, "Region", place.1.clone().into());
    fill(&mut doc, "RecordState", "ACTIVE".into());
    fill(&mut doc, "Workflow", json!({ "Status": "NEW" }));
    fill(&mut doc, "WorkflowState", "NEW".into());
    for resource in doc["Resources"].as_array_mut().into_iter().flatten() {
        fill(resource, "Partition", "aws".into());
        fill(resource, "Region", place.1.clone().into());
    }
    doc["ProcessedAt"] = now.into();
    doc
}

/// Fills in the label or the normalized value, whichever is missing.
fn complete_severity(severity: &mut Value) {
    if let Some(number) = severity["Label"].as_str().and_then(normalized) {
        if severity["Normalized"].is_null() {
            severity["Normalized"] = number.into();
        }
    } else {
        let number = severity["Normalized"]
            .as_i64()
            .or_else(|| severity["Product"].as_f64().map(|p| (p as i64).clamp(0, 100)))
            .unwrap_or(0);
        severity["Normalized"] = number.into();
        severity["Label"] = label(number).unwrap_or("INFORMATIONAL").into();
    }
}

/// The fields an update sets, checked.
fn checked_update(body: &Value, now: &str) -> Result<Vec<(&'static str, Value)>, Refusal> {
    let mut changes = Vec::new();
    let given = |field: &str| body.get(field).filter(|value| !value.is_null()).cloned();
    if let Some(note) = given("Note") {
        for (field, most) in [("Text", 512), ("UpdatedBy", 512)] {
            let length = note[field].as_str().map(|text| text.chars().count());
            if !length.is_some_and(|n| (1..=most).contains(&n)) {
                return Err(invalid(format!("Note.{field} must have between 1 and {most} characters")));
            }
        }
        changes.push(("Note", json!({ "Text": note["Text"], "UpdatedBy": note["UpdatedBy"], "UpdatedAt": now })));
    }
    if let Some(mut severity) = given("Severity") {
        let good = match (severity["Label"].as_str(), severity["Normalized"].as_i64()) {
            (Some(name), _) => normalized(name).is_some(),
            (None, Some(number)) => label(number).is_some(),
            (None, None) => severity["Product"].is_number(),
        };
        if !good {
            return Err(invalid(format!("Severity is not valid: {severity}")));
        }
        complete_severity(&mut severity);
        changes.push(("Severity", severity));
    }
    if let Some(workflow) = given("Workflow") {
        if !["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"].iter().any(|status| workflow["Status"] == *status) {
            return Err(invalid(format!("Workflow.Status is not valid: {}", workflow["Status"])));
        }
        changes.push(("Workflow", json!({ "Status": workflow["Status"] })));
    }
    if let Some(state) = given("VerificationState") {
        if !["UNKNOWN", "TRUE_POSITIVE", "FALSE_POSITIVE", "BENIGN_POSITIVE"].iter().any(|known| state == *known) {
            return Err(invalid(format!("VerificationState is not valid: {state}")));
        }
        changes.push(("VerificationState", state));
    }
    for field in ["Confidence", "Criticality"] {
        if let Some(value) = given(field) {
            if !value.as_i64().is_some_and(|n| (0..=100).contains(&n)) {
                return Err(invalid(format!("{field} must be between 0 and 100, not {value}")));
            }
            changes.push((field, value));
        }
    }
    for (field, most) in [("Types", 50), ("RelatedFindings", 10)] {
        if let Some(value) = given(field) {
            if value.as_array().is_none_or(|list| list.len() > most) {
                return Err(invalid(format!("{field} must be a list of at most {most}")));
            }
            changes.push((field, value));
        }
    }
    if let Some(fields) = given("UserDefinedFields") {
        let good = |(key, value): (&String, &Value)| {
            key.chars().count() <= 128 && value.as_str().is_some_and(|v| v.chars().count() <= 1024)
        };
        if !fields.as_object().is_some_and(|map| map.len() <= 50 && map.iter().all(good)) {
            return Err(invalid(
                "UserDefinedFields must have at most 50 strings of at most 1024 characters under keys of at most 128",
            ));
        }
        changes.push(("UserDefinedFields", fields));
    }
    if changes.is_empty() {
        return Err(invalid("at least one field to update is required"));
    }
    Ok(changes)
}

fn apply(record: &mut Record, key: &Key, changes: &[(&'static str, Value)], now: &str, account: &str) -> Result<(), String> {
    let mut doc = record.doc.clone();
    let mut updates = Vec::new();
    for (field, value) in changes {
        let value = match *field {
            // an update of the severity leaves what the provider said about it
            "Severity" if record.doc["Severity"].is_object() => {
                let mut merged = record.doc["Severity"].clone();
                for (name, part) in value.as_object().into_iter().flatten() {
                    merged[name] = part.clone();
                }
                merged
            }
            _ => value.clone(),
        };
        if doc[*field] != value {
            updates.push(change(field, &doc[*field], &value));
        }
        doc[*field] = value;
    }
    if doc.to_string().len() > FINDING_BYTES {
        return Err("Finding size exceeded 240 KB".to_owned());
    }
    record.customer.extend(changes.iter().map(|(field, _)| *field));
    record.doc = doc;
    remember(&mut record.history, history(key, now, false, "BATCH_UPDATE_FINDINGS", account, &updates));
    Ok(())
}

fn change(field: &str, old: &Value, new: &Value) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut change = json!({ "UpdatedField": field, "NewValue": text(new) });
    if !old.is_null() {
        change["OldValue"] = text(old).into();
    }
    change
}

fn history(key: &Key, now: &str, created: bool, source: &str, account: &str, updates: &[Value]) -> Value {
    json!({
        "FindingIdentifier": { "Id": key.1, "ProductArn": key.0 },
        "UpdateTime": now,
        "FindingCreated": created,
        "UpdateSource": { "Type": source, "Identity": format!("arn:aws:iam::{account}:root") },
        "Updates": updates,
    })
}

fn remember(history: &mut VecDeque<Value>, entry: Value) {
    history.push_front(entry);
    history.truncate(HISTORY);
}
