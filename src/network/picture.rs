//! All answers about one estate, worked out once and kept: what listings, screens, findings and the command line read.
//! It puts the parts of this room together; it decides nothing itself.
//!
//! What takes longest, the flows between VPCs, is worked out when it is first asked for: whoever asks must not be a screen.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::model::account::Environment;
use crate::model::estate::Estate;
use crate::network::build::build;
use crate::network::egress::{Agent, Egress, agents, egress};
use crate::network::exposure::{Behind, Exposure, Source, exposures, rank};
use crate::network::judge::{Row, judge};
use crate::network::matrix::{Boundary, Cell, Crossing, Flow, UNCLASSIFIED, cells, crossings, flows};
use crate::network::net::Net;
use crate::network::unused::{Unused, unused};

/// What people say about their networks: sources they know by name, and boundaries that are to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Beside the internet.
    pub sources: Vec<Source>,
    pub boundaries: Vec<Boundary>,
}

/// Everything the engine says about an estate. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Picture {
    pub net: Arc<Net>,
    /// The worst first.
    pub exposures: Arc<Vec<Exposure>>,
    pub egress: Arc<Vec<Egress>>,
    pub unused: Arc<Vec<Unused>>,
    /// For each instance of the net, whether its agent gets to Session Manager.
    pub agents: Arc<Vec<Option<Agent>>>,
    /// What is to hold.
    pub boundaries: Arc<Vec<Boundary>>,
    /// What in the terms means nothing in this estate.
    pub notes: Arc<Vec<String>>,
    flows: Arc<OnceLock<Vec<Flow>>>,
    crossings: Arc<OnceLock<Vec<Crossing>>>,
}

impl Picture {
    /// Works everything out.
    pub fn of(estate: &Estate, terms: &Terms, behind: &dyn Behind) -> Self {
        let net = build(estate);
        let mut sources = vec![Source::internet()];
        sources.extend(terms.sources.iter().cloned());
        let mut found = exposures(&net, &sources, behind);
        if sources.len() > 1 {
            found = without_repeats(found, &sources);
        }
        Self {
            egress: Arc::new(egress(&net)),
            unused: Arc::new(unused(&net)),
            agents: Arc::new(agents(&net)),
            notes: Arc::new(meaningless(&net, &terms.boundaries)),
            boundaries: Arc::new(terms.boundaries.clone()),
            exposures: Arc::new(found),
            flows: Arc::default(),
            crossings: Arc::default(),
            net: Arc::new(net),
        }
    }

    /// Ranks the exposures anew by what is known behind them now.
    pub fn rank(&mut self, behind: &dyn Behind) {
        let exposures: &mut Vec<Exposure> = Arc::make_mut(&mut self.exposures);
        rank(&self.net, exposures, behind);
    }

    /// An exposure by its id.
    pub fn exposure(&self, id: &str) -> Option<&Exposure> {
        self.exposures.iter().find(|e| e.id.to_string() == id)
    }

    /// What may flow between VPCs.
    pub fn flows(&self) -> &[Flow] {
        self.flows.get_or_init(|| flows(&self.net))
    }

    /// What crosses a boundary.
    pub fn crossings(&self) -> &[Crossing] {
        if self.boundaries.is_empty() {
            return &[];
        }
        self.crossings.get_or_init(|| crossings(&self.net, self.flows(), &self.boundaries))
    }

    /// The trust matrix, by environments or by accounts.
    pub fn cells(&self, by_account: bool) -> Vec<Cell> {
        cells(&self.net, self.flows(), &self.exposures, &self.egress, by_account)
    }

    /// All that deserves a finding.
    pub fn judged(&self) -> Vec<Row> {
        judge(&self.net, &self.exposures, self.crossings(), &self.unused, &self.egress)
    }
}

/// Named sources are on the internet too. What only they reach is told by their names; what all the internet reaches is
/// told once.
fn without_repeats(found: Vec<Exposure>, sources: &[Source]) -> Vec<Exposure> {
    let internet = sources.first().map_or("", |s| s.name.as_str()).to_owned();
    let named =
        sources.iter().skip(1).fold(Default::default(), |all: crate::network::packets::Addresses, s| all.or(&s.addresses));
    let only_named = |e: &Exposure| e.source == internet && named.covers(&e.opening.peers);
    let by_all: Vec<(crate::network::net::Object, Option<usize>, crate::network::packets::Opening)> =
        found.iter().filter(|e| e.source == internet && !only_named(e)).map(|e| (e.target, e.via, e.opening.clone())).collect();
    let repeats = |e: &Exposure| {
        by_all.iter().any(|(target, via, wide)| {
            (*target, *via) == (e.target, e.via)
                && (wide.protocols.0 <= e.opening.protocols.0 && e.opening.protocols.1 <= wide.protocols.1)
                && (wide.ports.0 <= e.opening.ports.0 && e.opening.ports.1 <= wide.ports.1)
                && wide.peers.covers(&e.opening.peers)
        })
    };
    found.into_iter().filter(|e| if e.source == internet { !only_named(e) } else { !repeats(e) }).collect()
}

/// Words in boundaries that are neither an environment nor an account that is known.
fn meaningless(net: &Net, boundaries: &[Boundary]) -> Vec<String> {
    let mut known: BTreeSet<&str> = Environment::ALL.iter().map(|e| e.word()).chain([UNCLASSIFIED]).collect();
    known.extend(net.homes.iter().flat_map(|h| [h.account.as_str(), h.label.as_str()]));
    let mut notes = Vec::new();
    for b in boundaries {
        for word in [&b.from.any_of, &b.from.except, &b.to.any_of, &b.to.except].into_iter().flatten() {
            if !known.contains(word.as_str()) {
                notes.push(format!(
                    "the boundary {:?} names {word:?}, which is neither an environment nor an account with a network here",
                    b.name
                ));
            }
        }
    }
    notes
}
