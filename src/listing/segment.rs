//! Rows in columns: built once, then only read. It owns building, cells and the stored form's meaning; many segments make
//! an [`crate::listing::index::Index`].
//!
//! Limits: a text or keyword longer than 65,535 bytes is cut at a character's edge, members of a set beyond that are left
//! out, a segment holds at most 4,294,967,294 rows. Whole documents belong elsewhere: a row's payload says where.

use std::borrow::Cow;
use std::sync::Arc;

use crate::listing::column::{Column, MEMBER, Whole, split_at};
use crate::listing::interner::Interner;
use crate::listing::packed::Packed;
use crate::listing::schema::{Field, FieldId, Kind, Schema};
use crate::listing::strings::{LONGEST, Strings, clip};

/// One value of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The row has no value here.
    None,
    /// A keyword or text, as it was given: it may hold control characters.
    Text(Cow<'a, str>),
    /// The members of a set, sorted, parted by U+001F; see [`Cell::members`].
    Set(Cow<'a, str>),
    /// A rank's place and its word.
    Rank(u8, &'static str),
    /// A whole number.
    Number(i64),
    /// Unix seconds (kinds Time and Age).
    Time(i64),
}

impl Cell<'_> {
    /// Whether there is no value.
    pub fn is_none(&self) -> bool {
        matches!(self, Cell::None)
    }

    /// The members of a set; of any other cell with words, that one.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Cell::Text(text) | Cell::Set(text) => text.as_ref(),
            Cell::Rank(_, word) => word,
            Cell::None | Cell::Number(_) | Cell::Time(_) => "",
        };
        let part = if matches!(self, Cell::Set(_)) { MEMBER } else { '\u{0}' };
        let whole = (!text.is_empty() && part != MEMBER).then_some(text);
        let parts = (!text.is_empty() && part == MEMBER).then(|| text.split(MEMBER));
        whole.into_iter().chain(parts.into_iter().flatten())
    }
}

/// Why stored columns could not be read. Nothing of them is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Not this format at all.
    #[error("cannot read stored columns: they do not start with the mark of a segment; delete the cache to rebuild it")]
    NotASegment,
    /// Written by another version of the format.
    #[error(
        "cannot read stored columns: they are of format {found} and this program reads format {known}; \
         use the program that wrote them, or delete the cache to rebuild it"
    )]
    Version {
        /// The version in the bytes.
        found: u32,
        /// The version read here.
        known: u32,
    },
    /// Written for a listing with other fields.
    #[error("cannot read stored columns: the listing's fields have changed since they were written; rebuild the cache")]
    OtherSchema,
    /// Cut short or altered.
    #[error("cannot read stored columns: they are damaged ({what}, at byte {at}); delete the cache to rebuild it")]
    Damaged {
        /// What did not hold.
        what: &'static str,
        /// Where reading had come to.
        at: usize,
    },
}

/// Rows in columns, read only.
#[derive(Debug, Clone)]
pub struct Segment {
    pub(crate) schema: Arc<Schema>,
    pub(crate) columns: Vec<Arc<Column>>,
    pub(crate) keys: Arc<Vec<u64>>,
    pub(crate) payloads: Arc<Vec<u64>>,
}

impl Segment {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The fields its columns were built for.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The value of `field` in `row`; [`Cell::None`] also when there is no such row or field.
    pub fn cell(&self, row: usize, field: FieldId) -> Cell<'_> {
        let Some(column) = self.column(field) else { return Cell::None };
        let kind = self.schema.get(field).kind;
        match (column, kind) {
            (Column::Rank(codes), Kind::Rank(words)) => codes
                .get(row)
                .and_then(|code| words.get(code as usize).map(|word| Cell::Rank(code as u8, word)))
                .unwrap_or(Cell::None),
            (Column::Whole(whole), Kind::Number) => whole.get(row).map_or(Cell::None, Cell::Number),
            (Column::Whole(whole), _) => whole.get(row).map_or(Cell::None, Cell::Time),
            (_, Kind::Set) => column.text(row).map_or(Cell::None, Cell::Set),
            _ => column.text(row).map_or(Cell::None, Cell::Text),
        }
    }

    /// The caller's hash of the row's identity.
    pub fn key(&self, row: usize) -> Option<u64> {
        self.keys.get(row).copied()
    }

    /// The caller's note on where the row's document is.
    pub fn payload(&self, row: usize) -> Option<u64> {
        self.payloads.get(row).copied()
    }

    /// The same rows with other values in some fields; all else is shared. `columns` holds these fields, in this order
    /// and of these kinds, for as many rows; where it does not, that is a mistake of the caller and nothing is replaced.
    #[must_use]
    pub fn with_columns(&self, fields: &[FieldId], columns: Segment) -> Segment {
        let kind = |schema: &Schema, field: FieldId| schema.iter().nth(usize::from(field.0)).map(|(_, field)| field.kind);
        let alike = |(n, field): (u16, &FieldId)| {
            let ours = kind(&self.schema, *field);
            ours.is_some() && ours == kind(&columns.schema, FieldId(n))
        };
        let fits = columns.rows() == self.rows() && (0u16..).zip(fields).all(alike);
        debug_assert!(fits, "columns of other fields or rows");
        let mut new = self.clone();
        if fits {
            for (field, column) in fields.iter().zip(columns.columns) {
                new.columns[usize::from(field.0)] = column;
            }
        }
        new
    }

    /// Bytes held on the heap, what is shared with others included.
    pub fn memory(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| size_of::<Column>() + column.memory()).sum();
        columns + (self.keys.capacity() + self.payloads.capacity()) * 8
    }

    pub(crate) fn column(&self, field: FieldId) -> Option<&Column> {
        self.columns.get(usize::from(field.0)).map(AsRef::as_ref)
    }
}

/// No value, among codes.
const NO_CODE: u32 = u32::MAX;
/// No value, among whole numbers.
const NO_NUMBER: i64 = i64::MIN;

#[derive(Debug)]
enum Building {
    Coded { interner: Interner, codes: Vec<u32>, now: u32 },
    Rank { words: &'static [&'static str], codes: Vec<u8>, now: u8 },
    Text { heads: Interner, codes: Vec<u32>, tails: Strings, now: String },
    Whole { values: Vec<i64>, now: i64 },
}

/// Builds a [`Segment`] row by row: give the row's values, then [`SegmentBuilder::push`]. A value not given, or an empty
/// text, is no value; one given twice, the last counts; one given to a field of another kind is not taken.
#[derive(Debug)]
pub struct SegmentBuilder {
    schema: Arc<Schema>,
    columns: Vec<Building>,
    keys: Vec<u64>,
    payloads: Vec<u64>,
    scratch: String,
}

impl SegmentBuilder {
    /// A builder of no rows yet.
    pub fn new(schema: Arc<Schema>) -> SegmentBuilder {
        let column = |field: &Field| match field.kind {
            Kind::Keyword | Kind::Set => Building::Coded { interner: Interner::default(), codes: Vec::new(), now: NO_CODE },
            Kind::Rank(words) => Building::Rank { words, codes: Vec::new(), now: u8::MAX },
            Kind::Text => {
                Building::Text { heads: Interner::default(), codes: Vec::new(), tails: Strings::default(), now: String::new() }
            }
            Kind::Number | Kind::Time | Kind::Age | Kind::Until => Building::Whole { values: Vec::new(), now: NO_NUMBER },
        };
        let columns = schema.iter().map(|(_, field)| column(field)).collect();
        SegmentBuilder { schema, columns, keys: Vec::new(), payloads: Vec::new(), scratch: String::new() }
    }

    /// Makes room for so many more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.keys.reserve_exact(rows);
        self.payloads.reserve_exact(rows);
        for column in &mut self.columns {
            match column {
                Building::Coded { codes, .. } | Building::Text { codes, .. } => codes.reserve_exact(rows),
                Building::Rank { codes, .. } => codes.reserve_exact(rows),
                Building::Whole { values, .. } => values.reserve_exact(rows),
            }
        }
    }

    /// The row's text or keyword in `field` (either name does for both kinds).
    pub fn text(&mut self, field: FieldId, text: &str) -> &mut Self {
        match self.columns.get_mut(usize::from(field.0)) {
            Some(Building::Coded { interner, now, .. }) => {
                *now = if text.is_empty() { NO_CODE } else { interner.code(text) };
            }
            Some(Building::Text { now, .. }) => {
                now.clear();
                now.push_str(clip(text));
            }
            _ => debug_assert!(false, "a text was given to a field of another kind"),
        }
        self
    }

    /// The row's keyword in `field`. In a Set it is the only member.
    pub fn keyword(&mut self, field: FieldId, word: &str) -> &mut Self {
        if usize::from(field.0) < self.schema.len() && matches!(self.schema.get(field).kind, Kind::Set) {
            return self.set(field, [word]);
        }
        self.text(field, word)
    }

    /// The row's members in `field`; empty and repeated ones are left out, order is not kept.
    pub fn set<'a>(&mut self, field: FieldId, members: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let mut members: Vec<Cow<'a, str>> = members.into_iter().filter(|member| !member.is_empty()).map(clean).collect();
        members.sort_unstable();
        members.dedup();
        self.scratch.clear();
        for member in &members {
            if self.scratch.len() + member.len() + 1 > LONGEST {
                break;
            }
            if !self.scratch.is_empty() {
                self.scratch.push(MEMBER);
            }
            self.scratch.push_str(member);
        }
        let joined = std::mem::take(&mut self.scratch);
        self.text(field, &joined);
        self.scratch = joined;
        self
    }

    /// The row's rank in `field`, by place; one past the last word is no value.
    pub fn rank(&mut self, field: FieldId, place: u8) -> &mut Self {
        match self.columns.get_mut(usize::from(field.0)) {
            Some(Building::Rank { words, now, .. }) => {
                *now = if usize::from(place) < words.len() { place } else { u8::MAX };
            }
            _ => debug_assert!(false, "a rank was given to a field of another kind"),
        }
        self
    }

    /// The row's rank in `field`, by word in any case; an unknown word is no value.
    pub fn rank_word(&mut self, field: FieldId, word: &str) -> &mut Self {
        let Some(Building::Rank { words, .. }) = self.columns.get(usize::from(field.0)) else {
            debug_assert!(false, "a rank was given to a field of another kind");
            return self;
        };
        let place = words.iter().position(|known| known.eq_ignore_ascii_case(word));
        self.rank(field, place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX))
    }

    /// The row's number in `field`. `i64::MIN` is stored as the number above it.
    pub fn number(&mut self, field: FieldId, number: i64) -> &mut Self {
        match self.columns.get_mut(usize::from(field.0)) {
            Some(Building::Whole { now, .. }) => *now = number.max(i64::MIN + 1),
            _ => debug_assert!(false, "a number was given to a field of another kind"),
        }
        self
    }

    /// The row's instant in `field` (kinds Time and Age), in unix seconds.
    pub fn time(&mut self, field: FieldId, seconds: i64) -> &mut Self {
        self.number(field, seconds)
    }

    /// Ends the row. `key` is a stable hash of the row's identity, by which marks and the cursor survive a refresh; it is
    /// best unique. `payload` is the caller's own, such as the place of the whole document.
    pub fn push(&mut self, key: u64, payload: u64) {
        self.keys.push(key);
        self.payloads.push(payload);
        for column in &mut self.columns {
            match column {
                Building::Coded { codes, now, .. } => codes.push(std::mem::replace(now, NO_CODE)),
                Building::Rank { codes, now, .. } => codes.push(std::mem::replace(now, u8::MAX)),
                Building::Whole { values, now } => values.push(std::mem::replace(now, NO_NUMBER)),
                Building::Text { heads, codes, tails, now } => {
                    let (head, tail) = now.split_at(split_at(now));
                    codes.push(if now.is_empty() { NO_CODE } else { heads.code(head) });
                    tails.push(tail);
                    now.clear();
                }
            }
        }
    }

    /// Adds the rows of another segment that `keep` says yes to as they stand, keys and payloads included. The segment has
    /// the same fields; each distinct value of it is looked up once.
    pub fn copy_rows(&mut self, segment: &Segment, keep: impl Fn(usize) -> bool) {
        let ours = segment.schema.fingerprint() == self.schema.fingerprint();
        debug_assert!(ours, "rows of another schema");
        if !ours {
            return;
        }
        let rows: Vec<usize> = (0..segment.rows()).filter(|row| keep(*row)).collect();
        self.keys.extend(rows.iter().map(|row| segment.keys[*row]));
        self.payloads.extend(rows.iter().map(|row| segment.payloads[*row]));
        for (column, from) in self.columns.iter_mut().zip(&segment.columns) {
            match (column, from.as_ref()) {
                (Building::Coded { interner, codes, .. }, Column::Coded { values, codes: from }) => {
                    recode(interner, codes, values, from, &rows);
                }
                (Building::Rank { codes, .. }, Column::Rank(from)) => {
                    codes.extend(rows.iter().map(|row| from.get(*row).map_or(u8::MAX, |code| code as u8)));
                }
                (Building::Whole { values, .. }, Column::Whole(from)) => {
                    values.extend(rows.iter().map(|row| from.get(*row).unwrap_or(NO_NUMBER)));
                }
                (Building::Text { heads, codes, tails, .. }, Column::Text { heads: values, codes: from, tails: rest }) => {
                    recode(heads, codes, values, from, &rows);
                    rows.iter().for_each(|row| tails.push(&rest.get(*row)));
                }
                _ => debug_assert!(false, "columns of another kind"),
            }
        }
    }

    /// How many rows were pushed.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The segment. A row begun but not pushed is dropped.
    pub fn finish(mut self) -> Segment {
        self.take()
    }

    /// The segment, in no more room than it needs. The builder has no rows again but keeps its room: building many segments
    /// with one leaves no gaps in memory behind.
    pub fn take(&mut self) -> Segment {
        let columns = self.columns.iter_mut().map(|column| Arc::new(take(column))).collect();
        let (keys, payloads) = (Arc::new(self.keys.clone()), Arc::new(self.payloads.clone()));
        self.keys.clear();
        self.payloads.clear();
        Segment { schema: Arc::clone(&self.schema), columns, keys, payloads }
    }
}

/// Adds the codes of `rows`, as codes of `interner`.
fn recode(interner: &mut Interner, codes: &mut Vec<u32>, values: &Strings, from: &Packed, rows: &[usize]) {
    let mut known = vec![NO_CODE; values.len()];
    for row in rows {
        let code = from.get(*row).and_then(|code| known.get_mut(code as usize).map(|slot| (slot, code as usize)));
        codes.push(match code {
            None => NO_CODE,
            Some((slot, code)) => {
                if *slot == NO_CODE {
                    *slot = interner.code(&values.get(code));
                }
                *slot
            }
        });
    }
}

/// The finished column; what was built is empty again.
fn take(column: &mut Building) -> Column {
    match column {
        Building::Coded { interner, codes, now } => {
            *now = NO_CODE;
            let (values, packed) = interner.take(codes);
            codes.clear();
            Column::Coded { values, codes: packed }
        }
        Building::Rank { codes, now, .. } => {
            *now = u8::MAX;
            let packed = Packed::U8(codes.clone());
            codes.clear();
            Column::Rank(packed)
        }
        Building::Text { heads, codes, tails, now } => {
            now.clear();
            let (heads, packed) = heads.take(codes);
            codes.clear();
            Column::Text { heads, codes: packed, tails: tails.take() }
        }
        Building::Whole { values, now } => {
            *now = NO_NUMBER;
            let given = || values.iter().copied().filter(|value| *value != NO_NUMBER);
            let (least, most) = (given().min().unwrap_or(0), given().max().unwrap_or(0));
            let above = |value: i64| value.wrapping_sub(least) as u64;
            let above = Packed::new(above(most), values.iter().map(|value| (*value != NO_NUMBER).then(|| above(*value))));
            values.clear();
            Column::Whole(Whole { least, most, above })
        }
    }
}

/// A member without the character that parts members.
fn clean(member: &str) -> Cow<'_, str> {
    if member.contains(MEMBER) { Cow::Owned(member.replace(MEMBER, " ")) } else { Cow::Borrowed(member) }
}
