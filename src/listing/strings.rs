//! Many texts in few allocations, folded for search. It owns case folding and the arenas; it does not know columns.
//!
//! A text is kept folded to lower case, with one bit a byte for what was upper case, so that a case-insensitive search is
//! a plain scan over the arena and the original is still given back exactly. Folding never changes a length: a letter
//! whose lower case is longer, shorter or not reversible stays as it is.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem::Finder;

/// Texts a block holds; also the number of rows a query takes at a time.
pub(crate) const BLOCK: usize = 1 << 16;

/// The longest text kept, in bytes: a full block then always fits 32-bit offsets.
pub(crate) const LONGEST: usize = u16::MAX as usize;

/// The lower case of `c`, where that is one letter of the same length in UTF-8 and leads back to `c`.
pub(crate) fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(low), None) if low != c && low.len_utf8() == c.len_utf8() && raise(low) == c => low,
        _ => c,
    }
}

/// The upper case of `c`, where that is one letter of the same length in UTF-8.
fn raise(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(up), None) if up.len_utf8() == c.len_utf8() => up,
        _ => c,
    }
}

/// `text`, folded. The length in bytes stays.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(fold_char).collect() }
}

/// [`fold`] into a text that is there already, in place of what it says.
pub(crate) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(fold_char));
    }
}

/// `text` cut to [`LONGEST`] bytes at a character's edge.
pub(crate) fn clip(text: &str) -> &str {
    if text.len() <= LONGEST { text } else { &text[..text.floor_char_boundary(LONGEST)] }
}

/// Up to [`BLOCK`] texts, end to end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// All texts, folded.
    pub(crate) text: String,
    /// Where each text ends in `text`.
    pub(crate) ends: Vec<u32>,
    /// One bit for each byte of `text` whose letter was upper case; shorter than `text` when the rest has none.
    pub(crate) upper: Vec<u64>,
}

impl Block {
    fn push(&mut self, text: &str) {
        let text = clip(text);
        if !text.is_ascii() {
            return self.push_folded(text, &fold(text));
        }
        let start = self.text.len();
        self.text.push_str(text);
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.text[start..].make_ascii_lowercase();
            self.mark_ascii(start, text);
        }
        self.ends.push(self.text.len() as u32);
    }

    /// As [`Block::push`], of a text that is folded already.
    fn push_folded(&mut self, text: &str, folded: &str) {
        let start = self.text.len();
        self.text.push_str(folded);
        if text != folded {
            if text.is_ascii() {
                self.mark_ascii(start, text);
            } else {
                for ((at, c), low) in text.char_indices().zip(folded.chars()) {
                    if low != c {
                        self.mark(start + at);
                    }
                }
            }
        }
        self.ends.push(self.text.len() as u32);
    }

    /// Marks the upper case of an ASCII text that stands at `start`.
    fn mark_ascii(&mut self, start: usize, text: &str) {
        for (at, byte) in text.bytes().enumerate() {
            if byte.is_ascii_uppercase() {
                self.mark(start + at);
            }
        }
    }

    fn mark(&mut self, at: usize) {
        let word = at / 64;
        if self.upper.len() <= word {
            self.upper.resize(word + 1, 0);
        }
        self.upper[word] |= 1 << (at % 64);
    }

    fn is_upper(&self, at: usize) -> bool {
        self.upper.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn range(&self, at: usize) -> Range<usize> {
        let end = self.ends.get(at).map_or(0, |end| *end as usize);
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).map_or(end, |end| *end as usize) };
        start..end
    }

    pub(crate) fn folded(&self, at: usize) -> &str {
        self.text.get(self.range(at)).unwrap_or_default()
    }

    /// Whether the original differs from its folded form.
    pub(crate) fn has_upper(&self, at: usize) -> bool {
        let Range { start, end } = self.range(at);
        if self.upper.is_empty() || start == end {
            return false;
        }
        let (first, last) = (start / 64, (end - 1) / 64);
        (first..=last).any(|word| {
            let mut bits = self.upper.get(word).copied().unwrap_or(0);
            if word == first {
                bits &= u64::MAX << (start % 64);
            }
            if word == last {
                bits &= u64::MAX >> (63 - (end - 1) % 64);
            }
            bits != 0
        })
    }

    /// 64 case bits from byte `at` on.
    fn bits(&self, at: usize) -> u64 {
        let word = |place: usize| self.upper.get(place).copied().unwrap_or(0);
        let (place, shift) = (at / 64, at % 64);
        if shift == 0 { word(place) } else { word(place) >> shift | word(place + 1) << (64 - shift) }
    }

    /// Whether two texts of the same folded form are the same text.
    fn same_case(&self, at: usize, other: &Block, other_at: usize) -> bool {
        let (here, there) = (self.range(at), other.range(other_at));
        here.step_by(64).zip(there.clone().step_by(64)).all(|(a, b)| {
            let unused = 64 - (there.end - b).min(64);
            (self.bits(a) ^ other.bits(b)) << unused == 0
        })
    }

    fn original(&self, at: usize) -> Cow<'_, str> {
        let folded = self.folded(at);
        if !self.has_upper(at) {
            return Cow::Borrowed(folded);
        }
        let start = self.range(at).start;
        folded.char_indices().map(|(offset, c)| if self.is_upper(start + offset) { raise(c) } else { c }).collect()
    }

    /// Calls `hit` with each text that contains the finder's needle, once and in order. The needle must not be empty.
    pub(crate) fn containing(&self, finder: &Finder<'_>, mut hit: impl FnMut(usize)) {
        let (hay, length) = (self.text.as_bytes(), finder.needle().len());
        let (mut from, mut at) = (0, 0);
        while let Some(place) = hay.get(from..).and_then(|rest| finder.find(rest)) {
            let start = from + place;
            at += past(&self.ends[at..], start);
            let Some(end) = self.ends.get(at).map(|end| *end as usize) else { return };
            // One that runs over the end is no match, and no later one in the same text can fit either.
            if start + length <= end {
                hit(at);
            }
            from = end;
            at += 1;
        }
    }
}

/// How many of the sorted `ends` are at or before `place`: near ones are found in a few steps.
fn past(ends: &[u32], place: usize) -> usize {
    let before = |end: &u32| *end as usize <= place;
    let mut reach = 1;
    while reach < ends.len() && before(&ends[reach]) {
        reach *= 2;
    }
    let start = reach / 2;
    start + ends[start..ends.len().min(reach + 1)].partition_point(before)
}

/// Any number of texts, in blocks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Strings {
    pub(crate) blocks: Vec<Block>,
}

impl Strings {
    pub(crate) fn push(&mut self, text: &str) {
        self.open().push(text);
    }

    /// So many texts, none longer than [`LONGEST`], each with its folded form, in no more room than they need.
    pub(crate) fn folded_ones<'a>(count: usize, texts: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Strings {
        let mut strings = Strings { blocks: Vec::with_capacity(count.div_ceil(BLOCK)) };
        let mut left = texts;
        for first in (0..count).step_by(BLOCK) {
            let here = (count - first).min(BLOCK);
            let bytes = left.clone().take(here).map(|(_, folded)| folded.len()).sum();
            let mut block = Block { text: String::with_capacity(bytes), ends: Vec::with_capacity(here), upper: Vec::new() };
            left.by_ref().take(here).for_each(|(text, folded)| block.push_folded(text, folded));
            block.upper.shrink_to_fit();
            strings.blocks.push(block);
        }
        strings
    }

    /// The texts, in no more room than they need; these are none again, and keep their room.
    pub(crate) fn take(&mut self) -> Strings {
        let exact = Strings { blocks: self.blocks.iter().filter(|block| !block.ends.is_empty()).cloned().collect() };
        self.blocks.truncate(1);
        for block in &mut self.blocks {
            block.text.clear();
            block.ends.clear();
            block.upper.clear();
        }
        exact
    }

    /// The block that has room.
    fn open(&mut self) -> &mut Block {
        if self.blocks.last().is_none_or(|block| block.ends.len() == BLOCK) {
            if let Some(full) = self.blocks.last_mut() {
                full.text.shrink_to_fit();
            }
            self.blocks.push(Block::default());
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.ends.len()).sum()
    }

    /// The text at `at` as it was given; empty when there is none.
    pub(crate) fn get(&self, at: usize) -> Cow<'_, str> {
        self.blocks.get(at / BLOCK).map(|block| block.original(at % BLOCK)).unwrap_or_default()
    }

    pub(crate) fn folded(&self, at: usize) -> &str {
        self.blocks.get(at / BLOCK).map(|block| block.folded(at % BLOCK)).unwrap_or_default()
    }

    pub(crate) fn has_upper(&self, at: usize) -> bool {
        self.blocks.get(at / BLOCK).is_some_and(|block| block.has_upper(at % BLOCK))
    }

    /// Whether two texts of the same folded form are the same text.
    pub(crate) fn same_case(&self, at: usize, other: &Strings, other_at: usize) -> bool {
        match (self.blocks.get(at / BLOCK), other.blocks.get(other_at / BLOCK)) {
            (Some(here), Some(there)) => here.same_case(at % BLOCK, there, other_at % BLOCK),
            _ => false,
        }
    }

    /// Calls `hit` with each text that contains the finder's needle, once and in order. The needle must not be empty.
    pub(crate) fn containing(&self, finder: &Finder<'_>, mut hit: impl FnMut(usize)) {
        for (place, block) in self.blocks.iter().enumerate() {
            block.containing(finder, |at| hit(place * BLOCK + at));
        }
    }

    pub(crate) fn shrink(&mut self) {
        for block in &mut self.blocks {
            block.text.shrink_to_fit();
            block.ends.shrink_to_fit();
            block.upper.shrink_to_fit();
        }
        self.blocks.shrink_to_fit();
    }

    pub(crate) fn memory(&self) -> usize {
        let of =
            |block: &Block| size_of::<Block>() + block.text.capacity() + block.ends.capacity() * 4 + block.upper.capacity() * 8;
        self.blocks.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_length_and_gives_the_original_back() {
        let texts = ["", "Port 22", "ÉCOLE straße ẞ", "İstanbul ǅ ς Σ", "K\u{212a}", "arn:aws:iam::1:role/CI-Deploy", "日本 Ω"];
        let mut strings = Strings::default();
        texts.iter().for_each(|text| strings.push(text));
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(strings.get(at), *text);
            assert_eq!(strings.folded(at), fold(text));
            assert_eq!(fold(text).len(), text.len());
            assert_eq!(strings.has_upper(at), fold(text) != *text);
        }
    }

    #[test]
    fn every_letter_comes_back() {
        let mut strings = Strings::default();
        let all: Vec<char> = (0..=0x10_ffffu32).filter_map(char::from_u32).collect();
        for part in all.chunks(5_000) {
            strings.push(&part.iter().collect::<String>());
        }
        for (at, part) in all.chunks(5_000).enumerate() {
            assert_eq!(strings.get(at), part.iter().collect::<String>());
        }
    }

    #[test]
    fn a_match_never_runs_over_a_text_end() {
        let mut strings = Strings::default();
        ["aab", "baa", "aaaa", "", "a", "a", "a", "xaa"].iter().for_each(|text| strings.push(text));
        let mut hits = Vec::new();
        strings.containing(&Finder::new("aaa"), |at| hits.push(at));
        assert_eq!(hits, [2]);
        hits.clear();
        strings.containing(&Finder::new("a"), |at| hits.push(at));
        assert_eq!(hits, [0, 1, 2, 4, 5, 6, 7]);
    }

    #[test]
    fn past_agrees_with_a_plain_count() {
        let ends = [0, 0, 3, 3, 7, 9, 9, 20, 21, 22, 40];
        for place in 0..45 {
            assert_eq!(past(&ends, place), ends.iter().filter(|end| **end as usize <= place).count(), "{place}");
        }
        assert_eq!(past(&[], 3), 0);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "é".repeat(LONGEST);
        assert_eq!(clip(&long).len(), LONGEST - 1);
    }
}
