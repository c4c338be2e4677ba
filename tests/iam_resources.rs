//! Resources with policies of their own: read from the test cloud over real HTTP, deciding in answers within an account and
//! across accounts, and judged for whom they let in from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use aws_credential_types::Credentials;
use bartizan::iam::account::Account;
use bartizan::iam::evaluate::{Context, Decision};
use bartizan::iam::graph::{Edge, Graph, Joined, Node, Prize, Target, Way};
use bartizan::iam::openings::{Opening, guests, of_resource};
use bartizan::iam::read::authorization_details;
use bartizan::iam::resources::Resources;
use bartizan::model::account::{ControlKind, ControlPolicy, Controls, Organization, Unit};
use bartizan::model::coverage::Outcome;
use bartizan::model::document::Document;
use bartizan::model::estate::{self, Estate};
use bartizan::model::finding::Finding;
use bartizan::model::resource::{Grant, Resource};
use bartizan::work::identity::Engine;
use serde_json::{Value, json};
use support::cloud::config_at;
use support::{Cloud, Fault, Options, Rule, run};

const HERE: &str = "eu-west-1";
/// The account that holds the resources, another of the organisation, and a stranger's.
const OWN: &str = "111122223333";
const SISTER: &str = "444455556666";
const FOREIGN: &str = "999988887777";
const THIRD: &str = "555566667777";

fn policy(statements: &Value) -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": statements}).to_string())
}

fn allow(principal: &Value, action: &Value, resource: &str) -> Value {
    json!({"Sid": "Let", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource})
}

fn with(arn: &str, statements: &Value) -> Resource {
    Resource { arn: arn.to_owned(), policy: Some(policy(statements)), ..Resource::default() }
}

/// An account with a user `jo` and a role `app` who may do everything with S3, SQS and KMS, and a role `poor` who may nothing.
fn identity(id: &str) -> bartizan::model::principal::Identity {
    let may = json!({"Version": "2012-10-17", "Statement": [{"Sid": "May", "Effect": "Allow", "Action": ["s3:*", "sqs:*", "kms:*", "sts:*"], "Resource": "*"}]});
    let trust = |who: &str| json!({"Version": "2012-10-17", "Statement": [{"Sid": "Trust", "Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}]});
    let role = |name: &str, trust: Value, policies: Value| {
        json!({"RoleName": name, "Path": "/", "Arn": format!("arn:aws:iam::{id}:role/{name}"), "RoleId": format!("AROA{}", name.to_uppercase()),
            "AssumeRolePolicyDocument": trust, "RolePolicyList": policies})
    };
    let text = json!({"UserDetailList": [{"UserName": "jo", "UserId": "AIDAJO", "Path": "/", "Arn": format!("arn:aws:iam::{id}:user/jo"),
        "UserPolicyList": [{"PolicyName": "may", "PolicyDocument": may}]}],
    "RoleDetailList": [
        role("app", trust(SISTER), json!([{"PolicyName": "may", "PolicyDocument": may}])),
        role("poor", trust(id), json!([])),
    ]});
    let mut identity = authorization_details(&text.to_string()).unwrap();
    identity.account = id.to_owned();
    identity
}

/// Two accounts of one organisation; the first has these resources, under this resource control policy.
/// Of all that are known.
fn openings(resources: &Resources) -> Vec<Opening> {
    resources.all().into_iter().flat_map(|held| of_resource(resources, held)).collect()
}

fn estate(resources: Vec<Resource>, control: Option<Value>) -> Estate {
    let mut estate = Estate::default();
    for id in [OWN, SISTER] {
        estate.put_account(bartizan::model::account::Account::bare(id));
        estate.put_identity(identity(id));
    }
    let policies = control.into_iter().map(|statement| ControlPolicy {
        id: "p-1".into(),
        name: "perimeter".into(),
        document: policy(&json!([statement])),
        targets: vec![OWN.to_owned()],
        ..ControlPolicy::default()
    });
    estate.organization = Some(Organization {
        id: "o-1".into(),
        management_account: "000011112222".into(),
        name: "acme".into(),
        units: vec![Unit { id: "r-1".into(), name: "Root".into(), path: String::new() }],
        controls: vec![Controls { kind: ControlKind::Resource, whole: true, policies: policies.collect() }],
        delegates: None,
        extra: Default::default(),
    });
    estate.region_mut(OWN, HERE).resources = resources;
    estate
}

fn can(estate: &Estate, account: &str, who: &str, action: &str, resource: &str) -> Decision {
    let account = Account::of_estate(estate, account).unwrap();
    account.can(who, action, resource, &Context::complete()).unwrap().decision
}

const NO: Decision = Decision::Denied { explicit: false };
const YES: Decision = Decision::Allowed;

#[test]
fn a_buckets_policy_decides_within_its_account_and_for_another() {
    let bucket = "arn:aws:s3:::data";
    let object = "arn:aws:s3:::data/2026.csv";
    let sister = format!("arn:aws:iam::{SISTER}:role/app");
    let estate = estate(
        vec![
            with(
                bucket,
                &json!([
                    allow(&json!({"AWS": [sister, format!("arn:aws:iam::{OWN}:role/poor")]}), &json!("s3:GetObject"), "arn:aws:s3:::data/*"),
                    {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::data/*",
                     "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
                ]),
            ),
            Resource { arn: "arn:aws:s3:::plain".into(), ..Resource::default() },
            Resource { arn: "arn:aws:s3:::shut".into(), unread: true, ..Resource::default() },
        ],
        None,
    );
    // Within the account either policy is enough; from another both must allow, and the bucket names one role of it.
    assert_eq!(can(&estate, OWN, "role/poor", "s3:GetObject", object), YES);
    assert_eq!(can(&estate, OWN, "role/poor", "s3:PutObject", object), NO);
    assert_eq!(can(&estate, OWN, "user/jo", "s3:PutObject", object), YES);
    assert_eq!(can(&estate, SISTER, "role/app", "s3:GetObject", object), YES);
    assert_eq!(can(&estate, SISTER, "role/app", "s3:PutObject", object), NO);
    assert_eq!(can(&estate, SISTER, "user/jo", "s3:GetObject", object), NO);
    assert_eq!(can(&estate, SISTER, "role/poor", "s3:GetObject", object), NO);
    // A bucket without a policy lets nobody in from outside; one whose policy was not read may.
    assert_eq!(can(&estate, SISTER, "user/jo", "s3:GetObject", "arn:aws:s3:::plain/x"), NO);
    assert_eq!(can(&estate, SISTER, "user/jo", "s3:GetObject", "arn:aws:s3:::shut/x"), Decision::Depends);
    // Block Public Access keeps a bucket with a public policy to its own account, whomever else the policy names.
    let mut blocked = estate.clone();
    let named = allow(&json!({"AWS": sister}), &json!("s3:GetObject"), "arn:aws:s3:::data/*");
    let public = allow(&json!("*"), &json!("s3:GetObject"), "arn:aws:s3:::data/public/*");
    let bucket = |statements: Value, restricted| Resource { restricted: Some(restricted), ..with(bucket, &statements) };
    for (statements, restricted, sisters) in [
        (json!([named, public]), true, Decision::Denied { explicit: true }),
        (json!([named, public]), false, YES),
        (json!([named]), true, YES),
    ] {
        blocked.region_mut(OWN, HERE).resources = vec![bucket(statements, restricted)];
        assert_eq!(can(&blocked, SISTER, "role/app", "s3:GetObject", object), sisters);
        assert_eq!(can(&blocked, OWN, "user/jo", "s3:GetObject", object), YES);
        let from = Account::of_estate(&blocked, SISTER).unwrap();
        let because = from.can("role/app", "s3:GetObject", object, &Context::complete()).unwrap().because;
        let told = because.iter().any(|b| b.policy == "Block Public Access of data" && b.statement == "RestrictPublicBuckets");
        assert_eq!(told, sisters != YES);
    }
    let account = Account::of_estate(&estate, OWN).unwrap();
    let plain = Context::new().with("aws:SecureTransport", ["false"]);
    let denied = account.can("user/jo", "s3:GetObject", object, &plain).unwrap();
    assert_eq!((denied.decision, denied.because[0].statement.as_str()), (Decision::Denied { explicit: true }, "Tls"));
}

#[test]
fn a_keys_grants_and_a_roles_trust_decide_across_accounts() {
    let key = format!("arn:aws:kms:{HERE}:{OWN}:key/1");
    let grant = Grant {
        grant_id: "g".into(),
        name: Some("export".into()),
        grantee_principal: format!("arn:aws:iam::{OWN}:role/poor"),
        operations: vec!["Decrypt".into()],
        constraints: Some([("EncryptionContextSubset".to_owned(), json!({"for": "export"}))].into()),
        ..Grant::default()
    };
    let root = json!([{"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:root")}, "Action": "kms:*", "Resource": "*"}]);
    let estate = estate(vec![Resource { grants: vec![grant], ..with(&key, &root) }], None);
    assert_eq!(can(&estate, OWN, "user/jo", "kms:Decrypt", &key), YES, "the key leaves it to the account's policies");
    assert_eq!(can(&estate, SISTER, "user/jo", "kms:Decrypt", &key), NO);
    let account = Account::of_estate(&estate, OWN).unwrap();
    let asked = |purpose: &str| {
        let context = Context::complete().with("kms:EncryptionContext:for", [purpose]);
        account.can("role/poor", "kms:Decrypt", &key, &context).unwrap()
    };
    assert_eq!((asked("export").decision, asked("export").because[0].statement.as_str()), (YES, "grant export"));
    assert_eq!(asked("other").decision, NO);
    assert_eq!(can(&estate, OWN, "role/poor", "kms:Encrypt", &key), NO);
    // The trust of a role in another account of the estate is known.
    let role = format!("arn:aws:iam::{OWN}:role/app");
    assert_eq!(can(&estate, SISTER, "user/jo", "sts:AssumeRole", &role), YES);
    assert_eq!(can(&estate, SISTER, "role/poor", "sts:AssumeRole", &role), NO);
    assert_eq!(can(&estate, SISTER, "user/jo", "sts:AssumeRole", &format!("arn:aws:iam::{OWN}:role/poor")), NO);
    assert_eq!(can(&estate, SISTER, "user/jo", "sts:AssumeRole", &format!("arn:aws:iam::{FOREIGN}:role/x")), Decision::Depends);
}

#[test]
fn the_owners_resource_control_policies_count_and_the_callers_do_not() {
    let queue = format!("arn:aws:sqs:{HERE}:{OWN}:q");
    let everyone = with(&queue, &json!([allow(&json!("*"), &json!("sqs:SendMessage"), &queue)]));
    let perimeter = json!({"Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": OWN}}});
    let open = estate(vec![everyone.clone()], None);
    let shut = estate(vec![everyone], Some(perimeter));
    assert_eq!(can(&open, SISTER, "user/jo", "sqs:SendMessage", &queue), YES);
    assert_eq!(can(&shut, SISTER, "user/jo", "sqs:SendMessage", &queue), Decision::Denied { explicit: true });
    assert_eq!(can(&shut, OWN, "user/jo", "sqs:SendMessage", &queue), YES);
    // The policy lies over the first account's resources: of others it says nothing.
    let theirs = format!("arn:aws:sqs:{HERE}:{SISTER}:q");
    assert_eq!(can(&shut, OWN, "user/jo", "sqs:SendMessage", &theirs), Decision::Depends, "what is not read is not guessed");
    assert_eq!(openings(&Resources::of(&open)).len(), 1);
    assert!(openings(&Resources::of(&shut)).is_empty(), "the perimeter keeps strangers out");
}

/// Policies of a bucket, by what each lets in.
#[test]
fn openings_are_what_a_stranger_can_do_and_nothing_else() {
    let objects = "arn:aws:s3:::b/*";
    let get = |principal: Value, condition: Value| {
        let mut s = allow(&principal, &json!("s3:GetObject"), objects);
        s["Condition"] = condition;
        json!([s])
    };
    let none = json!({});
    let everyone = json!("*");
    let deny = |condition: Value| {
        json!([allow(&json!("*"), &json!("s3:GetObject"), objects),
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", objects], "Condition": condition}])
    };
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("everyone", get(everyone.clone(), none.clone()), &["everyone"]),
        ("everyone by AWS", get(json!({"AWS": "*"}), none.clone()), &["everyone"]),
        ("our organisation", get(everyone.clone(), json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), &[]),
        (
            "any organisation",
            get(everyone.clone(), json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})),
            &["everyone with an AWS account"],
        ),
        ("an address", get(everyone.clone(), json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})), &[]),
        ("an endpoint", get(everyone.clone(), json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}})), &[]),
        (
            "a referer anyone can send",
            get(everyone.clone(), json!({"StringLike": {"aws:Referer": "https://acme.example/*"}})),
            &["everyone"],
        ),
        ("TLS", get(everyone.clone(), json!({"Bool": {"aws:SecureTransport": "true"}})), &["everyone"]),
        ("a service's source", get(everyone.clone(), json!({"StringEquals": {"aws:SourceAccount": OWN}})), &[]),
        (
            "a source that may be absent",
            get(everyone.clone(), json!({"StringEqualsIfExists": {"aws:SourceAccount": OWN}})),
            &["everyone"],
        ),
        (
            "a role's name anywhere",
            get(everyone.clone(), json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/reader"}})),
            &["everyone with an AWS account"],
        ),
        (
            "a role of ours",
            get(everyone.clone(), json!({"ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{OWN}:role/*")}})),
            &[],
        ),
        ("denied but for our organisation", deny(json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})), &[]),
        ("denied but for an address", deny(json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})), &[]),
        ("denied without TLS", deny(json!({"Bool": {"aws:SecureTransport": "false"}})), &["everyone"]),
        ("denied by a header that can be sent", deny(json!({"StringNotEquals": {"aws:UserAgent": "x"}})), &["everyone"]),
        ("a sister account", get(json!({"AWS": SISTER}), none.clone()), &[]),
        ("a foreign account", get(json!({"AWS": FOREIGN}), none.clone()), &["account 999988887777"]),
        (
            "a foreign role",
            get(json!({"AWS": format!("arn:aws:iam::{FOREIGN}:role/r")}), none.clone()),
            &["role/r of 999988887777"],
        ),
        (
            "a foreign account of our organisation only",
            get(json!({"AWS": FOREIGN}), json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
            &[],
        ),
        ("a service", get(json!({"Service": "cloudfront.amazonaws.com"}), none.clone()), &[]),
        ("load balancers' account", get(json!({"AWS": "arn:aws:iam::156460612806:root"}), none.clone()), &[]),
        (
            "all but one",
            json!([{"Effect": "Allow", "NotPrincipal": {"AWS": OWN}, "Action": "s3:GetObject", "Resource": objects}]),
            &["everyone"],
        ),
        ("the bucket alone for an object's action", json!([allow(&everyone, &json!("s3:GetObject"), "arn:aws:s3:::b")]), &[]),
        ("one folder", json!([allow(&everyone, &json!("s3:GetObject"), "arn:aws:s3:::b/public/*")]), &["everyone"]),
    ];
    let mut resources = Resources::default();
    resources.list(SISTER);
    for (name, statements, who) in &cases {
        resources.put(OWN, HERE, with("arn:aws:s3:::b", statements));
        let found = of_resource(&resources, resources.find("arn:aws:s3:::b/k").unwrap());
        assert_eq!(found.iter().map(|o| o.who.words()).collect::<Vec<_>>(), *who, "{name}");
        assert!(found.iter().all(|o| o.actions == ["s3:GetObject"] && !o.statements.is_empty()), "{name}: {found:?}");
    }
    // Block Public Access keeps what is public to the account itself.
    let public = with("arn:aws:s3:::b", &get(everyone, none));
    resources.put(OWN, HERE, Resource { restricted: Some(true), ..public.clone() });
    assert!(openings(&resources).is_empty());
    resources.put(OWN, HERE, Resource { unread: true, ..public });
    assert!(openings(&resources).is_empty(), "half of a policy lets nobody in");
}

#[test]
fn a_role_is_become_from_another_account_directly_and_by_a_chain() {
    let estate = estate(Vec::new(), None);
    let sister = Account::of_estate(&estate, SISTER).unwrap();
    let graph = Graph::new(&sister);
    let role = format!("arn:aws:iam::{OWN}:role/app");
    // The trust names the other account, and of that jo and app may assume roles; poor may nothing.
    let own = Account::of_estate(&estate, OWN).unwrap();
    let joined = Joined::new([graph.built(), Graph::new(&own).built()]);
    let abroad = |who: &str| -> Vec<(String, bool)> {
        let (all, back) = joined.abroad(&[(Node::principal(0, sister.principal(who).unwrap()), true)]);
        assert!(!back, "nobody is an administrator");
        all.iter().map(|a| (joined.arn(a.node).to_owned(), a.certain)).collect()
    };
    // And whom that role becomes in its own account.
    assert_eq!(abroad("user/jo"), [(role.clone(), true), (format!("arn:aws:iam::{OWN}:role/poor"), true)]);
    assert!(abroad("role/poor").is_empty());
    let routes = joined.routes(&joined.principals(&[joined.find(&role).unwrap()]));
    let steps = |name: &str| {
        let from = Node::principal(0, sister.principal(name).unwrap());
        routes.iter().find(|r| r.from == from).map(|r| (r.legs.len(), r.certain))
    };
    assert_eq!((steps("user/jo"), steps("role/app"), steps("role/poor")), (Some((1, true)), Some((1, true)), None));
    // The account's own do not become it: its trust names the other one alone.
    assert_eq!(joined.abroad(&[(Node::principal(1, own.principal("user/jo").unwrap()), true)]), (Vec::new(), false));
    assert!(
        own.resources().trusts(&role, SISTER) && !own.resources().trusts(&role, OWN) && !own.resources().trusts(&role, FOREIGN)
    );
    // From the command line, by name, from whichever account.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("estate.json.zst");
    estate::write(std::fs::File::create(&file).unwrap(), &estate, std::iter::empty()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let done = command.env_clear().env("HOME", home.path()).args([
        "--from",
        file.to_str().unwrap(),
        "iam",
        "--json",
        "paths",
        "--to",
        &role,
    ]);
    let paths: Vec<Value> = serde_json::from_slice(&done.output().unwrap().stdout).unwrap();
    let from: Vec<&str> = paths.iter().map(|p| p["from"].as_str().unwrap()).collect();
    assert_eq!(from, [format!("arn:aws:iam::{SISTER}:user/jo"), format!("arn:aws:iam::{SISTER}:role/app")]);
    assert_eq!(paths[0]["steps"][0]["sentence"], format!("user/jo can assume role/app of account {OWN}"));
}

#[test]
fn what_is_lost_counts_the_resources_that_are_known() {
    let queue = format!("arn:aws:sqs:{HERE}:{OWN}:q");
    let key = format!("arn:aws:kms:{HERE}:{OWN}:key/1");
    let poor = format!("arn:aws:iam::{OWN}:role/poor");
    let estate = estate(
        vec![
            with(&key, &json!([allow(&json!({"AWS": poor}), &json!("kms:Decrypt"), "*")])),
            Resource { arn: "arn:aws:s3:::data".into(), ..Resource::default() },
            with(
                &queue,
                &json!([allow(&json!({"AWS": format!("arn:aws:iam::{SISTER}:role/app")}), &json!("sqs:SendMessage"), &queue)]),
            ),
        ],
        None,
    );
    let of = |account: &str, who: &str| -> Vec<(&'static str, usize, [usize; 3], usize)> {
        let account = Account::of_estate(&estate, account).unwrap();
        let blast = Graph::new(&account).blast(&[(account.principal(who).unwrap(), true)], false);
        blast.things.iter().map(|t| (t.what, t.known, [t.read, t.write, t.destroy], t.resources.len())).collect()
    };
    // The key names poor alone, whom jo becomes; jo's own policies give it the bucket and the queue.
    assert_eq!(of(OWN, "role/poor"), [("keys", 1, [1, 0, 0], 1)]);
    assert_eq!(of(OWN, "user/jo"), [("buckets", 1, [1, 1, 1], 1), ("keys", 1, [1, 0, 0], 1), ("queues", 1, [1, 1, 1], 1)]);
    // From the other account: what the queue's policy lets in.
    assert_eq!(of(SISTER, "role/app"), [("queues", 0, [0, 1, 0], 1)]);
    assert_eq!(of(SISTER, "role/poor"), []);
}

/// Ways to a resource begin outside where its own policy lets somebody in, and tell the statement that does.
#[test]
fn ways_to_a_resource_begin_outside() {
    let objects = "arn:aws:s3:::b/*";
    let policy = json!([
        {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": FOREIGN}, "Action": "s3:GetObject", "Resource": objects},
        {"Sid": "Poor", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:role/poor")}, "Action": "s3:GetObject", "Resource": objects},
        {"Sid": "Office", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": objects,
            "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
        {"Sid": "Third", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects,
            "Condition": {"StringEquals": {"aws:PrincipalAccount": THIRD}}},
        {"Sid": "Trail", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject", "Resource": objects},
        {"Sid": "Sister", "Effect": "Allow", "Principal": {"AWS": SISTER}, "Action": "s3:DeleteObject", "Resource": objects},
    ]);
    let estate = estate(vec![with("arn:aws:s3:::b", &policy)], None);
    let iam = |args: &[&str]| iam(&estate, args).0;
    let paths = |more: &[&str]| -> Vec<Value> {
        let all = iam(&[&["paths", "--to", "arn:aws:s3:::b"], more].concat());
        all.as_array().unwrap().clone()
    };
    let needs = |all: &[Value], from: &str| {
        let of = all.iter().find(|p| p["from"] == from).unwrap_or_else(|| panic!("{from}: {all:?}"));
        of["steps"].as_array().unwrap().last().unwrap()["needs"].to_string()
    };
    let all = paths(&[]);
    for (from, by, certain) in [
        (format!("account {FOREIGN}"), "s3:GetObject by policy of b, Partner", true),
        (format!("account {THIRD}"), "s3:GetObject by policy of b, Third", true),
        ("everyone".to_owned(), "s3:PutObject by policy of b, Office", false),
        ("cloudtrail.amazonaws.com".to_owned(), "s3:PutObject by policy of b, Trail", false),
        (format!("arn:aws:iam::{OWN}:role/poor"), "s3:GetObject by policy of b, Poor", true),
        (format!("arn:aws:iam::{OWN}:user/jo"), "s3:GetObject by inline may of user/jo, May", true),
    ] {
        assert_eq!(needs(&all, &from), json!([by]).to_string());
        assert!(all.iter().any(|p| p["from"] == from && p["certain"] == certain), "{from}: {all:?}");
    }
    // Across accounts both sides have to grant it, and both are told.
    let sister = format!("arn:aws:iam::{SISTER}:user/jo");
    assert_eq!(
        needs(&all, &sister),
        json!(["s3:DeleteObject by inline may of user/jo, May", "s3:DeleteObject by policy of b, Sister"]).to_string()
    );
    for who in [FOREIGN.to_owned(), format!("arn:aws:iam::{FOREIGN}:user/x"), format!("arn:aws:iam::{THIRD}:role/y")] {
        let named = paths(&["--who", &who]);
        assert_eq!((named.len(), named[0]["outsider"].as_bool()), (1, Some(true)), "{named:?}");
        assert_eq!(named[0]["certain"], true, "{who}");
        assert_eq!(paths(&["--who", &who, "--action", "s3:GetObject"]).len(), 1);
    }
    assert_eq!(paths(&["--who", "everyone"]).len(), 1);
    // Somebody else is let in from one address alone.
    let other = paths(&["--who", "123412341234"]);
    assert_eq!((other.len(), other[0]["certain"].as_bool()), (1, Some(false)), "{other:?}");
    // Statements of the resource's own policy are tried as others are.
    let poor = format!("arn:aws:iam::{OWN}:role/poor");
    for (who, statement, inside, outside) in [
        (poor.clone(), "Poor", vec![poor], Vec::new()),
        (FOREIGN.to_owned(), "Partner", Vec::new(), vec![format!("account {FOREIGN}"), FOREIGN.to_owned()]),
        (
            format!("arn:aws:iam::{THIRD}:role/y"),
            "Third",
            Vec::new(),
            vec![format!("account {THIRD}"), format!("arn:aws:iam::{THIRD}:role/y")],
        ),
    ] {
        let cuts = paths(&["--cuts", "--who", &who]);
        assert_eq!((cuts.len(), &cuts[0]["statement"], &cuts[0]["policy_arn"]), (1, &json!(statement), &json!("arn:aws:s3:::b")));
        assert_eq!((&cuts[0]["cuts_off"], &cuts[0]["cuts_off_outside"]), (&json!(inside), &json!(outside)), "{who}");
    }
    // What leads to it another way is not cut by what it is granted there: the sister's assume a role.
    assert!(paths(&["--cuts"]).iter().any(|cut| cut["statement"] == "Partner" && cut["account"] == OWN));
    assert!(paths(&["--cuts"]).iter().all(|cut| cut["statement"] != "Sister"));
    // What leaks with somebody from outside is what resources let it do, too; and an account is asked about by its digits.
    let bucket =
        json!([{"what": "buckets", "known": 1, "read": 1, "written": 1, "destroyed": 0, "resources": ["arn:aws:s3:::b"]}]);
    let blast = iam(&["blast", FOREIGN]);
    assert_eq!((&blast["resources"], &blast["accounts"]), (&bucket, &json!([])));
    assert_eq!(iam(&["can", FOREIGN, "s3:GetObject", "arn:aws:s3:::b/x"])["decision"], "allowed");
    let engine = Engine::default();
    let ask = |question: &str| serde_json::to_value(&engine.ask(&estate, question).unwrap().detail).unwrap().to_string();
    assert!(ask(&format!("can {FOREIGN} s3:GetObject on arn:aws:s3:::b/x")).contains("Yes: allowed."));
    assert!(ask("can everyone become administrator").contains("No: there is no way"));
    assert!(ask(&format!("blast {FOREIGN}")).contains("Let in by the policies of resources"));
    // What IAM keeps has no policy of its own: across accounts nothing can allow it.
    let group = format!("arn:aws:iam::{SISTER}:group/admins");
    assert_eq!(can(&estate, OWN, "user/jo", "iam:DeleteGroup", &group), Decision::Denied { explicit: false });
}

/// What `bartizan iam` says of an estate, as data, and beside it.
fn iam(estate: &Estate, args: &[&str]) -> (Value, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("estate.json.zst");
    bartizan::model::estate::write(std::fs::File::create(&file).unwrap(), estate, std::iter::empty()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.env_clear().env("HOME", home.path()).arg("--from").arg(&file).args(["iam", "--json"]);
    let done = command.args(args).output().unwrap();
    let beside = String::from_utf8_lossy(&done.stderr).into_owned();
    (serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{beside}")), beside)
}

/// Whoever gets at a resource under conditions of its own, and for certain as another, is told of both.
#[test]
fn a_way_for_certain_stands_beside_what_is_under_conditions() {
    let mut estate = estate(vec![with("arn:aws:s3:::b", &json!([]))], None);
    let mut own = identity(OWN);
    let may = json!([
        {"Sid": "Become", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
        {"Sid": "Careful", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
    ]);
    own.users[0].user_policy_list[0].policy_document = policy(&may);
    own.roles[0].assume_role_policy_document =
        policy(&json!([{"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sts:AssumeRole"}]));
    estate.put_identity(own);
    let jo = format!("arn:aws:iam::{OWN}:user/jo");
    let ways = |args: &[&str]| -> Vec<(bool, usize)> {
        let all = iam(&estate, &[&["paths", "--to", "arn:aws:s3:::b", "--action", "s3:GetObject"], args].concat()).0;
        let own = all.as_array().unwrap().iter().filter(|p| p["from"] == jo.as_str());
        own.map(|p| (p["certain"] == true, p["steps"].as_array().unwrap().len())).collect()
    };
    assert_eq!(ways(&["--who", &jo]), [(false, 1), (true, 2)]);
    assert_eq!(ways(&["--all"]), [(true, 2), (false, 1)]);
    assert_eq!(ways(&[]), [(true, 2)]);
}

/// What is asked of one object is answered of that; an address that is any address is none; whoever may be denied by what it
/// chooses itself chooses otherwise.
#[test]
fn outsiders_are_asked_for_what_is_asked() {
    let on = |resource: &str| format!("arn:aws:s3:::b/{resource}");
    let statements = json!([
        {"Sid": "In", "Effect": "Allow", "Principal": {"AWS": FOREIGN}, "Action": "s3:PutObject", "Resource": on("in/*")},
        {"Sid": "Secret", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": on("secret/*")},
        {"Sid": "All", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": on("public/*"),
            "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}},
        {"Sid": "Office", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObjectTagging", "Resource": on("public/*"),
            "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
        {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [on("*"), "arn:aws:s3:::b"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]);
    let queue = format!("arn:aws:sqs:{HERE}:{OWN}:q");
    let of_ours = json!([{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": queue,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}]);
    let estate = estate(vec![with("arn:aws:s3:::b", &statements), with(&queue, &of_ours)], None);
    let who = |action: &str, object: &str, more: &[&str]| -> Vec<(String, String)> {
        let rows = iam(&estate, &[&["who-can", action, &on(object)], more].concat()).0;
        let outsiders = rows.as_array().unwrap().iter().filter_map(|r| Some((r["outsider"].as_str()?, r["decision"].as_str()?)));
        outsiders.map(|(who, decision)| (who.to_owned(), decision.to_owned())).collect()
    };
    let told = |who: &str, decision: &str| vec![(who.to_owned(), decision.to_owned())];
    assert_eq!(who("s3:PutObject", "in/x", &[]), told("account 999988887777", "allowed"));
    assert_eq!(who("s3:PutObject", "secret/x", &[]), []);
    assert_eq!(who("s3:PutObject", "other/x", &[]), []);
    assert_eq!(who("s3:GetObject", "public/x", &[]), told("everyone", "allowed"));
    assert_eq!(who("s3:GetObjectTagging", "public/x", &[]), told("everyone", "depends"));
    assert_eq!(who("s3:GetObjectTagging", "public/x", &["--context", "aws:SourceIp=192.0.2.9"]), told("everyone", "allowed"));
    assert_eq!(who("s3:GetObjectTagging", "public/x", &["--context", "aws:SourceIp=203.0.113.9"]), []);
    let resources = Resources::of(&estate);
    let open: Vec<Vec<String>> = openings(&resources).into_iter().map(|o| o.actions).collect();
    assert_eq!(open, [["s3:GetObject"], ["s3:PutObject"]]);
    // Their own side of it, over TLS.
    let jo = format!("arn:aws:iam::{OWN}:user/jo");
    let own = iam(&estate, &["paths", "--to", "arn:aws:s3:::b/in/x", "--who", &jo]).0;
    assert_eq!(own[0]["certain"], true, "{own}");
    // A part of a bucket is one, and what is denied of it leaves the rest.
    let told = |who: &str, action: &str| {
        let all = iam(&estate, &["paths", "--to", "arn:aws:s3:::b", "--who", who, "--action", action]).0;
        (all[0]["certain"] == true, all[0]["steps"][0]["sentence"].as_str().unwrap().to_owned())
    };
    let object = "arn:aws:s3:::b";
    assert_eq!(told(&jo, "s3:GetObject"), (true, format!("user/jo can s3:GetObject on {object}/*")));
    let foreign = format!("{FOREIGN} can s3:PutObject on {object}/in/*");
    assert_eq!(told(FOREIGN, "s3:PutObject"), (true, foreign));
    let everyone = format!("everyone can s3:GetObject on {object}/public/*");
    assert_eq!(told("everyone", "s3:GetObject"), (true, everyone));
    let app = format!("arn:aws:iam::{SISTER}:role/app");
    assert!(told(&app, "s3:GetObject").0, "from anywhere");
    let its = format!("role/app can s3:GetObjectTagging on {object}/*, under conditions");
    assert_eq!(told(&app, "s3:GetObjectTagging"), (false, its));
    // Of which organisation a foreign account is not, is known.
    let can = |who: &str| iam(&estate, &["can", who, "sqs:ReceiveMessage", &queue]).0["decision"].clone();
    assert_eq!((can(FOREIGN), can(SISTER)), (json!("denied"), json!("allowed")));
    // Whom a policy lets do something without naming it gets at it.
    let poor = format!("arn:aws:iam::{OWN}:role/poor");
    let blast = iam(&estate, &["blast", &poor]).0;
    assert_eq!(blast["resources"][1]["resources"], json!([queue]), "{blast}");
    // CloudFront's own are told, and of a canonical user that it is named.
    let mut other = estate.clone();
    let oai = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1";
    let read = |who: Value| json!({"Effect": "Allow", "Principal": who, "Action": "s3:GetObject", "Resource": on("*")});
    let named = json!([read(json!({"AWS": oai})), read(json!({"CanonicalUser": "79a59df900b949e5"}))]);
    other.region_mut(OWN, HERE).resources = vec![with("arn:aws:s3:::b", &named)];
    let (all, beside) = iam(&other, &["paths", "--to", "arn:aws:s3:::b"]);
    assert!(
        all.as_array().unwrap().iter().any(|p| p["from"] == "user/CloudFront Origin Access Identity E1 of cloudfront"),
        "{all}"
    );
    assert!(beside.contains("names the canonical user 79a59df900b949e5"), "{beside}");
    assert_eq!(openings(&Resources::of(&other)), []);
    // What was not read is said to be.
    let (_, beside) = iam(&estate, &["paths", "--to", "arn:aws:s3:::unread", "--action", "sqs:SendMessage"]);
    assert!(beside.contains("The policy of arn:aws:s3:::unread was not read"), "{beside}");
    assert!(beside.contains("sqs:SendMessage"), "{beside}");
}

/// A function's own policy counts where somebody takes it over: it grants what its caller's policies do not, and denies what
/// they do.
#[test]
fn a_functions_policy_decides_who_changes_its_code() {
    let arn = format!("arn:aws:lambda:{HERE}:{OWN}:function:pay");
    let update = |sid: &str, effect: &str, who: &str| {
        json!({"Sid": sid, "Effect": effect, "Principal": {"AWS": format!("arn:aws:iam::{OWN}:{who}")}, "Action": "lambda:UpdateFunctionCode",
            "Resource": arn})
    };
    let becomes = |statements: Value, granted: bool| -> Vec<bool> {
        let mut estate = estate(vec![with(&arn, &statements)], None);
        let region = estate.region_mut(OWN, HERE);
        let function = json!({"FunctionName": "pay", "FunctionArn": arn, "Role": format!("arn:aws:iam::{OWN}:role/app")});
        region.workloads.functions.push(serde_json::from_value(function).unwrap());
        let mut identity = identity(OWN);
        let may = json!({"Version": "2012-10-17", "Statement": {"Sid": "May", "Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": "*"}});
        let own = if granted { json!([{"PolicyName": "own", "PolicyDocument": may}]) } else { json!([]) };
        identity.roles[0].assume_role_policy_document = policy(&json!([]));
        identity.users[0].user_policy_list = serde_json::from_value(own).unwrap();
        estate.put_identity(identity);
        let account = Account::of_estate(&estate, OWN).unwrap();
        let graph = Graph::new(&account);
        let (jo, app) = (account.principal("user/jo").unwrap(), account.principal("role/app").unwrap());
        let over = |e: &&Edge| matches!(e.way, Way::TakeOver(..)) && e.from == jo;
        let edges: Vec<&Edge> = graph.edges_to(app).filter(over).collect();
        for edge in &edges {
            let by = if granted { "May" } else { "Let" };
            let named: Vec<String> = edge.needs.iter().flat_map(|n| n.by.iter()).map(|id| graph.statement(*id).1).collect();
            assert_eq!(named, [by]);
            let cut = graph.cut_of(jo, &Target::Principals(vec![app])).unwrap();
            assert_eq!(cut.label, by);
        }
        edges.iter().map(|e| e.certain).collect()
    };
    let nobody = || json!([update("Other", "Allow", "role/poor")]);
    assert_eq!(becomes(nobody(), false), [] as [bool; 0]);
    assert_eq!(becomes(nobody(), true), [true]);
    assert_eq!(becomes(json!([update("Let", "Allow", "user/jo")]), false), [true]);
    assert_eq!(becomes(json!([update("Keep", "Deny", "user/jo")]), true), [] as [bool; 0]);
}

#[test]
fn what_is_lost_is_told_by_the_class_of_its_data() {
    let tagged = |arn: &str, class: &str| Resource {
        arn: arn.to_owned(),
        tags: [("data-class".to_owned(), class.to_owned())].into(),
        ..Resource::default()
    };
    let secret = format!("arn:aws:secretsmanager:{HERE}:{OWN}:secret:db-1");
    let estate = estate(vec![tagged("arn:aws:s3:::cards", "restricted"), tagged(&secret, "restricted")], None);
    let account = Account::of_estate(&estate, OWN).unwrap();
    let graph = Graph::new(&account);
    let of = |who: &str| -> Vec<(String, usize, usize, Vec<String>)> {
        let blast = graph.blast(&[(account.principal(who).unwrap(), true)], false);
        blast.classes.into_iter().map(|c| (c.class, c.read, c.destroy, c.resources)).collect()
    };
    // Jo may do everything with buckets, and nothing with secrets.
    assert_eq!(of("user/jo"), [("restricted".to_owned(), 1, 1, vec!["arn:aws:s3:::cards".to_owned()])]);
    assert_eq!(of("role/poor"), []);
    // Whoever writes a bucket's policy lets itself in.
    let mut rewriting = identity(OWN);
    let put = json!([{"Effect": "Allow", "Action": "s3:PutBucketPolicy", "Resource": "*"}]);
    rewriting.users[0].user_policy_list[0].policy_document = policy(&put);
    let mut estate = estate;
    estate.put_identity(rewriting);
    let account = Account::of_estate(&estate, OWN).unwrap();
    let blast = Graph::new(&account).blast(&[(account.principal("user/jo").unwrap(), true)], false);
    assert_eq!(blast.things.iter().map(|t| (t.read, t.write, t.destroy)).collect::<Vec<_>>(), [(1, 1, 1)]);
    assert_eq!(blast.classes.iter().map(|c| (c.read, c.destroy)).collect::<Vec<_>>(), [(1, 1)]);
    // A session on an instance gets at it.
    let prize = Prize::new(&format!("arn:aws:ec2:{HERE}:{OWN}:instance/i-1"), &[]).unwrap();
    let asks: Vec<&str> = prize.asks().iter().map(|ask| ask.action.as_str()).collect();
    assert!(asks.contains(&"ssm:StartSession") && asks.contains(&"ec2:GetConsoleOutput"), "{asks:?}");
}

#[test]
fn the_question_line_answers_across_accounts() {
    let queue = format!("arn:aws:sqs:{HERE}:{OWN}:q");
    let statements =
        json!([allow(&json!({"AWS": [FOREIGN, format!("arn:aws:iam::{SISTER}:role/app")]}), &json!("sqs:SendMessage"), &queue)]);
    let estate = estate(vec![with(&queue, &statements)], None);
    let engine = Engine::default();
    let ask = |question: &str| {
        let answer = engine.ask(&estate, question).unwrap();
        serde_json::to_value(&answer.detail).unwrap()["sections"].to_string()
    };
    let who = ask(&format!("who can sqs:SendMessage on {queue}"));
    for says in ["account 999988887777", "user/jo", "role/app", OWN, SISTER] {
        assert!(who.contains(says), "{says}: {who}");
    }
    assert!(ask(&format!("who can reach {queue}")).contains("account 999988887777"));
    let role = format!("arn:aws:iam::{OWN}:role/app");
    let becomes = ask(&format!("who can become {role}"));
    assert!(becomes.contains("From other accounts") && becomes.contains("May") && becomes.contains(SISTER), "{becomes}");
    let sister = format!("arn:aws:iam::{SISTER}:user/jo");
    let becomes = ask(&format!("can {sister} become {role}"));
    assert!(becomes.contains("Yes, in 1 step") && becomes.contains("trust of role/app, Trust"), "{becomes}");
    assert!(ask(&format!("can arn:aws:iam::{SISTER}:role/poor become {role}")).contains("No: there is no way"));
    assert!(ask(&format!("blast {sister}")).contains("Roles of other accounts it becomes"));
    assert!(engine.ask(&estate, &format!("can {sister} become role/nobody")).unwrap_err().contains("No user or role"));
    // A bucket that nobody knows has a policy that nobody read.
    assert!(ask(&format!("can {sister} s3:GetObject on arn:aws:s3:::x/y")).contains("was not read"));
}

#[test]
fn guests_tell_services_and_strangers_by_action() {
    let topic = format!("arn:aws:sns:{HERE}:{OWN}:t");
    let statements = json!([
        allow(&json!({"Service": "cloudwatch.amazonaws.com"}), &json!("sns:Publish"), &topic),
        allow(&json!({"AWS": FOREIGN}), &json!(["sns:Subscribe", "sns:Receive"]), &topic),
    ]);
    let estate = estate(vec![with(&topic, &statements)], None);
    let of = |action: Option<&str>| -> Vec<(String, Vec<String>)> {
        guests(&Resources::of(&estate), &topic, action, &Context::new()).into_iter().map(|g| (g.who, g.actions)).collect()
    };
    assert_eq!(of(Some("sns:publish")), [("cloudwatch.amazonaws.com".to_owned(), vec!["sns:Publish".to_owned()])]);
    assert_eq!(of(Some("sns:Subscribe")), [(format!("account {FOREIGN}"), vec!["sns:Subscribe".to_owned()])]);
    assert_eq!(of(None).len(), 2);
    assert!(of(Some("sns:DeleteTopic")).is_empty());
}

#[test]
fn an_estate_that_says_otherwise_of_a_resource_is_noticed() {
    let before = estate(vec![with("arn:aws:s3:::b", &json!([]))], None);
    let resources = Resources::of(&before);
    assert!(resources.hold(&before));
    let mut after = before.clone();
    assert!(resources.hold(&after));
    after.region_mut(OWN, HERE).nodes.clear();
    assert!(resources.hold(&after), "nothing of it changed");
    after.region_mut(OWN, HERE).resources[0].unread = true;
    assert!(!resources.hold(&after));
    let mut other = before;
    other.put_identity(identity(SISTER));
    assert!(!resources.hold(&other), "whose trusts were read anew");
}

fn program(cloud: &Cloud, home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.env_clear().env("HOME", home).envs(cloud.environment(HERE)).args(args).output().unwrap()
}

fn collected(cloud: &Cloud, home: &Path) -> (Estate, Vec<Finding>, i32, String) {
    let out = home.join("estate.json.zst");
    let done = program(cloud, home, &["collect", "--region", HERE, "--out", out.to_str().unwrap()]);
    let (estate, findings) = estate::read(std::fs::File::open(&out).unwrap()).unwrap();
    (estate, findings, done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
}

/// Seeds one of each in the management account; gives what each policy holds, by ARN.
fn seeded(cloud: &Cloud) -> Vec<(String, &'static str)> {
    let id = cloud.management();
    let send = |service: &str, at: (&str, &str), target: &str, body: &str| cloud.seed(HERE, service, at, target, body);
    let json_call = |service: &str, target: &str, body: Value| -> Value {
        serde_json::from_str(&send(service, ("POST", "/"), target, &body.to_string())).unwrap_or_default()
    };
    let place = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{HERE}</LocationConstraint></CreateBucketConfiguration>"
    );
    for bucket in ["open-papers", "kept.papers", "plain"] {
        send("s3", ("PUT", &format!("/{bucket}")), "", &place);
    }
    for bucket in ["open-papers", "kept.papers"] {
        let public = policy(&json!([allow(&json!("*"), &json!("s3:GetObject"), &format!("arn:aws:s3:::{bucket}/*"))])).0;
        send("s3", ("PUT", &format!("/{bucket}?policy")), "", &public);
    }
    let tags = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>Data-Class</Key><Value>secret</Value></Tag></TagSet></Tagging>";
    send("s3", ("PUT", "/plain?tagging"), "", tags);
    let block = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    send("s3", ("PUT", "/kept.papers?publicAccessBlock"), "", block);

    let root = json!({"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{id}:root")}, "Action": "kms:*", "Resource": "*"});
    let partner = allow(&json!({"AWS": FOREIGN}), &json!("kms:Decrypt"), "*");
    let key = json_call("kms", "TrentService.CreateKey", json!({"Policy": policy(&json!([root, partner])).0}));
    let (key_id, key) = (key["KeyMetadata"]["KeyId"].clone(), key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned());
    let grantee = format!("arn:aws:iam::{id}:role/poor");
    json_call(
        "kms",
        "TrentService.CreateGrant",
        json!({"KeyId": key_id, "GranteePrincipal": grantee, "Operations": ["Decrypt"], "Name": "export"}),
    );

    let queue = format!("arn:aws:sqs:{HERE}:{id}:inbox");
    let send_all = policy(&json!([allow(&json!("*"), &json!("sqs:SendMessage"), &queue)])).0;
    json_call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": "inbox", "Attributes": {"Policy": send_all}}));

    let topic = format!("arn:aws:sns:{HERE}:{id}:alarms");
    send("sns", ("POST", "/"), "", "Action=CreateTopic&Version=2010-03-31&Name=alarms");

    let secret = json_call(
        "secretsmanager",
        "secretsmanager.CreateSecret",
        json!({"Name": "db", "SecretString": "hunter2",
        "Tags": [{"Key": "classification", "Value": "internal"}]}),
    );
    let secret = secret["ARN"].as_str().unwrap().to_owned();
    let read = policy(&json!([allow(
        &json!({"AWS": format!("arn:aws:iam::{id}:role/poor")}),
        &json!("secretsmanager:GetSecretValue"),
        "*"
    )]))
    .0;
    json_call("secretsmanager", "secretsmanager.PutResourcePolicy", json!({"SecretId": secret, "ResourcePolicy": read}));

    let registry = "AmazonEC2ContainerRegistry_V20150921";
    json_call("ecr", &format!("{registry}.CreateRepository"), json!({"repositoryName": "base/images"}));
    let pull = policy(&json!([{"Sid": "Let", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}])).0;
    json_call("ecr", &format!("{registry}.SetRepositoryPolicy"), json!({"repositoryName": "base/images", "policyText": pull}));
    json_call("ecr", &format!("{registry}.CreateRepository"), json!({"repositoryName": "bare"}));

    let function = json!({"FunctionName": "pay", "Runtime": "python3.12", "Role": format!("arn:aws:iam::{id}:role/poor"), "Handler": "a.b",
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}});
    send("lambda", ("POST", "/2015-03-31/functions"), "", &function.to_string());
    let invoke = json!({"StatementId": "Let", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"});
    send("lambda", ("POST", "/2015-03-31/functions/pay/policy"), "", &invoke.to_string());

    vec![
        ("arn:aws:s3:::kept.papers".to_owned(), "s3:GetObject"),
        ("arn:aws:s3:::open-papers".to_owned(), "s3:GetObject"),
        (key, "kms:Decrypt"),
        (queue, "sqs:SendMessage"),
        (topic, ""),
        (secret, "secretsmanager:GetSecretValue"),
        (format!("arn:aws:ecr:{HERE}:{id}:repository/base/images"), "ecr:BatchGetImage"),
        (format!("arn:aws:lambda:{HERE}:{id}:function:pay"), "s3.amazonaws.com"),
    ]
}

#[test]
fn policies_are_read_from_every_service_and_judged() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let id = cloud.management();
        let iam =
            aws_sdk_iam::Client::new(&config_at(&cloud.moto_url(), HERE, Credentials::new("test", "test", None, None, "seed")));
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"}}]});
        iam.create_role().role_name("poor").assume_role_policy_document(trust.to_string()).send().await.unwrap();
        let seeded = seeded(&cloud);
        let home = tempfile::tempdir().unwrap();
        let (estate, findings, code, said) = collected(&cloud, home.path());
        assert_eq!(code, 0, "{said}");
        let here = estate.region(id, HERE).unwrap();
        for (arn, holds) in &seeded {
            let resource =
                here.resources.iter().find(|r| r.arn == *arn).unwrap_or_else(|| panic!("{arn}: {:#?}", here.resources));
            let text = resource.policy.as_ref().map_or("", |p| p.0.as_str());
            assert!(!resource.unread && text.contains(holds), "{arn}: {resource:?}");
        }
        let of = |arn: &str| here.resources.iter().find(|r| r.arn == arn).unwrap();
        assert_eq!(of("arn:aws:s3:::plain").policy, None);
        assert_eq!(of("arn:aws:s3:::plain").tags.get("Data-Class").map(String::as_str), Some("secret"));
        assert!(of("arn:aws:s3:::open-papers").tags.is_empty());
        let secret = here.resources.iter().find(|r| r.service() == "secretsmanager").unwrap();
        assert_eq!(secret.tags.get("classification").map(String::as_str), Some("internal"));
        assert_eq!(of("arn:aws:s3:::open-papers").restricted, Some(false));
        assert_eq!(of("arn:aws:s3:::kept.papers").restricted, Some(true));
        assert_eq!(of(&format!("arn:aws:ecr:{HERE}:{id}:repository/bare")).policy, None);
        let key = here.resources.iter().find(|r| !r.grants.is_empty()).unwrap();
        assert_eq!(
            (key.grants[0].name.as_deref(), key.grants[0].operations.as_slice()),
            (Some("export"), &["Decrypt".to_owned()][..])
        );
        assert!(!serde_json::to_string(&estate).unwrap().contains("hunter2"), "no secret is read");
        for (api, count) in [
            ("s3:ListAllMyBuckets", 3),
            ("s3:GetBucketPolicy", 3),
            ("s3:GetBucketPublicAccessBlock", 2),
            ("s3:GetBucketTagging", 3),
            ("kms:ListKeys", 1),
            ("kms:GetKeyPolicy", 1),
            ("kms:ListGrants", 1),
            ("sqs:ListQueues", 1),
            ("sqs:GetQueueAttributes", 1),
            ("sns:ListTopics", 1),
            ("sns:GetTopicAttributes", 1),
            ("secretsmanager:ListSecrets", 1),
            ("secretsmanager:GetResourcePolicy", 1),
            ("ecr:DescribeRepositories", 2),
            ("ecr:GetRepositoryPolicy", 2),
            ("lambda:GetPolicy", 1),
        ] {
            let row = estate.coverage.iter().find(|c| c.api == api && c.region == HERE).unwrap_or_else(|| panic!("{api}"));
            assert_eq!((row.outcome, row.count), (Outcome::Ok, count), "{api}: {}", row.reason);
        }
        // Whom they let in stands among the findings, with the place of the resource.
        let mut open: Vec<(&str, &str, &str)> = findings
            .iter()
            .filter(|f| f.control.starts_with("iam-resource-"))
            .map(|f| (f.control.as_str(), f.resource.id.rsplit([':', '/']).next().unwrap(), f.region.as_str()))
            .collect();
        open.sort_unstable();
        let key_id = key.arn.rsplit('/').next().unwrap();
        assert_eq!(
            open,
            [
                ("iam-resource-foreign", key_id, HERE),
                ("iam-resource-public", "images", HERE),
                ("iam-resource-public", "inbox", HERE),
                ("iam-resource-public", "open-papers", HERE),
            ]
        );
        // From the file, the command line answers by them.
        let file = home.path().join("estate.json.zst");
        let ask = |args: &[&str]| {
            let done = program(&cloud, home.path(), &[&["--from", file.to_str().unwrap(), "iam"], args].concat());
            (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
        };
        let (code, said) = ask(&["can", "role/poor", "kms:Decrypt", &key.arn]);
        assert!(code == 0 && said.contains("grant export"), "{said}");
        assert_eq!(ask(&["can", "role/poor", "kms:Encrypt", &key.arn]).0, 1);
        let (_, said) = ask(&["who-can", "s3:GetObject", "arn:aws:s3:::open-papers/x"]);
        assert!(said.contains("And by its own policy:\n  everyone  by Let"), "{said}");
        let secret = seeded.iter().find(|(arn, _)| arn.contains(":secret:")).unwrap();
        let (_, said) = ask(&["paths", "--to", &secret.0]);
        assert!(said.contains("role/poor can secretsmanager:GetSecretValue"), "{said}");

        // Refused, it is told, and nothing is concluded from what is not there.
        cloud.fault(Rule::new(Fault::AccessDenied).action("GetQueueAttributes"));
        cloud.fault(Rule::new(Fault::AccessDenied).action("ListTopics"));
        let (estate, findings, code, said) = collected(&cloud, home.path());
        assert!(code == 3 && said.contains("sqs:GetQueueAttributes"), "{said}");
        let here = estate.region(id, HERE).unwrap();
        assert!(here.resources.iter().any(|r| r.arn.ends_with(":inbox") && r.unread));
        assert!(here.resources.iter().all(|r| r.service() != "sns"));
        assert!(findings.iter().all(|f| !f.resource.id.ends_with(":inbox")));
        let row = estate.coverage.iter().find(|c| c.api == "sns:ListTopics").unwrap();
        assert_eq!(row.outcome, Outcome::Denied);
        let shared = Arc::new(Resources::of(&estate));
        let account = Account::among(&estate, id, &shared).unwrap();
        assert!(!account.resources().find(&format!("arn:aws:sqs:{HERE}:{id}:inbox")).unwrap().is_known());
    });
}
