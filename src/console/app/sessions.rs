//! Sessions and forwards at the root: the dialog before one, where it is shown, what is said of what is open.

use std::sync::Arc;

use crate::catalog::machines;
use crate::console::action::Action;
use crate::console::app::{App, Over};
use crate::console::opener::{Opener, Wanted, guard};
use crate::console::views::VIEWS;
use crate::message::Effect;
use crate::message::session::{Ask, Forwarding, Live, Opening, Saved, State};
use crate::model::guard::Said;

impl App {
    /// What is open here changed: what came to an end out of sight is said.
    pub(super) fn take_live(&mut self, live: Arc<Live>) {
        let ended = |state: &State| if let State::Ended { why, bad } = state { Some((why.clone(), *bad)) } else { None };
        for now in &live.sessions {
            let was = self.live.session(now.id).is_some_and(|s| s.state.is_ended());
            let Some((why, bad)) = ended(&now.state).filter(|_| !was) else { continue };
            if self.only.as_ref().is_some_and(|(id, _)| *id == now.id) {
                self.wishes.quit = true;
            }
            self.notice = Some((format!("{}: {why}", now.machine.name), bad));
        }
        for now in &live.replays {
            let was = self.live.replay(now.id).is_some_and(|r| r.state.is_ended());
            if let Some((why, bad)) = ended(&now.state).filter(|_| !was) {
                self.notice = Some((why, bad));
            }
        }
        for now in &live.forwards {
            let was = self.live.forwards.iter().any(|f| f.id == now.id && f.state == now.state);
            if was {
                continue;
            }
            let to = format!("{}:{}", now.wanted.machine.name, now.wanted.destination());
            self.notice = match (&now.state, ended(&now.state)) {
                (_, Some((why, bad))) => Some((format!("forward to {to}: {why}"), bad)),
                (State::Open, _) => Some((format!("{} leads to {to}; F lists forwards", now.local), false)),
                _ => continue,
            };
        }
        self.live = live;
    }

    /// What is open here now.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Asks why, before a session or a forward is opened.
    pub(super) fn ask_why(&mut self, action: Action) -> Vec<Effect> {
        if self.read_only {
            self.notice = Some(("This is a read-only console: no session is opened.".to_owned(), true));
            return Vec::new();
        }
        let machine = match self.views[self.current].machine(&self.world) {
            Ok(machine) => machine,
            Err(why) => {
                self.notice = Some((why, true));
                return Vec::new();
            }
        };
        let doubt = machines::doubt(&self.world.estate, self.world.network.as_deref(), &machine);
        let guard = guard(&self.world.policy.guardrails, &self.world.estate, &machine);
        let dialog = if action == Action::Forward {
            let known =
                Forwarding { machine, reason: String::new(), host: None, port: 0, local: 0, lanes: 1, said: Said::Nothing };
            Opener::forward(&known, guard, doubt)
        } else {
            Opener::session(machine, guard, self.views[self.current].cause(), doubt)
        };
        self.over = Some(Over::Opener(Box::new(dialog)));
        Vec::new()
    }

    /// Asks why, before a session that was left is gone on with. One that is open here is only shown.
    pub(super) fn ask_again(&mut self) -> Vec<Effect> {
        let left = match self.views[self.current].left(&self.world) {
            Ok(left) => left,
            Err(why) => {
                self.notice = Some((why, true));
                return Vec::new();
            }
        };
        if let Some(id) = self.live.open_as(&left.session) {
            return self.with_view(|view, cx| view.attach(id, cx));
        }
        if self.read_only {
            self.notice = Some(("This is a read-only console: no session is opened.".to_owned(), true));
            return Vec::new();
        }
        if let Err(why) = left.here {
            self.notice = Some((why, true));
            return Vec::new();
        }
        let doubt = machines::doubt(&self.world.estate, self.world.network.as_deref(), &left.machine);
        let guard = guard(&self.world.policy.guardrails, &self.world.estate, &left.machine);
        self.over = Some(Over::Opener(Box::new(Opener::again(left.machine, left.session, &left.reason, guard, doubt))));
        Vec::new()
    }

    /// A saved forward, with its machine looked up.
    pub(super) fn ask_saved(&mut self, n: usize) -> Vec<Effect> {
        let Some(saved) = self.saved.get(n).cloned() else { return Vec::new() };
        if self.read_only {
            self.notice = Some(("This is a read-only console: no forward is opened.".to_owned(), true));
            return Vec::new();
        }
        let found = machines::named(&self.world.estate, &saved.node);
        let machine = match <[_; 1]>::try_from(found) {
            Ok([machine]) => machine,
            Err(found) => {
                let words = if found.is_empty() { "no machine" } else { "several machines" };
                self.notice = Some((format!("forward {}: {words} here is {:?}", saved.name, saved.node), true));
                return Vec::new();
            }
        };
        let doubt = machines::doubt(&self.world.estate, self.world.network.as_deref(), &machine);
        let guard = guard(&self.world.policy.guardrails, &self.world.estate, &machine);
        let Saved { reason, host, port, local, lanes, .. } = saved;
        let known = Forwarding { machine, reason, host, port, local, lanes, said: Said::Nothing };
        self.over = Some(Over::Opener(Box::new(Opener::forward(&known, guard, doubt))));
        Vec::new()
    }

    pub(super) fn open(&mut self, wanted: Wanted) -> Vec<Effect> {
        let id = self.tickets.live();
        match wanted {
            Wanted::Forward(wanted) => {
                self.notice = Some(("Opening the forward …".to_owned(), false));
                vec![Effect::Session(Ask::Forward(id, Box::new(wanted)))]
            }
            Wanted::Session { machine, reason, finding, again, said } => {
                self.note_place();
                self.switch_to_sessions();
                let size = self.views[self.current].size(self.screen);
                let opening = Opening { machine, reason, finding, command: None, again, size, unrecorded: false, said };
                let mut effects = vec![Effect::Session(Ask::Open(id, Box::new(opening)))];
                effects.extend(self.with_view(|view, cx| view.attach(id, cx)));
                effects
            }
        }
    }

    pub(super) fn switch_to_sessions(&mut self) {
        if let Some(n) = VIEWS.iter().position(|v| v.name == "sessions") {
            self.switch(n);
        }
    }
}
