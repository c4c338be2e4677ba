//! The store that an address names: SQLite or PostgreSQL.

use std::fmt;
use std::time::Duration;

use crate::ledger::address::Address;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::error::Result;
use crate::ledger::postgres::Postgres;
use crate::ledger::sqlite::Sqlite;
use crate::ledger::store::{Append, Outcome, Row, Store, Token};
use crate::model::decision::{Entry, Head, Subject};

/// Either store.
pub enum AnyStore {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(_) => f.write_str("AnyStore::Sqlite"),
            Self::Postgres(_) => f.write_str("AnyStore::Postgres"),
        }
    }
}

macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            AnyStore::Sqlite($store) => $call.await,
            AnyStore::Postgres($store) => $call.await,
        }
    };
}

impl AnyStore {
    /// Opens a ledger and brings its schema up to date. `token` is a PostgreSQL's changing password.
    ///
    /// # Errors
    /// Where it cannot be reached, its schema is newer, or the file is none.
    pub async fn open(address: &Address, token: Option<Token>) -> Result<Self> {
        let store = Self::prepare(address, token)?;
        store.ready().await?;
        Ok(store)
    }
    /// The same without connecting: [`AnyStore::ready`] does, and may be repeated until it succeeds.
    ///
    /// # Errors
    /// Where the file's directory cannot be made.
    pub fn prepare(address: &Address, token: Option<Token>) -> Result<Self> {
        Ok(match address {
            Address::File(path) => Self::Sqlite(Sqlite::prepare(path)?),
            Address::Postgres(server) => Self::Postgres(Box::new(Postgres::prepare(server, token, address.to_string()))),
        })
    }
    /// Connects and brings the schema up to date, once.
    ///
    /// # Errors
    /// As [`AnyStore::open`].
    pub async fn ready(&self) -> Result<()> {
        either!(self, s => s.ready())
    }
}

impl Store for AnyStore {
    async fn append(&self, batch: &[Append]) -> Result<Vec<Outcome>> {
        either!(self, s => s.append(batch))
    }
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        either!(self, s => s.read(after, limit))
    }
    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Entry>> {
        either!(self, s => s.of_subject(subject))
    }
    async fn head(&self) -> Result<Head> {
        either!(self, s => s.head())
    }
    async fn wait(&self, after: u64, at_most: Duration) -> Result<bool> {
        either!(self, s => s.wait(after, at_most))
    }
    async fn rows(&self, after: i64, limit: usize) -> Result<Vec<Row>> {
        either!(self, s => s.rows(after, limit))
    }
    async fn id(&self) -> Result<String> {
        either!(self, s => s.id())
    }
    async fn self_check(&self) -> Result<Vec<String>> {
        either!(self, s => s.self_check())
    }
    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        either!(self, s => s.add_checkpoint(checkpoint))
    }
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        either!(self, s => s.checkpoints())
    }
    async fn close(&self) {
        either!(self, s => s.close());
    }
}
