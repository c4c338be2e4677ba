//! A ledger as text, one entry a line, that anyone can verify without Bartizan (`docs/verify-ledger.py`): each line is
//! the entry's canonical form with its hash, and the last line says where the chain ends.

use std::io::{BufRead, Write};

use crate::ledger::error::{LedgerError, Result};
use crate::ledger::store::{Row, Store};
use crate::ledger::verify::{Chain, Fault, Report};
use crate::model::decision::{Entry, Head};

/// The longest line that is read back, in bytes: a note and a reason at their limits, escaped, are far below.
const LONGEST_LINE: u64 = 1 << 20;

/// Writes all entries and the closing line; the head it wrote.
///
/// # Errors
/// Where the ledger cannot be read or the text not be written.
pub async fn export<S: Store>(store: &S, mut out: impl Write) -> Result<Head> {
    let mut head = Head::EMPTY;
    let noted = store.head().await?;
    let write = |e: std::io::Error| LedgerError::File { path: "the export".into(), why: e.to_string() };
    loop {
        let entries = store.read(head.sequence, 2000).await?;
        for entry in entries.iter().filter(|e| e.sequence <= noted.sequence) {
            writeln!(out, "{}", entry.line()?).map_err(write)?;
            head = Head { sequence: entry.sequence, hash: entry.hash };
        }
        if entries.is_empty() || head.sequence >= noted.sequence {
            break;
        }
    }
    writeln!(out, "{}", closing(head)).map_err(write)?;
    out.flush().map_err(write)?;
    Ok(head)
}

fn closing(head: Head) -> String {
    format!("{{\"entries\":{},\"hash\":\"{}\"}}", head.sequence, head.hash)
}

/// Verifies an exported text; `marks` are ends that the chain once had.
///
/// # Errors
/// Where the text cannot be read from disk. What is wrong *in* it stands in the report.
pub fn verify_export(mut text: impl BufRead, marks: Vec<Head>) -> std::io::Result<Report> {
    let mut chain = Chain::new(marks);
    let mut held: Option<Row> = None;
    let mut fault = None;
    let mut closed = false;
    while fault.is_none() {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut text, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        let after = chain.head().sequence + u64::from(held.is_some());
        fault = step(&line, &mut chain, &mut held, &mut closed)
            .map_err(|f| f.unwrap_or(Fault::Unreadable { after, why: UNREADABLE.into() }))
            .err();
    }
    if fault.is_none() && !closed {
        let why = "the closing line is missing: the text was cut off".to_owned();
        fault = Some(Fault::Unreadable { after: chain.head().sequence + u64::from(held.is_some()), why });
    }
    Ok(Report { entries: chain.entries(), head: chain.head(), checkpoints: 0, signed: 0, fault })
}

const UNREADABLE: &str = "the line is no entry in canonical form with its hash, and no closing line";

/// Reads one line. Each row is pushed when the one behind it is known. `Err(None)`: the line is not readable.
fn step(line: &[u8], chain: &mut Chain, held: &mut Option<Row>, closed: &mut bool) -> Result<(), Option<Fault>> {
    let line = line.strip_suffix(b"\n").and_then(|l| std::str::from_utf8(l).ok()).ok_or(None)?;
    if *closed {
        return Err(None);
    }
    match Entry::from_line(line) {
        Ok((entry, claimed)) => {
            let body = entry.canonical().map_err(|_| None)?;
            let sequence = i64::try_from(entry.sequence).unwrap_or(i64::MAX);
            let (id, subject) = (entry.id.to_string(), entry.subject.to_string());
            let row = Row { sequence, id, subject, body, hash: claimed.to_string() };
            if let Some(last) = held.take() {
                chain.push(&last, Some(&row)).map_err(Some)?;
            }
            *held = Some(row);
            Ok(())
        }
        Err(_) => {
            let end = serde_json::from_str::<Closing>(line).ok().map(|c| Head { sequence: c.entries, hash: c.hash });
            if let Some(end) = end {
                chain.note(end);
            }
            if let Some(last) = held.take() {
                chain.push(&last, None).map_err(Some)?;
            }
            *closed = line == closing(chain.head());
            if *closed {
                return chain.finish(None).map_err(Some);
            }
            chain.finish(Some(end.ok_or(None)?)).map_err(Some)?;
            Err(None)
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    entries: u64,
    hash: crate::model::decision::Hash,
}
