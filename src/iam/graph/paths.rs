//! Paths over the graph: the shortest, all simple ones within bounds, and the statement whose removal cuts most.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Graph, StatementId, To, slot};

/// Where paths lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Administrator,
    /// Any of these principals: one role, or all who can reach a resource.
    Principals(Vec<usize>),
}

/// A way from a principal to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub from: usize,
    pub steps: Vec<Step>,
    /// Nothing unknown stands in between.
    pub certain: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub to: To,
    /// Places in [`Graph::edges`] of every way to take this step, certain ones first.
    pub edges: Vec<usize>,
}

/// What the removal of one statement would cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub statement: StatementId,
    pub policy: String,
    pub label: String,
    /// Principals that could no longer become an administrator.
    pub freed: Vec<usize>,
}

/// No path is longer; longer ones pass through what a shorter one has already.
const MAX_STEPS: usize = 8;
/// Statements tried for [`Graph::cuts`].
const MAX_TRIED: usize = 150;

impl Graph<'_> {
    /// A shortest path from a principal to the target: over certain edges where there is one, else over any. None where
    /// there is no way, and an empty one where it is there already.
    pub fn shortest(&self, from: usize, target: &Target) -> Option<Path> {
        if from >= self.administrators.len() {
            return None;
        }
        let sure = self.distances(target, |e| e.certain);
        self.follow(from, &sure, true).or_else(|| self.follow(from, &self.distances(target, |_| true), false))
    }

    /// For each principal its shortest path to administrator, certain where there is one; none where there is no way.
    pub fn escalations(&self) -> Vec<Option<Path>> {
        let sure = self.distances(&Target::Administrator, |e| e.certain);
        let any = self.distances(&Target::Administrator, |_| true);
        (0..self.administrators.len()).map(|p| self.follow(p, &sure, true).or_else(|| self.follow(p, &any, false))).collect()
    }

    /// A path down the distances.
    fn follow(&self, from: usize, far: &[Option<u32>], certain: bool) -> Option<Path> {
        let mut left = far[from]?;
        let mut path = Path { from, steps: Vec::new(), certain };
        let mut at = from;
        while left > 0 {
            let fits = |e: &&Edge| (e.certain || !certain) && far[slot(e.to, self.administrators.len())] == Some(left - 1);
            let next = self.edges_from(at).iter().find(fits)?;
            path.steps.push(self.step(at, next.to));
            left -= 1;
            if let To::Principal(to) = next.to {
                at = to;
            }
        }
        Some(path)
    }

    /// All simple paths to the target from one principal, or from every one that has any, shortest first, at most
    /// `most`; and whether there are more.
    pub fn paths(&self, from: Option<usize>, target: &Target, most: usize) -> (Vec<Path>, bool) {
        let far = self.distances(target, |_| true);
        let count = self.administrators.len();
        let starts: Vec<usize> = match from {
            Some(p) => (p < count).then_some(p).into_iter().collect(),
            None => (0..count).collect(),
        };
        let goals: BTreeSet<usize> = self.goals(target).into_iter().collect();
        let mut found = Vec::new();
        let mut visits = 0;
        // By length, so that what is cut off at `most` is the longest.
        for steps in 1..=MAX_STEPS {
            for &start in starts.iter().filter(|s| !goals.contains(s) && far[**s].is_some()) {
                let mut trail = vec![start];
                let mut walk = Walk { graph: self, far: &far, goals: &goals, found: &mut found, most, visits: &mut visits };
                walk.go(&mut trail, steps, &mut Vec::new());
                if found.len() > most || visits > MAX_VISITS {
                    found.truncate(most);
                    return (found, true);
                }
            }
        }
        (found, false)
    }

    /// The statements whose removal frees most principals from a way to administrator, best first.
    pub fn cuts(&self, most: usize) -> Vec<Cut> {
        let before = self.distances(&Target::Administrator, |e| e.certain);
        let count = self.administrators.len();
        // Only statements that some shortest step rests on alone can cut anything.
        let mut weight: BTreeMap<StatementId, usize> = BTreeMap::new();
        for e in self.edges.iter().filter(|e| e.certain) {
            let ahead = before[slot(e.to, count)].map(|d| d + 1);
            if ahead.is_some() && before[e.from] == ahead {
                for need in e.needs.iter() {
                    if let [only] = *need.by {
                        *weight.entry(only).or_default() += 1;
                    }
                }
            }
        }
        let mut tried: Vec<(StatementId, usize)> = weight.into_iter().collect();
        tried.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
        tried.truncate(MAX_TRIED);
        let mut cuts: Vec<Cut> = tried
            .into_iter()
            .filter_map(|(statement, _)| {
                let after = self.distances(&Target::Administrator, |e| e.certain && !rests_on(e, statement));
                let freed: Vec<usize> = (0..count).filter(|i| before[*i].is_some() && after[*i].is_none()).collect();
                let (policy, label) = self.statement(statement);
                (!freed.is_empty()).then_some(Cut { statement, policy, label, freed })
            })
            .collect();
        cuts.sort_by_key(|c| (std::cmp::Reverse(c.freed.len()), c.statement));
        cuts.truncate(most);
        cuts
    }

    fn step(&self, from: usize, to: To) -> Step {
        let base = self.starts[from];
        let mut edges: Vec<usize> =
            self.edges_from(from).iter().enumerate().filter(|(_, e)| e.to == to).map(|(i, _)| base + i).collect();
        edges.sort_by_key(|e| (!self.edges[*e].certain, *e));
        Step { to, edges }
    }
}

/// Whether an edge is gone without a statement.
fn rests_on(edge: &Edge, statement: StatementId) -> bool {
    edge.needs.iter().any(|n| n.by.iter().all(|s| *s == statement))
}

/// How many edges one search looks at, so that a dense graph does not take for ever.
const MAX_VISITS: usize = 3_000_000;

struct Walk<'w, 'a> {
    graph: &'w Graph<'a>,
    far: &'w [Option<u32>],
    goals: &'w BTreeSet<usize>,
    found: &'w mut Vec<Path>,
    most: usize,
    visits: &'w mut usize,
}

impl Walk<'_, '_> {
    /// Paths with exactly `left` more steps.
    fn go(&mut self, trail: &mut Vec<usize>, left: usize, steps: &mut Vec<To>) {
        let Some(&at) = trail.last() else { return };
        let count = self.graph.administrators.len();
        let mut last = None;
        let mut neighbours: Vec<To> = self.graph.edges_from(at).iter().map(|e| e.to).collect();
        neighbours.sort_unstable();
        for to in neighbours {
            *self.visits += 1;
            if self.found.len() > self.most || *self.visits > MAX_VISITS {
                return;
            }
            if last.replace(to) == Some(to) {
                continue;
            }
            let node = slot(to, count);
            let goal = self.goals.contains(&node);
            if goal != (left == 1) || trail.contains(&node) || self.far[node].is_none_or(|d| d as usize > left - 1) {
                continue;
            }
            steps.push(to);
            if goal {
                self.found.push(self.path(trail, steps));
            } else {
                trail.push(node);
                self.go(trail, left - 1, steps);
                trail.pop();
            }
            steps.pop();
        }
    }

    fn path(&self, trail: &[usize], steps: &[To]) -> Path {
        let steps: Vec<Step> = trail.iter().zip(steps).map(|(from, to)| self.graph.step(*from, *to)).collect();
        let sure = |s: &Step| s.edges.iter().any(|e| self.graph.edges[*e].certain);
        Path { from: trail[0], certain: steps.iter().all(sure), steps }
    }
}
