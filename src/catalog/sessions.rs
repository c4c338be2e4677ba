//! The listing of sessions on nodes: those that AWS remembers and those that the ledger holds, as one.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::catalog::nodes::name_of;
use crate::catalog::{Facts, Names, Spec, Subject, Value, spec};
use crate::listing::schema::Kind;
use crate::model::decision::person;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::node::Session;
use crate::triage::sessions::{Ended, History, LEFT, Told};

pub struct Sessions;

/// AWS ends a session that nobody uses within this many seconds, whatever its idle timeout is.
const IDLE: i64 = 3600;

/// A session with what each side knows of it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub id: &'a str,
    /// Where it is, and what AWS remembers.
    pub aws: Option<(&'a RegionEstate, &'a Session)>,
    /// What the ledger holds.
    pub told: Option<&'a Told>,
    pub account_name: &'a str,
    /// What people call the node.
    pub name: &'a str,
    /// The word for its recording; empty where there is none.
    pub recording: &'static str,
    /// Nobody has it open, and it can be taken up on this machine if AWS still has it.
    pub left: bool,
    /// AWS was asked long enough after its last end, and knows nothing of it.
    pub forgotten: bool,
}

impl<'a> Row<'a> {
    fn session(&self) -> Option<&'a Session> {
        self.aws.map(|(_, session)| session)
    }
    /// How it ended, as the ledger has it.
    pub fn end(&self) -> Option<&'a Ended> {
        self.told.and_then(|told| told.end.as_ref())
    }
    /// AWS's text, else the ledger's.
    fn either(&self, aws: fn(&'a Session) -> &'a str, told: fn(&'a Told) -> &'a str) -> &'a str {
        let first = self.session().map_or("", aws);
        if first.is_empty() { self.told.map_or("", told) } else { first }
    }
    pub fn account(&self) -> &'a str {
        self.aws.map_or_else(|| self.told.map_or("", |told| &told.account), |(region, _)| &region.account)
    }
    pub fn region(&self) -> &'a str {
        self.aws.map_or_else(|| self.told.map_or("", |told| &told.region), |(region, _)| &region.region)
    }
    /// The node's id.
    pub fn node(&self) -> &'a str {
        self.either(|s| &s.target, |t| &t.node)
    }
    /// The ARN of who opened it.
    pub fn who(&self) -> &'a str {
        self.either(|s| &s.owner, |t| &t.actor)
    }
    pub fn reason(&self) -> &'a str {
        self.either(|s| &s.reason, |t| &t.reason)
    }
    pub fn document(&self) -> &'a str {
        self.either(|s| &s.document_name, |t| &t.document)
    }
    /// The ledger's end is newer than what AWS said at the last sweep, but one that was left running is no end before AWS says so.
    pub fn status(&self) -> &'a str {
        let said = self.session().map_or("", |session| session.status.as_str());
        let over = matches!(said, "Terminated" | "Terminating" | "Failed");
        match self.end() {
            Some(end) if end.outcome != LEFT => "Ended",
            _ if over => said,
            Some(_) if self.forgotten => "Ended",
            Some(_) => "Left",
            None if self.left => "Left",
            None if !said.is_empty() => said,
            None => "Open",
        }
    }
    /// Whether either side says that it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.status(), "Ended" | "Terminated" | "Terminating" | "Failed")
    }
    /// When it began.
    pub fn began(&self) -> Option<Timestamp> {
        self.session().and_then(|s| s.start_date).or(self.told.map(|told| told.began))
    }
    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.end().map(|end| end.at).or(self.session().and_then(|s| s.end_date))
    }
    /// Whether somebody may go on with it here.
    pub fn is_left(&self) -> bool {
        self.left && self.status() == "Left"
    }
    /// What it was: as the ledger says, else as the document tells.
    pub fn mode(&self) -> &'a str {
        match (self.told, self.document()) {
            (Some(told), _) => &told.mode,
            (None, document) if document.contains("PortForwarding") => "forward",
            (None, document) if document.contains("SSH") => "proxy",
            (None, document) if document.contains("Command") => "command",
            _ => "shell",
        }
    }
    /// How long it took, in seconds; none while it runs.
    fn seconds(&self) -> Option<i64> {
        if let Some(end) = self.end() {
            return i64::try_from(end.seconds).ok();
        }
        let session = self.session()?;
        Some(session.end_date?.as_second() - session.start_date?.as_second())
    }
}

fn bytes(n: u64) -> Value<'static> {
    Value::Number(i64::try_from(n).unwrap_or(i64::MAX))
}

impl Subject for Sessions {
    type Row<'a> = Row<'a>;
    const NAMES: Names = Names { name: "sessions", title: "Sessions", one: "session", many: "sessions" };
    const SORT: &'static str = "started";
    const GROUPS: &'static [&'static str] = &["who", "account_name", "status", "name", "kind", "outcome", "recording", "source"];
    const EMPTY: &'static str = "No sessions: neither in what AWS still remembers (30 days) nor in the ledger. o on a node, a \
                                 finding or an interface opens one.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<Row<'a>>> {
        let spec = spec::<Row<'a>>;
        vec![
            spec("id", "SESSION", Kind::Text, 26, "The session's id", |r| Value::text(r.id)).hidden(),
            spec(
                "status",
                "STATUS",
                Kind::Keyword,
                10,
                "Connected, Terminated, …; Ended, Open and Left as the ledger says",
                |r| Value::text(r.status()),
            ),
            spec("started", "STARTED", Kind::Age, 8, "How long since it began", |r| Value::time(r.began())),
            spec("who", "WHO", Kind::Keyword, 12, "Who opened it, by the name of the session or user", |r| {
                Value::text(person(r.who()))
            }),
            spec("name", "NODE", Kind::Keyword, 16, "The node's name", |r| Value::text(r.name)),
            spec("recording", "RECORDING", Kind::Keyword, 9, "intact or changed against the ledger; elsewhere; unsealed", |r| {
                Value::text(r.recording)
            }),
            spec("reason", "REASON", Kind::Text, 12, "Why it was opened", |r| Value::text(r.reason())).grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("kind", "KIND", Kind::Keyword, 7, "shell, command, forward or proxy", |r| Value::text(r.mode())),
            spec("seconds", "SECONDS", Kind::Number, 8, "How long it took", |r| r.seconds().map_or(Value::None, Value::Number)),
            spec("bytes", "BYTES", Kind::Number, 11, "What it carried both ways; only the ledger knows", |r| {
                r.end().map_or(Value::None, |end| bytes(end.received.saturating_add(end.sent)))
            }),
            spec("outcome", "OUTCOME", Kind::Keyword, 10, "ended, lost, terminated, failed or left, as the ledger says", |r| {
                r.end().map_or(Value::None, |end| Value::text(&*end.outcome))
            }),
            spec("source", "FROM", Kind::Set, 11, "Who tells of it: AWS, the ledger or both", |r| {
                Value::set([(r.aws.is_some(), "AWS"), (r.told.is_some(), "ledger")].into_iter().filter(|s| s.0).map(|s| s.1))
            }),
            spec("said", "SAID", Kind::Text, 20, "What was said at its end", |r| {
                r.end().map_or(Value::None, |end| Value::text(&*end.said))
            })
            .hidden(),
            spec("received", "RECEIVED", Kind::Number, 11, "Bytes from the node", |r| {
                r.end().map_or(Value::None, |end| bytes(end.received))
            })
            .hidden(),
            spec("sent", "SENT", Kind::Number, 9, "Bytes to the node", |r| r.end().map_or(Value::None, |end| bytes(end.sent)))
                .hidden(),
            spec("node", "NODE ID", Kind::Keyword, 19, "The node it runs on", |r| Value::text(r.node())).hidden(),
            spec("actor", "ACTOR", Kind::Keyword, 30, "The ARN of who opened it", |r| Value::text(r.who())).hidden(),
            spec(
                "here",
                "TAKE UP",
                Kind::Keyword,
                7,
                "here, where it was left running and can be taken up on this machine",
                |r| Value::text(if r.is_left() { "here" } else { "" }),
            )
            .hidden(),
            spec("host", "HOST", Kind::Keyword, 12, "The machine it was opened on", |r| {
                r.told.map_or(Value::None, |told| Value::text(&*told.host))
            })
            .hidden(),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(r.region())).hidden(),
            spec("detail", "DETAIL", Kind::Text, 20, "The command, or where a forward leads", |r| {
                r.told.map_or(Value::None, |told| Value::text(&*told.detail))
            })
            .hidden(),
            spec("document", "DOCUMENT", Kind::Keyword, 24, "The session document", |r| Value::text(r.document())).hidden(),
            spec("ended", "ENDED", Kind::Time, 16, "When it ended (UTC)", |r| Value::time(r.ended())).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(r.account()))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Row<'a>)) {
        each_row(&facts.estate, &facts.history, each);
    }
}

/// Every session that either side knows, by its id.
pub fn each_row<'a>(estate: &'a Estate, history: &'a History, each: &mut dyn FnMut(&str, &Row<'a>)) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for region in &estate.regions {
        for node in &region.nodes {
            let instance = region.network.instances.iter().find(|i| i.instance_id == node.instance_id);
            names.insert(&node.instance_id, name_of(node, instance));
        }
    }
    let mut rows: BTreeMap<&str, Row<'a>> = BTreeMap::new();
    let row =
        |id: &'a str| Row { id, aws: None, told: None, account_name: "", name: "", recording: "", left: false, forgotten: false };
    for region in &estate.regions {
        for session in &region.sessions {
            rows.entry(&session.session_id).or_insert_with(|| row(&session.session_id)).aws = Some((region, session));
        }
    }
    for (id, told) in history.iter() {
        rows.entry(id).or_insert_with(|| row(id)).told = Some(told);
    }
    for (id, mut row) in rows {
        row.account_name = estate.account_label(row.account());
        row.name = names.get(row.node()).copied().filter(|name| !name.is_empty()).unwrap_or(row.node());
        row.recording = history.recording(id);
        row.left = history.is_left(id);
        let since = |end: &Ended| estate.collected.is_some_and(|at| at.as_second() > end.at.as_second() + IDLE);
        row.forgotten = row.aws.is_none() && row.end().is_some_and(since);
        each(id, &row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decision::{Actor, Decision, Draft, Entry, EntryId, Hash, Subject as About};

    fn entry(sequence: u64, decision: Decision) -> Entry {
        let actor = Actor { arn: "arn:aws:iam::111122223333:user/jo".into(), os_user: "jo".into(), host: "h".into() };
        let (subject, reason) = (About::Session("jo-0a1".into()), String::new());
        let draft = Draft { id: EntryId([1; 16]), at: Timestamp::UNIX_EPOCH, actor, subject, decision, reason };
        Entry { sequence, draft, previous: Hash::ZERO, hash: Hash::ZERO }
    }

    /// The state of a session that ended so (or has no end), that AWS tells so (or does not know, asked so many seconds after),
    /// and that may be taken up here.
    fn status(outcome: Option<&str>, aws: Result<&str, i64>, left: bool) -> String {
        let mut history = History::default();
        let (node, account, region, mode) = ("i-1".into(), "111122223333".into(), "eu-west-1".into(), "shell".into());
        let (detail, document) = (String::new(), String::new());
        history.take(&entry(1, Decision::SessionStart { node, account, region, mode, detail, document, finding: None }));
        if let Some(outcome) = outcome {
            let (outcome, said) = (outcome.into(), String::new());
            history.take(&entry(2, Decision::SessionEnd { outcome, recording: None, seconds: 1, received: 0, sent: 0, said }));
        }
        if left {
            history.leave(["jo-0a1".to_owned()].into());
        }
        let mut estate = Estate::default();
        match aws {
            Ok(status) => {
                let session = Session { session_id: "jo-0a1".into(), status: status.into(), ..Session::default() };
                estate.region_mut("111122223333", "eu-west-1").sessions = vec![session];
            }
            Err(after) => estate.collected = Timestamp::from_second(after).ok(),
        }
        let mut found = String::new();
        each_row(&estate, &history, &mut |_, row| {
            found = format!("{}{}", row.status(), if row.is_left() { " here" } else { "" });
        });
        found
    }

    #[test]
    fn a_session_that_was_left_is_so_until_aws_or_the_ledger_says_otherwise() {
        for (outcome, aws, left, expected) in [
            (Some("left"), Ok("Connected"), true, "Left here"),
            (Some("left"), Ok("Connected"), false, "Left"),
            (Some("left"), Ok("Terminated"), true, "Terminated"),
            (Some("left"), Err(60), false, "Left"),
            (Some("left"), Err(7200), true, "Ended"),
            (Some("ended"), Ok("Connected"), true, "Ended"),
            (None, Ok("Disconnected"), true, "Left here"),
            (None, Ok("Connected"), false, "Connected"),
            (None, Ok("Terminated"), true, "Terminated"),
            (None, Err(0), false, "Open"),
        ] {
            assert_eq!(status(outcome, aws, left), expected, "{outcome:?} {aws:?} {left}");
        }
    }
}
