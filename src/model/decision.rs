//! One act of triage and its entry in the ledger: subjects, kinds, who acted, and the canonical form that is hashed.
//! It does not judge whether an act is allowed, and it stores nothing.
//!
//! # The canonical form
//! An entry is a JSON object in the form of RFC 8785 (JSON Canonicalization Scheme): members sorted by name, no white
//! space, strings escaped as ECMAScript does, UTF-8. Its members: `actor` (`arn`, `host`, `os_user`), `at` (UTC, RFC 3339
//! with three digits of a second), `content` (absent where the kind has none), `id`, `kind`, `previous` (the hash of the
//! entry before it, 64 zeros for the first), `reason` (may be empty), `sequence` (from 1), `subject`, `v` (1). There are no
//! fractions, no numbers from 2^53 on and no `null`s. The entry's hash is the SHA-256 over these bytes, in lower-case
//! hexadecimal. An exported line is the same object with `hash` added, in the same form.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::finding::{FindingKey, Severity, Status, Verdict};

/// What a decision is about. Written `finding:HEX`, `account:ID`, `resource:ARN`, `principal:ARN`, `session:ID`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Finding(FindingKey),
    /// Twelve digits.
    Account(String),
    /// An ARN, or the id of a resource that has none.
    Resource(String),
    Principal(String),
    /// Session Manager's session id.
    Session(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finding(key) => write!(f, "finding:{key}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Resource(arn) => write!(f, "resource:{arn}"),
            Self::Principal(arn) => write!(f, "principal:{arn}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

/// A text that names no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no subject: it needs finding:, account:, resource:, principal: or session: and a name of at most 2,048 bytes"
)]
pub struct NotASubject {
    text: String,
}

impl FromStr for Subject {
    type Err = NotASubject;
    fn from_str(text: &str) -> Result<Self, NotASubject> {
        let refuse = || NotASubject { text: text.chars().take(100).collect() };
        let (kind, name) = text.split_once(':').ok_or_else(refuse)?;
        if name.is_empty() || name.len() > 2048 {
            return Err(refuse());
        }
        match kind {
            // The one way to write a key: 32 lower-case digits, or two texts would name one finding.
            "finding" if name.len() == 32 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                u128::from_str_radix(name, 16).map(|n| Self::Finding(FindingKey(n))).map_err(|_| refuse())
            }
            "account" => Ok(Self::Account(name.to_owned())),
            "resource" => Ok(Self::Resource(name.to_owned())),
            "principal" => Ok(Self::Principal(name.to_owned())),
            "session" => Ok(Self::Session(name.to_owned())),
            _ => Err(refuse()),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who acted: the caller by STS, and where the console ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// `sts:GetCallerIdentity`'s ARN; `bartizan` for what the console does of itself (see [`Actor::system`]).
    pub arn: String,
    pub os_user: String,
    pub host: String,
}

impl Actor {
    /// The name under which the console acts of itself: expiry, what AWS reset, conflicts of delivery.
    pub const SYSTEM: &'static str = "bartizan";

    /// The console itself, on behalf of nobody.
    pub fn system(os_user: impl Into<String>, host: impl Into<String>) -> Self {
        Self { arn: Self::SYSTEM.into(), os_user: os_user.into(), host: host.into() }
    }
    pub fn is_system(&self) -> bool {
        self.arn == Self::SYSTEM
    }
    /// Who it is, as people say it: the session's, user's or role's name; the whole text where it is no such ARN.
    pub fn name(&self) -> &str {
        person(&self.arn)
    }
}

/// The name of the person in an ARN of STS or IAM: the session name of an assumed role, a user's name, else the last part.
pub fn person(arn: &str) -> &str {
    arn.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or(arn)
}

/// What happened. Serialised as `kind` and `content`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "content", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decision {
    /// The team answerable and the person on it. What is absent stays as it was; the empty text takes it away.
    Assign {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignee: Option<String>,
    },
    /// The actor works on it; nobody else may meanwhile.
    Claim,
    /// The claim is given up.
    Release,
    Note {
        text: String,
    },
    Status {
        status: Status,
    },
    Verdict {
        verdict: Verdict,
    },
    Severity {
        severity: Severity,
    },
    /// An explicit due date; absent takes it away, and the service level counts again.
    Due {
        #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::maybe")]
        at: Option<Timestamp>,
    },
    /// The risk is accepted until a day; `pending` where a second person has to approve.
    Accept {
        #[serde(with = "moment")]
        until: Timestamp,
        #[serde(default, skip_serializing_if = "is_false")]
        pending: bool,
    },
    /// It is no risk worth showing, until a day.
    Suppress {
        #[serde(with = "moment")]
        until: Timestamp,
        #[serde(default, skip_serializing_if = "is_false")]
        pending: bool,
    },
    /// The second person's yes to the pending entry `of`.
    Approve {
        of: u64,
    },
    Reject {
        of: u64,
    },
    Reopen,
    /// Takes back the actor's own entry `of`, the last decision on the subject.
    Undo {
        of: u64,
    },
    /// The time of the acceptance or suppression `of` is up: the console reopened it.
    Expire {
        of: u64,
    },
    /// Security Hub set the workflow status back by itself.
    Reset {
        from: Status,
        to: Status,
    },
    /// Delivery of the entry `of` met a change by someone else.
    Conflict {
        of: u64,
        /// What the ledger holds.
        ours: String,
        /// What Security Hub holds.
        theirs: String,
    },
    SessionStart {
        /// The node's id.
        node: String,
        account: String,
        region: String,
        /// `shell`, `command`, `forward`.
        mode: String,
        /// The command, or the forward's ports; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// The session document; empty for the account's own shell.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        document: String,
        /// The finding it was opened for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<FindingKey>,
    },
    SessionEnd {
        /// `ended`, `lost`, `terminated`, `failed`.
        outcome: String,
        /// SHA-256 of the recording, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recording: Option<String>,
        /// Its length in whole seconds.
        seconds: u64,
        /// Bytes from the node and to it.
        #[serde(default, skip_serializing_if = "is_zero")]
        received: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        sent: u64,
        /// What was said at the end; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Decision {
    /// The kind's word, as it stands in entries.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Assign { .. } => "assign",
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Note { .. } => "note",
            Self::Status { .. } => "status",
            Self::Verdict { .. } => "verdict",
            Self::Severity { .. } => "severity",
            Self::Due { .. } => "due",
            Self::Accept { .. } => "accept",
            Self::Suppress { .. } => "suppress",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Reopen => "reopen",
            Self::Undo { .. } => "undo",
            Self::Expire { .. } => "expire",
            Self::Reset { .. } => "reset",
            Self::Conflict { .. } => "conflict",
            Self::SessionStart { .. } => "session-start",
            Self::SessionEnd { .. } => "session-end",
        }
    }
    /// Whether it changes the subject's state; notes, conflicts and sessions stand beside it.
    pub const fn changes_state(&self) -> bool {
        !matches!(self, Self::Note { .. } | Self::Conflict { .. } | Self::SessionStart { .. } | Self::SessionEnd { .. })
    }
}

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first entry.
    pub const ZERO: Self = Self([0; 32]);

    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(&Sha256::digest(bytes));
        Self(out)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no hash or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {digits} lower-case hexadecimal digits")]
pub struct NotHex {
    text: String,
    digits: usize,
}

impl FromStr for Hash {
    type Err = NotHex;
    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text).map(Self)
    }
}

/// The identity of an entry that its author gave it, so that a repeated append is the same append.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 16]);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryId {
    type Err = NotHex;
    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text).map(Self)
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
as_text!(Hash, EntryId);

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let refuse = || NotHex { text: text.chars().take(80).collect(), digits: 2 * N };
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return Err(refuse());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(refuse)?;
    }
    Ok(out)
}

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

/// Times as RFC 3339 in UTC with exactly three digits of a second, the only form the chain knows.
pub mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Cut to whole milliseconds.
    pub fn milliseconds(at: Timestamp) -> Timestamp {
        Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
    }

    /// `2026-11-22T01:02:03.004Z`
    pub fn text(at: Timestamp) -> String {
        format!("{at:.3}")
    }

    pub fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&text(*at))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map(milliseconds).map_err(serde::de::Error::custom)
    }

    /// The same for a time that may be absent.
    pub mod maybe {
        use jiff::Timestamp;
        use serde::{Deserializer, Serializer};

        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, s),
                None => s.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
            super::deserialize(d).map(Some)
        }
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
    fn subjects_read_back() {
        for text in ["account:1", "resource:arn:aws:s3:::b", "principal:arn:aws:iam::1:role/x", "session:jo-0a"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for text in ["", "finding:", "finding:0A", "finding:+0000000000000000000000000000001", "team:x", "account:"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
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
