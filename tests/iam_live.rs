//! Identities from AWS: policies over accounts, read through Organizations and heeded by the evaluator; what a principal
//! used, asked on demand and taken out of its policies. Over real HTTP to the test cloud, through the built program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use aws_sdk_organizations::types::{OrganizationFeatureSet, PolicyType};
use bartizan::iam::account::Account;
use bartizan::iam::evaluate::{Context, Decision};
use bartizan::model::account::ControlKind;
use bartizan::model::coverage::Outcome;
use bartizan::model::estate::{self, Estate};
use bartizan::model::finding::Finding;
use serde_json::{Value, json};
use support::accessed::Service;
use support::cloud::config_at;
use support::{Cloud, Fault, Options, Rule, run};

const HERE: &str = "eu-west-1";
const MEMBER_ROLE: &str = "OrganizationAccountAccessRole";

fn program(cloud: &Cloud, home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.env_clear().env("HOME", home).envs(cloud.environment(HERE)).args(args).output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn collected(cloud: &Cloud, home: &Path, more: &[&str]) -> (Estate, Vec<Finding>, i32, String) {
    let out = home.join("estate.json.zst");
    let done = program(cloud, home, &[&["collect", "--region", HERE, "--out", out.to_str().unwrap()], more].concat());
    let (estate, findings) = estate::read(std::fs::File::open(&out).unwrap()).unwrap();
    (estate, findings, done.status.code().unwrap(), words(&done.stderr))
}

fn allow_all() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}).to_string()
}

/// A member in a unit under a policy that keeps the trail, with an administrator; gives the member's id.
async fn guarded(cloud: &Cloud) -> String {
    let client = aws_sdk_organizations::Client::new(&config_at(
        &cloud.moto_url(),
        HERE,
        Credentials::new("test", "test", None, None, "seed"),
    ));
    client.create_organization().feature_set(OrganizationFeatureSet::All).send().await.unwrap();
    let root = client.list_roots().send().await.unwrap().roots()[0].id().unwrap().to_owned();
    // Moto has it switched on from the start or not, by version.
    let _ = client.enable_policy_type().root_id(&root).policy_type(PolicyType::ServiceControlPolicy).send().await;
    let unit = client.create_organizational_unit().parent_id(&root).name("Workloads").send().await.unwrap();
    let unit = unit.organizational_unit.unwrap().id.unwrap();
    let made = client.create_account().account_name("shop").email("s@example.com").send().await.unwrap();
    let member = made.create_account_status.unwrap().account_id.unwrap();
    client.move_account().account_id(&member).source_parent_id(&root).destination_parent_id(&unit).send().await.unwrap();
    let guard = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "KeepTheTrail", "Effect": "Deny", "Action": "cloudtrail:StopLogging", "Resource": "*"}]});
    let policy = client.create_policy().name("guard").description("").r#type(PolicyType::ServiceControlPolicy);
    let policy = policy.content(guard.to_string()).send().await.unwrap().policy.unwrap().policy_summary.unwrap().id.unwrap();
    client.attach_policy().policy_id(&policy).target_id(&unit).send().await.unwrap();
    let delegate = client.register_delegated_administrator().account_id(&member);
    delegate.service_principal("guardduty.amazonaws.com").send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(&cloud.config_in(&member, MEMBER_ROLE, "us-east-1").await);
    iam.create_user().user_name("root-like").send().await.unwrap();
    iam.put_user_policy().user_name("root-like").policy_name("all").policy_document(allow_all()).send().await.unwrap();
    member
}

#[test]
fn service_control_policies_are_collected_and_decide() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let member = guarded(&cloud).await;
        let home = tempfile::tempdir().unwrap();
        let (estate, findings, _, said) = collected(&cloud, home.path(), &[]);
        let organization = estate.organization.clone().unwrap();
        let service = organization.controls.iter().find(|c| c.kind == ControlKind::Service).unwrap_or_else(|| panic!("{said}"));
        assert!(service.whole, "{said}");
        let guard = service.policies.iter().find(|p| p.name == "guard").unwrap();
        let unit = organization.units.iter().find(|u| u.path == "Workloads").unwrap();
        assert_eq!(guard.targets, std::slice::from_ref(&unit.id));
        assert!(guard.document.0.contains("KeepTheTrail"));
        assert!(service.policies.iter().any(|p| p.name == "FullAWSAccess"));
        let account = estate.account(&member).unwrap();
        let levels = organization.levels(ControlKind::Service, account);
        assert_eq!(levels.len(), 3, "root, unit, account");
        assert_eq!(organization.delegated_to(&member), ["guardduty.amazonaws.com"]);
        for api in [
            "organizations:ListPolicies",
            "organizations:DescribePolicy",
            "organizations:ListTargetsForPolicy",
            "organizations:ListDelegatedAdministrators",
            "organizations:ListDelegatedServicesForAccount",
        ] {
            let row = estate.coverage.iter().find(|c| c.api == api).unwrap();
            assert_eq!((row.outcome, row.count > 0), (Outcome::Ok, true), "{api}");
        }
        // What the identity engine judges came with it.
        let of = |f: &&Finding| f.account == member && f.source.name == "bartizan" && f.control == "iam-administrator";
        assert_eq!(findings.iter().filter(of).count(), 1, "guardrails make nobody less of an administrator");

        let file = home.path().join("estate.json.zst");
        let ask = |action: &str| {
            let args = ["--from", file.to_str().unwrap(), "iam", "--account", &member, "--json", "can", "user/root-like", action];
            let done = program(&cloud, home.path(), &args);
            (done.status.code().unwrap(), serde_json::from_slice::<Value>(&done.stdout).unwrap())
        };
        assert_eq!(ask("cloudtrail:StartLogging").0, 0);
        let (code, answer) = ask("cloudtrail:StopLogging");
        assert_eq!((code, &answer["decision"], &answer["explicit"]), (1, &json!("denied"), &json!(true)));
        assert_eq!(answer["because"][0]["statement"], "KeepTheTrail");
        assert!(answer["because"][0]["layer"].as_str().unwrap().starts_with("service control policies, level 2"), "{answer}");
    });
}

fn post(cloud: &Cloud, service: &str, path: &str, target: &str, body: &Value) -> Value {
    serde_json::from_str(&cloud.seed(HERE, service, ("POST", path), target, &body.to_string())).unwrap_or_default()
}

/// An empty zip archive.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

#[test]
fn functions_and_tasks_are_collected_with_their_roles_and_taken_over() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let id = cloud.management();
        let iam =
            aws_sdk_iam::Client::new(&config_at(&cloud.moto_url(), HERE, Credentials::new("test", "test", None, None, "seed")));
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": ["lambda.amazonaws.com", "ecs-tasks.amazonaws.com"]}}]});
        for name in ["runner", "tasker"] {
            iam.create_role().role_name(name).assume_role_policy_document(trust.to_string()).send().await.unwrap();
            iam.put_role_policy().role_name(name).policy_name("all").policy_document(allow_all()).send().await.unwrap();
        }
        iam.create_user().user_name("eve").send().await.unwrap();
        let may = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Code", "Effect": "Allow", "Resource": "*",
            "Action": ["lambda:UpdateFunctionCode", "ecs:ExecuteCommand"]}]});
        iam.put_user_policy().user_name("eve").policy_name("may").policy_document(may.to_string()).send().await.unwrap();
        let role = |name: &str| format!("arn:aws:iam::{id}:role/{name}");
        let function = json!({"FunctionName": "pay", "Runtime": "python3.12", "Role": role("runner"), "Handler": "a.b",
            "Code": {"ZipFile": EMPTY_ZIP}, "Environment": {"Variables": {"PASSWORD": "hunter2"}}});
        post(&cloud, "lambda", "/2015-03-31/functions", "", &function);
        let ecs =
            |action: &str, body: Value| post(&cloud, "ecs", "/", &format!("AmazonEC2ContainerServiceV20141113.{action}"), &body);
        ecs("CreateCluster", json!({"clusterName": "apps"}));
        ecs(
            "RegisterTaskDefinition",
            json!({"family": "web", "taskRoleArn": role("tasker"), "networkMode": "bridge",
            "containerDefinitions": [{"name": "web", "image": "web", "memory": 128, "environment": [{"name": "TOKEN", "value": "hunter3"}]}]}),
        );
        ecs("RunTask", json!({"cluster": "apps", "taskDefinition": "web", "launchType": "FARGATE", "count": 1}));

        let home = tempfile::tempdir().unwrap();
        let (estate, _, code, said) = collected(&cloud, home.path(), &[]);
        assert_eq!(code, 0, "{said}");
        let region = estate.region(id, HERE).unwrap();
        let functions: Vec<(&str, &str)> =
            region.workloads.functions.iter().map(|f| (f.function_name.as_str(), f.role.as_str())).collect();
        assert_eq!(functions, [("pay", role("runner").as_str())]);
        assert_eq!(region.workloads.functions[0].runtime, "python3.12");
        assert_eq!(region.workloads.tasks.len(), 1);
        assert_eq!(region.workloads.tasks[0].task_role_arn, role("tasker"));
        let whole = serde_json::to_string(&estate).unwrap();
        assert!(!whole.contains("hunter"), "what stands in environments is not kept");
        for api in
            ["lambda:ListFunctions", "ecs:ListClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition"]
        {
            let row = estate.coverage.iter().find(|c| c.api == api && c.region == HERE).unwrap();
            assert_eq!((row.outcome, row.count), (Outcome::Ok, 1), "{api}");
        }
        // The edges, from the file, and live.
        let file = home.path().join("estate.json.zst");
        let ask = |more: &[&str]| {
            let args = [&["iam", "--json", "paths", "--who", "user/eve"], more].concat();
            let args = [&["--from", file.to_str().unwrap()], &args[..]].concat();
            serde_json::from_slice::<Value>(&program(&cloud, home.path(), &args).stdout).unwrap()
        };
        let paths = ask(&[]);
        assert_eq!(paths[0]["steps"][0]["sentence"], "user/eve can replace the code of function:pay, which runs as role/runner");
        assert_eq!(
            (&paths[0]["certain"], &paths[0]["steps"][0]["needs"][0]),
            (&json!(true), &json!("lambda:UpdateFunctionCode by inline may of user/eve, Code"))
        );
        let live = program(
            &cloud,
            home.path(),
            &["--region", HERE, "iam", "--json", "paths", "--who", "user/eve", "--to", "role/runner"],
        );
        let live: Value = serde_json::from_slice(&live.stdout).unwrap();
        assert_eq!(live[0]["steps"][0]["needs"], paths[0]["steps"][0]["needs"]);
        // What leaks with a function leaks with its role.
        let blast = program(&cloud, home.path(), &["--from", file.to_str().unwrap(), "iam", "--json", "blast", "pay"]);
        assert_eq!(serde_json::from_slice::<Value>(&blast.stdout).unwrap()["principal"], role("runner"));

        // Refused, it is told, and what was known stays possible.
        cloud.fault(Rule::new(Fault::AccessDenied).action("ListFunctions"));
        let (estate, _, code, said) = collected(&cloud, home.path(), &[]);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("lambda:ListFunctions"), "{said}");
        let row = estate.coverage.iter().find(|c| c.api == "lambda:ListFunctions").unwrap();
        assert_eq!(row.outcome, Outcome::Denied);
        let paths = ask(&[]);
        assert_eq!(paths[0]["certain"], json!(false), "{paths}");
    });
}

/// An event as CloudTrail records it.
#[allow(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn event(who: Value, source: &str, name: &str, at: &str) -> Value {
    json!({"userIdentity": who, "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "eventTime": at})
}

#[test]
fn cloudtrail_tells_what_the_report_does_not() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let id = cloud.management();
        let iam =
            aws_sdk_iam::Client::new(&config_at(&cloud.moto_url(), HERE, Credentials::new("test", "test", None, None, "seed")));
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"}}]});
        iam.create_role().role_name("worker").assume_role_policy_document(trust.to_string()).send().await.unwrap();
        let wide = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:DescribeKey", "kms:ScheduleKeyDeletion", "sns:Publish"], "Resource": "*"}]});
        iam.put_role_policy().role_name("worker").policy_name("wide").policy_document(wide.to_string()).send().await.unwrap();
        let arn = format!("arn:aws:iam::{id}:role/worker");
        let now = jiff::Timestamp::now();
        let days = |n: i64| (now - jiff::SignedDuration::from_hours(24 * n)).to_string();
        let recent: &'static str = Box::leak(days(5).into_boxed_str());
        cloud.accessed(|a| {
            a.made = Some(now.to_string());
            a.set(
                &arn,
                vec![
                    Service { name: "kms", last: Some(recent), actions: vec![] },
                    Service { name: "sns", last: Some(recent), actions: vec![] },
                ],
            );
        });
        let session = |session: &str, role: &str| {
            json!({"type": "AssumedRole", "arn": format!("arn:aws:sts::{id}:assumed-role/worker/{session}"),
            "sessionContext": {"sessionIssuer": {"arn": role, "userName": "worker"}}})
        };
        cloud.trail(|trail| {
            for (n, name) in ["i-1", "i-2"].into_iter().enumerate() {
                let mut begun = event(json!({"type": "AWSService"}), "sts", "AssumeRole", &days(20 + n as i64));
                begun["requestParameters"] = json!({"roleArn": arn, "roleSessionName": name});
                begun["resources"] = json!([{"ARN": arn}]);
                // STS records where it was asked; one of the regions is not even read.
                trail.record(if n == 0 { HERE } else { "us-east-1" }, begun);
            }
            for n in 0..60 {
                trail.record(HERE, event(session("i-1", &arn), "kms", "DescribeKey", &days(3 + n / 10)));
            }
            trail.record("us-east-1", event(session("i-2", &arn), "kms", "CreateKey", &days(80)));
            // Another role's session of the same name is not this one's.
            trail.record(HERE, event(session("i-1", "arn:aws:iam::1:role/other"), "kms", "ScheduleKeyDeletion", &days(1)));
        });
        let home = tempfile::tempdir().unwrap();
        cloud.forget_calls();
        let args = ["--region", HERE, "iam", "--json", "unused", "role/worker"];
        let of = |args: &[&str]| {
            let done = program(&cloud, home.path(), args);
            serde_json::from_slice::<Value>(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", words(&done.stderr)))
        };
        let plain = of(&args);
        assert_eq!((&plain["actions"], &plain["cloudtrail"]), (&json!([]), &Value::Null), "AWS reports no action of kms");
        assert!(cloud.calls().iter().all(|c| c.service != "cloudtrail"), "it is asked only on demand");
        let found = of(&[&args[..], &["--cloudtrail"]].concat());
        // Used twice within 90 days, never seen to delete; of sns the history knows nothing.
        assert_eq!(found["actions"], json!(["kms:ScheduleKeyDeletion"]), "{found}");
        assert_eq!((&found["cloudtrail"]["whole"], &found["cloudtrail"]["decided"]), (&json!(true), &json!([2, 1])));
        assert_eq!(found["cloudtrail"]["regions"], json!([HERE, "us-east-1"]));
        let after: Value = serde_json::from_str(found["policies"][0]["after"].as_str().unwrap()).unwrap();
        assert_eq!(after["Statement"][0]["Action"], json!(["kms:CreateKey", "kms:DescribeKey", "sns:Publish"]));
        let peaks = cloud.peaks(std::time::Duration::from_secs(1));
        assert!(peaks.iter().filter(|((_, _, api), _)| api == "cloudtrail:LookupEvents").all(|(_, n)| *n <= 5), "{peaks:?}");
        let told =
            words(&program(&cloud, home.path(), &["--region", HERE, "iam", "unused", "role/worker", "--cloudtrail"]).stdout);
        assert!(told.contains("Data events, such as reading an object, are not in it"), "{told}");

        // Refused, nothing is concluded from its silence.
        cloud.fault(Rule::new(Fault::AccessDenied).service("cloudtrail"));
        let done = program(&cloud, home.path(), &[&args[..], &["--cloudtrail"]].concat());
        let refused: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&refused["actions"], &refused["cloudtrail"]["whole"]), (&json!([]), &json!(false)));
        assert!(words(&done.stderr).contains("cloudtrail:LookupEvents"), "{}", words(&done.stderr));
    });
}

/// What a console says until a notice that is wanted comes, and the last world it got.
async fn until(work: &mut bartizan::work::Work, wanted: &str) -> (String, std::sync::Arc<bartizan::world::World>) {
    let mut world = std::sync::Arc::clone(&work.world);
    let limit = std::time::Duration::from_secs(60);
    loop {
        match tokio::time::timeout(limit, work.outcomes.recv()).await.expect(wanted).expect(wanted) {
            bartizan::message::Outcome::World(new) => world = new,
            bartizan::message::Outcome::Notice { text, .. } if text.contains(wanted) => return (text, world),
            _ => {}
        }
    }
}

#[test]
fn a_console_asks_for_one_principals_use_and_is_told_where_it_is_refused() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let iam =
            aws_sdk_iam::Client::new(&config_at(&cloud.moto_url(), HERE, Credentials::new("test", "test", None, None, "seed")));
        iam.create_user().user_name("worker").send().await.unwrap();
        let wide = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*", "sns:Publish"], "Resource": "*"}]});
        iam.put_user_policy().user_name("worker").policy_name("wide").policy_document(wide.to_string()).send().await.unwrap();
        let arn = format!("arn:aws:iam::{}:user/worker", cloud.management());
        cloud.accessed(|a| {
            a.set(
                &arn,
                vec![
                    Service { name: "sns", last: Some("2026-05-30T00:00:00Z"), actions: vec![] },
                    Service { name: "sqs", last: None, actions: vec![] },
                ],
            );
        });
        let options = bartizan::aws::Options {
            regions: vec![HERE.to_owned()],
            endpoint_url: Some(cloud.url().to_owned()),
            credentials: Some(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            ))),
            ..bartizan::aws::Options::default()
        };
        let live = bartizan::work::source::Source::Live { options: Box::new(options), cache: None };
        let config = bartizan::config::Config::default();
        let opened = bartizan::work::source::open(live, &config, jiff::Timestamp::now());
        let mut work = bartizan::work::start(opened, &config, bartizan::work::Keeping::default());
        // The principal is there once the first sweep brought it.
        let estate = loop {
            match tokio::time::timeout(std::time::Duration::from_secs(120), work.outcomes.recv()).await.unwrap().unwrap() {
                bartizan::message::Outcome::World(world) if !world.estate.identities.is_empty() => {
                    break std::sync::Arc::clone(&world.estate);
                }
                _ => {}
            }
        };
        let ask = || bartizan::message::Effect::AskUse { arn: arn.clone(), estate: std::sync::Arc::clone(&estate) };
        let rule = cloud.fault(Rule::new(Fault::AccessDenied).action("GenerateServiceLastAccessedDetails"));
        work.effects.send(ask()).unwrap();
        let (said, _) = until(&mut work, "user/worker").await;
        assert!(
            said.starts_with("What user/worker used is not known: ") && said.contains("iam:GenerateServiceLastAccessedDetails"),
            "{said}"
        );
        cloud.heal(rule);
        work.effects.send(ask()).unwrap();
        let (said, _) = until(&mut work, "user/worker").await;
        assert_eq!(said, "user/worker: used 1 of 2 services in 400 days");
        // Its share shows in the list when the judgement is through.
        let share = bartizan::catalog::ListingId::Principals.get();
        loop {
            let outcome = tokio::time::timeout(std::time::Duration::from_secs(60), work.outcomes.recv()).await.unwrap().unwrap();
            let bartizan::message::Outcome::World(world) = outcome else { continue };
            let index = world.index(bartizan::catalog::ListingId::Principals);
            let filter = bartizan::listing::filter::parse("name=worker unused>50", &share.schema, 0).unwrap();
            let query = bartizan::listing::query::Query { filter, ..Default::default() };
            if bartizan::listing::query::run(index, &query, &bartizan::listing::query::Cancel::new()).unwrap().ids.len() == 1 {
                break;
            }
        }
    });
}

#[test]
fn policies_that_may_not_be_read_are_told_of_and_decide_nothing() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let member = guarded(&cloud).await;
        for action in ["DescribePolicy", "ListDelegatedServicesForAccount"] {
            cloud.fault(Rule::new(Fault::AccessDenied).service("organizations").action(action));
        }
        let home = tempfile::tempdir().unwrap();
        let (estate, _, code, said) = collected(&cloud, home.path(), &[]);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("organizations:DescribePolicy"), "{said}");
        let organization = estate.organization.clone().unwrap();
        assert!(organization.controls.iter().all(|c| !c.whole));
        assert_eq!(organization.delegates, None, "half of them would say that the others administer nothing");
        assert!(organization.levels(ControlKind::Service, estate.account(&member).unwrap()).is_empty());
        assert_eq!(estate.accounts.len(), 2, "the directory is whole without them");
        let file = home.path().join("estate.json.zst");
        let args =
            ["--from", file.to_str().unwrap(), "iam", "--account", &member, "can", "user/root-like", "cloudtrail:StopLogging"];
        let done = program(&cloud, home.path(), &args);
        assert_eq!(done.status.code(), Some(0));
        assert!(words(&done.stderr).contains("service control policies: they were not read whole"), "{}", words(&done.stderr));
    });
}

#[test]
fn what_is_granted_and_not_used_is_asked_on_demand_and_taken_out() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let iam =
            aws_sdk_iam::Client::new(&config_at(&cloud.moto_url(), HERE, Credentials::new("test", "test", None, None, "seed")));
        for name in ["worker", "other"] {
            iam.create_user().user_name(name).send().await.unwrap();
        }
        let wide = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Work", "Effect": "Allow", "Action": ["sqs:*", "s3:GetObject", "s3:PutObject", "sns:Publish"], "Resource": "*"}]});
        iam.put_user_policy().user_name("worker").policy_name("wide").policy_document(wide.to_string()).send().await.unwrap();
        let arn = format!("arn:aws:iam::{}:user/worker", cloud.management());
        cloud.accessed(|accessed| {
            let recent = Some("2026-05-30T00:00:00Z");
            accessed.set(
                &arn,
                vec![
                    Service { name: "s3", last: recent, actions: vec![("PutObject", None), ("GetObject", recent)] },
                    Service { name: "sns", last: None, actions: vec![] },
                    Service { name: "sqs", last: Some("2025-01-01T00:00:00Z"), actions: vec![] },
                ],
            );
        });
        let home = tempfile::tempdir().unwrap();
        cloud.forget_calls();
        let args = ["--region", HERE, "iam", "--json", "unused", "user/worker", "--keep", "sqs:SendMessage"];
        let done = program(&cloud, home.path(), &args);
        let found: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", words(&done.stderr)));
        assert_eq!(found["principal"], arn);
        assert_eq!(found["services"], json!(["sns", "sqs"]));
        assert_eq!(found["actions"], json!(["s3:PutObject"]));
        assert_eq!(found["unknown"], json!([]));
        let policy = &found["policies"][0];
        let after: Value = serde_json::from_str(policy["after"].as_str().unwrap()).unwrap();
        assert_eq!(after["Statement"][0]["Action"], json!(["s3:GetObject", "sqs:SendMessage"]));
        assert!(policy["diff"].as_array().unwrap().iter().any(|l| l.as_str().unwrap().starts_with("- ")));
        let asked = cloud.calls().into_iter().filter(|c| c.action == "GenerateServiceLastAccessedDetails").count();
        assert_eq!(asked, 1, "only the one that was asked about");

        // Collected for everyone, a file tells the same, and the list of principals shows the share.
        let (estate, _, _, said) = collected(&cloud, home.path(), &["--last-used"]);
        let identity = estate.identity(cloud.management()).unwrap();
        assert_eq!(identity.last_accessed.len(), 2, "{said}");
        let file = home.path().join("estate.json.zst");
        let from = ["--from", file.to_str().unwrap()];
        let again = program(&cloud, home.path(), &[&from, &args[2..]].concat());
        assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), found);
        let list = [&from[..], &["list", "principals", "-f", "name=worker", "-o", "json", "--columns", "unused,nature"]].concat();
        let rows: Value = serde_json::from_slice(&program(&cloud, home.path(), &list).stdout).unwrap();
        let share = (found["share"].as_f64().unwrap() * 100.0).round();
        // Without --keep a little more is unused.
        assert!(rows[0]["unused"].as_f64().unwrap() >= share && share > 0.0, "{rows}");

        // A saved answer of the AWS CLI does as well; another command's is named.
        let saved = home.path().join("saved.json");
        std::fs::write(
            &saved,
            json!({"JobStatus": "COMPLETED", "JobCompletionDate": "2026-06-01T00:00:00Z", "ServicesLastAccessed": [
            {"ServiceName": "S3", "ServiceNamespace": "s3", "TotalAuthenticatedEntities": 0}]})
            .to_string(),
        )
        .unwrap();
        let args = [&from[..], &["iam", "unused", "user/worker", "--used", saved.to_str().unwrap()]].concat();
        let told = words(&program(&cloud, home.path(), &args).stdout);
        assert!(told.contains("Services not used: s3") && told.contains("Nothing is known of: sns, sqs"), "{told}");
        std::fs::write(&saved, "{\"Users\":[]}").unwrap();
        let done = program(&cloud, home.path(), &args);
        assert_eq!(done.status.code(), Some(1));
        assert!(words(&done.stderr).contains("not the answer of aws iam get-service-last-accessed-details"));
    });
}

/// The test cloud has no `simulate-principal-policy`, but it can be told to enforce policies: what it lets real calls do, by
/// real keys and by a role's session, is what we say of the details that were collected from it. It reads no `?` and no conditions.
#[test]
fn what_the_cloud_enforces_is_what_we_say() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let id = cloud.management();
        let at = |credentials: Credentials| config_at(&cloud.moto_url(), HERE, credentials);
        let iam = aws_sdk_iam::Client::new(&at(Credentials::new("test", "test", None, None, "seed")));
        let policy = |statements: Value| json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let allow = |actions: &[&str]| json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
        let own: [(&str, Option<Value>); 6] = [
            ("reader", Some(json!([allow(&["ec2:Describe*", "iam:*Users"])]))),
            ("denied", Some(json!([allow(&["*"]), {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}]))),
            ("but", Some(json!([{"Effect": "Allow", "NotAction": ["iam:*", "ssm:Describe*"], "Resource": "*"}]))),
            ("grouped", None),
            ("attached", Some(json!([allow(&["ssm:ListCommands"])]))),
            ("nobody", None),
        ];
        let mut callers: Vec<(String, Credentials)> = Vec::new();
        for (name, statements) in own {
            iam.create_user().user_name(name).send().await.unwrap();
            if let Some(statements) = statements {
                iam.put_user_policy()
                    .user_name(name)
                    .policy_name("own")
                    .policy_document(policy(statements))
                    .send()
                    .await
                    .unwrap();
            }
            let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
            let credentials = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "a user's");
            callers.push((format!("user/{name}"), credentials));
        }
        let document =
            policy(json!([allow(&["iam:ListRoles", "ssm:*"]), {"Effect": "Deny", "Action": "ssm:List*", "Resource": "*"}]));
        let managed = iam.create_policy().policy_name("shared").policy_document(document).send().await.unwrap();
        let managed = managed.policy.unwrap().arn.unwrap();
        iam.create_group().group_name("team").send().await.unwrap();
        iam.attach_group_policy().group_name("team").policy_arn(&managed).send().await.unwrap();
        iam.add_user_to_group().group_name("team").user_name("grouped").send().await.unwrap();
        iam.attach_user_policy().user_name("attached").policy_arn(&managed).send().await.unwrap();
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": id}}]});
        iam.create_role().role_name("worker").assume_role_policy_document(trust.to_string()).send().await.unwrap();
        let work = policy(json!([allow(&["iam:*"]), {"Effect": "Deny", "Action": ["iam:ListRoles"], "Resource": "*"}]));
        iam.put_role_policy().role_name("worker").policy_name("own").policy_document(work).send().await.unwrap();
        let sts = aws_sdk_sts::Client::new(&at(Credentials::new("test", "test", None, None, "seed")));
        let session = sts.assume_role().role_arn(format!("arn:aws:iam::{id}:role/worker")).role_session_name("live").send().await;
        let session = session.unwrap().credentials.unwrap();
        let token = Some(session.session_token);
        callers.push((
            "role/worker".to_owned(),
            Credentials::new(session.access_key_id, session.secret_access_key, token, None, "a session's"),
        ));

        let home = tempfile::tempdir().unwrap();
        let (estate, _, _, said) = collected(&cloud, home.path(), &[]);
        let account = Account::of_estate(&estate, id).unwrap_or_else(|| panic!("{said}"));
        cloud.seed(HERE, "moto", ("POST", "/moto-api/reset-auth"), "", "0");
        let (mut allowed, mut denied) = (0, 0);
        for (who, credentials) in callers {
            let config = at(credentials);
            let (iam, ec2) = (aws_sdk_iam::Client::new(&config), aws_sdk_ec2::Client::new(&config));
            let (ssm, sts) = (aws_sdk_ssm::Client::new(&config), aws_sdk_sts::Client::new(&config));
            let answers = [
                ("iam:ListUsers", iam.list_users().send().await.err().map(|e| format!("{e:?}"))),
                ("iam:ListRoles", iam.list_roles().send().await.err().map(|e| format!("{e:?}"))),
                ("ec2:DescribeVpcs", ec2.describe_vpcs().send().await.err().map(|e| format!("{e:?}"))),
                ("ec2:DescribeInstances", ec2.describe_instances().send().await.err().map(|e| format!("{e:?}"))),
                ("ssm:DescribeParameters", ssm.describe_parameters().send().await.err().map(|e| format!("{e:?}"))),
                ("ssm:ListCommands", ssm.list_commands().send().await.err().map(|e| format!("{e:?}"))),
                ("sts:GetCallerIdentity", sts.get_caller_identity().send().await.err().map(|e| format!("{e:?}"))),
            ];
            for (action, refused) in answers {
                let ours = account.can(&who, action, "*", &Context::new()).unwrap().decision;
                // The cloud must have refused for want of permission, and not for a signature.
                let without_permission =
                    refused.as_deref().map(|why| ["AccessDenied", "UnauthorizedOperation"].iter().any(|w| why.contains(w)));
                assert_ne!(without_permission, Some(false), "{who} {action}: {refused:?}");
                assert_eq!(ours == Decision::Allowed, refused.is_none(), "{who} {action}: {ours:?}, the cloud: {refused:?}");
                *(if refused.is_none() { &mut allowed } else { &mut denied }) += 1;
            }
        }
        assert!(allowed > 15 && denied > 15, "{allowed} {denied}");
    });
}
