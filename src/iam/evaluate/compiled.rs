//! A policy made ready for many requests: patterns parsed, variables found, conditions read.

use super::condition::{self, Keys};
use super::truth::Truth;
use super::{Caller, CallerKind, Request};
use crate::iam::policy::{
    Condition, Effect, Element, Operator, Policy, PrincipalElement, PrincipalKind, Span, Statement, Template, Version,
};
use crate::iam::sets::glob::{ArnPattern, Glob, is_every_action};

/// A policy ready to evaluate.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What people call it: the policy's name or `inline X of role/y`.
    pub name: String,
    /// Empty for an inline policy.
    pub arn: String,
    pub policy: Policy,
    /// It was not read: nobody knows what it does.
    pub(super) unread: bool,
    pub(super) statements: Vec<CompiledStatement>,
}

#[derive(Debug, Clone)]
pub(super) struct CompiledStatement {
    pub(super) effect: Effect,
    principals: Option<(bool, Vec<PrincipalPattern>)>,
    not_action: bool,
    actions: Vec<ActionPattern>,
    not_resource: bool,
    /// None in trust policies: the role itself.
    resources: Option<Vec<ResourcePattern>>,
    pub(super) conditions: Vec<condition::Compiled>,
}

#[derive(Debug, Clone)]
enum ActionPattern {
    All,
    /// Service and name in lower case.
    Of {
        service: Box<str>,
        names: Glob,
    },
    /// A wildcard stands in the service.
    Whole(Glob),
}

#[derive(Debug, Clone)]
enum ResourcePattern {
    Plain(ArnPattern),
    Template(Template),
}

/// A principal as a policy names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PrincipalPattern {
    /// `*`
    Everyone,
    /// `{"AWS": "*"}`
    EveryAws,
    /// An account's id, or its root's ARN.
    Account(String),
    /// A user, role, federated user or role session.
    Arn(String),
    /// `AIDA…`, `AROA…`: a principal that was deleted, or one AWS keeps by its id.
    Id(String),
    Service(String),
    Federated(String),
    Canonical,
}

/// How far a resource policy's grant goes (AWS: "How AWS enforcement code logic evaluates requests", resource-based policies).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the very caller: no implicit deny of other policies limits it.
    Direct,
    /// To the role or user behind a session: boundary and session policy limit it.
    Behind,
    /// To the account: its own policies must allow too.
    Account,
}

/// An action, in lower case and split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionName {
    full: String,
    colon: usize,
}

impl ActionName {
    /// `s3:GetObject`; case does not matter, white space does.
    pub fn new(action: &str) -> Self {
        let full = action.to_ascii_lowercase();
        let colon = full.find(':').unwrap_or(full.len());
        Self { full, colon }
    }
    pub fn service(&self) -> &str {
        &self.full[..self.colon]
    }
    pub fn name(&self) -> &str {
        self.full.get(self.colon + 1..).unwrap_or_default()
    }
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl Compiled {
    pub fn new(name: impl Into<String>, arn: impl Into<String>, policy: Policy) -> Self {
        let variables = policy.version == Some(Version::V2012);
        let statements = policy.statements.iter().map(|s| CompiledStatement::new(s, variables)).collect();
        Self { name: name.into(), arn: arn.into(), policy, unread: false, statements }
    }
    /// What was not read, `the policy`, `the boundary`: it has each of these effects on everything, or has not.
    pub fn unread(what: &str, name: &str, arn: &str, effects: &[Effect]) -> Self {
        let all = || Element::of(["*".to_owned()]);
        let nobody_knows = || vec![Condition::of(Operator::BOOL, format!("{what}, which was not read"), vec!["true".to_owned()])];
        let statement = |effect: &Effect| Statement::of(Some("NotRead".to_owned()), *effect, all(), all(), nobody_knows());
        Self { unread: true, ..Self::new(name, arn, Policy::of(effects.iter().map(statement).collect())) }
    }
    /// What people call a statement of it, and where it stands.
    pub fn label(&self, statement: usize) -> (String, Span) {
        self.policy.statements.get(statement).map_or_else(Default::default, |s| (s.label(statement), s.span))
    }
    /// Whether a statement allows the action, whomever and whatever else it asks.
    pub(crate) fn allows_somebody(&self, action: &ActionName) -> bool {
        self.naming(action).any(|(_, effect)| effect == Effect::Allow)
    }
    /// Whether a statement allows the action to this caller, whatever else it asks.
    pub(crate) fn allows(&self, caller: &Caller, action: &ActionName) -> bool {
        let mut allowing = self.statements.iter().filter(|s| s.effect == Effect::Allow && s.acts(action));
        allowing.any(|s| s.speaks_of(caller, false).0 != Truth::No)
    }
    /// The statements whose action element names the action, whatever else they ask.
    pub(crate) fn naming(&self, action: &ActionName) -> impl Iterator<Item = (usize, Effect)> {
        self.statements.iter().enumerate().filter(|(_, s)| s.acts(action)).map(|(i, s)| (i, s.effect))
    }
    /// Whether a statement that names the action also covers the resource and holds.
    pub(crate) fn applies(&self, statement: usize, request: &Request<'_>) -> Truth {
        self.statements.get(statement).map_or(Truth::No, |s| match s.covers(request) {
            Truth::No => Truth::No,
            covers => covers.and(s.hold(request)),
        })
    }
    /// Whether a statement's conditions hold.
    pub(crate) fn conditions_hold(&self, statement: usize, request: &Request<'_>) -> Truth {
        self.statements.get(statement).map_or(Truth::No, |s| s.hold(request))
    }
    /// Whether a statement names all that a request does.
    pub(crate) fn names(&self, statement: usize, request: &Request<'_>) -> Truth {
        self.statements.get(statement).map_or(Truth::No, |s| s.covers(request))
    }
    /// Whether a statement covers every resource and asks no condition.
    pub(crate) fn is_open(&self, statement: usize) -> bool {
        self.statements.get(statement).is_some_and(|s| {
            let all = |r: &ResourcePattern| matches!(r, ResourcePattern::Plain(p) if p.is_all());
            s.conditions.is_empty() && !s.not_resource && s.resources.as_ref().is_none_or(|r| r.iter().any(all))
        })
    }
    /// The Allow statements of a resource's policy that speak of the caller, and whether their grant needs the caller's
    /// own policies to allow too, as a grant to the account does.
    pub(crate) fn grants(&self, request: &Request<'_>) -> Vec<(usize, bool)> {
        let allows = self.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow && s.acts(request.action));
        allows
            .filter(|(i, _)| self.applies(*i, request) != Truth::No)
            .filter_map(|(i, s)| match s.speaks_of(request.caller, false) {
                (Truth::No, _) => None,
                (_, reach) => Some((i, reach == Reach::Account)),
            })
            .collect()
    }
}

impl CompiledStatement {
    fn new(s: &Statement, variables: bool) -> Self {
        let resources = s.resource.as_ref().map(|r| r.values.iter().map(|v| resource(&v.text, variables)).collect());
        Self {
            effect: s.effect,
            principals: s.principal.as_ref().map(|p| (p.not, principals(p))),
            not_action: s.action.not,
            actions: s.action.values.iter().filter_map(|v| action(&v.text)).collect(),
            not_resource: s.resource.as_ref().is_some_and(|r| r.not),
            resources,
            conditions: s.conditions.iter().map(|c| condition::Compiled::new(c, variables)).collect(),
        }
    }

    pub(super) fn acts(&self, action: &ActionName) -> bool {
        let named = self.actions.iter().any(|p| match p {
            ActionPattern::All => true,
            ActionPattern::Of { service, names } => **service == *action.service() && names.matches(action.name()),
            ActionPattern::Whole(glob) => glob.matches(action.as_str()),
        });
        named != self.not_action
    }

    pub(super) fn covers(&self, request: &Request<'_>) -> Truth {
        let Some(patterns) = &self.resources else { return Truth::Yes };
        let mut named = Truth::No;
        for pattern in patterns {
            let hit = match pattern {
                ResourcePattern::Plain(p) => request.resource_in(p),
                ResourcePattern::Template(t) => match condition::resolve(t, request) {
                    Ok(pieces) => request.resource_in(&ArnPattern::of(&pieces)),
                    Err(truth) => truth,
                },
            };
            named = named.or(hit);
            if named == Truth::Yes {
                break;
            }
        }
        if self.not_resource { named.negate() } else { named }
    }

    pub(super) fn hold(&self, keys: &impl Keys) -> Truth {
        self.conditions.iter().fold(Truth::Yes, |t, c| if t == Truth::No { t } else { t.and(c.holds(keys)) })
    }

    /// Whether the statement speaks of the caller, and how far it reaches. A statement without a principal speaks of
    /// whoever its policy is attached to.
    pub(super) fn speaks_of(&self, caller: &Caller, bounded: bool) -> (Truth, Reach) {
        let Some((not, patterns)) = &self.principals else { return (Truth::Yes, Reach::Direct) };
        if !not {
            let mut best = (Truth::No, Reach::Account);
            for pattern in patterns {
                let (truth, reach) = pattern.names(caller);
                let nearer = |a: Reach, b: Reach| (a as u8) < (b as u8);
                if truth > best.0 || truth == best.0 && nearer(reach, best.1) {
                    best = (truth, reach);
                }
            }
            return best;
        }
        if self.effect == Effect::Deny {
            // AWS, "NotPrincipal": the account and, for a session, the role must be listed too; and who has a boundary
            // is always denied ("Permissions boundaries for IAM entities").
            if bounded {
                return (Truth::Yes, Reach::Direct);
            }
            let listed = caller
                .layers_of_identity()
                .into_iter()
                .fold(Truth::Yes, |t, layer| t.and(patterns.iter().fold(Truth::No, |t, p| t.or(p.is(caller, layer)))));
            return (listed.negate(), Reach::Direct);
        }
        let listed = patterns.iter().fold(Truth::No, |t, p| t.or(p.names(caller).0));
        (listed.negate(), Reach::Direct)
    }
}

/// The ways a policy can name one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityLayer {
    Itself,
    Behind,
    Account,
}

impl PrincipalPattern {
    fn names(&self, caller: &Caller) -> (Truth, Reach) {
        match self {
            Self::Everyone => (Truth::Yes, Reach::Direct),
            Self::EveryAws if matches!(caller.kind, CallerKind::Service | CallerKind::Federated) => (Truth::No, Reach::Direct),
            Self::EveryAws => (Truth::Yes, Reach::Direct),
            _ => {
                for (layer, reach) in [
                    (IdentityLayer::Itself, Reach::Direct),
                    (IdentityLayer::Behind, Reach::Behind),
                    (IdentityLayer::Account, Reach::Account),
                ] {
                    match self.is(caller, layer) {
                        Truth::No => {}
                        truth => return (truth, reach),
                    }
                }
                (Truth::No, Reach::Account)
            }
        }
    }

    /// Whether this names that layer of the caller's identity.
    fn is(&self, caller: &Caller, layer: IdentityLayer) -> Truth {
        use CallerKind as K;
        use IdentityLayer as L;
        match (self, layer) {
            (Self::Everyone | Self::EveryAws, _) => Truth::Yes,
            (Self::Account(id), L::Account) if caller.kind.is_aws() => Truth::of(*id == caller.account),
            (Self::Account(id), L::Itself) if caller.kind == K::Root => Truth::of(*id == caller.account),
            (Self::Service(name), L::Itself) if caller.kind == K::Service => Truth::of(name.eq_ignore_ascii_case(&caller.arn)),
            (Self::Federated(arn), L::Itself) if caller.kind == K::Federated => Truth::of(*arn == caller.arn),
            (Self::Arn(arn), L::Itself) => match caller.kind {
                K::User | K::FederatedUser => Truth::of(*arn == caller.arn),
                K::Role => match &caller.session {
                    Some(session) => Truth::of(arn == session),
                    // Some session of the role is meant; whether it is this one is not known.
                    None => match session_role(arn) {
                        Some(role) if role == role_parts(&caller.arn) => Truth::Maybe,
                        _ => Truth::No,
                    },
                },
                _ => Truth::No,
            },
            (Self::Arn(arn), L::Behind) => match caller.kind {
                K::Role => Truth::of(*arn == caller.arn),
                K::FederatedUser => Truth::of(caller.user.as_ref() == Some(arn)),
                _ => Truth::No,
            },
            (Self::Id(id), L::Itself) if caller.kind == K::User => Truth::of(!id.is_empty() && *id == caller.id),
            (Self::Id(id), L::Behind) if caller.kind == K::Role => Truth::of(!id.is_empty() && *id == caller.id),
            _ => Truth::No,
        }
    }
}

/// Account and name of the role that a session's ARN is of.
fn session_role(arn: &str) -> Option<(&str, &str)> {
    let parts = crate::iam::sets::glob::split(arn)?;
    let name = parts[5].strip_prefix("assumed-role/")?.split('/').next()?;
    (parts[2] == "sts").then_some((parts[4], name))
}

fn role_parts(arn: &str) -> (&str, &str) {
    crate::iam::sets::glob::split(arn).map_or(("", ""), |p| (p[4], p[5].rsplit('/').next().unwrap_or_default()))
}

fn action(text: &str) -> Option<ActionPattern> {
    if is_every_action(text) {
        return Some(ActionPattern::All);
    }
    let text = text.to_ascii_lowercase();
    // Without a service it names nothing; AWS refuses it.
    let (service, names) = text.split_once(':')?;
    if service.contains(['*', '?']) {
        return Some(ActionPattern::Whole(Glob::new(&text)));
    }
    Some(ActionPattern::Of { service: service.into(), names: Glob::new(names) })
}

fn resource(text: &str, variables: bool) -> ResourcePattern {
    let template = Template::read(text, true, variables);
    if template.has_variables() {
        return ResourcePattern::Template(template);
    }
    ResourcePattern::Plain(ArnPattern::of(&template.pieces))
}

pub(super) fn principals(element: &PrincipalElement) -> Vec<PrincipalPattern> {
    element
        .principals
        .iter()
        .map(|p| {
            let text = p.value.text.clone();
            match p.kind {
                PrincipalKind::Everyone => PrincipalPattern::Everyone,
                PrincipalKind::Service => PrincipalPattern::Service(text),
                PrincipalKind::Federated => PrincipalPattern::Federated(text),
                PrincipalKind::CanonicalUser => PrincipalPattern::Canonical,
                PrincipalKind::Aws if text == "*" => PrincipalPattern::EveryAws,
                PrincipalKind::Aws => match account_of(&text) {
                    Some(id) => PrincipalPattern::Account(id.to_owned()),
                    None if text.starts_with("arn:") => PrincipalPattern::Arn(text),
                    None => PrincipalPattern::Id(text),
                },
            }
        })
        .collect()
}

/// The account that `123456789012` or `arn:aws:iam::123456789012:root` names.
fn account_of(text: &str) -> Option<&str> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text);
    }
    let parts = crate::iam::sets::glob::split(text)?;
    (parts[2] == "iam" && parts[5] == "root").then_some(parts[4])
}
