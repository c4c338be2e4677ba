//! Exact sets of texts, built from patterns by union, intersection and subtraction: which actions or resources a policy
//! really names is a set, not a guess. Emptiness and containment are decided, not sampled, by walking the joint
//! automaton of all patterns of an expression; an answer comes with a text that proves it.
//!
//! The walk is bounded: an expression too large to decide says so.

pub mod glob;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use glob::{ArnPattern, Glob, Token};

/// A set of texts.
#[derive(Debug, Clone)]
pub struct Set {
    expr: Arc<Expr>,
}

#[derive(Debug)]
enum Expr {
    None,
    Pattern(Vec<Token>),
    Or(Vec<Set>),
    And(Vec<Set>),
    Not(Set),
}

/// The expression has more states than [`Set::witness`] is ready to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the patterns are too many and too entangled to compare exactly; compare fewer at a time")]
pub struct TooComplex;

const MAX_STATES: usize = 60_000;
const MAX_STEPS: usize = 4_000_000;

impl Set {
    fn new(expr: Expr) -> Self {
        Self { expr: Arc::new(expr) }
    }
    pub fn none() -> Self {
        Self::new(Expr::None)
    }
    pub fn all() -> Self {
        Self::new(Expr::Pattern(vec![Token::Star { colon: true }]))
    }
    /// The actions that an `Action` value names: case does not matter, so all are in lower case.
    pub fn action(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        Glob::new(&pattern.to_ascii_lowercase()).tokens(true, &mut tokens);
        Self::new(Expr::Pattern(tokens))
    }
    /// The resources that a `Resource` value without variables names.
    pub fn resource(pattern: &str) -> Self {
        Self::arns(&ArnPattern::new(pattern))
    }
    pub fn arns(pattern: &ArnPattern) -> Self {
        Self::new(Expr::Pattern(pattern.tokens()))
    }
    /// The texts in any of them.
    pub fn union(sets: impl IntoIterator<Item = Self>) -> Self {
        let mut sets: Vec<Self> = sets.into_iter().collect();
        match sets.len() {
            0 => Self::none(),
            1 => sets.swap_remove(0),
            _ => Self::new(Expr::Or(sets)),
        }
    }
    pub fn and(&self, other: &Self) -> Self {
        Self::new(Expr::And(vec![self.clone(), other.clone()]))
    }
    pub fn minus(&self, other: &Self) -> Self {
        Self::new(Expr::And(vec![self.clone(), other.complement()]))
    }
    pub fn complement(&self) -> Self {
        Self::new(Expr::Not(self.clone()))
    }
    /// Whether the text is in the set; actions are asked in lower case.
    pub fn contains(&self, text: &str) -> bool {
        let mut walk = Walk::new(self);
        for c in text.chars() {
            walk.state = walk.step(&walk.state, c);
        }
        walk.accepts(&walk.state)
    }
    /// # Errors
    /// [`TooComplex`]
    pub fn is_empty(&self) -> Result<bool, TooComplex> {
        Ok(self.witness()?.is_none())
    }
    /// Whether every text of `other` is in this set.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn covers(&self, other: &Self) -> Result<bool, TooComplex> {
        other.minus(self).is_empty()
    }
    /// # Errors
    /// [`TooComplex`]
    pub fn overlaps(&self, other: &Self) -> Result<bool, TooComplex> {
        Ok(!self.and(other).is_empty()?)
    }
    /// A shortest text of the set, none where it is empty.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub fn witness(&self) -> Result<Option<String>, TooComplex> {
        let walk = Walk::new(self);
        let alphabet = walk.alphabet();
        let start = walk.state.clone();
        if walk.accepts(&start) {
            return Ok(Some(String::new()));
        }
        // The states in the order they were found, each with the one before it and the character between them.
        let mut found: Vec<(usize, char)> = vec![(0, ' ')];
        let mut seen: HashSet<Vec<u64>> = HashSet::from([start.clone()]);
        let mut queue = VecDeque::from([(0usize, start)]);
        let mut steps = 0usize;
        while let Some((from, state)) = queue.pop_front() {
            for &c in &alphabet {
                steps += state.len().max(1);
                if steps > MAX_STEPS || seen.len() > MAX_STATES {
                    return Err(TooComplex);
                }
                let next = walk.step(&state, c);
                if walk.verdict(&walk.root, &next) == Some(false) || !seen.insert(next.clone()) {
                    continue;
                }
                let here = found.len();
                found.push((from, c));
                if walk.accepts(&next) {
                    let mut text = Vec::new();
                    let mut at = here;
                    while at != 0 {
                        text.push(found[at].1);
                        at = found[at].0;
                    }
                    return Ok(Some(text.into_iter().rev().collect()));
                }
                queue.push_back((here, next));
            }
        }
        Ok(None)
    }
}

/// Whether a pattern stands for every ARN that another does.
///
/// # Errors
/// [`TooComplex`]
pub fn covers(pattern: &ArnPattern, other: &ArnPattern) -> Result<bool, TooComplex> {
    pattern.covers(other).map_or_else(|| Set::arns(pattern).covers(&Set::arns(other)), Ok)
}

/// The expression with each different pattern once.
enum Node {
    False,
    Pattern(usize),
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
}

struct Walk<'a> {
    patterns: Vec<&'a [Token]>,
    /// Where each pattern's bits start in a state, in words.
    offsets: Vec<usize>,
    root: Node,
    state: Vec<u64>,
}

impl<'a> Walk<'a> {
    fn new(set: &'a Set) -> Self {
        let mut patterns = Vec::new();
        let mut places = HashMap::new();
        let root = gather(set, &mut patterns, &mut places);
        let mut offsets = Vec::with_capacity(patterns.len());
        let mut words = 0;
        for tokens in &patterns {
            offsets.push(words);
            words += tokens.len() / 64 + 1;
        }
        let mut walk = Self { patterns, offsets, root, state: vec![0; words] };
        let mut state = std::mem::take(&mut walk.state);
        for p in 0..walk.patterns.len() {
            walk.put(&mut state, p, 0);
        }
        walk.state = state;
        walk
    }

    /// Adds position `at` of a pattern, and those behind its stars, which may stand for nothing.
    fn put(&self, state: &mut [u64], pattern: usize, mut at: usize) {
        let tokens = self.patterns[pattern];
        loop {
            state[self.offsets[pattern] + at / 64] |= 1 << (at % 64);
            if !matches!(tokens.get(at), Some(Token::Star { .. })) {
                return;
            }
            at += 1;
        }
    }

    fn has(&self, state: &[u64], pattern: usize, at: usize) -> bool {
        state[self.offsets[pattern] + at / 64] >> (at % 64) & 1 == 1
    }

    fn step(&self, state: &[u64], c: char) -> Vec<u64> {
        let mut next = vec![0; state.len()];
        for (p, tokens) in self.patterns.iter().enumerate() {
            let words = tokens.len() / 64 + 1;
            for w in 0..words {
                let mut bits = state[self.offsets[p] + w];
                while bits != 0 {
                    let at = w * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    match tokens.get(at) {
                        Some(Token::Char(own)) if *own == c => self.put(&mut next, p, at + 1),
                        Some(Token::One { colon }) if *colon || c != ':' => self.put(&mut next, p, at + 1),
                        Some(Token::Star { colon }) if *colon || c != ':' => self.put(&mut next, p, at),
                        _ => {}
                    }
                }
            }
        }
        next
    }

    fn accepts(&self, state: &[u64]) -> bool {
        fn on(walk: &Walk<'_>, node: &Node, state: &[u64]) -> bool {
            match node {
                Node::False => false,
                Node::Pattern(p) => walk.has(state, *p, walk.patterns[*p].len()),
                Node::Or(all) => all.iter().any(|n| on(walk, n, state)),
                Node::And(all) => all.iter().all(|n| on(walk, n, state)),
                Node::Not(n) => !on(walk, n, state),
            }
        }
        on(self, &self.root, state)
    }

    /// What the expression says of every text that goes on from here; none where that differs.
    fn verdict(&self, node: &Node, state: &[u64]) -> Option<bool> {
        match node {
            Node::False => Some(false),
            Node::Pattern(p) => {
                let tokens = self.patterns[*p];
                let words = tokens.len() / 64 + 1;
                let bits = &state[self.offsets[*p]..self.offsets[*p] + words];
                if bits.iter().all(|w| *w == 0) {
                    return Some(false);
                }
                let endless = tokens.last() == Some(&Token::Star { colon: true });
                (endless && self.has(state, *p, tokens.len() - 1)).then_some(true)
            }
            Node::Or(all) => {
                let mut open = false;
                for n in all {
                    match self.verdict(n, state) {
                        Some(true) => return Some(true),
                        None => open = true,
                        Some(false) => {}
                    }
                }
                (!open).then_some(false)
            }
            Node::And(all) => {
                let mut open = false;
                for n in all {
                    match self.verdict(n, state) {
                        Some(false) => return Some(false),
                        None => open = true,
                        Some(true) => {}
                    }
                }
                (!open).then_some(true)
            }
            Node::Not(n) => self.verdict(n, state).map(|v| !v),
        }
    }

    /// Every character some pattern names, the colon, and one that no pattern names, which stands for all others.
    fn alphabet(&self) -> Vec<char> {
        let mut all: Vec<char> = self
            .patterns
            .iter()
            .flat_map(|tokens| tokens.iter())
            .filter_map(|t| if let Token::Char(c) = t { Some(*c) } else { None })
            .chain([':'])
            .collect();
        all.sort_unstable();
        all.dedup();
        let other = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain('\u{4e00}'..='\u{9fff}');
        all.extend(other.into_iter().find(|c| all.binary_search(c).is_err()));
        all
    }
}

fn gather<'a>(set: &'a Set, patterns: &mut Vec<&'a [Token]>, places: &mut HashMap<&'a [Token], usize>) -> Node {
    match &*set.expr {
        Expr::None => Node::False,
        Expr::Pattern(tokens) => Node::Pattern(*places.entry(tokens.as_slice()).or_insert_with(|| {
            patterns.push(tokens);
            patterns.len() - 1
        })),
        Expr::Or(all) => Node::Or(all.iter().map(|s| gather(s, patterns, places)).collect()),
        Expr::And(all) => Node::And(all.iter().map(|s| gather(s, patterns, places)).collect()),
        Expr::Not(s) => Node::Not(Box::new(gather(s, patterns, places))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_and_overlap() {
        let a = |p| Set::action(p);
        assert!(a("s3:*").covers(&a("s3:Get*")).unwrap());
        assert!(!a("s3:Get*").covers(&a("s3:*")).unwrap());
        assert!(a("*").covers(&a("s3:*")).unwrap());
        assert!(a("s3:*Object").overlaps(&a("s3:Get*")).unwrap());
        assert!(!a("s3:Put*").overlaps(&a("s3:Get*")).unwrap());
        let get_not_object = a("s3:Get*").minus(&a("s3:GetObject*"));
        assert!(!get_not_object.contains("s3:getobjectacl"));
        assert!(get_not_object.contains("s3:getbucketacl"));
        // An exact equality that sampling would miss: texts with at least one character.
        assert!(a("*?").covers(&a("?*")).unwrap() && a("?*").covers(&a("*?")).unwrap());
        assert_eq!(a("*").minus(&a("?*")).witness().unwrap().as_deref(), Some(""));
    }

    #[test]
    fn resources_by_parts() {
        let r = |p| Set::resource(p);
        assert!(r("arn:aws:s3:::*").covers(&r("arn:aws:s3:::b/*")).unwrap());
        assert!(!r("arn:aws:sqs:*:1:*").covers(&r("arn:aws:sqs:*:*:q")).unwrap());
        let both = r("arn:aws:s3:::a*").and(&r("arn:aws:s3:::*z"));
        assert_eq!(both.witness().unwrap().unwrap(), "arn:aws:s3:::az");
        assert!(r("arn:aws:sqs").covers(&r("arn:aws:sqs:*:*:*")).unwrap());
        let union = Set::union([r("arn:aws:s3:::a"), r("arn:aws:s3:::b")]);
        assert!(r("arn:aws:s3:::?").covers(&union).unwrap());
        assert!(!union.covers(&r("arn:aws:s3:::?")).unwrap());
    }

    /// What is told by looking at two patterns is what walking them tells.
    #[test]
    fn patterns_cover_as_their_sets_do() {
        let parts = ["", "a", "ab", "*", "a*", "*a", "a?", "?", "?*", "a*b", "a?*", "*b*", "b:a", "a:*"];
        let pattern = |first: &str, last: &str| format!("arn:aws:s3:{first}::{last}");
        let all = parts.iter().flat_map(|first| parts.iter().map(|last| pattern(first, last)));
        let all: Vec<String> = all.chain(["*", "arn", "arn:*", "arn:aws:s3"].map(str::to_owned)).collect();
        let mut covered = 0;
        for own in &all {
            // One of several is enough: parts answer alone.
            for other in all.iter().skip(own.len() % 7).step_by(7) {
                let expected = Set::resource(own).covers(&Set::resource(other)).unwrap();
                assert_eq!(covers(&ArnPattern::new(own), &ArnPattern::new(other)), Ok(expected), "{own} {other}");
                covered += usize::from(expected);
            }
        }
        assert!(covered > 100, "{covered}");
    }

    #[test]
    fn too_complex_says_so() {
        // Nothing is both, and to know it every choice of the last letters has to be told apart.
        let both = |behind: usize| {
            let ends = |letter: &str| Set::action(&format!("*{letter}{}", "?".repeat(behind)));
            ends("a").and(&ends("b")).witness()
        };
        assert_eq!(both(3), Ok(None));
        assert!(both(40).is_err());
    }
}
