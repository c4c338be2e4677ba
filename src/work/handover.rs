//! The hand-over from one shift to the next: what came in, what was decided by whom, what is overdue. As Markdown, which
//! reads on a screen too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{ListingId, decisions};
use crate::listing::filter;
use crate::listing::index::{Index, RowId};
use crate::listing::query::{Cancel, Query, Sort, run};
use crate::listing::segment::Cell;
use crate::model::decision::{Entry, Subject, person};
use crate::text;
use crate::world::World;

/// Rows a section lists at most; the count tells of the rest.
const MOST: usize = 25;

/// Writes the hand-over of the time since `since`. `entries` are the ledger's of that time, oldest first.
pub fn handover(world: &World, entries: &[Entry], since: SignedDuration, now: Timestamp) -> String {
    let findings = world.index(ListingId::Findings);
    let hours = since.as_hours().max(0);
    let from = now.saturating_sub(since).unwrap_or(Timestamp::MIN);
    let mut out = String::new();
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "# Hand-over, {} to {}\n", minute(from), minute(now));

    let new = select(findings, &format!("open:yes age<{}s", since.as_secs().max(1)), "severity:desc,age", now);
    let _ = writeln!(out, "## Came in: {} open\n", text::count(new.len() as u64));
    table(&mut out, findings, &new, &["severity", "account_name", "title", "owner", "state"], now);

    let people: Vec<&Entry> = entries.iter().filter(|e| !e.actor.is_system() && e.at >= from).collect();
    let _ = writeln!(out, "## Decided: {}\n", text::count(people.len() as u64));
    let mut by: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for entry in &people {
        *by.entry(person(&entry.actor.arn)).or_default().entry(entry.decision.word()).or_default() += 1;
    }
    for (who, kinds) in &by {
        let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let _ = writeln!(out, "- {}: {}", safe(who), kinds.join(", "));
    }
    if !by.is_empty() {
        let _ = writeln!(out, "\n| at | who | what | on | why |\n|---|---|---|---|---|");
    }
    for entry in people.iter().rev().take(MOST) {
        let on = match &entry.subject {
            Subject::Finding(key) => findings.find(key.short()).map_or_else(
                || "a finding that is gone".to_owned(),
                |row| format!("{}: {}", cell(findings, row, "account_name", now), cell(findings, row, "title", now)),
            ),
            other => other.to_string(),
        };
        let content = decisions::content(&entry.decision);
        let what = format!("{} {content}", entry.decision.word());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            entry.at.strftime("%m-%d %H:%M"),
            safe(person(&entry.actor.arn)),
            safe(what.trim_end()),
            safe(&on),
            safe(&entry.reason)
        );
    }
    if people.len() > MOST {
        let _ = writeln!(
            out,
            "\n{} more: `bartizan list decisions --filter 'age<{hours}h'`",
            text::count((people.len() - MOST) as u64)
        );
    }
    let system = entries.iter().filter(|e| e.actor.is_system() && e.at >= from).count();
    if system > 0 {
        let _ = writeln!(
            out,
            "\n{} entries of the console itself: what was over reopened, what Security Hub reset.",
            text::count(system as u64)
        );
    }

    let overdue = select(findings, "due<0d", "severity:desc,due", now);
    let _ = writeln!(out, "\n## Overdue: {}\n", text::count(overdue.len() as u64));
    table(&mut out, findings, &overdue, &["severity", "due", "account_name", "title", "owner", "assignee"], now);
    for (title, expression) in [("Waits for approval", "state:pending"), ("Came back", "state:returned")] {
        let rows = select(findings, expression, "severity:desc,age", now);
        if !rows.is_empty() {
            let _ = writeln!(out, "## {title}: {}\n", text::count(rows.len() as u64));
            table(&mut out, findings, &rows, &["severity", "account_name", "title", "owner", "until"], now);
        }
    }
    out
}

fn select(findings: &Index, expression: &str, sort: &str, now: Timestamp) -> Vec<RowId> {
    let listing = ListingId::Findings.get();
    let Ok(filter) = filter::parse(expression, &listing.schema, now.as_second()) else { return Vec::new() };
    let sort: Vec<Sort> = crate::catalog::parse_sort(listing, sort).unwrap_or_default();
    let query = Query { filter, sort, group: None, now: now.as_second() };
    run(findings, &query, &Cancel::new()).map(|rows| rows.ids).unwrap_or_default()
}

fn cell(findings: &Index, row: RowId, field: &str, now: Timestamp) -> String {
    let listing = ListingId::Findings.get();
    let Some(field) = listing.field(field) else { return String::new() };
    match findings.cell(row, field) {
        Cell::None => String::new(),
        cell => crate::catalog::show(&cell, &listing.schema.get(field).kind, now),
    }
}

fn table(out: &mut String, findings: &Index, rows: &[RowId], fields: &[&str], now: Timestamp) {
    if rows.is_empty() {
        let _ = writeln!(out, "None.\n");
        return;
    }
    let _ = writeln!(out, "| {} |\n|{}", fields.join(" | ").replace("account_name", "account"), "---|".repeat(fields.len()));
    for row in rows.iter().take(MOST) {
        let cells: Vec<String> = fields.iter().map(|field| safe(&cell(findings, *row, field, now))).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if rows.len() > MOST {
        let _ = writeln!(out, "\n{} more.", text::count((rows.len() - MOST) as u64));
    }
    out.push('\n');
}

/// Foreign text in a Markdown table: one line, and no cell of its own.
fn safe(what: &str) -> String {
    text::line(what).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('`', "'")
}
