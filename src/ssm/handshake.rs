//! Owns the handshake's bodies and the version rules: what the agent asks of a client, what the client answers, and what a
//! version number allows. It does not own when they are sent (`channel`) nor the keys (`crypt`).
//!
//! Source: aws/amazon-ssm-agent `agent/session/contracts` and the behaviour of both public peers.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ssm::frame::CLIENT_VERSION;

/// What the agent runs, as the handshake names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionType {
    /// `Standard_Stream`: a shell.
    Shell,
    /// `InteractiveCommands`: one command on a terminal.
    InteractiveCommand,
    /// `NonInteractiveCommands`: one command without a terminal.
    NonInteractiveCommand,
    /// `Port`: a forward, or the byte stream of an SSH session.
    Port,
}

impl SessionType {
    /// The name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shell => "Standard_Stream",
            Self::InteractiveCommand => "InteractiveCommands",
            Self::NonInteractiveCommand => "NonInteractiveCommands",
            Self::Port => "Port",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Shell, Self::InteractiveCommand, Self::NonInteractiveCommand, Self::Port].into_iter().find(|t| t.name() == name)
    }
}

/// How the bytes of a `Port` session are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortMode {
    /// smux v1: many connections.
    Mux,
    /// One connection at a time, raw; agents up to 3.0.196.0.
    Basic,
    /// One raw stream for the whole session (`AWS-StartSSHSession`).
    Stream,
}

/// A dotted version number, compared component by component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads `3.1.1511.0`. Anything else is an empty version, which is newer than none.
    pub fn parse(text: &str) -> Self {
        let parts: Option<Vec<u64>> = text.trim().split('.').take(9).map(|part| part.parse().ok()).collect();
        Self(parts.unwrap_or_default())
    }

    /// Whether this is strictly newer. Numbers of unequal length count as not newer, as in the plugin.
    pub fn is_newer_than(&self, other: &str) -> bool {
        let other = Self::parse(other);
        self.0.len() == other.0.len() && self.0 > other.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// The agent's first stream message of an encrypted or `Port` or non-interactive session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    #[serde(default)]
    pub agent_version: String,
    #[serde(default)]
    pub requested_client_actions: Vec<RequestedAction>,
}

/// One thing that the agent asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    #[serde(default)]
    pub action_type: String,
    #[serde(default)]
    pub action_parameters: Value,
}

/// The client's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    pub client_version: String,
    pub processed_client_actions: Vec<ProcessedAction>,
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// The answer to one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    pub action_type: String,
    /// 1 success, 2 failed, 3 unsupported.
    pub action_status: u8,
    #[serde(default)]
    pub action_result: Option<Value>,
    #[serde(default)]
    pub error: String,
}

/// The agent's last word of the handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HandshakeComplete {
    /// Nanoseconds.
    pub handshake_time_to_complete: i64,
    pub customer_message: String,
}

/// Body of both challenge messages: base64 of an encrypted random value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Challenge {
    pub challenge: String,
}

/// A handshake body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the agent's {what} cannot be read: {why}; the session cannot go on")]
pub struct HandshakeError {
    pub what: &'static str,
    pub why: String,
}

macro_rules! bodies {
    ($($body:ty = $what:literal),*) => {$(
        impl $body {
            /// Reads the payload.
            pub fn parse(payload: &[u8]) -> Result<Self, HandshakeError> {
                serde_json::from_slice(payload).map_err(|e| HandshakeError { what: $what, why: e.to_string() })
            }

            /// The payload.
            pub fn to_payload(&self) -> Bytes {
                serde_json::to_vec(self).unwrap_or_default().into()
            }
        }
    )*};
}

bodies!(
    HandshakeRequest = "handshake request",
    HandshakeResponse = "handshake response",
    HandshakeComplete = "handshake completion",
    Challenge = "encryption challenge"
);

/// What a handshake request asks, in our words.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub agent: Version,
    /// The session type and its properties, when it is one we know.
    pub session: Option<(SessionType, Value)>,
    pub encryption: Option<KmsRequest>,
    answers: Vec<Planned>,
}

#[derive(Debug, Clone, PartialEq)]
enum Planned {
    Ready(ProcessedAction),
    Kms,
}

/// The KMS action: the key to use and the agent's random challenge, which newer agents send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsRequest {
    pub key_id: String,
    pub challenge: Option<String>,
}

impl Asked {
    /// Decides each action of the request. At most 16 are looked at; agents send one or two.
    pub fn of(request: &HandshakeRequest) -> Self {
        let mut asked =
            Self { agent: Version::parse(&request.agent_version), session: None, encryption: None, answers: Vec::new() };
        for action in request.requested_client_actions.iter().take(16) {
            let text = |key: &str| action.action_parameters.get(key).and_then(Value::as_str).unwrap_or_default();
            let planned = match action.action_type.as_str() {
                "SessionType" => match SessionType::from_name(text("SessionType")) {
                    Some(kind) => {
                        let properties = action.action_parameters.get("Properties").cloned().unwrap_or_default();
                        asked.session = Some((kind, properties));
                        Planned::Ready(answer(action, 1, None, String::new()))
                    }
                    None => {
                        let named = text("SessionType");
                        Planned::Ready(answer(action, 2, None, format!("Unknown session type {named:.60}")))
                    }
                },
                "KMSEncryption" if asked.encryption.is_none() && !text("KMSKeyId").is_empty() => {
                    let challenge = Some(text("Challenge")).filter(|c| !c.is_empty()).map(str::to_owned);
                    asked.encryption = Some(KmsRequest { key_id: text("KMSKeyId").to_owned(), challenge });
                    Planned::Kms
                }
                "KMSEncryption" => Planned::Ready(answer(action, 2, None, "One KMSKeyId is needed".into())),
                other => Planned::Ready(answer(action, 3, None, format!("Unsupported action {other:.60}"))),
            };
            asked.answers.push(planned);
        }
        asked
    }

    /// The response. `key` is what KMS gave for [`Asked::encryption`]: the encrypted data key in base64, or why there is none.
    pub fn response(&self, key: Option<&Result<String, String>>) -> HandshakeResponse {
        let mut errors = Vec::new();
        let mut processed = Vec::new();
        for planned in &self.answers {
            let done = match (planned, key) {
                (Planned::Ready(done), _) => done.clone(),
                (Planned::Kms, Some(Ok(wrapped))) => {
                    let mut result = serde_json::Map::new();
                    result.insert("KMSCipherTextKey".into(), wrapped.as_str().into());
                    result.insert("KMSCipherTextHash".into(), Value::Null);
                    if self.encryption.as_ref().is_some_and(|k| k.challenge.is_some()) {
                        result.insert("ChallengeAcknowledgement".into(), true.into());
                    }
                    kms(1, Some(result.into()), String::new())
                }
                (Planned::Kms, Some(Err(why))) => kms(2, None, why.clone()),
                (Planned::Kms, None) => kms(2, None, "no data key".into()),
            };
            if done.action_status != 1 {
                errors.push(done.error.clone());
            }
            processed.push(done);
        }
        HandshakeResponse {
            client_version: CLIENT_VERSION.into(),
            processed_client_actions: processed,
            errors: Some(errors).filter(|e| !e.is_empty()),
        }
    }

    /// How the bytes of a `Port` session are to be read; `None` when it is none.
    pub fn port_mode(&self) -> Option<PortMode> {
        let (SessionType::Port, properties) = self.session.as_ref()? else { return None };
        if properties.get("type").and_then(Value::as_str) != Some("LocalPortForwarding") {
            return Some(PortMode::Stream);
        }
        Some(if self.agent.is_newer_than("3.0.196.0") { PortMode::Mux } else { PortMode::Basic })
    }

    /// Whether the agent sends no smux keep-alives and wants none.
    pub fn quiet_mux(&self) -> bool {
        self.agent.is_newer_than("3.1.1511.0")
    }

    /// Whether a `Port` session can be ended by [`crate::ssm::frame::Flag::TerminateSession`].
    pub fn understands_terminate(&self) -> bool {
        self.agent.is_newer_than("2.3.722.0")
    }
}

fn answer(action: &RequestedAction, status: u8, result: Option<Value>, error: String) -> ProcessedAction {
    ProcessedAction { action_type: action.action_type.clone(), action_status: status, action_result: result, error }
}

fn kms(status: u8, result: Option<Value>, error: String) -> ProcessedAction {
    ProcessedAction { action_type: "KMSEncryption".into(), action_status: status, action_result: result, error }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn asked(actions: &Value) -> Asked {
        let body = json!({"AgentVersion": "3.3.0.0", "RequestedClientActions": actions});
        Asked::of(&HandshakeRequest::parse(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn versions_compare_as_numbers_and_unequal_lengths_are_not_newer() {
        assert!(Version::parse("3.1.1511.1").is_newer_than("3.1.1511.0"));
        assert!(Version::parse("3.10.0.0").is_newer_than("3.9.9999.0"));
        assert!(!Version::parse("3.0.196.0").is_newer_than("3.0.196.0"));
        assert!(!Version::parse("4.0.0").is_newer_than("3.0.196.0"));
        assert!(!Version::parse("latest").is_newer_than("3.0.196.0"));
    }

    #[test]
    fn a_port_session_is_answered_to_the_byte() {
        let action = json!([{"ActionType": "SessionType", "ActionParameters":
            {"SessionType": "Port", "Properties": {"portNumber": "80", "type": "LocalPortForwarding"}}}]);
        let asked = asked(&action);
        assert_eq!(asked.port_mode(), Some(PortMode::Mux));
        let text = String::from_utf8(asked.response(None).to_payload().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#
        );
    }

    #[test]
    fn unknown_types_fail_and_unknown_actions_are_unsupported() {
        let asked = asked(&json!([{"ActionType": "SessionType", "ActionParameters": {"SessionType": "Teleport"}},
            {"ActionType": "Dance"}]));
        let response = asked.response(None);
        assert_eq!(response.processed_client_actions[0].action_status, 2);
        assert_eq!(response.processed_client_actions[1].action_status, 3);
        assert_eq!(response.errors.unwrap().len(), 2);
    }

    #[test]
    fn the_challenge_is_acknowledged_only_when_there_is_one() {
        let with = asked(&json!([{"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "k", "Challenge": "AA=="}}]));
        let without = asked(&json!([{"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "k"}}]));
        let result = |a: &Asked| a.response(Some(&Ok("Y2lwaGVy".into()))).processed_client_actions[0].action_result.clone();
        assert_eq!(
            result(&with).unwrap().to_string(),
            r#"{"KMSCipherTextKey":"Y2lwaGVy","KMSCipherTextHash":null,"ChallengeAcknowledgement":true}"#
        );
        assert!(!result(&without).unwrap().to_string().contains("Challenge"));
        let denied = with.response(Some(&Err("AccessDenied".into())));
        assert_eq!(denied.processed_client_actions[0].action_status, 2);
        assert_eq!(denied.errors, Some(vec!["AccessDenied".to_owned()]));
    }

    #[test]
    fn old_agents_and_ssh_have_their_own_mode() {
        let mut old = asked(&json!([{"ActionType": "SessionType", "ActionParameters":
            {"SessionType": "Port", "Properties": {"portNumber": "80", "type": "LocalPortForwarding"}}}]));
        old.agent = Version::parse("3.0.196.0");
        assert_eq!(old.port_mode(), Some(PortMode::Basic));
        let ssh = asked(&json!([{"ActionType": "SessionType", "ActionParameters":
            {"SessionType": "Port", "Properties": {"portNumber": "22"}}}]));
        assert_eq!(ssh.port_mode(), Some(PortMode::Stream));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_body_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = HandshakeRequest::parse(&bytes) {
                Asked::of(&request).response(None);
            }
            let _ = (HandshakeComplete::parse(&bytes), Challenge::parse(&bytes), HandshakeResponse::parse(&bytes));
        }
    }
}
