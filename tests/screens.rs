//! Every view on screen, as it was reviewed: text and colours, in `snapshots/`. Views, their lists, themes come from the
//! program's own tables, so that a new one is asked for here by itself.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test --test screens`, then read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bartizan::console::theme::{ASCII, BUILT_IN, Depth};
use bartizan::console::views::{Declared, VIEWS};
use bartizan::message::session::{Ask, LiveId, State};
use bartizan::model::account::Environment;
use bartizan::model::estate::Estate;
use bartizan::model::finding::Finding;
use bartizan::triage::policy::Policy;
use bartizan::world::{Loading, Origin, Progress, World};
use driver::{Begin, Driver, Scene, now};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 45);
const MEDIUM: (u16, u16) = (120, 40);
const SMALLEST: (u16, u16) = (60, 16);

/// Screens that were compared, and those that differ.
#[derive(Default)]
struct Album {
    names: Vec<String>,
    wrong: Vec<String>,
}

impl Album {
    fn check(&mut self, name: String, content: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        // All are compared before any failure is told: one change often shows on many screens.
        let same = catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(name.as_str(), content))));
        if same.is_err() {
            self.wrong.push(name.clone());
        }
        self.names.push(name);
    }

    fn screen(&mut self, name: &str, driver: &Driver) {
        let area = driver.buffer.area;
        self.check(format!("{name}-{}x{}", area.width, area.height), &format!("{}\n\n{}", driver.screen(), driver.styles()));
    }

    fn end(self, group: &str) {
        assert!(self.wrong.is_empty(), "these screens differ from what was reviewed: {:?}", self.wrong);
        // The list of names in use, for the search for orphans.
        let mut known: Vec<&str> = self.names.iter().map(String::as_str).collect();
        known.sort_unstable();
        let twice: Vec<_> = known.windows(2).filter(|w| w[0] == w[1]).collect();
        assert!(twice.is_empty(), "{group}: two screens of one name: {twice:?}");
    }
}

/// The keys that open a view, and then one of its lists.
fn opens(view: &Declared, list: usize) -> Vec<String> {
    let first = view.digit.map_or_else(|| "!".to_owned(), |digit| digit.to_string());
    std::iter::once(first).chain(std::iter::repeat_n("tab".to_owned(), list)).collect()
}

fn press(driver: &mut Driver, keys: &[String]) {
    keys.iter().for_each(|key| _ = driver.press(key));
}

/// Name and keys of every list of every view; the overview counts as one.
fn lists() -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for view in VIEWS {
        if view.listings.len() < 2 {
            all.push((view.name.to_owned(), opens(view, 0)));
            continue;
        }
        all.extend(
            view.listings
                .iter()
                .enumerate()
                .map(|(n, listing)| (format!("{}-{}", view.name, listing.get().name), opens(view, n))),
        );
    }
    all
}

#[test]
fn every_list_of_every_view() {
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        for (name, keys) in lists() {
            let mut driver = Driver::new(Scene::demo(), size, Begin::default());
            press(&mut driver, &keys);
            album.screen(&name, &driver);
        }
    }
    album.end("lists");
}

/// The text must be the dark theme's to the letter; so only styles are kept.
#[test]
fn every_view_in_every_other_theme() {
    let mut album = Album::default();
    for (theme, _) in BUILT_IN.iter().filter(|(name, _)| *name != "dark") {
        for size in [SMALL, LARGE] {
            for view in VIEWS {
                let depth = if *theme == "terminal" { Depth::Sixteen } else { Depth::True };
                let mut driver = Driver::new(Scene::demo(), size, Begin { theme, depth, ..Begin::default() });
                let mut dark = Driver::new(Scene::demo(), size, Begin::default());
                press(&mut driver, &opens(view, 0));
                press(&mut dark, &opens(view, 0));
                assert_eq!(driver.screen(), dark.screen(), "{theme} changes the words of {}", view.name);
                assert_ne!(driver.styles(), dark.styles(), "{theme} looks like dark in {}", view.name);
                album.check(format!("theme-{theme}-{}-{}x{}", view.name, size.0, size.1), &driver.styles());
            }
        }
    }
    album.end("themes");
}

#[test]
fn the_first_row_of_every_list_in_full() {
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        for (name, keys) in lists().into_iter().filter(|(name, _)| name != "overview") {
            let mut driver = Driver::new(Scene::demo(), size, Begin::default());
            press(&mut driver, &keys);
            driver.press("enter");
            album.screen(&format!("{name}-open"), &driver);
        }
    }
    album.end("details");
}

/// Name and keys of what lies over or in a list.
const STATES: &[(&str, &[&str])] = &[
    ("findings-document", &["2", "enter", "y"]),
    ("findings-link", &["2", "enter", "tab", "tab"]),
    ("findings-grouped", &["2", "b", "'title", "enter"]),
    ("findings-grouped-severity", &["2", "b", "'severity", "enter"]),
    ("findings-drilled", &["2", "b", "'account", "enter", "j", "enter"]),
    ("findings-marked", &["2", "space", "j", "space"]),
    ("findings-copied", &["2", "c"]),
    ("findings-scrolled", &["2", "ctrl-f", "ctrl-f", "j"]),
    ("findings-right", &["2", "l", "l"]),
    ("filter-prompt", &["2", "/"]),
    ("filter-typed", &["2", "/", "'severity:critical age<30d"]),
    ("filter-kept", &["2", "/", "'severity:critical age<30d", "enter"]),
    ("filter-completions", &["2", "/", "'acc", "tab"]),
    ("filter-values", &["2", "/", "'account:pay", "tab"]),
    ("filter-error", &["2", "/", "'severty:high"]),
    ("filter-nothing", &["2", "/", "'account:nowhere", "enter"]),
    ("palette", &[":"]),
    ("palette-typed", &["2", ":", "'theme"]),
    ("palette-nothing", &[":", "'xyzzy"]),
    ("help-overview", &["?"]),
    ("help-list", &["2", "?"]),
    ("help-detail", &["2", "enter", "?"]),
    ("help-end", &["2", "?", "G"]),
    ("choose-columns", &["2", "C"]),
    ("choose-sort", &["2", "S"]),
    ("choose-group", &["2", "b"]),
    ("export-prompt", &["2", "ctrl-s"]),
    ("accounts-sorted", &["4", "S", "'critical", "enter"]),
    ("decide-menu", &["2", "t"]),
    ("decide-assign", &["2", "a", "'payments", "enter"]),
    ("decide-note", &["2", "n"]),
    ("decide-status", &["2", "s", "right"]),
    ("decide-accept", &["2", "t", "'accept", "enter"]),
    ("network-diagram", &["6", "d"]),
    ("network-diagram-organisation", &["6", "d", "-", "-"]),
    ("network-matrix", &["6", "x"]),
    ("network-way", &["6", "p", "'internet", "tab", "'payments-edge-1", "tab", "'5432", "enter"]),
    (
        "iam-way-drawn",
        &[
            "Q",
            "'can arn:aws:iam::111155559999:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Developer_d5338311c0a91448 become administrator",
            "enter",
        ],
    ),
    ("iam-reach", &["Q", "'who can reach arn:aws:s3:::payroll", "enter"]),
    ("iam-editor", &["5", "W", "'arn:aws:s3:::payroll/*", "tab", "'arn:aws:sqs:eu-west-1:111122223333:jobs"]),
    ("iam-editor-written", &["5", "W", "'arn:aws:s3:::payroll/*", "enter"]),
    ("iam-editor-policy", &["5", "tab", "tab", "/", "' name:full-admin", "enter", "W"]),
    ("iam-role-document", &["5", "/", "'kind:role ci-deploy", "enter", "enter", "y"]),
];

#[test]
fn what_lies_over_a_list() {
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        for (name, keys) in STATES {
            let mut driver = Driver::new(Scene::demo(), size, Begin::default());
            driver.keys(keys);
            album.screen(name, &driver);
        }
    }
    album.end("states");
}

#[test]
fn down_to_the_smallest_and_below() {
    let mut album = Album::default();
    for (name, keys) in lists() {
        let mut driver = Driver::new(Scene::demo(), SMALLEST, Begin::default());
        press(&mut driver, &keys);
        album.screen(&name, &driver);
    }
    for (name, keys) in
        STATES.iter().filter(|(name, _)| ["findings-document", "filter-error", "palette", "help-list"].contains(name))
    {
        let mut driver = Driver::new(Scene::demo(), SMALLEST, Begin::default());
        driver.keys(keys);
        album.screen(name, &driver);
    }
    let mut driver = Driver::new(Scene::demo(), SMALLEST, Begin::default());
    driver.keys(&["2", "enter"]);
    album.screen("findings-open", &driver);
    for size in [(59, 16), (60, 15), (20, 5)] {
        let driver = Driver::new(Scene::demo(), size, Begin::default());
        album.screen("too-small", &driver);
    }
    album.end("small");
}

#[test]
fn without_colours_with_few_and_in_ascii() {
    let mut album = Album::default();
    for view in VIEWS.iter().filter(|v| ["overview", "findings"].contains(&v.name)) {
        for (name, depth) in [("none", Depth::None), ("sixteen", Depth::Sixteen), ("twofiftysix", Depth::TwoFiftySix)] {
            let mut driver = Driver::new(Scene::demo(), SMALL, Begin { depth, ..Begin::default() });
            press(&mut driver, &opens(view, 0));
            if depth == Depth::None {
                let coloured = driver.buffer.content.iter().filter(|c| (c.fg, c.bg) != Default::default()).count();
                assert_eq!(coloured, 0, "{} has colours where there are none", view.name);
            }
            album.check(format!("depth-{name}-{}", view.name), &driver.styles());
        }
        let mut driver = Driver::new(Scene::demo(), SMALL, Begin { glyphs: ASCII, ..Begin::default() });
        press(&mut driver, &opens(view, 0));
        album.screen(&format!("ascii-{}", view.name), &driver);
    }
    let mut driver = Driver::new(Scene::demo(), SMALL, Begin { glyphs: ASCII, ..Begin::default() });
    driver.keys(&["2", "b"]);
    album.screen("ascii-chooser", &driver);
    let (_, keys) = STATES.iter().find(|(name, _)| *name == "iam-way-drawn").unwrap();
    let mut driver = Driver::new(Scene::demo(), SMALL, Begin { glyphs: ASCII, ..Begin::default() });
    driver.keys(keys);
    album.screen("ascii-iam-way-drawn", &driver);
    album.end("depths");
}

/// The panes of the network at a third size, and the diagram without Unicode.
#[test]
fn the_network_at_three_sizes_and_in_ascii() {
    let mut album = Album::default();
    for (name, keys) in STATES.iter().filter(|(name, _)| name.starts_with("network-")) {
        let mut driver = Driver::new(Scene::demo(), MEDIUM, Begin::default());
        driver.keys(keys);
        album.screen(name, &driver);
        let mut driver = Driver::new(Scene::demo(), MEDIUM, Begin { glyphs: ASCII, ..Begin::default() });
        driver.keys(keys);
        album.check(format!("ascii-{name}"), &driver.screen());
    }
    album.end("network");
}

/// Before anything arrived, with nothing to show, while it arrives, and read-only.
#[test]
fn empty_loading_and_read_only() {
    let mut album = Album::default();
    let fresh = Scene::file(Estate::default(), Vec::new());
    let empty = fresh.with(|world| world.origin = Origin::Live(Vec::new()));
    let asking = fresh.with(|world| {
        *world = World::empty(Origin::Live(Vec::new()));
        world.progress = Some(Progress { done: 3, total: 412, remaining: Some(190) });
    });
    let half = Scene::demo().with(|world| {
        world.origin = Origin::Live(Vec::new());
        world.loading = Loading::Partial;
        world.progress = Some(Progress { done: 211, total: 412, remaining: Some(95) });
        world.problems = vec!["The cache cannot be written: the disk is full.".to_owned()];
    });
    for view in VIEWS {
        let mut driver = Driver::new(empty.clone(), SMALL, Begin::default());
        press(&mut driver, &opens(view, 0));
        album.screen(&format!("empty-{}", view.name), &driver);
    }
    for view in VIEWS.iter().filter(|v| ["overview", "findings", "accounts"].contains(&v.name)) {
        for (name, scene) in [("asking", &asking), ("loading", &half)] {
            let mut driver = Driver::new(scene.clone(), SMALL, Begin::default());
            press(&mut driver, &opens(view, 0));
            album.screen(&format!("{name}-{}", view.name), &driver);
        }
        let mut driver = Driver::unanswered(Scene::demo(), SMALL, Begin::default());
        press(&mut driver, &opens(view, 0));
        album.screen(&format!("unanswered-{}", view.name), &driver);
    }
    let mut driver = Driver::unanswered(Scene::demo(), SMALL, Begin::default());
    driver.release();
    driver.press("2");
    driver.hold();
    driver.press("enter");
    album.screen("unanswered-open", &driver);
    for size in [SMALL, LARGE] {
        let driver = Driver::new(half.clone(), size, Begin { read_only: true, ..Begin::default() });
        album.screen("read-only-loading", &driver);
    }
    album.end("empty");
}

/// Wide characters, combining marks and hostile ones keep the columns in line.
#[test]
fn wide_and_hostile_text_keeps_the_columns() {
    let demo = bartizan::demo::Organization::new(now(), 6);
    let titles = [
        "日本語の見出しはとても長くて列に入りきらないかもしれません",
        "Cafe\u{301} au lait: e\u{301}te\u{301} ouvert a\u{300} tous",
        "plain text beside them",
        "\u{1b}[31mred\u{1b}[0m \u{202e}desrever\u{202c} z\u{200b}ero \u{9b}2J \u{7}bell",
        "👩‍👩‍👧 family and 🇩🇪 flag",
        "한국어 제목 ελληνικά Кириллица",
    ];
    let findings =
        titles.iter().enumerate().map(|(n, title)| Finding { title: (*title).to_owned(), ..demo.finding(n) }).collect();
    let mut estate = (**demo.estate()).clone();
    let mut account = (**estate.account(&demo.finding(0).account).unwrap()).clone();
    account.name = "決済-本番".to_owned();
    estate.put_account(account);
    let scene = Scene::file(estate, findings);
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        let mut driver = Driver::new(scene.clone(), size, Begin::default());
        driver.press("2");
        album.screen("wide", &driver);
        assert!(!driver.screen().chars().any(|c| c != '\n' && bartizan::text::is_hostile(c)), "{}", driver.screen());
    }
    album.end("wide");
}

/// Decisions as they are made: the dry run, the number to type, and where they show afterwards.
#[test]
fn what_is_decided() {
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        let directory = tempfile::tempdir().unwrap();
        let policy = Policy { bulk_cap: 20, ..Policy::default() };
        let scene = Scene::deciding(300, policy, directory.path());
        let mut driver = Driver::new(scene, size, Begin::default());
        driver.keys(&["2", "A", "'payments", "enter", "'jo", "enter", "'on call", "enter"]);
        driver.keys(&["t", "'accept", "enter", "'a honeypot", "enter", "enter", "k"]);
        album.screen("decided", &driver);
        driver.press("enter");
        album.screen("decided-open", &driver);
        driver.keys(&["esc", "/", "'severity>=high", "enter", "ctrl-a", "t", "'claim", "enter"]);
        album.screen("decide-review", &driver);
        driver.keys(&["esc", "esc", "esc", "3"]);
        album.screen("queues-decided", &driver);
        driver.press("H");
        album.screen("handover", &driver);
    }
    album.end("decided");
}

/// What stands before sessions and forwards, panes, and what is open here.
#[test]
fn sessions_and_forwards() {
    let mut album = Album::default();
    for size in [SMALL, LARGE] {
        let mut driver = Driver::new(Scene::demo(), size, Begin::default());
        driver.keys(&["7", "/", "'ping:ConnectionLost", "enter", "o", "'INC-1"]);
        album.screen("session-opener", &driver);
        driver.keys(&["esc", "f"]);
        album.screen("forward-opener", &driver);
        driver.press("esc");
        let output =
            "\u{1b}[1mops@web\u{1b}[0m:~$ ls --color\r\n\u{1b}[34mlogs\u{1b}[0m  notes.md\r\n\u{1b}[1mops@web\u{1b}[0m:~$ ";
        driver.session(1, Environment::Production, output);
        driver.session(2, Environment::NonProduction, "second$ ");
        driver.forward(3, State::Open);
        driver.forward(4, State::Ended { why: "The local address 127.0.0.1:80 cannot be listened on.".into(), bad: true });
        driver.press("F");
        album.screen("sessions-here", &driver);
        driver.press("q");
        album.screen("leaving", &driver);
        driver.keys(&["esc", "enter"]);
        album.screen("session-pane", &driver);
        driver.live(|live| live.sessions[0].state = State::Reconnecting(2));
        album.screen("session-reconnecting", &driver);
        driver.keys(&["enter", "~", "?"]);
        album.screen("session-escapes", &driver);
        driver.keys(&["x", "enter", "~", "v"]);
        album.screen("session-split", &driver);
        driver.paste("systemctl stop payments\nsystemctl start payments\n");
        album.screen("session-paste", &driver);
        let mut driver = Driver::new(Scene::demo(), size, Begin::default());
        driver.recorded();
        driver.keys(&["7", "tab", "tab"]);
        album.screen("sessions-recorded", &driver);
        driver.press("enter");
        album.screen("session-recorded-open", &driver);
        driver.keys(&["p"]);
        let asked = driver.asked();
        let Some(Ask::Play(LiveId(id), _)) = asked.last() else { panic!("{asked:?}") };
        driver.replay(*id, output);
        album.screen("session-replay", &driver);
    }
    album.end("sessions");
}

/// Every file in `snapshots/` belongs to a screen that is still drawn. The names are those the tests above make.
#[test]
fn no_snapshot_is_left_over() {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let at = |name: &str, (w, h): (u16, u16)| format!("{name}-{w}x{h}");
    for size in [SMALL, LARGE] {
        for (name, _) in lists() {
            wanted.insert(at(&name, size));
            wanted.insert(at(&format!("{name}-open"), size));
        }
        wanted.extend(STATES.iter().map(|(name, _)| at(name, size)));
        for (theme, _) in BUILT_IN {
            wanted.extend(VIEWS.iter().map(|v| at(&format!("theme-{theme}-{}", v.name), size)));
        }
        wanted.extend(
            ["session-opener", "forward-opener", "sessions-here", "leaving", "session-pane", "session-reconnecting"]
                .map(|name| at(name, size)),
        );
        wanted.extend(["sessions-recorded", "session-recorded-open", "session-replay"].map(|name| at(name, size)));
        wanted.extend(["session-escapes", "session-split", "session-paste"].map(|name| at(name, size)));
        wanted.extend(
            ["wide", "read-only-loading", "decided", "decided-open", "decide-review", "queues-decided", "handover"]
                .map(|name| at(name, size)),
        );
    }
    wanted.extend(lists().iter().map(|(name, _)| at(name, SMALLEST)));
    wanted.extend(["findings-document", "filter-error", "palette", "help-list", "findings-open"].map(|name| at(name, SMALLEST)));
    wanted.extend([(59, 16), (60, 15), (20, 5)].map(|size| at("too-small", size)));
    for view in ["overview", "findings"] {
        wanted.extend(["none", "sixteen", "twofiftysix"].map(|depth| format!("depth-{depth}-{view}")));
        wanted.insert(at(&format!("ascii-{view}"), SMALL));
    }
    wanted.extend(["ascii-chooser", "ascii-iam-way-drawn"].map(|name| at(name, SMALL)));
    wanted.extend(VIEWS.iter().map(|v| at(&format!("empty-{}", v.name), SMALL)));
    for view in ["overview", "findings", "accounts"] {
        wanted.extend(["asking", "loading", "unanswered"].map(|state| at(&format!("{state}-{view}"), SMALL)));
    }
    for (name, _) in STATES.iter().filter(|(name, _)| name.starts_with("network-")) {
        wanted.extend([at(name, MEDIUM), format!("ascii-{name}")]);
    }
    wanted.insert(at("unanswered-open", SMALL));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".snap") else { continue };
        assert!(wanted.contains(name), "{name}.snap belongs to no screen any more; remove it");
    }
}
