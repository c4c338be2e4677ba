//! Plain data in the words of the design. No I/O, no async, no judgement.
//!
//! What AWS names keeps AWS's name and JSON shape (the one `aws … --output json` prints), so that one reader serves
//! live answers and saved files; fields we do not know stay in `extra`.

pub mod account;
pub mod arn;
pub mod attribution;
pub mod coverage;
pub mod decision;
pub mod document;
pub mod estate;
pub mod finding;
pub mod guard;
pub mod lenient;
pub mod network;
pub mod node;
pub mod principal;
pub mod resource;
pub mod standing;
pub mod words;
pub mod workload;

use std::collections::BTreeMap;

/// What AWS answered beyond the fields we know: kept, shown in the raw document, written back.
pub type Extra = BTreeMap<String, serde_json::Value>;
