//! Owns the encryption of a session with a KMS key: the two halves of the data key, sealing and opening payloads, and the
//! answer to the agent's challenge. It does not own the call to KMS (the caller's [`crate::ssm::service::Service`]) nor which
//! payloads are encrypted ([`crate::ssm::frame::PayloadType::is_encrypted`]).
//!
//! AES-256-GCM, 12 byte nonce, no associated data; on the wire nonce, ciphertext, tag (16 bytes).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use bytes::Bytes;

/// Length of the plain data key that KMS is asked for, in bytes.
pub const DATA_KEY_LEN: usize = 64;
const TAG_LEN: usize = 16;

/// Why a payload or a key could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    #[error("the data key from KMS is {0} bytes long, not {DATA_KEY_LEN}; the session cannot be encrypted")]
    KeyLength(usize),
    #[error("an encrypted message of {0} bytes is too short; it was dropped")]
    Short(usize),
    #[error("an encrypted message does not open with the session's key; it was dropped")]
    Open,
    #[error("a message could not be encrypted; nothing was sent")]
    Seal,
}

/// Which end of the session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Agent,
}

/// The keys of one session, one for each direction. `Debug` shows nothing of them.
pub struct SessionKeys {
    seal: LessSafeKey,
    open: LessSafeKey,
    /// A random start, counted up for each message: never the same twice under one key.
    nonce: [u8; NONCE_LEN],
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(hidden)")
    }
}

impl SessionKeys {
    /// Splits the plain data key: its first half is the agent's sealing key, its second the client's.
    pub fn new(data_key: &[u8], side: Side) -> Result<Self, CryptError> {
        if data_key.len() != DATA_KEY_LEN {
            return Err(CryptError::KeyLength(data_key.len()));
        }
        let (agent, client) = data_key.split_at(DATA_KEY_LEN / 2);
        let (seal, open) = match side {
            Side::Client => (client, agent),
            Side::Agent => (agent, client),
        };
        let key = |half: &[u8]| UnboundKey::new(&AES_256_GCM, half).map(LessSafeKey::new).map_err(|_| CryptError::Seal);
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| CryptError::Seal)?;
        Ok(Self { seal: key(seal)?, open: key(open)?, nonce })
    }

    /// Encrypts a payload.
    pub fn seal(&mut self, plain: &[u8]) -> Result<Bytes, CryptError> {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&self.nonce);
        let next = u128::from_be_bytes(wide).wrapping_add(1).to_be_bytes();
        self.nonce.copy_from_slice(&next[4..]);
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
        sealed.extend_from_slice(&self.nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let tag = self.seal.seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[NONCE_LEN..]);
        sealed.extend_from_slice(tag.map_err(|_| CryptError::Seal)?.as_ref());
        Ok(sealed.into())
    }

    /// Decrypts a payload.
    pub fn open(&self, sealed: &[u8]) -> Result<Bytes, CryptError> {
        if sealed.len() < NONCE_LEN + TAG_LEN {
            return Err(CryptError::Short(sealed.len()));
        }
        let (nonce, body) = sealed.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptError::Open)?;
        let mut body = body.to_vec();
        let length = self.open.open_in_place(nonce, Aad::empty(), &mut body).map_err(|_| CryptError::Open)?.len();
        body.truncate(length);
        Ok(body.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair() -> (SessionKeys, SessionKeys) {
        let key: Vec<u8> = (0..64).collect();
        (SessionKeys::new(&key, Side::Client).unwrap(), SessionKeys::new(&key, Side::Agent).unwrap())
    }

    #[test]
    fn each_end_opens_what_the_other_sealed_and_not_its_own() {
        let (mut client, mut agent) = pair();
        let sealed = client.seal(b"ls\r").unwrap();
        assert_eq!(agent.open(&sealed).unwrap(), "ls\r");
        assert_eq!(client.open(&sealed), Err(CryptError::Open));
        assert_eq!(client.open(&agent.seal(b"").unwrap()).unwrap(), "");
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let (mut client, _) = pair();
        client.nonce = [0xff; 12];
        let mut seen: Vec<Bytes> = (0..1000).map(|_| client.seal(b"x").unwrap().slice(..12)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert_eq!(SessionKeys::new(&[0; 32], Side::Client).unwrap_err(), CryptError::KeyLength(32));
        assert!(!format!("{:?}", pair().0).contains('7'));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_open(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(pair().0.open(&bytes).is_err());
        }
    }
}
