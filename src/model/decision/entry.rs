//! A decision in its place in the chain, and the canonical form over which it is hashed.
//!
//! # The canonical form
//! An entry is a JSON object in the form of RFC 8785 (JSON Canonicalization Scheme): members sorted by name, no white
//! space, strings escaped as ECMAScript does, UTF-8. Its members: `actor` (`arn`, `host`, `os_user`), `at` (UTC, RFC 3339
//! with three digits of a second), `content` (absent where the kind has none), `id`, `kind`, `previous` (the hash of the
//! entry before it, 64 zeros for the first), `reason` (may be empty), `sequence` (from 1), `subject`, `v` (1). There are no
//! fractions, no numbers from 2^53 on and no `null`s. The entry's hash is the SHA-256 over these bytes, in lower-case
//! hexadecimal. An exported line is the same object with `hash` added, in the same form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::decision::act::{Actor, Decision, Subject};
use crate::model::decision::hash::{EntryId, Hash};
use crate::model::decision::moment;

/// A decision that has no place in the chain yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub id: EntryId,
    /// When it was decided, by the author's clock, in whole milliseconds.
    #[serde(with = "moment")]
    pub at: Timestamp,
    pub actor: Actor,
    pub subject: Subject,
    #[serde(flatten)]
    pub decision: Decision,
    /// Empty where none was given.
    #[serde(default)]
    pub reason: String,
}

/// A decision in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From 1, without gaps.
    pub sequence: u64,
    pub draft: Draft,
    /// The hash of the entry before it, [`Hash::ZERO`] for the first.
    pub previous: Hash,
    /// The hash of its own canonical form.
    pub hash: Hash,
}

impl std::ops::Deref for Entry {
    type Target = Draft;
    fn deref(&self) -> &Draft {
        &self.draft
    }
}

/// Why a text is no entry.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEntry {
    #[error("it is not JSON of an entry: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is not in the canonical form, so its hash would not be the one of its content")]
    NotCanonical,
    #[error("its form has version {0}, and this program knows version 1; take a newer bartizan")]
    Version(u64),
}

#[derive(Serialize, Deserialize)]
struct Body {
    v: u64,
    sequence: u64,
    previous: Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<Hash>,
    #[serde(flatten)]
    draft: Draft,
}

impl Entry {
    /// Places a draft behind `previous`; its time is cut to milliseconds.
    ///
    /// # Errors
    /// None for drafts made of these types; serialisation's own otherwise.
    pub fn chain(mut draft: Draft, sequence: u64, previous: Hash) -> Result<(Self, String), NotAnEntry> {
        draft.at = moment::milliseconds(draft.at);
        let body = Body { v: 1, sequence, previous, hash: None, draft };
        let text = canonical(&serde_json::to_value(&body)?);
        let hash = Hash::of(text.as_bytes());
        Ok((Self { sequence, draft: body.draft, previous, hash }, text))
    }
    /// The canonical form, over which the hash is taken.
    ///
    /// # Errors
    /// Serialisation's own.
    pub fn canonical(&self) -> Result<String, NotAnEntry> {
        self.text(None)
    }
    /// One exported line: the canonical form with `hash`, without a line feed.
    ///
    /// # Errors
    /// Serialisation's own.
    pub fn line(&self) -> Result<String, NotAnEntry> {
        self.text(Some(self.hash))
    }
    fn text(&self, hash: Option<Hash>) -> Result<String, NotAnEntry> {
        let body = Body { v: 1, sequence: self.sequence, previous: self.previous, hash, draft: self.draft.clone() };
        Ok(canonical(&serde_json::to_value(&body)?))
    }
    /// Reads a canonical form; the hash is taken of the text as it stands.
    ///
    /// # Errors
    /// Where it is no entry. Whether the text is *canonical* is [`Entry::strict`]'s question, which costs more.
    pub fn parse(text: &str) -> Result<Self, NotAnEntry> {
        let Body { v, sequence, previous, draft, .. } = serde_json::from_str(text)?;
        if v != 1 {
            return Err(NotAnEntry::Version(v));
        }
        Ok(Self { sequence, draft, previous, hash: Hash::of(text.as_bytes()) })
    }
    /// Reads a canonical form and refuses every other way to write the same.
    ///
    /// # Errors
    /// Where it is no entry or not canonical.
    pub fn strict(text: &str) -> Result<Self, NotAnEntry> {
        let entry = Self::parse(text)?;
        if entry.canonical()? == text { Ok(entry) } else { Err(NotAnEntry::NotCanonical) }
    }
    /// Reads an exported line: the entry, and the hash the line claims.
    ///
    /// # Errors
    /// Where it is no entry, has no hash, or is not canonical.
    pub fn from_line(line: &str) -> Result<(Self, Hash), NotAnEntry> {
        let Body { v, sequence, previous, draft, hash } = serde_json::from_str(line)?;
        if v != 1 {
            return Err(NotAnEntry::Version(v));
        }
        let claimed = hash.ok_or(NotAnEntry::NotCanonical)?;
        let mut entry = Self { sequence, draft, previous, hash: claimed };
        if entry.line()? != line {
            return Err(NotAnEntry::NotCanonical);
        }
        entry.hash = Hash::of(entry.canonical()?.as_bytes());
        Ok((entry, claimed))
    }
}

/// RFC 8785: members sorted by name in UTF-16 code units, no white space; `null` members are left out by our types.
/// serde_json escapes strings as ECMAScript's `JSON.stringify` does; our numbers are whole and below 2^53.
pub fn canonical(value: &Value) -> String {
    let mut out = String::with_capacity(512);
    write_canonical(value, &mut out);
    out
}

// The depth is that of our own types: two levels.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (n, (name, value)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(value, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The chain's end: how many entries, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub sequence: u64,
    pub hash: Hash,
}

impl Head {
    /// The end of an empty ledger.
    pub const EMPTY: Self = Self { sequence: 0, hash: Hash::ZERO };
}

impl Default for Head {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{FindingKey, Severity, Status, Verdict};

    fn draft(decision: Decision, reason: &str) -> Draft {
        Draft {
            id: EntryId([7; 16]),
            at: "2026-11-22T01:02:03.0049Z".parse().unwrap(),
            actor: Actor {
                arn: "arn:aws:sts::111122223333:assumed-role/Audit/jo".into(),
                os_user: "jo".into(),
                host: "h".into(),
            },
            subject: Subject::Finding(FindingKey(10)),
            decision,
            reason: reason.into(),
        }
    }

    #[test]
    fn the_canonical_form_is_the_documented_one() {
        let (entry, text) =
            Entry::chain(draft(Decision::Note { text: "a\"\u{1}\n\u{7f}é😀".into() }, ""), 1, Hash::ZERO).unwrap();
        let zeros = "0".repeat(64);
        let key = format!("{:032x}", 10);
        assert_eq!(
            text,
            format!(
                "{{\"actor\":{{\"arn\":\"arn:aws:sts::111122223333:assumed-role/Audit/jo\",\"host\":\"h\",\"os_user\":\"jo\"}},\
                 \"at\":\"2026-11-22T01:02:03.004Z\",\"content\":{{\"text\":\"a\\\"\\u0001\\n\u{7f}é😀\"}},\"id\":\"{}\",\
                 \"kind\":\"note\",\"previous\":\"{zeros}\",\"reason\":\"\",\"sequence\":1,\"subject\":\"finding:{key}\",\"v\":1}}",
                "07".repeat(16)
            )
        );
        assert_eq!(Entry::strict(&text).unwrap(), entry);
        assert_eq!(Entry::from_line(&entry.line().unwrap()).unwrap(), (entry.clone(), entry.hash));
    }

    #[test]
    fn every_kind_reads_back_and_only_in_one_form() {
        let t: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let kinds = [
            Decision::Assign { owner: Some("platform".into()), assignee: None },
            Decision::Assign { owner: None, assignee: Some(String::new()) },
            Decision::Claim,
            Decision::Release,
            Decision::Note { text: "x".into() },
            Decision::Status { status: Status::Notified },
            Decision::Verdict { verdict: Verdict::BenignPositive },
            Decision::Severity { severity: Severity::Low },
            Decision::Due { at: Some(t) },
            Decision::Due { at: None },
            Decision::Accept { until: t, pending: true },
            Decision::Suppress { until: t, pending: false },
            Decision::Approve { of: 3 },
            Decision::Reject { of: 3 },
            Decision::Reopen,
            Decision::Undo { of: 3 },
            Decision::Expire { of: 3 },
            Decision::Reset { from: Status::Resolved, to: Status::New },
            Decision::Conflict { of: 3, ours: "a".into(), theirs: "b".into() },
            Decision::SessionStart {
                node: "i-1".into(),
                account: "1".into(),
                region: "r".into(),
                mode: "shell".into(),
                detail: String::new(),
                document: "D".into(),
                finding: Some(FindingKey(3)),
            },
            Decision::SessionEnd {
                outcome: "ended".into(),
                recording: None,
                seconds: 9,
                received: 7,
                sent: 0,
                said: String::new(),
            },
        ];
        for (n, kind) in kinds.into_iter().enumerate() {
            let (entry, text) = Entry::chain(draft(kind, "why"), n as u64 + 1, Hash::of(b"x")).unwrap();
            assert!(text.contains(&format!("\"kind\":\"{}\"", entry.decision.word())), "{text}");
            assert_eq!(Entry::strict(&text).unwrap(), entry, "{text}");
            assert!(Entry::strict(&text.replace("\"reason\":", "\"reason\": ")).is_err());
            assert!(Entry::strict(&text.replace("\"v\":1}", "\"v\":1,\"w\":1}")).is_err());
        }
    }

    #[test]
    fn hostile_text_is_refused_without_a_panic() {
        for text in ["", "{}", "[]", "null", "{\"v\":2}", "{\"v\":1,\"sequence\":-1}", "\u{0}", &"[".repeat(100_000)] {
            assert!(Entry::strict(text).is_err());
            assert!(Entry::from_line(text).is_err());
        }
    }
}
