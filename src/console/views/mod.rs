//! The views: one file each. Tabs, keys, help and snapshots iterate [`VIEWS`].
//!
//! A view holds state, turns actions into requests, and draws. It performs nothing.

pub mod accounts;
pub mod browse;
pub mod coverage;
pub mod findings;
pub mod iam;
pub mod lists;
pub mod network;
pub mod opened;
pub mod overview;
pub mod queues;
pub mod sessions;

use std::sync::Arc;

use crossterm::event::KeyEvent;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use serde_json::Value as Json;

use crate::catalog::ListingId;
use crate::console::action::Action;
use crate::console::action::Scope;
use crate::console::decide::Target;
use crate::console::screen::Scroll;
use crate::console::theme::Theme;
use crate::console::tickets::Tickets;
use crate::message::session::{Live, LiveId};
use crate::message::{Answer, Effect, Ticket};
use crate::model::node::Machine;
use crate::world::World;

/// A view as tabs, palette and tests know it.
pub struct Declared {
    /// The digit that opens it; none for those behind another key.
    pub digit: Option<u8>,
    pub name: &'static str,
    pub title: &'static str,
    /// The listings it shows: hops to them land here.
    pub listings: &'static [ListingId],
    pub make: fn() -> Box<dyn View>,
}

/// Every view, in the order of the tabs.
pub const VIEWS: &[Declared] = &[
    overview::DECLARED,
    findings::DECLARED,
    queues::DECLARED,
    accounts::DECLARED,
    iam::DECLARED,
    network::DECLARED,
    sessions::DECLARED,
    coverage::DECLARED,
];

/// What a view may look at.
pub struct Context<'a> {
    pub world: &'a Arc<World>,
    /// Sessions and forwards that are open here.
    pub live: &'a Arc<Live>,
    /// The whole terminal.
    pub screen: Rect,
    pub now: Timestamp,
    pub tickets: &'a mut Tickets,
}

/// Where a view stands in the frame: below header and tabs, above the line and the foot.
pub fn inside_frame(screen: Rect) -> Rect {
    Rect { y: screen.y + 2, height: screen.height.saturating_sub(4), ..screen }
}

/// A place to go: rows of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub listing: ListingId,
    pub filter: String,
    /// The row to stand on.
    pub row: Option<u64>,
}

/// What a view wants done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made one at a time and taken at once")]
pub enum Request {
    Effect(Effect),
    Go(Location),
    Copy(String),
    /// A line at the foot; whether it is bad news.
    Notice(String, bool),
    /// The user's choices changed: keep them.
    Remember,
}

/// What a view draws into.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    pub now: Timestamp,
    pub world: &'a Arc<World>,
    pub live: &'a Arc<Live>,
    /// Where the terminal's cursor shows, if anywhere.
    pub cursor: Option<Position>,
    /// Rows that moved as a block since the last frame.
    pub scroll: Option<Scroll>,
}

/// A session that somebody wants to go on with.
pub struct Left {
    pub machine: Machine,
    /// AWS's id.
    pub session: String,
    /// What it was opened for.
    pub reason: String,
    /// Whether that can be done on this machine; else why not.
    pub here: Result<(), String>,
}

/// A view.
pub trait View {
    /// Where keys have their meaning now, nearest first.
    fn scopes(&self) -> &'static [Scope];
    /// A key while something is being typed; none where nothing is, and the key goes to the keymap.
    fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>>;
    /// Pasted text, to wherever something is being typed.
    fn pasted(&mut self, text: &str, cx: &mut Context<'_>) -> Vec<Request>;
    /// An action; `None` where it means nothing here.
    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>>;
    /// The answer to an asking of this view.
    fn answer(&mut self, ticket: Ticket, answer: Answer, cx: &mut Context<'_>) -> Vec<Request>;
    /// The view came on screen, or the world changed under it.
    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request>;
    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>);
    /// Rows of a listing to show.
    fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request>;
    /// Where it stands, to come back to.
    fn location(&self) -> Option<Location>;
    /// A click or a turn of the wheel at a place.
    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request>;
    /// The mouse moved with its button down, or was let go of.
    fn drag(&mut self, _at: Position, _released: bool, _cx: &mut Context<'_>) -> Vec<Request> {
        Vec::new()
    }
    /// The user's choices, to remember.
    fn choices(&self) -> Json;
    /// Takes remembered choices; what does not fit is left.
    fn choose(&mut self, choices: &Json);
    /// Whether esc has a layer to go back from.
    fn is_deep(&self) -> bool;
    /// What would be decided on here; none where there is nothing.
    fn target(&mut self, _world: &World) -> Option<Target> {
        None
    }
    /// The machine behind what is under the cursor.
    ///
    /// # Errors
    /// In words: there is none.
    fn machine(&self, _world: &World) -> Result<Machine, String> {
        Err("There is no machine here to open a session on.".into())
    }
    /// The finding under the cursor, by its row's key and title.
    fn cause(&self) -> Option<(u64, String)> {
        None
    }
    /// The session under the cursor, to be gone on with.
    ///
    /// # Errors
    /// In words: there is none.
    fn left(&self, _world: &World) -> Result<Left, String> {
        Err("There is no session here to go on with.".into())
    }
    /// Shows a session and gives it the keyboard.
    fn attach(&mut self, _id: LiveId, _cx: &mut Context<'_>) -> Vec<Request> {
        Vec::new()
    }
    /// A session is all there is, from the start to the end.
    fn alone(&mut self, _id: LiveId) {}
    /// The size that a session has in a terminal of this size.
    fn size(&self, screen: Rect) -> (u16, u16) {
        (screen.width, screen.height)
    }
    /// The terminal has another size.
    fn resized(&mut self, _cx: &mut Context<'_>) -> Vec<Request> {
        Vec::new()
    }
    /// Whether it takes the whole terminal, without a frame.
    fn fills(&self) -> bool {
        false
    }
    /// Keys and words for the foot, where they are not those of the keymap.
    fn hints(&self) -> Option<Vec<(String, &'static str)>> {
        None
    }
    /// The id of the account that the row here belongs to; none where there is no row.
    fn account(&self) -> Option<String> {
        None
    }
    /// Commands of its own for the palette: action names.
    fn commands(&self) -> &'static [&'static str] {
        &[]
    }
}
