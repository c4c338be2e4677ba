//! The root of the console's state: routes keys to actions, holds the views and what lies over them, draws the frame
//! around them. It is synchronous and waits for nothing; what has to be performed goes out as effects.

mod frame;
mod over;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
pub use frame::Drawn;
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::{Position, Rect};
use serde_json::{Map, Value as Json};

use crate::console::action::Action;
use crate::console::app::over::Over;
use crate::console::keymap::{Key, Keymap, Press};
use crate::console::theme::{Depth, Glyphs, Theme};
use crate::console::tickets::Tickets;
use crate::console::views::{Context, Location, Request, VIEWS, View, inside_frame};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::Offset;
use crate::message::session::{Ask, Live, LiveId, Opening, Saved};
use crate::message::{Answer, Effect, On, Outcome, Proposal, Slot, Ticket};
use crate::model::account::Account;
use crate::model::guard::{Act, Guarded};
use crate::text;
use crate::world::World;

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

    /// What stands before an act on the account of the row here; none where there is no row.
    fn before(&self, act: Act) -> Option<Guarded> {
        let id = self.views[self.current].account()?;
        let account = self.world.estate.account(&id).map_or_else(|| Account::bare(&id), |a| (**a).clone());
        Some(self.world.policy.guardrails.before(&account, act))
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
            Action::TakeUp => self.ask_again(),
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
                    Some(On::Findings(keys)) if keys.count() == 1 => {
                        let ticket = self.tickets.take(Slot::Decision);
                        self.stopped = Some(ticket);
                        vec![Effect::Stopped { ticket, key: keys[0] }]
                    }
                    Some(On::Findings(keys)) if keys.count() > 0 => {
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
