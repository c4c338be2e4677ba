//! Paths within one account: the shortest, and all simple ones within bounds. They are the routes of the account joined to
//! no other.

use super::cuts::Cut;
use super::joined::{By, Joined, Node};
use super::reach::Held;
use super::routes::Route;
use super::{Graph, Power, To};

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

impl Graph<'_> {
    /// What each principal is in effect, as far as its own account goes.
    pub fn powers(&self) -> Vec<Power> {
        Joined::alone(self).powers().pop().unwrap_or_default()
    }

    /// A shortest path from a principal to the target: over certain edges where there is one, else over any. None where
    /// there is no way, and an empty one where it is there already.
    pub fn shortest(&self, from: usize, target: &Target) -> Option<Path> {
        let joined = Joined::alone(self);
        (from < self.administrators.len())
            .then(|| joined.shortest(Node::principal(0, from), &joined.goal(target)))?
            .as_ref()
            .map(path)
    }

    /// For each principal its shortest path to administrator, certain where there is one; none where there is no way.
    pub fn escalations(&self) -> Vec<Option<Path>> {
        self.routes(&Target::Administrator)
    }

    /// For each principal its shortest path to the target, certain where there is one: without a step where it is there
    /// already, none where there is no way.
    pub fn routes(&self, target: &Target) -> Vec<Option<Path>> {
        let joined = Joined::alone(self);
        let mut all = vec![None; self.administrators.len()];
        for found in joined.routes(&joined.goal(target)).iter().map(path) {
            let from = found.from;
            all[from] = Some(found);
        }
        all
    }

    /// All simple paths to the target from one principal, or from every one that has any, shortest first, at most
    /// `most`; and whether there are more.
    pub fn paths(&self, from: Option<usize>, target: &Target, most: usize) -> (Vec<Path>, bool) {
        if from.is_some_and(|p| p >= self.administrators.len()) {
            return (Vec::new(), false);
        }
        let joined = Joined::alone(self);
        let all = from.map_or(0..self.administrators.len(), |p| p..p + 1).map(|p| Node::principal(0, p));
        let (found, more) = joined.paths(&all.collect::<Vec<_>>(), &joined.goal(target), most);
        (found.iter().map(path).collect(), more)
    }

    /// The statements whose removal keeps most principals from the target, best first.
    pub fn cuts(&self, target: &Target, most: usize) -> Vec<Cut> {
        let joined = Joined::alone(self);
        joined.cuts(&joined.goal(target), most, std::slice::from_ref(self))
    }

    /// The statement whose removal keeps a principal from the target and, of several, frees most others too; none where
    /// no single one does.
    pub fn cut_of(&self, from: usize, target: &Target) -> Option<Cut> {
        let joined = Joined::alone(self);
        joined.cut_of(Node::principal(0, from), &joined.goal(target), std::slice::from_ref(self))
    }
}

fn path(route: &Route) -> Path {
    let at = |node: Node| match node.at {
        To::Principal(at) => at,
        To::Administrator => usize::MAX,
    };
    let edge = |by: &By| match by {
        By::Edge(at) => Some(*at),
        _ => None,
    };
    let steps = route.legs.iter().map(|leg| Step { to: leg.to.at, edges: leg.by.iter().filter_map(edge).collect() });
    Path { from: at(route.from), steps: steps.collect(), certain: route.certain }
}
