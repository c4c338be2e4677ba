//! One session's pane: every key goes to the node, but for the escapes after a newline; reading back, searching, selecting
//! and copying; the warning before a paste of several lines. It sends nothing: what a key came to is told.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::views::Canvas;
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::{clear, frame, put, terminal};
use crate::message::session::{LiveId, LiveSession, State};
use crate::model::account::Environment;
use crate::terminal::{self as emulator, Escape, EscapeKeys, Key, KeyCode as Code, Piece, Point};
use crate::text;

/// What the escapes do, as `~?` lists them.
const ESCAPES: [(&str, &str); 10] = [
    ("~.", "end the session"),
    ("~d", "detach: it runs on, 7 brings it back"),
    ("~b", "read back: j k ctrl-b ctrl-f g G, v selects, c copies, esc leaves"),
    ("~s", "search what has scrolled by"),
    ("~n", "the next session"),
    ("~p", "the previous session"),
    ("~v", "two sessions at once"),
    ("~f", "the whole screen"),
    ("~~", "one ~"),
    ("~?", "this list"),
];

/// What a key came to.
#[derive(Debug, Default)]
pub struct Came {
    /// For the node.
    pub bytes: Vec<u8>,
    pub copy: Option<String>,
    pub notice: Option<(String, bool)>,
    pub escape: Option<Escape>,
}

enum Mode {
    /// Keys go to the node.
    Live,
    Help,
    /// Text that waits for a yes.
    Paste(String),
    Search(Input),
    Reading(Reading),
}

/// Where the reader stands, and where a selection began.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    row: u16,
    column: u16,
    from: Option<Point>,
}

/// The pane.
pub struct Pane {
    pub id: LiveId,
    keys: EscapeKeys,
    mode: Mode,
    /// What was searched last, and where it was found.
    searched: Option<(String, Option<Point>)>,
    /// Where the mouse's button went down, and whether it has moved since.
    pressed: Option<(Point, bool)>,
}

impl Pane {
    pub fn new(id: LiveId) -> Self {
        Self { id, keys: EscapeKeys::default(), mode: Mode::Live, searched: None, pressed: None }
    }

    /// Keys and words for the foot.
    pub fn hints(&self) -> Vec<(String, &'static str)> {
        let pairs: &[(&str, &str)] = match &self.mode {
            Mode::Live if self.keys.is_pending() => {
                &[("~ …", ""), (".", "end"), ("d", "detach"), ("b", "back"), ("s", "search"), ("n", "next"), ("?", "all")]
            }
            Mode::Live => {
                &[("~?", "escapes, after enter"), ("~d", "detach"), ("~.", "end"), ("~b", "read back"), ("~s", "search")]
            }
            Mode::Help => &[("any key", "goes on")],
            Mode::Paste(_) => &[("enter", "paste"), ("esc", "leave it")],
            Mode::Search(_) => &[("enter", "search upwards"), ("esc", "leave")],
            Mode::Reading(_) => &[
                ("j k", "move"),
                ("ctrl-b ctrl-f", "page"),
                ("v", "select"),
                ("c", "copy"),
                ("/ n N", "search"),
                ("esc", "leave"),
            ],
        };
        pairs.iter().map(|(keys, word)| ((*keys).to_owned(), *word)).collect()
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, session: &LiveSession) -> Came {
        match &mut self.mode {
            Mode::Help => {
                self.mode = Mode::Live;
                Came::default()
            }
            Mode::Paste(text) => {
                let text = std::mem::take(text);
                self.mode = Mode::Live;
                if key.code == KeyCode::Enter {
                    let bracketed = session.screen.with(|t| t.bracketed_paste());
                    return Came { bytes: emulator::paste(&text, bracketed), ..Came::default() };
                }
                Came { notice: Some(("Nothing was pasted.".into(), false)), ..Came::default() }
            }
            Mode::Search(input) => match key.code {
                KeyCode::Esc => {
                    self.leave(session);
                    Came::default()
                }
                KeyCode::Enter => {
                    let wanted = input.text().to_owned();
                    self.mode = Mode::Reading(Reading::default());
                    self.searched = Some((wanted, None));
                    self.search(session, true)
                }
                _ => {
                    input.key(key);
                    Came::default()
                }
            },
            Mode::Reading(_) => self.read(key, session),
            Mode::Live => self.live(key, session),
        }
    }

    fn live(&mut self, key: KeyEvent, session: &LiveSession) -> Came {
        let modes = session.screen.with(|t| {
            t.scroll_to_end();
            t.clear_selection();
            t.clear_search();
            t.key_modes()
        });
        let Some(wanted) = wanted(key) else { return Came::default() };
        let bytes = emulator::encode(wanted, modes);
        let mut came = Came::default();
        for piece in self.keys.feed(&bytes) {
            match piece {
                Piece::Bytes(bytes) => came.bytes.extend(bytes),
                Piece::Escape(Escape::Help) => self.mode = Mode::Help,
                Piece::Escape(Escape::Search) => self.mode = Mode::Search(Input::default()),
                Piece::Escape(Escape::Back) => self.begin_reading(session),
                Piece::Escape(escape) => came.escape = Some(escape),
            }
        }
        came
    }

    fn begin_reading(&mut self, session: &LiveSession) {
        let row = session.screen.with(|t| t.cursor().map_or(0, |c| c.row));
        self.mode = Mode::Reading(Reading { row, ..Reading::default() });
    }

    /// Back to the node, at the end of what it said.
    fn leave(&mut self, session: &LiveSession) {
        session.screen.with(|t| {
            t.scroll_to_end();
            t.clear_selection();
            t.clear_search();
        });
        self.mode = Mode::Live;
    }

    fn search(&mut self, session: &LiveSession, up: bool) -> Came {
        let Some((wanted, from)) = &mut self.searched else {
            return Came { notice: Some(("/ searches.".into(), false)), ..Came::default() };
        };
        match session.screen.with(|t| t.search(wanted, *from, up).map(|m| (m, t.top_line()))) {
            Some((found, top)) => {
                *from = Some(found.start);
                let row = u16::try_from(found.start.line.saturating_sub(top)).unwrap_or(0);
                if let Mode::Reading(reading) = &mut self.mode {
                    (reading.row, reading.column) = (row, found.start.column);
                }
                Came::default()
            }
            None => {
                let where_to = if up { "above" } else { "below" };
                Came { notice: Some((format!("{:?} is not found {where_to}.", text::line(wanted)), true)), ..Came::default() }
            }
        }
    }

    fn read(&mut self, key: KeyEvent, session: &LiveSession) -> Came {
        let Mode::Reading(mut reading) = self.mode else { return Came::default() };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let (columns, rows) = session.screen.with(|t| t.size());
        let page = i64::from(rows.max(2) - 1);
        let mut came = Came::default();
        let mut lines = 0;
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => {
                self.leave(session);
                return came;
            }
            KeyCode::Char('c') if ctrl => {
                self.leave(session);
                return came;
            }
            KeyCode::Char('f') if ctrl => lines = page,
            KeyCode::Char('b') if ctrl => lines = -page,
            KeyCode::PageDown | KeyCode::Char(' ') => lines = page,
            KeyCode::PageUp => lines = -page,
            KeyCode::Char('j') | KeyCode::Down => lines = 1,
            KeyCode::Char('k') | KeyCode::Up => lines = -1,
            KeyCode::Char('h') | KeyCode::Left => reading.column = reading.column.saturating_sub(1),
            KeyCode::Char('l') | KeyCode::Right => reading.column = (reading.column + 1).min(columns - 1),
            KeyCode::Char('0') | KeyCode::Home => reading.column = 0,
            KeyCode::Char('$') | KeyCode::End => reading.column = columns - 1,
            KeyCode::Char('g') => lines = i64::MIN / 2,
            KeyCode::Char('G') => lines = i64::MAX / 2,
            KeyCode::Char('/') => {
                self.mode = Mode::Search(Input::default());
                return came;
            }
            KeyCode::Char(c @ ('n' | 'N')) => {
                came = self.search(session, c == 'n');
                if let Mode::Reading(found) = &self.mode {
                    (reading.row, reading.column) = (found.row, found.column);
                }
            }
            KeyCode::Char('v') => {
                reading.from = match reading.from {
                    Some(_) => None,
                    None => Some(session.screen.with(|t| t.point(reading.row, reading.column))),
                };
            }
            KeyCode::Char('c' | 'y') | KeyCode::Enter => {
                let text = session.screen.with(|t| {
                    if reading.from.is_none() {
                        // The line at hand.
                        let (start, end) = (t.point(reading.row, 0), t.point(reading.row, columns - 1));
                        t.select(start, end);
                    }
                    t.selected_text()
                });
                self.leave(session);
                return copied(text);
            }
            _ => {}
        }
        if lines != 0 {
            self.step(session, &mut reading, lines, rows);
        }
        session.screen.with(|t| match reading.from {
            Some(from) => {
                let to = t.point(reading.row, reading.column);
                t.select(from, to);
            }
            None => t.clear_selection(),
        });
        self.mode = Mode::Reading(reading);
        came
    }

    /// Moves by lines: within the screen first, then the screen itself.
    fn step(&self, session: &LiveSession, reading: &mut Reading, lines: i64, rows: u16) {
        let last = i64::from(rows.saturating_sub(1));
        let wanted = i64::from(reading.row).saturating_add(lines);
        let row = wanted.clamp(0, last);
        session.screen.with(|t| t.scroll(row.saturating_sub(wanted)));
        reading.row = u16::try_from(row).unwrap_or(0);
    }

    /// Takes pasted text; several lines into production are asked about first.
    pub fn paste(&mut self, pasted: &str, session: &LiveSession) -> Came {
        match &mut self.mode {
            Mode::Search(input) => {
                input.insert(pasted);
                return Came::default();
            }
            Mode::Live => {}
            Mode::Help | Mode::Paste(_) | Mode::Reading(_) => return Came::default(),
        }
        let careful = matches!(session.machine.environment, Some(Environment::Production) | None);
        if careful && pasted.trim_end_matches(['\r', '\n']).contains(['\r', '\n']) {
            self.mode = Mode::Paste(pasted.to_owned());
            return Came::default();
        }
        let bracketed = session.screen.with(|t| {
            t.scroll_to_end();
            t.bracketed_paste()
        });
        Came { bytes: emulator::paste(pasted, bracketed), ..Came::default() }
    }

    /// The wheel: lines that have scrolled by; in a full-screen program, which has none, the arrow keys, as xterm does.
    pub fn wheel(&mut self, lines: i16, session: &LiveSession) -> Came {
        if matches!(self.mode, Mode::Live) {
            let (full, modes) = session.screen.with(|t| (t.is_full_screen(), t.key_modes()));
            if full {
                let key = Key::plain(if lines < 0 { Code::Up } else { Code::Down });
                let bytes = emulator::encode(key, modes).repeat(usize::from(lines.unsigned_abs()));
                return Came { bytes, ..Came::default() };
            }
            self.begin_reading(session);
        }
        if matches!(self.mode, Mode::Reading(_)) {
            session.screen.with(|t| t.scroll(-i64::from(lines)));
            if session.screen.with(|t| t.scrolled_back()) == 0 && lines > 0 {
                self.leave(session);
            }
        }
        Came::default()
    }

    /// The mouse's button goes down: what was selected is no longer.
    pub fn press(&mut self, row: u16, column: u16, session: &LiveSession) {
        let point = session.screen.with(|t| {
            t.clear_selection();
            t.point(row, column)
        });
        self.pressed = Some((point, false));
        if let Mode::Reading(reading) = &mut self.mode {
            *reading = Reading { row, column, from: None };
        }
    }

    /// The mouse moves with its button down and selects; beyond the pane's edge it scrolls. Let go of, what it selected is
    /// copied.
    pub fn drag(&mut self, at: Position, place: Rect, released: bool, session: &LiveSession) -> Came {
        let Some((from, moved)) = self.pressed else { return Came::default() };
        if released {
            self.pressed = None;
            if !moved {
                return Came::default();
            }
            return copied(session.screen.with(|t| t.selected_text()));
        }
        session.screen.with(|t| {
            if at.y < place.y {
                t.scroll(1);
            } else if at.y >= place.bottom() {
                t.scroll(-1);
            }
            let (columns, rows) = t.size();
            let row = at.y.saturating_sub(place.y).min(rows - 1);
            let column = at.x.saturating_sub(place.x).min(columns - 1);
            let to = t.point(row, column);
            t.select(from, to);
        });
        self.pressed = Some((from, true));
        Came::default()
    }

    /// Draws the session and what lies over it.
    pub fn draw(&mut self, area: Rect, session: &LiveSession, focused: bool, canvas: &mut Canvas<'_>) {
        if area.is_empty() {
            return;
        }
        let theme = canvas.theme;
        session.screen.seen();
        let (cursor, back, above) = session.screen.with(|t| {
            let cursor = terminal::draw(canvas.buffer, area, t, theme);
            (cursor, t.scrolled_back(), t.above())
        });
        let mut cursor = cursor;
        if let Mode::Reading(reading) = &self.mode {
            let row = reading.row.min(area.height - 1);
            cursor = Some(Position::new(area.x + reading.column.min(area.width - 1), area.y + row));
        }
        let over = match (&session.state, session.unanswered) {
            (State::Starting, _) => Some(("starting …".to_owned(), "ui.notice")),
            (State::Reconnecting(n), _) => Some((format!("reconnecting ({n}): what you type is kept"), "ui.warning")),
            (State::Ended { why, bad }, _) => {
                // Whole, whatever its length: what was refused often stands at its end.
                let style = theme.style(if *bad { "ui.error" } else { "ui.notice" });
                let words = format!("{} Enter or esc leaves it.", text::line(why));
                let lines = wrap(&words, usize::from(area.width.saturating_sub(2)));
                let widest = lines.iter().map(|line| text::width(line)).max().unwrap_or(0);
                let room = usize::from(area.width.saturating_sub(2));
                // Whole rows where it needs most of them: the ends of what stands there would only confuse.
                let width = if widest > room / 2 { room } else { widest };
                for (n, line) in (0..area.height).zip(&lines) {
                    badge(Rect { y: area.y + n, height: 1, ..area }, &text::pad(line, width, false), style, canvas);
                }
                None
            }
            (State::Open, Some(seconds)) => Some((format!("the node has not answered for {seconds} s"), "ui.warning")),
            (State::Open, None) if back > 0 => {
                Some((format!("{} of {} lines back", text::count(back as u64), text::count(above as u64)), "ui.notice"))
            }
            (State::Open, None) => None,
        };
        if let Some((words, style)) = over {
            badge(area, &words, theme.style(style), canvas);
        }
        match &self.mode {
            Mode::Search(input) => {
                let y = area.bottom() - 1;
                clear(canvas.buffer, Rect { y, height: 1, ..area }, Style::default());
                let used = put(canvas.buffer, area.x, y, area.width, "search: ", theme.style("ui.hint.key"));
                let field = Rect::new(area.x + used, y, area.width.saturating_sub(used), 1);
                cursor = Some(input.draw(canvas.buffer, field, theme.style("ui.filter")));
            }
            Mode::Help => {
                let lines: Vec<(String, String)> = ESCAPES.iter().map(|(k, w)| ((*k).to_owned(), (*w).to_owned())).collect();
                window(area, "Escapes, at the start of a line", &lines, canvas);
                cursor = None;
            }
            Mode::Paste(pasted) => {
                let all: Vec<&str> = pasted.lines().collect();
                let mut lines: Vec<(String, String)> =
                    all.iter().take(8).map(|line| (String::new(), text::line(line).into_owned())).collect();
                if all.len() > 8 {
                    lines.push((String::new(), format!("… and {} more", all.len() - 8)));
                }
                let title = format!("Paste {} lines into {}?", all.len(), session.machine.name);
                window(area, &title, &lines, canvas);
                cursor = None;
            }
            Mode::Live | Mode::Reading(_) => {}
        }
        if focused {
            canvas.cursor = cursor;
        }
    }
}

/// What copying a text comes to.
fn copied(text: Option<String>) -> Came {
    let text = text.unwrap_or_default();
    if text.trim().is_empty() {
        return Came { notice: Some(("There is nothing to copy there.".into(), false)), ..Came::default() };
    }
    let many = text.lines().count();
    let notice = format!("Copied: {many} line{}", if many == 1 { "" } else { "s" });
    Came { notice: Some((notice, false)), copy: Some(text), ..Came::default() }
}

/// A line over the upper right corner.
fn badge(area: Rect, words: &str, style: Style, canvas: &mut Canvas<'_>) {
    let words = format!(" {} ", text::fit(words, usize::from(area.width.saturating_sub(2))));
    let width = u16::try_from(text::width(&words)).unwrap_or(area.width).min(area.width);
    let place = Rect::new(area.right() - width, area.y, width, 1);
    clear(canvas.buffer, place, Style::default());
    put(canvas.buffer, place.x, place.y, width, &words, style.add_modifier(ratatui::style::Modifier::REVERSED));
}

/// A window of lines in the middle.
fn window(area: Rect, title: &str, lines: &[(String, String)], canvas: &mut Canvas<'_>) {
    let theme = canvas.theme;
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let width = area.width.min(76);
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 3, width, height);
    let inside = frame(canvas.buffer, place, title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
    for (y, (key, words)) in (inside.y..inside.bottom()).zip(lines) {
        let used = if key.is_empty() { 0 } else { put(canvas.buffer, inside.x, y, 4, key, theme.style("ui.hint.key")).max(4) };
        put(canvas.buffer, inside.x + used, y, inside.width.saturating_sub(used), words, theme.style("ui"));
    }
}

/// A key as the emulator knows it; none for one that no terminal sends.
fn wanted(key: KeyEvent) -> Option<Key> {
    let code = match key.code {
        KeyCode::Char(c) => Code::Char(c),
        KeyCode::Enter => Code::Enter,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Esc => Code::Escape,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::Insert => Code::Insert,
        KeyCode::Delete => Code::Delete,
        KeyCode::F(n) => Code::F(n),
        _ => return None,
    };
    let has = |modifier| key.modifiers.contains(modifier);
    Some(Key { code, shift: has(KeyModifiers::SHIFT), alt: has(KeyModifiers::ALT), ctrl: has(KeyModifiers::CONTROL) })
}
