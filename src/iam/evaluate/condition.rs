//! Whether a condition holds for what is known of a request (AWS: "IAM JSON policy elements: Condition operators",
//! "Multivalued context keys", "Condition operators … IfExists").

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::context::Known;
use super::truth::Truth;
use crate::iam::policy::{Compare, Condition, Operator, Piece, Quantifier, Template};
use crate::iam::sets::glob::{ArnPattern, Glob};

/// A condition made ready for many requests.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    operator: Operator,
    /// In lower case.
    pub(super) key: String,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Pattern(Glob),
    Arn(ArnPattern),
    /// Text with policy variables, resolved at each request.
    Template(Template),
    Number(f64),
    Time(Timestamp),
    Net(IpNet),
    Bool(bool),
    /// Not of the operator's type: matches nothing.
    Unfit,
}

/// Where keys are looked up.
pub(super) trait Keys {
    fn get(&self, key: &str) -> Known<'_>;
}

impl Compiled {
    pub(super) fn new(condition: &Condition, variables: bool) -> Self {
        let value = |text: &str| value(condition.operator.compare, text, variables);
        Self {
            operator: condition.operator,
            key: condition.key.text.to_ascii_lowercase(),
            values: condition.values.iter().map(|v| value(&v.text)).collect(),
        }
    }

    pub(super) fn holds(&self, keys: &impl Keys) -> Truth {
        let op = self.operator;
        let known = keys.get(&self.key);
        if op.compare == Compare::Null {
            let absent = match known {
                Known::Unknown => return Truth::Maybe,
                Known::Absent => true,
                Known::Values(_) => false,
            };
            return Truth::of(self.values.iter().any(|v| matches!(v, Value::Bool(b) if *b == absent)));
        }
        match known {
            Known::Unknown => Truth::Maybe,
            Known::Absent => Truth::of(match op.quantifier {
                Quantifier::AllValues => true,
                Quantifier::AnyValue => op.if_exists,
                Quantifier::Single => op.if_exists || op.negated,
            }),
            Known::Values(values) => {
                let one = |v: &String| {
                    let hit = self.values.iter().fold(Truth::No, |t, own| t.or(matches(op.compare, own, v, keys)));
                    if op.negated { hit.negate() } else { hit }
                };
                let any = |v: &[String]| v.iter().fold(Truth::No, |t, v| t.or(one(v)));
                let all = |v: &[String]| v.iter().fold(Truth::Yes, |t, v| t.and(one(v)));
                match op.quantifier {
                    Quantifier::AnyValue => any(values),
                    Quantifier::AllValues => all(values),
                    // Several values under an operator for one: the negated form must not match any of them.
                    Quantifier::Single if op.negated => all(values),
                    Quantifier::Single => any(values),
                }
            }
        }
    }

    /// Keys that policy variables in its values name.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .flat_map(|v| match v {
                Value::Template(t) => t.pieces.as_slice(),
                _ => &[],
            })
            .filter_map(|p| if let Piece::Variable { key, .. } = p { Some(key.as_str()) } else { None })
    }
}

fn value(compare: Compare, text: &str, variables: bool) -> Value {
    use Compare as C;
    let wild = matches!(compare, C::StringLike | C::Arn);
    let template = matches!(compare, C::StringEquals | C::StringEqualsIgnoreCase | C::StringLike | C::Arn);
    if template {
        let t = Template::read(text, wild, variables);
        if t.has_variables() {
            return Value::Template(t);
        }
        return finished(compare, &t.pieces);
    }
    match compare {
        C::Bool | C::Null => match text {
            t if t.eq_ignore_ascii_case("true") => Value::Bool(true),
            t if t.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => Value::Unfit,
        },
        C::BinaryEquals => Value::Text(text.to_owned()),
        C::IpAddress => net(text).map_or(Value::Unfit, Value::Net),
        C::DateEquals | C::DateLessThan | C::DateLessThanEquals | C::DateGreaterThan | C::DateGreaterThanEquals => {
            time(text).map_or(Value::Unfit, Value::Time)
        }
        _ => number(text).map_or(Value::Unfit, Value::Number),
    }
}

/// Whether a value of a policy is of its operator's type; a policy variable may become anything.
pub fn fits_operator(compare: Compare, text: &str) -> bool {
    if compare == Compare::Arn {
        return text == "*" || text.contains("${") || text.starts_with("arn:") || text.starts_with('*');
    }
    text.contains("${") || !matches!(value(compare, text, true), Value::Unfit)
}

/// A number or a time of a policy as requests carry it, and the ones next to it; nothing where the operator compares neither.
pub fn around(compare: Compare, text: &str) -> Vec<String> {
    match value(compare, text, true) {
        Value::Number(n) => [n.next_down(), n, n.next_up()].map(|n| n.to_string()).into(),
        Value::Time(t) => {
            let moment = jiff::SignedDuration::from_nanos(1);
            [t.checked_sub(moment).ok(), Some(t), t.checked_add(moment).ok()].iter().flatten().map(Timestamp::to_string).collect()
        }
        _ => Vec::new(),
    }
}

fn finished(compare: Compare, pieces: &[Piece]) -> Value {
    let text = || pieces.iter().filter_map(|p| if let Piece::Text(t) = p { Some(t.as_str()) } else { None }).collect();
    match compare {
        Compare::StringLike => Value::Pattern(Glob::of(pieces)),
        Compare::Arn => Value::Arn(ArnPattern::of(pieces)),
        _ => Value::Text(text()),
    }
}

/// The pieces with every variable replaced by its value, which stands for itself alone. `Err` tells what the outcome is
/// where a variable has no one value: nothing matches a value that is absent (AWS: "Policy variables with no value").
pub(super) fn resolve(template: &Template, keys: &impl Keys) -> Result<Vec<Piece>, Truth> {
    let mut pieces = Vec::with_capacity(template.pieces.len());
    let mut outcome = None;
    for piece in &template.pieces {
        let Piece::Variable { key, default } = piece else {
            pieces.push(piece.clone());
            continue;
        };
        match (keys.get(key), default) {
            (Known::Values([one]), _) => pieces.push(Piece::Text(one.clone())),
            (Known::Absent, Some(default)) => pieces.push(Piece::Text(default.clone())),
            (Known::Unknown, _) => outcome = outcome.or(Some(Truth::Maybe)),
            // Several values cannot stand in one place.
            (Known::Absent | Known::Values(_), _) => outcome = Some(Truth::No),
        }
    }
    outcome.map_or(Ok(pieces), Err)
}

fn matches(compare: Compare, own: &Value, theirs: &str, keys: &impl Keys) -> Truth {
    use Compare as C;
    Truth::of(match own {
        Value::Template(template) => {
            return match resolve(template, keys) {
                Ok(pieces) => matches(compare, &finished(compare, &pieces), theirs, keys),
                Err(truth) => truth,
            };
        }
        Value::Text(own) if compare == C::StringEqualsIgnoreCase => own.to_lowercase() == theirs.to_lowercase(),
        Value::Text(own) => own == theirs,
        Value::Pattern(glob) => glob.matches(theirs),
        Value::Arn(pattern) => pattern.matches(theirs),
        Value::Bool(own) => theirs.eq_ignore_ascii_case(if *own { "true" } else { "false" }),
        Value::Net(own) => net(theirs).is_some_and(|theirs| own.contains(&theirs)),
        Value::Number(own) => number(theirs).is_some_and(|theirs| ordered(compare, theirs.partial_cmp(own))),
        Value::Time(own) => time(theirs).is_some_and(|theirs| ordered(compare, Some(theirs.cmp(own)))),
        Value::Unfit => false,
    })
}

fn ordered(compare: Compare, order: Option<std::cmp::Ordering>) -> bool {
    use Compare as C;
    let Some(order) = order else { return false };
    match compare {
        C::NumericLessThan | C::DateLessThan => order.is_lt(),
        C::NumericLessThanEquals | C::DateLessThanEquals => order.is_le(),
        C::NumericGreaterThan | C::DateGreaterThan => order.is_gt(),
        C::NumericGreaterThanEquals | C::DateGreaterThanEquals => order.is_ge(),
        _ => order.is_eq(),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// ISO 8601 as W3C profiles it, or seconds since 1970.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
    }
    let date = |text: &str| text.parse::<Date>().ok().map(|d| d.to_datetime(jiff::civil::Time::midnight()));
    let utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    match text.len() {
        4 => date(&format!("{text}-01-01")).and_then(utc),
        7 => date(&format!("{text}-01")).and_then(utc),
        10 => date(text).and_then(utc),
        _ => text.parse().ok().or_else(|| text.parse::<DateTime>().ok().and_then(utc)),
    }
}
