//! Ways over the principal graph as people read them: drawn as a small graph, told as sentences with the statements behind
//! them, and which one statement would end them.

use super::Around;
use crate::catalog::detail::Body;
use crate::catalog::detail::drawing::{Arrow, Drawing, Node as Box};
use crate::iam::graph::{By, Cut, Goal, Held, Leg, Node, Route, To};
use crate::model::arn::{principal as named, short};
use crate::model::estate::Estate;

/// Boxes of a drawing, its end among them.
const MOST_BOXES: usize = 9;
/// Actions that an arrow names.
const MOST_NAMED: usize = 3;
/// Statements that are named where any of several will do.
const MOST_STATEMENTS: usize = 4;

/// A box's place in a drawing that grows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    At(Node),
    Resource,
}

/// These ways in one drawing; what would make it larger than a screen, or run in circles, is left out. Where several
/// accounts are in it, each box tells its own.
pub(super) fn drawn(estate: &Estate, around: &Around, goal: &Goal, paths: &[Route]) -> Body {
    let mut stops: Vec<Stop> = Vec::new();
    let mut arrows: Vec<(Stop, Stop, Arrow)> = Vec::new();
    for path in paths {
        let (mut new_stops, mut new_arrows) = (stops.clone(), arrows.clone());
        let mut add = |from: Stop, to: Stop, label: String, certain: bool| {
            for stop in [from, to] {
                if !new_stops.contains(&stop) {
                    new_stops.push(stop);
                }
            }
            if !new_arrows.iter().any(|(f, t, _)| (*f, *t) == (from, to)) {
                new_arrows.push((from, to, Arrow { from: 0, to: 0, label, certain }));
            }
        };
        for leg in &path.legs {
            add(Stop::At(leg.from), Stop::At(leg.to), permission(around, leg), leg.certain);
        }
        let end = path.end();
        if let Some(held) = goal.held(end.account) {
            let (label, certain) = use_of(held, end);
            add(Stop::At(end), Stop::Resource, label, certain);
        }
        if new_stops.len() <= MOST_BOXES
            && let Some(order) = in_order(&new_stops, &new_arrows)
        {
            (stops, arrows) = (order, new_arrows);
        }
    }
    let accounts = |stop: &Stop| match stop {
        Stop::At(node) => Some(node.account),
        Stop::Resource => None,
    };
    let first = stops.iter().find_map(accounts);
    let several = stops.iter().filter_map(accounts).any(|account| Some(account) != first);
    let no_arrow_out = |stop: &Stop| !arrows.iter().any(|(from, ..)| from == stop);
    let name = |stop: &Stop| match stop {
        Stop::At(node) => match node.at {
            To::Principal(p) => {
                let star = if around.joined.built(node.account).administrators[p] { " (administrator)" } else { "" };
                format!("{}{star}", named(around.joined.arn(*node)))
            }
            To::Administrator => "administrator".to_owned(),
        },
        Stop::Resource => goal.prize().map_or_else(String::new, |prize| short(&prize.resource).to_owned()),
    };
    let account =
        |stop: &Stop| accounts(stop).filter(|_| several).map_or("", |account| label(estate, around, account)).to_owned();
    let place = |stop: &Stop| stops.iter().position(|s| s == stop).unwrap_or_default();
    Body::Graph(Drawing {
        boxes: stops.iter().map(|s| Box { label: name(s), place: account(s), goal: no_arrow_out(s) }).collect(),
        arrows: arrows.iter().map(|(from, to, a)| Arrow { from: place(from), to: place(to), ..a.clone() }).collect(),
    })
}

/// What people call an account.
pub(super) fn label<'e>(estate: &'e Estate, around: &'e Around, account: usize) -> &'e str {
    estate.account_label(&around.joined.built(account).id)
}

/// The boxes so that every arrow leads down; none where they run in circles.
fn in_order(stops: &[Stop], arrows: &[(Stop, Stop, Arrow)]) -> Option<Vec<Stop>> {
    let mut left: Vec<Stop> = stops.to_vec();
    let mut order = Vec::new();
    while !left.is_empty() {
        let free = left.iter().position(|s| !arrows.iter().any(|(from, to, _)| to == s && left.contains(from)))?;
        order.push(left.remove(free));
    }
    Some(order)
}

/// What an arrow says: the permissions that the first of several ways takes.
fn permission(around: &Around, leg: &Leg) -> String {
    let mut actions: Vec<&str> = match leg.by.first() {
        Some(By::Edge(edge)) => {
            let graph = around.ready[leg.from.account].graph();
            graph.edges().get(*edge).into_iter().flat_map(|e| e.needs.iter().map(|n| n.action)).collect()
        }
        Some(By::Crossing(at)) => around.joined.crossings(leg.from.account)[*at].actions(),
        _ => vec!["as its administrator"],
    };
    let mut seen = std::collections::BTreeSet::new();
    actions.retain(|action| seen.insert(*action));
    let rest = actions.len().saturating_sub(MOST_NAMED);
    actions.truncate(MOST_NAMED);
    let more = if rest > 0 { format!(" + {rest}") } else { String::new() };
    let ways = match leg.by.len().saturating_sub(1) {
        0 => String::new(),
        1 => ", or another way".to_owned(),
        n => format!(", or {n} other ways"),
    };
    let sure = if leg.certain { "" } else { " (conditions)" };
    format!("{}{more}{sure}{ways}", actions.join(" + "))
}

/// What whoever stands there may do with the resource.
fn use_of(held: &Held, at: Node) -> (String, bool) {
    let holder = match at.at {
        To::Principal(p) => held.holder(p),
        To::Administrator => None,
    };
    match holder {
        Some(holder) => {
            let first = holder.may.first().and_then(|u| held.prize.asks().get(u.ask));
            let more = if holder.may.len() > 1 { format!(" and {} more", holder.may.len() - 1) } else { String::new() };
            let sure = if holder.certain { "" } else { " (conditions)" };
            let before: String =
                holder.first.iter().flat_map(|(_, needs)| needs).map(|need| format!("{} + ", need.action)).collect();
            (format!("{before}{}{more}{sure}", first.map_or("", |a| &a.action)), holder.certain)
        }
        None => ("anything".to_owned(), held.administrator == Some(true)),
    }
}

/// What a step says, with accounts as people call them.
pub(super) fn sentence(estate: &Estate, around: &Around, leg: &Leg) -> String {
    around.joined.sentence(leg, around, &|id| estate.account_label(id).to_owned())
}

/// The first step of a way, without who takes it.
pub(super) fn first_step(estate: &Estate, around: &Around, path: &Route) -> Option<String> {
    let leg = path.legs.first()?;
    let words = sentence(estate, around, leg);
    let who = format!("{} ", named(around.joined.arn(leg.from)));
    Some(words.strip_prefix(&who).unwrap_or(&words).to_owned())
}

/// The sentences of a path, and the statements that each rests on.
pub(super) fn rests(estate: &Estate, around: &Around, goal: &Goal, path: &Route) -> Body {
    let mut lines = Vec::new();
    for leg in &path.legs {
        let needs = around.joined.rests(leg, around);
        lines.push(format!("{}{}", sentence(estate, around, leg), if needs.is_empty() { "." } else { ":" }));
        lines.extend(needs.iter().map(|(action, by)| format!("  {action} by {}", any_of(by))));
    }
    if let Some((sentence, needs)) = around.joined.use_of(goal, path.end(), around) {
        lines.push(format!("{sentence}{}", if needs.is_empty() { "" } else { ":" }));
        lines.extend(needs.iter().map(|(action, by)| format!("  {action} by {}", any_of(by))));
    }
    Body::Prose(lines.join("\n"))
}

/// Any of these statements, as people name them.
fn any_of(by: &[(String, String)]) -> String {
    let some: Vec<String> = by.iter().take(MOST_STATEMENTS).map(|(policy, statement)| format!("{policy}, {statement}")).collect();
    format!("{}{}", some.join(" or "), if by.len() > some.len() { ", …" } else { "" })
}

/// Which one statement would end the ways of a principal, in words.
pub(super) fn ends(estate: &Estate, around: &Around, of: Node, cut: Option<&Cut>) -> String {
    match cut {
        None => "No single statement: it has more than one way that does not share any.".to_owned(),
        Some(cut) => {
            let others = match cut.freed.len() - 1 {
                0 => String::new(),
                1 => "; it is the way of one other as well".to_owned(),
                n => format!("; it is the way of {n} others as well"),
            };
            let place =
                if cut.account == of.account { String::new() } else { format!(" in {}", label(estate, around, cut.account)) };
            format!("Without {}, {}{place} there is no way left{others}.", cut.policy, cut.label)
        }
    }
}
