//! Tests of judgement: one subject's story, the rules, inheritance, service levels, queues, bulk plans, snapshots.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::model::account::{Attribution, Environment};
use crate::model::decision::{Actor, Decision, Draft, Entry, EntryId, Head, Subject};
use crate::model::finding::{FindingKey, Severity, Status, Verdict};
use crate::triage::inherit::{Origin, Owners};
use crate::triage::plan::plan;
use crate::triage::policy::{Policy, Role, Team};
use crate::triage::projection::{Applied, Projection};
use crate::triage::queues::{Item, board, order};
use crate::triage::rules::{Asked, Facts, Refusal, delivered_note, expired, judge, same_person};
use crate::triage::sla::due;
use crate::triage::snapshot::{decode, encode};
use crate::triage::state::{HoldKind, Return, State};

const JO: &str = "arn:aws:sts::111122223333:assumed-role/Audit/jo";
const KIM: &str = "arn:aws:sts::111122223333:assumed-role/Audit/kim";

fn t(hours: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn actor(arn: &str) -> Actor {
    Actor { arn: arn.into(), os_user: "u".into(), host: "h".into() }
}

/// A chain under construction.
#[derive(Default)]
struct Book {
    entries: Vec<Entry>,
}

impl Book {
    fn add(&mut self, hours: i64, arn: &str, subject: &Subject, decision: Decision, reason: &str) -> u64 {
        let head = self.entries.last().map_or(Head::EMPTY, |e| Head { sequence: e.sequence, hash: e.hash });
        let n = head.sequence + 1;
        let id = EntryId(u128::from(n).to_be_bytes());
        let draft = Draft { id, at: t(hours), actor: actor(arn), subject: subject.clone(), decision, reason: reason.into() };
        self.entries.push(Entry::chain(draft, n, head.hash).unwrap().0);
        n
    }
    fn state(&self, subject: &Subject) -> State {
        State::fold(self.entries.iter().filter(|e| e.subject == *subject))
    }
}

fn finding(n: u128) -> Subject {
    Subject::Finding(FindingKey(n))
}

fn facts(n: u128, severity: Severity) -> Facts<'static> {
    Facts {
        key: FindingKey(n),
        account: "111122223333",
        environment: Some(Environment::Production),
        severity,
        status: Status::New,
        open: true,
        first_seen: t(0),
    }
}

fn teams() -> Policy {
    let team = |role, members: &[&str]| Team { role, members: members.iter().map(|m| (*m).to_owned()).collect() };
    let teams = BTreeMap::from([
        ("platform".to_owned(), team(Role::Platform, &["jo", "lee"])),
        ("security".to_owned(), team(Role::Control, &["kim", "ann"])),
    ]);
    Policy { teams, ..Policy::default() }
}

fn ask(
    policy: &Policy,
    arn: &str,
    hours: i64,
    f: &Facts<'_>,
    state: &State,
    decision: Decision,
    reason: &str,
) -> Result<Decision, Refusal> {
    let actor = actor(arn);
    let subject = Subject::Finding(f.key);
    judge(&Asked { policy, actor: &actor, now: t(hours), subject: &subject, facts: Some(f), state }, decision, reason)
}

#[test]
fn a_findings_story() {
    let (mut book, f) = (Book::default(), finding(1));
    book.add(1, JO, &f, Decision::Assign { owner: Some("platform".into()), assignee: None }, "");
    book.add(2, JO, &f, Decision::Claim, "");
    let s = book.state(&f);
    assert_eq!((s.owner.as_deref(), s.assignee.as_deref(), s.first_claim), (Some("platform"), Some("jo"), Some(t(2))));
    book.add(3, KIM, &f, Decision::Assign { owner: None, assignee: Some("kim".into()) }, "");
    let s = book.state(&f);
    assert_eq!((s.claim, s.assignee.as_deref()), (None, Some("kim")), "assigning to another person ends the claim");
    book.add(4, KIM, &f, Decision::Verdict { verdict: Verdict::TruePositive }, "");
    let of = book.add(10, KIM, &f, Decision::Accept { until: t(110), pending: true }, "until the migration");
    let s = book.state(&f);
    assert!(s.hold.is_none() && s.pending.is_some() && s.is_open(true), "a pending acceptance changes nothing yet");
    book.add(20, JO, &f, Decision::Approve { of }, "");
    let s = book.state(&f);
    assert!(!s.is_open(true) && s.pending.is_none());
    assert_eq!(s.hold.as_ref().map(|h| (h.kind, h.at, h.until)), Some((HoldKind::Accepted, t(20), t(110))));
    assert_eq!(s.paused_at(t(50)), 30 * 3_600_000);
    book.add(111, Actor::SYSTEM, &f, Decision::Expire { of }, "");
    let s = book.state(&f);
    assert!(s.is_open(true));
    assert_eq!((s.returned, s.paused), (Some((Return::Expired, t(111))), 90 * 3_600_000), "the clock stood only until the end");
    book.add(112, KIM, &f, Decision::Status { status: Status::Resolved }, "");
    book.add(113, KIM, &f, Decision::Note { text: "done".into() }, "");
    let s = book.state(&f);
    assert_eq!((s.status, s.resolved, s.notes, s.returned), (Some(Status::Resolved), Some(t(112)), 1, None));
    book.add(114, Actor::SYSTEM, &f, Decision::Reset { from: Status::Resolved, to: Status::New }, "");
    let s = book.state(&f);
    assert!(s.is_open(true) && s.resolved.is_none());
    assert_eq!(s.returned, Some((Return::Reset, t(114))));
    assert_eq!(s.last, 10);
}

#[test]
fn an_undo_restores_what_was_before_to_any_depth() {
    let (mut book, f) = (Book::default(), finding(1));
    book.add(1, JO, &f, Decision::Assign { owner: Some("a".into()), assignee: None }, "");
    let before = book.state(&f);
    let two = book.add(2, JO, &f, Decision::Assign { owner: Some("b".into()), assignee: None }, "");
    let between = book.state(&f);
    let three = book.add(3, JO, &f, Decision::Status { status: Status::Resolved }, "");
    book.add(4, JO, &f, Decision::Undo { of: three }, "");
    assert_eq!(book.state(&f), State { last: 4, ..between });
    book.add(5, JO, &f, Decision::Undo { of: two }, "");
    assert_eq!(book.state(&f), State { last: 5, ..before });
    book.add(6, JO, &f, Decision::Undo { of: 99 }, "");
    assert_eq!(book.state(&f).owner.as_deref(), Some("a"), "an undo of nothing is nothing");
}

#[test]
fn people_are_compared_by_sts_identity() {
    let role = |role: &str, session: &str| format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}");
    for (a, b, same) in [
        (role("Audit", "jo"), role("Audit", "jo"), true),
        (role("Audit", "jo"), role("Audit", "JO"), true),
        (role("Audit", "jo"), role("Audit", "kim"), false),
        (role("Audit", "jo"), role("Admin", "jo"), true),
        (role("Audit", "botocore-session-1"), role("Audit", "botocore-session-2"), true),
        (role("Audit", "botocore-session-1"), role("Audit", "kim"), true),
        (role("Audit", "botocore-session-1"), role("Admin", "kim"), false),
        (role("Audit", "1700000000000000000"), role("Audit", "kim"), true),
        (role("Audit", "123456"), role("Audit", "654321"), false),
        ("arn:aws:iam::111122223333:user/jo".into(), "arn:aws:iam::111122223333:user/jo".into(), true),
        ("arn:aws:iam::111122223333:user/jo".into(), "arn:aws:iam::444455556666:user/jo".into(), false),
    ] {
        assert_eq!(same_person(&a, &b), same, "{a} {b}");
        assert_eq!(same_person(&b, &a), same, "{b} {a}");
    }
}

#[test]
fn claims_are_exclusive_and_released_by_their_holder() {
    let (policy, f) = (Policy::default(), facts(1, Severity::Low));
    let mut book = Book::default();
    let none = State::default();
    assert_eq!(ask(&policy, JO, 1, &f, &none, Decision::Claim, ""), Ok(Decision::Claim));
    assert_eq!(ask(&policy, JO, 1, &f, &none, Decision::Release, ""), Err(Refusal::NotClaimed));
    book.add(1, JO, &finding(1), Decision::Claim, "");
    let s = book.state(&finding(1));
    assert_eq!(ask(&policy, KIM, 2, &f, &s, Decision::Claim, ""), Err(Refusal::Claimed { by: "jo".into(), since: t(1) }));
    assert_eq!(ask(&policy, JO, 2, &f, &s, Decision::Claim, ""), Err(Refusal::NoChange));
    assert_eq!(ask(&policy, KIM, 2, &f, &s, Decision::Release, ""), Err(Refusal::NotYours { by: "jo".into() }));
    assert_eq!(ask(&policy, JO, 2, &f, &s, Decision::Release, ""), Ok(Decision::Release));
    let closed = Facts { status: Status::Resolved, ..f };
    assert_eq!(ask(&policy, JO, 2, &closed, &none, Decision::Claim, ""), Err(Refusal::NotOpen { state: "resolved" }));
}

#[test]
fn bad_input_is_refused_in_clear_words() {
    let (policy, f, s) = (teams(), facts(1, Severity::Low), State::default());
    let accept = |until| Decision::Accept { until, pending: false };
    assert_eq!(ask(&policy, JO, 5, &f, &s, accept(t(9)), "  "), Err(Refusal::NoReason("accept")));
    assert_eq!(ask(&policy, JO, 5, &f, &s, accept(t(5)), "why"), Err(Refusal::Past { until: t(5) }));
    assert_eq!(ask(&policy, JO, 5, &f, &s, accept(t(24 * 400)), "why"), Err(Refusal::TooFar { until: t(24 * 400), days: 365 }));
    let assign = |owner: &str| Decision::Assign { owner: Some(owner.into()), assignee: None };
    let unknown = ask(&policy, JO, 5, &f, &s, assign("plattform"), "").unwrap_err();
    assert_eq!(unknown.to_string(), r#"there is no team "plattform"; configured are: platform, security"#);
    assert_eq!(ask(&policy, JO, 5, &f, &s, assign("platform"), ""), Ok(assign("platform")));
    let person = |name: &str| Decision::Assign { owner: None, assignee: Some(name.into()) };
    assert_eq!(ask(&policy, JO, 5, &f, &s, person("a\u{1b}[2J"), ""), Err(Refusal::BadName { what: "person's name" }));
    assert!(matches!(ask(&policy, JO, 5, &f, &s, person(&"x".repeat(257)), ""), Err(Refusal::TooLong { length: 257, .. })));
    let note = |text: &str| Decision::Note { text: text.into() };
    assert_eq!(ask(&policy, JO, 5, &f, &s, note(" \n"), ""), Err(Refusal::BadName { what: "note" }));
    assert!(matches!(ask(&policy, JO, 5, &f, &s, note(&"x".repeat(16_385)), ""), Err(Refusal::TooLong { .. })));
    assert!(ask(&policy, JO, 5, &f, &s, note(&"x".repeat(16_384)), "").is_ok());
    let severity = Decision::Severity { severity: Severity::High };
    assert_eq!(ask(&policy, JO, 5, &f, &s, severity.clone(), ""), Err(Refusal::NoReason("severity")));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Severity { severity: Severity::Low }, "x"), Err(Refusal::NoChange));
    assert!(ask(&policy, JO, 5, &f, &s, severity, "x").is_ok());
    let suppressed = Decision::Status { status: Status::Suppressed };
    assert_eq!(ask(&policy, JO, 5, &f, &s, suppressed, "x"), Err(Refusal::UseSuppress));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Status { status: Status::New }, ""), Err(Refusal::NoChange));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Reopen, ""), Err(Refusal::AlreadyOpen));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Undo { of: 0 }, ""), Err(Refusal::NothingToUndo));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Due { at: Some(t(4)) }, ""), Err(Refusal::Past { until: t(4) }));
    assert_eq!(ask(&policy, JO, 5, &f, &s, Decision::Expire { of: 1 }, ""), Err(Refusal::SystemOnly("expire")));
    let actor = actor(JO);
    let account = Subject::Account("1".into());
    let asked = Asked { policy: &policy, actor: &actor, now: t(5), subject: &account, facts: None, state: &s };
    assert!(matches!(judge(&asked, Decision::Claim, ""), Err(Refusal::NotOn { kind: "claim", .. })));
    assert!(judge(&asked, assign("security"), "").is_ok());
}

#[test]
fn a_second_person_of_the_right_role_approves() {
    let (policy, f) = (teams(), facts(1, Severity::Critical));
    let mut book = Book::default();
    let accept = Decision::Accept { until: t(100), pending: false };
    let none = State::default();
    let refused = ask(&policy, JO, 1, &f, &none, accept.clone(), "why").unwrap_err();
    assert_eq!(refused.to_string(), "this takes a person of control or oversight: your teams are platform (platform)");
    let pending = ask(&policy, KIM, 1, &f, &none, accept.clone(), "why").unwrap();
    assert_eq!(pending, Decision::Accept { until: t(100), pending: true });
    let of = book.add(1, KIM, &finding(1), pending, "why");
    let s = book.state(&finding(1));
    let approve = Decision::Approve { of };
    assert_eq!(ask(&policy, KIM, 2, &f, &s, approve.clone(), ""), Err(Refusal::SelfApproval { by: KIM.into() }));
    let other_role = KIM.replace("Audit", "Admin");
    assert_eq!(ask(&policy, &other_role, 2, &f, &s, approve.clone(), ""), Err(Refusal::SelfApproval { by: KIM.into() }));
    assert!(matches!(ask(&policy, JO, 2, &f, &s, approve.clone(), ""), Err(Refusal::Role { .. })));
    let ann = KIM.replace("kim", "ann");
    assert_eq!(ask(&policy, &ann, 2, &f, &s, Decision::Approve { of: 9 }, ""), Err(Refusal::OtherWaits { of: 9, waiting: 1 }));
    assert_eq!(ask(&policy, &ann, 2, &f, &s, approve.clone(), ""), Ok(approve.clone()));
    assert!(matches!(ask(&policy, &ann, 101, &f, &s, approve, ""), Err(Refusal::Past { .. })));
    assert_eq!(
        ask(&policy, KIM, 2, &f, &s, Decision::Reject { of }, ""),
        Ok(Decision::Reject { of }),
        "whoever asked takes it back"
    );
    assert!(matches!(ask(&policy, JO, 2, &f, &s, Decision::Reject { of }, ""), Err(Refusal::Role { .. })));
    assert_eq!(ask(&policy, &ann, 2, &f, &s, accept.clone(), "x"), Err(Refusal::Waiting { by: "kim".into() }));

    // Lowering the severity first gains nothing; another environment needs nobody; an unknown one counts as production.
    let mut lowered = Book::default();
    lowered.add(1, KIM, &finding(1), Decision::Severity { severity: Severity::Low }, "x");
    let s = lowered.state(&finding(1));
    assert!(matches!(ask(&policy, KIM, 2, &f, &s, accept.clone(), "x"), Ok(Decision::Accept { pending: true, .. })));
    let test = Facts { environment: Some(Environment::NonProduction), ..f };
    assert!(matches!(ask(&policy, KIM, 2, &test, &none, accept.clone(), "x"), Ok(Decision::Accept { pending: false, .. })));
    let unknown = Facts { environment: None, ..f };
    assert!(matches!(ask(&policy, KIM, 2, &unknown, &none, accept.clone(), "x"), Ok(Decision::Accept { pending: true, .. })));
    // One person without teams is held to none of it.
    assert!(matches!(ask(&Policy::default(), JO, 2, &f, &none, accept, "x"), Ok(Decision::Accept { pending: false, .. })));
}

#[test]
fn only_ones_own_last_decision_is_undone() {
    let (policy, f) = (Policy::default(), facts(1, Severity::Low));
    let mut book = Book::default();
    let one = book.add(1, JO, &finding(1), Decision::Claim, "");
    let s = book.state(&finding(1));
    assert_eq!(ask(&policy, JO, 2, &f, &s, Decision::Undo { of: one }, ""), Ok(Decision::Undo { of: one }));
    assert_eq!(
        ask(&policy, KIM, 2, &f, &s, Decision::Undo { of: one }, ""),
        Err(Refusal::NotYoursToUndo { by: "jo".into(), of: one })
    );
    book.add(2, KIM, &finding(1), Decision::Note { text: "x".into() }, "");
    let s = book.state(&finding(1));
    assert!(ask(&policy, JO, 2, &f, &s, Decision::Undo { of: one }, "").is_ok(), "a note is no decision to undo");
    book.add(3, KIM, &finding(1), Decision::Verdict { verdict: Verdict::FalsePositive }, "");
    let s = book.state(&finding(1));
    assert!(matches!(ask(&policy, JO, 2, &f, &s, Decision::Undo { of: one }, ""), Err(Refusal::NotYoursToUndo { .. })));
}

#[test]
fn ownership_is_inherited_and_says_from_where() {
    let mut book = Book::default();
    let own = |team: &str| Decision::Assign { owner: Some(team.into()), assignee: None };
    let rule = Attribution::new("by-rule".to_owned(), "rule 1: name pay*");
    let look = |book: &Book| {
        let states = Projection::rebuild(&book.entries);
        let o = Owners::new(&states).of(FindingKey(1), "arn:aws:s3:::b", "111122223333", Some(&rule));
        (o.word().to_owned(), o.origin.to_string())
    };
    assert_eq!(Owners::new(&Projection::default()).of(FindingKey(1), "", "", None).origin, Origin::Unowned);
    assert_eq!(look(&book), ("by-rule".into(), "rule 1: name pay*".into()));
    book.add(1, JO, &Subject::Account("111122223333".into()), own("by-account"), "");
    assert_eq!(look(&book), ("by-account".into(), "from account".into()));
    book.add(2, JO, &Subject::Resource("arn:aws:s3:::b".into()), own("by-resource"), "");
    assert_eq!(look(&book), ("by-resource".into(), "from resource".into()));
    let three = book.add(3, JO, &finding(1), own("explicit"), "");
    assert_eq!(look(&book), ("explicit".into(), "explicit".into()));
    book.add(4, JO, &finding(1), Decision::Undo { of: three }, "");
    assert_eq!(look(&book).1, "from resource");
}

#[test]
fn due_dates_count_from_first_seen_and_pause_while_accepted() {
    let (policy, f) = (Policy::default(), facts(1, Severity::Critical));
    assert_eq!(due(&policy, &f, None, t(1)).at, Some(t(24)));
    for (severity, hours) in
        [(Severity::High, Some(168)), (Severity::Medium, Some(720)), (Severity::Low, Some(2160)), (Severity::Informational, None)]
    {
        assert_eq!(due(&policy, &facts(1, severity), None, t(1)).at, hours.map(t), "{severity}");
    }
    let mut book = Book::default();
    let of = book.add(10, JO, &finding(1), Decision::Accept { until: t(50), pending: false }, "x");
    let d = due(&policy, &f, Some(&book.state(&finding(1))), t(30));
    assert_eq!((d.at, d.paused, d.is_overdue(t(1000))), (Some(t(44)), true, false));
    book.add(60, Actor::SYSTEM, &finding(1), Decision::Expire { of }, "");
    let d = due(&policy, &f, Some(&book.state(&finding(1))), t(60));
    assert_eq!(
        (d.at, d.is_overdue(t(64)), d.is_overdue(t(65)), d.is_soon(t(60), 4), d.is_soon(t(60), 3)),
        (Some(t(64)), false, true, true, false)
    );
    book.add(61, JO, &finding(1), Decision::Due { at: Some(t(500)) }, "");
    let d = due(&policy, &f, Some(&book.state(&finding(1))), t(61));
    assert_eq!((d.at, d.explicit), (Some(t(500)), true));
}

#[test]
fn queues_count_every_finding_once_for_its_team_and_its_person() {
    let policy = teams();
    let mut book = Book::default();
    book.add(2, JO, &finding(1), Decision::Claim, "");
    book.add(4, JO, &finding(2), Decision::Claim, "");
    book.add(10, JO, &finding(2), Decision::Status { status: Status::Resolved }, "");
    let of = book.add(5, KIM, &finding(3), Decision::Accept { until: t(40), pending: false }, "x");
    book.add(41, Actor::SYSTEM, &finding(3), Decision::Expire { of }, "");
    book.add(5, KIM, &finding(4), Decision::Accept { until: t(24 * 10), pending: true }, "x");
    book.add(5, KIM, &finding(5), Decision::Accept { until: t(24 * 10), pending: false }, "x");
    let states = Projection::rebuild(&book.entries);
    let rule = Attribution::new("platform".to_owned(), "tag Owner");
    let all: Vec<Facts<'_>> = (1..=6).map(|n| facts(n, if n == 6 { Severity::Low } else { Severity::Critical })).collect();
    let owners = Owners::new(&states);
    let owned: Vec<_> = all.iter().map(|f| owners.of(f.key, "", f.account, (f.key.0 != 6).then_some(&rule))).collect();
    let items: Vec<Item<'_>> =
        all.iter().zip(&owned).map(|(f, owned)| Item { facts: *f, state: states.finding(f.key), owned: *owned }).collect();
    let now = t(48);
    let b = board(&policy, items.iter().copied(), now);
    let q = &b.teams["platform"];
    assert_eq!((q.open, q.unclaimed, q.overdue, q.pending, q.accepted, q.expiring, q.returned), (3, 2, 2, 1, 1, 1, 1));
    assert_eq!(q.by_severity, [0, 0, 0, 0, 3]);
    assert_eq!(q.due_soon, 1, "accepted for 35 of its hours, finding 3 is due at 24 + 35");
    assert_eq!(
        (q.to_claim.count, q.to_claim.median, q.to_claim.p90),
        (2, Some(SignedDuration::from_hours(2)), Some(SignedDuration::from_hours(4)))
    );
    assert_eq!((q.to_resolve.count, q.to_resolve.median), (1, Some(SignedDuration::from_hours(10))));
    assert_eq!(b.teams[""].open, 1);
    assert_eq!((b.people["jo"].open, b.people.len(), b.all.open, b.all.ageing), (1, 1, 4, [0, 4, 0, 0, 0, 0]));
    let mut sorted = items.clone();
    sorted.sort_by_cached_key(|i| order(&policy, i, now));
    assert_eq!(sorted[0].facts.key, FindingKey(3), "what came back stands on top");
}

#[test]
fn a_plan_says_what_will_change_and_what_will_not_and_why() {
    let mut policy = teams();
    policy.bulk_cap = 2;
    let mut book = Book::default();
    book.add(1, KIM, &finding(2), Decision::Claim, "");
    let closed = Facts { status: Status::Resolved, ..facts(5, Severity::High) };
    let all = [facts(1, Severity::High), facts(2, Severity::High), facts(3, Severity::Low), facts(4, Severity::Low), closed];
    let states = Projection::rebuild(&book.entries);
    let me = actor(JO);
    let nobody = finding(0);
    let asked = Asked { policy: &policy, actor: &me, now: t(5), subject: &nobody, facts: None, state: &State::default() };
    let p = plan(&asked, all.iter().map(|f| (*f, states.finding(f.key))), &Decision::Claim, "");
    assert_eq!(p.will.iter().map(|s| s.finding.0).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(p.by_account["111122223333"], BTreeMap::from([(Severity::Low, 2), (Severity::High, 1)]));
    assert_eq!(p.wont.iter().map(|(k, _)| k.0).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(p.reasons.values().sum::<usize>(), 2);
    assert!(p.over_cap);
    let of = book.add(6, KIM, &finding(3), Decision::Accept { until: t(90), pending: true }, "x");
    let states = Projection::rebuild(&book.entries);
    let ann = actor(&KIM.replace("kim", "ann"));
    let p =
        plan(&Asked { actor: &ann, ..asked }, all.iter().map(|f| (*f, states.finding(f.key))), &Decision::Approve { of: 0 }, "");
    assert_eq!(
        p.will.iter().map(|s| (s.finding.0, s.decision.clone(), s.based_on)).collect::<Vec<_>>(),
        [(3, Decision::Approve { of }, of)]
    );
}

#[test]
fn expired_holds_are_found() {
    let mut book = Book::default();
    let of = book.add(1, JO, &finding(1), Decision::Accept { until: t(10), pending: false }, "x");
    book.add(1, JO, &finding(2), Decision::Suppress { until: t(11), pending: false }, "x");
    let p = Projection::rebuild(&book.entries);
    assert_eq!(expired(p.iter(), t(10)).collect::<Vec<_>>(), [(&finding(1), Decision::Expire { of })]);
    assert_eq!(expired(p.iter(), t(11)).count(), 2);
}

#[test]
fn a_long_note_is_cut_for_security_hub_with_a_mark() {
    assert_eq!(delivered_note("short", 7), "short");
    assert_eq!(delivered_note(&"é".repeat(512), 7), "é".repeat(512));
    let cut = delivered_note(&"é".repeat(513), 7);
    assert_eq!(cut.chars().count(), 512);
    assert!(cut.ends_with("é… [cut: ledger entry 7]"));
}

#[test]
fn configuration_reads_and_has_defaults() {
    let policy: Policy = serde_json::from_str(
        r#"{"teams":{"grc":{"role":"oversight","members":["*/ann"]}},"may_accept":[{"severity":"low","roles":["oversight"]}],
            "approvals":[{"severity":"Medium","environments":["non-production"]}],"service_levels":[{"severity":"low","environment":"production","hours":5}]}"#,
    )
    .unwrap();
    assert_eq!(policy.acceptors(Severity::Critical), [Role::Oversight]);
    assert_eq!(policy.acceptors(Severity::Informational), Role::ALL);
    assert_eq!(policy.approvers(Severity::High, Some(Environment::NonProduction)), Some(&[][..]));
    assert_eq!(policy.approvers(Severity::High, Some(Environment::Production)), None);
    assert_eq!(policy.hours(Severity::Low, Some(Environment::Production)), Some(5));
    assert_eq!(policy.hours(Severity::Low, None), Some(2160));
    assert_eq!(policy.teams_of("arn:aws:sts::1:assumed-role/x/Ann").count(), 1);
    assert!(serde_json::from_str::<Policy>(r#"{"team":{}}"#).is_err());
}

#[test]
fn many_changes_are_merged_into_the_bulk_and_none_is_lost() {
    let (mut book, mut live) = (Book::default(), Projection::default());
    let mut copies = Vec::new();
    for n in 0..6000u128 {
        // Old and new subjects, in no order, some of them no findings.
        let key = n * 7919 % 2503;
        let subject = if key % 50 == 0 { Subject::Account(key.to_string()) } else { finding(key) };
        book.add(1, JO, &subject, Decision::Assign { owner: Some(n.to_string()), assignee: None }, "");
        assert_eq!(live.apply(book.entries.last().unwrap()), Applied::Done);
        if n % 1700 == 0 {
            live.compact();
            copies.push((book.entries.len(), live.clone()));
        }
    }
    live.compact();
    copies.push((book.entries.len(), live.clone()));
    for (n, copy) in copies {
        let rebuilt = Projection::rebuild(&book.entries[..n]);
        assert_eq!(copy, rebuilt, "after {n}");
        assert_eq!((copy.len(), copy.iter().count(), copy.sorted().len()), (rebuilt.len(), rebuilt.len(), rebuilt.len()));
        assert_eq!(copy.others().count(), rebuilt.others().count());
        assert!(copy.sorted().is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(encode(&copy), encode(&rebuilt));
    }
}

fn any_decision() -> impl Strategy<Value = Decision> {
    let until = (0i64..200).prop_map(t);
    let of = 0u64..40;
    prop_oneof![
        (proptest::option::of("[ab]?"), proptest::option::of("[ab]?"))
            .prop_map(|(owner, assignee)| Decision::Assign { owner, assignee }),
        Just(Decision::Claim),
        Just(Decision::Release),
        ".{0,20}".prop_map(|text| Decision::Note { text }),
        proptest::sample::select(Status::ALL).prop_map(|status| Decision::Status { status }),
        proptest::sample::select(Verdict::ALL).prop_map(|verdict| Decision::Verdict { verdict }),
        proptest::sample::select(Severity::ALL).prop_map(|severity| Decision::Severity { severity }),
        proptest::option::of(until.clone()).prop_map(|at| Decision::Due { at }),
        (until.clone(), any::<bool>()).prop_map(|(until, pending)| Decision::Accept { until, pending }),
        (until, any::<bool>()).prop_map(|(until, pending)| Decision::Suppress { until, pending }),
        of.clone().prop_map(|of| Decision::Approve { of }),
        of.clone().prop_map(|of| Decision::Reject { of }),
        Just(Decision::Reopen),
        of.clone().prop_map(|of| Decision::Undo { of }),
        of.prop_map(|of| Decision::Expire { of }),
        proptest::sample::select(Status::ALL).prop_map(|to| Decision::Reset { from: Status::Resolved, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn adding_one_by_one_rebuilding_and_saving_give_the_same(
        all in proptest::collection::vec((any_decision(), 0u128..4, ".{0,8}"), 0..40)
    ) {
        let mut book = Book::default();
        let mut live = Projection::default();
        for (n, (decision, on, reason)) in all.into_iter().enumerate() {
            let arn = if n % 3 == 0 { KIM } else { JO };
            let subject = if on == 3 { Subject::Account("1".into()) } else { finding(on) };
            book.add(n as i64, arn, &subject, decision, &reason);
            let entry = book.entries.last().unwrap();
            if live.apply(entry) == Applied::NeedsHistory {
                live.replace(entry, &book.entries);
            }
            prop_assert_eq!(live.head().sequence, entry.sequence);
            // What is not next changes nothing.
            prop_assert_eq!(live.apply(entry), Applied::NotNext);
        }
        prop_assert_eq!(&live, &Projection::rebuild(&book.entries));
        let bytes = encode(&live);
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(&read, &live);
        prop_assert_eq!(encode(&read), bytes);
        for (subject, state) in live.iter() {
            prop_assert_eq!(&book.state(subject), state);
        }
    }

    #[test]
    fn damaged_snapshots_are_refused(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let mut book = Book::default();
        book.add(1, JO, &finding(1), Decision::Claim, "");
        book.add(2, KIM, &finding(2), Decision::Accept { until: t(9), pending: true }, "why");
        let bytes = encode(&Projection::rebuild(&book.entries));
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(decode(&flipped).is_err());
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
        // A sum that fits does not make the rest safe: every cut of the body is refused without a panic.
        let mut forged = bytes[..cut.index(bytes.len() - 8)].to_vec();
        let sum = crate::triage::snapshot::sum(&forged);
        forged.extend_from_slice(&sum.to_le_bytes());
        prop_assert!(decode(&forged).is_err());
    }
}
