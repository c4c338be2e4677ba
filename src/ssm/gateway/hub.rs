//! Owns one session inside the loopback gateway: it carries frames between the client that is connected at the moment and the
//! agent, with the faults it was told, pauses the agent while there is no client, and ends the session.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::ssm::clock::{now, unix_millis};
use crate::ssm::dial::Socket;
use crate::ssm::frame::{ChannelClosed, Frame, MessageId, MessageType};
use crate::ssm::gateway::faults::{Faults, SharedFaults, Wire};

/// What a hub is told.
#[derive(Debug)]
pub(super) enum FromClient {
    Connected(u64, mpsc::Sender<Message>),
    Frame(u64, Bytes),
    Gone(u64),
    Cut,
    Bye,
    Terminate,
}

/// Frames under way at most in one direction; beyond, the sender waits.
const MOST_UNDER_WAY: usize = 4096;

pub(super) struct Hub {
    session_id: String,
    faults: Arc<SharedFaults>,
    idle_timeout: Option<Duration>,
    to_client: Wire,
    to_agent: Wire,
    client: Option<(u64, mpsc::Sender<Message>)>,
}

impl Hub {
    pub(super) fn new(session_id: String, faults: Arc<SharedFaults>, idle_timeout: Option<Duration>, seed: u64) -> Self {
        let (to_client, to_agent) = (Wire::new(seed), Wire::new(!seed));
        Self { session_id, faults, idle_timeout, to_client, to_agent, client: None }
    }

    pub(super) async fn run(
        mut self,
        mut clients: mpsc::Receiver<FromClient>,
        agent_input: mpsc::Sender<Bytes>,
        mut agent_output: mpsc::Receiver<Bytes>,
        agent: impl Future<Output = String> + Send + 'static,
    ) {
        // The set ends the agent with the hub.
        let mut agents = JoinSet::new();
        agents.spawn(agent);
        let mut idle = self.idle_timeout.map(|timeout| now() + timeout);
        let output = loop {
            let time = now();
            // Nothing but full channels holds a due frame back.
            let due_client = self.to_client.deadline().is_some_and(|at| at <= time);
            let due_agent = self.to_agent.deadline().is_some_and(|at| at <= time);
            let wait = [self.to_client.deadline(), self.to_agent.deadline(), idle].into_iter().flatten().filter(|at| *at > time);
            let wait = wait.min().unwrap_or(time + Duration::from_secs(60));
            let client = self.client.as_ref().map(|(_, sender)| sender.clone());
            tokio::select! {
                output = agents.join_next() => break output.and_then(Result::ok).unwrap_or_default(),
                what = clients.recv(), if self.to_agent.len() < MOST_UNDER_WAY => match what {
                    Some(FromClient::Connected(id, sender)) => {
                        self.to_client.clear();
                        self.client = Some((id, sender));
                        self.publication(MessageType::StartPublication, &agent_input).await;
                    }
                    Some(FromClient::Frame(id, bytes)) if self.client.as_ref().is_some_and(|(now, _)| *now == id) => {
                        idle = self.idle_timeout.map(|timeout| now() + timeout);
                        let faults = self.faults.get();
                        self.to_agent.enter(bytes, &faults, false, now());
                    }
                    Some(FromClient::Gone(id)) if self.client.as_ref().is_some_and(|(now, _)| *now == id) => {
                        self.away(&agent_input).await;
                    }
                    Some(FromClient::Frame(..) | FromClient::Gone(_)) => {}
                    Some(FromClient::Cut) => self.away(&agent_input).await,
                    Some(FromClient::Bye) => {
                        if let Some((_, client)) = &self.client {
                            let bye = CloseFrame { code: CloseCode::Normal, reason: "Bye".into() };
                            let _ = client.try_send(Message::Close(Some(bye)));
                        }
                        self.away(&agent_input).await;
                    }
                    Some(FromClient::Terminate) | None => break String::new(),
                },
                frame = agent_output.recv(), if self.to_client.len() < MOST_UNDER_WAY => {
                    // Without a client a frame is lost; the agent repeats it.
                    if let (Some(frame), Some(_)) = (frame, &self.client) {
                        let faults = self.faults.get();
                        self.to_client.enter(frame, &faults, !faults.slow.is_zero(), now());
                    }
                }
                permit = reserve(client.as_ref()), if due_client => match permit {
                    Some(permit) => if let Some(frame) = self.to_client.leave(time) {
                        permit.send(Message::Binary(frame));
                    },
                    None => self.to_client.clear(),
                },
                permit = agent_input.reserve(), if due_agent => match permit {
                    Ok(permit) => if let Some(frame) = self.to_agent.leave(time) {
                        permit.send(frame);
                    },
                    Err(_) => self.to_agent.clear(),
                },
                () = tokio::time::sleep_until(wait.into()) => {
                    if idle.is_some_and(|at| at <= now()) {
                        break "Your session timed out due to inactivity.".into();
                    }
                }
            }
        };
        // Nothing more is taken from the client, so that it can take what is said last.
        drop(clients);
        self.end(output, agent_output).await;
    }

    async fn away(&mut self, agent_input: &mpsc::Sender<Bytes>) {
        self.client = None;
        self.to_client.clear();
        self.publication(MessageType::PausePublication, agent_input).await;
    }

    async fn publication(&self, kind: MessageType, agent_input: &mpsc::Sender<Bytes>) {
        let frame = Frame::control(kind, Bytes::new(), unix_millis(SystemTime::now())).encode();
        // A busy agent hears of it by the next stream message or acknowledgement.
        let _ = tokio::time::timeout(Duration::from_secs(1), agent_input.send(frame)).await;
    }

    async fn end(&mut self, output: String, mut agent_output: mpsc::Receiver<Bytes>) {
        while let Ok(frame) = agent_output.try_recv() {
            self.to_client.enter(frame, &Faults::default(), false, now());
        }
        let closed = ChannelClosed {
            message_id: MessageId::random().to_string(),
            created_date: unix_millis(SystemTime::now()).to_string(),
            destination_id: String::new(),
            session_id: self.session_id.clone(),
            message_type: "channel_closed".into(),
            schema_version: 1,
            output,
        };
        if let Some((_, client)) = &self.client {
            while let Some(at) = self.to_client.deadline() {
                tokio::time::sleep_until(at.into()).await;
                if let Some(frame) = self.to_client.leave(now()) {
                    let _ = client.send(Message::Binary(frame)).await;
                }
            }
            let frame = Frame::control(MessageType::ChannelClosed, closed.to_payload(), unix_millis(SystemTime::now())).encode();
            let _ = client.send(Message::Binary(frame)).await;
        }
    }
}

async fn reserve(client: Option<&mpsc::Sender<Message>>) -> Option<mpsc::Permit<'_, Message>> {
    match client {
        Some(client) => client.reserve().await.ok(),
        None => None,
    }
}

/// Joins a client's socket to its hub until either is gone.
pub(super) async fn attach(mut socket: Socket, hub: mpsc::Sender<FromClient>, bye_after: Option<Duration>) {
    let id = fastrand::u64(..);
    let (sender, mut outgoing) = mpsc::channel(64);
    if hub.send(FromClient::Connected(id, sender)).await.is_err() {
        let _ = socket.close(None).await;
        return;
    }
    let bye = bye_after.map(|after| now() + after);
    loop {
        let wait = bye.unwrap_or(now() + Duration::from_secs(3600));
        tokio::select! {
            message = socket.next() => match message {
                // To a session that is over nothing is said; what it says last is still handed on.
                Some(Ok(Message::Binary(bytes))) => drop(hub.send(FromClient::Frame(id, bytes)).await),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            message = outgoing.recv() => {
                let Some(message) = message else { return };
                let closing = message.is_close();
                if socket.feed(message).await.is_err() { break }
                for _ in 0..63 {
                    let Ok(message) = outgoing.try_recv() else { break };
                    if socket.feed(message).await.is_err() { break }
                }
                if socket.flush().await.is_err() || closing { break }
            }
            () = tokio::time::sleep_until(wait.into()) => {
                if bye.is_some() {
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "Bye".into() };
                    let _ = socket.close(Some(frame)).await;
                    break;
                }
            }
        }
    }
    let _ = hub.send(FromClient::Gone(id)).await;
}
