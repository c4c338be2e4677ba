//! `bartizan ledger`: verify and export the record of decisions, set and check its signed marks.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, setup};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::export::{export, verify_export};
use crate::ledger::handle::Ledger as Open;
use crate::ledger::local::Local;
use crate::ledger::outbox::Delivery;
use crate::ledger::store::Store as _;
use crate::ledger::verify::{Against, Report};
use crate::text;

/// Options of ledger.
#[derive(Debug, Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Recompute the chain of hashes and name the first entry that was changed, removed, inserted or moved
    Verify {
        /// Verify an export instead of the ledger
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Mark the chain's end in the ledger, signed where a key is given; keep a copy elsewhere
    Checkpoint {
        /// A minisign secret key; its password is read from BARTIZAN_MINISIGN_PASSWORD
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Write it to a file too; its signature goes beside it, with .minisig
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Forget what this user saw of the ledger, where another one stands at its address on purpose
    Forget,
    /// Write every entry as a line of JSON; docs/verify-ledger.py checks it without bartizan
    Export {
        /// The file to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print what has not arrived in Security Hub, and decide on what waits for a person
    Outbox {
        /// Send a failed or conflicting delivery after all, over what stands there now
        #[arg(long, value_name = "POSITION", conflicts_with = "drop")]
        send: Option<i64>,
        /// Do not send it
        #[arg(long, value_name = "POSITION")]
        drop: Option<i64>,
    },
}

impl Ledger {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let config = setup::config(global)?;
        if let Command::Outbox { send, drop } = self.command {
            return outbox(global, send.map(|n| (n, true)).or_else(|| drop.map(|n| (n, false))));
        }
        if let Command::Verify { file: Some(file) } = &self.command {
            let name = file.display();
            let text = io::BufReader::new(std::fs::File::open(file).wrap_err_with(|| format!("could not read {name}"))?);
            return tell(&name.to_string(), &verify_export(text, Vec::new()).wrap_err_with(|| format!("could not read {name}"))?);
        }
        let options = setup::ledger(global, &config, setup::ask_on_terminal())?;
        setup::runtime()?.block_on(async {
            // Damage that keeps the ledger from opening is what verifying is for: it looks at the store itself.
            match &self.command {
                Command::Verify { .. } => {
                    let ledger = Open::open(&options).await;
                    let against = Against { public_key: config.ledger.public_key.clone(), ..Against::default() };
                    let report = match ledger {
                        Ok(ledger) => {
                            let report = ledger.verify(against, |_| {}).await?;
                            ledger.close().await?;
                            report
                        }
                        Err(error)
                            if matches!(
                                error,
                                crate::ledger::error::LedgerError::Damaged { .. }
                                    | crate::ledger::error::LedgerError::Replaced { .. }
                            ) =>
                        {
                            let store = crate::ledger::either::AnyStore::open(&options.address, options.token.clone()).await?;
                            let report = crate::ledger::verify::verify(&store, &against, |_| {}).await?;
                            if report.fault.is_none() {
                                return Err(error.into());
                            }
                            report
                        }
                        Err(error) => return Err(error.into()),
                    };
                    tell(&options.address.to_string(), &report)
                }
                Command::Checkpoint { key, out } => {
                    let ledger = Open::open(&options).await?;
                    let id = ledger.store().id().await?;
                    let mut checkpoint = Checkpoint::new(&id, ledger.chained().head(), jiff::Timestamp::now());
                    if let Some(path) = key {
                        let secret =
                            std::fs::read_to_string(path).wrap_err_with(|| format!("could not read {}", path.display()))?;
                        let password = std::env::var("BARTIZAN_MINISIGN_PASSWORD").unwrap_or_default();
                        checkpoint
                            .sign(&secret, &password)
                            .wrap_err_with(|| format!("could not sign with {}", path.display()))?;
                    }
                    if let Some(path) = out {
                        create(path)?.write_all(checkpoint.message().as_bytes())?;
                        if !checkpoint.signature.is_empty() {
                            let beside = PathBuf::from(format!("{}.minisig", path.display()));
                            create(&beside)?.write_all(checkpoint.signature.as_bytes())?;
                        }
                    }
                    ledger.store().add_checkpoint(&checkpoint).await?;
                    ledger.close().await?;
                    unless_closed(io::stdout().lock().write_all(checkpoint.message().as_bytes()))?;
                    Ok(Done::Whole)
                }
                Command::Forget => {
                    let local = Local::open(&options.directory.join("local.db")).await?;
                    local.forget(&options.address.to_string()).await?;
                    local.close().await;
                    eprintln!("what was seen of {} is forgotten", options.address);
                    Ok(Done::Whole)
                }
                Command::Export { out } => {
                    let ledger = Open::open(&options).await?;
                    let head = match out {
                        Some(path) => {
                            let mut out = BufWriter::new(create(path)?);
                            let head = export(ledger.store(), &mut out).await?;
                            out.flush().wrap_err_with(|| format!("could not write {}", path.display()))?;
                            head
                        }
                        None => {
                            let mut bytes = Vec::new();
                            let head = export(ledger.store(), &mut bytes).await?;
                            unless_closed(io::stdout().lock().write_all(&bytes))?;
                            head
                        }
                    };
                    ledger.close().await?;
                    eprintln!("{} entries; the last has hash {}", text::count(head.sequence), head.hash);
                    Ok(Done::Whole)
                }
                Command::Outbox { .. } => Ok(Done::Whole),
            }
        })
    }
}

/// A new file of this user's.
fn create(path: &std::path::Path) -> Result<std::fs::File> {
    let mut create = std::fs::OpenOptions::new();
    create.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    create.open(path).wrap_err_with(|| format!("could not write {}", path.display()))
}

/// The outbox as data, or a person's word on one delivery: its position, and whether to send it.
fn outbox(global: &Global, chosen: Option<(i64, bool)>) -> Result<Done> {
    let config = setup::config(global)?;
    let runtime = setup::runtime()?;
    if let Some((position, send)) = chosen {
        if config.read_only {
            bail!("this is read-only: nothing is sent to Security Hub, and nothing is dropped");
        }
        return runtime.block_on(Box::pin(async {
            let desk = setup::desk(global, Timestamp::now()).await?;
            desk.delivery().resolve(position, send).await.map_err(|e| eyre!(e))?;
            let done = desk.deliver().await?;
            desk.desk.ledger().close().await?;
            Ok(done)
        }));
    }
    let options = setup::ledger(global, &config, setup::ask_on_terminal())?;
    runtime.block_on(async {
        let ledger = Open::open(&options).await?;
        let mut rows = Vec::new();
        for state in [Delivery::Conflict, Delivery::Failed, Delivery::Pending] {
            for parcel in ledger.local().deliveries(state, usize::MAX).await? {
                rows.push(json!({
                    "position": parcel.position,
                    "state": state.word(),
                    "subject": parcel.entry.subject,
                    "finding": serde_json::from_str::<Value>(&parcel.target.finding).unwrap_or_default(),
                    "entry": parcel.entry.sequence,
                    "decision": parcel.entry.decision,
                    "tries": parcel.attempts,
                    "said": parcel.said,
                }));
            }
        }
        ledger.close().await?;
        let text = format!("{}\n", serde_json::to_string_pretty(&rows)?);
        unless_closed(io::stdout().lock().write_all(text.as_bytes()))?;
        Ok(Done::Whole)
    })
}

/// Says what verifying found; a fault is a failure.
fn tell(ledger: &str, report: &Report) -> Result<Done> {
    match &report.fault {
        None => {
            let signed = if report.checkpoints > 0 {
                format!(", {} of {} checkpoints signed", report.signed, report.checkpoints)
            } else {
                String::new()
            };
            println!("{ledger}: {} entries, all in their place{signed}; head {}", text::count(report.entries), report.head.hash);
            Ok(Done::Whole)
        }
        Some(fault) => bail!("{ledger}: {fault}"),
    }
}
