//! Owns the loopback stand-in for KMS: data keys that open only under the context they were made with.

use std::collections::BTreeMap;
use std::sync::Mutex;

use zeroize::Zeroizing;

use crate::ssm::crypt::DATA_KEY_LEN;
use crate::ssm::service::{DataKey, DataKeyRequest};

type Kept = (BTreeMap<String, String>, Zeroizing<Vec<u8>>);

/// The keys that were given out, by their encrypted form.
#[derive(Default)]
pub(super) struct Kms {
    keys: Mutex<BTreeMap<Vec<u8>, Kept>>,
}

impl Kms {
    pub(super) fn generate(&self, request: &DataKeyRequest) -> DataKey {
        let plain: Zeroizing<Vec<u8>> = Zeroizing::new((0..DATA_KEY_LEN).map(|_| fastrand::u8(..)).collect());
        let encrypted = fastrand::u128(..).to_be_bytes().to_vec();
        if let Ok(mut keys) = self.keys.lock() {
            keys.insert(encrypted.clone(), (request.context.clone(), plain.clone()));
        }
        DataKey { plain, encrypted }
    }

    pub(super) fn decrypt(
        &self,
        encrypted: &[u8],
        session_id: &str,
        target: &str,
        challenge: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let keys = self.keys.lock().map_err(|e| e.to_string())?;
        let (context, plain) = keys.get(encrypted).ok_or("InvalidCiphertextException: unknown key")?;
        let mut expected = BTreeMap::from([
            ("aws:ssm:SessionId".to_owned(), session_id.to_owned()),
            ("aws:ssm:TargetId".to_owned(), target.to_owned()),
        ]);
        if let Some(challenge) = challenge {
            expected.insert("aws:ssm:RandomChallenge".to_owned(), challenge.to_owned());
        }
        if *context != expected {
            return Err("InvalidCiphertextException: the encryption context does not match".into());
        }
        Ok(plain.clone())
    }
}
