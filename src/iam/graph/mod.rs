//! Who can become whom: users and roles as nodes, and an edge for each way in which one's permissions become another's.
//! Every edge names its permissions and the statements behind them.
//!
//! An administrator has no edges of its own: it can become anyone. SCPs and boundaries count where they are known.

mod blast;
mod build;
mod cuts;
mod issuers;
mod paths;
mod permit;
mod reach;
mod tokens;
mod trust;
mod ways;

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

pub use blast::{Abroad, Blast, Class, Data, Reached, Things};
pub use cuts::Cut;
pub use paths::{Path, Step, Target};
pub use permit::StatementId;
pub use reach::{Ask, Held, Holder, Prize, PrizeError};
pub use trust::{Pipeline, Serves, Source, Trust, Weakness, outsiders, pipelines, trusts, trusts_of};
pub use ways::handed_to;

use super::account::Account;
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
    /// Changing the permissions of `through`, which is itself or one it can become.
    Rewrite {
        through: usize,
        action: &'static str,
    },
    /// Joining a group of administrators, by its place.
    Join(u32),
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
        let (administrators, edges) = build::build(account);
        let count = account.principals.len();
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
        Self { account, built: Arc::new(Built { administrators, edges, starts, incoming }) }
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

    /// What each principal is in effect.
    pub fn powers(&self) -> Vec<Power> {
        let certain = self.distances(&Target::Administrator, true);
        let any = self.distances(&Target::Administrator, false);
        (0..self.administrators.len())
            .map(|i| match (self.administrators[i], certain[i], any[i]) {
                (true, ..) => Power::Administrator,
                (_, Some(_), _) => Power::CanBecome,
                (_, _, Some(_)) => Power::MayBecome,
                _ => Power::Ordinary,
            })
            .collect()
    }

    /// Steps from each principal to the target, over certain edges alone or over all; none where there is no way.
    fn distances(&self, target: &Target, certain: bool) -> Vec<Option<u32>> {
        self.spread_from(self.goals(target, certain), |e| e.certain || !certain)
    }

    /// Steps from each principal to the nearest goal over the edges that count.
    fn spread_from(&self, goals: Vec<usize>, counts: impl Fn(&Edge) -> bool) -> Vec<Option<u32>> {
        let count = self.administrators.len();
        let mut far: Vec<Option<u32>> = vec![None; count + 1];
        let mut queue = VecDeque::new();
        for slot in goals {
            far[slot] = Some(0);
            queue.push_back(slot);
        }
        while let Some(at) = queue.pop_front() {
            let next = far[at].map(|d| d + 1);
            for e in &self.incoming[at] {
                let e = &self.edges[*e as usize];
                if far[e.from].is_none() && counts(e) {
                    far[e.from] = next;
                    queue.push_back(e.from);
                }
            }
        }
        far
    }

    /// Nodes that are the target; the one behind the last principal is administrator itself.
    /// `certain`: only those that are there for certain.
    fn goals(&self, target: &Target, certain: bool) -> Vec<usize> {
        let count = self.administrators.len();
        match target {
            Target::Administrator => (0..count).filter(|i| self.administrators[*i]).chain([count]).collect(),
            Target::Principals(all) => {
                let mut goals: Vec<usize> = all.iter().copied().filter(|i| *i < count).collect();
                goals.sort_unstable();
                goals.dedup();
                goals
            }
            Target::Resource(reached) => {
                let counts = |sure: bool| sure || !certain;
                let holders = reached.holders.iter().filter(|h| counts(h.certain)).map(|h| h.principal);
                holders.chain(reached.administrator.filter(|sure| counts(*sure)).map(|_| count)).collect()
            }
        }
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
        let name = |i: usize| principal(&self.account.principals[i].arn);
        match edge.way {
            Way::Assume => format!("assume {to}"),
            Way::Credential(row) => format!("{} {to}", ways::CREDENTIALS[usize::from(row)].sentence),
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
            Way::Rewrite { through, action } if through == edge.from => format!("change its own permissions by {action}"),
            Way::Rewrite { through, action } => format!("change the permissions of {} by {action} and become it", name(through)),
            Way::Join(group) => {
                let group = self.account.groups.get(group as usize).map_or("", |g| g.name.as_str());
                format!("join the administrators' group {group}")
            }
        }
    }

    /// A statement as people name it: policy and statement.
    pub fn statement(&self, id: StatementId) -> (String, String) {
        self.account
            .policies
            .get(id.policy as usize)
            .map_or_else(Default::default, |p| (p.name.clone(), p.label(id.statement as usize).0))
    }
}

fn slot(to: To, count: usize) -> usize {
    match to {
        To::Principal(i) => i,
        To::Administrator => count,
    }
}
