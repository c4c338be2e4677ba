//! A policy document as AWS holds it: text whose positions stay meaningful. What it means is judged elsewhere.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A policy document: the text as AWS holds it. It reads from a JSON object, from JSON text and from percent-encoded
/// JSON text, and is written as text, so that positions in it stay meaningful.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document(pub String);

impl Document {
    /// The document as JSON; none where it is not JSON.
    pub fn value(&self) -> Option<Value> {
        serde_json::from_str(&self.0).ok()
    }
    /// As it stands, but for characters that were written by their code; those of a JSON document that need none.
    pub fn unescaped(&self) -> Cow<'_, str> {
        let rewritten = self.0.contains('\\').then(|| self.value().map(|v| v.to_string())).flatten();
        rewritten.map_or(Cow::Borrowed(&self.0), Cow::Owned)
    }
    /// Indented for reading; as it stands where it is not JSON.
    pub fn pretty(&self) -> String {
        self.value().and_then(|v| serde_json::to_string_pretty(&v).ok()).unwrap_or_else(|| self.0.clone())
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(d)? {
            Value::Null => Self::default(),
            Value::String(text) if text.trim_start().starts_with('%') => {
                Self(percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned())
            }
            Value::String(text) => Self(text),
            object => Self(object.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_written_by_their_code_hide_nothing() {
        let hidden = Document(r#"{"Principal":{"AWS":"\u002a"},"Of":"oidc-provider\/x"}"#.to_owned());
        assert!(hidden.unescaped().contains(r#""*""#) && hidden.unescaped().contains("oidc-provider/x"));
        for as_it_stands in [r#"{"a":"*"}"#, r"no \u002a JSON"] {
            assert_eq!(Document(as_it_stands.to_owned()).unescaped(), as_it_stands);
        }
    }
}
