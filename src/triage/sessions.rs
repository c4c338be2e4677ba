//! What the ledger says of sessions: who opened which, where and why, how it ended, and the digest of its recording. What is
//! known of the recordings' files on this machine stands beside it; they are looked for elsewhere.

use std::collections::BTreeMap;
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
    /// None while it runs, or where whatever ran it was killed.
    pub end: Option<Ended>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub at: Timestamp,
    /// `ended`, `lost`, `terminated`, `failed`, `left`.
    pub outcome: String,
    pub said: String,
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

/// All sessions that the ledger tells of, by AWS's id. Copies share what they hold.
#[derive(Debug, Clone, Default)]
pub struct History {
    told: BTreeMap<String, Arc<Told>>,
    kept: BTreeMap<String, Kept>,
}

impl History {
    /// Takes an entry, an older or a known one too; whether it told anything new.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let Subject::Session(id) = &entry.subject else { return false };
        match &entry.decision {
            Decision::SessionStart { node, account, region, mode, detail, document, finding } => {
                if self.told.contains_key(id) {
                    return false;
                }
                let told = Told {
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
                    end: None,
                };
                self.told.insert(id.clone(), Arc::new(told));
                true
            }
            Decision::SessionEnd { outcome, recording, seconds, received, sent, said } => {
                // An end without a start tells of nothing: the ledger is chained, so the start comes first.
                let Some(told) = self.told.get_mut(id).filter(|told| told.end.is_none()) else { return false };
                Arc::make_mut(told).end = Some(Ended {
                    at: entry.at,
                    outcome: outcome.clone(),
                    said: said.clone(),
                    seconds: *seconds,
                    received: *received,
                    sent: *sent,
                    recording: recording.clone(),
                });
                true
            }
            _ => false,
        }
    }

    /// Takes what was found of recordings; whether it differs from what was known.
    pub fn keep(&mut self, kept: BTreeMap<String, Kept>) -> bool {
        let other = self.kept != kept;
        self.kept = kept;
        other
    }

    /// What the ledger says of a session.
    pub fn told(&self, id: &str) -> Option<&Arc<Told>> {
        self.told.get(id)
    }

    /// A session's recording on this machine.
    pub fn kept(&self, id: &str) -> Option<&Kept> {
        self.kept.get(id)
    }

    /// Every session, by its id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Told>)> {
        self.told.iter().map(|(id, told)| (id.as_str(), told))
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

/// The word for a recording that is not on this machine.
pub const ELSEWHERE: &str = "elsewhere";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
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
    fn entries_add_up_to_sessions_whatever_comes_twice() {
        let mut history = History::default();
        assert!(!history.take(&entry(1, "a", end(None))), "an end without a start");
        for (take, news) in [(start(), true), (start(), false), (end(Some("d")), true), (end(None), false)] {
            assert_eq!(history.take(&entry(2, "a", take)), news);
        }
        let told = history.told("a").unwrap();
        assert_eq!((told.node.as_str(), told.reason.as_str(), told.end.as_ref().unwrap().seconds), ("i-1", "INC-1", 7));
        assert!(!history.take(&entry(3, "a", Decision::Note { text: "n".into() })));
    }

    #[test]
    fn recordings_are_told_by_one_word() {
        let mut history = History::default();
        for (id, recording) in [("none", None), ("away", Some("d")), ("here", Some("d"))] {
            history.take(&entry(1, id, start()));
            history.take(&entry(2, id, end(recording)));
        }
        history.take(&entry(3, "open", start()));
        let kept = |seal| Kept { path: "x.cast".into(), seal };
        assert!(history.keep(BTreeMap::from([("here".into(), kept(Seal::Changed)), ("open".into(), kept(Seal::Open))])));
        let words = ["none", "away", "here", "open", "unknown"].map(|id| history.recording(id));
        assert_eq!(words, ["", ELSEWHERE, "changed", "unsealed", ""]);
    }
}
