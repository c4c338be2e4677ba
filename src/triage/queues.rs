//! What stands in whose queue: counts by team and by person, times to claim and to resolve, ageing. One pass over the
//! findings; it keeps none of them.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::model::finding::Severity;
use crate::triage::inherit::Owned;
use crate::triage::policy::Policy;
use crate::triage::rules::Facts;
use crate::triage::sla;
use crate::triage::state::{HoldKind, Return, State};

/// One finding as the queues see it.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub facts: Facts<'a>,
    pub state: Option<&'a State>,
    pub owned: Owned<'a>,
}

/// Upper ends of the ageing histogram's bars, in days; the last bar has none.
pub const AGES: [i64; 5] = [1, 7, 30, 90, 180];

/// Counts of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queue {
    pub open: usize,
    /// Open ones by severity, in the order of [`Severity::ALL`].
    pub by_severity: [usize; 5],
    /// Open and claimed by nobody.
    pub unclaimed: usize,
    pub overdue: usize,
    pub due_soon: usize,
    /// Waiting for a second person.
    pub pending: usize,
    pub accepted: usize,
    /// Accepted, and soon over.
    pub expiring: usize,
    /// Open again because an acceptance or suppression was over: they stand on top.
    pub returned: usize,
    /// Open ones by age since first seen, by [`AGES`].
    pub ageing: [usize; 6],
    /// Of the findings that were ever claimed: first seen to first claim.
    pub to_claim: Spread,
    /// Of the resolved ones: first seen to resolved, without the time accepted.
    pub to_resolve: Spread,
}

/// Median and 90th percentile, by nearest rank; none where there was nothing to count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread {
    pub count: usize,
    pub median: Option<SignedDuration>,
    pub p90: Option<SignedDuration>,
}

/// All queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Board {
    /// By team; `unowned` stands under the empty name.
    pub teams: BTreeMap<String, Queue>,
    /// By assignee; those without one are in no person's queue.
    pub people: BTreeMap<String, Queue>,
    pub all: Queue,
}

#[derive(Default)]
struct Tally {
    queue: Queue,
    claims: Vec<i64>,
    resolves: Vec<i64>,
}

/// Counts every finding into its team's and its assignee's queue.
pub fn board<'a>(policy: &Policy, items: impl IntoIterator<Item = Item<'a>>, now: Timestamp) -> Board {
    let mut share = Share::default();
    items.into_iter().for_each(|item| share.add(policy, &item, now));
    share.board()
}

/// Queues of some of the findings: shares that were counted apart add up to a board.
#[derive(Default)]
pub struct Share {
    teams: Named,
    people: Named,
    all: Tally,
}

impl Share {
    /// Counts one finding.
    pub fn add(&mut self, policy: &Policy, item: &Item<'_>, now: Timestamp) {
        let one = count(policy, item, now);
        self.all.add(&one);
        self.teams.of(item.owned.owner.unwrap_or_default()).add(&one);
        if let Some(person) = item.state.and_then(|s| s.assignee.as_deref()) {
            self.people.of(person).add(&one);
        }
    }

    /// Takes in what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.teams.merge(other.teams);
        self.people.merge(other.people);
    }

    /// The queues of all that was counted.
    pub fn board(self) -> Board {
        Board { teams: self.teams.finish(), people: self.people.finish(), all: self.all.finish() }
    }
}

/// Tallies by name.
#[derive(Default)]
struct Named {
    places: HashMap<String, usize>,
    tallies: Vec<Tally>,
}

impl Named {
    /// The tally of a name, which is written out once and not for each finding.
    fn of(&mut self, name: &str) -> &mut Tally {
        let place = self.places.get(name).copied().unwrap_or_else(|| {
            self.places.insert(name.to_owned(), self.tallies.len());
            self.tallies.push(Tally::default());
            self.tallies.len() - 1
        });
        &mut self.tallies[place]
    }
    fn merge(&mut self, mut other: Self) {
        for (name, place) in other.places {
            self.of(&name).merge(std::mem::take(&mut other.tallies[place]));
        }
    }
    fn finish(mut self) -> BTreeMap<String, Queue> {
        self.places.into_iter().map(|(name, place)| (name, std::mem::take(&mut self.tallies[place]).finish())).collect()
    }
}

/// What one finding adds.
#[derive(Default)]
struct One {
    /// Severity and bar of the histogram, where it is open.
    open: Option<(Severity, usize)>,
    unclaimed: bool,
    overdue: bool,
    due_soon: bool,
    pending: bool,
    accepted: bool,
    expiring: bool,
    returned: bool,
    claim: Option<i64>,
    resolve: Option<i64>,
}

fn count(policy: &Policy, item: &Item<'_>, now: Timestamp) -> One {
    let Item { facts, state, .. } = item;
    let since = |at: Timestamp| (at.as_millisecond() - facts.first_seen.as_millisecond()).max(0);
    let mut one = One::default();
    if is_open(facts, *state) {
        let due = sla::due(policy, facts, *state, now);
        let days = since(now) / 86_400_000;
        let bar = AGES.iter().position(|end| days < *end).unwrap_or(AGES.len());
        one.open = Some((state.and_then(|s| s.severity).unwrap_or(facts.severity), bar));
        one.overdue = due.is_overdue(now);
        one.due_soon = due.is_soon(now, policy.due_soon_hours);
        one.unclaimed = state.is_none_or(|s| s.claim.is_none());
    }
    let Some(state) = state else { return one };
    one.pending = state.pending.is_some();
    if let Some(hold) = state.hold.as_ref().filter(|h| h.kind == HoldKind::Accepted) {
        one.accepted = true;
        let left = hold.until.as_millisecond() - now.as_millisecond();
        one.expiring = left <= i64::from(policy.expiring_days) * 86_400_000;
    }
    one.returned = one.open.is_some() && matches!(state.returned, Some((Return::Expired, _)));
    one.claim = state.first_claim.map(since);
    one.resolve = state.resolved.map(|at| (since(at) - state.paused).max(0));
    one
}

/// Whether a finding is open: by its decisions, else by the source's status.
pub fn is_open(facts: &Facts<'_>, state: Option<&State>) -> bool {
    use crate::model::finding::Status;
    match state {
        Some(state) if state.status.is_some() || state.hold.is_some() => state.is_open(facts.open),
        _ => facts.open && matches!(facts.status, Status::New | Status::Notified),
    }
}

/// The order of a queue: what came back from an acceptance first, then what is due first, then severity, then age.
/// Sort by it ascending.
pub fn order(policy: &Policy, item: &Item<'_>, now: Timestamp) -> impl Ord + use<> {
    let returned = item.state.is_some_and(|s| matches!(s.returned, Some((Return::Expired, _))));
    let due = sla::due(policy, &item.facts, item.state, now).at.unwrap_or(Timestamp::MAX);
    let severity = item.state.and_then(|s| s.severity).unwrap_or(item.facts.severity);
    (!returned, due, std::cmp::Reverse(severity), item.facts.first_seen, item.facts.key)
}

impl Tally {
    fn add(&mut self, one: &One) {
        let q = &mut self.queue;
        if let Some((severity, bar)) = one.open {
            q.open += 1;
            q.by_severity[usize::from(severity.rank())] += 1;
            q.ageing[bar] += 1;
        }
        for (counter, yes) in [
            (&mut q.unclaimed, one.unclaimed),
            (&mut q.overdue, one.overdue),
            (&mut q.due_soon, one.due_soon),
            (&mut q.pending, one.pending),
            (&mut q.accepted, one.accepted),
            (&mut q.expiring, one.expiring),
            (&mut q.returned, one.returned),
        ] {
            *counter += usize::from(yes);
        }
        self.claims.extend(one.claim);
        self.resolves.extend(one.resolve);
    }
    fn merge(&mut self, other: Self) {
        let (q, o) = (&mut self.queue, other.queue);
        for (here, there) in [
            (&mut q.open, o.open),
            (&mut q.unclaimed, o.unclaimed),
            (&mut q.overdue, o.overdue),
            (&mut q.due_soon, o.due_soon),
            (&mut q.pending, o.pending),
            (&mut q.accepted, o.accepted),
            (&mut q.expiring, o.expiring),
            (&mut q.returned, o.returned),
        ] {
            *here += there;
        }
        q.by_severity.iter_mut().zip(o.by_severity).for_each(|(here, there)| *here += there);
        q.ageing.iter_mut().zip(o.ageing).for_each(|(here, there)| *here += there);
        self.claims.extend(other.claims);
        self.resolves.extend(other.resolves);
    }
    fn finish(mut self) -> Queue {
        self.queue.to_claim = spread(self.claims);
        self.queue.to_resolve = spread(self.resolves);
        self.queue
    }
}

fn spread(mut times: Vec<i64>) -> Spread {
    times.sort_unstable();
    // Nearest rank: the smallest value that at least so many percent do not exceed.
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    let at = |percent| rank(percent).map(SignedDuration::from_millis);
    Spread { count: times.len(), median: at(50), p90: at(90) }
}
