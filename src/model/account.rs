//! Accounts and the organisation they stand in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::document::Document;

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// Tag keys that name a class of data, without case, `-`, `_` and `:`.
const CLASSES: &[&str] =
    &["dataclass", "dataclassification", "classification", "datasensitivity", "sensitivity", "confidentiality"];

/// The class that tags tell.
pub fn class_of(tags: &Tags) -> Option<&str> {
    let plain = |key: &str| key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let of = |key: &&str| tags.iter().find(|(k, v)| plain(k) == **key && !v.trim().is_empty()).map(|(_, v)| v.trim());
    CLASSES.iter().find_map(of)
}

/// Who the console is, by `sts:GetCallerIdentity`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caller {
    pub arn: String,
    pub account: String,
    pub user_id: String,
}

/// The organisation, by `organizations:DescribeOrganization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// `o-…`
    pub id: String,
    pub management_account: String,
    /// What people call it: the management account's name.
    #[serde(default)]
    pub name: String,
    /// Every unit under the root, parents before children.
    #[serde(default)]
    pub units: Vec<Unit>,
    /// Service and resource control policies: one entry for each kind that is switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Controls>,
    /// Accounts that administer services for the organisation, by id, each with the services' principals; none where that
    /// was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegates: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub extra: Extra,
}

impl Organization {
    /// What an account administers for the organisation, by the services' principals.
    pub fn delegated_to(&self, account: &str) -> &[String] {
        self.delegates.as_ref().and_then(|all| all.get(account)).map_or(&[], Vec::as_slice)
    }
    /// What policies are attached to so that they are over an account: the root, each unit down to it, itself.
    pub fn above<'a>(&'a self, account: &'a Account) -> Vec<&'a str> {
        let over = |unit: &&Unit| {
            unit.path.is_empty()
                || account.ou_path.strip_prefix(&unit.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut units: Vec<&Unit> = self.units.iter().filter(over).collect();
        units.sort_by_key(|u| u.path.len());
        units.into_iter().map(|u| u.id.as_str()).chain([account.id.as_str()]).collect()
    }
    /// The documents of one kind over an account, by level from the root down; none where that kind is switched off, was
    /// not read whole, or has no say over the account.
    pub fn levels(&self, kind: ControlKind, account: &Account) -> Vec<Vec<(String, Document)>> {
        // Neither kind limits the management account.
        let Some(all) = self.controls.iter().find(|c| c.kind == kind && c.whole && account.id != self.management_account) else {
            return Vec::new();
        };
        let at = |target: &str| -> Vec<(String, Document)> {
            let here = all.policies.iter().filter(|p| p.targets.iter().any(|t| t == target));
            here.map(|p| (p.name.clone(), p.document.clone())).collect()
        };
        self.above(account).into_iter().map(at).collect()
    }
}

/// A kind of policy that limits whole accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ControlKind {
    #[serde(rename = "SERVICE_CONTROL_POLICY")]
    Service,
    #[serde(rename = "RESOURCE_CONTROL_POLICY")]
    Resource,
}

impl ControlKind {
    pub const ALL: &'static [Self] = &[Self::Service, Self::Resource];
    /// As AWS Organizations calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Service => "SERVICE_CONTROL_POLICY",
            Self::Resource => "RESOURCE_CONTROL_POLICY",
        }
    }
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service control policies",
            Self::Resource => "resource control policies",
        }
    }
}

/// All policies of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    pub kind: ControlKind,
    /// Every document and every target was read; else they decide nothing, for half of them would decide wrongly.
    pub whole: bool,
    /// By id.
    #[serde(default)]
    pub policies: Vec<ControlPolicy>,
}

/// One such policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlPolicy {
    /// `p-…`
    pub id: String,
    pub arn: String,
    pub name: String,
    pub document: Document,
    /// Ids of roots, units and accounts it is attached to.
    pub targets: Vec<String>,
}

/// A root or an organisational unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `r-…` or `ou-…`
    pub id: String,
    pub name: String,
    /// The names from below the root down, `Workloads/Production`; empty for the root.
    pub path: String,
}

/// Environment class of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    Production,
    NonProduction,
    Shared,
    Security,
    Management,
}

impl Environment {
    pub const ALL: &'static [Self] = &[Self::Production, Self::NonProduction, Self::Shared, Self::Security, Self::Management];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::NonProduction => "non-production",
            Self::Shared => "shared",
            Self::Security => "security",
            Self::Management => "management",
        }
    }
    /// Reads the words people write in tags: `prod`, `dev`, `staging`, `infra`, …
    pub fn from_tag(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "production" | "prod" | "prd" | "live" => Some(Self::Production),
            "non-production" | "nonproduction" | "nonprod" | "non-prod" | "dev" | "development" | "test" | "testing" | "qa"
            | "staging" | "stage" | "stg" | "uat" | "sandbox" | "preprod" | "int" => Some(Self::NonProduction),
            "shared" | "shared-services" | "infra" | "infrastructure" | "network" | "platform" => Some(Self::Shared),
            "security" | "sec" | "audit" | "log-archive" => Some(Self::Security),
            "management" | "mgmt" | "root" | "payer" => Some(Self::Management),
            _ => None,
        }
    }
}

/// A value and what decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution<T> {
    pub value: Option<T>,
    /// `rule 3: ou Workloads/Production`, `tag Environment`, `explicit`; empty where nothing decided.
    #[serde(default)]
    pub decided_by: String,
}

impl<T> Default for Attribution<T> {
    fn default() -> Self {
        Self { value: None, decided_by: String::new() }
    }
}

impl<T> Attribution<T> {
    pub fn new(value: T, decided_by: impl Into<String>) -> Self {
        Self { value: Some(value), decided_by: decided_by.into() }
    }
}

/// An AWS account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Empty where the organisation may not be listed and the account has no alias.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub email: String,
    /// Names of the units above it, `Workloads/Production`; empty directly under the root or outside an organisation.
    #[serde(default)]
    pub ou_path: String,
    /// `ACTIVE`, `SUSPENDED`, `PENDING_CLOSURE`, … (organizations `Account.Status`, newer `State`).
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub joined: Option<Timestamp>,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub environment: Attribution<Environment>,
    /// The owning team.
    #[serde(default)]
    pub owner: Attribution<String>,
    #[serde(default)]
    pub extra: Extra,
}

impl Account {
    /// An account of which only the id is known.
    pub fn bare(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            email: String::new(),
            ou_path: String::new(),
            status: String::new(),
            joined: None,
            tags: Tags::new(),
            environment: Attribution::default(),
            owner: Attribution::default(),
            extra: Extra::new(),
        }
    }
    /// The name, else the id.
    pub fn label(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
    /// `unclassified` where nothing decides.
    pub fn environment_word(&self) -> &'static str {
        self.environment.value.map_or("unclassified", Environment::word)
    }
    /// `unowned` where nothing decides.
    pub fn owner_word(&self) -> &str {
        self.owner.value.as_deref().unwrap_or("unowned")
    }
}
