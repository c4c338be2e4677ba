//! What was called: every request the front received, in order, and the rates that follow from it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One call as the front saw it, before faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub service: String,
    pub action: String,
    /// The caller's account.
    pub account: String,
    /// `sts:AssumeRole` only: the account of the role.
    pub target: Option<String>,
    pub region: String,
    pub access_key: String,
    /// When it arrived.
    pub at: Instant,
    /// The fault it met, by its name.
    pub fault: Option<&'static str>,
}

impl Call {
    /// The IAM action, as a policy names it: `ec2:DescribeVpcs`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }
}

/// How often each IAM action was called.
pub fn counts(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.name()).or_default() += 1;
    }
    counts
}

/// The most calls within any window of the given length, for each (account, region, IAM action).
pub fn peaks(calls: &[Call], window: Duration) -> BTreeMap<(String, String, String), usize> {
    let mut times: BTreeMap<_, Vec<Instant>> = BTreeMap::new();
    for call in calls {
        times.entry((call.account.clone(), call.region.clone(), call.name())).or_default().push(call.at);
    }
    times
        .into_iter()
        .map(|(key, mut at)| {
            at.sort_unstable();
            let mut first = 0;
            let most = (0..at.len()).map(|last| {
                while at[last] - at[first] >= window {
                    first += 1;
                }
                last - first + 1
            });
            let most = most.max().unwrap_or(0);
            (key, most)
        })
        .collect()
}
