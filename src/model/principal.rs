//! Principals of an account with their policies and trust, in the shapes of `iam:GetAccountAuthorizationDetails` and
//! its neighbours.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use crate::model::document::Document;

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::lenient;

/// All of one account's IAM.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    pub account: String,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    pub roles: Vec<Role>,
    pub policies: Vec<ManagedPolicy>,
    pub saml_providers: Vec<SamlProvider>,
    pub oidc_providers: Vec<OidcProvider>,
    /// None where the account has none (or it was not readable: see coverage).
    pub password_policy: Option<Extra>,
    /// `iam:GetAccountSummary`'s map.
    pub summary: Extra,
    /// The credential report's rows; empty where it was not readable.
    pub credentials: Vec<CredentialRow>,
    /// When AWS made that report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_made: Option<Timestamp>,
    pub access_keys: Vec<AccessKey>,
    /// What principals used of what they are granted, of those that were asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_accessed: Vec<LastAccessed>,
    /// More was to come behind what was read: a principal or a policy that is not here may be there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// What a file that it was read from does not say or says in two ways, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    /// It is an answer of `iam:GetAccountAuthorizationDetails` alone: nothing else was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub details_only: bool,
}

/// What one principal used, by `iam:GetServiceLastAccessedDetails`; AWS tracks 400 days.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LastAccessed {
    /// The principal's.
    pub arn: String,
    /// When AWS made the report.
    pub made: Option<Timestamp>,
    /// Every service that its policies grant anything of.
    pub services: Vec<ServiceAccess>,
    /// What CloudTrail tells beside, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trail: Option<Trail>,
}

/// What CloudTrail's event history tells of one principal: management events of at most 90 days, by
/// `cloudtrail:LookupEvents`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trail {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// Every event of the time and the regions was read; else there may be more.
    pub whole: bool,
    /// Where it was asked.
    pub regions: Vec<String>,
    /// One for each kind, by source and name.
    pub events: Vec<TrailEvent>,
}

/// One kind of event that a principal caused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrailEvent {
    /// `s3.amazonaws.com`
    pub source: String,
    /// `CreateBucket`
    pub name: String,
    pub last: Timestamp,
    pub times: u64,
}

/// One service's last use by one principal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceAccess {
    /// The prefix of its actions: `s3`.
    pub service_namespace: String,
    /// None: not within the tracking period.
    #[serde(deserialize_with = "lenient::time")]
    pub last_authenticated: Option<Timestamp>,
    /// Of services that report single actions, where that was asked for.
    #[serde(deserialize_with = "lenient::list")]
    pub tracked_actions_last_accessed: Vec<TrackedAction>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// One action's last use.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TrackedAction {
    /// `GetObject`
    pub action_name: String,
    #[serde(deserialize_with = "lenient::time")]
    pub last_accessed_time: Option<Timestamp>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InlinePolicy {
    pub policy_name: String,
    pub policy_document: Document,
}

/// A managed policy attached to a principal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttachedPolicy {
    pub policy_name: String,
    pub policy_arn: String,
}

/// The permissions boundary of a user or role.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Boundary {
    pub permissions_boundary_type: String,
    pub permissions_boundary_arn: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct User {
    pub path: String,
    pub user_name: String,
    pub user_id: String,
    pub arn: String,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::list")]
    pub user_policy_list: Vec<InlinePolicy>,
    #[serde(deserialize_with = "lenient::list")]
    pub group_list: Vec<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(deserialize_with = "lenient::maybe")]
    pub permissions_boundary: Option<Boundary>,
    #[serde(with = "tags")]
    pub tags: Tags,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Group {
    pub path: String,
    pub group_name: String,
    pub group_id: String,
    pub arn: String,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::list")]
    pub group_policy_list: Vec<InlinePolicy>,
    #[serde(deserialize_with = "lenient::list")]
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Role {
    pub path: String,
    pub role_name: String,
    pub role_id: String,
    pub arn: String,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    /// Who may become it: the trust policy.
    pub assume_role_policy_document: Document,
    #[serde(deserialize_with = "lenient::list")]
    pub instance_profile_list: Vec<InstanceProfile>,
    #[serde(deserialize_with = "lenient::list")]
    pub role_policy_list: Vec<InlinePolicy>,
    #[serde(deserialize_with = "lenient::list")]
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(deserialize_with = "lenient::maybe")]
    pub permissions_boundary: Option<Boundary>,
    #[serde(with = "tags")]
    pub tags: Tags,
    #[serde(deserialize_with = "lenient::maybe")]
    pub role_last_used: Option<LastUsed>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// When and where a role was last used; AWS tracks 400 days.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LastUsed {
    #[serde(deserialize_with = "lenient::time")]
    pub last_used_date: Option<Timestamp>,
    pub region: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InstanceProfile {
    pub instance_profile_name: String,
    pub arn: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManagedPolicy {
    pub policy_name: String,
    pub policy_id: String,
    pub arn: String,
    pub path: String,
    pub default_version_id: String,
    #[serde(deserialize_with = "lenient::number")]
    pub attachment_count: Option<i64>,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::time")]
    pub update_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::list")]
    pub policy_version_list: Vec<PolicyVersion>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl ManagedPolicy {
    /// The document in force.
    pub fn default_document(&self) -> Option<&Document> {
        self.policy_version_list.iter().find(|v| v.is_default_version).map(|v| &v.document)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PolicyVersion {
    pub document: Document,
    pub version_id: String,
    #[serde(deserialize_with = "lenient::flag")]
    pub is_default_version: bool,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
}

/// An identity provider that speaks SAML.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SamlProvider {
    pub arn: String,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    /// When its metadata runs out.
    #[serde(deserialize_with = "lenient::time")]
    pub valid_until: Option<Timestamp>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// An identity provider that speaks OpenID Connect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OidcProvider {
    pub arn: String,
    pub url: String,
    #[serde(rename = "ClientIDList", deserialize_with = "lenient::list")]
    pub client_id_list: Vec<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub thumbprint_list: Vec<String>,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    #[serde(with = "tags")]
    pub tags: Tags,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A row of the credential report; columns as AWS names them, in the report's order.
pub type CredentialRow = serde_json::Map<String, Value>;

/// Whether something is on by a row of the report; none where it does not tell.
pub fn is_on(row: &CredentialRow, column: &str) -> Option<bool> {
    match row.get(column)? {
        Value::Bool(on) => Some(*on),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// A long-lived access key and its last use.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccessKey {
    pub user_name: String,
    /// `AKIA…`; the id names a key, it is not its secret.
    pub access_key_id: String,
    /// `Active` or `Inactive`.
    pub status: String,
    #[serde(deserialize_with = "lenient::time")]
    pub create_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::time")]
    pub last_used_date: Option<Timestamp>,
    /// The service it last called, `N/A` where it never did.
    pub last_used_service: String,
    pub last_used_region: String,
}

/// AWS's list of `{Key, Value}` as a map, and back.
pub mod tags {
    use super::{Deserialize, Deserializer, Serializer, Tags, lenient};
    use serde::Serialize;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        #[serde(default)]
        value: String,
    }

    pub fn serialize<S: Serializer>(tags: &Tags, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Tags, D::Error> {
        Ok(lenient::list::<D, Tag>(d)?.into_iter().map(|t| (t.key, t.value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_read_from_every_shape_aws_uses() {
        for text in
            [r#""%7B%22Version%22%3A%222012-10-17%22%7D""#, r#""{\"Version\":\"2012-10-17\"}""#, r#"{"Version":"2012-10-17"}"#]
        {
            let document: Document = serde_json::from_str(text).unwrap();
            assert_eq!(document.0, r#"{"Version":"2012-10-17"}"#);
        }
    }

    #[test]
    fn unknown_fields_are_kept() {
        let text = r#"{"RoleName":"r","Tags":[{"Key":"team","Value":"x"}],"RoleLastUsed":"","NewField":{"a":[1]}}"#;
        let role: Role = serde_json::from_str(text).unwrap();
        assert_eq!(role.tags["team"], "x");
        assert_eq!(role.role_last_used, None);
        assert_eq!(role.extra["NewField"]["a"][0], 1);
        let again: Role = serde_json::from_str(&serde_json::to_string(&role).unwrap()).unwrap();
        assert_eq!(again, role);
    }
}
