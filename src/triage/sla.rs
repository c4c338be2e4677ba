//! When a finding is due: its explicit date, else first seen plus the service level, moved by the time for which its
//! risk was accepted.

use jiff::Timestamp;

use crate::triage::policy::Policy;
use crate::triage::rules::Facts;
use crate::triage::state::{HoldKind, State};

/// In milliseconds. Queues reckon with a million findings at a time, so with whole numbers.
const HOUR: i64 = 3_600_000;

/// A due date and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// None where its severity has no service level.
    pub at: Option<Timestamp>,
    /// A person set it; the service level does not count.
    pub explicit: bool,
    /// Its risk is accepted: the clock stands still, `at` is where it would be due if that ended now.
    pub paused: bool,
}

impl Due {
    /// Whether it is over; never while paused.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        !self.paused && self.at.is_some_and(|at| at < now)
    }
    /// Whether it is due within so many hours, and not over yet.
    pub fn is_soon(&self, now: Timestamp, hours: u32) -> bool {
        let soon = |at: Timestamp| at.as_millisecond() - now.as_millisecond() <= i64::from(hours) * HOUR;
        !self.paused && self.at.is_some_and(|at| at >= now && soon(at))
    }
}

/// When a finding is due. The severity is the decided one, else the source's.
pub fn due(policy: &Policy, facts: &Facts<'_>, state: Option<&State>, now: Timestamp) -> Due {
    let paused = state.is_some_and(|s| s.hold.as_ref().is_some_and(|h| h.kind == HoldKind::Accepted));
    if let Some(at) = state.and_then(|s| s.due) {
        return Due { at: Some(at), explicit: true, paused };
    }
    let severity = state.and_then(|s| s.severity).unwrap_or(facts.severity);
    let at = policy.hours(severity, facts.environment).map(|hours| {
        let wait = (i64::from(hours) * HOUR).saturating_add(state.map_or(0, |s| s.paused_at(now)));
        let at = facts.first_seen.as_millisecond().saturating_add(wait);
        Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
    });
    Due { at, explicit: false, paused }
}
