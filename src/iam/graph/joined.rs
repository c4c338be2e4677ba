//! The graphs of several accounts as one, joined where somebody of one may assume a role of another. An administrator
//! becomes anybody in its account, and crosses as whoever is let in. Who gets where is found here; the ways are `routes`'.
//!
//! It keeps no account: what a way says is asked of [`Accounts`], so that few need to be at hand.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::blast::{Things, open_to};
use super::crossings::{Crossing, Entry};
use super::functions::coded;
use super::outside::{Asked, Entered, Outsider, outside};
use super::reach::{Held, Prize, guests, visits};
use super::trust::asked;
use super::{Built, Graph, Power, Target, To, slot};
use crate::iam::account::{Account, is_unique_id};
use crate::iam::strangers::account_of;

/// Somebody in one of the accounts; [`To::Administrator`] is whoever made itself one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Place among the accounts that are joined.
    pub account: usize,
    pub at: To,
}

impl Node {
    pub fn principal(account: usize, at: usize) -> Self {
        Self { account, at: To::Principal(at) }
    }
}

/// One way to take a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Place in [`Graph::edges`] of the account where the step begins.
    Edge(usize),
    /// Place in [`Joined::crossings`] of the account where it begins.
    Crossing(usize),
    /// By being an administrator.
    Power,
}

/// Where the accounts that are joined are found when they have to be asked.
pub trait Accounts {
    /// Asks one of them; none where it is not to be had any more.
    fn with<T>(&self, account: usize, ask: impl FnOnce(&Graph<'_>) -> T) -> Option<T>;
}

impl Accounts for [Graph<'_>] {
    fn with<T>(&self, account: usize, ask: impl FnOnce(&Graph<'_>) -> T) -> Option<T> {
        self.get(account).map(ask)
    }
}

/// Several accounts' graphs.
pub struct Joined {
    /// The accounts, and behind them what is outside.
    pub(super) parts: Vec<Part>,
    pub(super) outsiders: Vec<Outsider>,
    /// The last of them, where somebody was asked about by name.
    pub(super) asked: Option<Asked>,
    /// Where each account's nodes start, and behind the last; an account's last one is its administrator.
    firsts: Vec<usize>,
    into: HashMap<usize, Vec<Cross>>,
    out: HashMap<usize, Vec<Cross>>,
    /// By account: administrators who as such get further than by their own policies, sorted.
    climbers: Vec<Vec<usize>>,
}

#[derive(Clone)]
pub(super) struct Part {
    pub(super) built: Arc<Built>,
    pub(super) crossings: Arc<[Crossing]>,
}

impl From<Arc<Built>> for Part {
    fn from(built: Arc<Built>) -> Self {
        Self { crossings: Arc::clone(&built.crossings), built }
    }
}

impl Part {
    pub(super) fn count(&self) -> usize {
        self.built.people.len()
    }
}

/// A crossing with both its ends in place.
#[derive(Clone, Copy)]
struct Cross {
    from: usize,
    to: usize,
    account: usize,
    at: usize,
}

/// A step as it is walked: from and to are places among all nodes.
#[derive(Clone, Copy)]
pub(super) struct Leap {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The account where it begins.
    pub(super) account: usize,
    pub(super) by: By,
}

/// Where ways lead.
pub struct Goal {
    /// Nodes that are it, sorted, and whether they are for certain.
    pub(super) ends: Vec<(usize, bool)>,
    /// Those of them that the administrators of their accounts become.
    pub(super) led: Vec<usize>,
    what: What,
}

enum What {
    Administrator,
    Principals,
    /// Who gets at it, by account.
    Resource(BTreeMap<usize, Held>),
}

impl Goal {
    pub fn is_administrator(&self) -> bool {
        matches!(self.what, What::Administrator)
    }
    /// Whether it is to become users or roles that were named.
    pub fn is_somebody(&self) -> bool {
        matches!(self.what, What::Principals)
    }
    /// Who of an account gets at the resource, where it is one; those from outside stand behind the last account.
    pub fn held(&self, account: usize) -> Option<&Held> {
        match &self.what {
            What::Resource(held) => held.get(&account),
            _ => None,
        }
    }
    /// The resource, where it is one.
    pub fn prize(&self) -> Option<&Prize> {
        match &self.what {
            What::Resource(held) => held.values().next().map(|h| &h.prize),
            _ => None,
        }
    }
    /// Who gets at the resource, by account.
    pub(super) fn all_held(&self) -> impl Iterator<Item = (usize, &Held)> {
        let all = if let What::Resource(held) = &self.what { Some(held) } else { None };
        all.into_iter().flatten().map(|(account, held)| (*account, held))
    }
    pub(super) fn ends(&self, certain: bool) -> Vec<usize> {
        self.ends.iter().filter(|(_, sure)| *sure || !certain).map(|(at, _)| *at).collect()
    }
}

/// Why a name means nobody from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nobody {
    #[error("account {0} was read: name one of its users or roles")]
    Read(String),
    #[error("nothing lets {0:?} in from outside")]
    LetIn(String),
}

/// The roles of an account that let in somebody by name, or whose functions do.
pub(super) fn entered_as(account: &Account, built: &Built, name: &str) -> Vec<(Arc<str>, Entered)> {
    let roles = (0..built.people.len()).filter(|at| built.people[*at].trust.is_some());
    let trusted = |at| {
        let (action, statements, certain) = asked(account, at, name)?;
        Some((at, Entered { by: Entry::Trust(action), statements, certain, alike: false }))
    };
    let by_trust = roles.filter_map(trusted);
    let by_code = coded(account, &Outsider::named(name));
    by_trust.chain(by_code).map(|(at, entered)| (Arc::clone(&built.people[at].arn), entered)).collect()
}

/// The accounts that ways from some of them lead into, those first: each is asked for once, and its crossings say which
/// come next.
pub fn onward<T>(from: &[&str], mut account: impl FnMut(&str) -> Option<(T, Arc<Built>)>) -> Vec<(T, Arc<Built>)> {
    let mut seen: BTreeSet<String> = from.iter().map(|id| (*id).to_owned()).collect();
    let mut queue: VecDeque<String> = from.iter().map(|id| (*id).to_owned()).collect();
    let mut all = Vec::new();
    while let Some(id) = queue.pop_front() {
        let Some(found) = account(&id) else { continue };
        let next: BTreeSet<&str> = found.1.crossings.iter().filter_map(|c| c.role.split(':').nth(4)).collect();
        queue.extend(next.into_iter().filter(|id| seen.insert((*id).to_owned())).map(str::to_owned));
        all.push(found);
    }
    all
}

impl Joined {
    /// Joins the graphs of different accounts. What leads into an account that is not among them leads nowhere.
    pub fn new(graphs: impl IntoIterator<Item = Arc<Built>>) -> Self {
        Self::of(graphs.into_iter().map(Part::from).collect())
    }

    pub(super) fn of(parts: Vec<Part>) -> Self {
        Self::after(parts, &[], None)
    }

    /// As [`Self::of`]; those from outside who were known before keep their places, and one who is asked about comes last.
    pub(super) fn after(mut parts: Vec<Part>, before: &[Outsider], asked: Option<Asked>) -> Self {
        let accounts: Vec<&Built> = parts.iter().map(|p| &*p.built).collect();
        let (outsiders, outside) = outside(&accounts, before, asked.as_ref());
        parts.push(Part::from(Arc::new(outside)));
        let mut firsts = vec![0];
        for part in &parts {
            firsts.push(firsts[firsts.len() - 1] + part.count() + 1);
        }
        let named: BTreeSet<&str> = parts.iter().flat_map(|p| p.crossings.iter().map(|c| &*c.role)).collect();
        let mut roles: HashMap<&str, usize> = HashMap::new();
        for (account, part) in parts.iter().enumerate().filter(|_| !named.is_empty()) {
            let known = part.built.people.iter().enumerate().filter(|(_, p)| named.contains(&*p.arn));
            roles.extend(known.map(|(at, p)| (&*p.arn, firsts[account] + at)));
        }
        let (mut into, mut out) = (HashMap::<usize, Vec<Cross>>::new(), HashMap::<usize, Vec<Cross>>::new());
        let mut climbers = Vec::new();
        for (account, part) in parts.iter().enumerate() {
            let mut by: BTreeMap<usize, BTreeSet<(usize, bool)>> = BTreeMap::new();
            for (at, crossing) in part.crossings.iter().enumerate() {
                let Some(role) = roles.get(&*crossing.role).copied() else { continue };
                let to = match crossing.by {
                    // The last of an account's nodes.
                    Entry::Set(..) => firsts[firsts.partition_point(|first| *first <= role)] - 1,
                    _ => role,
                };
                let from = slot(crossing.from, part.count());
                by.entry(from).or_default().insert((to, crossing.certain));
                let cross = Cross { from: firsts[account] + from, to, account, at };
                into.entry(to).or_default().push(cross);
                out.entry(cross.from).or_default().push(cross);
            }
            let made = by.remove(&part.count()).unwrap_or_default();
            let further = |p: &usize| {
                let own =
                    |to: usize, sure: bool| by.get(p).is_some_and(|own| own.contains(&(to, sure)) || own.contains(&(to, true)));
                made.iter().any(|(to, sure)| !own(*to, *sure))
            };
            let all = (0..part.count()).filter(|p| part.built.administrators[*p]);
            climbers.push(all.filter(further).collect());
        }
        Self { firsts, into, out, climbers, outsiders, asked, parts }
    }

    /// One account by itself.
    pub fn alone(graph: &Graph<'_>) -> Self {
        Self::new([graph.built()])
    }

    /// The graph of one of the accounts as it was built.
    pub fn built(&self, account: usize) -> &Arc<Built> {
        &self.parts[account].built
    }
    /// How many accounts.
    pub fn len(&self) -> usize {
        self.parts.len() - 1
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub(super) fn accounts(&self) -> &[Part] {
        &self.parts[..self.len()]
    }
    /// The ways out of an account.
    pub fn crossings(&self, account: usize) -> &[Crossing] {
        &self.parts[account].crossings
    }
    /// A principal by its ARN.
    pub fn find(&self, arn: &str) -> Option<Node> {
        let id = arn.split(':').nth(4)?;
        let account = self.account(id)?;
        let at = self.parts[account].built.people.iter().position(|p| &*p.arn == arn)?;
        Some(Node::principal(account, at))
    }
    /// An account by its twelve digits.
    pub fn account(&self, id: &str) -> Option<usize> {
        self.accounts().iter().position(|p| p.built.id == id)
    }
    /// The ARN of a principal; of whoever made itself an administrator the word, of somebody from outside its name.
    pub fn arn(&self, node: Node) -> &str {
        match node.at {
            To::Principal(at) => &self.parts[node.account].built.people[at].arn,
            To::Administrator => "administrator",
        }
    }

    /// Somebody from outside; none for somebody of one of the accounts.
    pub fn outsider(&self, node: Node) -> Option<&Outsider> {
        match node.at {
            To::Principal(at) if node.account == self.len() => self.outsiders.get(at),
            _ => None,
        }
    }

    /// Everyone from outside whom a role lets in.
    pub fn outsiders(&self) -> impl Iterator<Item = (Node, &Outsider)> {
        self.outsiders.iter().enumerate().map(|(at, o)| (Node::principal(self.len(), at), o))
    }

    /// Those from outside whom a name means: all of whom a trust asks the same, or one who is asked for at every role, as whom
    /// these accounts are joined anew.
    ///
    /// # Errors
    /// [`Nobody`]
    pub fn calling(self, name: &str, accounts: &(impl Accounts + ?Sized)) -> Result<(Self, Vec<Node>), Nobody> {
        self.called(name, None, accounts)
    }

    /// These accounts joined with whom a resource's own policy lets in from outside, and how those get at it; and whom of all
    /// outsiders a name means, as in [`Self::calling`].
    ///
    /// # Errors
    /// [`Nobody`]
    pub fn visiting(
        self,
        name: Option<&str>,
        prize: &Prize,
        accounts: &(impl Accounts + ?Sized),
    ) -> Result<(Self, Vec<Node>, Held), Nobody> {
        let mut known = self.outsiders.clone();
        let guests = accounts.with(0, |graph| guests(graph.account, prize)).unwrap_or_default();
        known.extend(guests.into_iter().filter(|guest| !self.outsiders.contains(guest)));
        let joined = Self::after(self.accounts().to_vec(), &known, None);
        let (joined, from) = match name {
            Some(name) => joined.called(name, Some(prize), accounts)?,
            None => (joined, Vec::new()),
        };
        let held = accounts.with(0, |graph| joined.visits(graph.account, prize));
        let held = held.unwrap_or_else(|| Held { prize: prize.clone(), holders: Vec::new(), administrator: None });
        Ok((joined, from, held))
    }

    /// How those from outside get at a resource by its own policy.
    pub(super) fn visits(&self, account: &Account, prize: &Prize) -> Held {
        let asked = self.asked.as_ref().map(|_| self.outsiders.len() - 1);
        visits(account, prize, &self.outsiders, asked)
    }

    fn called(self, name: &str, prize: Option<&Prize>, accounts: &(impl Accounts + ?Sized)) -> Result<(Self, Vec<Node>), Nobody> {
        let groups: Vec<Node> = self.outsiders().filter(|(_, o)| o.is_called(name)).map(|(node, _)| node).collect();
        if !groups.is_empty() {
            return Ok((self, groups));
        }
        if let Some(id) = account_of(name).filter(|id| self.account(id).is_some()) {
            return Err(Nobody::Read(id.to_owned()));
        }
        if is_unique_id(name) {
            return Err(Nobody::LetIn(name.to_owned()));
        }
        let outsider = Outsider::named(name);
        let mut entered = Vec::new();
        for (at, part) in self.accounts().iter().enumerate().filter(|_| outsider.is_asked_for()) {
            entered.extend(accounts.with(at, |graph| entered_as(graph.account, &part.built, name)).unwrap_or_default());
        }
        let alone = std::slice::from_ref(&outsider);
        let visits = |graph: &Graph<'_>| match prize {
            Some(prize) => !visits(graph.account, prize, alone, Some(0)).holders.is_empty(),
            None => !open_to(graph.account, &[&outsider], true).is_empty(),
        };
        if entered.is_empty() && accounts.with(0, visits) != Some(true) {
            return Err(Nobody::LetIn(name.chars().take(200).collect()));
        }
        let joined = Self::after(self.accounts().to_vec(), &self.outsiders, Some((outsider, entered)));
        let last = Node::principal(joined.len(), joined.outsiders.len() - 1);
        Ok((joined, vec![last]))
    }

    /// The known resources whose own policies let any of these from outside get at them.
    pub fn open_to(&self, outsiders: &[Node], accounts: &(impl Accounts + ?Sized)) -> Vec<Things> {
        let all: Vec<&Outsider> = outsiders.iter().filter_map(|node| self.outsider(*node)).collect();
        let asked = |who: &&Outsider| self.asked.as_ref().is_some_and(|(asked, _)| asked == *who);
        let by_name = all.iter().any(asked);
        accounts.with(0, |graph| open_to(graph.account, &all, by_name)).unwrap_or_default()
    }

    /// The roles that any of these from outside is let into, by account, each with whether for certain.
    pub fn entered_by(&self, outsiders: &[Node]) -> BTreeMap<usize, Vec<(Node, bool)>> {
        let mut roles: BTreeMap<Node, bool> = BTreeMap::new();
        for node in outsiders {
            self.each_out(self.index(*node), &[], |leap| *roles.entry(self.node(leap.to)).or_default() |= self.is_certain(&leap));
        }
        let mut by_account: BTreeMap<usize, Vec<(Node, bool)>> = BTreeMap::new();
        roles.into_iter().for_each(|(role, certain)| by_account.entry(role.account).or_default().push((role, certain)));
        by_account
    }

    /// Those from outside whose ways to a goal are worth telling. Whoever is let in as a matter of course is one of them where
    /// the goal itself lets it in.
    pub fn outside_of(&self, goal: &Goal) -> Vec<Node> {
        let goals: BTreeSet<usize> = if goal.is_somebody() { goal.ends(false).into_iter().collect() } else { BTreeSet::new() };
        let enters_goal = |node: Node| {
            let mut enters = false;
            self.each_out(self.index(node), &[], |leap| enters |= goals.contains(&leap.to));
            enters
        };
        let there = goal.held(self.len());
        let is_there = |node: Node| match node.at {
            To::Principal(at) => there.is_some_and(|held| held.holder(at).is_some()),
            To::Administrator => false,
        };
        let told = |(node, o): &(Node, &Outsider)| !o.source.is_expected() || enters_goal(*node) || is_there(*node);
        self.outsiders().filter(told).map(|(node, _)| node).collect()
    }

    /// Becoming an administrator of any account.
    pub fn administrator(&self) -> Goal {
        let of = |account: usize| {
            let part = &self.parts[account];
            let all = (0..part.count()).filter(|p| part.built.administrators[*p]).chain([part.count()]);
            let first = self.firsts[account];
            all.map(move |at| (first + at, true)).collect::<Vec<_>>()
        };
        Goal { ends: (0..self.len()).flat_map(of).collect(), led: Vec::new(), what: What::Administrator }
    }

    /// Becoming one of these, which the administrators of their accounts do as such.
    pub fn principals(&self, all: &[Node]) -> Goal {
        let mut goal = self.only(all);
        let kept = |at: &usize| {
            let (account, slot) = self.place(*at);
            self.parts[account].built.people.get(slot).is_none_or(|p| p.kept)
        };
        goal.led = goal.ends.iter().map(|(at, _)| *at).filter(|at| !kept(at)).collect();
        goal
    }

    /// As [`Self::principals`], by edges alone.
    fn only(&self, all: &[Node]) -> Goal {
        let there = |n: &&Node| n.account < self.len() && slot(n.at, 0) < self.parts[n.account].count();
        let ends: BTreeSet<usize> = all.iter().filter(there).map(|n| self.index(*n)).collect();
        Goal { ends: ends.into_iter().map(|at| (at, true)).collect(), led: Vec::new(), what: What::Principals }
    }

    /// Getting at a resource: who does in each account, by [`Graph::reach`].
    pub fn resource(&self, held: impl IntoIterator<Item = (usize, Held)>) -> Goal {
        let held: BTreeMap<usize, Held> = held.into_iter().collect();
        let ends = held.iter().flat_map(|(account, held)| self.holding(*account, held)).collect();
        let led = held.iter().flat_map(|(account, held)| self.led(*account, held)).collect();
        Goal { ends, led, what: What::Resource(held) }
    }

    /// Whom the administrators of an account become to get at a resource: what keeps one of them off it they take away, and
    /// where administrators as such do not get at it, somebody else of the account may.
    pub(super) fn led(&self, account: usize, held: &Held) -> Vec<usize> {
        if account == self.len() {
            return Vec::new();
        }
        let (first, part) = (self.firsts[account], &self.parts[account]);
        if held.administrator == Some(true) {
            return vec![first + part.count()];
        }
        let holders = held.holders.iter().filter(|h| h.certain && !part.built.people[h.principal].kept);
        holders.map(|h| first + h.principal).collect()
    }
    pub(super) fn holding(&self, account: usize, held: &Held) -> Vec<(usize, bool)> {
        let (first, made) = (self.firsts[account], self.firsts[account] + self.parts[account].count());
        let holders = held.holders.iter().map(|h| (first + h.principal, h.certain));
        holders.chain(held.administrator.map(|sure| (made, sure))).collect()
    }

    /// A target within the one account that is joined here.
    pub(super) fn goal(&self, target: &Target) -> Goal {
        match target {
            Target::Administrator => self.administrator(),
            Target::Principals(all) => self.only(&all.iter().map(|at| Node::principal(0, *at)).collect::<Vec<_>>()),
            Target::Resource(held) => self.resource([(0, (**held).clone())]),
        }
    }

    /// What each principal is in effect, by account: the ways through other accounts count.
    pub fn powers(&self) -> Vec<Vec<Power>> {
        let goal = self.administrator();
        let (certain, any) = (self.distances(&goal, true), self.distances(&goal, false));
        let of = |(account, part): (usize, &Part)| {
            let power = |at: usize| {
                let node = self.firsts[account] + at;
                match (part.built.administrators[at], certain[node], any[node]) {
                    (true, ..) => Power::Administrator,
                    (_, Some(_), _) => Power::CanBecome,
                    (_, _, Some(_)) => Power::MayBecome,
                    _ if part.built.people[at].unread => Power::MayBecome,
                    _ => Power::Ordinary,
                }
            };
            (0..part.count()).map(power).collect()
        };
        self.accounts().iter().enumerate().map(of).collect()
    }

    /// Steps from each node to the goal, over certain ways alone or over all; none where there is no way.
    pub(super) fn distances(&self, goal: &Goal, certain: bool) -> Vec<Option<u32>> {
        self.spread(&goal.ends(certain), &goal.led, |leap| !certain || self.is_certain(leap))
    }

    /// Steps from each node to the nearest end over the ways that count.
    pub(super) fn spread(&self, ends: &[usize], led: &[usize], counts: impl Fn(&Leap) -> bool) -> Vec<Option<u32>> {
        let mut far: Vec<Option<u32>> = vec![None; self.nodes()];
        let mut queue = VecDeque::new();
        for end in ends {
            far[*end] = Some(0);
            queue.push_back(*end);
        }
        while let Some(at) = queue.pop_front() {
            let next = far[at].map(|d| d + 1);
            self.each_into(at, led, |leap| {
                if far[leap.from].is_none() && counts(&leap) {
                    far[leap.from] = next;
                    queue.push_back(leap.from);
                }
            });
        }
        far
    }

    pub(super) fn each_into(&self, at: usize, led: &[usize], mut each: impl FnMut(Leap)) {
        let (account, slot) = self.place(at);
        let (part, first) = (&self.parts[account], self.firsts[account]);
        for e in &part.built.incoming[slot] {
            let e = *e as usize;
            each(Leap { from: first + part.built.edges[e].from, to: at, account, by: By::Edge(e) });
        }
        for c in self.into.get(&at).into_iter().flatten() {
            each(Leap { from: c.from, to: at, account: c.account, by: By::Crossing(c.at) });
        }
        let power = |from: usize| Leap { from: first + from, to: at, account, by: By::Power };
        if led.contains(&at) {
            let all = (0..part.count()).filter(|p| part.built.administrators[*p]).chain([part.count()]);
            all.filter(|p| *p != slot).for_each(|p| each(power(p)));
        } else if slot == part.count() {
            self.climbers[account].iter().for_each(|p| each(power(*p)));
        }
    }

    /// Its own edges first, then the ways into other accounts.
    pub(super) fn each_out(&self, at: usize, led: &[usize], mut each: impl FnMut(Leap)) {
        let (account, slot) = self.place(at);
        let (part, first) = (&self.parts[account], self.firsts[account]);
        let administrator = slot == part.count();
        if !administrator {
            for e in part.built.starts[slot]..part.built.starts[slot + 1] {
                let to = first + self::slot(part.built.edges[e].to, part.count());
                each(Leap { from: at, to, account, by: By::Edge(e) });
            }
        }
        let power = |to: usize| Leap { from: at, to, account, by: By::Power };
        if administrator || part.built.administrators[slot] {
            let here = first..self.firsts[account + 1];
            led.iter().filter(|to| here.contains(*to) && **to != at).for_each(|to| each(power(*to)));
        }
        for c in self.out.get(&at).into_iter().flatten() {
            each(Leap { from: at, to: c.to, account, by: By::Crossing(c.at) });
        }
        let made = first + part.count();
        if self.climbers[account].binary_search(&slot).is_ok() && !led.contains(&made) {
            each(power(made));
        }
    }

    pub(super) fn is_certain(&self, leap: &Leap) -> bool {
        match leap.by {
            By::Edge(e) => self.parts[leap.account].built.edges[e].certain,
            By::Crossing(c) => self.parts[leap.account].crossings[c].certain,
            By::Power => true,
        }
    }

    /// Where those from outside begin.
    pub(super) fn firsts_outside(&self) -> usize {
        self.firsts[self.len()]
    }
    pub(super) fn nodes(&self) -> usize {
        self.firsts[self.parts.len()]
    }
    pub(super) fn index(&self, node: Node) -> usize {
        self.firsts[node.account] + slot(node.at, self.parts[node.account].count())
    }
    pub(super) fn node(&self, index: usize) -> Node {
        let (account, slot) = self.place(index);
        let at = if slot == self.parts[account].count() { To::Administrator } else { To::Principal(slot) };
        Node { account, at }
    }
    fn place(&self, index: usize) -> (usize, usize) {
        let account = self.firsts.partition_point(|first| *first <= index) - 1;
        (account, index - self.firsts[account])
    }
    /// Every user and role of every account.
    pub fn principals_of_all(&self) -> Vec<Node> {
        self.everyone().map(|at| self.node(at)).collect()
    }
    /// The same by their places among the nodes.
    pub(super) fn everyone(&self) -> impl Iterator<Item = usize> {
        self.accounts().iter().zip(&self.firsts).flat_map(|(part, first)| *first..first + part.count())
    }
}
