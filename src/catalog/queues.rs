//! The listing of queues: what stands before each team and person.

use jiff::SignedDuration;

use crate::catalog::{Facts, Names, Spec, Subject, Value, spec};
use crate::listing::schema::Kind;
use crate::model::finding::Severity;
use crate::text;
use crate::triage::queues::{AGES, Queue, Spread};

pub struct Queues;

/// A queue and whose it is.
pub struct Row<'a> {
    /// `team` or `person`.
    pub kind: &'static str,
    pub name: &'a str,
    pub queue: &'a Queue,
}

/// The word of the queue that no team answers for.
const UNOWNED: &str = "unowned";

impl Row<'_> {
    fn severity(&self, severity: Severity) -> usize {
        self.queue.by_severity[usize::from(severity.rank())]
    }
}

/// The ageing as one cell a bar: open findings younger than a day, a week, a month, a quarter, half a year, older.
fn ageing(queue: &Queue) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = queue.ageing.iter().copied().max().unwrap_or(0);
    let bar = |n: &usize| if *n == 0 || most == 0 { '·' } else { LEVELS[(n * 7).div_ceil(most).min(7)] };
    queue.ageing.iter().map(bar).collect()
}

fn spans(spread: &Spread) -> String {
    let span = |d: SignedDuration| text::span(d.as_secs());
    match (spread.median, spread.p90) {
        (Some(median), Some(p90)) => format!("{} / {}", span(median), span(p90)),
        _ => String::new(),
    }
}

/// What the bars of [`ageing`] stand for.
pub fn ages() -> String {
    let ends: Vec<String> = AGES.iter().map(|days| format!("<{days}d")).collect();
    format!("{} and older", ends.join(", "))
}

impl Subject for Queues {
    type Row<'a> = Row<'a>;
    const NAMES: Names = Names { name: "queues", title: "Queues", one: "queue", many: "queues" };
    const SORT: &'static str = "kind:desc,overdue:desc,open:desc";
    const GROUPS: &'static [&'static str] = &["kind"];
    const EMPTY: &'static str = "No queues: there are no findings. Press ! for what was refused, or bring a scan in with \
                                 `bartizan import FILE`.";
    const OF_DETAILS: &'static str = "No queues: there are no findings. Bring a scan in with `bartizan import FILE`.";

    fn specs<'a>() -> Vec<Spec<Row<'a>>> {
        let spec = spec::<Row<'a>>;
        vec![
            spec("id", "ID", Kind::Text, 16, "Kind and name", |r| Value::text(format!("{}:{}", r.kind, r.name))).hidden().mute(),
            spec("name", "QUEUE", Kind::Keyword, 16, "The team or person; unowned: nobody's", |r| Value::text(r.name)).grow(),
            spec("kind", "KIND", Kind::Rank(&["person", "team"]), 6, "A team, or a person of one", |r| {
                Value::Rank(u8::from(r.kind == "team"))
            }),
            spec("open", "OPEN", Kind::Number, 5, "Open findings", |r| Value::number(r.queue.open)),
            spec("critical", "CRIT", Kind::Number, 6, "Open critical findings", |r| {
                Value::number(r.severity(Severity::Critical))
            }),
            spec("high", "HIGH", Kind::Number, 6, "Open high findings", |r| Value::number(r.severity(Severity::High))),
            spec("overdue", "OVERDUE", Kind::Number, 7, "Open findings past their due date", |r| Value::number(r.queue.overdue)),
            spec("due_soon", "SOON", Kind::Number, 4, "Open findings due soon", |r| Value::number(r.queue.due_soon)),
            spec("unclaimed", "UNCLAIMED", Kind::Number, 9, "Open findings nobody has claimed", |r| {
                Value::number(r.queue.unclaimed)
            }),
            spec("pending", "PENDING", Kind::Number, 7, "Requests that wait for a second person", |r| {
                Value::number(r.queue.pending)
            }),
            spec("accepted", "ACCEPTED", Kind::Number, 8, "Findings whose risk is accepted", |r| Value::number(r.queue.accepted)),
            spec("expiring", "EXPIRING", Kind::Number, 8, "Acceptances that end soon", |r| Value::number(r.queue.expiring)),
            spec("returned", "RETURNED", Kind::Number, 8, "Open again because an acceptance was over", |r| {
                Value::number(r.queue.returned)
            })
            .hidden(),
            spec(
                "ageing",
                "AGEING",
                Kind::Keyword,
                6,
                "Open findings by age, young to old: <1d <7d <30d <90d <180d older",
                |r| Value::text(ageing(r.queue)),
            )
            .mute(),
            spec("to_claim", "TO CLAIM", Kind::Keyword, 11, "First seen to first claim: median / 90th percentile", |r| {
                Value::text(spans(&r.queue.to_claim))
            })
            .mute(),
            spec("to_resolve", "TO RESOLVE", Kind::Keyword, 11, "First seen to resolved: median / 90th percentile", |r| {
                Value::text(spans(&r.queue.to_resolve))
            })
            .mute(),
            spec("medium", "MED", Kind::Number, 5, "Open medium findings", |r| Value::number(r.severity(Severity::Medium)))
                .hidden(),
            spec("low", "LOW", Kind::Number, 5, "Open low findings", |r| Value::number(r.severity(Severity::Low))).hidden(),
            spec("claim_median", "CLAIM P50", Kind::Number, 9, "Seconds from first seen to first claim, median", |r| {
                r.queue.to_claim.median.map_or(Value::None, |d| Value::Number(d.as_secs()))
            })
            .hidden(),
            spec("claim_p90", "CLAIM P90", Kind::Number, 9, "The same, 90th percentile", |r| {
                r.queue.to_claim.p90.map_or(Value::None, |d| Value::Number(d.as_secs()))
            })
            .hidden(),
            spec("resolve_median", "RESOLVE P50", Kind::Number, 11, "Seconds from first seen to resolved, median", |r| {
                r.queue.to_resolve.median.map_or(Value::None, |d| Value::Number(d.as_secs()))
            })
            .hidden(),
            spec("resolve_p90", "RESOLVE P90", Kind::Number, 11, "The same, 90th percentile", |r| {
                r.queue.to_resolve.p90.map_or(Value::None, |d| Value::Number(d.as_secs()))
            })
            .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Row<'a>)) {
        let board = &facts.board;
        let teams = board.teams.iter().map(|(name, queue)| ("team", if name.is_empty() { UNOWNED } else { name }, queue));
        for (kind, name, queue) in teams.chain(board.people.iter().map(|(name, queue)| ("person", name.as_str(), queue))) {
            each(&format!("{kind}:{name}"), &Row { kind, name, queue });
        }
    }
}
