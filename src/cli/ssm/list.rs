//! `bartizan ssm list`: the sessions that AWS remembers and those that the ledger holds, as one list.

use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, WrapErr as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::catalog::sessions::{Row, each_row};
use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, setup};
use crate::model::decision::person;
use crate::text;
use crate::work::sessions::left;
use crate::work::sweep::{Kind, Used};

/// AWS remembers sessions for this many days.
const DAYS: i64 = 30;

/// Options of list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl List {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let config = setup::config(global)?;
        let now = Timestamp::now();
        let runtime = setup::runtime()?;
        let (estate, history, done) = runtime.block_on(Box::pin(async {
            let at = setup::desk(global, now).await?;
            at.desk.log(&mut 0).await?;
            let (mut estate, mut done) = (Arc::clone(&at.world.estate), Done::Whole);
            if global.from.is_none() {
                let options = setup::options(global, &config, setup::ask_on_terminal());
                let kinds = [Kind::Accounts, Kind::Nodes];
                let looked = setup::collect(options, &config, &kinds, Used::Nobody, now, at.connections.clone()).await?;
                (estate, done) = (Arc::clone(&looked.world.estate), looked.done);
            }
            let mut history = (*at.desk.library().history()).clone();
            let directory = config.sessions.recordings.clone().unwrap_or_else(|| at.directory.join("recordings"));
            history.leave(left::ids(&directory));
            at.desk.ledger().close().await?;
            Ok::<_, color_eyre::Report>((estate, history, done))
        }))?;
        let from = now.saturating_sub(SignedDuration::from_hours(24 * DAYS))?;
        let mut rows: Vec<(String, Row<'_>)> = Vec::new();
        each_row(&estate, &history, &mut |id, row| {
            if row.began().is_none_or(|began| began >= from) {
                rows.push((id.to_owned(), *row));
            }
        });
        rows.sort_by(|(a, x), (b, y)| y.began().cmp(&x.began()).then_with(|| a.cmp(b)));
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self.output {
            Output::Json => {
                let all: Vec<Value> = rows.iter().map(|(id, row)| json(id, row)).collect();
                let text = serde_json::to_string_pretty(&all).wrap_err("the list could not be written")?;
                writeln!(out, "{text}")
            }
            Output::Table => table(&rows).iter().try_for_each(|line| writeln!(out, "{line}")),
        };
        unless_closed(written.and_then(|()| out.flush()))?;
        Ok(done)
    }
}

/// The ledger's word for how it ended, where there is one that ended it; else the state.
fn status<'a>(row: &Row<'a>) -> &'a str {
    match row.end() {
        Some(end) if row.status() == "Ended" => &end.outcome,
        _ => row.status(),
    }
}

fn source(row: &Row<'_>) -> &'static str {
    match (row.aws.is_some(), row.told.is_some()) {
        (true, true) => "AWS and ledger",
        (true, false) => "AWS",
        _ => "ledger",
    }
}

fn json(id: &str, row: &Row<'_>) -> Value {
    let mut value = json!({
        "id": id, "node": row.node(), "account": row.account(), "who": person(row.who()), "status": status(row),
        "reason": row.reason(), "mode": row.mode(), "in_aws": row.aws.is_some(), "in_ledger": row.told.is_some(),
    });
    let mut put = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            value[name] = text.into();
        }
    };
    put("began", row.began().map(|at| at.to_string()));
    put("ended", row.ended().filter(|_| row.is_over()).map(|at| at.to_string()));
    if row.is_left() {
        value["take_up"] = true.into();
    }
    if let Some(end) = row.end() {
        value["received"] = end.received.into();
        value["sent"] = end.sent.into();
        if let Some(recording) = &end.recording {
            value["recording"] = recording.as_str().into();
        }
    }
    value
}

fn table(rows: &[(String, Row<'_>)]) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string());
    let head = ["BEGAN (UTC)", "STATUS", "SESSION", "NODE", "ACCOUNT", "WHO", "FROM", "REASON"].map(str::to_owned);
    let cells = |row: &Row<'_>| {
        let cells = [
            time(row.began()),
            status(row).to_owned(),
            row.id.to_owned(),
            row.name.to_owned(),
            row.account_name.to_owned(),
            person(row.who()).to_owned(),
            source(row).to_owned(),
            row.reason().to_owned(),
        ];
        cells.map(|cell| text::line(&cell).into_owned())
    };
    let all: Vec<[String; 8]> = std::iter::once(head).chain(rows.iter().map(|(_, row)| cells(row))).collect();
    let width = |n: usize| all.iter().map(|row| text::width(&row[n])).max().unwrap_or(0).min(40);
    let widths: Vec<usize> = (0..8).map(width).collect();
    let line = |row: &[String; 8]| -> String {
        let padded = row.iter().zip(&widths).enumerate().map(|(n, (cell, width))| {
            if n == 7 { cell.clone() } else { format!("{}  ", text::pad(&text::fit(cell, *width), *width, false)) }
        });
        padded.collect::<String>().trim_end().to_owned()
    };
    all.iter().map(line).collect()
}
