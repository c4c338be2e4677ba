//! The frame around the views: header, tabs, hints, notices, help.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::action::Scope;
use crate::console::action::{ACTIONS, row_of};
use crate::console::app::{App, Over, SMALLEST};
use crate::console::screen::Scroll;
use crate::console::theme::{ASCII, Theme};
use crate::console::views::{Canvas, VIEWS, inside_frame};
use crate::console::widgets::scroller::{self, Line};
use crate::console::widgets::{clear, frame, put, put_parts};
use crate::model::guard::{self, Act};
use crate::text;
use crate::world::Origin;

const PRODUCT: &str = "bartizan";

/// Markdown as quietly as a screen shows it: headings, and tables with their columns in line.
fn report_lines(text: &str, theme: &Theme) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
        inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|").replace("&lt;", "<").replace("\\\\", "\\")).collect()
    };
    for line in text.lines().chain([""]) {
        if line.starts_with("|---") {
            continue;
        }
        if line.starts_with('|') {
            table.push(cells(line));
            continue;
        }
        let columns = table.iter().map(Vec::len).max().unwrap_or(0);
        let width = |n: usize| table.iter().filter_map(|row| row.get(n)).map(|c| text::width(c)).max().unwrap_or(0).min(60);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (n, row) in std::mem::take(&mut table).into_iter().enumerate() {
            let style = theme.style(if n == 0 { "ui.column" } else { "ui" });
            let padded = row.iter().zip(&widths).map(|(cell, width)| text::pad(cell, *width, false));
            lines.push(vec![(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned(), style)]);
        }
        match line.strip_prefix("# ").or_else(|| line.strip_prefix("## ")) {
            Some(title) => lines.push(vec![(title.to_owned(), theme.style("ui.heading"))]),
            None => lines.push(vec![(line.replace("&lt;", "<"), theme.style("ui"))]),
        }
    }
    lines
}

/// What the painter has to know beside the frame itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drawn {
    pub cursor: Option<Position>,
    pub scroll: Option<Scroll>,
}

impl App {
    /// Draws everything into a cleared buffer.
    pub fn draw(&mut self, buffer: &mut Buffer) -> Drawn {
        let drawn = self.draw_all(buffer);
        if self.theme.glyphs == ASCII {
            for cell in &mut buffer.content {
                if let Some(plain) = self.theme.glyphs.plain(cell.symbol()) {
                    cell.set_symbol(plain);
                }
            }
        }
        drawn
    }

    fn draw_all(&mut self, buffer: &mut Buffer) -> Drawn {
        let area = buffer.area;
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let words = format!("{}×{} is too small: bartizan needs {}×{}", area.width, area.height, SMALLEST.0, SMALLEST.1);
            let y = area.height / 2;
            let x = (usize::from(area.width).saturating_sub(text::width(&words)) / 2) as u16;
            put(buffer, x, y, area.width, &words, self.theme.style("ui.warning"));
            return Drawn::default();
        }
        self.screen = area;
        self.body = inside_frame(area);
        let fills = self.views[self.current].fills();
        if !fills {
            self.draw_header(buffer, Rect { height: 1, ..area });
            self.draw_tabs(buffer, Rect { y: area.y + 1, height: 1, ..area });
            let foot = area.bottom() - 1;
            let line = self.theme.glyphs.horizontal.repeat(usize::from(area.width));
            put(buffer, area.x, foot - 1, area.width, &line, self.theme.style("ui.border"));
            self.draw_foot(buffer, Rect { y: foot, height: 1, ..area });
        }
        let place = if fills { area } else { self.body };
        let mut canvas = Canvas {
            buffer,
            theme: &self.theme,
            now: self.now,
            world: &self.world,
            live: &self.live,
            cursor: None,
            scroll: None,
        };
        self.views[self.current].draw(place, &mut canvas);
        let mut drawn = Drawn { cursor: canvas.cursor, scroll: canvas.scroll };
        if let (true, Some((words, bad))) = (fills, &self.notice) {
            // Without a foot it stands over the last line until the next key.
            let last = Rect { y: area.bottom() - 1, height: 1, ..area };
            clear(buffer, last, Style::default());
            put(buffer, last.x + 1, last.y, last.width - 1, words, self.theme.style(if *bad { "ui.error" } else { "ui.notice" }));
        }
        match &mut self.over {
            Some(Over::Palette(chooser, _)) => {
                drawn = Drawn { cursor: Some(chooser.draw(buffer, self.body, &self.theme)), scroll: None };
            }
            Some(Over::Question(input, question)) => {
                let width = self.body.width.min(72);
                let place = Rect::new(self.body.x + (self.body.width - width) / 2, self.body.y + 2, width, 6);
                let theme = &self.theme;
                let inside = frame(buffer, place, "A question", &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
                let words = question.as_ref().map_or("", |q| q.text.as_str());
                for (y, line) in (inside.y..inside.y + 2).zip(scroller::wrap(words, usize::from(inside.width))) {
                    put(buffer, inside.x, y, inside.width, &line, theme.style("ui"));
                }
                let field = Rect::new(inside.x, inside.y + 2, inside.width, 1);
                let hint = "enter answers   esc leaves it";
                put(buffer, inside.x, inside.y + 3, inside.width, hint, theme.style("ui.muted"));
                drawn = Drawn { cursor: Some(input.draw(buffer, field, theme.style("ui.filter"))), scroll: None };
            }
            Some(Over::Opener(dialog)) => {
                drawn = Drawn { cursor: dialog.draw(buffer, self.body, &self.theme), scroll: None };
            }
            Some(Over::Leaving) => {
                drawn = Drawn::default();
                let theme = &self.theme;
                let width = self.body.width.min(72);
                let place = Rect::new(self.body.x + (self.body.width - width) / 2, self.body.y + 2, width, 5);
                let inside = frame(buffer, place, "Leave?", &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
                let (sessions, forwards) = self.live.open();
                let words = format!(
                    "{sessions} session{} and {forwards} forward{} are open here.",
                    if sessions == 1 { "" } else { "s" },
                    if forwards == 1 { "" } else { "s" }
                );
                put(buffer, inside.x, inside.y, inside.width, &words, theme.style("ui.warning"));
                let then = if self.leaves {
                    "Sessions run on until AWS's idle timeout and can be taken up; forwards end."
                } else {
                    "They end with the console."
                };
                put(buffer, inside.x, inside.y + 1, inside.width, then, theme.style("ui"));
                put(buffer, inside.x, inside.y + 2, inside.width, "enter leaves   any other key stays", theme.style("ui.muted"));
            }
            Some(Over::Decide(dialog)) => {
                drawn = Drawn { cursor: dialog.draw(buffer, self.body, &self.theme), scroll: None };
            }
            Some(Over::Report(report, offset)) => {
                drawn = Drawn::default();
                let theme = &self.theme;
                let place = self.body;
                let title = "Hand-over, the last 12 hours: c copies it as Markdown, esc leaves it";
                let inside = frame(buffer, place, title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
                clear(buffer, inside, Style::default());
                let text = report.as_deref().unwrap_or("Writing …");
                let lines = report_lines(text, theme);
                offset.by(0, lines.len(), usize::from(inside.height));
                scroller::draw(buffer, inside, &lines, *offset);
            }
            Some(Over::Help(offset)) => {
                drawn = Drawn::default();
                let mut at = *offset;
                self.draw_help(buffer, &mut at);
                self.over = Some(Over::Help(at));
            }
            None => {}
        }
        drawn
    }

    /// `bartizan  acme (o-…)  arn:…  24 accounts · 4 regions   data of 22:31   ! 2`
    fn draw_header(&self, buffer: &mut Buffer, area: Rect) {
        let theme = &self.theme;
        let (dim, plain) = (theme.style("ui.header"), theme.style("ui.header.who"));
        let mut right: Vec<(String, Style)> = Vec::new();
        if self.read_only {
            right.push(("read-only  ".into(), theme.style("ui.badge")));
        }
        match &self.world.origin {
            Origin::Demo => right.push(("demo  ".into(), theme.style("ui.badge"))),
            Origin::File(_) => right.push(("from a file  ".into(), theme.style("ui.badge"))),
            Origin::Live(_) => {}
        }
        if let Some(progress) = self.world.progress {
            let left =
                progress.remaining.map_or_else(String::new, |s| format!(", {} to go", text::span(i64::try_from(s).unwrap_or(0))));
            right.push((
                format!("asking {} of {}{left}  ", text::count(progress.done as u64), text::count(progress.total as u64)),
                dim,
            ));
        } else if let Some(at) = self.world.data_of {
            let today = at.strftime("%Y-%m-%d").to_string() == self.now.strftime("%Y-%m-%d").to_string();
            let form = if today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
            right.push((format!("data of {} UTC  ", at.strftime(form)), dim));
        }
        match self.world.problem_count() {
            0 => right.push(("no problems".into(), dim)),
            n => right.push((format!("! {}", text::count(n as u64)), theme.style("ui.warning"))),
        }
        let width: usize = right.iter().map(|(t, _)| text::width(t)).sum::<usize>() + 1;
        let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width * 2 / 3);
        let parts: Vec<(&str, Style)> = right.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        put_parts(buffer, area.right() - width, area.y, width, &parts);

        let room = usize::from(area.width.saturating_sub(width + 4));
        let [organization, who, place] = self.whereabouts(room.saturating_sub(text::width(PRODUCT)));
        put_parts(
            buffer,
            area.x + 1,
            area.y,
            u16::try_from(room).unwrap_or(u16::MAX),
            &[(PRODUCT, theme.style("ui.header.name")), (&organization, plain), (&who, dim), (&place, dim)],
        );
    }

    /// Organisation, caller, and how much is seen, in the longest form that fits: on a narrow screen the account and the
    /// caller's name are worth more than the organisation's id and the size of things.
    fn whereabouts(&self, room: usize) -> [String; 3] {
        let estate = &self.world.estate;
        let (long, short) = match &estate.organization {
            Some(o) if o.name.is_empty() => (format!("  {}", o.id), format!("  {}", o.id)),
            Some(o) => (format!("  {} ({})", text::line(&o.name), o.id), format!("  {}", text::line(&o.name))),
            None => (String::new(), String::new()),
        };
        let many = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let place = format!("  {} · {}", many(estate.accounts.len(), "account"), many(estate.region_names().len(), "region"));
        let (full, brief) = match &estate.caller {
            Some(caller) => {
                let arn = text::line(&caller.arn).into_owned();
                // `arn:aws:sts::111122223333:assumed-role/Audit/jo` → `111122223333 Audit/jo`
                let parts: Vec<&str> = arn.splitn(6, ':').collect();
                let brief = match parts.as_slice() {
                    [_, _, _, _, account, who] => {
                        format!("{account} {}", who.split_once('/').map_or(*who, |(_, name)| name))
                    }
                    _ => arn.clone(),
                };
                (format!("  {arn}"), format!("  {brief}"))
            }
            None => ("  not signed in".to_owned(), "  not signed in".to_owned()),
        };
        let none = String::new();
        for (organization, who, place) in [
            (&long, &full, &place),
            (&long, &full, &none),
            (&long, &brief, &none),
            (&short, &brief, &none),
            (&none, &brief, &none),
        ] {
            if text::width(organization) + text::width(who) + text::width(place) <= room {
                return [organization.clone(), who.clone(), place.clone()];
            }
        }
        [none.clone(), format!("  {}", text::fit_end(brief.trim_start(), room.saturating_sub(2))), none]
    }

    fn draw_tabs(&mut self, buffer: &mut Buffer, area: Rect) {
        self.tabs.clear();
        let mut x = area.x + 1;
        for (n, view) in VIEWS.iter().enumerate() {
            let active = n == self.current;
            let label = match view.digit {
                Some(digit) => format!("{digit} {}", view.title),
                None if active => format!("! {}", view.title),
                None => continue,
            };
            let style = self.theme.style(if active { "ui.tab.active" } else { "ui.tab" });
            let used = put(buffer, x, area.y, area.right().saturating_sub(x), &label, style);
            self.tabs.push((Rect::new(x, area.y, used, 1), n));
            x += used + 2;
        }
    }

    /// A notice, else the keys that mean something here.
    fn draw_foot(&self, buffer: &mut Buffer, area: Rect) {
        let room = area.width.saturating_sub(2);
        if let Some((words, bad)) = &self.notice {
            let style = self.theme.style(if *bad { "ui.error" } else { "ui.notice" });
            put(buffer, area.x + 1, area.y, room, words, style);
            return;
        }
        let pending = self.keymap.pending();
        if !pending.is_empty() {
            put(buffer, area.x + 1, area.y, room, &format!("{pending} …"), self.theme.style("ui.hint.key"));
            return;
        }
        let (key_style, word_style) = (self.theme.style("ui.hint.key"), self.theme.style("ui.hint"));
        let own = self.over.is_none() && self.views[self.current].hints().is_some();
        let help = if own { String::new() } else { self.keymap.keys_of("help").unwrap_or("?").to_owned() };
        let last = if own { String::new() } else { format!("{help} help") };
        let edge = area.right().saturating_sub(u16::try_from(text::width(&last)).unwrap_or(0) + 1);
        let mut x = area.x + 1;
        let mut said: Vec<String> = Vec::new();
        for (keys, word) in self.hints() {
            // The nearest scope has the key; what it hides further out is not hinted.
            if said.contains(&keys) {
                continue;
            }
            said.push(keys.clone());
            let width = u16::try_from(text::width(&keys) + text::width(word) + 3).unwrap_or(u16::MAX);
            if x.saturating_add(width) >= edge {
                break;
            }
            x += put(buffer, x, area.y, width, &keys, key_style) + 1;
            x += put(buffer, x, area.y, width, word, word_style) + 2;
        }
        let used = put(buffer, edge, area.y, area.width, &help, key_style);
        if !own {
            put(buffer, edge + used, area.y, area.width, " help", word_style);
        }
    }

    /// Keys and words of what can be done here, most useful first.
    fn hints(&self) -> Vec<(String, &'static str)> {
        if matches!(self.over, Some(Over::Report(..))) {
            return vec![("esc".into(), "back"), ("c".into(), "copy"), ("j k".into(), "scroll")];
        }
        let view = &self.views[self.current];
        if let (None, Some(hints)) = (&self.over, view.hints()) {
            return hints;
        }
        let scopes = view.scopes();
        let overview = VIEWS[self.current].listings.is_empty();
        let wanted = ACTIONS.iter().filter(|row| !row.hint.is_empty() && row.name != "help" && scopes.contains(&row.scope));
        let wanted = wanted.filter(|row| row.name != "back" || view.is_deep() || VIEWS[self.current].digit.is_none());
        // The overview has no rows to mark, group or export.
        let wanted = wanted.filter(|row| !overview || matches!(row.name, "open"));
        let decides = |scope: Scope| matches!(scope, Scope::Finding | Scope::Owned);
        let opens = |scope: Scope| matches!(scope, Scope::Node | Scope::Machine);
        // What is refused here anyway is not offered.
        let refused = self.before(Act::Triage).filter(|before| before.ask == guard::Ask::Refuse);
        let closed = self.read_only || refused.is_some();
        let wanted = wanted.filter(|row| !closed || !decides(row.scope) || row.name == "mine");
        let wanted = wanted.filter(|row| !self.read_only || !opens(row.scope));
        let mut wanted: Vec<_> = wanted.collect();
        // The way back stands early, where a narrow screen still shows it.
        if let Some(at) = wanted.iter().position(|row| row.name == "back") {
            let back = wanted.remove(at);
            wanted.insert(1.min(wanted.len()), back);
        }
        let keyed = wanted.iter().filter_map(|row| self.keymap.keys_of(row.name).map(|keys| (keys.to_owned(), row.hint)));
        let mut hints: Vec<(String, &'static str)> = keyed.collect();
        if overview {
            hints.push(("1-7".into(), "views"));
        }
        if let (true, Some(keys)) = (scopes.contains(&Scope::Iam), self.keymap.keys_of("ask")) {
            hints.insert(2.min(hints.len()), (keys.to_owned(), "ask"));
        }
        if self.read_only && scopes.iter().any(|scope| decides(*scope)) {
            hints.insert(1.min(hints.len()), ("read-only".into(), "nothing is decided"));
        } else if refused.is_some() && scopes.iter().any(|scope| decides(*scope)) {
            hints.insert(1.min(hints.len()), ("guarded".into(), "nothing is decided here"));
        }
        hints.push((self.keymap.keys_of("palette").unwrap_or(":").to_owned(), "command"));
        hints
    }

    fn draw_help(&self, buffer: &mut Buffer, offset: &mut scroller::Offset) {
        let area = buffer.area;
        let width = area.width.min(86);
        let place = Rect::new((area.width - width) / 2, 1, width, area.height.saturating_sub(2));
        let theme = &self.theme;
        let title = format!("Keys in {}", VIEWS[self.current].title);
        let inside = frame(buffer, place, &title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
        let mut lines: Vec<Line> = Vec::new();
        for scope in self.views[self.current].scopes() {
            let heading = match scope {
                Scope::List => "In the list",
                Scope::Detail => "In the open row",
                Scope::Document => "In the document",
                Scope::Answer => "In the answer",
                Scope::Finding => "On a finding",
                Scope::Owned => "On an account or a principal",
                Scope::Principal => "On a user or a role",
                Scope::Iam => "In IAM",
                Scope::Node => "On a node",
                Scope::Machine => "On what has a machine behind it",
                Scope::Record => "On a session that was",
                Scope::Live => "On what is open here",
                Scope::Replay => "In a recording",
                Scope::Network => "In the network",
                Scope::Diagram => "In the diagram",
                Scope::Matrix => "In the trust matrix",
                Scope::Way => "On a way",
                Scope::Row => "On a row",
                Scope::Moving => "Moving",
                Scope::Global => "Everywhere",
            };
            lines.push(vec![(heading.to_owned(), theme.style("ui.heading"))]);
            let mut names: Vec<(&str, Vec<&str>)> = Vec::new();
            for (_, keys, name) in self.keymap.bindings().iter().filter(|(s, ..)| s == scope) {
                match names.iter_mut().find(|(n, _)| n == name) {
                    Some((_, all)) => all.push(keys),
                    None => names.push((name, vec![keys])),
                }
            }
            for (name, keys) in names {
                let help = row_of(name).map_or("", |r| r.help);
                let keys = text::pad(&keys.join("  "), 18, false);
                lines.push(vec![(keys, theme.style("ui.hint.key")), (help.to_owned(), theme.style("ui"))]);
            }
            lines.push(Vec::new());
        }
        lines.push(vec![("Filters".to_owned(), theme.style("ui.heading"))]);
        for (example, what) in [
            ("open ssh", "rows with both words, near misses included"),
            ("\"exact phrase\"", "this very phrase"),
            ("account:prod-*", "a field; * and ? are wildcards"),
            ("severity:high,critical", "one of several values"),
            ("severity>=high age<7d", "comparisons; s m h d w y"),
            ("updated>2026-01-01", "a day or an RFC 3339 time"),
            ("due<2d", "a time to come; due<0d is overdue"),
            ("!status:suppressed", "not"),
            ("(a or b) c", "or, and grouping"),
            ("owner:none", "no value"),
        ] {
            let example = text::pad(example, 25, false);
            lines.push(vec![(example, theme.style("ui.filter")), (what.to_owned(), theme.style("ui"))]);
        }
        offset.by(0, lines.len(), usize::from(inside.height));
        clear(buffer, inside, Style::default());
        scroller::draw(buffer, inside, &lines, *offset);
    }
}
