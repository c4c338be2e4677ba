//! Owns where a session's data channel stands: the little that another client needs to go on with a session that this one has
//! let go of, or was killed with. It holds no token and no key; where it is kept is the caller's.
//!
//! Numbers go on across clients as they go on across connections; an agent that is met by a client which begins at 0 again
//! acknowledges everything and takes nothing (session-manager-plugin issue 102). What lies between the first number that the node
//! may not have had and the first that was surely never used is filled with terminal sizes, which do no harm whether the node takes
//! them or has had another message of that number.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Numbers that are promised at once: a standing is kept anew only when they are used up.
pub(crate) const RESERVE: i64 = 256;
/// Most numbers that may be in doubt.
const MOST_DOUBT: i64 = 8192;

/// Where a data channel stands. Only a terminal without encryption has one: the keys of an encrypted session are in the memory of
/// the client that agreed on them, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The client's own id, under which the gateway knows it.
    pub client: String,
    /// The first number to the node that it may not have had.
    pub unsure: i64,
    /// The first number to the node that was surely never used.
    pub unused: i64,
    /// The first number from the node that may not have been taken.
    pub expected: i64,
    /// Whether the client let go in good order: `expected` is exact then, and otherwise a lower bound.
    pub exact: bool,
}

impl Standing {
    /// Whether its numbers can be those of a session.
    pub fn is_sound(&self) -> bool {
        self.unsure >= 0
            && self.expected >= 0
            && self.unused >= self.unsure
            && self.unused - self.unsure <= MOST_DOUBT
            && self.unused < i64::MAX / 2
            && self.expected < i64::MAX / 2
    }
}

/// Takes where a session stands, before numbers that were not promised are used; `None` once nobody can take it up any more. It is
/// called from the session's own task and has to be quick.
pub type Keep = Arc<dyn Fn(Option<&Standing>) + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_session_has_are_not_sound() {
        let sound = Standing { client: "c".into(), unsure: 3, unused: 7, expected: 9, exact: false };
        assert!(sound.is_sound());
        for (unsure, unused, expected) in [(-1, 7, 9), (8, 7, 9), (3, 3 + MOST_DOUBT + 1, 9), (3, 7, -1), (3, 7, i64::MAX)] {
            assert!(!Standing { unsure, unused, expected, ..sound.clone() }.is_sound(), "{unsure} {unused} {expected}");
        }
    }
}
