//! Columns of small whole numbers, as narrow as their largest. It owns widths and bitmap tests; it does not know what the
//! numbers mean. The largest number of a width stands for "no value".

/// Numbers, or nothing, one a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packed {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// Runs `$body` with `$values` bound to the column's own vector.
macro_rules! each_width {
    ($packed:expr, $values:ident => $body:expr) => {
        match $packed {
            Packed::U8($values) => $body,
            Packed::U16($values) => $body,
            Packed::U32($values) => $body,
            Packed::U64($values) => $body,
        }
    };
}

impl Packed {
    /// Packs `values`, none of which may be over `largest`; `largest` is below `u64::MAX`.
    pub(crate) fn new(largest: u64, values: impl Iterator<Item = Option<u64>>) -> Packed {
        match largest {
            0..0xff => Packed::U8(values.map(|value| value.map_or(u8::MAX, |value| value as u8)).collect()),
            0xff..0xffff => Packed::U16(values.map(|value| value.map_or(u16::MAX, |value| value as u16)).collect()),
            0xffff..0xffff_ffff => Packed::U32(values.map(|value| value.map_or(u32::MAX, |value| value as u32)).collect()),
            _ => Packed::U64(values.map(|value| value.unwrap_or(u64::MAX)).collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        each_width!(self, values => values.len())
    }

    pub(crate) fn get(&self, row: usize) -> Option<u64> {
        match self {
            Packed::U8(values) => values.get(row).filter(|value| **value != u8::MAX).map(|value| u64::from(*value)),
            Packed::U16(values) => values.get(row).filter(|value| **value != u16::MAX).map(|value| u64::from(*value)),
            Packed::U32(values) => values.get(row).filter(|value| **value != u32::MAX).map(|value| u64::from(*value)),
            Packed::U64(values) => values.get(row).filter(|value| **value != u64::MAX).copied(),
        }
    }

    /// The largest number held, "no value" left aside.
    pub(crate) fn largest(&self) -> Option<u64> {
        match self {
            Packed::U8(values) => values.iter().filter(|value| **value != u8::MAX).max().map(|value| u64::from(*value)),
            Packed::U16(values) => values.iter().filter(|value| **value != u16::MAX).max().map(|value| u64::from(*value)),
            Packed::U32(values) => values.iter().filter(|value| **value != u32::MAX).max().map(|value| u64::from(*value)),
            Packed::U64(values) => values.iter().filter(|value| **value != u64::MAX).max().copied(),
        }
    }

    pub(crate) fn memory(&self) -> usize {
        match self {
            Packed::U8(values) => values.capacity(),
            Packed::U16(values) => values.capacity() * 2,
            Packed::U32(values) => values.capacity() * 4,
            Packed::U64(values) => values.capacity() * 8,
        }
    }

    /// Sets a bit for each of `count` rows from `first` whose entry in `table` is true; the table's last entry is for rows
    /// without a value.
    pub(crate) fn look_up(&self, first: usize, count: usize, table: &[bool], bits: &mut [u64]) {
        let last = table.len().saturating_sub(1);
        let wanted = |code: usize| table.get(code.min(last)).copied().unwrap_or(false);
        match self {
            Packed::U8(values) => {
                // A full table of bytes needs no bounds check.
                let mut full = [false; 256];
                full.iter_mut().enumerate().for_each(|(code, entry)| *entry = wanted(if code == 0xff { last } else { code }));
                fill(&values[first..first + count], bits, |code| full[usize::from(code)]);
            }
            Packed::U16(values) => fill(&values[first..first + count], bits, |code| wanted(usize::from(code))),
            Packed::U32(values) => fill(&values[first..first + count], bits, |code| wanted(code as usize)),
            Packed::U64(values) => {
                fill(&values[first..first + count], bits, |code| wanted(usize::try_from(code).unwrap_or(usize::MAX)));
            }
        }
    }

    /// Sets a bit for each of `count` rows from `first` whose number lies in `low..=high`.
    pub(crate) fn between(&self, first: usize, count: usize, low: u64, high: u64, bits: &mut [u64]) {
        macro_rules! within {
            ($values:ident, $width:ty) => {{
                let top = <$width>::MAX - 1;
                let Ok(low) = <$width>::try_from(low) else { return };
                let high = <$width>::try_from(high).unwrap_or(top).min(top);
                fill(&$values[first..first + count], bits, |value| low <= value && value <= high)
            }};
        }
        match self {
            Packed::U8(values) => within!(values, u8),
            Packed::U16(values) => within!(values, u16),
            Packed::U32(values) => within!(values, u32),
            Packed::U64(values) => {
                let high = high.min(u64::MAX - 1);
                fill(&values[first..first + count], bits, |value| low <= value && value <= high);
            }
        }
    }

    /// Sets a bit for each of `count` rows from `first` that has no value.
    pub(crate) fn missing(&self, first: usize, count: usize, bits: &mut [u64]) {
        match self {
            Packed::U8(values) => fill(&values[first..first + count], bits, |value| value == u8::MAX),
            Packed::U16(values) => fill(&values[first..first + count], bits, |value| value == u16::MAX),
            Packed::U32(values) => fill(&values[first..first + count], bits, |value| value == u32::MAX),
            Packed::U64(values) => fill(&values[first..first + count], bits, |value| value == u64::MAX),
        }
    }
}

/// Sets bit n of `bits` where `wanted` holds for value n.
fn fill<T: Copy>(values: &[T], bits: &mut [u64], wanted: impl Fn(T) -> bool) {
    for (part, word) in values.chunks(64).zip(bits) {
        let mut set = 0u64;
        for (at, value) in part.iter().enumerate() {
            set |= u64::from(wanted(*value)) << at;
        }
        *word |= set;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_hold_their_largest_and_nothing() {
        for largest in [0, 0xfe, 0xff, 0xfffe, 0xffff, 0xffff_fffe, 0xffff_ffff, u64::MAX - 1] {
            let packed = Packed::new(largest, [Some(largest), None, Some(0)].into_iter());
            assert_eq!([packed.get(0), packed.get(1), packed.get(2), packed.get(3)], [Some(largest), None, Some(0), None]);
            assert_eq!(packed.largest(), Some(largest));
            let mut bits = [0];
            packed.between(0, 3, 0, u64::MAX, &mut bits);
            assert_eq!(bits, [0b101]);
            bits = [0];
            packed.missing(0, 3, &mut bits);
            assert_eq!(bits, [0b010]);
            bits = [0];
            packed.look_up(0, 3, &[false, true], &mut bits);
            assert_eq!(bits, [if largest == 0 { 0b010 } else { 0b011 }]);
        }
    }
}
