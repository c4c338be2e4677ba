//! The ways to the hubs that hold findings: the caller's own account first, which speaks for its members and in its
//! aggregation region for others, then the finding's own account. It reads findings and their history and sends updates;
//! what is to be updated is not its concern, nor is trying again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::aws::securityhub::{self, Aggregation, Identifier, Unprocessed, aggregation};
use crate::aws::{Access, Connection, Failure, Kind, Scope};
use crate::model::coverage::Outcome;
use crate::model::finding::HubEvent;
use crate::work::delivery::fields::Place;

/// A hub, and how it is reached: by which connection, in which account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    connection: usize,
    pub account: String,
    pub region: String,
}

/// The ways to hubs, as connections come and as they are learned.
#[derive(Debug)]
pub struct Hubs {
    connections: watch::Receiver<Vec<Connection>>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    /// By the finding's account and region: where such findings were met.
    ways: HashMap<(String, String), Way>,
    /// By connection: where it brings its findings together.
    aggregations: HashMap<usize, Option<Aggregation>>,
    entered: HashMap<(usize, String), Access>,
    /// The callers of the connections that this was learned of, in their order.
    callers: Vec<String>,
}

/// A finding that is looked for.
struct Search {
    place: Place,
    /// The ways left.
    ways: std::vec::IntoIter<Way>,
    /// A hub that would have it answered, and does not.
    answered: bool,
    /// What stood in the way.
    failure: Option<Failure>,
}

/// What came of reading findings. Every one that was asked for is in one of them.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents as they are now, and the hubs that have them.
    pub here: HashMap<Place, (Value, Way)>,
    /// Security Hub no longer has them.
    pub gone: Vec<Place>,
    pub failed: Vec<(Place, Failure)>,
}

impl Hubs {
    /// Over connections as they are made.
    pub fn new(connections: watch::Receiver<Vec<Connection>>) -> Self {
        Self { connections, learned: Mutex::default() }
    }

    /// Over connections that are there already.
    pub fn over(connections: Vec<Connection>) -> Self {
        Self::new(watch::channel(connections).1)
    }

    /// Waits until there is a connection; whether there will ever be one.
    pub async fn connected(&self) -> bool {
        let mut connections = self.connections.clone();
        connections.wait_for(|c| !c.is_empty()).await.is_ok()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Learned) -> T) -> T {
        f(&mut self.learned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ways to try for findings of an account and region, the likeliest first.
    async fn ways(&self, place: &Place) -> Vec<Way> {
        let connections = self.connections.borrow().clone();
        let callers: Vec<String> = connections.iter().map(|c| c.caller.arn.clone()).collect();
        // Where a profile opened later, places in the list mean others than before.
        self.with(|l| {
            if l.callers != callers {
                *l = Learned { callers, ..Learned::default() };
            }
        });
        let known = self.with(|l| l.ways.get(&(place.account.clone(), place.region.clone())).cloned());
        let mut ways: Vec<Way> = known.into_iter().filter(|way| way.connection < connections.len()).collect();
        for (n, connection) in connections.iter().enumerate() {
            let region = match self.aggregation(n, connection, &place.region).await {
                Some(a) if a.covers(&place.region) => a.region,
                _ => place.region.clone(),
            };
            ways.push(Way { connection: n, account: connection.caller.account.clone(), region });
        }
        for (n, connection) in connections.iter().enumerate() {
            if connection.caller.account != place.account && !place.account.is_empty() {
                ways.push(Way { connection: n, account: place.account.clone(), region: place.region.clone() });
            }
        }
        let mut seen = Vec::with_capacity(ways.len());
        ways.retain(|way| {
            let new = !seen.contains(way);
            seen.push(way.clone());
            new
        });
        ways
    }

    async fn aggregation(&self, n: usize, connection: &Connection, region: &str) -> Option<Aggregation> {
        if let Some(known) = self.with(|l| l.aggregations.get(&n).cloned()) {
            return known;
        }
        let answer = aggregation(&connection.access().scope(region).once()).await;
        // Where it was not answered it is asked again the next time.
        if answer.is_whole() {
            self.with(|l| l.aggregations.insert(n, answer.value.clone()));
        }
        answer.value
    }

    async fn scope(&self, way: &Way) -> Result<Scope, Failure> {
        let key = (way.connection, way.account.clone());
        if let Some(access) = self.with(|l| l.entered.get(&key).cloned()) {
            return Ok(access.scope(&way.region));
        }
        let connection = self.connections.borrow().get(way.connection).cloned();
        let connection = connection.ok_or_else(unconnected)?;
        let answer = connection.enter(&way.account).await;
        match answer.value {
            Some(access) => {
                let scope = access.scope(&way.region);
                self.with(|l| l.entered.insert(key, access));
                Ok(scope)
            }
            None => {
                let row = answer.coverage.into_iter().find(|c| c.outcome != Outcome::Ok);
                let (kind, why) = row.map_or((Kind::Unreachable, String::new()), |row| {
                    let kind = match row.outcome {
                        Outcome::Denied => Kind::Denied,
                        Outcome::Throttled => Kind::Throttled,
                        _ => Kind::Unreachable,
                    };
                    (kind, row.reason)
                });
                Err(Failure::new(kind, "", why))
            }
        }
    }

    /// Reads findings as they are now.
    pub async fn read(&self, places: &[Place]) -> Found {
        let mut found = Found::default();
        let mut open: Vec<Search> = Vec::with_capacity(places.len());
        for place in places {
            let ways = self.ways(place).await.into_iter();
            open.push(Search { place: place.clone(), ways, answered: false, failure: None });
        }
        while !open.is_empty() {
            let mut rounds: BTreeMap<Way, Vec<Search>> = BTreeMap::new();
            for mut search in open.drain(..) {
                match search.ways.next() {
                    Some(way) => rounds.entry(way).or_default().push(search),
                    None if search.answered => found.gone.push(search.place),
                    None => found.failed.push((search.place, search.failure.unwrap_or_else(unconnected))),
                }
            }
            for (way, asked) in rounds {
                let names: Vec<Identifier> = asked.iter().map(|s| s.place.name.clone()).collect();
                let answer = match self.scope(&way).await {
                    Ok(scope) => securityhub::some(&scope.once(), &names).await,
                    Err(failure) => Err(failure),
                };
                match answer {
                    Ok(texts) => {
                        let documents = by_name(&texts);
                        for mut search in asked {
                            if let Some(document) = documents.get(&search.place.name) {
                                let home = (search.place.account.clone(), search.place.region.clone());
                                self.with(|l| l.ways.insert(home, way.clone()));
                                found.here.insert(search.place, (document.clone(), way.clone()));
                            } else {
                                search.answered |= way.account == search.place.account;
                                open.push(search);
                            }
                        }
                    }
                    // Another way may be open where this one is shut for good; what passes is waited for.
                    Err(failure) if is_shut(&failure) => {
                        open.extend(asked.into_iter().map(|s| Search { failure: Some(failure.clone()), ..s }));
                    }
                    Err(failure) => found.failed.extend(asked.into_iter().map(|s| (s.place, failure.clone()))),
                }
            }
        }
        found
    }

    /// Sets the same fields of findings of one hub; those that were not changed.
    ///
    /// # Errors
    /// Where none was changed, or nobody knows.
    pub async fn update(
        &self,
        way: &Way,
        findings: &[Identifier],
        fields: &Map<String, Value>,
    ) -> Result<Vec<Unprocessed>, Failure> {
        let scope = self.scope(way).await?;
        securityhub::update(&scope.once(), findings, fields).await
    }

    /// What happened to a finding in Security Hub, the newest first.
    ///
    /// # Errors
    /// Where no hub answers.
    pub async fn history(&self, place: &Place) -> Result<Vec<HubEvent>, Failure> {
        let mut last = Err(unconnected());
        for way in self.ways(place).await {
            let answer = match self.scope(&way).await {
                Ok(scope) => securityhub::history(&scope.once(), &place.name).await,
                Err(failure) => Err(failure),
            };
            match answer {
                Ok(events) if !events.is_empty() => return Ok(events),
                Ok(events) => last = Ok(events),
                Err(failure) if last.is_err() => last = Err(failure),
                Err(_) => {}
            }
        }
        last
    }
}

fn unconnected() -> Failure {
    Failure::new(Kind::Unreachable, "", "there is no connection to AWS yet")
}

/// Whether this way will stay shut, so that another has to be tried.
fn is_shut(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Denied | Kind::NotEnabled | Kind::Missing | Kind::Failed)
}

/// Documents by their names; what is no finding is left out.
fn by_name(texts: &[String]) -> HashMap<Identifier, Value> {
    let read = |text: &String| {
        let document: Value = serde_json::from_str(text).ok()?;
        let name = |field: &str| document[field].as_str().map(str::to_owned);
        Some((Identifier { id: name("Id")?, product_arn: name("ProductArn")? }, document))
    };
    texts.iter().filter_map(read).collect()
}
