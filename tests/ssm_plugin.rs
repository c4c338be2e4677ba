//! `--plugin`: the built program with a stand-in for AWS's Session Manager plugin, which keeps what it is given; and the AWS CLI,
//! which calls the same stand-in, so that both calls can be held against each other.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "ssm_support/packages.rs"]
mod packages;
#[path = "ssm_support/place.rs"]
mod place;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use bartizan::ssm::gateway::GatewayOptions;
use place::{ACCOUNT, Place, REGION, Running, Screen};
use serde_json::{Value, json};
use support::{Fault, Rule};

/// Keeps its arguments and its environment, then is a shell, a listener's words, or an echo.
const STAND_IN: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then cat "$0.version"; exit 0; fi
printf '%s\n' "$@" > "$HOME/arguments"
env > "$HOME/environment"
unset AWS_SSM_START_SESSION_RESPONSE
case "$5" in
  *AWS-StartSSHSession*) exec cat ;;
  *AWS-StartPortForwarding*)
    echo; echo "Starting session with SessionId: jo-1"
    echo "Port 40123 opened for sessionId jo-1."; echo "Waiting for connections..."
    exec sleep 600 ;;
  *) echo; echo "Starting session with SessionId: jo-1"; PS1='ready> ' exec /bin/sh -i ;;
esac
"#;

fn stand_in(place: &Place, version: &str) {
    let bin = place.bin();
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("session-manager-plugin");
    fs::write(&program, STAND_IN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("session-manager-plugin.version"), format!("{version}\n")).unwrap();
}

/// What the stand-in was called with.
fn called(place: &Place) -> (Vec<String>, BTreeMap<String, String>) {
    let read = |name: &str| fs::read_to_string(place.home.path().join(name)).unwrap();
    let pairs = read("environment");
    let pairs = pairs.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
    (read("arguments").lines().map(str::to_owned).collect(), pairs.collect())
}

/// Holds a call against the contract; what stood in the environment.
fn holds(place: &Place, asked: &Value) -> Value {
    let (arguments, environment) = called(place);
    let [session, region, operation, profile, request, endpoint] = arguments.as_slice() else { panic!("{arguments:?}") };
    assert_eq!((session.as_str(), region.as_str()), ("AWS_SSM_START_SESSION_RESPONSE", REGION));
    assert_eq!((operation.as_str(), profile.as_str(), endpoint.as_str()), ("StartSession", "", place.cloud.url()));
    assert_eq!(serde_json::from_str::<Value>(request).unwrap(), *asked);
    let told: Value = serde_json::from_str(&environment["AWS_SSM_START_SESSION_RESPONSE"]).unwrap();
    let token = told["TokenValue"].as_str().unwrap();
    assert!(token.len() > 20 && told["StreamUrl"].as_str().unwrap().starts_with("ws://"), "{told}");
    assert!(!arguments.iter().any(|argument| argument.contains(token)), "the token stands in the list of processes");
    assert_eq!((environment["AWS_ACCESS_KEY_ID"].as_str(), environment.get("AWS_PROFILE")), ("test", None));
    told
}

#[test]
fn a_shell_that_the_plugin_carries_is_recorded_and_written_down_like_any() {
    let place = Place::new(GatewayOptions::default());
    stand_in(&place, "1.2.764.0");
    let args = ["ssm", "shell", "web", "--plugin", "--reason", "INC-9"];
    let mut screen = Screen::open(&place, &args, (100, 30));
    screen.shows("ready>");
    let told = holds(&place, &json!({"Target": "i-0aaaaaaaaaaaaaaaa", "Reason": "INC-9"}));
    screen.types("stty size; echo si''zed\r");
    screen.shows("30 100");
    screen.shows("sized");
    screen.resize(80, 20);
    screen.types("until stty size | grep '^20 80$'; do sleep 0.1; done; echo aga''in\r");
    screen.shows("again");
    screen.types("exit\r");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    assert!(last.contains("recorded in"), "{last}");
    let entries = place.entries();
    let [start, end] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!(start["content"]["detail"], "carried by session-manager-plugin 1.2.764.0");
    assert_eq!((&end["content"]["outcome"], &start["subject"]), (&json!("ended"), &end["subject"]));
    assert!(start["subject"].to_string().contains(told["SessionId"].as_str().unwrap()), "{start}");
    let recordings = place.recordings();
    assert_eq!(end["content"]["recording"], Place::digest(&recordings[0].0));
    assert!(recordings[0].1.contains("again"), "{}", recordings[0].1);
    // The plugin ended without a word to AWS: nothing stays open.
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());

    // Escapes are ours.
    let mut screen = Screen::open(&place, &args, (80, 24));
    screen.shows("ready>");
    screen.types("\r~.");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    assert_eq!(place.entries().last().unwrap()["content"]["outcome"], "terminated");
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn a_container_s_shell_may_be_carried_by_the_plugin_too() {
    let place = Place::new(GatewayOptions::default());
    stand_in(&place, "1.2.764.0");
    place.cloud.nodes(|nodes| {
        let container = json!({"name": "web", "lastStatus": "RUNNING", "runtimeId": "abc-1"});
        let task = json!({
            "taskArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/0f3a"),
            "clusterArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"),
            "lastStatus": "RUNNING", "enableExecuteCommand": true, "containers": [container],
        });
        nodes.add_task(ACCOUNT, REGION, task);
    });
    let mut screen = Screen::open(&place, &["ssm", "shell", "--ecs", "shop/0f3a", "--plugin", "--reason", "INC-9"], (80, 24));
    screen.shows("ready>");
    holds(&place, &json!({"Target": "ecs:shop_0f3a_abc-1", "Reason": "INC-9"}));
    screen.types("exit\r");
    assert_eq!(screen.end().0, 0);
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn a_plugin_that_cannot_be_used_is_told_before_anything_is_opened() {
    let place = Place::new(GatewayOptions::default());
    let args = ["ssm", "proxy", "web", "22", "--reason", "x"];
    let refused = |more: &[&str], words: &[&str]| {
        let (code, out, err) = place.run(&[&args[..], more].concat());
        assert!(code != 0 && out.is_empty(), "{err}");
        for word in words {
            assert!(err.contains(word), "{word:?} is not said: {err}");
        }
    };
    refused(&["--plugin=/nonexistent/plugin"], &["/nonexistent/plugin could not be run", "none is needed"]);
    stand_in(&place, "hello");
    refused(&["--plugin"], &["said \"hello\"", "no version"]);
    stand_in(&place, "1.2.497.0");
    refused(&["--plugin"], &["list of processes", "1.2.497.0"]);
    refused(&["--plugin", "--from", "demo"], &["stay on this machine"]);
    assert!(place.cloud.gateway(|g| g.started().is_empty()) && place.entries().is_empty());
    // AWS's refusal is told as without one.
    stand_in(&place, "1.2.764.0");
    place.cloud.fault(Rule::new(Fault::AccessDenied).action("StartSession"));
    refused(&["--plugin"], &["not authorized"]);
    assert!(place.entries().is_empty());
}

#[test]
fn a_proxy_and_a_forward_that_the_plugin_carries() {
    let place = Place::new(GatewayOptions::default());
    // Old, but it takes the token unseen.
    stand_in(&place, "1.2.707.0");
    let mut command = place.command(&["ssm", "proxy", "web", "2222", "--plugin", "--reason", "ssh"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let mut back = Vec::new();
    child.stdout.as_mut().unwrap().read_to_end(&mut back).unwrap();
    writer.join().unwrap();
    assert!(back == bytes, "the bytes differ");
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && err.contains("does not sign"), "{err}");
    let ssh = json!({"portNumber": ["2222"]});
    holds(
        &place,
        &json!({"Target": "i-0aaaaaaaaaaaaaaaa", "DocumentName": "AWS-StartSSHSession", "Parameters": ssh, "Reason": "ssh"}),
    );

    let args = ["ssm", "forward", "web", "localhost:5432", "-l", "40123", "--plugin", "--reason", "db"];
    let mut child = place.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = Running(child);
    assert_eq!(lines.next().expect("it ended before it listened").unwrap(), "127.0.0.1:40123");
    let (arguments, _) = called(&place);
    assert!(arguments[4].contains("\"localPortNumber\":[\"40123\"]") && arguments[4].contains("localhost"), "{arguments:?}");
    let (code, err) = running.stop("INT");
    assert_eq!(code, 0, "{err}");
    let entries = place.entries();
    let kinds: Vec<(&str, &str)> = entries
        .iter()
        .map(|e| {
            (
                e["kind"].as_str().unwrap(),
                e["content"][if e["kind"] == "session-end" { "outcome" } else { "mode" }].as_str().unwrap(),
            )
        })
        .collect();
    let expected =
        [("session-start", "proxy"), ("session-end", "ended"), ("session-start", "forward"), ("session-end", "terminated")];
    assert_eq!(kinds, expected);
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn the_aws_cli_calls_the_plugin_as_we_do() {
    let test = "the_aws_cli_calls_the_plugin_as_we_do";
    let Some(bin) = packages::wheels(test, "awscli", packages::AWS_CLI) else { return };
    let place = Place::new(GatewayOptions::default());
    stand_in(&place, "1.2.764.0");
    let mut cli = Command::new(bin.join("python"));
    cli.arg(bin.join("aws")).args(["ssm", "start-session", "--target", "i-0aaaaaaaaaaaaaaaa", "--reason", "INC-9"]);
    cli.args(["--region", REGION, "--endpoint-url", place.cloud.url()]).env_clear().envs(place.environment());
    let output = cli.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = holds(&place, &json!({"Target": "i-0aaaaaaaaaaaaaaaa", "Reason": "INC-9"}));
    let (their_arguments, _) = called(&place);

    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--plugin", "--reason", "INC-9"], (80, 24));
    screen.shows("ready>");
    let ours = holds(&place, &json!({"Target": "i-0aaaaaaaaaaaaaaaa", "Reason": "INC-9"}));
    let (our_arguments, _) = called(&place);
    screen.types("exit\r");
    screen.end();
    let names = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    let plain = |arguments: &[String]| {
        let mut arguments = arguments.to_vec();
        arguments[4] = serde_json::from_str::<Value>(&arguments[4]).unwrap()["Target"].to_string();
        arguments
    };
    assert_eq!(plain(&our_arguments), plain(&their_arguments));
}
