//! Reading AWS answers whose scalars may arrive as text: XML APIs have no booleans, numbers or empty lists,
//! JSON ones do, and both must read into the same data.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// `true`, `"true"`, `1`; `null` and `""` are false.
pub fn flag<'de, D: Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    Ok(maybe_flag(d)?.unwrap_or(false))
}

/// As [`flag`], but `null` and `""` are none.
pub fn maybe_flag<'de, D: Deserializer<'de>>(d: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(b)),
        Value::Number(n) => Ok(Some(n.as_i64() != Some(0))),
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Ok(Some(false)),
        other => Err(D::Error::custom(format!("expected true or false, found {other}"))),
    }
}

/// `443`, `"443"`; `null` and `""` are none.
pub fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::Number(n) => n.as_i64().map(Some).ok_or_else(|| D::Error::custom(format!("expected a whole number, found {n}"))),
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) => s.parse().map(Some).map_err(|_| D::Error::custom(format!("expected a whole number, found {s:?}"))),
        other => Err(D::Error::custom(format!("expected a whole number, found {other}"))),
    }
}

/// A list; `null` and `""` (an empty XML element) are the empty list.
pub fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Vec<T>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(Vec::new()),
        Value::String(s) if s.is_empty() => Ok(Vec::new()),
        value @ Value::Array(_) => serde_json::from_value(value).map_err(D::Error::custom),
        other => Err(D::Error::custom(format!("expected a list, found {other}"))),
    }
}

/// An object; `null` and `""` (an empty XML element) are none.
pub fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::String(s) if s.is_empty() => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(D::Error::custom),
    }
}

/// Whatever is there, thrown away: a secret that must not be kept.
pub fn dropped<'de, D: Deserializer<'de>>(d: D) -> Result<(), D::Error> {
    serde::de::IgnoredAny::deserialize(d).map(drop)
}

/// A time: RFC 3339 text, or seconds since 1970 as JSON APIs send them; `null` and `""` are none.
pub fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) => s.parse().map(Some).map_err(|_| D::Error::custom(format!("expected a time, found {s:?}"))),
        Value::Number(n) => {
            let nanos = n.as_f64().map(|s| (s * 1e9) as i128);
            nanos
                .and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos).ok())
                .map(Some)
                .ok_or_else(|| D::Error::custom(format!("expected a time, found {n}")))
        }
        other => Err(D::Error::custom(format!("expected a time, found {other}"))),
    }
}
