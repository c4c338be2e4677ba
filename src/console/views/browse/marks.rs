//! Which rows are marked. All rows of an answer, marked at one stroke, are kept as that answer and not as a million keys;
//! single ones by their keys, so that they stay marked whatever is filtered or refreshed.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};

use crate::listing::index::{Index, RowId};
use crate::listing::query::Rows;
use crate::listing::row_set::RowSet;

/// Keys of rows. They are hashes already.
type Keys = HashSet<u64, BuildHasherDefault<Keyed>>;

/// Marked rows.
#[derive(Default)]
pub(super) struct Marks {
    all: Option<All>,
    /// Rows of `all` that were unmarked since.
    but: Keys,
    /// Rows beside `all`.
    more: Keys,
}

/// Rows that were all marked at once.
struct All {
    index: Index,
    rows: Arc<Rows>,
    /// The same as a set, made when other rows of the same index are held against them.
    set: OnceLock<RowSet>,
    /// And as keys, made when rows of another index are.
    keys: OnceLock<Keys>,
}

impl All {
    /// Whether a row of `rows`, which are of `index`, is one of them.
    fn contains(&self, index: &Index, rows: &Arc<Rows>, row: RowId, key: u64) -> bool {
        if self.index.is(index) {
            return Arc::ptr_eq(rows, &self.rows)
                || self.set.get_or_init(|| RowSet::of(&self.index, &self.rows.ids)).contains(row);
        }
        let keys = || self.rows.ids.iter().filter_map(|row| self.index.key(*row)).collect();
        self.keys.get_or_init(keys).contains(&key)
    }
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.all.as_ref().map_or(0, |all| all.rows.ids.len() - self.but.len()) + self.more.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Marks all rows of an answer, and nothing else.
    pub(super) fn mark_all(&mut self, index: &Index, rows: &Arc<Rows>) {
        let all = All { index: index.clone(), rows: Arc::clone(rows), set: OnceLock::new(), keys: OnceLock::new() };
        *self = Self { all: Some(all), ..Self::default() };
    }

    /// Marks a row of an answer, or unmarks it.
    pub(super) fn toggle(&mut self, index: &Index, rows: &Arc<Rows>, row: RowId) {
        let Some(key) = index.key(row) else { return };
        let toggled = match &self.all {
            Some(all) if all.contains(index, rows, row, key) => &mut self.but,
            _ => &mut self.more,
        };
        if !toggled.remove(&key) {
            toggled.insert(key);
        }
    }

    /// Whether a row of an answer is marked.
    pub(super) fn contains(&self, index: &Index, rows: &Arc<Rows>, row: RowId) -> bool {
        let Some(key) = index.key(row) else { return false };
        match &self.all {
            Some(all) if all.contains(index, rows, row, key) => !self.but.contains(&key),
            _ => self.more.contains(&key),
        }
    }

    /// Whether every row of an answer is marked, as far as one knows without a look at each.
    pub(super) fn are_all(&self, index: &Index, rows: &Arc<Rows>) -> bool {
        let same = |all: &All| all.index.is(index) && Arc::ptr_eq(&all.rows, rows);
        self.but.is_empty() && self.all.as_ref().is_some_and(same)
    }

    /// The marked ones of an answer's rows, in their order.
    pub(super) fn of(&self, index: &Index, rows: &Arc<Rows>) -> Vec<RowId> {
        if self.are_all(index, rows) {
            return rows.ids.clone();
        }
        rows.ids.iter().filter(|row| self.contains(index, rows, **row)).copied().collect()
    }
}

/// Takes a key for its own hash.
#[derive(Default)]
struct Keyed(u64);

impl Hasher for Keyed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::filter::parse;
    use crate::listing::query::{Cancel, Query, run};
    use crate::listing::schema::{Field, Kind, Schema};
    use crate::listing::segment::SegmentBuilder;

    fn schema() -> Arc<Schema> {
        let field = Field {
            name: "name",
            title: "NAME",
            kind: Kind::Keyword,
            aliases: &[],
            also: &[],
            search: true,
            natural: false,
            help: "",
        };
        Arc::new(Schema::new(vec![field]))
    }

    /// Rows named by their keys, in two segments.
    fn index(schema: &Arc<Schema>, keys: std::ops::Range<u64>) -> Index {
        let mut index = Index::new(Arc::clone(schema));
        for half in 0..2 {
            let mut builder = SegmentBuilder::new(Arc::clone(schema));
            for key in keys.clone().filter(|key| key % 2 == half) {
                builder.keyword(schema.field("name").unwrap(), &format!("n{key}"));
                builder.push(key, 0);
            }
            index = index.with(&half.to_string(), Arc::new(builder.finish()));
        }
        index
    }

    fn rows(index: &Index, filter: &str) -> Arc<Rows> {
        let filter = parse(filter, index.schema(), 0).unwrap();
        Arc::new(run(index, &Query { filter, ..Query::default() }, &Cancel::new()).unwrap())
    }

    fn keys(marks: &Marks, index: &Index, filter: &str) -> Vec<u64> {
        marks.of(index, &rows(index, filter)).into_iter().filter_map(|row| index.key(row)).collect()
    }

    #[test]
    fn rows_marked_at_once_are_marked_as_single_ones_are() {
        let schema = schema();
        let before = index(&schema, 0..30);
        let some = rows(&before, "name:n1*");
        let mut marks = Marks::default();
        marks.mark_all(&before, &some);
        assert_eq!((marks.len(), marks.are_all(&before, &some)), (11, true));
        assert_eq!(marks.of(&before, &some), some.ids);

        // Two of them off, one of them on again, two others on: in this answer and in another.
        let row = |index: &Index, key| index.find(key).unwrap();
        let all = rows(&before, "");
        for key in [12, 11, 12, 11, 12, 5, 6] {
            marks.toggle(&before, if key == 11 { &some } else { &all }, row(&before, key));
        }
        assert_eq!((marks.len(), marks.are_all(&before, &some)), (12, false));
        let kept: Vec<u64> = vec![1, 5, 6, 10, 11, 13, 14, 15, 16, 17, 18, 19];
        assert_eq!(keys(&marks, &before, ""), kept, "of other rows of the same index");
        assert_eq!(keys(&marks, &before, "name:n1*"), [1, 10, 11, 13, 14, 15, 16, 17, 18, 19]);

        // A refresh brings rows and takes some: what is marked stays.
        let after = index(&schema, 11..40);
        assert_eq!(keys(&marks, &after, ""), [11, 13, 14, 15, 16, 17, 18, 19]);
        let all = rows(&after, "");
        marks.toggle(&after, &all, row(&after, 19));
        marks.toggle(&after, &all, row(&after, 12));
        assert_eq!(keys(&marks, &after, ""), [11, 12, 13, 14, 15, 16, 17, 18]);
        assert!(marks.contains(&after, &all, row(&after, 12)) && !marks.contains(&after, &all, row(&after, 33)));
        assert_eq!(marks.len(), 12, "what went away is still counted, as it was marked");

        marks.clear();
        assert!(marks.is_empty() && marks.of(&after, &rows(&after, "")).is_empty());
    }
}
