//! What was asked of AWS and what came back, for each account, region and API: never silently missing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::words::words;

words! {
    /// How one question to AWS ended, best first.
    Outcome {
        Ok = "ok",
        NotAsked = "not asked",
        Throttled = "throttled",
        Denied = "denied",
        Failed = "failed",
    }
}

/// One (account, region, API).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub account: String,
    /// Empty for global APIs.
    pub region: String,
    /// IAM's name of the action: `ec2:DescribeVpcs`.
    pub api: String,
    pub outcome: Outcome,
    /// Why it is not ok, in AWS's words, and what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Objects that arrived.
    #[serde(default)]
    pub count: u64,
    pub at: Timestamp,
}
