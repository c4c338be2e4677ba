//! What the console knows beside the world it shows: the documents of findings, what was decided, judged and recorded, each
//! behind its own lock. It holds and hands out; who computes them is elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use crate::catalog::decided::{self, Changed, Decisions, Layer};
use crate::catalog::{ListingId, decisions};
use crate::listing::index::Index;
use crate::model::attribution::Rules;
use crate::model::decision::{Entry, Subject};
use crate::model::estate::Estate;
use crate::model::finding::{Finding, FindingKey, RecordState, Status};
use crate::model::standing::Standings;
use crate::network::picture::Picture;
use crate::triage::policy::Policy;
use crate::triage::projection::Projection;
use crate::triage::queues::Board;
use crate::triage::sessions::{History, Kept};
use crate::work::behind::{Roles, Seen};
use crate::work::delivery::fields::{Place, place};
use crate::work::identity::Engine;
use crate::work::judge::{self, Judged, Settings};
use crate::work::store::{Store, StoreError};

/// What answers need beside the world: the documents of findings, the rules that give accounts owners, and what was
/// decided.
#[derive(Debug)]
pub struct Library {
    store: RwLock<Store>,
    pub rules: Rules,
    decisions: RwLock<Decisions>,
    /// The rows of the ledger's entries.
    log: RwLock<Index>,
    /// What the ledger says of sessions, and what is known of their recordings.
    history: watch::Sender<Arc<History>>,
    layer: Mutex<Layer>,
    /// Findings whose status somebody may have set back.
    suspects: Mutex<BTreeMap<FindingKey, Place>>,
    delivery: Notify,
    /// Held while decisions are delivered.
    turn: tokio::sync::Mutex<()>,
    /// What the IAM engine answers from.
    pub engine: Engine,
    /// What judgement is held against.
    pub settings: Settings,
    /// What was judged of principals last.
    standings: RwLock<Arc<Standings>>,
    /// The powers of roles, as far as they were asked for.
    pub roles: Roles,
    network: RwLock<Option<(Arc<Estate>, Arc<Picture>)>>,
    seen: watch::Sender<Option<Seen>>,
}

impl Library {
    /// A library of findings on which nothing is decided yet.
    pub fn new(store: Store, rules: Rules, policy: Policy) -> Self {
        Self {
            store: RwLock::new(store),
            rules,
            decisions: RwLock::new(Decisions { policy: Arc::new(policy), ..Decisions::default() }),
            log: RwLock::new(Index::new(Arc::clone(&ListingId::Decisions.get().schema))),
            history: watch::Sender::default(),
            layer: Mutex::default(),
            suspects: Mutex::default(),
            delivery: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            roles: Roles::default(),
            network: RwLock::default(),
            seen: watch::Sender::new(None),
            engine: Engine::default(),
            settings: Settings::default(),
            standings: RwLock::default(),
        }
    }
    /// Holds judgement against these.
    #[must_use]
    pub fn judging(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }
    /// The network engine's picture; none before the first is made.
    pub fn network(&self) -> Option<Arc<Picture>> {
        self.network.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, picture)| Arc::clone(picture))
    }
    /// The estate of the picture, and the picture.
    pub fn painted(&self) -> Option<(Arc<Estate>, Arc<Picture>)> {
        self.network.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Takes a new picture of an estate.
    pub fn take_network(&self, estate: Arc<Estate>, picture: Arc<Picture>) {
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = Some((estate, picture));
    }
    /// Shows whoever paints what there is now.
    pub fn show(&self, seen: Seen) {
        self.seen.send_replace(Some(seen));
    }
    /// What was shown last, and what is shown from here on.
    pub fn seen(&self) -> watch::Receiver<Option<Seen>> {
        let mut seen = self.seen.subscribe();
        seen.mark_changed();
        seen
    }
    /// What was judged of principals last: cheap.
    pub fn standings(&self) -> Arc<Standings> {
        Arc::clone(&self.standings.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Takes what was judged of principals; whether it differs from what was known.
    pub fn take_standings(&self, standings: Standings) -> bool {
        let mut known = self.standings.write().unwrap_or_else(PoisonError::into_inner);
        let other = **known != standings;
        if other {
            *known = Arc::new(standings);
        }
        other
    }
    /// Takes what was judged: the findings into the store, the rest beside them; the estate notes what was judged for the
    /// first time. Whether anything changed.
    ///
    /// # Errors
    /// Where a finding cannot be read or packed.
    pub fn take_judged(&self, judged: Judged, estate: &mut Estate) -> Result<bool, StoreError> {
        let Judged { findings, standings, seen, looked } = judged;
        let other = self.take_standings(standings);
        let put = judge::settle(&mut self.write(), findings, seen, estate)?;
        let first = judge::note(estate, looked, seen);
        Ok(other || first || put.added + put.changed > 0)
    }
    /// The decisions known now: cheap.
    pub fn decisions(&self) -> Decisions {
        self.decisions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Takes what the ledger says now.
    pub fn take_states(&self, states: Arc<Projection>) {
        self.decisions.write().unwrap_or_else(PoisonError::into_inner).states = states;
    }
    /// Something may be there to deliver.
    pub fn wake(&self) {
        self.delivery.notify_one();
    }
    /// Waits for [`Library::wake`], since the last time. One may wait.
    pub fn woken(&self) -> Notified<'_> {
        self.delivery.notified()
    }
    /// Waits until no delivery is under way; none begins while the guard is held.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
    /// Looks at findings as they come from Security Hub: those that were notified or resolved here, and reported as new
    /// again since, are kept for [`Library::take_suspects`].
    pub fn suspect(&self, findings: &[Finding]) {
        let states = self.decisions().states;
        let new = findings.iter().filter(|f| f.status == Status::New && f.record == RecordState::Active);
        let suspects: Vec<_> = new
            .filter_map(|f| {
                let state = states.finding(f.key).filter(|s| s.hold.is_none())?;
                let closed = matches!(state.status, Some(Status::Notified | Status::Resolved));
                let since = state.decided.as_ref().is_some_and(|d| d.at < f.updated);
                if closed && since { Some((f.key, place(f)?)) } else { None }
            })
            .collect();
        if !suspects.is_empty() {
            self.suspects.lock().unwrap_or_else(PoisonError::into_inner).extend(suspects);
            self.wake();
        }
    }
    /// The findings that [`Library::suspect`] kept.
    pub fn take_suspects(&self) -> Vec<(FindingKey, Place)> {
        std::mem::take(&mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
    /// The rows of the ledger's entries.
    pub fn log(&self) -> Index {
        self.log.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Takes more of the ledger's entries.
    pub fn take_entries(&self, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let segment = Arc::new(decisions::segment(entries));
        self.take_sessions(entries);
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        *log = log.with(&format!("{:012}-{:012}", first.sequence, last.sequence), segment);
    }
    /// What the ledger says of sessions: cheap.
    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.history.borrow())
    }
    /// The same, and what it says from here on.
    pub fn histories(&self) -> watch::Receiver<Arc<History>> {
        self.history.subscribe()
    }
    /// Takes what entries tell of sessions, known ones too.
    pub fn take_sessions(&self, entries: &[Entry]) {
        self.history.send_if_modified(|history| {
            let mut news = false;
            for entry in entries.iter().filter(|e| matches!(e.subject, Subject::Session(_))) {
                news |= Arc::make_mut(history).take(entry);
            }
            news
        });
    }
    /// Takes what was found of sessions' recordings. Nobody is told: whoever looked knows.
    pub fn keep_recordings(&self, kept: BTreeMap<String, Kept>) {
        self.history.send_if_modified(|history| {
            Arc::make_mut(history).keep(kept);
            false
        });
    }
    /// Takes which sessions can be taken up on this machine. Nobody is told, as of recordings.
    pub fn keep_left(&self, left: BTreeSet<String>) {
        self.history.send_if_modified(|history| {
            Arc::make_mut(history).leave(left);
            false
        });
    }
    /// The rows of the findings with what was decided on them. `changed` tells what was decided since the last time.
    pub fn rows(&self, changed: &Changed) -> Index {
        let base = self.read().index();
        self.lay(&base, changed)
    }
    /// As [`Library::rows`], over rows that are not in the store yet.
    pub fn lay(&self, base: &Index, changed: &Changed) -> Index {
        let decisions = self.decisions();
        self.layer.lock().unwrap_or_else(PoisonError::into_inner).lay(base, &decisions, changed)
    }
    /// Who has how much to do.
    pub fn board(&self, now: Timestamp) -> Board {
        let base = self.read().index();
        let shown = self.lay(&base, &Changed::Findings(HashSet::new()));
        decided::board(&base, &shown, &self.decisions(), now)
    }
    /// The store, to read. A writer that panicked left it whole: it swaps finished parts.
    pub fn read(&self) -> std::sync::RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn write(&self) -> std::sync::RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}
