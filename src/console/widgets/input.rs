//! One line of text that is being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::console::widgets::put;
use crate::text;

/// A line and where its cursor is.
#[derive(Debug, Clone, Default)]
pub struct Input {
    text: String,
    /// In bytes, on a character boundary.
    cursor: usize,
}

impl Input {
    /// The cursor behind the text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The cursor, in characters.
    pub fn cursor_chars(&self) -> usize {
        self.text[..self.cursor].chars().count()
    }
    /// Replaces a range of bytes and puts the cursor behind it.
    pub fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        if self.text.get(range.clone()).is_some() {
            self.text.replace_range(range.clone(), with);
            self.cursor = range.start + with.len();
        }
    }
    /// Types text; what is no text (controls, line breaks) is left out.
    pub fn insert(&mut self, what: &str) {
        for c in what.chars().filter(|c| !text::is_hostile(*c)) {
            if self.text.len() + c.len_utf8() > 4_096 {
                return;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }
    /// Takes an editing key; false where it is none.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = self.text.len(),
            KeyCode::Char('u') if ctrl => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if ctrl => self.text.truncate(self.cursor),
            KeyCode::Char('w') if ctrl => {
                let before = self.text[..self.cursor].trim_end();
                let from = before.rfind(' ').map_or(0, |at| at + 1);
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => {
                let from = self.before();
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            KeyCode::Delete => {
                let to = self.after();
                self.text.drain(self.cursor..to);
            }
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }
    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }
    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }
    /// Draws the line, scrolled so that the cursor shows; returns where the cursor is.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, style: Style) -> Position {
        let room = usize::from(area.width.saturating_sub(1));
        let before = &self.text[..self.cursor];
        let mut from = 0;
        for (at, _) in before.grapheme_indices(true) {
            if text::width(&before[at..]) <= room {
                break;
            }
            from = at + before[at..].graphemes(true).next().map_or(0, str::len);
        }
        put(buffer, area.x, area.y, area.width, &self.text[from..], style);
        let at = area.x + u16::try_from(text::width(&before[from..])).unwrap_or(0);
        Position::new(at.min(area.right().saturating_sub(1)), area.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keeps_graphemes_whole() {
        let mut input = Input::new("ae\u{301}b");
        let press = |input: &mut Input, code| input.key(KeyEvent::new(code, KeyModifiers::NONE));
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Backspace);
        assert_eq!(input.text(), "ab");
        input.insert("日\u{1b}[31m");
        assert_eq!(input.text(), "a日[31mb");
        assert!(!press(&mut input, KeyCode::Enter));
        input.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text(), "b");
    }

    #[test]
    fn a_long_line_scrolls_to_its_cursor() {
        let input = Input::new("x".repeat(100));
        let area = Rect::new(3, 0, 20, 1);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
        assert_eq!(input.draw(&mut buffer, area, Style::default()), Position::new(22, 0));
    }
}
