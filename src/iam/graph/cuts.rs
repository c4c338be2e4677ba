//! Which single statement, removed, cuts most ways to a goal. What is found is tried out: its account is judged again
//! without the statement, and so is who crosses into it where it is a role's trust, so that a way which comes to light only
//! then is not overlooked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::crossings::{Crossing, Entry, to_function, to_role};
use super::joined::{Accounts, By, Goal, Joined, Leap, Node, Part, entered_as};
use super::{Graph, StatementId, To};

/// What the removal of one statement would cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The account of the statement, by its place among those that are joined.
    pub account: usize,
    pub statement: StatementId,
    pub policy: String,
    pub label: String,
    /// Principals that reach the goal for certain and could no longer.
    pub freed: Vec<Node>,
    /// Those from outside that do and could no longer, but for whoever is let in as a matter of course.
    pub outside: Vec<Node>,
    /// Principals that reach the goal for certain, all of them.
    pub of: usize,
}

/// Statements that are looked at.
const MOST_TRIED: usize = 150;

impl Cut {
    /// Whether it keeps somebody away.
    pub fn frees(&self, node: Node) -> bool {
        self.freed.contains(&node) || self.outside.contains(&node)
    }

    /// Those that keep most away stand first.
    fn place(&self) -> (Reverse<usize>, usize, StatementId) {
        (Reverse(self.freed.len() + self.outside.len()), self.account, self.statement)
    }
}

/// A statement, in its account.
type Place = (usize, StatementId);

impl Joined {
    /// The statements whose removal keeps most principals from the goal, best first.
    pub fn cuts(&self, goal: &Goal, most: usize, accounts: &(impl Accounts + ?Sized)) -> Vec<Cut> {
        let mut cuts = self.estimated(goal, None, accounts);
        cuts.truncate(most);
        let mut cuts: Vec<Cut> = cuts.into_iter().filter_map(|cut| self.tried(goal, None, cut, accounts)).collect();
        cuts.sort_by_key(Cut::place);
        cuts
    }

    /// The statement whose removal keeps a principal from the goal and, of several, frees most others too; none where no
    /// single one does.
    pub fn cut_of(&self, from: Node, goal: &Goal, accounts: &(impl Accounts + ?Sized)) -> Option<Cut> {
        let may = self.estimated(goal, Some(from), accounts).into_iter().filter(|cut| cut.frees(from)).take(2);
        may.filter_map(|cut| self.tried(goal, Some(from), cut, accounts)).find(|cut| cut.frees(from))
    }

    /// By the ways there are, best first; `from` counts, whoever it is.
    fn estimated(&self, goal: &Goal, from: Option<Node>, accounts: &(impl Accounts + ?Sized)) -> Vec<Cut> {
        let ends = goal.ends(true);
        let before = self.distances(goal, true);
        // Only statements that some shortest step rests on alone can cut anything.
        let mut weight: BTreeMap<Place, usize> = BTreeMap::new();
        let looked_from = (0..self.firsts_outside()).chain(self.outside_counted(from));
        for at in looked_from.filter(|at| before[*at].is_some_and(|d| d > 0)) {
            self.each_out(at, &goal.led, |leap| {
                if self.is_certain(&leap) && before[leap.to].map(|d| d + 1) == before[at] {
                    self.alone_behind(&leap).into_iter().for_each(|place| *weight.entry(place).or_default() += 1);
                }
            });
        }
        // A statement of a resource's policy stands in the account of that.
        let home = |account: usize, id: StatementId| {
            let owner = |place| accounts.with(0, |g| Some(g.account.resources().at(place)?.account.clone()))?;
            id.resource().and_then(owner).and_then(|id| self.account(&id)).unwrap_or(if account < self.len() {
                account
            } else {
                0
            })
        };
        for (account, held) in goal.all_held() {
            let sure = held.holders.iter().filter(|h| h.certain);
            for statement in sure.flat_map(|holder| holder.needs().filter_map(<[StatementId]>::first)) {
                *weight.entry((home(account, *statement), *statement)).or_default() += 1;
            }
        }
        let mut looked: Vec<(Place, usize)> = weight.into_iter().collect();
        looked.sort_by_key(|(id, n)| (Reverse(*n), *id));
        looked.truncate(MOST_TRIED);
        // Whoever uses a resource by its own permissions is kept off it, too; an administrator is one whatever is cut.
        let least = u32::from(goal.prize().is_none());
        let of = self.everyone().filter(|at| before[*at].is_some_and(|steps| steps >= least)).count();
        let mut cuts: Vec<Cut> = looked
            .into_iter()
            .filter_map(|(place, _)| {
                let (account, statement) = place;
                let mut left = ends.clone();
                left.retain(|end| {
                    let node = self.node(*end);
                    let here = node.account == account || statement.resource().is_some();
                    let held = goal.held(node.account).filter(|_| here);
                    let holder = match node.at {
                        To::Principal(at) => held.and_then(|h| h.holder(at)),
                        To::Administrator => None,
                    };
                    holder.is_none_or(|h| h.holds_without(statement))
                });
                let after = self.spread(&left, &goal.led, |leap| self.is_certain(leap) && !self.rests_on(leap, place));
                let (freed, outside) = self.freed(&before, &after, from);
                let any = !freed.is_empty() || !outside.is_empty();
                let (policy, label) = any.then(|| accounts.with(account, |g| g.statement(statement)))??;
                Some(Cut { account, statement, policy, label, freed, outside, of })
            })
            .collect();
        cuts.sort_by_key(Cut::place);
        cuts
    }

    /// Principals, and those from outside, that got there before and do not after.
    fn freed(&self, before: &[Option<u32>], after: &[Option<u32>], from: Option<Node>) -> (Vec<Node>, Vec<Node>) {
        let kept_away = |at: &usize| before[*at].is_some() && after[*at].is_none();
        let nodes = |all: &mut dyn Iterator<Item = usize>| all.filter(kept_away).map(|at| self.node(at)).collect();
        (nodes(&mut self.everyone()), nodes(&mut self.outside_counted(from)))
    }

    /// Those from outside that are counted; `from` is, whoever it is.
    fn outside_counted(&self, from: Option<Node>) -> impl Iterator<Item = usize> {
        let counted = self.outsiders().filter(move |(node, o)| !o.source.is_expected() || Some(*node) == from);
        counted.map(|(node, _)| self.index(node))
    }

    /// Each permission that a way rests on, as the statements any of which grants it.
    fn needs(&self, leap: &Leap) -> Vec<Vec<Place>> {
        let part = &self.parts[leap.account];
        let here = |by: &[StatementId]| by.iter().map(|s| (leap.account, *s)).collect::<Vec<_>>();
        match leap.by {
            By::Edge(e) => part.built.edges[e].needs.iter().map(|n| here(&n.by)).collect(),
            By::Crossing(c) => {
                let (crossing, role) = (&part.crossings[c], self.node(leap.to));
                let theirs = self.lets_in(role, crossing).into_iter().map(|s| (role.account, s)).collect();
                let own = crossing.needs.iter().map(|n| here(&n.by));
                own.chain([theirs]).filter(|by| !by.is_empty()).collect()
            }
            By::Power => Vec::new(),
        }
    }

    /// Statements each of which a way rests on alone.
    fn alone_behind(&self, leap: &Leap) -> Vec<Place> {
        self.needs(leap).into_iter().filter_map(|by| if let [only] = *by { Some(only) } else { None }).collect()
    }

    /// Whether a way is gone without a statement.
    fn rests_on(&self, leap: &Leap, place: Place) -> bool {
        match leap.by {
            By::Edge(_) if leap.account != place.0 => false,
            By::Edge(e) => self.parts[leap.account].built.edges[e].needs.iter().any(|n| n.by.iter().all(|s| *s == place.1)),
            _ => self.needs(leap).iter().any(|by| by.iter().all(|s| *s == place)),
        }
    }

    /// The same by the account without the statement; none where nobody is kept away after all.
    fn tried(&self, goal: &Goal, from: Option<Node>, cut: Cut, accounts: &(impl Accounts + ?Sized)) -> Option<Cut> {
        let policy = cut.statement.policy;
        let (built, rest, asked) = accounts.with(cut.account, |graph| {
            let account = cut.statement.taken_from(graph.account);
            let built = Graph::new(&account).built();
            let asked = self.asked.as_ref().map(|(who, _)| entered_as(&account, &built, &who.who));
            (built, account.policies.get(policy as usize).cloned(), asked)
        })?;
        // Who was asked about by name still gets into the roles of other accounts.
        let asked = self.asked.as_ref().zip(asked).map(|((who, before), now)| {
            let elsewhere = before.iter().filter(|(role, _)| role.split(':').nth(4) != Some(built.id.as_str())).cloned();
            (who.clone(), elsewhere.chain(now).collect())
        });
        let mut parts = self.accounts().to_vec();
        // Who of other accounts is let in by what is left of a role's trust.
        let roles = built.people.iter().enumerate().filter(|(_, p)| p.trust == Some(policy));
        for (at, role) in roles {
            for other in self.crossing_into(self.index(Node::principal(cut.account, at))) {
                let trust = rest.clone()?;
                let now = accounts.with(other, |graph| to_role(graph.account, &role.arn, trust))?;
                let others =
                    parts[other].crossings.iter().filter(|c| c.role != role.arn || !matches!(c.by, Entry::Trust(_))).cloned();
                parts[other].crossings = others.chain(now).collect();
            }
        }
        // And by what is left of a function's policy.
        let place = cut.statement.resource();
        let is_by = |c: &Crossing| matches!(c.by, Entry::Code(_, function) if place == Some(function as usize));
        for (other, part) in parts.iter_mut().enumerate().filter(|(at, _)| *at != cut.account) {
            let Some((place, role)) = place.zip(part.crossings.iter().find(|c| is_by(c)).map(|c| Arc::clone(&c.role))) else {
                continue;
            };
            let now = accounts.with(other, |graph| to_function(&cut.statement.taken_from(graph.account), place, &role))?;
            part.crossings = part.crossings.iter().filter(|c| !is_by(c)).cloned().chain(now).collect();
        }
        parts[cut.account] = Part::from(built);
        let joined = Self::after(parts, &self.outsiders[..self.outsiders.len() - usize::from(self.asked.is_some())], asked);
        // Who is an administrator now is what is to be kept out of reach, with or without the statement.
        let (mut ends, mut led) = (Vec::new(), Vec::new());
        for (at, held) in goal.all_held() {
            let touched = at == cut.account || cut.statement.resource().is_some();
            let now = |graph: &Graph<'_>| {
                let account = cut.statement.taken_from(graph.account);
                match at == self.len() {
                    true => joined.visits(&account, &held.prize),
                    false => Graph::again(&account, graph.built()).reach(&held.prize),
                }
            };
            let now = touched.then(|| accounts.with(if at < self.len() { at } else { 0 }, now)).flatten();
            let now = now.as_ref().unwrap_or(held);
            ends.extend(joined.holding(at, now).into_iter().filter(|(_, sure)| *sure).map(|(at, _)| at));
            led.extend(joined.led(at, now));
        }
        if goal.prize().is_none() {
            (ends, led) = (goal.ends(true), goal.led.clone());
        }
        let before = self.distances(goal, true);
        let after = joined.spread(&ends, &led, |leap| joined.is_certain(leap));
        let (freed, outside) = self.freed(&before, &after, from);
        (!freed.is_empty() || !outside.is_empty()).then_some(Cut { freed, outside, ..cut })
    }

    fn crossing_into(&self, role: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        let to = self.arn(self.node(role));
        for (account, part) in self.accounts().iter().enumerate() {
            if part.crossings.iter().any(|c| &*c.role == to) {
                all.insert(account);
            }
        }
        all
    }
}
