//! The state of one subject: the fold over its entries. It does not judge whether an entry was allowed to be written
//! (`rules` does, before it is), and it knows one subject only (`projection` knows all).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::decision::{Decision, Entry};
use crate::model::finding::{Severity, Status, Verdict};

/// A short text that many states share.
pub type Name = Arc<str>;

/// Who works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The actor's ARN.
    pub by: Name,
    pub at: Timestamp,
}

/// What keeps a finding out of the open ones, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldKind {
    /// The risk is accepted; the service level pauses.
    Accepted,
    Suppressed,
}

impl HoldKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Suppressed => "suppressed",
        }
    }
}

/// An acceptance or suppression, in effect or waiting for a second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub kind: HoldKind,
    pub until: Timestamp,
    pub reason: Name,
    /// The ARN of who asked for it.
    pub by: Name,
    /// When it was asked for; once approved, when it came into effect.
    pub at: Timestamp,
    /// The entry that asked for it.
    pub sequence: u64,
}

/// Why a finding that had left the queue is back in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Return {
    /// The time of its acceptance or suppression was up.
    Expired,
    /// Security Hub set it back.
    Reset,
    /// A person reopened it.
    Reopened,
}

/// The last entry that changed the state, which is what its author may undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub sequence: u64,
    /// The actor's ARN.
    pub by: Name,
    /// By the author's clock: what Security Hub changed since is told by it.
    pub at: Timestamp,
}

/// What the entries on one subject add up to. What is `None` was never decided: the source's own word stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The last entry on the subject, of any kind: what a decision was based on.
    pub last: u64,
    pub owner: Option<Name>,
    pub assignee: Option<Name>,
    pub claim: Option<Claim>,
    pub status: Option<Status>,
    pub verdict: Option<Verdict>,
    pub severity: Option<Severity>,
    /// The explicit due date.
    pub due: Option<Timestamp>,
    /// Boxed, as few have one and all take the room.
    pub hold: Option<Box<Hold>>,
    pub pending: Option<Box<Hold>>,
    /// Why and when it came back, until it is decided on again.
    pub returned: Option<(Return, Timestamp)>,
    pub first_claim: Option<Timestamp>,
    pub resolved: Option<Timestamp>,
    /// Milliseconds for which the risk was accepted, in acceptances that are over.
    pub paused: i64,
    pub notes: u32,
    /// The sequence of the last note, 0 where there is none.
    pub last_note: u64,
    pub decided: Option<Decided>,
}

impl State {
    /// The state that a subject's entries add up to, in their order; undone ones do not count.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry> + Clone) -> Self {
        let mut undoable = BTreeSet::new();
        let mut undone = BTreeSet::new();
        for entry in entries.clone() {
            match entry.decision {
                Decision::Undo { of } if undoable.contains(&of) => {
                    undone.insert(of);
                }
                Decision::Undo { .. } => {}
                _ if entry.decision.changes_state() => {
                    undoable.insert(entry.sequence);
                }
                _ => {}
            }
        }
        let mut state = Self::default();
        for entry in entries {
            if undone.contains(&entry.sequence) || matches!(entry.decision, Decision::Undo { .. }) {
                state.last = entry.sequence;
            } else {
                state.apply(entry);
            }
        }
        state
    }

    /// Adds one entry. An undo cannot be added, it takes a fold over the subject's entries: see [`State::fold`].
    pub fn apply(&mut self, entry: &Entry) {
        self.last = entry.sequence;
        if entry.decision.changes_state() {
            let by = Name::from(entry.actor.arn.as_str());
            self.decided = Some(Decided { sequence: entry.sequence, by, at: entry.at });
            self.returned = None;
        }
        match &entry.decision {
            Decision::Assign { owner, assignee } => {
                set(&mut self.owner, owner.as_deref());
                set(&mut self.assignee, assignee.as_deref());
                let other =
                    |c: &Claim| assignee.as_deref().is_some_and(|a| a != crate::model::decision::person(&c.by) && a != &*c.by);
                if self.claim.as_ref().is_some_and(other) {
                    self.claim = None;
                }
            }
            Decision::Claim => {
                self.claim = Some(Claim { by: entry.actor.arn.as_str().into(), at: entry.at });
                self.assignee = Some(entry.actor.name().into());
                self.first_claim.get_or_insert(entry.at);
            }
            Decision::Release => {
                self.claim = None;
                self.assignee = None;
            }
            Decision::Note { .. } => {
                self.notes = self.notes.saturating_add(1);
                self.last_note = entry.sequence;
            }
            Decision::Status { status } => self.set_status(*status, entry.at),
            Decision::Verdict { verdict } => self.verdict = Some(*verdict),
            Decision::Severity { severity } => self.severity = Some(*severity),
            Decision::Due { at } => self.due = *at,
            Decision::Accept { until, pending } => self.ask(HoldKind::Accepted, *until, *pending, entry),
            Decision::Suppress { until, pending } => self.ask(HoldKind::Suppressed, *until, *pending, entry),
            Decision::Approve { of } => {
                if let Some(mut hold) = self.pending.take_if(|p| p.sequence == *of) {
                    hold.at = entry.at;
                    self.start(hold);
                }
            }
            Decision::Reject { of } => {
                self.pending.take_if(|p| p.sequence == *of);
            }
            Decision::Reopen => {
                self.open(entry.at, Status::New);
                self.pending = None;
                self.returned = Some((Return::Reopened, entry.at));
            }
            Decision::Expire { of } => {
                if self.hold.as_ref().is_some_and(|h| h.sequence == *of) {
                    self.open(entry.at, Status::New);
                    self.returned = Some((Return::Expired, entry.at));
                }
            }
            Decision::Reset { to, .. } => {
                self.open(entry.at, *to);
                self.returned = Some((Return::Reset, entry.at));
            }
            Decision::Undo { .. } | Decision::Conflict { .. } | Decision::SessionStart { .. } | Decision::SessionEnd { .. } => {}
        }
    }

    /// Whether it stands in a queue: what was decided, else what the source says.
    pub fn is_open(&self, source_is_open: bool) -> bool {
        match self.status {
            _ if self.hold.is_some() => false,
            Some(Status::New | Status::Notified) | None => source_is_open,
            Some(Status::Resolved | Status::Suppressed) => false,
        }
    }
    /// Milliseconds for which its risk was or is accepted, at a moment.
    pub fn paused_at(&self, now: Timestamp) -> i64 {
        let running = self.hold.as_ref().filter(|h| h.kind == HoldKind::Accepted);
        self.paused.saturating_add(running.map_or(0, |h| between(h.at, now.min(h.until))))
    }

    fn ask(&mut self, kind: HoldKind, until: Timestamp, pending: bool, entry: &Entry) {
        let (reason, by) = (entry.reason.as_str().into(), entry.actor.arn.as_str().into());
        let hold = Box::new(Hold { kind, until, reason, by, at: entry.at, sequence: entry.sequence });
        if pending {
            self.pending = Some(hold);
        } else {
            self.start(hold);
        }
    }
    fn start(&mut self, hold: Box<Hold>) {
        self.end_hold(hold.at);
        self.hold = Some(hold);
        self.pending = None;
        self.status = Some(Status::Suppressed);
        self.claim = None;
    }
    fn end_hold(&mut self, at: Timestamp) {
        if let Some(hold) = self.hold.take()
            && hold.kind == HoldKind::Accepted
        {
            self.paused = self.paused.saturating_add(between(hold.at, at.min(hold.until)));
        }
    }
    fn open(&mut self, at: Timestamp, status: Status) {
        self.end_hold(at);
        self.status = Some(status);
        self.resolved = None;
    }
    fn set_status(&mut self, status: Status, at: Timestamp) {
        match status {
            Status::New | Status::Notified => self.open(at, status),
            Status::Resolved => {
                self.open(at, status);
                self.pending = None;
                self.claim = None;
                self.resolved = Some(at);
            }
            Status::Suppressed => self.status = Some(status),
        }
    }
}

/// Milliseconds from one moment to another, none where it is not later.
fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond().saturating_sub(from.as_millisecond()).max(0)
}

/// Absent leaves it, the empty text takes it away.
fn set(field: &mut Option<Name>, value: Option<&str>) {
    match value {
        None => {}
        Some("") => *field = None,
        Some(text) => *field = Some(text.into()),
    }
}
