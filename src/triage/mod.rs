//! Judgement over decisions, pure: what state the entries add up to, who may decide what, who owns a finding, when it is
//! due, and what stands in whose queue. It stores nothing and asks nobody: same input, same answer.

pub mod inherit;
pub mod plan;
pub mod policy;
pub mod projection;
pub mod queues;
pub mod rules;
pub mod sessions;
pub mod sla;
pub mod snapshot;
pub mod state;
pub mod until;

#[cfg(test)]
mod tests;
