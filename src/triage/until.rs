//! Days and times as people type them: `2026-12-31`, an RFC 3339 time, a span from now such as `30d`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A text that names no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time: give a day (2026-12-31), a time (2026-12-31T08:00:00Z) or a span from now (30d, 12h, 2w)")]
pub struct NotATime {
    text: String,
}

/// Reads a time; a day ends with it, in UTC.
///
/// # Errors
/// Where it is none.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, NotATime> {
    let text = text.trim();
    let refuse = || NotATime { text: text.chars().take(60).collect() };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        let end = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).map_err(|_| refuse())?;
        return Ok(end.timestamp());
    }
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(refuse)?;
    let (count, unit) = text.split_at(split);
    let hours: i64 = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 24 * 7,
        "y" => 24 * 365,
        _ => return Err(refuse()),
    };
    let count: i64 = count.parse().ok().filter(|n| (0..=100_000).contains(n)).ok_or_else(refuse)?;
    now.checked_add(SignedDuration::from_hours(count * hours)).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_spans() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let at = |text: &str| parse(text, now).map(|t| t.to_string());
        assert_eq!(at("2026-12-31").unwrap(), "2026-12-31T23:59:59Z");
        assert_eq!(at("2026-12-31T08:00:00+01:00").unwrap(), "2026-12-31T07:00:00Z");
        assert_eq!(at(" 30d ").unwrap(), "2026-12-22T10:00:00Z");
        assert_eq!(at("12h").unwrap(), "2026-11-22T22:00:00Z");
        for wrong in ["", "d", "tomorrow", "-3d", "3", "99999999d", "2026-13-01", "日"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
