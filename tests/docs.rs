//! The generated docs are up to date: made anew from the code and held against the files.
//! `BARTIZAN_WRITE_DOCS=1 cargo test --test docs` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bartizan::aws::permissions;
use bartizan::catalog::ListingId;
use bartizan::console::action::ACTIONS;
use bartizan::listing::schema::Kind;

fn check(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("BARTIZAN_WRITE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/{name} is out of date: run `BARTIZAN_WRITE_DOCS=1 cargo test --test docs`");
}

#[test]
fn listings() {
    let mut out = String::from(
        "# Listings and their fields\n\
         Made from `src/catalog`; do not edit. The same names serve the filter language, `--columns`, `--sort`, and JSON and\n\
         CSV. JSON: times are RFC 3339, flags are true or false, sets are lists, no value is null.\n",
    );
    for id in ListingId::ALL {
        let listing = id.get();
        writeln!(out, "\n## {}\n`bartizan list {}`, sorted by `{}`", listing.title, listing.name, listing.sort).unwrap();
        if !listing.groups.is_empty() {
            writeln!(out, "; groups by {}.", listing.groups.join(", ")).unwrap();
        }
        out.push_str("\n| field | also | JSON | what |\n|---|---|---|---|\n");
        for (_, field) in listing.schema.iter() {
            let kind = match field.kind {
                Kind::Keyword | Kind::Text => "text",
                Kind::Set => "list of texts",
                Kind::Rank(words) if words == ["no", "yes"] => "boolean",
                Kind::Rank(_) => "text, one of a closed list",
                Kind::Number => "number",
                Kind::Time | Kind::Age | Kind::Until => "time",
            };
            let help = match field.kind {
                Kind::Rank(words) if words != ["no", "yes"] => format!("{}: {}", field.help, words.join(", ")),
                _ => field.help.to_owned(),
            };
            writeln!(out, "| `{}` | {} | {kind} | {help} |", field.name, field.aliases.join(", ")).unwrap();
        }
    }
    check("listings.md", &out);
}

#[test]
fn keys() {
    let mut out = String::from(
        "# Keys and actions\n\
         Made from `src/console/action.rs`; do not edit. In `config.toml`, `[keys.SCOPE]` binds `\"keys\" = \"action\"`; an empty\n\
         action frees the keys; a sequence is written with blanks, `\"g g\"`.\n\n\
         | scope | keys | action | what |\n|---|---|---|---|\n",
    );
    for row in ACTIONS {
        writeln!(out, "| {} | `{}` | `{}` | {} |", row.scope.word(), row.keys.join("` `"), row.name, row.help).unwrap();
    }
    check("keys.md", &out);
}

#[test]
fn calls() {
    let mut out = String::from(
        "# What is asked of AWS\n\
         Made from the collectors' declarations in `src/aws`; do not edit. `bartizan permissions` prints the policy.\n\n\
         | action | for | where |\n|---|---|---|\n",
    );
    for call in permissions::calls() {
        writeln!(out, "| `{}` | {} | {:?} |", call.action, call.what, call.reach).unwrap();
    }
    check("aws-calls.md", &out);
}
