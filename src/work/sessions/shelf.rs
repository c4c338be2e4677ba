//! Recordings on this machine: which session each is of, and whether its file is the one that the ledger knows. Small files
//! are looked at behind the screen, the newest first; large ones when somebody opens or plays them. It writes none.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::catalog::decided::Changed;
use crate::model::decision::Hash;
use crate::triage::sessions::{History, Kept, Seal};
use crate::work::change::Change;
use crate::work::library::Library;
use crate::work::sessions::left::{self, safe};

/// Bytes of recordings that are looked at unasked.
const UNASKED: u64 = 256 << 20;

/// The digest of a file, as the ledger has it.
///
/// # Errors
/// Where it cannot be read.
pub fn digest(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(Hash(hash.finalize().into()).to_string());
        }
        hash.update(&chunk[..read]);
    }
}

/// A file as it was when it was looked at.
type Look = (u64, Option<SystemTime>);

/// What was looked at already.
#[derive(Debug, Default)]
struct Shelf {
    digests: HashMap<PathBuf, (Look, String)>,
    unasked: u64,
}

impl Shelf {
    /// The recordings of these sessions.
    fn look(&mut self, directory: &Path, history: &History) -> BTreeMap<String, Kept> {
        let mut kept = BTreeMap::new();
        let Ok(entries) = fs::read_dir(directory) else { return kept };
        let sessions: HashMap<String, &str> = history.iter().map(|(id, _)| (safe(id), id)).collect();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // Names begin with the time: the newest first.
        paths.sort_unstable_by(|a, b| b.cmp(a));
        for path in paths {
            let Some(id) = session_of(&path, &sessions) else { continue };
            let sealed = history.told(id).and_then(|told| told.end.as_ref()).and_then(|end| end.recording.as_deref());
            let seal = match sealed {
                None => Seal::Open,
                Some(sealed) => self.check(&path, sealed),
            };
            kept.entry(id.to_owned()).or_insert(Kept { path, seal });
        }
        kept
    }

    fn check(&mut self, path: &Path, sealed: &str) -> Seal {
        let Ok(about) = fs::metadata(path) else { return Seal::Unchecked };
        let look = (about.len(), about.modified().ok());
        if self.digests.get(path).is_none_or(|(known, _)| *known != look) {
            if self.unasked + about.len() > UNASKED {
                return Seal::Unchecked;
            }
            self.unasked += about.len();
            let Ok(digest) = digest(path) else { return Seal::Unchecked };
            self.digests.insert(path.to_owned(), (look, digest));
        }
        let same = self.digests.get(path).is_some_and(|(_, digest)| digest == sealed);
        if same { Seal::Intact } else { Seal::Changed }
    }
}

/// The recordings of these sessions in a directory, looked at once.
pub fn look(directory: &Path, history: &History) -> BTreeMap<String, Kept> {
    Shelf::default().look(directory, history)
}

/// The session that a file is the recording of: `20260314T030700Z-NODE-SESSION.cast`, where both names may have hyphens.
fn session_of<'a>(path: &Path, sessions: &HashMap<String, &'a str>) -> Option<&'a str> {
    let name = path.file_name()?.to_str()?.strip_suffix(".cast")?;
    name.match_indices('-').find_map(|(at, _)| sessions.get(&name[at + 1..]).copied())
}

/// Looks for recordings whenever the ledger tells something new of sessions, until nobody wants to know any more.
pub async fn follow(library: Arc<Library>, directory: PathBuf, changes: mpsc::Sender<Change>) {
    let mut histories = library.histories();
    let mut shelf = Shelf::default();
    loop {
        let history = Arc::clone(&histories.borrow_and_update());
        let place = directory.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let kept = shelf.look(&place, &history);
            (shelf, kept, left::ids(&place))
        });
        let (kept, left) = match looked.await {
            Ok((looked, kept, left)) => {
                shelf = looked;
                (kept, left)
            }
            // A panic in there is a panic here: the hook has reported it.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        library.keep_recordings(kept);
        library.keep_left(left);
        // What the ledger told is shown with it.
        if changes.send(Change::Decided(Changed::Findings(Default::default()))).await.is_err() {
            return;
        }
        tokio::select! {
            changed = histories.changed() => if changed.is_err() { return },
            () = changes.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decision::{Actor, Decision, Draft, Entry, EntryId, Subject};
    use jiff::Timestamp;

    fn entry(id: &str, decision: Decision) -> Entry {
        let actor = Actor { arn: "arn:aws:iam::111122223333:user/jo".into(), os_user: "jo".into(), host: "h".into() };
        let (id, at) = (Subject::Session(id.into()), Timestamp::UNIX_EPOCH);
        let draft = Draft { id: EntryId([1; 16]), at, actor, subject: id, decision, reason: String::new() };
        let sequence = if matches!(draft.decision, Decision::SessionStart { .. }) { 1 } else { 2 };
        Entry { sequence, draft, previous: Hash::ZERO, hash: Hash::ZERO }
    }

    fn told(history: &mut History, id: &str, recording: Option<Option<String>>) {
        let (node, account, region, mode) = ("i-1".into(), "1".into(), "r".into(), "shell".into());
        let start =
            Decision::SessionStart { node, account, region, mode, detail: String::new(), document: String::new(), finding: None };
        history.take(&entry(id, start));
        if let Some(recording) = recording {
            let (outcome, said) = ("ended".into(), String::new());
            history.take(&entry(id, Decision::SessionEnd { outcome, recording, seconds: 1, received: 0, sent: 0, said }));
        }
    }

    #[test]
    fn each_recording_finds_its_session_and_is_held_against_the_ledger() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            digest(&path).unwrap()
        };
        assert_eq!(write("nothing", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let whole = write("20260314T030700Z-web-1-jo-0a1.cast", "whole");
        let before = write("20260314T030800Z-web-1-jo-0a2.cast", "before");
        write("20260314T030800Z-web-1-jo-0a2.cast", "after");
        write("20260314T030900Z-web-jo.k_ex-0a3.cast", "open");
        write("20260314T030900Z-web-someone-else.cast", "not ours");
        let mut history = History::default();
        told(&mut history, "jo-0a1", Some(Some(whole)));
        told(&mut history, "jo-0a2", Some(Some(before)));
        told(&mut history, "jo.k@ex-0a3", None);
        told(&mut history, "jo-0a4", Some(Some("0".repeat(64))));
        let mut shelf = Shelf::default();
        let kept = shelf.look(directory.path(), &history);
        let seals: Vec<(&str, Seal)> = kept.iter().map(|(id, kept)| (id.as_str(), kept.seal)).collect();
        assert_eq!(seals, [("jo-0a1", Seal::Intact), ("jo-0a2", Seal::Changed), ("jo.k@ex-0a3", Seal::Open)]);
        // What was read is not read again, but for a file that is another by now.
        let unasked = shelf.unasked;
        assert_eq!(shelf.look(directory.path(), &history), kept);
        assert_eq!(shelf.unasked, unasked);
        write("20260314T030700Z-web-1-jo-0a1.cast", "whole, and more");
        assert_eq!(shelf.look(directory.path(), &history)["jo-0a1"].seal, Seal::Changed);
        shelf.unasked = UNASKED;
        write("20260314T030700Z-web-1-jo-0a1.cast", "large");
        assert_eq!(shelf.look(directory.path(), &history)["jo-0a1"].seal, Seal::Unchecked);
        assert!(Shelf::default().look(Path::new("/nonexistent"), &history).is_empty());
    }
}
