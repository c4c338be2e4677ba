//! Decisions delivered to Security Hub, over real HTTP with the real SDK: what arrives of each kind, conflicts, what is
//! refused, a bad network in simulated time, crashes between a call and its note, what AWS resets, and `bartizan push`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

mod support;

use std::collections::HashSet;
use std::future::{Future as _, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bartizan::aws::{Connection, Options, connect, securityhub};
use bartizan::catalog::ListingId;
use bartizan::catalog::decided::Changed;
use bartizan::catalog::detail::Body;
use bartizan::config::Config;
use bartizan::formats::asff;
use bartizan::ledger::address::Address;
use bartizan::ledger::handle::{Decided, Ledger, Options as LedgerOptions, draft};
use bartizan::ledger::local::Ask;
use bartizan::ledger::outbox::{Delivery as Stands, Parcel};
use bartizan::ledger::store::Append;
use bartizan::message::{Answer, Effect, On, Outcome, Proposal, Slot, Staged, Ticket};
use bartizan::model::account::Caller;
use bartizan::model::decision::{Actor, Decision, Entry, Subject};
use bartizan::model::estate::Estate;
use bartizan::model::finding::{Finding, FindingKey, Severity, Status, Verdict};
use bartizan::triage::policy::Policy;
use bartizan::triage::state::Return;
use bartizan::work::delivery::fields;
use bartizan::work::delivery::hubs::Hubs;
use bartizan::work::delivery::{Delivery, Pass};
use bartizan::work::desk::{self, Desk};
use bartizan::work::library::Library;
use bartizan::work::source::{self, Source};
use bartizan::work::store::{Origin, Store};
use bartizan::work::{Keeping, start};
use bartizan::world::{Origin as WorldOrigin, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::hub::{Key, key_of};
use support::{Cloud, Fault, Rule, run};

const HERE: &str = "eu-west-1";
const JO: &str = "arn:aws:sts::123456789012:assumed-role/Triage/jo";

fn bare() -> Cloud {
    Cloud::with(support::Options { managed_policies: false })
}

/// One cloud for all: each test has a region of its own.
fn shared() -> &'static Cloud {
    static CLOUD: LazyLock<Cloud> = LazyLock::new(bare);
    &CLOUD
}

fn document(account: &str, region: &str, n: usize) -> Value {
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("arn:aws:securityhub:{region}:{account}:finding/{n:04}"),
        "ProductArn": format!("arn:aws:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": "rule-1",
        "AwsAccountId": account,
        "Region": region,
        "CreatedAt": "2026-01-01T00:00:00.000Z",
        "UpdatedAt": "2026-02-01T00:00:00.000Z",
        "Severity": { "Label": "HIGH", "Normalized": 70 },
        "FindingProviderFields": { "Severity": { "Label": "HIGH" } },
        "Title": format!("Finding {n}"),
        "Description": "What is wrong",
        "Resources": [{ "Type": "AwsS3Bucket", "Id": format!("arn:aws:s3:::bucket-{n}") }],
        "Workflow": { "Status": "NEW" },
        "RecordState": "ACTIVE",
        "Compliance": { "Status": "FAILED" },
    })
}

/// A ledger with its outbox, findings of one account and region as they were read, and a way to AWS.
struct Bench<'a> {
    cloud: &'a Cloud,
    account: String,
    region: &'static str,
    ledger: Ledger,
    library: Arc<Library>,
    connections: Vec<Connection>,
    /// The documents as decisions are made on them: as they were read at the start.
    read: Vec<Value>,
    now: Timestamp,
    _directory: tempfile::TempDir,
}

async fn connections(cloud: &Cloud) -> Vec<Connection> {
    let keys = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "delivery"));
    let options = Options {
        regions: vec![HERE.into()],
        endpoint_url: Some(cloud.url().into()),
        credentials: Some(keys),
        ..Options::default()
    };
    connect(&options).await.into_iter().map(Result::unwrap).collect()
}

fn ledger_in(directory: &Path) -> LedgerOptions {
    LedgerOptions { address: Address::File(directory.join("ledger.db")), directory: directory.to_owned(), token: None }
}

fn library() -> Arc<Library> {
    Arc::new(Library::new(Store::in_memory(), Config::parse("").unwrap().rules(), Policy::default()))
}

impl<'a> Bench<'a> {
    async fn new(cloud: &'a Cloud, region: &'static str, count: usize) -> Self {
        Self::of(cloud, cloud.management(), region, count).await
    }

    async fn of(cloud: &'a Cloud, account: &str, region: &'static str, count: usize) -> Self {
        let read: Vec<Value> = (0..count).map(|n| document(account, region, n)).collect();
        cloud.hub(|hub| {
            hub.enable(cloud.management(), region);
            read.iter().for_each(|doc| hub.put(account, region, doc.clone()));
        });
        let directory = tempfile::tempdir().unwrap();
        Self {
            ledger: Ledger::open(&ledger_in(directory.path())).await.unwrap(),
            library: library(),
            connections: connections(cloud).await,
            cloud,
            account: account.into(),
            region,
            read,
            now: "2026-03-01T00:00:00Z".parse().unwrap(),
            _directory: directory,
        }
    }

    /// A delivery as a new process has it.
    fn delivery(&self) -> Delivery {
        let hubs = Arc::new(Hubs::over(self.connections.clone()));
        Delivery::new(self.ledger.clone(), Arc::clone(&self.library), hubs, Actor::system("jo", "host"))
    }

    fn finding(&self, n: usize) -> Finding {
        asff::finding(&self.read[n].to_string()).unwrap()
    }
    fn subject(&self, n: usize) -> FindingKey {
        self.finding(n).key
    }
    fn key(&self, n: usize) -> Key {
        key_of(&self.read[n])
    }
    /// As it stands there now.
    fn there(&self, n: usize) -> Value {
        let key = self.key(n);
        let all = self.cloud.hub(|hub| hub.findings(&self.account, self.region));
        all.into_iter().find(|doc| key_of(doc) == key).unwrap()
    }
    fn edit(&self, n: usize, change: impl FnOnce(&mut Value)) {
        assert!(self.cloud.hub(|hub| hub.edit(&self.account, self.region, &self.key(n), change)));
    }
    /// How often an action was called in this region.
    fn calls(&self, action: &str) -> usize {
        self.cloud.calls().iter().filter(|c| c.region == self.region && c.action == action).count()
    }

    /// Puts a decision by `who` on what was read into the ledger; a later moment begins.
    async fn decide(&mut self, who: &str, n: usize, decision: Decision, reason: &str) -> Entry {
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let finding = self.finding(n);
        let actor = if who.is_empty() {
            Actor::system("jo", "host")
        } else {
            Actor { arn: who.into(), os_user: "jo".into(), host: "host".into() }
        };
        let based_on = self.ledger.projection().finding(finding.key).map_or(0, |s| s.last);
        let based_on = decision.changes_state().then_some(based_on);
        let target = fields::delivers(&decision).then(|| fields::target(&finding).unwrap());
        let draft = draft(self.now, actor, Subject::Finding(finding.key), decision, reason).unwrap();
        match self.ledger.decide(vec![Ask { append: Append { draft, based_on }, target }]).await.unwrap().pop() {
            Some(Decided::Saved(entry)) => entry,
            other => panic!("not saved: {other:?}"),
        }
    }
    async fn by_jo(&mut self, n: usize, decision: Decision) -> Entry {
        self.decide(JO, n, decision, "because").await
    }

    /// One pass now.
    async fn pass(&self, delivery: &Delivery) -> Pass {
        delivery.pass(self.now).await.unwrap()
    }
    /// Passes until nothing is due now.
    async fn drain(&self, delivery: &Delivery) -> Pass {
        let mut all = Pass::default();
        loop {
            let pass = self.pass(delivery).await;
            all.arrived += pass.arrived;
            all.later += pass.later;
            all.failed.extend(pass.failed);
            all.conflicts.extend(pass.conflicts);
            all.resets.extend(pass.resets);
            if pass.taken == 0 {
                return all;
            }
        }
    }
    async fn parcels(&self, n: usize) -> Vec<Parcel> {
        self.ledger.local().deliveries_of(self.subject(n)).await.unwrap()
    }
    async fn entries(&self, n: usize) -> Vec<Entry> {
        self.ledger.history(&Subject::Finding(self.subject(n))).await.unwrap()
    }
    /// What Security Hub noted of updates by customers to a field, the oldest first.
    fn updates(&self, n: usize, field: &str) -> Vec<String> {
        let records = self.cloud.hub(|hub| hub.history_of(&self.account, self.region, &self.key(n)));
        let mut all: Vec<String> = records
            .iter()
            .filter(|r| r["UpdateSource"]["Type"] == "BATCH_UPDATE_FINDINGS")
            .flat_map(|r| r["Updates"].as_array().unwrap().clone())
            .filter(|u| u["UpdatedField"] == field)
            .map(|u| u["NewValue"].as_str().unwrap().to_owned())
            .collect();
        all.reverse();
        all
    }
}

fn soon(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

fn status(status: Status) -> Decision {
    Decision::Status { status }
}

fn note(text: &str) -> Decision {
    Decision::Note { text: text.into() }
}

#[test]
fn each_kind_of_decision_arrives() {
    run(async {
        let mut bench = Bench::new(shared(), "eu-west-1", 1).await;
        bench.read[0]["UserDefinedFields"] = json!({ "ticket": "SEC-1" });
        bench.edit(0, |doc| doc["UserDefinedFields"] = json!({ "ticket": "SEC-1" }));
        let delivery = bench.delivery();
        let until = soon(bench.now, 48);

        let decision = Decision::Assign { owner: Some("platform".into()), assignee: Some("ana".into()) };
        bench.by_jo(0, decision).await;
        assert_eq!(bench.drain(&delivery).await.arrived, 1);
        let fields = json!({ "ticket": "SEC-1", "bartizanOwner": "platform", "bartizanAssignee": "ana" });
        assert_eq!(bench.there(0)["UserDefinedFields"], fields, "what others keep there stays");

        bench.by_jo(0, Decision::Due { at: Some(until) }).await;
        let long = "é".repeat(600);
        let entry = bench.by_jo(0, note(&long)).await;
        bench.by_jo(0, Decision::Verdict { verdict: Verdict::FalsePositive }).await;
        bench.by_jo(0, Decision::Severity { severity: Severity::Low }).await;
        bench.by_jo(0, status(Status::Notified)).await;
        assert_eq!(bench.drain(&delivery).await.arrived, 5);
        let doc = bench.there(0);
        assert_eq!(doc["UserDefinedFields"]["bartizanDue"], "2026-03-03T00:00:00.000Z");
        let text = doc["Note"]["Text"].as_str().unwrap();
        assert_eq!(text.chars().count(), 512);
        assert!(text.ends_with(&format!("… [cut: ledger entry {}]", entry.sequence)));
        assert_eq!(doc["Note"]["UpdatedBy"], "jo");
        assert_eq!(doc["VerificationState"], "FALSE_POSITIVE");
        assert_eq!(doc["Severity"]["Label"], "LOW");
        assert_eq!(doc["Workflow"]["Status"], "NOTIFIED");
        assert_eq!(doc["UpdatedAt"], "2026-02-01T00:00:00.000Z", "triage does not touch it");

        let accepted = bench.by_jo(0, Decision::Accept { until, pending: false }).await;
        bench.drain(&delivery).await;
        let doc = bench.there(0);
        assert_eq!(doc["Workflow"]["Status"], "SUPPRESSED");
        assert_eq!(doc["UserDefinedFields"]["bartizanHold"], "accepted");
        assert_eq!(doc["UserDefinedFields"]["bartizanUntil"], "2026-03-03T00:00:00.000Z");

        bench.decide("", 0, Decision::Expire { of: accepted.sequence }, "").await;
        bench.drain(&delivery).await;
        let doc = bench.there(0);
        assert_eq!(doc["Workflow"]["Status"], "NEW");
        assert_eq!(doc["UserDefinedFields"]["bartizanHold"], Value::Null);

        // What waits for a second person changes nothing there; their yes does.
        let asked = bench.by_jo(0, Decision::Suppress { until, pending: true }).await;
        assert_eq!(bench.drain(&delivery).await.arrived, 1);
        assert_eq!(bench.there(0)["Workflow"]["Status"], "NEW");
        bench.decide("arn:aws:iam::123456789012:user/kim", 0, Decision::Approve { of: asked.sequence }, "").await;
        bench.drain(&delivery).await;
        assert_eq!(bench.there(0)["Workflow"]["Status"], "SUPPRESSED");
        assert_eq!(bench.there(0)["UserDefinedFields"]["bartizanHold"], "suppressed");
        bench.by_jo(0, Decision::Reopen).await;
        bench.drain(&delivery).await;
        assert_eq!(bench.there(0)["Workflow"]["Status"], "NEW");

        bench.by_jo(0, Decision::Claim).await;
        bench.drain(&delivery).await;
        assert_eq!(bench.there(0)["UserDefinedFields"]["bartizanAssignee"], "jo");
        bench.by_jo(0, Decision::Release).await;
        bench.drain(&delivery).await;
        assert_eq!(bench.there(0)["UserDefinedFields"]["bartizanAssignee"], Value::Null);
        assert_eq!(bench.there(0)["UserDefinedFields"]["ticket"], "SEC-1");
        assert_eq!(bench.ledger.local().next_due().await.unwrap(), None, "nothing is left");
    });
}

#[test]
fn undo_brings_back_what_stood_there() {
    run(async {
        let mut bench = Bench::new(shared(), "eu-west-2", 1).await;
        bench.read[0]["Workflow"]["Status"] = "NOTIFIED".into();
        bench.edit(0, |doc| doc["Workflow"]["Status"] = "NOTIFIED".into());
        let delivery = bench.delivery();
        for decision in [
            status(Status::Resolved),
            Decision::Severity { severity: Severity::Critical },
            Decision::Verdict { verdict: Verdict::TruePositive },
            Decision::Assign { owner: Some("data".into()), assignee: None },
        ] {
            let before = bench.there(0);
            let entry = bench.by_jo(0, decision.clone()).await;
            bench.drain(&delivery).await;
            assert_ne!(fields::before(&bench.there(0)), fields::before(&before), "{decision:?} arrived");
            bench.by_jo(0, Decision::Undo { of: entry.sequence }).await;
            assert_eq!(bench.drain(&delivery).await.arrived, 1);
            let after = bench.there(0);
            for field in ["Workflow", "Severity"] {
                let part = if field == "Workflow" { "Status" } else { "Label" };
                assert_eq!(after[field][part], before[field][part], "{decision:?} undone");
            }
            assert_eq!(after["VerificationState"].as_str().unwrap_or("UNKNOWN"), "UNKNOWN");
            assert_eq!(after["UserDefinedFields"]["bartizanOwner"], Value::Null);
        }
    });
}

#[test]
fn equal_updates_go_out_a_hundred_at_once() {
    run(async {
        let mut bench = Bench::new(shared(), "eu-west-3", 130).await;
        for n in 0..130 {
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        let delivery = bench.delivery();
        assert_eq!(bench.drain(&delivery).await.arrived, 130);
        assert_eq!(bench.calls("BatchUpdateFindings"), 2, "100 and 30");
        assert!((0..130).all(|n| bench.there(n)["Workflow"]["Status"] == "RESOLVED"));
    });
}

#[test]
fn what_others_triaged_is_a_conflict_and_stays() {
    run(async {
        let mut bench = Bench::new(shared(), "eu-north-1", 4).await;
        let delivery = bench.delivery();
        bench.edit(0, |doc| doc["Workflow"]["Status"] = "SUPPRESSED".into());
        bench.edit(1, |doc| doc["Note"] = json!({ "Text": "mine", "UpdatedBy": "kim", "UpdatedAt": "2026-03-01T00:00:00Z" }));
        // Neither another's own field nor what the reporter says is triage; the same decision by someone else is none either.
        bench.edit(2, |doc| {
            doc["UserDefinedFields"] = json!({ "ticket": "7" });
            doc["Severity"] = json!({ "Label": "LOW", "Normalized": 1 });
            doc["Title"] = "New words".into();
        });
        bench.edit(3, |doc| doc["Workflow"]["Status"] = "RESOLVED".into());
        for n in 0..4 {
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        bench.by_jo(0, note("after it")).await;
        let pass = bench.drain(&delivery).await;
        assert_eq!((pass.arrived, pass.conflicts.len(), pass.failed.len()), (2, 2, 0), "{pass:?}");
        assert_eq!(bench.there(0)["Workflow"]["Status"], "SUPPRESSED", "not overwritten");
        assert_eq!(bench.there(1)["Note"]["Text"], "mine");
        assert_eq!(bench.there(1)["Workflow"]["Status"], "NEW");
        assert_eq!(bench.there(2)["Workflow"]["Status"], "RESOLVED");
        let parcels = bench.parcels(0).await;
        assert_eq!(parcels.iter().map(|p| p.state).collect::<Vec<_>>(), [Stands::Conflict, Stands::Pending]);
        assert_eq!(parcels[0].said, "here: status RESOLVED; in Security Hub: status SUPPRESSED (it was status NEW)");
        let entries = bench.entries(0).await;
        let of = parcels[0].entry.sequence;
        let written = entries.iter().filter(|e| matches!(&e.decision, Decision::Conflict { of: o, .. } if *o == of));
        assert_eq!(written.filter(|e| e.actor.is_system()).count(), 1);
        assert!(bench.parcels(1).await[0].said.contains("note \"mine\" by kim (it was no note)"));

        // A person chose: ours after all, over what stands there now; what waited behind it follows.
        delivery.resolve(parcels[0].position, true).await.unwrap();
        assert_eq!(bench.drain(&delivery).await.arrived, 2);
        assert_eq!(bench.there(0)["Workflow"]["Status"], "RESOLVED");
        assert_eq!(bench.there(0)["Note"]["Text"], "after it");
        // Or theirs: nothing is sent.
        let position = bench.parcels(1).await[0].position;
        delivery.resolve(position, false).await.unwrap();
        assert!(delivery.resolve(position, true).await.unwrap_err().contains("bartizan ledger outbox"));
        assert_eq!(bench.drain(&delivery).await, Pass::default());
        assert_eq!(bench.there(1)["Workflow"]["Status"], "NEW");
    });
}

/// `BatchUpdateFindings` may take minutes to show: the cloud's finding is set back to what it was, as if it had not yet.
#[test]
fn what_does_not_show_yet_is_neither_a_conflict_nor_taken_for_done() {
    run(async {
        let mut bench = Bench::new(shared(), "sa-east-1", 2).await;
        let delivery = bench.delivery();
        for n in 0..2 {
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        assert_eq!(bench.drain(&delivery).await.arrived, 2);
        let not_yet = |doc: &mut Value| doc["Workflow"]["Status"] = "NEW".into();
        (0..2).for_each(|n| bench.edit(n, not_yet));
        bench.by_jo(0, note("meanwhile")).await;
        let pass = bench.drain(&delivery).await;
        assert_eq!((pass.arrived, pass.conflicts.len()), (1, 0), "{pass:?}");
        // NEW seems to stand there already, and will not for long.
        let calls = bench.calls("BatchUpdateFindings");
        bench.by_jo(1, Decision::Reopen).await;
        assert_eq!(bench.drain(&delivery).await.arrived, 1);
        assert_eq!(bench.calls("BatchUpdateFindings"), calls + 1);
        // Much later it is someone's word.
        bench.now = soon(bench.now, 1);
        bench.read[0]["Workflow"]["Status"] = "RESOLVED".into();
        bench.by_jo(0, Decision::Verdict { verdict: Verdict::TruePositive }).await;
        let pass = bench.drain(&delivery).await;
        assert_eq!((pass.arrived, pass.conflicts.len()), (0, 1), "{pass:?}");
        assert!(pass.conflicts[0].1.ends_with("in Security Hub: status NEW (it was status RESOLVED)"), "{pass:?}");
    });
}

#[test]
fn an_older_decision_of_another_console_does_not_undo_a_newer_one() {
    run(async {
        let mut bench = Bench::new(shared(), "eu-south-1", 1).await;
        // Two consoles with one ledger: the other's outbox is not ours.
        let ledger = bench._directory.path().join("ledger.db");
        let elsewhere = tempfile::tempdir().unwrap();
        let options = LedgerOptions { address: Address::File(ledger), directory: elsewhere.path().to_owned(), token: None };
        bench.by_jo(0, status(Status::Notified)).await;
        bench.by_jo(0, note("first")).await;
        let ours = std::mem::replace(&mut bench.ledger, Ledger::open(&options).await.unwrap());
        bench.by_jo(0, status(Status::Resolved)).await;
        bench.by_jo(0, note("second")).await;
        bench.drain(&bench.delivery()).await;
        assert_eq!(bench.there(0)["Workflow"]["Status"], "RESOLVED");
        bench.ledger = ours;
        bench.ledger.changes(Duration::from_millis(10)).await.unwrap();
        let pass = bench.drain(&bench.delivery()).await;
        assert_eq!((pass.arrived, pass.conflicts.len()), (2, 0), "{pass:?}");
        assert_eq!(bench.there(0)["Workflow"]["Status"], "RESOLVED");
        assert_eq!(bench.there(0)["Note"]["Text"], "second");
    });
}

#[test]
fn what_is_refused_is_shown_and_tried_again_only_where_it_helps() {
    run(async {
        let mut bench = Bench::new(shared(), "us-east-1", 6).await;
        let delivery = bench.delivery();
        let codes = [("ConcurrentUpdateError", 0), ("InternalFailure", 1), ("InvalidInput", 2), ("FindingSizeExceeded", 3)];
        for (code, n) in codes {
            let key = bench.key(n);
            bench.cloud.hub(|hub| hub.refuse_updates(key, code, 1));
        }
        for n in 0..6 {
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        let key = bench.key(4);
        assert!(bench.cloud.hub(|hub| hub.remove(&bench.account, bench.region, &key)));
        let pass = bench.drain(&delivery).await;
        assert_eq!((pass.arrived, pass.later, pass.failed.len()), (1, 2, 3), "{pass:?}");
        assert_eq!(bench.there(5)["Workflow"]["Status"], "RESOLVED", "the others of the call arrived");
        let said = [
            (0, Stands::Pending, "ConcurrentUpdateError: Concurrent finding updates detected"),
            (1, Stands::Pending, "InternalFailure: Internal service failure"),
            (2, Stands::Failed, "InvalidInput: Invalid Input"),
            (4, Stands::Failed, "Security Hub no longer has this finding."),
        ];
        for (n, state, words) in said {
            let parcel = &bench.parcels(n).await[0];
            assert_eq!((parcel.state, parcel.said.as_str()), (state, words), "finding {n}");
        }
        let due = bench.ledger.local().next_due().await.unwrap().unwrap();
        assert!(due > bench.now && due <= soon(bench.now, 1), "again, and not at once");
        bench.now = soon(bench.now, 1);
        let pass = bench.drain(&delivery).await;
        assert_eq!((pass.arrived, pass.later, pass.failed.len()), (2, 0, 0), "only what may pass: {pass:?}");

        // A refusal of the whole call waits for a person, a slow service does not.
        bench.by_jo(5, note("denied")).await;
        let denied = bench.cloud.fault(Rule::new(Fault::AccessDenied).action("BatchUpdateFindings").region("us-east-1"));
        let pass = bench.drain(&delivery).await;
        assert!(pass.failed[0].1.contains("bartizan permissions"), "{pass:?}");
        assert!(pass.notice().unwrap().starts_with("1 decision did not reach Security Hub: AccessDenied"));
        bench.cloud.heal(denied);
    });
}

#[test]
fn ten_minutes_of_bad_network_lose_and_repeat_nothing() {
    run(async {
        const COUNT: usize = 12;
        let mut bench = Bench::new(shared(), "us-east-2", COUNT).await;
        let delivery = bench.delivery();
        let rule = |fault, action: &str, chance, seed| Rule::new(fault).action(action).region("us-east-2").chance(chance, seed);
        let rules: Vec<_> = [
            rule(Fault::Throttling, "BatchUpdateFindings", 0.08, 1),
            rule(Fault::ServerError(500), "BatchUpdateFindings", 0.08, 2),
            rule(Fault::CutBefore, "BatchUpdateFindings", 0.08, 3),
            rule(Fault::CutAfter, "BatchUpdateFindings", 0.12, 4),
            rule(Fault::CutMidBody, "BatchUpdateFindings", 0.08, 5),
            rule(Fault::Garbage, "BatchUpdateFindings", 0.05, 6),
            rule(Fault::ServerError(503), "GetFindings", 0.05, 7),
            rule(Fault::CutBefore, "GetFindings", 0.05, 8),
            rule(Fault::Truncated, "GetFindings", 0.03, 9),
        ]
        .into_iter()
        .map(|rule| bench.cloud.fault(rule))
        .collect();
        for n in 0..COUNT {
            bench.by_jo(n, status(Status::Notified)).await;
            bench.by_jo(n, note(&format!("first {n}"))).await;
            bench.by_jo(n, Decision::Assign { owner: Some("platform".into()), assignee: None }).await;
            bench.by_jo(n, note(&format!("second {n}"))).await;
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        let someone = |doc: &mut Value| doc["VerificationState"] = "TRUE_POSITIVE".into();
        [3, 7].into_iter().for_each(|n| bench.edit(n, someone));
        let end = bench.now.checked_add(SignedDuration::from_mins(10)).unwrap();
        let (mut conflicts, mut faults) = (HashSet::new(), 0);
        // Simulated time goes to where the next delivery is due.
        loop {
            let pass = bench.pass(&delivery).await;
            assert!(pass.failed.is_empty(), "{pass:?}");
            conflicts.extend(pass.conflicts.iter().map(|(key, _)| *key));
            faults += pass.later;
            if pass.taken == 0 {
                let counts = bench.ledger.local().delivery_counts().await.unwrap();
                // Behind a conflict the rest waits for a person.
                if counts.pending == 2 * 4 && counts.conflict == 2 {
                    break;
                }
                bench.now = bench.now.checked_add(SignedDuration::from_secs(5)).unwrap();
                assert!(bench.now < end, "not drained in ten minutes: {counts:?}");
            }
        }
        rules.into_iter().for_each(|id| bench.cloud.heal(id));
        assert!(faults > 20, "the network was bad: {faults}");
        assert_eq!(conflicts, [3, 7].map(|n| bench.subject(n)).into());
        for n in (0..COUNT).filter(|n| ![3, 7].contains(n)) {
            assert_eq!(bench.updates(n, "Workflow").len(), 2, "each once: {:?}", bench.updates(n, "Workflow"));
            let notes = bench.updates(n, "Note");
            assert!(notes.len() == 2 && notes[0].contains("first") && notes[1].contains("second"), "{notes:?}");
            assert_eq!(bench.there(n)["Workflow"]["Status"], "RESOLVED");
            assert_eq!(bench.there(n)["UserDefinedFields"], json!({ "bartizanOwner": "platform" }));
        }
        for n in [3, 7] {
            assert_eq!(bench.there(n)["Workflow"]["Status"], "NEW", "not overwritten");
            let conflicts = bench.entries(n).await.into_iter().filter(|e| matches!(e.decision, Decision::Conflict { .. }));
            assert_eq!(conflicts.count(), 1);
        }
    });
}

/// Runs a pass until `crash` says so, then drops it where it stands; whether it came to that.
async fn crashed(delivery: &Delivery, now: Timestamp, mut crash: impl FnMut() -> bool) -> bool {
    let mut pass = pin!(delivery.pass(now));
    let mut often = tokio::time::interval(Duration::from_millis(1));
    poll_fn(|cx| {
        // Looked at before the pass goes on, so that an answer which is there is not read any more.
        if crash() {
            return Poll::Ready(true);
        }
        while often.poll_tick(cx).is_ready() {}
        pass.as_mut().poll(cx).map(|_| false)
    })
    .await
}

#[test]
fn a_crash_between_call_and_note_delivers_once_in_effect() {
    run(async {
        let mut bench = Bench::new(shared(), "us-west-2", 3).await;
        let slow = bench.cloud.fault(Rule::new(Fault::Latency(Duration::from_millis(30))).region("us-west-2"));
        for n in 0..3 {
            bench.by_jo(n, note(&format!("number {n}"))).await;
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        // Reading; the first call on its way; each of the three notes there and not noted here.
        let crashes: [&(dyn Fn(&Bench<'_>) -> bool + Sync); 5] = [
            &|b| b.calls("GetFindings") > 0,
            &|b| b.calls("BatchUpdateFindings") > 0,
            &|b| b.there(0)["Note"].is_object(),
            &|b| b.there(1)["Note"].is_object(),
            &|b| b.there(2)["Note"].is_object(),
        ];
        for crash in crashes {
            assert!(crashed(&bench.delivery(), bench.now, || crash(&bench)).await);
            assert!(bench.ledger.local().delivery_counts().await.unwrap().pending > 0);
            // Whoever had them in hand is gone: nobody else takes them before the lease is over.
            bench.now = bench.now.checked_add(SignedDuration::from_secs(61)).unwrap();
        }
        let crash = |b: &Bench<'_>| (0..3).all(|n| b.there(n)["Workflow"]["Status"] == "RESOLVED");
        while !crashed(&bench.delivery(), bench.now, || crash(&bench)).await {}
        let before = bench.calls("BatchUpdateFindings");
        bench.now = bench.now.checked_add(SignedDuration::from_secs(61)).unwrap();
        let pass = bench.drain(&bench.delivery()).await;
        bench.cloud.heal(slow);
        assert!(pass.arrived > 0 && pass.conflicts.is_empty(), "{pass:?}");
        assert_eq!(bench.calls("BatchUpdateFindings"), before, "what stands there is not sent again");
        for n in 0..3 {
            assert_eq!(bench.updates(n, "Note").len(), 1, "no note twice");
            assert_eq!(bench.updates(n, "Workflow"), [r#"{"Status":"RESOLVED"}"#]);
        }
        assert_eq!(bench.ledger.local().delivery_counts().await.unwrap().pending, 0);
    });
}

#[test]
fn a_status_that_security_hub_resets_is_written_down() {
    run(async {
        let mut bench = Bench::new(shared(), "ca-central-1", 2).await;
        let delivery = bench.delivery();
        for n in 0..2 {
            bench.edit(n, |doc| doc["Compliance"]["Status"] = "PASSED".into());
            bench.by_jo(n, status(Status::Resolved)).await;
        }
        bench.drain(&delivery).await;
        let updated = soon(bench.now, 2).to_string();
        // The first fails again; the second is set back by a person.
        let mut again = document(&bench.account, bench.region, 0);
        again["UpdatedAt"] = updated.clone().into();
        let scope = bench.connections[0].access().scope(bench.region);
        assert_eq!(securityhub::import(&scope, &[again.to_string()]).await.unwrap(), []);
        let key = fields::place(&bench.finding(1)).unwrap().name;
        let new = json!({ "Workflow": { "Status": "NEW" } });
        securityhub::update(&scope, &[key], new.as_object().unwrap()).await.unwrap();
        bench.edit(1, |doc| doc["UpdatedAt"] = updated.into());
        assert_eq!(bench.there(0)["Workflow"]["Status"], "NEW");

        // A sweep brings both.
        bench.library.take_states(bench.ledger.projection());
        bench.now = soon(bench.now, 3);
        let swept: Vec<Finding> = (0..2).map(|n| asff::finding(&bench.there(n).to_string()).unwrap()).collect();
        bench.library.suspect(&swept);
        let suspects = bench.library.take_suspects();
        assert_eq!(suspects.len(), 2);
        assert_eq!(delivery.resets(suspects, bench.now).await.unwrap(), [bench.subject(0)]);
        let states = bench.ledger.projection();
        let state = states.finding(bench.subject(0)).unwrap();
        assert_eq!((state.status, state.returned.map(|(why, _)| why)), (Some(Status::New), Some(Return::Reset)));
        let last = bench.entries(0).await.pop().unwrap();
        assert_eq!(last.decision, Decision::Reset { from: Status::Resolved, to: Status::New });
        assert_eq!(states.finding(bench.subject(1)).unwrap().status, Some(Status::Resolved), "a person's word is no reset");
        // It is known now, and nothing of it is sent.
        bench.library.take_states(states);
        bench.library.suspect(&swept[..1]);
        assert!(bench.library.take_suspects().is_empty());
        assert_eq!(bench.drain(&delivery).await, Pass::default());
    });
}

#[test]
fn members_and_regions_are_reached_where_their_findings_are() {
    run(async {
        let cloud = bare();
        let member = "210987654321";
        cloud.hub(|hub| {
            hub.enable(cloud.management(), HERE);
            hub.set_administrator(member, cloud.management());
            hub.set_aggregator(cloud.management(), HERE, "SPECIFIED_REGIONS", &["us-east-1"]);
        });
        // Through the administrator's aggregation region; in a region that is not linked; and in an account of its own.
        for (account, region, by, at) in [
            (member, "us-east-1", cloud.management(), HERE),
            (cloud.management(), "us-west-1", cloud.management(), "us-west-1"),
            ("333333333333", "us-west-2", "333333333333", "us-west-2"),
        ] {
            let mut bench = Bench::of(&cloud, account, region, 1).await;
            if region != "us-west-2" {
                cloud.hub(|hub| hub.enable(account, region));
            }
            cloud.forget_calls();
            bench.by_jo(0, status(Status::Resolved)).await;
            let pass = bench.drain(&bench.delivery()).await;
            assert_eq!(pass.arrived, 1, "{account} {region}: {pass:?}");
            assert_eq!(bench.there(0)["Workflow"]["Status"], "RESOLVED");
            let updates: Vec<_> = cloud.calls().into_iter().filter(|c| c.action == "BatchUpdateFindings").collect();
            assert_eq!(updates.len(), 1);
            assert_eq!((updates[0].account.as_str(), updates[0].region.as_str()), (by, at));
        }
    });
}

fn ticket(slot: Slot) -> Ticket {
    Ticket { slot, number: 1 }
}

#[test]
fn the_history_has_both_on_one_time_line() {
    run(async {
        let mut bench = Bench::new(shared(), "ap-south-1", 1).await;
        let directory = tempfile::tempdir().unwrap();
        let finding = bench.finding(0);
        bench.library.write().put_all(vec![finding.clone()], Origin::Live, &|_| None).unwrap();
        let desk = Desk::open(&ledger_in(directory.path()), Arc::clone(&bench.library), false).await.unwrap();
        let caller = Caller { arn: JO.into(), account: bench.account.clone(), user_id: "AROA:jo".into() };
        let estate = Estate { caller: Some(caller), ..Estate::default() };
        let decide = |decision| Proposal { on: On::Findings([finding.key.short()].into()), decision, reason: String::new() };
        bench.ledger = desk.ledger().clone();
        let delivery = bench.delivery();
        let now = Timestamp::now();
        for (n, decision) in [(0, status(Status::Resolved)), (1, note("looked at it"))] {
            let at = now.checked_add(SignedDuration::from_secs(n)).unwrap();
            let staged: Staged = desk.stage(&estate, &decide(decision), at).unwrap();
            assert!(desk.carry_out(&estate, &staged, at, |_| {}).await.iter().all(|s| s.done.is_ok()));
        }
        // Before it is delivered, the detail says so.
        let mut world = World::empty(WorldOrigin::Live(Vec::new()));
        world.rebuild(&source::facts(&bench.library, Arc::new(estate), &Changed::Everything, now));
        let row = world.index(ListingId::Findings).find(finding.key.short()).unwrap();
        let world = Arc::new(world);
        let open = async || desk::open(Some(&desk), &bench.library, &world, ListingId::Findings, row, now).await.unwrap();
        let shown = open().await;
        let section = shown.opened.detail.sections.iter().find(|s| s.heading == "Delivery to Security Hub").unwrap();
        let Body::Table { rows, .. } = &section.body else { panic!("a table") };
        assert_eq!(rows.iter().map(|r| r[1].as_str()).collect::<Vec<_>>(), ["pending", "pending"]);

        bench.now = now.checked_add(SignedDuration::from_secs(2)).unwrap();
        assert_eq!(bench.drain(&delivery).await.arrived, 2);
        let hubs = Hubs::over(bench.connections.clone());
        let shown = open().await;
        assert!(shown.opened.detail.sections.iter().all(|s| s.heading != "Delivery to Security Hub"));
        let place = shown.place.clone().unwrap();
        let opened = shown.with_hub(hubs.history(&place).await);
        let history: Vec<_> = opened.detail.sections.iter().filter(|s| s.heading == "History").collect();
        let Body::Table { rows, .. } = &history[0].body else { panic!("a table") };
        assert_eq!(history.len(), 1);
        let mut kinds: Vec<&str> = rows.iter().map(|r| r[2].as_str()).collect();
        assert!(rows.is_sorted_by(|a, b| a[0] >= b[0]), "newest first");
        kinds.sort_unstable();
        assert_eq!(kinds, ["Security Hub", "Security Hub", "note", "status"]);
        assert!(rows.iter().any(|r| r[3] == "Workflow NEW to RESOLVED"), "{rows:?}");

        let denied = bench.cloud.fault(Rule::new(Fault::AccessDenied).action("GetFindingHistory").region(bench.region));
        let opened = open().await.with_hub(hubs.history(&place).await);
        bench.cloud.heal(denied);
        let said = opened.detail.sections.last().unwrap();
        let Body::Prose(words) = &said.body else { panic!("prose") };
        assert!(words.starts_with("Security Hub's own history cannot be had: AccessDenied") && !words.contains('\n'), "{words}");
    });
}

/// The cache and the ledger where the program looks for them with this home, as the cloud's environment makes them.
fn places(cloud: &Cloud, home: &Path) -> (std::path::PathBuf, LedgerOptions) {
    let name: String = format!("key-test@{}", cloud.url());
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+') { c } else { '_' };
    let name: String = name.chars().map(|c| if c == '@' { '_' } else { safe(c) }).collect();
    let data = home.join(".local/share/bartizan");
    std::fs::create_dir_all(&data).unwrap();
    (home.join(".cache/bartizan").join(name), ledger_in(&data))
}

fn live(cloud: &Cloud, cache: Option<std::path::PathBuf>) -> Source {
    let keys = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "delivery"));
    let options = Options {
        regions: vec![HERE.into()],
        endpoint_url: Some(cloud.url().into()),
        credentials: Some(keys),
        ..Options::default()
    };
    Source::Live { options: Box::new(options), cache }
}

/// The console as a whole: a decision made in it arrives without anybody asking for it, and none goes out where it is
/// read-only; the command line delivers what it decides, tells of conflicts, and takes a person's word on them.
#[test]
fn a_console_and_the_command_line_deliver_by_themselves() {
    run(async {
        let cloud = bare();
        let account = cloud.management();
        cloud.hub(|hub| hub.put(account, HERE, document(account, HERE, 0)));
        let home = tempfile::tempdir().unwrap();
        let (cache, ledger) = places(&cloud, home.path());
        let config = Config::parse("").unwrap();
        let keeping = Keeping { preferences: None, ledger: Some(ledger.clone()) };
        let mut work = start(source::open(live(&cloud, Some(cache)), &config, Timestamp::now()), &config, keeping.clone());
        let finding = asff::finding(&document(account, HERE, 0).to_string()).unwrap();
        let on = On::Findings([finding.key.short()].into());
        let proposal = Proposal { on, decision: status(Status::Resolved), reason: String::new() };
        let (mut estate, mut asked) = (Arc::new(Estate::default()), false);
        let there = || cloud.hub(|hub| hub.findings(account, HERE)).remove(0);
        let done = async {
            while let Some(outcome) = work.outcomes.recv().await {
                match outcome {
                    Outcome::World(world) => {
                        let known = world.index(ListingId::Findings).find(finding.key.short()).is_some();
                        if known && world.estate.caller.is_some() && !asked {
                            asked = true;
                            estate = Arc::clone(&world.estate);
                            let ticket = ticket(Slot::Decision);
                            let (estate, proposal) = (Arc::clone(&estate), proposal.clone());
                            work.effects.send(Effect::Stage { ticket, estate, proposal }).unwrap();
                        }
                    }
                    Outcome::Answer { answer: Answer::Staged(staged), .. } => {
                        let staged: Arc<Staged> = Arc::new(*staged.unwrap());
                        assert_eq!(staged.will.len(), 1, "{staged:?}");
                        let (ticket, estate) = (ticket(Slot::Decision), Arc::clone(&estate));
                        work.effects.send(Effect::Decide { ticket, estate, staged }).unwrap();
                    }
                    Outcome::Answer { answer: Answer::Decided(settled), .. } => {
                        assert!(settled[0].done.is_ok(), "{settled:?}");
                        break;
                    }
                    _ => {}
                }
            }
            let outbox = Ledger::open(&ledger).await.unwrap();
            while outbox.local().delivery_counts().await.unwrap().pending > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), done).await.expect("the decision did not arrive");
        assert_eq!(there()["Workflow"]["Status"], "RESOLVED");
        // It ends with its receiver, and saves what it knows.
        drop(work.effects);
        while work.outcomes.recv().await.is_some() {}

        // The command line: its decisions arrive before it ends.
        let run = |args: &[&str]| {
            let done = program(&cloud, home.path(), args);
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
        };
        let id = finding.source.id.as_str();
        let (code, _, err) = run(&["triage", "note", id, "--reason", "by hand"]);
        assert!(code == 0 && err == "1 delivered to Security Hub\n", "{code} {err}");
        assert_eq!(there()["Note"]["Text"], "by hand");
        // Someone else's word in between.
        let key = key_of(&document(account, HERE, 0));
        cloud.hub(|hub| hub.edit(account, HERE, &key, |doc| doc["VerificationState"] = "TRUE_POSITIVE".into()));
        let (code, out, err) = run(&["triage", "assign", id, "--owner", "platform"]);
        assert_eq!(code, 3, "decided and not delivered: {err}");
        assert!(out.contains("\"done\": true") && err.contains("verdict TRUE_POSITIVE (it was verdict UNKNOWN)"), "{err}");
        let rows: Vec<Value> = serde_json::from_str(&run(&["ledger", "outbox"]).1).unwrap();
        assert_eq!((rows.len(), &rows[0]["state"]), (1, &json!("conflict")));
        let position = rows[0]["position"].to_string();
        let (code, _, err) = run(&["ledger", "outbox", "--send", &position, "--read-only"]);
        assert!(code == 1 && err.contains("read-only"), "{err}");
        let (code, _, err) = run(&["ledger", "outbox", "--send", &position]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(there()["UserDefinedFields"], json!({ "bartizanOwner": "platform" }));
        assert_eq!(there()["VerificationState"], "TRUE_POSITIVE", "what was not decided stays");

        // Once more, and a person sends it from the console.
        cloud.hub(|hub| hub.edit(account, HERE, &key, |doc| doc["Workflow"] = json!({ "Status": "NOTIFIED" })));
        let (code, _, err) = run(&["triage", "assign", id, "--owner", "payments"]);
        assert_eq!(code, 3, "decided and not delivered: {err}");
        let cache = places(&cloud, home.path()).0;
        let mut work = start(source::open(live(&cloud, Some(cache)), &config, Timestamp::now()), &config, keeping.clone());
        let mut asked = false;
        let sent = async {
            while let Some(outcome) = work.outcomes.recv().await {
                match outcome {
                    Outcome::World(world) => {
                        let known = world.index(ListingId::Findings).find(finding.key.short()).is_some();
                        if known && world.estate.caller.is_some() && !asked {
                            let (ticket, key) = (ticket(Slot::Decision), finding.key.short());
                            work.effects.send(Effect::Stopped { ticket, key }).unwrap();
                            asked = true;
                        }
                    }
                    // The ledger opens beside the first world.
                    Outcome::Answer { answer: Answer::Stopped(Err(_)), ticket } => {
                        let key = finding.key.short();
                        work.effects.send(Effect::Stopped { ticket, key }).unwrap();
                    }
                    Outcome::Answer { answer: Answer::Stopped(Ok(stopped)), .. } => {
                        assert_eq!(stopped.len(), 1, "{stopped:?}");
                        assert!(stopped[0].said.contains("status NOTIFIED"), "{stopped:?}");
                        work.effects.send(Effect::Resolve { position: stopped[0].position, send: true }).unwrap();
                    }
                    Outcome::Notice { text, bad: false } if text.contains("It is sent") => break,
                    _ => {}
                }
            }
            while there()["UserDefinedFields"]["bartizanOwner"] != "payments" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), sent).await.expect("the stopped delivery was not sent");
        drop(work.effects);
        while work.outcomes.recv().await.is_some() {}
        assert_eq!(run(&["ledger", "outbox"]).1.trim(), "[]");

        // Read-only: what waits in the outbox stays there, however long the console looks.
        let open = Ledger::open(&ledger).await.unwrap();
        let by = Actor { arn: JO.into(), os_user: "jo".into(), host: "host".into() };
        let subject = Subject::Finding(finding.key);
        let draft = draft(Timestamp::now(), by, subject, note("not from here"), "").unwrap();
        let ask = Ask { append: Append { draft, based_on: None }, target: fields::target(&finding) };
        open.decide(vec![ask]).await.unwrap();
        cloud.forget_calls();
        let read_only = Config { read_only: true, ..config };
        let mut work = start(source::open(live(&cloud, None), &read_only, Timestamp::now()), &read_only, keeping);
        let looked = async {
            while let Some(outcome) = work.outcomes.recv().await {
                if let Outcome::World(world) = outcome
                    && world.index(ListingId::Findings).rows() > 0
                {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        tokio::time::timeout(Duration::from_secs(60), looked).await.expect("nothing was read");
        assert!(cloud.calls().iter().all(|c| c.action != "BatchUpdateFindings"));
        assert_eq!(open.local().delivery_counts().await.unwrap().pending, 1);
    });
}

/// A process that decides and delivers is killed again and again: what it shows as saved is there, and arrives once.
#[test]
fn a_killed_command_line_loses_and_repeats_nothing() {
    run(async {
        const KILLS: u64 = 200;
        let cloud = bare();
        let account = cloud.management();
        cloud.hub(|hub| hub.put(account, HERE, document(account, HERE, 0)));
        let home = tempfile::tempdir().unwrap();
        let (cache, options) = places(&cloud, home.path());
        let finding = asff::finding(&document(account, HERE, 0).to_string()).unwrap();
        // A console has been here: the cache knows the finding.
        let config = Config::parse("").unwrap();
        let mut work = start(source::open(live(&cloud, Some(cache)), &config, Timestamp::now()), &config, Keeping::default());
        let known = async {
            while let Some(outcome) = work.outcomes.recv().await {
                if let Outcome::World(world) = outcome
                    && world.index(ListingId::Findings).rows() > 0
                    && world.estate.caller.is_some()
                {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), known).await.expect("nothing was read");
        drop(work.effects);
        while work.outcomes.recv().await.is_some() {}
        let began = std::time::Instant::now();
        let first = program(&cloud, home.path(), &["triage", "note", &finding.source.id, "--reason", "whole"]);
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        let whole = u64::try_from(began.elapsed().as_millis()).unwrap();

        let mut dice = fastrand::Rng::with_seed(7);
        let mut shown = 0;
        for n in 0..KILLS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
            command.env_clear().env("HOME", home.path()).envs(cloud.environment(HERE));
            command.args(["triage", "note", &finding.source.id, "--reason", &format!("number {n}")]);
            let pipe = std::process::Stdio::piped;
            let mut child = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(dice.u64(0..=whole))).await;
            child.kill().unwrap();
            let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            shown += usize::from(out.contains("\"done\": true"));
        }
        let ledger = Ledger::open(&options).await.unwrap();
        assert_eq!(ledger.verify(Default::default(), |_| {}).await.unwrap().fault, None);
        let connections = connections(&cloud).await;
        let hubs = Arc::new(Hubs::over(connections));
        let delivery = Delivery::new(ledger.clone(), library(), hubs, Actor::system("jo", "host"));
        // Simulated time: the leases of the dead are over.
        let mut now = Timestamp::now();
        loop {
            let pass = delivery.pass(now).await.unwrap();
            assert!(pass.failed.is_empty() && pass.conflicts.is_empty(), "{pass:?}");
            if pass.taken == 0 {
                if ledger.local().delivery_counts().await.unwrap().pending == 0 {
                    break;
                }
                now = now.checked_add(SignedDuration::from_secs(61)).unwrap();
            }
        }
        let entries = ledger.history(&Subject::Finding(finding.key)).await.unwrap();
        let notes =
            entries.iter().filter_map(|e| if let Decision::Note { text } = &e.decision { Some(text.clone()) } else { None });
        let notes: Vec<String> = notes.collect();
        assert!(notes.len() > shown && shown < KILLS as usize, "{shown} were shown as saved, {} are", notes.len());
        let key = key_of(&document(account, HERE, 0));
        let records = cloud.hub(|hub| hub.history_of(account, HERE, &key));
        let mut arrived: Vec<String> = records
            .iter()
            .flat_map(|r| r["Updates"].as_array().unwrap().clone())
            .map(|u| serde_json::from_str::<Value>(u["NewValue"].as_str().unwrap()).unwrap()["Text"].as_str().unwrap().to_owned())
            .collect();
        arrived.reverse();
        assert_eq!(arrived, notes, "each once, in their order");
    });
}

// ---- the command line

fn program(cloud: &Cloud, home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.env_clear().env("HOME", home).envs(cloud.environment(HERE)).args(args);
    command.output().unwrap()
}

/// A record of Prowler's ASFF, as it writes it.
fn prowler(region: &str, n: usize) -> Value {
    let account = "123456789012";
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("prowler-s3_bucket_public_access-{account}-{region}-{n}"),
        "ProductArn": format!("arn:aws:securityhub:{region}::product/prowler/prowler"),
        "RecordState": "ACTIVE",
        "ProductFields": { "ProviderName": "Prowler", "ProviderVersion": "5.0.0" },
        "GeneratorId": "prowler-s3_bucket_public_access",
        "AwsAccountId": account,
        "Types": ["Software and Configuration Checks"],
        "FirstObservedAt": "2026-02-01T00:00:00Z",
        "UpdatedAt": "2026-02-01T00:00:00Z",
        "CreatedAt": "2026-02-01T00:00:00Z",
        "Severity": { "Label": "HIGH" },
        "Title": "T".repeat(300),
        "Description": format!("Bucket {n} is public"),
        "Resources": [{ "Type": "AwsS3Bucket", "Id": format!("arn:aws:s3:::b{n}"), "Partition": "aws", "Region": region }],
        "Compliance": { "Status": "FAILED" },
        "Workflow": { "Status": "NEW" },
    })
}

#[test]
fn push_sends_imported_findings_and_shows_what_is_refused() {
    let cloud = bare();
    let account = cloud.management();
    cloud.hub(|hub| hub.enable(account, HERE));
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let done = program(&cloud, home.path(), args);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    };
    let (code, _, err) = run(&["push"]);
    assert_eq!(code, 1);
    assert!(err.contains("bartizan import"), "{err}");

    let good: Vec<Value> = (0..120).map(|n| prowler(HERE, n)).collect();
    let file = home.path().join("scan.json");
    std::fs::write(&file, Value::from(good).to_string()).unwrap();
    assert_eq!(run(&["import", file.to_str().unwrap()]).0, 0);
    let (code, out, err) = run(&["push", "--read-only"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("read-only"), "{err}");
    assert!(cloud.calls().iter().all(|c| c.action != "BatchImportFindings"));

    let (code, out, err) = run(&["push"]);
    assert_eq!(code, 0, "{err}");
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert!(rows.len() == 120 && rows.iter().all(|r| r["sent"] == true));
    let there = cloud.hub(|hub| hub.findings(account, HERE));
    assert_eq!(there.len(), 120);
    assert!(there.iter().all(|f| f["Title"].as_str().unwrap().chars().count() == 256), "cut to what ASFF takes");
    let calls = cloud.calls().iter().filter(|c| c.action == "BatchImportFindings").count();
    assert_eq!(calls, 2, "100 a call");
    // What was pushed is the same finding when it comes back.
    let came = asff::finding(&there[0].to_string()).unwrap();
    let number: usize = came.source.id.rsplit('-').next().unwrap().parse().unwrap();
    assert_eq!(came.key, asff::finding(&prowler(HERE, number).to_string()).unwrap().key);

    // One whose region has no hub, one that is too large, one that Security Hub refuses by itself, one that is well.
    let mut large = prowler(HERE, 201);
    large["Resources"][0]["Details"] = json!({ "Other": { "text": "x".repeat(250_000) } });
    let mut older = prowler(HERE, 0);
    older["Description"] = "Older words".into();
    older["UpdatedAt"] = "2025-01-01T00:00:00Z".into();
    older["CreatedAt"] = "2025-01-01T00:00:00Z".into();
    let mut elsewhere = prowler("us-east-1", 202);
    elsewhere["Title"] = "Elsewhere".into();
    let mixed = Value::from(vec![large, elsewhere, prowler(HERE, 203)]);
    std::fs::write(&file, mixed.to_string()).unwrap();
    assert_eq!(run(&["import", file.to_str().unwrap()]).0, 0);
    let (code, out, err) = run(&["push"]);
    assert_eq!(code, 3, "{err}");
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    let why = |end: &str| {
        let row = rows.iter().find(|r| r["id"].as_str().unwrap().ends_with(end)).unwrap();
        row["why"].as_str().unwrap_or("sent").to_owned()
    };
    assert!(why("-201").contains("Security Hub takes 245760"), "{}", why("-201"));
    assert!(why("-202").contains("not subscribed"), "{}", why("-202"));
    assert_eq!(why("-203"), "sent");
    assert!(err.contains("121 sent to Security Hub, 2 not") && err.contains("-201: it has"), "{err}");

    let (code, out, _) = run(&["push", "--filter", "title:elsewhere"]);
    assert_eq!((code, serde_json::from_str::<Vec<Value>>(&out).unwrap().len()), (1, 1), "nothing arrived");
}
