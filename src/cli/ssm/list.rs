//! `bartizan ssm list`: the sessions that AWS remembers and those that the ledger holds, as one list.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, WrapErr as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, setup};
use crate::model::decision::{Decision, Entry, Subject, person};
use crate::model::estate::Estate;
use crate::text;
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

/// What is known of one session, from either side.
#[derive(Debug, Default)]
struct Row {
    node: String,
    account: String,
    who: String,
    mode: String,
    status: String,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    reason: String,
    outcome: String,
    recording: Option<String>,
    bytes: Option<(u64, u64)>,
    aws: bool,
    ours: bool,
}

/// Both sides as one list, the newest first.
fn rows(estate: &Estate, entries: &[Entry]) -> Vec<(String, Row)> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for region in &estate.regions {
        for session in &region.sessions {
            let row = rows.entry(session.session_id.clone()).or_default();
            row.aws = true;
            row.node.clone_from(&session.target);
            row.account.clone_from(&region.account);
            row.who = person(&session.owner).to_owned();
            row.status.clone_from(&session.status);
            (row.began, row.ended) = (session.start_date, session.end_date);
            row.reason.clone_from(&session.reason);
        }
    }
    for entry in entries {
        let Subject::Session(id) = &entry.subject else { continue };
        match &entry.decision {
            Decision::SessionStart { node, account, mode, .. } => {
                let row = rows.entry(id.clone()).or_default();
                row.ours = true;
                row.node.clone_from(node);
                row.account.clone_from(account);
                row.mode.clone_from(mode);
                row.reason.clone_from(&entry.reason);
                row.began = row.began.or(Some(entry.at));
                if row.who.is_empty() {
                    row.who = person(&entry.actor.arn).to_owned();
                }
            }
            Decision::SessionEnd { outcome, recording, received, sent, .. } => {
                let row = rows.entry(id.clone()).or_default();
                row.ours = true;
                row.outcome.clone_from(outcome);
                row.recording.clone_from(recording);
                row.bytes = Some((*received, *sent));
                row.ended = row.ended.or(Some(entry.at));
            }
            _ => {}
        }
    }
    let mut rows: Vec<(String, Row)> = rows.into_iter().collect();
    rows.sort_by(|(a, x), (b, y)| y.began.cmp(&x.began).then_with(|| a.cmp(b)));
    rows
}

impl Row {
    fn status(&self) -> &str {
        match (self.outcome.as_str(), self.status.as_str(), self.ended) {
            ("", "", None) => "open",
            ("", "", Some(_)) => "ended",
            ("", status, _) => status,
            (outcome, ..) => outcome,
        }
    }
    fn source(&self) -> &'static str {
        match (self.aws, self.ours) {
            (true, true) => "AWS and ledger",
            (true, false) => "AWS",
            _ => "ledger",
        }
    }
}

impl List {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let config = setup::config(global)?;
        let now = Timestamp::now();
        let runtime = setup::runtime()?;
        let (rows, estate, done) = runtime.block_on(Box::pin(async {
            let at = setup::desk(global, now).await?;
            let from = now.saturating_sub(SignedDuration::from_hours(24 * DAYS))?;
            let entries = at.desk.since(from).await?;
            let (mut estate, mut done) = (std::sync::Arc::clone(&at.world.estate), Done::Whole);
            if global.from.is_none() {
                let options = setup::options(global, &config, setup::ask_on_terminal());
                let kinds = [Kind::Accounts, Kind::Nodes];
                let looked = setup::collect(options, &config, &kinds, Used::Nobody, now, at.connections.clone()).await?;
                (estate, done) = (std::sync::Arc::clone(&looked.world.estate), looked.done);
            }
            at.desk.ledger().close().await?;
            Ok::<_, color_eyre::Report>((rows(&estate, &entries), estate, done))
        }))?;
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self.output {
            Output::Json => {
                let all: Vec<Value> = rows.iter().map(|(id, row)| json(id, row)).collect();
                let text = serde_json::to_string_pretty(&all).wrap_err("the list could not be written")?;
                writeln!(out, "{text}")
            }
            Output::Table => table(&rows, &estate).iter().try_for_each(|line| writeln!(out, "{line}")),
        };
        unless_closed(written.and_then(|()| out.flush()))?;
        Ok(done)
    }
}

fn json(id: &str, row: &Row) -> Value {
    let mut value = json!({
        "id": id, "node": row.node, "account": row.account, "who": row.who, "status": row.status(), "reason": row.reason,
        "in_aws": row.aws, "in_ledger": row.ours,
    });
    let mut put = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            value[name] = text.into();
        }
    };
    put("mode", Some(row.mode.clone()).filter(|m| !m.is_empty()));
    put("began", row.began.map(|at| at.to_string()));
    put("ended", row.ended.map(|at| at.to_string()));
    put("recording", row.recording.clone());
    if let Some((received, sent)) = row.bytes {
        value["received"] = received.into();
        value["sent"] = sent.into();
    }
    value
}

fn table(rows: &[(String, Row)], estate: &Estate) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string());
    let head = ["BEGAN (UTC)", "STATUS", "NODE", "ACCOUNT", "WHO", "FROM", "REASON"].map(str::to_owned);
    let cells = |row: &Row| {
        let cells = [
            time(row.began),
            row.status().to_owned(),
            row.node.clone(),
            estate.account_label(&row.account).to_owned(),
            row.who.clone(),
            row.source().to_owned(),
            row.reason.clone(),
        ];
        cells.map(|cell| text::line(&cell).into_owned())
    };
    let all: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(|(_, row)| cells(row))).collect();
    let width = |n: usize| all.iter().map(|row| text::width(&row[n])).max().unwrap_or(0).min(40);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| -> String {
        let padded = row.iter().zip(&widths).enumerate().map(|(n, (cell, width))| {
            if n == 6 { cell.clone() } else { format!("{}  ", text::pad(&text::fit(cell, *width), *width, false)) }
        });
        padded.collect::<String>().trim_end().to_owned()
    };
    all.iter().map(line).collect()
}
