//! The command line: one file a command; the console is one of them. Standard output is data, standard error is words.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line's job is to print")]

mod collect;
mod console;
mod generate;
mod hooks;
mod iam;
mod import;
mod ledger;
mod list;
mod net;
mod permissions;
mod push;
mod report;
mod setup;
mod show;
mod ssm;
mod triage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use color_eyre::eyre::{Report, Result};

/// See and triage the security of an AWS organisation from a terminal: findings, accounts, IAM, network, nodes.
#[derive(Debug, Parser)]
#[command(name = "bartizan", version, max_term_width = 100, arg_required_else_help = false)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

pub use hooks::hooks;

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// AWS profiles to use at once
    #[arg(short, long = "profile", global = true, value_delimiter = ',', value_name = "NAME")]
    profiles: Vec<String>,
    /// Regions to read [default: those the profile names, else all that are enabled]
    #[arg(short, long = "region", global = true, value_delimiter = ',', value_name = "REGION")]
    regions: Vec<String>,
    /// Another endpoint than AWS's own, for every service
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The role to assume in member accounts [default: OrganizationAccountAccessRole]
    #[arg(long, global = true, value_name = "NAME")]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, global = true, value_name = "ID")]
    external_id: Option<String>,
    /// Only the account at hand, even where there is an organisation
    #[arg(long, global = true)]
    single_account: bool,
    /// Look at an estate file, a findings file, an answer of `aws iam get-account-authorization-details` (JSON), or `demo`,
    /// instead of AWS
    #[arg(long, global = true, value_name = "FILE|demo")]
    from: Option<String>,
    /// The ledger of decisions: a file, or postgres://… for a team
    #[arg(long, global = true, env = "BARTIZAN_LEDGER", hide_env_values = true, value_name = "URL")]
    ledger: Option<String>,
    /// Refuse everything that writes
    #[arg(long, global = true)]
    read_only: bool,
    /// Neither read nor write the local cache
    #[arg(long, global = true)]
    no_cache: bool,
    /// Configuration file [default: config.toml in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Colours: auto, dark, light, contrast, terminal
    #[arg(long, global = true, value_name = "NAME")]
    theme: Option<String>,
    /// Borders and marks of plain ASCII
    #[arg(long, global = true)]
    ascii: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the console on an embedded organisation; no AWS, no network
    Demo(console::Demo),
    /// Collect everything from AWS into one file
    Collect(collect::Collect),
    /// Bring in findings from files: ASFF, OCSF, Prowler CSV
    Import(import::Import),
    /// Print rows: findings, accounts, principals, vpcs, interfaces, nodes, coverage, …
    List(list::List),
    /// Print one thing in full, by its id or ARN
    Show(show::Show),
    /// Who can do what, who can become whom, and why; policies written and linted
    Iam(iam::Iam),
    /// What can be reached from where, why, and what would close it
    Net(net::NetCommand),
    /// Sessions on nodes without bastions: shells, commands, port forwards, an SSH proxy
    #[command(visible_alias = "session")]
    Ssm(ssm::Ssm),
    /// Decide on findings: assign, claim, note, status, accept, …
    Triage(triage::Triage),
    /// Hand-over from one shift to the next
    Report(report::Report),
    /// Send imported findings to Security Hub
    Push(push::Push),
    /// The record of decisions: verify it, export it
    Ledger(ledger::Ledger),
    /// Print the IAM policy that bartizan needs, and templates for member accounts
    Permissions(permissions::Permissions),
    /// Print a completion script for a shell
    Completions(generate::Completions),
    /// Print the manual page
    Man,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Whole,
    /// Some of what was asked for could not be had; standard error says what.
    InPart,
    /// The answer to what was asked is no.
    No,
    /// As the command that was run on a node ended.
    Code(u8),
}

/// Why a command failed, and the exit code that says so: 1; of a command that answers by its exit code 2, as grep has it, so
/// that trouble is not taken for a no; of a command on a node 255, as ssh has it.
#[derive(Debug)]
pub struct Failed {
    pub why: Report,
    pub code: u8,
}

impl Command {
    fn failed(&self) -> u8 {
        match self {
            Self::Iam(iam) if iam.answers() => 2,
            Self::Net(net) if net.answers() => 2,
            Self::Ssm(ssm) if ssm.runs() => 255,
            _ => 1,
        }
    }
}

/// Runs the command line and gives its exit code: 0 done, 1 the answer is no, 2 usage, 3 done in part.
///
/// # Errors
/// What went wrong, with the exit code for it.
pub fn main() -> Result<ExitCode, Failed> {
    let cli = match Cli::try_parse_from(iam::begun(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; what is gets code 2. A closed pipe changes neither.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return Ok(ExitCode::from(code));
        }
    };
    let code = cli.command.as_ref().map_or(1, Command::failed);
    let done = run(cli).map_err(|why| Failed { why, code })?;
    Ok(match done {
        Done::Whole => ExitCode::SUCCESS,
        Done::InPart => ExitCode::from(3),
        Done::No => ExitCode::from(1),
        Done::Code(code) => ExitCode::from(code),
    })
}

fn run(Cli { global, command }: Cli) -> Result<Done> {
    Ok(match command {
        None => console::console(&global)?,
        Some(Command::Demo(demo)) => console::demo(&demo, &global)?,
        Some(Command::Collect(collect)) => collect.run(&global)?,
        Some(Command::Import(import)) => import.run(&global)?,
        Some(Command::List(list)) => list.run(&global)?,
        Some(Command::Show(show)) => show.run(&global)?,
        Some(Command::Iam(iam)) => iam.run(&global)?,
        Some(Command::Net(net)) => net.run(&global)?,
        Some(Command::Ssm(ssm)) => ssm.run(&global)?,
        Some(Command::Triage(triage)) => triage.run(&global)?,
        Some(Command::Report(report)) => report.run(&global)?,
        Some(Command::Push(push)) => push.run(&global)?,
        Some(Command::Ledger(ledger)) => ledger.run(&global)?,
        Some(Command::Permissions(permissions)) => permissions.run(&global)?,
        Some(Command::Completions(completions)) => completions.run()?,
        Some(Command::Man) => generate::man()?,
    })
}

/// The command line's declaration, for completions, the manual and the docs.
pub fn command() -> clap::Command {
    Cli::command()
}
