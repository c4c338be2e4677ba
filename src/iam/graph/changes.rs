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
use crate::iam::sets::glob::ArnPattern;

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
    pub(super) action: &'static str,
    pub(super) truth: Truth,
    pub(super) needs: Vec<Need>,
}

impl Change {
    pub(super) fn of(action: &'static str, (truth, by): (Truth, Arc<[StatementId]>)) -> Option<Self> {
        (truth != Truth::No).then(|| Self { unbinds: "", action, truth, needs: vec![Need { action, by }] })
    }
    /// Becoming a role by handing it over.
    pub(super) fn launched(truth: Truth, needs: Vec<Need>) -> Self {
        Self { unbinds: "", action: "iam:PassRole", truth, needs }
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
pub(super) fn best(all: impl IntoIterator<Item = Change>) -> Option<Change> {
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
        if !leads_to_administrator(edges) {
            self.makes_role(me, edges);
            self.makes_user(me, edges);
        }
    }

    fn makes_role(&self, me: Actor<'_>, edges: &mut Vec<Edge>) {
        let Some(make) = self.permit(me.who, ways::MAKES_ROLE) else { return };
        let trust = self.trust_in(me.who);
        let launches = self.launchable(me.who);
        let named = [ways::MAKES_ROLE, ways::REWRITES_ROLE[0], ways::REWRITES_ROLE[1], "iam:PassRole"];
        for (role, boundary) in self.new_arns(me.who, "role", &named).iter().flat_map(|arn| self.new_ones(arn, &make)) {
            let Some(made) = Change::of(ways::MAKES_ROLE, make.on(&role, &self.plain)) else { continue };
            // It trusts who makes it, or a service that it is passed to.
            let assumed = match self.assumes(me.who, &role, &trust) {
                Decision::Allowed => Truth::Yes,
                Decision::Depends => Truth::Maybe,
                Decision::Denied { .. } => Truth::No,
            };
            let mut entered = (None, Change { unbinds: "", action: "sts:AssumeRole", truth: assumed, needs: Vec::new() });
            for launch in launches.iter().take_while(|_| assumed != Truth::Yes) {
                if let Some(change) = launch.of_new(&role).filter(|c| c.truth > entered.1.truth) {
                    entered = (Some(launch.row), change);
                }
            }
            let (launch, enter) = entered;
            let gives = ways::REWRITES_ROLE.iter().filter_map(|a| self.gives(&self.permit(me.who, a)?, &role, a, true));
            let Some((unbinds, freed)) = self.freed(me.who, made, &role, boundary, true) else { continue };
            if let (Some(gives), true) = (best(gives), enter.truth != Truth::No) {
                let way = Way::Make { role: true, action: gives.action, launch, unbinds };
                self.made(me.at, way, &freed.and(gives).and(enter), edges);
            }
        }
    }

    fn makes_user(&self, me: Actor<'_>, edges: &mut Vec<Edge>) {
        let Some(make) = self.permit(me.who, ways::MAKES_USER) else { return };
        let joins = self.permit(me.who, ways::JOIN).and_then(|permit| {
            let on = |g: &usize| Change::of(ways::JOIN, permit.on(&self.groups[*g], &self.plain));
            best(self.lifting_groups.iter().filter_map(on))
        });
        let named = [ways::MAKES_USER, ways::REWRITES_USER[0], ways::REWRITES_USER[1], ways::ENTERS_USER[0]];
        for (user, boundary) in self.new_arns(me.who, "user", &named).iter().flat_map(|arn| self.new_ones(arn, &make)) {
            let with = |actions: &[&'static str]| {
                best(actions.iter().filter_map(|a| self.gives(&self.permit(me.who, a)?, &user, a, false)))
            };
            let gives = best(with(ways::REWRITES_USER).into_iter().chain(joins.clone()));
            let made = Change::of(ways::MAKES_USER, make.on(&user, &self.plain));
            if let (Some(made), Some(gives), Some(enter)) = (made, gives, with(ways::ENTERS_USER))
                && let Some((unbinds, freed)) = self.freed(me.who, made, &user, boundary, false)
            {
                let way = Way::Make { role: false, action: gives.action, launch: None, unbinds };
                self.made(me.at, way, &freed.and(gives).and(enter), edges);
            }
        }
    }

    /// Adds one that is made: the first that is certain, else one.
    fn made(&self, from: usize, way: Way, change: &Change, edges: &mut Vec<Edge>) {
        let certain = change.truth == Truth::Yes;
        let is_alike = |e: &Edge| matches!((e.way, way), (Way::Make { role: a, .. }, Way::Make { role: b, .. }) if a == b);
        let known = edges.iter().position(is_alike);
        let edge = Edge { from, to: To::Administrator, way, first: None, needs: joined(change.needs.iter()), certain };
        match known {
            Some(at) if certain && !edges[at].certain => edges[at] = edge,
            Some(_) => {}
            None => edges.push(edge),
        }
    }

    /// A user or role that is made: without a permissions boundary, with each that leaves everything, and with those that making it
    /// asks for, which then have to be lifted.
    fn new_ones(&self, arn: &str, make: &Permit<'_>) -> Vec<(Resource, Option<usize>)> {
        let made = |boundary: Option<&str>| bounded(self.account.resource(arn), boundary);
        let free = [None].into_iter().chain(self.wide.iter().map(|arn| Some(arn.as_str())));
        let asked: Vec<ArnPattern> = make.asked("iam:PermissionsBoundary").map(ArnPattern::new).collect();
        let own = (0..self.policies.len()).filter(|p| self.policies[*p].is_some() && !self.is_old(*p));
        let bound = own.filter_map(|p| {
            let arn = &self.account.policies[p].arn;
            let is_asked = asked.iter().any(|pattern| pattern.matches(arn)) && !self.wide.contains(arn);
            is_asked.then(|| (made(Some(arn)), Some(p)))
        });
        free.map(|boundary| (made(boundary), None)).chain(bound.take(MOST_MADE)).collect()
    }

    /// Making somebody with a boundary that is lifted, and by what; none where it is not.
    fn freed(
        &self,
        who: &Principal,
        made: Change,
        new: &Resource,
        boundary: Option<usize>,
        is_role: bool,
    ) -> Option<(&'static str, Change)> {
        let Some(boundary) = boundary else { return Some(("", made)) };
        let on = |action, context: &Context| Change::of(action, self.permit(who, action)?.on(new, context));
        let frees = best(self.unbinds_by(who, boundary, is_role, on))?;
        Some((frees.action, made.and(frees)))
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
        let make = self.permit(permit.who, ways::MAKES_POLICY);
        let own = format!("arn:{}:iam::{}:policy/", self.partition(), self.account.id);
        let patterns = permit.asked("iam:PolicyARN").map(|text| text.replace('*', "new").replace('?', "n"));
        let named = patterns.filter_map(|text| Some(format!("{own}{}", text.split_once(":policy/")?.1)));
        let new = named.chain([format!("{own}bartizan-new")]).filter(|arn| !self.account.policies.iter().any(|p| p.arn == *arn));
        let made = new.take(MOST_MADE).filter_map(|arn| {
            let attach = permit.on(resource, &Context::new().with("iam:PolicyARN", [arn.as_str()]));
            let make = Change::of(ways::MAKES_POLICY, make.as_ref()?.on(&self.account.resource(&arn), &self.plain))?;
            Some(Change { action, ..make.and(Change::of(action, attach)?) })
        });
        // What may be attached may be harmless until it has another version.
        let rewrites = ways::REWRITES_POLICY.iter().filter_map(|a| Some((*a, self.permit(permit.who, a)?)));
        let asked: Vec<ArnPattern> = permit.asked("iam:PolicyARN").map(ArnPattern::new).collect();
        let is_asked = |p: &usize| {
            let arn = ArnPattern::new(&self.account.policies[*p].arn);
            self.policies[*p].is_some() && asked.iter().any(|pattern| pattern.overlaps(&arn)) && !self.is_old(*p)
        };
        let rewritten = rewrites.flat_map(|(rewrite, by)| {
            let own = (0..self.policies.len()).filter(is_asked);
            let attachable = own.filter_map(move |policy| {
                let context = Context::new().with("iam:PolicyARN", [self.account.policies[policy].arn.as_str()]);
                let attach = Change::of(action, permit.on(resource, &context))?;
                Some(Change { action, ..attach.and(self.new_version(&by, policy, rewrite)?) })
            });
            attachable.take(MOST_MADE).collect::<Vec<_>>()
        });
        best(known.into_iter().chain(made).chain(rewritten))
    }

    /// Putting another version of a managed policy of the account in force, for which an old one may have to go.
    fn new_version(&self, permit: &Permit<'_>, policy: usize, action: &'static str) -> Option<Change> {
        let resource = self.policies[policy].as_ref()?;
        let change = Change::of(action, permit.on(resource, &self.plain))?;
        let versions = 1 + self.account.other_versions.get(&policy).map_or(0, Vec::len);
        if versions < ways::MOST_VERSIONS {
            return Some(change);
        }
        let room = self.permit(permit.who, ways::ROOM_FOR_VERSION)?;
        let room = Change::of(ways::ROOM_FOR_VERSION, room.on(resource, &self.plain))?;
        Some(Change { action, ..room.and(change) })
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
        best(self.unbinds(me, target)).map(|c| Change { unbinds: c.action, action: "", ..c })
    }

    /// What a principal does that writes itself all that its boundary leaves it.
    pub(super) fn fills(&self, me: Actor<'_>) -> Option<(&'static str, Truth, Vec<Need>)> {
        let rewriting = (!is_aws_kept(&me.who.path)).then(|| Rewriting::new(self, me))?;
        // Joining and switching give no more than what is there.
        let writes = |c: &Change| c.action != ways::JOIN && c.action != ways::SWITCH;
        best(rewriting.within(me.at, me.who).into_iter().filter(writes)).map(|c| (c.action, c.truth, c.needs))
    }

    /// The ways in which somebody gets rid of a principal's permissions boundary.
    pub(super) fn unbinds(&self, me: Actor<'_>, target: Actor<'_>) -> Vec<Change> {
        let Some(boundary) = target.who.boundary else { return Vec::new() };
        self.unbinds_by(me.who, boundary, target.who.is_role, |action, context| {
            let permit = self.permit(me.who, action)?;
            self.on_principal(me.who, target.at, |resource| Change::of(action, permit.on(resource, context)))
        })
    }

    /// As [`Self::unbinds`], by what is done to whoever has the boundary.
    fn unbinds_by(
        &self,
        who: &Principal,
        boundary: usize,
        is_role: bool,
        on: impl Fn(&'static str, &Context) -> Option<Change>,
    ) -> Vec<Change> {
        let [deletes, puts] = if is_role { ways::UNBINDS_ROLE } else { ways::UNBINDS_USER };
        // Deleting it asks for none; putting another asks for that.
        let wide = self.wide.iter().map(|arn| Context::new().with("iam:PermissionsBoundary", [arn.as_str()]));
        let mut found: Vec<Change> = on(deletes, &self.plain).into_iter().collect();
        found.extend(best(wide.filter_map(|context| on(puts, &context))));
        if let Some(policy) = &self.policies[boundary] {
            let of = |action: &&'static str| self.new_version(&self.permit(who, action)?, boundary, action);
            found.extend(ways::REWRITES_POLICY.iter().filter_map(of));
            let other = self.account.other_versions.get(&boundary);
            if other.is_some_and(|all| all.iter().any(|v| self.lifts(&[*v], is_role))) {
                let switch = self.permit(who, ways::SWITCH);
                found.extend(switch.and_then(|switch| Change::of(ways::SWITCH, switch.on(policy, &self.plain))));
            }
        }
        found
    }

    /// What is done to a user or role, which may be given other tags for it first.
    pub(super) fn on_principal(&self, who: &Principal, at: usize, ask: impl Fn(&Resource) -> Option<Change>) -> Option<Change> {
        let plain = ask(&self.principals[at]);
        if plain.as_ref().is_some_and(|c| c.truth == Truth::Yes) {
            return plain;
        }
        let Some((others, truth, need)) = self.retagged(who, at, None) else { return plain };
        let tag = Change { unbinds: "", action: need.action, truth, needs: vec![need] };
        let then = others.iter().filter_map(ask).map(|c| Change { action: c.action, ..tag.clone().and(c) });
        best(plain.into_iter().chain(then.collect::<Vec<_>>()))
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
    /// It may lift boundaries, and somebody has one.
    unbinds: bool,
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
            unbinds: ground.is_bound_any
                && [ways::UNBINDS_USER, ways::UNBINDS_ROLE].iter().flatten().any(|a| ground.permit(me.who, a).is_some()),
        }
    }

    fn is_empty(&self) -> bool {
        let lists = [&self.user, &self.role, &self.group, &self.policy];
        lists.iter().all(|l| l.is_empty()) && self.set.is_empty() && self.switch.is_none() && self.join.is_none() && !self.unbinds
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
            // What it then does itself.
            let own = Rewriting::new(g, Actor { at, who: &bare }).within(at, &bare);
            changes.extend(own.iter().map(|c| after(&first, c)));
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
            let gives = |resource: &Resource| g.gives(permit, resource, action, target.is_role);
            found.extend(g.on_principal(permit.who, at, gives));
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
            found.extend(target.policies.iter().filter_map(|policy| g.new_version(permit, *policy, action)));
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
