//! Identities from AWS: policies over accounts, read through Organizations and heeded by the evaluator; what a principal
//! used, asked on demand and taken out of its policies. Over real HTTP to the test cloud, through the built program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use aws_sdk_organizations::types::{OrganizationFeatureSet, PolicyType};
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
        assert_eq!(guard.targets, [unit.id.clone()]);
        assert!(guard.document.0.contains("KeepTheTrail"));
        assert!(service.policies.iter().any(|p| p.name == "FullAWSAccess"));
        let account = estate.account(&member).unwrap();
        let levels = organization.levels(ControlKind::Service, account);
        assert_eq!(levels.len(), 3, "root, unit, account");
        for api in ["organizations:ListPolicies", "organizations:DescribePolicy", "organizations:ListTargetsForPolicy"] {
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

#[test]
fn policies_that_may_not_be_read_are_told_of_and_decide_nothing() {
    run(async {
        let cloud = Cloud::with(Options { managed_policies: false });
        let member = guarded(&cloud).await;
        cloud.fault(Rule::new(Fault::AccessDenied).service("organizations").action("DescribePolicy"));
        let home = tempfile::tempdir().unwrap();
        let (estate, _, code, said) = collected(&cloud, home.path(), &[]);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("organizations:DescribePolicy"), "{said}");
        let organization = estate.organization.clone().unwrap();
        assert!(organization.controls.iter().all(|c| !c.whole));
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
