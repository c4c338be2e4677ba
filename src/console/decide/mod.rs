//! The dialog in which a decision is made: what it says, its dry run, what became of it. It decides nothing itself:
//! proposals go to `work`, which judges them and carries them out.

mod draw;
mod form;

use std::collections::HashMap;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;

use crate::console::decide::form::Form;
use crate::console::tickets::Tickets;
use crate::console::widgets::chooser::{Chooser, Chosen, Item};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::Offset;
use crate::message::{Answer, Effect, On, Proposal, Settled, Slot, Staged, Ticket};
use crate::model::decision::{Decision, Subject};
use crate::model::estate::Estate;
use crate::text;

pub use form::Kind;

/// What is decided on.
#[derive(Debug, Clone)]
pub struct Target {
    pub on: On,
    /// How many, and what the one is called.
    pub count: usize,
    pub name: String,
    /// Teams and people that are known, for completion.
    pub teams: Vec<String>,
    pub people: Vec<String>,
}

/// What a key or an answer came to.
#[derive(Debug, Default)]
pub struct Came {
    pub effects: Vec<Effect>,
    /// The dialog is over; with a line for the foot.
    pub closed: bool,
    pub notice: Option<(String, bool)>,
    /// Everything was decided: the view goes on to its next row.
    pub next: bool,
}

/// The dialog.
pub struct Decide {
    target: Target,
    estate: Arc<Estate>,
    stage: Stage,
    /// Whether the view goes on to the next row afterwards.
    next: bool,
    ticket: Option<Ticket>,
}

enum Stage {
    Kind(Chooser),
    Form(Form),
    Judging(Form),
    Review { form: Form, staged: Arc<Staged>, typed: Input, wrong: bool, at: Offset },
    Deciding { form: Form, total: usize, done: usize },
    Results { form: Form, settled: Vec<Settled>, at: Offset },
}

impl Decide {
    /// The dialog for a kind of decision, or for choosing one. Kinds that need nothing more are judged at once.
    pub fn open(
        target: Target,
        estate: Arc<Estate>,
        kind: Option<Kind>,
        next: bool,
        now: Timestamp,
        tickets: &mut Tickets,
    ) -> (Self, Came) {
        let stage = match kind {
            Some(kind) => Stage::Form(Form::new(kind)),
            None => Stage::Kind(chooser(&target)),
        };
        let mut dialog = Self { target, estate, stage, next, ticket: None };
        let came = dialog.begin(now, tickets);
        (dialog, came)
    }

    /// The dialog for a decision that was made before, on something else.
    pub fn again(target: Target, estate: Arc<Estate>, proposal: &Proposal, tickets: &mut Tickets) -> (Self, Came) {
        let mut form = Form::new(Kind::of(&proposal.decision));
        form.said = Some((proposal.decision.clone(), proposal.reason.clone()));
        let mut dialog = Self { target, estate, stage: Stage::Judging(form), next: true, ticket: None };
        let came = dialog.judge(proposal.decision.clone(), proposal.reason.clone(), tickets);
        (dialog, came)
    }

    /// A form without fields needs no screen.
    fn begin(&mut self, now: Timestamp, tickets: &mut Tickets) -> Came {
        match &self.stage {
            Stage::Form(form) if form.is_empty() => self.submit(now, tickets),
            _ => Came::default(),
        }
    }

    fn submit(&mut self, now: Timestamp, tickets: &mut Tickets) -> Came {
        let Stage::Form(form) = &mut self.stage else { return Came::default() };
        match form.decision(now) {
            Ok((decision, reason)) => {
                form.error = None;
                form.said = Some((decision.clone(), reason.clone()));
                let form = std::mem::replace(form, Form::new(Kind::Claim));
                self.stage = Stage::Judging(form);
                self.judge(decision, reason, tickets)
            }
            Err(why) => {
                form.error = Some(why);
                Came::default()
            }
        }
    }

    fn judge(&mut self, decision: Decision, reason: String, tickets: &mut Tickets) -> Came {
        let ticket = tickets.take(Slot::Decision);
        self.ticket = Some(ticket);
        let proposal = Proposal { on: self.target.on.clone(), decision, reason };
        let effect = Effect::Stage { ticket, estate: Arc::clone(&self.estate), proposal };
        Came { effects: vec![effect], ..Came::default() }
    }

    fn carry_out(&mut self, form: Form, staged: Arc<Staged>, tickets: &mut Tickets) -> Came {
        let ticket = tickets.take(Slot::Decision);
        self.ticket = Some(ticket);
        self.stage = Stage::Deciding { form, total: staged.will.len(), done: 0 };
        Came { effects: vec![Effect::Decide { ticket, estate: Arc::clone(&self.estate), staged }], ..Came::default() }
    }

    fn take_form(&mut self) -> Form {
        let stage = std::mem::replace(&mut self.stage, Stage::Form(Form::new(Kind::Claim)));
        match stage {
            Stage::Form(form)
            | Stage::Judging(form)
            | Stage::Review { form, .. }
            | Stage::Deciding { form, .. }
            | Stage::Results { form, .. } => form,
            Stage::Kind(_) => Form::new(Kind::Claim),
        }
    }

    /// What `work` answered.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, tickets: &mut Tickets) -> Came {
        if self.ticket != Some(ticket) {
            return Came::default();
        }
        match answer {
            Answer::Staged(Err(why)) => self.refuse(why),
            Answer::Staged(Ok(staged)) => {
                // One thing is decided at once, unless a guardrail asks first; what it came to is said either way.
                if self.target.count == 1 && (staged.will.is_empty() || !staged.before.asks()) {
                    return match (staged.will.len(), staged.wont.first()) {
                        (1, _) => {
                            let form = self.take_form();
                            self.carry_out(form, Arc::from(staged), tickets)
                        }
                        (_, Some((_, why))) => self.refuse(sentence(why)),
                        _ => self.refuse("It is gone: it went away with the last refresh.".into()),
                    };
                }
                let form = self.take_form();
                self.stage = Stage::Review {
                    form,
                    staged: Arc::from(staged),
                    typed: Input::default(),
                    wrong: false,
                    at: Offset::default(),
                };
                Came::default()
            }
            Answer::Deciding(now) => {
                if let Stage::Deciding { done, .. } = &mut self.stage {
                    *done = now;
                }
                Came::default()
            }
            Answer::Decided(settled) => self.settled(settled),
            _ => Came::default(),
        }
    }

    fn settled(&mut self, settled: Vec<Settled>) -> Came {
        let form = self.take_form();
        let failed = settled.iter().filter(|s| s.done.is_err()).count();
        let word = form.kind.past();
        match (failed, settled.as_slice()) {
            (0, [one]) => {
                let pending = matches!(
                    one.step.decision,
                    Decision::Accept { pending: true, .. } | Decision::Suppress { pending: true, .. }
                );
                let words = match (&one.done, pending) {
                    (_, true) => "Asked for: someone else has to approve it.".to_owned(),
                    (Ok(place), _) => format!("{word}: {place}"),
                    (Err(why), _) => why.clone(),
                };
                Came { closed: true, notice: Some((words, false)), next: self.next, ..Came::default() }
            }
            (0, many) => {
                let words = format!("{word}: {} findings", text::count(many.len() as u64));
                Came { closed: true, notice: Some((words, false)), next: self.next, ..Came::default() }
            }
            (_, [one]) => {
                let why = one.done.as_ref().err().cloned().unwrap_or_default();
                self.stage = Stage::Form(form);
                self.refuse(sentence(&why))
            }
            _ => {
                self.stage = Stage::Results { form, settled, at: Offset::default() };
                Came::default()
            }
        }
    }

    /// Back to the form with the reason; where there is none to go back to, the reason goes to the foot.
    fn refuse(&mut self, why: String) -> Came {
        let mut form = self.take_form();
        if form.is_empty() {
            return Came { closed: true, notice: Some((why, true)), ..Came::default() };
        }
        form.error = Some(why);
        self.stage = Stage::Form(form);
        Came::default()
    }

    pub fn key(&mut self, key: KeyEvent, now: Timestamp, tickets: &mut Tickets) -> Came {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let stop = key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && ctrl);
        let closed = || Came { closed: true, ..Came::default() };
        match &mut self.stage {
            Stage::Kind(chooser) => match chooser.key(key) {
                Chosen::Nothing => Came::default(),
                Chosen::Closed => closed(),
                Chosen::Item(n) => {
                    let Some(kind) = kinds(&self.target).get(n).copied() else { return Came::default() };
                    self.stage = Stage::Form(Form::new(kind));
                    self.begin(now, tickets)
                }
            },
            Stage::Form(_) if stop => closed(),
            Stage::Form(form) => {
                let choices: HashMap<&str, &[String]> =
                    HashMap::from([("owner", self.target.teams.as_slice()), ("assignee", self.target.people.as_slice())]);
                if form.key(key, &choices) { self.submit(now, tickets) } else { Came::default() }
            }
            Stage::Judging(_) | Stage::Deciding { .. } if stop => Came {
                closed: true,
                notice: matches!(self.stage, Stage::Deciding { .. })
                    .then(|| ("What was begun goes on; the list shows it.".to_owned(), false)),
                ..Came::default()
            },
            Stage::Judging(_) | Stage::Deciding { .. } => Came::default(),
            Stage::Review { .. } if stop => {
                let form = self.take_form();
                if form.is_empty() {
                    return closed();
                }
                self.stage = Stage::Form(form);
                Came::default()
            }
            Stage::Review { staged, typed, wrong, at, .. } => match key.code {
                KeyCode::Enter if staged.will.is_empty() => closed(),
                KeyCode::Enter if staged.before.words.as_deref().is_some_and(|words| typed.text().trim() != words) => {
                    *wrong = true;
                    Came::default()
                }
                KeyCode::Enter => {
                    let staged = Arc::clone(staged);
                    let form = self.take_form();
                    self.carry_out(form, staged, tickets)
                }
                KeyCode::Down | KeyCode::PageDown => {
                    at.0 = at.0.saturating_add(1);
                    Came::default()
                }
                KeyCode::Up | KeyCode::PageUp => {
                    at.0 = at.0.saturating_sub(1);
                    Came::default()
                }
                _ => {
                    typed.key(key);
                    *wrong = false;
                    Came::default()
                }
            },
            Stage::Results { .. } if stop || key.code == KeyCode::Enter => closed(),
            Stage::Results { settled, at, .. } => match key.code {
                KeyCode::Char('r') => {
                    let failed = settled.iter().filter(|s| s.done.is_err());
                    let keys: Vec<u64> = failed
                        .filter_map(|s| if let Subject::Finding(key) = &s.step.subject { Some(key.short()) } else { None })
                        .collect();
                    let form = self.take_form();
                    let said = form.said.clone();
                    self.target.count = keys.len();
                    self.target.on = On::Findings(keys.into());
                    self.stage = Stage::Judging(form);
                    said.map_or_else(Came::default, |(decision, reason)| self.judge(decision, reason, tickets))
                }
                KeyCode::Down | KeyCode::Char('j') => {
                    at.0 = at.0.saturating_add(1);
                    Came::default()
                }
                KeyCode::Up | KeyCode::Char('k') => {
                    at.0 = at.0.saturating_sub(1);
                    Came::default()
                }
                _ => Came::default(),
            },
        }
    }

    pub fn paste(&mut self, what: &str) {
        match &mut self.stage {
            Stage::Kind(chooser) => chooser.paste(what),
            Stage::Form(form) => form.paste(what),
            _ => {}
        }
    }

    /// What was said last, to say it again on something else.
    pub fn said(&self) -> Option<Proposal> {
        match &self.stage {
            Stage::Judging(form) | Stage::Deciding { form, .. } | Stage::Review { form, .. } => {
                let (decision, reason) = form.said.clone()?;
                Some(Proposal { on: self.target.on.clone(), decision, reason })
            }
            _ => None,
        }
    }
}

fn kinds(target: &Target) -> &'static [Kind] {
    if matches!(target.on, On::Findings(_)) { Kind::ALL } else { &[Kind::Assign, Kind::Note, Kind::Undo] }
}

fn chooser(target: &Target) -> Chooser {
    let item = |kind: &Kind| Item { text: kind.word().to_owned(), help: kind.help().to_owned(), on: None };
    Chooser::new("Decide", kinds(target).iter().map(item).collect())
}

/// An error's words as a sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
