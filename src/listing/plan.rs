//! A filter made ready for one index, and its answer a block of rows at a time. It owns speed: each test is decided once
//! per distinct value, the cheap parts of an `and` go first, and the costly ones see only the rows that are left.

use std::sync::OnceLock;

use memchr::memmem::Finder;

use crate::listing::column::{Column, MEMBER, Whole, split_at};
use crate::listing::dictionary::Dictionary;
use crate::listing::expr::{Filter, Node, Term};
use crate::listing::index::Index;
use crate::listing::packed::Packed;
use crate::listing::schema::{FieldId, Kind};
use crate::listing::strings::{BLOCK, Strings, fold};
use crate::listing::value::{Fuzzy, Test, TextTest};

/// Up to [`BLOCK`] rows of one segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) segment: usize,
    pub(crate) block: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Chunk {
    /// A bit for each row.
    pub(crate) fn all(self) -> Bits {
        let mut bits = vec![0; self.count.div_ceil(64)];
        fill(&mut bits, self.count);
        bits
    }
}

/// The rows of `index` in chunks, in order.
pub(crate) fn chunks(index: &Index) -> Vec<Chunk> {
    let of = |(segment, rows): (usize, usize)| {
        (0..rows.div_ceil(BLOCK)).map(move |block| {
            let first = block * BLOCK;
            Chunk { segment, block, first, count: (rows - first).min(BLOCK) }
        })
    };
    index.segments().map(|(_, segment)| segment.rows()).enumerate().flat_map(of).collect()
}

/// One bit a row of a chunk.
pub(crate) type Bits = Vec<u64>;

/// The rows whose bits are set.
pub(crate) fn set_rows(bits: &[u64]) -> impl Iterator<Item = usize> {
    bits.iter().enumerate().flat_map(|(place, word)| {
        let mut word = *word;
        std::iter::from_fn(move || {
            (word != 0).then(|| {
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                place * 64 + bit
            })
        })
    })
}

pub(crate) struct Plan<'a> {
    root: Step<'a>,
}

enum Step<'a> {
    All(Vec<Step<'a>>),
    Any(Vec<Step<'a>>),
    Not(Box<Step<'a>>),
    /// Codes whose entry in the segment's table is true.
    Codes(Vec<(&'a Packed, Table)>),
    /// Whole numbers in a range.
    Within(Vec<&'a Whole>, i64, i64),
    /// Rows without a value.
    Missing(Vec<&'a Packed>),
    Look(Box<Look<'a>>),
}

/// Which codes match in one segment; the last entry is for rows without a value.
enum Table {
    None,
    All,
    Some(Vec<bool>),
}

impl Table {
    fn new(entries: Vec<bool>) -> Table {
        match (entries.contains(&true), entries.contains(&false)) {
            (false, _) => Table::None,
            (_, false) => Table::All,
            _ => Table::Some(entries),
        }
    }

    fn mark(&self, codes: &Packed, chunk: Chunk, bits: &mut [u64]) {
        match self {
            Table::None => {}
            Table::All => fill(bits, chunk.count),
            Table::Some(table) => codes.look_up(chunk.first, chunk.count, table, bits),
        }
    }
}

fn fill(bits: &mut [u64], count: usize) {
    bits.fill(u64::MAX);
    if let Some(last) = bits.last_mut().filter(|_| !count.is_multiple_of(64)) {
        *last = (1 << (count % 64)) - 1;
    }
}

/// A look for a text in a Text field. The tail of a text has no separator, so a needle with one can only lie in the head,
/// or end the head with its own head and begin the tail with its own tail.
struct Look<'a> {
    columns: Vec<&'a Column>,
    /// Finds the folded needle; empty when every row with a value is a candidate.
    finder: Finder<'static>,
    /// Where the needle's own tail starts; 0 when it has no separator.
    cut: usize,
    /// For each segment, which heads contain the needle, and which end with the needle's head.
    heads: Vec<OnceLock<(Table, Table)>>,
    /// What a candidate must pass, when containing the needle is not all.
    verify: Option<TextTest>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(index: &'a Index, filter: &Filter, now: i64) -> Plan<'a> {
        Plan { root: step(index, &filter.root, now) }
    }

    /// Whether every row passes.
    pub(crate) fn is_all(&self) -> bool {
        matches!(&self.root, Step::All(steps) if steps.is_empty())
    }

    /// The rows of `chunk` that pass.
    pub(crate) fn rows(&self, chunk: Chunk) -> Bits {
        if self.is_all() { chunk.all() } else { self.root.rows(chunk, &chunk.all()) }
    }
}

impl Step<'_> {
    /// The rows of `chunk` that pass, among those in `mask`.
    fn rows(&self, chunk: Chunk, mask: &[u64]) -> Bits {
        let mut bits = vec![0; mask.len()];
        match self {
            Step::All(steps) => {
                bits.copy_from_slice(mask);
                for step in steps {
                    if bits.iter().all(|word| *word == 0) {
                        break;
                    }
                    bits = step.rows(chunk, &bits);
                }
                return bits;
            }
            Step::Any(steps) => {
                let mut left = mask.to_vec();
                for step in steps {
                    let passed = step.rows(chunk, &left);
                    for ((found, left), set) in bits.iter_mut().zip(&mut left).zip(passed) {
                        *found |= set;
                        *left &= !set;
                    }
                    if left.iter().all(|word| *word == 0) {
                        break;
                    }
                }
                return bits;
            }
            Step::Not(step) => {
                bits = step.rows(chunk, mask);
                bits.iter_mut().for_each(|word| *word = !*word);
            }
            Step::Codes(segments) => {
                let (codes, table) = &segments[chunk.segment];
                table.mark(codes, chunk, &mut bits);
            }
            Step::Within(segments, low, high) => {
                let whole = segments[chunk.segment];
                if *low <= whole.most && whole.least <= *high {
                    let above = |number: i64| number.wrapping_sub(whole.least) as u64;
                    let high = if *high >= whole.most { u64::MAX } else { above(*high) };
                    whole.above.between(chunk.first, chunk.count, above(whole.least.max(*low)), high, &mut bits);
                }
            }
            Step::Missing(segments) => segments[chunk.segment].missing(chunk.first, chunk.count, &mut bits),
            Step::Look(look) => look.rows(chunk, mask, &mut bits),
        }
        bits.iter_mut().zip(mask).for_each(|(word, mask)| *word &= mask);
        bits
    }

    /// How dear a step is, for the order in an `and` or `or`.
    fn cost(&self) -> usize {
        match self {
            Step::Codes(_) | Step::Within(..) | Step::Missing(_) => 1,
            Step::All(steps) | Step::Any(steps) => steps.iter().map(Step::cost).sum(),
            Step::Not(step) => step.cost(),
            Step::Look(look) => {
                if look.verify.is_some() {
                    60
                } else {
                    40
                }
            }
        }
    }
}

impl Look<'_> {
    fn rows(&self, chunk: Chunk, mask: &[u64], bits: &mut [u64]) {
        let Column::Text { heads, codes, tails } = self.columns[chunk.segment] else { return };
        let needle = self.finder.needle();
        if needle.is_empty() {
            codes.missing(chunk.first, chunk.count, bits);
            bits.iter_mut().for_each(|word| *word = !*word);
        } else {
            let (containing, ending) = self.heads[chunk.segment].get_or_init(|| self.decide(heads));
            containing.mark(codes, chunk, bits);
            let tail = |row: usize| tails.folded(chunk.first + row).as_bytes();
            let open = |bits: &[u64]| -> Bits { mask.iter().zip(bits).map(|(mask, found)| mask & !found).collect() };
            if self.cut > 0 {
                let mut ends = vec![0; bits.len()];
                ending.mark(codes, chunk, &mut ends);
                let open = open(bits);
                ends.iter_mut().zip(&open).for_each(|(word, open)| *word &= open);
                let rest = &needle[self.cut..];
                set_rows(&ends).filter(|row| tail(*row).starts_with(rest)).for_each(|row| bits[row / 64] |= 1 << (row % 64));
            } else {
                let open = open(bits);
                let left: usize = open.iter().map(|word| word.count_ones() as usize).sum();
                if left * 16 < chunk.count {
                    set_rows(&open)
                        .filter(|row| self.finder.find(tail(*row)).is_some())
                        .for_each(|row| bits[row / 64] |= 1 << (row % 64));
                } else if let Some(block) = tails.blocks.get(chunk.block) {
                    block.containing(&self.finder, |row| bits[row / 64] |= 1 << (row % 64));
                }
            }
        }
        if let Some(test) = &self.verify {
            let mut text = String::new();
            let candidates: Bits = bits.iter().zip(mask).map(|(found, mask)| found & mask).collect();
            bits.fill(0);
            let passes = |row: usize| match test {
                TextTest::Whole(whole) => self.columns[chunk.segment].text(row).is_some_and(|text| text == *whole),
                test => codes.get(row).is_some_and(|code| {
                    text.clear();
                    text.push_str(heads.folded(code as usize));
                    text.push_str(tails.folded(row));
                    test.accepts(&text, &text)
                }),
            };
            let mut passes = passes;
            for row in set_rows(&candidates).filter(|row| passes(chunk.first + row)) {
                bits[row / 64] |= 1 << (row % 64);
            }
        }
    }

    fn decide(&self, heads: &Strings) -> (Table, Table) {
        let (mut containing, mut ending) = (vec![false; heads.len() + 1], vec![false; heads.len() + 1]);
        heads.containing(&self.finder, |at| containing[at] = true);
        let head = &self.finder.needle()[..self.cut];
        if self.cut > 0 && self.cut < self.finder.needle().len() {
            for (at, entry) in ending.iter_mut().enumerate().take(heads.len()) {
                *entry = heads.folded(at).as_bytes().ends_with(head);
            }
        }
        (Table::new(containing), Table::new(ending))
    }
}

fn step<'a>(index: &'a Index, node: &Node, now: i64) -> Step<'a> {
    match node {
        Node::And(nodes) => Step::All(in_order(nodes.iter().map(|node| step(index, node, now)).collect())),
        Node::Or(nodes) => any(nodes.iter().map(|node| step(index, node, now)).collect()),
        Node::Not(node) => Step::Not(Box::new(step(index, node, now))),
        Node::Phrase(phrase) => words(index, &TextTest::Contains(fold(phrase)), None),
        Node::Word(word) => words(index, &TextTest::word(word), Fuzzy::new(word)),
        Node::Term(term) => field_step(index, term, now),
    }
}

fn in_order(mut steps: Vec<Step<'_>>) -> Vec<Step<'_>> {
    steps.sort_by_key(Step::cost);
    steps
}

fn any(mut steps: Vec<Step<'_>>) -> Step<'_> {
    match (steps.len(), steps.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            steps.extend(last);
            Step::Any(in_order(steps))
        }
    }
}

/// A free word or phrase over all searched fields.
fn words<'a>(index: &'a Index, test: &TextTest, mut fuzzy: Option<Fuzzy>) -> Step<'a> {
    let searched = index.schema().iter().filter(|(_, field)| field.search);
    let step = |(id, kind): (FieldId, Kind)| match kind {
        Kind::Keyword | Kind::Set => {
            let dictionary = index.dictionary(id);
            let mut wanted = decide(dictionary, kind, test);
            if let Some(fuzzy) = fuzzy.as_mut().filter(|_| kind == Kind::Keyword) {
                for (at, wanted) in wanted.iter_mut().enumerate() {
                    *wanted = *wanted || fuzzy.accepts(dictionary.values.folded(at));
                }
            }
            Some(codes(index, id, dictionary, &wanted, false))
        }
        Kind::Rank(words) => {
            let mut table: Vec<bool> = words.iter().map(|word| test.accepts(&fold(word), word)).collect();
            table.push(false);
            Some(ranks(index, id, &table))
        }
        Kind::Text => Some(look(index, id, test)),
        Kind::Number | Kind::Time | Kind::Age | Kind::Until => None,
    };
    any(searched.map(|(id, field)| (id, field.kind)).filter_map(step).collect())
}

fn field_step<'a>(index: &'a Index, term: &Term, now: i64) -> Step<'a> {
    let field = term.field;
    let kind = index.schema().get(field).kind;
    let missing = term.tests.contains(&Test::Missing);
    match kind {
        Kind::Keyword | Kind::Set => {
            let dictionary = index.dictionary(field);
            let mut wanted = vec![false; dictionary.values.len()];
            for test in &term.tests {
                if let Test::Text(test) = test {
                    wanted.iter_mut().zip(decide(dictionary, kind, test)).for_each(|(wanted, new)| *wanted |= new);
                }
            }
            codes(index, field, dictionary, &wanted, missing)
        }
        Kind::Rank(words) => {
            let hit = |place: usize| {
                term.tests.iter().any(|test| matches!(test, Test::Ranks(places) if places.contains(&(place as u8))))
            };
            let mut table: Vec<bool> = (0..words.len()).map(hit).collect();
            table.push(missing);
            ranks(index, field, &table)
        }
        Kind::Text | Kind::Number | Kind::Time | Kind::Age | Kind::Until => any(term
            .tests
            .iter()
            .map(|test| match test {
                Test::Missing => missing_step(index, field),
                Test::Text(test) => look(index, field, test),
                Test::Between(range) => within(index, field, *range.start(), *range.end()),
                // An age in first..=last is an instant in now-last..=now-first. The ends are kept when they leave i64.
                Test::Aged(range) => {
                    let (first, last) = (*range.start(), *range.end());
                    let high = if first == i64::MIN { i64::MAX } else { now.saturating_sub(first) };
                    let low = if last == i64::MAX { i64::MIN } else { now.saturating_sub(last) };
                    if first > last { within(index, field, 1, 0) } else { within(index, field, low, high) }
                }
                Test::Ranks(_) => Step::Any(Vec::new()),
            })
            .collect()),
    }
}

fn within(index: &Index, field: FieldId, low: i64, high: i64) -> Step<'_> {
    let wholes = index.columns(field).into_iter().filter_map(|column| match column {
        Some(Column::Whole(whole)) => Some(whole),
        _ => None,
    });
    if low > high { Step::Any(Vec::new()) } else { Step::Within(wholes.collect(), low, high) }
}

fn missing_step(index: &Index, field: FieldId) -> Step<'_> {
    Step::Missing(index.columns(field).into_iter().flatten().map(packed).collect())
}

fn packed(column: &Column) -> &Packed {
    match column {
        Column::Coded { codes, .. } | Column::Text { codes, .. } | Column::Rank(codes) => codes,
        Column::Whole(whole) => &whole.above,
    }
}

fn ranks<'a>(index: &'a Index, field: FieldId, table: &[bool]) -> Step<'a> {
    let columns = index.columns(field).into_iter().flatten();
    Step::Codes(columns.map(|column| (packed(column), Table::new(table.to_vec()))).collect())
}

/// A step over codes, from which distinct values are `wanted`.
fn codes<'a>(index: &'a Index, field: FieldId, dictionary: &Dictionary, wanted: &[bool], missing: bool) -> Step<'a> {
    let columns = index.columns(field).into_iter().flatten();
    let table = |map: &Vec<u32>| {
        let entries = map.iter().map(|place| wanted[*place as usize]).chain([missing]);
        Table::new(entries.collect())
    };
    Step::Codes(columns.zip(&dictionary.maps).map(|(column, map)| (packed(column), table(map))).collect())
}

/// Which distinct values pass.
fn decide(dictionary: &Dictionary, kind: Kind, test: &TextTest) -> Vec<bool> {
    let values = &dictionary.values;
    let mut wanted = vec![false; values.len()];
    match test {
        TextTest::Contains(part) if kind == Kind::Keyword => {
            values.containing(&Finder::new(part), |at| wanted[at] = true);
        }
        TextTest::Whole(whole) => {
            let folded = fold(whole);
            for (at, wanted) in wanted.iter_mut().enumerate() {
                *wanted = match kind {
                    Kind::Set => values.get(at).split(MEMBER).any(|member| member == whole),
                    _ => values.folded(at) == folded && values.get(at) == *whole,
                };
            }
        }
        test => {
            for (at, wanted) in wanted.iter_mut().enumerate() {
                let folded = values.folded(at);
                *wanted = match kind {
                    Kind::Set => folded.split(MEMBER).any(|member| test.accepts(member, member)),
                    _ => test.accepts(folded, folded),
                };
            }
        }
    }
    wanted
}

fn look<'a>(index: &'a Index, field: FieldId, test: &TextTest) -> Step<'a> {
    let columns: Vec<&Column> = index.columns(field).into_iter().flatten().collect();
    let needle = match test {
        TextTest::Contains(part) => part.clone(),
        TextTest::Whole(whole) => fold(whole),
        TextTest::Wild(wildcard) => wildcard.longest_literal().to_owned(),
    };
    let verify = (!matches!(test, TextTest::Contains(_))).then(|| test.clone());
    let heads = columns.iter().map(|_| OnceLock::new()).collect();
    let cut = split_at(&needle);
    Step::Look(Box::new(Look { columns, finder: Finder::new(&needle).into_owned(), cut, heads, verify }))
}
