//! Every rule with a failing and a passing fixture, and every limit from both sides.

use std::collections::BTreeSet;

use super::*;
use crate::iam::openings::of_resource;

/// An account where every rule holds of something, or of nothing.
fn account(bad: bool) -> Identity {
    let trust = |principal: Value, condition: Value| {
        let action = if principal.get("Federated").is_some() { "sts:AssumeRoleWithWebIdentity" } else { "sts:AssumeRole" };
        json!({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":principal,"Action":action,"Condition":condition}]})
    };
    let role = |name: &str, trust: Value, policy: Value| {
        json!({"RoleName":name,"Path":"/","Arn":format!("arn:aws:iam::111122223333:role/{name}"),"CreateDate":"2025-01-01T00:00:00Z",
          "AssumeRolePolicyDocument":trust,"RoleLastUsed":{"LastUsedDate":if bad {"2025-06-01T00:00:00Z"} else {"2026-10-30T00:00:00Z"}},
          "RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[policy]}}],
          "PermissionsBoundary": if bad { Value::Null } else { json!({"PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/b"}) }})
    };
    let github = "token.actions.githubusercontent.com";
    let oidc = json!({"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{github}")});
    let sub =
        |s: &str| json!({"StringLike":{format!("{github}:sub"):s},"StringEquals":{format!("{github}:aud"):"sts.amazonaws.com"}});
    let read = json!({"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"});
    let roles = if bad {
        vec![
            role("public", trust(json!("*"), json!({})), read.clone()),
            role("foreign", trust(json!({"AWS":"999988887777"}), json!({})), read.clone()),
            role("ci-open", trust(oidc.clone(), sub("repo:*")), read.clone()),
            role("ci-wide", trust(oidc, sub("repo:acme/*")), read.clone()),
            role("old", trust(json!({"AWS":"AROAEXAMPLEEXAMPLE"}), json!({})), read),
            role(
                "admin",
                trust(json!({"Service":"ec2.amazonaws.com"}), json!({})),
                json!({"Effect":"Allow","Action":"*","Resource":"*"}),
            ),
            role(
                "climber",
                trust(json!({"Service":"ec2.amazonaws.com"}), json!({})),
                json!({"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"*"}),
            ),
        ]
    } else {
        vec![
            role("partner", trust(json!({"AWS":"444455556666"}), json!({"StringEquals":{"sts:ExternalId":"x"}})), read.clone()),
            role("ci", trust(oidc, sub("repo:acme/shop:ref:refs/heads/*")), read),
        ]
    };
    let user = json!({"UserName":"jo","Path":"/","Arn":"arn:aws:iam::111122223333:user/jo","CreateDate":"2025-01-01T00:00:00Z",
      "PermissionsBoundary": if bad { Value::Null } else { json!({"PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/b"}) },
      "UserPolicyList": if bad { json!([{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:List*","Resource":"*"}}}]) } else { json!([]) }});
    let boundary = json!({"PolicyName":"b","Arn":"arn:aws:iam::111122223333:policy/b","PolicyVersionList":[{"IsDefaultVersion":true,"VersionId":"v1",
      "Document":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}}]});
    let text = json!({"UserDetailList":[user],"RoleDetailList":roles,"Policies":[boundary]}).to_string();
    let mut identity = super::super::read::authorization_details(&text).unwrap();
    let row = |v: Value| v.as_object().unwrap().clone();
    let flag = |b: bool| if b { "true" } else { "false" };
    identity.credentials = vec![
        row(
            json!({"user":"<root_account>","arn":"arn:aws:iam::111122223333:root","mfa_active":flag(!bad),"access_key_1_active":flag(bad),
            "password_last_used":if bad {"2026-10-30T00:00:00+00:00"} else {"no_information"}}),
        ),
        row(json!({"user":"jo","arn":"arn:aws:iam::111122223333:user/jo","password_enabled":flag(bad),"mfa_active":"false",
            "password_last_used":"2026-01-01T00:00:00+00:00","access_key_1_active":flag(bad)})),
    ];
    if bad {
        identity.access_keys = vec![
            key("AKIAOLD", "2025-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z")),
            key("AKIANEW", "2026-10-20T00:00:00Z", None),
        ];
    }
    let length = if bad { 8 } else { 14 };
    identity.password_policy =
        serde_json::from_value(json!({"MinimumPasswordLength":length,"PasswordReusePrevention":24})).unwrap();
    identity
}

fn key(id: &str, created: &str, used: Option<&str>) -> crate::model::principal::AccessKey {
    let service = if used.is_some() { "s3" } else { "N/A" };
    let key = json!({"UserName":"jo","AccessKeyId":id,"Status":"Active","CreateDate":created,"LastUsedDate":used,"LastUsedService":service});
    serde_json::from_value(key).unwrap()
}

fn judged(bad: bool) -> Vec<Judgement> {
    judged_of(&account(bad), bad)
}

fn judged_of(identity: &Identity, bad: bool) -> Vec<Judgement> {
    let mut account = Account::read(identity);
    assert_eq!(account.problems, []);
    if !bad {
        account.set_known("444455556666");
    }
    for (bucket, principal) in [("open", json!("*")), ("shared", json!({"AWS": "999988887777"}))] {
        let condition = if bad { json!({}) } else { json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}) };
        let policy = json!({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":principal,"Action":"s3:GetObject",
            "Resource":format!("arn:aws:s3:::{bucket}/*"),"Condition":condition}]});
        account.set_resource_policy(&format!("arn:aws:s3:::{bucket}"), &crate::model::document::Document(policy.to_string()));
    }
    let graph = Graph::new(&account);
    let mut options = Options::new("2026-11-01T00:00:00Z".parse().unwrap());
    options.boundary_required = true;
    let made = if bad { "2026-10-01T00:00:00Z" } else { "2026-10-30T00:00:00Z" };
    options.report_made = Some(made.parse().unwrap());
    let resources = account.resources();
    let open: Vec<Opening> = resources.all().into_iter().flat_map(|held| of_resource(resources, held)).collect();
    [judge(identity, &graph, &options), openings(&open)].concat()
}

#[test]
fn every_rule_has_a_failing_fixture_and_a_passing_one() {
    let found = judged(true);
    for rule in RULES {
        assert!(found.iter().any(|j| j.rule == *rule), "{} was not found: {found:#?}", rule.id);
    }
    assert_eq!(judged(false), []);
}

/// Each limit from both sides.
#[test]
fn what_stands_just_within_a_limit_is_not_told() {
    let ids = |change: &dyn Fn(&mut Identity)| -> BTreeSet<&str> {
        let mut identity = account(false);
        change(&mut identity);
        judged_of(&identity, false).iter().map(|j| j.rule.id).collect()
    };
    // Today is 2026-11-01.
    let with_key = |created: &'static str, used: Option<&'static str>| {
        ids(&move |i: &mut Identity| i.access_keys = vec![key("AKIAX", created, used)])
    };
    let long = "iam-key-long-lived";
    assert_eq!(with_key("2026-08-03T00:00:00Z", Some("2026-10-31T00:00:00Z")), BTreeSet::from([long]), "90 days");
    assert_eq!(with_key("2026-08-02T00:00:00Z", Some("2026-10-31T00:00:00Z")), BTreeSet::from(["iam-key-old"]), "91 days");
    assert_eq!(with_key("2026-08-03T00:00:00Z", Some("2026-09-18T00:00:00Z")), BTreeSet::from([long]), "unused for 44");
    assert_eq!(with_key("2026-08-03T00:00:00Z", Some("2026-09-17T00:00:00Z")), BTreeSet::from([long, "iam-key-unused"]));
    assert_eq!(with_key("2026-10-31T12:00:00Z", None), BTreeSet::from([long]), "made today");
    assert_eq!(with_key("2026-10-30T00:00:00Z", None), BTreeSet::from([long, "iam-key-never-used"]));
    let unread = ids(&|i: &mut Identity| {
        i.access_keys = vec![key("AKIAX", "2026-10-30T00:00:00Z", None)];
        i.access_keys[0].last_used_service.clear();
    });
    assert_eq!(unread, BTreeSet::from([long]), "its last use was not read");
    let with_password = |mfa: &'static str, used: &'static str| {
        ids(&move |i: &mut Identity| {
            let row = &mut i.credentials[1];
            row.extend(
                json!({"password_enabled":"true","mfa_active":mfa,"password_last_used":used}).as_object().unwrap().clone(),
            );
        })
    };
    let federated = "iam-human-not-federated";
    assert_eq!(with_password("true", "2026-09-18T00:00:00+00:00"), BTreeSet::from([federated]), "unused for 44");
    assert!(with_password("true", "2026-09-17T00:00:00+00:00").len() == 2);
    assert!(with_password("false", "2026-10-31T00:00:00+00:00").contains("iam-console-no-mfa"));
}

#[test]
fn keys_are_unique_and_stable() {
    let (a, b) = (judged(true), judged(true));
    assert_eq!(a, b);
    let keys: BTreeSet<&str> = a.iter().map(|j| j.key.as_str()).collect();
    assert_eq!(keys.len(), a.len());
    assert!(a.iter().any(|j| j.key == "iam-key-old/arn:aws:iam::111122223333:user/jo/AKIAOLD"));
    assert!(a.iter().any(|j| j.rule.id == "iam-escalation"
        && j.evidence.contains("role/climber can change its own permissions by iam:PutRolePolicy")));
}
