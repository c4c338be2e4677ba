//! What the ledger's tests share: actors, findings, drafts, both stores by URL.

use bartizan::ledger::address::Address;
use bartizan::ledger::either::AnyStore;
use bartizan::ledger::handle::{Ledger, Options, draft};
use bartizan::ledger::local::{Ask, Target};
use bartizan::ledger::store::{Append, Store};
use bartizan::model::decision::{Actor, Decision, Entry, Subject};
use bartizan::model::finding::FindingKey;
use jiff::Timestamp;
use std::path::Path;

pub fn actor(name: &str) -> Actor {
    Actor { arn: format!("arn:aws:sts::111122223333:assumed-role/Audit/{name}"), os_user: name.into(), host: "laptop".into() }
}

pub fn finding(n: u128) -> Subject {
    Subject::Finding(FindingKey(n))
}

pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn append(who: &str, subject: Subject, decision: Decision, based_on: Option<u64>) -> Append {
    Append { draft: draft(now(), actor(who), subject, decision, "because").unwrap(), based_on }
}

pub fn note(who: &str, n: u128, text: &str) -> Append {
    append(who, finding(n), Decision::Note { text: text.into() }, None)
}

pub fn ask(append: Append) -> Ask {
    Ask { append, target: None }
}

pub fn delivered(append: Append) -> Ask {
    Ask { append, target: Some(Target { finding: "{}".into(), before: "{}".into() }) }
}

pub async fn store(url: &str) -> AnyStore {
    AnyStore::open(&Address::parse(url).unwrap(), None).await.unwrap()
}

pub fn options(url: &str, directory: &Path) -> Options {
    Options { address: Address::parse(url).unwrap(), directory: directory.to_owned(), token: None }
}

pub async fn ledger(url: &str, directory: &Path) -> Ledger {
    Ledger::open(&options(url, directory)).await.unwrap()
}

pub async fn all(store: &AnyStore) -> Vec<Entry> {
    store.read(0, usize::MAX >> 1).await.unwrap()
}

/// Small, seeded, the same everywhere (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
