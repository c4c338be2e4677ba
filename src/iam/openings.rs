//! Whom the policies of resources let in from outside: everyone, and accounts that are not in the organisation.
//!
//! A stranger (`strangers`) asks for every action that the policy speaks of (AWS: "Blocking public access to your Amazon S3
//! storage", the meaning of "public").

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{ActionName, Caller, Compiled, Context, Layer, Resource};
use super::grants::Actions;
use super::policy::{Effect, PrincipalKind, Statement};
use super::resources::{Held, Resources};
use super::strangers::{Door, STRANGER, account_of, of_account as strangers_of, strange};

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

/// The openings of one resource.
pub fn of_resource(resources: &Resources, held: &Held) -> Vec<Opening> {
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
                    Some(id) if id == held.account || resources.lists(id) || is_aws_own(id) => continue,
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
    let service = held.resource.service();
    let doors = |inside: bool| -> Vec<Door<'_>> {
        let asked = asked_on(held, policy, inside).into_iter();
        asked.map(|arn| Door::new(Resource::new(&arn).in_account(&held.account), policy, &rcps)).collect()
    };
    let (itself, inside) = (doors(false), doors(true));
    let mut found: Vec<Opening> = Vec::new();
    for (who, statements) in outsiders {
        let mut named = Actions::none();
        for s in &statements {
            named.add(&Actions::named(&s.action));
        }
        let callers: Vec<(Caller, Context)> = who
            .callers(&policy.policy.statements)
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
            let doors = if service == "s3" && in_bucket { &inside } else { &itself };
            let mut open = false;
            for (caller, context) in &callers {
                let Some(answer) = doors.iter().find_map(|door| door.lets_in(caller, &name, context)) else { continue };
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
    fn callers(&self, statements: &[Statement]) -> Vec<Caller> {
        let asked: Vec<_> = statements.iter().flat_map(|s| &s.conditions).collect();
        match self {
            Self::Everyone | Self::EveryAccount => {
                let mut callers = strangers_of(STRANGER, &asked);
                callers.push(Caller::new("*"));
                callers
            }
            Self::Account(id) => strangers_of(id, &asked),
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
pub fn guests(resources: &Resources, arn: &str, action: Option<&str>) -> Vec<Guest> {
    let Some(held) = resources.find(arn) else { return Vec::new() };
    let wanted = |a: &String| action.is_none_or(|wanted| wanted.eq_ignore_ascii_case(a));
    let mut all: Vec<Guest> = of_resource(resources, held)
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
