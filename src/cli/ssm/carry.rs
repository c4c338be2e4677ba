//! What carries bytes from and to a node without a screen: one command, port forwards, the stream of an SSH connection.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use color_eyre::eyre::{Result, bail, eyre};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::cli::ssm::plain::Plain;
use crate::cli::ssm::{At, Target, Why};
use crate::cli::{Done, Global};
use crate::config::Config;
use crate::console::run::Stop;
use crate::message::Outcome;
use crate::message::session::{Ask, Forwarding, LiveId, State};
use crate::model::account::Caller;
use crate::ssm::forward::pipe;
use crate::ssm::frame::Size;
use crate::ssm::handshake::SessionType;
use crate::ssm::service::StartRequest;
use crate::ssm::session::{End, Event, Session, SessionOptions};
use crate::text;
use crate::work::sessions::record::{Ended, Told, begin, document};
use crate::work::sessions::way::Reach;
use crate::work::sessions::{Sessions, outcome};

/// Ctrl-C as the agent knows it.
const INTERRUPT: &[u8] = &[3];
/// How long a session's end is waited for after it was asked for.
const FAREWELL: Duration = Duration::from_secs(4);
/// Of the terminal that a command in a container runs on: nothing is to be cut off.
const SIZE: (u16, u16) = (250, 50);

/// Starts a session and writes its start into the ledger.
async fn start(
    at: &At,
    request: StartRequest,
    session_type: SessionType,
    mode: &'static str,
    detail: String,
) -> Result<(Session, Caller)> {
    let Reach { service, options, caller, banner } = at.way.reach(&at.machine, &at.said).await.map_err(|why| eyre!(why))?;
    if let Some(banner) = banner {
        eprintln!("{}", text::block(&banner));
    }
    let request = request.because(&at.reason);
    let (cols, rows) = SIZE;
    let size = (session_type == SessionType::InteractiveCommand).then_some(Size { cols, rows });
    let options = SessionOptions { session_type, size, ..options };
    let mut session = Session::start(service, &request, options).await?;
    let told = Told {
        machine: at.machine.clone(),
        mode,
        detail,
        document: document(&at.machine, &request),
        reason: at.reason.clone(),
        finding: None,
    };
    if let Err(why) = at.book.start(&caller, &session.id, &told).await {
        session.input.terminate();
        while session.events.next().await.is_some() {}
        bail!(why);
    }
    Ok((session, caller))
}

/// Writes to a stream of ours: as it comes where that is a file or a pipe, made safe where it is a terminal.
async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], terminal: bool) -> io::Result<()> {
    if terminal {
        to.write_all(text::block(&String::from_utf8_lossy(bytes)).as_bytes()).await?;
    } else {
        to.write_all(bytes).await?;
    }
    to.flush().await
}

/// Line ends as a terminal would have had them: a recording is played on one.
fn as_on_a_terminal(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out.into()
}

/// Runs one command.
pub(super) async fn command(at: At, command: &[String], no_record: bool) -> Result<Done> {
    let command = command.join(" ");
    let records = at.config.sessions.records(at.machine.environment, no_record).map_err(|why| eyre!(why))?;
    // ECS Exec has terminals only: the exit code is told on it, by a word that nobody can guess.
    let mut plain = at.machine.is_container().then(|| Plain::new(format!("{:032x}", fastrand::u128(..))));
    let (request, kind) = match &plain {
        Some(plain) => {
            (StartRequest::interactive_command(&at.machine.id, &plain.wrap(&command)), SessionType::InteractiveCommand)
        }
        None => (StartRequest::command(&at.machine.id, &command), SessionType::NonInteractiveCommand),
    };
    let began = Instant::now();
    let mut stop = Stop::new()?;
    let (mut session, caller) = start(&at, request, kind, "command", command).await?;
    let mut recording = None;
    if records {
        let size = if plain.is_some() { SIZE } else { (80, 24) };
        match begin(&at.recordings, &at.machine, &session.id, size, false) {
            Ok(begun) => recording = Some(begun),
            Err(why) => {
                session.input.terminate();
                while session.events.next().await.is_some() {}
                let ended = Ended { outcome: "failed", said: why.clone(), took: began.elapsed(), ..Ended::default() };
                at.book.end(&caller, &session.id, ended).await.map_err(|why| eyre!(why))?;
                bail!(why);
            }
        }
    }
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    let terminals = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let status = session.input.status();
    let (mut code, mut closed, mut interrupts) = (None, false, 0);
    let mut ended = Err(eyre!("the session was left"));
    loop {
        let event = tokio::select! {
            event = session.events.next() => event,
            pressed = tokio::signal::ctrl_c() => {
                interrupts += 1;
                if pressed.is_err() || interrupts > 1 || session.input.try_send(Bytes::from_static(INTERRUPT)).is_err() {
                    session.input.terminate();
                }
                continue;
            }
            // A terminal that is gone, a machine that goes down: nothing is left running on the node.
            () = stop.told() => {
                session.input.terminate();
                continue;
            }
        };
        let Some(event) = event else { break };
        let event = match (event, &mut plain) {
            (Event::Output(bytes), Some(plain)) => {
                let known = plain.code.is_some();
                let output = plain.take(&bytes);
                if !known && plain.code.is_some() {
                    // It was heard: now it may end.
                    let _ = session.input.try_send(Bytes::from_static(b"\r"));
                }
                Event::Output(output.into())
            }
            // What was held back for the word that did not come.
            (Event::End(end), Some(plain)) => {
                let _ = write(&mut out, &plain.rest(), terminals.0).await;
                code = plain.code;
                Event::End(end)
            }
            (event, _) => event,
        };
        let written = match &event {
            Event::Output(bytes) => write(&mut out, bytes, terminals.0).await,
            Event::StdErr(bytes) => write(&mut err, bytes, terminals.1).await,
            _ => Ok(()),
        };
        if let Err(error) = written
            && !closed
        {
            // Whoever read it has gone: so does the command.
            closed = true;
            session.input.terminate();
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("the output could not be written: {error}");
            }
        }
        match event {
            Event::Output(bytes) | Event::StdErr(bytes) => {
                if let Some((writer, _)) = &recording
                    && let Err(why) = writer.output(as_on_a_terminal(&bytes)).await
                {
                    session.input.terminate();
                    eprintln!("{why}");
                }
            }
            Event::ExitCode(number) => code = Some(number),
            Event::Notice(notice) => eprintln!("{}", text::line(&notice)),
            Event::End(end) => {
                ended = Ok(end);
                break;
            }
            Event::Ready(_) | Event::ConnectRefused => {}
        }
    }
    let end = ended?;
    let told = outcome(&end);
    let last = *status.borrow();
    let seal = match recording {
        Some((writer, recording)) => {
            drop(writer);
            Some(recording.seal().await.map_err(|why| eyre!(why))?)
        }
        None => None,
    };
    let entry = Ended {
        outcome: told.0,
        said: code.map_or_else(|| told.1.clone(), |code| format!("exit code {code}")),
        recording: seal,
        took: began.elapsed(),
        received: last.received,
        sent: last.sent,
    };
    at.book.end(&caller, &session.id, entry).await.map_err(|why| eyre!(why))?;
    at.desk.ledger().close().await?;
    match (code, end) {
        (Some(code), _) => Ok(Done::Code(u8::try_from(code).unwrap_or(255))),
        (None, End::Terminated) if interrupts > 0 => Ok(Done::Code(130)),
        (None, End::Closed(said)) if said.trim().is_empty() && plain.is_some() => {
            bail!("the session ended before the command told its exit code: does the container have /bin/sh?")
        }
        (None, End::Closed(said)) if said.trim().is_empty() => {
            bail!("the command's end came without an exit code: the agent is too old to tell one")
        }
        (None, _) => bail!("{}", text::line(&told.1)),
    }
}

/// Carries an SSH connection.
pub(super) async fn proxy(at: At, port: u16) -> Result<Done> {
    let request = StartRequest::ssh(&at.machine.id, port);
    let began = Instant::now();
    // OpenSSH hangs up on its proxy command as soon as the connection is over.
    let mut stop = Stop::new()?;
    let (session, caller) = start(&at, request, SessionType::Port, "proxy", format!("port {port}")).await?;
    let (id, status, input) = (session.id.clone(), session.input.status(), session.input.clone());
    let mut piped = std::pin::pin!(pipe(session, tokio::io::stdin(), tokio::io::stdout()));
    let end = tokio::select! {
        end = &mut piped => end,
        () = stop.asked() => {
            input.terminate();
            tokio::time::timeout(FAREWELL, piped).await.unwrap_or(End::Terminated)
        }
    };
    let (word, said) = outcome(&end);
    let last = *status.borrow();
    let ended = Ended {
        outcome: word,
        said: said.clone(),
        recording: None,
        took: began.elapsed(),
        received: last.received,
        sent: last.sent,
    };
    at.book.end(&caller, &id, ended).await.map_err(|why| eyre!(why))?;
    at.desk.ledger().close().await?;
    match end {
        End::Terminated | End::Left => Ok(Done::Whole),
        End::Closed(said) if said.trim().is_empty() => Ok(Done::Whole),
        _ => bail!("{}", text::line(&said)),
    }
}

/// What is to be forwarded: what was said, or a saved forward.
pub(super) async fn wanted(target: &Target, global: &Global, config: Config, to: Option<&str>) -> Result<(At, Forwarding)> {
    let saved = config.sessions.forwards.get(&target.node).filter(|_| to.is_none()).cloned();
    let (at, host, port, local, lanes) = match saved {
        Some(saved) => {
            let reason = target.why.reason.clone().or(Some(saved.reason.clone())).filter(|r| !r.is_empty());
            let meant = Target { node: saved.node.clone(), why: Why { reason, confirm: target.why.confirm.clone() } };
            (meant.at(global, config).await?, saved.host.clone(), saved.port, saved.local, saved.lanes)
        }
        None => {
            let to = to.ok_or_else(|| {
                let known: Vec<&str> = config.sessions.forwards.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "there are none".into() } else { known.join(", ") };
                eyre!("say where to: a port, or host:port; {:?} is no saved forward ({known})", target.node)
            })?;
            let (host, port) = crate::console::opener::destination(to).map_err(|why| eyre!(why))?;
            (target.at(global, config).await?, host, port, 0, 1)
        }
    };
    let forwarding =
        Forwarding { machine: at.machine.clone(), reason: at.reason.clone(), host, port, local, lanes, said: at.said.clone() };
    Ok((at, forwarding))
}

/// Forwards a port until it is stopped.
pub(super) async fn forward(at: At, wanted: Forwarding) -> Result<Done> {
    let At { way, book, config, recordings, desk, at: _kept, .. } = at;
    let (outcomes, mut heard) = mpsc::channel(64);
    let sessions = Sessions::new(way, book, config.sessions.clone(), recordings, outcomes);
    sessions.ask(Ask::Forward(LiveId(1), Box::new(wanted.clone())));
    let mut stop = Stop::new()?;
    let (mut told, mut notice, mut failed) = (false, None, None);
    loop {
        let outcome = tokio::select! {
            outcome = heard.recv() => outcome,
            () = stop.asked() => None,
        };
        let Some(outcome) = outcome else { break };
        let Outcome::Live(live) = outcome else { continue };
        let Some(now) = live.forwards.first() else { continue };
        match &now.state {
            State::Open if !told => {
                told = true;
                println!("{}", now.local);
                eprintln!(
                    "{} leads to {} through {}; ctrl-c stops it",
                    now.local,
                    text::line(&wanted.destination()),
                    text::line(&wanted.machine.name)
                );
            }
            State::Ended { why, bad } => {
                if *bad {
                    failed = Some(why.clone());
                }
                break;
            }
            _ => {}
        }
        if now.notice != notice {
            notice.clone_from(&now.notice);
            if let Some(notice) = &notice {
                eprintln!("{}", text::line(notice));
            }
        }
    }
    // Its last words may be more than the channel holds.
    let drain = tokio::spawn(async move { while heard.recv().await.is_some() {} });
    sessions.close().await;
    drop(sessions);
    let _ = drain.await;
    desk.ledger().close().await?;
    match failed {
        Some(why) => bail!("{}", text::line(&why)),
        None => Ok(Done::Whole),
    }
}
