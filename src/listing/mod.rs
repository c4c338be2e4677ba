//! The engine behind every list: a filter language, columns in segments, sort and group.
//!
//! It owns how rows are stored, searched and ordered; it knows nothing of findings, accounts or AWS, reads no clock and
//! performs no I/O. Same input, same answer. The way through it:
//! [`schema`] declares fields, [`segment`] holds rows in columns, [`index`] puts segments side by side, [`filter`] reads
//! what the user typed, [`query`] answers it, [`complete`] helps with typing.

mod codec;
mod column;
pub mod complete;
mod dictionary;
mod expr;
pub mod filter;
mod groups;
pub mod index;
mod interner;
mod packed;
mod plan;
pub mod query;
pub mod row_set;
pub mod schema;
pub mod segment;
mod sort;
mod strings;
mod text_order;
pub mod threads;
mod value;
mod wildcard;

#[cfg(test)]
mod brute;
