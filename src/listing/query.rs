//! Questions to an index and their answers: which rows, in what order, in what groups. It owns running a query and giving
//! it up; deciding, sorting and counting are below it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::listing::index::{Index, RowId};
use crate::listing::plan::{Bits, Chunk, Plan, chunks, set_rows};
use crate::listing::schema::FieldId;
use crate::listing::{groups, sort, threads};

pub use crate::listing::expr::Filter;
pub use crate::listing::groups::{Group, GroupBy};
pub use crate::listing::sort::Sort;

/// What is wanted of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Which rows.
    pub filter: Filter,
    /// In what order: by the first, then the next; at last by key.
    pub sort: Vec<Sort>,
    /// In what groups, if any.
    pub group: Option<GroupBy>,
    /// What ages are counted back from, in unix seconds.
    pub now: i64,
}

/// Gives up a query from another thread. Clones cancel together.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// One that is not cancelled.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Asks every query that runs with this to stop soon.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// The rows that pass, in order.
    pub ids: Vec<RowId>,
    /// How many rows the index has.
    pub total: usize,
    /// The groups that have passing rows, when groups were asked for: worst first, then most matched, then in the
    /// order of the values, no value last.
    pub groups: Vec<Group>,
}

/// Answers `query`. None when `cancel` was used meanwhile; it is looked at between blocks of 65,536 rows and between steps.
pub fn run(index: &Index, query: &Query, cancel: &Cancel) -> Option<Rows> {
    let stop = || cancel.is_cancelled();
    if stop() {
        return None;
    }
    let chunks = chunks(index);
    let plan = Plan::new(index, &query.filter, query.now);
    let ids = if plan.is_all() && query.sort.is_empty() && query.group.is_none() {
        index.keys().rows.clone()
    } else {
        let answers = answers(index, &plan, &chunks, &stop)?;
        if let Some(by) = query.group {
            let found = groups::groups(index, by, &chunks, &answers);
            let ids = sort::rows(index, &query.sort, &chunks, &answers, &stop)?;
            return (!stop()).then(|| Rows { ids, total: index.rows(), groups: found });
        }
        sort::rows(index, &query.sort, &chunks, &answers, &stop)?
    };
    (!stop()).then(|| Rows { ids, total: index.rows(), groups: Vec::new() })
}

/// How many rows pass `filter`, without ordering them. None when `cancel` was used meanwhile.
pub fn count(index: &Index, filter: &Filter, now: i64, cancel: &Cancel) -> Option<usize> {
    let answers = answers(index, &Plan::new(index, filter, now), &chunks(index), &|| cancel.is_cancelled())?;
    Some(answers.iter().flatten().map(|word| word.count_ones() as usize).sum())
}

/// The rows that pass `filter` as they stand in the index, for those who look at each of them: nothing is sorted. None when
/// `cancel` was used meanwhile.
pub fn unordered(index: &Index, filter: &Filter, now: i64, cancel: &Cancel) -> Option<Vec<RowId>> {
    let chunks = chunks(index);
    let answers = answers(index, &Plan::new(index, filter, now), &chunks, &|| cancel.is_cancelled())?;
    let of = |(chunk, bits): (&Chunk, &Bits)| -> Vec<RowId> {
        set_rows(bits).map(|row| RowId { segment: chunk.segment as u32, row: (chunk.first + row) as u32 }).collect()
    };
    Some(chunks.iter().zip(&answers).flat_map(of).collect())
}

/// How many of the rows that pass `filter` have each value of `field`; `""` stands for none. Ranks come highest first,
/// instants day by day (UTC), others most frequent first. Ages are counted from the filter's own now.
pub fn facets(index: &Index, filter: &Filter, field: FieldId) -> Vec<(String, usize)> {
    let chunks = chunks(index);
    let plan = Plan::new(index, filter, filter.now);
    let answers = answers(index, &plan, &chunks, &|| false).unwrap_or_default();
    groups::counts(index, field, &chunks, &answers)
}

/// The values of `field` with how many rows have each, at most `limit`, in the order of [`facets`], without rows that have
/// none. For a Text field the first call after a change sorts the field.
pub fn distinct(index: &Index, field: FieldId, limit: usize) -> Vec<(String, usize)> {
    let mut values = facets(index, &Filter::all(), field);
    values.retain(|(value, _)| !value.is_empty());
    values.truncate(limit);
    values
}

fn answers(index: &Index, plan: &Plan<'_>, chunks: &[Chunk], stop: &(impl Fn() -> bool + Sync)) -> Option<Vec<Bits>> {
    let threads = threads::count(index.rows());
    let answers = threads::spread(threads, chunks.to_vec(), |chunk| (!stop()).then(|| plan.rows(chunk)));
    answers.into_iter().collect()
}
