//! What one value must be to match. It owns the tests on values, not where values are kept.

use std::ops::RangeInclusive;

use frizbee::{CaseMatching, Config, Matcher, Scoring};

use crate::listing::strings::fold;
use crate::listing::wildcard::Wildcard;

/// A test on one value of a field, already fit for the field's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    /// No value.
    Missing,
    /// Keyword, Text, Set.
    Text(TextTest),
    /// Rank: places.
    Ranks(RangeInclusive<u8>),
    /// Number and Time.
    Between(RangeInclusive<i64>),
    /// Age: seconds before now.
    Aged(RangeInclusive<i64>),
}

/// A test on a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextTest {
    /// Contains this folded, non-empty text.
    Contains(String),
    /// Is exactly this text.
    Whole(String),
    /// As a whole matches this folded pattern.
    Wild(Wildcard),
}

impl TextTest {
    /// Whether `text`, whose folded form is `folded`, passes.
    pub(crate) fn accepts(&self, folded: &str, text: &str) -> bool {
        match self {
            TextTest::Contains(part) => folded.contains(part.as_str()),
            TextTest::Whole(whole) => whole == text,
            TextTest::Wild(wildcard) => wildcard.matches(folded),
        }
    }

    /// A free word's or phrase's test.
    pub(crate) fn word(word: &str) -> TextTest {
        let folded = fold(word);
        Wildcard::new(&folded).map_or(TextTest::Contains(folded), TextTest::Wild)
    }
}

/// Finds keywords that nearly are a word. Letters of the word must come in order, close together; from six letters on, one
/// may be wrong or missing.
pub(crate) struct Fuzzy {
    matcher: Matcher,
    least: u16,
}

impl Fuzzy {
    /// The shortest word that is matched fuzzily, in characters.
    const SHORTEST: usize = 4;
    /// The longest: a paste, not a word.
    const LONGEST: usize = 64;
    const MATCH: u16 = 12;

    /// A matcher for `word`, or none when it is too short, too long, or no plain word.
    pub(crate) fn new(word: &str) -> Option<Fuzzy> {
        let length = word.chars().count();
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == '.';
        if !(Self::SHORTEST..=Self::LONGEST).contains(&length) || !word.chars().all(plain) {
            return None;
        }
        // A wrong letter costs its match (12) and a mismatch (6), a missing one its match and a gap (5), letters between
        // 5 and 1 for each more: two letters swapped cost 22. Bonuses are off, so that the score alone says how near it is.
        let (typos, loss) = match length {
            ..6 => (0, 6),
            6..8 => (1, 18),
            _ => (1, 22),
        };
        let scoring = Scoring {
            match_score: Self::MATCH,
            mismatch_penalty: 6,
            gap_open_penalty: 5,
            gap_extend_penalty: 1,
            prefix_bonus: 0,
            capitalization_bonus: 0,
            matching_case_bonus: 0,
            exact_match_bonus: 0,
            delimiter_bonus: 0,
        };
        let config = Config { max_typos: Some(typos), casing: CaseMatching::Ignore, scoring, ..Config::default() };
        let least = (length as u16 * Self::MATCH).saturating_sub(loss);
        Some(Fuzzy { matcher: Matcher::new(fold(word).as_str(), &config), least })
    }

    pub(crate) fn accepts(&mut self, folded: &str) -> bool {
        self.matcher.match_one(folded, 0).is_some_and(|found| found.score >= self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_match_and_junk_does_not() {
        let accepts = |word: &str, text: &str| Fuzzy::new(word).is_some_and(|mut fuzzy| fuzzy.accepts(&fold(text)));
        for (word, text) in [
            ("critcal", "Critical finding"),
            ("secuirty", "Security groups should not allow ingress"),
            ("payprod", "pay-prod"),
            ("paymentsprod", "payments-prod"),
            ("encrpytion", "EBS default encryption should be enabled"),
            ("rotaton", "KMS key rotation should be enabled"),
        ] {
            assert!(accepts(word, text), "{word} should find {text}");
        }
        for (word, text) in [
            ("role", "control plane"),
            ("prod", "preview old"),
            ("bucket", "S3 block public settings"),
            ("public", "purple clouds"),
            ("lambda", "load balancer data"),
            ("rds", "rods"),
            ("root", "rotation of the other"),
            ("access", "a classic case"),
        ] {
            assert!(!accepts(word, text), "{word} should not find {text}");
        }
    }
}
