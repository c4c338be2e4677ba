//! `iam paths`: ways to become another, an administrator, or to get at a resource; and the statements that cut most.

use std::io::{self, Write as _};

use clap::Args;
use color_eyre::eyre::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::{holder, safe};
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::graph::{Cut, Graph, Path, Prize, StatementId, Target, To};
use crate::iam::resources::Held;

/// Paths that are listed at most.
const MOST_PATHS: usize = 100;
/// Statements that are told to cut most.
const MOST_CUTS: usize = 5;

/// Options of paths.
#[derive(Debug, Args)]
pub(super) struct Paths {
    /// Whose ways; --from already names the file that is looked at
    #[arg(long, value_name = "PRINCIPAL")]
    who: Option<String>,
    /// A principal, or the ARN of a resource that somebody gets at [default: administrator]
    #[arg(long, value_name = "PRINCIPAL|ARN")]
    to: Option<String>,
    /// What is done with the resource [default: whatever reads it, writes it or manages permissions on it]
    #[arg(long, value_name = "ACTION", requires = "to")]
    action: Vec<String>,
    /// The statements whose removal cuts off most principals, each tried out, instead of the paths
    #[arg(long)]
    cuts: bool,
}

impl Paths {
    pub(super) fn run(&self, json: bool, accounts: &[Account]) -> Result<Done> {
        // What is neither a user nor a role is a resource.
        let prize = match self.to.as_deref().filter(|to| !accounts.iter().any(|a| a.principal(to).is_ok())) {
            Some(to) if to.starts_with("arn:") && !to.contains(":role/") && !to.contains(":user/") => {
                Some(Prize::new(to, &self.action)?)
            }
            _ => None,
        };
        if prize.is_none() && !self.action.is_empty() {
            bail!("--action says what is done with a resource, and {:?} is none", self.to.as_deref().unwrap_or_default());
        }
        let named = self.who.as_deref().or(self.to.as_deref().filter(|_| prize.is_none()));
        // A role may be become from another account than its own.
        let own = self.to.as_deref().filter(|_| prize.is_none()).map(|to| holder(accounts, to)).transpose()?;
        let looked: Vec<&Account> = match (named, &prize) {
            (Some(principal), _) => vec![holder(accounts, principal)?],
            // Whom it lets in from other accounts is known where its policy is; else it is reached from within its own.
            (None, Some(prize)) => {
                let known = accounts.first().and_then(|a| a.resources().find(&prize.resource)).is_some_and(Held::is_known);
                let id = prize.resource.split(':').nth(4).unwrap_or_default();
                match accounts.iter().find(|a| a.id == id && !known) {
                    Some(own) => vec![own],
                    None => accounts.iter().collect(),
                }
            }
            (None, None) => accounts.iter().collect(),
        };
        let owner = prize.as_ref().and_then(|p| accounts.first().and_then(|a| a.owner(&p.resource)));
        if prize.is_some() && owner.is_none() && looked.len() > 1 {
            eprintln!("The ARN names no account that is known: each account answers as if the resource stood in it.");
        }
        let (mut all, mut cuts) = (Vec::new(), Vec::new());
        for account in looked {
            let graph = Graph::new(account);
            let from = self.who.as_deref().map(|p| account.principal(p)).transpose()?;
            // From elsewhere a role is reached by its trust, which `by_other_accounts` tells.
            if own.is_some_and(|own| own.id != account.id) {
                continue;
            }
            let target = match (&prize, self.to.as_deref()) {
                (Some(prize), _) => graph.reach(prize),
                (None, Some(p)) => Target::Principals(vec![account.principal(p)?]),
                (None, None) => Target::Administrator,
            };
            if self.cuts {
                let found = match from {
                    Some(from) => graph.cut_of(from, &target).into_iter().collect(),
                    None => graph.cuts(&target, MOST_CUTS),
                };
                cuts.extend(found.iter().map(|cut| cut_as_json(account, cut)));
                continue;
            }
            let (paths, more) = match (from, &target) {
                (Some(from), _) => {
                    let (mut paths, more) = graph.paths(Some(from), &target, MOST_PATHS);
                    // Whoever is there already has no step to take; for a resource that is worth telling.
                    let there = graph.shortest(from, &target).filter(|p| prize.is_some() && p.steps.is_empty());
                    paths.splice(0..0, there);
                    (paths, more)
                }
                // For everyone at once, the shortest of each says enough.
                (None, Target::Administrator) => {
                    (graph.escalations().into_iter().flatten().filter(|p| !p.steps.is_empty()).collect(), false)
                }
                (None, Target::Resource(_)) => {
                    let mut paths: Vec<Path> = graph.routes(&target).into_iter().flatten().collect();
                    paths.sort_by_key(|p| (!p.certain, p.steps.len(), p.from));
                    (paths, false)
                }
                (None, Target::Principals(_)) => graph.paths(None, &target, MOST_PATHS),
            };
            all.extend(paths.iter().map(|path| told(&graph, &target, path)));
            if more {
                eprintln!("there are more paths than the {MOST_PATHS} shown; name --who and --to");
            }
        }
        if !self.cuts && prize.is_none() {
            all.extend(self.by_other_accounts(accounts)?);
        }
        if self.cuts { print_cuts(json, &cuts) } else { print(json, &all) }
    }

    /// The ways of other accounts' principals to the role that is asked about.
    fn by_other_accounts(&self, accounts: &[Account]) -> Result<Vec<Value>> {
        let Some(to) = self.to.as_deref() else { return Ok(Vec::new()) };
        let own = holder(accounts, to)?;
        let role = &own.principals[own.principal(to)?];
        let prize = Prize::role(&role.arn);
        let mut all = Vec::new();
        for account in accounts.iter().filter(|a| a.id != own.id) {
            let from = match self.who.as_deref().map(|who| account.principal(who)) {
                Some(Err(_)) => continue,
                Some(Ok(from)) => Some(from),
                None => None,
            };
            if !role.is_role || !own.resources().trusts(&role.arn, &account.id) {
                continue;
            }
            let graph = Graph::new(account);
            let target = graph.reach(&prize);
            let paths = graph.routes(&target).into_iter().flatten().filter(|p| from.is_none_or(|f| f == p.from));
            all.extend(paths.take(MOST_PATHS).map(|path| told(&graph, &target, &path)));
        }
        Ok(all)
    }
}

fn print(json: bool, paths: &[Value]) -> Result<Done> {
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(paths)?))?;
        return Ok(Done::Whole);
    }
    let mut lines = Vec::new();
    for path in paths {
        let certain = if path["certain"] == true { "" } else { "  (under conditions)" };
        lines.push(format!("{} → {}{certain}", path["from"].as_str().unwrap_or(""), path["to"].as_str().unwrap_or("")));
        for step in path["steps"].as_array().into_iter().flatten() {
            lines.push(format!("  {}", step["sentence"].as_str().unwrap_or("")));
            for need in step["needs"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                lines.push(format!("    {need}"));
            }
        }
    }
    unless_closed(writeln!(out, "{}", if lines.is_empty() { "No path.".to_owned() } else { safe(&lines) }))?;
    Ok(Done::Whole)
}

fn print_cuts(json: bool, cuts: &[Value]) -> Result<Done> {
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(cuts)?))?;
        return Ok(Done::Whole);
    }
    let mut lines = Vec::new();
    for cut in cuts {
        let text = |field: &str| cut[field].as_str().unwrap_or_default();
        let freed: Vec<&str> = cut["cuts_off"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        lines.push(format!("{}, {}: cuts off {} of {}", text("policy"), text("statement"), freed.len(), cut["of"]));
        lines.extend(freed.iter().take(20).map(|arn| format!("  {arn}")));
        if freed.len() > 20 {
            lines.push(format!("  and {} more", freed.len() - 20));
        }
    }
    let none = "No single statement cuts anybody off: there is no path, or every one has another beside it.";
    unless_closed(writeln!(out, "{}", if lines.is_empty() { none.to_owned() } else { safe(&lines) }))?;
    Ok(Done::Whole)
}

fn cut_as_json(account: &Account, cut: &Cut) -> Value {
    let policy = account.policies.get(cut.statement.policy as usize);
    json!({
        "account": account.id,
        "policy": cut.policy,
        "policy_arn": policy.map_or("", |p| &p.arn),
        "statement": cut.label,
        "cuts_off": cut.freed.iter().map(|p| account.principals[*p].arn.as_str()).collect::<Vec<_>>(),
        "of": cut.of,
    })
}

/// A path as data, each step with a sentence and what it rests on.
fn told(graph: &Graph<'_>, target: &Target, path: &Path) -> Value {
    let arn = |to: To| match to {
        To::Principal(at) => graph.account.principals[at].arn.clone(),
        To::Administrator => "administrator".to_owned(),
    };
    let by = |action: &str, by: &[StatementId]| {
        let statements: Vec<String> = by
            .iter()
            .map(|id| {
                let (policy, statement) = graph.statement(*id);
                format!("{policy}, {statement}")
            })
            .collect();
        format!("{action} by {}", statements.join(" or "))
    };
    let steps = path.steps.iter().map(|step| {
        let edge = step.edges.first().and_then(|at| graph.edges().get(*at));
        let needs = edge.map(|edge| edge.needs.iter().map(|need| by(need.action, &need.by)).collect::<Vec<_>>());
        json!({ "to": arn(step.to), "sentence": edge.map(|e| graph.sentence(e)), "needs": needs, "ways": step.edges.len() })
    });
    let mut steps: Vec<Value> = steps.collect();
    let mut to = path.steps.last().map_or_else(|| "administrator".to_owned(), |s| arn(s.to));
    if let Target::Resource(reached) = target {
        // The last step is the use of the resource itself.
        let holder = match path.steps.last().map_or(To::Principal(path.from), |s| s.to) {
            To::Principal(at) => reached.holder(at),
            To::Administrator => None,
        };
        to.clone_from(&reached.prize.resource);
        steps.extend(holder.map(|holder| {
            let (sentence, statements) = graph.use_of(reached, holder);
            let asks = reached.prize.asks();
            let may: Vec<&str> = holder.may.iter().filter_map(|(ask, _)| Some(asks.get(*ask)?.action.as_str())).collect();
            let first = may.first().copied().unwrap_or_default();
            let needs: Vec<String> = (!statements.is_empty()).then(|| by(first, &statements)).into_iter().collect();
            json!({ "to": to, "sentence": sentence, "needs": needs, "ways": may.len(), "actions": may })
        }));
    }
    json!({
        "from": graph.account.principals[path.from].arn,
        "to": to,
        "certain": path.certain,
        "steps": steps,
    })
}
