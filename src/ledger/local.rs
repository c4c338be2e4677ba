//! The local side: a SQLite file of this user's on this machine, beside whichever ledger is used. It holds decisions on
//! their way into the ledger (they survive a crash and a lost connection), a saved projection for a quick start, the
//! ledger's end as last seen, and the outbox (in `outbox`).

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, Sqlite, Transaction};

use crate::ledger::error::{LedgerError, Result};
use crate::ledger::sqlite::{migrate, pools};
use crate::ledger::store::Append;
use crate::model::decision::{Draft, Entry, EntryId, Head};

/// Statements of each schema version, from 1. Never change one that was released: add the next.
const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE ledgers (address TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT",
    "CREATE TABLE snapshots (address TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE kept (position INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, id TEXT NOT NULL UNIQUE, \
     subject TEXT NOT NULL, draft TEXT NOT NULL, based_on INTEGER, target TEXT, before TEXT, state TEXT NOT NULL) STRICT",
    "CREATE INDEX kept_subject ON kept (address, subject)",
    "CREATE TABLE outbox (position INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, id TEXT NOT NULL UNIQUE, \
     finding TEXT NOT NULL, entry TEXT NOT NULL, target TEXT NOT NULL, before TEXT NOT NULL, state TEXT NOT NULL, \
     attempts INTEGER NOT NULL, next INTEGER NOT NULL, leased INTEGER NOT NULL, said TEXT NOT NULL, done INTEGER) STRICT",
    "CREATE INDEX outbox_waiting ON outbox (finding, position) WHERE state <> 'sent'",
    "CREATE INDEX outbox_pending ON outbox (position) WHERE state = 'pending'",
    "CREATE INDEX outbox_finding ON outbox (finding, position)",
]];

/// What delivery to Security Hub needs besides the entry; JSON texts that `work` writes and reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The finding there: its `Id`, `ProductArn` and region.
    pub finding: String,
    /// The fields that triage changes, as they were read when it was decided: what a conflict is told by.
    pub before: String,
}

/// A decision on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub append: Append,
    /// Given where it is to be delivered.
    pub target: Option<Target>,
}

/// Where a kept decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// On its way: it is in the ledger or will be on the next start.
    Going,
    /// Decided without a connection: shown as saved here, merged when the ledger is back.
    Offline,
    /// Others decided on the subject meanwhile: a person has to choose.
    Conflict,
}

impl Keep {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Going => "going",
            Self::Offline => "offline",
            Self::Conflict => "conflict",
        }
    }
    fn read(word: &str) -> Option<Self> {
        [Self::Going, Self::Offline, Self::Conflict].into_iter().find(|k| k.word() == word)
    }
}

/// A decision that is kept here and not (known to be) in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub ask: Ask,
    pub state: Keep,
}

/// The local side.
#[derive(Clone)]
pub struct Local {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    name: String,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Local({})", self.name)
    }
}

impl Local {
    /// Opens it, makes it where there is none.
    ///
    /// # Errors
    /// Where the file cannot be made, is damaged, or of a newer schema.
    pub async fn open(path: &Path) -> Result<Self> {
        let (writer, readers) = pools(path)?;
        let name = path.display().to_string();
        migrate(&writer, &name, MIGRATIONS).await?;
        Ok(Self { writer, readers, name })
    }

    pub(crate) fn error(&self, tried: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
        move |e| LedgerError::from_sql(&self.name, tried, &e)
    }

    pub(crate) fn damaged(&self, why: impl std::fmt::Display) -> LedgerError {
        LedgerError::Damaged { ledger: self.name.clone(), why: why.to_string() }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.error("begin to write"))
    }

    /// Keeps decisions before they go into the ledger, all or none.
    pub(crate) async fn keep(&self, address: &str, asks: &[Ask], state: Keep) -> Result<()> {
        let error = self.error("keep the decision");
        let mut tx = self.begin().await?;
        for Ask { append, target } in asks {
            let draft = serde_json::to_string(&append.draft).map_err(|e| self.damaged(e))?;
            sqlx::query(
                "INSERT INTO kept (address, id, subject, draft, based_on, target, before, state) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE \
                 SET state = excluded.state, based_on = excluded.based_on",
            )
            .bind(address)
            .bind(append.draft.id.to_string())
            .bind(append.draft.subject.to_string())
            .bind(draft)
            .bind(append.based_on.map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
            .bind(target.as_ref().map(|t| &t.finding))
            .bind(target.as_ref().map(|t| &t.before))
            .bind(state.word())
            .execute(&mut *tx)
            .await
            .map_err(&error)?;
        }
        tx.commit().await.map_err(&error)
    }

    /// The decisions kept for a ledger, in the order they were made.
    pub(crate) async fn kept(&self, address: &str) -> Result<Vec<Kept>> {
        let error = self.error("read kept decisions");
        let sql = "SELECT draft, based_on, target, before, state FROM kept WHERE address = $1 ORDER BY position";
        let rows = sqlx::query(sql).bind(address).fetch_all(&self.readers).await.map_err(&error)?;
        rows.iter().map(|row| self.read_kept(row)).collect()
    }

    fn read_kept(&self, row: &SqliteRow) -> Result<Kept> {
        let error = self.error("read kept decisions");
        let draft: String = row.try_get(0).map_err(&error)?;
        let draft: Draft = serde_json::from_str(&draft).map_err(|e| self.damaged(e))?;
        let based_on: Option<i64> = row.try_get(1).map_err(&error)?;
        let finding: Option<String> = row.try_get(2).map_err(&error)?;
        let before: Option<String> = row.try_get(3).map_err(&error)?;
        let state: String = row.try_get(4).map_err(&error)?;
        let state = Keep::read(&state).ok_or_else(|| self.damaged(format!("a kept decision is {state:?}")))?;
        let target = finding.map(|finding| Target { finding, before: before.unwrap_or_default() });
        Ok(Kept { ask: Ask { append: Append { draft, based_on: based_on.map(i64::unsigned_abs) }, target }, state })
    }

    /// The ledger took these: they leave for the outbox, those with a target, and later kept ones on the same subjects
    /// stand on them.
    pub(crate) async fn settle(&self, address: &str, done: &[(Ask, Entry)]) -> Result<()> {
        let error = self.error("settle kept decisions");
        let mut tx = self.begin().await?;
        for (ask, entry) in done {
            let gone = sqlx::query("DELETE FROM kept WHERE id = $1")
                .bind(entry.id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(&error)?;
            // Another process of ours settled it already.
            if gone.rows_affected() == 0 {
                continue;
            }
            if let Some(based_on) = ask.append.based_on {
                sqlx::query("UPDATE kept SET based_on = $1 WHERE address = $2 AND subject = $3 AND based_on = $4")
                    .bind(i64::try_from(entry.sequence).unwrap_or(i64::MAX))
                    .bind(address)
                    .bind(entry.subject.to_string())
                    .bind(i64::try_from(based_on).unwrap_or(i64::MAX))
                    .execute(&mut *tx)
                    .await
                    .map_err(&error)?;
            }
            if let Some(target) = &ask.target {
                hand_over(&mut tx, address, target, entry).await.map_err(&error)?;
            }
        }
        tx.commit().await.map_err(&error)
    }

    /// Lets kept decisions go without a trace.
    pub(crate) async fn drop_kept(&self, ids: &[EntryId]) -> Result<()> {
        let error = self.error("let kept decisions go");
        let mut tx = self.begin().await?;
        for id in ids {
            sqlx::query("DELETE FROM kept WHERE id = $1").bind(id.to_string()).execute(&mut *tx).await.map_err(&error)?;
        }
        tx.commit().await.map_err(&error)
    }

    /// The ledger that stood at an address when it was last seen, and its end then.
    pub(crate) async fn seen(&self, address: &str) -> Result<Option<(String, Head)>> {
        let error = self.error("read what was seen");
        let row = sqlx::query("SELECT id, sequence, hash FROM ledgers WHERE address = $1").bind(address);
        let Some(row) = row.fetch_optional(&self.readers).await.map_err(&error)? else { return Ok(None) };
        let (id, sequence, hash): (String, i64, String) =
            row.try_get(0).and_then(|id| Ok((id, row.try_get(1)?, row.try_get(2)?))).map_err(&error)?;
        let hash = hash.parse().map_err(|e| self.damaged(e))?;
        Ok(Some((id, Head { sequence: sequence.unsigned_abs(), hash })))
    }

    /// Notes a ledger's end and, with it, a saved projection.
    pub(crate) async fn save(&self, address: &str, id: &str, head: Head, snapshot: Option<&[u8]>) -> Result<()> {
        let error = self.error("save the projection");
        let mut tx = self.begin().await?;
        // A slower process of ours must not set it back.
        sqlx::query(
            "INSERT INTO ledgers (address, id, sequence, hash) VALUES ($1, $2, $3, $4) ON CONFLICT (address) DO UPDATE \
             SET sequence = excluded.sequence, hash = excluded.hash WHERE excluded.sequence > ledgers.sequence AND ledgers.id = excluded.id",
        )
        .bind(address)
        .bind(id)
        .bind(i64::try_from(head.sequence).unwrap_or(i64::MAX))
        .bind(head.hash.to_string())
        .execute(&mut *tx)
        .await
        .map_err(&error)?;
        if let Some(bytes) = snapshot {
            sqlx::query("INSERT INTO snapshots (address, bytes) VALUES ($1, $2) ON CONFLICT (address) DO UPDATE SET bytes = excluded.bytes")
                .bind(address)
                .bind(bytes)
                .execute(&mut *tx)
                .await
                .map_err(&error)?;
        }
        tx.commit().await.map_err(&error)
    }

    pub(crate) async fn snapshot(&self, address: &str) -> Result<Option<Vec<u8>>> {
        let bytes = sqlx::query_scalar("SELECT bytes FROM snapshots WHERE address = $1").bind(address);
        bytes.fetch_optional(&self.readers).await.map_err(self.error("read the saved projection"))
    }

    /// Forgets the ledger that stood at an address, so that another may stand there. Kept decisions and the outbox stay.
    ///
    /// # Errors
    /// Where the local side cannot be written.
    pub async fn forget(&self, address: &str) -> Result<()> {
        let error = self.error("forget the ledger");
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM ledgers WHERE address = $1").bind(address).execute(&mut *tx).await.map_err(&error)?;
        sqlx::query("DELETE FROM snapshots WHERE address = $1").bind(address).execute(&mut *tx).await.map_err(&error)?;
        tx.commit().await.map_err(&error)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whole milliseconds, as the local side stores times.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Leaves an entry's delivery to the outbox, once.
async fn hand_over(tx: &mut Transaction<'_, Sqlite>, address: &str, target: &Target, entry: &Entry) -> Result<(), sqlx::Error> {
    let body = entry.canonical().map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    sqlx::query(
        "INSERT INTO outbox (address, id, finding, entry, target, before, state, attempts, next, leased, said) \
         VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, 0, 0, '') ON CONFLICT (id) DO NOTHING",
    )
    .bind(address)
    .bind(entry.id.to_string())
    .bind(entry.subject.to_string())
    .bind(body)
    .bind(&target.finding)
    .bind(&target.before)
    .execute(&mut **tx)
    .await
    .map(drop)
}
