//! Owns a session's handles: opening one, writing to it with [`Input`], reading it with [`Events`]. It does not own the task
//! behind them (`driver`), what the bytes mean (`forward`, a terminal) nor the AWS calls ([`Service`], the caller's).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::ssm::carrier::Carrier;
use crate::ssm::driver::{Command, Driver, Plugs, Wish};
use crate::ssm::frame::{Flag, Size};
use crate::ssm::handshake::SessionType;
use crate::ssm::plugin::Plugin;
use crate::ssm::service::{Service, StartRequest, Started};
use crate::ssm::standing::Standing;
use crate::ssm::upgrade::StreamUrl;

pub use crate::ssm::terms::{Abandoned, Connection, End, Event, HOLD, OpenError, SessionOptions, Status};

/// The session is over; what was to be sent was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Over;

/// The writing half of a session. Clones write to the same session.
#[derive(Debug, Clone)]
pub struct Input {
    commands: mpsc::Sender<Command>,
    size: Arc<watch::Sender<Option<Size>>>,
    wish: Arc<watch::Sender<Wish>>,
    status: watch::Receiver<Status>,
    idle: Arc<AtomicBool>,
}

impl Input {
    /// Sends data. Waits while the node or a lost connection holds more than 256 KiB back. What is given at once (a key's bytes)
    /// is not split, up to 1 KiB.
    pub async fn send(&self, data: Bytes) -> Result<(), Over> {
        self.commands.send(Command::Data(data)).await.map_err(|_| Over)
    }

    /// Sends data if there is room now; gives it back if there is none.
    pub fn try_send(&self, data: Bytes) -> Result<(), Option<Bytes>> {
        self.commands.try_send(Command::Data(data)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(Command::Data(data)) => Some(data),
            _ => None,
        })
    }

    /// Sends a flag, in order with the data.
    pub async fn flag(&self, flag: Flag) -> Result<(), Over> {
        self.commands.send(Command::Flag(flag)).await.map_err(|_| Over)
    }

    /// The terminal has another size.
    pub fn resize(&self, size: Size) {
        self.size.send_replace(Some(size));
    }

    /// Asks for the session's end on the node; [`Event::End`] follows within seconds.
    pub fn terminate(&self) {
        self.wish.send_replace(Wish::Terminate);
    }

    /// Lets go of the session and leaves it running; [`Event::End`] follows within a second or so, after all that had come by then.
    /// A session that nobody could take up is ended instead: an encrypted one, one that a plugin carries.
    pub fn leave(&self) {
        self.wish.send_if_modified(|wish| {
            let run = *wish == Wish::Run;
            if run {
                *wish = Wish::Leave;
            }
            run
        });
    }

    /// Whether the node has acknowledged all that was sent.
    pub fn is_idle(&self) -> bool {
        self.commands.capacity() == self.commands.max_capacity() && self.idle.load(Ordering::Acquire)
    }

    /// The session's state, for a status line.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

/// The reading half of a session.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` after [`Event::End`].
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

/// A running session.
#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub input: Input,
    pub events: Events,
}

impl Session {
    /// Starts a session and opens its data channel. The answer comes as soon as AWS has started it; whether the node takes it
    /// is told by the events.
    pub async fn start(service: Arc<dyn Service>, request: &StartRequest, options: SessionOptions) -> Result<Self, OpenError> {
        let started = service.start(request).await;
        let started = started.map_err(|error| OpenError::Start { target: request.target.clone(), error })?;
        Self::carried(service, request, started, options).await
    }

    /// Opens the data channel of a session that was started elsewhere, for example by `ecs:ExecuteCommand`. `target` is the one
    /// the agent knows itself by.
    pub async fn open(
        service: Arc<dyn Service>,
        target: &str,
        started: Started,
        options: SessionOptions,
    ) -> Result<Self, OpenError> {
        Self::carried(service, &StartRequest::shell(target), started, options).await
    }

    async fn carried(
        service: Arc<dyn Service>,
        request: &StartRequest,
        started: Started,
        options: SessionOptions,
    ) -> Result<Self, OpenError> {
        if let Err(error) = StreamUrl::check(&started.stream_url, &options.endpoints) {
            // Nothing may be orphaned on the node; the reason to tell is the address, not how this went.
            let _ = service.terminate(&started.session_id).await;
            return Err(OpenError::Url { session_id: started.session_id, error });
        }
        let (session, plugs) = Self::handles(started.session_id.clone());
        let terminal = matches!(options.session_type, SessionType::Shell | SessionType::InteractiveCommand);
        match options.plugin.clone().filter(|_| terminal) {
            Some(plugin) => {
                let carrier = Self::by_plugin(&plugin, &service, request, &started, options, plugs).await;
                match carrier {
                    Ok(carrier) => _ = tokio::spawn(carrier.run()),
                    Err(why) => {
                        let _ = service.terminate(&started.session_id).await;
                        return Err(OpenError::Plugin { session_id: started.session_id, why });
                    }
                }
            }
            None => _ = tokio::spawn(Driver::new(service, &request.target, started, options, plugs).run()),
        }
        Ok(session)
    }

    /// Goes on with a session that another client let go of or was killed with, from where it stood. The answer comes at once;
    /// whether AWS still has it is told by the events. No plugin can carry it.
    pub fn take_up(
        service: Arc<dyn Service>,
        target: &str,
        session_id: &str,
        standing: &Standing,
        options: SessionOptions,
    ) -> Self {
        let (session, plugs) = Self::handles(session_id.to_owned());
        tokio::spawn(Driver::taken_up(service, target, session_id, standing, options, plugs).run());
        session
    }

    /// A session's handles, and the other ends of them.
    fn handles(id: String) -> (Self, Plugs) {
        let (commands, command_queue) = mpsc::channel(64);
        let (event_sender, events) = mpsc::channel(32);
        let (size, size_changes) = watch::channel(None);
        let (wish, wishes) = watch::channel(Wish::Run);
        let (status, status_reader) = watch::channel(Status::default());
        let idle = Arc::new(AtomicBool::new(true));
        let plugs = Plugs {
            commands: command_queue,
            events: event_sender,
            size: size_changes,
            wish: wishes,
            status,
            idle: Arc::clone(&idle),
        };
        let input = Input { commands, size: Arc::new(size), wish: Arc::new(wish), status: status_reader, idle };
        (Self { id, input, events: Events { events } }, plugs)
    }

    async fn by_plugin(
        plugin: &Plugin,
        service: &Arc<dyn Service>,
        request: &StartRequest,
        started: &Started,
        options: SessionOptions,
        plugs: Plugs,
    ) -> Result<Carrier, String> {
        let credentials = service.credentials().await.map_err(|error| error.message)?;
        let call = plugin.call(request, started, &options.region, credentials.as_ref());
        Carrier::start(&call, Arc::clone(service), &started.session_id, options, plugs)
            .map_err(|error| format!("{} could not be started: {error}", call.program.display()))
    }
}
