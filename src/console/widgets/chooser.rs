//! A list to choose from, in a frame over the screen; typing narrows it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::theme::Theme;
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::{frame, put};
use crate::text;

/// One thing to choose.
#[derive(Debug, Clone)]
pub struct Item {
    pub text: String,
    pub help: String,
    /// A mark in front: chosen already.
    pub on: Option<bool>,
}

/// What a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    Nothing,
    Closed,
    /// The item with this place in the list that was given.
    Item(usize),
}

/// The list.
#[derive(Debug, Clone)]
pub struct Chooser {
    title: &'static str,
    items: Vec<Item>,
    input: Input,
    cursor: usize,
    /// What the choice is about.
    about: Vec<String>,
}

impl Chooser {
    pub fn new(title: &'static str, items: Vec<Item>) -> Self {
        let cursor = 0;
        Self { title, items, input: Input::default(), cursor, about: Vec::new() }
    }
    /// Says above the items what the choice is about, a paragraph each.
    pub fn about(mut self, about: Vec<String>) -> Self {
        self.about = about;
        self
    }
    /// Puts the cursor on an item.
    pub fn at(mut self, item: usize) -> Self {
        self.cursor = item;
        self
    }
    /// What is typed.
    pub fn text(&self) -> &str {
        self.input.text()
    }
    /// Turns an item's mark.
    pub fn toggle(&mut self, item: usize) {
        if let Some(item) = self.items.get_mut(item) {
            item.on = item.on.map(|on| !on);
        }
    }

    /// Items that the typed text selects, best first: those that start with it, then those that contain its letters.
    fn shown(&self) -> Vec<usize> {
        let typed = self.input.text().trim().to_lowercase();
        let mut found: Vec<(u8, usize)> = Vec::new();
        for (n, item) in self.items.iter().enumerate() {
            let name = item.text.to_lowercase();
            let rank = if name.starts_with(&typed) {
                0
            } else if name.contains(&typed) {
                1
            } else if item.help.to_lowercase().contains(&typed) {
                2
            } else if letters_in_order(&typed, &name) {
                3
            } else {
                continue;
            };
            found.push((rank, n));
        }
        found.sort_unstable();
        found.into_iter().map(|(_, n)| n).collect()
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Chosen {
        let shown = self.shown();
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Chosen::Closed,
            KeyCode::Char('c') if ctrl => return Chosen::Closed,
            KeyCode::Enter => return shown.get(self.cursor).map_or(Chosen::Nothing, |n| Chosen::Item(*n)),
            KeyCode::Char(' ') if self.items.iter().any(|i| i.on.is_some()) => {
                return shown.get(self.cursor).map_or(Chosen::Nothing, |n| Chosen::Item(*n));
            }
            KeyCode::Down => self.cursor = (self.cursor + 1).min(shown.len().saturating_sub(1)),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Char('n') if ctrl => self.cursor = (self.cursor + 1).min(shown.len().saturating_sub(1)),
            KeyCode::Char('p') if ctrl => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Tab => {
                if let Some(n) = shown.get(self.cursor) {
                    self.input = Input::new(self.items[*n].text.clone());
                    self.cursor = 0;
                }
            }
            _ => {
                if self.input.key(key) {
                    self.cursor = 0;
                }
            }
        }
        Chosen::Nothing
    }

    /// Pasted text is typed text.
    pub fn paste(&mut self, what: &str) {
        self.input.insert(what);
        self.cursor = 0;
    }

    /// Draws it in the middle of an area; returns where the cursor is.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) -> Position {
        let shown = self.shown();
        let width = area.width.min(72);
        let about: Vec<String> = self.about.iter().flat_map(|text| wrap(text, usize::from(width.saturating_sub(4)))).collect();
        let lines = u16::try_from(self.items.len() + about.len()).unwrap_or(u16::MAX);
        let height = area.height.min(lines.saturating_add(4)).clamp(6, 22).min(area.height);
        let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 3, width, height);
        let mut inside = frame(buffer, place, self.title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
        for line in about.iter().take(usize::from(inside.height.saturating_sub(3))) {
            put(buffer, inside.x, inside.y, inside.width, line, theme.style("ui"));
            inside = Rect { y: inside.y + 1, height: inside.height - 1, ..inside };
        }
        if inside.height < 2 {
            return Position::new(inside.x, inside.y);
        }
        put(buffer, inside.x, inside.y, 2, ": ", theme.style("ui.hint.key"));
        let field = Rect::new(inside.x + 2, inside.y, inside.width.saturating_sub(2), 1);
        let at = self.input.draw(buffer, field, theme.style("ui"));
        let rows = usize::from(inside.height - 1);
        let from = (self.cursor + 1).saturating_sub(rows);
        let names = self.items.iter().map(|i| text::width(&i.text)).max().unwrap_or(0).min(usize::from(inside.width) / 2 + 4);
        if shown.is_empty() {
            put(buffer, inside.x + 2, inside.y + 1, inside.width - 2, "nothing matches", theme.style("ui.muted"));
        }
        for (y, n) in (inside.y + 1..inside.bottom()).zip(from..shown.len()) {
            let item = &self.items[shown[n]];
            let mark = match item.on {
                Some(true) => theme.glyphs.mark,
                _ => " ",
            };
            put(buffer, inside.x, y, 1, mark, theme.style("ui.mark"));
            let name = text::pad(&text::line(&item.text), names, false);
            let used = put(buffer, inside.x + 2, y, inside.width - 2, &name, theme.style("ui"));
            let help_at = inside.x + 2 + used + 2;
            put(buffer, help_at, y, inside.right().saturating_sub(help_at), &item.help, theme.style("ui.muted"));
            if n == self.cursor {
                buffer.set_style(Rect::new(inside.x, y, inside.width, 1), theme.style("ui.cursor"));
            }
        }
        at
    }
}

fn letters_in_order(typed: &str, name: &str) -> bool {
    let mut letters = name.chars();
    typed.chars().filter(|c| *c != ' ').all(|c| letters.any(|l| l == c))
}
