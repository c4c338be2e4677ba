//! New files for the user: never over one that is there, read by the user only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// In words for the screen.
pub(super) fn failed(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{} is already there; choose another name", path.display()),
        _ => format!("could not write {}: {error}", path.display()),
    }
}

/// Makes a new file.
pub(super) fn create(path: &Path) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| failed(path, &e))
}

/// Writes a text to a new file.
pub(super) fn save(text: &str, path: &Path) -> Result<(), String> {
    create(path)?.write_all(text.as_bytes()).map_err(|e| {
        // Half a file is worse than none.
        let _ = fs::remove_file(path);
        failed(path, &e)
    })
}
