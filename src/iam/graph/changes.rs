//! Changing what somebody may do: its policies, its groups, its boundary, its permission set; making somebody new; and
//! the ways in which one that is become changes another, or the one it was become by.

use std::collections::HashMap;
use std::sync::Arc;

use super::build::{Actor, Ground, bounded};
use super::permit::{Permit, StatementId};
use super::ways;
use super::{Edge, Need, To, Way};
use crate::iam::account::Principal;
use crate::iam::center::{IdentityCenter, is_aws_kept, is_of_a_set, set_of};
use crate::iam::evaluate::{Compiled, Context, Decision, Resource, Truth};
use crate::iam::policy::{Element, Policy, PrincipalElement, PrincipalKind, PrincipalValue, Spanned, Statement};

/// Steps that one search over all principals takes, so that a dense graph does not take for ever.
const MOST_STEPS: usize = 4_000_000;

/// Names of policies that are made which are tried.
const MOST_MADE: usize = 12;

/// One way to make an administrator of a principal.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// What takes its boundary off first; empty where that is not needed.
    unbinds: &'static str,
    /// Empty where taking its boundary off is enough.
    action: &'static str,
    truth: Truth,
    needs: Vec<Need>,
}

impl Change {
    fn of(action: &'static str, (truth, by): (Truth, Arc<[StatementId]>)) -> Option<Self> {
        (truth != Truth::No).then(|| Self { unbinds: "", action, truth, needs: vec![Need { action, by }] })
    }
    /// Both are needed.
    fn and(mut self, other: Self) -> Self {
        self.truth = self.truth.and(other.truth);
        self.needs.extend(other.needs);
        self
    }
    fn edge(self, from: usize, by: usize, through: usize, before: &[Need], sure: bool) -> Edge {
        let needs = joined(before.iter().chain(&self.needs));
        let way = Way::Rewrite { by, through, action: self.action, unbinds: self.unbinds };
        Edge { from, to: To::Administrator, way, first: None, needs, certain: sure && self.truth == Truth::Yes }
    }
}

/// What whoever writes a principal's policies gets within its permissions boundary.
pub(super) struct Bound {
    /// Whether that is administration; without a boundary it is.
    within: Truth,
    /// What takes the boundary off once its own policies allow whatever that leaves.
    frees: Option<Change>,
}

/// Needs, each once.
pub(super) fn joined<'n>(all: impl Iterator<Item = &'n Need>) -> Arc<[Need]> {
    let mut needs: Vec<Need> = Vec::new();
    for need in all {
        if !needs.contains(need) {
            needs.push(need.clone());
        }
    }
    needs.into()
}

/// The surest, of equals the first.
fn best(all: impl IntoIterator<Item = Change>) -> Option<Change> {
    let mut best: Option<Change> = None;
    for change in all {
        if best.as_ref().is_none_or(|b| change.truth > b.truth) {
            best = Some(change);
        }
    }
    best
}

pub(super) fn leads_to_administrator(edges: &[Edge]) -> bool {
    edges.iter().any(|e| e.certain && e.to == To::Administrator)
}

impl Ground<'_> {
    /// Ways to change what itself, or one it can become, may do: each makes an administrator.
    pub(super) fn rewrites(&self, me: Actor<'_>, edges: &mut Vec<Edge>) {
        let rewriting = Rewriting::new(self, me);
        if rewriting.is_empty() {
            return;
        }
        let p = me.at;
        let mut reach: Vec<(usize, Option<usize>)> = vec![(p, None)];
        let mut seen = vec![false; self.principals.len()];
        seen[p] = true;
        for (i, e) in edges.iter().enumerate() {
            if let To::Principal(to) = e.to
                && !std::mem::replace(&mut seen[to], true)
            {
                reach.push((to, Some(i)));
            }
        }
        let mut uncertain = None;
        for (through, by_edge) in reach {
            let base = by_edge.map(|e| (edges[e].needs.clone(), edges[e].certain));
            let sure = base.as_ref().is_none_or(|(_, certain)| *certain);
            let before = base.as_ref().map_or(&[][..], |(needs, _)| needs);
            // What it gets rid of itself comes first, in `gains`.
            let changes = match through == p {
                true if me.who.boundary.is_some() && !is_aws_kept(&me.who.path) => rewriting.within_boundary(p, me.who),
                true => rewriting.of(p, me.who),
                false => rewriting.of(through, &self.account.principals[through]),
            };
            let mut found: Vec<Edge> = changes.into_iter().map(|c| c.edge(p, p, through, before, sure)).collect();
            // Its own are all told; of those through others the first is enough to make the point.
            if through == p {
                let done = leads_to_administrator(&found);
                edges.append(&mut found);
                if done {
                    return;
                }
            } else if let Some(at) = found.iter().position(|e| e.certain) {
                edges.push(found.swap_remove(at));
                return;
            } else if uncertain.is_none() {
                uncertain = found.into_iter().next();
            }
        }
        edges.extend(uncertain);
    }

    /// Making somebody new and becoming that, where no other way leads to administrator for certain.
    pub(super) fn makes(&self, me: Actor<'_>, edges: &mut Vec<Edge>) {
        if leads_to_administrator(edges) {
            return;
        }
        let (makes_role, makes_user) = (self.permit(me.who, ways::MAKES_ROLE), self.permit(me.who, ways::MAKES_USER));
        if let Some(make) = makes_role {
            let trust = self.trust_in(me.who);
            for arn in self.new_arns(me.who, "role", &[ways::MAKES_ROLE, ways::REWRITES_ROLE[0], ways::REWRITES_ROLE[1]]) {
                let role = bounded(self.account.resource(&arn), None);
                let enter = match self.assumes(me.who, &role, &trust) {
                    Decision::Allowed => Truth::Yes,
                    Decision::Depends => Truth::Maybe,
                    Decision::Denied { .. } => continue,
                };
                let gives = ways::REWRITES_ROLE.iter().filter_map(|a| Some((*a, self.permit(me.who, a)?)));
                let gives = best(gives.filter_map(|(a, permit)| self.gives(&permit, &role, a, true)));
                let made = Change::of(ways::MAKES_ROLE, make.on(&role, &self.plain));
                if let (Some(made), Some(gives)) = (made, gives) {
                    let (action, truth) = (gives.action, enter.and(made.truth).and(gives.truth));
                    self.made(me.at, true, action, truth, &made.and(gives).needs, edges);
                }
            }
        }
        if let Some(make) = makes_user {
            let named = [ways::MAKES_USER, ways::REWRITES_USER[0], ways::REWRITES_USER[1], ways::ENTERS_USER[0]];
            for arn in self.new_arns(me.who, "user", &named) {
                let user = bounded(self.account.resource(&arn), None);
                let with = |actions: &'static [&'static str]| {
                    let permits = actions.iter().filter_map(|a| Some((*a, self.permit(me.who, a)?)));
                    let changes: Vec<Change> = permits.filter_map(|(a, permit)| self.gives(&permit, &user, a, false)).collect();
                    best(changes)
                };
                let joins = self.permit(me.who, ways::JOIN).and_then(|permit| {
                    let on = |g: &usize| Change::of(ways::JOIN, permit.on(&self.groups[*g], &self.plain));
                    best(self.lifting_groups.iter().filter_map(on))
                });
                let gives = best([with(ways::REWRITES_USER), joins].into_iter().flatten());
                let made = Change::of(ways::MAKES_USER, make.on(&user, &self.plain));
                if let (Some(made), Some(gives), Some(enter)) = (made, gives, with(ways::ENTERS_USER)) {
                    let action = gives.action;
                    let all = made.and(gives).and(enter);
                    self.made(me.at, false, action, all.truth, &all.needs, edges);
                }
            }
        }
    }

    /// Adds one that is made: the first that is certain, else one.
    fn made(&self, from: usize, role: bool, action: &'static str, truth: Truth, needs: &[Need], edges: &mut Vec<Edge>) {
        let certain = truth == Truth::Yes;
        let way = Way::Make { role, action };
        let known = edges.iter().position(|e| matches!(e.way, Way::Make { role: r, .. } if r == role));
        let edge = Edge { from, to: To::Administrator, way, first: None, needs: joined(needs.iter()), certain };
        match known {
            Some(at) if certain && !edges[at].certain => edges[at] = edge,
            Some(_) => {}
            None => edges.push(edge),
        }
    }

    /// ARNs of users or roles that are not there yet, as the patterns of a principal's permissions for these actions go.
    fn new_arns(&self, who: &Principal, kind: &str, actions: &[&'static str]) -> Vec<String> {
        let start = format!("arn:{}:iam::{}:{kind}/", self.partition(), self.account.id);
        let mut all = vec![format!("{start}bartizan-new")];
        for pattern in actions.iter().flat_map(|a| self.table.patterns(self.account, who, a)) {
            let filled = pattern.replace("${aws:username}", &who.name).replace('*', "new").replace('?', "n");
            let name = filled.split_once(&format!(":{kind}/")).map(|(_, name)| name);
            let arn = name.filter(|n| !n.is_empty() && !n.contains("${")).map(|name| format!("{start}{name}"));
            all.extend(arn.filter(|arn| !all.contains(arn) && self.account.principal(arn).is_err()));
        }
        all
    }

    /// The trust that somebody writes who wants to become a role: in itself, by name.
    fn trust_in(&self, who: &Principal) -> Compiled {
        let span = Default::default();
        let me = PrincipalValue { kind: PrincipalKind::Aws, value: Spanned { text: who.arn.clone(), span } };
        let every = Element::of(["*".to_owned()]);
        let action = Element::of(["sts:AssumeRole".to_owned()]);
        let mut statement = Statement::of(None, crate::iam::policy::Effect::Allow, action, every, Vec::new());
        statement.resource = None;
        statement.principal = Some(PrincipalElement { not: false, span, principals: vec![me] });
        Compiled::new("", "", Policy::of(vec![statement]))
    }

    /// Whether an action that gives permissions is allowed on a user, role or group: where it attaches a policy, for any
    /// that makes an administrator.
    fn on(&self, permit: &Permit<'_>, resource: &Resource, action: &str, is_role: bool) -> (Truth, Arc<[StatementId]>) {
        let all = &self.attach[usize::from(is_role)];
        let attaches = action.starts_with("iam:Attach");
        let mut found = (Truth::No, [].into());
        // Which of them is tried matters only where the permission names policies, and is not refused whatever they are.
        let tried = match attaches && permit.of_policy {
            true if permit.on(resource, &self.plain).0 == Truth::No => 0,
            true => all.len(),
            false => 1,
        };
        for context in all.iter().take(tried) {
            let asked = permit.on(resource, context);
            if asked.0 > found.0 {
                found = asked;
            }
            if found.0 == Truth::Yes {
                break;
            }
        }
        found
    }

    /// Giving permissions to a user, role or group by an action: where that attaches policies, one that is there or one that is
    /// made for it.
    fn gives(&self, permit: &Permit<'_>, resource: &Resource, action: &'static str, is_role: bool) -> Option<Change> {
        let known = Change::of(action, self.on(permit, resource, action, is_role));
        let sure = known.as_ref().is_some_and(|c| c.truth == Truth::Yes);
        if sure || !permit.of_policy || !action.starts_with("iam:Attach") {
            return known;
        }
        let Some(make) = self.permit(permit.who, ways::MAKES_POLICY) else { return known };
        let own = format!("arn:{}:iam::{}:policy/", self.partition(), self.account.id);
        let patterns = permit.asked("iam:PolicyARN").map(|text| text.replace('*', "new").replace('?', "n"));
        let named = patterns.filter_map(|text| Some(format!("{own}{}", text.split_once(":policy/")?.1)));
        let new = named.chain([format!("{own}bartizan-new")]).filter(|arn| !self.account.policies.iter().any(|p| p.arn == *arn));
        let made = new.take(MOST_MADE).filter_map(|arn| {
            let attach = permit.on(resource, &Context::new().with("iam:PolicyARN", [arn.as_str()]));
            let make = Change::of(ways::MAKES_POLICY, make.on(&self.account.resource(&arn), &self.plain))?;
            Some(Change { action, ..make.and(Change::of(action, attach)?) })
        });
        best(known.into_iter().chain(made))
    }

    /// What is left of administration within a principal's permissions boundary.
    pub(super) fn bound(&self, of: Actor<'_>) -> Bound {
        let Some(filled) = filled(of.who) else { return Bound { within: Truth::Yes, frees: None } };
        let within = self.administers(&filled);
        let freed = Actor { at: of.at, who: &filled };
        let frees = (within != Truth::Yes).then(|| self.unbound_by(freed, freed)).flatten();
        Bound { within, frees }
    }

    /// The best of the ways in which somebody gets rid of a principal's permissions boundary.
    fn unbound_by(&self, me: Actor<'_>, target: Actor<'_>) -> Option<Change> {
        let unbinds = self.unbinds(me, target).into_iter();
        best(unbinds.map(|(unbinds, truth, needs)| Change { unbinds, action: "", truth, needs }))
    }

    /// What a principal does that writes itself all that its boundary leaves it.
    pub(super) fn fills(&self, me: Actor<'_>) -> Option<(&'static str, Truth, Vec<Need>)> {
        let rewriting = (!is_aws_kept(&me.who.path)).then(|| Rewriting::new(self, me))?;
        // Joining and switching give no more than what is there.
        let writes = |c: &Change| c.action != ways::JOIN && c.action != ways::SWITCH;
        best(rewriting.within(me.at, me.who).into_iter().filter(writes)).map(|c| (c.action, c.truth, c.needs))
    }

    /// The ways in which somebody gets rid of a principal's permissions boundary.
    pub(super) fn unbinds(&self, me: Actor<'_>, target: Actor<'_>) -> Vec<(&'static str, Truth, Vec<Need>)> {
        let Some(boundary) = target.who.boundary else { return Vec::new() };
        let own = if target.who.is_role { ways::UNBINDS_ROLE } else { ways::UNBINDS_USER };
        let wide = format!("arn:{}:iam::aws:policy/AdministratorAccess", self.partition());
        // Deleting it asks for none; putting another asks for that.
        let contexts = [self.plain.clone(), Context::new().with("iam:PermissionsBoundary", [wide])];
        let mut found = Vec::new();
        let mut add = |action: &'static str, permit: Option<Permit<'_>>, resource: &Resource, context: &Context| {
            let (truth, by) = permit.map_or((Truth::No, [].into()), |permit| permit.on(resource, context));
            if truth != Truth::No {
                found.push((action, truth, vec![Need { action, by }]));
            }
        };
        for (action, context) in own.iter().zip(&contexts) {
            add(action, self.permit(me.who, action), &self.principals[target.at], context);
        }
        if let Some(policy) = &self.policies[boundary] {
            for action in ways::REWRITES_POLICY {
                add(action, self.permit(me.who, action), policy, &self.plain);
            }
            let other = self.account.other_versions.get(&boundary);
            if other.is_some_and(|all| all.iter().any(|v| self.lifts(&[*v], target.who.is_role))) {
                add(ways::SWITCH, self.permit(me.who, ways::SWITCH), policy, &self.plain);
            }
        }
        found
    }

    /// Ways in which one that is become changes another that is become, or the very one it is become by: whoever holds both
    /// makes an administrator of one. Only for those whom no way leads to administrator yet.
    pub(super) fn by_others(&self, administrators: &[bool], edges: &mut [Vec<Edge>]) {
        let count = administrators.len();
        let mut steps = 0;
        for certain in [true, false] {
            let counts = |e: &&Edge| e.certain || !certain;
            let mut into: Vec<Vec<usize>> = vec![Vec::new(); count];
            let mut done = administrators.to_vec();
            for (from, own) in edges.iter().enumerate() {
                for e in own.iter().filter(counts) {
                    match e.to {
                        To::Principal(to) => into[to].push(from),
                        To::Administrator => done[from] = true,
                    }
                }
            }
            let mut reaching: Vec<usize> = (0..count).filter(|p| done[*p]).collect();
            close(&into, &mut reaching, &mut done);
            let least = if certain { Truth::Yes } else { Truth::Maybe };
            for by in 0..count {
                if done[by] {
                    continue;
                }
                let rewriting = Rewriting::new(self, Actor { at: by, who: &self.account.principals[by] });
                if rewriting.is_empty() {
                    continue;
                }
                let mut asked: HashMap<usize, Option<Change>> = HashMap::new();
                // The nearest first: those behind them come along.
                let mut before = vec![by];
                let mut seen = done.clone();
                seen[by] = true;
                close(&into, &mut before, &mut seen);
                for from in before {
                    if done[from] {
                        continue;
                    }
                    let reached = forward(edges, from, certain, &mut steps);
                    if steps > MOST_STEPS {
                        return;
                    }
                    let mut change_of = |through: usize| {
                        let ask = || best(rewriting.of(through, &self.account.principals[through]));
                        asked.entry(through).or_insert_with(ask).clone().filter(|c| c.truth >= least)
                    };
                    let found = reached.iter().find_map(|(through, _)| Some((*through, change_of(*through)?)));
                    let Some((through, change)) = found else { continue };
                    let mut needs = along(edges, &reached, from, by);
                    needs.extend(along(edges, &reached, from, through));
                    let edge = change.edge(from, by, through, &needs, certain);
                    edges[from].push(edge);
                    let mut reaching = vec![from];
                    done[from] = true;
                    close(&into, &mut reaching, &mut done);
                }
            }
        }
    }
}

/// A principal whose own policies allow whatever its boundary leaves; none where it has none.
pub(super) fn filled(who: &Principal) -> Option<Principal> {
    let boundary = who.boundary?;
    let mut filled = who.clone();
    filled.policies.insert(who.own_policies, boundary);
    filled.own_policies += 1;
    Some(filled)
}

/// Adds to a list all that lead to something in it and are not marked, nearest first, and marks them.
fn close(into: &[Vec<usize>], list: &mut Vec<usize>, marked: &mut [bool]) {
    let mut at = 0;
    while let Some(to) = list.get(at).copied() {
        at += 1;
        for from in &into[to] {
            if !std::mem::replace(&mut marked[*from], true) {
                list.push(*from);
            }
        }
    }
}

/// All that one becomes, itself first, nearest first, each with the edge that leads to it.
fn forward(edges: &[Vec<Edge>], from: usize, certain: bool, steps: &mut usize) -> Vec<(usize, (usize, usize))> {
    let mut list = vec![(from, (from, usize::MAX))];
    let mut seen = vec![false; edges.len()];
    seen[from] = true;
    let mut at = 0;
    while let Some((here, _)) = list.get(at).copied() {
        at += 1;
        *steps += edges[here].len() + 1;
        for (n, e) in edges[here].iter().enumerate() {
            if let To::Principal(to) = e.to
                && (e.certain || !certain)
                && !std::mem::replace(&mut seen[to], true)
            {
                list.push((to, (here, n)));
            }
        }
    }
    list
}

/// What the steps to one of those need.
fn along(edges: &[Vec<Edge>], reached: &[(usize, (usize, usize))], from: usize, to: usize) -> Vec<Need> {
    let mut back = Vec::new();
    let mut at = to;
    while at != from {
        let Some((_, (before, n))) = reached.iter().find(|(node, _)| *node == at) else { break };
        back.push(&edges[*before][*n]);
        at = *before;
    }
    back.iter().rev().flat_map(|e| e.needs.iter().cloned()).collect()
}

type Permits<'g> = Vec<(&'static str, Permit<'g>)>;

/// The permits of one principal to change permissions.
struct Rewriting<'g, 'a> {
    ground: &'g Ground<'a>,
    me: Actor<'g>,
    user: Permits<'g>,
    role: Permits<'g>,
    group: Permits<'g>,
    policy: Permits<'g>,
    /// Each with what it takes on a role of the management account.
    set: Vec<(&'static str, Permit<'g>, &'static str, Option<Permit<'g>>)>,
    provision: Option<Permit<'g>>,
    switch: Option<Permit<'g>>,
    join: Option<Permit<'g>>,
}

impl<'g, 'a> Rewriting<'g, 'a> {
    fn new(ground: &'g Ground<'a>, me: Actor<'g>) -> Self {
        let of = |actions: &[&'static str]| actions.iter().filter_map(|a| Some((*a, ground.permit(me.who, a)?))).collect();
        // Only where permission sets are kept can they be changed.
        let keeps = ground.account.identity_center != IdentityCenter::No;
        let provision = keeps.then(|| ground.permit(me.who, ways::PROVISION)).flatten();
        let sets = ways::REWRITES_SET.iter().filter(|_| provision.is_some());
        Self {
            ground,
            me,
            user: of(ways::REWRITES_USER),
            role: of(ways::REWRITES_ROLE),
            group: of(ways::REWRITES_GROUP),
            policy: of(ways::REWRITES_POLICY),
            set: sets.filter_map(|(a, on)| Some((*a, ground.permit(me.who, a)?, *on, ground.permit(me.who, on)))).collect(),
            provision,
            switch: ground.permit(me.who, ways::SWITCH),
            join: ground.permit(me.who, ways::JOIN),
        }
    }

    fn is_empty(&self) -> bool {
        let lists = [&self.user, &self.role, &self.group, &self.policy];
        lists.iter().all(|l| l.is_empty()) && self.set.is_empty() && self.switch.is_none() && self.join.is_none()
    }

    /// The ways to make an administrator of one principal.
    fn of(&self, at: usize, target: &Principal) -> Vec<Change> {
        let g = self.ground;
        if is_aws_kept(&target.path) {
            return if is_of_a_set(&target.path) { self.of_a_set(at) } else { Vec::new() };
        }
        let mut changes = self.within_boundary(at, target);
        if target.boundary.is_none() || changes.iter().any(|c| c.truth == Truth::Yes) {
            return changes;
        }
        let plain = self.within(at, target);
        let after = |first: &Change, c: &Change| Change { action: c.action, ..first.clone().and(c.clone()) };
        if let Some(first) = g.unbound_by(self.me, Actor { at, who: target }) {
            let mut bare = target.clone();
            bare.boundary = None;
            if g.is_administrator(&bare) {
                changes.push(first);
                return changes;
            }
            changes.extend(plain.iter().map(|c| after(&first, c)));
        }
        if let Some(frees) = &g.bounds[at].frees {
            changes.extend(plain.iter().map(|c| after(frees, c)));
        }
        changes
    }

    /// Those that leave its boundary where it is.
    fn within_boundary(&self, at: usize, target: &Principal) -> Vec<Change> {
        let within = if target.boundary.is_some() { self.ground.bounds[at].within } else { Truth::Yes };
        if within == Truth::No {
            return Vec::new();
        }
        let changes = self.within(at, target).into_iter();
        changes.map(|c| Change { truth: c.truth.and(within), ..c }).collect()
    }

    /// As if it had no boundary.
    fn within(&self, at: usize, target: &Principal) -> Vec<Change> {
        let g = self.ground;
        let mut found = Vec::new();
        for (action, permit) in if target.is_role { &self.role } else { &self.user } {
            found.extend(g.gives(permit, &g.principals[at], action, target.is_role));
        }
        let is_in = |group: &usize| target.groups.contains(&g.account.groups[*group].name);
        let groups = || 0..g.account.groups.len();
        if !self.group.is_empty() {
            for group in groups().filter(is_in) {
                for (action, permit) in &self.group {
                    found.extend(g.gives(permit, &g.groups[group], action, false));
                }
            }
        }
        if let (Some(join), false) = (&self.join, target.is_role) {
            let joins = |group: usize| Change::of(ways::JOIN, join.on(&g.groups[group], &g.plain));
            // What it joins itself is told with what that gives it, in `gains`.
            if at != self.me.at {
                found.extend(best(g.lifting_groups.iter().filter(|group| !is_in(group)).filter_map(|group| joins(*group))));
            }
            if !self.group.is_empty() {
                let both = groups().filter(|group| !is_in(group)).filter_map(|group| {
                    let own = self.group.iter();
                    let changes = own.filter_map(|(a, permit)| g.gives(permit, &g.groups[group], a, false));
                    let change = best(changes)?;
                    Some(Change { action: change.action, ..joins(group)?.and(change) })
                });
                found.extend(best(both));
            }
        }
        if let Some(permit) = &self.switch {
            let more = |v: &usize| g.lifts(&[*v], target.is_role);
            let strong = |p: &&usize| g.account.other_versions.get(p).is_some_and(|all| all.iter().any(more));
            for resource in target.policies.iter().filter(strong).filter_map(|i| g.policies[*i].as_ref()) {
                found.extend(Change::of(ways::SWITCH, permit.on(resource, &g.plain)));
            }
        }
        for (action, permit) in &self.policy {
            for resource in target.policies.iter().filter_map(|i| g.policies[*i].as_ref()) {
                found.extend(Change::of(action, permit.on(resource, &g.plain)));
            }
        }
        found
    }

    /// Of a role that IAM Identity Center keeps.
    fn of_a_set(&self, at: usize) -> Vec<Change> {
        let g = self.ground;
        let Some(provision) = &self.provision else { return Vec::new() };
        let change = |(action, permit, on, allowed): &(&'static str, Permit<'g>, &'static str, Option<Permit<'g>>)| {
            let change =
                Change::of(action, permit.somewhere(&g.plain))?.and(Change::of(ways::PROVISION, provision.somewhere(&g.plain))?);
            if g.account.identity_center == IdentityCenter::Delegated {
                let kept = match g.account.resources().is_set_of_management(set_of(&g.account.principals[at].arn)) {
                    Some(false) => Truth::Yes,
                    None => Truth::Maybe,
                    Some(true) => return None,
                };
                return Some(Change { truth: change.truth.and(kept), ..change });
            }
            let mut change = change.and(Change::of(on, allowed.as_ref()?.on(&g.principals[at], &g.attach[1][0]))?);
            if g.account.identity_center == IdentityCenter::Unknown {
                change.truth = change.truth.and(Truth::Maybe);
            }
            Some(change)
        };
        self.set.iter().filter_map(change).collect()
    }
}
