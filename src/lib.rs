//! Bartizan, a terminal security console for AWS. `main` starts the [`cli`], whose commands are thin over [`work`]; the
//! [`console`] is one of them: it decides and draws, and sends [`message`]s to `work`, which performs them through the
//! doors: [`aws`], [`cache`], [`ledger`], [`formats`], [`demo`]. Decisions are judged in [`triage`]. What is known stands in [`world`]; every list is declared in
//! [`catalog`] and runs on [`listing`], which knows nothing of ours; [`model`] is plain data and [`text`] makes foreign
//! text safe to show. A file imports only from floors below its own; `tests/walls.rs` holds the house to that.

pub mod aws;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod console;
pub mod demo;
pub mod formats;
pub mod iam;
pub mod ledger;
pub mod listing;
pub mod message;
pub mod model;
pub mod network;
pub mod ssm;
pub mod terminal;
pub mod text;
pub mod triage;
pub mod work;
pub mod world;
