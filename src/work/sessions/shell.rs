//! One session on a terminal: from StartSession, or from where another client stood, to its end in the ledger.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::config::AtQuit;
use crate::message::Outcome;
use crate::message::session::{LiveId, Opening, Size, State};
use crate::model::account::Caller;
use crate::model::decision::Hash;
use crate::ssm::frame;
use crate::ssm::handshake::SessionType;
use crate::ssm::service::StartRequest;
use crate::ssm::session::{Abandoned, Connection, End, Event, Input, Session, SessionOptions, Status};
use crate::ssm::standing::{Keep, Standing};
use crate::terminal::{Scene, Terminal};
use crate::work::sessions::left::{self, Holder, Pending};
use crate::work::sessions::record::{Ended, Recording, Told, Writer, begin, detail, document, go_on};
use crate::work::sessions::way::Reach;
use crate::work::sessions::{Home, Over, turned};

/// A size as the protocol has it.
pub(super) fn size((cols, rows): Size) -> frame::Size {
    frame::Size { cols, rows }
}

/// A session that has begun, and what it is written into.
struct Begun {
    session: Session,
    caller: Caller,
    recording: Option<(Writer, Recording)>,
    at: Instant,
    /// Why it can't be left running, as far as that is known beforehand.
    bound: Option<&'static str>,
}

/// Why a session can't be left.
const ENCRYPTED: &str = "an encrypted session cannot be taken up again, because its keys are in this program's memory alone";
const CARRIED: &str = "what the plugin carries cannot be taken up again";

/// Runs a session to its end.
pub(super) async fn run(
    home: &Arc<Home>,
    id: LiveId,
    opening: &Opening,
    typed: mpsc::UnboundedReceiver<Vec<u8>>,
    mut end: watch::Receiver<bool>,
) -> Over {
    let machine = &opening.machine;
    let records = match (home.policy.records(machine.environment, opening.unrecorded), &opening.again) {
        (Ok(records), _) => records,
        // Policy has changed since it was opened: from now on it is recorded.
        (Err(_), Some(_)) => true,
        (Err(why), None) => return Over::failed(why),
    };
    let reached = async {
        let reach = home.way.reach(machine, &opening.said).await?;
        home.book.ready().await.map(|()| reach)
    };
    let mut reach = tokio::select! {
        reach = reached => match reach {
            Ok(reach) => reach,
            Err(why) => return Over::failed(why),
        },
        () = turned(&mut end) => return stopped(),
    };
    let screen = {
        let mut found = None;
        home.session(id, |shell| {
            if let Some(banner) = &reach.banner {
                let lines: String = banner.lines().map(|line| format!("\x1b[7m {line} \x1b[0m\r\n")).collect();
                shell.live.screen.with(|terminal| terminal.feed(lines.as_bytes()));
            }
            reach.options.size = Some(size(shell.size));
            found = Some(Arc::clone(&shell.live.screen));
        });
        let Some(screen) = found else { return stopped() };
        screen
    };
    reach.options.session_type = if opening.command.is_some() { SessionType::InteractiveCommand } else { SessionType::Shell };
    reach.options.abandoned = match home.policy.at_quit {
        AtQuit::Terminate => Abandoned::Terminate,
        AtQuit::Leave => Abandoned::Leave,
    };
    let began = match &opening.again {
        None => anew(home, id, opening, records, reach).await,
        Some(session) => again(home, id, opening, session, records, reach).await,
    };
    let Begun { mut session, caller, recording, at, bound } = match began {
        Ok(begun) => begun,
        Err(over) => return over,
    };
    let (writer, recording) = recording.map_or((None, None), |(writer, recording)| (Some(writer), Some(recording)));
    home.session(id, |shell| {
        shell.live.session_id.clone_from(&session.id);
        shell.live.recording = recording.as_ref().map(|r| r.path.clone());
        shell.input = Some(session.input.clone());
        shell.writer.clone_from(&writer);
        session.input.resize(size(shell.size));
    });
    home.tell().await;
    let input = session.input.clone();
    let typing = tokio::spawn(hand_on(typed, input.clone(), writer.clone()));
    let status = session.input.status();
    let mut following = Following { home, id, screen: &screen, writer: writer.as_ref(), bound, ready: false };
    let (mut over, said) = following.follow(&mut session, &mut end).await;
    typing.abort();
    let _ = typing.await;
    let last = *status.borrow();
    home.session(id, |shell| (shell.input, shell.writer) = (None, None));
    drop((writer, input));
    let mut ended = Ended {
        outcome: over.outcome,
        said: if over.bad || said { over.why.clone() } else { String::new() },
        took: at.elapsed(),
        received: last.received,
        sent: last.sent,
        recording: None,
    };
    if let Some(recording) = recording {
        match recording.seal().await {
            Ok(digest) => ended.recording = Some(digest),
            Err(why) => over = Over { why: format!("{} But {why}.", over.why), bad: true, ..over },
        }
    }
    finish(home, &caller, &session.id, ended, over).await
}

/// Starts a session.
async fn anew(home: &Arc<Home>, id: LiveId, opening: &Opening, records: bool, reach: Reach) -> Result<Begun, Over> {
    let machine = &opening.machine;
    let request = match &opening.command {
        Some(command) => StartRequest::interactive_command(&machine.id, command),
        None => StartRequest::shell(&machine.id),
    };
    let request = request.because(&opening.reason);
    let Reach { service, options, caller, .. } = reach;
    let detail = detail(opening.command.as_deref().unwrap_or_default(), options.plugin.as_ref());
    let bound = options.plugin.is_some().then_some(CARRIED);
    let began = Instant::now();
    // Whoever takes it up later finds it under the id that AWS gives it.
    let holder = Arc::new(Pending::default());
    let noting = Arc::clone(&holder);
    let keep: Keep = Arc::new(move |standing: Option<&Standing>| noting.keep(standing));
    // Not given up half-way: a session that AWS has started must be known, to be ended.
    let started = Session::start(service, &request, SessionOptions { keep: Some(keep), ..options }).await;
    let mut session = started.map_err(|error| Over::failed(error.to_string()))?;
    let told = Told {
        machine: machine.clone(),
        mode: if opening.command.is_some() { "command" } else { "shell" },
        detail,
        document: document(machine, &request),
        reason: opening.reason.clone(),
        finding: opening.finding,
    };
    if let Err(why) = home.book.start(&caller, &session.id, &told).await {
        // What is not on the record does not happen.
        terminate(&mut session).await;
        return Err(Over::failed(why));
    }
    let recording = if records {
        let mut at = opening.size;
        home.session(id, |shell| at = shell.size);
        match begin(&home.recordings, machine, &session.id, at, home.policy.keystrokes) {
            Ok(recording) => Some(recording),
            Err(why) => {
                terminate(&mut session).await;
                let ended = Ended { outcome: "failed", said: why.clone(), took: began.elapsed(), ..Ended::default() };
                return Err(finish(home, &caller, &session.id, ended, Over::failed(why)).await);
            }
        }
    } else {
        None
    };
    let file = recording.as_ref().map(|(_, recording)| recording.path.as_path());
    holder.fill(Holder::new(&home.recordings, &session.id, machine, opening.command.is_some(), file));
    Ok(Begun { session, caller, recording, at: began, bound })
}

/// Takes up a session that was left, or whose program was killed. Until everything is in order it is left alone.
async fn again(
    home: &Arc<Home>,
    id: LiveId,
    opening: &Opening,
    session_id: &str,
    records: bool,
    reach: Reach,
) -> Result<Begun, Over> {
    let machine = &opening.machine;
    let (note, holder) = left::take(&home.recordings, session_id).map_err(Over::failed)?;
    let history = home.book.history().map_err(Over::failed)?;
    let known = history.told(session_id);
    let sealed = known.and_then(|told| told.end.as_ref()).and_then(|end| end.recording.clone());
    let at = opening.size;
    let mut recording = None;
    if records {
        let (directory, keystrokes) = (home.recordings.clone(), home.policy.keystrokes);
        let (machine, session) = (machine.clone(), session_id.to_owned());
        let mut screen = None;
        home.session(id, |shell| screen = Some((Arc::clone(&shell.live.screen), shell.size)));
        let file = note.recording.clone();
        let going = move || go_on_with(&directory, file, sealed.as_deref(), &machine, &session, at, keystrokes, screen);
        // The task of a recording is begun from here.
        let runtime = tokio::runtime::Handle::current();
        let begun = tokio::task::spawn_blocking(move || {
            let _in = runtime.enter();
            going()
        });
        recording = match begun.await {
            Ok(Ok(recording)) => Some(recording),
            Ok(Err(why)) => return Err(Over::failed(why)),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(stopped()),
        };
    }
    let Reach { service, options, caller, .. } = reach;
    let told = Told {
        machine: machine.clone(),
        mode: if note.command { "command" } else { "shell" },
        detail: known.map_or_else(String::new, |told| told.detail.clone()),
        document: known.map_or_else(String::new, |told| told.document.clone()),
        reason: opening.reason.clone(),
        finding: opening.finding,
    };
    home.book.start(&caller, session_id, &told).await.map_err(Over::failed)?;
    if let Some((writer, _)) = &recording {
        writer.marker(&format!("taken up again: {}", opening.reason));
    }
    holder.recorded(recording.as_ref().map(|(_, recording)| recording.path.as_path()));
    let session_type = if note.command { SessionType::InteractiveCommand } else { SessionType::Shell };
    let keep: Keep = Arc::new(move |standing: Option<&Standing>| holder.keep(standing));
    let options = SessionOptions { session_type, plugin: None, keep: Some(keep), ..options };
    let session = Session::take_up(service, &machine.id, session_id, &note.standing, options);
    Ok(Begun { session, caller, recording, at: Instant::now(), bound: None })
}

/// Goes on with a session's recording, with what it had last on the screen; begins another where its file is not the one that
/// was sealed.
#[allow(clippy::too_many_arguments, reason = "what a thread of its own has to be given")]
fn go_on_with(
    directory: &std::path::Path,
    file: Option<PathBuf>,
    sealed: Option<&str>,
    machine: &crate::model::node::Machine,
    session: &str,
    at: Size,
    keystrokes: bool,
    screen: Option<(Arc<crate::message::session::Screen>, Size)>,
) -> Result<(Writer, Recording), String> {
    let feed = |columns, rows, scene: Option<Scene>| {
        let Some((screen, _)) = &screen else { return };
        screen.with(|terminal| match scene {
            None => *terminal = Terminal::new(columns, rows, crate::terminal::Allow::default()),
            Some(Scene::Output(text)) => {
                terminal.feed(text.as_bytes());
                // Whoever asked then has been answered.
                let _ = terminal.take_replies();
            }
            Some(Scene::Resize(columns, rows)) => terminal.resize(columns, rows),
            Some(Scene::Marker(_)) => {}
        });
    };
    let known = file.filter(|file| file.is_file());
    let same = |digest: [u8; 32]| sealed.is_none_or(|sealed| Hash(digest).to_string() == sealed);
    let gone_on = known.and_then(|file| match go_on(&file, keystrokes, same, feed) {
        Ok(going) => going,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "a recording cannot be gone on with: another is begun");
            None
        }
    });
    if let Some((_, (columns, rows))) = screen {
        feed(columns, rows, Some(Scene::Resize(columns, rows)));
    }
    let recording = match gone_on {
        Some(going) => going,
        None => begin(directory, machine, session, at, keystrokes)?,
    };
    recording.0.resize(screen.map_or(at, |(_, size)| size));
    Ok(recording)
}

fn stopped() -> Over {
    Over { why: "It was given up before it was open.".into(), bad: false, outcome: "terminated" }
}

async fn finish(home: &Home, caller: &crate::model::account::Caller, session_id: &str, ended: Ended, over: Over) -> Over {
    match home.book.end(caller, session_id, ended).await {
        Ok(()) => over,
        Err(why) => Over { why: format!("{} {why}", over.why), bad: true, ..over },
    }
}

/// Asks for a session's end and waits for it.
async fn terminate(session: &mut Session) {
    session.input.terminate();
    while session.events.next().await.is_some() {}
}

/// Hands on what is typed; waits where the node or the connection holds it back.
async fn hand_on(mut typed: mpsc::UnboundedReceiver<Vec<u8>>, input: Input, writer: Option<Writer>) {
    while let Some(bytes) = typed.recv().await {
        if let Some(writer) = &writer {
            // A broken recording ends the session elsewhere.
            let _ = writer.input(bytes.clone()).await;
        }
        if input.send(Bytes::from(bytes)).await.is_err() {
            return;
        }
    }
}

/// A session as it goes on.
struct Following<'a> {
    home: &'a Home,
    id: LiveId,
    screen: &'a crate::message::session::Screen,
    writer: Option<&'a Writer>,
    /// Why it can't be left running.
    bound: Option<&'static str>,
    ready: bool,
}

impl Following<'_> {
    /// Follows it until it is over; how, and whether the ledger has to be told in words.
    async fn follow(&mut self, session: &mut Session, end: &mut watch::Receiver<bool>) -> (Over, bool) {
        let (home, id) = (self.home, self.id);
        let mut status = session.input.status();
        let mut closing = home.closing.subscribe();
        let (mut ending, mut broken, mut kept) = (false, None, None);
        loop {
            tokio::select! {
                event = session.events.next() => match event {
                    Some(Event::Output(bytes) | Event::StdErr(bytes)) => {
                        if let Err(why) = self.output(session, bytes).await
                            && broken.is_none()
                        {
                            session.input.terminate();
                            broken = Some(why);
                        }
                    }
                    Some(Event::Ready(opened)) => {
                        self.ready = true;
                        if opened.encrypted {
                            self.bound = Some(ENCRYPTED);
                        }
                        home.session(id, |shell| shell.live.state = State::Open);
                        home.tell().await;
                    }
                    Some(Event::Notice(text)) => {
                        home.session(id, |shell| shell.live.notice = Some(text));
                        home.tell().await;
                    }
                    Some(Event::ExitCode(_) | Event::ConnectRefused) => {}
                    Some(Event::End(end)) => return over(&session.id, end, broken, kept),
                    None => return over(&session.id, End::Left, broken, kept),
                },
                changed = status.changed() => {
                    if changed.is_err() {
                        // The last events are still to come.
                        while let Some(event) = session.events.next().await {
                            match event {
                                Event::Output(bytes) => _ = self.output(session, bytes).await,
                                Event::End(end) => return over(&session.id, end, broken, kept),
                                _ => {}
                            }
                        }
                        return over(&session.id, End::Left, broken, kept);
                    }
                    let now = *status.borrow_and_update();
                    if take(home, id, now, self.writer) {
                        home.tell().await;
                    }
                }
                () = turned(&mut closing), if !ending => {
                    ending = true;
                    // What was never open nobody could take up.
                    match self.bound {
                        None if home.policy.at_quit == AtQuit::Leave && self.ready => session.input.leave(),
                        bound => {
                            kept = bound.filter(|_| home.policy.at_quit == AtQuit::Leave);
                            session.input.terminate();
                        }
                    }
                }
                () = turned(end), if !ending => {
                    ending = true;
                    session.input.terminate();
                }
            }
        }
    }

    /// Shows and records what the node said.
    async fn output(&self, session: &Session, bytes: Bytes) -> Result<(), String> {
        let replies = self.screen.with(|terminal| {
            terminal.feed(&bytes);
            terminal.take_replies()
        });
        if !replies.is_empty() {
            // A node that asks faster than it listens is not answered.
            let _ = session.input.try_send(Bytes::from(replies));
        }
        let written = match self.writer {
            Some(writer) => writer.output(bytes).await,
            None => Ok(()),
        };
        if self.screen.touch() {
            let _ = self.home.outcomes.send(Outcome::Touched).await;
        }
        written
    }
}

/// How a session came to its end: why its recording broke, and why it was ended although it should have been left.
fn over(session: &str, end: End, broken: Option<String>, bound: Option<&str>) -> (Over, bool) {
    let left = end == End::Left;
    let over = Over::of(end);
    match (broken, bound) {
        (Some(why), _) => (Over { why: format!("Ended here: {why}."), bad: true, outcome: "failed" }, true),
        (None, Some(why)) if !over.bad => (Over { why: format!("Ended, not left: {why}."), ..over }, true),
        (None, _) if left => {
            let why = format!("The session was left running: `bartizan ssm resume {session}` takes it up again.");
            (Over { why, ..over }, false)
        }
        (None, _) => (over, false),
    }
}

/// Takes a state of the connection; whether it is worth telling.
fn take(home: &Home, id: LiveId, now: Status, writer: Option<&Writer>) -> bool {
    let mut news = false;
    home.session(id, |shell| {
        let live = &mut shell.live;
        let state = match now.connection {
            Connection::Reconnecting(n) => State::Reconnecting(n),
            Connection::Connecting => State::Starting,
            Connection::Connected | Connection::Paused if now.ready => State::Open,
            Connection::Connected | Connection::Paused | Connection::Ended => live.state.clone(),
        };
        if let (State::Open | State::Reconnecting(_), Some(writer)) = (&state, writer) {
            match (&live.state, &state) {
                (State::Open, State::Reconnecting(_)) => writer.marker("connection lost"),
                (State::Reconnecting(_), State::Open) => writer.marker("reconnected"),
                _ => {}
            }
        }
        news = live.state != state || live.unanswered != now.unanswered;
        live.state = state;
        live.unanswered = now.unanswered;
    });
    news
}
