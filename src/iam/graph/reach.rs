//! Who gets at a resource: those whose own permissions reach it and whom its own policy lets in, as an end for paths.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::build::{Actor, Ground, filled_in};
use super::gains::Likeness;
use super::outside::Outsider;
use super::permit::{StatementId, Table};
use super::threads::side_by_side;
use super::{Gain, Graph, Need, ways};
use crate::iam::account::{Account, Principal};
use crate::iam::center::is_aws_kept;
use crate::iam::evaluate::{ActionName, Caller, Compiled, Context, Decision, Request, Resource, Truth, is_left_to_key};
use crate::iam::facts::{Level, facts};
use crate::iam::fit::actions_on;
use crate::iam::openings::{self, named};
use crate::iam::policy::Effect;
use crate::iam::strangers::{ANYWHERE, Door, Met, account_of, of_other};

/// A resource, and what getting at it means: any of its asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prize {
    /// As it was named.
    pub resource: String,
    asks: Vec<Ask>,
}

/// One action on one ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// `s3:GetObject`
    pub action: String,
    /// A bucket's objects are asked for as `bucket/*`.
    pub arn: String,
}

/// Why nobody can be asked about a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrizeError {
    #[error("{0:?} is neither a user or role nor the ARN of a resource; write it whole, like arn:aws:s3:::bucket/key")]
    NotAnArn(String),
    #[error("no service is known to have a resource like {0:?}; write its ARN whole, or ask who can service:Action on it")]
    NoAction(String),
    #[error("{0:?} is no action: write service:Action, like s3:GetObject")]
    BadAction(String),
}

/// What gets into a machine; they are other services' actions on it.
pub(super) const ENTERS: &[&str] = &["ssm:StartSession", "ssm:SendCommand", "ec2-instance-connect:SendSSHPublicKey"];

/// Levels of access that get at a resource; seeing that it is there, and its tags, do not.
const COUNTED: [Level; 3] = [Level::Read, Level::Write, Level::PermissionsManagement];

impl Prize {
    /// A resource by its ARN; where no action is named, whatever reads it, writes it or manages permissions on it.
    ///
    /// # Errors
    /// [`PrizeError`]
    pub fn new(resource: &str, actions: &[String]) -> Result<Self, PrizeError> {
        let whole = resource.splitn(6, ':').filter(|p| !p.is_empty()).count() >= 4 && resource.starts_with("arn:");
        if !whole {
            return Err(PrizeError::NotAnArn(resource.chars().take(200).collect()));
        }
        // What people mean by a bucket is what is in it: that is asked first.
        let bucket = resource.split(':').nth(2) == Some("s3") && !resource.contains('/');
        let mut arns: Vec<String> = bucket.then(|| format!("{resource}/*")).into_iter().collect();
        arns.push(resource.to_owned());
        let fitting = |arn: &str, level| {
            let all = actions_on(arn, level).into_iter();
            all.map(|(s, a)| format!("{}:{}", s.prefix, a.name)).collect::<Vec<String>>()
        };
        let machine = resource.split(':').nth(2) == Some("ec2") && resource.contains(":instance/");
        let mut asks: Vec<Ask> = Vec::new();
        if actions.is_empty() {
            for arn in &arns {
                let enters = ENTERS.iter().filter(|_| machine).map(|action| (*action).to_owned());
                let found = enters.chain(COUNTED.into_iter().flat_map(|level| fitting(arn, level)));
                asks.extend(found.map(|action| Ask { action, arn: arn.clone() }));
            }
            if asks.is_empty() {
                return Err(PrizeError::NoAction(resource.chars().take(200).collect()));
            }
        }
        for action in actions {
            let named = action.split_once(':').is_some_and(|(s, n)| !s.is_empty() && !n.is_empty());
            if !named || action.contains(['*', '?', ' ']) {
                return Err(PrizeError::BadAction(action.chars().take(100).collect()));
            }
            let level = facts().action(action).map(|(_, a)| a.level);
            let fits = |arn: &&String| level.is_some_and(|l| fitting(arn, l).iter().any(|a| a.eq_ignore_ascii_case(action)));
            let on = arns.iter().find(fits).map_or(resource, String::as_str);
            asks.push(Ask { action: action.clone(), arn: on.to_owned() });
        }
        Ok(Self { resource: resource.to_owned(), asks })
    }
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }
}

/// Somebody whose own permissions reach it, or do once it has done something to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Place in [`Account::principals`]; of somebody from outside, among the outsiders.
    pub principal: usize,
    /// Something is allowed for certain; else all of it depends on conditions.
    pub certain: bool,
    /// What it does to itself first, and what that rests on.
    pub first: Option<(Gain, Vec<Need>)>,
    /// What is allowed, or may be where nothing is for certain.
    pub may: Vec<Access>,
}

/// Something that somebody may do with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Place in [`Prize::asks`].
    pub ask: usize,
    /// The ARN, which may be a part of what is asked for.
    pub on: Arc<str>,
    /// Statements of its own policies and of the resource's: one of each of these lists has to allow it.
    pub needs: Vec<Vec<StatementId>>,
}

impl Holder {
    fn of(principal: usize, sure: Vec<Access>, open: Vec<Access>) -> Option<Self> {
        let certain = !sure.is_empty();
        let may = if certain { sure } else { open };
        (!may.is_empty()).then_some(Self { principal, certain, first: None, may })
    }

    fn after(self, gain: Gain, truth: Truth, needs: Vec<Need>) -> Self {
        Self { certain: self.certain && truth == Truth::Yes, first: Some((gain, needs)), ..self }
    }

    /// The statements behind what is told of it: one of each of these lists has to allow it.
    pub(super) fn needs(&self) -> impl Iterator<Item = &[StatementId]> {
        let first = self.first.iter().flat_map(|(_, needs)| needs).map(|need| &*need.by);
        first.chain(self.may.first().into_iter().flat_map(|access| &access.needs).map(Vec::as_slice))
    }

    /// Whether it still holds when a statement is gone.
    pub(super) fn holds_without(&self, statement: StatementId) -> bool {
        let has_other = |by: &[StatementId]| by.iter().any(|s| *s != statement);
        let first = self.first.iter().flat_map(|(_, needs)| needs).all(|need| has_other(&need.by));
        first && self.may.iter().any(|u| u.needs.iter().all(|by| has_other(by)))
    }
}

/// Who reaches a resource in one account, or from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub prize: Prize,
    /// In the account's order.
    pub holders: Vec<Holder>,
    /// Whether whoever makes itself an administrator reaches it, and for certain; guardrails may keep it away.
    pub administrator: Option<bool>,
}

impl Held {
    pub fn holder(&self, principal: usize) -> Option<&Holder> {
        self.holders.iter().find(|h| h.principal == principal)
    }
}

impl Graph<'_> {
    /// Those who reach a resource as they are or can make themselves.
    pub fn reach(&self, prize: &Prize) -> Held {
        let own = self.account.resources().find(&prize.resource).and_then(|held| held.policy());
        let parts = parts(self.account.policies.iter().chain(own), &prize.resource);
        let asked: Vec<Asked> = prize.asks.iter().map(|ask| Asked::of(self.account, ask, &parts)).collect();
        let count = self.account.principals.len();
        let table = Table::new(self.account, ways::actions());
        let ground = Ground::new(self.account, &table);
        let holders = side_by_side(count, |p| {
            let (sure, open) = accesses(self.account, &self.account.principals[p], &asked);
            if !sure.is_empty() || self.administrators[p] {
                return Holder::of(p, sure, open);
            }
            let made = made(&ground, p, &asked);
            let (certain, may) = made.into_iter().partition::<Vec<_>, _>(|holder| holder.certain);
            certain.into_iter().next().or_else(|| Holder::of(p, sure, open)).or_else(|| may.into_iter().next())
        });
        let context = chosen();
        let by_power = asked.iter().flat_map(|asked| asked.on.iter().map(move |(_, resource)| (&asked.action, resource)));
        // As whom it acts: where the resource is another account's, whoever that lets in is given what it takes.
        let elsewhere = self.account.owner(&prize.resource).is_some_and(|owner| owner != self.account.id);
        let let_in = |action: &ActionName| {
            let named = |at: &usize| {
                let who = &self.account.principals[*at];
                elsewhere && !is_aws_kept(&who.path) && own.is_some_and(|policy| policy.allows(&who.caller, action))
            };
            std::iter::once(None).chain((0..count).filter(named).map(Some)).collect::<Vec<_>>()
        };
        let by_power = by_power.flat_map(|(action, resource)| let_in(action).into_iter().map(move |at| (at, action, resource)));
        let by_power = by_power.map(|(at, action, on)| self.account.decision_for_administrator(at, action, on, &context));
        let mut administrator = None;
        for decision in by_power {
            match decision {
                Decision::Allowed => administrator = Some(true),
                Decision::Depends => administrator = administrator.or(Some(false)),
                Decision::Denied { .. } => {}
            }
        }
        let holders = holders.into_iter().flatten().collect();
        Held { prize: prize.clone(), holders, administrator }
    }
}

/// What has to grant a request, each by any of these statements (AWS: "Policy evaluation logic", within one account and across
/// accounts): a policy of either side within one account, both sides' across accounts and for a KMS key.
fn needs(account: &Account, who: &Principal, request: &Request<'_>, least: Truth) -> Vec<Vec<StatementId>> {
    let counts = |policy: &Compiled, at: usize| {
        let truth = policy.applies(at, request);
        truth == Truth::Yes || truth == least
    };
    let mut own = Vec::new();
    // What the boundary does not allow its own policies do not grant.
    let allows =
        |policy: &Compiled| policy.naming(request.action).any(|(at, effect)| effect == Effect::Allow && counts(policy, at));
    let within = who.boundary.is_none_or(|boundary| allows(&account.policies[boundary]));
    for policy in who.policies.iter().filter(|_| within) {
        let compiled = &account.policies[*policy];
        let allows = compiled.naming(request.action).filter(|(at, effect)| *effect == Effect::Allow && counts(compiled, *at));
        own.extend(allows.map(|(at, _)| StatementId { policy: *policy as u32, statement: at as u32 }));
    }
    let resources = account.resources();
    let arn = request.resource.as_str();
    let place = resources.place(arn);
    let policy = place.and_then(|place| Some((place, resources.at(place)?.policy()?)));
    let granted = |own_too: bool| -> Vec<StatementId> {
        let of = |(place, policy): (usize, &Compiled)| {
            let all = policy.grants(request).into_iter().filter(|(at, needs_own)| counts(policy, *at) && (own_too || !needs_own));
            all.map(|(at, _)| StatementId::of_resource(place, at)).collect::<Vec<_>>()
        };
        policy.map(of).unwrap_or_default()
    };
    let across = account.owner(arn).is_some_and(|owner| owner != account.id);
    let mut all = vec![own];
    if !across {
        all[0].extend(granted(false));
    }
    if across || is_left_to_key(request.action, request.resource) {
        all.push(granted(true));
    }
    // What one asks for already is not asked for twice.
    if all.len() == 2 && all[0].iter().all(|s| all[1].contains(s)) && !all[0].is_empty() {
        all.truncate(1);
    }
    // Where it is not known what grants it, nothing is said of it.
    all.retain(|by| !by.is_empty());
    all
}

/// Whoever asks chooses to ask over TLS.
pub(super) fn chosen() -> Context {
    Context::new().with("aws:SecureTransport", ["true"])
}

/// What one ask stands for.
struct Asked {
    action: ActionName,
    /// All of it first. Where that is a bucket's objects and depends on which of them, one that no policy names and those that
    /// some do, with what they are told as: getting at one of them gets at the bucket.
    on: Vec<(Arc<str>, Resource)>,
    /// Parts that have a policy variable in their name, as everyone's own folder has.
    own: Vec<String>,
}

impl Asked {
    fn of(account: &Account, ask: &Ask, parts: &[String]) -> Self {
        let one = |told: &str, arn: &str| (Arc::from(told), account.resource(arn));
        let (mut on, mut own) = (vec![one(&ask.arn, &ask.arn)], Vec::new());
        if let Some(bucket) = ask.arn.strip_suffix("/*").filter(|arn| arn.split(':').nth(2) == Some("s3")) {
            on.push(one(&ask.arn, &format!("{bucket}/{UNNAMED}")));
            let (filled, plain): (Vec<&String>, Vec<&String>) = parts.iter().partition(|part| part.contains("${"));
            on.extend(plain.into_iter().map(|part| one(part, part)));
            own.extend(filled.into_iter().cloned());
        }
        Self { action: ActionName::new(&ask.action), on, own }
    }
}

/// The key of an object that no policy names.
const UNNAMED: &str = "an object that no policy names";
/// Parts of a bucket that are tried.
const MOST_PARTS: usize = 12;

/// The parts of a bucket that policies allow something on.
fn parts<'p>(policies: impl Iterator<Item = &'p Compiled>, bucket: &str) -> Vec<String> {
    let statements = policies.flat_map(|p| &p.policy.statements);
    let named = statements.filter(|s| s.effect == Effect::Allow).filter_map(|s| s.resource.as_ref().filter(|r| !r.not));
    let inside = |text: &&str| {
        let key = text.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
        key.is_some_and(|key| !key.is_empty() && key != "*")
    };
    let all: BTreeSet<&str> = named.flat_map(|r| &r.values).map(|v| v.text.as_str()).filter(inside).collect();
    all.into_iter().take(MOST_PARTS).map(str::to_owned).collect()
}

/// As what somebody can make itself it reaches them.
fn made(ground: &Ground<'_>, p: usize, asked: &[Asked]) -> Vec<Holder> {
    let account = ground.account;
    let speaks = |policy: usize| {
        let names = |asked: &Asked| account.policies[policy].naming(&asked.action).any(|(_, effect)| effect == Effect::Allow);
        asked.iter().any(names)
    };
    let likenesses = ground.likenesses(Actor { at: p, who: &account.principals[p] }, speaks);
    let holder = |likeness: Likeness| {
        let (sure, open) = accesses(account, &likeness.who, asked);
        Some(Holder::of(p, sure, open)?.after(likeness.gain, likeness.truth, likeness.needs))
    };
    likenesses.into_iter().filter_map(holder).collect()
}

/// What somebody may do with them by policies, for certain and under conditions.
fn accesses(account: &Account, who: &Principal, asked: &[Asked]) -> (Vec<Access>, Vec<Access>) {
    let contexts = [chosen(), chosen().with("aws:SourceIp", [ANYWHERE])];
    let caller = &who.caller;
    let (mut sure, mut open) = (Vec::new(), Vec::new());
    for (ask, Asked { action, on, own }) in asked.iter().enumerate() {
        let using = |(told, resource): &(Arc<str>, Resource), context: &Context, least: Truth| {
            let request = Request { caller, action, resource, context };
            Access { ask, on: Arc::clone(told), needs: needs(account, who, &request, least) }
        };
        let Some(all) = on.first() else { continue };
        match account.decision(who, action, &all.1, &contexts[0]) {
            Decision::Allowed => sure.push(using(all, &contexts[0], Truth::Yes)),
            Decision::Denied { .. } => {}
            Decision::Depends => {
                let own: Vec<String> =
                    own.iter().map(|part| filled_in(part, caller)).filter(|part| !part.contains("${")).collect();
                let own: Vec<_> = own.iter().map(|part| (Arc::from(part.as_str()), account.resource(part))).collect();
                let on = || on.iter().chain(&own);
                let mut tried = contexts.iter().flat_map(|context| on().map(move |part| (part, context)));
                let allowed =
                    |t: &(&(Arc<str>, Resource), &Context)| account.decision(who, action, &t.0.1, t.1) == Decision::Allowed;
                match tried.find(allowed) {
                    Some((part, context)) => sure.push(using(part, context, Truth::Yes)),
                    None => open.push(using(all, &contexts[0], Truth::Maybe)),
                }
            }
        }
    }
    (sure, open)
}

/// Those from outside of whom a resource's own policy speaks and whom it lets do something.
pub(super) fn guests(account: &Account, prize: &Prize) -> Vec<Outsider> {
    let resources = account.resources();
    let Some(held) = resources.find(&prize.resource) else { return Vec::new() };
    let anonymous = prize_met(account, prize, &openings::Visitor::Everyone, false).into_iter().any(|(.., met)| met.anonymous);
    let shown = |who: openings::Visitor| match who {
        openings::Visitor::Everyone if !anonymous => openings::Visitor::EveryAccount,
        who => who,
    };
    let all: Vec<Outsider> =
        named(resources, held).into_keys().map(|who| Outsider::visitor(&shown(who), |id| account.knows(id))).collect();
    let lets_in = visits(account, prize, &all, None);
    lets_in.holders.iter().filter_map(|h| all.get(h.principal).cloned()).collect()
}

/// How these from outside get at a resource by its own policy; `asked`: the place of the one that was asked about by name.
pub(super) fn visits(account: &Account, prize: &Prize, outsiders: &[Outsider], asked: Option<usize>) -> Held {
    let place = account.resources().place(&prize.resource);
    let holder = |(at, outsider): (usize, &Outsider)| {
        let (place, who) = (place?, outsider.as_visitor()?);
        let (mut sure, mut open) = (Vec::new(), Vec::new());
        for (ask, on, met) in prize_met(account, prize, &who, asked == Some(at)) {
            let needs = vec![met.by.iter().map(|statement| StatementId::of_resource(place, *statement)).collect()];
            // For whom a service acts is not known.
            let certain = met.certain && !matches!(who, openings::Visitor::Service(_));
            if certain { &mut sure } else { &mut open }.push(Access { ask, on, needs });
        }
        Holder::of(at, sure, open)
    };
    let holders = outsiders.iter().enumerate().filter_map(holder).collect();
    Held { prize: prize.clone(), holders, administrator: None }
}

/// What somebody from outside finds at the asks of a prize, and at which ARN; `asked`: it was asked about by name.
pub(super) fn visited(account: &Account, prize: &Prize, outsider: &Outsider, asked: bool) -> Vec<(usize, Arc<str>, Met)> {
    outsider.as_visitor().map(|who| prize_met(account, prize, &who, asked)).unwrap_or_default()
}

fn prize_met(account: &Account, prize: &Prize, who: &openings::Visitor, asked: bool) -> Vec<(usize, Arc<str>, Met)> {
    let resources = account.resources();
    let Some((held, policy)) = resources.find(&prize.resource).and_then(|held| Some((held, held.policy()?))) else {
        return Vec::new();
    };
    let mut callers = who.callers(resources, held);
    if let (openings::Visitor::Account(id), true) = (who, asked) {
        // An account asks as whichever of its principals the policy names.
        let all = policy.policy.statements.iter().flat_map(|s| &s.principal).flat_map(|p| &p.principals);
        let own = all.map(|v| v.value.text.as_str()).filter(|arn| arn.starts_with("arn:") && account_of(arn) == Some(id));
        callers.extend(own.filter(|_| !held.is_restricted()).map(Caller::new).map(|c| (c.clone(), of_other(resources, &c))));
    }
    let rcps = if held.account == account.id { account.rcp_levels() } else { resources.rcps(&held.account) };
    let parts = parts(std::iter::once(policy), &prize.resource);
    let met = |(at, ask): (usize, &Ask)| {
        let spoken_of = policy.allows_somebody(&ActionName::new(&ask.action));
        let Asked { action, on, .. } = spoken_of.then(|| Asked::of(account, ask, &parts))?;
        let mut met =
            on.into_iter().map(|(told, on)| (at, told, Door::new(resources.as_read(on), policy, &rcps).meets(&callers, &action)));
        let (_, told, all) = met.next()?;
        let all = all?;
        let sure = |met: (usize, Arc<str>, Option<Met>)| Some((met.0, met.1, met.2.filter(|met| met.certain)?));
        // Where it depends on which of them.
        let part = if all.certain && all.whole { None } else { met.find_map(sure) };
        Some(part.unwrap_or((at, told, all)))
    };
    prize.asks.iter().enumerate().filter_map(met).collect()
}
