//! Ways to escalate: the published ones, and those that take more than one permission in one place, each beside what looks
//! like it and leads nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use bartizan::iam::account::Account;
use bartizan::iam::center::IdentityCenter;
use bartizan::iam::graph::{Graph, Joined, Node, Power, Prize, Target, To};
use bartizan::iam::read::authorization_details;
use bartizan::model::estate::Estate;
use serde_json::{Value, json};

const ID: &str = "111122223333";

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ID}:{name}")
}

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn inline(name: &str, statements: &[Value]) -> Value {
    json!({"PolicyName": name, "PolicyDocument": document(statements)})
}

fn trust(principal: &Value) -> Value {
    let action = match principal.get("Federated").and_then(Value::as_str) {
        Some(pool) if pool.starts_with("cognito") => "sts:AssumeRoleWithWebIdentity",
        Some(_) => "sts:AssumeRoleWithSAML",
        None => "sts:AssumeRole",
    };
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}]})
}

fn user(name: &str, statements: &[Value]) -> Value {
    json!({"UserName": name, "Path": "/", "Arn": arn(&format!("user/{name}")), "UserPolicyList": [inline("own", statements)]})
}

fn role(name: &str, principal: &Value, statements: &[Value]) -> Value {
    let profile = json!({"InstanceProfileName": name, "Arn": arn(&format!("instance-profile/{name}"))});
    json!({"RoleName": name, "Path": "/", "Arn": arn(&format!("role/{name}")), "AssumeRolePolicyDocument": trust(principal),
        "InstanceProfileList": [profile], "RolePolicyList": [inline("own", statements)]})
}

fn group(name: &str, statements: &[Value]) -> Value {
    json!({"GroupName": name, "Path": "/", "Arn": arn(&format!("group/{name}")), "GroupPolicyList": [inline("own", statements)]})
}

/// A managed policy of the account; the first version is in force.
fn policy(name: &str, versions: &[Value]) -> Value {
    let version = |(n, statement): (usize, &Value)| {
        json!({"VersionId": format!("v{}", versions.len() - n), "IsDefaultVersion": n == 0,
            "Document": document(std::slice::from_ref(statement))})
    };
    let list: Vec<Value> = versions.iter().enumerate().map(version).collect();
    json!({"PolicyName": name, "Arn": arn(&format!("policy/{name}")), "PolicyVersionList": list})
}

fn everything() -> Value {
    allow(&["*"], "*")
}

#[derive(Default)]
struct Parts {
    users: Vec<Value>,
    roles: Vec<Value>,
    groups: Vec<Value>,
    policies: Vec<Value>,
}

impl Parts {
    fn account(&self) -> Account {
        let text = json!({"UserDetailList": self.users, "RoleDetailList": self.roles, "GroupDetailList": self.groups,
            "Policies": self.policies});
        let account = Account::read(&authorization_details(&text.to_string()).unwrap());
        assert_eq!(account.problems, []);
        account
    }

    fn power(&self, name: &str) -> Power {
        power(&self.account(), name)
    }
}

fn power(account: &Account, name: &str) -> Power {
    Graph::new(account).powers()[account.principal(name).unwrap()]
}

fn sentences(account: &Account, name: &str) -> Vec<String> {
    let graph = Graph::new(account);
    graph.edges_from(account.principal(name).unwrap()).iter().map(|e| graph.sentence(e)).collect()
}

/// An account of the fixture: user eve with the permissions, and the setting.
fn setting(actions: &[&str], setting: &str) -> Parts {
    let mut parts = Parts::default();
    let mut eve = user("eve", &[allow(actions, "*")]);
    let account = json!({"AWS": ID});
    let own = |parts: &mut Parts, eve: &mut Value, versions: &[Value]| {
        eve["UserPolicyList"] = json!([]);
        eve["AttachedManagedPolicies"] = json!([{"PolicyName": "p", "PolicyArn": arn("policy/p")}]);
        parts.policies.push(policy("p", versions));
    };
    match setting.split_once(' ').unwrap_or((setting, "")) {
        ("alone", _) => {}
        ("serves", service) if service.starts_with("cognito") => {
            parts.roles.push(role("admin", &json!({"Federated": service}), &[everything()]));
        }
        ("serves", service) => parts.roles.push(role("admin", &json!({"Service": service}), &[everything()])),
        ("entered", _) => parts.roles.push(role("admin", &account, &[everything()])),
        ("strange", _) => parts.roles.push(role("admin", &json!({"Service": "x.amazonaws.com"}), &[everything()])),
        ("weak", _) => parts.roles.push(role("weak", &json!({"Service": "x.amazonaws.com"}), &[])),
        ("boss", _) => parts.users.push(user("boss", &[everything()])),
        ("policy", _) => own(&mut parts, &mut eve, &[allow(actions, "*")]),
        ("older", _) => own(&mut parts, &mut eve, &[allow(actions, "*"), everything()]),
        ("group", _) => {
            eve["GroupList"] = json!(["own"]);
            parts.groups.push(group("own", &[]));
        }
        ("admins", _) => parts.groups.push(group("admins", &[everything()])),
        (other, _) => panic!("no setting {other:?}"),
    }
    parts.users.push(eve);
    parts
}

/// All that others have published; and nothing is found where one of the permissions that it takes is missing.
#[test]
fn published_escalations_are_found() {
    let text = include_str!("iam/escalations.txt");
    let mut seen = 0;
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let [id, actions, place, outcome] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let actions: Vec<&str> = actions.split(' ').collect();
        let expected = if outcome == "can" { Power::CanBecome } else { Power::MayBecome };
        assert_eq!(setting(&actions, place).power("user/eve"), expected, "{line}");
        assert_eq!(setting(&["s3:GetObject"], place).power("user/eve"), Power::Ordinary, "{id}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

fn of_a_set(name: &str, statements: &[Value]) -> Value {
    let path = "/aws-reserved/sso.amazonaws.com/";
    let mut role = role(name, &json!({"Federated": arn("saml-provider/AWSSSO_1_DO_NOT_DELETE")}), statements);
    role["Path"] = json!(path);
    role["Arn"] = json!(arn(&format!("role{path}{name}")));
    role
}

/// Permission sets are changed where IAM Identity Center is kept, take effect once they are provisioned, and on roles of the
/// management account ask for more.
#[test]
fn permission_sets_are_changed_in_the_management_account_alone() {
    let set = "sso:PutInlinePolicyToPermissionSet";
    let provision = "sso:ProvisionPermissionSet";
    let of = |actions: &[&str], management: Option<&str>| {
        let parts = Parts { roles: vec![of_a_set("AWSReservedSSO_Dev_1", &[allow(actions, "*")])], ..Parts::default() };
        let text = json!({"RoleDetailList": parts.roles}).to_string();
        let mut estate = Estate::default();
        estate.put_identity(authorization_details(&text).unwrap());
        let organization = |id: &str| serde_json::from_value(json!({"id": "o-1", "management_account": id})).unwrap();
        estate.organization = management.map(organization);
        let account = Account::of_estate(&estate, ID).unwrap();
        power(&account, "role/AWSReservedSSO_Dev_1")
    };
    let all = [set, provision, "iam:PutRolePolicy"];
    assert_eq!(of(&all, Some(ID)), Power::CanBecome);
    assert_eq!(of(&all, Some("999988887777")), Power::Ordinary, "a member account keeps no permission sets");
    assert_eq!(of(&all, None), Power::MayBecome, "it may be the management account");
    for missing in all {
        let rest: Vec<&str> = all.into_iter().filter(|a| *a != missing).collect();
        assert_eq!(of(&rest, Some(ID)), Power::Ordinary, "without {missing}");
    }
    // Power users of a member account: everything but IAM, with `sso:*` in it.
    let power_user = json!({"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"});
    let mut account =
        Parts { roles: vec![of_a_set("Dev", &[power_user]), of_a_set("Admin", &[everything()])], ..Parts::default() }.account();
    account.identity_center = IdentityCenter::No;
    assert_eq!((power(&account, "role/Dev"), sentences(&account, "role/Dev")), (Power::Ordinary, vec![]));
    // Where they are kept, whom they are assigned to is not collected.
    account.identity_center = IdentityCenter::Management;
    assert_eq!(power(&account, "role/Dev"), Power::MayBecome);
    assert!(
        sentences(&account, "role/Dev").contains(&"role/Dev can have somebody assigned to role/Admin, under conditions".into())
    );
}

/// What the account that keeps IAM Identity Center may do to the roles that it keeps in others, under conditions: whom they are
/// assigned to is not collected. A member account that it was delegated to leaves the management account's own sets alone.
#[test]
fn permission_sets_lead_into_every_account() {
    const MEMBER: &str = "444455556666";
    const DELEGATE: &str = "777788889999";
    let role_of = |id: &str, name: &str, statements: &[Value]| -> Value {
        serde_json::from_str(&of_a_set(&format!("AWSReservedSSO_{name}_1"), statements).to_string().replace(ID, id)).unwrap()
    };
    let eve = |id: &str, actions: &[&str]| -> Value {
        serde_json::from_str(&user("eve", &[allow(actions, "*")]).to_string().replace(ID, id)).unwrap()
    };
    let read = || allow(&["s3:GetObject"], "*");
    let make = |of_eve: &str, actions: &[&str], delegates: Value| {
        let mut estate = Estate::default();
        for id in [ID, MEMBER, DELEGATE] {
            estate.put_account(bartizan::model::account::Account::bare(id));
            let users = if id == of_eve { vec![eve(id, actions)] } else { Vec::new() };
            let mut roles = vec![role_of(id, "Dev", &[read()])];
            // A set that only the members have.
            roles.extend((id == MEMBER).then(|| role_of(id, "Ops", &[read()])));
            let text = json!({"UserDetailList": users, "RoleDetailList": roles}).to_string();
            estate.put_identity(authorization_details(&text).unwrap());
        }
        let organization = json!({"id": "o-1", "management_account": ID, "delegates": delegates});
        estate.organization = Some(serde_json::from_value(organization).unwrap());
        estate
    };
    let asked = |estate: &Estate, of_eve: &str| -> (Power, Vec<String>) {
        let accounts: Vec<Account> = estate.identities.iter().map(|i| Account::of_estate(estate, &i.account).unwrap()).collect();
        let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
        let joined = Joined::new(graphs.iter().map(Graph::built));
        let eve = joined.find(&format!("arn:aws:iam::{of_eve}:user/eve")).unwrap();
        let To::Principal(at) = eve.at else { panic!("a user") };
        let legs = joined.steps(eve, false).into_iter().filter(|leg| leg.to.account != eve.account);
        let said = legs.map(|leg| joined.sentence(&leg, graphs.as_slice(), &|id| id.to_owned()));
        // Whoever can be got at is looked for from there, too.
        let back: Vec<String> = accounts[0].resources().inward(&[MEMBER]);
        assert!(back.contains(&of_eve.to_owned()), "{back:?}");
        (joined.powers()[eve.account][at], said.collect())
    };
    let nobody = json!({});
    let assign = "sso:CreateAccountAssignment";
    let (power, said) = asked(&make(ID, &[assign], nobody.clone()), ID);
    let assigned = |set: &str, id: &str| {
        format!("user/eve can have somebody assigned to role/AWSReservedSSO_{set}_1 of {id}, under conditions")
    };
    assert_eq!(
        (power, said),
        (Power::Ordinary, vec![assigned("Dev", MEMBER), assigned("Ops", MEMBER), assigned("Dev", DELEGATE)])
    );
    // An assignment is in an account: a policy may leave it to some.
    let mut limited = make(ID, &[assign], nobody.clone());
    let mut management = (**limited.identity(ID).unwrap()).clone();
    let parts = json!(["arn:aws:sso:::instance/*", "arn:aws:sso:::permissionSet/*", format!("arn:aws:sso:::account/{DELEGATE}")]);
    let statement = json!({"Effect": "Allow", "Action": assign, "Resource": parts});
    management.users[0].user_policy_list[0].policy_document =
        bartizan::model::document::Document(document(&[statement]).to_string());
    limited.put_identity(management);
    assert_eq!(asked(&limited, ID).1, [assigned("Dev", DELEGATE)]);
    // With the set changed as well, each account is open.
    let all = [assign, "sso:PutInlinePolicyToPermissionSet", "sso:ProvisionPermissionSet"];
    let (power, said) = asked(&make(ID, &all, nobody.clone()), ID);
    assert_eq!((power, said.len()), (Power::MayBecome, 5));
    let whole = "user/eve can make the permission set Dev an administrator's by sso:PutInlinePolicyToPermissionSet and let \
                 somebody into 444455556666 by sso:CreateAccountAssignment, under conditions";
    assert!(said.contains(&whole.to_owned()), "{said:?}");
    for missing in all {
        let rest: Vec<&str> = all.into_iter().filter(|a| *a != missing).collect();
        assert_eq!(asked(&make(ID, &rest, nobody.clone()), ID).0, Power::Ordinary, "without {missing}");
    }
    // In an account that nothing was delegated to it means nothing; the delegate has what the management account has no role of.
    let sso = json!({DELEGATE: ["guardduty.amazonaws.com", "sso.amazonaws.com"]});
    let other = json!({DELEGATE: ["guardduty.amazonaws.com"]});
    let estate = make(DELEGATE, &all, sso);
    let (power, said) = asked(&estate, DELEGATE);
    let whole = whole.replace("set Dev", "set Ops");
    assert_eq!(power, Power::MayBecome);
    assert_eq!(said.len(), 3, "not into the management account: {said:?}");
    assert!(said.contains(&assigned("Dev", MEMBER)) && said.contains(&whole), "{said:?}");
    // Users and groups of all it keeps: into the management account by a group.
    let (_, said) =
        asked(&make(DELEGATE, &["identitystore:CreateGroupMembership"], json!({DELEGATE: ["sso.amazonaws.com"]})), DELEGATE);
    let grouped = |id: &str| {
        format!("user/eve can put somebody into a group that is assigned to role/AWSReservedSSO_Dev_1 of {id}, under conditions")
    };
    assert!(said.contains(&grouped(ID)) && said.contains(&grouped(MEMBER)), "{said:?}");
    let accounts: Vec<Account> =
        [ID, MEMBER, DELEGATE].iter().filter_map(|id| Account::of_estate(&make(DELEGATE, &all, other.clone()), id)).collect();
    let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
    let joined = Joined::new(graphs.iter().map(Graph::built));
    let eve = joined.find(&format!("arn:aws:iam::{DELEGATE}:user/eve")).unwrap();
    assert!(joined.steps(eve, false).is_empty(), "it keeps no permission sets");
}

/// A role of a set changes itself where it was delegated, without permissions over IAM; not a set of the management account.
#[test]
fn a_delegate_changes_its_own_sets() {
    let member = "444455556666";
    let power_of = |set: &str, management: Option<&str>, delegated: bool| {
        let own = allow(&["sso:AttachManagedPolicyToPermissionSet", "sso:ProvisionPermissionSet"], "*");
        let text =
            json!({"RoleDetailList": [of_a_set(&format!("AWSReservedSSO_{set}_1"), &[own])]}).to_string().replace(ID, member);
        let mut estate = Estate::default();
        estate.put_identity(authorization_details(&text).unwrap());
        if let Some(set) = management {
            let kept = json!({"RoleDetailList": [of_a_set(&format!("AWSReservedSSO_{set}_2"), &[])]});
            estate.put_identity(authorization_details(&kept.to_string()).unwrap());
        }
        let services = if delegated { vec!["sso.amazonaws.com"] } else { vec![] };
        let organization = json!({"id": "o-1", "management_account": ID, "delegates": {member: services}});
        estate.organization = Some(serde_json::from_value(organization).unwrap());
        power(&Account::of_estate(&estate, member).unwrap(), &format!("role/AWSReservedSSO_{set}_1"))
    };
    assert_eq!(power_of("Dev", Some("Other"), true), Power::CanBecome);
    assert_eq!(power_of("Dev", Some("Dev"), true), Power::Ordinary, "the management account's sets are its own");
    assert_eq!(power_of("Dev", None, true), Power::MayBecome, "what the management account has was not read");
    assert_eq!(power_of("Dev", Some("Other"), false), Power::Ordinary);
}

/// One that is become changes the one it is become by, or another that is.
#[test]
fn who_is_become_changes_who_became_it() {
    for (action, groups) in [
        ("iam:PutUserPolicy", vec![]),
        ("iam:AttachUserPolicy", vec![]),
        ("iam:AddUserToGroup", vec![group("admins", &[everything()])]),
        ("iam:AddUserToGroup", vec![group("iam", &[allow(&["iam:*"], "*")])]),
    ] {
        let parts = |on: &str| Parts {
            users: vec![user("eve", &[allow(&["sts:AssumeRole"], "*")]), user("bob", &[])],
            roles: vec![role("r", &json!({"AWS": ID}), &[allow(&[action], on)])],
            groups: groups.clone(),
            ..Parts::default()
        };
        let account = parts("*").account();
        assert_eq!(power(&account, "user/eve"), Power::CanBecome, "{action}");
        assert_eq!(power(&account, "role/r"), Power::Ordinary, "the role itself can become nobody");
        assert_eq!(power(&account, "user/bob"), Power::Ordinary);
        let told = format!("user/eve can become role/r, which can change its permissions by {action}");
        assert!(sentences(&account, "user/eve").contains(&told), "{action}");
        if groups.is_empty() {
            assert_eq!(parts(&arn("user/bob")).power("user/eve"), Power::Ordinary, "{action} on another");
        }
    }
    // One role writes the permissions of the other; eve becomes both, ann only the first, at the end of a chain.
    let named = |names: &[&str]| json!({"AWS": names.iter().map(|n| arn(n)).collect::<Vec<_>>()});
    let parts = Parts {
        users: vec![user("eve", &[]), user("ann", &[])],
        roles: vec![
            role("first", &named(&["user/eve", "user/ann"]), &[]),
            role("writer", &named(&["role/first"]), &[allow(&["iam:PutRolePolicy"], &arn("role/other"))]),
            role("other", &named(&["user/eve"]), &[]),
        ],
        ..Parts::default()
    };
    let account = parts.account();
    assert_eq!(
        ["user/eve", "user/ann", "role/first"].map(|n| power(&account, n)),
        [Power::CanBecome, Power::Ordinary, Power::Ordinary]
    );
    let graph = Graph::new(&account);
    let at = account.principal("user/eve").unwrap();
    let edge = graph.edges_from(at).iter().find(|e| e.to == To::Administrator).unwrap();
    assert_eq!(
        graph.sentence(edge),
        "user/eve can become role/writer, change the permissions of role/other by iam:PutRolePolicy, and become that"
    );
    let needs: Vec<&str> = edge.needs.iter().map(|n| n.action).collect();
    assert_eq!(needs, ["sts:AssumeRole", "sts:AssumeRole", "sts:AssumeRole", "iam:PutRolePolicy"], "three trusts and the policy");
}

fn bound(statements: &[Value], boundary: &Value) -> Parts {
    let mut eve = user("eve", statements);
    eve["PermissionsBoundary"] = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn("policy/edge")});
    Parts { users: vec![eve], policies: vec![policy("edge", std::slice::from_ref(boundary))], ..Parts::default() }
}

#[test]
fn boundaries_are_taken_off() {
    let within = |actions: &[&str]| bound(&[everything()], &allow(actions, "*"));
    for (action, expected) in [
        ("iam:DeleteUserPermissionsBoundary", Power::CanBecome),
        ("iam:PutUserPermissionsBoundary", Power::CanBecome),
        ("iam:CreatePolicyVersion", Power::CanBecome),
        ("iam:DeleteRolePermissionsBoundary", Power::Ordinary),
        ("iam:SetDefaultPolicyVersion", Power::Ordinary),
        ("iam:PutUserPolicy", Power::Ordinary),
    ] {
        let account = within(&["s3:*", action]).account();
        assert_eq!(power(&account, "user/eve"), expected, "{action}");
        if expected == Power::CanBecome {
            let told = format!("user/eve can lift its permissions boundary by {action}, which leaves it an administrator");
            assert_eq!(sentences(&account, "user/eve"), [told]);
        }
    }
    assert_eq!(within(&["iam:*"]).power("user/eve"), Power::CanBecome);
    // Another boundary, but none that is wide.
    let narrow = json!({"Effect": "Allow", "Action": ["iam:PutUserPermissionsBoundary", "s3:*"], "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": arn("policy/edge")}}});
    assert_eq!(bound(&[everything()], &narrow).power("user/eve"), Power::Ordinary);
    // Its own policies give nothing that the boundary keeps away, so that both have to be changed.
    let both = ["iam:DeleteUserPermissionsBoundary", "iam:PutUserPolicy"];
    let [unbind, write] = both;
    let edge = allow(&[unbind, write, "s3:*"], "*");
    let then = "user/eve can lift its permissions boundary by iam:DeleteUserPermissionsBoundary and then change its own permissions by iam:PutUserPolicy";
    // Writing alone, it gives itself what the boundary leaves first.
    for own in [vec![unbind, write], vec![write]] {
        let account = bound(&[allow(&own, "*")], &edge).account();
        assert_eq!(power(&account, "user/eve"), Power::CanBecome, "{own:?}");
        assert_eq!(sentences(&account, "user/eve"), [then], "{own:?}");
    }
    for edge in [&edge, &everything()] {
        assert_eq!(bound(&[allow(&[unbind], "*")], edge).power("user/eve"), Power::Ordinary);
    }
    // A boundary that leaves administration holds nobody who writes its own policies.
    let open = bound(&[allow(&[write], "*")], &everything()).account();
    assert_eq!(sentences(&open, "user/eve"), ["user/eve can change its own permissions by iam:PutUserPolicy"]);
    let mut keeps = bound(&[], &allow(&["s3:*", "sts:*"], "*"));
    keeps.users[0]["UserPolicyList"] = json!([inline("own", &[allow(&[write], "*")])]);
    keeps.roles = vec![role("admin", &json!({"AWS": ID}), &[everything()])];
    assert_eq!(keeps.power("user/eve"), Power::Ordinary, "writing is not within the boundary");
    keeps.policies = vec![policy("edge", &[allow(&[write, "sts:*"], "*")])];
    let told =
        "user/eve can give itself by iam:PutUserPolicy all that its permissions boundary leaves and then assume role/admin";
    assert_eq!(sentences(&keeps.account(), "user/eve"), [told]);
    // Of another that is become, in one breath.
    let mut parts = bound(&[], &allow(&["s3:*"], "*"));
    let keys = ["iam:CreateAccessKey", "iam:DeleteUserPermissionsBoundary", "iam:PutUserPolicy"];
    let on_eve: Vec<Value> = keys.iter().map(|a| allow(&[a], &arn("user/eve"))).collect();
    parts.users.push(user("sam", &on_eve));
    assert_eq!(parts.power("user/sam"), Power::CanBecome);
    parts.users[1] = user("sam", &[on_eve[0].clone(), on_eve[2].clone()]);
    assert_eq!(parts.power("user/sam"), Power::Ordinary, "within its boundary eve stays");
    parts.policies = vec![policy("edge", &[everything()])];
    assert_eq!(parts.power("user/sam"), Power::CanBecome, "a boundary that leaves everything holds nobody");
    parts.policies = vec![policy("edge", &[allow(&["iam:DeleteUserPermissionsBoundary", "iam:PutUserPolicy"], "*")])];
    assert_eq!(parts.power("user/sam"), Power::CanBecome, "eve, who may then do all of it, takes it off herself");
}

#[test]
fn policies_that_may_be_attached_by_name() {
    let only = |name: &str| {
        json!({"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "*",
            "Condition": {"ArnEquals": {"iam:PolicyARN": name}}})
    };
    let of = |statement: &Value, own: Vec<Value>| {
        let admin = role("admin", &json!({"AWS": ID}), &[everything()]);
        let users = vec![user("eve", std::slice::from_ref(statement))];
        Parts { users, roles: vec![admin], policies: own, ..Parts::default() }.account()
    };
    for (name, own, expected) in [
        ("arn:aws:iam::aws:policy/AdministratorAccess".to_owned(), vec![], Power::CanBecome),
        ("arn:aws:iam::aws:policy/IAMFullAccess".to_owned(), vec![], Power::CanBecome),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned(), vec![], Power::Ordinary),
        (arn("policy/god"), vec![policy("god", &[everything()])], Power::CanBecome),
        (arn("policy/reader"), vec![policy("reader", &[allow(&["s3:Get*"], "*")])], Power::Ordinary),
        (arn("policy/hat"), vec![policy("hat", &[allow(&["sts:AssumeRole"], "*")])], Power::CanBecome),
    ] {
        let account = of(&only(&name), own);
        assert_eq!(power(&account, "user/eve"), expected, "{name}");
        if name.ends_with("hat") {
            assert_eq!(sentences(&account, "user/eve"), ["user/eve can attach hat to itself and then assume role/admin"]);
        }
    }
}

/// Where only policies of some names may be attached, one of such a name is made.
#[test]
fn policies_are_made_to_be_attached() {
    let attach = json!({"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "*",
        "Condition": {"ArnLike": {"iam:PolicyARN": arn("policy/team-*")}}});
    let of = |made: &str| {
        let users = vec![user("eve", &[attach.clone(), allow(&["iam:CreatePolicy"], &arn(made))])];
        Parts { users, ..Parts::default() }.account()
    };
    for (made, expected) in
        [("policy/*", Power::CanBecome), ("policy/team-*", Power::CanBecome), ("policy/other-*", Power::Ordinary)]
    {
        assert_eq!(power(&of(made), "user/eve"), expected, "{made}");
    }
    assert_eq!(sentences(&of("policy/*"), "user/eve"), ["user/eve can change its own permissions by iam:AttachUserPolicy"]);
    let others = json!({"Effect": "Deny", "Action": "iam:AttachUserPolicy", "Resource": "*",
        "Condition": {"ArnNotLike": {"iam:PolicyARN": arn("policy/team-*")}}});
    let users = vec![user("eve", &[allow(&["iam:AttachUserPolicy", "iam:CreatePolicy"], "*"), others])];
    assert_eq!(Parts { users, ..Parts::default() }.power("user/eve"), Power::CanBecome);
}

/// A service passes no trust that keeps it out: a Deny, another's account, other calls.
#[test]
fn services_assume_what_lets_them() {
    let power_with = |statements: Value| {
        let mut admin = role("admin", &json!({"Service": "lambda.amazonaws.com"}), &[everything()]);
        admin["AssumeRolePolicyDocument"]["Statement"] = statements;
        let actions = ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"];
        Parts { users: vec![user("eve", &[allow(&actions, "*")])], roles: vec![admin], ..Parts::default() }.power("user/eve")
    };
    let lets = |action: &str, key: &str, value: &str| {
        let mut allow = json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": action});
        if !key.is_empty() {
            allow["Condition"] = json!({"ArnLike": {key: value}});
            if key == "aws:SourceAccount" {
                allow["Condition"] = json!({"StringEquals": {key: value}});
            }
        }
        allow
    };
    let plain = lets("sts:AssumeRole", "", "");
    let nobody = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"});
    let function = |id: &str| format!("arn:aws:lambda:eu-west-1:{id}:function:app-*");
    for (statements, expected) in [
        (json!([plain]), Power::CanBecome),
        (json!([plain, nobody]), Power::Ordinary),
        (json!([lets("sts:TagSession", "", "")]), Power::Ordinary),
        (json!([lets("sts:AssumeRole", "aws:SourceAccount", ID)]), Power::CanBecome),
        (json!([lets("sts:AssumeRole", "aws:SourceAccount", "999988887777")]), Power::Ordinary),
        (json!([lets("sts:AssumeRole", "aws:SourceArn", &function(ID))]), Power::CanBecome),
        (json!([lets("sts:AssumeRole", "aws:SourceArn", &function("*"))]), Power::CanBecome),
        (json!([lets("sts:AssumeRole", "aws:SourceArn", &function("999988887777"))]), Power::Ordinary),
    ] {
        assert_eq!(power_with(statements.clone()), expected, "{statements}");
    }
}

/// What whoever asks says of a request is its choice: the region, the tags and the type of what it makes, an external id.
#[test]
fn what_the_caller_chooses_holds_nobody() {
    let launch = |action: &str, key: &str, value: &str| json!({"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"StringEquals": {key: value}}});
    let pass = allow(&["iam:PassRole"], "*");
    let of = |own: &[Value]| {
        let roles = ["lambda", "ec2"].map(|s| role(s, &json!({"Service": format!("{s}.amazonaws.com")}), &[everything()]));
        Parts { users: vec![user("eve", own)], roles: roles.to_vec(), ..Parts::default() }.power("user/eve")
    };
    let in_region = |action: &str, region: &str| launch(action, "aws:RequestedRegion", region);
    let both = |one: &str, other: &str| {
        of(&[pass.clone(), in_region("lambda:CreateFunction", one), in_region("lambda:InvokeFunction", other)])
    };
    assert_eq!(both("eu-west-1", "eu-west-1"), Power::CanBecome);
    assert_eq!(both("eu-west-1", "us-east-1"), Power::Ordinary, "it is called where it was made");
    // Of what a request names only what it makes is given tags, which is asked for as well; the rest stands there already.
    let run_on = |of: &str, key: &str, value: &str| {
        let mut statement = launch("ec2:RunInstances", key, value);
        statement["Resource"] = json!(format!("arn:aws:ec2:*:*:{of}/*"));
        statement
    };
    let rest = ["image", "network-interface", "security-group", "subnet", "volume"];
    let rest: Vec<Value> = rest.iter().map(|of| allow(&["ec2:RunInstances"], &format!("arn:aws:ec2:*:*:{of}/*"))).collect();
    let with = |own: &[Value]| of(&[std::slice::from_ref(&pass), own, &rest].concat());
    let tagged = || run_on("instance", "aws:RequestTag/team", "red");
    let tags = |resource: &str| allow(&["ec2:CreateTags"], resource);
    let when = |action: &str| launch("ec2:CreateTags", "ec2:CreateAction", action);
    assert_eq!(with(&[tagged(), tags("*")]), Power::CanBecome);
    assert_eq!(with(&[tagged(), when("RunInstances")]), Power::CanBecome);
    assert_eq!(with(&[tagged(), when("CreateVolume")]), Power::Ordinary);
    assert_eq!(with(&[tagged(), tags("arn:aws:ec2:*:*:volume/*")]), Power::Ordinary);
    assert_eq!(with(&[tagged()]), Power::Ordinary, "tagging is asked for as well");
    assert_eq!(of(&[pass.clone(), launch("ec2:RunInstances", "aws:RequestTag/team", "red"), tags("*")]), Power::Ordinary);
    // An instance has a type; an image has none.
    assert_eq!(with(&[run_on("instance", "ec2:InstanceType", "t3.micro")]), Power::CanBecome);
    assert_eq!(of(&[pass.clone(), launch("ec2:RunInstances", "ec2:InstanceType", "t3.micro")]), Power::Ordinary);
    let deny = |resource: &str, condition: Value| json!({"Effect": "Deny", "Action": ["ec2:RunInstances", "lambda:*"], "Resource": resource, "Condition": condition});
    let run = allow(&["ec2:RunInstances"], "*");
    let guarded = |on: &str, condition: Value| of(&[pass.clone(), run.clone(), tags("*"), deny(on, condition)]);
    let untagged = || json!({"Null": {"aws:RequestTag/team": "true"}});
    assert_eq!(guarded("arn:aws:ec2:*:*:instance/*", untagged()), Power::CanBecome, "it is tagged");
    assert_eq!(guarded("*", untagged()), Power::Ordinary, "an image is not");
    assert_eq!(guarded("*", json!({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})), Power::CanBecome);
    assert_eq!(guarded("*", json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})), Power::CanBecome);
    assert_eq!(guarded("*", json!({"StringLike": {"aws:RequestedRegion": "*"}})), Power::Ordinary);
    let other = json!({"ArnNotEquals": {"ec2:InstanceProfile": arn("instance-profile/web")}});
    assert_ne!(guarded("arn:aws:ec2:*:*:instance/*", other), Power::CanBecome);
    // A statement is asked for what it names: the region where that stands, and what a Deny takes of it.
    let only_here = deny("*", json!({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}));
    let functions = |name: &str| allow(&["lambda:CreateFunction", "lambda:InvokeFunction"], &format!("arn:aws:lambda:{name}"));
    let dev = || format!("*:{ID}:function:dev-*");
    let lambda = |own: &[Value]| of(&[std::slice::from_ref(&pass), own].concat());
    assert_eq!(lambda(&[functions(&format!("eu-west-1:{ID}:function:*")), only_here.clone()]), Power::CanBecome);
    assert_eq!(lambda(&[functions(&format!("us-east-1:{ID}:function:*")), only_here]), Power::Ordinary);
    let hands_off = |resource: &str| json!({"Effect": "Deny", "Action": "lambda:*", "Resource": resource});
    assert_eq!(lambda(&[functions(&dev()), hands_off("arn:aws:lambda:*:*:function:prod-*")]), Power::CanBecome);
    assert_eq!(lambda(&[functions(&dev()), hands_off("arn:aws:lambda:*:*:function:dev-*")]), Power::Ordinary);
    let all_but = json!({"Effect": "Deny", "Action": "lambda:*", "NotResource": "arn:aws:lambda:*:*:function:prod-*"});
    assert_eq!(lambda(&[functions(&dev()), all_but]), Power::Ordinary);
    // Whose code runs is not the caller's to choose where the policy fixes it.
    let stack = launch("cloudformation:CreateStack", "cloudformation:TemplateUrl", "https://s3.amazonaws.com/kept/t.json");
    let builds = role("builds", &json!({"Service": "cloudformation.amazonaws.com"}), &[everything()]);
    let users = vec![user("eve", &[pass.clone(), stack])];
    assert_eq!(Parts { users, roles: vec![builds], ..Parts::default() }.power("user/eve"), Power::MayBecome);
    // Requests that say no tags have none.
    for action in ["iam:PutUserPolicy", "iam:CreateAccessKey", "*"] {
        assert_ne!(of(&[launch(action, "aws:RequestTag/team", "red")]), Power::CanBecome, "{action}");
    }
    assert_eq!(of(&[launch("iam:PassRole", "aws:RequestTag/team", "red"), run.clone()]), Power::Ordinary);
    assert_eq!(of(&[pass.clone(), launch("ec2:RunInstances", "aws:PrincipalTag/team", "red")]), Power::Ordinary);
    assert_eq!(of(&[pass, launch("ec2:RunInstances", "aws:SourceVpce", "vpce-1")]), Power::MayBecome);
    // IAM answers from one region, the function may be in the other.
    let edge = json!({"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole"], "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}});
    let mut edged = bound(&[everything()], &edge);
    edged.roles = vec![role("app", &json!({"Service": "lambda.amazonaws.com"}), &[everything()])];
    assert_eq!(edged.power("user/eve"), Power::CanBecome, "within a boundary as well");
    for key in ["sts:ExternalId", "sts:RoleSessionName"] {
        let mut admin = role("admin", &json!({"AWS": ID}), &[everything()]);
        admin["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = json!({"StringEquals": {key: "x-1"}});
        let users = vec![user("eve", &[allow(&["sts:AssumeRole"], "*")])];
        assert_eq!(Parts { users, roles: vec![admin], ..Parts::default() }.power("user/eve"), Power::CanBecome, "{key}");
    }
}

#[test]
fn groups_are_joined_for_what_they_give() {
    let of = |actions: &[&str], given: &[Value]| Parts {
        users: vec![user("eve", &[allow(actions, "*")])],
        roles: vec![role("admin", &json!({"AWS": ID}), &[everything()])],
        groups: vec![group("g", given)],
        ..Parts::default()
    };
    for (given, told) in [
        (vec![everything()], "user/eve can join the administrators' group g"),
        (vec![allow(&["iam:*"], "*")], "user/eve can join the group g and then change its own permissions by iam:PutUserPolicy"),
        (vec![allow(&["sts:AssumeRole"], "*")], "user/eve can join the group g and then assume role/admin"),
    ] {
        let account = of(&["iam:AddUserToGroup"], &given).account();
        assert_eq!(power(&account, "user/eve"), Power::CanBecome, "{told}");
        assert!(sentences(&account, "user/eve").contains(&told.to_owned()), "{:?}", sentences(&account, "user/eve"));
    }
    assert_eq!(of(&["iam:AddUserToGroup"], &[allow(&["s3:*"], "*")]).power("user/eve"), Power::Ordinary);
    assert_eq!(of(&["iam:AddUserToGroup", "iam:PutGroupPolicy"], &[]).power("user/eve"), Power::CanBecome);
    assert_eq!(of(&["iam:PutGroupPolicy"], &[]).power("user/eve"), Power::Ordinary, "a group that she is not in");
}

/// Ways end at resources, too: what somebody gives itself short of administration gets it there.
#[test]
fn what_one_gives_itself_reaches_resources() {
    const BUCKET: &str = "arn:aws:s3:::payroll";
    let reads = allow(&["s3:GetObject"], "arn:aws:s3:::payroll/*");
    let joins = |given: &Value| Parts {
        users: vec![user("eve", &[allow(&["iam:AddUserToGroup"], &arn("group/readers"))])],
        groups: vec![group("readers", std::slice::from_ref(given)), group("writers", &[allow(&["s3:PutObject"], "*")])],
        ..Parts::default()
    };
    let only = json!({"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": arn("user/eve"),
        "Condition": {"ArnEquals": {"iam:PolicyARN": arn("policy/reading")}}});
    let attaches = Parts {
        users: vec![user("eve", &[only])],
        policies: vec![policy("reading", std::slice::from_ref(&reads))],
        ..Parts::default()
    };
    let mut careful = joins(&reads);
    careful.users[0]["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Condition"] =
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
    let fills = bound(&[allow(&["iam:PutUserPolicy"], "*")], &allow(&["s3:*", "iam:PutUserPolicy"], "*"));
    let how = "s3:GetObject on arn:aws:s3:::payroll/*";
    for (parts, told, rests) in [
        (joins(&reads), format!("user/eve can join the group readers and then {how}"), "iam:AddUserToGroup"),
        (attaches, format!("user/eve can attach reading to itself and then {how}"), "iam:AttachUserPolicy"),
        (
            fills,
            "user/eve can give itself by iam:PutUserPolicy all that its permissions boundary leaves and then s3:GetObject"
                .to_owned(),
            "iam:PutUserPolicy",
        ),
        (careful, format!("user/eve can join the group readers and then {how}, under conditions"), "iam:AddUserToGroup"),
        (joins(&allow(&["s3:GetObject"], "arn:aws:s3:::other/*")), String::new(), ""),
        (joins(&allow(&["iam:GetUser"], "*")), String::new(), ""),
    ] {
        let account = parts.account();
        let graph = Graph::new(&account);
        let eve = account.principal("user/eve").unwrap();
        let held = graph.reach(&Prize::new(BUCKET, &[]).unwrap());
        let target = Target::Resource(Box::new(held.clone()));
        let joined = Joined::alone(&graph);
        let goal = joined.resource([(0, held)]);
        let route = joined.shortest(Node::principal(0, eve), &goal);
        let blast = graph.blast(&[(eve, true)], true);
        let in_reach = blast.by_service.get("s3").map_or(0, |levels| levels.iter().sum::<u32>());
        if told.is_empty() {
            assert_eq!(route, None);
            continue;
        }
        let route = route.unwrap();
        let certain = !told.ends_with("under conditions");
        assert_eq!((route.legs.len(), route.certain), (0, certain), "{told}");
        let (sentence, needs) = joined.use_of(&goal, route.end(), std::slice::from_ref(&graph)).unwrap();
        assert!(sentence.starts_with(&told), "{sentence}");
        assert_eq!(needs.iter().map(|(action, _)| &**action).collect::<Vec<_>>(), [rests, "s3:GetObject"], "{told}");
        // What it rests on cuts it off.
        let cut = graph.cuts(&target, 1);
        assert_eq!(cut.len(), usize::from(certain), "{cut:?}");
        assert!(in_reach > 0 && !blast.everything, "{told}");
        assert_eq!((blast.gains.len(), blast.gains[0].principal, blast.gains[0].certain), (1, eve, certain), "{told}");
        assert!(told.contains(&blast.gains[0].how), "{:?}", blast.gains);
        assert_eq!(graph.blast(&[(eve, true)], false).by_service.contains_key("s3"), certain);
    }
}

#[test]
fn somebody_new_is_made() {
    let of = |statements: &[Value]| Parts { users: vec![user("eve", statements)], ..Parts::default() }.power("user/eve");
    let made = ["iam:CreateUser", "iam:AttachUserPolicy", "iam:CreateAccessKey"];
    assert_eq!(of(&[allow(&made, &arn("user/new/*"))]), Power::CanBecome);
    for missing in made {
        let rest: Vec<&str> = made.into_iter().filter(|a| *a != missing).collect();
        assert_eq!(of(&[allow(&rest, &arn("user/new/*"))]), Power::Ordinary, "without {missing}");
    }
    let apart = [allow(&["iam:CreateRole"], &arn("role/one/*")), allow(&["iam:PutRolePolicy"], &arn("role/two/*"))];
    assert_eq!(of(&apart), Power::Ordinary, "no role is both");
    assert_eq!(of(&[allow(&["iam:CreateRole", "iam:PutRolePolicy"], &arn("role/one/*"))]), Power::CanBecome);
    // Only with a boundary, which the new role then has.
    let guarded = json!({"Effect": "Allow", "Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": arn("policy/edge")}}});
    assert_eq!(of(&[guarded]), Power::Ordinary);
    let no_entry = json!({"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"});
    assert_eq!(of(&[allow(&["iam:CreateRole", "iam:PutRolePolicy"], "*"), no_entry]), Power::Ordinary);
    let hands_off = json!({"Effect": "Deny", "Action": "iam:*", "Resource": arn("user/eve")});
    assert_eq!(of(&[allow(&["iam:*"], "*"), hands_off]), Power::CanBecome, "all but herself");
}

/// A role that is made and not assumed is handed to a service; where a boundary is asked for, one that leaves everything serves.
#[test]
fn what_is_made_is_launched_or_bound_by_what_leaves_everything() {
    let all = ["iam:CreateRole", "iam:AttachRolePolicy", "iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"];
    let no_entry = json!({"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"});
    let of = |actions: &[&str]| {
        let statements: Vec<Value> = actions.iter().map(|a| allow(&[a], "*")).chain([no_entry.clone()]).collect();
        Parts { users: vec![user("eve", &statements)], ..Parts::default() }.account()
    };
    let told = "user/eve can create a role, give it permissions by iam:AttachRolePolicy and create and invoke a function with it";
    assert_eq!(sentences(&of(&all), "user/eve"), [told]);
    assert_eq!(power(&of(&all), "user/eve"), Power::CanBecome);
    for missing in all {
        let rest: Vec<&str> = all.into_iter().filter(|a| *a != missing).collect();
        assert_eq!(power(&of(&rest), "user/eve"), Power::Ordinary, "without {missing}");
    }

    let guarded = |name: &str| {
        json!({"Effect": "Allow", "Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": "*",
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": name}}})
    };
    let edged = |statement: Value, edge: &Value| {
        let policies = vec![policy("edge", std::slice::from_ref(edge))];
        Parts { users: vec![user("eve", &[statement])], policies, ..Parts::default() }.power("user/eve")
    };
    let edge = arn("policy/edge");
    assert_eq!(edged(guarded(&edge), &everything()), Power::CanBecome);
    assert_eq!(edged(guarded(&edge), &allow(&["s3:*"], "*")), Power::Ordinary);
    assert_eq!(edged(guarded("arn:aws:iam::aws:policy/AdministratorAccess"), &everything()), Power::CanBecome);
    // Another boundary in place of the own, and that one leaves everything.
    let puts = json!({"Effect": "Allow", "Action": ["iam:PutUserPermissionsBoundary", "s3:*"], "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": arn("policy/wide")}}});
    for (wide, expected) in [(everything(), Power::CanBecome), (allow(&["s3:*"], "*"), Power::Ordinary)] {
        let mut parts = bound(&[everything()], &puts);
        parts.policies.push(policy("wide", &[wide]));
        assert_eq!(parts.power("user/eve"), expected);
    }
}

/// Who lifts the boundary of another that it becomes has what that was kept from; a new one that has to be bound is unbound.
#[test]
fn boundaries_of_others_are_taken_off() {
    let full = |statements: &[Value]| {
        let mut role = role("full", &json!({"AWS": ID}), statements);
        role["PermissionsBoundary"] = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn("policy/edge")});
        role
    };
    let of = |statements: &[Value], lifts: &[&str]| {
        let eve = user("eve", &[allow(&["sts:AssumeRole"], "*"), allow(lifts, "*")]);
        let policies = vec![policy("edge", &[allow(&["s3:*"], "*")])];
        Parts { users: vec![eve], roles: vec![full(statements)], policies, ..Parts::default() }.account()
    };
    let lift = "iam:DeleteRolePermissionsBoundary";
    let account = of(&[everything()], &[lift]);
    assert_eq!(power(&account, "user/eve"), Power::CanBecome);
    let told = "user/eve can change the permissions of role/full by iam:DeleteRolePermissionsBoundary and become it";
    assert!(sentences(&account, "user/eve").iter().any(|s| s == told), "{:?}", sentences(&account, "user/eve"));
    assert_eq!(power(&of(&[allow(&["iam:*"], "*")], &[lift]), "user/eve"), Power::CanBecome, "it then writes its own");
    assert_eq!(power(&of(&[allow(&["s3:*"], "*")], &[lift]), "user/eve"), Power::Ordinary);
    assert_eq!(power(&of(&[everything()], &["iam:DeleteUserPermissionsBoundary"]), "user/eve"), Power::Ordinary);

    let guarded = json!({"Effect": "Allow", "Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": arn("policy/edge")}}});
    let of = |more: &[&str]| {
        let policies = vec![policy("edge", &[allow(&["s3:*"], "*")])];
        Parts { users: vec![user("eve", &[guarded.clone(), allow(more, "*")])], policies, ..Parts::default() }.account()
    };
    let account = of(&[lift]);
    let told = "user/eve can create a role that trusts it, give it permissions by iam:PutRolePolicy, lift its permissions boundary by iam:DeleteRolePermissionsBoundary and become it";
    assert_eq!((power(&account, "user/eve"), sentences(&account, "user/eve")), (Power::CanBecome, vec![told.to_owned()]));
    assert_eq!(power(&of(&["iam:CreatePolicyVersion"]), "user/eve"), Power::CanBecome);
    assert_eq!(power(&of(&["s3:*"]), "user/eve"), Power::Ordinary);
}

/// AWS does not tell a role's tags where it is passed ("Granting a user permissions to pass a role").
#[test]
fn passing_a_role_does_not_rest_on_its_tags() {
    let mut admin = role("admin", &json!({"Service": "lambda.amazonaws.com"}), &[everything()]);
    admin["Tags"] = json!([{"Key": "tier", "Value": "admin"}]);
    let of = |effect: &str, value: &str| {
        let mut statements = vec![allow(&["lambda:CreateFunction", "lambda:InvokeFunction"], "*")];
        statements.push(json!({"Effect": effect, "Action": "iam:PassRole", "Resource": "*",
            "Condition": {"StringEquals": {"iam:ResourceTag/tier": value}}}));
        statements.extend((effect == "Deny").then(|| allow(&["iam:PassRole"], "*")));
        Parts { users: vec![user("eve", &statements)], roles: vec![admin.clone()], ..Parts::default() }.power("user/eve")
    };
    for (effect, value) in [("Allow", "admin"), ("Allow", "other"), ("Deny", "admin"), ("Deny", "other")] {
        assert_eq!(of(effect, value), Power::MayBecome, "{effect} {value}");
    }
}

/// A trust that asks for the user's own name as the session's is met by that user.
#[test]
fn sessions_are_named_as_trusts_ask() {
    let mut admin = role("admin", &json!({"AWS": ID}), &[everything()]);
    let named = |value: &str| json!({"StringEquals": {"sts:RoleSessionName": value}});
    for value in ["${aws:username}", "eve"] {
        admin["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = named(value);
        let users = vec![user("eve", &[allow(&["sts:AssumeRole"], "*")])];
        let power = Parts { users, roles: vec![admin.clone()], ..Parts::default() }.power("user/eve");
        assert_eq!(power, Power::CanBecome, "{value}");
    }
}

/// A policy has five versions: one more takes the room of another. What may be attached may be given another version.
#[test]
fn versions_are_made_where_there_is_room() {
    let of = |versions: usize, actions: &[&str]| {
        let mut parts = setting(actions, "policy");
        let older = std::iter::repeat_n(allow(&["s3:GetObject"], "*"), versions - 1);
        let all: Vec<Value> = std::iter::once(allow(actions, "*")).chain(older).collect();
        parts.policies = vec![policy("p", &all)];
        parts.power("user/eve")
    };
    let makes = "iam:CreatePolicyVersion";
    assert_eq!(of(4, &[makes]), Power::CanBecome);
    assert_eq!(of(5, &[makes]), Power::Ordinary);
    assert_eq!(of(5, &[makes, "iam:DeletePolicyVersion"]), Power::CanBecome);

    let attach = json!({"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "*",
        "Condition": {"ArnEquals": {"iam:PolicyARN": arn("policy/reader")}}});
    let of = |rewrites: &str| {
        let policies = vec![policy("reader", &[allow(&["s3:Get*"], "*")])];
        Parts { users: vec![user("eve", &[attach.clone(), allow(&[makes], rewrites)])], policies, ..Parts::default() }
            .power("user/eve")
    };
    assert_eq!(of(&arn("policy/reader")), Power::CanBecome);
    assert_eq!(of(&arn("policy/other")), Power::Ordinary);
}

/// A password is set where there is none and changed where there is one; where neither is known both have to be allowed.
#[test]
fn passwords_are_set_or_changed_by_what_is_there() {
    let of = |actions: &[&str], password: Option<bool>| {
        let parts = setting(actions, "boss");
        let mut identity = authorization_details(&json!({"UserDetailList": parts.users}).to_string()).unwrap();
        let row = password.map(|on| json!({"arn": arn("user/boss"), "password_enabled": on.to_string()}));
        identity.credentials = row.into_iter().map(|row| row.as_object().unwrap().clone()).collect();
        power(&Account::read(&identity), "user/eve")
    };
    let (sets, changes) = ("iam:CreateLoginProfile", "iam:UpdateLoginProfile");
    for (password, alone) in [
        (None, [Power::MayBecome, Power::MayBecome]),
        (Some(true), [Power::Ordinary, Power::CanBecome]),
        (Some(false), [Power::CanBecome, Power::Ordinary]),
    ] {
        assert_eq!([sets, changes].map(|action| of(&[action], password)), alone, "{password:?}");
        assert_eq!(of(&[sets, changes], password), Power::CanBecome, "{password:?}");
    }
}

/// Who may tag a user or role gets at it by the tags that its permissions ask for, also for keys, trusts and policies.
#[test]
fn targets_are_tagged_first() {
    let tagged = |action: &str| {
        json!({"Effect": "Allow", "Action": action, "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}})
    };
    for (action, target, tag) in [
        ("iam:CreateAccessKey", "user/boss", "iam:TagUser"),
        ("iam:UpdateAssumeRolePolicy", "role/admin", "iam:TagRole"),
        ("iam:PutUserPolicy", "user/eve", "iam:TagUser"),
    ] {
        let of = |own: &str, theirs: &str, on: &str| {
            let mut eve = user("eve", &[tagged(action), allow(&[tag], on)]);
            eve["Tags"] = json!([{"Key": "team", "Value": own}]);
            if target == "user/eve" {
                eve = user(
                    "eve",
                    &[
                        json!({"Effect": "Allow", "Action": action, "Resource": "*",
                    "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}),
                        allow(&[tag], on),
                    ],
                );
            }
            let tags = json!([{"Key": "team", "Value": theirs}]);
            let mut boss = user("boss", &[everything()]);
            let mut admin = role("admin", &json!({"Service": "x.amazonaws.com"}), &[everything()]);
            boss["Tags"] = tags.clone();
            admin["Tags"] = tags;
            Parts { users: vec![eve, boss], roles: vec![admin], ..Parts::default() }.power("user/eve")
        };
        assert_eq!(of("red", "blue", &arn(target)), Power::CanBecome, "{action}");
        assert_eq!(of("red", "blue", &arn("user/other")), Power::Ordinary, "{action}");
        if target != "user/eve" {
            assert_eq!(of("red", "red", &arn("user/other")), Power::CanBecome, "{action}");
        }
    }
}

/// A trust that names what the service has to be called for asks for permission to make just that.
#[test]
fn trusts_name_what_they_are_served_for() {
    let of = |service: &str, source: &str, statements: &[Value]| {
        let mut admin = role("admin", &json!({"Service": service}), &[everything()]);
        admin["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = json!({"ArnLike": {"aws:SourceArn": source}});
        let all: Vec<Value> = [allow(&["iam:PassRole"], "*")].into_iter().chain(statements.iter().cloned()).collect();
        Parts { users: vec![user("eve", &all)], roles: vec![admin], ..Parts::default() }.power("user/eve")
    };
    let machine = |name: &str| format!("arn:aws:states:eu-west-1:{ID}:stateMachine:{name}");
    let makes = |name: &str| {
        let starts = format!("arn:aws:states:eu-west-1:{ID}:stateMachine:{name}");
        [allow(&["states:CreateStateMachine", "states:StartExecution"], &starts)]
    };
    let states = "states.amazonaws.com";
    assert_eq!(of(states, &machine("payments"), &makes("*")), Power::CanBecome);
    assert_eq!(of(states, &machine("payments"), &makes("payments")), Power::CanBecome);
    assert_eq!(of(states, &machine("*"), &makes("dev-*")), Power::CanBecome);
    assert_eq!(of(states, &machine("payments"), &makes("dev-*")), Power::Ordinary);
    assert_eq!(of(states, &machine("payments").replace(ID, "999988887777"), &makes("*")), Power::Ordinary);
    // AWS makes up the ids of agents.
    let agent = |id: &str| format!("arn:aws:bedrock:eu-west-1:{ID}:agent/{id}");
    let runs = [allow(&["bedrock:CreateAgent", "bedrock:PrepareAgent", "bedrock:InvokeAgent"], "*")];
    assert_eq!(of("bedrock.amazonaws.com", &agent("*"), &runs), Power::CanBecome);
    assert_eq!(of("bedrock.amazonaws.com", &agent("ABCDEF1234"), &runs), Power::MayBecome);
}

/// A profile is made and filled where both may be done to one.
#[test]
fn profiles_are_made_and_filled() {
    let of = |made: &str, filled: &str| {
        let mut admin = role("admin", &json!({"Service": "ec2.amazonaws.com"}), &[everything()]);
        admin["InstanceProfileList"] = json!([]);
        let statements = [
            allow(&["iam:PassRole", "ec2:RunInstances"], "*"),
            allow(&["iam:CreateInstanceProfile"], &arn(made)),
            allow(&["iam:AddRoleToInstanceProfile"], &arn(filled)),
        ];
        Parts { users: vec![user("eve", &statements)], roles: vec![admin], ..Parts::default() }.power("user/eve")
    };
    assert_eq!(of("instance-profile/dev-*", "instance-profile/*"), Power::CanBecome);
    assert_eq!(of("instance-profile/dev-*", "instance-profile/ops-*"), Power::Ordinary);
}

#[test]
fn what_denies_is_taken_off() {
    let denies = json!({"Effect": "Deny", "Action": ["iam:Put*", "iam:Attach*", "iam:Create*", "iam:Update*", "iam:Add*",
        "iam:Set*", "iam:PassRole", "sts:*", "iam:DeleteRole*", "iam:Tag*"], "Resource": "*"});
    let of = |more: &[Value]| {
        let mut eve = user("eve", &[everything()]);
        let denying: Vec<Value> = std::iter::once(denies.clone()).chain(more.iter().cloned()).collect();
        eve["UserPolicyList"] = json!([inline("all", &[everything()]), inline("no", &denying)]);
        Parts { users: vec![eve], ..Parts::default() }.account()
    };
    let account = of(&[]);
    assert_eq!(power(&account, "user/eve"), Power::CanBecome);
    assert_eq!(
        sentences(&account, "user/eve"),
        ["user/eve can take off inline no of user/eve, which leaves it an administrator"]
    );
    let kept = json!({"Effect": "Deny", "Action": "iam:DeleteUserPolicy", "Resource": "*"});
    assert!(power(&of(&[kept]), "user/eve") < Power::CanBecome);
    // A group that denies is left.
    let mut eve = user("eve", &[everything()]);
    eve["GroupList"] = json!(["no"]);
    let parts = |denied: Value| Parts { users: vec![eve.clone()], groups: vec![group("no", &[denied])], ..Parts::default() };
    let account = parts(denies.clone()).account();
    assert_eq!(sentences(&account, "user/eve"), ["user/eve can leave the group no, which leaves it an administrator"]);
    let held = json!({"Effect": "Deny", "Action": ["iam:*", "sts:*"], "Resource": "*"});
    assert!(parts(held).power("user/eve") < Power::CanBecome);
}

#[test]
fn tags_and_identity_providers_let_in() {
    let mut admin = role("admin", &json!({"AWS": ID}), &[everything()]);
    admin["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/team": "red"}});
    let of = |actions: &[&str]| {
        let users = vec![user("eve", &[allow(actions, "*")])];
        Parts { users, roles: vec![admin.clone()], ..Parts::default() }.power("user/eve")
    };
    assert_eq!(of(&["sts:AssumeRole"]), Power::Ordinary);
    assert_eq!(of(&["sts:AssumeRole", "iam:TagUser"]), Power::CanBecome);

    // A role whose tags one may write.
    let mut tagged = allow(&["sts:AssumeRole"], "*");
    tagged["Condition"] = json!({"StringEquals": {"aws:ResourceTag/access": "open"}});
    let mut admin = role("admin", &json!({"AWS": ID}), &[everything()]);
    let of = |admin: &Value, more: &[Value]| {
        let statements: Vec<Value> = [tagged.clone()].into_iter().chain(more.iter().cloned()).collect();
        Parts { users: vec![user("eve", &statements)], roles: vec![admin.clone()], ..Parts::default() }.power("user/eve")
    };
    assert_eq!(of(&admin, &[]), Power::Ordinary);
    assert_eq!(of(&admin, &[allow(&["iam:TagRole"], &arn("role/admin"))]), Power::CanBecome);
    assert_eq!(of(&admin, &[allow(&["iam:TagRole"], &arn("role/other"))]), Power::Ordinary);
    admin["Tags"] = json!([{"Key": "access", "Value": "open"}]);
    assert_eq!(of(&admin, &[]), Power::CanBecome);

    let provider = arn("saml-provider/idp");
    let saml = role("admin", &json!({"Federated": provider}), &[everything()]);
    let of = |on: &str| {
        let users = vec![user("eve", &[allow(&["iam:UpdateSAMLProvider"], on)])];
        Parts { users, roles: vec![saml.clone()], ..Parts::default() }.power("user/eve")
    };
    assert_eq!(of(&provider), Power::CanBecome);
    assert_eq!(of(&arn("saml-provider/other")), Power::Ordinary);
}

/// `*` on `*` is an administrator, whatever else is said of the second factor or of what it could allow itself again.
#[test]
fn administrators_are_told_as_such() {
    let of = |statements: &[Value]| Parts { users: vec![user("eve", statements)], ..Parts::default() }.power("user/eve");
    let without_mfa = json!({"Effect": "Deny", "NotAction": ["iam:*MFA*", "sts:GetSessionToken"], "Resource": "*",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}});
    let with_mfa = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}});
    let keeps_the_trail = json!({"Effect": "Deny", "Action": "cloudtrail:DeleteTrail", "Resource": "*"});
    let no_identity = json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"});
    let one_region = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}});
    assert_eq!(of(&[everything(), without_mfa]), Power::Administrator);
    assert_eq!(of(&[with_mfa]), Power::Administrator);
    assert_eq!(of(&[everything(), keeps_the_trail]), Power::Administrator);
    assert_eq!(of(&[everything(), no_identity]), Power::Ordinary);
    assert_eq!(of(&[one_region]), Power::Ordinary, "IAM answers in another region");
}
