//! What policies grant as a set of actions: every Allow expanded over the facts, less what is denied outright, within
//! the boundary. Resources and conditions do not narrow the set; `evaluate` answers for one resource.

use std::collections::{BTreeMap, HashSet};

use super::account::{Account, Principal};
use super::evaluate::Compiled;
use super::facts::{Action, Level, Service, facts};
use super::policy::{Effect, Element, Statement};
use super::sets::glob::is_every_action;

/// A set of actions out of the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    bits: Vec<u64>,
}

impl Actions {
    pub fn none() -> Self {
        Self { bits: vec![0; facts().action_count().div_ceil(64)] }
    }
    pub fn all() -> Self {
        let count = facts().action_count();
        let mut bits = vec![u64::MAX; count.div_ceil(64)];
        if let Some(last) = bits.last_mut().filter(|_| !count.is_multiple_of(64)) {
            *last = (1 << (count % 64)) - 1;
        }
        Self { bits }
    }
    /// What an `Action` or `NotAction` element names.
    pub fn named(element: &Element) -> Self {
        let mut named = Self::none();
        let mut seen = HashSet::new();
        for value in element.values.iter().filter(|value| seen.insert(value.text.as_str())) {
            if is_every_action(&value.text) || value.text.contains('*') && named == Self::all() {
                named = Self::all();
                break;
            }
            for (i, ..) in facts().expand(&value.text) {
                named.put(i);
            }
        }
        if element.not { Self::all().minus(&named) } else { named }
    }
    fn put(&mut self, i: usize) {
        if let Some(word) = self.bits.get_mut(i / 64) {
            *word |= 1 << (i % 64);
        }
    }
    /// By the action's place among all actions.
    pub fn has(&self, i: usize) -> bool {
        self.bits.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1)
    }
    pub fn add(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a |= b);
    }
    #[must_use]
    pub fn minus(mut self, other: &Self) -> Self {
        self.bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a &= !b);
        self
    }
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a &= b);
        self
    }
    /// Whether the other has all of these.
    pub fn within(&self, other: &Self) -> bool {
        self.bits.iter().zip(&other.bits).all(|(a, b)| a & !b == 0)
    }
    pub fn count(&self) -> usize {
        self.bits.iter().map(|w| w.count_ones() as usize).sum()
    }
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|w| *w == 0)
    }
    /// In the facts' order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Service, &'static Action)> {
        let all = facts().services().flat_map(|s| s.actions.iter().enumerate().map(move |(i, a)| (s.first + i, s, a)));
        all.filter(|(i, ..)| self.has(*i)).map(|(_, s, a)| (s, a))
    }
    /// How many by service and access level, in the order of [`Level::ALL`].
    pub fn by_service(&self) -> BTreeMap<&'static str, [u32; 5]> {
        let mut counts = BTreeMap::new();
        for (service, action) in self.iter() {
            counts.entry(service.prefix).or_insert([0; 5])[action.level as usize] += 1;
        }
        counts
    }
    /// How many of one level.
    pub fn at_level(&self, level: Level) -> usize {
        self.iter().filter(|(_, a)| a.level == level).count()
    }
}

/// Whether a statement takes its actions away on every resource and under no condition.
fn outright(s: &Statement) -> bool {
    let everywhere = s.resource.as_ref().is_none_or(|r| !r.not && r.values.iter().any(|v| v.text == "*"));
    s.effect == Effect::Deny && s.conditions.is_empty() && everywhere
}

/// What a list of policies grants together.
pub fn of_policies<'a>(policies: impl Iterator<Item = &'a Compiled> + Clone) -> Actions {
    of_statements(policies.flat_map(|p| p.policy.statements.iter()))
}

/// What a list of statements grants together.
pub fn of_statements<'a>(statements: impl IntoIterator<Item = &'a Statement, IntoIter: Clone>) -> Actions {
    let statements = statements.into_iter();
    let mut granted = Actions::none();
    for s in statements.clone().filter(|s| s.effect == Effect::Allow) {
        granted.add(&Actions::named(&s.action));
    }
    for s in statements.filter(|s| outright(s)) {
        granted = granted.minus(&Actions::named(&s.action));
    }
    granted
}

/// What a principal is granted: its policies and its groups', within boundary and SCPs.
pub fn of_principal(account: &Account, p: &Principal) -> Actions {
    let mut granted = of_policies(p.policies.iter().map(|i| &account.policies[*i]));
    let levels = if p.caller.is_service_linked() { &[] } else { account.scp_levels() };
    for level in levels {
        granted = granted.and(&of_policies(level.iter().map(|i| &account.policies[*i])));
    }
    match p.boundary {
        Some(b) => granted.and(&of_policies(std::iter::once(&account.policies[b]))),
        None => granted,
    }
}
