//! Performs what the console and the command line ask: queries off the UI's thread, sweeps over AWS, files. It owns
//! tasks, their cancelling and their reports; it draws nothing and decides nothing about findings.

pub mod behind;
pub mod change;
pub mod delivery;
pub mod desk;
mod files;
pub mod handover;
pub mod identity;
pub mod judge;
pub mod keeper;
pub mod library;
pub mod network;
pub mod perform;
pub mod picture;
mod policy;
pub mod sessions;
pub mod source;
pub mod store;
pub mod sweep;
mod used;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::catalog::{ListingId, machines};
use crate::config::Config;
use crate::ledger;
use crate::listing::query::Cancel;
use crate::message::{Answer, Effect, Outcome, Settled, Slot};
use crate::model::guard::Guarded;
use crate::model::node::Machine;
use crate::work::behind::Seen;
use crate::work::change::Change;
use crate::work::delivery::Delivery;
use crate::work::delivery::hubs::Hubs;
use crate::work::desk::Desk;
use crate::work::keeper::Keeper;
use crate::work::library::Library;
use crate::work::sessions::Sessions;
use crate::work::sessions::record::Book;
use crate::work::sessions::way::Way;
use crate::work::source::Opened;
use crate::work::sweep::{Supply, Sweeper};
use crate::world::{Origin, World};

/// Outcomes that may wait for the console before work waits too.
const WAITING: usize = 256;

/// How long what follows the first screen waits for it at most: both cores are the first screen's until then.
const FIRST_SCREEN: Duration = Duration::from_millis(200);

/// How long the end waits for a delivery that is under way.
const LAST_DELIVERY: Duration = Duration::from_secs(1);

/// What keeps the console supplied.
#[derive(Debug)]
pub struct Work {
    /// The world at the start.
    pub world: Arc<World>,
    pub effects: mpsc::UnboundedSender<Effect>,
    pub outcomes: mpsc::Receiver<Outcome>,
}

/// Where things are kept beside the cache.
#[derive(Clone, Default)]
pub struct Keeping {
    /// The user's choices; none: they are not kept.
    pub preferences: Option<PathBuf>,
    /// The ledger of decisions; none: nothing can be decided.
    pub ledger: Option<ledger::handle::Options>,
}

/// Starts the tasks behind a console. Must run inside a tokio runtime; everything ends when the receiver is dropped.
pub fn start(opened: Opened, config: &Config, keeping: Keeping) -> Work {
    let (effects, asked) = mpsc::unbounded_channel();
    let (outcomes, received) = mpsc::channel(WAITING);
    let world = Arc::clone(&opened.world);
    tokio::spawn(serve(opened, config.clone(), keeping, asked, outcomes));
    Work { world, effects, outcomes: received }
}

/// The demo's sessions: the local shell in a directory beside the demo's ledger. Nodes that do not answer there do not
/// answer here.
pub fn demo_way(world: &World, directory: &Path) -> Way {
    let nodes = world.estate.regions.iter().flat_map(|r| &r.nodes);
    let offline = nodes.filter(|n| n.ping_status != "Online").map(|n| n.instance_id.clone()).collect();
    let caller = world.estate.caller.clone().unwrap_or_default();
    Way::loopback(directory.join("home"), offline, caller)
}

/// What stands before a machine, by the guardrails and the estate as they are when it is asked.
fn guard(library: &Arc<Library>) -> impl Fn(&Machine) -> Guarded + Send + Sync + 'static {
    let (library, seen) = (Arc::clone(library), library.seen());
    move |machine| {
        let estate = seen.borrow().as_ref().map(|seen| Arc::clone(&seen.estate)).unwrap_or_default();
        machines::guard(&library.decisions().policy.guardrails, &estate, machine)
    }
}

/// The desk, once it is open.
fn at(desk: &OnceLock<Result<Arc<Desk>, String>>) -> Result<Arc<Desk>, String> {
    desk.get().cloned().unwrap_or_else(|| Err("The ledger is still being opened: try again in a moment.".into()))
}

/// Opens the ledger and follows it; delivers its decisions where there are hubs to deliver them to.
async fn open_desk(
    ledger: Option<ledger::handle::Options>,
    library: Arc<Library>,
    read_only: bool,
    desk: Arc<OnceLock<Result<Arc<Desk>, String>>>,
    hubs: Option<Arc<Hubs>>,
    changes: mpsc::Sender<Change>,
) {
    let opened = match &ledger {
        Some(options) => Desk::open(options, Arc::clone(&library), read_only).await.map_err(|e| e.to_string()),
        None => Err("This is a file: decisions are made live, or in the demo.".into()),
    };
    let opened = opened.map(Arc::new);
    if let (Err(why), Some(_)) = (&opened, &ledger) {
        let _ = changes.send(Change::Problem(why.clone())).await;
    }
    // Nobody else sets it.
    let _ = desk.set(opened.clone());
    if let Ok(desk) = opened {
        let deliver = async {
            if let Some(hubs) = hubs.filter(|_| !read_only) {
                Delivery::new(desk.ledger().clone(), library, hubs, desk.system()).run(changes.clone()).await;
            }
        };
        tokio::join!(Arc::clone(&desk).follow(changes.clone()), deliver);
    }
}

/// Begins what follows the first screen once that has what it asked for, or nobody asks for anything.
async fn after_first_screen(mut answered: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(FIRST_SCREEN, answered.wait_for(|answered| *answered)).await;
    work.await;
}

async fn serve(
    opened: Opened,
    config: Config,
    keeping: Keeping,
    mut asked: mpsc::UnboundedReceiver<Effect>,
    outcomes: mpsc::Sender<Outcome>,
) {
    let Opened { world, library, supply, .. } = opened;
    let (pace, read_only) = (config.aws.refresh.clone(), config.read_only);
    let (changes, keeper) = Keeper::start(&world, Arc::clone(&library), outcomes.clone());
    let (connected, connections) = watch::channel(Vec::new());
    let hubs = matches!(supply, Supply::Live { .. }).then(|| Arc::new(Hubs::new(connections.clone())));
    let directory = keeping.ledger.as_ref().map_or_else(std::env::temp_dir, |ledger| ledger.directory.clone());
    let way = if read_only {
        Way::nowhere("This is a read-only console: no session is opened.")
    } else {
        match &world.origin {
            Origin::Live(_) => Way::live(connections.clone()),
            Origin::Demo => demo_way(&world, &directory),
            Origin::File(_) => Way::nowhere("This is a file: sessions are opened live, or in the demo."),
        }
    };
    let way = way.guarded(guard(&library));
    library.show(Seen { estate: Arc::clone(&world.estate), findings: world.index(ListingId::Findings).clone() });
    let (answered, first) = watch::channel(false);
    let painting = picture::follow(Arc::clone(&library), library.seen(), changes.clone());
    let painter = tokio::spawn(after_first_screen(first.clone(), painting));
    let mut sweeper = Sweeper::start(supply, pace, Arc::clone(&library), changes.clone(), connected);
    let mut details: HashMap<Slot, AbortHandle> = HashMap::new();
    let mut running: HashMap<Slot, Cancel> = HashMap::new();
    let desk: Arc<OnceLock<Result<Arc<Desk>, String>>> = Arc::default();
    let ledger = keeping.ledger.clone();
    let opening = open_desk(ledger, Arc::clone(&library), read_only, Arc::clone(&desk), hubs.clone(), changes.clone());
    let follow = tokio::spawn(after_first_screen(first.clone(), opening));
    let recordings = config.sessions.recordings.clone().unwrap_or_else(|| directory.join("recordings"));
    let shelf = sessions::shelf::follow(Arc::clone(&library), recordings, changes.clone());
    let shelf = tokio::spawn(after_first_screen(first, shelf));
    let book = Book::new(Arc::clone(&desk));
    let sessions = Sessions::new(way, book, config.sessions.clone(), directory.join("recordings"), outcomes.clone());
    loop {
        let effect = tokio::select! {
            effect = asked.recv() => effect,
            () = outcomes.closed() => None,
        };
        let Some(effect) = effect else { break };
        match effect {
            Effect::Session(ask) => sessions.ask(ask),
            Effect::AskUse { arn, estate } => {
                let (origin, connections) = (world.origin.clone(), connections.clone());
                let asking = used::Asking { origin, estate, connections, changes: changes.clone(), outcomes: outcomes.clone() };
                tokio::spawn(asking.ask(arn));
            }
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
            Effect::Stage { ticket, estate, proposal } => {
                let (desk, outcomes) = (at(&desk), outcomes.clone());
                tokio::task::spawn_blocking(move || {
                    let staged = desk.and_then(|desk| desk.stage(&estate, &proposal, Timestamp::now()));
                    let answer = Answer::Staged(staged.map(Box::new));
                    let _ = outcomes.blocking_send(Outcome::Answer { ticket, answer });
                });
            }
            Effect::Decide { ticket, estate, staged } => {
                let (desk, outcomes, changes) = (at(&desk), outcomes.clone(), changes.clone());
                tokio::spawn(async move {
                    let told = |done| Outcome::Answer { ticket, answer: Answer::Deciding(done) };
                    let settled = match desk {
                        Ok(desk) => {
                            desk.carry_out(&estate, &staged, Timestamp::now(), |done| _ = outcomes.try_send(told(done))).await
                        }
                        Err(why) => staged.will.iter().map(|s| Settled { step: s.clone(), done: Err(why.clone()) }).collect(),
                    };
                    let subjects = settled.iter().filter(|s| s.done.is_ok()).map(|s| s.step.subject.clone()).collect();
                    let _ = changes.send(Change::Decided(desk::changed(&subjects))).await;
                    let _ = outcomes.send(Outcome::Answer { ticket, answer: Answer::Decided(settled) }).await;
                });
            }
            Effect::Stopped { ticket, key } => {
                let (desk, outcomes) = (at(&desk), outcomes.clone());
                tokio::spawn(async move {
                    let stopped = match desk {
                        Ok(desk) => desk.stopped(key).await,
                        Err(why) => Err(why),
                    };
                    let _ = outcomes.send(Outcome::Answer { ticket, answer: Answer::Stopped(stopped) }).await;
                });
            }
            Effect::Resolve { position, send } => {
                let (desk, hubs, library, outcomes) = (at(&desk), hubs.clone(), Arc::clone(&library), outcomes.clone());
                tokio::spawn(async move {
                    let done = match (desk, hubs) {
                        (Ok(desk), Some(hubs)) => {
                            // Cached findings show before anybody is signed in.
                            hubs.connected().await;
                            let delivery = Delivery::new(desk.ledger().clone(), library, hubs, desk.system());
                            delivery.resolve(position, send).await
                        }
                        (Err(why), _) => Err(why),
                        (_, None) => Err("There is no Security Hub here.".to_owned()),
                    };
                    let (text, bad) = match done {
                        Ok(()) if send => ("It is sent, over what stands in Security Hub.".to_owned(), false),
                        Ok(()) => ("It is not sent; what stands in Security Hub stays.".to_owned(), false),
                        Err(why) => (why, true),
                    };
                    let _ = outcomes.send(Outcome::Notice { text, bad }).await;
                });
            }
            Effect::Handover { ticket, world, since } => {
                let (desk, outcomes) = (at(&desk), outcomes.clone());
                tokio::spawn(async move {
                    let now = Timestamp::now();
                    let entries = match desk {
                        Ok(desk) => {
                            desk.since(now.saturating_sub(since).unwrap_or(Timestamp::MIN)).await.map_err(|e| e.to_string())
                        }
                        Err(why) => Err(why),
                    };
                    let report = match entries {
                        Ok(entries) => tokio::task::spawn_blocking(move || handover::handover(&world, &entries, since, now))
                            .await
                            .map_err(|e| e.to_string()),
                        Err(why) => Err(why),
                    };
                    let _ = outcomes.send(Outcome::Answer { ticket, answer: Answer::Report(report) }).await;
                });
            }
            Effect::Detail { ticket, world, listing: listing @ (ListingId::Findings | ListingId::Decisions), row } => {
                let (desk, library, outcomes) = (at(&desk).ok(), Arc::clone(&library), outcomes.clone());
                let hubs = hubs.clone();
                let opening = tokio::spawn(async move {
                    let shown = desk::open(desk.as_deref(), &library, &world, listing, row, Timestamp::now()).await;
                    let told = |opened| Outcome::Answer { ticket, answer: Answer::Detail(opened) };
                    let _ = outcomes.send(told(shown.as_ref().map(|s| s.opened.clone()).map_err(Clone::clone))).await;
                    // Security Hub's own history comes when it comes.
                    if let (Some(hubs), Ok(shown), Slot::Detail(_)) = (hubs, shown, ticket.slot)
                        && let Some(place) = shown.place.clone()
                        && hubs.connected().await
                    {
                        let events = hubs.history(&place).await;
                        let _ = outcomes.send(told(Ok(shown.with_hub(events)))).await;
                    }
                });
                if let Some(older) = details.insert(ticket.slot, opening.abort_handle()) {
                    older.abort();
                }
            }
            Effect::Detail { ticket, world, listing: ListingId::Principals, row } => {
                let (library, outcomes) = (Arc::clone(&library), outcomes.clone());
                tokio::task::spawn_blocking(move || {
                    let now = Timestamp::now();
                    let told = |opened| Outcome::Answer { ticket, answer: Answer::Detail(opened) };
                    // What the engine works out comes when it comes.
                    if let Some(first) = perform::open_first(&world, &library, row, now) {
                        let _ = outcomes.blocking_send(told(Ok(first)));
                    }
                    let _ = outcomes.blocking_send(told(perform::open(&world, &library, ListingId::Principals, row, now)));
                });
            }
            asking => {
                let Some(slot) = perform::slot(&asking) else { continue };
                let cancel = Cancel::new();
                if let Some(older) = running.insert(slot, cancel.clone()) {
                    older.cancel();
                }
                let (library, outcomes, answered) = (Arc::clone(&library), outcomes.clone(), answered.clone());
                tokio::task::spawn_blocking(move || {
                    if let Some(outcome) = perform::perform(asking, &library, Timestamp::now(), &cancel) {
                        let _ = outcomes.blocking_send(outcome);
                    }
                    answered.send_replace(true);
                });
            }
        }
    }
    sweeper.stop();
    sessions.close().await;
    // What is being delivered is noted, or it would be sent again; the rest waits for the next start.
    let turn = tokio::time::timeout(LAST_DELIVERY, library.turn()).await;
    // It ends where it waits; what it was writing is on the disk or comes back with the next start.
    follow.abort();
    painter.abort();
    shelf.abort();
    drop(turn);
    if let Some(Ok(desk)) = desk.get()
        && let Err(error) = desk.ledger().close().await
    {
        tracing::warn!(%error, "the ledger's projection was not saved");
    }
    drop((sweeper, changes));
    // The keeper saves what is unsaved before it ends.
    let _ = keeper.await;
}
