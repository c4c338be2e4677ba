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
use crate::iam::graph::{Graph, Joined, Node, Source, To, onward, pipelines as trusted_pipelines};
use crate::model::arn::short;
use crate::text;

/// Prints what is lost with a principal, in its account and in others that ways lead into.
pub(super) fn blast(json: bool, accounts: &[Account], account: &Account, principal: usize) -> Result<Done> {
    let graph = Graph::new(account);
    let build = |id: &str| {
        let other = accounts.iter().find(|a| a.id == id)?;
        Some(((), if id == account.id { graph.built() } else { Graph::new(other).built() }))
    };
    let joined = Joined::new(onward(&[&account.id], build).into_iter().map(|(_, built)| built));
    let (abroad, back) = joined.abroad(Node::principal(0, principal));
    let rules = |n: Node| match n.at {
        To::Principal(at) => joined.built(n.account).administrators[at],
        To::Administrator => true,
    };
    let ruled: BTreeSet<&str> =
        abroad.iter().filter(|a| a.certain && rules(a.node)).map(|a| joined.built(a.node.account).id.as_str()).collect();
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
        "everything_by_another_account": back,
        "other_accounts": abroad.iter().filter(|a| matches!(a.node.at, To::Principal(_))).map(|a| json!({
            "role": joined.arn(a.node), "by": joined.arn(a.by), "steps": a.steps, "certain": a.certain,
        })).collect::<Vec<_>>(),
        "everything_in": ruled,
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
    if back && !blast.everything {
        lines.push("Everything in the account is lost after all: by way of another it becomes an administrator.".into());
    }
    if !ruled.is_empty() {
        let all: Vec<&str> = ruled.iter().copied().collect();
        lines.push(format!("Everything in {} other accounts is lost: {}", text::count(all.len() as u64), all.join(" ")));
    }
    let roles: Vec<_> = abroad.iter().filter(|a| matches!(a.node.at, To::Principal(_))).collect();
    if !roles.is_empty() {
        lines.push(format!("In other accounts it becomes {}:", text::count(roles.len() as u64)));
    }
    for role in roles.iter().take(30) {
        let sure = if role.certain { "" } else { ", under conditions" };
        let steps = if role.steps == 1 { "" } else { "s" };
        lines.push(format!("  {} in {} step{steps} by {}{sure}", joined.arn(role.node), role.steps, short(joined.arn(role.by))));
    }
    if roles.len() > 30 {
        lines.push(format!("  and {} more", roles.len() - 30));
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
    let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
    // What a pipeline becomes by way of another account counts.
    let powers = Joined::new(graphs.iter().map(Graph::built)).powers();
    for (graph, powers) in graphs.iter().zip(powers) {
        let account = graph.account;
        for p in trusted_pipelines(graph, known) {
            let weak: Vec<String> = p.trust.weak.iter().map(|w| w.sentence()).collect();
            rows.push(json!({
                "role": account.principals[p.trust.role].arn,
                "system": p.system,
                "issuer": match &p.trust.source { Source::Oidc { issuer, .. } => issuer.clone(), _ => String::new() },
                "subjects": p.trust.subjects,
                "weak": weak,
                "administrator": powers[p.trust.role].word(),
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
