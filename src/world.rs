//! What the program knows now: the estate, every listing's rows, and how complete they are. Cheap to copy and swap.

use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{Facts, ListingId};
use crate::listing::index::Index;
use crate::listing::threads;
use crate::model::coverage::Outcome;
use crate::model::estate::Estate;
use crate::network::picture::Picture;
use crate::triage::policy::Policy;
use crate::triage::sessions::History;

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// AWS, with these profiles (empty: the default chain).
    Live(Vec<String>),
    Demo,
    /// An estate file.
    File(String),
}

/// How far a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    /// Seconds that the rest will take, as far as the past tells.
    pub remaining: Option<u64>,
}

/// How complete the findings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loading {
    /// Nothing more is on its way.
    #[default]
    Complete,
    /// More are on their way: counts are lower bounds.
    Partial,
}

/// Everything the console shows, swapped as one pointer.
#[derive(Debug, Clone)]
pub struct World {
    pub origin: Origin,
    pub estate: Arc<Estate>,
    /// One for each listing, in the order of [`ListingId::ALL`].
    indexes: Vec<Index>,
    /// What the network engine says; none until it has.
    pub network: Option<Arc<Picture>>,
    /// What the ledger says of sessions.
    pub history: Arc<History>,
    /// The operating model: teams and their roles.
    pub policy: Arc<Policy>,
    pub loading: Loading,
    pub progress: Option<Progress>,
    /// When the data shown is from; none before the first answer.
    pub data_of: Option<Timestamp>,
    /// What is known of IAM was judged: until then nobody's power is known, nor any pipeline.
    pub judged: bool,
    /// What went wrong outside any single question to AWS: no credentials, a full disk.
    pub problems: Vec<String>,
    /// Counts up with every change, so that views know to ask again.
    pub version: u64,
}

impl World {
    /// A world without rows.
    pub fn empty(origin: Origin) -> Self {
        let facts = Facts {
            estate: Arc::default(),
            findings: Index::new(Arc::clone(&ListingId::Findings.get().schema)),
            board: Arc::default(),
            decisions: Index::new(Arc::clone(&ListingId::Decisions.get().schema)),
            history: Arc::default(),
            standings: Arc::default(),
            network: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let indexes = ListingId::ALL.iter().map(|id| id.get().index(&facts)).collect();
        Self {
            origin,
            estate: Arc::default(),
            indexes,
            network: None,
            history: Arc::default(),
            policy: Arc::default(),
            loading: Loading::Partial,
            progress: None,
            data_of: None,
            judged: false,
            problems: Vec::new(),
            version: 1,
        }
    }

    /// Takes new facts: every listing's rows are made again.
    pub fn rebuild(&mut self, facts: &Facts) {
        // The longest first, so that no thread is left with it at the end.
        let long = [ListingId::Coverage, ListingId::Principals];
        let jobs: Vec<ListingId> = long.into_iter().chain(ListingId::ALL.into_iter().filter(|id| !long.contains(id))).collect();
        for (id, index) in threads::spread(threads::most(), jobs, |id| (id, id.get().index(facts))) {
            self.indexes[id as usize] = index;
        }
        self.estate = Arc::clone(&facts.estate);
        self.judged = !facts.standings.principals.is_empty() || facts.estate.identities.is_empty();
        self.network.clone_from(&facts.network);
        self.history = Arc::clone(&facts.history);
        self.data_of = facts.estate.collected;
        self.version += 1;
    }

    /// Takes new findings and decisions, and makes the rows that count them.
    pub fn recount(&mut self, facts: &Facts) {
        for listing in [
            ListingId::Findings,
            ListingId::Queues,
            ListingId::Decisions,
            ListingId::Accounts,
            ListingId::Nodes,
            ListingId::Sessions,
        ] {
            self.indexes[listing as usize] = listing.get().index(facts);
        }
        self.history = Arc::clone(&facts.history);
        self.data_of = facts.estate.collected;
        self.version += 1;
    }

    /// Takes the network engine's new picture, and makes the rows it brings.
    pub fn repaint(&mut self, facts: &Facts) {
        self.network.clone_from(&facts.network);
        for listing in [ListingId::Exposures, ListingId::WaysOut, ListingId::Instances, ListingId::Nodes] {
            self.indexes[listing as usize] = listing.get().index(facts);
        }
        self.version += 1;
    }

    /// Takes new findings only.
    pub fn put_findings(&mut self, findings: Index) {
        self.indexes[ListingId::Findings as usize] = findings;
        self.version += 1;
    }

    /// The rows of a listing.
    #[allow(
        clippy::should_implement_trait,
        reason = "a world is asked for an index by listing; `world[listing]` would hide that"
    )]
    pub fn index(&self, listing: ListingId) -> &Index {
        &self.indexes[listing as usize]
    }

    /// Questions to AWS that were not answered well, and problems beside them.
    pub fn problem_count(&self) -> usize {
        let bad = |o: Outcome| matches!(o, Outcome::Denied | Outcome::Throttled | Outcome::Failed);
        self.estate.coverage.iter().filter(|c| bad(c.outcome)).count() + self.problems.len()
    }
}
