//! Where decisions are made: it reads the findings they are about, has them judged (`triage`), writes them (`ledger`), and
//! lays what the ledger says over the rows. What goes out to Security Hub is `delivery`'s.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::aws::Failure;
use crate::catalog::ListingId;
use crate::catalog::decided::{self, Changed};
use crate::catalog::detail::{self, Body, Section};
use crate::ledger::error::LedgerError;
use crate::ledger::handle::{Decided, Ledger, Options, draft};
use crate::ledger::local::{Ask, Target};
use crate::ledger::outbox::{Delivery, Parcel};
use crate::ledger::store::Append;
use crate::listing::index::RowId;
use crate::message::{On, Opened, Proposal, Settled, Staged, Step, Stopped};
use crate::model::account::{Account, Caller};
use crate::model::arn::Arn;
use crate::model::decision::{Actor, Decision, Draft, Entry, Subject, person};
use crate::model::estate::Estate;
use crate::model::finding::{Finding, FindingKey, HubEvent};
use crate::model::guard::{self, Act, Before, Guarded};
use crate::text;
use crate::triage::plan::{addressed, plan};
use crate::triage::rules::{Asked, expired, judge};
use crate::triage::state::State;
use crate::work::change::Change;
use crate::work::delivery::fields::{self, Place};
use crate::work::library::Library;
use crate::work::perform;
use crate::work::store::Documents;
use crate::world::World;

/// How long one wait for others' decisions lasts; they are seen as soon as they come.
const WAIT: Duration = Duration::from_secs(1);
/// Between two tries of a ledger that cannot be reached.
const RETRY: Duration = Duration::from_secs(5);
/// Between two looks for acceptances that are over.
const EXPIRY: Duration = Duration::from_secs(60);
/// Decisions written at a time.
const BATCH: usize = 100;
/// Entries read at a time for the listing of decisions.
const PAGE: usize = 5_000;

/// An open ledger and what it is decided on.
#[derive(Debug)]
pub struct Desk {
    ledger: Ledger,
    library: Arc<Library>,
    os_user: String,
    host: String,
    read_only: bool,
}

impl Desk {
    /// Opens the ledger and takes in what was decided.
    ///
    /// # Errors
    /// Those of [`Ledger::open`].
    pub async fn open(options: &Options, library: Arc<Library>, read_only: bool) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(options).await?;
        library.take_states(ledger.projection());
        let variable = |names: &[&str]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty());
        let os_user = variable(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "unknown".into());
        let host = variable(&["HOSTNAME"]).or_else(host_name).unwrap_or_else(|| "unknown".into());
        Ok(Self { ledger, library, os_user, host, read_only })
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// Who decides here.
    ///
    /// # Errors
    /// Where AWS never said who the caller is.
    pub fn actor(&self, caller: Option<&Caller>) -> Result<Actor, String> {
        let caller = caller.ok_or("Nobody is signed in to AWS, and a decision needs an author: sign in, then decide.")?;
        Ok(Actor { arn: caller.arn.clone(), os_user: self.os_user.clone(), host: self.host.clone() })
    }

    /// The console itself.
    pub fn system(&self) -> Actor {
        Actor::system(self.os_user.clone(), self.host.clone())
    }

    /// Judges a proposal: what would change, what would not and why. Reads the findings: not for the runtime's threads.
    ///
    /// # Errors
    /// Where nothing may be decided at all.
    pub fn stage(&self, estate: &Estate, proposal: &Proposal, now: Timestamp) -> Result<Staged, String> {
        if self.read_only {
            return Err("This is a read-only console: nothing is decided here.".into());
        }
        let actor = self.actor(estate.caller.as_ref())?;
        let decisions = self.library.decisions();
        let none = State::default();
        let mut staged = Staged { proposal: proposal.clone(), ..Staged::default() };
        let rails = &decisions.policy.guardrails;
        let guarded = |id: &str| {
            let account = estate.account(id).map_or_else(|| Cow::Owned(Account::bare(id)), |a| Cow::Borrowed(a.as_ref()));
            (account.label().to_owned(), rails.before(&account, Act::Triage))
        };
        let refused = |label: &str, guarded: &Guarded| format!("refused in {label}: {}", guarded.why);
        let keys = match &proposal.on {
            On::Findings(keys) => keys,
            On::Subject(subject) => {
                let state = decisions.states.get(subject).unwrap_or(&none);
                let asked = Asked { policy: &decisions.policy, actor: &actor, now, subject, facts: None, state };
                let name = subject.to_string();
                let account = match subject {
                    Subject::Account(id) => id.clone(),
                    Subject::Resource(arn) | Subject::Principal(arn) => {
                        arn.parse::<Arn>().map(|arn| arn.account().to_owned()).unwrap_or_default()
                    }
                    Subject::Finding(_) | Subject::Session(_) => String::new(),
                };
                let (label, before) = guarded(&account);
                if before.ask == guard::Ask::Refuse {
                    let why = refused(&label, &before);
                    staged.reasons.insert(why.clone(), 1);
                    staged.wont.push((name, why));
                    return Ok(staged);
                }
                staged.before = Before::gather(&[(label, before)], None);
                match judge(&asked, addressed(&proposal.decision, state), &proposal.reason) {
                    Ok(decision) => {
                        staged.will.push(Step { subject: subject.clone(), name, decision, based_on: state.last });
                    }
                    Err(refusal) => {
                        staged.reasons.insert(refusal.to_string(), 1);
                        staged.wont.push((name, refusal.to_string()));
                    }
                }
                return Ok(staged);
            }
        };
        let mut findings = self.findings(keys)?;
        staged.gone = keys.len() - findings.len();
        let mut rails: BTreeMap<String, (String, Guarded)> = BTreeMap::new();
        findings.retain(|f| {
            let (label, guarded) = rails.entry(f.account.clone()).or_insert_with(|| guarded(&f.account));
            let refuse = guarded.ask == guard::Ask::Refuse;
            if refuse {
                let why = refused(label, guarded);
                staged.wont.push((format!("{label}  {}", f.title), why.clone()));
                *staged.reasons.entry(why).or_default() += 1;
            }
            !refuse
        });
        let account = |id: &str| estate.account(id).map_or_else(|| id.to_owned(), |a| a.label().to_owned());
        let names: BTreeMap<_, _> = findings.iter().map(|f| (f.key, format!("{}  {}", account(&f.account), f.title))).collect();
        let subject = Subject::Session(String::new());
        let asked = Asked { policy: &decisions.policy, actor: &actor, now, subject: &subject, facts: None, state: &none };
        let judged = findings.iter().map(|f| {
            let account = estate.account(&f.account).map(AsRef::as_ref);
            (decided::facts(f, account), decisions.states.finding(f.key))
        });
        let plan = plan(&asked, judged, &proposal.decision, &proposal.reason);
        let name = |key| names.get(&key).cloned().unwrap_or_default();
        staged.will = (plan.will.into_iter())
            .map(|step| Step {
                subject: Subject::Finding(step.finding),
                name: name(step.finding),
                decision: step.decision,
                based_on: step.based_on,
            })
            .collect();
        staged.wont.extend(plan.wont.into_iter().map(|(key, refusal)| (name(key), refusal.to_string())));
        let touched: Vec<_> = plan.by_account.keys().filter_map(|id| rails.get(id).cloned()).collect();
        staged.before = Before::gather(&touched, plan.over_cap.then_some(staged.will.len()));
        if plan.over_cap {
            staged.before.why.push(format!("more than {} findings", decisions.policy.bulk_cap));
        }
        staged.by_account = plan.by_account.into_iter().map(|(id, counts)| (account(&id), counts)).collect();
        for (reason, n) in plan.reasons {
            *staged.reasons.entry(reason).or_default() += n;
        }
        staged.pending = plan.pending;
        Ok(staged)
    }

    /// The findings of these rows; those that are gone are left out.
    fn findings(&self, keys: &[u64]) -> Result<Vec<Finding>, String> {
        let found = self.library.read().some(keys).map_err(|e| e.to_string())?;
        Ok(found.into_iter().map(|(finding, _)| finding).collect())
    }

    /// Carries out what was staged, in its order; `each` learns how many are done. What became of each step.
    pub async fn carry_out(&self, estate: &Estate, staged: &Staged, now: Timestamp, mut each: impl FnMut(usize)) -> Vec<Settled> {
        let actor = match self.actor(estate.caller.as_ref()) {
            Ok(actor) => actor,
            Err(why) => return staged.will.iter().map(|s| Settled { step: s.clone(), done: Err(why.clone()) }).collect(),
        };
        let mut settled = Vec::with_capacity(staged.will.len());
        for steps in staged.will.chunks(BATCH) {
            let mut asks = Vec::with_capacity(steps.len());
            let mut wrong = None;
            let mut targets = self.targets(steps.iter().map(|s| &s.subject)).await;
            for step in steps {
                match draft(now, actor.clone(), step.subject.clone(), step.decision.clone(), &*staged.proposal.reason) {
                    Ok(draft) => asks.push(ask(draft, step.based_on, &mut targets)),
                    Err(error) => wrong = Some(error.to_string()),
                }
            }
            let decided = match wrong {
                Some(why) => Err(why),
                None => self.ledger.decide(asks).await.map_err(|e| e.to_string()),
            };
            match decided {
                Ok(decided) => {
                    settled.extend(steps.iter().zip(decided).map(|(step, d)| Settled { step: step.clone(), done: told(d) }));
                }
                Err(why) => settled.extend(steps.iter().map(|step| Settled { step: step.clone(), done: Err(why.clone()) })),
            }
            each(settled.len());
        }
        self.library.take_states(self.ledger.projection());
        self.library.wake();
        settled
    }

    /// Where decisions on these subjects are to be delivered.
    async fn targets<'a>(&self, subjects: impl Iterator<Item = &'a Subject>) -> HashMap<FindingKey, Target> {
        let of = |subject: &Subject| if let Subject::Finding(key) = subject { Some(key.short()) } else { None };
        let keys: Vec<u64> = subjects.filter_map(of).collect();
        let library = Arc::clone(&self.library);
        let read = tokio::task::spawn_blocking(move || {
            // Behind the demo there is no Security Hub.
            if matches!(library.read().documents(), Documents::Generated(_)) {
                return HashMap::new();
            }
            let found = library.read().some(&keys);
            let live = found.unwrap_or_default().into_iter().filter(|(_, live)| *live);
            live.filter_map(|(finding, _)| Some((finding.key, fields::target(&finding)?))).collect()
        });
        match read.await {
            Ok(targets) => targets,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Writes entries of the console itself: what is over, what AWS reset.
    ///
    /// # Errors
    /// Those of [`Ledger::decide`].
    pub async fn note(&self, now: Timestamp, notes: Vec<(Subject, Decision, u64)>) -> Result<Vec<Decided>, LedgerError> {
        let mut targets = self.targets(notes.iter().map(|(subject, ..)| subject)).await;
        let mut asks = Vec::with_capacity(notes.len());
        for (subject, decision, based_on) in notes {
            asks.push(ask(draft(now, self.system(), subject, decision, "")?, based_on, &mut targets));
        }
        let decided = self.ledger.decide(asks).await?;
        self.library.take_states(self.ledger.projection());
        self.library.wake();
        Ok(decided)
    }

    /// Writes the start or the end of a session, as whoever opened it.
    ///
    /// # Errors
    /// Those of [`Ledger::decide`].
    pub async fn session(&self, caller: &Caller, id: &str, decision: Decision, reason: &str) -> Result<(), LedgerError> {
        let actor = Actor { arn: caller.arn.clone(), os_user: self.os_user.clone(), host: self.host.clone() };
        let draft = draft(Timestamp::now(), actor, Subject::Session(id.to_owned()), decision, reason)?;
        let append = Append { draft, based_on: None };
        match self.ledger.decide(vec![Ask { append, target: None }]).await?.pop() {
            Some(Decided::Failed { why }) => tracing::warn!(session = id, why, "not in the ledger"),
            // It is shown at once; the log comes when it comes.
            Some(Decided::Saved(entry)) => self.library.take_sessions(&[entry]),
            Some(Decided::Offline(_) | Decided::Conflict { .. }) | None => {}
        }
        self.library.take_states(self.ledger.projection());
        Ok(())
    }

    /// Reopens what was accepted or suppressed for a time that is over. What was reopened.
    ///
    /// # Errors
    /// Those of [`Ledger::decide`].
    pub async fn expire(&self, now: Timestamp) -> Result<HashSet<Subject>, LedgerError> {
        let states = self.ledger.projection();
        let over: Vec<(Subject, Decision, u64)> = expired(states.iter(), now)
            .map(|(subject, decision)| (subject.clone(), decision, states.get(subject).map_or(0, |s| s.last)))
            .collect();
        let subjects = over.iter().map(|(subject, ..)| subject.clone()).collect();
        if over.is_empty() || self.read_only {
            return Ok(HashSet::new());
        }
        self.note(now, over).await?;
        Ok(subjects)
    }

    /// The entries on a finding, the oldest first.
    ///
    /// # Errors
    /// Those of [`Ledger::history`].
    pub async fn history(&self, subject: &Subject) -> Result<Vec<Entry>, LedgerError> {
        self.ledger.history(subject).await
    }

    /// What of a finding, by its row's key, was stopped on its way to Security Hub, the oldest first.
    ///
    /// # Errors
    /// In words: it is gone, or the local side cannot be read.
    pub async fn stopped(&self, key: u64) -> Result<Vec<Stopped>, String> {
        let library = Arc::clone(&self.library);
        let found = tokio::task::spawn_blocking(move || library.read().some(&[key]).map_err(|e| e.to_string()));
        let found = found.await.map_err(|e| e.to_string())??;
        let (finding, _) = found.first().ok_or("This finding is gone: it went away with the last refresh.")?;
        let parcels = self.ledger.local().deliveries_of(finding.key).await.map_err(|e| e.to_string())?;
        let stopped = parcels.into_iter().filter(|p| matches!(p.state, Delivery::Failed | Delivery::Conflict));
        let told = |p: Parcel| {
            let what = format!("{} (entry {})", p.entry.decision.word(), p.entry.sequence);
            Stopped { position: p.position, what, said: p.said }
        };
        Ok(stopped.map(told).collect())
    }

    /// Follows the ledger until nobody listens: others' decisions, what is over, what was kept while it was out of reach.
    pub async fn follow(self: Arc<Self>, changes: mpsc::Sender<Change>) {
        let mut logged = 0;
        let mut expire_at = tokio::time::Instant::now();
        let mut told = None;
        let _ = changes.send(Change::Decided(Changed::Everything)).await;
        loop {
            if let Err(error) = self.log(&mut logged).await {
                tracing::warn!(%error, "the listing of decisions lags");
            } else if changes.send(Change::Decided(Changed::Findings(HashSet::new()))).await.is_err() {
                return;
            }
            if tokio::time::Instant::now() >= expire_at {
                expire_at = tokio::time::Instant::now() + EXPIRY;
                match self.expire(Timestamp::now()).await {
                    Ok(subjects) if !subjects.is_empty() => _ = changes.send(Change::Decided(changed(&subjects))).await,
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "what is over could not be reopened"),
                }
            }
            let news = loop {
                let waited = if self.ledger.is_offline() {
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = changes.closed() => return,
                    }
                    self.ledger.merge().await.map(|merged| {
                        let saved = merged.saved.iter().map(|e| e.subject.clone());
                        saved.chain(merged.conflicts.iter().map(|(d, _)| d.subject.clone())).collect::<Vec<_>>()
                    })
                } else {
                    tokio::select! {
                        waited = self.ledger.changes(WAIT) => waited,
                        () = changes.closed() => return,
                    }
                };
                match waited {
                    Ok(subjects) if subjects.is_empty() && tokio::time::Instant::now() < expire_at => {}
                    Ok(subjects) => break subjects,
                    Err(error) => {
                        let words = error.to_string();
                        if told.as_ref() != Some(&words) {
                            let _ = changes.send(Change::Notice { text: words.clone(), bad: true }).await;
                            told = Some(words);
                        }
                        if !error.is_offline() {
                            tokio::select! {
                                () = tokio::time::sleep(RETRY) => {}
                                () = changes.closed() => return,
                            }
                        }
                    }
                }
            };
            told = None;
            self.library.take_states(self.ledger.projection());
            self.library.wake();
            if !news.is_empty() {
                let _ = changes.send(Change::Decided(changed(&news.into_iter().collect()))).await;
            }
        }
    }

    /// The ledger's entries since a moment, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be reached.
    pub async fn since(&self, from: Timestamp) -> Result<Vec<Entry>, LedgerError> {
        // The chain is in the order of writing, nearly that of time: it is read from the end.
        let mut before = self.ledger.chained().head().sequence;
        let mut found: Vec<Entry> = Vec::new();
        while before > 0 {
            let after = before.saturating_sub(PAGE as u64);
            let page = self.ledger.entries(after, PAGE).await?;
            let whole = page.iter().any(|e| e.at < from);
            found.splice(0..0, page.into_iter().filter(|e| e.sequence <= before && e.at >= from));
            if whole {
                break;
            }
            before = after;
        }
        Ok(found)
    }

    /// Takes entries that the listing of decisions lacks.
    ///
    /// # Errors
    /// Where the ledger cannot be reached.
    pub async fn log(&self, logged: &mut u64) -> Result<(), LedgerError> {
        loop {
            let page = self.ledger.entries(*logged, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            *logged = last.sequence;
            self.library.take_entries(&page);
        }
    }
}

/// A draft with its expectation, and where it is to be delivered.
fn ask(draft: Draft, based_on: u64, targets: &mut HashMap<FindingKey, Target>) -> Ask {
    // What changes no state goes in whatever others decided meanwhile.
    let based_on = draft.decision.changes_state().then_some(based_on);
    let target = match &draft.subject {
        Subject::Finding(key) if fields::delivers(&draft.decision) => targets.remove(key),
        _ => None,
    };
    Ask { append: Append { draft, based_on }, target }
}

/// What decisions on subjects change in the rows.
pub fn changed(subjects: &HashSet<Subject>) -> Changed {
    let mut keys = HashSet::new();
    for subject in subjects {
        match subject {
            Subject::Finding(key) => _ = keys.insert(key.short()),
            Subject::Session(_) => {}
            Subject::Account(_) | Subject::Resource(_) | Subject::Principal(_) => return Changed::Everything,
        }
    }
    Changed::Findings(keys)
}

/// A finding or an entry in full, with what the ledger knows of it.
#[derive(Debug)]
pub struct Shown {
    pub opened: Opened,
    entries: Vec<Entry>,
    /// Where Security Hub holds it, whose own history can be had from there.
    pub place: Option<Place>,
}

impl Shown {
    /// With Security Hub's own history on the ledger's time line, or why it cannot be had.
    pub fn with_hub(self, events: Result<Vec<HubEvent>, Failure>) -> Opened {
        let Self { mut opened, entries, .. } = self;
        let (events, refused) = match events {
            Ok(events) => (events, None),
            Err(failure) => (Vec::new(), Some(format!("Security Hub's own history cannot be had: {failure}"))),
        };
        let sections = &mut opened.detail.sections;
        sections.retain(|s| s.heading != detail::HISTORY);
        if !entries.is_empty() || !events.is_empty() {
            sections.push(detail::history(&entries, &events));
        }
        sections.extend(refused.map(|why| Section { heading: "Security Hub".into(), body: Body::Prose(why) }));
        opened
    }
}

/// Opens a row in full.
///
/// # Errors
/// In words for the screen: the row or its document is gone.
pub async fn open(
    desk: Option<&Desk>,
    library: &Arc<Library>,
    world: &Arc<World>,
    listing: ListingId,
    row: RowId,
    now: Timestamp,
) -> Result<Shown, String> {
    if listing == ListingId::Decisions {
        let gone = || "This entry is gone.".to_owned();
        let sequence = world.index(listing).payload(row).ok_or_else(gone)?;
        let desk = desk.ok_or("The ledger is not open.")?;
        let entries = desk.ledger.entries(sequence.saturating_sub(1), 1).await.map_err(|e| e.to_string())?;
        let entry = entries.into_iter().next().ok_or_else(gone)?;
        let findings = world.index(ListingId::Findings);
        let id = match &entry.subject {
            Subject::Finding(key) => findings.find(key.short()).zip(ListingId::Findings.get().field("id")),
            _ => None,
        };
        let id = id.map(|(row, field)| findings.cell(row, field)).and_then(|cell| cell.members().next().map(str::to_owned));
        let document = entry.canonical().map_err(|e| e.to_string())?;
        let detail = detail::of_entry(&entry, id.as_deref(), now);
        return Ok(Shown { opened: Opened { id: entry.id.to_string(), detail, document }, entries: Vec::new(), place: None });
    }
    let (kept, all) = (Arc::clone(library), Arc::clone(world));
    let opened = tokio::task::spawn_blocking(move || {
        let key = all.index(listing).key(row).unwrap_or_default();
        let found = kept.read().some(&[key]).ok().and_then(|mut f| f.pop());
        let place = found.as_ref().filter(|(_, live)| *live).and_then(|(finding, _)| fields::place(finding));
        perform::open(&all, &kept, listing, row, now).map(|opened| (opened, found.map(|(f, _)| f.key), place))
    });
    let (mut opened, key, place) = match opened.await {
        Ok(opened) => opened?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let mut entries = Vec::new();
    if let (Some(desk), Some(key)) = (desk, key)
        && library.decisions().states.finding(key).is_some()
    {
        let sections = &mut opened.detail.sections;
        match desk.ledger.local().deliveries_of(key).await {
            Ok(parcels) => sections.extend(deliveries(&parcels)),
            Err(error) => sections.push(Section { heading: "Delivery".into(), body: Body::Prose(error.to_string()) }),
        }
        match desk.history(&Subject::Finding(key)).await {
            Ok(all) => {
                sections.push(detail::history(&all, &[]));
                entries = all;
            }
            Err(error) => sections.push(Section { heading: detail::HISTORY.into(), body: Body::Prose(error.to_string()) }),
        }
    }
    Ok(Shown { opened, entries, place })
}

/// The deliveries to Security Hub that have not arrived; none where all have.
fn deliveries(parcels: &[Parcel]) -> Option<Section> {
    let rows: Vec<Vec<String>> = (parcels.iter().filter(|p| p.state != Delivery::Sent))
        .map(|p| {
            let tries = if p.attempts == 0 { String::new() } else { text::count(p.attempts.into()) };
            let what = format!("{} (entry {})", p.entry.decision.word(), p.entry.sequence);
            vec![what, p.state.word().to_owned(), tries, p.said.clone()]
        })
        .collect();
    let head = ["decision", "state", "tries", "what was said"].map(str::to_owned).into();
    (!rows.is_empty()).then(|| Section { heading: "Delivery to Security Hub".into(), body: Body::Table { head, rows } })
}

/// What became of a decision, in words.
fn told(decided: Decided) -> Result<String, String> {
    match decided {
        Decided::Saved(entry) => Ok(format!("entry {}", entry.sequence)),
        Decided::Offline(_) => Ok("kept here until the ledger is back".into()),
        Decided::Conflict { since } => Err(match since.last() {
            Some(entry) => format!(
                "{} decided meanwhile: {} at {} UTC",
                text::line(person(&entry.actor.arn)),
                entry.decision.word(),
                entry.at.strftime("%Y-%m-%d %H:%M")
            ),
            None => "someone else decided meanwhile".into(),
        }),
        Decided::Failed { why } => Err(why),
    }
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
