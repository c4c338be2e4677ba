//! Times as RFC 3339 in UTC with exactly three digits of a second, the only form the chain knows.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// Cut to whole milliseconds.
pub fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// `2026-11-22T01:02:03.004Z`
pub fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}

pub fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&text(*at))
}

pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map(milliseconds).map_err(serde::de::Error::custom)
}

/// The same for a time that may be absent.
pub mod maybe {
    use jiff::Timestamp;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, s),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(d).map(Some)
    }
}
