//! Holds the house to its plan (docs/architecture.md §2): which room may import which.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import. A room may always import itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("listing", &[]),
    ("model", &["text"]),
    ("triage", &["model"]),
    ("iam", &["model", "text"]),
    ("network", &["model", "text"]),
    ("ssm", &[]),
    ("terminal", &[]),
    ("config", &["model", "triage", "network"]),
    ("catalog", &["model", "listing", "text", "triage", "network"]),
    ("world", &["model", "listing", "catalog", "triage", "network"]),
    ("message", &["model", "listing", "terminal", "catalog", "world", "triage", "network"]),
    ("formats", &["model", "text"]),
    ("aws", &["model", "text"]),
    ("cache", &["model", "listing", "text"]),
    ("ledger", &["model", "triage"]),
    ("demo", &["model"]),
    (
        "work",
        &[
            "model", "listing", "text", "terminal", "triage", "iam", "network", "config", "catalog", "world", "message",
            "formats", "aws", "cache", "ledger", "demo", "ssm",
        ],
    ),
    ("console", &["model", "listing", "text", "terminal", "triage", "network", "catalog", "world", "message"]),
    (
        "cli",
        &[
            "model", "listing", "text", "triage", "iam", "network", "config", "catalog", "world", "message", "formats", "aws",
            "cache", "ledger", "demo", "work", "console", "ssm", "terminal",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Crates that a pure room must not touch, by room.
const PURE: &[&str] = &["text", "listing", "model", "triage", "iam", "network", "catalog", "terminal"];
const IMPURE_CRATES: &[&str] = &["tokio", "ratatui", "crossterm", "aws_", "sqlx"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, all: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                all.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    walk(&root, &mut all);
    assert!(all.len() > 50, "the sources were not found");
    all.into_iter().map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text)).collect()
}

fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without its comments and its `#[cfg(test)]` tail.
fn code(text: &str) -> String {
    let tail = text.find("#[cfg(test)]\nmod tests").or_else(|| text.find("#[cfg(test)]\n#[allow"));
    let text = &text[..tail.unwrap_or(text.len())];
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every `crate::a::b` path, as its parts.
fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in a macro is this crate too; `some_crate::` is not.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        all.push(rest[..end].split("::").map(str::to_owned).collect());
    }
    all
}

#[test]
fn rooms_import_only_from_lower_floors() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let here = room(&path);
        let Some(allowed) = rooms.get(here.as_str()) else {
            wrong.push(format!("{}: room {here} is not in the plan", path.display()));
            continue;
        };
        for import in crate_paths(&code(&text)) {
            let there = import[0].as_str();
            if there != here && !allowed.contains(&there) {
                wrong.push(format!("{}: {here} must not import {}", path.display(), import.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nobody_imports_everything() {
    for (path, text) in sources() {
        assert!(!code(&text).contains("use crate::*"), "{}", path.display());
        assert!(!code(&text).contains("use crate::{"), "{}: name the room in every use line", path.display());
    }
}

#[test]
fn widgets_know_no_findings() {
    for (path, text) in sources().into_iter().filter(|(p, _)| p.starts_with("console/widgets")) {
        for import in crate_paths(&code(&text)) {
            let known =
                matches!(import[0].as_str(), "text" | "terminal") || import.starts_with(&["console".into(), "widgets".into()]);
            let theme = import.starts_with(&["console".into(), "theme".into()]);
            assert!(known || theme, "{}: a widget imports {}", path.display(), import.join("::"));
        }
    }
}

#[test]
fn pure_rooms_touch_no_runtime_terminal_or_network() {
    for (path, text) in sources() {
        if !PURE.contains(&room(&path).as_str()) {
            continue;
        }
        for line in code(&text).lines().map(str::trim_start) {
            let words = line.strip_prefix("pub use ").or_else(|| line.strip_prefix("use "));
            let impure = IMPURE_CRATES
                .iter()
                .find(|name| words.is_some_and(|w| w.starts_with(**name)) || line.contains(&format!("{name}::")));
            assert!(impure.is_none(), "{}: {line}", path.display());
        }
        // Addresses are plain data; sockets are not.
        for forbidden in ["std::fs", "TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "std::process", "std::env"] {
            assert!(!code(&text).contains(forbidden), "{}: {forbidden}", path.display());
        }
    }
}

#[test]
fn views_perform_nothing() {
    for (path, text) in sources().into_iter().filter(|(p, _)| p.starts_with("console/views") || p.starts_with("console/app")) {
        for forbidden in ["std::fs", "std::net", "std::process", "tokio::", "std::thread", "std::io"] {
            assert!(!code(&text).contains(forbidden), "{}: {forbidden}", path.display());
        }
    }
}

/// Imports between files have no circle: whoever is imported does not import back, over any number of steps.
#[test]
fn there_are_no_circles_between_rooms() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        let here = room(&path);
        for import in crate_paths(&code(&text)) {
            if import[0] != here {
                edges.entry(here.clone()).or_default().insert(import[0].clone());
            }
        }
    }
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(room) = open.pop() {
            for next in edges.get(&room).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    for from in edges.keys() {
        assert!(!reach(from).contains(from), "{from} imports itself around a corner");
    }
}
