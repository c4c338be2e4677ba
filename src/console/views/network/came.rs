//! What a pane of the network view came to after a key.

use crate::console::views::Request;
use crate::network::diagram::Zoom;

/// What a pane wants beside requests.
#[derive(Default)]
pub(super) struct Came {
    pub(super) requests: Vec<Request>,
    /// The pane is done.
    pub(super) closed: bool,
    /// Draw these objects from so near.
    pub(super) draw: Option<(Zoom, Vec<String>)>,
    /// Ask about a way between these ends.
    pub(super) ask: Option<(String, String, String)>,
}

impl From<Vec<Request>> for Came {
    fn from(requests: Vec<Request>) -> Self {
        Self { requests, ..Self::default() }
    }
}
