//! Collects from AWS over accounts × regions × services and hands on what arrives as changes. It decides what to ask
//! and when; how AWS is asked is the door's matter, what becomes of the answers the keeper's.
//!
//! One sweep asks the kinds that are due. Every account and region is a task of its own, so a slow account delays
//! nobody; one that refuses becomes coverage. Findings go first, worst severities first.

mod findings;
mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::aws::organizations::{Directory, controls, delegates, directory};
use crate::aws::{Access, AwsError, Connection, Options, Scope, cloudtrail, connect, ec2, ecs, iam, lambda, resources, ssm};
use crate::cache::Cache;
use crate::config::Refresh;
use crate::demo::Organization;
use crate::model::account::Account;
use crate::model::coverage::{Coverage, Outcome};
use crate::model::principal::Identity;
use crate::model::workload::Workloads;
use crate::work::change::Change;
use crate::work::library::Library;
use crate::work::store::{Origin, Store};
pub use crate::work::sweep::marks::Marks;
use crate::world::{Loading, Progress};

/// Tasks that may be under way at once; the limits of AWS's APIs are kept below this, by the door.
const AT_ONCE: usize = 32;
/// Of one account, so that a slow one leaves room for the others.
const EACH: usize = 8;
/// Hubs whose findings are read at once: each asks one page after the other, a long one for an hour.
const HUBS: usize = 256;
/// Between two changes of the demo.
const TICK: Duration = Duration::from_secs(4);

/// Where changes come from.
pub enum Supply {
    /// Nothing changes.
    None,
    Demo(Arc<Organization>),
    Live {
        options: Box<Options>,
        cache: Option<Arc<Cache>>,
        /// Only the account at hand, even where there is an organisation.
        single: bool,
    },
}

/// A kind of data, asked at its own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Accounts,
    Findings,
    /// Findings again in full: sees what others triaged, which changes no `UpdatedAt`.
    Reconcile,
    Nodes,
    Network,
    /// Functions and container tasks, and the roles they run as.
    Workloads,
    /// What carries a policy of its own: buckets, keys, queues, topics, secrets, repositories. Functions' come with
    /// [`Self::Workloads`].
    Resources,
    Iam,
}

impl Kind {
    /// What one sweep of everything asks.
    pub const ALL: [Self; 7] =
        [Self::Accounts, Self::Findings, Self::Nodes, Self::Network, Self::Workloads, Self::Resources, Self::Iam];

    fn pace(self, refresh: &Refresh) -> Duration {
        let minutes = match self {
            Self::Accounts => refresh.accounts,
            Self::Findings => refresh.findings,
            Self::Reconcile => refresh.reconcile,
            Self::Nodes => refresh.nodes,
            Self::Network | Self::Workloads => refresh.network,
            Self::Iam | Self::Resources => refresh.iam,
        };
        Duration::from_secs(60 * minutes.max(1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Everything that is due, now and on.
    Run(u64),
    Stop(u64),
}

/// The task behind refreshes, and how to steer it.
pub struct Sweeper {
    orders: watch::Sender<Order>,
    number: u64,
}

impl Sweeper {
    /// Starts supplying changes; it ends when the changes' receiver or this handle is gone.
    /// `connected` learns the ways into AWS as they open.
    pub fn start(
        supply: Supply,
        pace: Refresh,
        library: Arc<Library>,
        changes: mpsc::Sender<Change>,
        connected: watch::Sender<Vec<Connection>>,
    ) -> Self {
        let (orders, listen) = watch::channel(Order::Run(0));
        match supply {
            Supply::None => {}
            Supply::Demo(organization) => drop(tokio::spawn(ticks(organization, changes, listen))),
            Supply::Live { options, cache, single } => {
                let marks = Arc::new(Marks::new(cache.clone()));
                let live = Live { options: *options, cache, single, marks, pace, library, changes, connected };
                drop(tokio::spawn(live.run(listen)));
            }
        }
        Self { orders, number: 0 }
    }

    /// Everything is due now.
    pub fn refresh(&mut self) {
        self.number += 1;
        self.orders.send_replace(Order::Run(self.number));
    }

    /// Nothing is asked until the next refresh.
    pub fn stop(&mut self) {
        self.number += 1;
        self.orders.send_replace(Order::Stop(self.number));
    }
}

/// The demo's changes.
async fn ticks(organization: Arc<Organization>, changes: mpsc::Sender<Change>, mut orders: watch::Receiver<Order>) {
    let mut k = 0;
    let mut clock = tokio::time::interval_at(Instant::now() + TICK, TICK);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            changed = orders.changed() => if changed.is_err() { return },
        }
        if matches!(*orders.borrow(), Order::Stop(_)) {
            continue;
        }
        let tick = organization.tick(k, Timestamp::now());
        k += 1;
        let findings = Change::Findings { findings: tick.findings, origin: Origin::Live };
        let nodes = tick.nodes.into_iter().map(|(account, region, node)| Change::Node { account, region, node: Box::new(node) });
        let sessions = tick.sessions.into_iter().map(|(account, region, session)| Change::Session {
            account,
            region,
            session: Box::new(session),
        });
        for change in std::iter::once(findings).chain(nodes).chain(sessions) {
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

struct Live {
    options: Options,
    cache: Option<Arc<Cache>>,
    single: bool,
    marks: Arc<Marks>,
    pace: Refresh,
    library: Arc<Library>,
    changes: mpsc::Sender<Change>,
    connected: watch::Sender<Vec<Connection>>,
}

impl Live {
    async fn run(self, mut orders: watch::Receiver<Order>) {
        self.load().await;
        let mut due: BTreeMap<Kind, Instant> = BTreeMap::new();
        let mut everything = true;
        let mut door = Door::default();
        loop {
            let now = Instant::now();
            let stopped = matches!(*orders.borrow_and_update(), Order::Stop(_));
            if !stopped {
                let kinds: BTreeSet<Kind> = if everything {
                    Kind::ALL.into()
                } else {
                    due.iter().filter(|(_, at)| **at <= now).map(|(kind, _)| *kind).collect()
                };
                if !kinds.is_empty() {
                    everything = false;
                    let sweep = Sweep::new(self.single, Arc::clone(&self.marks), self.changes.clone());
                    let asking = async {
                        door.open(&self.options, &self.changes).await;
                        self.connected.send_replace(door.connections.clone());
                        sweep.run(&door.connections, &kinds).await;
                    };
                    tokio::select! {
                        () = Box::pin(asking) => {}
                        changed = orders.changed() => {
                            // A refresh begins anew, a stop ends here; tasks end with the sweep that owns them.
                            let _ = self.changes.send(Change::Progress(None)).await;
                            if changed.is_err() {
                                return;
                            }
                            everything = matches!(*orders.borrow(), Order::Run(_));
                            continue;
                        }
                    }
                    let now = Instant::now();
                    let paced = kinds.iter().chain(due.is_empty().then_some(&Kind::Reconcile));
                    due.extend(paced.map(|kind| (*kind, now + kind.pace(&self.pace))).collect::<Vec<_>>());
                }
            }
            let next = due.values().min().copied().unwrap_or_else(|| now + Duration::from_secs(60));
            tokio::select! {
                () = tokio::time::sleep_until(next), if !stopped => {}
                changed = orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    everything = matches!(*orders.borrow(), Order::Run(_));
                }
                () = self.changes.closed() => return,
            }
        }
    }

    /// The cache's findings, as they are read.
    async fn load(&self) {
        let Some(cache) = self.cache.clone() else { return };
        let (library, changes) = (Arc::clone(&self.library), self.changes.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            let estate = cache.read_estate().ok().flatten().unwrap_or_default();
            let accounts = |id: &str| {
                estate.account(id).map(|a| {
                    let mut account = (**a).clone();
                    library.rules.attribute(&mut account);
                    Arc::new(account)
                })
            };
            let (store, problems) = Store::on(&cache, &accounts, &mut |index| {
                // Whoever no longer listens has no use for it.
                let _ = changes.blocking_send(Change::Preview(index.clone()));
            });
            *library.write() = store;
            for problem in problems {
                let _ = changes.blocking_send(Change::Problem(problem.to_string()));
            }
            let _ = changes.blocking_send(Change::Loaded);
        });
        if let Err(error) = loaded.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Ways into AWS, kept from one sweep to the next: credentials renew themselves, and nobody is asked for a code twice.
#[derive(Debug, Default)]
pub struct Door {
    pub connections: Vec<Connection>,
    open: bool,
}

impl Door {
    /// Connects, unless every profile is connected already. The answer: why some or all of them could not.
    pub async fn open(&mut self, options: &Options, changes: &mpsc::Sender<Change>) -> Vec<AwsError> {
        if self.open {
            return Vec::new();
        }
        let _ = changes.send(Change::Opening).await;
        let (connected, refused): (Vec<_>, Vec<_>) = connect(options).await.into_iter().partition(Result::is_ok);
        self.connections = connected.into_iter().flatten().collect();
        let errors: Vec<AwsError> = refused.into_iter().filter_map(Result::err).collect();
        if let Some(first) = self.connections.first() {
            let _ = changes.send(Change::Caller(first.caller.clone())).await;
        }
        for error in &errors {
            let _ = changes.send(Change::Shut(error.to_string())).await;
        }
        self.open = errors.is_empty();
        errors
    }
}

/// One collection over accounts × regions × services.
pub struct Sweep {
    single: bool,
    used: Used,
    /// Only one connection is read: what its organisation lists is all there is.
    alone: bool,
    marks: Arc<Marks>,
    changes: mpsc::Sender<Change>,
    permits: Arc<Semaphore>,
    begun: Instant,
    done: usize,
    total: usize,
}

/// Whose use of what they are granted is asked for: it takes AWS seconds for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    Nobody,
    /// A principal, as people name it: by ARN, `role/name`, `user/name` or name, or the id of an access key. `trail`:
    /// CloudTrail is asked as well what it did in the last 90 days.
    One {
        who: String,
        trail: bool,
    },
    Everyone,
}

impl Used {
    fn by_trail(&self) -> bool {
        matches!(self, Self::One { trail: true, .. })
    }
    /// The ARNs of those of an account.
    fn of(&self, identity: &Identity) -> Vec<String> {
        let users = identity.users.iter().map(|u| (&u.arn, format!("user/{}", u.user_name), &u.user_name));
        let roles = identity.roles.iter().map(|r| (&r.arn, format!("role/{}", r.role_name), &r.role_name));
        let all = users.chain(roles);
        match self {
            Self::Nobody => Vec::new(),
            Self::One { who, .. } => {
                let key = identity.access_keys.iter().find(|k| k.access_key_id == *who).map(|k| &k.user_name);
                let user = |kind: &str| key.is_some_and(|user| kind.strip_prefix("user/") == Some(user));
                let named = all.filter(|(arn, kind, name)| *arn == who || kind == who || *name == who || user(kind));
                named.map(|(arn, ..)| arn.clone()).collect()
            }
            // What AWS keeps for itself nobody trims.
            Self::Everyone => {
                all.filter(|(arn, ..)| !arn.contains(":role/aws-service-role/")).map(|(arn, ..)| arn.clone()).collect()
            }
        }
    }
}

/// An account that may be read, and where.
#[derive(Clone)]
struct Entered {
    access: Access,
    regions: Arc<[String]>,
    /// This account's own share of what may be under way.
    turns: Arc<Semaphore>,
}

impl Sweep {
    pub fn new(single: bool, marks: Arc<Marks>, changes: mpsc::Sender<Change>) -> Self {
        Self {
            single,
            used: Used::Nobody,
            alone: false,
            marks,
            changes,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            begun: Instant::now(),
            done: 0,
            total: 0,
        }
    }

    /// Asks as well what these used of what they are granted.
    #[must_use]
    pub fn with_used(self, used: Used) -> Self {
        Self { used, ..self }
    }

    /// Asks AWS for these kinds in every account and region. Each thing that arrives is sent on as a change at once.
    pub async fn run(mut self, connections: &[Connection], kinds: &BTreeSet<Kind>) {
        // An account that two profiles lead to is read once, with the first.
        let mut seen = BTreeSet::new();
        self.alone = connections.len() == 1;
        for connection in connections {
            self.read(connection, kinds, &mut seen).await;
        }
        self.send(Change::Progress(None)).await;
        if kinds.contains(&Kind::Findings) {
            self.send(Change::Loading(Loading::Complete)).await;
        }
    }

    async fn send(&self, change: Change) {
        // Whoever no longer listens has ended: so will this sweep, at its next await.
        let _ = self.changes.send(change).await;
    }

    async fn read(&mut self, connection: &Connection, kinds: &BTreeSet<Kind>, seen: &mut BTreeSet<String>) {
        let accounts = self.accounts(connection).await;
        let accounts: Vec<Account> = accounts.into_iter().filter(|a| seen.insert(a.id.clone())).collect();
        let regions = self.regions(connection).await;
        let mut tasks: JoinSet<()> = JoinSet::new();
        let active = |a: &&Account| a.status.is_empty() || a.status == "ACTIVE";
        let active: Vec<&Account> = accounts.iter().filter(active).collect();
        self.total += active.len();
        self.progress().await;

        let idle = accounts.iter().filter(|a| !(a.status.is_empty() || a.status == "ACTIVE"));
        self.send(Change::Coverage(idle.map(not_asked).collect())).await;

        // Doors open side by side; each account is read as soon as its own is. A door is one question: they share no
        // permits with what is asked behind them.
        let ids: BTreeSet<String> = active.iter().map(|a| a.id.clone()).collect();
        let at_doors = Arc::new(Semaphore::new(AT_ONCE));
        let (entered, mut open) = mpsc::channel::<Entered>(AT_ONCE);
        let mut doors: JoinSet<()> = JoinSet::new();
        for account in active {
            let (connection, id, permits) = (connection.clone(), account.id.clone(), Arc::clone(&at_doors));
            let (entered, changes, regions) = (entered.clone(), self.changes.clone(), Arc::clone(&regions));
            doors.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire_owned().await;
                let answer = connection.enter(&id).await;
                let _ = changes.send(Change::Coverage(answer.coverage)).await;
                if let Some(access) = answer.value {
                    let turns = Arc::new(Semaphore::new(EACH));
                    let _ = entered.send(Entered { access, regions, turns }).await;
                }
            });
        }
        drop(entered);
        let (found, waiting) = mpsc::unbounded_channel::<Entered>();
        if kinds.contains(&Kind::Findings) || kinds.contains(&Kind::Reconcile) {
            let reader = findings::Reader {
                changes: self.changes.clone(),
                marks: Arc::clone(&self.marks),
                permits: Arc::new(Semaphore::new(HUBS)),
                in_full: kinds.contains(&Kind::Reconcile),
                accounts: ids,
            };
            self.total += 1;
            tasks.spawn(reader.read(connection.caller.account.clone(), waiting));
        }
        let mut doors_done = false;
        while !doors_done {
            tokio::select! {
                account = open.recv() => match account {
                    Some(account) => {
                        self.spawn(&mut tasks, &account, kinds);
                        // Nobody listens where findings are not asked for.
                        let _ = found.send(account);
                    }
                    None => doors_done = true,
                },
                Some(_) = doors.join_next() => { self.done += 1; self.progress().await; }
                Some(_) = tasks.join_next() => { self.done += 1; self.progress().await; }
            }
        }
        while doors.join_next().await.is_some() {
            self.done += 1;
        }
        drop(found);
        while tasks.join_next().await.is_some() {
            self.done += 1;
            self.progress().await;
        }
    }

    /// The organisation's accounts, or the one at hand.
    async fn accounts(&self, connection: &Connection) -> Vec<Account> {
        let own = &connection.caller.account;
        let mut alone = None;
        if !self.single {
            let answer = directory(&connection.access().global()).await;
            let whole = answer.coverage.iter().all(|c| c.outcome == Outcome::Ok);
            self.send(Change::Coverage(answer.coverage)).await;
            match answer.value {
                Directory::Organization { mut organization, accounts } => {
                    let scope = connection.access().global();
                    let mut coverage = controls(&scope, &mut organization).await;
                    coverage.extend(delegates(&scope, &mut organization).await);
                    self.send(Change::Coverage(coverage)).await;
                    let organization = Some(organization);
                    self.send(Change::Accounts { organization, accounts: accounts.clone(), whole: whole && self.alone }).await;
                    return accounts;
                }
                Directory::Alone { reason, .. } => alone = Some(reason),
            }
        }
        if let Some(reason) = alone {
            let text = format!("Only account {own} is read: {reason}");
            self.send(Change::Notice { text, bad: false }).await;
        }
        let mut account = Account::bare(own.clone());
        let alias = iam::alias(&connection.access().global()).await;
        self.send(Change::Coverage(alias.coverage)).await;
        account.name = alias.value.unwrap_or_default();
        self.send(Change::Accounts { organization: None, accounts: vec![account.clone()], whole: false }).await;
        vec![account]
    }

    /// The chosen regions, else those that are enabled.
    async fn regions(&self, connection: &Connection) -> Arc<[String]> {
        if !connection.regions.is_empty() {
            return connection.regions.clone().into();
        }
        let answer = ec2::regions(&connection.access().global()).await;
        self.send(Change::Coverage(answer.coverage)).await;
        answer.value.into_iter().filter(|r| r.enabled).map(|r| r.name).collect()
    }

    /// Everything of an account but its findings.
    fn spawn(&mut self, tasks: &mut JoinSet<()>, entered: &Entered, kinds: &BTreeSet<Kind>) {
        if kinds.contains(&Kind::Iam) {
            let (scope, used) = (entered.access.global(), self.used.clone());
            let trails: Vec<Scope> = if used.by_trail() { trail_scopes(entered) } else { Vec::new() };
            self.task(tasks, entered, async move {
                let mut answer = iam::identity(&scope).await;
                let whole = answer.is_whole();
                let asked = used.of(&answer.value);
                if !asked.is_empty() {
                    let accessed = Box::pin(iam::last_accessed(&scope, asked)).await;
                    answer.value.last_accessed = accessed.value;
                    answer.coverage.extend(accessed.coverage);
                    for accessed in answer.value.last_accessed.iter_mut().filter(|_| !trails.is_empty()) {
                        let trail = Box::pin(cloudtrail::trail(&trails, &accessed.arn, Timestamp::now())).await;
                        accessed.trail = Some(trail.value);
                        answer.coverage.extend(trail.coverage);
                    }
                }
                vec![Change::Identity { identity: Box::new(answer.value), whole }, Change::Coverage(answer.coverage)]
            });
        }
        for region in entered.regions.iter() {
            let (account, region) = (entered.access.account().to_owned(), region.clone());
            if kinds.contains(&Kind::Nodes) {
                let (scope, account, region) = (entered.access.scope(&region), account.clone(), region.clone());
                self.task(tasks, entered, async move {
                    let (nodes, sessions) = tokio::join!(ssm::nodes(&scope), ssm::sessions(&scope));
                    let (all_nodes, all_sessions) = (nodes.is_whole(), sessions.is_whole());
                    vec![
                        Change::Nodes { account: account.clone(), region: region.clone(), nodes: nodes.value, whole: all_nodes },
                        Change::Sessions { account, region, sessions: sessions.value, whole: all_sessions },
                        Change::Coverage(nodes.coverage),
                        Change::Coverage(sessions.coverage),
                    ]
                });
            }
            if kinds.contains(&Kind::Workloads) {
                let (scope, account, region) = (entered.access.scope(&region), account.clone(), region.clone());
                self.task(tasks, entered, async move {
                    let (functions, running) = tokio::join!(Box::pin(lambda::functions(&scope)), Box::pin(ecs::tasks(&scope)));
                    let invoked = Box::pin(lambda::policies(&scope, &functions.value)).await;
                    let whole = functions.is_whole() && running.is_whole();
                    let all_policies = functions.is_whole() && invoked.is_whole();
                    let workloads = Box::new(Workloads { functions: functions.value, tasks: running.value });
                    vec![
                        Change::Workloads { account: account.clone(), region: region.clone(), workloads, whole },
                        Change::Resources { account, region, service: "lambda", resources: invoked.value, whole: all_policies },
                        Change::Coverage(functions.coverage),
                        Change::Coverage(invoked.coverage),
                        Change::Coverage(running.coverage),
                    ]
                });
            }
            if kinds.contains(&Kind::Resources) {
                let (scope, account, region) = (entered.access.scope(&region), account.clone(), region.clone());
                self.task(tasks, entered, async move {
                    let answers = Box::pin(resources::all(&scope)).await;
                    let changes = answers.into_iter().flat_map(|(service, answer)| {
                        let whole = answer.is_whole();
                        let (account, region) = (account.clone(), region.clone());
                        [
                            Change::Resources { account, region, service, resources: answer.value, whole },
                            Change::Coverage(answer.coverage),
                        ]
                    });
                    changes.collect()
                });
            }
            if kinds.contains(&Kind::Network) {
                let scope = entered.access.scope(&region);
                self.task(tasks, entered, async move {
                    let answer = Box::pin(ec2::network(&scope)).await;
                    let whole = answer.is_whole();
                    let network = Box::new(answer.value);
                    vec![Change::Network { account, region, network, whole }, Change::Coverage(answer.coverage)]
                });
            }
        }
    }

    fn task(&mut self, tasks: &mut JoinSet<()>, entered: &Entered, ask: impl Future<Output = Vec<Change>> + Send + 'static) {
        self.total += 1;
        let (turns, permits, changes) = (Arc::clone(&entered.turns), Arc::clone(&self.permits), self.changes.clone());
        tasks.spawn(async move {
            // The semaphores are never closed.
            let _turn = turns.acquire_owned().await;
            let _permit = permits.acquire_owned().await;
            for change in Box::pin(ask).await {
                let _ = changes.send(change).await;
            }
        });
    }

    async fn progress(&self) {
        let elapsed = self.begun.elapsed().as_secs();
        // An estimate from a handful of answers would only mislead.
        let known = self.done >= 5 && elapsed >= 2;
        let remaining = known.then(|| elapsed * (self.total - self.done.min(self.total)) as u64 / self.done as u64);
        self.send(Change::Progress(Some(Progress { done: self.done, total: self.total, remaining }))).await;
    }
}

/// Where a principal's events may be: the regions that are read, and the one in which global services record theirs.
fn trail_scopes(entered: &Entered) -> Vec<Scope> {
    let mut regions: Vec<&str> = entered.regions.iter().map(String::as_str).collect();
    let other = |r: &&str| ["cn-", "us-gov-", "us-iso", "eusc-"].iter().any(|p| r.starts_with(p));
    if !regions.iter().any(other) {
        regions.push("us-east-1");
    }
    regions.sort_unstable();
    regions.dedup();
    regions.into_iter().map(|region| entered.access.scope(region)).collect()
}

/// An account that is not entered because it is not active.
fn not_asked(account: &Account) -> Coverage {
    Coverage {
        account: account.id.clone(),
        region: String::new(),
        api: "sts:AssumeRole".to_owned(),
        outcome: Outcome::NotAsked,
        reason: format!("the account is {}", account.status),
        count: 0,
        at: Timestamp::now(),
    }
}
