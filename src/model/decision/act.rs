//! One act of triage: what it is about, what it does, and who did it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::decision::moment;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back() {
        for text in ["account:1", "resource:arn:aws:s3:::b", "principal:arn:aws:iam::1:role/x", "session:jo-0a"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for text in ["", "finding:", "finding:0A", "finding:+0000000000000000000000000000001", "team:x", "account:"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }
}
