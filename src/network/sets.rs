//! Canonical interval sets: the arithmetic under packet sets. Knows numbers and layers, no packets and no AWS.
//!
//! A [`Layer`] maps the whole line of a key to a region of the next dimension, as sorted, disjoint intervals whose
//! neighbours differ. That form is unique for a given set, so equality of sets is equality of values (an interval
//! decision diagram with a fixed order of dimensions).

use std::cmp::Ordering;

/// A key with a smallest and a largest value and neighbours between them.
pub trait Step: Copy + Ord {
    const MIN: Self;
    const MAX: Self;
    /// The next larger value; only called below `MAX`.
    fn next(self) -> Self;
    /// The next smaller value; only called above `MIN`.
    fn prev(self) -> Self;
}

macro_rules! step {
    ($($t:ty),+) => {$(
        impl Step for $t {
            const MIN: Self = <$t>::MIN;
            const MAX: Self = <$t>::MAX;
            fn next(self) -> Self { self.wrapping_add(1) }
            fn prev(self) -> Self { self.wrapping_sub(1) }
        }
    )+};
}
step!(u8, u16, u32, u128);

/// A set in some number of dimensions.
pub trait Region: Clone + PartialEq {
    fn nothing() -> Self;
    fn everything() -> Self;
    fn is_empty(&self) -> bool;
    fn and(&self, other: &Self) -> Self;
    fn or(&self, other: &Self) -> Self;
    fn minus(&self, other: &Self) -> Self;
    /// Whether the two share a point; cheaper than building what they share.
    fn meets(&self, other: &Self) -> bool;
}

/// No dimension: one point, in or out.
impl Region for bool {
    fn nothing() -> Self {
        false
    }
    fn everything() -> Self {
        true
    }
    fn is_empty(&self) -> bool {
        !*self
    }
    fn and(&self, other: &Self) -> Self {
        *self && *other
    }
    fn or(&self, other: &Self) -> Self {
        *self || *other
    }
    fn minus(&self, other: &Self) -> Self {
        *self && !*other
    }
    fn meets(&self, other: &Self) -> bool {
        *self && *other
    }
}

/// One dimension over further ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer<K, V> {
    /// First key, last key, region there; never an empty region, never two equal neighbours.
    parts: Vec<(K, K, V)>,
}

impl<K, V> Default for Layer<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<K: Step, V: Region> Layer<K, V> {
    /// `region` for the keys from `first` to `last`; nothing where `first > last`.
    pub fn span(first: K, last: K, region: V) -> Self {
        if first > last || region.is_empty() { Self::default() } else { Self { parts: vec![(first, last, region)] } }
    }
    /// `region` for every key.
    pub fn all(region: V) -> Self {
        Self::span(K::MIN, K::MAX, region)
    }
    /// The intervals in order.
    pub fn parts(&self) -> &[(K, K, V)] {
        &self.parts
    }
    /// The region at one key.
    pub fn at(&self, key: K) -> Option<&V> {
        let found = self.parts.binary_search_by(|(first, last, _)| {
            if *last < key {
                Ordering::Less
            } else if *first > key {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        });
        found.ok().and_then(|at| self.parts.get(at)).map(|(_, _, region)| region)
    }
    /// Each interval's region changed by `change`; the form stays canonical.
    pub fn map<W: Region>(&self, mut change: impl FnMut(K, K, &V) -> W) -> Layer<K, W> {
        let mut out = Layer { parts: Vec::with_capacity(self.parts.len()) };
        for (first, last, region) in &self.parts {
            out.push(*first, *last, change(*first, *last, region));
        }
        out
    }
    /// Regions of all keys in the interval, joined.
    pub fn any_in(&self, first: K, last: K) -> V {
        let inside = self.parts.iter().filter(|(a, b, _)| *a <= last && *b >= first);
        inside.fold(V::nothing(), |all, (_, _, region)| all.or(region))
    }
    /// What the regions of all keys in the interval have in common.
    pub fn each_in(&self, first: K, last: K) -> V {
        let mut at = first;
        let mut common = V::everything();
        for (a, b, region) in self.parts.iter().filter(|(a, b, _)| *a <= last && *b >= first) {
            if *a > at {
                return V::nothing();
            }
            common = common.and(region);
            if *b >= last {
                return common;
            }
            at = b.next();
        }
        V::nothing()
    }
    /// Puts an interval behind all others. The caller keeps order; empty regions and equal neighbours are seen to here.
    fn push(&mut self, first: K, last: K, region: V) {
        if region.is_empty() {
            return;
        }
        if let Some((_, end, before)) = self.parts.last_mut()
            && *end < K::MAX
            && end.next() == first
            && *before == region
        {
            *end = last;
            return;
        }
        self.parts.push((first, last, region));
    }
    /// Sweeps both lines at once; `join` says what stands where one, the other or both have something.
    fn merge(&self, other: &Self, join: impl Fn(Option<&V>, Option<&V>) -> Option<V>) -> Self {
        let mut out = Self { parts: Vec::with_capacity(self.parts.len().max(other.parts.len())) };
        let (mut a, mut b) = (self.parts.iter(), other.parts.iter());
        // What is left of the current interval on each side.
        let (mut left, mut right) = (a.next().cloned_ends(), b.next().cloned_ends());
        loop {
            let (first, last, l, r) = match (left, right) {
                (None, None) => return out,
                (Some((f, t, v)), None) => (f, t, Some(v), None),
                (None, Some((f, t, v))) => (f, t, None, Some(v)),
                (Some((f, t, v)), Some((g, u, w))) => match f.cmp(&g) {
                    Ordering::Less => (f, if t < g { t } else { g.prev() }, Some(v), None),
                    Ordering::Greater => (g, if u < f { u } else { f.prev() }, None, Some(w)),
                    Ordering::Equal => (f, t.min(u), Some(v), Some(w)),
                },
            };
            if let Some(region) = join(l, r) {
                out.push(first, last, region);
            }
            if l.is_some() {
                left = rest(left, last).or_else(|| a.next().cloned_ends());
            }
            if r.is_some() {
                right = rest(right, last).or_else(|| b.next().cloned_ends());
            }
        }
    }
}

type Part<'a, K, V> = Option<(K, K, &'a V)>;

trait Ends<'a, K, V> {
    fn cloned_ends(self) -> Part<'a, K, V>;
}

impl<'a, K: Copy, V> Ends<'a, K, V> for Option<&'a (K, K, V)> {
    fn cloned_ends(self) -> Part<'a, K, V> {
        self.map(|(first, last, region)| (*first, *last, region))
    }
}

fn rest<K: Step, V>(part: Part<'_, K, V>, done: K) -> Part<'_, K, V> {
    part.and_then(|(_, last, region)| (last > done).then(|| (done.next(), last, region)))
}

impl<K: Step, V: Region> Region for Layer<K, V> {
    fn nothing() -> Self {
        Self::default()
    }
    fn everything() -> Self {
        Self::all(V::everything())
    }
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
    fn and(&self, other: &Self) -> Self {
        self.merge(other, |a, b| Some(a?.and(b?)))
    }
    fn or(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        self.merge(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(a.or(b)),
            (one, two) => one.or(two).cloned(),
        })
    }
    fn minus(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.merge(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(a.minus(b)),
            (a, _) => a.cloned(),
        })
    }
    fn meets(&self, other: &Self) -> bool {
        let (mut i, mut j) = (0, 0);
        while let (Some((f, t, v)), Some((g, u, w))) = (self.parts.get(i), other.parts.get(j)) {
            if f <= u && g <= t && v.meets(w) {
                return true;
            }
            if t < u { i += 1 } else { j += 1 }
        }
        false
    }
}

/// A plain set of keys.
pub type Ranges<K> = Layer<K, bool>;

impl<K: Step> Ranges<K> {
    /// The keys from `first` to `last`.
    pub fn range(first: K, last: K) -> Self {
        Self::span(first, last, true)
    }
    /// Joins any intervals; far cheaper than one by one.
    pub fn of(mut intervals: Vec<(K, K)>) -> Self {
        intervals.retain(|(first, last)| first <= last);
        intervals.sort_unstable();
        let mut out: Self = Self { parts: Vec::with_capacity(intervals.len()) };
        for (first, last) in intervals {
            match out.parts.last_mut() {
                Some((_, end, _)) if *end == K::MAX || end.next() >= first => *end = (*end).max(last),
                _ => out.parts.push((first, last, true)),
            }
        }
        out
    }
    pub fn has(&self, key: K) -> bool {
        self.at(key).is_some()
    }
    pub fn is_all(&self) -> bool {
        matches!(self.parts.as_slice(), [(first, last, _)] if *first == K::MIN && *last == K::MAX)
    }
    /// The only key, where there is only one.
    pub fn single(&self) -> Option<K> {
        match self.parts.as_slice() {
            [(first, last, _)] if first == last => Some(*first),
            _ => None,
        }
    }
    /// Whether all keys of `other` are here.
    pub fn covers(&self, other: &Self) -> bool {
        other.minus(self).is_empty()
    }
    pub fn first(&self) -> Option<K> {
        self.parts.first().map(|(first, _, _)| *first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Plane = Layer<u8, Ranges<u8>>;

    /// A small generator of its own (xorshift), so that the cases are the same on every run.
    struct Dice(u64);
    impl Dice {
        fn roll(&mut self, sides: u64) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            u8::try_from(self.0 % sides).unwrap()
        }
    }

    /// Boxes as they were drawn, to check each point against.
    type Boxes = Vec<(u8, u8, u8, u8)>;

    fn draw(dice: &mut Dice) -> (Plane, Boxes) {
        let mut boxes = Vec::new();
        let mut plane = Plane::nothing();
        for _ in 0..dice.roll(5) {
            let edge = |dice: &mut Dice| match dice.roll(8) {
                0 => 0,
                1 => 255,
                _ => 120 + dice.roll(12),
            };
            let (a, b, c, d) = (edge(dice), edge(dice), edge(dice), edge(dice));
            boxes.push((a.min(b), a.max(b), c.min(d), c.max(d)));
            plane = plane.or(&Plane::span(a.min(b), a.max(b), Ranges::range(c.min(d), c.max(d))));
        }
        (plane, boxes)
    }

    fn inside(boxes: &Boxes, x: u8, y: u8) -> bool {
        boxes.iter().any(|(a, b, c, d)| (a..=b).contains(&&x) && (c..=d).contains(&&y))
    }

    fn canonical(plane: &Plane) {
        for pair in plane.parts().windows(2) {
            assert!(pair[0].1 < pair[1].0, "in order");
            assert!(pair[0].1.next() != pair[1].0 || pair[0].2 != pair[1].2, "neighbours differ");
        }
        assert!(plane.parts().iter().all(|(first, last, region)| first <= last && !region.is_empty()));
    }

    #[test]
    fn every_operation_agrees_with_points() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3_000 {
            let ((a, a_boxes), (b, b_boxes)) = (draw(&mut dice), draw(&mut dice));
            let (and, or, minus) = (a.and(&b), a.or(&b), a.minus(&b));
            [&and, &or, &minus].into_iter().for_each(canonical);
            let points = [0, 1, 119, 254, 255].into_iter().chain(120..133);
            let mut met = false;
            for x in points.clone() {
                for y in points.clone() {
                    let (p, q) = (inside(&a_boxes, x, y), inside(&b_boxes, x, y));
                    let has = |plane: &Plane| plane.at(x).is_some_and(|r| r.has(y));
                    assert_eq!((has(&and), has(&or), has(&minus)), (p && q, p || q, p && !q));
                    met |= p && q;
                }
            }
            assert_eq!(a.meets(&b), met || !and.is_empty());
            assert_eq!(a.meets(&b), !and.is_empty());
            // Canonical: the same set by another way is the same value.
            assert_eq!(minus.or(&and), a);
            assert_eq!(or.minus(&b), minus);
            assert_eq!(b.or(&a), or);
        }
    }

    #[test]
    fn ends_of_the_line() {
        let all: Ranges<u128> = Ranges::everything();
        assert!(all.is_all() && all.minus(&all).is_empty());
        let but_last = all.minus(&Ranges::range(u128::MAX, u128::MAX));
        assert_eq!(but_last.parts(), &[(0, u128::MAX - 1, true)]);
        assert!(but_last.or(&Ranges::range(u128::MAX, u128::MAX)).is_all());
        assert_eq!(Ranges::<u8>::of(vec![(3, 4), (250, 255), (5, 5), (9, 2), (255, 255)]).parts().len(), 2);
    }

    #[test]
    fn what_all_keys_share() {
        let layer = Layer::span(0u8, 9, Ranges::range(0u8, 5)).or(&Layer::span(10, 19, Ranges::range(3, 9)));
        assert_eq!(layer.each_in(5, 15), Ranges::range(3, 5));
        assert_eq!(layer.any_in(5, 15), Ranges::range(0, 9));
        assert!(layer.each_in(15, 25).is_empty());
        assert_eq!(layer.any_in(15, 25), Ranges::range(3, 9));
    }
}
