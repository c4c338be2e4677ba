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
    /// of each layer that had to allow, for one that depends those that may or may not hold; where a layer does not allow it, the
    /// Allow statements of those that do.
    pub because: Vec<Deciding>,
    /// Layers that had to allow and do not.
    pub missing: Vec<Missing>,
    /// What it depends on; empty unless the decision is [`Decision::Depends`].
    pub depends: Vec<Dependence>,
    /// What decided beside statements, in sentences: that a root user needs none, or that nobody may be stopped.
    pub why: Vec<String>,
}

impl Answer {
    /// No, because nothing allows it.
    pub(in crate::iam) const fn refused() -> Self {
        let decision = Decision::Denied { explicit: false };
        Self { decision, because: Vec::new(), missing: Vec::new(), depends: Vec::new(), why: Vec::new() }
    }

    /// Its words as they are told: what decided, and of each policy that was not read once that it may.
    pub fn sentences(&self) -> Vec<String> {
        let unread = self.because.iter().filter(|b| b.unread).map(|b| {
            let whose = b.policy_arn.as_str();
            let name = if whose.is_empty() { b.policy.as_str() } else { whose };
            let denies = self.because.iter().any(|d| d.unread && d.policy == b.policy && d.effect == Effect::Deny);
            let does = if denies { "allow or deny it" } else { "allow it or not" };
            match b.layer {
                Layer::Boundary => format!("The permissions boundary {name} was not read: it may {does}."),
                _ if name.starts_with("its own ") || name.starts_with("policies ") => {
                    format!("{}{} are not known: they may {does}.", name[..1].to_uppercase(), &name[1..])
                }
                _ => format!("{name}, a policy that was not read, may {does}."),
            }
        });
        let mut told: Vec<String> = Vec::new();
        for sentence in self.why.iter().cloned().chain(unread) {
            if !told.contains(&sentence) {
                told.push(sentence);
            }
        }
        told
    }

    /// Whether a dependence is on a policy that was not read, of which [`Self::sentences`] tells.
    pub fn is_told(&self, dependence: &Dependence) -> bool {
        self.because.iter().any(|b| b.unread && b.policy == dependence.policy)
    }

    /// The statement that grants it, as one line tells it; of a policy that was not read that alone.
    pub fn granted_by(&self) -> String {
        // The grant is worth more than the guardrails that let it through.
        let of = |layer: Layer| self.because.iter().find(|b| b.layer == layer && b.effect == Effect::Allow);
        match of(Layer::Identity).or_else(|| of(Layer::Resource)).or(self.because.first()) {
            Some(by) if by.unread => format!("{}, not read", by.policy),
            Some(by) => format!("{}, {}", by.policy, by.statement),
            None => self.why.first().cloned().unwrap_or_default(),
        }
    }
}

/// A layer that does not allow what it has to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub layer: Layer,
    /// Of a permissions boundary; else empty.
    pub policy: String,
}

impl Missing {
    /// `the permissions boundary developers`
    pub fn words(&self) -> String {
        let Self { layer, policy } = self;
        if policy.is_empty() { layer.word() } else { format!("{} {policy}", layer.word()) }
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
    /// It stands for a policy that was not read.
    pub unread: bool,
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
    why: Vec<String>,
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
            unread: policy.unread,
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
                    add(key, if policy.unread { format!("{key}, does") } else { written.describe() });
                }
            }
            if policy.statements[index].covers(self.request) == Truth::Maybe {
                let named: Vec<&str> = statement.resource.iter().flat_map(|r| &r.values).map(|v| v.text.as_str()).collect();
                let shown = named.iter().take(4).copied().collect::<Vec<_>>().join(", ");
                let (not, one) = (statement.resource.as_ref().is_some_and(|r| r.not), named.len() == 1);
                let is = match (not, one) {
                    (false, true) => "is",
                    (false, false) => "is one of",
                    (true, true) => "is not",
                    (true, false) => "is none of",
                };
                add("the resource", format!("the resource {is} {shown}{}", if named.len() > 4 { ", …" } else { "" }));
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

    fn says(&mut self, why: &'static str) {
        self.why.push(why.to_owned());
    }
}

/// The decision with the statements behind it.
pub fn explain(request: &Request<'_>, layers: &Layers<'_>) -> Answer {
    let mut notes = Notes { request, hits: Vec::new(), needs: Vec::new(), why: Vec::new() };
    let decision = walk(request, layers, &mut notes);
    let Notes { hits, needs, why, .. } = notes;
    let missing = |least: Truth| needs.iter().filter(|(_, t)| *t <= least).map(|(l, _)| *l).collect::<Vec<_>>();
    match decision {
        Decision::Denied { explicit: true } => Answer {
            decision,
            because: hits.into_iter().map(|h| h.deciding).filter(|d| d.certain && d.effect == Effect::Deny).collect(),
            missing: Vec::new(),
            depends: Vec::new(),
            why: Vec::new(),
        },
        Decision::Denied { explicit: false } => {
            let missing = missing(Truth::No);
            // Where a layer does not allow it, that is why.
            let why = if missing.is_empty() { why } else { Vec::new() };
            // What allows it all the same.
            let allows = |d: &Deciding| d.certain && d.effect == Effect::Allow && !matches!(d.layer, Layer::Rcp(_));
            let because =
                if missing.is_empty() { Vec::new() } else { hits.into_iter().map(|h| h.deciding).filter(allows).collect() };
            let name = |layer: &Layer| match layer {
                Layer::Boundary => layers.boundary.map(|p| p.name.clone()).unwrap_or_default(),
                _ => String::new(),
            };
            let missing = missing.into_iter().map(|layer| Missing { policy: name(&layer), layer }).collect();
            Answer { decision, because, missing, depends: Vec::new(), why }
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
            Answer { decision, because, missing: Vec::new(), depends: Vec::new(), why }
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
            Answer { decision, because, missing: Vec::new(), depends, why }
        }
    }
}
