//! What could come next while a filter is typed. It owns finding the word at the cursor and what fits there; the values of
//! a field come from the caller.

use std::ops::Range;

use crate::listing::filter::{OPERATORS, name_and_operator, quote};
use crate::listing::schema::{FieldId, Kind, Schema};

/// One way to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What of the text it takes the place of, in bytes.
    pub range: Range<usize>,
    /// What to put there.
    pub text: String,
    /// What it means, in a few words; may be empty.
    pub help: String,
}

/// The most completions given.
pub const MOST: usize = 50;

/// Ways to complete the word before the cursor, `cursor_chars` characters into `text`: fields first, and after a field and
/// its operator that field's values. `values` gives the values of a Keyword, Text or Set field that contain the text given,
/// best first. Best completions come first.
pub fn complete(
    text: &str,
    cursor_chars: usize,
    schema: &Schema,
    values: &dyn Fn(FieldId, &str) -> Vec<String>,
) -> Vec<Completion> {
    let cursor = text.char_indices().nth(cursor_chars).map_or(text.len(), |(at, _)| at);
    let start = word_start(&text[..cursor]);
    let word = &text[start..cursor];
    let named = name_and_operator(word).and_then(|(name, op)| schema.field(name).map(|field| (field, name, op)));
    let mut found = match named {
        None => names(word, start..cursor, schema),
        Some((field, name, op)) => {
            let from = start + name.len() + op.len();
            let from = from + last_value(&text[from..cursor]);
            field_values(field, op, text[from..cursor].trim_start_matches('"'), from..cursor, schema, values)
        }
    };
    found.truncate(MOST);
    found
}

/// Where the word that ends the text starts: after the last blank, `(` or leading `!` outside quotes.
fn word_start(text: &str) -> usize {
    unquoted(text).fold(0, |start, (at, c)| match c {
        '(' | ')' => at + 1,
        '!' if at == start => at + 1,
        c if c.is_whitespace() => at + c.len_utf8(),
        _ => start,
    })
}

/// Where the last of several values starts.
fn last_value(text: &str) -> usize {
    unquoted(text).fold(0, |start, (at, c)| if c == ',' { at + 1 } else { start })
}

/// The characters outside quotes, with their places.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted,
        }
        false
    })
}

fn names(word: &str, range: Range<usize>, schema: &Schema) -> Vec<Completion> {
    let word = word.to_lowercase();
    let mut ranked: Vec<(usize, Completion)> = Vec::new();
    for (_, field) in schema.iter() {
        let place = |name: &str| name.to_lowercase().find(&word);
        let best = std::iter::once(&field.name).chain(field.aliases).filter_map(|name| place(name)).min();
        if let Some(place) = best {
            let op = match field.kind {
                Kind::Keyword | Kind::Text | Kind::Set => ":",
                Kind::Rank(_) => ">=",
                Kind::Number | Kind::Time => ">",
                Kind::Age | Kind::Until => "<",
            };
            let completion =
                Completion { range: range.clone(), text: format!("{}{op}", field.name), help: field.help.to_owned() };
            ranked.push((place, completion));
        }
    }
    // what begins with the word comes before what only contains it, else schema order stays
    ranked.sort_by_key(|(place, _)| *place > 0);
    ranked.into_iter().map(|(_, completion)| completion).collect()
}

fn field_values(
    field: FieldId,
    op: &str,
    typed: &str,
    range: Range<usize>,
    schema: &Schema,
    values: &dyn Fn(FieldId, &str) -> Vec<String>,
) -> Vec<Completion> {
    debug_assert!(OPERATORS.contains(&op));
    let completion = |text: String, help: &str| Completion { range: range.clone(), text, help: help.to_owned() };
    let begun = |text: &str| text.to_lowercase().starts_with(&typed.to_lowercase());
    let declared = schema.get(field);
    let mut found: Vec<Completion> = match declared.kind {
        Kind::Keyword | Kind::Text | Kind::Set => {
            values(field, typed).into_iter().map(|value| completion(quote(&value), "")).collect()
        }
        Kind::Rank(words) => words.iter().rev().filter(|word| begun(word)).map(|word| completion(quote(word), "")).collect(),
        Kind::Age => [("1d", "a day"), ("7d", "a week"), ("30d", "a month"), ("90d", "a quarter"), ("1y", "a year")]
            .into_iter()
            .filter(|(span, _)| begun(span))
            .map(|(span, help)| completion(span.to_owned(), help))
            .collect(),
        Kind::Until => [("0d", "over"), ("1d", "within a day"), ("7d", "within a week"), ("30d", "within a month")]
            .into_iter()
            .filter(|(span, _)| begun(span))
            .map(|(span, help)| completion(span.to_owned(), help))
            .collect(),
        Kind::Number | Kind::Time => Vec::new(),
    };
    if matches!(op, ":" | "=" | "!=") && begun("") && "none".starts_with(&typed.to_lowercase()) {
        found.push(completion("none".to_owned(), "rows without a value"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::schema::Field;

    fn schema() -> Schema {
        let field = |name, kind, aliases| Field {
            name,
            title: name,
            kind,
            aliases,
            also: &[],
            search: false,
            natural: false,
            help: "what it is",
        };
        Schema::new(vec![
            field("account", Kind::Keyword, &[]),
            field("severity", Kind::Rank(&["LOW", "MEDIUM", "HIGH"]), &["sev"]),
            field("age", Kind::Age, &[]),
        ])
    }

    fn texts(text: &str) -> Vec<String> {
        let values = |_: FieldId, typed: &str| {
            ["payments-prod", "data lake"].iter().filter(|value| value.contains(typed)).map(|value| value.to_string()).collect()
        };
        complete(text, text.chars().count(), &schema(), &values).into_iter().map(|completion| completion.text).collect()
    }

    #[test]
    fn offers_fields_then_values() {
        assert_eq!(texts(""), ["account:", "severity>=", "age<"]);
        assert_eq!(texts("se"), ["severity>="]);
        assert_eq!(texts("!(a"), ["account:", "age<"]);
        assert_eq!(texts("x sev>=m"), ["MEDIUM"]);
        assert_eq!(texts("sev:"), ["HIGH", "MEDIUM", "LOW", "none"]);
        assert_eq!(texts("account:x,pay"), ["payments-prod"]);
        assert_eq!(texts("account:\"data l"), ["\"data lake\""]);
        assert_eq!(texts("age<"), ["1d", "7d", "30d", "90d", "1y"]);
    }

    #[test]
    fn replaces_only_the_word_at_the_cursor() {
        let found = complete("é ac foo", 4, &schema(), &|_, _| Vec::new());
        assert_eq!(found[0].range, 3..5);
        assert_eq!(complete("account:a,b", 99, &schema(), &|_, _| vec!["bb".into()])[0].range, 10..11);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_safe(text in r#"[a-z:,"\\!() é]{0,30}"#, cursor in 0usize..40) {
            for completion in complete(&text, cursor, &schema(), &|_, _| vec!["v".into()]) {
                proptest::prop_assert!(text.get(completion.range.clone()).is_some());
            }
        }
    }
}
