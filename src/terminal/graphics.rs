//! Owns the line-drawing character set (`ESC ( 0`, shift out and in), which the emulator under us does not know: its letters are
//! replaced by the Unicode characters they stand for before they get there.

/// What the bytes are in the middle of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Ground,
    Escape,
    /// `ESC (` or `ESC )`: the next byte names a set for this slot.
    Charset(usize),
    /// Control sequence, until its final byte.
    Sequence,
    /// A string (title, clipboard), until BEL or `ESC \`.
    Text,
    TextEscape,
}

/// Follows the character sets of a byte stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Graphics {
    at: At,
    sets: [bool; 2],
    shifted: bool,
}

/// The drawing characters for `` ` `` to `~` (DEC Special Graphics).
const DRAWING: [&str; 31] = [
    "◆", "▒", "␉", "␌", "␍", "␊", "°", "±", "␤", "␋", "┘", "┐", "┌", "└", "┼", "⎺", "⎻", "─", "⎼", "⎽", "├", "┤", "┴", "┬", "│",
    "≤", "≥", "π", "≠", "£", "·",
];

impl Graphics {
    /// Whether no sequence is begun and not ended.
    pub(super) fn is_at_rest(&self) -> bool {
        self.at == At::Ground
    }

    /// The same bytes, with drawing letters replaced. Sequences may be cut anywhere between two calls.
    pub(super) fn translate(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        loop {
            if self.at == At::Ground && !self.is_drawing() {
                // Plain text up to the next byte that could change anything.
                let plain = rest.iter().position(|byte| matches!(byte, 0x1b | 0x0e | 0x0f)).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..plain]);
                rest = &rest[plain..];
            }
            let [byte, tail @ ..] = rest else { return };
            rest = tail;
            if self.at == At::Ground && self.is_drawing() && (0x60..=0x7e).contains(byte) {
                out.extend_from_slice(DRAWING[usize::from(*byte - 0x60)].as_bytes());
            } else {
                self.follow(*byte);
                out.push(*byte);
            }
        }
    }

    fn is_drawing(&self) -> bool {
        self.sets[usize::from(self.shifted)]
    }

    fn follow(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            // Cancel and substitute end any sequence.
            (_, 0x18 | 0x1a) => At::Ground,
            (At::Text | At::TextEscape, 0x07) => At::Ground,
            (At::Text, 0x1b) => At::TextEscape,
            (At::Text, _) => At::Text,
            (At::TextEscape, b'\\') => At::Ground,
            (_, 0x1b) => At::Escape,
            (At::Ground, 0x0e | 0x0f) => {
                self.shifted = byte == 0x0e;
                At::Ground
            }
            (At::Ground, _) => At::Ground,
            (At::Escape | At::TextEscape, b'[') => At::Sequence,
            (At::Escape | At::TextEscape, b']' | b'P' | b'X' | b'^' | b'_') => At::Text,
            (At::Escape | At::TextEscape, b'(') => At::Charset(0),
            (At::Escape | At::TextEscape, b')') => At::Charset(1),
            (At::Escape | At::TextEscape, b'c') => {
                *self = Self::default();
                At::Ground
            }
            (At::Escape | At::TextEscape, 0x20..=0x2f) => At::Escape,
            (At::Escape | At::TextEscape, _) => At::Ground,
            (At::Charset(slot), _) => {
                self.sets[slot] = byte == b'0';
                At::Ground
            }
            (At::Sequence, 0x40..=0x7e) => At::Ground,
            (At::Sequence, _) => At::Sequence,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(parts: &[&[u8]]) -> String {
        let (mut graphics, mut out) = (Graphics::default(), Vec::new());
        for part in parts {
            graphics.translate(part, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_box_is_drawn_and_sequences_inside_are_left_alone() {
        assert_eq!(translate(&[b"\x1b(0lq\x1b[31mk\x1b(B lq"]), "\x1b(0┌─\x1b[31m┐\x1b(B lq");
        assert_eq!(translate(&[b"\x1b", b"(", b"0", b"x\x1b[", b"m"]), "\x1b(0│\x1b[m");
        assert_eq!(translate(&[b"\x1b)0\x0ex\x0fx"]), "\x1b)0\x0e│\x0fx");
    }

    #[test]
    fn titles_are_no_text_and_a_reset_ends_it() {
        assert_eq!(translate(&[b"\x1b(0\x1b]2;lqk\x07x"]), "\x1b(0\x1b]2;lqk\x07│");
        assert_eq!(translate(&[b"\x1b(0\x1bcx"]), "\x1b(0\x1bcx");
    }
}
