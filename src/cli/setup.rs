//! What commands share: configuration, directories, AWS options, opening what to look at, words for what is missing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use directories::ProjectDirs;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::aws::rds::Login;
use crate::aws::{self, Connection, MfaRequest, Options, Prompt};
use crate::catalog::decided::Changed;
use crate::cli::{Done, Global};
use crate::config::Config;
use crate::demo;
use crate::formats;
use crate::iam::read::authorization_details;
use crate::ledger::address::{Address, Server};
use crate::ledger::handle as ledger;
use crate::ledger::store::Token;
use crate::message::Outcome;
use crate::model::coverage::Outcome as Ended;
use crate::model::estate;
use crate::model::guard::Before;
use crate::model::principal::Identity;
use crate::text;
use crate::triage::policy::{Role, Team};
use crate::work::change::Change;
use crate::work::desk::Desk;
use crate::work::keeper::Keeper;
use crate::work::library::Library;
use crate::work::sessions::{left, shelf};
use crate::work::source::{self, Opened, Source};
use crate::work::sweep::{Door, Kind, Marks, Supply, Sweep, Used};
use crate::world::World;

/// The user's directories.
pub fn directories() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "bartizan")
}

/// The configuration, with the command line's options on top.
pub fn config(global: &Global) -> Result<Config> {
    let path = global.config.clone().or_else(|| directories().map(|d| d.config_dir().join("config.toml")));
    let text = match &path {
        Some(path) => match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound && global.config.is_none() => String::new(),
            Err(e) => return Err(e).wrap_err_with(|| format!("could not read the configuration {}", path.display())),
        },
        None => String::new(),
    };
    let name = path.as_deref().map_or_else(String::new, |p| p.display().to_string());
    let mut config = Config::parse(&text).wrap_err_with(|| format!("the configuration {name} is wrong"))?;
    if global.from.as_deref() == Some("demo") {
        demo_teams(&mut config);
    }
    config.read_only |= global.read_only;
    config.ascii |= global.ascii;
    config.aws.single_account |= global.single_account;
    if let Some(theme) = &global.theme {
        config.theme.clone_from(theme);
    }
    Ok(config)
}

/// The demo's own teams, where none are configured.
pub fn demo_teams(config: &mut Config) {
    if config.triage.teams.is_empty() {
        let team = |(name, role, members): &(&str, &str, &[&str])| {
            let role = Role::ALL.iter().copied().find(|r| r.word() == *role)?;
            Some(((*name).to_owned(), Team { role, members: members.iter().map(|m| (*m).to_owned()).collect() }))
        };
        config.triage.teams = demo::TEAMS.iter().filter_map(team).collect();
    }
}

/// How to reach AWS, by command line, else configuration.
pub fn options(global: &Global, config: &Config, mfa: Prompt) -> Options {
    let or = |given: &Vec<String>, configured: &Vec<String>| if given.is_empty() { configured.clone() } else { given.clone() };
    let aws = &config.aws;
    Options {
        profiles: or(&global.profiles, &aws.profiles),
        regions: or(&global.regions, &aws.regions),
        endpoint_url: global.endpoint_url.clone().or_else(|| aws.endpoint_url.clone()),
        role_name: Some(global.role.clone().unwrap_or_else(|| aws.role.clone())),
        external_id: global.external_id.clone().or_else(|| aws.external_id.clone()),
        session_name: aws.session_name.clone(),
        mfa: Some(mfa),
        ..Options::default()
    }
}

/// Where the cache of these options is; none where there is to be none. One directory for each way to reach AWS: data
/// of two organisations never mix.
pub fn cache_dir(global: &Global, options: &Options) -> Option<PathBuf> {
    if global.no_cache {
        return None;
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let mut parts = options.profiles.clone();
    if parts.is_empty() {
        let key = || variable("AWS_ACCESS_KEY_ID").map(|key| format!("key-{key}"));
        parts.push(variable("AWS_PROFILE").or_else(key).unwrap_or_else(|| "default".to_owned()));
    }
    parts.extend(options.endpoint_url.clone().or_else(|| variable("AWS_ENDPOINT_URL")));
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+') { c } else { '_' };
    let name: String = parts.join("@").chars().map(safe).take(160).collect();
    directories().map(|d| d.cache_dir().join(name))
}

/// The ledger: by option or environment, else configuration, else a file in the data directory.
pub fn ledger(global: &Global, config: &Config, mfa: Prompt) -> Result<ledger::Options> {
    let directory = directories().ok_or_else(|| eyre!("there is no data directory for the ledger: set HOME or XDG_DATA_HOME"))?;
    let directory = directory.data_local_dir().to_owned();
    let address = match global.ledger.as_ref().or(config.ledger.url.as_ref()) {
        Some(url) => Address::parse(url)?,
        None => Address::File(directory.join("ledger.db")),
    };
    let token = match &address {
        Address::Postgres(server) if config.ledger.iam => Some(iam_token(server, options(global, config, mfa))),
        _ => None,
    };
    Ok(ledger::Options { address, directory, token })
}

/// Passwords by the caller's AWS identity: signed in once, asked for as often as they run out.
fn iam_token(server: &Server, options: Options) -> Token {
    let (host, port, user) = server.login();
    let login = Arc::new(Login { host: host.to_owned(), port, user: user.to_owned() });
    let connection: Arc<tokio::sync::OnceCell<Connection>> = Arc::default();
    // The first profile is who works here.
    let options = Arc::new(Options { profiles: options.profiles.iter().take(1).cloned().collect(), ..options });
    Arc::new(move || {
        let (login, connection, options) = (Arc::clone(&login), Arc::clone(&connection), Arc::clone(&options));
        Box::pin(async move {
            let connected = connection.get_or_try_init(|| async {
                let first = Box::pin(aws::connect(&options)).await.into_iter().next();
                first.ok_or("nobody is signed in to AWS")?.map_err(|e| e.to_string())
            });
            login.password(connected.await?).await
        })
    })
}

/// A directory for the demo's ledger, which goes with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Result<Self> {
        let name = format!("bartizan-demo-{}-{}", std::process::id(), Timestamp::now().as_nanosecond());
        let path = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).wrap_err_with(|| format!("could not make {} for the demo's ledger", path.display()))?;
        Ok(Self(path))
    }
    pub fn ledger(&self) -> ledger::Options {
        ledger::Options { address: Address::File(self.0.join("ledger.db")), directory: self.0.clone(), token: None }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Where it cannot be removed the system's own tidying will.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A prompt on the terminal, for commands that are no console.
pub fn ask_on_terminal() -> Prompt {
    Arc::new(|request: MfaRequest| {
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || {
                if !io::stdin().is_terminal() {
                    return Err("there is no terminal to ask for it on".to_owned());
                }
                eprint!("{} ", question(&request));
                io::stderr().flush().map_err(|e| e.to_string())?;
                let mut line = String::new();
                io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
                Ok(line.trim().to_owned())
            });
            asked.await.map_err(|e| e.to_string())?
        })
    })
}

/// The words that ask for a code.
pub fn question(request: &MfaRequest) -> String {
    format!("Code of MFA device {} for profile {}:", request.device, request.profile)
}

/// What `--from` names, opened; none where it is not given.
pub fn from(global: &Global) -> Result<Option<Source>> {
    let Some(from) = &global.from else { return Ok(None) };
    if from == "demo" {
        return Ok(Some(Source::Demo { findings: demo::FINDINGS, still: true }));
    }
    let path = Path::new(from);
    let bytes = fs::read(path).wrap_err_with(|| format!("could not read {from}"))?;
    match estate::read(&bytes[..]) {
        Ok((estate, findings)) => Ok(Some(Source::File { path: from.clone(), estate: Box::new(estate), findings })),
        Err(not_an_estate) => {
            // A file of findings will do as well.
            let imported = match formats::read(&bytes) {
                Ok(imported) => imported,
                Err(_) if from.ends_with(".zst") => return Err(not_an_estate).wrap_err_with(|| format!("could not open {from}")),
                // And so will the answer about an account's IAM.
                Err(error) => match std::str::from_utf8(&bytes).map(authorization_details) {
                    Ok(Ok(identity)) => {
                        let estate = Box::new(estate_around(identity, modified(path)));
                        return Ok(Some(Source::File { path: from.clone(), estate, findings: Vec::new() }));
                    }
                    _ => return Err(error).wrap_err_with(|| format!("could not open {from}")),
                },
            };
            for broken in &imported.broken {
                eprintln!("{from}: {broken}");
            }
            let estate = Box::new(estate_of(&imported.findings));
            Ok(Some(Source::File { path: from.clone(), estate, findings: imported.findings }))
        }
    }
}

/// An estate of one account of which nothing but its IAM is known.
fn estate_around(identity: Identity, made: Option<Timestamp>) -> estate::Estate {
    let mut estate = estate::Estate { collected: made, ..estate::Estate::default() };
    estate.put_account(crate::model::account::Account::bare(&identity.account));
    estate.put_identity(identity);
    estate
}

/// When a file was written.
pub(super) fn modified(path: &Path) -> Option<Timestamp> {
    fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|time| Timestamp::try_from(time).ok())
}

/// The accounts that findings name, so that they can be listed.
pub fn estate_of(findings: &[crate::model::finding::Finding]) -> estate::Estate {
    let mut estate = estate::Estate { collected: findings.iter().map(|f| f.updated).max(), ..estate::Estate::default() };
    let ids: BTreeSet<&str> = findings.iter().map(|f| f.account.as_str()).filter(|a| !a.is_empty()).collect();
    for id in ids {
        estate.put_account(crate::model::account::Account::bare(id));
    }
    estate
}

/// What was opened for a command that prints.
pub struct Looked {
    pub world: Arc<World>,
    pub library: Arc<Library>,
    pub done: Done,
}

impl Looked {
    /// Works out what the network engine says, for those who list it.
    pub fn paint(&mut self, now: Timestamp) {
        source::paint(&self.library, &mut self.world, now);
    }

    /// Looks for the recordings of sessions, for those who list them.
    pub fn shelve(&mut self, global: &Global, now: Timestamp) -> Result<()> {
        let history = self.library.history();
        if history.iter().next().is_none() {
            return Ok(());
        }
        let config = config(global)?;
        let directory = match config.sessions.recordings.clone() {
            Some(directory) => directory,
            None => ledger(global, &config, ask_on_terminal())?.directory.join("recordings"),
        };
        self.library.keep_recordings(shelf::look(&directory, &history));
        self.library.keep_left(left::ids(&directory));
        let estate = Arc::clone(&self.world.estate);
        let facts = source::facts(&self.library, estate, &Changed::Findings(Default::default()), now);
        Arc::make_mut(&mut self.world).recount(&facts);
        Ok(())
    }
}

/// A desk, what it is decided on, and for the demo the directory its ledger is in.
pub struct AtDesk {
    pub world: Arc<World>,
    pub desk: Arc<Desk>,
    /// The ways to AWS; none in the demo, or where there is none now.
    pub connections: Vec<Connection>,
    /// Where the ledger's local side is, and recordings beside it.
    pub directory: PathBuf,
    _scratch: Option<Scratch>,
}

/// What is known here of AWS: the cache, and who is signed in now, or without a way to AWS who was signed in last. AWS is
/// asked for nothing else.
pub async fn known(global: &Global, config: &Config, now: Timestamp) -> Result<(Opened, Vec<Connection>)> {
    let options = options(global, config, ask_on_terminal());
    let cache = cache_dir(global, &options);
    let mut door = Door::default();
    let (changes, mut heard) = mpsc::channel(64);
    let source = Source::Live { options: Box::new(options.clone()), cache };
    let mut opened = source::open(source, config, now);
    let errors = door.open(&options, &changes).await;
    heard.close();
    if let Some(connection) = door.connections.first() {
        let mut estate = (*opened.world.estate).clone();
        if estate.caller.as_ref().is_some_and(|known| known.account != connection.caller.account) {
            bail!(
                "what is kept here is of account {}: run the console once as {}",
                estate.caller.map_or_else(String::new, |c| c.account),
                connection.caller.arn
            );
        }
        estate.caller = Some(connection.caller.clone());
        opened.estate(estate, now);
    } else if opened.world.estate.caller.is_none() {
        let mut errors = errors.into_iter();
        let first = errors.next().map_or_else(|| eyre!("there is no way to AWS"), Into::into);
        return Err(errors.fold(first, |all, e| all.wrap_err(e.to_string())));
    }
    opened.load(now);
    Ok((opened, door.connections))
}

/// Opens the ledger over what is known here: the cache, or the demo. AWS is asked for nothing but who the caller is.
pub async fn desk(global: &Global, now: Timestamp) -> Result<AtDesk> {
    let config = config(global)?;
    let mut scratch = None;
    let mut connections = Vec::new();
    let (opened, ledger) = match from(global)? {
        Some(source @ Source::Demo { .. }) => {
            let ledger = scratch.insert(Scratch::new()?).ledger();
            (source::open(source, &config, now), ledger)
        }
        Some(_) => bail!("decisions are made live, or in the demo: this is a file"),
        None => {
            let (opened, ways) = known(global, &config, now).await?;
            connections = ways;
            (opened, self::ledger(global, &config, ask_on_terminal())?)
        }
    };
    opened.problems.iter().for_each(|p| eprintln!("{p}"));
    let desk = Desk::open(&ledger, Arc::clone(&opened.library), config.read_only).await?;
    desk.expire(now).await?;
    let mut opened = opened;
    opened.relay(now);
    let desk = Arc::new(desk);
    Ok(AtDesk { world: opened.world, desk, connections, directory: ledger.directory, _scratch: scratch })
}

/// Opens what to look at and, where that is AWS, asks for these kinds first. What was collected is judged, too.
pub fn look_judged(global: &Global, kinds: &[Kind]) -> Result<Looked> {
    look_at(global, kinds, Used::Nobody, true)
}

/// As [`look_judged`], and asks what these used of what they are granted.
pub fn look_with_used(global: &Global, kinds: &[Kind], used: Used) -> Result<Looked> {
    look_at(global, kinds, used, true)
}

/// Opens what to look at and, where that is AWS, asks for these kinds first.
pub fn look(global: &Global, kinds: &[Kind]) -> Result<Looked> {
    look_at(global, kinds, Used::Nobody, false)
}

fn look_at(global: &Global, kinds: &[Kind], used: Used, judged: bool) -> Result<Looked> {
    let config = config(global)?;
    let now = Timestamp::now();
    if let Some(source) = from(global)? {
        let mut opened = source::open(source, &config, now);
        if judged {
            opened.judge(now);
        }
        let Opened { world, library, problems, .. } = opened;
        problems.iter().for_each(|p| eprintln!("{p}"));
        return Ok(Looked { world, library, done: Done::Whole });
    }
    let options = options(global, &config, ask_on_terminal());
    let runtime = runtime()?;
    runtime.block_on(Box::pin(async {
        let mut looked = if kinds.is_empty() {
            // Nothing of AWS is asked for: the ledger alone answers.
            let live = Source::Live { options: Box::new(options), cache: None };
            let Opened { world, library, .. } = source::open(live, &config, now);
            Looked { world, library, done: Done::Whole }
        } else {
            collect(options, &config, kinds, used, now, Vec::new()).await?
        };
        lay_decisions(global, &config, &mut looked, now).await?;
        Ok(looked)
    }))
}

/// Lays what is decided over the rows, where anything ever was.
async fn lay_decisions(global: &Global, config: &Config, looked: &mut Looked, now: Timestamp) -> Result<()> {
    let options = ledger(global, config, ask_on_terminal())?;
    if let Address::File(path) = &options.address
        && !path.exists()
    {
        return Ok(());
    }
    let desk = Desk::open(&options, Arc::clone(&looked.library), true).await?;
    desk.log(&mut 0).await?;
    let facts = source::facts(&looked.library, Arc::clone(&looked.world.estate), &Changed::Everything, now);
    Arc::make_mut(&mut looked.world).rebuild(&facts);
    desk.ledger().close().await?;
    Ok(())
}

/// Asks AWS for these kinds, through connections that are open already or, where there are none, new ones.
pub async fn collect(
    options: Options,
    config: &Config,
    kinds: &[Kind],
    used: Used,
    now: Timestamp,
    connections: Vec<Connection>,
) -> Result<Looked> {
    let opened = source::open(Source::Live { options: Box::new(options), cache: None }, config, now);
    let Supply::Live { options, single, .. } = opened.supply else { bail!("nothing to ask") };
    let (outcomes, mut reports) = mpsc::channel(256);
    let (changes, keeper) = Keeper::start(&opened.world, Arc::clone(&opened.library), outcomes);
    let narrate = tokio::spawn(async move {
        let bar = io::stderr().is_terminal();
        while let Some(report) = reports.recv().await {
            match report {
                Outcome::World(world) => {
                    if let (true, Some(p)) = (bar, world.progress) {
                        let left = p.remaining.map_or_else(String::new, |s| format!(", about {s} s to go"));
                        eprint!("\r\x1b[Kasking AWS: {} of {}{left}", p.done, p.total);
                    }
                }
                Outcome::Notice { text, .. } => eprintln!("{}{}", if bar { "\r\x1b[K" } else { "" }, crate::text::line(&text)),
                Outcome::Answer { .. } | Outcome::Ask(_) | Outcome::Live(_) | Outcome::Touched => {}
            }
        }
        if bar {
            eprint!("\r\x1b[K");
        }
    });
    let mut door = Door::default();
    let mut errors = Vec::new();
    if connections.is_empty() {
        errors = door.open(&options, &changes).await;
        for connection in &door.connections {
            eprintln!("{}", crate::text::line(&connection.caller.arn));
        }
    } else {
        door.connections = connections;
    }
    if door.connections.is_empty() {
        let mut errors = errors.into_iter();
        let first = errors.next().map_or_else(|| eyre!("there is no way to AWS"), Into::into);
        return Err(errors.fold(first, |all, e| all.wrap_err(e.to_string())));
    }
    Sweep::new(single, Arc::new(Marks::new(None)), changes.clone())
        .with_used(used)
        .run(&door.connections, &kinds.iter().copied().collect())
        .await;
    let (settle, settled) = tokio::sync::oneshot::channel();
    changes.send(Change::Settle(settle)).await.map_err(|_| eyre!("the collection ended early"))?;
    let world = settled.await.wrap_err("the collection ended early")?;
    drop(changes);
    // Both end now that nothing can change any more.
    let _ = keeper.await;
    let _ = narrate.await;
    let mut done = tell_missing(&world);
    for error in errors {
        eprintln!("{error}");
        done = Done::InPart;
    }
    Ok(Looked { world, library: opened.library, done })
}

/// Says on standard error what AWS did not answer.
pub fn tell_missing(world: &World) -> Done {
    let missing: Vec<_> = world.estate.coverage.iter().filter(|c| !matches!(c.outcome, Ended::Ok | Ended::NotAsked)).collect();
    for row in missing.iter().take(40) {
        let place = if row.region.is_empty() { row.account.clone() } else { format!("{} {}", row.account, row.region) };
        eprintln!("{}: {place} {}: {}", row.outcome, row.api, crate::text::line(&row.reason));
    }
    if missing.len() > 40 {
        eprintln!("… and {} more; `bartizan list coverage` has all", missing.len() - 40);
    }
    for problem in &world.problems {
        eprintln!("{}", crate::text::line(problem));
    }
    if missing.is_empty() && world.problems.is_empty() { Done::Whole } else { Done::InPart }
}

/// The runtime that commands use.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // The SDK's futures are deep in builds without optimisation.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
        .wrap_err("could not start")
}

/// What `--confirm` has to say; none: nothing has to be confirmed.
pub fn wanted(before: &Before) -> Option<&str> {
    before.asks().then(|| before.words.as_deref().unwrap_or("yes"))
}

/// Whether what a guardrail or policy asks was said.
///
/// # Errors
/// What has to be said, and why.
pub fn confirmed(before: &Before, said: Option<&str>) -> Result<()> {
    match wanted(before) {
        Some(wanted) if said.map(str::trim) != Some(wanted) => {
            let why = before.why.iter().map(|why| text::line(why)).collect::<Vec<_>>().join("; ");
            Err(eyre!("{why}: say --confirm {} to mean it", shell(wanted)))
        }
        _ => Ok(()),
    }
}

/// Words as a shell takes them.
fn shell(words: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if words.chars().all(plain) { words.to_owned() } else { format!("'{}'", text::line(words).replace('\'', "'\\''")) }
}
