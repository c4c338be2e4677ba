//! Owns the estate and the findings as they grow: takes changes one after the other, and now and then publishes a new
//! world and saves what is unsaved. Only one of it runs, so nothing is changed in two places. Where the estate changed it
//! has it judged, off its own path, and takes the judgement as one more change.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cache::{Cache, Context};
use crate::catalog::decided::Changed;
use crate::listing::query::Cancel;
use crate::message::Outcome;
use crate::model::account::{Account, Caller, Organization};
use crate::model::estate::Estate;
use crate::model::network::Network;
use crate::model::principal::Identity;
use crate::model::resource::Resource;
use crate::work::behind::Seen;
use crate::work::change::Change;
use crate::work::judge::{self, Judged};
use crate::work::library::Library;
use crate::work::picture;
use crate::work::source;
use crate::work::store::{Documents, Origin};
use crate::world::World;

/// The least time between two published worlds: twice what the last took to make, within these.
const PUBLISH: [Duration; 2] = [Duration::from_millis(33), Duration::from_millis(250)];
/// The least time between two saves.
const SAVE: Duration = Duration::from_secs(5);
/// The least time between two judgements.
const JUDGE: Duration = Duration::from_millis(500);
/// Changes that may wait before a sweep waits too.
const WAITING: usize = 64;

/// Lists that came empty from a half-answered question keep what was known.
macro_rules! keep {
    ($new:expr, $known:expr, $($list:ident),+) => {
        $(if $new.$list.is_empty() { $new.$list = std::mem::take(&mut $known.$list); })+
    };
}

/// The one owner.
pub struct Keeper {
    world: World,
    estate: Estate,
    library: Arc<Library>,
    outcomes: mpsc::Sender<Outcome>,
    /// What has to be published: rows of the estate's listings, or of the findings alone.
    estate_dirty: bool,
    findings_dirty: bool,
    state_dirty: bool,
    painted_dirty: bool,
    /// What was decided since rows were made.
    decided: Changed,
    unsaved: bool,
    /// The problems that come of a shut door.
    shut: Vec<String>,
    /// The estate differs from what was judged last.
    unjudged: bool,
    judging: Option<Judging>,
    /// Not before this: the first frame comes first, and changes come in crowds.
    judge_at: Instant,
}

/// A judgement that is under way. Where nobody waits for it any more it ends early.
struct Judging {
    task: JoinHandle<Option<Judged>>,
    cancel: Cancel,
}

impl Drop for Judging {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The judgement, when it is there; never, where none is under way.
async fn judged(judging: &mut Option<Judging>) -> Option<Judged> {
    let Some(under_way) = judging else { return std::future::pending().await };
    let done = (&mut under_way.task).await;
    *judging = None;
    match done {
        Ok(judged) => judged,
        // A panic in there is a panic here: the hook has reported it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl Keeper {
    /// Starts it over a world. It ends when every sender of changes is gone.
    pub fn start(
        world: &World,
        library: Arc<Library>,
        outcomes: mpsc::Sender<Outcome>,
    ) -> (mpsc::Sender<Change>, JoinHandle<()>) {
        let (changes, received) = mpsc::channel(WAITING);
        let keeper = Self {
            estate: (*world.estate).clone(),
            world: world.clone(),
            library,
            outcomes,
            estate_dirty: false,
            findings_dirty: false,
            state_dirty: false,
            painted_dirty: false,
            decided: Changed::Everything,
            unsaved: false,
            shut: Vec::new(),
            unjudged: !world.estate.identities.is_empty() || !world.estate.regions.is_empty(),
            judging: None,
            judge_at: Instant::now() + JUDGE,
        };
        (changes, tokio::spawn(keeper.run(received)))
    }

    async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut publish_at = Instant::now();
        let mut save_at = Instant::now() + SAVE;
        loop {
            let dirty = self.estate_dirty || self.findings_dirty || self.state_dirty || self.painted_dirty;
            // Half a sweep would judge what is not there yet as missing.
            let to_judge = self.unjudged && self.judging.is_none() && self.world.progress.is_none();
            let change = tokio::select! {
                biased;
                () = tokio::time::sleep_until(publish_at), if dirty => {
                    let begun = Instant::now();
                    self = self.publish().await;
                    publish_at = Instant::now() + (begun.elapsed() * 2).clamp(PUBLISH[0], PUBLISH[1]);
                    continue;
                }
                () = tokio::time::sleep_until(save_at), if self.unsaved => {
                    self = self.save().await;
                    save_at = Instant::now() + SAVE;
                    continue;
                }
                () = tokio::time::sleep_until(self.judge_at), if to_judge => {
                    self.judge();
                    continue;
                }
                found = judged(&mut self.judging) => {
                    self = self.take_judged(found).await;
                    continue;
                }
                change = changes.recv() => change,
            };
            match change {
                Some(Change::Settle(done)) => {
                    self = self.settle_judgement().await;
                    self = self.save().await.publish().await;
                    // Nobody may be waiting any more.
                    let _ = done.send(Arc::new(self.world.clone()));
                }
                Some(Change::Notice { text, bad }) => {
                    let _ = self.outcomes.send(Outcome::Notice { text, bad }).await;
                }
                Some(change) => self = self.apply(change).await,
                None => break,
            }
        }
        if self.unsaved {
            self.save().await;
        }
    }

    /// Has the estate judged as it stands now.
    fn judge(&mut self) {
        self.unjudged = false;
        self.judge_at = Instant::now() + JUDGE;
        let (estate, library, cancel) = (self.estate.clone(), Arc::clone(&self.library), Cancel::new());
        let ends = cancel.clone();
        let task = tokio::task::spawn_blocking(move || {
            let (now, painted) = (Timestamp::now(), || picture::of(&library, &estate, Timestamp::now()));
            judge::judge_by(&estate, &library.engine, &library.settings, painted, now, &ends)
        });
        self.judging = Some(Judging { task, cancel });
    }

    /// Waits until all that there is has been judged.
    async fn settle_judgement(mut self) -> Self {
        while self.unjudged || self.judging.is_some() {
            if self.judging.is_none() {
                self.judge();
            }
            let found = judged(&mut self.judging).await;
            self = self.take_judged(found).await;
        }
        self
    }

    async fn take_judged(self, found: Option<Judged>) -> Self {
        let Some(found) = found else { return self };
        blocking(self, move |k| match Arc::clone(&k.library).take_judged(found, &mut k.estate) {
            // Principals show what they are in effect.
            Ok(true) => (k.estate_dirty, k.unsaved) = (true, true),
            Ok(false) => {}
            Err(error) => k.complain(error.to_string()),
        })
        .await
    }

    /// Takes one change; work that takes long happens off the runtime's threads.
    async fn apply(mut self, change: Change) -> Self {
        match change {
            Change::Findings { .. } | Change::Reconciled { .. } => {
                return blocking(self, move |keeper| keeper.apply_findings(change)).await;
            }
            Change::Caller(caller) => return blocking(self, move |k| k.take_caller(caller)).await,
            Change::Accounts { organization, accounts, whole } => {
                return blocking(self, move |k| k.take_accounts(organization, accounts, whole)).await;
            }
            Change::Identity { mut identity, whole } => {
                if let Some(known) = self.estate.identity(&identity.account) {
                    if whole {
                        keep_accessed(&mut identity, known);
                    } else {
                        keep_identity(&mut identity, known);
                    }
                }
                self.estate.put_identity(*identity);
                self.unjudged = true;
            }
            Change::Network { account, region, mut network, whole } => {
                let part = self.estate.region_mut(&account, &region);
                if !whole {
                    keep_network(&mut network, &mut part.network);
                }
                part.network = *network;
                self.unjudged = true;
            }
            Change::Accessed { account, accessed } => {
                let Some(known) = self.estate.identity(&account) else { return self };
                let mut identity = (**known).clone();
                identity.last_accessed.retain(|l| l.arn != accessed.arn);
                identity.last_accessed.push(*accessed);
                self.estate.put_identity(identity);
                self.unjudged = true;
            }
            Change::Workloads { account, region, mut workloads, whole } => {
                let part = self.estate.region_mut(&account, &region);
                if !whole {
                    keep!(workloads, part.workloads, functions, tasks);
                }
                part.workloads = *workloads;
                self.unjudged = true;
            }
            Change::Resources { account, region, service, resources, whole } => {
                let part = self.estate.region_mut(&account, &region);
                keep_resources(&mut part.resources, service, resources, whole);
                self.unjudged = true;
            }
            Change::Nodes { account, region, nodes, whole } => {
                if whole || !nodes.is_empty() {
                    self.estate.region_mut(&account, &region).nodes = nodes;
                }
            }
            Change::Sessions { account, region, sessions, whole } => {
                if whole || !sessions.is_empty() {
                    self.estate.region_mut(&account, &region).sessions = sessions;
                }
            }
            Change::Node { account, region, node } => {
                let nodes = &mut self.estate.region_mut(&account, &region).nodes;
                match nodes.iter_mut().find(|n| n.instance_id == node.instance_id) {
                    Some(old) => *old = *node,
                    None => nodes.push(*node),
                }
            }
            Change::Session { account, region, session } => {
                let sessions = &mut self.estate.region_mut(&account, &region).sessions;
                match sessions.iter_mut().find(|s| s.session_id == session.session_id) {
                    Some(old) => *old = *session,
                    None => sessions.push(*session),
                }
            }
            Change::Coverage(rows) => self.estate.put_coverage(rows),
            Change::Preview(findings) => {
                let findings = self.library.lay(&findings, &Changed::Findings(HashSet::new()));
                self.world.put_findings(findings);
                let _ = self.outcomes.send(Outcome::World(Arc::new(self.world.clone()))).await;
                return self;
            }
            Change::Loaded => {
                self.findings_dirty = true;
                // What was judged meanwhile went into a store that is no more.
                self.unjudged = true;
                return self;
            }
            Change::Decided(changed) => {
                match (&mut self.decided, changed) {
                    (Changed::Findings(all), Changed::Findings(more)) => all.extend(more),
                    (known, Changed::Everything) => *known = Changed::Everything,
                    (Changed::Everything, _) => {}
                }
                self.findings_dirty = true;
                return self;
            }
            Change::Painted(estate, picture) => {
                self.library.take_network(estate, picture);
                self.painted_dirty = true;
                return self;
            }
            Change::Loading(loading) => {
                self.world.loading = loading;
                self.state_dirty = true;
                return self;
            }
            Change::Progress(progress) => {
                self.world.progress = progress;
                self.state_dirty = true;
                return self;
            }
            Change::Problem(text) => {
                self.complain(text);
                return self;
            }
            Change::Opening => {
                self.world.problems.retain(|p| !self.shut.contains(p));
                self.shut.clear();
                self.state_dirty = true;
                return self;
            }
            Change::Shut(text) => {
                self.shut.push(text.clone());
                self.complain(text);
                return self;
            }
            Change::Settle(_) | Change::Notice { .. } => return self,
        }
        self.estate.collected = Some(Timestamp::now());
        self.estate_dirty = true;
        self.unsaved = true;
        self
    }

    /// A cache that was filled by somebody of another account is not this one's: nothing of it is shown on.
    fn take_caller(&mut self, caller: Caller) {
        if self.estate.caller.as_ref().is_some_and(|known| known.account != caller.account) {
            self.estate = Estate::default();
            self.drop_findings(&|_| true);
        }
        self.estate.caller = Some(caller);
        self.unjudged = true;
        self.estate_dirty = true;
        self.unsaved = true;
    }

    /// Forgets what AWS once told of some accounts; what was imported stays.
    fn drop_findings(&mut self, of: &dyn Fn(&str) -> bool) {
        let mut store = self.library.write();
        let names: Vec<String> = store.index().segments().map(|(name, _)| name.trim_end_matches('+').to_owned()).collect();
        for (account, region) in names.iter().filter_map(|n| n.split_once('/')).filter(|(account, _)| of(account)) {
            self.findings_dirty |= store.retain(account, region, &|_| false) > 0;
        }
    }

    fn take_accounts(&mut self, organization: Option<Organization>, accounts: Vec<Account>, whole: bool) {
        if whole {
            let stays: HashSet<&str> = accounts.iter().map(|a| a.id.as_str()).collect();
            let left: Vec<String> =
                self.estate.accounts.iter().map(|a| a.id.clone()).filter(|id| !stays.contains(id.as_str())).collect();
            self.estate.retain_accounts(&|id| stays.contains(id));
            self.drop_findings(&|account| left.iter().any(|l| l == account));
        }
        if let Some(mut organization) = organization {
            keep_controls(&mut organization, self.estate.organization.as_ref());
            self.estate.organization = Some(organization);
        }
        self.unjudged = true;
        for mut account in accounts {
            self.library.rules.attribute(&mut account);
            if self.estate.account(&account.id).is_none_or(|known| **known != account) {
                self.library.write().reattribute(&account);
                self.estate.put_account(account);
                self.findings_dirty = true;
            }
        }
        self.estate.collected = Some(Timestamp::now());
        self.estate_dirty = true;
        self.unsaved = true;
    }

    fn apply_findings(&mut self, change: Change) {
        let library = Arc::clone(&self.library);
        let mut store = library.write();
        match change {
            Change::Findings { findings, origin } => {
                if origin == Origin::Live {
                    library.suspect(&findings);
                }
                let accounts = |id: &str| self.estate.account(id).map(Arc::clone);
                let put = store.put_all(findings, origin, &accounts);
                match put {
                    Ok(put) => self.findings_dirty |= put.added + put.changed > 0,
                    Err(error) => self.complain(error.to_string()),
                }
            }
            Change::Reconciled { places, seen } => {
                for (account, region) in places {
                    self.findings_dirty |= store.retain(&account, &region, &|key| seen.contains(&key)) > 0;
                }
            }
            _ => {}
        }
        if let Some(problem) = store.problem().map(ToString::to_string) {
            self.complain(problem);
        }
        self.estate.collected = Some(Timestamp::now());
        self.unsaved = true;
    }

    /// A problem that stays, said once.
    fn complain(&mut self, text: String) {
        if !self.world.problems.contains(&text) {
            self.world.problems.push(text);
            self.state_dirty = true;
        }
    }

    /// Makes the rows anew and hands the world out.
    async fn publish(self) -> Self {
        let keeper = blocking(self, |k| {
            let decided = std::mem::replace(&mut k.decided, Changed::Findings(HashSet::new()));
            let facts = source::facts(&k.library, Arc::new(k.estate.clone()), &decided, Timestamp::now());
            if k.estate_dirty {
                k.world.rebuild(&facts);
            } else if k.findings_dirty {
                k.world.recount(&facts);
            }
            if k.painted_dirty && !k.estate_dirty {
                k.world.repaint(&facts);
            }
            if k.estate_dirty || k.findings_dirty {
                // A row is found by its key on the screen's thread, which must not wait for that.
                facts.findings.order_keys();
                k.library.show(Seen { estate: Arc::clone(&k.world.estate), findings: facts.findings });
            }
            (k.estate_dirty, k.findings_dirty, k.state_dirty, k.painted_dirty) = (false, false, false, false);
        })
        .await;
        let _ = keeper.outcomes.send(Outcome::World(Arc::new(keeper.world.clone()))).await;
        keeper
    }

    async fn save(self) -> Self {
        blocking(self, |k| {
            k.unsaved = false;
            let cache = match k.library.read().documents() {
                Documents::Cached(cache) => Arc::clone(cache),
                Documents::Memory | Documents::Generated(_) => return,
            };
            if cache.read_only().is_some() {
                return;
            }
            let saved = k.library.write().save().map_err(|e| e.to_string());
            let saved = saved.and_then(|()| save_estate(&cache, &k.estate));
            if let Err(problem) = saved {
                k.complain(problem);
            }
        })
        .await
    }
}

/// Puts a service's resources in place of what was known of it; from a half-answered question what was not read anew stays.
fn keep_resources(known: &mut Vec<Resource>, service: &str, mut new: Vec<Resource>, whole: bool) {
    let (before, mut others): (Vec<Resource>, Vec<Resource>) =
        std::mem::take(known).into_iter().partition(|r| r.service() == service);
    if !whole {
        for was in before {
            match new.binary_search_by(|r| r.arn.cmp(&was.arn)) {
                Ok(at) if new[at].unread => new[at] = was,
                Ok(_) => {}
                Err(_) => others.push(was),
            }
        }
    }
    others.extend(new);
    others.sort_by(|a, b| a.arn.cmp(&b.arn));
    *known = others;
}

fn keep_network(new: &mut Network, known: &mut Network) {
    keep!(
        new,
        known,
        vpcs,
        subnets,
        route_tables,
        security_groups,
        network_acls,
        interfaces,
        instances,
        internet_gateways,
        egress_only_gateways,
        nat_gateways,
        peerings,
        transit_gateways,
        transit_gateway_attachments,
        transit_gateway_route_tables,
        vpn_gateways,
        vpn_connections,
        customer_gateways,
        endpoints,
        load_balancers,
        target_groups,
        prefix_lists,
        addresses
    );
    new.public_access_exclusions = new.public_access_exclusions.take().or_else(|| known.public_access_exclusions.take());
}

fn keep_identity(new: &mut Identity, known: &Identity) {
    let mut known = known.clone();
    keep!(new, known, users, groups, roles, policies, saml_providers, oidc_providers, summary, credentials, access_keys);
    if new.password_policy.is_none() {
        new.password_policy = known.password_policy.take();
    }
    new.credentials_made = new.credentials_made.or(known.credentials_made);
    keep_accessed(new, &known);
}

/// What principals used is asked of few, and stays until it is asked again.
fn keep_accessed(new: &mut Identity, known: &Identity) {
    let asked: HashSet<String> = new.last_accessed.iter().map(|l| l.arn.clone()).collect();
    let stands = |arn: &str| new.users.iter().any(|u| u.arn == arn) || new.roles.iter().any(|r| r.arn == arn);
    let kept: Vec<_> = known.last_accessed.iter().filter(|l| !asked.contains(&l.arn) && stands(&l.arn)).cloned().collect();
    new.last_accessed.extend(kept);
}

/// Policies over accounts that were read only in part do not take the place of those that were read whole; nor do delegates.
fn keep_controls(new: &mut Organization, known: Option<&Organization>) {
    for controls in new.controls.iter_mut().filter(|c| !c.whole) {
        let before = known.and_then(|k| k.controls.iter().find(|c| c.kind == controls.kind && c.whole));
        if let Some(before) = before {
            controls.clone_from(before);
        }
    }
    if new.delegates.is_none() {
        new.delegates = known.and_then(|k| k.delegates.clone());
    }
}

fn save_estate(cache: &Cache, estate: &Estate) -> Result<(), String> {
    let known = cache.context();
    let context = Context {
        organization: estate.organization.as_ref().map_or_else(String::new, |o| o.id.clone()),
        account: estate.caller.as_ref().map_or_else(String::new, |c| c.account.clone()),
        endpoint: known.endpoint.clone(),
    };
    if context != known {
        cache.set_context(context).map_err(|e| e.to_string())?;
    }
    cache.write_estate(estate).map_err(|e| e.to_string())
}

/// Runs something long off the runtime's threads, with the keeper in hand.
async fn blocking(mut keeper: Keeper, run: impl FnOnce(&mut Keeper) + Send + 'static) -> Keeper {
    let done = tokio::task::spawn_blocking(move || {
        run(&mut keeper);
        keeper
    });
    match done.await {
        Ok(keeper) => keeper,
        // A panic in there is a panic here: the hook has reported it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ListingId;
    use crate::formats::asff;
    use crate::model::attribution::Rules;
    use crate::model::finding::Finding;
    use crate::triage::policy::Policy;
    use crate::work::store::Store;
    use crate::world::Origin as From;

    /// A finding as an ASFF file brings it.
    fn finding(account: &str, id: &str) -> Finding {
        let record = format!(
            r#"{{"SchemaVersion":"2018-10-08","Id":"{id}-{account}","ProductArn":"arn:aws:securityhub:eu-west-1::product/x/y",
            "GeneratorId":"g","AwsAccountId":"{account}","Region":"eu-west-1","CreatedAt":"2026-01-01T00:00:00Z",
            "UpdatedAt":"2026-01-01T00:00:00Z","Severity":{{"Label":"HIGH"}},"Title":"t","Description":"d",
            "Resources":[{{"Type":"AwsAccount","Id":"{account}"}}]}}"#
        );
        asff::finding(&record).unwrap()
    }

    /// A keeper over nothing; the answer is the world after these changes.
    async fn after(changes: Vec<Change>) -> Arc<World> {
        let library = Arc::new(Library::new(Store::in_memory(), Rules::default(), Policy::default()));
        let (outcomes, mut heard) = mpsc::channel(64);
        let (keeper, task) = Keeper::start(&World::empty(From::Demo), library, outcomes);
        let listener = tokio::spawn(async move { while heard.recv().await.is_some() {} });
        for change in changes {
            keeper.send(change).await.unwrap();
        }
        let (settled, world) = tokio::sync::oneshot::channel();
        keeper.send(Change::Settle(settled)).await.unwrap();
        let world = world.await.unwrap();
        drop(keeper);
        task.await.unwrap();
        listener.await.unwrap();
        world
    }

    fn accounts(ids: &[&str], whole: bool) -> Change {
        let accounts = ids.iter().map(|id| Account::bare(*id)).collect();
        Change::Accounts { organization: None, accounts, whole }
    }

    #[tokio::test]
    async fn an_account_that_left_the_organisation_goes_with_all_that_aws_told_of_it() {
        const A: &str = "111111111111";
        const B: &str = "222222222222";
        let told = |origin, id: &str| Change::Findings { findings: vec![finding(A, id), finding(B, id)], origin };
        let network = |account: &str| Change::Network {
            account: account.into(),
            region: "eu-west-1".into(),
            network: Box::default(),
            whole: true,
        };
        let known =
            || vec![accounts(&[A, B], true), told(Origin::Live, "live"), told(Origin::File, "file"), network(A), network(B)];
        let world = after(known()).await;
        assert_eq!((world.estate.accounts.len(), world.estate.regions.len()), (2, 2));
        assert_eq!(world.index(ListingId::Findings).rows(), 4);

        // A list that was cut short says nothing of those it lacks.
        let world = after(known().into_iter().chain([accounts(&[A], false)]).collect()).await;
        assert_eq!((world.estate.accounts.len(), world.estate.regions.len()), (2, 2));

        let world = after(known().into_iter().chain([accounts(&[A], true)]).collect()).await;
        assert_eq!(world.estate.accounts.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), [A]);
        assert_eq!(world.estate.regions.len(), 1);
        assert_eq!(world.index(ListingId::Findings).rows(), 3, "what was imported of it stays");
    }

    #[tokio::test]
    async fn trying_aws_again_forgets_the_shut_door_and_nothing_else() {
        let shut = || Change::Shut("no credentials".into());
        let world = after(vec![Change::Problem("a full disk".into()), shut(), shut(), Change::Opening]).await;
        assert_eq!(world.problems, ["a full disk"]);
        let world = after(vec![Change::Problem("a full disk".into()), shut(), Change::Opening, shut()]).await;
        assert_eq!(world.problems, ["a full disk", "no credentials"]);
    }
}
