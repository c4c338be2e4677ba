//! Tells a file's kind from its content, never from its name; and what a file that cannot be imported looks like.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

use crate::formats::prowler::is_csv_header;
use crate::formats::split::{Piece, Splitter};
use crate::formats::value::Text;
use crate::formats::{FormatError, Kind};

/// How many records may be looked at to find one that tells.
const LOOK: usize = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Probe<'a> {
    #[serde(rename = "SchemaVersion", borrow)]
    schema_version: Text<'a>,
    #[serde(rename = "ProductArn")]
    product_arn: Option<IgnoredAny>,
    #[serde(rename = "Id")]
    id: Option<IgnoredAny>,
    class_uid: Option<IgnoredAny>,
    category_uid: Option<IgnoredAny>,
    finding_info: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    #[serde(rename = "FindingUniqueId")]
    finding_unique_id: Option<IgnoredAny>,
    #[serde(rename = "CheckID")]
    check_id: Option<IgnoredAny>,
}

/// The kind of one record, if it is one of ours.
fn record_kind(record: &str) -> Option<Kind> {
    let p: Probe<'_> = serde_json::from_str(record).ok()?;
    let ocsf = p.finding_info.is_some() || p.class_uid.is_some() && (p.category_uid.is_some() || p.metadata.is_some());
    if p.id.is_some() && (p.product_arn.is_some() || p.schema_version.get() == "2018-10-08") {
        Some(Kind::Asff)
    } else if ocsf {
        Some(Kind::Ocsf)
    } else if p.finding_unique_id.is_some() && p.check_id.is_some() {
        Some(Kind::ProwlerJson)
    } else {
        None
    }
}

/// The kind of an unpacked text without byte order mark.
pub(crate) fn kind(bytes: &[u8]) -> Result<Kind, FormatError> {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace() && *b != 0x1e);
    let Some(start) = start else {
        return Err(FormatError::Empty);
    };
    match bytes[start] {
        b'{' | b'[' => json(bytes),
        _ if bytes.starts_with(&[0x1f, 0x8b]) => Err(FormatError::Packed { how: "gzip", with: "gunzip" }),
        _ if bytes.starts_with(b"PK\x03\x04") => Err(FormatError::Packed { how: "zip", with: "unzip" }),
        _ if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => Err(FormatError::Utf16),
        _ => {
            let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
            let head = String::from_utf8_lossy(&line[..line.len().min(16 << 10)]);
            if is_csv_header(&head) { Ok(Kind::ProwlerCsv) } else { Err(FormatError::Unknown { looks: plain(&bytes[start..]) }) }
        }
    }
}

fn json(bytes: &[u8]) -> Result<Kind, FormatError> {
    let mut stranger = None;
    let mut pieces = 0;
    for piece in Splitter::new(bytes).take(LOOK) {
        pieces += 1;
        match piece {
            Piece::Record { start, end } => {
                let Ok(text) = std::str::from_utf8(&bytes[start..end]) else { continue };
                if let Some(kind) = record_kind(text) {
                    return Ok(kind);
                }
                stranger = stranger.or_else(|| object(text));
            }
            // A first record that was cut off tells its kind by its first keys.
            Piece::Fault { at, .. } => {
                let head = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 4096)]);
                let has = |keys: &[&str]| keys.iter().all(|key| head.contains(key));
                stranger = stranger.or_else(|| Some("a damaged JSON file".to_owned()));
                for (kind, keys) in [
                    (Kind::Asff, &["\"SchemaVersion\"", "\"2018-10-08\"", "\"Id\""][..]),
                    (Kind::Ocsf, &["\"metadata\"", "\"severity_id\""]),
                    (Kind::ProwlerJson, &["\"FindingUniqueId\"", "\"CheckID\""]),
                ] {
                    if head.starts_with('{') && has(keys) {
                        return Ok(kind);
                    }
                }
            }
        }
    }
    match stranger {
        Some(looks) => Err(FormatError::Unknown { looks }),
        None if pieces == 0 => Ok(Kind::Empty),
        None => Err(FormatError::Unknown { looks: "a JSON file without records".to_owned() }),
    }
}

/// What a JSON object that is no finding looks like.
fn object(text: &str) -> Option<String> {
    let keys: BTreeMap<&str, IgnoredAny> = serde_json::from_str(text).ok()?;
    let has = |key: &str| keys.contains_key(key);
    let looks = if has("Statement") {
        "an IAM policy document"
    } else if has("UserDetailList") || has("RoleDetailList") {
        "the answer of aws iam get-account-authorization-details: open it with --from"
    } else if has("Service") && has("Severity") && has("Type") || has("service") && has("severity") && has("schemaVersion") {
        "GuardDuty's own findings: export them from Security Hub (aws securityhub get-findings)"
    } else if has("findingArn") && has("severity") {
        "Inspector's own findings: export them from Security Hub (aws securityhub get-findings)"
    } else if has("Records") {
        "a CloudTrail log or an event notification"
    } else if has("runs") && has("version") {
        "a SARIF report"
    } else if has("AWSTemplateFormatVersion") || has("terraform_version") {
        "an infrastructure template or state"
    } else {
        let names: Vec<String> = keys.keys().take(4).map(|key| key.chars().take(40).collect()).collect();
        return Some(match names.as_slice() {
            [] => "a JSON object without keys".to_owned(),
            [one] => format!("the answer of another AWS call or tool: a JSON object with the key {one}"),
            several => format!("the answer of another AWS call or tool: a JSON object with the keys {}, …", several.join(", ")),
        });
    };
    Some(looks.to_owned())
}

/// What a file that is no JSON looks like.
fn plain(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).to_ascii_lowercase();
    let line = head.lines().next().unwrap_or_default();
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        "an HTML page".to_owned()
    } else if head.starts_with('<') {
        "XML".to_owned()
    } else if bytes[..bytes.len().min(512)].contains(&0) {
        "a binary file".to_owned()
    } else if line.matches(',').count() > 3 || line.matches(';').count() > 3 {
        "a CSV file whose header is not Prowler's (its fields are separated by ; and CHECK_ID, STATUS and FINDING_UID are among them)".to_owned()
    } else {
        "plain text".to_owned()
    }
}
