//! Rows as files: JSON, NDJSON, CSV, and the aligned table of the command line.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::catalog::{Column, Listing};
use crate::listing::index::{Index, RowId};
use crate::listing::schema::{FieldId, Kind};
use crate::listing::segment::Cell;
use crate::text;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Csv,
    Ndjson,
}

/// Rows of a listing, ready to be written.
pub struct Rows<'a> {
    pub listing: &'a Listing,
    pub index: &'a Index,
    pub ids: &'a [RowId],
    /// Which fields, in which order.
    pub fields: &'a [FieldId],
    pub now: Timestamp,
}

impl Rows<'_> {
    /// Writes all rows. A table is at most `width` cells wide; the other formats carry every character.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, format: Format, width: usize, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Table => self.table(width, out),
            Format::Json => self.json(out),
            Format::Ndjson => self.ndjson(out),
            Format::Csv => self.csv(out),
        }
    }

    /// One row as data, whichever rows are chosen.
    pub fn object(&self, row: RowId) -> Map<String, Json> {
        let value = |field: FieldId| (self.name(field).to_owned(), json(&self.index.cell(row, field)));
        self.fields.iter().map(|field| value(*field)).collect()
    }

    fn name(&self, field: FieldId) -> &'static str {
        self.listing.schema.get(field).name
    }

    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"[")?;
        for (n, row) in self.ids.iter().enumerate() {
            out.write_all(if n == 0 { b"\n  " } else { b",\n  " })?;
            serde_json::to_writer(&mut *out, &self.object(*row))?;
        }
        out.write_all(if self.ids.is_empty() { b"]\n" } else { b"\n]\n" })
    }

    fn ndjson(&self, out: &mut impl Write) -> io::Result<()> {
        for row in self.ids {
            serde_json::to_writer(&mut *out, &self.object(*row))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn csv(&self, out: &mut impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(self.fields.iter().map(|f| self.name(*f)))?;
        for row in self.ids {
            let cell = |field: &FieldId| match json(&self.index.cell(*row, *field)) {
                Json::Null => String::new(),
                Json::String(text) => harmless(text),
                Json::Array(members) => harmless(members.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", ")),
                other => other.to_string(),
            };
            csv.write_record(self.fields.iter().map(cell))?;
        }
        csv.flush()
    }

    fn table(&self, width: usize, out: &mut impl Write) -> io::Result<()> {
        let columns: Vec<Column> =
            self.fields.iter().filter_map(|f| self.listing.columns.iter().find(|c| c.field == *f).copied()).collect();
        let kinds: Vec<&Kind> = columns.iter().map(|c| &self.listing.schema.get(c.field).kind).collect();
        // Widths fit what is there, up to a bound; looking at some thousand rows is enough to choose them.
        let mut widths: Vec<usize> = columns.iter().map(|c| text::width(self.listing.schema.get(c.field).title)).collect();
        for row in self.ids.iter().take(5_000) {
            for (n, column) in columns.iter().enumerate() {
                let cell = column.show(&self.index.cell(*row, column.field), kinds[n], self.now);
                widths[n] = widths[n].max(text::width(&cell));
            }
        }
        shrink(&mut widths, &columns, width);
        let mut line = |cells: &mut dyn Iterator<Item = String>| -> io::Result<()> {
            let mut all = String::new();
            for (n, cell) in cells.enumerate() {
                if n > 0 {
                    all.push_str("  ");
                }
                all.push_str(&text::pad(&cell, widths[n], columns[n].right));
            }
            writeln!(out, "{}", all.trim_end())
        };
        line(&mut columns.iter().map(|c| self.listing.schema.get(c.field).title.to_owned()))?;
        for row in self.ids {
            let cell = |(n, column): (usize, &Column)| column.show(&self.index.cell(*row, column.field), kinds[n], self.now);
            line(&mut columns.iter().enumerate().map(cell))?;
        }
        Ok(())
    }
}

/// Takes cells away from the widest columns until the line fits.
fn shrink(widths: &mut [usize], columns: &[Column], width: usize) {
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let widest = (0..widths.len()).filter(|n| widths[*n] > usize::from(columns[*n].width).min(8)).max_by_key(|n| widths[*n]);
        match widest {
            Some(n) => widths[n] -= 1,
            None => return,
        }
    }
}

/// A cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection).
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// A cell as JSON: times are RFC 3339, flags are true and false, sets are lists.
fn json(cell: &Cell<'_>) -> Json {
    match cell {
        Cell::None => Json::Null,
        Cell::Text(text) => Json::from(text.as_ref()),
        Cell::Set(members) => members.split('\u{1f}').filter(|m| !m.is_empty()).collect(),
        Cell::Rank(_, word) if *word == "yes" => Json::Bool(true),
        Cell::Rank(_, word) if *word == "no" => Json::Bool(false),
        Cell::Rank(_, word) => Json::from(*word),
        Cell::Number(n) => Json::from(*n),
        Cell::Time(at) => Timestamp::from_second(*at).map_or(Json::Null, |t| Json::from(t.to_string())),
    }
}
