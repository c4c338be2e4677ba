//! One segment of findings on disk: its columns and its log. It owns what refers to what, in which order things reach the
//! disk, and what is made again from what after a crash.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde::{Deserialize, Serialize};

use crate::cache::documents::Record;
use crate::cache::error::{CacheError, Problem};
use crate::cache::log::{self, Scanned};
use crate::cache::meta::{Place, Summary};
use crate::cache::{Cache, files};
use crate::listing::segment::{Segment, SegmentError};
use crate::listing::threads;
use crate::model::finding::Finding;

const MARK: &[u8; 8] = b"bartcol1";
/// A log shorter than this is not worth writing anew.
const COMPACT_FROM: u64 = 1 << 20;
/// A payload is a place in the log with the caller's flags above it.
const PLACE: u64 = (1 << 56) - 1;

/// What is known of a log while the cache is open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Log {
    generation: u32,
    /// Behind its last whole record; none until it was looked at.
    end: Option<u64>,
    /// About how many bytes of it nothing refers to any more.
    wasted: u64,
}

/// What stands before the columns in their file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    generation: u32,
    /// The log's length these columns are of; what is behind it came later.
    committed: u64,
    wasted: u64,
}

/// A finding that was put or removed after the columns were saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The row's key.
    pub key: u64,
    /// Where it is kept, with the flags it was put with; none when it was removed.
    pub payload: Option<u64>,
}

/// What there is to make a segment's rows from.
pub struct Recovery<'a> {
    /// Which segment.
    pub place: &'a Place,
    /// The rows as last saved; none where they were never saved, are damaged or have other fields.
    pub base: Option<Segment>,
    /// What came after, each key once, in the order of the log.
    pub changes: Vec<Change>,
    /// The changed findings.
    pub documents: DocumentReader<'a>,
}

/// A segment as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// Which.
    pub place: Place,
    /// Its rows.
    pub segment: Segment,
    /// Whether the columns on disk are behind it, so that it is worth saving.
    pub behind: bool,
    /// What could not be used as it stood.
    pub problem: Option<Problem>,
}

/// Reads findings of one segment after another, keeping the log open between them.
pub struct DocumentReader<'a> {
    cache: &'a Cache,
    open: Option<(Place, log::Reader)>,
}

impl DocumentReader<'_> {
    /// The finding of a row.
    ///
    /// # Errors
    /// When it cannot be read or is not that row's.
    pub fn read(&mut self, place: &Place, key: u64, payload: u64) -> Result<Finding, CacheError> {
        self.cache.unpack(&self.record(place, key, payload)?)
    }

    /// As [`DocumentReader::read`], still packed.
    ///
    /// # Errors
    /// As there.
    pub fn record(&mut self, place: &Place, key: u64, payload: u64) -> Result<Record, CacheError> {
        if self.open.as_ref().is_none_or(|(open, _)| open != place) {
            let generation = self.cache.logs().get(place).copied().unwrap_or_default().generation;
            self.open = Some((place.clone(), log::Reader::open(&self.cache.log_path(place, generation))?));
        }
        match &mut self.open {
            Some((_, reader)) => reader.record(payload & PLACE, key),
            None => Err(CacheError::damaged(&self.cache.findings(), "there is no log")),
        }
    }
}

fn payload(at: u64, flags: u8) -> u64 {
    at & PLACE | u64::from(flags) << 56
}

impl Cache {
    fn columns_path(&self, place: &Place) -> PathBuf {
        self.findings().join(format!("{}.columns", place.stem()))
    }

    fn log_path(&self, place: &Place, generation: u32) -> PathBuf {
        self.findings().join(format!("{}.{generation}.log", place.stem()))
    }

    /// Learns which segments there are, and which log of each is in use.
    pub(crate) fn know_logs(&self) -> Result<(), CacheError> {
        let mut found: BTreeMap<Place, Vec<u32>> = BTreeMap::new();
        let entries = match fs::read_dir(self.findings()) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(CacheError::io("read", &self.findings(), e)),
        };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if let Some(place) = name.strip_suffix(".columns").and_then(Place::of_stem) {
                found.entry(place).or_default();
            } else if let Some((place, generation)) = name.strip_suffix(".log").and_then(|name| name.rsplit_once('.'))
                && let (Some(place), Ok(generation)) = (Place::of_stem(place), generation.parse())
            {
                found.entry(place).or_default().push(generation);
            }
        }
        let mut logs = self.logs();
        for (place, mut generations) in found {
            generations.sort_unstable();
            let mut generation = generations.last().copied().unwrap_or(0);
            if generations.len() > 1
                && let Ok(Some((header, _))) = self.read_header(&place)
                && generations.contains(&header.generation)
            {
                generation = header.generation;
            }
            logs.insert(place, Log { generation, end: None, wasted: 0 });
        }
        Ok(())
    }

    /// Removes what crashes left behind, unless someone reads: nothing refers to it.
    pub(crate) fn sweep_up(&self) {
        let Some(_alone) = self.alone() else { return };
        for dir in [self.dir.clone(), self.findings()] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|e| e == "tmp") || self.is_old_log(&path) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }

    fn is_old_log(&self, path: &Path) -> bool {
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
        let Some((place, generation)) = stem.and_then(|stem| stem.rsplit_once('.')) else { return false };
        let used = Place::of_stem(place).and_then(|place| self.logs().get(&place).map(|log| log.generation));
        used.zip(generation.parse().ok()).is_some_and(|(used, generation): (u32, u32)| used != generation)
    }

    /// The lock that keeps readers from opening, if none is there.
    fn alone(&self) -> Option<fs::File> {
        let file = files::open(&self.dir.join("readers")).ok()?;
        file.try_lock().ok().map(|()| file)
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.logs().len()
    }

    /// Reads every segment, those with the most urgent rows first, and hands each over as it comes, in no fixed order.
    /// `build` makes rows where the columns do not have them all, on several threads; it also says how many findings it
    /// could not read.
    pub fn load(&self, build: &(dyn Fn(Recovery<'_>) -> (Segment, usize) + Sync), each: &mut dyn FnMut(Loaded)) {
        let mut places: Vec<(Place, Log)> = self.logs().iter().map(|(place, log)| (place.clone(), *log)).collect();
        let summary = |place: &Place| self.meta().segments.get(place).copied().unwrap_or_default();
        places.sort_by_cached_key(|(place, _)| {
            let Summary { rows, urgent } = summary(place);
            (std::cmp::Reverse((urgent, rows)), place.clone())
        });
        let threads = threads::most().min(places.len().max(1));
        let queue = Mutex::new(places.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel(threads * 2);
            for _ in 0..threads {
                let send = send.clone();
                let next = &next;
                scope.spawn(move || {
                    while let Some((place, log)) = next() {
                        if send.send(self.load_one(place, log, build)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            receive.into_iter().for_each(each);
        });
    }

    fn load_one(&self, place: Place, log: Log, build: &(dyn Fn(Recovery<'_>) -> (Segment, usize) + Sync)) -> Loaded {
        let columns_path = self.columns_path(&place);
        let log_path = self.log_path(&place, log.generation);
        let mut why = Vec::new();
        let mut lost = false;
        let (mut base, mut from, mut wasted) = match self.read_columns(&place) {
            Ok(Some((header, segment))) if header.generation == log.generation => {
                (Some(segment), header.committed, header.wasted)
            }
            Ok(Some((header, _))) => {
                why.push(format!("its log {} is gone", header.generation));
                lost = true;
                (None, log::START, 0)
            }
            Ok(None) => (None, log::START, 0),
            Err(e) => {
                why.push(e);
                (None, log::START, 0)
            }
        };
        let mut changes = Vec::new();
        let mut end = Some(0);
        match log::Reader::open(&log_path) {
            Err(e) => {
                why.push(e.to_string());
                (base, lost) = (None, true);
            }
            Ok(mut reader) => {
                if base.is_some() && reader.length() < from {
                    why.push(format!("its log ends at byte {}, where {from} were kept", reader.length()));
                    (base, from, wasted, lost) = (None, log::START, 0, true);
                }
                match scan(&mut reader, from, &mut changes) {
                    Ok((scanned, more)) => {
                        (end, wasted) = (Some(scanned.end), wasted + more);
                        if scanned.damaged > 0 {
                            why.push(format!("{} of its records are damaged", scanned.damaged));
                            lost = true;
                        }
                        if reader.length() > scanned.end && self.read_only.is_none() {
                            // What a crash left of an unfinished addition.
                            let _ = log::cut(reader.path(), scanned.end);
                        }
                    }
                    Err(e) => {
                        why.push(e.to_string());
                        (end, lost) = (None, true);
                    }
                }
            }
        }
        let behind = base.is_none() || !changes.is_empty();
        let segment = match base {
            Some(base) if !behind => base,
            base => {
                let documents = DocumentReader { cache: self, open: None };
                let (segment, unread) = build(Recovery { place: &place, base, changes, documents });
                if unread > 0 {
                    why.push(format!("{unread} of its findings do not read"));
                    lost = true;
                }
                segment
            }
        };
        self.logs().insert(place.clone(), Log { generation: log.generation, end, wasted });
        if lost {
            self.meta().marks.0.remove(&place);
            if self.read_only.is_none() {
                // They would be taken for good again once the log has grown to their length.
                let _ = fs::remove_file(&columns_path);
            }
        }
        let problem = (!why.is_empty()).then(|| {
            let next = if lost { "the rest comes with the next full sweep" } else { "nothing is lost" };
            let what = format!("{}; {} findings were made again from their log, {next}", why.join(", "), segment.rows());
            Problem { path: columns_path, what, lost }
        });
        Loaded { place, segment, behind, problem }
    }

    fn read_header(&self, place: &Place) -> Result<Option<(Header, Vec<u8>)>, String> {
        let Some(mut bytes) = files::read(&self.columns_path(place)).map_err(|e| e.to_string())? else { return Ok(None) };
        let damaged = || "its columns are damaged".to_owned();
        let length = bytes.strip_prefix(MARK).and_then(|rest| rest.first_chunk()).map(|n| u32::from_le_bytes(*n) as usize);
        let length = length.ok_or_else(damaged)?;
        let json = bytes.get(12..).and_then(|rest| rest.get(..length)).ok_or_else(damaged)?;
        let said = bytes.get(12 + length..).and_then(|rest| rest.first_chunk()).map(|sum| u64::from_le_bytes(*sum));
        if said != Some(files::sum(json)) {
            return Err(damaged());
        }
        let header = serde_json::from_slice(json).map_err(|_| damaged())?;
        bytes.drain(..12 + length + 8);
        Ok(Some((header, bytes)))
    }

    fn read_columns(&self, place: &Place) -> Result<Option<(Header, Segment)>, String> {
        let Some((header, bytes)) = self.read_header(place)? else { return Ok(None) };
        match Segment::from_bytes(Arc::clone(&self.schema), &bytes) {
            Ok(segment) => Ok(Some((header, segment))),
            Err(SegmentError::OtherSchema | SegmentError::Version { .. }) => {
                Err("its columns are of another version of bartizan".into())
            }
            Err(_) => Err("its columns are damaged".into()),
        }
    }

    /// Keeps records, in order; `wasted` bytes of older ones are no longer needed. Gives the payload of each. They
    /// survive the end of this process at once, and that of the machine after [`Cache::save`].
    ///
    /// # Errors
    /// Those of the file system, after which the log is as it was.
    pub fn add(&self, place: &Place, records: &[Record], wasted: u64) -> Result<Vec<u64>, CacheError> {
        self.writable("findings")?;
        let mut logs = self.logs();
        let log = logs.entry(place.clone()).or_default();
        let path = self.log_path(place, log.generation);
        let end = match log.end {
            Some(end) => end,
            None if path.exists() => log::Reader::open(&path)?.scan(log::START, &mut |_, _| {})?.end,
            None => {
                let _ = fs::remove_file(self.columns_path(place));
                0
            }
        };
        let places = log::add(&path, end, records)?;
        let added: u64 = records.iter().map(Record::size).sum();
        log.end = Some(if end == 0 { log::START } else { end } + added);
        let gone = records.iter().filter(|r| r.head().length == 0).map(Record::size).sum::<u64>();
        log.wasted += wasted + gone;
        Ok(places.iter().zip(records).map(|(at, record)| payload(*at, record.head().flags)).collect())
    }

    /// Saves a segment's columns, after everything they refer to is on the disk. Where more than half of the log is no
    /// longer needed and nobody else reads, the log is written anew: the segment given back is the one to use.
    ///
    /// # Errors
    /// Those of the file system, after which what was saved before is still whole.
    pub fn save(&self, place: &Place, segment: &Arc<Segment>, urgent: u64) -> Result<Arc<Segment>, CacheError> {
        self.writable("findings")?;
        let mut log = self.logs().get(place).copied().unwrap_or_default();
        let Some(mut end) = log.end.filter(|end| *end >= log::START) else { return Ok(Arc::clone(segment)) };
        log::sync(&self.log_path(place, log.generation))?;
        let mut segment = Arc::clone(segment);
        let old = log;
        let alone = (log.wasted > end / 2 && end > COMPACT_FROM).then(|| self.alone()).flatten();
        // Where it cannot be written anew, the log is as good as it was.
        if alone.is_some()
            && let Ok((compacted, length)) = self.compact(place, &segment, log.generation)
        {
            (segment, end) = (Arc::new(compacted), length);
            log = Log { generation: log.generation + 1, end: Some(end), wasted: 0 };
        }
        let header = Header { generation: log.generation, committed: end, wasted: log.wasted };
        let json = serde_json::to_vec(&header).unwrap_or_default();
        files::replace(&self.columns_path(place), |out| {
            out.write_all(MARK)?;
            out.write_all(&(json.len() as u32).to_le_bytes())?;
            out.write_all(&json)?;
            out.write_all(&files::sum(&json).to_le_bytes())?;
            out.write_all(&segment.to_bytes())
        })?;
        self.logs().insert(place.clone(), log);
        if log.generation != old.generation {
            let _ = fs::remove_file(self.log_path(place, old.generation));
        }
        self.meta().segments.insert(place.clone(), Summary { rows: segment.rows() as u64, urgent });
        Ok(segment)
    }

    /// Writes the records that rows refer to into the next log; gives the rows that refer to it, and its length.
    fn compact(&self, place: &Place, segment: &Segment, generation: u32) -> Result<(Segment, u64), CacheError> {
        let mut reader = log::Reader::open(&self.log_path(place, generation))?;
        let mut payloads: Vec<u64> = (0..segment.rows()).filter_map(|row| segment.payload(row)).collect();
        let mut order: Vec<usize> = (0..payloads.len()).collect();
        order.sort_unstable_by_key(|row| payloads[*row] & PLACE);
        let mut end = log::START;
        let path = self.log_path(place, generation + 1);
        let mut failed = None;
        files::replace(&path, |out| {
            out.write_all(log::MARK)?;
            for row in order {
                let record = match reader.record(payloads[row] & PLACE, segment.key(row).unwrap_or_default()) {
                    Ok(record) => record,
                    Err(e) => {
                        let stop = std::io::Error::other(e.to_string());
                        failed = Some(e);
                        return Err(stop);
                    }
                };
                out.write_all(&record.0)?;
                payloads[row] = payloads[row] & !PLACE | end;
                end += record.size();
            }
            Ok(())
        })
        .map_err(|e| failed.take().unwrap_or(e))?;
        Ok((with_payloads(segment, payloads), end))
    }

    /// About how many bytes a record of a segment of so many rows takes.
    pub fn usual_size(&self, place: &Place, rows: usize) -> u64 {
        let log = self.logs().get(place).copied().unwrap_or_default();
        log.end.unwrap_or(0).saturating_sub(log.wasted) / (rows as u64).max(1)
    }

    /// Reads findings.
    pub fn documents(&self) -> DocumentReader<'_> {
        DocumentReader { cache: self, open: None }
    }
}

/// The changes from `from` on, each key once, and about how many bytes they leave without use.
fn scan(reader: &mut log::Reader, from: u64, changes: &mut Vec<Change>) -> Result<(Scanned, u64), CacheError> {
    let mut last: HashMap<u64, (u64, Option<u64>, u64)> = HashMap::new();
    let mut wasted = 0;
    let scanned = reader.scan(from, &mut |at, head| {
        let place = (head.length > 0).then(|| payload(at, head.flags));
        let older = last.insert(head.key, (at, place, head.size()));
        wasted += older.map_or(0, |(_, _, size)| size);
    });
    let mut all: Vec<(u64, Change)> = last.into_iter().map(|(key, (at, payload, _))| (at, Change { key, payload })).collect();
    all.sort_unstable_by_key(|(at, _)| *at);
    changes.extend(all.into_iter().map(|(_, change)| change));
    Ok((scanned?, wasted))
}

/// The same rows, kept elsewhere: one payload a row.
pub(crate) fn with_payloads(segment: &Segment, payloads: Vec<u64>) -> Segment {
    debug_assert!(payloads.len() == segment.rows(), "one payload a row");
    let mut segment = segment.clone();
    segment.payloads = std::sync::Arc::new(payloads);
    segment
}
