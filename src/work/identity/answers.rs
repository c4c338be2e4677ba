//! Answers to questions as details: who can, who can become, who reaches, what is lost. A principal in full is `tell`'s.

use super::tell::{MOST_DRAWN, MOST_LINKS, by_trust, facts, lost, many, push, section, table, things_table, tree};
use super::ways::{drawn, first_step, label, rests};
use super::{Around, MOST_CUTS, link, links, word};
use crate::catalog::detail::{Body, Detail, Link, Section};
use crate::iam::account::Account;
use crate::iam::doubts::doubts;
use crate::iam::evaluate::{Answer, Context, Decision};
use crate::iam::graph::{Cut, Goal, Held, Node, Power, Route, To};
use crate::iam::openings::guests as guests_of;
use crate::iam::resources::Resources;
use crate::model::arn::principal as named;
use crate::model::estate::Estate;
use crate::text::count;

/// The answer to `who can ACTION on RESOURCE`.
pub(super) fn who_can(
    estate: &Estate,
    (action, resource): (&str, &str),
    resources: &Resources,
    rows: &[(String, Answer)],
    let_in: [Option<Section>; 2],
    gaps: &[String],
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
        let by = answer.granted_by();
        let open = answer.depends.iter().find(|d| !answer.is_told(d));
        let unless = open.map_or_else(String::new, |d| format!("{} if {}", d.effect, d.condition));
        let account = arn.split(':').nth(4).unwrap_or_default();
        let account = estate.account_label(account).to_owned();
        vec![named(arn), account, word(answer.decision).to_owned(), if unless.is_empty() { by } else { unless }]
    };
    let table = table(&["principal", "account", "answer", "by"], sorted.iter().map(line).collect());
    let links = links(estate, sorted.iter().take(MOST_LINKS * 2).map(|(arn, _)| arn.as_str()));
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
    let words = std::iter::once(words).chain(gaps.iter().cloned()).collect::<Vec<_>>().join("\n");
    let [guests, trust] = let_in;
    let sections = [section("", Body::Prose(words)), guests, trust, section("Who", table)];
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// An answer with what is odd about its question.
fn with_doubts(words: String, action: &str, resource: &str) -> String {
    std::iter::once(words).chain(doubts(action, resource)).collect::<Vec<_>>().join("\n")
}

/// Whom a resource's own policy lets in beside the users and roles that are known.
pub(super) fn guests(resources: &Resources, resource: &str, action: Option<&str>, context: &Context) -> Option<Section> {
    let rows = guests_of(resources, resource, action, context).into_iter().map(|g| {
        let more = if g.actions.len() > 3 { format!(" and {} more", g.actions.len() - 3) } else { String::new() };
        let actions = format!("{}{more}", g.actions.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "));
        let answer = if g.certain { "yes" } else { "may" };
        vec![g.who, answer.to_owned(), actions, g.statements.join(", ")]
    });
    section("Let in by its own policy", table(&["who", "answer", "what", "statement"], rows.collect()))
}

/// The answer to `can PRINCIPAL ACTION on RESOURCE`.
/// `known`: the principal was read.
pub(super) fn can(arn: &str, known: bool, (action, resource): (&str, &str), answer: &Answer, by: &Account) -> Detail {
    let words = match answer.decision {
        Decision::Allowed => "Yes: allowed.",
        Decision::Denied { explicit: true } => "No: denied by a statement that says so.",
        Decision::Denied { explicit: false } if !answer.why.is_empty() => "No.",
        Decision::Denied { explicit: false } if answer.because.is_empty() => "No: nothing allows it.",
        Decision::Denied { explicit: false } => "No: something allows it, but not all that has to.",
        Decision::Depends => "That depends on what is not known here.",
    };
    let blind = by.is_blind(resource).then(|| "The resource's own policy was not read: it may allow or deny more.".to_owned());
    let words = std::iter::once(words.to_owned()).chain(answer.sentences()).chain(blind).chain(by.lacking.iter().cloned());
    let words = words.collect::<Vec<_>>().join("\n");
    // A policy that was not read is told in a sentence.
    let because = answer.because.iter().filter(|b| !b.unread).map(|b| {
        let effect = format!("{:?}", b.effect);
        vec![effect, b.layer.word(), b.policy.clone(), b.statement.clone()]
    });
    let missing: Vec<String> = answer.missing.iter().map(|l| format!("Not allowed by {}.", l.words())).collect();
    let depends = answer.depends.iter().filter(|d| !answer.is_told(d));
    let depends = depends.map(|d| vec![d.effect.to_owned(), d.condition.clone(), d.policy.clone(), d.statement.clone()]);
    let sections = [
        section("", Body::Prose(with_doubts(words, action, resource))),
        section("", facts(vec![("principal", arn.to_owned()), ("resource", resource.to_owned())])),
        section("Because of", table(&["effect", "layer", "policy", "statement"], because.collect())),
        section("Missing", Body::Prose(missing.join("\n"))),
        section("It depends on", table(&["effect", "if", "policy", "statement"], depends.collect())),
    ];
    let own = known.then(|| link(arn)).into_iter();
    let links = own.chain((resource.contains(":role/") || resource.contains(":user/")).then(|| link(resource)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links: links.collect() }
}

/// The answer to `who can become PRINCIPAL`.
pub(super) fn who_becomes(estate: &Estate, around: &Around, account: usize, at: usize) -> Detail {
    let to = Node::principal(account, at);
    let tree = tree(estate, around, to, true);
    let goal = around.joined.principals(&[to]);
    // Those of its own account stand in the tree, unless their way leads through another.
    let strays = |p: &Route| p.from.account != to.account || p.legs.iter().any(|l| l.to.account != to.account);
    let mut abroad: Vec<Route> = around.joined.routes(&goal).into_iter().filter(strays).collect();
    // Administrators are ones in the open: who is none comes first.
    let rules = |n: Node| matches!(n.at, To::Principal(at) if around.joined.built(n.account).administrators[at]);
    abroad.sort_by_key(|p| (!p.certain, rules(p.from), p.legs.len(), p.from));
    let mut links = vec![link(around.joined.arn(to))];
    let others = tree.reached.iter().take(MOST_LINKS * 2).copied().chain(abroad.iter().take(MOST_LINKS).map(|p| p.from));
    let mut arns: Vec<&str> = Vec::new();
    for node in others {
        let arn = around.joined.arn(node);
        if !arns.contains(&arn) && node != to {
            arns.push(arn);
        }
    }
    self::links(estate, arns).into_iter().for_each(|other| push(&mut links, other));
    let trust = by_trust(around, to);
    let words = match (tree.lines.is_empty() && abroad.is_empty(), &trust) {
        (false, _) => "",
        (true, None) => "Nobody but administrators, as far as was read.",
        (true, Some(_)) => "Nobody but administrators, of those whose policies were read; others by its trust.",
    };
    let mut sections = vec![section("", Body::Prose(words.to_owned())), trust, section("Who", Body::Prose(tree.lines))];
    if let Some(first) = abroad.first() {
        sections
            .push(section("By way of another account", drawn(estate, around, &goal, &abroad[..abroad.len().min(MOST_DRAWN)])));
        sections.push(section("By these statements", rests(estate, around, &goal, first)));
    }
    let row = |p: &Route| {
        let (word, how) = (if p.certain { "yes" } else { "may" }, first_step(estate, around, p).unwrap_or_default());
        let account = label(estate, around, p.from.account).to_owned();
        vec![named(around.joined.arn(p.from)), account, word.to_owned(), p.legs.len().to_string(), how]
    };
    let rows = abroad.iter().map(row).collect();
    sections.push(from_outside(estate, around, &goal, 2));
    sections.push(section("From other accounts", table(&["principal", "account", "answer", "steps", "first step"], rows)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// Those from outside and their ways to a goal of so many steps or more: the first is into a role.
fn from_outside(estate: &Estate, around: &Around, goal: &Goal, least: usize) -> Option<Section> {
    let mut paths = around.joined.routes_of(around.joined.outside_of(goal), goal);
    paths.retain(|p| p.legs.len() >= least);
    paths.sort_by_key(|p| (!p.certain, p.legs.len(), p.from));
    let row = |p: &Route| {
        let first = p.legs.first()?;
        let (role, place) = (named(around.joined.arn(first.to)), label(estate, around, first.to.account).to_owned());
        let word = if p.certain { "yes" } else { "may" };
        Some(vec![around.joined.arn(p.from).to_owned(), role, place, word.to_owned(), p.legs.len().to_string()])
    };
    section("From outside", table(&["who", "by way of", "account", "answer", "steps"], paths.iter().filter_map(row).collect()))
}

/// The answer to `who can become administrator`: of all accounts, those whose powers are told.
pub(super) fn who_rules(estate: &Estate, around: &Around, powers: &[Vec<Power>], cuts: Vec<Cut>) -> Detail {
    let mut rows = Vec::new();
    let mut strays = 0;
    let goal = around.joined.administrator();
    for path in around.joined.routes(&goal) {
        let To::Principal(at) = path.from.at else { continue };
        let power = powers[path.from.account][at];
        let end = path.end().account;
        strays += usize::from(end != path.from.account && power == Power::CanBecome);
        let how = first_step(estate, around, &path).unwrap_or_else(|| "by its own policies".to_owned());
        let arn = around.joined.arn(path.from).to_owned();
        let of = if end == path.from.account { String::new() } else { format!(" of {}", label(estate, around, end)) };
        let account = label(estate, around, path.from.account).to_owned();
        let row = vec![named(&arn), account, format!("{}{of}", power.word()), path.legs.len().to_string(), how];
        rows.push((power, arn, row));
    }
    // Those who should not be come first: an administrator is one in the open.
    let place = |p: Power| match p {
        Power::CanBecome => 0,
        Power::MayBecome => 1,
        _ => 2,
    };
    rows.sort_by(|a, b| place(a.0).cmp(&place(b.0)).then_with(|| a.1.cmp(&b.1)));
    let of = |p: Power| rows.iter().filter(|r| r.0 == p).count();
    let abroad = match strays {
        0 => String::new(),
        n => format!(", {} of them of another account than their own", count(n as u64)),
    };
    let words = format!(
        "{} can become one{abroad}, {} more under conditions; {} one already.",
        many(of(Power::CanBecome), "principal"),
        count(of(Power::MayBecome) as u64),
        match of(Power::Administrator) {
            1 => "1 is".to_owned(),
            n => format!("{} are", count(n as u64)),
        }
    );
    let told = of(Power::MayBecome);
    let unread = powers.iter().flatten().filter(|p| **p == Power::MayBecome).count().saturating_sub(told);
    let unread = match unread {
        0 => String::new(),
        n => format!("\nOf {} not all policies were read: they may be more than is told.", many(n, "more principal")),
    };
    let words = words + &unread;
    let links = links(estate, rows.iter().take(MOST_LINKS * 2).map(|r| r.1.as_str()));
    // Whoever a trust lets in from outside is what the role is.
    let mut doors = Vec::new();
    for leg in around.joined.outside_of(&goal).into_iter().flat_map(|node| around.joined.steps(node, false)) {
        let arn = around.joined.arn(leg.to);
        for (power, _, row) in rows.iter().filter(|r| r.1 == arn) {
            let who = around.joined.arn(leg.from).to_owned();
            let steps = row[3].parse::<usize>().unwrap_or_default() + 1;
            doors.push((place(*power), vec![who, row[0].clone(), row[1].clone(), row[2].clone(), steps.to_string()]));
        }
    }
    doors.sort();
    let sections = [
        section("", Body::Prose(words)),
        section("Statements that cut most", cut_table(estate, around, cuts)),
        section(
            "From outside, by becoming a role",
            table(&["who", "becomes", "account", "administrator", "steps"], doors.into_iter().map(|(_, row)| row).collect()),
        ),
        section(
            "Who",
            table(&["principal", "account", "administrator", "steps", "first step"], rows.into_iter().map(|r| r.2).collect()),
        ),
    ];
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// Statements by how many they cut off, with their accounts.
fn cut_table(estate: &Estate, around: &Around, cuts: Vec<Cut>) -> Body {
    let row = |cut: Cut| {
        let account = label(estate, around, cut.account).to_owned();
        let outside = if cut.outside.is_empty() { String::new() } else { format!(", {} outside", cut.outside.len()) };
        vec![format!("{} of {}{outside}", cut.freed.len(), cut.of), cut.policy, cut.label, account]
    };
    table(&["cuts off", "policy", "statement", "account"], cuts.into_iter().map(row).collect())
}

/// The answer to `who can reach RESOURCE`: whom it is reached by in the accounts that were asked, and everyone's shortest way
/// there.
/// `outside`: how those from outside get at it by its own policy.
pub(super) fn who_reaches(estate: &Estate, around: &Around, asked: &[&str], outside: Held, resources: &Resources) -> Detail {
    let prize = &outside.prize.clone();
    let mut held = vec![(around.joined.len(), outside)];
    for account in asked.iter().filter_map(|id| around.joined.account(id)) {
        let found = around.ready[account].graph().reach(prize);
        if !found.holders.is_empty() || found.administrator.is_some() {
            held.push((account, found));
        }
    }
    let goal = around.joined.resource(held);
    let mut paths = around.joined.routes(&goal);
    paths.sort_by(|a, b| {
        let key = |p: &Route| (!p.certain, p.legs.len());
        key(a).cmp(&key(b)).then_with(|| around.joined.arn(a.from).cmp(around.joined.arn(b.from)))
    });
    let row = |path: &Route| {
        let end = path.end();
        let by = match around.joined.use_of(&goal, end, around) {
            Some((sentence, _)) => sentence,
            None => "as an administrator that it makes itself".to_owned(),
        };
        let place =
            if end.account == path.from.account { String::new() } else { format!(", in {}", label(estate, around, end.account)) };
        let account = label(estate, around, path.from.account).to_owned();
        let word = if path.certain { "yes" } else { "may" };
        vec![named(around.joined.arn(path.from)), account, word.to_owned(), path.legs.len().to_string(), format!("{by}{place}")]
    };
    let rows: Vec<Vec<String>> = paths.iter().map(row).collect();
    // Whoever reaches it by a chain is what nobody sees in a policy: those of one account in one drawing.
    let mut drawings: Vec<Section> = Vec::new();
    let mut seen: Vec<usize> = Vec::new();
    for first in paths.iter().filter(|p| !p.legs.is_empty()) {
        let account = first.from.account;
        if seen.contains(&account) || seen.len() == MOST_DRAWN {
            continue;
        }
        seen.push(account);
        let own = paths.iter().filter(|p| !p.legs.is_empty() && p.from.account == account);
        let chains: Vec<Route> = own.take(MOST_DRAWN).cloned().collect();
        let several = around.joined.len() > 1;
        let heading =
            if several { format!("By a chain, from {}", label(estate, around, account)) } else { "By a chain".to_owned() };
        drawings.extend(section(&heading, drawn(estate, around, &goal, &chains)));
        drawings.extend(section("By these statements", rests(estate, around, &goal, first)));
    }
    let cuts = around.joined.cuts(&goal, MOST_CUTS, around);
    let sure = paths.iter().filter(|p| p.certain).count();
    let chained = paths.iter().filter(|p| p.certain && !p.legs.is_empty()).count();
    let words = match paths.len() {
        0 => "Nobody whose policies were read.".to_owned(),
        all => {
            let chained = if chained == 0 {
                String::new()
            } else {
                format!(", {} of them by becoming another first", count(chained as u64))
            };
            let may = match all - sure {
                0 => String::new(),
                more => format!("; {} more may, under conditions that are not known", count(more as u64)),
            };
            format!("{} can{chained}{may}.", many(sure, "principal"))
        }
    };
    let links = links(estate, paths.iter().take(MOST_LINKS * 2).map(|p| around.joined.arn(p.from)));
    let mut sections = vec![section("", Body::Prose(words)), guests(resources, &prize.resource, None, &Context::new())];
    sections.extend(drawings.into_iter().map(Some));
    sections.push(section("Statements that cut most", cut_table(estate, around, cuts)));
    sections.push(from_outside(estate, around, &goal, 1));
    sections.push(section("Who", table(&["principal", "account", "answer", "steps", "by"], rows)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// The answer to `can PRINCIPAL become PRINCIPAL`.
pub(super) fn becomes(estate: &Estate, around: &Around, from: &[Node], goal: &Goal, paths: &[Route], more: bool) -> Detail {
    let mut links: Vec<Link> = around.known(from).map(link).collect();
    let already = from.iter().any(|from| around.joined.shortest(*from, goal).is_some_and(|p| p.legs.is_empty()));
    let words = match paths {
        _ if already => "It is already.".to_owned(),
        [] => "No: there is no way, as far as was read.".to_owned(),
        [first, ..] if first.certain => format!(
            "Yes, in {}; {}{}.",
            many(first.legs.len(), "step"),
            many(paths.len(), "way"),
            if more { " and more" } else { "" }
        ),
        _ => "Only under conditions that are not known.".to_owned(),
    };
    let mut sections = vec![section("", Body::Prose(words))];
    for (n, path) in paths.iter().take(3).enumerate() {
        if n == 0 {
            let heading = if paths.len() > 1 { "The shortest ways" } else { "The way" };
            sections.push(section(heading, drawn(estate, around, goal, &paths[..paths.len().min(MOST_DRAWN)])));
        }
        let heading = if n == 0 { "By these statements" } else { "Or by these" };
        sections.push(section(heading, rests(estate, around, goal, path)));
        for leg in path.legs.iter().filter(|leg| matches!(leg.to.at, To::Principal(_))) {
            push(&mut links, link(around.joined.arn(leg.to)));
        }
    }
    links.truncate(MOST_LINKS * 2);
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}

/// The answer to `blast PRINCIPAL`, of the first of these accounts.
pub(super) fn blast(estate: &Estate, around: &Around, at: usize) -> Detail {
    let node = Node::principal(0, at);
    let mut sections = lost(estate, around, &[(node, true)]);
    let tree = tree(estate, around, node, false);
    sections.extend(section("What it becomes", Body::Prose(tree.lines)));
    let links = std::iter::once(node).chain(tree.reached.into_iter().take(MOST_LINKS * 2));
    let links = self::links(estate, links.map(|n| around.joined.arn(n)));
    Detail { title: String::new(), sections, links }
}

/// The answer to `blast` of those who are in a group, or of somebody from outside: what is lost with the roles that let it in,
/// account by account.
pub(super) fn several_blast(estate: &Estate, around: &Around, from: &[Node]) -> Detail {
    let outside = from.iter().all(|node| around.joined.outsider(*node).is_some());
    let entered = if outside {
        around.joined.entered_by(from)
    } else {
        from.first().map(|node| (node.account, from.iter().map(|node| (*node, true)).collect())).into_iter().collect()
    };
    let who: Vec<&str> = from.iter().map(|node| around.joined.arn(*node)).collect();
    let row = |(node, certain): &(Node, bool)| {
        let answer = if *certain { "yes" } else { "may" };
        let answer = outside.then(|| answer.to_owned());
        [named(around.joined.arn(*node)), label(estate, around, node.account).to_owned()].into_iter().chain(answer).collect()
    };
    let rows = entered.values().flatten().map(row).collect();
    let mut sections = vec![
        section("", Body::Prose(if outside { who.join("\n") } else { String::new() })),
        section(
            if outside { "Roles that let it in" } else { "Who is in it" },
            table(if outside { &["role", "account", "answer"] } else { &["user", "account"] }, rows),
        ),
    ];
    for (account, roles) in &entered {
        sections.extend(lost(estate, around, roles).into_iter().map(|part| {
            let place = if entered.len() > 1 { format!(", in {}", label(estate, around, *account)) } else { String::new() };
            Some(Section { heading: format!("{}{place}", part.heading), ..part })
        }));
    }
    let open = if outside { around.joined.open_to(from, around) } else { Vec::new() };
    sections.push(section("Let in by the policies of resources", things_table(&open)));
    let links = links(estate, entered.values().flatten().take(MOST_LINKS * 2).map(|(n, _)| around.joined.arn(*n)));
    Detail { title: String::new(), sections: sections.into_iter().flatten().collect(), links }
}
