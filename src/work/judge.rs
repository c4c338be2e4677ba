//! Judges an estate with the engines: what deserves a finding of source `bartizan`, and what each principal is in
//! effect. It also says what a new judgement changes among the findings that are kept: first seen, no longer failing,
//! gone. When to judge is the keeper's matter; what is right or wrong is the engines'.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::ListingId;
use crate::config::Config;
use crate::iam::graph::{Accounts, Built, Graph, Joined, Node, Power, Source as Trusted, pipelines};
use crate::iam::judge as identity;
use crate::iam::nature::nature;
use crate::iam::openings::{Visitor, of_resource};
use crate::iam::unused::{Use, unused};
use crate::listing::index::Index;
use crate::listing::query::Cancel;
use crate::model::coverage::Outcome;
use crate::model::estate::Estate;
use crate::model::finding::{Compliance, Finding, FindingKey, RecordState};
use crate::model::standing::{Open, Openness, Pipeline, Standing, Standings};
use crate::network::picture::{Picture, Terms};
use crate::work::behind::{Roles, machines};
use crate::work::identity::{Engine, Ready};
use crate::work::store::{Origin, Put, Store, StoreError};

/// The source that these findings name.
pub const SOURCE: &str = "bartizan";
/// How long a finding that no longer fails is kept, as Security Hub keeps archived ones.
const ARCHIVED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the judgement is held against.
#[derive(Debug, Clone)]
pub struct Settings {
    /// An access key older than this is too old.
    pub key_max_days: i64,
    /// Whether every user and role that people made must have a permissions boundary.
    pub boundary_required: bool,
    /// Sources with names, and flows that must not be.
    pub terms: Terms,
}

impl Default for Settings {
    fn default() -> Self {
        let options = identity::Options::new(Timestamp::UNIX_EPOCH);
        Self { key_max_days: options.key_max_days, boundary_required: options.boundary_required, terms: Terms::default() }
    }
}

impl Settings {
    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            key_max_days: config.iam.key_max_days,
            boundary_required: config.iam.boundary_required,
            terms: config.network.terms(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// What fails now; each was first seen now as far as the judge knows.
    pub findings: Vec<Finding>,
    pub standings: Standings,
    /// When what was judged was collected.
    pub seen: Timestamp,
    /// What was judged: accounts whose identities, and `account/region` whose networks were.
    pub looked: Vec<String>,
}

/// What of an estate a judged finding is about, as [`Judged::looked`] names it.
fn about(finding: &Finding) -> String {
    if finding.control.starts_with("iam-") { finding.account.clone() } else { format!("{}/{}", finding.account, finding.region) }
}

/// Notes in an estate what was judged, where it was for the first time. Whether anything was.
pub fn note(estate: &mut Estate, looked: Vec<String>, seen: Timestamp) -> bool {
    let before = estate.first_judged.len();
    for of in looked {
        estate.first_judged.entry(of).or_insert(seen);
    }
    estate.first_judged.len() > before
}

/// Judges an estate as of `now` by itself: what stands behind machines is known by their roles alone. None where it was
/// cancelled.
pub fn judge(estate: &Estate, engine: &Engine, settings: &Settings, now: Timestamp, cancel: &Cancel) -> Option<Judged> {
    let paint = || {
        let none = Index::new(Arc::clone(&ListingId::Findings.get().schema));
        let behind = machines(estate, &none, &|_| String::new(), (&Roles::default(), engine), now);
        Arc::new(Picture::of(estate, &settings.terms, &behind))
    };
    judge_by(estate, engine, settings, paint, now, cancel)
}

/// As [`judge`]; `picture` gives the network engine's, so that a finding and the exposure it tells of are the same.
pub fn judge_by(
    estate: &Estate,
    engine: &Engine,
    settings: &Settings,
    picture: impl FnOnce() -> Arc<Picture>,
    now: Timestamp,
    cancel: &Cancel,
) -> Option<Judged> {
    let mut judged = Judged { seen: estate.collected.unwrap_or(now), ..Judged::default() };
    let mut graphs = Vec::new();
    for identity in &estate.identities {
        if cancel.is_cancelled() {
            return None;
        }
        let Some(ready) = engine.account(estate, &identity.account) else { continue };
        judged.looked.push(identity.account.clone());
        account(estate, &ready, settings, now, &mut judged);
        // The graph is kept until all are there; the account need not be.
        graphs.push(ready.graph().built());
    }
    across(estate, engine, graphs, &mut judged);
    if cancel.is_cancelled() {
        return None;
    }
    if estate.regions.iter().any(|r| !r.network.vpcs.is_empty()) {
        let rows = picture().judged();
        judged.findings.extend(rows.iter().map(|row| row.finding(judged.seen, judged.seen)));
        let read = estate.regions.iter().filter(|r| !r.network.vpcs.is_empty());
        judged.looked.extend(read.map(|r| format!("{}/{}", r.account, r.region)));
    }
    Some(judged)
}

fn account(estate: &Estate, ready: &Ready, settings: &Settings, now: Timestamp, judged: &mut Judged) {
    let (identity, account, graph) = (ready.identity(), &ready.account, ready.graph());
    let answered = |api: &str| {
        let mut rows = estate.coverage.iter().filter(|c| c.account == identity.account && c.api == api);
        rows.any(|c| c.outcome == Outcome::Ok)
    };
    let mut options = identity::Options::new(now);
    options.report_made = identity.credentials_made;
    options.key_max_days = settings.key_max_days;
    options.boundary_required = settings.boundary_required;
    options.password_policy_read = answered("iam:GetAccountPasswordPolicy");
    let found = identity::judge(identity, &graph, &options);
    judged.findings.extend(found.iter().map(|j| j.finding(&identity.account, judged.seen, judged.seen)));

    let mut foreign: HashMap<usize, Vec<String>> = HashMap::new();
    for trust in graph.trusts() {
        let who = match &trust.source {
            Trusted::Everyone if !trust.weak.is_empty() => "everyone".to_owned(),
            Trusted::Account { id, known: false } if trust.admits => id.clone(),
            source @ Trusted::Principal { known: false, .. } if trust.admits => source.words(),
            Trusted::Oidc { issuer, pipeline, .. } if trust.weak.iter().any(|w| w.is_open()) => {
                format!("anyone at {}", pipeline.unwrap_or(issuer))
            }
            _ => continue,
        };
        foreign.entry(trust.role).or_default().push(who);
    }
    let resources = account.resources();
    for held in resources.in_account(&identity.account).into_iter().filter(|held| held.is_known()) {
        let openings = of_resource(resources, held);
        judged
            .findings
            .extend(identity::openings(&openings).iter().map(|j| j.finding(&identity.account, judged.seen, judged.seen)));
        let who: Vec<_> = openings.into_iter().map(|o| o.who).collect();
        let open = match who.as_slice() {
            [] => Open::Nobody,
            all if all.iter().any(Visitor::is_public) => Open::Public,
            _ => Open::Foreign,
        };
        let openness = Openness { open, who: who.iter().map(Visitor::words).collect() };
        judged.standings.resources.insert(held.resource.arn.clone(), openness);
    }
    let powers = graph.powers();
    for (at, p) in account.principals.iter().enumerate() {
        let (nature, nature_by) = nature(identity, &graph, at);
        let accessed = identity.last_accessed.iter().find(|l| l.arn == p.arn);
        let idle = accessed.map(|a| unused(account, at, &Use::of(a), Use::since(a, 90), &[]).share);
        let mut foreign = foreign.remove(&at).unwrap_or_default();
        foreign.sort_unstable();
        foreign.dedup();
        let unused = idle.map(|share| (share * 100.0).round() as u8);
        judged.standings.principals.insert(p.arn.clone(), Standing { power: powers[at], nature, nature_by, foreign, unused });
    }
    judged.standings.pipelines.extend(pipelines(&graph).into_iter().map(|p| {
        let issuer = match &p.trust.source {
            Trusted::Oidc { issuer, .. } => issuer.clone(),
            _ => String::new(),
        };
        Pipeline {
            role: account.principals[p.trust.role].arn.clone(),
            account: identity.account.clone(),
            system: p.system,
            issuer,
            weak: p.trust.weak.iter().map(|w| w.sentence()).collect(),
            open: p.trust.weak.iter().any(|w| w.is_open()),
            subjects: p.trust.subjects,
            power: p.power,
            writes: p.writes,
            manages: p.manages,
            deploys: p.deploys.into_iter().map(str::to_owned).collect(),
            on: p.on,
        }
    }));
}

/// Raises those who become an administrator only by way of another account: most accounts have none.
fn across(estate: &Estate, engine: &Engine, graphs: Vec<Arc<Built>>, judged: &mut Judged) {
    let joined = Joined::new(graphs);
    let mut raised = HashMap::new();
    for (account, powers) in joined.powers().into_iter().enumerate() {
        for (at, power) in powers.into_iter().enumerate() {
            let arn = joined.arn(Node::principal(account, at));
            let Some(standing) = judged.standings.principals.get_mut(arn) else { continue };
            if power > standing.power {
                standing.power = power;
                raised.insert(arn.to_owned(), power);
            }
        }
    }
    let routes = if raised.is_empty() { Vec::new() } else { joined.routes(&joined.administrator()) };
    let (accounts, label) = (Compiled { estate, engine, joined: &joined }, |id: &str| estate.account_label(id).to_owned());
    for route in routes {
        let arn = joined.arn(route.from);
        if raised.get(arn) == Some(&Power::CanBecome) {
            let steps: Vec<String> = route.legs.iter().map(|leg| joined.sentence(leg, &accounts, &label)).collect();
            let account = &joined.built(route.from.account).id;
            judged.findings.push(identity::escalation(arn, &steps).finding(account, judged.seen, judged.seen));
        }
    }
    for pipeline in &mut judged.standings.pipelines {
        pipeline.power = raised.get(&pipeline.role).copied().unwrap_or(pipeline.power);
    }
    engine.raise(raised);
}

/// The accounts of an estate, each compiled when it has to be asked.
struct Compiled<'a> {
    estate: &'a Estate,
    engine: &'a Engine,
    joined: &'a Joined,
}

impl Accounts for Compiled<'_> {
    fn with<T>(&self, account: usize, ask: impl FnOnce(&Graph<'_>) -> T) -> Option<T> {
        let built = self.joined.built(account);
        let ready = self.engine.account(self.estate, &built.id)?;
        Some(ask(&Graph::again(&ready.account, Arc::clone(built))))
    }
}

/// Brings a judgement into the store: what is new stands from now, and counts as new unless what it is about was never
/// judged before; what fails on keeps when it was first seen, what no longer fails is archived as passed and goes after a month, what stood in an account that left goes at once.
///
/// # Errors
/// Where a finding cannot be read or packed.
pub fn settle(store: &mut Store, findings: Vec<Finding>, seen: Timestamp, estate: &Estate) -> Result<Put, StoreError> {
    let mut known: HashMap<FindingKey, Finding> = store.judged()?.into_iter().map(|f| (f.key, f)).collect();
    let mut changed = Vec::new();
    // An older cache has judgements and no note of the first.
    let judged_before: BTreeSet<String> = known.values().map(about).collect();
    for mut finding in findings {
        if let Some(was) = known.remove(&finding.key) {
            // What comes back after it had passed is seen for the first time again: its clock starts anew.
            if was.record == RecordState::Active {
                finding.first_seen = was.first_seen.min(finding.first_seen);
                finding.already = was.already;
            }
            finding.updated = finding.updated.max(was.updated);
            let unchanged = Finding { updated: was.updated, ..finding.clone() } == was;
            if unchanged {
                continue;
            }
        } else {
            let about = about(&finding);
            finding.already = !estate.first_judged.contains_key(&about) && !judged_before.contains(&about);
        }
        changed.push(finding);
    }
    let mut gone = Vec::new();
    for (key, mut was) in known {
        let about_identity = was.control.starts_with("iam-");
        let judged = if about_identity {
            estate.identity(&was.account).is_some()
        } else {
            estate.regions.iter().any(|r| r.account == was.account)
        };
        if estate.account(&was.account).is_none() && !estate.accounts.is_empty() {
            gone.push(key.short());
        } else if was.record == RecordState::Archived {
            if seen.duration_since(was.updated) > ARCHIVED_FOR {
                gone.push(key.short());
            }
        } else if judged {
            was.record = RecordState::Archived;
            was.compliance = Some(Compliance::Passed);
            was.updated = was.updated.max(seen);
            changed.push(was);
        }
    }
    store.forget(&gone);
    let accounts = |id: &str| estate.account(id).map(std::sync::Arc::clone);
    store.put_all(changed, Origin::Judged, &accounts)
}
