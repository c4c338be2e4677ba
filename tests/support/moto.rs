//! Moto, the part of the test cloud that is Python: makes sure the pinned server is installed, starts one, ends it.
//!
//! It owns the environment under `target/testcloud` and the process. It knows nothing of requests (see `front`).

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The pinned packages; their digest names the environment.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Runs the server and ends with its parent.
const LAUNCHER: &str = include_str!("launch.py");
/// Makes the environment, with or without the `ensurepip` module.
const INSTALLER: &str = include_str!("install.py");
/// How long a server may take to listen. It takes about a second; a machine busy compiling gets the rest.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The Python that has moto, installed if needed: for tests that want moto's data and no server.
///
/// # Errors
/// As [`Moto::start`].
pub fn python() -> Result<PathBuf, String> {
    install().map(|home| python_of(&home))
}

/// A running moto server. Ends when dropped, and when the test process ends in any other way.
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Installs moto if needed and starts a server on a free loopback port.
    ///
    /// # Errors
    /// A message that says what was tried, why it failed and what to do.
    pub fn start(managed_policies: bool) -> Result<Self, String> {
        let home = install()?;
        let python = python_of(&home);
        let mut child = Command::new(&python)
            .arg("-c")
            .arg(LAUNCHER)
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", if managed_policies { "true" } else { "false" })
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("MOTO_PORT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("test cloud: cannot run {}: {e}. Remove {} and try again.", python.display(), home.display()))?;
        let complaints = keep_tail(child.stderr.take());
        let (say, heard) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut line = String::new();
                let _ = BufReader::new(stdout).read_line(&mut line);
                let _ = say.send(line);
            });
        }
        let line = heard.recv_timeout(START_LIMIT).unwrap_or_default();
        let mut moto = Self { child, port: 0 };
        match line.strip_prefix("PORT ").and_then(|n| n.trim().parse().ok()) {
            Some(port) => {
                moto.port = port;
                Ok(moto)
            }
            None => {
                let _ = moto.child.kill();
                let _ = moto.child.wait();
                let said = complaints.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
                Err(format!(
                    "test cloud: moto did not say its port within {} s (it said {line:?}). Remove {} to install it anew. \
                     Its last words:\n{said}",
                    START_LIMIT.as_secs(),
                    home.display()
                ))
            }
        }
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end in a thread, so the child never blocks on it; sends the last 4 kB when it ends.
fn keep_tail(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    if let Some(mut stream) = stream {
        std::thread::spawn(move || {
            let mut tail: Vec<u8> = Vec::new();
            let mut piece = [0u8; 4096];
            while let Ok(n) = stream.read(&mut piece) {
                if n == 0 {
                    break;
                }
                tail.extend_from_slice(&piece[..n]);
                let surplus = tail.len().saturating_sub(4096);
                tail.drain(..surplus);
            }
            let _ = send.send(String::from_utf8_lossy(&tail).into_owned());
        });
    }
    receive
}

/// `target/testcloud`, whatever the target directory is called.
fn root() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).join("testcloud")
}

fn python_of(home: &Path) -> PathBuf {
    if cfg!(windows) { home.join("Scripts").join("python.exe") } else { home.join("bin").join("python") }
}

/// Makes sure the environment of the pinned packages exists, and returns its folder.
///
/// Many test binaries may ask at once: a lock file lets one install while the others wait. The stamp is written last, so a
/// half-made environment is never taken for a whole one.
fn install() -> Result<PathBuf, String> {
    let root = root();
    let digest = Sha256::digest([REQUIREMENTS, INSTALLER].concat());
    let home = root.join(format!("moto-{}", digest.iter().take(6).map(|b| format!("{b:02x}")).collect::<String>()));
    let stamp = home.join("complete");
    if stamp.exists() {
        return Ok(home);
    }
    let failed = |what: &str, why: &dyn std::fmt::Display, todo: &str| {
        format!("test cloud: could not install the pinned moto server (tests/support/requirements.txt): {what}: {why}. {todo}")
    };
    let disk = "Make sure the target directory can be written and is not full";
    fs::create_dir_all(&root).map_err(|e| failed(&format!("creating {}", root.display()), &e, disk))?;
    let lock_path = root.join("install.lock");
    let lock = File::create(&lock_path).map_err(|e| failed(&format!("creating {}", lock_path.display()), &e, disk))?;
    lock.lock().map_err(|e| failed(&format!("locking {}", lock_path.display()), &e, disk))?;
    if stamp.exists() {
        return Ok(home);
    }
    if home.exists() {
        fs::remove_dir_all(&home).map_err(|e| failed(&format!("removing the half-made {}", home.display()), &e, disk))?;
    }
    eprintln!("test cloud: installing the pinned moto server into {} (once: 10 s to a minute)", home.display());
    let pins = root.join(format!("{}.txt", home.file_name().unwrap_or_default().to_string_lossy()));
    fs::write(&pins, REQUIREMENTS).map_err(|e| failed(&format!("writing {}", pins.display()), &e, disk))?;
    let made = Command::new("python3")
        .arg("-c")
        .arg(INSTALLER)
        .arg(&home)
        .arg(&pins)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed("running python3", &e, "Install Python 3.10 or later and have `python3` on the PATH"))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        let said: String = said.trim().chars().skip(said.trim().chars().count().saturating_sub(3000)).collect();
        let todo = "pip's own settings (PIP_INDEX_URL, PIP_CERT, PIP_FIND_LINKS, pip.conf) are respected: \
                    check them, and that the package index can be reached";
        return Err(failed(&format!("python3 ended with {}", made.status), &said, todo));
    }
    fs::write(&stamp, b"").map_err(|e| failed(&format!("writing {}", stamp.display()), &e, disk))?;
    Ok(home)
}
