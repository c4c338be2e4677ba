//! Who can become whom: users and roles as nodes, and an edge for each way in which one's permissions become another's.
//! Every edge names its permissions and the statements behind them.
//!
//! An administrator has no edges of its own: it can become anyone. SCPs and boundaries count where they are known.
//! Each account has a graph of its own; [`Joined`] are those of several.

mod blast;
mod build;
mod changes;
mod crossings;
mod cuts;
mod functions;
mod gains;
mod issuers;
mod joined;
mod outside;
mod paths;
mod permit;
mod reach;
mod routes;
#[cfg(test)]
mod rows;
mod threads;
mod tokens;
mod trust;
mod ways;

use std::ops::Deref;
use std::sync::Arc;

pub use blast::{Blast, Class, Data, Gained, Reached, Things};
pub use crossings::{Crossing, Entry};
pub use cuts::Cut;
pub(crate) use issuers::may_be_read;
pub use joined::{Accounts, By, Goal, Joined, Nobody, Node, onward};
pub use outside::Outsider;
pub use paths::{Path, Step, Target};
pub use permit::StatementId;
pub use reach::{Access, Ask, Held, Holder, Prize, PrizeError};
pub use routes::{Abroad, Leg, Rest, Route};
pub(in crate::iam) use trust::weak_by_token;
pub use trust::{Pipeline, Serves, Source, Trust, Weakness, pipelines};
pub use ways::{handed_to, takes_role};

use super::account::Account;
use super::center::is_aws_kept;
use super::evaluate::Context;
use crate::model::arn::{principal, short};
pub use crate::model::standing::Power;

/// The principal graph of an account.
pub struct Graph<'a> {
    pub account: &'a Account,
    built: Arc<Built>,
}

/// What takes long to build of a graph; whoever keeps the account keeps this beside it.
pub struct Built {
    /// By principal: may do everything that matters, by its own policies.
    pub administrators: Vec<bool>,
    /// Sorted by `from`.
    edges: Vec<Edge>,
    /// Where each principal's edges start.
    starts: Vec<usize>,
    /// Edges by where they lead; the last list leads to administrator.
    incoming: Vec<Vec<u32>>,
    /// The account's twelve digits.
    pub id: String,
    people: Vec<Person>,
    crossings: Arc<[Crossing]>,
    /// Trusts of its roles in somebody outside it, by role.
    trusts: Arc<[Trust]>,
    /// Whom else the policies of its functions let change their code.
    coders: Arc<[outside::Coder]>,
}

/// What is kept of a principal beside its account.
struct Person {
    arn: Arc<str>,
    /// Place of a role's trust in [`Account::policies`].
    trust: Option<u32>,
    /// AWS keeps it: nobody in the account changes it.
    kept: bool,
    /// Not all of its policies were read: what it can become is not all known.
    unread: bool,
}

/// Where an edge leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    Principal(usize),
    /// It makes its holder an administrator.
    Administrator,
}

/// One way from one principal to another's permissions.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Place in [`Account::principals`].
    pub from: usize,
    pub to: To,
    pub way: Way,
    /// What its holder does to itself first.
    pub first: Option<Gain>,
    /// All are needed.
    pub needs: Arc<[Need]>,
    /// Nothing unknown stands in between; else it depends on conditions.
    pub certain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Assume,
    /// Row of the table of credentials.
    Credential(u8),
    /// Row of the table of launches.
    Launch(u8),
    /// Row of the table of take-overs, and the workload.
    TakeOver(u8, u32),
    /// As [`Self::TakeOver`], where it is not known what runs as the role.
    MayTakeOver(u8),
    /// Being let in by what the trust leaves it to: row of that table.
    Admit(u8),
    /// Changing the permissions of `through`: both it and `by`, who does it, are itself or such as it can become.
    Rewrite {
        by: usize,
        through: usize,
        action: &'static str,
        /// What takes its permissions boundary off first; empty where it has none.
        unbinds: &'static str,
    },
    /// Making a role or a user, giving it permissions by the action, and becoming it.
    Make {
        role: bool,
        action: &'static str,
        /// The row by which the role is passed to a service, where it is not assumed.
        launch: Option<u8>,
        /// What takes off the permissions boundary that it has to be made with; empty where it has none.
        unbinds: &'static str,
    },
    /// What it does to itself makes it an administrator.
    Gain(Gain),
}

/// What a principal can do to itself that gives it more, short of writing its own permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Joining a group, by its place.
    Join(u32),
    /// Leaving a group whose policies deny.
    Leave(u32),
    /// Attaching a policy, by its place.
    Attach(u32),
    /// Putting another version of a policy in force, by its place.
    Switch(u32),
    /// Taking off a policy that denies, by its place.
    Drop(u32),
    /// Taking off every such policy, and leaving every such group.
    Free,
    /// Writing itself, by this action, all that its permissions boundary leaves it.
    Fill(&'static str),
    /// Getting rid of its permissions boundary, by this action.
    Unbind(&'static str),
    /// Tagging itself.
    Tag(&'static str),
}

/// A permission that an edge rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub action: &'static str,
    /// Any of these statements grants it.
    pub by: Arc<[StatementId]>,
}

impl Deref for Graph<'_> {
    type Target = Built;
    fn deref(&self) -> &Built {
        &self.built
    }
}

impl<'a> Graph<'a> {
    /// Builds the graph, on as many threads as the machine has, with the same outcome on any number.
    pub fn new(account: &'a Account) -> Self {
        let (administrators, edges, crossings) = build::build(account);
        let count = account.principals.len();
        let trusts = threads::side_by_side(count, |role| trust::trusts_of(account, role));
        let mut starts = vec![0; count + 1];
        for e in &edges {
            starts[e.from + 1] += 1;
        }
        for i in 0..count {
            starts[i + 1] += starts[i];
        }
        let mut incoming = vec![Vec::new(); count + 1];
        for (i, e) in edges.iter().enumerate() {
            incoming[slot(e.to, count)].push(i as u32);
        }
        let people = account.principals.iter().map(|p| Person {
            arn: p.arn.as_str().into(),
            trust: p.trust.map(|t| t as u32),
            kept: is_aws_kept(&p.path),
            unread: !p.unread.is_empty(),
        });
        let (id, people, crossings) = (account.id.clone(), people.collect(), crossings.into());
        let (trusts, coders) = (trusts.into_iter().flatten().collect(), functions::coders(account).into());
        let built = Built { administrators, edges, starts, incoming, id, people, crossings, trusts, coders };
        Self { account, built: Arc::new(built) }
    }

    /// The graph of an account for which it was built before.
    pub fn again(account: &'a Account, built: Arc<Built>) -> Self {
        Self { account, built }
    }
    /// What was built, to be kept.
    pub fn built(&self) -> Arc<Built> {
        Arc::clone(&self.built)
    }

    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
    pub fn edges_from(&self, principal: usize) -> &[Edge] {
        &self.edges[self.starts[principal]..self.starts[principal + 1]]
    }
    pub fn edges_to(&self, principal: usize) -> impl Iterator<Item = &Edge> {
        self.incoming[principal].iter().map(|e| &self.edges[*e as usize])
    }

    /// Every trust of the account's roles in somebody outside it, by role.
    pub fn trusts(&self) -> &[Trust] {
        &self.trusts
    }
    /// Those of one role.
    pub fn trusts_of(&self, role: usize) -> &[Trust] {
        let first = self.trusts.partition_point(|t| t.role < role);
        let behind = self.trusts.partition_point(|t| t.role <= role);
        &self.trusts[first..behind]
    }

    /// What an edge says, in one sentence.
    pub fn sentence(&self, edge: &Edge) -> String {
        let name = |i: usize| principal(&self.account.principals[i].arn);
        let from = name(edge.from);
        let to = match edge.to {
            To::Principal(i) => name(i),
            To::Administrator => "administrator".to_owned(),
        };
        let body = format!("{from} can {}", self.way(edge, &to));
        // What may run as the role says so itself.
        let told = edge.certain || matches!(edge.way, Way::MayTakeOver(_));
        if told { body } else { format!("{body}, under conditions") }
    }

    /// What an edge's holder can do, `to` being whom it leads to: `assume role/x`, `assume it`.
    pub fn way(&self, edge: &Edge, to: &str) -> String {
        let way = self.alone(edge, to);
        edge.first.map_or_else(|| way.clone(), |gain| format!("{} and then {way}", self.gain(gain)))
    }

    fn alone(&self, edge: &Edge, to: &str) -> String {
        let name = |i: usize| principal(&self.account.principals[i].arn);
        match edge.way {
            Way::Assume => format!("assume {to}"),
            Way::Credential(row) => format!("{} {to}", ways::CREDENTIALS[usize::from(row)].sentence),
            Way::Admit(row) => format!("{} {to}", ways::ADMITS[usize::from(row)].sentence),
            Way::Launch(row) => {
                let launch = &ways::LAUNCHES[usize::from(row)];
                format!("pass {to} to {} and {}", launch.service, launch.sentence)
            }
            Way::TakeOver(row, workload) => {
                let what = self.account.workloads.get(workload as usize).map_or("", |w| short(&w.arn));
                format!("{} {what}, which runs as {to}", ways::TAKE_OVERS[usize::from(row)].sentence)
            }
            Way::MayTakeOver(row) => {
                let way = &ways::TAKE_OVERS[usize::from(row)];
                format!("{} {}, if one runs as {to}", way.sentence, way.kind.word())
            }
            Way::Rewrite { by, through, action, unbinds } => {
                let how = match (unbinds, action) {
                    ("", action) => action.to_owned(),
                    (unbinds, "") => unbinds.to_owned(),
                    (unbinds, action) => format!("{unbinds} and {action}"),
                };
                match (by == edge.from, through == edge.from) {
                    (true, true) => format!("change its own permissions by {how}"),
                    (true, false) => format!("change the permissions of {} by {how} and become it", name(through)),
                    (false, true) => format!("become {}, which can change its permissions by {how}", name(by)),
                    (false, false) if by == through => {
                        format!("become {}, which can change its own permissions by {how}", name(by))
                    }
                    (false, false) => {
                        let (by, through) = (name(by), name(through));
                        format!("become {by}, change the permissions of {through} by {how}, and become that")
                    }
                }
            }
            Way::Make { role, action, launch, unbinds } => {
                let what = match (role, launch) {
                    (true, None) => "role that trusts it",
                    (true, Some(_)) => "role",
                    (false, _) => "user",
                };
                let lift =
                    if unbinds.is_empty() { String::new() } else { format!(", lift its permissions boundary by {unbinds}") };
                let then = launch.map_or("become it", |row| ways::LAUNCHES[usize::from(row)].sentence);
                format!("create a {what}, give it permissions by {action}{lift} and {then}")
            }
            Way::Gain(Gain::Join(at)) => {
                let group = self.account.groups.get(at as usize).map_or("", |g| g.name.as_str());
                format!("join the administrators' group {group}")
            }
            Way::Gain(gain) => format!("{}, which leaves it an administrator", self.gain(gain)),
        }
    }

    /// What a principal does to itself.
    fn gain(&self, gain: Gain) -> String {
        let group = |at: u32| self.account.groups.get(at as usize).map_or("", |g| g.name.as_str());
        let policy = |at: u32| self.account.policies.get(at as usize).map_or("", |p| p.name.as_str());
        match gain {
            Gain::Join(at) => format!("join the group {}", group(at)),
            Gain::Leave(at) => format!("leave the group {}", group(at)),
            Gain::Attach(at) => format!("attach {} to itself", policy(at)),
            Gain::Switch(at) => format!("put {} in force", policy(at)),
            Gain::Drop(at) => format!("take off {}", policy(at)),
            Gain::Free => "take off all policies that deny, and leave such groups".to_owned(),
            Gain::Fill(action) => format!("give itself by {action} all that its permissions boundary leaves"),
            Gain::Unbind(action) => format!("lift its permissions boundary by {action}"),
            Gain::Tag(action) => format!("tag itself by {action}"),
        }
    }

    /// By what an administrator becomes one of its account: the permission, and the statements that grant it.
    fn power_over(&self, administrator: usize, arn: &str) -> Option<Rest> {
        let action = match arn {
            user if user.contains(":user/") => "iam:CreateAccessKey",
            role if role.contains(":role/") => "iam:UpdateAssumeRolePolicy",
            _ => "iam:PutRolePolicy",
        };
        let table = permit::Table::new(self.account, std::iter::once(action));
        let permit = table.permit(self.account, &self.account.principals[administrator], action, true)?;
        let (_, by) = permit.on(&self.account.resource(arn), &Context::new());
        (!by.is_empty()).then(|| (action.into(), by.iter().map(|id| self.statement(*id)).collect()))
    }

    /// A statement as people name it: policy and statement.
    pub fn statement(&self, id: StatementId) -> (String, String) {
        let policy = id.policy(self.account);
        policy.map_or_else(Default::default, |p| (p.name.clone(), p.label(id.statement as usize).0))
    }
}

fn slot(to: To, count: usize) -> usize {
    match to {
        To::Principal(i) => i,
        To::Administrator => count,
    }
}
