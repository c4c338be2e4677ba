//! Owns the client's end of a data channel as a state machine without I/O: the handshake, encryption, when keystrokes may go
//! out, terminal size, pausing, and what arrives in which order. Bytes and the time are arguments; frames and events are
//! answers. It does not own the socket (`link`, `session`), ordering itself (`stream`) nor AWS calls.
//!
//! Keystrokes are held until the node can take them: an agent acknowledges and throws away whatever comes before its
//! handshake is done, and a shell without encryption does no handshake at all.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;

use crate::ssm::clock::unix_millis;
use crate::ssm::crypt::{SessionKeys, Side};
use crate::ssm::frame::{Acknowledge, ChannelClosed, Flag, Frame, FrameError, MessageType, PayloadType, Size, exit_code};
use crate::ssm::handshake::{Asked, Challenge, HandshakeComplete, HandshakeRequest, PortMode, SessionType};
use crate::ssm::service::{DataKey, DataKeyRequest, ServiceError};
use crate::ssm::standing::Standing;
use crate::ssm::stream::{Arrival, Inbound, Outbound};

/// Most bytes of input that are kept for the node; a caller waits beyond.
const MOST_INPUT: usize = 256 << 10;
/// Bytes of waiting events above which no more is read from the socket.
const MOST_EVENTS: usize = 1 << 20;
const MOST_ACKS: usize = 4096;
/// Longest output that is handed on at once.
const MOST_PIECE: usize = 64 << 10;
/// What an event costs beyond its bytes.
const EVENT: usize = 64;
/// A size is sent this long after the last change, so that dragging a window edge sends few.
const SETTLE: Duration = Duration::from_millis(50);
/// A pause that nothing ends is tried again after this long.
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// What an agent still has unacknowledged for an earlier client comes within this: it repeats the oldest every second at least.
const OLDEST: Duration = Duration::from_millis(1500);
/// Input kept from before a handshake that came late.
const MOST_EARLY: usize = 64 << 10;

/// What is known of a session's encryption beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Whatever the agent asks.
    #[default]
    Unknown,
    /// The session must be encrypted with a KMS key: nothing is sent or shown in plain.
    Required,
}

/// What a channel is told at the start.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// What the session's document will run; it decides whether a handshake is certain.
    pub session_type: SessionType,
    pub session_id: String,
    /// The target exactly as it was given to `StartSession`; part of the encryption context.
    pub target: String,
    pub encryption: Encryption,
    /// First size of the terminal, if there is one.
    pub size: Option<Size>,
    /// How long after the acknowledged size an absent handshake request means that none will come.
    pub hold: Duration,
}

/// What is known once the node takes input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub session_type: SessionType,
    /// How to read the bytes of a `Port` session.
    pub port: Option<PortMode>,
    pub encrypted: bool,
    /// Empty when no handshake told it.
    pub agent_version: String,
    /// Whether the agent wants no smux keep-alives.
    pub quiet_mux: bool,
}

/// What happened on the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The node takes input now. Once for each session.
    Ready(Opened),
    /// Data; for a terminal it is hostile text.
    Output(Bytes),
    /// The error stream of a non-interactive command.
    StdErr(Bytes),
    ExitCode(i32),
    /// The node could not connect to the destination of one stream.
    ConnectRefused,
    /// Words of the node's administrator or agent.
    Notice(String),
    /// KMS is needed; answer with [`Channel::data_key`].
    NeedDataKey(DataKeyRequest),
    /// The session is over; the text is empty for a normal end, else the agent's reason.
    Closed(String),
    /// The session cannot go on.
    Failed(String),
}

impl ChannelEvent {
    fn weight(&self) -> usize {
        match self {
            Self::Output(bytes) | Self::StdErr(bytes) => bytes.len() + EVENT,
            _ => EVENT,
        }
    }
}

#[derive(Debug)]
enum Phase {
    /// Nothing is known yet.
    Waiting,
    /// A handshake is under way.
    Shaking,
    /// Input may go out.
    Open,
    Over,
}

/// The client's end of a data channel.
#[derive(Debug)]
pub struct Channel {
    options: ChannelOptions,
    epoch: (Instant, u64),
    out: Outbound,
    inbound: Inbound,
    acks: VecDeque<Bytes>,
    events: VecDeque<ChannelEvent>,
    event_bytes: usize,
    phase: Phase,
    asked: Option<Asked>,
    keys: Option<SessionKeys>,
    input: VecDeque<(PayloadType, Bytes)>,
    input_bytes: usize,
    /// Input sent after the hold ran out and before the first output, in case a handshake comes after all.
    early: VecDeque<(PayloadType, Bytes)>,
    early_bytes: usize,
    seen_output: bool,
    told_ready: bool,
    size: Option<Size>,
    size_due: Option<Instant>,
    /// Sequence number of the first size message, until it is acknowledged.
    size_sequence: Option<i64>,
    release: Option<Instant>,
    paused: Option<Instant>,
    /// It is not known which number comes next: since nothing has come, or until then.
    unsettled: Option<Option<Instant>>,
    dropped: u64,
}

impl Channel {
    /// A channel that has not been connected. `wall` is the wall clock at `now`.
    pub fn new(options: ChannelOptions, now: Instant, wall: SystemTime) -> Self {
        let size = options.size;
        let terminal = matches!(options.session_type, SessionType::Shell | SessionType::InteractiveCommand);
        let created = unix_millis(wall);
        Self {
            options,
            epoch: (now, created),
            out: Outbound::new(MessageType::Input),
            inbound: Inbound::new(),
            acks: VecDeque::new(),
            events: VecDeque::new(),
            event_bytes: 0,
            phase: Phase::Waiting,
            asked: None,
            keys: None,
            input: VecDeque::new(),
            input_bytes: 0,
            early: VecDeque::new(),
            early_bytes: 0,
            seen_output: false,
            told_ready: false,
            size: size.filter(|_| terminal),
            size_due: Some(now).filter(|_| terminal && size.is_some()),
            size_sequence: None,
            release: None,
            paused: None,
            unsettled: None,
            dropped: 0,
        }
    }

    /// A channel that another client had before, to a terminal without encryption. Input may go out at once. The node is told a size
    /// that is not the terminal's first, so that a program which fills the screen draws it again.
    pub fn taken_up(options: ChannelOptions, standing: &Standing, now: Instant, wall: SystemTime) -> Self {
        let size = options.size.unwrap_or(Size { cols: 80, rows: 24 });
        let mut channel = Self::new(ChannelOptions { size: Some(size), ..options }, now, wall);
        channel.out = Outbound::going_on(MessageType::Input, standing.unsure, standing.unused);
        channel.inbound = Inbound::going_on(standing.expected);
        channel.unsettled = (!standing.exact).then_some(None);
        channel.seen_output = true;
        let other = Size { rows: if size.rows > 1 { size.rows - 1 } else { 2 }, ..size };
        for _ in standing.unsure..=standing.unused {
            channel.out.queue(PayloadType::Size, &other.to_payload());
        }
        channel.size_due = Some(now + SETTLE);
        channel.open();
        channel
    }

    /// Where it stands, for another client; none where no other could go on.
    pub fn standing(&self, client: &str, exact: bool) -> Option<Standing> {
        let open = matches!(self.phase, Phase::Open) && self.is_terminal() && self.asked.is_none();
        open.then(|| Standing {
            client: client.to_owned(),
            unsure: self.out.first_unacked(),
            unused: self.out.next_sequence(),
            expected: self.inbound.expected(),
            exact: exact && self.unsettled.is_none(),
        })
    }

    /// The number that the next new message to the node will have.
    pub fn next_sequence(&self) -> i64 {
        self.out.next_sequence()
    }

    /// Whether the session is encrypted, or about to be.
    pub fn is_encrypted(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.encryption.is_some())
    }

    fn created(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.epoch.0);
        self.epoch.1 + u64::try_from(passed.as_millis()).unwrap_or(0)
    }

    fn is_terminal(&self) -> bool {
        matches!(self.options.session_type, SessionType::Shell | SessionType::InteractiveCommand)
    }

    // ---- from the caller -------------------------------------------------------------------------------------------------

    /// Takes input for the node. Ask [`Channel::input_room`] first; what exceeds it is kept all the same.
    pub fn send(&mut self, data: Bytes) {
        self.put(PayloadType::Output, data);
    }

    /// Sends a flag.
    pub fn flag(&mut self, flag: Flag) {
        self.put(PayloadType::Flag, flag.to_payload());
    }

    fn put(&mut self, payload_type: PayloadType, payload: Bytes) {
        match self.phase {
            Phase::Open => {
                if !self.seen_output && self.asked.is_none() && self.early_bytes + payload.len() <= MOST_EARLY {
                    self.early_bytes += payload.len();
                    self.early.push_back((payload_type, payload.clone()));
                }
                self.out.queue(payload_type, &payload);
            }
            Phase::Over => {}
            Phase::Waiting | Phase::Shaking => {
                self.input_bytes += payload.len();
                self.input.push_back((payload_type, payload));
            }
        }
    }

    /// Bytes of input that can be taken now.
    pub fn input_room(&self) -> usize {
        MOST_INPUT.saturating_sub(self.input_bytes + self.out.queued())
    }

    /// The terminal has another size. It is sent once the changes settle.
    pub fn resize(&mut self, size: Size, now: Instant) {
        if self.is_terminal() && self.size != Some(size) {
            let first = self.size.is_none();
            self.size = Some(size);
            self.size_due = Some(if first { now } else { now + SETTLE });
        }
    }

    /// The answer to [`ChannelEvent::NeedDataKey`].
    pub fn data_key(&mut self, answer: Result<DataKey, ServiceError>) {
        let (Some(asked), Phase::Shaking) = (&self.asked, &self.phase) else { return };
        let keys = answer.map_err(|e| e.message).and_then(|key| {
            let keys = SessionKeys::new(&key.plain, Side::Client).map_err(|e| e.to_string())?;
            Ok((keys, BASE64.encode(&key.encrypted)))
        });
        let (keys, wrapped) = match keys {
            Ok((keys, wrapped)) => (Some(keys), Ok(wrapped)),
            Err(why) => (None, Err(why)),
        };
        let response = asked.response(Some(&wrapped)).to_payload();
        self.keys = keys;
        self.out.queue(PayloadType::HandshakeResponse, &response);
        if let Err(why) = wrapped {
            self.event(ChannelEvent::Notice(format!("the session's data key was not given: {why}")));
        }
    }

    // ---- from the link ---------------------------------------------------------------------------------------------------

    /// A new socket is open: acknowledgements of the old one are void, everything unacknowledged goes again.
    pub fn connected(&mut self) {
        self.acks.clear();
        self.paused = None;
        self.out.reconnected();
    }

    /// Takes a text message. Some gateways send three control words so.
    pub fn text(&mut self, text: &str, now: Instant) {
        if let Some(kind) = MessageType::from_text(text) {
            self.message(Frame::control(kind, Bytes::new(), 1), now);
        }
    }

    /// Takes a binary message. What is no frame is dropped and not acknowledged; its sender repeats it.
    pub fn binary(&mut self, bytes: &Bytes, now: Instant) -> Result<(), FrameError> {
        match Frame::decode(bytes) {
            Ok(frame) => self.message(frame, now),
            Err(error) => {
                self.dropped += 1;
                return Err(error);
            }
        }
        Ok(())
    }

    fn message(&mut self, frame: Frame, now: Instant) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        match frame.kind {
            MessageType::Output => {
                self.paused = None;
                let ack = Frame::acknowledgement(&frame, self.created(now)).encode();
                let arrival = self.inbound.arrive(frame);
                if arrival != Arrival::Refused {
                    self.acks.push_back(ack);
                }
                match (arrival, &mut self.unsettled) {
                    (Arrival::Next, _) => self.unsettled = None,
                    (Arrival::Early, Some(until)) => _ = until.get_or_insert(now + OLDEST),
                    _ => {}
                }
                self.take_in();
            }
            MessageType::Acknowledge => {
                self.paused = None;
                let Ok(ack) = Acknowledge::parse(&frame.payload) else {
                    self.dropped += 1;
                    return;
                };
                let acked = self.out.acked(ack.sequence, now);
                if acked.is_some() && self.size_sequence == Some(ack.sequence) && matches!(self.phase, Phase::Waiting) {
                    self.size_sequence = None;
                    self.release = Some(now + self.options.hold);
                }
            }
            MessageType::ChannelClosed => {
                let closed = ChannelClosed::parse(&frame.payload);
                self.phase = Phase::Over;
                self.event(ChannelEvent::Closed(closed.output));
            }
            MessageType::PausePublication => self.paused = Some(now + MOST_PAUSE),
            MessageType::StartPublication => self.paused = None,
            MessageType::Input | MessageType::AgentSessionState | MessageType::Other(_) => self.dropped += 1,
        }
    }

    /// Takes what has come, in order.
    fn take_in(&mut self) {
        while let Some(frame) = self.inbound.take() {
            self.stream(&frame);
        }
    }

    // ---- the stream, in order --------------------------------------------------------------------------------------------

    fn stream(&mut self, frame: &Frame) {
        let payload = match self.plain(frame) {
            Ok(payload) => payload,
            Err(why) => return self.fail(why),
        };
        match frame.payload_type {
            PayloadType::Output => {
                self.first_output();
                self.event(ChannelEvent::Output(payload));
            }
            PayloadType::StdErr => self.event(ChannelEvent::StdErr(payload)),
            PayloadType::ExitCode => match exit_code(&payload) {
                Ok(code) => self.event(ChannelEvent::ExitCode(code)),
                Err(error) => self.event(ChannelEvent::Notice(error.to_string())),
            },
            PayloadType::HandshakeRequest => self.handshake(&payload),
            PayloadType::EncChallengeRequest => self.challenge(&payload),
            PayloadType::HandshakeComplete => self.handshake_done(&payload),
            PayloadType::Flag => {
                if Flag::parse(&payload) == Ok(Flag::ConnectToPortError) {
                    self.event(ChannelEvent::ConnectRefused);
                }
            }
            PayloadType::Error => {
                let text: String = String::from_utf8_lossy(&payload).chars().take(4096).collect();
                self.event(ChannelEvent::Notice(text));
            }
            _ => self.dropped += 1,
        }
    }

    fn plain(&self, frame: &Frame) -> Result<Bytes, String> {
        if !frame.payload_type.is_encrypted() {
            return Ok(frame.payload.clone());
        }
        match &self.keys {
            Some(keys) => keys.open(&frame.payload).map_err(|e| e.to_string()),
            None if self.options.encryption == Encryption::Required => {
                Err("the node sent plain data in a session that must be encrypted".into())
            }
            None => Ok(frame.payload.clone()),
        }
    }

    fn first_output(&mut self) {
        if self.seen_output {
            return;
        }
        self.seen_output = true;
        self.early.clear();
        self.early_bytes = 0;
        if self.is_terminal() {
            if self.size.is_some() && self.asked.is_none() {
                // The first size may have reached an agent that was not listening yet; the same size again changes nothing.
                self.send_size();
            }
            if matches!(self.phase, Phase::Waiting) {
                self.open();
            }
        }
    }

    fn handshake(&mut self, payload: &[u8]) {
        if self.asked.is_some() {
            return;
        }
        let request = match HandshakeRequest::parse(payload) {
            Ok(request) => request,
            Err(error) => return self.fail(error.to_string()),
        };
        let asked = Asked::of(&request);
        if asked.encryption.is_none() && self.options.encryption == Encryption::Required {
            return self.fail("this session must be encrypted with a KMS key, and the node does not ask for one".into());
        }
        // Whatever went out before has been acknowledged and thrown away by the agent.
        self.release = None;
        self.phase = Phase::Shaking;
        let mut early = std::mem::take(&mut self.early);
        self.input_bytes += std::mem::take(&mut self.early_bytes);
        early.append(&mut self.input);
        self.input = early;
        if let Some(kms) = &asked.encryption {
            let mut context = BTreeMap::from([
                ("aws:ssm:SessionId".to_owned(), self.options.session_id.clone()),
                ("aws:ssm:TargetId".to_owned(), self.options.target.clone()),
            ]);
            if let Some(challenge) = &kms.challenge {
                context.insert("aws:ssm:RandomChallenge".to_owned(), challenge.clone());
            }
            let request = DataKeyRequest { key_id: kms.key_id.clone(), context };
            self.event(ChannelEvent::NeedDataKey(request));
        } else {
            self.out.queue(PayloadType::HandshakeResponse, &asked.response(None).to_payload());
        }
        self.asked = Some(asked);
    }

    fn challenge(&mut self, payload: &[u8]) {
        if !matches!(self.phase, Phase::Shaking) {
            return;
        }
        let answer = Challenge::parse(payload).map_err(|e| e.to_string()).and_then(|challenge| {
            let keys = self.keys.as_mut().ok_or("the node sent an encryption challenge before a key was agreed")?;
            let sealed = BASE64.decode(challenge.challenge.as_bytes()).map_err(|e| format!("the encryption challenge: {e}"))?;
            let plain = keys.open(&sealed).map_err(|e| e.to_string())?;
            let sealed = keys.seal(&plain).map_err(|e| e.to_string())?;
            Ok(Challenge { challenge: BASE64.encode(&sealed) })
        });
        match answer {
            Ok(answer) => self.out.queue(PayloadType::EncChallengeResponse, &answer.to_payload()),
            Err(why) => self.fail(why),
        }
    }

    fn handshake_done(&mut self, payload: &[u8]) {
        if !matches!(self.phase, Phase::Shaking) {
            return;
        }
        if self.asked.as_ref().is_some_and(|asked| asked.encryption.is_some()) && self.keys.is_none() {
            return self.fail("the node ended the handshake without the encryption it asked for".into());
        }
        // A body that cannot be read has no message to show.
        let done = HandshakeComplete::parse(payload).unwrap_or_default();
        if !done.customer_message.is_empty() {
            self.event(ChannelEvent::Notice(done.customer_message.chars().take(4096).collect()));
        }
        if self.is_terminal() && self.size.is_some() {
            self.send_size();
        }
        self.open();
    }

    fn send_size(&mut self) {
        if let Some(size) = self.size {
            self.size_due = None;
            if matches!(self.phase, Phase::Waiting) && self.size_sequence.is_none() && self.release.is_none() {
                self.size_sequence = Some(self.out.next_sequence());
            }
            self.out.queue(PayloadType::Size, &size.to_payload());
        }
    }

    fn open(&mut self) {
        self.phase = Phase::Open;
        self.release = None;
        if !self.told_ready {
            self.told_ready = true;
            let asked = self.asked.as_ref();
            let opened = Opened {
                session_type: asked
                    .and_then(|a| a.session.as_ref())
                    .map_or_else(|| self.options.session_type.clone(), |(kind, _)| kind.clone()),
                port: asked.and_then(Asked::port_mode),
                encrypted: self.keys.is_some(),
                agent_version: asked.map(|a| a.agent.to_string()).unwrap_or_default(),
                quiet_mux: asked.is_some_and(Asked::quiet_mux),
            };
            self.event(ChannelEvent::Ready(opened));
        }
        self.input_bytes = 0;
        for (payload_type, payload) in std::mem::take(&mut self.input) {
            self.put(payload_type, payload);
        }
    }

    fn fail(&mut self, why: String) {
        if !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Over;
            self.event(ChannelEvent::Failed(why));
        }
    }

    fn event(&mut self, event: ChannelEvent) {
        self.event_bytes += event.weight();
        self.events.push_back(event);
    }

    // ---- answers ---------------------------------------------------------------------------------------------------------

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        let event = self.events.pop_front()?;
        self.event_bytes -= event.weight();
        let ChannelEvent::Output(first) = event else { return Some(event) };
        // A flood is handed on in few large pieces.
        let mut joined = BytesMut::new();
        while let Some(ChannelEvent::Output(next)) = self.events.front() {
            if first.len().max(joined.len()) + next.len() > MOST_PIECE {
                break;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(next);
            self.event_bytes -= next.len() + EVENT;
            self.events.pop_front();
        }
        Some(ChannelEvent::Output(if joined.is_empty() { first } else { joined.freeze() }))
    }

    /// Whether an event waits.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether the socket should be read: not while the events of earlier reads are untaken.
    pub fn wants_read(&self) -> bool {
        self.event_bytes < MOST_EVENTS && self.acks.len() < MOST_ACKS
    }

    /// The next frame to write to a connected socket, if there is one to write now.
    pub fn poll_frame(&mut self, now: Instant) -> Option<Bytes> {
        if let Some(ack) = self.acks.pop_front() {
            return Some(ack);
        }
        if self.release.is_some_and(|at| at <= now) {
            self.release = None;
            if matches!(self.phase, Phase::Waiting) && self.options.encryption != Encryption::Required {
                self.open();
            }
        }
        if self.size_due.is_some_and(|at| at <= now) {
            self.send_size();
        }
        if self.unsettled.flatten().is_some_and(|until| until <= now) {
            // The oldest that has come is the oldest there is.
            self.unsettled = None;
            self.inbound.skip();
            self.take_in();
        }
        if let Some(until) = self.paused {
            if now < until {
                return None;
            }
            self.paused = None;
        }
        let created = self.created(now);
        let Self { out, keys, .. } = self;
        out.poll(now, created, |payload_type, payload| match keys {
            Some(keys) if payload_type.is_encrypted() => keys.seal(&payload).ok(),
            _ => Some(payload),
        })
    }

    /// When [`Channel::poll_frame`] is to be asked again, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let sending = self.paused.or_else(|| self.out.deadline());
        [sending, self.release, self.size_due, self.unsettled.flatten()].into_iter().flatten().min()
    }

    /// Whether [`Channel::poll_frame`] may have something at once.
    pub fn has_frame(&self) -> bool {
        !self.acks.is_empty() || (self.paused.is_none() && self.out.has_work())
    }

    /// Whether all input has been acknowledged.
    pub fn is_idle(&self) -> bool {
        self.input.is_empty() && self.out.is_idle()
    }

    /// Whether the far side has said that it is away.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Since when the oldest unacknowledged message has been under way.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.out.waiting_since()
    }

    /// The smoothed round-trip time, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.out.round_trip()
    }

    /// Messages that were sent again, and messages that were dropped, in all.
    pub fn troubles(&self) -> (u64, u64) {
        (self.out.repeated(), self.dropped)
    }

    /// Whether the session can be ended by a flag on the channel.
    pub fn understands_terminate(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| a.understands_terminate() && a.port_mode().is_some())
    }

    /// Bytes held in memory for the node and for the caller, about.
    pub fn memory(&self) -> usize {
        self.event_bytes + self.input_bytes + self.early_bytes + self.out.queued() + self.inbound.held_bytes()
    }
}
