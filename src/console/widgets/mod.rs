//! What screens are made of. Widgets know rows, text and styles; they know no findings.

pub mod chart;
pub mod chooser;
pub mod input;
pub mod player;
pub mod scroller;
pub mod table;
pub mod terminal;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::text;

/// Writes safe text at a place, cut to `cells`; returns how many cells it took. Everything drawn goes through here:
/// no control character of hostile text passes.
pub fn put(buffer: &mut Buffer, x: u16, y: u16, cells: u16, what: &str, style: Style) -> u16 {
    let safe = text::line(what);
    let fitted = text::fit(&safe, usize::from(cells));
    put_raw(buffer, x, y, cells, &fitted, style)
}

/// As [`put`], for text that is already safe and cut.
fn put_raw(buffer: &mut Buffer, x: u16, y: u16, cells: u16, what: &str, style: Style) -> u16 {
    if y >= buffer.area.bottom() || x >= buffer.area.right() {
        return 0;
    }
    let (end, _) = buffer.set_stringn(x, y, what, usize::from(cells), style);
    end - x
}

/// Writes parts one behind the other until the room ends; returns the cells taken.
pub fn put_parts(buffer: &mut Buffer, x: u16, y: u16, cells: u16, parts: &[(&str, Style)]) -> u16 {
    let mut used = 0;
    for (what, style) in parts {
        if used >= cells {
            break;
        }
        used += put(buffer, x + used, y, cells - used, what, *style);
    }
    used
}

/// Blanks an area.
pub fn clear(buffer: &mut Buffer, area: Rect, style: Style) {
    for y in area.top()..area.bottom().min(buffer.area.bottom()) {
        for x in area.left()..area.right().min(buffer.area.right()) {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }
}

/// A frame of lines around an area, with a title; returns the inside.
pub fn frame(
    buffer: &mut Buffer,
    area: Rect,
    title: &str,
    glyphs: &crate::console::theme::Glyphs,
    border: Style,
    style: Style,
) -> Rect {
    if area.width < 2 || area.height < 2 {
        return Rect::ZERO;
    }
    clear(buffer, area, Style::default());
    let (left, right, top, bottom) = (area.left(), area.right() - 1, area.top(), area.bottom() - 1);
    let line = glyphs.horizontal.repeat(usize::from(area.width - 2));
    for (y, a, b) in [(top, 0, 1), (bottom, 2, 3)] {
        put_raw(buffer, left, y, 1, glyphs.corners[a], border);
        put_raw(buffer, left + 1, y, area.width - 2, &line, border);
        put_raw(buffer, right, y, 1, glyphs.corners[b], border);
    }
    for y in top + 1..bottom {
        put_raw(buffer, left, y, 1, glyphs.vertical, border);
        put_raw(buffer, right, y, 1, glyphs.vertical, border);
    }
    if !title.is_empty() {
        put(buffer, left + 2, top, area.width.saturating_sub(4), &format!(" {title} "), style);
    }
    Rect::new(left + 2, top + 1, area.width.saturating_sub(4), area.height - 2)
}
