//! Numbers for askings, so that answers to older ones can be told.

use crate::message::session::LiveId;
use crate::message::{Slot, Ticket};

/// Numbers for askings.
#[derive(Debug, Default)]
pub struct Tickets(u64, u64);

impl Tickets {
    /// The next ticket of a slot.
    pub fn take(&mut self, slot: Slot) -> Ticket {
        self.0 += 1;
        Ticket { slot, number: self.0 }
    }
    /// The number of the next session or forward.
    pub fn live(&mut self) -> LiveId {
        self.1 += 1;
        LiveId(self.1)
    }
}
