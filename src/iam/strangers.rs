//! Strangers: those who ask our evaluator for what is not meant for them, to see who gets in.
//!
//! Nothing is matched by words. A stranger, with an account and an organisation of its own, asks over the policy's own
//! denials and the resource control policies above it. What a stranger can choose (its names, a header, a prefix, TLS) keeps
//! nobody out; what it cannot (its organisation, its address, the network it comes from, the service it acts for) does.
//! What it asks for, and what that means, is `openings`' work for resources and `graph`'s for roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::evaluate::{
    ActionName, Answer, Caller, CallerKind, Compiled, Context, Decision, Known, Layer, Layers, Request, Resource, ResourcePolicy,
    Truth, decide, explain,
};
use super::policy::{Condition, Effect, Element, Policy, Statement, Version};
use super::resources::Resources;

/// A stranger's account: of nobody.
pub const STRANGER: &str = "000000000000";
/// Its organisation, and where its account stands in that.
const ELSEWHERE: &str = "o-0000000000";
const UNIT: &str = "o-0000000000/r-0000/ou-0000-00000000/";
/// An address that is nobody's: only what lets in all of them lets it in (RFC 1112, section 4).
pub const ANYWHERE: &str = "240.0.0.1";
/// The ids that AWS gave its user and its role.
const USER_ID: &str = "AIDASTRANGERSTRANGER0";
const ROLE_ID: &str = "AROASTRANGERSTRANGER0";

/// Names that are tried for one key at most: a policy's size bounds them, and its first ones tell enough.
const MOST_NAMES: usize = 12;
/// Keys that are chosen at most; of more it stays unknown what they are.
const MOST_KEYS: usize = 24;
/// Choices of keys that are tried together at most.
const MOST_CHOICES: usize = 400;

/// Keys that whoever asks cannot choose, in lower case; those that end with `/` or `:` stand for all below them.
const BINDING: &[&str] = &[
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:userid",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:resourcetag/",
    "aws:currenttime",
    "aws:epochtime",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:viaawsservice",
    "aws:federatedprovider",
    "aws:ec2instancesourcevpc",
    "aws:ec2instancesourceprivateipv4",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "kms:calleraccount",
    "kms:viaservice",
    "kms:granteeprincipal",
    "kms:recipientattestation:",
    "lambda:sourcefunctionarn",
    "saml:",
    "the session's name",
];

/// Whether whoever asks cannot choose what a condition asks of this key.
pub(crate) fn is_binding(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    BINDING.iter().any(|b| if b.ends_with(['/', ':']) { key.starts_with(b) } else { key == *b })
}

/// What one may say of a request who chooses these keys, told in lower case: the values that the statements speak of, another,
/// and none.
pub(crate) fn choices<'s>(
    statements: impl Iterator<Item = &'s Statement>,
    context: &Context,
    own: &dyn Fn(&str) -> bool,
) -> Vec<Context> {
    let mut chosen: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    for c in statements.flat_map(|s| &s.conditions) {
        let key = c.key.text.to_ascii_lowercase();
        if own(&key) {
            let values = c.values.iter().take(MOST_NAMES).map(|v| Some(v.text.replace(['*', '?'], "x")));
            // Every token has an audience.
            let none = (!key.ends_with(":aud")).then_some(None);
            chosen.entry(key).or_default().extend(values.chain([Some("x".to_owned())]).chain(none));
        }
    }
    let mut contexts = vec![context.clone()];
    for (key, values) in chosen.into_iter().take(MOST_KEYS) {
        let with = |context: &Context| values.iter().map(|v| context.clone().with(&key, v.clone())).collect::<Vec<_>>();
        contexts = contexts.iter().flat_map(with).take(MOST_CHOICES).collect();
    }
    contexts
}

/// What whoever brings its own policies is allowed by them.
pub(crate) fn everything() -> &'static Compiled {
    static EVERYTHING: LazyLock<Compiled> = LazyLock::new(|| {
        let all = || Element::of(["*".to_owned()]);
        Compiled::new("", "", Policy::of(vec![Statement::of(None, Effect::Allow, all(), all(), Vec::new())]))
    });
    &EVERYTHING
}

/// What a stranger stands before: a resource, its policy, and the resource control policies above it, by level.
pub struct Door<'a> {
    resource: Resource,
    policy: &'a Compiled,
    rcps: &'a [Vec<&'a Compiled>],
}

impl<'a> Door<'a> {
    /// Before a resource or a role: `rcps` are those over its account.
    pub fn new(resource: Resource, policy: &'a Compiled, rcps: &'a [Vec<&'a Compiled>]) -> Self {
        Self { resource, policy, rcps }
    }

    /// The policy's statements, and those above it.
    pub fn statements(&self) -> impl Iterator<Item = &'a Statement> {
        self.policy.policy.statements.iter().chain(self.rcps.iter().flatten().flat_map(|p| &p.policy.statements))
    }

    /// Whether policy variables stand for values in the policy.
    pub fn has_variables(&self) -> bool {
        self.policy.policy.version == Some(Version::V2012)
    }

    /// The answer that lets a caller do something; none where it does not.
    pub fn lets_in(&self, caller: &Caller, action: &ActionName, context: &Context) -> Option<Answer> {
        let lets_in_from = |context: &Context| {
            let answer = (!self.refuses(caller, action, context)).then(|| self.answer(caller, action, context))?;
            lets_in(&answer).then_some(answer)
        };
        let from_anywhere = || {
            let asks = |c: &Condition| c.key.text.eq_ignore_ascii_case("aws:SourceIp");
            let asks = self.statements().any(|s| s.conditions.iter().any(asks));
            let unknown = context.get("aws:sourceip") == Known::Unknown;
            (asks && unknown).then(|| lets_in_from(&context.clone().with("aws:SourceIp", [ANYWHERE])))?
        };
        lets_in_from(context).or_else(from_anywhere)
    }

    /// Whether a caller gets in: for certain, or under what is not known; none where it does not. Keys of which `own` says so,
    /// in lower case, are the caller's to choose: the values that the policy speaks of are tried, another, and none.
    pub fn admits(&self, caller: &Caller, action: &ActionName, context: &Context, own: &dyn Fn(&str) -> bool) -> Option<bool> {
        if self.refuses(caller, action, context) {
            return None;
        }
        let contexts = choices(self.statements(), context, own);
        let fares = |context: &Context| match decide_at(self, caller, action, context) {
            Decision::Allowed => Some(true),
            Decision::Depends => Some(false),
            Decision::Denied { .. } => None,
        };
        contexts.iter().filter_map(fares).max()
    }

    /// What those find who stand for somebody, each with what is known of its request: what lets them in for certain, else what
    /// may.
    pub fn meets(&self, callers: &[(Caller, Context)], action: &ActionName) -> Option<Met> {
        let sure = callers.iter().filter(|(caller, context)| self.lets_in(caller, action, context).is_some());
        let mut entering: Vec<&(Caller, Context)> = sure.collect();
        let mut certain = !entering.is_empty();
        if entering.is_empty() {
            let admitted = callers.iter().filter_map(|c| Some((self.admits(&c.0, action, &c.1, &|_| false)?, c)));
            let admitted: Vec<(bool, &(Caller, Context))> = admitted.collect();
            certain = admitted.iter().any(|(sure, _)| *sure);
            entering = admitted.into_iter().filter(|(sure, _)| *sure == certain).map(|(_, caller)| caller).collect();
        }
        let anonymous = entering.iter().any(|(caller, _)| caller.account.is_empty());
        let by = |(caller, context): &&(Caller, Context)| {
            let request = Request { caller, action, resource: &self.resource, context };
            let granting: Vec<usize> = self.policy.grants(&request).into_iter().map(|(statement, _)| statement).collect();
            let holds = |s: &usize| self.policy.applies(*s, &request) == Truth::Yes;
            // What may let in is no alternative to what does.
            let sure: Vec<usize> = granting.iter().copied().filter(holds).collect();
            if sure.is_empty() { granting } else { sure }
        };
        let by: BTreeSet<usize> = entering.iter().flat_map(by).collect();
        let whole = entering.iter().any(|(caller, context)| decide_at(self, caller, action, context) == Decision::Allowed);
        (!by.is_empty()).then(|| Met { certain, whole, anonymous, by: by.into_iter().collect() })
    }

    fn answer(&self, caller: &Caller, action: &ActionName, context: &Context) -> Answer {
        let identity = [everything()];
        explain(&Request { caller, action, resource: &self.resource, context }, &self.layers(&identity))
    }

    /// Whether a caller is turned away, whatever else its request says.
    pub fn refuses(&self, caller: &Caller, action: &ActionName, context: &Context) -> bool {
        matches!(decide_at(self, caller, action, context), Decision::Denied { .. })
    }

    fn layers<'l>(&'l self, identity: &'l [&'l Compiled]) -> Layers<'l> {
        Layers { identity, rcps: self.rcps, resource: ResourcePolicy::Is(self.policy), ..Layers::default() }
    }

    /// Whether a statement of the policy may still hold for a request of which only this is known.
    pub(crate) fn may_hold(&self, statement: usize, caller: &Caller, action: &ActionName, context: &Context) -> bool {
        let request = Request { caller, action, resource: &self.resource, context };
        self.policy.conditions_hold(statement, &request) != Truth::No
    }
}

/// How somebody fares at a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    pub certain: bool,
    /// To all that is asked for, under nothing that it chooses.
    pub whole: bool,
    /// Somebody without an account gets in.
    pub anonymous: bool,
    /// Places of the statements that let in, in the door's policy.
    pub by: Vec<usize>,
}

fn decide_at(door: &Door<'_>, caller: &Caller, action: &ActionName, context: &Context) -> Decision {
    let identity = [everything()];
    decide(&Request { caller, action, resource: &door.resource, context }, &door.layers(&identity))
}

/// Whether the answer lets its caller in: for certain, or under what the caller itself can choose.
fn lets_in(answer: &Answer) -> bool {
    match answer.decision {
        Decision::Allowed => true,
        Decision::Denied { .. } => false,
        Decision::Depends => {
            let of = |effect: Effect| answer.because.iter().filter(move |d| d.effect == effect && !d.certain);
            let keys = |policy: &str, statement: &str, effect: Effect| {
                let of = answer.depends.iter().filter(move |d| d.policy == policy && d.statement == statement);
                of.filter(move |d| d.effect == effect.word()).map(|d| is_binding(&d.key)).collect::<Vec<bool>>()
            };
            // A denial is escaped by one condition that can be chosen; an allowance needs all of its conditions to be.
            let escaped = of(Effect::Deny).all(|d| keys(&d.policy, &d.statement, Effect::Deny).contains(&false));
            let sure = answer.because.iter().any(|d| d.effect == Effect::Allow && d.certain && d.layer == Layer::Resource);
            let chosen = of(Effect::Allow)
                .filter(|d| d.layer == Layer::Resource)
                .any(|d| !keys(&d.policy, &d.statement, Effect::Allow).contains(&true));
            escaped && (sure || chosen)
        }
    }
}

/// What is known of a stranger's request: it is another organisation's, and comes over TLS of its own accord. Who has no
/// account has no organisation either.
pub fn strange(caller: &Caller) -> Context {
    elsewhere(caller).and(&by_itself())
}

/// Another organisation than ours.
fn elsewhere(caller: &Caller) -> Context {
    let mut context = Context::new();
    if !caller.account.is_empty() && caller.kind != CallerKind::Federated {
        context.set("aws:PrincipalOrgID", [ELSEWHERE]);
        context.set("aws:PrincipalOrgPaths", [UNIT]);
    }
    context
}

/// What is known of a request of somebody of another account that comes of its own accord.
pub fn of_other(resources: &Resources, caller: &Caller) -> Context {
    in_organization(resources, caller).and(&by_itself())
}

/// Whether somebody of another account is of the organisation, where that is known.
pub fn in_organization(resources: &Resources, caller: &Caller) -> Context {
    match resources.organization() {
        Some(organization) if resources.lists(&caller.account) => Context::new().with("aws:PrincipalOrgID", [organization]),
        Some(_) => elsewhere(caller),
        None => Context::new(),
    }
}

/// Keys, in lower case, that whoever assumes a role chooses: the external id it was told, its session's name and tags.
pub fn is_callers(key: &str) -> bool {
    ["sts:", "aws:requesttag/", "aws:tagkeys"].iter().any(|own| key.starts_with(own))
}

/// The accounts that conditions on everyone leave a policy to.
pub fn named_by(conditions: &[Condition], resources: &Resources) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for c in conditions.iter().filter(|c| !c.operator.negated) {
        let values = || c.values.iter().map(|v| v.text.as_str());
        match c.key.text.to_ascii_lowercase().as_str() {
            "aws:principalaccount" | "aws:principalarn" => all.extend(values().filter_map(account_of).map(str::to_owned)),
            "aws:principalorgid" | "aws:principalorgpaths" => all.extend(resources.unread().into_iter().map(str::to_owned)),
            _ => {}
        }
    }
    all
}

/// A request over TLS that no service makes for another.
fn by_itself() -> Context {
    let mut context = Context::new().with("aws:SecureTransport", ["true"]).with("aws:ViaAWSService", ["false"]);
    let none: [&str; 0] = [];
    // Services set these when they act for somebody; a stranger acts by itself.
    for key in ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:SourceOwner", "aws:CalledVia"]
    {
        context.set(key, none);
    }
    context
}

/// Those who may stand for an account when it asks, by the conditions that they will meet: it names its users, its roles and
/// their sessions as it likes, so a pattern that asks for a name alone is met by one of them.
pub fn of_account(account: &str, asked: &[&Condition]) -> Vec<Caller> {
    let named = |key: &str| -> Vec<&str> {
        let of = asked.iter().filter(|c| c.key.text.eq_ignore_ascii_case(key)).flat_map(|c| &c.values);
        of.map(|v| v.text.as_str()).take(MOST_NAMES).collect()
    };
    let plain = |pattern: &str| pattern.replace(['*', '?'], "x");
    let of = |kind: &str, name: &str| format!("arn:aws:iam::{account}:{kind}/{}", plain(name));
    let mut arns = vec![of("user", "stranger"), of("role", "stranger")];
    for value in named("aws:PrincipalArn") {
        // What a pattern says of the name, wherever its account stands.
        let tail = value.splitn(6, ':').last().unwrap_or_default();
        match ["user", "role"].into_iter().find_map(|kind| Some((kind, tail.split_once(&format!("{kind}/"))?.1))) {
            Some((kind, name)) => arns.push(of(kind, name)),
            None => {
                let name = tail.rsplit(['/', ':']).next().unwrap_or_default();
                let name = name.trim_start_matches(['*', '?']);
                arns.extend(["user", "role"].into_iter().filter(|_| !name.is_empty()).map(|kind| of(kind, name)));
            }
        }
    }
    arns.extend(named("aws:username").into_iter().map(|name| of("user", name)));
    // A role's session is known as the role's id and the session's name.
    let sessions = named("aws:userid").into_iter().map(|v| plain(v.split_once(':').map_or(v, |(_, session)| session)));
    let sessions: Vec<String> = sessions.chain(["stranger".to_owned()]).collect();
    let mut callers = Vec::new();
    for arn in arns {
        let caller = Caller::new(&arn);
        let mut ids: Vec<String> = match caller.kind {
            CallerKind::Role => sessions.iter().map(|session| format!("{ROLE_ID}:{session}")).collect(),
            _ => vec![USER_ID.to_owned()],
        };
        if account != STRANGER {
            // The ids that a policy names of an account it trusts are those of that account.
            ids.extend(named("aws:userid").into_iter().map(plain));
        }
        callers.extend(ids.into_iter().map(|id| {
            let mut caller = caller.clone();
            caller.keys.set("aws:userid", [id]);
            caller
        }));
    }
    callers
}

/// The account that a principal of a policy is of, by its id or an ARN.
pub fn account_of(text: &str) -> Option<&str> {
    let id = if text.starts_with("arn:") { text.split(':').nth(4)? } else { text };
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}
