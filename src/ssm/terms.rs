//! Owns the words of a session: how it is opened, what it tells, how it ends. It does not own the session itself (`session`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::ssm::channel::{Encryption, Opened};
use crate::ssm::dial::{Dial, Network};
use crate::ssm::frame::Size;
use crate::ssm::handshake::SessionType;
use crate::ssm::link::Patience;
use crate::ssm::plugin::Plugin;
use crate::ssm::service::ServiceError;
use crate::ssm::standing::Keep;
use crate::ssm::upgrade::{Endpoints, UpgradeError};

/// How long an absent handshake is waited for after the node has taken the terminal's size. The request travels on the same
/// ordered way right behind that acknowledgement.
pub const HOLD: Duration = Duration::from_millis(200);

/// What becomes of a session on the node when all handles of it are dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Abandoned {
    /// It is terminated.
    #[default]
    Terminate,
    /// It is left; AWS ends it after the idle timeout. An encrypted session is terminated all the same: nobody else has its keys.
    Leave,
}

/// How a session is opened.
#[derive(Clone)]
pub struct SessionOptions {
    /// Region of the session; part of the upgrade's signature.
    pub region: String,
    /// What the document runs. For a document that is not known say `Shell`: a handshake tells the rest.
    pub session_type: SessionType,
    pub encryption: Encryption,
    /// First size of the terminal.
    pub size: Option<Size>,
    pub endpoints: Endpoints,
    pub patience: Patience,
    pub abandoned: Abandoned,
    pub hold: Duration,
    pub dial: Arc<dyn Dial>,
    /// Who carries a session on a terminal in place of our own data channel. Of [`crate::ssm::forward`] it is not asked.
    pub plugin: Option<Plugin>,
    /// Takes where the session stands, for whoever takes it up later.
    pub keep: Option<Keep>,
}

impl SessionOptions {
    /// The defaults for a session of this type in this region.
    pub fn new(session_type: SessionType, region: &str) -> Self {
        Self {
            region: region.into(),
            session_type,
            encryption: Encryption::Unknown,
            size: None,
            endpoints: Endpoints::Aws,
            patience: Patience::default(),
            abandoned: Abandoned::Terminate,
            hold: HOLD,
            dial: Arc::new(Network::new()),
            plugin: None,
            keep: None,
        }
    }
}

/// Why no session was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("no session on {target} was started: {error}")]
    Start { target: String, error: ServiceError },
    #[error("the session {session_id} was started and ended again: {error}")]
    Url { session_id: String, error: UpgradeError },
    #[error("the session {session_id} was started and ended again: {why}")]
    Plugin { session_id: String, why: String },
}

/// What a session tells, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The node takes input now. Once.
    Ready(Opened),
    /// Data of the node. Hostile text where it is for a terminal.
    Output(Bytes),
    /// Error stream of a non-interactive command.
    StdErr(Bytes),
    /// Exit code of a non-interactive command.
    ExitCode(i32),
    /// The node could not connect to the destination of a stream.
    ConnectRefused,
    /// A word of the node's administrator, its agent or this room, to show.
    Notice(String),
    /// The last event.
    End(End),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The node's side ended it; the text is empty for a normal end, else the agent's own reason.
    Closed(String),
    /// This side ended it.
    Terminated,
    /// AWS no longer has it: idle too long, or ended while the connection was lost.
    Gone(String),
    /// Not allowed, with fresh credentials.
    Denied(String),
    /// The connection could not be restored in time; the session may still run.
    Lost(String),
    /// The session broke a rule of the protocol or of encryption; it was terminated.
    Failed(String),
    /// It was left running: by [`crate::ssm::session::Input::leave`], or because all handles were dropped.
    Left,
}

/// The state of the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connection {
    #[default]
    Connecting,
    Connected,
    /// The far side is away for the moment.
    Paused,
    /// This many attempts to reconnect were begun.
    Reconnecting(u32),
    Ended,
}

/// What a session's status line needs. Changes are worth a redraw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    pub connection: Connection,
    pub ready: bool,
    /// Payload bytes from and to the node.
    pub received: u64,
    pub sent: u64,
    /// Times that the connection was restored.
    pub resumed: u32,
    /// Messages sent again, and frames dropped.
    pub repeated: u64,
    pub dropped: u64,
    /// Smoothed round trip.
    pub round_trip: Option<Duration>,
    /// The node has not acknowledged a message for this many seconds (from ten on).
    pub unanswered: Option<u64>,
}
