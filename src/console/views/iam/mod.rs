//! IAM: principals, access keys, policies, identity providers, delivery pipelines, resources with policies of their own, a line for questions (who can do what,
//! who can become whom), and an editor for policies.

mod editor;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use ratatui::layout::{Position, Rect};
use serde_json::Value as Json;

use crate::catalog::ListingId;
use crate::console::action::{Action, Scope};
use crate::console::decide::Target;
use crate::console::views::iam::editor::{Came, Editor};
use crate::console::views::lists::Lists;
use crate::console::views::opened::{Layer, Open};
use crate::console::views::{Canvas, Context, Declared, Location, Request, View};
use crate::console::widgets::input::Input;
use crate::console::widgets::{clear, put};
use crate::message::{Answer, Effect, Slot, Ticket};
use crate::world::World;

pub const DECLARED: Declared = Declared {
    digit: Some(5),
    name: "iam",
    title: "IAM",
    listings: &[
        ListingId::Principals,
        ListingId::AccessKeys,
        ListingId::Policies,
        ListingId::Providers,
        ListingId::Pipelines,
        ListingId::Resources,
    ],
    make: || Box::new(Iam::new()),
};

/// What may be asked, for whoever stands before an empty line: the form, and an example.
const FORMS: &[(&str, &str)] = &[
    ("who can ACTION on RESOURCE", "who can s3:GetObject on arn:aws:s3:::payroll/2026.csv"),
    ("can PRINCIPAL ACTION on RESOURCE", "can role/deployer iam:PassRole on role/admin"),
    ("… if KEY=VALUE", "… if aws:MultiFactorAuthPresent=true"),
    ("who can become PRINCIPAL", "who can become administrator"),
    ("can PRINCIPAL become PRINCIPAL", "can role/ci become administrator"),
    ("who can reach RESOURCE", "who can reach arn:aws:s3:::payroll"),
    ("blast PRINCIPAL", "blast user/jo"),
];
/// Questions that are remembered while the console runs.
const REMEMBERED: usize = 50;

struct Iam {
    lists: Lists,
    asking: Option<Asking>,
    /// Asked before, newest last.
    asked: Vec<String>,
    /// The policy that is being written; it stays when it is left.
    editor: Option<Box<Editor>>,
    editing: bool,
    /// The principal whose use was asked of AWS last, and when what is known of it was made: its detail is read again when
    /// the answer is there.
    use_of: Option<(String, Option<Timestamp>)>,
}

/// The question line and its answer.
struct Asking {
    input: Input,
    /// Keys go to the line, not to the answer.
    typing: bool,
    /// Which of the questions asked before stands in the line; none: a new one.
    recalled: Option<usize>,
    /// What was typed before one of those was called back.
    draft: String,
    answer: Option<(Open, Ticket)>,
}

impl Iam {
    fn new() -> Self {
        let lists = Lists::new(DECLARED.listings, &[("by:customer", ListingId::Policies)]);
        Self { lists, asking: None, asked: Vec::new(), editor: None, editing: false, use_of: None }
    }

    /// Asks AWS what the principal at hand used.
    fn ask_use(&mut self, cx: &Context<'_>) -> Vec<Request> {
        let here = self.lists.here().filter(|(listing, _)| *listing == ListingId::Principals).map(|(_, arn)| arn);
        let Some(arn) = here.filter(|arn| arn.contains(":user/") || arn.contains(":role/")) else {
            return vec![Request::Notice("Choose a user or a role: AWS tells of those what they used.".into(), true)];
        };
        self.use_of = Some((arn.clone(), made(cx.world, &arn)));
        let words = format!("Asking AWS what {} used: it takes seconds …", crate::model::arn::principal(&arn));
        let estate = std::sync::Arc::clone(&cx.world.estate);
        vec![Request::Notice(words, false), Request::Effect(Effect::AskUse { arn, estate })]
    }

    /// Opens the editor: where it was left, or over the policy at hand.
    fn edit(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        self.editing = true;
        let policy = self.lists.here().filter(|(listing, _)| *listing == ListingId::Policies).map(|(_, arn)| arn);
        let known = policy.and_then(|arn| {
            let mut all = cx.world.estate.identities.iter().flat_map(|i| &i.policies);
            all.find(|p| p.arn == arn).and_then(|p| p.default_document()).map(|d| d.pretty())
        });
        match known {
            Some(document) => self.editor.insert(Box::new(Editor::new(Some(&document)))).check(cx),
            None => {
                self.editor.get_or_insert_with(|| Box::new(Editor::new(None)));
                Vec::new()
            }
        }
    }

    /// Carries on with what the editor came to.
    fn take(&mut self, came: Came) -> Vec<Request> {
        self.editing &= !came.closed;
        came.requests
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let Some(asking) = &mut self.asking else { return Vec::new() };
        let text = asking.input.text().trim().to_owned();
        if text.is_empty() {
            return Vec::new();
        }
        self.asked.retain(|known| *known != text);
        self.asked.push(text.clone());
        if self.asked.len() > REMEMBERED {
            self.asked.remove(0);
        }
        let ticket = cx.tickets.take(Slot::Question);
        asking.typing = false;
        asking.recalled = None;
        asking.answer = Some((Open::new(0, Layer::Detail), ticket));
        let estate = std::sync::Arc::clone(&cx.world.estate);
        vec![Request::Effect(Effect::Question { ticket, estate, text })]
    }

    fn recall(&mut self, back: bool) {
        let Some(asking) = &mut self.asking else { return };
        if asking.recalled.is_none() {
            asking.draft = asking.input.text().to_owned();
        }
        let to = match (asking.recalled, back) {
            (None, true) => self.asked.len().checked_sub(1),
            (Some(n), true) => Some(n.saturating_sub(1)),
            (Some(n), false) if n + 1 < self.asked.len() => Some(n + 1),
            (_, false) => None,
        };
        asking.recalled = to;
        asking.input = Input::new(to.and_then(|n| self.asked.get(n)).unwrap_or(&asking.draft).clone());
    }
}

impl View for Iam {
    fn scopes(&self) -> &'static [Scope] {
        match &self.asking {
            // Keys are what is typed.
            _ if self.editing => &[Scope::Global],
            None => with_own(self.lists.scopes(), self.lists.listing()),
            // Keys are what is typed.
            Some(Asking { typing: true, .. } | Asking { answer: None, .. }) => &[Scope::Global],
            Some(Asking { answer: Some((open, _)), .. }) if open.layer == Layer::Document => {
                &[Scope::Document, Scope::Moving, Scope::Global]
            }
            Some(_) => &[Scope::Answer, Scope::Moving, Scope::Global],
        }
    }

    fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let (true, Some(editor)) = (self.editing, &mut self.editor) {
            let came = editor.typed(key, cx)?;
            return Some(self.take(came));
        }
        match &mut self.asking {
            None => return self.lists.typed(key, cx),
            Some(asking) if !asking.typing => return None,
            Some(asking) => match key.code {
                // A suspended console and the end stay in reach.
                KeyCode::Char('c' | 'z') if key.modifiers.contains(KeyModifiers::CONTROL) => return None,
                KeyCode::Enter => return Some(self.ask(cx)),
                // The answer stands under its own question.
                KeyCode::Esc if asking.answer.is_some() => {
                    asking.typing = false;
                    asking.recalled = None;
                    asking.input = Input::new(self.asked.last().cloned().unwrap_or_default());
                }
                KeyCode::Esc => self.asking = None,
                KeyCode::Up => self.recall(true),
                KeyCode::Down => self.recall(false),
                _ => _ = asking.input.key(key),
            },
        }
        Some(Vec::new())
    }

    fn pasted(&mut self, text: &str, cx: &mut Context<'_>) -> Vec<Request> {
        if let (true, Some(editor)) = (self.editing, &mut self.editor) {
            return editor.pasted(text, cx);
        }
        match &mut self.asking {
            Some(asking) => {
                if asking.typing {
                    asking.input.insert(&text.split_whitespace().collect::<Vec<_>>().join(" "));
                }
                Vec::new()
            }
            None => self.lists.pasted(text, cx),
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        match action {
            Action::EditPolicy => return Some(self.edit(cx)),
            Action::AskUse => return Some(self.ask_use(cx)),
            _ => {}
        }
        if action == Action::Ask {
            self.editing = false;
            match &mut self.asking {
                Some(asking) => asking.typing = true,
                None => {
                    self.asking = Some(Asking {
                        input: Input::default(),
                        typing: true,
                        recalled: None,
                        draft: String::new(),
                        answer: None,
                    });
                }
            }
            return Some(Vec::new());
        }
        let Some(asking) = &mut self.asking else { return self.lists.act(action, cx) };
        let Some((open, _)) = &mut asking.answer else { return None };
        if open.act(action) {
            return Some(Vec::new());
        }
        match action {
            Action::Open => {
                let link = open.link().cloned()?;
                Some(vec![Request::Go(Location { listing: link.listing, filter: link.filter, row: None })])
            }
            Action::Document => {
                open.layer = Layer::Document;
                Some(Vec::new())
            }
            Action::Copy => {
                let opened = open.opened()?;
                Some(vec![Request::Copy(opened.document.clone()), Request::Notice("Copied: the answer, as JSON".into(), false)])
            }
            Action::Back => {
                if open.layer == Layer::Document {
                    open.layer = Layer::Detail;
                } else {
                    self.asking = None;
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, cx: &mut Context<'_>) -> Vec<Request> {
        let answer = match (answer, &mut self.editor) {
            (Answer::Policy(says), Some(editor)) => {
                editor.answer(ticket, *says);
                return Vec::new();
            }
            (answer, _) => answer,
        };
        if ticket.slot != Slot::Question {
            return self.lists.answer(ticket, answer, cx);
        }
        if let (Some(Asking { answer: Some((open, asked)), typing, .. }), Answer::Detail(content)) = (&mut self.asking, answer)
            && *asked == ticket
        {
            // A question that was not understood is corrected, not read.
            *typing |= content.is_err();
            open.content = Some(content);
        }
        Vec::new()
    }

    fn refresh(&mut self, cx: &mut Context<'_>) -> Vec<Request> {
        let mut requests = self.lists.refresh(cx);
        if let Some((arn, before)) = &self.use_of
            && made(cx.world, arn) != *before
        {
            self.use_of = None;
            requests.extend(self.lists.reread(cx));
        }
        requests
    }

    fn draw(&mut self, area: Rect, canvas: &mut Canvas<'_>) {
        if let (true, Some(editor)) = (self.editing, &mut self.editor) {
            return editor.draw(area, canvas);
        }
        let Some(asking) = &mut self.asking else { return self.lists.draw(area, canvas) };
        let theme = canvas.theme;
        clear(canvas.buffer, area, theme.style("ui"));
        let label = "Ask: ";
        let used = put(canvas.buffer, area.x + 1, area.y, area.width, label, theme.style("ui.title"));
        let line = Rect::new(area.x + 1 + used, area.y, area.width.saturating_sub(used + 2), 1);
        let at = asking.input.draw(canvas.buffer, line, theme.style("ui.filter"));
        let body = Rect::new(area.x + 1, area.y + 2, area.width.saturating_sub(2), area.height.saturating_sub(2));
        if asking.typing {
            canvas.cursor = Some(at);
        }
        match &mut asking.answer {
            Some((open, _)) => open.draw(body, canvas),
            None => {
                let widest = FORMS.iter().map(|(form, _)| crate::text::width(form)).max().unwrap_or(0);
                for ((form, example), y) in FORMS.iter().zip(body.y..body.bottom()) {
                    let form = crate::text::pad(form, widest + 3, false);
                    let x = body.x + put(canvas.buffer, body.x, y, body.width, &form, theme.style("ui.label"));
                    let room = body.right().saturating_sub(x);
                    put(canvas.buffer, x, y, room, example, theme.style("ui.muted"));
                }
                let y = body.y + FORMS.len() as u16 + 1;
                if y < body.bottom() {
                    let words = "enter asks   up recalls what was asked before   esc leaves";
                    put(canvas.buffer, body.x, y, body.width, words, theme.style("ui.muted"));
                }
            }
        }
    }

    fn go(&mut self, to: &Location, cx: &mut Context<'_>) -> Vec<Request> {
        self.asking = None;
        self.editing = false;
        self.lists.go(to, cx)
    }

    fn location(&self) -> Option<Location> {
        self.lists.location()
    }

    fn mouse(&mut self, at: Position, wheel: i16, cx: &mut Context<'_>) -> Vec<Request> {
        match &mut self.asking {
            _ if self.editing => Vec::new(),
            None => self.lists.mouse(at, wheel, cx),
            Some(asking) => {
                let action = if wheel > 0 { Action::Down } else { Action::Up };
                if let Some((open, _)) = &mut asking.answer {
                    (0..wheel.unsigned_abs()).for_each(|_| _ = open.act(action));
                }
                Vec::new()
            }
        }
    }

    fn choices(&self) -> Json {
        self.lists.choices()
    }

    fn choose(&mut self, choices: &Json) {
        self.lists.choose(choices);
    }

    fn is_deep(&self) -> bool {
        self.editing || self.asking.is_some() || self.lists.is_deep()
    }

    fn target(&mut self, world: &World) -> Option<Target> {
        if self.editing || self.asking.is_some() { None } else { self.lists.target(world) }
    }

    fn hints(&self) -> Option<Vec<(String, &'static str)>> {
        // What is typed into the line is no key of the console.
        let typed = || {
            let hints = [("enter", "ask"), ("up", "asked before"), ("esc", "leave")];
            hints.map(|(key, words)| (key.to_owned(), words)).to_vec()
        };
        let typing = || self.asking.as_ref().filter(|asking| asking.typing).map(|_| typed());
        self.editor.as_ref().filter(|_| self.editing).map(|editor| editor.hints()).or_else(typing)
    }
}

/// When AWS made what is known of a principal's use.
fn made(world: &World, arn: &str) -> Option<Timestamp> {
    world.estate.identities.iter().flat_map(|i| &i.last_accessed).find(|l| l.arn == arn).and_then(|l| l.made)
}

/// The scopes of a list in this view, with what is its own.
fn with_own(scopes: &'static [Scope], listing: ListingId) -> &'static [Scope] {
    let (list, row) = (scopes.first() == Some(&Scope::List), scopes.contains(&Scope::Row));
    match (scopes.first(), listing) {
        (Some(Scope::Document), _) => scopes,
        (_, ListingId::Principals) if list && row => {
            &[Scope::List, Scope::Owned, Scope::Principal, Scope::Iam, Scope::Row, Scope::Moving, Scope::Global]
        }
        (_, ListingId::Principals) if row => {
            &[Scope::Detail, Scope::Owned, Scope::Principal, Scope::Iam, Scope::Row, Scope::Moving, Scope::Global]
        }
        _ if list && row => &[Scope::List, Scope::Iam, Scope::Row, Scope::Moving, Scope::Global],
        _ if list => &[Scope::List, Scope::Iam, Scope::Moving, Scope::Global],
        _ => &[Scope::Detail, Scope::Iam, Scope::Row, Scope::Moving, Scope::Global],
    }
}
