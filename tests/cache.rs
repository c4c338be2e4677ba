//! The local cache and the findings store over it: what is put is there again after a reopening, a crash at any byte, a
//! full or read-only disk, a second console, another version; nothing in its files makes it panic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bartizan::cache::{Cache, CacheError, Context, Place, ReadOnly, preferences};
use bartizan::catalog::ListingId;
use bartizan::listing::index::Index;
use bartizan::listing::schema::{Field, Kind, Schema};
use bartizan::listing::segment::SegmentBuilder;
use bartizan::model::account::Account;
use bartizan::model::account::Attribution;
use bartizan::model::arn::ResourceRef;
use bartizan::model::estate::Estate;
use bartizan::model::finding::{Finding, FindingKey, RecordState, Severity, SourceRef, Status};
use bartizan::work::store::{Origin, Put, Store};
use jiff::Timestamp;
use proptest::prelude::*;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The n-th finding as its source told it at `updated`.
fn finding(n: u64, updated: i64, title: &str) -> Finding {
    let id = format!("arn:aws:securityhub:{REGION}:{ACCOUNT}:subscription/x/v/1.0.0/EC2.{n}/finding/{n:08}");
    Finding {
        key: FindingKey::of(&["test", &id]),
        source: SourceRef { name: "Security Hub".into(), id: id.clone() },
        also: Vec::new(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        control: format!("EC2.{}", n % 40),
        title: title.into(),
        description: String::new(),
        severity: Severity::ALL[(n % 5) as usize],
        status: Status::New,
        record: RecordState::Active,
        compliance: None,
        verdict: None,
        resource: ResourceRef::new(format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-{n:08x}"), "AwsEc2SecurityGroup"),
        others: Vec::new(),
        types: vec!["Software and Configuration Checks/Test".into()],
        already: false,
        first_seen: at(1_700_000_000),
        updated: at(1_700_000_000 + updated),
        remediation: String::new(),
        remediation_url: String::new(),
        document: format!(r#"{{"Id":"{id}","Title":"{title}","Number":{n},"Updated":{updated}}}"#),
    }
}

fn findings(numbers: impl IntoIterator<Item = u64>) -> Vec<Finding> {
    numbers.into_iter().map(|n| finding(n, 0, "Port open")).collect()
}

fn nobody(_: &str) -> Option<Arc<Account>> {
    None
}

fn schema() -> Arc<Schema> {
    Arc::clone(&ListingId::Findings.get().schema)
}

fn open(dir: &Path) -> (Store, Vec<bartizan::cache::Problem>) {
    let cache = Cache::open(dir, schema()).unwrap();
    Store::on(&Arc::new(cache), &nobody, &mut |_| {})
}

fn put(store: &mut Store, findings: Vec<Finding>, origin: Origin) -> Put {
    store.put(ACCOUNT, REGION, findings, origin, &nobody).unwrap()
}

/// Everything in a store, by key, and that rows and documents agree.
fn contents(store: &Store) -> BTreeMap<u64, Finding> {
    let index = store.index();
    let title = index.schema().field("title").unwrap();
    let all: BTreeMap<u64, Finding> = store.findings().map(|f| f.unwrap()).map(|f| (f.key.short(), f)).collect();
    assert_eq!(all.len(), index.rows(), "a row for each finding");
    for id in index.ids() {
        let finding = &all[&index.key(id).unwrap()];
        assert_eq!(index.cell(id, title).members().next(), Some(finding.title.as_str()));
    }
    all
}

fn expected(findings: impl IntoIterator<Item = Finding>) -> BTreeMap<u64, Finding> {
    findings.into_iter().map(|f| (f.key.short(), f)).collect()
}

fn only(dir: &Path, end: &str) -> PathBuf {
    let mut found = fs::read_dir(dir.join("findings")).unwrap().map(|e| e.unwrap().path());
    let path = found.find(|p| p.to_string_lossy().ends_with(end)).unwrap();
    assert!(!found.any(|p| p.to_string_lossy().ends_with(end)), "one {end}");
    path
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn bytes_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            all.extend(bytes_of(&entry));
        } else {
            all.insert(entry.clone(), fs::read(&entry).unwrap());
        }
    }
    all
}

#[test]
fn a_newer_report_replaces_and_another_source_merges() {
    let mut store = Store::in_memory();
    let first = put(&mut store, findings(0..10), Origin::Live);
    assert_eq!(first, Put { added: 10, changed: 0, unchanged: 0 });
    assert_eq!(put(&mut store, findings(0..10), Origin::Live), Put { added: 0, changed: 0, unchanged: 10 });
    let older = put(&mut store, vec![finding(3, -5, "Older")], Origin::Live);
    assert_eq!(older, Put { added: 0, changed: 0, unchanged: 1 });
    let newer = put(&mut store, vec![finding(3, 5, "Newer"), finding(10, 0, "Port open")], Origin::Live);
    assert_eq!(newer, Put { added: 1, changed: 1, unchanged: 0 });
    let key = finding(3, 0, "").key.short();
    assert_eq!(store.finding(key).unwrap(), Some(finding(3, 5, "Newer")));

    let mut other = finding(4, 9, "As Prowler puts it");
    other.source = SourceRef { name: "Prowler".into(), id: "prowler-4".into() };
    assert_eq!(put(&mut store, vec![other], Origin::File).changed, 1);
    let merged = store.finding(finding(4, 0, "").key.short()).unwrap().unwrap();
    assert_eq!(merged.sources().collect::<Vec<_>>(), ["Security Hub", "Prowler"]);
    assert_eq!(merged.title, "As Prowler puts it");
    assert_eq!(contents(&store).len(), 11);
    assert_eq!(store.finding(1).unwrap(), None);
}

#[test]
fn one_key_many_times_in_one_batch_is_one_row() {
    let mut store = Store::in_memory();
    let batch = vec![finding(1, 2, "Middle"), finding(1, 9, "Last"), finding(1, 1, "First")];
    assert_eq!(put(&mut store, batch, Origin::Live), Put { added: 1, changed: 0, unchanged: 0 });
    assert_eq!(contents(&store), expected([finding(1, 9, "Last")]));
}

#[test]
fn an_old_export_does_not_undo_live_triage() {
    let mut store = Store::in_memory();
    let live = Finding { status: Status::Suppressed, ..finding(1, 0, "Port open") };
    put(&mut store, vec![live.clone()], Origin::Live);
    put(&mut store, vec![finding(1, 0, "Port open")], Origin::File);
    assert_eq!(store.finding(live.key.short()).unwrap(), Some(live.clone()));
    // The other way round the live one is the fresher, though nothing touched its time.
    let mut store = Store::in_memory();
    put(&mut store, vec![finding(1, 0, "Port open")], Origin::File);
    put(&mut store, vec![live.clone()], Origin::Live);
    assert_eq!(store.finding(live.key.short()).unwrap(), Some(live));
}

#[test]
fn a_reconciling_pass_drops_what_only_security_hub_had() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    put(&mut store, findings(0..6), Origin::Live);
    put(&mut store, findings(4..8), Origin::File);
    let seen = finding(1, 0, "").key.short();
    assert_eq!(store.retain(ACCOUNT, REGION, &|key| key == seen), 3);
    let left = expected(findings([1, 4, 5, 6, 7]));
    assert_eq!(contents(&store), left);
    assert_eq!(store.retain(ACCOUNT, REGION, &|key| key == seen), 0);
    assert_eq!(store.retain("999988887777", REGION, &|_| false), 0);
    drop(store);
    // Never saved: the log alone knows it.
    let (store, problems) = open(dir.path());
    assert_eq!((contents(&store), problems), (left, vec![]));
}

#[test]
fn it_reads_back_the_same_saved_or_killed() {
    for saved in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, problems) = open(dir.path());
        assert!(problems.is_empty());
        put(&mut store, findings(0..700), Origin::Live);
        let mut elsewhere = findings(700..720);
        elsewhere.iter_mut().for_each(|f| f.region = "us-east-1".into());
        elsewhere[0].account = "../../etc/passwd".into();
        store.put_all(elsewhere, Origin::File, &nobody).unwrap();
        if saved {
            store.save().unwrap();
        }
        put(&mut store, vec![finding(5, 1, "Newer")], Origin::Live);
        let before = contents(&store);
        assert_eq!(before.len(), 720);
        drop(store);
        let mut published = Vec::new();
        let cache = Arc::new(Cache::open(dir.path(), schema()).unwrap());
        let (mut store, problems) = Store::on(&cache, &nobody, &mut |index: &Index| published.push(index.rows()));
        assert_eq!(problems, vec![]);
        assert_eq!(contents(&store), before);
        assert_eq!(published.last(), Some(&720));
        assert!(published.is_sorted());
        // And it goes on from there.
        assert_eq!(put(&mut store, findings([6, 9_000]), Origin::Live), Put { added: 1, changed: 0, unchanged: 1 });
        store.save().unwrap();
        assert_eq!(contents(&store).len(), 721);
    }
}

/// A cache with five findings in its columns, and in its log behind them one changed, one new and one gone.
fn small(dir: &Path) -> BTreeMap<u64, Finding> {
    let (mut store, _) = open(dir);
    put(&mut store, findings(0..5), Origin::Live);
    store.save().unwrap();
    let Some(cache) = cache_of(&store) else { panic!("a store over a cache") };
    let mut marks = cache.marks();
    marks.swept(ACCOUNT, REGION, at(1_700_000_000));
    cache.set_marks(marks).unwrap();
    put(&mut store, vec![finding(2, 1, "Newer"), finding(7, 0, "New")], Origin::Live);
    let keep: Vec<u64> = [1, 2, 3, 4, 7].map(|n| finding(n, 0, "").key.short()).into();
    assert_eq!(store.retain(ACCOUNT, REGION, &|key| keep.contains(&key)), 1);
    contents(&store)
}

fn cache_of(store: &Store) -> Option<Arc<Cache>> {
    match store.documents() {
        bartizan::work::store::Documents::Cached(cache) => Some(Arc::clone(cache)),
        _ => None,
    }
}

/// Where the whole records of a log end, by the layout: a mark of 8 bytes, heads of 28 with the frame's length in front.
fn record_ends(log: &[u8]) -> Vec<usize> {
    let mut ends = vec![8];
    while let Some(length) = log.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<4>()) {
        ends.push(ends[ends.len() - 1] + 28 + u32::from_le_bytes(*length) as usize);
    }
    assert_eq!(ends.last(), Some(&log.len()));
    ends
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_record() {
    let origin = tempfile::tempdir().unwrap();
    small(origin.path());
    let log = fs::read(only(origin.path(), ".log")).unwrap();
    let ends = record_ends(&log);
    assert_eq!(ends.len() - 1, 8, "five, then changed, new and gone");
    // What stands after each record: the first five, the changed second, the new seventh, without the zeroth.
    let mut states = vec![BTreeMap::new()];
    let steps = findings(0..5).into_iter().chain([finding(2, 1, "Newer"), finding(7, 0, "New")]);
    for finding in steps {
        let mut next = states[states.len() - 1].clone();
        next.insert(finding.key.short(), finding);
        states.push(next);
    }
    let mut last = states[states.len() - 1].clone();
    last.remove(&finding(0, 0, "").key.short());
    states.push(last);
    let committed = ends[5];
    let dir = tempfile::tempdir().unwrap();
    // Every byte about the mark and the heads, and some within the frames.
    let near = |length: &usize| {
        *length < 12 || length.is_multiple_of(17) || ends.iter().any(|end| end.abs_diff(*length) < 2 || end + 28 == *length)
    };
    for length in (0..=log.len()).filter(near) {
        let copy = dir.path().join(length.to_string());
        copy_dir(origin.path(), &copy);
        fs::write(only(&copy, ".log"), &log[..length]).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        let (mut store, problems) = open(&copy);
        assert_eq!(contents(&store), states[whole], "cut at {length}");
        assert_eq!(problems.iter().any(|p| p.lost), length < committed, "cut at {length}: {problems:?}");
        let marks = cache_of(&store).unwrap().marks();
        assert_eq!(marks.get(ACCOUNT, REGION).full.is_some(), length >= committed, "a full sweep comes where one is needed");
        if length % 2 == 0 {
            put(&mut store, vec![finding(99, 0, "After")], Origin::Live);
            let now = contents(&store);
            drop(store);
            assert_eq!(contents(&open(&copy).0), now, "cut at {length}, then added to");
        }
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn damaged_columns_are_made_again_from_the_log() {
    let origin = tempfile::tempdir().unwrap();
    let all = small(origin.path());
    let columns = fs::read(only(origin.path(), ".columns")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("cache");
    copy_dir(origin.path(), &copy);
    let path = only(&copy, ".columns");
    for place in (0..columns.len()).step_by(3) {
        let mut flipped = columns.clone();
        flipped[place] ^= 0x41;
        for bytes in [&columns[..place], &flipped] {
            fs::write(&path, bytes).unwrap();
            let (store, problems) = open(&copy);
            assert_eq!(contents(&store), all, "damaged at {place}");
            assert!(problems.len() == 1 && !problems[0].lost, "damaged at {place}: {problems:?}");
        }
    }
    fs::write(&path, &columns).unwrap();
    assert_eq!(open(&copy).1, vec![]);
}

#[test]
fn a_flipped_byte_in_the_log_costs_one_finding_at_most() {
    let origin = tempfile::tempdir().unwrap();
    let all = small(origin.path());
    let log = fs::read(only(origin.path(), ".log")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ends = record_ends(&log);
    for place in (0..log.len()).step_by(5) {
        // A wrong length hides what is behind it, as the end of the log does.
        let length = ends.iter().any(|end| (*end..end + 4).contains(&place));
        let copy = dir.path().join(place.to_string());
        copy_dir(origin.path(), &copy);
        let mut flipped = log.clone();
        flipped[place] ^= 0x10;
        fs::write(only(&copy, ".log"), flipped).unwrap();
        let (store, _) = open(&copy);
        let got = expected(store.findings().flatten());
        let known = |f: &Finding| ["Newer", "New", "Port open"].contains(&f.title.as_str()) && f.document.contains(&f.title);
        assert!(got.values().all(known), "no finding is made up");
        let differ = all.keys().chain(got.keys()).filter(|key| all.get(key) != got.get(key));
        let differ: std::collections::BTreeSet<&u64> = differ.collect();
        assert!(length || differ.len() <= 1, "flipped at {place}: {differ:?}");
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn other_fields_are_rebuilt_and_nothing_is_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let all = small(dir.path());
    let place = Place::of(ACCOUNT, REGION);
    {
        let other = Field {
            name: "old",
            title: "OLD",
            kind: Kind::Number,
            aliases: &[],
            also: &[],
            search: false,
            natural: false,
            help: "",
        };
        let other = Arc::new(Schema::new(vec![other]));
        let cache = Cache::open(dir.path(), Arc::clone(&other)).unwrap();
        cache.load(&|_| (SegmentBuilder::new(Arc::clone(&other)).finish(), 0), &mut |_| {});
        let empty = Arc::new(SegmentBuilder::new(Arc::clone(&other)).finish());
        cache.save(&place, &empty, 0).unwrap();
    }
    let (mut store, problems) = open(dir.path());
    assert_eq!(contents(&store), all);
    assert!(problems.len() == 1 && !problems[0].lost && problems[0].what.contains("another version"), "{problems:?}");
    store.save().unwrap();
    drop(store);
    let (store, problems) = open(dir.path());
    assert_eq!((contents(&store), problems), (all, vec![]));
}

#[test]
fn a_log_with_much_waste_is_written_anew_unless_someone_reads() {
    let dir = tempfile::tempdir().unwrap();
    let noise = |n: u64, round: i64| {
        let mut state = n * 7919 + round as u64 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{state:016x}")
        };
        let filler: String = (0..64).map(|_| next()).collect();
        Finding { document: format!(r#"{{"noise":"{filler}"}}"#), ..finding(n, round, "Noisy") }
    };
    let (mut store, _) = open(dir.path());
    for round in 0..6 {
        put(&mut store, (0..800).map(|n| noise(n, round)).collect(), Origin::Live);
    }
    store.retain(ACCOUNT, REGION, &|key| key != noise(0, 0).key.short());
    let before = contents(&store);
    let long = fs::metadata(only(dir.path(), ".log")).unwrap().len();
    let reader = Cache::open(dir.path(), schema()).unwrap();
    assert_eq!(reader.read_only(), Some(ReadOnly::InUse));
    store.save().unwrap();
    assert_eq!(fs::metadata(only(dir.path(), ".log")).unwrap().len(), long, "a reader may be in the old log");
    drop(reader);
    put(&mut store, vec![noise(1, 7)], Origin::Live);
    store.save().unwrap();
    let log = only(dir.path(), ".1.log");
    let short = fs::metadata(log).unwrap().len();
    assert!(short * 4 < long, "{short} of {long}");
    let mut after = before;
    after.insert(noise(1, 7).key.short(), noise(1, 7));
    assert_eq!(contents(&store), after);
    put(&mut store, vec![noise(2, 8)], Origin::Live);
    after.insert(noise(2, 8).key.short(), noise(2, 8));
    drop(store);
    let (store, problems) = open(dir.path());
    assert_eq!((contents(&store) == after, problems), (true, vec![]));
}

#[test]
fn a_crash_between_the_new_log_and_its_columns_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let all = small(dir.path());
    let log = only(dir.path(), ".0.log");
    // The new log was in place, the columns still tell of the old one.
    fs::copy(&log, dir.path().join("findings").join(format!("{ACCOUNT}.{REGION}.1.log"))).unwrap();
    fs::write(dir.path().join("findings").join(format!("{ACCOUNT}.{REGION}.columns.tmp")), b"half").unwrap();
    let (store, problems) = open(dir.path());
    assert_eq!((contents(&store), problems), (all, vec![]));
    only(dir.path(), ".log");
    assert!(!dir.path().join("findings").join(format!("{ACCOUNT}.{REGION}.columns.tmp")).exists());
}

#[test]
fn a_second_console_reads_and_keeps_its_news_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = open(dir.path());
    put(&mut first, findings(0..5), Origin::Live);
    let files = bytes_of(dir.path());
    let (mut second, _) = open(dir.path());
    let why = cache_of(&second).unwrap().read_only();
    assert_eq!(why, Some(ReadOnly::InUse));
    put(&mut second, vec![finding(1, 1, "Newer"), finding(8, 0, "New")], Origin::Live);
    second.save().unwrap();
    assert!(second.problem().is_none());
    let refused = cache_of(&second).unwrap().set_context(Context::default());
    assert!(matches!(refused, Err(CacheError::ReadOnly { why: ReadOnly::InUse, .. })));
    assert_eq!(second.finding(finding(1, 0, "").key.short()).unwrap(), Some(finding(1, 1, "Newer")));
    assert_eq!(contents(&second).len(), 6);
    assert_eq!(bytes_of(dir.path()), files, "the second wrote nothing");
    put(&mut first, vec![finding(9, 0, "Of the first")], Origin::Live);
    drop(second);
    assert_eq!(contents(&first).len(), 6);
}

#[test]
fn a_newer_cache_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let meta = dir.path().join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    let newer = text.replace("\"format\": 1", "\"format\": 2").replace("\"marks\": {", "\"marks\": [],\"x\": {");
    assert_ne!(newer, text);
    fs::write(&meta, newer).unwrap();
    let before = bytes_of(dir.path());
    let error = Cache::open(dir.path(), schema()).unwrap_err();
    assert!(matches!(error, CacheError::Newer { found: 2, known: 1, .. }));
    assert!(error.to_string().contains("made by a newer bartizan"), "{error}");
    assert_eq!(bytes_of(dir.path()), before);
}

#[test]
fn facts_estate_and_preferences_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), schema()).unwrap();
    assert_eq!(cache.read_estate().unwrap(), None);
    let mut estate = Estate::default();
    estate.put_account(Account::bare(ACCOUNT));
    cache.write_estate(&estate).unwrap();
    let context = Context { organization: "o-1".into(), account: ACCOUNT.into(), endpoint: String::new() };
    cache.set_context(context.clone()).unwrap();
    let mut marks = cache.marks();
    marks.updated(ACCOUNT, REGION, at(20));
    marks.updated(ACCOUNT, REGION, at(10));
    cache.set_marks(marks.clone()).unwrap();
    drop(cache);
    let cache = Cache::open(dir.path(), schema()).unwrap();
    assert_eq!(cache.read_estate().unwrap(), Some(estate));
    assert_eq!((cache.context(), cache.marks()), (context, marks.clone()));
    assert_eq!(marks.get(ACCOUNT, REGION).updated, Some(at(20)));
    fs::write(dir.path().join("estate.json.zst"), b"junk").unwrap();
    assert!(matches!(cache.read_estate(), Err(CacheError::Estate { .. })));

    let path = dir.path().join("state/preferences.json");
    assert_eq!(preferences::read::<BTreeMap<String, u32>>(&path).unwrap(), None);
    let chosen = BTreeMap::from([("findings".to_owned(), 7u32)]);
    preferences::write(&path, &chosen).unwrap();
    assert_eq!(preferences::read(&path).unwrap(), Some(chosen));
    fs::write(&path, "{").unwrap();
    assert!(matches!(preferences::read::<BTreeMap<String, u32>>(&path), Err(CacheError::Damaged { .. })));
}

#[test]
fn an_account_that_got_an_owner_shows_it_in_its_rows() {
    let account = Account {
        name: "payments-prod".into(),
        owner: Attribution::new("payments".into(), "tag Owner"),
        ..Account::bare(ACCOUNT)
    };
    let known = account.clone();
    let known = move |id: &str| (id == ACCOUNT).then(|| Arc::new(known.clone()));
    let mut first = Store::in_memory();
    put(&mut first, findings(0..5), Origin::Live);
    assert_eq!(first.reattribute(&account), 1);
    assert_eq!(first.reattribute(&account), 0);
    assert_eq!(first.reattribute(&Account::bare("999988887777")), 0);
    let mut second = Store::in_memory();
    second.put(ACCOUNT, REGION, findings(0..5), Origin::Live, &known).unwrap();
    let (a, b) = (first.index(), second.index());
    for (x, y) in a.ids().zip(b.ids()) {
        for (field, spec) in a.schema().iter() {
            assert_eq!(a.cell(x, field), b.cell(y, field), "{}", spec.name);
        }
        assert_eq!((a.key(x), a.payload(x)), (b.key(y), b.payload(y)));
    }
    assert_eq!(a.rows(), 5);
    assert_eq!(contents(&first), contents(&second));
}

#[test]
fn generated_findings_have_rows_at_once_and_documents_when_asked() {
    let regions = ["eu-west-1", "us-east-1", "eu-central-1"];
    let make =
        |n: u64| Finding { document: String::new(), region: regions[(n % 3) as usize].into(), ..finding(n, 0, "Port open") };
    let whole = Arc::new(move |n: u64| Finding { region: regions[(n % 3) as usize].into(), ..finding(n, 0, "Port open") });
    let mut store = Store::generated(1000, &|n| (ACCOUNT, regions[(n % 3) as usize]), &make, &nobody, whole);
    assert_eq!(store.index().rows(), 1000);
    assert_eq!(store.index().segments().len(), 3);
    let key = finding(500, 0, "").key.short();
    assert!(store.finding(key).unwrap().unwrap().document.contains("\"Number\":500"));
    let newer = Finding { region: regions[2].into(), ..finding(500, 5, "Newer") };
    let done = store.put(ACCOUNT, regions[2], vec![newer.clone()], Origin::Live, &nobody).unwrap();
    assert_eq!(done, Put { added: 0, changed: 1, unchanged: 0 });
    assert_eq!(store.finding(key).unwrap(), Some(newer));
    assert_eq!(contents(&store).len(), 1000);
}

#[test]
fn documents_share_a_dictionary_and_rows_outlive_its_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    put(&mut store, findings(0..2000), Origin::Live);
    store.save().unwrap();
    let all = contents(&store);
    drop(store);
    let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().path();
    let dictionary = fs::read_dir(dir.path()).unwrap().map(name).find(|p| p.to_string_lossy().contains("dictionary.")).unwrap();
    assert_eq!(contents(&open(dir.path()).0), all);
    fs::remove_file(dictionary).unwrap();
    let (mut store, _) = open(dir.path());
    assert_eq!(store.index().rows(), 2000);
    let error = store.finding(finding(1999, 0, "").key.short()).unwrap_err();
    assert!(error.to_string().contains("dictionary"), "{error}");
    // A refresh brings it again.
    put(&mut store, findings(0..2000), Origin::Live);
    assert_eq!(contents(&store), all);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    fn modes(dir: &Path) -> Vec<(String, u32)> {
        let mut all = vec![(dir.display().to_string(), fs::metadata(dir).unwrap().permissions().mode() & 0o777)];
        for path in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                all.extend(modes(&path));
            } else {
                all.push((path.display().to_string(), fs::metadata(&path).unwrap().permissions().mode() & 0o777));
            }
        }
        all
    }

    #[test]
    fn files_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("made/below");
        small(&cache);
        Cache::open(&cache, schema()).unwrap().write_estate(&Estate::default()).unwrap();
        preferences::write(&cache.join("prefs/p.json"), &1).unwrap();
        let all = modes(&cache);
        assert!(all.len() > 8, "{all:?}");
        for (path, mode) in all {
            assert_eq!(mode, if Path::new(&path).is_dir() { 0o700 } else { 0o600 }, "{path} is {mode:o}");
        }
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
        drop(Cache::open(&cache, schema()).unwrap());
        assert_eq!(modes(&cache)[0].1, 0o700, "an open directory is closed again");
    }

    /// What the test below does as a user who may not write.
    #[test]
    fn a_directory_that_may_not_be_written_is_read() {
        const DIR: &str = "BARTIZAN_TEST_READ_ONLY";
        if let Ok(dir) = std::env::var(DIR) {
            let (mut store, problems) = open(Path::new(&dir));
            assert_eq!(problems, vec![]);
            assert_eq!(cache_of(&store).unwrap().read_only(), Some(ReadOnly::Refused));
            assert_eq!(store.index().rows(), 5);
            put(&mut store, vec![finding(50, 0, "In memory")], Origin::Live);
            store.save().unwrap();
            assert_eq!(contents(&store).len(), 6);
            let refused = cache_of(&store).unwrap().write_estate(&Estate::default()).unwrap_err();
            assert!(refused.to_string().contains("may not be written by this user"), "{refused}");
            let fresh = Cache::open(&Path::new(&dir).join("new"), schema()).unwrap_err();
            assert!(matches!(fresh, CacheError::Io { what: "make", .. }), "{fresh}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        small(&cache);
        let before = bytes_of(&cache);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "unix::a_directory_that_may_not_be_written_is_read"]).env(DIR, &cache);
        // Root may write everywhere, so it looks through the eyes of someone else.
        let root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
        let mut program = None;
        if root {
            use std::os::unix::process::CommandExt;
            let copy = dir.path().join("test");
            fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
            let mut other = Command::new(&copy);
            other.args(command.get_args()).env(DIR, &cache).current_dir("/").uid(65_534).gid(65_534);
            program = Some(other);
        }
        for (path, mode) in modes(&cache) {
            // Readable, as a shared or restored directory may be.
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o500 | (mode & 0o500) >> 3 | (mode & 0o500) >> 6))
                .unwrap();
        }
        let done = program.as_mut().unwrap_or(&mut command).output().unwrap();
        for (path, _) in modes(&cache) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
        assert_eq!(bytes_of(&cache), before);
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_costs_the_cache_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut all = small(dir.path());
        let (mut store, _) = open(dir.path());
        let log = only(dir.path(), ".log");
        let aside = dir.path().join("aside");
        fs::rename(&log, &aside).unwrap();
        symlink("/dev/full", &log).unwrap();
        // A new place, so that its log is not looked at before it is written.
        let far = "us-east-1";
        let far_log = dir.path().join("findings").join(format!("{ACCOUNT}.{far}.0.log"));
        symlink("/dev/full", &far_log).unwrap();
        let mut new = finding(60, 0, "Not on the disk");
        new.region = far.into();
        let done = store.put(ACCOUNT, far, vec![new.clone()], Origin::File, &nobody).unwrap();
        assert_eq!(done.added, 1);
        let problem = store.problem().map(ToString::to_string).unwrap();
        assert!(store.problem().is_some(), "{problem}");
        assert_eq!(store.finding(new.key.short()).unwrap(), Some(new.clone()), "it is there all the same");
        assert!(store.save().is_err());

        // Space again: saving brings it in.
        fs::remove_file(&log).unwrap();
        fs::rename(&aside, &log).unwrap();
        fs::remove_file(&far_log).unwrap();
        store.save().unwrap();
        assert!(store.problem().is_none());
        all.insert(new.key.short(), new);
        assert_eq!(contents(&store), all);

        // The columns and the meta file fail alike, and the old ones stay.
        put(&mut store, vec![finding(61, 0, "New")], Origin::Live);
        all.insert(finding(61, 0, "").key.short(), finding(61, 0, "New"));
        let beside = only(dir.path(), &format!("{REGION}.columns")).with_extension("columns.tmp");
        let before = fs::read(beside.with_extension("")).unwrap();
        symlink("/dev/full", &beside).unwrap();
        let full = store.save().unwrap_err();
        assert!(full.to_string().contains("free some space"), "{full}");
        assert_eq!(fs::read(beside.with_extension("")).unwrap(), before);
        symlink("/dev/full", dir.path().join("meta.json.tmp")).unwrap();
        let marks = cache_of(&store).unwrap().marks();
        assert!(matches!(cache_of(&store).unwrap().set_marks(marks), Err(CacheError::Full { .. })));
        drop(store);
        let (store, problems) = open(dir.path());
        assert_eq!((contents(&store), problems), (all, vec![]));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put { numbers: Vec<u64>, updated: i64, live: bool, title: u8 },
    Retain { seen: Vec<u64> },
    Save,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = || prop::collection::vec(0u64..24, 0..12);
    prop_oneof![
        4 => (numbers(), 0i64..4, any::<bool>(), 0u8..3)
            .prop_map(|(numbers, updated, live, title)| Step::Put { numbers, updated, live, title }),
        1 => numbers().prop_map(|seen| Step::Retain { seen }),
        1 => Just(Step::Save),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_leaves_what_a_map_would(steps in prop::collection::vec(step(), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        // Key -> the finding, whether it came live, whether a file brought it.
        let mut model: BTreeMap<u64, (Finding, bool, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put { numbers, updated, live, title } => {
                    let batch: Vec<Finding> = numbers.iter().map(|n| finding(*n, updated, ["a", "b", "c"][usize::from(title)])).collect();
                    for new in &batch {
                        let known = model.entry(new.key.short()).or_insert_with(|| (new.clone(), live, !live));
                        let newer = new.updated > known.0.updated || (new.updated == known.0.updated && (live || !known.1));
                        if newer {
                            known.0 = new.clone();
                        }
                        known.1 |= live;
                        known.2 |= !live;
                    }
                    put(&mut store, batch, if live { Origin::Live } else { Origin::File });
                }
                Step::Retain { seen } => {
                    let seen: Vec<u64> = seen.iter().map(|n| finding(*n, 0, "").key.short()).collect();
                    let before = model.len();
                    model.retain(|key, (_, _, file)| *file || seen.contains(key));
                    prop_assert_eq!(store.retain(ACCOUNT, REGION, &|key| seen.contains(&key)), before - model.len());
                }
                Step::Save => store.save().unwrap(),
                Step::Reopen => {
                    drop(store);
                    let (again, problems) = open(dir.path());
                    prop_assert_eq!(problems, vec![]);
                    store = again;
                }
            }
        }
        prop_assert_eq!(contents(&store), expected(model.into_values().map(|(finding, ..)| finding)));
    }

    #[test]
    fn hostile_files_are_reported_never_a_panic(
        columns in prop::collection::vec(any::<u8>(), 0..200),
        log in prop::collection::vec(any::<u8>(), 0..200),
        marked in any::<bool>(),
        meta in "\\PC{0,60}",
    ) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("findings")).unwrap();
        let stem = dir.path().join("findings").join(format!("{ACCOUNT}.{REGION}"));
        let with = |mark: &[u8], bytes: &[u8]| if marked { [mark, bytes].concat() } else { bytes.to_vec() };
        fs::write(stem.with_extension("eu-west-1.columns"), []).unwrap();
        fs::write(format!("{}.columns", stem.display()), with(b"bartcol1", &columns)).unwrap();
        fs::write(format!("{}.0.log", stem.display()), with(b"bartlog1", &log)).unwrap();
        fs::write(dir.path().join("meta.json"), meta).unwrap();
        let (mut store, _) = open(dir.path());
        prop_assert_eq!(store.index().rows(), 0);
        put(&mut store, findings(0..3), Origin::Live);
        store.save().unwrap();
        drop(store);
        prop_assert_eq!(contents(&open(dir.path()).0), expected(findings(0..3)));
    }
}
