//! The door to the ledger: the append-only, hash-chained record of decisions and sessions. One [`store::Store`], SQLite
//! in the data directory or PostgreSQL for a team; beside it a local side that holds what must survive a crash here:
//! decisions on their way, the outbox to Security Hub, and a saved projection for a quick start. [`handle::Ledger`] is
//! what others use. It judges nothing (`triage` does) and delivers nothing (`work` does).

pub mod address;
pub mod checkpoint;
pub mod either;
pub mod error;
pub mod export;
pub mod handle;
pub mod local;
pub mod outbox;
pub mod postgres;
pub mod sqlite;
pub mod store;
pub mod verify;
