//! What is lost: `iam blast`, and `iam pipelines`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write as _};

use color_eyre::eyre::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::{group, holder, safe};
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::facts::Level;
use crate::iam::graph::{
    Abroad, Blast, Graph, Joined, Node, Source, Things, To, Weakness, onward, pipelines as trusted_pipelines,
};
use crate::model::arn::short;
use crate::text;

/// Prints what is lost with a principal, in its account and in others that ways lead into; of somebody from outside, what is
/// with the roles that let it in.
pub(super) fn blast(json: bool, accounts: &[Account], name: &str) -> Result<Done> {
    let find = |id: &str| accounts.iter().find(|a| a.id == id);
    // A group is whoever is in it.
    let own = match group(accounts, name)? {
        Some((_, _, members)) if members.is_empty() => bail!("nobody is in {name}"),
        Some((own, _, members)) => Ok((own, members)),
        None => holder(accounts, name).and_then(|own| Ok((own, vec![own.principal(name)?]))),
    };
    let graphs: Vec<Graph<'_>> = match &own {
        Ok((own, _)) => {
            let build = |id: &str| find(id).map(|account| (account, Graph::new(account).built()));
            let all = onward(&[&own.id], build).into_iter();
            all.map(|(account, built)| Graph::again(account, built)).collect()
        }
        Err(_) => accounts.iter().map(Graph::new).collect(),
    };
    let mut joined = Joined::new(graphs.iter().map(Graph::built));
    let mut out = io::stdout().lock();
    let mut lines = Vec::new();
    let value = if let Err(why) = &own {
        let from;
        match joined.calling(name, graphs.as_slice()) {
            Ok(found) => (joined, from) = found,
            Err(nobody) => bail!("{why}; and {nobody}"),
        }
        let who: Vec<&str> = from.iter().map(|node| joined.arn(*node)).collect();
        lines.extend(who.iter().map(|who| (*who).to_owned()));
        let mut each = Vec::new();
        for (account, roles) in joined.entered_by(&from) {
            let lost = Lost::new(&graphs[account], &joined, &roles);
            each.push(lost.as_json());
            lines.push(String::new());
            lines.extend(lost.lines());
        }
        let open = joined.open_to(&from, graphs.as_slice());
        if !open.is_empty() {
            lines.extend([String::new(), "By the policies of resources, for certain or under conditions:".to_owned()]);
        }
        lines.extend(open.iter().map(|things| format!("  {}", things.line())));
        json!({ "outsiders": who, "accounts": each, "resources": things_as_json(&open) })
    } else {
        let from = own.map(|(_, all)| all).unwrap_or_default();
        let from: Vec<(Node, bool)> = from.into_iter().map(|at| (Node::principal(0, at), true)).collect();
        let lost = Lost::new(&graphs[0], &joined, &from);
        lines.extend(lost.lines());
        let mut value = lost.as_json();
        if from.len() == 1 {
            value["principal"] = value["principals"][0].clone();
        }
        value
    };
    let text = if json { serde_json::to_string_pretty(&value)? } else { safe(&lines) };
    unless_closed(writeln!(out, "{text}"))?;
    Ok(Done::Whole)
}

/// What is lost with principals of one account.
struct Lost<'a> {
    account: &'a Account,
    joined: &'a Joined,
    /// Each with whether it is lost for certain.
    principals: Vec<(&'a str, bool)>,
    blast: Blast,
    abroad: Vec<Abroad>,
    /// Its own account is, by way of another.
    back: bool,
    /// Other accounts of which everything is.
    ruled: BTreeSet<&'a str>,
}

impl<'a> Lost<'a> {
    fn new(graph: &Graph<'a>, joined: &'a Joined, from: &[(Node, bool)]) -> Self {
        let place = |(n, sure): &(Node, bool)| if let To::Principal(at) = n.at { Some((at, *sure)) } else { None };
        let places: Vec<(usize, bool)> = from.iter().filter_map(place).collect();
        let (abroad, back) = joined.abroad(from);
        let rules = |n: Node| match n.at {
            To::Principal(at) => joined.built(n.account).administrators[at],
            To::Administrator => true,
        };
        let ruled = abroad.iter().filter(|a| a.certain && rules(a.node)).map(|a| joined.built(a.node.account).id.as_str());
        Self {
            account: graph.account,
            joined,
            principals: from.iter().map(|(node, certain)| (joined.arn(*node), *certain)).collect(),
            blast: graph.blast(&places, true),
            ruled: ruled.collect(),
            abroad,
            back,
        }
    }

    fn roles(&self) -> impl Iterator<Item = &Abroad> {
        self.abroad.iter().filter(|a| matches!(a.node.at, To::Principal(_)))
    }

    fn as_json(&self) -> Value {
        let Self { account, joined, blast, .. } = self;
        let levels = |counts: &[u32; 5]| -> Value {
            let each = Level::ALL.iter().zip(counts).map(|(level, n)| (level.word().to_owned(), json!(n)));
            each.collect::<serde_json::Map<_, _>>().into()
        };
        json!({
            "principals": self.principals.iter().map(|(arn, _)| arn).collect::<Vec<_>>(),
            "under_conditions": self.principals.iter().filter(|(_, certain)| !certain).map(|(arn, _)| arn).collect::<Vec<_>>(),
            "part": account.part,
            "everything": blast.everything,
            "everything_certain": blast.certain,
            "becomes": blast.reached.iter().map(|r| json!({
                "principal": account.principals[r.principal].arn, "steps": r.steps, "certain": r.certain,
            })).collect::<Vec<_>>(),
            "gives_itself": blast.gains.iter().map(|g| json!({
                "principal": account.principals[g.principal].arn, "how": g.how, "certain": g.certain,
            })).collect::<Vec<_>>(),
            "actions": blast.actions,
            "by_service": blast.by_service.iter().map(|(s, c)| ((*s).to_owned(), levels(c))).collect::<serde_json::Map<_, _>>(),
            "data_class": account.data_class,
            "classes": blast.classes.iter().map(|c| json!({
                "class": c.class, "entered": c.read, "destroyed": c.destroy, "resources": c.resources,
            })).collect::<Vec<_>>(),
            "everything_by_another_account": self.back,
            "other_accounts": self.roles().map(|a| json!({
                "role": joined.arn(a.node), "by": joined.arn(a.by), "steps": a.steps, "certain": a.certain,
            })).collect::<Vec<_>>(),
            "everything_in": self.ruled,
            "resources": things_as_json(&blast.things),
            "data": blast.data.iter().map(|d| json!({
                "service": d.service, "read": d.read, "write": d.write, "destroy": d.destroy, "resources": d.resources,
            })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let Self { account, joined, blast, .. } = self;
        let steps = |n: u32| format!("{n} step{}", if n == 1 { "" } else { "s" });
        let sure = |certain: bool| if certain { "" } else { ", under conditions" };
        let mut lines: Vec<String> = self.principals.iter().map(|(arn, certain)| format!("{arn}{}", sure(*certain))).collect();
        if blast.everything {
            lines.push(match blast.certain {
                true => "Everything in the account is lost: it is, or becomes, an administrator.".into(),
                false => "Everything in the account may be lost: it becomes an administrator, under conditions.".into(),
            });
        }
        let taken = format!("{} action{}", text::count(blast.actions as u64), if blast.actions == 1 { "" } else { "s" });
        lines.push(match blast.reached.len() {
            0 if blast.everything => format!("As that it may take {taken}."),
            0 => format!("It becomes nobody else, and may take {taken} by its own policies."),
            1 => format!("It becomes 1 other, and both together may take {taken} by their own policies."),
            n => format!("It becomes {n} others, and all of them together may take {taken} by their own policies."),
        });
        lines.extend(blast.reached.iter().take(30).map(|reached| {
            let name = short(&account.principals[reached.principal].arn);
            format!("  {name} in {}{}", steps(reached.steps), sure(reached.certain))
        }));
        if blast.reached.len() > 30 {
            lines.push(format!("  and {} more", blast.reached.len() - 30));
        }
        lines.extend(blast.gains.iter().take(30).map(|gained| {
            let name = short(&account.principals[gained.principal].arn);
            format!("  {name} can {}{}, which counts here", gained.how, sure(gained.certain))
        }));
        if blast.gains.len() > 30 {
            lines.push(format!("  and {} more such ways to give itself more", blast.gains.len() - 30));
        }
        lines.extend(account.data_class.iter().map(|class| format!("The account's tags call its data {class:?}.")));
        for class in &blast.classes {
            lines.push(format!("  {} of data class {:?}: {}", class.resources.len(), class.class, class.resources.join(" ")));
        }
        if self.back && !blast.everything {
            lines.push("Everything in the account is lost after all: by way of another it becomes an administrator.".into());
        }
        if !self.ruled.is_empty() {
            let all: Vec<&str> = self.ruled.iter().copied().collect();
            let plural = if all.len() == 1 { "" } else { "s" };
            let count = text::count(all.len() as u64);
            lines.push(format!("Everything in {count} other account{plural} is lost: {}", all.join(" ")));
        }
        let roles: Vec<&Abroad> = self.roles().collect();
        if !roles.is_empty() {
            lines.push(format!("In other accounts it becomes {}:", text::count(roles.len() as u64)));
        }
        lines.extend(roles.iter().take(30).map(|a| {
            format!("  {} in {} by {}{}", joined.arn(a.node), steps(a.steps), short(joined.arn(a.by)), sure(a.certain))
        }));
        if roles.len() > 30 {
            lines.push(format!("  and {} more", roles.len() - 30));
        }
        lines.extend(blast.things.iter().map(|things| format!("  {}", things.line())));
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
        lines
    }
}

fn things_as_json(things: &[Things]) -> Value {
    let one = |t: &Things| {
        let Things { what, known, read, write, destroy, resources } = t;
        json!({ "what": what, "known": known, "read": read, "written": write, "destroyed": destroy, "resources": resources })
    };
    things.iter().map(one).collect()
}

/// Services and resources of a pipeline that a line names; all of them are in the JSON.
const SHOWN: usize = 8;

/// Prints the delivery pipelines that can become a role: those that let in strangers and those of administrators first.
pub(super) fn pipelines(json: bool, accounts: &[Account]) -> Result<Done> {
    let mut rows = Vec::new();
    let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
    // What a pipeline becomes by way of another account counts.
    let powers = Joined::new(graphs.iter().map(Graph::built)).powers();
    for (graph, powers) in graphs.iter().zip(powers) {
        let account = graph.account;
        for p in trusted_pipelines(graph) {
            let weak: Vec<String> = p.trust.weak.iter().map(|w| w.sentence()).collect();
            let open = p.trust.weak.iter().any(Weakness::is_open);
            let role = &account.principals[p.trust.role].arn;
            let place = Reverse((open, powers[p.trust.role]));
            let row = json!({
                "role": account.principals[p.trust.role].arn,
                "system": p.system,
                "issuer": match &p.trust.source { Source::Oidc { issuer, .. } => issuer.clone(), _ => String::new() },
                "subjects": p.trust.subjects,
                "open": open,
                "weak": weak,
                "administrator": powers[p.trust.role].word(),
                "writes": p.writes,
                "manages_permissions": p.manages,
                "deploys": p.deploys,
                "resources": p.on,
            });
            rows.push((place, role, row));
        }
    }
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let rows: Vec<Value> = rows.into_iter().map(|(.., row)| row).collect();
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
        return Ok(Done::Whole);
    }
    let words = |v: &Value| v.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for row in &rows {
        lines.push(format!("{}  {}", row["role"].as_str().unwrap_or(""), row["system"].as_str().unwrap_or("")));
        let subjects = words(&row["subjects"]);
        lines.push(format!("  subjects: {}", if subjects.is_empty() { "everyone's" } else { subjects.as_str() }));
        if row["weak"].as_array().is_some_and(|w| !w.is_empty()) {
            lines.push(format!("  weak: {}", words(&row["weak"])));
        }
        lines.push(format!(
            "  administrator: {}; {} writing actions, {} that manage permissions",
            row["administrator"].as_str().unwrap_or(""),
            row["writes"],
            row["manages_permissions"]
        ));
        for (label, field) in [("may change", "deploys"), ("on", "resources")] {
            let all: Vec<&str> = row[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let more = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
            if !all.is_empty() {
                lines.push(format!("  {label}: {}{more}", all[..all.len().min(SHOWN)].join(", ")));
            }
        }
    }
    unless_closed(writeln!(
        out,
        "{}",
        if lines.is_empty() { "No pipeline can become a role.".to_owned() } else { safe(&lines) }
    ))?;
    Ok(Done::Whole)
}
