//! The findings as the program holds them: columns in memory, documents in the cache, in memory or made on demand. It
//! owns which row is which finding, what a new report of it changes, and when rows are rebuilt; the files are the cache's,
//! the merging of two sources is `formats::merge`'s.
//!
//! Each account and region is one segment of the index, named `account/region`, and a small one beside it,
//! `account/region+`, that takes what is new: adding a page to a long list copies the short one only. A row's payload is
//! where its document is (the place in the log, or in memory), with the row's [`Origin`]s above it.

mod ask;
mod rows;
mod save;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::{Cache, CacheError, Codec, Place, Problem, Record};
use crate::catalog::ListingId;
use crate::catalog::findings::Builder;
use crate::formats::merge;
use crate::listing::index::Index;
use crate::listing::schema::FieldId;
use crate::listing::segment::{Cell, Segment, SegmentBuilder};
use crate::listing::threads;
use crate::model::account::Account;
use crate::model::finding::Finding;
pub use crate::work::store::rows::{Accounts, Origin};
use crate::work::store::rows::{IN_MEMORY, Rows, base_name, copy, flags, fresh_name, keys, payload, place_of, rebuild};

/// Makes the n-th finding, document included.
pub type Generate = Arc<dyn Fn(u64) -> Finding + Send + Sync>;

/// Where documents are. What is put into a store over generated ones stays in memory.
#[derive(Clone)]
pub enum Documents {
    /// Packed, in memory.
    Memory,
    /// In a cache; in memory as long as it cannot be written.
    Cached(Arc<Cache>),
    /// Made when asked for.
    Generated(Generate),
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::Cached(_) => "Cached",
            Self::Generated(_) => "Generated",
        })
    }
}

/// A document that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The cache said no.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is not where its row says.
    #[error("could not read the document of finding {key:016x}: {why}; a refresh brings it again")]
    Document {
        /// The row's key.
        key: u64,
        /// What failed.
        why: String,
    },
}

/// What a [`Store::put`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Put {
    /// Findings that were not there before.
    pub added: usize,
    /// Findings that differ from what was there.
    pub changed: usize,
    /// Findings that say nothing new.
    pub unchanged: usize,
}

impl std::ops::AddAssign for Put {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
    }
}

/// The segment of new rows grows to this many, or an eighth of the segment beside it.
const FRESH: usize = 512;

/// The findings.
#[derive(Debug)]
pub struct Store {
    documents: Documents,
    index: Index,
    /// Documents in memory, by row key.
    kept: HashMap<u64, Record>,
    /// Packs what is kept in memory where there is no cache.
    codec: Codec,
    /// Segments that differ from their saved columns.
    behind: BTreeSet<Place>,
    /// Why the cache does not take what is new.
    problem: Option<CacheError>,
}

impl Store {
    fn with(documents: Documents) -> Self {
        let index = Index::new(Arc::clone(&ListingId::Findings.get().schema));
        Self { documents, index, kept: HashMap::new(), codec: Codec::default(), behind: BTreeSet::new(), problem: None }
    }

    /// An empty store that keeps documents in memory, packed.
    pub fn in_memory() -> Self {
        Self::with(Documents::Memory)
    }

    /// A store over a cache. Reads all of its rows, worst segments first; `publish` sees the index after the first
    /// segment and now and then from there on, last with everything. Says what in the cache could not be used.
    pub fn on(cache: &Arc<Cache>, accounts: Accounts<'_>, publish: &mut dyn FnMut(&Index)) -> (Self, Vec<Problem>) {
        let mut store = Self::with(Documents::Cached(Arc::clone(cache)));
        let mut problems = Vec::new();
        let mut waiting: Vec<(String, Arc<Segment>)> = Vec::new();
        let mut rows = 0;
        cache.load(&|recovery| rebuild(recovery, accounts), &mut |loaded| {
            problems.extend(loaded.problem);
            rows += loaded.segment.rows();
            waiting.push((base_name(&loaded.place), Arc::new(loaded.segment)));
            if loaded.behind {
                store.behind.insert(loaded.place);
            }
            // Each round takes in a fourth more: many small segments do not make many rounds.
            if rows * 4 >= store.index.rows() {
                store.take_in(&mut waiting);
                rows = 0;
                publish(&store.index);
            }
        });
        store.take_in(&mut waiting);
        publish(&store.index);
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        (store, problems)
    }

    /// A store of `count` findings that are made from their number: `place` gives account and region, `make` the finding
    /// (its document may be left out), `document` the whole of it when it is asked for. Same functions, same rows.
    pub fn generated<'a>(
        count: u64,
        place: &dyn Fn(u64) -> (&'a str, &'a str),
        make: &(dyn Fn(u64) -> Finding + Sync),
        accounts: Accounts<'_>,
        document: Generate,
    ) -> Self {
        let mut store = Self::with(Documents::Generated(document));
        let mut buckets: HashMap<(&str, &str), Vec<u64>> = HashMap::new();
        (0..count).for_each(|n| buckets.entry(place(n)).or_default().push(n));
        let mut places: HashMap<Place, Vec<u64>> = HashMap::new();
        for ((account, region), numbers) in buckets {
            places.entry(Place::of(account, region)).or_default().extend(numbers);
        }
        let mut jobs: Vec<(Place, Vec<u64>)> = places.into_iter().collect();
        // The longest first, so that no thread is left with it at the end.
        jobs.sort_unstable_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        let queue = Mutex::new(jobs.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let build = || {
            let mut built = Vec::new();
            let mut builder = Rows::new(accounts);
            while let Some((place, mut numbers)) = next() {
                numbers.sort_unstable();
                builder.reserve(numbers.len());
                numbers.iter().for_each(|n| builder.push(make(*n), payload(*n, Origin::Live.flag())));
                built.push((base_name(&place), Arc::new(builder.take())));
            }
            built
        };
        let mut built = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads::most()).map(|_| scope.spawn(build)).collect();
            let mut built = build();
            for helper in helpers {
                built.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            built
        });
        store.take_in(&mut built);
        store
    }

    fn take_in(&mut self, waiting: &mut Vec<(String, Arc<Segment>)>) {
        if !waiting.is_empty() {
            self.index = self.index.with_all(waiting.iter().map(|(name, segment)| (name.as_str(), Arc::clone(segment))));
            waiting.clear();
        }
    }

    /// The rows. A clone is cheap and stays as it is.
    pub fn index(&self) -> Index {
        self.index.clone()
    }

    /// Where documents are.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Why the cache did not take what came last; none when it did, or after [`Store::save`] could.
    pub fn problem(&self) -> Option<&CacheError> {
        self.problem.as_ref()
    }

    /// As [`Store::put`], each finding at the account and region it names.
    ///
    /// # Errors
    /// As there; what was put before the error stays.
    pub fn put_all(&mut self, findings: Vec<Finding>, origin: Origin, accounts: Accounts<'_>) -> Result<Put, StoreError> {
        let mut places: Vec<(Place, Vec<Finding>)> = Vec::new();
        let mut known: HashMap<Place, usize> = HashMap::new();
        for finding in findings {
            let at = *known.entry(Place::of(&finding.account, &finding.region)).or_insert_with_key(|place| {
                places.push((place.clone(), Vec::new()));
                places.len() - 1
            });
            places[at].1.push(finding);
        }
        let mut all = Put::default();
        for (place, findings) in places {
            all += self.put_at(&place, findings, origin, accounts)?;
        }
        Ok(all)
    }

    /// Puts reports of findings of one account and region. A finding that is there already under the same key is merged
    /// with its report: of the same source, the one updated later stands; of another source, both do.
    ///
    /// The rows are there at once. Their documents are in the cache when this returns, safe from the end of the process
    /// and, after [`Store::save`], of the machine; where the cache does not take them they stay in memory, and
    /// [`Store::problem`] says why.
    ///
    /// # Errors
    /// When a finding cannot be packed; then nothing is changed.
    pub fn put(
        &mut self,
        account: &str,
        region: &str,
        findings: Vec<Finding>,
        origin: Origin,
        accounts: Accounts<'_>,
    ) -> Result<Put, StoreError> {
        self.put_at(&Place::of(account, region), findings, origin, accounts)
    }

    fn put_at(
        &mut self,
        place: &Place,
        findings: Vec<Finding>,
        origin: Origin,
        accounts: Accounts<'_>,
    ) -> Result<Put, StoreError> {
        let (base, fresh) = self.segments(place);
        let mut slots: HashMap<u64, usize> = HashMap::new();
        let mut pending: Vec<Pending> = Vec::new();
        let mut arriving: Vec<(usize, Finding)> = Vec::with_capacity(findings.len());
        for finding in findings {
            let slot = *slots.entry(finding.key.short()).or_insert_with_key(|key| {
                pending.push(Pending { key: *key, row: None, was: None, now: None, flags: origin.flag() });
                pending.len() - 1
            });
            arriving.push((slot, finding));
        }
        for (segment, in_base) in [(&base, true), (&fresh, false)] {
            for (row, key) in keys(segment) {
                if let Some(slot) = slots.get(&key) {
                    pending[*slot].row = Some((in_base, segment.payload(row).unwrap_or_default()));
                }
            }
        }
        self.read_old(place, &mut pending);
        for (slot, finding) in arriving {
            let slot = &mut pending[slot];
            let live = slot.row.is_some_and(|(_, payload)| flags(payload) & Origin::Live.flag() != 0);
            match &mut slot.now {
                Some(now) => combine(now, finding, live && origin == Origin::File),
                None => slot.now = Some(finding),
            }
        }
        let mut put = Put::default();
        let mut wasted = 0;
        let mut changed: Vec<(u64, u8, Finding)> = Vec::new();
        let mut in_base = false;
        for slot in pending {
            let (Some(now), flags) = (slot.now, slot.flags) else { continue };
            match (&slot.row, &slot.was) {
                (None, _) => put.added += 1,
                (Some((_, payload)), Some((was, _))) if *was == now && self::flags(*payload) == flags => {
                    put.unchanged += 1;
                    continue;
                }
                (Some((base, _)), was) => {
                    put.changed += 1;
                    in_base |= base;
                    wasted += was.as_ref().map_or(0, |(_, size)| *size);
                }
            }
            changed.push((slot.key, flags, now));
        }
        if changed.is_empty() {
            return Ok(put);
        }
        let payloads = self.keep(place, &changed, wasted)?;
        let keys: HashMap<u64, ()> = changed.iter().map(|(key, ..)| (*key, ())).collect();
        let stays = |key: u64| !keys.contains_key(&key);
        let whole = in_base || fresh.rows() + changed.len() > FRESH.max(base.rows() / 8);
        let mut rows = Rows::new(accounts);
        if whole {
            rows.copy(&base, &stays);
        }
        rows.copy(&fresh, &stays);
        for ((_, _, finding), payload) in changed.into_iter().zip(payloads) {
            rows.push(finding, payload);
        }
        self.swap(place, whole, rows.finish());
        Ok(put)
    }

    /// Reads the findings that new reports will be merged with.
    fn read_old(&mut self, place: &Place, pending: &mut [Pending]) {
        let mut failed = None;
        let mut reader = self.reader();
        for slot in pending {
            let Some((_, payload)) = slot.row else { continue };
            slot.flags |= flags(payload);
            match self.read(&mut reader, place, slot.key, payload) {
                Ok((finding, size)) => {
                    slot.now = Some(finding.clone());
                    slot.was = Some((finding, size));
                }
                // The new report replaces what cannot be read.
                Err(StoreError::Cache(e)) => failed = Some(e),
                Err(StoreError::Document { .. }) => {}
            }
        }
        drop(reader);
        if failed.is_some() {
            self.problem = failed;
        }
    }

    /// Keeps documents in the cache, else in memory; gives the payloads of their rows.
    fn keep(&mut self, place: &Place, changed: &[(u64, u8, Finding)], wasted: u64) -> Result<Vec<u64>, StoreError> {
        let items: Vec<(u8, &Finding)> = changed.iter().map(|(_, flags, finding)| (*flags, finding)).collect();
        let records = match &self.documents {
            Documents::Cached(cache) => cache.pack(&items)?,
            Documents::Memory | Documents::Generated(_) => self.codec.pack(&items, &|_, _| Ok(()))?,
        };
        if let Some(cache) = self.writable() {
            match cache.add(place, &records, wasted) {
                Ok(payloads) => {
                    changed.iter().for_each(|(key, ..)| drop(self.kept.remove(key)));
                    return Ok(payloads);
                }
                Err(e) => self.problem = Some(e),
            }
        }
        self.kept.extend(changed.iter().map(|(key, ..)| *key).zip(records));
        Ok(items.iter().map(|(flags, _)| payload(IN_MEMORY, *flags)).collect())
    }

    /// Ends a full pass over Security Hub: its rows of this account and region whose key was not `seen` go, those that a
    /// file brought stay. Gives how many went.
    pub fn retain(&mut self, account: &str, region: &str, seen: &dyn Fn(u64) -> bool) -> usize {
        let place = Place::of(account, region);
        let (base, fresh) = self.segments(&place);
        let goes = |(segment, row, key): (&Segment, usize, u64)| {
            segment.payload(row).is_some_and(|payload| flags(payload) == Origin::Live.flag()) && !seen(key)
        };
        let rows = [&base, &fresh].into_iter().flat_map(|s| keys(s).map(move |(row, key)| (s.as_ref(), row, key)));
        let gone: HashMap<u64, ()> = rows.filter(|row| goes(*row)).map(|(_, _, key)| (key, ())).collect();
        self.remove(&place, &gone)
    }

    /// Takes rows that were judged here away; what a file brought too stays. Gives how many went.
    pub fn forget(&mut self, wanted: &[u64]) -> usize {
        if wanted.is_empty() {
            return 0;
        }
        let mut places: BTreeMap<Place, HashMap<u64, ()>> = BTreeMap::new();
        for (name, segment) in self.index.segments() {
            for (row, key) in keys(segment) {
                let ours = segment.payload(row).is_some_and(|payload| flags(payload) == Origin::Judged.flag());
                if ours && wanted.contains(&key) {
                    places.entry(place_of(name)).or_default().insert(key, ());
                }
            }
        }
        places.iter().map(|(place, gone)| self.remove(place, gone)).sum()
    }

    fn remove(&mut self, place: &Place, gone: &HashMap<u64, ()>) -> usize {
        if gone.is_empty() {
            return 0;
        }
        let (base, fresh) = self.segments(place);
        if let Some(cache) = self.writable() {
            let mut keys: Vec<u64> = gone.keys().copied().collect();
            keys.sort_unstable();
            let records: Vec<Record> = keys.into_iter().map(Record::gone).collect();
            // Their documents are about as long as the others.
            let wasted = cache.usual_size(place, base.rows() + fresh.rows()) * gone.len() as u64;
            if let Err(e) = cache.add(place, &records, wasted) {
                self.problem = Some(e);
            }
        }
        gone.keys().for_each(|key| drop(self.kept.remove(key)));
        let stays = |key: u64| !gone.contains_key(&key);
        let mut builder = Builder::default();
        copy(&mut builder, &base, &stays);
        copy(&mut builder, &fresh, &stays);
        self.swap(place, true, builder.finish());
        gone.len()
    }

    /// Takes what is now known of an account (name, owner, environment) into the rows of its findings. Gives how many
    /// segments changed.
    pub fn reattribute(&mut self, account: &Account) -> usize {
        let schema = Arc::clone(self.index.schema());
        let values = [
            ("account_name", account.label()),
            ("owner", account.owner_word()),
            ("owner_by", account.owner.decided_by.as_str()),
            ("environment", account.environment_word()),
        ];
        let values: Vec<(FieldId, &str)> = values.iter().filter_map(|(name, v)| Some((schema.field(name)?, *v))).collect();
        let Some(id) = schema.field("account") else { return 0 };
        let is = |segment: &Segment, row: usize, field: FieldId, value: &str| match segment.cell(row, field) {
            Cell::Text(text) => text == value,
            _ => value.is_empty(),
        };
        let mut swapped = Vec::new();
        for (name, segment) in self.index.segments() {
            let place = place_of(name);
            let ours = |row: usize| is(segment, row, id, &account.id);
            let stale = |row: usize| ours(row) && values.iter().any(|(field, value)| !is(segment, row, *field, value));
            if place.account() != account.id || !(0..segment.rows()).any(stale) {
                continue;
            }
            let mut builder = SegmentBuilder::new(Arc::clone(&schema));
            for row in 0..segment.rows() {
                for (field, _) in schema.iter() {
                    match segment.cell(row, field) {
                        Cell::None => &mut builder,
                        Cell::Text(text) => builder.text(field, &text),
                        cell @ Cell::Set(_) => builder.set(field, cell.members()),
                        Cell::Rank(rank, _) => builder.rank(field, rank),
                        Cell::Number(n) | Cell::Time(n) => builder.number(field, n),
                    };
                }
                // A row of another account can only be here when a source said nonsense; it stays as it is.
                for (field, value) in values.iter().filter(|_| ours(row)) {
                    builder.keyword(*field, value);
                }
                builder.push(segment.key(row).unwrap_or_default(), segment.payload(row).unwrap_or_default());
            }
            swapped.push((name.to_owned(), Arc::new(builder.finish())));
            self.behind.insert(place);
        }
        let count = swapped.len();
        self.take_in(&mut swapped);
        count
    }

    /// The segment's rows and its new rows; empty ones where there are none.
    fn segments(&self, place: &Place) -> (Arc<Segment>, Arc<Segment>) {
        let get = |name: String| self.index.segment(&name).cloned();
        let none = || Arc::new(Builder::default().finish());
        (get(base_name(place)).unwrap_or_else(none), get(fresh_name(place)).unwrap_or_else(none))
    }

    fn swap(&mut self, place: &Place, whole: bool, segment: Segment) {
        let segment = Arc::new(segment);
        self.index = if whole {
            self.index.with(&base_name(place), segment).without(&fresh_name(place))
        } else {
            self.index.with(&fresh_name(place), segment)
        };
        self.behind.insert(place.clone());
    }

    /// The cache, where it takes what is new.
    fn writable(&self) -> Option<Arc<Cache>> {
        match &self.documents {
            Documents::Cached(cache) if cache.read_only().is_none() => Some(Arc::clone(cache)),
            _ => None,
        }
    }
}

/// A finding on its way in.
struct Pending {
    key: u64,
    /// Whether its row is in the base, and the row's payload.
    row: Option<(bool, u64)>,
    /// What was there, and the bytes its record takes.
    was: Option<(Finding, u64)>,
    now: Option<Finding>,
    flags: u8,
}

/// Brings a report into the finding that is there. `live_stands`: what is there came live and the report is from a file,
/// so at equal times it is not the fresher one.
fn combine(now: &mut Finding, report: Finding, live_stands: bool) {
    let stands = live_stands && report.updated == now.updated;
    if now.source == report.source && now.also == report.also {
        if report.updated >= now.updated && !stands {
            *now = report;
        }
    } else if stands {
        let live = std::mem::replace(now, report);
        merge(now, live);
    } else {
        merge(now, report);
    }
}
