//! Rows in order. It owns packing what a sort compares into one number a row, and sorting those.
//!
//! A row's number is its rank in each sort field, and at the end the place of its key among all keys. So every sort is
//! total, the same on every run, and the number alone leads back to the row.

use std::borrow::Cow;

use crate::listing::column::{Column, Whole};
use crate::listing::index::{Index, Order, RowId};
use crate::listing::packed::Packed;
use crate::listing::plan::{Bits, Chunk, set_rows};
use crate::listing::schema::{FieldId, Kind};
use crate::listing::strings::Strings;
use crate::listing::text_order::NO_RANK;
use crate::listing::threads;

/// One field to sort by. Rows without a value come last in both directions. Texts and keywords go by letters in any case,
/// ranks by rank, ages youngest first, sets by their joined members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// What to sort by.
    pub field: FieldId,
    /// Highest, latest or oldest first.
    pub descending: bool,
}

/// A sort field's ranks.
struct Source<'a> {
    ranks: Ranks<'a>,
    /// The largest rank.
    span: u64,
    /// Whether the largest comes first.
    flip: bool,
}

enum Ranks<'a> {
    /// Each segment's codes, and the rank of each code.
    Codes(Vec<(&'a Packed, Cow<'a, [u32]>)>),
    /// Each segment's numbers, and the least of all.
    Whole(Vec<&'a Whole>, i64),
    /// By dense row number.
    Dense(Cow<'a, [u32]>),
}

/// A number wide enough for what is packed.
trait Packing: Copy + Ord + Send + Default {
    fn append(self, bits: u32, value: u64) -> Self;
    fn low(self, bits: u32) -> usize;
}

impl Packing for u64 {
    fn append(self, bits: u32, value: u64) -> u64 {
        self << bits | value
    }

    fn low(self, bits: u32) -> usize {
        (self & ((1 << bits) - 1)) as usize
    }
}

impl Packing for u128 {
    fn append(self, bits: u32, value: u64) -> u128 {
        self << bits | u128::from(value)
    }

    fn low(self, bits: u32) -> usize {
        (self & ((1 << bits) - 1)) as usize
    }
}

/// The rows set in `answers` (one a chunk) by `sorts`, ties by key. None when `stop` says so.
///
/// Few rows are sorted; for many, all rows are sorted once, and that order is kept and walked for each further filter.
pub(crate) fn rows(
    index: &Index,
    sorts: &[Sort],
    chunks: &[Chunk],
    answers: &[Bits],
    stop: &(impl Fn() -> bool + Sync),
) -> Option<Vec<RowId>> {
    let mut by: Vec<(FieldId, bool)> = Vec::new();
    for sort in sorts {
        // a field sorted by once decides all it can
        if by.iter().all(|(field, _)| *field != sort.field) {
            by.push((sort.field, sort.descending));
        }
    }
    let matched: usize = answers.iter().flatten().map(|word| word.count_ones() as usize).sum();
    if matched * 16 < index.rows() {
        return some_rows(index, &by, chunks, answers, stop);
    }
    let order = match index.order(&by) {
        Some(order) => order,
        None => {
            let all: Vec<Bits> = chunks.iter().map(|chunk| chunk.all()).collect();
            let rows = some_rows(index, &by, chunks, &all, stop)?;
            index.keep_order(by, rows)
        }
    };
    if matched == index.rows() {
        return Some(order.rows.clone());
    }
    Some(walk(&order, &answers.concat()))
}

/// The rows of `order` whose bits are set.
fn walk(order: &Order, bits: &[u64]) -> Vec<RowId> {
    let threads = threads::count(order.rows.len());
    let share = order.rows.len().div_ceil(threads).max(1);
    let parts = order.rows.chunks(share).zip(order.bits.chunks(share)).collect();
    let kept = threads::spread(threads, parts, |(rows, places)| {
        // Every row is written and only kept ones are counted: no branch to guess wrong.
        let mut kept = vec![RowId { segment: 0, row: 0 }; rows.len() + 1];
        let mut count = 0;
        for (id, place) in rows.iter().zip(places) {
            kept[count] = *id;
            count += (bits[*place as usize / 64] >> (place % 64) & 1) as usize;
        }
        kept.truncate(count);
        kept
    });
    kept.concat()
}

/// The rows set in `answers`, sorted.
fn some_rows(
    index: &Index,
    by: &[(FieldId, bool)],
    chunks: &[Chunk],
    answers: &[Bits],
    stop: &(impl Fn() -> bool + Sync),
) -> Option<Vec<RowId>> {
    let mut sources: Vec<Source<'_>> = Vec::new();
    for (field, descending) in by {
        sources.push(source(index, *field, *descending));
        if stop() {
            return None;
        }
    }
    let key_bits = width(index.rows() as u64);
    while sources.iter().map(Source::bits).sum::<u32>() + key_bits > u128::BITS {
        let squeezed = squeeze(index, &mut sources, chunks, answers);
        sources.insert(0, squeezed);
    }
    let ids = &index.keys().rows;
    let job = Job { index, sources, key_bits, chunks, answers };
    if stop() {
        return None;
    }
    if job.bits() > u64::BITS {
        let mut packed = job.pack::<u128>();
        if stop() {
            return None;
        }
        packed.sort_unstable();
        return Some(packed.into_iter().filter_map(|number| ids.get(number.low(key_bits)).copied()).collect());
    }
    let mut packed = job.pack::<u64>();
    if stop() {
        return None;
    }
    radix(&mut packed, job.bits());
    Some(packed.into_iter().filter_map(|number| ids.get(number.low(key_bits)).copied()).collect())
}

/// Bits that hold the numbers up to `largest`; at least one.
fn width(largest: u64) -> u32 {
    (u64::BITS - largest.leading_zeros()).max(1)
}

fn source<'a>(index: &'a Index, field: FieldId, descending: bool) -> Source<'a> {
    let kind = index.schema().get(field).kind;
    let columns = index.columns(field).into_iter().flatten();
    let (ranks, span) = match kind {
        Kind::Keyword | Kind::Set => {
            let dictionary = index.dictionary(field);
            let places = index.schema().get(field).natural.then(|| natural(&dictionary.values));
            let ranks = |map: &'a [u32]| match &places {
                Some(places) => Cow::Owned(map.iter().map(|code| places[*code as usize]).collect()),
                None => Cow::Borrowed(map),
            };
            let codes = columns.zip(&dictionary.maps).filter_map(|(column, map)| match column {
                Column::Coded { codes, .. } => Some((codes, ranks(map.as_slice()))),
                _ => None,
            });
            (Ranks::Codes(codes.collect()), dictionary.values.len().saturating_sub(1) as u64)
        }
        Kind::Rank(words) => {
            let places: Vec<u32> = (0..words.len() as u32).collect();
            let codes = columns.filter_map(|column| match column {
                Column::Rank(codes) => Some((codes, Cow::Owned(places.clone()))),
                _ => None,
            });
            (Ranks::Codes(codes.collect()), words.len().saturating_sub(1) as u64)
        }
        Kind::Text => {
            let order = index.text_order(field);
            (Ranks::Dense(Cow::Borrowed(&order.ranks)), order.samples.len().saturating_sub(1) as u64)
        }
        Kind::Number | Kind::Time | Kind::Age | Kind::Until => {
            let wholes: Vec<&Whole> = columns
                .filter_map(|column| match column {
                    Column::Whole(whole) => Some(whole),
                    _ => None,
                })
                .collect();
            let some = || wholes.iter().filter(|whole| whole.above.largest().is_some());
            let least = some().map(|whole| whole.least).min().unwrap_or(0);
            let most = some().map(|whole| whole.most).max().unwrap_or(0);
            (Ranks::Whole(wholes, least), most.wrapping_sub(least) as u64)
        }
    };
    Source { ranks, span, flip: descending != (kind == Kind::Age) }
}

/// Each text's place where runs of figures count as numbers.
fn natural(values: &Strings) -> Vec<u32> {
    let mut order: Vec<(Vec<u8>, usize)> = (0..values.len()).map(|at| (natural_key(values.folded(at)), at)).collect();
    order.sort_unstable();
    let mut places = vec![0; values.len()];
    for (place, (_, at)) in order.into_iter().enumerate() {
        places[at] = place as u32;
    }
    places
}

/// Bytes that order as the text does, each run of figures by its length first.
fn natural_key(text: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(text.len() + 8);
    let mut rest = text.as_bytes();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 0 {
            key.push(*first);
            rest = &rest[1..];
            continue;
        }
        let zeros = rest[..run].iter().take_while(|b| **b == b'0').count().min(run - 1);
        let figures = &rest[zeros..run];
        key.extend([b'0', u8::try_from(figures.len()).unwrap_or(u8::MAX)]);
        key.extend(figures);
        rest = &rest[run..];
    }
    key
}

impl Source<'_> {
    fn bits(&self) -> u32 {
        width(self.span + 1)
    }

    /// Appends each row's rank to its number.
    fn append<P: Packing>(&self, chunk: Chunk, base: usize, rows: &[u32], numbers: &mut [P]) {
        let bits = self.bits();
        let place = |rank: Option<u64>| match rank {
            None => self.span + 1,
            Some(rank) if self.flip => self.span - rank,
            Some(rank) => rank,
        };
        let rows = rows.iter().map(|row| chunk.first + *row as usize);
        match &self.ranks {
            Ranks::Codes(segments) => {
                let (codes, ranks) = &segments[chunk.segment];
                let rank = |row: usize| codes.get(row).map(|code| u64::from(ranks[code as usize]));
                numbers.iter_mut().zip(rows).for_each(|(number, row)| *number = number.append(bits, place(rank(row))));
            }
            Ranks::Whole(segments, least) => {
                let whole = segments[chunk.segment];
                let offset = whole.least.wrapping_sub(*least) as u64;
                let rank = |row: usize| whole.above.get(row).map(|above| above.wrapping_add(offset));
                numbers.iter_mut().zip(rows).for_each(|(number, row)| *number = number.append(bits, place(rank(row))));
            }
            Ranks::Dense(ranks) => {
                let rank = |row: usize| Some(ranks[base + row]).filter(|rank| *rank != NO_RANK).map(u64::from);
                numbers.iter_mut().zip(rows).for_each(|(number, row)| *number = number.append(bits, place(rank(row))));
            }
        }
    }
}

struct Job<'a> {
    index: &'a Index,
    sources: Vec<Source<'a>>,
    key_bits: u32,
    chunks: &'a [Chunk],
    answers: &'a [Bits],
}

impl Job<'_> {
    fn bits(&self) -> u32 {
        self.sources.iter().map(Source::bits).sum::<u32>() + self.key_bits
    }

    fn pack<P: Packing>(&self) -> Vec<P> {
        let keys = &self.index.keys().places;
        let jobs: Vec<_> = self.chunks.iter().zip(self.answers).collect();
        let packed = threads::spread(threads::count(self.index.rows()), jobs, |(chunk, bits)| {
            let rows: Vec<u32> = set_rows(bits).map(|row| row as u32).collect();
            let base = self.index.bases()[chunk.segment] as usize;
            let mut numbers = vec![P::default(); rows.len()];
            self.sources.iter().for_each(|source| source.append(*chunk, base, &rows, &mut numbers));
            for (number, row) in numbers.iter_mut().zip(&rows) {
                *number = number.append(self.key_bits, u64::from(keys[base + chunk.first + *row as usize]));
            }
            numbers
        });
        packed.concat()
    }
}

/// Takes as many sources off the front as fit one number, and gives one that ranks alike. At least two fit.
fn squeeze<'a>(index: &Index, sources: &mut Vec<Source<'a>>, chunks: &[Chunk], answers: &[Bits]) -> Source<'a> {
    let mut bits = 0;
    let fits = |source: &&Source<'_>| {
        bits += source.bits();
        bits <= u128::BITS
    };
    let count = sources.iter().take_while(fits).count();
    let taken: Vec<Source<'a>> = sources.drain(..count).collect();
    let mut numbers: Vec<(u128, usize)> = Vec::new();
    for (chunk, bits) in chunks.iter().zip(answers) {
        let rows: Vec<u32> = set_rows(bits).map(|row| row as u32).collect();
        let base = index.bases()[chunk.segment] as usize;
        let mut some = vec![0u128; rows.len()];
        taken.iter().for_each(|source| source.append(*chunk, base, &rows, &mut some));
        numbers.extend(some.into_iter().zip(rows.iter().map(|row| base + chunk.first + *row as usize)));
    }
    numbers.sort_unstable();
    let mut ranks = vec![NO_RANK; index.rows()];
    let (mut rank, mut last) = (0u32, None);
    for (number, row) in numbers {
        rank += u32::from(last.is_some_and(|last| last != number));
        last = Some(number);
        ranks[row] = rank;
    }
    Source { ranks: Ranks::Dense(Cow::Owned(ranks)), span: u64::from(rank), flip: false }
}

/// Sorts numbers of `bits` bits, least digit first.
fn radix(numbers: &mut Vec<u64>, bits: u32) {
    const DIGIT: u32 = 11;
    const SIZE: usize = 1 << DIGIT;
    if numbers.len() < 4 * SIZE {
        numbers.sort_unstable();
        return;
    }
    let mut other = vec![0u64; numbers.len()];
    for shift in (0..bits).step_by(DIGIT as usize) {
        let digit = |number: u64| (number >> shift) as usize & (SIZE - 1);
        let mut starts = [0usize; SIZE];
        numbers.iter().for_each(|number| starts[digit(*number)] += 1);
        if starts.contains(&numbers.len()) {
            continue;
        }
        let mut total = 0;
        for start in &mut starts {
            total += std::mem::replace(start, total);
        }
        for number in numbers.iter() {
            let place = &mut starts[digit(*number)];
            other[*place] = *number;
            *place += 1;
        }
        std::mem::swap(numbers, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_as_numbers() {
        let sorted =
            ["", "10.0.0.9", "10.0.0.10", "10.0.2.1", "10.0.10.1", "10.0.10.01a", "tcp 22", "tcp 443", "tcp 8080", "udp 53"];
        for pair in sorted.windows(2) {
            assert!(natural_key(pair[0]) < natural_key(pair[1]), "{pair:?}");
        }
        assert_eq!(natural_key("a007"), natural_key("a7"));
        assert!(natural_key("0") < natural_key("00001"));
    }

    #[test]
    fn radix_sorts() {
        for bits in [1, 11, 12, 40, 64] {
            let mut state = 7u64;
            let mut numbers: Vec<u64> = (0..20_000)
                .map(|_| {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    (state ^ state >> 29) >> (64 - bits)
                })
                .collect();
            let mut expected = numbers.clone();
            expected.sort_unstable();
            radix(&mut numbers, bits);
            assert_eq!(numbers, expected, "{bits} bits");
        }
    }
}
