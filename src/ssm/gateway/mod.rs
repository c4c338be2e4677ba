//! Owns the loopback gateway: Session Manager's far side on 127.0.0.1, for the demo and for tests. Real WebSockets, real
//! frames, a real terminal with the local shell, real multiplexing to real TCP, and faults on demand. Only what AWS's control
//! plane does is played by [`Gateway::service`]. It listens on the loopback address only and takes only the tokens that it gave.

mod agent;
mod faults;
mod hub;
mod kms;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::ssm::dial::{Dial, DialError, Io, Socket, limits, upgrade};
use crate::ssm::frame::OpenDataChannel;
use crate::ssm::gateway::agent::{Agent, Duty, Program};
use crate::ssm::gateway::faults::SharedFaults;
use crate::ssm::gateway::hub::{FromClient, Hub};
use crate::ssm::gateway::kms::Kms;
use crate::ssm::handshake::PortMode;
use crate::ssm::service::{
    BoxFuture, DataKey, DataKeyRequest, Refusal, Resumed, Service, ServiceError, StartRequest, Started, Token,
};
use crate::ssm::upgrade::{Endpoints, StreamUrl};

pub use crate::ssm::gateway::faults::Faults;

/// What a shell session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shell {
    /// This program, on a pseudo-terminal.
    Program(String),
    /// Everything typed comes back. For tests in simulated time.
    Echo,
    /// Every size comes back, as `80x24` and a blank. For tests in simulated time.
    Sizes,
}

/// What the gateway and its nodes are like.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    pub shell: Shell,
    /// Where shells and commands run, and their home; the process's own directory without one.
    pub directory: Option<PathBuf>,
    /// Nodes that exist. Empty: every target does.
    pub nodes: Vec<String>,
    /// Nodes whose agent is not connected.
    pub offline: Vec<String>,
    /// `StartSession` is denied.
    pub deny_start: bool,
    /// Encrypt shells and interactive commands with this key.
    pub kms_key: Option<String>,
    pub agent_version: String,
    /// Whether the agent acknowledges repeated messages again (agents since 3.2.1041.0).
    pub reacknowledge: bool,
    /// Between two messages of the agent; real ones sleep 1 ms.
    pub pace: Duration,
    /// Before the agent connects.
    pub agent_delay: Duration,
    /// Shown at the handshake's end.
    pub customer_message: String,
    /// Remote hosts that a forward may reach through the node. Others are refused in the agent's words.
    pub remote_hosts: Vec<String>,
    /// The session ends after this long without stream data, as AWS's idle timeout does.
    pub idle_timeout: Option<Duration>,
    pub seed: u64,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            shell: Shell::Program("/bin/sh".into()),
            directory: None,
            nodes: Vec::new(),
            offline: Vec::new(),
            deny_start: false,
            kms_key: None,
            agent_version: "3.3.987.0".into(),
            reacknowledge: true,
            pace: Duration::ZERO,
            agent_delay: Duration::ZERO,
            customer_message: String::new(),
            remote_hosts: vec!["localhost".into(), "127.0.0.1".into()],
            idle_timeout: None,
            seed: 1,
        }
    }
}

struct Entry {
    token: String,
    clients: mpsc::Sender<FromClient>,
    hub: JoinHandle<()>,
}

struct State {
    options: GatewayOptions,
    address: String,
    faults: Arc<SharedFaults>,
    sessions: Mutex<BTreeMap<String, Entry>>,
    started: Mutex<Vec<StartRequest>>,
    kms: Arc<Kms>,
    keys: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these maps whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A token that nobody on this machine can guess: it opens a shell.
fn secret() -> Result<String, ServiceError> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| ServiceError::new(Refusal::Retry, "no random numbers for a session token"))?;
    Ok(HEXLOWER.encode(&bytes))
}

/// A running gateway; it stops when dropped, with all its sessions.
pub struct Gateway {
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
        for entry in lock(&self.state.sessions).values() {
            entry.hub.abort();
        }
    }
}

impl Gateway {
    /// A gateway on a free port of 127.0.0.1.
    pub async fn listen(options: GatewayOptions) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let state = State::new(options, listener.local_addr()?.to_string());
        let accepting = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    let _ = tcp.set_nodelay(true);
                    tokio::spawn(serve(Arc::clone(&state), Box::new(tcp)));
                }
            }
        });
        Ok(Self { state, accepting: Some(accepting) })
    }

    /// A gateway without a port; [`Gateway::dialler`] reaches it through memory.
    pub fn in_memory(options: GatewayOptions) -> Self {
        Self { state: State::new(options, "127.0.0.1:9".into()), accepting: None }
    }

    /// Dials through memory instead of the network.
    pub fn dialler(&self) -> Arc<dyn Dial> {
        Arc::new(Memory(Arc::clone(&self.state)))
    }

    /// The override under which clients may dial this gateway.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::Also(self.state.address.clone())
    }

    /// The control plane.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(Control(Arc::clone(&self.state)))
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state.faults.set(faults);
    }

    /// What `StartSession` was asked, in order.
    pub fn started(&self) -> Vec<StartRequest> {
        lock(&self.state.started).clone()
    }

    /// Sessions that have not ended.
    pub fn open_sessions(&self) -> Vec<String> {
        let sessions = lock(&self.state.sessions);
        sessions.iter().filter(|(_, entry)| !entry.hub.is_finished()).map(|(id, _)| id.clone()).collect()
    }

    fn tell(&self, session_id: &str, what: FromClient) {
        if let Some(entry) = lock(&self.state.sessions).get(session_id) {
            let _ = entry.clients.try_send(what);
        }
    }

    /// Cuts a session's socket without a word.
    pub fn cut(&self, session_id: &str) {
        self.tell(session_id, FromClient::Cut);
    }

    /// Closes a session's socket as AWS does every hour.
    pub fn bye(&self, session_id: &str) {
        self.tell(session_id, FromClient::Bye);
    }

    /// Ends a session from the outside, as an administrator would.
    pub fn terminate(&self, session_id: &str) {
        self.tell(session_id, FromClient::Terminate);
    }
}

impl State {
    fn new(options: GatewayOptions, address: String) -> Arc<Self> {
        Arc::new(Self {
            options,
            address,
            faults: Arc::default(),
            sessions: Mutex::default(),
            started: Mutex::default(),
            kms: Arc::default(),
            keys: Mutex::new(0),
        })
    }

    fn start(self: &Arc<Self>, request: &StartRequest) -> Result<Started, ServiceError> {
        let options = &self.options;
        if options.deny_start {
            let who = "arn:aws:sts::111122223333:assumed-role/Loopback/user";
            let text = format!(
                "AccessDeniedException: User: {who} is not authorized to perform: ssm:StartSession on {}",
                request.target
            );
            return Err(ServiceError::new(Refusal::Denied, text));
        }
        let known = options.nodes.is_empty() || options.nodes.contains(&request.target);
        if !known || options.offline.contains(&request.target) {
            let text = format!("TargetNotConnected: {} is not connected.", request.target);
            return Err(ServiceError::new(Refusal::Offline, text));
        }
        let duty = self.duty(request)?;
        lock(&self.started).push(request.clone());
        let session_id = format!("loopback-{:017x}", fastrand::u64(..));
        let token = secret()?;
        let (clients, from_clients) = mpsc::channel(64);
        let hub = tokio::spawn(self.run(session_id.clone(), duty, request, from_clients));
        lock(&self.sessions).insert(session_id.clone(), Entry { token: token.clone(), clients, hub });
        Ok(Started { stream_url: self.url(&session_id), session_id, token: Token::new(token) })
    }

    fn url(&self, session_id: &str) -> String {
        format!("ws://{}/v1/data-channel/{session_id}?role=publish_subscribe", self.address)
    }

    /// The handshake of a document, and the program it runs.
    fn duty(&self, request: &StartRequest) -> Result<(Option<(String, serde_json::Value)>, Runs), ServiceError> {
        let invalid = |text: String| ServiceError::new(Refusal::Invalid, text);
        let parameter = |name: &str| request.parameters.get(name).and_then(|v| v.first()).cloned();
        let port = || {
            let text = parameter("portNumber").unwrap_or_default();
            text.parse::<u16>().map_err(|_| invalid(format!("InvalidParameters: portNumber {text:?}")))
        };
        let forward = |extra: &[(&str, String)]| -> Result<serde_json::Value, ServiceError> {
            let mut properties = serde_json::Map::new();
            properties.insert("localPortNumber".into(), parameter("localPortNumber").unwrap_or("0".into()).into());
            properties.insert("portNumber".into(), port()?.to_string().into());
            properties.insert("type".into(), "LocalPortForwarding".into());
            properties.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), v.clone().into())));
            Ok(properties.into())
        };
        let here = || "127.0.0.1".to_owned();
        Ok(match request.document.as_deref() {
            None | Some("SSM-SessionManagerRunShell") => (None, Runs::Shell(None)),
            Some("AWS-StartInteractiveCommand") => (None, Runs::Shell(Some(parameter("command").unwrap_or_default()))),
            Some("AWS-StartNonInteractiveCommand") => {
                let apart = parameter("separateOutputStream").is_some_and(|v| v.eq_ignore_ascii_case("true"));
                let runs = Runs::Command(parameter("command").unwrap_or_default(), apart);
                (Some(("NonInteractiveCommands".into(), serde_json::Value::Null)), runs)
            }
            Some("AWS-StartSSHSession") => {
                let properties = serde_json::json!({"portNumber": port()?.to_string()});
                (Some(("Port".into(), properties)), Runs::Port(here(), port()?, Some(PortMode::Stream)))
            }
            Some("AWS-StartPortForwardingSession") => (Some(("Port".into(), forward(&[])?)), Runs::Port(here(), port()?, None)),
            Some("AWS-StartPortForwardingSessionToSocket") => {
                let socket = parameter("localUnixSocket").unwrap_or_default();
                let extra = [("localUnixSocket", socket), ("localConnectionType", "unix".to_owned())];
                (Some(("Port".into(), forward(&extra)?)), Runs::Port(here(), port()?, None))
            }
            Some("AWS-StartPortForwardingSessionToRemoteHost") => {
                let host = parameter("host").unwrap_or_default();
                let properties = forward(&[("host", host.clone())])?;
                (Some(("Port".into(), properties)), Runs::Remote(host, port()?))
            }
            Some(other) => return Err(invalid(format!("InvalidDocument: Document with name {other} does not exist."))),
        })
    }

    fn run(
        self: &Arc<Self>,
        session_id: String,
        (session, runs): (Option<(String, serde_json::Value)>, Runs),
        request: &StartRequest,
        from_clients: mpsc::Receiver<FromClient>,
    ) -> impl Future<Output = ()> + use<> {
        let options = self.options.clone();
        let terminal = matches!(runs, Runs::Shell(_));
        let kms = options.kms_key.clone().filter(|_| terminal).map(|key| (key, Arc::clone(&self.kms)));
        let duty = Duty {
            session_id: session_id.clone(),
            target: request.target.clone(),
            session,
            kms,
            version: options.agent_version.clone(),
            pace: options.pace,
            reacknowledge: options.reacknowledge,
            customer_message: options.customer_message.clone(),
        };
        let (to_agent, from_hub) = mpsc::channel(64);
        let (to_hub, from_agent) = mpsc::channel(64);
        let hub = Hub::new(session_id, Arc::clone(&self.faults), options.idle_timeout, options.seed);
        async move {
            let agent = async move {
                tokio::time::sleep(options.agent_delay).await;
                Agent::new(duty, to_hub, from_hub).run(move || runs.program(&options)).await
            };
            hub.run(from_clients, to_agent, from_agent, agent).await;
        }
    }
}

enum Runs {
    Shell(Option<String>),
    Command(String, bool),
    Port(String, u16, Option<PortMode>),
    Remote(String, u16),
}

impl Runs {
    fn program(self, options: &GatewayOptions) -> Result<Program, String> {
        let directory = options.directory.as_ref();
        let shell = match &options.shell {
            Shell::Program(shell) => shell.as_str(),
            Shell::Echo | Shell::Sizes => "/bin/sh",
        };
        let old = !crate::ssm::handshake::Version::parse(&options.agent_version).is_newer_than("3.0.196.0");
        let mode = if old { PortMode::Basic } else { PortMode::Mux };
        match self {
            Self::Shell(None) if options.shell == Shell::Echo => Ok(programs::echo()),
            Self::Shell(None) if options.shell == Shell::Sizes => Ok(programs::sizes()),
            Self::Shell(command) => Ok(programs::terminal(shell, command.as_deref(), directory)),
            Self::Command(text, apart) => programs::command(shell, &text, apart, directory),
            Self::Port(host, port, fixed) => Ok(programs::port(host, port, fixed.unwrap_or(mode))),
            Self::Remote(host, port) if options.remote_hosts.contains(&host) => Ok(programs::port(host, port, mode)),
            Self::Remote(host, _) => Err(format!("Forwarding to IP address {host} is forbidden.")),
        }
    }
}

struct Control(Arc<State>);

impl Service for Control {
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>> {
        Box::pin(async move { self.0.start(request) })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>> {
        Box::pin(async move {
            let mut sessions = lock(&self.0.sessions);
            let gone = || ServiceError::new(Refusal::Gone, format!("DoesNotExistException: Session {session_id} does not exist"));
            let entry = sessions.get_mut(session_id).ok_or_else(gone)?;
            if self.0.faults.get().refuse_resume || entry.hub.is_finished() {
                return Ok(Resumed { token: None, stream_url: None });
            }
            entry.token = secret()?;
            Ok(Resumed { token: Some(Token::new(entry.token.as_str())), stream_url: Some(self.0.url(session_id)) })
        })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            let clients = lock(&self.0.sessions).get(session_id).map(|entry| entry.clients.clone());
            let Some(clients) = clients else {
                return Err(ServiceError::new(Refusal::Gone, format!("DoesNotExistException: {session_id}")));
            };
            let _ = clients.send(FromClient::Terminate).await;
            Ok(())
        })
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>> {
        Box::pin(async move {
            let mut keys = lock(&self.0.keys);
            *keys += 1;
            Ok(Some(Credentials::new(format!("AKIALOOPBACK{:04}", *keys), "loopback", None, None, "loopback")))
        })
    }

    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>> {
        Box::pin(async move {
            if self.0.faults.get().deny_kms {
                let text = format!("AccessDeniedException: not authorized to perform: kms:GenerateDataKey on {}", request.key_id);
                return Err(ServiceError::new(Refusal::Denied, text));
            }
            Ok(self.0.kms.generate(request))
        })
    }
}

struct Memory(Arc<State>);

impl Dial for Memory {
    fn dial<'a>(&'a self, url: &'a StreamUrl, request: http::Request<()>) -> BoxFuture<'a, Result<Socket, DialError>> {
        Box::pin(async move {
            let (here, there) = tokio::io::duplex(64 << 10);
            tokio::spawn(serve(Arc::clone(&self.0), Box::new(there)));
            upgrade(&url.host, Box::new(here), request).await
        })
    }
}

#[allow(clippy::result_large_err, reason = "the error type is the WebSocket library's")]
fn admit(faults: &Faults, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status: StatusCode, text: &str| {
        let mut refusal = ErrorResponse::new(Some(text.to_owned()));
        *refusal.status_mut() = status;
        refusal
    };
    if faults.down {
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "down"));
    }
    let authorization = request.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if faults.stale_key.as_deref().is_some_and(|key| authorization.contains(key)) {
        return Err(refuse(StatusCode::FORBIDDEN, "The security token included in the request is expired"));
    }
    Ok(response)
}

/// One client's connection.
async fn serve(state: Arc<State>, io: Box<dyn Io>) {
    let faults = state.faults.get();
    let mut path = String::new();
    #[allow(clippy::result_large_err, reason = "the error type is the WebSocket library's")]
    let check = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        admit(&faults, request, response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async_with_config(io, check, Some(limits())).await else { return };
    let opening = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return OpenDataChannel::parse(&text).ok(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    });
    // A wrong token is answered as AWS answers it: by closing the socket.
    let Ok(Some(open)) = opening.await else { return };
    let session_id = path.rsplit('/').next().unwrap_or_default();
    let clients = {
        let sessions = lock(&state.sessions);
        sessions.get(session_id).filter(|e| e.token == open.token_value).map(|e| e.clients.clone())
    };
    let Some(clients) = clients else {
        let _ = socket.close(None).await;
        return;
    };
    hub::attach(socket, clients, faults.bye_after).await;
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway({})", self.state.address)
    }
}
