//! Real and hostile documents: AWS's managed policies, random text, bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::process::Command;

use bartizan::iam::account::Account;
use bartizan::iam::evaluate::{
    ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, ResourcePolicy, decide, explain,
};
use bartizan::iam::graph::{Graph, Power};
use bartizan::iam::lint::{Kind, Weight, lint};
use bartizan::iam::policy::Policy;
use bartizan::iam::read::authorization_details;
use bartizan::iam::sets::Set;
use bartizan::iam::sets::glob::ArnPattern;
use bartizan::model::principal::Document;
use dice::Dice;
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "support/dice.rs"]
mod dice;

/// The pinned moto of the test cloud.
#[path = "support/moto.rs"]
#[allow(dead_code, unreachable_pub, reason = "only its Python is wanted here")]
mod moto;

/// AWS's managed policies by name, out of the Python package moto.
fn managed_policies() -> BTreeMap<String, String> {
    let code = "import json; from moto.iam.aws_managed_policies import aws_managed_policies_data as d; \
                d = json.loads(d) if isinstance(d, str) else d; \
                print(json.dumps({n: json.dumps(p['Document']) for n, p in d.items()}))";
    let python = moto::python().unwrap_or_else(|why| panic!("{why}"));
    let out = Command::new(python).args(["-c", code]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn managed_policies_read_print_and_read_again() {
    let all = managed_policies();
    assert!(all.len() > 1_400, "{}", all.len());
    for (name, text) in &all {
        let policy = Policy::read(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = Policy::read(&policy.print()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(policy, again, "{name}");
        assert_eq!(policy.print(), again.print(), "{name}");
        // What it says is what the JSON says.
        let (a, b): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(&policy.print()).unwrap());
        assert_eq!(strings(&a), strings(&b), "{name}");
    }
}

/// Every text in a document, sorted; numbers and booleans as text, for policies have them as such.
fn strings(v: &serde_json::Value) -> Vec<String> {
    let mut all = match v {
        serde_json::Value::Array(a) => a.iter().flat_map(strings).collect(),
        serde_json::Value::Object(o) => o.iter().flat_map(|(k, v)| [vec![k.clone()], strings(v)].concat()).collect(),
        serde_json::Value::String(s) => vec![s.clone()],
        other => vec![other.to_string()],
    };
    all.sort();
    all
}

#[test]
fn managed_policies_lint_without_false_unknown_actions() {
    let all = managed_policies();
    let listed: Vec<&str> = include_str!("iam/unknown-actions.txt").lines().filter(|l| !l.starts_with('#')).collect();
    let mut unknown: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let (mut refused, mut useless) = (Vec::new(), 0);
    for (name, text) in &all {
        for l in lint(text, Kind::Managed) {
            assert_ne!(l.id, "unreadable", "{name}: {}", l.message);
            // AWS's own conditions compare what can be compared.
            let odd = matches!(l.id, "unfit-value" | "odd-principal" | "short-arn") && l.weight > Weight::Note;
            assert!(!odd, "{name}, line {}: {}", l.line, l.message);
            // Nor do they name what cannot be, or ask for keys that their requests do not carry.
            useless += usize::from(l.id == "useless");
            let false_alarm = matches!(
                l.id,
                "odd-arn" | "unknown-variable" | "open-variable" | "unfit-variable" | "private-address" | "odd-sid" | "idle-key"
            );
            // These two ask for keys of tags where nothing is tagged, so that their conditions never hold.
            let idle = ["AmazonDataZoneSageMakerManageAccessRolePolicy", "AmazonDataZoneSageMakerProvisioningRolePolicy"];
            if false_alarm && !(l.id == "idle-key" && idle.contains(&name.as_str())) {
                refused.push(format!("{name}, line {}: {} {}", l.line, l.id, l.message));
            }
            if matches!(l.id, "unknown-action" | "unknown-service") {
                let what = text[l.span.start as usize..l.span.end as usize].trim_matches('"').to_owned();
                unknown.entry(what).or_default().push(name);
            }
        }
    }
    assert!(refused.is_empty(), "{} of AWS's own: {refused:#?}", refused.len());
    // The reference lists a few actions under other resources than AWS holds them against; no more than these.
    assert!(useless <= 119, "{useless}");
    let fresh: Vec<_> = unknown.iter().filter(|(action, _)| !listed.contains(&action.as_str())).collect();
    assert!(fresh.is_empty(), "{} not listed: {:?}", fresh.len(), fresh);
    let stale: Vec<_> = listed.iter().filter(|l| !unknown.contains_key(**l)).collect();
    assert!(stale.is_empty(), "listed and known: {stale:?}");
}

#[test]
fn bad_input_is_named() {
    for (text, says) in [
        ("{\"Version\":\"2012-10-17\",\n \"Statement\":[{\"Effect\":", "line 2, column 25: expected a value, found the end"),
        (r#"{"Version":"2020-01-01","Statement":[]}"#, "unknown version \"2020-01-01\""),
        (r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}"#, "stands twice"),
        (r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Action":"sqs:*","Resource":"*"}]}"#, "\"Action\" stands twice"),
        (r#"{"Statement":[{"Effect":"allow","Action":"s3:*","Resource":"*"}]}"#, "Effect is \"Allow\" or \"Deny\""),
        (r#"{"Statement":[{"effect":"Allow","Action":"s3:*","Resource":"*"}]}"#, "is spelled \"Effect\""),
        (r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","NotAction":"sqs:*","Resource":"*"}]}"#, "not both"),
        (r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#, "needs an Action"),
        (r#"{"Statement":[{"Effect":"Allow","Action":{},"Resource":"*"}]}"#, "Action is text, this is an object"),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"a":"b"}}}}"#,
            "\"StringIs\" is no condition operator",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":{}}}}}"#,
            "a condition's value is text",
        ),
        (r#"{"Statement":{"Effect":"Allow","Action":"*","Principal":"me","Resource":"*"}}"#, "a principal is"),
        ("[]", "a policy is a JSON object, this is a list"),
        ("", "found the end of the text"),
        ("{\"Statement\":[]} x", "more text after the end"),
    ] {
        let error = Policy::read(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    // Ten megabytes are read and judged too large, in passing time; nesting is bounded.
    let large = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{}"s3:GetObject"],"Resource":"*"}}]}}"#,
        "\"s3:GetObject\",".repeat(700_000)
    );
    assert!(large.len() > 10_000_000);
    assert!(Policy::read(&large).unwrap().size() > 6_144);
    assert_eq!(lint(&large, Kind::Managed).iter().map(|l| l.id).collect::<Vec<_>>(), ["too-large"]);
    let file = format!(
        r#"{{"UserDetailList":[{{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u",
            "UserPolicyList":[{{"PolicyName":"large","PolicyDocument":{large}}}]}}]}}"#
    );
    let account = Account::read(&authorization_details(&file).unwrap());
    assert!(account.policies.is_empty() && account.problems[0].why.contains("more than any policy AWS accepts"));
    assert!(Policy::read(&format!("{}{}", "[".repeat(5_000_000), "]".repeat(5_000_000))).is_err());
}

#[test]
fn questions_about_nobody_and_nothing_are_refused_with_help() {
    let text = r#"{"UserDetailList":[{"UserName":"josephine","Arn":"arn:aws:iam::111122223333:user/josephine"}]}"#;
    let account = Account::read(&authorization_details(text).unwrap());
    let ask = |who: &str, action: &str| account.can(who, action, "*", &Context::new()).unwrap_err().to_string();
    assert!(ask("user/jose", "s3:GetObject").contains("there is user/josephine"));
    assert!(ask("AROAEXAMPLE", "s3:GetObject").contains("no user or role"));
    for action in ["GetObject", "s3:", "s3:Get*", "s3: GetObject", ""] {
        assert!(ask("user/josephine", action).contains("is no action"), "{action}");
    }
}

#[test]
fn what_was_not_read_of_a_principal_may_allow() {
    let attached = r#""AttachedManagedPolicies":[{"PolicyName":"unread","PolicyArn":"arn:aws:iam::111122223333:policy/unread"}]"#;
    let text = format!(
        r#"{{"UserDetailList":[
            {{"UserName":"ada","Arn":"arn:aws:iam::111122223333:user/ada","GroupList":["elsewhere"]}},
            {{"UserName":"bob","Arn":"arn:aws:iam::111122223333:user/bob",{attached}}},
            {{"UserName":"cy","Arn":"arn:aws:iam::111122223333:user/cy",{attached},"UserPolicyList":[{{"PolicyName":"p",
              "PolicyDocument":{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"s3:*","Resource":"*"}}}}}}]}},
            {{"UserName":"di","Arn":"arn:aws:iam::111122223333:user/di"}}],
          "IsTruncated":true,"Marker":"m"}}"#
    );
    let mut account = Account::read(&authorization_details(&text).unwrap());
    assert!(account.part && account.problems[0].why.contains("one page of its IAM"), "{:?}", account.problems);
    let ask = |account: &Account, who: &str| account.can(who, "s3:GetObject", "arn:aws:s3:::b/k", &Context::new()).unwrap();
    let no = |explicit| Decision::Denied { explicit };
    assert_eq!(ask(&account, "user/ada").decision, Decision::Depends);
    assert_eq!(ask(&account, "user/bob").decision, Decision::Depends);
    assert_eq!(ask(&account, "user/cy").decision, no(true));
    assert_eq!(ask(&account, "user/di").decision, no(false));
    let who = account.who_can("s3:GetObject", "arn:aws:s3:::b/k", &Context::new()).unwrap();
    assert_eq!(who.iter().map(|(at, _)| account.principals[*at].name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    // What stands above would not let it through either.
    account.set_scps(&[vec![(
        "queues".to_owned(),
        Document(r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#.to_owned()),
    )]]);
    assert_eq!(ask(&account, "user/bob").decision, no(false));
}

#[test]
fn the_list_of_all_buckets_is_allowed_as_awss_walkthrough_does() {
    let can = |partition: &str, resource: &str, asked: &str| {
        let text = format!(
            r#"{{"UserDetailList":[{{"UserName":"ada","Arn":"arn:{partition}:iam::111122223333:user/ada","UserPolicyList":[
              {{"PolicyName":"p","PolicyDocument":{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",
                "Action":"s3:ListAllMyBuckets","Resource":"{resource}"}}}}}}]}}]}}"#
        );
        let account = Account::read(&authorization_details(&text).unwrap());
        let who = account.who_can("s3:ListAllMyBuckets", asked, &Context::new()).unwrap();
        let decision = account.can("ada", "s3:listallmybuckets", asked, &Context::new()).unwrap().decision;
        assert_eq!(who.len() == 1, decision == Decision::Allowed);
        decision == Decision::Allowed
    };
    assert!(can("aws", "arn:aws:s3:::*", "*") && can("aws", "*", "*") && can("aws", "arn:aws:s3:::*", "arn:aws:s3:::*"));
    assert!(can("aws-cn", "arn:aws-cn:s3:::*", "*") && !can("aws-cn", "arn:aws:s3:::*", "*"));
    assert!(!can("aws", "arn:aws:s3:::payroll", "*"));
}

#[test]
fn the_example_account_reads_whole() {
    let Ok(samples) = std::env::var("BARTIZAN_SAMPLES") else {
        return eprintln!("skipped: the_example_account_reads_whole: BARTIZAN_SAMPLES is not set");
    };
    let text = std::fs::read_to_string(format!("{samples}/iam/example-account.json")).unwrap();
    let identity = authorization_details(&text).unwrap();
    assert_eq!((identity.users.len(), identity.roles.len(), identity.groups.len()), (44, 78, 5));
    let account = Account::read(&identity);
    let graph = Graph::new(&account);
    let powers = graph.powers();
    // The account is built of known escalations, one user or role for each, named privescN. Those that are none here:
    let none = [
        // its trust was changed to an administrator's session, so nobody of the account can take the first step
        "privesc-AssumeRole-start-user",
        // it is trusted by the account, but has no permissions itself
        "privesc-permissive-role-trust",
        // changing a role's policies is worth nothing to a user who can become no role whose policies it may change
        "privesc12-PutRolePolicy-user",
        "privesc9-AttachRolePolicy-user",
        // a role is in no group, and no user's policies are its own
        "privesc7-AttachUserPolicy-role",
        "privesc8-AttachGroupPolicy-role",
        "privesc10-PutUserPolicy-role",
        "privesc11-PutGroupPolicy-role",
        "privesc13-AddUserToGroup-role",
        // no policy in the account has a stronger version that is not in force
        "privesc2-SetExistingDefaultPolicyVersion-user",
        "privesc2-SetExistingDefaultPolicyVersion-role",
    ];
    let missed: Vec<&str> = account
        .principals
        .iter()
        .enumerate()
        .filter(|(i, p)| p.name.starts_with("privesc") && powers[*i] < Power::MayBecome)
        .map(|(_, p)| p.name.as_str())
        .filter(|name| !none.contains(name))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    // Paths begin at their principal and end at the target, and each step is an edge of the graph.
    for path in graph.escalations().into_iter().flatten() {
        let mut at = path.from;
        for step in &path.steps {
            assert!(
                !step.edges.is_empty()
                    && step.edges.iter().all(|e| graph.edges()[*e].from == at && graph.edges()[*e].to == step.to)
            );
            if let bartizan::iam::graph::To::Principal(to) = step.to {
                at = to;
            }
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"Version\"",
        "\"2012-10-17\"",
        "\"Statement\"",
        "\"Effect\"",
        "\"Allow\"",
        "\"Deny\"",
        "\"Action\"",
        "\"NotAction\"",
        "\"s3:*\"",
        "\"*\"",
        "\"Resource\"",
        "\"arn:aws:s3:::b/${aws:username}*\"",
        "\"Condition\"",
        "\"StringLike\"",
        "\"ForAllValues:Null\"",
        "\"Principal\"",
        "{\"AWS\":\"*\"}",
        "true",
        "1e9",
        "null",
        "\"\\ud83d\"",
        " ",
        "\n",
        "\u{0}",
        "é",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    "[a-z*?:$' {},./\u{e9}]{0,24}"
}

/// Real documents, changed at random: bytes lost, doubled and swapped, pieces of one put into another.
#[test]
fn real_documents_changed_at_random_are_read_or_refused() {
    let all: Vec<String> = managed_policies().into_values().filter(|text| text.len() < 3_000).collect();
    let mut dice = Dice(0x0f02_2ed1);
    let (mut read, mut refused) = (0, 0);
    let caller = Caller::new("arn:aws:iam::111122223333:role/r");
    let (resource, context) = (Resource::new("arn:aws:s3:::b/*"), Context::new());
    for _ in 0..1_500 {
        let mut bytes = all[dice.roll(all.len())].clone().into_bytes();
        for _ in 0..1 + dice.roll(3) {
            let (at, to) = (dice.roll(bytes.len()), dice.roll(40));
            let to = (at + to).min(bytes.len());
            match dice.roll(5) {
                0 => drop(bytes.drain(at..to)),
                1 => {
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                2 => bytes[at] = b"\"{}[]:,*?$\\ \n\x00\xff"[dice.roll(15)],
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let other = all[dice.roll(all.len())].as_bytes();
                    let from = dice.roll(other.len());
                    bytes.splice(at..to, other[from..(from + 60).min(other.len())].iter().copied());
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        lint(&text, [Kind::Managed, Kind::Trust, Kind::Scp, Kind::Rcp, Kind::Resource][dice.roll(5)]);
        let Ok(policy) = Policy::read(&text) else {
            refused += 1;
            continue;
        };
        read += 1;
        assert_eq!(Policy::read(&policy.print()).unwrap(), policy, "{text}");
        let compiled = Compiled::new("changed", "", policy);
        let layers = Layers { identity: &[&compiled], ..Layers::default() };
        let action = ActionName::new(["s3:GetObject", "iam:PassRole", "sts:AssumeRole"][dice.roll(3)]);
        let request = Request { caller: &caller, action: &action, resource: &resource, context: &context };
        assert_eq!(explain(&request, &layers).decision, decide(&request, &layers), "{text}");
    }
    assert!(read > 150 && refused > 150, "{read} {refused}");
}

/// Documents that were written to take long take no longer than a policy may.
#[test]
fn documents_made_to_take_long_do_not() {
    let begun = std::time::Instant::now();
    let document = |statements: String| format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let list = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(|i| format!("\"{}\"", of(i))).collect::<Vec<_>>().join(",");
    let allow = |actions: &str, resources: &str| format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":[{resources}]}}"#);
    let wild = |i: usize| format!("*{}*:{}*{}*{}", i % 7, i % 5, i % 11, i % 3);
    let hostile = [
        document(allow(&list(6_000, &|_| "*:*".into()), "\"*\"")),
        document(allow(&list(120, &|i| format!("*:*{}*{}", i % 97, i / 97)), "\"*\"")),
        // Each statement against each other.
        document(
            (0..30)
                .map(|_| allow("\"s3:*\"", &list(25, &|i| format!("arn:aws:s3:::{}/*{}", wild(i), i))))
                .collect::<Vec<_>>()
                .join(","),
        ),
        // Slips far behind the document's beginning.
        format!("{}{}", " \n".repeat(2_000_000), document(allow(&list(2_000, &|i| format!("s3:Slip{i}")), "\"*\""))),
        // Conditions on conditions.
        document(format!(
            r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{{"StringLike":{{{}}}}}}}"#,
            (0..450).map(|i| format!("\"aws:RequestTag/{i}\":[{}]", list(3, &wild))).collect::<Vec<_>>().join(",")
        )),
    ];
    for text in &hostile {
        let size = Policy::read(text).unwrap().size();
        assert!((20_000..40_960).contains(&size) || text.contains("*:*9*"), "{size}: {}", &text.trim()[..80]);
        lint(text, Kind::Managed);
        if let Ok(policy) = Policy::read(text) {
            let compiled = Compiled::new("hostile", "", policy);
            let caller = Caller::new("arn:aws:iam::111122223333:role/r");
            let (action, resource) = (ActionName::new("s3:GetObject"), Resource::new("arn:aws:s3:::b/*"));
            let layers = Layers { identity: &[&compiled], ..Layers::default() };
            let request = Request { caller: &caller, action: &action, resource: &resource, context: &Context::new() };
            explain(&request, &layers);
        }
    }
    // A trust that speaks of thousands of subjects, and one of thousands of keys that its caller chooses.
    let host = "token.actions.githubusercontent.com";
    let trust = |condition: String, principal: Value, action: &str| {
        json!({"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":principal,"Action":action,
            "Condition": serde_json::from_str::<Value>(&condition).unwrap()}})
    };
    let federated = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{host}")});
    let subjects = format!(r#"{{"StringLike":{{"{host}:sub":[{}]}}}}"#, list(1_200, &|i| format!("repo:acme/{i}*:*{i}")));
    let keys =
        (0..600).map(|i| format!("\"aws:RequestTag/{i}\":[{}]", list(2, &|n| format!("v{n}")))).collect::<Vec<_>>().join(",");
    let roles: Vec<Value> = [
        trust(subjects, federated, "sts:AssumeRoleWithWebIdentity"),
        trust(format!(r#"{{"StringEquals":{{{keys}}}}}"#), json!({"AWS": "999988887777"}), "sts:AssumeRole"),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, trust)| json!({"RoleName": format!("r{i}"), "Arn": format!("arn:aws:iam::111122223333:role/r{i}"), "AssumeRolePolicyDocument": trust}))
    .collect();
    let identity = authorization_details(&json!({"RoleDetailList": roles}).to_string()).unwrap();
    let account = Account::read(&identity);
    assert_eq!(Graph::new(&account).powers(), [Power::Ordinary; 2]);
    let took = begun.elapsed();
    eprintln!("hostile documents: {took:.1?}");
    assert!(took.as_secs() < 120, "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in prop::collection::vec(fragment(), 0..40).prop_map(|f| f.concat())) {
        if let Ok(policy) = Policy::read(&text) {
            prop_assert_eq!(&Policy::read(&policy.print()).unwrap(), &policy);
        }
        let _ = lint(&text, Kind::Managed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = Policy::read(&text);
        let _ = authorization_details(&text);
    }

    #[test]
    fn any_policy_is_evaluated(
        actions in prop::collection::vec(value(), 0..3),
        resources in prop::collection::vec(value(), 0..3),
        condition in (prop::sample::select(vec!["StringLike", "ArnLike", "NumericLessThan", "DateLessThan", "IpAddress", "Bool", "Null", "BinaryEquals", "ForAnyValue:StringNotLike"]), value(), value()),
        not in any::<[bool; 2]>(),
        asked in (value(), value(), value(), value()),
    ) {
        let (operator, key, wanted) = condition;
        let text = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", (if not[0] { "NotAction" } else { "Action" }): actions,
            (if not[1] { "NotResource" } else { "Resource" }): resources, "Principal": {"AWS": [asked.0]},
            "Condition": {operator: {key.clone(): [wanted]}},
        }]}).to_string();
        let policy = Policy::read(&text).unwrap();
        prop_assert_eq!(&Policy::read(&policy.print()).unwrap(), &policy);
        let compiled = Compiled::new("p", "", policy);
        let caller = Caller::new(&asked.0);
        let action = ActionName::new(&asked.1);
        let resource = Resource::new(&asked.2);
        let context = Context::new().with(&key, [asked.3]);
        let own = [&compiled];
        let layers = Layers { identity: &own, boundary: Some(&compiled), resource: ResourcePolicy::Is(&compiled), ..Layers::default() };
        let request = Request { caller: &caller, action: &action, resource: &resource, context: &context };
        prop_assert_eq!(decide(&request, &layers), explain(&request, &layers).decision);
        let _ = lint(&text, Kind::Resource);
    }
}

#[test]
fn an_account_answers_with_everything_that_applies() {
    let policy = |statement: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let read = policy(r#"{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::data/*"}"#);
    let tagged = policy(
        r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}"#,
    );
    let trust = policy(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
    );
    let text = format!(
        r#"{{"UserDetailList":[
            {{"UserName":"ada","Arn":"arn:aws:iam::111122223333:user/ada","GroupList":["readers"],"Tags":[{{"Key":"team","Value":"red"}}],
              "UserPolicyList":[{{"PolicyName":"tagged","PolicyDocument":{tagged}}}]}},
            {{"UserName":"bob","Arn":"arn:aws:iam::111122223333:user/bob","UserPolicyList":[{{"PolicyName":"tagged","PolicyDocument":{tagged}}}]}},
            {{"UserName":"cy","Arn":"arn:aws:iam::111122223333:user/cy",
              "AttachedManagedPolicies":[{{"PolicyName":"AdministratorAccess","PolicyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}}],
              "PermissionsBoundary":{{"PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/unread"}}}}],
          "GroupDetailList":[{{"GroupName":"readers","Arn":"arn:aws:iam::111122223333:group/readers",
              "GroupPolicyList":[{{"PolicyName":"read","PolicyDocument":{read}}}]}}],
          "RoleDetailList":[{{"RoleName":"app","Arn":"arn:aws:iam::111122223333:role/app","AssumeRolePolicyDocument":{trust},
              "RolePolicyList":[{{"PolicyName":"tagged","PolicyDocument":{tagged}}}]}}]}}"#
    );
    let mut account = Account::read(&authorization_details(&text).unwrap());
    let none = Context::new();
    let (object, star) = ("arn:aws:s3:::data/k", "arn:aws:sqs:eu-west-1:111122223333:q");
    let answer = account.can("user/ada", "s3:GetObject", object, &none).unwrap();
    assert_eq!(answer.decision, Decision::Allowed);
    // It says which statement of which policy, and where that stands in the document.
    let because = &answer.because[0];
    assert_eq!((because.policy.as_str(), because.statement.as_str()), ("inline read of group/readers", "Read"));
    let span = because.span;
    assert!(read[span.start as usize..span.end as usize].starts_with("{\"Sid\":\"Read\""));
    let can = |who: &str, action: &str, on: &str| account.can(who, action, on, &none).unwrap().decision;
    let no = Decision::Denied { explicit: false };
    assert_eq!(can("user/bob", "s3:GetObject", object), no);
    // A user has the tags it has, and so has a role whose trust lets its sessions bring none; else it is not known which.
    assert_eq!(can("user/ada", "sqs:SendMessage", star), Decision::Allowed);
    assert_eq!(can("user/bob", "sqs:SendMessage", star), no);
    assert_eq!(can("role/app", "sqs:SendMessage", star), Decision::Depends);
    let bare = Account::read(&authorization_details(&text.replace(r#","sts:TagSession"]"#, "]")).unwrap());
    assert_eq!(bare.can("role/app", "sqs:SendMessage", star, &none).unwrap().decision, no);
    assert_eq!(can("arn:aws:sts::111122223333:assumed-role/app/s", "s3:GetObject", object), no);
    // An unread boundary may allow or not; it is listed as a problem.
    assert_eq!(can("user/cy", "s3:GetObject", object), Decision::Depends);
    assert!(account.problems.iter().any(|p| p.policy.ends_with("policy/unread")));
    // The trust delegates to the account, so the caller's own policies must allow.
    assert_eq!(can("user/ada", "sts:AssumeRole", "arn:aws:iam::111122223333:role/app"), no);
    let who = |account: &Account| -> Vec<String> {
        let all = account.who_can("s3:GetObject", object, &none).unwrap();
        all.into_iter().map(|(i, a)| format!("{} {:?}", account.principals[i].name, a.decision)).collect()
    };
    assert_eq!(who(&account), ["ada Allowed", "cy Depends"]);
    let bucket = policy(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}"#,
    );
    account.set_resource_policy("arn:aws:s3:::data", &Document(bucket));
    assert_eq!(who(&account), ["ada Allowed", "cy Depends", "app Allowed"]);
    account.set_scps(&[vec![("guard".to_owned(), Document(policy(r#"{"Effect":"Deny","Action":"s3:*","Resource":"*"}"#)))]]);
    assert_eq!(who(&account), [""; 0]);
    let denied = account.can("user/ada", "s3:GetObject", object, &none).unwrap();
    assert_eq!((denied.decision, denied.because[0].policy.as_str()), (Decision::Denied { explicit: true }, "guard"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The quick comparison of two ARN patterns says what the exact sets say.
    #[test]
    fn patterns_overlap_as_their_sets_do(
        a in "(arn|\\*):[aw*?]{0,3}:[s3*?]{0,3}:[ab*]{0,2}:[12*?]{0,3}:[ab*?:/]{0,6}",
        b in "(arn|\\*):[aw*?]{0,3}:[s3*?]{0,3}:[ab*]{0,2}:[12*?]{0,3}:[ab*?:/]{0,6}",
    ) {
        let (x, y) = (ArnPattern::new(&a), ArnPattern::new(&b));
        let exact = Set::arns(&x).overlaps(&Set::arns(&y));
        if let Ok(exact) = exact {
            prop_assert_eq!(x.overlaps(&y), exact, "{} and {}", a, b);
            prop_assert_eq!(y.overlaps(&x), exact);
        }
    }
}
