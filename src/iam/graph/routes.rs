//! Ways over joined accounts: the shortest, all simple ones within bounds, and what each says.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::crossings::{Crossing, Entry};
use super::joined::{Accounts, By, Goal, Joined, Leap, Node};
use super::permit::StatementId;
use super::trust::Source;
use super::ways::{ADMITS, TAKE_OVERS};
use super::{Graph, To};
use crate::iam::center::set_of;
use crate::iam::openings::Guest;
use crate::model::arn::principal;

/// A way from a principal to a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub from: Node,
    pub legs: Vec<Leg>,
    /// Nothing unknown stands in between.
    pub certain: bool,
}

impl Route {
    /// Where it ends.
    pub fn end(&self) -> Node {
        self.legs.last().map_or(self.from, |leg| leg.to)
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    pub from: Node,
    pub to: Node,
    /// Every way to take it, certain ones first.
    pub by: Vec<By>,
    /// The first of them is there for certain.
    pub certain: bool,
}

/// Somebody of another account who is become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abroad {
    pub node: Node,
    /// Who takes the last step.
    pub by: Node,
    pub steps: u32,
    /// Nothing unknown stands in between.
    pub certain: bool,
}

/// A permission that a step rests on, and the statements, by policy and statement, any of which grants it.
pub type Rest = (Cow<'static, str>, Vec<(String, String)>);

/// No route is longer; longer ones pass through what a shorter one has already.
const MAX_STEPS: usize = 8;
/// How many ways one search looks at, so that a dense graph does not take for ever.
const MAX_VISITS: usize = 3_000_000;

impl Joined {
    /// A shortest way from somebody to the goal: over certain ones where there is one, else over any. None where there is no
    /// way, and one without a step where it is there already.
    pub fn shortest(&self, from: Node, goal: &Goal) -> Option<Route> {
        let from = self.index(from);
        let sure = self.distances(goal, true);
        self.follow(from, goal, &sure, true).or_else(|| self.follow(from, goal, &self.distances(goal, false), false))
    }

    /// For each user and role its shortest way to the goal, certain where there is one, without a step where it is there
    /// already; those that have none are left out.
    pub fn routes(&self, goal: &Goal) -> Vec<Route> {
        self.routes_of(self.principals_of_all(), goal)
    }

    /// As [`Self::routes`], of some.
    pub fn routes_of(&self, from: impl IntoIterator<Item = Node>, goal: &Goal) -> Vec<Route> {
        let (sure, any) = (self.distances(goal, true), self.distances(goal, false));
        let each = |at| self.follow(at, goal, &sure, true).or_else(|| self.follow(at, goal, &any, false));
        from.into_iter().map(|node| self.index(node)).filter_map(each).collect()
    }

    /// A route down the distances.
    fn follow(&self, from: usize, goal: &Goal, far: &[Option<u32>], certain: bool) -> Option<Route> {
        let mut left = far[from]?;
        let mut route = Route { from: self.node(from), legs: Vec::new(), certain };
        let mut at = from;
        while left > 0 {
            let mut next = None;
            self.each_out(at, &goal.led, |leap| {
                let fits = next.is_none() && far[leap.to] == Some(left - 1);
                next = next.or((fits && (!certain || self.is_certain(&leap))).then_some(leap.to));
            });
            let to = next?;
            route.legs.push(self.leg(at, to, &goal.led));
            left -= 1;
            at = to;
        }
        Some(route)
    }

    /// Those of some who are there without a step.
    pub fn already(&self, from: &[Node], goal: &Goal) -> Vec<Route> {
        let ends: BTreeMap<usize, bool> = goal.ends.iter().copied().collect();
        let there = |node: &Node| Some(Route { from: *node, legs: Vec::new(), certain: *ends.get(&self.index(*node))? });
        from.iter().filter_map(there).collect()
    }

    /// All simple ways to the goal from some, shortest first, at most `most`; and whether there are, or may be, more.
    pub fn paths(&self, from: &[Node], goal: &Goal, most: usize) -> (Vec<Route>, bool) {
        let far = self.distances(goal, false);
        let starts: Vec<usize> = from.iter().map(|node| self.index(*node)).collect();
        let goals: BTreeSet<usize> = goal.ends(false).into_iter().collect();
        let sure: BTreeSet<usize> = goal.ends(true).into_iter().collect();
        let mut walk = Walk { joined: self, goal, far: &far, goals: &goals, sure: &sure, found: Vec::new(), most, visits: 0 };
        // By length, so that what is cut off at `most` is the longest.
        for steps in 1..=MAX_STEPS {
            for &start in starts.iter().filter(|s| !sure.contains(s) && far[**s].is_some()) {
                walk.go(&mut vec![start], steps);
                if walk.is_over() {
                    walk.found.truncate(most);
                    return (walk.found, true);
                }
            }
        }
        // What is further away than any route goes was not walked: of those the shortest is told.
        let beyond = |s: &&usize| far[**s].is_some_and(|d| d as usize > MAX_STEPS);
        let shortest = starts.iter().filter(beyond).filter_map(|at| self.shortest(self.node(*at), goal));
        let before = walk.found.len();
        walk.found.extend(shortest);
        let cut_short = walk.found.len() > before;
        (walk.found, cut_short)
    }

    /// Whoever is lost with some of one account beyond that, administrators as such among them, nearest first: who is become,
    /// and not who else an administrator could become. And whether their own account is, by a way that comes back.
    pub fn abroad(&self, from: &[(Node, bool)]) -> (Vec<Abroad>, bool) {
        let starts: BTreeMap<usize, bool> = from.iter().map(|(node, certain)| (self.index(*node), *certain)).collect();
        let own = |node: Node| from.iter().any(|(start, _)| start.account == node.account);
        let mut seen: BTreeMap<usize, (u32, bool, usize)> = BTreeMap::new();
        for certain_only in [true, false] {
            for (at, _) in starts.iter().filter(|(_, sure)| **sure >= certain_only) {
                seen.entry(*at).or_insert((0, certain_only, *at));
            }
            let mut queue: VecDeque<usize> = seen.keys().copied().collect();
            while let Some(at) = queue.pop_front() {
                let steps = seen.get(&at).map_or(0, |s| s.0) + 1;
                self.each_out(at, &[], |leap| {
                    if (self.is_certain(&leap) || !certain_only) && !seen.contains_key(&leap.to) {
                        seen.insert(leap.to, (steps, certain_only, at));
                        queue.push_back(leap.to);
                    }
                });
            }
        }
        let is_lost = |node: Node| match node.at {
            To::Principal(at) => self.built(node.account).administrators[at],
            To::Administrator => true,
        };
        let back = seen.keys().any(|at| !starts.contains_key(at) && own(self.node(*at)) && is_lost(self.node(*at)));
        let each = seen.into_iter().map(|(at, (steps, certain, by))| {
            let (node, by) = (self.node(at), self.node(by));
            Abroad { node, by, steps, certain }
        });
        let mut all: Vec<Abroad> = each.filter(|a| !own(a.node)).collect();
        all.sort_by_key(|a| (a.steps, a.node));
        (all, back)
    }

    /// Everyone one step away, certain ones first: who gets there, or whom it leads to. That an administrator becomes anyone in
    /// its account is not told.
    pub fn steps(&self, node: Node, inwards: bool) -> Vec<Leg> {
        let at = self.index(node);
        let mut others = BTreeSet::new();
        if inwards {
            self.each_into(at, &[], |leap| others.extend([leap.from]));
        } else {
            self.each_out(at, &[], |leap| others.extend([leap.to]));
        }
        let leg = |other: usize| if inwards { self.leg(other, at, &[]) } else { self.leg(at, other, &[]) };
        let mut legs: Vec<Leg> = others.into_iter().map(leg).collect();
        legs.sort_by_key(|leg| (!leg.certain, leg.by.first().copied()));
        legs
    }

    fn leg(&self, from: usize, to: usize, led: &[usize]) -> Leg {
        let mut all: Vec<Leap> = Vec::new();
        self.each_out(from, led, |leap| all.extend((leap.to == to).then_some(leap)));
        all.sort_by_key(|leap| (!self.is_certain(leap), leap.by));
        let certain = all.first().is_some_and(|leap| self.is_certain(leap));
        Leg { from: self.node(from), to: self.node(to), by: all.into_iter().map(|leap| leap.by).collect(), certain }
    }

    /// Those from outside whom a role's trust lets in, each with the statements that do.
    pub fn let_in(&self, role: Node, accounts: &(impl Accounts + ?Sized)) -> Vec<Guest> {
        let guest = |leg: &Leg| {
            let outsider = self.outsider(leg.from)?;
            let own = format!(" of {}", self.built(role.account).id);
            // A SAML provider is of the role's account.
            let is_saml = matches!(outsider.source, Source::Saml { .. });
            let who = if is_saml { outsider.who.replacen(&own, "", 1) } else { outsider.who.clone() };
            let rests = self.rests(leg, accounts);
            let actions = rests.iter().map(|(action, _)| action.to_string()).collect();
            let statements = rests.into_iter().flat_map(|(_, by)| by).map(|(_, statement)| statement).collect();
            Some(Guest { who, actions, statements, certain: leg.certain })
        };
        let legs = self.steps(role, true);
        // Who gets in because everyone does is told with everyone.
        let told_by = |leg: &Leg| {
            let own = self.outsider(leg.from);
            let wider = |other: &&Leg| own.zip(self.outsider(other.from)).is_some_and(|(own, other)| own.is_among(other));
            legs.iter().filter(wider).any(|other| self.statements_of(leg).is_subset(&self.statements_of(other)))
        };
        legs.iter().filter(|leg| !told_by(leg)).filter_map(guest).collect()
    }

    /// The statements that let in, of all ways to take a step.
    fn statements_of(&self, leg: &Leg) -> BTreeSet<StatementId> {
        let crossings = leg.by.iter().filter_map(|by| if let By::Crossing(at) = by { Some(*at) } else { None });
        crossings.flat_map(|at| self.lets_in(leg.to, &self.crossings(leg.from.account)[at])).collect()
    }

    /// What a step says, in one sentence that names the account where it changes, as `label` calls it.
    pub fn sentence(&self, leg: &Leg, accounts: &(impl Accounts + ?Sized), label: &dyn Fn(&str) -> String) -> String {
        let here = label(&self.built(leg.from.account).id);
        let name = |node: Node| match node.at {
            To::Principal(_) => self.name(node),
            To::Administrator => format!("an administrator of {here}"),
        };
        let (from, to) = (name(leg.from), name(leg.to));
        match leg.by.first() {
            Some(By::Edge(edge)) => {
                accounts.with(leg.from.account, |g| g.edges().get(*edge).map(|e| g.sentence(e))).flatten().unwrap_or_default()
            }
            Some(By::Crossing(at)) => {
                let there = label(&self.built(leg.to.account).id);
                let to = match self.crossings(leg.from.account)[*at].by {
                    Entry::Set(..) => there,
                    _ => format!("{to} of {there}"),
                };
                let sure = if leg.certain { "" } else { ", under conditions" };
                format!("{from} {}{sure}", self.crossing_words(leg.from, *at, &to))
            }
            Some(By::Power) if leg.to.at == To::Administrator => format!("{from} is an administrator of {here}"),
            Some(By::Power) if leg.from.at == To::Administrator => format!("{from} can become {to}"),
            Some(By::Power) => format!("{from} is an administrator of {here} and can become {to}"),
            None => String::new(),
        }
    }

    /// What whoever stands at the end of a way does with the resource that is the goal, in one sentence, and what the first of
    /// it rests on; none where no resource is, or nobody is named.
    pub fn use_of(&self, goal: &Goal, end: Node, accounts: &(impl Accounts + ?Sized)) -> Option<(String, Vec<Rest>)> {
        let held = goal.held(end.account)?;
        let To::Principal(at) = end.at else { return None };
        let holder = held.holder(at)?;
        let first = holder.may.first()?;
        let ask = held.prize.asks().get(first.ask)?;
        let more = if holder.may.len() > 1 { format!(" and {} more", holder.may.len() - 1) } else { String::new() };
        let sure = if holder.certain { "" } else { ", under conditions" };
        // Resources are known to every account.
        let account = if end.account < self.len() { end.account } else { 0 };
        let named = |g: &Graph<'_>| -> (String, Vec<Rest>) {
            let before = holder.first.as_ref().map_or_else(String::new, |(gain, _)| format!("{} and then ", g.gain(*gain)));
            let gains = holder.first.iter().flat_map(|(_, needs)| needs).map(|need| (Cow::Borrowed(need.action), &*need.by));
            let uses = first.needs.iter().map(|by| (Cow::Owned(ask.action.clone()), by.as_slice()));
            let rests = gains.chain(uses).map(|(action, by)| (action, by.iter().map(|id| g.statement(*id)).collect()));
            (before, rests.collect())
        };
        let (before, rests) = accounts.with(account, named).unwrap_or_default();
        Some((format!("{} can {before}{}{more} on {}{sure}", self.name(end), ask.action, first.on), rests))
    }

    /// `role/x`; of somebody from outside with its account.
    fn name(&self, node: Node) -> String {
        match self.outsider(node) {
            Some(outsider) if outsider.who.starts_with("arn:") => outsider.source.words(),
            Some(outsider) => outsider.who.clone(),
            None => principal(self.arn(node)),
        }
    }

    /// Whether a step is by IAM Identity Center into another account: whoever may take it may take it into most of them.
    pub fn is_by_center(&self, leg: &Leg) -> bool {
        let by_center = |by: &By| match by {
            By::Crossing(at) => matches!(self.crossings(leg.from.account)[*at].by, Entry::Admit(_) | Entry::Set(..)),
            _ => false,
        };
        leg.by.iter().all(by_center)
    }

    /// What somebody does who crosses, without who it is: `can assume it`, `to` being whom it leads to.
    pub fn crossing_words(&self, from: Node, crossing: usize, to: &str) -> String {
        let crossing = &self.crossings(from.account)[crossing];
        let through = crossing.through.map(|q| principal(self.arn(Node::principal(from.account, q))));
        let first = through.map_or_else(String::new, |q| format!("become {q} and "));
        let many = self.arn(from).ends_with("all of its users");
        let is = if many { "are" } else { "is" };
        match crossing.by {
            Entry::Trust(_) if self.outsider(from).is_some() && to == "it" => format!("{is} let in by its trust"),
            Entry::Trust(_) if self.outsider(from).is_some() => format!("{is} let into {to} by its trust"),
            Entry::Trust(_) => format!("can {first}assume {to}"),
            Entry::Code(row, _) => {
                format!("can {first}{} a function that runs as {to}", TAKE_OVERS[usize::from(row)].sentence)
            }
            Entry::Admit(row) => format!("can {} {to}", ADMITS[usize::from(row)].sentence),
            Entry::Set(action, row) => {
                let set = set_of(&crossing.role);
                let admit = ADMITS[usize::from(row)].action;
                format!("can make the permission set {set} an administrator's by {action} and let somebody into {to} by {admit}")
            }
        }
    }

    /// What the first way to take a step rests on.
    pub fn rests(&self, leg: &Leg, accounts: &(impl Accounts + ?Sized)) -> Vec<Rest> {
        let named = |g: &Graph<'_>, by: &[StatementId]| by.iter().map(|id| g.statement(*id)).collect::<Vec<_>>();
        match leg.by.first() {
            Some(By::Edge(edge)) => {
                let needs = |g: &Graph<'_>| {
                    let edge = g.edges().get(*edge);
                    edge.map(|e| e.needs.iter().map(|n| (n.action.into(), named(g, &n.by))).collect()).unwrap_or_default()
                };
                accounts.with(leg.from.account, needs).unwrap_or_default()
            }
            Some(By::Crossing(at)) => {
                let crossing = &self.crossings(leg.from.account)[*at];
                let own =
                    |g: &Graph<'_>| crossing.needs.iter().map(|n| (n.action.into(), named(g, &n.by))).collect::<Vec<Rest>>();
                let own = accounts.with(leg.from.account, own).unwrap_or_default();
                let ids = self.lets_in(leg.to, crossing);
                let theirs = accounts.with(leg.to.account, |g| named(g, &ids)).unwrap_or_default();
                let theirs = crossing.actions().first().map(|action| ((*action).into(), theirs));
                own.into_iter().chain(theirs).filter(|(_, by)| !by.is_empty()).collect()
            }
            Some(By::Power) => match leg.from.at {
                // Whoever made itself one allows itself what it takes.
                To::Administrator => Vec::new(),
                To::Principal(at) => {
                    accounts.with(leg.from.account, |g| g.power_over(at, self.arn(leg.to))).into_iter().flatten().collect()
                }
            },
            None => Vec::new(),
        }
    }

    /// The statements that let in whoever crosses to a role, in the role's account.
    pub(super) fn lets_in(&self, role: Node, crossing: &Crossing) -> Vec<StatementId> {
        let To::Principal(at) = role.at else { return Vec::new() };
        let trust = self.built(role.account).people[at].trust;
        let id = |statement: &u32| match crossing.by {
            Entry::Code(_, function) => Some(StatementId::of_resource(function as usize, *statement as usize)),
            _ => Some(StatementId { policy: trust?, statement: *statement }),
        };
        crossing.lets_in.iter().filter_map(id).collect()
    }
}

struct Walk<'w> {
    joined: &'w Joined,
    goal: &'w Goal,
    far: &'w [Option<u32>],
    goals: &'w BTreeSet<usize>,
    /// Those of the goals that are there for certain.
    sure: &'w BTreeSet<usize>,
    found: Vec<Route>,
    most: usize,
    visits: usize,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.found.len() > self.most || self.visits > MAX_VISITS
    }

    /// Routes with exactly `left` more steps.
    fn go(&mut self, trail: &mut Vec<usize>, left: usize) {
        let Some(&at) = trail.last() else { return };
        let mut next: Vec<usize> = Vec::new();
        self.joined.each_out(at, &self.goal.led, |leap| next.push(leap.to));
        self.visits += next.len();
        next.sort_unstable();
        next.dedup();
        for to in next {
            if self.is_over() {
                return;
            }
            // What is there under conditions may go on to where it is for certain.
            let goal = left == 1;
            let fits = if goal { self.goals.contains(&to) } else { !self.sure.contains(&to) };
            if !fits || trail.contains(&to) || self.far[to].is_none_or(|d| d as usize > left - 1) {
                continue;
            }
            trail.push(to);
            if goal {
                self.found.push(self.route(trail));
            } else {
                self.go(trail, left - 1);
            }
            trail.pop();
        }
    }

    fn route(&self, trail: &[usize]) -> Route {
        let legs: Vec<Leg> = trail.windows(2).map(|step| self.joined.leg(step[0], step[1], &self.goal.led)).collect();
        let end = trail.last().is_some_and(|at| self.sure.contains(at));
        Route { from: self.joined.node(trail[0]), certain: end && legs.iter().all(|l| l.certain), legs }
    }
}
