//! What a store of entries does, whichever database holds it, and the part of an append that is the same in all: who
//! may be placed behind whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::error::Result;
use crate::model::decision::{Draft, Entry, EntryId, Head, NotAnEntry, Subject};

/// The newest schema this program knows.
pub const SCHEMA: i64 = 1;

/// Entries appended in one transaction at most; a longer batch takes several.
pub const BATCH: usize = 500;

/// A decision on its way into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub draft: Draft,
    /// The subject's last entry when this was decided, 0 for none. The store refuses it where another came since. `None`
    /// goes in whatever stands there (notes, sessions).
    pub based_on: Option<u64>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Outcome {
    Appended(Entry),
    /// Others decided on the subject since: their entries, the oldest first. Nothing was written.
    Conflict {
        since: Vec<Entry>,
    },
}

/// An entry as it is stored, unread: what verification looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub sequence: i64,
    pub id: String,
    pub subject: String,
    pub body: String,
    pub hash: String,
}

/// A password that changes: RDS IAM authentication tokens live 15 minutes.
pub type Token = Arc<dyn Fn() -> BoxFuture<'static, std::result::Result<String, String>> + Send + Sync>;

/// A store of entries.
pub trait Store: Send + Sync {
    /// Writes entries behind the last, in order and without gaps, each only if its expectation holds. A draft whose id is
    /// already in the ledger is answered with its entry, so that an append may be repeated. Answers in the batch's order.
    fn append(&self, batch: &[Append]) -> impl Future<Output = Result<Vec<Outcome>>> + Send;
    /// Entries after a sequence, in order, at most `limit`.
    fn read(&self, after: u64, limit: usize) -> impl Future<Output = Result<Vec<Entry>>> + Send;
    /// Entries of one subject, in order.
    fn of_subject(&self, subject: &Subject) -> impl Future<Output = Result<Vec<Entry>>> + Send;
    fn head(&self) -> impl Future<Output = Result<Head>> + Send;
    /// Waits until there are entries after a sequence, at most so long; whether there are.
    fn wait(&self, after: u64, at_most: Duration) -> impl Future<Output = Result<bool>> + Send;
    /// Entries as they are stored, after a sequence, at most `limit`.
    fn rows(&self, after: i64, limit: usize) -> impl Future<Output = Result<Vec<Row>>> + Send;
    /// The ledger's own id, made when it was created.
    fn id(&self) -> impl Future<Output = Result<String>> + Send;
    /// What the database itself finds wrong with its file and schema.
    fn self_check(&self) -> impl Future<Output = Result<Vec<String>>> + Send;
    fn add_checkpoint(&self, checkpoint: &Checkpoint) -> impl Future<Output = Result<()>> + Send;
    fn checkpoints(&self) -> impl Future<Output = Result<Vec<Checkpoint>>> + Send;
    /// Lets go of the database.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// What a batch's transaction read before it writes.
pub(crate) struct Before {
    pub head: Head,
    /// Last sequence by subject, of the batch's subjects.
    pub last: HashMap<String, u64>,
    /// Entries that already carry an id of the batch.
    pub known: HashMap<EntryId, Entry>,
}

/// What it writes.
pub(crate) struct Placed {
    pub head: Head,
    pub new: Vec<Row>,
    /// In the batch's order; `None` is a conflict, whose entries are read afterwards.
    pub outcomes: Vec<Option<Entry>>,
}

/// Places a batch behind the head.
pub(crate) fn place(batch: &[Append], mut before: Before) -> Result<Placed, NotAnEntry> {
    let mut new = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    for append in batch {
        if let Some(entry) = before.known.get(&append.draft.id) {
            outcomes.push(Some(entry.clone()));
            continue;
        }
        let subject = append.draft.subject.to_string();
        let last = before.last.get(&subject).copied().unwrap_or(0);
        if append.based_on.is_some_and(|based_on| based_on != last) {
            outcomes.push(None);
            continue;
        }
        let sequence = before.head.sequence + 1;
        let (entry, body) = Entry::chain(append.draft.clone(), sequence, before.head.hash)?;
        before.head = Head { sequence, hash: entry.hash };
        before.last.insert(subject.clone(), sequence);
        before.known.insert(entry.id, entry.clone());
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        new.push(Row { sequence, id: entry.id.to_string(), subject, body, hash: entry.hash.to_string() });
        outcomes.push(Some(entry));
    }
    Ok(Placed { head: before.head, new, outcomes })
}
