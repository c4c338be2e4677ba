//! Performs what the console and the command line ask: queries off the UI's thread, sweeps over AWS, files. It owns
//! tasks, their cancelling and their reports; it draws nothing and decides nothing about findings.

pub mod keeper;
pub mod perform;
pub mod source;
pub mod store;
pub mod sweep;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config::{Config, Refresh};
use crate::listing::query::Cancel;
use crate::message::{Effect, Outcome, Slot};
use crate::work::keeper::{Change, Keeper};
use crate::work::source::{Opened, Source};
use crate::work::sweep::Sweeper;
use crate::world::World;

/// Outcomes that may wait for the console before work waits too.
const WAITING: usize = 256;

/// What keeps the console supplied.
#[derive(Debug)]
pub struct Work {
    /// The world at the start.
    pub world: Arc<World>,
    pub effects: mpsc::UnboundedSender<Effect>,
    pub outcomes: mpsc::Receiver<Outcome>,
}

/// Where things are kept beside the cache.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// The user's choices; none: they are not kept.
    pub preferences: Option<PathBuf>,
}

/// Starts the tasks behind a console. Must run inside a tokio runtime; everything ends when the receiver is dropped.
pub fn start(source: Source, config: &Config, keeping: Keeping, now: Timestamp) -> Work {
    let (effects, asked) = mpsc::unbounded_channel();
    let (outcomes, received) = mpsc::channel(WAITING);
    let opened = source::open(source, config, now);
    let world = Arc::clone(&opened.world);
    tokio::spawn(serve(opened, config.aws.refresh.clone(), keeping, asked, outcomes));
    Work { world, effects, outcomes: received }
}

async fn serve(
    opened: Opened,
    pace: Refresh,
    keeping: Keeping,
    mut asked: mpsc::UnboundedReceiver<Effect>,
    outcomes: mpsc::Sender<Outcome>,
) {
    let Opened { world, library, supply, .. } = opened;
    let (changes, keeper) = Keeper::start(&world, Arc::clone(&library), outcomes.clone());
    let mut sweeper = Sweeper::start(supply, pace, Arc::clone(&library), changes.clone());
    let mut running: HashMap<Slot, Cancel> = HashMap::new();
    loop {
        let effect = tokio::select! {
            effect = asked.recv() => effect,
            () = outcomes.closed() => None,
        };
        let Some(effect) = effect else { break };
        match effect {
            Effect::Refresh => sweeper.refresh(),
            Effect::CancelSweep => sweeper.stop(),
            Effect::Remember(choices) => {
                if let Some(path) = keeping.preferences.clone() {
                    let changes = changes.clone();
                    tokio::task::spawn_blocking(move || {
                        if let Err(error) = crate::cache::preferences::write(&path, &choices) {
                            // Whoever no longer listens has no use for it.
                            let _ = changes.blocking_send(Change::Notice { text: error.to_string(), bad: true });
                        }
                    });
                }
            }
            asking => {
                let Some(slot) = perform::slot(&asking) else { continue };
                let cancel = Cancel::new();
                if let Some(older) = running.insert(slot, cancel.clone()) {
                    older.cancel();
                }
                let (library, outcomes) = (Arc::clone(&library), outcomes.clone());
                tokio::task::spawn_blocking(move || {
                    if let Some(outcome) = perform::perform(asking, &library, Timestamp::now(), &cancel) {
                        let _ = outcomes.blocking_send(outcome);
                    }
                });
            }
        }
    }
    sweeper.stop();
    drop((sweeper, changes));
    // The keeper saves what is unsaved before it ends.
    let _ = keeper.await;
}
