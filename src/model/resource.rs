//! Resources that may carry a policy of their own: buckets, keys, queues, topics, functions, secrets, repositories. Of each
//! its name and what its policy says; what that means is judged elsewhere.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::document::Document;

/// A resource and the policy on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    pub arn: String,
    /// Its policy; none where it has none, or where [`Self::unread`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Document>,
    /// What its policy says could not be read: coverage tells why.
    #[serde(skip_serializing_if = "is_false")]
    pub unread: bool,
    /// Of a bucket: a policy that lets everyone in lets in only the account itself and AWS's services
    /// (`RestrictPublicBuckets`, the bucket's or its account's). None where that was not read, and of everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted: Option<bool>,
    /// Of buckets and secrets.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Of a KMS key: its grants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

impl Resource {
    /// The service that it is of, as ARNs name it: `s3`.
    pub fn service(&self) -> &str {
        self.arn.split(':').nth(2).unwrap_or_default()
    }
}

/// A grant on a KMS key, in the shape of `kms:ListGrants`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Grant {
    pub grant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may use the key by it.
    pub grantee_principal: String,
    /// `Decrypt`, `GenerateDataKey`
    pub operations: Vec<String>,
    /// On which encryption context it rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Extra>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
