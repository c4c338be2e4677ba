//! Sessions and forwards in the console, without a terminal and without a node: what keys ask of `work`, and what is shown of
//! what `work` tells. The real app over snapshots of what is open; the real thing runs in `ssm_commands` and `terminal`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::sync::Arc;

use bartizan::catalog::{Facts, ListingId, machines, row_key};
use bartizan::listing::filter;
use bartizan::listing::index::Index;
use bartizan::listing::query::{Cancel, count};
use bartizan::listing::segment::Cell;
use bartizan::message::session::{Ask, Forwarding, Live, LiveForward, LiveId, Screen, State};
use bartizan::model::account::Environment;
use bartizan::model::estate::Estate;
use bartizan::model::guard::{self, Act, Guardrail, Guardrails, Said};
use bartizan::model::node::Machine;
use bartizan::terminal::{Stand, Steer};
use bartizan::text::is_hostile;
use bartizan::triage::policy::Policy;
use bartizan::world::World;
use crossterm::event::{MouseButton, MouseEventKind};
use driver::{Begin, Driver, Scene};

const SIZE: (u16, u16) = (120, 36);

fn on_nodes() -> Driver {
    let mut driver = Driver::demo();
    driver.press("7");
    driver
}

fn machine(estate: &Estate, environment: Environment) -> Machine {
    let all = estate.regions.iter().flat_map(|r| &r.nodes).filter_map(|n| machines::by_id(estate, &n.instance_id));
    all.into_iter().find(|m| m.environment == Some(environment)).unwrap()
}

/// Opens a session by the keys and has `work` say that it is open.
fn attached(environment: Environment, output: &str) -> (Driver, Arc<Screen>) {
    let mut driver = on_nodes();
    let name = machine(&driver.scene.world.estate, environment).id;
    driver.keys(&["/", &format!("'id:{name}"), "enter", "o", "'INC-1", "enter"]);
    let screen = driver.session(1, environment, output);
    assert!(matches!(driver.asked().as_slice(), [Ask::Open(..), Ask::Resize(..)]));
    (driver, screen)
}

fn typed(driver: &mut Driver) -> String {
    let mut all = Vec::new();
    for ask in driver.asked() {
        match ask {
            Ask::Input(LiveId(1), bytes) => all.extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn o_on_a_node_asks_why_and_opens_a_session_of_the_right_size() {
    let mut driver = on_nodes();
    driver.press("o");
    assert!(driver.shows("Session on") && driver.shows("reason"), "{}", driver.screen());
    driver.press("enter");
    assert!(driver.shows("Say why"), "{}", driver.screen());
    assert!(driver.asked().is_empty());
    driver.keys(&["'INC-1 disk", "enter"]);
    let asked = driver.asked();
    let [Ask::Open(LiveId(1), opening), Ask::Resize(LiveId(1), size)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(opening.reason, "INC-1 disk");
    assert_eq!(opening.size, (SIZE.0, SIZE.1 - 5), "header, tabs, sessions, line and foot are taken");
    assert_eq!(*size, opening.size);
    assert!(opening.machine.id.starts_with("i-") && opening.finding.is_none());
    driver.press("esc");
    assert_eq!(driver.asked().len(), 0, "before it is known, keys wait for nobody");
}

#[test]
fn o_on_a_finding_or_an_interface_opens_the_machine_behind_it_for_that_reason() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/", "'type:AwsEc2Instance", "enter", "o"]);
    assert!(driver.shows("finding: "), "{}", driver.screen());
    driver.press("enter");
    let asked = driver.asked();
    let [Ask::Open(_, opening), ..] = asked.as_slice() else { panic!("{asked:?} {}", driver.screen()) };
    assert!(opening.reason.starts_with("finding: ") && opening.finding.is_some());

    let mut driver = Driver::demo();
    driver.keys(&["2", "/", "'type:AwsS3Bucket", "enter", "o"]);
    assert!(driver.foot().contains("no machine"), "{}", driver.foot());

    let estate = Arc::clone(&Scene::demo().world.estate);
    let interfaces = estate.regions.iter().flat_map(|r| &r.network.interfaces);
    let (with, without): (Vec<_>, Vec<_>) = interfaces.partition(|i| !i.instance().is_empty());
    for (interface, words) in [(with[0], "Session on"), (without[0], "No instance is attached")] {
        let mut driver = Driver::demo();
        driver.keys(&[":", "'interfaces", "enter", "/", &format!("'id:{}", interface.network_interface_id), "enter", "o"]);
        assert!(driver.shows(words), "{}", driver.screen());
    }
}

#[test]
fn a_node_that_does_not_answer_says_so_before() {
    let mut driver = on_nodes();
    driver.keys(&["/", "'ping:ConnectionLost", "enter", "o"]);
    assert!(driver.shows("has not answered"), "{}", driver.screen());
}

#[test]
fn read_only_and_guardrails_stand_before_sessions() {
    let mut driver = Driver::new(Scene::demo(), SIZE, Begin { read_only: true, ..Begin::default() });
    driver.keys(&["7", "o"]);
    assert!(driver.foot().contains("read-only"), "{}", driver.foot());

    let rail = |ask| Guardrail { acts: vec![Act::Sessions], ask, why: Some("because".into()), ..Guardrail::default() };
    let guarded = |ask| {
        let rails = Guardrails(vec![rail(ask)]);
        let scene = Scene::demo().with(|world: &mut World| {
            world.policy = Arc::new(Policy { guardrails: rails, ..(*world.policy).clone() });
        });
        let mut driver = Driver::new(scene, SIZE, Begin::default());
        driver.keys(&["7", "o", "'x", "enter"]);
        driver
    };
    let mut refused = guarded(guard::Ask::Refuse);
    assert!(refused.shows("because") && refused.asked().is_empty(), "{}", refused.screen());
    let mut confirm = guarded(guard::Ask::Confirm);
    assert!(confirm.shows("because") && confirm.asked().is_empty(), "{}", confirm.screen());
    confirm.press("enter");
    assert_eq!(confirm.asked().len(), 2);
    let mut named = guarded(guard::Ask::Type);
    named.keys(&["'wrong", "enter"]);
    assert!(named.shows("That is not") && named.asked().is_empty(), "{}", named.screen());
    let estate = Arc::clone(&named.scene.world.estate);
    let first =
        machines::behind(&estate, bartizan::catalog::ListingId::Nodes, named.cursor_line().split_whitespace().nth(1).unwrap());
    for _ in 0.."wrong".len() {
        named.press("backspace");
    }
    named.keys(&[&format!("'{}", first.unwrap().account_name), "enter"]);
    assert_eq!(named.asked().len(), 2, "{}", named.screen());
}

#[test]
fn every_key_goes_to_the_node_and_escapes_only_after_a_newline() {
    let (mut driver, _) = attached(Environment::NonProduction, "$ ");
    driver.keys(&["q", "?", ":", "1", "ctrl-c", "esc", "tab", "up", "home"]);
    assert_eq!(typed(&mut driver), "q?:1\u{3}\u{1b}\t\u{1b}[A\u{1b}[H");
    assert_eq!(driver.app.view_name(), "sessions");
    driver.keys(&["a", "~", "."]);
    assert_eq!(typed(&mut driver), "a~.", "not at the start of a line");
    driver.keys(&["enter", "~", "?"]);
    assert!(driver.shows("detach: it runs on"), "{}", driver.screen());
    driver.keys(&["x", "enter", "~", "~", "enter"]);
    assert_eq!(typed(&mut driver), "\r\r~\r", "the key that closes the list is not typed");
    driver.keys(&["~", "d"]);
    assert!(driver.shows("Open here  1 session and 0 forwards"), "{}", driver.screen());
    assert!(driver.asked().is_empty(), "it runs on");
    driver.keys(&["1", "7"]);
    driver.press("enter");
    driver.keys(&["x"]);
    assert!(driver.asked().iter().any(|a| matches!(a, Ask::Input(_, bytes) if bytes == b"x")), "{}", driver.screen());
    driver.keys(&["enter", "~", "."]);
    assert!(driver.asked().iter().any(|a| matches!(a, Ask::End(LiveId(1)))));
}

#[test]
fn the_size_follows_the_terminal_also_while_detached() {
    let (mut driver, _) = attached(Environment::NonProduction, "$ ");
    driver.resize(100, 30);
    assert!(matches!(driver.asked().as_slice(), [Ask::Resize(LiveId(1), (100, 25))]));
    driver.keys(&["enter", "~", "f"]);
    let asked = driver.asked();
    assert!(matches!(asked.last(), Some(Ask::Resize(_, (100, 30)))), "the whole screen: {asked:?}");
    assert!(!driver.shows("1 Overview"), "{}", driver.screen());
    driver.keys(&["enter", "~", "d"]);
    driver.resize(140, 40);
    driver.asked();
    driver.press("enter");
    assert!(matches!(driver.asked().as_slice(), [Ask::Resize(_, (140, 35))]));
    for (width, height) in [(60, 16), (1, 1), (500, 200), (59, 15), (120, 36)] {
        driver.resize(width, height);
    }
}

#[test]
fn two_sessions_share_the_screen_and_tell_what_is_new() {
    let (mut driver, _) = attached(Environment::NonProduction, "first$ ");
    let second = driver.session(2, Environment::Production, "second$ ");
    assert!(second.touch());
    driver.draw();
    assert!(driver.line(2).contains('•'), "something new stands there: {}", driver.line(2));
    driver.keys(&["enter", "~", "n"]);
    assert!(driver.shows("second$") && !driver.shows("first$"), "{}", driver.screen());
    assert!(!driver.line(2).contains('•'));
    driver.asked();
    driver.keys(&["enter", "~", "v"]);
    assert!(driver.shows("second$") && driver.shows("first$"), "{}", driver.screen());
    let sizes: Vec<(u16, u16)> =
        driver.asked().into_iter().filter_map(|a| if let Ask::Resize(_, size) = a { Some(size) } else { None }).collect();
    assert_eq!(sizes, [(120, 15), (120, 15)]);
    driver.press("z");
    assert!(matches!(driver.asked().as_slice(), [Ask::Input(LiveId(2), bytes)] if bytes == b"z"));
    driver.resize(160, 40);
    assert!(matches!(driver.asked().as_slice(), [Ask::Resize(_, (80, 35)), Ask::Resize(_, (79, 35))]), "side by side");
    driver.click(10, 10);
    driver.press("y");
    assert!(matches!(driver.asked().as_slice(), [Ask::Input(LiveId(1), bytes)] if bytes == b"y"), "a click chooses the pane");
}

#[test]
fn reading_back_searches_selects_and_copies() {
    let lines: String = (0..200).map(|n| format!("line {n} of the log\r\n")).collect();
    let (mut driver, screen) = attached(Environment::NonProduction, &lines);
    driver.keys(&["enter", "~", "s", "'line 42", "enter"]);
    assert!(driver.shows("line 42 of the log") && driver.shows("lines back"), "{}", driver.screen());
    // What comes meanwhile does not move the reader.
    screen.with(|t| t.feed(b"new\r\n"));
    driver.draw();
    assert!(driver.shows("line 42 of the log"));
    driver.press("c");
    assert_eq!(driver.copies, ["line 42 of the log"]);
    assert!(driver.foot().contains("Copied: 1 line"), "{}", driver.foot());
    assert!(driver.shows("line 199"), "copying goes back to the end: {}", driver.screen());
    driver.keys(&["enter", "~", "b", "ctrl-b", "v", "j", "$", "c"]);
    let copied = driver.copies.last().unwrap();
    assert_eq!(copied.lines().count(), 2, "{copied}");
    driver.keys(&["enter", "~", "s", "'nowhere", "enter"]);
    assert!(driver.foot().contains("is not found"), "{}", driver.foot());
    driver.press("esc");
    typed(&mut driver);
    driver.mouse(MouseEventKind::ScrollUp, 10, 10);
    assert!(driver.shows("lines back"), "{}", driver.screen());
    driver.keys(&["esc", "w"]);
    assert_eq!(typed(&mut driver), "w");
}

#[test]
fn the_mouse_selects_copies_and_scrolls() {
    let lines: String = (0..200).map(|n| format!("line {n} of the log\r\n")).collect();
    let (mut driver, screen) = attached(Environment::NonProduction, &lines);
    typed(&mut driver);
    let find = |driver: &Driver, words: &str| (0..36u16).find(|y| driver.line(*y).starts_with(words)).unwrap();
    let (top, left) = (find(&driver, "line 180"), 5);
    driver.click(left, top);
    assert!(driver.copies.is_empty());
    let plain = driver.styles();
    driver.mouse(MouseEventKind::Drag(MouseButton::Left), 7, top + 1);
    assert_ne!(driver.styles(), plain, "what is selected shows");
    driver.mouse(MouseEventKind::Up(MouseButton::Left), 7, top + 1);
    assert_eq!(driver.copies, ["180 of the log\nline 181"]);
    assert!(driver.foot().contains("Copied: 2 lines"), "{}", driver.foot());
    // Upwards is the same as downwards; a click alone copies nothing and takes the selection away.
    driver.click(7, top + 1);
    driver.mouse(MouseEventKind::Drag(MouseButton::Left), left, top);
    driver.mouse(MouseEventKind::Up(MouseButton::Left), left, top);
    assert_eq!(driver.copies.len(), 2);
    assert_eq!(driver.copies[0], driver.copies[1]);
    driver.click(0, 10);
    driver.mouse(MouseEventKind::Up(MouseButton::Left), 0, 10);
    assert_eq!(driver.copies.len(), 2);
    assert_eq!(driver.styles(), plain);
    // Beyond the upper edge it scrolls, and what is above belongs to it.
    driver.click(0, 4);
    for _ in 0..40 {
        driver.mouse(MouseEventKind::Drag(MouseButton::Left), 0, 1);
    }
    driver.mouse(MouseEventKind::Up(MouseButton::Left), 0, 1);
    let copied = driver.copies.pop().unwrap();
    assert!(copied.lines().count() > 40 && copied.contains("line 140 of the log"), "{copied}");
    driver.press("x");
    assert_eq!(typed(&mut driver), "x");
    assert!(driver.shows("line 199"), "a key goes back to the end");
    // The wheel reads back; in a program that has the whole screen it is the arrow keys.
    driver.mouse(MouseEventKind::ScrollUp, 10, 10);
    assert!(driver.shows("lines back"), "{}", driver.screen());
    for _ in 0..3 {
        driver.mouse(MouseEventKind::ScrollDown, 10, 10);
    }
    assert!(!driver.shows("lines back"), "{}", driver.screen());
    assert_eq!(typed(&mut driver), "");
    screen.with(|t| t.feed(b"\x1b[?1049hfull"));
    driver.mouse(MouseEventKind::ScrollUp, 10, 10);
    driver.mouse(MouseEventKind::ScrollDown, 10, 10);
    assert_eq!(typed(&mut driver), "\u{1b}[A".repeat(3) + &"\u{1b}[B".repeat(3));
    // What is on the node's side of the split is not the other's.
    driver.mouse(MouseEventKind::Drag(MouseButton::Left), 10, 10);
    driver.mouse(MouseEventKind::Up(MouseButton::Left), 10, 10);
    assert!(driver.copies.len() == 2, "a drag that began nowhere");
}

#[test]
fn nodes_tell_what_gets_to_them_and_what_is_wrong_with_them() {
    let mut driver = Driver::new(Scene::demo(), (200, 40), Begin::default());
    driver.press("7");
    let head = driver.line(4);
    for column in ["EXPOSURE", "FINDINGS", "SUBNET", "AGENT", "PLATFORM"] {
        assert!(head.contains(column), "{head}");
    }
    let rows = |driver: &Driver, filter: &str| {
        let world = &driver.scene.world;
        let schema = &ListingId::Nodes.get().schema;
        let filter = filter::parse(filter, schema, driver::now().as_second()).unwrap();
        count(world.index(ListingId::Nodes), &filter, driver::now().as_second(), &Cancel::new()).unwrap()
    };
    let all = driver.scene.world.index(ListingId::Nodes).rows();
    let (unknown, none, some) =
        (rows(&driver, "exposure:unknown"), rows(&driver, "exposure:none"), rows(&driver, "exposure>=low"));
    assert_eq!(unknown + none + some + rows(&driver, "exposure:informational"), all);
    assert!(unknown == 5 && none > 0 && some > 0, "hybrid machines are in no network: {unknown} {none} {some}");
    // Every count is the one that the findings show.
    driver.keys(&["/", "'findings>0 exposure>=low", "enter", "S", "'findings", "enter", "=", "g"]);
    let world = Arc::clone(&driver.scene.world);
    let index = world.index(ListingId::Nodes);
    let field = |name: &str| ListingId::Nodes.get().schema.field(name).unwrap();
    let id = driver.cursor_line().split_whitespace().nth(1).unwrap().to_owned();
    let row = index.find(row_key(&id)).unwrap();
    let Cell::Number(shown) = index.cell(row, field("findings")) else { panic!("no count") };
    let findings = ListingId::Findings.get();
    let filter = filter::parse(&format!("open:yes resource:{id}"), &findings.schema, driver::now().as_second()).unwrap();
    let counted = count(world.index(ListingId::Findings), &filter, driver::now().as_second(), &Cancel::new()).unwrap();
    assert_eq!(shown, i64::try_from(counted).unwrap(), "{}", driver.screen());
    driver.press("e");
    assert!(driver.app.view_name() == "network" && driver.title().contains("Exposures"), "{}", driver.screen());
    // Before the engine has said anything, nothing is claimed.
    let mut driver = Driver::new(Scene::demo(), (200, 40), Begin::default());
    driver.world(|world| {
        let mut bare = World::empty(world.origin.clone());
        let facts = Facts {
            estate: Arc::clone(&world.estate),
            findings: Index::new(Arc::clone(&ListingId::Findings.get().schema)),
            board: Arc::default(),
            decisions: Index::new(Arc::clone(&ListingId::Decisions.get().schema)),
            history: Arc::default(),
            standings: Arc::default(),
            network: None,
            now: driver::now(),
        };
        bare.rebuild(&facts);
        bare.version += world.version;
        *world = bare;
    });
    driver.press("7");
    assert!(driver.cursor_line().matches("unknown").count() >= 2, "{}", driver.cursor_line());
}

#[test]
fn aws_s_history_and_ours_are_one_list_and_recordings_play_from_it() {
    let mut driver = Driver::new(Scene::demo(), (200, 40), Begin::default());
    let before = driver.scene.world.index(ListingId::Sessions).rows();
    let id = driver.recorded();
    driver.keys(&["7", "tab", "tab"]);
    assert_eq!(driver.scene.world.index(ListingId::Sessions).rows(), before + 1);
    let newest = driver.cursor_line();
    for word in ["Ended", "jo.tanaka", "intact", "INC-2041", "shell", "95", "124,245", "ended", "ledger"] {
        assert!(newest.contains(word), "{word}: {newest}");
    }
    driver.press("enter");
    assert!(driver.shows("its digest is the one that the ledger knows") && driver.shows("desk-7"), "{}", driver.screen());
    driver.keys(&["esc", "o"]);
    assert!(driver.shows("Session on"), "on the node of a session that AWS does not know: {}", driver.screen());
    driver.keys(&["esc", "p"]);
    let asked = driver.asked();
    let [Ask::Play(play, of)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(of, id);
    let reel = driver.replay(play.0, "\u{1b}]0;t\u{7}\u{1b}[32mplayed\u{1b}[0m\u{202e}");
    assert!(driver.shows("played") && driver.shows("1:12") && driver.shows("12:34") && driver.shows("×2"), "{}", driver.screen());
    assert!(driver.shows("its digest is the ledger's") && driver.shows("reconnected"), "{}", driver.screen());
    assert!(driver.screen().chars().filter(|c| *c != '\n').all(|c| !is_hostile(c)));
    driver.mouse(MouseEventKind::ScrollUp, 5, 5);
    assert!(matches!(driver.asked().as_slice(), [Ask::Steer(_, Steer::By(-5))]));
    for size in [(60, 16), (1, 1), (500, 200), (200, 40)] {
        driver.resize(size.0, size.1);
    }
    reel.put(Stand { over: true, ..reel.stand() });
    driver.draw();
    assert!(driver.shows("the end"), "{}", driver.screen());
    driver.press("q");
    assert!(!driver.quit && driver.cursor_line() == newest, "{}", driver.screen());
    assert!(matches!(driver.asked().as_slice(), [Ask::End(_)]));
    // One that AWS alone knows was not recorded here.
    driver.keys(&["/", "'source=AWS", "enter", "p"]);
    assert!(driver.foot().contains("was not recorded"), "{}", driver.foot());
    assert!(driver.asked().is_empty());
}

#[test]
fn a_paste_of_several_lines_into_production_is_asked_about() {
    let (mut driver, screen) = attached(Environment::Production, "$ ");
    driver.paste("one line");
    assert_eq!(typed(&mut driver), "one line");
    driver.paste("rm -rf /tmp/x\nreboot\n");
    assert!(driver.shows("Paste 2 lines into") && driver.shows("reboot"), "{}", driver.screen());
    driver.press("esc");
    assert_eq!(typed(&mut driver), "");
    driver.paste("a\nb\u{1b}[201~\n");
    screen.with(|t| t.feed(b"\x1b[?2004h"));
    driver.press("enter");
    assert_eq!(typed(&mut driver), "\u{1b}[200~a\rb[201~\r\u{1b}[201~", "bracketed, and nothing leaves the bracket");
    let (mut driver, _) = attached(Environment::NonProduction, "$ ");
    driver.paste("a\nb");
    assert_eq!(typed(&mut driver), "a\rb");
}

#[test]
fn lost_connections_and_ends_are_shown() {
    let (mut driver, _) = attached(Environment::NonProduction, "$ work in progress");
    driver.live(|live| live.sessions[0].state = State::Reconnecting(3));
    assert!(driver.shows("reconnecting (3)") && driver.shows("work in progress"), "{}", driver.screen());
    driver.keys(&["x"]);
    assert_eq!(typed(&mut driver), "x", "what is typed meanwhile is kept");
    driver.live(|live| live.sessions[0].unanswered = Some(12));
    driver.live(|live| live.sessions[0].state = State::Open);
    assert!(driver.shows("has not answered for 12 s"), "{}", driver.screen());
    driver.live(|live| {
        live.sessions[0].state = State::Ended { why: "Session timed out\u{1b}[31m.".into(), bad: true };
    });
    assert!(driver.shows("Session timed out") && driver.shows("Enter or esc leaves it"), "{}", driver.screen());
    assert!(driver.screen().chars().filter(|c| *c != '\n').all(|c| !is_hostile(c)));
    driver.press("enter");
    assert!(matches!(driver.asked().as_slice(), [Ask::Forget(LiveId(1))]));
    assert!(driver.shows("Open here"), "{}", driver.screen());
}

#[test]
fn forwards_are_asked_for_listed_ended_and_started_again() {
    let mut driver = on_nodes();
    driver.press("f");
    assert!(driver.shows("Forward through"), "{}", driver.screen());
    driver.keys(&["'db.internal", "enter", "enter", "'INC-9", "enter"]);
    assert!(driver.shows("is no destination"), "{}", driver.screen());
    driver.keys(&["tab", "':5432", "enter"]);
    let asked = driver.asked();
    let [Ask::Forward(id, wanted)] = asked.as_slice() else { panic!("{asked:?} {}", driver.screen()) };
    assert_eq!((wanted.destination().as_str(), wanted.local, wanted.lanes), ("db.internal:5432", 0, 1));
    let forward = LiveForward {
        id: *id,
        wanted: (**wanted).clone(),
        state: State::Starting,
        local: String::new(),
        lanes: 0,
        open: 0,
        opened: 0,
        sent: 0,
        received: 0,
        notice: None,
    };
    driver.live(|live| live.forwards.push(forward));
    driver.live(|live| {
        let forward = &mut live.forwards[0];
        forward.state = State::Open;
        forward.local = "127.0.0.1:40001".into();
        (forward.open, forward.opened, forward.sent, forward.received) = (1, 7, 1_200, 3_400_000);
    });
    assert!(driver.foot().contains("127.0.0.1:40001 leads to"), "{}", driver.foot());
    driver.press("F");
    assert!(driver.shows("1 open of 7 connections, 1.2 kB up, 3.4 MB down"), "{}", driver.screen());
    driver.press("backspace");
    assert!(driver.foot().contains("still open"), "{}", driver.foot());
    driver.press("R");
    driver.press("delete");
    assert!(matches!(driver.asked().as_slice(), [Ask::End(_)]));
    driver.live(|live| live.forwards[0].state = State::Ended { why: "Stopped here.".into(), bad: false });
    driver.keys(&["R", "backspace"]);
    assert!(matches!(driver.asked().as_slice(), [Ask::Restart(_), Ask::Forget(_)]));
}

#[test]
fn leaving_with_open_sessions_is_asked_about() {
    let (mut driver, _) = attached(Environment::NonProduction, "$ ");
    driver.keys(&["enter", "~", "d", "q"]);
    assert!(driver.shows("1 session and 0 forwards are open here"), "{}", driver.screen());
    assert!(!driver.quit);
    driver.press("esc");
    driver.keys(&["q", "enter"]);
    assert!(driver.quit);
    let (mut driver, _) = attached(Environment::NonProduction, "$ ");
    driver.live(|live: &mut Live| live.sessions[0].state = State::Ended { why: String::new(), bad: false });
    driver.keys(&["enter", "q"]);
    assert!(driver.quit, "nothing is open any more");
}

#[test]
fn hostile_output_never_reaches_the_screen_raw() {
    let bytes: Vec<u8> = (0..=255u8).chain(*b"\x1b]52;c;aGk=\x07\x1b]0;t\x07\x1bPq\x1b\\\x1b[8;1;1t").collect();
    let output = format!("{}\u{202e}\u{200b}\u{ad}\u{feff}", String::from_utf8_lossy(&bytes));
    let (mut driver, screen) = attached(Environment::NonProduction, &output);
    let mut seed = 7u64;
    for _ in 0..200 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u8
        })
        .take(400)
        .collect();
        screen.with(|t| t.feed(&noise));
        driver.draw();
        for cell in &driver.buffer.content {
            assert!(!cell.symbol().chars().any(is_hostile), "{:?}", cell.symbol());
        }
    }
}

#[test]
fn saved_forwards_stand_in_the_palette() {
    let machine = machine(&Scene::demo().world.estate, Environment::NonProduction);
    let wanted = Forwarding { machine, reason: "r".into(), host: None, port: 80, local: 0, lanes: 1, said: Said::Nothing };
    assert_eq!(wanted.destination(), "80");
    let saved = bartizan::message::session::Saved {
        name: "web".into(),
        node: wanted.machine.id,
        reason: "r".into(),
        host: None,
        port: 80,
        local: 8_080,
        lanes: 2,
    };
    let mut driver = Driver::new(Scene::demo(), SIZE, Begin { forwards: vec![saved], ..Begin::default() });
    driver.keys(&[":", "'forward web", "enter", "enter"]);
    let asked = driver.asked();
    let [Ask::Forward(_, opened)] = asked.as_slice() else { panic!("{asked:?} {}", driver.screen()) };
    assert_eq!((opened.port, opened.local, opened.lanes, opened.reason.as_str()), (80, 8_080, 2, "r"));
}
