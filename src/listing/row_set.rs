//! Some rows of an index, a bit each: whether one is among a million is one look.

use crate::listing::index::{Index, RowId};

/// Some rows of one index.
#[derive(Debug, Clone)]
pub struct RowSet {
    index: Index,
    bits: Vec<u64>,
}

impl RowSet {
    /// These rows of `index`; rows of another are left out.
    pub fn of(index: &Index, rows: &[RowId]) -> RowSet {
        let mut bits = vec![0u64; index.rows().div_ceil(64)];
        for place in rows.iter().filter_map(|row| place(index, *row)) {
            bits[place / 64] |= 1 << (place % 64);
        }
        RowSet { index: index.clone(), bits }
    }

    /// Whether the row is one of them.
    pub fn contains(&self, row: RowId) -> bool {
        place(&self.index, row).is_some_and(|place| self.bits[place / 64] >> (place % 64) & 1 == 1)
    }
}

/// The row's number among all rows.
fn place(index: &Index, row: RowId) -> Option<usize> {
    let bases = index.bases();
    let (first, end) = (bases.get(row.segment as usize)?, bases.get(row.segment as usize + 1)?);
    let place = first.checked_add(row.row)?;
    (place < *end).then_some(place as usize)
}
