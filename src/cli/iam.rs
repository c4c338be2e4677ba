//! `bartizan iam`: who can do what, who can become whom, and why; on AWS, on an estate file, or on a plain answer of
//! `aws iam get-account-authorization-details`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, setup};
use crate::iam::account::Account;
use crate::iam::evaluate::{Answer, Context, Decision, Layer};
use crate::iam::facts::Level;
use crate::iam::graph::{Graph, Path, Source, Target, To, pipelines};
use crate::iam::lint::{Kind, Weight, lint};
use crate::iam::read::{ReadError, authorization_details};
use crate::iam::unused::{Unused, Use, unused};
use crate::iam::write::{Intent, write_policy};
use crate::model::arn::short;
use crate::model::principal::{Identity, LastAccessed};
use crate::text;
use crate::work::sweep::{Kind as Asked, Used};

/// Paths that are listed at most.
const MOST_PATHS: usize = 100;

/// Options of iam.
#[derive(Debug, Args)]
pub(super) struct Iam {
    /// The account, by its twelve digits or its name, where what is looked at has several
    #[arg(long, global = true, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// May a principal do something? Exit code 1 where it may not
    Can {
        /// An ARN, role/name or user/name
        principal: String,
        /// service:Action
        action: String,
        /// The resource's ARN
        #[arg(default_value = "*")]
        resource: String,
        /// What is known of the request: aws:SourceIp=10.0.0.1
        #[arg(long, value_name = "KEY=VALUE")]
        context: Vec<String>,
    },
    /// Who may do something, for certain or under conditions
    WhoCan {
        action: String,
        #[arg(default_value = "*")]
        resource: String,
        #[arg(long, value_name = "KEY=VALUE")]
        context: Vec<String>,
    },
    /// How a principal becomes another, or an administrator
    Paths {
        /// Whose ways; --from already names the file that is looked at
        #[arg(long, value_name = "PRINCIPAL")]
        who: Option<String>,
        /// A principal [default: administrator]
        #[arg(long, value_name = "PRINCIPAL")]
        to: Option<String>,
    },
    /// What is lost with a principal: what it can become, read, write and destroy
    Blast { principal: String },
    /// What a principal is granted and does not use, and its policies without that, as a diff
    Unused {
        principal: String,
        /// Not used for so many days
        #[arg(long, default_value_t = 90, value_name = "DAYS")]
        days: i64,
        /// Actions to keep whatever their use: s3:Get*
        #[arg(long, value_name = "ACTION")]
        keep: Vec<String>,
        /// A saved answer of `aws iam get-service-last-accessed-details` instead of asking AWS
        #[arg(long, value_name = "FILE")]
        used: Option<PathBuf>,
    },
    /// Write a least-privilege policy from what is to be done with which ARNs
    Policy {
        #[arg(long, value_name = "ARN")]
        list: Vec<String>,
        #[arg(long, value_name = "ARN")]
        read: Vec<String>,
        #[arg(long, value_name = "ARN")]
        write: Vec<String>,
        #[arg(long, value_name = "ARN")]
        tagging: Vec<String>,
        #[arg(long, value_name = "ARN")]
        permissions: Vec<String>,
        /// Actions that take no resource
        #[arg(long, value_name = "ACTION")]
        action: Vec<String>,
        /// Actions to leave out
        #[arg(long, value_name = "ACTION")]
        without: Vec<String>,
    },
    /// Say what is wrong with a policy document. Exit code 1 where AWS would refuse it or it does not do what it says
    Lint {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What it is attached to
        #[arg(long, value_enum, default_value_t = Attached::Managed)]
        kind: Attached,
    },
    /// Delivery pipelines that can become roles, what keeps strangers out, and what each may change
    Pipelines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Attached {
    Managed,
    User,
    Group,
    Role,
    Trust,
    Scp,
    Resource,
}

impl Iam {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        match &self.command {
            Command::Lint { files, kind } => return self.lint(files, *kind),
            Command::Policy { list, read, write, tagging, permissions, action, without } => {
                let asked = [
                    (Level::List, list),
                    (Level::Read, read),
                    (Level::Write, write),
                    (Level::Tagging, tagging),
                    (Level::PermissionsManagement, permissions),
                ];
                let on = asked.iter().flat_map(|(level, arns)| arns.iter().map(|arn| (*level, arn.clone()))).collect();
                return self.policy(&Intent { on, plain: action.clone(), without: without.clone() });
            }
            _ => {}
        }
        let asked = match &self.command {
            Command::Unused { principal, used: None, .. } => Used::One(principal.clone()),
            _ => Used::Nobody,
        };
        let (accounts, identities, known) = self.accounts(global, asked)?;
        for problem in accounts.iter().flat_map(|a| &a.problems) {
            eprintln!("{}: {}", text::line(&problem.policy), text::line(&problem.why));
        }
        match &self.command {
            Command::Can { principal, action, resource, context } => {
                let account = holder(&accounts, principal)?;
                let answer = account.can(principal, action, resource, &read_context(context)?)?;
                self.can(&format!("{principal} {action} on {resource}"), &answer)
            }
            Command::WhoCan { action, resource, context } => {
                let context = read_context(context)?;
                let mut rows = Vec::new();
                for account in &accounts {
                    for (at, answer) in account.who_can(action, resource, &context)? {
                        rows.push((account.principals[at].arn.clone(), answer));
                    }
                }
                if resource.starts_with("arn:") && resource.split(':').nth(4) == Some("") && accounts.len() > 1 {
                    eprintln!("The ARN names no account: each account answers as if the resource stood in it.");
                }
                self.who_can(&rows)
            }
            Command::Paths { who: from, to } => {
                let (one, both) = (from.as_deref().or(to.as_deref()), from.is_some() || to.is_some());
                let accounts: Vec<&Account> = match one.filter(|_| both) {
                    Some(principal) => vec![holder(&accounts, principal)?],
                    None => accounts.iter().collect(),
                };
                let mut all = Vec::new();
                for account in accounts {
                    let graph = Graph::new(account);
                    let from = from.as_deref().map(|p| account.principal(p)).transpose()?;
                    let target = match to.as_deref() {
                        Some(p) => Target::Principals(vec![account.principal(p)?]),
                        None => Target::Administrator,
                    };
                    let (paths, more) = match from {
                        Some(_) => graph.paths(from, &target, MOST_PATHS),
                        // For everyone at once, the shortest of each says enough.
                        None if target == Target::Administrator => {
                            (graph.escalations().into_iter().flatten().filter(|p| !p.steps.is_empty()).collect(), false)
                        }
                        None => graph.paths(None, &target, MOST_PATHS),
                    };
                    all.extend(paths.iter().map(|path| told(&graph, path)));
                    if more {
                        eprintln!("there are more paths than the {MOST_PATHS} shown; name --who and --to");
                    }
                }
                self.paths(&all)
            }
            Command::Blast { principal } => {
                let account = holder(&accounts, principal)?;
                self.blast(account, account.principal(principal)?)
            }
            Command::Unused { principal, days, keep, used } => {
                let account = holder(&accounts, principal)?;
                let at = account.principal(principal)?;
                let arn = &account.principals[at].arn;
                let accessed = match used {
                    Some(file) => {
                        let name = file.display();
                        let text = fs::read_to_string(file).wrap_err_with(|| format!("could not read {name}"))?;
                        last_accessed(&text, arn).wrap_err_with(|| name.to_string())?
                    }
                    None => {
                        let all = identities.iter().flat_map(|i| &i.last_accessed);
                        let found = all.into_iter().find(|l| l.arn == *arn).cloned();
                        found.ok_or_else(|| {
                            eyre!(
                                "what {principal} used is not in what is looked at: ask AWS (leave --from away), collect with \
                                 --last-used, or give a saved answer with --used"
                            )
                        })?
                    }
                };
                let found = unused(account, at, &Use::of(&accessed), Use::since(&accessed, *days), keep);
                self.unused(arn, *days, &found)
            }
            Command::Pipelines => {
                let mut rows = Vec::new();
                for account in &accounts {
                    let graph = Graph::new(account);
                    for p in pipelines(&graph, &known) {
                        let weak: Vec<String> = p.trust.weak.iter().map(|w| w.sentence()).collect();
                        rows.push(json!({
                            "role": account.principals[p.trust.role].arn,
                            "system": p.system,
                            "issuer": match &p.trust.source { Source::Oidc { issuer, .. } => issuer.clone(), _ => String::new() },
                            "subjects": p.trust.subjects,
                            "weak": weak,
                            "administrator": p.power.word(),
                            "writes": p.writes,
                            "manages_permissions": p.manages,
                            "deploys": p.deploys,
                        }));
                    }
                }
                self.pipelines(&rows)
            }
            Command::Lint { .. } | Command::Policy { .. } => Ok(Done::Whole),
        }
    }

    /// The accounts that are looked at, compiled and as they were read, and the ids that are known in the organisation.
    fn accounts(&self, global: &Global, used: Used) -> Result<(Vec<Account>, Vec<Arc<Identity>>, BTreeSet<String>)> {
        if let Some(from) = global.from.as_deref().filter(|from| *from != "demo") {
            // A plain answer of the AWS CLI will do.
            let text = fs::read(from).wrap_err_with(|| format!("could not read {from}"))?;
            if let Ok(text) = String::from_utf8(text) {
                match authorization_details(&text) {
                    Ok(identity) => {
                        let known = [identity.account.clone()].into();
                        return Ok((vec![Account::read(&identity)], vec![Arc::new(identity)], known));
                    }
                    // It may be an estate or a file of findings.
                    Err(error) if setup::from(global).is_err() => return Err(error).wrap_err_with(|| from.to_owned()),
                    Err(ReadError::Json(_) | ReadError::Other { .. } | ReadError::Part { .. }) => {}
                }
            }
        }
        let kinds = [Asked::Accounts, Asked::Iam, Asked::Network];
        let looked = match used {
            Used::Nobody => setup::look(global, &kinds),
            used => setup::look_with_used(global, &kinds, used),
        }?;
        let estate = &looked.world.estate;
        let known = estate.accounts.iter().map(|a| a.id.clone()).collect();
        let wanted = |id: &str| {
            self.account.as_deref().is_none_or(|asked| asked == id || estate.account(id).is_some_and(|a| a.name == asked))
        };
        let ids = estate.identities.iter().map(|i| i.account.as_str()).filter(|id| wanted(id));
        let accounts: Vec<Account> = ids.filter_map(|id| Account::of_estate(estate, id)).collect();
        match (&self.account, accounts.is_empty()) {
            (Some(asked), true) => bail!("no IAM of account {asked:?} is known; `bartizan list accounts` shows what there is"),
            (None, true) => bail!("no IAM is known: `bartizan list coverage` shows what AWS refused"),
            _ => Ok((accounts, estate.identities.clone(), known)),
        }
    }

    fn can(&self, question: &str, answer: &Answer) -> Result<Done> {
        let mut out = io::stdout().lock();
        if self.json {
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&as_json(answer))?))?;
        } else {
            let mut lines = vec![format!("{}: {question}", word(answer.decision))];
            lines.extend(reasons(answer));
            unless_closed(writeln!(out, "{}", safe(&lines)))?;
        }
        Ok(if answer.decision == Decision::Allowed { Done::Whole } else { Done::No })
    }

    fn who_can(&self, rows: &[(String, Answer)]) -> Result<Done> {
        let mut out = io::stdout().lock();
        if self.json {
            let rows: Vec<Value> = rows
                .iter()
                .map(|(arn, answer)| {
                    let mut row = as_json(answer);
                    row["principal"] = json!(arn);
                    row
                })
                .collect();
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
        } else {
            let width = rows.iter().map(|(arn, _)| text::width(arn)).max().unwrap_or(0);
            let line = |(arn, answer): &(String, Answer)| {
                // The grant is worth more than the guardrails that let it through.
                let granted = answer.because.iter().find(|b| b.layer == Layer::Identity).or(answer.because.first());
                let by = granted.map_or_else(String::new, |b| format!("{}, {}", b.policy, b.statement));
                format!("{}  {:<8}  {by}", text::pad(arn, width, false), word(answer.decision))
            };
            let lines: Vec<String> = rows.iter().map(line).collect();
            unless_closed(writeln!(out, "{}", if lines.is_empty() { "Nobody.".to_owned() } else { safe(&lines) }))?;
        }
        Ok(Done::Whole)
    }

    fn paths(&self, paths: &[Value]) -> Result<Done> {
        let mut out = io::stdout().lock();
        if self.json {
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

    fn blast(&self, account: &Account, principal: usize) -> Result<Done> {
        let graph = Graph::new(account);
        let blast = graph.blast(principal, true);
        let levels = |counts: &[u32; 5]| -> Value {
            Level::ALL
                .iter()
                .zip(counts)
                .map(|(level, n)| (level.word().to_owned(), json!(n)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let value = json!({
            "principal": account.principals[principal].arn,
            "everything": blast.everything,
            "becomes": blast.reached.iter().map(|r| json!({
                "principal": account.principals[r.principal].arn, "steps": r.steps, "certain": r.certain,
            })).collect::<Vec<_>>(),
            "actions": blast.actions,
            "by_service": blast.by_service.iter().map(|(s, c)| ((*s).to_owned(), levels(c))).collect::<serde_json::Map<_, _>>(),
            "data_class": account.data_class,
            "classes": blast.classes.iter().map(|c| json!({
                "class": c.class, "entered": c.read, "destroyed": c.destroy, "resources": c.resources,
            })).collect::<Vec<_>>(),
            "data": blast.data.iter().map(|d| json!({
                "service": d.service, "read": d.read, "write": d.write, "destroy": d.destroy, "resources": d.resources,
            })).collect::<Vec<_>>(),
        });
        let mut out = io::stdout().lock();
        if self.json {
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&value)?))?;
            return Ok(Done::Whole);
        }
        let mut lines = vec![account.principals[principal].arn.clone()];
        if blast.everything {
            lines.push("Everything in the account is lost: it is, or becomes, an administrator.".into());
        }
        lines.push(format!(
            "It becomes {} others, and all of them together may take {} actions.",
            blast.reached.len(),
            text::count(blast.actions as u64)
        ));
        for reached in blast.reached.iter().take(30) {
            let sure = if reached.certain { "" } else { ", under conditions" };
            lines.push(format!(
                "  {} in {} step{}{sure}",
                short(&account.principals[reached.principal].arn),
                reached.steps,
                if reached.steps == 1 { "" } else { "s" }
            ));
        }
        lines.extend(account.data_class.iter().map(|class| format!("The account's tags call its data {class:?}.")));
        for class in &blast.classes {
            lines.push(format!(
                "  {} machines of data class {:?}: {}",
                class.resources.len(),
                class.class,
                class.resources.join(" ")
            ));
        }
        if !blast.data.is_empty() {
            lines.push("Data:".into());
        }
        for data in &blast.data {
            lines.push(format!(
                "  {:<16} {:>3} read {:>3} write {:>3} destroy   {}",
                data.service,
                data.read,
                data.write,
                data.destroy,
                data.resources.join(" ")
            ));
        }
        unless_closed(writeln!(out, "{}", safe(&lines)))?;
        Ok(Done::Whole)
    }

    fn unused(&self, arn: &str, days: i64, found: &Unused) -> Result<Done> {
        let mut out = io::stdout().lock();
        if self.json {
            let trimmed = found
                .trimmed
                .iter()
                .map(|t| json!({"policy": t.name, "policy_arn": t.arn, "before": t.before, "after": t.after, "diff": t.diff}));
            let value = json!({
                "principal": arn,
                "days": days,
                "share": found.share,
                "services": found.services,
                "actions": found.actions,
                "unknown": found.unknown,
                "policies": trimmed.collect::<Vec<_>>(),
            });
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&value)?))?;
            return Ok(Done::Whole);
        }
        let mut lines = vec![format!("{arn}: {:.0} % of what it is granted was not used in {days} days.", found.share * 100.0)];
        let mut list = |label: &str, names: &[String]| {
            if !names.is_empty() {
                lines.push(format!("{label}: {}", names.join(", ")));
            }
        };
        list("Services not used", &found.services.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        list("Actions not used", &found.actions);
        list("Nothing is known of", &found.unknown.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        for policy in &found.trimmed {
            lines.push(String::new());
            let changed = policy.diff.iter().any(|l| !l.starts_with("  "));
            match (&policy.after, changed) {
                (_, false) => lines.push(format!("{}: all of it is used.", policy.name)),
                (None, true) => lines.push(format!("{}: nothing of it is used; it can go.", policy.name)),
                (Some(_), true) => {
                    lines.push(format!("{}:", policy.name));
                    lines.extend(policy.diff.iter().cloned());
                }
            }
        }
        unless_closed(writeln!(out, "{}", safe(&lines)))?;
        Ok(Done::Whole)
    }

    fn pipelines(&self, rows: &[Value]) -> Result<Done> {
        let mut out = io::stdout().lock();
        if self.json {
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(rows)?))?;
            return Ok(Done::Whole);
        }
        let words = |v: &Value| v.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        for row in rows {
            lines.push(format!("{}  {}", row["role"].as_str().unwrap_or(""), row["system"].as_str().unwrap_or("")));
            lines.push(format!("  subjects: {}", words(&row["subjects"])));
            if row["weak"].as_array().is_some_and(|w| !w.is_empty()) {
                lines.push(format!("  weak: {}", words(&row["weak"])));
            }
            lines.push(format!(
                "  administrator: {}; {} writing actions, {} that manage permissions",
                row["administrator"].as_str().unwrap_or(""),
                row["writes"],
                row["manages_permissions"]
            ));
        }
        unless_closed(writeln!(
            out,
            "{}",
            if lines.is_empty() { "No pipeline can become a role.".to_owned() } else { safe(&lines) }
        ))?;
        Ok(Done::Whole)
    }

    fn policy(&self, intent: &Intent) -> Result<Done> {
        let written = write_policy(intent, Kind::Managed.size_limit())?;
        let mut out = io::stdout().lock();
        for policy in &written.policies {
            unless_closed(writeln!(out, "{}", policy.print()))?;
        }
        if !written.also_needed.is_empty() {
            eprintln!("These actions need others as well, which are not granted: {}", written.also_needed.join(", "));
        }
        Ok(Done::Whole)
    }

    fn lint(&self, files: &[PathBuf], kind: Attached) -> Result<Done> {
        let kind = match kind {
            Attached::Managed => Kind::Managed,
            Attached::User => Kind::InlineUser,
            Attached::Group => Kind::InlineGroup,
            Attached::Role => Kind::InlineRole,
            Attached::Trust => Kind::Trust,
            Attached::Scp => Kind::Scp,
            Attached::Resource => Kind::Resource,
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let (mut rows, mut done) = (Vec::new(), Done::Whole);
        for file in files {
            let name = file.display();
            let bytes = fs::read(file).wrap_err_with(|| format!("could not read {name}"))?;
            let document = String::from_utf8(bytes).wrap_err_with(|| format!("{name} is not UTF-8 text"))?;
            for l in lint(&document, kind) {
                if l.weight == Weight::Error {
                    done = Done::No;
                }
                if self.json {
                    rows.push(json!({
                        "file": file, "id": l.id, "weight": l.weight.word(), "line": l.line, "column": l.column,
                        "message": l.message,
                    }));
                } else {
                    let line = format!("{name}:{}:{}: {}: {} [{}]", l.line, l.column, l.weight.word(), l.message, l.id);
                    unless_closed(writeln!(out, "{}", text::line(&line)))?;
                }
            }
        }
        if self.json {
            unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
        }
        unless_closed(out.flush())?;
        Ok(done)
    }
}

/// Reads a saved answer about one principal.
fn last_accessed(text: &str, arn: &str) -> Result<LastAccessed> {
    let mut value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).wrap_err("it is not whole JSON")?;
    let services = value["ServicesLastAccessed"].take();
    if !services.is_array() {
        bail!("it is not the answer of aws iam get-service-last-accessed-details: that has a list ServicesLastAccessed");
    }
    let made = value["JobCompletionDate"].as_str().and_then(|t| t.parse().ok());
    let services = serde_json::from_value(services).wrap_err("its list ServicesLastAccessed cannot be read")?;
    Ok(LastAccessed { arn: arn.to_owned(), made, services })
}

/// The account that a principal stands in.
fn holder<'a>(accounts: &'a [Account], principal: &str) -> Result<&'a Account> {
    let mut found = accounts.iter().filter(|a| a.principal(principal).is_ok());
    match (found.next(), found.next()) {
        (Some(account), None) => Ok(account),
        (Some(one), Some(two)) => {
            bail!("{principal:?} is in account {} and in {}, among others: name it by ARN, or say --account", one.id, two.id)
        }
        (None, _) => match accounts {
            [only] => Err(only.principal(principal).err().map_or_else(|| eyre!("there is no {principal:?}"), Into::into)),
            _ => bail!(
                "no user or role {principal:?} in {} accounts; name it by ARN, or as user/name or role/name",
                accounts.len()
            ),
        },
    }
}

fn read_context(pairs: &[String]) -> Result<Context> {
    let mut context = Context::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| eyre!("--context takes KEY=VALUE, and {pair:?} has no ="))?;
        context.set(key, value.split(',').filter(|v| !v.is_empty()));
    }
    Ok(context)
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied { .. } => "denied",
        Decision::Depends => "depends",
    }
}

fn reasons(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if answer.decision == (Decision::Denied { explicit: false }) && answer.because.is_empty() {
        lines.push("  nothing allows it".to_owned());
    }
    for b in &answer.because {
        lines.push(format!("  {:?} by {}, {} ({})", b.effect, b.policy, b.statement, b.layer.word()));
    }
    for layer in &answer.missing {
        lines.push(format!("  not allowed by {}", layer.word()));
    }
    for d in &answer.depends {
        lines.push(format!("  {} if {} ({}, {})", d.effect, d.condition, d.policy, d.statement));
    }
    lines
}

fn as_json(answer: &Answer) -> Value {
    json!({
        "decision": word(answer.decision),
        "explicit": matches!(answer.decision, Decision::Denied { explicit: true }),
        "because": answer.because.iter().map(|b| json!({
            "layer": b.layer.word(), "policy": b.policy, "policy_arn": b.policy_arn, "statement": b.statement,
            "effect": format!("{:?}", b.effect), "certain": b.certain,
        })).collect::<Vec<_>>(),
        "missing": answer.missing.iter().map(|l| l.word()).collect::<Vec<_>>(),
        "depends": answer.depends.iter().map(|d| json!({
            "key": d.key, "condition": d.condition, "effect": d.effect, "policy": d.policy, "statement": d.statement,
        })).collect::<Vec<_>>(),
    })
}

/// A path as data, each step with a sentence and what it rests on.
fn told(graph: &Graph<'_>, path: &Path) -> Value {
    let arn = |to: To| match to {
        To::Principal(at) => graph.account.principals[at].arn.clone(),
        To::Administrator => "administrator".to_owned(),
    };
    let steps = path.steps.iter().map(|step| {
        let edge = step.edges.first().and_then(|at| graph.edges().get(*at));
        let needs = edge.map(|edge| {
            let by = |need: &crate::iam::graph::Need| {
                let statements: Vec<String> = need
                    .by
                    .iter()
                    .map(|id| {
                        let (policy, statement) = graph.statement(*id);
                        format!("{policy}, {statement}")
                    })
                    .collect();
                format!("{} by {}", need.action, statements.join(" or "))
            };
            edge.needs.iter().map(by).collect::<Vec<_>>()
        });
        json!({ "to": arn(step.to), "sentence": edge.map(|e| graph.sentence(e)), "needs": needs, "ways": step.edges.len() })
    });
    json!({
        "from": graph.account.principals[path.from].arn,
        "to": path.steps.last().map_or_else(|| "administrator".to_owned(), |s| arn(s.to)),
        "certain": path.certain,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// Foreign text, line by line.
fn safe(lines: &[String]) -> String {
    lines.iter().map(|line| text::line(line).into_owned()).collect::<Vec<_>>().join("\n")
}
