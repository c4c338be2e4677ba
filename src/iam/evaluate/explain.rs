//! The decision with its reasons: the statements that decided, the layers that do not allow, what it depends on.

use super::condition::Keys;
use super::context::Known;
use super::{Compiled, Decision, Layer, Layers, Request, Trace, Truth, walk};
use crate::iam::policy::{Effect, Span};

/// A decision and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub decision: Decision,
    /// The statements that decided: for a denial the Deny statements, for an allowed request one or more Allow statements
    /// of each layer that had to allow, for one that depends those that may or may not hold.
    pub because: Vec<Deciding>,
    /// Layers that had to allow and do not.
    pub missing: Vec<Layer>,
    /// What it depends on; empty unless the decision is [`Decision::Depends`].
    pub depends: Vec<Dependence>,
}

impl Answer {
    /// No, because nothing allows it.
    pub(in crate::iam) const fn refused() -> Self {
        Self { decision: Decision::Denied { explicit: false }, because: Vec::new(), missing: Vec::new(), depends: Vec::new() }
    }
}

/// A statement that took part in a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Deciding {
    pub layer: Layer,
    /// The policy's name.
    pub policy: String,
    /// Empty for inline policies.
    pub policy_arn: String,
    /// Sid, or `statement N`.
    pub statement: String,
    /// From 0.
    pub index: usize,
    pub effect: Effect,
    /// Where it stands in the policy's document.
    pub span: Span,
    /// It holds for certain; else it may.
    pub certain: bool,
}

/// Something unknown that the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependence {
    /// A condition key as the policy spells it, or `the resource` or `the resource's policy`.
    pub key: String,
    /// The condition, `Bool aws:MultiFactorAuthPresent true`, or what else is not known.
    pub condition: String,
    /// `Allow` or `Deny`: what holds if the condition does.
    pub effect: &'static str,
    pub policy: String,
    pub statement: String,
}

struct Hit {
    deciding: Deciding,
    delegates: bool,
    open: Vec<Dependence>,
}

struct Notes<'r> {
    request: &'r Request<'r>,
    hits: Vec<Hit>,
    needs: Vec<(Layer, Truth)>,
}

impl Trace for Notes<'_> {
    const THOROUGH: bool = true;

    fn hit(&mut self, layer: Layer, policy: &Compiled, index: usize, truth: Truth, delegates: bool) {
        let Some(statement) = policy.policy.statements.get(index) else { return };
        let (label, span) = policy.label(index);
        let deciding = Deciding {
            layer,
            policy: policy.name.clone(),
            policy_arn: policy.arn.clone(),
            statement: label.clone(),
            index,
            effect: statement.effect,
            span,
            certain: truth == Truth::Yes,
        };
        let mut open = Vec::new();
        if truth == Truth::Maybe {
            let mut add = |key: &str, condition: String| {
                open.push(Dependence {
                    key: key.to_owned(),
                    condition,
                    effect: statement.effect.word(),
                    policy: policy.name.clone(),
                    statement: label.clone(),
                });
            };
            for (compiled, written) in policy.statements[index].conditions.iter().zip(&statement.conditions) {
                if compiled.holds(self.request) == Truth::Maybe {
                    let unknown = |k: &&str| self.request.get(k) == Known::Unknown;
                    let key = if unknown(&compiled.key.as_str()) {
                        written.key.text.as_str()
                    } else {
                        compiled.variables().find(unknown).unwrap_or(&written.key.text)
                    };
                    // What was not read stands as a condition that nobody can know.
                    let unread = key.ends_with("which was not read");
                    add(key, if unread { format!("{key}, does") } else { written.describe() });
                }
            }
            if policy.statements[index].covers(self.request) == Truth::Maybe {
                let named: Vec<&str> = statement.resource.iter().flat_map(|r| &r.values).map(|v| v.text.as_str()).collect();
                let shown = named.iter().take(4).copied().collect::<Vec<_>>().join(", ");
                add("the resource", format!("which resource: {shown}{}", if named.len() > 4 { ", …" } else { "" }));
            }
            if open.is_empty() {
                open.push(Dependence {
                    key: "the session's name".to_owned(),
                    condition: "which session of the role".to_owned(),
                    effect: statement.effect.word(),
                    policy: policy.name.clone(),
                    statement: label,
                });
            }
        }
        self.hits.push(Hit { deciding, delegates, open });
    }

    fn needs(&mut self, layer: Layer, allows: Truth) {
        self.needs.push((layer, allows));
    }
}

/// The decision with the statements behind it.
pub fn explain(request: &Request<'_>, layers: &Layers<'_>) -> Answer {
    let mut notes = Notes { request, hits: Vec::new(), needs: Vec::new() };
    let decision = walk(request, layers, &mut notes);
    let Notes { hits, needs, .. } = notes;
    let missing = |least: Truth| needs.iter().filter(|(_, t)| *t <= least).map(|(l, _)| *l).collect::<Vec<_>>();
    match decision {
        Decision::Denied { explicit: true } => Answer {
            decision,
            because: hits.into_iter().map(|h| h.deciding).filter(|d| d.certain && d.effect == Effect::Deny).collect(),
            missing: Vec::new(),
            depends: Vec::new(),
        },
        Decision::Denied { explicit: false } => {
            Answer { decision, because: Vec::new(), missing: missing(Truth::No), depends: Vec::new() }
        }
        Decision::Allowed => {
            let allows = |d: &Deciding| d.certain && d.effect == Effect::Allow;
            // What leaves it to policies that do not allow it decided nothing.
            let by = |layer: Layer| hits.iter().any(|h| h.deciding.layer == layer && allows(&h.deciding));
            let within = (layers.boundary.is_none() || by(Layer::Boundary)) && (layers.session.is_none() || by(Layer::Session));
            let own = by(Layer::Identity) && within;
            let counts = |h: &Hit| match h.deciding.layer {
                Layer::Rcp(_) => false,
                Layer::Identity => own,
                _ => own || !h.delegates,
            };
            let because = hits.into_iter().filter(counts).map(|h| h.deciding).filter(allows).collect();
            Answer { decision, because, missing: Vec::new(), depends: Vec::new() }
        }
        Decision::Depends => {
            let mut depends: Vec<Dependence> = hits.iter().flat_map(|h| h.open.iter().cloned()).collect();
            if matches!(layers.resource, super::ResourcePolicy::Unknown) && needs.contains(&(Layer::Resource, Truth::Maybe)) {
                depends.push(Dependence {
                    key: "the resource's policy".to_owned(),
                    condition: "the resource's policy, which was not read, does".to_owned(),
                    effect: "Allow",
                    policy: String::new(),
                    statement: String::new(),
                });
            }
            depends.sort();
            depends.dedup();
            // What it hangs on comes before what holds anyway.
            let mut because: Vec<Deciding> = hits.into_iter().map(|h| h.deciding).collect();
            because.sort_by_key(|d| d.certain);
            Answer { decision, because, missing: Vec::new(), depends }
        }
    }
}
