//! Key sequences through the real app: every action shows what it does, filters and groups and hops lead where they
//! say, nothing is lost when rows come in, and no key waits.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod driver;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan::catalog::decided::Changed;
use bartizan::catalog::findings::{Builder, Row};
use bartizan::catalog::{Facts, ListingId, parse_sort};
use bartizan::console::action::{ACTIONS, Scope};
use bartizan::console::theme::BUILT_IN;
use bartizan::console::views::VIEWS;
use bartizan::listing::filter;
use bartizan::listing::query::{Cancel, Query, run};
use bartizan::listing::segment::Cell;
use bartizan::message::session::{Ask, LiveId, State};
use bartizan::message::{Effect, Outcome, Question};
use bartizan::model::account::Environment;
use bartizan::model::finding::{Finding, FindingKey, Severity};
use bartizan::terminal::Steer;
use bartizan::text;
use bartizan::work::perform::perform;
use bartizan::work::source;
use bartizan::work::store::Origin;
use bartizan::world::World;
use crossterm::event::{Event, MouseEventKind};
use driver::{Begin, Driver, Scene, key_event, now};
use proptest::prelude::*;
use serde_json::Value as Json;

/// The ids of a listing's rows as its list should have them.
fn ids(world: &World, listing: ListingId, expression: &str, sort: &str) -> Vec<String> {
    let declared = listing.get();
    let seconds = now().as_second();
    let filter = filter::parse(expression, &declared.schema, seconds).unwrap();
    let sort = parse_sort(declared, if sort.is_empty() { declared.sort } else { sort }).unwrap();
    let index = world.index(listing);
    let rows = run(index, &Query { filter, sort, group: None, now: seconds }, &Cancel::new()).unwrap();
    let id = declared.field("id").unwrap();
    let text = |row| match index.cell(row, id) {
        Cell::Text(text) => text.into_owned(),
        other => panic!("an id is no text: {other:?}"),
    };
    rows.ids.into_iter().map(text).collect()
}

/// The id of the row that the cursor is on, by what `c` copies.
fn id_here(driver: &mut Driver) -> String {
    driver.copies.clear();
    driver.press("c");
    driver.copies.pop().unwrap_or_default()
}

/// The cursor's place among the findings.
fn place(driver: &mut Driver) -> usize {
    let id = id_here(driver);
    let all = ids(&driver.scene.world.clone(), ListingId::Findings, "", "");
    all.iter().position(|other| *other == id).unwrap()
}

/// The keys that lead to an answer.
const ANSWER: &[&str] = &["Q", "'who can become administrator", "enter"];

/// The keys that lead to a recording.
const PLAYED: &[&str] = &["7", "tab", "tab", "p"];

/// Whether the player was last asked for this.
fn steered(driver: &mut Driver, wanted: Steer) -> bool {
    matches!(driver.asked().last(), Some(Ask::Steer(_, steer)) if *steer == wanted)
}

/// Whether a key did what it should.
type Holds = fn(&mut Driver, &Before) -> bool;

/// What every action shows: the keys that lead there, and whether the screen tells that it happened.
fn proof(name: &str) -> (&'static [&'static str], Holds) {
    match name {
        "open" => (&["2"], |d, b| d.foot().contains("follow") && id_here(d) == b.id),
        "follow" => {
            (&["2", "enter"], |d, b| !d.foot().contains("follow") && (d.app.view_name() != "findings" || d.title() != b.title))
        }
        "next-link" => (&["2", "enter"], |d, b| d.screen() == b.screen && d.styles() != b.styles),
        "previous-link" => (&["2", "enter"], |d, b| d.screen() == b.screen && d.styles() != b.styles),
        "next-row" => (&["2", "enter"], |d, b| d.foot().contains("follow") && id_here(d) == b.all[1]),
        "previous-row" => (&["2", "j", "j", "enter"], |d, b| d.foot().contains("follow") && id_here(d) == b.all[1]),
        "mark" => (&["2"], |d, b| d.title().contains("1 marked") && d.shows("•") && d.cursor_line() != b.cursor),
        "filter" => (&["2"], |d, _| d.shows("tab completes") && d.drawn.cursor.is_some()),
        "zoom-in" => (&["6", "d"], |d, b| b.screen.contains("VPC ") && d.shows("Subnet ")),
        "zoom-out" => (&["6", "d"], |d, b| b.screen.contains("VPC ") && d.shows("Account ")),
        "export-diagram" => (&["6", "d"], |d, _| d.shows("Write to: ") && d.drawn.cursor.is_some()),
        "drill" => (&["6", "x"], |d, _| d.shows("pairs of accounts")),
        "ask-again" => (&["6", "p", "'internet", "tab", "'1.1.1.1", "tab", "'22", "enter"], |d, b| {
            b.screen.contains("internet to 1.1.1.1") && d.drawn.cursor.is_some()
        }),
        "diagram" => (&["6"], |d, _| d.shows("VPC ") && d.shows("gateways")),
        "matrix" => (&["6"], |d, _| d.shows("Trust matrix")),
        "can-reach" => (&["6"], |d, _| d.shows("Can one end reach another")),
        "to-exposures" => (&["7", "tab", "/", "'name:payments-edge-1", "enter"], |d, _| {
            d.app.view_name() == "network" && d.title().contains("Exposures")
        }),
        "to-resource" => (&["2", "/", "'type:AwsEc2SecurityGroup", "enter"], |d, b| {
            d.app.view_name() == "network" && d.title().contains("1 of 194") && b.id != id_here(d)
        }),
        "to-identity" => (&["2", "/", "'type:AwsIamRole", "enter"], |d, _| d.app.view_name() == "iam" && d.shows(":role/")),
        "to-account" => (&["2"], |d, _| d.app.view_name() == "accounts" && d.shows("1 of 24")),
        "to-findings" => (&["4"], |d, _| d.app.view_name() == "findings" && d.title().contains("of 5,000")),
        "document" => (&["2"], |d, b| d.shows("\"SchemaVersion\"") && !b.screen.contains("\"SchemaVersion\"")),
        "copy" => (&["2", "j"], |d, b| d.copies == [b.all[1].clone()] && d.foot().contains("Copied: ")),
        "copy-document" => (&["2", "y"], |d, b| {
            let document: Json = serde_json::from_str(d.copies.last().unwrap()).unwrap();
            document["Id"].as_str() == Some(b.all[0].as_str())
        }),
        "group" => (&["2"], |d, _| d.shows("Group by")),
        "sort" => (&["2"], |d, _| d.shows("Sort by")),
        "columns" => (&["2"], |d, _| d.shows("Columns: ")),
        "reverse-sort" => (&["2"], |d, b| b.title.contains("severity ↓") && d.title().contains("severity ↑") && place(d) > 4_000),
        "mark-all" => (&["2"], |d, _| d.title().contains("5,000 marked")),
        "clear-filter" => {
            (&["2", "/", "'severity:critical", "enter"], |d, b| b.title.contains(" of 5,000") && !d.title().contains(" of 5,000"))
        }
        "export" => (&["2"], |d, _| d.shows("write to") && d.shows("findings-20260314-0307.csv")),
        "down" => (&["2"], |d, _| place(d) == 1),
        "up" => (&["2", "j", "j"], |d, _| place(d) == 1),
        "page-down" => (&["2"], |d, _| (25..36).contains(&place(d))),
        "page-up" => (&["2", "ctrl-f", "ctrl-f", "ctrl-f"], |d, _| (50..72).contains(&place(d))),
        "half-page-down" => (&["2"], |d, _| (12..18).contains(&place(d))),
        "half-page-up" => (&["2", "ctrl-f"], |d, _| (12..18).contains(&place(d))),
        "top" => (&["2", "ctrl-f", "j"], |d, _| place(d) == 0),
        "bottom" => (&["2"], |d, _| place(d) == 4_999),
        "left" => (&["2", "l"], |d, b| !b.screen.contains(" SEV") && d.shows(" SEV")),
        "right" => (&["2"], |d, b| b.screen.contains(" SEV") && !d.shows(" SEV")),
        "next-tab" => (&["5"], |d, b| b.title.contains("Principals") && d.title().contains("Access keys")),
        "previous-tab" => (&["5"], |d, _| d.title().contains("Resources")),
        "back" => (&["2", "enter"], |d, _| d.foot().contains("enter open")),
        "history-back" => (&["2", "4"], |d, _| d.app.view_name() == "findings"),
        "history-forward" => (&["2", "4", "["], |d, _| d.app.view_name() == "accounts"),
        "palette" => (&["2"], |d, _| d.shows("Command") && d.drawn.cursor.is_some()),
        "help" => (&["2"], |d, _| d.shows("Keys in Findings")),
        "problems" => (&["2"], |d, _| d.app.view_name() == "coverage"),
        "refresh" => (&["2"], |d, _| matches!(d.effects.last(), Some(Effect::Refresh))),
        "stop-refresh" => (&["2"], |d, _| matches!(d.effects.last(), Some(Effect::CancelSweep))),
        "redraw" => (&["2"], |d, _| d.redraw),
        "suspend" => (&["2"], |d, _| d.suspend),
        "quit" => (&["2"], |d, _| d.quit),
        "assign" | "assign-next" => (&["2"], |d, _| d.shows("Assign: ") && d.drawn.cursor.is_some()),
        "note" => (&["2"], |d, _| d.shows("Note: ")),
        "status" => (&["2"], |d, _| d.shows("Status: ") && d.shows("[NEW]")),
        "triage" => (&["2"], |d, _| d.shows("Decide") && d.shows("accept risk")),
        "again" => (&["2"], |d, _| d.foot().contains("Nothing was decided yet")),
        "stopped" => (&["2"], |d, _| matches!(d.effects.last(), Some(Effect::Stopped { .. }))),
        "mine" => (&["2"], |d, _| d.title().contains("0 of 5,000") && d.title().contains("assignee")),
        "my-teams" => (&["2"], |d, _| d.foot().contains("You are in no team")),
        "unowned" => (&["2"], |d, _| d.title().contains("owner:unowned")),
        "own" => (&["4"], |d, _| d.shows("Assign: ")),
        "note-on" => (&["4"], |d, _| d.shows("Note: ")),
        "ask" => (&["2"], |d, _| d.app.view_name() == "iam" && d.shows("who can ACTION on RESOURCE") && d.drawn.cursor.is_some()),
        "follow-answer" => (ANSWER, |d, b| b.screen.contains("Ask: ") && !d.shows("Ask: ") && d.title().contains("1 of ")),
        "next-answer-link" | "previous-answer-link" => (ANSWER, |d, b| d.screen() == b.screen && d.styles() != b.styles),
        "answer-document" => (ANSWER, |d, b| d.shows("\"sections\"") && !b.screen.contains("\"sections\"")),
        "copy-answer" => (ANSWER, |d, _| d.copies.len() == 1 && d.copies[0].contains("\"sections\"")),
        "ask-use" => (&["5", "/", "'kind:user", "enter"], |d, b| {
            let asked = matches!(d.effects.last(), Some(Effect::AskUse { arn, .. }) if *arn == b.id);
            asked && d.foot().contains("Asking AWS what user/")
        }),
        "edit-policy" => {
            (&["5"], |d, _| d.shows("Write a policy") && d.shows("ARNs, separated by blanks") && d.drawn.cursor.is_some())
        }
        "handover" => (&["2"], |d, _| d.shows("Hand-over, the last 12 hours")),
        "queues" => (&[], |d, _| d.app.view_name() == "queues"),
        "overview" => (&["2"], |d, _| d.app.view_name() == "overview"),
        "findings" => (&[], |d, _| d.app.view_name() == "findings"),
        "accounts" => (&[], |d, _| d.app.view_name() == "accounts"),
        "iam" => (&[], |d, _| d.app.view_name() == "iam"),
        "network" => (&[], |d, _| d.app.view_name() == "network"),
        "sessions" => (&[], |d, _| d.app.view_name() == "sessions"),
        "session" => (&["7"], |d, _| d.shows("Session on")),
        "forward" => (&["7"], |d, _| d.shows("Forward through")),
        "forwards" => (&["2"], |d, _| d.shows("Open here  1 session")),
        "play" => (&["7", "tab", "tab"], |d, _| {
            matches!(d.asked().last(), Some(Ask::Play(_, id)) if id == "jo.tanaka-0recorded") && d.shows("Reading the recording")
        }),
        "take-up" => (&["7", "tab", "tab"], |d, _| d.shows("Take up the session on") && d.shows("INC-2041")),
        "end-there" => (&["7", "tab", "tab"], |d, _| {
            let asked = d.foot().contains("The same key again ends jo.tanaka's session") && d.asked().is_empty();
            d.press("delete");
            asked && matches!(d.asked().last(), Some(Ask::EndThere(_, id)) if id == "jo.tanaka-0recorded")
        }),
        "pause" => (PLAYED, |d, _| steered(d, Steer::Pause)),
        "seek-back" => (PLAYED, |d, _| steered(d, Steer::By(-5))),
        "seek-on" => (PLAYED, |d, _| steered(d, Steer::By(5))),
        "minute-back" => (PLAYED, |d, _| steered(d, Steer::By(-60))),
        "minute-on" => (PLAYED, |d, _| steered(d, Steer::By(60))),
        "replay-start" => (PLAYED, |d, _| steered(d, Steer::Start)),
        "replay-end" => (PLAYED, |d, _| steered(d, Steer::End)),
        "faster" => (PLAYED, |d, _| steered(d, Steer::Faster)),
        "slower" => (PLAYED, |d, _| steered(d, Steer::Slower)),
        "leave-replay" => {
            (PLAYED, |d, _| matches!(d.asked().last(), Some(Ask::End(_))) && d.title().contains("Sessions  ") && !d.quit)
        }
        "attach" => (&["F"], |d, _| d.foot().contains("~d detach")),
        "end" => (&["F"], |d, _| matches!(d.asked().as_slice(), [Ask::End(LiveId(901))])),
        "restart" => (&["F", "j"], |d, _| matches!(d.asked().as_slice(), [Ask::Restart(LiveId(902))])),
        "forget" => (&["F", "j"], |d, _| matches!(d.asked().as_slice(), [Ask::Forget(LiveId(902))])),
        "next-tab-live" => (&["F"], |d, _| d.title().contains("Nodes  ")),
        "previous-tab-live" => (&["F"], |d, _| d.title().contains("Sessions  ")),
        other => panic!("the action {other:?} has no proof here: add one"),
    }
}

/// What was on screen before the key.
struct Before {
    screen: String,
    styles: String,
    title: String,
    cursor: String,
    id: String,
    all: Vec<String>,
}

#[test]
fn every_key_of_every_action_does_what_its_row_says() {
    let all = ids(&Scene::demo().world, ListingId::Findings, "", "");
    for row in ACTIONS {
        assert!(!row.keys.is_empty() && !row.help.is_empty(), "{}", row.name);
        for key in row.keys {
            let (keys, holds) = proof(row.name);
            let mut driver = Driver::demo();
            if row.scope == Scope::Live || row.name == "forwards" {
                driver.session(901, Environment::NonProduction, "$ ");
                driver.forward(902, State::Ended { why: "Stopped here.".into(), bad: false });
            }
            if matches!(row.name, "take-up" | "end-there") {
                driver.left();
            } else if matches!(row.scope, Scope::Record | Scope::Replay) {
                driver.recorded();
            }
            driver.keys(keys);
            let id = id_here(&mut driver);
            // The note of what was copied goes with the next key; here, with one that means nothing.
            driver.press("alt-z").copies.clear();
            let before = Before {
                screen: driver.screen(),
                styles: driver.styles(),
                title: driver.title(),
                cursor: driver.cursor_line(),
                id,
                all: all.clone(),
            };
            driver.press(key);
            assert!(
                holds(&mut driver, &before),
                "{} ({key}) after {keys:?}:\n{}\nbefore:\n{}",
                row.name,
                driver.screen(),
                before.screen
            );
        }
    }
}

#[test]
fn a_policy_is_written_from_a_wish_changed_by_hand_and_held_against_the_wish() {
    let mut driver = Driver::demo();
    driver.keys(&["5", "W", "'arn:aws:sqs:eu-west-1:111122223333:jobs", "enter"]);
    assert!(driver.shows("Allows all that is asked for and nothing else."), "{}", driver.screen());
    assert!(driver.shows("\"sqs:GetQueueUrl\"") && driver.shows("read arn:aws:sqs:eu-west-1:111122223333:jobs"));
    // A wrong letter in the first line of the document: it is no policy any more, and the place is told.
    driver.press("x");
    assert!(driver.shows("x 1:1 "), "{}", driver.screen());
    driver.press("backspace");
    assert!(driver.shows("Allows all that is asked for and nothing else."), "{}", driver.screen());
    // A wider resource is told from the wish; ctrl-y copies what stands there.
    driver.press("ctrl-y");
    let written = driver.copies.pop().unwrap();
    let wider = written.replace(":jobs", ":*");
    assert_ne!(wider, written);
    driver.keys(&["ctrl-a"]);
    let lines = written.lines().count();
    (0..lines).for_each(|_| _ = driver.keys(&["ctrl-k", "delete"]));
    driver.paste(&wider);
    assert!(driver.shows("Allows what was not asked for: sqs:"), "{}", driver.screen());
    driver.keys(&["ctrl-y"]);
    assert_eq!(driver.copies.pop().unwrap().trim(), wider.trim());
    // The wish is changed, and the policy written anew; what cannot be written says why.
    driver.keys(&["esc", "ctrl-u", "'bucket", "enter"]);
    assert!(driver.shows("\"bucket\" is no ARN of a resource"), "{}", driver.screen());
    driver.keys(&["esc"]);
    assert!(driver.title().contains("Principals"), "{}", driver.title());
    // It is where it was left.
    driver.keys(&["W"]);
    assert!(driver.shows("bucket"));
}

#[test]
fn a_policy_at_hand_is_looked_over_and_saved_to_a_new_file() {
    let mut driver = Driver::demo();
    driver.keys(&["5", "tab", "tab", "/", "' name:full-admin", "enter", "W"]);
    assert!(driver.shows("no wish: the document is only looked over"), "{}", driver.screen());
    assert!(driver.shows("grants every action on every resource"), "{}", driver.screen());
    driver.keys(&["ctrl-n", "ctrl-y"]);
    let document: Json = serde_json::from_str(&driver.copies.pop().unwrap()).unwrap();
    assert!(document["Statement"].is_array() || document["Statement"].is_object());
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mine.json");
    driver.keys(&["ctrl-s", "ctrl-u"]);
    driver.paste(path.to_str().unwrap());
    driver.press("enter");
    assert!(driver.foot().contains("Written to "), "{}", driver.foot());
    let saved: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(saved, document);
    // What is there already stays.
    driver.keys(&["ctrl-s", "ctrl-u"]);
    driver.paste(path.to_str().unwrap());
    driver.press("enter");
    assert!(driver.foot().contains("is already there"), "{}", driver.foot());
}

#[test]
fn digits_open_every_view_that_has_one_and_the_mouse_its_tab() {
    for view in VIEWS {
        let Some(digit) = view.digit else { continue };
        let mut driver = Driver::demo();
        driver.press("!").press(&digit.to_string());
        assert_eq!(driver.app.view_name(), view.name);
        let mut driver = Driver::demo();
        driver.press("!");
        let tabs = driver.line(1);
        let at = tabs.find(&format!("{digit} {}", view.title)).unwrap();
        driver.click(u16::try_from(tabs[..at].chars().count()).unwrap(), 1);
        assert_eq!(driver.app.view_name(), view.name);
    }
}

#[test]
fn a_filter_works_while_it_is_typed_esc_restores_and_enter_keeps() {
    let mut driver = Driver::demo();
    let world = driver.scene.world.clone();
    let many = |expression: &str| text::count(ids(&world, ListingId::Findings, expression, "").len() as u64);
    driver.keys(&["2", "/", "'severity:high"]);
    assert!(driver.title().contains(&format!("{} of 5,000", many("severity:high"))), "{}", driver.title());
    driver.keys(&["enter", "/", "' age<30d"]);
    let narrower = many("severity:high age<30d");
    assert_ne!(narrower, many("severity:high"));
    assert!(driver.title().contains(&format!("{narrower} of 5,000")), "{}", driver.title());
    driver.press("esc");
    assert!(driver.title().contains(&format!("{} of 5,000", many("severity:high"))), "{}", driver.title());
    assert!(driver.title().contains("severity:high"));
    driver.keys(&["/", "' or", "ctrl-c"]);
    assert!(!driver.quit, "ctrl-c leaves the prompt, not the console");
    assert!(driver.title().ends_with("age ↑") || driver.title().contains("severity:high"), "{}", driver.title());
    // The first esc in the list takes the filter away.
    driver.press("esc");
    assert!(!driver.title().contains(" of "), "{}", driver.title());
}

#[test]
fn a_pasted_filter_is_typed_and_its_controls_are_not() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/"]);
    driver.paste("severity:crit\u{1b}[31m\u{202e}ical\n");
    assert!(driver.shows("severity:crit[31mical"), "{}", driver.screen());
    driver.press("ctrl-u");
    driver.paste("severity:critical\n");
    assert!(driver.title().contains(" of 5,000"), "{}", driver.screen());
}

#[test]
fn tab_goes_round_the_completions_and_back() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/", "'acc"]);
    let prompt = |driver: &Driver| driver.line(3);
    driver.press("tab");
    let first = prompt(&driver);
    assert!(first.trim().starts_with("/ account") && first.ends_with(':'), "{first}");
    let mut seen = vec![first.clone()];
    loop {
        driver.press("tab");
        let next = prompt(&driver);
        if next == first {
            break;
        }
        assert!(!seen.contains(&next) && seen.len() < 30, "{seen:?} {next}");
        seen.push(next);
    }
    assert!(seen.len() > 1, "{seen:?}");
    driver.press("shift-tab");
    assert_eq!(prompt(&driver), *seen.last().unwrap());
    // Values of a field.
    driver.keys(&["ctrl-u", "'owner:store", "tab"]);
    assert_eq!(prompt(&driver).trim(), "/ owner:storefront");
    assert!(driver.title().contains(" of 5,000"), "{}", driver.title());
}

#[test]
fn a_wrong_filter_says_where_and_names_the_fields_and_leaves_the_rows() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/"]);
    driver.paste("age<7d ");
    let rows = driver.line(8);
    assert!(!rows.is_empty());
    driver.paste("severty:high");
    let said = driver.line(4);
    assert!(said.contains("column 8") && said.contains("severity"), "{said}");
    // What is wrong takes a second line; the rows are the same.
    assert_eq!(driver.line(9), rows);
    // Enter does not keep what is wrong.
    driver.press("enter");
    assert!(driver.shows("column 8") && driver.drawn.cursor.is_some());
    driver.press("esc");
    assert!(!driver.shows("column 8") && driver.drawn.cursor.is_none());
}

#[test]
fn sorting_by_a_column_and_again_turns_it_around() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "S", "'title", "enter"]);
    assert!(driver.title().contains("title ↑"), "{}", driver.title());
    let world = driver.scene.world.clone();
    assert_eq!(id_here(&mut driver), ids(&world, ListingId::Findings, "", "title,severity:desc,age")[0]);
    driver.keys(&["S", "'title", "enter"]);
    assert!(driver.title().contains("title ↓"), "{}", driver.title());
    assert_eq!(id_here(&mut driver), ids(&world, ListingId::Findings, "", "title:desc,severity:desc,age")[0]);
}

fn remembered(driver: &Driver) -> Json {
    match driver.effects.iter().rev().find(|e| matches!(e, Effect::Remember(_))) {
        Some(Effect::Remember(choices)) => choices.clone(),
        _ => panic!("nothing was remembered"),
    }
}

#[test]
fn columns_order_and_theme_are_remembered_and_come_back() {
    let mut driver = Driver::new(Scene::demo(), (200, 36), Begin::default());
    driver.keys(&["2", "C", "'control", "space", "esc", "=", ":", "'theme light", "enter"]);
    assert!(driver.shows("CONTROL"), "{}", driver.screen());
    let choices = remembered(&driver);
    assert_eq!(choices["theme"], "light");
    let mut again = Driver::new(Scene::demo(), (200, 36), Begin { theme: "light", remembered: choices, ..Begin::default() });
    again.press("2");
    assert_eq!(again.screen(), {
        driver.press("g");
        driver.screen()
    });
    assert_eq!(again.styles(), driver.styles());
    // What was remembered of another version does not hurt.
    for broken in [Json::from(7), serde_json::json!({"findings": {"findings": {"columns": ["gone", 3], "sort": "nope:up"}}})] {
        let mut fresh = Driver::new(Scene::demo(), (120, 36), Begin { remembered: broken, ..Begin::default() });
        fresh.press("2");
        assert!(fresh.title().contains("severity ↓") && fresh.shows("SEV"), "{}", fresh.screen());
    }
}

#[test]
fn the_last_column_stays() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "C"]);
    for name in ["severity", "age", "account", "resource", "title", "owner", "due", "state", "assignee"] {
        driver.press("ctrl-u").type_text(name).press("space");
    }
    assert!(driver.foot().contains("last column"), "{}", driver.screen());
}

#[test]
fn groups_count_drill_in_and_out() {
    let mut driver = Driver::demo();
    let world = driver.scene.world.clone();
    driver.keys(&["2", "/", "'severity>=high", "enter", "b", "'account", "enter"]);
    assert!(
        driver.title().contains("groups") && driver.shows("FAILING FOR") && driver.shows("SHOWN OF ALL"),
        "{}",
        driver.screen()
    );
    driver.keys(&["j", "j"]);
    let line = driver.cursor_line();
    let word = line.split_whitespace().find(|w| w.contains('-')).unwrap().to_owned();
    driver.press("enter");
    let inside = ids(&world, ListingId::Findings, &format!("(severity>=high) account:{word}"), "");
    assert!(driver.title().contains(&format!("{} of 5,000", inside.len())), "{word}: {}", driver.title());
    assert!(line.contains(&format!("{} of ", inside.len())), "{line}");
    assert_eq!(id_here(&mut driver), inside[0]);
    driver.press("enter").press("esc").press("esc");
    assert_eq!(driver.cursor_line(), line, "esc leads back to the group it came from");
    driver.press("esc");
    assert!(!driver.title().contains("group") && driver.title().contains("severity>=high"), "{}", driver.title());
    driver.press("esc");
    assert!(!driver.title().contains(" of "), "{}", driver.title());
}

/// A finding like another, with another id.
fn another(finding: &Finding, n: usize, severity: Severity) -> Finding {
    let mut other = Finding { severity, title: format!("arrived {n}"), ..finding.clone() };
    other.source.id = format!("{}/arrived-{n}", finding.source.id);
    other.key = FindingKey::of(&["arrived", &n.to_string()]);
    other
}

#[test]
fn rows_that_come_in_move_neither_the_cursor_nor_the_marks() {
    let scene = Scene::changeable(60);
    let mut driver = Driver::new(scene, (120, 24), Begin::default());
    driver.keys(&["2", "space", "j", "space", "j", "j"]);
    let (id, line) = (id_here(&mut driver), driver.cursor_line());
    assert!(driver.title().contains("2 marked"));
    let demo = bartizan::demo::Organization::new(now(), 60);
    let arrived: Vec<Finding> = (0..25).map(|n| another(&demo.finding(n), n, Severity::Critical)).collect();
    let library = Arc::clone(&driver.scene.library);
    let accounts = |id: &str| demo.estate().account(id).map(Arc::clone);
    let put = library.write().put_all(arrived, Origin::Live, &accounts);
    assert!(put.is_ok());
    let index = library.rows(&Changed::Everything);
    driver.world(|world| world.put_findings(index));
    assert!(driver.title().contains("85"), "{}", driver.title());
    assert_eq!(id_here(&mut driver), id);
    assert_eq!(driver.cursor_line(), line);
    assert!(driver.title().contains("2 marked"), "{}", driver.title());
    driver.press("g");
    assert!(driver.shows("arrived"), "{}", driver.screen());
    // The marked rows are still the same two.
    driver.copies.clear();
    driver.press("c");
    let copied = driver.copies.pop().unwrap();
    assert_eq!(copied.lines().count(), 2);
    assert!(!copied.contains("arrived"), "{copied}");
    // A row that went away says so instead of opening another.
    let world = driver.scene.world.clone();
    let gone = ids(&world, ListingId::Findings, "", "")[0].clone();
    driver.world(|world| world.put_findings(bartizan::listing::index::Index::new(Arc::clone(&ListingId::Findings.get().schema))));
    assert!(!driver.shows(&gone) && driver.title().contains('0'), "{}", driver.screen());
}

#[test]
fn only_the_newest_answer_counts() {
    let mut driver = Driver::demo();
    driver.keys(&["2"]);
    driver.hold();
    driver.keys(&["/", "'severity:critical"]);
    let askings = std::mem::take(&mut driver.held);
    assert!(askings.len() >= 2);
    let newest = askings.last().unwrap().clone();
    let library = Arc::clone(&driver.scene.library);
    let answer = |driver: &mut Driver, asking: Effect| driver.outcome(perform(asking, &library, now(), &Cancel::new()).unwrap());
    answer(&mut driver, newest);
    let right = driver.screen();
    assert!(driver.title().contains(" of 5,000"), "{right}");
    for older in askings.into_iter().rev().skip(1) {
        answer(&mut driver, older);
        assert_eq!(driver.screen(), right, "an older answer replaced the newest");
    }
}

#[test]
fn a_detail_that_comes_late_does_not_open_what_was_left() {
    let mut driver = Driver::demo();
    driver.press("2");
    driver.hold();
    driver.press("enter");
    assert!(driver.shows("Opening"), "{}", driver.screen());
    driver.keys(&["esc", "j"]);
    let list = driver.screen();
    driver.release();
    assert_eq!(driver.screen(), list);
}

#[test]
fn hops_lead_from_finding_to_group_to_account_and_back() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/", "'type:AwsEc2SecurityGroup severity>=high", "enter", "j"]);
    let finding = id_here(&mut driver);
    driver.press("r");
    assert_eq!(driver.app.view_name(), "network");
    let group = id_here(&mut driver);
    assert!(group.starts_with("sg-"), "{group}");
    driver.press("w");
    assert_eq!(driver.app.view_name(), "accounts");
    let account = id_here(&mut driver);
    let regions = driver.scene.world.estate.regions.clone();
    let home = regions.iter().find(|r| r.network.security_groups.iter().any(|g| g.group_id == group)).unwrap();
    assert_eq!(account, home.account);
    driver.press("[");
    assert_eq!((driver.app.view_name(), id_here(&mut driver)), ("network", group.clone()));
    driver.press("[");
    assert_eq!((driver.app.view_name(), id_here(&mut driver)), ("findings", finding.clone()));
    driver.press("]").press("]");
    assert_eq!((driver.app.view_name(), id_here(&mut driver)), ("accounts", account));
    // From the group to its findings: the one it began with is among them.
    driver.press("[").press("f");
    assert_eq!(driver.app.view_name(), "findings");
    let title = driver.title();
    assert!(title.contains(" of 5,000"), "{title}");
    driver.press("ctrl-a").press("c");
    assert!(driver.copies.last().unwrap().lines().any(|id| id == finding));
}

#[test]
fn hops_lead_from_an_interface_to_its_group_and_its_findings() {
    let mut driver = Driver::demo();
    // An interface whose group has findings; its detail leads to the group.
    driver.keys(&["6", "tab", "tab", "tab", "tab", "tab", "/", "'public:* group:sg-*", "enter"]);
    if driver.shows("column ") {
        panic!("{}", driver.screen());
    }
    let interface = id_here(&mut driver);
    assert!(interface.contains("network-interface/") || interface.starts_with("eni-"), "{interface}");
    driver.press("enter");
    assert!(driver.foot().contains("follow"));
    // The links are words at the foot; go through them until one leads to a group.
    for step in 0..12 {
        let mut trial = Driver::demo();
        trial.keys(&["6", "tab", "tab", "tab", "tab", "tab", "/", "'public:* group:sg-*", "enter", "enter"]);
        (0..step).for_each(|_| _ = trial.press("tab"));
        trial.press("enter");
        let here = id_here(&mut trial);
        if here.starts_with("sg-") {
            trial.press("f");
            assert_eq!(trial.app.view_name(), "findings");
            trial.press("[");
            assert_eq!(id_here(&mut trial), here);
            trial.press("[");
            assert_eq!(id_here(&mut trial), interface);
            return;
        }
    }
    panic!("no link of the interface leads to a security group:\n{}", driver.screen());
}

#[test]
fn hops_that_lead_nowhere_say_so_and_stay() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "/", "'type:AwsRdsDbInstance", "enter", "i"]);
    assert_eq!(driver.app.view_name(), "findings");
    assert!(driver.foot().contains("No role or user"), "{}", driver.foot());
    driver.press("[");
    driver.press("[");
    assert!(driver.foot().contains("where you began"), "{}", driver.foot());
}

#[test]
fn the_document_scrolls_copies_and_leads_back() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "enter", "y"]);
    assert!(driver.shows("\"SchemaVersion\""));
    driver.press("G");
    assert!(!driver.shows("\"SchemaVersion\"") && driver.shows("}"), "{}", driver.screen());
    driver.press("g").press("esc");
    assert!(driver.foot().contains("follow"), "back to the detail");
    driver.press("esc");
    assert!(driver.foot().contains("enter open"), "back to the list");
    // Opened straight from the list, esc leads straight back.
    driver.press("y").press("esc");
    assert!(driver.foot().contains("enter open"), "{}", driver.foot());
}

#[test]
fn marked_rows_are_copied_and_exported_and_a_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.csv");
    let name = path.to_str().unwrap();
    let mut driver = Driver::demo();
    driver.keys(&["2", "space", "j", "space", "ctrl-s", "ctrl-u"]);
    driver.type_text(name).press("enter");
    assert!(driver.foot().contains("2 rows written to"), "{}", driver.foot());
    let written = fs::read_to_string(&path).unwrap();
    let all = ids(&driver.scene.world.clone(), ListingId::Findings, "", "");
    assert_eq!(written.lines().count(), 3, "{written}");
    assert!(written.contains(&all[0]) && written.contains(&all[2]) && !written.contains(&all[1]), "{written}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    driver.keys(&["esc", "ctrl-s", "ctrl-u"]).type_text(name).press("enter");
    assert!(driver.foot().contains("already there"), "{}", driver.foot());
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    driver.keys(&["ctrl-s", "ctrl-u"]).type_text(dir.path().join("out.txt").to_str().unwrap()).press("enter");
    assert!(driver.foot().contains(".csv, .json or .ndjson"), "{}", driver.foot());
    let json = dir.path().join("out.json");
    driver.keys(&["/", "'severity:critical", "enter", "ctrl-s", "ctrl-u"]).type_text(json.to_str().unwrap()).press("enter");
    let rows: Vec<Json> = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(rows.len(), ids(&driver.scene.world.clone(), ListingId::Findings, "severity:critical", "").len());
    assert!(rows.iter().all(|row| row["severity"] == "CRITICAL" && row["id"].is_string()));
}

#[test]
fn the_palette_opens_views_lists_actions_and_themes() {
    for view in VIEWS {
        let mut driver = Driver::demo();
        driver.keys(&["2", ":"]).type_text(view.name).press("enter");
        assert_eq!(driver.app.view_name(), view.name);
    }
    for listing in ListingId::ALL {
        let mut driver = Driver::demo();
        driver.press(":").type_text(listing.get().name).press("enter");
        let view = VIEWS.iter().find(|v| v.name == driver.app.view_name()).unwrap();
        assert!(
            view.listings.contains(&listing) || view.name == listing.get().name,
            "{} opened {}",
            listing.get().name,
            view.name
        );
    }
    for (theme, _) in BUILT_IN {
        let mut driver = Driver::demo();
        driver.keys(&["2", ":"]).type_text(&format!("theme {theme}")).press("enter");
        let mut same = Driver::new(Scene::demo(), (120, 36), Begin { theme, ..Begin::default() });
        same.press("2");
        assert_eq!(driver.styles(), same.styles(), "{theme}");
        assert_eq!(remembered(&driver)["theme"], **theme);
    }
    let mut driver = Driver::demo();
    driver.keys(&["2", ":", "'revsort", "enter"]);
    assert!(driver.title().contains("severity ↑"), "letters in order are enough: {}", driver.title());
    driver.keys(&[":", "'quit", "esc"]);
    assert!(!driver.quit);
    driver.keys(&[":", "'quit", "enter"]);
    assert!(driver.quit);
}

#[test]
fn help_names_every_key_that_works_here() {
    for (keys, scopes) in [
        (&["2"][..], &[Scope::List, Scope::Row, Scope::Moving, Scope::Global][..]),
        (&["2", "enter"], &[Scope::Detail, Scope::Row, Scope::Moving, Scope::Global]),
        (&["2", "y"], &[Scope::Document, Scope::Moving, Scope::Global]),
    ] {
        let mut driver = Driver::demo();
        driver.keys(keys).press("?");
        let mut seen = BTreeSet::new();
        for _ in 0..30 {
            seen.extend(driver.screen().lines().map(str::to_owned));
            driver.press("ctrl-f");
        }
        let all: Vec<String> = seen.into_iter().collect();
        for row in ACTIONS.iter().filter(|r| scopes.contains(&r.scope)) {
            let told = all
                .iter()
                .any(|line| row.keys.iter().all(|key| line.contains(key)) && line.contains(&row.help[..row.help.len().min(40)]));
            assert!(told, "{} is not in the help after {keys:?}", row.name);
        }
        driver.press("?");
        assert!(!driver.shows("Keys in"), "{}", driver.screen());
    }
}

#[test]
fn problems_are_a_layer_over_the_view_they_were_opened_from() {
    let mut driver = Driver::demo();
    driver.keys(&["2", "!"]);
    assert_eq!(driver.app.view_name(), "coverage");
    let problems = ids(&driver.scene.world.clone(), ListingId::Coverage, "outcome>=throttled", "").len();
    assert!(problems > 0 && driver.line(0).contains(&format!("! {problems}")), "{}", driver.line(0));
    for _ in 0..3 {
        driver.press("esc");
    }
    assert_eq!(driver.app.view_name(), "findings");
}

#[test]
fn the_overview_leads_to_the_rows_it_counts() {
    let mut driver = Driver::demo();
    for step in 0..12 {
        let mut driver = Driver::demo();
        (0..step).for_each(|_| _ = driver.press("j"));
        let line = (0..36).map(|y| driver.line(y)).find(|line| line.contains('▌')).unwrap();
        let count: String = line
            .split('▌')
            .nth(1)
            .unwrap()
            .split_whitespace()
            .find(|w| w.chars().all(|c| c.is_ascii_digit() || c == ','))
            .unwrap()
            .into();
        driver.press("enter");
        assert_ne!(driver.app.view_name(), "overview");
        assert!(driver.title().contains(&format!("  {count} ")), "{count}: {}", driver.title());
        driver.press("[");
        assert_eq!(driver.app.view_name(), "overview");
    }
    driver.press("/");
    assert!(driver.foot().contains("nothing to filter"), "{}", driver.foot());
}

#[test]
fn the_mouse_chooses_opens_and_scrolls() {
    let mut driver = Driver::demo();
    driver.press("2");
    let first = (0..36).find(|y| driver.line(*y).starts_with('▌')).unwrap();
    driver.click(10, first + 3);
    assert_eq!(place(&mut driver), 3);
    driver.click(10, first + 3);
    assert!(driver.foot().contains("follow"), "{}", driver.screen());
    driver.press("esc");
    driver.mouse(MouseEventKind::ScrollDown, 10, first);
    assert_eq!(place(&mut driver), 6);
    driver.mouse(MouseEventKind::ScrollUp, 10, first);
    assert_eq!(place(&mut driver), 3);
    driver.click(500, 500);
    driver.press("?");
    driver.click(10, first);
    assert!(driver.shows("Keys in"), "what lies over the list keeps the mouse");
}

#[test]
fn a_question_takes_an_answer_or_is_left() {
    let mut driver = Driver::demo();
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    driver.outcome(Outcome::Ask(Question { text: "The code of arn:aws:iam::1:mfa/jo".into(), reply }));
    assert!(driver.shows("mfa/jo"), "{}", driver.screen());
    driver.keys(&["enter", "'12x", "backspace", "'3456", "enter"]);
    assert_eq!(answer.try_recv(), Ok("123456".to_owned()));
    assert!(!driver.shows("mfa/jo"));
    let (reply, mut answer) = tokio::sync::oneshot::channel::<String>();
    driver.outcome(Outcome::Ask(Question { text: "Again".into(), reply }));
    driver.press("esc");
    assert!(answer.try_recv().is_err() && !driver.quit);
}

/// One million rows: the first 10,000 of the demo, a hundred times.
fn million() -> Scene {
    let demo = bartizan::demo::Organization::new(now(), 10_000);
    let mut builder = Builder::default();
    for n in 0..10_000 {
        let finding = demo.finding(n);
        let account = demo.estate().account(&finding.account).map(Arc::clone);
        builder.push(&Row { finding, account }, n as u64);
    }
    let segment = Arc::new(builder.finish());
    let names: Vec<String> = (0..100).map(|n| format!("part {n}")).collect();
    let index = bartizan::listing::index::Index::new(Arc::clone(&ListingId::Findings.get().schema));
    let index = index.with_all(names.iter().map(|name| (name.as_str(), Arc::clone(&segment))));
    assert_eq!(index.rows(), 1_000_000);
    Scene::demo().with(|world| world.put_findings(index))
}

/// No key does the work itself: with a million rows, and the answers held back, each is done at once. The bound is
/// loose, for unoptimised builds on busy machines; a sort or a filter of a million rows takes many times as long there.
#[test]
fn no_key_waits_for_a_million_rows() {
    let mut driver = Driver::new(million(), (200, 60), Begin::default());
    driver.press("2");
    assert!(driver.title().contains("1,000,000"), "{}", driver.title());
    driver.hold();
    let mut slowest = (Duration::ZERO, "");
    for key in [
        "j",
        "ctrl-f",
        "G",
        "g",
        "ctrl-d",
        "/",
        "s",
        "e",
        "v",
        "backspace",
        "esc",
        "S",
        "enter",
        "=",
        "b",
        "enter",
        "esc",
        "C",
        "enter",
        "esc",
        "space",
        "enter",
        "esc",
        "y",
        "esc",
        ":",
        "esc",
        "?",
        "esc",
        "4",
        "[",
        "6",
        "[",
        "r",
        "[",
        "w",
        "[",
        "l",
        "h",
        "backspace",
        "1",
        "2",
    ] {
        let event = Event::Key(key_event(key));
        // The best of what the machine can do at this moment: other tests run beside this one.
        let begin = Instant::now();
        driver.event(&event);
        slowest = slowest.max((begin.elapsed(), key));
    }
    assert!(slowest.0 < Duration::from_millis(500), "{} took {:?}", slowest.1, slowest.0);
}

#[test]
fn resizing_never_breaks_anything() {
    let states: &[&[&str]] = &[
        &[],
        &["2"],
        &["2", "enter"],
        &["2", "y"],
        &["2", "/", "'acc", "tab"],
        &["2", "b", "'title", "enter"],
        &["2", "C"],
        &["4", "enter"],
        &["6", "tab", "enter"],
        &[":"],
        &["2", "?"],
        &["2", "ctrl-s"],
    ];
    for keys in states {
        let mut driver = Driver::demo();
        driver.keys(keys);
        let was = driver.screen();
        for size in [
            (60, 16),
            (200, 60),
            (1, 1),
            (0, 0),
            (61, 17),
            (59, 200),
            (200, 15),
            (3, 60),
            (129, 30),
            (130, 30),
            (131, 16),
            (400, 120),
            (0, 40),
        ] {
            driver.resize(size.0, size.1);
            driver.press("down").press("G").press("g");
            driver.mouse(MouseEventKind::ScrollDown, size.0 / 2, size.1 / 2);
            driver.mouse(MouseEventKind::ScrollUp, size.0 / 2, size.1 / 2);
        }
        driver.resize(120, 36);
        assert_eq!(driver.screen().lines().count(), was.lines().count());
        assert_eq!(driver.line(1), was.lines().nth(1).unwrap());
    }
}

const MONKEY: &[&str] = &[
    "j",
    "k",
    "g",
    "G",
    "ctrl-f",
    "ctrl-b",
    "ctrl-d",
    "h",
    "l",
    "enter",
    "esc",
    "tab",
    "shift-tab",
    "/",
    "a",
    ":",
    "'sev",
    "' ",
    "(",
    "\"",
    "<",
    "backspace",
    "space",
    "y",
    "c",
    "b",
    "S",
    "=",
    "C",
    "r",
    "i",
    "w",
    "f",
    "J",
    "K",
    "[",
    "]",
    "1",
    "2",
    "4",
    "5",
    "6",
    "7",
    "!",
    "?",
    "ctrl-a",
    "ctrl-r",
    "ctrl-l",
    "ctrl-u",
    "ctrl-w",
    "left",
    "home",
    "end",
    "delete",
    "pagedown",
    "up",
    "down",
    "ctrl-c",
    "日",
    "\u{301}",
    "resize",
    "click",
    "paste",
    "tick",
];

fn monkey(scene: &Scene, keys: &[usize]) {
    let mut driver = Driver::new(scene.clone(), (100, 30), Begin::default());
    for (n, key) in keys.iter().enumerate() {
        match MONKEY[*key] {
            "resize" => driver.resize(40 + (n as u16 * 37) % 140, 10 + (n as u16 * 13) % 50),
            "click" => driver.click((n as u16 * 29) % 100, (n as u16 * 7) % 30),
            "paste" => driver.paste("age<7d \u{1b}]52;c;AAAA\u{7} \u{202e}x"),
            "tick" => driver.world(|world| world.version += 1),
            key => _ = driver.keys(&[key]),
        }
        let screen = driver.screen();
        assert!(!screen.chars().any(|c| c != '\n' && text::is_hostile(c)), "{screen}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_keys_breaks_anything(keys in prop::collection::vec(0..MONKEY.len(), 60)) {
        static SMALL: std::sync::OnceLock<Scene> = std::sync::OnceLock::new();
        monkey(SMALL.get_or_init(|| Scene::changeable(80)), &keys);
    }
}

/// What is known later and put first is seen by whoever has not moved; a row that somebody stands on is stood on.
#[test]
fn a_list_that_nobody_touched_stays_at_its_top() {
    for moved in [false, true] {
        let mut driver = Driver::demo();
        let estate = Arc::clone(&driver.scene.world.estate);
        let whole = source::facts(&driver.scene.library, estate, &Changed::Everything, now());
        let bare = Facts { standings: Arc::default(), ..whole.clone() };
        driver.world(|world| world.rebuild(&bare));
        driver.keys(&["5"]);
        assert!(driver.shows("Pipelines …") && !driver.shows("can become"), "{}", driver.screen());
        if moved {
            driver.keys(&["j"]);
        }
        driver.world(|world| world.rebuild(&whole));
        let screen = driver.screen();
        let cursor = screen.lines().find(|line| line.starts_with('▌')).unwrap();
        assert_eq!(cursor.contains("yes  "), !moved, "{screen}");
        assert!(driver.shows("Pipelines 14"), "{screen}");
    }
}
