//! Managed nodes, what is open here, and the sessions that were; and the panes of open sessions and of recordings. It owns
//! which pane has the keyboard and how the panes share the screen; what a pane does with a key is the pane's.

mod open;
mod pane;
mod replay;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};
use serde_json::Value as Json;

use crate::catalog::ListingId;
use crate::console::action::{Action, Scope};
use crate::console::decide::Target;
use crate::console::views::lists::Lists;
use crate::console::views::sessions::open::Table;
use crate::console::views::sessions::pane::{Came, Pane};
use crate::console::views::{Canvas, Context, Declared, Left, Location, Request, View, inside_frame};
use crate::console::widgets::put;
use crate::message::session::{Ask, Live, LiveId, LiveSession, State};
use crate::message::{Answer, Effect, Ticket};
use crate::model::node::Machine;
use crate::terminal::Escape;
use crate::text;
use crate::triage::sessions::ELSEWHERE;
use crate::world::World;

pub const DECLARED: Declared = Declared {
    digit: Some(7),
    name: "sessions",
    title: "Sessions",
    listings: &[ListingId::Nodes, ListingId::Instances, ListingId::Sessions],
    make: || Box::new(Sessions::new()),
};

/// From this width on, two panes stand side by side rather than one above the other.
const SIDE_BY_SIDE: u16 = 150;

/// The tab of what is open here; those before it are lists.
const OPEN: usize = DECLARED.listings.len();

struct Sessions {
    lists: Lists,
    /// Nodes, instances, what AWS remembers, what is open here.
    tab: usize,
    table: Table,
    /// Panes that were on screen, in the order they were first.
    panes: Vec<Pane>,
    /// The pane that has the keyboard.
    focus: Option<LiveId>,
    /// A session that was asked for and is not told of yet.
    awaited: Option<LiveId>,
    split: bool,
    full: bool,
    /// The pane is all there is: it can't be detached.
    alone: bool,
    /// The recording on screen, and whether it was told of already.
    replay: Option<(LiveId, bool)>,
    /// The pane that the mouse's button went down in.
    pressed: Option<LiveId>,
    /// The session that was asked to end and asked about: the same key again means it.
    doomed: Option<String>,
    body: Rect,
}

impl Sessions {
    fn new() -> Self {
        Self {
            lists: Lists::new(DECLARED.listings, &[]),
            tab: 0,
            table: Table::default(),
            panes: Vec::new(),
            focus: None,
            awaited: None,
            split: false,
            full: false,
            alone: false,
            replay: None,
            pressed: None,
            doomed: None,
            body: Rect::ZERO,
        }
    }

    /// The place of the panes in a terminal of this size.
    fn room(&self, screen: Rect) -> Rect {
        if self.full {
            return screen;
        }
        let body = inside_frame(screen);
        Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body }
    }

    /// The panes on screen and their places: the one with the keyboard, and the next where the screen is split.
    fn places(&self, live: &Live, screen: Rect) -> Vec<(LiveId, Rect)> {
        let Some(focus) = self.focus else { return Vec::new() };
        let room = self.room(screen);
        let Some(other) = self.other(live).filter(|_| self.split) else { return vec![(focus, room)] };
        // Each keeps its side, whichever has the keyboard.
        let (first, second) = if focus < other { (focus, other) } else { (other, focus) };
        let (a, b) = if room.width >= SIDE_BY_SIDE {
            let half = room.width / 2;
            (Rect { width: half, ..room }, Rect { x: room.x + half + 1, width: room.width - half - 1, ..room })
        } else {
            let half = room.height / 2;
            (Rect { height: half, ..room }, Rect { y: room.y + half + 1, height: room.height.saturating_sub(half + 1), ..room })
        };
        vec![(first, a), (second, b)]
    }

    /// The session after the one with the keyboard.
    fn other(&self, live: &Live) -> Option<LiveId> {
        let at = live.sessions.iter().position(|s| Some(s.id) == self.focus)?;
        let next = live.sessions.get((at + 1) % live.sessions.len())?;
        (Some(next.id) != self.focus).then_some(next.id)
    }

    fn pane(&mut self, id: LiveId) -> &mut Pane {
        let at = self.panes.iter().position(|p| p.id == id).unwrap_or_else(|| {
            self.panes.push(Pane::new(id));
            self.panes.len() - 1
        });
        &mut self.panes[at]
    }

    /// Tells the sessions on screen their sizes.
    fn sizes(&self, cx: &Context<'_>) -> Vec<Request> {
        let places = self.places(cx.live, cx.screen).into_iter();
        places.map(|(id, place)| session(Ask::Resize(id, (place.width.max(1), place.height.max(1))))).collect()
    }

    fn turn(&mut self, back: bool, cx: &Context<'_>) -> Vec<Request> {
        let many = cx.live.sessions.len();
        let Some(at) = cx.live.sessions.iter().position(|s| Some(s.id) == self.focus) else { return Vec::new() };
        let to = if back { at + many - 1 } else { at + 1 } % many;
        self.focus = Some(cx.live.sessions[to].id);
        self.sizes(cx)
    }

    fn detach(&mut self) {
        self.focus = None;
        self.full = false;
        self.tab = OPEN;
    }

    /// Plays the recording of the session under the cursor.
    fn play(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let said = |words: &str, bad| vec![Request::Notice(words.to_owned(), bad)];
        let (Some(id), Some(recording)) = (self.lists.text_here("id"), self.lists.text_here("recording")) else {
            return Vec::new();
        };
        match recording.as_str() {
            "" => said("This session was not recorded by bartizan.", false),
            ELSEWHERE => said("Its recording is not on this machine: look for it on the one it was made on.", true),
            _ => {
                let play = cx.tickets.live();
                self.replay = Some((play, false));
                vec![session(Ask::Play(play, id))]
            }
        }
    }

    /// Ends the session under the cursor, wherever it is open: asked for twice, because it may be somebody else's.
    fn end(&mut self, cx: &Context<'_>) -> Vec<Request> {
        let said = |words: String, bad| vec![Request::Notice(words, bad)];
        let (Ok(left), Some(status), Some(who)) =
            (self.lists.left(cx.world), self.lists.text_here("status"), self.lists.text_here("who"))
        else {
            return Vec::new();
        };
        if let Some(id) = cx.live.open_as(&left.session) {
            return vec![session(Ask::End(id))];
        }
        if matches!(status.as_str(), "Ended" | "Terminated" | "Terminating" | "Failed") {
            return said("This session is over.".into(), false);
        }
        if self.doomed.take().as_ref() != Some(&left.session) {
            let words = format!("The same key again ends {who}'s session on {}.", left.machine.name);
            self.doomed = Some(left.session);
            return said(words, true);
        }
        vec![session(Ask::EndThere(Box::new(left.machine), left.session))]
    }

    /// Leaves the recording on screen, if there is one.
    fn leave_replay(&mut self, live: &Live) -> Vec<Request> {
        let Some((id, _)) = self.replay.take() else { return Vec::new() };
        let over = live.replay(id).is_some_and(|replay| replay.state.is_ended());
        vec![session(if over { Ask::Forget(id) } else { Ask::End(id) })]
    }

    /// Lets go of a pane whose session is gone; one that was asked for a moment ago is still to come.
    fn check(&mut self, live: &Live) {
        if let Some((id, told)) = &mut self.replay {
            match live.replay(*id) {
                Some(_) => *told = true,
                None if *told => self.replay = None,
                None => {}
            }
        }
        let Some(id) = self.focus else { return };
        if live.session(id).is_some() {
            self.awaited = None;
        } else if self.awaited != Some(id) {
            self.detach();
        }
    }

    /// What a key in a pane came to.
    fn take(&mut self, id: LiveId, came: Came, cx: &Context<'_>) -> Vec<Request> {
        let mut requests = Vec::new();
        if !came.bytes.is_empty() {
            requests.push(session(Ask::Input(id, came.bytes)));
        }
        requests.extend(came.copy.map(Request::Copy));
        requests.extend(came.notice.map(|(words, bad)| Request::Notice(words, bad)));
        match came.escape {
            Some(Escape::Terminate) => requests.push(session(Ask::End(id))),
            Some(Escape::Detach) if self.alone => {
                requests.push(Request::Notice("This session is all there is here: ~. ends it.".into(), true));
            }
            Some(Escape::Detach) => self.detach(),
            Some(Escape::Next) => requests.extend(self.turn(false, cx)),
            Some(Escape::Previous) => requests.extend(self.turn(true, cx)),
            Some(Escape::Split) if self.other(cx.live).is_none() => {
                requests.push(Request::Notice("There is no second session to show.".into(), true));
            }
            Some(Escape::Split) => {
                self.split = !self.split;
                requests.extend(self.sizes(cx));
            }
            Some(Escape::Full) if !self.alone => {
                self.full = !self.full;
                requests.extend(self.sizes(cx));
            }
            Some(Escape::Full | Escape::Help | Escape::Search | Escape::Back) | None => {}
        }
        requests
    }

    /// The session that has the keyboard.
    fn focused<'a>(&self, live: &'a Live) -> Option<&'a LiveSession> {
        live.session(self.focus?)
    }

    /// `1 web-1  2 db-1 •` above the panes.
    fn strip(&self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        let mut x = area.x + 1;
        for (n, live) in canvas.live.sessions.iter().enumerate() {
            let active = Some(live.id) == self.focus;
            let mark = match &live.state {
                State::Ended { .. } => " ended".to_owned(),
                State::Reconnecting(_) => " …".to_owned(),
                _ if !active && live.screen.is_fresh() => format!(" {}", theme.glyphs.mark),
                _ => String::new(),
            };
            let label = format!("{} {}{mark}", n + 1, live.machine.name);
            let style = theme.style(if active { "ui.tab.active" } else { "ui.tab" });
            x += put(canvas.buffer, x, area.y, area.right().saturating_sub(x), &label, style) + 2;
        }
        let Some(live) = self.focused(canvas.live) else { return };
        let record = if live.recording.is_some() { "recorded  " } else { "" };
        let words = format!("{record}{} · {}  {}", live.machine.account_name, live.machine.region, live.reason);
        let room = usize::from(area.right().saturating_sub(x + 1));
        let safe = text::line(&words);
        let words = text::fit(&safe, room);
        let width = u16::try_from(text::width(&words)).unwrap_or(0);
        put(canvas.buffer, area.right().saturating_sub(width + 1), area.y, width, &words, theme.style("ui.muted"));
    }

    fn draw_panes(&mut self, screen: Rect, canvas: &mut Canvas<'_>) {
        if !self.full {
            self.strip(Rect { height: 1, ..inside_frame(screen) }, canvas);
        }
        let places = self.places(canvas.live, screen);
        if let [(_, a), (_, b)] = places.as_slice() {
            let (line, style) = (canvas.theme.glyphs, canvas.theme.style("ui.border"));
            if a.y == b.y {
                for y in a.top()..a.bottom() {
                    put(canvas.buffer, a.right(), y, 1, line.vertical, style);
                }
            } else {
                put(canvas.buffer, a.x, a.bottom(), a.width, &line.horizontal.repeat(usize::from(a.width)), style);
            }
        }
        let live = std::sync::Arc::clone(canvas.live);
        for (id, place) in places {
            let focused = Some(id) == self.focus;
            if let Some(session) = live.session(id) {
                self.pane(id).draw(place, session, focused, canvas);
            }
        }
    }
}

fn session(ask: Ask) -> Request {
    Request::Effect(Effect::Session(ask))
}

impl View for Sessions {
    fn scopes(&self) -> &'static [Scope] {
        match self.tab {
            _ if self.replay.is_some() => &[Scope::Replay, Scope::Global],
            OPEN => &[Scope::Live, Scope::Moving, Scope::Global],
            _ => self.lists.scopes(),
        }
    }

    fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let Some(id) = self.focus {
            self.check(cx.live);
            let Some(live) = cx.live.session(id) else { return Some(Vec::new()) };
            if live.state.is_ended() && matches!(key.code, KeyCode::Enter | KeyCode::Esc) {
                self.detach();
                return Some(vec![session(Ask::Forget(id))]);
            }
            let came = self.pane(id).key(key, live);
            return Some(self.take(id, came, cx));
        }
        if self.tab == OPEN || self.replay.is_some() { None } else { self.lists.typed(key, cx) }
    }

    fn pasted(&mut self, text: &str, cx: &mut Context<'_>) -> Vec<Request> {
        match self.focus.and_then(|id| cx.live.session(id)) {
            Some(live) => {
                let came = self.pane(live.id).paste(text, live);
                self.take(live.id, came, cx)
            }
            None if self.tab == OPEN || self.replay.is_some() => Vec::new(),
            None => self.lists.pasted(text, cx),
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let Some((id, _)) = self.replay {
            if let Some(steer) = replay::steer(action) {
                return Some(vec![session(Ask::Steer(id, steer))]);
            }
            if action == Action::Back {
                return Some(self.leave_replay(cx.live));
            }
        }
        if action != Action::EndSession {
            self.doomed = None;
        }
        match action {
            Action::Replay => Some(self.play(cx)),
            Action::EndSession if self.tab != OPEN => Some(self.end(cx)),
            Action::NextTab | Action::PreviousTab => {
                let step = if action == Action::NextTab { 1 } else { OPEN };
                self.tab = (self.tab + step) % (OPEN + 1);
                if self.tab == OPEN {
                    return Some(Vec::new());
                }
                self.lists.select(self.tab);
                Some(self.lists.refresh(cx))
            }
            Action::OpenHere => {
                self.tab = OPEN;
                Some(self.leave_replay(cx.live))
            }
            Action::Open if self.tab == OPEN => {
                let Some(id) = self.table.session(cx.live) else {
                    let words = "A forward has no screen: its line tells all there is.";
                    let none = cx.live.forwards.is_empty();
                    return Some(if none { Vec::new() } else { vec![Request::Notice(words.into(), false)] });
                };
                Some(self.attach(id, cx))
            }
            _ if self.tab == OPEN => self.table.act(action, cx.live),
            _ => self.lists.act(action, cx),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, cx: &mut Context<'_>) -> Vec<Request> {
        self.lists.answer(ticket, answer, cx)
    }

    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let mut requests = self.lists.refresh(cx);
        // The terminal may have another size since the pane was last on screen.
        requests.extend(self.sizes(cx));
        requests
    }

    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        self.body = area;
        self.check(canvas.live);
        if self.focus.is_some() {
            let screen = canvas.buffer.area;
            self.draw_panes(screen, canvas);
            return;
        }
        if let Some((id, _)) = self.replay {
            let live = std::sync::Arc::clone(canvas.live);
            replay::draw(area, live.replay(id), canvas);
            return;
        }
        let theme = canvas.theme;
        let (sessions, forwards) = (canvas.live.sessions.len(), canvas.live.forwards.len());
        let mut labels: Vec<String> = (0..OPEN).map(|n| self.lists.label(n, canvas.world)).collect();
        labels.push(format!("Open here {}", text::count((sessions + forwards) as u64)));
        let mut x = area.x + 1;
        for (n, label) in labels.iter().enumerate() {
            let style = theme.style(if n == self.tab { "ui.tab.active" } else { "ui.tab" });
            x += put(canvas.buffer, x, area.y, area.right().saturating_sub(x), label, style) + 3;
        }
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        if self.tab == OPEN {
            self.table.draw(body, canvas);
        } else {
            self.lists.draw_current(body, canvas);
        }
    }

    fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request> {
        self.focus = None;
        self.full = false;
        let mut requests = self.leave_replay(cx.live);
        self.tab = DECLARED.listings.iter().position(|l| *l == to.listing).unwrap_or(0);
        requests.extend(self.lists.go(to, cx));
        requests
    }

    fn location(&self) -> Option<Location> {
        if self.tab == OPEN || self.replay.is_some() { None } else { self.lists.location() }
    }

    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        if self.focus.is_some() {
            let place = self.places(cx.live, cx.screen).into_iter().find(|(_, place)| place.contains(at));
            let Some(live) = place.and_then(|(id, _)| cx.live.session(id)) else { return Vec::new() };
            let (id, place) = (live.id, place.map_or(Rect::ZERO, |(_, place)| place));
            if wheel == 0 {
                self.focus = Some(id);
                self.pressed = Some(id);
                self.pane(id).press(at.y - place.y, at.x - place.x, live);
                return Vec::new();
            }
            let came = self.pane(id).wheel(wheel, live);
            return self.take(id, came, cx);
        }
        if let Some((id, _)) = self.replay {
            return if wheel == 0 { Vec::new() } else { vec![session(Ask::Steer(id, replay::wheel(wheel)))] };
        }
        if self.tab == OPEN {
            self.table.mouse(at, wheel, cx.live);
            return Vec::new();
        }
        self.lists.mouse(at, wheel, cx)
    }

    fn drag(&mut self, at: Position, released: bool, cx: &mut Context<'_>) -> Vec<Request> {
        let Some(id) = self.pressed else { return Vec::new() };
        let place = self.places(cx.live, cx.screen).into_iter().find(|(of, _)| *of == id);
        if released {
            self.pressed = None;
        }
        let (Some((_, place)), Some(live)) = (place, cx.live.session(id)) else { return Vec::new() };
        let came = self.pane(id).drag(at, place, released, live);
        self.take(id, came, cx)
    }

    fn choices(&self) -> Json {
        self.lists.choices()
    }

    fn choose(&mut self, choices: &Json) {
        self.lists.choose(choices);
    }

    fn is_deep(&self) -> bool {
        self.tab != OPEN && self.replay.is_none() && self.lists.is_deep()
    }

    fn target(&mut self, world: &World) -> Option<Target> {
        if self.tab == OPEN || self.replay.is_some() { None } else { self.lists.target(world) }
    }

    fn account(&self) -> Option<String> {
        if self.tab == OPEN { None } else { self.lists.account() }
    }

    fn machine(&self, world: &World) -> Result<Machine, String> {
        if self.tab == OPEN { Err("Sessions are opened on nodes: tab goes there.".into()) } else { self.lists.machine(world) }
    }

    fn left(&self, world: &World) -> Result<Left, String> {
        if self.tab == OPEN || self.replay.is_some() {
            return Err("What is open here is attached with enter.".into());
        }
        self.lists.left(world)
    }

    fn attach(&mut self, id: LiveId, cx: &mut Context<'_>) -> Vec<Request> {
        self.tab = OPEN;
        (self.focus, self.awaited) = (Some(id), Some(id));
        let mut requests = self.leave_replay(cx.live);
        requests.extend(self.sizes(cx));
        requests
    }

    fn alone(&mut self, id: LiveId) {
        (self.alone, self.full, self.focus, self.awaited) = (true, true, Some(id), Some(id));
    }

    fn size(&self, screen: Rect) -> (u16, u16) {
        let room = self.room(screen);
        (room.width.max(1), room.height.max(1))
    }

    fn resized(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        self.sizes(cx)
    }

    fn fills(&self) -> bool {
        self.full && self.focus.is_some()
    }

    fn hints(&self) -> Option<Vec<(String, &'static str)>> {
        let id = self.focus?;
        Some(self.panes.iter().find(|p| p.id == id).map_or_else(|| Pane::new(id).hints(), Pane::hints))
    }
}
