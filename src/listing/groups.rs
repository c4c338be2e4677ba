//! Rows by value: how many matched of how many. It owns counting; which rows match is decided before.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::listing::column::{Column, MEMBER};
use crate::listing::dictionary::Dictionary;
use crate::listing::index::Index;
use crate::listing::plan::{Bits, Chunk, set_rows};
use crate::listing::schema::{FieldId, Kind};
use crate::listing::strings::Strings;
use crate::listing::text_order::{NO_RANK, TextOrder};

/// How to group rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupBy {
    /// The field whose values make the groups. A row of a set is in the group of each member; instants group by day (UTC).
    pub field: FieldId,
    /// A Time or Age field whose earliest instant among the matched rows is wanted.
    pub oldest: Option<FieldId>,
    /// A Rank field whose highest place among the matched rows is wanted.
    pub worst: Option<FieldId>,
}

/// The rows of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The value: a text, a rank's word, a number in decimal, a day as `2026-01-31`. Empty for rows without one.
    pub value: String,
    /// How many rows pass the filter; at least one.
    pub matched: usize,
    /// How many rows of the whole index have the value.
    pub total: usize,
    /// The earliest instant asked for, in unix seconds.
    pub oldest: Option<i64>,
    /// The highest rank asked for.
    pub worst: Option<u8>,
}

#[derive(Debug, Default, Clone)]
struct Tally {
    matched: usize,
    total: usize,
    oldest: Option<i64>,
    worst: Option<u8>,
}

/// Groups that have matched rows: worst first, then most matched, then in the field's own order, without a value last.
pub(crate) fn groups(index: &Index, by: GroupBy, chunks: &[Chunk], answers: &[Bits]) -> Vec<Group> {
    let buckets = Buckets::new(index, by.field);
    let mut tallies = vec![Tally::default(); buckets.count];
    for chunk in chunks {
        for row in chunk.first..chunk.first + chunk.count {
            buckets.each(index, chunk.segment, row, |bucket| tallies[bucket].total += 1);
        }
    }
    let oldest = by.oldest.map(|field| index.columns(field));
    let worst = by.worst.map(|field| index.columns(field));
    for (chunk, bits) in chunks.iter().zip(answers) {
        let instants = oldest.as_ref().and_then(|columns| match columns[chunk.segment] {
            Some(Column::Whole(whole)) => Some(whole),
            _ => None,
        });
        let ranks = worst.as_ref().and_then(|columns| match columns[chunk.segment] {
            Some(Column::Rank(ranks)) => Some(ranks),
            _ => None,
        });
        for row in set_rows(bits).map(|row| chunk.first + row) {
            let instant = instants.and_then(|whole| whole.get(row));
            let rank = ranks.and_then(|ranks| ranks.get(row)).map(|rank| rank as u8);
            buckets.each(index, chunk.segment, row, |bucket| {
                let tally = &mut tallies[bucket];
                tally.matched += 1;
                tally.worst = tally.worst.max(rank);
                tally.oldest = match (tally.oldest, instant) {
                    (Some(known), Some(new)) => Some(known.min(new)),
                    (known, new) => known.or(new),
                };
            });
        }
    }
    let mut kept: Vec<(usize, Tally)> = tallies.into_iter().enumerate().filter(|(_, tally)| tally.matched > 0).collect();
    // Buckets are in the order of their values already, and this sort keeps it.
    kept.sort_by_key(|(_, tally)| Reverse((tally.worst, tally.matched)));
    let named = |(bucket, tally): (usize, Tally)| Group {
        value: buckets.name(bucket),
        matched: tally.matched,
        total: tally.total,
        oldest: tally.oldest,
        worst: tally.worst,
    };
    kept.into_iter().map(named).collect()
}

/// How many matched rows have each value. Ranks come highest first, instants by day, others most frequent first.
pub(crate) fn counts(index: &Index, field: FieldId, chunks: &[Chunk], answers: &[Bits]) -> Vec<(String, usize)> {
    let buckets = Buckets::new(index, field);
    let mut counts = vec![0usize; buckets.count];
    for (chunk, bits) in chunks.iter().zip(answers) {
        for row in set_rows(bits) {
            buckets.each(index, chunk.segment, chunk.first + row, |bucket| counts[bucket] += 1);
        }
    }
    let mut kept: Vec<(usize, usize)> = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
    match index.schema().get(field).kind {
        Kind::Rank(_) => {
            let none = buckets.count - 1;
            kept.sort_by_key(|(bucket, _)| Reverse(if *bucket == none { None } else { Some(*bucket) }));
        }
        Kind::Time | Kind::Age | Kind::Until => {}
        // Buckets are in the order of their values already, and this sort keeps it for equal counts.
        _ => kept.sort_by_key(|(_, count)| Reverse(*count)),
    }
    kept.into_iter().map(|(bucket, count)| (buckets.name(bucket), count)).collect()
}

/// The values of a field, numbered in order; the last number is for rows without one.
struct Buckets<'a> {
    columns: Vec<Option<&'a Column>>,
    count: usize,
    values: Values<'a>,
}

enum Values<'a> {
    Keywords(&'a Dictionary),
    /// Distinct members, and which of them each distinct set has.
    Sets(&'a Dictionary, Strings, Vec<Vec<u32>>),
    Ranks(&'static [&'static str]),
    Texts(&'a TextOrder),
    /// Distinct numbers, or days since 1970, in order; and whether they are days.
    Whole(Vec<i64>, bool),
}

const DAY: i64 = 86_400;

impl<'a> Buckets<'a> {
    fn new(index: &'a Index, field: FieldId) -> Buckets<'a> {
        let columns = index.columns(field);
        let values = match index.schema().get(field).kind {
            Kind::Keyword => Values::Keywords(index.dictionary(field)),
            Kind::Set => {
                let sets = index.dictionary(field);
                let lists: Vec<Strings> = (0..sets.values.len())
                    .map(|set| {
                        let mut members = Strings::default();
                        sets.values.get(set).split(MEMBER).for_each(|member| members.push(member));
                        members
                    })
                    .collect();
                let merged = Dictionary::merge(&lists.iter().collect::<Vec<_>>());
                Values::Sets(sets, merged.values, merged.maps)
            }
            Kind::Rank(words) => Values::Ranks(words),
            Kind::Text => Values::Texts(index.text_order(field)),
            kind @ (Kind::Number | Kind::Time | Kind::Age | Kind::Until) => {
                let days = kind != Kind::Number;
                let mut seen = BTreeSet::new();
                for column in columns.iter().flatten() {
                    if let Column::Whole(whole) = column {
                        let mut last = None;
                        for number in (0..whole.above.len()).filter_map(|row| whole.get(row)) {
                            let number = if days { number.div_euclid(DAY) } else { number };
                            if last != Some(number) {
                                seen.insert(number);
                                last = Some(number);
                            }
                        }
                    }
                }
                Values::Whole(seen.into_iter().collect(), days)
            }
        };
        let count = 1 + match &values {
            Values::Keywords(dictionary) => dictionary.values.len(),
            Values::Sets(_, members, _) => members.len(),
            Values::Ranks(words) => words.len(),
            Values::Texts(order) => order.samples.len(),
            Values::Whole(seen, _) => seen.len(),
        };
        Buckets { columns, count, values }
    }

    /// Calls `with` for each bucket the row is in.
    fn each(&self, index: &Index, segment: usize, row: usize, mut with: impl FnMut(usize)) {
        let none = self.count - 1;
        match (&self.values, self.columns[segment]) {
            (Values::Keywords(dictionary), Some(Column::Coded { codes, .. })) => {
                with(codes.get(row).map_or(none, |code| dictionary.maps[segment][code as usize] as usize));
            }
            (Values::Sets(sets, _, members), Some(Column::Coded { codes, .. })) => match codes.get(row) {
                Some(code) => {
                    let set = sets.maps[segment][code as usize] as usize;
                    members[set].iter().for_each(|member| with(*member as usize));
                }
                None => with(none),
            },
            (Values::Ranks(_), Some(Column::Rank(codes))) => with(codes.get(row).map_or(none, |code| code as usize)),
            (Values::Texts(order), _) => {
                let rank = order.ranks[index.bases()[segment] as usize + row];
                with(if rank == NO_RANK { none } else { rank as usize });
            }
            (Values::Whole(seen, days), Some(Column::Whole(whole))) => {
                let number = whole.get(row).map(|number| if *days { number.div_euclid(DAY) } else { number });
                with(number.and_then(|number| seen.binary_search(&number).ok()).unwrap_or(none));
            }
            _ => with(none),
        }
    }

    fn name(&self, bucket: usize) -> String {
        if bucket + 1 == self.count {
            return String::new();
        }
        match &self.values {
            Values::Keywords(dictionary) => dictionary.values.get(bucket).into_owned(),
            Values::Sets(_, members, _) => members.get(bucket).into_owned(),
            Values::Ranks(words) => words[bucket].to_owned(),
            Values::Texts(order) => {
                let (segment, row) = order.samples[bucket];
                let column = self.columns[segment as usize];
                column.and_then(|column| column.text(row as usize)).map(|text| text.into_owned()).unwrap_or_default()
            }
            Values::Whole(seen, days) => match seen.get(bucket) {
                Some(day) if *days => date(*day),
                Some(number) => number.to_string(),
                None => String::new(),
            },
        }
    }
}

/// The day `days` after 1970-01-01; the number of days where no calendar reaches.
fn date(days: i64) -> String {
    let instant = days.checked_mul(DAY).and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    instant.map_or_else(|| format!("day {days}"), |instant| instant.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
