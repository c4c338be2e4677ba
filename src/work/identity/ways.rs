//! Ways over the principal graph as people read them: drawn as a small graph, told as sentences with the statements behind
//! them, and which one statement would end them.

use crate::catalog::detail::Body;
use crate::catalog::detail::drawing::{Arrow, Drawing, Node};
use crate::iam::graph::{Cut, Edge, Graph, Held, Path, StatementId, Target, To};
use crate::model::arn::{principal as named, short};

/// Boxes of a drawing, its end among them.
const MOST_BOXES: usize = 9;
/// Actions that an arrow names.
const MOST_NAMED: usize = 3;
/// Statements that are named where any of several will do.
const MOST_STATEMENTS: usize = 4;

/// A box's place in a drawing that grows: principals by their place, and the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    At(usize),
    Administrator,
    Resource,
}

/// These paths in one drawing; what would make it larger than a screen, or run in circles, is left out.
pub(super) fn drawn(graph: &Graph<'_>, target: &Target, paths: &[Path]) -> Body {
    let reached = match target {
        Target::Resource(reached) => Some(&**reached),
        _ => None,
    };
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
        let mut at = Stop::At(path.from);
        for step in &path.steps {
            let edges: Vec<&Edge> = step.edges.iter().filter_map(|e| graph.edges().get(*e)).collect();
            let to = match step.to {
                To::Principal(to) => Stop::At(to),
                To::Administrator => Stop::Administrator,
            };
            add(at, to, permission(&edges), edges.first().is_some_and(|e| e.certain));
            at = to;
        }
        if let Some(reached) = reached {
            let (label, certain) = use_of(reached, at);
            add(at, Stop::Resource, label, certain);
        }
        if new_stops.len() <= MOST_BOXES
            && let Some(order) = in_order(&new_stops, &new_arrows)
        {
            (stops, arrows) = (order, new_arrows);
        }
    }
    let goal = |stop: &Stop| match (stop, target) {
        (Stop::At(p), Target::Principals(all)) => all.contains(p),
        (Stop::At(p), Target::Administrator) => graph.administrators[*p],
        (Stop::At(_), Target::Resource(_)) => false,
        _ => true,
    };
    let label = |stop: &Stop| match stop {
        Stop::At(p) => {
            let star = if graph.administrators[*p] { " (administrator)" } else { "" };
            format!("{}{star}", named(&graph.account.principals[*p].arn))
        }
        Stop::Administrator => "administrator".to_owned(),
        Stop::Resource => reached.map_or_else(String::new, |r| short(&r.prize.resource).to_owned()),
    };
    let place = |stop: &Stop| stops.iter().position(|s| s == stop).unwrap_or_default();
    Body::Graph(Drawing {
        boxes: stops.iter().map(|s| Node { label: label(s), goal: goal(s) }).collect(),
        arrows: arrows.iter().map(|(from, to, a)| Arrow { from: place(from), to: place(to), ..a.clone() }).collect(),
    })
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
fn permission(edges: &[&Edge]) -> String {
    let Some(first) = edges.first() else { return String::new() };
    let mut actions: Vec<&str> = Vec::new();
    for need in first.needs.iter() {
        if !actions.contains(&need.action) {
            actions.push(need.action);
        }
    }
    let rest = actions.len().saturating_sub(MOST_NAMED);
    actions.truncate(MOST_NAMED);
    let more = if rest > 0 { format!(" + {rest}") } else { String::new() };
    let ways = match edges.len() - 1 {
        0 => String::new(),
        1 => ", or another way".to_owned(),
        n => format!(", or {n} other ways"),
    };
    let sure = if first.certain { "" } else { " (conditions)" };
    format!("{}{more}{sure}{ways}", actions.join(" + "))
}

/// What whoever stands there may do with the resource.
fn use_of(reached: &Held, at: Stop) -> (String, bool) {
    let holder = match at {
        Stop::At(p) => reached.holder(p),
        _ => None,
    };
    match holder {
        Some(holder) => {
            let first = holder.may.first().and_then(|(ask, _)| reached.prize.asks().get(*ask));
            let more = if holder.may.len() > 1 { format!(" and {} more", holder.may.len() - 1) } else { String::new() };
            let sure = if holder.certain { "" } else { " (conditions)" };
            (format!("{}{more}{sure}", first.map_or("", |a| &a.action)), holder.certain)
        }
        None => ("anything".to_owned(), reached.administrator == Some(true)),
    }
}

/// The sentences of a path, and the statements that each rests on.
pub(super) fn rests(graph: &Graph<'_>, target: &Target, path: &Path) -> Body {
    let mut lines = Vec::new();
    for edge in path.steps.iter().filter_map(|s| graph.edges().get(*s.edges.first()?)) {
        lines.push(format!("{}:", graph.sentence(edge)));
        lines.extend(edge.needs.iter().map(|need| format!("  {} by {}", need.action, any_of(graph, &need.by))));
    }
    let end = path.steps.last().map_or(To::Principal(path.from), |s| s.to);
    if let (Target::Resource(reached), To::Principal(at)) = (target, end)
        && let Some(holder) = reached.holder(at)
    {
        let (sentence, by) = graph.use_of(reached, holder);
        lines.push(format!("{sentence}{}", if by.is_empty() { "" } else { ":" }));
        let first = holder.may.first().and_then(|(ask, _)| reached.prize.asks().get(*ask));
        lines.extend((!by.is_empty()).then(|| format!("  {} by {}", first.map_or("", |a| &a.action), any_of(graph, &by))));
    }
    Body::Prose(lines.join("\n"))
}

/// Any of these statements, as people name them.
fn any_of(graph: &Graph<'_>, by: &[StatementId]) -> String {
    let some: Vec<String> = (by.iter().take(MOST_STATEMENTS))
        .map(|id| {
            let (policy, statement) = graph.statement(*id);
            format!("{policy}, {statement}")
        })
        .collect();
    format!("{}{}", some.join(" or "), if by.len() > some.len() { ", …" } else { "" })
}

/// Which one statement would end the ways of a principal, in words.
pub(super) fn ends(cut: Option<&Cut>) -> String {
    match cut {
        None => "No single statement: it has more than one way that does not share any.".to_owned(),
        Some(cut) => {
            let others = match cut.freed.len() - 1 {
                0 => String::new(),
                1 => "; it is the way of one other as well".to_owned(),
                n => format!("; it is the way of {n} others as well"),
            };
            format!("Without {}, {} there is no way left{others}.", cut.policy, cut.label)
        }
    }
}
