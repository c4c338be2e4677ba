//! The network: exposures and objects as lists, and over them the panes that the network engine answers: a diagram, the
//! trust matrix, and whether one end reaches another.

mod came;
mod diagram;
mod matrix;
mod way;

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use serde_json::Value as Json;

use crate::catalog::{ListingId, exposures};
use crate::console::action::{Action, Scope};
use crate::console::decide::Target;
use crate::console::views::lists::Lists;
use crate::console::views::network::came::Came;
use crate::console::views::network::diagram::DiagramPane;
use crate::console::views::network::matrix::MatrixPane;
use crate::console::views::network::way::WayPane;
use crate::console::views::{Canvas, Context, Declared, Location, Request, View};
use crate::console::widgets::{clear, put};
use crate::message::{Answer, Slot, Ticket};
use crate::model::node::Machine;
use crate::network::diagram::Zoom;
use crate::network::picture::Picture;
use crate::network::zoom::place_of;
use crate::world::World;

pub const DECLARED: Declared = Declared {
    digit: Some(6),
    name: "network",
    title: "Network",
    listings: &[
        ListingId::Exposures,
        ListingId::Vpcs,
        ListingId::Subnets,
        ListingId::RouteTables,
        ListingId::SecurityGroups,
        ListingId::Interfaces,
        ListingId::LoadBalancers,
        ListingId::NetworkAcls,
        ListingId::Gateways,
        ListingId::Connections,
        ListingId::Endpoints,
        ListingId::WaysOut,
    ],
    make: || Box::new(NetworkView { lists: Lists::new(DECLARED.listings, &[]), pane: None }),
};

const WORKING: &str = "What can be reached is being worked out …";

/// The lists, and the pane over them.
struct NetworkView {
    lists: Lists,
    pane: Option<Pane>,
}

enum Pane {
    Diagram(DiagramPane),
    Matrix(MatrixPane),
    Way(WayPane),
}

impl NetworkView {
    /// What the chosen row is about: from how near it is best seen, and its objects.
    fn around(&self, picture: &Picture) -> (Zoom, Vec<String>) {
        let whole = || (Zoom::Organisation, Vec::new());
        let Some((listing, id)) = self.lists.here() else { return whole() };
        if listing == ListingId::Exposures {
            let Some(e) = picture.exposure(&id) else { return whole() };
            let net = &picture.net;
            let vpc = &net.vpcs[net.interfaces[e.interface].vpc];
            let mut path: Vec<String> = exposures::objects(net, e).into_iter().map(str::to_owned).collect();
            path.extend(vpc.internet_gateway.map(|g| net.internet_gateways[g].id.clone()));
            path.push("internet".to_owned());
            return (Zoom::Vpc(vpc.id.clone()), path);
        }
        place_of(&picture.net, &id).map_or_else(whole, |zoom| (zoom, vec![id]))
    }

    /// Where a question begins: at the chosen row, from the internet.
    fn ends(&self) -> (String, String) {
        match self.lists.here() {
            Some((
                ListingId::Exposures
                | ListingId::RouteTables
                | ListingId::NetworkAcls
                | ListingId::Gateways
                | ListingId::Connections
                | ListingId::WaysOut,
                _,
            ))
            | None => (String::new(), String::new()),
            Some((_, id)) => ("internet".to_owned(), id),
        }
    }

    fn open(&mut self, action: Action, cx: &mut Context<'_>) -> Vec<Request> {
        let Some(picture) = cx.world.network.clone() else {
            return vec![Request::Notice("The networks are still being worked out: try again in a moment.".into(), false)];
        };
        match action {
            Action::Diagram => {
                let (zoom, path) = match &self.pane {
                    // From a diagram, the whole.
                    Some(Pane::Diagram(pane)) => (Zoom::Organisation, pane.path().to_vec()),
                    _ => self.around(&picture),
                };
                self.draw_around(zoom, path, cx)
            }
            Action::Matrix => {
                let (pane, requests) = MatrixPane::open(cx);
                self.pane = Some(Pane::Matrix(pane));
                requests
            }
            _ => {
                let (from, to) = self.ends();
                self.pane = Some(Pane::Way(WayPane::new(from, to, String::new())));
                Vec::new()
            }
        }
    }

    fn draw_around(&mut self, zoom: Zoom, path: Vec<String>, cx: &mut Context<'_>) -> Vec<Request> {
        let (pane, requests) = DiagramPane::open(zoom, path, cx);
        self.pane = Some(Pane::Diagram(pane));
        requests
    }

    /// Carries on with what a pane came to.
    fn take(&mut self, came: Came, cx: &mut Context<'_>) -> Vec<Request> {
        let mut requests = came.requests;
        if came.closed {
            self.pane = None;
            requests.extend(self.lists.refresh(cx));
        }
        if let Some((zoom, path)) = came.draw {
            requests.extend(self.draw_around(zoom, path, cx));
        }
        if let Some((from, to, port)) = came.ask {
            let mut pane = WayPane::new(from, to, port);
            requests.extend(pane.ask(cx));
            self.pane = Some(Pane::Way(pane));
        }
        requests
    }
}

/// The scopes of a list in this view: panes can be opened from it.
fn with_panes(scopes: &'static [Scope]) -> &'static [Scope] {
    if scopes.contains(&Scope::Machine) {
        // Interfaces: there may be an instance behind one.
        return match scopes.first() {
            Some(Scope::Detail) => &[Scope::Detail, Scope::Network, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
            _ => &[Scope::List, Scope::Network, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
        };
    }
    match (scopes.first(), scopes.contains(&Scope::Row)) {
        (Some(Scope::List), true) => &[Scope::List, Scope::Network, Scope::Row, Scope::Moving, Scope::Global],
        (Some(Scope::List), false) => &[Scope::List, Scope::Network, Scope::Moving, Scope::Global],
        (Some(Scope::Detail), _) => &[Scope::Detail, Scope::Network, Scope::Row, Scope::Moving, Scope::Global],
        _ => scopes,
    }
}

impl View for NetworkView {
    fn scopes(&self) -> &'static [Scope] {
        match &self.pane {
            None => with_panes(self.lists.scopes()),
            Some(Pane::Diagram(_)) => &[Scope::Diagram, Scope::Network, Scope::Moving, Scope::Global],
            Some(Pane::Matrix(_)) => &[Scope::Matrix, Scope::Network, Scope::Moving, Scope::Global],
            Some(Pane::Way(_)) => &[Scope::Way, Scope::Network, Scope::Moving, Scope::Global],
        }
    }

    fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        let came = match &mut self.pane {
            None => return self.lists.typed(key, cx),
            Some(Pane::Diagram(pane)) => pane.typed(key, cx)?,
            Some(Pane::Matrix(_)) => return None,
            Some(Pane::Way(pane)) => pane.typed(key, cx)?,
        };
        Some(self.take(came, cx))
    }

    fn pasted(&mut self, text: &str, cx: &mut Context<'_>) -> Vec<Request> {
        match &mut self.pane {
            None => return self.lists.pasted(text, cx),
            Some(Pane::Diagram(pane)) => pane.pasted(text),
            Some(Pane::Matrix(_)) => {}
            Some(Pane::Way(pane)) => pane.pasted(text),
        }
        Vec::new()
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        let way = matches!((&self.pane, action), (Some(Pane::Way(_)), Action::Diagram));
        if matches!(action, Action::Diagram | Action::Matrix | Action::Way) && !way {
            return Some(self.open(action, cx));
        }
        let came = match &mut self.pane {
            None => return self.lists.act(action, cx),
            Some(Pane::Diagram(pane)) => pane.act(action, cx)?,
            Some(Pane::Matrix(pane)) => pane.act(action)?,
            Some(Pane::Way(pane)) => pane.act(action, cx)?,
        };
        Some(self.take(came, cx))
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, cx: &mut Context<'_>) -> Vec<Request> {
        match (&mut self.pane, answer) {
            (Some(pane), Answer::Network(says)) if matches!(ticket.slot, Slot::Network(_)) => {
                match pane {
                    Pane::Diagram(pane) => pane.answer(ticket, says),
                    Pane::Matrix(pane) => pane.answer(ticket, says),
                    Pane::Way(pane) => pane.answer(ticket, says),
                }
                Vec::new()
            }
            (_, answer) => self.lists.answer(ticket, answer, cx),
        }
    }

    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        match &mut self.pane {
            None => self.lists.refresh(cx),
            Some(Pane::Diagram(pane)) => pane.refresh(cx),
            Some(Pane::Matrix(pane)) => pane.refresh(cx),
            // A question was about the networks as they were.
            Some(Pane::Way(_)) => Vec::new(),
        }
    }

    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        match &mut self.pane {
            None => {
                self.lists.draw(area, canvas);
                let waits = canvas.world.network.is_none() && !canvas.world.estate.regions.is_empty();
                if waits && matches!(self.lists.listing(), ListingId::Exposures | ListingId::WaysOut) {
                    // An empty list would say that nothing is exposed.
                    let rest = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
                    clear(canvas.buffer, rest, Style::default());
                    let style = canvas.theme.style("ui.muted");
                    put(canvas.buffer, rest.x + 4, rest.y + 2, rest.width.saturating_sub(4), WORKING, style);
                }
            }
            Some(Pane::Diagram(pane)) => pane.draw(area, canvas),
            Some(Pane::Matrix(pane)) => pane.draw(area, canvas),
            Some(Pane::Way(pane)) => pane.draw(area, canvas),
        }
    }

    fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request> {
        self.pane = None;
        self.lists.go(to, cx)
    }

    fn location(&self) -> Option<Location> {
        self.lists.location()
    }

    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        let came = match &mut self.pane {
            None => return self.lists.mouse(at, wheel, cx),
            Some(Pane::Diagram(pane)) => pane.mouse(at, wheel, cx),
            Some(Pane::Matrix(pane)) => pane.mouse(at, wheel),
            Some(Pane::Way(pane)) => pane.mouse(wheel),
        };
        self.take(came, cx)
    }

    fn choices(&self) -> Json {
        self.lists.choices()
    }

    fn choose(&mut self, choices: &Json) {
        self.lists.choose(choices);
    }

    fn is_deep(&self) -> bool {
        self.pane.is_some() || self.lists.is_deep()
    }

    fn machine(&self, world: &World) -> Result<Machine, String> {
        if self.pane.is_some() { Err("There is no row here to open a session on.".into()) } else { self.lists.machine(world) }
    }

    fn target(&mut self, world: &World) -> Option<Target> {
        if self.pane.is_some() { None } else { self.lists.target(world) }
    }
}
