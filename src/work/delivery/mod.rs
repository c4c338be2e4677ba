//! Decisions on their way to Security Hub: takes what is due from the outbox, reads the findings as they are now, sends
//! what is to be changed, and notes what came of it. Which fields a decision sets is `fields`' matter, which hub holds a
//! finding `hubs`'.
//!
//! Nothing is sent that stands there already, so a delivery whose answer was lost (a cut, a crash) is delivered once in
//! effect. What someone else triaged there since it was read is never overwritten: it becomes a conflict for a person.

pub mod fields;
pub mod hubs;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::aws::securityhub::{BATCH, Identifier};
use crate::aws::{Failure, Kind};
use crate::catalog::decided::Changed;
use crate::ledger::error::LedgerError;
use crate::ledger::handle::{Ledger, draft};
use crate::ledger::local::Ask;
use crate::ledger::outbox::{Delivery as Stands, Parcel, Sent};
use crate::ledger::store::Append;
use crate::model::decision::{Actor, Decision, Entry, Subject};
use crate::model::finding::{FindingKey, RecordState, Status};
use crate::text;
use crate::work::change::Change;
use crate::work::delivery::fields::{Known, Latest, Place};
use crate::work::delivery::hubs::{Hubs, Way};
use crate::work::library::Library;

/// For how long a delivery in hand is nobody else's.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// An update may take minutes to show (`BatchUpdateFindings`): until then what stood there before is no one's triage.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// The first wait before a delivery is tried again, and the longest, in seconds.
const FIRST_WAIT: u64 = 4;
const LONGEST_WAIT: u64 = 120;
/// Between two looks for deliveries that another process of ours put in.
const LOOK: Duration = Duration::from_secs(60);
/// After the local side could not be read or written.
const RETRY: Duration = Duration::from_secs(5);
/// What was sent is kept for so long: it tells what stood there before the first decision.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 100);

/// Delivers decisions.
#[derive(Debug)]
pub struct Delivery {
    ledger: Ledger,
    library: Arc<Library>,
    hubs: Arc<Hubs>,
    /// The console itself, as author of conflicts and resets.
    system: Actor,
    /// Our latest deliveries, and when they were.
    latest: Mutex<HashMap<FindingKey, (Timestamp, Latest)>>,
}

/// What one pass did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    /// Deliveries that were taken in hand.
    pub taken: usize,
    pub arrived: usize,
    /// To be tried again by itself.
    pub later: usize,
    /// A person has to look: why.
    pub failed: Vec<(FindingKey, String)>,
    /// Someone else triaged the finding: both sides.
    pub conflicts: Vec<(FindingKey, String)>,
    /// Security Hub set their status back.
    pub resets: Vec<FindingKey>,
}

impl Pass {
    /// What a person should hear of, in one line.
    pub fn notice(&self) -> Option<String> {
        let mut parts = Vec::new();
        for (list, one, many) in [
            (
                &self.conflicts,
                "finding was triaged by someone else in Security Hub",
                "findings were triaged by others in Security Hub",
            ),
            (&self.failed, "decision did not reach Security Hub", "decisions did not reach Security Hub"),
        ] {
            if let Some((_, first)) = list.first() {
                let what = if list.len() == 1 { one } else { many };
                parts.push(format!("{} {what}: {}", text::count(list.len() as u64), text::line(first)));
            }
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A parcel with what is known of its finding.
struct InHand {
    parcel: Parcel,
    key: FindingKey,
    place: Place,
    entries: Vec<Entry>,
    waiting: HashSet<u64>,
    first: Value,
    before: Value,
}

impl InHand {
    fn known(&self) -> Known<'_> {
        Known { entries: &self.entries, waiting: &self.waiting, first: &self.first }
    }
}

/// Parcels that set the same fields to the same values, with their findings as they were read.
struct Group {
    fields: Map<String, Value>,
    members: Vec<(InHand, Value)>,
}

/// What is to be done with a parcel once its finding is read.
enum Next {
    Noted(Sent),
    Send { way: Way, fields: Map<String, Value>, document: Value },
}

impl Delivery {
    pub fn new(ledger: Ledger, library: Arc<Library>, hubs: Arc<Hubs>, system: Actor) -> Self {
        Self { ledger, library, hubs, system, latest: Mutex::default() }
    }

    /// Delivers until nobody listens: woken by decisions ([`Library::wake`]), else when the next delivery is due.
    pub async fn run(self, changes: mpsc::Sender<Change>) {
        let ready = tokio::select! {
            ready = self.hubs.connected() => ready,
            () = changes.closed() => false,
        };
        if !ready {
            return;
        }
        let mut told = None;
        loop {
            let woken = self.library.woken();
            let now = Timestamp::now();
            let wait = match Box::pin(self.round(now)).await {
                Ok(pass) => {
                    self.tell(&pass, &changes, &mut told).await;
                    if pass.taken > 0 {
                        continue;
                    }
                    let due = self.ledger.local().next_due().await.ok().flatten();
                    let until = due.map(|at| at.duration_since(Timestamp::now()));
                    until.map_or(LOOK, |u| Duration::try_from(u).unwrap_or(Duration::from_millis(200)).min(LOOK))
                }
                Err(error) => {
                    tracing::warn!(%error, "decisions are not delivered");
                    RETRY
                }
            };
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
                () = changes.closed() => return,
            }
        }
    }

    /// One pass over what is due, and over findings whose status Security Hub may have set back.
    async fn round(&self, now: Timestamp) -> Result<Pass, LedgerError> {
        let _turn = self.library.turn().await;
        let mut pass = self.pass(now).await?;
        pass.resets.extend(self.resets(self.library.take_suspects(), now).await?);
        if pass.taken == 0 {
            self.ledger.local().tidy(now.saturating_sub(KEPT).unwrap_or(now)).await?;
        }
        Ok(pass)
    }

    async fn tell(&self, pass: &Pass, changes: &mpsc::Sender<Change>, told: &mut Option<String>) {
        let keys = pass.conflicts.iter().chain(&pass.failed).map(|(key, _)| key).chain(&pass.resets);
        let keys: HashSet<u64> = keys.map(|key| key.short()).collect();
        if !keys.is_empty() {
            self.library.take_states(self.ledger.projection());
            let _ = changes.send(Change::Decided(Changed::Findings(keys))).await;
        }
        let notice = pass.notice();
        if notice.is_some() && notice != *told {
            let text = notice.clone().unwrap_or_default();
            let _ = changes.send(Change::Notice { text, bad: true }).await;
            *told = notice;
        }
    }

    /// Delivers what is due at a moment, at most [`BATCH`] decisions.
    ///
    /// # Errors
    /// Where the local side or the ledger cannot be read or written; what was in hand comes up again.
    pub async fn pass(&self, now: Timestamp) -> Result<Pass, LedgerError> {
        let local = self.ledger.local();
        let due = local.take_due(now, LEASE, BATCH).await?;
        let mut pass = Pass { taken: due.len(), ..Pass::default() };
        let mut hands = Vec::with_capacity(due.len());
        for parcel in due {
            match self.take(parcel).await? {
                Ok(hand) => hands.push(hand),
                Err((position, why)) => local.note_sent(&[(position, Sent::Failed { said: why })], now).await?,
            }
        }
        let places: Vec<Place> = hands.iter().map(|h| h.place.clone()).collect();
        let found = self.hubs.read(&places).await;
        let failed: HashMap<&Place, &Failure> = found.failed.iter().map(|(place, failure)| (place, failure)).collect();
        let mut noted = Vec::new();
        let mut groups: BTreeMap<(Way, String), Group> = BTreeMap::new();
        for hand in hands {
            let next = match (found.here.get(&hand.place), failed.get(&hand.place)) {
                (Some((document, way)), _) => self.judge(&hand, document, way, now, &mut pass).await?,
                (None, Some(failure)) => Next::Noted(refused(failure, &hand.parcel, now)),
                (None, None) => Next::Noted(Sent::Failed { said: "Security Hub no longer has this finding.".into() }),
            };
            match next {
                Next::Noted(sent) => noted.push((hand, sent)),
                Next::Send { way, fields, document } => {
                    let name = (way, Value::Object(fields.clone()).to_string());
                    let group = groups.entry(name).or_insert_with(|| Group { fields, members: Vec::new() });
                    group.members.push((hand, document));
                }
            }
        }
        self.note(noted, now, &mut pass).await?;
        let mut shut: HashMap<Way, Failure> = HashMap::new();
        for ((way, _), Group { fields, members }) in groups {
            let names: Vec<Identifier> = members.iter().map(|(hand, _)| hand.place.name.clone()).collect();
            let answer = match shut.get(&way) {
                Some(failure) => Err(failure.clone()),
                None => self.hubs.update(&way, &names, &fields).await,
            };
            let noted = match answer {
                Ok(unprocessed) => members.into_iter().map(|m| self.outcome(m, &fields, &unprocessed, now)).collect(),
                Err(failure) => {
                    let noted = members.into_iter().map(|(hand, _)| {
                        let sent = refused(&failure, &hand.parcel, now);
                        (hand, sent)
                    });
                    let noted = noted.collect();
                    // Whoever asks to slow down is not asked again at once.
                    if passes(failure.kind) {
                        shut.insert(way, failure);
                    }
                    noted
                }
            };
            self.note(noted, now, &mut pass).await?;
        }
        Ok(pass)
    }

    /// A person's word on a delivery that failed or met someone else's triage: send it after all, over what stands there
    /// now, or drop it. What waits behind it goes on.
    ///
    /// # Errors
    /// In words: there is no such delivery, or the finding cannot be read to be sent to.
    pub async fn resolve(&self, position: i64, send: bool) -> Result<(), String> {
        let local = self.ledger.local();
        let mut all = Vec::new();
        for state in [Stands::Failed, Stands::Conflict] {
            all.extend(local.deliveries(state, usize::MAX).await.map_err(|e| e.to_string())?);
        }
        let none = || format!("no delivery {position} failed or is in conflict; `bartizan ledger outbox` shows those that did");
        let parcel = all.into_iter().find(|p| p.position == position).ok_or_else(none)?;
        let mut now = None;
        if send {
            let place = Place::read(&parcel.target).ok_or("the outbox does not say which finding this is")?;
            let found = self.hubs.read(std::slice::from_ref(&place)).await;
            match (found.here.get(&place), found.failed.first()) {
                (Some((document, _)), _) => now = Some(fields::before(document).to_string()),
                (None, Some((_, failure))) => return Err(failure.to_string()),
                (None, None) => return Err("Security Hub no longer has this finding".into()),
            }
        }
        let done = local.resolve_delivery(position, send, now.as_deref()).await.map_err(|e| e.to_string())?;
        self.library.wake();
        if done { Ok(()) } else { Err(none()) }
    }

    /// Looks up what is known of a parcel's finding; else why it cannot be delivered.
    async fn take(&self, parcel: Parcel) -> Result<Result<InHand, (i64, String)>, LedgerError> {
        let Subject::Finding(key) = parcel.entry.subject else {
            return Ok(Err((parcel.position, "This decision is not on a finding.".into())));
        };
        let Some(place) = Place::read(&parcel.target) else {
            return Ok(Err((parcel.position, "The outbox does not say which finding this is.".into())));
        };
        let entries = self.ledger.history(&parcel.entry.subject).await?;
        let all = self.ledger.local().deliveries_of(key).await?;
        let waits = |p: &&Parcel| p.position != parcel.position && !matches!(p.state, Stands::Sent | Stands::Dropped);
        let waiting = all.iter().filter(waits).map(|p| p.entry.sequence).collect();
        let read = |p: &Parcel| serde_json::from_str::<Value>(&p.target.before).ok().filter(Value::is_object);
        let before = read(&parcel).unwrap_or_default();
        // What was sent since was held against what came of it: the first one was held against what was read.
        let first = all.first().and_then(read).unwrap_or_else(|| before.clone());
        Ok(Ok(InHand { key, place, entries, waiting, first, before, parcel }))
    }

    /// What to do with a parcel, by its finding as it is now.
    async fn judge(
        &self,
        hand: &InHand,
        document: &Value,
        way: &Way,
        now: Timestamp,
        pass: &mut Pass,
    ) -> Result<Next, LedgerError> {
        let known = hand.known();
        let fields = fields::changes(&hand.parcel.entry, &known, document);
        let latest = self.latest(hand.key, now);
        let lags = latest.as_ref().is_some_and(|latest| fields::may_lag(document, latest, &fields));
        if fields::stands(document, &fields) && !lags {
            return Ok(Next::Noted(Sent::Arrived { now: fields::before(document).to_string() }));
        }
        let mut foreign = fields::foreign(document, &hand.before, latest.as_ref(), &known, &fields);
        let workflow = foreign.iter().position(|f| *f == "Workflow").filter(|_| !fields.contains_key("Workflow"));
        if let Some(at) = workflow
            && let Some(from) = closed(&hand.before)
            && self.was_reset(&hand.place, document, None).await
        {
            if self.write_reset(hand.key, from, fields::workflow(document).unwrap_or(Status::New), now).await? {
                pass.resets.push(hand.key);
            }
            foreign.remove(at);
        }
        if foreign.is_empty() {
            return Ok(Next::Send { way: way.clone(), fields, document: document.clone() });
        }
        let wanted = fields::with(document, &fields);
        let ours = fields::words(&wanted, fields.keys().map(String::as_str));
        let was = fields::words(&hand.before, foreign.iter().copied());
        let theirs = format!("{} (it was {was})", fields::words(document, foreign.iter().copied()));
        let decision = Decision::Conflict { of: hand.parcel.entry.sequence, ours: ours.clone(), theirs: theirs.clone() };
        if !hand.entries.iter().any(|e| e.decision == decision) {
            self.write(hand.key, decision, None, now).await?;
        }
        Ok(Next::Noted(Sent::Conflict { said: format!("here: {ours}; in Security Hub: {theirs}") }))
    }

    fn latest(&self, key: FindingKey, now: Timestamp) -> Option<Latest> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, (at, _)| now.duration_since(*at) < SHOWN_WITHIN);
        latest.get(&key).map(|(_, latest)| latest.clone())
    }

    /// What an answered call did for one finding.
    fn outcome(
        &self,
        (hand, document): (InHand, Value),
        fields: &Map<String, Value>,
        unprocessed: &[crate::aws::securityhub::Unprocessed],
        now: Timestamp,
    ) -> (InHand, Sent) {
        let name = &hand.place.name;
        let not = unprocessed.iter().find(|u| u.id == name.id && (u.product_arn.is_empty() || u.product_arn == name.product_arn));
        let sent = match not {
            None => {
                let after = fields::before(&fields::with(&document, fields));
                let sent = Sent::Arrived { now: after.to_string() };
                let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
                latest.insert(hand.key, (now, Latest { before: fields::before(&document), after }));
                sent
            }
            Some(not) => {
                let said = format!("{}: {}", not.code, not.message);
                if not.may_pass() { Sent::Later { next: next(&hand.parcel, now), said } } else { Sent::Failed { said } }
            }
        };
        (hand, sent)
    }

    /// Notes what came of parcels, all or none.
    async fn note(&self, noted: Vec<(InHand, Sent)>, now: Timestamp, pass: &mut Pass) -> Result<(), LedgerError> {
        if noted.is_empty() {
            return Ok(());
        }
        let outcomes: Vec<(i64, Sent)> = noted.iter().map(|(hand, sent)| (hand.parcel.position, sent.clone())).collect();
        self.ledger.local().note_sent(&outcomes, now).await?;
        for (hand, sent) in noted {
            match sent {
                Sent::Arrived { .. } => pass.arrived += 1,
                Sent::Later { .. } => pass.later += 1,
                Sent::Failed { said } => pass.failed.push((hand.key, said)),
                Sent::Conflict { said } => pass.conflicts.push((hand.key, said)),
            }
        }
        Ok(())
    }

    /// Of findings whose status a sweep found set back: those where Security Hub did it are written down as such.
    ///
    /// # Errors
    /// Where the local side or the ledger cannot be read or written.
    pub async fn resets(&self, suspects: Vec<(FindingKey, Place)>, now: Timestamp) -> Result<Vec<FindingKey>, LedgerError> {
        let mut settled = Vec::new();
        for (key, place) in suspects {
            // What is on its way says more about the status than what stands there.
            let all = self.ledger.local().deliveries_of(key).await?;
            if all.iter().any(|p| !matches!(p.state, Stands::Sent | Stands::Dropped)) {
                continue;
            }
            settled.push((key, place));
        }
        let places: Vec<Place> = settled.iter().map(|(_, place)| place.clone()).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.hubs.read(&places).await;
        let mut reset = Vec::new();
        for (key, place) in settled {
            let Some((document, _)) = found.here.get(&place) else { continue };
            let states = self.ledger.projection();
            let Some(state) = states.finding(key) else { continue };
            let (Some(from @ (Status::Notified | Status::Resolved)), Some(decided)) = (state.status, &state.decided) else {
                continue;
            };
            let Some(to) = fields::workflow(document).filter(|to| *to == Status::New) else { continue };
            if self.was_reset(&place, document, Some(decided.at)).await && self.write_reset(key, from, to, now).await? {
                reset.push(key);
            }
        }
        Ok(reset)
    }

    /// Whether Security Hub itself set the status back to NEW, as it does when the reporter sees the finding again
    /// ("Setting the workflow status of findings"): its history tells. Where that cannot be had, what was reported since
    /// `decided` tells.
    async fn was_reset(&self, place: &Place, document: &Value, decided: Option<Timestamp>) -> bool {
        if fields::workflow(document) != Some(Status::New) {
            return false;
        }
        if let Ok(events) = self.hubs.history(place).await {
            let last = events.iter().find(|e| e.changes.iter().any(|c| c.field.starts_with("Workflow")));
            if let Some(last) = last {
                return !last.is_triage();
            }
        }
        let fails = !matches!(document["Compliance"]["Status"].as_str(), Some("PASSED"));
        let active = document["RecordState"].as_str() == Some(RecordState::Active.word());
        let updated = document["UpdatedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        decided.is_some_and(|decided| active && fails && updated.is_some_and(|at| at > decided))
    }

    /// Writes a reset down, unless somebody decided meanwhile; whether it was.
    async fn write_reset(&self, key: FindingKey, from: Status, to: Status, now: Timestamp) -> Result<bool, LedgerError> {
        let states = self.ledger.projection();
        let state = states.finding(key);
        if state.is_some_and(|s| s.hold.is_some() || s.status.is_some_and(|s| s != from)) {
            return Ok(false);
        }
        let last = state.map_or(0, |s| s.last);
        self.write(key, Decision::Reset { from, to }, Some(last), now).await
    }

    /// An entry by the console itself; whether it was written.
    async fn write(
        &self,
        key: FindingKey,
        decision: Decision,
        based_on: Option<u64>,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let draft = draft(now, self.system.clone(), Subject::Finding(key), decision, "")?;
        let ask = Ask { append: Append { draft, based_on }, target: None };
        let decided = self.ledger.decide(vec![ask]).await?;
        Ok(decided.iter().any(|d| !matches!(d, crate::ledger::handle::Decided::Conflict { .. })))
    }
}

/// The status that Security Hub may set back to NEW, where a finding has it.
fn closed(before: &Value) -> Option<Status> {
    fields::workflow(before).filter(|s| matches!(s, Status::Notified | Status::Resolved))
}

/// Whether waiting helps.
const fn passes(kind: Kind) -> bool {
    matches!(kind, Kind::Throttled | Kind::Broken | Kind::Unreachable | Kind::Expired | Kind::NoCredentials)
}

/// What a failed call means for a parcel.
fn refused(failure: &Failure, parcel: &Parcel, now: Timestamp) -> Sent {
    let said = failure.reason();
    if passes(failure.kind) { Sent::Later { next: next(parcel, now), said } } else { Sent::Failed { said } }
}

/// When a parcel is tried again: ever longer spans, of which any part up to the half is left out, so that many that failed
/// together do not come back together.
fn next(parcel: &Parcel, now: Timestamp) -> Timestamp {
    let most = FIRST_WAIT.saturating_mul(1 << parcel.attempts.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    let millis = fastrand::u64(most * 500..=most * 1000);
    now.saturating_add(SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}
