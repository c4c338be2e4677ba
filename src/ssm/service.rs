//! Owns what this room asks of its caller: starting, resuming and ending sessions, credentials, data keys. It does not own how
//! they are asked of AWS.
//!
//! Sources: the Systems Manager API reference (`StartSession`, `ResumeSession`, `TerminateSession`), the KMS API reference
//! (`GenerateDataKey`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use aws_credential_types::Credentials;
use zeroize::Zeroizing;

/// A future that a trait object can give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A session's bearer token. Hidden from `Debug` and wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes the `TokenValue`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// What `StartSession` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// Instance id, or `ecs:<cluster>_<task id>_<container runtime id>`.
    pub target: String,
    /// The session document; the account's own shell document when none is named.
    pub document: Option<String>,
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Why the session is opened; AWS keeps up to 256 characters.
    pub reason: Option<String>,
}

impl StartRequest {
    fn of(target: &str, document: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect();
        Self { target: target.into(), document: Some(document.into()), parameters, reason: None }
    }

    /// A shell, by the account's own session preferences.
    pub fn shell(target: &str) -> Self {
        Self { target: target.into(), ..Self::default() }
    }

    /// One command on a terminal (`AWS-StartInteractiveCommand`).
    pub fn interactive_command(target: &str, command: &str) -> Self {
        Self::of(target, "AWS-StartInteractiveCommand", &[("command", command)])
    }

    /// One command without a terminal (`AWS-StartNonInteractiveCommand`), its error stream apart, its exit code told.
    pub fn command(target: &str, command: &str) -> Self {
        let streams = [("command", command), ("separateOutputStream", "true")];
        Self::of(target, "AWS-StartNonInteractiveCommand", &streams)
    }

    /// A forward to a port of the node itself (`AWS-StartPortForwardingSession`).
    pub fn port(target: &str, port: u16) -> Self {
        Self::of(target, "AWS-StartPortForwardingSession", &[("portNumber", &port.to_string()), ("localPortNumber", "0")])
    }

    /// A forward through the node to another host (`AWS-StartPortForwardingSessionToRemoteHost`). Newer agents refuse loopback
    /// and metadata addresses here.
    pub fn remote_port(target: &str, host: &str, port: u16) -> Self {
        let port = port.to_string();
        let parameters = [("host", host), ("portNumber", port.as_str()), ("localPortNumber", "0")];
        Self::of(target, "AWS-StartPortForwardingSessionToRemoteHost", &parameters)
    }

    /// A forward of a port of the node to a Unix socket here (`AWS-StartPortForwardingSessionToSocket`).
    pub fn socket(target: &str, port: u16, socket: &str) -> Self {
        let port = port.to_string();
        Self::of(target, "AWS-StartPortForwardingSessionToSocket", &[("portNumber", &port), ("localUnixSocket", socket)])
    }

    /// The byte stream of an SSH connection (`AWS-StartSSHSession`).
    pub fn ssh(target: &str, port: u16) -> Self {
        Self::of(target, "AWS-StartSSHSession", &[("portNumber", &port.to_string())])
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.chars().take(256).collect());
        self
    }
}

/// What `StartSession` (or `ecs:ExecuteCommand`) answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub session_id: String,
    pub token: Token,
    pub stream_url: String,
}

/// What `ResumeSession` answered. Without a token the session has timed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    pub token: Option<Token>,
    /// The new address, if it changed.
    pub stream_url: Option<String>,
}

/// What KMS is asked: `GenerateDataKey` for [`crate::ssm::crypt::DATA_KEY_LEN`] bytes under this context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRequest {
    pub key_id: String,
    /// Exactly these entries; the agent decrypts with the same.
    pub context: BTreeMap<String, String>,
}

/// A data key: plain for us, encrypted for the agent.
#[derive(Clone)]
pub struct DataKey {
    pub plain: Zeroizing<Vec<u8>>,
    /// `CiphertextBlob`.
    pub encrypted: Vec<u8>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// What kind of refusal the caller's side met; it decides whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not allowed with these credentials.
    Denied,
    /// There is no such session any more.
    Gone,
    /// The target is no managed node, or is not connected.
    Offline,
    /// The request itself is wrong.
    Invalid,
    /// Slow down, or the service or the network is not reachable now; worth another try.
    Retry,
}

/// An answer of the caller's side that is no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    pub refusal: Refusal,
    /// What was tried, on what, why it failed.
    pub message: String,
}

impl ServiceError {
    /// An error of this kind.
    pub fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Self { refusal, message: message.into() }
    }
}

/// The caller's side: the AWS calls of a session. Every call may be made many times; `credentials` must give fresh ones each time,
/// because a session outlives the credentials it was started with.
pub trait Service: Send + Sync + 'static {
    /// `ssm:StartSession`.
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>>;
    /// `ssm:ResumeSession`.
    fn resume<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>>;
    /// `ssm:TerminateSession`.
    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>>;
    /// The credentials that sign an upgrade; without any it goes unsigned.
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>>;
    /// `kms:GenerateDataKey`.
    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>>;
}
