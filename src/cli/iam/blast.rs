//! What is lost: `iam blast`, and `iam pipelines`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use color_eyre::eyre::Result;
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::safe;
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::facts::Level;
use crate::iam::graph::{Graph, Source, pipelines as trusted_pipelines};
use crate::model::arn::short;
use crate::text;

/// Prints what is lost with a principal.
pub(super) fn blast(json: bool, account: &Account, principal: usize) -> Result<Done> {
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
        "part": account.part,
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
        "other_accounts": blast.abroad.iter().map(|a| json!({
            "role": a.role, "by": account.principals[a.by].arn, "certain": a.certain,
        })).collect::<Vec<_>>(),
        "resources": blast.things.iter().map(|t| json!({
            "what": t.what, "known": t.known, "read": t.read, "written": t.write, "destroyed": t.destroy, "resources": t.resources,
        })).collect::<Vec<_>>(),
        "data": blast.data.iter().map(|d| json!({
            "service": d.service, "read": d.read, "write": d.write, "destroy": d.destroy, "resources": d.resources,
        })).collect::<Vec<_>>(),
    });
    let mut out = io::stdout().lock();
    if json {
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
        lines.push(format!("  {} of data class {:?}: {}", class.resources.len(), class.class, class.resources.join(" ")));
    }
    if !blast.abroad.is_empty() {
        lines.push(format!("In other accounts it becomes {}:", text::count(blast.abroad.len() as u64)));
    }
    for abroad in blast.abroad.iter().take(30) {
        let sure = if abroad.certain { "" } else { ", under conditions" };
        lines.push(format!("  {} by {}{sure}", abroad.role, short(&account.principals[abroad.by].arn)));
    }
    for things in &blast.things {
        lines.push(format!(
            "  {} {}: {} read, {} written, {} destroyed: {}",
            things.resources.len(),
            things.what,
            things.read,
            things.write,
            things.destroy,
            things.resources.join(" ")
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

/// Prints the delivery pipelines that can become a role.
pub(super) fn pipelines(json: bool, accounts: &[Account], known: &BTreeSet<String>) -> Result<Done> {
    let mut rows = Vec::new();
    for account in accounts {
        let graph = Graph::new(account);
        for p in trusted_pipelines(&graph, known) {
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
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
        return Ok(Done::Whole);
    }
    let words = |v: &Value| v.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for row in &rows {
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
