//! What lies over the view: help, the palette, a decision in the making, a report, questions; its keys, and what they lead to.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use crate::catalog::ListingId;
use crate::console::action::{ACTIONS, Action};
use crate::console::app::App;
use crate::console::decide::{Came, Decide, Kind};
use crate::console::keymap::{Key, Press};
use crate::console::opener::Opener;
use crate::console::theme::{BUILT_IN, Theme};
use crate::console::views::{Location, VIEWS};
use crate::console::widgets::chooser::{Chooser, Chosen, Item};
use crate::console::widgets::input::Input;
use crate::console::widgets::scroller::Offset;
use crate::message::{Effect, Question, Stopped};

/// What lies over the view.
pub(super) enum Over {
    Help(Offset),
    Palette(Chooser, Vec<Command>),
    /// A decision that is being made.
    Decide(Box<Decide>),
    /// A report, once it is there.
    Report(Option<String>, Offset),
    /// A question, what is typed, and whether it is still open.
    Question(Input, Option<Question>),
    /// A session or a forward that is about to be opened.
    Opener(Box<Opener>),
    /// Whether to leave although sessions are open.
    Leaving,
}

/// What a line of a palette does.
#[derive(Clone, Copy)]
pub(super) enum Command {
    Action(Action),
    View(usize),
    Listing(ListingId),
    Theme(&'static str),
    /// The saved forward with this place.
    Saved(usize),
    /// A stopped delivery: its place in the outbox, and whether to send it.
    Resolve(i64, bool),
}

impl App {
    pub(super) fn key_over(&mut self, key: KeyEvent) -> Vec<Effect> {
        match &mut self.over {
            Some(Over::Palette(chooser, commands)) => match chooser.key(key) {
                Chosen::Nothing => Vec::new(),
                Chosen::Closed => {
                    self.over = None;
                    Vec::new()
                }
                Chosen::Item(n) => {
                    let command = commands.get(n).copied();
                    self.over = None;
                    command.map_or_else(Vec::new, |c| self.command(c))
                }
            },
            Some(Over::Decide(dialog)) => {
                let came = dialog.key(key, self.now, &mut self.tickets);
                self.take(came)
            }
            Some(Over::Question(input, question)) => {
                match key.code {
                    KeyCode::Enter if !input.text().trim().is_empty() => {
                        if let Some(question) = question.take() {
                            // Whoever asked may have given up meanwhile.
                            let _ = question.reply.send(input.text().trim().to_owned());
                        }
                        self.over = None;
                    }
                    KeyCode::Esc => self.over = None,
                    _ => _ = input.key(key),
                }
                Vec::new()
            }
            Some(Over::Opener(dialog)) => {
                let came = dialog.key(key);
                if came.closed {
                    self.over = None;
                }
                came.wanted.map_or_else(Vec::new, |wanted| self.open(wanted))
            }
            Some(Over::Leaving) => {
                self.over = None;
                self.wishes.quit = key.code == KeyCode::Enter;
                Vec::new()
            }
            Some(Over::Report(Some(text), _)) if key.code == KeyCode::Char('c') && key.modifiers.is_empty() => {
                self.wishes.copies.push(text.clone());
                self.notice = Some(("Copied: the report, as Markdown".to_owned(), false));
                Vec::new()
            }
            Some(Over::Help(offset) | Over::Report(_, offset)) => {
                let scopes = &[crate::console::action::Scope::Moving, crate::console::action::Scope::Global];
                match self.keymap.press(Key::from(key), scopes) {
                    Press::Action(Action::Back | Action::Help | Action::Quit) => self.over = None,
                    // Where it ends is known when it is drawn.
                    Press::Action(action) => {
                        let by = action.lines(self.body.height.into()).unwrap_or_default();
                        offset.0 = offset.0.saturating_add_signed(by);
                    }
                    _ => {}
                }
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Carries on with what the dialog of a decision came to.
    pub(super) fn take(&mut self, came: Came) -> Vec<Effect> {
        if let Some(Over::Decide(dialog)) = &self.over
            && let Some(said) = dialog.said()
        {
            self.said = Some(said);
        }
        let mut effects = came.effects;
        if came.closed {
            self.over = None;
        }
        if came.notice.is_some() {
            self.notice = came.notice;
        }
        if came.next {
            effects.extend(self.with_view(|view, cx| view.act(Action::NextRow, cx).unwrap_or_default()));
        }
        effects
    }

    /// What was stopped on its way to Security Hub, with both sides, to be sent or dropped.
    pub(super) fn offer_stopped(&mut self, stopped: Result<Vec<Stopped>, String>) {
        let stopped = match stopped {
            Ok(stopped) if stopped.is_empty() => {
                self.notice = Some(("Nothing of this finding was stopped on its way to Security Hub.".to_owned(), false));
                return;
            }
            Ok(stopped) => stopped,
            Err(why) => {
                self.notice = Some((why, true));
                return;
            }
        };
        let (mut items, mut commands) = (Vec::new(), Vec::new());
        for one in &stopped {
            for (word, send) in [("Send", true), ("Drop", false)] {
                let help = if send { "over what stands there now" } else { "what stands there stays" };
                items.push(Item { text: format!("{word} {}", one.what), help: help.to_owned(), on: None });
                commands.push(Command::Resolve(one.position, send));
            }
        }
        let about = stopped.iter().map(|one| format!("{}: {}", one.what, one.said)).collect();
        self.over = Some(Over::Palette(Chooser::new("Stopped on the way to Security Hub", items).about(about), commands));
    }

    /// Opens the dialog of a decision.
    pub(super) fn decide(&mut self, action: Action) -> Vec<Effect> {
        if self.read_only {
            self.notice = Some(("This is a read-only console: nothing is decided here.".to_owned(), true));
            return Vec::new();
        }
        let Some(target) = self.views[self.current].target(&self.world) else {
            self.notice = Some(("There is nothing here to decide on.".to_owned(), true));
            return Vec::new();
        };
        let kind = match action {
            Action::Assign | Action::AssignNext => Some(Kind::Assign),
            Action::Note => Some(Kind::Note),
            Action::Status => Some(Kind::Status),
            _ => None,
        };
        let estate = Arc::clone(&self.world.estate);
        let (dialog, came) = match (action, &self.said) {
            (Action::Again, Some(said)) => Decide::again(target, estate, said, &mut self.tickets),
            (Action::Again, None) => {
                self.notice = Some(("Nothing was decided yet that could be decided again.".to_owned(), true));
                return Vec::new();
            }
            _ => Decide::open(target, estate, kind, action == Action::AssignNext, self.now, &mut self.tickets),
        };
        self.over = Some(Over::Decide(Box::new(dialog)));
        self.take(came)
    }

    fn command(&mut self, command: Command) -> Vec<Effect> {
        match command {
            Command::Saved(n) => self.ask_saved(n),
            Command::Action(action) => self.act(action),
            Command::View(n) => self.open_view(n),
            Command::Resolve(position, send) => vec![Effect::Resolve { position, send }],
            Command::Listing(listing) => self.go(&Location { listing, filter: String::new(), row: None }),
            Command::Theme(name) => {
                match Theme::named(name, self.depth, self.glyphs) {
                    Ok(theme) => self.theme = theme,
                    Err(why) => self.notice = Some((why, true)),
                }
                self.remember()
            }
        }
    }

    pub(super) fn palette(&self) -> Over {
        let mut items = Vec::new();
        let mut commands = Vec::new();
        let mut add = |text: &str, help: &str, command: Command| {
            items.push(Item { text: text.to_owned(), help: help.to_owned(), on: None });
            commands.push(command);
        };
        for (n, view) in VIEWS.iter().enumerate() {
            add(view.name, &format!("Open {}", view.title), Command::View(n));
        }
        for listing in ListingId::ALL {
            let declared = listing.get();
            if VIEWS.iter().all(|v| v.name != declared.name) {
                add(declared.name, &format!("List {}", declared.many), Command::Listing(listing));
            }
        }
        let scopes = self.views[self.current].scopes();
        for row in ACTIONS {
            let shown = scopes.contains(&row.scope) && !matches!(row.action, Action::View(_) | Action::Palette);
            let moving = row.scope == crate::console::action::Scope::Moving;
            if shown && !moving {
                let keys = self.keymap.keys_of(row.name).unwrap_or_default();
                add(row.name, &format!("{}  [{keys}]", row.help), Command::Action(row.action));
            }
        }
        for (n, saved) in self.saved.iter().enumerate() {
            let host = saved.host.as_ref().map_or_else(String::new, |host| format!("{host}:"));
            let help = format!("Forward {host}{} through {}", saved.port, saved.node);
            add(&format!("forward {}", saved.name), &help, Command::Saved(n));
        }
        for (name, _) in BUILT_IN {
            add(&format!("theme {name}"), "Use this theme", Command::Theme(name));
        }
        Over::Palette(Chooser::new("Command", items), commands)
    }
}
