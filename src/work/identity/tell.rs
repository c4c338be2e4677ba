//! A principal in full as a detail: sections, trees, and where they lead. Ways are drawn and told in `ways`, questions are
//! answered in `answers`.

use std::collections::{BTreeMap, HashSet};

use super::ways::{drawn, ends, label, rests};
use super::{Around, Ready, link};
use crate::catalog::ListingId;
use crate::catalog::detail::{Body, Detail, Link, Section};
use crate::iam::account::Account;
use crate::iam::evaluate::{Context, Decision};
use crate::iam::facts::Level;
use crate::iam::grants;
use crate::iam::graph::{By, Graph, Leg, Node, Power, Things, To, Way, Weakness};
use crate::iam::nature::nature;
use crate::iam::unused::{Use, share, unused};
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

/// What the engine knows of a user or role of the first of these accounts, behind the first section of its detail.
pub(super) fn principal(estate: &Estate, around: &Around, at: usize, detail: &mut Detail) {
    let ready = &around.ready[0];
    let graph = ready.graph();
    let arn = &ready.account.principals[at].arn;
    let (node, goal) = (Node::principal(0, at), around.joined.administrator());
    let shortest = around.joined.shortest(node, &goal);
    let power = match &shortest {
        Some(path) if path.legs.is_empty() => Power::Administrator,
        Some(path) if path.certain => Power::CanBecome,
        Some(_) => Power::MayBecome,
        None => Power::Ordinary,
    };
    let through = shortest.as_ref().filter(|path| path.end().account != 0).map(|path| path.end().account);
    let mut sections = vec![section("In effect", in_effect(ready, at, (power, through.map(|a| label(estate, around, a)))))];
    let (heading, bars) = bars(&graph, at);
    sections.push(section(&heading, bars));
    if let Some(path) = shortest.filter(|p| !p.legs.is_empty()) {
        let mut paths = vec![path];
        paths.extend(around.joined.paths(&[node], &goal, MOST_DRAWN).0);
        sections.push(section("How it becomes an administrator", drawn(estate, around, &goal, &paths)));
        sections.push(section("By these statements", rests(estate, around, &goal, &paths[0])));
        if paths[0].certain {
            let cut = around.end_of(node, &goal);
            sections.push(section("What would end it", Body::Prose(ends(estate, around, node, cut.as_ref()))));
        }
        let abroad = paths[0].legs.iter().map(|leg| leg.to).filter(|to| to.account != 0 && matches!(to.at, To::Principal(_)));
        for to in abroad {
            push(&mut detail.links, link_to(estate, around, to));
        }
    }
    let (into, from) = (tree(estate, around, node, true), tree(estate, around, node, false));
    sections.push(section("Who can become it", Body::Prose(into.lines)));
    sections.push(by_trust(around, node));
    sections.push(section("What it can become", Body::Prose(from.lines)));
    sections.extend(lost(estate, around, &[(node, true)]).into_iter().map(Some));
    let place = detail.sections.len().min(1);
    detail.sections.splice(place..place, sections.into_iter().flatten());
    for other in into.reached.iter().chain(&from.reached).filter(|n| n.account == 0).take(MOST_LINKS) {
        push(&mut detail.links, link(around.joined.arn(*other)));
    }
    let machine = |w: &&Workload| w.role_arn == *arn && w.kind == WorkloadKind::Ec2Instance;
    let machines: Vec<&str> = ready.account.workloads.iter().filter(machine).filter_map(|w| w.arn.rsplit('/').next()).collect();
    if !machines.is_empty() {
        let label = many(machines.len(), "machine") + " that run as it";
        let ids: Vec<String> = machines.iter().map(|id| quote(id)).collect();
        push(&mut detail.links, Link::to(label, ListingId::Nodes, format!("id={}", ids.join(","))));
    }
}

/// Who may change a group, behind what is read of it: its members, or what it grants them.
pub(super) fn group(account: &Account, arn: &str, detail: &mut Detail) {
    let changes = [
        ("iam:AddUserToGroup", "put users into it"),
        ("iam:PutGroupPolicy", "write a policy for it"),
        ("iam:AttachGroupPolicy", "attach a policy to it"),
    ];
    let mut found: BTreeMap<usize, (bool, Vec<String>)> = BTreeMap::new();
    for (action, words) in changes {
        for (at, answer) in account.who_can(action, arn, &Context::new()).unwrap_or_default() {
            let (certain, what) = found.entry(at).or_default();
            let sure = answer.decision == Decision::Allowed;
            *certain |= sure;
            what.push(if sure { words.to_owned() } else { format!("{words} under conditions") });
        }
    }
    // Whoever may for certain comes first.
    let mut rows: Vec<_> = found.into_iter().collect();
    rows.sort_by_key(|(at, (certain, _))| (!certain, *at));
    let heading = match rows.len().saturating_sub(MOST_LINES) {
        0 => "Who can change it".to_owned(),
        more => format!("Who can change it; {} more", count(more as u64)),
    };
    for (at, _) in rows.iter().take(MOST_LINKS) {
        push(&mut detail.links, link(&account.principals[*at].arn));
    }
    let row = |(at, (certain, what)): (usize, (bool, Vec<String>))| {
        let answer = if certain { "yes" } else { "may" };
        vec![named(&account.principals[at].arn), answer.to_owned(), what.join(", ")]
    };
    let rows = rows.into_iter().take(MOST_LINES).map(row).collect();
    let place = detail.sections.len().min(2);
    detail.sections.splice(place..place, section(&heading, table(&["principal", "answer", "what"], rows)));
}

/// Those from outside whom a role's trust lets in.
pub(super) fn by_trust(around: &Around, role: Node) -> Option<Section> {
    let rows = around.joined.let_in(role, around).into_iter();
    let answer = |certain: bool| if certain { "yes" } else { "may" }.to_owned();
    let rows = rows.map(|g| vec![g.who, answer(g.certain), g.actions.join(", "), g.statements.join(", ")]).collect();
    section("Let in by its trust", table(&["who", "answer", "by", "statement"], rows))
}

pub(super) fn push(links: &mut Vec<Link>, link: Link) {
    if !links.contains(&link) {
        links.push(link);
    }
}

fn in_effect(ready: &Ready, at: usize, (power, of): (Power, Option<&str>)) -> Body {
    let p = &ready.account.principals[at];
    let of = of.map_or_else(String::new, |account| format!(" of {account}"));
    let power = match power {
        Power::Administrator if p.own_policies == 0 && !p.groups.is_empty() => {
            format!("yes, by the policies of {}", p.groups.iter().map(|g| format!("group/{g}")).collect::<Vec<_>>().join(", "))
        }
        Power::Administrator => "yes, by its own policies".to_owned(),
        Power::CanBecome => format!("can become one{of}"),
        Power::MayBecome => format!("may become one{of}, under conditions that are not known"),
        Power::Ordinary if !p.unread.is_empty() => format!("may be one: not read, {}", p.unread.join(", ")),
        Power::Ordinary => "no".to_owned(),
    };
    let graph = ready.graph();
    let (nature, by) = nature(ready.identity(), &graph, at);
    let weak: Vec<String> = graph.trusts_of(at).iter().flat_map(|t| &t.weak).map(Weakness::sentence).collect();
    let accessed = ready.identity().last_accessed.iter().find(|l| l.arn == p.arn);
    let idle = accessed.map_or_else(String::new, |accessed| {
        let found = unused(&ready.account, at, &Use::of(accessed), Use::since(accessed, 90), &[]);
        let share = share(&found, &p.unread);
        format!("{share} of what it is granted, in 90 days; services: {}", found.services.join(", "))
    });
    let problems = ready.account.problems.iter().take(3).map(|p| format!("{}: {}", p.policy, p.why));
    let problems: Vec<String> = ready.identity().gaps.iter().cloned().chain(problems).collect();
    facts(vec![
        ("administrator", power),
        ("acts as", format!("{}: {by}", nature.word())),
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
    let granted = grants::of_principal(graph.account, &graph.account.principals[at]);
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

/// The way to somebody of another account.
fn link_to(estate: &Estate, around: &Around, node: Node) -> Link {
    let plain = link(around.joined.arn(node));
    Link { label: format!("{} of {}", plain.label, label(estate, around, node.account)), ..plain }
}

/// Somebody in a tree: of another account than its root's with that.
fn name(estate: &Estate, around: &Around, root: Node, node: Node) -> String {
    let graph = around.joined.built(node.account);
    let place = match node.account == root.account {
        true => String::new(),
        false if around.joined.outsider(node).is_some() => String::new(),
        false => format!(" of {}", label(estate, around, node.account)),
    };
    match node.at {
        To::Principal(at) => {
            let star = if graph.administrators[at] { "  (administrator)" } else { "" };
            format!("{}{place}{star}", named(around.joined.arn(node)))
        }
        To::Administrator => format!("administrator{place}"),
    }
}

/// What lets somebody take a step, `it` being whom it leads to.
fn told(around: &Around, leg: &Leg) -> String {
    let sure = if leg.certain { "" } else { "  (under conditions)" };
    match leg.by.first() {
        Some(By::Edge(at)) => {
            let graph = around.ready[leg.from.account].graph();
            let Some(edge) = graph.edges().get(*at) else { return String::new() };
            // What may run as the role says so itself.
            let sure = if matches!(edge.way, Way::MayTakeOver(_)) { "" } else { sure };
            format!("can {}{sure}", graph.way(edge, if edge.to == To::Administrator { "administrator" } else { "it" }))
        }
        Some(By::Crossing(at)) => format!("{}{sure}", around.joined.crossing_words(leg.from, *at, "it")),
        _ => "is one".to_owned(),
    }
}

/// As [`told`], with the kind of what is taken over and not its name: many are taken over in one way.
fn in_general(around: &Around, leg: &Leg) -> String {
    let words = told(around, leg);
    let Some(By::Edge(at)) = leg.by.first() else { return words };
    let ready = &around.ready[leg.from.account];
    match ready.graph().edges().get(*at).map(|e| e.way) {
        Some(Way::TakeOver(_, workload)) => match ready.account.workloads.get(workload as usize) {
            Some(w) => words.replace(short(&w.arn), w.kind.word()),
            None => words,
        },
        _ => words,
    }
}

pub(super) struct Tree {
    pub(super) lines: String,
    /// Users and roles, nearest first.
    pub(super) reached: Vec<Node>,
}

/// Whom a step leads to, and the step.
struct Child {
    parent: Node,
    other: Node,
    leg: Leg,
}

/// Whoever can become a principal, or whom it can become, as a tree of shortest ways.
pub(super) fn tree(estate: &Estate, around: &Around, root: Node, inwards: bool) -> Tree {
    // Breadth first, so that each stands where its shortest way ends. Administrators are not gone on from: they become anyone.
    let ends_there = |node: Node| match node.at {
        To::Principal(at) => around.joined.built(node.account).administrators[at],
        To::Administrator => false,
    };
    let mut children: Vec<Child> = Vec::new();
    let mut seen: HashSet<Node> = HashSet::from([root]);
    let mut level = vec![root];
    let mut admin = None;
    let mut further = 0;
    for steps in 0.. {
        if level.is_empty() {
            break;
        }
        let mut next = Vec::new();
        for at in level {
            for leg in around.joined.steps(at, inwards) {
                let other = if inwards { leg.from } else { leg.to };
                // Whom the root itself lets in from outside is told with the statements, and services are everywhere.
                if around.joined.outsider(other).is_some_and(|o| at == root || o.source.is_expected()) {
                    continue;
                }
                // Being an administrator is told of the root alone, and of others where it leads into another account.
                let power = !inwards && other.at == To::Administrator;
                if power && at == root && leg.by != [By::Power] && other.account == root.account {
                    admin = admin.or_else(|| Some(leg.clone()));
                }
                let ends = power && around.joined.steps(other, false).is_empty();
                if !ends && seen.insert(other) {
                    // By IAM Identity Center nearly everyone's roles are got at: they are told, and not gone on from.
                    let goes_on = !ends_there(other) && !around.joined.is_by_center(&leg);
                    next.extend(goes_on.then_some(other));
                    if steps < MOST_STEPS {
                        children.push(Child { parent: at, other, leg });
                    } else {
                        further += 1;
                    }
                }
            }
        }
        level = next;
    }
    let mut lines = Vec::new();
    if let Some(leg) = admin {
        lines.push(format!("◆ administrator: it {}", told(around, &leg)));
    }
    let own = around.joined.built(root.account);
    let is_administrator = |node: &Node| matches!(node.at, To::Principal(at) if own.administrators[at]);
    if is_administrator(&root) && !inwards {
        lines.push("Anyone in its account: it is an administrator.".to_owned());
    }
    let mut growing = Growing { estate, around, root, children: &children, lines, left: MOST_LINES };
    growing.branch(root, "");
    let mut lines = growing.lines;
    if further > 0 {
        lines.push(format!("And {} more in more than {MOST_STEPS} steps.", count(further)));
    }
    // An administrator has no edges of its own: it can become anyone.
    let all = (0..own.administrators.len()).map(|at| Node::principal(root.account, at));
    // What AWS keeps for IAM Identity Center and its services nobody in the account can change.
    let kept = [":role/aws-reserved/", ":role/aws-service-role/"].iter().any(|path| around.joined.arn(root).contains(path));
    let others = all.filter(|n| inwards && !kept && is_administrator(n) && *n != root && !seen.contains(n)).count();
    if others > 0 {
        let and = if lines.is_empty() { "The" } else { "And the" };
        let what = if is_administrator(&root) { "other administrator" } else { "administrator" };
        lines.push(format!("{and} account's {}.", many(others, what)));
    }
    let is_known = |n: &Node| matches!(n.at, To::Principal(_)) && around.joined.outsider(*n).is_none();
    let people = children.into_iter().map(|child| child.other).filter(is_known);
    Tree { lines: lines.join("\n"), reached: people.collect() }
}

/// A tree as it is written.
struct Growing<'a> {
    estate: &'a Estate,
    around: &'a Around,
    root: Node,
    children: &'a [Child],
    lines: Vec<String>,
    left: usize,
}

impl Growing<'_> {
    /// One line for each child; many that are become in one way share a line.
    fn branch(&mut self, at: Node, indent: &str) {
        let mut groups: Vec<(String, Vec<&Child>)> = Vec::new();
        for child in self.children.iter().filter(|c| c.parent == at) {
            let words = in_general(self.around, &child.leg);
            match groups.iter_mut().find(|(known, _)| *known == words) {
                Some((_, all)) => all.push(child),
                None => groups.push((words, vec![child])),
            }
        }
        // Whoever leads on has a line to lead on from.
        let leads = |other: Node| self.children.iter().any(|c| c.parent == other);
        let name = |other: Node| name(self.estate, self.around, self.root, other);
        let alone = |child: &Child| format!("{}  {}", name(child.other), told(self.around, &child.leg));
        let mut shown: Vec<(String, Option<Node>)> = Vec::new();
        for (words, all) in groups {
            let (on, ends): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| leads(c.other));
            shown.extend(on.into_iter().map(|child| (alone(child), Some(child.other))));
            if ends.len() > 3 {
                let some: Vec<String> = ends.iter().take(3).map(|child| name(child.other)).collect();
                shown.push((format!("{} and {} more  {words}", some.join(", "), count(ends.len() as u64 - 3)), None));
            } else {
                shown.extend(ends.into_iter().map(|child| (alone(child), None)));
            }
        }
        let total = shown.len();
        for (n, (words, on)) in shown.into_iter().enumerate() {
            if self.left == 0 {
                self.lines.push(format!("{indent}… and {}", many(total - n, "more line")));
                return;
            }
            self.left -= 1;
            let (fork, bar) = if n + 1 == total { ("└─", "   ") } else { ("├─", "│  ") };
            self.lines.push(format!("{indent}{fork} {words}"));
            if let Some(other) = on {
                self.branch(other, &format!("{indent}{bar}"));
            }
        }
    }
}

/// Known resources that are got at, by service.
pub(super) fn things_table(things: &[Things]) -> Body {
    let row = |t: &Things| {
        let shown: Vec<&str> = t.resources.iter().take(4).map(|r| short(r)).collect();
        let more = if t.resources.len() > 4 { format!(" and {} more", t.resources.len() - 4) } else { String::new() };
        let [read, write, destroy] = [t.read, t.write, t.destroy].map(|n| if n == 0 { String::new() } else { n.to_string() });
        vec![t.what.to_owned(), read, write, destroy, format!("{}{more}", shown.join(" "))]
    };
    table(&["of", "read", "written", "destroyed", "which"], things.iter().map(row).collect())
}

/// What is lost with principals of one account, each with whether it is lost itself for certain.
pub(super) fn lost(estate: &Estate, around: &Around, from: &[(Node, bool)]) -> Vec<Section> {
    let Some((node, _)) = from.first().copied() else { return Vec::new() };
    let graph = around.ready[node.account].graph();
    let place = |(n, sure): &(Node, bool)| if let To::Principal(at) = n.at { Some((at, *sure)) } else { None };
    let places: Vec<(usize, bool)> = from.iter().filter_map(place).collect();
    let blast = graph.blast(&places, true);
    let (abroad, back) = around.joined.abroad(from);
    let mut words = vec![if blast.everything {
        match blast.certain {
            true => "Everything in the account: it is, or becomes, an administrator.".to_owned(),
            false => "Everything in the account, under conditions: those under which it becomes an administrator.".to_owned(),
        }
    } else {
        let taken = many(blast.actions, "action");
        match blast.reached.len() {
            0 => format!("It becomes nobody else of its account, and may take {taken} by its own policies."),
            n => {
                let others = many(n, "other");
                format!("It becomes {others} of its account, and all of them together may take {taken} by their own policies.")
            }
        }
    }];
    words.extend(blast.gains.iter().take(MOST_LINES).map(|gained| {
        let sure = if gained.certain { "" } else { ", under conditions" };
        format!("{} can {}{sure}, which counts here.", named(&graph.account.principals[gained.principal].arn), gained.how)
    }));
    if blast.gains.len() > MOST_LINES {
        words.push(format!("And {} more ways to give itself more.", blast.gains.len() - MOST_LINES));
    }
    if back && !blast.everything {
        words.push("Everything in the account after all: by way of another it becomes an administrator.".to_owned());
    }
    // Of which other accounts it becomes an administrator, for certain.
    let rules = |n: Node| match n.at {
        To::Principal(at) => around.joined.built(n.account).administrators[at],
        To::Administrator => true,
    };
    let mut ruled: Vec<usize> = Vec::new();
    for a in abroad.iter().filter(|a| a.certain && rules(a.node)) {
        if !ruled.contains(&a.node.account) {
            ruled.push(a.node.account);
        }
    }
    if !ruled.is_empty() {
        let some: Vec<&str> = ruled.iter().take(4).map(|account| label(estate, around, *account)).collect();
        let more = if ruled.len() > some.len() { ", …" } else { "" };
        words.push(format!("Everything in {}: {}{more}.", many(ruled.len(), "other account"), some.join(", ")));
    }
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
    let roles: Vec<_> = abroad.iter().filter(|a| matches!(a.node.at, To::Principal(_))).collect();
    let elsewhere = match roles.len().saturating_sub(MOST_LINES) {
        0 => "Roles of other accounts it becomes".to_owned(),
        more => format!("Roles of other accounts it becomes; {} more", count(more as u64)),
    };
    let abroad = roles.iter().take(MOST_LINES).map(|a| {
        let by = name(estate, around, node, a.by);
        let by = by.replace("  (administrator)", "");
        let sure = if a.certain { String::new() } else { "under conditions".to_owned() };
        let role = named(around.joined.arn(a.node));
        vec![role, label(estate, around, a.node.account).to_owned(), a.steps.to_string(), by, sure]
    });
    let in_reach = match data.len().saturating_sub(MOST_LINES) {
        0 => "Data in reach, actions by service".to_owned(),
        more => format!("Data in reach, actions by service; {} more", many(more, "service")),
    };
    let shown = data.into_iter().take(MOST_LINES).map(rows);
    let sections = [
        section("If it leaks", Body::Prose(words.join("\n"))),
        section(&elsewhere, table(&["role", "account", "steps", "by", ""], abroad.collect())),
        section("Resources in reach", things_table(&blast.things)),
        section("Data in reach, by class", table(&["class", "read", "destroyed", "which"], classes.collect())),
        section(&in_reach, table(&["service", "read", "write", "destroy", "resources"], shown.collect())),
    ];
    sections.into_iter().flatten().collect()
}
