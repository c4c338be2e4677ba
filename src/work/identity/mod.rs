//! Keeps the accounts of an estate compiled for the IAM engine, with their principal graphs, and answers from them: a
//! principal in full, and questions. What an answer looks like is written in `tell` and `answers`; what is true is `iam`'s.

mod answers;
mod tell;
mod ways;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::catalog::ListingId;
use crate::catalog::detail::{Detail, Link};
use crate::iam::account::Account;
use crate::iam::evaluate::{Context, Decision};
use crate::iam::graph::{Built, Cut, Graph, Prize, Target};
use crate::iam::question::Question;
use crate::iam::resources::{Held, Resources};
use crate::iam::workloads::{WorkloadKind, known_workloads};
use crate::listing::filter::exactly;
use crate::message::Opened;
use crate::model;
use crate::model::account::Organization;
use crate::model::arn::principal as named;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::principal::Identity;

/// So many policies stay compiled; the accounts asked for longest ago go first.
const MOST_POLICIES: usize = 30_000;
/// Statements of one account that are told to cut most.
const MOST_CUTS: usize = 2;
/// Paths that an answer shows.
const MOST_PATHS: usize = 20;

/// An account, ready to be asked.
pub struct Ready {
    pub account: Account,
    built: OnceLock<Arc<Built>>,
    /// The statements that cut most ways to administrator, once they were asked for.
    cuts: OnceLock<Vec<Cut>>,
    /// The one that ends a principal's ways, by principal.
    ends: Mutex<HashMap<usize, Option<Cut>>>,
    identity: Arc<Identity>,
    listed: Option<Arc<model::account::Account>>,
    /// Kinds of workloads of which all are known.
    known: Vec<WorkloadKind>,
    regions: Vec<Arc<RegionEstate>>,
}

impl Ready {
    fn new(estate: &Estate, id: &str, account: Account) -> Option<Self> {
        Some(Self {
            account,
            built: OnceLock::new(),
            cuts: OnceLock::new(),
            ends: Mutex::default(),
            identity: Arc::clone(estate.identity(id)?),
            listed: estate.account(id).map(Arc::clone),
            known: known_workloads(estate, id),
            regions: regions(estate, id),
        })
    }
    /// The principal graph; it is built when it is first asked for.
    pub fn graph(&self) -> Graph<'_> {
        let built = self.built.get_or_init(|| Graph::new(&self.account).built());
        Graph::again(&self.account, Arc::clone(built))
    }
    /// The statements whose removal cuts most ways to administrator: each is tried out, which takes as long as the graph.
    fn cuts(&self, graph: &Graph<'_>) -> Vec<Cut> {
        self.cuts.get_or_init(|| graph.cuts(&Target::Administrator, MOST_CUTS)).clone()
    }
    /// The one that keeps a principal from becoming an administrator.
    fn cut_of(&self, graph: &Graph<'_>, at: usize) -> Option<Cut> {
        let known = self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(&at).cloned();
        known.unwrap_or_else(|| {
            let cut = graph.cut_of(at, &Target::Administrator);
            self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(at, cut.clone());
            cut
        })
    }
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
    /// Whether an estate still says of the account what it was compiled from.
    fn holds(&self, estate: &Estate) -> bool {
        let id = &self.identity.account;
        let same = |a: &RegionEstate, b: &RegionEstate| {
            a.region == b.region && a.network.instances == b.network.instances && a.workloads == b.workloads
        };
        let known = regions(estate, id);
        estate.identity(id).is_some_and(|i| Arc::ptr_eq(i, &self.identity))
            && estate.account(id).map(|a| &**a) == self.listed.as_deref()
            && known_workloads(estate, id) == self.known
            && known.len() == self.regions.len()
            && known.iter().zip(&self.regions).all(|(a, b)| Arc::ptr_eq(a, b) || same(a, b))
    }
}

/// Whether something by that id runs in a region.
fn runs(region: &RegionEstate, id: &str) -> bool {
    region.network.instances.iter().any(|i| i.instance_id == id)
        || region.workloads.functions.iter().any(|f| f.function_name == id)
        || region.workloads.tasks.iter().any(|t| t.task_arn.rsplit('/').next() == Some(id))
}

fn regions(estate: &Estate, id: &str) -> Vec<Arc<RegionEstate>> {
    estate.regions.iter().filter(|r| r.account == id).map(Arc::clone).collect()
}

#[derive(Default)]
struct Kept {
    organization: Option<Organization>,
    /// What carries a policy of its own, for all accounts.
    resources: Option<Arc<Resources>>,
    /// The one asked for last stands last.
    ready: Vec<Arc<Ready>>,
}

impl Kept {
    /// Lets go of everything where an estate says otherwise what concerns all accounts.
    fn leave(&mut self, estate: &Estate) {
        let moved = self.organization != estate.organization;
        if moved || self.resources.as_ref().is_some_and(|r| !r.hold(estate)) {
            self.organization.clone_from(&estate.organization);
            self.resources = None;
            self.ready.clear();
        }
    }
}

/// The engine over whatever estate it is asked about; it compiles anew what changed.
#[derive(Default)]
pub struct Engine(Mutex<Kept>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// An account of the estate; none where its IAM was not read.
    pub fn account(&self, estate: &Estate, id: &str) -> Option<Arc<Ready>> {
        let known = self.kept(estate, id);
        if known.is_some() {
            return known;
        }
        // Compiled without the lock: another asking need not wait for it.
        let resources = self.resources(estate);
        let ready = Arc::new(Ready::new(estate, id, Account::among(estate, id, &resources)?)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.ready.retain(|r| r.account.id != id);
        kept.ready.push(Arc::clone(&ready));
        let mut total: usize = kept.ready.iter().map(|r| r.account.policies.len()).sum();
        while total > MOST_POLICIES && kept.ready.len() > 1 {
            total -= kept.ready.remove(0).account.policies.len();
        }
        Some(ready)
    }

    /// The estate's resources, made once for all of its accounts.
    fn resources(&self, estate: &Estate) -> Arc<Resources> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.leave(estate);
        Arc::clone(kept.resources.get_or_insert_with(|| Arc::new(Resources::of(estate))))
    }

    fn kept(&self, estate: &Estate, id: &str) -> Option<Arc<Ready>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.leave(estate);
        let at = kept.ready.iter().position(|r| r.account.id == id)?;
        let ready = kept.ready.remove(at);
        if !ready.holds(estate) {
            return None;
        }
        kept.ready.push(Arc::clone(&ready));
        Some(ready)
    }

    /// Whether a principal can be told of at once, or its account has to be compiled first.
    pub fn is_warm(&self, estate: &Estate, arn: &str) -> bool {
        account_of(arn).is_none_or(|id| self.kept(estate, id).is_none_or(|r| r.built.get().is_some()))
    }

    /// Adds to a principal's detail what the engine knows of it.
    pub fn tell(&self, estate: &Estate, arn: &str, detail: &mut Detail) {
        let Some(ready) = account_of(arn).and_then(|id| self.account(estate, id)) else { return };
        let Ok(at) = ready.account.principal(arn) else { return };
        tell::principal(estate, &ready, at, detail);
    }

    /// Adds to a resource's detail whom its own policy lets in.
    pub fn tell_resource(&self, estate: &Estate, arn: &str, detail: &mut Detail) {
        let told = answers::guests(estate, &self.resources(estate), arn, None);
        // Before the policy itself, which may be long.
        detail.sections.splice(1..1, told);
    }

    /// Answers a question as people type it.
    ///
    /// # Errors
    /// In words for the screen: what cannot be understood, or is not known.
    pub fn ask(&self, estate: &Estate, text: &str) -> Result<Opened, String> {
        let question = Question::read(text).map_err(|e| e.to_string())?;
        if estate.identities.is_empty() {
            return Err("No IAM is known yet: press ! for what AWS refused.".into());
        }
        let detail = match &question {
            Question::WhoCan { action, resource, context } => {
                let named = self.accounts(estate).find_map(|ready| ready.account.named(resource).ok());
                let named = named.unwrap_or_else(|| resource.clone());
                let mut rows = Vec::new();
                for ready in self.accounts(estate) {
                    let found = ready.account.who_can(action, &named, context).map_err(|e| e.to_string())?;
                    rows.extend(found.into_iter().map(|(at, answer)| (ready.account.principals[at].arn.clone(), answer)));
                }
                answers::who_can(estate, (action, &named), &self.resources(estate), &rows)
            }
            Question::Can { principal, action, resource, context } => {
                let (ready, at) = self.holder(estate, principal)?;
                let named = self.resource(estate, &ready, resource);
                let arn = ready.account.principals[at].arn.clone();
                // Of a session its role is asked: what it was given by whom is not known.
                let asked = if principal.contains(":assumed-role/") { principal } else { &arn };
                let answer = ready.account.can(asked, action, &named, context).map_err(|e| e.to_string())?;
                answers::can(&arn, (action, &named), &answer, ready.account.is_blind(&named))
            }
            Question::WhoBecomes { target } => {
                let (ready, to) = match target {
                    Some(principal) => self.holder(estate, principal).map(|(ready, at)| (vec![ready], Some(at)))?,
                    None => (self.accounts(estate).collect(), None),
                };
                // A role may trust other accounts than its own.
                let role = to.and_then(|at| Some(ready.first()?.account.principals[at].arn.clone()));
                let resources = self.resources(estate);
                let named = estate.identities.iter().filter(|i| role.as_ref().is_some_and(|r| resources.trusts(r, &i.account)));
                let others: Vec<Arc<Ready>> = named.filter_map(|i| self.account(estate, &i.account)).collect();
                answers::who_becomes(estate, &ready, to, &others)
            }
            Question::WhoReaches { resource } => {
                let prize = Prize::new(resource, &[]).map_err(|e| e.to_string())?;
                // Whom it lets in from other accounts is known where its policy is.
                let known = self.resources(estate).find(resource).is_some_and(Held::is_known);
                let own = account_of(resource).filter(|id| !known && estate.identity(id).is_some());
                let ready: Vec<Arc<Ready>> = match own {
                    Some(id) => self.account(estate, id).into_iter().collect(),
                    None => self.accounts(estate).collect(),
                };
                answers::who_reaches(estate, &ready, &prize, &self.resources(estate))
            }
            Question::Become { principal, target } => {
                let (ready, from) = self.holder(estate, principal)?;
                let graph = ready.graph();
                let to = match target {
                    Some(name) => match ready.account.principal(name) {
                        Ok(at) => Target::Principals(vec![at]),
                        // A role of another account is become by its trust.
                        Err(own) => match self.holder(estate, name) {
                            Ok((other, at)) if other.account.id != ready.account.id && other.account.principals[at].is_role => {
                                graph.reach(&Prize::role(&other.account.principals[at].arn))
                            }
                            _ => return Err(own.to_string()),
                        },
                    },
                    None => Target::Administrator,
                };
                if let Target::Resource(reached) = &to
                    && reached.holder(from).is_some()
                {
                    let (arn, role) = (&ready.account.principals[from].arn, &reached.prize.resource);
                    let answer = ready.account.can(arn, "sts:AssumeRole", role, &Context::new()).map_err(|e| e.to_string())?;
                    let detail = answers::can(arn, ("sts:AssumeRole", role), &answer, false);
                    return opened(text, detail);
                }
                let (paths, more) = graph.paths(Some(from), &to, MOST_PATHS);
                answers::becomes(&graph, from, &to, &paths, more)
            }
            Question::Blast { principal } => {
                let (ready, at) = self.holder(estate, principal)?;
                answers::blast(estate, &ready, at)
            }
        };
        opened(text, detail)
    }

    fn accounts<'e>(&'e self, estate: &'e Estate) -> impl Iterator<Item = Arc<Ready>> + 'e {
        estate.identities.iter().filter_map(move |i| self.account(estate, &i.account))
    }

    /// The one principal that a name means, in whatever account it stands.
    fn holder(&self, estate: &Estate, principal: &str) -> Result<(Arc<Ready>, usize), String> {
        if let Some(id) = account_of(principal) {
            let ready = self.account(estate, id).ok_or_else(|| format!("No IAM of account {id} is known."))?;
            let at = ready.account.principal(principal).map_err(|e| e.to_string())?;
            return Ok((ready, at));
        }
        // A name on its own is looked for without compiling every account.
        let (kind, name) = principal.split_once('/').unwrap_or(("", principal));
        let name = name.rsplit('/').next().unwrap_or_default();
        let has = |i: &Identity| {
            let user = kind != "role" && i.users.iter().any(|u| u.user_name == name);
            user || kind != "user" && i.roles.iter().any(|r| r.role_name == name)
                || i.access_keys.iter().any(|k| k.access_key_id == principal)
                || regions(estate, &i.account).iter().any(|r| runs(r, principal))
        };
        let found: Vec<&str> = estate.identities.iter().filter(|i| has(i)).map(|i| i.account.as_str()).collect();
        match found.as_slice() {
            [only] => {
                let ready = self.account(estate, only).ok_or_else(|| format!("No IAM of account {only} is known."))?;
                let at = ready.account.principal(principal).map_err(|e| e.to_string())?;
                Ok((ready, at))
            }
            [] => match estate.identities.as_slice() {
                [only] => {
                    let ready = self.account(estate, &only.account).ok_or("No IAM is known.")?;
                    let error = ready.account.principal(principal).err();
                    Err(error.map_or_else(|| format!("There is no {principal:?}."), |e| e.to_string()))
                }
                all => Err(format!(
                    "No user or role {principal:?} in {} accounts; name it by ARN, or as user/name or role/name.",
                    all.len()
                )),
            },
            [one, two, ..] => Err(format!(
                "{principal:?} is in {} accounts, {} and {} among them: name it by ARN.",
                found.len(),
                estate.account_label(one),
                estate.account_label(two)
            )),
        }
    }

    /// A resource as people name it: `role/x` and `user/x` mean the principal's ARN.
    fn resource(&self, estate: &Estate, ready: &Ready, named: &str) -> String {
        if !(named.starts_with("role/") || named.starts_with("user/")) {
            return named.to_owned();
        }
        match ready.account.principal(named) {
            Ok(at) => ready.account.principals[at].arn.clone(),
            Err(_) => self
                .holder(estate, named)
                .map_or_else(|_| named.to_owned(), |(ready, at)| ready.account.principals[at].arn.clone()),
        }
    }
}

/// An answer with its question, as data too.
fn opened(text: &str, detail: Detail) -> Result<Opened, String> {
    let document = serde_json::json!({"question": text.trim(), "answer": detail});
    let document = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
    Ok(Opened { id: text.trim().to_owned(), detail, document })
}

/// The account that an ARN names.
fn account_of(arn: &str) -> Option<&str> {
    arn.starts_with("arn:").then(|| arn.split(':').nth(4))?.filter(|id| !id.is_empty())
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied { .. } => "denied",
        Decision::Depends => "depends",
    }
}

/// The way to a principal's own row.
fn link(arn: &str) -> Link {
    Link::to(named(arn), ListingId::Principals, exactly("id", arn))
}
