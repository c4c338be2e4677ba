//! Routes by longest prefix, as a line of addresses.

use crate::network::packets::Number;

/// A line of addresses cut by longest prefix: first, last, index of what decides there; sorted and disjoint.
#[derive(Debug, Clone, Default)]
pub struct Line<A>(pub Vec<(A, A, usize)>);

impl<A: Number> Line<A> {
    /// Cuts the line by CIDRs: `(first, last, rank, index)`; the longest prefix decides, among equals the lowest rank.
    pub fn longest(mut prefixes: Vec<(A, A, u8, usize)>) -> Self {
        prefixes.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)).then(a.3.cmp(&b.3)));
        prefixes.dedup_by(|later, kept| (later.0, later.1) == (kept.0, kept.1));
        let mut out: Vec<(A, A, usize)> = Vec::with_capacity(prefixes.len());
        // CIDRs nest or are disjoint: a stack of the open ones, the innermost on top.
        let mut open: Vec<(A, usize)> = Vec::new();
        let mut at = A::MIN;
        let mut done = false;
        let mut close = |open: &mut Vec<(A, usize)>, at: &mut A, done: &mut bool, before: Option<A>| {
            while let Some(&(last, index)) = open.last() {
                if before.is_some_and(|b| last >= b) {
                    break;
                }
                if !*done && *at <= last {
                    out.push((*at, last, index));
                }
                if last == A::MAX {
                    *done = true;
                } else if *at <= last {
                    *at = last.next();
                }
                open.pop();
            }
            if let (Some(before), Some(&(_, index))) = (before, open.last())
                && *at < before
            {
                out.push((*at, before.prev(), index));
            }
        };
        for (first, last, _, index) in prefixes {
            close(&mut open, &mut at, &mut done, Some(first));
            at = first;
            open.push((last, index));
        }
        close(&mut open, &mut at, &mut done, None);
        Self(out)
    }
    pub fn at(&self, address: A) -> Option<usize> {
        let after = self.0.partition_point(|(first, _, _)| *first <= address);
        let (_, last, index) = self.0.get(after.checked_sub(1)?)?;
        (*last >= address).then_some(*index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let whole = (0u32, u32::MAX, 1, 0);
        let ten = (0x0a00_0000, 0x0aff_ffff, 1, 1);
        let inner = (0x0a01_0000, 0x0a01_ffff, 1, 2);
        let host = (0x0a01_0005, 0x0a01_0005, 1, 3);
        let worse = (0x0a01_0000, 0x0a01_ffff, 3, 9);
        let line = Line::longest(vec![worse, host, whole, inner, ten]);
        let at = |a| line.at(a).unwrap();
        assert_eq!((at(0), at(0x0a00_0000), at(0x0a01_0004), at(0x0a01_0005), at(0x0a01_0006)), (0, 1, 2, 3, 2));
        assert_eq!((at(0x0a02_0000), at(0x0b00_0000), at(u32::MAX)), (1, 0, 0));
        assert!(line.0.windows(2).all(|w| w[0].1 < w[1].0));
        let gaps = Line::longest(vec![ten, (u32::MAX, u32::MAX, 0, 4)]);
        assert_eq!((gaps.at(1), gaps.at(0x0b00_0000), gaps.at(u32::MAX)), (None, None, Some(4)));
        assert!(Line::<u32>::longest(Vec::new()).at(7).is_none());
    }
}
