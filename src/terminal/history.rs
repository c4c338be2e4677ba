//! Owns the lines that have left the emulator's own scrollback: text with its colours, compact, within a number of bytes.

use std::collections::VecDeque;

/// Lines above the emulator's own, oldest first. Each is its text with SGR sequences, beginning from default attributes.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    most: usize,
    /// Lines that were dropped for room, so that line numbers stay.
    dropped: u64,
}

/// What a line costs beyond its text.
const OVERHEAD: usize = 24;

impl History {
    pub(super) fn new(most: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, most, dropped: 0 }
    }

    pub(super) fn push(&mut self, line: &str) {
        self.bytes += line.len() + OVERHEAD;
        self.lines.push_back(line.into());
        while self.bytes > self.most {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len() + OVERHEAD;
            self.dropped += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        self.lines.get(at).map(AsRef::as_ref)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
