//! What the rest of the house uses: an open ledger with its projection. It decides in the right order (kept here, then in
//! the ledger, then settled), goes on without a connection, and brings the projection up to date. It does not judge
//! decisions and does not deliver them.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::address::Address;
use crate::ledger::either::AnyStore;
use crate::ledger::error::{LedgerError, Result};
use crate::ledger::local::{Ask, Keep, Kept, Local};
use crate::ledger::sqlite::random_id;
use crate::ledger::store::{Append, BATCH, Outcome, Store, Token};
use crate::ledger::verify::{self, Against, Report};
use crate::model::decision::{Actor, Decision, Draft, Entry, EntryId, Hash, Head, Subject, moment};
use crate::triage::projection::{Applied, Projection};
use crate::triage::snapshot;

/// Entries read at a time.
const PAGE: usize = 5000;
/// After so many entries beyond the saved projection, it is saved again.
const SAVE_AFTER: u64 = 2000;

/// How to open a ledger.
#[derive(Clone)]
pub struct Options {
    pub address: Address,
    /// Where the local side stands: a directory of this user's.
    pub directory: std::path::PathBuf,
    /// A PostgreSQL's changing password, such as an RDS IAM token.
    pub token: Option<Token>,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Decided {
    /// It is in the ledger, and its delivery in the outbox.
    Saved(Entry),
    /// The ledger cannot be reached: it is kept here, survives a crash, and is merged when the ledger is back.
    Offline(EntryId),
    /// Others decided on the subject since: their entries, the oldest first. Nothing was saved.
    Conflict { since: Vec<Entry> },
    /// It was not saved, while decisions before it in the same batch were.
    Failed { why: String },
}

/// What a merge of kept decisions did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    pub saved: Vec<Entry>,
    /// Kept ones that met others' decisions: they wait for a person ([`Ledger::resolve`]).
    pub conflicts: Vec<(Draft, Vec<Entry>)>,
}

/// An open ledger. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    store: AnyStore,
    local: Local,
    address: String,
    view: Mutex<View>,
    offline: AtomicBool,
    /// One refresh, merge or decision at a time changes the projection.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct View {
    /// What the chain says.
    chain: Projection,
    /// With the decisions that are kept here.
    shown: Arc<Projection>,
    /// The ledger's id, once it was reached.
    id: Option<String>,
    saved: u64,
    /// A snapshot was loaded and is held against the chain on the first contact.
    checked: bool,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.inner.address)
    }
}

/// Makes a draft, with an id of its own.
///
/// # Errors
/// Where the operating system gives no random bytes.
pub fn draft(at: Timestamp, actor: Actor, subject: Subject, decision: Decision, reason: impl Into<String>) -> Result<Draft> {
    Ok(Draft { id: random_id()?, at: moment::milliseconds(at), actor, subject, decision, reason: reason.into() })
}

impl Ledger {
    /// Opens a ledger, reads what is new in it, and finishes decisions that a crash left on their way. A PostgreSQL that
    /// cannot be reached opens offline, with what was known last.
    ///
    /// # Errors
    /// Where the local side cannot be opened, or the ledger is refused: newer, damaged, another one, no access.
    pub async fn open(options: &Options) -> Result<Self> {
        let local = Local::open(&options.directory.join("local.db")).await?;
        let store = AnyStore::prepare(&options.address, options.token.clone())?;
        let address = options.address.to_string();
        let inner = Inner {
            store,
            local,
            address,
            view: Mutex::default(),
            offline: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        };
        let ledger = Self { inner: Arc::new(inner) };
        if let Some(bytes) = ledger.inner.local.snapshot(&ledger.inner.address).await? {
            match snapshot::decode(&bytes) {
                Ok(chain) => {
                    ledger.with_view(|v| {
                        v.saved = chain.head().sequence;
                        v.shown = Arc::new(chain.clone());
                        v.chain = chain;
                    });
                }
                Err(error) => tracing::warn!(%error, "the saved projection is not used"),
            }
        }
        match ledger.merge().await {
            Ok(_) => {}
            Err(e) if e.is_offline() => {
                tracing::warn!(error = %e, "the ledger is offline");
                ledger.show_kept().await?;
            }
            Err(e) => return Err(e),
        }
        Ok(ledger)
    }

    /// The ledger's address, without a password.
    pub fn address(&self) -> &str {
        &self.inner.address
    }
    /// The store, for exports and verification.
    pub fn store(&self) -> &AnyStore {
        &self.inner.store
    }
    /// The local side: the outbox.
    pub fn local(&self) -> &Local {
        &self.inner.local
    }
    /// Whether the ledger could not be reached the last time.
    pub fn is_offline(&self) -> bool {
        self.inner.offline.load(Ordering::Acquire)
    }
    /// What is decided, with what is kept here: cheap, never waits for anything.
    pub fn projection(&self) -> Arc<Projection> {
        self.with_view(|v| Arc::clone(&v.shown))
    }
    /// What the chain alone says, without what is kept here.
    pub fn chained(&self) -> Projection {
        self.with_view(|v| v.chain.clone())
    }

    /// Saves decisions, in their order. Answers in the same order. While the ledger is offline they are kept here at
    /// once; [`Ledger::merge`] brings them in.
    ///
    /// # Errors
    /// Where nothing could be saved (disk full, refused, damaged): then nothing was.
    pub async fn decide(&self, asks: Vec<Ask>) -> Result<Vec<Decided>> {
        let _turn = self.inner.turn.lock().await;
        let mut decided = Vec::with_capacity(asks.len());
        for part in asks.chunks(BATCH) {
            match self.decide_part(part).await {
                Ok(part) => decided.extend(part),
                Err(e) if decided.is_empty() => return Err(e),
                Err(e) => {
                    let why = e.to_string();
                    decided.resize_with(asks.len(), || Decided::Failed { why: why.clone() });
                    break;
                }
            }
        }
        // They are in the ledger whether or not the projection can be brought up to date now.
        if !self.is_offline()
            && let Err(error) = self.catch_up().await.map_err(|e| self.note_offline(e))
        {
            tracing::warn!(%error, "decisions are saved but not shown yet");
        }
        Ok(decided)
    }

    /// One transaction's worth of decisions.
    async fn decide_part(&self, asks: &[Ask]) -> Result<Vec<Decided>> {
        let inner = &self.inner;
        if self.is_offline() {
            return self.keep_offline(asks).await;
        }
        inner.local.keep(&inner.address, asks, Keep::Going).await?;
        let batch: Vec<Append> = asks.iter().map(|a| a.append.clone()).collect();
        let outcomes = match inner.store.append(&batch).await {
            Ok(outcomes) => outcomes,
            Err(e) if e.is_offline() => {
                inner.offline.store(true, Ordering::Release);
                tracing::warn!(error = %e, "the ledger is offline");
                return self.keep_offline(asks).await;
            }
            Err(e) => {
                let ids: Vec<EntryId> = asks.iter().map(|a| a.append.draft.id).collect();
                if let Err(error) = inner.local.drop_kept(&ids).await {
                    tracing::warn!(%error, "what was not saved may be offered again on the next start");
                }
                return Err(e);
            }
        };
        let mut decided = Vec::with_capacity(asks.len());
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for (ask, outcome) in asks.iter().zip(outcomes) {
            match outcome {
                Outcome::Appended(entry) => {
                    done.push((ask.clone(), entry.clone()));
                    decided.push(Decided::Saved(entry));
                }
                Outcome::Conflict { since } => {
                    refused.push(ask.append.draft.id);
                    decided.push(Decided::Conflict { since });
                }
            }
        }
        // From here on the decisions are in the ledger. Should this fail, the next start settles them.
        if let Err(error) = inner.local.settle(&inner.address, &done).await {
            tracing::warn!(%error, "deliveries will be taken up on the next start");
        }
        if !refused.is_empty()
            && let Err(error) = inner.local.drop_kept(&refused).await
        {
            tracing::warn!(%error, "conflicting decisions may be offered again on the next start");
        }
        Ok(decided)
    }

    async fn keep_offline(&self, asks: &[Ask]) -> Result<Vec<Decided>> {
        self.inner.local.keep(&self.inner.address, asks, Keep::Offline).await?;
        self.show_kept().await?;
        Ok(asks.iter().map(|a| Decided::Offline(a.append.draft.id)).collect())
    }

    /// Waits for others' entries, at most so long, and takes them into the projection. The subjects that changed.
    ///
    /// # Errors
    /// Where the ledger cannot be reached ([`Ledger::is_offline`] then says so) or its chain is broken.
    pub async fn changes(&self, at_most: Duration) -> Result<Vec<Subject>> {
        let after = self.with_view(|v| v.chain.head().sequence);
        match self.inner.store.wait(after, at_most).await {
            Ok(true) => {}
            Ok(false) => return Ok(Vec::new()),
            Err(e) => return Err(self.note_offline(e)),
        }
        let _turn = self.inner.turn.lock().await;
        self.catch_up().await.map_err(|e| self.note_offline(e))
    }

    /// Reaches for the ledger, brings kept decisions in, and reads what is new. To be called on a start, and every few
    /// seconds while offline.
    ///
    /// # Errors
    /// Where the ledger still cannot be reached, or is not the one it was.
    pub async fn merge(&self) -> Result<Merged> {
        let _turn = self.inner.turn.lock().await;
        let inner = &self.inner;
        let merged = self.bring_in().await.map_err(|e| self.note_offline(e))?;
        inner.offline.store(false, Ordering::Release);
        Ok(merged)
    }

    async fn bring_in(&self) -> Result<Merged> {
        let inner = &self.inner;
        inner.store.ready().await?;
        self.catch_up().await?;
        let mut merged = Merged::default();
        let kept = inner.local.kept(&inner.address).await?;
        // Later decisions on a subject stand on earlier kept ones, and fall with them.
        let mut based: HashMap<Subject, u64> = HashMap::new();
        let mut stuck: HashSet<Subject> = kept.iter().filter(|k| k.state == Keep::Conflict).map(subject).collect();
        for Kept { ask, .. } in kept.iter().filter(|k| k.state != Keep::Conflict) {
            let mut append = ask.append.clone();
            let subject = &append.draft.subject;
            if let (Some(based_on), Some(newer)) = (append.based_on.as_mut(), based.get(subject)) {
                *based_on = *newer;
            }
            let conditional = append.based_on.is_some();
            let outcome = if conditional && stuck.contains(subject) {
                Outcome::Conflict {
                    since: inner
                        .store
                        .of_subject(subject)
                        .await?
                        .into_iter()
                        .filter(|e| Some(e.sequence) > append.based_on)
                        .collect(),
                }
            } else {
                inner.store.append(std::slice::from_ref(&append)).await?.pop().unwrap_or(Outcome::Conflict { since: Vec::new() })
            };
            match outcome {
                Outcome::Appended(entry) => {
                    based.insert(entry.subject.clone(), entry.sequence);
                    let ask = Ask { append, target: ask.target.clone() };
                    inner.local.settle(&inner.address, &[(ask, entry.clone())]).await?;
                    merged.saved.push(entry);
                }
                Outcome::Conflict { since } => {
                    inner.local.keep(&inner.address, std::slice::from_ref(ask), Keep::Conflict).await?;
                    stuck.insert(subject.clone());
                    merged.conflicts.push((append.draft, since));
                }
            }
        }
        self.catch_up().await?;
        Ok(merged)
    }

    /// The decisions that are kept here: offline ones, and those in conflict.
    ///
    /// # Errors
    /// Where the local side cannot be read.
    pub async fn kept(&self) -> Result<Vec<Kept>> {
        self.inner.local.kept(&self.inner.address).await
    }

    /// A person's word on a kept decision: decide it anew on top of what others decided (`Some(based_on)`, the subject's
    /// last entry that they saw), or let it go (`None`). What became of it; nothing where there is no such.
    ///
    /// # Errors
    /// As [`Ledger::decide`].
    pub async fn resolve(&self, id: EntryId, based_on: Option<u64>) -> Result<Option<Decided>> {
        let Some(kept) = self.kept().await?.into_iter().find(|k| k.ask.append.draft.id == id) else { return Ok(None) };
        match based_on {
            Some(based_on) => {
                let mut ask = kept.ask;
                ask.append.based_on = Some(based_on);
                Ok(self.decide(vec![ask]).await?.pop())
            }
            None => {
                self.inner.local.drop_kept(&[id]).await?;
                let _turn = self.inner.turn.lock().await;
                self.show_kept().await?;
                Ok(None)
            }
        }
    }

    /// A subject's entries, the oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be reached.
    pub async fn history(&self, subject: &Subject) -> Result<Vec<Entry>> {
        self.inner.store.of_subject(subject).await.map_err(|e| self.note_offline(e))
    }

    /// Entries after a sequence, at most `limit`, the oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be reached.
    pub async fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        self.inner.store.read(after, limit).await.map_err(|e| self.note_offline(e))
    }

    /// Verifies the whole ledger, also against what this console saw of it before.
    ///
    /// # Errors
    /// Where the ledger cannot be reached; what is wrong in it stands in the report.
    pub async fn verify(&self, mut against: Against, progress: impl FnMut(u64)) -> Result<Report> {
        let seen = self.inner.local.seen(&self.inner.address).await?;
        if let Some((id, head)) = seen {
            against.ledger.get_or_insert(id);
            against.seen.extend((head.sequence > 0).then_some(head));
        }
        verify::verify(&self.inner.store, &against, progress).await
    }

    /// Saves the projection for the next start and lets go of the files. Nothing is lost without it.
    ///
    /// # Errors
    /// Where the projection cannot be saved.
    pub async fn close(&self) -> Result<()> {
        let _turn = self.inner.turn.lock().await;
        let saved = self.save(0).await;
        self.inner.store.close().await;
        self.inner.local.close().await;
        saved
    }

    fn with_view<T>(&self, f: impl FnOnce(&mut View) -> T) -> T {
        f(&mut self.inner.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_offline(&self, error: LedgerError) -> LedgerError {
        if error.is_offline() {
            self.inner.offline.store(true, Ordering::Release);
        }
        error
    }

    /// Reads what is new in the chain, holding every entry against the one before.
    async fn catch_up(&self) -> Result<Vec<Subject>> {
        let inner = &self.inner;
        if !self.with_view(|v| v.checked) {
            self.check_identity().await?;
        }
        let mut chain = self.with_view(|v| v.chain.clone());
        let mut changed = Vec::new();
        loop {
            let page = inner.store.read(chain.head().sequence, PAGE).await?;
            let full = page.len() == PAGE;
            for entry in page {
                match chain.apply(&entry) {
                    Applied::Done => {}
                    Applied::NeedsHistory => {
                        let history = inner.store.of_subject(&entry.subject).await?;
                        chain.replace(&entry, &history);
                    }
                    Applied::NotNext => {
                        let why = format!("entry {} does not follow entry {}", entry.sequence, chain.head().sequence);
                        return Err(LedgerError::Damaged { ledger: inner.address.clone(), why });
                    }
                }
                changed.push(entry.draft.subject);
            }
            if !full {
                break;
            }
        }
        chain.compact();
        self.with_view(|v| v.chain = chain);
        self.show_kept().await?;
        changed.sort_unstable();
        changed.dedup();
        self.save(SAVE_AFTER).await?;
        Ok(changed)
    }

    /// On the first contact: it is the ledger it was, and still holds what was seen of it.
    async fn check_identity(&self) -> Result<()> {
        let inner = &self.inner;
        let id = inner.store.id().await?;
        let replaced = |why: String| LedgerError::Replaced { ledger: inner.address.clone(), why };
        let seen = inner.local.seen(&inner.address).await?;
        if let Some((was, head)) = &seen {
            if *was != id {
                return Err(replaced(format!("its id was {was} and is {id}")));
            }
            if head.sequence > 0 && self.hash_at(head.sequence).await? != Some(head.hash) {
                return Err(replaced(format!("entry {} is not the one seen before", head.sequence)));
            }
        }
        let saved = self.with_view(|v| v.chain.head());
        if saved.sequence > 0
            && seen.map(|(_, head)| head) != Some(saved)
            && self.hash_at(saved.sequence).await? != Some(saved.hash)
        {
            tracing::warn!("the saved projection is of another chain; it is rebuilt");
            self.with_view(|v| v.chain = Projection::default());
        }
        self.with_view(|v| {
            v.id = Some(id);
            v.checked = true;
        });
        Ok(())
    }

    async fn hash_at(&self, sequence: u64) -> Result<Option<Hash>> {
        let entry = self.inner.store.read(sequence.saturating_sub(1), 1).await?.pop();
        Ok(entry.filter(|e| e.sequence == sequence).map(|e| e.hash))
    }

    /// Lays the kept decisions over what the chain says.
    async fn show_kept(&self) -> Result<()> {
        let kept = self.inner.local.kept(&self.inner.address).await?;
        let mut shown = self.with_view(|v| v.chain.clone());
        for Kept { ask, .. } in kept.into_iter().filter(|k| k.state != Keep::Conflict) {
            if !matches!(ask.append.draft.decision, Decision::Undo { .. }) {
                shown.preview(&Entry { sequence: 0, draft: ask.append.draft, previous: Hash::ZERO, hash: Hash::ZERO });
            }
        }
        self.with_view(|v| v.shown = Arc::new(shown));
        Ok(())
    }

    /// Saves the projection where it is so many entries ahead of the saved one.
    async fn save(&self, ahead: u64) -> Result<()> {
        let (chain, id, saved) = self.with_view(|v| (v.chain.clone(), v.id.clone(), v.saved));
        let head: Head = chain.head();
        let Some(id) = id.filter(|_| head.sequence > saved && head.sequence - saved >= ahead) else { return Ok(()) };
        let bytes = snapshot::encode(&chain);
        self.inner.local.save(&self.inner.address, &id, head, Some(&bytes)).await?;
        self.with_view(|v| v.saved = head.sequence);
        Ok(())
    }
}

fn subject(kept: &Kept) -> Subject {
    kept.ask.append.draft.subject.clone()
}

/// The local side's directory beside an embedded ledger: the file's own.
pub fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}
