//! The ledger in a PostgreSQL, shared by a team's consoles. Appends queue up behind the row that holds the chain's end,
//! which any database that speaks PostgreSQL can lock; others' entries arrive by NOTIFY, and by polling where a pooler or
//! another database swallows it.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgRow};
use sqlx::{Postgres as Database, Row as _, Transaction};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, sleep, timeout};

use crate::ledger::address::Server;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::error::{LedgerError, Result, is_collision};
use crate::ledger::store::{Append, BATCH, Before, Outcome, Row, SCHEMA, Store, Token, place};
use crate::model::decision::{Entry, Hash, Head, Subject};

/// Statements of each schema version, from 1. Never change one that was released: add the next.
const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE bartizan_head (one SMALLINT PRIMARY KEY CHECK (one = 1), sequence BIGINT NOT NULL, hash TEXT NOT NULL)",
    "CREATE TABLE bartizan_entries (sequence BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, \
     body TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE INDEX bartizan_entries_subject ON bartizan_entries (subject, sequence)",
    "CREATE TABLE bartizan_checkpoints (sequence BIGINT NOT NULL, at TEXT NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL, \
     PRIMARY KEY (sequence, at))",
    "INSERT INTO bartizan_head (one, sequence, hash) \
     VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')",
]];

/// Keeps two starters from creating tables at once (any number, the same in all versions).
const LOCK: i64 = 0x6261_7274_697a_616e;
/// The channel of notifications.
const CHANNEL: &str = "bartizan_ledger";
/// How often others' writes are looked for where no notification came.
const POLL: Duration = Duration::from_millis(600);
/// How old a token may be when a connection is opened with it; RDS takes them for 15 minutes.
const TOKEN_AGE: Duration = Duration::from_secs(10 * 60);
/// How long an answer may take before the server counts as unreachable: a cut that nobody announces looks like this.
const ANSWER: Duration = Duration::from_secs(5);
/// How often an append that collided or lost its connection is tried before the ledger counts as unreachable.
const TRIES: usize = 8;

/// A ledger in a PostgreSQL.
pub struct Postgres {
    pool: PgPool,
    options: PgConnectOptions,
    token: Option<Token>,
    /// When the pool was last given a token.
    fresh: Mutex<Option<Instant>>,
    listener: Mutex<Option<PgListener>>,
    name: String,
    ready: OnceCell<()>,
}

impl Postgres {
    /// Names the server, connects to nothing yet.
    pub fn prepare(server: &Server, token: Option<Token>, name: String) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(3))
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(server.options.clone());
        let (fresh, listener) = (Mutex::new(None), Mutex::new(None));
        Self { pool, options: server.options.clone(), token, fresh, listener, name, ready: OnceCell::new() }
    }

    /// Connects and brings the schema up to date, once.
    ///
    /// # Errors
    /// Where it cannot be reached or is of a newer schema.
    pub async fn ready(&self) -> Result<()> {
        self.refresh_token().await?;
        self.ready
            .get_or_try_init(async || {
                let mut tries = 1;
                loop {
                    match self.migrate().await {
                        Err(Failed::Again(_)) if tries < TRIES => tries += 1,
                        Err(Failed::Again(e) | Failed::For(e)) => return Err(e),
                        Ok(()) => return Ok(()),
                    }
                }
            })
            .await
            .copied()
    }

    async fn refresh_token(&self) -> Result<()> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut fresh = self.fresh.lock().await;
        if fresh.is_none_or(|at| at.elapsed() > TOKEN_AGE) {
            let refused = |why| LedgerError::Refused { ledger: self.name.clone(), why: format!("no IAM token: {why}") };
            let password = token().await.map_err(refused)?;
            self.pool.set_connect_options(self.options.clone().password(&password));
            *fresh = Some(Instant::now());
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), Failed> {
        let failed = |e: sqlx::Error| self.failed("set up its tables", &e);
        let known = SCHEMA;
        let version = "SELECT value FROM bartizan_meta WHERE name = 'schema'";
        // The usual start: everything is there, and no lock is needed.
        let found = sqlx::query_scalar::<_, String>(version).fetch_optional(&self.pool).await;
        match found {
            Ok(Some(found)) if self.known(&found, known)? == known => return Ok(()),
            Ok(_) => {}
            // 42P01: the table is not there yet.
            Err(e) if e.as_database_error().is_some_and(|d| d.code().is_some_and(|c| c == "42P01")) => {}
            Err(e) => return Err(failed(e)),
        }
        let mut tx = self.pool.begin().await.map_err(failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await.map_err(failed)?;
        let meta = "CREATE TABLE IF NOT EXISTS bartizan_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)";
        sqlx::query(meta).execute(&mut *tx).await.map_err(failed)?;
        let found = sqlx::query_scalar::<_, String>(version).fetch_optional(&mut *tx).await.map_err(failed)?;
        let found = found.map_or(Ok(0), |f| self.known(&f, known))?;
        for statements in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            for statement in *statements {
                sqlx::query(*statement).execute(&mut *tx).await.map_err(failed)?;
            }
        }
        let set =
            "INSERT INTO bartizan_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(set).bind("schema").bind(known.to_string()).execute(&mut *tx).await.map_err(failed)?;
        let name = "INSERT INTO bartizan_meta (name, value) VALUES ('ledger', $1) ON CONFLICT (name) DO NOTHING";
        let id = crate::ledger::sqlite::random_id().map_err(Failed::For)?;
        sqlx::query(name).bind(id.to_string()).execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    fn known(&self, found: &str, known: i64) -> Result<i64, Failed> {
        let ledger = self.name.clone();
        match found.parse::<i64>() {
            Ok(n) if n > known => Err(Failed::For(LedgerError::Newer { ledger, found: n, known })),
            Ok(n) if n >= 0 => Ok(n),
            _ => Err(Failed::For(LedgerError::Damaged { ledger, why: format!("its schema says {found:?}") })),
        }
    }

    fn failed(&self, tried: &'static str, error: &sqlx::Error) -> Failed {
        let ours = LedgerError::from_sql(&self.name, tried, error);
        // 23505 and 42P07 while setting up: another starter was faster where advisory locks do nothing.
        let overtaken = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let overtaken = overtaken.is_some_and(|c| matches!(&*c, "23505" | "42P07"));
        let cut = matches!(error, sqlx::Error::Io(_)) && matches!(ours, LedgerError::Unreachable { .. })
            || error.as_database_error().is_some_and(|d| d.code().is_some_and(|c| c.starts_with("57P01")));
        if is_collision(error) || overtaken || cut { Failed::Again(ours) } else { Failed::For(ours) }
    }

    fn error(&self, tried: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
        move |e| LedgerError::from_sql(&self.name, tried, &e)
    }

    /// An answer, or after a while the error of having none.
    async fn answer<T>(&self, tried: &'static str, asked: impl Future<Output = Result<T, sqlx::Error>> + Send) -> Result<T> {
        timeout(ANSWER, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(self.error(tried))
    }

    async fn before(&self, tx: &mut Transaction<'_, Database>, batch: &[Append]) -> Result<Before, Failed> {
        let failed = |e: sqlx::Error| self.failed("append", &e);
        // Whoever holds this row appends; everyone else waits here.
        let head = sqlx::query("SELECT sequence, hash FROM bartizan_head WHERE one = 1 FOR UPDATE").fetch_one(&mut **tx).await;
        let head = self.read_head(&head.map_err(failed)?).map_err(Failed::For)?;
        let subjects: Vec<String> = batch.iter().filter(|a| a.based_on.is_some()).map(|a| a.draft.subject.to_string()).collect();
        let mut last = HashMap::new();
        if !subjects.is_empty() {
            let sql = "SELECT subject, max(sequence) FROM bartizan_entries WHERE subject = ANY($1) GROUP BY subject";
            for row in sqlx::query(sql).bind(&subjects).fetch_all(&mut **tx).await.map_err(failed)? {
                let (subject, sequence): (String, i64) = row.try_get(0).and_then(|s| Ok((s, row.try_get(1)?))).map_err(failed)?;
                last.insert(subject, sequence.unsigned_abs());
            }
        }
        let ids: Vec<String> = batch.iter().map(|a| a.draft.id.to_string()).collect();
        let sql = "SELECT body, hash FROM bartizan_entries WHERE id = ANY($1)";
        let mut known = HashMap::new();
        for row in sqlx::query(sql).bind(&ids).fetch_all(&mut **tx).await.map_err(failed)? {
            let entry = self.read_entry(&row).map_err(Failed::For)?;
            known.insert(entry.id, entry);
        }
        Ok(Before { head, last, known })
    }

    async fn append_once(&self, batch: &[Append]) -> Result<Vec<Option<Entry>>, Failed> {
        let failed = |e: sqlx::Error| self.failed("append", &e);
        let mut tx = self.pool.begin().await.map_err(failed)?;
        let before = self.before(&mut tx, batch).await?;
        let placed = place(batch, before).map_err(|e| Failed::For(e.into()))?;
        if placed.new.is_empty() {
            return Ok(placed.outcomes);
        }
        let column = |of: fn(&Row) -> &String| placed.new.iter().map(|r| of(r).clone()).collect::<Vec<_>>();
        let sequences: Vec<i64> = placed.new.iter().map(|r| r.sequence).collect();
        let insert = "INSERT INTO bartizan_entries (sequence, id, subject, body, hash) \
                      SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[])";
        sqlx::query(insert)
            .bind(sequences)
            .bind(column(|r| &r.id))
            .bind(column(|r| &r.subject))
            .bind(column(|r| &r.body))
            .bind(column(|r| &r.hash))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        let sequence = i64::try_from(placed.head.sequence).unwrap_or(i64::MAX);
        sqlx::query("UPDATE bartizan_head SET sequence = $1, hash = $2 WHERE one = 1")
            .bind(sequence)
            .bind(placed.head.hash.to_string())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        // After the commit, and not needed for it: a database without notifications is polled.
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(sequence.to_string());
        if let Err(error) = notify.execute(&self.pool).await {
            tracing::debug!(%error, "no notification was sent");
        }
        Ok(placed.outcomes)
    }

    fn read_head(&self, row: &PgRow) -> Result<Head> {
        let read = self.error("read the ledger's end");
        let sequence: i64 = row.try_get(0).map_err(&read)?;
        let hash: String = row.try_get(1).map_err(&read)?;
        let hash: Hash = hash.parse().map_err(|e| self.damaged(format!("its end's hash: {e}")))?;
        Ok(Head { sequence: u64::try_from(sequence).map_err(|_| self.damaged("its end is negative".into()))?, hash })
    }

    fn read_entry(&self, row: &PgRow) -> Result<Entry> {
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

    /// Waits for a notification, or as long as until the next poll.
    async fn listen(&self, at_most: Duration) {
        let Ok(mut listener) = self.listener.try_lock() else { return sleep(at_most).await };
        if listener.is_none() {
            // It takes a connection of its own, not one of the pool's few.
            let connect = async {
                let mut new = PgListener::connect_with(&self.pool).await?;
                new.listen(CHANNEL).await?;
                Ok::<_, sqlx::Error>(new)
            };
            match timeout(at_most, connect).await {
                // Something may have been written before we listened: the caller looks again at once.
                Ok(Ok(new)) => *listener = Some(new),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "no notifications; polling");
                    sleep(at_most).await;
                }
                Err(_) => {}
            }
            return;
        }
        if let Some(l) = listener.as_mut()
            && let Ok(Err(error)) = timeout(at_most, l.recv()).await
        {
            tracing::debug!(%error, "the listening connection was lost");
            *listener = None;
            sleep(at_most).await;
        }
    }
}

/// A failed transaction: worth another try at once, or not.
enum Failed {
    Again(LedgerError),
    For(LedgerError),
}

impl Store for Postgres {
    async fn append(&self, batch: &[Append]) -> Result<Vec<Outcome>> {
        self.ready().await?;
        let mut all = Vec::with_capacity(batch.len());
        for part in batch.chunks(BATCH) {
            let mut tries = 1;
            // A cut during the commit leaves open whether it was written; the ids make the repetition safe.
            let outcomes = loop {
                let silent = |_| Err(Failed::For(self.error("append")(sqlx::Error::PoolTimedOut)));
                match timeout(ANSWER, self.append_once(part)).await.unwrap_or_else(silent) {
                    Ok(outcomes) => break outcomes,
                    Err(Failed::Again(_)) if tries < TRIES => {
                        tries += 1;
                        sleep(Duration::from_millis(10 * tries as u64)).await;
                    }
                    Err(Failed::Again(e) | Failed::For(e)) => return Err(e),
                }
            };
            for (append, outcome) in part.iter().zip(outcomes) {
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
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.answer("read entries", rows.fetch_all(&self.pool)).await?;
        rows.iter().map(|row| self.read_entry(row)).collect()
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Entry>> {
        self.ready().await?;
        let rows =
            sqlx::query("SELECT body, hash FROM bartizan_entries WHERE subject = $1 ORDER BY sequence").bind(subject.to_string());
        let rows = self.answer("read entries", rows.fetch_all(&self.pool)).await?;
        rows.iter().map(|row| self.read_entry(row)).collect()
    }

    async fn head(&self) -> Result<Head> {
        self.ready().await?;
        let row = sqlx::query("SELECT sequence, hash FROM bartizan_head WHERE one = 1").fetch_one(&self.pool);
        self.read_head(&self.answer("read the ledger's end", row).await?)
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
            self.listen(POLL.min(left)).await;
        }
    }

    async fn rows(&self, after: i64, limit: usize) -> Result<Vec<Row>> {
        self.ready().await?;
        let sql = "SELECT sequence, id, subject, body, hash FROM bartizan_entries WHERE sequence > $1 ORDER BY sequence LIMIT $2";
        let read = self.error("read entries");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(&self.pool);
        let rows = self.answer("read entries", rows).await?;
        let row = |r: &PgRow| {
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
        let row = sqlx::query("SELECT value FROM bartizan_meta WHERE name = 'ledger'").fetch_one(&self.pool);
        self.answer("read the ledger's id", row).await?.try_get(0).map_err(self.error("read the ledger's id"))
    }

    async fn self_check(&self) -> Result<Vec<String>> {
        self.ready().await?;
        // Pages, indexes and checksums are the server's own affair; the schema was checked on connecting.
        Ok(Vec::new())
    }

    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        self.ready().await?;
        sqlx::query("INSERT INTO bartizan_checkpoints (sequence, at, hash, signature) VALUES ($1, $2, $3, $4)")
            .bind(i64::try_from(checkpoint.head.sequence).unwrap_or(i64::MAX))
            .bind(checkpoint.at.to_string())
            .bind(checkpoint.head.hash.to_string())
            .bind(&checkpoint.signature)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(self.error("write a checkpoint"))
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let ledger = self.id().await?;
        let read = self.error("read checkpoints");
        let rows = sqlx::query("SELECT sequence, at, hash, signature FROM bartizan_checkpoints ORDER BY sequence, at");
        let rows = rows.fetch_all(&self.pool).await.map_err(&read)?;
        let row =
            |r: &PgRow| Ok((r.try_get::<i64, _>(0)?, r.try_get::<String, _>(1)?, r.try_get::<String, _>(2)?, r.try_get(3)?));
        rows.iter()
            .map(|r| {
                let (sequence, at, hash, signature) = row(r).map_err(&read)?;
                Checkpoint::from_stored(&ledger, sequence, &at, &hash, signature).map_err(|why| self.damaged(why))
            })
            .collect()
    }

    async fn close(&self) {
        *self.listener.lock().await = None;
        self.pool.close().await;
    }
}
