//! The rows of segments: how they are made and copied, the bits of their payloads, and the names of segments.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::{Place, Recovery};
use crate::catalog::findings::{Builder, Row};
use crate::listing::segment::{Cell, Segment};
use crate::model::account::Account;
use crate::model::finding::{Finding, Severity};

/// Looks accounts up by id.
pub type Accounts<'a> = &'a (dyn Fn(&str) -> Option<Arc<Account>> + Sync);

/// How a finding came here. A row may have come both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From Security Hub: it goes when Security Hub no longer has it.
    Live,
    /// From a file: it stays.
    File,
    /// Judged here from what was collected: it goes when the judge says so.
    Judged,
}

impl Origin {
    pub(super) const fn flag(self) -> u8 {
        match self {
            Self::Live => 1,
            Self::File => 2,
            Self::Judged => 4,
        }
    }
}

/// The place bits of a payload; the origins are above them.
pub const PLACE: u64 = (1 << 56) - 1;
/// The place of a document that is in memory, by its key.
pub const IN_MEMORY: u64 = PLACE;

pub fn payload(place: u64, flags: u8) -> u64 {
    place & PLACE | u64::from(flags) << 56
}

pub fn flags(payload: u64) -> u8 {
    (payload >> 56) as u8
}

pub fn in_memory(payload: u64) -> bool {
    payload & PLACE == IN_MEMORY
}

/// Rows in the making, with the accounts they stand in.
pub struct Rows<'a> {
    builder: Builder,
    accounts: Accounts<'a>,
    /// The account asked for last: rows of one place mostly share it.
    last: Option<(String, Option<Arc<Account>>)>,
}

impl<'a> Rows<'a> {
    pub fn new(accounts: Accounts<'a>) -> Self {
        Self { builder: Builder::default(), accounts, last: None }
    }
    /// Makes room for so many more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.builder.reserve(rows);
    }
    pub fn copy(&mut self, segment: &Segment, stays: &dyn Fn(u64) -> bool) {
        copy(&mut self.builder, segment, stays);
    }
    pub fn push(&mut self, finding: Finding, payload: u64) {
        if self.last.as_ref().is_none_or(|(id, _)| *id != finding.account) {
            self.last = Some((finding.account.clone(), (self.accounts)(&finding.account)));
        }
        let account = self.last.as_ref().and_then(|(_, account)| account.clone());
        self.builder.push(&Row { finding, account }, payload);
    }
    pub fn finish(self) -> Segment {
        self.builder.finish()
    }
    /// The rows so far; there are none again, and the room stays.
    pub fn take(&mut self) -> Segment {
        self.builder.take()
    }
}

pub fn copy(builder: &mut Builder, segment: &Segment, stays: &dyn Fn(u64) -> bool) {
    builder.copy_rows(segment, |row| segment.key(row).is_some_and(stays));
}

/// Makes a segment's rows from what the cache found of it; also gives how many findings did not read.
pub fn rebuild(recovery: Recovery<'_>, accounts: Accounts<'_>) -> (Segment, usize) {
    let Recovery { place, base, changes, mut documents } = recovery;
    let mut rows = Rows::new(accounts);
    if let Some(base) = &base {
        let changed: HashMap<u64, ()> = changes.iter().map(|change| (change.key, ())).collect();
        rows.copy(base, &|key| !changed.contains_key(&key));
    }
    let mut unread = 0;
    for change in changes {
        let Some(payload) = change.payload else { continue };
        match documents.read(place, change.key, payload) {
            Ok(finding) => rows.push(finding, payload),
            Err(_) => unread += 1,
        }
    }
    (rows.finish(), unread)
}

pub fn keys(segment: &Segment) -> impl Iterator<Item = (usize, u64)> {
    (0..segment.rows()).filter_map(|row| Some((row, segment.key(row)?)))
}

/// How many rows are of the highest severity: segments with many of them are read first.
pub fn urgent(segment: &Segment) -> u64 {
    let Some(field) = segment.schema().field("severity") else { return 0 };
    let critical = |row: &usize| matches!(segment.cell(*row, field), Cell::Rank(rank, _) if rank == Severity::Critical.rank());
    (0..segment.rows()).filter(critical).count() as u64
}

pub fn base_name(place: &Place) -> String {
    place.to_string()
}

pub fn fresh_name(place: &Place) -> String {
    format!("{place}+")
}

/// The place of a segment by its name in the index.
pub fn place_of(name: &str) -> Place {
    name.trim_end_matches('+').parse().unwrap_or_default()
}
