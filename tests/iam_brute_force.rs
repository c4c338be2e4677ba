//! An evaluator by brute force, written only from the documentation's words over plain JSON, against the compiled one:
//! 100,000 random policy sets over a small universe of actions, resources and contexts, from a fixed seed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use bartizan::iam::evaluate::{
    ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, ResourcePolicy, decide,
};
use bartizan::iam::policy::Policy;
use bartizan::iam::sets::Set;
use serde_json::{Value, json};

#[path = "support/dice.rs"]
mod dice;

use dice::Dice;

impl Dice {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
    fn some(&mut self, from: &[&str]) -> Value {
        let n = 1 + self.roll(2);
        (0..n).map(|_| self.pick(from)).collect::<Vec<_>>().into()
    }
}

const ACTIONS: &[&str] = &["s:A", "s:B", "s:AB", "t:A"];
const ACTION_PATTERNS: &[&str] = &["*", "s:*", "S:a", "s:?", "t:*", "s:A*", "*:A", "s:B", "t:b", " s:A"];
const RESOURCES: &[&str] = &["arn:aws:s:r:111122223333:x", "arn:aws:s:r:111122223333:x/y", "arn:aws:s:r:444455556666:x"];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:s:*:*:x*",
    "arn:aws:s:r:111122223333:x",
    "arn:aws:s:r:*:?",
    "arn:aws:s",
    "arn:aws:*:x",
    "arn:aws:s:r:111122223333:x/${k1}",
];
const KEYS: &[&str] = &["k1", "k2"];
const VALUES: &[&str] = &["y", "b"];
const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIfExists",
    "StringNotEqualsIfExists",
    "ForAnyValue:StringEquals",
    "ForAllValues:StringEquals",
    "ForAnyValue:StringNotLike",
    "ForAllValues:StringNotEquals",
    "Null",
];
const PRINCIPALS: &[&str] = &[
    "*",
    "111122223333",
    "arn:aws:iam::111122223333:user/u",
    "arn:aws:iam::111122223333:role/r",
    "arn:aws:sts::111122223333:assumed-role/r/s",
    "444455556666",
];
const CALLERS: &[&str] =
    &["arn:aws:iam::111122223333:user/u", "arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:iam::444455556666:user/v", "*"];

fn statement(dice: &mut Dice, with_principal: bool) -> Value {
    let mut s = json!({"Effect": if dice.roll(4) == 0 { "Deny" } else { "Allow" }});
    s[if dice.roll(6) == 0 { "NotAction" } else { "Action" }] = dice.some(ACTION_PATTERNS);
    s[if dice.roll(6) == 0 { "NotResource" } else { "Resource" }] = dice.some(RESOURCE_PATTERNS);
    if with_principal {
        s["Principal"] = json!({"AWS": dice.some(PRINCIPALS)});
    }
    if dice.roll(3) == 0 {
        let operator = dice.pick(OPERATORS);
        let values =
            if operator == "Null" { json!(dice.pick(&["true", "false"])) } else { dice.some(&["y", "b", "*", "?", "${k2}"]) };
        s["Condition"] = json!({operator: {dice.pick(KEYS): values}});
    }
    s
}

fn policy(dice: &mut Dice, with_principal: bool) -> Value {
    let statements: Vec<Value> = (0..1 + dice.roll(3)).map(|_| statement(dice, with_principal)).collect();
    json!({"Version": if dice.roll(8) == 0 { "2008-10-17" } else { "2012-10-17" }, "Statement": statements})
}

type Keys = BTreeMap<&'static str, Vec<String>>;

/// `*` any text, `?` any one character, by trying everything.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|n| glob(rest, &text[n..])),
        Some(('?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    glob(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

/// The value with its variable replaced; none where the key has no one value. Values here hold no wildcards.
fn fill(value: &str, keys: &Keys, old: bool) -> Option<String> {
    let mut value = value.to_owned();
    for key in KEYS {
        let variable = format!("${{{key}}}");
        if !old && value.contains(&variable) {
            let [one] = keys.get(key)?.as_slice() else { return None };
            value = value.replace(&variable, one);
        }
    }
    Some(value)
}

fn arn_like(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut own: Vec<&str> = pattern.splitn(6, ':').collect();
    while own.len() < 6 {
        own.push("*");
    }
    let theirs: Vec<&str> = arn.splitn(6, ':').collect();
    theirs.len() == 6 && own.iter().zip(&theirs).all(|(o, t)| like(o, t))
}

fn texts(v: &Value) -> Vec<&str> {
    v.as_array().map_or_else(|| v.as_str().into_iter().collect(), |a| a.iter().filter_map(Value::as_str).collect())
}

fn condition(operator: &str, wanted: &[&str], values: Option<&Vec<String>>, keys: &Keys, old: bool) -> bool {
    if operator == "Null" {
        return wanted.iter().any(|w| (*w == "true") == values.is_none());
    }
    let (set, rest) = operator.split_once(':').map_or(("", operator), |(s, r)| (s, r));
    let base = rest.trim_end_matches("IfExists");
    let negated = base.contains("Not");
    let Some(values) = values else {
        return match set {
            "ForAllValues" => true,
            "ForAnyValue" => false,
            _ => rest.ends_with("IfExists") || negated,
        };
    };
    let one = |v: &String| {
        let hit =
            wanted.iter().filter_map(|w| fill(w, keys, old)).any(|w| if base.ends_with("Like") { like(&w, v) } else { w == *v });
        hit != negated
    };
    match set {
        "ForAllValues" => values.iter().all(one),
        "ForAnyValue" => values.iter().any(one),
        _ if negated => values.iter().all(one),
        _ => values.iter().any(one),
    }
}

/// Whether a statement applies, but for its principal.
fn applies(s: &Value, action: &str, resource: &str, keys: &Keys, old: bool) -> bool {
    let named = |list: &Value| texts(list).iter().any(|p| like(&p.to_lowercase(), &action.to_lowercase()));
    let acts = s.get("Action").map(named).unwrap_or_else(|| !named(&s["NotAction"]));
    let covered = |list: &Value| texts(list).iter().filter_map(|p| fill(p, keys, old)).any(|p| arn_like(&p, resource));
    let covers = s.get("Resource").map(covered).unwrap_or_else(|| !covered(&s["NotResource"]));
    let holds = s.get("Condition").and_then(Value::as_object).is_none_or(|block| {
        block.iter().all(|(op, of)| {
            of.as_object().unwrap().iter().all(|(key, wanted)| condition(op, &texts(wanted), keys.get(key.as_str()), keys, old))
        })
    });
    acts && covers && holds
}

fn any(policies: &[Value], effect: &str, action: &str, resource: &str, keys: &Keys) -> bool {
    policies.iter().any(|p| {
        let old = p["Version"] == "2008-10-17";
        p["Statement"].as_array().unwrap().iter().any(|s| s["Effect"] == effect && applies(s, action, resource, keys, old))
    })
}

#[derive(Default)]
struct Case {
    identity: Vec<Value>,
    boundary: Option<Value>,
    session: Option<Value>,
    scps: Vec<Vec<Value>>,
    resource: Option<Value>,
}

/// Allowed, denied explicitly or implicitly, in the order of AWS's page.
fn brute(case: &Case, caller: &str, action: &str, resource: &str, keys: &Keys) -> Decision {
    let ask = |p: &[Value], effect| any(p, effect, action, resource, keys);
    let slice = |p: &Option<Value>| p.iter().cloned().collect::<Vec<_>>();
    let (boundary, session, own) = (slice(&case.boundary), slice(&case.session), slice(&case.resource));
    let known = caller != "*";
    let account = if caller.contains("111122223333") { "111122223333" } else { "444455556666" };
    let names: Vec<(&str, u8)> = match caller {
        "*" => vec![("*", 0)],
        c if c.contains("assumed-role") => vec![("*", 0), (c, 0), ("arn:aws:iam::111122223333:role/r", 1), (account, 2)],
        c => vec![("*", 0), (c, 0), (account, 2)],
    };
    let speaks = |s: &Value, most: u8| {
        texts(&s["Principal"]["AWS"]).iter().any(|p| names.iter().any(|(n, reach)| n == p && *reach <= most))
    };
    let of_resource = |effect: &str, least: u8, most: u8| {
        own.iter().any(|p| {
            let old = p["Version"] == "2008-10-17";
            p["Statement"].as_array().unwrap().iter().any(|s| {
                s["Effect"] == effect
                    && speaks(s, most)
                    && (least == 0 || !speaks(s, least - 1))
                    && applies(s, action, resource, keys, old)
            })
        })
    };
    let mut denied = of_resource("Deny", 0, 2);
    if known {
        denied |= ask(&case.identity, "Deny")
            || ask(&boundary, "Deny")
            || ask(&session, "Deny")
            || case.scps.iter().any(|l| ask(l, "Deny"));
    }
    if denied {
        return Decision::Denied { explicit: true };
    }
    let no = Decision::Denied { explicit: false };
    if !known {
        return if of_resource("Allow", 0, 0) { Decision::Allowed } else { no };
    }
    if !case.scps.iter().all(|l| ask(l, "Allow")) {
        return no;
    }
    let limits = (boundary.is_empty() || ask(&boundary, "Allow")) && (session.is_empty() || ask(&session, "Allow"));
    let mine = ask(&case.identity, "Allow") && limits;
    // A role session stays within its session policies, whomever the resource names.
    let within = !caller.contains("role/") || session.is_empty() || ask(&session, "Allow");
    let allowed = if resource.contains(account) {
        mine || of_resource("Allow", 0, 0) && within || of_resource("Allow", 1, 1) && limits
    } else {
        mine && of_resource("Allow", 0, 2)
    };
    if allowed { Decision::Allowed } else { no }
}

fn compile(v: &Value) -> Compiled {
    Compiled::new("p", "", Policy::read(&v.to_string()).unwrap())
}

/// All of them without debug assertions (`cargo test --release --test iam_brute_force`), where an evaluation takes a tenth of
/// the time; `BARTIZAN_SETS` says another number.
fn sets() -> u64 {
    let asked = std::env::var("BARTIZAN_SETS").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 5_000 } else { 100_000 })
}

#[test]
fn agrees_on_random_policy_sets() {
    let mut dice = Dice(0x5eed_ba47_1234_0001);
    let callers: Vec<Caller> = CALLERS.iter().map(|c| Caller::new(c)).collect();
    let actions: Vec<ActionName> = ACTIONS.iter().map(|a| ActionName::new(a)).collect();
    let resources: Vec<Resource> = RESOURCES.iter().map(|r| Resource::new(r)).collect();
    let mut seen = [0u64; 4];
    let sets = sets();
    for n in 0..sets {
        let mut case = Case { identity: (0..dice.roll(3)).map(|_| policy(&mut dice, false)).collect(), ..Case::default() };
        case.boundary = (dice.roll(3) == 0).then(|| policy(&mut dice, false));
        case.session = (dice.roll(4) == 0).then(|| policy(&mut dice, false));
        case.scps = (0..dice.roll(3)).map(|_| (0..1 + dice.roll(2)).map(|_| policy(&mut dice, false)).collect()).collect();
        case.resource = (dice.roll(2) == 0).then(|| policy(&mut dice, true));

        let identity: Vec<Compiled> = case.identity.iter().map(compile).collect();
        let identity: Vec<&Compiled> = identity.iter().collect();
        let boundary = case.boundary.as_ref().map(compile);
        let session: Option<Compiled> = case.session.as_ref().map(compile);
        let session: Option<Vec<&Compiled>> = session.as_ref().map(|s| vec![s]);
        let scps: Vec<Vec<Compiled>> = case.scps.iter().map(|l| l.iter().map(compile).collect()).collect();
        let scps: Vec<Vec<&Compiled>> = scps.iter().map(|l| l.iter().collect()).collect();
        let own = case.resource.as_ref().map(compile);
        let layers = Layers {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_deref(),
            scps: &scps,
            resource: own.as_ref().map_or(ResourcePolicy::None, ResourcePolicy::Is),
            ..Layers::default()
        };
        for _ in 0..6 {
            let (c, a, r) = (dice.roll(callers.len()), dice.roll(actions.len()), dice.roll(resources.len()));
            // Boundary and session policies are not of the anonymous.
            if CALLERS[c] == "*" && (case.boundary.is_some() || case.session.is_some()) {
                continue;
            }
            let ask = |context: &Context| {
                decide(&Request { caller: &callers[c], action: &actions[a], resource: &resources[r], context }, &layers)
            };
            let truth = |keys: &Keys| brute(&case, CALLERS[c], ACTIONS[a], RESOURCES[r], keys);
            // Every key absent, one value or two; or not known, when the answer must hold for all of these.
            let states: [Option<&[&str]>; 4] = [None, Some(&[VALUES[0]]), Some(&[VALUES[1]]), Some(VALUES)];
            let unknown = [dice.roll(3) == 0, dice.roll(3) == 0];
            let fixed = [dice.roll(4), dice.roll(4)];
            let mut open = Context::new();
            let mut outcomes = Vec::new();
            for first in 0..4 {
                for second in 0..4 {
                    let at = [first, second];
                    if (0..2).any(|k| !unknown[k] && at[k] != fixed[k]) {
                        continue;
                    }
                    let mut keys = Keys::new();
                    let mut context = Context::complete();
                    for k in 0..2 {
                        if let Some(values) = states[at[k]] {
                            keys.insert(KEYS[k], values.iter().map(|v| (*v).to_owned()).collect());
                            context.set(KEYS[k], values.iter().copied());
                        }
                    }
                    let expected = truth(&keys);
                    assert_eq!(
                        ask(&context),
                        expected,
                        "set {n}: {} {} {} {keys:?}\nidentity {}\nboundary {:?}\nsession {:?}\nscps {:?}\nresource {:?}",
                        CALLERS[c],
                        ACTIONS[a],
                        RESOURCES[r],
                        json!(case.identity),
                        case.boundary,
                        case.session,
                        case.scps,
                        case.resource
                    );
                    outcomes.push(expected);
                }
            }
            for k in (0..2).filter(|k| !unknown[*k]) {
                open.set(KEYS[k], states[fixed[k]].unwrap_or_default().iter().copied());
            }
            let answer = ask(&open);
            let allowed = |d: &Decision| *d == Decision::Allowed;
            match answer {
                Decision::Depends => seen[3] += 1,
                Decision::Allowed => {
                    seen[0] += 1;
                    assert!(outcomes.iter().all(allowed), "set {n}: said allowed, and is not always");
                }
                Decision::Denied { explicit } => {
                    seen[1 + usize::from(explicit)] += 1;
                    assert!(!outcomes.iter().any(allowed), "set {n}: said denied, and is not always");
                }
            }
        }
    }
    // Every outcome must have come up often, or the test tests nothing.
    assert!(seen.iter().all(|n| *n > sets / 20), "{seen:?}");
}

#[test]
fn sets_agree_with_membership() {
    let mut dice = Dice(0x5eed_ba47_1234_0002);
    let patterns = ["*", "s:*", "s:a*", "s:?", "*b", "s:*b*", "?:a", "s:ab", "*:*"];
    let alphabet = ['s', ':', 'a', 'b', 'x'];
    // Every text of up to five letters.
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for _ in 0..5 {
        last = last.iter().flat_map(|t| alphabet.iter().map(move |c| format!("{t}{c}"))).collect();
        texts.extend(last.iter().cloned());
    }
    let mut differ = 0;
    for _ in 0..300 {
        let mut side = || {
            let (a, b, c) = (dice.pick(&patterns), dice.pick(&patterns), dice.pick(&patterns));
            let set = Set::union([Set::action(a), Set::action(b)]).minus(&Set::action(c));
            (set, move |t: &str| (like(a, t) || like(b, t)) && !like(c, t))
        };
        let ((left, in_left), (right, in_right)) = (side(), side());
        for t in texts.iter().step_by(7) {
            assert_eq!(left.contains(t), in_left(t), "{t}");
        }
        let inside = texts.iter().filter(|t| in_right(t)).all(|t| in_left(t));
        assert_eq!(left.covers(&right).unwrap(), inside);
        let apart = !texts.iter().any(|t| in_left(t) && in_right(t));
        assert_eq!(!left.overlaps(&right).unwrap(), apart);
        if let Some(witness) = right.minus(&left).witness().unwrap() {
            differ += 1;
            assert!(in_right(&witness) && !in_left(&witness), "{witness}");
        }
    }
    assert!(differ > 50);
}

/// What one value of a request is to one value of a policy, by the operator's name without its prefix and suffix.
type Hit = fn(&str, &str, &str) -> bool;

/// A kind of operators over a small universe: their names, values of policies, values of requests.
struct Kind {
    key: &'static str,
    operators: &'static [&'static str],
    wanted: &'static [&'static str],
    given: &'static [&'static str],
    hit: Hit,
}

fn ordered(operator: &str, given: f64, wanted: f64) -> bool {
    if operator.contains("LessThanEquals") {
        given <= wanted
    } else if operator.contains("LessThan") {
        given < wanted
    } else if operator.contains("GreaterThanEquals") {
        given >= wanted
    } else if operator.contains("GreaterThan") {
        given > wanted
    } else {
        given == wanted
    }
}

/// Seconds since 1970 of the times that stand in the universe, worked out by hand.
fn seconds(time: &str) -> f64 {
    match time {
        "2020-01-01T00:00:00Z" | "1577836800" | "2020-01-01T01:00:00+01:00" => 1_577_836_800.0,
        "2020-01-02T00:00:00Z" | "1577923200" => 1_577_923_200.0,
        other => panic!("{other}"),
    }
}

/// The address as a number with its family, and the bits that count.
fn address(text: &str) -> (bool, u128, u32) {
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b.parse::<u32>().unwrap())));
    if address.contains(':') {
        let (head, tail) = address.split_once("::").unwrap();
        let groups = |part: &str| {
            part.split(':').filter(|g| !g.is_empty()).map(|g| u128::from_str_radix(g, 16).unwrap()).collect::<Vec<_>>()
        };
        let (head, tail) = (groups(head), groups(tail));
        let zeros = 8 - head.len() - tail.len();
        let all = head.into_iter().chain(std::iter::repeat_n(0, zeros)).chain(tail);
        return (true, all.fold(0, |n, g| n << 16 | g), bits.unwrap_or(128));
    }
    (false, address.split('.').fold(0, |n, part| n << 8 | part.parse::<u128>().unwrap()), bits.unwrap_or(32))
}

const KINDS: &[Kind] = &[
    Kind {
        key: "k:number",
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        wanted: &["1", "2", "2.0", "-1"],
        given: &["0", "1", "2", "1.5", "-1"],
        hit: |operator, given, wanted| ordered(operator, given.parse().unwrap(), wanted.parse().unwrap()),
    },
    Kind {
        key: "k:time",
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        wanted: &["2020-01-01T00:00:00Z", "1577923200"],
        given: &["2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2020-01-02T00:00:00Z", "1577836800"],
        hit: |operator, given, wanted| ordered(operator, seconds(given), seconds(wanted)),
    },
    Kind {
        key: "k:flag",
        operators: &["Bool"],
        wanted: &["true", "false", "TRUE"],
        given: &["true", "false", "True"],
        hit: |_, given, wanted| given.eq_ignore_ascii_case(wanted),
    },
    Kind {
        key: "k:address",
        operators: &["IpAddress", "NotIpAddress"],
        wanted: &["203.0.113.0/24", "203.0.113.9", "0.0.0.0/0", "2001:db8::/32", "10.0.0.128/25"],
        given: &["203.0.113.9", "203.0.114.9", "10.0.0.127", "10.0.0.200", "2001:db8::1", "2001:db9::1"],
        hit: |_, given, wanted| {
            let ((six, own, _), (other, network, bits)) = (address(given), address(wanted));
            let shift = if six { 128 } else { 32 } - bits;
            six == other && (bits == 0 || own >> shift == network >> shift)
        },
    },
    Kind {
        key: "k:arn",
        operators: &["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"],
        wanted: &["arn:aws:iam::*:role/a*", "arn:aws:iam::111122223333:role/?", "arn:aws:*:role/ab", "*"],
        given: &["arn:aws:iam::111122223333:role/a", "arn:aws:iam::444455556666:role/ab", "arn:aws:sns:r:111122223333:role/ab"],
        hit: |_, given, wanted| arn_like(wanted, given),
    },
    Kind {
        key: "k:text",
        operators: &["StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"],
        wanted: &["ab", "AB", "a*", "?B"],
        given: &["ab", "aB", "AB", "b"],
        hit: |operator, given, wanted| {
            if operator.ends_with("Like") { like(wanted, given) } else { given.to_lowercase() == wanted.to_lowercase() }
        },
    },
];

/// The condition operators of every kind of value, in all combinations: prefix, suffix, one or two values on either side,
/// none, and not known, when the answer must hold for whatever the key may be.
#[test]
fn every_operator_agrees_over_its_universe() {
    let pairs = |of: &'static [&'static str]| {
        let mut all: Vec<Vec<&str>> = of.iter().map(|one| vec![*one]).collect();
        all.extend(of.iter().enumerate().flat_map(|(n, a)| of[n + 1..].iter().map(|b| vec![*a, *b])));
        all
    };
    let (caller, action, resource) = (Caller::new(CALLERS[0]), ActionName::new(ACTIONS[0]), Resource::new(RESOURCES[0]));
    let mut asked = 0;
    for kind in KINDS {
        for operator in kind.operators {
            for (prefix, suffix) in
                [("", ""), ("", "IfExists"), ("ForAnyValue:", ""), ("ForAllValues:", ""), ("ForAnyValue:", "IfExists")]
            {
                let name = format!("{prefix}{operator}{suffix}");
                let negated = operator.contains("Not");
                for wanted in pairs(kind.wanted) {
                    let statement =
                        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {&name: {kind.key: wanted}}});
                    let compiled = compile(&json!({"Version": "2012-10-17", "Statement": [statement]}));
                    let identity = [&compiled];
                    let layers = Layers { identity: &identity, ..Layers::default() };
                    let ask = |context: &Context| {
                        decide(&Request { caller: &caller, action: &action, resource: &resource, context }, &layers)
                    };
                    let one = |given: &&str| wanted.iter().any(|w| (kind.hit)(operator, given, w)) != negated;
                    let mut outcomes = Vec::new();
                    for given in std::iter::once(Vec::new()).chain(pairs(kind.given)) {
                        let holds = match prefix {
                            "ForAllValues:" => given.iter().all(one),
                            "ForAnyValue:" if given.is_empty() => suffix == "IfExists",
                            "ForAnyValue:" => given.iter().any(one),
                            _ if given.is_empty() => suffix == "IfExists" || negated,
                            _ if negated => given.iter().all(one),
                            _ => given.iter().any(one),
                        };
                        let context = Context::complete().with(kind.key, given.iter().copied());
                        assert_eq!(ask(&context) == Decision::Allowed, holds, "{name} {wanted:?} of {given:?}");
                        outcomes.push(holds);
                        asked += 1;
                    }
                    match ask(&Context::new()) {
                        Decision::Allowed => assert!(!outcomes.contains(&false), "{name} {wanted:?} is not known"),
                        Decision::Denied { .. } => assert!(!outcomes.contains(&true), "{name} {wanted:?} is not known"),
                        Decision::Depends => {}
                    }
                }
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
}
