//! One act of triage and its entry in the ledger. It does not judge whether an act is allowed, and it stores nothing.

mod act;
mod entry;
mod hash;
pub mod moment;

pub use crate::model::decision::act::{Actor, Decision, NotASubject, Subject, person};
pub use crate::model::decision::entry::{Draft, Entry, Head, NotAnEntry, canonical};
pub use crate::model::decision::hash::{EntryId, Hash, NotHex};
