//! The network view: exposures, diagram, trust matrix, ways, and Session Manager's way to instances; by keys, over the
//! embedded organisation, against the engine's own answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::sync::Arc;

use bartizan::catalog::ListingId;
use bartizan::config::Config;
use bartizan::message::{Effect, Outcome};
use bartizan::network::picture::Picture;
use bartizan::network::reach::Verdict;
use bartizan::work::source::{Source, open};
use driver::{Begin, Driver, Scene, now};

fn picture(driver: &Driver) -> Arc<Picture> {
    driver.scene.world.network.clone().unwrap()
}

#[test]
fn exposures_stand_in_the_order_of_their_scores_and_open_with_way_and_closers() {
    let mut driver = Driver::demo();
    driver.press("6");
    let picture = picture(&driver);
    assert!(driver.shows(&format!("Exposures {}", picture.exposures.len())), "{}", driver.screen());
    let best = picture.exposures.iter().map(|e| e.points()).max();
    let place = |e: &&bartizan::network::exposure::Exposure| {
        let home = &picture.net.homes[picture.net.interfaces[e.interface].home];
        (home.label.clone(), picture.net.name_of(e.resource(&picture.net)).to_owned())
    };
    let worst = picture.exposures.iter().filter(|e| Some(e.points()) == best).min_by_key(place).unwrap();
    assert!(picture.exposures.windows(2).all(|w| w[0].points() >= w[1].points()));
    driver.press("enter");
    let mut seen = String::new();
    for _ in 0..12 {
        seen.push_str(&driver.screen());
        driver.press("ctrl-f");
    }
    for part in &worst.score {
        assert!(seen.contains(&part.why[..part.why.len().min(40)]), "the part {part:?} of the score is not shown");
    }
    for words in ["What would close it", "also cuts", "The way: ", "the answer comes back", "internet gateway igw-"] {
        assert!(seen.contains(words), "{words:?} is not in\n{seen}");
    }
}

#[test]
fn from_a_finding_a_machine_a_group_and_an_account_one_key_leads_to_exposures() {
    let picture = picture(&Driver::demo());
    let net = &picture.net;
    let exposed = picture.exposures.iter().find(|e| net.interfaces[e.interface].instance.is_some()).unwrap();
    let interface = &net.interfaces[exposed.interface];
    let instance = net.instances[interface.instance.unwrap()].id.clone();
    let group = net.groups[interface.groups[0]].id.clone();
    let account = net.homes[interface.home].account.clone();
    let rows = [
        ("7", 1, format!("id:{instance}")),
        ("6", 4, format!("id:{group}")),
        ("6", 5, format!("id:{}", interface.id)),
        ("4", 0, format!("id:{account}")),
    ];
    for (view, tabs, filter) in rows {
        let mut driver = Driver::demo();
        driver.press(view);
        (0..tabs).for_each(|_| _ = driver.press("tab"));
        driver.keys(&["/"]).type_text(&filter).press("enter").press("e");
        assert_eq!(driver.app.view_name(), "network", "{filter}: {}", driver.foot());
        assert!(driver.title().starts_with(" Exposures") || driver.shows("Exposures"), "{}", driver.screen());
        assert!(!driver.shows("No exposures match"), "{filter}\n{}", driver.screen());
    }
    // A role has none, and says so.
    let mut driver = Driver::demo();
    driver.keys(&["5", "e"]);
    assert!(driver.foot().contains("No address that is exposed leads to it"), "{}", driver.foot());
}

#[test]
fn before_the_engine_has_answered_panes_say_so_and_nothing_is_called_safe() {
    let opened = open(Source::Demo { findings: 50, still: true }, &Config::default(), now());
    assert!(opened.world.network.is_none());
    let scene = Scene { world: opened.world, library: opened.library, desk: None };
    let mut driver = Driver::new(scene, (120, 36), Begin::default());
    driver.press("6");
    assert!(driver.shows("being worked out"), "{}", driver.screen());
    for key in ["d", "x", "p"] {
        driver.press(key);
        assert!(driver.foot().contains("still being worked out"), "{key}: {}", driver.foot());
    }
    driver.keys(&["2", "e"]);
    assert!(driver.foot().contains("still being worked out"), "{}", driver.foot());
}

#[test]
fn the_diagram_goes_nearer_and_farther_and_keeps_its_place() {
    let mut driver = Driver::demo();
    driver.keys(&["6", "d"]);
    assert!(driver.shows("VPC "), "{}", driver.screen());
    driver.press("-");
    assert!(driver.shows("Account "), "{}", driver.screen());
    driver.press("-");
    assert!(driver.shows("The organisation: accounts by environment"), "{}", driver.screen());
    driver.press("-");
    assert!(driver.foot().contains("This is the whole"), "{}", driver.foot());
    driver.press("enter");
    assert!(driver.shows("Account "), "back to the account that was left: {}", driver.screen());
    driver.press("enter");
    assert!(driver.shows("VPC "), "{}", driver.screen());
    // Every box can be walked to, and the chosen one is on screen.
    let mut before = String::new();
    for _ in 0..60 {
        driver.press("l");
        let screen = driver.screen();
        assert!(screen.contains('▌'), "the chosen box is not on screen\n{screen}");
        if screen == before {
            break;
        }
        before = screen;
    }
    driver.press("enter");
    assert!(driver.shows("Subnet "), "{}", driver.screen());
    assert!(driver.shows("routes and network ACL"), "{}", driver.screen());
    driver.press("esc");
    assert!(driver.shows("Exposures"), "{}", driver.screen());
}

#[test]
fn a_path_is_pointed_out_on_the_diagram() {
    let mut driver = Driver::demo();
    driver.keys(&["6", "d"]);
    // Boxes on the path have strong borders.
    assert!(driver.screen().contains('┏'), "{}", driver.screen());
    let mut plain = Driver::demo();
    plain.keys(&["6", "tab", "d", "-", "-"]);
    driver.press("d");
    assert!(driver.shows("The organisation"), "{}", driver.screen());
}

#[test]
fn a_diagram_is_written_in_four_formats_and_never_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for (ending, begins) in [("svg", "<svg"), ("dot", "digraph"), ("mmd", "flowchart"), ("txt", "VPC ")] {
        let path = folder.path().join(format!("net.{ending}"));
        let mut driver = Driver::demo();
        driver.keys(&["6", "d", "ctrl-s", "ctrl-u"]).type_text(path.to_str().unwrap()).press("enter");
        assert!(driver.foot().contains("Written to"), "{}", driver.foot());
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(begins), "{ending}");
        driver.keys(&["ctrl-s", "ctrl-u"]).type_text(path.to_str().unwrap()).press("enter");
        assert!(driver.foot().contains("already there"), "{}", driver.foot());
    }
    let mut driver = Driver::demo();
    driver.keys(&["6", "d", "ctrl-s", "ctrl-u", "'/tmp/x.png", "enter"]);
    assert!(driver.foot().contains("has to end in"), "{}", driver.foot());
}

#[test]
fn the_trust_matrix_drills_to_accounts_and_to_the_way() {
    let mut driver = Driver::demo();
    driver.keys(&["6", "x"]);
    let cells = picture(&driver).cells(false);
    assert!(driver.shows("Trust matrix"), "{}", driver.screen());
    assert!(cells.iter().any(|c| c.from == "internet"));
    // To a field where something flows.
    let mut found = false;
    'rows: for _ in 0..8 {
        for _ in 0..8 {
            if !driver.shows("Nothing flows there") && !driver.shows("internet to ") && !driver.shows(" to internet") {
                found = true;
                break 'rows;
            }
            driver.press("l");
        }
        (0..8).for_each(|_| _ = driver.press("h"));
        driver.press("j");
    }
    assert!(found, "no environment reaches another in the demo\n{}", driver.screen());
    driver.press("enter");
    assert!(driver.shows("pairs of accounts"), "{}", driver.screen());
    driver.press("enter");
    assert!(driver.shows("Yes: ") || driver.shows("Not known: "), "{}", driver.screen());
    driver.press("esc");
    assert!(driver.shows("Exposures"), "{}", driver.screen());
}

#[test]
fn boundaries_of_the_configuration_are_held_against_the_networks() {
    let text = "[[network.boundary]]\nname = \"non-production must not reach production\"\nfrom = [\"non-production\"]\n\
                to = [\"production\"]\n[[network.boundary]]\nname = \"misspelt\"\nfrom = [\"prodction\"]\n";
    let mut opened = open(Source::Demo { findings: 50, still: true }, &Config::parse(text).unwrap(), now());
    opened.paint(now());
    let picture = opened.world.network.clone().unwrap();
    let cells = picture.cells(false);
    let flows = cells.iter().any(|c| c.from == "non-production" && c.to == "production");
    let crossed = picture.crossings().iter().any(|c| c.boundary.starts_with("non-production"));
    assert_eq!(flows, crossed, "what the matrix shows and what crosses agree");
    assert!(picture.crossings().iter().all(|c| !c.path.hops.is_empty() && c.path.verdict != Verdict::No));
    assert_eq!(picture.notes.len(), 1);
    let scene = Scene { world: opened.world, library: opened.library, desk: None };
    let mut driver = Driver::new(scene, (120, 44), Begin::default());
    driver.keys(&["6", "x"]);
    assert!(driver.shows("prodction"), "{}", driver.screen());
    assert_eq!(driver.shows("cross boundaries"), !picture.crossings().is_empty(), "{}", driver.screen());
}

#[test]
fn a_named_source_tells_what_only_it_reaches_and_repeats_nothing() {
    let bare = open(Source::Demo { findings: 50, still: true }, &Config::default(), now());
    let mut bare = bare;
    bare.paint(now());
    let all = bare.world.network.clone().unwrap();
    // A source as wide as the narrowest exposure's peers.
    let narrow = all.exposures.iter().filter(|e| e.opening.peers.count() < 1 << 20).map(|e| e.opening.peers.cidrs()).next();
    let office = narrow.map_or_else(|| vec!["8.8.8.0/24".to_owned()], |nets| nets.iter().map(ToString::to_string).collect());
    let list = office.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
    let text = format!("[[network.source]]\nname = \"office\"\ncidrs = [{list}]\n");
    let mut named = open(Source::Demo { findings: 50, still: true }, &Config::parse(&text).unwrap(), now());
    named.paint(now());
    let with = named.world.network.clone().unwrap();
    let open_to_all = all.exposures.iter().filter(|e| e.opening.peers.count() > 1 << 31).count();
    let still = with.exposures.iter().filter(|e| e.source == "internet" && e.opening.peers.count() > 1 << 31).count();
    assert_eq!(open_to_all, still, "what all the internet reaches is told as before");
    for e in with.exposures.iter().filter(|e| e.source == "office") {
        let twice = with
            .exposures
            .iter()
            .filter(|o| o.source == "internet" && (o.target, o.via) == (e.target, e.via) && o.opening.ports == e.opening.ports);
        assert!(twice.clone().all(|o| !o.opening.peers.covers(&e.opening.peers)), "{} is told twice", e.id);
    }
    assert!(with.exposures.len() <= all.exposures.len() + with.exposures.iter().filter(|e| e.source == "office").count());
}

#[test]
fn a_question_is_typed_completed_answered_and_drawn() {
    let mut driver = Driver::demo();
    let picture = picture(&driver);
    let exposed = picture.exposures.iter().find(|e| picture.net.interfaces[e.interface].instance.is_some() && e.via.is_none());
    let exposed = exposed.unwrap();
    let id = picture.net.interfaces[exposed.interface].id.clone();
    let port = exposed.opening.ports.0.to_string();
    driver.keys(&["6", "p"]);
    assert!(driver.shows("Can one end reach another"), "{}", driver.screen());
    driver.keys(&["'inter", "tab", "tab"]).type_text(&id).press("tab").type_text(&port).press("enter");
    assert!(driver.shows("Yes: internet to"), "{}", driver.screen());
    driver.press("d");
    assert!(driver.shows("VPC "), "the way on the diagram: {}", driver.screen());
    driver.keys(&["esc", "p"]).type_text("internet").press("tab").type_text(&id).press("tab").type_text("1/udp").press("enter");
    assert!(driver.shows("No: internet to") && driver.shows("stopped first at"), "{}", driver.screen());
    // A name that stands for nothing says what to write, and can be typed anew.
    driver.keys(&["esc", "p", "'nowhere", "tab", "'internet", "tab", "'443", "enter"]);
    assert!(driver.shows("nothing in the estate is called"), "{}", driver.screen());
    driver.keys(&["esc", "p", "'internet", "tab", "'internet", "tab", "'ssh", "enter"]);
    assert!(driver.shows("is no port or protocol"), "{}", driver.screen());
    driver.press("esc");
    assert!(driver.shows("Exposures"), "{}", driver.screen());
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let mut driver = Driver::demo();
    driver.keys(&["6", "d"]);
    driver.hold();
    driver.press("-");
    let older = driver.held.pop().unwrap();
    driver.press("d");
    driver.release();
    let shown = driver.screen();
    assert!(matches!(older, Effect::Network { .. }));
    let outcome = bartizan::work::perform::perform(older, &driver.scene.library, now(), &bartizan::listing::query::Cancel::new());
    driver.outcome(outcome.unwrap());
    assert_eq!(driver.screen(), shown, "the older diagram came later and changed the screen");
}

#[test]
fn instances_tell_whether_session_manager_reaches_them() {
    let mut driver = Driver::demo();
    let picture = picture(&driver);
    assert_eq!(picture.agents.len(), picture.net.instances.len());
    driver.keys(&["7", "tab"]);
    assert!(driver.shows("Instances"), "{}", driver.screen());
    driver.press("enter");
    assert!(driver.shows("The agent's way to Session Manager"), "{}", driver.screen());
    // The list's word for a class of machines is each machine's own.
    for (ix, agent) in picture.agents.iter().enumerate() {
        let own = bartizan::network::egress::session_manager(&picture.net, ix).and_then(|n| bartizan::network::egress::agent(&n));
        assert_eq!(agent.as_ref().map(|a| a.verdict), own.map(|a| a.verdict), "{}", picture.net.instances[ix].id);
    }
}

/// What is painted while one looks keeps the cursor on its row.
#[test]
fn a_new_picture_comes_under_the_cursor_without_moving_it() {
    let mut driver = Driver::demo();
    driver.keys(&["6", "j", "j"]);
    let line = (0..36).map(|y| driver.line(y)).find(|l| l.starts_with('▌')).unwrap();
    driver.outcome(Outcome::World(Arc::clone(&driver.scene.world)));
    assert!((0..36).any(|y| driver.line(y) == line), "{}", driver.screen());
    let rows = driver.scene.world.index(ListingId::Exposures).rows();
    assert_eq!(rows, picture(&driver).exposures.len());
}

#[test]
fn every_pane_fits_every_size_and_ascii() {
    for size in [(60, 16), (80, 24), (120, 40), (160, 45)] {
        for keys in [&["6", "d"][..], &["6", "d", "-", "-"], &["6", "x"], &["6", "p"], &["6", "x", "enter"]] {
            let ascii = Begin { glyphs: bartizan::console::theme::ASCII, ..Begin::default() };
            let mut driver = Driver::new(Scene::demo(), size, ascii);
            driver.keys(keys);
            let screen = driver.screen();
            assert!(screen.chars().all(|c| c == '\n' || c.is_ascii()), "{size:?} {keys:?}\n{screen}");
            driver.keys(&["j", "l", "ctrl-f", "G", "g"]);
        }
    }
}
