//! The diagram: boxes that one walks between, nearer and farther, with a path pointed out. It lays boxes out by the
//! network room's text drawing and colours them; what is in them is the engine's.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::action::Action;
use crate::console::theme::{ASCII, Theme};
use crate::console::views::network::came::Came;
use crate::console::views::{Canvas, Context, Request};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::Offset;
use crate::console::widgets::{clear, put};
use crate::message::{Effect, NetworkAsk, NetworkSays, Pane, Slot, Ticket};
use crate::network::diagram::{Diagram, DrawnLine, Heat, Item, Zoom, text};
use crate::network::zoom::farther;
use crate::text as words;

/// Lines at the foot that tell of the chosen box.
const FOOT: u16 = 4;

/// A diagram on screen.
pub(super) struct DiagramPane {
    zoom: Zoom,
    path: Vec<String>,
    asked: Option<Ticket>,
    shown: Option<Result<Arc<Diagram>, String>>,
    /// The layout, and what it was made for: cells and ASCII.
    laid: Option<((u16, bool), Vec<DrawnLine>)>,
    /// The chosen box, counted over all bands.
    chosen: usize,
    /// The box to stand on when the next diagram comes.
    stand_on: Option<String>,
    offset: Offset,
    prompt: Option<Input>,
    body: Rect,
}

/// Where a box stands in the layout.
#[derive(Clone, Copy)]
struct Spot {
    first: usize,
    last: usize,
    start: usize,
    width: usize,
}

impl DiagramPane {
    pub(super) fn open(zoom: Zoom, path: Vec<String>, cx: &mut Context<'_>) -> (Self, Vec<Request>) {
        let mut pane = Self {
            zoom,
            path,
            asked: None,
            shown: None,
            laid: None,
            chosen: 0,
            stand_on: None,
            offset: Offset::default(),
            prompt: None,
            body: Rect::ZERO,
        };
        let requests = pane.refresh(cx);
        (pane, requests)
    }

    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    pub(super) fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let ticket = cx.tickets.take(Slot::Network(Pane::Diagram));
        self.asked = Some(ticket);
        if self.stand_on.is_none() {
            self.stand_on = self.item().map(|i| i.id.clone());
        }
        let ask = NetworkAsk::Diagram { zoom: self.zoom.clone(), path: self.path.clone() };
        vec![Request::Effect(Effect::Network { ticket, world: cx.world.clone(), ask })]
    }

    pub(super) fn answer(&mut self, ticket: Ticket, says: Result<NetworkSays, String>) {
        if self.asked != Some(ticket) {
            return;
        }
        self.shown = match says {
            Ok(NetworkSays::Diagram(diagram)) => Some(Ok(diagram)),
            Ok(_) => return,
            Err(why) => Some(Err(why)),
        };
        self.laid = None;
        let id = self.stand_on.take();
        let Some(Ok(diagram)) = &self.shown else { return };
        let items = || diagram.bands.iter().flat_map(|b| &b.items);
        let known = id.and_then(|id| items().position(|i| i.id == id));
        // Where nothing was chosen before, the eye goes to the path, then to the worst.
        let focus = || items().position(|i| i.focus && i.nearer.is_some()).or_else(|| items().position(|i| i.focus));
        let worst = || items().enumerate().max_by_key(|(n, i)| (i.heat, std::cmp::Reverse(*n))).map(|(n, _)| n);
        self.chosen = known.or_else(focus).or_else(worst).unwrap_or(0);
    }

    fn diagram(&self) -> Option<&Arc<Diagram>> {
        self.shown.as_ref().and_then(|s| s.as_ref().ok())
    }

    fn item(&self) -> Option<&Item> {
        self.diagram()?.bands.iter().flat_map(|b| &b.items).nth(self.chosen)
    }

    fn spots(&self) -> Vec<Spot> {
        let Some((_, lines)) = &self.laid else { return Vec::new() };
        let mut spots: Vec<Spot> = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            for span in &line.spans {
                match spots.get_mut(span.item) {
                    Some(spot) => spot.last = n,
                    None => spots.push(Spot { first: n, last: n, start: span.start, width: span.width }),
                }
            }
        }
        spots
    }

    pub(super) fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Came> {
        let page = isize::from(i16::try_from(self.body.height.max(2) - 1).unwrap_or(1));
        match action {
            Action::Down | Action::Up | Action::Left | Action::Right | Action::Top | Action::Bottom => self.walk(action),
            Action::PageDown => self.scroll(page),
            Action::PageUp => self.scroll(-page),
            Action::HalfDown => self.scroll(page / 2),
            Action::HalfUp => self.scroll(-(page / 2)),
            Action::Open => return Some(self.nearer(cx)),
            Action::ZoomOut => return Some(self.out(cx)),
            Action::Back => return Some(Came { closed: true, ..Came::default() }),
            Action::Export if self.diagram().is_some() => {
                self.prompt = Some(Input::new(format!("network-{}.svg", cx.now.strftime("%Y%m%d-%H%M"))));
            }
            _ => return None,
        }
        Some(Came::default())
    }

    fn nearer(&mut self, cx: &mut Context<'_>) -> Came {
        let Some(item) = self.item() else { return Came::default() };
        let Some(zoom) = item.nearer.clone() else {
            let words = format!("There is nothing nearer to see of {}.", words::line(&item.title));
            return vec![Request::Notice(words, false)].into();
        };
        self.zoom = zoom;
        self.offset = Offset::default();
        // The first box of the new diagram, unless the path leads elsewhere.
        self.stand_on = Some(String::new());
        self.refresh(cx).into()
    }

    fn out(&mut self, cx: &mut Context<'_>) -> Came {
        let Some(zoom) = cx.world.network.as_ref().and_then(|p| farther(&p.net, &self.zoom)) else {
            return vec![Request::Notice("This is the whole.".into(), false)].into();
        };
        // What was looked at is one box of the new diagram.
        self.stand_on = Some(match &self.zoom {
            Zoom::Account(id) => format!("account {id}"),
            Zoom::Vpc(id) | Zoom::Subnet(id) => id.clone(),
            Zoom::Organisation => String::new(),
        });
        self.zoom = zoom;
        self.offset = Offset::default();
        self.refresh(cx).into()
    }

    /// To the next box in a direction.
    fn walk(&mut self, action: Action) {
        let spots = self.spots();
        let Some(here) = spots.get(self.chosen) else { return };
        let middle = |s: &Spot| s.start + s.width / 2;
        let aside = |s: &Spot| middle(s).abs_diff(middle(here));
        let rows = spots.iter().enumerate();
        let to = match action {
            Action::Right => Some((self.chosen + 1).min(spots.len() - 1)),
            Action::Left => Some(self.chosen.saturating_sub(1)),
            Action::Top => Some(0),
            Action::Bottom => Some(spots.len() - 1),
            Action::Down => rows.filter(|(_, s)| s.first > here.first).min_by_key(|(_, s)| (s.first, aside(s))).map(|(n, _)| n),
            _ => rows
                .filter(|(_, s)| s.first < here.first)
                .min_by_key(|(_, s)| (std::cmp::Reverse(s.first), aside(s)))
                .map(|(n, _)| n),
        };
        match (to, action) {
            (Some(to), _) => {
                self.chosen = to;
                self.show();
            }
            // Below the last box are the links, above the first the title.
            (None, Action::Down) => self.scroll(isize::from(i16::try_from(self.body.height / 2).unwrap_or(1))),
            (None, _) => self.offset = Offset::default(),
        }
    }

    fn show(&mut self) {
        let height = usize::from(self.body.height);
        if let Some(spot) = self.spots().get(self.chosen).copied() {
            self.offset.show(spot.last, height);
            self.offset.show(spot.first, height);
        }
    }

    fn scroll(&mut self, by: isize) {
        let total = self.laid.as_ref().map_or(0, |(_, lines)| lines.len());
        self.offset.by(by, total, usize::from(self.body.height));
    }

    pub(super) fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Came> {
        let input = self.prompt.as_mut()?;
        match key.code {
            KeyCode::Esc => self.prompt = None,
            KeyCode::Enter => {
                let path = PathBuf::from(input.text().trim());
                self.prompt = None;
                if let Some(diagram) = self.diagram().cloned() {
                    let ticket = cx.tickets.take(Slot::Export);
                    return Some(vec![Request::Effect(Effect::Draw { ticket, diagram, path })].into());
                }
            }
            _ => _ = input.key(key),
        }
        Some(Came::default())
    }

    pub(super) fn pasted(&mut self, text: &str) {
        if let Some(input) = &mut self.prompt {
            input.insert(text);
        }
    }

    pub(super) fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Came {
        if wheel != 0 {
            self.scroll(isize::from(wheel));
            return Came::default();
        }
        if !self.body.contains(at) {
            return Came::default();
        }
        let line = self.offset.0 + usize::from(at.y - self.body.y);
        let cell = usize::from(at.x - self.body.x);
        let inside = |s: &Spot| (s.first..=s.last).contains(&line) && (s.start..s.start + s.width).contains(&cell);
        match self.spots().iter().position(inside) {
            Some(n) if n == self.chosen => self.nearer(cx),
            Some(n) => {
                self.chosen = n;
                Came::default()
            }
            None => Came::default(),
        }
    }

    pub(super) fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        clear(canvas.buffer, area, Style::default());
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let diagram = match &self.shown {
            Some(Ok(diagram)) => Arc::clone(diagram),
            Some(Err(why)) => {
                put(canvas.buffer, inner.x, inner.y, inner.width, why, theme.style("ui.error"));
                return;
            }
            None => {
                put(canvas.buffer, inner.x, inner.y, inner.width, "Drawing …", theme.style("ui.muted"));
                return;
            }
        };
        let ascii = theme.glyphs == ASCII;
        let foot = FOOT.min(area.height / 4);
        // The title stays; the last line above the foot tells how much there is below.
        self.body = Rect { y: inner.y + 1, height: area.height.saturating_sub(foot + 2), ..inner };
        put(canvas.buffer, inner.x, inner.y, inner.width, &diagram.title, theme.style("ui.title"));
        if self.laid.as_ref().is_none_or(|(of, _)| *of != (inner.width, ascii)) {
            let mut lines = text(&diagram, usize::from(inner.width), ascii);
            lines.drain(..1);
            self.laid = Some(((inner.width, ascii), lines));
            self.show();
        }
        let (chosen, offset) = (self.chosen, self.offset.0);
        if let Some((_, lines)) = &self.laid {
            for (y, line) in (self.body.y..self.body.bottom()).zip(lines.iter().skip(offset)) {
                let base = if line.spans.is_empty() { theme.style("ui.heading") } else { theme.style("ui.muted") };
                let base = if line.text.starts_with(' ') { theme.style("ui.muted") } else { base };
                put(canvas.buffer, inner.x, y, inner.width, &line.text, base);
                for span in &line.spans {
                    let x = inner.x + u16::try_from(span.start).unwrap_or(0);
                    let width = u16::try_from(span.width).unwrap_or(0).min(inner.right().saturating_sub(x));
                    let mut style = heat(span.heat, theme);
                    if span.focus {
                        style = style.patch(theme.style("ui.title"));
                    }
                    if span.item == chosen {
                        style = style.patch(theme.style("ui.cursor"));
                    }
                    canvas.buffer.set_style(Rect { x, y, width, height: 1 }, style);
                    if span.item == chosen {
                        put(canvas.buffer, x, y, 1, theme.glyphs.cursor, theme.style("ui.cursor.bar"));
                    }
                }
            }
            let below = lines.len().saturating_sub(offset + usize::from(self.body.height));
            if below > 0 {
                let word = format!(" {below} more {}", theme.glyphs.down);
                let width = u16::try_from(words::width(&word)).unwrap_or(0).min(inner.width);
                put(canvas.buffer, inner.right() - width, self.body.bottom(), width, &word, theme.style("ui.muted"));
            }
        }
        self.draw_foot(&diagram, Rect { y: self.body.bottom() + 1, height: foot, ..inner }, canvas);
    }

    /// What the chosen box is joined to, or the name of the file to write.
    fn draw_foot(&self, diagram: &Diagram, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        if area.height < 2 {
            return;
        }
        let line = theme.glyphs.horizontal.repeat(usize::from(area.width));
        put(canvas.buffer, area.x, area.y, area.width, &line, theme.style("ui.border"));
        if let Some(input) = &self.prompt {
            let label = "Write to: ";
            let used = put(canvas.buffer, area.x, area.y + 1, area.width, label, theme.style("ui.label"));
            let field = Rect { x: area.x + used, y: area.y + 1, width: area.width - used, height: 1 };
            canvas.cursor = Some(input.draw(canvas.buffer, field, theme.style("ui.filter")));
            let hint = ".svg, .dot for Graphviz, .mmd for Mermaid, .txt   enter writes it   esc leaves it";
            put(canvas.buffer, area.x, area.y + 2, area.width, hint, theme.style("ui.muted"));
            return;
        }
        let Some(item) = self.item() else { return };
        put(canvas.buffer, area.x, area.y + 1, area.width, &item.title, theme.style("ui.title"));
        let arrow = theme.glyphs.link;
        let title = |id: &str| {
            let found = diagram.bands.iter().flat_map(|b| &b.items).find(|i| i.id == id);
            found.map_or_else(|| id.to_owned(), |i| i.title.clone())
        };
        let mut joined: Vec<String> = Vec::new();
        for link in &diagram.links {
            let label = if link.label.is_empty() { String::new() } else { format!(" ({})", link.label) };
            if link.from == item.id {
                joined.push(format!("{arrow} {}{label}", title(&link.to)));
            } else if link.to == item.id {
                joined.push(format!("from {}{label}", title(&link.from)));
            }
        }
        let text = if joined.is_empty() { "Joined to nothing else here.".to_owned() } else { joined.join("   ") };
        let lines = crate::console::widgets::scroller::wrap(&text, usize::from(area.width));
        let room = usize::from(area.height - 2);
        for (n, (y, line)) in (area.y + 2..area.bottom()).zip(&lines).enumerate() {
            let cut = n + 1 == room && lines.len() > room;
            let line =
                if cut { format!("{} …", words::fit(line, usize::from(area.width).saturating_sub(2))) } else { line.clone() };
            put(canvas.buffer, area.x, y, area.width, &line, theme.style("ui.muted"));
        }
    }
}

fn heat(heat: Heat, theme: &Theme) -> Style {
    match heat {
        Heat::Inside => theme.style("ui"),
        Heat::Out => theme.style("ui.link"),
        Heat::Some => theme.style("severity.medium"),
        Heat::Open => theme.style("severity.critical"),
    }
}
