//! One listing on screen: filter, sort, columns, groups, marks, a row in full, hops. It owns what the user chose and
//! asks for rows; filtering and sorting happen elsewhere.

pub(super) mod draw;
mod hops;
mod marks;
mod prompts;
mod rows;

use std::path::PathBuf;
use std::sync::Arc;

use ratatui::layout::{Position, Rect};
use serde_json::{Value as Json, json};

use crate::catalog::{Listing, ListingId, parse_sort};
use crate::console::action::{Action, Scope};
use crate::console::decide::Target;
use crate::console::views::browse::hops::go;
use crate::console::views::browse::marks::Marks;
use crate::console::views::browse::rows::Answered;
use crate::console::views::opened::{Layer, Open};
use crate::console::views::{Context, Location, Request};
use crate::console::widgets::chooser::Chooser;
use crate::console::widgets::input::Input;
use crate::console::widgets::table::Place;
use crate::listing::complete::Completion;
use crate::listing::filter::{self, FilterError, exactly};
use crate::listing::index::{Index, RowId};
use crate::listing::query::{GroupBy, Query, Sort, distinct};
use crate::listing::schema::{FieldId, Kind};
use crate::listing::segment::Cell;
use crate::message::keys::Keys;
use crate::message::{Answer, Effect, On, Opened, Slot, Ticket};
use crate::model::decision::{Subject, person};
use crate::text;
use crate::world::World;

/// Most ids that go to the clipboard at once: more is a file's work.
const MOST_COPIED: usize = 10_000;

/// A list and all the user did to it.
pub struct Browse {
    listing: &'static Listing,
    filter: String,
    error: Option<FilterError>,
    sort: Vec<Sort>,
    columns: Vec<FieldId>,
    group: Option<FieldId>,
    outline: Option<FieldId>,
    answered: Option<Answered>,
    asked: Option<Ticket>,
    place: Place,
    first_column: usize,
    marks: Marks,
    /// The row to stand on when the next answer comes.
    stand_on: Option<u64>,
    /// Whether the next answer leaves the cursor on its row.
    stay: bool,
    /// Whether the cursor was moved, or something was done with the row under it: else the list stays at its top, whatever comes there.
    moved: bool,
    open: Option<(Open, Option<Ticket>)>,
    /// The row after the open one, by key, read while the open one is.
    ahead: Option<(u64, Ticket, Option<Opened>)>,
    prompt: Option<Prompt>,
    choosing: Option<(Choice, Chooser)>,
    /// Groups that were drilled into: the filter and the group's field before, and where the cursor was.
    drilled: Vec<(String, FieldId, Place)>,
    drawn: draw::Drawn,
}

enum Prompt {
    Filter { input: Input, before: String, completions: Vec<Completion>, chosen: Option<usize> },
    Export { input: Input },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Sort,
    Columns,
    Group,
}

impl Browse {
    /// The listing with its own sort and columns, and a filter to begin with.
    pub fn new(listing: ListingId, filter: &str) -> Self {
        let listing = listing.get();
        Self {
            listing,
            filter: filter.to_owned(),
            error: None,
            sort: parse_sort(listing, listing.sort).unwrap_or_default(),
            columns: listing.columns.iter().filter(|c| c.shown).map(|c| c.field).collect(),
            group: None,
            outline: None,
            answered: None,
            asked: None,
            place: Place::default(),
            first_column: 0,
            marks: Marks::default(),
            stand_on: None,
            stay: true,
            moved: false,
            open: None,
            ahead: None,
            prompt: None,
            choosing: None,
            drilled: Vec::new(),
            drawn: draw::Drawn::default(),
        }
    }

    pub fn listing(&self) -> ListingId {
        self.listing.id
    }

    /// Shows the field's values as lines above the rows, while the rows are sorted by it.
    pub fn outline_by(&mut self, field: &str) {
        self.outline = self.listing.field(field);
    }

    pub fn scopes(&self) -> &'static [Scope] {
        match &self.open {
            // A group stands for no single row, and an empty list has none.
            None if self.group.is_some() || self.answered.as_ref().is_none_or(|a| a.line_count() == 0) => {
                &[Scope::List, Scope::Moving, Scope::Global]
            }
            // A queue leads to its findings and nowhere else.
            None if self.listing.id == ListingId::Queues => &[Scope::List, Scope::Moving, Scope::Global],
            None => match self.decides() {
                Some(Scope::Finding) => &[Scope::List, Scope::Finding, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(Scope::Node) => &[Scope::List, Scope::Node, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(Scope::Machine) => &[Scope::List, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(Scope::Record) => &[Scope::List, Scope::Record, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(_) => &[Scope::List, Scope::Owned, Scope::Row, Scope::Moving, Scope::Global],
                None => &[Scope::List, Scope::Row, Scope::Moving, Scope::Global],
            },
            Some((open, _)) if open.layer == Layer::Detail => match self.decides() {
                Some(Scope::Finding) => {
                    &[Scope::Detail, Scope::Finding, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global]
                }
                Some(Scope::Node) => &[Scope::Detail, Scope::Node, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(Scope::Machine) => &[Scope::Detail, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(Scope::Record) => &[Scope::Detail, Scope::Record, Scope::Machine, Scope::Row, Scope::Moving, Scope::Global],
                Some(_) => &[Scope::Detail, Scope::Owned, Scope::Row, Scope::Moving, Scope::Global],
                None => &[Scope::Detail, Scope::Row, Scope::Moving, Scope::Global],
            },
            Some(_) => &[Scope::Document, Scope::Moving, Scope::Global],
        }
    }

    /// What can be decided on these rows, or done with them.
    fn decides(&self) -> Option<Scope> {
        match self.listing.id {
            ListingId::Findings => Some(Scope::Finding),
            ListingId::Accounts | ListingId::Principals => Some(Scope::Owned),
            ListingId::Nodes => Some(Scope::Node),
            ListingId::Instances | ListingId::Interfaces => Some(Scope::Machine),
            ListingId::Sessions => Some(Scope::Record),
            _ => None,
        }
    }

    /// The marked rows, or the one under the cursor, as something to decide on: who does is on that row and stays there.
    pub fn target(&mut self, world: &World) -> Option<Target> {
        self.moved = true;
        let answered = self.answered.as_ref()?;
        let (index, row) = self.row_here()?;
        let id = self.text_of(index, row, "id");
        let (on, count, name) = match self.listing.id {
            ListingId::Findings => {
                let keys = if self.marks.is_empty() {
                    Keys::from(index.key(row).into_iter().collect::<Vec<u64>>())
                } else if self.marks.are_all(&answered.index, &answered.rows) {
                    Keys::of(&answered.index, &answered.rows)
                } else {
                    Keys::from(self.marked(answered).into_iter().filter_map(|row| index.key(row)).collect::<Vec<u64>>())
                };
                let count = keys.count();
                (On::Findings(keys), count, self.text_of(index, row, "title"))
            }
            ListingId::Accounts => (On::Subject(Subject::Account(id.clone())), 1, world.estate.account_label(&id).to_owned()),
            ListingId::Principals => (On::Subject(Subject::Principal(id)), 1, self.text_of(index, row, "name")),
            _ => return None,
        };
        let findings = world.index(ListingId::Findings);
        let known = |field: &str| -> Vec<String> {
            let Some(field) = findings.schema().field(field) else { return Vec::new() };
            let mut names: Vec<String> = distinct(findings, field, 500).into_iter().map(|(name, _)| name).collect();
            names.retain(|n| n != "unowned");
            names.sort_unstable();
            names
        };
        let mut teams: Vec<String> = world.policy.teams.keys().cloned().chain(known("owner")).collect();
        teams.sort_unstable();
        teams.dedup();
        Some(Target { on, count, name, teams, people: known("assignee") })
    }

    pub fn is_deep(&self) -> bool {
        self.open.is_some()
            || !self.drilled.is_empty()
            || self.group.is_some()
            || !self.marks.is_empty()
            || !self.filter.is_empty()
    }

    pub fn location(&self) -> Location {
        Location { listing: self.listing.id, filter: self.filter.clone(), row: self.key_here() }
    }

    /// Shows the rows of a place.
    pub fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request> {
        self.filter.clone_from(&to.filter);
        self.group = None;
        self.drilled.clear();
        self.open = None;
        self.prompt = None;
        self.choosing = None;
        self.place = Place::default();
        self.stand_on = to.row;
        self.ask(cx)
    }

    /// Asks for the same rows anew: the cursor stays on its row.
    pub fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        self.ask_for_rows(cx)
    }

    /// Reads the open row again, where it is on screen.
    pub fn reread(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let Some((open, asked)) = &mut self.open else { return Vec::new() };
        let Some(row) = cx.world.index(self.listing.id).find(open.key) else { return Vec::new() };
        let ticket = cx.tickets.take(Slot::Detail(self.listing.id));
        *asked = Some(ticket);
        vec![Request::Effect(Effect::Detail { ticket, world: Arc::clone(cx.world), listing: self.listing.id, row })]
    }

    /// Asks for other rows: the cursor begins at the top.
    fn ask(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        (self.stay, self.moved) = (false, false);
        self.ask_for_rows(cx)
    }

    fn ask_for_rows(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let now = cx.now.as_second();
        let filter = match filter::parse(&self.filter, &self.listing.schema, now) {
            Ok(filter) => filter,
            Err(error) => {
                self.error = Some(error);
                return Vec::new();
            }
        };
        self.error = None;
        let query = Query { filter, sort: self.sort.clone(), group: self.group.map(|field| self.group_by(field)), now };
        let ticket = cx.tickets.take(Slot::Rows(self.listing.id));
        self.asked = Some(ticket);
        vec![Request::Effect(Effect::Query { ticket, index: cx.world.index(self.listing.id).clone(), query })]
    }

    fn group_by(&self, field: FieldId) -> GroupBy {
        GroupBy { field, oldest: self.listing.field("age"), worst: self.listing.field("severity") }
    }

    pub fn answer(&mut self, ticket: Ticket, answer: Answer) {
        match answer {
            Answer::Rows { index, rows } if self.asked == Some(ticket) => {
                let stays = self.stay && (self.moved || self.open.is_some());
                let stand_on = self.stand_on.take().or_else(|| if stays { self.key_here() } else { None });
                if !stays {
                    self.place = Place::default();
                }
                self.moved |= stand_on.is_some();
                self.stay = true;
                let outline = self.outline.filter(|f| self.group.is_none() && self.sort.first().is_some_and(|s| s.field == *f));
                let answered = Answered::new(index, rows, outline);
                if let Some(line) = stand_on.and_then(|key| answered.line_of(key)) {
                    // The row stays where it is on screen while rows come and go around it.
                    let above = self.place.cursor.saturating_sub(self.place.offset);
                    self.place = Place { cursor: line, offset: line.saturating_sub(above) };
                }
                answered.skip_headings(&mut self.place, true);
                self.answered = Some(answered);
            }
            Answer::Detail(content) => {
                if let Some((open, asked)) = &mut self.open
                    && *asked == Some(ticket)
                {
                    open.content = Some(content);
                } else if let (Some((_, asked, ahead)), Ok(content)) = (&mut self.ahead, content)
                    && *asked == ticket
                {
                    *ahead = Some(content);
                }
            }
            Answer::Rows { .. }
            | Answer::Overview(_)
            | Answer::Exported(_)
            | Answer::Staged(_)
            | Answer::Deciding(_)
            | Answer::Decided(_)
            | Answer::Stopped(_)
            | Answer::Report(_)
            | Answer::Network(_)
            | Answer::Policy(_)
            | Answer::Written(_) => {}
        }
    }

    fn row_here(&self) -> Option<(&Index, RowId)> {
        let answered = self.answered.as_ref()?;
        if self.group.is_some() {
            return None;
        }
        Some((&answered.index, answered.row(self.place.cursor)?))
    }

    /// The id of the chosen row.
    pub fn id_here(&self) -> Option<String> {
        let (index, row) = self.row_here()?;
        Some(self.text_of(index, row, "id"))
    }

    fn key_here(&self) -> Option<u64> {
        let (index, row) = self.row_here()?;
        index.key(row)
    }

    fn text_of(&self, index: &Index, row: RowId, field: &str) -> String {
        match self.listing.field(field).map(|f| index.cell(row, f)) {
            Some(Cell::Text(text)) => text.into_owned(),
            _ => String::new(),
        }
    }

    pub fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let Some((open, _)) = &mut self.open
            && open.act(action)
        {
            return Some(Vec::new());
        }
        let nothing = Some(Vec::new());
        match action {
            Action::Down
            | Action::Up
            | Action::PageDown
            | Action::PageUp
            | Action::HalfDown
            | Action::HalfUp
            | Action::Top
            | Action::Bottom => {
                self.step(action);
                nothing
            }
            Action::NextRow | Action::PreviousRow => {
                let step = if action == Action::NextRow { Action::Down } else { Action::Up };
                self.step(step);
                let layer = self.open.as_ref().map(|(open, _)| open.layer);
                Some(layer.map_or_else(Vec::new, |layer| self.open_here(layer, cx)))
            }
            Action::Left => {
                self.first_column = self.first_column.saturating_sub(1);
                nothing
            }
            Action::Right => {
                self.first_column = (self.first_column + 1).min(self.columns.len().saturating_sub(1));
                nothing
            }
            Action::Open => Some(self.enter(cx)),
            Action::Back => self.back(cx),
            Action::Document => Some(self.document(cx)),
            Action::Mark => {
                if let (Some(answered), None) = (&self.answered, self.group)
                    && let Some(row) = answered.row(self.place.cursor)
                {
                    self.marks.toggle(&answered.index, &answered.rows, row);
                }
                self.step(Action::Down);
                nothing
            }
            Action::MarkAll => {
                self.mark_all();
                nothing
            }
            Action::Filter => {
                self.prompt = Some(Prompt::Filter {
                    input: Input::new(self.filter.clone()),
                    before: self.filter.clone(),
                    completions: Vec::new(),
                    chosen: None,
                });
                nothing
            }
            Action::ClearFilter => {
                self.filter.clear();
                self.drilled.clear();
                Some(self.ask(cx))
            }
            Action::Sort => {
                self.choose_sort();
                nothing
            }
            Action::ReverseSort => {
                if let Some(first) = self.sort.first_mut() {
                    first.descending = !first.descending;
                }
                let mut requests = self.ask(cx);
                requests.push(Request::Remember);
                Some(requests)
            }
            Action::Columns => {
                self.choose_columns();
                nothing
            }
            Action::Group => {
                self.choose_group();
                nothing
            }
            Action::Copy => {
                self.moved = true;
                Some(self.copy())
            }
            Action::Export => {
                let name = format!("{}-{}.csv", self.listing.name, cx.now.strftime("%Y%m%d-%H%M"));
                self.prompt = Some(Prompt::Export { input: Input::new(name) });
                nothing
            }
            Action::Mine | Action::MyTeams | Action::Unowned => Some(self.narrow(action, cx)),
            Action::HopResource | Action::HopIdentity | Action::HopAccount | Action::HopFindings => {
                Some(self.hop(action, cx.world))
            }
            Action::HopExposures => Some(self.hop_exposures(cx.world)),
            _ => None,
        }
    }

    /// Only what is mine, my teams', or nobody's; the same key again shows all.
    fn narrow(&mut self, action: Action, cx: &mut Context<'_>) -> Vec<Request> {
        let caller = cx.world.estate.caller.as_ref().map_or("", |c| c.arn.as_str());
        let filter = match action {
            Action::Mine if caller.is_empty() => return vec![Request::Notice("Nobody is signed in to AWS.".into(), true)],
            Action::Mine => exactly("assignee", person(caller)),
            Action::MyTeams => {
                let teams: Vec<String> = cx.world.policy.teams_of(caller).map(|(name, _)| filter::quote(name)).collect();
                if teams.is_empty() {
                    let words = "You are in no team: [triage.teams] in the configuration names teams and their members.";
                    return vec![Request::Notice(words.into(), true)];
                }
                format!("owner={}", teams.join(","))
            }
            _ => "owner:unowned".to_owned(),
        };
        self.filter = if self.filter == filter { String::new() } else { filter };
        self.drilled.clear();
        self.ask(cx)
    }

    fn step(&mut self, action: Action) {
        let Some(answered) = &self.answered else { return };
        let lines = answered.line_count();
        let Some(by) = action.lines(self.drawn.height) else { return };
        self.moved = true;
        self.place.cursor = self.place.cursor.saturating_add_signed(by).min(lines.saturating_sub(1));
        // At an end there is no further heading to skip in the direction that led there.
        let down = if matches!(action, Action::Top | Action::Bottom) { by < 0 } else { by > 0 };
        answered.skip_headings(&mut self.place, down);
    }

    fn mark_all(&mut self) {
        let Some(answered) = &self.answered else { return };
        if self.marks.is_empty() {
            self.marks.mark_all(&answered.index, &answered.rows);
        } else {
            self.marks.clear();
        }
    }

    /// `enter`: the group's rows, the chosen link, or the row in full.
    fn enter(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        if let Some((open, _)) = &self.open {
            return open.link().map(go).into_iter().collect();
        }
        if let Some(field) = self.group {
            let Some(group) = self.answered.as_ref().and_then(|a| a.rows.groups.get(self.place.cursor)) else {
                return Vec::new();
            };
            let name = self.listing.schema.get(field).name;
            let instant = matches!(self.listing.schema.get(field).kind, Kind::Time | Kind::Age | Kind::Until);
            let term = if instant { format!("{name}:{}", group.value) } else { exactly(name, &group.value) };
            self.drilled.push((self.filter.clone(), field, self.place));
            self.filter = if self.filter.is_empty() { term } else { format!("({}) {term}", self.filter) };
            self.group = None;
            self.place = Place::default();
            self.answered = None;
            return self.ask(cx);
        }
        self.open_here(Layer::Detail, cx)
    }

    fn open_here(&mut self, layer: Layer, cx: &mut Context<'_>) -> Vec<Request> {
        let Some((index, row)) = self.row_here() else { return Vec::new() };
        if self.listing.id == ListingId::Queues {
            // A queue is what stands in it.
            let name = self.text_of(index, row, "name");
            let whose = match index.cell(row, self.listing.field("kind").unwrap_or(FieldId(0))) {
                Cell::Rank(0, _) => "assignee",
                _ => "owner",
            };
            let filter = format!("{} open:yes", exactly(whose, &name));
            return vec![Request::Go(Location { listing: ListingId::Findings, filter, row: None })];
        }
        let Some(key) = index.key(row) else { return Vec::new() };
        // The row's place holds in the index it was found in; the world's own may have moved on.
        let Some(row) = cx.world.index(self.listing.id).find(key) else {
            return vec![Request::Notice(
                format!("This {} is gone: it went away with the last refresh.", self.listing.one),
                true,
            )];
        };
        let ticket = cx.tickets.take(Slot::Detail(self.listing.id));
        let straight = self.open.as_ref().is_none_or(|(open, _)| open.straight);
        let mut open = Open::new(key, layer);
        open.straight &= straight;
        // Shown at once where it was read ahead; what changed since comes with the answer.
        open.content = self.ahead.take().filter(|(of, ..)| *of == key).and_then(|(_, _, content)| content).map(Ok);
        self.open = Some((open, Some(ticket)));
        let world = &cx.world;
        let detail = |ticket, row| Effect::Detail { ticket, world: Arc::clone(world), listing: self.listing.id, row };
        let mut requests = vec![Request::Effect(detail(ticket, row))];
        let after = self.answered.as_ref().and_then(|a| a.index.key(a.row(self.place.cursor + 1)?));
        if let Some((key, row)) = after.and_then(|key| Some((key, world.index(self.listing.id).find(key)?))) {
            let ticket = cx.tickets.take(Slot::Ahead(self.listing.id));
            requests.push(Request::Effect(detail(ticket, row)));
            self.ahead = Some((key, ticket, None));
        }
        requests
    }

    fn document(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        match &mut self.open {
            Some((open, _)) => {
                open.layer = Layer::Document;
                Vec::new()
            }
            None => self.open_here(Layer::Document, cx),
        }
    }

    /// `esc`: back one layer; none where this is the first.
    fn back(&mut self, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let Some((open, _)) = &mut self.open {
            if open.layer == Layer::Document && !open.straight {
                open.layer = Layer::Detail;
            } else {
                self.open = None;
            }
            return Some(Vec::new());
        }
        if !self.marks.is_empty() {
            self.marks.clear();
            return Some(Vec::new());
        }
        if let Some((filter, field, place)) = self.drilled.pop() {
            self.filter = filter;
            self.group = Some(field);
            self.answered = None;
            (self.place, self.moved) = (place, true);
            return Some(self.refresh(cx));
        }
        if self.group.take().is_some() {
            self.answered = None;
            self.place = Place::default();
            return Some(self.ask(cx));
        }
        if !self.filter.is_empty() {
            self.filter.clear();
            return Some(self.ask(cx));
        }
        None
    }

    /// The marked ones of the rows shown, in their order.
    fn marked(&self, answered: &Answered) -> Vec<RowId> {
        self.marks.of(&answered.index, &answered.rows)
    }

    fn copy(&self) -> Vec<Request> {
        if let Some((open, _)) = &self.open
            && let Some(opened) = open.opened()
        {
            let what = if open.layer == Layer::Document { &opened.document } else { &opened.id };
            let said = if open.layer == Layer::Document { "document".to_owned() } else { opened.id.clone() };
            return vec![Request::Copy(what.clone()), Request::Notice(format!("Copied: {said}"), false)];
        }
        let Some(answered) = &self.answered else { return Vec::new() };
        let rows: Vec<RowId> =
            if self.marks.is_empty() { self.row_here().map(|(_, row)| row).into_iter().collect() } else { self.marked(answered) };
        if rows.len() > MOST_COPIED {
            let words =
                format!("{} ids are too many for a clipboard: ctrl-s writes them to a file.", text::count(rows.len() as u64));
            return vec![Request::Notice(words, true)];
        }
        let ids: Vec<String> = rows.into_iter().map(|row| self.text_of(&answered.index, row, "id")).collect();
        let said = match ids.as_slice() {
            [] => return Vec::new(),
            [one] => format!("Copied: {one}"),
            many => format!("Copied: {} ids", many.len()),
        };
        vec![Request::Copy(ids.join("\n")), Request::Notice(said, false)]
    }

    fn export(&mut self, path: PathBuf, cx: &mut Context<'_>) -> Vec<Request> {
        let Some(answered) = &self.answered else { return Vec::new() };
        let rows = if self.marks.is_empty() { answered.rows.ids.to_vec() } else { self.marked(answered) };
        let mut fields: Vec<FieldId> = ["id"].iter().filter_map(|f| self.listing.field(f)).collect();
        fields.extend(self.columns.iter().filter(|c| !fields.contains(c)).copied().collect::<Vec<_>>());
        let ticket = cx.tickets.take(Slot::Export);
        let index = answered.index.clone();
        vec![Request::Effect(Effect::Export { ticket, listing: self.listing.id, index, rows, fields, path })]
    }

    // ---- the mouse, and what is remembered ----

    pub fn mouse(&mut self, at: Position, body: Rect, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        if wheel != 0 {
            let action = if wheel > 0 { Action::Down } else { Action::Up };
            for _ in 0..wheel.unsigned_abs() {
                match &mut self.open {
                    Some((open, _)) => _ = open.act(action),
                    None => self.step(action),
                }
            }
            return Vec::new();
        }
        if self.open.is_some() || self.prompt.is_some() || self.choosing.is_some() {
            return Vec::new();
        }
        let first = body.y + self.drawn.first_row;
        if at.y < first {
            return Vec::new();
        }
        let line = self.place.offset + usize::from(at.y - first);
        if line == self.place.cursor && self.answered.as_ref().is_some_and(|a| line < a.line_count()) {
            return self.enter(cx);
        }
        if let Some(answered) = self.answered.as_ref().filter(|a| line < a.line_count()) {
            (self.place.cursor, self.moved) = (line, true);
            answered.skip_headings(&mut self.place, true);
        }
        Vec::new()
    }

    pub fn choices(&self) -> Json {
        let name = |f: FieldId| self.listing.schema.get(f).name;
        let sort = |s: &Sort| format!("{}:{}", name(s.field), if s.descending { "desc" } else { "asc" });
        json!({
            "columns": self.columns.iter().map(|c| name(*c)).collect::<Vec<_>>(),
            "sort": self.sort.iter().map(sort).collect::<Vec<_>>().join(","),
        })
    }

    pub fn choose(&mut self, choices: &Json) {
        let names = choices["columns"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let columns: Vec<FieldId> = names.filter_map(|n| self.listing.field(n)).collect();
        if !columns.is_empty() {
            self.columns = columns;
        }
        if let Some(sort) = choices["sort"].as_str().and_then(|s| parse_sort(self.listing, s).ok()).filter(|s| !s.is_empty()) {
            self.sort = sort;
        }
    }
}
