//! Numbers that look random and never change: SplitMix64, keyed by an index or a label. It knows nothing of the
//! organisation.

use std::fmt::Write as _;

/// Steele, Lea and Flood's SplitMix64 finaliser: a bijection on 64 bits that spreads close inputs far apart.
pub(super) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A label's number (FNV-1a, then mixed).
pub(super) fn label(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// A stream of numbers from one seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }
    pub(super) fn of(text: &str) -> Self {
        Self(label(text))
    }
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
    /// Below `n`; 0 where `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    /// One of a constant, non-empty list.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// An AWS-like id with 17 hexadecimal digits, the same for the same label: `vpc-0…`.
pub(super) fn id(prefix: &str, of: &str) -> String {
    format!("{prefix}-0{:016x}", label(of) ^ label(prefix))
}

/// Writes `n` as 16 hexadecimal digits; several times faster than `write!`, which shows at a million findings.
pub(super) fn hex(out: &mut String, n: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for place in (0..16).rev() {
        out.push(char::from(DIGITS[(n >> (place * 4)) as usize & 15]));
    }
}

/// 32 hexadecimal digits in the 8-4-4-4-12 form.
pub(super) fn uuid(out: &mut String, a: u64, b: u64) {
    let mut digits = String::with_capacity(32);
    hex(&mut digits, a);
    hex(&mut digits, b);
    for (n, part) in [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].iter().enumerate() {
        out.push_str(if n == 0 { "" } else { "-" });
        out.push_str(part);
    }
}

/// An IAM unique id: `AROAEXAMPLE…`, 21 characters; a key's (`AKIA`) has 20. `EXAMPLE` says it is nobody's.
pub(super) fn unique(prefix: &str, of: &str) -> String {
    let mut n = label(of) ^ label(prefix);
    let mut out = format!("{prefix}EXAMPLE");
    while out.len() < if prefix == "AKIA" { 20 } else { 21 } {
        let _ = out.write_char(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(n & 31) as usize]));
        n >>= 5;
    }
    out
}
