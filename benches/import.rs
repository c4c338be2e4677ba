//! How fast findings files are imported, against the budget of 200 MB/s on two cores. Prints one line a file: size,
//! findings, median of five runs, MB/s (of 10^6 bytes) and the process's peak memory so far.
//!
//! `cargo bench --bench import`; with `BARTIZAN_SAMPLES` set, the real scans there are read too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bartizan::formats::read;

const BUDGET: f64 = 200.0;

fn main() {
    println!("import, budget {BUDGET} MB/s for JSON");
    let asff = repeat(include_str!("../tests/data/prowler.asff.json"), 100 << 20);
    measure("ASFF, pretty-printed", &asff, Some(BUDGET));
    drop(asff);
    let lines = repeat(include_str!("../tests/data/security-hub.ndjson"), 100 << 20);
    measure("ASFF, one a line", &lines, Some(BUDGET));
    drop(lines);
    let ocsf = repeat(include_str!("../tests/data/prowler.ocsf.json"), 100 << 20);
    measure("OCSF, pretty-printed", &ocsf, Some(BUDGET));
    drop(ocsf);
    let Some(samples) = std::env::var_os("BARTIZAN_SAMPLES") else {
        println!("the real scans: skipped, set BARTIZAN_SAMPLES to their folder");
        return;
    };
    for (name, budget) in [("asff.json", Some(BUDGET)), ("ocsf.json", Some(BUDGET)), ("csv", None)] {
        let file = format!("findings/prowler-5.46-full-scan.{name}.zst");
        let packed = std::fs::read(Path::new(&samples).join(&file)).unwrap();
        measure(&file, &zstd::decode_all(&packed[..]).unwrap(), budget);
    }
}

/// The records of a hand-made file, again and again up to `size` bytes, each time under other ids and accounts.
fn repeat(template: &str, size: usize) -> Vec<u8> {
    let list = template.trim_start().starts_with('[');
    let body = template.trim().trim_start_matches('[').trim_end_matches(']');
    let mut text = String::with_capacity(size + template.len());
    let (open, between, close) = if list { ("[", ",", "]") } else { ("", "\n", "\n") };
    text.push_str(open);
    let mut n = 0;
    while text.len() < size {
        if n > 0 {
            text.push_str(between);
        }
        let mut account = String::new();
        write!(account, "{:012}", 200_000_000_000_u64 + n).unwrap();
        text.push_str(&body.replace("111122223333", &account));
        n += 1;
    }
    text.push_str(close);
    text.into_bytes()
}

fn measure(name: &str, bytes: &[u8], budget: Option<f64>) {
    let mut times: Vec<Duration> = Vec::new();
    let mut findings = 0;
    for _ in 0..5 {
        let start = Instant::now();
        let imported = read(bytes).unwrap();
        times.push(start.elapsed());
        assert!(imported.broken.is_empty(), "{:?}", imported.broken);
        findings = imported.findings.len();
    }
    times.sort();
    let speed = bytes.len() as f64 / 1e6 / times[2].as_secs_f64();
    let verdict = budget.map_or("no budget", |b| if speed >= b { "ok" } else { "OVER BUDGET" });
    println!(
        "{name}: {:.1} MB, {findings} findings, {:.0} ms, {speed:.0} MB/s ({verdict}), peak {}",
        bytes.len() as f64 / 1e6,
        times[2].as_secs_f64() * 1e3,
        peak()
    );
}

/// Peak resident memory, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |peak| peak.trim().to_owned())
}
