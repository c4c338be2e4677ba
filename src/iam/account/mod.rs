//! An account ready to be asked: its principals with the policies that apply to each, compiled once. Asking is in `ask`.
//!
//! What the answers mean together (who can become whom) is `graph`'s work.

mod ask;
#[cfg(test)]
mod tests;

use ask::{ISSUED, TLS};
pub use ask::{is_claim, outsider};

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::center::IdentityCenter;
use super::evaluate::{ActionName, Caller, Compiled, moment};
use super::policy::{Effect, Policy, PolicyError};
use super::resources::Resources;
use super::workloads::{Tagged, Workload, WorkloadKind, known_workloads, running, tagged};
use crate::model::account::{ControlKind, Tags, class_of};
use crate::model::arn::is_whole;
use crate::model::estate::Estate;
use crate::model::principal::{AttachedPolicy, Boundary, Document, Identity, InlinePolicy, ManagedPolicy, Role, User, is_on};
use crate::model::resource;

/// Regions that are tried where the caller chooses one.
const MOST_REGIONS: usize = 16;

/// An account's IAM, compiled.
#[derive(Clone)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Users, then roles, in the order they were read.
    pub principals: Vec<Principal>,
    pub groups: Vec<Group>,
    /// Every policy, each once: managed, inline and trust.
    pub policies: Vec<Compiled>,
    /// Documents that could not be read or are missing; what they say is not part of any answer.
    pub problems: Vec<Problem>,
    /// What the file that it was read from does not say, in sentences.
    pub lacking: Vec<String>,
    /// Machines, functions and the like that act as a role.
    pub workloads: Vec<Workload>,
    /// Kinds of which [`Self::workloads`] has all there are; of others it is not known what runs as which role.
    pub workloads_known: BTreeSet<WorkloadKind>,
    /// Resources whose tags tell the class of their data.
    pub tagged: Vec<Tagged>,
    /// The class that the account's own tags tell.
    pub data_class: Option<String>,
    /// Its say over the permission sets of all accounts.
    pub identity_center: IdentityCenter,
    /// Versions of managed policies that are not in force, by the one that is.
    pub(crate) other_versions: HashMap<usize, Vec<usize>>,
    managed: HashMap<String, usize>,
    by_arn: HashMap<String, usize>,
    /// Users by the ids of their access keys.
    by_key: HashMap<String, usize>,
    /// By user: how many keys it has.
    keys: HashMap<usize, usize>,
    /// By user: whether it has a console password, where the credential report tells.
    passwords: HashMap<usize, bool>,
    scps: Vec<Vec<usize>>,
    rcps: Vec<Vec<usize>>,
    /// Who and what stands here is only a part of the account's IAM.
    pub part: bool,
    /// What carries a policy of its own, in whichever account of the estate.
    resources: Arc<Resources>,
    /// Regions that its policies and those over it name.
    regions: BTreeSet<String>,
}

/// A user or role.
#[derive(Debug, Clone)]
pub struct Principal {
    pub arn: String,
    pub name: String,
    pub path: String,
    pub is_role: bool,
    pub created: Option<Timestamp>,
    /// Roles only; AWS tracks 400 days.
    pub last_used: Option<Timestamp>,
    pub tags: Tags,
    /// Names of its groups.
    pub groups: Vec<String>,
    /// Places in [`Account::policies`] of what is attached to it, its groups' included.
    pub policies: Vec<usize>,
    /// How many of those are its own inline ones and attached ones, without its groups'.
    pub own_policies: usize,
    pub boundary: Option<usize>,
    pub trust: Option<usize>,
    pub instance_profiles: Vec<String>,
    pub caller: Caller,
    /// Names of policies that apply to it and could not be read: they may allow or deny anything.
    pub unread: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub arn: String,
    pub name: String,
    pub policies: Vec<usize>,
    /// As of a principal.
    pub unread: Vec<String>,
}

/// A policy document that is not part of the answers, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The policy's name and whose it is.
    pub policy: String,
    pub why: String,
}

/// A question that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("no user or role {asked:?} in account {account}{near}; name it by ARN, or as user/name or role/name")]
    NoPrincipal { asked: String, account: String, near: String },
    #[error("{id} is the id of a user, role or group that is not in account {account}: it was deleted, or is another account's")]
    Gone { id: String, account: String },
    #[error("{0:?} is no action: write service:Action, like s3:GetObject")]
    NoAction(String),
    #[error(
        "{0:?} is no resource: write its ARN, like arn:aws:s3:::bucket/key, or role/name and user/name for those that are known"
    )]
    NoResource(String),
}

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

impl Account {
    /// How many access keys a principal has, of those that were read.
    pub(crate) fn access_keys(&self, principal: usize) -> usize {
        self.keys.get(&principal).copied().unwrap_or_default()
    }

    /// Whether a user has a console password; none where the credential report does not tell.
    pub(crate) fn has_password(&self, principal: usize) -> Option<bool> {
        self.passwords.get(&principal).copied()
    }

    /// Compiles an account's identities.
    pub fn read(identity: &Identity) -> Self {
        let mut a = Self {
            id: identity.account.clone(),
            principals: Vec::new(),
            groups: Vec::new(),
            policies: Vec::new(),
            problems: Vec::new(),
            lacking: identity.gaps.iter().map(|gap| format!("Account {}: {gap}.", identity.account)).collect(),
            workloads: Vec::new(),
            workloads_known: BTreeSet::new(),
            tagged: Vec::new(),
            data_class: None,
            identity_center: IdentityCenter::Unknown,
            other_versions: HashMap::new(),
            managed: HashMap::new(),
            by_arn: HashMap::new(),
            by_key: HashMap::new(),
            keys: HashMap::new(),
            passwords: HashMap::new(),
            scps: Vec::new(),
            rcps: Vec::new(),
            part: identity.part,
            resources: Arc::default(),
            regions: BTreeSet::new(),
        };
        if a.part {
            a.problem(
                &format!("account {}", a.id),
                "what was read is one page of its IAM: users, roles and policies of the pages behind are missing. Write the answer \
                 again without --max-items and --no-paginate",
            );
        }
        identity.policies.iter().for_each(|p| a.read_managed(p));
        for g in &identity.groups {
            let (policies, unread) =
                a.own(&g.group_policy_list, &g.attached_managed_policies, &format!("group/{}", g.group_name));
            a.groups.push(Group { arn: g.arn.clone(), name: g.group_name.clone(), policies, unread });
        }
        let groups: HashMap<String, Group> = a.groups.iter().map(|g| (g.name.clone(), g.clone())).collect();
        identity.users.iter().for_each(|u| a.read_user(u, &groups));
        a.read_credentials(identity);
        identity.roles.iter().for_each(|r| a.read_role(r));
        a
    }

    /// A managed policy as it is in force, with the versions of it that are not.
    fn read_managed(&mut self, p: &ManagedPolicy) {
        let name = if p.policy_name.is_empty() { p.arn.rsplit('/').next().unwrap_or_default() } else { &p.policy_name };
        match p.default_document() {
            Some(document) => {
                if let Some(at) = self.compile(name, &p.arn, document) {
                    self.managed.insert(p.arn.clone(), at);
                    // AWS's own cannot be switched, so their old versions do not matter.
                    let own = !p.arn.contains(":iam::aws:");
                    for v in p.policy_version_list.iter().filter(|v| own && !v.is_default_version) {
                        let other = self.compile(&format!("{name} {}", v.version_id), &p.arn, &v.document);
                        self.other_versions.entry(at).or_default().extend(other);
                    }
                }
            }
            None => self.problem(name, "its default version is not in what was read"),
        }
    }

    fn read_user(&mut self, u: &User, groups: &HashMap<String, Group>) {
        let who = format!("user/{}", u.user_name);
        let (mut policies, mut unread) = self.own(&u.user_policy_list, &u.attached_managed_policies, &who);
        let own_policies = policies.len();
        for g in &u.group_list {
            match groups.get(g) {
                Some(more) => {
                    policies.extend(&more.policies);
                    unread.extend(more.unread.iter().cloned());
                }
                None => {
                    self.problem(&format!("group/{g}"), &format!("{who} is in it, but it was not read"));
                    unread.push(format!("policies of group/{g}"));
                }
            }
        }
        let mut caller = self.caller(&u.arn, &who, &mut unread);
        caller.id.clone_from(&u.user_id);
        if !u.user_id.is_empty() {
            caller.keys.set("aws:userid", [u.user_id.as_str()]);
        }
        Self::tag(&mut caller, &u.tags);
        // A role's session may bring more tags; a user has those it has.
        caller.keys.close("aws:PrincipalTag/");
        // Only a session says by whom it was begun, and only a machine's how it got its credentials.
        ["aws:SourceIdentity", "ec2:RoleDelivery"].iter().for_each(|key| caller.keys.set(key, [""; 0]));
        let boundary = self.boundary(u.permissions_boundary.as_ref(), &who);
        self.push(Principal {
            arn: u.arn.clone(),
            name: u.user_name.clone(),
            path: u.path.clone(),
            is_role: false,
            created: u.create_date,
            last_used: None,
            tags: u.tags.clone(),
            groups: u.group_list.clone(),
            policies,
            own_policies,
            boundary,
            trust: None,
            instance_profiles: Vec::new(),
            caller,
            unread,
        });
    }

    /// Keys and passwords of the users that were read.
    fn read_credentials(&mut self, identity: &Identity) {
        let users: HashMap<&str, usize> = self.principals.iter().enumerate().rev().map(|(at, p)| (p.name.as_str(), at)).collect();
        for key in &identity.access_keys {
            let Some(at) = users.get(key.user_name.as_str()) else { continue };
            self.by_key.insert(key.access_key_id.clone(), *at);
            *self.keys.entry(*at).or_default() += 1;
        }
        for row in &identity.credentials {
            let of = row.get("arn").and_then(Value::as_str).and_then(|arn| self.by_arn.get(arn).copied());
            self.passwords.extend(of.zip(is_on(row, "password_enabled")));
        }
    }

    fn read_role(&mut self, r: &Role) {
        let who = format!("role/{}", r.role_name);
        let (policies, mut unread) = self.own(&r.role_policy_list, &r.attached_managed_policies, &who);
        let mut caller = self.caller(&r.arn, &who, &mut unread);
        caller.id.clone_from(&r.role_id);
        let boundary = self.boundary(r.permissions_boundary.as_ref(), &who);
        let trust = self.compile(&format!("trust of {who}"), "", &r.assume_role_policy_document);
        // A session's tags take the place of the role's, where its trust lets it bring any.
        let lets = |action: &str| trust.map(|trust| self.policies[trust].allows_somebody(&ActionName::new(action)));
        if lets("sts:TagSession") != Some(true) {
            Self::tag(&mut caller, &r.tags);
        }
        if lets("sts:TagSession") == Some(false) {
            caller.keys.close("aws:PrincipalTag/");
        }
        if lets("sts:SetSourceIdentity") == Some(false) {
            caller.keys.set("aws:SourceIdentity", [""; 0]);
        }
        let own_policies = policies.len();
        self.push(Principal {
            arn: r.arn.clone(),
            name: r.role_name.clone(),
            path: r.path.clone(),
            is_role: true,
            created: r.create_date,
            last_used: r.role_last_used.as_ref().and_then(|l| l.last_used_date),
            tags: r.tags.clone(),
            groups: Vec::new(),
            policies,
            own_policies,
            boundary,
            trust,
            instance_profiles: r.instance_profile_list.iter().map(|p| p.arn.clone()).collect(),
            caller,
            unread,
        });
    }

    /// Compiles one account of an estate: with what runs in it where that was collected, and its organisation.
    pub fn of_estate(estate: &Estate, id: &str) -> Option<Self> {
        Self::among(estate, id, &Arc::new(Resources::of(estate)))
    }

    /// As [`Self::of_estate`], with the resources of the estate as they are ready already.
    pub fn among(estate: &Estate, id: &str, resources: &Arc<Resources>) -> Option<Self> {
        let identity = estate.identity(id)?;
        let mut account = Self::read(identity);
        account.resources = Arc::clone(resources);
        if let Some(organization) = &estate.organization {
            account.set_organization(&organization.id);
            account.identity_center = IdentityCenter::of(organization, id);
            if let Some(known) = estate.account(id) {
                // `o-…/r-…/ou-…/`: the path ends with the unit that holds the account.
                let above = organization.above(known);
                let path = format!("{}/{}/", organization.id, above[..above.len().saturating_sub(1)].join("/"));
                for p in &mut account.principals {
                    p.caller.keys.set("aws:PrincipalOrgPaths", [path.as_str()]);
                }
            }
        }
        account.ask_at(resources.collected());
        let (workloads, seen) = running(estate, identity);
        account.workloads = workloads;
        account.workloads_known.extend(seen.then_some(WorkloadKind::Ec2Instance));
        account.workloads_known.extend(known_workloads(estate, id));
        if let (Some(organization), Some(known)) = (&estate.organization, estate.account(id)) {
            account.set_scps(&organization.levels(ControlKind::Service, known));
            account.set_rcps(&organization.levels(ControlKind::Resource, known));
            for controls in organization.controls.iter().filter(|c| !c.whole && id != organization.management_account) {
                account.problem(controls.kind.name(), "they were not read whole, and answers are given without them");
            }
        }
        account.tagged = tagged(estate, identity);
        account.data_class = estate.account(id).and_then(|a| class_of(&a.tags)).map(str::to_owned);
        Some(account)
    }

    /// Sets the service control policies over the account, by level from the root down: name and document of each.
    pub fn set_scps(&mut self, levels: &[Vec<(String, Document)>]) {
        self.scps = self.levels(levels);
    }

    /// Sets the resource control policies over the account's resources, as [`Self::set_scps`].
    pub fn set_rcps(&mut self, levels: &[Vec<(String, Document)>]) {
        self.rcps = self.levels(levels);
    }

    /// The place of a user or role by its ARN.
    pub(crate) fn place(&self, arn: &str) -> Option<usize> {
        self.by_arn.get(arn).copied()
    }

    /// Tells when those who act are taken to act, where that is known: windows of time are over or not, and a session of a role
    /// begins. They do so over TLS. Who is asked about by a question says both itself.
    pub fn ask_at(&mut self, time: Option<Timestamp>) {
        for p in &mut self.principals {
            let keys = &mut p.caller.keys;
            for (key, time) in time.iter().flat_map(|time| moment(*time)) {
                keys.set(key, [time]);
            }
            let begun = time.filter(|_| p.is_role).map(|time| time.to_string());
            begun.into_iter().for_each(|time| keys.set(ISSUED, [time]));
            keys.set(TLS, ["true"]);
        }
    }

    /// Tells the organisation's id, for `aws:PrincipalOrgID`.
    pub fn set_organization(&mut self, id: &str) {
        if self.resources.organization() != Some(id) {
            Arc::make_mut(&mut self.resources).set_organization(id);
        }
        for p in &mut self.principals {
            p.caller.keys.set("aws:PrincipalOrgID", [id]);
        }
    }

    /// Gives the policy of a resource of this account: a bucket's, a key's, a queue's.
    pub fn set_resource_policy(&mut self, arn: &str, document: &Document) {
        let resource = resource::Resource { arn: arn.to_owned(), policy: Some(document.clone()), ..Default::default() };
        Arc::make_mut(&mut self.resources).put(&self.id, "", resource);
    }

    /// Tells of another account of the organisation.
    pub fn set_known(&mut self, id: &str) {
        Arc::make_mut(&mut self.resources).list(id);
    }

    /// Its organisation's id, where that is known.
    pub fn organization(&self) -> Option<&str> {
        self.resources.organization()
    }

    /// Whether an account is this one, or one of the organisation's.
    pub fn knows(&self, id: &str) -> bool {
        id == self.id || self.resources.lists(id)
    }

    /// What carries a policy of its own, over all accounts of the estate.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The user or role that a person means: its ARN, `role/name`, `user/name` or a name that only one has; the id of one
    /// of its access keys; or what runs as it, by ARN or id (`i-…`, a function's name).
    ///
    /// # Errors
    /// [`AskError::NoPrincipal`], with the nearest name.
    pub fn principal(&self, asked: &str) -> Result<usize, AskError> {
        if let Some(at) = self.by_arn.get(asked) {
            return Ok(*at);
        }
        // A session is of its role.
        if asked.contains(":assumed-role/") {
            let role = Caller::new(asked).arn;
            let name = role.rsplit('/').next().unwrap_or_default();
            if let Some(at) = self.principals.iter().position(|p| p.is_role && p.name == name && role.contains(&self.id)) {
                return Ok(at);
            }
        }
        if let Some(at) = self.by_key.get(asked).copied().or_else(|| self.behind(asked)) {
            return Ok(at);
        }
        let (kind, name) = match asked.split_once('/') {
            Some(("role", rest)) => (Some(true), rest),
            Some(("user", rest)) => (Some(false), rest),
            _ => (None, asked),
        };
        // With its path or without.
        let whole = format!("/{name}");
        let name = name.rsplit('/').next().unwrap_or_default();
        let meant = |p: &Principal| {
            let here = whole.len() == name.len() + 1 || p.arn.ends_with(&whole);
            p.name == name && here && kind.is_none_or(|k| k == p.is_role)
        };
        let mut found = (0..self.principals.len()).filter(|i| meant(&self.principals[*i]));
        match (found.next(), found.next()) {
            (Some(at), None) if !asked.starts_with("arn:") => Ok(at),
            _ if is_unique_id(asked) => {
                let found = self.principals.iter().position(|p| p.caller.id == asked);
                found.ok_or_else(|| AskError::Gone { id: asked.to_owned(), account: self.id.clone() })
            }
            _ => {
                let lower = name.to_ascii_lowercase();
                let near = self.principals.iter().filter(|p| p.name.to_ascii_lowercase().contains(&lower) && !lower.is_empty());
                let near = near.min_by_key(|p| p.name.len());
                Err(AskError::NoPrincipal {
                    asked: asked.chars().take(200).collect(),
                    account: self.id.clone(),
                    near: near.map(|p| format!(" (there is {})", crate::model::arn::short(&p.arn))).unwrap_or_default(),
                })
            }
        }
    }

    /// The role behind what runs, by its ARN, or by its id where no principal has that name.
    fn behind(&self, asked: &str) -> Option<usize> {
        let last = |w: &Workload| w.arn.rsplit(['/', ':']).next() == Some(asked);
        let by_arn = self.workloads.iter().find(|w| w.arn == asked);
        let named = || self.principals.iter().any(|p| p.name == asked);
        let role = by_arn.or_else(|| self.workloads.iter().find(|w| last(w)).filter(|_| !named()))?;
        self.by_arn.get(&role.role_arn).copied()
    }

    /// The account without one statement of one of its policies, to see what that statement makes possible.
    pub(crate) fn without(&self, policy: usize, statement: usize) -> Self {
        let mut without = self.clone();
        if let Some(p) = without.policies.get_mut(policy).filter(|p| statement < p.policy.statements.len()) {
            let mut rest = p.policy.clone();
            rest.statements.remove(statement);
            *p = Compiled::new(p.name.clone(), p.arn.clone(), rest);
        }
        without
    }

    /// As [`Self::without`], of the policy of a resource, by its place in [`Self::resources`].
    pub(crate) fn without_of_resource(&self, place: usize, statement: usize) -> Self {
        Self { resources: Arc::new(self.resources.without(place, statement)), ..self.clone() }
    }

    pub(crate) fn scp_levels(&self) -> &[Vec<usize>] {
        &self.scps
    }

    /// The resource control policies over the account's own resources, by level.
    pub(crate) fn rcp_levels(&self) -> Vec<Vec<&Compiled>> {
        self.rcps.iter().map(|level| level.iter().map(|i| &self.policies[*i]).collect()).collect()
    }

    fn push(&mut self, p: Principal) {
        self.by_arn.insert(p.arn.clone(), self.principals.len());
        self.principals.push(p);
    }

    fn problem(&mut self, policy: &str, why: &str) {
        self.problems.push(Problem { policy: policy.to_owned(), why: why.to_owned() });
    }

    fn compile(&mut self, name: &str, arn: &str, document: &Document) -> Option<usize> {
        match Policy::in_force(&document.0) {
            Ok(policy) => {
                let asked = policy.statements.iter().flat_map(|s| &s.conditions);
                let of_region = asked.filter(|c| c.key.text.eq_ignore_ascii_case("aws:RequestedRegion"));
                for value in of_region.flat_map(|c| &c.values) {
                    if self.regions.len() < MOST_REGIONS {
                        self.regions.insert(value.text.replace(['*', '?'], "x"));
                    }
                }
                self.policies.push(Compiled::new(name, arn, policy));
                Some(self.policies.len() - 1)
            }
            Err(PolicyError { what, line, column, .. }) => {
                self.problem(name, &format!("line {line}, column {column}: {what}"));
                None
            }
        }
    }

    fn levels(&mut self, levels: &[Vec<(String, Document)>]) -> Vec<Vec<usize>> {
        levels.iter().map(|l| l.iter().filter_map(|(name, d)| self.compile(name, "", d)).collect()).collect()
    }

    /// What is attached to somebody; the names of what could not be read.
    fn own(&mut self, inline: &[InlinePolicy], attached: &[AttachedPolicy], who: &str) -> (Vec<usize>, Vec<String>) {
        let (mut all, mut unread) = (Vec::new(), Vec::new());
        for p in inline {
            let name = format!("inline {} of {who}", p.policy_name);
            match self.compile(&name, "", &p.policy_document) {
                Some(at) => all.push(at),
                None => unread.push(name),
            }
        }
        for p in attached {
            match self.attached(&p.policy_arn, who) {
                Some(at) => all.push(at),
                None => unread.push(p.policy_arn.clone()),
            }
        }
        (all, unread)
    }

    fn attached(&mut self, arn: &str, who: &str) -> Option<usize> {
        if let Some(at) = self.managed.get(arn) {
            return Some(*at);
        }
        if arn == ADMINISTRATOR {
            // The one AWS managed policy whose meaning must not be missed where only an account's own were read.
            let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
            let at = self.compile("AdministratorAccess", arn, &Document(text.to_owned()))?;
            self.managed.insert(arn.to_owned(), at);
            return Some(at);
        }
        self.problem(arn, &format!("it is attached to {who}, but was not read"));
        None
    }

    fn boundary(&mut self, boundary: Option<&Boundary>, who: &str) -> Option<usize> {
        let boundary = boundary.filter(|b| !b.permissions_boundary_arn.is_empty())?;
        let arn = &boundary.permissions_boundary_arn;
        self.attached(arn, &format!("{who} as its boundary")).or_else(|| {
            // What an unread boundary allows is not known: the answer depends on it.
            let name = arn.rsplit('/').next().unwrap_or_default();
            self.policies.push(Compiled::unread("the boundary", name, arn, &[Effect::Allow]));
            Some(self.policies.len() - 1)
        })
    }

    /// Who asks by an ARN; where a file was changed by hand and that is none, what names it is not known.
    fn caller(&mut self, arn: &str, who: &str, unread: &mut Vec<String>) -> Caller {
        if is_whole(arn) {
            return Caller::new(arn);
        }
        let named = if arn.is_empty() { who } else { arn };
        self.problem(named, "this is no ARN: what speaks of it is not known");
        unread.push(format!("policies that name {who} by its ARN"));
        Caller::new(&format!("arn:aws:iam::{}:{who}", self.id))
    }

    fn tag(caller: &mut Caller, tags: &Tags) {
        for (key, value) in tags {
            caller.keys.set(&format!("aws:PrincipalTag/{key}"), [value.as_str()]);
        }
    }
}

/// Whether it is one of the ids that AWS gives users, roles and groups ("IAM identifiers", unique identifiers): policies show
/// it in place of the ARN of one that was deleted.
pub fn is_unique_id(text: &str) -> bool {
    let kinds = ["AIDA", "AROA", "AGPA", "ANPA"];
    text.len() >= 16
        && kinds.iter().any(|kind| text.starts_with(kind))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
