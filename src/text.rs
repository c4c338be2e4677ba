//! Text from AWS, from files and from nodes is hostile: this makes it fit to show, and measures it.
//!
//! The lowest floor: everything that draws or prints goes through here. It does not know where text comes from.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Whether a character must never reach a terminal as it is: C0 and C1 controls (escape sequences start with one),
/// bidirectional overrides and isolates (they reorder what the reader sees; Unicode TR 36), line and paragraph
/// separators, tags, and invisible format characters that let two different names look alike.
pub fn is_hostile(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{ad}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line that is safe to show: every hostile character becomes `·`, line breaks and tabs become a space.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| {
                if matches!(c, '\n' | '\r' | '\t') {
                    ' '
                } else if is_hostile(c) {
                    '·'
                } else {
                    c
                }
            })
            .collect(),
    )
}

/// Several lines that are safe to show: as [`line`], but line feeds stay and a tab becomes four spaces.
pub fn block(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_hostile(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\r' => {}
            '\t' => out.push_str("    "),
            c if is_hostile(c) => out.push('·'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A text with something else for each `${name}` in it; one that does not end stands as it is.
pub fn fill<'t>(text: &'t str, mut with: impl FnMut(&'t str) -> Cow<'t, str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (name, behind))) = rest.split_once("${").and_then(|(b, r)| Some((b, r.split_once('}')?))) {
        out.push_str(before);
        out.push_str(&with(name));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Width in terminal cells.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Cuts to at most `cells` cells without splitting a grapheme; a cut text ends in `…`.
pub fn fit(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    if cells == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let w = width(grapheme);
        if used + w > cells - 1 {
            break;
        }
        used += w;
        out.push_str(grapheme);
    }
    out.push('…');
    Cow::Owned(out)
}

/// As [`fit`], but keeps the end and cuts the front: what tells two ARNs apart stands at their end.
pub fn fit_end(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    if cells == 0 {
        return Cow::Borrowed("");
    }
    let mut kept = Vec::new();
    let mut used = 0;
    for grapheme in text.graphemes(true).rev() {
        let w = width(grapheme);
        if used + w > cells - 1 {
            break;
        }
        used += w;
        kept.push(grapheme);
    }
    kept.push("…");
    Cow::Owned(kept.into_iter().rev().collect())
}

/// Fits and pads to exactly `cells` cells, to the left or (for figures) to the right edge.
pub fn pad(text: &str, cells: usize, right: bool) -> String {
    let cut = fit(text, cells);
    let gap = " ".repeat(cells.saturating_sub(width(&cut)));
    if right { format!("{gap}{cut}") } else { format!("{cut}{gap}") }
}

/// A count with thousands separated by commas: `18,311`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A span of time in one short word, largest unit only: `<1m`, `3h`, `45d`, `2y`. Negative spans of a minute and more carry a minus.
pub fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "−" } else { "" };
    let s = seconds.unsigned_abs();
    let (n, unit) = match s {
        // Seconds would change on screen with every key.
        0..60 => return "<1m".to_owned(),
        60..3_600 => (s / 60, "m"),
        3_600..86_400 => (s / 3_600, "h"),
        86_400..63_072_000 => (s / 86_400, "d"),
        _ => (s / 31_536_000, "y"),
    };
    format!("{sign}{n}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_never_pass() {
        let hostile = "a\u{1b}[31mred\u{202e}gnp\u{7}\u{9b}2J\u{200b}z\u{e0041}";
        let shown = line(hostile);
        assert!(!shown.chars().any(is_hostile), "{shown:?}");
        assert_eq!(line("plain text"), "plain text");
        assert_eq!(line("two\nlines"), "two lines");
        assert_eq!(block("two\r\n\tlines\u{1b}c"), "two\n    lines·c");
    }

    #[test]
    fn fitting_respects_wide_and_combining_marks() {
        assert_eq!(fit("日本語テキスト", 7), "日本語…");
        assert_eq!(width(&fit("日本語テキスト", 8)), 7);
        assert_eq!(fit("e\u{301}a\u{300}o\u{302}u", 3), "e\u{301}a\u{300}…");
        assert_eq!(fit_end("arn:aws:iam::1:role/admin", 11), "…role/admin");
        assert_eq!(pad("7", 4, true), "   7");
        assert_eq!(width(&pad("日", 5, false)), 5);
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn counts_and_spans_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(18_311), "18,311");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!((span(59), span(-3)), ("<1m".into(), "<1m".into()));
        assert_eq!(span(3 * 3_600 + 5), "3h");
        assert_eq!(span(-7_200), "−2h");
        assert_eq!(span(86_400 * 800), "2y");
    }
}
