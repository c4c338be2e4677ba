//! A table that draws only the rows one can see: columns that fit, a cursor, marks, a heading with the sort.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::theme::Theme;
use crate::console::widgets::{clear, put};
use crate::text;

/// Cells at the left for cursor and mark.
const GUTTER: u16 = 2;
/// The cursor's ground ends with the last column that ends within this many cells, so that moving it stays cheap over a
/// slow line: every cell of it is written twice.
const GROUND: u16 = 64;

/// A column.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    pub title: &'a str,
    /// Least width in cells.
    pub width: u16,
    /// Takes what room is left.
    pub grow: bool,
    /// Figures stand at the right edge.
    pub right: bool,
    /// Sorted by this: whether the highest stands first.
    pub sorted: Option<bool>,
    /// Cut the front, not the end, of what does not fit.
    pub keep_end: bool,
}

/// A row on screen.
pub enum Row {
    /// Cells in the columns' order.
    Cells(Vec<(String, Style)>),
    /// A line of its own above the rows that follow.
    Outline(String),
}

/// Where a table stands in its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub cursor: usize,
    /// The first row on screen.
    pub offset: usize,
}

impl Place {
    /// Keeps the cursor on a row and on screen.
    pub fn settle(&mut self, rows: usize, height: usize) {
        self.cursor = self.cursor.min(rows.saturating_sub(1));
        let height = height.max(1);
        if self.cursor < self.offset {
            self.offset = self.cursor;
        } else if self.cursor >= self.offset + height {
            self.offset = self.cursor + 1 - height;
        }
        self.offset = self.offset.min(rows.saturating_sub(height));
    }
}

/// Widths for the columns from `first` on that fit into `room`; those that do not are left out at the right.
pub fn widths(columns: &[Column<'_>], first: usize, room: u16) -> Vec<(usize, u16)> {
    let mut chosen: Vec<(usize, u16)> = Vec::new();
    let mut used = 0;
    for (n, column) in columns.iter().enumerate().skip(first) {
        let gap = if chosen.is_empty() { 0 } else { 2 };
        let width = column.width.max(u16::try_from(text::width(column.title)).unwrap_or(u16::MAX));
        if used + gap + width > room {
            // A column that can live with less gets what is left, if that is worth reading.
            let left = room.saturating_sub(used + gap);
            if (column.grow || chosen.is_empty()) && left >= 8 {
                chosen.push((n, left));
                used = room;
            }
            break;
        }
        used += gap + width;
        chosen.push((n, width));
    }
    let growing = chosen.iter().filter(|(n, _)| columns[*n].grow).count();
    let mut spare = room.saturating_sub(used);
    let mut left = u16::try_from(growing).unwrap_or(u16::MAX);
    for (n, width) in &mut chosen {
        if columns[*n].grow {
            let share = spare.checked_div(left).unwrap_or(0);
            *width += share;
            spare -= share;
            left -= 1;
        }
    }
    chosen
}

/// Draws heading and rows. `row` gives the n-th row, `marked` whether it is marked.
pub fn draw(
    buffer: &mut Buffer,
    area: Rect,
    theme: &Theme,
    columns: &[Column<'_>],
    (place, first, rows): (Place, usize, usize),
    row: &dyn Fn(usize) -> Row,
    marked: &dyn Fn(usize) -> bool,
) {
    if area.height == 0 || area.width <= GUTTER {
        return;
    }
    let mut chosen = widths(columns, first, area.width - GUTTER);
    let heading = theme.style("ui.column");
    let ends = |chosen: &[(usize, u16)]| chosen.last().is_some_and(|(n, _)| n + 1 == columns.len());
    if !ends(&chosen) {
        // Columns are left out at the right: their sign takes the last cells of the heading.
        chosen = widths(columns, first, area.width.saturating_sub(GUTTER + 2));
        put(buffer, area.right() - 1, area.y, 1, theme.glyphs.more[1], heading);
    }
    if first > 0 {
        put(buffer, area.x, area.y, 1, theme.glyphs.more[0], heading);
    }
    let mut x = area.x + GUTTER;
    for (n, width) in &chosen {
        let column = &columns[*n];
        let arrow = match column.sorted {
            Some(true) => theme.glyphs.down,
            Some(false) => theme.glyphs.up,
            None => "",
        };
        let title = if text::width(column.title) + text::width(arrow) < usize::from(*width) || arrow.is_empty() {
            format!("{}{arrow}", column.title)
        } else {
            format!("{}{arrow}", text::fit(column.title, usize::from(*width).saturating_sub(1)))
        };
        put(buffer, x, area.y, *width, &text::pad(&title, usize::from(*width), column.right), heading);
        x += width + 2;
    }
    let body = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
    clear(buffer, body, Style::default());
    for line in 0..body.height {
        let n = place.offset + usize::from(line);
        if n >= rows {
            break;
        }
        let y = body.y + line;
        match row(n) {
            Row::Outline(title) => {
                put(buffer, body.x + GUTTER, y, body.width - GUTTER, &title, theme.style("ui.outline"));
            }
            Row::Cells(cells) => draw_row(buffer, (body.x, y), theme, columns, &chosen, &cells),
        }
        if marked(n) {
            put(buffer, body.x + 1, y, 1, theme.glyphs.mark, theme.style("ui.mark"));
        }
        if n == place.cursor {
            let ground = Rect::new(body.x, y, cursor_width(&chosen).min(body.width), 1);
            buffer.set_style(ground, theme.style("ui.cursor"));
            put(buffer, body.x, y, 1, theme.glyphs.cursor, theme.style("ui.cursor.bar"));
        }
    }
}

/// How far the cursor's ground reaches: to the end of the last column that ends within [`GROUND`].
fn cursor_width(chosen: &[(usize, u16)]) -> u16 {
    let mut x = GUTTER;
    for (_, width) in chosen {
        if x + width > GROUND {
            return if x > GUTTER { x - 1 } else { GROUND };
        }
        x += width + 2;
    }
    x.saturating_sub(1)
}

fn draw_row(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    theme: &Theme,
    columns: &[Column<'_>],
    chosen: &[(usize, u16)],
    cells: &[(String, Style)],
) {
    let mut x = x + GUTTER;
    let plain = theme.style("ui");
    for (n, width) in chosen {
        if let Some((what, style)) = cells.get(*n) {
            let room = usize::from(*width);
            let safe = text::line(what);
            let fitted = if columns[*n].keep_end { text::fit_end(&safe, room) } else { text::fit(&safe, room) };
            let fitted: Cow<'_, str> = if columns[*n].right { text::pad(&fitted, room, true).into() } else { fitted };
            put(buffer, x, y, *width, &fitted, plain.patch(*style));
        }
        x += width + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &str, width: u16, grow: bool) -> Column<'_> {
        Column { title, width, grow, right: false, sorted: None, keep_end: false }
    }

    #[test]
    fn columns_share_the_room_and_never_pass_it() {
        let columns = [column("A", 4, false), column("B", 10, true), column("C", 6, false), column("D", 10, true)];
        for first in 0..4 {
            for room in 0..80 {
                let chosen = widths(&columns, first, room);
                let used: u16 = chosen.iter().map(|(_, w)| w).sum::<u16>() + 2 * (chosen.len().saturating_sub(1) as u16);
                assert!(used <= room, "{used} of {room}");
                assert!(room < 12 || !chosen.is_empty());
            }
        }
        assert_eq!(widths(&columns, 0, 60), vec![(0, 4), (1, 22), (2, 6), (3, 22)]);
        assert_eq!(widths(&columns, 0, 18), vec![(0, 4), (1, 12)]);
    }

    #[test]
    fn the_cursor_stays_on_screen() {
        let mut place = Place { cursor: 500, offset: 0 };
        place.settle(1_000, 20);
        assert_eq!(place, Place { cursor: 500, offset: 481 });
        place.cursor = 480;
        place.settle(1_000, 20);
        assert_eq!(place.offset, 480);
        place.settle(10, 20);
        assert_eq!(place, Place { cursor: 9, offset: 0 });
        place.settle(0, 20);
        assert_eq!(place, Place { cursor: 0, offset: 0 });
    }
}
