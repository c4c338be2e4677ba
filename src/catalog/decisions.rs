//! The listing of decisions: the ledger's entries, one a row.

use std::sync::Arc;

use crate::catalog::{Facts, ListingId, Names, Spec, Subject, Value, push, row_key, spec};
use crate::listing::schema::Kind;
use crate::listing::segment::{Segment, SegmentBuilder};
use crate::model::decision::{self, Decision, Entry};

pub struct Decisions;

/// What an entry decided, in words: `owner payments, assignee jo`, `until 2026-12-24`.
pub fn content(decision: &Decision) -> String {
    let day = |at: &jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let named = |what: &str, name: &Option<String>| {
        name.as_ref().map(|n| if n.is_empty() { format!("no {what}") } else { format!("{what} {n}") })
    };
    match decision {
        Decision::Assign { owner, assignee } => {
            [named("owner", owner), named("assignee", assignee)].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        Decision::Note { text } => text.clone(),
        Decision::Status { status } => status.to_string(),
        Decision::Verdict { verdict } => verdict.to_string(),
        Decision::Severity { severity } => severity.to_string(),
        Decision::Due { at } => at.as_ref().map_or_else(|| "by service level".to_owned(), day),
        Decision::Accept { until, pending } | Decision::Suppress { until, pending } => {
            format!("until {}{}", day(until), if *pending { ", waits for approval" } else { "" })
        }
        Decision::Approve { of } | Decision::Reject { of } | Decision::Undo { of } | Decision::Expire { of } => {
            format!("entry {of}")
        }
        Decision::Reset { from, to } => format!("Security Hub set {from} back to {to}"),
        Decision::Conflict { of, ours, theirs } => format!("entry {of}: here {ours}, in Security Hub {theirs}"),
        Decision::SessionStart { node, mode, detail, .. } => format!("{mode} on {node} {detail}").trim_end().to_owned(),
        Decision::SessionEnd { outcome, seconds, .. } => format!("{outcome} after {seconds} s"),
        Decision::Claim | Decision::Release | Decision::Reopen => String::new(),
    }
}

impl Subject for Decisions {
    type Row<'a> = Entry;
    const NAMES: Names = Names { name: "decisions", title: "Decisions", one: "decision", many: "decisions" };
    const SORT: &'static str = "sequence:desc";
    const GROUPS: &'static [&'static str] = &["kind", "who", "subject"];
    const EMPTY: &'static str = "Nothing was decided yet. On a finding, a assigns it, t shows all that can be decided.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<Self::Row<'a>>> {
        let spec = spec::<Entry>;
        vec![
            spec("id", "ID", Kind::Text, 32, "The entry's own id", |e| Value::text(e.id.to_string())).hidden().mute(),
            spec("sequence", "ENTRY", Kind::Number, 6, "Its place in the ledger", |e| {
                Value::Number(i64::try_from(e.sequence).unwrap_or(i64::MAX))
            }),
            spec("age", "AGE", Kind::Age, 4, "How long ago it was decided", |e| Value::Time(e.at)),
            spec("who", "WHO", Kind::Keyword, 16, "The person, by the name of the session or user", |e| {
                Value::text(decision::person(&e.actor.arn))
            }),
            spec("kind", "KIND", Kind::Keyword, 10, "What was done", |e| Value::text(e.decision.word())),
            spec("content", "CONTENT", Kind::Text, 20, "What was decided", |e| Value::text(content(&e.decision))).grow(),
            spec("reason", "REASON", Kind::Text, 20, "Why", |e| Value::text(&*e.reason)).grow(),
            spec("subject", "SUBJECT", Kind::Text, 24, "What it was decided on", |e| Value::text(e.subject.to_string())).grow(),
            spec("at", "AT", Kind::Time, 16, "When it was decided (UTC)", |e| Value::Time(e.at)).hidden(),
            spec("actor", "ACTOR", Kind::Keyword, 30, "The STS ARN", |e| Value::text(&*e.actor.arn)).hidden(),
            spec("os_user", "OS USER", Kind::Keyword, 10, "The user of the machine", |e| Value::text(&*e.actor.os_user)).hidden(),
            spec("host", "HOST", Kind::Keyword, 12, "The machine", |e| Value::text(&*e.actor.host)).hidden(),
            spec("hash", "HASH", Kind::Text, 16, "The entry's SHA-256", |e| Value::text(e.hash.to_string())).hidden().mute(),
        ]
    }

    fn rows<'a>(_: &'a Facts, _: &mut dyn FnMut(&str, &Entry)) {}
}

/// Entries as rows.
pub fn segment(entries: &[Entry]) -> Segment {
    let mut builder = SegmentBuilder::new(Arc::clone(&ListingId::Decisions.get().schema));
    let specs = Decisions::specs();
    for entry in entries {
        push(&mut builder, &specs, entry, row_key(&entry.id.to_string()), entry.sequence);
    }
    builder.finish()
}
