//! One port forward: its listener here, its sessions, their entries in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::message::session::{Forwarding, LiveId, State};
use crate::model::account::Caller;
use crate::ssm::forward::{Forward, ForwardOptions, ForwardStatus, Listen};
use crate::ssm::service::StartRequest;
use crate::work::sessions::record::{Ended, Told};
use crate::work::sessions::{Home, Over, turned};

/// Between two looks at a forward's counters; they are told only where they changed.
const LOOK: Duration = Duration::from_millis(500);

/// Runs a forward to its end.
pub(super) async fn run(home: &Arc<Home>, id: LiveId, wanted: &Forwarding, mut end: watch::Receiver<bool>) -> Over {
    let machine = &wanted.machine;
    let request = match &wanted.host {
        Some(host) => StartRequest::remote_port(&machine.id, host, wanted.port),
        None => StartRequest::port(&machine.id, wanted.port),
    };
    let request = request.because(&wanted.reason);
    let mut closing = home.closing.subscribe();
    let opened = async {
        let reach = home.way.reach(machine, &wanted.said).await?;
        home.book.ready().await?;
        let options = ForwardOptions { listen: Listen::loopback(wanted.local), lanes: wanted.lanes.max(1), reopen: true };
        let forward = Forward::open(reach.service, &request, &reach.options, &options).await;
        forward.map(|forward| (forward, reach.caller)).map_err(|error| error.to_string())
    };
    // Dropped half-way it terminates what it has started.
    let (forward, caller) = tokio::select! {
        opened = opened => match opened {
            Ok(opened) => opened,
            Err(why) => return Over::failed(why),
        },
        () = turned(&mut end) => return stopped(),
        () = turned(&mut closing) => return stopped(),
    };
    let mut entries = Entries {
        told: Told {
            machine: machine.clone(),
            mode: "forward",
            detail: format!("{} to {}", forward.local, wanted.destination()),
            document: request.document.clone().unwrap_or_default(),
            reason: wanted.reason.clone(),
            finding: None,
        },
        caller,
        open: BTreeMap::new(),
    };
    let mut last = forward.status();
    if let Err(why) = entries.follow(home, &last).await {
        return Over::failed(why);
    }
    home.tunnel(id, |live| live.local.clone_from(&forward.local));
    take(home, id, &last);
    home.tell().await;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = loop {
        tokio::select! {
            _ = look.tick() => {}
            () = turned(&mut end) => break stopped(),
            () = turned(&mut closing) => break stopped(),
        }
        let now = forward.status();
        if now == last {
            continue;
        }
        if now.sessions != last.sessions
            && let Err(why) = entries.follow(home, &now).await
        {
            break Over::failed(why);
        }
        take(home, id, &now);
        home.tell().await;
        last = now;
    };
    last = forward.status();
    drop(forward);
    entries.end(home, &last, over.outcome).await;
    over
}

fn stopped() -> Over {
    Over { why: "Stopped here.".into(), bad: false, outcome: "terminated" }
}

fn take(home: &Home, id: LiveId, now: &ForwardStatus) {
    home.tunnel(id, |live| {
        live.state = State::Open;
        (live.lanes, live.open, live.opened) = (now.lanes, now.open, now.opened);
        (live.sent, live.received) = (now.sent, now.received);
        let asleep = now.asleep.as_ref().map(|why| format!("asleep until the next connection ({why})"));
        let refused = (now.refused > 0).then(|| format!("{} connections were refused by the destination", now.refused));
        live.notice = asleep.or_else(|| now.notice.clone()).or(refused);
    });
}

/// The ledger's entries of a forward: one start and one end for each of its sessions.
struct Entries {
    told: Told,
    caller: Caller,
    open: BTreeMap<String, Opened>,
}

struct Opened {
    at: Instant,
    sent: u64,
    received: u64,
}

impl Entries {
    /// Writes what began and what ended.
    async fn follow(&mut self, home: &Home, now: &ForwardStatus) -> Result<(), String> {
        let gone: Vec<String> = self.open.keys().filter(|id| !now.sessions.contains(id)).cloned().collect();
        for id in gone {
            self.ended(home, &id, now, "ended").await;
        }
        for id in &now.sessions {
            if !self.open.contains_key(id) {
                home.book.start(&self.caller, id, &self.told).await?;
                let opened = Opened { at: Instant::now(), sent: now.sent, received: now.received };
                self.open.insert(id.clone(), opened);
            }
        }
        Ok(())
    }

    async fn end(mut self, home: &Home, now: &ForwardStatus, outcome: &'static str) {
        let open: Vec<String> = self.open.keys().cloned().collect();
        for id in open {
            self.ended(home, &id, now, outcome).await;
        }
    }

    async fn ended(&mut self, home: &Home, id: &str, now: &ForwardStatus, outcome: &'static str) {
        let Some(opened) = self.open.remove(id) else { return };
        let ended = Ended {
            outcome,
            said: now.asleep.clone().unwrap_or_default(),
            took: opened.at.elapsed(),
            // Of all lanes together: connections are not bound to one.
            sent: now.sent.saturating_sub(opened.sent),
            received: now.received.saturating_sub(opened.received),
            recording: None,
        };
        if let Err(error) = home.book.end(&self.caller, id, ended).await {
            tracing::warn!(session = id, error, "a session's end is not in the ledger");
        }
    }
}
