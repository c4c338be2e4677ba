//! What can go wrong with the cache: what was tried, on which path, why it failed and what to do next. A console without
//! a cache still works, so none of these ends the program.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::estate::EstateError;

/// Why the cache could not do what was asked. What stood in it before still stands.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The system refused.
    #[error("could not {what} {path}: {source}; check who owns it and what is allowed there, or set XDG_CACHE_HOME to another place", path = path.display())]
    Io {
        /// `write`, `read`, …
        what: &'static str,
        /// Of which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No room, or over a quota or a size limit.
    #[error("could not {what} {path}: {source}; what was saved before is whole, free some space and refresh", path = path.display())]
    Full {
        /// `write`, `make`, …
        what: &'static str,
        /// Of which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache is of a later format. Nothing in it was touched.
    #[error("the cache in {path} was made by a newer bartizan (format {found}, this one knows {known}); update bartizan, or move the cache away", path = path.display())]
    Newer {
        /// The cache's directory.
        path: PathBuf,
        /// The format it says it has.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// A write to a cache that was opened for reading.
    #[error("cannot write {path}: {why}; this console keeps what is new in memory", path = path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
        /// Why it is read-only.
        why: ReadOnly,
    },
    /// A file of the cache is not as it was written.
    #[error("{path} is damaged: {what}; a refresh replaces it", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not hold.
        what: String,
    },
    /// The stored estate does not read back.
    #[error("could not read {path}: {source}; a refresh replaces it", path = path.display())]
    Estate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: EstateError,
    },
    /// A finding that cannot be packed.
    #[error("could not pack finding {key}: {why}; nothing was changed, leave it out and try again")]
    Pack {
        /// The finding's key.
        key: String,
        /// What failed.
        why: String,
    },
}

/// Why a cache is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadOnly {
    /// The directory may not be written.
    #[error("the cache may not be written by this user")]
    Refused,
    /// Another console writes to it.
    #[error("another console is using the cache")]
    InUse,
    /// The disk is full.
    #[error("there is no space left for the cache")]
    Full,
    /// The file system cannot lock files.
    #[error("the cache's file system has no file locks")]
    NoLocks,
}

impl CacheError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&source) { Self::Full { what, path, source } } else { Self::Io { what, path, source } }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Part of the cache that could not be used as it stood, and what became of it. Worth a line among the problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which file.
    pub path: PathBuf,
    /// What was wrong, and what was done.
    pub what: String,
    /// Whether findings may be missing until the next full sweep; its mark is gone so that one comes.
    pub lost: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}
