//! What is set up before any command: the panic hook and the log file.

use std::backtrace::Backtrace;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

use crate::cli::setup::directories;
use crate::console::screen;

/// A panic gives the terminal back and leaves a report; what is traced goes to a file where BARTIZAN_LOG asks for it.
pub fn hooks() {
    std::panic::set_hook(Box::new(|panic| {
        screen::leave();
        let place = panic.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        // The message may quote data; the report names the place and the way there, nothing else.
        let report = format!(
            "bartizan {} stopped{place}, {} UTC\n\n{}\n",
            env!("CARGO_PKG_VERSION"),
            Timestamp::now().strftime("%Y-%m-%d %H:%M:%S"),
            Backtrace::force_capture()
        );
        let kept = write_report(&report);
        let words = match kept {
            Some(path) => format!("a report without data is in {}", path.display()),
            None => report,
        };
        eprintln!("bartizan stopped by a fault of its own{place}; {words}");
    }));
    if let Ok(filter) = EnvFilter::try_from_env("BARTIZAN_LOG")
        && let Some(file) = log_file()
    {
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(Mutex::new(file)).with_ansi(false).finish();
        // A second subscriber is refused; then the first goes on.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

fn state_dir() -> Option<PathBuf> {
    let dirs = directories()?;
    let dir = dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned();
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir)
}

fn private(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(append).write(true).truncate(!append);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_report(report: &str) -> Option<PathBuf> {
    let path = state_dir()?.join("panic.txt");
    private(&path, false).and_then(|mut file| file.write_all(report.as_bytes())).ok()?;
    Some(path)
}

fn log_file() -> Option<File> {
    private(&state_dir()?.join("bartizan.log"), true).ok()
}
