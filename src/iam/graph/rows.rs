//! Every row of the tables of `ways`, held against accounts made of it: with its permissions the way is there, and without
//! any one of them it is not. Whether the rows are all there is, `tests/iam_ways.rs` asks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ways::{self, Gate};
use super::{Edge, Gain, Graph, Power, Way};
use crate::iam::account::Account;
use crate::iam::center::IdentityCenter;
use crate::iam::facts::facts;
use crate::iam::read::authorization_details;
use crate::iam::workloads::{Workload, WorkloadKind};

const ID: &str = "111122223333";
const KINDS: [WorkloadKind; 18] = [
    WorkloadKind::Ec2Instance,
    WorkloadKind::LambdaFunction,
    WorkloadKind::EcsTask,
    WorkloadKind::ClosedEcsTask,
    WorkloadKind::CodeBuildProject,
    WorkloadKind::CloudFormationStack,
    WorkloadKind::GlueJob,
    WorkloadKind::GlueDevEndpoint,
    WorkloadKind::SageMakerNotebook,
    WorkloadKind::AppRunnerService,
    WorkloadKind::StateMachine,
    WorkloadKind::CodeInterpreter,
    WorkloadKind::LaunchTemplate,
    WorkloadKind::BatchJob,
    WorkloadKind::AgentRuntime,
    WorkloadKind::StudioProfile,
    WorkloadKind::FlinkApplication,
    WorkloadKind::CertificateProfile,
];

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ID}:{name}")
}

fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn everything() -> Value {
    document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn allow(actions: &[&str]) -> Value {
    let named = if actions.is_empty() { &["s3:GetObject"][..] } else { actions };
    document(&json!({"Effect": "Allow", "Action": named, "Resource": "*"}))
}

fn inline(document: &Value) -> Value {
    json!([{"PolicyName": "own", "PolicyDocument": document}])
}

/// Eve, a user or a role that nobody becomes.
fn eve(role: bool, policy: &Value) -> Value {
    let (kind, name, list) = if role { ("role", "RoleName", "RolePolicyList") } else { ("user", "UserName", "UserPolicyList") };
    let mut eve = json!({"Path": "/", "Arn": arn(&format!("{kind}/eve")), name: "eve", list: inline(policy)});
    if role {
        eve["AssumeRolePolicyDocument"] = trust(&json!({"Service": "x.amazonaws.com"}));
    }
    eve
}

fn trust(principal: &Value) -> Value {
    document(&json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole*"}))
}

fn admin(path: &str, principal: &Value) -> Value {
    json!({"RoleName": "admin", "Path": path, "Arn": arn(&format!("role{path}admin")), "AssumeRolePolicyDocument": trust(principal),
        "InstanceProfileList": [{"InstanceProfileName": "admin", "Arn": arn("instance-profile/admin")}],
        "RolePolicyList": inline(&everything())})
}

/// An account of these, in which all that runs is known.
fn account(details: &Value) -> Account {
    let mut account = Account::read(&authorization_details(&details.to_string()).unwrap());
    assert_eq!(account.problems, []);
    account.workloads_known = KINDS.into();
    account
}

fn ways_of(account: &Account) -> (Power, Vec<Edge>) {
    let graph = Graph::new(account);
    let eve = account.principals.iter().position(|p| p.name == "eve").unwrap();
    (graph.powers()[eve], graph.edges_from(eve).to_vec())
}

/// Asks with all actions, which must give the way and the power, and then without each, which must not give the way.
fn hold(what: &str, actions: &[&str], expected: Power, is_way: impl Fn(&Edge) -> bool, make: impl Fn(&[&str]) -> Account) {
    let (power, edges) = ways_of(&make(actions));
    assert_eq!(power, expected, "{what} {actions:?}");
    assert!(edges.iter().any(&is_way), "{what} {actions:?}: {edges:?}");
    for missing in actions {
        let rest: Vec<&str> = actions.iter().filter(|a| *a != missing).copied().collect();
        let (_, edges) = ways_of(&make(&rest));
        assert!(!edges.iter().any(&is_way), "{what} {actions:?} without {missing}");
    }
}

fn power(certain: bool) -> Power {
    if certain { Power::CanBecome } else { Power::MayBecome }
}

#[test]
fn every_action_is_one_of_aws() {
    let unknown: BTreeSet<&str> = ways::actions().filter(|a| facts().action(a).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_launch_hands_a_role_over() {
    let silent: Vec<_> = ways::LAUNCHES.iter().filter(|l| !l.actions.iter().any(|a| ways::takes_role(a))).collect();
    assert!(silent.is_empty(), "{:?}", silent.iter().map(|l| l.actions).collect::<Vec<_>>());
}

#[test]
fn every_launch() {
    for (row, launch) in ways::LAUNCHES.iter().enumerate() {
        let cognito = launch.service.starts_with("cognito");
        let principal = if cognito { json!({"Federated": launch.service}) } else { json!({"Service": launch.service}) };
        let make = |actions: &[&str]| {
            account(&json!({"UserDetailList": [eve(false, &allow(actions))], "RoleDetailList": [admin("/", &principal)]}))
        };
        let actions: Vec<&str> = launch.actions.iter().copied().chain(["iam:PassRole"]).collect();
        let is_way = |e: &Edge| e.way == Way::Launch(row as u8) && e.certain != launch.standing;
        hold(launch.service, &actions, power(!launch.standing), is_way, make);
    }
}

#[test]
fn every_take_over() {
    for (row, way) in ways::TAKE_OVERS.iter().enumerate() {
        let make = |known: bool, actions: &[&str]| {
            let roles = [admin("/", &json!({"Service": way.kind.service()}))];
            let mut account = account(&json!({"UserDetailList": [eve(false, &allow(actions))], "RoleDetailList": roles}));
            if known {
                let arn = format!("arn:aws:x:eu-west-1:{ID}:thing/1");
                account.workloads = vec![Workload { kind: way.kind, arn, role_arn: self::arn("role/admin"), tags: None }];
            } else {
                account.workloads_known.clear();
            }
            account
        };
        let actions: Vec<&str> = way.all().collect();
        let certain = way.beside.is_empty() && way.kind != WorkloadKind::LaunchTemplate;
        let is_way = |e: &Edge| e.way == Way::TakeOver(row as u8, 0) && e.certain == certain;
        hold(way.sentence, &actions, power(certain), is_way, |a| make(true, a));
        // Where it is not known what runs, one edge is told for all rows: the first that leads there.
        let (power, edges) = ways_of(&make(false, &actions));
        assert_eq!(power, Power::MayBecome, "{}", way.sentence);
        assert!(edges.iter().any(|e| matches!(e.way, Way::MayTakeOver(_))), "{}", way.sentence);
    }
}

#[test]
fn every_credential() {
    for (row, way) in ways::CREDENTIALS.iter().enumerate() {
        let boss = json!({"UserName": "boss", "Path": "/", "Arn": arn("user/boss"), "UserPolicyList": inline(&everything())});
        let strange = admin("/", &json!({"Service": "x.amazonaws.com"}));
        let make = |actions: &[&str]| {
            account(&json!({"UserDetailList": [eve(false, &allow(actions)), boss], "RoleDetailList": [strange]}))
        };
        // Whether boss has a password is not known.
        let certain = ![ways::SETS_PASSWORD, ways::CHANGES_PASSWORD].contains(&way.action);
        hold(way.sentence, &[way.action], power(certain), |e| e.way == Way::Credential(row as u8), make);
    }
}

#[test]
fn every_gate() {
    for (row, way) in ways::ADMITS.iter().enumerate() {
        let path = if way.by == Gate::Saml { "/" } else { "/aws-reserved/sso.amazonaws.com/" };
        let make = |center: IdentityCenter, actions: &[&str]| {
            let role = admin(path, &json!({"Federated": arn("saml-provider/idp")}));
            let mut account = account(&json!({"UserDetailList": [eve(false, &allow(actions))], "RoleDetailList": [role]}));
            account.identity_center = center;
            account
        };
        let is_way = |e: &Edge| e.way == Way::Admit(row as u8);
        let saml = way.by == Gate::Saml;
        let actions: Vec<&str> = way.first.into_iter().chain([way.action]).collect();
        hold(way.sentence, &actions, power(saml), is_way, |a| make(IdentityCenter::Management, a));
        let elsewhere = ways_of(&make(IdentityCenter::No, &actions)).1;
        assert_eq!(elsewhere.iter().any(is_way), saml, "{}: IAM Identity Center is not kept in every account", way.sentence);
    }
}

/// Changing what it may do itself, as a user and as a role.
#[test]
fn every_change() {
    let by = |action: &'static str| move |e: &Edge| matches!(e.way, Way::Rewrite { action: a, .. } if a == action);
    for (role, list) in [(false, ways::REWRITES_USER), (true, ways::REWRITES_ROLE)] {
        let of = if role { "RoleDetailList" } else { "UserDetailList" };
        for action in list {
            hold(action, &[action], Power::CanBecome, by(action), |a| account(&json!({of: [eve(role, &allow(a))]})));
        }
        for action in ways::REWRITES_POLICY.iter().chain([&ways::SWITCH]) {
            let make = |actions: &[&str]| {
                let mut eve = eve(role, &allow(&[]));
                eve["AttachedManagedPolicies"] = json!([{"PolicyName": "p", "PolicyArn": arn("policy/p")}]);
                let version = |id: &str, on: bool, d: Value| json!({"VersionId": id, "IsDefaultVersion": on, "Document": d});
                let versions = [version("v2", true, allow(actions)), version("v1", false, everything())];
                let policy = json!({"PolicyName": "p", "Arn": arn("policy/p"), "PolicyVersionList": versions});
                account(&json!({of: [eve], "Policies": [policy]}))
            };
            hold(action, &[action], Power::CanBecome, by(action), make);
        }
    }
    for action in ways::REWRITES_GROUP {
        let make = |joins: bool, actions: &[&str]| {
            let mut eve = eve(false, &allow(actions));
            eve["GroupList"] = if joins { json!([]) } else { json!(["g"]) };
            account(&json!({"UserDetailList": [eve], "GroupDetailList": [{"GroupName": "g", "Arn": arn("group/g")}]}))
        };
        hold(action, &[action], Power::CanBecome, by(action), |a| make(false, a));
        hold(action, &[action, ways::JOIN], Power::CanBecome, by(action), |a| make(true, a));
    }
    for (action, on) in ways::REWRITES_SET {
        let make = |actions: &[&str]| {
            let path = "/aws-reserved/sso.amazonaws.com/";
            let mut eve = eve(true, &allow(actions));
            eve["Path"] = json!(path);
            eve["Arn"] = json!(arn(&format!("role{path}eve")));
            let mut account = account(&json!({"RoleDetailList": [eve]}));
            account.identity_center = IdentityCenter::Management;
            account
        };
        hold(action, &[action, ways::PROVISION, on], Power::CanBecome, by(action), make);
    }
}

/// What it does to itself first.
#[test]
fn every_gain() {
    let is = |gain: Gain| move |e: &Edge| e.way == Way::Gain(gain) || e.first == Some(gain);
    for (role, unbinds, drops, tags) in [
        (false, ways::UNBINDS_USER, ways::DROPS_USER, ways::TAGS_USER),
        (true, ways::UNBINDS_ROLE, ways::DROPS_ROLE, ways::TAGS_ROLE),
    ] {
        let of = if role { "RoleDetailList" } else { "UserDetailList" };
        let policy = |name: &str, documents: &[Value]| {
            let version =
                |(n, d): (usize, &Value)| json!({"VersionId": format!("v{n}"), "IsDefaultVersion": n == 0, "Document": d});
            let list: Vec<Value> = documents.iter().enumerate().map(version).collect();
            json!({"PolicyName": name, "Arn": arn(&format!("policy/{name}")), "PolicyVersionList": list})
        };
        for action in unbinds.iter().chain(ways::REWRITES_POLICY).chain([&ways::SWITCH]) {
            let make = |actions: &[&str]| {
                let mut eve = eve(role, &everything());
                eve["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": arn("policy/edge")});
                account(&json!({of: [eve], "Policies": [policy("edge", &[allow(actions), everything()])]}))
            };
            hold(action, &[action], Power::CanBecome, is(Gain::Unbind(action)), make);
        }
        // The policy that denies is the second of its own, after the one that allows everything.
        let (inline, managed) = drops;
        let denied = |actions: &[&str]| {
            let gone: Vec<&str> = [inline, managed].into_iter().filter(|a| !actions.contains(a)).collect();
            let rest = ["iam:Put*", "iam:Attach*", "iam:Create*", "iam:Update*", "iam:Set*", "iam:Add*", "sts:*", "iam:PassRole"];
            let all: Vec<&str> = gone.into_iter().chain(rest).collect();
            document(&json!({"Effect": "Deny", "Action": all, "Resource": "*"}))
        };
        for action in [inline, managed] {
            let make = |actions: &[&str]| {
                let mut eve = eve(role, &everything());
                let own = if role { "RolePolicyList" } else { "UserPolicyList" };
                if action == inline {
                    let no = json!({"PolicyName": "no", "PolicyDocument": denied(actions)});
                    eve[own] = json!([{"PolicyName": "own", "PolicyDocument": everything()}, no]);
                    return account(&json!({of: [eve]}));
                }
                eve["AttachedManagedPolicies"] = json!([{"PolicyName": "no", "PolicyArn": arn("policy/no")}]);
                account(&json!({of: [eve], "Policies": [policy("no", &[denied(actions)])]}))
            };
            let is_way = |e: &Edge| matches!(e.way, Way::Gain(Gain::Drop(_)));
            hold(action, &[action], Power::CanBecome, is_way, make);
        }
        let make = |actions: &[&str]| {
            let mut admin = admin("/", &json!({"AWS": ID}));
            admin["AssumeRolePolicyDocument"]["Statement"]["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/a": "b"}});
            // What a role's session brings is not known, but for the tags that the role has.
            let mut eve = eve(role, &allow(actions));
            eve["Tags"] = json!([{"Key": "a", "Value": "c"}]);
            let mut all = json!({of: [eve]});
            match all["RoleDetailList"].as_array_mut() {
                Some(roles) => roles.push(admin),
                None => all["RoleDetailList"] = json!([admin]),
            }
            account(&all)
        };
        hold(tags, &[tags, "sts:AssumeRole"], power(!role), is(Gain::Tag(tags)), make);
    }
    let group = |document: &Value| json!({"GroupName": "g", "Arn": arn("group/g"), "GroupPolicyList": inline(document)});
    let joins = |actions: &[&str]| {
        account(&json!({"UserDetailList": [eve(false, &allow(actions))], "GroupDetailList": [group(&everything())]}))
    };
    hold("join", &[ways::JOIN], Power::CanBecome, is(Gain::Join(0)), joins);
    let leaves = |actions: &[&str]| {
        let mut denied = vec!["iam:Put*", "iam:Attach*", "iam:Create*", "iam:Update*", "iam:Add*", "iam:PassRole", "sts:*"];
        denied.extend((!actions.contains(&ways::LEAVE)).then_some(ways::LEAVE));
        let mut eve = eve(false, &everything());
        eve["GroupList"] = json!(["g"]);
        let no = document(&json!({"Effect": "Deny", "Action": denied, "Resource": "*"}));
        account(&json!({"UserDetailList": [eve], "GroupDetailList": [group(&no)]}))
    };
    hold("leave", &[ways::LEAVE], Power::CanBecome, is(Gain::Leave(0)), leaves);
}

#[test]
fn everybody_new() {
    let made = |role: bool, action: &'static str| move |e: &Edge| matches!(e.way, Way::Make { role: r, action: a, .. } if r == role && a == action);
    let alone = |actions: &[&str]| account(&json!({"UserDetailList": [eve(false, &allow(actions))]}));
    for action in ways::REWRITES_ROLE {
        hold("a role", &[ways::MAKES_ROLE, action], Power::CanBecome, made(true, action), alone);
    }
    for enter in ways::ENTERS_USER {
        // On herself each would be enough.
        let elsewhere = |actions: &[&str]| {
            let mut eve = eve(false, &allow(actions));
            let kept = json!({"Effect": "Deny", "Action": "iam:*", "Resource": arn("user/eve")});
            eve["UserPolicyList"].as_array_mut().unwrap().push(json!({"PolicyName": "no", "PolicyDocument": document(&kept)}));
            account(&json!({"UserDetailList": [eve]}))
        };
        for action in ways::REWRITES_USER {
            hold("a user", &[ways::MAKES_USER, action, enter], Power::CanBecome, made(false, action), elsewhere);
        }
    }
}
