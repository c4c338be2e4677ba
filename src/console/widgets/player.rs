//! A recording on screen: the part of it that has room, and one line of where it stands.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::theme::Theme;
use crate::console::widgets::{clear, put, put_parts, terminal};
use crate::terminal::{Stand, Terminal};
use crate::text;

/// Cells of the bar, where there is room for one.
const BAR: u16 = 24;
/// From this width on there is.
const WIDE: u16 = 100;

/// What stands in the line beside the player's own.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What is played.
    pub title: &'a str,
    /// What has to be known of it, and whether that is bad news.
    pub remark: Option<(&'a str, bool)>,
    /// At the right edge.
    pub hint: &'a str,
}

/// Draws the screen and the line about it. Of a screen that is too large, the part around its cursor is shown.
pub fn draw(buffer: &mut Buffer, area: Rect, screen: &mut Terminal, stand: &Stand, about: About<'_>, theme: &Theme) {
    if area.is_empty() {
        return;
    }
    let foot = Rect { y: area.bottom() - 1, height: 1, ..area };
    let body = Rect { height: area.height - 1, ..area };
    let (columns, rows) = screen.size();
    let cursor = screen.cursor().map_or((0, 0), |cursor| (cursor.column, cursor.row));
    let first = (part(cursor.0, body.width, columns), part(cursor.1, body.height, rows));
    terminal::draw_from(buffer, body, screen, first, theme);
    clear(buffer, foot, Style::default());
    line(buffer, foot, stand, about, theme);
    if columns > body.width || rows > body.height {
        let words = format!(" recorded at {columns}×{rows}: the part around the cursor is shown ");
        let width = u16::try_from(text::width(&words)).unwrap_or(u16::MAX).min(area.width);
        put(buffer, area.right() - width, area.y, width, &words, theme.style("ui.warning"));
    }
}

/// The first of `all` rows (or columns) to show in `room` of them, so that `at` is among them.
fn part(at: u16, room: u16, all: u16) -> u16 {
    (at + 1).saturating_sub(room).min(all.saturating_sub(room))
}

/// `playing  0:12 ━━━━━──────── 3:40  ×1  web-1 by jo  digest as in the ledger`
fn line(buffer: &mut Buffer, foot: Rect, stand: &Stand, about: About<'_>, theme: &Theme) {
    let state = match stand {
        Stand { seeking: true, .. } => "seeking",
        Stand { over: true, .. } => "the end",
        Stand { playing: true, .. } => "playing",
        _ => "paused",
    };
    let (notice, muted) = (theme.style("ui.notice"), theme.style("ui.muted"));
    let hint = u16::try_from(text::width(about.hint)).unwrap_or(foot.width).min(foot.width);
    let room = foot.width.saturating_sub(hint + 3);
    let (at, length) = (clock(stand.at), clock(stand.length));
    let mut parts: Vec<(String, Style)> = vec![(format!("{state:<7}  {at} "), notice)];
    if foot.width >= WIDE {
        let share = if stand.length.is_zero() { 1.0 } else { stand.at.as_secs_f64() / stand.length.as_secs_f64() };
        // From 0 to the bar's cells.
        let done = (f64::from(BAR) * share.clamp(0.0, 1.0)).round() as usize;
        parts.push((theme.glyphs.bar.repeat(done), theme.style("ui.mark")));
        parts.push((theme.glyphs.horizontal.repeat(usize::from(BAR) - done), theme.style("ui.border")));
    } else {
        parts.push(("of".into(), notice));
    }
    parts.push((format!(" {length}  ×{}  ", stand.speed), notice));
    if let Some((words, bad)) = about.remark {
        parts.push((format!("{words}  "), theme.style(if bad { "ui.error" } else { "ui.muted" })));
    }
    if let Some(marker) = &stand.marker {
        parts.push((format!("{marker}  "), theme.style("ui.warning")));
    }
    parts.push((about.title.to_owned(), muted));
    let parts: Vec<(&str, Style)> = parts.iter().map(|(words, style)| (words.as_str(), *style)).collect();
    put_parts(buffer, foot.x + 1, foot.y, room, &parts);
    put(buffer, foot.right().saturating_sub(hint + 1), foot.y, hint, about.hint, theme.style("ui.hint.key"));
}

/// `1:02:03`, `2:03`.
pub fn clock(at: Duration) -> String {
    let all = at.as_secs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::{Depth, UNICODE};
    use crate::terminal::Allow;

    #[test]
    fn times_are_told_as_clocks() {
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
        assert_eq!(clock(Duration::from_millis(61_900)), "1:01");
    }

    #[test]
    fn of_a_large_screen_the_part_with_the_cursor_is_shown() {
        let theme = Theme::named("dark", Depth::True, UNICODE).unwrap();
        let mut screen = Terminal::new(60, 20, Allow::default());
        screen.feed(b"first\x1b[20;40Hlast");
        for (width, height) in [(40, 6), (80, 24), (1, 1), (0, 0), (3, 200)] {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            let about = About { title: "t\u{1b}[31m", remark: Some(("changed", true)), hint: "space" };
            draw(&mut buffer, area, &mut screen, &Stand::default(), about, &theme);
            let shown: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
            assert!(!shown.chars().any(text::is_hostile));
            match (width, height) {
                (40, 6) => assert!(shown.contains("last") && !shown.contains("first") && shown.contains("recorded at 60×20")),
                (80, 24) => assert!(shown.contains("last") && shown.contains("first") && !shown.contains("recorded at")),
                _ => {}
            }
        }
    }
}
