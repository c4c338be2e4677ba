//! Patterns with `*` and `?` over plain text, and patterns over ARNs, which are matched part by part.

use crate::iam::policy::{Piece, Template};

/// One step of a pattern. `colon` tells whether a wildcard may stand for `:`; inside the first five parts of an ARN it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Token {
    Char(char),
    One { colon: bool },
    Star { colon: bool },
}

/// A pattern: `*` stands for any text, `?` for any one character, all else for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob {
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shape {
    All,
    Exact(Box<str>),
    /// A text, then `*`.
    Prefix(Box<str>),
    General(Box<[Step]>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Text(Box<str>),
    One,
    Star,
}

impl Glob {
    /// The pattern as written, without policy variables.
    pub fn new(pattern: &str) -> Self {
        Self::of(&Template::read(pattern, true, false).pieces)
    }
    /// The pattern of pieces whose variables are resolved; one that is not stands for nothing.
    pub(crate) fn of(pieces: &[Piece]) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for piece in pieces {
            match (piece, steps.last_mut()) {
                (Piece::Text(text), Some(Step::Text(last))) => *last = format!("{last}{text}").into(),
                (Piece::Text(text), _) => steps.push(Step::Text(text.as_str().into())),
                (Piece::Star, Some(Step::Star)) | (Piece::Variable { .. }, _) => {}
                (Piece::Star, _) => steps.push(Step::Star),
                (Piece::One, _) => steps.push(Step::One),
            }
        }
        let shape = match steps.as_slice() {
            [] => Shape::Exact("".into()),
            [Step::Star] => Shape::All,
            [Step::Text(text)] => Shape::Exact(text.clone()),
            [Step::Text(text), Step::Star] => Shape::Prefix(text.clone()),
            _ => Shape::General(steps.into()),
        };
        Self { shape }
    }
    pub fn is_all(&self) -> bool {
        matches!(self.shape, Shape::All)
    }
    /// The only text it stands for.
    pub fn exact(&self) -> Option<&str> {
        if let Shape::Exact(text) = &self.shape { Some(text) } else { None }
    }
    pub fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::All => true,
            Shape::Exact(own) => **own == *text,
            Shape::Prefix(own) => text.starts_with(&**own),
            Shape::General(steps) => general(steps, text),
        }
    }
    /// Whether both have a text in common.
    fn overlaps(&self, other: &Self) -> bool {
        match (self.exact(), other.exact()) {
            _ if self.is_all() || other.is_all() => true,
            (Some(text), _) => other.matches(text),
            (_, Some(text)) => self.matches(text),
            (None, None) => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                self.tokens(true, &mut a);
                other.tokens(true, &mut b);
                meet(&a, &b)
            }
        }
    }
    /// Whether it stands for all that another does; none where the two have to be walked.
    fn covers(&self, other: &Self) -> Option<bool> {
        match (&self.shape, &other.shape) {
            (Shape::All, _) => Some(true),
            (_, Shape::Exact(text)) => Some(self.matches(text)),
            // All others stand for several texts.
            (Shape::Exact(_), _) => Some(false),
            (Shape::Prefix(own), Shape::Prefix(text)) => Some(text.starts_with(&**own)),
            (Shape::Prefix(own), Shape::General(steps)) => match steps.first() {
                Some(Step::Text(text)) => Some(text.starts_with(&**own)),
                _ => Some(own.is_empty()),
            },
            (Shape::Prefix(own), Shape::All) => Some(own.is_empty()),
            (Shape::General(own), Shape::General(steps)) if own == steps => Some(true),
            (Shape::General(_), _) => None,
        }
    }
    /// Its steps; `colon` as in [`Token`].
    pub(crate) fn tokens(&self, colon: bool, out: &mut Vec<Token>) {
        match &self.shape {
            Shape::All => out.push(Token::Star { colon }),
            Shape::Exact(text) => out.extend(text.chars().map(Token::Char)),
            Shape::Prefix(text) => {
                out.extend(text.chars().map(Token::Char));
                out.push(Token::Star { colon });
            }
            Shape::General(steps) => {
                for step in steps {
                    match step {
                        Step::Text(text) => out.extend(text.chars().map(Token::Char)),
                        Step::One => out.push(Token::One { colon }),
                        Step::Star => out.push(Token::Star { colon }),
                    }
                }
            }
        }
    }
}

/// Whether two patterns have a text in common: which pairs of places both can stand at after some common text.
fn meet(a: &[Token], b: &[Token]) -> bool {
    let star = |all: &[Token], at: usize| matches!(all.get(at), Some(Token::Star { .. }));
    let mut here = vec![false; b.len() + 1];
    here[0] = true;
    for i in 0..=a.len() {
        let mut next = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            if !here[j] {
                continue;
            }
            // A star that ends stands for nothing more.
            if star(a, i) {
                next[j] = true;
            }
            if star(b, j) {
                here[j + 1] = true;
            }
            let (Some(x), Some(y)) = (a.get(i), b.get(j)) else { continue };
            match (star(a, i), star(b, j)) {
                (true, false) => here[j + 1] = true,
                (false, true) => next[j] = true,
                (true, true) => {}
                (false, false) => {
                    let fits = match (x, y) {
                        (Token::Char(x), Token::Char(y)) => x == y,
                        _ => true,
                    };
                    next[j + 1] |= fits;
                }
            }
        }
        if i == a.len() {
            return here[b.len()];
        }
        here = next;
    }
    false
}

/// Greedy matching that goes back to the last star only: at worst pattern times text.
fn general(steps: &[Step], text: &str) -> bool {
    let (mut step, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let fits = match steps.get(step) {
            None if at == text.len() => return true,
            None => false,
            Some(Step::Star) => {
                star = Some((step, at));
                step += 1;
                continue;
            }
            Some(Step::Text(own)) => {
                let fits = text[at..].starts_with(&**own);
                at += if fits { own.len() } else { 0 };
                fits
            }
            Some(Step::One) => match text[at..].chars().next() {
                Some(c) => {
                    at += c.len_utf8();
                    true
                }
                None => false,
            },
        };
        if fits {
            step += 1;
            continue;
        }
        // The star takes one more character; the steps behind it start again.
        let Some((s, from)) = star else { return false };
        let Some(c) = text[from..].chars().next() else { return false };
        at = from + c.len_utf8();
        star = Some((s, at));
        step = s + 1;
    }
}

/// A pattern over ARNs: `*`, or six parts each matched on its own, the last of which may hold colons (AWS: "IAM JSON
/// policy elements: Resource"). Missing parts are completed with `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArnPattern {
    /// None for the pattern `*`.
    parts: Option<Box<[Glob; 6]>>,
}

impl ArnPattern {
    pub fn new(pattern: &str) -> Self {
        Self::of(&Template::read(pattern, true, false).pieces)
    }
    pub(crate) fn of(pieces: &[Piece]) -> Self {
        if !pieces.is_empty() && pieces.iter().all(|p| *p == Piece::Star) {
            return Self { parts: None };
        }
        let mut parts: Vec<Vec<Piece>> = vec![Vec::new()];
        for piece in pieces {
            let Piece::Text(text) = piece else {
                if let Some(last) = parts.last_mut() {
                    last.push(piece.clone());
                }
                continue;
            };
            for (i, segment) in text.splitn(7 - parts.len().min(6), ':').enumerate() {
                if i > 0 {
                    parts.push(Vec::new());
                }
                if let (Some(last), false) = (parts.last_mut(), segment.is_empty()) {
                    last.push(Piece::Text(segment.to_owned()));
                }
            }
        }
        while parts.len() < 6 {
            parts.push(vec![Piece::Star]);
        }
        let mut globs = parts.iter().map(|p| Glob::of(p));
        let parts = std::array::from_fn(|_| globs.next().unwrap_or_else(|| Glob::of(&[])));
        Self { parts: Some(Box::new(parts)) }
    }
    /// The pattern `*`, which stands for everything, ARN or not.
    pub fn is_all(&self) -> bool {
        self.parts.is_none()
    }
    pub fn matches(&self, arn: &str) -> bool {
        self.parts.is_none() || split(arn).is_some_and(|parts| self.matches_parts(&parts))
    }
    /// As [`Self::matches`], for an ARN that is split already.
    pub fn matches_parts(&self, arn: &[&str; 6]) -> bool {
        // From the end: the last part tells most.
        self.parts.as_ref().is_none_or(|own| own.iter().zip(arn).rev().all(|(glob, part)| glob.matches(part)))
    }
    /// Whether both have a text in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(own), Some(theirs)) = (&self.parts, &other.parts) else { return true };
        // Where a text is split into parts follows from the text alone, so each part answers for itself.
        own.iter().zip(theirs.iter()).all(|(a, b)| a.overlaps(b))
    }
    /// Whether it stands for all that another does; none where the two have to be walked.
    pub(super) fn covers(&self, other: &Self) -> Option<bool> {
        let Some(own) = &self.parts else { return Some(true) };
        let theirs = other.parts.as_ref()?;
        let mut parts = own.iter().zip(theirs.iter()).map(|(a, b)| a.covers(b));
        // Every part stands for something, so that one which is not covered leaves something out.
        let all = parts.try_fold(true, |known, part| match part {
            Some(false) => Err(()),
            Some(true) => Ok(known),
            None => Ok(false),
        });
        all.map_or(Some(false), |known| known.then_some(true))
    }
    /// How many `/` everything it stands for has at least in its last part.
    pub(crate) fn slashes(&self) -> usize {
        let mut tokens = Vec::new();
        if let Some(parts) = &self.parts {
            parts[5].tokens(true, &mut tokens);
        }
        tokens.iter().filter(|t| **t == Token::Char('/')).count()
    }
    /// The pattern as steps over the whole text.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut out = Vec::new();
        match &self.parts {
            None => out.push(Token::Star { colon: true }),
            Some(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        out.push(Token::Char(':'));
                    }
                    part.tokens(i == 5, &mut out);
                }
            }
        }
        out
    }
}

/// The ARNs that two patterns have in common, as a pattern; none where parts of both are narrower in some way.
pub fn common(one: &str, other: &str) -> Option<String> {
    if one == "*" || other == "*" {
        return Some(if one == "*" { other } else { one }.to_owned());
    }
    let (own, theirs) = (split(one)?, split(other)?);
    let narrower = |(a, b): (&&str, &&str)| {
        let (own, theirs) = (Glob::new(a), Glob::new(b));
        let covers = |wide: &Glob, of: &Glob| wide.covers(of) == Some(true);
        if covers(&own, &theirs) { Some((*b).to_owned()) } else { covers(&theirs, &own).then(|| (*a).to_owned()) }
    };
    Some(own.iter().zip(&theirs).map(narrower).collect::<Option<Vec<String>>>()?.join(":"))
}

/// The six parts of an ARN; none where it has fewer.
pub fn split(arn: &str) -> Option<[&str; 6]> {
    let mut parts = arn.splitn(6, ':');
    let mut all = [""; 6];
    for part in &mut all {
        *part = parts.next()?;
    }
    Some(all)
}

/// Whether a value of an action element is every action of every service: `*`, `*:*`.
pub fn is_every_action(text: &str) -> bool {
    let stars = |part: &str| !part.is_empty() && part.bytes().all(|b| b == b'*');
    text.split_once(':').map_or_else(|| stars(text), |(service, names)| stars(service) && stars(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, yes, no) in [
            ("a*b", &["ab", "axxb", "abab"][..], &["a", "ba", "abx"][..]),
            ("a?b", &["axb", "aéb"], &["ab", "axxb"]),
            ("*??", &["ab", "€€"], &["€", ""]),
            ("*a*b*", &["ab", "xaxbx"], &["ba"]),
            ("", &[""], &["a"]),
            ("**", &["", "abc"], &[]),
        ] {
            let glob = Glob::new(pattern);
            assert!(yes.iter().all(|t| glob.matches(t)), "{pattern}");
            assert!(!no.iter().any(|t| glob.matches(t)), "{pattern}");
        }
    }

    #[test]
    fn arns_by_parts() {
        for (pattern, arn, fits) in [
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/l", true),
            ("arn:aws:s3:::b*", "arn:aws:s3:::b:c", true),
            ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:1:q", true),
            ("arn:aws:*:1:q", "arn:aws:sqs:eu-west-1:1:q", false),
            ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:1:q", false),
            ("arn:aws:logs:*:*:*", "arn:aws:logs:eu-west-1:1:log-group:g:log-stream:s", true),
            ("*", "anything", true),
            ("arn:*", "anything", false),
            ("arn:aws:s3:::B", "arn:aws:s3:::b", false),
        ] {
            assert_eq!(ArnPattern::new(pattern).matches(arn), fits, "{pattern} {arn}");
        }
    }
}
