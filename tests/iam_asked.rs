//! Whom a role's trust lets in when somebody from outside is asked about by name: random trusts, against an evaluator by brute
//! force over a model of its own, written from AWS's pages, that tries every value of what is open.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "support/dice.rs"]
mod dice;

use std::collections::{BTreeMap, BTreeSet};

use bartizan::iam::account::Account;
use bartizan::iam::graph::{Graph, Joined};
use bartizan::iam::read::authorization_details;
use dice::Dice;
use serde_json::{Map, Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/r";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";

const ACCOUNT: &str = "888877776666";
const ROOT: &str = "arn:aws:iam::888877776666:root";
const BOB: &str = "arn:aws:iam::888877776666:user/bob";
const DEPLOYER: &str = "arn:aws:iam::888877776666:role/deployer";
const OTHER: &str = "999988887777";
const EVE: &str = "arn:aws:iam::999988887777:user/eve";
const MAIN: &str = "repo:acme/app:ref:refs/heads/main";
const UMBRA: &str = "repo:umbra/app:pull_request";

/// Who is asked about.
const NAMES: [&str; 6] = [ACCOUNT, BOB, DEPLOYER, EVE, MAIN, UMBRA];

/// Those who may stand for the account: one for each way in which somebody of it fits the patterns below.
const ANYBODY: [&str; 5] = [
    BOB,
    DEPLOYER,
    "arn:aws:iam::888877776666:user/zed",
    "arn:aws:iam::888877776666:role/zed",
    "arn:aws:iam::888877776666:role/depot",
];

const ASSUME: &str = "sts:AssumeRole";
const BY_TOKEN: &str = "sts:AssumeRoleWithWebIdentity";

const OF: &str = "aws:PrincipalAccount";
const ARN: &str = "aws:PrincipalArn";
const EXTERNAL_ID: &str = "sts:ExternalId";
const ADDRESS: &str = "aws:SourceIp";
const FACTOR: &str = "aws:MultiFactorAuthPresent";
const TIME: &str = "aws:CurrentTime";
const SUB: &str = "token.actions.githubusercontent.com:sub";
const AUD: &str = "token.actions.githubusercontent.com:aud";

/// A key that is open, and what it may be; none where the request lacks it.
type Open = (&'static str, &'static [Option<&'static str>]);

/// What a caller chooses.
const OF_CALLERS: &[Open] = &[(EXTERNAL_ID, &[None, Some("acme-1"), Some("acme-2"), Some("acme-3"), Some("another")])];
/// What the holder of a token chooses. It has an audience always, and no way to say an external id.
const OF_HOLDERS: &[Open] = &[(AUD, &[Some("sts.amazonaws.com"), Some("https://github.com/acme")])];

/// What is not known of a caller.
const UNKNOWN: &[Open] = &[
    (ADDRESS, &[None, Some("192.0.2.7"), Some("198.51.100.7")]),
    (TIME, &[Some("2030-06-01T00:00:00Z"), Some("2031-06-01T00:00:00Z")]),
    (FACTOR, &[None, Some("true"), Some("false")]),
];
/// The same of the holder of a token, who asks without credentials, which alone tell of a second factor.
const UNKNOWN_OF_HOLDERS: &[Open] = UNKNOWN.split_at(2).0;

/// What statements ask for: a key, by these operators, for these values.
type Ask = (&'static str, &'static [&'static str], &'static [&'static str]);

const ASKS: &[Ask] = &[
    (OF, &["StringEquals", "StringNotEquals", "StringLike"], &[ACCOUNT, OTHER, "8888*"]),
    (
        ARN,
        &["ArnLike", "ArnNotLike", "StringLike"],
        &[
            BOB,
            DEPLOYER,
            "arn:aws:iam::888877776666:*",
            "arn:aws:iam::888877776666:role/*",
            "arn:aws:iam::888877776666:role/dep*",
            "arn:aws:iam::*:user/*",
            "arn:aws:iam::*:role/deployer",
        ],
    ),
    (ARN, &["StringLike"], &["*:role/deployer", "arn:aws:iam::8888*"]),
    (EXTERNAL_ID, &["StringEquals", "StringNotEquals", "StringLike"], &["acme-1", "acme-2", "acme-*"]),
    (ADDRESS, &["IpAddress"], &["192.0.2.0/24"]),
    (FACTOR, &["Bool"], &["true", "false"]),
    (TIME, &["DateLessThan"], &["2031-01-01T00:00:00Z"]),
];

/// Of tokens alone.
const CLAIMS: &[Ask] = &[
    (
        SUB,
        &["StringEquals", "StringLike", "StringNotLike"],
        &[MAIN, "repo:acme/*", "repo:acme/app:*", "repo:umbra/*", "repo:*:pull_request"],
    ),
    (AUD, &["StringEquals"], &["sts.amazonaws.com"]),
];

/// Whom a statement names, as it is written.
#[derive(PartialEq)]
enum Who {
    /// `*`
    Everyone,
    /// `{"AWS": "*"}`
    EveryAws,
    /// An account's digits, its root, a user or a role.
    Aws(&'static str),
    Provider,
}

struct Condition {
    operator: &'static str,
    if_exists: bool,
    key: &'static str,
    values: Vec<&'static str>,
}

struct Statement {
    allow: bool,
    who: Vec<Who>,
    actions: Vec<&'static str>,
    conditions: Vec<Condition>,
}

impl Statement {
    fn written(&self) -> Value {
        let mut asked = json!({});
        for c in &self.conditions {
            let operator = format!("{}{}", c.operator, if c.if_exists { "IfExists" } else { "" });
            asked[operator][c.key] = json!(c.values);
        }
        let effect = if self.allow { "Allow" } else { "Deny" };
        json!({"Effect": effect, "Principal": self.principal(), "Action": self.actions, "Condition": asked})
    }

    fn principal(&self) -> Value {
        let mut all = Map::new();
        for who in &self.who {
            let (kind, name) = match who {
                Who::Everyone => return json!("*"),
                Who::EveryAws => ("AWS", "*"),
                Who::Aws(name) => ("AWS", *name),
                Who::Provider => ("Federated", PROVIDER),
            };
            all.entry(kind).or_insert_with(|| json!([])).as_array_mut().unwrap().push(json!(name));
        }
        all.into()
    }

    fn acts(&self, action: &str) -> bool {
        self.actions.iter().any(|named| like(named, action))
    }

    fn speaks_of(&self, asker: Asker) -> bool {
        self.who.iter().any(|who| match (who, asker) {
            (Who::Everyone, _) | (Who::EveryAws, Asker::Caller(_)) | (Who::Provider, Asker::Holder(_)) => true,
            (Who::Aws(name), Asker::Caller(arn)) => {
                let root = || name.ends_with(":root") && account_of(name) == account_of(arn);
                *name == arn || *name == account_of(arn) || root()
            }
            _ => false,
        })
    }

    fn applies(&self, asker: Asker, keys: &Keys) -> bool {
        self.acts(asker.action()) && self.speaks_of(asker) && self.conditions.iter().all(|c| c.holds(keys))
    }

    /// Whether AWS's pages leave it open what it means to a token: whether `*` lets one in without its provider, whether
    /// `{"AWS": "*"}` speaks of its holder, and whether `aws:PrincipalAccount` and `aws:PrincipalArn` are absent then.
    fn is_unclear(&self) -> bool {
        let wide = self.who.contains(&Who::EveryAws) || self.allow && self.who.contains(&Who::Everyone);
        let needless = |c: &Condition| c.if_exists && !c.is_negated() && [OF, ARN].contains(&c.key);
        self.acts(BY_TOKEN) && (wide || self.conditions.iter().any(needless))
    }
}

impl Condition {
    fn is_negated(&self) -> bool {
        self.operator.contains("Not")
    }

    fn holds(&self, keys: &Keys) -> bool {
        let Some(value) = keys.get(self.key).copied() else { return self.if_exists || self.is_negated() };
        let fits = |wanted: &&str| match self.operator {
            "StringEquals" | "StringNotEquals" | "Bool" => *wanted == value,
            "StringLike" | "StringNotLike" => like(wanted, value),
            "ArnLike" | "ArnNotLike" => wanted.splitn(6, ':').zip(value.splitn(6, ':')).all(|(own, theirs)| like(own, theirs)),
            "IpAddress" => value.starts_with(wanted.strip_suffix("0/24").unwrap()),
            // Both are written alike, so they are in order as texts are.
            "DateLessThan" => value < *wanted,
            other => panic!("{other}"),
        };
        self.values.iter().any(fits) != self.is_negated()
    }
}

/// `*` any text, by trying everything.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_at_checked(1) {
        None => text.is_empty(),
        Some(("*", rest)) => (0..=text.len()).any(|n| like(rest, &text[n..])),
        Some((c, rest)) => text.strip_prefix(c).is_some_and(|text| like(rest, text)),
    }
}

fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap()
}

/// The keys of a request; those not in it are absent.
type Keys = BTreeMap<&'static str, &'static str>;

/// Whether a statement that allows and one that denies ask for the same unknown.
fn asks_twice(policy: &[Statement]) -> bool {
    let asks = |allow: bool, key: &str| policy.iter().any(|s| s.allow == allow && s.conditions.iter().any(|c| c.key == key));
    UNKNOWN.iter().any(|(key, _)| asks(true, key) && asks(false, key))
}

/// Who asks.
#[derive(Clone, Copy)]
enum Asker {
    /// By ARN, with its own account's leave.
    Caller(&'static str),
    /// Of a token with this subject.
    Holder(&'static str),
}

impl Asker {
    fn action(self) -> &'static str {
        match self {
            Self::Caller(_) => ASSUME,
            Self::Holder(_) => BY_TOKEN,
        }
    }
    fn keys(self) -> Keys {
        match self {
            Self::Caller(arn) => Keys::from([(ARN, arn), (OF, account_of(arn))]),
            Self::Holder(subject) => Keys::from([(SUB, subject)]),
        }
    }
    fn chooses(self) -> &'static [Open] {
        match self {
            Self::Caller(_) => OF_CALLERS,
            Self::Holder(_) => OF_HOLDERS,
        }
    }
    fn unknown(self) -> &'static [Open] {
        match self {
            Self::Caller(_) => UNKNOWN,
            Self::Holder(_) => UNKNOWN_OF_HOLDERS,
        }
    }
}

/// The keys with each value of the open ones for which the policy asks.
fn filled(policy: &[Statement], keys: &Keys, open: &[Open]) -> Vec<Keys> {
    let mut all = vec![keys.clone()];
    for (key, values) in open {
        if !policy.iter().flat_map(|s| &s.conditions).any(|c| c.key == *key) {
            continue;
        }
        let with = |keys: &Keys| -> Vec<Keys> {
            values.iter().map(|value| keys.clone().into_iter().chain(value.map(|v| (*key, v))).collect()).collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// Whether somebody is let in: for certain, or under what is not known. What it chooses it chooses once, for all statements; of
/// those that let in one is tried at a time, over all that deny.
fn let_in(policy: &[Statement], asker: Asker) -> Option<bool> {
    let fares = |allow: &Statement, keys: &Keys| {
        let denied = |keys: &Keys| policy.iter().any(|s| !s.allow && s.applies(asker, keys));
        let requests = filled(policy, keys, asker.unknown());
        let outcomes: BTreeSet<bool> = requests.iter().map(|keys| allow.applies(asker, keys) && !denied(keys)).collect();
        outcomes.contains(&true).then(|| !outcomes.contains(&false))
    };
    let choices = filled(policy, &asker.keys(), asker.chooses());
    let mut best = None;
    for allow in policy.iter().filter(|s| s.allow) {
        best = choices.iter().map(|keys| fares(allow, keys)).fold(best, Ord::max);
    }
    best
}

/// An account is let in as the best of those who may stand for it.
fn expected(policy: &[Statement], name: &'static str) -> Option<bool> {
    let askers: Vec<Asker> = match name {
        ACCOUNT => ANYBODY.map(Asker::Caller).to_vec(),
        _ if name.starts_with("arn:") => vec![Asker::Caller(name)],
        _ => vec![Asker::Holder(name)],
    };
    askers.into_iter().filter_map(|asker| let_in(policy, asker)).max()
}

fn found(graph: &Graph<'_>, name: &str) -> Option<bool> {
    let (joined, who) = Joined::alone(graph).calling(name, std::slice::from_ref(graph)).ok()?;
    let legs = joined.steps(who[0], false);
    assert_eq!((who.len(), legs.len()), (1, 1), "{name}");
    Some(legs[0].certain)
}

impl Dice {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
    fn policy(&mut self) -> Vec<Statement> {
        (0..1 + self.roll(3)).map(|_| self.statement()).collect()
    }
    fn statement(&mut self) -> Statement {
        let (allow, told) = (self.roll(4) > 0, self.roll(5) < 2);
        let who = match (told, allow, self.roll(8)) {
            (true, false, 0..4) | (false, true, 0) | (false, false, 0..3) => vec![Who::Everyone],
            (true, true, 0) => vec![Who::Provider, Who::Aws(ACCOUNT)],
            (true, ..) => vec![Who::Provider],
            (false, _, 7) => vec![Who::EveryAws],
            _ => self.callers(),
        };
        let actions = match (self.roll(8), told) {
            (0, _) => vec!["sts:*"],
            (1, _) => vec!["sts:TagSession"],
            (2, true) => vec![BY_TOKEN, "sts:TagSession"],
            (2, false) => vec![ASSUME, "sts:TagSession"],
            (3, false) | (_, true) => vec![BY_TOKEN],
            _ => vec![ASSUME],
        };
        let mut statement = Statement { allow, who, actions, conditions: Vec::new() };
        for _ in 0..self.roll(3) {
            self.ask(&mut statement);
        }
        statement
    }
    fn callers(&mut self) -> Vec<Who> {
        let names = [ACCOUNT, ROOT, BOB, DEPLOYER, OTHER];
        let (first, second) = (self.pick(&names), self.pick(&names));
        let mut who = vec![Who::Aws(first)];
        if first != second && self.roll(4) == 0 {
            who.push(Who::Aws(second));
        }
        who
    }
    /// One more condition, but where the statement has one like it. Claims only where callers are not meant: whether a session
    /// that began with a token carries them on, AWS's pages do not say.
    fn ask(&mut self, statement: &mut Statement) {
        let claims = !statement.acts(ASSUME) && self.roll(4) > 0;
        let (key, operators, values) = self.pick(if claims { CLAIMS } else { ASKS });
        let (operator, if_exists) = (self.pick(operators), self.roll(6) == 0);
        let mut values = vec![self.pick(values), self.pick(values)];
        // Of what is not known one thing is asked at a time.
        let unknown = UNKNOWN.iter().any(|(open, _)| *open == key);
        if unknown || values[0] == values[1] || self.roll(4) > 0 {
            values.truncate(1);
        }
        let like_it = |c: &Condition| c.key == key && (unknown || c.operator == operator && c.if_exists == if_exists);
        if !statement.conditions.iter().any(like_it) {
            statement.conditions.push(Condition { operator, if_exists, key, values });
        }
    }
}

#[test]
fn random_trusts_agree_with_an_evaluator_by_brute_force() {
    let mut dice = Dice(0x5eed_a5ed);
    let mut wrong = Vec::new();
    let mut told: BTreeMap<(&str, Option<bool>), usize> = BTreeMap::new();
    for round in 0..3_000 {
        let policy = dice.policy();
        let trust = json!({"Version": "2012-10-17", "Statement": policy.iter().map(Statement::written).collect::<Vec<_>>()});
        let details = json!({"RoleDetailList": [{"RoleName": "r", "Path": "/", "Arn": ROLE, "AssumeRolePolicyDocument": trust}]});
        let account = Account::read(&authorization_details(&details.to_string()).unwrap());
        assert_eq!(account.problems, []);
        let graph = Graph::new(&account);
        let unclear = policy.iter().any(Statement::is_unclear);
        for name in NAMES {
            if unclear && [MAIN, UMBRA].contains(&name) {
                continue;
            }
            let (expected, found) = (expected(&policy, name), found(&graph, name));
            *told.entry((name, expected)).or_default() += 1;
            // What is not known is judged at each condition by itself: where two ask for the same, that stays open.
            let open = found == Some(false) && asks_twice(&policy);
            if expected != found && !open {
                wrong.push(format!("round {round}: {name} is expected {expected:?} and found {found:?}: {trust}"));
            }
        }
    }
    let first: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} answers differ, the first of them:\n{}", wrong.len(), first.join("\n"));
    for name in NAMES {
        for outcome in [None, Some(false), Some(true)] {
            assert!(told.get(&(name, outcome)).is_some_and(|n| *n > 50), "{name} {outcome:?}: {told:?}");
        }
    }
}
