//! What can go wrong at the ledger's door, in words for the person who waits; never a password.

use std::io::ErrorKind;

use crate::model::decision::NotAnEntry;

/// An error of the ledger or of its local side.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(
        "the ledger's address {address} cannot be used: {why}; give a file's path, sqlite:PATH or postgres://USER@HOST/DATABASE"
    )]
    Address { address: String, why: String },
    #[error("the ledger {ledger} cannot be reached: {why}; decisions are kept here and merged when it is back")]
    Unreachable { ledger: String, why: String },
    #[error("the ledger {ledger} refused the connection: {why}; check user, password, database and TLS")]
    Refused { ledger: String, why: String },
    #[error(
        "the ledger {ledger} has schema {found}, and this bartizan knows {known}: take a newer bartizan; nothing was changed"
    )]
    Newer { ledger: String, found: i64, known: i64 },
    #[error("the disk of the ledger {ledger} is full: the decision was not saved; free space and decide again")]
    Full { ledger: String },
    #[error("the ledger {ledger} is damaged: {why}; run `bartizan ledger verify`, and restore it from a copy")]
    Damaged { ledger: String, why: String },
    #[error(
        "at {ledger} stands another ledger than before, or it lost entries: {why}; run `bartizan ledger verify`, and if this is \
         intended, `bartizan ledger forget`"
    )]
    Replaced { ledger: String, why: String },
    #[error("the ledger {ledger} could not {tried}: {why}")]
    Database { ledger: String, tried: &'static str, why: String },
    #[error("a decision cannot be written: {0}")]
    Entry(#[from] NotAnEntry),
    #[error("{path} cannot be used for the ledger: {why}")]
    File { path: String, why: String },
}

pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

impl LedgerError {
    /// Whether waiting may help: the ledger cannot be reached now.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Sorts a database's error into ours. `tried` completes "could not …".
    pub(crate) fn from_sql(ledger: &str, tried: &'static str, error: &sqlx::Error) -> Self {
        let ledger = ledger.to_owned();
        let why = error.to_string();
        match error {
            // A certificate that does not hold, or a file of certificates that is not there: waiting does not help.
            sqlx::Error::Io(e)
                if matches!(
                    e.kind(),
                    ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::NotFound | ErrorKind::PermissionDenied
                ) =>
            {
                Self::Refused { ledger, why }
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unreachable { ledger, why }
            }
            sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::Configuration(_) => Self::Refused { ledger, why },
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                match &*code {
                    // SQLITE_FULL; PostgreSQL 53100 disk_full.
                    "13" | "53100" => Self::Full { ledger },
                    // SQLITE_CORRUPT (with its extended codes), SQLITE_NOTADB.
                    "11" | "26" | "267" | "523" | "779" => Self::Damaged { ledger, why },
                    // Classes 08 connection exception and 57P operator intervention, 53300 too many connections.
                    c if c.starts_with("08") || c.starts_with("57P") || c == "53300" => Self::Unreachable { ledger, why },
                    // Class 28: the password or the user; 3D000: no such database; 42501: no right to.
                    c if c.starts_with("28") || c == "3D000" || c == "42501" => Self::Refused { ledger, why },
                    _ => Self::Database { ledger, tried, why },
                }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Damaged { ledger, why },
            _ => Self::Database { ledger, tried, why },
        }
    }
}

/// Whether a failed transaction is worth another try at once: a serialisation failure or a deadlock.
pub(crate) fn is_collision(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|c| matches!(&*c, "40001" | "40P01"))
}
