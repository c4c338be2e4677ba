//! Every listing: its columns and fields, declared once, shared by screens, command line and exports.
//!
//! A listing is a [`Subject`]: a kind of row, how each field is read from it, and where the rows come from. The rows
//! stand in a `listing` index; what is shown of one row in full is in [`detail`]. Nothing here draws or does I/O.

pub mod accounts;
pub mod coverage;
pub mod decided;
pub mod decisions;
pub mod detail;
pub mod export;
pub mod exposures;
pub mod findings;
pub mod gateways;
pub mod identity;
pub mod machines;
pub mod network;
pub mod nodes;
pub mod queues;
pub mod resources;
pub mod sessions;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::listing::index::Index;
use crate::listing::schema::{Field, FieldId, Kind, Schema};
use crate::listing::segment::{Cell, Segment, SegmentBuilder};
use crate::model::estate::Estate;
use crate::model::finding::FindingKey;
use crate::model::standing::Standings;
use crate::network::picture::Picture;
use crate::text;
use crate::triage::queues::Board;
use crate::triage::sessions::History;

/// Which listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListingId {
    Findings,
    Queues,
    Decisions,
    Accounts,
    Principals,
    AccessKeys,
    Policies,
    Providers,
    Pipelines,
    Resources,
    Exposures,
    Vpcs,
    Subnets,
    RouteTables,
    SecurityGroups,
    Interfaces,
    LoadBalancers,
    NetworkAcls,
    Gateways,
    Connections,
    Endpoints,
    WaysOut,
    Nodes,
    Instances,
    Sessions,
    Coverage,
}

impl ListingId {
    /// Every listing, in the order help shows them.
    pub const ALL: [Self; 26] = [
        Self::Findings,
        Self::Queues,
        Self::Decisions,
        Self::Accounts,
        Self::Principals,
        Self::AccessKeys,
        Self::Policies,
        Self::Providers,
        Self::Pipelines,
        Self::Resources,
        Self::Exposures,
        Self::Vpcs,
        Self::Subnets,
        Self::RouteTables,
        Self::SecurityGroups,
        Self::Interfaces,
        Self::LoadBalancers,
        Self::NetworkAcls,
        Self::Gateways,
        Self::Connections,
        Self::Endpoints,
        Self::WaysOut,
        Self::Nodes,
        Self::Instances,
        Self::Sessions,
        Self::Coverage,
    ];

    /// The declaration.
    pub fn get(self) -> &'static Listing {
        static LISTINGS: LazyLock<Vec<Listing>> = LazyLock::new(|| ListingId::ALL.iter().map(|id| id.declare()).collect());
        &LISTINGS[self as usize]
    }

    fn declare(self) -> Listing {
        match self {
            Self::Findings => Listing::of::<findings::Findings>(self),
            Self::Queues => Listing::of::<queues::Queues>(self),
            Self::Decisions => Listing::of::<decisions::Decisions>(self),
            Self::Accounts => Listing::of::<accounts::Accounts>(self),
            Self::Principals => Listing::of::<identity::Principals>(self),
            Self::AccessKeys => Listing::of::<identity::AccessKeys>(self),
            Self::Policies => Listing::of::<identity::Policies>(self),
            Self::Providers => Listing::of::<identity::Providers>(self),
            Self::Pipelines => Listing::of::<identity::Pipelines>(self),
            Self::Resources => Listing::of::<resources::Resources>(self),
            Self::Exposures => Listing::of::<exposures::Exposures>(self),
            Self::Vpcs => Listing::of::<network::Vpcs>(self),
            Self::Subnets => Listing::of::<network::Subnets>(self),
            Self::RouteTables => Listing::of::<network::RouteTables>(self),
            Self::SecurityGroups => Listing::of::<network::SecurityGroups>(self),
            Self::Interfaces => Listing::of::<network::Interfaces>(self),
            Self::LoadBalancers => Listing::of::<network::LoadBalancers>(self),
            Self::NetworkAcls => Listing::of::<gateways::NetworkAcls>(self),
            Self::Gateways => Listing::of::<gateways::Gateways>(self),
            Self::Connections => Listing::of::<gateways::Connections>(self),
            Self::Endpoints => Listing::of::<gateways::Endpoints>(self),
            Self::WaysOut => Listing::of::<gateways::WaysOut>(self),
            Self::Nodes => Listing::of::<nodes::Nodes>(self),
            Self::Instances => Listing::of::<nodes::Instances>(self),
            Self::Sessions => Listing::of::<sessions::Sessions>(self),
            Self::Coverage => Listing::of::<coverage::CoverageRows>(self),
        }
    }

    /// By the name the command line uses.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|id| id.get().name == name)
    }
}

/// What rows are made from.
#[derive(Debug, Clone)]
pub struct Facts {
    pub estate: Arc<Estate>,
    /// The findings, for counts beside other rows.
    pub findings: Index,
    /// Who has how much to do.
    pub board: Arc<Board>,
    /// The rows of the ledger's entries.
    pub decisions: Index,
    /// What the ledger says of sessions.
    pub history: Arc<History>,
    /// What was judged of principals.
    pub standings: Arc<Standings>,
    /// What the network engine says; none until it has.
    pub network: Option<Arc<Picture>>,
    pub now: Timestamp,
}

/// A field's value in one row, on its way into the index.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    None,
    Text(Cow<'a, str>),
    Set(Vec<Cow<'a, str>>),
    Rank(u8),
    Number(i64),
    Time(Timestamp),
}

impl<'a> Value<'a> {
    /// Text; the empty one is no value.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::None } else { Self::Text(text) }
    }
    pub fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::None, Self::Time)
    }
    pub fn set<T: Into<Cow<'a, str>>>(members: impl IntoIterator<Item = T>) -> Self {
        Self::Set(members.into_iter().map(Into::into).collect())
    }
    /// A field of the kind [`YES_NO`].
    pub fn flag(on: bool) -> Self {
        Self::Rank(u8::from(on))
    }
    pub fn number(n: usize) -> Self {
        Self::Number(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

/// The kind of a field that is true or false.
pub const YES_NO: Kind = Kind::Rank(&["no", "yes"]);

/// One field of a listing: what it is, how it is read from a row, and its column.
pub struct Spec<T> {
    field: Field,
    width: u16,
    grow: bool,
    shown: bool,
    absent: &'static str,
    get: for<'r> fn(&'r T) -> Value<'r>,
}

/// Declares a field; free words look into it unless it is a time, a number or [`Spec::mute`].
pub fn spec<T>(
    name: &'static str,
    title: &'static str,
    kind: Kind,
    width: u16,
    help: &'static str,
    get: for<'r> fn(&'r T) -> Value<'r>,
) -> Spec<T> {
    let search = matches!(kind, Kind::Keyword | Kind::Text | Kind::Set);
    Spec {
        field: Field { name, title, kind, aliases: &[], also: &[], search, natural: false, help },
        width,
        grow: false,
        shown: true,
        absent: "",
        get,
    }
}

impl<T> Spec<T> {
    /// Not a column until the user chooses it.
    pub fn hidden(mut self) -> Self {
        self.shown = false;
        self
    }
    /// Takes what room is left.
    pub fn grow(mut self) -> Self {
        self.grow = true;
        self
    }
    /// What a person reads where a row has no value.
    pub fn absent(mut self, word: &'static str) -> Self {
        self.absent = word;
        self
    }
    /// Sorts with figures in it as numbers: 10.0.0.9 before 10.0.0.10. For keywords and sets.
    pub fn natural(mut self) -> Self {
        self.field.natural = true;
        self
    }
    /// Free words do not look into it.
    pub fn mute(mut self) -> Self {
        self.field.search = false;
        self
    }
    /// Terms on it look into these fields too.
    pub fn also(mut self, fields: &'static [&'static str]) -> Self {
        self.field.also = fields;
        self
    }
    pub fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.field.aliases = aliases;
        self
    }
}

/// A kind of row.
pub trait Subject {
    type Row<'a>;
    /// Name (plural, as on the command line), title, and the words for one and many.
    const NAMES: Names;
    /// Sort to begin with: `severity:desc,age`.
    const SORT: &'static str;
    /// Fields that rows can be grouped by.
    const GROUPS: &'static [&'static str] = &[];
    /// What an empty list says: why it may be empty, and what to do.
    const EMPTY: &'static str;
    /// The same where nothing was read but an account's authorisation details; empty where those tell nothing of such rows.
    const OF_DETAILS: &'static str = "";
    fn specs<'a>() -> Vec<Spec<Self::Row<'a>>>;
    /// Calls `each` with the id and the row of everything there is. Findings come from their own store instead.
    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Self::Row<'a>));
}

/// What a listing is called.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub name: &'static str,
    pub title: &'static str,
    pub one: &'static str,
    pub many: &'static str,
}

/// A declared listing.
pub struct Listing {
    pub id: ListingId,
    pub name: &'static str,
    pub title: &'static str,
    /// `finding`
    pub one: &'static str,
    /// `findings`
    pub many: &'static str,
    pub schema: Arc<Schema>,
    pub columns: Vec<Column>,
    pub sort: &'static str,
    pub groups: &'static [&'static str],
    empty: &'static str,
    of_details: &'static str,
    build: fn(&Arc<Schema>, &Facts) -> Segment,
}

/// A column on screen and in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub field: FieldId,
    /// Least width in cells.
    pub width: u16,
    /// Takes what room is left.
    pub grow: bool,
    /// Shown unless the user chose otherwise.
    pub shown: bool,
    /// Figures stand at the right edge.
    pub right: bool,
    /// What a person reads where a row has no value.
    pub absent: &'static str,
}

impl Listing {
    fn of<S: Subject>(id: ListingId) -> Self {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (n, spec) in S::specs().into_iter().enumerate() {
            let right = matches!(spec.field.kind, Kind::Number | Kind::Age | Kind::Until);
            let field = FieldId(u16::try_from(n).unwrap_or(u16::MAX));
            columns.push(Column { field, width: spec.width, grow: spec.grow, shown: spec.shown, right, absent: spec.absent });
            fields.push(spec.field);
        }
        let Names { name, title, one, many } = S::NAMES;
        let (sort, groups, empty, of_details) = (S::SORT, S::GROUPS, S::EMPTY, S::OF_DETAILS);
        Self {
            id,
            name,
            title,
            one,
            many,
            schema: Arc::new(Schema::new(fields)),
            columns,
            sort,
            groups,
            empty,
            of_details,
            build: build::<S>,
        }
    }

    /// The listing's rows from the estate, as an index of one segment.
    pub fn index(&self, facts: &Facts) -> Index {
        match self.id {
            ListingId::Findings => return facts.findings.clone(),
            ListingId::Decisions => return facts.decisions.clone(),
            _ => {}
        }
        Index::new(Arc::clone(&self.schema)).with(self.name, Arc::new((self.build)(&self.schema, facts)))
    }

    /// What it says where it has no rows: what was never asked for is not said to be absent.
    pub fn when_empty(&self, estate: &Estate) -> String {
        if !estate.is_details() {
            return self.empty.to_owned();
        }
        match self.of_details {
            "" => format!(
                "An answer of aws iam get-account-authorization-details says nothing of {}: whether there are any is not known.",
                self.many
            ),
            words => words.to_owned(),
        }
    }

    /// The field with this name or alias.
    pub fn field(&self, name: &str) -> Option<FieldId> {
        self.schema.field(name)
    }
}

fn build<S: Subject>(schema: &Arc<Schema>, facts: &Facts) -> Segment {
    let mut builder = SegmentBuilder::new(Arc::clone(schema));
    let specs = S::specs();
    S::rows(facts, &mut |id, row| push(&mut builder, &specs, row, row_key(id), 0));
    builder.finish()
}

/// Adds one row to a segment.
pub fn push<T>(builder: &mut SegmentBuilder, specs: &[Spec<T>], row: &T, key: u64, payload: u64) {
    for (n, spec) in specs.iter().enumerate() {
        let field = FieldId(n as u16);
        match (spec.get)(row) {
            Value::None => {}
            Value::Text(text) if matches!(spec.field.kind, Kind::Text) => _ = builder.text(field, &text),
            Value::Text(text) => _ = builder.keyword(field, &text),
            Value::Set(members) => _ = builder.set(field, members.iter().map(AsRef::as_ref)),
            Value::Rank(rank) => _ = builder.rank(field, rank),
            Value::Number(n) => _ = builder.number(field, n),
            Value::Time(time) => _ = builder.time(field, time.as_second()),
        }
    }
    builder.push(key, payload);
}

/// The stable key of a row by its id.
pub fn row_key(id: &str) -> u64 {
    FindingKey::of(&[id]).short()
}

impl Column {
    /// The cell of a row as a person reads it.
    pub fn show(&self, cell: &Cell<'_>, kind: &Kind, now: Timestamp) -> String {
        if matches!(cell, Cell::None) { self.absent.to_owned() } else { show(cell, kind, now) }
    }
}

/// A cell as a person reads it; hostile characters are gone. `kind` tells a time from an age.
pub fn show(cell: &Cell<'_>, kind: &Kind, now: Timestamp) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Text(text) => text::line(text).into_owned(),
        Cell::Set(members) => text::line(&members.replace('\u{1f}', ", ")).into_owned(),
        Cell::Rank(_, word) => (*word).to_owned(),
        Cell::Number(n) => u64::try_from(*n).map_or_else(|_| n.to_string(), text::count),
        Cell::Time(at) if matches!(kind, Kind::Age) => text::span(now.as_second() - at),
        Cell::Time(at) if matches!(kind, Kind::Until) => text::span(at - now.as_second()),
        Cell::Time(at) => {
            Timestamp::from_second(*at).map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%d %H:%M").to_string())
        }
    }
}

/// A comma-separated sort, `severity:desc,age` (or `-severity,age`), as fields and directions.
///
/// # Errors
/// Names the unknown field and the valid ones.
pub fn parse_sort(listing: &Listing, text: &str) -> Result<Vec<crate::listing::query::Sort>, String> {
    let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|part| {
            let (name, descending) = match (part.strip_prefix('-'), part.split_once(':')) {
                (Some(name), _) => (name, true),
                (None, Some((name, "desc"))) => (name, true),
                (None, Some((name, "asc"))) | (None, Some((name, ""))) => (name, false),
                (None, Some((_, way))) => return Err(format!("sort {part:?}: {way:?} is neither asc nor desc")),
                (None, None) => (part, false),
            };
            let field = listing.field(name).ok_or_else(|| {
                let names: Vec<&str> = listing.columns.iter().map(|c| listing.schema.get(c.field).name).collect();
                format!("sort: {} have no field {name:?}; there are {}", listing.many, names.join(", "))
            })?;
            Ok(crate::listing::query::Sort { field, descending })
        })
        .collect()
}
