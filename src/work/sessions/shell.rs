//! One session on a terminal: from StartSession to its end in the ledger.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::config::AtQuit;
use crate::message::Outcome;
use crate::message::session::{LiveId, Opening, Size, State};
use crate::ssm::frame;
use crate::ssm::handshake::SessionType;
use crate::ssm::service::StartRequest;
use crate::ssm::session::{Abandoned, Connection, Event, Session, SessionOptions, Status};
use crate::work::sessions::record::{Ended, Told, Writer, begin, detail, document};
use crate::work::sessions::way::Reach;
use crate::work::sessions::{Home, Over, turned};

/// A size as the protocol has it.
pub(super) fn size((cols, rows): Size) -> frame::Size {
    frame::Size { cols, rows }
}

/// Runs a session to its end.
pub(super) async fn run(
    home: &Arc<Home>,
    id: LiveId,
    opening: &Opening,
    typed: mpsc::UnboundedReceiver<Vec<u8>>,
    mut end: watch::Receiver<bool>,
) -> Over {
    let machine = &opening.machine;
    let records = match home.policy.records(machine.environment, opening.unrecorded) {
        Ok(records) => records,
        Err(why) => return Over::failed(why),
    };
    let request = match &opening.command {
        Some(command) => StartRequest::interactive_command(&machine.id, command),
        None => StartRequest::shell(&machine.id),
    };
    let request = request.because(&opening.reason);
    let mut reach = tokio::select! {
        reach = home.way.reach(machine, &opening.said) => match reach {
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
    let Reach { service, options, caller, .. } = reach;
    let session_type = if opening.command.is_some() { SessionType::InteractiveCommand } else { SessionType::Shell };
    let abandoned = match home.policy.at_quit {
        AtQuit::Terminate => Abandoned::Terminate,
        AtQuit::Leave => Abandoned::Leave,
    };
    let detail = detail(opening.command.as_deref().unwrap_or_default(), options.plugin.as_ref());
    let began = Instant::now();
    // Not given up half-way: a session that AWS has started must be known, to be ended.
    let started = Session::start(service, &request, SessionOptions { session_type, abandoned, ..options }).await;
    let mut session = match started {
        Ok(session) => session,
        Err(error) => return Over::failed(error.to_string()),
    };
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
        return Over::failed(why);
    }
    let recording = if records {
        let mut at = opening.size;
        home.session(id, |shell| at = shell.size);
        match begin(&home.recordings, machine, &session.id, at, home.policy.keystrokes) {
            Ok(recording) => Some(recording),
            Err(why) => {
                terminate(&mut session).await;
                let ended = Ended { outcome: "failed", said: why.clone(), took: began.elapsed(), ..Ended::default() };
                return finish(home, &caller, &session.id, ended, Over::failed(why)).await;
            }
        }
    } else {
        None
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
    let mut status = session.input.status();
    let mut over = follow(home, id, &mut session, &screen, writer.as_ref(), &mut status, &mut end).await;
    typing.abort();
    let _ = typing.await;
    let last = *status.borrow();
    home.session(id, |shell| (shell.input, shell.writer) = (None, None));
    drop((writer, input));
    let mut ended = Ended {
        outcome: over.outcome,
        said: if over.bad { over.why.clone() } else { String::new() },
        took: began.elapsed(),
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
async fn hand_on(mut typed: mpsc::UnboundedReceiver<Vec<u8>>, input: crate::ssm::session::Input, writer: Option<Writer>) {
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

/// Follows a session until it is over.
async fn follow(
    home: &Home,
    id: LiveId,
    session: &mut Session,
    screen: &crate::message::session::Screen,
    writer: Option<&Writer>,
    status: &mut watch::Receiver<Status>,
    end: &mut watch::Receiver<bool>,
) -> Over {
    let mut closing = home.closing.subscribe();
    let (mut ending, mut broken) = (false, None);
    loop {
        tokio::select! {
            event = session.events.next() => match event {
                Some(Event::Output(bytes) | Event::StdErr(bytes)) => {
                    let replies = screen.with(|terminal| {
                        terminal.feed(&bytes);
                        terminal.take_replies()
                    });
                    if !replies.is_empty() {
                        // A node that asks faster than it listens is not answered.
                        let _ = session.input.try_send(Bytes::from(replies));
                    }
                    if let Some(writer) = writer
                        && let Err(why) = writer.output(bytes).await
                        && broken.is_none()
                    {
                        session.input.terminate();
                        broken = Some(why);
                    }
                    if screen.touch() {
                        let _ = home.outcomes.send(Outcome::Touched).await;
                    }
                }
                Some(Event::Ready(_)) => {
                    home.session(id, |shell| shell.live.state = State::Open);
                    home.tell().await;
                }
                Some(Event::Notice(text)) => {
                    home.session(id, |shell| shell.live.notice = Some(text));
                    home.tell().await;
                }
                Some(Event::ExitCode(_) | Event::ConnectRefused) => {}
                Some(Event::End(end)) => {
                    let over = Over::of(end);
                    return match broken {
                        Some(why) => Over { why: format!("Ended here: {why}."), bad: true, outcome: "failed" },
                        None => over,
                    };
                }
                None => return Over { why: "The session was left.".into(), bad: false, outcome: "left" },
            },
            changed = status.changed() => {
                if changed.is_err() {
                    // The last event is still to come.
                    while let Some(event) = session.events.next().await {
                        if let Event::End(end) = event {
                            return Over::of(end);
                        }
                    }
                    return Over { why: "The session was left.".into(), bad: false, outcome: "left" };
                }
                let now = *status.borrow_and_update();
                if take(home, id, now, writer) {
                    home.tell().await;
                }
            }
            () = turned(&mut closing), if !ending => {
                ending = true;
                if home.policy.at_quit == AtQuit::Leave {
                    return Over { why: "The session was left running.".into(), bad: false, outcome: "left" };
                }
                session.input.terminate();
            }
            () = turned(end), if !ending => {
                ending = true;
                session.input.terminate();
            }
        }
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
