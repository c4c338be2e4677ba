//! Machines that Session Manager can reach, and sessions on them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Environment;
use crate::model::lenient;

/// A managed node, in the shape of `ssm:DescribeInstanceInformation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// `i-…`, or `mi-…` for a hybrid machine.
    pub instance_id: String,
    /// `Online`, `ConnectionLost`, `Inactive`.
    pub ping_status: String,
    #[serde(deserialize_with = "lenient::time")]
    pub last_ping_date_time: Option<Timestamp>,
    pub agent_version: String,
    #[serde(deserialize_with = "lenient::maybe_flag")]
    pub is_latest_version: Option<bool>,
    /// `Linux`, `Windows`, `MacOS`.
    pub platform_type: String,
    pub platform_name: String,
    pub platform_version: String,
    /// `EC2Instance`, `ManagedInstance`.
    pub resource_type: String,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    pub computer_name: String,
    /// The name given at activation, for hybrid machines.
    pub name: String,
    pub iam_role: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A Session Manager session, in the shape of `ssm:DescribeSessions`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    pub session_id: String,
    /// The node's id.
    pub target: String,
    /// `Connected`, `Connecting`, `Disconnected`, `Terminated`, `Terminating`, `Failed`.
    pub status: String,
    #[serde(deserialize_with = "lenient::time")]
    pub start_date: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::time")]
    pub end_date: Option<Timestamp>,
    pub document_name: String,
    /// The ARN of who opened it.
    pub owner: String,
    pub reason: String,
    pub details: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A machine that somebody wants to reach: where it stands and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine {
    /// The account's twelve digits.
    pub account: String,
    /// Its name, else the digits again.
    pub account_name: String,
    pub region: String,
    /// `i-…` or `mi-…`; a container's `ecs:cluster_task_runtime`.
    pub id: String,
    /// What people call it; the id where it has no name.
    pub name: String,
    /// The account's; none where it is not classified.
    pub environment: Option<Environment>,
}

impl Machine {
    /// Whether it is a container that ECS Exec leads into.
    pub fn is_container(&self) -> bool {
        self.id.starts_with("ecs:")
    }
}
