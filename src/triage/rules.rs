//! May this person decide this on this subject now? The whole answer, and why not. It changes nothing.
//!
//! # Whose act it is
//! Separation of duties compares people by STS identity. For an assumed role that is account, role and session name; for
//! anything else the ARN. On top of that, one session name under two roles is taken for one person, as IAM Identity
//! Center names sessions by user and gives a person several roles; and names that SDKs make up (`botocore-session-…`,
//! `aws-sdk-…`, an instance's id) name nobody, so that all such sessions of one role are one person. Both refuse more
//! than plain comparison would, never less. Letters' case is ignored.

use jiff::{SignedDuration, Timestamp};

use crate::model::account::Environment;
use crate::model::decision::{Actor, Decision, Subject, person};
use crate::model::finding::{FindingKey, Severity, Status};
use crate::triage::policy::{Policy, Role};
use crate::triage::state::{HoldKind, State};

/// The longest note and reason the ledger takes, in characters.
pub const LONGEST_TEXT: usize = 16_384;
/// Security Hub's limit for a note, in characters (ASFF `Note.Text`).
pub const LONGEST_NOTE: usize = 512;
/// The longest name of a team or person, in characters.
pub const LONGEST_NAME: usize = 256;

/// What is known of a finding besides its decisions.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub key: FindingKey,
    pub account: &'a str,
    pub environment: Option<Environment>,
    pub severity: Severity,
    /// The source's workflow status.
    pub status: Status,
    /// Whether the source still sees it and it has not passed, whatever its workflow status.
    pub open: bool,
    pub first_seen: Timestamp,
}

/// A decision someone asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub policy: &'a Policy,
    pub actor: &'a Actor,
    pub now: Timestamp,
    pub subject: &'a Subject,
    /// Given where the subject is a finding.
    pub facts: Option<&'a Facts<'a>>,
    pub state: &'a State,
}

/// Why a decision is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nothing would change")]
    NoChange,
    #[error("{0} needs a reason: say why, for those who read it later")]
    NoReason(&'static str),
    #[error("the {what} has {length} characters, and the ledger takes {limit}: shorten it")]
    TooLong { what: &'static str, length: usize, limit: usize },
    #[error("the {what} is empty or holds control characters: type a plain name")]
    BadName { what: &'static str },
    #[error("there is no team {team:?}; configured are: {known}")]
    UnknownTeam { team: String, known: String },
    #[error("{until} is not in the future: give a later day")]
    Past { until: Timestamp },
    #[error("{until} is more than {days} days away, the longest that policy allows")]
    TooFar { until: Timestamp, days: u32 },
    #[error("claimed by {by} since {since}: ask them to release it, or assign it")]
    Claimed { by: String, since: Timestamp },
    #[error("it is claimed by {by}, and only they can release it: assign it to someone instead")]
    NotYours { by: String },
    #[error("it is not claimed")]
    NotClaimed,
    #[error("it is {state}: reopen it first")]
    NotOpen { state: &'static str },
    #[error("it is open")]
    AlreadyOpen,
    #[error("SUPPRESSED takes a reason and a day to end: use suppress")]
    UseSuppress,
    #[error("an earlier request by {by} waits for approval: approve or reject it first")]
    Waiting { by: String },
    #[error("nothing waits for approval")]
    NothingWaits,
    #[error("entry {of} is not what waits for approval, entry {waiting} is: look again")]
    OtherWaits { of: u64, waiting: u64 },
    #[error("you asked for it as {by}: someone else has to approve")]
    SelfApproval { by: String },
    #[error("this takes a person of {roles}: your teams are {yours}")]
    Role { roles: String, yours: String },
    #[error("there is no decision of yours to undo here")]
    NothingToUndo,
    #[error("the last decision here is {by}'s (entry {of}), and only they can undo it: decide anew instead")]
    NotYoursToUndo { by: String, of: u64 },
    #[error("{kind} cannot be decided on {on}")]
    NotOn { kind: &'static str, on: &'static str },
    #[error("{0} is written by the console itself")]
    SystemOnly(&'static str),
}

/// Whether two ARNs are one person, in the sense of the head of this file.
pub fn same_person(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    let (Some(a), Some(b)) = (assumed(a), assumed(b)) else { return false };
    match (is_generated(a.session), is_generated(b.session)) {
        (false, false) => a.session.eq_ignore_ascii_case(b.session),
        // Of an unnamed session only the role is known, so it may be anyone who holds that role.
        _ => a.account == b.account && a.role.eq_ignore_ascii_case(b.role),
    }
}

struct Assumed<'a> {
    account: &'a str,
    role: &'a str,
    session: &'a str,
}

/// The parts of `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
fn assumed(arn: &str) -> Option<Assumed<'_>> {
    let mut parts = arn.splitn(6, ':');
    let service = parts.nth(2)?;
    let account = parts.nth(1)?;
    let (role, session) = parts.next()?.strip_prefix("assumed-role/")?.rsplit_once('/')?;
    (service == "sts").then_some(Assumed { account, role, session })
}

/// Session names that SDKs, services and machines make up.
fn is_generated(session: &str) -> bool {
    let session = session.to_ascii_lowercase();
    let made_up = ["botocore-session-", "aws-sdk-", "aws-cli-", "aws-go-sdk-", "i-", "terraform", "session", "default"];
    // The Go SDK's own are nanoseconds; shorter numbers may be people's.
    let nanoseconds = session.len() > 12 && session.bytes().all(|b| b.is_ascii_digit());
    session.is_empty() || nanoseconds || made_up.iter().any(|p| session.starts_with(p))
}

/// Says whether a decision may be made, and gives it as it is to be written: an acceptance or suppression that needs a
/// second person comes back `pending`.
///
/// # Errors
/// Why not.
pub fn judge(asked: &Asked<'_>, mut decision: Decision, reason: &str) -> Result<Decision, Refusal> {
    limit("reason", reason, LONGEST_TEXT)?;
    fits(asked, &decision)?;
    let Asked { actor, state, now, .. } = *asked;
    let kind = decision.word();
    match &mut decision {
        Decision::Assign { owner, assignee } => assign(asked, owner.as_deref(), assignee.as_deref())?,
        Decision::Claim => {
            if let Some(claim) = &state.claim {
                return Err(if same_person(&claim.by, &actor.arn) {
                    Refusal::NoChange
                } else {
                    Refusal::Claimed { by: person(&claim.by).to_owned(), since: claim.at }
                });
            }
            open(asked)?;
        }
        Decision::Release => match &state.claim {
            None => return Err(Refusal::NotClaimed),
            Some(c) if !same_person(&c.by, &actor.arn) => return Err(Refusal::NotYours { by: person(&c.by).to_owned() }),
            Some(_) => {}
        },
        Decision::Note { text } => {
            limit("note", text, LONGEST_TEXT)?;
            if text.trim().is_empty() {
                return Err(Refusal::BadName { what: "note" });
            }
        }
        Decision::Status { status: Status::Suppressed } => return Err(Refusal::UseSuppress),
        Decision::Status { status } => {
            let same = state.status.or(asked.facts.map(|f| f.status)) == Some(*status);
            if same && state.hold.is_none() {
                return Err(Refusal::NoChange);
            }
        }
        Decision::Verdict { verdict } => changed(state.verdict.as_ref(), verdict)?,
        Decision::Severity { severity } => {
            because(kind, reason)?;
            changed(state.severity.or(asked.facts.map(|f| f.severity)).as_ref(), severity)?;
        }
        Decision::Due { at } => {
            if state.due == *at {
                return Err(Refusal::NoChange);
            }
            if let Some(until) = at.filter(|at| *at <= now) {
                return Err(Refusal::Past { until });
            }
        }
        Decision::Accept { until, pending } => *pending = hold(asked, HoldKind::Accepted, *until, reason)?,
        Decision::Suppress { until, pending } => *pending = hold(asked, HoldKind::Suppressed, *until, reason)?,
        Decision::Approve { of } => approve(asked, *of)?,
        Decision::Reject { of } => {
            let by = waiting(state, *of)?;
            // Whoever asked may take it back; anyone else needs the role that could have approved.
            if !same_person(by, &actor.arn) {
                approver(asked)?;
            }
        }
        Decision::Reopen => {
            let closed = matches!(state.status, Some(Status::Resolved | Status::Suppressed));
            let source =
                state.status.is_none() && asked.facts.is_some_and(|f| matches!(f.status, Status::Resolved | Status::Suppressed));
            if !closed && !source && state.hold.is_none() {
                return Err(Refusal::AlreadyOpen);
            }
        }
        Decision::Undo { of } => match &state.decided {
            Some(d) if *of > 0 && d.sequence == *of && same_person(&d.by, &actor.arn) => {}
            Some(d) if !same_person(&d.by, &actor.arn) => {
                return Err(Refusal::NotYoursToUndo { by: person(&d.by).to_owned(), of: d.sequence });
            }
            _ => return Err(Refusal::NothingToUndo),
        },
        Decision::Expire { of } => {
            if !state.hold.as_ref().is_some_and(|h| h.sequence == *of && h.until <= now) {
                return Err(Refusal::NoChange);
            }
        }
        Decision::Reset { .. } | Decision::Conflict { .. } | Decision::SessionStart { .. } | Decision::SessionEnd { .. } => {}
    }
    Ok(decision)
}

/// The acceptances and suppressions whose time is up: what the sweep writes, as the console itself.
pub fn expired<'a>(
    states: impl Iterator<Item = (&'a Subject, &'a State)>,
    now: Timestamp,
) -> impl Iterator<Item = (&'a Subject, Decision)> {
    states.filter_map(move |(subject, state)| {
        let hold = state.hold.as_ref().filter(|h| h.until <= now)?;
        Some((subject, Decision::Expire { of: hold.sequence }))
    })
}

/// A note as Security Hub takes it: whole where it fits, else cut with a mark that names the entry with the full text.
pub fn delivered_note(text: &str, sequence: u64) -> String {
    if text.chars().count() <= LONGEST_NOTE {
        return text.to_owned();
    }
    let mark = format!("… [cut: ledger entry {sequence}]");
    let room = LONGEST_NOTE.saturating_sub(mark.chars().count());
    text.chars().take(room).collect::<String>() + &mark
}

fn fits(asked: &Asked<'_>, decision: &Decision) -> Result<(), Refusal> {
    let kind = decision.word();
    let system = matches!(decision, Decision::Expire { .. } | Decision::Reset { .. } | Decision::Conflict { .. });
    if system && !asked.actor.is_system() {
        return Err(Refusal::SystemOnly(kind));
    }
    let session = matches!(decision, Decision::SessionStart { .. } | Decision::SessionEnd { .. });
    let (on, ok) = match asked.subject {
        Subject::Finding(_) => ("a finding", !session),
        Subject::Session(_) => ("a session", session || matches!(decision, Decision::Note { .. })),
        Subject::Account(_) | Subject::Resource(_) | Subject::Principal(_) => {
            let owns = matches!(decision, Decision::Assign { .. } | Decision::Note { .. } | Decision::Undo { .. });
            ("an account, a resource or a principal", owns)
        }
    };
    if ok { Ok(()) } else { Err(Refusal::NotOn { kind, on }) }
}

fn assign(asked: &Asked<'_>, owner: Option<&str>, assignee: Option<&str>) -> Result<(), Refusal> {
    let teams = &asked.policy.teams;
    for (what, name) in [("team's name", owner), ("person's name", assignee)] {
        let Some(name) = name else { continue };
        limit(what, name, LONGEST_NAME)?;
        let blank = !name.is_empty() && name.trim().is_empty();
        if blank || name.chars().any(char::is_control) {
            return Err(Refusal::BadName { what });
        }
    }
    if let Some(team) = owner.filter(|o| !o.is_empty() && !teams.is_empty() && !teams.contains_key(*o)) {
        let known = teams.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Refusal::UnknownTeam { team: team.to_owned(), known });
    }
    let same = |new: Option<&str>, old: Option<&str>| new.is_none_or(|n| n == old.unwrap_or_default());
    if same(owner, asked.state.owner.as_deref()) && same(assignee, asked.state.assignee.as_deref()) {
        return Err(Refusal::NoChange);
    }
    Ok(())
}

fn open(asked: &Asked<'_>) -> Result<(), Refusal> {
    let state = asked.state;
    let word = match (&state.hold, state.status.or(asked.facts.map(|f| f.status))) {
        (Some(hold), _) => hold.kind.word(),
        (None, Some(Status::Resolved)) => "resolved",
        (None, Some(Status::Suppressed)) => "suppressed",
        _ => return Ok(()),
    };
    Err(Refusal::NotOpen { state: word })
}

/// Severity for policy: the higher of the source's and the decided one, so that lowering it first gains nothing.
fn weight(asked: &Asked<'_>) -> Severity {
    let source = asked.facts.map_or(Severity::Critical, |f| f.severity);
    asked.state.severity.map_or(source, |s| s.max(source))
}

fn hold(asked: &Asked<'_>, kind: HoldKind, until: Timestamp, reason: &str) -> Result<bool, Refusal> {
    let Asked { policy, state, now, .. } = *asked;
    because(if kind == HoldKind::Accepted { "accept" } else { "suppress" }, reason)?;
    if until <= now {
        return Err(Refusal::Past { until });
    }
    let days = policy.longest_days;
    if until > now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX) {
        return Err(Refusal::TooFar { until, days });
    }
    if let Some(pending) = &state.pending {
        return Err(Refusal::Waiting { by: person(&pending.by).to_owned() });
    }
    if state.hold.as_ref().is_some_and(|h| h.kind == kind && h.until == until && *h.reason == *reason) {
        return Err(Refusal::NoChange);
    }
    role(asked, policy.acceptors(weight(asked)))?;
    Ok(policy.approvers(weight(asked), asked.facts.and_then(|f| f.environment)).is_some())
}

fn waiting(state: &State, of: u64) -> Result<&str, Refusal> {
    match &state.pending {
        None => Err(Refusal::NothingWaits),
        // Asked for without a connection and not merged yet: it has no number to answer to.
        Some(p) if p.sequence == 0 => Err(Refusal::NothingWaits),
        Some(p) if p.sequence != of => Err(Refusal::OtherWaits { of, waiting: p.sequence }),
        Some(p) => Ok(&p.by),
    }
}

fn approve(asked: &Asked<'_>, of: u64) -> Result<(), Refusal> {
    let by = waiting(asked.state, of)?;
    if same_person(by, &asked.actor.arn) || asked.actor.is_system() {
        return Err(Refusal::SelfApproval { by: by.to_owned() });
    }
    if let Some(until) = asked.state.pending.as_ref().map(|p| p.until).filter(|u| *u <= asked.now) {
        return Err(Refusal::Past { until });
    }
    approver(asked)
}

/// Where policy no longer asks for a second person, what already waits still needs someone who may accept.
fn approver(asked: &Asked<'_>) -> Result<(), Refusal> {
    let severity = weight(asked);
    match asked.policy.approvers(severity, asked.facts.and_then(|f| f.environment)) {
        Some([]) => Ok(()),
        Some(roles) => role(asked, roles),
        None => role(asked, asked.policy.acceptors(severity)),
    }
}

fn role(asked: &Asked<'_>, roles: &[Role]) -> Result<(), Refusal> {
    if asked.policy.has_role(asked.actor, roles) {
        return Ok(());
    }
    let mut yours =
        asked.policy.teams_of(&asked.actor.arn).map(|(n, t)| format!("{n} ({})", t.role.word())).collect::<Vec<_>>().join(", ");
    if yours.is_empty() {
        yours = "none".into();
    }
    Err(Refusal::Role { roles: roles.iter().map(|r| r.word()).collect::<Vec<_>>().join(" or "), yours })
}

fn because(kind: &'static str, reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() { Err(Refusal::NoReason(kind)) } else { Ok(()) }
}

fn changed<T: PartialEq>(old: Option<&T>, new: &T) -> Result<(), Refusal> {
    if old == Some(new) { Err(Refusal::NoChange) } else { Ok(()) }
}

fn limit(what: &'static str, text: &str, limit: usize) -> Result<(), Refusal> {
    let length = text.chars().count();
    if length > limit { Err(Refusal::TooLong { what, length, limit }) } else { Ok(()) }
}
