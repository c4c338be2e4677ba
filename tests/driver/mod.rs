//! Drives the console without a terminal: opens the embedded organisation at a fixed time, feeds keys, performs what
//! is asked for at once and on this thread, and draws into a buffer. Tests and benches share it. It is the real app
//! over the real `work::perform`; only the event loop and the painter are left out.

#![allow(dead_code, reason = "every test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bartizan::catalog::decided::Changed;
use bartizan::catalog::{Facts, ListingId, machines};
use bartizan::config::Config;
use bartizan::console::app::{App, Drawn, Settings};
use bartizan::console::theme::{Depth, Glyphs, Theme, UNICODE};
use bartizan::console::views::VIEWS;
use bartizan::ledger::address::Address;
use bartizan::ledger::handle::Options;
use bartizan::listing::query::Cancel;
use bartizan::message::session::{
    Ask, Forwarding, Live, LiveForward, LiveId, LiveReplay, LiveSession, Reel, Saved, Screen as SessionScreen, State,
};
use bartizan::message::{Answer, Effect, Outcome};
use bartizan::model::account::{Caller, Environment};
use bartizan::model::decision::{Actor, Decision, Draft, Entry, EntryId, Hash, Subject};
use bartizan::model::estate::Estate;
use bartizan::model::finding::Finding;
use bartizan::model::guard::Said;
use bartizan::terminal::Stand;
use bartizan::triage::policy::Policy;
use bartizan::triage::sessions::{History, Kept, Seal};
use bartizan::work::desk::{self, Desk};
use bartizan::work::handover;
use bartizan::work::judge::{self, judge};
use bartizan::work::library::Library;
use bartizan::work::perform::perform;
use bartizan::work::source::{self, Source, open};
use bartizan::world::World;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::{Buffer, CellWidth as _};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

/// What is looked at: what the screen shows, and what answers need.
#[derive(Clone)]
pub struct Scene {
    pub world: Arc<World>,
    pub library: Arc<Library>,
    /// Where decisions are made; none: they are only asked for.
    pub desk: Option<Arc<Desk>>,
}

/// What decisions are made on: the ledger is asynchronous, tests are not.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// The time of every test: 3 in the morning.
pub fn now() -> Timestamp {
    "2026-03-14T03:07:00Z".parse().unwrap()
}

impl Scene {
    fn open(source: Source) -> Self {
        let mut opened = open(source, &Config::default(), now());
        opened.paint(now());
        assert_eq!(opened.problems, Vec::<String>::new());
        Self { world: opened.world, library: opened.library, desk: None }
    }

    /// The embedded organisation with its 5,000 findings, made once. Nobody may change its store.
    pub fn demo() -> Self {
        static DEMO: OnceLock<Scene> = OnceLock::new();
        let make = || {
            let mut opened = open(Source::Demo { findings: bartizan::demo::FINDINGS, still: true }, &Config::default(), now());
            assert_eq!(opened.problems, Vec::<String>::new());
            // Principals as they are in effect, without the findings that are judged: 5,000 is a number to count with.
            let judged = judge(&opened.world.estate, &opened.library.engine, &judge::Settings::default(), now(), &Cancel::new());
            opened.library.take_standings(judged.unwrap().standings);
            opened.relay(now());
            opened.paint(now());
            Self { world: opened.world, library: opened.library, desk: None }
        };
        DEMO.get_or_init(make).clone()
    }

    /// The embedded organisation with so many findings, a policy, and a ledger in a directory.
    pub fn deciding(findings: usize, policy: Policy, directory: &Path) -> Self {
        let guardrails = policy.guardrails.0.clone();
        let config = Config { triage: policy, guardrails, ..Config::default() };
        let mut opened = open(Source::Demo { findings, still: true }, &config, now());
        opened.paint(now());
        let address = Address::File(directory.join("ledger.db"));
        let options = Options { address, directory: directory.to_owned(), token: None };
        let desk = runtime().block_on(Desk::open(&options, Arc::clone(&opened.library), false)).unwrap();
        Self { world: opened.world, library: opened.library, desk: Some(Arc::new(desk)) }
    }

    /// One of its own, to change.
    pub fn file(estate: Estate, findings: Vec<Finding>) -> Self {
        Self::open(Source::File { path: "test.json".into(), estate: Box::new(estate), findings })
    }

    /// The embedded estate with the first `findings` findings in a store that takes new ones.
    pub fn changeable(findings: usize) -> Self {
        let demo = bartizan::demo::Organization::new(now(), findings);
        let whole = |n| Finding { document: demo.document(n), ..demo.finding(n) };
        Self::file((**demo.estate()).clone(), (0..findings).map(whole).collect())
    }

    /// The same with a changed world.
    pub fn with(&self, change: impl FnOnce(&mut World)) -> Self {
        let mut world = (*self.world).clone();
        change(&mut world);
        Self { world: Arc::new(world), library: Arc::clone(&self.library), desk: self.desk.clone() }
    }
}

/// How the console begins.
pub struct Begin {
    pub theme: &'static str,
    pub depth: Depth,
    pub glyphs: Glyphs,
    pub read_only: bool,
    pub forwards: Vec<Saved>,
    pub remembered: Json,
}

impl Default for Begin {
    fn default() -> Self {
        Self {
            theme: "dark",
            depth: Depth::True,
            glyphs: UNICODE,
            read_only: false,
            forwards: Vec::new(),
            remembered: Json::Null,
        }
    }
}

/// The console and its surroundings.
pub struct Driver {
    pub app: App,
    pub scene: Scene,
    /// Effects that are no askings, in order.
    pub effects: Vec<Effect>,
    /// Askings that were made while [`Driver::hold`] was on.
    pub held: Vec<Effect>,
    pub holding: bool,
    pub copies: Vec<String>,
    pub quit: bool,
    pub suspend: bool,
    pub redraw: bool,
    pub drawn: Drawn,
    pub buffer: Buffer,
    now: Timestamp,
}

impl Driver {
    /// The console over a scene at a size, its first view answered and drawn.
    pub fn new(scene: Scene, (width, height): (u16, u16), begin: Begin) -> Self {
        let mut driver = Self::unanswered(scene, (width, height), begin);
        driver.release();
        driver
    }

    /// The same before anything is answered.
    pub fn unanswered(scene: Scene, (width, height): (u16, u16), begin: Begin) -> Self {
        let Begin { theme, depth, glyphs, read_only, forwards, remembered } = begin;
        let theme = Theme::named(theme, depth, glyphs).unwrap();
        let settings =
            Settings { theme, depth, glyphs, keys: BTreeMap::new(), read_only, forwards, leaves: false, only: None, remembered };
        let app = App::new(Arc::clone(&scene.world), now(), settings).unwrap();
        let mut driver = Self {
            app,
            scene,
            effects: Vec::new(),
            held: Vec::new(),
            holding: true,
            copies: Vec::new(),
            quit: false,
            suspend: false,
            redraw: false,
            drawn: Drawn::default(),
            buffer: Buffer::empty(Rect::new(0, 0, width, height)),
            now: now(),
        };
        let first = driver.app.start((width, height));
        driver.settle(first);
        driver
    }

    /// The demo at 120×36, as most key tests want it.
    pub fn demo() -> Self {
        Self::new(Scene::demo(), (120, 36), Begin::default())
    }

    /// Performs effects and feeds their outcomes back until all is quiet, then draws.
    pub fn settle(&mut self, effects: Vec<Effect>) {
        let mut waiting = effects;
        while !waiting.is_empty() {
            let mut next = Vec::new();
            for effect in waiting {
                match effect {
                    Effect::Refresh | Effect::CancelSweep | Effect::Remember(_) | Effect::Session(_) | Effect::AskUse { .. } => {
                        self.effects.push(effect);
                    }
                    asking if self.holding => self.held.push(asking),
                    asking => next.extend(self.perform(asking)),
                }
            }
            waiting = next;
        }
        let wishes = self.app.take_wishes();
        self.quit |= wishes.quit;
        self.suspend |= wishes.suspend;
        self.redraw |= wishes.redraw;
        self.copies.extend(wishes.copies);
        self.draw();
    }

    /// The console's person is another from here on.
    pub fn sign_in(&mut self, arn: &str) {
        let arn = arn.to_owned();
        self.world(move |world| {
            let mut estate = (*world.estate).clone();
            estate.caller = estate.caller.map(|caller| Caller { arn, ..caller });
            world.estate = Arc::new(estate);
        });
    }

    /// Takes what is in the ledger by now, as a console that follows it does.
    pub fn follow(&mut self) {
        let desk = self.scene.desk.clone().unwrap();
        let subjects = runtime().block_on(desk.ledger().changes(Duration::ZERO)).unwrap();
        self.scene.library.take_states(desk.ledger().projection());
        self.publish(&subjects.into_iter().collect());
    }

    fn publish(&mut self, subjects: &HashSet<Subject>) {
        let changed = desk::changed(subjects);
        let facts = source::facts(&self.scene.library, Arc::clone(&self.scene.world.estate), &changed, self.now);
        self.world(|world| world.recount(&facts));
    }

    fn decide(&mut self, asking: Effect, desk: &Arc<Desk>) -> Vec<Effect> {
        let answer = |driver: &mut Self, ticket, answer| driver.app.outcome(Outcome::Answer { ticket, answer }, driver.now);
        match asking {
            Effect::Stage { ticket, estate, proposal } => {
                let staged = desk.stage(&estate, &proposal, self.now).map(Box::new);
                answer(self, ticket, Answer::Staged(staged))
            }
            Effect::Decide { ticket, estate, staged } => {
                let settled = runtime().block_on(desk.carry_out(&estate, &staged, self.now, |_| {}));
                let subjects = settled.iter().filter(|s| s.done.is_ok()).map(|s| s.step.subject.clone()).collect();
                self.publish(&subjects);
                answer(self, ticket, Answer::Decided(settled))
            }
            Effect::Detail { ticket, world, listing, row } => {
                let opened = desk::open(Some(desk), &self.scene.library, &world, listing, row, self.now);
                let opened = runtime().block_on(opened);
                answer(self, ticket, Answer::Detail(opened.map(|shown| shown.opened)))
            }
            Effect::Handover { ticket, world, since } => {
                let entries = runtime().block_on(desk.since(self.now.saturating_sub(since).unwrap())).unwrap();
                let report = handover::handover(&world, &entries, since, self.now);
                answer(self, ticket, Answer::Report(Ok(report)))
            }
            other => {
                self.effects.push(other);
                Vec::new()
            }
        }
    }

    fn perform(&mut self, asking: Effect) -> Vec<Effect> {
        let to_desk = matches!(asking, Effect::Stage { .. } | Effect::Decide { .. } | Effect::Handover { .. })
            || matches!(asking, Effect::Detail { listing: ListingId::Findings | ListingId::Decisions, .. });
        if let (true, Some(desk)) = (to_desk, self.scene.desk.clone()) {
            return self.decide(asking, &desk);
        }
        if matches!(asking, Effect::Stage { .. } | Effect::Decide { .. } | Effect::Handover { .. }) {
            self.effects.push(asking);
            return Vec::new();
        }
        if matches!(asking, Effect::Stopped { .. } | Effect::Resolve { .. }) {
            self.effects.push(asking);
            return Vec::new();
        }
        let outcome = perform(asking, &self.scene.library, self.now, &Cancel::new());
        outcome.map_or_else(Vec::new, |outcome| self.app.outcome(outcome, self.now))
    }

    /// From here on askings wait.
    pub fn hold(&mut self) {
        self.holding = true;
    }

    /// Performs what waits, oldest first, and no longer holds.
    pub fn release(&mut self) {
        self.holding = false;
        let held = std::mem::take(&mut self.held);
        self.settle(held);
    }

    /// An outcome as `work` would send it.
    pub fn outcome(&mut self, outcome: Outcome) {
        let effects = self.app.outcome(outcome, self.now);
        self.settle(effects);
    }

    /// A new world, as the keeper would publish it.
    pub fn world(&mut self, change: impl FnOnce(&mut World)) {
        self.scene = self.scene.with(change);
        self.outcome(Outcome::World(Arc::clone(&self.scene.world)));
    }

    /// What is open here changes, as `work` would tell it.
    pub fn live(&mut self, change: impl FnOnce(&mut Live)) {
        let mut live = (**self.app.live()).clone();
        change(&mut live);
        self.outcome(Outcome::Live(Arc::new(live)));
    }

    /// A session on the first node of an environment is open, and has said something.
    pub fn session(&mut self, id: u64, environment: Environment, output: &str) -> Arc<SessionScreen> {
        let estate = Arc::clone(&self.scene.world.estate);
        let nodes = estate.regions.iter().flat_map(|r| &r.nodes).filter_map(|n| machines::by_id(&estate, &n.instance_id));
        let machine = nodes.into_iter().find(|m| m.environment == Some(environment)).unwrap();
        let screen = Arc::new(SessionScreen::new((self.buffer.area.width, self.buffer.area.height - 5)));
        screen.with(|t| t.feed(output.as_bytes()));
        let session = LiveSession {
            id: LiveId(id),
            machine,
            reason: format!("INC-{id}"),
            session_id: format!("jo-{id}"),
            began: self.now,
            state: State::Open,
            notice: None,
            unanswered: None,
            recording: Some("/recordings/x.cast".into()),
            screen: Arc::clone(&screen),
        };
        self.live(|live| live.sessions.push(session));
        screen
    }

    /// The ledger tells of a session that was recorded on this machine, and that ended a moment ago; its id.
    pub fn recorded(&mut self) -> &'static str {
        self.remembered("ended", false)
    }

    /// The same session, left running on this machine.
    pub fn left(&mut self) -> &'static str {
        self.remembered("left", true)
    }

    fn remembered(&mut self, outcome: &str, left: bool) -> &'static str {
        const ID: &str = "jo.tanaka-0recorded";
        let estate = Arc::clone(&self.scene.world.estate);
        let (region, node) = estate.regions.iter().find_map(|r| r.nodes.first().map(|n| (r, n))).unwrap();
        let start = Decision::SessionStart {
            node: node.instance_id.clone(),
            account: region.account.clone(),
            region: region.region.clone(),
            mode: "shell".into(),
            detail: String::new(),
            document: String::new(),
            finding: None,
        };
        let end = Decision::SessionEnd {
            outcome: outcome.into(),
            recording: Some("0".repeat(64)),
            seconds: 95,
            received: 123_456,
            sent: 789,
            said: String::new(),
        };
        let mut history = History::default();
        for (n, decision) in [(1, start), (2, end)] {
            let arn = "arn:aws:sts::111122223333:assumed-role/Ops/jo.tanaka".to_owned();
            let actor = Actor { arn, os_user: "jo".into(), host: "desk-7".into() };
            let (subject, reason) = (Subject::Session(ID.into()), "INC-2041 payments latency".to_owned());
            let at = self.now - SignedDuration::from_secs(100);
            let draft = Draft { id: EntryId([n; 16]), at, actor, subject, decision, reason };
            history.take(&Entry { sequence: n.into(), draft, previous: Hash::ZERO, hash: Hash::ZERO });
        }
        let kept = Kept { path: "/recordings/web.cast".into(), seal: Seal::Intact };
        history.keep(BTreeMap::from([(ID.to_owned(), kept)]));
        if left {
            history.leave(BTreeSet::from([ID.to_owned()]));
        }
        let library = &self.scene.library;
        let facts = source::facts(library, estate, &Changed::Findings(HashSet::new()), self.now);
        let facts = Facts { history: Arc::new(history), ..facts };
        self.world(|world| world.recount(&facts));
        ID
    }

    /// A recording is played: it has come so far, and stands.
    pub fn replay(&mut self, id: u64, output: &str) -> Arc<Reel> {
        let reel = Arc::new(Reel::new((80, 24)));
        reel.screen.with(|t| t.feed(output.as_bytes()));
        let (at, length) = (Duration::from_secs(72), Duration::from_secs(754));
        reel.put(Stand { at, length, speed: 2.0, playing: true, marker: Some("reconnected".into()), ..Stand::default() });
        let replay = LiveReplay {
            id: LiveId(id),
            session_id: "jo.tanaka-0recorded".into(),
            title: "web in payments-prod, jo.tanaka on 2026-03-14 03:05 UTC".into(),
            state: State::Open,
            seal: Some(("its digest is the ledger's".into(), false)),
            reel: Arc::clone(&reel),
        };
        self.live(|live| live.replays.push(replay));
        reel
    }

    /// A forward through the machine of the first session, in a state.
    pub fn forward(&mut self, id: u64, state: State) {
        let machine = self.app.live().sessions[0].machine.clone();
        let wanted = Forwarding {
            machine,
            reason: "INC-7".into(),
            host: Some("db.internal".into()),
            port: 5432,
            local: 0,
            lanes: 2,
            said: Said::Nothing,
        };
        let forward = LiveForward {
            id: LiveId(id),
            wanted,
            state,
            local: "127.0.0.1:40001".into(),
            lanes: 2,
            open: 1,
            opened: 7,
            sent: 1_200,
            received: 3_400_000,
            notice: None,
        };
        self.live(|live| live.forwards.push(forward));
    }

    /// What was asked about sessions and forwards since the last time.
    pub fn asked(&mut self) -> Vec<Ask> {
        let (asks, rest) = std::mem::take(&mut self.effects).into_iter().partition(|e| matches!(e, Effect::Session(_)));
        self.effects = rest;
        let of = |effect| if let Effect::Session(ask) = effect { Some(ask) } else { None };
        Vec::into_iter(asks).filter_map(of).collect()
    }

    pub fn event(&mut self, event: &Event) {
        let effects = self.app.event(event, self.now);
        self.settle(effects);
    }

    /// One key, as config names them: `j`, `ctrl-f`, `enter`, `space`.
    pub fn press(&mut self, key: &str) -> &mut Self {
        self.event(&Event::Key(key_event(key)));
        self
    }

    /// Keys one after the other; what begins with `'` is typed letter by letter.
    pub fn keys(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            match key.strip_prefix('\'').filter(|text| !text.is_empty()) {
                Some(text) => _ = self.type_text(text),
                None => _ = self.press(key),
            }
        }
        self
    }

    pub fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.event(&Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self
    }

    pub fn paste(&mut self, text: &str) {
        self.event(&Event::Paste(text.to_owned()));
    }

    pub fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    }

    pub fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        self.event(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.buffer = Buffer::empty(Rect::new(0, 0, width, height));
        self.event(&Event::Resize(width, height));
    }

    pub fn draw(&mut self) {
        self.buffer.reset();
        self.drawn = self.app.draw(&mut self.buffer);
    }

    /// The text on screen, a line each, without spaces at their ends.
    pub fn screen(&self) -> String {
        let lines: Vec<String> = (0..self.buffer.area.height).map(|y| self.line(y)).collect();
        lines.join("\n")
    }

    /// One line of the screen, without spaces at its end.
    pub fn line(&self, y: u16) -> String {
        let mut line = String::new();
        let mut x = 0;
        while x < self.buffer.area.width {
            let cell = &self.buffer[(x, y)];
            line.push_str(cell.symbol());
            x += cell.cell_width().max(1);
        }
        line.trim_end().to_owned()
    }

    /// The line the list's cursor is on, of the whole screen or of its left side.
    pub fn cursor_line(&self) -> String {
        let found = (0..self.buffer.area.height).map(|y| self.line(y)).find(|line| line.starts_with('▌'));
        found.unwrap_or_default()
    }

    /// The line at the foot: hints or a notice.
    pub fn foot(&self) -> String {
        self.line(self.buffer.area.height - 1)
    }

    /// The title line of the list on screen; a view of several lists has a line of tabs above it.
    pub fn title(&self) -> String {
        let view = VIEWS.iter().find(|view| view.name == self.app.view_name());
        self.line(if view.is_some_and(|view| view.listings.len() > 1) { 3 } else { 2 })
    }

    pub fn shows(&self, words: &str) -> bool {
        self.screen().contains(words)
    }

    /// Styles as runs per line (`a12 b3`; `.` is plain, a plain rest is left out), then what each letter stands for.
    pub fn styles(&self) -> String {
        let mut legend: Vec<String> = Vec::new();
        let mut out = String::new();
        let area = self.buffer.area;
        for y in 0..area.height {
            let mut runs: Vec<(char, usize)> = Vec::new();
            for x in 0..area.width {
                let cell = &self.buffer[(x, y)];
                let name = style_name(cell.fg, cell.bg, cell.modifier);
                let letter = if name.is_empty() {
                    '.'
                } else {
                    let at = legend.iter().position(|l| *l == name).unwrap_or_else(|| {
                        legend.push(name);
                        legend.len() - 1
                    });
                    char::from_u32(if at < 26 { 97 + at as u32 } else { 65 + at as u32 - 26 }).unwrap()
                };
                match runs.last_mut() {
                    Some((last, many)) if *last == letter => *many += 1,
                    _ => runs.push((letter, 1)),
                }
            }
            if runs.last().is_some_and(|(letter, _)| *letter == '.') {
                runs.pop();
            }
            let runs: Vec<String> = runs.into_iter().map(|(letter, many)| format!("{letter}{many}")).collect();
            out.push_str(&format!("{y:02} {}\n", runs.join(" ")));
        }
        for (n, name) in legend.iter().enumerate() {
            let letter = char::from_u32(if n < 26 { 97 + n as u32 } else { 65 + n as u32 - 26 }).unwrap();
            out.push_str(&format!("{letter} = {name}\n"));
        }
        out
    }
}

fn style_name(fg: Color, bg: Color, modifier: Modifier) -> String {
    let mut parts = Vec::new();
    if fg != Color::Reset {
        parts.push(fg.to_string());
    }
    if bg != Color::Reset {
        parts.push(format!("on {bg}"));
    }
    if !modifier.is_empty() {
        parts.push(format!("{modifier:?}").to_lowercase());
    }
    parts.join(" ")
}

/// A key by its name in config; `shift-tab` as terminals send it.
pub fn key_event(name: &str) -> KeyEvent {
    let mut rest = name;
    let mut modifiers = KeyModifiers::NONE;
    for (prefix, modifier) in [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)] {
        if let Some(tail) = rest.strip_prefix(prefix).filter(|tail| !tail.is_empty()) {
            rest = tail;
            modifiers |= modifier;
        }
    }
    let code = match rest {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        "tab" => KeyCode::Tab,
        "space" => KeyCode::Char(' '),
        "backspace" => KeyCode::Backspace,
        "delete" => KeyCode::Delete,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        letter => {
            let mut letters = letter.chars();
            let code = KeyCode::Char(letters.next().unwrap());
            assert!(letters.next().is_none(), "{name:?} is no key");
            code
        }
    };
    KeyEvent::new(code, modifiers)
}
