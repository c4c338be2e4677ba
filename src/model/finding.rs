//! One security finding, from any source.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::arn::ResourceRef;
use crate::model::words::words;

words! {
    /// ASFF `Severity.Label`.
    Severity {
        Informational = "INFORMATIONAL",
        Low = "LOW",
        Medium = "MEDIUM",
        High = "HIGH",
        Critical = "CRITICAL",
    }
}

words! {
    /// Security Hub's workflow status (ASFF `Workflow.Status`).
    Status {
        New = "NEW",
        Notified = "NOTIFIED",
        Resolved = "RESOLVED",
        Suppressed = "SUPPRESSED",
    }
}

words! {
    /// Whether the source still sees it (ASFF `RecordState`).
    RecordState {
        Archived = "ARCHIVED",
        Active = "ACTIVE",
    }
}

words! {
    /// The result of a control's check (ASFF `Compliance.Status`), and Prowler's MANUAL: a person has to look.
    Compliance {
        Passed = "PASSED",
        NotAvailable = "NOT_AVAILABLE",
        Manual = "MANUAL",
        Warning = "WARNING",
        Failed = "FAILED",
    }
}

words! {
    /// What a person found it to be (ASFF `VerificationState`).
    Verdict {
        Unknown = "UNKNOWN",
        TruePositive = "TRUE_POSITIVE",
        FalsePositive = "FALSE_POSITIVE",
        BenignPositive = "BENIGN_POSITIVE",
    }
}

/// Who reported it, and under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    /// The product's name: `Security Hub`, `GuardDuty`, `Inspector`, `Prowler`, `bartizan`.
    pub name: String,
    /// The product's own id of this finding.
    pub id: String,
}

/// The stable identity of a finding across sources, formats and sweeps: the first 16 bytes of a SHA-256 over the
/// parts that `docs/findings.md` lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingKey(pub u128);

impl FindingKey {
    /// Hashes parts in order; each is length-prefixed, so that no two lists of parts run together.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        Self(digest.iter().take(16).fold(0, |n, byte| (n << 8) | u128::from(*byte)))
    }
    /// The half that lists carry per row.
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

impl fmt::Display for FindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for FindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FindingKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FindingKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(|_| serde::de::Error::custom(format!("{text:?} is no finding key")))
    }
}

/// One event of Security Hub's own history of a finding (`GetFindingHistory`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubEvent {
    pub at: Timestamp,
    /// The finding came into being.
    pub created: bool,
    /// `BATCH_UPDATE_FINDINGS`: people and their tools; `BATCH_IMPORT_FINDINGS`: whoever reports the finding.
    pub source: String,
    /// The ARN of the identity or product behind it.
    pub by: String,
    pub changes: Vec<HubChange>,
}

/// One field that such an event changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubChange {
    /// As ASFF names it.
    pub field: String,
    /// Empty where there was nothing.
    pub old: String,
    pub new: String,
}

impl HubEvent {
    /// Whether it is a person's triage or that of a tool for them, not the reporter's word.
    pub fn is_triage(&self) -> bool {
        self.source == "BATCH_UPDATE_FINDINGS"
    }
}

/// One finding, whichever source it came from; `document` holds all the source said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub key: FindingKey,
    /// The first source that reported it, and its own id for it.
    pub source: SourceRef,
    /// Other sources of the same finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SourceRef>,
    /// Twelve digits, or empty where the source did not say.
    pub account: String,
    /// Empty where the source did not say; `global` never occurs, global services carry the region they report from.
    pub region: String,
    /// The control or check: `EC2.19`, `s3_bucket_public_access`, `UnauthorizedAccess:EC2/SSHBruteForce`.
    pub control: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub severity: Severity,
    pub status: Status,
    pub record: RecordState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance: Option<Compliance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The resource it is mainly about.
    pub resource: ResourceRef,
    /// Further resources it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ResourceRef>,
    /// ASFF finding types, OCSF classes: `Software and Configuration Checks/…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// It stood already when its source was first looked at here: since when is not known, and new it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
    /// When it was first seen, else created, else updated.
    pub first_seen: Timestamp,
    pub updated: Timestamp,
    /// What to do about it, as the source puts it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remediation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remediation_url: String,
    /// The source's record as it came: JSON text (a CSV row as an object).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document: String,
}

impl Finding {
    /// Open findings are what queues count: still seen, not passed, not resolved or suppressed.
    pub fn is_open(&self) -> bool {
        self.record == RecordState::Active
            && matches!(self.status, Status::New | Status::Notified)
            && self.compliance != Some(Compliance::Passed)
    }
    /// Every source's name, the first reporter first.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.source).chain(&self.also).map(|s| s.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_in_order() {
        for severity in Severity::ALL {
            assert_eq!(severity.word().parse(), Ok(*severity));
            assert_eq!(Severity::WORDS[usize::from(severity.rank())], severity.word());
        }
        assert!(Severity::Critical > Severity::Informational);
        assert_eq!("critical".parse(), Ok(Severity::Critical));
        let refused = "SEVERE".parse::<Severity>().map_err(|e| e.to_string());
        assert_eq!(refused, Err(r#""SEVERE" is none of INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL"#.into()));
    }

    #[test]
    fn keys_do_not_run_together() {
        assert_ne!(FindingKey::of(&["ab", "c"]), FindingKey::of(&["a", "bc"]));
        assert_ne!(FindingKey::of(&["a"]), FindingKey::of(&["a", ""]));
        assert_eq!(FindingKey::of(&["a"]).to_string().len(), 32);
    }
}
