//! The engine's answers as details: sections, trees, and where they lead. Ways are drawn and told in `ways`.

use std::collections::{BTreeSet, HashSet};

use super::ways::{drawn, ends, rests};
use super::{Ready, link, word};
use crate::catalog::ListingId;
use crate::catalog::detail::{Body, Detail, Link, Section};
use crate::iam::account::{Workload, WorkloadKind};
use crate::iam::doubts::doubts;
use crate::iam::evaluate::{Answer, Decision, Layer};
use crate::iam::facts::Level;
use crate::iam::grants;
use crate::iam::graph::{Blast, Cut, Edge, Graph, Path, Power, Prize, Target, To, Way, trusts};
use crate::iam::nature::natures;
use crate::iam::openings::guests as guests_of;
use crate::iam::resources::Resources;
use crate::iam::unused::{Use, unused};
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
/// Statements that are told to cut most.
const MOST_CUTS: usize = 5;
/// Paths that a drawing shows.
const MOST_DRAWN: usize = 4;
/// Links to other principals.
const MOST_LINKS: usize = 6;

fn facts(facts: Vec<(&str, String)>) -> Body {
    Body::Facts(facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect())
}

fn section(heading: &str, body: Body) -> Option<Section> {
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

fn table(head: &[&str], rows: Vec<Vec<String>>) -> Body {
    Body::Table { head: head.iter().map(|h| (*h).to_owned()).collect(), rows }
}

fn many(n: usize, one: &str) -> String {
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
    sections.extend(lost(&graph, &graph.blast(at, true)).into_iter().map(Some));
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

fn push(links: &mut Vec<Link>, link: Link) {
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
    let weak: Vec<String> = (trusts(&ready.account, &known).into_iter().filter(|t| t.role == at))
        .flat_map(|t| t.weak)
        .map(|w| w.sentence())
        .collect();
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

fn told(graph: &Graph<'_>, edge: &Edge) -> String {
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

struct Tree {
    lines: String,
    /// Nearest first.
    reached: Vec<usize>,
}

/// Whoever can become a principal, or whom it can become, as a tree of shortest ways.
fn tree(graph: &Graph<'_>, root: usize, inwards: bool) -> Tree {
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
fn lost(graph: &Graph<'_>, blast: &Blast) -> Vec<Section> {
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
    let abroad = blast.abroad.iter().take(MOST_LINES).map(|a| {
        let account = a.role.split(':').nth(4).unwrap_or_default().to_owned();
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
        section("Roles of other accounts it becomes", table(&["role", "account", "by", ""], abroad.collect())),
        section("Resources in reach", table(&["of", "read", "written", "destroyed", "which"], things.collect())),
        section("Data in reach, by class", table(&["class", "entered", "destroyed", "machines"], classes.collect())),
        section(
            "Data in reach, actions by service",
            table(&["service", "read", "write", "destroy", "resources"], data.into_iter().take(MOST_BARS).map(rows).collect()),
        ),
    ];
    sections.into_iter().flatten().collect()
}

/// The answer to `who can ACTION on RESOURCE`.
pub(super) fn who_can(
    estate: &Estate,
    (action, resource): (&str, &str),
    resources: &Resources,
    rows: &[(String, Answer)],
) -> Detail {
    let of = |decision: Decision| rows.iter().filter(|(_, a)| a.decision == decision).count();
    let (allowed, depends) = (of(Decision::Allowed), of(Decision::Depends));
    let words = match (allowed, depends) {
        (0, 0) => "Nobody whose policies were read.".to_owned(),
        (a, 0) => format!("{} can.", many(a, "principal")),
        (a, d) => format!("{} can; {} more may, under conditions that are not known.", many(a, "principal"), count(d as u64)),
    };
    let mut sorted: Vec<&(String, Answer)> = rows.iter().collect();
    sorted.sort_by_key(|(_, a)| a.decision == Decision::Depends);
    let line = |(arn, answer): &&(String, Answer)| {
        // The grant is worth more than the guardrails that let it through.
        let granted = answer.because.iter().find(|b| b.layer == Layer::Identity).or(answer.because.first());
        let by = granted.map_or_else(String::new, |b| format!("{}, {}", b.policy, b.statement));
        let unless = answer.depends.first().map_or_else(String::new, |d| format!("{} if {}", d.effect, d.condition));
        let account = arn.split(':').nth(4).unwrap_or_default();
        let account = estate.account_label(account).to_owned();
        vec![named(arn), account, word(answer.decision).to_owned(), if unless.is_empty() { by } else { unless }]
    };
    let table = table(&["principal", "account", "answer", "by"], sorted.iter().map(line).collect());
    let links = sorted.iter().take(MOST_LINKS * 2).map(|(arn, _)| link(arn)).collect();
    let nowhere = resource.starts_with("arn:")
        && resource.split(':').nth(4) == Some("")
        && estate.identities.len() > 1
        && resources.find(resource).is_none();
    let words = if nowhere {
        format!("{words} The ARN names no account: each account answers as if the resource stood in it.")
    } else {
        words
    };
    let words = std::iter::once(words).chain(doubts(action, resource)).collect::<Vec<_>>().join("\n");
    let sections = [section("", Body::Prose(words)), guests(estate, resources, resource, Some(action)), section("Who", table)];
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// Whom a resource's own policy lets in beside the users and roles that are known.
fn guests(estate: &Estate, resources: &Resources, resource: &str, action: Option<&str>) -> Option<Section> {
    let known: BTreeSet<String> = estate.accounts.iter().map(|a| a.id.clone()).collect();
    let rows = guests_of(resources, resource, action, &known).into_iter().map(|g| {
        let more = if g.actions.len() > 3 { format!(" and {} more", g.actions.len() - 3) } else { String::new() };
        let actions = format!("{}{more}", g.actions.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "));
        vec![g.who, actions, g.statements.join(", ")]
    });
    section("Let in by its own policy", table(&["who", "may", "statement"], rows.collect()))
}

/// The answer to `can PRINCIPAL ACTION on RESOURCE`.
pub(super) fn can(arn: &str, (action, resource): (&str, &str), answer: &Answer, blind: bool) -> Detail {
    let words = match answer.decision {
        Decision::Allowed => "Yes: allowed.",
        Decision::Denied { explicit: true } => "No: denied by a statement that says so.",
        Decision::Denied { explicit: false } if answer.because.is_empty() => "No: nothing allows it.",
        Decision::Denied { explicit: false } => "No: not every layer that has to allow it does.",
        Decision::Depends => "That depends on what is not known here.",
    };
    let unread = if blind { "\nThe resource's own policy was not read: it may allow or deny more." } else { "" };
    let because = answer.because.iter().map(|b| {
        let effect = format!("{:?}", b.effect);
        vec![effect, b.layer.word(), b.policy.clone(), b.statement.clone()]
    });
    let missing: Vec<String> = answer.missing.iter().map(|l| format!("Not allowed by {}.", l.word())).collect();
    let depends =
        answer.depends.iter().map(|d| vec![d.effect.to_owned(), d.condition.clone(), d.policy.clone(), d.statement.clone()]);
    let sections = [
        section(
            "",
            Body::Prose(
                std::iter::once(format!("{words}{unread}")).chain(doubts(action, resource)).collect::<Vec<_>>().join("\n"),
            ),
        ),
        section("", facts(vec![("principal", arn.to_owned()), ("resource", resource.to_owned())])),
        section("Because of", table(&["effect", "layer", "policy", "statement"], because.collect())),
        section("Missing", Body::Prose(missing.join("\n"))),
        section("It depends on", table(&["effect", "if", "policy", "statement"], depends.collect())),
    ];
    let links =
        std::iter::once(link(arn)).chain((resource.contains(":role/") || resource.contains(":user/")).then(|| link(resource)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links: links.collect() }
}

/// The answer to `who can become PRINCIPAL`, or an administrator.
pub(super) fn who_becomes(
    estate: &Estate,
    ready: &[std::sync::Arc<Ready>],
    to: Option<usize>,
    others: &[std::sync::Arc<Ready>],
) -> Detail {
    let mut links = Vec::new();
    let mut sections = Vec::new();
    if let (Some(at), [only]) = (to, ready) {
        let graph = only.graph();
        let tree = tree(&graph, at, true);
        links.push(link(&graph.account.principals[at].arn));
        links.extend(tree.reached.iter().take(MOST_LINKS * 2).map(|i| link(&graph.account.principals[*i].arn)));
        let rows = from_abroad(estate, others, &graph.account.principals[at].arn);
        let nobody = tree.reached.is_empty() && rows.is_empty();
        let words = if nobody { "Nobody but administrators, as far as was read." } else { "" };
        sections.push(section("", Body::Prose(words.to_owned())));
        sections.push(section("Who", Body::Code(tree.lines)));
        links.extend(rows.iter().take(MOST_LINKS).map(|(arn, _)| link(arn)));
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        sections.push(section("From other accounts", table(&["principal", "account", "answer", "steps", "by"], rows)));
    } else {
        let mut rows = Vec::new();
        let mut cuts: Vec<(String, Cut)> = Vec::new();
        for ready in ready {
            let graph = ready.graph();
            let powers = graph.powers();
            // Where nobody can, there is nothing to cut.
            if powers.contains(&Power::CanBecome) {
                cuts.extend(ready.cuts(&graph).into_iter().map(|cut| (ready.account.id.clone(), cut)));
            }
            for (at, path) in graph.escalations().into_iter().enumerate() {
                let Some(path) = path.filter(|_| powers[at] > Power::Ordinary) else { continue };
                let first = path.steps.first().and_then(|s| graph.edges().get(*s.edges.first()?));
                let how = first.map_or_else(|| "by its own policies".to_owned(), |e| told(&graph, e));
                let arn = &ready.account.principals[at].arn;
                let account = estate.account_label(&ready.account.id).to_owned();
                let row = vec![named(arn), account, powers[at].word().to_owned(), path.steps.len().to_string(), how];
                rows.push((powers[at], arn.clone(), row));
            }
        }
        cuts.sort_by(|a, b| b.1.freed.len().cmp(&a.1.freed.len()).then_with(|| a.0.cmp(&b.0)));
        cuts.truncate(MOST_CUTS);
        // Those who should not be come first: an administrator is one in the open.
        let place = |p: Power| match p {
            Power::CanBecome => 0,
            Power::MayBecome => 1,
            _ => 2,
        };
        rows.sort_by(|a, b| place(a.0).cmp(&place(b.0)).then_with(|| a.1.cmp(&b.1)));
        let of = |p: Power| rows.iter().filter(|r| r.0 == p).count();
        let words = format!(
            "{} can become one, {} more under conditions; {} one already.",
            many(of(Power::CanBecome), "principal"),
            count(of(Power::MayBecome) as u64),
            match of(Power::Administrator) {
                1 => "1 is".to_owned(),
                n => format!("{} are", count(n as u64)),
            }
        );
        links.extend(rows.iter().take(MOST_LINKS * 2).map(|r| link(&r.1)));
        sections.push(section("", Body::Prose(words)));
        let cuts = cuts.into_iter().map(|(account, cut)| (estate.account_label(&account).to_owned(), cut)).collect();
        sections.push(section("Statements that cut most", cut_table(cuts)));
        let rows = rows.into_iter().map(|r| r.2).collect();
        sections.push(section("Who", table(&["principal", "account", "administrator", "steps", "first step"], rows)));
    }
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// Who of other accounts becomes a role, each by its shortest way.
fn from_abroad(estate: &Estate, others: &[std::sync::Arc<Ready>], role: &str) -> Vec<(String, Vec<String>)> {
    let prize = Prize::role(role);
    let mut rows: Vec<(bool, usize, String, Vec<String>)> = Vec::new();
    for ready in others {
        let graph = ready.graph();
        let target = graph.reach(&prize);
        let Target::Resource(reached) = &target else { continue };
        for path in graph.routes(&target).into_iter().flatten() {
            let arn = &ready.account.principals[path.from].arn;
            let by = match path.steps.last().map_or(To::Principal(path.from), |s| s.to) {
                To::Principal(at) if at == path.from => reached.holder(at).map_or_else(String::new, |h| {
                    let by = h.may.first().and_then(|(_, by)| by.first()).map(|id| graph.statement(*id));
                    by.map_or_else(|| "its trust".to_owned(), |(policy, statement)| format!("{policy}, {statement}"))
                }),
                To::Principal(at) => format!("as {}", named(&ready.account.principals[at].arn)),
                To::Administrator => "as an administrator that it makes itself".to_owned(),
            };
            let (word, account) = (if path.certain { "yes" } else { "may" }, estate.account_label(&ready.account.id).to_owned());
            let row = vec![named(arn), account, word.to_owned(), (path.steps.len() + 1).to_string(), by];
            rows.push((path.certain, path.steps.len(), arn.clone(), row));
        }
    }
    rows.sort_by(|a, b| (!a.0, a.1, &a.2).cmp(&(!b.0, b.1, &b.2)));
    rows.into_iter().map(|(_, _, arn, row)| (arn, row)).collect()
}

/// Statements by how many they cut off, with their accounts.
fn cut_table(cuts: Vec<(String, Cut)>) -> Body {
    let row = |(account, cut): (String, Cut)| vec![format!("{} of {}", cut.freed.len(), cut.of), cut.policy, cut.label, account];
    table(&["cuts off", "policy", "statement", "account"], cuts.into_iter().map(row).collect())
}

/// The answer to `who can reach RESOURCE`: for each account its graph, whom the resource is reached by, and everyone's
/// shortest way there.
pub(super) fn who_reaches(estate: &Estate, accounts: &[std::sync::Arc<Ready>], prize: &Prize, resources: &Resources) -> Detail {
    let mut rows: Vec<(bool, usize, String, Vec<String>)> = Vec::new();
    let mut links = Vec::new();
    let mut drawings = Vec::new();
    let mut cuts: Vec<(String, Cut)> = Vec::new();
    for ready in accounts {
        let graph = ready.graph();
        let target = graph.reach(prize);
        let Target::Resource(reached) = &target else { continue };
        if reached.holders.is_empty() && reached.administrator.is_none() {
            continue;
        }
        let mut chains: Vec<Path> = Vec::new();
        for path in graph.routes(&target).into_iter().flatten() {
            let arn = &ready.account.principals[path.from].arn;
            let end = path.steps.last().map_or(To::Principal(path.from), |s| s.to);
            let by = match end {
                To::Principal(at) => reached.holder(at).map_or_else(String::new, |h| graph.use_of(reached, h).0),
                To::Administrator => "as an administrator that it makes itself".to_owned(),
            };
            let account = estate.account_label(&ready.account.id).to_owned();
            let word = if path.certain { "yes" } else { "may" };
            let row = vec![named(arn), account, word.to_owned(), path.steps.len().to_string(), by];
            rows.push((path.certain, path.steps.len(), arn.clone(), row));
            if !path.steps.is_empty() {
                chains.push(path);
            }
        }
        // Whoever reaches it by a chain is what nobody sees in a policy.
        chains.sort_by_key(|p| (!p.certain, p.steps.len(), p.from));
        chains.truncate(MOST_DRAWN);
        let label = estate.account_label(&ready.account.id).to_owned();
        cuts.extend(graph.cuts(&target, 1).into_iter().map(|cut| (label.clone(), cut)));
        if let (Some(first), true) = (chains.first(), drawings.len() < MOST_DRAWN) {
            let heading = if accounts.len() > 1 { format!("By a chain, in {label}") } else { "By a chain".to_owned() };
            drawings.extend(section(&heading, drawn(&graph, &target, &chains)));
            drawings.extend(section("By these statements", rests(&graph, &target, first)));
        }
    }
    cuts.sort_by(|a, b| b.1.freed.len().cmp(&a.1.freed.len()).then_with(|| a.0.cmp(&b.0)));
    cuts.truncate(MOST_CUTS);
    rows.sort_by(|a, b| (!a.0, a.1, &a.2).cmp(&(!b.0, b.1, &b.2)));
    let (sure, chained) = (rows.iter().filter(|r| r.0).count(), rows.iter().filter(|r| r.0 && r.1 > 0).count());
    let words = match rows.len() {
        0 => "Nobody whose policies were read.".to_owned(),
        all => format!(
            "{} can, {} of them by becoming another first; {} more may, under conditions that are not known.",
            many(sure, "principal"),
            count(chained as u64),
            count((all - sure) as u64)
        ),
    };
    links.extend(rows.iter().take(MOST_LINKS * 2).map(|r| link(&r.2)));
    let mut sections = vec![section("", Body::Prose(words)), guests(estate, resources, &prize.resource, None)];
    sections.extend(drawings.into_iter().map(Some));
    sections.push(section("Statements that cut most", cut_table(cuts)));
    let rows = rows.into_iter().map(|r| r.3).collect();
    sections.push(section("Who", table(&["principal", "account", "answer", "steps", "by"], rows)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// The answer to `can PRINCIPAL become PRINCIPAL`.
pub(super) fn becomes(graph: &Graph<'_>, from: usize, to: &Target, paths: &[Path], more: bool) -> Detail {
    let mut links = vec![link(&graph.account.principals[from].arn)];
    let already = *to == Target::Administrator && graph.administrators[from] || *to == Target::Principals(vec![from]);
    let words = match paths {
        _ if already => "It is already.".to_owned(),
        // Whoever is an administrator needs no way.
        [] if graph.administrators[from] => "Yes: it is an administrator and can become anyone.".to_owned(),
        [] => "No: there is no way, as far as was read.".to_owned(),
        [first, ..] if first.certain => format!(
            "Yes, in {}; {}{}.",
            many(first.steps.len(), "step"),
            many(paths.len(), "way"),
            if more { " and more" } else { "" }
        ),
        _ => "Only under conditions that are not known.".to_owned(),
    };
    let mut sections = vec![section("", Body::Prose(words))];
    for (n, path) in paths.iter().take(3).enumerate() {
        if n == 0 {
            let heading = if paths.len() > 1 { "The shortest ways" } else { "The way" };
            sections.push(section(heading, drawn(graph, to, &paths[..paths.len().min(MOST_DRAWN)])));
        }
        let heading = if n == 0 { "By these statements" } else { "Or by these" };
        sections.push(section(heading, rests(graph, to, path)));
        for step in &path.steps {
            if let To::Principal(at) = step.to {
                push(&mut links, link(&graph.account.principals[at].arn));
            }
        }
    }
    links.truncate(MOST_LINKS * 2);
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// The answer to `blast PRINCIPAL`.
pub(super) fn blast(ready: &Ready, at: usize) -> Detail {
    let graph = ready.graph();
    let arn = &ready.account.principals[at].arn;
    let blast = graph.blast(at, true);
    let mut sections = lost(&graph, &blast);
    sections.extend(section("What it becomes", Body::Code(tree(&graph, at, false).lines)));
    let links = std::iter::once(link(arn));
    let links = links.chain(blast.reached.iter().take(MOST_LINKS * 2).map(|r| link(&ready.account.principals[r.principal].arn)));
    Detail { title: String::new(), sections, links: links.collect() }
}
