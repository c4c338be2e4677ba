//! Findings from Security Hub: where they are brought together, worst severities first, then only what changed, and now
//! and then all again.
//!
//! A hub read in an administrator's account answers for its members too: members whose findings came from there are not
//! asked again in those regions.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::aws::Access;
use crate::aws::securityhub::{Query, aggregation, findings};
use crate::formats::asff;
use crate::model::coverage::{Coverage, Outcome};
use crate::model::finding::{Finding, Severity};
use crate::work::change::Change;
use crate::work::store::Origin;
use crate::work::sweep::{Entered, Marks};

/// How far a delta reaches back behind the newest finding seen: records arrive out of order.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// The order in which severities are asked for.
const ORDER: [&[Severity]; 4] =
    [&[Severity::Critical], &[Severity::High], &[Severity::Medium], &[Severity::Low, Severity::Informational]];

/// Reads findings of all accounts.
pub(super) struct Reader {
    pub changes: mpsc::Sender<Change>,
    pub marks: Arc<Marks>,
    pub permits: Arc<Semaphore>,
    /// All findings, not only what changed.
    pub in_full: bool,
    /// Everyone who is to be read.
    pub accounts: BTreeSet<String>,
}

/// What one hub gave.
#[derive(Debug, Default)]
struct Seen {
    /// Accounts and regions whose findings came.
    places: BTreeSet<(String, String)>,
    keys: HashSet<u64>,
    newest: Option<Timestamp>,
}

impl Reader {
    /// Each account as its door opens; the caller's own may speak for others, who wait until it has.
    pub async fn read(self, home: String, mut accounts: mpsc::UnboundedReceiver<Entered>) {
        let reader = Arc::new(self);
        let (spoken, heard) = watch::channel(None::<Arc<BTreeSet<(String, String)>>>);
        // Where the own account cannot be entered, the sender's end lets the others go on.
        let mut spoken = reader.accounts.contains(&home).then_some(spoken);
        let mut tasks = JoinSet::new();
        while let Some(entered) = accounts.recv().await {
            let (reader, mut heard) = (Arc::clone(&reader), heard.clone());
            let speaks = if entered.access.account() == home { spoken.take() } else { None };
            tasks.spawn(async move {
                if let Some(speaks) = speaks {
                    speaks.send_replace(Some(Arc::new(reader.home(entered).await)));
                    return;
                }
                let spoken_for = heard.wait_for(Option::is_some).await.ok().and_then(|s| s.clone()).unwrap_or_default();
                let skip = spoken_for.iter().filter(|(a, _)| a == entered.access.account()).map(|(_, r)| r.clone()).collect();
                reader.account(entered, skip).await;
            });
        }
        drop(spoken);
        while tasks.join_next().await.is_some() {}
    }

    /// The caller's own account; tells for which accounts and regions it speaks, now or by what it said when it was last
    /// read in full: what changed since does not name everyone.
    async fn home(self: Arc<Self>, entered: Entered) -> BTreeSet<(String, String)> {
        let own = entered.access.account().to_owned();
        let (mut spoken_for, settled) = Arc::clone(&self).account(entered, BTreeSet::new()).await;
        spoken_for.retain(|(account, _)| *account != own);
        if let Err(problem) = self.marks.set_through(&spoken_for, settled.then_some(&self.accounts)) {
            self.send(Change::Problem(problem)).await;
        }
        self.marks.through()
    }

    /// One account's hubs, without the regions to skip; tells for which accounts and regions they spoke, and whether all
    /// of them said all they have.
    async fn account(self: Arc<Self>, entered: Entered, skip: BTreeSet<String>) -> (BTreeSet<(String, String)>, bool) {
        let regions: Vec<String> = entered.regions.iter().filter(|r| !skip.contains(*r)).cloned().collect();
        let Some(first) = regions.first() else { return (BTreeSet::new(), true) };
        let answer = aggregation(&entered.access.scope(first)).await;
        self.send(Change::Coverage(answer.coverage)).await;
        let aggregated = answer.value;
        let mut tasks = JoinSet::new();
        let mut covered: BTreeSet<String> = BTreeSet::new();
        if let Some(aggregation) = aggregated.filter(|a| regions.iter().any(|r| a.covers(r))) {
            covered = regions.iter().filter(|r| aggregation.covers(r)).cloned().collect();
            let (reader, access, wanted) = (Arc::clone(&self), entered.access.clone(), covered.clone());
            tasks.spawn(async move { reader.hub(access, aggregation.region, Some(wanted)).await });
        }
        for region in regions.into_iter().filter(|r| !covered.contains(r)) {
            let (reader, access) = (Arc::clone(&self), entered.access.clone());
            tasks.spawn(async move { reader.hub(access, region, None).await });
        }
        let (mut spoken_for, mut settled) = (BTreeSet::new(), true);
        while let Some(ended) = tasks.join_next().await {
            let (places, all) = ended.unwrap_or_default();
            spoken_for.extend(places);
            settled &= all;
        }
        // A member seen in an aggregation region is spoken for in every region it covers.
        let members: BTreeSet<String> = spoken_for.iter().map(|(account, _)| account.clone()).collect();
        spoken_for.extend(members.iter().flat_map(|a| covered.iter().map(|r| (a.clone(), r.clone()))));
        (spoken_for, settled)
    }

    /// One hub: in full, worst first; or what changed since the last time.
    /// Tells whose findings it gave, and whether that was all there is.
    async fn hub(&self, access: Access, region: String, wanted: Option<BTreeSet<String>>) -> (BTreeSet<(String, String)>, bool) {
        let _permit = self.permits.acquire().await;
        let account = access.account().to_owned();
        let scope = access.scope(&region);
        let begun = Timestamp::now();
        let mark = self.marks.get(&account, &region);
        let in_full = self.in_full || mark.full.is_none();
        let queries: Vec<Query> = if in_full {
            ORDER.iter().map(|severities| Query { severities: severities.to_vec(), ..Query::default() }).collect()
        } else {
            let since = mark.updated.or(mark.full).and_then(|at| at.checked_sub(OVERLAP).ok());
            vec![Query { updated_since: since, ..Query::default() }]
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut coverage: Vec<Coverage> = Vec::new();
        for query in queries {
            let answer = findings(&scope, &query, |texts| {
                let (seen, changes, wanted) = (Arc::clone(&seen), self.changes.clone(), wanted.clone());
                async move { page(texts, &seen, &changes, wanted.as_ref()).await }
            })
            .await;
            let ended = answer.coverage.iter().any(|c| c.outcome != Outcome::Ok);
            coverage.extend(answer.coverage);
            if ended {
                break;
            }
        }
        let whole = coverage.iter().all(|c| c.outcome == Outcome::Ok);
        // A hub that is off has nothing more to say.
        let settled = in_full && coverage.iter().all(|c| matches!(c.outcome, Outcome::Ok | Outcome::NotAsked));
        self.send(Change::Coverage(joined(coverage))).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        if whole {
            let mut places = seen.places.clone();
            let regions = wanted.unwrap_or_else(|| BTreeSet::from([region.clone()]));
            places.extend(regions.into_iter().map(|r| (account.clone(), r)));
            if in_full {
                let places = places.iter().cloned().collect();
                self.send(Change::Reconciled { places, seen: Arc::new(seen.keys) }).await;
            }
            self.mark(&account, &region, in_full.then_some(begun), seen.newest).await;
        }
        (seen.places, settled)
    }

    /// Notes how far this hub was read, once what came is on disk.
    async fn mark(&self, account: &str, region: &str, full: Option<Timestamp>, newest: Option<Timestamp>) {
        let (done, settled) = tokio::sync::oneshot::channel();
        self.send(Change::Settle(done)).await;
        if settled.await.is_err() {
            return;
        }
        if let Err(problem) = self.marks.set(account, region, full, newest) {
            self.send(Change::Problem(problem)).await;
        }
    }

    async fn send(&self, change: Change) {
        let _ = self.changes.send(change).await;
    }
}

/// One page: each record is read by itself, so that a broken one costs only itself.
async fn page(texts: Vec<String>, seen: &Mutex<Seen>, changes: &mpsc::Sender<Change>, wanted: Option<&BTreeSet<String>>) {
    let mut read: Vec<Finding> = Vec::with_capacity(texts.len());
    let mut broken = None;
    for text in texts {
        match asff::finding(&text) {
            Ok(finding) => read.push(finding),
            Err(error) => broken = Some(error.to_string()),
        }
    }
    read.retain(|f| wanted.is_none_or(|w| f.region.is_empty() || w.contains(&f.region)));
    {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in &read {
            seen.places.insert((finding.account.clone(), finding.region.clone()));
            seen.keys.insert(finding.key.short());
            seen.newest = seen.newest.max(Some(finding.updated));
        }
    }
    if let Some(why) = broken {
        let _ = changes.send(Change::Problem(format!("Security Hub sent a finding that could not be read: {why}"))).await;
    }
    let _ = changes.send(Change::Findings { findings: read, origin: Origin::Live }).await;
}

/// The severities' answers as one row for each API: the worst outcome, all objects.
fn joined(rows: Vec<Coverage>) -> Vec<Coverage> {
    let mut all: Vec<Coverage> = Vec::new();
    for row in rows {
        match all.iter_mut().find(|r| r.api == row.api) {
            Some(old) => {
                old.count += row.count;
                if row.outcome > old.outcome {
                    (old.outcome, old.reason) = (row.outcome, row.reason);
                }
                old.at = row.at;
            }
            None => all.push(row),
        }
    }
    all
}
