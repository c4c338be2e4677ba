//! One field's values in one segment. It owns how each kind is laid out; reading bytes and building are elsewhere.

use std::borrow::Cow;

use crate::listing::packed::Packed;
use crate::listing::strings::Strings;

/// Parts the members of a set; cannot be part of one.
pub(crate) const MEMBER: char = '\u{1f}';

/// One field's values, one a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// Keyword, Set (a value is its members joined by [`MEMBER`]): each distinct value once, codes into them.
    Coded { values: Strings, codes: Packed },
    /// Rank: the word's place.
    Rank(Packed),
    /// Text: the part up to the last separator once for all rows that share it, the rest in row order.
    Text { heads: Strings, codes: Packed, tails: Strings },
    /// Number, Time, Age: `least` plus a packed rest.
    Whole(Whole),
}

/// Whole numbers above the least of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) least: i64,
    /// The largest number held, or `least` when none is.
    pub(crate) most: i64,
    pub(crate) above: Packed,
}

impl Whole {
    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        self.above.get(row).map(|above| self.least.wrapping_add_unsigned(above))
    }
}

/// Where a text is split: after its last separator. The tail holds none, which is what makes searching across the split cheap.
pub(crate) fn split_at(text: &str) -> usize {
    memchr::memrchr2(b'/', b':', text.as_bytes()).map_or(0, |at| at + 1)
}

impl Column {
    /// The text of a Keyword, Set or Text row.
    pub(crate) fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Column::Coded { values, codes } => codes.get(row).map(|code| values.get(code as usize)),
            Column::Text { heads, codes, tails } => {
                let head = heads.get(codes.get(row)? as usize);
                let tail = tails.get(row);
                Some(match (head.is_empty(), tail.is_empty()) {
                    (true, _) => tail,
                    (_, true) => head,
                    _ => Cow::Owned([head, tail].concat()),
                })
            }
            Column::Rank(_) | Column::Whole(_) => None,
        }
    }

    pub(crate) fn memory(&self) -> usize {
        match self {
            Column::Coded { values, codes } => values.memory() + codes.memory(),
            Column::Rank(codes) => codes.memory(),
            Column::Text { heads, codes, tails } => heads.memory() + codes.memory() + tails.memory(),
            Column::Whole(whole) => whole.above.memory(),
        }
    }
}
