//! A ledger's end at one moment, signed if there is a key: what is kept elsewhere tells a chain that was rewritten as a
//! whole. The signature is minisign's, over [`Checkpoint::message`], so that `minisign -V` verifies it as well.

use jiff::Timestamp;
use minisign::SecretKeyBox;
use minisign_verify::{PublicKey, Signature};

use crate::model::decision::{Head, moment};

/// A ledger's end at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's own id.
    pub ledger: String,
    pub head: Head,
    pub at: Timestamp,
    /// A minisign signature file's text; empty where it is not signed.
    pub signature: String,
}

/// Why a checkpoint cannot be made or is not genuine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("the signing key cannot be used: {0}; give a minisign secret key and its password")]
    Key(String),
    #[error("the public key cannot be read: {0}; give a minisign public key, a file's text or its one line of base64")]
    PublicKey(String),
    #[error("it is not signed")]
    NotSigned,
    #[error("its signature is not one of this key over this checkpoint: {0}")]
    Forged(String),
    #[error("{0:?} is no checkpoint: it needs the five lines that `bartizan ledger checkpoint` writes")]
    Form(String),
}

impl Checkpoint {
    /// Takes a checkpoint, without a signature.
    pub fn new(ledger: &str, head: Head, at: Timestamp) -> Self {
        Self { ledger: ledger.to_owned(), head, at: moment::milliseconds(at), signature: String::new() }
    }

    /// The signed text: five lines, each with its line feed.
    pub fn message(&self) -> String {
        let Self { ledger, head, at, .. } = self;
        let at = moment::text(*at);
        format!("bartizan checkpoint 1\nledger {ledger}\nsequence {}\nhash {}\nat {at}\n", head.sequence, head.hash)
    }

    /// Reads a message and its signature file's text (empty where there is none).
    ///
    /// # Errors
    /// Where the message is none.
    pub fn from_message(message: &str, signature: &str) -> Result<Self, CheckpointError> {
        let form = || CheckpointError::Form(message.chars().take(80).collect());
        let mut lines = message.lines();
        let mut value = |name: &str| lines.next().and_then(|l| l.strip_prefix(name)).ok_or_else(form);
        value("bartizan checkpoint 1")?;
        let ledger = value("ledger ")?.to_owned();
        let sequence = value("sequence ")?.parse().map_err(|_| form())?;
        let hash = value("hash ")?.parse().map_err(|_| form())?;
        let at = value("at ")?.parse().map_err(|_| form())?;
        let read = Self { ledger, head: Head { sequence, hash }, at, signature: signature.to_owned() };
        if read.message() == message { Ok(read) } else { Err(form()) }
    }

    pub(crate) fn from_stored(ledger: &str, sequence: i64, at: &str, hash: &str, signature: String) -> Result<Self, String> {
        let bad = || format!("the checkpoint at entry {sequence} cannot be read");
        let head = Head { sequence: u64::try_from(sequence).map_err(|_| bad())?, hash: hash.parse().map_err(|_| bad())? };
        Ok(Self { ledger: ledger.to_owned(), head, at: at.parse().map_err(|_| bad())?, signature })
    }

    /// Signs it with a minisign secret key, the text of its file. An empty password is for keys made without one.
    ///
    /// # Errors
    /// Where key or password are wrong.
    pub fn sign(&mut self, secret_key: &str, password: &str) -> Result<(), CheckpointError> {
        let key = |e: minisign::PError| CheckpointError::Key(e.to_string());
        let boxed = SecretKeyBox::from_string(secret_key).map_err(key)?;
        let secret = match password {
            "" => boxed.into_unencrypted_secret_key(),
            // Never `None`: that would ask on the terminal.
            password => boxed.into_secret_key(Some(password.to_owned())),
        };
        let secret = secret.map_err(key)?;
        let trusted = format!("bartizan ledger {} entry {}", self.ledger, self.head.sequence);
        let signed = minisign::sign(None, &secret, self.message().as_bytes(), Some(&trusted), Some("bartizan ledger checkpoint"));
        self.signature = signed.map_err(key)?.into_string();
        Ok(())
    }

    /// Whether its signature is this public key's (a minisign public key file's text, or its line of base64).
    ///
    /// # Errors
    /// Where it is not signed, or not by this key.
    pub fn verify(&self, public_key: &str) -> Result<(), CheckpointError> {
        let text = public_key.trim();
        let key = if text.contains('\n') { PublicKey::decode(text) } else { PublicKey::from_base64(text) };
        let key = key.map_err(|e| CheckpointError::PublicKey(e.to_string()))?;
        if self.signature.is_empty() {
            return Err(CheckpointError::NotSigned);
        }
        let forged = |e: minisign_verify::Error| CheckpointError::Forged(e.to_string());
        let signature = Signature::decode(&self.signature).map_err(forged)?;
        key.verify(self.message().as_bytes(), &signature, false).map_err(forged)
    }
}
