//! Every action: one row gives its name, help, scope and default keys. Keymap, help, palette and hints come from here.

/// Where a key has its meaning. A context looks into several, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A list of rows.
    List,
    /// A row in full.
    Detail,
    /// A raw document.
    Document,
    /// The answer to a question.
    Answer,
    /// A finding, in a list or open: what can be decided.
    Finding,
    /// An account or a principal: what can be decided of it.
    Owned,
    /// A user or a role: what can be asked of AWS about it.
    Principal,
    /// The lists of IAM, and what is open of them.
    Iam,
    /// A node: what can be opened on it.
    Node,
    /// Whatever may have a machine behind it.
    Machine,
    /// A session that was: what became of it.
    Record,
    /// The list of what is open here.
    Live,
    /// A recording that is played.
    Replay,
    /// The network: lists, open rows and panes.
    Network,
    /// The diagram.
    Diagram,
    /// The trust matrix.
    Matrix,
    /// A question about a way, and its answer.
    Way,
    /// Whatever stands for one row: lists and details.
    Row,
    /// Whatever scrolls.
    Moving,
    Global,
}

impl Action {
    /// How many lines this moves by where `height` of them are seen; none where it moves nowhere.
    pub fn lines(self, height: usize) -> Option<isize> {
        let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
        Some(match self {
            Self::Down => 1,
            Self::Up => -1,
            Self::PageDown => page,
            Self::PageUp => -page,
            Self::HalfDown => page / 2,
            Self::HalfUp => -(page / 2),
            Self::Top => isize::MIN / 2,
            Self::Bottom => isize::MAX / 2,
            _ => return None,
        })
    }
}

impl Scope {
    pub const ALL: [Self; 20] = [
        Self::List,
        Self::Detail,
        Self::Document,
        Self::Answer,
        Self::Finding,
        Self::Owned,
        Self::Principal,
        Self::Iam,
        Self::Node,
        Self::Machine,
        Self::Record,
        Self::Live,
        Self::Replay,
        Self::Network,
        Self::Diagram,
        Self::Matrix,
        Self::Way,
        Self::Row,
        Self::Moving,
        Self::Global,
    ];

    /// As config and help call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Detail => "detail",
            Self::Document => "document",
            Self::Answer => "answer",
            Self::Finding => "finding",
            Self::Owned => "owned",
            Self::Principal => "principal",
            Self::Iam => "iam",
            Self::Node => "node",
            Self::Machine => "machine",
            Self::Record => "record",
            Self::Live => "live",
            Self::Replay => "replay",
            Self::Network => "network",
            Self::Diagram => "diagram",
            Self::Matrix => "matrix",
            Self::Way => "way",
            Self::Row => "row",
            Self::Moving => "moving",
            Self::Global => "global",
        }
    }
}

/// What a key can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Help,
    Palette,
    Problems,
    Refresh,
    StopRefresh,
    Back,
    HistoryBack,
    HistoryForward,
    Suspend,
    Redraw,
    NextTab,
    PreviousTab,
    /// The view with this digit.
    View(u8),
    Down,
    Up,
    PageDown,
    PageUp,
    HalfDown,
    HalfUp,
    Top,
    Bottom,
    Left,
    Right,
    Open,
    Mark,
    MarkAll,
    Filter,
    ClearFilter,
    Sort,
    ReverseSort,
    Columns,
    Group,
    Document,
    Copy,
    Export,
    HopResource,
    HopIdentity,
    HopAccount,
    HopFindings,
    HopExposures,
    Diagram,
    Matrix,
    Way,
    ZoomOut,
    NextLink,
    PreviousLink,
    NextRow,
    PreviousRow,
    Assign,
    AssignNext,
    Note,
    Status,
    Stopped,
    Triage,
    Again,
    Mine,
    MyTeams,
    Unowned,
    Handover,
    /// A session on the machine behind it.
    Session,
    /// A port forward to it.
    Forward,
    /// What is open here.
    OpenHere,
    EndSession,
    Restart,
    Forget,
    /// A session that was left running, once more.
    TakeUp,
    /// A session's recording.
    Replay,
    Pause,
    Faster,
    Slower,
    /// Type a question about identities.
    Ask,
    /// Ask AWS what a principal used.
    AskUse,
    /// Write a policy, or look one over.
    EditPolicy,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub action: Action,
    /// As config and palette call it.
    pub name: &'static str,
    pub help: &'static str,
    /// One or two words for the hint line; empty where it is not hinted.
    pub hint: &'static str,
    pub scope: Scope,
    pub keys: &'static [&'static str],
}

const fn row(
    action: Action,
    name: &'static str,
    scope: Scope,
    keys: &'static [&'static str],
    hint: &'static str,
    help: &'static str,
) -> Row {
    Row { action, name, help, hint, scope, keys }
}

/// Every action. Hints stand in this order.
pub const ACTIONS: &[Row] = &[
    row(Action::Open, "open", Scope::List, &["enter"], "open", "Open the row in full; in a grouped list, the rows of the group"),
    row(Action::Open, "follow", Scope::Detail, &["enter"], "follow", "Go where the chosen link leads"),
    row(Action::NextLink, "next-link", Scope::Detail, &["tab"], "next link", "Choose the next link"),
    row(Action::PreviousLink, "previous-link", Scope::Detail, &["shift-tab"], "", "Choose the previous link"),
    row(Action::NextRow, "next-row", Scope::Detail, &["J"], "next", "Open the next row of the list"),
    row(Action::PreviousRow, "previous-row", Scope::Detail, &["K"], "", "Open the previous row of the list"),
    row(Action::Mark, "mark", Scope::List, &["space"], "mark", "Mark the row, or unmark it, and go down"),
    row(Action::Filter, "filter", Scope::List, &["/"], "filter", "Filter the list"),
    row(
        Action::Assign,
        "assign",
        Scope::Finding,
        &["a"],
        "assign",
        "Assign the finding, or all marked ones, to a team or a person",
    ),
    row(Action::AssignNext, "assign-next", Scope::Finding, &["A"], "assign & next", "Assign, and go on to the next finding"),
    row(Action::Note, "note", Scope::Finding, &["n"], "note", "Write a note"),
    row(Action::Status, "status", Scope::Finding, &["s"], "status", "Set the workflow status"),
    row(
        Action::Triage,
        "triage",
        Scope::Finding,
        &["t"],
        "more",
        "All that can be decided: claim, accept risk, suppress, verdict, due, approve, undo, …",
    ),
    row(Action::Again, "again", Scope::Finding, &["T"], "", "The last decision once more on this one, and go on to the next"),
    row(
        Action::Stopped,
        "stopped",
        Scope::Finding,
        &["X"],
        "",
        "Its decisions that were stopped on their way to Security Hub: send them after all, or drop them",
    ),
    row(Action::Mine, "mine", Scope::Finding, &["m"], "mine", "Only what is assigned to me"),
    row(Action::MyTeams, "my-teams", Scope::Finding, &["M"], "", "Only what my teams own"),
    row(Action::Unowned, "unowned", Scope::Finding, &["U"], "", "Only what nobody owns"),
    row(Action::Assign, "own", Scope::Owned, &["a"], "own", "Give it an owner, whose findings on it then are"),
    row(Action::Note, "note-on", Scope::Owned, &["n"], "note", "Write a note"),
    row(
        Action::AskUse,
        "ask-use",
        Scope::Principal,
        &["u"],
        "used?",
        "Ask AWS which services the user or role used of what it is granted",
    ),
    row(
        Action::EditPolicy,
        "edit-policy",
        Scope::Iam,
        &["W"],
        "write policy",
        "Write a policy from what is to be done with which ARNs; among policies, look the one at hand over",
    ),
    row(Action::Session, "session", Scope::Machine, &["o"], "session", "Open a session on the machine behind it"),
    row(
        Action::Forward,
        "forward",
        Scope::Node,
        &["f"],
        "forward",
        "Forward a port of it, or of a host behind it, to this machine",
    ),
    row(Action::Replay, "play", Scope::Record, &["p"], "play", "Play the session's recording"),
    row(Action::TakeUp, "take-up", Scope::Record, &["R"], "take up", "Go on with a session that was left running"),
    row(Action::EndSession, "end-there", Scope::Record, &["delete", "ctrl-t"], "end", "End the session, wherever it is open"),
    row(Action::Pause, "pause", Scope::Replay, &["space"], "pause", "Stop, or go on; at the end, begin again"),
    row(Action::Left, "seek-back", Scope::Replay, &["left", "h"], "5 s back", "Five seconds back"),
    row(Action::Right, "seek-on", Scope::Replay, &["right", "l"], "5 s on", "Five seconds on"),
    row(Action::Faster, "faster", Scope::Replay, &["+", "="], "faster", "Twice as fast"),
    row(Action::Slower, "slower", Scope::Replay, &["-"], "slower", "Half as fast"),
    row(Action::PageUp, "minute-back", Scope::Replay, &["pageup", "ctrl-b"], "a minute back", "A minute back"),
    row(Action::PageDown, "minute-on", Scope::Replay, &["pagedown", "ctrl-f"], "a minute on", "A minute on"),
    row(Action::Top, "replay-start", Scope::Replay, &["g", "home"], "start", "To the start"),
    row(Action::Bottom, "replay-end", Scope::Replay, &["G", "end"], "end", "To the end"),
    row(Action::Back, "leave-replay", Scope::Replay, &["q", "esc"], "leave", "Leave the recording"),
    row(Action::Open, "attach", Scope::Live, &["enter"], "attach", "Show the session and give it the keyboard"),
    row(Action::EndSession, "end", Scope::Live, &["delete", "ctrl-t"], "end", "End the session or the forward"),
    row(Action::Restart, "restart", Scope::Live, &["R"], "restart", "Start a forward again that has ended"),
    row(Action::Forget, "forget", Scope::Live, &["backspace"], "forget", "Take what has ended off the list"),
    row(Action::NextTab, "next-tab-live", Scope::Live, &["tab"], "", "The next list of this view"),
    row(Action::PreviousTab, "previous-tab-live", Scope::Live, &["shift-tab"], "", "The previous list of this view"),
    row(Action::Open, "zoom-in", Scope::Diagram, &["enter", "+"], "nearer", "Look at the chosen box from nearer"),
    row(Action::ZoomOut, "zoom-out", Scope::Diagram, &["-", "backspace"], "farther", "Look from farther away"),
    row(
        Action::Export,
        "export-diagram",
        Scope::Diagram,
        &["ctrl-s"],
        "export",
        "Write the diagram to a file: .svg, .dot (Graphviz), .mmd (Mermaid) or .txt",
    ),
    row(
        Action::Open,
        "drill",
        Scope::Matrix,
        &["enter"],
        "drill",
        "The accounts behind a field; behind a pair of accounts, the way",
    ),
    row(Action::Open, "ask-again", Scope::Way, &["enter", "/"], "ask again", "Change the question"),
    row(
        Action::Diagram,
        "diagram",
        Scope::Network,
        &["d"],
        "diagram",
        "Draw what is around the row, with its path; in a diagram, the whole organisation",
    ),
    row(Action::Matrix, "matrix", Scope::Network, &["x"], "matrix", "What may flow between environments and between accounts"),
    row(Action::Way, "can-reach", Scope::Network, &["p"], "can reach?", "Can one end reach another, and if not, what stops it"),
    row(
        Action::HopExposures,
        "to-exposures",
        Scope::Row,
        &["e"],
        "exposure",
        "Go to the exposures it is on: what reaches it from outside",
    ),
    row(Action::HopResource, "to-resource", Scope::Row, &["r"], "resource", "Go to the resource behind it"),
    row(Action::HopIdentity, "to-identity", Scope::Row, &["i"], "identity", "Go to the role or user behind it"),
    row(Action::HopAccount, "to-account", Scope::Row, &["w"], "account", "Go to the account it stands in"),
    row(Action::HopFindings, "to-findings", Scope::Row, &["f"], "findings", "Go to the findings on it"),
    row(Action::Document, "document", Scope::Row, &["y"], "raw", "Show the raw document"),
    row(Action::Copy, "copy", Scope::Row, &["c"], "copy", "Copy the id (of all marked rows) to the clipboard"),
    row(Action::Copy, "copy-document", Scope::Document, &["c"], "copy", "Copy the document to the clipboard"),
    row(Action::Open, "follow-answer", Scope::Answer, &["enter"], "follow", "Go where the chosen link leads"),
    row(Action::NextLink, "next-answer-link", Scope::Answer, &["tab"], "next link", "Choose the next link"),
    row(Action::PreviousLink, "previous-answer-link", Scope::Answer, &["shift-tab"], "", "Choose the previous link"),
    row(Action::Document, "answer-document", Scope::Answer, &["y"], "raw", "Show the answer as JSON"),
    row(Action::Copy, "copy-answer", Scope::Answer, &["c"], "copy", "Copy the answer, as JSON, to the clipboard"),
    row(Action::Group, "group", Scope::List, &["b"], "group by", "Group the rows by a field, or stop grouping"),
    row(Action::Sort, "sort", Scope::List, &["S"], "sort", "Choose the field to sort by"),
    row(Action::ReverseSort, "reverse-sort", Scope::List, &["="], "", "Turn the order around"),
    row(Action::Columns, "columns", Scope::List, &["C"], "columns", "Choose the columns"),
    row(Action::MarkAll, "mark-all", Scope::List, &["ctrl-a"], "", "Mark every row the filter selects, or unmark all"),
    row(Action::ClearFilter, "clear-filter", Scope::List, &["backspace"], "", "Take the filter away"),
    row(
        Action::Export,
        "export",
        Scope::List,
        &["ctrl-s"],
        "export",
        "Write the rows shown (or marked) to a file: .csv, .json or .ndjson",
    ),
    row(Action::Down, "down", Scope::Moving, &["j", "down"], "", "One line down"),
    row(Action::Up, "up", Scope::Moving, &["k", "up"], "", "One line up"),
    row(Action::PageDown, "page-down", Scope::Moving, &["ctrl-f", "pagedown"], "", "One page down"),
    row(Action::PageUp, "page-up", Scope::Moving, &["ctrl-b", "pageup"], "", "One page up"),
    row(Action::HalfDown, "half-page-down", Scope::Moving, &["ctrl-d"], "", "Half a page down"),
    row(Action::HalfUp, "half-page-up", Scope::Moving, &["ctrl-u"], "", "Half a page up"),
    row(Action::Top, "top", Scope::Moving, &["g", "home"], "", "To the first line"),
    row(Action::Bottom, "bottom", Scope::Moving, &["G", "end"], "", "To the last line"),
    row(Action::Left, "left", Scope::Moving, &["h", "left"], "", "Columns to the left"),
    row(Action::Right, "right", Scope::Moving, &["l", "right"], "", "Columns to the right"),
    row(Action::NextTab, "next-tab", Scope::List, &["tab"], "", "The next list of this view"),
    row(Action::PreviousTab, "previous-tab", Scope::List, &["shift-tab"], "", "The previous list of this view"),
    row(Action::Back, "back", Scope::Global, &["esc"], "back", "Back one layer"),
    row(Action::HistoryBack, "history-back", Scope::Global, &["["], "", "Where you were before"),
    row(Action::HistoryForward, "history-forward", Scope::Global, &["]"], "", "Forward again"),
    row(Action::Palette, "palette", Scope::Global, &[":"], "", "Type a command; Tab completes"),
    row(Action::Help, "help", Scope::Global, &["?"], "help", "What the keys do here"),
    row(Action::Problems, "problems", Scope::Global, &["!"], "", "What AWS refused or failed to answer"),
    row(Action::Refresh, "refresh", Scope::Global, &["ctrl-r"], "", "Ask AWS again, now"),
    row(Action::StopRefresh, "stop-refresh", Scope::Global, &["ctrl-x"], "", "Stop asking AWS until the next refresh"),
    row(Action::View(1), "overview", Scope::Global, &["1"], "", "Overview: what needs me"),
    row(Action::View(2), "findings", Scope::Global, &["2"], "", "Findings"),
    row(Action::View(3), "queues", Scope::Global, &["3"], "", "Queues: who has how much to do, and what was decided"),
    row(Action::View(4), "accounts", Scope::Global, &["4"], "", "Accounts"),
    row(Action::View(5), "iam", Scope::Global, &["5"], "", "IAM: principals, access keys, policies, providers, pipelines"),
    row(Action::View(6), "network", Scope::Global, &["6"], "", "Network: exposures, VPCs, subnets, groups, interfaces"),
    row(Action::View(7), "sessions", Scope::Global, &["7"], "", "Nodes and sessions"),
    row(Action::OpenHere, "forwards", Scope::Global, &["F"], "", "Sessions and forwards that are open here"),
    row(Action::Ask, "ask", Scope::Global, &["Q"], "", "Ask who can do what, or who can become whom"),
    row(Action::Handover, "handover", Scope::Global, &["H"], "", "Hand-over: what came in, was decided, is overdue in 12 hours"),
    row(Action::Redraw, "redraw", Scope::Global, &["ctrl-l"], "", "Draw the whole screen again"),
    row(Action::Suspend, "suspend", Scope::Global, &["ctrl-z"], "", "Back to the shell; `fg` returns"),
    row(Action::Quit, "quit", Scope::Global, &["q", "ctrl-c"], "", "Leave"),
];

/// The row of an action in a scope (help names differ by scope).
pub fn row_of(name: &str) -> Option<&'static Row> {
    ACTIONS.iter().find(|r| r.name == name)
}
