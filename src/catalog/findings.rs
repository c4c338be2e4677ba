//! The listing of findings. Its rows come from the findings store, one segment per account and region.

use std::sync::Arc;

use crate::catalog::decided::STATES;
use crate::catalog::{Facts, ListingId, Names, Spec, Subject, Value, push, spec};
use crate::listing::schema::Kind;
use crate::listing::segment::{Segment, SegmentBuilder};
use crate::model::account::Account;
use crate::model::finding::{Compliance, Finding, RecordState, Severity, Status, Verdict};

pub struct Findings;

/// A finding with the account it stands in.
pub struct Row {
    pub finding: Finding,
    pub account: Option<Arc<Account>>,
}

impl Subject for Findings {
    type Row<'a> = Row;
    const NAMES: Names = Names { name: "findings", title: "Findings", one: "finding", many: "findings" };
    const SORT: &'static str = "severity:desc,age";
    const GROUPS: &'static [&'static str] =
        &["title", "control", "account_name", "resource", "owner", "assignee", "state", "severity", "source", "region"];
    const EMPTY: &'static str = "No findings yet. Security Hub may be off or not readable here: press ! for what was refused, \
                                 or bring a scan in with `bartizan import FILE`.";
    const OF_DETAILS: &'static str = "No findings: nothing was found in what the file says, and it holds no other findings. Bring a scan in \
                                      with `bartizan import FILE`.";

    fn specs<'a>() -> Vec<Spec<Self::Row<'a>>> {
        let spec = spec::<Row>;
        vec![
            spec("id", "ID", Kind::Text, 24, "The source's own id of the finding", |r| Value::text(&*r.finding.source.id))
                .hidden()
                .mute(),
            spec("severity", "SEV", Kind::Rank(Severity::WORDS), 10, "How bad it is", |r| Value::Rank(r.finding.severity.rank()))
                .alias(&["sev"]),
            spec("age", "AGE", Kind::Age, 4, "How long since it was first seen", |r| Value::Time(r.finding.first_seen)),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| {
                Value::text(r.account.as_ref().map_or(r.finding.account.as_str(), |a| a.label()))
            }),
            spec("resource", "RESOURCE", Kind::Text, 20, "The resource it is about, by ARN or id", |r| {
                Value::text(&*r.finding.resource.id)
            })
            .alias(&["arn"])
            .grow(),
            spec("title", "TITLE", Kind::Keyword, 24, "What is wrong", |r| Value::text(&*r.finding.title)).grow(),
            spec("owner", "OWNER", Kind::Keyword, 11, "The team answerable", |r| {
                Value::text(r.account.as_ref().map_or("unowned", |a| a.owner_word()))
            })
            .alias(&["team"]),
            spec("due", "DUE", Kind::Until, 5, "How long until it is due; below zero it is overdue", |_| Value::None),
            spec("state", "STATE", Kind::Rank(STATES), 10, "Where it stands, by its source and by what was decided", |_| {
                Value::None
            }),
            spec("status", "STATUS", Kind::Rank(Status::WORDS), 10, "Security Hub's workflow status", |r| {
                Value::Rank(r.finding.status.rank())
            })
            .alias(&["workflow"])
            .hidden(),
            spec("assignee", "ASSIGNEE", Kind::Keyword, 12, "The person on it now", |_| Value::None),
            spec(
                "owner_by",
                "OWNED BY",
                Kind::Keyword,
                14,
                "What decided the owner: explicit, resource, account, or the rule",
                |r| Value::text(r.account.as_ref().map_or("", |a| a.owner.decided_by.as_str())),
            )
            .hidden()
            .mute(),
            spec("until", "UNTIL", Kind::Until, 5, "How long the risk stays accepted or the finding suppressed", |_| Value::None)
                .hidden(),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.finding.region)).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.finding.account))
                .also(&["account_name"])
                .hidden(),
            spec("environment", "ENV", Kind::Keyword, 14, "The account's environment class", |r| {
                Value::text(r.account.as_ref().map_or("unclassified", |a| a.environment_word()))
            })
            .alias(&["env"])
            .hidden()
            .mute(),
            spec("control", "CONTROL", Kind::Keyword, 14, "The control or check behind it", |r| Value::text(&*r.finding.control))
                .alias(&["check"])
                .hidden(),
            spec("type", "TYPE", Kind::Keyword, 22, "The resource's type", |r| Value::text(&*r.finding.resource.kind))
                .hidden()
                .mute(),
            spec("source", "SOURCE", Kind::Set, 12, "Who reported it", |r| Value::set(r.finding.sources())).hidden(),
            spec("compliance", "RESULT", Kind::Rank(Compliance::WORDS), 8, "The control's result", |r| {
                r.finding.compliance.map_or(Value::None, |c| Value::Rank(c.rank()))
            })
            .hidden(),
            spec("record", "RECORD", Kind::Rank(RecordState::WORDS), 8, "Whether the source still sees it", |r| {
                Value::Rank(r.finding.record.rank())
            })
            .hidden(),
            spec("verdict", "VERDICT", Kind::Rank(Verdict::WORDS), 15, "What a person found it to be", |r| {
                r.finding.verdict.map_or(Value::None, |v| Value::Rank(v.rank()))
            })
            .hidden(),
            spec("open", "OPEN", super::YES_NO, 4, "Still seen, not passed, neither resolved nor suppressed", |r| {
                Value::flag(r.finding.is_open())
            })
            .hidden(),
            spec(
                "already",
                "ALREADY",
                super::YES_NO,
                7,
                "It stood when its account was first judged: since when is not known, and it does not count as new",
                |r| Value::flag(r.finding.already),
            )
            .hidden(),
            spec("first_seen", "FIRST SEEN", Kind::Time, 16, "When it was first seen (UTC)", |r| {
                Value::Time(r.finding.first_seen)
            })
            .hidden(),
            spec("updated", "UPDATED", Kind::Time, 16, "When its source last changed it (UTC)", |r| {
                Value::Time(r.finding.updated)
            })
            .hidden(),
        ]
    }

    fn rows<'a>(_: &'a Facts, _: &mut dyn FnMut(&str, &Row)) {}
}

/// Makes segments of findings.
pub struct Builder {
    segment: SegmentBuilder,
    specs: Vec<Spec<Row>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { segment: SegmentBuilder::new(Arc::clone(&ListingId::Findings.get().schema)), specs: Findings::specs() }
    }
}

impl Builder {
    /// Makes room for so many more findings.
    pub fn reserve(&mut self, rows: usize) {
        self.segment.reserve(rows);
    }
    /// Adds a finding; `place` is where its document is kept.
    pub fn push(&mut self, row: &Row, place: u64) {
        push(&mut self.segment, &self.specs, row, row.finding.key.short(), place);
    }
    /// Adds the rows of an older segment that `keep` says yes to, as they stand.
    pub fn copy_rows(&mut self, segment: &Segment, keep: impl Fn(usize) -> bool) {
        self.segment.copy_rows(segment, keep);
    }
    pub fn finish(self) -> Segment {
        self.segment.finish()
    }
    /// The rows so far; there are none again, and the room stays.
    pub fn take(&mut self) -> Segment {
        self.segment.take()
    }
}
