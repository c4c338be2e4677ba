//! A terminal in a pane: what a node sends becomes cells, what a user types becomes bytes. Nothing of the node ever reaches the
//! user's own terminal raw: only cells with cleaned text leave here, and titles and clipboard writes are refused unless allowed.
//!
//! It does not draw, knows no sessions and does no I/O.

mod emulator;
mod graphics;
mod history;
mod keys;
mod player;

pub use emulator::{Allow, Color, Cursor, CursorShape, Glyph, Match, Point, Refused, Style, Terminal};
pub use keys::{Escape, EscapeKeys, Key, KeyCode, KeyModes, Piece, encode, paste};
pub use player::{Listed, Place, Player, Scene, Scenes, Stand, Steer};

#[cfg(test)]
mod tests;
