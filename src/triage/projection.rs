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
    base: Arc<States>,
    /// Newer than `base`.
    recent: HashMap<Subject, State>,
    head: Head,
}

/// States by subject, sorted, findings before all else: reading it back from a snapshot is one pass without hashing, and
/// a search touches subjects only.
#[derive(Debug, Clone, Default)]
pub(crate) struct States {
    subjects: Vec<Subject>,
    states: Vec<State>,
}

impl States {
    pub(crate) fn with_capacity(n: usize) -> Self {
        Self { subjects: Vec::with_capacity(n), states: Vec::with_capacity(n) }
    }
    /// Adds a subject behind the last; whether it belongs there.
    pub(crate) fn push(&mut self, subject: Subject, state: State) -> bool {
        let in_order = self.subjects.last().is_none_or(|last| *last < subject);
        if in_order {
            self.subjects.push(subject);
            self.states.push(state);
        }
        in_order
    }
    fn get(&self, subject: &Subject) -> Option<&State> {
        self.subjects.binary_search(subject).ok().and_then(|at| self.states.get(at))
    }
    fn iter(&self) -> impl Iterator<Item = (&Subject, &State)> {
        self.subjects.iter().zip(&self.states)
    }
    /// Those that are no findings.
    fn others(&self) -> impl Iterator<Item = (&Subject, &State)> {
        let from = self.subjects.partition_point(|s| matches!(s, Subject::Finding(_)));
        self.iter().skip(from)
    }
    /// With newer states, sorted by subject, in the place of older ones.
    fn merged(self, newer: Vec<(Subject, State)>) -> Self {
        let mut all = Self::with_capacity(self.subjects.len() + newer.len());
        let mut newer = newer.into_iter().peekable();
        for (subject, state) in self.subjects.into_iter().zip(self.states) {
            while let Some((subject, state)) = newer.next_if(|(s, _)| *s < subject) {
                all.push(subject, state);
            }
            match newer.next_if(|(s, _)| *s == subject) {
                Some((subject, state)) => all.push(subject, state),
                None => all.push(subject, state),
            };
        }
        for (subject, state) in newer {
            all.push(subject, state);
        }
        all
    }
}

/// How many changed states stand beside the shared bulk before [`Projection::compact`] merges them into it.
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
    pub(crate) fn from_parts(states: States, head: Head) -> Self {
        Self { base: Arc::new(states), recent: HashMap::new(), head }
    }

    /// The states that entries add up to, read in their order from the first.
    pub fn rebuild(entries: &[Entry]) -> Self {
        let mut by_subject: BTreeMap<&Subject, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            by_subject.entry(&entry.subject).or_default().push(entry);
        }
        let mut states = States::with_capacity(by_subject.len());
        for (subject, of) in by_subject {
            states.push(subject.clone(), State::fold(of.iter().copied()));
        }
        let head = entries.last().map_or(Head::EMPTY, |e| Head { sequence: e.sequence, hash: e.hash });
        Self::from_parts(states, head)
    }

    /// The last entry it knows.
    pub fn head(&self) -> Head {
        self.head
    }
    /// How many subjects were ever decided on.
    pub fn len(&self) -> usize {
        self.base.subjects.len() + self.recent.keys().filter(|s| self.base.get(s).is_none()).count()
    }
    pub fn is_empty(&self) -> bool {
        self.base.subjects.is_empty() && self.recent.is_empty()
    }
    pub fn get(&self, subject: &Subject) -> Option<&State> {
        let recent = if self.recent.is_empty() { None } else { self.recent.get(subject) };
        recent.or_else(|| self.base.get(subject))
    }
    pub fn finding(&self, key: FindingKey) -> Option<&State> {
        self.get(&Subject::Finding(key))
    }
    /// Every subject and its state, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &State)> {
        self.recent.iter().chain(self.base.iter().filter(|(subject, _)| !self.is_recent(subject)))
    }
    /// Every subject that is no finding, and its state, in no order.
    pub fn others(&self) -> impl Iterator<Item = (&Subject, &State)> {
        let recent = self.recent.iter().filter(|(s, _)| !matches!(s, Subject::Finding(_)));
        recent.chain(self.base.others().filter(|(subject, _)| !self.is_recent(subject)))
    }
    fn is_recent(&self, subject: &Subject) -> bool {
        !self.recent.is_empty() && self.recent.contains_key(subject)
    }
    /// Every subject and its state, by subject.
    pub fn sorted(&self) -> Vec<(&Subject, &State)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(subject, _)| *subject);
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

    /// Merges what changed lately into the shared bulk where that is much: to be called once after many entries.
    pub fn compact(&mut self) {
        if self.recent.len() >= RECENT {
            self.merge();
        }
    }

    fn put(&mut self, subject: Subject, state: State) {
        self.recent.insert(subject, state);
        // While a whole ledger is read the bulk grows by half at a time, so that merging stays linear.
        if self.recent.len() >= RECENT.max(self.base.subjects.len() / 2) {
            self.merge();
        }
    }

    fn merge(&mut self) {
        let mut newer: Vec<(Subject, State)> = self.recent.drain().collect();
        newer.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let base = std::mem::take(&mut self.base);
        self.base = Arc::new(Arc::unwrap_or_clone(base).merged(newer));
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.len() == other.len() && self.iter().all(|(s, state)| other.get(s) == Some(state))
    }
}
