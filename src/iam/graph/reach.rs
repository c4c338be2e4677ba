//! Who gets at a resource: those whose own permissions reach it, as an end for paths.

use super::permit::StatementId;
use super::threads::side_by_side;
use super::{Graph, Target};
use crate::iam::account::Account;
use crate::iam::evaluate::{ActionName, Context, Deciding, Decision, Layer, Request, Resource, Truth};
use crate::iam::facts::{Level, facts};
use crate::iam::fit::actions_on;
use crate::iam::policy::Effect;

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
        let mut asks: Vec<Ask> = Vec::new();
        if actions.is_empty() {
            for arn in &arns {
                let found = COUNTED.into_iter().flat_map(|level| fitting(arn, level));
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

/// Somebody whose own permissions reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Place in [`Account::principals`].
    pub principal: usize,
    /// Something is allowed for certain; else all of it depends on conditions.
    pub certain: bool,
    /// Places in [`Prize::asks`] of what is allowed (or may be, where nothing is for certain), each with the statements of
    /// its own policies that allow it.
    pub may: Vec<(usize, Vec<StatementId>)>,
}

impl Holder {
    /// Whether it still holds when a statement is gone.
    pub(super) fn holds_without(&self, statement: StatementId) -> bool {
        self.may.iter().any(|(_, by)| by.is_empty() || by.iter().any(|s| *s != statement))
    }
}

/// Who reaches a resource in one account.
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
    /// Those whose own permissions reach a resource, as a target for paths.
    pub fn reach(&self, prize: &Prize) -> Target {
        let asked: Vec<(ActionName, Resource)> =
            prize.asks.iter().map(|a| (ActionName::new(&a.action), self.account.resource(&a.arn))).collect();
        let count = self.account.principals.len();
        let holders = side_by_side(count, |p| holder(self.account, p, &asked));
        let context = Context::new();
        let by_power = asked.iter().map(|(action, resource)| self.account.decision_for_administrator(action, resource, &context));
        let mut administrator = None;
        for decision in by_power {
            match decision {
                Decision::Allowed => administrator = Some(true),
                Decision::Depends => administrator = administrator.or(Some(false)),
                Decision::Denied { .. } => {}
            }
        }
        let holders = holders.into_iter().flatten().collect();
        Target::Resource(Box::new(Held { prize: prize.clone(), holders, administrator }))
    }

    /// What a holder can do with the resource, in one sentence, and the statements behind the first of it, by policy and
    /// statement: its own, else the resource's.
    pub fn use_of(&self, reached: &Held, holder: &Holder) -> (String, Vec<(String, String)>) {
        let name = crate::model::arn::principal(&self.account.principals[holder.principal].arn);
        let Some((first, by)) = holder.may.first() else { return (name, Vec::new()) };
        let more = match holder.may.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let sure = if holder.certain { "" } else { ", under conditions" };
        let ask = &reached.prize.asks[*first];
        let mut by: Vec<(String, String)> = by.iter().map(|id| self.statement(*id)).collect();
        if by.is_empty() {
            let arn = &self.account.principals[holder.principal].arn;
            let answer = self.account.can(arn, &ask.action, &ask.arn, &Context::new());
            let of_resource = |d: &Deciding| d.layer == Layer::Resource && d.effect == Effect::Allow;
            let because = answer.into_iter().flat_map(|a| a.because).filter(of_resource);
            by = because.map(|d| (d.policy, d.statement)).collect();
        }
        (format!("{name} can {}{more} on {}{sure}", ask.action, ask.arn), by)
    }
}

fn holder(account: &Account, p: usize, asked: &[(ActionName, Resource)]) -> Option<Holder> {
    let context = Context::new();
    let caller = &account.principals[p].caller;
    let by = |action: &ActionName, resource: &Resource, least: Truth| {
        let request = Request { caller, action, resource, context: &context };
        let mut found = Vec::new();
        for policy in &account.principals[p].policies {
            let compiled = &account.policies[*policy];
            for (statement, effect) in compiled.naming(action) {
                let truth = compiled.applies(statement, &request);
                if effect == Effect::Allow && (truth == Truth::Yes || truth == least) {
                    found.push(StatementId { policy: *policy as u32, statement: statement as u32 });
                }
            }
        }
        found
    };
    let (mut sure, mut open) = (Vec::new(), Vec::new());
    for (n, (action, resource)) in asked.iter().enumerate() {
        match account.decision(p, action, resource, &context) {
            Decision::Allowed => sure.push((n, by(action, resource, Truth::Yes))),
            Decision::Depends => open.push((n, by(action, resource, Truth::Maybe))),
            Decision::Denied { .. } => {}
        }
    }
    let certain = !sure.is_empty();
    let may = if certain { sure } else { open };
    (!may.is_empty()).then_some(Holder { principal: p, certain, may })
}
