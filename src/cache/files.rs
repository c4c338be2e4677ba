//! Private files: directories 0700, files 0600, whole or not at all. It owns modes, locks and atomic replacement; it does
//! not know what is in the files.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cache::error::{CacheError, ReadOnly, is_full};

/// Makes a directory and what is missing above it, for the user's eyes only.
pub(crate) fn make_dir(path: &Path) -> Result<(), CacheError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| CacheError::io("make", path, e))
}

/// Takes others' rights to a directory away, where it is ours.
pub(crate) fn make_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A directory of another owner is that owner's to open up.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Options for a file that only its owner reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a file to read and write, making it where it is missing.
pub(crate) fn open(path: &Path) -> Result<File, CacheError> {
    private().read(true).write(true).create(true).truncate(false).open(path).map_err(|e| CacheError::io("open", path, e))
}

/// Writes a file whole: beside its place, onto the disk, then into its place. A crash leaves the old one or the new one.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), CacheError> {
    let beside = beside(path);
    let put = || -> io::Result<()> {
        let file = private().write(true).create(true).truncate(true).open(&beside)?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&beside, path)
    };
    put().map_err(|e| {
        let _ = fs::remove_file(&beside);
        CacheError::io("write", path, e)
    })?;
    sync_dir(path.parent().unwrap_or(path));
    Ok(())
}

/// Where a file is written before it takes its place.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

/// Brings a directory's names onto the disk. Not every file system can; the files themselves are there already.
pub(crate) fn sync_dir(path: &Path) {
    if let Ok(dir) = File::open(path) {
        let _ = dir.sync_all();
    }
}

/// The file's bytes; none where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, CacheError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(CacheError::io("read", path, e)),
    }
}

/// The writer's lock, or why there is none to have.
pub(crate) fn lock(path: &Path) -> Result<File, ReadOnly> {
    let file = private()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| if is_full(&e) { ReadOnly::Full } else { ReadOnly::Refused })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReadOnly::InUse),
        Err(TryLockError::Error(_)) => Err(ReadOnly::NoLocks),
    }
}

/// A reader's lock: while it is held, no file that it may read goes away. None where it cannot be had.
pub(crate) fn share(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// A short name of some bytes, against accidents: FNV-1a.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
