//! What the keeper is told: everything that a sweep, the demo, the cache, the ledger and the engines bring.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::decided::Changed;
use crate::listing::index::Index;
use crate::model::account::{Account, Caller, Organization};
use crate::model::coverage::Coverage;
use crate::model::estate::Estate;
use crate::model::finding::Finding;
use crate::model::network::Network;
use crate::model::node::{Node, Session};
use crate::model::principal::{Identity, LastAccessed};
use crate::model::resource::Resource;
use crate::model::workload::Workloads;
use crate::network::picture::Picture;
use crate::work::store::Origin;
use crate::world::{Loading, Progress, World};

/// What a sweep, a tick of the demo or a cache brings.
#[derive(Debug)]
pub enum Change {
    Caller(Caller),
    /// `whole`: these are all there are; what is known of others is of accounts that have left.
    Accounts {
        organization: Option<Organization>,
        accounts: Vec<Account>,
        whole: bool,
    },
    /// `whole`: every question behind it was answered; else lists that came empty keep what was known.
    Identity {
        identity: Box<Identity>,
        whole: bool,
    },
    Network {
        account: String,
        region: String,
        network: Box<Network>,
        whole: bool,
    },
    /// `whole`: as for [`Self::Identity`].
    Workloads {
        account: String,
        region: String,
        workloads: Box<Workloads>,
        whole: bool,
    },
    /// What of one service carries a policy of its own. `whole`: these are all there are, each with its policy.
    Resources {
        account: String,
        region: String,
        /// As ARNs name it: `s3`.
        service: &'static str,
        resources: Vec<Resource>,
        whole: bool,
    },
    /// What one principal used, in place of what was known of it.
    Accessed {
        account: String,
        accessed: Box<LastAccessed>,
    },
    Nodes {
        account: String,
        region: String,
        nodes: Vec<Node>,
        whole: bool,
    },
    /// One node, in place of the one with its id.
    Node {
        account: String,
        region: String,
        node: Box<Node>,
    },
    Sessions {
        account: String,
        region: String,
        sessions: Vec<Session>,
        whole: bool,
    },
    Session {
        account: String,
        region: String,
        session: Box<Session>,
    },
    /// Findings at the accounts and regions they name.
    Findings {
        findings: Vec<Finding>,
        origin: Origin,
    },
    /// Every finding of these places was read: what was not among them is gone.
    Reconciled {
        places: Vec<(String, String)>,
        seen: Arc<HashSet<u64>>,
    },
    /// Rows that the cache has loaded so far, ahead of the store.
    Preview(Index),
    /// The cache has loaded all.
    Loaded,
    Coverage(Vec<Coverage>),
    /// Something was decided.
    Decided(Changed),
    /// The network engine has a new picture.
    Painted(Arc<Estate>, Arc<Picture>),
    Loading(Loading),
    Progress(Option<Progress>),
    /// Something that stays among the problems.
    Problem(String),
    /// AWS is tried anew: what kept it shut before is no problem until it is met again.
    Opening,
    /// What keeps AWS, or a part of it, shut.
    Shut(String),
    Notice {
        text: String,
        bad: bool,
    },
    /// Everything up to here is to be saved and published now; the sender learns when it is.
    Settle(tokio::sync::oneshot::Sender<Arc<World>>),
}
