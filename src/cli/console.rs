//! `bartizan` and `bartizan demo`: the console.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value as Json;
use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
use tokio::sync::{mpsc, oneshot};

use crate::aws::{MfaRequest, Prompt};
use crate::cache::preferences;
use crate::cli::setup::Scratch;
use crate::cli::{Done, Global, setup};
use crate::config::{AtQuit, Config, SavedForward};
use crate::console::app::{App, Settings};
use crate::console::run::{Terminal, run};
use crate::console::theme::{ASCII, Depth, Glyphs, Theme, UNICODE};
use crate::demo::FINDINGS;
use crate::ledger::handle::Options;
use crate::message::session::{Live, LiveId, Saved, State};
use crate::message::{Outcome, Question};
use crate::text;
use crate::work::source::{self, Source};
use crate::work::{self, Keeping};

/// Options of the demo.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// How many findings the organisation has
    #[arg(long, default_value_t = FINDINGS, value_name = "N")]
    findings: usize,
    /// Nothing changes while you look
    #[arg(long)]
    still: bool,
}

/// The console on AWS, or on what `--from` names.
pub(super) fn console(global: &Global) -> Result<Done> {
    let config = setup::config(global)?;
    match setup::from(global)? {
        Some(source @ Source::Demo { .. }) => {
            let scratch = Scratch::new()?;
            open(|_| Ok((source, Some(scratch.ledger()))), &config, None)
        }
        Some(source) => open(|_| Ok((source, None)), &config, None),
        None => {
            let keeping = setup::directories().map(|d| d.state_dir().unwrap_or(d.data_local_dir()).join("preferences.json"));
            let live = |prompt: Prompt| {
                let ledger = setup::ledger(global, &config, Arc::clone(&prompt))?;
                let options = setup::options(global, &config, prompt);
                let cache = setup::cache_dir(global, &options);
                Ok((Source::Live { options: Box::new(options), cache }, Some(ledger)))
            };
            open(live, &config, keeping)
        }
    }
}

/// The console on the embedded organisation.
pub(super) fn demo(demo: &Demo, global: &Global) -> Result<Done> {
    let mut config = setup::config(global)?;
    setup::demo_teams(&mut config);
    let Demo { findings, still } = *demo;
    let scratch = Scratch::new()?;
    open(|_| Ok((Source::Demo { findings, still }, Some(scratch.ledger()))), &config, None)
}

fn open(
    begin: impl FnOnce(Prompt) -> Result<(Source, Option<Options>)>,
    config: &Config,
    preferences: Option<std::path::PathBuf>,
) -> Result<Done> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!("the console needs a terminal; `bartizan list` prints rows without one");
    }
    let remembered: Json = match preferences.as_deref().map(preferences::read) {
        Some(Ok(Some(remembered))) => remembered,
        // What cannot be read is as good as forgotten.
        _ => Json::Null,
    };
    let (prompt, mut questions) = ask_in_console();
    let now = Timestamp::now();
    let (source, ledger) = begin(prompt)?;
    let mut config = config.clone();
    if matches!(source, Source::Demo { .. }) {
        // Its nodes are this program: nothing of them can be left running.
        config.sessions.at_quit = AtQuit::Terminate;
    }
    let config = &config;
    // The terminal may be a whole journey away when it is asked for its colours: meanwhile the world is made, in this thread,
    // whose heap grows in large steps; that of any other asks the system for every page.
    let (opened, looks) = std::thread::scope(|scope| {
        let looks = scope.spawn(|| looks(config, &remembered));
        let opened = source::open(source, config, now);
        (opened, looks.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (theme, depth, glyphs) = looks?;
    let runtime = setup::runtime()?;
    let ended = runtime.block_on(Box::pin(async {
        let mut work = work::start(opened, config, Keeping { preferences, ledger });
        let settings = Settings {
            theme,
            depth,
            glyphs,
            keys: config.keys.clone(),
            read_only: config.read_only,
            forwards: saved(config),
            leaves: config.sessions.at_quit == AtQuit::Leave,
            only: None,
            remembered,
        };
        let app = App::new(Arc::clone(&work.world), now, settings).map_err(|e| eyre!(e))?;
        // Questions come from inside the door to AWS; the console sees them among the outcomes.
        let (outcomes, joined) = mpsc::channel(64);
        let forward = tokio::spawn(async move {
            let mut last = Last::default();
            loop {
                let outcome = tokio::select! {
                    outcome = work.outcomes.recv() => match outcome {
                        Some(outcome) => outcome,
                        None => return last.words,
                    },
                    Some(question) = questions.recv() => Outcome::Ask(question),
                };
                let live = if let Outcome::Live(live) = &outcome { Some(Arc::clone(live)) } else { None };
                // After the console has ended too: `work` is not done before it has nothing more to say.
                let gone = outcomes.send(outcome).await.is_err();
                if let Some(live) = live {
                    last.hear(&live, gone);
                }
            }
        });
        let terminal = terminal(config);
        // A fault of our own must not leave sessions behind: what ends the console ends them, then the fault goes on.
        let ran = AssertUnwindSafe(run(app, work.effects, joined, terminal)).catch_unwind().await;
        // `work` ends sessions and saves what is unsaved when it sees that nobody listens any more.
        for words in forward.await.unwrap_or_default() {
            eprintln!("{}", text::line(&words));
        }
        match ran {
            Ok(ended) => ended.wrap_err("the terminal could not be used"),
            Err(fault) => std::panic::resume_unwind(fault),
        }
    }));
    // Whatever still waits for the network need not be waited for; what has to be kept is kept by now.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended.map(|()| Done::Whole)
}

/// What became of sessions once nobody could be shown it any more.
#[derive(Default)]
struct Last {
    known: BTreeSet<LiveId>,
    words: Vec<String>,
}

impl Last {
    fn hear(&mut self, live: &Live, gone: bool) {
        for session in &live.sessions {
            if let State::Ended { why, .. } = &session.state
                && self.known.insert(session.id)
                && gone
            {
                self.words.push(format!("{}: {why}", session.machine.name));
            }
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Theme, colours and glyphs that fit the terminal.
pub(super) fn looks(config: &Config, remembered: &Json) -> Result<(Theme, Depth, Glyphs)> {
    let depth = Depth::detect(variable);
    let glyphs = if config.ascii || !speaks_unicode(variable) { ASCII } else { UNICODE };
    Ok((theme(config, remembered, depth, glyphs)?, depth, glyphs))
}

/// How the console runs in this environment.
pub(super) fn terminal(config: &Config) -> Terminal {
    Terminal {
        mouse: config.mouse,
        over_ssh: variable("SSH_CONNECTION").is_some(),
        tmux: variable("TMUX").is_some(),
        screen: variable("STY").is_some(),
    }
}

/// The forwards that have a name.
fn saved(config: &Config) -> Vec<Saved> {
    let saved = |(name, f): (&String, &SavedForward)| Saved {
        name: name.clone(),
        node: f.node.clone(),
        reason: f.reason.clone(),
        host: f.host.clone(),
        port: f.port,
        local: f.local,
        lanes: f.lanes,
    };
    config.sessions.forwards.iter().map(saved).collect()
}

/// A prompt that asks inside the console.
fn ask_in_console() -> (Prompt, mpsc::Receiver<Question>) {
    let (ask, questions) = mpsc::channel::<Question>(4);
    let prompt: Prompt = Arc::new(move |request: MfaRequest| {
        let ask = ask.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let question = Question { text: setup::question(&request), reply };
            ask.send(question).await.map_err(|_| "the console is closed".to_owned())?;
            answer.await.map_err(|_| "no code was given; ctrl-r asks again".to_owned())
        })
    });
    (prompt, questions)
}

/// The theme by option or configuration, else what was last chosen, else light or dark as the terminal is.
fn theme(config: &Config, remembered: &Json, depth: Depth, glyphs: Glyphs) -> Result<Theme> {
    let built_in = |name: &str| Theme::named(name, depth, glyphs).map_err(|e| eyre!(e));
    if config.theme != "auto" {
        let path = std::path::Path::new(&config.theme);
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(path).wrap_err_with(|| format!("could not read the theme {}", path.display()))?;
            let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or("own");
            return Theme::parse(name, &text, depth, glyphs).map_err(|e| eyre!(e));
        }
        return built_in(&config.theme);
    }
    if let Some(Ok(theme)) = remembered["theme"].as_str().map(built_in) {
        return Ok(theme);
    }
    if depth == Depth::None || depth == Depth::Sixteen {
        return built_in("terminal");
    }
    let mut options = QueryOptions::default();
    options.timeout = std::time::Duration::from_millis(60);
    match theme_mode(options) {
        Ok(ThemeMode::Light) => built_in("light"),
        _ => built_in("dark"),
    }
}

/// Whether the locale says UTF-8 (POSIX: the first of these that is set decides) and the terminal can show it.
fn speaks_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name).filter(|v| !v.is_empty()));
    let utf8 = locale.is_none_or(|l| l.to_ascii_lowercase().replace('-', "").contains("utf8"));
    utf8 && variable("TERM").is_none_or(|term| term != "linux")
}
