//! Sessions and forwards as tasks: opened, fed, recorded, written into the ledger at start and end, ended. It owns what is
//! open and tells it as one list. Recordings that are played are told with them. It decides on no guardrail and draws nothing.

pub mod film;
mod forward;
pub mod left;
mod play;
pub mod record;
pub mod shelf;
mod shell;
pub mod way;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config;
use crate::message::Outcome;
use crate::message::session::{
    Ask, Forwarding, Live, LiveForward, LiveId, LiveReplay, LiveSession, Opening, Reel, Screen, Size, State,
};
use crate::model::account::Caller;
use crate::model::decision::person;
use crate::model::node::Machine;
use crate::ssm::session::{End, Input};
use crate::terminal::Steer;
use crate::work::sessions::record::{Book, Ended, Writer};
use crate::work::sessions::way::Way;

/// How long the end of the program waits for sessions to end.
const FAREWELL: Duration = Duration::from_secs(4);

/// What an agent writes above an error.
const AGENT_ERROR: &str = "----------ERROR-------";

/// What a program has open. Clones are the same.
#[derive(Clone)]
pub struct Sessions {
    home: Arc<Home>,
}

/// What the tasks share.
struct Home {
    way: Way,
    book: Book,
    policy: config::Sessions,
    /// Where recordings go.
    recordings: PathBuf,
    outcomes: mpsc::Sender<Outcome>,
    registry: Mutex<BTreeMap<LiveId, Entry>>,
    tasks: Mutex<JoinSet<()>>,
    /// True once everything has to end.
    closing: watch::Sender<bool>,
}

enum Entry {
    Session(Box<Shell>),
    Forward(Box<Tunnel>),
    Replay(Box<Showing>),
}

struct Shell {
    live: LiveSession,
    size: Size,
    /// What is typed, also before the session is there.
    keys: mpsc::UnboundedSender<Vec<u8>>,
    /// Once it is there.
    input: Option<Input>,
    writer: Option<Writer>,
    /// Asked to end before it was there.
    ended: watch::Sender<bool>,
}

struct Tunnel {
    live: LiveForward,
    ended: watch::Sender<bool>,
}

struct Showing {
    live: LiveReplay,
    steers: mpsc::UnboundedSender<Steer>,
    ended: watch::Sender<bool>,
}

impl Entry {
    fn is_ended(&self) -> bool {
        match self {
            Self::Session(shell) => shell.live.state.is_ended(),
            Self::Forward(tunnel) => tunnel.live.state.is_ended(),
            Self::Replay(showing) => showing.live.state.is_ended(),
        }
    }
}

impl Sessions {
    /// Nothing is open yet. `outcomes` learns every change.
    pub fn new(way: Way, book: Book, policy: config::Sessions, recordings: PathBuf, outcomes: mpsc::Sender<Outcome>) -> Self {
        let recordings = policy.recordings.clone().unwrap_or(recordings);
        let home = Home {
            way,
            book,
            policy,
            recordings,
            outcomes,
            registry: Mutex::default(),
            tasks: Mutex::default(),
            closing: watch::channel(false).0,
        };
        Self { home: Arc::new(home) }
    }

    /// Does what is asked; returns at once.
    pub fn ask(&self, ask: Ask) {
        match ask {
            Ask::Open(id, opening) => self.open(id, *opening),
            Ask::Forward(id, wanted) => self.forward(id, *wanted),
            Ask::Input(id, bytes) => self.home.with(id, |entry| {
                if let Entry::Session(shell) = entry {
                    // A session that is over takes nothing more.
                    let _ = shell.keys.send(bytes);
                }
            }),
            Ask::Resize(id, size) => self.home.with(id, |entry| {
                let Entry::Session(shell) = entry else { return };
                if shell.size == size {
                    return;
                }
                shell.size = size;
                shell.live.screen.with(|terminal| terminal.resize(size.0, size.1));
                if let Some(input) = &shell.input {
                    input.resize(shell::size(size));
                }
                if let Some(writer) = &shell.writer {
                    writer.resize(size);
                }
            }),
            Ask::End(id) => self.home.with(id, |entry| match entry {
                Entry::Session(shell) => {
                    if let Some(input) = &shell.input {
                        input.terminate();
                    }
                    shell.ended.send_replace(true);
                }
                Entry::Forward(tunnel) => _ = tunnel.ended.send_replace(true),
                Entry::Replay(showing) => _ = showing.ended.send_replace(true),
            }),
            Ask::EndThere(machine, session_id) => self.spawn(|home| async move {
                let (text, bad) = match home.end_there(&machine, &session_id).await {
                    Ok(()) => (format!("{}: the session was ended.", machine.name), false),
                    Err(why) => (format!("{}: not ended: {why}", machine.name), true),
                };
                let _ = home.outcomes.send(Outcome::Notice { text, bad }).await;
            }),
            Ask::Restart(id) => {
                let mut wanted = None;
                self.home.with(id, |entry| {
                    if let Entry::Forward(tunnel) = entry
                        && tunnel.live.state.is_ended()
                    {
                        wanted = Some(tunnel.live.wanted.clone());
                    }
                });
                if let Some(wanted) = wanted {
                    self.forward(id, wanted);
                }
            }
            Ask::Forget(id) => {
                let mut registry = self.home.registry();
                if registry.get(&id).is_some_and(Entry::is_ended) {
                    registry.remove(&id);
                }
                drop(registry);
                self.spawn(|home| async move { home.tell().await });
            }
            Ask::Play(id, session_id) => self.play(id, session_id),
            Ask::Steer(id, steer) => self.home.with(id, |entry| {
                if let Entry::Replay(showing) = entry {
                    // One that is over goes nowhere.
                    let _ = showing.steers.send(steer);
                }
            }),
        }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: impl FnOnce(Arc<Home>) -> F) {
        let task = task(Arc::clone(&self.home));
        let mut tasks = self.home.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn open(&self, id: LiveId, opening: Opening) {
        let (keys, typed) = mpsc::unbounded_channel();
        let (ended, end) = watch::channel(false);
        let live = LiveSession {
            id,
            machine: opening.machine.clone(),
            reason: opening.reason.clone(),
            session_id: String::new(),
            began: Timestamp::now(),
            state: State::Starting,
            notice: None,
            unanswered: None,
            recording: None,
            screen: Arc::new(Screen::new(opening.size)),
        };
        let shell = Shell { live, size: opening.size, keys, input: None, writer: None, ended };
        self.home.registry().insert(id, Entry::Session(Box::new(shell)));
        self.spawn(|home| async move {
            home.tell().await;
            let over = Box::pin(shell::run(&home, id, &opening, typed, end)).await;
            home.end(id, over).await;
        });
    }

    fn forward(&self, id: LiveId, wanted: Forwarding) {
        let (ended, end) = watch::channel(false);
        let live = LiveForward {
            id,
            wanted: wanted.clone(),
            state: State::Starting,
            local: String::new(),
            lanes: 0,
            open: 0,
            opened: 0,
            sent: 0,
            received: 0,
            notice: None,
        };
        self.home.registry().insert(id, Entry::Forward(Box::new(Tunnel { live, ended })));
        self.spawn(|home| async move {
            home.tell().await;
            let over = Box::pin(forward::run(&home, id, &wanted, end)).await;
            home.end(id, over).await;
        });
    }

    fn play(&self, id: LiveId, session_id: String) {
        let (steers, steered) = mpsc::unbounded_channel();
        let (ended, end) = watch::channel(false);
        let reel = Arc::new(Reel::new((80, 24)));
        let live = LiveReplay {
            id,
            session_id: session_id.clone(),
            title: String::new(),
            state: State::Starting,
            seal: None,
            reel: Arc::clone(&reel),
        };
        self.home.registry().insert(id, Entry::Replay(Box::new(Showing { live, steers, ended })));
        self.spawn(|home| async move {
            home.tell().await;
            let over = Box::pin(play::run(&home, id, &session_id, &reel, steered, end)).await;
            if over.bad {
                home.end(id, over).await;
            } else {
                home.registry().remove(&id);
                home.tell().await;
            }
        });
    }

    /// What is open now.
    pub fn live(&self) -> Live {
        self.home.live()
    }

    /// Ends everything, or leaves sessions to themselves where that is configured, and waits until it is written down;
    /// not for ever.
    pub async fn close(&self) {
        self.home.closing.send_replace(true);
        for entry in self.home.registry().values() {
            if let Entry::Replay(showing) = entry {
                showing.ended.send_replace(true);
            }
        }
        let mut tasks = std::mem::take(&mut *self.home.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = tokio::time::timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("sessions did not end in time; AWS ends them when they are idle");
        }
    }
}

impl Home {
    fn registry(&self) -> std::sync::MutexGuard<'_, BTreeMap<LiveId, Entry>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, id: LiveId, run: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.registry().get_mut(&id) {
            run(entry);
        }
    }

    fn session(&self, id: LiveId, run: impl FnOnce(&mut Shell)) {
        self.with(id, |entry| {
            if let Entry::Session(shell) = entry {
                run(shell);
            }
        });
    }

    fn tunnel(&self, id: LiveId, run: impl FnOnce(&mut LiveForward)) {
        self.with(id, |entry| {
            if let Entry::Forward(tunnel) = entry {
                run(&mut tunnel.live);
            }
        });
    }

    fn replay(&self, id: LiveId, run: impl FnOnce(&mut LiveReplay)) {
        self.with(id, |entry| {
            if let Entry::Replay(showing) = entry {
                run(&mut showing.live);
            }
        });
    }

    fn live(&self) -> Live {
        let mut live = Live::default();
        for entry in self.registry().values() {
            match entry {
                Entry::Session(shell) => live.sessions.push(shell.live.clone()),
                Entry::Forward(tunnel) => live.forwards.push(tunnel.live.clone()),
                Entry::Replay(showing) => live.replays.push(showing.live.clone()),
            }
        }
        live
    }

    /// Tells what is open now.
    async fn tell(&self) {
        // The console may be gone already.
        let _ = self.outcomes.send(Outcome::Live(Arc::new(self.live()))).await;
    }

    /// Ends a session that is not open here, and writes that down.
    async fn end_there(&self, machine: &Machine, session_id: &str) -> Result<(), String> {
        let caller = self.way.end(machine, session_id).await?;
        self.book.end(&caller, session_id, ended_from_outside(&caller)).await
    }

    async fn end(&self, id: LiveId, over: Over) {
        let state = State::Ended { why: over.why, bad: over.bad };
        self.with(id, |entry| match entry {
            Entry::Session(shell) => {
                shell.live.state = state;
                shell.live.unanswered = None;
                (shell.input, shell.writer) = (None, None);
            }
            Entry::Forward(tunnel) => {
                tunnel.live.state = state;
                (tunnel.live.open, tunnel.live.lanes) = (0, 0);
            }
            Entry::Replay(showing) => showing.live.state = state,
        });
        self.tell().await;
    }
}

/// Waits until a flag is set.
async fn turned(flag: &mut watch::Receiver<bool>) {
    // No guard of the channel may live on into what is done then.
    let gone = flag.wait_for(|set| *set).await.is_err();
    if gone {
        std::future::pending::<()>().await;
    }
}

/// The end of a session that somebody ended from outside.
pub fn ended_from_outside(by: &Caller) -> Ended {
    Ended { outcome: "terminated", said: format!("ended from outside by {}", person(&by.arn)), ..Ended::default() }
}

/// How a session ended: the ledger's word for it, and what was said.
pub fn outcome(end: &End) -> (&'static str, String) {
    let over = Over::of(end.clone());
    (over.outcome, if over.bad { over.why } else { String::new() })
}

/// How something ended, for people and for the ledger.
struct Over {
    why: String,
    bad: bool,
    /// The ledger's word.
    outcome: &'static str,
}

impl Over {
    fn failed(why: impl Into<String>) -> Self {
        Self { why: why.into(), bad: true, outcome: "failed" }
    }

    fn of(end: End) -> Self {
        let words = |text: String, otherwise: &str| {
            // The agent's own line above its errors says nothing.
            let text = text.trim().trim_start_matches(AGENT_ERROR).trim();
            if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
        };
        let (why, bad, outcome) = match end {
            End::Closed(text) => {
                let bad = !text.trim().is_empty();
                (words(text, "The session has ended."), bad, "ended")
            }
            End::Terminated => ("The session was terminated here.".into(), false, "terminated"),
            End::Gone(text) => (words(text, "AWS no longer has the session."), true, "lost"),
            End::Denied(text) => (words(text, "Access was denied."), true, "failed"),
            End::Lost(text) => {
                let text = words(text, "The connection could not be restored.");
                (format!("{text}; the session may still run until AWS's idle timeout."), true, "lost")
            }
            End::Failed(text) => (words(text, "The session failed."), true, "failed"),
            End::Left => ("The session was left running.".into(), false, "left"),
        };
        Self { why, bad, outcome }
    }
}
