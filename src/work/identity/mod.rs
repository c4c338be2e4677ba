//! Keeps the accounts of an estate compiled for the IAM engine, with their principal graphs, and answers from them: a
//! principal in full, and questions. What an answer looks like is written in `tell` and `answers`; what is true is `iam`'s.

mod answers;
mod tell;
mod ways;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::catalog::ListingId;
use crate::catalog::detail::{Detail, Link};
use crate::iam::account::{Account, is_claim, outsider};
use crate::iam::doubts::unfit;
use crate::iam::evaluate::{Context, Decision};
use crate::iam::graph::{Accounts, Built, Cut, Goal, Graph, Joined, Node, Power, Prize, To, onward};
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
/// Statements that are told to cut most.
const MOST_CUTS: usize = 5;
/// Paths that an answer shows.
const MOST_PATHS: usize = 20;

/// An account, ready to be asked.
pub struct Ready {
    pub account: Account,
    built: OnceLock<Arc<Built>>,
    /// The statement that ends a principal's ways, by principal, and the graphs that say so.
    ends: Mutex<HashMap<usize, (Graphs, Option<Cut>)>>,
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

/// Graphs that an answer was worked out from.
type Graphs = Vec<Arc<Built>>;

/// Accounts that hang together, each ready to be asked, with their graphs as one.
pub struct Around {
    pub ready: Vec<Arc<Ready>>,
    pub joined: Joined,
}

impl Accounts for Around {
    fn with<T>(&self, account: usize, ask: impl FnOnce(&Graph<'_>) -> T) -> Option<T> {
        self.ready.get(account).map(|ready| ask(&ready.graph()))
    }
}

impl Around {
    fn of(ready: Vec<Arc<Ready>>) -> Self {
        let joined = Joined::new(ready.iter().map(|r| r.graph().built()));
        Self { ready, joined }
    }
    /// The ARNs of those that are of one of the accounts.
    fn known<'n>(&'n self, nodes: &'n [Node]) -> impl Iterator<Item = &'n str> {
        nodes.iter().filter(|node| self.joined.outsider(**node).is_none()).map(|node| self.joined.arn(*node))
    }
    fn graphs(&self) -> Graphs {
        (0..self.joined.len()).map(|account| Arc::clone(self.joined.built(account))).collect()
    }
    /// Its place among these; an account that is read is there where it was asked for.
    fn node(&self, ready: &Ready, at: usize) -> Option<Node> {
        Some(Node::principal(self.joined.account(&ready.account.id)?, at))
    }
    /// The statement that keeps a principal from becoming an administrator: it is tried out, which takes as long as a graph.
    fn end_of(&self, node: Node, goal: &Goal) -> Option<Cut> {
        let (ready, at) = match node.at {
            To::Principal(at) => (&self.ready[node.account], at),
            To::Administrator => return None,
        };
        let graphs = self.graphs();
        let known = ready.ends.lock().unwrap_or_else(PoisonError::into_inner).get(&at).cloned();
        if let Some((_, cut)) = known.filter(|(of, _)| same_graphs(of, &graphs)) {
            return cut;
        }
        let cut = self.joined.cut_of(node, goal, self);
        ready.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(at, (graphs, cut.clone()));
        cut
    }
}

fn same_graphs(a: &Graphs, b: &Graphs) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
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
    /// The statements that cut most ways to administrator, once they were asked for, and the graphs that say so.
    cuts: Option<(Graphs, Vec<Cut>)>,
    /// Principals whose power ways through other accounts raise, as they were judged last.
    raised: Arc<HashMap<String, Power>>,
}

impl Kept {
    /// Lets go of everything where an estate says otherwise what concerns all accounts.
    fn leave(&mut self, estate: &Estate) {
        let moved = self.organization != estate.organization;
        if moved || self.resources.as_ref().is_some_and(|r| !r.hold(estate)) {
            self.organization.clone_from(&estate.organization);
            self.resources = None;
            self.ready.clear();
            self.cuts = None;
            self.raised = Arc::default();
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

    /// Whether a principal can be told of at once, or accounts have to be compiled first: its own, one that its ways lead
    /// into, or one from which ways lead into its own.
    pub fn is_warm(&self, estate: &Estate, arn: &str) -> bool {
        let Some(own) = account_of(arn).filter(|id| estate.identity(id).is_some()) else { return true };
        let mut cold = false;
        let mut graph = |id: &str| {
            let built = self.kept(estate, id).and_then(|ready| ready.built.get().cloned());
            cold |= built.is_none() && estate.identity(id).is_some();
            built.map(|built| ((), built))
        };
        onward(&[own], &mut graph);
        self.resources(estate).inward(&[own]).iter().for_each(|id| drop(graph(id)));
        !cold
    }

    /// Accounts and those that ways from them lead into.
    fn onward(&self, estate: &Estate, from: &[&str]) -> Around {
        let account = |id: &str| self.account(estate, id).map(|ready| (Arc::clone(&ready), ready.graph().built()));
        let (ready, graphs): (Vec<_>, Vec<_>) = onward(from, account).into_iter().unzip();
        Around { ready, joined: Joined::new(graphs) }
    }

    /// Accounts and those from which ways may lead into them.
    fn inward(&self, estate: &Estate, into: &[&str]) -> Around {
        let ids = self.resources(estate).inward(into);
        Around::of(ids.iter().filter_map(|id| self.account(estate, id)).collect())
    }

    /// An account, those that ways from it lead into, and those from which ways may lead into it.
    fn about(&self, estate: &Estate, id: &str) -> Around {
        let mut ready = self.onward(estate, &[id]).ready;
        for other in self.resources(estate).inward(&[id]) {
            if !ready.iter().any(|r| r.account.id == other) {
                ready.extend(self.account(estate, &other));
            }
        }
        Around::of(ready)
    }

    /// The statements whose removal cuts most ways to administrator: each is tried out.
    fn cuts(&self, around: &Around) -> Vec<Cut> {
        let graphs = around.graphs();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).cuts.clone();
        if let Some((_, cuts)) = known.filter(|(of, _)| same_graphs(of, &graphs)) {
            return cuts;
        }
        let cuts = around.joined.cuts(&around.joined.administrator(), MOST_CUTS, around);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cuts = Some((graphs, cuts.clone()));
        cuts
    }

    /// Says what judgement found: whom ways through other accounts make more than its own account does.
    pub fn raise(&self, raised: HashMap<String, Power>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).raised = Arc::new(raised);
    }
    /// What was said last by [`Self::raise`], as long as nothing of it can have changed.
    pub fn raised(&self, estate: &Estate) -> Arc<HashMap<String, Power>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.leave(estate);
        Arc::clone(&kept.raised)
    }

    /// Adds to a principal's detail what the engine knows of it.
    pub fn tell(&self, estate: &Estate, arn: &str, detail: &mut Detail) {
        let Some(id) = account_of(arn).filter(|id| estate.identity(id).is_some()) else { return };
        if arn.contains(":group/") {
            let ready = self.account(estate, id);
            return ready.into_iter().for_each(|ready| tell::group(&ready.account, arn, detail));
        }
        let around = self.about(estate, id);
        let Some(Ok(at)) = around.ready.first().map(|ready| ready.account.principal(arn)) else { return };
        tell::principal(estate, &around, at, detail);
    }

    /// Adds to a resource's detail whom its own policy lets in.
    pub fn tell_resource(&self, estate: &Estate, arn: &str, detail: &mut Detail) {
        let told = answers::guests(&self.resources(estate), arn, None, &Context::new());
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
        if let Question::WhoCan { context, .. } | Question::Can { context, .. } = &question
            && unfit(context, &[]).is_some()
        {
            let ready: Vec<Arc<Ready>> = self.accounts(estate).collect();
            let accounts: Vec<&Account> = ready.iter().map(|r| &r.account).collect();
            unfit(context, &accounts).map_or(Ok(()), |why| Err(sentence(why)))?;
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
                // A role is become by tokens and assertions, too.
                let become_it = action.to_ascii_lowercase().starts_with("sts:assumerole");
                let role = account_of(&named).filter(|_| become_it).and_then(|id| self.account(estate, id));
                let trust = role.and_then(|ready| {
                    let at = ready.account.principal(&named).ok()?;
                    let around = self.inward(estate, &[&ready.account.id]);
                    tell::by_trust(&around, around.node(&ready, at)?)
                });
                let guests = answers::guests(&self.resources(estate), &named, Some(action), context);
                let mut gaps: Vec<String> = self.accounts(estate).flat_map(|r| r.account.lacking.clone()).collect();
                gaps.extend(self.accounts(estate).next().map(|r| r.account.unread(&named)).unwrap_or_default());
                let unread = estate.accounts.iter().filter(|a| estate.identity(&a.id).is_none()).count();
                gaps.extend(
                    (unread > 0).then(|| format!("The IAM of {unread} of {} accounts was not read.", estate.accounts.len())),
                );
                answers::who_can(estate, (action, &named), &self.resources(estate), &rows, [guests, trust], &gaps)
            }
            Question::Can { principal, action, resource, context } => {
                if let Some(who) = outsider(principal, |id| estate.identity(id).is_some()) {
                    // Somebody from outside is answered by the account that the resource stands in.
                    let owner = self.accounts(estate).find(|r| r.account.owner(resource) == Some(r.account.id.as_str()));
                    let ready = owner.or_else(|| self.accounts(estate).next()).ok_or_else(gone)?;
                    let named = self.resource(estate, &ready, resource)?;
                    let answer = ready.account.can_outsider(&who, action, &named, context).map_err(|e| e.to_string())?;
                    return opened(text, answers::can(&who, false, (action, &named), &answer, &ready.account));
                }
                let (ready, at) = self.holder(estate, principal).map_err(|why| match is_claim(principal) {
                    true => format!("{} Ask \"blast {principal}\" for the roles that it becomes.", sentence(why)),
                    false => why,
                })?;
                let named = self.resource(estate, &ready, resource)?;
                let arn = ready.account.principals[at].arn.clone();
                // Of a session its role is asked: what it was given by whom is not known.
                let asked = if principal.contains(":assumed-role/") { principal } else { &arn };
                let answer = ready.account.can(asked, action, &named, context).map_err(|e| e.to_string())?;
                answers::can(&arn, true, (action, &named), &answer, &ready.account)
            }
            Question::WhoBecomes { target: Some(principal) } => {
                // A group is got at by whoever changes it or who is in it.
                if let Some((_, arn)) = self.group(estate, principal)? {
                    return self.ask(estate, &format!("who can reach {arn}"));
                }
                let (ready, at) = self.holder(estate, principal)?;
                let around = self.inward(estate, &[&ready.account.id]);
                let account = around.joined.account(&ready.account.id).ok_or_else(gone)?;
                answers::who_becomes(estate, &around, account, at)
            }
            Question::WhoBecomes { target: None } => {
                let around = Around::of(self.accounts(estate).collect());
                let powers = around.joined.powers();
                // Where nobody can, there is nothing to cut.
                let any = powers.iter().flatten().any(|p| *p == Power::CanBecome);
                let cuts = if any { self.cuts(&around) } else { Vec::new() };
                answers::who_rules(estate, &around, &powers, cuts)
            }
            Question::WhoReaches { resource } => {
                let prize = Prize::new(resource, &[]).map_err(|e| e.to_string())?;
                // Whom it lets in from other accounts is known where its policy is.
                let known = self.resources(estate).find(resource).is_some_and(Held::is_known);
                let own = account_of(resource).filter(|id| !known && estate.identity(id).is_some());
                let asked: Vec<&str> = match own {
                    Some(id) => vec![id],
                    None => estate.identities.iter().map(|i| i.account.as_str()).collect(),
                };
                let Around { ready, joined } = self.inward(estate, &asked);
                let graphs: Vec<Graph<'_>> = ready.iter().map(|r| r.graph()).collect();
                let (joined, _, outside) = joined.visiting(None, &prize, graphs.as_slice()).map_err(|e| e.to_string())?;
                drop(graphs);
                answers::who_reaches(estate, &Around { ready, joined }, &asked, outside, &self.resources(estate))
            }
            Question::Become { principal, target } => {
                let (ready, from) = match self.holder(estate, principal) {
                    Ok(found) => found,
                    Err(why) => return opened(text, self.outsider_becomes(estate, principal, target.as_deref(), why)?),
                };
                let id = ready.account.id.as_str();
                let (around, goal) = match target {
                    None => {
                        let around = self.onward(estate, &[id]);
                        let goal = around.joined.administrator();
                        (around, goal)
                    }
                    Some(name) => {
                        // A name of its own account means that one.
                        let (other, to) = match ready.account.principal(name) {
                            Ok(at) => (Arc::clone(&ready), at),
                            Err(_) => self.holder(estate, name)?,
                        };
                        let mut ids = vec![id, other.account.id.as_str()];
                        ids.dedup();
                        let around = self.onward(estate, &ids);
                        let to = around.node(&other, to).ok_or_else(gone)?;
                        let goal = around.joined.principals(&[to]);
                        (around, goal)
                    }
                };
                let from = around.node(&ready, from).ok_or_else(gone)?;
                let (paths, more) = around.joined.paths(&[from], &goal, MOST_PATHS);
                answers::becomes(estate, &around, &[from], &goal, &paths, more)
            }
            Question::Blast { principal } => match self.holder(estate, principal) {
                Ok((ready, at)) => answers::blast(estate, &self.onward(estate, &[&ready.account.id]), at),
                Err(why) => {
                    let (around, from) = self.outside(estate, principal, why)?;
                    answers::several_blast(estate, &around, &from)
                }
            },
        };
        opened(text, detail)
    }

    /// The one group of a name: its account and its ARN; none where there is no such group.
    fn group(&self, estate: &Estate, name: &str) -> Result<Option<(Arc<Ready>, String)>, String> {
        let has = |i: &&Arc<Identity>| {
            i.groups.iter().any(|g| g.arn == name || name.strip_prefix("group/") == Some(g.group_name.as_str()))
        };
        let mut all = estate.identities.iter().filter(has).map(|i| i.account.as_str());
        let found = match (all.next(), all.next()) {
            (Some(one), Some(two)) => {
                let (one, two) = (estate.account_label(one), estate.account_label(two));
                return Err(format!("{name:?} is in several accounts, {one} and {two} among them: name it by ARN."));
            }
            (found, _) => found.and_then(|id| self.account(estate, id)),
        };
        Ok(found.and_then(|ready| ready.account.members(name).map(|(arn, _)| arn).map(|arn| (ready, arn))))
    }

    /// Those from outside whom a name means, over all accounts; or who is in the group that it means.
    fn outside(&self, estate: &Estate, name: &str, why: String) -> Result<(Around, Vec<Node>), String> {
        let Around { ready, joined } = Around::of(self.accounts(estate).collect());
        if let Some((own, group)) = self.group(estate, name)? {
            let members = own.account.members(&group).map(|(_, members)| members).unwrap_or_default();
            if members.is_empty() {
                return Err(format!("Nobody is in {name}."));
            }
            let around = Around { ready, joined };
            let from = members.into_iter().filter_map(|at| around.node(&own, at)).collect();
            return Ok((around, from));
        }
        let graphs: Vec<Graph<'_>> = ready.iter().map(|r| r.graph()).collect();
        match joined.calling(name, graphs.as_slice()) {
            Ok((joined, from)) => {
                drop(graphs);
                Ok((Around { ready, joined }, from))
            }
            Err(nobody) => Err(format!("{} And {}", sentence(why), sentence(nobody.to_string()))),
        }
    }

    /// How somebody from outside becomes another; `why` it is no user or role.
    fn outsider_becomes(&self, estate: &Estate, who: &str, target: Option<&str>, why: String) -> Result<Detail, String> {
        let (around, from) = self.outside(estate, who, why)?;
        let goal = match target {
            None => around.joined.administrator(),
            Some(name) => {
                let (other, to) = self.holder(estate, name)?;
                around.joined.principals(&[around.node(&other, to).ok_or_else(gone)?])
            }
        };
        let (paths, more) = around.joined.paths(&from, &goal, MOST_PATHS);
        Ok(answers::becomes(estate, &around, &from, &goal, &paths, more))
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

    /// A resource as people name it: `role/x` and `user/x` mean the principal's ARN, in this account or the only one that has it.
    fn resource(&self, estate: &Estate, ready: &Ready, named: &str) -> Result<String, String> {
        if !(named.starts_with("role/") || named.starts_with("user/")) {
            return Ok(named.to_owned());
        }
        match ready.account.principal(named) {
            Ok(at) => Ok(ready.account.principals[at].arn.clone()),
            Err(_) => self.holder(estate, named).map(|(ready, at)| ready.account.principals[at].arn.clone()),
        }
    }
}

/// A reason as a sentence of its own.
fn sentence(mut why: String) -> String {
    if !why.ends_with(['.', '?']) {
        why.push('.');
    }
    why
}

/// What was found a moment ago and is not there any more.
fn gone() -> String {
    "What was asked about went away with the last refresh: ask again.".to_owned()
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

/// The ways to principals, those of one name told apart by their accounts.
fn links<'a>(estate: &Estate, arns: impl IntoIterator<Item = &'a str>) -> Vec<Link> {
    let arns: Vec<&str> = arns.into_iter().collect();
    let mut times: HashMap<String, usize> = HashMap::new();
    arns.iter().for_each(|arn| *times.entry(named(arn)).or_default() += 1);
    let told = |arn: &&str| {
        let link = link(arn);
        match account_of(arn).filter(|_| times.get(&link.label).is_some_and(|n| *n > 1)) {
            Some(id) => Link { label: format!("{} of {}", link.label, estate.account_label(id)), ..link },
            None => link,
        }
    };
    arns.iter().map(told).collect()
}

/// The way to a principal's own row.
fn link(arn: &str) -> Link {
    Link::to(named(arn), ListingId::Principals, exactly("id", arn))
}
