//! Other tools' findings files, read into findings: ASFF (Security Hub, Prowler), OCSF (Prowler, Security Lake),
//! Prowler's CSV and native JSON. The kind is told from content. A broken record is reported and the others are
//! imported; a file that cannot be read at all is an error. Nothing here touches the disk, the network or a screen.
//!
//! How identity is decided and what each field becomes: `docs/findings.md`.

pub mod asciicast;
pub mod asff;
pub mod aws_cli;
mod identity;
mod merge;
mod ocsf;
mod prowler;
mod sniff;
mod split;
pub mod submit;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use crate::formats::split::{Piece, Splitter};
use crate::model::finding::Finding;

pub use crate::formats::identity::add;
pub use crate::formats::merge::{documents, merge};

/// A packed file may unpack to this many bytes.
const MAX_UNPACKED: u64 = 2 << 30;
/// Broken records beyond this many are counted, not listed.
const MAX_LISTED: usize = 10_000;
/// A worker takes this many bytes or records at a time.
const BATCH: (usize, usize) = (1 << 20, 4096);
/// Smaller files are not worth a second thread.
const SMALL: usize = 1 << 20;

/// What kind of file it is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AWS Security Finding Format, schema 2018-10-08.
    Asff,
    /// Open Cybersecurity Schema Framework findings.
    Ocsf,
    /// Prowler's CSV.
    ProwlerCsv,
    /// Prowler 3's native JSON.
    ProwlerJson,
    /// An empty JSON list, as tools write that found nothing: no records, of whatever kind.
    Empty,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asff => "ASFF",
            Self::Ocsf => "OCSF",
            Self::ProwlerCsv => "Prowler CSV",
            Self::ProwlerJson => "Prowler 3 JSON",
            Self::Empty => "an empty list",
        })
    }
}

/// What a file held. `findings.len() + repeated + broken.len() + unlisted == records`.
#[derive(Debug)]
pub struct Imported {
    pub kind: Kind,
    /// In the file's order; no two share a key.
    pub findings: Vec<Finding>,
    /// Records that reported a finding of the same file again and were merged into it.
    pub repeated: usize,
    /// The first ten thousand records that could not be read, in the file's order.
    pub broken: Vec<Broken>,
    /// Broken records beyond those.
    pub unlisted: usize,
    /// Records seen: imported, merged and broken.
    pub records: usize,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {record} at {position}: {reason}")]
pub struct Broken {
    /// Its place in the file, from 1.
    pub record: usize,
    /// Where the damage showed, else where the record starts.
    pub position: Position,
    pub reason: String,
}

/// A place in the unpacked file; lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
    pub byte: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a file as a whole cannot be imported; then nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("the file is empty: it holds not one record; check that the export that wrote it has finished")]
    Empty,
    #[error(
        "it looks like {looks}; what can be imported is ASFF (aws securityhub get-findings, Prowler -M json-asff), OCSF (Prowler -M json-ocsf, Security Lake) and Prowler's CSV"
    )]
    Unknown { looks: String },
    #[error("it is packed with {how}, which is not unpacked here: unpack it with {with} first (zstd would be)")]
    Packed { how: &'static str, with: &'static str },
    #[error("it is UTF-16 text, as PowerShell's > writes: save it as UTF-8 (Out-File -Encoding utf8) and import that")]
    Utf16,
    #[error("it is packed with zstd and cannot be unpacked: {0}; the copy may be incomplete")]
    Zstd(#[source] std::io::Error),
    #[error("it unpacks to more than {limit} bytes, which is not done: split it into smaller files")]
    TooLarge { limit: u64 },
}

/// Why one record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RecordError {
    pub reason: String,
    /// Line and column within the record, from 1, where the damage shows.
    pub within: Option<(usize, usize)>,
}

impl RecordError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), within: None }
    }
    pub(crate) fn lacks(what: &str) -> Self {
        Self::new(format!("it has no {what}"))
    }
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let mut reason = error.to_string();
        // The place within the record would be mistaken for one in the file.
        if let Some(end) = reason.rfind(" at line ") {
            reason.truncate(end);
        }
        Self { reason, within: (error.line() > 0).then_some((error.line(), error.column())) }
    }
}

/// A broken record before its line and column are known.
pub(crate) struct Fault {
    pub(crate) record: usize,
    /// Where the record starts.
    pub(crate) byte: usize,
    pub(crate) within: Option<(usize, usize)>,
    pub(crate) reason: String,
}

/// Tells the kind of a file from its content; zstd is looked into.
///
/// # Errors
/// As [`read`].
pub fn detect(bytes: &[u8]) -> Result<Kind, FormatError> {
    sniff::kind(&unpack(bytes, MAX_UNPACKED)?)
}

/// Reads a findings file whole.
///
/// # Errors
/// It is empty, no findings file (the error says what it looks like), packed in a way that is not read here or
/// damaged in its packing. A broken record is no error: see [`Imported::broken`].
pub fn read(bytes: &[u8]) -> Result<Imported, FormatError> {
    let text = unpack(bytes, MAX_UNPACKED)?;
    let kind = sniff::kind(&text)?;
    let (findings, faults, records) = match kind {
        Kind::ProwlerCsv => prowler::csv(&text),
        Kind::Asff => json(&text, asff::finding),
        Kind::Ocsf => json(&text, ocsf::finding),
        Kind::ProwlerJson => json(&text, prowler::native),
        Kind::Empty => (Vec::new(), Vec::new(), 0),
    };
    let sound = findings.len();
    let (findings, repeated) = identity::settle(findings);
    let broken = place(&text, faults);
    Ok(Imported { kind, findings, repeated, unlisted: records - sound - broken.len(), broken, records })
}

/// The plain text of a file, without byte order mark.
fn unpack(bytes: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, FormatError> {
    if bytes.is_empty() {
        return Err(FormatError::Empty);
    }
    if !bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Cow::Borrowed(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)));
    }
    let mut text = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(FormatError::Zstd)?;
    decoder.take(limit + 1).read_to_end(&mut text).map_err(FormatError::Zstd)?;
    if text.len() as u64 > limit {
        return Err(FormatError::TooLarge { limit });
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
    Ok(Cow::Owned(text))
}

/// What one worker read of one batch.
struct Batch {
    /// Of its first record.
    first: usize,
    findings: Vec<Finding>,
    faults: Vec<Fault>,
}

/// The pieces of a text, handed out in batches in order.
struct Source<'a> {
    pieces: Splitter<'a>,
    records: usize,
}

impl Source<'_> {
    fn batch(&mut self) -> Option<(usize, Vec<Piece>)> {
        let first = self.records;
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while pieces.len() < BATCH.1 && bytes < BATCH.0 {
            let Some(piece) = self.pieces.next() else { break };
            if let Piece::Record { start, end } = &piece {
                bytes += end - start;
            }
            pieces.push(piece);
        }
        self.records += pieces.len();
        (!pieces.is_empty()).then_some((first, pieces))
    }
}

/// Cuts a JSON text into records and parses them on the machine's threads: one cuts while the others parse. Returns
/// findings and faults in the file's order, and the number of records.
fn json(text: &[u8], parse: fn(&str) -> Result<Finding, RecordError>) -> (Vec<Finding>, Vec<Fault>, usize) {
    let source = Mutex::new(Source { pieces: Splitter::new(text), records: 0 });
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = source.lock().unwrap_or_else(PoisonError::into_inner).batch();
            let Some((first, pieces)) = next else { break };
            let batch = parse_batch(text, first, pieces, parse);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
        }
    };
    let threads = if text.len() <= SMALL { 1 } else { std::thread::available_parallelism().map_or(1, |n| n.get().min(4)) };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut batches = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    batches.sort_by_key(|batch: &Batch| batch.first);
    let records = source.into_inner().unwrap_or_else(PoisonError::into_inner).records;
    let mut findings = Vec::with_capacity(batches.iter().map(|batch| batch.findings.len()).sum());
    let mut faults = Vec::new();
    for batch in batches {
        findings.extend(batch.findings);
        faults.extend(batch.faults.into_iter().take(MAX_LISTED.saturating_sub(faults.len())));
    }
    (findings, faults, records)
}

fn parse_batch(text: &[u8], first: usize, pieces: Vec<Piece>, parse: fn(&str) -> Result<Finding, RecordError>) -> Batch {
    let mut batch = Batch { first, findings: Vec::with_capacity(pieces.len()), faults: Vec::new() };
    for (i, piece) in pieces.into_iter().enumerate() {
        let record = first + i + 1;
        let (byte, error) = match piece {
            Piece::Fault { at, reason } => (at, RecordError::new(reason)),
            Piece::Record { start, end } => {
                let read = std::str::from_utf8(&text[start..end])
                    .map_err(|e| RecordError::new(format!("it is no UTF-8 text from its byte {} on", e.valid_up_to() + 1)))
                    .and_then(parse);
                match read {
                    Ok(finding) => {
                        batch.findings.push(finding);
                        continue;
                    }
                    Err(error) => (start, error),
                }
            }
        };
        if batch.faults.len() < MAX_LISTED {
            batch.faults.push(Fault { record, byte, within: error.within, reason: error.reason });
        }
    }
    batch
}

/// Gives faults, in the text's order, their lines and columns.
fn place(text: &[u8], faults: Vec<Fault>) -> Vec<Broken> {
    let (mut at, mut line, mut line_start) = (0, 1, 0);
    let mut broken = Vec::with_capacity(faults.len().min(MAX_LISTED));
    for fault in faults.into_iter().take(MAX_LISTED) {
        let to = fault.byte.min(text.len());
        if let Some(passed) = text.get(at..to) {
            line += memchr::memchr_iter(b'\n', passed).count();
            if let Some(last) = memchr::memrchr(b'\n', passed) {
                line_start = at + last + 1;
            }
            at = to;
        }
        let mut position = Position { line, column: to - line_start.min(to) + 1, byte: fault.byte };
        if let Some((within_line, within_column)) = fault.within {
            let start_column = if within_line == 1 { position.column } else { 1 };
            position =
                Position { line: line + within_line - 1, column: start_column + within_column.saturating_sub(1), ..position };
        }
        broken.push(Broken { record: fault.record, position, reason: fault.reason });
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacking_has_a_bound() {
        let packed = zstd::encode_all(&vec![b' '; 5000][..], 3).unwrap();
        assert!(packed.len() < 100);
        assert_eq!(unpack(&packed, 5000).unwrap().len(), 5000);
        assert!(matches!(unpack(&packed, 4999), Err(FormatError::TooLarge { limit: 4999 })));
        assert!(matches!(unpack(&packed[..packed.len() - 1], 5000), Err(FormatError::Zstd(_))));
    }

    #[test]
    fn positions_are_lines_and_columns_of_the_file() {
        let text = b"[\n{\"a\":1},\n  {\"b\":\n  x}]";
        let fault = |byte, within| Fault { record: 1, byte, within, reason: String::new() };
        let at = |f| {
            let p = place(text, vec![f])[0].position;
            (p.line, p.column, p.byte)
        };
        assert_eq!(at(fault(0, None)), (1, 1, 0));
        assert_eq!(at(fault(13, None)), (3, 3, 13));
        assert_eq!(at(fault(13, Some((1, 4)))), (3, 6, 13));
        assert_eq!(at(fault(13, Some((2, 3)))), (4, 3, 13));
        assert_eq!(at(fault(999, None)).0, 4);
    }
}
