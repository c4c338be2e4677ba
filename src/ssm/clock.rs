//! Owns the two clocks of this room: the runtime's, which tests can simulate, and the wall clock of message headers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The runtime's time; it stands still and jumps where a test says so.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Milliseconds since the Unix epoch, never 0: peers take 0 for a missing date.
pub(crate) fn unix_millis(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(1, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)).max(1)
}
