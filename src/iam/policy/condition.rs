//! Condition operators of the policy language (AWS: "IAM JSON policy elements: Condition operators"), by name.

/// How one value of the request is compared with one value of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compare {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    NumericEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    /// `ArnEquals` and `ArnLike`, which behave identically.
    Arn,
    /// Whether the key is absent.
    Null,
}

/// Whether an operator looks at a key as one value or as a set of them (AWS: "Multivalued context keys").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantifier {
    Single,
    AnyValue,
    AllValues,
}

/// A condition operator with its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operator {
    pub compare: Compare,
    /// `StringNotEquals` and its like.
    pub negated: bool,
    pub if_exists: bool,
    pub quantifier: Quantifier,
    /// `ArnEquals` is printed as it was read, though it means `ArnLike`.
    equals_spelling: bool,
}

const NAMES: &[(&str, Compare, bool)] = &[
    ("StringEquals", Compare::StringEquals, false),
    ("StringNotEquals", Compare::StringEquals, true),
    ("StringEqualsIgnoreCase", Compare::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Compare::StringEqualsIgnoreCase, true),
    ("StringLike", Compare::StringLike, false),
    ("StringNotLike", Compare::StringLike, true),
    ("NumericEquals", Compare::NumericEquals, false),
    ("NumericNotEquals", Compare::NumericEquals, true),
    ("NumericLessThan", Compare::NumericLessThan, false),
    ("NumericLessThanEquals", Compare::NumericLessThanEquals, false),
    ("NumericGreaterThan", Compare::NumericGreaterThan, false),
    ("NumericGreaterThanEquals", Compare::NumericGreaterThanEquals, false),
    ("DateEquals", Compare::DateEquals, false),
    ("DateNotEquals", Compare::DateEquals, true),
    ("DateLessThan", Compare::DateLessThan, false),
    ("DateLessThanEquals", Compare::DateLessThanEquals, false),
    ("DateGreaterThan", Compare::DateGreaterThan, false),
    ("DateGreaterThanEquals", Compare::DateGreaterThanEquals, false),
    ("Bool", Compare::Bool, false),
    ("BinaryEquals", Compare::BinaryEquals, false),
    ("IpAddress", Compare::IpAddress, false),
    ("NotIpAddress", Compare::IpAddress, true),
    ("ArnLike", Compare::Arn, false),
    ("ArnNotLike", Compare::Arn, true),
    ("ArnEquals", Compare::Arn, false),
    ("ArnNotEquals", Compare::Arn, true),
    ("Null", Compare::Null, false),
];

impl Operator {
    /// `Bool`
    pub const BOOL: Self =
        Self { compare: Compare::Bool, negated: false, if_exists: false, quantifier: Quantifier::Single, equals_spelling: false };

    /// Reads `ForAnyValue:StringLikeIfExists` and the like; case does not matter. None where there is no such operator.
    pub fn read(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            Some((p, rest)) if p.eq_ignore_ascii_case("ForAnyValue") => (Quantifier::AnyValue, rest),
            Some((p, rest)) if p.eq_ignore_ascii_case("ForAllValues") => (Quantifier::AllValues, rest),
            Some(_) => return None,
            None => (Quantifier::Single, name),
        };
        let cut = rest.len().checked_sub("IfExists".len());
        let (base, if_exists) = match cut.and_then(|cut| Some((rest.get(..cut)?, rest.get(cut..)?))) {
            Some((base, suffix)) if suffix.eq_ignore_ascii_case("IfExists") => (base, true),
            _ => (rest, false),
        };
        let (spelled, compare, negated) = NAMES.iter().find(|(n, ..)| n.eq_ignore_ascii_case(base))?;
        if *compare == Compare::Null && if_exists {
            return None;
        }
        let equals_spelling = *compare == Compare::Arn && spelled.ends_with("Equals");
        Some(Self { compare: *compare, negated: *negated, if_exists, quantifier, equals_spelling })
    }

    /// As AWS spells it.
    pub fn name(self) -> String {
        let base = NAMES
            .iter()
            .find(|(n, c, neg)| {
                *c == self.compare
                    && *neg == self.negated
                    && (*c != Compare::Arn || n.ends_with("Equals") == self.equals_spelling)
            })
            .map_or("", |(n, ..)| n);
        let prefix = match self.quantifier {
            Quantifier::Single => "",
            Quantifier::AnyValue => "ForAnyValue:",
            Quantifier::AllValues => "ForAllValues:",
        };
        format!("{prefix}{base}{}", if self.if_exists { "IfExists" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_reads_and_prints() {
        for (name, ..) in NAMES {
            for prefix in ["", "ForAnyValue:", "ForAllValues:"] {
                for suffix in ["", "IfExists"] {
                    let full = format!("{prefix}{name}{suffix}");
                    let read = Operator::read(&full);
                    if *name == "Null" && !suffix.is_empty() {
                        assert_eq!(read, None);
                    } else {
                        assert_eq!(read.unwrap().name(), full);
                        assert_eq!(Operator::read(&full.to_ascii_lowercase()), read);
                    }
                }
            }
        }
        for wrong in ["", "StringEqual", "ForSomeValue:StringLike", "IfExists", "BinaryNotEquals", "é", "ééééééééé"] {
            assert_eq!(Operator::read(wrong), None, "{wrong}");
        }
    }
}
