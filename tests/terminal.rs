//! The built binary in a real terminal (a pseudo-terminal): start, resize, leave by key, signal and panic; what it
//! writes and how much; and that hostile text reaches the terminal without a control byte of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;
mod pty;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bartizan::model::estate::{self, Estate};
use bartizan::model::finding::Finding;
use bartizan::ssm::gateway::GatewayOptions;
use bartizan::text::is_hostile;
use driver::now;
use portable_pty::CommandBuilder;
use pty::{Home, PATIENCE, Terminal, find};
use serde_json::{Value, json};
use support::Cloud;

const DEMO: &[&str] = &["demo", "--still", "--theme", "dark"];

#[test]
fn it_starts_resizes_and_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    let mut terminal = Terminal::bartizan(&home, DEMO, &[], (80, 24));
    let modes = terminal.modes();
    terminal.shows("What needs me");
    assert!(terminal.screen.screen().alternate_screen());
    assert_ne!(terminal.modes(), modes, "raw mode");
    terminal.press("2");
    terminal.shows("SEV");
    for (width, height) in [(60, 16), (200, 60), (59, 15), (100, 30)] {
        terminal.resize(width, height);
        let foot = if width < 60 { "too small" } else { "? help" };
        terminal.until(foot, |text| {
            let line = text.lines().find(|l| l.contains(foot));
            line.is_some_and(|l| width < 60 || l.trim_end().chars().count() + 3 > usize::from(width))
        });
    }
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_given_back(&modes);
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for name in ["TERM", "HUP", "INT"] {
        let home = Home::new();
        let mut terminal = Terminal::bartizan(&home, DEMO, &[], (80, 24));
        let modes = terminal.modes();
        terminal.shows("What needs me");
        terminal.signal(name);
        terminal.end();
        terminal.assert_given_back(&modes);
    }
}

/// F12 panics in builds for tests where the environment asks for it. The report carries no data of the screen.
#[test]
#[cfg(debug_assertions)]
fn a_panic_gives_the_terminal_back_and_leaves_a_report_without_data() {
    let home = Home::new();
    let mut terminal = Terminal::bartizan(&home, DEMO, &[("BARTIZAN_PANIC", "1")], (80, 24));
    let modes = terminal.modes();
    terminal.shows("What needs me");
    terminal.press("2");
    terminal.shows("SEV");
    terminal.press("/payments");
    terminal.shows("payments");
    terminal.press("\x1b[24~");
    assert_ne!(terminal.end(), 0);
    terminal.assert_given_back(&modes);
    let report = home.path().join("state/bartizan/panic.txt");
    let words = fs::read_to_string(&report).unwrap();
    assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(words.contains("run.rs") && words.contains("bartizan"), "{words}");
    for data in ["payments", "asked for by", "jo.tanaka", "222233334444"] {
        assert!(!words.contains(data), "the report tells of {data}: {words}");
    }
    assert!(terminal.text().contains("panic.txt"), "{}", terminal.text());
}

/// In a shell, as a user would: ctrl-z gives the shell back, `fg` draws the console again.
#[test]
fn it_suspends_and_comes_back() {
    let home = Home::new();
    let mut command = CommandBuilder::new("sh");
    command.args(["-i"]);
    let mut terminal = Terminal::start(&home, command, &[("PS1", "ready> "), ("ENV", "")], (80, 24));
    terminal.shows("ready>");
    terminal.press(&format!("{} demo --still --theme dark\r", env!("CARGO_BIN_EXE_bartizan")));
    terminal.shows("What needs me");
    terminal.press("2");
    terminal.shows("SEV");
    terminal.press("\x1a");
    terminal.until("the shell", |text| text.matches("ready>").count() == 2 && text.trim_end().ends_with("ready>"));
    assert!(!terminal.screen.screen().alternate_screen() && !terminal.screen.screen().hide_cursor());
    terminal.press("echo still $((40 + 2))\r");
    terminal.shows("still 42");
    terminal.press("fg\r");
    terminal.shows("SEV");
    terminal.shows("? help");
    assert!(terminal.screen.screen().alternate_screen());
    terminal.press("q");
    // What is typed before the shell asks for it is lost: the line discipline changes under it.
    terminal.until("the shell", |text| text.trim_end().ends_with("ready>"));
    terminal.press("exit\r");
    terminal.end();
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let home = Home::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let output = command.args(DEMO).env_clear().envs(home.variables()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    assert!(String::from_utf8(output.stderr).unwrap().contains("bartizan list"));
}

/// What is on the disk is there without AWS; where the disk cannot be used the screen says why and goes on.
#[test]
fn a_cache_that_cannot_be_used_is_said_on_screen() {
    const OFFLINE: &[(&str, &str)] = &[("AWS_EC2_METADATA_DISABLED", "true")];
    let event = format!("{}/tests/data/event.json", env!("CARGO_MANIFEST_DIR"));
    let filled = || {
        let home = Home::new();
        let mut import = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        let done = import.args(["import", &event]).env_clear().envs(home.variables()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let cache = home.path().join("cache/bartizan/default");
        (home, cache)
    };
    let leave = |mut terminal: Terminal| {
        terminal.press("q");
        assert_eq!(terminal.end(), 0);
    };

    let (home, cache) = filled();
    let mut terminal = Terminal::bartizan(&home, &[], OFFLINE, (120, 30));
    terminal.shows("2 open of 2 findings");
    terminal.press("!");
    terminal.shows("no AWS credentials found");
    leave(terminal);

    // A newer version's cache is left alone: nothing of it is shown, and the reason stays when AWS is tried again.
    let meta = cache.join("meta.json");
    let known = fs::read_to_string(&meta).unwrap();
    let newer = known.replace("\"format\": 1", "\"format\": 2");
    assert_ne!(newer, known);
    fs::write(&meta, &newer).unwrap();
    let mut terminal = Terminal::bartizan(&home, &[], OFFLINE, (120, 30));
    terminal.shows("made by a newer bartizan");
    terminal.shows("no AWS credentials found");
    terminal.press("\x12");
    terminal.settle();
    terminal.shows("made by a newer bartizan");
    leave(terminal);
    assert_eq!(fs::read_to_string(&meta).unwrap(), newer);

    // Another console has it: this one reads along.
    let (home, _) = filled();
    let mut first = Terminal::bartizan(&home, &[], OFFLINE, (120, 30));
    first.shows("2 open of 2 findings");
    let mut second = Terminal::bartizan(&home, &[], OFFLINE, (120, 30));
    second.shows("2 open of 2 findings");
    second.press("!");
    second.shows("is not kept");
    leave(second);
    leave(first);
}

/// Idle costs nothing, and moving little: DESIGN §8, measured on the stream.
#[test]
fn bytes_on_the_line_stay_within_the_budget() {
    let home = Home::new();
    let mut terminal = Terminal::bartizan(&home, DEMO, &[], (200, 60));
    terminal.judged();
    // Ages of minutes would tick.
    terminal.press("2/age>1d\r");
    terminal.until("the filter", |text| text.contains("SEV") && text.contains("age>1d"));
    terminal.quiet();
    assert_eq!(terminal.quiet().len(), 0, "an idle console writes");
    let mut cost = |key: &str| {
        terminal.press(key);
        let bytes = terminal.quiet();
        assert!(!bytes.is_empty(), "{key} shows nothing");
        bytes
    };
    let told = |bytes: &[u8]| format!("{} bytes: {:?}", bytes.len(), String::from_utf8_lossy(bytes));
    for key in ["j", "j", "k"] {
        let bytes = cost(key);
        assert!(bytes.len() <= 300, "{key} in the list took {}", told(&bytes));
    }
    cost("\x06");
    for key in ["j", "j", "\x1b[B"] {
        let bytes = cost(key);
        assert!(bytes.len() <= 1_000, "{key} at the end of the screen took {}", told(&bytes));
    }
    // A scrolled screen is the screen that a whole painting shows.
    for keys in ["", "Gkk", "gjjj", "\x06\x06\x02k"] {
        terminal.press(keys);
        terminal.quiet();
        let scrolled = terminal.text();
        terminal.press("\x0c");
        terminal.quiet();
        assert_eq!(terminal.text(), scrolled, "after {keys:?}");
    }
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
}

/// Control sequences of a stream, one by one; panics at a control byte that begins none of those a painter may write.
fn sequences(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).expect("the stream is UTF-8: no lone C1 byte");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| is_hostile(c)) {
        rest = &rest[at..];
        let c = rest.chars().next().unwrap();
        if matches!(c, '\r' | '\n') {
            rest = &rest[1..];
            continue;
        }
        assert_eq!(c, '\u{1b}', "a foreign character reached the terminal: {:?}", rest.chars().take(40).collect::<String>());
        let body = rest.strip_prefix("\u{1b}[").unwrap_or_else(|| {
            panic!("no sequence of ours: {:?}", rest.chars().take(40).collect::<String>());
        });
        let end = body.find(|c: char| ('@'..='~').contains(&c)).expect("a sequence ends");
        let (parameters, last) = (&body[..end], &body[end..=end]);
        let figures = parameters.chars().all(|c| c.is_ascii_digit() || c == ';');
        let known = match last {
            // Place, right, scroll region, scroll up and down, colour, clear.
            "H" | "C" | "r" | "S" | "T" | "m" => figures,
            "J" => parameters == "2",
            // Alternate screen, cursor, wrapping, bracketed paste, mouse.
            "h" | "l" => ["?1049", "?25", "?7", "?2004", "?1000", "?1002", "?1006"].contains(&parameters),
            _ => false,
        };
        assert!(known, "no sequence of ours: {:?}", &rest[..end + 3]);
        found.push(format!("{parameters}{last}"));
        rest = &body[end + 1..];
    }
    found
}

#[test]
fn no_color_means_no_colour() {
    let home = Home::new();
    let mut terminal = Terminal::bartizan(&home, &["demo", "--still"], &[("NO_COLOR", "1")], (120, 36));
    terminal.shows("What needs me");
    for key in ["2", "\r", "y", "\x1b", "\x1b", "/acc", "\t", "\x1b", ":", "\x1b", "?", "\x1b", "4", "6"] {
        terminal.press(key);
        terminal.settle();
    }
    for sequence in sequences(&terminal.stream) {
        let Some(codes) = sequence.strip_suffix('m') else { continue };
        assert!(codes.split(';').all(|code| matches!(code, "" | "0" | "1" | "2" | "3" | "4" | "7")), "a colour: {sequence}");
    }
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
}

/// What an attacker would put into a name: colours, titles, the clipboard, C1, bells, overrides, invisible letters.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}2J\u{9d}52;c;AA\u{9c}\u{202e}gpj.exe\u{202c}\u{2066}z\u{200b}w\u{200d}\u{feff}\u{8}\u{c}\u{e}\u{1b}c\u{1b}P+q\u{1b}\\\u{7f}\r\n\u{2028}end";

/// The embedded estate with hostile words wherever words are free.
fn hostile_estate(path: &Path) {
    let demo = bartizan::demo::Organization::new(now(), 4);
    let mut estate: Estate = (**demo.estate()).clone();
    let mut account = (**estate.account(&demo.finding(0).account).unwrap()).clone();
    account.name = format!("acc{HOSTILE}");
    account.tags.insert(format!("key{HOSTILE}"), format!("value{HOSTILE}"));
    account.tags.insert("Owner".into(), format!("team{HOSTILE}"));
    estate.put_account(account);
    if let Some(organization) = &mut estate.organization {
        organization.name = format!("org{HOSTILE}");
    }
    if let Some(caller) = &mut estate.caller {
        caller.arn = format!("{}{HOSTILE}", caller.arn);
    }
    for row in std::sync::Arc::make_mut(&mut estate.coverage) {
        row.reason = format!("why{HOSTILE}");
    }
    let findings = (0..4).map(|n| {
        let mut finding =
            Finding { title: format!("title{n}{HOSTILE}"), description: format!("words{HOSTILE}"), ..demo.finding(n) };
        finding.account = demo.finding(0).account;
        finding.resource.id = format!("arn:aws:s3:::bucket{n}{HOSTILE}");
        finding.resource.kind = format!("Kind{HOSTILE}");
        finding.control = format!("Control{HOSTILE}");
        finding.source.id = format!("id-{n}-{HOSTILE}");
        finding.source.name = format!("Source{HOSTILE}");
        finding.types = vec![format!("Type{HOSTILE}")];
        finding.remediation = format!("do{HOSTILE}");
        finding.remediation_url = format!("https://example.com/{HOSTILE}");
        // One document is JSON with escapes in it, the others hold raw bytes.
        finding.document = if n == 0 {
            serde_json::json!({ "Title": HOSTILE, HOSTILE: [HOSTILE] }).to_string()
        } else {
            format!("{{raw {HOSTILE}")
        };
        finding
    });
    estate::write(fs::File::create(path).unwrap(), &estate, findings.collect::<Vec<_>>().into_iter()).unwrap();
}

#[test]
fn hostile_text_reaches_the_terminal_without_a_control_byte() {
    let home = Home::new();
    let path = home.path().join("hostile.json.zst");
    hostile_estate(&path);
    let from = path.to_str().unwrap();
    let mut terminal = Terminal::bartizan(&home, &["--from", from, "--theme", "dark"], &[], (160, 45));
    terminal.shows("What needs me");
    let steps = [
        ("2", "title"),
        ("/id:id-0\r", "title0"),
        ("\r", "What is wrong"),
        ("y", "Title"),
        ("\x1b", "What is wrong"),
        ("\x1b", "SEV"),
        ("/\x15id:id-1\r", "title1"),
        ("\r", "What is wrong"),
        ("y", "raw"),
        ("\x1b", "What is wrong"),
        ("\x1b", "SEV"),
        ("/\x15\r", "SEV"),
        ("btitle\r", "FAILING FOR"),
        ("\r", "title"),
        ("\x1b", "FAILING FOR"),
        ("\x1b", "SEV"),
        ("/account:acc\t", "acc"),
        ("\x15", "tab completes"),
        ("owner:team\t", "team"),
        ("\x1b", "SEV"),
        ("Cid\r\x1b", "SEV"),
        (":theme", "theme"),
        ("\x1b", "SEV"),
        ("w", "Accounts"),
        ("\r", "owner"),
        ("y", "\"tags\""),
        ("\x1b", "owner"),
        ("!", "Coverage"),
        ("\r", "why"),
        ("1", "What needs me"),
    ];
    for (keys, expected) in steps {
        // Escape has to be read alone.
        for key in keys.split_inclusive('\r') {
            terminal.press(key);
        }
        terminal.shows(expected);
        terminal.settle();
    }
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
    let all = sequences(&terminal.stream);
    assert!(all.len() > 100, "{}", all.len());
    let text = String::from_utf8(terminal.stream.clone()).unwrap();
    assert!(text.contains("x·[31m"), "the hostile words were never on screen");
    for (arguments, words) in [
        (&["list", "findings"][..], "title"),
        (&["list", "accounts", "-c", "all"], "acc"),
        (&["list", "coverage"], "why"),
        (&["show", &format!("id-0-{HOSTILE}")], "What is wrong"),
        (&["show", &format!("id-1-{HOSTILE}"), "-o", "json"], "raw"),
        (&["show", "nothing-like-it\u{1b}[31m"], "nothing"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        let output = command.args(["--from", from]).args(arguments).env_clear().envs(home.variables()).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(printed.contains(words), "{arguments:?}: {printed}");
        let foreign = printed.chars().find(|c| *c != '\n' && is_hostile(*c));
        assert_eq!(foreign, None, "{arguments:?}: {printed:?}");
    }
}

/// Opens a session on the first node that answers, by the keys; also how the terminal was before.
fn in_a_session(home: &Home, extra: &[(&str, &str)], size: (u16, u16)) -> (Terminal, String) {
    let mut terminal = Terminal::bartizan(home, DEMO, extra, size);
    let modes = terminal.modes();
    terminal.judged();
    terminal.press("7");
    terminal.shows("PING");
    terminal.press("o");
    terminal.shows("reason");
    terminal.press("INC-1\r");
    terminal.shows("a shell on your own machine");
    terminal.until("a prompt", |text| text.lines().any(|line| line.ends_with(['#', '$'])));
    (terminal, modes)
}

#[test]
fn a_demo_session_is_a_shell_of_the_right_size_with_nothing_raw() {
    let home = Home::new();
    let (mut terminal, modes) = in_a_session(&home, &[], (100, 30));
    terminal.press("stty size; echo te''rm=$TERM\r");
    terminal.shows("term=xterm-256color");
    terminal.shows("25 100");
    terminal.press("printf '\\033]52;c;aGk=\\007\\033]0;ti''tle\\007'; echo safe''ly\r");
    terminal.shows("safely");
    assert!(find(&terminal.stream, b"\x1b]52;c;aGk=").is_none() && find(&terminal.stream, b"title\x07").is_none());
    // A full-screen program has the screen, and gives it back.
    terminal.press("printf '\\033[?1049h\\033[2J\\033[5;5Hfull''screen'; read x; printf '\\033[?1049l'\r");
    terminal.shows("fullscreen");
    assert!(!terminal.text().contains("safely"), "{}", terminal.text());
    terminal.press("\r");
    terminal.shows("safely");
    terminal.press("\r~d");
    terminal.shows("1 session and 0 forwards");
    terminal.press("q");
    terminal.shows("are open here");
    terminal.press("\r");
    assert_eq!(terminal.end(), 0);
    terminal.assert_given_back(&modes);
}

/// What runs in a session's shell ends with the console, however that ends.
#[test]
fn whatever_ends_the_console_ends_its_sessions() {
    for end in ["HUP", "TERM", "panic"] {
        let home = Home::new();
        let (mut terminal, _) = in_a_session(&home, &[("BARTIZAN_PANIC", "1")], (80, 24));
        let marker = home.path().join("shell");
        terminal.press(&format!("echo $$ > {}; echo writ''ten\r", marker.display()));
        terminal.shows("written");
        let shell = fs::read_to_string(&marker).unwrap().trim().to_owned();
        assert!(Path::new(&format!("/proc/{shell}")).exists());
        match end {
            "panic" => terminal.press("\x1b[24~"),
            signal => terminal.signal(signal),
        }
        terminal.end();
        let until = Instant::now() + PATIENCE;
        while Path::new(&format!("/proc/{shell}/exe")).exists() {
            assert!(Instant::now() < until, "the shell outlives the console that was ended by {end}");
            std::thread::yield_now();
        }
    }
}

/// The same console, told to leave sessions: they run on, and the ledger says so. What serves them is AWS's part, which the
/// test cloud plays.
#[test]
fn whatever_ends_the_console_leaves_sessions_where_that_is_configured() {
    const ACCOUNT: &str = "123456789012";
    const REGION: &str = "eu-west-1";
    let cloud = Cloud::with(support::Options { managed_policies: false });
    cloud.nodes(|nodes| {
        let node = json!({"InstanceId": "i-0aaaaaaaaaaaaaaaa", "PingStatus": "Online", "ComputerName": "web",
                          "PlatformType": "Linux", "IPAddress": "10.0.0.7", "LastPingDateTime": 1_773_450_000.0});
        nodes.add_node(ACCOUNT, REGION, node, &[]);
    });
    let home = Home::new();
    cloud.open_sessions(GatewayOptions { directory: Some(home.path().to_owned()), ..GatewayOptions::default() });
    let config = home.path().join("left.toml");
    fs::write(&config, "[sessions]\nat_quit = \"leave\"\n").unwrap();
    let variables = cloud.environment(REGION);
    let mut extra: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    extra.push(("BARTIZAN_PANIC", "1"));
    let config = config.to_str().unwrap();
    for (n, end) in ["HUP", "TERM", "panic", "quit"].into_iter().enumerate() {
        let arguments = ["--single-account", "-r", REGION, "--theme", "dark", "--config", config];
        let mut terminal = Terminal::bartizan(&home, &arguments, &extra, (100, 30));
        let modes = terminal.modes();
        terminal.press("7");
        terminal.shows("i-0aaaaaaaaaaaaaaaa");
        terminal.press("o");
        terminal.shows("reason");
        terminal.press("INC-1\r");
        terminal.until("a prompt", |text| text.lines().any(|line| line.ends_with(['#', '$'])));
        match end {
            "panic" => terminal.press("\x1b[24~"),
            "quit" => {
                terminal.press("\r~d");
                terminal.shows("1 session and 0 forwards");
                terminal.press("q");
                terminal.shows("run on until AWS's idle timeout and can be taken up");
                terminal.press("\r");
            }
            signal => terminal.signal(signal),
        }
        terminal.end();
        terminal.assert_given_back(&modes);
        assert_eq!(cloud.gateway(|g| g.open_sessions()).len(), n + 1, "after {end}");
    }
    let mut export = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let export = export.args(["ledger", "export", "--single-account"]).env_clear().envs(home.variables()).envs(extra.clone());
    let out = String::from_utf8(export.output().unwrap().stdout).unwrap();
    let ends: Vec<Value> =
        out.lines().map(|l| serde_json::from_str(l).unwrap()).filter(|e: &Value| e["kind"] == "session-end").collect();
    let outcomes: Vec<&str> = ends.iter().map(|e| e["content"]["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["left"; 4]);
    assert!(ends.iter().all(|e| e["content"]["recording"].is_string()), "the recordings are sealed: {ends:#?}");

    // The command line lists the same, and sees a recording that is another by now.
    let list = |listing: &str| -> Vec<Value> {
        let mut list = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        let arguments = ["list", listing, "-o", "json", "--single-account", "-r", REGION];
        let out = list.args(arguments).env_clear().envs(home.variables()).envs(extra.clone()).output().unwrap();
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
    };
    let files = fs::read_dir(home.path().join("data/bartizan/recordings")).unwrap();
    // Beside them stand the notes of what was left.
    let file = files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|e| e == "cast")).unwrap();
    fs::write(&file, fs::read_to_string(&file).unwrap().replacen("web", "wob", 1)).unwrap();
    let mut words: Vec<String> = list("sessions").iter().map(|row| row["recording"].as_str().unwrap().to_owned()).collect();
    words.sort();
    assert_eq!(words, ["changed", "intact", "intact", "intact"]);
    let nodes = list("nodes");
    assert_eq!((&nodes[0]["id"], &nodes[0]["exposure"]), (&json!("i-0aaaaaaaaaaaaaaaa"), &json!("unknown")), "{nodes:#?}");
}

/// A session that was recorded stands in the list of those that were, held against the ledger, and plays from there.
#[test]
fn a_recorded_session_stands_in_the_list_and_plays() {
    let home = Home::new();
    let (mut terminal, modes) = in_a_session(&home, &[], (160, 40));
    terminal.press("echo fir''st; printf '\\033]52;c;aGk=\\007'; echo play''ed\r");
    terminal.shows("played");
    terminal.press("exit\r");
    terminal.shows("Enter or esc leaves it");
    terminal.press("\r");
    terminal.shows("Nothing is open");
    terminal.press("\x1b[Z");
    terminal.shows("RECORDING");
    terminal.press("/recording:intact\r");
    terminal
        .until("the session", |text| text.lines().any(|l| l.contains("Ended") && l.contains("intact") && l.contains("INC-1")));
    terminal.press("p");
    terminal.shows("its digest is the ledger's");
    terminal.press("G");
    terminal.until("its end", |text| text.contains("the end") && text.contains("played"));
    terminal.press("g ");
    terminal.until("its start", |text| text.contains("paused") && !text.contains("played"));
    terminal.press("q");
    terminal.shows("RECORDING");
    assert!(find(&terminal.stream, b"\x1b]52;c;aGk=").is_none());
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_given_back(&modes);
}

/// The mouse selects in a pane, and what it selects goes to the clipboard; with the mouse off nothing asks for it.
#[test]
fn the_mouse_copies_from_a_session_to_the_clipboard() {
    let home = Home::new();
    let (mut terminal, _) = in_a_session(&home, &[], (100, 30));
    terminal.press("clear; echo co''py-this-line\r");
    terminal.until("the line", |text| text.lines().nth(3).is_some_and(|line| line.starts_with("copy-this-line")));
    assert_ne!(terminal.screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    // Down on the first letter, along the line, up: as a terminal tells it, places from 1.
    terminal.press("\x1b[<0;1;4M\x1b[<32;8;4M\x1b[<32;14;4M\x1b[<0;14;4m");
    terminal.shows("Copied: 1 line");
    let clipboard = "\x1b]52;c;Y29weS10aGlzLWxpbmU=";
    assert!(find(&terminal.stream, clipboard.as_bytes()).is_some(), "{:?}", terminal.tail());
    let config = home.path().join("quiet.toml");
    fs::write(&config, "mouse = false\n").unwrap();
    let arguments = ["demo", "--still", "--theme", "dark", "--config", config.to_str().unwrap()];
    let mut silent = Terminal::bartizan(&home, &arguments, &[], (100, 30));
    silent.shows("What needs me");
    assert_eq!(silent.screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

/// A node that floods neither keeps keys waiting nor takes memory without end.
#[test]
#[cfg(target_os = "linux")]
fn a_flood_of_a_node_freezes_nothing() {
    let home = Home::new();
    let (mut terminal, _) = in_a_session(&home, &[], (100, 30));
    let resident = |terminal: &Terminal| -> u64 {
        let id = terminal.child.process_id().unwrap();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = resident(&terminal);
    // Builds without optimisation draw slowly: more where somebody asks for it.
    let usual = if cfg!(debug_assertions) { "20000000" } else { "100000000" };
    let bytes = std::env::var("BARTIZAN_FLOOD").unwrap_or_else(|_| usual.into());
    let line = "a line that goes on and on, with \\033[31mcolours\\033[0m and all";
    terminal.press(&format!("yes '{line}' | head -c {bytes}; echo flood''ed\r"));
    terminal.until("the flood", |text| text.matches("on and on").count() > 10);
    // The flood is under way: a key is answered all the same.
    let asked = Instant::now();
    terminal.press("\r~d");
    terminal.shows("1 session and 0 forwards");
    terminal.press("2");
    terminal.shows("SEV");
    assert!(asked.elapsed() < Duration::from_secs(10), "keys waited {:?}", asked.elapsed());
    terminal.press("7\r");
    let (began, mut most) = (Instant::now(), 0);
    while !terminal.text().contains("flooded") {
        assert!(began.elapsed() < 10 * PATIENCE, "the flood does not end:\n{}", terminal.text());
        terminal.listen(Duration::from_millis(200));
        most = most.max(resident(&terminal));
    }
    let after = resident(&terminal).max(most);
    assert!(after < before + 64 * 1024, "{before} kB before the flood, {after} kB after it");
}
