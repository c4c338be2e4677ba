//! Patterns with `*` (any text) and `?` (any one character) against a whole value. It owns matching only; folding and
//! quoting are the caller's.

/// A pattern that must match a whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    /// The parts between stars. The first must match at the start and the last at the end; empty ones match anywhere.
    parts: Vec<String>,
}

impl Wildcard {
    /// The pattern in `text`, or none when it holds neither `*` nor `?`.
    pub(crate) fn new(text: &str) -> Option<Wildcard> {
        text.contains(['*', '?']).then(|| Wildcard { parts: text.split('*').map(str::to_owned).collect() })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| begins(text, only) == Some(text.len()));
        };
        let Some(mut from) = begins(text, first) else { return false };
        for part in middle {
            let Some(after) = find(text, from, part) else { return false };
            from = after;
        }
        ends(&text[from..], last)
    }

    /// The longest run of plain characters: whatever matches contains it. Empty when there is none.
    pub(crate) fn longest_literal(&self) -> &str {
        self.parts.iter().flat_map(|part| part.split('?')).max_by_key(|literal| literal.len()).unwrap_or_default()
    }
}

/// How many bytes of `text` are matched when it begins with `part`.
fn begins(text: &str, part: &str) -> Option<usize> {
    let mut rest = text.chars();
    for wanted in part.chars() {
        let found = rest.next()?;
        if wanted != '?' && wanted != found {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

/// Where the first match of `part` at or after `from` ends.
fn find(text: &str, from: usize, part: &str) -> Option<usize> {
    let rest = &text[from..];
    if !part.contains('?') {
        return rest.find(part).map(|at| from + at + part.len());
    }
    rest.char_indices().find_map(|(at, _)| begins(&rest[at..], part).map(|length| from + at + length))
}

fn ends(text: &str, part: &str) -> bool {
    let mut rest = text.chars();
    part.chars().rev().all(|wanted| rest.next_back().is_some_and(|found| wanted == '?' || wanted == found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook recursion.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => plain(&pattern[1..], text) || (!text.is_empty() && plain(pattern, &text[1..])),
            (Some('?'), Some(_)) => plain(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => plain(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook(pattern in "[abé*?]{0,7}", text in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<char>>();
            match Wildcard::new(&pattern) {
                Some(wildcard) => {
                    let matches = wildcard.matches(&text);
                    prop_assert_eq!(matches, plain(&chars(&pattern), &chars(&text)));
                    prop_assert!(!matches || text.contains(wildcard.longest_literal()));
                }
                None => prop_assert!(!pattern.contains(['*', '?'])),
            }
        }
    }
}
