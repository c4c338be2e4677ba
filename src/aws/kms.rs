//! Key Management Service: the data key of an encrypted session.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use serde_json::json;
use zeroize::Zeroizing;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::error::Failure;
use crate::aws::json::{Action, target};
use crate::aws::scope::Scope;

/// 5,500 a second and more for an account, shared by all who use keys
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>); a session needs one.
const GENERATE_DATA_KEY: Call = Call {
    action: "kms:GenerateDataKey",
    reach: Reach::Node,
    rate: Rate { per_second: 20.0, burst: 40.0 },
    paginated: None,
    what: "sessions that are encrypted with a KMS key",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[GENERATE_DATA_KEY];

/// `TrentService` is the service's name on the wire.
struct GenerateDataKey;

impl Action for GenerateDataKey {
    const CALL: Call = GENERATE_DATA_KEY;
    const HEADERS: [(&'static str, &'static str); 2] = target("TrentService.GenerateDataKey");
}

/// A data key: plain for us, encrypted for the other side. `Debug` hides it.
pub struct DataKey {
    pub plain: Zeroizing<Vec<u8>>,
    pub encrypted: Vec<u8>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// A new data key of so many bytes, bound to a context.
///
/// # Errors
/// KMS's refusal.
pub async fn data_key(scope: &Scope, key: &str, context: &BTreeMap<String, String>, bytes: usize) -> Result<DataKey, Failure> {
    let body = json!({"KeyId": key, "EncryptionContext": context, "NumberOfBytes": bytes});
    let answer = scope.value(&scope.json::<GenerateDataKey>(&body)).await?;
    let field = |name: &str| BASE64.decode(answer[name].as_str().unwrap_or_default().as_bytes()).unwrap_or_default();
    let (plain, encrypted) = (Zeroizing::new(field("Plaintext")), field("CiphertextBlob"));
    if plain.len() != bytes || encrypted.is_empty() {
        return Err(Failure::unreadable("kms:GenerateDataKey answered without the key that was asked for"));
    }
    Ok(DataKey { plain, encrypted })
}
