//! "Why can't I reach it": two ends and a port, and the answer hop by hop: what lets it through, what stops it first and
//! what would stop it next.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::catalog::detail::rungs;
use crate::console::action::Action;
use crate::console::theme::Theme;
use crate::console::views::network::came::Came;
use crate::console::views::opened::ladder_lines;
use crate::console::views::{Canvas, Context, Request};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::{Line, Offset, draw as scroll, wrap};
use crate::console::widgets::{clear, put};
use crate::message::{Effect, NetworkAsk, NetworkSays, Pane, Slot, Ticket};
use crate::network::diagram::Zoom;
use crate::network::picture::Picture;
use crate::network::reach::{Answer as Reach, Verdict};
use crate::network::zoom::place_of;
use crate::text;

/// Names that are offered at most.
const MOST_OFFERED: usize = 6;

const LABELS: [&str; 3] = ["from", "to", "port"];
const HELP: [&str; 3] = [
    "an id, a Name tag, an ARN, an account, an address, a CIDR, or internet",
    "an id, a Name tag, an ARN, an account, an address, a CIDR, or internet",
    "443, 53/udp, 1000-2000/tcp, icmp, all",
];

/// The question and its answer.
pub(super) struct WayPane {
    fields: [Input; 3],
    /// The field that is typed into; none while the answer is read.
    typing: Option<usize>,
    offered: Vec<String>,
    asked: Option<Ticket>,
    shown: Option<Result<Box<Reach>, String>>,
    offset: Offset,
    /// Lines and height of the last drawing.
    seen: (usize, usize),
}

impl WayPane {
    pub(super) fn new(from: String, to: String, port: String) -> Self {
        let typing = [&from, &to, &port].iter().position(|t| t.is_empty()).unwrap_or(2);
        Self {
            fields: [Input::new(from), Input::new(to), Input::new(port)],
            typing: Some(typing),
            offered: Vec::new(),
            asked: None,
            shown: None,
            offset: Offset::default(),
            seen: (0, 0),
        }
    }

    /// Asks what is in the fields.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let ticket = cx.tickets.take(Slot::Network(Pane::Way));
        self.asked = Some(ticket);
        self.shown = None;
        self.typing = None;
        self.offered.clear();
        self.offset = Offset::default();
        let [from, to, port] = self.fields.each_ref().map(|f| f.text().trim().to_owned());
        vec![Request::Effect(Effect::Network { ticket, world: cx.world.clone(), ask: NetworkAsk::Way { from, to, port } })]
    }

    pub(super) fn answer(&mut self, ticket: Ticket, says: Result<NetworkSays, String>) {
        if self.asked != Some(ticket) {
            return;
        }
        match says {
            Ok(NetworkSays::Way(answer)) => self.shown = Some(Ok(answer)),
            Ok(_) => {}
            Err(why) => {
                // What was wrong is in a field: it is typed anew.
                self.shown = Some(Err(why));
                self.typing = Some(0);
            }
        }
    }

    pub(super) fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Came> {
        let at = self.typing?;
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc if self.shown.as_ref().is_some_and(Result::is_ok) => self.typing = None,
            KeyCode::Esc => return Some(Came { closed: true, ..Came::default() }),
            KeyCode::Char('c') if ctrl => return None,
            KeyCode::Tab if !self.offered.is_empty() => {
                let whole = self.offered.remove(0);
                self.fields[at] = Input::new(whole);
                self.offered.clear();
            }
            KeyCode::Tab | KeyCode::Down => self.to(at + 1),
            KeyCode::BackTab | KeyCode::Up => self.to(at + 2),
            KeyCode::Enter => {
                let empty = self.fields.iter().position(|f| f.text().trim().is_empty());
                match empty {
                    Some(empty) => self.to(empty),
                    None => return Some(self.ask(cx).into()),
                }
            }
            _ => {
                if self.fields[at].key(key) {
                    self.offer(cx.world.network.as_deref());
                }
            }
        }
        Some(Came::default())
    }

    fn to(&mut self, field: usize) {
        self.typing = Some(field % self.fields.len());
        self.offered.clear();
    }

    /// Names that begin as what is typed.
    fn offer(&mut self, picture: Option<&Picture>) {
        self.offered.clear();
        let (Some(at @ (0 | 1)), Some(picture)) = (self.typing, picture) else { return };
        let typed = self.fields[at].text().trim().to_lowercase();
        if typed.is_empty() {
            return;
        }
        let net = &picture.net;
        let names = (std::iter::once("internet"))
            .chain(net.instances.iter().flat_map(|i| [i.name.as_str(), i.id.as_str()]))
            .chain(net.load_balancers.iter().map(|l| l.name.as_str()))
            .chain(net.endpoints.iter().flat_map(|e| [e.name.as_str(), e.id.as_str()]))
            .chain(net.subnets.iter().flat_map(|s| [s.name.as_str(), s.id.as_str()]))
            .chain(net.vpcs.iter().flat_map(|v| [v.name.as_str(), v.id.as_str()]))
            .chain(net.interfaces.iter().map(|i| i.id.as_str()));
        for name in names.filter(|n| n.len() > typed.len() && n.to_lowercase().starts_with(&typed)) {
            if !self.offered.iter().any(|o| o == name) {
                self.offered.push(name.to_owned());
            }
            if self.offered.len() == MOST_OFFERED {
                return;
            }
        }
    }

    pub(super) fn pasted(&mut self, text: &str) {
        if let Some(at) = self.typing {
            self.fields[at].insert(text);
        }
    }

    pub(super) fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Came> {
        let (total, height) = self.seen;
        match action {
            Action::Open => {
                self.typing = Some(1);
                return Some(Came::default());
            }
            Action::Diagram => return Some(self.diagram(cx)),
            Action::Back => return Some(Came { closed: true, ..Came::default() }),
            _ => self.offset.by(action.lines(height)?, total, height),
        }
        Some(Came::default())
    }

    /// The way on the diagram: of the VPC where both ends stand in one, else of all.
    fn diagram(&self, cx: &mut Context<'_>) -> Came {
        let Some(Ok(answer)) = &self.shown else {
            return vec![Request::Notice("Ask first: the diagram shows the way that was found.".into(), false)].into();
        };
        let mut path: Vec<String> = answer.paths.iter().take(1).flat_map(|p| &p.hops).map(|h| h.object.clone()).collect();
        path.dedup();
        let vpcs: Vec<Zoom> = match &cx.world.network {
            Some(picture) => {
                path.iter().filter_map(|id| place_of(&picture.net, id)).filter(|z| matches!(z, Zoom::Vpc(_))).collect()
            }
            None => Vec::new(),
        };
        let zoom = match vpcs.split_first() {
            Some((first, rest)) if rest.iter().all(|z| z == first) => first.clone(),
            _ => Zoom::Organisation,
        };
        Came { draw: Some((zoom, path)), ..Came::default() }
    }

    pub(super) fn mouse(&mut self, wheel: i16) -> Came {
        self.offset.by(isize::from(wheel), self.seen.0, self.seen.1);
        Came::default()
    }

    pub(super) fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        let theme = canvas.theme;
        clear(canvas.buffer, area, Style::default());
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        put(canvas.buffer, inner.x, inner.y, inner.width, "Can one end reach another, and if not, why", theme.style("ui.title"));
        for (n, (label, field)) in LABELS.iter().zip(&self.fields).enumerate() {
            let y = inner.y + 2 + u16::try_from(n).unwrap_or(0);
            let here = self.typing == Some(n);
            put(canvas.buffer, inner.x, y, 6, label, theme.style("ui.label"));
            let place = Rect { x: inner.x + 6, y, width: inner.width.saturating_sub(6), height: 1 };
            if here {
                canvas.cursor = Some(field.draw(canvas.buffer, place, theme.style("ui.filter")));
            } else {
                put(canvas.buffer, place.x, y, place.width, field.text(), theme.style("ui"));
            }
        }
        let y = inner.y + 5;
        if let Some(at) = self.typing {
            let hint = if self.offered.is_empty() {
                format!("{}   enter asks   tab next field", HELP[at])
            } else {
                format!("tab: {}", self.offered.join("   "))
            };
            put(canvas.buffer, inner.x + 6, y, inner.width.saturating_sub(6), &hint, theme.style("ui.muted"));
        }
        let rest = Rect { y: y + 2, height: inner.bottom().saturating_sub(y + 2), ..inner };
        let lines = match &self.shown {
            Some(Ok(answer)) => answer_lines(answer, usize::from(inner.width), theme),
            Some(Err(why)) => {
                wrap(why, usize::from(inner.width)).into_iter().map(|l| vec![(l, theme.style("ui.error"))]).collect()
            }
            None if self.asked.is_some() && self.typing.is_none() => {
                vec![vec![("Walking …".to_owned(), theme.style("ui.muted"))]]
            }
            None => Vec::new(),
        };
        self.seen = (lines.len(), usize::from(rest.height));
        self.offset.by(0, lines.len(), usize::from(rest.height));
        scroll(canvas.buffer, rest, &lines, self.offset);
    }
}

/// The verdict, what stops it in order, then the way.
fn answer_lines(answer: &Reach, cells: usize, theme: &Theme) -> Vec<Line> {
    let (word, role) = match answer.verdict {
        Verdict::Yes => ("Yes", "severity.low"),
        Verdict::Unknown => ("Not known", "severity.medium"),
        Verdict::No => ("No", "severity.high"),
    };
    let prose = |what: String, style: Style| wrap(&what, cells).into_iter().map(move |l| vec![(l, style)]).collect::<Vec<Line>>();
    let mut lines: Vec<Line> = prose(format!("{word}: {} to {}, {}", answer.from, answer.to, answer.service), theme.style(role));
    if answer.paths.is_empty() {
        let words = "Nothing that was collected is between these two ends.";
        lines.extend(prose(words.to_owned(), theme.style("ui.muted")));
    }
    if answer.pairs > 1 {
        let many = text::count(answer.pairs as u64);
        let words = format!("{} of {many} pairs of ends are reachable, {} not known", answer.reachable, answer.not_known);
        lines.extend(prose(words, theme.style("ui.muted")));
    }
    if answer.left_out > 0 {
        let words = format!("{} pairs were not looked at: name narrower ends", text::count(answer.left_out as u64));
        lines.extend(prose(words, theme.style("ui.warning")));
    }
    for words in &answer.through {
        lines.extend(prose(format!("but load balancer {words}"), theme.style("ui.warning")));
    }
    for path in &answer.paths {
        for (n, stop) in path.stops.iter().enumerate() {
            let first = if n == 0 { "stopped first at" } else { "then also at" };
            let back = if stop.request { "" } else { " on the way back" };
            let words = format!("{first} {} {}{back}: {}", stop.kind, stop.object, stop.why);
            lines.extend(prose(words, theme.style(if n == 0 { "ui.warning" } else { "ui" })));
        }
        lines.extend(path.unknown.iter().flat_map(|why| prose(format!("not known: {why}"), theme.style("severity.medium"))));
        let by = path.inspected.iter().map(|by| format!("inspected by {by}, which is not evaluated"));
        lines.extend(by.flat_map(|words| prose(words, theme.style("ui.warning"))));
        if let Some(ports) = &path.only_from_ports {
            lines.extend(prose(format!("answers get back only to clients on {ports}"), theme.style("ui.warning")));
        }
        lines.push(Vec::new());
        let what = if path.service.is_empty() { String::new() } else { format!(", {}", path.service) };
        lines.push(vec![(text::line(&format!("{} to {}{what}", path.from, path.to)).into_owned(), theme.style("ui.heading"))]);
        lines.extend(ladder_lines(&rungs(path), cells, theme));
    }
    lines
}
