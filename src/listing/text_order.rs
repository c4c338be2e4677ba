//! The order of all texts of one field, as a rank for each row. It owns that sort; the columns stay as they are.
//!
//! A text is a head that ends with a separator and a tail without one (see [`split_at`](super::column::split_at)). Heads
//! are few and sorted first. Where a head starts another (`a/`, `a/b/`), all texts of the longer one lie between two
//! neighbouring tails of the shorter one, so that every row has a slot found from its head, and slots are in text order.
//! Within a slot tails are sorted seven bytes at a time.

use crate::listing::column::Column;
use crate::listing::dictionary::Dictionary;
use crate::listing::packed::Packed;
use crate::listing::strings::Strings;
use crate::listing::threads;

/// No value, among ranks.
pub(crate) const NO_RANK: u32 = u32::MAX;

/// Each row's rank among the distinct texts: by folded form, then as given.
#[derive(Debug, Default)]
pub(crate) struct TextOrder {
    /// By dense row number (a segment's base plus the row); [`NO_RANK`] where there is no value.
    pub(crate) ranks: Vec<u32>,
    /// For each rank, a (segment, row) that has it.
    pub(crate) samples: Vec<(u32, u32)>,
}

/// The parts of one segment's text column.
struct Parts<'a> {
    heads: &'a Strings,
    codes: &'a Packed,
    tails: &'a Strings,
}

#[derive(Clone, Copy, Default)]
struct Item {
    /// Seven bytes of the tail, then how many were left: 8 when more follow.
    key: u64,
    segment: u32,
    row: u32,
}

impl TextOrder {
    /// `columns` and `bases` are one a segment; `rows` is how many rows there are in all.
    pub(crate) fn new(columns: &[Option<&Column>], bases: &[u32], rows: usize) -> TextOrder {
        let parts: Vec<Option<Parts<'_>>> = columns.iter().map(|column| parts(*column)).collect();
        let none = Strings::default();
        let lists: Vec<&Strings> = parts.iter().map(|part| part.as_ref().map_or(&none, |part| part.heads)).collect();
        let merged = Dictionary::merge(&lists);
        let slots = Slots::new(&merged.values);
        let count = threads::count(rows);

        let segments: Vec<_> = parts.iter().zip(&merged.maps).enumerate().collect();
        let placed = threads::spread(count, segments, |(segment, (part, map))| {
            let Some(part) = part else { return Vec::new() };
            let place = |row: usize| {
                let head = map[part.codes.get(row)? as usize];
                let tail = part.tails.folded(row);
                let item = Item { key: key_at(tail, 0), segment: segment as u32, row: row as u32 };
                Some((slots.of(&merged.values, head as usize, tail), item))
            };
            (0..part.codes.len()).filter_map(place).collect::<Vec<(u32, Item)>>()
        });

        let mut starts = vec![0usize; slots.count + 1];
        placed.iter().flatten().for_each(|(slot, _)| starts[*slot as usize + 1] += 1);
        for slot in 0..slots.count {
            starts[slot + 1] += starts[slot];
        }
        let mut next = starts.clone();
        let mut items = vec![Item::default(); starts[slots.count]];
        for (slot, item) in placed.iter().flatten() {
            items[next[*slot as usize]] = *item;
            next[*slot as usize] += 1;
        }
        drop(placed);

        let mut fresh = vec![false; items.len()];
        let jobs = jobs(&starts, &mut items, &mut fresh, count * 8);
        threads::spread(count, jobs, |job| {
            let mut from = 0;
            for size in job.sizes {
                sort_slot(&mut job.items[from..from + size], &mut job.fresh[from..from + size], &parts);
                from += size;
            }
        });

        let mut order = TextOrder { ranks: vec![NO_RANK; rows], samples: Vec::new() };
        for (item, fresh) in items.iter().zip(&fresh) {
            if *fresh {
                order.samples.push((item.segment, item.row));
            }
            let dense = bases[item.segment as usize] + item.row;
            order.ranks[dense as usize] = order.samples.len() as u32 - 1;
        }
        order
    }

    pub(crate) fn memory(&self) -> usize {
        self.ranks.capacity() * 4 + self.samples.capacity() * 8
    }
}

fn parts(column: Option<&Column>) -> Option<Parts<'_>> {
    match column? {
        Column::Text { heads, codes, tails } => Some(Parts { heads, codes, tails }),
        _ => None,
    }
}

/// A run of whole slots.
struct Job<'a> {
    sizes: Vec<usize>,
    items: &'a mut [Item],
    fresh: &'a mut [bool],
}

/// Parts the slots into about `count` jobs of like size.
fn jobs<'a>(starts: &[usize], mut items: &'a mut [Item], mut fresh: &'a mut [bool], count: usize) -> Vec<Job<'a>> {
    let enough = items.len().div_ceil(count.max(1)).max(1);
    let (mut jobs, mut sizes, mut total) = (Vec::new(), Vec::new(), 0);
    let last = starts.len().saturating_sub(2);
    for (slot, pair) in starts.windows(2).enumerate() {
        let size = pair[1] - pair[0];
        if size > 0 {
            sizes.push(size);
            total += size;
        }
        if total >= enough || (slot == last && total > 0) {
            let (some, rest) = items.split_at_mut(total);
            let (flags, others) = fresh.split_at_mut(total);
            (items, fresh) = (rest, others);
            jobs.push(Job { sizes: std::mem::take(&mut sizes), items: some, fresh: flags });
            total = 0;
        }
    }
    jobs
}

/// Sorts rows of one slot by tail, and flags each that differs from the one before it.
fn sort_slot(items: &mut [Item], fresh: &mut [bool], parts: &[Option<Parts<'_>>]) {
    let tail = |item: &Item| parts[item.segment as usize].as_ref().map_or("", |part| part.tails.folded(item.row as usize));
    let mut runs = vec![(0, items.len(), 0)];
    if let Some(first) = fresh.first_mut() {
        *first = true;
    }
    while let Some((from, to, depth)) = runs.pop() {
        let run = &mut items[from..to];
        if depth > 0 {
            run.iter_mut().for_each(|item| item.key = key_at(tail(item), depth));
        }
        run.sort_unstable_by_key(|item| item.key);
        let mut start = 0;
        for at in 1..=run.len() {
            if at < run.len() && run[at].key == run[start].key {
                continue;
            }
            if at < run.len() {
                fresh[from + at] = true;
            }
            if at - start > 1 {
                if run[start].key & 0xff > 7 {
                    runs.push((from + start, from + at, depth + 7));
                } else {
                    sort_equal(&mut run[start..at], &mut fresh[from + start..from + at], parts);
                }
            }
            start = at;
        }
    }
}

/// Sorts rows of the same folded text by the text as given.
fn sort_equal(items: &mut [Item], fresh: &mut [bool], parts: &[Option<Parts<'_>>]) {
    let part = |item: &Item| parts[item.segment as usize].as_ref();
    let head = |part: &Parts<'_>, item: &Item| part.codes.get(item.row as usize).unwrap_or(0) as usize;
    let cased = |item: &Item| {
        part(item).is_some_and(|part| part.tails.has_upper(item.row as usize) || part.heads.has_upper(head(part, item)))
    };
    // Nearly always they are one text: no need to write them all out.
    let same = |item: &Item, other: &Item| match (part(item), part(other)) {
        (Some(a), Some(b)) => {
            a.tails.same_case(item.row as usize, b.tails, other.row as usize)
                && a.heads.same_case(head(a, item), b.heads, head(b, other))
        }
        _ => false,
    };
    if !items.iter().any(cased) || items.iter().all(|item| same(item, &items[0])) {
        return;
    }
    let given = |item: &Item| {
        part(item).map_or(String::new(), |part| [part.heads.get(head(part, item)), part.tails.get(item.row as usize)].concat())
    };
    items.sort_by_cached_key(given);
    for at in 1..items.len() {
        if given(&items[at - 1]) != given(&items[at]) {
            fresh[at] = true;
        }
    }
}

/// Seven bytes of `tail` from `depth`, and how many bytes were left there (8 for more), so that order is text order.
fn key_at(tail: &str, depth: usize) -> u64 {
    let rest = tail.as_bytes().get(depth..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*bytes) & !0xff | 8;
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes) | rest.len() as u64
}

/// The places of heads, and of the tails between longer heads.
struct Slots {
    count: usize,
    /// For each head, its first slot.
    first: Vec<u32>,
    /// For each head, the heads that continue it, and the slot after each of them.
    after: Vec<Vec<(u32, u32)>>,
}

impl Slots {
    /// `heads` sorted by folded form. Heads that differ in case only share slots.
    fn new(heads: &Strings) -> Slots {
        let mut slots = Slots { count: 0, first: vec![0; heads.len()], after: vec![Vec::new(); heads.len()] };
        let mut open: Vec<usize> = Vec::new();
        let mut same = 0;
        for head in 0..heads.len() {
            let folded = heads.folded(head);
            if head > 0 && heads.folded(same) == folded {
                slots.first[head] = slots.first[same];
                continue;
            }
            same = head;
            while open.last().is_some_and(|last| !folded.starts_with(heads.folded(*last))) {
                slots.close(&mut open);
            }
            slots.first[head] = slots.next();
            open.push(head);
        }
        while !open.is_empty() {
            slots.close(&mut open);
        }
        // The ones that share slots also share what continues them.
        for head in 1..heads.len() {
            if heads.folded(head - 1) == heads.folded(head) {
                slots.after[head] = slots.after[head - 1].clone();
            }
        }
        slots
    }

    fn next(&mut self) -> u32 {
        self.count += 1;
        self.count as u32 - 1
    }

    fn close(&mut self, open: &mut Vec<usize>) {
        let closed = open.pop();
        if let (Some(closed), Some(parent)) = (closed, open.last()) {
            let slot = self.next();
            self.after[*parent].push((closed as u32, slot));
        }
    }

    fn of(&self, heads: &Strings, head: usize, tail: &str) -> u32 {
        let after = &self.after[head];
        if after.is_empty() {
            return self.first[head];
        }
        let length = heads.folded(head).len();
        let before = after.partition_point(|(longer, _)| heads.folded(*longer as usize).get(length..).unwrap_or_default() < tail);
        if before == 0 { self.first[head] } else { after[before - 1].1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_texts_do() {
        let texts = ["", "\0", "\0\0", "a", "a\0", "abcdefg", "abcdefg\0", "abcdefgh", "abcdefghi", "b"];
        for pair in texts.windows(2) {
            assert!(key_at(pair[0], 0) <= key_at(pair[1], 0), "{pair:?}");
        }
        assert!(key_at("abcdefg", 0) < key_at("abcdefg\0", 0));
        assert_eq!(key_at("abcdefgh", 0), key_at("abcdefghi", 0));
    }
}
