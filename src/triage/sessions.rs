//! What the ledger says of sessions: who opened which, where and why, how it ended, and the digest of its recording. What is
//! known of the recordings' files on this machine stands beside it; they are looked for elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::decision::{Decision, Entry, Subject};
use crate::model::finding::FindingKey;

/// A session as the ledger tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The node's id.
    pub node: String,
    pub account: String,
    pub region: String,
    /// `shell`, `command`, `forward`, `proxy`.
    pub mode: String,
    pub detail: String,
    pub document: String,
    pub reason: String,
    /// The ARN of who opened it, and the machine it was opened on.
    pub actor: String,
    pub host: String,
    pub finding: Option<FindingKey>,
    pub began: Timestamp,
    /// It was left, or whatever ran it was killed, and somebody went on with it: each time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Again>,
    /// None while it runs, or where whatever ran it was killed.
    pub end: Option<Ended>,
}

/// Somebody went on with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Again {
    pub at: Timestamp,
    pub actor: String,
    pub host: String,
    pub reason: String,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub at: Timestamp,
    /// `ended`, `lost`, `terminated`, `failed`, `left`.
    pub outcome: String,
    pub said: String,
    /// Of all times it was open, together.
    pub seconds: u64,
    /// Bytes from the node and to it.
    pub received: u64,
    pub sent: u64,
    /// SHA-256 of its recording, where there is one.
    pub recording: Option<String>,
}

/// A recording on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub path: PathBuf,
    pub seal: Seal,
}

/// Whether a recording is what the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// The ledger knows no digest yet: it is being written, or whatever wrote it was killed.
    Open,
    /// Nobody has looked yet.
    Unchecked,
    Intact,
    /// The file is not the one that was sealed.
    Changed,
}

impl Seal {
    /// In a word, as rows have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "unsealed",
            Self::Unchecked => "unchecked",
            Self::Intact => "intact",
            Self::Changed => "changed",
        }
    }
}

/// What an entry tells of a session.
#[derive(Debug, Clone)]
enum Event {
    Start(Box<Told>),
    End(Ended),
}

/// One session: what its entries tell, in their order, and what that adds up to.
#[derive(Debug, Clone, Default)]
struct Thread {
    events: BTreeMap<u64, Event>,
    told: Option<Arc<Told>>,
}

/// All sessions that the ledger tells of, by AWS's id. Copies share what they hold.
#[derive(Debug, Clone, Default)]
pub struct History {
    threads: BTreeMap<String, Arc<Thread>>,
    kept: BTreeMap<String, Kept>,
    left: BTreeSet<String>,
}

impl History {
    /// Takes an entry, an older or a known one too; whether it told anything new.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let Subject::Session(id) = &entry.subject else { return false };
        let event = match &entry.decision {
            Decision::SessionStart { node, account, region, mode, detail, document, finding } => Event::Start(Box::new(Told {
                node: node.clone(),
                account: account.clone(),
                region: region.clone(),
                mode: mode.clone(),
                detail: detail.clone(),
                document: document.clone(),
                reason: entry.reason.clone(),
                actor: entry.actor.arn.clone(),
                host: entry.actor.host.clone(),
                finding: *finding,
                began: entry.at,
                again: Vec::new(),
                end: None,
            })),
            Decision::SessionEnd { outcome, recording, seconds, received, sent, said } => Event::End(Ended {
                at: entry.at,
                outcome: outcome.clone(),
                said: said.clone(),
                seconds: *seconds,
                received: *received,
                sent: *sent,
                recording: recording.clone(),
            }),
            _ => return false,
        };
        let thread = Arc::make_mut(self.threads.entry(id.clone()).or_default());
        if thread.events.contains_key(&entry.sequence) {
            return false;
        }
        thread.events.insert(entry.sequence, event);
        let told = fold(thread.events.values()).map(Arc::new);
        let news = told != thread.told;
        thread.told = told;
        news
    }

    /// Takes what was found of recordings; whether it differs from what was known.
    pub fn keep(&mut self, kept: BTreeMap<String, Kept>) -> bool {
        let other = self.kept != kept;
        self.kept = kept;
        other
    }

    /// Takes which sessions can be taken up on this machine, if AWS still has them; whether that is another answer than before.
    pub fn leave(&mut self, left: BTreeSet<String>) -> bool {
        let other = self.left != left;
        self.left = left;
        other
    }

    /// Whether a session that nobody has open can be taken up on this machine.
    pub fn is_left(&self, id: &str) -> bool {
        self.left.contains(id)
    }

    /// What the ledger says of a session.
    pub fn told(&self, id: &str) -> Option<&Arc<Told>> {
        self.threads.get(id).and_then(|thread| thread.told.as_ref())
    }

    /// A session's recording on this machine.
    pub fn kept(&self, id: &str) -> Option<&Kept> {
        self.kept.get(id)
    }

    /// Every session, by its id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Told>)> {
        self.threads.iter().filter_map(|(id, thread)| Some((id.as_str(), thread.told.as_ref()?)))
    }

    /// The word for a session's recording: empty where it was not recorded.
    pub fn recording(&self, id: &str) -> &'static str {
        let sealed = self.told(id).and_then(|told| told.end.as_ref()).is_some_and(|end| end.recording.is_some());
        match self.kept(id) {
            Some(kept) => kept.seal.word(),
            None if sealed => ELSEWHERE,
            None => "",
        }
    }
}

/// What a session's entries add up to. An end without a start tells of nothing.
fn fold<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Told> {
    let mut told: Option<Told> = None;
    // What it took before it was taken up again.
    let (mut before, mut sealed): ([u64; 3], Option<String>) = ([0; 3], None);
    for event in events {
        match (event, &mut told) {
            (Event::Start(start), None) => told = Some((**start).clone()),
            (Event::Start(start), Some(told)) => {
                if let Some(end) = told.end.take() {
                    (before, sealed) = ([end.seconds, end.received, end.sent], end.recording);
                }
                let Told { actor, host, reason, began, .. } = (**start).clone();
                told.again.push(Again { at: began, actor, host, reason });
            }
            (Event::End(_), None) => {}
            (Event::End(end), Some(told)) => match &mut told.end {
                None => {
                    let mut end = end.clone();
                    end.seconds += before[0];
                    end.received += before[1];
                    end.sent += before[2];
                    end.recording = end.recording.or_else(|| sealed.clone());
                    told.end = Some(end);
                }
                // It was left, and somebody ended it where it was.
                Some(known) if known.outcome == LEFT => {
                    (known.at, known.outcome, known.said) = (end.at, end.outcome.clone(), end.said.clone());
                }
                // Somebody else had ended it; whoever had it open tells the rest.
                Some(known) if known.recording.is_none() && end.recording.is_some() => {
                    known.recording.clone_from(&end.recording);
                    known.seconds = known.seconds.max(end.seconds);
                    known.received += end.received;
                    known.sent += end.sent;
                }
                Some(_) => {}
            },
        }
    }
    told
}

/// How a session ended that was left running.
pub const LEFT: &str = "left";

/// The word for a recording that is not on this machine.
pub const ELSEWHERE: &str = "elsewhere";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decision::{Actor, Draft, EntryId, Hash};

    fn entry(sequence: u64, id: &str, decision: Decision) -> Entry {
        let actor = Actor { arn: "arn:aws:sts::111122223333:assumed-role/Ops/jo".into(), os_user: "jo".into(), host: "h".into() };
        let draft = Draft {
            id: EntryId([sequence as u8; 16]),
            at: Timestamp::UNIX_EPOCH,
            actor,
            subject: Subject::Session(id.into()),
            decision,
            reason: "INC-1".into(),
        };
        Entry { sequence, draft, previous: Hash::ZERO, hash: Hash::ZERO }
    }

    fn start() -> Decision {
        Decision::SessionStart {
            node: "i-1".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            mode: "shell".into(),
            detail: String::new(),
            document: String::new(),
            finding: None,
        }
    }

    fn end(recording: Option<&str>) -> Decision {
        Decision::SessionEnd {
            outcome: "ended".into(),
            recording: recording.map(str::to_owned),
            seconds: 7,
            received: 10,
            sent: 3,
            said: String::new(),
        }
    }

    #[test]
    fn entries_add_up_to_sessions_whatever_comes_twice_or_late() {
        let mut history = History::default();
        assert!(!history.take(&entry(7, "a", end(None))), "an end without a start tells of nothing");
        assert!(history.told("a").is_none() && history.iter().next().is_none());
        for news in [true, false] {
            assert_eq!(history.take(&entry(2, "a", start())), news);
        }
        let told = history.told("a").unwrap();
        assert_eq!((told.node.as_str(), told.reason.as_str(), told.end.as_ref().unwrap().seconds), ("i-1", "INC-1", 7));
        assert!(!history.take(&entry(8, "a", Decision::Note { text: "n".into() })));
    }

    #[test]
    fn a_session_that_was_left_is_one_with_what_became_of_it() {
        let ended = |outcome: &str, recording: Option<&str>| match end(recording) {
            Decision::SessionEnd { recording, seconds, received, sent, said, .. } => {
                Decision::SessionEnd { outcome: outcome.into(), recording, seconds, received, sent, said }
            }
            other => other,
        };
        let entries = [start(), ended(LEFT, Some("first")), start(), ended("ended", Some("whole"))];
        let entries: Vec<Entry> = (1..).zip(entries).map(|(n, decision)| entry(n, "a", decision)).collect();
        // In whatever order they come.
        for order in [[0, 1, 2, 3], [2, 3, 0, 1], [3, 2, 1, 0]] {
            let mut history = History::default();
            for at in order {
                history.take(&entries[at]);
            }
            let told = history.told("a").unwrap();
            let end = told.end.as_ref().unwrap();
            assert_eq!((told.again.len(), end.outcome.as_str(), end.recording.as_deref()), (1, "ended", Some("whole")));
            assert_eq!((end.seconds, end.received, end.sent), (14, 20, 6), "of both times");
        }
        // While it is open again it has no end.
        let mut history = History::default();
        entries[..3].iter().for_each(|entry| _ = history.take(entry));
        assert!(history.told("a").unwrap().end.is_none());
        // Left, and ended where it was: it keeps what it was.
        let mut history = History::default();
        entries[..2].iter().for_each(|entry| _ = history.take(entry));
        history.take(&entry(
            9,
            "a",
            Decision::SessionEnd {
                outcome: "terminated".into(),
                recording: None,
                seconds: 0,
                received: 0,
                sent: 0,
                said: "from outside".into(),
            },
        ));
        let end = history.told("a").unwrap().end.clone().unwrap();
        assert_eq!((end.outcome.as_str(), end.said.as_str(), end.seconds), ("terminated", "from outside", 7));
        assert_eq!(end.recording.as_deref(), Some("first"));
        // Ended from outside while it was open: the recording's digest still comes.
        let mut history = History::default();
        history.take(&entries[0]);
        history.take(&entry(5, "a", ended("terminated", None)));
        history.take(&entry(6, "a", ended("ended", Some("digest"))));
        let end = history.told("a").unwrap().end.clone().unwrap();
        assert_eq!((end.outcome.as_str(), end.recording.as_deref()), ("terminated", Some("digest")));
    }

    #[test]
    fn recordings_are_told_by_one_word() {
        let mut history = History::default();
        for (id, recording) in [("none", None), ("away", Some("d")), ("here", Some("d"))] {
            history.take(&entry(1, id, start()));
            history.take(&entry(2, id, end(recording)));
        }
        history.take(&entry(3, "open", start()));
        assert!(history.leave(BTreeSet::from(["open".to_owned()])) && history.is_left("open") && !history.is_left("none"));
        let kept = |seal| Kept { path: "x.cast".into(), seal };
        assert!(history.keep(BTreeMap::from([("here".into(), kept(Seal::Changed)), ("open".into(), kept(Seal::Open))])));
        let words = ["none", "away", "here", "open", "unknown"].map(|id| history.recording(id));
        assert_eq!(words, ["", ELSEWHERE, "changed", "unsealed", ""]);
    }
}
