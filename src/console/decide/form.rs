//! The fields of a decision, by its kind.

use std::collections::HashMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use ratatui_textarea::{Input as AreaInput, TextArea};

use crate::console::widgets::input::Input;
use crate::model::decision::Decision;
use crate::model::finding::{Severity, Status, Verdict};
use crate::text;
use crate::triage::until;

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Assign,
    Claim,
    Release,
    Note,
    Status,
    Verdict,
    Severity,
    Due,
    Accept,
    Suppress,
    Approve,
    Reject,
    Reopen,
    Undo,
}

impl Kind {
    pub const ALL: &'static [Self] = &[
        Self::Assign,
        Self::Claim,
        Self::Release,
        Self::Note,
        Self::Status,
        Self::Verdict,
        Self::Severity,
        Self::Due,
        Self::Accept,
        Self::Suppress,
        Self::Approve,
        Self::Reject,
        Self::Reopen,
        Self::Undo,
    ];

    pub const fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Assign { .. } => Self::Assign,
            Decision::Release => Self::Release,
            Decision::Note { .. } => Self::Note,
            Decision::Status { .. } => Self::Status,
            Decision::Verdict { .. } => Self::Verdict,
            Decision::Severity { .. } => Self::Severity,
            Decision::Due { .. } => Self::Due,
            Decision::Accept { .. } => Self::Accept,
            Decision::Suppress { .. } => Self::Suppress,
            Decision::Approve { .. } => Self::Approve,
            Decision::Reject { .. } => Self::Reject,
            Decision::Reopen => Self::Reopen,
            Decision::Undo { .. } => Self::Undo,
            _ => Self::Claim,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Note => "note",
            Self::Status => "status",
            Self::Verdict => "verdict",
            Self::Severity => "severity",
            Self::Due => "due",
            Self::Accept => "accept risk",
            Self::Suppress => "suppress",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Reopen => "reopen",
            Self::Undo => "undo",
        }
    }

    pub const fn help(self) -> &'static str {
        match self {
            Self::Assign => "Give it to a team, a person, or both",
            Self::Claim => "Take it on; nobody else can meanwhile",
            Self::Release => "Give your claim up",
            Self::Note => "Write a note",
            Self::Status => "Set the workflow status",
            Self::Verdict => "Say what it was found to be",
            Self::Severity => "Set another severity, with a reason",
            Self::Due => "Set when it is due",
            Self::Accept => "Accept the risk until a day, with a reason",
            Self::Suppress => "Show it no more until a day, with a reason",
            Self::Approve => "Approve what somebody else asked for",
            Self::Reject => "Turn down what was asked for",
            Self::Reopen => "Open again what was resolved, accepted or suppressed",
            Self::Undo => "Take back your own last decision",
        }
    }

    /// What was done, to begin a sentence.
    pub const fn past(self) -> &'static str {
        match self {
            Self::Assign => "Assigned",
            Self::Claim => "Claimed",
            Self::Release => "Released",
            Self::Note => "Noted",
            Self::Status => "Status set",
            Self::Verdict => "Verdict set",
            Self::Severity => "Severity set",
            Self::Due => "Due date set",
            Self::Accept => "Risk accepted",
            Self::Suppress => "Suppressed",
            Self::Approve => "Approved",
            Self::Reject => "Rejected",
            Self::Reopen => "Reopened",
            Self::Undo => "Taken back",
        }
    }
}

/// A field of the form.
pub enum Field {
    Line { name: &'static str, hint: &'static str, input: Input },
    Pick { name: &'static str, words: &'static [&'static str], at: usize },
    Area { area: Box<TextArea<'static>> },
}

/// Workflow words a person may set; suppressing is a decision of its own.
const STATUS: &[&str] = &["NEW", "NOTIFIED", "RESOLVED"];

/// The fields, and which of them has the keyboard.
pub struct Form {
    pub kind: Kind,
    pub fields: Vec<Field>,
    pub at: usize,
    pub error: Option<String>,
    /// What was said when it was sent.
    pub said: Option<(Decision, String)>,
}

impl Form {
    pub fn new(kind: Kind) -> Self {
        let line = |name, hint, text: &str| Field::Line { name, hint, input: Input::new(text) };
        let reason = || line("reason", "for those who read it later", "");
        let until = || line("until", "a day, a time, or a span such as 30d", "90d");
        let pick = |name, words| Field::Pick { name, words, at: 0 };
        let fields = match kind {
            Kind::Claim | Kind::Release | Kind::Undo => Vec::new(),
            Kind::Assign => {
                vec![line("owner", "the team; down completes", ""), line("assignee", "the person; down completes", ""), reason()]
            }
            Kind::Note => vec![Field::Area { area: Box::new(TextArea::default()) }],
            Kind::Status => vec![pick("status", STATUS), reason()],
            Kind::Verdict => vec![pick("verdict", Verdict::WORDS), reason()],
            Kind::Severity => vec![pick("severity", Severity::WORDS), reason()],
            Kind::Due => vec![line("due", "a day, a time, or a span such as 7d; empty: by service level", "")],
            Kind::Accept | Kind::Suppress => vec![reason(), until()],
            Kind::Approve | Kind::Reject | Kind::Reopen => vec![reason()],
        };
        Self { kind, fields, at: 0, error: None, said: None }
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn text(&self, name: &str) -> &str {
        let found = self.fields.iter().find_map(|field| match field {
            Field::Line { name: n, input, .. } if *n == name => Some(input.text()),
            Field::Pick { name: n, words, at } if *n == name => words.get(*at).copied(),
            _ => None,
        });
        found.unwrap_or_default().trim()
    }

    /// The decision that the fields say, and its reason.
    pub fn decision(&self, now: Timestamp) -> Result<(Decision, String), String> {
        let until = || until::parse(self.text("until"), now).map_err(|e| e.to_string());
        let named = |name: &str| match self.text(name) {
            "" => None,
            // A dash takes the name away.
            "-" => Some(String::new()),
            other => Some(other.to_owned()),
        };
        let decision = match self.kind {
            Kind::Assign => match (named("owner"), named("assignee")) {
                (None, None) => return Err("Name a team, a person, or both; - takes a name away.".into()),
                (owner, assignee) => Decision::Assign { owner, assignee },
            },
            Kind::Claim => Decision::Claim,
            Kind::Release => Decision::Release,
            Kind::Note => {
                let note = self
                    .fields
                    .iter()
                    .find_map(|f| if let Field::Area { area, .. } = f { Some(area.lines().join("\n")) } else { None });
                Decision::Note { text: note.unwrap_or_default().trim().to_owned() }
            }
            Kind::Status => Decision::Status { status: self.text("status").parse::<Status>().map_err(|e| e.to_string())? },
            Kind::Verdict => Decision::Verdict { verdict: self.text("verdict").parse::<Verdict>().map_err(|e| e.to_string())? },
            Kind::Severity => {
                Decision::Severity { severity: self.text("severity").parse::<Severity>().map_err(|e| e.to_string())? }
            }
            Kind::Due => match self.text("due") {
                "" => Decision::Due { at: None },
                text => Decision::Due { at: Some(until::parse(text, now).map_err(|e| e.to_string())?) },
            },
            Kind::Accept => Decision::Accept { until: until()?, pending: false },
            Kind::Suppress => Decision::Suppress { until: until()?, pending: false },
            Kind::Approve => Decision::Approve { of: 0 },
            Kind::Reject => Decision::Reject { of: 0 },
            Kind::Reopen => Decision::Reopen,
            Kind::Undo => Decision::Undo { of: 0 },
        };
        Ok((decision, self.text("reason").to_owned()))
    }

    /// Takes a key; true where the form is to be sent.
    pub fn key(&mut self, key: KeyEvent, choices: &HashMap<&str, &[String]>) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.fields.len().saturating_sub(1);
        self.error = None;
        let area = matches!(self.fields.get(self.at), Some(Field::Area { .. }));
        match key.code {
            KeyCode::Char('s') if ctrl => return true,
            KeyCode::Tab => {
                self.at = if self.at == last { 0 } else { self.at + 1 };
                return false;
            }
            KeyCode::BackTab => {
                self.at = if self.at == 0 { last } else { self.at - 1 };
                return false;
            }
            KeyCode::Enter if !area => {
                if self.at == last {
                    return true;
                }
                self.at += 1;
                return false;
            }
            _ => {}
        }
        match self.fields.get_mut(self.at) {
            Some(Field::Line { name, input, .. }) => {
                let known = choices.get(*name).copied().unwrap_or_default();
                match key.code {
                    KeyCode::Down => complete(input, known, true),
                    KeyCode::Up => complete(input, known, false),
                    _ => _ = input.key(key),
                }
            }
            Some(Field::Pick { words, at, .. }) => match key.code {
                KeyCode::Down | KeyCode::Right | KeyCode::Char('j' | 'l' | ' ') => *at = (*at + 1) % words.len(),
                KeyCode::Up | KeyCode::Left | KeyCode::Char('k' | 'h') => *at = (*at + words.len() - 1) % words.len(),
                KeyCode::Char(c) => {
                    let begins = |w: &&str| w.to_lowercase().starts_with(c.to_ascii_lowercase());
                    if let Some(found) = words.iter().position(begins) {
                        *at = found;
                    }
                }
                _ => {}
            },
            Some(Field::Area { area, .. }) => _ = area.input(AreaInput::from(key)),
            None => {}
        }
        false
    }

    pub fn paste(&mut self, what: &str) {
        match self.fields.get_mut(self.at) {
            Some(Field::Line { input, .. }) => input.insert(what),
            Some(Field::Area { area, .. }) => _ = area.insert_str(text::block(what)),
            _ => {}
        }
    }
}

/// The next of the known names that begin as the text did, around and around.
fn complete(input: &mut Input, known: &[String], forward: bool) {
    let typed = input.text().to_lowercase();
    let at = known.iter().position(|k| k.to_lowercase() == typed);
    let next = match (at, forward) {
        (Some(at), true) => known.get((at + 1) % known.len()),
        (Some(at), false) => known.get((at + known.len() - 1) % known.len()),
        (None, _) => known.iter().find(|k| k.to_lowercase().starts_with(&typed)).or_else(|| known.first()),
    };
    if let Some(next) = next {
        *input = Input::new(next.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_its_decision_or_what_is_missing() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let none = HashMap::new();
        let type_in = |form: &mut Form, text: &str| {
            text.chars().for_each(|c| _ = form.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), &none));
        };
        let mut form = Form::new(Kind::Assign);
        assert!(form.decision(now).is_err());
        type_in(&mut form, "payments");
        assert!(!form.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), &none));
        type_in(&mut form, "-");
        let (decision, _) = form.decision(now).unwrap();
        assert_eq!(decision, Decision::Assign { owner: Some("payments".into()), assignee: Some(String::new()) });
        let mut form = Form::new(Kind::Accept);
        type_in(&mut form, "it is a honeypot");
        let (decision, reason) = form.decision(now).unwrap();
        assert_eq!(reason, "it is a honeypot");
        assert_eq!(decision, Decision::Accept { until: "2027-02-20T10:00:00Z".parse().unwrap(), pending: false });
        form.at = 1;
        type_in(&mut form, "x");
        assert!(form.decision(now).unwrap_err().contains("no time"));
        let mut form = Form::new(Kind::Note);
        type_in(&mut form, "two");
        form.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), &none);
        form.paste("li\u{1b}nes");
        assert_eq!(form.decision(now).unwrap().0, Decision::Note { text: "two\nli·nes".into() });
        assert!(form.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL), &none));
    }

    #[test]
    fn known_names_complete_around() {
        let known: Vec<String> = ["data", "payments", "platform"].map(str::to_owned).into();
        let mut input = Input::new("p");
        complete(&mut input, &known, true);
        assert_eq!(input.text(), "payments");
        complete(&mut input, &known, true);
        complete(&mut input, &known, true);
        assert_eq!(input.text(), "data");
        complete(&mut input, &known, false);
        assert_eq!(input.text(), "platform");
    }
}
