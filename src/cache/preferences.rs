//! What the user chose, view by view: one small JSON file beside the state of other programs. It owns reading and
//! writing it; what is in it is the console's.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::error::CacheError;
use crate::cache::files;

/// Reads preferences; none where there are none yet.
///
/// # Errors
/// When the file cannot be read, or is not what this build writes; the caller then starts from its defaults.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CacheError> {
    let Some(bytes) = files::read(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| CacheError::damaged(path, e.to_string()))
}

/// Writes preferences whole, making the directory where it is missing.
///
/// # Errors
/// Those of the file system.
pub fn write<T: Serialize>(path: &Path, preferences: &T) -> Result<(), CacheError> {
    if let Some(dir) = path.parent() {
        files::make_dir(dir)?;
    }
    files::replace(path, |out| serde_json::to_writer_pretty(out, preferences).map_err(Into::into))
}
