//! A decision as fields of a finding in Security Hub: which of them it sets and to what, and how a change by someone else
//! is told. It judges documents and entries that it is given; it asks nobody.
//!
//! # What goes where
//! | decided | field of ASFF |
//! |---|---|
//! | status; accept, suppress (`SUPPRESSED`); reopen, expiry | `Workflow.Status` |
//! | note (512 characters; the full text stays in the ledger) | `Note` |
//! | verdict | `VerificationState` |
//! | severity | `Severity.Label` |
//! | owner, assignee, due date | `UserDefinedFields`: `bartizanOwner`, `bartizanAssignee`, `bartizanDue` |
//! | accepted or suppressed, and until when | `UserDefinedFields`: `bartizanHold`, `bartizanUntil` |
//!
//! Times in `UserDefinedFields` are RFC 3339 in UTC. An update sets the whole map, so what others keep there is sent along.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::aws::securityhub::Identifier;
use crate::ledger::local::Target;
use crate::model::decision::{Decision, Entry, moment, person};
use crate::model::finding::{Finding, Severity, Status, Verdict};
use crate::text;
use crate::triage::rules::delivered_note;
use crate::triage::state::State;

/// The fields of a finding that triage changes there: what a conflict is told by.
pub const TRIAGED: [&str; 5] = ["Workflow", "Note", "VerificationState", "Severity", "UserDefinedFields"];

/// What our keys in `UserDefinedFields` begin with.
const OURS: &str = "bartizan";
/// The longest `Note.UpdatedBy`, in characters.
const LONGEST_BY: usize = 512;

/// A finding in Security Hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub name: Identifier,
    pub account: String,
    pub region: String,
}

impl Place {
    /// Reads what [`target`] wrote.
    pub fn read(target: &Target) -> Option<Self> {
        let value: Value = serde_json::from_str(&target.finding).ok()?;
        let text = |field: &str| value[field].as_str().map(str::to_owned);
        let name = Identifier { id: text("Id")?, product_arn: text("ProductArn")? };
        Some(Self { name, account: text("Account")?, region: text("Region")? })
    }
}

/// Where a finding stands in Security Hub; none where its document does not say.
pub fn place(finding: &Finding) -> Option<Place> {
    place_in(finding, &record(finding)?)
}

/// Security Hub's own record of a finding; of one with several sources the documents stand in a list.
fn record(finding: &Finding) -> Option<Value> {
    let mut records = match serde_json::from_str(&finding.document).ok()? {
        Value::Array(records) => records,
        one => vec![one],
    };
    records.retain(|r| r["ProductArn"].is_string() && r["Id"].is_string());
    // What it took in itself has the time of that; a file of the same product has not.
    let own = records.iter().position(|r| r["ProcessedAt"].is_string() || r["Region"].is_string()).unwrap_or(0);
    (own < records.len()).then(|| records.swap_remove(own))
}

fn place_in(finding: &Finding, document: &Value) -> Option<Place> {
    let text = |field: &str| document[field].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let name = Identifier { id: text("Id")?, product_arn: text("ProductArn")? };
    Some(Place { name, account: finding.account.clone(), region: finding.region.clone() })
}

/// Where decisions on a finding of Security Hub are to be delivered; none where its document does not say.
pub fn target(finding: &Finding) -> Option<Target> {
    let document = record(finding)?;
    let Place { name, account, region } = place_in(finding, &document)?;
    let finding = json!({ "Id": name.id, "ProductArn": name.product_arn, "Account": account, "Region": region });
    Some(Target { finding: finding.to_string(), before: before(&document).to_string() })
}

/// What stands in the fields that triage changes.
pub fn before(document: &Value) -> Value {
    let fields = TRIAGED.iter().filter_map(|f| document.get(f).map(|v| ((*f).to_owned(), v.clone())));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Whether a decision has anything to deliver. What the console itself noted of Security Hub stands there already.
pub const fn delivers(decision: &Decision) -> bool {
    !matches!(
        decision,
        Decision::Conflict { .. } | Decision::Reset { .. } | Decision::SessionStart { .. } | Decision::SessionEnd { .. }
    )
}

/// A delivery that was made lately: the fields before it, and after it.
#[derive(Debug, Clone)]
pub struct Latest {
    pub before: Value,
    pub after: Value,
}

/// What the ledger and the outbox know of a finding when one of its entries is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// All its entries, in their order.
    pub entries: &'a [Entry],
    /// The entries of it that this outbox will deliver after this one.
    pub waiting: &'a HashSet<u64>,
    /// Its fields before anything was decided here.
    pub first: &'a Value,
}

/// The fields that an entry's delivery sets, by name; empty where it changes nothing there.
///
/// The entry says which fields; their values are those of the state after it, and after entries that others deliver from
/// elsewhere, so that an older decision that was held up never undoes a newer one.
pub fn changes(entry: &Entry, known: &Known<'_>, document: &Value) -> Map<String, Value> {
    let fold = |counts: &dyn Fn(u64) -> bool| {
        let entries: Vec<&Entry> = known.entries.iter().filter(|e| counts(e.sequence)).collect();
        State::fold(entries.iter().copied())
    };
    let theirs = |n: u64| n > entry.sequence && !known.waiting.contains(&n);
    let prior = fold(&|n| n < entry.sequence);
    let then = fold(&|n| n <= entry.sequence);
    let now = fold(&|n| n <= entry.sequence || theirs(n));
    let mut fields = Map::new();
    if let Decision::Note { text } = &entry.decision {
        let newer = known.entries.iter().any(|e| theirs(e.sequence) && matches!(e.decision, Decision::Note { .. }));
        if !newer {
            fields.insert("Note".into(), note(entry, text));
        }
        return fields;
    }
    let sets_status = matches!(entry.decision, Decision::Status { .. } | Decision::Reopen | Decision::Expire { .. });
    if prior.status != then.status || sets_status {
        let status = now.status.map_or_else(|| status(known.first), |s| s.word().to_owned());
        fields.insert("Workflow".into(), json!({ "Status": status }));
    }
    if prior.verdict != then.verdict {
        let verdict = now.verdict.map_or_else(|| verdict(known.first), |v| v.word().to_owned());
        fields.insert("VerificationState".into(), verdict.into());
    }
    if prior.severity != then.severity {
        let label = now.severity.map_or_else(|| severity_of_source(document, known.first), |s| s.word().to_owned());
        fields.insert("Severity".into(), json!({ "Label": label }));
    }
    if own(&prior) != own(&then) {
        let others = document["UserDefinedFields"].as_object().into_iter().flatten().filter(|(key, _)| !key.starts_with(OURS));
        let mut all: Map<String, Value> = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        all.extend(own(&now).into_iter().map(|(key, value)| (key.to_owned(), value.into())));
        fields.insert("UserDefinedFields".into(), all.into());
    }
    fields
}

/// A document with fields set.
pub fn with(document: &Value, changes: &Map<String, Value>) -> Value {
    let mut document = document.clone();
    for (field, value) in changes {
        // The severity's other parts stay the provider's.
        if let (Some(old), Some(new), "Severity") = (document[field].as_object_mut(), value.as_object(), field.as_str()) {
            old.remove("Normalized");
            old.extend(new.clone());
        } else {
            document[field] = value.clone();
        }
    }
    document
}

/// The fields of a document that differ from what was read when it was decided, and that neither the ledger nor `latest`
/// (our own latest delivery, which may take minutes to show) explains: someone else's triage.
///
/// The severity counts only where the entry sets it, because whoever reports a finding may change it too.
pub fn foreign(
    document: &Value,
    before: &Value,
    latest: Option<&Latest>,
    known: &Known<'_>,
    changes: &Map<String, Value>,
) -> Vec<&'static str> {
    let wanted = with(document, changes);
    let mut explained: Option<HashMap<&'static str, HashSet<String>>> = None;
    let mut foreign = Vec::new();
    for field in TRIAGED {
        let stands = shown(document, field);
        let unasked = field == "Severity" && !changes.contains_key(field);
        let expected = unasked
            || stands == shown(before, field)
            || (changes.contains_key(field) && stands == shown(&wanted, field))
            || latest.is_some_and(|latest| stands == shown(&latest.before, field));
        if expected {
            continue;
        }
        let explained = explained.get_or_insert_with(|| ours(known));
        if !explained.get(field).is_some_and(|values| values.contains(&stands)) {
            foreign.push(field);
        }
    }
    foreign
}

/// Whether everything that would be set stands there already.
pub fn stands(document: &Value, changes: &Map<String, Value>) -> bool {
    let wanted = with(document, changes);
    changes.keys().all(|field| shown(document, field) == shown(&wanted, field))
}

/// Whether a document may not show our own latest delivery yet: it holds what stood there before it, not what came of it,
/// in a field that is to be set again. What seems to stand there then may be about to change.
pub fn may_lag(document: &Value, latest: &Latest, changes: &Map<String, Value>) -> bool {
    changes.keys().any(|field| {
        let stands = shown(document, field);
        stands == shown(&latest.before, field) && stands != shown(&latest.after, field)
    })
}

/// Fields of a document in words: `status RESOLVED, note "…" by jo`.
pub fn words<'a>(document: &Value, fields: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<String> = fields.into_iter().map(|field| in_words(document, field)).collect();
    all.join(", ")
}

/// The workflow status of a document.
pub fn workflow(document: &Value) -> Option<Status> {
    status(document).parse().ok()
}

fn note(entry: &Entry, text: &str) -> Value {
    let by: String = person(&entry.actor.arn).chars().take(LONGEST_BY).collect();
    json!({ "Text": delivered_note(text, entry.sequence), "UpdatedBy": by })
}

/// Our keys, those that have a value.
fn own(state: &State) -> BTreeMap<&'static str, String> {
    let name = |name: &Option<crate::triage::state::Name>| name.as_deref().map(str::to_owned);
    [
        ("bartizanOwner", name(&state.owner)),
        ("bartizanAssignee", name(&state.assignee)),
        ("bartizanDue", state.due.map(moment::text)),
        ("bartizanHold", state.hold.as_ref().map(|h| h.kind.word().to_owned())),
        ("bartizanUntil", state.hold.as_ref().map(|h| moment::text(h.until))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

fn status(document: &Value) -> String {
    document["Workflow"]["Status"].as_str().unwrap_or(Status::New.word()).to_owned()
}

fn verdict(document: &Value) -> String {
    document["VerificationState"].as_str().unwrap_or(Verdict::Unknown.word()).to_owned()
}

fn severity(document: &Value) -> Option<String> {
    let severity = &document["Severity"];
    let by_number = || {
        Some(match severity["Normalized"].as_i64()? {
            90.. => Severity::Critical,
            70.. => Severity::High,
            40.. => Severity::Medium,
            1.. => Severity::Low,
            _ => Severity::Informational,
        })
    };
    severity["Label"].as_str().map(str::to_owned).or_else(|| by_number().map(|s| s.word().to_owned()))
}

/// What whoever reports the finding says of it.
fn severity_of_source(document: &Value, first: &Value) -> String {
    let reported = severity(&document["FindingProviderFields"]);
    reported.or_else(|| severity(first)).or_else(|| severity(document)).unwrap_or_else(|| Severity::Medium.word().to_owned())
}

/// A field as it is compared: without what moves by itself.
fn shown(document: &Value, field: &str) -> String {
    match field {
        "Workflow" => status(document),
        "VerificationState" => verdict(document),
        "Severity" => severity(document).unwrap_or_default(),
        "Note" => {
            let note = &document["Note"];
            note["Text"]
                .as_str()
                .map_or_else(String::new, |text| format!("{}\n{text}", note["UpdatedBy"].as_str().unwrap_or_default()))
        }
        "UserDefinedFields" => {
            let ours = document[field].as_object().into_iter().flatten().filter(|(key, _)| key.starts_with(OURS));
            let ours: BTreeMap<&String, &Value> = ours.collect();
            ours.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
        }
        _ => document[field].to_string(),
    }
}

/// Every value that the ledger's entries gave or will give these fields.
fn ours(known: &Known<'_>) -> HashMap<&'static str, HashSet<String>> {
    let mut values: HashMap<&'static str, HashSet<String>> = HashMap::new();
    let mut state = State::default();
    for (n, entry) in known.entries.iter().enumerate() {
        if let Decision::Note { text } = &entry.decision {
            values.entry("Note").or_default().insert(shown(&json!({ "Note": note(entry, text) }), "Note"));
        }
        if matches!(entry.decision, Decision::Undo { .. }) {
            state = State::fold(known.entries.iter().take(n + 1));
        } else {
            state.apply(entry);
        }
        // Security Hub's own word is no decision of ours.
        if matches!(entry.decision, Decision::Reset { .. }) {
            continue;
        }
        let mut add = |field, value: String| _ = values.entry(field).or_default().insert(value);
        if let Some(status) = state.status {
            add("Workflow", status.word().to_owned());
        }
        if let Some(verdict) = state.verdict {
            add("VerificationState", verdict.word().to_owned());
        }
        if let Some(severity) = state.severity {
            add("Severity", severity.word().to_owned());
        }
        let own: Map<String, Value> = own(&state).into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        add("UserDefinedFields", shown(&json!({ "UserDefinedFields": own }), "UserDefinedFields"));
    }
    values
}

fn in_words(document: &Value, field: &str) -> String {
    match field {
        "Workflow" => format!("status {}", status(document)),
        "VerificationState" => format!("verdict {}", verdict(document)),
        "Severity" => format!("severity {}", severity(document).unwrap_or_else(|| "unknown".into())),
        "Note" => match document["Note"]["Text"].as_str() {
            Some(note) => {
                let by = document["Note"]["UpdatedBy"].as_str().unwrap_or("unknown");
                format!("note \"{}\" by {}", text::line(note), text::line(by))
            }
            None => "no note".into(),
        },
        _ => {
            let fields = document["UserDefinedFields"].as_object().into_iter().flatten();
            let ours = fields.filter_map(|(key, value)| {
                let key = key.strip_prefix(OURS)?.to_ascii_lowercase();
                Some(format!("{key} {}", text::line(value.as_str().unwrap_or_default())))
            });
            let ours: Vec<String> = ours.collect();
            if ours.is_empty() { "no owner, assignee or dates".into() } else { ours.join(", ") }
        }
    }
}
