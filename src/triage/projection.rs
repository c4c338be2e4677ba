//! The state of every subject: what all entries of the ledger add up to, cheap to copy and to bring up to date. It can
//! be rebuilt from entries alone. It reads no store: where an entry needs others (an undo), it says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::decision::{Decision, Entry, Head, Subject};
use crate::model::finding::FindingKey;
use crate::triage::state::State;

/// All states. A clone shares the bulk: only what changed lately is copied.
#[derive(Debug, Clone, Default)]
pub struct Projection {
    base: Arc<HashMap<Subject, State>>,
    /// Newer than `base`, at most [`RECENT`].
    recent: HashMap<Subject, State>,
    head: Head,
}

/// How many changed states stand beside the shared bulk before they are merged into it.
const RECENT: usize = 1024;

/// What became of an entry that was handed to [`Projection::apply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// An undo: the caller reads the subject's entries up to this one and hands them to [`Projection::replace`].
    NeedsHistory,
    /// It is not the next one in the chain (its sequence or previous hash does not follow): nothing was changed.
    NotNext,
}

impl Projection {
    pub(crate) fn from_parts(states: HashMap<Subject, State>, head: Head) -> Self {
        Self { base: Arc::new(states), recent: HashMap::new(), head }
    }

    /// The states that entries add up to, read in their order from the first.
    pub fn rebuild(entries: &[Entry]) -> Self {
        let mut by_subject: BTreeMap<&Subject, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            by_subject.entry(&entry.subject).or_default().push(entry);
        }
        let states = by_subject.into_iter().map(|(subject, of)| (subject.clone(), State::fold(of.iter().copied()))).collect();
        let head = entries.last().map_or(Head::EMPTY, |e| Head { sequence: e.sequence, hash: e.hash });
        Self::from_parts(states, head)
    }

    /// The last entry it knows.
    pub fn head(&self) -> Head {
        self.head
    }
    /// How many subjects were ever decided on.
    pub fn len(&self) -> usize {
        self.base.len() + self.recent.keys().filter(|s| !self.base.contains_key(s)).count()
    }
    pub fn is_empty(&self) -> bool {
        self.base.is_empty() && self.recent.is_empty()
    }
    pub fn get(&self, subject: &Subject) -> Option<&State> {
        self.recent.get(subject).or_else(|| self.base.get(subject))
    }
    pub fn finding(&self, key: FindingKey) -> Option<&State> {
        self.get(&Subject::Finding(key))
    }
    /// Every subject and its state, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &State)> {
        self.recent.iter().chain(self.base.iter().filter(|(subject, _)| !self.recent.contains_key(subject)))
    }
    /// Every subject and its state, by subject.
    pub fn sorted(&self) -> Vec<(&Subject, &State)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Adds the next entry of the chain.
    pub fn apply(&mut self, entry: &Entry) -> Applied {
        if entry.sequence != self.head.sequence + 1 || entry.previous != self.head.hash {
            return Applied::NotNext;
        }
        if matches!(entry.decision, Decision::Undo { .. }) {
            return Applied::NeedsHistory;
        }
        self.preview(entry);
        self.head = Head { sequence: entry.sequence, hash: entry.hash };
        Applied::Done
    }

    /// Adds an undo by its subject's entries, up to and with it.
    pub fn replace(&mut self, undo: &Entry, history: &[Entry]) {
        let state = State::fold(history.iter().filter(|e| e.sequence <= undo.sequence && e.subject == undo.subject));
        self.put(undo.subject.clone(), state);
        self.head = Head { sequence: undo.sequence, hash: undo.hash };
    }

    /// Shows an entry that is not in the chain yet (decided without a connection), without moving the head.
    pub fn preview(&mut self, entry: &Entry) {
        let mut state = self.get(&entry.subject).cloned().unwrap_or_default();
        let last = state.last;
        state.apply(entry);
        state.last = state.last.max(last);
        self.put(entry.subject.clone(), state);
    }

    fn put(&mut self, subject: Subject, state: State) {
        self.recent.insert(subject, state);
        if self.recent.len() >= RECENT {
            let base = Arc::make_mut(&mut self.base);
            base.extend(self.recent.drain());
        }
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.len() == other.len() && self.iter().all(|(s, state)| other.get(s) == Some(state))
    }
}
