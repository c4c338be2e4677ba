//! Who may do what: `iam can` and `iam who-can`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use color_eyre::eyre::{Result, WrapErr as _, eyre};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::{inward, safe};
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::doubts::{doubts, unfit};
use crate::iam::evaluate::{Answer, Compiled, Context, Decision, Missing};
use crate::iam::graph::{Graph, Joined};
use crate::iam::openings::{Guest, guests};
use crate::iam::policy::Policy;
use crate::text;

/// Prints an answer; the end of the program says no where it is no.
pub(super) fn can(json: bool, question: &str, answer: &Answer, notes: &[String]) -> Result<Done> {
    tell(notes);
    let mut out = io::stdout().lock();
    if json {
        let mut value = as_json(answer);
        value["notes"] = json!(notes);
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&value)?))?;
    } else {
        let mut lines = vec![format!("{}: {question}", word(answer.decision))];
        lines.extend(reasons(answer));
        unless_closed(writeln!(out, "{}", safe(&lines)))?;
    }
    Ok(if answer.decision == Decision::Allowed { Done::Whole } else { Done::No })
}

/// The policies that a session was made with; none where none are named.
pub(super) fn session_policies(files: &[PathBuf]) -> Result<Option<Vec<Compiled>>> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).wrap_err_with(|| format!("could not read {name}"))?;
        let policy = Policy::read(&text).map_err(|why| eyre!("{name}: {why}; a session policy is a policy document"))?;
        Ok(Compiled::new(&name, "", policy))
    };
    let all = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok((!all.is_empty()).then_some(all))
}

/// What speaks against a question, and what its answer does without.
pub(super) fn notes<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
    who: Option<&str>,
    action: &str,
    resource: &str,
) -> Vec<String> {
    let of = |account: &'a Account| who.and_then(|who| Some(&account.principals[account.principal(who).ok()?]));
    let gaps = accounts.into_iter().flat_map(|account| account.gaps(of(account), resource));
    let mut notes: Vec<String> = Vec::new();
    for note in gaps.chain(doubts(action, resource)) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn tell(notes: &[String]) {
    for note in notes {
        eprintln!("{}", text::line(note));
    }
}

/// Answers who may do something, in every account.
pub(super) fn who_can(json: bool, accounts: &[Account], (action, resource): (&str, &str), context: &Context) -> Result<Done> {
    // A role or user by its name is of the account that has it.
    let named = accounts.iter().find_map(|account| account.named(resource).ok());
    let resource = match &named {
        Some(named) => named.as_str(),
        None => resource,
    };
    let mut rows = Vec::new();
    for account in accounts {
        for (at, answer) in account.who_can(action, resource, context)? {
            rows.push((account.principals[at].arn.clone(), answer));
        }
    }
    let notes = notes(accounts, None, action, resource);
    tell(&notes);
    let owner = accounts.first().and_then(|a| a.owner(resource));
    if resource.starts_with("arn:") && owner.is_none() && accounts.len() > 1 {
        eprintln!("The ARN names no account: each account answers as if the resource stood in it.");
    }
    // Whom its own policy lets in beside those that are known.
    let mut guests = accounts.first().map(|a| guests(a.resources(), resource, Some(action), context)).unwrap_or_default();
    // A role is become by tokens and assertions, too.
    if action.to_ascii_lowercase().starts_with("sts:assumerole") {
        guests.extend(let_in(accounts, resource));
    }
    let mut out = io::stdout().lock();
    if json {
        let mut rows: Vec<Value> = rows
            .iter()
            .map(|(arn, answer)| {
                let mut row = as_json(answer);
                row["principal"] = json!(arn);
                row
            })
            .collect();
        rows.extend(notes.iter().map(|note| json!({"note": note})));
        rows.extend(guests.iter().map(|g| {
            let decision = word(if g.certain { Decision::Allowed } else { Decision::Depends });
            json!({"outsider": g.who, "decision": decision, "actions": g.actions, "statements": g.statements})
        }));
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
    } else {
        let width = rows.iter().map(|(arn, _)| text::width(arn)).max().unwrap_or(0);
        let line = |(arn, answer): &(String, Answer)| {
            let conditions: Vec<String> = answer.depends.iter().map(|d| format!("{} if {}", d.effect, d.condition)).collect();
            let only = if conditions.is_empty() { String::new() } else { format!("; {}", conditions.join("; ")) };
            format!("{}  {:<8}  {}{only}", text::pad(arn, width, false), word(answer.decision), answer.granted_by())
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        if !guests.is_empty() {
            lines.push("And by its own policy:".to_owned());
            lines.extend(guests.iter().map(|g| {
                let sure = if g.certain { "" } else { ", under conditions" };
                format!("  {}  by {}{sure}", g.who, g.statements.join(", "))
            }));
        }
        unless_closed(writeln!(out, "{}", if lines.is_empty() { "Nobody.".to_owned() } else { safe(&lines) }))?;
    }
    Ok(Done::Whole)
}

/// Those from outside whom a role's trust lets in.
fn let_in(accounts: &[Account], role: &str) -> Vec<Guest> {
    let Some(own) = role.split(':').nth(4) else { return Vec::new() };
    let graphs = inward(accounts, &[own]);
    let joined = Joined::new(graphs.iter().map(Graph::built));
    joined.find(role).map(|role| joined.let_in(role, graphs.as_slice())).unwrap_or_default()
}

/// What is known of the request, from KEY=VALUE.
pub(super) fn read_context(pairs: &[String], accounts: &[Account]) -> Result<Context> {
    let mut context = Context::new();
    for pair in pairs {
        context.tell(pair).map_err(|why| eyre!("--context {why}"))?;
    }
    match unfit(&context, &accounts.iter().collect::<Vec<_>>()) {
        Some(why) => Err(eyre!("--context: {why}")),
        None => Ok(context),
    }
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
    let sentences = answer.sentences();
    if answer.decision == (Decision::Denied { explicit: false }) && answer.missing.is_empty() && sentences.is_empty() {
        lines.push("  nothing allows it".to_owned());
    }
    lines.extend(sentences.iter().map(|sentence| format!("  {sentence}")));
    // A policy that was not read is told in a sentence.
    for b in answer.because.iter().filter(|b| !b.unread) {
        lines.push(format!("  {:?} by {}, {} ({})", b.effect, b.policy, b.statement, b.layer.word()));
    }
    lines.extend(answer.missing.iter().map(|missing| format!("  not allowed by {}", missing.words())));
    for d in answer.depends.iter().filter(|d| !answer.is_told(d)) {
        let by = if d.policy.is_empty() { String::new() } else { format!(" ({}, {})", d.policy, d.statement) };
        lines.push(format!("  {} if {}{by}", d.effect, d.condition));
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
        "missing": answer.missing.iter().map(Missing::words).collect::<Vec<_>>(),
        "depends": answer.depends.iter().map(|d| json!({
            "key": d.key, "condition": d.condition, "effect": d.effect, "policy": d.policy, "statement": d.statement,
        })).collect::<Vec<_>>(),
        "why": answer.sentences(),
    })
}
