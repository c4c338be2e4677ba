//! Decisions laid over the findings: what a finding's severity, status, owner, due date and state are once people have
//! decided. The findings store keeps what sources say; this is laid over its rows whenever either of them changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::listing::index::Index;
use crate::listing::schema::{FieldId, Schema};
use crate::listing::segment::{Cell, Segment, SegmentBuilder};
use crate::listing::threads;
use crate::model::account::{Account, Environment};
use crate::model::decision::Subject;
use crate::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, Status};
use crate::triage::inherit::{Origin, Owned};
use crate::triage::policy::Policy;
use crate::triage::projection::Projection;
use crate::triage::queues::{self, Item, Share};
use crate::triage::rules::Facts;
use crate::triage::sla;
use crate::triage::state::{HoldKind, Name, Return, State};

/// Where a finding stands, by its source and by what was decided; the first is what asks least for a person.
pub const STATES: &[&str] = &["closed", "suppressed", "accepted", "open", "claimed", "pending", "returned"];

/// The fields that decisions change, in the order of the columns made for them.
const FIELDS: [&str; 10] = ["severity", "status", "verdict", "open", "owner", "owner_by", "assignee", "due", "until", "state"];

/// All decisions, and the policy they are judged by.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    pub states: Arc<Projection>,
    pub policy: Arc<Policy>,
}

/// What changed since rows were last laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Decisions on these findings, by the short form of their keys.
    Findings(HashSet<u64>),
    /// Ownership of accounts, resources or principals; policy; or nobody knows.
    Everything,
}

/// The rows as they were last laid out, so that only what changed is made anew.
#[derive(Debug, Default)]
pub struct Layer {
    /// By segment: the source's rows, and those rows with decisions.
    parts: HashMap<String, (Arc<Segment>, Arc<Segment>)>,
}

impl Layer {
    /// The rows of `base` with decisions laid over them.
    pub fn lay(&mut self, base: &Index, decisions: &Decisions, changed: &Changed) -> Index {
        let touched: Option<HashSet<String>> = match changed {
            Changed::Everything => None,
            Changed::Findings(keys) => {
                let rows = keys.iter().filter_map(|key| base.find(*key));
                Some(rows.filter_map(|row| base.segment_of(row)).map(str::to_owned).collect())
            }
        };
        let known = std::mem::take(&mut self.parts);
        let still = |name: &str, segment: &Arc<Segment>| {
            let (of, made) = known.get(name)?;
            let same = Arc::ptr_eq(of, segment) && touched.as_ref().is_some_and(|touched| !touched.contains(name));
            same.then(|| Arc::clone(made))
        };
        let rules = Rules::new(decisions);
        let jobs: Vec<(&str, &Arc<Segment>)> = base.segments().collect();
        let made = threads::spread(threads::count(base.rows() * LAID), jobs, |(name, segment)| {
            still(name, segment).unwrap_or_else(|| Arc::new(rules.lay(segment)))
        });
        for ((name, segment), made) in base.segments().zip(&made) {
            self.parts.insert(name.to_owned(), (Arc::clone(segment), Arc::clone(made)));
        }
        base.with_columns(&*FIELD_IDS, made)
    }
}

/// A row laid, or counted, costs what so many rows looked at cost.
const LAID: usize = 50;

static FIELD_IDS: LazyLock<[FieldId; 10]> = LazyLock::new(|| FIELDS.map(field));
/// The decided fields alone.
static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let schema = &ListingId::Findings.get().schema;
    Arc::new(Schema::new(FIELD_IDS.iter().map(|f| schema.get(*f).clone()).collect()))
});

fn field(name: &str) -> FieldId {
    // The listing declares every one of them: a test looks.
    ListingId::Findings.get().field(name).unwrap_or(FieldId(0))
}

/// The decisions, by what rows know of themselves.
struct Rules<'a> {
    policy: &'a Policy,
    findings: HashMap<u64, &'a State>,
    resources: HashMap<&'a str, &'a Name>,
    accounts: HashMap<&'a str, &'a Name>,
    /// Whether the service level asks for the environment.
    by_environment: bool,
}

impl<'a> Rules<'a> {
    fn new(decisions: &'a Decisions) -> Self {
        let policy = &*decisions.policy;
        let by_environment = policy.service_levels.iter().any(|level| level.environment.is_some());
        let mut rules =
            Self { policy, findings: HashMap::new(), resources: HashMap::new(), accounts: HashMap::new(), by_environment };
        for (subject, state) in decisions.states.iter() {
            match (subject, &state.owner) {
                (Subject::Finding(key), _) => _ = rules.findings.insert(key.short(), state),
                (Subject::Resource(id) | Subject::Principal(id), Some(owner)) => _ = rules.resources.insert(id, owner),
                (Subject::Account(id), Some(owner)) => _ = rules.accounts.insert(id, owner),
                _ => {}
            }
        }
        rules
    }

    fn lay(&self, segment: &Segment) -> Segment {
        let mut builder = SegmentBuilder::new(Arc::clone(&SCHEMA));
        builder.reserve(segment.rows());
        let source = Source::new(segment);
        let inherits = !self.resources.is_empty() || !self.accounts.is_empty();
        for row in 0..segment.rows() {
            let key = segment.key(row).unwrap_or_default();
            let state = self.findings.get(&key).copied();
            let facts = source.facts(row, key, self.by_environment);
            let open = queues::is_open(&facts, state);
            let decided = state.and_then(|s| s.severity).unwrap_or(facts.severity);
            builder.rank(FieldId(0), decided.rank());
            builder.rank(FieldId(1), state.and_then(|s| s.status).unwrap_or(facts.status).rank());
            match (state.and_then(|s| s.verdict), segment.cell(row, source.verdict)) {
                (Some(verdict), _) => _ = builder.rank(FieldId(2), verdict.rank()),
                (None, Cell::Rank(rank, _)) => _ = builder.rank(FieldId(2), rank),
                _ => {}
            }
            builder.rank(FieldId(3), u8::from(open));
            let inherited = if inherits { self.inherited(segment, &source, row) } else { None };
            let owner = match state.and_then(|s| s.owner.as_ref()) {
                Some(owner) => Some((owner, "explicit")),
                None => inherited,
            };
            match owner {
                Some((owner, by)) => {
                    builder.keyword(FieldId(4), owner).keyword(FieldId(5), by);
                }
                None => {
                    for (n, field) in [(4, source.owner), (5, source.owner_by)] {
                        if let Cell::Text(text) = segment.cell(row, field) {
                            builder.keyword(FieldId(n), &text);
                        }
                    }
                }
            }
            if let Some(assignee) = state.and_then(|s| s.assignee.as_deref()) {
                builder.keyword(FieldId(6), assignee);
            }
            if open && let Some(at) = sla::due(self.policy, &facts, state, Timestamp::UNIX_EPOCH).at {
                builder.time(FieldId(7), at.as_second());
            }
            if let Some(hold) = state.and_then(|s| s.hold.as_ref().or(s.pending.as_ref())) {
                builder.time(FieldId(8), hold.until.as_second());
            }
            builder.rank(FieldId(9), standing(state, &facts, open));
            builder.push(key, 0);
        }
        segment.with_columns(&*FIELD_IDS, builder.finish())
    }

    /// The owner set on the resource, else on the account.
    fn inherited(&self, segment: &Segment, source: &Source<'_>, row: usize) -> Option<(&Name, &'static str)> {
        let text = |field| match segment.cell(row, field) {
            Cell::Text(text) => Some(text),
            _ => None,
        };
        let set_on = |owners: &HashMap<&str, &'a Name>, field| {
            (!owners.is_empty()).then(|| text(field)).flatten().and_then(|id| owners.get(&*id).copied())
        };
        let resource = set_on(&self.resources, source.resource).map(|owner| (owner, "resource"));
        resource.or_else(|| set_on(&self.accounts, source.account).map(|owner| (owner, "account")))
    }
}

/// The place in [`STATES`].
fn standing(state: Option<&State>, facts: &Facts<'_>, open: bool) -> u8 {
    let word = match state {
        Some(s) if s.pending.is_some() => "pending",
        Some(s) if s.hold.as_ref().is_some_and(|h| h.kind == HoldKind::Accepted) => "accepted",
        Some(s) if s.hold.is_some() => "suppressed",
        Some(s) if open && matches!(s.returned, Some((Return::Expired | Return::Reset, _))) => "returned",
        Some(s) if open && s.claim.is_some() => "claimed",
        _ if open => "open",
        _ if state.and_then(|s| s.status).unwrap_or(facts.status) == Status::Suppressed => "suppressed",
        _ => "closed",
    };
    STATES.iter().position(|s| *s == word).and_then(|n| u8::try_from(n).ok()).unwrap_or_default()
}

/// A segment of the store: where its own words stand.
struct Source<'a> {
    segment: &'a Segment,
    severity: FieldId,
    status: FieldId,
    verdict: FieldId,
    record: FieldId,
    compliance: FieldId,
    first_seen: FieldId,
    environment: FieldId,
    owner: FieldId,
    owner_by: FieldId,
    resource: FieldId,
    account: FieldId,
}

impl<'a> Source<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            severity: field("severity"),
            status: field("status"),
            verdict: field("verdict"),
            record: field("record"),
            compliance: field("compliance"),
            first_seen: field("first_seen"),
            environment: field("environment"),
            owner: field("owner"),
            owner_by: field("owner_by"),
            resource: field("resource"),
            account: field("account"),
        }
    }

    /// What the source says of a row. The account is left out: no judgement here asks for it.
    fn facts(&self, row: usize, key: u64, environment: bool) -> Facts<'static> {
        let rank = |field| match self.segment.cell(row, field) {
            Cell::Rank(rank, _) => Some(rank),
            _ => None,
        };
        let first_seen = match self.segment.cell(row, self.first_seen) {
            Cell::Time(at) => Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH),
            _ => Timestamp::UNIX_EPOCH,
        };
        let word = |rank: Option<u8>| rank.map(usize::from);
        let environment = match self.segment.cell(row, self.environment) {
            Cell::Text(text) if environment => Environment::ALL.iter().copied().find(|e| e.word() == text),
            _ => None,
        };
        let passed = rank(self.compliance) == Some(Compliance::Passed.rank());
        Facts {
            key: FindingKey(u128::from(key) << 64),
            account: "",
            environment,
            severity: word(rank(self.severity)).and_then(|n| Severity::ALL.get(n).copied()).unwrap_or(Severity::Informational),
            status: word(rank(self.status)).and_then(|n| Status::ALL.get(n).copied()).unwrap_or(Status::New),
            open: rank(self.record) == Some(RecordState::Active.rank()) && !passed,
            first_seen,
        }
    }
}

/// What the source says of a finding that stands in an account.
pub fn facts<'a>(finding: &'a Finding, account: Option<&Account>) -> Facts<'a> {
    Facts {
        key: finding.key,
        account: &finding.account,
        environment: account.and_then(|a| a.environment.value),
        severity: finding.severity,
        status: finding.status,
        open: finding.record == RecordState::Active && finding.compliance != Some(Compliance::Passed),
        first_seen: finding.first_seen,
    }
}

/// The queues of every finding. `base` are the source's rows, `shown` the same rows with decisions.
pub fn board(base: &Index, shown: &Index, decisions: &Decisions, now: Timestamp) -> queues::Board {
    let findings: HashMap<u64, &State> = decisions
        .states
        .iter()
        .filter_map(|(s, state)| if let Subject::Finding(k) = s { Some((k.short(), state)) } else { None })
        .collect();
    let count = |(of, made): (&Arc<Segment>, &Arc<Segment>)| {
        let source = Source::new(of);
        let mut share = Share::default();
        for row in 0..of.rows() {
            let key = of.key(row).unwrap_or_default();
            let cell = made.cell(row, source.owner);
            let owner = cell.members().next().filter(|owner| *owner != "unowned");
            let owned = Owned { owner, origin: Origin::Unowned };
            share.add(
                &decisions.policy,
                &Item { facts: source.facts(row, key, true), state: findings.get(&key).copied(), owned },
                now,
            );
        }
        share
    };
    let jobs: Vec<_> = base.segments().zip(shown.segments()).map(|((_, of), (_, made))| (of, made)).collect();
    let shares = threads::spread(threads::count(base.rows() * LAID), jobs, count);
    let mut all = Share::default();
    shares.into_iter().for_each(|share| all.merge(share));
    all.board()
}
