//! A finding in full, with what was decided on it.

use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::catalog::decided::{self, Decisions};
use crate::catalog::detail::links::resource_link;
use crate::catalog::detail::parts::{Body, Detail, Writer, decided};
use crate::listing::filter::exactly;
use crate::model::decision::person;
use crate::model::estate::Estate;
use crate::model::finding::Finding;
use crate::text;
use crate::triage::inherit::{self, Origin};
use crate::triage::queues::is_open;
use crate::triage::sla::{self, Due};
use crate::triage::state::{Hold, State};

/// A finding in full.
pub fn of_finding(finding: &Finding, estate: &Estate, decisions: &Decisions, now: Timestamp) -> Detail {
    let mut w = Writer::new(finding.title.clone(), now);
    let account = estate.account(&finding.account);
    let state = decisions.states.finding(finding.key);
    let rule = account.map(|a| &a.owner);
    let owned = inherit::owner(&decisions.states, finding.key, &finding.resource.id, &finding.account, rule);
    let facts = decided::facts(finding, account.map(AsRef::as_ref));
    let due = if is_open(&facts, state) || state.is_some_and(|s| s.due.is_some()) {
        sla::due(&decisions.policy, &facts, state, now)
    } else {
        Due { at: None, explicit: false, paused: false }
    };
    let decided_or = |source: String, decided: Option<String>| match decided {
        Some(decided) if decided != source => format!("{decided} (its source says {source})"),
        _ => source,
    };
    if let Some(link) = resource_link(&finding.resource) {
        w.detail.links.push(link);
    }
    let account_name = w.account(estate, &finding.account);
    w.facts(
        "",
        &[
            ("severity", decided_or(finding.severity.to_string(), state.and_then(|s| s.severity).map(|s| s.to_string()))),
            ("status", decided_or(finding.status.to_string(), state.and_then(|s| s.status).map(|s| s.to_string()))),
            ("result", finding.compliance.map_or_else(String::new, |c| c.to_string())),
            ("verdict", state.and_then(|s| s.verdict).or(finding.verdict).map_or_else(String::new, |v| v.to_string())),
            ("record", finding.record.to_string()),
            ("account", account_name),
            ("environment", account.map_or_else(String::new, |a| decided(a.environment_word(), &a.environment.decided_by))),
            ("owner", decided(owned.word(), &owned_by(&owned.origin))),
            ("assignee", state.and_then(|s| s.assignee.as_deref()).unwrap_or_default().to_owned()),
            ("region", finding.region.clone()),
            ("resource", finding.resource.id.clone()),
            ("type", finding.resource.kind.clone()),
            ("control", finding.control.clone()),
            ("due", due_words(&due, now)),
            ("first seen", w.time(Some(finding.first_seen))),
            ("updated", w.time(Some(finding.updated))),
        ],
    );
    if let Some(state) = state {
        held(&mut w, state);
    }
    w.section("What is wrong", Body::Prose(finding.description.clone()));
    let remedy = [finding.remediation.as_str(), finding.remediation_url.as_str()];
    w.section("What to do", Body::Prose(remedy.iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join("\n")));
    let sources = std::iter::once(&finding.source).chain(&finding.also);
    w.table("Reported by", &["source", "id"], sources.map(|s| vec![s.name.clone(), s.id.clone()]).collect());
    w.table(
        "Further resources",
        &["type", "resource"],
        finding.others.iter().map(|r| vec![r.kind.clone(), r.id.clone()]).collect(),
    );
    for other in &finding.others {
        w.detail.links.extend(resource_link(other));
    }
    w.section("Types", Body::Prose(finding.types.join("\n")));
    if !finding.control.is_empty() {
        w.link("all of this control", ListingId::Findings, exactly("control", &finding.control));
    }
    if !finding.resource.id.is_empty() {
        w.link("all on this resource", ListingId::Findings, exactly("resource", &finding.resource.id));
    }
    w.finish()
}

/// What decided an owner, to stand behind "by".
fn owned_by(origin: &Origin<'_>) -> String {
    match origin {
        Origin::Explicit => "a decision on it".into(),
        Origin::Resource => "a decision on its resource".into(),
        Origin::Account => "a decision on its account".into(),
        Origin::Rule(rule) => (*rule).to_owned(),
        Origin::Unowned => String::new(),
    }
}

fn due_words(due: &Due, now: Timestamp) -> String {
    let Some(at) = due.at else { return String::new() };
    let day = at.strftime("%Y-%m-%d %H:%M UTC");
    let seconds = at.as_second() - now.as_second();
    let when = match seconds {
        _ if due.paused => "paused while accepted".to_owned(),
        0.. => format!("in {}", text::span(seconds)),
        _ => format!("{} overdue", text::span(-seconds)),
    };
    format!("{day} ({when}{})", if due.explicit { "" } else { ", by service level" })
}

/// What was decided on a finding, beside what its facts tell.
fn held(w: &mut Writer, state: &State) {
    let hold = |hold: &Hold| {
        let until = hold.until.strftime("%Y-%m-%d %H:%M UTC");
        format!("{} until {until} by {}: {}", hold.kind.word(), person(&hold.by), hold.reason)
    };
    let claim = state.claim.as_ref().map_or_else(String::new, |c| format!("{}, {}", person(&c.by), w.time(Some(c.at))));
    let facts = [
        ("claimed by", claim),
        ("held", state.hold.as_deref().map_or_else(String::new, hold)),
        ("waits for approval", state.pending.as_deref().map_or_else(String::new, hold)),
        (
            "came back",
            state.returned.map_or_else(String::new, |(why, at)| format!("{why:?}, {}", w.time(Some(at))).to_lowercase()),
        ),
        ("resolved", w.time(state.resolved)),
    ];
    w.facts("Decided", &facts);
}
