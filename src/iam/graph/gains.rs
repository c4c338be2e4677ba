//! What a principal can do to itself that gives it more, short of writing its own permissions: joining a group, attaching
//! a policy it may attach, getting rid of a boundary or of what denies it. Each is tried on a likeness of it, and what that
//! can do beyond the principal itself becomes its edges.

use std::collections::BTreeSet;

use super::build::{Actor, Ground};
use super::changes::{Change, best, filled, joined, leads_to_administrator};
use super::ways;
use super::{Edge, Gain, Need, To, Way, slot};
use crate::iam::account::Principal;
use crate::iam::evaluate::{Context, Truth};
use crate::iam::policy::Effect;

/// Likenesses of one principal that are tried.
const MOST_TRIED: usize = 24;

/// Somebody once it has done something to itself.
pub(super) struct Likeness {
    pub(super) gain: Gain,
    pub(super) who: Principal,
    pub(super) truth: Truth,
    pub(super) needs: Vec<Need>,
}

impl Ground<'_> {
    /// Adds what a principal can do once it has done something to itself, where it is not an administrator for certain yet.
    pub(super) fn gains(&self, me: Actor<'_>, edges: &mut Vec<Edge>) {
        if leads_to_administrator(edges) {
            return;
        }
        let count = self.principals.len();
        // Whether each is reached already, and for certain.
        let mut known: Vec<Option<bool>> = vec![None; count + 1];
        for e in edges.iter() {
            let known = &mut known[slot(e.to, count)];
            *known = Some(known.unwrap_or(false) || e.certain);
        }
        for likeness in self.likenesses(me, |policy| self.gainful[policy]) {
            let Likeness { gain, who, truth, needs } = likeness;
            let sure = truth == Truth::Yes;
            let mut add = |edge: Edge| {
                let known = &mut known[slot(edge.to, count)];
                // What it can do as it is needs no detour.
                if known.is_none() || *known == Some(false) && edge.certain {
                    *known = Some(edge.certain);
                    edges.push(edge);
                }
            };
            if self.is_administrator(&who) {
                let (to, way, needs) = (To::Administrator, Way::Gain(gain), joined(needs.iter()));
                add(Edge { from: me.at, to, way, first: None, needs, certain: sure });
            } else {
                for e in self.direct(Actor { at: me.at, who: &who }) {
                    let needs = joined(needs.iter().chain(e.needs.iter()));
                    add(Edge { first: Some(gain), needs, certain: sure && e.certain, ..e });
                }
            }
            if leads_to_administrator(edges) {
                return;
            }
        }
    }

    /// `counts`: policies that are worth getting.
    pub(super) fn likenesses(&self, me: Actor<'_>, counts: impl Fn(usize) -> bool) -> Vec<Likeness> {
        let mut all = Vec::new();
        self.unbound(me, &mut all);
        self.filled(me, &mut all);
        self.undenied(me, &mut all);
        self.in_groups(me, &counts, &mut all);
        self.switched(me, &mut all);
        self.attached(me, &counts, &mut all);
        self.tagged(me, &mut all);
        all.truncate(MOST_TRIED);
        all
    }

    fn unbound(&self, me: Actor<'_>, all: &mut Vec<Likeness>) {
        if let Some(Change { action, truth, needs, .. }) = best(self.unbinds(me, me)) {
            let mut who = me.who.clone();
            who.boundary = None;
            all.push(Likeness { gain: Gain::Unbind(action), who, truth, needs });
        }
    }

    /// With all that its boundary leaves, where it may write its policies, and with that rid of the boundary.
    fn filled(&self, me: Actor<'_>, all: &mut Vec<Likeness>) {
        let Some(who) = filled(me.who) else { return };
        let Some((action, truth, needs)) = self.fills(me) else { return };
        let full = Actor { at: me.at, who: &who };
        let freed = best(self.unbinds(full, full)).map(|c| {
            let bare = Principal { boundary: None, ..who.clone() };
            let needs = needs.iter().cloned().chain(c.needs).collect();
            Likeness { gain: Gain::Unbind(c.action), who: bare, truth: truth.and(c.truth), needs }
        });
        all.push(Likeness { gain: Gain::Fill(action), who, truth, needs });
        all.extend(freed);
    }

    /// Without a policy of its own that denies, without a group whose policies do, and without all of those.
    fn undenied(&self, me: Actor<'_>, all: &mut Vec<Likeness>) {
        let who = me.who;
        let denies = |p: &usize| self.account.policies[*p].policy.statements.iter().any(|s| s.effect == Effect::Deny);
        let (inline, managed) = if who.is_role { ways::DROPS_ROLE } else { ways::DROPS_USER };
        let (mut gone, mut left) = (BTreeSet::new(), BTreeSet::new());
        let mut whole: Vec<(Truth, Need)> = Vec::new();
        for (n, policy) in who.policies.iter().enumerate().take(who.own_policies).filter(|(_, p)| denies(p)) {
            let arn = self.account.policies[*policy].arn.as_str();
            let (action, context) = match arn {
                "" => (inline, self.plain.clone()),
                arn => (managed, Context::new().with("iam:PolicyARN", [arn])),
            };
            let Some(permit) = self.permit(who, action) else { continue };
            let (truth, by) = permit.on(&self.principals[me.at], &context);
            if truth != Truth::No {
                let need = Need { action, by };
                gone.insert(n);
                whole.push((truth, need.clone()));
                if all.len() < MOST_TRIED {
                    let who = without(who, &[n].into());
                    all.push(Likeness { gain: Gain::Drop(*policy as u32), who, truth, needs: vec![need] });
                }
            }
        }
        let mut after = who.own_policies;
        let leave = self.permit(who, ways::LEAVE);
        for name in &who.groups {
            let Some(at) = self.account.groups.iter().position(|g| g.name == *name) else { continue };
            let group = &self.account.groups[at];
            let places: BTreeSet<usize> = (after..after + group.policies.len()).collect();
            after += group.policies.len();
            let Some(permit) = leave.as_ref().filter(|_| group.policies.iter().any(denies)) else { continue };
            let (truth, by) = permit.on(&self.groups[at], &self.plain);
            if truth != Truth::No {
                let need = Need { action: ways::LEAVE, by };
                whole.push((truth, need.clone()));
                if all.len() < MOST_TRIED {
                    let mut outside = without(who, &places);
                    outside.groups.retain(|g| g != name);
                    all.push(Likeness { gain: Gain::Leave(at as u32), who: outside, truth, needs: vec![need] });
                }
                gone.extend(places);
                left.insert(name);
            }
        }
        if whole.len() > 1 && all.len() < MOST_TRIED {
            let mut bare = without(who, &gone);
            bare.groups.retain(|name| !left.contains(name));
            let truth = whole.iter().map(|(truth, _)| *truth).min().unwrap_or(Truth::No);
            let needs = whole.into_iter().map(|(_, need)| need).collect();
            all.push(Likeness { gain: Gain::Free, who: bare, truth, needs });
        }
    }

    fn in_groups(&self, me: Actor<'_>, counts: &impl Fn(usize) -> bool, all: &mut Vec<Likeness>) {
        let Some(permit) = self.permit(me.who, ways::JOIN).filter(|_| !me.who.is_role) else { return };
        let others = self.account.groups.iter().enumerate().filter(|(_, g)| !me.who.groups.contains(&g.name));
        let mut others: Vec<_> = others.filter(|(_, g)| g.policies.iter().any(|p| counts(*p))).collect();
        // What makes an administrator comes first.
        others.sort_by_key(|(at, _)| !self.lifting_groups.contains(at));
        for (at, group) in others {
            if all.len() >= MOST_TRIED {
                return;
            }
            let (truth, by) = permit.on(&self.groups[at], &self.plain);
            if truth != Truth::No {
                let mut who = me.who.clone();
                who.groups.push(group.name.clone());
                who.policies.extend(&group.policies);
                all.push(Likeness { gain: Gain::Join(at as u32), who, truth, needs: vec![Need { action: ways::JOIN, by }] });
            }
        }
    }

    fn switched(&self, me: Actor<'_>, all: &mut Vec<Likeness>) {
        let Some(permit) = self.permit(me.who, ways::SWITCH) else { return };
        for (n, policy) in me.who.policies.iter().enumerate() {
            let (Some(versions), Some(resource)) = (self.account.other_versions.get(policy), &self.policies[*policy]) else {
                continue;
            };
            let (truth, by) = permit.on(resource, &self.plain);
            for version in versions.iter().filter(|_| truth != Truth::No) {
                if all.len() >= MOST_TRIED {
                    return;
                }
                let mut who = me.who.clone();
                who.policies[n] = *version;
                let needs = vec![Need { action: ways::SWITCH, by: by.clone() }];
                all.push(Likeness { gain: Gain::Switch(*version as u32), who, truth, needs });
            }
        }
    }

    /// Managed policies that it may attach to itself although it may not attach just any.
    fn attached(&self, me: Actor<'_>, counts: &impl Fn(usize) -> bool, all: &mut Vec<Likeness>) {
        let action = if me.who.is_role { ways::REWRITES_ROLE[1] } else { ways::REWRITES_USER[1] };
        let Some(permit) = self.permit(me.who, action) else { return };
        // Whoever may attach any may attach what makes an administrator: that is told already.
        if !permit.of_policy && me.who.boundary.is_none() || permit.on(&self.principals[me.at], &self.plain).0 == Truth::No {
            return;
        }
        let managed = (0..self.policies.len()).filter(|p| !self.account.policies[*p].arn.is_empty());
        for policy in managed.filter(|p| counts(*p) && !me.who.policies.contains(p)) {
            if all.len() >= MOST_TRIED {
                return;
            }
            let arn = self.account.policies[policy].arn.as_str();
            let (truth, by) = permit.on(&self.principals[me.at], &Context::new().with("iam:PolicyARN", [arn]));
            if truth != Truth::No && !self.is_old(policy) {
                let mut who = me.who.clone();
                who.policies.insert(who.own_policies, policy);
                who.own_policies += 1;
                let needs = vec![Need { action, by }];
                all.push(Likeness { gain: Gain::Attach(policy as u32), who, truth, needs });
            }
        }
    }

    /// With whatever tags it likes, where anything asks for tags.
    fn tagged(&self, me: Actor<'_>, all: &mut Vec<Likeness>) {
        let action = if me.who.is_role { ways::TAGS_ROLE } else { ways::TAGS_USER };
        let asks = |p: &usize| self.asks_for_tags[*p];
        let trusts = || self.account.principals.iter().filter_map(|p| p.trust).any(|t| asks(&t));
        if !me.who.policies.iter().any(asks) && !trusts() {
            return;
        }
        let Some(permit) = self.permit(me.who, action) else { return };
        // Where it may choose but some of them it is not known which.
        let (truth, by) = permit.on_as(&self.principals[me.at], &self.plain);
        if truth != Truth::No {
            let mut who = me.who.clone();
            who.caller.keys.forget("aws:PrincipalTag/");
            all.push(Likeness { gain: Gain::Tag(action), who, truth, needs: vec![Need { action, by }] });
        }
    }
}

/// A principal without some of its policies, by their places among them.
fn without(who: &Principal, gone: &BTreeSet<usize>) -> Principal {
    let mut left = who.clone();
    left.policies = who.policies.iter().enumerate().filter(|(n, _)| !gone.contains(n)).map(|(_, p)| *p).collect();
    left.own_policies -= gone.range(..who.own_policies).count();
    left
}
