//! Two reports of one finding become one finding with two sources. It does not decide whether they are the same
//! finding: their keys do (`docs/findings.md`).

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::model::finding::{Finding, SourceRef};

/// Merges another report of the same finding, `other` being the fresher where both were updated at the same time
/// (triage in Security Hub does not touch `UpdatedAt`, so a live answer must come as `other`).
///
/// - The newer report's facts win; where it says nothing, the older one's stay. `first_seen` is the earlier.
/// - Workflow status and verdict come from a report that states a workflow, which only Security Hub's do; else from
///   the newer one.
/// - `source` stays, other sources are added to `also`, resources and types of both are kept.
/// - `document`: see [`documents`]. A source that reports again under the same id replaces its own record.
pub fn merge(into: &mut Finding, mut other: Finding) {
    let newer = other.updated >= into.updated;
    let states = [states_workflow(into), states_workflow(&other)];
    let decides_other = if states[0] == states[1] { newer } else { states[1] };
    let (decider, second) = if decides_other { (&other, &*into) } else { (&*into, &other) };
    let (status, verdict) = (decider.status, decider.verdict.or(second.verdict));
    let document = joined(into, &other, newer);
    let key = into.key;
    let first = into.source.clone();
    let sources = std::mem::take(&mut into.also).into_iter().chain([other.source.clone()]).chain(std::mem::take(&mut other.also));
    let mut also: Vec<SourceRef> = Vec::new();
    for source in sources {
        if source != first && !also.contains(&source) {
            also.push(source);
        }
    }
    if newer {
        std::mem::swap(into, &mut other);
    }
    fill(into, &other);
    (into.key, into.source, into.also, into.document) = (key, first, also, document);
    (into.status, into.verdict) = (status, verdict);
}

/// The records of both reports, in the order of their sources; of one source's two, the newer report's.
fn joined(into: &Finding, other: &Finding, newer: bool) -> String {
    let mut reports: Vec<(&SourceRef, &str)> = documents(into);
    for (source, document) in documents(other) {
        match reports.iter_mut().find(|(known, _)| *known == source) {
            Some((_, held)) if held.is_empty() || newer && !document.is_empty() => *held = document,
            Some(_) => {}
            None => reports.push((source, document)),
        }
    }
    match reports.as_slice() {
        [(_, only)] => (*only).to_owned(),
        all if all.iter().all(|(_, document)| document.is_empty()) => String::new(),
        all => {
            let records: Vec<&str> =
                all.iter().map(|(_, document)| if document.is_empty() { "null" } else { document }).collect();
            format!("[{}]", records.join(",\n"))
        }
    }
}

/// What the newer report does not say, the older one does.
fn fill(result: &mut Finding, stale: &Finding) {
    for (text, older) in [
        (&mut result.account, &stale.account),
        (&mut result.region, &stale.region),
        (&mut result.control, &stale.control),
        (&mut result.title, &stale.title),
        (&mut result.description, &stale.description),
        (&mut result.remediation, &stale.remediation),
        (&mut result.remediation_url, &stale.remediation_url),
    ] {
        if text.is_empty() {
            text.clone_from(older);
        }
    }
    result.compliance = result.compliance.or(stale.compliance);
    result.first_seen = result.first_seen.min(stale.first_seen);
    result.already |= stale.already;
    if result.resource.id.is_empty() {
        result.resource = stale.resource.clone();
    }
    for resource in std::iter::once(&stale.resource).chain(&stale.others) {
        let known = std::iter::once(&result.resource).chain(&result.others).any(|r| r.id == resource.id);
        if !known && !resource.id.is_empty() {
            result.others.push(resource.clone());
        }
    }
    for kind in &stale.types {
        if !result.types.contains(kind) {
            result.types.push(kind.clone());
        }
    }
}

/// The sources of a finding with the record each gave. A finding with one source has its record as `document`; with
/// several, `document` is a JSON list of their records in the order `source`, `also…` (`null` where none is held).
pub fn documents(finding: &Finding) -> Vec<(&SourceRef, &str)> {
    let sources: Vec<&SourceRef> = std::iter::once(&finding.source).chain(&finding.also).collect();
    if finding.also.is_empty() {
        return vec![(&finding.source, finding.document.as_str())];
    }
    let held: Vec<&RawValue> = serde_json::from_str(&finding.document).unwrap_or_default();
    let text = |i: usize| held.get(i).map(|raw| raw.get()).filter(|text| *text != "null").unwrap_or_default();
    sources.into_iter().enumerate().map(|(i, source)| (source, text(i))).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Workflow {
    workflow: Option<IgnoredAny>,
    workflow_state: Option<IgnoredAny>,
}

/// Whether one of the records is ASFF with a workflow, which Security Hub fills in and files of other tools lack.
fn states_workflow(finding: &Finding) -> bool {
    memchr::memmem::find(finding.document.as_bytes(), b"\"Workflow").is_some()
        && documents(finding).into_iter().any(|(_, document)| {
            serde_json::from_str::<Workflow>(document).is_ok_and(|w| w.workflow.is_some() || w.workflow_state.is_some())
        })
}
