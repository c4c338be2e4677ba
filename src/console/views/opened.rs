//! A row that is open in full: its detail with links to follow, and the raw document behind it.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::catalog::detail::drawing::{Drawing, Ink, Inked};
use crate::catalog::detail::{Body, Detail, Link, Rung};
use crate::console::action::Action;
use crate::console::theme::Theme;
use crate::console::views::Canvas;
use crate::console::widgets::scroller::{self, Line, Offset, fold, prose_lines, wrap};
use crate::console::widgets::{clear, put};
use crate::message::Opened;
use crate::text;

/// What is on screen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Detail,
    Document,
}

/// An open row.
#[derive(Debug)]
pub struct Open {
    /// The row's key.
    pub key: u64,
    /// None until it arrives; else the row, or why it can't be had.
    pub content: Option<Result<Opened, String>>,
    pub layer: Layer,
    /// Whether the document was opened straight from the list: esc goes back there.
    pub straight: bool,
    detail_at: Offset,
    document_at: Offset,
    link: usize,
    /// Lines and height of the last drawing, to scroll within.
    seen: (usize, usize),
}

impl Open {
    pub fn new(key: u64, layer: Layer) -> Self {
        let straight = layer == Layer::Document;
        let (detail_at, document_at) = (Offset::default(), Offset::default());
        Self { key, content: None, layer, straight, detail_at, document_at, link: 0, seen: (0, 0) }
    }

    pub fn opened(&self) -> Option<&Opened> {
        self.content.as_ref().and_then(|c| c.as_ref().ok())
    }

    /// The chosen link.
    pub fn link(&self) -> Option<&Link> {
        self.opened().and_then(|o| o.detail.links.get(self.link))
    }

    /// Scrolls, or chooses a link; false where the action is another.
    pub fn act(&mut self, action: Action) -> bool {
        let (total, height) = self.seen;
        if matches!(action, Action::NextLink | Action::PreviousLink) {
            let many = self.opened().map_or(0, |o| o.detail.links.len());
            if many > 0 && self.layer == Layer::Detail {
                let step = if action == Action::NextLink { 1 } else { many - 1 };
                self.link = (self.link + step) % many;
            }
            return true;
        }
        let Some(by) = action.lines(height) else { return false };
        let offset = if self.layer == Layer::Detail { &mut self.detail_at } else { &mut self.document_at };
        offset.by(by, total, height);
        true
    }

    pub fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let opened = match &self.content {
            None => {
                put(canvas.buffer, area.x, area.y, area.width, "Opening …", theme.style("ui.muted"));
                return;
            }
            Some(Err(why)) => {
                let lines: Vec<Line> =
                    wrap(why, usize::from(area.width)).into_iter().map(|l| vec![(l, theme.style("ui.error"))]).collect();
                scroller::draw(canvas.buffer, area, &lines, Offset::default());
                return;
            }
            Some(Ok(opened)) => opened,
        };
        match self.layer {
            Layer::Detail => {
                let links = link_lines(&opened.detail, self.link, usize::from(area.width), theme);
                let foot = u16::try_from(links.len()).unwrap_or(0).min(area.height / 3);
                let body = Rect { height: area.height - foot, ..area };
                let lines = detail_lines(&opened.detail, usize::from(area.width), theme);
                self.seen = draw_scrolled(canvas, body, &lines, &mut self.detail_at);
                let at = Rect { y: area.bottom() - foot, height: foot, ..area };
                let mut from = Offset::default();
                let chosen = links.iter().position(|l| l.iter().any(|(_, s)| *s == theme.style("ui.link.active"))).unwrap_or(0);
                from.show(chosen, usize::from(foot));
                scroller::draw(canvas.buffer, at, &links, from);
            }
            Layer::Document => {
                let lines = code_lines(&opened.document, usize::from(area.width), theme);
                self.seen = draw_scrolled(canvas, area, &lines, &mut self.document_at);
            }
        }
    }
}

/// Draws what fits; where it does not, the last line tells how much more there is. Returns how many lines there are and
/// how many can be seen.
fn draw_scrolled(canvas: &mut Canvas<'_>, area: Rect, lines: &[Line], at: &mut Offset) -> (usize, usize) {
    let scrolls = lines.len() > usize::from(area.height) && area.height > 1;
    let text_area = Rect { height: area.height - u16::from(scrolls), ..area };
    let height = usize::from(text_area.height);
    at.by(0, lines.len(), height);
    scroller::draw(canvas.buffer, text_area, lines, *at);
    if scrolls {
        let foot = Rect { y: text_area.bottom(), height: 1, ..area };
        clear(canvas.buffer, foot, Style::default());
        let below = lines.len().saturating_sub(at.0 + height);
        if below > 0 {
            let word = format!("{below} more {}", canvas.theme.glyphs.down);
            let width = u16::try_from(text::width(&word)).unwrap_or(0).min(area.width);
            put(canvas.buffer, area.right() - width, foot.y, width, &word, canvas.theme.style("ui.muted"));
        }
    }
    (lines.len(), height)
}

/// The links as a flow of words, as many lines as they need.
fn link_lines(detail: &Detail, chosen: usize, cells: usize, theme: &Theme) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut line: Line = Vec::new();
    let mut used = 0;
    for (n, link) in detail.links.iter().enumerate() {
        let label = format!("{} {}", theme.glyphs.link, text::fit(&text::line(&link.label), cells.saturating_sub(2).min(44)));
        let width = text::width(&label) + 3;
        if used + width > cells && used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        used += width;
        line.push((label, theme.style(if n == chosen { "ui.link.active" } else { "ui.link" })));
        line.push(("   ".to_owned(), Style::default()));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if !lines.is_empty() {
        lines.insert(0, vec![(theme.glyphs.horizontal.repeat(cells), theme.style("ui.border"))]);
    }
    lines
}

/// A detail as lines of at most `cells` cells.
pub fn detail_lines(detail: &Detail, cells: usize, theme: &Theme) -> Vec<Line> {
    let plain = theme.style("ui");
    let (label_style, heading) = (theme.style("ui.label"), theme.style("ui.heading"));
    let mut lines: Vec<Line> = wrap(&detail.title, cells).into_iter().map(|l| vec![(l, theme.style("ui.title"))]).collect();
    if detail.title.is_empty() {
        lines.clear();
    }
    for section in &detail.sections {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        if !section.heading.is_empty() {
            lines.push(vec![(section.heading.clone(), heading)]);
        }
        match &section.body {
            Body::Facts(facts) => {
                let labels = facts.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0).min(cells / 3).min(28);
                for (label, value) in facts {
                    let style = theme.known(&format!("{label}.{}", value.split(' ').next().unwrap_or_default().to_lowercase()));
                    for (n, part) in wrap(value, cells.saturating_sub(labels + 2)).into_iter().enumerate() {
                        let label = if n == 0 { label.as_str() } else { "" };
                        let label = text::pad(&text::line(label), labels, false);
                        lines.push(vec![(format!("{label}  "), label_style), (part, style.unwrap_or(plain))]);
                    }
                }
            }
            Body::Prose(prose) => lines.extend(prose_lines(prose, cells).into_iter().map(|l| vec![(l, plain)])),
            Body::Code(code) => lines.extend(code_lines(code, cells, theme)),
            Body::Bars { parts, rows } => lines.extend(bar_lines(parts, rows, cells, theme)),
            Body::Table { head, rows } => lines.extend(table_lines(head, rows, cells, theme)),
            Body::Ladder(rungs) => lines.extend(ladder_lines(rungs, cells, theme)),
            Body::Graph(drawing) => lines.extend(graph_lines(drawing, cells, theme)),
        }
    }
    lines
}

/// Widest that a graph is drawn: arrows that are longer lead the eye nowhere.
const WIDEST_GRAPH: usize = 110;

/// A graph of boxes and arrows.
fn graph_lines(drawing: &Drawing, cells: usize, theme: &Theme) -> Vec<Line> {
    let ascii = theme.glyphs.vertical.is_ascii();
    let style = |ink: Ink| match ink {
        Ink::Rule => theme.style("ui.border"),
        Ink::Label => theme.style("ui"),
        Ink::Goal => theme.style("ui.warning"),
        Ink::Word => theme.style("ui.label"),
        Ink::Doubt => theme.style("ui.muted"),
    };
    let line = |parts: Inked| parts.into_iter().map(|(text, ink)| (text, style(ink))).collect();
    drawing.lines(cells.min(WIDEST_GRAPH), ascii).into_iter().map(line).collect()
}

/// A way as a ladder: a place a line with what lets it through under it; what stops it stands out.
pub fn ladder_lines(rungs: &[Rung], cells: usize, theme: &Theme) -> Vec<Line> {
    let (rail, plain, muted) = (theme.style("ui.border"), theme.style("ui"), theme.style("ui.muted"));
    let room = cells.saturating_sub(4);
    let mut lines: Vec<Line> = Vec::new();
    let mut back = false;
    for rung in rungs {
        if rung.back && !back {
            back = true;
            lines.push(vec![(format!("{} the answer comes back", theme.glyphs.up), theme.style("ui.heading"))]);
        }
        let (mark, style) = if rung.stops { ("x", theme.style("ui.warning")) } else { (theme.glyphs.mark, plain) };
        for (n, part) in wrap(&rung.place, room).into_iter().enumerate() {
            let mark = if n == 0 { mark } else { theme.glyphs.vertical };
            lines.push(vec![(format!("{mark} "), if rung.stops { style } else { rail }), (part, style)]);
        }
        for rule in &rung.rules {
            let style = if rung.stops { style } else { muted };
            let parts = wrap(rule, room).into_iter();
            lines.extend(parts.map(|part| vec![(format!("{}   ", theme.glyphs.vertical), rail), (part, style)]));
        }
    }
    lines
}

/// A bar for each row, its parts one behind the other, then their figures under the parts' names.
fn bar_lines(parts: &[String], rows: &[(String, Vec<u64>)], cells: usize, theme: &Theme) -> Vec<Line> {
    let styles = ["ui.muted", "ui", "ui.label", "ui.title", "ui.warning"].map(|role| theme.style(role));
    let style = |n: usize| styles[n.min(styles.len() - 1)];
    let labels = rows.iter().map(|(label, _)| text::width(&text::line(label))).max().unwrap_or(0).min(cells / 3);
    let short = |part: &String| part.split(' ').next().unwrap_or_default().to_owned();
    let heads: Vec<String> = parts.iter().map(short).collect();
    let figures: Vec<usize> = (0..parts.len())
        .map(|n| {
            let widest = rows.iter().filter_map(|(_, v)| v.get(n)).map(|v| text::count(*v).len()).max().unwrap_or(0);
            widest.max(text::width(&heads[n]))
        })
        .collect();
    let room = cells.saturating_sub(labels + 2 + figures.iter().map(|w| w + 2).sum::<usize>());
    let most = rows.iter().map(|(_, v)| v.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    // Below this a bar tells nothing: the figures stand alone.
    let room = if room < 8 { 0 } else { room.min(48) };
    let gap = |n: usize| " ".repeat(n);
    let mut head: Line = vec![(gap(labels + 2 + room), theme.style("ui.column"))];
    head.extend(heads.iter().zip(&figures).map(|(h, w)| (format!("  {}", text::pad(h, *w, true)), theme.style("ui.column"))));
    let mut lines = vec![head];
    for (label, values) in rows {
        let total: u64 = values.iter().sum();
        // Something is never nothing, and the whole is as long as its share of the longest.
        let length = |upto: u64| usize::try_from(upto * room as u64 / most).unwrap_or(0);
        let mut line: Line =
            vec![(format!("{}  ", text::pad(&text::fit(&text::line(label), labels), labels, false)), theme.style("ui.label"))];
        let (mut upto, mut drawn) = (0, 0);
        for (n, value) in values.iter().enumerate().filter(|_| room > 0) {
            upto += value;
            let to = if *value > 0 { length(upto).max(drawn + 1).min(room) } else { drawn };
            line.push((theme.glyphs.bar.repeat(to - drawn), style(n)));
            drawn = to;
        }
        line.push((gap(room.saturating_sub(drawn)), theme.style("ui")));
        for (n, value) in values.iter().enumerate() {
            let figure = if *value == 0 { String::new() } else { text::count(*value) };
            line.push((format!("  {}", text::pad(&figure, figures[n], true)), style(n)));
        }
        if total > 0 {
            lines.push(line);
        }
    }
    lines
}

fn table_lines(head: &[String], rows: &[Vec<String>], cells: usize, theme: &Theme) -> Vec<Line> {
    let mut widths: Vec<usize> = head.iter().map(|h| text::width(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(text::width(&text::line(cell)));
        }
    }
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > cells {
        match widths.iter_mut().max() {
            Some(width) if *width > NARROWEST => *width -= 1,
            _ => break,
        }
    }
    let line = |cells: &[String], style: Style| -> Line {
        let gap = |n: usize| if n == 0 { "" } else { "  " };
        let parts = cells.iter().zip(&widths).enumerate();
        parts.map(|(n, (cell, width))| (format!("{}{}", gap(n), text::pad(&text::line(cell), *width, false)), style)).collect()
    };
    let mut lines = vec![line(head, theme.style("ui.column"))];
    let tallest = if rows.len() > LONG { 2 } else { TALLEST };
    for row in rows {
        // What a narrow screen has no room for goes on below: the answer may stand at its end.
        let parts: Vec<Vec<String>> = row.iter().zip(&widths).map(|(cell, width)| wrap(&text::line(cell), *width)).collect();
        let tall = parts.iter().map(Vec::len).max().unwrap_or(1).min(tallest);
        for n in 0..tall {
            let cells: Vec<String> = parts.iter().map(|part| part.get(n).cloned().unwrap_or_default()).collect();
            lines.push(line(&cells, theme.style("ui")));
        }
    }
    lines
}

/// A table's narrowest column, where it does not fit, and a row's most lines; fewer where there are many rows.
const NARROWEST: usize = 8;
const TALLEST: usize = 6;
const LONG: usize = 24;

/// JSON with quiet colours, a line each; any other text as it stands. What is longer than a line goes on in the next.
fn code_lines(code: &str, cells: usize, theme: &Theme) -> Vec<Line> {
    text::block(code).lines().flat_map(|line| fold(colour_json(line, theme), cells)).collect()
}

fn colour_json(line: &str, theme: &Theme) -> Line {
    let mut parts: Line = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (length, role) = if let Some(inside) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = inside.char_indices().find(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            });
            let length = end.map_or(rest.len(), |(at, _)| at + 2);
            let key = rest[length..].trim_start().starts_with(':');
            (length, if key { "code.key" } else { "code.text" })
        } else {
            let length = rest.find('"').unwrap_or(rest.len());
            let word = rest[..length].trim_matches(|c: char| c.is_whitespace() || ",:[]{}".contains(c));
            let role = match word {
                "true" | "false" | "null" => "code.word",
                word if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => "code.number",
                _ => "ui",
            };
            (length, role)
        };
        parts.push((rest[..length].to_owned(), theme.style(role)));
        rest = &rest[length..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::{Depth, UNICODE};

    #[test]
    fn json_lines_keep_every_character() {
        let theme = Theme::named("dark", Depth::True, UNICODE).unwrap();
        for line in [r#"  "a\"b": "c: d", "#, r#"{"n": -3, "t": true}"#, "no json at all", "\"never closed", ""] {
            let parts = colour_json(line, &theme);
            assert_eq!(parts.iter().map(|(t, _)| t.as_str()).collect::<String>(), line);
        }
        let parts = colour_json(r#""key": "text""#, &theme);
        assert_eq!(parts[0].1, theme.style("code.key"));
        assert_eq!(parts[2].1, theme.style("code.text"));
    }
}
