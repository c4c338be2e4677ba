//! One command on a terminal, as if on pipes: its exit code told by a word at its end, its line ends one byte again. For ECS Exec,
//! which has neither pipes nor exit codes.

/// A command that is wrapped, and its output.
pub(super) struct Plain {
    word: String,
    marker: Vec<u8>,
    held: Vec<u8>,
    /// Once it was told.
    pub(super) code: Option<i32>,
}

/// Before and behind the exit code; no text has it.
const MARK: u8 = 0x1f;

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Plain {
    /// `word` is not to be guessed: whatever else is printed is not taken for the exit code.
    pub(super) fn new(word: String) -> Self {
        let marker = [&[MARK], word.as_bytes(), b":"].concat();
        Self { word, marker, held: Vec::new(), code: None }
    }

    /// The command with what tells its exit code. Whether words are split or a shell reads them, it stays what it is. It
    /// waits for a line before it ends: Linux throws away what a terminal's first process writes right before that.
    pub(super) fn wrap(&self, command: &str) -> String {
        let inner = format!("/bin/sh -c {} </dev/null; printf '\\037%s:%d\\037' {} $?; read -r _", quoted(command), self.word);
        format!("/bin/sh -c {}", quoted(&inner))
    }

    /// Takes output of the terminal; answers what may be passed on. Behind the exit code stands nothing of the command's.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.code.is_some() {
            return Vec::new();
        }
        self.held.extend_from_slice(bytes);
        let keep = match memchr::memmem::find(&self.held, &self.marker) {
            Some(at) => {
                let behind = at + self.marker.len();
                if let Some(length) = memchr::memchr(MARK, &self.held[behind..]) {
                    let code = std::str::from_utf8(&self.held[behind..behind + length]).ok().and_then(|code| code.parse().ok());
                    self.code = code.or(self.code);
                    self.held.drain(at..=behind + length);
                }
                at
            }
            // The beginning of the word, or of a line's end, may be all that is there yet.
            None => (self.held.len().saturating_sub(self.marker.len())..self.held.len())
                .find(|at| self.marker.starts_with(&self.held[*at..]) || self.held[*at..] == *b"\r")
                .unwrap_or(self.held.len()),
        };
        let passed: Vec<u8> = self.held.drain(..keep).collect();
        if self.code.is_some() {
            self.held.clear();
        }
        Self::lines(&passed)
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        Self::lines(&std::mem::take(&mut self.held))
    }

    fn lines(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for (at, byte) in bytes.iter().enumerate() {
            if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
                out.push(*byte);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn output_is_that_of_a_pipe_however_it_is_cut() {
        let all = b"one\r\ntwo\x1fw0rx:\r three\r\n\x1fw0rd:42\x1f";
        for cut in 1..=all.len() {
            let mut plain = Plain::new("w0rd".into());
            let mut out: Vec<u8> = all.chunks(cut).flat_map(|part| plain.take(part)).collect();
            out.extend(plain.rest());
            assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\x1fw0rx:\r three\n", "in pieces of {cut}");
            assert_eq!(plain.code, Some(42));
        }
    }

    #[test]
    fn nothing_waits_that_need_not() {
        let mut plain = Plain::new("w0rd".into());
        assert_eq!(plain.take(b"50 %\r"), b"50 %");
        assert_eq!(plain.take(b"100 %"), b"\r100 %");
        assert_eq!((plain.take(b"\x1fw0"), plain.rest()), (Vec::new(), b"\x1fw0".to_vec()));
    }

    #[cfg(unix)]
    #[test]
    fn a_wrapped_command_keeps_its_quotes_and_tells_its_exit_code() {
        for (command, says, code) in [
            ("echo it's \"fine\"; exit 3", None, 2),
            ("echo \"it's\" 'so' $((1+1)); exit 3", Some("it's so 2\n"), 3),
            ("exit", Some(""), 0),
            ("cat; false", Some(""), 1),
            ("echo done # a remark", Some("done\n"), 0),
        ] {
            let mut plain = Plain::new("w0rd".into());
            let done = std::process::Command::new("sh").args(["-c", &plain.wrap(command)]).output().unwrap();
            let mut out = plain.take(&done.stdout);
            out.extend(plain.rest());
            assert_eq!(plain.code, Some(code), "{command}");
            if let Some(says) = says {
                assert_eq!(String::from_utf8(out).unwrap(), says, "{command}");
            }
        }
    }
}
