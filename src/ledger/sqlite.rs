//! The ledger in a SQLite file: the embedded default. Write-ahead log with full synchronisation, so that what was
//! answered as appended survives a killed process and a lost power supply.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, Sqlite as Database, Transaction};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::error::{LedgerError, Result};
use crate::ledger::store::{Append, BATCH, Before, Outcome, Row, SCHEMA, Store, place};
use crate::model::decision::{Entry, EntryId, Hash, Head, Subject};

/// Statements of each schema version, from 1. Never change one that was released: add the next.
const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE bartizan_meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT",
    "CREATE TABLE bartizan_head (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT",
    "CREATE TABLE bartizan_entries (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, \
     body TEXT NOT NULL, hash TEXT NOT NULL) STRICT",
    "CREATE INDEX bartizan_entries_subject ON bartizan_entries (subject, sequence)",
    "CREATE TABLE bartizan_checkpoints (sequence INTEGER NOT NULL, at TEXT NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL, \
     PRIMARY KEY (sequence, at)) STRICT",
    "CREATE TRIGGER bartizan_entries_stay BEFORE UPDATE ON bartizan_entries BEGIN SELECT RAISE(ABORT, 'entries are final'); END",
    "CREATE TRIGGER bartizan_entries_remain BEFORE DELETE ON bartizan_entries BEGIN SELECT RAISE(ABORT, 'entries are final'); END",
    "INSERT INTO bartizan_head (one, sequence, hash) \
     VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')",
    "INSERT INTO bartizan_meta (name, value) VALUES ('ledger', lower(hex(randomblob(16))))",
]];

/// How often others' writes are looked for.
const POLL: Duration = Duration::from_millis(250);

/// How long another's hold on the file is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// How soon a file that another starter held is tried again.
const LOCKED: Duration = Duration::from_millis(20);

/// A ledger in a file.
pub struct Sqlite {
    /// One connection: SQLite has one writer at a time anyway.
    writer: SqlitePool,
    readers: SqlitePool,
    name: String,
    ready: OnceCell<()>,
}

impl Sqlite {
    /// Names the file, makes its directory, opens nothing yet.
    ///
    /// # Errors
    /// Where directory or file cannot be made.
    pub fn prepare(path: &Path) -> Result<Self> {
        let (writer, readers) = pools(path)?;
        Ok(Self { writer, readers, name: path.display().to_string(), ready: OnceCell::new() })
    }

    /// Opens the file and brings its schema up to date, once.
    ///
    /// # Errors
    /// Where it is no ledger, damaged, or of a newer schema.
    pub async fn ready(&self) -> Result<()> {
        self.ready.get_or_try_init(|| migrate(&self.writer, &self.name, MIGRATIONS)).await.copied()
    }

    fn error(&self, tried: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
        move |e| LedgerError::from_sql(&self.name, tried, &e)
    }

    async fn before(&self, tx: &mut Transaction<'_, Database>, batch: &[Append]) -> Result<Before> {
        let read = self.error("read the ledger's end");
        let head =
            sqlx::query("SELECT sequence, hash FROM bartizan_head WHERE one = 1").fetch_one(&mut **tx).await.map_err(&read)?;
        let head = self.read_head(&head)?;
        let mut last = HashMap::new();
        let mut known = HashMap::new();
        for append in batch {
            let subject = append.draft.subject.to_string();
            if append.based_on.is_some() && !last.contains_key(&subject) {
                let row = sqlx::query("SELECT max(sequence) FROM bartizan_entries WHERE subject = $1").bind(&subject);
                let row = row.fetch_one(&mut **tx).await.map_err(&read)?;
                let max: Option<i64> = row.try_get(0).map_err(&read)?;
                last.insert(subject, max.map_or(0, i64::unsigned_abs));
            }
            let id = append.draft.id.to_string();
            let row = sqlx::query("SELECT body, hash FROM bartizan_entries WHERE id = $1").bind(id).fetch_optional(&mut **tx);
            if let Some(row) = row.await.map_err(&read)? {
                known.insert(append.draft.id, self.read_entry(&row)?);
            }
        }
        Ok(Before { head, last, known })
    }

    async fn append_once(&self, batch: &[Append]) -> Result<Vec<Option<Entry>>> {
        let write = self.error("append");
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(&write)?;
        let before = self.before(&mut tx, batch).await?;
        let placed = place(batch, before)?;
        for row in &placed.new {
            sqlx::query("INSERT INTO bartizan_entries (sequence, id, subject, body, hash) VALUES ($1, $2, $3, $4, $5)")
                .bind(row.sequence)
                .bind(&row.id)
                .bind(&row.subject)
                .bind(&row.body)
                .bind(&row.hash)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
        }
        if !placed.new.is_empty() {
            sqlx::query("UPDATE bartizan_head SET sequence = $1, hash = $2 WHERE one = 1")
                .bind(i64::try_from(placed.head.sequence).unwrap_or(i64::MAX))
                .bind(placed.head.hash.to_string())
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
        }
        tx.commit().await.map_err(&write)?;
        Ok(placed.outcomes)
    }

    fn read_head(&self, row: &SqliteRow) -> Result<Head> {
        let read = self.error("read the ledger's end");
        let sequence: i64 = row.try_get(0).map_err(&read)?;
        let hash: String = row.try_get(1).map_err(&read)?;
        let hash: Hash = hash.parse().map_err(|e| self.damaged(format!("its end's hash: {e}")))?;
        Ok(Head { sequence: u64::try_from(sequence).map_err(|_| self.damaged("its end is negative".into()))?, hash })
    }

    fn read_entry(&self, row: &SqliteRow) -> Result<Entry> {
        let read = self.error("read entries");
        let body: String = row.try_get(0).map_err(&read)?;
        let hash: String = row.try_get(1).map_err(&read)?;
        let entry = Entry::parse(&body).map_err(|e| self.damaged(format!("an entry cannot be read: {e}")))?;
        if entry.hash.to_string() != hash {
            return Err(self.damaged(format!("entry {} does not have the hash it was stored with", entry.sequence)));
        }
        Ok(entry)
    }

    fn damaged(&self, why: String) -> LedgerError {
        LedgerError::Damaged { ledger: self.name.clone(), why }
    }
}

impl Store for Sqlite {
    async fn append(&self, batch: &[Append]) -> Result<Vec<Outcome>> {
        self.ready().await?;
        let mut all = Vec::with_capacity(batch.len());
        for part in batch.chunks(BATCH) {
            for (append, outcome) in part.iter().zip(self.append_once(part).await?) {
                all.push(match outcome {
                    Some(entry) => Outcome::Appended(entry),
                    None => {
                        let based_on = append.based_on.unwrap_or(0);
                        let mut since = self.of_subject(&append.draft.subject).await?;
                        since.retain(|e| e.sequence > based_on);
                        Outcome::Conflict { since }
                    }
                });
            }
        }
        Ok(all)
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        self.ready().await?;
        let rows = sqlx::query("SELECT body, hash FROM bartizan_entries WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(self.error("read entries"))?;
        rows.iter().map(|row| self.read_entry(row)).collect()
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Entry>> {
        self.ready().await?;
        let rows = sqlx::query("SELECT body, hash FROM bartizan_entries WHERE subject = $1 ORDER BY sequence")
            .bind(subject.to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(self.error("read entries"))?;
        rows.iter().map(|row| self.read_entry(row)).collect()
    }

    async fn head(&self) -> Result<Head> {
        self.ready().await?;
        let row = sqlx::query("SELECT sequence, hash FROM bartizan_head WHERE one = 1").fetch_one(&self.readers).await;
        self.read_head(&row.map_err(self.error("read the ledger's end"))?)
    }

    async fn wait(&self, after: u64, at_most: Duration) -> Result<bool> {
        let end = Instant::now() + at_most;
        loop {
            if self.head().await?.sequence > after {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            sleep(POLL.min(left)).await;
        }
    }

    async fn rows(&self, after: i64, limit: usize) -> Result<Vec<Row>> {
        self.ready().await?;
        let sql = "SELECT sequence, id, subject, body, hash FROM bartizan_entries WHERE sequence > $1 ORDER BY sequence LIMIT $2";
        let read = self.error("read entries");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(&self.readers).await.map_err(&read)?;
        let row = |r: &SqliteRow| {
            Ok(Row {
                sequence: r.try_get(0)?,
                id: r.try_get(1)?,
                subject: r.try_get(2)?,
                body: r.try_get(3)?,
                hash: r.try_get(4)?,
            })
        };
        rows.iter().map(|r| row(r).map_err(&read)).collect()
    }

    async fn id(&self) -> Result<String> {
        self.ready().await?;
        let row = sqlx::query("SELECT value FROM bartizan_meta WHERE name = 'ledger'").fetch_one(&self.readers).await;
        row.and_then(|r| r.try_get(0)).map_err(self.error("read the ledger's id"))
    }

    async fn self_check(&self) -> Result<Vec<String>> {
        self.ready().await?;
        let check = self.error("check the file");
        let mut wrong: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&self.readers).await.map_err(&check)?;
        wrong.retain(|line| line != "ok");
        // What is there has to be what the migrations make, or a trigger or view could show other rows than are stored.
        let schema = "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(sql) FROM sqlite_schema ORDER BY type, name";
        let found: Vec<String> = sqlx::query_scalar(schema).fetch_all(&self.readers).await.map_err(&check)?;
        let memory = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(SqliteConnectOptions::new().in_memory(true));
        migrate(&memory, "memory", MIGRATIONS).await?;
        let made: Vec<String> = sqlx::query_scalar(schema).fetch_all(&memory).await.map_err(&check)?;
        memory.close().await;
        if found != made {
            wrong.push("its tables are not those that bartizan made".into());
        }
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.readers).await.map_err(&check)?;
        if version != SCHEMA {
            wrong.push(format!("its schema says {version}, not {SCHEMA}"));
        }
        Ok(wrong)
    }

    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        self.ready().await?;
        sqlx::query("INSERT INTO bartizan_checkpoints (sequence, at, hash, signature) VALUES ($1, $2, $3, $4)")
            .bind(i64::try_from(checkpoint.head.sequence).unwrap_or(i64::MAX))
            .bind(checkpoint.at.to_string())
            .bind(checkpoint.head.hash.to_string())
            .bind(&checkpoint.signature)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(self.error("write a checkpoint"))
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let ledger = self.id().await?;
        let read = self.error("read checkpoints");
        let rows = sqlx::query("SELECT sequence, at, hash, signature FROM bartizan_checkpoints ORDER BY sequence, at");
        let rows = rows.fetch_all(&self.readers).await.map_err(&read)?;
        let row =
            |r: &SqliteRow| Ok((r.try_get::<i64, _>(0)?, r.try_get::<String, _>(1)?, r.try_get::<String, _>(2)?, r.try_get(3)?));
        rows.iter()
            .map(|r| {
                let (sequence, at, hash, signature) = row(r).map_err(&read)?;
                Checkpoint::from_stored(&ledger, sequence, &at, &hash, signature).map_err(|why| self.damaged(why))
            })
            .collect()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A writer and readers of a file, which only its user may read.
pub(crate) fn pools(path: &Path) -> Result<(SqlitePool, SqlitePool)> {
    let refuse = |e: std::io::Error| LedgerError::File { path: path.display().to_string(), why: e.to_string() };
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory).map_err(refuse)?;
    }
    let mut open = std::fs::OpenOptions::new();
    open.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    open.open(path).map_err(refuse)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        // A file that is damaged or made by someone else is not trusted to run code of its own.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON");
    let pool = || {
        let pool = SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(15)).test_before_acquire(false);
        // A transaction that failed may leave a connection that neither is nor is not in one (SQLite rolls back by itself
        // when the disk is full): such a connection is not used again.
        pool.before_acquire(|connection, _| {
            Box::pin(async move { Ok(connection.ping().await.is_ok() && !connection.is_in_transaction()) })
        })
    };
    let readers = pool().max_connections(2).connect_lazy_with(options.clone());
    Ok((pool().max_connections(1).connect_lazy_with(options), readers))
}

/// Brings a file's schema up to date; waits for other starters.
pub(crate) async fn migrate(writer: &SqlitePool, name: &str, migrations: &[&[&'static str]]) -> Result<()> {
    let end = Instant::now() + BUSY;
    loop {
        match migrate_once(writer, name, migrations).await {
            // SQLite does not wait where two connections turn a new file to its write-ahead log: the second is refused at once.
            Err(Refusal::Sql(e)) if is_locked(&e) && Instant::now() < end => sleep(LOCKED).await,
            Err(Refusal::Sql(e)) => return Err(LedgerError::from_sql(name, "set up its tables", &e)),
            Err(Refusal::Ledger(e)) => return Err(e),
            Ok(()) => return Ok(()),
        }
    }
}

/// Why a schema was not brought up to date.
enum Refusal {
    Sql(sqlx::Error),
    Ledger(LedgerError),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Whether another connection has the file now: `SQLITE_BUSY`, also while a log is read again or a snapshot is too old.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|c| matches!(&*c, "5" | "261" | "517"))
}

/// In one transaction that no other starter can overtake.
async fn migrate_once(writer: &SqlitePool, name: &str, migrations: &[&[&'static str]]) -> Result<(), Refusal> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let version = |found: i64| match found {
        n if n > known => Err(Refusal::Ledger(LedgerError::Newer { ledger: name.to_owned(), found: n, known })),
        n if n < 0 => Err(Refusal::Ledger(LedgerError::Damaged { ledger: name.to_owned(), why: format!("its schema says {n}") })),
        n => Ok(usize::try_from(n).unwrap_or(0)),
    };
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(writer).await?;
    if version(found)? == migrations.len() {
        return Ok(());
    }
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    // Another starter may have been faster.
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await?;
    let found = version(found)?;
    if found == 0 {
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *tx).await?;
        if tables > 0 {
            let why = "it is a database of some other program".to_owned();
            return Err(Refusal::Ledger(LedgerError::Address { address: name.to_owned(), why }));
        }
    }
    for statements in &migrations[found..] {
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *tx).await?;
        }
    }
    // A pragma takes no parameters; the number is our own.
    let set = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}"));
    sqlx::query(set).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// An id of 16 random bytes from the operating system.
///
/// # Errors
/// Where the operating system gives none.
pub fn random_id() -> Result<EntryId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| LedgerError::File { path: "the random source".into(), why: e.to_string() })?;
    Ok(EntryId(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::handle::draft;
    use crate::ledger::verify::{Against, verify};
    use crate::model::decision::{Actor, Decision};

    fn note(n: u32) -> Append {
        let actor = Actor { arn: "arn:aws:iam::1:user/jo".into(), os_user: "jo".into(), host: "h".into() };
        let decision = Decision::Note { text: "x".repeat(2000) };
        let subject = Subject::Account(n.to_string());
        Append { draft: draft(jiff::Timestamp::UNIX_EPOCH, actor, subject, decision, "").unwrap(), based_on: None }
    }

    #[tokio::test]
    async fn a_full_disk_loses_nothing_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::prepare(&directory.path().join("ledger.db")).unwrap();
        store.ready().await.unwrap();
        // As many pages as the disk would have.
        sqlx::query("PRAGMA max_page_count = 60").execute(&store.writer).await.unwrap();
        let mut saved = 0;
        let full = loop {
            match store.append(&[note(saved)]).await {
                Ok(_) => saved += 1,
                Err(e) => break e,
            }
            assert!(saved < 1000, "it never became full");
        };
        assert!(matches!(full, LedgerError::Full { .. }), "{full}");
        assert!(full.to_string().contains("was not saved; free space"), "{full}");
        let report = verify(&store, &Against::default(), |_| {}).await.unwrap();
        assert_eq!((report.entries, report.fault), (u64::from(saved), None));
        sqlx::query("PRAGMA max_page_count = 1000").execute(&store.writer).await.unwrap();
        store.append(&[note(saved)]).await.unwrap();
        assert_eq!(store.head().await.unwrap().sequence, u64::from(saved) + 1);
    }

    #[tokio::test]
    async fn a_new_file_that_another_starter_holds_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let store = Sqlite::prepare(&path).unwrap();
        let mut ready = std::pin::pin!(store.ready());
        tokio::time::timeout(Duration::from_millis(100), &mut ready).await.expect_err("it waits");
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        ready.await.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_its_user_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/ledger.db");
        let store = Sqlite::prepare(&path).unwrap();
        store.append(&[note(1)]).await.unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    }

    #[tokio::test]
    async fn entries_cannot_be_changed_or_removed_by_accident() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::prepare(&directory.path().join("ledger.db")).unwrap();
        store.append(&[note(1)]).await.unwrap();
        for sql in ["UPDATE bartizan_entries SET hash = 'x'", "DELETE FROM bartizan_entries"] {
            let refused = sqlx::query(sql).execute(&store.writer).await.unwrap_err();
            assert!(refused.to_string().contains("entries are final"), "{refused}");
        }
    }
}
