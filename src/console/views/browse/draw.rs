//! How a list looks: title, prompt, table or groups, and the open row beside or over it.

use std::cell::Cell as Kept;

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::catalog::{self, ListingId, show};
use crate::console::screen::Scroll;
use crate::console::theme::Theme;
use crate::console::views::Canvas;
use crate::console::views::browse::rows::Answered;
use crate::console::views::browse::{Browse, Prompt};
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::table::{self, Column, Row};
use crate::console::widgets::{clear, put, put_parts};
use crate::listing::index::RowId;
use crate::listing::schema::{FieldId, Kind};
use crate::listing::segment::Cell;
use crate::model::arn::short;
use crate::model::finding::Severity;
use crate::text;
use crate::world::Loading;

/// From this width on, the open row stands beside the list.
const SIDE_BY_SIDE: u16 = 130;

/// What the last drawing left behind: for scrolling and the mouse.
#[derive(Debug, Default)]
pub struct Drawn {
    /// Rows of the list on screen.
    pub height: usize,
    /// The first row's line within the view.
    pub first_row: u16,
    /// The list's place on screen and the line it began with.
    last: Kept<Option<(Rect, usize)>>,
}

impl Browse {
    pub fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        if area.height < 3 {
            return;
        }
        self.draw_title(Rect { height: 1, ..area }, canvas);
        let mut top = area.y + 1;
        if self.prompt.is_some() || self.error.is_some() {
            top += self.draw_prompt(Rect::new(area.x, top, area.width, 3.min(area.height - 1)), canvas);
        }
        let body = Rect::new(area.x, top, area.width, area.bottom().saturating_sub(top));
        match &mut self.open {
            Some((open, _)) if area.width < SIDE_BY_SIDE => {
                let inside = Rect::new(body.x + 1, body.y, body.width.saturating_sub(2), body.height);
                clear(canvas.buffer, body, Style::default());
                open.draw(inside, canvas);
                self.drawn.last.set(None);
            }
            Some(_) => {
                let left = Rect { width: body.width * 2 / 5, ..body };
                let right = Rect::new(left.right() + 2, body.y, body.width - left.width - 3, body.height);
                for y in body.top()..body.bottom() {
                    put(canvas.buffer, left.right(), y, 1, canvas.theme.glyphs.vertical, canvas.theme.style("ui.border"));
                }
                self.draw_list(left, area, canvas);
                self.drawn.last.set(None);
                if let Some((open, _)) = &mut self.open {
                    open.draw(right, canvas);
                }
            }
            None => self.draw_list(body, area, canvas),
        }
        if let Some((_, chooser)) = &self.choosing {
            canvas.cursor = Some(chooser.draw(canvas.buffer, area, canvas.theme));
        }
    }

    /// `Findings  1,204 of 18,311   filter                    severity ↓  age ↑`
    fn draw_title(&self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let counts = self.counts(canvas);
        let marks = match self.marks.len() {
            0 => String::new(),
            n => format!("   {} marked", text::count(n as u64)),
        };
        let filter = if self.prompt.is_some() || self.filter.is_empty() { String::new() } else { format!("   {}", self.filter) };
        let name = |f: FieldId| self.listing.schema.get(f).name;
        let order = match self.group {
            Some(field) => format!("by {}", name(field)),
            None => {
                let arrow = |descending: bool| if descending { theme.glyphs.down } else { theme.glyphs.up };
                self.sort
                    .iter()
                    .take(2)
                    .map(|s| format!("{} {}", name(s.field), arrow(s.descending)))
                    .collect::<Vec<_>>()
                    .join("  ")
            }
        };
        let right = u16::try_from(text::width(&order)).unwrap_or(0) + 1;
        let title = format!("{}  ", self.listing.title);
        let used = put_parts(
            canvas.buffer,
            area.x + 1,
            area.y,
            area.width.saturating_sub(2),
            &[
                (&title, theme.style("ui.title")),
                (&counts, theme.style("ui")),
                (&marks, theme.style("ui.mark")),
                (&filter, theme.style("ui.filter")),
            ],
        );
        if used + right + 3 < area.width {
            put(canvas.buffer, area.right() - right, area.y, right, &order, theme.style("ui.muted"));
        }
    }

    /// `1,204 of 18,311`, `1,204 of ≥10,000, loading`, with the number of groups in front where there are any.
    fn counts(&self, canvas: &Canvas<'_>) -> String {
        let Some(answered) = &self.answered else { return String::new() };
        let (matched, total) = (answered.rows.ids.len(), answered.rows.total);
        let loading = self.listing.id == ListingId::Findings && canvas.world.loading == Loading::Partial;
        let count = |n: usize| text::count(n as u64);
        let plain = if loading && total == 0 {
            "loading".to_owned()
        } else if loading {
            format!("{} of ≥{}, loading", count(matched), count(total))
        } else if matched == total {
            count(total)
        } else {
            format!("{} of {}", count(matched), count(total))
        };
        if self.group.is_some() {
            let groups = answered.rows.groups.len();
            return format!("{} group{}, {plain}", count(groups), if groups == 1 { "" } else { "s" });
        }
        plain
    }

    /// What is typed, and under it the completions or what is wrong; returns the lines it took.
    fn draw_prompt(&self, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
        let theme = canvas.theme;
        clear(canvas.buffer, area, Style::default());
        let (mark, input) = match &self.prompt {
            Some(Prompt::Filter { input, .. }) => (" / ", Some(input)),
            Some(Prompt::Export { input }) => (" write to ", Some(input)),
            None => ("", None),
        };
        let mut lines = 0;
        if let Some(input) = input {
            let used = put(canvas.buffer, area.x, area.y, area.width, mark, theme.style("ui.hint.key"));
            let field = Rect::new(area.x + used, area.y, area.width.saturating_sub(used + 1), 1);
            canvas.cursor = Some(input.draw(canvas.buffer, field, theme.style("ui.filter")));
            lines = 1;
        }
        let y = area.y + lines;
        // A completed field still lacks its value: while completions are chosen from, they are what is to be seen.
        if let Some(Prompt::Filter { completions, chosen, .. }) = &self.prompt
            && !completions.is_empty()
        {
            let first = chosen.unwrap_or(0).saturating_sub(3);
            let mut x = area.x + 3;
            for (n, completion) in completions.iter().enumerate().skip(first) {
                let room = area.right().saturating_sub(x);
                if room < 4 {
                    break;
                }
                let style = theme.style(if Some(n) == *chosen { "ui.link.active" } else { "ui.muted" });
                x += put(canvas.buffer, x, y, room, &completion.text, style) + 2;
            }
            return lines + 1;
        }
        if let Some(error) = &self.error {
            let words = format!("column {}: {}", error.column, error.message);
            let wrapped = wrap(&words, usize::from(area.width.saturating_sub(2)));
            for (y, line) in (y..y + 2).zip(&wrapped) {
                put(canvas.buffer, area.x + 1, y, area.width.saturating_sub(1), line, theme.style("ui.error"));
            }
            return lines + u16::try_from(wrapped.len()).unwrap_or(2).min(2);
        }
        if matches!(self.prompt, Some(Prompt::Filter { .. })) {
            let hint = "   words   field:value   severity>=high   age<7d   !term   or   ( )      tab completes";
            put(canvas.buffer, area.x, y, area.width, hint, theme.style("ui.muted"));
        } else if matches!(self.prompt, Some(Prompt::Export { .. })) {
            let hint = "   .csv .json or .ndjson      enter writes   esc leaves it";
            put(canvas.buffer, area.x, y, area.width, hint, theme.style("ui.muted"));
        }
        lines + 1
    }

    fn draw_list(&mut self, area: Rect, view: Rect, canvas: &mut Canvas<'_>) {
        let Some(answered) = &self.answered else {
            clear(canvas.buffer, area, Style::default());
            put(canvas.buffer, area.x + 2, area.y + 1, area.width, "…", canvas.theme.style("ui.muted"));
            self.drawn.last.set(None);
            return;
        };
        if answered.line_count() == 0 {
            clear(canvas.buffer, area, Style::default());
            self.drawn.last.set(None);
            self.draw_empty(area, canvas);
            return;
        }
        let rows_area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        self.place.settle(answered.line_count(), usize::from(rows_area.height));
        self.drawn.height = usize::from(rows_area.height);
        self.drawn.first_row = rows_area.y - view.y;
        if self.group.is_some() {
            draw_groups(self, answered, area, canvas);
        } else {
            self.draw_rows(answered, area, canvas);
        }
        if let Some((last, offset)) = self.drawn.last.replace(Some((rows_area, self.place.offset)))
            && last == rows_area
            && offset != self.place.offset
            && rows_area.width == canvas.buffer.area.width
        {
            let moved = i64::try_from(self.place.offset).unwrap_or(0) - i64::try_from(offset).unwrap_or(0);
            let lines = i32::try_from(moved).unwrap_or(0);
            canvas.scroll = Some(Scroll { top: rows_area.y, bottom: rows_area.bottom(), lines });
        }
    }

    fn draw_rows(&self, answered: &Answered, area: Rect, canvas: &mut Canvas<'_>) {
        let now = canvas.now;
        let theme = canvas.theme;
        let columns: Vec<Column<'_>> = self.columns.iter().map(|f| self.column(*f)).collect();
        let cells = |row: RowId| -> Row {
            let cell = |field: &FieldId| {
                let declared = self.listing.schema.get(*field);
                let cell = answered.index.cell(row, *field);
                match (&cell, self.layout(*field)) {
                    (Cell::None, Some(column)) => (column.absent.to_owned(), theme.style("ui.muted")),
                    _ => cell_text(declared.name, &cell, &declared.kind, now, theme),
                }
            };
            Row::Cells(self.columns.iter().map(cell).collect())
        };
        let row = |n: usize| match answered.heading(n) {
            Some(title) => Row::Outline(title.to_owned()),
            None => answered.row(n).map_or_else(|| Row::Cells(Vec::new()), cells),
        };
        let marked = |n: usize| {
            !self.marks.is_empty() && answered.row(n).is_some_and(|row| self.marks.contains(&answered.index, &answered.rows, row))
        };
        let at = (self.place, self.first_column.min(columns.len().saturating_sub(1)), answered.line_count());
        table::draw(canvas.buffer, area, theme, &columns, at, &row, &marked);
    }

    fn layout(&self, field: FieldId) -> Option<&'static catalog::Column> {
        self.listing.columns.iter().find(|c| c.field == field)
    }

    fn column(&self, field: FieldId) -> Column<'_> {
        let declared = self.listing.schema.get(field);
        let layout = self.layout(field);
        Column {
            title: declared.title,
            width: layout.map_or(10, |c| c.width),
            grow: layout.is_some_and(|c| c.grow),
            right: layout.is_some_and(|c| c.right),
            sorted: self.sort.first().filter(|s| s.field == field).map(|s| s.descending),
            keep_end: matches!(declared.name, "resource" | "id" | "who"),
        }
    }

    fn draw_empty(&self, area: Rect, canvas: &mut Canvas<'_>) {
        let total = self.answered.as_ref().map_or(0, |a| a.rows.total);
        let words = if total > 0 {
            format!("No {} match this filter. Backspace takes it away, / changes it.", self.listing.many)
        } else if canvas.world.progress.is_some() {
            format!("No {} yet: AWS is being asked.", self.listing.many)
        } else {
            self.listing.when_empty(&canvas.world.estate)
        };
        let room = usize::from(area.width.saturating_sub(8)).min(76);
        let lines = wrap(&words, room);
        let top = area.y + area.height / 3;
        for (y, line) in (top..area.bottom()).zip(lines) {
            put(canvas.buffer, area.x + 4, y, area.width.saturating_sub(4), &line, canvas.theme.style("ui.muted"));
        }
    }
}

/// The groups: value, `x of y`, the worst severity and how long the oldest has been failing.
fn draw_groups(browse: &Browse, answered: &Answered, area: Rect, canvas: &mut Canvas<'_>) {
    let Some(field) = browse.group else { return };
    let declared = browse.listing.schema.get(field);
    let plain = |title, width, grow, right| Column { title, width, grow, right, sorted: None, keep_end: false };
    let worst = browse.listing.field("severity").is_some_and(|severity| severity != field);
    let aged = browse.listing.field("age").is_some();
    let mut columns = vec![plain(declared.title, 24, true, false), plain("SHOWN OF ALL", 16, false, true)];
    if worst {
        columns.insert(0, plain("WORST", 10, false, false));
    }
    if aged {
        columns.push(plain("FAILING FOR", 11, false, true));
    }
    let (now, theme) = (canvas.now, canvas.theme);
    let row = |n: usize| {
        let Some(group) = answered.rows.groups.get(n) else { return Row::Cells(Vec::new()) };
        let value = if group.value.is_empty() { "(none)".to_owned() } else { short(&group.value).to_owned() };
        let mut cells = vec![
            (value, Style::default()),
            (format!("{} of {}", text::count(group.matched as u64), text::count(group.total as u64)), Style::default()),
        ];
        if worst {
            let word = group.worst.and_then(|w| Severity::ALL.get(usize::from(w)));
            let cell = word.map_or((String::new(), Style::default()), |w| severity(w.rank(), w.word(), theme));
            cells.insert(0, cell);
        }
        if aged {
            let age = group.oldest.map_or_else(String::new, |at| text::span(now.as_second() - at));
            cells.push((age, Style::default()));
        }
        Row::Cells(cells)
    };
    table::draw(canvas.buffer, area, theme, &columns, (browse.place, 0, answered.rows.groups.len()), &row, &|_| false);
}

/// A severity as mark and word, before it is a colour.
pub fn severity(rank: u8, word: &str, theme: &Theme) -> (String, Style) {
    let mark = theme.glyphs.severity.get(usize::from(rank)).copied().unwrap_or(" ");
    let short = if word == "INFORMATIONAL" { "INFO" } else { word };
    (format!("{mark} {short}"), theme.style(&format!("severity.{}", word.to_lowercase())))
}

/// A cell's text and colour.
fn cell_text(name: &str, cell: &Cell<'_>, kind: &Kind, now: jiff::Timestamp, theme: &Theme) -> (String, Style) {
    if let (Cell::Rank(rank, word), "severity") = (cell, name) {
        return severity(*rank, word, theme);
    }
    let mut shown = show(cell, kind, now);
    if matches!(name, "resource" | "boundary" | "who") {
        shown = short(&shown).to_owned();
    }
    let style = match cell {
        Cell::Rank(_, word) => theme.known(&format!("{name}.{}", word.to_lowercase())),
        Cell::Text(_) | Cell::Set(_) if theme.known(name).is_some() || matches!(name, "ping" | "owner" | "environment") => {
            theme.known(&format!("{name}.{}", shown.to_lowercase()))
        }
        Cell::Time(_) | Cell::Number(0) => Some(theme.style("ui.muted")),
        _ => None,
    };
    (shown, style.unwrap_or_default())
}
