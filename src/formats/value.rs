//! Reading JSON values that other tools write loosely: a missing, empty or oddly typed value is no reason to lose a
//! finding. Texts borrow from the record where they can. It knows nothing of any format.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text: numbers and booleans by their digits or word; `null`, lists and objects are the empty text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// Without the blanks around it.
    pub(crate) fn get(&self) -> &str {
        self.0.trim()
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.get().is_empty()
    }
    pub(crate) fn number(&self) -> Option<f64> {
        self.get().parse().ok().filter(|n: &f64| n.is_finite())
    }
    /// See [`time`].
    pub(crate) fn time(&self) -> Option<Timestamp> {
        time(self.get())
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
    fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(if flag { "true" } else { "false" })))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(n.to_string())))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(n.to_string())))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(n.to_string())))
    }
    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(TextVisitor)
    }
}

/// An object; anything else in its place counts as absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part<T>(pub(crate) T);

/// More items of a list are passed over (ASFF allows 50); the record's own text still has them.
const MAX_ITEMS: usize = 10_000;

/// A list; anything else in its place counts as empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct PartVisitor<T>(PhantomData<T>);
struct ListVisitor<T>(PhantomData<T>);

/// The scalars that stand where an object or a list was expected.
macro_rules! scalars_are_absent {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for PartVisitor<T> {
    type Value = Part<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    scalars_are_absent!(Part(T::default()));
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Part(T::default()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Part)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(PartVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    scalars_are_absent!(List(Vec::new()));
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while list.len() < MAX_ITEMS {
            match seq.next_element()? {
                Some(item) => list.push(item),
                None => return Ok(List(list)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<T>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List(Vec::new()))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A time as the tools write it: RFC 3339; a date and time without a zone, which is taken as UTC (Prowler's OCSF and
/// CSV); or a number since 1970, in seconds (Prowler) or, from 10^11 on, in milliseconds (the OCSF specification).
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let n: f64 = text.parse().ok()?;
        let millis = if n >= 1e11 { n } else { n * 1000.0 };
        // The cast saturates, and what lies outside jiff's range is refused.
        return Timestamp::from_millisecond(millis as i64).ok();
    }
    let zoned = text.parse().ok();
    zoned.or_else(|| text.parse::<DateTime>().ok().and_then(|civil| Offset::UTC.to_timestamp(civil).ok()))
}

/// The first time that can be read.
pub(crate) fn first_time(texts: &[&Text<'_>]) -> Option<Timestamp> {
    texts.iter().find_map(|text| text.time())
}

/// The first text that is not blank, else the empty one.
pub(crate) fn first<'t>(texts: &[&'t str]) -> &'t str {
    texts.iter().map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Default, Debug)]
    #[serde(default)]
    struct Loose<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        #[serde(borrow)]
        part: Part<Inner<'a>>,
        #[serde(borrow)]
        list: List<Text<'a>>,
    }

    #[derive(Deserialize, Default, Debug)]
    #[serde(default)]
    struct Inner<'a> {
        #[serde(borrow)]
        word: Text<'a>,
    }

    #[test]
    fn oddly_typed_values_are_read_or_absent() {
        let plain: Loose<'_> = serde_json::from_str(r#"{"text":"a","part":{"word":"b"},"list":["c",4]}"#).unwrap();
        assert!(matches!(plain.text.0, Cow::Borrowed("a")));
        assert!(matches!(plain.part.0.word.0, Cow::Borrowed("b")));
        assert_eq!(plain.list.0.iter().map(Text::get).collect::<Vec<_>>(), ["c", "4"]);
        for odd in ["null", "\"\"", "7", "-7", "7.5", "true", "[{}]", "{\"x\":[1]}"] {
            let text = format!(r#"{{"text":{odd},"part":{odd},"list":{odd}}}"#);
            let read: Loose<'_> = serde_json::from_str(&text).unwrap();
            assert!(read.part.0.word.is_empty(), "{odd}");
            assert!(read.list.0.len() <= 1, "{odd}");
        }
        let number: Loose<'_> = serde_json::from_str(r#"{"text":123456789012}"#).unwrap();
        assert_eq!(number.text.get(), "123456789012");
    }

    #[test]
    fn times_of_every_tool() {
        let at = |text: &str| time(text).map(|t| t.to_string());
        assert_eq!(at("2026-11-21T21:17:06Z").as_deref(), Some("2026-11-21T21:17:06Z"));
        assert_eq!(at("2026-11-21T22:17:06.5+01:00").as_deref(), Some("2026-11-21T21:17:06.5Z"));
        assert_eq!(at("2026-11-21T21:17:06.937421").as_deref(), Some("2026-11-21T21:17:06.937421Z"));
        assert_eq!(at("2026-11-21 21:17:06").as_deref(), Some("2026-11-21T21:17:06Z"));
        assert_eq!(at("1795295826").as_deref(), Some("2026-11-21T21:17:06Z"));
        assert_eq!(at("1795295826937").as_deref(), Some("2026-11-21T21:17:06.937Z"));
        for none in ["", "soon", "2026-13-01T00:00:00Z", "99999999999999999999999999", "1.2.3", "-5"] {
            assert_eq!(at(none), None, "{none}");
        }
    }
}
