//! A terminal emulator's screen as cells. Only cleaned text comes out of the emulator, and nothing else of a node goes
//! onto the user's own terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color as Shown, Modifier, Style};

use crate::console::theme::Theme;
use crate::console::widgets::clear;
use crate::terminal::{Color, Style as Wanted, Terminal};
use crate::text;

/// Draws the view of a terminal; returns where its cursor is, unless it is hidden.
pub fn draw(buffer: &mut Buffer, area: Rect, terminal: &mut Terminal, theme: &Theme) -> Option<Position> {
    draw_from(buffer, area, terminal, (0, 0), theme)
}

/// As [`draw`], beginning with a column and a row other than the first.
pub fn draw_from(
    buffer: &mut Buffer,
    area: Rect,
    terminal: &mut Terminal,
    (left, top): (u16, u16),
    theme: &Theme,
) -> Option<Position> {
    clear(buffer, area, Style::default());
    let (selected, found) = (theme.style("ui.cursor"), theme.style("ui.filter").add_modifier(Modifier::REVERSED));
    terminal.draw(|row, column, glyph| {
        let (Some(row), Some(column)) = (row.checked_sub(top), column.checked_sub(left)) else { return };
        let cells = if glyph.wide { 2 } else { 1 };
        if row >= area.height || column + cells > area.width {
            return;
        }
        let Some(cell) = buffer.cell_mut((area.x + column, area.y + row)) else { return };
        cell.set_symbol(&text::line(glyph.text));
        cell.set_style(style(glyph.style, theme));
        if glyph.wide
            && let Some(next) = buffer.cell_mut((area.x + column + 1, area.y + row))
        {
            next.reset();
        }
    });
    let (columns, rows) = terminal.size();
    for row in 0..rows.saturating_sub(top).min(area.height) {
        for column in 0..columns.saturating_sub(left).min(area.width) {
            let (is_selected, is_found) = terminal.mark(top + row, left + column);
            if (is_selected || is_found)
                && let Some(cell) = buffer.cell_mut((area.x + column, area.y + row))
            {
                cell.set_style(if is_selected { selected } else { found });
            }
        }
    }
    let cursor = terminal.cursor()?;
    let (column, row) = (cursor.column.checked_sub(left)?, cursor.row.checked_sub(top)?);
    (row < area.height && column < area.width).then(|| Position::new(area.x + column, area.y + row))
}

fn style(wanted: Wanted, theme: &Theme) -> Style {
    let colour = |colour| match colour {
        Color::Default => None,
        Color::Index(n) => theme.nearest(Shown::Indexed(n)),
        Color::Rgb(r, g, b) => theme.nearest(Shown::Rgb(r, g, b)),
    };
    let mut style = Style { fg: colour(wanted.foreground), bg: colour(wanted.background), ..Style::default() };
    for (on, modifier) in [
        (wanted.bold, Modifier::BOLD),
        (wanted.dim, Modifier::DIM),
        (wanted.italic, Modifier::ITALIC),
        (wanted.underline, Modifier::UNDERLINED),
        (wanted.inverse, Modifier::REVERSED),
    ] {
        if on {
            style = style.add_modifier(modifier);
        }
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::{Depth, UNICODE};
    use crate::terminal::Allow;

    fn drawn(output: &[u8], size: (u16, u16), depth: Depth) -> (Buffer, Option<Position>) {
        let theme = Theme::named("dark", depth, UNICODE).unwrap();
        let mut terminal = Terminal::new(size.0, size.1, Allow::default());
        terminal.feed(output);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 4));
        let cursor = draw(&mut buffer, Rect::new(1, 1, 10, 3), &mut terminal, &theme);
        (buffer, cursor)
    }

    #[test]
    fn cells_colours_and_the_cursor_arrive_in_their_place() {
        let (buffer, cursor) = drawn("a\x1b[1;38;2;9;8;7mb日\x1b[0m".as_bytes(), (10, 3), Depth::True);
        assert_eq!(buffer[(1, 1)].symbol(), "a");
        assert_eq!((buffer[(2, 1)].fg, buffer[(2, 1)].modifier), (Shown::Rgb(9, 8, 7), Modifier::BOLD));
        assert_eq!(buffer[(3, 1)].symbol(), "日");
        assert_eq!(cursor, Some(Position::new(5, 1)));
        let (buffer, _) = drawn(b"\x1b[31mred", (10, 3), Depth::None);
        assert_eq!(buffer[(1, 1)].fg, Shown::Reset, "no colours where there are none");
    }

    #[test]
    fn what_does_not_fit_stays_out_and_nothing_hostile_gets_in() {
        // A screen larger than its place, for the moment between two sizes.
        let (buffer, cursor) = drawn("x".repeat(30 * 9).as_bytes(), (30, 9), Depth::True);
        assert_eq!((buffer[(0, 1)].symbol(), buffer[(11, 1)].symbol(), buffer[(1, 0)].symbol()), (" ", " ", " "));
        assert_eq!(cursor, None);
        let (buffer, _) = drawn("a\u{202e}b\x1b]52;c;aGk=\x07\u{ad}c\x1bPq\x1b\\".as_bytes(), (10, 3), Depth::True);
        for cell in &buffer.content {
            assert!(!cell.symbol().chars().any(text::is_hostile), "{:?}", cell.symbol());
        }
    }
}
