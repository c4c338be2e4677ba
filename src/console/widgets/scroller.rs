//! Styled lines that scroll: details, raw documents, help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::console::widgets::{clear, put_parts};
use crate::text;

/// A line of parts.
pub type Line = Vec<(String, Style)>;

/// Where a scroller stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offset(pub usize);

impl Offset {
    /// Moves by lines, within what there is to see.
    pub fn by(&mut self, lines: isize, total: usize, height: usize) {
        let most = total.saturating_sub(height);
        self.0 = self.0.saturating_add_signed(lines).min(most);
    }
    /// Brings a line on screen.
    pub fn show(&mut self, line: usize, height: usize) {
        if line < self.0 {
            self.0 = line;
        } else if line >= self.0 + height {
            self.0 = line + 1 - height.max(1);
        }
    }
}

/// Draws the lines from the offset on.
pub fn draw(buffer: &mut Buffer, area: Rect, lines: &[Line], offset: Offset) {
    clear(buffer, area, Style::default());
    for (row, line) in (0..area.height).zip(lines.iter().skip(offset.0)) {
        let parts: Vec<(&str, Style)> = line.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        put_parts(buffer, area.x, area.y + row, area.width, &parts);
    }
}

/// Breaks a line of parts wherever it is full: nothing is lost, nothing is moved.
pub fn fold(line: Line, cells: usize) -> Vec<Line> {
    let cells = cells.max(8);
    let mut lines = Vec::new();
    let mut current: Line = Vec::new();
    let mut used = 0;
    for (what, style) in line {
        let mut part = String::new();
        for grapheme in what.graphemes(true) {
            let width = text::width(grapheme);
            if used + width > cells {
                current.push((std::mem::take(&mut part), style));
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            part.push_str(grapheme);
            used += width;
        }
        current.push((part, style));
    }
    lines.push(current);
    lines
}

/// Breaks prose into lines of at most `cells` cells, at spaces where there are any, and what is longer than a line between its
/// words; hostile characters are gone.
pub fn wrap(prose: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(8);
    let mut lines = Vec::new();
    for paragraph in text::block(prose).split('\n') {
        let mut line = String::new();
        let mut used = 0;
        let words: Vec<&str> = words(paragraph).collect();
        let is_space = |word: &str| word.trim().is_empty();
        for (at, word) in words.iter().enumerate() {
            // What has no space in it stays together where a line has room for it.
            let begins = at == 0 || is_space(words[at - 1]);
            let whole = || words[at..].iter().take_while(|word| !is_space(word)).map(|word| text::width(word)).sum::<usize>();
            let width = if begins && !is_space(word) { Some(whole()).filter(|w| *w <= cells) } else { None };
            if used + width.unwrap_or_else(|| text::width(word)) > cells && used > 0 {
                lines.push(line.trim_end().to_owned());
                line.clear();
                used = 0;
                if is_space(word) {
                    continue;
                }
            }
            for grapheme in word.graphemes(true) {
                let width = text::width(grapheme);
                if used + width > cells {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += width;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Prose as [`wrap`] breaks it; the branches of a tree in it stay within their branch.
pub fn prose_lines(prose: &str, cells: usize) -> Vec<String> {
    let paragraphs = prose.split('\n').flat_map(|paragraph| match paragraph.trim_start_matches(['│', ' ']) {
        branch if branch.starts_with(['├', '└']) => branch_lines(&text::line(paragraph), cells),
        _ => wrap(paragraph, cells),
    });
    paragraphs.collect()
}

/// A branch of a tree, its words within the branch however many lines they take.
fn branch_lines(branch: &str, cells: usize) -> Vec<String> {
    let Some((before, words)) = branch.split_once("─ ") else { return wrap(branch, cells) };
    let first = format!("{before}─ ");
    let below = first.replace('├', "│").replace(['└', '─'], " ");
    let room = cells.saturating_sub(text::width(&first));
    let lines = wrap(words, room).into_iter().enumerate();
    lines.map(|(n, line)| format!("{}{line}", if n == 0 { &first } else { &below })).collect()
}

/// What stays together on a line: a word with what opens before it and the stop behind it.
fn words(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut bounds = paragraph.split_word_bound_indices().peekable();
    let is_first = |at: usize| paragraph[..at].chars().next_back().is_none_or(char::is_whitespace);
    std::iter::from_fn(move || {
        let (from, mut word) = bounds.next()?;
        let mut to = from + word.len();
        while word == "(" || matches!(word, "`" | "\"") && is_first(to - word.len()) {
            let Some((at, next)) = bounds.next() else { break };
            (word, to) = (next, at + next.len());
        }
        let ends = |next: &str| matches!(next, "," | ";" | "." | ":" | "!" | "?" | ")" | "`" | "\"");
        while let Some((at, stop)) = bounds.next_if(|(_, next)| !word.trim().is_empty() && ends(next)) {
            to = at + stop.len();
        }
        Some(&paragraph[from..to])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_stays_with_its_word() {
        assert_eq!(wrap("more under conditions; 61 are", 21), ["more under", "conditions; 61 are"]);
        assert_eq!(wrap("may be so (where known)", 12), ["may be so", "(where", "known)"]);
        assert_eq!(wrap("refused; `bartizan permissions` prints", 20), ["refused; `bartizan", "permissions` prints"]);
        assert_eq!(wrap("aa (bb cc) dd", 9), ["aa (bb", "cc) dd"]);
        assert_eq!(wrap(";;;;;;;;;; a", 8), [";;;;;;;;", ";; a"]);
    }

    #[test]
    fn folding_loses_nothing_and_never_passes_the_edge() {
        let line: Line = vec![("  \"key\": ".into(), Style::default()), ("日本語 text that is long".repeat(3), Style::default())];
        let whole: String = line.iter().map(|(t, _)| t.as_str()).collect();
        let lines = fold(line, 13);
        let texts: Vec<String> = lines.iter().map(|l| l.iter().map(|(t, _)| t.as_str()).collect()).collect();
        assert_eq!(texts.concat(), whole);
        assert!(texts.iter().all(|t| text::width(t) <= 13), "{texts:?}");
        assert_eq!(fold(Vec::new(), 10), [Line::new()]);
    }

    #[test]
    fn prose_wraps_at_words_and_never_passes_the_edge() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("a\n\nb", 20), ["a", "", "b"]);
        assert_eq!(wrap("it is role/ci-deploy-prod here", 20), ["it is", "role/ci-deploy-prod", "here"]);
        assert_eq!(wrap("it is role/team/ci-deploy-production", 20), ["it is role/team/ci-", "deploy-production"]);
        for line in wrap(&format!("{} 日本語テキスト日本語テキスト \u{1b}[31m", "x".repeat(50)), 12) {
            assert!(text::width(&line) <= 12, "{line:?}");
            assert!(!line.contains('\u{1b}'));
        }
    }
}
