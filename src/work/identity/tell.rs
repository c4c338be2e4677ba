//! A principal in full as a detail: sections, trees, and where they lead. Ways are drawn and told in `ways`, questions are
//! answered in `answers`.

use std::collections::{BTreeSet, HashSet};

use super::ways::{drawn, ends, rests};
use super::{Ready, link};
use crate::catalog::ListingId;
use crate::catalog::detail::{Body, Detail, Link, Section};
use crate::iam::facts::Level;
use crate::iam::grants;
use crate::iam::graph::{Blast, Edge, Graph, Power, Target, To, Way, trusts_of};
use crate::iam::nature::natures;
use crate::iam::unused::{Use, unused};
use crate::iam::workloads::{Workload, WorkloadKind};
use crate::listing::filter::quote;
use crate::model::arn::{principal as named, short};
use crate::model::estate::Estate;
use crate::text::count;

/// Services that bars are drawn for; the others are summed up.
const MOST_BARS: usize = 8;
/// Lines of a drawing.
const MOST_LINES: usize = 24;
/// Steps that a drawing goes.
const MOST_STEPS: usize = 4;
/// Paths that a drawing shows.
pub(super) const MOST_DRAWN: usize = 4;
/// Links to other principals.
pub(super) const MOST_LINKS: usize = 6;

pub(super) fn facts(facts: Vec<(&str, String)>) -> Body {
    Body::Facts(facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect())
}

pub(super) fn section(heading: &str, body: Body) -> Option<Section> {
    let empty = match &body {
        Body::Facts(facts) => facts.is_empty(),
        Body::Prose(text) | Body::Code(text) => text.trim().is_empty(),
        Body::Table { rows, .. } => rows.is_empty(),
        Body::Bars { rows, .. } => rows.is_empty(),
        Body::Ladder(rungs) => rungs.is_empty(),
        Body::Graph(drawing) => drawing.boxes.is_empty(),
    };
    (!empty).then(|| Section { heading: heading.to_owned(), body })
}

pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>) -> Body {
    Body::Table { head: head.iter().map(|h| (*h).to_owned()).collect(), rows }
}

pub(super) fn many(n: usize, one: &str) -> String {
    format!("{} {one}{}", count(n as u64), if n == 1 { "" } else { "s" })
}

/// What the engine knows of a user or role, behind the first section of its detail.
pub(super) fn principal(estate: &Estate, ready: &Ready, at: usize, detail: &mut Detail) {
    let graph = ready.graph();
    let arn = &ready.account.principals[at].arn;
    let mut sections = vec![section("In effect", in_effect(estate, ready, &graph, at))];
    let (heading, bars) = bars(&graph, at);
    sections.push(section(&heading, bars));
    let power = Target::Administrator;
    if let Some(path) = graph.shortest(at, &power).filter(|p| !p.steps.is_empty()) {
        let mut paths = vec![path];
        paths.extend(graph.paths(Some(at), &power, MOST_DRAWN).0);
        sections.push(section("How it becomes an administrator", drawn(&graph, &power, &paths)));
        sections.push(section("By these statements", rests(&graph, &power, &paths[0])));
        if paths[0].certain {
            let cut = ready.cut_of(&graph, at);
            sections.push(section("What would end it", Body::Prose(ends(cut.as_ref()))));
        }
    }
    let (into, from) = (tree(&graph, at, true), tree(&graph, at, false));
    sections.push(section("Who can become it", Body::Code(into.lines)));
    sections.push(section("What it can become", Body::Code(from.lines)));
    sections.extend(lost(estate, &graph, &graph.blast(at, true)).into_iter().map(Some));
    let place = detail.sections.len().min(1);
    detail.sections.splice(place..place, sections.into_iter().flatten());
    for other in into.reached.iter().chain(&from.reached).take(MOST_LINKS) {
        push(&mut detail.links, link(&ready.account.principals[*other].arn));
    }
    let machine = |w: &&Workload| w.role_arn == *arn && w.kind == WorkloadKind::Ec2Instance;
    let machines: Vec<&str> = ready.account.workloads.iter().filter(machine).filter_map(|w| w.arn.rsplit('/').next()).collect();
    if !machines.is_empty() {
        let label = many(machines.len(), "machine") + " that run as it";
        let ids: Vec<String> = machines.iter().map(|id| quote(id)).collect();
        push(&mut detail.links, Link::to(label, ListingId::Nodes, format!("id={}", ids.join(","))));
    }
}

pub(super) fn push(links: &mut Vec<Link>, link: Link) {
    if !links.contains(&link) {
        links.push(link);
    }
}

fn in_effect(estate: &Estate, ready: &Ready, graph: &Graph<'_>, at: usize) -> Body {
    let p = &ready.account.principals[at];
    let power = match graph.powers().get(at) {
        Some(Power::Administrator) => "yes, by its own policies".to_owned(),
        Some(Power::CanBecome) => "can become one".to_owned(),
        Some(Power::MayBecome) => "may become one, under conditions that are not known".to_owned(),
        _ => "no".to_owned(),
    };
    let nature = natures(ready.identity(), &ready.account).into_iter().nth(at);
    let known: BTreeSet<String> = estate.accounts.iter().map(|a| a.id.clone()).collect();
    let weak: Vec<String> =
        trusts_of(&ready.account, at, &known).into_iter().flat_map(|t| t.weak).map(|w| w.sentence()).collect();
    let accessed = ready.identity().last_accessed.iter().find(|l| l.arn == p.arn);
    let idle = accessed.map_or_else(String::new, |accessed| {
        let found = unused(&ready.account, at, &Use::of(accessed), Use::since(accessed, 90), &[]);
        format!("{} % of what it is granted, in 90 days; services: {}", (found.share * 100.0).round(), found.services.join(", "))
    });
    let problems: Vec<String> = ready.account.problems.iter().take(3).map(|p| format!("{}: {}", p.policy, p.why)).collect();
    facts(vec![
        ("administrator", power),
        ("acts as", nature.map_or_else(String::new, |(nature, by)| format!("{}: {by}", nature.word()))),
        ("runs as it", runs_as(ready, &p.arn)),
        ("weak trust", weak.join("; ")),
        ("unused", idle),
        ("not in these answers", problems.join("; ")),
    ])
}

/// What runs code as a role, by kind.
fn runs_as(ready: &Ready, arn: &str) -> String {
    let of = |kinds: &[WorkloadKind], one: &str| -> Option<String> {
        let all: Vec<&str> =
            (ready.account.workloads.iter().filter(|w| w.role_arn == arn && kinds.contains(&w.kind))).map(|w| &*w.arn).collect();
        let named: Vec<&str> = all.iter().take(4).filter_map(|a| a.rsplit(['/', ':']).next()).collect();
        let more = if all.len() > named.len() { ", …" } else { "" };
        (!all.is_empty()).then(|| format!("{}: {}{more}", many(all.len(), one), named.join(", ")))
    };
    let kinds = [
        of(&[WorkloadKind::Ec2Instance], "instance"),
        of(&[WorkloadKind::LambdaFunction], "function"),
        of(&[WorkloadKind::EcsTask, WorkloadKind::ClosedEcsTask], "container task"),
    ];
    kinds.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn bars(graph: &Graph<'_>, at: usize) -> (String, Body) {
    let parts = Level::ALL.iter().map(|l| l.word().to_owned()).collect();
    let granted = grants::of_principal(graph.account, at);
    let mut rows: Vec<(String, Vec<u64>)> = granted
        .by_service()
        .into_iter()
        .map(|(service, counts)| (service.to_owned(), counts.iter().map(|n| u64::from(*n)).collect()))
        .collect();
    // What can change most stands first.
    let weight = |row: &(String, Vec<u64>)| (row.1[4], row.1[3], row.1.iter().sum::<u64>());
    rows.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.0.cmp(&b.0)));
    let mut heading = "What it can do, actions by service and access level".to_owned();
    if rows.len() > MOST_BARS + 1 {
        let rest = rows.split_off(MOST_BARS);
        let actions: u64 = rest.iter().flat_map(|r| &r.1).sum();
        heading = format!("{heading}; {} more actions of {} services", count(actions), rest.len());
    }
    (heading, Body::Bars { parts, rows })
}

fn name(graph: &Graph<'_>, at: usize) -> String {
    let arn = &graph.account.principals[at].arn;
    let star = if graph.administrators[at] { "  (administrator)" } else { "" };
    format!("{}{star}", named(arn))
}

pub(super) fn told(graph: &Graph<'_>, edge: &Edge) -> String {
    // What may run as the role says so itself.
    let sure = if edge.certain || matches!(edge.way, Way::MayTakeOver(_)) { "" } else { "  (under conditions)" };
    format!("can {}{sure}", graph.way(edge, if edge.to == To::Administrator { "administrator" } else { "it" }))
}

/// As [`told`], with the kind of what is taken over and not its name: many are taken over in one way.
fn in_general(graph: &Graph<'_>, edge: &Edge) -> String {
    let words = told(graph, edge);
    match edge.way {
        Way::TakeOver(_, workload) => match graph.account.workloads.get(workload as usize) {
            Some(w) => words.replace(short(&w.arn), w.kind.word()),
            None => words,
        },
        _ => words,
    }
}

pub(super) struct Tree {
    pub(super) lines: String,
    /// Nearest first.
    pub(super) reached: Vec<usize>,
}

/// Whoever can become a principal, or whom it can become, as a tree of shortest ways.
pub(super) fn tree(graph: &Graph<'_>, root: usize, inwards: bool) -> Tree {
    // Breadth first, so that each stands where its shortest way ends.
    let mut children: Vec<(usize, usize, &Edge)> = Vec::new();
    let mut seen: HashSet<usize> = HashSet::from([root]);
    let mut level = vec![root];
    let mut admin = None;
    for _ in 0..MOST_STEPS {
        let mut next = Vec::new();
        for at in level {
            let mut edges: Vec<&Edge> =
                if inwards { graph.edges_to(at).collect() } else { graph.edges_from(at).iter().collect() };
            edges.sort_by_key(|e| !e.certain);
            for edge in edges {
                let other = match (inwards, edge.to) {
                    (true, _) => edge.from,
                    (false, To::Principal(to)) => to,
                    (false, To::Administrator) => {
                        admin = admin.or((at == root).then_some(edge));
                        continue;
                    }
                };
                if seen.insert(other) {
                    children.push((at, other, edge));
                    next.push(other);
                }
            }
        }
        level = next;
    }
    let mut lines = Vec::new();
    if let Some(edge) = admin {
        lines.push(format!("◆ administrator: it {}", told(graph, edge)));
    }
    let mut left = MOST_LINES;
    branch(graph, root, "", &children, &mut lines, &mut left);
    if graph.administrators[root] && !inwards {
        lines = vec!["Anyone: it is an administrator.".to_owned()];
    }
    let mut others: usize = 0;
    if inwards {
        // An administrator has no edges of its own: it can become anyone.
        others = (0..graph.administrators.len()).filter(|i| graph.administrators[*i] && *i != root && !seen.contains(i)).count();
    }
    if others > 0 {
        lines.push(format!("And the account's {}.", many(others, "other administrator")));
    }
    Tree { lines: lines.join("\n"), reached: children.into_iter().map(|(_, other, _)| other).collect() }
}

/// One line for each child; many that are become in one way share a line.
fn branch(
    graph: &Graph<'_>,
    at: usize,
    indent: &str,
    children: &[(usize, usize, &Edge)],
    lines: &mut Vec<String>,
    left: &mut usize,
) {
    let mut groups: Vec<(String, Vec<(usize, &Edge)>)> = Vec::new();
    for (_, other, edge) in children.iter().filter(|(parent, ..)| *parent == at) {
        let words = in_general(graph, edge);
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, all)) => all.push((*other, edge)),
            None => groups.push((words, vec![(*other, edge)])),
        }
    }
    // Whoever leads on has a line to lead on from.
    let leads = |other: &usize| children.iter().any(|(parent, ..)| parent == other);
    let mut shown: Vec<(String, Option<usize>)> = Vec::new();
    for (words, all) in groups {
        let alone = |other: usize, edge: &Edge| format!("{}  {}", name(graph, other), told(graph, edge));
        let (on, ends): (Vec<_>, Vec<_>) = all.into_iter().partition(|(other, _)| leads(other));
        shown.extend(on.into_iter().map(|(other, edge)| (alone(other, edge), Some(other))));
        if ends.len() > 3 {
            let some: Vec<String> = ends.iter().take(3).map(|(other, _)| name(graph, *other)).collect();
            shown.push((format!("{} and {} more  {words}", some.join(", "), count(ends.len() as u64 - 3)), None));
        } else {
            shown.extend(ends.into_iter().map(|(other, edge)| (alone(other, edge), None)));
        }
    }
    let total = shown.len();
    for (n, (words, on)) in shown.into_iter().enumerate() {
        if *left == 0 {
            lines.push(format!("{indent}… and {}", many(total - n, "more line")));
            return;
        }
        *left -= 1;
        let (fork, bar) = if n + 1 == total { ("└─", "   ") } else { ("├─", "│  ") };
        lines.push(format!("{indent}{fork} {words}"));
        if let Some(other) = on {
            branch(graph, other, &format!("{indent}{bar}"), children, lines, left);
        }
    }
}

/// What is lost with a principal.
pub(super) fn lost(estate: &Estate, graph: &Graph<'_>, blast: &Blast) -> Vec<Section> {
    let mut words = vec![if blast.everything {
        "Everything in the account: it is, or becomes, an administrator.".to_owned()
    } else {
        format!(
            "It becomes {}, and all of them together may take {}.",
            many(blast.reached.len(), "other"),
            many(blast.actions, "action")
        )
    }];
    words.extend(graph.account.data_class.iter().map(|class| format!("The account's tags call its data {class:?}.")));
    let rows = |d: &crate::iam::graph::Data| {
        let shown: Vec<&str> = d.resources.iter().take(4).map(String::as_str).collect();
        let more = if d.resources.len() > 4 { format!(" and {} more", d.resources.len() - 4) } else { String::new() };
        let figures = [d.read, d.write, d.destroy].map(|n| if n == 0 { String::new() } else { n.to_string() });
        let [read, write, destroy] = figures;
        vec![d.service.to_owned(), read, write, destroy, format!("{}{more}", shown.join(" "))]
    };
    let mut data: Vec<&crate::iam::graph::Data> = blast.data.iter().collect();
    data.sort_by_key(|d| (std::cmp::Reverse(d.destroy + d.write), d.service));
    let classes = blast.classes.iter().map(|c| {
        let shown: Vec<&str> = c.resources.iter().take(4).map(|r| short(r)).collect();
        let more = if c.resources.len() > 4 { format!(" and {} more", c.resources.len() - 4) } else { String::new() };
        vec![c.class.clone(), c.read.to_string(), c.destroy.to_string(), format!("{}{more}", shown.join(" "))]
    });
    let elsewhere = match blast.abroad.len().saturating_sub(MOST_LINES) {
        0 => "Roles of other accounts it becomes".to_owned(),
        more => format!("Roles of other accounts it becomes; {} more", count(more as u64)),
    };
    let abroad = blast.abroad.iter().take(MOST_LINES).map(|a| {
        let account = estate.account_label(a.role.split(':').nth(4).unwrap_or_default()).to_owned();
        let by = named(&graph.account.principals[a.by].arn);
        vec![named(&a.role), account, by, if a.certain { String::new() } else { "under conditions".to_owned() }]
    });
    let things = blast.things.iter().map(|t| {
        let shown: Vec<&str> = t.resources.iter().take(4).map(|r| short(r)).collect();
        let more = if t.resources.len() > 4 { format!(" and {} more", t.resources.len() - 4) } else { String::new() };
        let [read, write, destroy] = [t.read, t.write, t.destroy].map(|n| if n == 0 { String::new() } else { n.to_string() });
        vec![t.what.to_owned(), read, write, destroy, format!("{}{more}", shown.join(" "))]
    });
    let sections = [
        section("If it leaks", Body::Prose(words.join("\n"))),
        section(&elsewhere, table(&["role", "account", "by", ""], abroad.collect())),
        section("Resources in reach", table(&["of", "read", "written", "destroyed", "which"], things.collect())),
        section("Data in reach, by class", table(&["class", "read", "destroyed", "which"], classes.collect())),
        section(
            "Data in reach, actions by service",
            table(&["service", "read", "write", "destroy", "resources"], data.into_iter().take(MOST_BARS).map(rows).collect()),
        ),
    ];
    sections.into_iter().flatten().collect()
}
