//! The emulator against what nodes send, friendly and hostile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn terminal(columns: u16, rows: u16, output: &str) -> Terminal {
    let mut terminal = Terminal::new(columns, rows, Allow::default());
    terminal.feed(output.as_bytes());
    terminal
}

/// The view as text, one line a row.
fn view(terminal: &mut Terminal) -> String {
    let (columns, rows) = terminal.size();
    let mut screen = vec![vec![" ".to_owned(); usize::from(columns)]; usize::from(rows)];
    terminal.draw(|row, column, glyph| {
        screen[usize::from(row)][usize::from(column)] = glyph.text.to_owned();
        if glyph.wide && column + 1 < columns {
            screen[usize::from(row)][usize::from(column) + 1].clear();
        }
    });
    screen.iter().map(|row| row.concat().trim_end().to_owned() + "\n").collect()
}

fn lines(from: u32, to: u32) -> String {
    (from..to).map(|n| format!("line {n}\r\n")).collect()
}

#[test]
fn text_colours_and_boxes() {
    let mut terminal = terminal(20, 3, "\x1b[1;31mred\x1b[m plain\r\n\x1b(0lqk\x1b(B wide 漢x");
    assert_eq!(view(&mut terminal), "red plain\n┌─┐ wide 漢x\n\n");
    let mut styles = Vec::new();
    terminal.draw(|_, _, glyph| styles.push(glyph.style));
    assert_eq!(styles[0], Style { foreground: Color::Index(1), bold: true, ..Style::default() });
    assert_eq!(styles[4], Style::default());
    assert_eq!(terminal.cursor(), Some(Cursor { row: 1, column: 12, shape: CursorShape::Block }));
}

#[test]
fn scrolled_lines_are_kept_and_the_view_stays() {
    let mut terminal = terminal(30, 5, &lines(0, 1000));
    assert_eq!(terminal.above(), 1000 + 1 - 5);
    assert!(view(&mut terminal).starts_with("line 996\n"));
    terminal.scroll(900);
    assert!(view(&mut terminal).starts_with("line 96\nline 97\n"), "{}", view(&mut terminal));
    assert_eq!(terminal.cursor(), None);
    terminal.feed(lines(1000, 1010).as_bytes());
    assert!(view(&mut terminal).starts_with("line 96\n"), "the view moved");
    terminal.scroll(i64::MAX);
    assert!(view(&mut terminal).starts_with("line 0\n"));
    terminal.scroll(-3);
    assert!(view(&mut terminal).starts_with("line 3\n"));
    terminal.scroll_to_end();
    assert!(view(&mut terminal).starts_with("line 1006\n"));
}

#[test]
fn every_line_is_there_once_across_the_stores() {
    let mut terminal = terminal(30, 10, &lines(0, 700));
    let mut all = String::new();
    terminal.scroll(i64::MAX);
    loop {
        all.push_str(view(&mut terminal).lines().next().unwrap());
        all.push(' ');
        if terminal.scrolled_back() == 0 {
            break;
        }
        terminal.scroll(-1);
    }
    let expected: String = (0..692).map(|n| format!("line {n} ")).collect();
    assert!(all.trim().starts_with(expected.trim().trim_end_matches("line 691").trim()), "{all}");
}

#[test]
fn a_search_finds_upwards_and_downwards_and_shows_the_place() {
    let mut terminal = terminal(30, 5, &lines(0, 1000));
    let found = terminal.search("LINE 50", None, true);
    assert_eq!(found, None, "upper case is exact");
    let found = terminal.search("line 50", None, true).unwrap();
    assert_eq!((found.start.line, found.start.column, found.end), (509, 0, 7));
    assert!(view(&mut terminal).contains("line 509\n"));
    let row = u16::try_from(found.start.line - terminal.top_line()).unwrap();
    assert_eq!(terminal.mark(row, 3), (false, true));
    assert_eq!(terminal.mark(row, 7), (false, false));
    let next = terminal.search("line 50", Some(found.start), true).unwrap();
    assert_eq!(next.start.line, 508);
    let back = terminal.search("line 50", Some(next.start), false).unwrap();
    assert_eq!(back.start.line, 509);
    assert_eq!(terminal.search("not there", None, true), None);
}

#[test]
fn a_selection_joins_lines_that_ran_on_and_trims_the_others() {
    let mut terminal = terminal(10, 5, "abcdefghijklmno\r\nshort   \r\nlast");
    terminal.select(terminal.point(0, 2), terminal.point(3, 1));
    assert_eq!(terminal.selected_text().unwrap(), "cdefghijklmno\nshort\nla");
    assert_eq!(terminal.mark(0, 1), (false, false));
    assert_eq!(terminal.mark(1, 9), (true, false));
    terminal.select(terminal.point(3, 3), terminal.point(3, 0));
    assert_eq!(terminal.selected_text().unwrap(), "last");
    terminal.clear_selection();
    assert_eq!(terminal.selected_text(), None);
}

#[test]
fn questions_are_answered_with_nothing_that_the_node_chose() {
    let mut terminal = terminal(20, 5, "\x1b[3;4H\x1b[6n\x1b[c\x1b[>c\x1b[5n\x1b[21t\x1bP$q q\x1b\\\x1b]11;?\x07");
    let replies = String::from_utf8(terminal.take_replies()).unwrap();
    assert_eq!(replies, "\x1b[3;4R\x1b[?62;22c\x1b[>1;0;0c\x1b[0n");
    terminal.feed("\x1b[6n".repeat(100_000).as_bytes());
    assert!(terminal.take_replies().len() <= 1024);
}

#[test]
fn titles_clipboard_and_window_sizes_are_refused() {
    let mut terminal = terminal(20, 5, "\x1b]0;evil\x07\x1b]52;c;ZXZpbA==\x07\x1b]52;c;?\x07\x1b[8;99;99t");
    assert_eq!(terminal.title(), "");
    assert_eq!(terminal.refused(), Refused { clipboard: 2, title: 1, resize: 1 });
    assert_eq!(terminal.size(), (20, 5));
    assert!(terminal.take_replies().is_empty());
    let mut allowed = Terminal::new(20, 5, Allow { title: true });
    allowed.feed("\x1b]2;ro\u{202e}ot@i-1\x07".as_bytes());
    assert_eq!(allowed.title(), "root@i-1");
}

#[test]
fn a_resize_keeps_text_and_the_smallest_and_largest_sizes_work() {
    let mut terminal = terminal(80, 24, &lines(0, 100));
    for (columns, rows) in [(1, 1), (500, 200), (80, 24), (0, 0), (u16::MAX, u16::MAX), (80, 24)] {
        terminal.resize(columns, rows);
        view(&mut terminal);
        terminal.feed(b"x\r\n");
    }
    assert!(terminal.search("line 10", None, true).is_some());
}

#[test]
fn full_screen_programs_leave_the_scrollback_alone() {
    let mut terminal = terminal(20, 5, &lines(0, 50));
    let above = terminal.above();
    terminal.feed(b"\x1b[?1049h\x1b[2Jeditor");
    assert!(terminal.is_full_screen());
    terminal.scroll(10);
    assert_eq!(terminal.scrolled_back(), 0);
    assert!(view(&mut terminal).contains("editor"));
    terminal.feed(lines(0, 50).as_bytes());
    terminal.feed(b"\x1b[?1049l");
    assert_eq!(terminal.above(), above);
    assert!(view(&mut terminal).contains("line 49"));
}

#[test]
fn memory_stays_bounded_under_a_flood() {
    let mut terminal = Terminal::new(500, 200, Allow::default());
    let line = format!("{}\r\n", "\x1b[31mx\x1b[32my".repeat(200));
    for _ in 0..20_000 {
        terminal.feed(line.as_bytes());
    }
    assert!(terminal.memory() < 32 << 20, "{}", terminal.memory());
    assert!(terminal.first_line() > 0);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        "[\u{0}-\u{ffff}]{0,12}".prop_map(String::into_bytes),
        (0u16..300, 0u16..300, prop::sample::select(b"ABCDEFGHJKLMPSTXZ@`abcdefghlmnqrstu".to_vec()))
            .prop_map(|(a, b, c)| format!("\x1b[{a};{b}{}", char::from(c)).into_bytes()),
        prop::sample::select(vec![
            "\x1b[?1049h",
            "\x1b[?1049l",
            "\x1b(0",
            "\x1b(B",
            "\x1bc",
            "\x1b[?6h",
            "\x1b[r",
            "\x1bM",
            "漢\u{300}",
            "\u{202e}abc",
            "\r\n\r\n\r\n"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_output_makes_it_panic_or_shows_a_control(output in hostile(), columns in 1u16..120, rows in 1u16..60, resize in (1u16..300, 1u16..300),
                                                   more in hostile(), scroll in -50i64..50) {
        let mut terminal = Terminal::new(columns, rows, Allow { title: true });
        terminal.feed(&output);
        terminal.resize(resize.0, resize.1);
        terminal.scroll(scroll);
        terminal.feed(&more);
        let (columns, rows) = terminal.size();
        let mut hostile = false;
        terminal.draw(|row, column, glyph| {
            hostile |= row >= rows || column >= columns;
            hostile |= glyph.text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
        });
        prop_assert!(!hostile);
        terminal.search("a", None, true);
        terminal.select(terminal.point(0, 0), terminal.point(rows - 1, columns - 1));
        terminal.selected_text();
        prop_assert!(terminal.cursor().is_none_or(|c| c.row < rows && c.column < columns));
    }
}
