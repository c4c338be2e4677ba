//! `bartizan ssm` as a whole: the built program against the test cloud, whose sessions run on the loopback gateway. Shells
//! are typed into through a real pseudo-terminal; forwards and proxies carry real TCP.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "ssm_support/place.rs"]
mod place;
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use bartizan::ssm::gateway::{Faults, GatewayOptions};
use place::{ACCOUNT, PATIENCE, Place, Running, Screen, echo_server};
use serde_json::{Value, json};
use support::{Fault, Rule};

const WHY: [&str; 2] = ["--reason", "INC-1 disk full"];

#[test]
fn a_command_has_its_own_exit_code_and_streams_and_stands_on_the_record() {
    let place = Place::new(GatewayOptions::default());
    let mut args = vec!["ssm", "run", "web"];
    args.extend(WHY);
    args.extend(["--", "echo out; echo err >&2; exit 7"]);
    let (code, out, err) = place.run(&args);
    assert_eq!((code, out.as_str()), (7, "out\n"), "{err}");
    assert!(err.contains("err\n"), "{err}");
    let started = place.cloud.gateway(|g| g.started());
    assert_eq!(started[0].reason.as_deref(), Some("INC-1 disk full"));
    assert_eq!(started[0].target, "i-0aaaaaaaaaaaaaaaa");

    let entries = place.entries();
    let kinds: Vec<&str> = entries.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session-start", "session-end"]);
    let (start, end) = (&entries[0], &entries[1]);
    assert_eq!(start["reason"], "INC-1 disk full");
    assert_eq!(start["content"]["node"], "i-0aaaaaaaaaaaaaaaa");
    assert_eq!(start["content"]["document"], "AWS-StartNonInteractiveCommand");
    assert_eq!(start["subject"], end["subject"]);
    assert_eq!(end["content"]["said"], "exit code 7");
    let recordings = place.recordings();
    assert_eq!(recordings.len(), 1);
    assert_eq!(end["content"]["recording"], Place::digest(&recordings[0].0));
    assert!(recordings[0].1.contains("out"), "{}", recordings[0].1);
    assert_eq!(place.run(&["ledger", "verify"]).0, 0);

    let (code, out, err) = place.run(&["ssm", "list", "-o", "json"]);
    assert!(code == 0 || code == 3, "{err}");
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["in_aws"], &rows[0]["in_ledger"], &rows[0]["mode"]), (&json!(true), &json!(true), &json!("command")));
    let (code, text, _) = place.run(&["ssm", "replay", &recordings[0].0.display().to_string()]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!((code, lines), (0, vec!["err", "out"]), "{text}");
}

#[test]
fn wrong_askings_open_nothing_and_say_why() {
    let place = Place::new(GatewayOptions::default());
    let refused = |args: &[&str], words: &[&str]| {
        let (code, out, err) = place.run(args);
        assert_ne!(code, 0, "{args:?}");
        assert_eq!(out, "");
        for word in words {
            assert!(err.contains(word), "{word:?} is not said to {args:?}: {err}");
        }
    };
    let why = WHY[1];
    refused(&["ssm", "run", "web", "--", "true"], &["needs a reason", "--reason"]);
    refused(&["ssm", "run", "nobody", "--reason", why, "--", "true"], &["no node is called \"nobody\"", "list nodes"]);
    refused(
        &["ssm", "run", "twin", "--reason", why, "--", "true"],
        &["names 2 machines", "i-0bbbbbbbbbbbbbbbb", "i-0cccccccccccccccc"],
    );
    refused(&["ssm", "run", "i-0cccccccccccccccc", "--reason", why, "--", "true"], &["has not answered", "TargetNotConnected"]);
    refused(&["ssm", "run", "web", "--reason", why, "--no-record", "--", "true"], &["always recorded", "must_record"]);
    refused(&["ssm", "run", "web", "--reason", why, "--read-only", "--", "true"], &["read-only"]);
    refused(&["ssm", "shell", "web", "--reason", why], &["needs a terminal", "ssm run"]);
    refused(&["ssm", "forward", "web", "--reason", why], &["no saved forward"]);
    refused(&["ssm", "forward", "web", "nonsense:x", "--reason", why], &["no destination"]);
    refused(&["ssm", "replay", "/nonexistent.cast"], &["could not open"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(
        &["ssm", "forward", "web", "80", "--local", &port, "--reason", why],
        &["cannot be listened on", "choose another port"],
    );
    refused(&["ssm", "forward", "web", "169.254.169.254:80", "--reason", why], &["forbidden"]);
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());

    place.cloud.fault(Rule::new(Fault::AccessDenied).action("StartSession"));
    refused(&["ssm", "run", "web", "--reason", why, "--", "true"], &["not authorized", "bartizan permissions"]);
    assert!(place.entries().iter().all(|e| e["kind"] != "session-start" || e["content"]["mode"] == "forward"));
}

#[test]
fn what_ends_a_session_from_outside_is_said() {
    let place = Place::new(GatewayOptions { idle_timeout: Some(Duration::from_millis(300)), ..GatewayOptions::default() });
    let run = |command: &str| place.run(&["ssm", "run", "web", "--reason", WHY[1], "--", command]);
    let (code, out, err) = run("echo begun; sleep 600");
    assert_eq!((code, out.as_str()), (255, "begun\n"), "{err}");
    assert!(err.contains("timed out due to inactivity"), "{err}");
    let said = place.entries().last().unwrap()["content"]["said"].clone();
    assert!(said.as_str().unwrap().contains("inactivity"), "{said}");
    // The data channel itself is refused, with fresh credentials too.
    place.cloud.gateway(|g| g.set_faults(Faults { stale_key: Some("test".into()), ..Faults::default() }));
    let (code, out, err) = run("echo never");
    assert!(code == 255 && out.is_empty(), "{err}");
    assert!(err.contains("403") && err.contains("ssmmessages:OpenDataChannel"), "{err}");
    assert_eq!(place.entries().last().unwrap()["content"]["outcome"], "failed");
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn a_node_is_found_by_each_of_its_names() {
    let place = Place::new(GatewayOptions::default());
    let address = |node: &mut Value| node["IPAddress"] = "10.0.0.8".into();
    assert!(place.cloud.nodes(|nodes| nodes.edit_node(ACCOUNT, place::REGION, "i-0aaaaaaaaaaaaaaaa", address)));
    for name in ["i-0aaaaaaaaaaaaaaaa", "WEB", "10.0.0.8", &format!("{ACCOUNT}/web"), &format!("{ACCOUNT}/10.0.0.8")] {
        let (code, out, err) = place.run(&["ssm", "run", name, "--reason", WHY[1], "--", "echo fine"]);
        assert_eq!((code, out.as_str()), (0, "fine\n"), "{name}: {err}");
    }
    let started = place.cloud.gateway(|g| g.started());
    assert!(started.iter().all(|request| request.target == "i-0aaaaaaaaaaaaaaaa"));
    let (code, _, err) = place.run(&["ssm", "run", "10.0.0.7", "--reason", WHY[1], "--", "true"]);
    assert!(code == 255 && err.contains("names 2 machines"), "no command's exit code: {code}, {err}");
    let (code, _, err) = place.run(&["ssm", "run", "210987654321/web", "--reason", WHY[1], "--", "true"]);
    assert!(code != 0 && err.contains("no node is called"), "{err}");
}

#[test]
fn guardrails_ask_and_refuse() {
    let place = Place::new(GatewayOptions::default());
    let config = place.home.path().join("config.toml");
    let run = |rails: &str, more: &[&str]| {
        fs::write(&config, rails).unwrap();
        let path = config.display().to_string();
        let mut args = vec!["ssm", "run", "web", "--config", &path, "--reason", "INC-1"];
        args.extend(more);
        args.extend(["--", "true"]);
        place.run(&args)
    };
    let typed = "[[guard]]\nacts = [\"sessions\"]\nask = \"type\"\nwhy = \"it is holy\"\n";
    let (code, _, err) = run(typed, &[]);
    assert!(code != 0 && err.contains("it is holy") && err.contains("--confirm"), "{err}");
    let (code, _, err) = run(typed, &["--confirm", "another"]);
    assert_ne!(code, 0, "{err}");
    let (code, _, err) = run(typed, &["--confirm", ACCOUNT]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = run("[[guard]]\nask = \"refuse\"\nwhy = \"never\"\n", &["--confirm", ACCOUNT]);
    assert!(code != 0 && err.contains("never"), "{err}");
    assert_eq!(place.cloud.gateway(|g| g.started().len()), 1);
}

#[test]
fn a_forward_carries_connections_until_it_is_stopped() {
    let place = Place::new(GatewayOptions::default());
    let config = place.home.path().join("config.toml");
    let port = echo_server();
    fs::write(
        &config,
        format!("[sessions.forwards.echo]\nnode = \"web\"\nhost = \"localhost\"\nport = {port}\nlanes = 2\nreason = \"saved\"\n"),
    )
    .unwrap();
    let mut child = place.command(&["ssm", "forward", "echo", "--config", &config.display().to_string()]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = Running(child);
    let local = lines.next().expect("it ended before it listened").unwrap();
    for n in 0..3 {
        let mut tcp = TcpStream::connect(&local).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let text = format!("hello {n}");
        tcp.write_all(text.as_bytes()).unwrap();
        let mut back = vec![0; text.len()];
        tcp.read_exact(&mut back).unwrap();
        assert_eq!(back, text.as_bytes());
    }
    let (code, err) = running.stop("INT");
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("leads to localhost:{port}")), "{err}");
    let entries = place.entries();
    let of = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count();
    assert_eq!((of("session-start"), of("session-end")), (2, 2), "one of each for each lane: {entries:#?}");
    assert!(entries.iter().any(|e| e["content"]["mode"] == "forward" && e["reason"] == "saved"));
    assert!(entries.iter().any(|e| e["content"]["received"].as_u64() >= Some(21)));
}

#[test]
fn a_proxy_carries_a_byte_stream_as_openssh_wants_it() {
    let place = Place::new(GatewayOptions::default());
    let port = echo_server().to_string();
    let mut command = place.command(&["ssm", "proxy", "web", &port, "--reason", "ssh"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || {
        input.write_all(&sent).unwrap();
        input
    });
    let mut back = vec![0; bytes.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut back).unwrap();
    assert!(back == bytes, "the bytes differ");
    drop(writer.join().unwrap());
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(status.success(), "{err}");
    let entries = place.entries();
    assert_eq!(entries.last().unwrap()["kind"], "session-end");
    assert_eq!(entries[0]["content"]["document"], "AWS-StartSSHSession");
}

#[test]
fn a_shell_has_the_right_size_takes_keys_survives_a_cut_and_ends_with_its_node() {
    let place = Place::new(GatewayOptions::default());
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-2"], (100, 30));
    screen.prompts();
    screen.types("stty size; echo re''ady\r");
    screen.shows("ready");
    screen.shows("30 100");
    screen.resize(80, 20);
    // The signal and what is typed come by different ways: it is asked until the size is there.
    screen.types("until stty size | grep '^20 80$'; do sleep 0.1; done; echo si''zed\r");
    // The connection is cut without a word, with the size on its way or not; neither that nor what is typed is lost.
    let id = place.cloud.gateway(|g| g.open_sessions())[0].clone();
    place.cloud.gateway(|g| g.cut(&id));
    screen.types("echo still''alive\r");
    screen.shows("stillalive");
    screen.shows("sized");
    assert!(place.cloud.counts()["ssm:ResumeSession"] >= 1);
    // Hostile output reaches the emulator, never this terminal.
    screen.types("printf '\\033]52;c;aGk=\\007\\033]0;ti''tle\\007\\033[?1049hA\\033[?1049l'; echo safe''ly\r");
    screen.shows("safely");
    let raw = String::from_utf8_lossy(&screen.stream).into_owned();
    assert!(!raw.contains("\x1b]52;c;aGk=") && !raw.contains("title\x07"), "an escape sequence of the node passed");
    screen.types("exit\r");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    assert!(last.contains("recorded in"), "{last}");
    let entries = place.entries();
    assert_eq!(entries.last().unwrap()["content"]["outcome"], "ended");
    let recordings = place.recordings();
    assert_eq!(entries.last().unwrap()["content"]["recording"], Place::digest(&recordings[0].0));
    assert!(recordings[0].1.contains("connection lost"), "{}", recordings[0].1);
    let (_, text, _) = place.run(&["ssm", "replay", "--text", &recordings[0].0.display().to_string()]);
    assert!(text.contains("ready") && text.contains("stillalive") && !text.contains('\u{1b}'), "{text}");
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args(["-s", name, process]).status().unwrap().success());
}

#[test]
fn neither_a_size_nor_keys_are_lost_that_come_in_the_same_moment() {
    let place = Place::new(GatewayOptions::default());
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-2"], (100, 30));
    screen.prompts();
    let id = screen.child.process_id().unwrap().to_string();
    for turn in 0..20 {
        let (rows, cols) = (20 + turn % 7, 80 + turn);
        // While it stands still both the signal and the keys come to wait for it.
        signal("STOP", &id);
        if turn % 5 == 4 {
            // More than is read at once.
            screen.types(&format!(": {}\r", "x".repeat(2500)));
        }
        screen.types(&format!("until stty size | grep -qx '{rows} {cols}'; do sleep 0.1; done; echo tu''rn{turn}.\r"));
        screen.resize(cols, rows);
        signal("CONT", &id);
        screen.shows(&format!("turn{turn}."));
    }
    screen.types("exit\r");
    assert_eq!(screen.end().0, 0);
}

#[test]
fn escapes_end_a_shell_and_a_hang_up_leaves_nothing_behind() {
    let place = Place::new(GatewayOptions::default());
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-3"], (80, 24));
    screen.prompts();
    screen.types("~?");
    screen.shows("end the session");
    screen.types(" ");
    screen.types("\r~.");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-4"], (80, 24));
    screen.prompts();
    let id = screen.child.process_id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "HUP", &id]).status().unwrap().success());
    screen.end();
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
    let entries = place.entries();
    let of = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count();
    assert_eq!((of("session-start"), of("session-end")), (2, 2), "{entries:#?}");
}

#[test]
fn an_encrypted_shell_asks_kms_and_says_when_it_is_denied() {
    let place = Place::new(GatewayOptions { kms_key: Some("alias/sessions".into()), ..GatewayOptions::default() });
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-5"], (80, 24));
    screen.prompts();
    screen.types("echo encry''pted\r");
    screen.shows("encrypted");
    screen.types("exit\r");
    let (code, last) = screen.end();
    assert_eq!(code, 0, "{last}");
    assert_eq!(place.cloud.counts()["kms:GenerateDataKey"], 1);
    let (_, text, _) = place.run(&["ssm", "replay", "--text", &place.recordings()[0].0.display().to_string()]);
    assert!(text.contains("encrypted"), "{text}");
    place.cloud.fault(Rule::new(Fault::AccessDenied).action("GenerateDataKey"));
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-6"], (80, 24));
    let (code, last) = screen.end();
    assert!(code != 0 && last.contains("GenerateDataKey"), "{last}");
    let said = place.entries().last().unwrap()["content"]["said"].as_str().unwrap().to_owned();
    assert!(said.contains("GenerateDataKey"), "{said}");
}

#[test]
fn a_command_or_proxy_that_is_hung_up_on_leaves_nothing_behind() {
    let place = Place::new(GatewayOptions::default());
    let port = echo_server().to_string();
    let run: &[&str] = &["ssm", "run", "web", "--reason", "x", "--", "echo begun; sleep 600"];
    let proxy: &[&str] = &["ssm", "proxy", "web", &port, "--reason", "x"];
    for (turn, (args, name)) in [(run, "HUP"), (proxy, "HUP"), (run, "TERM"), (proxy, "TERM")].into_iter().enumerate() {
        let mut child = place.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let running = Running(child);
        if args[1] == "proxy" {
            input.write_all(b"begun\n").unwrap();
        }
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        running.stop(name);
        assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
        let entries = place.entries();
        let end = entries.last().unwrap();
        assert_eq!((entries.len(), &end["content"]["outcome"]), (2 * turn + 2, &json!("terminated")), "{args:?} {name}");
    }
}

#[test]
fn a_session_that_the_ledger_does_not_take_does_not_happen() {
    let place = Place::new(GatewayOptions::default());
    let nowhere = format!("sqlite://{}/none/such/ledger.db", place.home.path().join("config.toml").display());
    fs::write(place.home.path().join("config.toml"), "").unwrap();
    let (code, out, err) = place.run(&["ssm", "run", "web", "--reason", "x", "--ledger", &nowhere, "--", "echo ran"]);
    assert!(code != 0 && out.is_empty(), "{err}");
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}

#[test]
fn a_shell_whose_program_was_killed_is_taken_up_again_and_one_that_was_left_is_ended_from_outside() {
    let place = Place::new(GatewayOptions::default());
    let mut screen = Screen::open(&place, &["ssm", "shell", "web", "--reason", "INC-7"], (100, 30));
    screen.prompts();
    screen.types("x=ke''pt; echo be''fore\r");
    screen.shows("before");
    let id = place.cloud.gateway(|g| g.open_sessions()).pop().unwrap();
    // While it is open nobody else gets it.
    let (code, _, err) = place.run(&["ssm", "resume", &id]);
    assert!(code != 0 && err.contains("is open in another program"), "{err}");
    let process = screen.child.process_id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "KILL", &process]).status().unwrap().success());
    screen.end();
    let list = || -> Vec<Value> {
        let (_, out, err) = place.run(&["ssm", "list", "-o", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"))
    };
    assert_eq!((&list()[0]["status"], &list()[0]["take_up"]), (&json!("Left"), &json!(true)));

    let mut again = Screen::open(&place, &["ssm", "resume"], (90, 25));
    again.shows("before");
    again.types("echo after $x; until stty size | grep '^25 90$'; do sleep 0.1; done; echo si''zed\r");
    again.shows("after kept");
    again.shows("sized");
    assert_eq!(place.cloud.gateway(|g| g.started()).len(), 1, "no second session");
    again.types("exit\r");
    let (code, last) = again.end();
    assert_eq!(code, 0, "{last}");
    let entries = place.entries();
    let kinds: Vec<&str> = entries.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session-start", "session-start", "session-end"]);
    assert_eq!((&entries[1]["reason"], &entries[1]["subject"]), (&json!("INC-7"), &entries[0]["subject"]));
    let recordings = place.recordings();
    let [(path, text)] = recordings.as_slice() else { panic!("{recordings:?}") };
    assert!(text.contains("before") && text.contains("taken up again") && text.contains("after kept"), "{text}");
    assert_eq!(entries[2]["content"]["recording"], Place::digest(path));
    let (code, text, _) = place.run(&["ssm", "replay", &path.display().to_string()]);
    assert!(code == 0 && text.contains("before") && text.contains("after kept"), "{text}");
    assert_eq!(place.run(&["ledger", "verify"]).0, 0);
    let (code, _, err) = place.run(&["ssm", "resume", &id]);
    assert!(code != 0 && err.contains("is over since") && err.contains("ended"), "{err}");
    let (code, _, err) = place.run(&["ssm", "resume"]);
    assert!(code != 0 && err.contains("nothing was left running"), "{err}");
    let (code, _, err) = place.run(&["ssm", "end", &id]);
    assert!(code != 0 && err.contains("is over already"), "{err}");
    let (code, _, err) = place.run(&["ssm", "end", "nobody-0"]);
    assert!(code != 0 && err.contains("knows a session \"nobody-0\""), "{err}");

    // One that is left at the end of its program, and ended by its name alone.
    let config = place.home.path().join("left.toml");
    fs::write(&config, "[sessions]\nat_quit = \"leave\"\n").unwrap();
    let config = config.display().to_string();
    let mut third = Screen::open(&place, &["--config", &config, "ssm", "shell", "web", "--reason", "INC-8"], (100, 30));
    third.prompts();
    let id = place.cloud.gateway(|g| g.open_sessions()).pop().unwrap();
    let process = third.child.process_id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "HUP", &process]).status().unwrap().success());
    third.end();
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), std::slice::from_ref(&id));
    assert_eq!(list()[0]["status"], "Left");
    let (code, out, err) = place.run(&["ssm", "end", &id[id.len() - 8..]]);
    assert!(code == 0 && out.contains("was ended"), "{err}");
    let until = std::time::Instant::now() + PATIENCE;
    while !place.cloud.gateway(|g| g.open_sessions()).is_empty() {
        assert!(std::time::Instant::now() < until, "it still runs");
        std::thread::yield_now();
    }
    assert_eq!(list()[0]["status"], "terminated");
    let (code, _, err) = place.run(&["ssm", "resume", &id]);
    assert!(code != 0 && err.contains("is over since"), "{err}");
}
