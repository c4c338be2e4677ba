//! Whom the policies of resources let in from outside: everyone, accounts that were not read, services; and as a resource's
//! openings those who are not of the organisation.
//!
//! A stranger (`strangers`) asks for every action that the policy speaks of (AWS: "Blocking public access to your Amazon S3
//! storage", the meaning of "public").

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{ActionName, Caller, Compiled, Context};
use super::grants::Actions;
use super::policy::{Effect, PrincipalKind, PrincipalValue};
use super::resources::{Held, Resources};
use super::strangers::{Door, Met, STRANGER, account_of, named_by, of_account as strangers_of, of_other, strange};

/// Somebody from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Visitor {
    /// With an AWS account or without.
    Everyone,
    /// Whoever has an AWS account.
    EveryAccount,
    /// An account that is not in the organisation, by its id.
    Account(String),
    /// A principal of such an account, by its ARN.
    Principal(String),
    /// One of AWS's services, by its name.
    Service(String),
}

impl Visitor {
    /// `everyone`, `account 999988887777`
    pub fn words(&self) -> String {
        match self {
            Self::Everyone => "everyone".to_owned(),
            Self::EveryAccount => "everyone with an AWS account".to_owned(),
            Self::Account(id) => format!("account {id}"),
            Self::Principal(arn) => {
                format!("{} of {}", crate::model::arn::short(arn), arn.split(':').nth(4).unwrap_or_default())
            }
            Self::Service(name) => name.clone(),
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
    pub who: Visitor,
    /// What it may do, as AWS spells it, sorted.
    pub actions: Vec<String>,
    /// The statements that let it in.
    pub statements: Vec<String>,
}

/// The openings of one resource.
pub fn of_resource(resources: &Resources, held: &Held) -> Vec<Opening> {
    let strange = |who: &Visitor| match who {
        Visitor::Everyone | Visitor::EveryAccount => true,
        Visitor::Account(id) => !resources.lists(id),
        Visitor::Principal(arn) => account_of(arn).is_some_and(|id| !resources.lists(id)),
        Visitor::Service(_) => false,
    };
    let named = named(resources, held).into_iter().filter(|(who, _)| strange(who));
    let all = Asked { on: None, action: None, context: &Context::new() };
    let guests = named.filter_map(|(who, statements)| visit(resources, held, who, &statements, &all));
    let opening = |(who, Guest { actions, statements, .. })| Opening {
        arn: held.resource.arn.clone(),
        region: held.region.clone(),
        who,
        actions,
        statements,
    };
    guests.filter(|(_, guest)| guest.certain).map(opening).collect()
}

/// Whom a resource's policy speaks of beside the users and roles that were read, with the places of the statements that do.
pub(super) fn named(resources: &Resources, held: &Held) -> BTreeMap<Visitor, Vec<usize>> {
    let mut outsiders: BTreeMap<Visitor, Vec<usize>> = BTreeMap::new();
    let Some(policy) = held.policy().filter(|_| held.is_known()) else { return outsiders };
    let told = |id: &str| id == held.account || resources.lists(id) && resources.has_read(id) || is_aws_own(id);
    for (at, s) in policy.policy.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow) {
        let Some(element) = &s.principal else { continue };
        let mut add = |who: Visitor| outsiders.entry(who).or_default().push(at);
        let everyone = |value: &&PrincipalValue| value.kind == PrincipalKind::Everyone || value.value.text == "*";
        if element.not || element.principals.iter().any(|value| everyone(&value)) {
            add(Visitor::Everyone);
            // Conditions may leave it to accounts that they name, or to the organisation's.
            named_by(&s.conditions, resources).into_iter().filter(|id| !told(id)).for_each(|id| add(Visitor::Account(id)));
        }
        for value in element.principals.iter().filter(|value| !element.not && !everyone(value)) {
            let text = value.value.text.as_str();
            match (value.kind, account_of(text)) {
                (PrincipalKind::Service, _) => add(Visitor::Service(text.to_owned())),
                (PrincipalKind::Aws, Some(id)) if told(id) => {}
                (PrincipalKind::Aws, Some(_)) if text.starts_with("arn:") && !text.ends_with(":root") => {
                    add(Visitor::Principal(text.to_owned()));
                }
                (PrincipalKind::Aws, Some(id)) => add(Visitor::Account(id.to_owned())),
                // Of AWS itself, such as an origin access identity of CloudFront's.
                (PrincipalKind::Aws, None) if text.starts_with("arn:") => add(Visitor::Principal(text.to_owned())),
                _ => {}
            }
        }
    }
    outsiders
}

/// What guests are asked for.
struct Asked<'a> {
    /// Something in the resource; else whatever the policy names of it.
    on: Option<&'a str>,
    /// Else all that the policy speaks of.
    action: Option<&'a str>,
    /// What is known of the request.
    context: &'a Context,
}

/// What somebody may do with a resource, of the actions that some of its statements name; none where that is nothing.
fn visit(resources: &Resources, held: &Held, who: Visitor, statements: &[usize], wanted: &Asked<'_>) -> Option<(Visitor, Guest)> {
    let policy = held.policy()?;
    let callers = who.callers(resources, held).into_iter();
    let callers: Vec<(Caller, Context)> = callers.map(|(caller, known)| (caller, known.and(wanted.context))).collect();
    let rcps = resources.rcps(&held.account);
    let service = held.resource.service();
    let doors = |inside: bool| -> Vec<Door<'_>> {
        let asked = wanted.on.map_or_else(|| asked_on(held, policy, inside), |arn| vec![arn.to_owned()]).into_iter();
        asked.map(|arn| Door::new(resources.as_read(resources.resource(held, &arn)), policy, &rcps)).collect()
    };
    let (itself, inside) = (doors(false), doors(true));
    let mut named = Actions::none();
    for s in statements.iter().filter_map(|at| policy.policy.statements.get(*at)) {
        named.add(&Actions::named(&s.action));
    }
    let (mut sure, mut open) = (Visit::default(), Visit::default());
    for (of, action) in named.iter().filter(|(of, action)| of.prefix == service && !action.resources.is_empty()) {
        let name = format!("{}:{}", of.prefix, action.name);
        if wanted.action.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&name)) {
            continue;
        }
        let in_bucket = action.resources.iter().any(|(r, _)| of.resources.get(*r).is_some_and(|r| r.name == "object"));
        let doors = if service == "s3" && in_bucket { &inside } else { &itself };
        let asked = ActionName::new(&name);
        let found: Vec<Met> = doors.iter().filter_map(|door| door.meets(&callers, &asked)).collect();
        if let Some(met) = found.iter().find(|met| met.certain).or(found.first()) {
            let visit = if met.certain { &mut sure } else { &mut open };
            visit.actions.push(name);
            visit.anonymous |= met.anonymous;
            visit.by.extend(&met.by);
        }
    }
    // For whom a service acts is not known.
    let certain = !sure.actions.is_empty() && !matches!(who, Visitor::Service(_));
    let Visit { mut actions, by, anonymous } = if sure.actions.is_empty() { open } else { sure };
    if actions.is_empty() {
        return None;
    }
    actions.sort();
    let who = if who == Visitor::Everyone && !anonymous { Visitor::EveryAccount } else { who };
    let statements: BTreeSet<String> = by.into_iter().map(|at| policy.label(at).0).collect();
    let guest = Guest { who: who.words(), actions, statements: statements.into_iter().collect(), certain };
    Some((who, guest))
}

/// What was found of some actions.
#[derive(Default)]
struct Visit {
    actions: Vec<String>,
    by: BTreeSet<usize>,
    anonymous: bool,
}

impl Visitor {
    /// Those who stand for it when it asks for something that this policy speaks of, and what is known of their requests. None
    /// of another account gets at what is kept from all of them.
    pub(super) fn callers(&self, resources: &Resources, held: &Held) -> Vec<(Caller, Context)> {
        let statements = held.policy().map(|p| p.policy.statements.as_slice()).unwrap_or_default();
        let asked: Vec<_> = statements.iter().flat_map(|s| &s.conditions).collect();
        let with = |context: &dyn Fn(&Caller) -> Context, callers: Vec<Caller>| {
            callers.into_iter().map(|caller| (context(&caller), caller)).map(|(context, caller)| (caller, context)).collect()
        };
        let other = |caller: &Caller| of_other(resources, caller);
        match self {
            Self::Service(name) => vec![(Caller::new(name), Context::new())],
            _ if held.is_restricted() => Vec::new(),
            Self::Everyone | Self::EveryAccount => {
                let mut callers = strangers_of(STRANGER, &asked);
                callers.push(Caller::new("*"));
                with(&strange, callers)
            }
            Self::Account(id) => with(&other, strangers_of(id, &asked)),
            Self::Principal(arn) => with(&other, vec![Caller::new(arn)]),
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

/// Somebody whom a resource's policy lets in and who is no user or role that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// `everyone`, `account 999988887777`, `cloudtrail.amazonaws.com`
    pub who: String,
    /// What it may do, as AWS spells it, sorted: for certain where there is such, else what it may under conditions.
    pub actions: Vec<String>,
    pub statements: Vec<String>,
    pub certain: bool,
}

/// Everyone from outside whom a resource's policy lets do something, or one thing, those for certain first.
/// `context`: what is known of the request.
pub fn guests(resources: &Resources, arn: &str, action: Option<&str>, context: &Context) -> Vec<Guest> {
    let Some(held) = resources.find(arn) else { return Vec::new() };
    let named = named(resources, held).into_iter();
    let asked = Asked { on: Some(arn).filter(|arn| *arn != held.resource.arn), action, context };
    let mut all: Vec<Guest> = named.filter_map(|(who, by)| Some(visit(resources, held, who, &by, &asked)?.1)).collect();
    all.sort_by_key(|guest| !guest.certain);
    all
}
