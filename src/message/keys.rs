//! Which findings something is to be done with, by their rows' keys. A million rows that are marked at one stroke are told by
//! the rows themselves; their keys are looked up where they are needed, which is not on the screen's thread.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::listing::index::Index;
use crate::listing::query::Rows;

/// Keys of findings. Cheap to clone; those of an answer's rows are looked up at the first look at them.
#[derive(Debug, Clone, Default)]
pub struct Keys(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    keys: OnceLock<Vec<u64>>,
    of: Option<(Index, Arc<Rows>)>,
}

impl Keys {
    /// Those of all rows of an answer, in their order.
    pub fn of(index: &Index, rows: &Arc<Rows>) -> Self {
        Self(Arc::new(Held { keys: OnceLock::new(), of: Some((index.clone(), Arc::clone(rows))) }))
    }

    /// How many there are, without a look at them.
    pub fn count(&self) -> usize {
        match (self.0.keys.get(), &self.0.of) {
            (Some(keys), _) => keys.len(),
            (None, Some((_, rows))) => rows.ids.len(),
            (None, None) => 0,
        }
    }
}

impl Deref for Keys {
    type Target = [u64];
    fn deref(&self) -> &[u64] {
        self.0.keys.get_or_init(|| match &self.0.of {
            Some((index, rows)) => rows.ids.iter().filter_map(|row| index.key(*row)).collect(),
            None => Vec::new(),
        })
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Keys {}

impl From<Vec<u64>> for Keys {
    fn from(keys: Vec<u64>) -> Self {
        Self(Arc::new(Held { keys: OnceLock::from(keys), of: None }))
    }
}

impl<const N: usize> From<[u64; N]> for Keys {
    fn from(keys: [u64; N]) -> Self {
        Self::from(keys.to_vec())
    }
}
