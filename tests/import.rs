//! Findings files of other tools, hand-made ones in `tests/data/` and, where `BARTIZAN_SAMPLES` names their folder,
//! real ones: what is imported, what is reported as broken, what is refused, and which findings are the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bartizan::formats::{FormatError, Imported, Kind, add, asff, detect, documents, merge, read};
use bartizan::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, Status, Verdict};
use proptest::prelude::*;

const PROWLER_ASFF: &[u8] = include_bytes!("data/prowler.asff.json");
const PROWLER_OCSF: &[u8] = include_bytes!("data/prowler.ocsf.json");
const PROWLER_CSV: &[u8] = include_bytes!("data/prowler.csv");
const PROWLER_3: &[u8] = include_bytes!("data/prowler-3.json");
const HUB: &[u8] = include_bytes!("data/security-hub.json");
const HUB_LINES: &[u8] = include_bytes!("data/security-hub.ndjson");
const EVENT: &[u8] = include_bytes!("data/event.json");
const LAKE: &[u8] = include_bytes!("data/security-lake.ocsf.ndjson");

const ALL: [&[u8]; 8] = [PROWLER_ASFF, PROWLER_OCSF, PROWLER_CSV, PROWLER_3, HUB, HUB_LINES, EVENT, LAKE];

/// Every record is imported, merged or reported.
fn adds_up(imported: &Imported) {
    let seen = imported.findings.len() + imported.repeated + imported.broken.len() + imported.unlisted;
    assert_eq!(seen, imported.records);
    let keys: BTreeSet<u128> = imported.findings.iter().map(|f| f.key.0).collect();
    assert_eq!(keys.len(), imported.findings.len(), "two findings of one import share a key");
}

fn whole(bytes: &[u8], kind: Kind, findings: usize) -> Vec<Finding> {
    let imported = read(bytes).unwrap();
    adds_up(&imported);
    assert_eq!((imported.kind, imported.findings.len()), (kind, findings));
    assert_eq!(imported.broken, []);
    imported.findings
}

fn keys(findings: &[Finding]) -> BTreeSet<u128> {
    findings.iter().map(|f| f.key.0).collect()
}

#[test]
fn security_hub_exports_of_every_shape() {
    let export = whole(HUB, Kind::Asff, 4);
    let lines = whole(HUB_LINES, Kind::Asff, 4);
    assert_eq!(keys(&export), keys(&lines));
    let bare = format!("[{}]", String::from_utf8_lossy(HUB_LINES).trim().replace('\n', ","));
    assert_eq!(keys(&whole(bare.as_bytes(), Kind::Asff, 4)), keys(&export));
    let run_together = String::from_utf8_lossy(HUB_LINES).replace('\n', "");
    assert_eq!(keys(&whole(run_together.as_bytes(), Kind::Asff, 4)), keys(&export));
    assert!(keys(&whole(EVENT, Kind::Asff, 2)).is_subset(&keys(&export)));
    let pages = [HUB, HUB_LINES].concat();
    assert_eq!(read(&pages).unwrap().repeated, 4);

    let f = &export[0];
    assert_eq!((f.source.name.as_str(), f.control.as_str()), ("Security Hub", "EC2.19"));
    assert_eq!((f.account.as_str(), f.region.as_str()), ("111122223333", "eu-west-1"));
    assert_eq!((f.severity, f.status, f.compliance), (Severity::High, Status::Notified, Some(Compliance::Failed)));
    assert_eq!((f.verdict, f.record), (Some(Verdict::TruePositive), RecordState::Active));
    assert_eq!(f.resource.short(), "security-group/sg-0bb22");
    assert_eq!((f.first_seen.to_string(), f.updated.to_string()), ("2026-03-01T08:00:00Z".into(), "2026-05-01T08:00:00Z".into()));
    assert_eq!((f.remediation.as_str(), f.remediation_url.as_str()), ("Narrow the rule.", "https://example.com/EC2.19"));
    let document: serde_json::Value = serde_json::from_str(&f.document).unwrap();
    assert_eq!(document["LastObservedAt"], "2026-05-01T08:00:00.000Z");

    let (guard, inspector, cis) = (&export[1], &export[2], &export[3]);
    assert_eq!((guard.control.as_str(), guard.severity), ("UnauthorizedAccess:EC2/SSHBruteForce", Severity::High));
    assert_eq!((guard.others.len(), guard.others[0].short()), (1, "role/gate"));
    assert_eq!((inspector.control.as_str(), inspector.severity), ("CVE-2026-0001", Severity::Critical));
    assert_eq!(inspector.record, RecordState::Archived);
    assert_eq!((cis.control.as_str(), cis.severity, cis.status), ("1.20", Severity::Informational, Status::Resolved));
}

#[test]
fn severities_by_label_then_figure() {
    let of = |severity: &str, product: &str| {
        let arn = format!("arn:aws:securityhub:eu-west-1::product/{product}");
        let text = format!(r#"{{"Id":"i","ProductArn":"{arn}","CreatedAt":"2026-01-01T00:00:00Z","Severity":{severity}}}"#);
        asff::finding(&text).unwrap().severity
    };
    let table = [
        (0, "INFORMATIONAL"),
        (1, "LOW"),
        (39, "LOW"),
        (40, "MEDIUM"),
        (69, "MEDIUM"),
        (70, "HIGH"),
        (89, "HIGH"),
        (90, "CRITICAL"),
    ];
    for (figure, word) in table {
        assert_eq!(of(&format!(r#"{{"Normalized":{figure}}}"#), "a/b").word(), word);
        assert_eq!(of(&format!(r#"{{"Product":{figure}}}"#), "a/b").word(), word);
        assert_eq!(of(&format!(r#"{{"Label":"{word}","Normalized":55}}"#), "a/b").word(), word);
    }
    assert_eq!(of(r#"{"Product":8.5}"#, "aws/guardduty"), Severity::High);
    for none in ["null", "\"HIGH\"", "{}", "[]", r#"{"Label":"SEVERE"}"#] {
        assert_eq!(of(none, "a/b"), Severity::Informational, "{none}");
    }
}

#[test]
fn a_finding_without_account_is_imported_and_one_without_id_is_not() {
    let bare = r#"{"Id":"i","ProductArn":"p","UpdatedAt":"2026-01-01T00:00:00Z"}"#;
    let f = asff::finding(bare).unwrap();
    assert_eq!((f.account.as_str(), f.title.as_str(), f.document.as_str()), ("", "i", bare));
    for (text, why) in [
        (r#"{"ProductArn":"p","UpdatedAt":"2026-01-01T00:00:00Z"}"#, "it has no Id"),
        (r#"{"Id":"i","UpdatedAt":"yesterday"}"#, "it has no time: neither FirstObservedAt, CreatedAt nor UpdatedAt is one"),
        (r#"{"Id":"i""#, "EOF while parsing an object"),
        ("", "EOF while parsing a value"),
    ] {
        assert_eq!(asff::finding(text).unwrap_err().reason, why);
    }
}

#[test]
fn prowler_in_four_formats() {
    let asff = whole(PROWLER_ASFF, Kind::Asff, 5);
    let ocsf = whole(PROWLER_OCSF, Kind::Ocsf, 6);
    let csv = whole(PROWLER_CSV, Kind::ProwlerCsv, 6);
    let old = whole(PROWLER_3, Kind::ProwlerJson, 2);
    // ASFF knows no MANUAL, so one finding is missing there; else the three hold the same findings.
    assert_eq!(keys(&ocsf), keys(&csv));
    assert!(keys(&asff).is_subset(&keys(&ocsf)));
    assert!(keys(&old).is_subset(&keys(&asff)));
    for f in asff.iter().chain(&ocsf).chain(&csv).chain(&old) {
        assert_eq!((f.source.name.as_str(), f.account.as_str()), ("Prowler", "111122223333"));
        assert!(serde_json::from_str::<serde_json::Value>(&f.document).unwrap().is_object());
    }
    let by_key: HashMap<FindingKey, &Finding> = csv.iter().map(|f| (f.key, f)).collect();
    for f in asff.iter().chain(&ocsf) {
        let row = by_key[&f.key];
        assert_eq!((&f.title, &f.description, f.severity, f.status), (&row.title, &row.description, row.severity, row.status));
        assert_eq!((&f.control, &f.region, &f.resource), (&row.control, &row.region, &row.resource));
        assert_eq!((&f.remediation, &f.remediation_url), (&row.remediation, &row.remediation_url));
    }
    // A record alone, as Security Hub's answers come, has the key it has in a file.
    for f in &asff {
        assert_eq!(asff::finding(&f.document).unwrap(), *f);
    }
    let muted = |f: &&Finding| f.status == Status::Suppressed;
    assert_eq!([&asff, &ocsf, &csv].map(|list| list.iter().filter(muted).count()), [1, 1, 1]);
    assert_eq!(asff.iter().find(muted).unwrap().compliance, Some(Compliance::Warning));
    assert_eq!(ocsf.iter().find(muted).unwrap().compliance, Some(Compliance::Failed));
    assert_eq!(csv[5].compliance, Some(Compliance::Manual));
    assert_eq!(csv[0].types, ["Software and Configuration Checks/AWS Security Best Practices", "Effects/Data Exposure"]);

    let mut set = asff;
    assert_eq!(add(&mut set, ocsf), 5);
    assert_eq!(add(&mut set, csv), 6);
    assert_eq!(set.len(), 6);
    assert_eq!(set.iter().filter(|f| f.also.len() == 1).count(), 5);
    for f in &set {
        for (_, document) in documents(f) {
            assert!(serde_json::from_str::<serde_json::Value>(document).unwrap().is_object());
        }
        assert_eq!(documents(f).len(), 1 + f.also.len());
    }
}

#[test]
fn security_lake_holds_the_findings_of_security_hub() {
    let hub = whole(HUB, Kind::Asff, 4);
    let lake = whole(LAKE, Kind::Ocsf, 3);
    assert_eq!((lake[0].key, lake[1].key), (hub[0].key, hub[2].key));
    assert_eq!((lake[0].control.as_str(), lake[0].compliance), ("EC2.19", Some(Compliance::Failed)));
    assert_eq!(
        (lake[1].control.as_str(), lake[1].severity, lake[1].status),
        ("CVE-2026-0001", Severity::Critical, Status::Resolved)
    );
    assert_eq!(lake[1].first_seen.to_string(), "2026-03-01T08:00:00Z");
    let other = &lake[2];
    assert_eq!((other.source.name.as_str(), other.control.as_str()), ("Lookout", "unknown-boat"));
    assert_eq!((other.severity, other.status, other.verdict), (Severity::Low, Status::Notified, Some(Verdict::FalsePositive)));
}

#[test]
fn security_hubs_triage_wins_over_a_files_silence() {
    let mut scan = whole(PROWLER_ASFF, Kind::Asff, 5).remove(0);
    let mut hub: serde_json::Value = serde_json::from_str(&scan.document).unwrap();
    hub["UpdatedAt"] = "2026-05-03T00:00:00Z".into();
    hub["Title"] = "An older title".into();
    hub["Workflow"] = serde_json::json!({"Status": "SUPPRESSED"});
    hub["VerificationState"] = "FALSE_POSITIVE".into();
    let live = asff::finding(&hub.to_string()).unwrap();
    // A file of the same tool in another format, newer than Security Hub's copy.
    let file = whole(PROWLER_OCSF, Kind::Ocsf, 6).remove(0);
    assert_eq!((live.key, file.key), (scan.key, scan.key));

    for (first, second) in [(live.clone(), file.clone()), (file.clone(), live.clone())] {
        let mut merged = first;
        merge(&mut merged, second);
        assert_eq!((merged.status, merged.verdict), (Status::Suppressed, Some(Verdict::FalsePositive)));
        assert_eq!((merged.title.as_str(), merged.updated), (file.title.as_str(), file.updated));
        assert_eq!(merged.first_seen, file.first_seen.min(live.first_seen));
        assert_eq!(merged.sources().collect::<Vec<_>>(), ["Prowler", "Prowler"]);
        let mut held: Vec<&str> = documents(&merged).into_iter().map(|(_, document)| document).collect();
        held.sort_unstable();
        let mut came = [live.document.as_str(), file.document.as_str()];
        came.sort_unstable();
        assert_eq!(held, came);
        // Merging once more changes nothing.
        let before = merged.clone();
        merge(&mut merged, file.clone());
        assert_eq!(merged, before);
    }
    // The same source, the same time: the later answer replaces the earlier, and no second source appears.
    hub["UpdatedAt"] = serde_json::from_str::<serde_json::Value>(&scan.document).unwrap()["UpdatedAt"].clone();
    let live = asff::finding(&hub.to_string()).unwrap();
    merge(&mut scan, live.clone());
    assert_eq!((scan.also.len(), &scan.document, scan.status), (0, &live.document, Status::Suppressed));
}

#[test]
fn repeated_ids_overwrite_nothing() {
    // One check, one resource, one Prowler id, one scan, three sayings: three findings, whatever their order.
    let row = |words: &str| {
        let text = String::from_utf8_lossy(PROWLER_CSV);
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        lines.truncate(1);
        format!(
            "{}profile: harbour;2026-05-04 09:30:00;1;h;u-1;aws;some_check;Title;t;FAIL;{words};False;x;low;Other;arn:aws:s3:::b;b;eu-west-1;d;r;r;u;c;5\n",
            if words == "one" { lines[0] } else { "" }
        )
    };
    let rows = [row("one"), row("two"), row("three"), row("two")];
    let imported = read(rows.concat().as_bytes()).unwrap();
    adds_up(&imported);
    assert_eq!((imported.findings.len(), imported.repeated), (3, 1));
    let turned = read([&rows[0], &rows[2], &rows[1]].map(String::as_str).concat().as_bytes()).unwrap();
    assert_eq!(keys(&turned.findings), keys(&imported.findings));
    // A later scan in the same file reports the same findings again.
    let later = rows.concat() + &rows[1].replace("09:30", "10:30").replace("u-1", "u-2");
    let imported = read(later.as_bytes()).unwrap();
    assert_eq!((imported.findings.len(), imported.repeated), (3, 2));
}

#[test]
fn broken_records_are_reported_by_place_and_the_others_imported() {
    let lines: Vec<&str> = std::str::from_utf8(HUB_LINES).unwrap().lines().collect();
    let file = [
        lines[0],
        r#"{"Id": 7, "SchemaVersion": "2018-10-08"}"#,
        lines[1],
        r#"{"SchemaVersion": nul}"#,
        lines[2],
        "not json",
        lines[3],
    ]
    .join("\n");
    let imported = read(file.as_bytes()).unwrap();
    adds_up(&imported);
    assert_eq!(imported.findings.len(), 4);
    let said: Vec<String> = imported.broken.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "record 2 at line 2, column 1: it has no time: neither FirstObservedAt, CreatedAt nor UpdatedAt is one",
            "record 4 at line 4, column 22: expected ident",
            "record 6 at line 6, column 1: expected an object, found \"not json\"",
        ]
    );
    // A quote too few costs the record it stands in.
    let torn = [lines[0], &lines[1].replacen("\"Title\": \"", "\"Title\": ", 1), lines[2], lines[3]].join("\n");
    let imported = read(torn.as_bytes()).unwrap();
    adds_up(&imported);
    assert_eq!((imported.findings.len(), imported.broken.len()), (3, 1));
    assert_eq!(imported.broken[0].position.line, 2);
    // Bytes that are no UTF-8 cost the record they stand in.
    let mut bytes = HUB_LINES.to_vec();
    let place = memmem(&bytes, b"guesses");
    bytes[place] = 0xff;
    let imported = read(&bytes).unwrap();
    assert_eq!((imported.findings.len(), imported.broken.len()), (3, 1));
}

fn memmem(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|w| w == needle).unwrap()
}

#[test]
fn a_damaged_csv_row_costs_itself() {
    let text = std::str::from_utf8(PROWLER_CSV).unwrap();
    let torn = text.replacen("FAIL;Bucket", "FAIL;\"Bucket", 1);
    assert_ne!(torn, text);
    let imported = read(torn.as_bytes()).unwrap();
    adds_up(&imported);
    assert_eq!((imported.findings.len(), imported.broken.len()), (5, 1));
    assert_eq!((imported.broken[0].record, imported.broken[0].position.line), (1, 2));
    let odd = text.replacen(";FAIL;", ";MAYBE;", 1);
    let imported = read(odd.as_bytes()).unwrap();
    assert_eq!(imported.broken[0].reason, "its status \"MAYBE\" is none of PASS, FAIL, MANUAL");
    assert_eq!(imported.findings.len(), 5);
}

#[test]
fn a_cut_file_keeps_what_stands_before_the_cut() {
    for (bytes, kind) in
        [(PROWLER_ASFF, Kind::Asff), (PROWLER_OCSF, Kind::Ocsf), (HUB, Kind::Asff), (PROWLER_CSV, Kind::ProwlerCsv)]
    {
        let all = read(bytes).unwrap().findings.len();
        let mut before = 0;
        for cut in (600..bytes.len()).step_by(97) {
            let Ok(imported) = read(&bytes[..cut]) else {
                assert_eq!(before, 0, "{kind} cut at {cut} was refused, but a shorter part was not");
                continue;
            };
            adds_up(&imported);
            assert_eq!(imported.kind, kind);
            assert!(
                imported.findings.len() >= before && imported.broken.len() <= 1,
                "{kind} cut at {cut}: {:?}",
                imported.broken
            );
            before = imported.findings.len();
        }
        assert!(before >= all - 1, "{kind}: {before} of {all}");
    }
}

#[test]
fn what_cannot_be_imported_is_named() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(matches!(read(b""), Err(FormatError::Empty)));
    assert!(refused(b"").starts_with("the file is empty"));
    assert!(matches!(read(b" \n\t"), Err(FormatError::Empty)));
    assert!(matches!(read(b"\xef\xbb\xbf"), Err(FormatError::Empty)));
    for (text, looks) in [
        ("<!DOCTYPE html><html>", "an HTML page"),
        ("<xml/>", "XML"),
        ("hello", "plain text"),
        ("a,b,c,d,e\n1,2,3,4,5\n", "a CSV file whose header is not Prowler's"),
        (r#"{"Version":"2012-10-17","Statement":[]}"#, "an IAM policy document"),
        (r#"{"Vpcs":[{"VpcId":"vpc-1"}]}"#, "a JSON object with the key Vpcs"),
        (r#"{"UserDetailList":[],"Policies":[]}"#, "get-account-authorization-details"),
        (r#"{"Findings":[{"SchemaVersion":"2.0","Id":"1","Service":{},"Severity":5,"Type":"t"}]}"#, "GuardDuty's own findings"),
        ("[1,2]", "a damaged JSON file"),
    ] {
        let said = refused(text.as_bytes());
        assert!(said.starts_with("it looks like ") && said.contains(looks), "{text}: {said}");
    }
    assert!(refused(&[0x1f, 0x8b, 8]).contains("gunzip"));
    assert!(refused(b"\xff\xfe[\0").contains("UTF-16"));
    for empty in ["[]", " [ ] ", r#"{"Findings":[]}"#] {
        assert_eq!(read(empty.as_bytes()).unwrap().kind, Kind::Empty, "{empty}");
    }
}

#[test]
fn packed_and_marked_files_read_alike() {
    for bytes in ALL {
        let plain = read(bytes).unwrap();
        let packed = zstd::encode_all(bytes, 3).unwrap();
        let marked = [b"\xef\xbb\xbf", bytes].concat();
        for form in [&packed, &marked] {
            assert_eq!(detect(form).unwrap(), plain.kind);
            assert_eq!(read(form).unwrap().findings, plain.findings);
        }
        assert!(matches!(read(&packed[..packed.len() / 2]), Err(FormatError::Zstd(_))));
    }
}

#[test]
fn too_large_and_too_deep_records_cost_themselves() {
    let good: Vec<&str> = std::str::from_utf8(HUB_LINES).unwrap().lines().collect();
    let large = format!(r#"{{"SchemaVersion":"2018-10-08","Id":"{}"}}"#, "x".repeat(17 << 20));
    let deep = format!(r#"{{"SchemaVersion":"2018-10-08","Id":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for bad in [large, deep] {
        let imported = read([good[0], &bad, good[1]].join("\n").as_bytes()).unwrap();
        adds_up(&imported);
        assert_eq!((imported.findings.len(), imported.broken.len()), (2, 1));
    }
}

#[test]
fn a_record_of_endless_lists_takes_little_memory() {
    let many = "1,".repeat(4 << 20);
    let record =
        format!(r#"{{"Id":"i","ProductArn":"p","UpdatedAt":"2026-01-01T00:00:00Z","Types":[{many}1],"Resources":[{many}1]}}"#);
    let f = asff::finding(&record[..]).unwrap();
    assert_eq!((f.types.len(), f.document.len()), (10_000, record.len()));
    assert!(f.others.is_empty());
}

#[test]
fn broken_records_are_listed_up_to_a_bound() {
    let mut file = String::from_utf8_lossy(HUB_LINES).into_owned();
    file.push_str(&"{}\n".repeat(30_000));
    let imported = read(file.as_bytes()).unwrap();
    adds_up(&imported);
    assert_eq!((imported.findings.len(), imported.broken.len(), imported.unlisted), (4, 10_000, 20_000));
    assert_eq!(imported.broken[9_999].position.line, 4 + 10_000);
}

/// Reads what may be anything: it must end, not panic, and account for each record.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(imported) = read(bytes) {
        let seen = imported.findings.len() + imported.repeated + imported.broken.len() + imported.unlisted;
        prop_assert_eq!(seen, imported.records);
        prop_assert!(imported.records <= bytes.len().max(1) * 2);
        for finding in &imported.findings {
            let held: usize = documents(finding).iter().map(|(_, document)| document.len()).sum();
            // A CSV row's document repeats the header's names.
            prop_assert!(held <= bytes.len() * 8 + 4096);
        }
    }
    Ok(())
}

fn mutated(file: usize) -> impl Strategy<Value = Vec<u8>> {
    let bytes = ALL[file];
    let change = (0..bytes.len(), 0..4u8, prop_oneof![any::<u8>(), prop::sample::select(b"\"{}[]\\,:;\n".to_vec())], 0..200usize);
    prop::collection::vec(change, 1..8).prop_map(move |changes| {
        let mut bytes = bytes.to_vec();
        for (at, how, byte, length) in changes {
            let at = at.min(bytes.len().saturating_sub(1));
            let end = (at + length).min(bytes.len());
            match how {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        survives(&bytes)?;
    }

    #[test]
    fn anything_that_looks_like_json(text in r#"([\[\]{}",:\\ 1a]|"SchemaVersion":"2018-10-08"|"Id":"i"|"Findings":\[|"detail":\{|"finding_info":\{|\{"Id":"1","ProductArn":"p","UpdatedAt":"2026-01-01T00:00:00Z"\}){0,80}"#) {
        survives(text.as_bytes())?;
    }

    #[test]
    fn anything_that_looks_like_csv(rows in r#"([;"\n]|FAIL|profile: a;|2026-05-04 09:30:00){0,120}"#) {
        let header = PROWLER_CSV.split_inclusive(|b| *b == b'\n').next().unwrap();
        survives(&[header, rows.as_bytes()].concat())?;
    }

    #[test]
    fn damaged_asff(bytes in prop_oneof![mutated(0), mutated(4), mutated(5), mutated(6)]) {
        survives(&bytes)?;
    }

    #[test]
    fn damaged_ocsf(bytes in prop_oneof![mutated(1), mutated(7)]) {
        survives(&bytes)?;
    }

    #[test]
    fn damaged_csv(bytes in mutated(2)) {
        survives(&bytes)?;
    }

    #[test]
    fn damaged_prowler_3(bytes in mutated(3)) {
        survives(&bytes)?;
    }

    #[test]
    fn damaged_packing(at in 0..2000usize, byte in any::<u8>()) {
        let mut packed = zstd::encode_all(PROWLER_OCSF, 3).unwrap();
        let at = at % packed.len();
        packed[at] = byte;
        if let Ok(imported) = read(&packed) {
            prop_assert!(imported.records < 10_000);
        }
    }

    /// Facts do not depend on which report came first, except for a tie.
    #[test]
    fn merging_takes_the_newer_facts(i in 0..5usize, minutes in 1..600i64, first_newer in any::<bool>()) {
        let (asff, ocsf) = (read(PROWLER_ASFF).unwrap().findings, read(PROWLER_OCSF).unwrap().findings);
        let mut a = asff[i].clone();
        let mut b = ocsf.into_iter().find(|f| f.key == a.key).unwrap();
        a.title = "a".into();
        b.title = "b".into();
        let later = |f: &Finding| f.updated + jiff::SignedDuration::from_mins(minutes);
        if first_newer { a.updated = later(&b) } else { b.updated = later(&a) }
        let (mut ab, mut ba) = (a.clone(), b.clone());
        merge(&mut ab, b);
        merge(&mut ba, a);
        prop_assert_eq!(&ab.title, if first_newer { "a" } else { "b" });
        // Who reported first differs, as it should; nothing else does.
        ab.source = ba.source.clone();
        ab.also.clone_from(&ba.also);
        ab.document.clone_from(&ba.document);
        ab.types.sort();
        ba.types.sort();
        prop_assert_eq!(&ab, &ba);
    }
}

/// The folder of real files, or a visible word that the test is skipped.
fn samples(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BARTIZAN_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {test}: set BARTIZAN_SAMPLES to the folder of sample files");
    }
    folder
}

fn sample(folder: &Path, name: &str) -> Imported {
    let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let imported = read(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    adds_up(&imported);
    imported
}

#[test]
fn a_full_scan_in_three_formats_is_one_set() {
    let Some(folder) = samples("a_full_scan_in_three_formats_is_one_set") else { return };
    let [asff, ocsf, csv] = ["asff.json", "ocsf.json", "csv"].map(|kind| {
        let imported = sample(&folder, &format!("findings/prowler-5.46-full-scan.{kind}.zst"));
        assert_eq!((imported.broken.len(), imported.repeated), (0, 0), "{kind}");
        imported.findings
    });
    assert_eq!([asff.len(), ocsf.len(), csv.len()], [6157, 6167, 6167]);
    // 43 of Prowler's ASFF ids stand on 95 rows: 52 more rows than ids, and none of them is lost.
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for f in &asff {
        *ids.entry(&f.source.id).or_default() += 1;
    }
    assert_eq!((ids.values().filter(|n| **n > 1).count(), ids.values().map(|n| n - 1).sum::<usize>()), (43, 52));

    assert_eq!(keys(&ocsf), keys(&csv));
    assert!(keys(&asff).is_subset(&keys(&ocsf)));
    for f in &asff {
        assert_eq!(asff::finding(&f.document).unwrap().key, f.key);
    }
    let in_asff = keys(&asff);
    let only_ocsf: Vec<&Finding> = ocsf.iter().filter(|f| !in_asff.contains(&f.key.0)).collect();
    assert_eq!(only_ocsf.len(), 10);
    assert!(only_ocsf.iter().all(|f| f.compliance == Some(Compliance::Manual)));

    // The same key is the same finding: all that the formats share agrees.
    let by_key: HashMap<FindingKey, &Finding> = csv.iter().map(|f| (f.key, f)).collect();
    for f in asff.iter().chain(&ocsf) {
        let row = by_key[&f.key];
        assert_eq!((&f.account, &f.region, &f.control, &f.resource), (&row.account, &row.region, &row.control, &row.resource));
        assert_eq!((&f.title, f.severity, f.compliance, f.status), (&row.title, row.severity, row.compliance, row.status));
        assert_eq!(f.description.trim_end(), row.description.trim_end());
    }

    // In whatever order they come: 6,167 findings, 6,157 of them under ASFF's id and under the id OCSF and CSV share.
    for order in [[&asff, &ocsf, &csv], [&csv, &asff, &ocsf]] {
        let mut set = Vec::new();
        let merged: usize = order.into_iter().map(|list| add(&mut set, list.clone())).sum();
        assert_eq!((set.len(), merged), (6167, 6157 + 6167));
        assert_eq!(set.iter().filter(|f| f.also.len() == 1).count(), 6157);
        assert_eq!(set.iter().filter(|f| f.also.is_empty()).count(), 10);
    }
}

#[test]
fn real_files_of_every_tool() {
    let Some(folder) = samples("real_files_of_every_tool") else { return };
    for (name, kind, records, findings) in [
        ("prowler-examples/example_output_aws.ocsf.json", Kind::Ocsf, 5, 5),
        ("prowler-examples/example_output_aws.csv", Kind::ProwlerCsv, 4, 4),
        ("prowler-3/prowler-output.asff.json", Kind::Asff, 731, 731),
        ("prowler-3/many_vuln.json", Kind::ProwlerJson, 3, 3),
        ("prowler-3/many_vuln.ocsf.json", Kind::Ocsf, 3, 3),
        ("prowler-3/many_vuln_after_4_5_0.ocsf.json", Kind::Ocsf, 3, 3),
        ("prowler-3/many_vulns.json", Kind::Asff, 5, 5),
        ("prowler-3/one_vuln.json", Kind::Asff, 1, 1),
        ("prowler-3/one_vuln.ocsf.json", Kind::Ocsf, 1, 1),
        ("prowler-3/one_vuln_after_4_5_0.ocsf.json", Kind::Ocsf, 1, 1),
        ("prowler-3/no_vuln.json", Kind::Empty, 0, 0),
        ("prowler-3/no_vuln.ocsf.json", Kind::Empty, 0, 0),
        ("security-hub/config_many_findings.json", Kind::Asff, 3, 3),
        ("security-hub/config_multiple_resources.json", Kind::Asff, 2, 2),
        ("security-hub/config_one_finding.json", Kind::Asff, 1, 1),
        ("security-hub/config_one_finding_active.json", Kind::Asff, 1, 1),
        ("security-hub/config_repeated_findings.json", Kind::Asff, 2, 1),
        ("security-hub/guardduty.json", Kind::Asff, 4, 4),
        ("security-hub/inspector_ec2_cve.json", Kind::Asff, 5, 5),
        ("security-hub/inspector_ec2_cve_no_vulnerabilities.json", Kind::Asff, 1, 1),
        ("security-hub/inspector_ec2_ghsa.json", Kind::Asff, 1, 1),
        ("security-hub/inspector_ecr.json", Kind::Asff, 7, 7),
        ("security-hub/issue_10956.json", Kind::Asff, 1, 1),
        ("security-hub/missing_account_id.json", Kind::Asff, 1, 1),
        ("guardduty/Unusual Behaviors-User-Persistence IAMUser-NetworkPermissions.json", Kind::Asff, 1, 1),
    ] {
        let imported = sample(&folder, &format!("findings/{name}"));
        assert_eq!(imported.broken, [], "{name}");
        assert_eq!((imported.kind, imported.records, imported.findings.len()), (kind, records, findings), "{name}");
    }
    let nameless = sample(&folder, "findings/security-hub/missing_account_id.json");
    assert_eq!(nameless.findings[0].account, "");
}

#[test]
fn files_of_other_kinds_are_refused() {
    let Some(folder) = samples("files_of_other_kinds_are_refused") else { return };
    let mut refused = 0;
    for place in ["iam", "network/demo-account", "network/vpc-peering"] {
        for file in std::fs::read_dir(folder.join(place)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() && file.extension().is_some_and(|e| e == "json" || e == "zst") {
                let bytes = std::fs::read(&file).unwrap();
                match read(&bytes) {
                    Err(FormatError::Unknown { .. } | FormatError::Empty) => refused += 1,
                    other => panic!("{}: {other:?}", file.display()),
                }
            }
        }
    }
    assert!(refused > 10);
}
