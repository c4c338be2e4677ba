//! The ledger: entries a second on both stores, alone and with twenty consoles; opening with 100,000 decisions; one
//! queue over 100,000 decided findings. `cargo bench --bench ledger`; PostgreSQL as the tests start it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, dead_code, reason = "a bench")]

#[path = "../tests/support/book.rs"]
mod book;
#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::time::{Duration, Instant};

use bartizan::ledger::handle::Ledger;
use bartizan::ledger::store::Store;
use bartizan::ledger::verify::Against;
use bartizan::model::account::Attribution;
use bartizan::model::decision::Decision;
use bartizan::model::finding::{FindingKey, Severity, Status};
use bartizan::triage::inherit::Owners;
use bartizan::triage::policy::Policy;
use bartizan::triage::projection::Projection;
use bartizan::triage::queues::{Item, board};
use bartizan::triage::rules::Facts;
use bartizan::triage::snapshot::{decode, encode};
use book::{Random, all, append, ask, finding, ledger, note, options, store};

const DECISIONS: u64 = 100_000;

fn report(what: &str, n: u64, time: Duration) {
    let seconds = time.as_secs_f64();
    println!("{what:58} {:>9.1} ms  {:>9.0}/s", seconds * 1000.0, n as f64 / seconds);
}

/// The middle one of several runs.
async fn median(runs: usize, mut run: impl AsyncFnMut() -> Duration) -> Duration {
    let mut times = Vec::new();
    for _ in 0..runs {
        times.push(run().await);
    }
    times.sort_unstable();
    times[runs / 2]
}

async fn appends(name: &str, url: &str) {
    let s = store(url).await;
    let start = Instant::now();
    for n in 0..300 {
        s.append(&[note("jo", n, "one at a time")]).await.unwrap();
    }
    report(&format!("{name}: append, one at a time"), 300, start.elapsed());
    let batch: Vec<_> = (0..5000).map(|n| append("jo", finding(n), Decision::Claim, None)).collect();
    let start = Instant::now();
    s.append(&batch).await.unwrap();
    report(&format!("{name}: append, a bulk of 5,000"), 5000, start.elapsed());
    s.close().await;
}

async fn decisions(name: &str, url: &str) {
    let directory = tempfile::tempdir().unwrap();
    let l = ledger(url, directory.path()).await;
    let start = Instant::now();
    for n in 0..200 {
        l.decide(vec![ask(note("jo", n, "one at a time"))]).await.unwrap();
    }
    report(&format!("{name}: decide (kept, appended, settled, shown)"), 200, start.elapsed());
    l.close().await.unwrap();
}

async fn twenty(url: &str) {
    store(url).await.close().await;
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20u128 {
        let s = store(url).await;
        tasks.spawn(async move {
            for turn in 0..200 {
                s.append(&[note(&format!("p{n}"), n * 1000 + turn, "x")]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    report("postgresql: append, 20 writers x 200", 4000, start.elapsed());
}

async fn opening() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("ledger.db");
    let url = url.to_str().unwrap();
    let s = store(url).await;
    let mut random = Random(1);
    let batch: Vec<_> = (0..u128::from(DECISIONS))
        .map(|n| {
            let decision = match random.below(4) {
                0 => Decision::Claim,
                1 => Decision::Status { status: Status::Notified },
                2 => Decision::Accept { until: "2027-01-01T00:00:00Z".parse().unwrap(), pending: n % 5 == 0 },
                _ => Decision::Assign { owner: Some(format!("team-{}", n % 40)), assignee: Some(format!("person-{}", n % 300)) },
            };
            append(&format!("person-{}", n % 300), finding(n << 64 | n), decision, None)
        })
        .collect();
    let start = Instant::now();
    s.append(&batch).await.unwrap();
    report("sqlite: 100,000 decisions on 100,000 findings", DECISIONS, start.elapsed());
    let start = Instant::now();
    let entries = all(&s).await;
    report("read all entries", DECISIONS, start.elapsed());
    let start = Instant::now();
    let rebuilt = Projection::rebuild(&entries);
    report("rebuild the projection", DECISIONS, start.elapsed());
    let bytes = encode(&rebuilt);
    let time = median(9, async || {
        let start = Instant::now();
        let read = decode(&bytes).unwrap();
        let time = start.elapsed();
        drop(read);
        time
    })
    .await;
    report(&format!("read the saved projection ({} kB)", bytes.len() / 1000), DECISIONS, time);
    s.close().await;

    let start = Instant::now();
    let l = ledger(url, directory.path()).await;
    report("open for the first time (no saved projection)", DECISIONS, start.elapsed());
    assert!(*l.projection() == rebuilt);
    l.close().await.unwrap();
    let time = median(9, async || {
        let start = Instant::now();
        let l = Ledger::open(&options(url, directory.path())).await.unwrap();
        let time = start.elapsed();
        assert_eq!(l.projection().len() as u64, DECISIONS);
        drop(l);
        time
    })
    .await;
    report("open again", DECISIONS, time);

    let l = ledger(url, directory.path()).await;
    let time = median(21, async || {
        let start = Instant::now();
        l.decide(vec![ask(note("jo", 1 << 64 | 1, "x"))]).await.unwrap();
        start.elapsed()
    })
    .await;
    report("one decision with 100,000 known", 1, time);
    let states = l.projection();
    let policy = Policy::default();
    let rule = Attribution::new("platform".to_owned(), "rule 1");
    let now = jiff::Timestamp::now();
    let facts: Vec<Facts<'_>> = (0..u128::from(DECISIONS))
        .map(|n| Facts {
            key: FindingKey(n << 64 | n),
            account: "111122223333",
            environment: None,
            severity: Severity::ALL[n as usize % 5],
            status: Status::New,
            open: true,
            first_seen: now - jiff::SignedDuration::from_hours((n % 5000) as i64),
        })
        .collect();
    let time = median(5, async || {
        let start = Instant::now();
        let owners = Owners::new(&states);
        let items = facts.iter().map(|f| {
            let state = states.finding(f.key);
            Item { facts: *f, state, owned: owners.of_state(state, "", f.account, Some(&rule)) }
        });
        assert_eq!(board(&policy, items, now).teams.len(), 41);
        start.elapsed()
    })
    .await;
    report("owners and all queues of 100,000 findings", DECISIONS, time);
    let start = Instant::now();
    let verified = l.verify(Against::default(), |_| {}).await.unwrap();
    assert_eq!(verified.fault, None);
    report("verify the whole chain", DECISIONS, start.elapsed());
}

fn main() {
    let only_opening = std::env::args().any(|a| a == "opening");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    runtime.block_on(async {
        if !only_opening {
            appends("sqlite", &file("a.db")).await;
            decisions("sqlite", &file("b.db")).await;
        }
        opening().await;
    });
    if only_opening {
        return;
    }
    let server = postgres::shared();
    let databases = [server.database(), server.database(), server.database()];
    runtime.block_on(async {
        appends("postgresql", &databases[0]).await;
        decisions("postgresql", &databases[1]).await;
        twenty(&databases[2]).await;
    });
    drop(server);
}
