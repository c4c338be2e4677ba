//! Distinct texts and their codes, while columns are built. It owns finding a text again and the order of values in a
//! finished column; what a code stands for in a row is the builder's.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use crate::listing::packed::Packed;
use crate::listing::strings::{Strings, clip, fold_into};

/// Distinct texts with their codes, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// All texts, end to end.
    text: String,
    /// Where each ends in `text`.
    ends: Vec<usize>,
    /// A text's hash above its code, where the hash leads or, where that is taken, in the next free place. A power of two of
    /// them, never more than half taken.
    slots: Vec<u64>,
    /// Room for the next `slots`.
    spare: Vec<u64>,
    /// The code given last: rows that follow each other mostly say the same.
    last: Option<u32>,
    sorting: Sorting,
}

/// Room to sort values in, kept from one column to the next.
#[derive(Debug, Default)]
struct Sorting {
    folded: String,
    order: Vec<u32>,
    places: Vec<u32>,
}

/// A place without a text: no code is as large.
const FREE: u64 = u64::MAX;

impl Interner {
    /// The code of a text, a new one for a new text.
    pub(super) fn code(&mut self, text: &str) -> u32 {
        let text = clip(text);
        if let Some(last) = self.last
            && self.get(last as usize) == text
        {
            return last;
        }
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash(text.as_bytes());
        let mut at = self.home(hash);
        let code = loop {
            let slot = self.slots[at];
            if slot == FREE {
                let code = self.ends.len() as u32;
                self.slots[at] = hash << 32 | u64::from(code);
                self.text.push_str(text);
                self.ends.push(self.text.len());
                break code;
            }
            if slot >> 32 == hash && self.get(slot as u32 as usize) == text {
                break slot as u32;
            }
            at = (at + 1) & (self.slots.len() - 1);
        };
        self.last = Some(code);
        code
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, code: usize) -> &str {
        &self.text[self.range(code)]
    }

    fn range(&self, code: usize) -> Range<usize> {
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        start..self.ends[code]
    }

    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        std::mem::swap(&mut self.slots, &mut self.spare);
        self.slots.clear();
        self.slots.resize((self.spare.len() * 2).max(16), FREE);
        for slot in self.spare.iter().copied().filter(|slot| *slot != FREE) {
            let mut at = self.home(slot >> 32);
            while self.slots[at] != FREE {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = slot;
        }
    }

    /// The texts in order, and the rows' codes as places in it: merging and sorting many segments then finds sorted runs.
    /// The interner is empty again, and keeps its room.
    pub(super) fn take(&mut self, codes: &[u32]) -> (Strings, Packed) {
        let mut sorting = std::mem::take(&mut self.sorting);
        let Sorting { folded: all, order, places } = &mut sorting;
        // Folding keeps the length, so that a text stands in the same place of both.
        fold_into(&self.text, all);
        let folded = |code: u32| &all[self.range(code as usize)];
        let original = |code: u32| self.get(code as usize);
        order.clear();
        order.extend(0..self.len() as u32);
        order.sort_unstable_by(|a, b| folded(*a).cmp(folded(*b)).then_with(|| original(*a).cmp(original(*b))));
        places.clear();
        places.resize(order.len(), 0);
        for (place, code) in (0u32..).zip(order.iter()) {
            places[*code as usize] = place;
        }
        let values = Strings::folded_ones(self.len(), order.iter().map(|code| (original(*code), folded(*code))));
        let largest = places.len().saturating_sub(1) as u64;
        let codes = Packed::new(largest, codes.iter().map(|code| places.get(*code as usize).copied().map(u64::from)));
        self.sorting = sorting;
        self.text.clear();
        self.ends.clear();
        self.slots.clear();
        self.spare.clear();
        self.last = None;
        (values, codes)
    }
}

/// 32 bits of a text. Texts come from outside: with a seed of each process nobody can choose those that collide.
fn hash(bytes: &[u8]) -> u64 {
    static SEED: LazyLock<[u64; 2]> = LazyLock::new(|| {
        let state = RandomState::new();
        [state.hash_one(1), state.hash_one(2) | 1]
    });
    let [mut state, key] = *SEED;
    let mix = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word), key);
    }
    let rest = rest.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    state = mix(state ^ rest, key);
    mix(state ^ bytes.len() as u64, key) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_code_however_many_there_are() {
        let mut interner = Interner::default();
        let texts: Vec<String> = (0..5_000).map(|n| format!("{}arn:aws:{n}", if n % 2 == 0 { "É" } else { "" })).collect();
        let codes: Vec<u32> = texts.iter().map(|text| interner.code(text)).collect();
        assert_eq!(codes, (0..5_000).collect::<Vec<u32>>());
        assert_eq!(texts.iter().map(|text| interner.code(text)).collect::<Vec<u32>>(), codes);
        assert_eq!(interner.code(""), 5_000);
        assert_eq!((interner.code(""), interner.code(&texts[7])), (5_000, 7));
        assert_eq!(interner.len(), 5_001);
    }

    #[test]
    fn values_stand_in_order_of_their_folded_form_and_give_the_originals_back() {
        let mut interner = Interner::default();
        let texts = ["b", "Éa", "B", "ab", "", "éa", "AB", "b", "\u{212a}"];
        let codes: Vec<u32> = texts.iter().map(|text| interner.code(text)).collect();
        let (values, packed) = interner.take(&codes);
        let all: Vec<_> = (0..values.len()).map(|at| values.get(at).into_owned()).collect();
        assert_eq!(all, ["", "AB", "ab", "B", "b", "Éa", "éa", "\u{212a}"]);
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(values.get(packed.get(row).unwrap() as usize), *text);
        }
        // It is as good as new.
        assert_eq!((interner.code("b"), interner.code("c"), interner.code("b")), (0, 1, 0));
        assert_eq!(interner.take(&[1, 0]).0.get(0), "b");
    }

    #[test]
    fn short_and_long_texts_hash_apart() {
        let hashes: std::collections::HashSet<u64> =
            (0..64).map(|n| "a".repeat(n)).chain((0..64).map(|n| "\0".repeat(n))).map(|t| hash(t.as_bytes())).collect();
        assert!(hashes.len() >= 126, "{}", hashes.len());
        assert!(hashes.iter().all(|hash| hash >> 32 == 0));
    }
}
