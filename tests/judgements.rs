//! What the engines judge becomes findings like any other: stable from sweep to sweep, archived when it no longer fails,
//! gone with its account; and principals show what they are in effect.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bartizan::catalog::ListingId;
use bartizan::config::Config;
use bartizan::demo::Organization;
use bartizan::iam::judge::RULES;
use bartizan::listing::filter;
use bartizan::listing::query::{Cancel, Query, run};
use bartizan::model::account::Account;
use bartizan::model::document::Document;
use bartizan::model::estate::{Estate, RegionEstate};
use bartizan::model::finding::{Compliance, Finding, RecordState};
use bartizan::model::resource::Resource;
use bartizan::model::standing::{Nature, Power};
use bartizan::network::judge::CONTROLS;
use bartizan::work::change::Change;
use bartizan::work::identity::Engine;
use bartizan::work::judge::{Judged, Settings, judge, settle};
use bartizan::work::keeper::Keeper;
use bartizan::work::library::Library;
use bartizan::work::source::{Source, open};
use bartizan::work::store::{Origin, Put, Store};
use bartizan::world::{Origin as From, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

fn now() -> Timestamp {
    "2026-03-14T03:07:00Z".parse().unwrap()
}

fn later(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

fn demo() -> Estate {
    (**Organization::new(now(), 0).estate()).clone()
}

fn judged(estate: &Estate) -> Judged {
    judge(estate, &Engine::default(), &Settings::default(), now(), &Cancel::new()).unwrap()
}

/// A role that everyone may become, in an account of its own.
fn open_role(trust: &str) -> Estate {
    let text = format!(
        r#"{{"RoleDetailList":[{{"RoleName":"door","Path":"/","Arn":"arn:aws:iam::111122223333:role/door",
        "AssumeRolePolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{trust}}}]}}}}]}}"#
    );
    let mut estate = Estate { collected: Some(now()), ..Estate::default() };
    estate.put_account(Account::bare("111122223333"));
    estate.put_identity(bartizan::iam::read::authorization_details(&text).unwrap());
    estate
}

const EVERYONE: &str = r#""*""#;
const EC2: &str = r#"{"Service":"ec2.amazonaws.com"}"#;

fn by_control(store: &Store) -> BTreeMap<String, Finding> {
    store.findings().map(Result::unwrap).map(|f| (f.control.clone(), f)).collect()
}

#[test]
fn the_embedded_organisation_is_judged_the_same_each_time() {
    let estate = demo();
    let (one, two) = (judged(&estate), judged(&estate));
    assert_eq!(one, two);
    let keys: BTreeSet<_> = one.findings.iter().map(|f| f.key).collect();
    assert_eq!(keys.len(), one.findings.len(), "two findings have one key");
    let rows: BTreeSet<u64> = keys.iter().map(|k| k.short()).collect();
    assert_eq!(rows.len(), keys.len());
    let controls: BTreeSet<&str> = one.findings.iter().map(|f| f.control.as_str()).collect();
    assert!(controls.iter().any(|c| c.starts_with("iam-")) && controls.iter().any(|c| c.starts_with("NET.")), "{controls:?}");
    for finding in &one.findings {
        assert_eq!(finding.source.name, "bartizan");
        assert!(estate.account(&finding.account).is_some() && !finding.region.is_empty(), "{finding:?}");
        assert!(!finding.remediation.is_empty(), "{} says nothing of what to do", finding.control);
        // Control and requirements stand in the document, as both tables have them.
        let document: Value = serde_json::from_str(&finding.document).unwrap();
        let asked: Vec<&str> = document["control"]["requirements"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let known = RULES.iter().find(|r| r.id == finding.control).map(|r| r.refs);
        let known = known.or_else(|| CONTROLS.iter().find(|c| c.id == finding.control).map(|c| c.clauses));
        // What a benchmark asks of buckets alone stands last, and is not asked of others.
        assert!(!asked.is_empty() && known.is_some_and(|all| all.starts_with(&asked)), "{asked:?}");
        assert_eq!(document["control"]["id"], finding.control.as_str());
        assert!(!document["evidence"].is_null());
    }
    // Another day finds the same under the same keys, but for what time itself brings.
    let tomorrow = judge(&estate, &Engine::default(), &Settings::default(), later(1), &Cancel::new()).unwrap();
    let still: BTreeSet<_> = tomorrow.findings.iter().map(|f| f.key).collect();
    assert!(keys.difference(&still).count() < keys.len() / 20, "{} of {} went", keys.difference(&still).count(), keys.len());
}

#[test]
fn what_no_longer_fails_is_archived_and_what_comes_back_begins_anew() {
    let mut store = Store::in_memory();
    let bad = open_role(EVERYONE);
    let found = judged(&bad);
    assert_eq!(found.findings.iter().map(|f| f.control.as_str()).collect::<Vec<_>>(), ["iam-trust-public"]);
    let put = |store: &mut Store, estate: &Estate, at: Timestamp| {
        let estate = Estate { collected: Some(at), ..estate.clone() };
        settle(store, judged(&estate).findings, at, &estate).unwrap()
    };
    assert_eq!(put(&mut store, &bad, now()), Put { added: 1, changed: 0, unchanged: 0 });
    // The same again, collected later, changes nothing: it is still seen since then.
    assert_eq!(put(&mut store, &bad, later(2)), Put::default());
    let first = &by_control(&store)["iam-trust-public"];
    assert_eq!((first.first_seen, first.record, first.is_open()), (now(), RecordState::Active, true));

    let good = open_role(EC2);
    assert_eq!(put(&mut store, &good, later(3)), Put { added: 0, changed: 1, unchanged: 0 });
    let passed = by_control(&store)["iam-trust-public"].clone();
    assert_eq!((passed.record, passed.compliance, passed.is_open()), (RecordState::Archived, Some(Compliance::Passed), false));
    assert_eq!((passed.first_seen, passed.updated), (now(), later(3)));
    assert_eq!(put(&mut store, &good, later(4)), Put::default());

    put(&mut store, &bad, later(5));
    let back = by_control(&store)["iam-trust-public"].clone();
    assert_eq!((back.first_seen, back.record, back.compliance), (later(5), RecordState::Active, Some(Compliance::Failed)));

    put(&mut store, &good, later(6));
    put(&mut store, &good, later(35));
    assert_eq!(store.index().rows(), 1);
    put(&mut store, &good, later(37));
    assert_eq!(store.index().rows(), 0, "what passed a month ago is gone");
}

#[test]
fn what_stood_when_an_account_was_first_judged_is_not_new() {
    let mut store = Store::in_memory();
    let mut estate = open_role(EVERYONE);
    let put = |store: &mut Store, estate: &mut Estate, at: Timestamp| {
        let found = judged(&Estate { collected: Some(at), ..estate.clone() });
        settle(store, found.findings, at, estate).unwrap();
        bartizan::work::judge::note(estate, found.looked, at);
    };
    put(&mut store, &mut estate, now());
    let first = by_control(&store)["iam-trust-public"].clone();
    assert!(first.already, "since when it stands is not known");
    assert_eq!(estate.first_judged.get("111122223333"), Some(&now()));
    // It stays so while it stands; what comes up later is new, and so is what comes back.
    put(&mut store, &mut estate, later(1));
    assert!(by_control(&store)["iam-trust-public"].already);
    let known = open_role(r#"{"AWS":"arn:aws:iam::444455556666:root"}"#);
    let mut changed = Estate { first_judged: estate.first_judged, ..known };
    put(&mut store, &mut changed, later(2));
    assert!(!by_control(&store)["iam-trust-no-external-id"].already);
    let mut again = Estate { first_judged: changed.first_judged, ..open_role(EVERYONE) };
    put(&mut store, &mut again, later(3));
    assert!(!by_control(&store)["iam-trust-public"].already);
    // Another account's first time is its own; and a cache from before the note was kept has had its first time.
    let mut second = Store::in_memory();
    let mut fresh = open_role(EVERYONE);
    settle(&mut second, judged(&fresh).findings, now(), &fresh).unwrap();
    fresh.first_judged.clear();
    let late = judged(&open_role(r#"{"AWS":"arn:aws:iam::444455556666:root"}"#));
    settle(&mut second, late.findings, later(1), &fresh).unwrap();
    assert!(!by_control(&second)["iam-trust-no-external-id"].already);
}

#[test]
fn the_trend_and_the_last_day_leave_out_what_stood_already() {
    let estate = demo();
    let source = Source::Demo { findings: 0, still: true };
    let mut opened = open(source, &Config::default(), now());
    opened.judge(now());
    let count = |expression: &str| rows(&opened.world, ListingId::Findings, expression);
    let all = count("source:bartizan open:yes");
    assert!(all > 100 && count("source:bartizan already:yes") == all, "{all}");
    assert!(!opened.world.estate.first_judged.is_empty() && estate.first_judged.is_empty());
    let figures = bartizan::work::perform::overview(&opened.world, now(), &Cancel::new()).unwrap();
    assert_eq!(figures.already, all);
    assert_eq!(figures.trend.iter().map(|day| day.0).sum::<usize>(), 0, "nothing of it is new");
    assert!(figures.needs.iter().all(|need| need.text != "high or critical findings of the last day"));
}

#[test]
fn a_full_pass_over_security_hub_leaves_judgements_and_an_account_that_left_takes_them() {
    let mut store = Store::in_memory();
    let estate = open_role(EVERYONE);
    settle(&mut store, judged(&estate).findings, now(), &estate).unwrap();
    assert_eq!(store.retain("111122223333", "us-east-1", &|_| false), 0);
    assert_eq!(store.index().rows(), 1);
    // IAM that could not be read says nothing about what was found in it.
    let unread = Estate { identities: Vec::new(), ..estate.clone() };
    assert_eq!(settle(&mut store, Vec::new(), later(1), &unread).unwrap(), Put::default());
    assert_eq!(store.index().rows(), 1);
    let mut left = Estate::default();
    left.put_account(Account::bare("444455556666"));
    settle(&mut store, Vec::new(), later(1), &left).unwrap();
    assert_eq!(store.index().rows(), 0);
}

#[test]
fn a_file_keeps_since_when_a_judgement_stands() {
    let estate = open_role(EVERYONE);
    let mut findings = judged(&estate).findings;
    findings[0].first_seen = now() - SignedDuration::from_hours(24 * 400);
    let since = findings[0].first_seen;
    let mut opened = open(Source::File { path: "x".into(), estate: Box::new(estate), findings }, &Config::default(), now());
    opened.judge(now());
    let store = opened.library.read();
    assert_eq!(by_control(&store)["iam-trust-public"].first_seen, since);
    assert_eq!(store.index().rows(), 1);
}

/// The world of a keeper after these changes, all of them judged.
async fn after(changes: Vec<Change>) -> (Arc<World>, Arc<Library>) {
    let library = Arc::new(Library::new(Store::in_memory(), Default::default(), Default::default()));
    let (outcomes, mut heard) = mpsc::channel(64);
    let (keeper, task) = Keeper::start(&World::empty(From::Demo), Arc::clone(&library), outcomes);
    let listener = tokio::spawn(async move { while heard.recv().await.is_some() {} });
    for change in changes {
        keeper.send(change).await.unwrap();
    }
    let (settled, world) = oneshot::channel();
    keeper.send(Change::Settle(settled)).await.unwrap();
    let world = world.await.unwrap();
    drop(keeper);
    task.await.unwrap();
    listener.await.unwrap();
    (world, library)
}

fn changes(estate: &Estate) -> Vec<Change> {
    let accounts = estate.accounts.iter().map(|a| (**a).clone()).collect();
    let accounts = Change::Accounts { organization: estate.organization.clone(), accounts, whole: true };
    let identities = estate.identities.iter().map(|i| Change::Identity { identity: Box::new((**i).clone()), whole: true });
    let networks = estate.regions.iter().map(|r| Change::Network {
        account: r.account.clone(),
        region: r.region.clone(),
        network: Box::new(r.network.clone()),
        whole: true,
    });
    let services = ["ecr", "kms", "lambda", "s3", "secretsmanager", "sns", "sqs"];
    let resources = estate.regions.iter().flat_map(|r| services.map(|service| resources(r, service, true)));
    let workloads = estate.regions.iter().map(|r| Change::Workloads {
        account: r.account.clone(),
        region: r.region.clone(),
        workloads: Box::new(r.workloads.clone()),
        whole: true,
    });
    let asked = Change::Coverage((*estate.coverage).clone());
    [accounts, asked].into_iter().chain(identities).chain(networks).chain(workloads).chain(resources).collect()
}

/// A service's resources in a region, as a sweep brings them.
fn resources(region: &RegionEstate, service: &'static str, whole: bool) -> Change {
    Change::Resources {
        account: region.account.clone(),
        region: region.region.clone(),
        service,
        resources: region.resources.iter().filter(|r| r.service() == service).cloned().collect(),
        whole,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_were_not_read_anew_stay_as_they_were() {
    let estate = open_role(EC2);
    let id = estate.identities[0].account.clone();
    let statement = r#"{"Sid":"Let","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}"#;
    let resource = |name: &str, unread: bool| Resource {
        arn: format!("arn:aws:s3:::{name}"),
        policy: (!unread).then(|| Document(format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#))),
        unread,
        ..Resource::default()
    };
    let place = |resources: Vec<Resource>| RegionEstate {
        account: id.clone(),
        region: "eu-west-1".into(),
        resources,
        ..RegionEstate::default()
    };
    let both = place(vec![resource("a", false), resource("b", false)]);
    let with = |change: Option<Change>| {
        let first = changes(&estate).into_iter().chain([resources(&both, "s3", true)]);
        first.chain(change).collect::<Vec<Change>>()
    };
    let open = |world: &World| rows(world, ListingId::Findings, "control:iam-resource-public open:yes");
    assert_eq!(open(&after(with(None)).await.0), 2);
    // One could not be read, the other was not even listed: what is known of both stays.
    let half = resources(&place(vec![resource("a", true)]), "s3", false);
    assert_eq!(open(&after(with(Some(half))).await.0), 2);
    let (world, _) = after(with(Some(resources(&place(vec![resource("a", false)]), "s3", true)))).await;
    assert_eq!(open(&world), 1);
    assert_eq!(world.estate.region(&id, "eu-west-1").unwrap().resources.len(), 1);
    // Another service's answer says nothing of buckets.
    assert_eq!(open(&after(with(Some(resources(&place(Vec::new()), "sqs", true)))).await.0), 2);
}

fn rows(world: &World, listing: ListingId, expression: &str) -> usize {
    let filter = filter::parse(expression, &listing.get().schema, now().as_second()).unwrap();
    let query = Query { filter, now: now().as_second(), ..Query::default() };
    run(world.index(listing), &query, &Cancel::new()).unwrap().ids.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_judges_what_came_in_and_judges_again_when_it_changes() {
    let (world, library) = after(changes(&open_role(EVERYONE))).await;
    assert_eq!(rows(&world, ListingId::Findings, "source:bartizan control:iam-trust-public open:yes"), 1);
    assert_eq!(rows(&world, ListingId::Principals, "foreign:everyone"), 1);
    assert!(library.read().index().rows() >= 1);

    let twice = changes(&open_role(EVERYONE)).into_iter().chain(changes(&open_role(EC2))).collect();
    let (world, _) = after(twice).await;
    assert_eq!(rows(&world, ListingId::Principals, "foreign:everyone"), 0);
    assert_eq!(rows(&world, ListingId::Findings, "source:bartizan control:iam-trust-public open:yes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn principals_show_what_they_are_in_effect() {
    let estate = demo();
    let (world, _) = after(changes(&estate)).await;
    let standings = judged(&estate).standings;
    let of = |power: Power| standings.principals.values().filter(|s| s.power == power).count();
    for (word, power) in [("yes", Power::Administrator), ("no", Power::Ordinary)] {
        assert!(of(power) > 0);
        assert_eq!(rows(&world, ListingId::Principals, &format!("administrator={word}")), of(power), "{word}");
    }
    let human = standings.principals.values().filter(|s| s.nature == Nature::Human).count();
    assert!(human > 0);
    assert_eq!(rows(&world, ListingId::Principals, "nature=human"), human);
    assert_eq!(rows(&world, ListingId::Pipelines, ""), standings.pipelines.len());
    assert!(!standings.pipelines.is_empty());
    // Judged findings are counted beside the others, by account.
    // The keeper goes by the clock.
    let judged = judge(&estate, &Engine::default(), &Settings::default(), Timestamp::now(), &Cancel::new()).unwrap();
    let judged = judged.findings.len();
    assert_eq!(rows(&world, ListingId::Findings, "source:bartizan open:yes"), judged);
}

#[test]
fn what_is_judged_is_never_pushed_or_taken_for_live() {
    let mut store = Store::in_memory();
    let estate = open_role(EVERYONE);
    settle(&mut store, judged(&estate).findings, now(), &estate).unwrap();
    let keys: Vec<u64> = store.findings().map(|f| f.unwrap().key.short()).collect();
    assert!(store.imported(&keys).unwrap().is_empty());
    assert!(store.some(&keys).unwrap().iter().all(|(_, live)| !live));
    // A file that brings the same finding keeps it when the judgement goes.
    let found = store.findings().map(Result::unwrap).collect();
    store.put_all(found, Origin::File, &|_| None).unwrap();
    assert_eq!(store.forget(&keys), 0);
    assert_eq!(store.index().rows(), 1);
}
