//! The table of what is open here: sessions, then forwards.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::action::Action;
use crate::console::views::{Canvas, Request};
use crate::console::widgets::{clear, put, put_parts, scroller::wrap};
use crate::message::Effect;
use crate::message::session::{Ask, Live, LiveForward, LiveId, LiveSession, State};
use crate::text;

const EMPTY: &str = "Nothing is open. o on a node, a finding or an interface opens a session on the machine behind it; f on a \
                     node forwards a port of it, or of a host behind it, to this machine.";

/// The table and where its cursor is.
#[derive(Debug, Default)]
pub struct Table {
    cursor: usize,
    /// Where the rows were drawn.
    rows: Rect,
    first: usize,
}

/// A row.
enum Row<'a> {
    Session(&'a LiveSession),
    Forward(&'a LiveForward),
}

fn rows(live: &Live) -> Vec<Row<'_>> {
    live.sessions.iter().map(Row::Session).chain(live.forwards.iter().map(Row::Forward)).collect()
}

/// `1.2 MB`, `340 B`.
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{}.{} kB", n / 1_000, n % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", n / 1_000_000_000, n % 1_000_000_000 / 100_000_000),
    }
}

impl Row<'_> {
    fn id(&self) -> LiveId {
        match self {
            Self::Session(s) => s.id,
            Self::Forward(f) => f.id,
        }
    }
    fn state(&self) -> &State {
        match self {
            Self::Session(s) => &s.state,
            Self::Forward(f) => &f.state,
        }
    }
    /// What it is, where, and what it does.
    fn cells(&self) -> [String; 4] {
        match self {
            Self::Session(s) => [
                if s.recording.is_some() { "session, recorded" } else { "session" }.into(),
                s.machine.name.clone(),
                s.machine.account_name.clone(),
                s.reason.clone(),
            ],
            Self::Forward(f) => {
                let name = &f.wanted.machine.name;
                let to = match &f.wanted.host {
                    Some(host) => format!("{host}:{} behind {name}", f.wanted.port),
                    None => format!("{name}:{}", f.wanted.port),
                };
                let local = if f.local.is_empty() { "this machine" } else { &f.local };
                ["forward".into(), format!("{local} to {to}"), f.wanted.machine.account_name.clone(), f.wanted.reason.clone()]
            }
        }
    }
    /// What else has to be said.
    fn remark(&self) -> Option<(String, &'static str)> {
        if let State::Ended { why, bad } = self.state() {
            return Some((why.clone(), if *bad { "ui.error" } else { "ui.muted" }));
        }
        let said = match self {
            Self::Session(s) => s.notice.clone()?,
            Self::Forward(f) => {
                let lanes = if f.wanted.lanes > 1 { format!(", {} of {} lanes", f.lanes, f.wanted.lanes) } else { String::new() };
                let notice = f.notice.as_ref().map_or_else(String::new, |notice| format!("; {notice}"));
                let (up, down) = (bytes(f.sent), bytes(f.received));
                format!("{} open of {} connections, {up} up, {down} down{lanes}{notice}", f.open, f.opened)
            }
        };
        Some((said, "ui.muted"))
    }
}

impl Table {
    /// The session under the cursor; none on a forward.
    pub fn session(&self, live: &Live) -> Option<LiveId> {
        live.sessions.get(self.cursor).map(|s| s.id)
    }

    pub fn act(&mut self, action: Action, live: &Live) -> Option<Vec<Request>> {
        let rows = rows(live);
        let last = rows.len().saturating_sub(1);
        match action {
            Action::EndSession | Action::Restart | Action::Forget => {
                Some(rows.get(self.cursor).map_or_else(Vec::new, |row| self.change(action, row)))
            }
            _ => {
                let by = action.lines(self.rows.height.into())?;
                self.cursor = self.cursor.saturating_add_signed(by).min(last);
                Some(Vec::new())
            }
        }
    }

    fn change(&self, action: Action, row: &Row<'_>) -> Vec<Request> {
        let ended = row.state().is_ended();
        let ask = match (action, row) {
            (Action::EndSession, _) if !ended => Ask::End(row.id()),
            (Action::EndSession, _) => {
                return vec![Request::Notice("It has ended already; backspace takes it away.".into(), false)];
            }
            (Action::Restart, Row::Forward(_)) if ended => Ask::Restart(row.id()),
            (Action::Restart, Row::Forward(_)) => return vec![Request::Notice("It is still open.".into(), false)],
            (Action::Restart, Row::Session(_)) => {
                return vec![Request::Notice("A session is not started again: o on its node opens another.".into(), false)];
            }
            (Action::Forget, _) if ended => Ask::Forget(row.id()),
            _ => return vec![Request::Notice("It is still open: delete ends it.".into(), false)],
        };
        vec![Request::Effect(Effect::Session(ask))]
    }

    pub fn mouse(&mut self, at: Position, wheel: i16, live: &Live) {
        if wheel != 0 {
            let action = if wheel > 0 { Action::Down } else { Action::Up };
            self.act(action, live);
        } else if self.rows.contains(at) {
            let row = self.first + usize::from(at.y - self.rows.y) / 2;
            self.cursor = row.min((live.sessions.len() + live.forwards.len()).saturating_sub(1));
        }
    }

    pub fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        clear(canvas.buffer, area, Style::default());
        let theme = canvas.theme;
        let live = std::sync::Arc::clone(canvas.live);
        let (open, forwards) = live.open();
        let title = match (live.sessions.len(), live.forwards.len()) {
            (0, 0) => "Open here".to_owned(),
            _ => format!(
                "Open here  {open} session{} and {forwards} forward{}",
                if open == 1 { "" } else { "s" },
                if forwards == 1 { "" } else { "s" }
            ),
        };
        put(canvas.buffer, area.x + 1, area.y, area.width.saturating_sub(2), &title, theme.style("ui.title"));
        let rows = rows(&live);
        if rows.is_empty() {
            for (y, line) in (area.y + 2..area.bottom()).zip(wrap(EMPTY, usize::from(area.width.saturating_sub(4)))) {
                put(canvas.buffer, area.x + 2, y, area.width - 3, &line, theme.style("ui.muted"));
            }
            return;
        }
        self.cursor = self.cursor.min(rows.len() - 1);
        let cells: Vec<[String; 4]> = rows.iter().map(|r| r.cells().map(|c| text::line(&c).into_owned())).collect();
        let states: Vec<String> = rows.iter().map(|r| r.state().word()).collect();
        let width = |of: &dyn Fn(usize) -> usize, most: usize| (0..rows.len()).map(of).max().unwrap_or(0).min(most);
        let wide = usize::from(area.width);
        let kind = width(&|n| text::width(&cells[n][0]), 17);
        let what = width(&|n| text::width(&cells[n][1]), wide * 2 / 5);
        let account = width(&|n| text::width(&cells[n][2]), wide / 6);
        let state = width(&|n| text::width(&states[n]), 17);
        // Two lines a row: what it is, and what else has to be said.
        self.rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let fits = usize::from(self.rows.height / 2).max(1);
        self.first = if self.cursor < self.first { self.cursor } else { self.first.max((self.cursor + 1).saturating_sub(fits)) };
        for (n, y) in (self.first..rows.len()).zip((self.rows.y..self.rows.bottom()).step_by(2)) {
            let pad = |text: &str, cells: usize| format!("{}  ", crate::text::pad(&crate::text::fit(text, cells), cells, false));
            let role = match rows[n].state() {
                State::Open => "ui",
                State::Starting => "ui.muted",
                State::Reconnecting(_) => "ui.warning",
                State::Ended { bad: true, .. } => "ui.error",
                State::Ended { .. } => "ui.muted",
            };
            let [a, b, c, d] = &cells[n];
            let columns = [pad(&states[n], state), pad(a, kind), pad(b, what), pad(c, account), d.clone()];
            let parts: Vec<(&str, Style)> =
                columns.iter().zip([role, "ui.muted", "ui", "ui", "ui"]).map(|(t, s)| (t.as_str(), theme.style(s))).collect();
            put_parts(canvas.buffer, area.x + 2, y, area.width.saturating_sub(2), &parts);
            if n == self.cursor {
                put(canvas.buffer, area.x, y, 1, theme.glyphs.cursor, theme.style("ui.mark"));
                canvas.buffer.set_style(Rect::new(area.x + 1, y, area.width - 1, 1), theme.style("ui.cursor"));
            }
            if let Some((words, style)) = rows[n].remark()
                && y + 1 < area.bottom()
            {
                put(canvas.buffer, area.x + 4, y + 1, area.width.saturating_sub(5), &words, theme.style(style));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_say_them() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234), "1.2 kB");
        assert_eq!(bytes(64 << 20), "67.1 MB");
        assert_eq!(bytes(3_000_000_000), "3.0 GB");
    }
}
