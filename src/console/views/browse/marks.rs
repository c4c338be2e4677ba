//! Which rows are marked, by their keys.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Keys of marked rows. They are hashes already: a million are marked within a keystroke.
pub(super) type Marks = HashSet<u64, BuildHasherDefault<Keyed>>;

/// Takes a key for its own hash.
#[derive(Default)]
pub(super) struct Keyed(u64);

impl Hasher for Keyed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
