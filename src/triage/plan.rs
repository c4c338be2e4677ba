//! A decision on many findings, before it is made: what would change, by account and severity, what would not and why,
//! and whether the number has to be typed. It makes none of them.

use std::collections::BTreeMap;

use crate::model::decision::{Decision, Subject};
use crate::model::finding::{FindingKey, Severity};
use crate::triage::rules::{Asked, Facts, Refusal, judge};
use crate::triage::state::State;

/// A dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What will be decided, in the order asked: the decision as it will be written, and the entry it was based on.
    pub will: Vec<Step>,
    /// What will not, and why, in the order asked.
    pub wont: Vec<(FindingKey, Refusal)>,
    /// Of `will`: how many by account and severity.
    pub by_account: BTreeMap<String, BTreeMap<Severity, usize>>,
    /// Of `wont`: how many by reason, in its own words.
    pub reasons: BTreeMap<String, usize>,
    /// Of `will`: how many wait for a second person.
    pub pending: usize,
    /// More than policy's cap: the number has to be typed.
    pub over_cap: bool,
}

/// One decision of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub finding: FindingKey,
    pub decision: Decision,
    /// The subject's last entry when it was judged, 0 for none: what the store is to hold it against.
    pub based_on: u64,
}

/// Judges one decision on many findings. For kinds that name an entry (`Approve`, `Reject`, `Undo`) the number is taken
/// from each finding's own state.
pub fn plan<'a>(
    asked: &Asked<'_>,
    findings: impl IntoIterator<Item = (Facts<'a>, Option<&'a State>)>,
    decision: &Decision,
    reason: &str,
) -> Plan {
    let mut plan = Plan::default();
    let none = State::default();
    for (facts, state) in findings {
        let state = state.unwrap_or(&none);
        let subject = Subject::Finding(facts.key);
        let one = Asked { subject: &subject, facts: Some(&facts), state, ..*asked };
        match judge(&one, addressed(decision, state), reason) {
            Ok(decision) => {
                let pending =
                    matches!(decision, Decision::Accept { pending: true, .. } | Decision::Suppress { pending: true, .. });
                plan.pending += usize::from(pending);
                let severity = state.severity.unwrap_or(facts.severity);
                *plan.by_account.entry(facts.account.to_owned()).or_default().entry(severity).or_default() += 1;
                plan.will.push(Step { finding: facts.key, decision, based_on: state.last });
            }
            Err(refusal) => {
                *plan.reasons.entry(refusal.to_string()).or_default() += 1;
                plan.wont.push((facts.key, refusal));
            }
        }
    }
    plan.over_cap = plan.will.len() > asked.policy.bulk_cap;
    plan
}

/// The decision with the entry it answers taken from the state: what waits for approval, what can be undone.
pub fn addressed(decision: &Decision, state: &State) -> Decision {
    let waiting = state.pending.as_ref().map_or(0, |p| p.sequence);
    match decision {
        Decision::Approve { of: 0 } => Decision::Approve { of: waiting },
        Decision::Reject { of: 0 } => Decision::Reject { of: waiting },
        Decision::Undo { of: 0 } => Decision::Undo { of: state.decided.as_ref().map_or(0, |d| d.sequence) },
        other => other.clone(),
    }
}
