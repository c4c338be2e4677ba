//! What the ledger and Security Hub tell of something, and an entry of the ledger in full.

use jiff::Timestamp;

use crate::catalog::detail::parts::{Body, Detail, Section, Writer};
use crate::catalog::{ListingId, decisions};
use crate::listing::filter::exactly;
use crate::model::decision::{Entry, Subject, person};
use crate::model::finding::HubEvent;

/// The heading of a history.
pub const HISTORY: &str = "History";

/// The ledger's entries on something and, of a finding, what Security Hub tells of it, on one time line, newest first.
pub fn history(entries: &[Entry], hub: &[HubEvent]) -> Section {
    let head = ["at (UTC)", "who", "kind", "content", "reason"].map(str::to_owned).into();
    let at = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    let ours = entries.iter().rev().map(|e| {
        let (who, kind) = (person(&e.actor.arn).to_owned(), e.decision.word().to_owned());
        (e.at, vec![at(e.at), who, kind, decisions::content(&e.decision), e.reason.clone()])
    });
    let theirs = hub.iter().map(|e| {
        let kind = if e.is_triage() { "Security Hub" } else { "reported" };
        (e.at, vec![at(e.at), person(&e.by).to_owned(), kind.to_owned(), happened(e), String::new()])
    });
    let mut rows: Vec<(Timestamp, Vec<String>)> = ours.chain(theirs).collect();
    // Stable: what happened at one moment stays in its source's order.
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Section { heading: HISTORY.into(), body: Body::Table { head, rows: rows.into_iter().map(|(_, row)| row).collect() } }
}

/// What an event of Security Hub's history changed: `Workflow NEW to RESOLVED; …`.
fn happened(event: &HubEvent) -> String {
    // Security Hub writes objects as JSON texts; of one with one member that member says all.
    let short = |value: &str| {
        let object: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(value).ok();
        match object.as_ref().and_then(|o| o.values().next().filter(|_| o.len() == 1)?.as_str()) {
            Some(only) => only.to_owned(),
            None => value.chars().take(200).collect(),
        }
    };
    let change = |c: &crate::model::finding::HubChange| match (c.old.is_empty(), c.new.is_empty()) {
        (true, _) => format!("{} {}", c.field, short(&c.new)),
        (_, true) => format!("{} {} taken away", c.field, short(&c.old)),
        _ => format!("{} {} to {}", c.field, short(&c.old), short(&c.new)),
    };
    let created = event.created.then(|| "created".to_owned());
    created.into_iter().chain(event.changes.iter().map(change)).collect::<Vec<_>>().join("; ")
}

/// An entry of the ledger in full.
pub fn of_entry(entry: &Entry, finding: Option<&str>, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} on {}", entry.decision.word(), entry.subject), now);
    let content = decisions::content(&entry.decision);
    w.facts(
        "",
        &[
            ("entry", entry.sequence.to_string()),
            ("at", w.time(Some(entry.at))),
            ("who", entry.actor.arn.clone()),
            ("from", format!("{}@{}", entry.actor.os_user, entry.actor.host)),
            ("content", if content.contains('\n') { String::new() } else { content.clone() }),
            ("subject", entry.subject.to_string()),
            ("hash", entry.hash.to_string()),
            ("previous", entry.previous.to_string()),
        ],
    );
    w.section("Why", Body::Prose(entry.reason.clone()));
    if content.contains('\n') {
        w.section("Content", Body::Prose(content));
    }
    match &entry.subject {
        Subject::Finding(_) => {
            if let Some(id) = finding {
                w.link("the finding", ListingId::Findings, exactly("id", id));
            }
        }
        Subject::Account(id) => w.link(format!("account {id}"), ListingId::Accounts, exactly("id", id)),
        Subject::Principal(arn) => w.link("the principal", ListingId::Principals, exactly("id", arn)),
        Subject::Resource(id) => w.link("findings on it", ListingId::Findings, exactly("resource", id)),
        Subject::Session(id) => w.link("the session", ListingId::Sessions, exactly("id", id)),
    }
    w.finish()
}
