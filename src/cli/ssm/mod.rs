//! `bartizan ssm`: sessions on nodes from the command line. Which machine is meant, why, and what the guardrail asks is
//! settled here; shells, commands and forwards are in files of their own.

mod again;
mod carry;
mod ecs;
mod list;
mod plain;
mod plugin;
mod replay;
mod shell;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;

use crate::catalog::machines;
use crate::cli::setup::AtDesk;
use crate::cli::{Done, Global, setup};
use crate::config::{AtQuit, Config};
use crate::model::estate::Estate;
use crate::model::guard::{Ask, Said};
use crate::model::node::Machine;
use crate::ssm::plugin::{NAME, Plugin};
use crate::text;
use crate::work::desk::Desk;
use crate::work::sessions::record::Book;
use crate::work::sessions::way::Way;
use crate::work::sweep::{Kind, Used};

/// Options of ssm.
#[derive(Debug, Args)]
pub(super) struct Ssm {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A shell on a node or in a container; `~?` after a newline lists what the keyboard can do besides
    Shell {
        #[command(flatten)]
        place: Place,
        /// Do not record it, where policy leaves that to you
        #[arg(long)]
        no_record: bool,
        #[command(flatten)]
        by: By,
    },
    /// Run one command without a terminal; its exit code becomes this one's, its error stream stays apart
    Run {
        #[command(flatten)]
        place: Place,
        /// Do not record it, where policy leaves that to you
        #[arg(long)]
        no_record: bool,
        /// The command, behind `--`
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Forward a port of a node, or of a host behind it, to this machine, until ctrl-c
    Forward {
        #[command(flatten)]
        target: Target,
        /// A port of the node, or host:port behind it; not for a saved forward
        #[arg(value_name = "PORT|HOST:PORT")]
        to: Option<String>,
        /// The port here [default: a free one]
        #[arg(long, short, value_name = "PORT")]
        local: Option<u16>,
        /// Sessions that share the connections; one carries about 0.7 MiB/s from the node
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32), conflicts_with = "plugin")]
        lanes: Option<u8>,
        #[command(flatten)]
        by: By,
    },
    /// Carry an SSH connection over standard input and output: OpenSSH's ProxyCommand
    Proxy {
        #[command(flatten)]
        target: Target,
        /// The port of the SSH server on the node
        #[arg(default_value_t = 22)]
        port: u16,
        #[command(flatten)]
        by: By,
    },
    /// Go on with a shell that was left running, or whose program was killed, on this machine
    Resume {
        /// The session's id, or its beginning or end; needless where there is but one
        session: Option<String>,
        #[command(flatten)]
        why: Why,
        /// Do not record what comes, where policy leaves that to you
        #[arg(long)]
        no_record: bool,
    },
    /// End a session, wherever it is open
    End {
        /// The session's id, or its beginning or end
        session: String,
    },
    /// Print sessions: those AWS remembers, and those in the ledger
    List(list::List),
    /// Play a recording: space pauses, arrows seek, + and - change the speed, q leaves; without a terminal, print its text
    Replay(replay::Replay),
}

/// The machine that is meant, and why.
#[derive(Debug, Args)]
struct Target {
    /// An instance id, a Name tag, a private address, or account/name; for a forward also a saved forward's name
    node: String,
    #[command(flatten)]
    why: Why,
}

/// The machine or the container that is meant, and why.
#[derive(Debug, Args)]
struct Place {
    /// An instance id, a Name tag, a private address, or account/name
    #[arg(required_unless_present = "ecs")]
    node: Option<String>,
    /// A container of ECS instead of a node: cluster/task/container, account/cluster/task/container, or the task's ARN with
    /// /container; the container may be left out where the task has but one
    #[arg(long, value_name = "CLUSTER/TASK/CONTAINER", conflicts_with = "node")]
    ecs: Option<String>,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Clone, Args)]
struct Why {
    /// Why; it stands in AWS's session history and in the ledger
    #[arg(long, short = 'R', value_name = "TEXT", env = "BARTIZAN_REASON")]
    reason: Option<String>,
    /// The account's name, where its guardrail asks for it and there is no terminal to ask on
    #[arg(long, value_name = "ACCOUNT")]
    confirm: Option<String>,
}

/// Who carries the session.
#[derive(Debug, Args)]
struct By {
    /// Have AWS's session-manager-plugin carry the session, where a policy wants that; none is needed
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true, default_missing_value = NAME)]
    plugin: Option<PathBuf>,
}

/// A machine within reach, and the book that sessions on it are written into.
struct At {
    machine: Machine,
    reason: String,
    /// What was said to the guardrail.
    said: Said,
    config: Config,
    way: Way,
    book: Book,
    desk: Arc<Desk>,
    recordings: PathBuf,
    /// The demo's directory goes with it.
    at: AtDesk,
}

impl Ssm {
    /// Whether the exit code is that of a command on a node.
    pub(super) fn runs(&self) -> bool {
        matches!(self.command, Command::Run { .. })
    }

    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        match &self.command {
            Command::List(list) => return list.run(global),
            Command::Replay(replay) => return replay.run(global),
            _ => {}
        }
        let config = setup::config(global)?;
        if config.read_only {
            bail!("this is read-only: no session is opened or ended");
        }
        let runtime = setup::runtime()?;
        let done = runtime.block_on(Box::pin(async {
            match &self.command {
                Command::Shell { place, no_record, by } => {
                    let plugin = by.find(global).await?;
                    let mut at = place.at(global, config).await?;
                    if let Some(plugin) = plugin {
                        at.way = at.way.by(plugin).map_err(|why| eyre!(why))?;
                    }
                    shell::shell(at, *no_record, None).await
                }
                Command::Run { place, no_record, command } => {
                    let at = place.at(global, config).await?;
                    carry::command(at, command, *no_record).await
                }
                Command::Forward { target, to, local, lanes, by } => {
                    let plugin = by.find(global).await?;
                    let (at, mut wanted) = carry::wanted(target, global, config, to.as_deref()).await?;
                    wanted.local = local.unwrap_or(wanted.local);
                    wanted.lanes = lanes.map_or(wanted.lanes, usize::from);
                    match plugin {
                        Some(plugin) => plugin::forward(at, &plugin, &wanted).await,
                        None => carry::forward(at, wanted).await,
                    }
                }
                Command::Proxy { target, port, by } => {
                    let plugin = by.find(global).await?;
                    let at = target.at(global, config).await?;
                    match plugin {
                        Some(plugin) => plugin::proxy(at, &plugin, *port).await,
                        None => carry::proxy(at, *port).await,
                    }
                }
                Command::Resume { session, why, no_record } => {
                    let (at, session) = again::at(session.as_deref(), why, global, config).await?;
                    shell::shell(at, *no_record, Some(session)).await
                }
                Command::End { session } => again::end(session, global, &config).await,
                Command::List(_) | Command::Replay(_) => Ok(Done::Whole),
            }
        }));
        // Standard input may still be waited for; nothing else is.
        runtime.shutdown_background();
        done
    }
}

impl By {
    /// The plugin that is wanted, before anything is opened.
    async fn find(&self, global: &Global) -> Result<Option<Plugin>> {
        let Some(program) = &self.plugin else { return Ok(None) };
        if global.from.is_some() {
            bail!("the demo's sessions stay on this machine: no plugin can carry them");
        }
        let plugin = Plugin::find(program).await?;
        if let Some(doubt) = plugin.doubt() {
            eprintln!("{}", text::line(&doubt));
        }
        Ok(Some(plugin))
    }
}

impl Place {
    async fn at(&self, global: &Global, config: Config) -> Result<At> {
        match (&self.ecs, &self.node) {
            (Some(container), _) => ecs::at(container, &self.why, global, config).await,
            (None, node) => Target { node: node.clone().unwrap_or_default(), why: self.why.clone() }.at(global, config).await,
        }
    }
}

impl Target {
    /// Finds the machine, asks why and what the guardrail wants.
    async fn at(&self, global: &Global, config: Config) -> Result<At> {
        let now = Timestamp::now();
        let at = setup::desk(global, now).await?;
        let demo = at.connections.is_empty() && global.from.is_some();
        let (machine, estate) = self.find(global, &config, &at, demo, now).await?;
        if let Some(doubt) = machines::unreachable(&estate, &machine) {
            eprintln!("{}", text::line(&doubt));
        }
        let way = if demo {
            crate::work::demo_way(&at.world, &at.directory)
        } else if at.connections.is_empty() {
            bail!("there is no way to AWS: sign in, then open the session");
        } else {
            Way::over(at.connections.clone())
        };
        self.why.settle(config, at, estate, machine, way).await
    }

    /// The one machine of this name, and the estate it stands in: as known here, else as AWS tells now.
    async fn find(
        &self,
        global: &Global,
        config: &Config,
        at: &AtDesk,
        demo: bool,
        now: Timestamp,
    ) -> Result<(Machine, Arc<Estate>)> {
        let mut estate = Arc::clone(&at.world.estate);
        let mut found = machines::named(&estate, &self.node);
        if found.is_empty() && !demo {
            let options = setup::options(global, config, setup::ask_on_terminal());
            let kinds = [Kind::Accounts, Kind::Nodes, Kind::Network];
            let looked = setup::collect(options, config, &kinds, Used::Nobody, now, at.connections.clone()).await?;
            estate = Arc::clone(&looked.world.estate);
            found = machines::named(&estate, &self.node);
        }
        match found.as_slice() {
            [machine] => Ok((machine.clone(), estate)),
            [] => bail!(
                "no node is called {:?}: give an instance id, a Name tag, a private address or account/name; \
                 `bartizan list nodes` has them all",
                self.node
            ),
            several => {
                let line = |m: &Machine| format!("\n  {}  {}/{}  {}", m.id, m.account_name, m.name, m.region);
                let all: String = several.iter().take(20).map(line).collect();
                let more = if several.len() > 20 { format!("\n  and {} more", several.len() - 20) } else { String::new() };
                bail!("{:?} names {} machines; say which by its id:{}{more}", self.node, several.len(), text::block(&all))
            }
        }
    }
}

impl Why {
    /// Asks why, and what the guardrail of the machine's account wants.
    async fn settle(&self, config: Config, at: AtDesk, estate: Arc<Estate>, machine: Machine, way: Way) -> Result<At> {
        let reason = self.reason().await?;
        let said = self.allowed(&config, &estate, &machine).await?;
        let rails = config.policy().guardrails;
        let way = way.guarded(move |machine| machines::guard(&rails, &estate, machine));
        let mut config = config;
        if at.connections.is_empty() {
            // The demo's nodes are this program: nothing of them can be left running.
            config.sessions.at_quit = AtQuit::Terminate;
        }
        let desk = Arc::clone(&at.desk);
        let book = Book::new(Arc::new(OnceLock::from(Ok(Arc::clone(&desk)))));
        let recordings = config.sessions.recordings.clone().unwrap_or_else(|| at.directory.join("recordings"));
        Ok(At { machine, reason, said, config, way, book, desk, recordings, at })
    }

    async fn reason(&self) -> Result<String> {
        if let Some(reason) = self.reason.as_deref().map(str::trim).filter(|r| !r.is_empty()) {
            return Ok(reason.to_owned());
        }
        match ask("Why? ").await? {
            Some(reason) if !reason.is_empty() => Ok(reason),
            _ => bail!("a session needs a reason: --reason TEXT; it stands in AWS's session history and in the ledger"),
        }
    }

    /// What the guardrail of the machine's account asks.
    async fn allowed(&self, config: &Config, estate: &Estate, machine: &Machine) -> Result<Said> {
        let name = &machine.account_name;
        let confirmed = self.confirm.as_deref() == Some(name) || self.confirm.as_deref() == Some(&machine.account);
        let before = machines::guard(&config.policy().guardrails, estate, machine);
        let (question, wanted) = match before.ask {
            Ask::Nothing => return Ok(Said::Nothing),
            Ask::Refuse => bail!("no session is opened in {name}: {}", before.why),
            _ if confirmed => return Ok(Said::Name(name.clone())),
            Ask::Confirm => (format!("{} is in {name} ({}). Open it? [y/N] ", machine.name, before.why), "y"),
            Ask::Type => {
                let question = format!("{} is in {name} ({}). Type the account's name to mean it: ", machine.name, before.why);
                (question, name.as_str())
            }
        };
        match ask(&question).await? {
            Some(answer) if answer == wanted || (before.ask == Ask::Confirm && answer.eq_ignore_ascii_case("yes")) => {
                Ok(if before.ask == Ask::Type { Said::Name(answer) } else { Said::Yes })
            }
            Some(_) => bail!("nothing was opened"),
            None => bail!("{name} asks first ({}): add --confirm {name}", before.why),
        }
    }
}

/// Asks on the terminal; none where there is none.
async fn ask(question: &str) -> Result<Option<String>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let question = text::line(question).into_owned();
    let asked = tokio::task::spawn_blocking(move || -> io::Result<String> {
        eprint!("{question}");
        io::stderr().flush()?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    });
    Ok(Some(asked.await??))
}
