//! Which single statement, removed, cuts most ways to a target. What is found is tried out: the account is judged again
//! without the statement, so that a way which comes to light only then is not overlooked.

use std::collections::BTreeMap;

use super::{Edge, Graph, StatementId, Target, slot};

/// What the removal of one statement would cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub statement: StatementId,
    pub policy: String,
    pub label: String,
    /// Principals that reach the target for certain and could no longer.
    pub freed: Vec<usize>,
    /// Principals that reach the target for certain, all of them.
    pub of: usize,
}

/// Statements that are looked at.
const MOST_TRIED: usize = 150;

impl Graph<'_> {
    /// The statements whose removal keeps most principals from the target, best first.
    pub fn cuts(&self, target: &Target, most: usize) -> Vec<Cut> {
        let mut cuts = self.estimated(target);
        cuts.truncate(most);
        let mut cuts: Vec<Cut> = cuts.into_iter().filter_map(|cut| self.tried(target, cut)).collect();
        cuts.sort_by_key(|c| (std::cmp::Reverse(c.freed.len()), c.statement));
        cuts
    }

    /// The statement whose removal keeps a principal from the target and, of several, frees most others too; none where
    /// no single one does.
    pub fn cut_of(&self, from: usize, target: &Target) -> Option<Cut> {
        let may = self.estimated(target).into_iter().filter(|cut| cut.freed.contains(&from)).take(2);
        may.filter_map(|cut| self.tried(target, cut)).find(|cut| cut.freed.contains(&from))
    }

    /// By the edges there are, best first.
    fn estimated(&self, target: &Target) -> Vec<Cut> {
        let goals = self.goals(target, true);
        let before = self.distances(target, true);
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
        if let Target::Resource(reached) = target {
            for statement in reached.holders.iter().filter(|h| h.certain).filter_map(|h| h.may.first()?.1.first()) {
                *weight.entry(*statement).or_default() += 1;
            }
        }
        let mut looked: Vec<(StatementId, usize)> = weight.into_iter().collect();
        looked.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
        looked.truncate(MOST_TRIED);
        // Whoever uses a resource by its own permissions is kept off it, too; an administrator is one whatever is cut.
        let least = u32::from(!matches!(target, Target::Resource(_)));
        let of = (0..count).filter(|i| before[*i].is_some_and(|steps| steps >= least)).count();
        let mut cuts: Vec<Cut> = looked
            .into_iter()
            .filter_map(|(statement, _)| {
                let mut left = goals.clone();
                if let Target::Resource(reached) = target {
                    left.retain(|g| reached.holder(*g).is_none_or(|h| h.holds_without(statement)));
                }
                let after = self.spread_from(left, |e| e.certain && !rests_on(e, statement));
                let freed: Vec<usize> = (0..count).filter(|i| before[*i].is_some() && after[*i].is_none()).collect();
                let (policy, label) = self.statement(statement);
                (!freed.is_empty()).then_some(Cut { statement, policy, label, freed, of })
            })
            .collect();
        cuts.sort_by_key(|c| (std::cmp::Reverse(c.freed.len()), c.statement));
        cuts
    }

    /// The same by the account without the statement; none where nobody is kept away after all.
    fn tried(&self, target: &Target, cut: Cut) -> Option<Cut> {
        let account = self.account.without(cut.statement.policy as usize, cut.statement.statement as usize);
        let graph = Graph::new(&account);
        let before = self.distances(target, true);
        let after = match target {
            // Who is an administrator now is what is to be kept out of reach, with or without the statement.
            Target::Administrator => graph.spread_from(self.goals(target, true), |e| e.certain),
            Target::Principals(_) => graph.distances(target, true),
            Target::Resource(reached) => graph.distances(&graph.reach(&reached.prize), true),
        };
        let freed: Vec<usize> = (0..account.principals.len()).filter(|i| before[*i].is_some() && after[*i].is_none()).collect();
        (!freed.is_empty()).then_some(Cut { freed, ..cut })
    }
}

/// Whether an edge is gone without a statement.
fn rests_on(edge: &Edge, statement: StatementId) -> bool {
    edge.needs.iter().any(|n| n.by.iter().all(|s| *s == statement))
}
