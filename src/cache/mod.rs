//! The door to the local cache: one directory a context, so that the console opens on what it knew at once.
//!
//! ```text
//! lock, readers                       who writes, who reads
//! meta.json                           format, context, how fresh each segment is
//! estate.json.zst                     the estate without findings
//! dictionary.<id>                     what documents are compressed with
//! findings/<account>.<region>.columns the rows, as of some length of the log
//! findings/<account>.<region>.<n>.log every finding whole, in the order they came
//! ```
//! The log is the truth and the columns are a picture of it: whatever a crash leaves, the rows are made again from the
//! whole records. It owns files, their locking and their recovery; how a row is made from a finding, and when to save, is
//! the caller's (`work::store`). Calls block; none of them is for the thread that draws.

mod documents;
mod error;
mod files;
mod log;
mod meta;
pub mod preferences;
mod segments;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::listing::schema::Schema;
use crate::model::estate::{self, Estate};
use crate::model::finding::Finding;

pub use crate::cache::documents::{Codec, Keep, Record};
pub use crate::cache::error::{CacheError, Problem, ReadOnly};
pub use crate::cache::meta::{Context, Mark, Place, SweepMarks};
pub(crate) use crate::cache::segments::with_payloads;
pub use crate::cache::segments::{Change, DocumentReader, Loaded, Recovery};

/// An open cache.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    schema: Arc<Schema>,
    read_only: Option<ReadOnly>,
    codec: Codec,
    meta: Mutex<meta::Meta>,
    logs: Mutex<HashMap<Place, segments::Log>>,
    /// Held as long as the cache is open.
    _lock: Option<File>,
}

impl Cache {
    /// Opens the cache in `dir`, making it where it is missing. A directory that may not be written, or that another
    /// console writes to, opens read-only: see [`Cache::read_only`].
    ///
    /// # Errors
    /// [`CacheError::Newer`] for a cache of a later format, which is left as it is; else when there is neither a cache
    /// nor a way to make one.
    pub fn open(dir: &Path, schema: Arc<Schema>) -> Result<Self, CacheError> {
        let meta_path = dir.join("meta.json");
        let look = || -> Result<Option<Vec<u8>>, CacheError> {
            let bytes = files::read(&meta_path)?;
            match bytes.as_deref().and_then(meta::format) {
                Some(found) if found > meta::FORMAT => {
                    Err(CacheError::Newer { path: dir.to_owned(), found, known: meta::FORMAT })
                }
                _ => Ok(bytes),
            }
        };
        look()?;
        if !dir.is_dir() {
            files::make_dir(dir)?;
        }
        let (lock, read_only) = match files::lock(&dir.join("lock")) {
            Ok(lock) => (lock, None),
            Err(why) => match files::share(&dir.join("readers")) {
                Some(lock) => (lock, Some(why)),
                None => return Self::over(dir, schema, look()?.as_deref(), None, Some(why)),
            },
        };
        // Once more behind the lock: another console may have written meanwhile.
        let bytes = look()?;
        let mut cache = Self::over(dir, schema, bytes.as_deref(), Some(lock), read_only)?;
        if cache.read_only.is_none() {
            files::make_private(dir);
            cache.sweep_up();
            let same = bytes.as_deref().and_then(meta::format).is_some();
            match files::make_dir(&cache.findings()).and_then(|()| if same { Ok(()) } else { cache.flush() }) {
                Ok(()) => {}
                Err(CacheError::Full { .. }) => cache.read_only = Some(ReadOnly::Full),
                Err(e) => return Err(e),
            }
        }
        Ok(cache)
    }

    fn over(
        dir: &Path,
        schema: Arc<Schema>,
        meta: Option<&[u8]>,
        lock: Option<File>,
        read_only: Option<ReadOnly>,
    ) -> Result<Self, CacheError> {
        // A meta file that does not read costs a full sweep, nothing more: the findings do not hang on it.
        let mut meta: meta::Meta = meta.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        (meta.format, meta.schema) = (meta::FORMAT, schema.fingerprint());
        let (meta, logs) = (Mutex::new(meta), Mutex::default());
        let cache = Self { dir: dir.to_owned(), schema, read_only, codec: Codec::default(), meta, logs, _lock: lock };
        cache.know_logs()?;
        if let Some(bytes) = cache.newest_dictionary() {
            cache.codec.adopt(&bytes);
        }
        Ok(cache)
    }

    /// Why nothing can be written, where that is so.
    pub fn read_only(&self) -> Option<ReadOnly> {
        self.read_only
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Packs findings for this cache.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Packs findings with the caller's flags into records for this cache.
    ///
    /// # Errors
    /// As [`Codec::pack`].
    pub fn pack(&self, findings: &[(u8, &Finding)]) -> Result<Vec<Record>, CacheError> {
        let keep = |id: u32, bytes: &[u8]| {
            if self.read_only.is_some() {
                return Ok(());
            }
            files::replace(&self.dictionary(id), |out| std::io::Write::write_all(out, bytes))
        };
        self.codec.pack(findings, &keep)
    }

    /// The finding of a record of this cache.
    ///
    /// # Errors
    /// [`CacheError::Damaged`] when it does not unpack.
    pub fn unpack(&self, record: &Record) -> Result<Finding, CacheError> {
        let fetch = |id: u32| files::read(&self.dictionary(id)).ok().flatten();
        self.codec.unpack(record, &fetch).map_err(|what| CacheError::damaged(&self.dir, what))
    }

    /// The estate as it was last written; none where it never was.
    ///
    /// # Errors
    /// When the file does not read.
    pub fn read_estate(&self) -> Result<Option<Estate>, CacheError> {
        let path = self.dir.join("estate.json.zst");
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        estate::read(&bytes[..]).map(|(estate, _)| Some(estate)).map_err(|source| CacheError::Estate { path, source })
    }

    /// Writes the estate whole.
    ///
    /// # Errors
    /// Those of the file system; the older one then stays.
    pub fn write_estate(&self, estate: &Estate) -> Result<(), CacheError> {
        let path = self.writable("estate.json.zst")?;
        files::replace(&path, |out| estate::write(out, estate, std::iter::empty()))
    }

    /// Whose data this is, as last said.
    pub fn context(&self) -> Context {
        self.meta().context.clone()
    }

    /// Says whose data this is.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set_context(&self, context: Context) -> Result<(), CacheError> {
        self.writable("meta.json")?;
        self.meta().context = context;
        self.flush()
    }

    /// How fresh each segment is. A segment that lost findings has no mark: read this after [`Cache::load`].
    pub fn marks(&self) -> SweepMarks {
        self.meta().marks.clone()
    }

    /// Says how fresh each segment is; to be called after the findings are saved.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set_marks(&self, marks: SweepMarks) -> Result<(), CacheError> {
        self.writable("meta.json")?;
        self.meta().marks = marks;
        self.flush()
    }

    /// Writes the meta file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn flush(&self) -> Result<(), CacheError> {
        let path = self.writable("meta.json")?;
        let bytes = serde_json::to_vec_pretty(&*self.meta()).unwrap_or_default();
        files::replace(&path, |out| std::io::Write::write_all(out, &bytes))
    }

    fn meta(&self) -> MutexGuard<'_, meta::Meta> {
        self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<Place, segments::Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a file that may be written.
    fn writable(&self, name: &str) -> Result<PathBuf, CacheError> {
        let path = self.dir.join(name);
        match self.read_only {
            Some(why) => Err(CacheError::ReadOnly { path, why }),
            None => Ok(path),
        }
    }

    fn findings(&self) -> PathBuf {
        self.dir.join("findings")
    }

    fn dictionary(&self, id: u32) -> PathBuf {
        self.dir.join(format!("dictionary.{id:08x}"))
    }

    fn newest_dictionary(&self) -> Option<Vec<u8>> {
        let entries = std::fs::read_dir(&self.dir).ok()?.flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        let id = |name: String| u32::from_str_radix(name.strip_prefix("dictionary.")?, 16).ok();
        let mut ids: Vec<u32> = entries.filter_map(name).filter_map(id).collect();
        ids.sort_unstable();
        let whole = |id: u32| files::read(&self.dictionary(id)).ok().flatten().filter(|b| documents::dictionary_id(b) == id);
        ids.into_iter().rev().find_map(whole)
    }
}
