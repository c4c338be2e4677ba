//! Collecting from AWS: a seeded organisation compared object by object with what arrives, whole and under faults; deltas,
//! aggregation, slow accounts, rates, and what is said where something is missing.
//!
//! Everything goes over real HTTP to the test cloud, through the built program or through the sweep behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

#[path = "collect/compare.rs"]
mod compare;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_securityhub::types as hub;
use bartizan::aws::permissions::calls;
use bartizan::aws::{Options, Reach};
use bartizan::config::Config;
use bartizan::formats::asff;
use bartizan::message::Outcome as Report;
use bartizan::model::coverage::Outcome;
use bartizan::model::estate::{self, Estate};
use bartizan::model::finding::{Finding, Status};
use bartizan::work::change::Change;
use bartizan::work::keeper::Keeper;
use bartizan::work::library::Library;
use bartizan::work::source::{self, Source};
use bartizan::work::sweep::{Door, Kind, Marks, Sweep};
use bartizan::world::World;
use compare::compare;
use serde_json::{Value, json};
use support::organization::{Kind as Object, Plan, Seeded, seed};
use support::{Cloud, Fault, Rule, run};
use tokio::sync::mpsc;

const HERE: &str = "eu-west-1";
const THERE: &str = "us-east-1";

/// The seeded organisation that most tests look at, one at a time.
struct Seed {
    cloud: Cloud,
    seeded: Seeded,
}

fn organization() -> MutexGuard<'static, Seed> {
    static SEED: LazyLock<Mutex<Seed>> = LazyLock::new(|| {
        Mutex::new(run(async {
            let cloud = Cloud::start();
            let seeded = seed(&cloud, &Plan { findings: 120, ..Plan::default() }).await;
            Seed { cloud, seeded }
        }))
    });
    let seed = SEED.lock().unwrap_or_else(PoisonError::into_inner);
    seed.cloud.heal_all();
    seed.cloud.forget_calls();
    seed
}

/// A cloud without the seeding: one account, its hubs off.
fn bare() -> Cloud {
    Cloud::with(support::Options { managed_policies: false })
}

/// A small organisation: the management account and `members` others, their hubs on in both regions.
async fn small(cloud: &Cloud, members: usize) -> Vec<String> {
    let keys = Credentials::new("test", "test", None, None, "seed");
    let config = support::cloud::config_at(&cloud.moto_url(), HERE, keys);
    let client = aws_sdk_organizations::Client::new(&config);
    client.create_organization().feature_set(aws_sdk_organizations::types::OrganizationFeatureSet::All).send().await.unwrap();
    let mut ids = vec![cloud.management().to_owned()];
    for n in 0..members {
        let made =
            client.create_account().account_name(format!("member-{n}")).email(format!("m{n}@example.com")).send().await.unwrap();
        ids.push(made.create_account_status.unwrap().account_id.unwrap());
    }
    for id in &ids {
        cloud.hub(|hub| [HERE, THERE].iter().for_each(|region| hub.enable(id, region)));
    }
    ids
}

/// A finding document, numbered; its severity and time follow from the number.
fn finding(account: &str, region: &str, number: usize) -> Value {
    let label = ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"][number % 5];
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("arn:aws:securityhub:{region}:{account}:finding/{number:04}"),
        "ProductArn": format!("arn:aws:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": format!("rule-{}", number % 3),
        "AwsAccountId": account,
        "Region": region,
        "CreatedAt": "2026-01-01T00:00:00.000Z",
        "UpdatedAt": format!("2026-02-{:02}T00:00:00.000Z", 1 + number % 20),
        "Severity": { "Label": label, "Normalized": ([0, 1, 40, 70, 90][number % 5]) },
        "Title": format!("Finding {number}"),
        "Description": "What is wrong",
        "Resources": [{ "Type": "AwsS3Bucket", "Id": format!("arn:aws:s3:::bucket-{number}") }],
        "Workflow": { "Status": "NEW" },
        "RecordState": "ACTIVE",
    })
}

fn put(cloud: &Cloud, account: &str, region: &str, count: usize) {
    cloud.hub(|hub| (0..count).for_each(|n| hub.put(account, region, finding(account, region, n))));
}

fn id(account: &str, region: &str, number: usize) -> String {
    finding(account, region, number)["Id"].as_str().unwrap().to_owned()
}

// ---- the built program

/// The program with the cloud's environment and a home of its own.
fn program(cloud: &Cloud, home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.env_clear().env("HOME", home).envs(cloud.environment(HERE)).args(args);
    command.output().unwrap()
}

struct Collected {
    estate: Estate,
    findings: Vec<Finding>,
    code: i32,
    stderr: String,
}

fn collect(cloud: &Cloud, args: &[&str]) -> Collected {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("estate.json.zst");
    let mut all = vec!["collect", "--out", out.to_str().unwrap()];
    all.extend_from_slice(args);
    let done = program(cloud, home.path(), &all);
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.stdout.is_empty(), "an estate goes to its file only");
    assert!(out.exists(), "nothing was written: {stderr}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (estate, mut findings) = estate::read(std::fs::File::open(&out).unwrap()).unwrap();
    // What is judged of the estate is none of AWS's.
    findings.retain(|f| f.source.name != "bartizan");
    Collected { estate, findings, code: done.status.code().unwrap(), stderr }
}

// ---- the sweep behind it

/// What a sweep brought, in the order it came, and the world it made.
struct Swept {
    world: Arc<World>,
    library: Arc<Library>,
    came: Vec<Came>,
}

/// A change, as far as the tests ask.
#[derive(Debug, Clone, PartialEq)]
enum Came {
    Findings(Vec<Finding>),
    /// Inventory rows of an account.
    Rows(String),
    Notice(String),
    Problem(String),
}

impl Came {
    fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::Findings { findings, .. } => Self::Findings(findings.clone()),
            Change::Identity { identity, .. } => Self::Rows(identity.account.clone()),
            Change::Network { account, .. } | Change::Nodes { account, .. } | Change::Sessions { account, .. } => {
                Self::Rows(account.clone())
            }
            Change::Notice { text, .. } => Self::Notice(text.clone()),
            Change::Problem(text) | Change::Shut(text) => Self::Problem(text.clone()),
            _ => return None,
        })
    }
}

impl Swept {
    /// The ids of all findings that came with this sweep.
    fn arrived(&self) -> BTreeSet<String> {
        let findings = self.came.iter().filter_map(|came| match came {
            Came::Findings(findings) => Some(findings),
            _ => None,
        });
        findings.flatten().map(|f| f.source.id.clone()).collect()
    }
    fn kept(&self) -> BTreeMap<String, Finding> {
        self.library.read().findings().map(|f| f.unwrap()).map(|f| (f.source.id.clone(), f)).collect()
    }
}

/// A console's way to AWS without a console: its door, marks and rows stay from one sweep to the next.
struct Console {
    options: Options,
    single: bool,
    door: Door,
    marks: Arc<Marks>,
    world: Arc<World>,
    library: Arc<Library>,
}

impl Console {
    fn new(cloud: &Cloud, regions: &[&str], single: bool) -> Self {
        let options = Options {
            regions: regions.iter().map(|r| (*r).to_owned()).collect(),
            endpoint_url: Some(cloud.url().to_owned()),
            credentials: Some(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"))),
            ..Options::default()
        };
        let live = Source::Live { options: Box::new(options.clone()), cache: None };
        let opened = source::open(live, &Config::default(), "2026-06-01T00:00:00Z".parse().unwrap());
        Self {
            options,
            single,
            door: Door::default(),
            marks: Arc::new(Marks::new(None)),
            world: opened.world,
            library: opened.library,
        }
    }

    async fn sweep(&mut self, kinds: &[Kind]) -> Swept {
        let (outcomes, mut reports) = mpsc::channel(64);
        let reports = tokio::spawn(async move { while let Some(Report::World(_) | _) = reports.recv().await {} });
        let (kept, keeper) = Keeper::start(&self.world, Arc::clone(&self.library), outcomes);
        let (changes, mut heard) = mpsc::channel(64);
        let onward = kept.clone();
        let listen = tokio::spawn(async move {
            let mut came = Vec::new();
            while let Some(change) = heard.recv().await {
                came.extend(Came::of(&change));
                onward.send(change).await.unwrap();
            }
            came
        });
        let errors = self.door.open(&self.options, &changes).await;
        assert_eq!(errors, vec![]);
        let sweep = Sweep::new(self.single, Arc::clone(&self.marks), changes);
        Box::pin(sweep.run(&self.door.connections, &kinds.iter().copied().collect())).await;
        let came = listen.await.unwrap();
        let (settle, settled) = tokio::sync::oneshot::channel();
        kept.send(Change::Settle(settle)).await.unwrap();
        self.world = settled.await.unwrap();
        drop(kept);
        keeper.await.unwrap();
        reports.await.unwrap();
        Swept { world: Arc::clone(&self.world), library: Arc::clone(&self.library), came }
    }
}

// ---- what must be covered

/// The coverage rows of an estate: (account, region, API) and how each ended.
fn covered(estate: &Estate) -> BTreeMap<(String, String, String), Outcome> {
    estate.coverage.iter().map(|c| ((c.account.clone(), c.region.clone(), c.api.clone()), c.outcome)).collect()
}

/// The rows that a sweep of everything must leave, from the declarations of what this build calls.
fn expected(seeded: &Seeded, denied: &[&str]) -> BTreeSet<(String, String, String)> {
    let management = &seeded.accounts[0].id;
    let closed = seeded.accounts.iter().filter(|a| a.suspended);
    let mut rows: BTreeSet<_> = closed.map(|a| (a.id.clone(), String::new(), "sts:AssumeRole".to_owned())).collect();
    for account in seeded.active() {
        let mut row = |region: &str, api: &str| rows.insert((account.id.clone(), region.to_owned(), api.to_owned()));
        if account.id != *management {
            row("", "sts:AssumeRole");
        }
        if denied.contains(&account.id.as_str()) {
            continue;
        }
        for call in calls() {
            match (call.reach, call.action) {
                // Asked before there is an estate: who this is, and whether the chosen regions exist.
                (_, "sts:AssumeRole" | "sts:GetCallerIdentity" | "ec2:DescribeRegions") => {}
                // Only where there is no organisation, or an aggregator.
                (Reach::Hub | Reach::Node, _) | (_, "securityhub:GetFindingHistory") => {}
                // Asked only where a person wants to know.
                (
                    _,
                    "iam:GenerateServiceLastAccessedDetails" | "iam:GetServiceLastAccessedDetails" | "cloudtrail:LookupEvents",
                ) => {}
                (_, "iam:ListAccountAliases" | "securityhub:GetFindingAggregator" | "securityhub:DescribeHub") => {}
                // Asked only where Block Public Access is on, which the cloud does not have.
                (_, "ec2:DescribeVpcBlockPublicAccessExclusions") => {}
                // Once, wherever Security Hub is on.
                (_, "securityhub:ListFindingAggregators") => _ = row(&seeded.regions[0], call.action),
                (Reach::Management, api) if account.id == *management => _ = row("", api),
                (Reach::Management, _) => {}
                (Reach::Global, api) => _ = row("", api),
                (Reach::PerRegion, api) => seeded.regions.iter().for_each(|region| _ = row(region, api)),
            }
        }
    }
    rows
}

/// No question went out that has no row.
fn every_call_has_a_row(cloud: &Cloud, estate: &Estate) {
    let rows = covered(estate);
    let reach: BTreeMap<&str, Reach> = calls().iter().map(|c| (c.action, c.reach)).collect();
    for call in cloud.calls() {
        let name = call.name();
        if matches!(name.as_str(), "sts:GetCallerIdentity" | "ec2:DescribeRegions") {
            continue;
        }
        let reach = reach.get(name.as_str()).unwrap_or_else(|| panic!("{name} is called and not declared"));
        let region = if *reach == Reach::PerRegion { call.region.clone() } else { String::new() };
        let row = (call.target.clone().unwrap_or(call.account), region, name);
        assert!(rows.contains_key(&row), "{row:?} was asked and has no coverage");
    }
}

/// No API was called faster than it is declared to be.
fn rates_are_kept(cloud: &Cloud) {
    let seconds = 4.0;
    let rates: BTreeMap<&str, _> = calls().iter().map(|c| (c.action, c.rate)).collect();
    for ((account, region, api), most) in cloud.peaks(Duration::from_secs_f64(seconds)) {
        let rate = rates[api.as_str()];
        // A call that left on time may arrive late, and then next to its successors.
        let allowed = rate.burst + rate.per_second * (seconds + 1.0) + 1.0;
        assert!(most as f64 <= allowed, "{most} calls of {api} in {account} {region} within {seconds} s, {allowed} are allowed");
    }
}

#[test]
fn an_organisation_arrives_whole() {
    let seed = organization();
    let got = collect(&seed.cloud, &["-r", "eu-west-1,us-east-1"]);
    assert_eq!(got.code, 0, "{}", got.stderr);
    compare(&seed.seeded, &got.estate, &got.findings, &[]);
    let rows = covered(&got.estate);
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected(&seed.seeded, &[]));
    for ((account, region, api), outcome) in &rows {
        let closed = seed.seeded.account(account).unwrap().suspended;
        assert_eq!(*outcome, if closed { Outcome::NotAsked } else { Outcome::Ok }, "{account} {region} {api}");
    }
    every_call_has_a_row(&seed.cloud, &got.estate);
    rates_are_kept(&seed.cloud);
    let mut lines = got.stderr.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("arn:aws:") && first.contains(seed.cloud.management()), "the caller comes first: {first}");
    assert_eq!(got.findings.len(), 1440);
    // With what is judged of the estate.
    let last = got.stderr.lines().last().unwrap();
    assert!(last.contains(": 7 accounts, 2 regions, 1,") && last.ends_with(" findings"), "{}", got.stderr);
    // Findings come whole: the record itself, and what is read from it.
    let sample = got.findings.iter().find(|f| f.status == Status::Suppressed).unwrap();
    let record: Value = serde_json::from_str(&sample.document).unwrap();
    assert_eq!(record["Id"], sample.source.id.as_str());
    assert_eq!(record["Note"]["Text"], "accepted until the migration");
}

/// Findings on a machine rank what it is exposed by, live as from a file.
#[test]
fn exposures_are_ranked_by_the_findings_on_the_machine_live_and_from_a_file() {
    let seed = organization();
    let home = tempfile::tempdir().unwrap();
    let columns = "id,score,severity,findings,via,role,name";
    let asked = ["list", "exposures", "-r", "eu-west-1", "-o", "json", "-c", columns];
    let live = program(&seed.cloud, home.path(), &asked);
    assert!(live.status.success(), "{}", String::from_utf8_lossy(&live.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&live.stdout).unwrap();
    let machine = rows.iter().find(|r| r["via"] == "front").expect("a machine behind the load balancer is exposed");
    assert!(machine["findings"].as_u64().unwrap() > 0, "{machine}");
    let file = home.path().join("estate.json.zst");
    let made = program(&seed.cloud, home.path(), &["collect", "-r", "eu-west-1", "--out", file.to_str().unwrap()]);
    assert!(file.exists(), "{}", String::from_utf8_lossy(&made.stderr));
    let from = ["list", "exposures", "--from", file.to_str().unwrap(), "-o", "json", "-c", columns];
    let from = program(&seed.cloud, home.path(), &from);
    let kept: Vec<Value> = serde_json::from_slice(&from.stdout).unwrap();
    assert_eq!(rows, kept, "the file tells what was told live");
    let told = program(&seed.cloud, home.path(), &["net", "exposures", "-r", "eu-west-1", "--json"]);
    let told: Vec<Value> = serde_json::from_slice(&told.stdout).unwrap();
    for row in &rows {
        let same = told.iter().find(|t| t["id"] == row["id"]).unwrap();
        assert_eq!(same["openFindings"].as_u64().unwrap_or(0), row["findings"].as_u64().unwrap_or(0), "{row}");
    }
}

#[test]
fn what_is_allowed_arrives_through_throttling_failures_and_expiry() {
    let seed = organization();
    let members: Vec<&str> = seed.seeded.active().skip(1).map(|a| a.id.as_str()).collect();
    let denied = [members[1], members[3]];
    for account in denied {
        seed.cloud.fault(Rule::new(Fault::AccessDenied).action("AssumeRole").target(account));
    }
    let throttled = seed.cloud.fault(Rule::new(Fault::Throttling).chance(0.3, 11));
    let failing = seed.cloud.fault(Rule::new(Fault::ServerError(503)).chance(0.05, 12));
    seed.cloud.expire_after(250);
    let got = collect(&seed.cloud, &["-r", "eu-west-1,us-east-1"]);
    let calls = seed.cloud.calls();
    assert!(calls.iter().any(|c| c.fault == Some("expired credentials")), "credentials ended half-way");
    let share = seed.cloud.hits(throttled) as f64 / calls.len() as f64;
    assert!((0.2..0.4).contains(&share) && seed.cloud.hits(failing) > 5, "{share}");
    compare(&seed.seeded, &got.estate, &got.findings, &denied);
    let rows = covered(&got.estate);
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected(&seed.seeded, &denied));
    for ((account, region, api), outcome) in &rows {
        let closed = seed.seeded.account(account).unwrap().suspended;
        let open = if closed { Outcome::NotAsked } else { Outcome::Ok };
        let want = if denied.contains(&account.as_str()) { Outcome::Denied } else { open };
        assert_eq!(*outcome, want, "{account} {region} {api}");
    }
    every_call_has_a_row(&seed.cloud, &got.estate);
    rates_are_kept(&seed.cloud);
    assert_eq!(got.code, 3, "{}", got.stderr);
    for account in denied {
        let line = got
            .stderr
            .lines()
            .find(|l| l.contains(account) && l.starts_with("denied"))
            .unwrap_or_else(|| panic!("{}", got.stderr));
        assert!(line.contains("sts:AssumeRole") && line.contains("must exist and trust"), "{line}");
    }
    let said = got.stderr.lines().filter(|l| l.starts_with("denied") || l.starts_with("failed") || l.starts_with("throttled"));
    assert_eq!(said.count(), 2, "{}", got.stderr);
}

#[test]
fn broken_answers_cost_only_themselves() {
    let seed = organization();
    let (cloud, management) = (&seed.cloud, seed.cloud.management());
    cloud.fault(Rule::new(Fault::Garbage).action("DescribeVpcs").region(HERE));
    cloud.fault(Rule::new(Fault::CutMidBody).action("DescribeInstanceInformation").region(THERE));
    cloud.fault(Rule::new(Fault::Truncated).action("GetFindings").region(THERE));
    cloud.fault(Rule::new(Fault::CutBefore).action("GetAccountPasswordPolicy"));
    let got = collect(cloud, &["-r", "eu-west-1,us-east-1", "--single-account"]);
    assert_eq!(got.code, 3, "{}", got.stderr);
    let failed: BTreeSet<_> = covered(&got.estate).into_iter().filter(|(_, o)| *o != Outcome::Ok).collect();
    let row = |region: &str, api: &str| ((management.to_owned(), region.to_owned(), api.to_owned()), Outcome::Failed);
    let want = [
        row(HERE, "ec2:DescribeVpcs"),
        row(THERE, "ssm:DescribeInstanceInformation"),
        row(THERE, "securityhub:GetFindings"),
        row("", "iam:GetAccountPasswordPolicy"),
    ];
    assert_eq!(failed, want.into_iter().collect());
    for ((_, region, api), _) in &failed {
        let said =
            got.stderr.lines().find(|l| l.starts_with("failed: ") && l.contains(&format!("{region} {api}").trim().to_owned()));
        assert!(said.is_some_and(|l| l.contains("the next refresh tries again")), "{api}: {}", got.stderr);
    }
    // The rest of the same account and regions is there.
    let places = &seed.seeded.accounts[0].places;
    let here = got.estate.region(management, HERE).unwrap();
    let there = got.estate.region(management, THERE).unwrap();
    assert!(here.network.vpcs.is_empty() && there.nodes.is_empty());
    assert_eq!(here.network.subnets.len(), places[HERE].network.all[&Object::Subnet].len());
    assert_eq!(there.network.vpcs.len(), places[THERE].network.all[&Object::Vpc].len());
    assert_eq!(here.nodes.len(), places[HERE].nodes.len());
    assert_eq!(there.sessions.len(), places[THERE].sessions.len());
    assert_eq!(got.estate.identity(management).unwrap().roles.len(), seed.seeded.accounts[0].identity.roles.len());
    assert_eq!(got.findings.iter().map(|f| f.source.id.clone()).collect::<BTreeSet<_>>(), places[HERE].findings);
    // The answer's own bytes never reach the terminal.
    assert!(!got.stderr.contains('\u{1b}') && !got.stderr.contains('\0'), "{:?}", got.stderr);
}

#[test]
fn an_organisation_one_may_not_list_leaves_the_account_at_hand() {
    let cloud = bare();
    put(&cloud, cloud.management(), HERE, 7);
    cloud.fault(Rule::new(Fault::AccessDenied).service("organizations"));
    let got = collect(&cloud, &[]);
    assert_eq!(got.code, 3, "{}", got.stderr);
    let said = got
        .stderr
        .lines()
        .find(|l| l.starts_with("Only account 123456789012 is read: "))
        .unwrap_or_else(|| panic!("{}", got.stderr));
    assert!(said.contains("organizations:DescribeOrganization") && said.contains("bartizan permissions"), "{said}");
    assert_eq!(got.estate.accounts.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), [cloud.management()]);
    assert_eq!((got.findings.len(), got.estate.regions.len()), (7, 1));
    assert_eq!(cloud.counts().get("sts:AssumeRole"), None);
    let denied: Vec<_> = got.estate.coverage.iter().filter(|c| c.outcome == Outcome::Denied).map(|c| c.api.as_str()).collect();
    assert_eq!(denied, ["organizations:DescribeOrganization"]);

    // No organisation at all is no gap: there is nothing to list.
    cloud.heal_all();
    let got = collect(&cloud, &[]);
    assert_eq!(got.code, 0, "{}", got.stderr);
    assert!(got.stderr.contains("Only account 123456789012 is read: "), "{}", got.stderr);
}

#[test]
fn findings_come_worst_first_then_only_what_changed_and_now_and_then_all() {
    run(async {
        let cloud = bare();
        let account = cloud.management();
        put(&cloud, account, HERE, 250);
        let mut console = Console::new(&cloud, &[HERE], true);
        let first = console.sweep(&[Kind::Findings]).await;
        assert_eq!(first.arrived(), (0..250).map(|n| id(account, HERE, n)).collect());
        let severities: Vec<_> = first
            .came
            .iter()
            .flat_map(|c| if let Came::Findings(f) = c { f.as_slice() } else { &[] })
            .map(|f| f.severity.rank().max(1))
            .collect();
        assert!(severities.is_sorted_by(|a, b| a >= b), "worst first, the two least together: {severities:?}");

        // One finding changes; another is triaged, which does not touch UpdatedAt; one goes.
        let client = aws_sdk_securityhub::Client::new(&cloud.config(HERE));
        let product = format!("arn:aws:securityhub:{HERE}:{account}:product/{account}/default");
        let named = |n| hub::AwsSecurityFindingIdentifier::builder().id(id(account, HERE, n)).product_arn(&product).build();
        let triage = client.batch_update_findings().finding_identifiers(named(0));
        let workflow = hub::WorkflowUpdate::builder().status(hub::WorkflowStatus::Notified).build();
        assert_eq!(triage.workflow(workflow).send().await.unwrap().processed_findings().len(), 1);
        let mut changed = finding(account, HERE, 3);
        changed["UpdatedAt"] = "2026-03-01T00:00:00.000Z".into();
        changed["Title"] = "Worse than it was".into();
        cloud.hub(|hub| {
            hub.put(account, HERE, changed);
            assert!(hub.remove(account, HERE, &(product.clone(), id(account, HERE, 4))));
        });
        cloud.forget_calls();
        let delta = console.sweep(&[Kind::Findings]).await;
        // What was newest is asked again, for records that come late.
        let newest: BTreeSet<_> = (0..250).filter(|n| n % 20 == 19).chain([3]).map(|n| id(account, HERE, n)).collect();
        assert_eq!(delta.arrived(), newest);
        assert_eq!(cloud.counts()["securityhub:GetFindings"], 1);
        let kept = delta.kept();
        assert_eq!(kept[&id(account, HERE, 3)].title, "Worse than it was");
        assert_eq!(kept[&id(account, HERE, 0)].status, Status::New, "a delta cannot see triage");
        assert!(kept.contains_key(&id(account, HERE, 4)));

        let whole = console.sweep(&[Kind::Reconcile]).await;
        let kept = whole.kept();
        assert_eq!(kept[&id(account, HERE, 0)].status, Status::Notified);
        assert_eq!(
            kept.keys().cloned().collect::<BTreeSet<_>>(),
            (0..250).filter(|n| *n != 4).map(|n| id(account, HERE, n)).collect()
        );
        assert_eq!(whole.world.index(bartizan::catalog::ListingId::Findings).rows(), 249);
    });
}

#[test]
fn an_interrupted_reading_is_neither_whole_nor_marked() {
    run(async {
        let cloud = bare();
        let account = cloud.management();
        put(&cloud, account, HERE, 250);
        let mut console = Console::new(&cloud, &[HERE], true);
        // The worst severity arrives, then the door closes.
        cloud.fault(Rule::new(Fault::AccessDenied).action("GetFindings").after(1));
        let cut = console.sweep(&[Kind::Findings]).await;
        assert_eq!(cut.arrived(), (0..250).filter(|n| n % 5 == 4).map(|n| id(account, HERE, n)).collect());
        let row = cut.world.estate.coverage.iter().find(|c| c.api == "securityhub:GetFindings").unwrap();
        assert_eq!((row.outcome, row.count), (Outcome::Denied, 50));
        cloud.heal_all();
        let again = console.sweep(&[Kind::Findings]).await;
        assert_eq!(again.kept().len(), 250, "the next sweep reads all, not what changed");
        // A refused reconciling pass drops nothing.
        cloud.fault(Rule::new(Fault::AccessDenied).action("GetFindings").after(1));
        assert_eq!(console.sweep(&[Kind::Reconcile]).await.kept().len(), 250);
    });
}

#[test]
fn the_aggregation_region_is_asked_once_for_all() {
    run(async {
        let cloud = bare();
        let ids = small(&cloud, 2).await;
        for (account, region) in ids.iter().flat_map(|a| [HERE, THERE].map(|r| (a, r))) {
            put(&cloud, account, region, 3);
        }
        for member in &ids[1..] {
            cloud.hub(|hub| hub.set_administrator(member, &ids[0]));
        }
        cloud.hub(|hub| hub.set_aggregator(&ids[0], THERE, "ALL_REGIONS", &[]));
        let asked = |cloud: &Cloud| -> BTreeSet<(String, String)> {
            let calls = cloud.calls().into_iter().filter(|c| c.action == "GetFindings");
            calls.map(|c| (c.account, c.region)).collect()
        };
        let all: BTreeSet<String> =
            ids.iter().flat_map(|a| [HERE, THERE].into_iter().flat_map(move |r| (0..3).map(move |n| id(a, r, n)))).collect();
        let mut console = Console::new(&cloud, &[HERE, THERE], false);
        let first = console.sweep(&[Kind::Accounts, Kind::Findings]).await;
        assert_eq!(first.arrived(), all);
        let home = BTreeSet::from([(ids[0].clone(), THERE.to_owned())]);
        assert_eq!(asked(&cloud), home);
        every_call_has_a_row(&cloud, &first.world.estate);

        // A delta names only who changed; the others are still not asked themselves.
        let mut changed = finding(&ids[1], HERE, 1);
        changed["UpdatedAt"] = "2026-03-01T00:00:00.000Z".into();
        cloud.hub(|hub| hub.put(&ids[1], HERE, changed));
        cloud.forget_calls();
        let delta = console.sweep(&[Kind::Accounts, Kind::Findings]).await;
        assert!(delta.arrived().contains(&id(&ids[1], HERE, 1)) && delta.arrived().len() < all.len(), "{:?}", delta.arrived());
        assert_eq!((asked(&cloud), cloud.counts()["securityhub:GetFindings"]), (home.clone(), 1));
        assert_eq!(delta.kept().len(), all.len());

        // A console that starts anew goes on by what the cache remembers.
        let dir = tempfile::tempdir().unwrap();
        let marks = || Arc::new(Marks::new(Some(Arc::new(source::open_cache(dir.path()).unwrap()))));
        for queries in [4, 1] {
            cloud.forget_calls();
            let mut console = Console { marks: marks(), ..Console::new(&cloud, &[HERE, THERE], false) };
            console.sweep(&[Kind::Accounts, Kind::Findings]).await;
            assert_eq!((asked(&cloud), cloud.counts()["securityhub:GetFindings"]), (home.clone(), queries));
        }
    });
}

#[test]
fn what_a_refresh_is_refused_stays_as_it_was() {
    let seed = organization();
    run(async {
        let management = seed.cloud.management();
        let mut console = Console::new(&seed.cloud, &[HERE], true);
        let kinds = [Kind::Accounts, Kind::Nodes, Kind::Network, Kind::Iam];
        let before = console.sweep(&kinds).await.world;
        for action in ["DescribeSecurityGroups", "DescribeInstanceInformation", "GetAccountAuthorizationDetails"] {
            seed.cloud.fault(Rule::new(Fault::AccessDenied).action(action));
        }
        let after = console.sweep(&kinds).await.world;
        let denied = after.estate.coverage.iter().filter(|c| c.outcome == Outcome::Denied).count();
        assert_eq!(denied, 3, "it is told");
        assert_eq!(after.estate.regions, before.estate.regions);
        let (was, is) = (before.estate.identity(management).unwrap(), after.estate.identity(management).unwrap());
        assert!(!was.roles.is_empty());
        assert_eq!((&is.roles, &is.users, &is.policies), (&was.roles, &was.users, &was.policies));
        assert_eq!(is.access_keys, was.access_keys);
    });
}

#[test]
fn a_slow_account_delays_nobody() {
    run(async {
        let cloud = bare();
        let ids = small(&cloud, 2).await;
        ids.iter().for_each(|account| put(&cloud, account, HERE, 2));
        let accounts = |came: &[Came]| -> Vec<String> {
            let of = |came: &Came| match came {
                Came::Rows(account) => Some(account.clone()),
                Came::Findings(findings) => findings.first().map(|f| f.account.clone()),
                _ => None,
            };
            came.iter().filter_map(of).collect()
        };
        // A door that opens slowly: the others' rows, findings too, are all there before.
        let slow = cloud.fault(Rule::new(Fault::Latency(Duration::from_secs(8))).action("AssumeRole").target(&ids[1]));
        let mut console = Console::new(&cloud, &[HERE], false);
        let order = accounts(&console.sweep(&[Kind::Accounts, Kind::Findings, Kind::Nodes]).await.came);
        let first = order.iter().position(|a| *a == ids[1]).unwrap();
        assert!(order[first..].iter().all(|a| *a == ids[1]), "{order:?}");
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3);
        cloud.heal(slow);

        // An account with more slow answers than may be under way at once: the others have their turn before its first.
        let answer = aws_sdk_ec2::Client::new(&cloud.config(HERE)).describe_regions().send().await.unwrap();
        let enabled = answer.regions().iter().filter(|r| r.opt_in_status() == Some("opt-in-not-required"));
        let regions: Vec<&str> = enabled.filter_map(|r| r.region_name()).take(17).collect();
        assert!(regions.len() >= 16, "{regions:?}");
        for action in ["DescribeInstanceInformation", "DescribeVpcs"] {
            cloud.fault(Rule::new(Fault::Latency(Duration::from_secs(4))).account(&ids[0]).action(action));
        }
        let mut console = Console::new(&cloud, &regions, false);
        let order = accounts(&console.sweep(&[Kind::Accounts, Kind::Nodes, Kind::Network]).await.came);
        assert_ne!(order[0], ids[0], "{order:?}");
        let ahead = order.iter().take_while(|a| **a != ids[0]).collect::<BTreeSet<_>>();
        assert_eq!(ahead.len(), 2, "both members were ahead: {order:?}");
    });
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_costs_itself_only() {
    run(async {
        let cloud = bare();
        let account = cloud.management();
        put(&cloud, account, HERE, 10);
        let mut broken = finding(account, HERE, 99);
        broken["UpdatedAt"] = json!("yesterday");
        broken["CreatedAt"] = json!("before that");
        assert!(asff::finding(&broken.to_string()).is_err());
        cloud.hub(|hub| hub.put(account, HERE, broken));
        let mut console = Console::new(&cloud, &[HERE], true);
        let swept = console.sweep(&[Kind::Findings]).await;
        assert_eq!(swept.kept().len(), 10);
        let told: Vec<_> = swept.came.iter().filter(|c| matches!(c, Came::Problem(_))).collect();
        assert!(matches!(told.as_slice(), [Came::Problem(text)] if text.contains("could not be read")), "{told:?}");
    });
}
