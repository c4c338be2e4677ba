//! Sessions as a whole, without a terminal: keys go through the real app to the real `work::sessions`, which opens real
//! sessions on a loopback gateway and writes a real ledger; what comes back is what the screen shows. What goes wrong on the
//! way, what guardrails hold, what becomes of sessions when the console ends, and recordings that are played.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bartizan::catalog::machines;
use bartizan::config::{AtQuit, Sessions as Rules};
use bartizan::message::Outcome;
use bartizan::message::session::{Ask, Forwarding, LiveId, Opening, State};
use bartizan::model::account::{Caller, Environment};
use bartizan::model::decision::{Decision, Subject, person};
use bartizan::model::guard::{self, Act, Guardrail, Guardrails, Said};
use bartizan::model::node::Machine;
use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions};
use bartizan::terminal::Steer;
use bartizan::text::is_hostile;
use bartizan::triage::policy::Policy;
use bartizan::triage::sessions::{Kept, Seal};
use bartizan::work::desk::Desk;
use bartizan::work::sessions::Sessions;
use bartizan::work::sessions::left;
use bartizan::work::sessions::record::Book;
use bartizan::work::sessions::shelf::digest;
use bartizan::work::sessions::way::Way;
use driver::{Begin, Driver, Scene, runtime};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// How a stage is set.
#[derive(Default)]
struct Set {
    options: GatewayOptions,
    rules: Rules,
    rails: Vec<Guardrail>,
}

/// The console and what is behind it.
struct Stage {
    driver: Driver,
    sessions: Sessions,
    outcomes: mpsc::Receiver<Outcome>,
    gateway: Arc<Gateway>,
    desk: Arc<Desk>,
    home: TempDir,
}

impl Stage {
    fn new(set: Set) -> Self {
        let home = tempfile::tempdir().unwrap();
        let Set { options, rules, rails } = set;
        let options = GatewayOptions { directory: Some(home.path().to_owned()), ..options };
        let gateway = Arc::new(runtime().block_on(Gateway::listen(options)).unwrap());
        let policy = Policy { guardrails: Guardrails(rails.clone()), ..Policy::default() };
        let scene = Scene::deciding(60, policy, home.path());
        let desk = Arc::clone(scene.desk.as_ref().unwrap());
        let estate = Arc::clone(&scene.world.estate);
        let caller = Caller { arn: "arn:aws:sts::111122223333:assumed-role/Ops/jo".into(), ..Caller::default() };
        let (rails, known) = (Guardrails(rails), Arc::clone(&estate));
        let way = Way::through(Arc::clone(&gateway), caller).guarded(move |m| machines::guard(&rails, &known, m));
        let (told, outcomes) = mpsc::channel(256);
        let book = Book::new(Arc::new(OnceLock::from(Ok(Arc::clone(&desk)))));
        let sessions = Sessions::new(way, book, rules, home.path().join("recordings"), told);
        let driver = Driver::new(scene, (120, 36), Begin::default());
        Self { driver, sessions, outcomes, gateway, desk, home }
    }

    /// Another program of the same user on the same machine: nothing is open in it.
    fn another(&mut self, rules: Rules) {
        let caller = Caller { arn: "arn:aws:sts::111122223333:assumed-role/Ops/sam".into(), ..Caller::default() };
        let (told, outcomes) = mpsc::channel(256);
        let book = Book::new(Arc::new(OnceLock::from(Ok(Arc::clone(&self.desk)))));
        let way = Way::through(Arc::clone(&self.gateway), caller);
        self.sessions = Sessions::new(way, book, rules, self.home.path().join("recordings"), told);
        self.outcomes = outcomes;
    }

    /// Ends the program, as a quit does.
    fn close(&mut self) {
        let closing = self.sessions.clone();
        let closed = runtime().spawn(async move { closing.close().await });
        self.until("the end", |_| closed.is_finished());
    }

    fn ask(&self, ask: Ask) {
        // Tasks begin on the runtime of the ledger.
        let _in = runtime().enter();
        self.sessions.ask(ask);
    }

    /// Lets both sides hear of each other until something holds.
    fn until(&mut self, what: &str, holds: impl Fn(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            for ask in self.driver.asked() {
                self.ask(ask);
            }
            self.driver.draw();
            if holds(self) {
                return;
            }
            assert!(Instant::now() < end, "{what} did not come:\n{}", self.driver.screen());
            let outcomes = &mut self.outcomes;
            let heard = runtime().block_on(async { tokio::time::timeout(Duration::from_millis(50), outcomes.recv()).await });
            if let Ok(Some(outcome)) = heard {
                self.driver.outcome(outcome);
            }
        }
    }

    /// Waits for words on screen, which may run on over line ends.
    fn shows(&mut self, words: &str) {
        self.until(words, |stage| stage.driver.screen().split_whitespace().collect::<Vec<_>>().join(" ").contains(words));
    }

    fn keys(&mut self, keys: &[&str]) {
        for key in keys {
            self.driver.keys(&[key]);
            for ask in self.driver.asked() {
                self.ask(ask);
            }
        }
    }

    /// Opens a session on the first node, by the keys.
    fn open(&mut self) {
        self.keys(&["7", "o", "'INC-1", "enter"]);
    }

    /// The same, and waits for the shell's prompt.
    fn in_a_session(&mut self) {
        self.open();
        self.until("a prompt", |stage| stage.driver.screen().lines().any(|line| line.ends_with(['#', '$'])));
        // The screen is seen as it is drawn upon, and what is told of the session after it.
        self.until("its id", |stage| stage.driver.app.live().sessions.iter().all(|live| !live.session_id.is_empty()));
    }

    /// Types a command whose answer shows these words.
    fn run(&mut self, command: &str, words: &str) {
        self.keys(&[&format!("'{command}"), "enter"]);
        self.shows(words);
    }

    fn machine(&self, environment: Environment) -> Machine {
        let estate = &self.driver.scene.world.estate;
        let all = estate.regions.iter().flat_map(|r| &r.nodes).filter_map(|n| machines::by_id(estate, &n.instance_id));
        all.into_iter().find(|m| m.environment == Some(environment)).unwrap()
    }

    /// The ledger's entries about sessions.
    fn entries(&self) -> Vec<Decision> {
        let entries = runtime().block_on(self.desk.since(Timestamp::UNIX_EPOCH)).unwrap();
        entries.into_iter().map(|entry| entry.draft.decision).collect()
    }

    /// How the last session ended, and what was said: as the ledger has it, once it has and whoever reads the history sees it.
    fn ended(&mut self) -> (String, String) {
        self.until("the end in the ledger", |stage| {
            let entries = runtime().block_on(stage.desk.since(Timestamp::UNIX_EPOCH)).unwrap();
            let Some(last) = entries.last().map(|entry| &entry.draft) else { return false };
            let (Subject::Session(id), Decision::SessionEnd { .. }) = (&last.subject, &last.decision) else { return false };
            stage.desk.library().history().told(id).is_some_and(|told| told.end.is_some())
        });
        match self.entries().pop() {
            Some(Decision::SessionEnd { outcome, said, .. }) => (outcome, said),
            other => panic!("{other:?}"),
        }
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.home.path().join("recordings"));
        let paths = files.into_iter().flatten().map(|f| f.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|e| e == "cast")).collect()
    }

    fn opening(&self, environment: Environment, said: Said, unrecorded: bool) -> Opening {
        let machine = self.machine(environment);
        Opening { machine, reason: "INC-2".into(), finding: None, command: None, again: None, size: (80, 24), unrecorded, said }
    }

    fn forwarding(&self, host: Option<&str>, port: u16, local: u16, said: Said) -> Forwarding {
        let (machine, host) = (self.machine(Environment::Production), host.map(str::to_owned));
        Forwarding { machine, reason: "INC-3".into(), host, port, local, lanes: 1, said }
    }
}

fn options() -> GatewayOptions {
    GatewayOptions::default()
}

#[test]
fn an_idle_session_that_the_service_ends_says_so_and_stands_in_the_ledger() {
    let mut stage =
        Stage::new(Set { options: GatewayOptions { idle_timeout: Some(Duration::from_secs(2)), ..options() }, ..Set::default() });
    stage.in_a_session();
    stage.shows("timed out due to inactivity");
    stage.shows("Enter or esc leaves it");
    let (outcome, said) = stage.ended();
    assert!(outcome == "ended" && said.contains("timed out"), "{outcome}: {said}");
    stage.keys(&["enter"]);
    stage.shows("Nothing is open");
}

#[test]
fn access_denied_on_start_session_is_told_in_aws_s_words_and_nothing_is_written() {
    let mut stage = Stage::new(Set { options: GatewayOptions { deny_start: true, ..options() }, ..Set::default() });
    stage.open();
    stage.shows("is not authorized to perform: ssm:StartSession");
    assert!(stage.entries().is_empty() && stage.recordings().is_empty());
}

#[test]
fn access_denied_on_the_data_channel_ends_the_session_with_the_gateway_s_words() {
    let mut stage = Stage::new(Set::default());
    stage.gateway.set_faults(Faults { stale_key: Some("AKIALOOPBACK".into()), ..Faults::default() });
    stage.open();
    stage.shows("403");
    let (outcome, said) = stage.ended();
    assert!(outcome == "failed" && said.contains("403"), "{outcome}: {said}");
    stage.until("the end on the node", |stage| stage.gateway.open_sessions().is_empty());
}

#[test]
fn a_key_that_kms_denies_ends_the_session_before_anything_is_typed() {
    let options = GatewayOptions { kms_key: Some("alias/sessions".into()), ..options() };
    let mut stage = Stage::new(Set { options, ..Set::default() });
    stage.gateway.set_faults(Faults { deny_kms: true, ..Faults::default() });
    stage.open();
    stage.shows("kms:GenerateDataKey");
    let (outcome, said) = stage.ended();
    assert!(outcome == "ended" && said.contains("kms:GenerateDataKey") && !said.contains("----"), "{outcome}: {said}");
    stage.gateway.set_faults(Faults::default());
    stage.keys(&["enter", "tab", "o", "'INC-1", "enter"]);
    stage.until("a prompt", |stage| stage.driver.screen().lines().any(|line| line.ends_with(['#', '$'])));
    stage.run("echo encry''pted", "encrypted");
}

#[test]
fn a_node_whose_agent_is_away_and_a_machine_that_is_no_node_say_so() {
    let first = {
        let mut stage = Stage::new(Set::default());
        stage.keys(&["7", "/", "'ping:Online", "enter", "c"]);
        stage.driver.copies.pop().unwrap()
    };
    let options = GatewayOptions { offline: vec![first.clone()], nodes: vec![first.clone()], ..options() };
    let mut stage = Stage::new(Set { options, ..Set::default() });
    stage.keys(&["7", "/", &format!("'id:{first}"), "enter", "o", "'INC-1", "enter"]);
    stage.shows("TargetNotConnected");
    stage.keys(&["enter"]);
    // An instance that Session Manager does not know: said before, and again when it is tried all the same.
    stage.keys(&["7", "tab", "tab", "/", "'ping:none state:running", "enter", "o"]);
    stage.shows("is no managed node");
    stage.keys(&["'INC-2", "enter"]);
    stage.shows("TargetNotConnected");
    assert!(stage.entries().is_empty() && stage.gateway.started().is_empty());
}

#[test]
fn a_local_port_that_is_taken_and_a_host_that_is_refused_are_told_beside_the_forward() {
    let mut stage = Stage::new(Set::default());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    stage.keys(&["7", "f", "'5432", "enter", &format!("'{port}"), "tab", "'INC-3", "enter"]);
    stage.keys(&["F"]);
    stage.shows("cannot be listened on");
    assert!(stage.gateway.started().is_empty(), "a session for nothing");
    stage.keys(&["backspace", "tab", "f", "'169.254.169.254:80", "enter", "enter", "'INC-4", "enter", "F"]);
    stage.shows("Forwarding to IP address 169.254.169.254 is forbidden.");
    // A port that nobody listens on is the destination's word, not the end of the forward.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let wanted = stage.forwarding(Some("localhost"), free, 0, Said::Nothing);
    stage.ask(Ask::Forward(LiveId(77), Box::new(wanted)));
    stage.until("the forward", |s| s.driver.app.live().forwards.iter().any(|f| f.id == LiveId(77) && f.state == State::Open));
    let local = stage.driver.app.live().forwards.iter().find(|f| f.id == LiveId(77)).unwrap().local.clone();
    let connection = TcpStream::connect(local).unwrap();
    stage.shows("1 connections were refused by the destination");
    drop(connection);
}

#[test]
fn the_door_holds_guardrails_whatever_the_dialogue_asked() {
    let rail = |ask, environment| Guardrail {
        acts: vec![Act::Sessions],
        environment: Some(environment),
        ask,
        why: Some("it is holy".into()),
        ..Guardrail::default()
    };
    let rails = vec![
        rail(guard::Ask::Type, Environment::Production),
        rail(guard::Ask::Confirm, Environment::NonProduction),
        rail(guard::Ask::Refuse, Environment::Shared),
    ];
    let mut stage = Stage::new(Set { rails, ..Set::default() });
    let name = stage.machine(Environment::Production).account_name;
    let refused = |stage: &mut Stage, id: u64, ask: Ask, words: &str| {
        stage.ask(ask);
        stage.until(words, |stage| {
            let live = stage.driver.app.live();
            let session = live.session(LiveId(id)).map(|s| s.state.clone());
            let state = session.or_else(|| live.forwards.iter().find(|f| f.id == LiveId(id)).map(|f| f.state.clone()));
            matches!(state, Some(State::Ended { why, bad: true }) if why.contains(words) && why.contains("it is holy"))
        });
    };
    let open = |stage: &Stage, id, environment, said| Ask::Open(LiveId(id), Box::new(stage.opening(environment, said, false)));
    for (id, environment, said, words) in [
        (501, Environment::Production, Said::Nothing, "asks for its name"),
        (502, Environment::Production, Said::Yes, "asks for its name"),
        (503, Environment::Production, Said::Name("another".into()), "asks for its name"),
        (504, Environment::NonProduction, Said::Nothing, "asks for a yes"),
        (505, Environment::Shared, Said::Name("shared-services".into()), "No session is opened in"),
    ] {
        let ask = open(&stage, id, environment, said);
        refused(&mut stage, id, ask, words);
    }
    let forward = Ask::Forward(LiveId(506), Box::new(stage.forwarding(None, 22, 0, Said::Yes)));
    refused(&mut stage, 506, forward, "asks for its name");
    assert!(stage.gateway.started().is_empty() && stage.entries().is_empty(), "something went through");
    // What the dialogue heard is what the door asks for.
    let id = stage.machine(Environment::Production).id;
    stage.keys(&["7", "/", &format!("'id:{id}"), "enter", "o", "'INC-1", "enter", &format!("'{name}"), "enter"]);
    stage.until("the session", |stage| stage.gateway.started().len() == 1);
    stage.until("a prompt", |stage| stage.driver.screen().lines().any(|line| line.ends_with(['#', '$'])));
}

#[test]
fn what_must_be_recorded_is_not_opened_without_a_record() {
    let mut stage = Stage::new(Set::default());
    let opening = stage.opening(Environment::Production, Said::Nothing, true);
    stage.ask(Ask::Open(LiveId(901), Box::new(opening)));
    stage.until("the refusal", |stage| {
        let live = stage.driver.app.live();
        matches!(live.session(LiveId(901)).map(|s| &s.state), Some(State::Ended { why, bad: true }) if why.contains("always recorded"))
    });
    assert!(stage.gateway.started().is_empty() && stage.entries().is_empty() && stage.recordings().is_empty());
    // Where policy leaves it to the person, it is the person's.
    let opening = stage.opening(Environment::NonProduction, Said::Nothing, true);
    stage.ask(Ask::Open(LiveId(902), Box::new(opening)));
    stage.until("the session", |stage| {
        matches!(stage.driver.app.live().session(LiveId(902)).map(|s| &s.state), Some(State::Open))
    });
    assert!(stage.recordings().is_empty());
}

#[test]
fn a_terminal_of_any_size_keeps_its_session() {
    let mut stage = Stage::new(Set::default());
    stage.in_a_session();
    stage.run("echo be''fore", "before");
    for (width, height, words) in [(59, 15, "too small"), (1, 1, ""), (20, 3, "too small"), (500, 200, "before")] {
        stage.driver.resize(width, height);
        stage.until("the size", |stage| stage.driver.shows(words));
        assert!(!stage.driver.buffer.content.iter().any(|cell| cell.symbol().chars().any(is_hostile)));
    }
    stage.run("until stty size | grep '^195 500$'; do sleep 0.1; done; echo si''zed", "sized");
    stage.driver.resize(60, 16);
    stage.run("until stty size | grep '^11 60$'; do sleep 0.1; done; echo sm''all", "small");
    assert_eq!(stage.gateway.open_sessions().len(), 1);
}

#[test]
fn when_the_console_ends_sessions_end_or_are_left_as_configured() {
    for (at_quit, outcome, left) in [(AtQuit::Terminate, "terminated", 0), (AtQuit::Leave, "left", 1)] {
        let mut stage = Stage::new(Set { rules: Rules { at_quit, ..Rules::default() }, ..Set::default() });
        stage.in_a_session();
        stage.close();
        assert_eq!(stage.ended().0, outcome);
        assert_eq!(stage.gateway.open_sessions().len(), left, "{outcome}");
        let Some(Decision::SessionEnd { recording: Some(sealed), .. }) = stage.entries().pop() else { panic!("not sealed") };
        assert_eq!(sealed, digest(&stage.recordings()[0]).unwrap());
    }
}

#[test]
fn a_recording_is_played_sought_paused_and_held_against_the_ledger() {
    let mut stage = Stage::new(Set::default());
    stage.in_a_session();
    stage.run("printf 'fir''st\\n\\033]52;c;aGk=\\007\\033[31mred\\033[0m\\n'; echo se''cond", "second");
    stage.keys(&["'exit", "enter"]);
    let (outcome, _) = stage.ended();
    assert_eq!(outcome, "ended");
    let id = stage.driver.app.live().sessions[0].session_id.clone();
    let path = stage.recordings().pop().unwrap();
    let told = stage.desk.library().history();
    let end = told.told(&id).and_then(|told| told.end.clone()).expect("the end is told at once");
    assert_eq!(end.recording.as_deref(), Some(digest(&path).unwrap().as_str()));
    let keep = |stage: &Stage, seal| {
        stage.desk.library().keep_recordings(BTreeMap::from([(id.clone(), Kept { path: path.clone(), seal })]));
    };
    keep(&stage, Seal::Intact);
    stage.ask(Ask::Play(LiveId(801), id.clone()));
    let text = |stage: &mut Stage| -> String {
        let Some(replay) = stage.driver.app.live().replay(LiveId(801)).cloned() else { return String::new() };
        let mut text = String::new();
        replay.reel.screen.with(|t| t.draw(|_, _, glyph| text.push_str(glyph.text)));
        text
    };
    let stand = |stage: &mut Stage| stage.driver.app.live().replay(LiveId(801)).map(|r| r.reel.stand()).unwrap_or_default();
    stage.ask(Ask::Steer(LiveId(801), Steer::End));
    stage.until("the end of the recording", |stage| stand(stage).over && text(stage).contains("second"));
    assert!(text(&mut stage).contains("first") && text(&mut stage).contains("red"));
    assert!(!text(&mut stage).chars().any(is_hostile));
    stage.until("what is known of it", |s| s.driver.app.live().replay(LiveId(801)).is_some_and(|r| r.seal.is_some()));
    let replay = stage.driver.app.live().replay(LiveId(801)).cloned().unwrap();
    assert_eq!(replay.seal, Some(("its digest is the ledger's".into(), false)));
    assert!(replay.title.contains("jo"), "{}", replay.title);
    stage.ask(Ask::Steer(LiveId(801), Steer::Start));
    stage.ask(Ask::Steer(LiveId(801), Steer::Pause));
    stage.until("the start", |stage| !stand(stage).playing && !text(stage).contains("second"));
    stage.ask(Ask::End(LiveId(801)));
    stage.until("it is gone", |stage| stage.driver.app.live().replays.is_empty());

    // One byte more, and it is not what was sealed; played all the same.
    let mut whole = std::fs::read_to_string(&path).unwrap();
    whole.push_str("[9999.0, \"o\", \"forged\"]\n");
    std::fs::write(&path, whole).unwrap();
    keep(&stage, Seal::Changed);
    stage.ask(Ask::Play(LiveId(802), id.clone()));
    stage.until("the warning", |stage| {
        let replay = stage.driver.app.live().replay(LiveId(802)).cloned();
        replay.and_then(|r| r.seal).is_some_and(|(words, bad)| bad && words.contains("NOT the file that was sealed"))
    });
    // What is no recording, or is not there, says so.
    std::fs::write(&path, "nonsense").unwrap();
    stage.ask(Ask::Play(LiveId(803), id.clone()));
    stage.ask(Ask::Play(LiveId(804), "unknown".into()));
    stage.until("both refusals", |stage| {
        let why = |id: u64| match stage.driver.app.live().replay(LiveId(id)).map(|r| r.state.clone()) {
            Some(State::Ended { why, bad: true }) => why,
            _ => String::new(),
        };
        why(803).contains("no asciicast version 2") && why(804).contains("no recording of unknown")
    });
}

/// What is on a session's screen.
fn screen(stage: &Stage, id: u64) -> String {
    let Some(session) = stage.driver.app.live().session(LiveId(id)).cloned() else { return String::new() };
    let mut text = String::new();
    session.screen.with(|t| t.draw(|_, _, glyph| text.push_str(glyph.text)));
    text
}

fn leaving() -> Rules {
    Rules { at_quit: AtQuit::Leave, ..Rules::default() }
}

#[test]
fn a_session_that_was_left_is_taken_up_by_another_program_and_stays_one_on_the_record() {
    let mut stage = Stage::new(Set { rules: leaving(), ..Set::default() });
    stage.in_a_session();
    stage.run("x=ke''pt; echo be''fore", "before");
    let live = stage.driver.app.live().sessions[0].clone();
    let (id, machine) = (live.session_id, live.machine);
    let recordings = stage.home.path().join("recordings");
    assert!(left::ids(&recordings).is_empty(), "it is open");
    let opening = |stage: &Stage| Opening {
        again: Some(id.clone()),
        machine: machine.clone(),
        ..stage.opening(Environment::Production, Said::Nothing, false)
    };
    // While one program has it, another does not get it.
    let asked = opening(&stage);
    stage.ask(Ask::Open(LiveId(700), Box::new(asked)));
    stage.until("the refusal", |stage| {
        let state = stage.driver.app.live().session(LiveId(700)).map(|s| s.state.clone());
        matches!(state, Some(State::Ended { why, bad: true }) if why.contains("is open in another bartizan"))
    });
    stage.close();
    assert_eq!(stage.ended().0, "left");
    assert_eq!(left::ids(&recordings).into_iter().collect::<Vec<_>>(), std::slice::from_ref(&id));

    stage.another(Rules::default());
    let asked = opening(&stage);
    stage.ask(Ask::Open(LiveId(701), Box::new(asked)));
    // What was on the screen is on the screen again, before a key is pressed.
    stage.until("the screen as it was", |stage| screen(stage, 701).contains("before"));
    stage.ask(Ask::Input(LiveId(701), b"echo after $x\r".to_vec()));
    stage.until("the shell as it was", |stage| screen(stage, 701).contains("after kept"));
    assert!(stage.desk.library().history().told(&id).unwrap().end.is_none());
    stage.ask(Ask::Input(LiveId(701), b"exit\r".to_vec()));
    let (outcome, _) = stage.ended();
    assert_eq!(outcome, "ended");
    let entries = stage.entries();
    let kinds: Vec<&str> = entries.iter().map(Decision::word).collect();
    assert_eq!(kinds, ["session-start", "session-end", "session-start", "session-end"]);
    // One recording of all of it, sealed as a whole.
    let files = stage.recordings();
    let [path] = files.as_slice() else { panic!("{files:?}") };
    let text = std::fs::read_to_string(path).unwrap();
    for words in ["before", "taken up again: INC-2", "after kept"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let history = stage.desk.library().history();
    let told = history.told(&id).unwrap();
    let end = told.end.as_ref().unwrap();
    assert_eq!(end.recording.as_deref(), Some(digest(path).unwrap().as_str()));
    assert_eq!((told.again.len(), person(&told.again[0].actor), told.again[0].reason.as_str()), (1, "sam", "INC-2"));
    assert!(left::ids(&recordings).is_empty() && stage.gateway.open_sessions().is_empty());
    // It is over: nobody can go on with it.
    let asked = opening(&stage);
    stage.ask(Ask::Open(LiveId(702), Box::new(asked)));
    stage.until("the second refusal", |stage| {
        let state = stage.driver.app.live().session(LiveId(702)).map(|s| s.state.clone());
        matches!(state, Some(State::Ended { why, bad: true }) if why.contains("cannot be taken up here"))
    });
    assert_eq!(stage.entries().len(), 4);
}

#[test]
fn a_session_that_is_taken_up_is_guarded_and_one_whose_recording_was_changed_gets_another() {
    let rails = vec![Guardrail {
        acts: vec![Act::Sessions],
        environment: Some(Environment::Production),
        ask: guard::Ask::Type,
        why: Some("it is holy".into()),
        ..Guardrail::default()
    }];
    let mut stage = Stage::new(Set { rules: leaving(), rails, ..Set::default() });
    let machine = stage.machine(Environment::Production);
    let said = Said::Name(machine.account_name);
    let opening = stage.opening(Environment::Production, said.clone(), false);
    stage.ask(Ask::Open(LiveId(600), Box::new(opening)));
    stage.until("a prompt", |stage| screen(stage, 600).trim_end().ends_with(['#', '$']));
    let id_of = |stage: &Stage| stage.driver.app.live().session(LiveId(600)).unwrap().session_id.clone();
    stage.until("its id", |stage| !id_of(stage).is_empty());
    let id = id_of(&stage);
    stage.close();
    assert_eq!(stage.ended().0, "left");
    let first = stage.recordings().pop().unwrap();
    let mut text = std::fs::read_to_string(&first).unwrap();
    text.push_str("[9999.0, \"o\", \"forged\"]\n");
    std::fs::write(&first, &text).unwrap();

    stage.another(leaving());
    let (rails, known) = (stage.driver.scene.world.policy.guardrails.clone(), Arc::clone(&stage.driver.scene.world.estate));
    let way = Way::through(Arc::clone(&stage.gateway), Caller::default()).guarded(move |m| machines::guard(&rails, &known, m));
    let book = Book::new(Arc::new(OnceLock::from(Ok(Arc::clone(&stage.desk)))));
    let (told, outcomes) = mpsc::channel(256);
    stage.sessions = Sessions::new(way, book, leaving(), stage.home.path().join("recordings"), told);
    stage.outcomes = outcomes;
    let again = |stage: &Stage, said| Opening { again: Some(id.clone()), ..stage.opening(Environment::Production, said, false) };
    let asked = again(&stage, Said::Nothing);
    stage.ask(Ask::Open(LiveId(601), Box::new(asked)));
    stage.until("the guardrail", |stage| {
        let state = stage.driver.app.live().session(LiveId(601)).map(|s| s.state.clone());
        matches!(state, Some(State::Ended { why, bad: true }) if why.contains("it is holy"))
    });
    let asked = again(&stage, said);
    stage.ask(Ask::Open(LiveId(602), Box::new(asked)));
    stage.until("it is open", |stage| {
        stage.driver.app.live().session(LiveId(602)).is_some_and(|s| s.state == State::Open && s.recording.is_some())
    });
    stage.ask(Ask::Input(LiveId(602), b"echo mo''re\r".to_vec()));
    stage.until("the shell", |stage| screen(stage, 602).contains("more"));
    stage.close();
    // The forged file is as it was; what came is in a file of its own.
    assert_eq!(std::fs::read_to_string(&first).unwrap(), text);
    let second = stage.recordings().into_iter().find(|path| *path != first).expect("another recording");
    assert!(std::fs::read_to_string(&second).unwrap().contains("more"));
    let Some(Decision::SessionEnd { recording, outcome, .. }) = stage.entries().pop() else { panic!("no end") };
    assert_eq!((outcome.as_str(), recording), ("left", Some(digest(&second).unwrap())));
}

#[test]
fn an_encrypted_session_is_ended_at_the_quit_and_that_is_said() {
    let options = GatewayOptions { kms_key: Some("alias/sessions".into()), ..options() };
    let mut stage = Stage::new(Set { options, rules: leaving(), ..Set::default() });
    stage.in_a_session();
    stage.run("echo op''en", "open");
    stage.close();
    let (outcome, said) = stage.ended();
    assert!(outcome == "terminated" && said.contains("encrypted"), "{outcome}: {said}");
    assert!(left::ids(&stage.home.path().join("recordings")).is_empty());
    stage.until("the end on the node", |stage| stage.gateway.open_sessions().is_empty());
}

#[test]
fn a_session_that_is_open_elsewhere_is_ended_and_that_is_written_down() {
    let mut stage = Stage::new(Set { rules: leaving(), ..Set::default() });
    stage.in_a_session();
    let live = stage.driver.app.live().sessions[0].clone();
    stage.close();
    assert_eq!(stage.ended().0, "left");
    stage.another(Rules::default());
    stage.ask(Ask::EndThere(Box::new(live.machine.clone()), live.session_id.clone()));
    stage.until("the end on the node", |stage| stage.gateway.open_sessions().is_empty());
    let id = live.session_id.clone();
    stage.until("the end in the ledger", |stage| {
        let history = stage.desk.library().history();
        let end = history.told(&id).and_then(|told| told.end.clone());
        end.is_some_and(|end| end.outcome == "terminated" && end.said.contains("sam") && end.recording.is_some())
    });
    stage.shows("the session was ended");
    stage.ask(Ask::EndThere(Box::new(live.machine), "unknown".into()));
    stage.shows("not ended: AWS no longer has the session");
}
