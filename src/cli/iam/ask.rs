//! Who may do what: `iam can` and `iam who-can`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use color_eyre::eyre::{Result, eyre};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::safe;
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::doubts::doubts;
use crate::iam::evaluate::{Answer, Context, Decision, Layer};
use crate::iam::openings::guests;
use crate::text;

/// Prints an answer; the end of the program says no where it is no. `part`: the account's IAM is known in part.
pub(super) fn can(json: bool, question: &str, answer: &Answer, part: bool) -> Result<Done> {
    let mut out = io::stdout().lock();
    if json {
        let mut value = as_json(answer);
        value["part"] = json!(part);
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&value)?))?;
    } else {
        let mut lines = vec![format!("{}: {question}", word(answer.decision))];
        lines.extend(reasons(answer));
        unless_closed(writeln!(out, "{}", safe(&lines)))?;
    }
    Ok(if answer.decision == Decision::Allowed { Done::Whole } else { Done::No })
}

/// Says what speaks against a question, beside its answer.
pub(super) fn doubt(action: &str, resource: &str) {
    for doubt in doubts(action, resource) {
        eprintln!("{}", text::line(&doubt));
    }
}

/// Answers who may do something, in every account.
pub(super) fn who_can(
    json: bool,
    accounts: &[Account],
    known: &BTreeSet<String>,
    (action, resource): (&str, &str),
    context: &Context,
) -> Result<Done> {
    let mut rows = Vec::new();
    for account in accounts {
        for (at, answer) in account.who_can(action, resource, context)? {
            rows.push((account.principals[at].arn.clone(), answer));
        }
    }
    doubt(action, resource);
    let owner = accounts.first().and_then(|a| a.owner(resource));
    if resource.starts_with("arn:") && owner.is_none() && accounts.len() > 1 {
        eprintln!("The ARN names no account: each account answers as if the resource stood in it.");
    }
    // Whom its own policy lets in beside those that are known.
    let guests = accounts.first().map(|a| guests(a.resources(), resource, Some(action), known)).unwrap_or_default();
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
        rows.extend(guests.iter().map(|g| json!({"outsider": g.who, "actions": g.actions, "statements": g.statements})));
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
    } else {
        let width = rows.iter().map(|(arn, _)| text::width(arn)).max().unwrap_or(0);
        let line = |(arn, answer): &(String, Answer)| {
            // The grant is worth more than the guardrails that let it through.
            let granted = answer.because.iter().find(|b| b.layer == Layer::Identity).or(answer.because.first());
            let by = granted.map_or_else(String::new, |b| format!("{}, {}", b.policy, b.statement));
            format!("{}  {:<8}  {by}", text::pad(arn, width, false), word(answer.decision))
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        if !guests.is_empty() {
            lines.push("And by its own policy:".to_owned());
            lines.extend(guests.iter().map(|g| format!("  {}  by {}", g.who, g.statements.join(", "))));
        }
        unless_closed(writeln!(out, "{}", if lines.is_empty() { "Nobody.".to_owned() } else { safe(&lines) }))?;
    }
    Ok(Done::Whole)
}

/// What is known of the request, from KEY=VALUE.
pub(super) fn read_context(pairs: &[String]) -> Result<Context> {
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
        "missing": answer.missing.iter().map(|l| l.word()).collect::<Vec<_>>(),
        "depends": answer.depends.iter().map(|d| json!({
            "key": d.key, "condition": d.condition, "effect": d.effect, "policy": d.policy, "statement": d.statement,
        })).collect::<Vec<_>>(),
    })
}
