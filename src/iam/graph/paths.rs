//! Paths over the graph: the shortest, and all simple ones within bounds.

use std::collections::BTreeSet;

use super::reach::Held;
use super::{Edge, Graph, To, slot};

/// Where paths lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Administrator,
    /// Any of these principals.
    Principals(Vec<usize>),
    /// Whoever gets at a resource; see [`Graph::reach`].
    Resource(Box<Held>),
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

/// No path is longer; longer ones pass through what a shorter one has already.
const MAX_STEPS: usize = 8;

impl Graph<'_> {
    /// A shortest path from a principal to the target: over certain edges where there is one, else over any. None where
    /// there is no way, and an empty one where it is there already.
    pub fn shortest(&self, from: usize, target: &Target) -> Option<Path> {
        if from >= self.administrators.len() {
            return None;
        }
        let sure = self.distances(target, true);
        self.follow(from, &sure, true).or_else(|| self.follow(from, &self.distances(target, false), false))
    }

    /// For each principal its shortest path to administrator, certain where there is one; none where there is no way.
    pub fn escalations(&self) -> Vec<Option<Path>> {
        self.routes(&Target::Administrator)
    }

    /// For each principal its shortest path to the target, certain where there is one: without a step where it is there
    /// already, none where there is no way.
    pub fn routes(&self, target: &Target) -> Vec<Option<Path>> {
        let (sure, any) = (self.distances(target, true), self.distances(target, false));
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
        let far = self.distances(target, false);
        let count = self.administrators.len();
        let starts: Vec<usize> = match from {
            Some(p) => (p < count).then_some(p).into_iter().collect(),
            None => (0..count).collect(),
        };
        let goals: BTreeSet<usize> = self.goals(target, false).into_iter().collect();
        let sure: BTreeSet<usize> = self.goals(target, true).into_iter().collect();
        let mut found = Vec::new();
        let mut visits = 0;
        // By length, so that what is cut off at `most` is the longest.
        for steps in 1..=MAX_STEPS {
            for &start in starts.iter().filter(|s| !goals.contains(s) && far[**s].is_some()) {
                let mut trail = vec![start];
                let mut walk =
                    Walk { graph: self, far: &far, goals: &goals, sure: &sure, found: &mut found, most, visits: &mut visits };
                walk.go(&mut trail, steps, &mut Vec::new());
                if found.len() > most || visits > MAX_VISITS {
                    found.truncate(most);
                    return (found, true);
                }
            }
        }
        (found, false)
    }

    fn step(&self, from: usize, to: To) -> Step {
        let base = self.starts[from];
        let mut edges: Vec<usize> =
            self.edges_from(from).iter().enumerate().filter(|(_, e)| e.to == to).map(|(i, _)| base + i).collect();
        edges.sort_by_key(|e| (!self.edges[*e].certain, *e));
        Step { to, edges }
    }
}

/// How many edges one search looks at, so that a dense graph does not take for ever.
const MAX_VISITS: usize = 3_000_000;

struct Walk<'w, 'a> {
    graph: &'w Graph<'a>,
    far: &'w [Option<u32>],
    goals: &'w BTreeSet<usize>,
    /// Those of the goals that are there for certain.
    sure: &'w BTreeSet<usize>,
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
        let end = steps.last().is_some_and(|s| self.sure.contains(&slot(s.to, self.graph.administrators.len())));
        Path { from: trail[0], certain: end && steps.iter().all(sure), steps }
    }
}
