//! `bartizan report`: what a person hands on to the next.

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;

use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, setup};
use crate::triage::until;
use crate::work::handover::handover;

/// Options of report.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What came in, what was decided by whom, what is overdue: as Markdown
    Handover {
        /// How far back
        #[arg(long, default_value = "12h", value_name = "SPAN")]
        since: String,
    },
}

impl Report {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let Command::Handover { since } = &self.command;
        let now = Timestamp::now();
        let later = until::parse(since, now).map_err(|e| eyre!(e))?;
        let span = later.duration_since(now);
        if !span.is_positive() {
            bail!("--since takes a span such as 12h or 7d");
        }
        let runtime = setup::runtime()?;
        let text = runtime.block_on(Box::pin(async {
            let at = setup::desk(global, now).await?;
            let entries = at.desk.since(now.saturating_sub(span)?).await?;
            at.desk.ledger().close().await?;
            Ok::<_, color_eyre::eyre::Report>(handover(&at.world, &entries, span, now))
        }))?;
        unless_closed(io::stdout().lock().write_all(text.as_bytes()))?;
        Ok(Done::Whole)
    }
}
