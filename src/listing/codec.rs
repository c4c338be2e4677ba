//! A segment's stored form. It owns the layout and every check on the way in; nothing read is trusted.
//!
//! Layout, all little-endian: mark, version, schema fingerprint, rows, keys, payloads, then the columns in schema order,
//! then a checksum of everything before it. A vector is its length and its items.

use std::sync::Arc;

use crate::listing::column::{Column, Whole};
use crate::listing::packed::Packed;
use crate::listing::schema::{Kind, Schema};
use crate::listing::segment::{Segment, SegmentError};
use crate::listing::strings::{BLOCK, Block, LONGEST, Strings};

const MARK: &[u8; 8] = b"LISTSEG\n";
const VERSION: u32 = 1;

impl Segment {
    /// The stored form: versioned, bound to the schema, with a checksum against accidents (not against forgery).
    pub fn to_bytes(&self) -> Vec<u8> {
        write(self)
    }

    /// Reads what [`Segment::to_bytes`] wrote. Every length, offset and code is checked, so bytes from anywhere are safe.
    ///
    /// # Errors
    /// When the bytes are not a segment, of another version or schema, or damaged.
    pub fn from_bytes(schema: Arc<Schema>, bytes: &[u8]) -> Result<Segment, SegmentError> {
        read(schema, bytes)
    }
}

fn write(segment: &Segment) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.memory() + 256);
    out.extend_from_slice(MARK);
    out.extend_from_slice(&VERSION.to_le_bytes());
    put(&mut out, segment.schema.fingerprint());
    put(&mut out, segment.rows() as u64);
    segment.keys.iter().chain(segment.payloads.iter()).for_each(|value| put(&mut out, *value));
    for column in &segment.columns {
        match column.as_ref() {
            Column::Coded { values, codes } => {
                put_strings(&mut out, values);
                put_packed(&mut out, codes);
            }
            Column::Rank(codes) => put_packed(&mut out, codes),
            Column::Text { heads, codes, tails } => {
                put_strings(&mut out, heads);
                put_packed(&mut out, codes);
                put_strings(&mut out, tails);
            }
            Column::Whole(whole) => {
                put(&mut out, whole.least as u64);
                put_packed(&mut out, &whole.above);
            }
        }
    }
    let sum = checksum(&out);
    put(&mut out, sum);
    out
}

fn put(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_packed(out: &mut Vec<u8>, packed: &Packed) {
    match packed {
        Packed::U8(values) => {
            out.push(1);
            out.extend_from_slice(values);
        }
        Packed::U16(values) => {
            out.push(2);
            values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        Packed::U32(values) => {
            out.push(4);
            values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        Packed::U64(values) => {
            out.push(8);
            values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
    }
}

fn put_strings(out: &mut Vec<u8>, strings: &Strings) {
    put(out, strings.len() as u64);
    for block in &strings.blocks {
        put(out, block.text.len() as u64);
        put(out, block.upper.len() as u64);
        block.ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
        block.upper.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.extend_from_slice(block.text.as_bytes());
    }
}

fn read(schema: Arc<Schema>, bytes: &[u8]) -> Result<Segment, SegmentError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(MARK.len()).ok() != Some(MARK.as_slice()) {
        return Err(SegmentError::NotASegment);
    }
    let version = u32::from_le_bytes(reader.array()?);
    if version != VERSION {
        return Err(SegmentError::Version { found: version, known: VERSION });
    }
    let body = bytes.len().checked_sub(8).ok_or_else(|| reader.damaged("it is too short"))?;
    if bytes[body..] != checksum(&bytes[..body]).to_le_bytes() {
        return Err(SegmentError::Damaged { what: "the checksum does not agree", at: body });
    }
    reader.bytes = &bytes[..body];
    if reader.number()? != schema.fingerprint() {
        return Err(SegmentError::OtherSchema);
    }
    let rows = reader.length()?;
    let keys = reader.wide(rows)?;
    let payloads = reader.wide(rows)?;
    let mut columns = Vec::with_capacity(schema.len());
    for (_, field) in schema.iter() {
        columns.push(match field.kind {
            Kind::Keyword | Kind::Set => {
                let values = reader.strings()?;
                let codes = reader.codes(rows, values.len())?;
                Column::Coded { values, codes }
            }
            Kind::Rank(words) => {
                let codes = reader.codes(rows, words.len())?;
                Column::Rank(codes)
            }
            Kind::Text => {
                let heads = reader.strings()?;
                let codes = reader.codes(rows, heads.len())?;
                let tails = reader.strings()?;
                let parted = |block: &Block| memchr::memchr2(b'/', b':', block.text.as_bytes()).is_some();
                if tails.len() != rows || tails.blocks.iter().any(parted) {
                    return Err(reader.damaged("a text column does not fit its rows"));
                }
                Column::Text { heads, codes, tails }
            }
            Kind::Number | Kind::Time | Kind::Age | Kind::Until => {
                let least = reader.number()? as i64;
                let above = reader.packed(rows)?;
                let most = least.checked_add_unsigned(above.largest().unwrap_or(0));
                let most = most.ok_or_else(|| reader.damaged("a number is out of range"))?;
                Column::Whole(Whole { least, most, above })
            }
        });
    }
    if reader.at != body {
        return Err(reader.damaged("bytes are left over"));
    }
    let columns = columns.into_iter().map(Arc::new).collect();
    Ok(Segment { schema, columns, keys: Arc::new(keys), payloads: Arc::new(payloads) })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, what: &'static str) -> SegmentError {
        SegmentError::Damaged { what, at: self.at }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SegmentError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.damaged("it ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SegmentError> {
        let (array, _) = self.take(N)?.as_chunks::<N>();
        array.first().copied().ok_or_else(|| self.damaged("it ends too early"))
    }

    fn number(&mut self) -> Result<u64, SegmentError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count of things that take at least a byte each, so that it never asks for more memory than there are bytes.
    fn length(&mut self) -> Result<usize, SegmentError> {
        let length = self.number()?;
        let left = self.bytes.len() - self.at;
        usize::try_from(length).ok().filter(|length| *length <= left).ok_or_else(|| self.damaged("a length is too large"))
    }

    /// `count` items of `N` bytes.
    fn items<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], SegmentError> {
        let size = count.checked_mul(N).ok_or_else(|| self.damaged("a length is too large"))?;
        Ok(self.take(size)?.as_chunks::<N>().0)
    }

    fn wide(&mut self, count: usize) -> Result<Vec<u64>, SegmentError> {
        Ok(self.items(count)?.iter().map(|item| u64::from_le_bytes(*item)).collect())
    }

    fn packed(&mut self, rows: usize) -> Result<Packed, SegmentError> {
        let [width] = self.array()?;
        Ok(match width {
            1 => Packed::U8(self.take(rows)?.to_vec()),
            2 => Packed::U16(self.items(rows)?.iter().map(|item| u16::from_le_bytes(*item)).collect()),
            4 => Packed::U32(self.items(rows)?.iter().map(|item| u32::from_le_bytes(*item)).collect()),
            8 => Packed::U64(self.wide(rows)?),
            _ => return Err(self.damaged("a column's width is unknown")),
        })
    }

    /// Codes into `values` things.
    fn codes(&mut self, rows: usize, values: usize) -> Result<Packed, SegmentError> {
        let codes = self.packed(rows)?;
        if codes.largest().is_some_and(|largest| largest >= values as u64) {
            return Err(self.damaged("a code points past its values"));
        }
        Ok(codes)
    }

    fn strings(&mut self) -> Result<Strings, SegmentError> {
        let mut left = self.length()?;
        let mut blocks = Vec::with_capacity(left.div_ceil(BLOCK));
        while left > 0 {
            let count = left.min(BLOCK);
            left -= count;
            let (length, upper) = (self.length()?, self.length()?);
            let ends: Vec<u32> = self.items(count)?.iter().map(|item| u32::from_le_bytes(*item)).collect();
            let upper = self.wide(upper)?;
            let text = str::from_utf8(self.take(length)?).map_err(|_| self.damaged("a text is not UTF-8"))?;
            let edge = |end: u32| text.is_char_boundary(end as usize);
            let rising = ends.windows(2).all(|pair| pair[0] <= pair[1] && (pair[1] - pair[0]) as usize <= LONGEST);
            let whole = ends.last().is_some_and(|last| *last as usize == text.len());
            let first = ends.first().is_some_and(|first| *first as usize <= LONGEST);
            if !rising || !whole || !first || !(text.is_ascii() || ends.iter().all(|end| edge(*end))) {
                return Err(self.damaged("a text's end is out of place"));
            }
            blocks.push(Block { text: text.to_owned(), ends, upper });
        }
        Ok(Strings { blocks })
    }
}

/// Four lanes of multiply and rotate over 8-byte words: fast, and it notices any single changed word.
fn checksum(bytes: &[u8]) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(STEP).rotate_left(29);
    let mut lanes = [1u64, 2, 3, 4];
    let (parts, rest) = bytes.as_chunks::<32>();
    for part in parts {
        let (words, _) = part.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let sum = lanes.iter().fold(bytes.len() as u64, |sum, lane| mix(sum, *lane));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

#[cfg(test)]
pub(crate) fn seal(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len().saturating_sub(8));
    let sum = checksum(bytes);
    put(bytes, sum);
}
