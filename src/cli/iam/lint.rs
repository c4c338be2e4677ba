//! `iam lint`: what is wrong with policy documents.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use color_eyre::eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::cli::Done;
use crate::cli::list::unless_closed;
use crate::iam::lint::{Kind, Weight, look_over};
use crate::iam::read;
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
    Rcp,
    Resource,
}

impl Attached {
    const fn kind(self) -> Kind {
        match self {
            Self::Managed => Kind::Managed,
            Self::User => Kind::InlineUser,
            Self::Group => Kind::InlineGroup,
            Self::Role => Kind::InlineRole,
            Self::Trust => Kind::Trust,
            Self::Scp => Kind::Scp,
            Self::Rcp => Kind::Rcp,
            Self::Resource => Kind::Resource,
        }
    }
    const fn words(kind: Kind) -> &'static str {
        match kind {
            Kind::Managed => "a managed policy",
            Kind::InlineUser => "a user's inline policy",
            Kind::InlineGroup => "a group's inline policy",
            Kind::InlineRole => "a role's inline policy",
            Kind::Trust => "a role's trust",
            Kind::Scp => "a service control policy",
            Kind::Rcp => "a resource control policy",
            Kind::Resource => "a resource's policy",
        }
    }
}

/// Prints what is wrong with each file. Without a kind, an answer of AWS tells what its document is attached to.
pub(super) fn run(json: bool, files: &[PathBuf], kind: Option<Attached>) -> Result<Done> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut rows, mut done) = (Vec::new(), Done::Whole);
    for file in files {
        let name = file.display();
        let bytes = fs::read(file).wrap_err_with(|| format!("could not read {name}"))?;
        let document = read::text(bytes).wrap_err_with(|| format!("could not read {name}"))?;
        let looked = look_over(&document, kind.map(Attached::kind));
        if let Some(what) = looked.what.as_ref().filter(|_| looked.lints.iter().all(|l| l.id != "no-policy")) {
            let each = looked.kind.map_or_else(
                || "each is looked over as what it is attached to".to_owned(),
                |kind| format!("its document is looked over as {}", Attached::words(kind)),
            );
            let said = format!("{name}: {what}; {each}");
            eprintln!("{}", text::line(&said));
        }
        for l in looked.lints {
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
