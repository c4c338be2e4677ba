//! What the console asks of `work`, and what comes back. The console decides and draws; it performs nothing.

pub mod keys;
pub mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value as Json;
use tokio::sync::oneshot;

use crate::catalog::ListingId;
use crate::catalog::detail::Detail;
use crate::listing::index::{Index, RowId};
use crate::listing::query::{Query, Rows};
use crate::listing::schema::FieldId;
use crate::message::keys::Keys;
use crate::message::session::Live;
use crate::model::decision::{Decision, Subject};
use crate::model::estate::Estate;
use crate::model::finding::Severity;
use crate::model::guard::Before;
use crate::network::diagram::{Diagram, Zoom};
use crate::network::matrix::Cell;
use crate::network::reach::Answer as Reach;
use crate::world::World;

/// Which asking: answers to an older one in the same slot are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub slot: Slot,
    pub number: u64,
}

/// A place where only the newest asking counts; a newer one cancels the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The rows of a listing in a view.
    Rows(ListingId),
    /// The row that is open in full.
    Detail(ListingId),
    /// The row that is likely to be opened next.
    Ahead(ListingId),
    /// The figures of the overview.
    Overview,
    Export,
    /// The decision that is being made.
    Decision,
    Report,
    /// The question about identities.
    Question,
    /// The policy that is being written.
    Policy,
    /// What a pane of the network asked.
    Network(Pane),
}

/// A pane of the network view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pane {
    Diagram,
    Matrix,
    Way,
}

/// What is asked of the network engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkAsk {
    /// From so near, with the objects of a path pointed out.
    Diagram { zoom: Zoom, path: Vec<String> },
    /// What may flow between environments and between accounts, and what crosses a boundary.
    Matrix,
    /// Can one end reach another, as people write ends and ports.
    Way { from: String, to: String, port: String },
}

/// What the network engine says.
#[derive(Debug, Clone)]
pub enum NetworkSays {
    Diagram(Arc<Diagram>),
    Matrix(Box<Matrix>),
    Way(Box<Reach>),
}

/// The trust matrix.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    pub environments: Vec<Cell>,
    pub accounts: Vec<Cell>,
    /// The environment of each account, by its label.
    pub environment_of: BTreeMap<String, &'static str>,
    /// What crosses boundaries: the boundary's name, and the way in words.
    pub crossings: Vec<(String, String)>,
    /// What in the boundaries means nothing here.
    pub notes: Vec<String>,
    /// Boundaries that are to hold.
    pub boundaries: usize,
}

/// What a policy is to do: ARNs and actions, in words separated by blanks or commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyWish {
    pub list: String,
    pub read: String,
    pub write: String,
    pub tagging: String,
    pub permissions: String,
    /// Actions that take no resource.
    pub plain: String,
    /// Actions to leave out.
    pub without: String,
    /// Roles that are handed to a service, and the services.
    pub pass: String,
    /// Services that may be given the role linked to them.
    pub linked: String,
    /// KMS keys that the data is encrypted with.
    pub keys: String,
    /// What users and roles that are made or changed have as their permissions boundary.
    pub boundary: String,
    /// What every request must carry: `KEY=VALUE`.
    pub only: String,
}

/// What is asked about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyAsk {
    /// Write one from a wish.
    Write(PolicyWish),
    /// Say what is wrong with a document, and what it does beside or short of a wish, where there is one.
    Check { document: String, wish: Option<PolicyWish> },
}

/// What is said of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicySays {
    /// Documents as written: as many as the size limit asks for. None where there was a document, or none can be written.
    pub documents: Vec<String>,
    /// Why none can be written.
    pub error: Option<String>,
    /// What there is to say of the document, in its order.
    pub messages: Vec<PolicyMessage>,
    /// What our evaluator found, in a line; and whether it is as wished.
    pub proof: Option<(String, bool)>,
    /// Characters as AWS counts them, and how many a managed policy may have.
    pub size: (usize, usize),
}

/// Something to say about a place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyMessage {
    /// From 0; column in characters.
    pub line: usize,
    pub column: usize,
    /// How many characters of the line it is about, at least one.
    pub cells: usize,
    /// `error`, `warning` or `note`.
    pub weight: &'static str,
    pub text: String,
}

/// What is to be decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Findings, by their rows' keys.
    Findings(Keys),
    /// An account, a resource or a principal.
    Subject(Subject),
}

/// A decision that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub on: On,
    pub decision: Decision,
    /// Empty where none is given.
    pub reason: String,
}

/// A proposal that was judged: its dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    pub proposal: Proposal,
    /// What will be decided.
    pub will: Vec<Step>,
    /// What will not, by name, and why.
    pub wont: Vec<(String, String)>,
    /// Of `will`: how many by account and severity.
    pub by_account: BTreeMap<String, BTreeMap<Severity, usize>>,
    /// Of `wont`: how many by reason.
    pub reasons: BTreeMap<String, usize>,
    /// Of `will`: how many wait for a second person.
    pub pending: usize,
    /// Rows that went away meanwhile.
    pub gone: usize,
    /// What has to be said before it is carried out: a bulk's number, a guarded account's name.
    pub before: Before,
}

/// One decision of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub subject: Subject,
    /// As people know it.
    pub name: String,
    pub decision: Decision,
    /// The subject's last entry when it was judged.
    pub based_on: u64,
}

/// What became of one decision: where it is now, or why it was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub step: Step,
    pub done: Result<String, String>,
}

impl Default for Proposal {
    fn default() -> Self {
        Self { on: On::Findings(Keys::default()), decision: Decision::Reopen, reason: String::new() }
    }
}

/// Asked of `work`.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Filter, sort and group; answered by [`Answer::Rows`].
    Query { ticket: Ticket, index: Index, query: Query },
    /// One row in full; answered by [`Answer::Detail`].
    Detail { ticket: Ticket, world: Arc<World>, listing: ListingId, row: RowId },
    /// The overview's figures; answered by [`Answer::Overview`].
    Overview { ticket: Ticket, world: Arc<World> },
    /// Write rows to a file; answered by [`Answer::Exported`].
    Export { ticket: Ticket, listing: ListingId, index: Index, rows: Vec<RowId>, fields: Vec<FieldId>, path: PathBuf },
    /// Ask the network engine; answered by [`Answer::Network`].
    Network { ticket: Ticket, world: Arc<World>, ask: NetworkAsk },
    /// Write a diagram to a file; answered by [`Answer::Written`].
    Draw { ticket: Ticket, diagram: Arc<Diagram>, path: PathBuf },
    /// Judge a proposal; answered by [`Answer::Staged`].
    Stage { ticket: Ticket, estate: Arc<Estate>, proposal: Proposal },
    /// Carry out what was staged; answered by [`Answer::Deciding`] as it goes on and [`Answer::Decided`] at the end.
    Decide { ticket: Ticket, estate: Arc<Estate>, staged: Arc<Staged> },
    /// What came in, was decided, is overdue; answered by [`Answer::Report`].
    Handover { ticket: Ticket, world: Arc<World>, since: SignedDuration },
    /// Answer a question about identities, as typed; answered by [`Answer::Detail`].
    Question { ticket: Ticket, estate: Arc<Estate>, text: String },
    /// Ask AWS what a user or role used of what it is granted; what comes is told by [`Outcome::World`] and
    /// [`Outcome::Notice`].
    AskUse { arn: String, estate: Arc<Estate> },
    /// Write or check a policy; answered by [`Answer::Policy`].
    Policy { ticket: Ticket, ask: PolicyAsk },
    /// Write a text to a new file; answered by [`Answer::Written`].
    Save { ticket: Ticket, text: String, path: PathBuf },
    /// What of a finding, by its row's key, was stopped on its way to Security Hub; answered by [`Answer::Stopped`].
    Stopped { ticket: Ticket, key: u64 },
    /// A person's word on a stopped delivery, by its place in the outbox: send it over what stands there, or drop it.
    Resolve { position: i64, send: bool },
    /// Ask AWS again, now.
    Refresh,
    /// Stop asking AWS until the next refresh.
    CancelSweep,
    /// Keep the user's choices for the next start.
    Remember(Json),
    /// About a session or a forward; what comes of it is told by [`Outcome::Live`].
    Session(session::Ask),
}

/// What comes back.
#[derive(Debug)]
pub enum Outcome {
    /// The answer to an asking.
    Answer { ticket: Ticket, answer: Answer },
    /// The world changed.
    World(Arc<World>),
    /// Something worth a line at the foot.
    Notice { text: String, bad: bool },
    /// Something only a person can answer.
    Ask(Question),
    /// The sessions and forwards that are open here, after a change.
    Live(Arc<Live>),
    /// Something new stands on a session's screen.
    Touched,
}

/// A question to the person at the keyboard, such as the code of an MFA device.
pub struct Question {
    pub text: String,
    /// Takes the answer; dropped where the person gives none.
    pub reply: oneshot::Sender<String>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({:?})", self.text)
    }
}

/// The answer to one asking.
#[derive(Debug)]
pub enum Answer {
    /// Rows, and the index they are of.
    Rows {
        index: Index,
        rows: Rows,
    },
    /// A row in full with its raw document, or why it can't be had.
    Detail(Result<Opened, String>),
    Overview(Box<Overview>),
    Staged(Result<Box<Staged>, String>),
    /// So many decisions are made.
    Deciding(usize),
    Decided(Vec<Settled>),
    /// Deliveries that wait for a person, the oldest first.
    Stopped(Result<Vec<Stopped>, String>),
    /// Markdown, or why there is none.
    Report(Result<String, String>),
    /// How many rows, and where; or why not.
    Exported(Result<(usize, PathBuf), String>),
    Network(Result<NetworkSays, String>),
    Policy(Box<PolicySays>),
    /// Where something was written, or why not.
    Written(Result<PathBuf, String>),
}

/// A decision that did not reach Security Hub, and that is not tried again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its place in the outbox.
    pub position: i64,
    /// What was decided.
    pub what: String,
    /// Both sides of a conflict, else what was refused and why.
    pub said: String,
}

/// A row in full.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The row's id.
    pub id: String,
    pub detail: Detail,
    /// As AWS or a file gave it.
    pub document: String,
}

/// The overview's figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    /// Open findings by severity, worst first.
    pub severities: Vec<(&'static str, usize)>,
    /// Accounts with the most open critical and high findings: name, critical, high, open.
    pub accounts: Vec<(String, usize, usize, usize)>,
    /// The same for owners.
    pub owners: Vec<(String, usize, usize, usize)>,
    /// For each of the last 28 days, oldest first: new findings, and findings that were closed.
    pub trend: Vec<(usize, usize)>,
    /// Findings of those days that stood when their account was first judged: they are not among the new ones.
    pub already: usize,
    /// What asks for a person: words, count, and where it leads.
    pub needs: Vec<Need>,
    pub findings: usize,
    pub open: usize,
}

/// One thing that asks for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    pub text: String,
    pub count: usize,
    pub listing: ListingId,
    pub filter: String,
}
