//! A projection as bytes, so that a console opens without reading the whole ledger: a cache of the fold, never its
//! truth. It names the entry it stands at; what does not read back whole is refused and rebuilt from entries.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::decision::{Hash, Head, Subject};
use crate::model::finding::{FindingKey, Severity, Status, Verdict};
use crate::triage::projection::{Projection, States};
use crate::triage::state::{Claim, Decided, Hold, HoldKind, Name, Return, State};

/// Changes with the format or with the meaning of the fold: a snapshot of another version is not read.
const MAGIC: &[u8; 8] = b"BZSTATE3";

/// A snapshot that is damaged or of another version: rebuild it from entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved projection cannot be read at byte {at}; it will be rebuilt from the ledger's entries")]
pub struct Damaged {
    at: usize,
}

/// Writes a projection. Same states, same bytes.
pub fn encode(projection: &Projection) -> Vec<u8> {
    let mut w = Writer { out: Vec::with_capacity(64 * projection.len()), names: HashMap::new() };
    w.out.extend_from_slice(MAGIC);
    w.number(projection.head().sequence);
    w.out.extend_from_slice(&projection.head().hash.0);
    w.number(projection.len() as u64);
    for (subject, state) in projection.sorted() {
        w.subject(subject);
        w.state(state);
    }
    let sum = sum(&w.out);
    w.out.extend_from_slice(&sum.to_le_bytes());
    w.out
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// Where the bytes are damaged or of another version.
pub fn decode(bytes: &[u8]) -> Result<Projection, Damaged> {
    let end = bytes.len().checked_sub(8).ok_or(Damaged { at: 0 })?;
    if sum(&bytes[..end]).to_le_bytes() != bytes[end..] || !bytes.starts_with(MAGIC) {
        return Err(Damaged { at: 0 });
    }
    let mut r = Reader { bytes: &bytes[..end], at: MAGIC.len(), names: Vec::new() };
    let sequence = r.number()?;
    let mut hash = [0; 32];
    hash.copy_from_slice(r.take(32)?);
    let count = usize::try_from(r.number()?).map_err(|_| r.damaged())?;
    // A state takes more than 18 bytes, so a count that lies cannot ask for more memory than the bytes could fill.
    let mut states = States::with_capacity(count.min(bytes.len() / 18 + 1));
    for _ in 0..count {
        let (subject, state) = (r.subject()?, r.state()?);
        if !states.push(subject, state) {
            return Err(r.damaged());
        }
    }
    if r.at != end {
        return Err(r.damaged());
    }
    Ok(Projection::from_parts(states, Head { sequence, hash: Hash(hash) }))
}

/// A sum against accidents, not against intent: whoever may write here may write anything, and the ledger's own chain is
/// what is verified. Every step is a bijection of the sum, so that one changed word always changes it.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut words = bytes.chunks_exact(8);
    let mut sum = bytes.len() as u64;
    for word in &mut words {
        sum = step(sum, word.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
    }
    words.remainder().iter().fold(sum, |sum, b| step(sum, u64::from(*b)))
}

struct Writer<'a> {
    out: Vec<u8>,
    names: HashMap<&'a str, u64>,
}

impl<'a> Writer<'a> {
    /// LEB128.
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.out.push((n as u8 & 0x7f) | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }
    /// Zigzag, so that small negatives stay short.
    fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }
    fn time(&mut self, at: Timestamp) {
        self.signed(at.as_millisecond());
    }
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }
    /// Each name once: its number if it was written before, else 0 and its text.
    fn name(&mut self, name: &'a str) {
        let next = self.names.len() as u64 + 1;
        match self.names.get(name) {
            Some(n) => self.number(*n),
            None => {
                self.names.insert(name, next);
                self.number(0);
                self.text(name);
            }
        }
    }
    fn subject(&mut self, subject: &Subject) {
        let (tag, text) = match subject {
            Subject::Finding(key) => {
                self.out.push(0);
                self.out.extend_from_slice(&key.0.to_be_bytes());
                return;
            }
            Subject::Account(t) => (1, t),
            Subject::Resource(t) => (2, t),
            Subject::Principal(t) => (3, t),
            Subject::Session(t) => (4, t),
        };
        self.out.push(tag);
        self.text(text);
    }
    fn hold(&mut self, hold: &'a Hold) {
        self.out.push(u8::from(hold.kind == HoldKind::Suppressed));
        self.time(hold.until);
        self.name(&hold.reason);
        self.name(&hold.by);
        self.time(hold.at);
        self.number(hold.sequence);
    }
    fn state(&mut self, s: &'a State) {
        let bits = [
            s.owner.is_some(),
            s.assignee.is_some(),
            s.claim.is_some(),
            s.status.is_some(),
            s.verdict.is_some(),
            s.severity.is_some(),
            s.due.is_some(),
            s.hold.is_some(),
            s.pending.is_some(),
            s.returned.is_some(),
            s.first_claim.is_some(),
            s.resolved.is_some(),
            s.paused != 0,
            s.notes != 0,
            s.decided.is_some(),
        ];
        self.number(bits.iter().rev().fold(0, |n, bit| n << 1 | u64::from(*bit)));
        self.number(s.last);
        for name in [&s.owner, &s.assignee].into_iter().flatten() {
            self.name(name);
        }
        if let Some(claim) = &s.claim {
            self.name(&claim.by);
            self.time(claim.at);
        }
        let ranks = [s.status.map(Status::rank), s.verdict.map(Verdict::rank), s.severity.map(Severity::rank)];
        self.out.extend(ranks.into_iter().flatten());
        if let Some(due) = s.due {
            self.time(due);
        }
        for hold in [&s.hold, &s.pending].into_iter().flatten() {
            self.hold(hold);
        }
        if let Some((why, at)) = s.returned {
            self.out.push(why as u8);
            self.time(at);
        }
        for at in [s.first_claim, s.resolved].into_iter().flatten() {
            self.time(at);
        }
        if s.paused != 0 {
            self.signed(s.paused);
        }
        if s.notes != 0 {
            self.number(u64::from(s.notes));
            self.number(s.last_note);
        }
        if let Some(decided) = &s.decided {
            self.number(decided.sequence);
            self.name(&decided.by);
            self.time(decided.at);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    names: Vec<Name>,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> Damaged {
        Damaged { at: self.at }
    }
    fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let end = self.at.checked_add(n).ok_or(self.damaged())?;
        let out = self.bytes.get(self.at..end).ok_or(self.damaged())?;
        self.at = end;
        Ok(out)
    }
    fn byte(&mut self) -> Result<u8, Damaged> {
        Ok(self.take(1)?[0])
    }
    fn number(&mut self) -> Result<u64, Damaged> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(self.damaged())
    }
    fn signed(&mut self) -> Result<i64, Damaged> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }
    fn time(&mut self) -> Result<Timestamp, Damaged> {
        Timestamp::from_millisecond(self.signed()?).map_err(|_| self.damaged())
    }
    fn text(&mut self) -> Result<&'a str, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged())
    }
    fn name(&mut self) -> Result<Name, Damaged> {
        match usize::try_from(self.number()?).map_err(|_| self.damaged())? {
            0 => {
                let name = Name::from(self.text()?);
                self.names.push(Arc::clone(&name));
                Ok(name)
            }
            n => self.names.get(n - 1).cloned().ok_or(self.damaged()),
        }
    }
    fn word<T: Copy>(&mut self, all: &[T]) -> Result<T, Damaged> {
        let n = usize::from(self.byte()?);
        all.get(n).copied().ok_or(self.damaged())
    }
    fn subject(&mut self) -> Result<Subject, Damaged> {
        Ok(match self.byte()? {
            0 => {
                let mut key = [0; 16];
                key.copy_from_slice(self.take(16)?);
                Subject::Finding(FindingKey(u128::from_be_bytes(key)))
            }
            1 => Subject::Account(self.text()?.to_owned()),
            2 => Subject::Resource(self.text()?.to_owned()),
            3 => Subject::Principal(self.text()?.to_owned()),
            4 => Subject::Session(self.text()?.to_owned()),
            _ => return Err(self.damaged()),
        })
    }
    fn hold(&mut self) -> Result<Hold, Damaged> {
        Ok(Hold {
            kind: self.word(&[HoldKind::Accepted, HoldKind::Suppressed])?,
            until: self.time()?,
            reason: self.name()?,
            by: self.name()?,
            at: self.time()?,
            sequence: self.number()?,
        })
    }
    fn state(&mut self) -> Result<State, Damaged> {
        let bits = self.number()?;
        let has = |n: u32| bits >> n & 1 == 1;
        let mut s = State { last: self.number()?, ..State::default() };
        if has(0) {
            s.owner = Some(self.name()?);
        }
        if has(1) {
            s.assignee = Some(self.name()?);
        }
        if has(2) {
            s.claim = Some(Claim { by: self.name()?, at: self.time()? });
        }
        if has(3) {
            s.status = Some(self.word(Status::ALL)?);
        }
        if has(4) {
            s.verdict = Some(self.word(Verdict::ALL)?);
        }
        if has(5) {
            s.severity = Some(self.word(Severity::ALL)?);
        }
        if has(6) {
            s.due = Some(self.time()?);
        }
        if has(7) {
            s.hold = Some(Box::new(self.hold()?));
        }
        if has(8) {
            s.pending = Some(Box::new(self.hold()?));
        }
        if has(9) {
            s.returned = Some((self.word(&[Return::Expired, Return::Reset, Return::Reopened])?, self.time()?));
        }
        if has(10) {
            s.first_claim = Some(self.time()?);
        }
        if has(11) {
            s.resolved = Some(self.time()?);
        }
        if has(12) {
            s.paused = self.signed()?;
        }
        if has(13) {
            s.notes = u32::try_from(self.number()?).map_err(|_| self.damaged())?;
            s.last_note = self.number()?;
        }
        if has(14) {
            s.decided = Some(Decided { sequence: self.number()?, by: self.name()?, at: self.time()? });
        }
        Ok(s)
    }
}
