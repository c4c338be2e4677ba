//! Sessions that somebody may take up again: for each that is open here a note beside its recording, true at every moment, so that it
//! is right however the program ends. A note says which session it is and where its data channel stands; it holds no token, no
//! key and nothing that was typed. Whoever has the session open holds the note's lock, which goes with the process.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::model::node::Machine;
use crate::ssm::standing::Standing;

/// The end of a note's file name.
const END: &str = ".session";
/// Longest note that is read.
const MOST: u64 = 64 << 10;
/// A note's length is a multiple of this, so that a newer one covers an older one whole.
const BLOCK: usize = 512;
/// A note that nobody holds and that is older than this is of a session that AWS has ended long ago.
const OLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is noted of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// 1.
    version: u32,
    /// AWS's id.
    pub session: String,
    pub account: String,
    pub account_name: String,
    pub region: String,
    /// The node's id, or the container's.
    pub node: String,
    /// What people call it.
    pub name: String,
    /// One command, rather than a shell.
    pub command: bool,
    /// The file of its recording, where there is one.
    pub recording: Option<PathBuf>,
    pub standing: Standing,
}

impl Note {
    /// The machine as the note knows it: its account is not classified there.
    pub fn machine(&self) -> Machine {
        Machine {
            account: self.account.clone(),
            account_name: self.account_name.clone(),
            region: self.region.clone(),
            id: self.node.clone(),
            name: self.name.clone(),
            environment: None,
        }
    }

    fn read(file: &mut File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(MOST).read_to_end(&mut bytes)?;
        let note: Self = serde_json::from_slice(&bytes)?;
        if note.version != 1 || !note.standing.is_sound() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not as this version writes notes"));
        }
        Ok(note)
    }
}

/// Holds a session's note: nobody else can take the session up meanwhile.
pub struct Holder {
    path: PathBuf,
    inside: Mutex<Inside>,
}

struct Inside {
    /// None until there is something to note.
    file: Option<File>,
    /// All but the standing.
    note: Note,
}

/// The part of a file's name that names a session or a node.
pub fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).take(80).collect()
}

fn path(directory: &Path, session: &str) -> PathBuf {
    directory.join(format!("{}{END}", safe(session)))
}

fn open(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(new).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Holder {
    /// For a session that begins. Nothing is written before [`Holder::keep`].
    pub fn new(directory: &Path, session: &str, machine: &Machine, command: bool, recording: Option<&Path>) -> Self {
        let note = Note {
            version: 1,
            session: session.to_owned(),
            account: machine.account.clone(),
            account_name: machine.account_name.clone(),
            region: machine.region.clone(),
            node: machine.id.clone(),
            name: machine.name.clone(),
            command,
            recording: recording.map(Path::to_owned),
            standing: Standing { client: String::new(), unsure: 0, unused: 0, expected: 0, exact: false },
        };
        Self { path: path(directory, session), inside: Mutex::new(Inside { file: None, note }) }
    }

    /// It is recorded there from now on.
    pub fn recorded(&self, recording: Option<&Path>) {
        self.lock().note.recording = recording.map(Path::to_owned);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where the session stands, or that nobody can take it up any more. One small write to a file that is open; what goes
    /// wrong costs the way back, not the session.
    pub fn keep(&self, standing: Option<&Standing>) {
        let mut inside = self.lock();
        let done = match standing {
            Some(standing) => {
                inside.note.standing = standing.clone();
                inside.write(&self.path)
            }
            None => {
                inside.file = None;
                match fs::remove_file(&self.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        };
        if let Err(error) = done {
            tracing::warn!(path = %self.path.display(), %error, "a session's note could not be written");
        }
    }
}

/// A holder that is made once AWS has named the session; what is to be noted before waits for it.
#[derive(Default)]
pub struct Pending(Mutex<(Option<Holder>, Option<Standing>)>);

impl Pending {
    /// As [`Holder::keep`].
    pub fn keep(&self, standing: Option<&Standing>) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &inside.0 {
            Some(holder) => holder.keep(standing),
            None => inside.1 = standing.cloned(),
        }
    }

    /// It is made.
    pub fn fill(&self, holder: Holder) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = inside.1.take() {
            holder.keep(Some(&standing));
        }
        inside.0 = Some(holder);
    }
}

impl Inside {
    fn write(&mut self, path: &Path) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory)?;
                }
                let file = open(path, true)?;
                file.try_lock().map_err(io::Error::from)?;
                self.file.insert(file)
            }
        };
        let mut text = serde_json::to_vec(&self.note)?;
        text.resize(text.len().next_multiple_of(BLOCK), b' ');
        file.seek(SeekFrom::Start(0))?;
        // In one write: what is killed on the way leaves the old note or the new one.
        file.write_all(&text)?;
        file.set_len(text.len() as u64)
    }
}

/// Takes a session's note, to take the session up.
///
/// # Errors
/// In words: there is none here, it cannot be read, or another program has the session open.
pub fn take(directory: &Path, session: &str) -> Result<(Note, Holder), String> {
    let path = path(directory, session);
    let failed = |error: &dyn std::fmt::Display| format!("The note {} cannot be read: {error}", path.display());
    let mut file = match open(&path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!(
                "{session} cannot be taken up here: it has ended, is encrypted, or was opened on another machine."
            ));
        }
        Err(error) => return Err(failed(&error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(format!("{session} is open in another bartizan on this machine.")),
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    let note = Note::read(&mut file).map_err(|error| failed(&error))?;
    if note.session != session {
        return Err(failed(&"it is of another session"));
    }
    let inside = Mutex::new(Inside { file: Some(file), note: note.clone() });
    Ok((note, Holder { path, inside }))
}

/// The notes in a directory that nobody holds: sessions that can be taken up, if AWS still has them.
pub fn look(directory: &Path) -> Vec<Note> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let notes = paths.filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(END)));
    let mut found: Vec<Note> = notes.filter_map(|path| free(&path)).collect();
    found.sort_by(|a, b| a.session.cmp(&b.session));
    found
}

/// Their sessions' ids.
pub fn ids(directory: &Path) -> BTreeSet<String> {
    look(directory).into_iter().map(|note| note.session).collect()
}

/// A note that nobody holds. One that is too old to be true goes.
fn free(path: &Path) -> Option<Note> {
    let mut file = open(path, false).ok()?;
    // Shared: two that look are not in each other's way.
    file.try_lock_shared().ok()?;
    let about = file.metadata().ok()?;
    if about.modified().is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > OLD)) {
        // Where it cannot be removed it is looked at again next time.
        let _ = fs::remove_file(path);
        return None;
    }
    Note::read(&mut file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            account: "111122223333".into(),
            account_name: "payments-prod".into(),
            region: "eu-west-1".into(),
            id: "i-1".into(),
            name: "web".into(),
            environment: None,
        }
    }

    fn standing(unused: i64) -> Standing {
        Standing { client: "c".into(), unsure: 3, unused, expected: 9, exact: false }
    }

    #[test]
    fn a_note_is_held_by_one_and_outlives_whoever_held_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("recordings");
        let holder = Holder::new(&at, "jo-0a1", &machine(), false, None);
        assert!(look(&at).is_empty() && !at.exists(), "nothing is written before there is something to note");
        holder.keep(Some(&standing(300)));
        assert!(look(&at).is_empty(), "it is held");
        assert!(take(&at, "jo-0a1").err().unwrap().contains("is open in another bartizan"));
        holder.recorded(Some(Path::new("x.cast")));
        holder.keep(Some(&standing(7)));
        drop(holder);
        assert_eq!(ids(&at), BTreeSet::from(["jo-0a1".to_owned()]));
        let (note, held) = take(&at, "jo-0a1").unwrap();
        assert_eq!((&note.standing, note.recording.as_deref()), (&standing(7), Some(Path::new("x.cast"))));
        assert_eq!(note.machine(), machine());
        held.keep(None);
        assert!(take(&at, "jo-0a1").err().unwrap().contains("cannot be taken up here"));
        assert!(look(&at).is_empty() && fs::read_dir(&at).unwrap().next().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_note_is_its_owners_alone_and_says_nothing_secret() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let holder = Holder::new(directory.path(), "jo-0a1", &machine(), false, None);
        holder.keep(Some(&standing(7)));
        let path = path(directory.path(), "jo-0a1");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.iter().copied().collect::<BTreeSet<_>>(),
            BTreeSet::from([
                "account",
                "account_name",
                "command",
                "name",
                "node",
                "recording",
                "region",
                "session",
                "standing",
                "version"
            ])
        );
    }

    #[test]
    fn what_was_to_be_noted_before_the_session_had_a_name_is_noted_then() {
        let directory = tempfile::tempdir().unwrap();
        let pending = Pending::default();
        pending.keep(Some(&standing(7)));
        pending.fill(Holder::new(directory.path(), "jo-0a1", &machine(), false, None));
        drop(pending);
        assert_eq!(look(directory.path())[0].standing, standing(7));
    }

    #[test]
    fn what_is_no_note_of_ours_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("a", ""), ("b", "{}"), ("c", "nonsense")] {
            fs::write(path(directory.path(), name), text).unwrap();
            assert!(take(directory.path(), name).err().unwrap().contains("cannot be read"), "{name}");
        }
        let holder = Holder::new(directory.path(), "d", &machine(), true, None);
        holder.keep(Some(&Standing { unused: 2, ..standing(0) }));
        drop(holder);
        assert!(take(directory.path(), "d").err().unwrap().contains("cannot be read"), "its numbers are of no session");
        assert!(look(directory.path()).is_empty());
    }
}
