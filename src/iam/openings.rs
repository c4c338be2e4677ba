//! Whom the policies of resources let in from outside: everyone, and accounts that are not in the organisation.
//!
//! Nothing is matched by words. A stranger, with an account and an organisation of its own, asks our evaluator for every
//! action that the policy speaks of, over the policy's own denials and the resource control policies above it. What a
//! stranger can choose (a header, a prefix, TLS) keeps nobody out; what it cannot (its organisation, its address, the network
//! it comes from, the service it acts for) does (AWS: "Blocking public access to your Amazon S3 storage", the meaning of
//! "public").

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{
    ActionName, Answer, Caller, Compiled, Context, Decision, Layer, Layers, Request, Resource, ResourcePolicy, decide, explain,
};
use super::grants::Actions;
use super::policy::{Effect, Element, Policy, PrincipalKind, Statement};
use super::resources::{Held, Resources};

/// Who gets in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outsider {
    /// With an AWS account or without.
    Everyone,
    /// Whoever has an AWS account.
    EveryAccount,
    /// An account that is not in the organisation, by its id.
    Account(String),
    /// A principal of such an account, by its ARN.
    Principal(String),
}

impl Outsider {
    /// `everyone`, `account 999988887777`
    pub fn words(&self) -> String {
        match self {
            Self::Everyone => "everyone".to_owned(),
            Self::EveryAccount => "everyone with an AWS account".to_owned(),
            Self::Account(id) => format!("account {id}"),
            Self::Principal(arn) => {
                format!("{} of {}", crate::model::arn::short(arn), arn.split(':').nth(4).unwrap_or_default())
            }
        }
    }
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Everyone | Self::EveryAccount)
    }
}

/// A resource that is open to somebody from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub arn: String,
    pub region: String,
    pub who: Outsider,
    /// What it may do, as AWS spells it, sorted.
    pub actions: Vec<String>,
    /// The statements that let it in.
    pub statements: Vec<String>,
}

/// A stranger's account and organisation: of nobody.
const STRANGER: &str = "000000000000";
const ELSEWHERE: &str = "o-0000000000";

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

fn is_binding(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    BINDING.iter().any(|b| if b.ends_with(['/', ':']) { key.starts_with(b) } else { key == *b })
}

/// What whoever brings its own policies is allowed by them.
fn everything() -> Compiled {
    let all = || Element::of(["*".to_owned()]);
    Compiled::new("", "", Policy::of(vec![Statement::of(None, Effect::Allow, all(), all(), Vec::new())]))
}

/// What is known of a stranger's request: it is another organisation's, and comes over TLS of its own accord. Who has no
/// account has no organisation either.
fn strange(caller: &Caller) -> Context {
    let mut context = Context::new().with("aws:SecureTransport", ["true"]).with("aws:ViaAWSService", ["false"]);
    if !caller.account.is_empty() {
        context.set("aws:PrincipalOrgID", [ELSEWHERE]);
        context.set("aws:PrincipalOrgPaths", [format!("{ELSEWHERE}/r-0000/")]);
    }
    let none: [&str; 0] = [];
    // Services set these when they act for somebody; a stranger acts by itself.
    for key in ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:SourceOwner", "aws:CalledVia"]
    {
        context.set(key, none);
    }
    context
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

/// The openings of one resource. `known` are the organisation's accounts.
pub fn of_resource(resources: &Resources, held: &Held, known: &BTreeSet<String>) -> Vec<Opening> {
    let Some(policy) = held.policy().filter(|_| held.is_known() && !held.is_restricted()) else { return Vec::new() };
    let mut outsiders: BTreeMap<Outsider, Vec<&Statement>> = BTreeMap::new();
    for s in policy.policy.statements.iter().filter(|s| s.effect == Effect::Allow) {
        let Some(element) = &s.principal else { continue };
        if element.not {
            outsiders.entry(Outsider::Everyone).or_default().push(s);
            continue;
        }
        for value in &element.principals {
            let text = value.value.text.as_str();
            let account = account_of(text);
            let who = match value.kind {
                PrincipalKind::Everyone => Outsider::Everyone,
                PrincipalKind::Aws if text == "*" => Outsider::Everyone,
                PrincipalKind::Aws => match account {
                    Some(id) if id == held.account || known.contains(id) || is_aws_own(id) => continue,
                    Some(_) if text.starts_with("arn:") && !text.ends_with(":root") => Outsider::Principal(text.to_owned()),
                    Some(id) => Outsider::Account(id.to_owned()),
                    None => continue,
                },
                _ => continue,
            };
            outsiders.entry(who).or_default().push(s);
        }
    }
    let rcps = resources.rcps(&held.account);
    let own = everything();
    let service = held.resource.service();
    let mut found: Vec<Opening> = Vec::new();
    for (who, statements) in outsiders {
        let mut named = Actions::none();
        for s in &statements {
            named.add(&Actions::named(&s.action));
        }
        let callers: Vec<(Caller, Context)> = who
            .callers(&statements)
            .into_iter()
            .map(|caller| {
                let context = strange(&caller);
                (caller, context)
            })
            .collect();
        let (mut actions, mut because, mut anonymous) = (Vec::new(), BTreeSet::new(), false);
        for (of, action) in named.iter().filter(|(of, action)| of.prefix == service && !action.resources.is_empty()) {
            let name = ActionName::new(&format!("{}:{}", of.prefix, action.name));
            let in_bucket = action.resources.iter().any(|(r, _)| of.resources.get(*r).is_some_and(|r| r.name == "object"));
            let asks = asked_on(held, policy, service == "s3" && in_bucket);
            let mut open = false;
            for (caller, context) in &callers {
                let Some(answer) = asks.iter().find_map(|arn| let_in(held, arn, policy, &own, &rcps, caller, &name, context))
                else {
                    continue;
                };
                open = true;
                anonymous |= caller.account.is_empty();
                let by = answer.because.iter().filter(|d| d.layer == Layer::Resource && d.effect == Effect::Allow);
                because.extend(by.map(|d| d.statement.clone()));
            }
            if open {
                actions.push(format!("{}:{}", of.prefix, action.name));
            }
        }
        if actions.is_empty() {
            continue;
        }
        actions.sort();
        let who = if who == Outsider::Everyone && !anonymous { Outsider::EveryAccount } else { who };
        let (arn, region) = (held.resource.arn.clone(), held.region.clone());
        found.push(Opening { arn, region, who, actions, statements: because.into_iter().collect() });
    }
    found
}

impl Outsider {
    /// Those who stand for it when it asks.
    fn callers(&self, statements: &[&Statement]) -> Vec<Caller> {
        match self {
            Self::Everyone | Self::EveryAccount => {
                let mut callers = vec![Caller::new(&format!("arn:aws:iam::{STRANGER}:user/stranger")), Caller::new("*")];
                // A name in whatever account is a name that a stranger can have.
                let asked = statements.iter().flat_map(|s| &s.conditions);
                let arns = asked.filter(|c| !c.operator.negated && c.key.text.eq_ignore_ascii_case("aws:PrincipalArn"));
                for value in arns.flat_map(|c| &c.values) {
                    let mut parts: Vec<String> = value.text.splitn(6, ':').map(str::to_owned).collect();
                    if parts.len() == 6 && parts[4].contains(['*', '?']) {
                        STRANGER.clone_into(&mut parts[4]);
                        callers.push(Caller::new(&parts.join(":").replace(['*', '?'], "x")));
                    }
                }
                callers
            }
            Self::Account(id) => vec![Caller::new(&format!("arn:aws:iam::{id}:user/stranger"))],
            Self::Principal(arn) => vec![Caller::new(arn)],
        }
    }
}

/// What is asked about: the resource, or what is in it; as the policy names it where it names a part, such as one folder.
fn asked_on(held: &Held, policy: &Compiled, inside: bool) -> Vec<String> {
    let arn = &held.resource.arn;
    let mut asked = vec![if inside { format!("{arn}/*") } else { arn.clone() }];
    if inside {
        let allows = policy.policy.statements.iter().filter(|s| s.effect == Effect::Allow);
        for value in allows.filter_map(|s| s.resource.as_ref().filter(|r| !r.not)).flat_map(|r| &r.values) {
            let below = value.text.strip_prefix(arn.as_str()).is_some_and(|rest| rest.starts_with('/'));
            if below && !value.text.contains("${") && !asked.contains(&value.text) {
                asked.push(value.text.clone());
            }
        }
    }
    asked
}

/// The answer that lets a caller do something with a resource; none where it does not.
#[allow(clippy::too_many_arguments, reason = "one request in all its parts")]
fn let_in(
    held: &Held,
    arn: &str,
    policy: &Compiled,
    own: &Compiled,
    rcps: &[Vec<&Compiled>],
    caller: &Caller,
    action: &ActionName,
    context: &Context,
) -> Option<Answer> {
    let identity = [own];
    let resource = Resource::new(arn).in_account(&held.account);
    let layers = Layers { identity: &identity, rcps, resource: ResourcePolicy::Is(policy), ..Layers::default() };
    let request = Request { caller, action, resource: &resource, context };
    if matches!(decide(&request, &layers), Decision::Denied { .. }) {
        return None;
    }
    let answer = explain(&request, &layers);
    lets_in(&answer).then_some(answer)
}

/// The account that a principal of a policy is of, by its id or an ARN.
fn account_of(text: &str) -> Option<&str> {
    let id = if text.starts_with("arn:") { text.split(':').nth(4)? } else { text };
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// Accounts of AWS itself that policies are told to let in: Elastic Load Balancing's, by which access logs are written
/// (AWS: "Enable access logs for your Classic Load Balancer", attach a bucket policy).
fn is_aws_own(id: &str) -> bool {
    const LOAD_BALANCING: &[&str] = &[
        "127311923021",
        "033677994240",
        "027434742980",
        "797873946194",
        "098369216593",
        "754344448648",
        "589379963580",
        "718504428378",
        "383597477331",
        "600734575887",
        "114774131450",
        "783225319266",
        "582318560864",
        "985666609251",
        "054676820928",
        "156460612806",
        "652711504416",
        "635631232127",
        "009996457667",
        "897822967062",
        "076674570225",
        "507241528517",
        "048591011584",
        "190560391635",
        "638102146993",
        "037604701340",
    ];
    LOAD_BALANCING.contains(&id)
}

/// Somebody whom a resource's policy lets in and who is no user or role that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// `everyone`, `account 999988887777`, `cloudtrail.amazonaws.com`
    pub who: String,
    /// What it may do; under conditions where it is a service.
    pub actions: Vec<String>,
    pub statements: Vec<String>,
}

/// The outsiders and services that a resource's policy lets do something, or one thing.
pub fn guests(resources: &Resources, arn: &str, action: Option<&str>, known: &BTreeSet<String>) -> Vec<Guest> {
    let Some(held) = resources.find(arn) else { return Vec::new() };
    let wanted = |a: &String| action.is_none_or(|wanted| wanted.eq_ignore_ascii_case(a));
    let mut all: Vec<Guest> = of_resource(resources, held, known)
        .into_iter()
        .map(|o| Guest { who: o.who.words(), actions: o.actions.into_iter().filter(wanted).collect(), statements: o.statements })
        .filter(|g| !g.actions.is_empty())
        .collect();
    let mut services: BTreeMap<&str, Guest> = BTreeMap::new();
    let statements = held.policy().into_iter().flat_map(|p| p.policy.statements.iter().enumerate());
    for (n, s) in statements.filter(|(_, s)| s.effect == Effect::Allow) {
        let principals = s.principal.iter().filter(|p| !p.not).flat_map(|p| &p.principals);
        for service in principals.filter(|p| p.kind == PrincipalKind::Service) {
            let named = Actions::named(&s.action);
            let named = named.iter().filter(|(of, _)| of.prefix == held.resource.service());
            let actions: Vec<String> = named.map(|(of, a)| format!("{}:{}", of.prefix, a.name)).filter(wanted).collect();
            if actions.is_empty() {
                continue;
            }
            let who = service.value.text.as_str();
            let fresh = || Guest { who: who.to_owned(), actions: Vec::new(), statements: Vec::new() };
            let guest = services.entry(who).or_insert_with(fresh);
            guest.actions.extend(actions);
            guest.actions.sort();
            guest.actions.dedup();
            guest.statements.push(s.label(n));
        }
    }
    all.extend(services.into_values());
    all
}

/// All openings of an account's resources, by resource.
pub fn of_account(resources: &Resources, account: &str, known: &BTreeSet<String>) -> Vec<Opening> {
    resources.in_account(account).into_iter().flat_map(|held| of_resource(resources, held, known)).collect()
}
