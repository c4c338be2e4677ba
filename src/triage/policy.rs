//! The operating model as configuration: teams and their roles, who may accept which risk, when a second person has to
//! approve, service levels, and the limits of bulk decisions. Plain data with defaults; `rules` and `sla` judge by it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::account::Environment;
use crate::model::attribution::wildcard;
use crate::model::decision::{Actor, person};
use crate::model::finding::Severity;
use crate::model::guard::Guardrails;

/// A team's part in the operating model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Cloud teams: they run the accounts.
    Platform,
    /// Security and compliance: they set the controls.
    Control,
    /// Engineering: they own the workloads.
    Application,
    /// Governance, risk and compliance: they oversee.
    Oversight,
}

impl Role {
    pub const ALL: &'static [Self] = &[Self::Platform, Self::Control, Self::Application, Self::Oversight];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Control => "control",
            Self::Application => "application",
            Self::Oversight => "oversight",
        }
    }
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub role: Role,
    /// Patterns (`*`, `?`, case ignored) on a person's ARN, or on the name of the session or user.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Team {
    pub fn has(&self, arn: &str) -> bool {
        self.members.iter().any(|pattern| wildcard(pattern, arn) || wildcard(pattern, person(arn)))
    }
}

/// When an acceptance or suppression waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// This severity and above.
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    /// In these environments; all where empty. An account of unknown environment counts as one of them.
    #[serde(default)]
    pub environments: Vec<Environment>,
    /// Roles that may approve; any person where empty.
    #[serde(default)]
    pub by: Vec<Role>,
}

/// One line of the service level: hours to resolve. The last line that matches counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    /// Any environment where absent.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// 0: no due date.
    pub hours: u32,
}

/// All of the operating model. The default is one person's: no teams, no approvals, no roles to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    pub teams: BTreeMap<String, Team>,
    /// Roles that may accept and suppress, from a severity on; the highest line at or below the finding's counts.
    /// Absent with teams configured: critical and high by control and oversight, the rest by any team. Absent without
    /// teams: anyone.
    pub may_accept: Option<Vec<MayAccept>>,
    /// Absent with teams configured: critical and high in production by control or oversight. Absent without: none.
    pub approvals: Option<Vec<Approval>>,
    /// The longest acceptance or suppression, in days.
    pub longest_days: u32,
    /// Added to the default levels (critical 24 h, high 7 d, medium 30 d, low 90 d).
    pub service_levels: Vec<ServiceLevel>,
    /// A finding due within so many hours is "due soon".
    pub due_soon_hours: u32,
    /// Acceptances that end within so many days are "expiring".
    pub expiring_days: u32,
    /// A bulk of more findings than this needs the number typed.
    pub bulk_cap: usize,
    /// What stands before accounts: the configuration's own table.
    #[serde(skip)]
    pub guardrails: Guardrails,
}

/// Who may accept risks of a severity and above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MayAccept {
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    pub roles: Vec<Role>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            teams: BTreeMap::new(),
            may_accept: None,
            approvals: None,
            longest_days: 365,
            service_levels: Vec::new(),
            due_soon_hours: 48,
            expiring_days: 14,
            bulk_cap: 500,
            guardrails: Guardrails::default(),
        }
    }
}

const SENIOR: &[Role] = &[Role::Control, Role::Oversight];

impl Policy {
    /// The names of a person's teams, by name.
    pub fn teams_of<'a>(&'a self, arn: &'a str) -> impl Iterator<Item = (&'a str, &'a Team)> {
        self.teams.iter().filter(|(_, team)| team.has(arn)).map(|(name, team)| (name.as_str(), team))
    }
    /// Whether a person has one of these roles; without teams nobody's role is known, and nobody is held to one.
    pub fn has_role(&self, actor: &Actor, roles: &[Role]) -> bool {
        self.teams.is_empty() || self.teams_of(&actor.arn).any(|(_, team)| roles.contains(&team.role))
    }
    /// The roles that may accept a risk of this severity.
    pub fn acceptors(&self, severity: Severity) -> &[Role] {
        match &self.may_accept {
            Some(lines) => {
                let line = lines.iter().filter(|l| l.severity <= severity).max_by_key(|l| l.severity);
                line.map_or(Role::ALL, |l| l.roles.as_slice())
            }
            None if severity >= Severity::High => SENIOR,
            None => Role::ALL,
        }
    }
    /// The roles of which one has to approve, where a second person is needed; empty: any other person.
    pub fn approvers(&self, severity: Severity, environment: Option<Environment>) -> Option<&[Role]> {
        match &self.approvals {
            Some(lines) => {
                let here = |a: &&Approval| {
                    let there = a.environments.is_empty() || environment.is_none_or(|e| a.environments.contains(&e));
                    a.severity <= severity && there
                };
                lines.iter().filter(here).max_by_key(|a| a.severity).map(|a| a.by.as_slice())
            }
            None if self.teams.is_empty() => None,
            None => {
                let production = environment.is_none_or(|e| e == Environment::Production);
                (severity >= Severity::High && production).then_some(SENIOR)
            }
        }
    }
    /// Hours from first seen to due; none for severities without a level.
    pub fn hours(&self, severity: Severity, environment: Option<Environment>) -> Option<u32> {
        let matches = |l: &&ServiceLevel| l.severity == severity && (l.environment.is_none() || l.environment == environment);
        let hours = self.service_levels.iter().rev().find(matches).map_or(
            match severity {
                Severity::Critical => 24,
                Severity::High => 7 * 24,
                Severity::Medium => 30 * 24,
                Severity::Low => 90 * 24,
                Severity::Informational => 0,
            },
            |l| l.hours,
        );
        (hours > 0).then_some(hours)
    }
}

/// Severities in configuration are read in any case: `high`, `HIGH`.
fn severity<'de, D: Deserializer<'de>>(d: D) -> Result<Severity, D::Error> {
    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
}
