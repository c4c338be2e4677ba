//! A thousand random changes to a ledger, by rows and by bytes: all are found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, dead_code, reason = "tests")]

#[path = "support/book.rs"]
mod book;

use std::path::Path;

use bartizan::ledger::address::Address;
use bartizan::ledger::either::AnyStore;
use bartizan::ledger::export::{export, verify_export};
use bartizan::ledger::store::Store;
use bartizan::ledger::verify::{Against, Fault, Report, verify};
use bartizan::model::decision::{Decision, Entry, Hash};
use bartizan::model::finding::Status;
use book::{Random, all, append, finding, note, store};
use sqlx::{Connection, Row, SqliteConnection};

const ENTRIES: u64 = 60;

/// A ledger file, closed and whole, with the write-ahead log taken in.
async fn original(path: &Path) -> (Vec<Entry>, String) {
    let s = store(path.to_str().unwrap()).await;
    for n in 0..ENTRIES {
        let decision = if n % 2 == 0 {
            Decision::Status { status: Status::Notified }
        } else {
            Decision::Note { text: format!("note {n} é😀") }
        };
        s.append(&[append("jo", finding(u128::from(n % 7)), decision, None)]).await.unwrap();
    }
    let (entries, id) = (all(&s).await, s.id().await.unwrap());
    s.close().await;
    let mut c = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut c).await.unwrap();
    sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut c).await.unwrap();
    c.close().await.unwrap();
    (entries, id)
}

/// As `bartizan ledger verify` does, with the ledger's id as seen before.
async fn check(path: &Path, ledger: &str) -> Result<Report, String> {
    let s = AnyStore::open(&Address::parse(path.to_str().unwrap()).unwrap(), None).await.map_err(|e| e.to_string())?;
    let against = Against { ledger: Some(ledger.to_owned()), ..Against::default() };
    let report = verify(&s, &against, |_| {}).await.map_err(|e| e.to_string());
    s.close().await;
    report
}

/// Someone with all rights on the file: triggers off, the change, triggers back.
async fn change(path: &Path, statements: &[String]) {
    let mut c = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let triggers: Vec<(String, String)> =
        sqlx::query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
            .fetch_all(&mut c)
            .await
            .unwrap()
            .iter()
            .map(|r| (r.get(0), r.get(1)))
            .collect();
    for (name, _) in &triggers {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut c).await.unwrap();
    }
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut c).await.unwrap();
    }
    for (_, sql) in &triggers {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut c).await.unwrap();
    }
    c.close().await.unwrap();
}

fn set(entry: &Entry, body: &str, place: u64) -> String {
    let hash = Hash::of(body.as_bytes());
    let body = body.replace('\'', "''");
    format!(
        "UPDATE bartizan_entries SET body = '{body}', hash = '{hash}', id = '{}', subject = '{}' WHERE sequence = {place}",
        entry.id, entry.subject
    )
}

/// One random change by rows; what verification has to say of it.
fn row_change(random: &mut Random, entries: &[Entry]) -> (Vec<String>, Vec<&'static str>, u64) {
    let last = entries.len() as u64;
    let at = 1 + random.below(last);
    let entry = &entries[usize::try_from(at - 1).unwrap()];
    match random.below(9) {
        0 => (vec![format!("DELETE FROM bartizan_entries WHERE sequence = {at}")], vec!["Removed"], at),
        // Removed, and what follows moved down over it, end and all.
        1 => {
            let at = at.min(last - 1);
            let end = &entries[entries.len() - 1];
            let shift = format!("UPDATE bartizan_entries SET sequence = -(sequence - 1) WHERE sequence > {at}");
            let all = vec![
                format!("DELETE FROM bartizan_entries WHERE sequence = {at}"),
                shift,
                "UPDATE bartizan_entries SET sequence = -sequence WHERE sequence < 0".to_owned(),
                format!("UPDATE bartizan_head SET sequence = {}, hash = '{}'", last - 1, end.hash),
            ];
            (all, vec!["Removed"], at)
        }
        // A body changed, the hash not; then with the hash made to fit.
        2 => (
            vec![format!("UPDATE bartizan_entries SET body = replace(body, 'because', 'Because') WHERE sequence = {at}")],
            vec!["Changed"],
            at,
        ),
        3 => {
            let mut draft = entry.draft.clone();
            draft.reason = "forged".into();
            let (_, body) = Entry::chain(draft, at, entry.previous).unwrap();
            (vec![set(entry, &body, at)], vec!["Changed"], at)
        }
        4 => {
            let column = ["id = id || '0'", "subject = 'finding:0'", "hash = replace(hash, substr(hash, 3, 1), 'g')"]
                [random.below(3) as usize];
            (vec![format!("UPDATE bartizan_entries SET {column} WHERE sequence = {at}")], vec!["Changed"], at)
        }
        // Two entries exchanged, rows and all.
        5 => {
            let other = 1 + (at + random.below(last - 1)) % last;
            let all = vec![
                format!("UPDATE bartizan_entries SET sequence = -1 WHERE sequence = {at}"),
                format!("UPDATE bartizan_entries SET sequence = {at} WHERE sequence = {other}"),
                format!("UPDATE bartizan_entries SET sequence = {other} WHERE sequence = -1"),
            ];
            (all, vec!["Reordered", "Removed", "Inserted"], at.min(other))
        }
        // An entry of someone's own between two others, which are moved up.
        6 => {
            let mut draft = note("mallory", 3, "inserted").draft;
            draft.id.0[0] ^= 1;
            let previous = if at == 1 { Hash::ZERO } else { entries[usize::try_from(at - 2).unwrap()].hash };
            let (new, body) = Entry::chain(draft, at, previous).unwrap();
            let body = body.replace('\'', "''");
            let all = vec![
                format!("UPDATE bartizan_entries SET sequence = -(sequence + 1) WHERE sequence >= {at}"),
                "UPDATE bartizan_entries SET sequence = -sequence WHERE sequence < 0".to_owned(),
                format!("INSERT INTO bartizan_entries VALUES ({at}, '{}', '{}', '{body}', '{}')", new.id, new.subject, new.hash),
                format!("UPDATE bartizan_head SET sequence = {}", last + 1),
            ];
            (all, vec!["Inserted"], at)
        }
        // One more at the end, as if appended; and the end's note alone.
        7 => {
            let (new, body) =
                Entry::chain(note("mallory", 3, "appended").draft, last + 1, entries[entries.len() - 1].hash).unwrap();
            let body = body.replace('\'', "''");
            let insert = format!(
                "INSERT INTO bartizan_entries VALUES ({}, '{}', '{}', '{body}', '{}')",
                last + 1,
                new.id,
                new.subject,
                new.hash
            );
            (vec![insert], vec!["End"], last + 1)
        }
        _ => (vec![format!("UPDATE bartizan_head SET sequence = sequence - {at}")], vec!["End"], 0),
    }
}

fn kind(fault: &Fault) -> (&'static str, u64) {
    match fault {
        Fault::Changed { sequence, .. } => ("Changed", *sequence),
        Fault::Removed { sequence } => ("Removed", *sequence),
        Fault::Inserted { sequence } => ("Inserted", *sequence),
        Fault::Reordered { sequence, .. } => ("Reordered", *sequence),
        Fault::End { found, .. } => ("End", found.sequence),
        Fault::Unreadable { after, .. } => ("Unreadable", *after),
        Fault::Rewritten { checkpoint, .. } => ("Rewritten", checkpoint.sequence),
        Fault::Checkpoint { sequence, .. } => ("Checkpoint", *sequence),
        Fault::OtherLedger { .. } => ("OtherLedger", 0),
        Fault::Storage { .. } => ("Storage", 0),
    }
}

#[tokio::test]
async fn five_hundred_changes_by_rows_are_found_and_the_first_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.db");
    let (entries, id) = original(&whole).await;
    assert_eq!(check(&whole, &id).await.unwrap().fault, None);
    let mut random = Random(7);
    for n in 0..500 {
        let copy = directory.path().join("copy.db");
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(directory.path().join(format!("copy.db{suffix}")));
        }
        std::fs::copy(&whole, &copy).unwrap();
        let (statements, kinds, first) = row_change(&mut random, &entries);
        change(&copy, &statements).await;
        let fault = check(&copy, &id).await.unwrap().fault;
        let (found, at) = fault.as_ref().map(kind).unwrap_or_else(|| panic!("{n}: not found: {statements:?}"));
        assert!(kinds.contains(&found), "{n}: {fault:?} for {statements:?}");
        if found != "End" {
            assert_eq!(at, first, "{n}: {fault:?} for {statements:?}");
        }
    }
}

/// All that SQLite reads from a file: schema, and every column of every row with its type.
async fn dump(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut c = SqliteConnection::connect(path.to_str().unwrap()).await?;
    let mut all = Vec::new();
    for sql in [
        "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(sql) FROM sqlite_schema ORDER BY rowid",
        "SELECT quote(sequence) || quote(id) || quote(subject) || quote(body) || quote(hash) FROM bartizan_entries NOT INDEXED ORDER BY sequence",
        "SELECT quote(one) || quote(sequence) || quote(hash) FROM bartizan_head",
        "SELECT quote(name) || quote(value) FROM bartizan_meta ORDER BY rowid",
        "SELECT count(*) || '' FROM bartizan_checkpoints",
        "SELECT user_version || '' FROM pragma_user_version",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(&mut c).await?);
    }
    c.close().await?;
    Ok(all)
}

#[tokio::test]
async fn five_hundred_changed_bytes_of_the_file_are_found_or_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.db");
    let (_, id) = original(&whole).await;
    let bytes = std::fs::read(&whole).unwrap();
    let before = dump(&whole).await.unwrap();
    let mut random = Random(11);
    let (mut found, mut without_effect) = (0, 0);
    for n in 0..500 {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        let mut changed = bytes.clone();
        changed[at] ^= 1 + u8::try_from(random.below(255)).unwrap();
        let copy = directory.path().join(format!("copy{n}.db"));
        std::fs::write(&copy, &changed).unwrap();
        let fault = check(&copy, &id).await.map(|r| r.fault);
        if matches!(fault, Ok(None)) {
            // Not found: then it lies where SQLite keeps nothing, and all that is read is what it was.
            assert!(dump(&copy).await.is_ok_and(|after| after == before), "{n}: byte {at} was changed and not found");
            without_effect += 1;
        } else {
            found += 1;
        }
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(directory.path().join(format!("copy{n}.db{suffix}")));
        }
    }
    eprintln!("500 bytes of the file: {found} found, {without_effect} in unused space (nothing that is read changed)");
    assert!(found > 150, "{found}");
}

#[tokio::test]
async fn a_thousand_changed_bytes_of_an_export_are_all_found_with_and_without_bartizan() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.db");
    original(&whole).await;
    let s = store(whole.to_str().unwrap()).await;
    let mut text = Vec::new();
    let head = export(&s, &mut text).await.unwrap();
    assert_eq!(verify_export(text.as_slice(), vec![head]).unwrap().fault, None);
    let mut random = Random(13);
    for n in 0..1000 {
        let at = usize::try_from(random.below(text.len() as u64)).unwrap();
        let mut changed = text.clone();
        match random.below(3) {
            0 => drop(changed.remove(at)),
            1 => changed.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ => changed[at] ^= 1 + u8::try_from(random.below(255)).unwrap(),
        }
        if changed == text {
            continue;
        }
        let report = verify_export(changed.as_slice(), Vec::new()).unwrap();
        assert!(report.fault.is_some(), "{n}: byte {at}");
        // The script is a process each: a sample.
        if n % 25 == 0 {
            let file = directory.path().join("export.ndjson");
            std::fs::write(&file, &changed).unwrap();
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-ledger.py");
            let out = std::process::Command::new("python3").arg(script).arg(&file).output().expect("python3 runs");
            assert!(!out.status.success(), "{n}: byte {at}: {}", String::from_utf8_lossy(&out.stdout));
            assert!(!String::from_utf8_lossy(&out.stderr).contains("Traceback"), "{}", String::from_utf8_lossy(&out.stderr));
        }
    }
    // Lines exchanged, repeated, left out.
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    for (n, fault) in [(0, "Reordered"), (1, "Inserted"), (2, "Removed")] {
        let mut changed = lines.clone();
        match n {
            0 => changed.swap(4, 5),
            1 => changed.insert(5, lines[4]),
            _ => drop(changed.remove(4)),
        }
        let report = verify_export(changed.concat().as_slice(), Vec::new()).unwrap();
        assert_eq!(report.fault.as_ref().map(kind), Some((fault, 5)), "{n}");
    }
}
