//! Everyone who is in none of the accounts that are joined, as one more account: of people without policies, whom the trusts
//! of roles name. Ways begin there and lead nowhere back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::crossings::{Crossing, Entry};
use super::issuers::Issuer;
use super::joined::{Accounts, Goal, Joined, Node, Part};
use super::routes::Leg;
use super::trust::{Source, Trust};
use super::{Built, Person, To};
use crate::iam::openings::Guest;
use crate::iam::sets::glob::Glob;
use crate::iam::strangers::account_of;

/// Somebody from outside, or many of whom a trust asks the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outsider {
    pub source: Source,
    /// [`Trust::who`]
    pub who: String,
    /// As in [`Trust::subjects`].
    subjects: Vec<String>,
}

impl Outsider {
    fn of(trust: &Trust) -> Self {
        let mut source = trust.source.clone();
        // Each account has a provider of its own for the same issuer.
        if let Source::Oidc { arn, issuer, .. } = &mut source {
            arn.clone_from(issuer);
        }
        Self { source, who: trust.who(), subjects: trust.subjects.clone() }
    }

    /// Whether a name as people write it means this one, or somebody who is among these: an ARN, an account's twelve digits, a
    /// token's subject, a service, a provider, `everyone`.
    fn is_called(&self, name: &str) -> bool {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        let account = account_of(name);
        let whole = account.is_some_and(|id| name == id || name.ends_with(":root"));
        let by_source = match &self.source {
            Source::Everyone => account.is_some() || same("everyone") || same("*"),
            Source::Account { id, .. } => account == Some(id),
            Source::Principal { arn, .. } => same(arn) || whole && account_of(arn) == account,
            Source::Service { name } => same(name),
            Source::Saml { arn } => same(arn),
            Source::Oidc { issuer, pipeline, .. } => {
                let subject = |pattern: &String| Glob::new(pattern).matches(name) || Glob::new(name).matches(pattern);
                let provider = name.split_once(":oidc-provider/").is_some_and(|(_, host)| host == issuer);
                let any = self.subjects.is_empty() && Issuer::of(issuer, []).begins(name);
                any || provider || same(issuer) || pipeline.is_some_and(same) || self.subjects.iter().any(subject)
            }
            Source::Deleted { id } => same(id),
        };
        by_source || same(&self.who) || self.subjects.iter().any(|s| same(s))
    }
}

/// Those from outside whom the accounts' roles let in, after those that were known before, and the account they make up.
pub(super) fn outside(parts: &[Part], before: &[Outsider]) -> (Vec<Outsider>, Part) {
    let joined = |id: &str| parts.iter().any(|p| p.built.id == id);
    // Accounts that are joined tell themselves who of theirs is let in.
    let is_inside = |source: &Source| match source {
        Source::Account { id, known: true } => joined(id),
        Source::Principal { arn, known: true } => account_of(arn).is_some_and(joined),
        _ => false,
    };
    let mut doors: BTreeMap<(Outsider, &Arc<str>), (&'static str, Vec<u32>)> = BTreeMap::new();
    for built in parts.iter().map(|p| &p.built) {
        for trust in built.trusts.iter().filter(|t| t.admits && !is_inside(&t.source)) {
            let role = &built.people[trust.role].arn;
            let door = doors.entry((Outsider::of(trust), role)).or_insert((trust.action, Vec::new()));
            door.1.push(trust.statement.statement);
        }
    }
    let mut all = before.to_vec();
    let mut crossings = Vec::new();
    for ((outsider, role), (action, trust)) in doors {
        let known = all[..before.len()].iter().position(|o| *o == outsider);
        let at = known.unwrap_or_else(|| {
            // They come by name, so that one that is let in again is the last.
            if all.len() == before.len() || all.last() != Some(&outsider) {
                all.push(outsider);
            }
            all.len() - 1
        });
        let (from, by, needs) = (To::Principal(at), Entry::Trust(action), [].into());
        crossings.push(Crossing { from, through: None, role: Arc::clone(role), by, certain: true, needs, trust: trust.into() });
    }
    (all.clone(), Part { built: Arc::new(people(&all)), crossings: crossings.into() })
}

/// An account of nobody's, with these in it.
fn people(all: &[Outsider]) -> Built {
    Built {
        administrators: vec![false; all.len()],
        edges: Vec::new(),
        starts: vec![0; all.len() + 1],
        incoming: vec![Vec::new(); all.len() + 1],
        id: String::new(),
        people: all.iter().map(|o| Person { arn: o.who.as_str().into(), trust: None, kept: true }).collect(),
        crossings: [].into(),
        trusts: [].into(),
    }
}

impl Joined {
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

    /// Those from outside whom a name means, or among whom whoever it means is.
    pub fn outsiders_called(&self, name: &str) -> Vec<Node> {
        self.outsiders().filter(|(_, o)| o.is_called(name)).map(|(node, _)| node).collect()
    }

    /// The roles that any of these from outside is let into, by account.
    pub fn entered_by(&self, outsiders: &[Node]) -> BTreeMap<usize, BTreeSet<Node>> {
        let mut roles: BTreeMap<usize, BTreeSet<Node>> = BTreeMap::new();
        for node in outsiders {
            self.each_out(self.index(*node), &[], |leap| {
                let role = self.node(leap.to);
                roles.entry(role.account).or_default().insert(role);
            });
        }
        roles
    }

    /// Those from outside whom a role's trust lets in, each with the statements that do.
    pub fn let_in(&self, role: Node, accounts: &(impl Accounts + ?Sized)) -> Vec<Guest> {
        let guest = |leg: &Leg| {
            let who = self.outsider(leg.from)?.who.clone();
            let rests = self.rests(leg, accounts);
            let actions = rests.iter().map(|(action, _)| (*action).to_owned()).collect();
            let statements = rests.into_iter().flat_map(|(_, by)| by).map(|(_, statement)| statement).collect();
            Some(Guest { who, actions, statements })
        };
        self.steps(role, true).iter().filter_map(guest).collect()
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
        let told = |(node, o): &(Node, &Outsider)| !o.source.is_expected() || enters_goal(*node);
        self.outsiders().filter(told).map(|(node, _)| node).collect()
    }
}
