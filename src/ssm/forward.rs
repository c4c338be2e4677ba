//! Owns a port forward: the local listener, its lanes (one session each) and which connection goes over which; and the plain
//! byte pipe of an SSH session. It does not own how a lane carries bytes (`lane`).
//!
//! An agent caps one session at about 0.7 MiB/s, so several lanes carry several connections faster than one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::ssm::handshake::SessionType;
use crate::ssm::lane::{Connection, Counters, Lane, carry};
use crate::ssm::service::{Service, StartRequest};
use crate::ssm::session::{End, Event, OpenError, Session, SessionOptions};

/// Where a forward listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address; port 0 takes a free one. Use 127.0.0.1 unless others are meant to come in.
    Tcp(SocketAddr),
    /// A Unix socket, readable by its owner only; it must not exist yet.
    Unix(PathBuf),
}

impl Listen {
    /// A free port of 127.0.0.1.
    pub fn loopback(port: u16) -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// How a forward is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardOptions {
    pub listen: Listen,
    /// Sessions that share the connections, at least one.
    pub lanes: usize,
    /// Listen on when all lanes have ended (AWS ends an idle session after 20 minutes), and start them anew at the next
    /// connection.
    pub reopen: bool,
}

impl Default for ForwardOptions {
    /// One lane, opened again when needed, on a free port of 127.0.0.1.
    fn default() -> Self {
        Self { listen: Listen::loopback(0), lanes: 1, reopen: true }
    }
}

/// Why a forward did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("the local address {address} cannot be listened on: {error}; choose another port, or 0 for a free one")]
    Listen { address: String, error: std::io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the forward to {target} was not opened: {why}")]
    Refused { target: String, why: String },
}

/// What a forward's line in a list needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Lanes that carry connections now.
    pub lanes: usize,
    /// Connections now and in all.
    pub open: usize,
    pub opened: u64,
    /// Connections that the node could not make, and that were cut off because their reader stood still.
    pub refused: u64,
    pub stalled: u64,
    /// Bytes to and from the node.
    pub sent: u64,
    pub received: u64,
    /// The last word of a node's administrator or of an agent.
    pub notice: Option<String>,
    /// Why the last lane ended; set when the forward is over.
    pub ended: Option<String>,
    /// The same for a forward that is opened again at the next connection.
    pub asleep: Option<String>,
    /// The sessions of its lanes, the last that were started.
    pub sessions: Vec<String>,
}

struct LaneHandle {
    connections: mpsc::Sender<Connection>,
    load: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    session: String,
}

#[derive(Debug, Default)]
struct Told {
    notice: Option<String>,
    ended: Option<String>,
    lanes: usize,
    /// Lanes that are not ready yet.
    starting: usize,
    sessions: Vec<String>,
}

/// A running port forward. Dropping it closes the listener and terminates its sessions.
#[derive(Debug)]
pub struct Forward {
    /// Where it listens: `127.0.0.1:40001`, or a path.
    pub local: String,
    reopen: bool,
    counters: Arc<Counters>,
    told: watch::Receiver<Told>,
    accepting: JoinHandle<()>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        // The lanes hear of it by their closed queues, and terminate their sessions.
        self.accepting.abort();
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// A socket's file, removed with its listener.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing is left to tell anyone if this fails.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    async fn bind(listen: &Listen) -> Result<(Self, String), ForwardError> {
        match listen {
            Listen::Tcp(address) => {
                let failed = |error| ForwardError::Listen { address: address.to_string(), error };
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let local = listener.local_addr().map_err(failed)?.to_string();
                Ok((Self::Tcp(listener), local))
            }
            Listen::Unix(path) => {
                let local = path.display().to_string();
                let failed = |error| ForwardError::Listen { address: local.clone(), error };
                let listener = UnixListener::bind(path).map_err(failed)?;
                let file = SocketFile(path.clone());
                let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(path, owner).map_err(failed)?;
                Ok((Self::Unix { listener, _file: file }, local))
            }
        }
    }

    async fn accept(&self) -> std::io::Result<Connection> {
        match self {
            Self::Tcp(listener) => {
                let (tcp, _) = listener.accept().await?;
                tcp.set_nodelay(true)?;
                Ok(Connection::Tcp(tcp))
            }
            Self::Unix { listener, .. } => Ok(Connection::Other(Box::new(listener.accept().await?.0))),
        }
    }
}

/// What the lanes of a forward are started with.
struct Plan {
    service: Arc<dyn Service>,
    request: StartRequest,
    options: SessionOptions,
    lanes: usize,
    reopen: bool,
    counters: Arc<Counters>,
    tell: Arc<watch::Sender<Told>>,
}

impl Plan {
    /// Starts all lanes and waits until one carries connections.
    async fn start(&self) -> Result<Vec<LaneHandle>, ForwardError> {
        self.tell.send_modify(|told| told.ended = None);
        let starts = (0..self.lanes).map(|_| {
            let options = SessionOptions { session_type: SessionType::Port, size: None, ..self.options.clone() };
            Session::start(Arc::clone(&self.service), &self.request, options)
        });
        let (mut running, mut refused) = (Vec::new(), None);
        for session in futures_util::future::join_all(starts).await {
            match session {
                Ok(session) => running.push(start_lane(session, &self.counters, &self.tell)),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            if running.is_empty() {
                self.tell.send_modify(|told| told.ended = Some(error.to_string()));
                return Err(error.into());
            }
            let notice = format!("{} of {} lanes: {error}", running.len(), self.lanes);
            self.tell.send_modify(|told| told.notice = Some(notice));
        }
        let sessions: Vec<String> = running.iter().map(|lane| lane.session.clone()).collect();
        self.tell.send_modify(|told| told.sessions = sessions);
        let mut ready = self.tell.subscribe();
        // A lane, or the end of all.
        let first = ready.wait_for(|told| told.lanes > 0 || told.ended.is_some()).await.map(|told| told.ended.clone());
        match first {
            Ok(Some(why)) => Err(ForwardError::Refused { target: self.request.target.clone(), why }),
            _ => Ok(running),
        }
    }
}

impl Forward {
    /// Opens a forward. The answer comes when the first lane carries connections; a forward with fewer lanes than asked for works
    /// and says so in its notice.
    pub async fn open(
        service: Arc<dyn Service>,
        request: &StartRequest,
        options: &SessionOptions,
        forward: &ForwardOptions,
    ) -> Result<Self, ForwardError> {
        let (listener, local) = Listener::bind(&forward.listen).await?;
        let counters = Arc::new(Counters::default());
        let (tell, told) = watch::channel(Told::default());
        let plan = Plan {
            service,
            request: request.clone(),
            options: options.clone(),
            lanes: forward.lanes.max(1),
            reopen: forward.reopen,
            counters: Arc::clone(&counters),
            tell: Arc::new(tell),
        };
        let running = plan.start().await?;
        let accepting = tokio::spawn(accept(listener, running, plan, told.clone()));
        Ok(Self { local, reopen: forward.reopen, counters, told, accepting })
    }

    /// How it is doing.
    pub fn status(&self) -> ForwardStatus {
        let told = self.told.borrow();
        let counters = &self.counters;
        ForwardStatus {
            lanes: told.lanes,
            open: counters.open.load(Ordering::Relaxed),
            opened: counters.opened.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            stalled: counters.stalled.load(Ordering::Relaxed),
            sent: counters.sent.load(Ordering::Relaxed),
            received: counters.received.load(Ordering::Relaxed),
            notice: told.notice.clone(),
            ended: told.ended.clone().filter(|_| !self.reopen),
            asleep: told.ended.clone().filter(|_| self.reopen),
            sessions: told.sessions.clone(),
        }
    }

    /// Waits until all lanes have ended (a forward that reopens goes on after that); answers why the last did.
    pub async fn ended(&self) -> String {
        let mut told = self.told.clone();
        let ended = told.wait_for(|told| told.ended.is_some()).await;
        ended.ok().and_then(|told| told.ended.clone()).unwrap_or_default()
    }
}

fn words(end: &End) -> String {
    match end {
        End::Closed(text) if text.is_empty() => "the node ended the session".into(),
        End::Closed(text) | End::Gone(text) | End::Denied(text) | End::Lost(text) | End::Failed(text) => text.trim().to_owned(),
        End::Terminated => "ended here".into(),
        End::Left => "left".into(),
    }
}

fn start_lane(session: Session, counters: &Arc<Counters>, tell: &Arc<watch::Sender<Told>>) -> LaneHandle {
    let (connections, queue) = mpsc::channel(16);
    let load = Arc::new(AtomicUsize::new(0));
    let id = session.id.clone();
    let lane = Lane::new(session, queue, Arc::clone(counters), Arc::clone(&load));
    tell.send_modify(|told| told.starting += 1);
    let tell = Arc::clone(tell);
    let task = tokio::spawn(async move {
        let mut was_ready = false;
        let ready = || {
            was_ready = true;
            tell.send_modify(|told| {
                told.starting -= 1;
                told.lanes += 1;
            });
        };
        let end = lane.run(ready, |text| tell.send_modify(|told| told.notice = Some(text))).await;
        tell.send_modify(|told| {
            told.lanes -= usize::from(was_ready);
            told.starting -= usize::from(!was_ready);
            if told.lanes + told.starting == 0 {
                told.ended = Some(words(&end));
            }
        });
    });
    LaneHandle { connections, load, task, session: id }
}

async fn accept(listener: Listener, mut lanes: Vec<LaneHandle>, plan: Plan, mut told: watch::Receiver<Told>) {
    loop {
        tokio::select! {
            connection = listener.accept() => {
                // Out of file descriptors, for example: it passes.
                let Ok(connection) = connection else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                lanes.retain(|lane| !lane.task.is_finished());
                if lanes.is_empty() && plan.reopen {
                    match plan.start().await {
                        Ok(started) => lanes = started,
                        Err(error) => plan.tell.send_modify(|told| told.notice = Some(error.to_string())),
                    }
                }
                // Without a lane the connection is closed.
                let Some(lane) = lanes.iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed)) else { continue };
                lane.load.fetch_add(1, Ordering::Relaxed);
                if lane.connections.send(connection).await.is_err() {
                    tracing::debug!(session = %lane.session, "a lane ended while it was given a connection");
                }
            }
            () = async { drop(told.wait_for(|told| told.ended.is_some()).await) }, if !plan.reopen => return,
        }
    }
}

/// Carries one byte stream over a session until either side ends: the two pipes of an OpenSSH `ProxyCommand`, for example. When
/// the local side ends, the session is terminated once the node has everything and has fallen silent.
pub async fn pipe<R, W>(mut session: Session, read: R, write: W) -> End
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    loop {
        match session.events.next().await {
            Some(Event::Ready(_)) => break,
            Some(Event::End(end)) => return end,
            Some(_) => {}
            None => return End::Left,
        }
    }
    let connection = Connection::Other(Box::new(tokio::io::join(read, write)));
    let counters = Counters::default();
    if let Some(end) = carry(connection, &session.input, &mut session.events, &mut VecDeque::new(), &counters).await {
        return end;
    }
    session.input.terminate();
    loop {
        match session.events.next().await {
            Some(Event::End(end)) => return end,
            Some(_) => {}
            None => return End::Left,
        }
    }
}
