//! The principal graph: each way with a failing and a passing fixture, paths, cuts, blast radius; and
//! the edges of a generated account against the evaluator, pair by pair.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeSet;

use bartizan::iam::account::Account;
use bartizan::iam::evaluate::{Context, Decision};
use bartizan::iam::graph::{Cut, Graph, Joined, Node, Power, Prize, Target, To, Way};
use bartizan::iam::read::authorization_details;
use bartizan::iam::workloads::{Workload, WorkloadKind};
use bartizan::model::coverage::{Coverage, Outcome};
use bartizan::model::estate::Estate;
use bartizan::model::principal::{AccessKey, Document};
use bartizan::model::workload::{Function, Task};
use serde_json::{Value, json};

const ID: &str = "111122223333";

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn trust(principal: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]})
}

fn inline(statements: &[Value]) -> Value {
    json!([{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}])
}

fn user(name: &str, statements: &[Value]) -> Value {
    json!({"UserName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/{name}"), "UserPolicyList": inline(statements)})
}

fn role(name: &str, trusted: &Value, statements: &[Value]) -> Value {
    json!({"RoleName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/{name}"), "AssumeRolePolicyDocument": trusted,
        "InstanceProfileList": [{"InstanceProfileName": name, "Arn": format!("arn:aws:iam::{ID}:instance-profile/{name}")}],
        "RolePolicyList": inline(statements)})
}

fn account(users: impl Into<Value>, mut roles: Vec<Value>) -> Account {
    // The prize of every fixture: an administrator that EC2, Lambda and a build may become, and no principal as such.
    let services = json!({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com", "codebuild.amazonaws.com"]});
    roles.push(role("admin", &trust(&services), &[allow(&["*"], "*")]));
    let text = json!({"UserDetailList": users.into(), "RoleDetailList": roles}).to_string();
    let mut account = Account::read(&authorization_details(&text).unwrap());
    assert_eq!(account.problems, []);
    // All kinds are known, so that only what is named runs as a role.
    account.workloads_known =
        [WorkloadKind::Ec2Instance, WorkloadKind::LaunchTemplate, WorkloadKind::LambdaFunction, WorkloadKind::CodeBuildProject]
            .into();
    account
}

fn freed(cut: &Cut) -> Vec<usize> {
    let at = |node: &Node| match node.at {
        To::Principal(at) => at,
        To::Administrator => panic!("an administrator stays one"),
    };
    cut.freed.iter().map(at).collect()
}

fn power(account: &Account, name: &str) -> Power {
    let graph = Graph::new(account);
    graph.powers()[account.principal(name).unwrap()]
}

#[test]
fn each_way_to_administrator() {
    let admin = &format!("arn:aws:iam::{ID}:role/admin");
    let me = &format!("arn:aws:iam::{ID}:user/eve");
    for (way, statements, expected) in [
        ("nothing", vec![allow(&["s3:*"], "*")], Power::Ordinary),
        ("own policy", vec![allow(&["iam:PutUserPolicy"], me)], Power::CanBecome),
        ("another's policy", vec![allow(&["iam:PutUserPolicy"], &format!("arn:aws:iam::{ID}:user/bob"))], Power::Ordinary),
        ("attach", vec![allow(&["iam:AttachUserPolicy"], "*")], Power::CanBecome),
        (
            "attach only one",
            vec![
                json!({"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/ReadOnlyAccess"}}}),
            ],
            Power::Ordinary,
        ),
        ("rewrite trust", vec![allow(&["iam:UpdateAssumeRolePolicy"], admin)], Power::CanBecome),
        ("pass without a start", vec![allow(&["iam:PassRole"], admin)], Power::Ordinary),
        ("start without a pass", vec![allow(&["ec2:RunInstances"], "*")], Power::Ordinary),
        ("pass to an instance", vec![allow(&["iam:PassRole"], admin), allow(&["ec2:RunInstances"], "*")], Power::CanBecome),
        (
            "pass to the wrong service",
            vec![
                json!({"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"glue.amazonaws.com"}}}),
                allow(&["ec2:RunInstances"], "*"),
            ],
            Power::Ordinary,
        ),
        (
            "pass to a function",
            vec![allow(&["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "*")],
            Power::CanBecome,
        ),
        ("a function nobody calls", vec![allow(&["iam:PassRole", "lambda:CreateFunction"], "*")], Power::Ordinary),
        (
            "under conditions",
            vec![
                json!({"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}),
            ],
            Power::MayBecome,
        ),
        (
            "denied",
            vec![allow(&["iam:PutUserPolicy"], "*"), json!({"Effect":"Deny","Action":"iam:Put*","Resource":"*"})],
            Power::Ordinary,
        ),
        ("administrator", vec![allow(&["*"], "*")], Power::Administrator),
        (
            "tags that the target does not have",
            vec![
                json!({"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}}),
            ],
            Power::Ordinary,
        ),
        (
            "tags that nobody may have",
            vec![
                allow(&["iam:PutUserPolicy"], "*"),
                json!({"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/locked":"yes"}}}),
            ],
            Power::CanBecome,
        ),
        (
            "an instance on a volume alone",
            vec![allow(&["iam:PassRole"], admin), allow(&["ec2:RunInstances"], "arn:aws:ec2:*:*:volume/*")],
            Power::Ordinary,
        ),
        (
            "a function in another account",
            vec![
                allow(&["iam:PassRole"], admin),
                allow(&["lambda:CreateFunction", "lambda:InvokeFunction"], "arn:aws:lambda:*:444455556666:function:*"),
            ],
            Power::Ordinary,
        ),
        (
            "functions of two kinds",
            vec![
                allow(&["iam:PassRole"], admin),
                allow(&["lambda:CreateFunction"], "arn:aws:lambda:*:*:function:a-*"),
                allow(&["lambda:InvokeFunction"], "arn:aws:lambda:*:*:function:b-*"),
            ],
            Power::Ordinary,
        ),
        (
            "a start that asks for a second factor",
            vec![
                allow(&["iam:PassRole"], admin),
                allow(&["ec2:RunInstances"], "*"),
                json!({"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}),
            ],
            Power::MayBecome,
        ),
        (
            "a start in one region",
            vec![
                allow(&["iam:PassRole"], admin),
                allow(&["ec2:RunInstances"], "*"),
                json!({"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}}),
            ],
            Power::CanBecome,
        ),
        (
            "a role assumed in one region",
            vec![
                allow(&["iam:UpdateAssumeRolePolicy"], admin),
                json!({"Effect":"Deny","Action":"sts:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}}),
            ],
            Power::CanBecome,
        ),
        ("all but IAM", vec![json!({"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"})], Power::Ordinary),
    ] {
        let account = account(vec![user("eve", &statements), user("bob", &[])], vec![]);
        assert_eq!(power(&account, "user/eve"), expected, "{way}");
    }
}

#[test]
fn an_older_version_is_put_in_force() {
    let version = |id: &str, default: bool, action: &str| {
        json!({"VersionId": id, "IsDefaultVersion": default,
            "Document": {"Version": "2012-10-17", "Statement": [allow(&[action], "*")]}})
    };
    for (old, expected) in [("*", Power::CanBecome), ("s3:GetObject", Power::Ordinary)] {
        let arn = format!("arn:aws:iam::{ID}:policy/p");
        let text = json!({
            "UserDetailList": [{"UserName": "eve", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/eve"),
                "AttachedManagedPolicies": [{"PolicyName": "p", "PolicyArn": arn}]}],
            "Policies": [{"PolicyName": "p", "Arn": arn,
                "PolicyVersionList": [version("v2", true, "iam:SetDefaultPolicyVersion"), version("v1", false, old)]}],
        });
        let account = Account::read(&authorization_details(&text.to_string()).unwrap());
        assert_eq!(power(&account, "user/eve"), expected, "{old}");
    }
}

#[test]
fn guard_rails_count() {
    let mut a = account(vec![user("eve", &[allow(&["iam:PutUserPolicy"], "*")])], vec![]);
    assert_eq!(power(&a, "user/eve"), Power::CanBecome);
    let scp = |text: &str| vec![vec![("guard".to_owned(), Document(text.to_owned()))]];
    a.set_scps(&scp(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:Put*","Resource":"*"}]}"#));
    assert_eq!(power(&a, "user/eve"), Power::Ordinary);
    a.set_scps(&scp(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#));
    assert_eq!(power(&a, "user/eve"), Power::CanBecome);
}

#[test]
fn workloads_are_taken_over() {
    let eve = user("eve", &[allow(&["ssm:SendCommand"], "*")]);
    let mut a = account(vec![eve], vec![]);
    assert_eq!(power(&a, "user/eve"), Power::Ordinary);
    a.workloads = vec![Workload {
        tags: None,
        kind: WorkloadKind::Ec2Instance,
        arn: format!("arn:aws:ec2:eu-west-1:{ID}:instance/i-1"),
        role_arn: format!("arn:aws:iam::{ID}:role/admin"),
    }];
    assert_eq!(power(&a, "user/eve"), Power::CanBecome);
    // A launch template's new version runs on what is started later, as whatever role it is started with.
    let template = user("eve", &[allow(&["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"], "*")]);
    let mut b = account(vec![template], vec![]);
    assert_eq!(power(&b, "user/eve"), Power::Ordinary);
    b.workloads_known.clear();
    assert_eq!(power(&b, "user/eve"), Power::MayBecome);
    // Where instances were not collected, it is not known what runs as the role.
    a.workloads.clear();
    a.workloads_known.clear();
    assert_eq!(power(&a, "user/eve"), Power::MayBecome);
}

/// Permissions that go by a machine's tags are held against those that were read, unless whoever asks may write them.
#[test]
fn machines_have_the_tags_that_were_read() {
    let of = |key: &str, value: &str, more: &[Value]| {
        let mut on_tag = allow(&["ssm:StartSession"], "*");
        on_tag["Condition"] = json!({"StringEquals": {key: value}});
        let statements: Vec<Value> = [on_tag].into_iter().chain(more.iter().cloned()).collect();
        let mut a = account(vec![user("eve", &statements)], vec![]);
        a.workloads = vec![Workload {
            tags: Some([("env".to_owned(), "prod".to_owned())].into()),
            kind: WorkloadKind::Ec2Instance,
            arn: format!("arn:aws:ec2:eu-west-1:{ID}:instance/i-1"),
            role_arn: format!("arn:aws:iam::{ID}:role/admin"),
        }];
        power(&a, "user/eve")
    };
    for key in ["aws:ResourceTag/env", "ssm:resourceTag/env", "ec2:ResourceTag/env"] {
        assert_eq!(of(key, "prod", &[]), Power::CanBecome, "{key}");
        assert_eq!(of(key, "dev", &[]), Power::Ordinary, "{key}");
    }
    assert_eq!(of("aws:ResourceTag/team", "red", &[]), Power::Ordinary);
    assert_eq!(of("aws:ResourceTag/env", "dev", &[allow(&["ec2:CreateTags"], "*")]), Power::MayBecome);
    let other = format!("arn:aws:ec2:eu-west-1:{ID}:instance/i-2");
    assert_eq!(of("aws:ResourceTag/env", "dev", &[allow(&["ec2:CreateTags"], &other)]), Power::Ordinary);
}

/// A user has two access keys at most: one has to go before another is made.
#[test]
fn a_user_with_two_keys_gets_none_more() {
    let of = |keys: usize, actions: &[&str]| {
        let text = json!({"UserDetailList": [user("eve", &[allow(actions, "*")]), user("boss", &[allow(&["*"], "*")])], "RoleDetailList": []});
        let mut identity = authorization_details(&text.to_string()).unwrap();
        let key = |n: usize| AccessKey { user_name: "boss".into(), access_key_id: format!("AKIA{n}"), ..AccessKey::default() };
        identity.access_keys = (0..keys).map(key).collect();
        power(&Account::read(&identity), "user/eve")
    };
    assert_eq!(of(1, &["iam:CreateAccessKey"]), Power::CanBecome);
    assert_eq!(of(2, &["iam:CreateAccessKey"]), Power::Ordinary);
    assert_eq!(of(2, &["iam:CreateAccessKey", "iam:DeleteAccessKey"]), Power::CanBecome);
}

fn chain() -> Account {
    let arn = |name: &str| json!({"AWS": format!("arn:aws:iam::{ID}:{name}")});
    let assume = |to: &str| allow(&["sts:AssumeRole"], &format!("arn:aws:iam::{ID}:role/{to}"));
    account(
        vec![user("start", &[]), user("other", &[assume("middle")]), user("idle", &[])],
        vec![
            role("first", &trust(&arn("user/start")), &[assume("middle")]),
            role(
                "middle",
                &trust(&json!({"AWS": ID})),
                &[allow(&["iam:UpdateAssumeRolePolicy"], &format!("arn:aws:iam::{ID}:role/admin"))],
            ),
        ],
    )
}

#[test]
fn paths_and_the_statement_that_cuts_most() {
    let account = chain();
    let graph = Graph::new(&account);
    let at = |name: &str| account.principal(name).unwrap();
    let path = graph.shortest(at("user/start"), &Target::Administrator).unwrap();
    let names: Vec<String> = path.steps.iter().map(|s| graph.sentence(&graph.edges()[s.edges[0]])).collect();
    assert_eq!(
        names,
        [
            "user/start can assume role/first",
            "role/first can assume role/middle",
            "role/middle can rewrite who may become role/admin"
        ]
    );
    assert!(path.certain);
    assert_eq!(graph.shortest(at("user/idle"), &Target::Administrator), None);
    let to_middle = Target::Principals(vec![at("role/middle")]);
    let (paths, more) = graph.paths(None, &to_middle, 10);
    assert_eq!((paths.len(), more), (3, false));
    assert_eq!(paths.iter().map(|p| p.steps.len()).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(graph.paths(None, &to_middle, 2), (paths[..2].to_vec(), true));
    // The rewriting of the administrator's trust is what all rest on.
    let cuts = graph.cuts(&Target::Administrator, 3);
    assert_eq!(cuts[0].policy, "inline own of role/middle");
    assert_eq!((cuts[0].freed.len(), cuts[0].of), (4, 4));
    let cut = graph.cut_of(at("user/other"), &Target::Administrator).unwrap();
    assert!(freed(&cut).contains(&at("user/other")));
    assert_eq!(graph.cut_of(at("user/idle"), &Target::Administrator), None);
}

/// Whoever has two ways that share nothing is cut off by no statement; nor is one for whom another way only comes to light
/// when the first is gone: of ways through others only the first is kept as an edge.
#[test]
fn a_cut_is_tried_out_before_it_is_told() {
    let admin = format!("arn:aws:iam::{ID}:role/admin");
    let two = [allow(&["iam:UpdateAssumeRolePolicy"], &admin), allow(&["iam:PassRole", "ec2:RunInstances"], "*")];
    let account = account(vec![user("eve", &two), user("bob", &[allow(&["iam:PutUserPolicy"], "*")])], vec![]);
    let graph = Graph::new(&account);
    assert_eq!(graph.cut_of(account.principal("user/eve").unwrap(), &Target::Administrator), None);
    let bob = account.principal("user/bob").unwrap();
    assert_eq!(graph.cut_of(bob, &Target::Administrator).unwrap().policy, "inline own of user/bob");
    for cut in graph.cuts(&Target::Administrator, 5) {
        assert_eq!(freed(&cut), [bob], "eve keeps her other way");
    }

    let arn = |name: &str| json!({"AWS": format!("arn:aws:iam::{ID}:{name}")});
    let rewrite = |name: &str| allow(&["iam:PutRolePolicy"], &format!("arn:aws:iam::{ID}:role/{name}"));
    let trusted = |name: &str| role(name, &trust(&arn("user/ann")), &[]);
    let a = self::account(vec![user("ann", &[rewrite("one"), rewrite("two")])], vec![trusted("one"), trusted("two")]);
    let graph = Graph::new(&a);
    let ann = a.principal("user/ann").unwrap();
    assert_eq!(graph.powers()[ann], Power::CanBecome);
    assert_eq!(graph.cut_of(ann, &Target::Administrator), None, "without the one role there is the other");
}

#[test]
fn resources_are_reached_by_their_users_and_by_whoever_becomes_one() {
    let bucket = "arn:aws:s3:::payroll";
    let reader = allow(&["s3:GetObject"], "arn:aws:s3:::payroll/*");
    let assume = |to: &str| allow(&["sts:AssumeRole"], &format!("arn:aws:iam::{ID}:role/{to}"));
    let arn = |name: &str| json!({"AWS": format!("arn:aws:iam::{ID}:{name}")});
    let mfa = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}});
    let a = account(
        vec![
            user("direct", std::slice::from_ref(&reader)),
            user("chained", &[assume("reader")]),
            user("careful", &[mfa]),
            user("lister", &[allow(&["s3:ListBucket"], bucket)]),
            user("editor", &[allow(&["iam:PutUserPolicy"], &format!("arn:aws:iam::{ID}:user/editor"))]),
            user("idle", &[]),
        ],
        vec![role("reader", &trust(&arn("user/chained")), &[reader])],
    );
    let graph = Graph::new(&a);
    let at = |name: &str| a.principal(name).unwrap();
    let held = graph.reach(&Prize::new(bucket, &[]).unwrap());
    let target = Target::Resource(Box::new(held.clone()));
    let holders: Vec<(&str, bool)> = held.holders.iter().map(|h| (a.principals[h.principal].name.as_str(), h.certain)).collect();
    assert_eq!(holders, [("direct", true), ("careful", false), ("reader", true), ("admin", true)]);
    assert_eq!(held.administrator, Some(true));
    let routes = graph.routes(&target);
    let told = |name: &str| routes[at(name)].as_ref().map(|p| (p.steps.len(), p.certain));
    assert_eq!(told("user/direct"), Some((0, true)));
    assert_eq!(told("user/chained"), Some((1, true)));
    assert_eq!(told("user/careful"), Some((0, false)));
    assert_eq!(told("user/editor"), Some((1, true)), "it makes itself an administrator first");
    assert_eq!((told("user/lister"), told("user/idle")), (None, None), "seeing that it is there reaches nothing of it");
    let joined = Joined::alone(&graph);
    let goal = joined.resource([(0, held)]);
    let reader = Node::principal(0, at("role/reader"));
    let (sentence, needs) = joined.use_of(&goal, reader, std::slice::from_ref(&graph)).unwrap();
    assert!(
        sentence.starts_with("role/reader can s3:GetObject") && sentence.ends_with("on arn:aws:s3:::payroll/*"),
        "{sentence}"
    );
    assert_eq!((needs.len(), &*needs[0].0, needs[0].1[0].0.as_str()), (1, "s3:GetObject", "inline own of role/reader"));
    // The role's own statement is what both it and the one who becomes it rest on.
    let cut = &graph.cuts(&target, 1)[0];
    assert_eq!(cut.policy, "inline own of role/reader");
    assert_eq!(freed(cut), [at("user/chained"), at("role/reader")]);

    // One action alone, on the object it takes.
    let named = Prize::new(bucket, &["s3:PutObject".to_owned()]).unwrap();
    assert_eq!(named.asks()[0].arn, "arn:aws:s3:::payroll/*");
    let held = graph.reach(&named);
    assert_eq!(held.holders.iter().map(|h| a.principals[h.principal].name.as_str()).collect::<Vec<_>>(), ["admin"]);
    // A guardrail keeps a made administrator away, too.
    let mut guarded = a.clone();
    let scp = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::payroll*"}]}"#;
    guarded.set_scps(&[vec![("guard".to_owned(), Document(scp.to_owned()))]]);
    let held = Graph::new(&guarded).reach(&Prize::new(bucket, &[]).unwrap());
    assert_eq!((held.holders.len(), held.administrator), (0, None));
    for (text, actions, says) in [
        ("payroll", vec![], "neither a user or role nor the ARN"),
        ("arn:aws:nosuch:::x", vec![], "no service is known"),
        (bucket, vec!["read".to_owned()], "is no action"),
    ] {
        let error = Prize::new(text, &actions).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// An estate with one role that functions run as, and what runs.
fn estate(functions: bool, coverage: Outcome) -> Estate {
    let eve = user("eve", &[allow(&["lambda:UpdateFunctionCode"], "*"), allow(&["ecs:ExecuteCommand"], "*")]);
    let services = trust(&json!({"Service": ["lambda.amazonaws.com", "ecs-tasks.amazonaws.com"]}));
    let text = json!({"UserDetailList": [eve], "RoleDetailList": [role("admin", &services, &[allow(&["*"], "*")])]});
    let mut estate = Estate::default();
    estate.put_identity(authorization_details(&text.to_string()).unwrap());
    let role_arn = format!("arn:aws:iam::{ID}:role/admin");
    let region = estate.region_mut(ID, "eu-west-1");
    if functions {
        region.workloads.functions.push(Function {
            function_name: "pay".into(),
            function_arn: format!("arn:aws:lambda:eu-west-1:{ID}:function:pay"),
            role: role_arn.clone(),
            ..Function::default()
        });
    }
    region.workloads.tasks.push(Task {
        task_arn: format!("arn:aws:ecs:eu-west-1:{ID}:task/apps/1"),
        task_role_arn: role_arn,
        ..Task::default()
    });
    let apis = ["lambda:ListFunctions", "ecs:ListClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition"];
    estate.put_coverage(apis.map(|api| Coverage {
        account: ID.into(),
        region: "eu-west-1".into(),
        api: api.into(),
        outcome: if api.starts_with("lambda") { coverage } else { Outcome::Ok },
        reason: String::new(),
        count: 1,
        at: Default::default(),
    }));
    estate
}

#[test]
fn functions_and_tasks_are_taken_over_where_they_run_as_a_role() {
    let of = |estate: &Estate| {
        let account = Account::of_estate(estate, ID).unwrap();
        let graph = Graph::new(&account);
        let eve = account.principal("user/eve").unwrap();
        let sentences: Vec<String> = graph.edges_from(eve).iter().map(|e| graph.sentence(e)).collect();
        (graph.powers()[eve], sentences)
    };
    let (power, sentences) = of(&estate(true, Outcome::Ok));
    assert_eq!(power, Power::CanBecome);
    assert_eq!(
        sentences,
        ["user/eve can replace the code of function:pay, which runs as role/admin"],
        "nobody enters a closed task"
    );
    // Where every region told its functions and none runs as the role, there is nothing to take over.
    assert_eq!(of(&estate(false, Outcome::Ok)), (Power::Ordinary, vec![]));
    // Where that was refused, one may.
    let (power, sentences) = of(&estate(false, Outcome::Denied));
    assert_eq!(power, Power::MayBecome);
    assert!(sentences[0].contains("if one runs as role/admin"), "{sentences:?}");
    let mut entered = estate(false, Outcome::Ok);
    entered.region_mut(ID, "eu-west-1").workloads.tasks[0].enable_execute_command = true;
    let (power, sentences) = of(&entered);
    assert_eq!(power, Power::CanBecome);
    assert!(sentences[0].starts_with("user/eve can run a command in task/apps/1"), "{sentences:?}");
    // What runs is named as well as its role.
    let account = Account::of_estate(&estate(true, Outcome::Ok), ID).unwrap();
    let admin = account.principal("role/admin");
    for name in ["pay", &format!("arn:aws:lambda:eu-west-1:{ID}:function:pay"), "1"] {
        assert_eq!(account.principal(name), admin, "{name}");
    }
    // A name with a path is whoever has that path, and a word for the kind is spelt as it is.
    assert!(admin.is_ok());
    for name in ["roel/admin", "user/admin", "role/team/admin"] {
        assert!(account.principal(name).is_err(), "{name}");
    }
}

#[test]
fn the_launch_template_of_a_group_is_named_where_its_machines_run_as_a_role() {
    let eve = user("eve", &[allow(&["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"], "*")]);
    let mut admin = role("admin", &trust(&json!({"Service": "ec2.amazonaws.com"})), &[allow(&["*"], "*")]);
    let profile = format!("arn:aws:iam::{ID}:instance-profile/admin");
    admin["InstanceProfileList"] = json!([{"InstanceProfileName": "admin", "Arn": profile}]);
    let text = json!({"UserDetailList": [eve], "RoleDetailList": [admin]});
    let mut estate = Estate::default();
    estate.put_identity(authorization_details(&text.to_string()).unwrap());
    let instance = |grouped: bool| {
        let mut tags = vec![json!({"Key": "aws:ec2launchtemplate:id", "Value": "lt-1"})];
        tags.extend(grouped.then(|| json!({"Key": "aws:autoscaling:groupName", "Value": "web"})));
        serde_json::from_value(
            json!({"InstanceId": "i-1", "IamInstanceProfile": {"Arn": profile}, "State": {"Name": "running"}, "Tags": tags}),
        )
        .unwrap()
    };
    let sentences = |estate: &Estate| {
        let account = Account::of_estate(estate, ID).unwrap();
        let graph = Graph::new(&account);
        let eve = account.principal("user/eve").unwrap();
        let edges: Vec<String> = graph.edges_from(eve).iter().map(|e| graph.sentence(e)).collect();
        (graph.powers()[eve], edges)
    };
    estate.region_mut(ID, "eu-west-1").network.instances = vec![instance(true)];
    let named = "user/eve can put user data into launch-template/lt-1, which runs as role/admin, under conditions";
    assert_eq!(sentences(&estate), (Power::MayBecome, vec![named.to_owned()]));
    // Started once by hand, nothing will be started from it again by itself.
    estate.region_mut(ID, "eu-west-1").network.instances = vec![instance(false)];
    let (power, edges) = sentences(&estate);
    assert!(power == Power::MayBecome && edges[0].contains("a launch template, if one runs as role/admin"), "{edges:?}");
}

/// A group is whoever is in it; it is got at by them, and by whoever changes it.
#[test]
fn a_group_is_whoever_is_in_it() {
    let estate_file = json!({
        "UserDetailList": [
            {"UserName": "ann", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/ann"), "GroupList": ["ops"]},
            {"UserName": "top", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/top"), "UserPolicyList": [{"PolicyName": "own",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}}}]},
            {"UserName": "eve", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/eve"), "UserPolicyList": [{"PolicyName": "own",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:AddUserToGroup", "Resource": "*"}}}]},
        ],
        "GroupDetailList": [
            {"GroupName": "ops", "Arn": format!("arn:aws:iam::{ID}:group/ops"), "GroupPolicyList": [{"PolicyName": "own",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:PutUserPolicy", "Resource": "*"}}}]},
            {"GroupName": "empty", "Arn": format!("arn:aws:iam::{ID}:group/empty")},
        ],
    });
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("details.json");
    std::fs::write(&file, estate_file.to_string()).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.env_clear().env("HOME", home.path()).args(["iam", "--json", "--from"]).arg(&file).args(args);
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        serde_json::from_slice::<Value>(&done.stdout).map_err(|_| said)
    };
    let ways = run(&["paths", "--who", "group/ops"]).unwrap();
    assert!(ways[0]["from"].as_str().unwrap().ends_with("user/ann") && ways[0]["to"] == "administrator", "{ways}");
    let into = run(&["paths", "--to", "group/ops"]).unwrap();
    let from: Vec<&str> = into.as_array().unwrap().iter().map(|p| p["from"].as_str().unwrap()).collect();
    assert!(from.iter().any(|arn| arn.ends_with("user/eve")), "{into}");
    let lost = run(&["blast", "group/ops"]).unwrap();
    assert_eq!((&lost["principal"], &lost["everything"]), (&json!(format!("arn:aws:iam::{ID}:user/ann")), &json!(true)));
    // An administrator's way to another names what grants it, too.
    let over = run(&["paths", "--who", "user/top", "--to", "user/ann"]).unwrap();
    assert_eq!(over[0]["steps"][0]["needs"], json!(["iam:CreateAccessKey by inline own of user/top, All"]));
    assert!(run(&["paths", "--who", "group/empty"]).unwrap_err().contains("nobody is in group/empty"));
    let answer = run(&["can", "user/eve", "iam:AddUserToGroup", "group/ops"]).unwrap();
    assert_eq!(answer["decision"], "allowed");
}

#[test]
fn blast_radius() {
    let account = chain();
    let graph = Graph::new(&account);
    let at = |name: &str| account.principal(name).unwrap();
    let blast = graph.blast(&[(at("user/start"), true)], false);
    assert!(blast.everything);
    let reached: Vec<&str> = blast.reached.iter().map(|r| account.principals[r.principal].name.as_str()).collect();
    assert_eq!(reached, ["first", "middle", "admin"]);
    let idle = graph.blast(&[(at("user/idle"), true)], true);
    assert_eq!((idle.everything, idle.reached.len(), idle.actions), (false, 0, 0));

    let reader = allow(&["s3:GetObject", "s3:DeleteObject"], "arn:aws:s3:::data/*");
    let a = self::account(vec![user("reader", &[reader])], vec![]);
    let graph = Graph::new(&a);
    let blast = graph.blast(&[(0, true)], true);
    assert_eq!((blast.actions, blast.by_service["s3"].iter().sum::<u32>()), (2, 2));
    let data = &blast.data[0];
    assert_eq!((data.service, data.read, data.destroy), ("s3", 1, 1));
    assert_eq!(data.resources, ["arn:aws:s3:::data/*"]);
}

#[test]
fn edges_of_a_generated_account_agree_with_the_evaluator() {
    let Ok(samples) = std::env::var("BARTIZAN_SAMPLES") else {
        return eprintln!("skipped: edges_of_a_generated_account_agree_with_the_evaluator: BARTIZAN_SAMPLES is not set");
    };
    let text = std::fs::read_to_string(format!("{samples}/iam/account-60-roles.json")).unwrap();
    let account = Account::read(&authorization_details(&text).unwrap());
    let graph = Graph::new(&account);
    let none = Context::new();
    let ask = |from: usize, action: &str, resource: &str, context: &Context| {
        account.can(&account.principals[from].arn, action, resource, context).unwrap().decision
    };
    let mut compared = 0;
    for (from, p) in account.principals.iter().enumerate() {
        let edges: BTreeSet<(To, u8)> = graph
            .edges_from(from)
            .iter()
            .filter_map(|e| match e.way {
                Way::Assume => Some((e.to, u8::MAX)),
                Way::Credential(row) => Some((e.to, row)),
                _ => None,
            })
            .collect();
        if graph.administrators[from] {
            assert!(edges.is_empty());
            assert_eq!(ask(from, "iam:CreateUser", "*", &none), Decision::Allowed);
            continue;
        }
        let credentials =
            ["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:UpdateAssumeRolePolicy"];
        for (to, target) in account.principals.iter().enumerate().filter(|(to, t)| *to != from && !t.path.starts_with("/aws-")) {
            let mut check = |action: &str, row: u8| {
                let possible = !matches!(ask(from, action, &target.arn, &none), Decision::Denied { .. });
                assert_eq!(edges.contains(&(To::Principal(to), row)), possible, "{} {action} {}", p.name, target.name);
                compared += 1;
            };
            if target.is_role {
                check("sts:AssumeRole", u8::MAX);
            }
            for (row, action) in credentials.iter().enumerate().filter(|(row, _)| (*row == 3) == target.is_role) {
                check(action, row as u8);
            }
        }
        // Each edge by passing a role rests on a permission that the evaluator grants.
        for e in graph.edges_from(from).iter().filter(|e| matches!(e.way, Way::Launch(_))) {
            let To::Principal(to) = e.to else { panic!("a launch leads to a role") };
            assert!(!matches!(ask(from, "iam:PassRole", &account.principals[to].arn, &none), Decision::Denied { .. }));
        }
    }
    assert!(compared > 5_000, "{compared}");
}
