//! The overview: open findings by severity, account and owner, the trend of four weeks, and what needs a person.

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use serde_json::Value as Json;

use crate::catalog::ListingId;
use crate::console::action::Action;
use crate::console::action::Scope;
use crate::console::views::browse::draw::severity;
use crate::console::views::{Canvas, Context, Declared, Location, Request, View};
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::{chart, clear, put};
use crate::listing::filter::exactly;
use crate::message::{Answer, Effect, Overview, Slot, Ticket};
use crate::model::finding::Severity;
use crate::text;
use crate::world::Loading;

pub const DECLARED: Declared =
    Declared { digit: Some(1), name: "overview", title: "Overview", listings: &[], make: || Box::new(OverviewView::default()) };

/// The overview's state: the figures, and the line the cursor is on.
#[derive(Default)]
struct OverviewView {
    figures: Option<Box<Overview>>,
    asked: Option<Ticket>,
    cursor: usize,
    /// Where each line that leads somewhere was drawn.
    drawn: Vec<(Rect, Location)>,
}

impl OverviewView {
    /// Everything that leads somewhere, in the order it is drawn.
    fn places(&self) -> Vec<Location> {
        let Some(figures) = &self.figures else { return Vec::new() };
        let findings = |filter: String| Location { listing: ListingId::Findings, filter, row: None };
        let needs = figures.needs.iter().map(|n| Location { listing: n.listing, filter: n.filter.clone(), row: None });
        let severities =
            figures.severities.iter().map(|(word, _)| findings(format!("open:yes severity:{}", word.to_lowercase())));
        let accounts = figures.accounts.iter().map(|(name, ..)| findings(format!("open:yes {}", exactly("account", name))));
        let owners = figures.owners.iter().map(|(name, ..)| findings(format!("open:yes {}", exactly("owner", name))));
        needs.chain(severities).chain(accounts).chain(owners).collect()
    }
}

impl View for OverviewView {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::List, Scope::Moving, Scope::Global]
    }

    fn typed(&mut self, _: KeyEvent, _: &mut Context<'_>) -> Option<Vec<Request>> {
        None
    }

    fn pasted(&mut self, _: &str, _: &mut Context<'_>) -> Vec<Request> {
        Vec::new()
    }

    fn act(&mut self, action: Action, _: &mut Context<'_>) -> Option<Vec<Request>> {
        let places = self.places();
        let last = places.len().saturating_sub(1);
        self.cursor = match action {
            Action::Down | Action::NextTab => (self.cursor + 1).min(last),
            Action::Up | Action::PreviousTab => self.cursor.saturating_sub(1),
            Action::PageDown | Action::HalfDown => (self.cursor + 5).min(last),
            Action::PageUp | Action::HalfUp => self.cursor.saturating_sub(5),
            Action::Top => 0,
            Action::Bottom => last,
            Action::Open => return Some(places.get(self.cursor).cloned().map(Request::Go).into_iter().collect()),
            Action::Filter => {
                return Some(vec![Request::Notice("There is nothing to filter here; 2 opens the findings.".into(), false)]);
            }
            _ => return None,
        };
        Some(Vec::new())
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, _: &mut Context<'_>) -> Vec<Request> {
        if let Answer::Overview(figures) = answer
            && self.asked == Some(ticket)
        {
            self.figures = Some(figures);
            self.cursor = self.cursor.min(self.places().len().saturating_sub(1));
        }
        Vec::new()
    }

    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let ticket = cx.tickets.take(Slot::Overview);
        self.asked = Some(ticket);
        vec![Request::Effect(Effect::Overview { ticket, world: cx.world.clone() })]
    }

    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        clear(canvas.buffer, area, Style::default());
        self.drawn.clear();
        let theme = canvas.theme;
        let Some(figures) = self.figures.take() else {
            put(canvas.buffer, area.x + 1, area.y, area.width, "Overview  counting …", theme.style("ui.title"));
            return;
        };
        let loading = canvas.world.loading == Loading::Partial;
        let more = if loading { "≥" } else { "" };
        let count = |n: usize| format!("{more}{}", text::count(n as u64));
        let title = match (loading, figures.findings) {
            (true, 0) => "Overview  loading".to_owned(),
            (true, all) => format!("Overview  {} open of {} findings, loading", count(figures.open), count(all)),
            (false, all) => format!("Overview  {} open of {} findings", count(figures.open), count(all)),
        };
        put(canvas.buffer, area.x + 1, area.y, area.width.saturating_sub(2), &title, theme.style("ui.title"));
        let body = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
        self.figures = Some(figures);
        let places = self.places();
        if let Some(figures) = self.figures.take() {
            let mut painter = Painter { canvas, places: &places, next: 0, cursor: self.cursor, drawn: Vec::new() };
            if figures.findings == 0 {
                painter.empty(body, loading);
            } else {
                painter.all(body, &figures);
            }
            self.drawn = painter.drawn;
            self.figures = Some(figures);
        }
    }

    fn go(&mut self, _: &Location, _: &mut Context<'_>) -> Vec<Request> {
        Vec::new()
    }

    fn location(&self) -> Option<Location> {
        None
    }

    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        if wheel != 0 {
            let action = if wheel > 0 { Action::Down } else { Action::Up };
            return self.act(action, cx).unwrap_or_default();
        }
        self.drawn.iter().find(|(area, _)| area.contains(at)).map(|(_, to)| Request::Go(to.clone())).into_iter().collect()
    }

    fn choices(&self) -> Json {
        Json::Null
    }

    fn choose(&mut self, _: &Json) {}

    fn is_deep(&self) -> bool {
        false
    }
}

/// Lines that the drawn trend needs at least.
const TREND_ROWS: u16 = 5;

/// Draws the parts, and remembers where each line that leads somewhere stands.
struct Painter<'a, 'b> {
    canvas: &'a mut Canvas<'b>,
    places: &'a [Location],
    next: usize,
    cursor: usize,
    drawn: Vec<(Rect, Location)>,
}

impl Painter<'_, '_> {
    fn empty(&mut self, area: Rect, loading: bool) {
        let words = if loading {
            "Findings are being read, the worst first: those kept from last time, then AWS's."
        } else {
            "No findings. Security Hub may be off or not readable: press ! for what was refused, or bring a scan in with \
             `bartizan import FILE`. Without AWS, `bartizan demo` shows an embedded organisation."
        };
        let theme = self.canvas.theme;
        let cells = usize::from(area.width.saturating_sub(8)).min(96);
        let problems = self.canvas.world.problems.iter().flat_map(|p| wrap(p, cells)).map(|l| (l, theme.style("ui.warning")));
        let words = std::iter::once(String::new()).chain(wrap(words, cells)).map(|l| (l, theme.style("ui.muted")));
        for (y, (line, style)) in (area.y..area.bottom()).zip(problems.chain(words)) {
            put(self.canvas.buffer, area.x + 4, y, area.width.saturating_sub(4), &line, style);
        }
    }

    fn all(&mut self, area: Rect, figures: &Overview) {
        let half = area.width / 2;
        let left = Rect { width: half.saturating_sub(1), ..area };
        let right = Rect { x: area.x + half + 1, width: area.width - half - 2, ..area };
        let needs = u16::try_from(figures.needs.len()).unwrap_or(0).max(1) + 2;
        let severities = u16::try_from(figures.severities.len()).unwrap_or(0) + 2;
        if area.width < 110 {
            // What needs a person is read whole; the rest shares what is left.
            let needs = needs.min(area.height.saturating_sub(severities - 1));
            self.needs(Rect { height: needs, ..area }, figures);
            let below = area.y + needs;
            let rest = area.height - needs;
            self.severities(Rect { y: below, height: severities.min(rest), ..left }, figures);
            self.bars(Rect { y: below, height: rest, ..right }, "Worst accounts", &figures.accounts);
            self.next += figures.owners.len();
            let used = severities.max(u16::try_from(figures.accounts.len()).unwrap_or(0) + 2).min(rest);
            if rest - used < TREND_ROWS {
                self.trend_line(Rect { y: area.y - 1, height: 1, ..area }, figures);
            }
            self.trend(Rect { y: below + used, height: rest - used, ..area }, figures);
            return;
        }
        self.needs(Rect { height: needs.min(area.height), ..left }, figures);
        let below = left.y + needs.max(severities);
        self.severities(Rect { height: severities.min(area.height), ..right }, figures);
        let rest = area.bottom().saturating_sub(below);
        let trend_height = if rest > 17 { 8 } else { 0 };
        let lists = rest - trend_height;
        self.bars(Rect { y: below, height: lists, ..left }, "Worst accounts", &figures.accounts);
        self.bars(Rect { y: below, height: lists, ..right }, "Worst owners", &figures.owners);
        self.trend(Rect { y: below + lists, height: trend_height, ..area }, figures);
    }

    fn heading(&mut self, area: Rect, words: &str) {
        let style = self.canvas.theme.style("ui.heading");
        put(self.canvas.buffer, area.x + 1, area.y, area.width.saturating_sub(1), words, style);
    }

    /// Ends a line that leads somewhere: the cursor, if it is here.
    fn line(&mut self, area: Rect) {
        if let Some(place) = self.places.get(self.next) {
            self.drawn.push((area, place.clone()));
        }
        if self.next == self.cursor {
            self.canvas.buffer.set_style(area, self.canvas.theme.style("ui.cursor"));
            let bar = self.canvas.theme.style("ui.cursor.bar");
            put(self.canvas.buffer, area.x, area.y, 1, self.canvas.theme.glyphs.cursor, bar);
        }
        self.next += 1;
    }

    fn needs(&mut self, area: Rect, figures: &Overview) {
        self.heading(area, "What needs me");
        let theme = self.canvas.theme;
        if figures.needs.is_empty() {
            put(self.canvas.buffer, area.x + 2, area.y + 1, area.width, "Nothing that we can see.", theme.style("ui.muted"));
        }
        for (n, need) in (1u16..).zip(&figures.needs) {
            let y = area.y + n;
            if y >= area.bottom() {
                self.next += 1;
                continue;
            }
            let count = text::pad(&text::count(need.count as u64), 7, true);
            let style = theme.style("ui.warning");
            let used = put(self.canvas.buffer, area.x + 1, y, area.width.saturating_sub(1), &count, style);
            put(self.canvas.buffer, area.x + used + 3, y, area.width.saturating_sub(used + 4), &need.text, theme.style("ui"));
            self.line(Rect { y, height: 1, ..area });
        }
    }

    fn severities(&mut self, area: Rect, figures: &Overview) {
        self.heading(area, "Open by severity");
        let theme = self.canvas.theme;
        let most = figures.severities.iter().map(|(_, n)| *n).max().unwrap_or(0);
        for (n, (word, count)) in (1u16..).zip(&figures.severities) {
            let y = area.y + n;
            if y >= area.bottom() {
                self.next += 1;
                continue;
            }
            let rank = word.parse::<Severity>().map_or(0, |s| s.rank());
            let (name, style) = severity(rank, word, theme);
            put(self.canvas.buffer, area.x + 2, y, 11, &name, style);
            let count_text = text::pad(&text::count(*count as u64), 9, true);
            put(self.canvas.buffer, area.x + 12, y, 9, &count_text, theme.style("ui"));
            chart::bar(self.canvas.buffer, (area.x + 23, y), area.width.saturating_sub(25), *count, most, &theme.glyphs, style);
            self.line(Rect { y, height: 1, ..area });
        }
    }

    fn bars(&mut self, area: Rect, title: &str, rows: &[(String, usize, usize, usize)]) {
        if area.height < 2 {
            self.next += rows.len();
            return;
        }
        self.heading(area, title);
        let theme = self.canvas.theme;
        let most = rows.iter().map(|(_, critical, high, _)| critical + high).max().unwrap_or(0);
        let names = rows
            .iter()
            .map(|(name, ..)| text::width(name))
            .max()
            .unwrap_or(0)
            .clamp(14, 22)
            .min((usize::from(area.width) / 3).max(14));
        let names = u16::try_from(names).unwrap_or(8);
        put(
            self.canvas.buffer,
            area.x + 3 + names,
            area.y,
            area.width.saturating_sub(names + 3),
            " crit  high   open",
            theme.style("ui.column"),
        );
        for (n, (name, critical, high, open)) in (1u16..).zip(rows) {
            let y = area.y + n;
            if y >= area.bottom() {
                self.next += 1;
                continue;
            }
            put(self.canvas.buffer, area.x + 2, y, names, name, theme.style("ui"));
            let figures = [(critical, "severity.critical", 5), (high, "severity.high", 6), (open, "ui.muted", 7)];
            let mut x = area.x + 2 + names + 1;
            for (value, role, cells) in figures {
                let padded = text::pad(&text::count(*value as u64), cells, true);
                x += put(self.canvas.buffer, x, y, u16::try_from(cells).unwrap_or(5), &padded, theme.style(role));
            }
            let room = area.right().saturating_sub(x + 3);
            let most_cells = usize::from(room);
            let critical_cells = if most == 0 { 0 } else { (critical * most_cells).div_ceil(most).min(most_cells) };
            let critical_cells = u16::try_from(critical_cells).unwrap_or(0);
            chart::bar(self.canvas.buffer, (x + 2, y), room, critical + high, most, &theme.glyphs, theme.style("severity.high"));
            chart::bar(
                self.canvas.buffer,
                (x + 2, y),
                critical_cells,
                *critical,
                *critical,
                &theme.glyphs,
                theme.style("severity.critical"),
            );
            self.line(Rect { y, height: 1, ..area });
        }
    }

    /// The trend in one line, two days a cell, where there is no room for more.
    fn trend_line(&mut self, area: Rect, figures: &Overview) {
        let theme = self.canvas.theme;
        let (new, closed): (Vec<usize>, Vec<usize>) =
            figures.trend.chunks(2).map(|days| days.iter().fold((0, 0), |(n, c), day| (n + day.0, c + day.1))).unzip();
        let most = new.iter().chain(&closed).copied().max().unwrap_or(0);
        let mut x = area.x + 1;
        x += put(self.canvas.buffer, x, area.y, 12, "Four weeks  ", theme.style("ui.heading"));
        for (values, word, role) in [(&new, "new", "chart.new"), (&closed, "closed", "chart.closed")] {
            let words = format!("{} {word} ", text::count(values.iter().sum::<usize>() as u64));
            x += put(self.canvas.buffer, x, area.y, area.right().saturating_sub(x), &words, theme.style("ui.muted"));
            let cells = u16::try_from(values.len()).unwrap_or(0);
            if x + cells < area.right() {
                chart::columns(self.canvas.buffer, (x, area.y), 1, values, most, &theme.glyphs, theme.style(role));
            }
            x += cells + 3;
        }
    }

    fn trend(&mut self, area: Rect, figures: &Overview) {
        if area.height < TREND_ROWS {
            return;
        }
        let theme = self.canvas.theme;
        let (new, closed): (Vec<usize>, Vec<usize>) = figures.trend.iter().copied().unzip();
        let sum = |v: &[usize]| text::count(v.iter().sum::<usize>() as u64);
        self.heading(area, &format!("Four weeks: {} new, {} closed", sum(&new), sum(&closed)));
        let most = new.iter().chain(&closed).copied().max().unwrap_or(0);
        let rows = area.height - 3;
        let bottom = area.bottom() - 2;
        let per_day = usize::from((area.width.saturating_sub(6) / 2) / u16::try_from(new.len().max(1)).unwrap_or(1)).clamp(1, 2);
        let spread = |v: &[usize]| v.iter().flat_map(|n| std::iter::repeat_n(*n, per_day)).collect::<Vec<_>>();
        let width = u16::try_from(new.len() * per_day).unwrap_or(0);
        chart::columns(
            self.canvas.buffer,
            (area.x + 2, bottom),
            rows,
            &spread(&new),
            most,
            &theme.glyphs,
            theme.style("chart.new"),
        );
        let second = area.x + 2 + width + 4;
        chart::columns(
            self.canvas.buffer,
            (second, bottom),
            rows,
            &spread(&closed),
            most,
            &theme.glyphs,
            theme.style("chart.closed"),
        );
        put(self.canvas.buffer, area.x + 2, bottom + 1, width, "new a day", theme.style("ui.muted"));
        put(self.canvas.buffer, second, bottom + 1, width, "closed a day", theme.style("ui.muted"));
    }
}
