//! The ledger's contract, run on SQLite and on a real PostgreSQL by URL: the same story on both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, dead_code, reason = "tests")]

#[path = "support/book.rs"]
mod book;
#[path = "support/postgres.rs"]
mod postgres;

use std::path::Path;
use std::time::Duration;

use bartizan::ledger::address::Address;
use bartizan::ledger::checkpoint::{Checkpoint, CheckpointError};
use bartizan::ledger::either::AnyStore;
use bartizan::ledger::error::LedgerError;
use bartizan::ledger::export::{export, verify_export};
use bartizan::ledger::handle::{Decided, Ledger};
use bartizan::ledger::outbox::{Delivery, Sent};
use bartizan::ledger::store::{Outcome, Store};
use bartizan::ledger::verify::{Against, Fault, verify};
use bartizan::model::decision::{Decision, Entry, Hash, Head, Subject};
use bartizan::model::finding::{FindingKey, Status};
use bartizan::triage::projection::Projection;
use book::{actor, all, append, ask, delivered, finding, ledger, note, now, options, store};
use jiff::{SignedDuration, Timestamp};

/// Runs a story on a new SQLite file and on a new database of a PostgreSQL.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
                super::$name(&url, directory.path()).await;
            })+
        }
        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let directory = tempfile::tempdir().unwrap();
                let (server, url) = tokio::task::spawn_blocking(|| {
                    let server = crate::postgres::shared();
                    let url = server.database();
                    (server, url)
                }).await.unwrap();
                super::$name(&url, directory.path()).await;
                tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
            })+
        }
    };
}

on_both!(
    entries_are_chained_in_order_and_read_back,
    an_expectation_that_no_longer_holds_is_a_conflict,
    an_append_may_be_repeated,
    of_twenty_claims_one_wins,
    many_starters_set_up_one_ledger,
    others_entries_arrive_within_a_second,
    a_newer_schema_is_refused,
    decisions_are_projected_saved_and_rebuilt,
    deliveries_keep_their_order_and_wait_for_a_person,
    verification_and_exports_agree,
    checkpoints_find_a_chain_rewritten_as_a_whole,
    another_ledger_at_the_same_address_is_noticed,
);

fn entry(outcome: &Outcome) -> &Entry {
    match outcome {
        Outcome::Appended(entry) => entry,
        Outcome::Conflict { since } => panic!("a conflict with {since:?}"),
    }
}

async fn entries_are_chained_in_order_and_read_back(url: &str, _: &Path) {
    let s = store(url).await;
    assert_eq!(s.head().await.unwrap(), Head::EMPTY);
    let hostile = "a\0b\u{1b}[31m\u{202e}😀\"\\\n";
    let batch: Vec<_> = (0..7).map(|n| note("jo", n % 3, hostile)).collect();
    let outcomes =
        s.append(&batch[..1]).await.unwrap().into_iter().chain(s.append(&batch[1..]).await.unwrap()).collect::<Vec<_>>();
    let read = all(&s).await;
    assert_eq!(read, outcomes.iter().map(|o| entry(o).clone()).collect::<Vec<_>>());
    let mut previous = Hash::ZERO;
    for (n, (entry, asked)) in read.iter().zip(&batch).enumerate() {
        assert_eq!((entry.sequence, entry.previous, &entry.draft), (n as u64 + 1, previous, &asked.draft));
        previous = entry.hash;
    }
    assert_eq!(s.head().await.unwrap(), Head { sequence: 7, hash: previous });
    assert_eq!(s.of_subject(&finding(1)).await.unwrap().iter().map(|e| e.sequence).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(s.read(5, 1).await.unwrap(), read[5..6]);
    assert!(s.append(&[]).await.unwrap().is_empty());
    let id = s.id().await.unwrap();
    s.close().await;
    let again = store(url).await;
    assert_eq!((again.id().await.unwrap(), all(&again).await), (id, read));
    // More than one transaction's worth.
    let many: Vec<_> = (0..1203).map(|n| note("jo", 100 + n, "x")).collect();
    assert_eq!(again.append(&many).await.unwrap().len(), 1203);
    assert_eq!(again.head().await.unwrap().sequence, 1210);
    assert_eq!(verify(&again, &Against::default(), |_| {}).await.unwrap().fault, None);
}

async fn an_expectation_that_no_longer_holds_is_a_conflict(url: &str, _: &Path) {
    let s = store(url).await;
    let claim = |who: &str, on: u64| append(who, finding(1), Decision::Claim, Some(on));
    let first = s.append(&[claim("jo", 0)]).await.unwrap();
    let outcomes = s.append(&[claim("kim", 0), note("kim", 1, "x"), note("kim", 2, "y"), claim("kim", 2)]).await.unwrap();
    match &outcomes[0] {
        Outcome::Conflict { since } => assert_eq!(since[0], *entry(&first[0]), "the loser sees who"),
        other => panic!("{other:?}"),
    }
    assert_eq!((entry(&outcomes[1]).sequence, entry(&outcomes[2]).sequence, entry(&outcomes[3]).sequence), (2, 3, 4));
    assert_eq!(s.head().await.unwrap().sequence, 4, "a conflict leaves no gap");
}

async fn an_append_may_be_repeated(url: &str, _: &Path) {
    let s = store(url).await;
    let batch = [append("jo", finding(1), Decision::Claim, Some(0)), note("jo", 1, "x")];
    let once = s.append(&batch).await.unwrap();
    assert_eq!(s.append(&batch).await.unwrap(), once);
    let twice_in_one = note("jo", 2, "y");
    let both = s.append(&[twice_in_one.clone(), twice_in_one]).await.unwrap();
    assert_eq!(both[0], both[1]);
    assert_eq!(s.head().await.unwrap().sequence, 3);
}

async fn of_twenty_claims_one_wins(url: &str, _: &Path) {
    store(url).await.close().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let url = url.to_owned();
        tasks.spawn(async move {
            let s = store(&url).await;
            let outcome = s.append(&[append(&format!("p{n}"), finding(1), Decision::Claim, Some(0))]).await.unwrap().remove(0);
            s.close().await;
            outcome
        });
    }
    let outcomes = tasks.join_all().await;
    let won: Vec<&Entry> = outcomes.iter().filter_map(|o| if let Outcome::Appended(e) = o { Some(e) } else { None }).collect();
    assert_eq!(won.len(), 1);
    for outcome in &outcomes {
        if let Outcome::Conflict { since } = outcome {
            assert_eq!(since.as_slice(), [won[0].clone()]);
        }
    }
}

async fn many_starters_set_up_one_ledger(url: &str, _: &Path) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let url = url.to_owned();
        tasks.spawn(async move {
            let s = store(&url).await;
            s.append(&[note("jo", n, "x")]).await.unwrap();
            let id = s.id().await.unwrap();
            s.close().await;
            id
        });
    }
    let mut ids = tasks.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let s = store(url).await;
    assert_eq!(verify(&s, &Against::default(), |_| {}).await.unwrap().entries, 8);
}

async fn others_entries_arrive_within_a_second(url: &str, directory: &Path) {
    let (one, two) = (directory.join("one"), directory.join("two"));
    let (a, b) = (ledger(url, &one).await, ledger(url, &two).await);
    for n in 0..3 {
        let waiting = tokio::spawn({
            let b = b.clone();
            async move { (b.changes(Duration::from_secs(20)).await.unwrap(), std::time::Instant::now()) }
        });
        tokio::task::yield_now().await;
        let saved = std::time::Instant::now();
        a.decide(vec![ask(append("jo", finding(n), Decision::Claim, Some(0)))]).await.unwrap();
        let (changed, arrived) = waiting.await.unwrap();
        assert_eq!(changed, [finding(n)]);
        assert!(arrived.saturating_duration_since(saved) < Duration::from_secs(1));
        assert_eq!(b.projection().finding(FindingKey(n)).unwrap().assignee.as_deref(), Some("jo"));
    }
    let start = std::time::Instant::now();
    assert!(b.changes(Duration::from_millis(50)).await.unwrap().is_empty(), "nothing more");
    assert!(start.elapsed() < Duration::from_secs(5));
}

async fn a_newer_schema_is_refused(url: &str, _: &Path) {
    store(url).await.close().await;
    raw(url, &["PRAGMA user_version = 7"], &["UPDATE bartizan_meta SET value = '7' WHERE name = 'schema'"]).await;
    let refused = AnyStore::open(&Address::parse(url).unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Newer { found: 7, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("take a newer bartizan; nothing was changed"), "{refused}");
    assert!(!refused.to_string().contains("w%40rd") && !refused.to_string().contains("w@rd"), "{refused}");
}

async fn decisions_are_projected_saved_and_rebuilt(url: &str, directory: &Path) {
    let l = ledger(url, directory).await;
    let last = |l: &Ledger, n| l.projection().finding(FindingKey(n)).map_or(0, |s| s.last);
    let decide = async |n: u128, decision: Decision| {
        let based_on = Some(last(&l, n));
        match l.decide(vec![ask(append("jo", finding(n), decision, based_on))]).await.unwrap().remove(0) {
            Decided::Saved(entry) => entry.sequence,
            other => panic!("{other:?}"),
        }
    };
    decide(1, Decision::Assign { owner: Some("a".into()), assignee: None }).await;
    let of = decide(1, Decision::Assign { owner: Some("b".into()), assignee: None }).await;
    decide(2, Decision::Claim).await;
    decide(1, Decision::Undo { of }).await;
    assert_eq!(l.projection().finding(FindingKey(1)).unwrap().owner.as_deref(), Some("a"));
    let stale = l.decide(vec![ask(append("kim", finding(2), Decision::Claim, Some(0)))]).await.unwrap();
    assert!(matches!(&stale[0], Decided::Conflict { since } if since.len() == 1));
    assert!(l.kept().await.unwrap().is_empty());
    let rebuilt = Projection::rebuild(&all(l.store()).await);
    assert_eq!(*l.projection(), rebuilt);
    assert_eq!(l.history(&finding(1)).await.unwrap().len(), 3);
    l.close().await.unwrap();

    let again = ledger(url, directory).await;
    assert_eq!(*again.projection(), rebuilt, "from the saved projection");
    // Entries behind the saved projection, an undo of one before it among them.
    let of = again.projection().finding(FindingKey(2)).unwrap().decided.as_ref().unwrap().sequence;
    again.decide(vec![ask(append("jo", finding(2), Decision::Undo { of }, None))]).await.unwrap();
    assert_eq!(*again.projection(), Projection::rebuild(&all(again.store()).await));
    // Without closing: as after a crash.
    let third = ledger(url, directory).await;
    assert_eq!(*third.projection(), *again.projection());
}

async fn deliveries_keep_their_order_and_wait_for_a_person(url: &str, directory: &Path) {
    let l = ledger(url, directory).await;
    let at: Timestamp = now();
    let lease = SignedDuration::from_secs(60);
    let status = |n, status| delivered(append("jo", finding(n), Decision::Status { status }, None));
    l.decide(vec![
        status(1, Status::Notified),
        status(2, Status::Notified),
        status(1, Status::Resolved),
        ask(note("jo", 3, "not delivered")),
    ])
    .await
    .unwrap();
    let local = l.local();
    let due = local.take_due(at, lease, 10).await.unwrap();
    assert_eq!(due.iter().map(|p| (p.entry.sequence, p.attempts)).collect::<Vec<_>>(), [(1, 1), (2, 1)], "one for a finding");
    assert!(local.take_due(at, lease, 10).await.unwrap().is_empty(), "they are in hand");
    let later = at + SignedDuration::from_secs(5);
    local
        .note_sent(
            &[
                (due[0].position, Sent::Later { next: later, said: "throttled".into() }),
                (due[1].position, Sent::Conflict { said: "theirs".into() }),
            ],
            at,
        )
        .await
        .unwrap();
    assert!(local.take_due(at, lease, 10).await.unwrap().is_empty());
    assert_eq!(local.next_due().await.unwrap().map(|n| n <= later), Some(true));
    let counts = local.delivery_counts().await.unwrap();
    assert_eq!((counts.pending, counts.conflict, counts.failed), (2, 1, 0));
    let again = local.take_due(later, lease, 10).await.unwrap();
    assert_eq!(again.iter().map(|p| (p.entry.sequence, p.attempts, p.said.as_str())).collect::<Vec<_>>(), [(1, 2, "throttled")]);
    local.note_sent(&[(again[0].position, Sent::Arrived { now: "{\"s\":1}".into() })], later).await.unwrap();
    let next = local.take_due(later, lease, 10).await.unwrap();
    assert_eq!((next[0].entry.sequence, next[0].target.before.as_str()), (3, "{\"s\":1}"), "held against what we left there");
    // The process ends with it in hand: once the lease is over it is sent again.
    let crashed = later + SignedDuration::from_secs(61);
    let next = local.take_due(crashed, lease, 10).await.unwrap();
    assert_eq!(next.iter().map(|p| p.entry.sequence).collect::<Vec<_>>(), [3]);
    local.note_sent(&[(next[0].position, Sent::Failed { said: "FindingNotFound".into() })], crashed).await.unwrap();
    assert_eq!(local.deliveries(Delivery::Failed, 10).await.unwrap()[0].said, "FindingNotFound");
    assert!(local.resolve_delivery(next[0].position, true, None).await.unwrap());
    assert!(!local.resolve_delivery(next[0].position, true, None).await.unwrap(), "only once");
    assert!(local.resolve_delivery(due[1].position, false, None).await.unwrap());
    let end = local.take_due(crashed, lease, 10).await.unwrap();
    assert_eq!(end.iter().map(|p| p.entry.sequence).collect::<Vec<_>>(), [3]);
    local.note_sent(&[(end[0].position, Sent::Arrived { now: String::new() })], crashed).await.unwrap();
    assert_eq!(local.delivery_counts().await.unwrap(), bartizan::ledger::outbox::Counts::default());
    assert_eq!(local.deliveries_of(FindingKey(1)).await.unwrap().len(), 2);
    assert_eq!(local.tidy(crashed + SignedDuration::from_secs(1)).await.unwrap(), 2);
}

async fn verification_and_exports_agree(url: &str, directory: &Path) {
    let s = store(url).await;
    let empty = verify(&s, &Against::default(), |_| {}).await.unwrap();
    assert_eq!((empty.entries, empty.fault), (0, None));
    s.append(&(0..5).map(|n| note("jo", n, "a\0\u{1}é😀\u{7f}\u{2028}\"\\/")).collect::<Vec<_>>()).await.unwrap();
    let whole = verify(&s, &Against::default(), |_| {}).await.unwrap();
    assert_eq!((whole.entries, whole.head, whole.fault), (5, s.head().await.unwrap(), None));
    let mut text = Vec::new();
    assert_eq!(export(&s, &mut text).await.unwrap(), whole.head);
    let read = verify_export(text.as_slice(), Vec::new()).unwrap();
    assert_eq!((read.entries, read.head, read.fault), (5, whole.head, None));
    let said = python(directory, &text);
    assert_eq!(said, Ok(format!("5 entries, whole; the last hash is {}\n", whole.head.hash)));
    let cut = &text[..text.len() - 1 - text.iter().rev().skip(1).position(|b| *b == b'\n').unwrap()];
    assert!(verify_export(cut, Vec::new()).unwrap().fault.is_some());
    assert!(python(directory, cut).is_err());
}

/// What the script in docs/ says of an export.
fn python(directory: &Path, text: &[u8]) -> Result<String, String> {
    let file = directory.join("export.ndjson");
    std::fs::write(&file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-ledger.py");
    let out = std::process::Command::new("python3")
        .arg(script)
        .arg(&file)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("python3 runs");
    if out.status.success() {
        Ok(String::from_utf8(out.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&out.stderr).into_owned())
    }
}

async fn checkpoints_find_a_chain_rewritten_as_a_whole(url: &str, _: &Path) {
    let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let secret = keys.sk.to_box(None).unwrap().into_string();
    let public = keys.pk.to_box().unwrap().into_string();
    let other = minisign::KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
    let s = store(url).await;
    s.append(&(0..4).map(|n| note("jo", n, "x")).collect::<Vec<_>>()).await.unwrap();
    let mut checkpoint = Checkpoint::new(&s.id().await.unwrap(), s.head().await.unwrap(), now());
    assert!(matches!(checkpoint.sign("nonsense", ""), Err(CheckpointError::Key(_))));
    checkpoint.sign(&secret, "").unwrap();
    checkpoint.verify(&public).unwrap();
    checkpoint.verify(&keys.pk.to_base64()).unwrap();
    assert!(matches!(checkpoint.verify(&other), Err(CheckpointError::Forged(_))));
    assert!(matches!(checkpoint.verify("x"), Err(CheckpointError::PublicKey(_))));
    s.add_checkpoint(&checkpoint).await.unwrap();
    assert_eq!(s.checkpoints().await.unwrap(), [checkpoint.clone()]);
    let elsewhere = Checkpoint::from_message(&checkpoint.message(), &checkpoint.signature).unwrap();
    assert_eq!(elsewhere, checkpoint);
    assert!(Checkpoint::from_message(&checkpoint.message().replace("sequence 4", "sequence 04"), "").is_err());
    s.append(&[note("jo", 9, "x")]).await.unwrap();
    let against = Against { public_key: Some(public.clone()), ..Against::default() };
    let report = verify(&s, &against, |_| {}).await.unwrap();
    assert_eq!((report.entries, report.checkpoints, report.signed, report.fault), (5, 1, 1, None));
    let by_other = Against { public_key: Some(other), ..Against::default() };
    assert!(matches!(verify(&s, &by_other, |_| {}).await.unwrap().fault, Some(Fault::Checkpoint { sequence: 4, .. })));

    // All of it written anew from entry 3 on, hashes and end made to fit: the chain itself is whole.
    let mut entries = all(&s).await;
    let mut previous = entries[1].hash;
    let mut sql = Vec::new();
    for old in entries.split_off(2) {
        let mut draft = old.draft;
        draft.reason = "another".into();
        let (entry, body) = Entry::chain(draft, old.sequence, previous).unwrap();
        previous = entry.hash;
        let body = body.replace('\'', "''");
        sql.push(format!(
            "UPDATE bartizan_entries SET body = '{body}', hash = '{}' WHERE sequence = {}",
            entry.hash, entry.sequence
        ));
    }
    sql.push(format!("UPDATE bartizan_head SET hash = '{previous}'"));
    let rewrite: Vec<&str> = sql.iter().map(String::as_str).collect();
    tamper(url, &rewrite).await;
    assert_eq!(
        verify(&s, &Against::default(), |_| {}).await.unwrap().fault,
        Some(Fault::Rewritten { checkpoint: checkpoint.head, found: all(&s).await.get(3).map(|e| e.hash) })
    );
    tamper(url, &["DELETE FROM bartizan_checkpoints"]).await;
    assert_eq!(verify(&s, &Against::default(), |_| {}).await.unwrap().fault, None, "nothing in the ledger itself tells");
    let kept = Against { checkpoints: vec![checkpoint], ..Against::default() };
    assert!(
        matches!(verify(&s, &kept, |_| {}).await.unwrap().fault, Some(Fault::Rewritten { .. })),
        "a checkpoint kept elsewhere does"
    );
}

async fn another_ledger_at_the_same_address_is_noticed(url: &str, directory: &Path) {
    let l = ledger(url, directory).await;
    l.decide((0..5).map(|n| ask(note("jo", n, "x"))).collect()).await.unwrap();
    l.close().await.unwrap();
    // The last entries are cut off, and the end made to fit.
    let s = store(url).await;
    let third = all(&s).await.remove(2);
    s.close().await;
    let head = format!("UPDATE bartizan_head SET sequence = 3, hash = '{}'", third.hash);
    tamper(url, &["DELETE FROM bartizan_entries WHERE sequence > 3", &head]).await;
    let refused = Ledger::open(&options(url, directory)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Replaced { .. }), "{refused}");
    let local = bartizan::ledger::local::Local::open(&directory.join("local.db")).await.unwrap();
    local.forget(&Address::parse(url).unwrap().to_string()).await.unwrap();
    assert_eq!(ledger(url, directory).await.projection().head().sequence, 3);
}

/// Statements for the one store or the other, past all of ours.
async fn raw(url: &str, sqlite: &[&str], postgres: &[&str]) {
    use sqlx::Connection;
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut c = sqlx::SqliteConnection::connect(path).await.unwrap();
        for sql in sqlite {
            sqlx::raw_sql(sqlx::AssertSqlSafe((*sql).to_owned())).execute(&mut c).await.unwrap();
        }
        c.close().await.unwrap();
    } else {
        let mut c = sqlx::PgConnection::connect(url).await.unwrap();
        for sql in postgres {
            sqlx::raw_sql(sqlx::AssertSqlSafe((*sql).to_owned())).execute(&mut c).await.unwrap();
        }
        c.close().await.unwrap();
    }
}

/// Statements of someone who is allowed to do anything: the triggers are put out of the way and back.
async fn tamper(url: &str, statements: &[&str]) {
    const OFF: [&str; 2] = ["DROP TRIGGER bartizan_entries_stay", "DROP TRIGGER bartizan_entries_remain"];
    const ON: [&str; 2] = [
        "CREATE TRIGGER bartizan_entries_stay BEFORE UPDATE ON bartizan_entries BEGIN SELECT RAISE(ABORT, 'entries are final'); END",
        "CREATE TRIGGER bartizan_entries_remain BEFORE DELETE ON bartizan_entries BEGIN SELECT RAISE(ABORT, 'entries are final'); END",
    ];
    let sqlite: Vec<&str> = OFF.iter().chain(statements).chain(&ON).copied().collect();
    raw(url, &sqlite, statements).await;
}

#[tokio::test]
async fn bad_addresses_and_files_have_a_clear_word() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("note.db");
    std::fs::write(&path, "this is no database, but long enough to be looked at as one, or so it seems to me").unwrap();
    let refused = AnyStore::open(&Address::parse(path.to_str().unwrap()).unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused}");
    assert!(std::fs::read(&path).unwrap().starts_with(b"this is no database"));

    let other = directory.path().join("other.db");
    raw(&format!("sqlite:{}?mode=rwc", other.display()), &["CREATE TABLE x (y)"], &[]).await;
    let refused = AnyStore::open(&Address::parse(other.to_str().unwrap()).unwrap(), None).await.unwrap_err();
    assert!(refused.to_string().contains("some other program"), "{refused}");

    let refused = AnyStore::open(&Address::parse("/dev/null/x.db").unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, LedgerError::File { .. }), "{refused}");
    let subject = Subject::Account("1".into());
    assert_eq!(subject.to_string(), "account:1");
    assert_eq!(actor("jo").name(), "jo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_of_one_user_never_have_the_same_delivery_in_hand() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("ledger.db").display().to_string();
    let l = ledger(&url, directory.path()).await;
    let status = |n| delivered(append("jo", finding(n), Decision::Status { status: Status::Notified }, None));
    // Two for each finding: the second is due only when the first has arrived.
    l.decide((0..80).map(|n| status(n % 40)).collect()).await.unwrap();
    let at = now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let local = bartizan::ledger::local::Local::open(&directory.path().join("local.db")).await.unwrap();
        tasks.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let due = local.take_due(at, SignedDuration::from_secs(60), 3).await.unwrap();
                if due.is_empty() {
                    return taken;
                }
                for parcel in due {
                    local.note_sent(&[(parcel.position, Sent::Arrived { now: "{}".into() })], at).await.unwrap();
                    taken.push((parcel.entry.subject.to_string(), parcel.entry.sequence));
                }
            }
        });
    }
    let mut taken: Vec<_> = tasks.join_all().await.concat();
    taken.sort();
    let before = taken.len();
    taken.dedup();
    assert_eq!((before, taken.len()), (80, 80), "each once");
}
