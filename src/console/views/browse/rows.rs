//! The rows a list was answered, as the lines they make on screen: rows, groups, or rows under headings.

use std::sync::Arc;

use crate::console::widgets::table::Place;
use crate::listing::index::{Index, RowId};
use crate::listing::query::Rows;
use crate::listing::schema::FieldId;
use crate::listing::segment::Cell;

/// Rows, the index they are of, and the lines they make on screen.
pub(super) struct Answered {
    pub index: Index,
    pub rows: Arc<Rows>,
    /// Where outlines are shown: every line; else lines are rows.
    lines: Option<Vec<OutlineLine>>,
}

enum OutlineLine {
    Heading(String),
    Row(usize),
}

impl Answered {
    /// The rows, under the values of `outline` as headings where one is given.
    pub fn new(index: Index, rows: Rows, outline: Option<FieldId>) -> Self {
        let lines = outline.filter(|_| rows.groups.is_empty()).map(|field| headed(&index, &rows, field));
        Self { index, rows: Arc::new(rows), lines }
    }
    pub fn line_count(&self) -> usize {
        match &self.lines {
            Some(lines) => lines.len(),
            None if self.rows.groups.is_empty() => self.rows.ids.len(),
            None => self.rows.groups.len(),
        }
    }
    pub fn row(&self, line: usize) -> Option<RowId> {
        match &self.lines {
            Some(lines) => match lines.get(line)? {
                OutlineLine::Row(n) => self.rows.ids.get(*n).copied(),
                OutlineLine::Heading(_) => None,
            },
            None => self.rows.ids.get(line).copied(),
        }
    }
    pub fn line_of(&self, key: u64) -> Option<usize> {
        let row = self.index.find(key)?;
        let n = self.rows.ids.iter().position(|id| *id == row)?;
        match &self.lines {
            Some(lines) => lines.iter().position(|l| matches!(l, OutlineLine::Row(at) if *at == n)),
            None => Some(n),
        }
    }

    /// The heading on this line, where it is one.
    pub fn heading(&self, line: usize) -> Option<&str> {
        match self.lines.as_ref()?.get(line)? {
            OutlineLine::Heading(title) => Some(title),
            OutlineLine::Row(_) => None,
        }
    }

    /// Moves the cursor off a heading: down, or up where there is nothing below.
    pub fn skip_headings(&self, place: &mut Place, down: bool) {
        let Some(lines) = &self.lines else { return };
        let heading = |n: usize| self.heading(n).is_some();
        let mut at = place.cursor.min(lines.len().saturating_sub(1));
        while heading(at) && if down { at + 1 < lines.len() } else { at > 0 } {
            at = if down { at + 1 } else { at - 1 };
        }
        while heading(at) && at + 1 < lines.len() {
            at += 1;
        }
        place.cursor = at;
        // A heading right above the first row on screen belongs on screen.
        if at > 0 && heading(at - 1) && place.offset == at {
            place.offset = (0..at).rev().take_while(|n| heading(*n)).last().unwrap_or(at);
        }
    }
}

/// The rows under the parts of the field's value, as of a path.
fn headed(index: &Index, rows: &Rows, field: FieldId) -> Vec<OutlineLine> {
    let value = |row: &RowId| match index.cell(*row, field) {
        Cell::Text(text) => text.into_owned(),
        _ => String::new(),
    };
    let mut lines = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut first = true;
    // What hangs from the root stands above all branches, although rows without a value sort last.
    let rooted = rows.ids.iter().rev().take_while(|row| value(row).is_empty()).count();
    let branches = rows.ids.len() - rooted;
    for n in (branches..rows.ids.len()).chain(0..branches) {
        let value = value(&rows.ids[n]);
        let parts: Vec<String> = if value.is_empty() { Vec::new() } else { value.split('/').map(str::to_owned).collect() };
        if first || parts != path {
            let same = path.iter().zip(&parts).take_while(|(a, b)| a == b).count();
            if parts.is_empty() {
                lines.push(OutlineLine::Heading("Root".to_owned()));
            }
            let same = if first { 0 } else { same };
            for (depth, part) in parts.iter().enumerate().skip(same.min(parts.len().saturating_sub(1))) {
                lines.push(OutlineLine::Heading(format!("{}{part}", "  ".repeat(depth))));
            }
            path = parts;
            first = false;
        }
        lines.push(OutlineLine::Row(n));
    }
    lines
}
