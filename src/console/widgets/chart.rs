//! Bars and columns of figures.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use crate::console::theme::Glyphs;
use crate::console::widgets::put;

/// A horizontal bar of `value` in `most`, at most `cells` long; something is never nothing.
pub fn bar(buffer: &mut Buffer, (x, y): (u16, u16), cells: u16, value: usize, most: usize, glyphs: &Glyphs, style: Style) {
    if most == 0 || value == 0 {
        return;
    }
    let length = (value * usize::from(cells) / most).clamp(1, usize::from(cells).max(1));
    put(buffer, x, y, cells, &glyphs.bar.repeat(length), style);
}

/// One cell per value, its height in eighths of `rows` rows that end at the row `bottom`.
pub fn columns(
    buffer: &mut Buffer,
    (x, bottom): (u16, u16),
    rows: u16,
    values: &[usize],
    most: usize,
    glyphs: &Glyphs,
    style: Style,
) {
    let full = usize::from(rows) * 8;
    for (n, value) in (0u16..).zip(values) {
        if *value == 0 || most == 0 {
            continue;
        }
        let mut eighths = (value * full / most).clamp(1, full);
        let mut y = bottom;
        while eighths > 0 {
            let here = eighths.min(8);
            put(buffer, x + n, y, 1, glyphs.levels[here - 1], style);
            eighths -= here;
            if y == 0 {
                break;
            }
            y -= 1;
        }
    }
}
