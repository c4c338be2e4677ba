//! Key Management Service: the keys of a region with their policies and grants, and the data key of an encrypted session.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::error::Failure;
use crate::aws::json::{Action, target};
use crate::aws::policies::{Codes, each};
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::resource::{Grant, Resource};

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

/// The same page: 500 a second and more for reading keys and policies, 100 for grants.
const READS: Rate = Rate { per_second: 20.0, burst: 40.0 };

const fn read(action: &'static str, paginated: Option<&'static str>, what: &'static str) -> Call {
    Call { action, reach: Reach::PerRegion, rate: READS, paginated, what, wire: Wire::Json }
}

const LIST_KEYS: Call = read("kms:ListKeys", Some("NextMarker"), "KMS keys");
const KEY_POLICY: Call = read("kms:GetKeyPolicy", None, "policies of KMS keys");
const GRANTS: Call = read("kms:ListGrants", Some("NextMarker"), "grants on KMS keys");

/// Every API action this file calls.
pub const CALLS: &[Call] = &[GENERATE_DATA_KEY, LIST_KEYS, KEY_POLICY, GRANTS];

/// `TrentService` is the service's name on the wire.
struct GenerateDataKey;

impl Action for GenerateDataKey {
    const CALL: Call = GENERATE_DATA_KEY;
    const HEADERS: [(&'static str, &'static str); 2] = target("TrentService.GenerateDataKey");
}

macro_rules! actions {
    ($($name:ident $call:ident $target:literal;)+) => {
        $(struct $name;
        impl Action for $name {
            const CALL: Call = $call;
            const HEADERS: [(&'static str, &'static str); 2] = target($target);
        })+
    };
}

actions! {
    ListKeys LIST_KEYS "TrentService.ListKeys";
    GetKeyPolicy KEY_POLICY "TrentService.GetKeyPolicy";
    ListGrants GRANTS "TrentService.ListGrants";
}

const CODES: Codes = Codes { none: &[], gone: &["NotFoundException"] };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    key_id: String,
    key_arn: String,
}

/// The keys of an account and region, with their grants.
pub(super) async fn keys(scope: &Scope) -> Answer<Vec<Resource>> {
    let page = |mut body: serde_json::Value, marker: Option<String>| {
        if let Some(marker) = marker {
            body["Marker"] = marker.into();
        }
        body
    };
    let mut keys: Vec<Key> = Vec::new();
    let next = |marker| scope.json::<ListKeys>(&page(json!({"Limit": 1000}), marker));
    let listed = scope.pages(next, |mut answer| objects(&mut answer, "Keys", &mut keys)).await;
    let asked = keys.into_iter().map(|key| (key.key_arn, key.key_id)).collect();
    let ask = |id: String| async move {
        let request = scope.json::<GetKeyPolicy>(&json!({"KeyId": id, "PolicyName": "default"}));
        let answer = scope.value(&request).await?;
        Ok(answer["Policy"].as_str().map(str::to_owned))
    };
    let (mut value, policies) = each(KEY_POLICY, CODES, asked, ask).await;
    let mut granted = Tally::new(GRANTS);
    let arns: Vec<String> = value.iter().map(|key| key.arn.clone()).collect();
    let mut each = futures_util::stream::iter(arns)
        .map(|arn| async move {
            let mut grants: Vec<Grant> = Vec::new();
            let next = |marker| scope.json::<ListGrants>(&page(json!({"KeyId": arn, "Limit": 100}), marker));
            let tally = scope.pages(next, |mut answer| objects(&mut answer, "Grants", &mut grants)).await;
            grants.sort_by(|a, b| a.grant_id.cmp(&b.grant_id));
            (grants, tally)
        })
        .buffered(8);
    let mut at = 0;
    while let Some((grants, tally)) = each.next().await {
        let gone = tally.failure.as_ref().is_some_and(|f| CODES.gone.contains(&f.code.as_str()));
        // Whom a grant lets in that was not read is not known.
        value[at].unread |= tally.failure.is_some() && !gone;
        value[at].grants = grants;
        if !gone {
            granted.join(tally);
        }
        at += 1;
    }
    drop(each);
    Answer { value, coverage: vec![scope.covered(&listed), scope.covered(&policies), scope.covered(&granted)] }
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
