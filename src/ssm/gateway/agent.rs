//! Owns the loopback agent: the node's end of a session's data channel. Its frames, acknowledgements, handshake, encryption and
//! end are those of a real agent; what it runs is given (`programs`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::json;
use tokio::sync::mpsc;

use crate::ssm::clock::{now, unix_millis};
use crate::ssm::crypt::{SessionKeys, Side};
use crate::ssm::frame::{Acknowledge, Flag, Frame, MessageType, PayloadType, Size, exit_code_payload};
use crate::ssm::gateway::kms::Kms;
use crate::ssm::handshake::{Challenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, RequestedAction};
use crate::ssm::stream::{Arrival, Inbound, Outbound};

/// What the client sends to the program.
#[derive(Debug)]
pub(super) enum ToProgram {
    Data(Bytes),
    Size(Size),
    Flag(Flag),
}

/// What the program sends to the client.
#[derive(Debug)]
pub(super) enum FromProgram {
    Data(Bytes),
    StdErr(Bytes),
    ExitCode(i32),
    Flag(Flag),
    /// It has ended; a text is an error to tell.
    End(String),
}

/// A program's two ends.
pub(super) struct Program {
    pub input: mpsc::Sender<ToProgram>,
    pub output: mpsc::Receiver<FromProgram>,
}

/// What the agent is to do in this session.
pub(super) struct Duty {
    pub session_id: String,
    pub target: String,
    /// The handshake's session type and properties; `None` runs without a handshake.
    pub session: Option<(String, serde_json::Value)>,
    /// Encrypt with this KMS key, with the random challenge.
    pub kms: Option<(String, Arc<Kms>)>,
    pub version: String,
    /// Between two messages of a program's output.
    pub pace: Duration,
    /// Whether a repeated message is acknowledged again, as agents since 3.2.1041.0 do.
    pub reacknowledge: bool,
    pub customer_message: String,
}

/// Bytes for a slow program that are kept; beyond, the client is held back.
const MOST_PENDING: usize = 256 << 10;
/// How long the last words of a program are repeated to a client that is there.
const LAST_WORDS: Duration = Duration::from_secs(5);
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

enum Stage {
    Request,
    Challenge(Vec<u8>),
    Open,
}

pub(super) struct Agent {
    duty: Duty,
    out: Outbound,
    inbound: Inbound,
    acks: VecDeque<Bytes>,
    keys: Option<SessionKeys>,
    challenge: Option<String>,
    stage: Stage,
    began: Instant,
    pending: VecDeque<ToProgram>,
    pending_bytes: usize,
    paused: bool,
    to_gateway: mpsc::Sender<Bytes>,
    from_gateway: mpsc::Receiver<Bytes>,
}

impl Agent {
    pub(super) fn new(duty: Duty, to_gateway: mpsc::Sender<Bytes>, from_gateway: mpsc::Receiver<Bytes>) -> Self {
        Self {
            duty,
            out: Outbound::new(MessageType::Output),
            inbound: Inbound::new(),
            acks: VecDeque::new(),
            keys: None,
            challenge: None,
            stage: Stage::Open,
            began: now(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            paused: false,
            to_gateway,
            from_gateway,
        }
    }

    /// Runs the session to its end; answers the text for `channel_closed`.
    pub(super) async fn run(mut self, program: impl FnOnce() -> Result<Program, String>) -> String {
        if self.duty.session.is_some() || self.duty.kms.is_some() {
            self.ask();
            if let Err(why) = self.shake().await {
                return format!(
                    "\n----------ERROR-------\nSetting up data channel with id {} failed: {why}\n",
                    self.duty.session_id
                );
            }
        }
        let program = match program() {
            Ok(program) => program,
            Err(why) => return why,
        };
        let end = self.serve(program).await;
        // What is still under way is waited for, as a real agent does; while the client is away, for a minute.
        let (mut last, gone) = (now() + LAST_WORDS, now() + Duration::from_secs(60));
        while !(self.out.is_idle() && self.acks.is_empty()) && now() < last {
            if self.turn(Some(last)).await.is_none() {
                break;
            }
            if self.paused {
                last = (now() + LAST_WORDS).min(gone);
            }
        }
        end
    }

    fn ask(&mut self) {
        let action = |kind: &str, parameters| RequestedAction { action_type: kind.into(), action_parameters: parameters };
        let (kind, properties) = self.duty.session.clone().unwrap_or(("Standard_Stream".into(), serde_json::Value::Null));
        let mut actions = vec![action("SessionType", json!({"SessionType": kind, "Properties": properties}))];
        if let Some((key, _)) = &self.duty.kms {
            let challenge = BASE64.encode(&fastrand::u128(..).to_be_bytes());
            actions.insert(0, action("KMSEncryption", json!({"KMSKeyId": key, "Challenge": challenge})));
            self.challenge = Some(challenge);
        }
        let request = HandshakeRequest { agent_version: self.duty.version.clone(), requested_client_actions: actions };
        self.stage = Stage::Request;
        self.began = now();
        self.out.queue(PayloadType::HandshakeRequest, &request.to_payload());
    }

    async fn shake(&mut self) -> Result<(), String> {
        let deadline = now() + STEP_TIMEOUT;
        while !matches!(self.stage, Stage::Open) {
            if now() >= deadline {
                return Err(
                    "Handshake timed out. Please ensure that you have the latest version of the session manager plugin".into()
                );
            }
            let Some(frames) = self.turn(Some(deadline)).await else { return Err("the gateway is gone".into()) };
            for frame in frames {
                match (&self.stage, frame.payload_type) {
                    (Stage::Request, PayloadType::HandshakeResponse) => self.answered(&frame.payload)?,
                    (Stage::Challenge(secret), PayloadType::EncChallengeResponse) => {
                        let answer = Challenge::parse(&frame.payload).map_err(|e| e.to_string())?;
                        let sealed = BASE64.decode(answer.challenge.as_bytes()).map_err(|e| e.to_string())?;
                        let open = self.keys.as_ref().map(|keys| keys.open(&sealed));
                        if !matches!(open, Some(Ok(plain)) if plain == *secret) {
                            return Err("Encryption challenge does not match".into());
                        }
                        self.complete();
                    }
                    // Acknowledged and thrown away, as a real agent does.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self, payload: &[u8]) -> Result<(), String> {
        let response = HandshakeResponse::parse(payload).map_err(|e| e.to_string())?;
        for done in &response.processed_client_actions {
            if done.action_status != 1 {
                return Err(format!(
                    "{} failed on client with status {} error: {}",
                    done.action_type, done.action_status, done.error
                ));
            }
        }
        let Some((_, kms)) = &self.duty.kms else {
            self.complete();
            return Ok(());
        };
        let done = response.processed_client_actions.iter().find(|a| a.action_type == "KMSEncryption");
        let result = done.and_then(|a| a.action_result.clone()).unwrap_or_default();
        let wrapped = result.get("KMSCipherTextKey").and_then(|v| v.as_str()).unwrap_or_default();
        let wrapped = BASE64.decode(wrapped.as_bytes()).map_err(|e| e.to_string())?;
        let challenge = self.challenge.clone().filter(|_| result.get("ChallengeAcknowledgement") == Some(&true.into()));
        let plain = kms.decrypt(&wrapped, &self.duty.session_id, &self.duty.target, challenge.as_deref())?;
        let mut keys = SessionKeys::new(&plain, Side::Agent).map_err(|e| e.to_string())?;
        let secret: Vec<u8> = (0..64).map(|_| fastrand::u8(..)).collect();
        let sealed = keys.seal(&secret).map_err(|e| e.to_string())?;
        self.keys = Some(keys);
        self.out.queue(PayloadType::EncChallengeRequest, &Challenge { challenge: BASE64.encode(&sealed) }.to_payload());
        self.stage = Stage::Challenge(secret);
        Ok(())
    }

    fn complete(&mut self) {
        let done = HandshakeComplete {
            handshake_time_to_complete: i64::try_from((now() - self.began).as_nanos()).unwrap_or(i64::MAX),
            customer_message: self.duty.customer_message.clone(),
        };
        self.out.queue(PayloadType::HandshakeComplete, &done.to_payload());
        self.stage = Stage::Open;
    }

    /// Writes what can be written, then waits for frames. Answers the new stream messages in order; `None` without a gateway.
    async fn turn(&mut self, until: Option<Instant>) -> Option<Vec<Frame>> {
        if !self.write().await {
            return None;
        }
        let wait = [self.out.deadline().filter(|_| !self.paused), until].into_iter().flatten().min();
        let wait = wait.unwrap_or(now() + Duration::from_secs(60));
        let mut frames = Vec::new();
        tokio::select! {
            bytes = self.from_gateway.recv() => self.read(&bytes?, &mut frames),
            () = tokio::time::sleep_until(wait.into()) => {}
        }
        Some(frames)
    }

    async fn write(&mut self) -> bool {
        while let Some(ack) = self.acks.pop_front() {
            if self.to_gateway.send(ack).await.is_err() {
                return false;
            }
        }
        while !self.paused {
            let Self { out, keys, .. } = self;
            let frame = out.poll(now(), unix_millis(SystemTime::now()), |payload_type, payload| match keys {
                Some(keys) if payload_type.is_encrypted() => keys.seal(&payload).ok(),
                _ => Some(payload),
            });
            let Some(frame) = frame else { break };
            if self.to_gateway.send(frame).await.is_err() {
                return false;
            }
        }
        true
    }

    fn read(&mut self, bytes: &Bytes, frames: &mut Vec<Frame>) {
        let Ok(frame) = Frame::decode_as_agent(bytes) else { return };
        match frame.kind {
            MessageType::Acknowledge => {
                self.paused = false;
                if let Ok(ack) = Acknowledge::parse(&frame.payload) {
                    self.out.acked(ack.sequence, now());
                }
            }
            MessageType::Input => {
                self.paused = false;
                if self.pending_bytes > MOST_PENDING * 4 {
                    return;
                }
                let ack = Frame::acknowledgement(&frame, unix_millis(SystemTime::now())).encode();
                match self.inbound.arrive(frame) {
                    Arrival::Refused => {}
                    Arrival::Repeated if !self.duty.reacknowledge => {}
                    _ => self.acks.push_back(ack),
                }
                frames.extend(std::iter::from_fn(|| self.inbound.take()));
            }
            MessageType::PausePublication => self.paused = true,
            MessageType::StartPublication => {
                self.paused = false;
                self.out.reconnected();
            }
            _ => {}
        }
    }

    async fn serve(&mut self, mut program: Program) -> String {
        let mut frames: Vec<Frame> = Vec::new();
        let mut next_output = now();
        loop {
            if !self.write().await {
                return String::new();
            }
            for frame in frames.drain(..) {
                let item = match frame.payload_type {
                    PayloadType::Output => {
                        let plain = match &self.keys {
                            Some(keys) => keys.open(&frame.payload).ok(),
                            None => Some(frame.payload.clone()),
                        };
                        let Some(plain) = plain else { return "An encrypted message could not be read".into() };
                        self.pending_bytes += plain.len();
                        Some(ToProgram::Data(plain))
                    }
                    PayloadType::Size => Size::parse(&frame.payload).ok().map(ToProgram::Size),
                    PayloadType::Flag => Flag::parse(&frame.payload).ok().map(ToProgram::Flag),
                    _ => None,
                };
                if matches!(item, Some(ToProgram::Flag(Flag::TerminateSession))) {
                    return String::new();
                }
                self.pending.extend(item);
            }
            let starving = self.out.queued() > 0;
            let read = self.pending_bytes <= MOST_PENDING || starving;
            let take = self.out.queued() < MOST_PENDING && now() >= next_output;
            let resume = (now() < next_output).then_some(next_output);
            let wait = [self.out.deadline().filter(|_| !self.paused), resume].into_iter().flatten().min();
            let wait = wait.unwrap_or(now() + Duration::from_secs(60));
            tokio::select! {
                bytes = self.from_gateway.recv(), if read => {
                    let Some(bytes) = bytes else { return String::new() };
                    self.read(&bytes, &mut frames);
                    for _ in 0..64 {
                        let Ok(bytes) = self.from_gateway.try_recv() else { break };
                        self.read(&bytes, &mut frames);
                    }
                }
                permit = program.input.reserve(), if !self.pending.is_empty() => match permit {
                    Ok(permit) => if let Some(item) = self.pending.pop_front() {
                        if let ToProgram::Data(data) = &item {
                            self.pending_bytes -= data.len();
                        }
                        permit.send(item);
                    },
                    Err(_) => {
                        // The program takes no more; what is sent to it is dropped, as by a closed terminal.
                        self.pending.clear();
                        self.pending_bytes = 0;
                    }
                },
                output = program.output.recv(), if take => {
                    match output {
                        Some(FromProgram::Data(data)) => self.out.queue(PayloadType::Output, &data),
                        Some(FromProgram::StdErr(data)) => self.out.queue(PayloadType::StdErr, &data),
                        Some(FromProgram::ExitCode(code)) => self.out.queue(PayloadType::ExitCode, &exit_code_payload(code)),
                        Some(FromProgram::Flag(flag)) => self.out.queue(PayloadType::Flag, &flag.to_payload()),
                        Some(FromProgram::End(why)) => return why,
                        None => return String::new(),
                    }
                    if !self.duty.pace.is_zero() {
                        // On a schedule, because the runtime's timer is coarser than the pace; with little to catch up on.
                        next_output = (next_output + self.duty.pace).max(now() - self.duty.pace * 4);
                    }
                }
                () = tokio::time::sleep_until(wait.into()) => {}
            }
        }
    }
}
