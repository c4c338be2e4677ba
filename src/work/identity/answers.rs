//! Answers to questions as details: who can, who can become, who reaches, what is lost. A principal in full is `tell`'s.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tell::{MOST_DRAWN, MOST_LINKS, facts, lost, many, push, section, table, told, tree};
use super::ways::{drawn, rests};
use super::{Ready, link, word};
use crate::catalog::detail::{Body, Detail, Section};
use crate::iam::doubts::doubts;
use crate::iam::evaluate::{Answer, Decision, Layer};
use crate::iam::graph::{Cut, Graph, Path, Power, Prize, Target, To};
use crate::iam::openings::guests as guests_of;
use crate::iam::resources::Resources;
use crate::model::arn::principal as named;
use crate::model::estate::Estate;
use crate::text::count;

/// Statements that are told to cut most.
const MOST_CUTS: usize = 5;

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
    let words = with_doubts(words, action, resource);
    let sections = [section("", Body::Prose(words)), guests(estate, resources, resource, Some(action)), section("Who", table)];
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// An answer with what is odd about its question.
fn with_doubts(words: String, action: &str, resource: &str) -> String {
    std::iter::once(words).chain(doubts(action, resource)).collect::<Vec<_>>().join("\n")
}

/// Whom a resource's own policy lets in beside the users and roles that are known.
pub(super) fn guests(estate: &Estate, resources: &Resources, resource: &str, action: Option<&str>) -> Option<Section> {
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
        section("", Body::Prose(with_doubts(format!("{words}{unread}"), action, resource))),
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
pub(super) fn who_becomes(estate: &Estate, ready: &[Arc<Ready>], to: Option<usize>, others: &[Arc<Ready>]) -> Detail {
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
fn from_abroad(estate: &Estate, others: &[Arc<Ready>], role: &str) -> Vec<(String, Vec<String>)> {
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
pub(super) fn who_reaches(estate: &Estate, accounts: &[Arc<Ready>], prize: &Prize, resources: &Resources) -> Detail {
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
pub(super) fn blast(estate: &Estate, ready: &Ready, at: usize) -> Detail {
    let graph = ready.graph();
    let arn = &ready.account.principals[at].arn;
    let blast = graph.blast(at, true);
    let mut sections = lost(estate, &graph, &blast);
    sections.extend(section("What it becomes", Body::Code(tree(&graph, at, false).lines)));
    let links = std::iter::once(link(arn));
    let links = links.chain(blast.reached.iter().take(MOST_LINKS * 2).map(|r| link(&ready.account.principals[r.principal].arn)));
    Detail { title: String::new(), sections, links: links.collect() }
}
