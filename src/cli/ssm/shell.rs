//! A shell on a node, in the whole terminal: the console with one session and nothing else, so that recording, escapes,
//! reconnecting and safe output are those of the console.

use std::io::{self, IsTerminal as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::cli::ssm::At;
use crate::cli::{Done, console};
use crate::console::app::{App, Settings};
use crate::console::run::run;
use crate::message::session::{LiveSession, Opening, State};
use crate::message::{Effect, Outcome};
use crate::text;
use crate::work::sessions::Sessions;

/// Opens the shell, or goes on with one that was left, and waits for its end.
pub(super) async fn shell(at: At, no_record: bool, again: Option<String>) -> Result<Done> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!("a shell needs a terminal; `bartizan ssm run NODE -- COMMAND` needs none");
    }
    at.config.sessions.records(at.machine.environment, no_record).map_err(|why| eyre!(why))?;
    let At { machine, reason, said, config, way, book, desk, recordings, at: kept } = at;
    let (theme, depth, glyphs) = console::looks(&config, &Json::Null)?;
    let opening = Opening { machine, reason, finding: None, command: None, again, size: (80, 24), unrecorded: no_record, said };
    let settings = Settings {
        theme,
        depth,
        glyphs,
        keys: config.keys.clone(),
        read_only: false,
        forwards: Vec::new(),
        leaves: false,
        only: Some(opening),
        remembered: Json::Null,
    };
    let app = App::new(Arc::clone(&kept.world), Timestamp::now(), settings).map_err(|e| eyre!(e))?;
    let (told, mut heard) = mpsc::channel(64);
    let sessions = Sessions::new(way, book, config.sessions.clone(), recordings, told);
    let (effects, mut asked) = mpsc::unbounded_channel();
    let (outcomes, joined) = mpsc::channel(64);
    let ask = {
        let sessions = sessions.clone();
        tokio::spawn(async move {
            while let Some(effect) = asked.recv().await {
                if let Effect::Session(ask) = effect {
                    sessions.ask(ask);
                }
            }
        })
    };
    let forward = tokio::spawn(async move {
        let mut last: Option<LiveSession> = None;
        while let Some(outcome) = heard.recv().await {
            if let Outcome::Live(live) = &outcome {
                last = live.sessions.first().cloned().or(last);
            }
            // After the console has ended its end is still waited for.
            let _ = outcomes.send(outcome).await;
        }
        last
    });
    let ran = AssertUnwindSafe(run(app, effects, joined, console::terminal(&config))).catch_unwind().await;
    let _ = ask.await;
    sessions.close().await;
    drop(sessions);
    let last = forward.await.ok().flatten();
    desk.ledger().close().await?;
    match ran {
        Ok(ended) => ended.wrap_err("the terminal could not be used")?,
        Err(fault) => std::panic::resume_unwind(fault),
    }
    let Some(last) = last else { bail!("the session was not opened") };
    if let Some(path) = &last.recording {
        eprintln!("recorded in {}", path.display());
    }
    match &last.state {
        State::Ended { why, bad: true } => bail!("{}", text::line(why)),
        State::Ended { why, .. } => eprintln!("{}", text::line(why)),
        State::Starting | State::Open | State::Reconnecting(_) => eprintln!("the session is left to end by itself"),
    }
    Ok(Done::Whole)
}
