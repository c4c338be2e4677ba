//! `bartizan triage`: decisions from the command line, as the console makes them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;
use serde_json::json;

use crate::catalog::ListingId;
use crate::cli::{Done, Global, setup};
use crate::listing::filter;
use crate::listing::query::{Cancel, Query, run};
use crate::message::{On, Proposal, Settled, Staged};
use crate::model::decision::{Decision, Subject};
use crate::model::finding::{Severity, Status, Verdict};
use crate::text;
use crate::triage::until;
use crate::work::delivery::hubs::Hubs;
use crate::work::delivery::{Delivery, Pass};

/// Options of triage.
#[derive(Debug, Args)]
pub(super) struct Triage {
    #[command(subcommand)]
    command: Command,
}

/// What to decide on.
#[derive(Debug, Args)]
struct What {
    /// Ids of findings
    ids: Vec<String>,
    /// All findings that match, in the console's filter language
    #[arg(long, short, value_name = "EXPRESSION", conflicts_with = "ids")]
    filter: Option<String>,
    /// Only say what would be decided
    #[arg(long)]
    dry_run: bool,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// What policy's cap or a guardrail wants typed: the number, the account's name, or yes
    #[arg(long, value_name = "WORDS")]
    confirm: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give findings an owner (a team), an assignee (a person), or both
    Assign {
        #[command(flatten)]
        what: What,
        /// The team; an empty text takes it away
        #[arg(long, value_name = "TEAM")]
        owner: Option<String>,
        /// The person; an empty text takes it away
        #[arg(long, value_name = "PERSON")]
        assignee: Option<String>,
        /// Own an account, a resource or a principal instead: account:ID, resource:ARN, principal:ARN
        #[arg(long, value_name = "SUBJECT", conflicts_with_all = ["ids", "filter"])]
        on: Option<Subject>,
    },
    /// Take findings on; nobody else can meanwhile
    Claim(What),
    /// Give a claim up
    Release(What),
    /// Write a note; --reason is its text
    Note(What),
    /// Set the workflow status: NEW, NOTIFIED, RESOLVED
    Status {
        status: Status,
        #[command(flatten)]
        what: What,
    },
    /// Say what it was found to be: TRUE_POSITIVE, FALSE_POSITIVE, BENIGN_POSITIVE
    Verdict {
        verdict: Verdict,
        #[command(flatten)]
        what: What,
    },
    /// Set another severity; takes a reason
    Severity {
        severity: Severity,
        #[command(flatten)]
        what: What,
    },
    /// Set a due date; without --until the service level counts again
    Due {
        #[command(flatten)]
        what: What,
        /// A day (2026-12-31), a time (RFC 3339) or a span from now (30d)
        #[arg(long, value_name = "WHEN")]
        until: Option<String>,
    },
    /// Accept the risk until a day; takes a reason, and where policy says so a second person
    Accept {
        #[command(flatten)]
        what: What,
        #[arg(long, value_name = "WHEN", default_value = "90d")]
        until: String,
    },
    /// Suppress findings until a day; takes a reason, and where policy says so a second person
    Suppress {
        #[command(flatten)]
        what: What,
        #[arg(long, value_name = "WHEN", default_value = "90d")]
        until: String,
    },
    /// Approve what somebody else asked for
    Approve(What),
    /// Turn down what was asked for
    Reject(What),
    /// Open again what was resolved, accepted or suppressed
    Reopen(What),
    /// Take back your own last decision
    Undo(What),
}

impl Command {
    fn what(&self) -> &What {
        match self {
            Self::Claim(what)
            | Self::Release(what)
            | Self::Note(what)
            | Self::Approve(what)
            | Self::Reject(what)
            | Self::Reopen(what)
            | Self::Undo(what)
            | Self::Assign { what, .. }
            | Self::Status { what, .. }
            | Self::Verdict { what, .. }
            | Self::Severity { what, .. }
            | Self::Due { what, .. }
            | Self::Accept { what, .. }
            | Self::Suppress { what, .. } => what,
        }
    }

    fn decision(&self, now: Timestamp) -> Result<Decision> {
        let until = |text: &str| until::parse(text, now).map_err(|e| eyre!(e));
        Ok(match self {
            Self::Assign { owner: None, assignee: None, .. } => bail!("assign whom? give --owner, --assignee or both"),
            Self::Assign { owner, assignee, .. } => Decision::Assign { owner: owner.clone(), assignee: assignee.clone() },
            Self::Claim(_) => Decision::Claim,
            Self::Release(_) => Decision::Release,
            Self::Note(what) => Decision::Note { text: what.reason.clone() },
            Self::Status { status, .. } => Decision::Status { status: *status },
            Self::Verdict { verdict, .. } => Decision::Verdict { verdict: *verdict },
            Self::Severity { severity, .. } => Decision::Severity { severity: *severity },
            Self::Due { until: None, .. } => Decision::Due { at: None },
            Self::Due { until: Some(at), .. } => Decision::Due { at: Some(until(at)?) },
            Self::Accept { until: at, .. } => Decision::Accept { until: until(at)?, pending: false },
            Self::Suppress { until: at, .. } => Decision::Suppress { until: until(at)?, pending: false },
            Self::Approve(_) => Decision::Approve { of: 0 },
            Self::Reject(_) => Decision::Reject { of: 0 },
            Self::Reopen(_) => Decision::Reopen,
            Self::Undo(_) => Decision::Undo { of: 0 },
        })
    }
}

impl Triage {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let now = Timestamp::now();
        let what = self.command.what();
        let decision = self.command.decision(now)?;
        let subject = if let Command::Assign { on, .. } = &self.command { on.clone() } else { None };
        if subject.is_none() && what.ids.is_empty() && what.filter.is_none() {
            bail!("decide on what? give ids of findings, or --filter");
        }
        let runtime = setup::runtime()?;
        let desk = runtime.block_on(Box::pin(setup::desk(global, now)))?;
        let on = match subject {
            Some(subject) => On::Subject(subject),
            None => On::Findings(desk.keys(what, now)?.into()),
        };
        // A note's text is its content, not its reason.
        let reason = if matches!(decision, Decision::Note { .. }) { String::new() } else { what.reason.clone() };
        let proposal = Proposal { on, decision, reason };
        let staged = desk.desk.stage(&desk.world.estate, &proposal, now).map_err(|e| eyre!(e))?;
        if what.dry_run {
            println!("{}", serde_json::to_string_pretty(&dry_run(&staged))?);
            return Ok(Done::Whole);
        }
        let many = staged.will.len();
        setup::confirmed(&staged.before, what.confirm.as_deref())?;
        let bar = io::stderr().is_terminal() && many > 1;
        let settled = runtime.block_on(desk.desk.carry_out(&desk.world.estate, &staged, now, |done| {
            if bar {
                eprint!("\r\x1b[K{done} of {many}");
            }
        }));
        if bar {
            eprint!("\r\x1b[K");
        }
        let delivered = runtime.block_on(Box::pin(desk.deliver()));
        runtime.block_on(desk.desk.ledger().close())?;
        match (print(&staged, &settled)?, delivered?) {
            (Done::Whole, Done::Whole) => Ok(Done::Whole),
            _ => Ok(Done::InPart),
        }
    }
}

/// A dry run as data.
fn dry_run(staged: &Staged) -> serde_json::Value {
    json!({
        "will": staged.will.iter().map(|s| json!({"subject": s.subject, "name": s.name, "decision": s.decision})).collect::<Vec<_>>(),
        "will_not": staged.wont.iter().map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<_>>(),
        "by_account": staged.by_account.iter().map(|(account, counts)| (account.clone(), counts.iter()
            .map(|(severity, n)| (severity.word().to_owned(), json!(n))).collect::<serde_json::Map<_, _>>().into()))
            .collect::<serde_json::Map<_, _>>(),
        "pending": staged.pending,
        "gone": staged.gone,
        "confirm": setup::wanted(&staged.before),
        "confirm_why": staged.before.why,
    })
}

/// What became of each, as data; what was not decided goes to standard error too.
fn print(staged: &Staged, settled: &[Settled]) -> Result<Done> {
    let done = settled.iter().map(|s| match &s.done {
        Ok(entry) => json!({"subject": s.step.subject, "name": s.step.name, "done": true, "entry": entry}),
        Err(why) => json!({"subject": s.step.subject, "name": s.step.name, "done": false, "why": why}),
    });
    let wont = staged.wont.iter().map(|(name, why)| json!({"name": name, "done": false, "why": why}));
    println!("{}", serde_json::to_string_pretty(&done.chain(wont).collect::<Vec<_>>())?);
    // What was not decided, by reason: the data has each.
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for why in settled.iter().filter_map(|s| s.done.as_ref().err()) {
        *reasons.entry(why).or_default() += 1;
    }
    for (_, why) in &staged.wont {
        *reasons.entry(why).or_default() += 1;
    }
    for (why, count) in &reasons {
        eprintln!("{} not decided: {}", text::count(*count as u64), text::line(why));
    }
    let missed: usize = reasons.values().sum();
    let made = settled.iter().filter(|s| s.done.is_ok()).count();
    match (made, missed) {
        (0, 0) => bail!("nothing to decide on: no such finding is known here; `bartizan list findings` shows what is"),
        (0, _) => bail!("nothing was decided"),
        (_, 0) => Ok(Done::Whole),
        _ => Ok(Done::InPart),
    }
}

impl setup::AtDesk {
    pub(super) fn delivery(&self) -> Delivery {
        let desk = &self.desk;
        let hubs = Arc::new(Hubs::over(self.connections.clone()));
        Delivery::new(desk.ledger().clone(), Arc::clone(desk.library()), hubs, desk.system())
    }

    /// Delivers what is due to Security Hub, and says what did not arrive. What waits goes out with the next decision, or
    /// when a console runs.
    pub(super) async fn deliver(&self) -> Result<Done> {
        if self.connections.is_empty() {
            return Ok(Done::Whole);
        }
        let delivery = self.delivery();
        let mut all = Pass::default();
        loop {
            let pass = delivery.pass(Timestamp::now()).await?;
            all.arrived += pass.arrived;
            all.failed.extend(pass.failed);
            all.conflicts.extend(pass.conflicts);
            if pass.taken == 0 {
                break;
            }
        }
        if all.arrived > 0 {
            eprintln!("{} delivered to Security Hub", text::count(all.arrived as u64));
        }
        let waiting = self.desk.ledger().local().delivery_counts().await?.pending;
        if waiting > 0 {
            eprintln!("{} wait in the outbox: they are tried again by a console or the next command", text::count(waiting));
        }
        for (key, why) in all.failed.iter().chain(&all.conflicts) {
            eprintln!("not delivered, finding {key}: {}", text::line(why));
        }
        Ok(if all.failed.is_empty() && all.conflicts.is_empty() { Done::Whole } else { Done::InPart })
    }

    /// The rows that ids or a filter name.
    fn keys(&self, what: &What, now: Timestamp) -> Result<Vec<u64>> {
        let index = self.world.index(ListingId::Findings);
        let schema = &ListingId::Findings.get().schema;
        let select = |text: &str| -> Result<Vec<u64>> {
            let filter = filter::parse(text, schema, now.as_second()).map_err(|e| eyre!("the filter is wrong: {}", e.message))?;
            let query = Query { filter, now: now.as_second(), ..Query::default() };
            let rows = run(index, &query, &Cancel::new()).map(|rows| rows.ids).unwrap_or_default();
            Ok(rows.iter().filter_map(|row| index.key(*row)).collect())
        };
        if let Some(filter) = &what.filter {
            return select(filter);
        }
        let mut keys = Vec::new();
        for id in &what.ids {
            let found = select(&filter::exactly("id", id))?;
            if found.is_empty() {
                bail!("no finding has the id {id:?}; `bartizan list findings -o json` shows ids");
            }
            keys.extend(found);
        }
        Ok(keys)
    }
}
