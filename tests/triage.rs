//! Decisions through the real console over a real ledger: every dialog, the dry run, results, queues, and the rules that
//! stop a decision; and the same from the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use bartizan::catalog::ListingId;
use bartizan::listing::filter;
use bartizan::listing::query::{Cancel, Query, count, run};
use bartizan::listing::segment::Cell;
use bartizan::message::{Answer, Effect, Outcome, Stopped};
use bartizan::triage::policy::{Policy, Role, Team};
use driver::{Begin, Driver, Scene, now};
use tempfile::TempDir;

const PERSON: &str = "arn:aws:sts::222233334444:assumed-role/SecurityAudit/kim.lee";

fn deciding(policy: Policy) -> (Driver, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let scene = Scene::deciding(400, policy, directory.path());
    let mut driver = Driver::new(scene, (120, 36), Begin::default());
    driver.press("2");
    (driver, directory)
}

/// How many findings a filter selects.
fn many(driver: &Driver, expression: &str) -> usize {
    let seconds = now().as_second();
    let filter = filter::parse(expression, &ListingId::Findings.get().schema, seconds).unwrap();
    count(driver.scene.world.index(ListingId::Findings), &filter, seconds, &Cancel::new()).unwrap()
}

/// A field of the first finding that a filter selects, as words.
fn field(driver: &Driver, expression: &str, name: &str) -> String {
    let seconds = now().as_second();
    let listing = ListingId::Findings.get();
    let filter = filter::parse(expression, &listing.schema, seconds).unwrap();
    let index = driver.scene.world.index(ListingId::Findings);
    let rows = run(index, &Query { filter, sort: Vec::new(), group: None, now: seconds }, &Cancel::new()).unwrap().ids;
    match index.cell(rows[0], listing.field(name).unwrap()) {
        Cell::Text(text) => text.into_owned(),
        Cell::Rank(_, word) => word.to_owned(),
        Cell::Time(at) => at.to_string(),
        _ => String::new(),
    }
}

fn id_here(driver: &mut Driver) -> String {
    driver.copies.clear();
    driver.press("c");
    filter::exactly("id", &driver.copies.pop().unwrap())
}

#[test]
fn every_kind_of_decision_is_made_in_its_dialog_and_shown_at_once() {
    let (mut driver, _directory) = deciding(Policy::default());
    let here = id_here(&mut driver);
    driver.keys(&["a", "'payments", "enter", "'jo", "enter", "'new on call", "enter"]);
    assert!(driver.foot().contains("Assigned: entry 1"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "owner"), "payments");
    assert_eq!(field(&driver, &here, "owner_by"), "explicit");
    assert_eq!(field(&driver, &here, "assignee"), "jo");
    // A dash takes a name away: what the account's rule says stands again.
    let rule = field(&driver, "!owner_by:explicit", "owner_by");
    driver.keys(&["a", "'-", "enter", "'-", "enter", "enter"]);
    assert_ne!(field(&driver, &here, "owner_by"), "explicit", "{rule}");
    assert_eq!(field(&driver, &here, "assignee"), "");

    driver.keys(&["t", "'claim", "enter"]);
    assert!(driver.foot().contains("Claimed"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "state"), "claimed");
    driver.keys(&["t", "'release", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "open");
    driver.keys(&["n", "'seen before,", "enter", "'see the runbook", "ctrl-s"]);
    assert!(driver.foot().contains("Noted"), "{}", driver.screen());
    driver.keys(&["s", "right", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "status"), "NOTIFIED", "{}", driver.screen());
    driver.keys(&["t", "'verdict", "enter", "right", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "verdict"), "TRUE_POSITIVE");
    driver.keys(&["t", "'severity", "enter", "'l", "enter", "'behind a login", "enter"]);
    assert_eq!(field(&driver, &here, "severity"), "LOW", "{}", driver.screen());
    // The order changed with the severity: the cursor is still on the finding.
    assert_eq!(id_here(&mut driver), here);
    driver.keys(&["t", "'due", "enter", "'2026-04-01", "enter"]);
    assert_eq!(field(&driver, &here, "due"), "1775087999");
    driver.keys(&["t", "'accept", "enter", "'a honeypot", "enter", "ctrl-u", "'30d", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "accepted", "{}", driver.screen());
    assert_eq!(field(&driver, &here, "open"), "no");
    driver.keys(&["t", "'undo", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "open", "{}", driver.screen());
    driver.keys(&["t", "'suppress", "enter", "'noise", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "suppressed");
    driver.keys(&["t", "'reopen", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "open");
    driver.keys(&["s", "'r", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "closed");

    // All of it is on the finding's time line, newest first.
    driver.keys(&["enter", "G"]);
    assert!(driver.shows("History") || driver.shows("jo.tanaka"), "{}", driver.screen());
    let lines = driver.screen();
    for word in ["reopen", "suppress", "undo", "accept"] {
        assert!(lines.contains(word), "{word}: {lines}");
    }
}

#[test]
fn what_is_refused_says_why_and_keeps_what_was_typed() {
    let (mut driver, _directory) = deciding(Policy::default());
    let here = id_here(&mut driver);
    driver.keys(&["t", "'accept", "enter", "enter", "enter"]);
    assert!(driver.shows("needs a reason"), "{}", driver.screen());
    driver.keys(&["shift-tab", "'because", "enter", "ctrl-u", "'2020-01-01", "enter"]);
    assert!(driver.shows("not in the future") && driver.shows("because"), "{}", driver.screen());
    driver.keys(&["ctrl-u", "'someday", "enter"]);
    assert!(driver.shows("\"someday\" is no time"), "{}", driver.screen());
    driver.press("esc");
    assert_eq!(field(&driver, &here, "state"), "open");
    driver.keys(&["a", "enter", "enter", "enter"]);
    assert!(driver.shows("Name a team"), "{}", driver.screen());
    driver.press("esc");
    driver.keys(&["t", "'approve", "enter", "enter"]);
    assert!(driver.shows("Nothing waits for approval"), "{}", driver.screen());
    driver.press("esc");
    driver.keys(&["t", "'undo", "enter"]);
    assert!(driver.foot().contains("no decision of yours to undo"), "{}", driver.foot());
    let (mut driver, _directory) = deciding(teams());
    driver.keys(&["a", "'storefrnt", "enter", "enter", "enter"]);
    assert!(driver.shows("There is no team") && driver.shows("control, payments"), "{}", driver.screen());
    let directory = tempfile::tempdir().unwrap();
    let scene = Scene::deciding(50, Policy::default(), directory.path());
    let mut driver = Driver::new(scene, (120, 36), Begin { read_only: true, ..Begin::default() });
    driver.keys(&["2", "a"]);
    assert!(driver.foot().contains("read-only"), "{}", driver.foot());
}

/// Two teams: the person of the tests is of payments, another of control.
fn teams() -> Policy {
    let team = |role, members: &[&str]| Team { role, members: members.iter().map(|m| (*m).to_owned()).collect() };
    Policy {
        teams: BTreeMap::from([
            ("control".to_owned(), team(Role::Control, &["kim.lee", "jo.tanaka"])),
            ("payments".to_owned(), team(Role::Application, &["jo.tanaka"])),
        ]),
        ..Policy::default()
    }
}

#[test]
fn a_critical_risk_in_production_waits_for_someone_else() {
    let (mut driver, _directory) = deciding(teams());
    driver.keys(&["/", "'severity:critical env=production open:yes", "enter"]);
    let here = id_here(&mut driver);
    driver.keys(&["t", "'accept", "enter", "'until the migration", "enter", "enter"]);
    assert!(driver.foot().contains("someone else has to approve"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "state"), "pending");
    driver.keys(&["t", "'approve", "enter", "enter"]);
    assert!(driver.shows("someone else") && driver.shows("has to approve"), "{}", driver.screen());
    driver.press("esc");
    assert_eq!(field(&driver, &here, "state"), "pending");
    driver.sign_in(PERSON);
    driver.keys(&["t", "'approve", "enter", "'agreed", "enter"]);
    assert!(driver.foot().contains("Approved"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "state"), "accepted");
    // It is out of the open ones, and in its owner's queue as accepted.
    driver.keys(&["3", "/", "'accepted>0", "enter"]);
    assert!(driver.title().contains("1 of "), "{}", driver.screen());
    driver.press("enter");
    assert_eq!(driver.app.view_name(), "findings");
    assert!(driver.title().contains("owner"), "{}", driver.title());
}

#[test]
fn a_bulk_is_shown_before_it_is_made_and_a_large_one_takes_its_number() {
    let (mut driver, _directory) = deciding(Policy { bulk_cap: 20, ..Policy::default() });
    let high = many(&driver, "severity:high open:yes");
    assert!(high > 20, "{high}");
    driver.keys(&["/", "'severity:high open:yes", "enter", "ctrl-a", "t", "'claim", "enter"]);
    assert!(driver.shows(&format!("Claim: {high} findings")) && driver.shows("will be decided"), "{}", driver.screen());
    driver.press("enter");
    assert_eq!(many(&driver, "state:claimed"), 0, "the number was not typed");
    driver.keys(&["'7", "enter"]);
    assert_eq!(many(&driver, "state:claimed"), 0, "a wrong number is no number");
    driver.press("backspace");
    driver.keys(&[&format!("'{high}"), "enter"]);
    assert!(driver.foot().contains(&format!("Claimed: {high} findings")), "{}", driver.screen());
    assert_eq!(many(&driver, "state:claimed"), high);
    // Once more: nothing would change, and the dialog says so.
    driver.keys(&["t", "'claim", "enter"]);
    assert!(driver.shows("Nothing would be decided") && driver.shows("nothing would change"), "{}", driver.screen());
    driver.keys(&["enter", "esc", "backspace"]);
    // Half of them are somebody else's by now.
    driver.sign_in(PERSON);
    driver.keys(&["ctrl-a", "t", "'claim", "enter"]);
    assert!(driver.shows("claimed by jo.tanaka"), "{}", driver.screen());
}

/// Guardrails of every kind, over the demo's accounts.
const RAILS: &str = r#"
[[guard]]
environment = "production"
ask = "type"
why = "production: look twice"
[[guard]]
ou = "Sandbox"
ask = "confirm"
[[guard]]
name = "payments-*"
acts = ["triage"]
ask = "refuse"
why = "payments decides in its own console"
"#;

#[test]
fn guardrails_ask_for_the_accounts_name_for_a_yes_or_refuse() {
    let (mut driver, _directory) = deciding(bartizan::config::Config::parse(RAILS).unwrap().policy());
    // One finding in production: its account's name is typed first.
    driver.keys(&["/", "'env=production !account_name:payments-* open:yes", "enter"]);
    let here = id_here(&mut driver);
    let account = field(&driver, &here, "account_name");
    driver.keys(&["t", "'claim", "enter"]);
    assert!(driver.shows(&format!("Type {account} to mean it")) && driver.shows("production: look twice"), "{}", driver.screen());
    driver.keys(&["enter", "'other", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "open", "the name was not typed");
    driver.keys(&["ctrl-u", &format!("'{account}"), "enter"]);
    assert!(driver.foot().contains("Claimed"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "state"), "claimed");
    // Elsewhere a yes is enough, and esc is a no.
    driver.keys(&["esc", "/", "ctrl-u", "'account_name:sandbox-* open:yes", "enter"]);
    let here = id_here(&mut driver);
    driver.keys(&["t", "'claim", "enter"]);
    assert!(driver.shows("guardrail 2 of the configuration") && driver.shows("enter decides"), "{}", driver.screen());
    driver.press("esc");
    assert_eq!(field(&driver, &here, "state"), "open");
    driver.keys(&["t", "'claim", "enter", "enter"]);
    assert_eq!(field(&driver, &here, "state"), "claimed");
    // Where it is refused, the keys are not offered, and the reason is shown to whom tries.
    driver.keys(&["/", "ctrl-u", "'account_name:payments-* open:yes", "enter"]);
    let here = id_here(&mut driver);
    driver.keys(&["j", "k"]);
    assert!(driver.foot().contains("guarded nothing is decided here"), "{}", driver.foot());
    assert!(!driver.foot().contains("assign"), "{}", driver.foot());
    driver.keys(&["t", "'claim", "enter"]);
    assert!(driver.shows("payments decides in its own console"), "{}", driver.screen());
    assert_eq!(field(&driver, &here, "state"), "open");
    // In a bulk, those that are refused are left out and counted.
    let refused = many(&driver, "account_name:payments-* open:yes");
    driver.keys(&["/", "ctrl-u", "'open:yes state:open", "enter", "ctrl-a", "t", "'claim", "enter"]);
    assert!(driver.shows(&format!("{refused} will not")) && driver.shows("accounts to mean it"), "{}", driver.screen());
    driver.press("esc");
    // On an account itself too.
    driver.keys(&["esc", "4", "/", "'name:payments-prod", "enter", "a", "'web", "enter", "enter", "enter"]);
    assert!(driver.shows("payments decides in its own console"), "{}", driver.screen());
}

#[test]
fn a_stopped_delivery_is_sent_or_dropped_by_a_person() {
    let (mut driver, _directory) = deciding(Policy::default());
    let asked = |driver: &mut Driver| {
        driver.press("X");
        match driver.effects.pop() {
            Some(Effect::Stopped { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        }
    };
    let ticket = asked(&mut driver);
    driver.outcome(Outcome::Answer { ticket, answer: Answer::Stopped(Ok(Vec::new())) });
    assert!(driver.foot().contains("Nothing of this finding was stopped"), "{}", driver.foot());
    let ticket = asked(&mut driver);
    let said = "here: status RESOLVED; in Security Hub: status SUPPRESSED (it was status NEW)";
    let stopped = Stopped { position: 7, what: "status (entry 3)".into(), said: said.into() };
    driver.outcome(Outcome::Answer { ticket, answer: Answer::Stopped(Ok(vec![stopped])) });
    driver.press("down");
    assert!(driver.shows("Send status (entry 3)") && driver.shows("SUPPRESSED (it was status NEW)"), "{}", driver.screen());
    driver.press("enter");
    assert!(matches!(driver.effects.pop(), Some(Effect::Resolve { position: 7, send: false })));
    // An answer that comes after something else was asked opens nothing.
    let ticket = asked(&mut driver);
    driver.press("s");
    driver.outcome(Outcome::Answer { ticket, answer: Answer::Stopped(Err("late".into())) });
    assert!(!driver.foot().contains("late"), "{}", driver.screen());
}

#[test]
fn a_long_queue_takes_one_key_a_finding() {
    let (mut driver, _directory) = deciding(Policy::default());
    let first = id_here(&mut driver);
    driver.keys(&["A", "'payments", "enter", "enter", "enter"]);
    assert!(driver.foot().contains("Assigned"), "{}", driver.screen());
    let second = id_here(&mut driver);
    assert_ne!(second, first, "the cursor is on the next finding");
    driver.press("T");
    let third = id_here(&mut driver);
    assert!(third != second && third != first);
    assert_eq!(many(&driver, "owner_by:explicit"), 2);
    // The next one is read while the open one is: it shows before anything answers.
    driver.press("enter");
    let next = {
        driver.press("J");
        let shown = driver.screen();
        driver.press("K");
        shown
    };
    driver.hold();
    driver.press("J");
    assert_eq!(driver.screen(), next);
    driver.release();
    driver.keys(&["esc", "k"]);
    // In the open finding too: the next one is opened.
    driver.keys(&["enter", "T"]);
    assert_eq!(many(&driver, "owner_by:explicit"), 3);
    assert!(driver.foot().contains("Assigned"), "{}", driver.foot());
}

#[test]
fn ownership_is_inherited_and_says_from_where() {
    let (mut driver, _directory) = deciding(Policy::default());
    let here = id_here(&mut driver);
    let account = field(&driver, &here, "account");
    let of_account = format!("account={account}");
    let all = many(&driver, &of_account);
    driver.keys(&["w", "a", "'mobile", "enter", "enter", "enter"]);
    assert!(driver.foot().contains("Assigned"), "{}", driver.screen());
    assert_eq!(many(&driver, &format!("{of_account} owner=mobile owner_by:account")), all);
    driver.press("2");
    driver.keys(&["a", "'data", "enter", "enter", "enter"]);
    assert_eq!(many(&driver, &format!("{of_account} owner=mobile")), all - 1);
    driver.press("enter");
    assert!(driver.shows("data (by a decision on it)"), "{}", driver.screen());
}

#[test]
fn decisions_and_the_hand_over_are_read_in_the_console() {
    let (mut driver, _directory) = deciding(Policy::default());
    driver.keys(&["a", "'payments", "enter", "'jo", "enter", "'on call", "enter", "H"]);
    assert!(driver.shows("Came in"), "{}", driver.screen());
    driver.press("c");
    let report = driver.copies.pop().unwrap();
    assert!(report.starts_with("# Hand-over") && report.contains("## Decided: 1"), "{report}");
    assert!(report.contains("- jo.tanaka: 1 assign") && report.contains("owner payments, assignee jo"), "{report}");
    driver.press("esc");
    assert!(driver.foot().contains("enter open"), "{}", driver.foot());
}

// ---- the command line

struct Home(TempDir);

impl Home {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.args(arguments).env_clear().env("HOME", self.0.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.output().unwrap()
    }
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
    fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

#[test]
fn the_command_line_decides_as_the_console_does() {
    let home = Home(tempfile::tempdir().unwrap());
    let demo = |arguments: &[&'static str]| [&["--from", "demo", "triage"], arguments].concat();
    let staged = home.json(&demo(&["claim", "--filter", "severity:critical open:yes", "--dry-run"]));
    let will = staged["will"].as_array().unwrap().len();
    assert!(will > 50, "{staged}");
    let made = home.json(&demo(&["claim", "--filter", "severity:critical open:yes"]));
    assert_eq!(made.as_array().unwrap().iter().filter(|one| one["done"] == true).count(), will);
    home.fails(1, &demo(&["accept", "--filter", "severity:critical"]), &["needs a reason", "nothing was decided"]);
    home.fails(
        1,
        &demo(&["accept", "--filter", "severity:critical", "--until", "2020-01-01", "--reason", "x"]),
        &["not in the future"],
    );
    home.fails(1, &demo(&["claim", "no-such-id"]), &["no finding has the id"]);
    home.fails(1, &demo(&["claim"]), &["give ids of findings"]);
    home.fails(1, &demo(&["claim", "--filter", "open:yes"]), &["more than 500 findings", "--confirm"]);
    let config = home.0.path().join("guarded.toml");
    std::fs::write(&config, RAILS).unwrap();
    let guarded = |arguments: &[&str]| {
        let all =
            [&["--config", config.to_str().unwrap(), "--from", "demo", "triage", "claim", "--filter"][..], arguments].concat();
        home.run(&all.to_vec())
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let asked = guarded(&["account_name:web-prod severity:high open:yes"]);
    assert!(said(&asked).contains("web-prod: production: look twice: say --confirm web-prod"), "{}", said(&asked));
    let made = guarded(&["account_name:web-prod severity:high open:yes", "--confirm", "web-prod"]);
    assert!(made.status.success(), "{}", said(&made));
    let refused = guarded(&["account_name:payments-prod severity:high open:yes", "--confirm", "payments-prod"]);
    assert!(said(&refused).contains("refused in payments-prod: payments decides in its own console"), "{}", said(&refused));
    assert_eq!(refused.status.code(), Some(1));
    home.fails(2, &demo(&["status", "WRONG", "x"]), &["WRONG", "NEW, NOTIFIED"]);
    home.fails(1, &[&["--read-only"][..], &demo(&["claim", "--filter", "severity:critical"])].concat(), &["read-only"]);
    // Nobody is signed in, and nobody was.
    home.fails(1, &["triage", "claim", "--filter", "open:yes"], &["no AWS credentials"]);
    let report = home.run(&["--from", "demo", "report", "handover", "--since", "24h"]);
    assert!(String::from_utf8(report.stdout).unwrap().contains("## Overdue"));
}

#[test]
fn a_ledger_that_cannot_be_used_is_said_plainly() {
    let home = Home(tempfile::tempdir().unwrap());
    let verify = |url: &str| vec!["--ledger".to_owned(), url.to_owned(), "ledger".into(), "verify".into()];
    let fails = |url: &str, words: &[&str]| {
        let arguments = verify(url);
        home.fails(1, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    fails("mysql://me:secret@db/x", &["mysql is not a kind of ledger"]);
    fails("postgres://me:secret@127.0.0.1:1/x", &["cannot be reached"]);
    let output = home.run(&["--ledger", "postgres://me:secret@127.0.0.1:1/x", "ledger", "verify"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("secret"), "{said}");
    let path = |name: &str| home.0.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("noise.db"), b"this is no database, and long enough to be read as one".repeat(40)).unwrap();
    fails(&path("noise.db"), &["damaged"]);
    let fresh = path("fresh.db");
    let output = home.run(&["--ledger", &fresh, "ledger", "verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(Path::new(&fresh).exists());
    let out = path("export.ndjson");
    assert!(home.run(&["--ledger", &fresh, "ledger", "export", "--out", &out]).status.success());
    assert!(home.run(&["ledger", "verify", &out]).status.success());
}
