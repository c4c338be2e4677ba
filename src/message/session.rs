//! What the console and `work` say to each other about sessions and forwards. A session's screen is shared: `work` feeds
//! it, the console draws it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::guard::Said;
use crate::model::node::Machine;
use crate::terminal::{Allow, Stand, Steer, Terminal};

/// A session or forward of this program, as whoever asked for it numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveId(pub u64);

/// Columns and rows.
pub type Size = (u16, u16);

/// A session that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub machine: Machine,
    pub reason: String,
    /// The finding it is opened for, by its row's key.
    pub finding: Option<u64>,
    /// One command instead of a shell.
    pub command: Option<String>,
    /// A session that was left running, by AWS's id, taken up again instead of a new one.
    pub again: Option<String>,
    pub size: Size,
    /// Not recorded, where policy leaves that to the person.
    pub unrecorded: bool,
    /// What was said to the guardrail.
    pub said: Said,
}

/// A forward that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    pub machine: Machine,
    pub reason: String,
    /// Behind the machine; none: the machine itself.
    pub host: Option<String>,
    pub port: u16,
    /// Here; 0 takes a free one.
    pub local: u16,
    /// Sessions that share the connections.
    pub lanes: usize,
    /// What was said to the guardrail.
    pub said: Said,
}

impl Forwarding {
    /// `5432`, or `db.internal:5432`.
    pub fn destination(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}:{}", self.port),
            None => self.port.to_string(),
        }
    }
}

/// A forward that the configuration gives a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub name: String,
    /// As somebody would type it: an id, a name, an address, `account/name`.
    pub node: String,
    pub reason: String,
    pub host: Option<String>,
    pub port: u16,
    pub local: u16,
    pub lanes: usize,
}

/// Asked of `work`.
#[derive(Debug, Clone)]
pub enum Ask {
    Open(LiveId, Box<Opening>),
    /// Bytes for the node, as typed.
    Input(LiveId, Vec<u8>),
    Resize(LiveId, Size),
    Forward(LiveId, Box<Forwarding>),
    /// Ends a session or a forward.
    End(LiveId),
    /// Ends a session that is not open here, wherever it is: on which machine, and by AWS's id.
    EndThere(Box<Machine>, String),
    /// Starts a forward that has ended once more.
    Restart(LiveId),
    /// An ended one leaves the list.
    Forget(LiveId),
    /// Plays the recording of a session, by AWS's id.
    Play(LiveId, String),
    /// Changes how a recording is played.
    Steer(LiveId, Steer),
}

/// How far a session or forward is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Starting,
    Open,
    /// The connection is lost; this many attempts were begun.
    Reconnecting(u32),
    /// It is over: why, and whether that is bad news.
    Ended {
        why: String,
        bad: bool,
    },
}

impl State {
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
    /// In a word or two.
    pub fn word(&self) -> String {
        match self {
            Self::Starting => "starting".into(),
            Self::Open => "open".into(),
            Self::Reconnecting(n) => format!("reconnecting ({n})"),
            Self::Ended { .. } => "ended".into(),
        }
    }
}

/// A session as it stands.
#[derive(Debug, Clone)]
pub struct LiveSession {
    pub id: LiveId,
    pub machine: Machine,
    pub reason: String,
    /// AWS's id; empty before it is there.
    pub session_id: String,
    pub began: Timestamp,
    pub state: State,
    /// The last word of the node's administrator or agent.
    pub notice: Option<String>,
    /// Seconds that the node has not answered what was typed.
    pub unanswered: Option<u64>,
    /// Where it is recorded.
    pub recording: Option<PathBuf>,
    pub screen: Arc<Screen>,
}

/// A forward as it stands.
#[derive(Debug, Clone)]
pub struct LiveForward {
    pub id: LiveId,
    pub wanted: Forwarding,
    pub state: State,
    /// Where it listens; empty before it does.
    pub local: String,
    pub lanes: usize,
    /// Connections now and in all.
    pub open: usize,
    pub opened: u64,
    /// Bytes to and from the node.
    pub sent: u64,
    pub received: u64,
    pub notice: Option<String>,
}

/// A recording as it is played.
#[derive(Debug, Clone)]
pub struct LiveReplay {
    pub id: LiveId,
    /// AWS's id of the session it is of.
    pub session_id: String,
    /// On which machine it was, and by whom.
    pub title: String,
    /// Open once it is read.
    pub state: State,
    /// What has to be known of it, and whether that is bad news: whether it is what the ledger knows.
    pub seal: Option<(String, bool)>,
    pub reel: Arc<Reel>,
}

/// A recording's screen and where it stands; fed on one side, drawn on the other.
#[derive(Debug)]
pub struct Reel {
    pub screen: Screen,
    stand: Mutex<Stand>,
}

impl Reel {
    pub fn new(size: Size) -> Self {
        Self { screen: Screen::new(size), stand: Mutex::default() }
    }
    /// Where it stands.
    pub fn stand(&self) -> Stand {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// It stands there now.
    pub fn put(&self, stand: Stand) {
        *self.stand.lock().unwrap_or_else(PoisonError::into_inner) = stand;
    }
}

/// All that this program has open, swapped as one pointer.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// In the order they were asked for.
    pub sessions: Vec<LiveSession>,
    pub forwards: Vec<LiveForward>,
    pub replays: Vec<LiveReplay>,
}

impl Live {
    pub fn session(&self, id: LiveId) -> Option<&LiveSession> {
        self.sessions.iter().find(|s| s.id == id)
    }
    /// The session with AWS's id that is open here.
    pub fn open_as(&self, session_id: &str) -> Option<LiveId> {
        self.sessions.iter().find(|s| s.session_id == session_id && !s.state.is_ended()).map(|s| s.id)
    }
    pub fn replay(&self, id: LiveId) -> Option<&LiveReplay> {
        self.replays.iter().find(|r| r.id == id)
    }
    /// Sessions and forwards that have not ended.
    pub fn open(&self) -> (usize, usize) {
        let sessions = self.sessions.iter().filter(|s| !s.state.is_ended()).count();
        (sessions, self.forwards.iter().filter(|f| !f.state.is_ended()).count())
    }
}

/// A session's screen, fed on one side and drawn on the other. Neither holds it for longer than a small piece of output.
#[derive(Debug)]
pub struct Screen {
    terminal: Mutex<Terminal>,
    fresh: AtomicBool,
}

impl Screen {
    pub fn new((columns, rows): Size) -> Self {
        Self { terminal: Mutex::new(Terminal::new(columns, rows, Allow::default())), fresh: AtomicBool::new(false) }
    }
    /// The emulator, for as short a time as can be.
    pub fn with<T>(&self, run: impl FnOnce(&mut Terminal) -> T) -> T {
        run(&mut self.terminal.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Something came; true where nothing had come since it was last seen.
    pub fn touch(&self) -> bool {
        !self.fresh.swap(true, Ordering::AcqRel)
    }
    /// Whether something came since it was last seen.
    pub fn is_fresh(&self) -> bool {
        self.fresh.load(Ordering::Acquire)
    }
    /// It is seen.
    pub fn seen(&self) {
        self.fresh.store(false, Ordering::Release);
    }
}
