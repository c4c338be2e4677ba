//! A session in full: what AWS remembers, what the ledger holds, and its recording.

use jiff::Timestamp;
use serde_json::json;

use crate::catalog::ListingId;
use crate::catalog::detail::object::{Object, document, object};
use crate::catalog::detail::parts::{Body, Detail, Writer};
use crate::listing::filter::exactly;
use crate::model::decision::person;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::node::Session;
use crate::text;
use crate::triage::sessions::{ELSEWHERE, History, LEFT, Seal, Told};

/// The session with this id, and its raw document; none where neither side knows it. `seal` is of its recording here.
pub fn of_session(estate: &Estate, history: &History, seal: Option<Seal>, id: &str, now: Timestamp) -> Option<(Detail, String)> {
    let known = object(estate, ListingId::Sessions, id);
    let told = history.told(id);
    let mut writer = Writer::new(format!("session {id}"), now);
    let raw = match (known, told) {
        (None, None) => return None,
        (Some(known), None) => document(known),
        (known, Some(told)) => {
            let aws = known.map(document).and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
            serde_json::to_string_pretty(&json!({ "aws": aws, "ledger": told })).unwrap_or_default()
        }
    };
    if let Some(Object::Session(region, session)) = known {
        remembered(&mut writer, region, session, estate);
    }
    if let Some(told) = told {
        in_ledger(&mut writer, told, estate, known.is_none());
        if told.end.as_ref().is_none_or(|end| end.outcome == LEFT) && history.is_left(id) {
            let words = "It was left running and can be taken up on this machine, if AWS still has it: R does, delete ends it.";
            writer.section("Left", Body::Prose(words.into()));
        }
        recording(&mut writer, history, told, seal, id);
    }
    let node = told.map_or("", |told| &told.node);
    let node = if let Some(Object::Session(_, session)) = known { session.target.as_str() } else { node };
    writer.link(format!("node {node}"), ListingId::Nodes, exactly("id", node));
    writer.link("its entries", ListingId::Decisions, exactly("subject", &format!("session:{id}")));
    Some((writer.finish(), raw))
}

/// What AWS remembers.
pub(super) fn remembered(writer: &mut Writer, region: &RegionEstate, session: &Session, estate: &Estate) {
    let [account, place] = writer.place(estate, region);
    let facts = [
        ("status", session.status.clone()),
        ("node", session.target.clone()),
        account,
        place,
        ("who", session.owner.clone()),
        ("reason", session.reason.clone()),
        ("started", writer.time(session.start_date)),
        ("ended", writer.time(session.end_date)),
        ("document", session.document_name.clone()),
        ("details", session.details.clone()),
    ];
    writer.facts("", &facts);
}

fn in_ledger(writer: &mut Writer, told: &Told, estate: &Estate, alone: bool) {
    if alone {
        let account = writer.account(estate, &told.account);
        writer.facts("", &[("node", told.node.clone()), ("account", account), ("region", told.region.clone())]);
    }
    let facts = [
        ("what", told.mode.clone()),
        ("detail", told.detail.clone()),
        ("who", format!("{} ({})", person(&told.actor), told.actor)),
        ("from", told.host.clone()),
        ("reason", told.reason.clone()),
        ("began", writer.time(Some(told.began))),
        ("document", told.document.clone()),
    ];
    writer.facts("In the ledger", &facts);
    let again = told.again.iter().map(|again| {
        let who = format!("{}: {} from {}: {}", writer.time(Some(again.at)), person(&again.actor), again.host, again.reason);
        ("again", who)
    });
    let again: Vec<(&str, String)> = again.collect();
    if !again.is_empty() {
        writer.facts("Taken up again", &again);
    }
    match &told.end {
        Some(end) => {
            let facts = [
                ("how", end.outcome.clone()),
                ("said", end.said.clone()),
                ("ended", writer.time(Some(end.at))),
                ("took", text::span(i64::try_from(end.seconds).unwrap_or(i64::MAX))),
                ("from the node", format!("{} bytes", text::count(end.received))),
                ("to the node", format!("{} bytes", text::count(end.sent))),
            ];
            writer.facts("Its end", &facts);
        }
        None => writer.section(
            "Its end",
            Body::Prose("The ledger has no end of it: it is still open, or what ran it was killed before it could write.".into()),
        ),
    }
}

fn recording(writer: &mut Writer, history: &History, told: &Told, seal: Option<Seal>, id: &str) {
    let sealed = told.end.as_ref().and_then(|end| end.recording.clone());
    let words = match seal {
        Some(Seal::Intact) => "Here, and its digest is the one that the ledger knows. p plays it.",
        Some(Seal::Changed) => "Here, but it is NOT the file that was sealed: its digest is another than the ledger's.",
        Some(Seal::Open) => "Here, and the ledger knows no digest of it: it is being written, or whatever wrote it was killed.",
        Some(Seal::Unchecked) => "Here, but its digest could not be worked out. p plays it, and looks again.",
        None if history.recording(id) == ELSEWHERE => "It is not on this machine: look for it on the one it was made on.",
        None => "It was not recorded.",
    };
    writer.section("Recording", Body::Prose(words.into()));
    let file = history.kept(id).map_or_else(String::new, |kept| kept.path.display().to_string());
    writer.facts("", &[("file", file), ("digest in the ledger", sealed.unwrap_or_default())]);
}

/// A session of AWS's list.
pub fn session(region: &RegionEstate, o: &Session, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("session {}", o.session_id), now);
    remembered(&mut w, region, o, estate);
    w.link(format!("node {}", o.target), ListingId::Nodes, exactly("id", &o.target));
    w.finish()
}
