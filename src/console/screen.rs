//! The terminal: enter, leave, suspend; paint a frame with as few bytes as it takes. It owns stdin and stdout while
//! the console runs. It does not know what it paints.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::buffer::{Buffer, Cell, CellWidth as _};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};

/// Whether the terminal is in our hands, for the panic hook and the signal handlers.
static ENTERED: AtomicBool = AtomicBool::new(false);

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J";
const LEAVE: &str = "\x1b[r\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Buttons, the wheel, and movement while a button is down.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Takes the terminal: raw mode, alternate screen, no cursor, bracketed paste, mouse where wanted.
///
/// # Errors
/// Where stdin or stdout is no terminal.
pub fn enter(mouse: bool) -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let mut out = io::stdout().lock();
    out.write_all(ENTER.as_bytes())?;
    if mouse {
        out.write_all(MOUSE_ON.as_bytes())?;
    }
    out.flush()
}

/// Gives the terminal back as it was; does nothing a second time. Safe to call from a panic hook.
pub fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout().lock();
        // Nothing more can be done where even this fails.
        let _ = out.write_all(MOUSE_OFF.as_bytes()).and_then(|()| out.write_all(LEAVE.as_bytes())).and_then(|()| out.flush());
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Rows that moved as a block since the last frame, so that the terminal can scroll them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scroll {
    /// First row of the block, and the row behind its last; it spans the whole width.
    pub top: u16,
    pub bottom: u16,
    /// Rows it moved up; negative where it moved down.
    pub lines: i32,
}

/// Writes what differs between two frames.
#[derive(Debug)]
pub struct Painter {
    shown: Buffer,
    bytes: Vec<u8>,
    cursor: Option<Position>,
}

impl Painter {
    /// A painter for a cleared screen of this size.
    pub fn new(width: u16, height: u16) -> Self {
        Self { shown: Buffer::empty(Rect::new(0, 0, width, height)), bytes: Vec::new(), cursor: None }
    }

    /// Bytes that bring the screen from the last frame to this one; none where nothing differs.
    pub fn paint(&mut self, frame: &Buffer, scroll: Option<Scroll>, cursor: Option<Position>) -> &[u8] {
        self.bytes.clear();
        if frame.area != self.shown.area {
            self.bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
            self.shown = Buffer::empty(frame.area);
        }
        if let Some(scroll) = scroll {
            self.scroll(scroll);
        }
        let mut pen = Pen::default();
        let updates = self.shown.diff(frame);
        for (x, y, cell) in &updates {
            pen.put(&mut self.bytes, *x, *y, cell);
        }
        let drew = !updates.is_empty();
        if drew && pen.style != PenStyle::default() {
            self.bytes.extend_from_slice(b"\x1b[0m");
        }
        match cursor {
            Some(at) if drew || self.cursor != cursor => {
                let show = if self.cursor.is_none() { "\x1b[?25h" } else { "" };
                self.bytes.extend_from_slice(format!("\x1b[{};{}H{show}", at.y + 1, at.x + 1).as_bytes());
            }
            None if self.cursor.is_some() => self.bytes.extend_from_slice(b"\x1b[?25l"),
            _ => {}
        }
        self.cursor = cursor;
        self.shown.clone_from(frame);
        &self.bytes
    }

    /// Forgets what is shown: the next frame is painted whole.
    pub fn forget(&mut self) {
        self.shown = Buffer::empty(Rect::ZERO);
    }

    fn scroll(&mut self, Scroll { top, bottom, lines }: Scroll) {
        let area = self.shown.area;
        let height = bottom.saturating_sub(top);
        let by = u16::try_from(lines.unsigned_abs()).unwrap_or(u16::MAX);
        if bottom > area.height || by == 0 || by >= height {
            return;
        }
        let way = if lines > 0 { 'S' } else { 'T' };
        self.bytes.extend_from_slice(format!("\x1b[{};{bottom}r\x1b[{by}{way}\x1b[r", top + 1).as_bytes());
        let width = usize::from(area.width);
        let rows = usize::from(top) * width..usize::from(bottom) * width;
        let block = &mut self.shown.content[rows];
        let moved = usize::from(by) * width;
        if lines > 0 {
            block.rotate_left(moved);
            let from = block.len() - moved;
            block[from..].fill(Cell::EMPTY);
        } else {
            block.rotate_right(moved);
            block[..moved].fill(Cell::EMPTY);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PenStyle {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Default for PenStyle {
    fn default() -> Self {
        Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() }
    }
}

/// Where the terminal's cursor is and what it writes with.
#[derive(Debug, Default)]
struct Pen {
    at: Option<(u16, u16)>,
    style: PenStyle,
}

const MODIFIERS: [(Modifier, &str); 6] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::REVERSED, "7"),
    (Modifier::CROSSED_OUT, "9"),
];

/// What shows on a blank, too.
const ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);

impl Pen {
    fn put(&mut self, out: &mut Vec<u8>, x: u16, y: u16, cell: &Cell) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((column, row)) if row == y && column < x => out.extend_from_slice(format!("\x1b[{}C", x - column).as_bytes()),
            _ => out.extend_from_slice(format!("\x1b[{};{}H", y + 1, x + 1).as_bytes()),
        }
        let mut style = PenStyle { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        if cell.symbol() == " " && !(style.modifier | self.style.modifier).intersects(ON_BLANKS) {
            // A blank shows its ground only: the gaps between columns need no change of colour.
            (style.fg, style.modifier) = (self.style.fg, self.style.modifier);
        }
        self.restyle(out, style);
        out.extend_from_slice(cell.symbol().as_bytes());
        self.at = Some((x + cell.cell_width(), y));
    }

    fn restyle(&mut self, out: &mut Vec<u8>, new: PenStyle) {
        if new == self.style {
            return;
        }
        let mut codes: Vec<String> = Vec::new();
        let mut old = self.style;
        // Attributes can't be taken away one by one on every terminal: start over.
        if !new.modifier.contains(old.modifier) || new == PenStyle::default() {
            codes.push("0".to_owned());
            old = PenStyle::default();
        }
        for (modifier, code) in MODIFIERS {
            if new.modifier.contains(modifier) && !old.modifier.contains(modifier) {
                codes.push(code.to_owned());
            }
        }
        if new.fg != old.fg {
            codes.push(colour(new.fg, 30));
        }
        if new.bg != old.bg {
            codes.push(colour(new.bg, 40));
        }
        out.extend_from_slice(format!("\x1b[{}m", codes.join(";")).as_bytes());
        self.style = new;
    }
}

/// The SGR code of a colour; `base` is 30 for the foreground, 40 for the background.
fn colour(colour: Color, base: u8) -> String {
    let basic = |n: u8| (base + n).to_string();
    let bright = |n: u8| (base + 60 + n).to_string();
    match colour {
        Color::Reset => (base + 9).to_string(),
        Color::Black => basic(0),
        Color::Red => basic(1),
        Color::Green => basic(2),
        Color::Yellow => basic(3),
        Color::Blue => basic(4),
        Color::Magenta => basic(5),
        Color::Cyan => basic(6),
        Color::Gray => basic(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
    }
}

/// The bytes that put a text on the clipboard of the user's own terminal (OSC 52), through tmux or screen where the
/// environment says one is in between.
pub fn copy(text: &str, tmux: bool, screen: bool) -> String {
    use crossterm::Command as _;
    let mut plain = String::new();
    // Writing into a String does not fail.
    let _ = crossterm::clipboard::CopyToClipboard::to_clipboard_from(text).write_ansi(&mut plain);
    if tmux {
        format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"))
    } else if screen {
        // screen takes at most 768 bytes in one device control string.
        let chunks: Vec<&str> = plain.as_bytes().chunks(512).filter_map(|c| std::str::from_utf8(c).ok()).collect();
        chunks.iter().map(|chunk| format!("\x1bP{chunk}\x1b\\")).collect()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn frame(lines: &[&str]) -> Buffer {
        Buffer::with_lines(lines.iter().copied())
    }

    fn size(cells: u16) -> std::num::NonZeroU16 {
        std::num::NonZeroU16::new(cells).unwrap()
    }

    fn terminal(bytes: &[&[u8]], width: u16, height: u16) -> String {
        let mut parser = vt100::Parser::new(size(height), size(width), 0);
        bytes.iter().for_each(|b| parser.process(b));
        parser.screen().contents()
    }

    #[test]
    fn nothing_new_is_no_bytes() {
        let mut painter = Painter::new(5, 2);
        assert!(!painter.paint(&frame(&["hello", "world"]), None, None).is_empty());
        assert!(painter.paint(&frame(&["hello", "world"]), None, None).is_empty());
    }

    #[test]
    fn a_scrolled_block_costs_one_row() {
        let rows: Vec<String> = (0..40).map(|n| format!("row {n:<96}")).collect();
        let view = |from: usize| frame(&rows[from..from + 30].iter().map(String::as_str).collect::<Vec<_>>());
        let mut painter = Painter::new(100, 30);
        let first = painter.paint(&view(0), None, None).to_vec();
        let scroll = Scroll { top: 0, bottom: 30, lines: 1 };
        let second = painter.paint(&view(1), Some(scroll), None).to_vec();
        assert!(second.len() < 150, "{} bytes", second.len());
        let third = painter.paint(&view(0), Some(Scroll { lines: -1, ..scroll }), None).to_vec();
        assert!(third.len() < 150, "{} bytes", third.len());
        assert_eq!(
            terminal(&[&first, &second], 100, 30),
            terminal(&[Painter::new(100, 30).paint(&view(1), None, None)], 100, 30)
        );
        assert_eq!(terminal(&[&first, &second, &third], 100, 30), terminal(&[&first], 100, 30));
    }

    #[test]
    fn wide_characters_and_styles_arrive() {
        let mut buffer = frame(&["日本 ab"]);
        buffer.set_style(Rect::new(0, 0, 4, 1), Style::default().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));
        let mut painter = Painter::new(7, 1);
        let bytes = painter.paint(&buffer, None, Some(Position::new(2, 0))).to_vec();
        let mut parser = vt100::Parser::new(size(1), size(7), 0);
        parser.process(&bytes);
        assert_eq!(parser.screen().contents(), "日本 ab");
        assert!(parser.screen().cell(0, 0).unwrap().bold());
        assert!(!parser.screen().cell(0, 5).unwrap().bold());
        assert_eq!(parser.screen().cursor_position(), (0, 2));
    }

    #[test]
    fn copies_pass_through_multiplexers() {
        assert_eq!(copy("hi", false, false), "\x1b]52;c;aGk=\x1b\\");
        assert_eq!(copy("hi", true, false), "\x1bPtmux;\x1b\x1b]52;c;aGk=\x1b\x1b\\\x1b\\");
        assert!(copy(&"x".repeat(2_000), false, true).matches("\x1bP").count() > 3);
    }
}
