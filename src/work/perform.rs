//! Answers single askings: rows, details, the overview's figures, exports. Synchronous; the caller finds it a thread.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::detail::{Body, Section};
use crate::catalog::export::{Format, Rows as Export};
use crate::catalog::{Listing, ListingId, detail};
use crate::listing::filter;
use crate::listing::index::{Index, RowId};
use crate::listing::query::{Cancel, count, facets, run};
use crate::listing::schema::FieldId;
use crate::listing::segment::Cell;
use crate::message::{Answer, Effect, Need, Opened, Outcome, Overview, Slot};
use crate::model::finding::Severity;
use crate::triage::sessions::{History, Kept, Seal};
use crate::work::files;
use crate::work::library::Library;
use crate::work::network;
use crate::work::policy;
use crate::work::sessions::shelf;
use crate::world::World;

/// The slot of an asking; none for effects that are no asking.
pub fn slot(effect: &Effect) -> Option<Slot> {
    match effect {
        Effect::Query { ticket, .. }
        | Effect::Detail { ticket, .. }
        | Effect::Overview { ticket, .. }
        | Effect::Export { ticket, .. }
        | Effect::Question { ticket, .. }
        | Effect::Policy { ticket, .. }
        | Effect::Save { ticket, .. }
        | Effect::Network { ticket, .. }
        | Effect::Draw { ticket, .. } => Some(ticket.slot),
        Effect::Stage { .. }
        | Effect::Decide { .. }
        | Effect::Handover { .. }
        | Effect::Stopped { .. }
        | Effect::Resolve { .. }
        | Effect::AskUse { .. }
        | Effect::Refresh
        | Effect::CancelSweep
        | Effect::Session(_)
        | Effect::Remember(_) => None,
    }
}

/// Performs an asking as of `now`; none where it was cancelled, or is none.
pub fn perform(effect: Effect, library: &Library, now: Timestamp, cancel: &Cancel) -> Option<Outcome> {
    let (ticket, answer) = match effect {
        Effect::Query { ticket, index, query } => {
            let rows = run(&index, &query, cancel)?;
            (ticket, Answer::Rows { index, rows })
        }
        Effect::Detail { ticket, world, listing, row } => (ticket, Answer::Detail(open(&world, library, listing, row, now))),
        Effect::Question { ticket, estate, text } => (ticket, Answer::Detail(library.engine.ask(&estate, &text))),
        Effect::Policy { ticket, ask } => (ticket, Answer::Policy(Box::new(policy::answer(&ask)))),
        Effect::Save { ticket, text, path } => (ticket, Answer::Written(files::save(&text, &path).map(|()| path))),
        Effect::Overview { ticket, world } => (ticket, Answer::Overview(Box::new(overview(&world, now, cancel)?))),
        Effect::Export { ticket, listing, index, rows, fields, path } => {
            let export = Export { listing: listing.get(), index: &index, ids: &rows, fields: &fields, now };
            let written = write_file(&export, &path).map(|()| (rows.len(), path));
            (ticket, Answer::Exported(written))
        }
        Effect::Network { ticket, world, ask } => (ticket, Answer::Network(network::answer(&world, &ask))),
        Effect::Draw { ticket, diagram, path } => (ticket, Answer::Written(network::draw(&diagram, &path).map(|()| path))),
        // Those that `slot` has none for.
        _ => return None,
    };
    Some(Outcome::Answer { ticket, answer })
}

/// One row in full.
///
/// # Errors
/// In words for the screen: the row or its document is gone.
pub fn open(world: &World, library: &Library, listing: ListingId, row: RowId, now: Timestamp) -> Result<Opened, String> {
    let declared = listing.get();
    let index = world.index(listing);
    let id = match declared.field("id").map(|f| index.cell(row, f)) {
        Some(Cell::Text(id)) => id.into_owned(),
        _ => return Err(format!("This {} has no id.", declared.one)),
    };
    if listing == ListingId::Findings {
        let key = index.key(row).unwrap_or_default();
        let found = library.read().finding(key).map_err(|e| e.to_string())?;
        let finding = found.ok_or_else(|| "This finding is gone: it went away with the last refresh.".to_owned())?;
        let detail = detail::of_finding(&finding, &world.estate, &library.decisions(), now);
        return Ok(Opened { id, detail, document: pretty(&finding.document) });
    }
    if listing == ListingId::Exposures {
        return network::exposure(world, &id);
    }
    if listing == ListingId::WaysOut {
        return network::way_out(world, &id);
    }
    if listing == ListingId::Queues {
        // A queue is nothing but its figures.
        return Ok(Opened {
            id,
            detail: detail::of_cells(declared, index, row, now),
            document: cells(declared, index, row, now),
        });
    }
    if listing == ListingId::Pipelines {
        let standings = library.standings();
        let found = standings.pipelines.iter().find(|p| p.id() == id);
        let found = found.ok_or_else(|| "This pipeline is gone: it went away with the last refresh.".to_owned())?;
        let detail = detail::of_pipeline(found, &world.estate, now);
        return Ok(Opened { id, detail, document: cells(declared, index, row, now) });
    }
    if listing == ListingId::Sessions {
        let history = &world.history;
        let seal = history.kept(&id).map(|kept| checked(history, &id, kept));
        let (detail, document) = detail::of_session(&world.estate, history, seal, &id, now)
            .ok_or_else(|| "This session is gone: it went away with the last refresh.".to_owned())?;
        return Ok(Opened { id, detail, document });
    }
    let object = detail::object(&world.estate, listing, &object_id(world, listing, row, &id));
    let object = object.ok_or_else(|| format!("This {} is gone: it went away with the last refresh.", declared.one))?;
    let mut detail = detail::of_object(object, &world.estate, now);
    if let (ListingId::Nodes | ListingId::Instances, Some(picture)) = (listing, &world.network) {
        detail.sections.extend(detail::agent_sections(&picture.net, &id));
    }
    if let (ListingId::Vpcs, Some(picture)) = (listing, &world.network) {
        detail.sections.extend(detail::way_out_sections(picture, &id));
    }
    if listing == ListingId::Resources {
        library.engine.tell_resource(&world.estate, &id, &mut detail);
    }
    if listing == ListingId::Principals {
        library.engine.tell(&world.estate, &id, &mut detail);
    }
    Ok(Opened { id, detail, document: detail::document(object) })
}

/// The document of a row that stands for nothing but its fields.
fn cells(listing: &Listing, index: &Index, row: RowId, now: Timestamp) -> String {
    let fields: Vec<FieldId> = listing.columns.iter().map(|column| column.field).collect();
    let rows = Export { listing, index, ids: &[], fields: &fields, now };
    serde_json::to_string_pretty(&rows.object(row)).unwrap_or_default()
}

/// A recording's seal, looked at now where nobody has yet.
fn checked(history: &History, id: &str, kept: &Kept) -> Seal {
    let sealed = history.told(id).and_then(|told| told.end.as_ref()).and_then(|end| end.recording.as_deref());
    match (kept.seal, sealed) {
        (Seal::Unchecked, Some(sealed)) => match shelf::digest(&kept.path) {
            Ok(digest) if digest == sealed => Seal::Intact,
            Ok(_) => Seal::Changed,
            Err(_) => Seal::Unchecked,
        },
        (seal, _) => seal,
    }
}

/// A principal at once, without what the engine has to work out first; none where [`open`] tells all as fast.
pub fn open_first(world: &World, library: &Library, row: RowId, now: Timestamp) -> Option<Opened> {
    let id = match ListingId::Principals.get().field("id").map(|f| world.index(ListingId::Principals).cell(row, f)) {
        Some(Cell::Text(id)) => id.into_owned(),
        _ => return None,
    };
    if library.engine.is_warm(&world.estate, &id) {
        return None;
    }
    let object = detail::object(&world.estate, ListingId::Principals, &id)?;
    let mut detail = detail::of_object(object, &world.estate, now);
    let words = "Working out what it can do and become …".to_owned();
    detail.sections.insert(detail.sections.len().min(1), Section { heading: String::new(), body: Body::Prose(words) });
    Some(Opened { id, detail, document: detail::document(object) })
}

/// The id an object is looked up by: AWS's own policies carry the account they were read in.
fn object_id(world: &World, listing: ListingId, row: RowId, id: &str) -> String {
    let account = listing.get().field("account").map(|f| world.index(listing).cell(row, f));
    match (listing, account) {
        (ListingId::Policies, Some(Cell::Text(account))) if id.contains(":iam::aws:") => format!("{id}@{account}"),
        _ => id.to_owned(),
    }
}

/// A document indented for reading; as it stands where it is not JSON.
fn pretty(document: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(document);
    value.ok().and_then(|v| serde_json::to_string_pretty(&v).ok()).unwrap_or_else(|| document.to_owned())
}

/// Writes rows to a new file, in the format its name ends in.
fn write_file(export: &Export<'_>, path: &Path) -> Result<(), String> {
    let format = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        Some("ndjson" | "jsonl") => Format::Ndjson,
        _ => return Err(format!("{}: the name has to end in .csv, .json or .ndjson", path.display())),
    };
    let file = files::create(path)?;
    let mut out = BufWriter::new(file);
    export.write(format, usize::MAX, &mut out).and_then(|()| out.flush()).map_err(|e| {
        // Half a file is worse than none.
        let _ = fs::remove_file(path);
        files::failed(path, &e)
    })
}

/// The overview's figures; none where it was cancelled.
pub fn overview(world: &World, now: Timestamp, cancel: &Cancel) -> Option<Overview> {
    let findings = world.index(ListingId::Findings);
    let many = |listing: ListingId, expression: &str| -> Option<usize> {
        let seconds = now.as_second();
        let filter = filter::parse(expression, &listing.get().schema, seconds).ok()?;
        count(world.index(listing), &filter, seconds, cancel)
    };
    let in_findings = |expression: &str| many(ListingId::Findings, expression);
    let severities = || -> Option<Vec<_>> {
        let count = |s: &Severity| Some((s.word(), in_findings(&format!("open:yes severity={}", s.word()))?));
        Severity::ALL.iter().rev().map(count).collect()
    };
    let needs = || -> Option<Vec<_>> {
        let need = |(text, listing, filter): &(&str, ListingId, &str)| {
            let count = many(*listing, filter)?;
            Some(Need { text: (*text).to_owned(), count, listing: *listing, filter: (*filter).to_owned() })
        };
        let needs: Option<Vec<Need>> = NEEDS.iter().map(need).collect();
        Some(needs?.into_iter().filter(|need| need.count > 0).collect())
    };
    // The first screen waits for this: two halves of about the same work.
    let (counts, lists) = std::thread::scope(|scope| {
        let counts =
            scope.spawn(|| Some((severities()?, needs()?, in_findings("open:yes")?, in_findings("age<29d already:yes")?)));
        let top = |field| top(findings, field, now, cancel);
        let lists = (|| Some((top("account_name")?, top("owner")?, trend(findings, now, cancel)?)))();
        (counts.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), lists)
    });
    let ((severities, needs, open, already), (accounts, owners, trend)) = (counts?, lists?);
    Some(Overview { severities, accounts, owners, trend, needs, already, findings: findings.rows(), open })
}

/// Findings that are new by what is known of them: those that stood when their account was first judged are not.
const NEW: &str = "already:no";

/// What asks for a person: the words, and the rows that do.
const NEEDS: &[(&str, ListingId, &str)] = &[
    ("critical findings nobody has looked at", ListingId::Findings, "open:yes severity:critical status:new"),
    ("high or critical findings of the last day", ListingId::Findings, "open:yes severity>=high age<1d already:no"),
    ("open findings without an owner, high or worse", ListingId::Findings, "open:yes severity>=high owner:unowned"),
    ("security groups open to everyone", ListingId::SecurityGroups, "!open:none"),
    ("users with a password and no second factor", ListingId::Principals, "console:yes mfa:no"),
    ("active access keys older than 90 days", ListingId::AccessKeys, "status:active age>90d"),
    ("roles that everyone may assume", ListingId::Principals, "trusts:everyone"),
    ("nodes that lost their connection", ListingId::Nodes, "ping:connectionlost"),
    ("accounts without an owner", ListingId::Accounts, "owner:unowned"),
    ("questions AWS did not answer", ListingId::Coverage, "outcome>=throttled"),
];

/// The values of a field with the most open critical, then high findings: value, critical, high, open.
fn top(findings: &Index, field: &str, now: Timestamp, cancel: &Cancel) -> Option<Vec<(String, usize, usize, usize)>> {
    let schema = &ListingId::Findings.get().schema;
    let field = schema.field(field)?;
    let counts = |expression: &str| -> Option<Vec<(String, usize)>> {
        let filter = filter::parse(expression, schema, now.as_second()).ok()?;
        (!cancel.is_cancelled()).then(|| facets(findings, &filter, field))
    };
    let of = |list: &[(String, usize)], name: &str| list.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
    let (critical, high) = (counts("open:yes severity:critical")?, counts("open:yes severity:high")?);
    let mut all: Vec<(String, usize, usize, usize)> = (counts("open:yes")?.into_iter())
        .map(|(name, open)| {
            let (critical, high) = (of(&critical, &name), of(&high, &name));
            (name, critical, high, open)
        })
        .collect();
    all.sort_by(|a, b| (b.1, b.2, b.3, &a.0).cmp(&(a.1, a.2, a.3, &b.0)));
    all.truncate(8);
    Some(all)
}

/// New and closed findings on each of the last 28 days, oldest first.
fn trend(findings: &Index, now: Timestamp, cancel: &Cancel) -> Option<Vec<(usize, usize)>> {
    let schema = &ListingId::Findings.get().schema;
    let by_day = |expression: &str, field: &str| -> Option<Vec<(String, usize)>> {
        let (filter, field) = (filter::parse(expression, schema, now.as_second()).ok()?, schema.field(field)?);
        (!cancel.is_cancelled()).then(|| facets(findings, &filter, field))
    };
    let new = by_day(&format!("age<29d {NEW}"), "first_seen")?;
    let from = now.checked_sub(SignedDuration::from_hours(29 * 24)).ok()?.strftime("%Y-%m-%d");
    let closed = by_day(&format!("(status:resolved or record:archived or compliance:passed) updated>={from}"), "updated")?;
    let of = |list: &[(String, usize)], day: &str| list.iter().find(|(d, _)| d == day).map_or(0, |(_, n)| *n);
    let days = (0..28).rev().filter_map(|back| now.checked_sub(SignedDuration::from_hours(24 * back)).ok());
    Some(days.map(|day| day.strftime("%Y-%m-%d").to_string()).map(|day| (of(&new, &day), of(&closed, &day))).collect())
}
