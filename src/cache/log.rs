//! The log of one segment: records one after another, only ever added to. It owns reading, adding and finding the whole
//! records again after a crash; a record's meaning is in [`crate::cache::documents`].

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::cache::documents::{HEAD, Head, Record};
use crate::cache::error::CacheError;
use crate::cache::files;

/// What a log starts with.
pub(crate) const MARK: &[u8; 8] = b"bartlog1";
/// Where the first record stands.
pub(crate) const START: u64 = 8;

/// Adds records at `end`, cutting off whatever a crash left behind it. What was there before stays whatever happens.
/// Gives where each record went.
pub(crate) fn add(path: &Path, end: u64, records: &[Record]) -> Result<Vec<u64>, CacheError> {
    let mut file = files::open(path)?;
    let mut bytes = Vec::with_capacity(records.iter().map(|r| r.0.len()).sum::<usize>() + MARK.len());
    if end == 0 {
        bytes.extend_from_slice(MARK);
    }
    let mut places = Vec::with_capacity(records.len());
    for record in records {
        places.push(end + bytes.len() as u64);
        bytes.extend_from_slice(&record.0);
    }
    let mut put = || -> io::Result<()> {
        let found = file.metadata()?.len();
        if found < end {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter"));
        }
        if found > end {
            file.set_len(end)?;
        }
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&bytes)
    };
    let done = put();
    if done.is_err() {
        // Taking back half a record needs no space; should it fail, the next opening or addition does it.
        let _ = file.set_len(end);
    }
    done.map_err(|e| CacheError::io("write", path, e)).map(|()| places)
}

/// Brings what was added onto the disk.
pub(crate) fn sync(path: &Path) -> Result<(), CacheError> {
    let file = files::open(path)?;
    file.sync_all().map_err(|e| CacheError::io("write", path, e))
}

/// Cuts a log off behind its last whole record.
pub(crate) fn cut(path: &Path, end: u64) -> Result<(), CacheError> {
    files::open(path)?.set_len(end).map_err(|e| CacheError::io("shorten", path, e))
}

/// What was found by [`Reader::scan`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Behind the last whole record.
    pub(crate) end: u64,
    /// Records whose bytes are not what was written, with whole ones behind them.
    pub(crate) damaged: usize,
}

/// An open log.
pub(crate) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    /// Where the next read begins.
    at: u64,
}

impl Reader {
    /// Opens a log. Its mark is a label for people: each record carries a sum of its own, and a cache of another format
    /// is not opened in the first place.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let open = || -> io::Result<(File, u64)> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|e| CacheError::io("read", path, e))?;
        if length < START {
            return Err(CacheError::damaged(path, "it has no records"));
        }
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), length, at: 0 })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The record at `place`, which must be whole and of `key`.
    pub(crate) fn record(&mut self, place: u64, key: u64) -> Result<Record, CacheError> {
        let (head, bytes) =
            self.take(place).map_err(|e| CacheError::io("read", &self.path, e))?.ok_or_else(|| self.torn(place))?;
        let record = Record::from_bytes(bytes).filter(|_| head.key == key && head.length > 0);
        record.ok_or_else(|| self.torn(place))
    }

    fn torn(&self, place: u64) -> CacheError {
        CacheError::damaged(&self.path, format!("there is no whole record of this finding at byte {place}"))
    }

    /// The bytes at `place` as long as their head says; none where the log ends before.
    fn take(&mut self, place: u64) -> io::Result<Option<(Head, Vec<u8>)>> {
        let room = |size: u64| place >= START && place.checked_add(size).is_some_and(|end| end <= self.length);
        if !room(HEAD as u64) {
            return Ok(None);
        }
        if place != self.at {
            // Within what is buffered this moves no file.
            let by = i64::try_from(place).ok().zip(i64::try_from(self.at).ok()).map(|(place, at)| place - at);
            self.at = u64::MAX;
            match by {
                Some(by) => self.file.seek_relative(by)?,
                None => self.file.seek(SeekFrom::Start(place)).map(drop)?,
            }
        }
        self.at = u64::MAX;
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head)?;
        let read = Head::read(&head);
        self.at = place + HEAD as u64;
        if !room(read.size()) {
            return Ok(None);
        }
        let mut bytes = vec![0; HEAD + read.length as usize];
        bytes[..HEAD].copy_from_slice(&head);
        self.at = u64::MAX;
        self.file.read_exact(&mut bytes[HEAD..])?;
        self.at = place + read.size();
        Ok(Some((read, bytes)))
    }

    /// Gives every whole record from `from` on, with its place.
    pub(crate) fn scan(&mut self, from: u64, each: &mut dyn FnMut(u64, Head)) -> Result<Scanned, CacheError> {
        let mut found = Scanned { end: from.max(START), damaged: 0 };
        let (mut at, mut bad) = (found.end, 0);
        while let Some((head, bytes)) = self.take(at).map_err(|e| CacheError::io("read", &self.path, e))? {
            if Record::from_bytes(bytes).is_some() {
                each(at, head);
                found = Scanned { end: at + head.size(), damaged: found.damaged + bad };
                bad = 0;
            } else {
                bad += 1;
            }
            at += head.size();
        }
        Ok(found)
    }
}
