//! A process that decides and delivers is killed at 200 random moments: nothing that it showed as saved is lost, the
//! chain verifies, the projection is the rebuilt one, and every decision has its effect on the other side exactly once
//! and in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, dead_code, reason = "tests")]

#[path = "support/book.rs"]
mod book;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bartizan::ledger::handle::{Decided, Ledger};
use bartizan::ledger::outbox::{Parcel, Sent};
use bartizan::ledger::verify::Against;
use bartizan::model::decision::Decision;
use bartizan::model::finding::{FindingKey, Severity, Status};
use bartizan::triage::projection::Projection;
use book::{Random, all, append, delivered, finding, ledger};
use jiff::{SignedDuration, Timestamp};

const KILLS: u64 = 200;
const FINDINGS: u64 = 12;

/// What the other side was told, by finding, in the order it arrived; a repetition of the last is no new effect.
type Cloud = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

fn told(cloud: &Cloud, finding: &str, sequence: u64) {
    let mut cloud = cloud.lock().unwrap();
    let effects = cloud.entry(finding.to_owned()).or_default();
    if effects.last() != Some(&sequence) {
        effects.push(sequence);
    }
}

/// Takes "finding sequence" lines of one connection until it ends.
fn serve(stream: TcpStream, cloud: &Cloud) {
    let mut out = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        // A line that the kill cut short was never a call.
        if let Some((finding, rest)) = line.split_once(' ')
            && let Some(sequence) = rest.strip_suffix('.')
        {
            told(cloud, finding, sequence.parse().unwrap());
            if out.write_all(b"ok\n").is_err() {
                return;
            }
        }
    }
}

/// The clock of the n-th process: leases of the one before are over.
fn clock(n: u64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(120 * i64::try_from(n).unwrap())
}

async fn deliver(l: &Ledger, at: Timestamp, mut send: impl FnMut(&Parcel)) -> usize {
    let due = l.local().take_due(at, SignedDuration::from_secs(60), 5).await.unwrap();
    for parcel in &due {
        send(parcel);
        l.local().note_sent(&[(parcel.position, Sent::Arrived { now: "{}".into() })], at).await.unwrap();
    }
    due.len()
}

/// The process that is killed: this test binary, started again. Without its directory in the environment it does nothing.
#[test]
fn child() {
    let Some(directory) = std::env::var_os("BARTIZAN_CRASH_DIRECTORY").map(PathBuf::from) else { return };
    let n: u64 = std::env::var("BARTIZAN_CRASH_RUN").unwrap().parse().unwrap();
    let cloud = TcpStream::connect(std::env::var("BARTIZAN_CRASH_CLOUD").unwrap()).unwrap();
    let mut answers = BufReader::new(cloud.try_clone().unwrap());
    let mut cloud = cloud;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = directory.join("ledger.db");
        let l = ledger(url.to_str().unwrap(), &directory).await;
        let mut random = Random(n + 1);
        let mut out = std::io::stdout();
        for turn in 0..2000u64 {
            let mut asks = Vec::new();
            for _ in 0..=random.below(3) {
                let f = u128::from(random.below(FINDINGS));
                let decision = match random.below(3) {
                    0 => Decision::Status { status: Status::ALL[random.below(3) as usize] },
                    1 => Decision::Severity { severity: Severity::ALL[random.below(5) as usize] },
                    _ => Decision::Note { text: format!("run {n} turn {turn}") },
                };
                asks.push(delivered(append("jo", finding(f), decision, None)));
            }
            for decided in l.decide(asks).await.unwrap() {
                let Decided::Saved(entry) = decided else { panic!("{decided:?}") };
                // Shown as saved.
                writeln!(out, "saved {} {}.", entry.sequence, entry.id).unwrap();
            }
            out.flush().unwrap();
            deliver(&l, clock(n), |parcel| {
                writeln!(cloud, "{} {}.", parcel.entry.subject, parcel.entry.sequence).unwrap();
                let mut answer = String::new();
                answers.read_line(&mut answer).unwrap();
                assert_eq!(answer, "ok\n");
            })
            .await;
        }
    });
}

/// Kills after a time, or a moment after so many lines were shown.
fn run_and_kill(directory: &Path, n: u64, after: Duration, lines: u64, cloud: &Cloud) -> Vec<(u64, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("BARTIZAN_CRASH_DIRECTORY", directory)
        .env("BARTIZAN_CRASH_RUN", n.to_string())
        .env("BARTIZAN_CRASH_CLOUD", listener.local_addr().unwrap().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    let serving = std::thread::spawn({
        let cloud = Arc::clone(cloud);
        move || serve(stream, &cloud)
    });
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (seen, wait) = mpsc::channel::<()>();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        while stdout.read_line(&mut text).is_ok_and(|n| n > 0) {
            if text.lines().last().is_some_and(|line| line.contains("saved ")) {
                let _ = seen.send(());
            }
        }
        text
    });
    for _ in 0..lines {
        wait.recv_timeout(Duration::from_secs(60)).expect("a decision is shown within a minute");
    }
    // The random moment; nobody sends on this channel.
    let (_keep, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(after);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(ended.is_none(), "it ended by itself: {}", String::from_utf8_lossy(&out.stderr));
    serving.join().unwrap();
    let text = reading.join().unwrap();
    let saved = |line: &str| {
        let line = line.split_once("saved ")?.1;
        let (sequence, id) = line.strip_suffix('.')?.split_once(' ')?;
        Some((sequence.parse().unwrap(), id.to_owned()))
    };
    text.lines().filter_map(saved).collect()
}

#[test]
fn killed_at_two_hundred_moments_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = Cloud::default();
    let mut random = Random(0x5eed);
    let mut shown = BTreeMap::new();
    let mut fruitful = 0;
    for n in 0..KILLS {
        // Every other one while it starts and finishes what the one before left.
        let (after, lines) = if n % 2 == 0 { (random.below(60_000), 0) } else { (random.below(12_000), 1 + random.below(6)) };
        let saved = run_and_kill(directory.path(), n, Duration::from_micros(after), lines, &cloud);
        fruitful += usize::from(!saved.is_empty());
        shown.extend(saved);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = directory.path().join("ledger.db");
        let l = ledger(url.to_str().unwrap(), directory.path()).await;
        assert!(l.kept().await.unwrap().is_empty(), "what was on its way has arrived");
        let report = l.verify(Against::default(), |_| {}).await.unwrap();
        assert_eq!(report.fault, None);
        let entries = all(l.store()).await;
        for (sequence, id) in &shown {
            let entry = &entries[usize::try_from(*sequence).unwrap() - 1];
            assert_eq!((entry.sequence, entry.id.to_string()), (*sequence, id.clone()), "shown as saved");
        }
        assert_eq!(*l.projection(), Projection::rebuild(&entries));
        let mut rest = 0;
        while deliver(&l, clock(KILLS + 1), |p| told(&cloud, &p.entry.subject.to_string(), p.entry.sequence)).await > 0 {
            rest += 1;
        }
        let cloud = cloud.lock().unwrap();
        for n in 0..u128::from(FINDINGS) {
            let decided: Vec<u64> = entries.iter().filter(|e| e.subject == finding(n)).map(|e| e.sequence).collect();
            assert_eq!(cloud.get(&finding(n).to_string()).cloned().unwrap_or_default(), decided, "each once in effect, in order");
        }
        assert!(l.projection().finding(FindingKey(0)).is_some());
        let ids: BTreeSet<_> = entries.iter().map(|e| e.id).collect();
        assert_eq!(ids.len(), entries.len());
        eprintln!(
            "{KILLS} kills, {fruitful} after something was shown, {} shown, {} in the ledger, {rest} rounds left to deliver",
            shown.len(),
            entries.len()
        );
        assert!(fruitful >= KILLS as usize / 2, "most kills came before anything happened");
    });
}
