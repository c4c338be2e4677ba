//! The console against the budgets of the design: start to first frame, bytes to the terminal, and one million findings
//! from a key to new rows. A plain program; it prints what was measured, the budget, the median and the 95th percentile.
//!
//! The start is the built binary on a real pseudo-terminal, from spawn to the last byte of the first screen. Bytes are
//! counted on the stream that the painter writes. Run with `cargo bench --bench console`; `BARTIZAN_BENCH_FINDINGS` sets
//! another number of findings.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a bench prints")]

#[path = "../tests/support/book.rs"]
#[allow(dead_code, reason = "the bench makes one kind of entry")]
mod book;
#[path = "../tests/driver/mod.rs"]
mod driver;

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan::catalog::{ListingId, parse_sort};
use bartizan::config::Config;
use bartizan::console::app::{App, Settings};
use bartizan::console::screen::Painter;
use bartizan::console::theme::{Depth, Theme, UNICODE};
use bartizan::ledger::store::Store as _;
use bartizan::listing::filter;
use bartizan::listing::query::{Cancel, Query, run};
use bartizan::message::Effect;
use bartizan::model::decision::{Decision, Subject};
use bartizan::work::library::Library;
use bartizan::work::perform::perform;
use bartizan::work::source::{Source, open};
use bartizan::world::World;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn row(what: &str, budget: &str, figures: &str) {
    println!("{what:<58} {budget:>10}  {figures}");
}

fn times(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    (all[all.len() / 2], all[(all.len() * 95 / 100).min(all.len() - 1)])
}

fn timed(what: &str, budget: &str, all: Vec<Duration>) {
    let (median, most) = times(all);
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    row(what, budget, &format!("median {:.1} ms, p95 {:.1} ms", ms(median), ms(most)));
}

/// From spawn to the whole first screen: the last words of its last line.
fn start() -> Duration {
    let pty = native_pty_system().openpty(PtySize { rows: 45, cols: 160, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_bartizan"));
    command.args(["--theme", "dark", "demo", "--still"]);
    command.env("COLORTERM", "truecolor");
    let mut reader = pty.master.try_clone_reader().unwrap();
    let begun = Instant::now();
    let mut child = pty.slave.spawn_command(command).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 65_536];
    while !String::from_utf8_lossy(&seen).contains("closed a day") {
        let n = reader.read(&mut buffer).unwrap();
        assert!(n > 0, "the console ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..n]);
    }
    let took = begun.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

struct Console {
    app: App,
    library: Arc<Library>,
    painter: Painter,
    buffer: Buffer,
}

impl Console {
    fn new(world: Arc<World>, library: Arc<Library>, width: u16, height: u16) -> Self {
        let settings = Settings {
            theme: Theme::named("dark", Depth::True, UNICODE).unwrap(),
            depth: Depth::True,
            glyphs: UNICODE,
            keys: Default::default(),
            read_only: false,
            forwards: Vec::new(),
            leaves: false,
            only: None,
            remembered: serde_json::Value::Null,
        };
        let mut app = App::new(world, driver::now(), settings).unwrap();
        let effects = app.start((width, height));
        let buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let mut console = Self { app, library, painter: Painter::new(width, height), buffer };
        console.settle(effects);
        console
    }
    fn settle(&mut self, effects: Vec<Effect>) {
        let mut waiting = effects;
        while let Some(effect) = waiting.pop() {
            if let Some(outcome) = perform(effect, &self.library, driver::now(), &Cancel::new()) {
                waiting.extend(self.app.outcome(outcome, driver::now()));
            }
        }
    }
    fn key(&mut self, code: KeyCode) {
        let effects = self.app.event(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), driver::now());
        self.settle(effects);
    }
    fn frame(&mut self) -> usize {
        self.buffer.reset();
        let drawn = self.app.draw(&mut self.buffer);
        self.painter.paint(&self.buffer, drawn.scroll, drawn.cursor).len()
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0) / 1024
}

fn main() {
    println!("bartizan console bench; times are wall clock on this machine\n");
    timed("start to whole first frame, demo, 160x45 on a pty", "50 ms", (0..15).map(|_| start()).collect());
    // Before there is much here: a large process takes long to fork.
    decided();

    let scene = driver::Scene::demo();
    let mut console = Console::new(scene.world, scene.library, 200, 60);
    console.key(KeyCode::Char('2'));
    row("first frame of the findings, 200x60", "-", &format!("{} bytes", console.frame()));
    row("idle", "0", &format!("{} bytes", console.frame()));
    let down: Vec<usize> = (0..40).map(|_| (console.key(KeyCode::Char('j')), console.frame()).1).collect();
    row("cursor down, most of 40", "300", &format!("{} bytes", down.iter().max().unwrap()));
    for _ in 0..15 {
        console.key(KeyCode::Char('j'));
        console.frame();
    }
    let scroll: Vec<usize> = (0..40).map(|_| (console.key(KeyCode::Char('j')), console.frame()).1).collect();
    row("scroll one line, most of 40", "1000", &format!("{} bytes", scroll.iter().max().unwrap()));

    let findings = std::env::var("BARTIZAN_BENCH_FINDINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let begun = Instant::now();
    let opened = open(Source::Demo { findings, still: true }, &Config::default(), driver::now());
    row(&format!("{findings} findings made, every row filterable"), "-", &format!("{} ms", begun.elapsed().as_millis()));
    row("resident with them", "350 MB", &format!("{} MB", resident()));
    let index = opened.world.index(ListingId::Findings);
    let listing = ListingId::Findings.get();
    let sort = parse_sort(listing, listing.sort).unwrap();
    let query = |text: &str, sort: Vec<_>| {
        let now = driver::now().as_second();
        Query { filter: filter::parse(text, &listing.schema, now).unwrap(), sort, group: None, now }
    };
    let measure = |texts: &[&str]| -> Vec<Duration> {
        let one = |text: &&str| {
            let query = query(text, sort.clone());
            let begun = Instant::now();
            std::hint::black_box(run(index, &query, &Cancel::new()));
            begun.elapsed()
        };
        (0..10).flat_map(|_| texts.iter().map(one).collect::<Vec<_>>()).collect()
    };
    measure(&["severity:critical"]);
    let typed = ["severity>=high", "status:new", "account:payments*", "open:yes severity:critical", "age<7d", "region:eu"];
    timed("filter to new rows, typed fields", "16 ms", measure(&typed));
    timed("filter to new rows, substrings", "33 ms", measure(&["resource:i-0", "\"port\"", "resource:prod", "id:a1b"]));
    timed("filter to new rows, free words", "33 ms", measure(&["ssh", "payments", "bucket public"]));
    for field in ["severity", "age", "account", "title", "updated", "resource", "id"] {
        let sort = parse_sort(listing, field).unwrap();
        let begun = Instant::now();
        std::hint::black_box(run(index, &query("", sort), &Cancel::new()));
        let budget = if matches!(field, "resource" | "id") { "300 ms" } else { "100 ms" };
        row(&format!("sort by {field}, first time"), budget, &format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3));
    }
    let mut console = Console::new(opened.world, opened.library, 160, 45);
    console.key(KeyCode::Char('2'));
    let keys = (0..200).map(|_| {
        let begun = Instant::now();
        let effects = console.app.event(&Event::Key(KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE)), driver::now());
        console.frame();
        let took = begun.elapsed();
        console.settle(effects);
        took
    });
    timed("a key to its frame with them, in the UI's thread", "16 ms", keys.collect());
    // What touches every row at once: mark all, the first dialogue over them, export, unmark.
    let mut once = |what: &str, code: KeyCode, modifiers: KeyModifiers| {
        let begun = Instant::now();
        let effects = console.app.event(&Event::Key(KeyEvent::new(code, modifiers)), driver::now());
        console.frame();
        row(what, "16 ms", &format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3));
        console.settle(effects);
    };
    once("mark all of them, in the UI's thread", KeyCode::Char('a'), KeyModifiers::CONTROL);
    once("down with all marked", KeyCode::Char('j'), KeyModifiers::NONE);
    once("assign all marked: the dialogue", KeyCode::Char('a'), KeyModifiers::NONE);
    once("the dialogue put away", KeyCode::Esc, KeyModifiers::NONE);
    once("unmark them", KeyCode::Esc, KeyModifiers::NONE);
}

/// A console and its queues over 100,000 findings that were all decided: from spawn to the first frame and to the screen
/// with every decision, and from the key to the queues. No cloud answers: what is shown comes from the cache and the ledger.
fn decided() {
    const FINDINGS: usize = 100_000;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("findings.ndjson");
    let mut lines = String::new();
    for n in 0..FINDINGS {
        let (account, severity) = (111_100_000_000 + n % 24, ["CRITICAL", "HIGH", "MEDIUM", "LOW"][n % 4]);
        lines += &format!(
            r#"{{"SchemaVersion":"2018-10-08","Id":"finding/{n}","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/securityhub","GeneratorId":"EC2.{control}","AwsAccountId":"{account}","Region":"eu-west-1","Types":["Effects"],"CreatedAt":"2026-10-01T00:00:00Z","UpdatedAt":"2026-11-01T00:00:00Z","Severity":{{"Label":"{severity}"}},"Title":"Control {control} is not met","Description":"It should be.","Resources":[{{"Type":"AwsEc2SecurityGroup","Id":"arn:aws:ec2:eu-west-1:{account}:security-group/sg-{n}"}}],"Workflow":{{"Status":"NEW"}},"RecordState":"ACTIVE"}}{}"#,
            "\n",
            control = n % 60,
        );
    }
    std::fs::write(&file, &lines).unwrap();
    let variables: Vec<(&str, String)> = vec![
        ("HOME", home.path().display().to_string()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".into()),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
        ("AWS_REGION", "eu-west-1".into()),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9".into()),
        ("TERM", "xterm-256color".into()),
        ("COLORTERM", "truecolor".into()),
    ];
    let mut import = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let imported = import.arg("import").arg(&file).env_clear().envs(variables.iter().cloned()).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let ledger = home.path().join("ledger.db").display().to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = book::store(&ledger).await;
        let read = bartizan::formats::read(lines.as_bytes()).unwrap();
        let decide = |(n, finding): (usize, &bartizan::model::finding::Finding)| {
            let owner = Some(format!("team-{:02}", n % 40));
            let decision = Decision::Assign { owner, assignee: Some(format!("person-{}", n % 300)) };
            book::append("lead", Subject::Finding(finding.key), decision, None)
        };
        let all: Vec<_> = read.findings.iter().enumerate().map(decide).collect();
        assert_eq!(all.len(), FINDINGS);
        store.append(&all).await.unwrap();
        store.close().await;
    });
    let once = || {
        let pty = native_pty_system().openpty(PtySize { rows: 60, cols: 160, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_bartizan"));
        command.args(["--theme", "dark", "--ledger", &ledger]);
        command.env_clear();
        variables.iter().for_each(|(name, value)| command.env(name, value));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let mut keys = pty.master.take_writer().unwrap();
        let begun = Instant::now();
        let mut child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let mut screen = vt100::Parser::new(60.try_into().unwrap(), 160.try_into().unwrap(), 0);
        let mut buffer = [0; 65_536];
        let mut until = |words: &str| {
            while !screen.screen().contents().contains(words) {
                let n = reader.read(&mut buffer).unwrap();
                assert!(n > 0, "the console ended: {}", screen.screen().contents());
                screen.process(&buffer[..n]);
            }
        };
        until("1 Overview");
        let first = begun.elapsed();
        until("team-00");
        let whole = begun.elapsed();
        let begun = Instant::now();
        std::io::Write::write_all(&mut keys, b"3").unwrap();
        until("team-39");
        let queues = begun.elapsed();
        // Left as a user leaves it, so that the ledger's projection is kept for the next start.
        std::io::Write::write_all(&mut keys, b"q").unwrap();
        while reader.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        child.wait().unwrap();
        [first, whole, queues]
    };
    once();
    let runs: Vec<[Duration; 3]> = (0..15).map(|_| once()).collect();
    let all = |n: usize| runs.iter().map(|run| run[n]).collect();
    timed("100,000 decided findings: start to first frame", "50 ms", all(0));
    timed("100,000 decided findings: start to all decisions on screen", "-", all(1));
    timed("100,000 decided findings: a key to the queues", "50 ms", all(2));
}
