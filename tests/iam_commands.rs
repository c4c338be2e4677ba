//! `bartizan iam` on plain files, through the built program: who gets at a resource and by which chain, which statement cuts
//! most, and the account's IAM from a file beside an estate. Nothing is asked of AWS.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const ID: &str = "111122223333";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(args: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

#[allow(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn policy(name: &str, statements: Value) -> Value {
    json!([{"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}])
}

fn role(name: &str, trusted: &str, statements: Value) -> Value {
    json!({"RoleName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/{name}"),
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": format!("arn:aws:iam::{ID}:user/{trusted}")}}]},
        "RolePolicyList": policy("own", statements)})
}

/// Jo becomes the reader of the payroll; ann reads it by herself; sam becomes the operator, who is an administrator.
fn details() -> Value {
    let user = |name: &str, statements: Value| json!({"UserName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/{name}"), "UserPolicyList": policy("own", statements)});
    let read = json!([{"Sid": "Payroll", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::payroll/*"}]);
    json!({
        "UserDetailList": [user("jo", json!([])), user("ann", read.clone()), user("sam", json!([])), user("idle", json!([]))],
        "RoleDetailList": [role("reader", "jo", read), role("operator", "sam", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]))],
    })
}

fn file(home: &Path, name: &str, value: &Value) -> PathBuf {
    let path = home.join(name);
    fs::write(&path, value.to_string()).unwrap();
    path
}

#[test]
fn what_was_not_read_of_a_resource_is_said() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), "details.json", &details());
    let can = |action: &str, on: &str| run(&["--from", path.to_str().unwrap(), "iam", "can", "user/ann", action, on]);
    let bucket = can("s3:GetObject", "arn:aws:s3:::payroll/2026.csv");
    assert_eq!((bucket.code, bucket.out.lines().next().unwrap().starts_with("allowed")), (0, true));
    assert!(bucket.err.contains("The policy of arn:aws:s3:::payroll/2026.csv was not read"), "{}", bucket.err);
    let user = can("iam:GetUser", &format!("arn:aws:iam::{ID}:user/jo"));
    assert!(user.code == 1 && !user.err.contains("not read"), "{}", user.err);
}

fn asked(path: &Path, more: &[&str]) -> Value {
    let ran = run(&[&["--from", path.to_str().unwrap(), "iam", "--json", "paths"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_resource_is_reached_directly_and_by_chains_and_one_statement_cuts_most() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), "details.json", &details());
    let paths = asked(&path, &["--to", "arn:aws:s3:::payroll"]);
    let of = |name: &str| {
        let mut all = paths.as_array().unwrap().iter();
        all.find(|p| p["from"].as_str().unwrap().ends_with(name)).cloned()
    };
    let steps = |name: &str| of(name).map(|p| p["steps"].as_array().unwrap().len());
    assert_eq!(steps("user/ann"), Some(1), "its own use is the one step");
    assert_eq!((steps("user/jo"), steps("user/sam"), steps("user/idle")), (Some(2), Some(2), None));
    let jo = of("user/jo").unwrap();
    assert_eq!((&jo["certain"], &jo["to"]), (&json!(true), &json!("arn:aws:s3:::payroll")));
    assert_eq!(jo["steps"][0]["sentence"], "user/jo can assume role/reader");
    assert_eq!(jo["steps"][1]["sentence"], "role/reader can s3:GetObject on arn:aws:s3:::payroll/*");
    assert_eq!(jo["steps"][1]["needs"], json!(["s3:GetObject by inline own of role/reader, Payroll"]));

    let one = asked(&path, &["--who", "user/jo", "--to", "arn:aws:s3:::payroll"]);
    assert_eq!(one.as_array().unwrap().len(), 1);
    // Ways begin --from somebody, wherever the file is named.
    let from = |args: &[&str]| {
        let ran = run(&[args, &["--json", "--to", "arn:aws:s3:::payroll"]].concat());
        serde_json::from_str::<Value>(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err))
    };
    let file_name = path.to_str().unwrap();
    assert_eq!(from(&["--from", file_name, "iam", "paths", "--from", "user/jo"]), one);
    assert_eq!(from(&["iam", "paths", "--from=user/jo", "--from", file_name]), one);
    assert_eq!(from(&["iam", "--from", file_name, "paths"]), from(&["iam", "paths", "--from", file_name]));
    let missing = run(&["iam", "paths", "--from", "missing.json"]);
    assert!(missing.code == 1 && missing.err.contains("could not read missing.json"), "{}", missing.err);
    // To delete is the operator's and sam's alone.
    let delete = asked(&path, &["--to", "arn:aws:s3:::payroll", "--action", "s3:DeleteObject"]);
    let who: Vec<&str> =
        delete.as_array().unwrap().iter().map(|p| p["from"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    assert_eq!(who, ["operator", "sam"]);

    let cuts = asked(&path, &["--to", "arn:aws:s3:::payroll", "--cuts"]);
    assert_eq!(cuts[0]["of"], 5);
    let most = cuts[0]["cuts_off"].as_array().unwrap().len();
    assert_eq!(most, 2, "{cuts}");
    // What is said to be cut off is, once the statement is gone from the file.
    let mut without = details();
    without["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"]["Statement"] = json!([]);
    let left = asked(&file(home.path(), "without.json", &without), &["--to", "arn:aws:s3:::payroll"]);
    assert!(left.as_array().unwrap().iter().all(|p| !p["from"].as_str().unwrap().ends_with("user/jo")), "{left}");
    let admin = asked(&path, &["--cuts"]);
    assert_eq!(admin[0]["policy"], "trust of role/operator");
    assert_eq!(admin[0]["cuts_off"], json!([format!("arn:aws:iam::{ID}:user/sam")]));

    let text = run(&["--from", path.to_str().unwrap(), "iam", "paths", "--to", "arn:aws:s3:::payroll", "--cuts"]);
    assert!(text.out.contains("cuts off 2 of 5"), "{}", text.out);
}

#[test]
fn what_is_no_resource_and_no_action_is_said_to_be_none() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), "details.json", &details());
    for (args, says) in [
        (&["--to", "payroll"][..], "no user or role \"payroll\""),
        (&["--to", "arn:aws:nosuch:::x"], "no service is known to have a resource like"),
        (&["--to", "arn:aws:s3:::payroll", "--action", "read"], "is no action"),
        (&["--to", "role/reader", "--action", "s3:GetObject"], "--action says what is done with a resource"),
    ] {
        let ran = run(&[&["--from", path.to_str().unwrap(), "iam", "paths"], args].concat());
        assert_eq!(ran.code, 1, "{args:?}");
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
    }
}

#[test]
fn an_accounts_iam_from_a_file_stands_beside_an_estate() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), "details.json", &details());
    let with = |more: &[&str]| run(&[&["--from", "demo", "iam", "--details", path.to_str().unwrap()], more].concat());
    let known = with(&["can", "user/ann", "s3:GetObject", "arn:aws:s3:::payroll/x"]);
    assert_eq!(known.code, 0, "{}", known.err);
    // The rest of the estate is there as well.
    assert_eq!(with(&["can", "user/jenkins", "s3:GetObject", "arn:aws:s3:::payroll/x"]).code, 0);
    // Nobody of that name is trouble and no answer: a pipeline must not take it for a no.
    assert_eq!(run(&["--from", "demo", "iam", "can", "user/ann", "s3:GetObject"]).code, 2);
    let slip = with(&["can", "user/ann", "s3:GetObjct", "arn:aws:s3:::payroll/x"]);
    assert!(slip.code == 1 && slip.err.contains("did you mean s3:GetObject?"), "{}", slip.err);
    let bucket = with(&["who-can", "s3:GetObject", "arn:aws:s3:::payroll"]);
    assert!(bucket.err.contains("takes no such resource"), "{}", bucket.err);
}

#[test]
fn a_written_policy_hands_a_role_to_the_service_asked_for_and_uses_a_key_through_it_alone() {
    let home = tempfile::tempdir().unwrap();
    let role = format!("arn:aws:iam::{ID}:role/app");
    let function = format!("arn:aws:lambda:eu-west-1:{ID}:function:app");
    let wanted = ["iam", "policy", "--write", &function, "--pass", &role, "--only", "aws:SourceVpce=vpce-1"];
    let written = run(&wanted);
    assert_eq!(written.code, 0, "{}", written.err);
    let document: Value = serde_json::from_str(&written.out).unwrap();
    let user = json!({"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"),
        "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document}]});
    let path = file(home.path(), "details.json", &json!({"UserDetailList": [user], "RoleDetailList": []}));
    let can = |action: &str, on: &str, known: &[&str]| {
        let asked = ["--from", path.to_str().unwrap(), "iam", "can", "user/jo", action, on];
        let context: Vec<&str> = known.iter().flat_map(|k| ["--context", k]).collect();
        run(&[&asked[..], &context].concat()).code
    };
    let vpce = "aws:SourceVpce=vpce-1";
    assert_eq!(can("lambda:UpdateFunctionCode", &function, &[vpce]), 0);
    assert_eq!(can("lambda:UpdateFunctionCode", &function, &["aws:SourceVpce=vpce-2"]), 1);
    assert_eq!(can("iam:PassRole", &role, &[vpce, "iam:PassedToService=lambda.amazonaws.com"]), 0);
    assert_eq!(can("iam:PassRole", &role, &[vpce, "iam:PassedToService=ec2.amazonaws.com"]), 1);
    assert_eq!(can("iam:PassRole", &format!("{role}2"), &[vpce, "iam:PassedToService=lambda.amazonaws.com"]), 1);
    // What cannot be written says why, and what is left out is said.
    let alone = run(&["iam", "policy", "--pass", &role]);
    assert!(alone.code != 0 && alone.err.contains("name the service, like lambda.amazonaws.com"), "{}", alone.err);
    let managed = run(&["iam", "policy", "--permissions", &role]);
    assert!(managed.err.contains("iam:PassRole is left out: it is not said which service"), "{}", managed.err);
    assert!(!managed.out.contains("iam:PassRole"));
}

#[test]
fn a_part_of_an_answer_is_not_taken_for_the_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut page = details();
    page["IsTruncated"] = json!(true);
    page["Marker"] = json!("m");
    let path = file(home.path(), "page.json", &page);
    let ran = run(&["--from", path.to_str().unwrap(), "iam", "--json", "can", "user/idle", "s3:GetObject", "arn:aws:s3:::b/k"]);
    assert!(ran.err.contains("one page of its IAM") && ran.err.contains("--no-paginate"), "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(answer["decision"] == "denied" && answer["notes"].to_string().contains("one page of its IAM"), "{answer}");

    let whole = file(home.path(), "details.json", &details());
    let list = file(home.path(), "list.json", &json!([]));
    let wrong = run(&["--from", list.to_str().unwrap(), "iam", "can", "user/idle", "s3:GetObject"]);
    assert!(wrong.code == 2 && wrong.err.contains("no IAM in") && wrong.err.contains("an empty list"), "{}", wrong.err);
    assert!(!wrong.err.contains("list coverage"), "{}", wrong.err);
    let report = |name: &str, change: Value| {
        let mut report = json!({"JobStatus": "COMPLETED", "JobCompletionDate": "2026-11-20T00:00:01Z", "IsTruncated": false,
            "ServicesLastAccessed": [{"ServiceName": "Amazon S3", "ServiceNamespace": "s3"}]});
        for (key, value) in change.as_object().unwrap() {
            report[key] = value.clone();
        }
        let used = file(home.path(), name, &report);
        run(&["--from", whole.to_str().unwrap(), "iam", "unused", "user/ann", "--used", used.to_str().unwrap()])
    };
    let good = report("good.json", json!({}));
    assert!(good.code == 0 && good.out.contains("nothing of it is used"), "{}{}", good.out, good.err);
    for (name, change, says) in [
        ("working.json", json!({"JobStatus": "IN_PROGRESS", "ServicesLastAccessed": []}), "ask for it again in a while"),
        ("failed.json", json!({"JobStatus": "FAILED", "Error": {"Message": "no such role"}}), "FAILED (no such role)"),
        ("page.json", json!({"IsTruncated": true, "Marker": "m"}), "--max-items 1000"),
    ] {
        let ran = report(name, change);
        assert!(ran.code != 0 && ran.out.is_empty() && ran.err.contains(says), "{name}: {} {}", ran.out, ran.err);
    }
}

#[test]
fn unused_hands_out_what_aws_takes() {
    let home = tempfile::tempdir().unwrap();
    let statements = json!([
        {"Effect": "Allow", "Action": ["s3:*", "ec2:*"], "Resource": "*"},
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::x"},
    ]);
    let jo = json!({"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"), "UserPolicyList": policy("own", statements)});
    let path = file(home.path(), "details.json", &json!({"UserDetailList": [jo]}));
    // S3 is used, and of its actions every one that is tracked is not.
    let tracked = ["CreateBucket", "PutBucketPolicy", "DeleteBucket", "GetBucketAcl", "PutBucketAcl", "ListBucketVersions"];
    let actions: Vec<Value> = tracked.iter().map(|a| json!({"ActionName": a})).collect();
    let used = file(
        home.path(),
        "used.json",
        &json!({"JobStatus": "COMPLETED", "JobCompletionDate": "2026-11-20T00:00:01Z",
        "ServicesLastAccessed": [{"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": "2026-11-19T00:00:00Z",
            "TrackedActionsLastAccessed": actions}, {"ServiceName": "SQS", "ServiceNamespace": "sqs"}]}),
    );
    let ask = |more: &[&str]| {
        let asked = ["--from", path.to_str().unwrap(), "iam", "unused", "user/jo", "--used", used.to_str().unwrap()];
        let ran = run(&[&asked[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let answer: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    let policy = &answer["policies"][0];
    let after: Value = serde_json::from_str(policy["after"].as_str().unwrap()).unwrap();
    // Short where that is exact, and everything but something stays so.
    let first: Vec<&str> = after["Statement"][0]["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(first.contains(&"ec2:*") && first.contains(&"s3:GetObject*") && !first.contains(&"s3:*"), "{first:?}");
    let rest: Vec<&str> = after["Statement"][1]["NotAction"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(rest.starts_with(&["iam:*"]) && rest.contains(&"s3:CreateBucket") && rest.contains(&"sqs:*"), "{rest:?}");
    let size = serde_json::to_string(&after).unwrap().len();
    assert_eq!(policy["too_long"].is_null(), size <= 2_048, "{size}: {}", policy["too_long"]);
    // Hundreds of services of which nothing is known are counted in the text and named in the JSON.
    let text = ask(&[]);
    let unknown = answer["unknown"].as_array().unwrap().len();
    assert!(unknown > 300 && text.contains(&format!("and {} more (--json has all)", unknown - 24)), "{text}");
    assert!(text.lines().all(|l| l.len() < 1_000), "{text}");
}

#[test]
fn unused_says_who_else_has_a_policy_and_what_groups_grant() {
    let home = tempfile::tempdir().unwrap();
    let shared = format!("arn:aws:iam::{ID}:policy/shared");
    let user = |name: &str, bound: bool| {
        let mut user = json!({"UserName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/{name}"), "GroupList": ["ops"],
            "AttachedManagedPolicies": [{"PolicyName": "shared", "PolicyArn": shared}]});
        if bound {
            user["AttachedManagedPolicies"] = json!([]);
            user["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": shared, "PermissionsBoundaryType": "Policy"});
        }
        user
    };
    let document =
        |actions: Value| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
    let all = json!({
        "UserDetailList": [user("jo", false), user("al", false), user("bo", true)],
        "GroupDetailList": [{"GroupName": "ops", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:group/ops"),
            "GroupPolicyList": [{"PolicyName": "g", "PolicyDocument": document(json!(["sqs:SendMessage", "s3:GetObject"]))}]}],
        "RoleDetailList": [],
        "Policies": [{"PolicyName": "shared", "Arn": shared, "Path": "/", "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": document(json!(["sqs:*", "s3:*"]))}]}],
    });
    let path = file(home.path(), "details.json", &all);
    let used = file(
        home.path(),
        "used.json",
        &json!({"JobStatus": "COMPLETED", "JobCompletionDate": "2026-11-20T00:00:01Z", "ServicesLastAccessed": [
            {"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": "2026-11-19T00:00:00Z"},
            {"ServiceName": "SQS", "ServiceNamespace": "sqs"}]}),
    );
    let ask = |more: &[&str]| {
        let asked = ["--from", path.to_str().unwrap(), "iam", "unused", "user/jo", "--used", used.to_str().unwrap()];
        let ran = run(&[&asked[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let text = ask(&[]);
    let also =
        format!("It is also attached to arn:aws:iam::{ID}:user/al and the permissions boundary of arn:aws:iam::{ID}:user/bo;");
    assert!(text.contains(&also) && !text.contains("user/jo,"), "{text}");
    assert!(text.contains(&format!("Not used, and still granted by arn:aws:iam::{ID}:group/ops: sqs:SendMessage\n")), "{text}");
    let answer: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    let arn = |name: &str| format!("arn:aws:iam::{ID}:user/{name}");
    let others = json!([{"arn": arn("al"), "boundary": false}, {"arn": arn("bo"), "boundary": true}]);
    assert_eq!(answer["policies"][0]["others"], others);
    assert_eq!(answer["groups"], json!([{"group": format!("arn:aws:iam::{ID}:group/ops"), "actions": ["sqs:SendMessage"]}]));
}

#[test]
fn written_policies_are_one_json_value_with_what_is_beside_them() {
    let role = format!("arn:aws:iam::{ID}:role/app");
    let ask = |on: &str, more: &[&str]| {
        let ran = run(&[&["iam", "policy", "--json", "--write", on], more].concat());
        assert!(ran.code == 0 && ran.err.is_empty(), "{}", ran.err);
        serde_json::from_str::<Value>(&ran.out).unwrap()
    };
    let one = ask(&format!("arn:aws:glue:eu-west-1:{ID}:job/x"), &[]);
    assert_eq!(one["policies"].as_array().map(Vec::len), Some(1));
    assert!(one["policies"][0]["Statement"].is_array() && one["needed"] == json!(["iam:PassRole"]), "{one}");
    let left = ask(&format!("arn:aws:sqs:eu-west-1:{ID}:q"), &["--permissions", &role]);
    assert_eq!(left["left_out"][0]["actions"], json!(["iam:PassRole"]));
    let many = ask(&format!("arn:aws:ec2:eu-west-1:{ID}:*"), &[]);
    assert!(many["policies"].as_array().unwrap().len() > 1, "{many}");
    // Nothing is no success.
    let nothing = run(&["iam", "policy", "--write", &format!("arn:aws:sqs:eu-west-1:{ID}:q"), "--without", "sqs:*"]);
    assert!(nothing.code != 0 && nothing.err.contains("nothing is left to allow"), "{}", nothing.err);
}

#[test]
fn what_a_written_policy_grants_in_a_region_is_allowed_there() {
    let home = tempfile::tempdir().unwrap();
    let role = format!("arn:aws:iam::{ID}:role/app");
    let function = format!("arn:aws:lambda:eu-west-1:{ID}:function:app");
    let granted = |regions: &str| {
        let only = format!("aws:RequestedRegion={regions}");
        let written = run(&["iam", "policy", "--write", &function, "--pass", &role, "--only", &only]);
        assert_eq!(written.code, 0, "{}", written.err);
        let document: Value = serde_json::from_str(&written.out).unwrap();
        let user = json!({"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"),
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document}]});
        let path = file(home.path(), "details.json", &json!({"UserDetailList": [user], "RoleDetailList": []}));
        let can = |action: &str, on: &str| {
            let to = "iam:PassedToService=lambda.amazonaws.com";
            run(&["--from", path.to_str().unwrap(), "iam", "can", "user/jo", action, on, "--context", to]).code == 0
        };
        (can("lambda:UpdateFunctionCode", &function), written.out.contains("iam:PassRole"), can("iam:PassRole", &role))
    };
    assert_eq!(granted("eu-west-1"), (true, false, false));
    assert_eq!(granted("eu-west-1,us-east-1"), (true, true, true));
}

#[test]
fn answers_with_a_policy_in_them_are_linted_where_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObjekt","Resource":"arn:aws:s3:::b/*"}]}"#;
    let bucket = home.path().join("bucket.json");
    fs::write(&bucket, format!("{{\n    \"Policy\": {}\n}}\n", serde_json::to_string(document).unwrap())).unwrap();
    let ran = run(&["iam", "lint", bucket.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("get-bucket-policy; its document is looked over as a resource's policy"), "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    let text = fs::read_to_string(&bucket).unwrap();
    let column = text.lines().nth(1).unwrap().find("\\\"s3:GetObjekt").unwrap() + 1;
    let at = format!("bucket.json:2:{column}: error:");
    assert!(lines.len() == 1 && lines[0].contains(&at) && lines[0].ends_with("[unknown-action]"), "{lines:?}");
    let users = file(home.path(), "users.json", &json!({"Users": []}));
    let ran = run(&["iam", "lint", users.to_str().unwrap()]);
    assert!(ran.code == 1 && ran.out.contains("this is the answer of aws iam list-users"), "{}{}", ran.out, ran.err);
    // What is said counts.
    let ran = run(&["iam", "lint", "--kind", "managed", bucket.to_str().unwrap()]);
    assert!(ran.out.contains("[needless-principal]"), "{}", ran.out);
}

#[test]
fn a_plain_answer_is_opened_by_every_command() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), "details.json", &details());
    let from = path.to_str().unwrap();
    let listed = run(&["--from", from, "list", "principals", "-o", "json"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains("user/jo") && listed.out.contains("role/operator"), "{}", listed.out);
    let found = run(&["--from", from, "list", "findings", "-o", "json"]);
    assert!(found.code == 0 && found.out.contains("iam-"), "{} {}", found.err, found.out);
}

/// Where no resource is named, all that the action takes are meant: what it must name has to be allowed, and among what it may
/// name it depends.
#[test]
fn a_question_without_a_resource_asks_for_all_that_the_action_takes() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("details.json");
    let ask = |action: &str, statements: Value| {
        let user = json!({"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"), "UserPolicyList": policy("own", statements)});
        fs::write(&path, json!({"UserDetailList": [user], "RoleDetailList": []}).to_string()).unwrap();
        let from = path.to_str().unwrap();
        let can = run(&["--from", from, "iam", "can", "user/jo", action]);
        let who = run(&["--from", from, "iam", "who-can", action, "*"]);
        let word = can.out.split(':').next().unwrap_or_default().to_owned();
        assert_eq!(who.out.contains("user/jo"), word != "denied", "{action}: {} {}", can.out, who.out);
        assert_eq!(can.code == 0, word == "allowed", "{}", can.out);
        word
    };
    let on = |effect: &str, resource: &str| json!({"Effect": effect, "Action": "*", "Resource": resource});
    let (all, instances) = (on("Allow", "*"), "arn:aws:ec2:*:*:instance/*");
    for (action, statements, answer) in [
        ("ec2:RunInstances", json!([all]), "allowed"),
        ("ec2:RunInstances", json!([all, on("Deny", instances)]), "denied"),
        ("ec2:RunInstances", json!([on("Allow", "arn:aws:ec2:*::image/*")]), "denied"),
        ("ssm:SendCommand", json!([on("Allow", "arn:aws:ssm:*:*:document/*")]), "depends"),
        ("ssm:SendCommand", json!([on("Allow", instances)]), "denied"),
        ("ssm:StartSession", json!([on("Allow", instances)]), "depends"),
        ("kms:CreateAlias", json!([on("Allow", "arn:aws:kms:*:*:alias/*")]), "denied"),
        ("ec2:CreateTags", json!([on("Allow", instances)]), "depends"),
        ("ec2:CreateTags", json!([all, on("Deny", instances)]), "depends"),
        ("s3:ListBucket", json!([on("Allow", "arn:aws:s3:::*")]), "allowed"),
        ("ec2:DescribeInstances", json!([on("Allow", instances)]), "denied"),
    ] {
        assert_eq!(ask(action, statements.clone()), answer, "{action} {statements}");
    }
    let other = run(&["--from", path.to_str().unwrap(), "iam", "can", "user/jo", "s3:GetObject", "--account", "999988887777"]);
    assert!(other.code != 0 && other.err.contains(&format!("is that of account {ID}")), "{} {}", other.out, other.err);
}

#[test]
fn a_question_names_its_resource_by_arn_or_by_name_and_says_what_it_leaves_out() {
    let home = tempfile::tempdir().unwrap();
    let may = |name: &str, statements: Value| json!({"UserName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/{name}"), "UserPolicyList": policy("own", statements)});
    let allow = |action: &str, on: &str, condition: Value| json!({"Effect": "Allow", "Action": action, "Resource": on, "Condition": condition});
    let role = format!("arn:aws:iam::{ID}:role/reader");
    let mut jo = may(
        "jo",
        json!([
            allow("iam:PassRole", &role, json!({})),
            allow("ec2:StopInstances", "*", json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})),
            allow("s3:ListBucket", "*", json!({"StringEquals": {"s3:prefix": ""}})),
            allow(
                "s3:PutBucketTagging",
                "*",
                json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "Null": {"aws:TagKeys": "false"}})
            ),
        ]),
    );
    let mut ann = may("ann", json!([allow("s3:GetObject", "*", json!({}))]));
    ann["AttachedManagedPolicies"] = json!([{"PolicyName": "unknown", "PolicyArn": format!("arn:aws:iam::{ID}:policy/unknown")}]);
    let sam = may("sam", json!([allow("s3:GetObject", "arn:aws:s3:::b/*", json!({}))]));
    jo["UserId"] = json!("AIDAJO");
    let mut whole = details();
    whole["UserDetailList"] = json!([jo, ann, sam]);
    let path = file(home.path(), "details.json", &whole);
    let can = |who: &str, words: &[&str]| run(&[&["--from", path.to_str().unwrap(), "iam", "can", who][..], words].concat());
    let first = |ran: &Ran| ran.out.lines().next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
    // A role by its name; what is no resource is named so.
    assert_eq!(can("user/jo", &["iam:PassRole", "role/reader"]).code, 0);
    assert_eq!(can("user/jo", &["iam:PassRole", &role]).code, 0);
    for unknown in ["role/nosuch", "b/k", "foo"] {
        let ran = can("user/jo", &["iam:PassRole", unknown]);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(unknown), "{unknown}: {} {}", ran.code, ran.err);
    }
    // A call goes to the region of the resource.
    let instance = |region: &str| format!("arn:aws:ec2:{region}:{ID}:instance/i-1");
    assert_eq!(can("user/jo", &["ec2:StopInstances", &instance("eu-west-1")]).code, 0);
    assert_eq!(first(&can("user/jo", &["ec2:StopInstances", &instance("us-east-1")])), "denied");
    // Several values of a key, an empty one, an absent one.
    let list = |context: &[&str]| first(&can("user/jo", &[&["s3:ListBucket", "arn:aws:s3:::b"][..], context].concat()));
    assert_eq!(list(&["--context", "s3:prefix="]), "allowed");
    assert_eq!(list(&["--context", "!s3:prefix"]), "denied");
    assert_eq!(list(&[]), "depends");
    let tag = |context: &[&str]| first(&can("user/jo", &[&["s3:PutBucketTagging", "arn:aws:s3:::b"][..], context].concat()));
    assert_eq!(tag(&["--context", "aws:TagKeys=a", "--context", "aws:TagKeys=b"]), "allowed");
    assert_eq!(tag(&["--context", "aws:TagKeys=a", "--context", "aws:TagKeys=c"]), "denied");
    assert_eq!(can("user/jo", &["s3:ListBucket", "arn:aws:s3:::b", "--context", "prefix=x"]).code, 2);
    // No resource is all of them.
    let sams = can("user/sam", &["s3:GetObject"]);
    assert_eq!((sams.code, first(&sams).as_str()), (1, "depends"), "{}", sams.out);
    assert!(sams.err.contains("No resource is named"), "{}", sams.err);
    assert_eq!(first(&can("user/sam", &["s3:PutObject"])), "denied");
    // What was not read is not guessed, and is told as data, too.
    let anns = can("user/ann", &["s3:GetObject", "arn:aws:s3:::b/k", "--json"]);
    let answer: Value = serde_json::from_str(&anns.out).unwrap();
    assert_eq!((anns.code, &answer["decision"]), (1, &json!("depends")));
    let notes = answer["notes"].to_string();
    for told in ["policy/unknown", "No organisation is known", "policy of arn:aws:s3:::b/k was not read"] {
        assert!(notes.contains(told), "{told}: {notes}");
    }
    assert!(answer["depends"][0]["condition"].as_str().unwrap().contains("was not read"), "{answer}");
    // Those who are no users or roles can be asked about, too.
    assert_eq!(first(&can("root", &["s3:GetObject", "arn:aws:s3:::b/k"])), "allowed");
    assert_eq!(first(&can(&format!("arn:aws:iam::{ID}:root"), &["iam:CreateUser"])), "allowed");
    assert_eq!(first(&can("*", &["sts:AssumeRole", "role/reader"])), "denied");
    assert_eq!(first(&can("lambda.amazonaws.com", &["sts:AssumeRole", "role/reader"])), "denied");
    assert_eq!(first(&can("arn:aws:iam::999988887777:role/x", &["sts:AssumeRole", "role/reader"])), "denied");
    assert_eq!(first(&can("arn:aws:iam::999988887777:role/x", &["s3:GetObject", "arn:aws:s3:::b/k"])), "depends");
    assert_eq!(can("user/nobody", &["s3:GetObject", "arn:aws:s3:::b/k"]).code, 2);
    // The grant is told, not the guardrails that let it through.
    let who = run(&["--from", path.to_str().unwrap(), "iam", "who-can", "iam:PassRole", "role/reader"]);
    assert!(who.out.contains("user/jo") && who.out.contains("inline own of user/jo"), "{}", who.out);
}

/// What a file lacks, says twice or has wrong is told beside the answers that rest on it.
#[test]
fn a_file_that_was_cut_or_changed_by_hand_is_told_of() {
    let home = tempfile::tempdir().unwrap();
    let user =
        |name: &str, arn: &str| json!({"UserName": name, "Path": "/", "Arn": arn, "UserPolicyList": policy("own", json!([]))});
    let jo = user("jo", &format!("arn:aws:iam::{ID}:user/jo"));
    let whole =
        json!({"UserDetailList": [jo, jo, user("bob", "user/bob")], "GroupDetailList": [], "RoleDetailList": [], "Policies": []});
    let path = file(home.path(), "twice.json", &whole);
    let iam = |path: &Path, args: &[&str]| run(&[&["--from", path.to_str().unwrap(), "iam"][..], args].concat());
    // Who stands twice with the same content is one.
    let asked = iam(&path, &["can", "user/jo", "s3:GetObject", "arn:aws:s3:::b/k"]);
    assert!(asked.code == 1 && asked.out.starts_with("denied"), "{} {}", asked.out, asked.err);
    // What others' policies say of whom no ARN names is not known.
    let bobs = iam(&path, &["can", "user/bob", "s3:GetObject", "arn:aws:s3:::b/k"]);
    assert!(bobs.out.starts_with("depends") && bobs.out.contains("by its ARN are not known"), "{}", bobs.out);
    assert!(!bobs.out.contains("NotRead"), "{}", bobs.out);

    let mut cut = whole;
    cut.as_object_mut().unwrap().remove("RoleDetailList");
    let path = file(home.path(), "cut.json", &cut);
    for args in [
        &["can", "user/jo", "s3:GetObject", "arn:aws:s3:::b/k"][..],
        &["who-can", "s3:GetObject"],
        &["paths"],
        &["blast", "user/jo"],
    ] {
        let said = iam(&path, args).err;
        assert_eq!(said.matches("has no RoleDetailList").count(), 1, "{args:?}: {said}");
    }
    let list = run(&["--from", path.to_str().unwrap(), "list", "principals"]);
    assert!(list.code == 0 && list.err.contains("has no RoleDetailList"), "{} {}", list.code, list.err);
}

/// Whom the command line takes for whom, and what it says of those that it does not take.
#[test]
fn accounts_tokens_and_slips_are_answered_in_words() {
    let home = tempfile::tempdir().unwrap();
    let mut whole = details();
    let trusted = json!({"AWS": "arn:aws:iam::999988887777:root"});
    whole["RoleDetailList"][0]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = trusted;
    whole["UserDetailList"][0]["GroupList"] = json!(["ops"]);
    whole["GroupDetailList"] = json!([{"GroupName": "ops", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:group/ops")}]);
    let path = file(home.path(), "details.json", &whole);
    let from = path.to_str().unwrap();
    let can = |args: &[&str]| run(&[&["--from", from, "iam", "can"][..], args].concat());
    for who in ["999988887777", "arn:aws:iam::999988887777:root"] {
        let theirs = can(&[who, "sts:AssumeRole", "role/reader"]);
        assert!(theirs.out.starts_with("depends") && theirs.out.contains("Its own policies are not known"), "{}", theirs.out);
        assert!(theirs.out.contains("Allow by trust of role/reader"), "{}", theirs.out);
    }
    let others = can(&["999988887777", "sts:AssumeRole", "role/operator"]);
    assert!(others.code == 1 && others.out.starts_with("denied"), "{}", others.out);
    let nobody = can(&["*", "sts:AssumeRole", "role/reader"]);
    assert!(nobody.out.contains("Anonymous callers cannot call STS"), "{}", nobody.out);
    let root = can(&["root", "s3:GetObject", "arn:aws:s3:::b/k", "--json"]);
    let answer: Value = serde_json::from_str(&root.out).unwrap();
    assert!(answer["decision"] == "allowed" && answer["why"][0].as_str().unwrap().starts_with("The root user may"), "{answer}");

    let token = can(&["repo:acme/app:ref:refs/heads/main", "s3:GetObject", "arn:aws:s3:::b/k"]);
    assert!(token.code == 2 && token.err.contains("iam paths --who 'repo:acme/app:ref:refs/heads/main'"), "{}", token.err);
    for (told, says) in [
        ("aws:MultiFactorAuthPresnt=true", "did you mean aws:MultiFactorAuthPresent?"),
        ("aws:SourceIp=nonsense", "is no value of aws:SourceIp"),
    ] {
        let ran = can(&["user/jo", "s3:GetObject", "arn:aws:s3:::b/k", "--context", told]);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(says), "{told}: {} {}", ran.out, ran.err);
        let ran = run(&["--from", from, "iam", "who-can", "s3:GetObject", "arn:aws:s3:::b/k", "--context", told]);
        assert!(ran.code == 1 && ran.err.contains(says), "{told}: {}", ran.err);
    }
    // A group in full: who is in it, and who can change that.
    let group = run(&["--from", from, "show", &format!("arn:aws:iam::{ID}:group/ops")]);
    for told in ["Members", "jo", "Who can change it", "role/operator", "put users into it"] {
        assert!(group.out.contains(told), "{told}: {}", group.out);
    }
}

/// What was not read of somebody makes nothing of it certain, and is told where that one is asked about.
#[test]
fn what_was_not_read_of_somebody_is_its_own_affair() {
    let home = tempfile::tempdir().unwrap();
    let mut text = details();
    let ghost = json!({"UserName": "ghost", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/ghost"), "UserPolicyList": [],
        "AttachedManagedPolicies": [{"PolicyName": "gone", "PolicyArn": format!("arn:aws:iam::{ID}:policy/gone")}]});
    text["UserDetailList"].as_array_mut().unwrap().push(ghost);
    let path = file(home.path(), "details.json", &text);
    let can = |who: &str| run(&["--from", path.to_str().unwrap(), "iam", "can", who, "s3:GetObject", "arn:aws:s3:::b/k"]);
    assert!(can("user/ghost").err.contains("policy/gone") && can("user/ghost").out.starts_with("depends"));
    assert!(!can("user/idle").err.contains("policy/gone"), "{}", can("user/idle").err);
    // How much of it is unused nobody knows, nor whose report this is not.
    let report = |entity: &str| {
        let service = json!({"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": "2026-11-20T00:00:00Z",
            "LastAuthenticatedEntity": format!("arn:aws:iam::{ID}:{entity}")});
        file(
            home.path(),
            "used.json",
            &json!({"JobStatus": "COMPLETED", "JobCompletionDate": "2026-11-20T00:00:01Z",
            "IsTruncated": false, "ServicesLastAccessed": [service]}),
        )
    };
    let unused = |entity: &str| {
        let used = report(entity);
        run(&["--from", path.to_str().unwrap(), "iam", "unused", "user/ghost", "--used", used.to_str().unwrap()])
    };
    let own = unused("user/ghost");
    assert!(own.out.contains("an unknown part of what it is granted") && own.out.contains("policy/gone"), "{}", own.out);
    let other = unused("user/idle");
    assert!(
        other.code != 0 && other.err.contains("the report of arn:aws:iam::") && other.err.contains("user/idle"),
        "{}",
        other.err
    );
}

/// What allows a request and what does not are both told.
#[test]
fn a_boundary_that_does_not_allow_is_named() {
    let home = tempfile::tempdir().unwrap();
    let document =
        |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    let edge = format!("arn:aws:iam::{ID}:policy/edge");
    let text = json!({
        "UserDetailList": [{"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"),
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document("sqs:*")}],
            "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": edge}}],
        "GroupDetailList": [], "RoleDetailList": [],
        "Policies": [{"PolicyName": "edge", "Arn": edge, "PolicyVersionList": [
            {"VersionId": "v1", "IsDefaultVersion": true, "Document": document("s3:*")}]}]});
    let path = file(home.path(), "details.json", &text);
    let ran = run(&["--from", path.to_str().unwrap(), "iam", "can", "user/jo", "sqs:SendMessage"]);
    assert!(ran.code == 1 && !ran.out.contains("nothing allows it"), "{}", ran.out);
    assert!(ran.out.contains("Allow by inline own of user/jo, statement 1"), "{}", ran.out);
    assert!(ran.out.contains("not allowed by the permissions boundary edge"), "{}", ran.out);
}

/// What somebody from outside gets into under conditions is lost under conditions.
#[test]
fn what_an_outsider_is_let_into_under_conditions_may_be_lost() {
    let home = tempfile::tempdir().unwrap();
    let of = |condition: &Value| {
        let mut text = details();
        text["RoleDetailList"][1]["AssumeRolePolicyDocument"]["Statement"] = json!([{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::999988887777:root"}, "Condition": condition}]);
        let path = file(home.path(), "details.json", &text);
        let from = ["--from", path.to_str().unwrap(), "iam"];
        let who = run(&[&from[..], &["who-can", "sts:AssumeRole", "role/operator"]].concat()).out;
        (run(&[&from[..], &["blast", "999988887777"]].concat()).out, who)
    };
    let (sure, _) = of(&json!({}));
    assert!(sure.contains("Everything in the account is lost"), "{sure}");
    let (may, who) = of(&json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}));
    assert!(may.contains("Everything in the account may be lost") && may.contains("role/operator, under conditions"), "{may}");
    assert!(who.contains("999988887777") && !who.contains("external id"), "{who}");
    assert!(of(&json!({"StringEquals": {"sts:ExternalId": "x"}})).1.contains("with the external id"));
}

/// What is known of those who act and is nobody's to say of one request: the time, for ways; boundaries of those who are changed;
/// tags and source identities that a role's trust lets no session bring; session policies.
#[test]
fn what_is_known_of_who_acts_is_used_where_it_is_nobodys_guess() {
    let policy = |statements: Value| json!({"Version": "2012-10-17", "Statement": statements});
    let trust = policy(json!([{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]));
    let inline = |statements: Value| json!([{"PolicyName": "p", "PolicyDocument": policy(statements)}]);
    let admin = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let denied = |condition: Value| json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition});
    let role = |name: &str, statements: Value| {
        json!({"RoleName": name, "RoleId": format!("AROA{}", name.to_uppercase()), "Arn": format!("arn:aws:iam::111122223333:role/{name}"),
            "Path": "/", "AssumeRolePolicyDocument": trust, "RolePolicyList": inline(statements), "AttachedManagedPolicies": [],
            "Tags": []})
    };
    let mut bound = role("bound", json!([]));
    bound["PermissionsBoundary"] = json!({"PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/line"});
    let hands = json!({"Effect": "Allow", "Action": "iam:PutRolePolicy", "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111122223333:policy/line"}}});
    let details = json!({
        "UserDetailList": [], "GroupDetailList": [],
        "Policies": [{"PolicyName": "line", "Arn": "arn:aws:iam::111122223333:policy/line", "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true,
                "Document": policy(json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))}]}],
        "RoleDetailList": [
            role("revoked", json!([admin, denied(json!({"DateLessThan": {"aws:TokenIssueTime": "2024-05-01T00:00:00Z"}}))])),
            role("over", json!([{"Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": {"DateLessThan": {"aws:CurrentTime": "2024-05-01T00:00:00Z"}}}])),
            role("secure", json!([admin, denied(json!({"Bool": {"aws:SecureTransport": "false"}}))])),
            role("team", json!([{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}}])),
            role("delegate", json!([hands])),
            role("open", json!([])),
            bound,
        ],
    });
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("details.json");
    fs::write(&file, details.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let lost = |who: &str| run(&["iam", "blast", who, "--from", file]).out;
    assert!(lost("role/revoked").contains("Everything in the account is lost"), "{}", lost("role/revoked"));
    assert!(lost("role/secure").contains("Everything in the account is lost"), "{}", lost("role/secure"));
    assert!(lost("role/over").contains("It becomes nobody else"), "{}", lost("role/over"));
    let can = |who: &str, action: &str, on: &str, more: &[&str]| {
        let asked = [&["iam", "can", who, action, on, "--json", "--from", file][..], more].concat();
        let said = run(&asked);
        let answer: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{} {}", said.out, said.err));
        answer["decision"].as_str().unwrap().to_owned()
    };
    // Of one request neither is known unless it is told.
    assert_eq!(can("role/revoked", "s3:GetObject", "arn:aws:s3:::b/k", &[]), "depends");
    assert_eq!(can("role/over", "s3:GetObject", "arn:aws:s3:::b/k", &[]), "depends");
    let told = ["--context", "aws:CurrentTime=2024-04-01T00:00:00Z"];
    assert_eq!(can("role/over", "s3:GetObject", "arn:aws:s3:::b/k", &told), "allowed");
    let queue = "arn:aws:sqs:eu-west-1:111122223333:q";
    assert_eq!(can("role/team", "sqs:SendMessage", queue, &[]), "denied");
    assert_eq!(can("role/delegate", "iam:PutRolePolicy", "role/bound", &[]), "allowed");
    assert_eq!(can("role/delegate", "iam:PutRolePolicy", "role/open", &[]), "denied");
    // A session policy takes away, and gives nothing.
    let session = place.path().join("session.json");
    fs::write(&session, policy(json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}])).to_string()).unwrap();
    let within = ["--session-policy", session.to_str().unwrap(), "--context", "aws:SecureTransport=true"];
    assert_eq!(can("role/secure", "s3:GetObject", "arn:aws:s3:::b/k", &within), "allowed");
    assert_eq!(can("role/secure", "s3:PutObject", "arn:aws:s3:::b/k", &within), "denied");
    assert_eq!(can("role/open", "s3:GetObject", "arn:aws:s3:::b/k", &within), "denied");
    fs::write(&session, "{").unwrap();
    let asked = ["iam", "can", "role/secure", "s3:GetObject", "*", "--from", file, "--session-policy", session.to_str().unwrap()];
    let wrong = run(&asked);
    assert!(wrong.code == 2 && wrong.err.contains("session.json"), "{} {}", wrong.code, wrong.err);
}

/// Files that somebody made to break whoever reads them end in an answer or an error, and what AWS refuses grants nothing.
#[test]
fn hostile_names_and_lengths_end() {
    let home = tempfile::tempdir().unwrap();
    let read = json!([{"Effect": "Allow", "Action": ["s3:GetObject", "ec2:RunInstances"], "Resource": "*"}]);
    let odd = json!({"UserDetailList": [{"UserName": "a", "Path": "/", "Arn": "arn:}:iam::111122223333:user/a",
        "UserPolicyList": policy("own", read)}]});
    let odd = file(home.path(), "odd.json", &odd);
    let asked = run(&["iam", "can", "user/a", "ec2:RunInstances", "--from", odd.to_str().unwrap()]);
    assert!([0, 1, 2].contains(&asked.code), "{} {}", asked.code, asked.err);
    let github = "token.actions.githubusercontent.com";
    let mut claims: serde_json::Map<String, Value> = (0..1_500).map(|n| (format!("{github}:claim{n}"), json!("x"))).collect();
    claims.insert(format!("{github}:sub"), json!("repo:acme/app:*"));
    let trust = |principal: Value, action: &str, condition: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}]});
    let provider = format!("arn:aws:iam::{ID}:oidc-provider/{github}");
    let by_name = json!({"StringEquals": {"sts:RoleSessionName": "${aws:username}${a}".repeat(7_000)}});
    let role = |name: &str, trust: Value| {
        json!({"RoleName": name, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/{name}"), "AssumeRolePolicyDocument": trust,
            "RolePolicyList": policy("own", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]))})
    };
    let long = json!({
        "UserDetailList": [{"UserName": "a", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/a"), "UserPolicyList":
            policy("own", json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]))}],
        "RoleDetailList": [
            role("named", trust(json!({"AWS": ID}), "sts:AssumeRole", by_name)),
            role("claims", trust(json!({"Federated": provider}), "sts:AssumeRoleWithWebIdentity", json!({"StringEquals": claims}))),
        ],
    });
    let long = file(home.path(), "long.json", &long);
    let asked = run(&["iam", "paths", "--from", long.to_str().unwrap()]);
    assert_eq!(asked.code, 0, "{}", asked.err);
    let word = file(
        home.path(),
        "word.json",
        &json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3*", "Resource": "*"}]}),
    );
    let said = run(&["iam", "lint", word.to_str().unwrap()]);
    assert!(said.code == 1 && said.out.contains("has no service"), "{} {}", said.code, said.out);
}

/// Everyone's own folder is a part of the bucket, and a star that is a star names no service account.
#[test]
fn variables_are_filled_and_stars_are_not() {
    let home = tempfile::tempdir().unwrap();
    let own = json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::homes/${aws:username}/*"}]);
    let cluster = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF";
    let workload = |operator: &str| {
        let condition = json!({operator: {format!("{cluster}:sub"): "system:serviceaccount:prod:*"}});
        json!({"RoleName": operator, "Path": "/", "Arn": format!("arn:aws:iam::{ID}:role/{operator}"),
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Condition": condition,
                "Principal": {"Federated": format!("arn:aws:iam::{ID}:oidc-provider/{cluster}")}, "Action": "sts:AssumeRoleWithWebIdentity"}]},
            "RolePolicyList": policy("own", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]))})
    };
    let details = json!({
        "UserDetailList": [{"UserName": "jo", "Path": "/", "Arn": format!("arn:aws:iam::{ID}:user/jo"), "UserPolicyList": policy("own", own)}],
        "RoleDetailList": [workload("StringEquals"), workload("StringLike")],
    });
    let details = file(home.path(), "details.json", &details);
    let details = details.to_str().unwrap();
    let reached = run(&["iam", "paths", "--who", "user/jo", "--to", "arn:aws:s3:::homes", "--from", details]).out;
    assert!(reached.contains("user/jo") && reached.contains("homes/jo/*") && !reached.contains("under conditions"), "{reached}");
    let ways = run(&["iam", "paths", "--from", details]).out;
    assert!(ways.contains("role/StringLike") && !ways.contains("role/StringEquals"), "{ways}");
}

/// A role's name that several other accounts have means none of them; one that only one has means that.
#[test]
fn a_name_that_several_accounts_have_is_asked_for_by_arn() {
    let can = |on: &str| run(&["iam", "can", "role/release-orchestrator", "iam:PassRole", on, "--from", "demo"]);
    let several = can("role/legacy-admin");
    assert!(several.code == 2 && several.err.contains("name it by ARN"), "{} {}", several.code, several.err);
    let one = can("role/directory-sync");
    assert!(one.code == 1 && one.out.contains(":role/directory-sync"), "{} {} {}", one.code, one.out, one.err);
}
