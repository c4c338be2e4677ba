//! Owns recordings of sessions: asciicast version 2, written as it happens and read back for replay. It does not own where they
//! are kept, nor whether a session is recorded.
//!
//! Format: the asciicast v2 file format of asciinema: a header object on the first line, then one array a line: seconds since the
//! start, a code (`o` output, `i` input, `r` resize, `m` marker) and text. Text is UTF-8; bytes that are none become U+FFFD.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest line that is read, in bytes.
const MOST_LINE: u64 = 16 << 20;

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always 2.
    pub version: u32,
    /// Columns and rows at the start.
    pub width: u16,
    pub height: u16,
    /// Start, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub env: std::collections::BTreeMap<String, String>,
}

impl Header {
    /// A header for a recording that starts now, `timestamp` seconds after the epoch.
    pub fn new(width: u16, height: u16, timestamp: u64, title: &str) -> Self {
        let env = [("TERM".to_owned(), "xterm-256color".to_owned())].into();
        Self { version: 2, width, height, timestamp: Some(timestamp), title: Some(title.to_owned()), env }
    }
}

/// What happened at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Output(String),
    /// What was typed; only in recordings that were told to keep it.
    Input(String),
    Resize(u16, u16),
    Marker(String),
}

/// One event of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Since the start.
    pub at: Duration,
    pub what: What,
}

/// What a finished recording is known by in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// Writes a recording. Each event is one whole line, so that a recording that was cut off can be read up to there.
pub struct Recorder<W: Write> {
    to: W,
    digest: Sha256,
    bytes: u64,
    /// The beginning of a character whose rest has not come yet.
    cut: Vec<u8>,
    last: Duration,
    keystrokes: bool,
}

impl<W: Write> Recorder<W> {
    /// Begins with the header. `keystrokes` keeps what is typed, secrets and all.
    pub fn new(to: W, header: &Header, keystrokes: bool) -> io::Result<Self> {
        let mut recorder = Self { to, digest: Sha256::new(), bytes: 0, cut: Vec::new(), last: Duration::ZERO, keystrokes };
        recorder.line(&serde_json::to_string(header).map_err(io::Error::other)?)?;
        Ok(recorder)
    }

    /// Goes on with a recording that was ended or cut off: `to` stands at its end, `before` has taken all of its bytes, and its
    /// last event was at this time.
    pub fn going_on(to: W, before: (Sha256, u64), last: Duration, keystrokes: bool) -> Self {
        let (digest, bytes) = before;
        Self { to, digest, bytes, cut: Vec::new(), last, keystrokes }
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{text}\n");
        self.digest.update(line.as_bytes());
        self.bytes += line.len() as u64;
        self.to.write_all(line.as_bytes())
    }

    fn event(&mut self, at: Duration, code: char, text: &str) -> io::Result<()> {
        // Time never goes back in a recording.
        self.last = self.last.max(at);
        let text = serde_json::to_string(text).map_err(io::Error::other)?;
        self.line(&format!("[{:.6}, \"{code}\", {text}]", self.last.as_secs_f64()))
    }

    /// Output of the node, `at` after the start. A character that is cut in two is kept until its rest comes.
    pub fn output(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        self.cut.extend_from_slice(bytes);
        let text = std::mem::take(&mut self.cut);
        let whole = whole_characters(&text);
        self.cut.extend_from_slice(&text[whole..]);
        if whole == 0 {
            return Ok(());
        }
        self.event(at, 'o', &String::from_utf8_lossy(&text[..whole]))
    }

    /// What was typed; written only if the recording was told to.
    pub fn input(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        if self.keystrokes { self.event(at, 'i', &String::from_utf8_lossy(bytes)) } else { Ok(()) }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, at: Duration, width: u16, height: u16) -> io::Result<()> {
        self.event(at, 'r', &format!("{width}x{height}"))
    }

    /// A remark, for example "reconnected".
    pub fn marker(&mut self, at: Duration, text: &str) -> io::Result<()> {
        self.event(at, 'm', text)
    }

    /// Hands what was written on to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Ends the recording; answers what it is known by, and the writer.
    pub fn finish(mut self, at: Duration) -> io::Result<(Seal, W)> {
        if !self.cut.is_empty() {
            let cut = std::mem::take(&mut self.cut);
            self.event(at, 'o', &String::from_utf8_lossy(&cut))?;
        }
        self.to.flush()?;
        Ok((Seal { bytes: self.bytes, sha256: self.digest.finalize().into() }, self.to))
    }
}

/// Length of the part that ends with a whole character.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let needed = match byte {
            0x00..=0x7f => return bytes.len(),
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return bytes.len(),
        };
        return if needed > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("this is no asciicast version 2 recording: {0}")]
    Header(String),
    #[error("line {line} of the recording cannot be read: {why}")]
    Line { line: usize, why: String },
    #[error("line {0} of the recording is longer than 16 MiB")]
    Long(usize),
}

/// A recording as it is read, event after event: however long it is, one line of it is in memory.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    text: Vec<u8>,
    line: usize,
    offset: u64,
    last: Duration,
    is_cut_off: bool,
}

#[derive(Deserialize)]
struct Line(f64, String, String);

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn new(from: R) -> Result<Self, CastError> {
        let header = Header::new(0, 0, 0, "");
        let mut reader = Self { from, header, text: Vec::new(), line: 0, offset: 0, last: Duration::ZERO, is_cut_off: false };
        reader.line()?;
        reader.header = serde_json::from_slice(&reader.text).map_err(|e| CastError::Header(e.to_string()))?;
        match reader.header.version {
            2 => Ok(reader),
            version => Err(CastError::Header(format!("it has version {version}"))),
        }
    }

    /// Reads a line; whether there was one.
    fn line(&mut self) -> Result<bool, CastError> {
        self.text.clear();
        let read = (&mut self.from).take(MOST_LINE).read_until(b'\n', &mut self.text)? as u64;
        self.line += usize::from(read > 0);
        self.offset += read;
        if read == MOST_LINE { Err(CastError::Long(self.line)) } else { Ok(read > 0) }
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the next event's line begins, in bytes from the file's start.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The last line was cut off: the recorder was stopped while it wrote. Known once everything is read.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next event; none at the end. Codes that are not known are passed over; times that go back are taken as the time before.
    pub fn event(&mut self) -> Result<Option<Event>, CastError> {
        loop {
            let began = self.offset;
            if !self.line()? {
                return Ok(None);
            }
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            let number = self.line;
            let wrong = |why: String| CastError::Line { line: number, why };
            let text = String::from_utf8_lossy(&self.text);
            let line: Line = match serde_json::from_str(&text) {
                Ok(line) => line,
                Err(_) if !self.text.ends_with(b"\n") => {
                    self.is_cut_off = true;
                    self.offset = began;
                    return Ok(None);
                }
                Err(error) => return Err(wrong(error.to_string())),
            };
            let at = Duration::try_from_secs_f64(line.0).map_err(|_| wrong(format!("{} is no time", line.0)))?;
            self.last = self.last.max(at);
            let what = match line.1.as_str() {
                "o" => What::Output(line.2),
                "i" => What::Input(line.2),
                "m" => What::Marker(line.2),
                "r" => {
                    let size = line.2.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
                    let Some((width, height)) = size else {
                        return Err(wrong(format!("{:.20?} is no size", line.2)));
                    };
                    What::Resize(width, height)
                }
                _ => continue,
            };
            return Ok(Some(Event { at: self.last, what }));
        }
    }

    /// Reads on from a place that [`Reader::offset`] gave, where the last event had been at this time.
    pub fn go(&mut self, offset: u64, last: Duration) -> io::Result<()>
    where
        R: Seek,
    {
        self.from.seek(SeekFrom::Start(offset))?;
        (self.offset, self.last) = (offset, last);
        Ok(())
    }

    /// What the recording is read from.
    pub fn into_inner(self) -> R {
        self.from
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A recording in memory.
    #[derive(Debug)]
    struct Recording {
        events: Vec<Event>,
        is_cut_off: bool,
        end: u64,
    }

    impl Recording {
        fn read(from: &[u8]) -> Result<Self, CastError> {
            let mut reader = Reader::new(from)?;
            let mut events = Vec::new();
            while let Some(event) = reader.event()? {
                events.push(event);
            }
            Ok(Self { events, is_cut_off: reader.is_cut_off(), end: reader.offset() })
        }
    }

    fn record(keystrokes: bool, what: impl FnOnce(&mut Recorder<Vec<u8>>)) -> (String, Seal) {
        let mut recorder = Recorder::new(Vec::new(), &Header::new(80, 24, 1_800_000_000, "i-1"), keystrokes).unwrap();
        what(&mut recorder);
        let (seal, bytes) = recorder.finish(MS * 9000).unwrap();
        (String::from_utf8(bytes).unwrap(), seal)
    }

    #[test]
    fn the_file_is_asciicast_2_and_its_digest_is_the_files() {
        let (text, seal) = record(false, |r| {
            r.output(MS * 250, b"$ \x1b[1mls\r\n").unwrap();
            r.input(MS * 300, b"password\r").unwrap();
            r.resize(MS * 1500, 100, 30).unwrap();
            r.marker(MS * 1500, "reconnected").unwrap();
        });
        assert_eq!(
            text,
            concat!(
                r#"{"version":2,"width":80,"height":24,"timestamp":1800000000,"title":"i-1","env":{"TERM":"xterm-256color"}}"#,
                "\n",
                r#"[0.250000, "o", "$ \u001b[1mls\r\n"]"#,
                "\n",
                r#"[1.500000, "r", "100x30"]"#,
                "\n",
                r#"[1.500000, "m", "reconnected"]"#,
                "\n",
            )
        );
        assert_eq!(seal.bytes, text.len() as u64);
        assert_eq!(seal.sha256, <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
        let recording = Recording::read(text.as_bytes()).unwrap();
        let times: Vec<Duration> = recording.events.iter().map(|event| event.at).collect();
        assert_eq!((times.as_slice(), recording.end), (&[MS * 250, MS * 1500, MS * 1500][..], text.len() as u64));
    }

    #[test]
    fn a_reader_goes_back_to_where_it_was() {
        let (text, _) = record(false, |r| {
            for (n, word) in ["one", "two", "three"].iter().enumerate() {
                r.output(MS * (n as u32 + 1), word.as_bytes()).unwrap();
            }
        });
        let mut reader = Reader::new(std::io::Cursor::new(text)).unwrap();
        let first = reader.event().unwrap().unwrap();
        let place = reader.offset();
        let rest = |reader: &mut Reader<_>| -> Vec<Event> { std::iter::from_fn(|| reader.event().unwrap()).collect() };
        let after = rest(&mut reader);
        assert_eq!(after.len(), 2);
        reader.go(place, first.at).unwrap();
        assert_eq!(rest(&mut reader), after);
    }

    #[test]
    fn a_recording_that_goes_on_has_the_digest_of_the_whole_file() {
        let (text, seal) = record(false, |r| r.output(MS * 10, b"before").unwrap());
        let mut sha = Sha256::new();
        sha.update(text.as_bytes());
        let mut recorder = Recorder::going_on(text.into_bytes(), (sha, seal.bytes), MS * 10, false);
        recorder.marker(MS * 5, "taken up again").unwrap();
        recorder.output(MS * 20, b"after").unwrap();
        let (seal, bytes) = recorder.finish(MS * 30).unwrap();
        assert_eq!((seal.bytes, seal.sha256), (bytes.len() as u64, <[u8; 32]>::from(Sha256::digest(&bytes))));
        let recording = Recording::read(&bytes).unwrap();
        let times: Vec<Duration> = recording.events.iter().map(|event| event.at).collect();
        assert_eq!(times, [MS * 10, MS * 10, MS * 20], "time never goes back");
    }

    #[test]
    fn keystrokes_are_kept_only_when_told_so() {
        assert!(record(true, |r| r.input(MS, b"ls\r").unwrap()).0.contains(r#""i", "ls\r""#));
    }

    #[test]
    fn a_character_that_is_cut_in_two_stays_whole() {
        let (text, _) = record(false, |r| {
            for byte in "a漢😀é".bytes() {
                r.output(MS, &[byte]).unwrap();
            }
            r.output(MS, &[0xff, 0xe6, 0xbc]).unwrap();
        });
        let all: String = Recording::read(text.as_bytes())
            .unwrap()
            .events
            .into_iter()
            .map(|e| match e.what {
                What::Output(text) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(all, "a漢😀é\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_recording_that_was_cut_off_is_read_up_to_there() {
        let (text, _) = record(false, |r| r.output(MS, b"one").and_then(|()| r.output(MS, b"two")).unwrap());
        let recording = Recording::read(&text.as_bytes()[..text.len() - 4]).unwrap();
        assert_eq!((recording.events.len(), recording.is_cut_off), (1, true));
        let whole = text.lines().take(2).map(|line| line.len() as u64 + 1).sum::<u64>();
        assert_eq!(recording.end, whole, "the cut line is no part of it");
    }

    #[test]
    fn other_files_are_refused_with_the_place() {
        let error = |text: &str| Recording::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error("").contains("no asciicast"));
        assert!(error(r#"{"version":1,"width":1,"height":1}"#).contains("version 1"));
        let bad = "{\"version\":2,\"width\":1,\"height\":1}\n[0.1, \"o\", \"x\"]\n[oops\n[0.2, \"o\", \"y\"]\n";
        assert!(error(bad).contains("line 3"));
        let bad = "{\"version\":2,\"width\":1,\"height\":1}\n[-1, \"o\", \"x\"]\n";
        assert!(error(bad).contains("no time"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_recording_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Recording::read(bytes.as_slice());
        }

        #[test]
        fn what_was_recorded_is_replayed(parts in prop::collection::vec(("\\PC{0,20}", 0u32..1000), 0..20), cut in 1usize..7) {
            let mut at = Duration::ZERO;
            let (text, _) = record(false, |r| for (part, ms) in &parts {
                at += MS * *ms;
                for bytes in part.as_bytes().chunks(cut) { r.output(at, bytes).unwrap(); }
            });
            let recording = Recording::read(text.as_bytes()).unwrap();
            let all: String = recording.events.iter().map(|e| match &e.what { What::Output(t) => t.as_str(), _ => "" }).collect();
            prop_assert_eq!(all, parts.iter().map(|(t, _)| t.as_str()).collect::<String>());
            prop_assert!(recording.events.is_sorted_by_key(|e| e.at));
        }
    }
}
