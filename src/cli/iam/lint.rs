//! `iam lint`: what is wrong with policy documents.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use color_eyre::eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::cli::Done;
use crate::cli::list::unless_closed;
use crate::iam::lint::{Kind, Weight, lint};
use crate::text;

/// What a document is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Attached {
    Managed,
    User,
    Group,
    Role,
    Trust,
    Scp,
    Resource,
}

/// Prints what is wrong with each file.
pub(super) fn run(json: bool, files: &[PathBuf], kind: Attached) -> Result<Done> {
    let kind = match kind {
        Attached::Managed => Kind::Managed,
        Attached::User => Kind::InlineUser,
        Attached::Group => Kind::InlineGroup,
        Attached::Role => Kind::InlineRole,
        Attached::Trust => Kind::Trust,
        Attached::Scp => Kind::Scp,
        Attached::Resource => Kind::Resource,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut rows, mut done) = (Vec::new(), Done::Whole);
    for file in files {
        let name = file.display();
        let bytes = fs::read(file).wrap_err_with(|| format!("could not read {name}"))?;
        let document = String::from_utf8(bytes).wrap_err_with(|| format!("{name} is not UTF-8 text"))?;
        for l in lint(&document, kind) {
            if l.weight == Weight::Error {
                done = Done::No;
            }
            if json {
                rows.push(json!({
                    "file": file, "id": l.id, "weight": l.weight.word(), "line": l.line, "column": l.column,
                    "message": l.message,
                }));
            } else {
                let line = format!("{name}:{}:{}: {}: {} [{}]", l.line, l.column, l.weight.word(), l.message, l.id);
                unless_closed(writeln!(out, "{}", text::line(&line)))?;
            }
        }
    }
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?))?;
    }
    unless_closed(out.flush())?;
    Ok(done)
}
