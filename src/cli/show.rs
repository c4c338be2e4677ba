//! `bartizan show`: one thing in full.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, bail};
use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::catalog::detail::{Body, Detail};
use crate::cli::list::{table_width, unless_closed};
use crate::cli::{Done, Global, setup};
use crate::console::widgets::scroller::prose_lines;
use crate::listing::filter;
use crate::listing::query::{Cancel, Query, run};
use crate::message::Opened;
use crate::text;
use crate::work::perform::open;
use crate::work::sweep::Kind;

/// Options of show.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The id or ARN of a finding, an account, a principal, a VPC, a node, …
    id: String,
    /// How to print: text, or the raw document
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Show {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let now = Timestamp::now();
        let mut looked = setup::look(global, &Kind::ALL)?;
        looked.paint(now);
        let mut found = self.find(&looked, now);
        // What is judged of a file takes longest, and is seldom what is asked for.
        if found.is_empty() && global.from.is_some() {
            looked = setup::look_judged(global, &Kind::ALL)?;
            looked.paint(now);
            found = self.find(&looked, now);
        }
        if found.is_empty() {
            bail!(
                "nothing has the id or ARN {:?}; `bartizan list LISTING --filter {:?}` looks for parts of one",
                self.id,
                self.id
            );
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let written = found.iter().try_for_each(|opened| match self.output {
            Output::Json => writeln!(out, "{}", text::block(&opened.document)),
            Output::Text => print(&opened.detail, table_width().min(120), global.ascii, &mut out),
        });
        unless_closed(written.and_then(|()| out.flush()))?;
        Ok(looked.done)
    }
}

impl Show {
    /// Everything that has the id.
    fn find(&self, looked: &setup::Looked, now: Timestamp) -> Vec<Opened> {
        let mut found = Vec::new();
        for listing in ListingId::ALL {
            let schema = &listing.get().schema;
            let Ok(filter) = filter::parse(&filter::exactly("id", &self.id), schema, now.as_second()) else { continue };
            let index = looked.world.index(listing);
            let rows = run(index, &Query { filter, ..Query::default() }, &Cancel::new()).map(|r| r.ids).unwrap_or_default();
            for row in rows {
                match open(&looked.world, &looked.library, listing, row, now) {
                    Ok(opened) => found.push(opened),
                    Err(why) => eprintln!("{why}"),
                }
            }
        }
        found
    }
}

fn print(detail: &Detail, width: usize, ascii: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", text::line(&detail.title))?;
    for section in &detail.sections {
        writeln!(out)?;
        if !section.heading.is_empty() {
            writeln!(out, "{}", text::line(&section.heading))?;
        }
        match &section.body {
            Body::Facts(facts) => {
                let labels = facts.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0);
                for (label, value) in facts {
                    writeln!(out, "  {}  {}", text::pad(&text::line(label), labels, false), text::line(value))?;
                }
            }
            Body::Prose(prose) => {
                prose_lines(prose, width.saturating_sub(2)).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            }
            Body::Code(code) => text::block(code).lines().try_for_each(|line| writeln!(out, "  {line}"))?,
            Body::Graph(drawing) => {
                for line in drawing.lines(width.saturating_sub(2), ascii) {
                    let line: String = line.into_iter().map(|(part, _)| part).collect();
                    writeln!(out, "  {line}")?;
                }
            }
            Body::Ladder(rungs) => {
                for rung in rungs {
                    let mark = if rung.stops { "x" } else { "-" };
                    let back = if rung.back { "back: " } else { "" };
                    writeln!(out, "  {mark} {back}{}", text::line(&rung.place))?;
                    rung.rules.iter().try_for_each(|rule| writeln!(out, "      {}", text::line(rule)))?;
                }
            }
            Body::Bars { parts, rows } => {
                let labels = rows.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0);
                let most = rows.iter().map(|(_, v)| v.iter().sum::<u64>()).max().unwrap_or(0).max(1);
                for (label, values) in rows {
                    let bar = "#".repeat(usize::try_from(values.iter().sum::<u64>() * 24 / most).unwrap_or(0).max(1));
                    let figures = values.iter().zip(parts).filter(|(n, _)| **n > 0).map(|(n, part)| format!("{n} {part}"));
                    let figures = figures.collect::<Vec<_>>().join(", ");
                    writeln!(
                        out,
                        "  {}  {}  {figures}",
                        text::pad(&text::line(label), labels, false),
                        text::pad(&bar, 24, false)
                    )?;
                }
            }
            Body::Table { head, rows } => {
                let cells = |row: &[String]| row.iter().map(|c| text::line(c).into_owned()).collect::<Vec<_>>();
                let all: Vec<Vec<String>> = std::iter::once(cells(head)).chain(rows.iter().map(|r| cells(r))).collect();
                let width = |n: usize| all.iter().filter_map(|r| r.get(n)).map(|c| text::width(c)).max().unwrap_or(0);
                let widths: Vec<usize> = (0..head.len()).map(width).collect();
                for row in &all {
                    let line: String = row.iter().zip(&widths).map(|(c, w)| format!("  {}", text::pad(c, *w, false))).collect();
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
        }
    }
    writeln!(out)
}
