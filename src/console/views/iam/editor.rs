//! The policy editor: what is to be done with which ARNs becomes a policy, which can then be changed by hand, looked over
//! line by line, and compared with the wish. It holds texts and the cursor; writing, checking and proving happen elsewhere.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui_textarea::{CursorMove, Input as AreaInput, TextArea};

use crate::console::theme::Theme;
use crate::console::views::{Canvas, Context, Request};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::{clear, put, put_parts};
use crate::message::{Effect, PolicyAsk, PolicyMessage, PolicySays, PolicyWish, Slot, Ticket};
use crate::text;

/// The fields of the wish: name, and what goes in.
const FIELDS: [(&str, &str); 12] = [
    ("read", "ARNs, separated by blanks: arn:aws:s3:::bucket/*"),
    ("write", "ARNs"),
    ("list", "ARNs"),
    ("tag", "ARNs"),
    ("permissions", "ARNs whose permissions are managed"),
    ("also", "actions that take no resource: ec2:DescribeRegions"),
    ("without", "actions to leave out: s3:Delete*"),
    ("pass", "roles handed to a service, its name too where no action tells"),
    ("linked", "services that may get their linked role: ecs.amazonaws.com"),
    ("keys", "ARNs of the KMS keys that the data is encrypted with"),
    ("boundary", "ARN of the boundary that every user and role made must have"),
    ("only", "conditions on every request: aws:ResourceTag/team=payments"),
];
/// Cells of their names.
const NAMES: u16 = 13;
/// Lines of messages below the document.
const MESSAGES: u16 = 4;

/// Who has the keyboard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Field(usize),
    Document,
}

/// What it came to with a key.
#[derive(Default)]
pub(super) struct Came {
    pub(super) requests: Vec<Request>,
    pub(super) closed: bool,
}

/// The wish, the documents, and what was said of the one on screen.
pub(super) struct Editor {
    fields: [Input; FIELDS.len()],
    at: At,
    documents: Vec<TextArea<'static>>,
    current: usize,
    asked: Option<Ticket>,
    waiting: bool,
    says: PolicySays,
    /// The wish that the documents were written from; none for a pasted one.
    wish: Option<PolicyWish>,
    /// First line and column on screen.
    offset: (usize, usize),
    /// The name of the file that is to be written, while it is typed.
    saving: Option<Input>,
}

impl Editor {
    /// An empty one, or one with a document to look over.
    pub(super) fn new(document: Option<&str>) -> Self {
        let area = |text: &str| TextArea::new(text::block(text).lines().map(str::to_owned).collect());
        Self {
            fields: std::array::from_fn(|_| Input::default()),
            at: if document.is_some() { At::Document } else { At::Field(0) },
            documents: vec![area(document.unwrap_or_default())],
            current: 0,
            asked: None,
            waiting: false,
            says: PolicySays::default(),
            wish: None,
            offset: (0, 0),
            saving: None,
        }
    }

    fn wished(&self) -> PolicyWish {
        let text = |n: usize| self.fields[n].text().trim().to_owned();
        PolicyWish {
            read: text(0),
            write: text(1),
            list: text(2),
            tagging: text(3),
            permissions: text(4),
            plain: text(5),
            without: text(6),
            pass: text(7),
            linked: text(8),
            keys: text(9),
            boundary: text(10),
            only: text(11),
        }
    }

    fn document(&self) -> String {
        self.documents[self.current].lines().join("\n")
    }

    fn ask(&mut self, ask: PolicyAsk, cx: &mut Context<'_>) -> Vec<Request> {
        let ticket = cx.tickets.take(Slot::Policy);
        self.asked = Some(ticket);
        self.waiting = true;
        vec![Request::Effect(Effect::Policy { ticket, ask })]
    }

    /// Has the document on screen looked over.
    pub(super) fn check(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        // Of several the wish speaks of all together: one alone is not held against it.
        let wish = self.wish.clone().filter(|_| self.documents.len() == 1);
        self.ask(PolicyAsk::Check { document: self.document(), wish }, cx)
    }

    pub(super) fn answer(&mut self, ticket: Ticket, says: PolicySays) {
        if self.asked != Some(ticket) {
            return;
        }
        self.waiting = false;
        if !says.documents.is_empty() {
            let area = |text: &String| TextArea::new(text.lines().map(str::to_owned).collect());
            self.documents = says.documents.iter().map(area).collect();
            self.current = 0;
            self.offset = (0, 0);
            self.at = At::Document;
            self.wish = Some(self.wished());
        }
        self.says = says;
    }

    pub(super) fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Came> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        // A suspended console and the end stay in reach.
        if ctrl && matches!(key.code, KeyCode::Char('c' | 'z')) {
            return None;
        }
        if let Some(input) = &mut self.saving {
            match key.code {
                KeyCode::Esc => self.saving = None,
                KeyCode::Enter => {
                    let path = PathBuf::from(input.text().trim());
                    self.saving = None;
                    let ticket = cx.tickets.take(Slot::Export);
                    let text = format!("{}\n", self.document());
                    return Some(Came { requests: vec![Request::Effect(Effect::Save { ticket, text, path })], closed: false });
                }
                _ => _ = input.key(key),
            }
            return Some(Came::default());
        }
        let requests = match self.at {
            At::Field(n) => match self.in_field(n, key, ctrl, cx) {
                Some(requests) => requests,
                None => return Some(Came { requests: Vec::new(), closed: true }),
            },
            At::Document => self.in_document(key, ctrl, cx),
        };
        Some(Came { requests, closed: false })
    }

    /// None where it is left.
    fn in_field(&mut self, n: usize, key: KeyEvent, ctrl: bool, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        match key.code {
            KeyCode::Esc => return None,
            KeyCode::Char('d') if ctrl => self.at = At::Document,
            KeyCode::Enter => {
                let wish = self.wished();
                return Some(self.ask(PolicyAsk::Write(wish), cx));
            }
            KeyCode::Tab | KeyCode::Down => self.at = if n + 1 < FIELDS.len() { At::Field(n + 1) } else { At::Document },
            KeyCode::BackTab | KeyCode::Up => self.at = At::Field(n.saturating_sub(1)),
            _ => _ = self.fields[n].key(key),
        }
        Some(Vec::new())
    }

    fn in_document(&mut self, key: KeyEvent, ctrl: bool, cx: &mut Context<'_>) -> Vec<Request> {
        match key.code {
            KeyCode::Esc => self.at = At::Field(0),
            // The key that leads here takes nothing away.
            KeyCode::Char('d') if ctrl => {}
            KeyCode::Char('n') if ctrl => self.jump(true),
            KeyCode::Char('p') if ctrl => self.jump(false),
            KeyCode::Char('g') if ctrl => {
                self.current = (self.current + 1) % self.documents.len();
                self.offset = (0, 0);
                return self.check(cx);
            }
            KeyCode::Char('y') if ctrl => {
                return vec![Request::Copy(self.document()), Request::Notice("Copied: the policy".into(), false)];
            }
            KeyCode::Char('s') if ctrl => {
                let number = if self.documents.len() > 1 { format!("-{}", self.current + 1) } else { String::new() };
                self.saving = Some(Input::new(format!("policy{number}-{}.json", cx.now.strftime("%Y%m%d-%H%M"))));
            }
            _ => {
                if self.documents[self.current].input(AreaInput::from(key)) {
                    return self.check(cx);
                }
            }
        }
        Vec::new()
    }

    /// The cursor to the next message, or the one before, around and around.
    fn jump(&mut self, forward: bool) {
        let cursor = self.documents[self.current].cursor();
        let here = (cursor.0, cursor.1);
        let places: Vec<(usize, usize)> = self.says.messages.iter().map(|m| (m.line, m.column)).collect();
        let to = if forward {
            places.iter().find(|p| **p > here).or(places.first())
        } else {
            places.iter().rev().find(|p| **p < here).or(places.last())
        };
        if let Some((line, column)) = to {
            let at = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            self.documents[self.current].move_cursor(CursorMove::Jump(at(*line), at(*column)));
        }
    }

    pub(super) fn pasted(&mut self, what: &str, cx: &mut Context<'_>) -> Vec<Request> {
        match (&mut self.saving, self.at) {
            (Some(input), _) => input.insert(what),
            (None, At::Field(n)) => self.fields[n].insert(&what.replace('\n', " ")),
            (None, At::Document) => {
                self.documents[self.current].insert_str(text::block(what));
                return self.check(cx);
            }
        }
        Vec::new()
    }

    pub(super) fn hints(&self) -> Vec<(String, &'static str)> {
        let hints: &[(&str, &'static str)] = match (&self.saving, self.at) {
            (Some(_), _) => &[("enter", "write the file"), ("esc", "leave it")],
            (None, At::Field(_)) => {
                &[("enter", "write the policy"), ("tab", "next field"), ("ctrl-d", "to the document"), ("esc", "back")]
            }
            (None, At::Document) => &[
                ("ctrl-n", "next message"),
                ("ctrl-y", "copy"),
                ("ctrl-s", "save"),
                ("ctrl-g", "next part"),
                ("esc", "to the wish"),
            ],
        };
        // One document has no next part.
        let shown = hints.iter().filter(|(key, _)| *key != "ctrl-g" || self.documents.len() > 1);
        shown.map(|(key, words)| ((*key).to_owned(), *words)).collect()
    }

    pub(super) fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        clear(canvas.buffer, area, theme.style("ui"));
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        put(canvas.buffer, inner.x, inner.y, inner.width, "Write a policy", theme.style("ui.title"));
        let top = match self.at {
            At::Field(n) => self.draw_fields(Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner }, n, canvas),
            At::Document => {
                // What is wished for in one line: the room is the document's.
                let wish: Vec<String> = (FIELDS.iter().zip(&self.fields))
                    .filter(|(_, input)| !input.text().trim().is_empty())
                    .map(|((name, _), input)| format!("{name} {}", input.text().trim()))
                    .collect();
                let words =
                    if wish.is_empty() { "no wish: the document is only looked over".to_owned() } else { wish.join("   ") };
                put(canvas.buffer, inner.x, inner.y + 1, inner.width, &words, theme.style("ui.muted"));
                inner.y + 2
            }
        };
        let top = self.draw_verdict(Rect { y: top, height: inner.bottom().saturating_sub(top), ..inner }, canvas);
        let wanted = u16::try_from(self.says.messages.len()).unwrap_or(MESSAGES).min(MESSAGES);
        let room = inner.bottom().saturating_sub(top);
        let messages = wanted.min(room / 2);
        self.draw_document(Rect { y: top, height: room - messages, ..inner }, canvas);
        let foot = Rect { y: inner.bottom() - messages, height: messages, ..inner };
        self.draw_messages(foot, canvas);
        if let Some(input) = &self.saving {
            let line = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
            clear(canvas.buffer, line, theme.style("ui"));
            let label = "Write to: ";
            let used = put(canvas.buffer, line.x, line.y, line.width, label, theme.style("ui.title"));
            let field = Rect { x: line.x + used, width: line.width.saturating_sub(used), ..line };
            canvas.cursor = Some(input.draw(canvas.buffer, field, theme.style("ui.filter")));
        }
    }

    fn draw_fields(&self, area: Rect, here: usize, canvas: &mut Canvas<'_>) -> u16 {
        let theme = canvas.theme;
        for (n, ((name, hint), y)) in FIELDS.iter().zip(area.y..area.bottom()).enumerate() {
            let active = n == here && self.saving.is_none();
            put(canvas.buffer, area.x, y, NAMES, name, theme.style(if active { "ui.hint.key" } else { "ui.label" }));
            let place = Rect::new(area.x + NAMES, y, area.width.saturating_sub(NAMES), 1);
            let input = &self.fields[n];
            if input.text().is_empty() {
                let x = place.x + u16::from(active);
                put(canvas.buffer, x, y, place.right().saturating_sub(x), hint, theme.style("ui.muted"));
            }
            if active {
                let at = if input.text().is_empty() {
                    Position::new(place.x, y)
                } else {
                    input.draw(canvas.buffer, place, theme.style("ui.filter"))
                };
                canvas.cursor = Some(at);
            } else if !input.text().is_empty() {
                put(canvas.buffer, place.x, y, place.width, input.text(), theme.style("ui"));
            }
        }
        (area.y + FIELDS.len() as u16 + 1).min(area.bottom())
    }

    /// What was found of the document as a whole; returns where the rest begins.
    fn draw_verdict(&self, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
        let theme = canvas.theme;
        let (words, style) = match (&self.says.error, &self.says.proof) {
            _ if self.waiting => ("Looking …".to_owned(), theme.style("ui.muted")),
            (Some(error), _) => (error.clone(), theme.style("ui.error")),
            (None, Some((words, true))) => (words.clone(), theme.style("severity.low")),
            (None, Some((words, false))) => (words.clone(), theme.style("ui.warning")),
            (None, None) => (String::new(), theme.style("ui")),
        };
        let mut figures = Vec::new();
        if self.documents.len() > 1 {
            figures.push(format!("part {} of {}", self.current + 1, self.documents.len()));
        }
        if self.says.size.0 > 0 {
            let of = |n: usize| text::count(n as u64);
            figures.push(format!("{} of {} characters", of(self.says.size.0), of(self.says.size.1)));
        }
        let figures = figures.join("   ");
        let mut y = area.y;
        // The document keeps two thirds.
        let most = usize::from(area.height / 3).max(3);
        let mut lines: Vec<String> = wrap(&words, usize::from(area.width)).into_iter().filter(|l| !l.is_empty()).collect();
        if lines.len() > most {
            lines.truncate(most);
            lines[most - 1].push_str(" …");
        }
        for line in lines {
            if y < area.bottom() {
                put(canvas.buffer, area.x, y, area.width, &line, style);
                y += 1;
            }
        }
        if !figures.is_empty() && y < area.bottom() {
            put(canvas.buffer, area.x, y, area.width, &figures, theme.style("ui.muted"));
            y += 1;
        }
        y
    }

    fn draw_document(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let document = &self.documents[self.current];
        if document.is_empty() {
            let words = "Fill in what is to be done and press enter; or paste a policy here to have it looked over.";
            for (line, y) in wrap(words, usize::from(area.width)).iter().zip(area.y..area.bottom()) {
                put(canvas.buffer, area.x, y, area.width, line, theme.style("ui.muted"));
            }
            if self.at == At::Document && self.saving.is_none() {
                canvas.cursor = Some(Position::new(area.x, area.y));
            }
            return;
        }
        let lines = document.lines();
        let digits = lines.len().to_string().len();
        // Number, a mark, a blank.
        let gutter = u16::try_from(digits + 3).unwrap_or(6);
        let cells = usize::from(area.width.saturating_sub(gutter + 1));
        let height = usize::from(area.height);
        let cursor = document.cursor();
        let (row, column) = (cursor.0, text::width(&prefix(&lines[cursor.0.min(lines.len() - 1)], cursor.1)));
        if self.at == At::Document {
            self.offset.0 = self.offset.0.min(row).max((row + 1).saturating_sub(height));
            self.offset.1 = self.offset.1.min(column).max((column + 1).saturating_sub(cells));
        }
        self.offset.0 = self.offset.0.min(lines.len().saturating_sub(1));
        for (n, y) in (self.offset.0..lines.len()).zip(area.y..area.bottom()) {
            let here: Vec<&PolicyMessage> = self.says.messages.iter().filter(|m| m.line == n).collect();
            let worst = here.iter().map(|m| m.weight).min_by_key(|w| order(w));
            let mark = worst.map_or(" ", |w| sign(w));
            let number = format!("{:>digits$} ", n + 1);
            let style = worst.map_or(theme.style("ui.muted"), |w| weight_style(theme, w));
            put_parts(canvas.buffer, area.x, y, gutter, &[(&number, theme.style("ui.muted")), (mark, style)]);
            let parts = underlined(&lines[n], &here, theme);
            draw_from(canvas, Rect::new(area.x + gutter, y, area.width.saturating_sub(gutter), 1), &parts, self.offset.1);
        }
        if self.at == At::Document && self.saving.is_none() {
            let x = area.x + gutter + u16::try_from(column - self.offset.1).unwrap_or(0);
            let y = area.y + u16::try_from(row - self.offset.0).unwrap_or(0);
            canvas.cursor = Some(Position::new(x.min(area.right().saturating_sub(1)), y.min(area.bottom().saturating_sub(1))));
        }
    }

    /// Messages from the one at the cursor on.
    fn draw_messages(&self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let line = self.documents[self.current].cursor().0;
        let messages = &self.says.messages;
        let first = messages.iter().position(|m| m.line >= line).unwrap_or(0);
        let first = first.min(messages.len().saturating_sub(usize::from(area.height)));
        for (m, y) in messages.iter().skip(first).zip(area.y..area.bottom()) {
            let place = format!("{} {}:{} ", sign(m.weight), m.line + 1, m.column + 1);
            let parts = [(place.as_str(), weight_style(theme, m.weight)), (m.text.as_str(), theme.style("ui"))];
            put_parts(canvas.buffer, area.x, y, area.width, &parts);
        }
    }
}

fn order(weight: &str) -> u8 {
    match weight {
        "error" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// A mark that tells the weight without colour.
fn sign(weight: &str) -> &'static str {
    match weight {
        "error" => "x",
        "warning" => "!",
        _ => "-",
    }
}

fn weight_style(theme: &Theme, weight: &str) -> Style {
    theme.style(match weight {
        "error" => "ui.error",
        "warning" => "ui.warning",
        _ => "ui.muted",
    })
}

/// The first so many characters.
fn prefix(line: &str, chars: usize) -> String {
    line.chars().take(chars).collect()
}

/// A line in parts: what messages are about is underlined.
fn underlined(line: &str, messages: &[&PolicyMessage], theme: &Theme) -> Vec<(String, Style)> {
    let mut parts: Vec<(String, Style)> = Vec::new();
    for (n, c) in line.chars().enumerate() {
        let about = messages.iter().filter(|m| (m.column..m.column + m.cells).contains(&n)).min_by_key(|m| order(m.weight));
        let style = about.map_or(theme.style("ui"), |m| weight_style(theme, m.weight).add_modifier(Modifier::UNDERLINED));
        match parts.last_mut().filter(|(_, s)| *s == style) {
            Some((text, _)) => text.push(c),
            None => parts.push((c.to_string(), style)),
        }
    }
    parts
}

/// Draws parts from a column on.
fn draw_from(canvas: &mut Canvas<'_>, area: Rect, parts: &[(String, Style)], skip: usize) {
    let (mut left, mut x) = (skip, area.x);
    for (what, style) in parts {
        let mut rest = String::new();
        for c in what.chars() {
            if left > 0 {
                left = left.saturating_sub(text::width(c.encode_utf8(&mut [0; 4])));
            } else {
                rest.push(c);
            }
        }
        x += put(canvas.buffer, x, area.y, area.right().saturating_sub(x), &rest, *style);
        if x >= area.right() {
            return;
        }
    }
}
