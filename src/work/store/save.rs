//! What the store holds, brought onto the disk.

use std::sync::Arc;

use crate::cache::{Cache, Place, with_payloads};
use crate::catalog::findings::Builder;
use crate::listing::segment::Segment;
use crate::work::store::rows::{base_name, copy, fresh_name, in_memory, keys, urgent};
use crate::work::store::{Store, StoreError};

impl Store {
    /// Saves every segment that changed: when this returns without an error, all that was put is on the disk. What a full
    /// disk had kept in memory is tried again. Without a writable cache there is nothing to do.
    ///
    /// # Errors
    /// Those of the file system; what was saved before is whole, and the next call tries again.
    pub fn save(&mut self) -> Result<(), StoreError> {
        let Some(cache) = self.writable() else { return Ok(()) };
        while let Some(place) = self.behind.first().cloned() {
            let (base, fresh) = self.segments(&place);
            let mut segment = base;
            if fresh.rows() > 0 {
                let mut builder = Builder::default();
                copy(&mut builder, &segment, &|_| true);
                copy(&mut builder, &fresh, &|_| true);
                segment = Arc::new(builder.finish());
            }
            let segment = self.spill(&cache, &place, segment)?;
            let saved = cache.save(&place, &segment, urgent(&segment))?;
            self.index = self.index.with(&base_name(&place), saved);
            if fresh.rows() > 0 {
                self.index = self.index.without(&fresh_name(&place));
            }
            self.behind.remove(&place);
        }
        cache.flush()?;
        self.problem = None;
        Ok(())
    }

    /// Brings documents of a segment that are only in memory into the cache.
    fn spill(&mut self, cache: &Cache, place: &Place, segment: Arc<Segment>) -> Result<Arc<Segment>, StoreError> {
        let mut payloads: Vec<u64> = (0..segment.rows()).filter_map(|row| segment.payload(row)).collect();
        let (mut rows, mut records) = (Vec::new(), Vec::new());
        for (row, key) in keys(&segment) {
            if in_memory(payloads[row])
                && let Some(record) = self.kept.get(&key)
            {
                rows.push((row, key));
                records.push(record.clone());
            }
        }
        if rows.is_empty() {
            return Ok(segment);
        }
        for ((row, key), payload) in rows.into_iter().zip(cache.add(place, &records, 0)?) {
            payloads[row] = payload;
            self.kept.remove(&key);
        }
        let segment = Arc::new(with_payloads(&segment, payloads));
        // From here on its rows are in the cache, whether or not the columns can be saved.
        self.index = self.index.with(&base_name(place), Arc::clone(&segment)).without(&fresh_name(place));
        Ok(segment)
    }
}
