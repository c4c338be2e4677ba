//! The trust matrix: what may flow between environments, and for a pair of them between accounts; with what crosses the
//! boundaries that are to hold.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::action::Action;
use crate::console::theme::Theme;
use crate::console::views::network::came::Came;
use crate::console::views::{Canvas, Context, Request};
use crate::console::widgets::scroller::{Line, Offset, draw as scroll, wrap};
use crate::console::widgets::{clear, put};
use crate::message::{Effect, Matrix, NetworkAsk, NetworkSays, Pane, Slot, Ticket};
use crate::model::account::Environment;
use crate::network::matrix::{Cell, UNCLASSIFIED};
use crate::network::reach::Verdict;
use crate::text;

/// Cells of the names at the left.
const LABEL: u16 = 16;

/// The matrix on screen.
pub(super) struct MatrixPane {
    asked: Option<Ticket>,
    shown: Option<Result<Box<Matrix>, String>>,
    /// Row and column.
    at: (usize, usize),
    /// The pair of environments whose accounts are shown, and the line.
    inside: Option<(String, String, usize)>,
    offset: Offset,
    /// Where rows and columns were drawn.
    grid: Rect,
    column: u16,
}

impl MatrixPane {
    pub(super) fn open(cx: &mut Context<'_>) -> (Self, Vec<Request>) {
        let mut pane =
            Self { asked: None, shown: None, at: (0, 0), inside: None, offset: Offset::default(), grid: Rect::ZERO, column: 1 };
        let requests = pane.refresh(cx);
        (pane, requests)
    }

    pub(super) fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let ticket = cx.tickets.take(Slot::Network(Pane::Matrix));
        self.asked = Some(ticket);
        vec![Request::Effect(Effect::Network { ticket, world: cx.world.clone(), ask: NetworkAsk::Matrix })]
    }

    pub(super) fn answer(&mut self, ticket: Ticket, says: Result<NetworkSays, String>) {
        if self.asked == Some(ticket) {
            self.shown = match says {
                Ok(NetworkSays::Matrix(matrix)) => Some(Ok(matrix)),
                Ok(_) => return,
                Err(why) => Some(Err(why)),
            };
        }
    }

    fn matrix(&self) -> Option<&Matrix> {
        self.shown.as_ref().and_then(|s| s.as_ref().ok()).map(AsRef::as_ref)
    }

    /// The accounts' cells of the pair that was drilled into.
    fn accounts(&self) -> Vec<&Cell> {
        let (Some(matrix), Some((from, to, _))) = (self.matrix(), &self.inside) else { return Vec::new() };
        // The internet and named sources are no accounts: they stand for themselves.
        let of = |label: &str| matrix.environment_of.get(label).map_or_else(|| label.to_owned(), |e| (*e).to_owned());
        matrix.accounts.iter().filter(|c| of(&c.from) == *from && of(&c.to) == *to).collect()
    }

    fn chosen(&self) -> Option<&Cell> {
        let matrix = self.matrix()?;
        let (rows, columns) = (rows(matrix), columns(matrix));
        let (from, to) = (rows.get(self.at.0)?, columns.get(self.at.1)?);
        matrix.environments.iter().find(|c| c.from == *from && c.to == *to)
    }

    pub(super) fn act(&mut self, action: Action) -> Option<Came> {
        if self.inside.is_some() {
            return self.act_inside(action);
        }
        let (rows, columns) = self.matrix().map_or((0, 0), |m| (rows(m).len(), columns(m).len()));
        let (last_row, last_column) = (rows.saturating_sub(1), columns.saturating_sub(1));
        match action {
            Action::Down => self.at.0 = (self.at.0 + 1).min(last_row),
            Action::Up => self.at.0 = self.at.0.saturating_sub(1),
            Action::Right => self.at.1 = (self.at.1 + 1).min(last_column),
            Action::Left => self.at.1 = self.at.1.saturating_sub(1),
            Action::Top => self.at.0 = 0,
            Action::Bottom => self.at.0 = last_row,
            Action::PageDown | Action::HalfDown => self.offset.0 = self.offset.0.saturating_add(5),
            Action::PageUp | Action::HalfUp => self.offset.0 = self.offset.0.saturating_sub(5),
            Action::Open => {
                let pair = self.chosen().map(|c| (c.from.clone(), c.to.clone(), 0));
                if pair.is_none() {
                    return Some(vec![Request::Notice("Nothing flows there, as far as is known.".into(), false)].into());
                }
                self.inside = pair;
                self.offset = Offset::default();
            }
            Action::Back => return Some(Came { closed: true, ..Came::default() }),
            _ => return None,
        }
        Some(Came::default())
    }

    fn act_inside(&mut self, action: Action) -> Option<Came> {
        let many = self.accounts().len();
        let line = self.inside.as_ref().map_or(0, |(.., line)| *line);
        let to = match action {
            Action::Down => line + 1,
            Action::Up => line.saturating_sub(1),
            Action::PageDown | Action::HalfDown => line + 10,
            Action::PageUp | Action::HalfUp => line.saturating_sub(10),
            Action::Top => 0,
            Action::Bottom => usize::MAX,
            Action::Open => {
                // The example of that pair, hop by hop.
                let ask = self.accounts().get(line).map(|c| (c.example.0.clone(), c.example.1.clone(), "all".to_owned()));
                return Some(Came { ask, ..Came::default() });
            }
            Action::Back => {
                self.inside = None;
                self.offset = Offset::default();
                return Some(Came::default());
            }
            _ => return None,
        };
        if let Some((.., line)) = &mut self.inside {
            *line = to.min(many.saturating_sub(1));
        }
        Some(Came::default())
    }

    pub(super) fn mouse(&mut self, at: Position, wheel: i16) -> Came {
        if wheel != 0 {
            let action = if wheel > 0 { Action::Down } else { Action::Up };
            return self.act(action).unwrap_or_default();
        }
        if self.inside.is_none() && self.grid.contains(at) && at.x >= self.grid.x + LABEL {
            let cell = (usize::from(at.y - self.grid.y), usize::from((at.x - self.grid.x - LABEL) / self.column.max(1)));
            if cell == self.at {
                return self.act(Action::Open).unwrap_or_default();
            }
            let (rows, columns) = self.matrix().map_or((0, 0), |m| (rows(m).len(), columns(m).len()));
            if cell.0 < rows && cell.1 < columns {
                self.at = cell;
            }
        }
        Came::default()
    }

    pub(super) fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        clear(canvas.buffer, area, Style::default());
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let words = |canvas: &mut Canvas<'_>, words: &str, role: &str| {
            let lines = wrap(words, usize::from(inner.width));
            for (y, line) in (inner.y..inner.bottom()).zip(lines) {
                put(canvas.buffer, inner.x, y, inner.width, &line, theme.style(role));
            }
        };
        match &self.shown {
            None => return words(canvas, "Working out what may flow …", "ui.muted"),
            Some(Err(why)) => return words(canvas, &why.clone(), "ui.error"),
            Some(Ok(matrix)) if matrix.environments.is_empty() => {
                let none = match canvas.world.estate.is_details() {
                    true => {
                        "An answer of aws iam get-account-authorization-details says nothing of networks: what flows is not known."
                    }
                    false => {
                        "Nothing flows between environments, nor to or from the internet, as far as is known. Networks may \
                         not be readable: press ! for what was refused."
                    }
                };
                return words(canvas, none, "ui.muted");
            }
            Some(Ok(_)) => {}
        }
        if self.inside.is_some() { self.draw_accounts(inner, canvas) } else { self.draw_grid(inner, canvas) }
    }

    fn draw_grid(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let Some(matrix) = self.matrix().cloned() else { return };
        let theme = canvas.theme;
        let (rows, columns) = (rows(&matrix), columns(&matrix));
        self.at = (self.at.0.min(rows.len().saturating_sub(1)), self.at.1.min(columns.len().saturating_sub(1)));
        let title = "Trust matrix: rows may ask columns";
        put(canvas.buffer, area.x, area.y, area.width, title, theme.style("ui.title"));
        let room = area.width.saturating_sub(LABEL);
        let width = (room / u16::try_from(columns.len().max(1)).unwrap_or(1)).clamp(6, 20);
        self.column = width;
        let fitting = usize::from(room / width).max(1);
        let first = (self.at.1 + 1).saturating_sub(fitting);
        for (n, to) in columns.iter().skip(first).take(fitting).enumerate() {
            let x = area.x + LABEL + u16::try_from(n).unwrap_or(0) * width;
            put(canvas.buffer, x, area.y + 2, width - 1, &short(to, usize::from(width) - 1), theme.style("ui.column"));
        }
        self.grid =
            Rect { y: area.y + 3, height: u16::try_from(rows.len()).unwrap_or(0).min(area.height.saturating_sub(6)), ..area };
        for (row, (y, from)) in (self.grid.y..self.grid.bottom()).zip(&rows).enumerate() {
            put(canvas.buffer, area.x, y, LABEL - 1, &short(from, usize::from(LABEL) - 1), theme.style("ui.column"));
            for (column, to) in columns.iter().enumerate().skip(first).take(fitting) {
                let x = area.x + LABEL + u16::try_from(column - first).unwrap_or(0) * width;
                let cell = matrix.environments.iter().find(|c| c.from == *from && c.to == *to);
                let (what, mut style) = match cell {
                    None => ("·".to_owned(), theme.style("ui.muted")),
                    Some(cell) => (in_short(cell, usize::from(width) - 1), flow(cell, theme)),
                };
                if (row, column) == self.at {
                    style = style.patch(theme.style("ui.cursor"));
                    canvas.buffer.set_style(Rect { x, y, width: width - 1, height: 1 }, style);
                    put(canvas.buffer, x.saturating_sub(1), y, 1, theme.glyphs.cursor, theme.style("ui.cursor.bar"));
                }
                put(canvas.buffer, x, y, width - 1, &what, style);
            }
        }
        let below = self.grid.bottom() + 1;
        let rest = Rect { y: below, height: area.bottom().saturating_sub(below), ..area };
        let lines = self.below(&matrix, (&rows, &columns), usize::from(area.width), theme);
        self.offset.by(0, lines.len(), usize::from(rest.height));
        scroll(canvas.buffer, rest, &lines, self.offset);
    }

    /// The chosen cell in full, then the boundaries.
    fn below(&self, matrix: &Matrix, (rows, columns): (&[String], &[String]), cells: usize, theme: &Theme) -> Vec<Line> {
        let plain = theme.style("ui");
        let prose = |what: &str, style: Style| wrap(what, cells).into_iter().map(move |l| vec![(l, style)]);
        let (from, to) = (rows.get(self.at.0).map_or("", String::as_str), columns.get(self.at.1).map_or("", String::as_str));
        let mut lines: Vec<Line> = vec![vec![(format!("{from} to {to}"), theme.style("ui.heading"))]];
        match self.chosen() {
            None => lines.extend(prose("Nothing flows there, as far as is known.", theme.style("ui.muted"))),
            Some(cell) => {
                let sure = if cell.verdict == Verdict::Yes { "" } else { ", not known for certain" };
                let ways = if cell.ways == 1 { "1 way".to_owned() } else { format!("{} ways", text::count(cell.ways as u64)) };
                lines.extend(prose(&format!("{}: {ways}{sure}", cell.service), plain));
                let example = format!("for example {} to {}; enter shows the accounts", cell.example.0, cell.example.1);
                lines.extend(prose(&example, theme.style("ui.muted")));
            }
        }
        lines.push(Vec::new());
        let heading = match (matrix.boundaries, matrix.crossings.len()) {
            (0, _) => "No trust boundaries are configured".to_owned(),
            (n, 0) => format!("{n} boundaries hold"),
            (_, n) => format!("{n} flows cross boundaries"),
        };
        let bad = !matrix.crossings.is_empty();
        lines.push(vec![(heading, theme.style(if bad { "ui.warning" } else { "ui.heading" }))]);
        if matrix.boundaries == 0 {
            let how = "[[network.boundary]] in the configuration says what must not reach what, such as \"non-production must \
                       not reach production\"; what crosses one is told here.";
            lines.extend(prose(how, theme.style("ui.muted")));
        }
        lines.extend(matrix.notes.iter().flat_map(|n| prose(n, theme.style("ui.warning"))));
        let mut last = "";
        for (boundary, way) in &matrix.crossings {
            if boundary != last {
                lines.extend(prose(boundary, plain));
                last = boundary;
            }
            lines.extend(prose(&format!("  {way}"), theme.style("ui.muted")));
        }
        lines
    }

    fn draw_accounts(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let Some((from, to, at)) = self.inside.clone() else { return };
        let cells: Vec<Cell> = self.accounts().into_iter().cloned().collect();
        let title = format!("{from} to {to}: {} pairs of accounts", cells.len());
        put(canvas.buffer, area.x, area.y, area.width, &title, theme.style("ui.title"));
        let widest = |label: fn(&Cell) -> &str| cells.iter().map(|c| text::width(label(c))).max().unwrap_or(0).clamp(8, 24);
        let (a, b) = (widest(|c| &c.from), widest(|c| &c.to));
        let head = format!("{}  {}  {}", text::pad("FROM", a, false), text::pad("TO", b, false), "MAY ASK FOR");
        put(canvas.buffer, area.x + 1, area.y + 2, area.width, &head, theme.style("ui.column"));
        let body = Rect { y: area.y + 3, height: area.height.saturating_sub(3), ..area };
        self.offset.show(at, usize::from(body.height));
        for (n, (y, cell)) in (body.y..body.bottom()).zip(cells.iter().skip(self.offset.0)).enumerate() {
            let here = n + self.offset.0 == at;
            let sure = if cell.verdict == Verdict::Yes { "" } else { "  (not known for certain)" };
            let (from, to) = (text::fit(&cell.from, a), text::fit(&cell.to, b));
            let line = format!("{}  {}  {}{sure}", text::pad(&from, a, false), text::pad(&to, b, false), cell.service);
            let mut style = flow(cell, theme);
            if here {
                style = style.patch(theme.style("ui.cursor"));
                canvas.buffer.set_style(Rect { y, height: 1, ..area }, style);
                put(canvas.buffer, area.x, y, 1, theme.glyphs.cursor, theme.style("ui.cursor.bar"));
            }
            put(canvas.buffer, area.x + 1, y, area.width.saturating_sub(1), &line, style);
        }
    }
}

/// Environments first and in their order, then what is none: the internet and named sources.
fn order(label: &str) -> (usize, String) {
    let known = Environment::ALL.iter().position(|e| e.word() == label);
    (known.unwrap_or(if label == UNCLASSIFIED { 90 } else { 91 }), label.to_owned())
}

fn sorted<'m>(labels: impl Iterator<Item = &'m String>) -> Vec<String> {
    let mut all: Vec<String> = labels.cloned().collect();
    all.sort_by_key(|l| order(l));
    all.dedup();
    all
}

fn rows(matrix: &Matrix) -> Vec<String> {
    sorted(matrix.environments.iter().map(|c| &c.from))
}

fn columns(matrix: &Matrix) -> Vec<String> {
    sorted(matrix.environments.iter().map(|c| &c.to))
}

/// A label that fits: long environments lose their middle word rather than their end.
fn short(label: &str, cells: usize) -> String {
    let known = match label {
        "non-production" if cells < 14 => "non-prod",
        "production" if cells < 10 => "prod",
        "management" if cells < 10 => "mgmt",
        UNCLASSIFIED if cells < 12 => "unclass.",
        other => other,
    };
    text::fit(&text::line(known), cells).into_owned()
}

fn in_short(cell: &Cell, cells: usize) -> String {
    let doubt = if cell.verdict == Verdict::Yes { "" } else { "? " };
    let whole = format!("{doubt}{}", cell.service);
    if text::width(&whole) <= cells {
        return whole;
    }
    let ways = format!("{doubt}{} ways", cell.ways);
    if text::width(&ways) <= cells { ways } else { text::fit(&ways, cells).into_owned() }
}

/// Quiet where it is a known way, loud where the internet is let in or where everything may flow.
fn flow(cell: &Cell, theme: &Theme) -> Style {
    if cell.verdict != Verdict::Yes {
        theme.style("severity.medium")
    } else if cell.from == "internet" {
        theme.style("severity.high")
    } else {
        theme.style("ui")
    }
}
