//! Owns the agent message: the binary frame of the data channel, its types, and the small JSON bodies that travel in it
//! (acknowledge, channel closed, size, flag, exit code) or before it (the opening text frame).
//! It does not own order, acknowledgement or time (`channel`), nor what a handshake means (`handshake`).
//!
//! Layout and names: aws/amazon-ssm-agent `agentmessage` and aws/session-manager-plugin `message` (both Apache-2.0).
//! The header's integers are big-endian.

use std::fmt;

use aws_lc_rs::digest;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Bytes before the payload length, as every known peer writes them.
const HEADER: usize = 116;
/// Bytes before the payload.
const PREFIX: usize = HEADER + 4;
/// Longest frame that is read. Peers send about 1 KiB; a smux frame is at most 64 KiB.
pub const MAX_FRAME: usize = 256 << 10;
/// The version that we say we are: signs the upgrade, multiplexes, sets smux keep-alive off.
pub const CLIENT_VERSION: &str = "1.2.764.0";

/// What a frame is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageType {
    /// `input_stream_data`: from the client to the agent.
    Input,
    /// `output_stream_data`: from the agent to the client.
    Output,
    /// `acknowledge`: one stream message has arrived.
    Acknowledge,
    /// `channel_closed`: the session is over; the only message that says so.
    ChannelClosed,
    /// `start_publication`: the far side is there.
    StartPublication,
    /// `pause_publication`: the far side is away.
    PausePublication,
    /// `agent_session_state`: from the agent to the gateway only.
    AgentSessionState,
    /// A type that this version does not know; ignored and never acknowledged.
    Other(Box<str>),
}

impl MessageType {
    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Input => "input_stream_data",
            Self::Output => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Other(name) => name,
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "input_stream_data" => Self::Input,
            "output_stream_data" => Self::Output,
            "acknowledge" => Self::Acknowledge,
            "channel_closed" => Self::ChannelClosed,
            "start_publication" => Self::StartPublication,
            "pause_publication" => Self::PausePublication,
            "agent_session_state" => Self::AgentSessionState,
            other => Self::Other(other.into()),
        }
    }

    /// The type that a text frame of this one word stands for; some gateways send these three so.
    pub fn from_text(text: &str) -> Option<Self> {
        match Self::from_name(text.trim()) {
            Self::Other(_) => None,
            known @ (Self::ChannelClosed | Self::StartPublication | Self::PausePublication) => Some(known),
            _ => None,
        }
    }
}

/// What a stream message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadType {
    Undefined,
    /// Data, in both directions.
    Output,
    Error,
    /// Terminal size, [`Size`].
    Size,
    Parameter,
    HandshakeRequest,
    HandshakeResponse,
    HandshakeComplete,
    EncChallengeRequest,
    EncChallengeResponse,
    /// [`Flag`].
    Flag,
    /// Error stream of a non-interactive command.
    StdErr,
    /// `EXIT_CODE: n` of a non-interactive command.
    ExitCode,
    Other(u32),
}

impl PayloadType {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Undefined => 0,
            Self::Output => 1,
            Self::Error => 2,
            Self::Size => 3,
            Self::Parameter => 4,
            Self::HandshakeRequest => 5,
            Self::HandshakeResponse => 6,
            Self::HandshakeComplete => 7,
            Self::EncChallengeRequest => 8,
            Self::EncChallengeResponse => 9,
            Self::Flag => 10,
            Self::StdErr => 11,
            Self::ExitCode => 12,
            Self::Other(number) => number,
        }
    }

    /// The type of this number.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Undefined,
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Other(other),
        }
    }

    /// Whether a session with a KMS key encrypts this payload. Size, flags and the handshake stay plain.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Output | Self::StdErr | Self::ExitCode)
    }
}

/// A message's UUID (RFC 9562, version 4). On the wire its two halves are swapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// A random id. It only has to be unique, not secret.
    pub fn random() -> Self {
        let mut bytes = fastrand::u128(..).to_be_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// An id as it is written: 32 hexadecimal digits, with hyphens or without.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(|n| Self(n.to_be_bytes()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One agent message. `Debug` leaves the payload out: it may be what a user typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: MessageType,
    /// Always 1 in known peers.
    pub schema: u32,
    /// Milliseconds since the Unix epoch, by the sender's clock.
    pub created: u64,
    /// Place in its direction's stream, from 0; 0 in messages that are no stream messages.
    pub sequence: i64,
    /// Bit 0 SYN, bit 1 FIN. Told, not acted on.
    pub flags: u64,
    pub id: MessageId,
    pub payload_type: PayloadType,
    pub payload: Bytes,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {:?}, {} bytes", self.kind.name(), self.sequence, self.payload_type, self.payload.len())
    }
}

/// Why bytes are no frame. The sender is not told; it repeats what is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes was dropped: shorter than the 120 byte header")]
    Short(usize),
    #[error("a frame of {0} bytes was dropped: longer than {MAX_FRAME}")]
    Long(usize),
    #[error("a frame was dropped: its header length {0} does not fit the frame")]
    HeaderLength(u32),
    #[error("a frame was dropped: its {0} is missing")]
    Missing(&'static str),
    #[error("a frame was dropped: payload length {said} is written, {actual} bytes are there")]
    PayloadLength { said: u32, actual: usize },
    #[error("a frame was dropped: the payload does not match its SHA-256 digest")]
    Digest,
    #[error("a {what} payload was dropped: {why}")]
    Body { what: &'static str, why: String },
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from + N)?.try_into().ok()
}

fn type_name(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    text.trim_matches('\0').trim().to_owned()
}

impl Frame {
    /// Reads one binary WebSocket message. The payload shares the message's memory.
    ///
    /// `start_publication` and `pause_publication` are taken whatever else the frame holds, as the plugin does: real gateway
    /// frames of these types need not be well-formed.
    pub fn decode(bytes: &Bytes) -> Result<Self, FrameError> {
        Self::read(bytes, true)
    }

    /// The same without a look at the digest: agents do not check it, and some clients send a wrong one.
    pub fn decode_as_agent(bytes: &Bytes) -> Result<Self, FrameError> {
        Self::read(bytes, false)
    }

    fn read(bytes: &Bytes, check_digest: bool) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Long(bytes.len()));
        }
        let kind = MessageType::from_name(&type_name(bytes.get(4..36).ok_or(FrameError::Short(bytes.len()))?));
        if matches!(kind, MessageType::StartPublication | MessageType::PausePublication) {
            return Ok(Self::control(kind, Bytes::new(), 0));
        }
        let short = || FrameError::Short(bytes.len());
        let header = u32::from_be_bytes(at(bytes, 0).ok_or_else(short)?);
        let schema = u32::from_be_bytes(at(bytes, 36).ok_or_else(short)?);
        let created = u64::from_be_bytes(at(bytes, 40).ok_or_else(short)?);
        let sequence = i64::from_be_bytes(at(bytes, 48).ok_or_else(short)?);
        let flags = u64::from_be_bytes(at(bytes, 56).ok_or_else(short)?);
        let swapped: [u8; 16] = at(bytes, 64).ok_or_else(short)?;
        let digest_said: [u8; 32] = at(bytes, 80).ok_or_else(short)?;
        let payload_type = PayloadType::from_number(u32::from_be_bytes(at(bytes, 112).ok_or_else(short)?));
        // A longer header is a later version's; the payload begins behind it.
        let start = header as usize;
        if start < HEADER || start > bytes.len().saturating_sub(4) {
            return Err(FrameError::HeaderLength(header));
        }
        let said = u32::from_be_bytes(at(bytes, start).ok_or_else(short)?);
        let payload = bytes.slice(start + 4..);
        if kind == MessageType::Other("".into()) {
            return Err(FrameError::Missing("message type"));
        }
        if created == 0 {
            return Err(FrameError::Missing("creation date"));
        }
        if said as usize != payload.len() {
            return Err(FrameError::PayloadLength { said, actual: payload.len() });
        }
        if check_digest && !payload.is_empty() && digest::digest(&digest::SHA256, &payload).as_ref() != digest_said {
            return Err(FrameError::Digest);
        }
        let mut id = [0; 16];
        id[8..].copy_from_slice(&swapped[..8]);
        id[..8].copy_from_slice(&swapped[8..]);
        Ok(Self { kind, schema, created, sequence, flags, id: MessageId(id), payload_type, payload })
    }

    /// The bytes of the frame.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(PREFIX + self.payload.len());
        out.put_u32(HEADER as u32);
        let name = self.kind.name().as_bytes();
        let mut field = [b' '; 32];
        let taken = name.len().min(32);
        field[..taken].copy_from_slice(&name[..taken]);
        out.put_slice(&field);
        out.put_u32(self.schema);
        out.put_u64(self.created);
        out.put_i64(self.sequence);
        out.put_u64(self.flags);
        out.put_slice(&self.id.0[8..]);
        out.put_slice(&self.id.0[..8]);
        out.put_slice(digest::digest(&digest::SHA256, &self.payload).as_ref());
        out.put_u32(self.payload_type.number());
        out.put_u32(self.payload.len() as u32);
        out.put_slice(&self.payload);
        out.freeze()
    }

    /// A message outside the stream: sequence 0, both flags, a new id.
    pub fn control(kind: MessageType, payload: Bytes, created: u64) -> Self {
        let id = MessageId::random();
        Self { kind, schema: 1, created, sequence: 0, flags: 3, id, payload_type: PayloadType::Undefined, payload }
    }

    /// The acknowledgement of a stream message.
    pub fn acknowledgement(of: &Self, created: u64) -> Self {
        let body = Acknowledge {
            message_type: of.kind.name().to_owned(),
            message_id: of.id.to_string(),
            sequence: of.sequence,
            sequential: true,
        };
        Self::control(MessageType::Acknowledge, json(&body), created)
    }
}

fn json<T: Serialize>(body: &T) -> Bytes {
    // These bodies are plain structs with string keys, which cannot fail to serialise.
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, payload: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload).map_err(|e| FrameError::Body { what, why: e.to_string() })
}

/// Body of an `acknowledge`. Peers match it by sequence number only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    #[serde(rename = "AcknowledgedMessageType", default)]
    pub message_type: String,
    #[serde(rename = "AcknowledgedMessageId", default)]
    pub message_id: String,
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence: i64,
    #[serde(rename = "IsSequentialMessage", default)]
    pub sequential: bool,
}

impl Acknowledge {
    /// Reads the body.
    pub fn parse(payload: &[u8]) -> Result<Self, FrameError> {
        parse("acknowledge", payload)
    }
}

/// Body of `channel_closed`. An empty `output` is a normal end, else it is the text of the failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    pub message_id: String,
    pub created_date: String,
    pub destination_id: String,
    pub session_id: String,
    pub message_type: String,
    pub schema_version: i64,
    pub output: String,
}

impl ChannelClosed {
    /// Reads the body. A body that cannot be read still closes the channel, so this never fails.
    pub fn parse(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }

    /// The payload.
    pub fn to_payload(&self) -> Bytes {
        json(self)
    }
}

/// Size of a terminal, in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub cols: u16,
    pub rows: u16,
}

impl Size {
    /// The payload.
    pub fn to_payload(self) -> Bytes {
        json(&self)
    }

    /// Reads the payload.
    pub fn parse(payload: &[u8]) -> Result<Self, FrameError> {
        parse("size", payload)
    }
}

/// A flag payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The local connection of a basic port forward has ended.
    DisconnectToPort,
    /// End the session; `Port` sessions only.
    TerminateSession,
    /// The node could not connect to the destination of a stream.
    ConnectToPortError,
    Other(u32),
}

impl Flag {
    /// The payload.
    pub fn to_payload(self) -> Bytes {
        let number: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
            Self::Other(number) => number,
        };
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    /// Reads the payload.
    pub fn parse(payload: &[u8]) -> Result<Self, FrameError> {
        let number = payload.try_into().map(u32::from_be_bytes);
        let number = number.map_err(|_| FrameError::Body { what: "flag", why: format!("{} bytes, not 4", payload.len()) })?;
        Ok(match number {
            1 => Self::DisconnectToPort,
            2 => Self::TerminateSession,
            3 => Self::ConnectToPortError,
            other => Self::Other(other),
        })
    }
}

/// The exit code in an `ExitCode` payload, `EXIT_CODE: 3`.
pub fn exit_code(payload: &[u8]) -> Result<i32, FrameError> {
    let text = String::from_utf8_lossy(payload);
    let number = text.trim().trim_start_matches("EXIT_CODE:").trim();
    number.parse().map_err(|_| FrameError::Body { what: "exit code", why: format!("{number:.40?} is no number") })
}

/// The payload of an exit code.
pub fn exit_code_payload(code: i32) -> Bytes {
    format!("EXIT_CODE: {code}").into()
}

/// The client's first frame, sent as text. `Debug` hides the token, which is a bearer secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    pub message_schema_version: String,
    pub request_id: String,
    pub token_value: String,
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub client_version: String,
}

impl fmt::Debug for OpenDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenDataChannel {{ client {} {}, token hidden }}", self.client_id, self.client_version)
    }
}

impl OpenDataChannel {
    /// A new request of this client; every dial needs its own.
    pub fn new(token: &str, client_id: MessageId) -> Self {
        Self {
            message_schema_version: "1.0".into(),
            request_id: MessageId::random().to_string(),
            token_value: token.into(),
            client_id: client_id.to_string(),
            client_version: CLIENT_VERSION.into(),
        }
    }

    /// The text of the frame.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of the frame.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        parse("opening", text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(payload: &'static [u8]) -> Frame {
        Frame {
            kind: MessageType::Output,
            schema: 1,
            created: 1_795_000_000_000,
            sequence: 7,
            flags: 0,
            id: MessageId::random(),
            payload_type: PayloadType::Output,
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn a_wrong_digest_length_or_header_is_refused() {
        let good = sample(b"hello").encode();
        let change = |at: usize, to: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = to;
            Frame::decode(&bytes.into())
        };
        assert_eq!(Frame::decode(&good).unwrap().payload, "hello");
        assert_eq!(change(124, b'!'), Err(FrameError::Digest));
        assert_eq!(change(119, 4), Err(FrameError::PayloadLength { said: 4, actual: 5 }));
        assert_eq!(change(0, 0xff), Err(FrameError::HeaderLength(0xff00_0074)));
        assert_eq!(change(3, 0), Err(FrameError::HeaderLength(0)));
        assert_eq!(Frame::decode(&good.slice(..119)), Err(FrameError::HeaderLength(116)));
        assert_eq!(Frame::decode(&Bytes::new()), Err(FrameError::Short(0)));
        assert!(matches!(Frame::decode(&vec![0; MAX_FRAME + 1].into()), Err(FrameError::Long(_))));
    }

    #[test]
    fn publication_frames_need_not_be_well_formed() {
        let mut bytes = vec![0_u8; 36];
        bytes[4..21].copy_from_slice(b"pause_publication");
        assert_eq!(Frame::decode(&bytes.into()).unwrap().kind, MessageType::PausePublication);
    }

    #[test]
    fn a_longer_header_is_skipped() {
        let good = sample(b"hello").encode();
        let mut bytes = good[..116].to_vec();
        bytes[3] = 120;
        bytes.extend([9, 9, 9, 9]);
        bytes.extend(&good[116..]);
        assert_eq!(Frame::decode(&bytes.into()).unwrap().payload, "hello");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(exit_code(b"EXIT_CODE: 3"), Ok(3));
        assert_eq!(exit_code(b"EXIT_CODE: -1\n"), Ok(-1));
        assert!(exit_code(b"EXIT_CODE: many").is_err());
        assert_eq!(exit_code(&exit_code_payload(255)), Ok(255));
    }

    #[test]
    fn secrets_do_not_show() {
        let open = OpenDataChannel::new("s3cret", MessageId::random());
        assert!(!format!("{open:?}").contains("s3cret"));
        assert!(open.to_text().contains(r#""TokenValue":"s3cret","ClientId":"#));
        assert!(!format!("{:?}", sample(b"password")).contains("password"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Frame::decode(&bytes.into());
        }

        #[test]
        fn what_is_written_is_read(payload in prop::collection::vec(any::<u8>(), 0..2000), sequence in any::<i64>(),
                                   number in any::<u32>(), flags in any::<u64>(), id in any::<[u8; 16]>()) {
            let frame = Frame {
                kind: MessageType::Input, schema: 1, created: 1, sequence, flags, id: MessageId(id),
                payload_type: PayloadType::from_number(number), payload: payload.into(),
            };
            prop_assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
        }

        #[test]
        fn one_changed_byte_of_the_payload_is_noticed(at in 0usize..64, change in 1u8..) {
            let mut bytes = sample(&[b'x'; 64]).encode().to_vec();
            bytes[120 + at] ^= change;
            prop_assert_eq!(Frame::decode(&bytes.into()), Err(FrameError::Digest));
        }
    }
}
