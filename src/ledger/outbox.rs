//! Deliveries to Security Hub that are not known to have arrived. They survive a crash; for one finding they go out in
//! the order of the decisions, one at a time; two processes of one user never have the same one in hand. It sends nothing:
//! `work` takes what is due, sends it, and says what came of it.
//!
//! A delivery may be sent twice (a crash after the call, before its answer was noted). `BatchUpdateFindings` sets fields,
//! so the second call changes nothing: each decision is delivered once in effect.

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::ledger::error::Result;
use crate::ledger::local::{Local, Target, millis};
use crate::model::decision::Entry;
use crate::model::finding::FindingKey;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery {
    /// To be sent, now or at its next time.
    Pending,
    Sent,
    /// It will not work by itself: a person has to look.
    Failed,
    /// Someone else changed the finding there: a person has to choose.
    Conflict,
    /// A person decided not to send it.
    Dropped,
}

impl Delivery {
    const ALL: [Self; 5] = [Self::Pending, Self::Sent, Self::Failed, Self::Conflict, Self::Dropped];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Conflict => "conflict",
            Self::Dropped => "dropped",
        }
    }
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its place in the outbox, which is its name here.
    pub position: i64,
    pub entry: Entry,
    pub target: Target,
    pub state: Delivery,
    pub attempts: u32,
    /// Not before.
    pub next: Timestamp,
    /// What was said of it last: an error, or both sides of a conflict.
    pub said: String,
}

/// How many deliveries stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub pending: u64,
    pub failed: u64,
    pub conflict: u64,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It arrived. `now` is what the finding's fields hold there now: what the next delivery to it will be held against.
    Arrived {
        now: String,
    },
    /// Throttled, cut, the service's own fault: again at `next`.
    Later {
        next: Timestamp,
        said: String,
    },
    Failed {
        said: String,
    },
    Conflict {
        said: String,
    },
}

impl Local {
    /// Takes what is due, at most one delivery for a finding, the oldest first, and holds it for `lease`: until then no
    /// other process is given the same. A finding whose delivery failed or is in conflict waits for a person.
    ///
    /// # Errors
    /// Where the local side cannot be read or written.
    pub async fn take_due(&self, now: Timestamp, lease: SignedDuration, limit: usize) -> Result<Vec<Parcel>> {
        let error = self.error("take deliveries");
        let mut tx = self.begin().await?;
        // The first of each finding that is not done; its later ones wait behind it.
        let sql = "SELECT position, entry, target, before, state, attempts, next, said FROM outbox o \
                   WHERE state = 'pending' AND next <= $1 AND leased <= $1 AND NOT EXISTS (SELECT 1 FROM outbox e \
                   WHERE e.finding = o.finding AND e.position < o.position AND e.state <> 'sent' AND e.state <> 'dropped') \
                   ORDER BY position LIMIT $2";
        let rows = sqlx::query(sql).bind(millis(now)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = rows.fetch_all(&mut *tx).await.map_err(&error)?;
        let mut due = Vec::with_capacity(rows.len());
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        for row in &rows {
            let parcel = self.read_parcel(row)?;
            sqlx::query("UPDATE outbox SET leased = $1, attempts = attempts + 1 WHERE position = $2")
                .bind(millis(until))
                .bind(parcel.position)
                .execute(&mut *tx)
                .await
                .map_err(&error)?;
            due.push(Parcel { attempts: parcel.attempts + 1, ..parcel });
        }
        tx.commit().await.map_err(&error)?;
        Ok(due)
    }

    /// Notes what came of deliveries, all or none.
    ///
    /// # Errors
    /// Where the local side cannot be written; then they are sent again when their lease is over.
    pub async fn note_sent(&self, outcomes: &[(i64, Sent)], at: Timestamp) -> Result<()> {
        let error = self.error("note deliveries");
        let mut tx = self.begin().await?;
        for (position, outcome) in outcomes {
            let (state, next, said) = match outcome {
                Sent::Arrived { .. } => (Delivery::Sent, 0, ""),
                Sent::Later { next, said } => (Delivery::Pending, millis(*next), said.as_str()),
                Sent::Failed { said } => (Delivery::Failed, 0, said.as_str()),
                Sent::Conflict { said } => (Delivery::Conflict, 0, said.as_str()),
            };
            sqlx::query("UPDATE outbox SET state = $1, next = $2, said = $3, leased = 0, done = $4 WHERE position = $5 AND state = 'pending'")
                .bind(state.word())
                .bind(next)
                .bind(said)
                .bind((state == Delivery::Sent).then(|| millis(at)))
                .bind(position)
                .execute(&mut *tx)
                .await
                .map_err(&error)?;
            if let Sent::Arrived { now } = outcome {
                let sql = "UPDATE outbox SET before = $1 WHERE state = 'pending' AND position > $2 \
                           AND finding = (SELECT finding FROM outbox WHERE position = $2)";
                sqlx::query(sql).bind(now).bind(position).execute(&mut *tx).await.map_err(&error)?;
            }
        }
        tx.commit().await.map_err(&error)
    }

    /// A person's word on a failed or conflicting delivery: send it after all, held against what was seen there (`now`,
    /// where given), or drop it. Whether there was such a delivery.
    ///
    /// # Errors
    /// Where the local side cannot be written.
    pub async fn resolve_delivery(&self, position: i64, send: bool, now: Option<&str>) -> Result<bool> {
        let state = if send { Delivery::Pending } else { Delivery::Dropped };
        let sql = "UPDATE outbox SET state = $1, next = 0, leased = 0, before = coalesce($2, before) \
                   WHERE position = $3 AND state IN ('failed', 'conflict')";
        let done = sqlx::query(sql).bind(state.word()).bind(now).bind(position).execute(&self.writer).await;
        Ok(done.map_err(self.error("resolve a delivery"))?.rows_affected() == 1)
    }

    /// Deliveries in a state, the oldest first.
    ///
    /// # Errors
    /// Where the local side cannot be read.
    pub async fn deliveries(&self, state: Delivery, limit: usize) -> Result<Vec<Parcel>> {
        let sql = "SELECT position, entry, target, before, state, attempts, next, said FROM outbox WHERE state = $1 ORDER BY position LIMIT $2";
        let rows =
            sqlx::query(sql).bind(state.word()).bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(&self.readers).await;
        rows.map_err(self.error("read deliveries"))?.iter().map(|row| self.read_parcel(row)).collect()
    }

    /// All deliveries of one finding, the oldest first.
    ///
    /// # Errors
    /// Where the local side cannot be read.
    pub async fn deliveries_of(&self, finding: FindingKey) -> Result<Vec<Parcel>> {
        let sql = "SELECT position, entry, target, before, state, attempts, next, said FROM outbox WHERE finding = $1 ORDER BY position";
        let rows = sqlx::query(sql).bind(format!("finding:{finding}")).fetch_all(&self.readers).await;
        rows.map_err(self.error("read deliveries"))?.iter().map(|row| self.read_parcel(row)).collect()
    }

    /// When the next delivery is due; none where nothing waits.
    ///
    /// # Errors
    /// Where the local side cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(max(next, leased)) FROM outbox WHERE state = 'pending'";
        let next: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.readers).await.map_err(self.error("read deliveries"))?;
        Ok(next.and_then(|n| Timestamp::from_millisecond(n).ok()))
    }

    /// How many deliveries stand where.
    ///
    /// # Errors
    /// Where the local side cannot be read.
    pub async fn delivery_counts(&self) -> Result<Counts> {
        let error = self.error("count deliveries");
        let sql = "SELECT state, count(*) FROM outbox WHERE state <> 'sent' GROUP BY state";
        let mut counts = Counts::default();
        for row in sqlx::query(sql).fetch_all(&self.readers).await.map_err(&error)? {
            let (state, n): (String, i64) = row.try_get(0).and_then(|s| Ok((s, row.try_get(1)?))).map_err(&error)?;
            match state.as_str() {
                "pending" => counts.pending = n.unsigned_abs(),
                "failed" => counts.failed = n.unsigned_abs(),
                "conflict" => counts.conflict = n.unsigned_abs(),
                _ => {}
            }
        }
        Ok(counts)
    }

    /// Removes sent and dropped deliveries that are older than a moment.
    ///
    /// # Errors
    /// Where the local side cannot be written.
    pub async fn tidy(&self, before: Timestamp) -> Result<u64> {
        let sql = "DELETE FROM outbox WHERE state = 'sent' AND done < $1";
        let done = sqlx::query(sql).bind(millis(before)).execute(&self.writer).await;
        Ok(done.map_err(self.error("tidy the outbox"))?.rows_affected())
    }

    fn read_parcel(&self, row: &SqliteRow) -> Result<Parcel> {
        let error = self.error("read a delivery");
        let entry: String = row.try_get(1).map_err(&error)?;
        let entry = Entry::parse(&entry).map_err(|e| self.damaged(e))?;
        let state: String = row.try_get(4).map_err(&error)?;
        let state = Delivery::ALL
            .into_iter()
            .find(|d| d.word() == state)
            .ok_or_else(|| self.damaged(format!("a delivery is {state:?}")))?;
        let attempts: i64 = row.try_get(5).map_err(&error)?;
        let next: i64 = row.try_get(6).map_err(&error)?;
        Ok(Parcel {
            position: row.try_get(0).map_err(&error)?,
            entry,
            target: Target { finding: row.try_get(2).map_err(&error)?, before: row.try_get(3).map_err(&error)? },
            state,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            next: Timestamp::from_millisecond(next).unwrap_or(Timestamp::MAX),
            said: row.try_get(7).map_err(&error)?,
        })
    }
}
