//! Whom roles trust from outside: what a stranger can become and nothing else, by its account and by its token; and which of
//! those who hold tokens are delivery pipelines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests")]

use bartizan::catalog::detail::Body;
use bartizan::iam::account::Account;
use bartizan::iam::graph::{Graph, Joined, Power, Source, Trust, Weakness, pipelines};
use bartizan::iam::judge::{Options, judge};
use bartizan::iam::read::authorization_details;
use bartizan::model::estate::Estate;
use bartizan::model::principal::{Document, Identity};
use bartizan::work::identity::Engine;
use serde_json::{Value, json};

const ID: &str = "111122223333";
const SISTER: &str = "444455556666";
const FOREIGN: &str = "999988887777";

const GITHUB: &str = "token.actions.githubusercontent.com";
const COGNITO: &str = "cognito-identity.amazonaws.com";
const EKS: &str = "oidc.eks.us-east-1.amazonaws.com/id/ABCDEF";
const BITBUCKET: &str = "api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc";
const CIRCLE: &str = "oidc.circleci.com/org/11111111-2222-3333-4444-555555555555";

/// An account with one role `r` that trusts by these statements and may put objects.
fn identity(statements: &Value) -> Identity {
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]});
    let trust = json!({"Version": "2012-10-17", "Statement": statements});
    let text = json!({"RoleDetailList": [{"RoleName": "r", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/r"),
        "AssumeRolePolicyDocument": trust, "RolePolicyList": [{"PolicyName": "may", "PolicyDocument": may}]}]});
    authorization_details(&text.to_string()).unwrap()
}

/// It with a sister account in its organisation, of which nothing was read.
fn account(statements: &Value) -> Account {
    let mut account = Account::read(&identity(statements));
    account.set_known(SISTER);
    account.set_organization("o-1");
    assert_eq!(account.problems, []);
    account
}

fn trusts_in(account: &Account) -> Vec<Trust> {
    Graph::new(account).trusts().to_vec()
}

fn found(statements: &Value) -> Vec<Trust> {
    trusts_in(&account(statements))
}

/// What weakens a trust, in short: `nobody` where it lets in none of those it names.
fn weak(trusts: &[Trust]) -> Vec<String> {
    let word = |w: &Weakness| match w {
        Weakness::Public => "everyone".to_owned(),
        Weakness::PublicBySecret => "everyone by secret".to_owned(),
        Weakness::NoExternalId => "no external id".to_owned(),
        Weakness::UnknownAccount => "foreign".to_owned(),
        Weakness::NoSubject => "all of the provider".to_owned(),
        Weakness::Guests { asked: true } => "guests".to_owned(),
        Weakness::Guests { asked: false } => "perhaps guests".to_owned(),
        Weakness::AnyProject { of } => format!("every {of}"),
        Weakness::WideSubject { pattern, leaves_open, strangers: true } => format!("strangers: {leaves_open} of {pattern}"),
        Weakness::WideSubject { pattern, leaves_open, strangers: false } => format!("any {leaves_open} of {pattern}"),
        Weakness::NoAudience => "any audience".to_owned(),
        Weakness::OnlyAudience => "whoever gets the audience".to_owned(),
        Weakness::DeletedPrincipal => "deleted".to_owned(),
    };
    let of = |t: &Trust| match (t.admits, t.weak.is_empty()) {
        (false, true) => vec!["nobody".to_owned()],
        (true, true) if t.source == Source::Everyone => vec!["under conditions".to_owned()],
        _ => t.weak.iter().map(word).collect(),
    };
    trusts.iter().flat_map(of).collect()
}

/// A trust in these AWS principals, under a condition.
fn aws(principal: Value, condition: Value) -> Value {
    json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}])
}

fn everyone(condition: Value) -> Value {
    aws(json!({"AWS": "*"}), condition)
}

fn but(mut statements: Value, action: &str, condition: Value) -> Value {
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": action, "Condition": condition});
    statements.as_array_mut().unwrap().push(deny);
    statements
}

#[test]
fn callers_become_what_a_stranger_can_and_nothing_else() {
    let none = || json!({});
    let foreign = |condition: Value| aws(json!({"AWS": FOREIGN}), condition);
    let deny = |condition: Value| but(everyone(json!({})), "sts:AssumeRole", condition);
    let both = ["no external id", "foreign"];
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("everyone", everyone(none()), &["everyone"]),
        ("everyone, written short", aws(json!("*"), none()), &["everyone"]),
        ("our organisation", everyone(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), &["nobody"]),
        ("any organisation", everyone(json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})), &["everyone"]),
        ("ours or any organisation", everyone(json!({"StringLike": {"aws:PrincipalOrgID": ["o-1", "o-*"]}})), &["everyone"]),
        ("a star that is only a star", everyone(json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1", "o-*"]}})), &["nobody"]),
        (
            "any unit of any organisation",
            everyone(json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-*/ou-*"}})),
            &["everyone"],
        ),
        ("a unit of ours", everyone(json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/*"}})), &["nobody"]),
        (
            "a role's name anywhere",
            everyone(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deployer"}})),
            &["everyone"],
        ),
        ("a role of ours", everyone(json!({"ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{ID}:role/*")}})), &["nobody"]),
        ("our account", everyone(json!({"StringEquals": {"aws:PrincipalAccount": ID}})), &["nobody"]),
        ("a session's name", everyone(json!({"StringLike": {"aws:userid": "*:ci"}})), &["everyone"]),
        ("the sessions of one role", everyone(json!({"StringLike": {"aws:userid": "AROAOURSOURSOURS:*"}})), &["nobody"]),
        ("a user's name", everyone(json!({"StringLike": {"aws:username": "deploy*"}})), &["everyone"]),
        ("a tag of one's own", everyone(json!({"StringEquals": {"aws:PrincipalTag/team": "ops"}})), &["everyone"]),
        ("a second factor", everyone(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})), &["everyone"]),
        ("a name for the session", everyone(json!({"StringEquals": {"sts:RoleSessionName": "ci"}})), &["everyone"]),
        ("an address", everyone(json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})), &["under conditions"]),
        ("a network", everyone(json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}})), &["under conditions"]),
        ("a service's source", everyone(json!({"StringEquals": {"aws:SourceAccount": ID}})), &["nobody"]),
        ("denied but for our organisation", deny(json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})), &["nobody"]),
        ("denied but for a session's name", deny(json!({"StringNotLike": {"aws:userid": "*:ci"}})), &["everyone"]),
        (
            "denied but for a role's name",
            deny(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}})),
            &["everyone"],
        ),
        ("denied without a second factor", deny(json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})), &["everyone"]),
        (
            "all but one",
            json!([{"Effect": "Allow", "NotPrincipal": {"AWS": FOREIGN}, "Action": "sts:AssumeRole"}]),
            &["everyone"],
        ),
        ("a fixed external id", everyone(json!({"StringEquals": {"sts:ExternalId": "x"}})), &["everyone by secret"]),
        ("any external id", everyone(json!({"StringLike": {"sts:ExternalId": "*"}})), &["everyone"]),
        ("no way to assume", json!([{"Effect": "Allow", "Principal": "*", "Action": "sts:TagSession"}]), &[]),
        ("a foreign account", foreign(none()), &both),
        ("by its root", aws(json!({"AWS": format!("arn:aws:iam::{FOREIGN}:root")}), none()), &both),
        ("with an external id", foreign(json!({"StringEquals": {"sts:ExternalId": "x"}})), &["foreign"]),
        ("with one of a kind", foreign(json!({"StringLike": {"sts:ExternalId": "acme-*"}})), &["foreign"]),
        ("with any external id", foreign(json!({"StringLike": {"sts:ExternalId": "*"}})), &both),
        ("with one that may be left out", foreign(json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}})), &both),
        ("with any but one", foreign(json!({"StringNotEquals": {"sts:ExternalId": "x"}})), &both),
        ("with one that need only be there", foreign(json!({"Null": {"sts:ExternalId": "false"}})), &both),
        (
            "denied without an external id",
            but(foreign(none()), "sts:*", json!({"StringNotEquals": {"sts:ExternalId": "x"}})),
            &["foreign"],
        ),
        (
            "a role of a foreign account",
            foreign(json!({"ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{FOREIGN}:role/ci")}})),
            &both,
        ),
        ("a role of it by its id", foreign(json!({"StringLike": {"aws:userid": "AROATHEIRSTHEIRS:*"}})), &both),
        (
            "a foreign account in our organisation only",
            foreign(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
            &["nobody"],
        ),
        ("a foreign role", aws(json!({"AWS": format!("arn:aws:iam::{FOREIGN}:role/ci")}), none()), &both),
        (
            "a foreign role with an external id",
            aws(json!({"AWS": format!("arn:aws:iam::{FOREIGN}:role/ci")}), json!({"StringEquals": {"sts:ExternalId": "x"}})),
            &["foreign"],
        ),
        ("a sister account", aws(json!({"AWS": SISTER}), none()), &[]),
        ("our own account", aws(json!({"AWS": ID}), none()), &[]),
        ("who was deleted", aws(json!({"AWS": "AIDAEXAMPLE"}), none()), &["deleted"]),
        ("a service", aws(json!({"Service": "lambda.amazonaws.com"}), none()), &[]),
        (
            "everyone's tokens",
            json!([{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"}]),
            &["everyone"],
        ),
    ];
    for (name, statements, expected) in &cases {
        assert_eq!(weak(&found(statements)), *expected, "{name}: {statements}");
    }
}

#[test]
fn guardrails_over_the_role_count() {
    let perimeter = |condition: Value, action: &str| {
        let deny = json!({"Version": "2012-10-17", "Statement":
            [{"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition}]});
        vec![vec![("perimeter".to_owned(), Document(deny.to_string()))]]
    };
    let mut open = account(&everyone(json!({})));
    open.set_rcps(&perimeter(json!({"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}), "sts:AssumeRole"));
    assert_eq!(weak(&trusts_in(&open)), ["nobody"]);
    // A guardrail that names whose tokens may come narrows each trust in that provider.
    let mut tokens = account(&oidc(GITHUB, json!({"StringEquals": {"aud": "sts.amazonaws.com"}})));
    let sub = format!("{GITHUB}:sub");
    tokens.set_rcps(&perimeter(json!({"StringNotLikeIfExists": {sub: "repo:acme/*"}}), "sts:AssumeRoleWithWebIdentity"));
    assert_eq!(weak(&trusts_in(&tokens)), ["any repository of repo:acme/*"]);
}

/// A trust in the tokens of this issuer; claims stand without the issuer before them.
fn oidc(host: &str, condition: Value) -> Value {
    let arn = if host.contains("amazonaws.com/") || !host.ends_with("amazonaws.com") && host != "accounts.google.com" {
        format!("arn:aws:iam::{ID}:oidc-provider/{host}")
    } else {
        host.to_owned()
    };
    json!([{"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": of(host, &condition)}])
}

fn of(host: &str, condition: &Value) -> Value {
    let mut all = serde_json::Map::new();
    for (operator, keys) in condition.as_object().unwrap() {
        let keys = keys.as_object().unwrap().iter();
        let keys: serde_json::Map<String, Value> = keys.map(|(claim, v)| (format!("{host}:{claim}"), v.clone())).collect();
        all.insert(operator.clone(), keys.into());
    }
    all.into()
}

/// GitHub's tokens for AWS with this claim, too.
fn github(operator: &str, claim: &str, value: Value) -> Value {
    let mut condition = json!({"StringEquals": {"aud": "sts.amazonaws.com"}});
    condition[operator][claim] = value;
    oidc(GITHUB, condition)
}

#[test]
fn tokens_of_a_delivery_system_let_in_what_they_name() {
    let sub = |operator: &str, pattern: &str| github(operator, "sub", json!(pattern));
    let equal = |claim: &str, value: &str| github("StringEquals", claim, json!(value));
    let deny = |pattern: &str| {
        let only_audience = oidc(GITHUB, json!({"StringEquals": {"aud": "sts.amazonaws.com"}}));
        but(only_audience, "sts:AssumeRoleWithWebIdentity", of(GITHUB, &json!({"StringNotLike": {"sub": pattern}})))
    };
    let main = "repo:acme/app:ref:refs/heads/main";
    let and = |mut statements: Value, operator: &str, claim: &str, value: &str| {
        statements[0]["Condition"][operator][format!("{GITHUB}:{claim}")] = json!(value);
        statements
    };
    let organisation: &[&str] = &["every repository of the organisation"];
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("one branch", sub("StringEquals", main), &[]),
        ("one repository", sub("StringLike", "repo:acme/app:*"), &[]),
        ("one repository by its id and name", sub("StringLike", "repo:acme@123/app@456:*"), &[]),
        ("a star that is only a star", sub("StringEquals", "repo:acme/*"), &["nobody"]),
        ("an organisation", sub("StringLike", "repo:acme/*"), &["any repository of repo:acme/*"]),
        ("repositories that begin so", sub("StringLike", "repo:acme/app*"), &["any repository of repo:acme/app*"]),
        ("organisations that begin so", sub("StringLike", "repo:acme*"), &["strangers: organisation of repo:acme*"]),
        ("a letter of the organisation", sub("StringLike", "repo:acm?/app:*"), &["strangers: organisation of repo:acm?/app:*"]),
        (
            "whoever has an environment",
            sub("StringLike", "repo:*:environment:prod"),
            &["strangers: organisation of repo:*:environment:prod"],
        ),
        ("anything", sub("StringLike", "*"), &["strangers: organisation of *"]),
        (
            "an organisation by its id",
            sub("StringLike", "repository_owner_id:123:*"),
            &["any repository of repository_owner_id:123:*"],
        ),
        ("no subject", oidc(GITHUB, json!({"StringEquals": {"aud": "sts.amazonaws.com"}})), &["all of the provider"]),
        ("nothing at all", oidc(GITHUB, json!({})), &["all of the provider", "any audience"]),
        // Every token has one.
        ("a subject, if there is one", sub("StringLikeIfExists", "repo:acme/app:*"), &[]),
        ("a subject of which all values fit", github("ForAllValues:StringEquals", "sub", json!(main)), &[]),
        (
            "a misspelt one of which all fit",
            github("ForAllValues:StringEquals", "subject", json!(main)),
            &["all of the provider"],
        ),
        ("any but one", sub("StringNotLike", "repo:evil/*"), &["all of the provider"]),
        ("any audience", oidc(GITHUB, json!({"StringLike": {"aud": "*", "sub": "repo:acme/app:*"}})), &["any audience"]),
        ("no subject fits", github("StringEquals", "sub", json!([])), &["nobody"]),
        ("another's claim", and(sub("StringLike", "repo:acme/app:*"), "StringEquals", "nosuch", "x"), &[]),
        // Other claims than the subject.
        ("a repository's id", equal("repository_id", "123456"), &[]),
        ("a repository", equal("repository", "acme/app"), &[]),
        ("an owner's repositories", github("StringLike", "repository", json!("acme/*")), organisation),
        ("any repository", github("StringLike", "repository", json!("*")), &["all of the provider"]),
        ("an owner's id", equal("repository_owner_id", "99"), organisation),
        ("an enterprise", equal("enterprise_id", "7"), &["every repository of the enterprise"]),
        ("an enterprise, if there is one", github("StringEqualsIfExists", "enterprise_id", json!("7")), &["all of the provider"]),
        (
            "a workflow that others call",
            equal("job_workflow_ref", "acme/wf/.github/workflows/d.yml@refs/heads/main"),
            &["every repository that may call the workflow"],
        ),
        ("a person who starts it", equal("actor_id", "5"), &["every repository in which that person starts a workflow"]),
        ("an environment that anyone may have", equal("environment", "prod"), &["all of the provider"]),
        ("a branch that anyone may have", equal("ref", "refs/heads/main"), &["all of the provider"]),
        // All conditions must hold, and denials count.
        ("an id beside an open subject", and(sub("StringLike", "repo:*"), "StringEquals", "repository_id", "123"), &[]),
        (
            "an owner beside an open subject",
            and(sub("StringLike", "repo:*"), "StringEquals", "repository_owner_id", "9"),
            &["any repository of repo:*"],
        ),
        (
            "an owner beside one repository",
            and(sub("StringLike", "repo:acme/app:*"), "StringEquals", "repository_owner_id", "9"),
            &[],
        ),
        ("a subject twice", and(sub("StringEquals", main), "StringLike", "sub", "repo:*"), &[]),
        ("denied but for a repository", deny("repo:acme/app:*"), &[]),
        ("denied but for an organisation", deny("repo:acme/*"), &["any repository of repo:acme/*"]),
        (
            "denied but for an environment",
            deny("repo:*:environment:prod"),
            &["strangers: organisation of repo:*:environment:prod"],
        ),
        (
            "one of several",
            github("StringLike", "sub", json!(["repo:acme/app:*", "repo:*"])),
            &["strangers: organisation of repo:*"],
        ),
        (
            "an action that tokens do not take",
            json!([{"Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::{ID}:oidc-provider/{GITHUB}")}, "Action": "sts:TagSession"}]),
            &[],
        ),
        // An enterprise's own issuer serves nobody else.
        (
            "an enterprise's own issuer",
            oidc("token.actions.githubusercontent.com/acme", json!({"StringEquals": {"aud": "sts.amazonaws.com"}})),
            &["every repository of the enterprise"],
        ),
    ];
    for (name, statements, expected) in &cases {
        assert_eq!(weak(&found(statements)), *expected, "{name}: {statements}");
    }
    // What is told to be let in is what gets in.
    let subjects = |statements: &Value| found(statements)[0].subjects.clone();
    assert_eq!(subjects(&and(sub("StringEquals", main), "StringLike", "sub", "repo:*")), [main]);
    assert_eq!(subjects(&deny("repo:acme/app:*")), ["repo:acme/app:*"]);
    assert_eq!(subjects(&equal("repository_id", "123456")), ["repository_id 123456"]);
    assert_eq!(subjects(&oidc(GITHUB, json!({}))), [] as [&str; 0]);
}

#[test]
fn other_systems_tokens_by_their_own_words() {
    let aud = |host: &str, operator: &str, claim: &str, value: &str| {
        let mut condition = json!({"StringEquals": {"aud": "sts.amazonaws.com"}});
        condition[operator][claim] = json!(value);
        oidc(host, condition)
    };
    let like = |host: &str, pattern: &str| aud(host, "StringLike", "sub", pattern);
    let only_aud = |host: &str, value: &str| oidc(host, json!({"StringEquals": {"aud": value}}));
    let own = "gitlab.acme.internal";
    let terraform = "app.terraform.io";
    let buildkite = "agent.buildkite.com";
    let amr =
        |value: &str| oidc(COGNITO, json!({"StringEquals": {"aud": "us-east-1:x"}, "ForAnyValue:StringLike": {"amr": value}}));
    let both = json!({"StringEquals": {"aud": "sts.amazonaws.com", "organization_slug": "acme", "pipeline_slug": "app"}});
    let app = json!({"StringEquals": {"app_id": "1234"}});
    let cases: Vec<(&str, Value, &[&str], bool)> = vec![
        ("GitLab, a group", like("gitlab.com", "project_path:acme/*"), &["any project of project_path:acme/*"], true),
        ("GitLab, a project", like("gitlab.com", "project_path:acme/app:*"), &[], true),
        ("GitLab, anyone", like("gitlab.com", "*"), &["strangers: group of *"], true),
        ("GitLab, a group's id", aud("gitlab.com", "StringEquals", "namespace_id", "12"), &["every project of the group"], true),
        ("GitLab, a project's id", aud("gitlab.com", "StringEquals", "project_id", "34"), &[], true),
        (
            "GitLab, where it runs",
            aud("gitlab.com", "StringEquals", "runner_environment", "gitlab-hosted"),
            &["all of the provider"],
            true,
        ),
        ("a GitLab of one's own, all of it", like(own, "project_path:*"), &["any group of project_path:*"], true),
        ("a GitLab of one's own, a project", like(own, "project_path:acme/app:*"), &[], true),
        ("Buildkite, a pipeline", like(buildkite, "organization:acme:pipeline:app:*"), &[], true),
        ("Buildkite, an organisation", like(buildkite, "organization:acme:*"), &["any pipeline of organization:acme:*"], true),
        ("Buildkite, a pipeline of an organisation by claims", oidc(buildkite, both), &[], true),
        (
            "Buildkite, a name that any pipeline may have",
            aud(buildkite, "StringEquals", "pipeline_slug", "app"),
            &["all of the provider"],
            true,
        ),
        ("Terraform Cloud, a workspace", like(terraform, "organization:acme:project:p:workspace:w:run_phase:*"), &[], true),
        (
            "Terraform Cloud, a project",
            like(terraform, "organization:acme:project:p:*"),
            &["any workspace of organization:acme:project:p:*"],
            true,
        ),
        (
            "Terraform Cloud, anyone",
            like(terraform, "organization:*:project:*:workspace:*:run_phase:*"),
            &["strangers: organisation of organization:*:project:*:workspace:*:run_phase:*"],
            true,
        ),
        (
            "Terraform Cloud in Europe, anyone",
            like("app.eu.terraform.io", "organization:*"),
            &["strangers: organisation of organization:*"],
            true,
        ),
        (
            "Bitbucket, a workspace",
            only_aud(BITBUCKET, "ari:cloud:bitbucket::workspace/x"),
            &["every repository of the workspace"],
            true,
        ),
        ("Bitbucket, a repository", like(BITBUCKET, "{1234}:*"), &[], true),
        (
            "CircleCI, an organisation",
            only_aud(CIRCLE, "11111111-2222-3333-4444-555555555555"),
            &["every project of the organisation"],
            true,
        ),
        ("CircleCI, a project", aud(CIRCLE, "StringEquals", "oidc.circleci.com/project-id", "66"), &[], true),
        ("Azure Pipelines, a project", like("vstoken.dev.azure.com/77", "sc://acme/app/*"), &[], true),
        (
            "Azure Pipelines, an organisation",
            like("vstoken.dev.azure.com/77", "sc://acme/*"),
            &["any project of sc://acme/*"],
            true,
        ),
        ("Spacelift, a space", like("acme.app.spacelift.io", "space:prod:*"), &["any stack of space:prod:*"], true),
        ("another provider, somebody's", like("idp.example.com", "team-a:*"), &[], true),
        ("another provider, anyone", like("idp.example.com", "*"), &["strangers: whole subject of *"], true),
        ("another provider, no subject", only_aud("idp.example.com", "sts.amazonaws.com"), &["all of the provider"], true),
        ("another provider, an application", only_aud("idp.example.com", "client-1"), &["whoever gets the audience"], true),
        // These are no delivery systems.
        ("a cluster, a workload", like(EKS, "system:serviceaccount:shop:api"), &[], false),
        (
            "a cluster, a namespace",
            like(EKS, "system:serviceaccount:shop:*"),
            &["any service account of system:serviceaccount:shop:*"],
            false,
        ),
        (
            "a cluster, any namespace",
            like(EKS, "system:serviceaccount:*:*"),
            &["any namespace of system:serviceaccount:*:*"],
            false,
        ),
        ("a cluster, anything in it", only_aud(EKS, "sts.amazonaws.com"), &["every service account of the cluster"], false),
        ("Cognito, who signed in", amr("authenticated"), &[], false),
        ("Cognito, guests", amr("unauthenticated"), &["guests"], false),
        ("Cognito, whoever the pool serves", only_aud(COGNITO, "us-east-1:x"), &["perhaps guests"], false),
        ("Cognito, anyone", oidc(COGNITO, json!({})), &["all of the provider", "any audience"], false),
        ("Google, an application", only_aud("accounts.google.com", "1.apps.googleusercontent.com"), &[], false),
        ("Google, anyone", oidc("accounts.google.com", json!({})), &["all of the provider", "any audience"], false),
        ("Facebook, an application", oidc("graph.facebook.com", app), &[], false),
    ];
    for (name, statements, expected, is_pipeline) in &cases {
        assert_eq!(weak(&found(statements)), *expected, "{name}: {statements}");
        let account = account(statements);
        let graph = Graph::new(&account);
        let listed = pipelines(&graph);
        assert_eq!(listed.len(), usize::from(*is_pipeline), "{name}");
        for p in listed {
            assert_eq!((p.writes, p.power, p.deploys.as_slice()), (1, Power::Ordinary, ["s3"].as_slice()), "{name}");
            let known = !name.starts_with("another");
            assert_eq!(p.system.contains('.'), !known, "{name} is called {}", p.system);
        }
    }
    let words = |statements: &Value| found(statements)[0].source.words();
    assert_eq!(words(&only_aud(EKS, "sts.amazonaws.com")), "Kubernetes cluster ABCDEF");
    assert_eq!(words(&amr("unauthenticated")), "Cognito users");
    assert_eq!(words(&like(own, "project_path:*")), "GitLab");
    assert_eq!(words(&like("idp.example.com", "a*")), "users of idp.example.com");
}

/// The ids of findings, on which triage hangs, are the rule, the role, whom it trusts and by which statement.
#[test]
fn findings_of_trusts_keep_their_ids() {
    let judged = |statements: &Value| {
        let identity = identity(statements);
        let account = account(statements);
        let options = Options::new("2026-11-01T00:00:00Z".parse().unwrap());
        let all = judge(&identity, &Graph::new(&account), &options);
        all.into_iter().map(|j| (j.key, j.evidence)).filter(|(key, _)| !key.starts_with("iam-report")).collect::<Vec<_>>()
    };
    let role = format!("arn:aws:iam::{ID}:role/r");
    assert_eq!(judged(&everyone(json!({})))[0].0, format!("iam-trust-public/{role}/*/0"));
    let secret = judged(&everyone(json!({"StringEquals": {"sts:ExternalId": "x"}})));
    assert_eq!(secret[0].0, format!("iam-trust-foreign/{role}/*/0"));
    let foreign: Vec<String> = judged(&aws(json!({"AWS": FOREIGN}), json!({}))).into_iter().map(|(key, _)| key).collect();
    let ids = ["foreign", "no-external-id"].map(|rule| format!("iam-trust-{rule}/{role}/{FOREIGN}/0"));
    assert_eq!(foreign, ids);
    // What weakens one trust in several ways of one kind is one finding that tells them all.
    let provider = format!("arn:aws:iam::{ID}:oidc-provider/gitlab.com");
    let wide = judged(&oidc("gitlab.com", json!({"StringLike": {"sub": ["project_path:acme/*", "project_path:umbra/*"]}})));
    assert_eq!(wide.len(), 1);
    assert_eq!(wide[0].0, format!("iam-oidc-wide/{role}/{provider}/0"));
    assert!(wide[0].1.contains("acme/*") && wide[0].1.contains("umbra/*") && wide[0].1.contains("audience"), "{}", wide[0].1);
    let guests = judged(&oidc(
        COGNITO,
        json!({"StringEquals": {"aud": "us-east-1:x"}, "ForAnyValue:StringLike": {"amr": "unauthenticated"}}),
    ));
    assert_eq!(guests[0].0, format!("iam-oidc-open/{role}/{COGNITO}/0"));
    assert!(guests[0].1.contains("whoever knows the pool's id"), "{}", guests[0].1);
    for passing in
        [everyone(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), github("StringEquals", "repository_id", json!("1"))]
    {
        assert_eq!(judged(&passing), [], "{passing}");
    }
}

/// Those whom a role's trust lets in are named where it is asked who becomes it, though no policy that was read is theirs.
#[test]
fn outsiders_are_named_with_what_lets_them_in() {
    let federated = |host: &str, claim: &str, value: &str| {
        json!({"Sid": "Tokens", "Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::{ID}:oidc-provider/{host}")},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": of(host, &json!({"StringLike": {claim: value}}))})
    };
    let statements = json!([
        {"Sid": "Strangers", "Effect": "Allow", "Principal": {"AWS": [FOREIGN, SISTER, ID]}, "Action": "sts:AssumeRole"},
        {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::888877776666:role/sync"}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
        {"Sid": "Ours", "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {"Sid": "Machines", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Sid": "People", "Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::{ID}:saml-provider/okta")}, "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml", "saml:edupersonaffiliation": ["staff", "faculty"]}}},
        federated(GITHUB, "sub", "repo:acme/*"),
        federated("gitlab.com", "runner_environment", "gitlab-hosted"),
    ]);
    let account = account(&statements);
    let at = account.principal("role/r").unwrap();
    let graph = Graph::new(&account);
    let sister = Account::read(
        &authorization_details(
            &json!({"UserDetailList": [{"UserName": "jo", "Path": "/",
        "Arn": format!("arn:aws:iam::{SISTER}:user/jo")}]})
            .to_string(),
        )
        .unwrap(),
    );
    let told = |graphs: &[Graph<'_>]| -> Vec<String> {
        let joined = Joined::new(graphs.iter().map(Graph::built));
        let role = joined.find(&account.principals[at].arn).unwrap();
        joined.let_in(role, graphs).iter().map(|g| format!("{} by {}", g.who, g.statements.join(", "))).collect()
    };
    let rest = [
        "role/sync of 888877776666 with the external id by Partner",
        "ec2.amazonaws.com by Machines",
        "saml-provider/okta: edupersonaffiliation staff or faculty by People",
        "GitLab: all of its users by Tokens",
        "GitHub Actions: repo:acme/* by Tokens",
    ];
    let foreign = "account 999988887777 by Strangers";
    // An account of the organisation that was read tells itself who of it may; of one that was not, this is all there is.
    let again = || Graph::again(&account, graph.built());
    assert_eq!(told(&[again(), Graph::new(&sister)]), [&[foreign], rest.as_slice()].concat());
    assert_eq!(told(&[again()]), [&["account 444455556666 by Strangers, Ours", foreign], rest.as_slice()].concat());

    // From the command line: without the details of an estate no account is known, so the sister is a stranger.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("details.json");
    let role = json!({"RoleDetailList": [{"RoleName": "r", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/r"),
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": statements}}]});
    std::fs::write(&file, role.to_string()).unwrap();
    let asked = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.env_clear().env("HOME", home.path()).args(["iam", "--from"]).arg(&file).args(args);
        let out = command.output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let text = asked(&["who-can", "sts:AssumeRole", "role/r"]);
    for line in [
        "account 999988887777",
        "account 444455556666",
        "role/sync of 888877776666 with the external id",
        "ec2.amazonaws.com",
        "GitHub Actions: repo:acme/*",
        "saml-provider/okta",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("everyone") && !text.contains("Nobody"), "{text}");
    let rows: Vec<Value> = serde_json::from_str(&asked(&["who-can", "sts:AssumeRole", "role/r", "--json"])).unwrap();
    let github = rows.iter().find(|r| r["outsider"] == "GitHub Actions: repo:acme/*").unwrap();
    assert_eq!(
        (github["actions"][0].as_str(), github["statements"][0].as_str()),
        (Some("sts:AssumeRoleWithWebIdentity"), Some("Tokens"))
    );
    let paths = asked(&["paths", "--to", "role/r"]);
    assert!(paths.contains("GitHub Actions: repo:acme/* → arn:aws:iam::111122223333:role/r"), "{paths}");
    assert!(paths.contains("account 999988887777 is let into role/r of account 111122223333 by its trust"), "{paths}");
    assert!(paths.contains("sts:AssumeRole by trust of role/r, Strangers"), "{paths}");
    let rows: Vec<Value> = serde_json::from_str(&asked(&["paths", "--to", "role/r", "--json"])).unwrap();
    let machines = rows.iter().find(|r| r["from"] == "ec2.amazonaws.com").unwrap();
    assert_eq!(
        (&machines["outsider"], &machines["steps"][0]["needs"][0]),
        (&json!(true), &json!("sts:AssumeRole by trust of role/r, Machines"))
    );
}

/// Somebody from outside who is asked about by name is asked for at the role itself: over its denials and exceptions, and under
/// conditions where something is not known.
#[test]
fn whoever_is_named_is_asked_for() {
    let let_in = |principal: Value, condition: Value| aws(principal, condition);
    let deny = |mut statements: Value, principal: Value, action: &str, condition: Value| {
        let more = json!({"Effect": "Deny", "Principal": principal, "Action": action, "Condition": condition});
        statements.as_array_mut().unwrap().push(more);
        statements
    };
    let token = "sts:AssumeRoleWithWebIdentity";
    let wide = || github("StringLike", "sub", json!("repo:acme/*"));
    let sub = format!("{GITHUB}:sub");
    let (bob, deployer) = ("arn:aws:iam::888877776666:user/bob", "arn:aws:iam::888877776666:role/deployer");
    let workspace = json!({"StringEquals": {"aud": "ari:cloud:bitbucket::workspace/1"}});
    for (what, statements, name, expected) in [
        ("a role of the account alone", let_in(json!({"AWS": deployer}), json!({})), bob, None),
        ("that role", let_in(json!({"AWS": deployer}), json!({})), deployer, Some(true)),
        ("its account, by whoever it is", let_in(json!({"AWS": deployer}), json!({})), "888877776666", Some(true)),
        (
            "a session of it",
            let_in(json!({"AWS": deployer}), json!({})),
            "arn:aws:sts::888877776666:assumed-role/deployer/s",
            Some(true),
        ),
        ("anyone of the account", let_in(json!({"AWS": "888877776666"}), json!({})), bob, Some(true)),
        (
            "who is told an external id",
            let_in(json!({"AWS": "888877776666"}), json!({"StringEquals": {"sts:ExternalId": "x"}})),
            bob,
            Some(true),
        ),
        (
            "a second factor",
            let_in(json!({"AWS": "888877776666"}), json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
            bob,
            Some(false),
        ),
        (
            "an address",
            let_in(json!({"AWS": "888877776666"}), json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})),
            bob,
            Some(false),
        ),
        (
            "a time",
            let_in(json!({"AWS": "888877776666"}), json!({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}})),
            bob,
            Some(false),
        ),
        (
            "everyone of one account",
            let_in(json!("*"), json!({"StringEquals": {"aws:PrincipalAccount": "888877776666"}})),
            bob,
            Some(true),
        ),
        ("… and none of another", let_in(json!("*"), json!({"StringEquals": {"aws:PrincipalAccount": FOREIGN}})), bob, None),
        (
            "a denial of that one",
            deny(let_in(json!({"AWS": "888877776666"}), json!({})), json!({"AWS": bob}), "sts:AssumeRole", json!({})),
            bob,
            None,
        ),
        ("a subject", wide(), "repo:acme/app:ref:refs/heads/main", Some(true)),
        ("another owner's", wide(), "repo:umbra/app:ref:refs/heads/main", None),
        (
            "one that is denied",
            deny(wide(), json!("*"), token, json!({"StringLike": {sub: "repo:acme/*:pull_request"}})),
            "repo:acme/app:pull_request",
            None,
        ),
        ("what no other system writes", oidc(BITBUCKET, workspace.clone()), "{1}:{2}", Some(true)),
        ("what another system writes", oidc(BITBUCKET, workspace), "repo:acme/app:ref:refs/heads/main", None),
        ("nobody of that name", wide(), "", None),
        (
            "another case",
            github("StringEquals", "sub", json!("repo:Acme/app:ref:refs/heads/main")),
            "repo:acme/app:ref:refs/heads/main",
            None,
        ),
        ("one of a list", github("StringEquals", "sub", json!(["repo:acme/a:x", "repo:acme/b:x"])), "repo:acme/b:x", Some(true)),
        (
            "an exception that asks for the audience, too",
            deny(
                oidc(GITHUB, json!({"StringEquals": {"aud": "sts.amazonaws.com"}, "StringLike": {"sub": "repo:acme/app:*"}})),
                json!("*"),
                token,
                json!({"StringEquals": {format!("{GITHUB}:aud"): "sts.amazonaws.com"}, "StringLike": {format!("{GITHUB}:sub"): "*:pull_request"}}),
            ),
            "repo:acme/app:pull_request",
            None,
        ),
        (
            "an external id that is asked for and denied",
            deny(
                let_in(json!({"AWS": "888877776666"}), json!({"StringEquals": {"sts:ExternalId": "x"}})),
                json!("*"),
                "sts:AssumeRole",
                json!({"StringEquals": {"sts:ExternalId": "x"}}),
            ),
            bob,
            None,
        ),
        ("a typo, where any subject gets in", oidc("idp.example.com", json!({"StringEquals": {"aud": "a"}})), "user/nope", None),
        ("a subject that is asked for", oidc("idp.example.com", json!({"StringEquals": {"sub": "alice"}})), "alice", Some(true)),
        ("no ARN of anybody", let_in(json!({"AWS": "888877776666"}), json!({})), "arn:aws:iam::888877776666:usr/x", None),
    ] {
        let account = account(&statements);
        let graph = Graph::new(&account);
        let graphs = std::slice::from_ref(&graph);
        let found = Joined::alone(&graph).calling(name, graphs).ok().map(|(joined, who)| {
            let legs = joined.steps(who[0], false);
            assert_eq!((who.len(), legs.len()), (1, 1), "{what}");
            legs[0].certain
        });
        assert_eq!(found, expected, "{what}");
    }
    // Services, providers and accounts of the organisation meet denials and guardrails as well.
    let everyone_out = |action: &str| {
        let deny = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}});
        vec![vec![("out".to_owned(), Document(deny.to_string()))]]
    };
    let saml = format!("arn:aws:iam::{ID}:saml-provider/okta");
    let people = json!([{"Effect": "Allow", "Principal": {"Federated": saml}, "Action": "sts:AssumeRoleWithSAML"}]);
    for (principal, statements, action) in [
        ("service", let_in(json!({"Service": "ec2.amazonaws.com"}), json!({})), "sts:AssumeRole"),
        ("provider", people, "sts:AssumeRoleWithSAML"),
        ("sister", let_in(json!({"AWS": SISTER}), json!({})), "sts:AssumeRole"),
    ] {
        let open = account(&statements);
        assert_eq!(trusts_in(&open).iter().map(|t| (t.admits, t.certain)).collect::<Vec<_>>(), [(true, true)], "{principal}");
        let mut guarded = account(&statements);
        guarded.set_rcps(&everyone_out(action));
        assert!(trusts_in(&guarded).iter().all(|t| !t.admits), "{principal}");
        let denied = account(&deny(statements, json!("*"), action, json!({})));
        assert!(trusts_in(&denied).iter().all(|t| !t.admits), "{principal}");
    }
    // Who gets in by one statement is not kept away by the loss of another that names it more narrowly.
    let both = json!([
        {"Sid": "Narrow", "Effect": "Allow", "Principal": {"AWS": "888877776666"}, "Action": "sts:AssumeRole"},
        {"Sid": "Wide", "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
    ]);
    let account = account(&both);
    let graph = Graph::new(&account);
    let joined = Joined::alone(&graph);
    let role = joined.find(&format!("arn:aws:iam::{ID}:role/r")).unwrap();
    let cuts = joined.cuts(&joined.principals(&[role]), 5, std::slice::from_ref(&graph));
    let told: Vec<(&str, Vec<&str>)> =
        cuts.iter().map(|c| (c.label.as_str(), c.outside.iter().map(|n| joined.arn(*n)).collect())).collect();
    assert_eq!(told, [("Wide", vec!["everyone with an AWS account"])]);
}

/// The question line names them too.
#[test]
fn a_question_names_who_is_let_in_by_trust() {
    let mut estate = Estate::default();
    estate.put_account(bartizan::model::account::Account::bare(ID));
    estate.put_identity(identity(&github("StringLike", "sub", json!("repo:*"))));
    let engine = Engine::default();
    for question in
        ["who can become role/r", "who can sts:AssumeRole on role/r", "who can sts:AssumeRoleWithWebIdentity on role/r"]
    {
        let answer = engine.ask(&estate, question).unwrap().detail;
        let section = answer.sections.iter().find(|s| s.heading == "Let in by its trust").unwrap();
        let Body::Table { rows, .. } = &section.body else { panic!("{question}: {section:?}") };
        assert_eq!(*rows, [["GitHub Actions: repo:*", "yes", "sts:AssumeRoleWithWebIdentity", "statement 1"]], "{question}");
    }
    // Where the role is an administrator, they are told among those who become one.
    let outside = "From outside, by becoming a role";
    let ruled = |estate: &Estate| engine.ask(estate, "who can become administrator").unwrap().detail.sections;
    assert!(ruled(&estate).iter().all(|s| s.heading != outside));
    let mut powerful = estate.clone();
    let mut identity_of_all = identity(&github("StringLike", "sub", json!("repo:*")));
    let everything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    identity_of_all.roles[0].role_policy_list[0].policy_document = bartizan::model::document::Document(everything.to_string());
    powerful.put_identity(identity_of_all);
    let sections = ruled(&powerful);
    let Body::Table { rows, .. } = &sections.iter().find(|s| s.heading == outside).unwrap().body else { panic!("{sections:?}") };
    assert_eq!(*rows, [["GitHub Actions: repo:*", "role/r", ID, "yes", "1"]]);
    // What lets in nobody from outside has no such part.
    let mut closed = estate.clone();
    closed.put_identity(identity(&everyone(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}))));
    let answer = engine.ask(&closed, "who can become role/r").unwrap().detail;
    assert!(answer.sections.iter().all(|s| s.heading != "Let in by its trust"), "{answer:?}");
}
