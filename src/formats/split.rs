//! Cuts a JSON text into its records without parsing them: a list, one object a line, objects one after the other,
//! or an envelope (`{"Findings": […]}`, an EventBridge event). It follows strings and brackets only; whether a record
//! is sound is for its parser. What is damaged becomes a fault, and the search goes on at the next record's start.
//!
//! It knows nothing of findings. Time is linear in the text, memory constant.

use memchr::memmem::Finder;
use memchr::{memchr, memchr3};

/// A larger record is refused: ASFF allows 240 KB.
pub(crate) const MAX_RECORD: usize = 16 << 20;
/// A record nested deeper is refused.
const MAX_DEPTH: u32 = 128;
/// Lists within lists: `[[…], […]]`, as pages collected by scripts.
const MAX_LISTS: usize = 8;

/// One record, or what stands where one should.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    Record { start: usize, end: usize },
    Fault { at: usize, reason: String },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Level {
    List,
    Envelope,
}

/// How a walk over one object ended.
enum Walk {
    /// It is a record and ends before this byte.
    Record(usize),
    /// It is an envelope (or one in another): its list starts here.
    List { at: usize, envelopes: usize },
    /// It is damaged: where that showed, and how.
    Fault { at: usize, reason: String },
}

pub(crate) struct Splitter<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    /// How the first record begins, `{ "SchemaVersion"`: after damage, the next such place is taken for a record's start.
    signature: Option<Finder<'static>>,
    /// Bytes that may still be read twice after damage, so that hostile files stay linear.
    rereads: usize,
    done: bool,
}

/// What a byte means outside strings: 0 nothing, else its place in [`QUOTE`] … [`BAD`].
const CLASS: [u8; 256] = {
    let mut class = [BAD; 256];
    let plain = b" \t\r\n:0123456789+-.eEtrufalsn";
    let mut i = 0;
    while i < plain.len() {
        class[plain[i] as usize] = 0;
        i += 1;
    }
    class[b'"' as usize] = QUOTE;
    class[b'{' as usize] = OPEN;
    class[b'[' as usize] = OPEN_LIST;
    class[b'}' as usize] = CLOSE;
    class[b']' as usize] = CLOSE_LIST;
    class[b',' as usize] = COMMA;
    class
};
const QUOTE: u8 = 1;
const OPEN: u8 = 2;
const OPEN_LIST: u8 = 3;
const CLOSE: u8 = 4;
const CLOSE_LIST: u8 = 5;
const COMMA: u8 = 6;
/// Occurs only in strings: seen outside, a quote is missing before it.
const BAD: u8 = 7;

impl<'a> Splitter<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let rereads = bytes.len().saturating_mul(4).saturating_add(64 << 10);
        Self { bytes, at: 0, levels: Vec::new(), signature: None, rereads, done: false }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        // 0x1e separates records in RFC 7464 sequences.
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x1e)) {
            self.at += 1;
        }
    }

    /// Just behind the closing quote of the string whose opening quote is at `start`; else where a line break shows
    /// that the closing quote is missing (JSON has none in strings), or the file's end.
    fn string_end(&self, start: usize) -> Result<usize, usize> {
        let mut i = start + 1;
        loop {
            let rest = self.bytes.get(i..).unwrap_or_default();
            i += memchr3(b'"', b'\\', b'\n', rest).ok_or(self.bytes.len())?;
            match self.bytes[i] {
                b'"' => return Ok(i + 1),
                b'\n' => return Err(i),
                _ => i += 2,
            }
        }
    }

    /// Follows the brackets from `start`, at `depth` open ones of which `kinds` has a bit for each list, to where the
    /// last one closes. With `keys`, looks for an envelope's list on the way.
    fn walk(&self, start: usize, keys: bool, envelopes: usize) -> Walk {
        let bytes = self.bytes;
        let cut = || Walk::Fault { at: bytes.len(), reason: "the file ends inside this record: it was cut off".to_owned() };
        let (mut kinds, mut depth, mut key_next) = (0u128, 0u32, false);
        let mut i = start;
        loop {
            while i < bytes.len() && CLASS[usize::from(bytes[i])] == 0 {
                i += 1;
            }
            let Some(&byte) = bytes.get(i) else { return cut() };
            if i - start > MAX_RECORD {
                return Walk::Fault { at: i, reason: format!("it is longer than {} MiB", MAX_RECORD >> 20) };
            }
            match CLASS[usize::from(byte)] {
                QUOTE => {
                    let end = match self.string_end(i) {
                        Ok(end) => end,
                        Err(at) if at == bytes.len() => return cut(),
                        Err(at) => {
                            return Walk::Fault { at, reason: "a text in it is not closed before its line ends".to_owned() };
                        }
                    };
                    if keys && depth == 1 && key_next {
                        key_next = false;
                        if let Some(found) = self.envelope_key(&bytes[i + 1..end - 1], end, envelopes) {
                            return found;
                        }
                    }
                    i = end;
                    continue;
                }
                COMMA => key_next = depth == 1,
                BAD => {
                    let reason = "it holds text outside of quotes: a quote is missing, or it is no JSON".to_owned();
                    return Walk::Fault { at: i, reason };
                }
                class @ (OPEN | OPEN_LIST) => {
                    if depth == MAX_DEPTH {
                        return Walk::Fault { at: i, reason: format!("it is nested deeper than {MAX_DEPTH} levels") };
                    }
                    kinds = (kinds << 1) | u128::from(class == OPEN_LIST);
                    depth += 1;
                    key_next = depth == 1;
                }
                class => {
                    if (kinds & 1 == 1) != (class == CLOSE_LIST) {
                        let reason =
                            format!("{:?} closes what {:?} opened", char::from(byte), if kinds & 1 == 1 { '[' } else { '{' });
                        return Walk::Fault { at: i, reason };
                    }
                    kinds >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        return Walk::Record(i + 1);
                    }
                }
            }
            i += 1;
        }
    }

    /// The list of findings behind this key, if it is an envelope's.
    fn envelope_key(&self, key: &[u8], end: usize, envelopes: usize) -> Option<Walk> {
        let wanted = match key {
            b"Findings" | b"findings" => b'[',
            b"detail" if envelopes == 0 => b'{',
            _ => return None,
        };
        let value = end + self.bytes.get(end..)?.iter().position(|b| !b.is_ascii_whitespace() && *b != b':')?;
        if self.bytes[value] != wanted {
            return None;
        }
        if wanted == b'[' {
            return Some(Walk::List { at: value, envelopes: envelopes + 1 });
        }
        match self.walk(value, true, envelopes + 1) {
            list @ Walk::List { .. } => Some(list),
            Walk::Record(_) | Walk::Fault { .. } => None,
        }
    }

    fn learn_signature(&mut self, start: usize) {
        if self.signature.is_some() {
            return;
        }
        let head = &self.bytes[start..self.bytes.len().min(start + 256)];
        let Some(open) = memchr(b'"', head) else { return };
        if let Some(close) = memchr(b'"', &head[open + 1..]) {
            self.signature = Some(Finder::new(&head[..open + close + 2]).into_owned());
        }
    }

    /// Goes on behind damage that began at `start` and showed at `shown`.
    fn resume(&mut self, start: usize, shown: usize) {
        let cost = shown.saturating_sub(start);
        let from = if cost <= self.rereads {
            self.rereads -= cost;
            start + 1
        } else {
            shown.max(start + 1)
        };
        let next = self.signature.as_ref().and_then(|s| s.find(self.bytes.get(from..)?));
        match next {
            Some(next) => self.at = from + next,
            None => {
                self.at = self.bytes.len();
                self.done = true;
            }
        }
    }

    fn object(&mut self) -> Option<Piece> {
        let start = self.at;
        match self.walk(start, true, 0) {
            Walk::Record(end) => {
                self.learn_signature(start);
                self.at = end;
                Some(Piece::Record { start, end })
            }
            Walk::List { at, envelopes } => {
                self.levels.extend(std::iter::repeat_n(Level::Envelope, envelopes));
                self.levels.push(Level::List);
                self.at = at + 1;
                None
            }
            Walk::Fault { at, reason } => {
                self.learn_signature(start);
                self.resume(start, at);
                Some(Piece::Fault { at: start, reason })
            }
        }
    }

    /// Skips what follows the list in an envelope: `, "NextToken": "…"}`.
    fn leave_envelope(&mut self) -> Option<Piece> {
        self.levels.pop();
        let mut depth = 1u32;
        let mut i = self.at;
        while let Some(&byte) = self.bytes.get(i) {
            match CLASS[usize::from(byte)] {
                QUOTE => match self.string_end(i) {
                    Ok(end) => {
                        i = end;
                        continue;
                    }
                    Err(_) => break,
                },
                OPEN | OPEN_LIST => depth = depth.saturating_add(1),
                CLOSE | CLOSE_LIST => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 {
                self.at = i;
                return None;
            }
        }
        let at = self.at;
        (self.at, self.done) = (self.bytes.len(), true);
        Some(Piece::Fault { at, reason: "the file ends before the object around its list is closed: it was cut off".to_owned() })
    }

    /// Steps over something that is neither object nor list.
    fn stray(&mut self, byte: u8) -> Piece {
        let at = self.at;
        self.at = match byte {
            b'"' => self.string_end(at).unwrap_or(self.bytes.len()),
            b'{' | b'[' | b'}' | b']' => at + 1,
            _ => {
                let rest = &self.bytes[at..];
                let stop =
                    |b: &u8| if self.levels.is_empty() { *b == b'\n' } else { matches!(b, b',' | b'{' | b'[' | b'}' | b']') };
                at + rest.iter().position(stop).unwrap_or(rest.len())
            }
        };
        let found: String = String::from_utf8_lossy(&self.bytes[at..self.at.min(at + 30)]).into_owned();
        Piece::Fault { at, reason: format!("expected an object, found {found:?}") }
    }
}

impl Iterator for Splitter<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while !self.done {
            if self.levels.last() == Some(&Level::Envelope) {
                if let Some(fault) = self.leave_envelope() {
                    return Some(fault);
                }
                continue;
            }
            self.skip_blanks();
            match self.peek() {
                None => {
                    self.done = true;
                    if !self.levels.is_empty() {
                        let reason = "the file ends before its list is closed: it was cut off".to_owned();
                        return Some(Piece::Fault { at: self.at, reason });
                    }
                }
                Some(b'{') => {
                    if let Some(piece) = self.object() {
                        return Some(piece);
                    }
                }
                Some(b'[') if self.levels.len() < MAX_LISTS => {
                    self.levels.push(Level::List);
                    self.at += 1;
                }
                Some(b']') if self.levels.last() == Some(&Level::List) => {
                    self.levels.pop();
                    self.at += 1;
                }
                Some(other) => return Some(self.stray(other)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> Vec<String> {
        Splitter::new(json.as_bytes())
            .map(|piece| match piece {
                Piece::Record { start, end } => json[start..end].to_owned(),
                Piece::Fault { at, reason } => format!("!{at} {reason}"),
            })
            .collect()
    }

    #[test]
    fn every_container() {
        let two = [r#"{"a":"}]{[\"\\"}"#, r#"{"a":[{"b":1}]}"#].map(String::from);
        let [x, y] = &two;
        for json in [
            format!("[{x},{y}]"),
            format!("{x}\n{y}\n"),
            format!("{x}{y}"),
            format!("[{x}]\n[{y}]"),
            format!("[[{x}],[{y}]]"),
            format!(r#"{{"Findings":[{x},{y}],"NextToken":"]}}"}}"#),
            format!(r#"{{"NextToken":null,"findings" : [{x}, {y}]}}"#),
            format!(r#"{{"Findings":[{x}]}}{{"Findings":[{y}]}}"#),
            format!(r#"{{"detail-type":"x","detail":{{"actionName":"a","findings":[{x},{y}]}},"id":"1"}}"#),
        ] {
            assert_eq!(texts(&json), two, "{json}");
        }
        assert_eq!(texts("[]"), [""; 0]);
        assert_eq!(texts(r#"{"Findings":[]}"#), [""; 0]);
        assert_eq!(texts(r#"{"detail":{"x":1}}"#), [r#"{"detail":{"x":1}}"#]);
    }

    #[test]
    fn damage_costs_one_record() {
        let good = r#"{"a":1}"#;
        for (bad, at) in [(r#"{"a":{"b":1"#, 9), (r#"{"a":"unclosed"#, 9), (r#"{"a":[1}"#, 9), (r#"{"a":1"#, 9)] {
            let found = texts(&format!("[{good},{bad},{good},{good}]"));
            assert_eq!(found.iter().filter(|t| *t == good).count(), 3, "{bad}: {found:?}");
            assert!(found.iter().any(|t| t.starts_with(&format!("!{at} "))), "{bad}: {found:?}");
        }
        assert_eq!(
            texts("[1,{\"a\":1},\"x\"]"),
            ["!1 expected an object, found \"1\"", good, "!11 expected an object, found \"\\\"x\\\"\""]
        );
    }

    #[test]
    fn a_cut_file_keeps_what_stands_before_the_cut() {
        let whole = r#"{"Findings":[{"a":1},{"a":2},{"a":3}],"NextToken":"t"}"#;
        for cut in 0..whole.len() {
            let found = texts(&whole[..cut]);
            let sound = found.iter().filter(|t| t.starts_with('{')).count();
            let complete = [20, 28, 36].iter().filter(|end| cut >= **end).count();
            assert_eq!(sound, complete, "{cut}: {found:?}");
            assert_eq!(found.iter().filter(|t| t.starts_with('!')).count(), usize::from(cut > 0), "{cut}: {found:?}");
        }
    }

    #[test]
    fn hostile_files_stay_linear() {
        for unit in ["{\"a", "{\"a\":[", "{\"detail\":", "[", "{", "\"", "}", "\\", "{\"a\":\"", "{\"detail\":{\"a\":{"] {
            let text = unit.repeat((512 << 10) / unit.len());
            // Finishing is the assertion: reading every start to the end would take hours.
            assert!(Splitter::new(text.as_bytes()).count() > 0, "{unit}");
        }
        let deep = format!("[{{\"a\":{}{}}},{{\"a\":1}}]", "[".repeat(200), "]".repeat(200));
        assert_eq!(texts(&deep), ["!1 it is nested deeper than 128 levels", r#"{"a":1}"#]);
    }
}
