//! Owns the screen of a pane: the emulator (vt100), scrollback, search, selection and the answers to a program's questions.
//! Memory is bounded whatever the node sends: the emulator keeps a few hundred lines, older ones are kept as text within
//! [`HISTORY_BYTES`].
//!
//! Lines have numbers that stay: line 0 is the first that the session ever had, whether it is still kept or not.

use std::num::NonZeroU16;

use vt100::capture::{BasicFormattedCaptureState, RowContents, basic_formatted_to_plain};
use vt100::{Callbacks, Parser, Screen};

use crate::terminal::graphics::Graphics;
use crate::terminal::history::History;
use crate::terminal::keys::KeyModes;

/// Bytes kept of lines that have scrolled away.
const HISTORY_BYTES: usize = 16 << 20;
/// Lines the emulator keeps itself, so that a taller window shows them again.
const NEAR_LINES: usize = 200;
/// Widest and tallest screen.
const MOST_COLUMNS: u16 = 1000;
const MOST_ROWS: u16 = 500;
/// Bytes of answers that wait for the node. A node that asks more is not answered.
const MOST_REPLIES: usize = 1024;
/// Longest selection that is copied, in bytes.
const MOST_COPY: usize = 1 << 20;

/// What a node may do beyond its own pane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// Set the pane's title (cleaned, shortened).
    pub title: bool,
}

/// What a node tried and was refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Writes to and reads of the clipboard (OSC 52).
    pub clipboard: u64,
    pub title: u64,
    /// Window size changes.
    pub resize: u64,
}

/// A colour as the program named it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Default,
    /// One of the terminal's 256.
    Index(u8),
    Rgb(u8, u8, u8),
}

impl From<vt100::Color> for Color {
    fn from(color: vt100::Color) -> Self {
        match color {
            vt100::Color::Default => Self::Default,
            vt100::Color::Idx(index) => Self::Index(index),
            vt100::Color::Rgb(r, g, b) => Self::Rgb(r, g, b),
        }
    }
}

/// How a cell looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    pub foreground: Color,
    pub background: Color,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub inverse: bool,
}

/// One cell. The text is one character with its marks, never a control or a direction override; a space where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glyph<'a> {
    pub text: &'a str,
    /// It takes the next column too; that one is not told.
    pub wide: bool,
    pub style: Style,
}

/// A place in the text: a line by its number, a column from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub line: u64,
    pub column: u16,
}

/// A piece of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub start: Point,
    /// One past its last column.
    pub end: u16,
}

/// The cursor's form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CursorShape {
    #[default]
    Block,
    Underline,
    Bar,
}

/// Where the cursor is on the visible screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub row: u16,
    pub column: u16,
    pub shape: CursorShape,
}

struct Watcher {
    history: History,
    line: String,
    replies: Vec<u8>,
    bell: bool,
    title: String,
    allow: Allow,
    refused: Refused,
}

impl Watcher {
    fn reply(&mut self, text: &str) {
        if self.replies.len() + text.len() <= MOST_REPLIES {
            self.replies.extend_from_slice(text.as_bytes());
        }
    }
}

impl Callbacks for Watcher {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bell = true;
    }

    fn visual_bell(&mut self, _: &mut Screen) {
        self.bell = true;
    }

    fn resize(&mut self, _: &mut Screen, _: (u16, u16)) {
        self.refused.resize += 1;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        if self.allow.title {
            let text = String::from_utf8_lossy(title);
            self.title = text.chars().filter(|c| !is_hostile(*c)).take(120).collect();
        } else {
            self.refused.title += 1;
        }
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], _: &[u8]) {
        self.refused.clipboard += 1;
    }

    fn paste_from_clipboard(&mut self, _: &mut Screen, _: &[u8]) {
        self.refused.clipboard += 1;
    }

    /// Only questions whose answers hold nothing that the node has chosen: an answer is typed into the node's shell.
    fn unhandled_csi(&mut self, screen: &mut Screen, i1: Option<u8>, i2: Option<u8>, params: &[&[u16]], c: char) {
        let first = params.first().and_then(|p| p.first()).copied().unwrap_or(0);
        match (i1, i2, c, first) {
            // Primary and secondary device attributes: a VT220 with colours, version 0.
            (None, None, 'c', 0) => self.reply("\x1b[?62;22c"),
            (Some(b'>'), None, 'c', 0) => self.reply("\x1b[>1;0;0c"),
            // Device status, cursor position.
            (None, None, 'n', 5) => self.reply("\x1b[0n"),
            (None, None, 'n', 6) => {
                let (row, column) = screen.cursor_position();
                self.reply(&format!("\x1b[{};{}R", u32::from(row) + 1, u32::from(column) + 1));
            }
            _ => {}
        }
    }

    fn on_scroll(&mut self, contents: RowContents<'_>, alternate_screen: bool) {
        if alternate_screen {
            return;
        }
        self.line.clear();
        // Each line for itself, from default attributes; a string takes whatever is written.
        let _ = contents.write_formatted_basic(&mut self.line, &mut BasicFormattedCaptureState::new());
        self.history.push(&self.line);
    }
}

/// Characters that would change more than their own cell: controls, and what changes the direction of text or hides in it.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A pane's terminal.
pub struct Terminal {
    parser: Parser<Watcher>,
    graphics: Graphics,
    translated: Vec<u8>,
    /// Lines the view is scrolled back.
    back: usize,
    selection: Option<(Point, Point)>,
    found: Option<Match>,
}

/// What a terminal shows, without what has scrolled by: enough to go on from.
pub(super) struct Picture {
    screen: Screen,
    graphics: Graphics,
}

impl Picture {
    /// Bytes it takes, about: two screens of cells.
    pub(super) fn memory(&self) -> usize {
        let (rows, columns) = self.screen.size();
        usize::from(rows.get()) * usize::from(columns.get()) * 2 * size_of::<vt100::Cell>()
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (columns, rows) = self.size();
        write!(f, "Terminal({columns}x{rows})")
    }
}

fn at_least_one(n: u16, most: u16) -> NonZeroU16 {
    NonZeroU16::new(n.min(most)).unwrap_or(NonZeroU16::MIN)
}

impl Terminal {
    /// A blank terminal of this size, from 1×1 to 1000×500.
    pub fn new(columns: u16, rows: u16, allow: Allow) -> Self {
        let watcher = Watcher {
            history: History::new(HISTORY_BYTES),
            line: String::new(),
            replies: Vec::new(),
            bell: false,
            title: String::new(),
            allow,
            refused: Refused::default(),
        };
        let (rows, columns) = (at_least_one(rows, MOST_ROWS), at_least_one(columns, MOST_COLUMNS));
        Self {
            parser: Parser::new_with_callbacks(rows, columns, NEAR_LINES, watcher),
            graphics: Graphics::default(),
            translated: Vec::new(),
            back: 0,
            selection: None,
            found: None,
        }
    }

    /// Takes output of the node. A view that is scrolled back stays where it is.
    pub fn feed(&mut self, bytes: &[u8]) {
        let before = self.end();
        self.parser.screen_mut().set_scrollback(0);
        for part in bytes.chunks(64 << 10) {
            self.translated.clear();
            self.graphics.translate(part, &mut self.translated);
            self.parser.process(&self.translated);
        }
        if self.back > 0 {
            let grown = usize::try_from(self.end().saturating_sub(before)).unwrap_or(usize::MAX);
            self.back = self.back.saturating_add(grown).min(self.above());
        }
    }

    /// What it shows now; none in the middle of a sequence, which the next bytes go on with.
    pub(super) fn picture(&self) -> Option<Picture> {
        if !self.graphics.is_at_rest() {
            return None;
        }
        let mut screen = self.parser.screen().clone();
        screen.clear_scrollback();
        Some(Picture { screen, graphics: self.graphics.clone() })
    }

    /// Shows what one showed, with nothing above it.
    pub(super) fn set(&mut self, picture: &Picture) {
        let (rows, columns) = picture.screen.size();
        *self = Self::new(columns.get(), rows.get(), self.parser.callbacks().allow);
        *self.parser.screen_mut() = picture.screen.clone();
        self.graphics = picture.graphics.clone();
    }

    /// Answers to the program's questions, to be sent to the node like keys.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parser.callbacks_mut().replies)
    }

    /// Whether the bell has rung since the last call.
    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.parser.callbacks_mut().bell)
    }

    /// The title, where titles are allowed.
    pub fn title(&self) -> &str {
        &self.parser.callbacks().title
    }

    /// What the node tried and was refused.
    pub fn refused(&self) -> Refused {
        self.parser.callbacks().refused
    }

    /// Another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.screen_mut().set_scrollback(0);
        self.parser.set_size(at_least_one(rows, MOST_ROWS), at_least_one(columns, MOST_COLUMNS));
        self.back = self.back.min(self.above());
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let (rows, columns) = self.parser.screen().size();
        (columns.get(), rows.get())
    }

    /// What [`crate::terminal::encode`] has to know.
    pub fn key_modes(&self) -> KeyModes {
        KeyModes { application_cursor: self.parser.screen().application_cursor() }
    }

    /// Whether a paste is to be bracketed.
    pub fn bracketed_paste(&self) -> bool {
        self.parser.screen().bracketed_paste()
    }

    /// Whether a full-screen program is at work; it has no scrollback.
    pub fn is_full_screen(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// The cursor, unless it is hidden or scrolled out of view.
    pub fn cursor(&self) -> Option<Cursor> {
        let screen = self.parser.screen();
        if screen.hide_cursor() || self.back > 0 {
            return None;
        }
        let (row, column) = screen.cursor_position();
        let shape = match screen.cursor_style() {
            vt100::CursorStyle::BlinkUnderline | vt100::CursorStyle::SteadyUnderline => CursorShape::Underline,
            vt100::CursorStyle::BlinkVerticalBar | vt100::CursorStyle::SteadyVerticalBar => CursorShape::Bar,
            _ => CursorShape::Block,
        };
        Some(Cursor { row, column: column.min(self.size().0 - 1), shape })
    }

    /// Bytes of memory that scrolled lines take, about.
    pub fn memory(&self) -> usize {
        let (columns, rows) = self.size();
        self.parser.callbacks().history.bytes() + (NEAR_LINES + 2 * usize::from(rows)) * usize::from(columns) * 32
    }

    // ---- lines -----------------------------------------------------------------------------------------------------------

    fn near(&self) -> usize {
        self.parser.screen().scrollback_len()
    }

    /// Lines above the screen that are kept.
    pub fn above(&self) -> usize {
        if self.is_full_screen() { 0 } else { self.parser.callbacks().history.len() + self.near() }
    }

    /// Number of the oldest line that is kept.
    pub fn first_line(&self) -> u64 {
        self.parser.callbacks().history.dropped()
    }

    /// One past the number of the last line.
    fn end(&self) -> u64 {
        self.first_line() + self.above() as u64 + u64::from(self.size().1)
    }

    /// Number of the line at the top of the view.
    pub fn top_line(&self) -> u64 {
        self.first_line() + (self.above() - self.back.min(self.above())) as u64
    }

    /// Lines the view is scrolled back; 0 follows the output.
    pub fn scrolled_back(&self) -> usize {
        self.back
    }

    /// Scrolls the view: back by a positive number of lines, forward by a negative one.
    pub fn scroll(&mut self, lines: i64) {
        let back = i64::try_from(self.back).unwrap_or(i64::MAX).saturating_add(lines).max(0);
        self.back = usize::try_from(back).unwrap_or(usize::MAX).min(self.above());
    }

    /// Follows the output again.
    pub fn scroll_to_end(&mut self) {
        self.back = 0;
    }

    /// Brings a line into view, in the middle if it was out of it.
    pub fn show(&mut self, line: u64) {
        let rows = u64::from(self.size().1);
        let top = self.top_line();
        if line < top || line >= top + rows {
            let wanted = line.saturating_sub(rows / 2).max(self.first_line());
            let back = (self.first_line() + self.above() as u64).saturating_sub(wanted);
            self.back = usize::try_from(back).unwrap_or(usize::MAX).min(self.above());
        }
    }

    /// Calls `draw` with row, column and glyph for each cell in view that is not blank, in order.
    pub fn draw(&mut self, mut draw: impl FnMut(u16, u16, Glyph<'_>)) {
        let rows = self.size().1;
        let top = self.top_line();
        self.lines(top, usize::from(rows), |row, cells| {
            let mut clean = String::new();
            for (column, cell) in cells {
                draw(
                    row as u16,
                    column,
                    Glyph { text: cleaned(cell.contents(), &mut clean), wide: cell.is_wide(), style: cell_style(cell) },
                );
            }
        });
    }

    /// Whether a cell of the view is selected, and whether it is part of what was searched. Blank cells can be either.
    pub fn mark(&self, row: u16, column: u16) -> (bool, bool) {
        let point = Point { line: self.top_line() + u64::from(row), column };
        let selected = self.selection.is_some_and(|(start, end)| start <= point && point <= end);
        let found = self.found.is_some_and(|m| m.start.line == point.line && (m.start.column..m.end).contains(&column));
        (selected, found)
    }

    /// Visits the cells of some lines, wherever they are kept.
    fn lines(&mut self, first: u64, count: usize, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = (u16, &vt100::Cell)>)) {
        let (columns, rows) = self.size();
        let start = usize::try_from(first.saturating_sub(self.first_line())).unwrap_or(usize::MAX);
        let full_screen = self.is_full_screen();
        let history = if full_screen { 0 } else { self.parser.callbacks().history.len() };
        let near = if full_screen { 0 } else { self.near() };
        let mut scratch: Option<Parser> = None;
        for at in 0..count {
            let line = start.saturating_add(at);
            if line < history {
                let scratch = scratch.get_or_insert_with(|| Parser::new(NonZeroU16::MIN, at_least_one(columns, MOST_COLUMNS), 0));
                scratch.process(b"\x1b[m\x1b[2J\x1b[H\x1b[?7l");
                if let Some(text) = self.parser.callbacks().history.get(line) {
                    scratch.process(text.as_bytes());
                }
                visit(at, &mut cells(scratch.screen(), 0, columns));
            } else {
                let below = line - history;
                // The emulator shows its scrollback by moving its view.
                let back = near.saturating_sub(below);
                let row = below.saturating_sub(near - back);
                if row >= usize::from(rows) {
                    return;
                }
                self.parser.screen_mut().set_scrollback(back);
                visit(at, &mut cells(self.parser.screen(), row as u16, columns));
                self.parser.screen_mut().set_scrollback(0);
            }
        }
    }

    fn text(&mut self, line: u64) -> (String, Vec<u16>, bool) {
        let columns = self.size().0;
        let mut found = (String::new(), Vec::new(), false);
        self.lines(line, 1, |_, cells| {
            let (mut text, mut places, mut clean) = (String::new(), Vec::new(), String::new());
            let mut last = 0;
            for (column, cell) in cells {
                // Blank cells in between are spaces.
                for blank in last..column {
                    text.push(' ');
                    places.push(blank);
                }
                let piece = cleaned(cell.contents(), &mut clean);
                text.push_str(piece);
                places.extend(std::iter::repeat_n(column, piece.len()));
                last = column + if cell.is_wide() { 2 } else { 1 };
            }
            let full = last >= columns;
            found = (text, places, full);
        });
        found
    }

    // ---- search ----------------------------------------------------------------------------------------------------------

    /// Finds text in the lines that are kept: upwards from `from` (or the end), or downwards. Upper and lower case are alike
    /// unless the text has an upper-case letter. The place found is shown and marked.
    pub fn search(&mut self, text: &str, from: Option<Point>, up: bool) -> Option<Match> {
        self.found = None;
        if text.is_empty() {
            return None;
        }
        let exact = text.chars().any(char::is_uppercase);
        let fold = |text: &str| if exact { text.to_owned() } else { text.to_lowercase() };
        let wanted = fold(text);
        let (first, end) = (self.first_line(), self.end());
        let start = from.map_or(if up { end - 1 } else { first }, |p| p.line.clamp(first, end - 1));
        let mut line = start;
        let found = loop {
            let (text, places, _) = if self.may_hold(line, &wanted, exact) { self.text(line) } else { Default::default() };
            let folded = fold(&text);
            // Folding that changes lengths would put the mark elsewhere; such lines are searched as they are.
            let hay = if folded.len() == text.len() { folded } else { text };
            let fits = |at: &usize| {
                let column = places.get(*at).copied().unwrap_or(0);
                match from {
                    Some(from) if from.line == line => {
                        if up {
                            column < from.column
                        } else {
                            column > from.column
                        }
                    }
                    _ => true,
                }
            };
            let mut hits = hay.match_indices(wanted.as_str()).map(|(at, _)| at).filter(fits);
            let hit = if up { hits.last() } else { hits.next() };
            if let Some(at) = hit {
                let last = (at + wanted.len()).saturating_sub(1);
                let column = places.get(at).copied().unwrap_or(0);
                let end = places.get(last).copied().unwrap_or(column) + 1;
                break Match { start: Point { line, column }, end };
            }
            if up {
                if line <= first {
                    return None;
                }
                line -= 1;
            } else {
                line += 1;
                if line >= end {
                    return None;
                }
            }
        };
        self.found = Some(found);
        self.show(found.start.line);
        Some(found)
    }

    /// Whether it is worth laying an old line out in cells to find text in it. Most lines are passed over here.
    fn may_hold(&self, line: u64, wanted: &str, exact: bool) -> bool {
        if self.is_full_screen() {
            return true;
        }
        let at = usize::try_from(line - self.first_line()).unwrap_or(usize::MAX);
        let Some(text) = self.parser.callbacks().history.get(at) else { return true };
        let plain: String = basic_formatted_to_plain(text).collect();
        if exact { plain.contains(wanted) } else { plain.to_lowercase().contains(wanted) }
    }

    /// Takes the mark of a search away.
    pub fn clear_search(&mut self) {
        self.found = None;
    }

    // ---- selection -------------------------------------------------------------------------------------------------------

    /// The point under a cell of the view.
    pub fn point(&self, row: u16, column: u16) -> Point {
        Point { line: self.top_line() + u64::from(row), column }
    }

    /// Selects from one point to another, both included, in either order.
    pub fn select(&mut self, from: Point, to: Point) {
        self.selection = Some((from.min(to), from.max(to)));
    }

    /// Selects nothing.
    pub fn clear_selection(&mut self) {
        self.selection = None;
    }

    /// The selected text, up to 1 MiB. A line that ran on over the edge stays one line; spaces at line ends are left out.
    pub fn selected_text(&mut self) -> Option<String> {
        let (start, end) = self.selection?;
        let mut out = String::new();
        let mut line = start.line.max(self.first_line());
        while line <= end.line && line < self.end() && out.len() < MOST_COPY {
            let (text, places, full) = self.text(line);
            let from = if line == start.line { start.column } else { 0 };
            let to = if line == end.line { end.column } else { u16::MAX };
            let from_at = places.iter().position(|c| *c >= from).unwrap_or(text.len());
            let to_at = places.iter().position(|c| *c > to).unwrap_or(text.len());
            let part = text.get(from_at..to_at.max(from_at)).unwrap_or_default();
            if line == end.line {
                out.push_str(if full { part } else { part.trim_end() });
            } else if full {
                out.push_str(part);
            } else {
                out.push_str(part.trim_end());
                out.push('\n');
            }
            line += 1;
        }
        Some(out)
    }
}

fn cells(screen: &Screen, row: u16, columns: u16) -> impl Iterator<Item = (u16, &vt100::Cell)> {
    let used = move |column: u16| {
        let cell = screen.cell(row, column)?;
        let plain = !cell.has_contents() && cell.bgcolor() == vt100::Color::Default && !cell.inverse() && !cell.underline();
        (!plain && !cell.is_wide_continuation()).then_some((column, cell))
    };
    (0..columns).filter_map(used)
}

fn cell_style(cell: &vt100::Cell) -> Style {
    Style {
        foreground: cell.fgcolor().into(),
        background: cell.bgcolor().into(),
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underline: cell.underline(),
        inverse: cell.inverse(),
    }
}

fn cleaned<'a>(text: &'a str, buffer: &'a mut String) -> &'a str {
    if text.is_empty() {
        return " ";
    }
    if !text.chars().any(is_hostile) {
        return text;
    }
    buffer.clear();
    buffer.extend(text.chars().filter(|c| !is_hostile(*c)));
    if buffer.is_empty() { " " } else { buffer }
}
