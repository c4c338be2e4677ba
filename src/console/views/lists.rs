//! A view made of one or several lists, side by side as tabs.

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use serde_json::{Map, Value as Json};

use crate::catalog::ListingId;
use crate::console::action::Action;
use crate::console::action::Scope;
use crate::console::decide::Target;
use crate::console::views::browse::Browse;
use crate::console::views::{Canvas, Context, Left, Location, Request, View};
use crate::console::widgets::put;
use crate::console::widgets::scroller::wrap;
use crate::message::{Answer, Slot, Ticket};
use crate::model::node::Machine;
use crate::text;
use crate::world::World;

/// Lists, and which of them is on screen.
pub struct Lists {
    lists: Vec<Browse>,
    current: usize,
    /// Where the list was drawn, for the mouse.
    body: Rect,
}

impl Lists {
    /// One list for each listing; `filters` gives some of them a filter to begin with.
    pub fn new(listings: &[ListingId], filters: &[(&str, ListingId)]) -> Self {
        let make = |id: &ListingId| {
            let filter = filters.iter().find(|(_, of)| of == id).map_or("", |(filter, _)| filter);
            Browse::new(*id, filter)
        };
        Self { lists: listings.iter().map(make).collect(), current: 0, body: Rect::ZERO }
    }

    /// Shows a field's values as lines above the rows that have them, while the rows are sorted by it.
    pub fn outlined(mut self, field: &str) -> Self {
        self.lists.iter_mut().for_each(|list| list.outline_by(field));
        self
    }

    /// Shows the list with this place.
    pub fn select(&mut self, n: usize) {
        self.current = n.min(self.lists.len().saturating_sub(1));
    }

    /// A list's name and how many rows it has.
    pub fn label(&self, n: usize, world: &World) -> String {
        let Some(list) = self.lists.get(n) else { return String::new() };
        let rows = world.index(list.listing()).rows();
        let count = match list.listing() {
            ListingId::Pipelines if !world.judged => "…".to_owned(),
            _ => text::count(rows as u64),
        };
        format!("{} {count}", list.listing().get().title)
    }

    /// Draws the list on screen alone.
    pub fn draw_current(&mut self, body: Rect, canvas: &mut Canvas<'_>) {
        self.body = body;
        self.list().draw(body, canvas);
    }

    /// The first tab that is drawn: tabs go left until the one on screen fits.
    fn first_tab(&self, width: u16, world: &World) -> usize {
        let widths: Vec<usize> = (0..=self.current).map(|n| text::width(&self.label(n, world)) + 3).collect();
        let fits = |first: &usize| widths[*first..].iter().sum::<usize>() <= usize::from(width) + 1;
        (0..self.current).find(fits).unwrap_or(self.current)
    }

    /// The listing on screen.
    pub fn listing(&self) -> ListingId {
        self.lists[self.current].listing()
    }

    /// The listing on screen, and the id of its chosen row.
    pub fn here(&self) -> Option<(ListingId, String)> {
        let list = &self.lists[self.current];
        Some((list.listing(), list.id_here()?))
    }

    /// A field of the chosen row, as text.
    pub fn text_here(&self, field: &str) -> Option<String> {
        self.lists[self.current].text_here(field)
    }
    /// Reads the row that is open again: something of it changed.
    pub fn reread(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        self.list().reread(cx)
    }

    fn list(&mut self) -> &mut Browse {
        &mut self.lists[self.current]
    }

    fn of(&mut self, listing: ListingId) -> Option<&mut Browse> {
        self.lists.iter_mut().find(|l| l.listing() == listing)
    }
}

impl View for Lists {
    fn scopes(&self) -> &'static [Scope] {
        self.lists[self.current].scopes()
    }

    fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        self.list().typed(key, cx)
    }

    fn pasted(&mut self, text: &str, cx: &mut Context<'_>) -> Vec<Request> {
        self.list().pasted(text, cx)
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        let many = self.lists.len();
        match action {
            Action::NextTab | Action::PreviousTab if many > 1 => {
                let step = if action == Action::NextTab { 1 } else { many - 1 };
                self.current = (self.current + step) % many;
                Some(self.refresh(cx))
            }
            Action::NextTab | Action::PreviousTab => None,
            _ => self.list().act(action, cx),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, _: &mut Context<'_>) -> Vec<Request> {
        let list = match ticket.slot {
            Slot::Rows(listing) | Slot::Detail(listing) | Slot::Ahead(listing) => self.of(listing),
            Slot::Export | Slot::Overview | Slot::Decision | Slot::Report | Slot::Question | Slot::Policy | Slot::Network(_) => {
                None
            }
        };
        if let Some(list) = list {
            list.answer(ticket, answer);
        }
        Vec::new()
    }

    fn account(&self) -> Option<String> {
        self.lists[self.current].account()
    }
    fn target(&mut self, world: &World) -> Option<Target> {
        self.lists[self.current].target(world)
    }

    fn cause(&self) -> Option<(u64, String)> {
        self.lists[self.current].cause()
    }

    fn machine(&self, world: &World) -> Result<Machine, String> {
        self.lists[self.current].machine(world)
    }

    fn left(&self, world: &World) -> Result<Left, String> {
        self.lists[self.current].left(world)
    }

    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        self.list().refresh(cx)
    }

    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let mut body = area;
        if self.lists.len() > 1 {
            let mut x = area.x + 1;
            for n in self.first_tab(area.width, canvas.world)..self.lists.len() {
                let label = self.label(n, canvas.world);
                let style = canvas.theme.style(if n == self.current { "ui.tab.active" } else { "ui.tab" });
                let room = area.right().saturating_sub(x);
                x += put(canvas.buffer, x, area.y, room, &label, style) + 3;
            }
            body = Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(1));
        }
        if self.lists[0].listing() == ListingId::Coverage {
            body = problems(body, canvas);
        }
        self.draw_current(body, canvas);
    }

    fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request> {
        match self.lists.iter().position(|l| l.listing() == to.listing) {
            Some(n) => {
                self.current = n;
                self.list().go(to, cx)
            }
            None => Vec::new(),
        }
    }

    fn location(&self) -> Option<Location> {
        Some(self.lists[self.current].location())
    }

    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        let body = self.body;
        if body.contains(at) { self.list().mouse(at, body, wheel, cx) } else { Vec::new() }
    }

    fn choices(&self) -> Json {
        self.lists.iter().map(|l| (l.listing().get().name.to_owned(), l.choices())).collect::<Map<_, _>>().into()
    }

    fn choose(&mut self, choices: &Json) {
        for list in &mut self.lists {
            list.choose(&choices[list.listing().get().name]);
        }
    }

    fn is_deep(&self) -> bool {
        self.lists[self.current].is_deep()
    }
}

/// Problems that belong to no question, above the list of questions; returns what is left for the list.
fn problems(area: Rect, canvas: &mut Canvas<'_>) -> Rect {
    let cells = usize::from(area.width.saturating_sub(2));
    let lines: Vec<String> = canvas.world.problems.iter().flat_map(|p| wrap(p, cells)).collect();
    let most = area.height / 2;
    let mut y = area.y;
    for line in lines.iter().take(usize::from(most)) {
        put(canvas.buffer, area.x + 1, y, area.width - 1, line, canvas.theme.style("ui.warning"));
        y += 1;
    }
    if !lines.is_empty() {
        y += 1;
    }
    Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y))
}
