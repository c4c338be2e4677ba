//! The root of the console's state: routes keys to actions, holds the views and what lies over them, draws the frame
//! around them. It is synchronous and waits for nothing; what has to be performed goes out as effects.

mod frame;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::{Position, Rect};
use serde_json::{Map, Value as Json};

use crate::catalog::ListingId;
use crate::console::action::{ACTIONS, Action};
use crate::console::decide::{Came, Decide, Kind};
use crate::console::keymap::{Key, Keymap, Press};
use crate::console::opener::Opener;
use crate::console::theme::{BUILT_IN, Depth, Glyphs, Theme};
use crate::console::tickets::Tickets;
use crate::console::views::{Context, Location, Request, VIEWS, View, inside_frame};
use crate::console::widgets::chooser::{Chooser, Chosen, Item};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::Offset;
use crate::message::session::{Ask, Live, LiveId, Opening, Saved};
use crate::message::{Answer, Effect, On, Outcome, Proposal, Question, Slot, Stopped, Ticket};
use crate::model::account::Account;
use crate::model::guard::{Act, Guarded};
use crate::text;
use crate::world::World;

pub use frame::Drawn;

/// Below this size there is only a message.
pub const SMALLEST: (u16, u16) = (60, 16);
/// How many places history keeps.
const HISTORY: usize = 100;

/// What a console begins with.
#[derive(Debug)]
pub struct Settings {
    pub theme: Theme,
    pub depth: Depth,
    pub glyphs: Glyphs,
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
    pub read_only: bool,
    /// Forwards that have a name.
    pub forwards: Vec<Saved>,
    /// Sessions are left running when the console ends.
    pub leaves: bool,
    /// One session that is all there is; the console ends with it.
    pub only: Option<Opening>,
    /// What was remembered of an earlier run.
    pub remembered: Json,
}

/// What the event loop has to do beside sending effects on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    pub quit: bool,
    pub suspend: bool,
    pub redraw: bool,
    /// Texts for the clipboard.
    pub copies: Vec<String>,
}

enum Over {
    Help(Offset),
    Palette(Chooser, Vec<Command>),
    /// A decision that is being made.
    Decide(Box<Decide>),
    /// A report, once it is there.
    Report(Option<String>, Offset),
    /// A question, what is typed, and whether it is still open.
    Question(Input, Option<Question>),
    /// A session or a forward that is about to be opened.
    Opener(Box<Opener>),
    /// Whether to leave although sessions are open.
    Leaving,
}

#[derive(Clone, Copy)]
enum Command {
    Action(Action),
    View(usize),
    Listing(ListingId),
    Theme(&'static str),
    /// The saved forward with this place.
    Saved(usize),
    /// A stopped delivery: its place in the outbox, and whether to send it.
    Resolve(i64, bool),
}

/// The console's state.
pub struct App {
    world: Arc<World>,
    now: Timestamp,
    views: Vec<Box<dyn View>>,
    current: usize,
    /// The view that esc leaves the coverage list for.
    before: usize,
    keymap: Keymap,
    theme: Theme,
    depth: Depth,
    glyphs: Glyphs,
    read_only: bool,
    over: Option<Over>,
    notice: Option<(String, bool)>,
    /// The decision made last, to be made again.
    said: Option<Proposal>,
    /// What was asked about stopped deliveries, until another key is pressed.
    stopped: Option<Ticket>,
    tickets: Tickets,
    /// What is open here.
    live: Arc<Live>,
    saved: Vec<Saved>,
    leaves: bool,
    only: Option<(LiveId, Opening)>,
    back: Vec<(usize, Option<Location>)>,
    forward: Vec<(usize, Option<Location>)>,
    wishes: Wishes,
    /// Where tabs were drawn, for the mouse.
    tabs: Vec<(Rect, usize)>,
    body: Rect,
    screen: Rect,
}

impl App {
    /// The console over a world.
    ///
    /// # Errors
    /// Where the user's keys name what is not there.
    pub fn new(world: Arc<World>, now: Timestamp, settings: Settings) -> Result<Self, String> {
        let Settings { theme, depth, glyphs, keys, read_only, forwards, leaves, only, remembered } = settings;
        let mut tickets = Tickets::default();
        let mut views: Vec<Box<dyn View>> = VIEWS.iter().map(|v| (v.make)()).collect();
        for (view, declared) in views.iter_mut().zip(VIEWS) {
            view.choose(&remembered[declared.name]);
        }
        Ok(Self {
            world,
            now,
            views,
            current: 0,
            before: 0,
            keymap: Keymap::new(&keys)?,
            theme,
            depth,
            glyphs,
            read_only,
            over: None,
            notice: None,
            said: None,
            stopped: None,
            only: only.map(|opening| (tickets.live(), opening)),
            tickets,
            live: Arc::default(),
            saved: forwards,
            leaves,
            back: Vec::new(),
            forward: Vec::new(),
            wishes: Wishes::default(),
            tabs: Vec::new(),
            body: Rect::ZERO,
            screen: Rect::new(0, 0, SMALLEST.0, SMALLEST.1),
        })
    }

    /// What the first view wants to know, in a terminal of this size.
    pub fn start(&mut self, (width, height): (u16, u16)) -> Vec<Effect> {
        self.resize(width, height);
        if let Some((id, opening)) = self.only.clone() {
            self.switch_to_sessions();
            self.views[self.current].alone(id);
            let size = self.views[self.current].size(self.screen);
            return vec![Effect::Session(Ask::Open(id, Box::new(Opening { size, ..opening })))];
        }
        self.with_view(|view, cx| view.refresh(cx))
    }

    /// The name of the view on screen.
    pub fn view_name(&self) -> &'static str {
        VIEWS[self.current].name
    }

    /// What the event loop has to do now; asked after every event.
    pub fn take_wishes(&mut self) -> Wishes {
        std::mem::take(&mut self.wishes)
    }

    /// A key, a paste, the mouse, a new size.
    pub fn event(&mut self, event: &Event, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            Event::Paste(text) => match &mut self.over {
                Some(Over::Palette(chooser, _)) => {
                    chooser.paste(text);
                    Vec::new()
                }
                Some(Over::Question(input, _)) => {
                    input.insert(text);
                    Vec::new()
                }
                Some(Over::Decide(dialog)) => {
                    dialog.paste(text);
                    Vec::new()
                }
                Some(Over::Opener(dialog)) => {
                    dialog.paste(text);
                    Vec::new()
                }
                _ => self.with_view(|view, cx| view.pasted(text, cx)),
            },
            Event::Mouse(mouse) => self.mouse(*mouse),
            Event::Resize(width, height) => {
                self.resize(*width, *height);
                self.with_view(|view, cx| view.resized(cx))
            }
            _ => Vec::new(),
        }
    }

    fn resize(&mut self, width: u16, height: u16) {
        self.screen = Rect::new(0, 0, width, height);
        self.body = inside_frame(self.screen);
    }

    /// What comes back from `work`. Answers to older askings are dropped by the view that asked.
    pub fn outcome(&mut self, outcome: Outcome, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        match outcome {
            Outcome::World(world) => {
                self.world = world;
                self.with_view(|view, cx| view.refresh(cx))
            }
            Outcome::Notice { text, bad } => {
                self.notice = Some((text, bad));
                Vec::new()
            }
            Outcome::Live(live) => {
                self.take_live(live);
                Vec::new()
            }
            // The next frame shows it.
            Outcome::Touched => Vec::new(),
            Outcome::Ask(question) => {
                self.over = Some(Over::Question(Input::default(), Some(question)));
                Vec::new()
            }
            Outcome::Answer { answer: Answer::Exported(written), .. } => {
                self.notice = Some(match written {
                    Ok((1, path)) => (format!("1 row written to {}", path.display()), false),
                    Ok((rows, path)) => (format!("{} rows written to {}", text::count(rows as u64), path.display()), false),
                    Err(why) => (why, true),
                });
                Vec::new()
            }
            Outcome::Answer { answer: Answer::Written(written), .. } => {
                self.notice = Some(match written {
                    Ok(path) => (format!("Written to {}", path.display()), false),
                    Err(why) => (why, true),
                });
                Vec::new()
            }
            Outcome::Answer { answer: Answer::Report(report), .. } => {
                match (&mut self.over, report) {
                    (Some(Over::Report(shown, _)), Ok(text)) => *shown = Some(text),
                    (Some(Over::Report(..)), Err(why)) => {
                        self.over = None;
                        self.notice = Some((why, true));
                    }
                    // It was left before it came.
                    _ => {}
                }
                Vec::new()
            }
            Outcome::Answer { ticket, answer: Answer::Stopped(stopped) } => {
                if self.stopped.take() == Some(ticket) && self.over.is_none() {
                    self.offer_stopped(stopped);
                }
                Vec::new()
            }
            Outcome::Answer { ticket, answer } if ticket.slot == Slot::Decision => {
                let Some(Over::Decide(dialog)) = &mut self.over else { return Vec::new() };
                let came = dialog.answer(ticket, answer, &mut self.tickets);
                self.take(came)
            }
            Outcome::Answer { ticket, answer } => self.with_view(|view, cx| view.answer(ticket, answer, cx)),
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.notice = None;
        self.stopped = None;
        if self.over.is_some() {
            return self.key_over(key);
        }
        let mut typed = None;
        let effects = self.with_view(|view, cx| {
            typed = view.typed(key, cx);
            typed.take().map_or_else(Vec::new, |requests| {
                typed = Some(Vec::new());
                requests
            })
        });
        if typed.is_some() {
            return effects;
        }
        match self.keymap.press(Key::from(key), self.views[self.current].scopes()) {
            Press::Action(action) => self.act(action),
            Press::Pending | Press::Nothing => Vec::new(),
        }
    }

    fn key_over(&mut self, key: KeyEvent) -> Vec<Effect> {
        match &mut self.over {
            Some(Over::Palette(chooser, commands)) => match chooser.key(key) {
                Chosen::Nothing => Vec::new(),
                Chosen::Closed => {
                    self.over = None;
                    Vec::new()
                }
                Chosen::Item(n) => {
                    let command = commands.get(n).copied();
                    self.over = None;
                    command.map_or_else(Vec::new, |c| self.command(c))
                }
            },
            Some(Over::Decide(dialog)) => {
                let came = dialog.key(key, self.now, &mut self.tickets);
                self.take(came)
            }
            Some(Over::Question(input, question)) => {
                match key.code {
                    KeyCode::Enter if !input.text().trim().is_empty() => {
                        if let Some(question) = question.take() {
                            // Whoever asked may have given up meanwhile.
                            let _ = question.reply.send(input.text().trim().to_owned());
                        }
                        self.over = None;
                    }
                    KeyCode::Esc => self.over = None,
                    _ => _ = input.key(key),
                }
                Vec::new()
            }
            Some(Over::Opener(dialog)) => {
                let came = dialog.key(key);
                if came.closed {
                    self.over = None;
                }
                came.wanted.map_or_else(Vec::new, |wanted| self.open(wanted))
            }
            Some(Over::Leaving) => {
                self.over = None;
                self.wishes.quit = key.code == KeyCode::Enter;
                Vec::new()
            }
            Some(Over::Report(Some(text), _)) if key.code == KeyCode::Char('c') && key.modifiers.is_empty() => {
                self.wishes.copies.push(text.clone());
                self.notice = Some(("Copied: the report, as Markdown".to_owned(), false));
                Vec::new()
            }
            Some(Over::Help(offset) | Over::Report(_, offset)) => {
                let scopes = &[crate::console::action::Scope::Moving, crate::console::action::Scope::Global];
                let (by, close) = match self.keymap.press(Key::from(key), scopes) {
                    Press::Action(Action::Down) => (1, false),
                    Press::Action(Action::Up) => (-1, false),
                    Press::Action(Action::PageDown | Action::HalfDown) => (10, false),
                    Press::Action(Action::PageUp | Action::HalfUp) => (-10, false),
                    Press::Action(Action::Top) => (isize::MIN / 2, false),
                    Press::Action(Action::Bottom) => (isize::MAX / 2, false),
                    Press::Action(Action::Back | Action::Help | Action::Quit) => (0, true),
                    _ => (0, false),
                };
                offset.0 = offset.0.saturating_add_signed(by);
                if close {
                    self.over = None;
                }
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Carries on with what the dialog of a decision came to.
    fn take(&mut self, came: Came) -> Vec<Effect> {
        if let Some(Over::Decide(dialog)) = &self.over
            && let Some(said) = dialog.said()
        {
            self.said = Some(said);
        }
        let mut effects = came.effects;
        if came.closed {
            self.over = None;
        }
        if came.notice.is_some() {
            self.notice = came.notice;
        }
        if came.next {
            effects.extend(self.with_view(|view, cx| view.act(Action::NextRow, cx).unwrap_or_default()));
        }
        effects
    }

    /// What stands before an act on the account of the row here; none where there is no row.
    fn before(&self, act: Act) -> Option<Guarded> {
        let id = self.views[self.current].account()?;
        let account = self.world.estate.account(&id).map_or_else(|| Account::bare(&id), |a| (**a).clone());
        Some(self.world.policy.guardrails.before(&account, act))
    }

    /// What was stopped on its way to Security Hub, with both sides, to be sent or dropped.
    fn offer_stopped(&mut self, stopped: Result<Vec<Stopped>, String>) {
        let stopped = match stopped {
            Ok(stopped) if stopped.is_empty() => {
                self.notice = Some(("Nothing of this finding was stopped on its way to Security Hub.".to_owned(), false));
                return;
            }
            Ok(stopped) => stopped,
            Err(why) => {
                self.notice = Some((why, true));
                return;
            }
        };
        let (mut items, mut commands) = (Vec::new(), Vec::new());
        for one in &stopped {
            for (word, send) in [("Send", true), ("Drop", false)] {
                let help = if send { "over what stands there now" } else { "what stands there stays" };
                items.push(Item { text: format!("{word} {}", one.what), help: help.to_owned(), on: None });
                commands.push(Command::Resolve(one.position, send));
            }
        }
        let about = stopped.iter().map(|one| format!("{}: {}", one.what, one.said)).collect();
        self.over = Some(Over::Palette(Chooser::new("Stopped on the way to Security Hub", items).about(about), commands));
    }

    /// Opens the dialog of a decision.
    fn decide(&mut self, action: Action) -> Vec<Effect> {
        if self.read_only {
            self.notice = Some(("This is a read-only console: nothing is decided here.".to_owned(), true));
            return Vec::new();
        }
        let Some(target) = self.views[self.current].target(&self.world) else {
            self.notice = Some(("There is nothing here to decide on.".to_owned(), true));
            return Vec::new();
        };
        let kind = match action {
            Action::Assign | Action::AssignNext => Some(Kind::Assign),
            Action::Note => Some(Kind::Note),
            Action::Status => Some(Kind::Status),
            _ => None,
        };
        let estate = Arc::clone(&self.world.estate);
        let (dialog, came) = match (action, &self.said) {
            (Action::Again, Some(said)) => Decide::again(target, estate, said, &mut self.tickets),
            (Action::Again, None) => {
                self.notice = Some(("Nothing was decided yet that could be decided again.".to_owned(), true));
                return Vec::new();
            }
            _ => Decide::open(target, estate, kind, action == Action::AssignNext, self.now, &mut self.tickets),
        };
        self.over = Some(Over::Decide(Box::new(dialog)));
        self.take(came)
    }

    fn command(&mut self, command: Command) -> Vec<Effect> {
        match command {
            Command::Saved(n) => self.ask_saved(n),
            Command::Action(action) => self.act(action),
            Command::View(n) => self.open_view(n),
            Command::Resolve(position, send) => vec![Effect::Resolve { position, send }],
            Command::Listing(listing) => self.go(&Location { listing, filter: String::new(), row: None }),
            Command::Theme(name) => {
                match Theme::named(name, self.depth, self.glyphs) {
                    Ok(theme) => self.theme = theme,
                    Err(why) => self.notice = Some((why, true)),
                }
                self.remember()
            }
        }
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Quit if self.live.open() != (0, 0) => {
                self.over = Some(Over::Leaving);
                Vec::new()
            }
            Action::Quit => {
                self.wishes.quit = true;
                Vec::new()
            }
            Action::Session | Action::Forward => self.ask_why(action),
            Action::OpenHere => {
                if VIEWS[self.current].name != "sessions" {
                    self.note_place();
                    self.switch_to_sessions();
                }
                self.with_view(|view, cx| view.act(Action::OpenHere, cx).unwrap_or_default())
            }
            Action::Suspend => {
                self.wishes.suspend = true;
                Vec::new()
            }
            Action::Redraw => {
                self.wishes.redraw = true;
                Vec::new()
            }
            Action::Help => {
                self.over = Some(Over::Help(Offset::default()));
                Vec::new()
            }
            Action::Palette => {
                self.over = Some(self.palette());
                Vec::new()
            }
            Action::Refresh => {
                self.notice = Some(("Asking AWS again.".to_owned(), false));
                vec![Effect::Refresh]
            }
            Action::StopRefresh => vec![Effect::CancelSweep],
            Action::View(digit) => match VIEWS.iter().position(|v| v.digit == Some(digit)) {
                Some(n) => self.open_view(n),
                None => Vec::new(),
            },
            Action::Problems => match VIEWS.iter().position(|v| v.name == "coverage") {
                Some(n) => self.open_view(n),
                None => Vec::new(),
            },
            Action::Stopped => {
                if self.read_only {
                    self.notice = Some(("This is a read-only console: nothing is sent to Security Hub.".to_owned(), true));
                    return Vec::new();
                }
                let target = self.views[self.current].target(&self.world);
                match target.map(|target| target.on) {
                    Some(On::Findings(keys)) if keys.len() == 1 => {
                        let ticket = self.tickets.take(Slot::Decision);
                        self.stopped = Some(ticket);
                        vec![Effect::Stopped { ticket, key: keys[0] }]
                    }
                    Some(On::Findings(keys)) if !keys.is_empty() => {
                        self.notice = Some(("One finding at a time: take the marks off first.".to_owned(), true));
                        Vec::new()
                    }
                    _ => Vec::new(),
                }
            }
            Action::Assign | Action::AssignNext | Action::Note | Action::Status | Action::Triage | Action::Again => {
                self.decide(action)
            }
            Action::Handover => {
                self.over = Some(Over::Report(None, Offset::default()));
                let ticket = self.tickets.take(Slot::Report);
                vec![Effect::Handover { ticket, world: Arc::clone(&self.world), since: SignedDuration::from_hours(12) }]
            }
            Action::Ask => {
                let mut effects = match VIEWS.iter().position(|v| v.name == "iam") {
                    Some(n) => self.open_view(n),
                    None => Vec::new(),
                };
                effects.extend(self.with_view(|view, cx| view.act(Action::Ask, cx).unwrap_or_default()));
                effects
            }
            Action::HistoryBack => self.travel(true),
            Action::HistoryForward => self.travel(false),
            action => {
                let mut handled = false;
                let effects = self.with_view(|view, cx| match view.act(action, cx) {
                    Some(requests) => {
                        handled = true;
                        requests
                    }
                    None => Vec::new(),
                });
                if !handled && action == Action::Back {
                    // The list behind `!` is a layer over the view it was opened from.
                    if VIEWS[self.current].digit.is_none() {
                        return self.open_view(self.before);
                    }
                }
                effects
            }
        }
    }

    fn open_view(&mut self, n: usize) -> Vec<Effect> {
        if n == self.current {
            return Vec::new();
        }
        self.note_place();
        self.switch(n);
        self.with_view(|view, cx| view.refresh(cx))
    }

    fn switch(&mut self, n: usize) {
        if VIEWS[self.current].digit.is_some() {
            self.before = self.current;
        }
        self.current = n;
    }

    fn note_place(&mut self) {
        self.back.push((self.current, self.views[self.current].location()));
        if self.back.len() > HISTORY {
            self.back.remove(0);
        }
        self.forward.clear();
    }

    fn go(&mut self, to: &Location) -> Vec<Effect> {
        self.note_place();
        self.go_quietly(to)
    }

    fn go_quietly(&mut self, to: &Location) -> Vec<Effect> {
        let Some(n) = VIEWS.iter().position(|v| v.listings.contains(&to.listing)) else { return Vec::new() };
        self.switch(n);
        self.with_view(|view, cx| view.go(to, cx))
    }

    /// `[` and `]`.
    fn travel(&mut self, back: bool) -> Vec<Effect> {
        let here = (self.current, self.views[self.current].location());
        let (from, to) = if back { (&mut self.back, &mut self.forward) } else { (&mut self.forward, &mut self.back) };
        let Some((view, location)) = from.pop() else {
            let words = if back { "This is where you began." } else { "This is the newest place." };
            self.notice = Some((words.to_owned(), false));
            return Vec::new();
        };
        to.push(here);
        match location {
            Some(location) => self.go_quietly(&location),
            None => {
                self.switch(view);
                self.with_view(|view, cx| view.refresh(cx))
            }
        }
    }

    fn palette(&self) -> Over {
        let mut items = Vec::new();
        let mut commands = Vec::new();
        let mut add = |text: &str, help: &str, command: Command| {
            items.push(Item { text: text.to_owned(), help: help.to_owned(), on: None });
            commands.push(command);
        };
        for (n, view) in VIEWS.iter().enumerate() {
            add(view.name, &format!("Open {}", view.title), Command::View(n));
        }
        for listing in ListingId::ALL {
            let declared = listing.get();
            if VIEWS.iter().all(|v| v.name != declared.name) {
                add(declared.name, &format!("List {}", declared.many), Command::Listing(listing));
            }
        }
        let scopes = self.views[self.current].scopes();
        for row in ACTIONS {
            let shown = scopes.contains(&row.scope) && !matches!(row.action, Action::View(_) | Action::Palette);
            let moving = row.scope == crate::console::action::Scope::Moving;
            if shown && !moving {
                let keys = self.keymap.keys_of(row.name).unwrap_or_default();
                add(row.name, &format!("{}  [{keys}]", row.help), Command::Action(row.action));
            }
        }
        for (n, saved) in self.saved.iter().enumerate() {
            let host = saved.host.as_ref().map_or_else(String::new, |host| format!("{host}:"));
            let help = format!("Forward {host}{} through {}", saved.port, saved.node);
            add(&format!("forward {}", saved.name), &help, Command::Saved(n));
        }
        for (name, _) in BUILT_IN {
            add(&format!("theme {name}"), "Use this theme", Command::Theme(name));
        }
        Over::Palette(Chooser::new("Command", items), commands)
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let at = Position::new(mouse.column, mouse.row);
        let wheel = match mouse.kind {
            MouseEventKind::ScrollDown => 3,
            MouseEventKind::ScrollUp => -3,
            MouseEventKind::Down(MouseButton::Left) => 0,
            MouseEventKind::Drag(MouseButton::Left) | MouseEventKind::Up(MouseButton::Left) if self.over.is_none() => {
                let released = matches!(mouse.kind, MouseEventKind::Up(_));
                return self.with_view(|view, cx| view.drag(at, released, cx));
            }
            _ => return Vec::new(),
        };
        if self.over.is_some() {
            return Vec::new();
        }
        self.notice = None;
        if wheel == 0
            && !self.views[self.current].fills()
            && let Some((_, n)) = self.tabs.iter().find(|(area, _)| area.contains(at))
        {
            return self.open_view(*n);
        }
        self.with_view(|view, cx| view.mouse(at, wheel, cx))
    }

    /// Lets the view on screen do something, and carries out what it wants.
    fn with_view(&mut self, run: impl FnOnce(&mut dyn View, &mut Context<'_>) -> Vec<Request>) -> Vec<Effect> {
        let mut cx =
            Context { world: &self.world, live: &self.live, screen: self.screen, now: self.now, tickets: &mut self.tickets };
        let requests = run(self.views[self.current].as_mut(), &mut cx);
        let mut effects = Vec::new();
        for request in requests {
            match request {
                Request::Effect(effect) => effects.push(effect),
                Request::Go(to) => effects.extend(self.go(&to)),
                Request::Copy(text) => self.wishes.copies.push(text),
                Request::Notice(text, bad) => self.notice = Some((text, bad)),
                Request::Remember => effects.extend(self.remember()),
            }
        }
        effects
    }

    fn remember(&self) -> Vec<Effect> {
        let mut all: Map<String, Json> = VIEWS.iter().zip(&self.views).map(|(d, v)| (d.name.to_owned(), v.choices())).collect();
        all.insert("theme".to_owned(), Json::from(self.theme.name.as_str()));
        vec![Effect::Remember(all.into())]
    }
}
