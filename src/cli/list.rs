//! `bartizan list`: the rows of a listing, as a table or as data.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, eyre};
use jiff::Timestamp;

use crate::catalog::export::{Format, Rows};
use crate::catalog::{Listing, ListingId, parse_sort};
use crate::cli::{Done, Global, setup};
use crate::listing::filter;
use crate::listing::query::{Cancel, Query, run};
use crate::listing::schema::FieldId;
use crate::work::sweep::Kind;

/// Options of list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Which rows
    #[arg(value_parser = listing_names())]
    listing: String,
    /// Only rows that match, in the console's filter language: 'severity>=high age<7d'
    #[arg(long, short, default_value = "", value_name = "EXPRESSION")]
    filter: String,
    /// Order: 'severity:desc,age'
    #[arg(long, short, value_name = "FIELDS")]
    sort: Option<String>,
    /// Which fields, in which order; `all` for every one
    #[arg(long, short, value_delimiter = ',', value_name = "FIELDS")]
    columns: Vec<String>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// At most this many rows
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
    Csv,
    Ndjson,
}

fn listing_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(ListingId::ALL.map(|id| id.get().name))
}

impl List {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let id = ListingId::by_name(&self.listing).ok_or_else(|| eyre!("there is no listing {:?}", self.listing))?;
        let listing = id.get();
        let now = Timestamp::now();
        // What is wrong with the question is said before AWS is asked.
        let filter = filter::parse(&self.filter, &listing.schema, now.as_second()).map_err(|e| pointed(&self.filter, &e))?;
        let sort = parse_sort(listing, self.sort.as_deref().unwrap_or(listing.sort)).map_err(|e| eyre!(e))?;
        let fields = self.fields(listing)?;
        let judged = matches!(
            id,
            ListingId::Findings
                | ListingId::Queues
                | ListingId::Accounts
                | ListingId::Principals
                | ListingId::Pipelines
                | ListingId::Resources
        );
        let look = if judged { setup::look_judged } else { setup::look };
        let mut kinds = kinds(id).to_vec();
        // Reading all findings may take long: not for a table of machines that does not tell of them.
        let told = |name: &str| {
            let shown = listing.field(name).is_some_and(|field| fields.contains(&field));
            shown || self.filter.contains(name) || sort.iter().any(|sort| listing.field(name) == Some(sort.field))
        };
        if matches!(id, ListingId::Nodes | ListingId::Instances) && !["findings", "worst"].iter().any(|name| told(name)) {
            kinds.retain(|kind| *kind != Kind::Findings);
        }
        let mut looked = look(global, &kinds)?;
        if matches!(id, ListingId::Exposures | ListingId::Instances | ListingId::Nodes | ListingId::WaysOut) {
            looked.paint(now);
        }
        if id == ListingId::Sessions {
            looked.shelve(global, now)?;
        }
        let index = looked.world.index(id);
        let query = Query { filter, sort, group: None, now: now.as_second() };
        let mut ids = run(index, &query, &Cancel::new()).map(|rows| rows.ids).unwrap_or_default();
        ids.truncate(self.limit.unwrap_or(usize::MAX));
        let rows = Rows { listing, index, ids: &ids, fields: &fields, now };
        let format = match self.output {
            Output::Table => Format::Table,
            Output::Json => Format::Json,
            Output::Csv => Format::Csv,
            Output::Ndjson => Format::Ndjson,
        };
        if self.output == Output::Table && ids.is_empty() {
            eprintln!("No {} match.", listing.many);
            return Ok(looked.done);
        }
        let mut out = BufWriter::new(io::stdout().lock());
        unless_closed(rows.write(format, table_width(), &mut out).and_then(|()| out.flush()))?;
        Ok(looked.done)
    }

    /// Data carries every field, a table the usual columns; both begin with the id where data is wanted.
    fn fields(&self, listing: &Listing) -> Result<Vec<FieldId>> {
        if self.columns.iter().any(|c| c == "all") || (self.columns.is_empty() && self.output != Output::Table) {
            return Ok(listing.columns.iter().map(|c| c.field).collect());
        }
        if self.columns.is_empty() {
            return Ok(listing.columns.iter().filter(|c| c.shown).map(|c| c.field).collect());
        }
        let field = |name: &String| {
            let names = || listing.schema.iter().map(|(_, f)| f.name).collect::<Vec<_>>().join(", ");
            listing.field(name).ok_or_else(|| eyre!("{} have no field {name:?}; there are {}", listing.many, names()))
        };
        self.columns.iter().map(field).collect()
    }
}

/// What has to be asked of AWS for a listing.
fn kinds(listing: ListingId) -> &'static [Kind] {
    match listing {
        // Accounts carry counts of findings and principals.
        ListingId::Accounts => &[Kind::Accounts, Kind::Findings, Kind::Iam],
        // Findings are judged here, too.
        ListingId::Findings | ListingId::Queues => {
            &[Kind::Accounts, Kind::Findings, Kind::Iam, Kind::Network, Kind::Workloads, Kind::Resources]
        }
        ListingId::Decisions => &[],
        // Who runs on a machine can be taken over with it.
        ListingId::Principals | ListingId::Pipelines => &[Kind::Accounts, Kind::Iam, Kind::Network, Kind::Workloads],
        ListingId::AccessKeys | ListingId::Policies | ListingId::Providers => &[Kind::Accounts, Kind::Iam],
        ListingId::Resources => &[Kind::Accounts, Kind::Iam, Kind::Resources],
        // Findings on machines and the roles behind them rank them.
        ListingId::Exposures => &[Kind::Accounts, Kind::Findings, Kind::Network, Kind::Iam],
        ListingId::Vpcs
        | ListingId::Subnets
        | ListingId::RouteTables
        | ListingId::SecurityGroups
        | ListingId::Interfaces
        | ListingId::LoadBalancers
        | ListingId::NetworkAcls
        | ListingId::Gateways
        | ListingId::Connections
        | ListingId::Endpoints
        | ListingId::WaysOut => &[Kind::Accounts, Kind::Network],
        // Roles behind machines rank what gets to them; findings on them are counted.
        ListingId::Nodes => &[Kind::Accounts, Kind::Findings, Kind::Nodes, Kind::Network, Kind::Iam],
        ListingId::Instances => &[Kind::Accounts, Kind::Findings, Kind::Nodes, Kind::Network],
        ListingId::Sessions => &[Kind::Accounts, Kind::Nodes],
        ListingId::Coverage => &Kind::ALL,
    }
}

/// A filter's error with a caret under its place.
fn pointed(text: &str, error: &filter::FilterError) -> color_eyre::eyre::Report {
    let caret = " ".repeat(error.column.saturating_sub(1));
    eyre!("the filter is wrong at column {}: {}\n  {text}\n  {caret}^", error.column, error.message)
}

/// The terminal's width; where output is no terminal, everything fits.
pub(super) fn table_width() -> usize {
    if !io::stdout().is_terminal() {
        return usize::MAX;
    }
    crossterm::terminal::size().map_or(usize::MAX, |(width, _)| usize::from(width))
}

/// `| head` closing the pipe is no error.
pub(super) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
