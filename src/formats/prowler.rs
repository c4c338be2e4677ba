//! Prowler's own formats: CSV (`;` between fields, versions 3 to 5) and the native JSON of version 3. Its ASFF and
//! OCSF are read with everybody else's.

use std::borrow::Cow;
use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::formats::identity::{PROWLER, ProwlerParts, prowler_key};
use crate::formats::ocsf::result;
use crate::formats::split::MAX_RECORD;
use crate::formats::value::{List, Part, Text, first, time};
use crate::formats::{Fault, MAX_LISTED, RecordError};
use crate::model::arn::ResourceRef;
use crate::model::finding::{Finding, RecordState, Severity, SourceRef, Status};

/// What both formats say of a finding.
struct Row<'a> {
    id: &'a str,
    time: &'a str,
    account: &'a str,
    region: &'a str,
    check: &'a str,
    title: &'a str,
    result: &'a str,
    words: &'a str,
    muted: bool,
    severity: &'a str,
    resource_type: &'a str,
    /// The ARN, else the id.
    resource: &'a str,
    types: Vec<String>,
    remediation: &'a str,
    remediation_url: &'a str,
}

impl Row<'_> {
    fn finding(self, document: String) -> Result<Finding, RecordError> {
        let checked = if self.id.is_empty() { Err("finding id") } else { Ok(()) };
        checked.and(if self.check.is_empty() { Err("check id") } else { Ok(()) }).map_err(RecordError::lacks)?;
        let at = time(self.time).ok_or_else(|| RecordError::lacks(&format!("time: {:?} is none", clip(self.time))))?;
        let result = result(self.result)
            .ok_or_else(|| RecordError::new(format!("its status {:?} is none of PASS, FAIL, MANUAL", clip(self.result))))?;
        let key = prowler_key(&ProwlerParts {
            account: self.account,
            region: self.region,
            check: self.check,
            resource: self.resource,
            words: self.words,
        });
        Ok(Finding {
            key,
            source: SourceRef { name: PROWLER.to_owned(), id: self.id.to_owned() },
            also: Vec::new(),
            account: self.account.to_owned(),
            region: if self.region == "global" { String::new() } else { self.region.to_owned() },
            control: self.check.to_owned(),
            title: first(&[self.title, self.check]).to_owned(),
            description: self.words.to_owned(),
            severity: self.severity.parse().unwrap_or(Severity::Informational),
            status: if self.muted { Status::Suppressed } else { Status::New },
            record: RecordState::Active,
            compliance: Some(result),
            verdict: None,
            resource: ResourceRef::new(self.resource, self.resource_type),
            others: Vec::new(),
            types: self.types,
            already: false,
            first_seen: at,
            updated: at,
            remediation: self.remediation.to_owned(),
            remediation_url: self.remediation_url.to_owned(),
            document,
        })
    }
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Native<'a> {
    #[serde(borrow)]
    finding_unique_id: Text<'a>,
    #[serde(borrow)]
    assessment_start_time: Text<'a>,
    #[serde(borrow)]
    account_id: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
    #[serde(borrow, rename = "CheckID")]
    check_id: Text<'a>,
    #[serde(borrow)]
    check_title: Text<'a>,
    #[serde(borrow)]
    check_type: List<Text<'a>>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    status_extended: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    resource_type: Text<'a>,
    #[serde(borrow)]
    resource_id: Text<'a>,
    #[serde(borrow)]
    resource_arn: Text<'a>,
    #[serde(borrow)]
    remediation: Part<Remediation<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Remediation<'a> {
    #[serde(borrow)]
    recommendation: Part<Recommendation<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Recommendation<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
}

/// Reads one finding of Prowler 3's native JSON.
///
/// # Errors
/// It is no JSON object, or lacks its id, check, status or time.
pub(crate) fn native(record: &str) -> Result<Finding, RecordError> {
    let n: Native<'_> = serde_json::from_str(record).map_err(|e| RecordError::json(&e))?;
    let row = Row {
        id: n.finding_unique_id.get(),
        time: n.assessment_start_time.get(),
        account: n.account_id.get(),
        region: n.region.get(),
        check: n.check_id.get(),
        title: n.check_title.get(),
        result: n.status.get(),
        words: n.status_extended.get(),
        muted: n.status.get().eq_ignore_ascii_case("muted"),
        severity: n.severity.get(),
        resource_type: n.resource_type.get(),
        resource: first(&[n.resource_arn.get(), n.resource_id.get()]),
        types: n.check_type.0.iter().map(|t| t.get().to_owned()).filter(|t| !t.is_empty()).collect(),
        remediation: n.remediation.0.recommendation.0.text.get(),
        remediation_url: n.remediation.0.recommendation.0.url.get(),
    };
    row.finding(record.to_owned())
}

/// The columns of a CSV header, by name.
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    fn read(header: &str) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(header.as_bytes());
        let mut row = ByteRecord::new();
        let _ = reader.read_byte_record(&mut row);
        let names: Vec<String> = row.iter().map(|name| String::from_utf8_lossy(name).trim().to_uppercase()).collect();
        let places = names.iter().enumerate().rev().map(|(i, name)| (name.clone(), i)).collect();
        Self { names, places }
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The first of these columns that has a value; the first name is version 4's, the others older ones.
    fn get<'r>(&self, row: &'r [Cow<'_, str>], names: &[&str]) -> &'r str {
        let texts = names.iter().filter_map(|name| row.get(*self.places.get(*name)?));
        texts.map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or_default()
    }
}

/// Whether this first line is the header of Prowler's CSV.
pub(crate) fn is_csv_header(line: &str) -> bool {
    if !line.contains(';') {
        return false;
    }
    let columns = Columns::read(line);
    columns.has("CHECK_ID") && columns.has("STATUS") && (columns.has("FINDING_UID") || columns.has("FINDING_UNIQUE_ID"))
}

fn finding(columns: &Columns, row: &ByteRecord) -> Result<Finding, RecordError> {
    if row.len() != columns.names.len() {
        let reason = format!(
            "it has {} fields, the header names {}: it is cut off, or a quote is missing",
            row.len(),
            columns.names.len()
        );
        return Err(RecordError::new(reason));
    }
    let mut texts = Vec::with_capacity(row.len());
    for (field, name) in row.iter().zip(&columns.names) {
        match std::str::from_utf8(field) {
            Ok(text) => texts.push(Cow::Borrowed(text)),
            Err(_) => return Err(RecordError::new(format!("its field {name} is no UTF-8 text"))),
        }
    }
    let named = columns.names.iter().zip(&texts);
    let document: Map<String, Value> = named.map(|(name, text)| (name.clone(), Value::from(text.as_ref()))).collect();
    let get = |names: &[&str]| columns.get(&texts, names);
    let words = get(&["STATUS_EXTENDED"]);
    let parsed = Row {
        id: get(&["FINDING_UID", "FINDING_UNIQUE_ID"]),
        time: get(&["TIMESTAMP", "ASSESSMENT_START_TIME"]),
        account: get(&["ACCOUNT_UID", "ACCOUNT_ID"]),
        region: get(&["REGION"]),
        check: get(&["CHECK_ID"]),
        title: get(&["CHECK_TITLE"]),
        result: get(&["STATUS"]),
        words,
        muted: get(&["MUTED"]).eq_ignore_ascii_case("true") || get(&["STATUS"]).eq_ignore_ascii_case("muted"),
        severity: get(&["SEVERITY"]),
        resource_type: get(&["RESOURCE_TYPE"]),
        resource: get(&["RESOURCE_UID", "RESOURCE_ARN", "RESOURCE_ID", "RESOURCE_NAME"]),
        types: get(&["CHECK_TYPE"]).split(" | ").map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect(),
        remediation: get(&["REMEDIATION_RECOMMENDATION_TEXT"]),
        remediation_url: get(&["REMEDIATION_RECOMMENDATION_URL"]),
    };
    parsed.finding(Value::Object(document).to_string())
}

/// Reads a CSV file whole: its findings, and what is broken in it by record and byte. After a damaged row it goes on
/// at the next line that begins as the first row did (Prowler's first column is the same in all rows of a scan).
pub(crate) fn csv(text: &[u8]) -> (Vec<Finding>, Vec<Fault>, usize) {
    let head = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    let columns = Columns::read(&String::from_utf8_lossy(&text[..head]));
    let (mut findings, mut faults) = (Vec::new(), Vec::new());
    let signature = signature(&text[head..]);
    // Damage is read twice at most so often, so that hostile files stay linear.
    let mut rereads = text.len().saturating_mul(4).saturating_add(64 << 10);
    let mut records = 0;
    let mut base = head;
    let mut in_damage = false;
    'again: while base < text.len() {
        let mut reader = ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(&text[base..]);
        let mut row = ByteRecord::new();
        loop {
            // Reading from memory into bytes, without a fixed number of fields, cannot fail.
            if !reader.read_byte_record(&mut row).unwrap_or(false) {
                return (findings, faults, records);
            }
            let place = |p: &csv::Position| base + usize::try_from(p.byte()).unwrap_or(usize::MAX);
            let (start, end) = (row.position().map_or(base, place), place(reader.position()));
            let body = text.get(start..end).unwrap_or_default();
            let whole = row.len() == columns.names.len();
            if in_damage && !whole && signature.as_ref().is_some_and(|s| !body.starts_with(&s.needle()[1..])) {
                // The rest of a row that a misplaced quote or line break tore: it is reported already.
                continue;
            }
            in_damage = !whole;
            records += 1;
            let read = if end - start > MAX_RECORD {
                Err(RecordError::new(format!("it is longer than {} MiB", MAX_RECORD >> 20)))
            } else {
                finding(&columns, &row)
            };
            match read {
                Ok(finding) => findings.push(finding),
                Err(error) => {
                    if faults.len() < MAX_LISTED {
                        faults.push(Fault { record: records, byte: start, within: None, reason: error.reason });
                    }
                    let inside = signature.as_ref().filter(|_| body.len() <= rereads).and_then(|s| s.find(body));
                    if let Some(next) = inside {
                        rereads -= body.len();
                        base = start + next + 1;
                        continue 'again;
                    }
                }
            }
        }
    }
    (findings, faults, records)
}

/// A line break and the first row's first field, as far as the `;`.
fn signature(rows: &[u8]) -> Option<Finder<'static>> {
    let end = memchr::memchr(b';', &rows[..rows.len().min(256)])?;
    let first = &rows[..=end];
    let plain = end > 0 && !first.iter().any(|b| matches!(b, b'"' | b'\n'));
    plain.then(|| Finder::new(&[b"\n", first].concat()).into_owned())
}
