//! Findings read back out of the store, with their documents.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::{DocumentReader, Place};
use crate::model::finding::Finding;
use crate::work::store::rows::{Origin, PLACE, flags, in_memory, keys, place_of};
use crate::work::store::{Documents, Store, StoreError};

impl Store {
    /// The finding of a row, with its document; none when there is no such row.
    ///
    /// # Errors
    /// When its document cannot be read.
    pub fn finding(&self, key: u64) -> Result<Option<Finding>, StoreError> {
        for (name, segment) in self.index.segments() {
            // A scan of a million keys takes less than sorting them once.
            if let Some(row) = segment.keys.iter().position(|known| *known == key) {
                let payload = segment.payload(row).unwrap_or_default();
                return self.read(&mut self.reader(), &place_of(name), key, payload).map(|(finding, _)| Some(finding));
            }
        }
        Ok(None)
    }

    /// The findings of these rows with their documents, in the keys' order, and whether Security Hub itself told of them.
    /// Those that are gone are left out.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn some(&self, keys: &[u64]) -> Result<Vec<(Finding, bool)>, StoreError> {
        let all = self.flagged(keys)?;
        Ok(all.into_iter().map(|(finding, flags)| (finding, flags & Origin::Live.flag() != 0)).collect())
    }

    /// Of these rows those that came from a file, with their documents, in the keys' order.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn imported(&self, keys: &[u64]) -> Result<Vec<Finding>, StoreError> {
        let all = self.flagged(keys)?;
        Ok(all.into_iter().filter(|(_, flags)| flags & Origin::File.flag() != 0).map(|(finding, _)| finding).collect())
    }

    fn flagged(&self, keys: &[u64]) -> Result<Vec<(Finding, u8)>, StoreError> {
        let wanted: HashMap<u64, usize> = keys.iter().copied().zip(0..).collect();
        let mut found: Vec<Option<(Finding, u8)>> = keys.iter().map(|_| None).collect();
        let mut reader = self.reader();
        for (name, segment) in self.index.segments() {
            let place = place_of(name);
            for (row, key) in self::keys(segment) {
                if let Some(n) = wanted.get(&key) {
                    let payload = segment.payload(row).unwrap_or_default();
                    let (finding, _) = self.read(&mut reader, &place, key, payload)?;
                    found[*n] = Some((finding, flags(payload)));
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Every finding with its document, one at a time, by segment.
    pub fn findings(&self) -> impl Iterator<Item = Result<Finding, StoreError>> {
        let mut reader = self.reader();
        let rows = self.index.segments().flat_map(|(name, segment)| {
            let place = Arc::new(place_of(name));
            keys(segment).map(move |(row, key)| (Arc::clone(&place), key, segment.payload(row).unwrap_or_default()))
        });
        rows.map(move |(place, key, payload)| self.read(&mut reader, &place, key, payload).map(|(finding, _)| finding))
    }

    /// The findings that were judged here, with their documents.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn judged(&self) -> Result<Vec<Finding>, StoreError> {
        let mut reader = self.reader();
        let mut all = Vec::new();
        for (name, segment) in self.index.segments() {
            for (row, key) in keys(segment) {
                let payload = segment.payload(row).unwrap_or_default();
                if flags(payload) & Origin::Judged.flag() != 0 {
                    all.push(self.read(&mut reader, &place_of(name), key, payload)?.0);
                }
            }
        }
        Ok(all)
    }

    pub(super) fn reader(&self) -> Option<DocumentReader<'_>> {
        match &self.documents {
            Documents::Cached(cache) => Some(cache.documents()),
            Documents::Memory | Documents::Generated(_) => None,
        }
    }

    /// The finding of a row, and the bytes its record takes.
    pub(super) fn read(
        &self,
        reader: &mut Option<DocumentReader<'_>>,
        place: &Place,
        key: u64,
        payload: u64,
    ) -> Result<(Finding, u64), StoreError> {
        let failed = |why: String| StoreError::Document { key, why };
        if in_memory(payload) {
            let record = self.kept.get(&key).ok_or_else(|| failed("it is not in memory".into()))?;
            let finding = match &self.documents {
                Documents::Cached(cache) => cache.unpack(record)?,
                Documents::Memory | Documents::Generated(_) => self.codec.open(record).map_err(failed)?,
            };
            return Ok((finding, 0));
        }
        match (&self.documents, reader) {
            (Documents::Generated(make), _) => Ok((make(payload & PLACE), 0)),
            (Documents::Cached(cache), Some(reader)) => {
                let record = reader.record(place, key, payload)?;
                Ok((cache.unpack(&record)?, record.size()))
            }
            _ => Err(failed("there is no cache".into())),
        }
    }
}
