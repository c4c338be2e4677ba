//! How far Security Hub was read, by account and region: kept in the cache, so that the next run asks for what is newer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::cache::{Cache, Mark, Place, SweepMarks};

/// How far each hub was read: in memory, and in the cache where there is one to write.
#[derive(Debug)]
pub struct Marks {
    marks: Mutex<SweepMarks>,
    cache: Option<Arc<Cache>>,
}

impl Marks {
    pub fn new(cache: Option<Arc<Cache>>) -> Self {
        let marks = cache.as_ref().map(|c| c.marks()).unwrap_or_default();
        Self { marks: Mutex::new(marks), cache: cache.filter(|c| c.read_only().is_none()) }
    }
    pub(super) fn get(&self, account: &str, region: &str) -> Mark {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(account, region)
    }
    pub(super) fn set(
        &self,
        account: &str,
        region: &str,
        full: Option<Timestamp>,
        newest: Option<Timestamp>,
    ) -> Result<(), String> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = full {
            marks.swept(account, region, at);
        }
        if let Some(at) = newest {
            marks.updated(account, region, at);
        }
        self.keep(&marks)
    }
    /// Where findings come from an administrator's hub.
    pub(super) fn through(&self) -> BTreeSet<(String, String)> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let through = marks.0.iter().filter(|(_, mark)| mark.through);
        through.map(|(place, _)| (place.account().to_owned(), place.region().to_owned())).collect()
    }
    /// Notes that these places' findings come from an administrator's hub and, where `accounts` are given, that no others
    /// of these accounts do.
    pub(super) fn set_through(
        &self,
        places: &BTreeSet<(String, String)>,
        accounts: Option<&BTreeSet<String>>,
    ) -> Result<(), String> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = marks.clone();
        for (place, mark) in &mut marks.0 {
            mark.through &= accounts.is_none_or(|a| !a.contains(place.account()));
        }
        for (account, region) in places {
            marks.0.entry(Place::of(account, region)).or_default().through = true;
        }
        if *marks == before { Ok(()) } else { self.keep(&marks) }
    }
    fn keep(&self, marks: &SweepMarks) -> Result<(), String> {
        self.cache.as_ref().map_or(Ok(()), |cache| cache.set_marks(marks.clone()).map_err(|e| e.to_string()))
    }
}
