//! The built binary in a pseudo-terminal: started with variables of its own, typed into, and read by an emulator that is not ours.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of it")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// How long anything may take on a busy machine before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a silent terminal is listened to before it counts as silent.
pub const SILENCE: Duration = Duration::from_millis(1_500);

/// What a user has put where: its own directories, so that nothing of the machine's is read or written.
pub struct Home(pub TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub fn path(&self) -> &Path {
        self.0.path()
    }
    /// The variables a console runs with, and no others.
    pub fn variables(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let mut all = vec![("HOME".to_owned(), at("home")), ("LANG".to_owned(), "C.UTF-8".to_owned())];
        for name in ["CONFIG", "CACHE", "DATA", "STATE"] {
            all.push((format!("XDG_{name}_HOME"), at(&name.to_lowercase())));
        }
        all.push(("TERM".to_owned(), "xterm-256color".to_owned()));
        all.push(("COLORTERM".to_owned(), "truecolor".to_owned()));
        all.push(("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()));
        all.push(("RUST_BACKTRACE".to_owned(), "0".to_owned()));
        all
    }
}

/// A program in a terminal.
pub struct Terminal {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    pub keys: Box<dyn Write + Send>,
    arriving: Receiver<Vec<u8>>,
    /// Every byte so far.
    pub stream: Vec<u8>,
    pub screen: vt100::Parser,
    pub ended: bool,
}

impl Terminal {
    /// `bartizan` with these arguments.
    pub fn bartizan(home: &Home, arguments: &[&str], extra: &[(&str, &str)], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_bartizan"));
        command.args(arguments);
        Self::start(home, command, extra, size)
    }

    pub fn start(home: &Home, mut command: CommandBuilder, extra: &[(&str, &str)], size: (u16, u16)) -> Self {
        command.env_clear();
        for (name, value) in home.variables() {
            command.env(name, value);
        }
        for (name, value) in extra {
            command.env(name, value);
        }
        command.cwd(home.path());
        Self::run(command, size)
    }

    /// A program with the variables that it was given.
    pub fn run(command: CommandBuilder, (cols, rows): (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (arrived, arriving) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 65_536];
            // At the end of the program Linux answers with an error, others with nothing.
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                if arrived.send(chunk[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(cells(rows), cells(cols), 0);
        Self { child, master: pair.master, keys, arriving, stream: Vec::new(), screen, ended: false }
    }

    /// Takes what comes within a time; false where nothing did.
    pub fn listen(&mut self, within: Duration) -> bool {
        match self.arriving.recv_timeout(within) {
            Ok(bytes) => {
                // A question for the background colour is answered as a dark terminal would.
                if find(&bytes, b"\x1b]11;?").is_some() {
                    self.keys.write_all(b"\x1b]11;rgb:1010/1010/1010\x1b\\\x1b[?62c").unwrap();
                }
                self.screen.process(&bytes);
                self.stream.extend_from_slice(&bytes);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                self.ended = true;
                false
            }
        }
    }

    /// What is on screen, without spaces at the ends of lines.
    pub fn text(&self) -> String {
        let contents = self.screen.screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Waits for something on screen.
    pub fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.text()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !self.ended, "{what} did not come:\n{}\n{:?}", self.text(), self.tail());
            self.listen(left.min(Duration::from_millis(200)));
        }
    }

    pub fn shows(&mut self, words: &str) {
        self.until(words, |text| text.contains(words));
    }

    /// The demo's overview, once what the engines found stands among the findings: nothing changes by itself after that.
    pub fn judged(&mut self) {
        self.until("the judgement", |text| {
            text.contains("What needs me") && text.contains(" findings") && !text.contains("of 5,000 findings")
        });
    }

    /// Listens until nothing more comes; returns what came.
    pub fn quiet(&mut self) -> Vec<u8> {
        self.quiet_for(SILENCE)
    }

    /// As [`Terminal::quiet`] where a late byte would not matter.
    pub fn settle(&mut self) {
        self.quiet_for(Duration::from_millis(200));
    }

    pub fn quiet_for(&mut self, silence: Duration) -> Vec<u8> {
        let from = self.stream.len();
        let end = Instant::now() + PATIENCE;
        while self.listen(silence) {
            assert!(Instant::now() < end, "it never falls silent");
        }
        self.stream[from..].to_vec()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the program's end and takes its last words; the exit code, or none where it goes on.
    pub fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            self.listen(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.listen(Duration::from_millis(200)) {}
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.text());
        }
    }

    pub fn tail(&self) -> String {
        String::from_utf8_lossy(&self.stream[self.stream.len().saturating_sub(600)..]).into_owned()
    }

    /// The line discipline as `stty` would tell it.
    pub fn modes(&self) -> String {
        format!("{:?}", self.master.get_termios().unwrap())
    }

    /// The terminal is as it was: main screen, cursor shown, wrapping on, no paste or mouse mode, plain style.
    pub fn assert_given_back(&self, modes: &str) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the alternate screen stays: {:?}", self.tail());
        assert!(!screen.hide_cursor(), "the cursor stays hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste stays on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let last = |bytes: &[u8]| self.stream.windows(bytes.len()).rposition(|w| w == bytes);
        assert!(last(b"\x1b[?7h") > last(b"\x1b[?7l"), "line wrapping stays off");
        assert_eq!(self.modes(), modes, "the line discipline differs");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.signal("KILL");
            let _ = self.child.wait();
        }
    }
}

pub fn cells(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).unwrap()
}

pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}
