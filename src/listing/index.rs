//! Segments side by side: the whole list as a query sees it. It owns what is computed once for all segments (distinct
//! values, text order, key order); cloning shares it, and every change of segments makes a new index.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::listing::column::Column;
use crate::listing::dictionary::Dictionary;
use crate::listing::schema::{FieldId, Schema};
use crate::listing::segment::{Cell, Segment};
use crate::listing::strings::Strings;
use crate::listing::text_order::TextOrder;
use crate::listing::threads;

/// A row of one [`Index`]; it means nothing in another. Keep a row's key across refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    /// The segment's place, by name.
    pub(crate) segment: u32,
    /// The row in it.
    pub(crate) row: u32,
}

/// All rows of a listing, in named segments. Cheap to clone, safe to share between threads.
#[derive(Debug, Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    schema: Arc<Schema>,
    /// Sorted by name.
    segments: Vec<(Arc<str>, Arc<Segment>)>,
    /// The dense number of each segment's first row, and at the end the number of rows.
    bases: Vec<u32>,
    fields: Vec<Arc<FieldCache>>,
    keys: Arc<OnceLock<KeyOrder>>,
    /// The latest orders of all rows, last used first.
    orders: Mutex<Vec<Arc<Order>>>,
}

/// How many orders of all rows are kept: the one on screen and the one before it.
const ORDERS: usize = 2;

/// All rows in one order. While a filter is typed the order stays, and filtering it is one walk.
#[derive(Debug)]
pub(crate) struct Order {
    /// The fields sorted by, and whether descending.
    pub(crate) by: Vec<(FieldId, bool)>,
    pub(crate) rows: Vec<RowId>,
    /// For each of `rows`, its bit among the bits of all segments, each of which begins with a new word.
    pub(crate) bits: Vec<u32>,
}

/// What is worked out for a field when first needed.
#[derive(Debug, Default)]
struct FieldCache {
    dictionary: OnceLock<Dictionary>,
    order: OnceLock<TextOrder>,
}

/// All rows in the order of their keys: the last word in every sort.
#[derive(Debug)]
pub(crate) struct KeyOrder {
    pub(crate) rows: Vec<RowId>,
    /// By dense row number, the place in `rows`.
    pub(crate) places: Vec<u32>,
}

impl Index {
    /// An index of no segments.
    pub fn new(schema: Arc<Schema>) -> Index {
        Index::of(schema, Vec::new())
    }

    fn of(schema: Arc<Schema>, segments: Vec<(Arc<str>, Arc<Segment>)>) -> Index {
        let mut bases = vec![0u32];
        bases.extend(segments.iter().scan(0u32, |rows, (_, segment)| {
            *rows += segment.rows() as u32;
            Some(*rows)
        }));
        let fields = schema.iter().map(|_| Arc::default()).collect();
        Index { inner: Arc::new(Inner { schema, segments, bases, fields, keys: Arc::default(), orders: Mutex::default() }) }
    }

    /// The same rows with other values in some fields: `segments` are all of this index's, in their order, each as
    /// [`Segment::with_columns`] made it. What was worked out for the other fields and for the keys is shared. Segments
    /// of other rows are a mistake of the caller: the index stays as it is.
    #[must_use]
    pub fn with_columns(&self, fields: &[FieldId], segments: Vec<Arc<Segment>>) -> Index {
        let old = &self.inner;
        let fits = segments.len() == old.segments.len()
            && segments.iter().zip(&old.segments).all(|(new, (_, old))| new.rows() == old.rows());
        debug_assert!(fits, "segments of other rows");
        if !fits {
            return self.clone();
        }
        let segments = old.segments.iter().zip(segments).map(|((name, _), new)| (Arc::clone(name), new)).collect();
        let mut caches = old.fields.clone();
        for field in fields {
            if let Some(cache) = caches.get_mut(usize::from(field.0)) {
                *cache = Arc::default();
            }
        }
        let (schema, bases, keys) = (Arc::clone(&old.schema), old.bases.clone(), Arc::clone(&old.keys));
        Index { inner: Arc::new(Inner { schema, segments, bases, fields: caches, keys, orders: Mutex::default() }) }
    }

    /// An index with `segment` under `name`, in place of the one that was there. A segment of another schema, or one that
    /// would bring the rows past about four billion, is a mistake of the caller: the index stays as it is.
    #[must_use]
    pub fn with(&self, name: &str, segment: Arc<Segment>) -> Index {
        self.with_all([(name, segment)])
    }

    /// [`Index::with`] for many segments at once.
    #[must_use]
    pub fn with_all<'a>(&self, added: impl IntoIterator<Item = (&'a str, Arc<Segment>)>) -> Index {
        let mut segments = self.inner.segments.clone();
        for (name, segment) in added {
            let rows: usize = segments.iter().map(|(_, segment)| segment.rows()).sum();
            // room for each segment's bits to begin with a new word
            let fits = rows + segment.rows() + 64 * (segments.len() + 1) < u32::MAX as usize;
            let ours = segment.schema().fingerprint() == self.inner.schema.fingerprint();
            debug_assert!(fits && ours, "a segment of another schema, or too many rows");
            if !(fits && ours) {
                continue;
            }
            match segments.binary_search_by(|(known, _)| known.as_ref().cmp(name)) {
                Ok(place) => segments[place].1 = segment,
                Err(place) => segments.insert(place, (Arc::from(name), segment)),
            }
        }
        Index::of(self.inner.schema.clone(), segments)
    }

    /// An index without the segment called `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Index {
        let kept = self.inner.segments.iter().filter(|(known, _)| known.as_ref() != name).cloned().collect();
        Index::of(self.inner.schema.clone(), kept)
    }

    /// The segments with their names, sorted by name.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<Segment>)> {
        self.inner.segments.iter().map(|(name, segment)| (name.as_ref(), segment))
    }

    /// The segment called `name`.
    pub fn segment(&self, name: &str) -> Option<&Arc<Segment>> {
        let place = self.inner.segments.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        self.inner.segments.get(place).map(|(_, segment)| segment)
    }

    /// The fields.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.inner.schema
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.inner.bases.last().map_or(0, |rows| *rows as usize)
    }

    /// Every row, by segment.
    pub fn ids(&self) -> impl Iterator<Item = RowId> {
        self.inner
            .segments
            .iter()
            .zip(0u32..)
            .flat_map(|((_, held), segment)| (0..held.rows() as u32).map(move |row| RowId { segment, row }))
    }

    /// The value of `field` in the row; [`Cell::None`] also when there is no such row.
    pub fn cell(&self, id: RowId, field: FieldId) -> Cell<'_> {
        self.held(id).map_or(Cell::None, |segment| segment.cell(id.row as usize, field))
    }

    /// The row's key; none when the row is of another index.
    pub fn key(&self, id: RowId) -> Option<u64> {
        self.held(id)?.key(id.row as usize)
    }

    /// Whether it is this very index, and not only one with the same rows.
    pub fn is(&self, other: &Index) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The row's payload; none when the row is of another index.
    pub fn payload(&self, id: RowId) -> Option<u64> {
        self.held(id)?.payload(id.row as usize)
    }

    /// The name of the segment that holds the row.
    pub fn segment_of(&self, id: RowId) -> Option<&str> {
        self.inner.segments.get(id.segment as usize).map(|(name, _)| name.as_ref())
    }

    /// The row with `key`; the first, should several have it. The first call after a change sorts all keys.
    pub fn find(&self, key: u64) -> Option<RowId> {
        let rows = &self.keys().rows;
        let place = rows.partition_point(|id| self.key(*id).is_some_and(|known| known < key));
        rows.get(place).copied().filter(|id| self.key(*id) == Some(key))
    }

    /// Orders the keys now, so that the first [`Index::find`] need not.
    pub fn order_keys(&self) {
        self.keys();
    }

    /// Bytes held on the heap, by the segments and by what was worked out from them so far.
    pub fn memory(&self) -> usize {
        let segments: usize = self.inner.segments.iter().map(|(_, segment)| segment.memory()).sum();
        let dictionary = |held: &Dictionary| held.values.memory() + held.maps.iter().map(|map| map.capacity() * 4).sum::<usize>();
        let field = |cache: &Arc<FieldCache>| {
            cache.dictionary.get().map_or(0, dictionary) + cache.order.get().map_or(0, TextOrder::memory)
        };
        let keys = self.inner.keys.get().map_or(0, |keys| keys.rows.capacity() * 8 + keys.places.capacity() * 4);
        let orders = self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let orders: usize = orders.iter().map(|order| order.rows.capacity() * 8 + order.bits.capacity() * 4).sum();
        segments + self.inner.fields.iter().map(field).sum::<usize>() + keys + orders
    }

    fn held(&self, id: RowId) -> Option<&Segment> {
        self.inner.segments.get(id.segment as usize).map(|(_, segment)| segment.as_ref())
    }

    pub(crate) fn bases(&self) -> &[u32] {
        &self.inner.bases
    }

    pub(crate) fn columns(&self, field: FieldId) -> Vec<Option<&Column>> {
        self.inner.segments.iter().map(|(_, segment)| segment.column(field)).collect()
    }

    /// The distinct values of a Keyword or Set field; empty for other kinds.
    pub(crate) fn dictionary(&self, field: FieldId) -> &Dictionary {
        self.inner.fields[usize::from(field.0)].dictionary.get_or_init(|| {
            let none = Strings::default();
            let columns = self.columns(field);
            let lists: Vec<&Strings> = columns
                .iter()
                .map(|column| match column {
                    Some(Column::Coded { values, .. }) => values,
                    _ => &none,
                })
                .collect();
            Dictionary::merge(&lists)
        })
    }

    /// The order of a Text field's values; empty for other kinds.
    pub(crate) fn text_order(&self, field: FieldId) -> &TextOrder {
        self.inner.fields[usize::from(field.0)]
            .order
            .get_or_init(|| TextOrder::new(&self.columns(field), self.bases(), self.rows()))
    }

    pub(crate) fn keys(&self) -> &KeyOrder {
        self.inner.keys.get_or_init(|| self.sort_keys())
    }

    /// The kept order of all rows by these fields.
    pub(crate) fn order(&self, by: &[(FieldId, bool)]) -> Option<Arc<Order>> {
        let mut orders = self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let place = orders.iter().position(|order| order.by == by)?;
        orders[..=place].rotate_right(1);
        orders.first().cloned()
    }

    /// Keeps an order of all rows.
    pub(crate) fn keep_order(&self, by: Vec<(FieldId, bool)>, rows: Vec<RowId>) -> Arc<Order> {
        let words = self.inner.segments.iter().scan(0u32, |words, (_, segment)| {
            let start = *words;
            *words += segment.rows().div_ceil(64) as u32;
            Some(start)
        });
        let starts: Vec<u32> = words.map(|words| words * 64).collect();
        let bits = rows.iter().map(|id| starts[id.segment as usize] + id.row).collect();
        let order = Arc::new(Order { by, rows, bits });
        let mut orders = self.inner.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|known| known.by != order.by);
        orders.insert(0, order.clone());
        orders.truncate(ORDERS);
        order
    }

    fn sort_keys(&self) -> KeyOrder {
        let threads = threads::count(self.rows());
        let all: Vec<usize> = (0..self.inner.segments.len()).collect();
        let share = all.len().div_ceil(threads).max(1);
        let sorted = threads::spread(threads, all.chunks(share).collect(), |places| {
            let pairs = |place: &usize| {
                let segment = *place as u32;
                let keys = self.inner.segments[*place].1.keys.iter().zip(0u32..);
                keys.map(move |(key, row)| (*key, RowId { segment, row }))
            };
            let mut pairs: Vec<(u64, RowId)> = places.iter().flat_map(pairs).collect();
            pairs.sort_unstable();
            pairs
        });
        // The few sorted parts straight into one order: another list of pairs in between would be the largest thing here.
        let (mut rows, mut places) = (Vec::with_capacity(self.rows()), vec![0u32; self.rows()]);
        let mut left: Vec<&[(u64, RowId)]> = sorted.iter().map(Vec::as_slice).filter(|part| !part.is_empty()).collect();
        while let Some(least) = (0..left.len()).min_by_key(|part| left[*part][0]) {
            let (_, id) = left[least][0];
            places[(self.inner.bases[id.segment as usize] + id.row) as usize] = rows.len() as u32;
            rows.push(id);
            left[least] = &left[least][1..];
            if left[least].is_empty() {
                left.swap_remove(least);
            }
        }
        KeyOrder { rows, places }
    }
}
