//! The record of sessions: entries in the ledger at start and end, and recordings written as the session happens. It does
//! not decide whether one is recorded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::formats::asciicast::{Header, Reader, Recorder, Seal};
use crate::message::session::Size;
use crate::model::account::Caller;
use crate::model::decision::{Decision, Hash};
use crate::model::node::Machine;
use crate::ssm::plugin::{NAME, Plugin};
use crate::ssm::service::StartRequest;
use crate::terminal::Scene;
use crate::triage::sessions::History;
use crate::work::desk::Desk;
use crate::work::sessions::film::scene;
use crate::work::sessions::left::safe;

/// Pieces that may wait for the disk before the session waits too.
const WAITING: usize = 256;
/// Bytes at the end of a recording that are shown when it is gone on with.
const RECENT: u64 = 4 << 20;

/// How long a ledger that is being opened is waited for, and between two looks.
const OPENING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// The desk as it opens.
pub type AtDesk = Arc<OnceLock<Result<Arc<Desk>, String>>>;

/// How a session is told in the ledger.
#[derive(Debug, Clone)]
pub struct Told {
    pub machine: Machine,
    /// `shell`, `command`, `forward`, `proxy`.
    pub mode: &'static str,
    pub detail: String,
    pub document: String,
    pub reason: String,
    /// By its row's key.
    pub finding: Option<u64>,
}

/// The document of a session as the ledger has it: ECS Exec names its own.
pub fn document(machine: &Machine, request: &StartRequest) -> String {
    match &request.document {
        _ if machine.is_container() => "AmazonECS-ExecuteInteractiveCommand".to_owned(),
        document => document.clone().unwrap_or_default(),
    }
}

/// What was run, and who carried it where that was not this program.
pub fn detail(detail: &str, plugin: Option<&Plugin>) -> String {
    let carried = plugin.map(|plugin| format!("carried by {NAME} {}", plugin.version()));
    [Some(detail.to_owned()).filter(|d| !d.is_empty()), carried].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// How it ended.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// `ended`, `lost`, `terminated`, `failed`, `left`.
    pub outcome: &'static str,
    pub said: String,
    pub recording: Option<String>,
    pub took: Duration,
    pub received: u64,
    pub sent: u64,
}

/// The book that sessions are written into.
#[derive(Clone)]
pub struct Book(AtDesk);

impl Book {
    pub fn new(desk: AtDesk) -> Self {
        Self(desk)
    }

    fn desk(&self) -> Result<Arc<Desk>, String> {
        let desk = self.0.get().cloned().unwrap_or_else(|| Err("it is still being opened".into()));
        desk.map_err(|why| format!("The ledger does not take the session: {why}"))
    }

    /// Waits until the ledger is open: right after the start it may still be opening.
    ///
    /// # Errors
    /// In words, why there is no ledger: nothing may be opened then.
    pub async fn ready(&self) -> Result<(), String> {
        let until = Instant::now() + OPENING;
        while self.0.get().is_none() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        self.desk().map(drop)
    }

    /// What the ledger says of sessions.
    ///
    /// # Errors
    /// In words, why there is no ledger.
    pub fn history(&self) -> Result<Arc<History>, String> {
        let desk = self.0.get().cloned().unwrap_or_else(|| Err("the ledger is still being opened: try again in a moment".into()));
        desk.map(|desk| desk.library().history())
    }

    async fn write(&self, caller: &Caller, id: &str, decision: Decision, reason: &str) -> Result<(), String> {
        let desk = self.desk()?;
        let written = desk.session(caller, id, decision, reason).await;
        written.map_err(|error| format!("The ledger does not take the session: {error}"))
    }

    /// Writes a session's start. Where this fails there must be no session.
    ///
    /// # Errors
    /// In words, why the ledger does not take it.
    pub async fn start(&self, caller: &Caller, id: &str, told: &Told) -> Result<(), String> {
        let mut finding = None;
        if let Some(key) = told.finding {
            let library = Arc::clone(self.desk()?.library());
            let read = tokio::task::spawn_blocking(move || library.read().some(&[key])).await;
            // A finding that is gone by now is not named; the reason still says what it was.
            finding = read.ok().and_then(Result::ok).and_then(|found| found.first().map(|(finding, _)| finding.key));
        }
        let decision = Decision::SessionStart {
            node: told.machine.id.clone(),
            account: told.machine.account.clone(),
            region: told.machine.region.clone(),
            mode: told.mode.to_owned(),
            detail: told.detail.clone(),
            document: told.document.clone(),
            finding,
        };
        self.write(caller, id, decision, &told.reason).await
    }

    /// Writes a session's end.
    ///
    /// # Errors
    /// In words, why the ledger does not take it.
    pub async fn end(&self, caller: &Caller, id: &str, ended: Ended) -> Result<(), String> {
        // JSON's numbers are whole up to 2^53 in the ledger's form.
        let bytes = |n: u64| n.min((1 << 53) - 1);
        let decision = Decision::SessionEnd {
            outcome: ended.outcome.to_owned(),
            recording: ended.recording,
            seconds: ended.took.as_secs(),
            received: bytes(ended.received),
            sent: bytes(ended.sent),
            said: ended.said.chars().take(1_000).collect(),
        };
        self.write(caller, id, decision, "").await
    }
}

#[derive(Debug)]
enum Piece {
    Output(Duration, Bytes),
    Input(Duration, Vec<u8>),
    Resize(Duration, Size),
    Marker(Duration, String),
}

/// A recording under way. Clones write into the same one.
#[derive(Clone)]
pub struct Writer {
    pieces: mpsc::Sender<Piece>,
    clock: Clock,
}

/// Time in a recording, which may have been under way before.
#[derive(Debug, Clone, Copy)]
struct Clock {
    since: Instant,
    before: Duration,
}

impl Clock {
    fn now(self) -> Duration {
        self.before.saturating_add(self.since.elapsed())
    }
}

/// The other end of a recording: its file, and its seal when all writers are gone.
pub struct Recording {
    pub path: PathBuf,
    written: JoinHandle<io::Result<Seal>>,
}

/// Begins a recording in a directory of the user's own; nobody else may read it.
///
/// # Errors
/// In words, where the file cannot be made.
pub fn begin(
    directory: &Path,
    machine: &Machine,
    session_id: &str,
    (columns, rows): Size,
    keystrokes: bool,
) -> Result<(Writer, Recording), String> {
    let now = Timestamp::now();
    let name = |more: &str| {
        directory.join(format!("{}{more}-{}-{}.cast", now.strftime("%Y%m%dT%H%M%SZ"), safe(&machine.name), safe(session_id)))
    };
    let failed = |path: &Path, error: io::Error| {
        format!("The session must be recorded, and {} cannot be written: {error}; see sessions.recordings.", path.display())
    };
    let mut path = name("");
    fs::create_dir_all(directory).map_err(|e| failed(&path, e))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A second recording of one session, in the same second.
            path = name(".1");
            options.open(&path)
        }
        opened => opened,
    };
    let file = file.map_err(|e| failed(&path, e))?;
    let title = format!("{} in {}", machine.name, machine.account_name);
    let header = Header::new(columns, rows, u64::try_from(now.as_second()).unwrap_or(0), &title);
    let recorder = Recorder::new(BufWriter::new(file), &header, keystrokes).map_err(|e| failed(&path, e))?;
    Ok(write(recorder, Clock { since: Instant::now(), before: Duration::ZERO }, path))
}

/// Goes on with a recording that was ended, or cut off where what wrote it was killed: a line that was cut goes. `same` says
/// whether the file is still what it was; else none is gone on with. What was on the screen is told, from a blank screen on.
///
/// # Errors
/// The file cannot be read or written, or is no recording.
pub fn go_on(
    path: &Path,
    keystrokes: bool,
    same: impl Fn([u8; 32]) -> bool,
    mut feed: impl FnMut(u16, u16, Option<Scene>),
) -> Result<Option<(Writer, Recording)>, Box<dyn std::error::Error>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut reader = Reader::new(BufReader::new(File::open(path)?))?;
    let mut last = Duration::ZERO;
    let header = reader.header().clone();
    while let Some(event) = reader.event()? {
        last = event.at;
    }
    let whole = reader.offset();
    let mut sha = Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    let mut rest = file.by_ref().take(whole);
    loop {
        let read = rest.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        sha.update(&chunk[..read]);
    }
    if !same(sha.clone().finalize().into()) {
        return Ok(None);
    }
    let mut reader = Reader::new(BufReader::new(File::open(path)?))?;
    feed(header.width, header.height, None);
    while let Some(event) = reader.event()? {
        // Of a long one the end will do.
        let recent = reader.offset() + RECENT >= whole;
        match scene(event) {
            Some((_, Scene::Output(_))) if !recent => {}
            Some((_, scene)) => feed(header.width, header.height, Some(scene)),
            None => {}
        }
    }
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    // By the clock on the wall, because nobody counted meanwhile.
    let began = header.timestamp.and_then(|at| i64::try_from(at).ok());
    let passed = began.and_then(|at| u64::try_from(Timestamp::now().as_second() - at).ok()).map_or(last, Duration::from_secs);
    let recorder = Recorder::going_on(BufWriter::new(file), (sha, whole), last, keystrokes);
    Ok(Some(write(recorder, Clock { since: Instant::now(), before: passed.max(last) }, path.to_owned())))
}

/// Writes what comes, on a thread of its own.
fn write(mut recorder: Recorder<BufWriter<File>>, clock: Clock, path: PathBuf) -> (Writer, Recording) {
    let (pieces, mut queue) = mpsc::channel(WAITING);
    let written = tokio::task::spawn_blocking(move || {
        loop {
            let piece = match queue.try_recv() {
                Ok(piece) => piece,
                Err(_) => {
                    // What has happened is on the disk before the next thing is waited for.
                    recorder.flush()?;
                    let Some(piece) = queue.blocking_recv() else { break };
                    piece
                }
            };
            match piece {
                Piece::Output(at, bytes) => recorder.output(at, &bytes)?,
                Piece::Input(at, bytes) => recorder.input(at, &bytes)?,
                Piece::Resize(at, (columns, rows)) => recorder.resize(at, columns, rows)?,
                Piece::Marker(at, text) => recorder.marker(at, &text)?,
            }
        }
        let (seal, file) = recorder.finish(clock.now())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(seal)
    });
    (Writer { pieces, clock }, Recording { path, written })
}

impl Writer {
    async fn put(&self, piece: Piece) -> Result<(), String> {
        self.pieces.send(piece).await.map_err(|_| "the recording could not be written".to_owned())
    }
    /// Output of the node.
    ///
    /// # Errors
    /// The recording is broken: the disk is full, for example.
    pub async fn output(&self, bytes: Bytes) -> Result<(), String> {
        self.put(Piece::Output(self.clock.now(), bytes)).await
    }
    /// What was typed; kept only where that is configured.
    ///
    /// # Errors
    /// As [`Writer::output`].
    pub async fn input(&self, bytes: Vec<u8>) -> Result<(), String> {
        self.put(Piece::Input(self.clock.now(), bytes)).await
    }
    /// Another size; left out where the disk lags behind.
    pub fn resize(&self, size: Size) {
        let _ = self.pieces.try_send(Piece::Resize(self.clock.now(), size));
    }
    /// A remark; left out where the disk lags behind.
    pub fn marker(&self, text: &str) {
        let _ = self.pieces.try_send(Piece::Marker(self.clock.now(), text.to_owned()));
    }
}

impl Recording {
    /// Waits until everything is on the disk; the file's digest. All writers have to be gone.
    ///
    /// # Errors
    /// In words, what kept it from being written.
    pub async fn seal(self) -> Result<String, String> {
        match self.written.await {
            Ok(Ok(seal)) => Ok(Hash(seal.sha256).to_string()),
            Ok(Err(error)) => Err(format!("the recording {} could not be written: {error}", self.path.display())),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
