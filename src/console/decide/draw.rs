//! How the dialog of a decision looks.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget as _;

use crate::console::decide::form::{Field, Form};
use crate::console::decide::{Decide, Stage};
use crate::console::theme::Theme;
use crate::console::widgets::scroller::{self, Line, wrap};
use crate::console::widgets::{frame, put};
use crate::message::{Settled, Staged};
use crate::text;

/// Cells for the names of fields.
const NAMES: u16 = 11;

impl Decide {
    /// Draws it over an area; returns where the terminal's cursor shows.
    pub fn draw(&mut self, buffer: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
        let what = match self.target.count {
            1 => self.target.name.clone(),
            n => format!("{} findings", text::count(n as u64)),
        };
        match &mut self.stage {
            Stage::Kind(chooser) => Some(chooser.draw(buffer, area, theme)),
            Stage::Form(form) => draw_form(form, &what, buffer, area, theme),
            Stage::Judging(form) => {
                let title = title(form, &what);
                let inside = place(buffer, area, 4, &title, theme);
                put(buffer, inside.x, inside.y, inside.width, "Looking at what would change …", theme.style("ui.muted"));
                None
            }
            Stage::Review { form, staged, typed, wrong, at } => {
                let lines = review(staged, theme);
                let words = staged.before.words.as_deref().filter(|_| !staged.will.is_empty());
                let asks = words.is_some();
                let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(if asks { 5 } else { 4 });
                let title = title(form, &what);
                let inside = place(buffer, area, height, &title, theme);
                let foot = inside.bottom().saturating_sub(if asks { 2 } else { 1 });
                let body = Rect { height: foot.saturating_sub(inside.y), ..inside };
                at.by(0, lines.len(), usize::from(body.height));
                scroller::draw(buffer, body, &lines, *at);
                let mut cursor = None;
                if let Some(words) = words {
                    let words = format!("Type {} to mean it: ", text::line(words));
                    let style = theme.style(if *wrong { "ui.error" } else { "ui.warning" });
                    let used = put(buffer, inside.x, foot, inside.width, &words, style);
                    let field = Rect::new(inside.x + used, foot, inside.width.saturating_sub(used), 1);
                    cursor = Some(typed.draw(buffer, field, theme.style("ui.filter")));
                }
                let hint = if staged.will.is_empty() { "esc changes it" } else { "enter decides   esc changes it" };
                put(buffer, inside.x, inside.bottom() - 1, inside.width, hint, theme.style("ui.muted"));
                cursor
            }
            Stage::Deciding { form, total, done } => {
                let title = title(form, &what);
                let inside = place(buffer, area, 5, &title, theme);
                let words = format!("{} of {}", text::count(*done as u64), text::count(*total as u64));
                put(buffer, inside.x, inside.y, inside.width, &words, theme.style("ui"));
                let cells = usize::from(inside.width.saturating_sub(1));
                let bar = theme.glyphs.bar.repeat((*done * cells).checked_div(*total).unwrap_or(0));
                put(buffer, inside.x, inside.y + 1, inside.width, &bar, theme.style("ui.mark"));
                None
            }
            Stage::Results { form, settled, at } => {
                let lines = results(settled, theme);
                let title = title(form, &what);
                let inside = place(buffer, area, u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4), &title, theme);
                let body = Rect { height: inside.height.saturating_sub(1), ..inside };
                at.by(0, lines.len(), usize::from(body.height));
                scroller::draw(buffer, body, &lines, *at);
                let hint = "r tries the failed ones again   esc leaves it";
                put(buffer, inside.x, inside.bottom() - 1, inside.width, hint, theme.style("ui.muted"));
                None
            }
        }
    }
}

fn title(form: &Form, what: &str) -> String {
    let word = form.kind.word();
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}: {}", chars.as_str(), text::fit(&text::line(what), 58))
}

fn place(buffer: &mut Buffer, area: Rect, height: u16, title: &str, theme: &Theme) -> Rect {
    let width = area.width.min(80);
    let height = height.clamp(4, area.height.max(4)).min(area.height);
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 3, width, height);
    frame(buffer, place, title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"))
}

fn draw_form(form: &mut Form, what: &str, buffer: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
    let has_area = form.fields.iter().any(|f| matches!(f, Field::Area { .. }));
    let width = usize::from(area.width.min(80)).saturating_sub(4);
    let error: Vec<String> = form.error.as_deref().map(|e| wrap(e, width)).unwrap_or_default();
    let fields = if has_area { 8 } else { u16::try_from(form.fields.len()).unwrap_or(3) };
    let height = fields + u16::try_from(error.len()).unwrap_or(1) + 4;
    let title = title(form, what);
    let inside = place(buffer, area, height, &title, theme);
    let mut y = inside.y;
    let mut cursor = None;
    for (n, field) in form.fields.iter_mut().enumerate() {
        let active = n == form.at;
        let name_style = theme.style(if active { "ui.hint.key" } else { "ui.muted" });
        match field {
            Field::Line { name, hint, input } => {
                put(buffer, inside.x, y, NAMES, name, name_style);
                let place = Rect::new(inside.x + NAMES, y, inside.width.saturating_sub(NAMES), 1);
                if input.text().is_empty() && !active {
                    put(buffer, place.x, y, place.width, hint, theme.style("ui.muted"));
                } else if input.text().is_empty() {
                    put(buffer, place.x + 1, y, place.width.saturating_sub(1), hint, theme.style("ui.muted"));
                    cursor = Some(Position::new(place.x, y));
                } else {
                    let at = input.draw(buffer, place, theme.style("ui"));
                    cursor = if active { Some(at) } else { cursor };
                }
                y += 1;
            }
            Field::Pick { name, words, at } => {
                put(buffer, inside.x, y, NAMES, name, name_style);
                let mut x = inside.x + NAMES;
                for (n, word) in words.iter().enumerate() {
                    let style = theme.style(match (n == *at, active) {
                        (true, true) => "ui.link.active",
                        (true, false) => "ui.title",
                        _ => "ui.muted",
                    });
                    // What is chosen is seen without colour too.
                    let shown = if n == *at { format!("[{word}]") } else { format!(" {word} ") };
                    x += put(buffer, x, y, inside.right().saturating_sub(x), &shown, style);
                }
                y += 1;
            }
            Field::Area { area, .. } => {
                let place = Rect::new(inside.x, y, inside.width, 8.min(inside.bottom().saturating_sub(y + 2)));
                area.set_style(theme.style("ui"));
                area.set_cursor_line_style(Style::default());
                area.set_cursor_style(theme.style("ui.cursor.bar").add_modifier(ratatui::style::Modifier::REVERSED));
                (&**area).render(place, buffer);
                y += place.height;
            }
        }
    }
    y += 1;
    for line in &error {
        if y + 1 < inside.bottom() {
            put(buffer, inside.x, y, inside.width, line, theme.style("ui.error"));
            y += 1;
        }
    }
    let hint = match (form.fields.len(), has_area) {
        (_, true) => "ctrl-s decides   esc leaves it",
        (1, _) => "enter decides   esc leaves it",
        _ => "tab next field   enter goes on and decides   ctrl-s decides   esc leaves it",
    };
    put(buffer, inside.x, inside.bottom() - 1, inside.width, hint, theme.style("ui.muted"));
    cursor
}

/// The dry run.
fn review(staged: &Staged, theme: &Theme) -> Vec<Line> {
    let plain = theme.style("ui");
    let muted = theme.style("ui.muted");
    let count = |n: usize| text::count(n as u64);
    let mut lines: Vec<Line> = Vec::new();
    if staged.will.is_empty() {
        lines.push(vec![("Nothing would be decided.".into(), theme.style("ui.warning"))]);
    } else {
        let mut line: Line = vec![(format!("{} will be decided", count(staged.will.len())), theme.style("ui.title"))];
        if staged.pending > 0 {
            line.push((format!(", {} of them wait for a second person", count(staged.pending)), theme.style("ui.warning")));
        }
        lines.push(line);
        let names = staged.by_account.keys().map(|a| text::width(a)).max().unwrap_or(0).min(28);
        for (account, severities) in &staged.by_account {
            let mut line: Line = vec![(format!("  {}  ", text::pad(&text::line(account), names, false)), plain)];
            for (severity, n) in severities.iter().rev() {
                let style = theme.style(&format!("severity.{}", severity.word().to_lowercase()));
                line.push((format!("{} {}  ", count(*n), severity.word().to_lowercase()), style));
            }
            lines.push(line);
        }
    }
    for why in staged.before.why.iter().filter(|_| !staged.will.is_empty()) {
        lines.push(vec![(text::line(why).into_owned(), theme.style("ui.warning"))]);
    }
    if !staged.wont.is_empty() {
        lines.push(Vec::new());
        lines.push(vec![(format!("{} will not", count(staged.wont.len())), theme.style("ui.title"))]);
        for (reason, n) in &staged.reasons {
            lines.push(vec![(format!("  {}  ", count(*n)), plain), (text::line(reason).into_owned(), muted)]);
        }
    }
    if staged.gone > 0 {
        lines.push(vec![(format!("{} went away meanwhile", count(staged.gone)), muted)]);
    }
    lines
}

/// What became of each.
fn results(settled: &[Settled], theme: &Theme) -> Vec<Line> {
    let made = settled.iter().filter(|s| s.done.is_ok()).count();
    let words = format!("{} decided, {} not", text::count(made as u64), text::count((settled.len() - made) as u64));
    let mut lines: Vec<Line> = vec![vec![(words, theme.style("ui.title"))]];
    let failed_first = settled.iter().filter(|s| s.done.is_err()).chain(settled.iter().filter(|s| s.done.is_ok()));
    for one in failed_first {
        let (said, style) = match &one.done {
            Ok(place) => (place, theme.style("ui.muted")),
            Err(why) => (why, theme.style("ui.error")),
        };
        let name = text::pad(&text::line(&one.step.name), 40, false);
        lines.push(vec![(name, theme.style("ui")), (format!("  {}", text::line(said)), style)]);
    }
    lines
}
