//! Reads the filter language; one grammar for the console and the command line. It owns the grammar and its errors; what a
//! filter means is in `expr`.
//!
//! ```text
//! filter := all ("or" all)*
//! all    := one (["and"] one)*
//! one    := "!" one | "(" filter ")" | "phrase" | field op value ("," value)* | word
//! op     := ":" | "=" | "!=" | ">" | ">=" | "<" | "<="
//! value  := characters up to a blank, comma, quote or parenthesis | "quoted, with \" and \\"
//! ```
//! - `:` on keywords, texts and sets: contains, in any case; with `*` or `?` the whole value. `=`: exactly, case and all.
//! - on ranks: the word or an unambiguous beginning; comparisons go by rank.
//! - on numbers: equal; on instants: a date (that day, UTC) or an RFC 3339 instant; on ages: a span (`7d`, `1d12h`; units
//!   s m h d w y). A day or span after `:` covers the whole day or unit; `>` is after it, `>=` from its start.
//! - `""` or `none` after `:` or `=`: no value.
//! - a word: part of any searched field, or, from four letters, nearly a keyword. `arn:aws:…`, `https://…` and `12:30` are words.

use std::ops::RangeInclusive;

use crate::listing::expr::{Node, Term, Written, quoted};
use crate::listing::schema::{Field, FieldId, Kind, Schema, nearest};
use crate::listing::strings::fold;
use crate::listing::value::{Test, TextTest};
use crate::listing::wildcard::Wildcard;

pub use crate::listing::expr::Filter;

/// The longest filter read, in bytes.
pub const LONGEST: usize = 4096;
/// How deep parentheses and `!` may nest.
pub const DEEPEST: usize = 64;

/// Why a filter could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// Where, in characters, from 1.
    pub column: usize,
    /// What is wrong and what would do, in one line.
    pub message: String,
    /// The field or word that was probably meant.
    pub nearest: Option<String>,
}

/// Reads a filter over the fields of `schema`. Ages are counted back from `now` (unix seconds).
///
/// # Errors
/// When the text is not a filter, names an unknown field, or gives a field a value it cannot have.
pub fn parse(text: &str, schema: &Schema, now: i64) -> Result<Filter, FilterError> {
    if text.len() > LONGEST {
        let message = format!("the filter is longer than {LONGEST} bytes: shorten it");
        return Err(FilterError {
            column: text[..text.floor_char_boundary(LONGEST)].chars().count() + 1,
            message,
            nearest: None,
        });
    }
    let mut parser = Parser { text, at: 0, depth: 0, schema };
    parser.blanks();
    if parser.rest().is_empty() {
        return Ok(Filter { root: Node::And(Vec::new()), now });
    }
    let root = parser.any()?;
    if parser.rest().starts_with(')') {
        return Err(parser.error("this ) closes nothing: remove it, or quote it"));
    }
    Ok(Filter { root, now })
}

/// The term that holds for exactly `value` in the field called `name`; for an empty value, the one for no value. Drilling
/// into a group is adding this.
pub fn exactly(name: &str, value: &str) -> String {
    format!("{name}={}", quoted(value))
}

/// `value` as it may stand in a filter: quoted when it must be.
pub fn quote(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | ',' | '(' | ')' | '\\' | '*' | '?');
    if !value.is_empty() && value != "none" && value.chars().all(plain) { value.to_owned() } else { quoted(value) }
}

/// The comparison operators, longest first.
pub(crate) const OPERATORS: [&str; 7] = [">=", "<=", "!=", ":", "=", ">", "<"];

/// A field's name and the operator after it, at the start of `text`. The name need not be known.
pub(crate) fn name_and_operator(text: &str) -> Option<(&str, &'static str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))?;
    let (name, rest) = text.split_at(end);
    let op = OPERATORS.into_iter().find(|op| rest.starts_with(op))?;
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((name, op))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    schema: &'a Schema,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> FilterError {
        self.error_at(self.at, message)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> FilterError {
        FilterError { column: self.text[..at].chars().count() + 1, message: message.into(), nearest: None }
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Steps over `word` when it stands here alone.
    fn word(&mut self, word: &str) -> bool {
        let run = self.rest().split(|c: char| c.is_whitespace() || matches!(c, '(' | ')')).next().unwrap_or_default();
        let here = run.eq_ignore_ascii_case(word);
        if here {
            self.at += run.len();
            self.blanks();
        }
        here
    }

    /// Whether nothing more can belong to this list of terms.
    fn done(&self) -> bool {
        self.rest().is_empty() || self.rest().starts_with(')')
    }

    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.word("or") {
            nodes.push(self.all()?);
        }
        Ok(Node::or(nodes))
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.one()?];
        loop {
            let before = self.at;
            if self.word("and") {
                nodes.push(self.one()?);
            } else if self.done() || self.word("or") {
                self.at = before;
                return Ok(Node::and(nodes));
            } else {
                nodes.push(self.one()?);
            }
        }
    }

    fn one(&mut self) -> Result<Node, FilterError> {
        let start = self.at;
        if self.done() || self.word("or") || self.word("and") {
            self.at = start;
            return Err(self.error("a term is missing here: a word, a \"phrase\", field:value, or (…)"));
        }
        if self.rest().starts_with(['!', '(']) {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.error(format!("more than {DEEPEST} levels of ( and !: simplify the filter")));
            }
            let node = if self.rest().starts_with('!') { self.not()? } else { self.parentheses()? };
            self.depth -= 1;
            return Ok(node);
        }
        let node = if self.rest().starts_with('"') {
            let phrase = self.quoted()?;
            if phrase.is_empty() {
                return Err(self.error_at(start, "the phrase is empty: write something between the quotes"));
            }
            Node::Phrase(phrase)
        } else {
            self.term()?
        };
        self.end_of_term()?;
        Ok(node)
    }

    fn not(&mut self) -> Result<Node, FilterError> {
        self.at += 1;
        if self.rest().starts_with(char::is_whitespace) {
            return Err(self.error("! must stand right before its term: !word, !field:value or !(…)"));
        }
        Ok(Node::Not(Box::new(self.one()?)))
    }

    fn parentheses(&mut self) -> Result<Node, FilterError> {
        let open = self.at;
        self.at += 1;
        self.blanks();
        let node = self.any()?;
        if !self.rest().starts_with(')') {
            return Err(self.error_at(open, "this ( is not closed: add a )"));
        }
        self.at += 1;
        self.blanks();
        Ok(node)
    }

    /// After a term comes a blank, a closing parenthesis or the end.
    fn end_of_term(&mut self) -> Result<(), FilterError> {
        if !self.done() && !self.rest().starts_with(char::is_whitespace) {
            return Err(self.error("put a blank before this, or quote the whole value"));
        }
        self.blanks();
        Ok(())
    }

    /// A quoted text; the place is at the opening quote.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let open = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = open + at + 1;
                    return Ok(out);
                }
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c => out.push(c),
            }
        }
        Err(self.error_at(open, "this quote is not closed: add a \""))
    }

    /// Characters up to one of `stops`, a blank, a quote or a parenthesis.
    fn run(&mut self, stops: &[char]) -> &'a str {
        let rest = self.rest();
        let stop = |c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')') || stops.contains(&c);
        let run = &rest[..rest.find(stop).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    fn term(&mut self) -> Result<Node, FilterError> {
        let start = self.at;
        let rest = self.rest();
        let Some((name, op)) = name_and_operator(rest) else {
            if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
                return Err(self.error(format!("before {op} comes a field, without blanks: {}", self.names())));
            }
            return Ok(Node::Word(self.run(&[]).to_owned()));
        };
        let Some(field) = self.schema.field(name) else {
            // an ARN or a URL was pasted: no field could be meant
            let value = rest[name.len() + op.len()..].split(char::is_whitespace).next().unwrap_or_default();
            if op == ":" && (value.starts_with("//") || value.matches(':').count() >= 2) {
                return Ok(Node::Word(self.run(&[]).to_owned()));
            }
            return Err(self.unknown(name));
        };
        self.at = start + name.len() + op.len();
        let (negated, op) = if op == "!=" { (true, "=") } else { (false, op) };
        let declared = self.schema.get(field);
        let (mut values, mut tests) = (Vec::new(), Vec::new());
        loop {
            let at = self.at;
            let written = if self.rest().starts_with('"') {
                Written { text: self.quoted()?, quoted: true }
            } else {
                Written { text: self.run(&[',']).to_owned(), quoted: false }
            };
            let test = test(declared, op, &written).map_err(|(message, nearest)| {
                let mut error = self.error_at(at, message);
                error.nearest = nearest;
                error
            })?;
            values.push(written);
            tests.push(test);
            if !self.rest().starts_with(',') {
                break;
            }
            if op != ":" && op != "=" {
                return Err(self.error(format!("{op} takes one value: use {}:a,b for any of several", declared.name)));
            }
            self.at += 1;
        }
        let also = declared.also.iter().filter_map(|name| self.schema.field(name));
        let also: Vec<Node> = also
            .map(|field| {
                let name = self.schema.get(field).name;
                Node::Term(Term { field, name, op, values: values.clone(), tests: tests.clone() })
            })
            .collect();
        let mut term = Node::Term(Term { field, name: declared.name, op, values, tests });
        if !also.is_empty() {
            term = Node::Or(std::iter::once(term).chain(also).collect());
        }
        Ok(if negated { Node::Not(Box::new(term)) } else { term })
    }

    fn names(&self) -> String {
        self.schema.iter().map(|(_, field)| field.name).collect::<Vec<_>>().join(", ")
    }

    fn unknown(&self, name: &str) -> FilterError {
        let shown: String = name.chars().take(40).collect();
        let near = self.schema.nearest(name);
        let meant = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        let mut error = self.error(format!("there is no field {shown}: {meant}The fields are {}", self.names()));
        error.nearest = near.map(str::to_owned);
        error
    }
}

type Wrong = (String, Option<String>);

fn wrong<T>(message: String) -> Result<T, Wrong> {
    Err((message, None))
}

/// The test that `op` and one value make on `field`.
fn test(field: &Field, op: &'static str, written: &Written) -> Result<Test, Wrong> {
    let (name, text) = (field.name, written.text.as_str());
    let shown: String = text.chars().take(40).collect();
    let equality = op == ":" || op == "=";
    if !written.quoted && text.is_empty() {
        return wrong(format!("{name}{op} needs a value; for rows without one write {name}:none"));
    }
    let rank_is_none = matches!(field.kind, Kind::Rank(words) if words.iter().any(|word| word.eq_ignore_ascii_case("none")));
    if equality && (text.is_empty() || (!written.quoted && text.eq_ignore_ascii_case("none") && !rank_is_none)) {
        return Ok(Test::Missing);
    }
    match field.kind {
        Kind::Keyword | Kind::Text | Kind::Set if !equality => {
            wrong(format!("{name} is a text and has no order: use {name}:part, {name}=whole or {name}:pre*"))
        }
        Kind::Keyword | Kind::Text | Kind::Set => Ok(Test::Text(match op {
            "=" => TextTest::Whole(text.to_owned()),
            _ => match Wildcard::new(&fold(text)).filter(|_| !written.quoted) {
                Some(wildcard) => TextTest::Wild(wildcard),
                None => TextTest::Contains(fold(text)),
            },
        })),
        Kind::Rank(words) => rank(name, words, op == "=", text).map(|place| Test::Ranks(ranks(op, place, words.len()))),
        Kind::Number => match text.parse::<i64>() {
            Ok(number) => Ok(Test::Between(range(op, number, number))),
            Err(_) => wrong(format!("{name} is a whole number, and {shown} is not: write {name}>3")),
        },
        Kind::Time => match instants(text) {
            Some((first, last)) => Ok(Test::Between(range(op, first, last))),
            None => {
                wrong(format!("{name} is an instant, and {shown} is not: write {name}>2026-01-31 or {name}>2026-01-31T08:00:00Z"))
            }
        },
        Kind::Age => match span(text) {
            Some((seconds, unit)) if op == ":" || op == "=" => Ok(Test::Aged(seconds..=seconds.saturating_add(unit - 1))),
            Some((seconds, _)) => Ok(Test::Aged(range(op, seconds, seconds))),
            None => wrong(format!("{name} is an age, and {shown} is not: write {name}<7d, with units s, m, h, d, w, y")),
        },
        // A span from now on is an age below zero.
        Kind::Until => match span(text) {
            Some((seconds, unit)) if op == ":" || op == "=" => {
                Ok(Test::Aged(ahead(&(seconds..=seconds.saturating_add(unit - 1)))))
            }
            Some((seconds, _)) => Ok(Test::Aged(ahead(&range(op, seconds, seconds)))),
            None => {
                wrong(format!("{name} is a time to come, and {shown} is not: write {name}<2d, or {name}<0d for what is over"))
            }
        },
    }
}

/// A range of spans from now on as one of ages.
fn ahead(range: &RangeInclusive<i64>) -> RangeInclusive<i64> {
    let turned = |end: i64| if end == i64::MAX { i64::MIN } else { end.checked_neg().unwrap_or(i64::MAX) };
    if range.is_empty() { EMPTY } else { turned(*range.end())..=turned(*range.start()) }
}

/// The numbers that stand in `op` to the stretch `first..=last`.
fn range(op: &str, first: i64, last: i64) -> RangeInclusive<i64> {
    match op {
        ">" => last.checked_add(1).map_or(EMPTY, |from| from..=i64::MAX),
        ">=" => first..=i64::MAX,
        "<" => first.checked_sub(1).map_or(EMPTY, |to| i64::MIN..=to),
        "<=" => i64::MIN..=last,
        _ => first..=last,
    }
}

const EMPTY: RangeInclusive<i64> = RangeInclusive::new(1, 0);

fn ranks(op: &str, place: u8, count: usize) -> RangeInclusive<u8> {
    let top = u8::try_from(count).unwrap_or(u8::MAX);
    match op {
        ">" => place + 1..=top,
        ">=" => place..=top,
        "<" => place.checked_sub(1).map_or(RangeInclusive::new(1, 0), |to| 0..=to),
        "<=" => 0..=place,
        _ => place..=place,
    }
}

/// The place of a rank's word; `whole` asks for all of it, else an unambiguous beginning does.
fn rank(name: &str, words: &'static [&'static str], whole: bool, text: &str) -> Result<u8, Wrong> {
    let shown: String = text.chars().take(40).collect();
    let exact = words.iter().position(|word| word.eq_ignore_ascii_case(text));
    let starts = |word: &str| word.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let mut begun = words.iter().enumerate().filter(|(_, word)| !whole && starts(word));
    let place = match (exact, begun.next(), begun.next()) {
        (Some(place), _, _) | (None, Some((place, _)), None) => place,
        (None, Some((_, one)), Some((_, other))) => {
            return wrong(format!("{name} {shown} could be {one} or {other}: write more of it"));
        }
        (None, None, _) => {
            let near = nearest(text, words.iter().map(|word| (*word, *word)));
            let meant = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
            let message = format!("{name} is never {shown}: {meant}It is one of {}, or none", words.join(", "));
            return Err((message, near.map(str::to_owned)));
        }
    };
    Ok(u8::try_from(place).unwrap_or(u8::MAX - 1))
}

/// The first and last second of a date (UTC) or an RFC 3339 instant.
fn instants(text: &str) -> Option<(i64, i64)> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some((instant.as_second(), instant.as_second()));
    }
    let date = (text.len() == 10).then(|| text.parse::<jiff::civil::Date>().ok())??;
    let first = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some((first, first + 86_399))
}

/// A span in seconds and the seconds of its smallest unit.
fn span(text: &str) -> Option<(i64, i64)> {
    let (mut total, mut unit, mut rest) = (0i64, i64::MAX, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        let mut chars = rest[digits..].chars();
        let seconds = match chars.next()?.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            'y' => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(seconds)?)?;
        unit = unit.min(seconds);
        rest = chars.as_str();
    }
    (unit != i64::MAX).then_some((total, unit))
}

/// The field a written name stands for; for callers that have a name from elsewhere, such as `--sort`.
///
/// # Errors
/// When there is no such field; the error names the nearest and all of them.
pub fn field(name: &str, schema: &Schema) -> Result<FieldId, FilterError> {
    let parser = Parser { text: name, at: 0, depth: 0, schema };
    schema.field(name).ok_or_else(|| parser.unknown(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn schema() -> Schema {
        let field =
            |name, kind, aliases| Field { name, title: name, kind, aliases, also: &[], search: true, natural: false, help: "" };
        Schema::new(vec![
            field("account", Kind::Keyword, &[]),
            field("title", Kind::Text, &[]),
            field("severity", Kind::Rank(&["LOW", "MEDIUM", "HIGH", "HUGE"]), &["sev"]),
            field("count", Kind::Number, &[]),
            field("updated", Kind::Time, &[]),
            field("age", Kind::Age, &[]),
            field("tags", Kind::Set, &["tag"]),
        ])
    }

    fn read(text: &str) -> Result<Filter, FilterError> {
        parse(text, &schema(), NOW)
    }

    #[test]
    fn reads_the_language() {
        for (text, written) in [
            ("", ""),
            ("  a   b ", "a b"),
            ("a AND b Or c", "a b or c"),
            ("a (b or c) and !d", "a (b or c) !d"),
            ("(a (b c))", "a b c"),
            ("!(a or b) !!c", "!(a or b) !!c"),
            ("\"exact \\\"phrase\\\"\"", "\"exact \\\"phrase\\\"\""),
            ("SEV>=h", "severity>=h"),
            ("sev:hi,low", "severity:hi,low"),
            ("account:prod-*,\"a b\"", "account:prod-*,\"a b\""),
            ("account!=x", "!account=x"),
            ("age<1d12h updated>2026-01-01", "age<1d12h updated>2026-01-01"),
            ("tag:env=prod", "tags:env=prod"),
            ("arn:aws:iam::1:role/x https://a.b 12:30 port-22", "arn:aws:iam::1:role/x https://a.b 12:30 port-22"),
            ("title:\"port 22\" (x)", "title:\"port 22\" x"),
            ("order android", "order android"),
        ] {
            if text == "sev:hi,low" {
                assert_eq!(read(text).unwrap().to_string(), written);
            } else if text == "SEV>=h" {
                // two words begin so
                assert!(read(text).unwrap_err().message.contains("HIGH or HUGE"));
            } else {
                assert_eq!(read(text).unwrap().to_string(), written, "{text}");
            }
        }
    }

    #[test]
    fn a_field_looks_into_the_fields_it_names() {
        let field = |name, also| Field {
            name,
            title: name,
            kind: Kind::Keyword,
            aliases: &[],
            also,
            search: true,
            natural: false,
            help: "",
        };
        let schema = Schema::new(vec![field("account", &["account_name"]), field("account_name", &[])]);
        assert_eq!(parse("account:prod-*", &schema, 0).unwrap().to_string(), "account:prod-* or account_name:prod-*");
        assert_eq!(parse("account_name:prod", &schema, 0).unwrap().to_string(), "account_name:prod");
        assert_eq!(parse("account!=a", &schema, 0).unwrap().to_string(), "!(account=a or account_name=a)");
    }

    #[test]
    fn errors_point_and_name() {
        for (text, column, part, near) in [
            ("é severty:high", 3, "did you mean severity?", Some("severity")),
            ("nonsense:1", 1, "The fields are account, title, severity", None),
            ("sev:hgih", 5, "did you mean HIGH?", Some("HIGH")),
            ("sev:enormous", 5, "LOW, MEDIUM, HIGH, HUGE, or none", None),
            ("a (b", 3, "not closed", None),
            ("a b)", 4, "closes nothing", None),
            ("()", 2, "missing", None),
            ("a or", 5, "missing", None),
            ("or a", 1, "missing", None),
            ("a and or b", 7, "missing", None),
            ("! a", 2, "right before", None),
            ("\"a", 1, "not closed", None),
            ("\"\"", 1, "empty", None),
            ("account:", 9, "account:none", None),
            ("account:a,,b", 11, "needs a value", None),
            ("account>a", 9, "no order", None),
            ("count>x", 7, "whole number", None),
            ("count>1,2", 8, "one value", None),
            ("age<7", 5, "an age", None),
            ("age<99999999999999999999y", 5, "an age", None),
            ("updated>7d", 9, "2026-01-31", None),
            ("updated>2026-02-30", 9, "an instant", None),
            (">3", 1, "comes a field", None),
            ("foo(bar)", 4, "blank", None),
            ("account:a\"b\"", 10, "blank", None),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.column, error.nearest.as_deref()), (column, near), "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(read(&"(".repeat(64)).unwrap_err().message.contains("missing"));
        assert!(read(&"(".repeat(65)).unwrap_err().message.contains("64 levels"));
        assert!(read(&"!".repeat(4000)).unwrap_err().message.contains("64 levels"));
        let deep = format!("{}a{}", "!(".repeat(32), ")".repeat(32));
        assert!(read(&deep).is_ok());
        assert!(read(&"é".repeat(3000)).unwrap_err().message.contains("4096 bytes"));
        assert!(read(&"a ".repeat(2048)).is_ok());
    }

    #[test]
    fn stretches_of_time() {
        let tests = |text: &str| match read(text).unwrap().root {
            Node::Term(term) => term.tests[0].clone(),
            other => panic!("{other:?}"),
        };
        let day = 1_767_225_600; // 2026-01-01T00:00:00Z
        assert_eq!(tests("updated:2026-01-01"), Test::Between(day..=day + 86_399));
        assert_eq!(tests("updated>2026-01-01"), Test::Between(day + 86_400..=i64::MAX));
        assert_eq!(tests("updated>=2026-01-01"), Test::Between(day..=i64::MAX));
        assert_eq!(tests("updated<2026-01-01"), Test::Between(i64::MIN..=day - 1));
        assert_eq!(tests("updated<=2026-01-01T00:00:00Z"), Test::Between(i64::MIN..=day));
        assert_eq!(tests("updated<=2026-01-01T02:00:00+02:00"), Test::Between(i64::MIN..=day));
        assert_eq!(tests("age:2d"), Test::Aged(172_800..=259_199));
        assert_eq!(tests("age<2w"), Test::Aged(i64::MIN..=1_209_599));
        assert_eq!(tests("age>1h30m"), Test::Aged(5_401..=i64::MAX));
        assert_eq!(tests("age:none"), Test::Missing);
        assert_eq!(tests("title:\"none\""), Test::Text(TextTest::Contains("none".into())));
        assert_eq!(tests("title:\"\""), Test::Missing);
        assert_eq!(tests("count<-9223372036854775808"), Test::Between(EMPTY));
    }

    #[test]
    fn values_can_be_put_back() {
        for value in ["plain", "two words", "a,b", "none", "", "q\"uote\\", "a*b", "(x)"] {
            let exact = read(&exactly("title", value)).unwrap();
            assert!(matches!(&exact.root, Node::Term(term) if term.values[0].text == value), "{value}");
            let part = read(&format!("title:{}", quote(value))).unwrap();
            assert!(matches!(&part.root, Node::Term(term) if term.values[0].text == value), "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_or_refused(text in prop_oneof![
            "\\PC{0,60}",
            r#"([a-c ]|or|and|!|\(|\)|"|\\|,|:|=|>|<|sev|age|7d|\*|\?|none|title:|account:|é|\t){0,40}"#,
        ]) {
            match read(&text) {
                Ok(filter) => prop_assert_eq!(read(&filter.to_string()), Ok(filter)),
                Err(error) => prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{}", error),
            }
        }
    }
}
