//! Owns the way from a key to the bytes a terminal program expects (xterm's), from a paste to bytes, and the escapes after a
//! newline (`~.`, `~?`, `~d`, `~s`), as `ssh` has them. It does not read the keyboard.

/// A key, without its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCode {
    Char(char),
    Enter,
    Tab,
    BackTab,
    Backspace,
    Escape,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Insert,
    Delete,
    /// F1 to F12.
    F(u8),
}

/// A key as it was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub shift: bool,
    pub alt: bool,
    pub ctrl: bool,
}

impl Key {
    /// A key without modifiers.
    pub fn plain(code: KeyCode) -> Self {
        Self { code, shift: false, alt: false, ctrl: false }
    }
}

/// What the program on the node has switched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyModes {
    /// Arrow keys as `ESC O A` rather than `ESC [ A` (DECCKM).
    pub application_cursor: bool,
}

/// The bytes of a key; empty for one that a terminal does not send. They belong in one message: a program that reads half an
/// escape sequence takes it for the escape key.
pub fn encode(key: Key, modes: KeyModes) -> Vec<u8> {
    let modifier = 1 + u8::from(key.shift) + 2 * u8::from(key.alt) + 4 * u8::from(key.ctrl);
    let letter = |final_byte: char| {
        if modifier > 1 {
            format!("\x1b[1;{modifier}{final_byte}")
        } else if modes.application_cursor {
            format!("\x1bO{final_byte}")
        } else {
            format!("\x1b[{final_byte}")
        }
    };
    let number = |n: u8| if modifier > 1 { format!("\x1b[{n};{modifier}~") } else { format!("\x1b[{n}~") };
    let text = match key.code {
        KeyCode::Up => letter('A'),
        KeyCode::Down => letter('B'),
        KeyCode::Right => letter('C'),
        KeyCode::Left => letter('D'),
        KeyCode::Home => letter('H'),
        KeyCode::End => letter('F'),
        KeyCode::Insert => number(2),
        KeyCode::Delete => number(3),
        KeyCode::PageUp => number(5),
        KeyCode::PageDown => number(6),
        KeyCode::BackTab => "\x1b[Z".into(),
        KeyCode::F(n @ 1..=4) => {
            let final_byte = char::from(b'P' + n - 1);
            if modifier > 1 { format!("\x1b[1;{modifier}{final_byte}") } else { format!("\x1bO{final_byte}") }
        }
        KeyCode::F(n @ 5..=12) => number([15, 17, 18, 19, 20, 21, 23, 24][usize::from(n - 5)]),
        KeyCode::F(_) => String::new(),
        KeyCode::Enter => alt(key, "\r".into()),
        KeyCode::Tab => alt(key, "\t".into()),
        KeyCode::Escape => alt(key, "\x1b".into()),
        KeyCode::Backspace => alt(key, if key.ctrl { "\x08" } else { "\x7f" }.into()),
        KeyCode::Char(c) => alt(key, if key.ctrl { control(c) } else { c.to_string() }),
    };
    text.into_bytes()
}

fn alt(key: Key, text: String) -> String {
    if key.alt && !text.is_empty() { format!("\x1b{text}") } else { text }
}

fn control(c: char) -> String {
    let byte = match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => letter as u8 - b'a' + 1,
        ' ' | '@' | '2' => 0,
        '[' | '3' => 0x1b,
        '\\' | '4' => 0x1c,
        ']' | '5' => 0x1d,
        '^' | '6' => 0x1e,
        '_' | '7' | '/' => 0x1f,
        '8' | '?' => 0x7f,
        other => return other.to_string(),
    };
    char::from(byte).to_string()
}

/// The bytes of a paste: line ends as the Enter key, and no control characters, so that pasted text cannot end the bracket or
/// press keys.
pub fn paste(text: &str, bracketed: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 12);
    if bracketed {
        out.extend_from_slice(b"\x1b[200~");
    }
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '\n' if last == '\r' => {}
            '\n' | '\r' => out.push(b'\r'),
            '\t' => out.push(b'\t'),
            c if c.is_control() => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        last = c;
    }
    if bracketed {
        out.extend_from_slice(b"\x1b[201~");
    }
    out
}

/// What a user asked for by an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// `~.`: leave and terminate.
    Terminate,
    /// `~?`: list the escapes.
    Help,
    /// `~d`: detach; the session goes on.
    Detach,
    /// `~s`: search the scrollback.
    Search,
    /// `~b`: read back.
    Back,
    /// `~n`, `~p`: the next session, the previous one.
    Next,
    Previous,
    /// `~v`: two sessions side by side.
    Split,
    /// `~f`: the whole screen.
    Full,
}

/// A piece of what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    Escape(Escape),
}

/// Finds escapes in what is typed: `~` and a letter, right after Enter or at the start. `~~` is one `~`.
#[derive(Debug, Clone)]
pub struct EscapeKeys {
    after_newline: bool,
    tilde: bool,
}

impl Default for EscapeKeys {
    fn default() -> Self {
        Self { after_newline: true, tilde: false }
    }
}

impl EscapeKeys {
    /// Whether a `~` is held back, waiting for its letter. Worth showing.
    pub fn is_pending(&self) -> bool {
        self.tilde
    }

    /// Reads one key's bytes. Pastes do not go through here.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let (tilde, newline) = (self.tilde, self.after_newline);
        self.tilde = false;
        self.after_newline = matches!(bytes, b"\r" | b"\n");
        let escape = match bytes {
            b"." => Escape::Terminate,
            b"?" => Escape::Help,
            b"d" => Escape::Detach,
            b"s" => Escape::Search,
            b"b" => Escape::Back,
            b"n" => Escape::Next,
            b"p" => Escape::Previous,
            b"v" => Escape::Split,
            b"f" => Escape::Full,
            b"~" if tilde => return vec![Piece::Bytes(b"~".to_vec())],
            b"~" if newline => {
                self.tilde = true;
                return Vec::new();
            }
            other if tilde => return vec![Piece::Bytes([b"~", other].concat())],
            other => return vec![Piece::Bytes(other.to_vec())],
        };
        if tilde {
            // The escape leaves the line as empty as it was.
            self.after_newline = true;
            return vec![Piece::Escape(escape)];
        }
        vec![Piece::Bytes(bytes.to_vec())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(code: KeyCode, shift: bool, alt: bool, ctrl: bool) -> Vec<u8> {
        encode(Key { code, shift, alt, ctrl }, KeyModes::default())
    }

    #[test]
    fn keys_are_xterms() {
        assert_eq!(bytes(KeyCode::Up, false, false, false), b"\x1b[A");
        assert_eq!(bytes(KeyCode::Up, false, false, true), b"\x1b[1;5A");
        assert_eq!(encode(Key::plain(KeyCode::Up), KeyModes { application_cursor: true }), b"\x1bOA");
        assert_eq!(bytes(KeyCode::Char('c'), false, false, true), [3]);
        assert_eq!(bytes(KeyCode::Char('x'), false, true, false), b"\x1bx");
        assert_eq!(bytes(KeyCode::Enter, false, false, false), b"\r");
        assert_eq!(bytes(KeyCode::Backspace, false, false, false), [0x7f]);
        assert_eq!(bytes(KeyCode::F(5), false, false, false), b"\x1b[15~");
        assert_eq!(bytes(KeyCode::F(12), true, false, false), b"\x1b[24;2~");
        assert_eq!(bytes(KeyCode::Delete, false, false, false), b"\x1b[3~");
        assert_eq!(bytes(KeyCode::Char('ä'), false, false, false), "ä".as_bytes());
        assert!(bytes(KeyCode::F(99), false, false, false).is_empty());
    }

    #[test]
    fn a_paste_cannot_leave_its_bracket_or_press_keys() {
        assert_eq!(paste("a\r\nb\nc\x1b[201~rm\x03", true), b"\x1b[200~a\rb\rc[201~rm\x1b[201~");
        assert_eq!(paste("\tx", false), b"\tx");
    }

    #[test]
    fn escapes_count_only_after_a_newline() {
        let typed = |text: &str| {
            let mut keys = EscapeKeys::default();
            text.bytes().flat_map(|b| keys.feed(&[b])).collect::<Vec<_>>()
        };
        assert_eq!(typed("~."), [Piece::Escape(Escape::Terminate)]);
        assert_eq!(typed("a\r~d").last(), Some(&Piece::Escape(Escape::Detach)));
        let plain = |text: &str| {
            let all = typed(text).into_iter().map(|piece| match piece {
                Piece::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
                Piece::Escape(escape) => format!("<{escape:?}>"),
            });
            all.collect::<String>()
        };
        assert_eq!(plain("a~."), "a~.");
        assert_eq!(plain("~~."), "~.");
        assert_eq!(plain("~x"), "~x");
        assert_eq!(plain("~?~s"), "<Help><Search>");
    }
}
