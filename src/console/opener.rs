//! The dialog before a session or a forward: why, where to, and what the guardrail of the account asks. It opens nothing
//! itself.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::theme::Theme;
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::wrap;
use crate::console::widgets::{frame, put};
use crate::message::session::Forwarding;
use crate::model::account::Environment;
use crate::model::guard::{Ask, Guarded, Said};
use crate::model::node::Machine;
use crate::text;

pub use crate::catalog::machines::guard;

/// AWS keeps this many characters of a reason.
const LONGEST_REASON: usize = 256;
/// Cells for the names of fields.
const NAMES: u16 = 12;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `again` is a session that was left, by AWS's id.
    Session {
        machine: Machine,
        reason: String,
        finding: Option<u64>,
        again: Option<String>,
        said: Said,
    },
    Forward(Forwarding),
}

/// What a key came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Came {
    pub closed: bool,
    pub wanted: Option<Wanted>,
}

enum Stage {
    Form,
    /// The guardrail's question, and what is typed to answer it.
    Guard(Input),
}

/// The dialog.
pub struct Opener {
    machine: Machine,
    finding: Option<u64>,
    again: Option<String>,
    forward: bool,
    lanes: usize,
    fields: Vec<(&'static str, Input)>,
    at: usize,
    guard: Guarded,
    stage: Stage,
    error: Option<String>,
    /// Why the machine may not answer.
    doubt: Option<String>,
}

impl Opener {
    /// For a session; the reason is given beforehand where there is a cause.
    pub fn session(machine: Machine, guard: Guarded, cause: Option<(u64, String)>, doubt: Option<String>) -> Self {
        let (finding, reason) = cause.map_or((None, String::new()), |(key, title)| {
            (Some(key), format!("finding: {title}").chars().take(LONGEST_REASON).collect())
        });
        let fields = vec![("reason", Input::new(text::line(&reason).into_owned()))];
        Self {
            machine,
            finding,
            again: None,
            forward: false,
            lanes: 1,
            fields,
            at: 0,
            guard,
            stage: Stage::Form,
            error: None,
            doubt,
        }
    }

    /// For a session that was left; the reason is what it was opened for.
    pub fn again(machine: Machine, session: String, reason: &str, guard: Guarded, doubt: Option<String>) -> Self {
        let fields = vec![("reason", Input::new(text::line(reason).into_owned()))];
        Self { again: Some(session), fields, ..Self::session(machine, guard, None, doubt) }
    }

    /// For a forward, as far as it is known.
    pub fn forward(known: &Forwarding, guard: Guarded, doubt: Option<String>) -> Self {
        let to = if known.port == 0 { String::new() } else { known.destination() };
        let local = if known.local == 0 { String::new() } else { known.local.to_string() };
        let fields = vec![
            ("to", Input::new(to)),
            ("local port", Input::new(local)),
            ("reason", Input::new(text::line(&known.reason).into_owned())),
        ];
        let at = if known.port == 0 { 0 } else { 2 };
        let machine = known.machine.clone();
        let lanes = known.lanes.max(1);
        Self {
            machine,
            finding: None,
            again: None,
            forward: true,
            lanes,
            fields,
            at,
            guard,
            stage: Stage::Form,
            error: None,
            doubt,
        }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| *n == name).map_or("", |(_, input)| input.text().trim())
    }

    /// What is wanted, as typed, with what was said to the guardrail.
    fn wanted(&self, said: Said) -> Result<Wanted, String> {
        let reason = self.field("reason");
        if self.forward {
            let (host, port) = destination(self.field("to"))?;
            let local = match self.field("local port") {
                "" => 0,
                text => text.parse().map_err(|_| format!("{text:?} is no port of this machine: 1 to 65535, or nothing."))?,
            };
            given(reason)?;
            let (machine, reason) = (self.machine.clone(), reason.to_owned());
            return Ok(Wanted::Forward(Forwarding { machine, reason, host, port, local, lanes: self.lanes, said }));
        }
        given(reason)?;
        let (machine, again) = (self.machine.clone(), self.again.clone());
        Ok(Wanted::Session { machine, reason: reason.to_owned(), finding: self.finding, again, said })
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Came {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let stop = key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && ctrl);
        let last = self.fields.len() - 1;
        match &mut self.stage {
            Stage::Guard(_) if stop => self.stage = Stage::Form,
            Stage::Form if stop => return Came { closed: true, wanted: None },
            Stage::Form if self.guard.ask == Ask::Refuse => {}
            Stage::Form => match key.code {
                // On to what is still missing.
                KeyCode::Enter if self.at < last && self.field("reason").is_empty() => self.at += 1,
                KeyCode::Enter => match self.wanted(Said::Nothing) {
                    Err(why) => self.error = Some(why),
                    Ok(wanted) if self.guard.ask == Ask::Nothing => return Came { closed: true, wanted: Some(wanted) },
                    Ok(_) => {
                        self.error = None;
                        self.stage = Stage::Guard(Input::default());
                    }
                },
                KeyCode::Tab | KeyCode::Down => self.at = (self.at + 1) % (last + 1),
                KeyCode::BackTab | KeyCode::Up => self.at = (self.at + last) % (last + 1),
                _ => {
                    self.error = None;
                    self.fields[self.at].1.key(key);
                }
            },
            Stage::Guard(typed) => match key.code {
                KeyCode::Enter if self.guard.ask == Ask::Type && typed.text().trim() != self.machine.account_name => {
                    self.error = Some(format!("That is not {}.", self.machine.account_name));
                }
                KeyCode::Enter => {
                    let said = if self.guard.ask == Ask::Type { Said::Name(typed.text().trim().to_owned()) } else { Said::Yes };
                    let wanted = self.wanted(said).ok();
                    return Came { closed: true, wanted };
                }
                _ if self.guard.ask == Ask::Type => {
                    self.error = None;
                    typed.key(key);
                }
                _ => {}
            },
        }
        Came::default()
    }

    /// Pasted text is typed text.
    pub fn paste(&mut self, what: &str) {
        match &mut self.stage {
            Stage::Guard(typed) => typed.insert(what),
            Stage::Form => self.fields[self.at].1.insert(what),
        }
    }

    /// Draws it over an area; returns where the terminal's cursor shows.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
        let machine = &self.machine;
        let what = match &self.again {
            _ if self.forward => "Forward through",
            Some(_) => "Take up the session on",
            None => "Session on",
        };
        let title = format!("{what} {}", machine.name);
        let width = area.width.min(76);
        let cells = usize::from(width.saturating_sub(4));
        let environment = machine.environment.map_or("unclassified", Environment::word);
        let place = format!("{}  {} ({environment})  {}", machine.id, machine.account_name, machine.region);
        let doubt: Vec<String> = self.doubt.iter().flat_map(|d| wrap(d, cells)).collect();
        let why = &self.guard.why;
        let mut notes: Vec<String> = match (&self.stage, self.guard.ask) {
            (_, Ask::Refuse) => wrap(&format!("No session is opened in {}: {why}.", machine.account_name), cells),
            (Stage::Guard(_), _) => wrap(&format!("{}: {why}", machine.account_name), cells),
            _ => Vec::new(),
        };
        match (&self.stage, self.guard.ask, &self.error) {
            (_, _, Some(error)) => notes.extend(wrap(error, cells)),
            (Stage::Guard(_), Ask::Type, _) => notes.push(format!("Type {} to mean it:", machine.account_name)),
            (Stage::Guard(_), Ask::Confirm, _) => notes.push("enter opens it, esc does not.".into()),
            _ => {}
        }
        let height = 5 + self.fields.len() + doubt.len() + notes.len().max(1);
        let height = u16::try_from(height).unwrap_or(u16::MAX).min(area.height);
        let at = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 3, width, height);
        let inside = frame(buffer, at, &title, &theme.glyphs, theme.style("ui.border"), theme.style("ui.title"));
        let mut y = inside.y;
        put(buffer, inside.x, y, inside.width, &place, theme.style("ui.muted"));
        y += 1;
        for line in &doubt {
            put(buffer, inside.x, y, inside.width, line, theme.style("ui.warning"));
            y += 1;
        }
        let mut cursor = None;
        let form = matches!(self.stage, Stage::Form) && self.guard.ask != Ask::Refuse;
        for (n, (name, input)) in self.fields.iter().enumerate() {
            let style = if form && n == self.at { "ui.hint.key" } else { "ui.muted" };
            put(buffer, inside.x, y, NAMES, name, theme.style(style));
            let field = Rect::new(inside.x + NAMES, y, inside.width.saturating_sub(NAMES), 1);
            let here = input.draw(buffer, field, theme.style("ui.filter"));
            if form && n == self.at {
                cursor = Some(here);
            }
            if *name == "to" && input.text().is_empty() {
                put(
                    buffer,
                    field.x + 1,
                    y,
                    field.width.saturating_sub(1),
                    "a port of the node, or host:port behind it",
                    theme.style("ui.muted"),
                );
            }
            if *name == "local port" && input.text().is_empty() {
                put(buffer, field.x + 1, y, field.width.saturating_sub(1), "a free one", theme.style("ui.muted"));
            }
            y += 1;
        }
        let style = if self.error.is_some() || self.guard.ask == Ask::Refuse { "ui.error" } else { "ui.warning" };
        for line in &notes {
            put(buffer, inside.x, y, inside.width, line, theme.style(style));
            y += 1;
        }
        if let (Stage::Guard(typed), Ask::Type) = (&self.stage, self.guard.ask) {
            let field = Rect::new(inside.x + NAMES, y.saturating_sub(1), inside.width.saturating_sub(NAMES), 1);
            let used = notes.last().map_or(0, |l| u16::try_from(text::width(l)).unwrap_or(0));
            let field = Rect { x: inside.x + used + 1, width: inside.width.saturating_sub(used + 1), ..field };
            cursor = Some(typed.draw(buffer, field, theme.style("ui.filter")));
        }
        let hint = match (&self.stage, self.guard.ask) {
            (_, Ask::Refuse) => "esc leaves it",
            (Stage::Form, _) if self.fields.len() > 1 => "enter opens it   tab next field   esc leaves it",
            (Stage::Form, _) => "enter opens it   esc leaves it",
            (Stage::Guard(_), _) => "enter opens it   esc goes back",
        };
        put(buffer, inside.x, inside.bottom().saturating_sub(1), inside.width, hint, theme.style("ui.muted"));
        cursor
    }
}

/// A reason has to be given: it stands in AWS's history and in the ledger.
fn given(reason: &str) -> Result<(), String> {
    if reason.is_empty() { Err("Say why: the reason stands in AWS's session history and in the ledger.".into()) } else { Ok(()) }
}

/// `5432` or `db.internal:5432`.
///
/// # Errors
/// In words: it is neither.
pub fn destination(typed: &str) -> Result<(Option<String>, u16), String> {
    let wrong = || format!("{typed:?} is no destination: write a port, or host:port.");
    let (host, port) = typed.rsplit_once(':').map_or((None, typed), |(host, port)| (Some(host.trim_matches(['[', ']'])), port));
    let port: u16 = port.trim().parse().map_err(|_| wrong())?;
    match host {
        _ if port == 0 => Err(wrong()),
        Some(host) if host.is_empty() || host.contains(char::is_whitespace) => Err(wrong()),
        host => Ok((host.map(str::to_owned), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(environment: Option<Environment>) -> Machine {
        Machine {
            account: "111122223333".into(),
            account_name: "payments-prod".into(),
            region: "eu-west-1".into(),
            id: "i-1".into(),
            name: "web".into(),
            environment,
        }
    }

    fn press(opener: &mut Opener, keys: &str) -> Came {
        let mut came = Came::default();
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\u{1b}' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            came = opener.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        came
    }

    #[test]
    fn a_session_needs_a_reason_and_what_its_guardrail_asks() {
        let open = |ask| Opener::session(machine(None), Guarded { ask, why: "so it is".into() }, None, None);
        let mut free = open(Ask::Nothing);
        assert_eq!(press(&mut free, "\n"), Came::default());
        assert!(free.error.as_deref().unwrap().contains("Say why"));
        assert!(matches!(press(&mut free, "INC-1\n").wanted, Some(Wanted::Session { reason, .. }) if reason == "INC-1"));
        let mut confirm = open(Ask::Confirm);
        assert_eq!(press(&mut confirm, "x\n").wanted, None);
        assert!(press(&mut confirm, "\n").wanted.is_some());
        let mut name = open(Ask::Type);
        assert_eq!(press(&mut name, "x\npayments\n").wanted, None);
        assert!(press(&mut name, "-prod\n").wanted.is_some());
        let mut refuse = open(Ask::Refuse);
        assert_eq!(press(&mut refuse, "x\n\n\n"), Came::default());
        assert!(press(&mut refuse, "\u{1b}").closed);
    }

    #[test]
    fn a_finding_is_the_reason_beforehand() {
        let cause = Some((7, "Port 22\u{1b}[31m open".to_owned()));
        let mut opener = Opener::session(machine(None), Guarded::default(), cause, None);
        let Some(Wanted::Session { reason, finding, .. }) = press(&mut opener, "\n").wanted else { panic!("no session") };
        assert!(reason.starts_with("finding: Port 22") && !reason.contains('\u{1b}'), "{reason:?}");
        assert_eq!(finding, Some(7));
    }

    #[test]
    fn destinations_read_and_wrong_ones_are_told() {
        assert_eq!(destination("5432"), Ok((None, 5432)));
        assert_eq!(destination("db.internal:5432"), Ok((Some("db.internal".into()), 5432)));
        assert_eq!(destination("[::1]:80"), Ok((Some("::1".into()), 80)));
        for wrong in ["", "0", "db", "db:", ":80", "a b:80", "99999", "host:0"] {
            assert!(destination(wrong).is_err(), "{wrong}");
        }
        let known = Forwarding {
            machine: machine(None),
            reason: String::new(),
            host: None,
            port: 0,
            local: 0,
            lanes: 3,
            said: Said::Nothing,
        };
        let mut opener = Opener::forward(&known, Guarded::default(), None);
        let came = press(&mut opener, "db:5432\n15432\nINC-7\n");
        let Some(Wanted::Forward(wanted)) = came.wanted else { panic!("{:?}", opener.error) };
        assert_eq!((wanted.destination().as_str(), wanted.local, wanted.lanes), ("db:5432", 15_432, 3));
    }
}
