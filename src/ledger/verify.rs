//! Recomputes a chain and names the first entry that was changed, removed, inserted or reordered. It trusts no column:
//! what an entry is, its hashed text says.

use std::fmt;

use crate::ledger::checkpoint::{Checkpoint, CheckpointError};
use crate::ledger::error::{LedgerError, Result};
use crate::ledger::store::{Row, Store};
use crate::model::decision::{Entry, Hash, Head};

/// What is wrong with a ledger, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its text, hash or place is not what it was written with.
    Changed {
        sequence: u64,
        how: String,
    },
    Removed {
        sequence: u64,
    },
    /// It stands where another entry belongs, and those around it do not know it.
    Inserted {
        sequence: u64,
    },
    /// It stands in a place that is not its own.
    Reordered {
        sequence: u64,
        belongs: u64,
    },
    /// The chain is whole, but its end is not the one that the ledger noted.
    End {
        noted: Head,
        found: Head,
    },
    /// An entry cannot be read at all; `after` is the last good one.
    Unreadable {
        after: u64,
        why: String,
    },
    /// The chain is not the one of a checkpoint.
    Rewritten {
        checkpoint: Head,
        found: Option<Hash>,
    },
    /// A checkpoint that was expected to be signed is not, or not by this key.
    Checkpoint {
        sequence: u64,
        why: CheckpointError,
    },
    /// A checkpoint, or what was seen before, is of another ledger.
    OtherLedger {
        expected: String,
        found: String,
    },
    /// The database finds its own file or schema damaged.
    Storage {
        why: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { sequence, how } => write!(f, "entry {sequence} was changed: {how}"),
            Self::Removed { sequence } => write!(f, "entry {sequence} was removed"),
            Self::Inserted { sequence } => write!(f, "entry {sequence} was inserted: the entries around it do not know it"),
            Self::Reordered { sequence, belongs } => {
                write!(f, "the entry in place {sequence} was reordered: it is entry {belongs}")
            }
            Self::End { noted, found } => write!(
                f,
                "the ledger notes {} entries ending in {}, and holds {} ending in {}: entries at the end were removed or added",
                noted.sequence, noted.hash, found.sequence, found.hash
            ),
            Self::Unreadable { after, why } => write!(f, "what follows entry {after} cannot be read: {why}"),
            Self::Rewritten { checkpoint, found: Some(found) } => {
                write!(
                    f,
                    "entry {} has the hash {found}, and a checkpoint {}: the chain was rewritten",
                    checkpoint.sequence, checkpoint.hash
                )
            }
            Self::Rewritten { checkpoint, found: None } => {
                write!(f, "entry {} of a checkpoint is not there: entries at the end were removed", checkpoint.sequence)
            }
            Self::Checkpoint { sequence, why } => write!(f, "the checkpoint at entry {sequence} does not hold: {why}"),
            Self::OtherLedger { expected, found } => write!(f, "this is the ledger {found}, and {expected} was expected here"),
            Self::Storage { why } => write!(f, "the database itself is damaged or was altered: {why}"),
        }
    }
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries that were looked at.
    pub entries: u64,
    /// The end of the chain as far as it is whole.
    pub head: Head,
    /// Checkpoints the chain was held against, and how many of them were signed by the given key.
    pub checkpoints: usize,
    pub signed: usize,
    /// The first fault; none where the ledger is whole.
    pub fault: Option<Fault>,
}

/// Reads a chain, entry by entry.
#[derive(Debug, Default)]
pub struct Chain {
    head: Head,
    /// Of the entry before the last good one.
    before: Option<Hash>,
    entries: u64,
    /// Ends to hold the chain against, by sequence.
    marks: Vec<Head>,
    /// The end as the ledger notes it.
    noted: Option<Head>,
}

impl Chain {
    /// `marks` are ends that the chain once had.
    pub fn new(mut marks: Vec<Head>) -> Self {
        marks.sort_by_key(|m| m.sequence);
        Self { marks, ..Self::default() }
    }
    /// Says where the ledger says it ends: it tells which of the last two entries was exchanged.
    pub fn note(&mut self, end: Head) {
        self.noted = Some(end);
    }
    pub fn head(&self) -> Head {
        self.head
    }
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Holds the next row against the chain. `next` is the row behind it, if there is one: it tells an inserted entry
    /// from a rewritten one.
    ///
    /// # Errors
    /// What is wrong with the row, or with one just before it.
    pub fn push(&mut self, row: &Row, next: Option<&Row>) -> Result<(), Fault> {
        self.entries += 1;
        let here = self.head.sequence + 1;
        let place = u64::try_from(row.sequence).unwrap_or(0);
        let changed = |how: &str| Fault::Changed { sequence: here, how: how.to_owned() };
        if place > here {
            let swapped = next.is_some_and(|n| n.sequence.unsigned_abs() == here);
            let fault =
                if swapped { Fault::Reordered { sequence: here, belongs: place } } else { Fault::Removed { sequence: here } };
            return Err(fault);
        }
        if place < here {
            return Err(Fault::Inserted { sequence: place });
        }
        let entry = Entry::strict(&row.body).map_err(|e| changed(&e.to_string()))?;
        if entry.hash.to_string() != row.hash {
            return Err(changed("its text does not have the hash it was stored with"));
        }
        if entry.sequence != here {
            return Err(self.displaced(&entry, next));
        }
        if entry.id.to_string() != row.id || entry.subject.to_string() != row.subject {
            return Err(changed("it is filed under an id or subject that is not its own"));
        }
        if entry.previous != self.head.hash {
            return Err(self.broken(&entry, next));
        }
        if let Some(mark) = self.marks.iter().find(|m| m.sequence == here && m.hash != entry.hash) {
            return Err(Fault::Rewritten { checkpoint: *mark, found: Some(entry.hash) });
        }
        self.before = Some(self.head.hash);
        self.head = Head { sequence: here, hash: entry.hash };
        Ok(())
    }

    /// An entry that is whole in itself but numbered for another place.
    fn displaced(&self, entry: &Entry, next: Option<&Row>) -> Fault {
        let here = self.head.sequence + 1;
        // It and what follows were moved up, to make room for the one before it.
        if entry.sequence + 1 == here && self.before == Some(entry.previous) {
            return Fault::Inserted { sequence: here - 1 };
        }
        let next = next.and_then(|n| Entry::parse(&n.body).ok()).map(|n| n.sequence);
        // It and what follows were moved down, over one that is gone.
        if entry.sequence == here + 1 && next != Some(here) {
            return Fault::Removed { sequence: here };
        }
        Fault::Reordered { sequence: here, belongs: entry.sequence }
    }

    /// An entry that is whole in itself but does not follow the last one.
    fn broken(&self, entry: &Entry, next: Option<&Row>) -> Fault {
        let here = self.head.sequence + 1;
        let next = next.and_then(|n| Entry::parse(&n.body).ok());
        if self.before == Some(entry.previous) && here > 1 {
            return Fault::Inserted { sequence: here - 1 };
        }
        match next {
            Some(next) if next.previous == self.head.hash => Fault::Inserted { sequence: here },
            // The chain goes on from this entry or is noted to end in it, so it is the one before it that was exchanged,
            // hash and all.
            next if here > 1 && next.as_ref().map_or(self.noted.map(|n| n.hash), |n| Some(n.previous)) == Some(entry.hash) => {
                let how = format!("its hash was made to fit, but entry {here} was written behind another");
                Fault::Changed { sequence: here - 1, how }
            }
            _ => Fault::Changed { sequence: here, how: "it does not follow the entry before it".into() },
        }
    }

    /// After the last row: holds the end against what the ledger noted of it.
    ///
    /// # Errors
    /// Where the two differ, or a mark lies beyond the end.
    pub fn finish(&self, noted: Option<Head>) -> Result<(), Fault> {
        if let Some(noted) = noted.filter(|n| *n != self.head) {
            if noted.sequence == self.head.sequence {
                let how = "its hash is not the one the ledger noted of its end".to_owned();
                return Err(Fault::Changed { sequence: noted.sequence, how });
            }
            if noted.sequence > self.head.sequence {
                return Err(Fault::Removed { sequence: self.head.sequence + 1 });
            }
            return Err(Fault::End { noted, found: self.head });
        }
        match self.marks.iter().find(|m| m.sequence > self.head.sequence) {
            Some(mark) => Err(Fault::Rewritten { checkpoint: *mark, found: None }),
            None => Ok(()),
        }
    }
}

/// What a verification holds the ledger against besides itself.
#[derive(Debug, Clone, Default)]
pub struct Against {
    /// Checkpoints that were kept elsewhere.
    pub checkpoints: Vec<Checkpoint>,
    /// Every checkpoint has to be signed by this minisign public key.
    pub public_key: Option<String>,
    /// Ends that this console saw before.
    pub seen: Vec<Head>,
    /// The id of the ledger that this console saw before.
    pub ledger: Option<String>,
}

/// Verifies a ledger from its first entry to its last. `progress` is called with the entries done.
///
/// # Errors
/// Where the ledger cannot be reached. What is wrong *in* it stands in the report.
pub async fn verify<S: Store>(store: &S, against: &Against, mut progress: impl FnMut(u64)) -> Result<Report> {
    let mut report = Report { entries: 0, head: Head::EMPTY, checkpoints: 0, signed: 0, fault: None };
    report.fault = match check(store, against, &mut report, &mut progress).await {
        Ok(fault) => fault,
        Err(e @ (LedgerError::Damaged { .. } | LedgerError::Database { .. } | LedgerError::Entry(_))) => {
            Some(Fault::Unreadable { after: report.head.sequence, why: e.to_string() })
        }
        Err(e) => return Err(e),
    };
    Ok(report)
}

async fn check<S: Store>(
    store: &S,
    against: &Against,
    report: &mut Report,
    progress: &mut impl FnMut(u64),
) -> Result<Option<Fault>> {
    const PAGE: usize = 2000;
    let mut checkpoints = store.checkpoints().await?;
    checkpoints.extend(against.checkpoints.iter().cloned());
    let id = store.id().await?;
    let noted = store.head().await?;
    let marks = checkpoints.iter().map(|c| c.head).chain(against.seen.iter().copied()).collect();
    let mut chain = Chain::new(marks);
    chain.note(noted);
    let mut page = store.rows(i64::MIN, PAGE).await?;
    while let Some(last) = page.last() {
        // Only what the noted end covers: others may append meanwhile.
        let following = store.rows(last.sequence, PAGE).await?;
        for (n, row) in page.iter().enumerate() {
            if row.sequence > i64::try_from(noted.sequence).unwrap_or(i64::MAX) && store.head().await?.sequence > noted.sequence {
                break;
            }
            let next = page.get(n + 1).or_else(|| following.first());
            let pushed = chain.push(row, next);
            (report.entries, report.head) = (chain.entries(), chain.head());
            if let Err(fault) = pushed {
                return Ok(Some(fault));
            }
        }
        progress(chain.entries());
        page = following;
    }
    if let Err(fault) = chain.finish(Some(noted)) {
        return Ok(Some(fault));
    }
    if let Some(was) = against.ledger.as_ref().filter(|was| **was != id) {
        return Ok(Some(Fault::OtherLedger { expected: was.clone(), found: id }));
    }
    for checkpoint in &checkpoints {
        report.checkpoints += 1;
        if checkpoint.ledger != id {
            return Ok(Some(Fault::OtherLedger { expected: checkpoint.ledger.clone(), found: id }));
        }
        if let Some(key) = &against.public_key {
            if let Err(why) = checkpoint.verify(key) {
                return Ok(Some(Fault::Checkpoint { sequence: checkpoint.head.sequence, why }));
            }
            report.signed += 1;
        }
    }
    Ok(store.self_check().await?.into_iter().next().map(|why| Fault::Storage { why }))
}
