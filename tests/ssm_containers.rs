//! `--ecs`: sessions in containers, by the built program against the test cloud; ECS Exec's sessions run on the loopback gateway.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "ssm_support/place.rs"]
mod place;
mod support;

use std::fs;

use bartizan::ssm::gateway::GatewayOptions;
use place::{ACCOUNT, Place, REGION, Screen};
use serde_json::{Value, json};
use support::{Fault, Rule};

const TASK: &str = "0f3a5b7c9d1e4f6a8b0c2d4e6f8a0b1c";

/// A place with a cluster `shop`: a task with two containers, one with a single one, one that takes no commands.
fn shop(options: GatewayOptions) -> Place {
    let place = Place::new(options);
    let task = |id: &str, exec: bool, containers: Value| {
        json!({
            "taskArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/{id}"),
            "clusterArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"),
            "lastStatus": "RUNNING", "enableExecuteCommand": exec, "containers": containers,
        })
    };
    let container = |name: &str, agent: &str| {
        json!({
            "name": name, "lastStatus": "RUNNING", "runtimeId": format!("{TASK}-{}", name.len()),
            "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": agent, "reason": "no route to ssmmessages"}],
        })
    };
    place.cloud.nodes(|nodes| {
        nodes.add_task(ACCOUNT, REGION, task(TASK, true, json!([container("web", "RUNNING"), container("side", "STOPPED")])));
        nodes.add_task(ACCOUNT, REGION, task("single", true, json!([container("only", "RUNNING")])));
        nodes.add_task(ACCOUNT, REGION, task("closed", false, json!([container("only", "RUNNING")])));
    });
    place
}

#[test]
fn a_command_in_a_container_has_its_exit_code_and_stands_on_the_record() {
    let place = shop(GatewayOptions::default());
    let container = format!("shop/{TASK}/web");
    let command = "echo \"it's\" out; echo err >&2; exit 7";
    let (code, out, err) = place.run(&["ssm", "run", "--ecs", &container, "--reason", "INC-1", "--", command]);
    assert_eq!((code, out.as_str()), (7, "it's out\nerr\n"), "{err}");
    assert_eq!(place.cloud.counts()["ecs:ExecuteCommand"], 1);
    assert!(!place.cloud.counts().contains_key("ssm:StartSession"));
    let target = format!("ecs:shop_{TASK}_{TASK}-3");
    assert_eq!(place.cloud.gateway(|g| g.started())[0].target, target);
    let entries = place.entries();
    let [start, end] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!((&start["reason"], &start["content"]["node"]), (&json!("INC-1"), &json!(target)));
    assert_eq!(start["content"]["document"], "AmazonECS-ExecuteInteractiveCommand");
    assert_eq!((&start["content"]["mode"], &start["content"]["detail"]), (&json!("command"), &json!(command)));
    assert_eq!(end["content"]["said"], "exit code 7");
    let recordings = place.recordings();
    assert_eq!(end["content"]["recording"], Place::digest(&recordings[0].0));
    assert!(recordings[0].1.contains("it's out"), "{}", recordings[0].1);

    // The only container of a task needs no name, nor an ARN an account.
    let arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/single");
    for said in ["shop/single", &format!("{ACCOUNT}/shop/single/only"), &arn] {
        let (code, out, err) = place.run(&["ssm", "run", "--ecs", said, "--reason", "INC-1", "--", "cat; echo fine"]);
        assert_eq!((code, out.as_str()), (0, "fine\n"), "{said}: {err}");
    }
    let (code, out, err) = place.run(&["session", "list", "-o", "json"]);
    assert!(code == 0 || code == 3, "{err}");
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn a_shell_in_a_container_is_a_session_like_any_and_may_be_encrypted() {
    let place = shop(GatewayOptions { kms_key: Some("alias/exec".into()), ..GatewayOptions::default() });
    let container = format!("shop/{TASK}/web");
    let mut screen = Screen::open(&place, &["ssm", "shell", "--ecs", &container, "--reason", "INC-2"], (100, 30));
    screen.prompts();
    screen.types("stty size; echo in''side\r");
    screen.shows("inside");
    screen.shows("30 100");
    // The key's context names the container as its agent knows itself, or the agent would not have opened it.
    assert_eq!(place.cloud.counts()["kms:GenerateDataKey"], 1);
    let id = place.cloud.gateway(|g| g.open_sessions())[0].clone();
    place.cloud.gateway(|g| g.cut(&id));
    screen.types("echo still''there\r");
    screen.shows("stillthere");
    assert!(place.cloud.counts()["ssm:ResumeSession"] >= 1);
    screen.types("exit\r");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    let entries = place.entries();
    assert_eq!((&entries[0]["content"]["mode"], &entries[1]["content"]["outcome"]), (&json!("shell"), &json!("ended")));
    assert!(place.recordings()[0].1.contains("inside"));
}

#[test]
fn what_keeps_a_session_out_of_a_container_is_said_and_nothing_is_opened() {
    let place = shop(GatewayOptions::default());
    let refused = |said: &str, words: &[&str]| {
        let (code, out, err) = place.run(&["ssm", "run", "--ecs", said, "--reason", "INC-1", "--", "true"]);
        assert!(code != 0 && out.is_empty(), "{said}: {out}");
        for word in words {
            assert!(err.contains(word), "{word:?} is not said to {said}: {err}");
        }
    };
    refused("web", &["names no container", "cluster/task/container"]);
    refused(&format!("shop/{TASK}"), &["several containers", "web, side"]);
    refused(&format!("shop/{TASK}/wob"), &["no container \"wob\"", "web, side"]);
    refused(&format!("shop/{TASK}/side"), &["ExecuteCommandAgent is STOPPED", "no route to ssmmessages"]);
    refused("shop/closed/only", &["enableExecuteCommand"]);
    refused("shop/gone/web", &["no task gone in a cluster shop", REGION]);
    refused("barn/gone/web", &["no task gone in a cluster barn"]);
    refused("nobody/shop/single/only", &["no account is called \"nobody\""]);
    refused("arn:aws:ec2:eu-west-1:1:instance/i-1", &["names no container"]);

    let config = place.home.path().join("config.toml");
    fs::write(&config, "[[guard]]\nacts = [\"sessions\"]\nask = \"refuse\"\nwhy = \"never here\"\n").unwrap();
    let config = config.display().to_string();
    let (code, _, err) =
        place.run(&["ssm", "run", "--config", &config, "--ecs", "shop/single/only", "--reason", "x", "--", "true"]);
    assert!(code != 0 && err.contains("never here"), "{err}");
    let (code, _, err) = place.run(&["ssm", "run", "--from", "demo", "--ecs", "a/b/c", "--reason", "x", "--", "true"]);
    assert!(code != 0 && err.contains("the demo has no containers"), "{err}");
    let (code, _, err) = place.run(&["ssm", "run", "web", "--ecs", "a/b/c", "--reason", "x", "--", "true"]);
    assert!(code == 2 && err.contains("cannot be used with"), "{err}");

    let denied = place.cloud.fault(Rule::new(Fault::AccessDenied).action("DescribeTasks"));
    refused("shop/single/only", &["not authorized", "bartizan permissions"]);
    place.cloud.heal(denied);
    place.cloud.fault(Rule::new(Fault::AccessDenied).action("ExecuteCommand"));
    refused("shop/single/only", &["not authorized"]);
    assert!(place.cloud.gateway(|g| g.started().is_empty()) && place.entries().is_empty());
}
