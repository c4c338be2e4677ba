//! What carries a policy of its own, over all accounts of an estate: whose it is, what its policy says, and which resource
//! control policies lie over it. Policies are compiled when they are first asked for.
//!
//! Whom they let in from outside is `openings`' work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::center::{IdentityCenter, is_of_a_set, set_of};
use super::evaluate::{self, ActionName, Caller, CallerKind, Compiled, ResourcePolicy, moment};
use super::policy::Policy;
use super::public::is_public;
use crate::model::account::ControlKind;
use crate::model::arn::short;
use crate::model::document::Document;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::principal::{Identity, Role};
use crate::model::resource::{Grant, Resource};

/// The resources of an estate, ready to be asked about.
#[derive(Default, Clone)]
pub struct Resources {
    held: Vec<Arc<Held>>,
    /// Places of them.
    by_arn: HashMap<String, usize>,
    organization: Option<String>,
    collected: Option<Timestamp>,
    accounts: HashMap<String, Over>,
    regions: Vec<Arc<RegionEstate>>,
    abroad: OnceLock<Abroad>,
    centers: Centers,
}

/// Accounts that have a say over IAM Identity Center.
#[derive(Default, Clone)]
struct Centers {
    management: String,
    delegated: Vec<String>,
}

/// What lets other accounts in: the trusts of roles, and policies by which the code of functions is changed.
#[derive(Default, Clone)]
struct Abroad {
    /// ARNs of roles by the account that their trust names, in whatever way.
    by_account: BTreeMap<String, Vec<String>>,
    /// Those that name everyone.
    open: Vec<String>,
    /// Functions by their place, with the ARN of the role that they run as.
    functions: Vec<(usize, String)>,
    /// By account: those that its roles and functions name, and whether any names everyone.
    named: BTreeMap<String, (BTreeSet<String>, bool)>,
    /// Their trust, each once.
    trusts: HashMap<String, Arc<Compiled>>,
    /// ARNs of the roles that IAM Identity Center keeps, by account.
    of_sets: BTreeMap<String, Vec<String>>,
}

/// One of them.
#[derive(Clone)]
pub struct Held {
    /// Twelve digits: whose it is, which a bucket's ARN does not tell.
    pub account: String,
    pub region: String,
    pub resource: Resource,
    compiled: OnceLock<Option<Arc<Compiled>>>,
    blocked: OnceLock<Option<Arc<Compiled>>>,
}

/// What puts code of one's own into a function.
pub const CHANGES_CODE: [&str; 2] = ["lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"];

/// Block Public Access as the statement it amounts to for those of other accounts.
const BLOCKED: &str = r#"{"Version":"2012-10-17","Statement":{"Sid":"RestrictPublicBuckets","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;

/// What is over and in an account that others ask about.
#[derive(Clone)]
struct Over {
    listed: bool,
    identity: Option<Arc<Identity>>,
    /// Resource control policies by level: name and document.
    levels: Vec<Vec<(String, Document)>>,
    compiled: OnceLock<Vec<Vec<Compiled>>>,
}

impl Held {
    fn new(account: &str, region: &str, resource: Resource) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            resource,
            compiled: OnceLock::new(),
            blocked: OnceLock::new(),
        }
    }

    /// The policy with the key's grants; none where there is none, or what there is cannot be read.
    pub fn policy(&self) -> Option<&Compiled> {
        self.shared().map(|policy| &**policy)
    }

    /// The same, to be kept.
    pub(crate) fn shared(&self) -> Option<&Arc<Compiled>> {
        let made = self.compiled.get_or_init(|| {
            let mut policy = self.resource.policy.as_ref().and_then(|d| Policy::in_force(&d.0).ok());
            if let Some(grants) = granted(&self.resource.grants) {
                match &mut policy {
                    Some(policy) => policy.statements.extend(grants.statements),
                    None => policy = Some(grants),
                }
            }
            let name = format!("policy of {}", short(&self.resource.arn));
            policy.map(|policy| Arc::new(Compiled::new(name, &self.resource.arn, policy)))
        });
        made.as_ref()
    }

    /// It without one statement of its policy; none where there is no such statement.
    fn without(&self, statement: usize) -> Option<Self> {
        let policy = self.policy().filter(|p| statement < p.policy.statements.len())?;
        let mut rest = policy.policy.clone();
        rest.statements.remove(statement);
        let without = Self::new(&self.account, &self.region, self.resource.clone());
        let _ = without.compiled.set(Some(Arc::new(Compiled::new(policy.name.clone(), policy.arn.clone(), rest))));
        Some(without)
    }

    /// Whether all that its policy says is known.
    pub fn is_known(&self) -> bool {
        !self.resource.unread && (self.resource.policy.is_none() || self.policy().is_some())
    }

    /// Whether nobody of another account gets in, whatever the policy says: a bucket whose policy is public is kept to its own
    /// account and AWS's services (Amazon S3, `RestrictPublicBuckets`), those whom the policy names left out.
    pub fn is_restricted(&self) -> bool {
        self.resource.restricted == Some(true) && self.policy().is_some_and(|p| is_public(&p.policy))
    }

    /// The policy as a layer of an evaluation of a caller's request.
    pub fn layer(&self, caller: &Caller) -> ResourcePolicy<'_> {
        if caller.account != self.account && caller.kind != CallerKind::Service && self.is_restricted() {
            let made = self.blocked.get_or_init(|| {
                let name = format!("Block Public Access of {}", short(&self.resource.arn));
                Some(Arc::new(Compiled::new(name, &self.resource.arn, Policy::read(BLOCKED).ok()?)))
            });
            return made.as_deref().map_or(ResourcePolicy::Unknown, ResourcePolicy::Is);
        }
        match self.policy() {
            _ if !self.is_known() => ResourcePolicy::Unknown,
            Some(policy) => ResourcePolicy::Is(policy),
            None => ResourcePolicy::None,
        }
    }
}

/// KMS grants as the statements they amount to (AWS: "Grants in AWS KMS": a grant is considered together with the key
/// policy; it allows its operations to its grantee, under its encryption context).
fn granted(grants: &[Grant]) -> Option<Policy> {
    let statements: Vec<serde_json::Value> = grants
        .iter()
        .filter(|g| !g.operations.is_empty() && !g.grantee_principal.is_empty())
        .map(|g| {
            let kind = if g.grantee_principal.starts_with("arn:") { "AWS" } else { "Service" };
            let actions: Vec<String> = g.operations.iter().map(|op| format!("kms:{op}")).collect();
            let mut conditions = serde_json::Map::new();
            let context = g.constraints.iter().flat_map(|c| c.values()).filter_map(serde_json::Value::as_object);
            for (key, value) in context.flatten() {
                conditions.insert(format!("kms:EncryptionContext:{key}"), value.clone());
            }
            let sid = format!("grant {}", g.name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&g.grant_id));
            let mut statement = serde_json::json!({
                "Sid": sid, "Effect": "Allow", "Principal": {kind: g.grantee_principal}, "Action": actions, "Resource": "*",
            });
            if !conditions.is_empty() {
                statement["Condition"] = serde_json::json!({"StringEquals": conditions});
            }
            statement
        })
        .collect();
    if statements.is_empty() {
        return None;
    }
    Policy::read(&serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string()).ok()
}

impl Resources {
    /// Those of an estate.
    pub fn of(estate: &Estate) -> Self {
        let mut all = Self { regions: estate.regions.clone(), collected: estate.collected, ..Self::default() };
        if let Some(organization) = &estate.organization {
            all.organization = Some(organization.id.clone());
            let delegates = organization.delegates.iter().flat_map(BTreeMap::keys);
            let delegated = delegates.filter(|id| IdentityCenter::of(organization, id) == IdentityCenter::Delegated);
            all.centers =
                Centers { management: organization.management_account.clone(), delegated: delegated.cloned().collect() };
        }
        for region in &estate.regions {
            for resource in &region.resources {
                all.put(&region.account, &region.region, resource.clone());
            }
        }
        for account in &estate.accounts {
            let levels = estate.organization.as_ref().map(|o| o.levels(ControlKind::Resource, account)).unwrap_or_default();
            let identity = estate.identity(&account.id).map(Arc::clone);
            all.accounts.insert(account.id.clone(), Over { listed: true, identity, levels, compiled: OnceLock::new() });
        }
        for identity in &estate.identities {
            let fresh = || Over { listed: false, identity: None, levels: Vec::new(), compiled: OnceLock::new() };
            all.accounts.entry(identity.account.clone()).or_insert_with(fresh).identity = Some(Arc::clone(identity));
        }
        all
    }

    /// Adds one, in place of what was known by its ARN.
    pub fn put(&mut self, account: &str, region: &str, resource: Resource) {
        let place = *self.by_arn.entry(resource.arn.clone()).or_insert(self.held.len());
        let held = Arc::new(Held::new(account, region, resource));
        match self.held.get_mut(place) {
            Some(before) => *before = held,
            None => self.held.push(held),
        }
    }

    /// They without one statement of a resource's policy, by the resource's place.
    pub(crate) fn without(&self, place: usize, statement: usize) -> Self {
        let mut without = self.clone();
        let held = self.held.get(place).and_then(|held| held.without(statement));
        if let (Some(before), Some(held)) = (without.held.get_mut(place), held) {
            *before = Arc::new(held);
        }
        without
    }

    /// Whether an estate still says what these were made from. The accounts are for the caller to compare.
    pub fn hold(&self, estate: &Estate) -> bool {
        self.regions.len() == estate.regions.len()
            && self.regions.iter().zip(&estate.regions).all(|(a, b)| Arc::ptr_eq(a, b) || is_same(a, b))
            && estate.identities.iter().all(|i| {
                self.accounts.get(&i.account).and_then(|o| o.identity.as_ref()).is_some_and(|known| Arc::ptr_eq(known, i))
            })
    }

    /// What stands behind an ARN: itself, or the bucket of an object.
    pub fn find(&self, arn: &str) -> Option<&Held> {
        self.at(self.place(arn)?)
    }

    /// Its place among all of the estate, which stays the same.
    pub fn place(&self, arn: &str) -> Option<usize> {
        let found = self.by_arn.get(arn).or_else(|| {
            let (bucket, _) = arn.split_once('/')?;
            self.by_arn.get(bucket).filter(|_| arn.split(':').nth(2) == Some("s3"))
        });
        found.copied()
    }

    /// What stands at a place.
    pub fn at(&self, place: usize) -> Option<&Held> {
        self.held.get(place).map(|held| &**held)
    }

    /// Itself or a part of it, with what is known of whose it is.
    pub(crate) fn resource(&self, held: &Held, arn: &str) -> evaluate::Resource {
        let mut resource = evaluate::Resource::new(arn).in_account(&held.account);
        if let Some(organization) = self.organization().filter(|_| self.lists(&held.account)) {
            resource.set_key("aws:ResourceOrgID", [organization]);
        }
        resource
    }

    /// A resource as it stands open to strangers when it was read: what let in until an earlier day does no more.
    pub(crate) fn as_read(&self, mut resource: evaluate::Resource) -> evaluate::Resource {
        self.collected.iter().flat_map(|time| moment(*time)).for_each(|(key, time)| resource.set_key(key, [time]));
        resource
    }

    /// When the estate was read.
    pub fn collected(&self) -> Option<Timestamp> {
        self.collected
    }

    /// The organisation's id, where that is known.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// Tells it.
    pub fn set_organization(&mut self, id: &str) {
        self.organization = Some(id.to_owned());
    }

    /// Those of an account, by ARN.
    pub fn in_account(&self, account: &str) -> Vec<&Held> {
        self.sorted(|held| held.account == account)
    }

    /// All, by ARN.
    pub fn all(&self) -> Vec<&Held> {
        self.sorted(|_| true)
    }

    fn sorted(&self, of: impl Fn(&Held) -> bool) -> Vec<&Held> {
        let mut all: Vec<&Held> = self.held.iter().map(|held| &**held).filter(|held| of(held)).collect();
        all.sort_by(|a, b| a.resource.arn.cmp(&b.resource.arn));
        all
    }

    /// Whether an account is one of those that the organisation lists.
    pub fn lists(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|over| over.listed)
    }

    /// Whether an account's IAM was read.
    pub fn has_read(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|over| over.identity.is_some())
    }

    /// Accounts that the organisation lists and whose IAM was not read, by id.
    pub fn unread(&self) -> Vec<&str> {
        let unread = self.accounts.iter().filter(|(_, over)| over.listed && over.identity.is_none());
        let mut all: Vec<&str> = unread.map(|(id, _)| id.as_str()).collect();
        all.sort_unstable();
        all
    }

    /// Adds an account to those that the organisation lists.
    pub fn list(&mut self, account: &str) {
        let fresh = || Over { listed: true, identity: None, levels: Vec::new(), compiled: OnceLock::new() };
        self.accounts.entry(account.to_owned()).or_insert_with(fresh).listed = true;
    }

    /// The trust of a role that other accounts may be let into by it, of any account whose IAM was read.
    pub fn trust(&self, role: &str) -> Option<Arc<Compiled>> {
        if let Some(known) = self.abroad().trusts.get(role) {
            return Some(Arc::clone(known));
        }
        let identity = self.accounts.get(role.split(':').nth(4)?)?.identity.as_ref()?;
        let role = identity.roles.iter().find(|r| r.arn == role)?;
        trust_of(role).map(Arc::new)
    }

    /// Whether a role's trust may let somebody of an account in.
    pub fn trusts(&self, role: &str, account: &str) -> bool {
        self.roles_trusting(account).contains(&role)
    }

    /// Roles of other accounts that may trust somebody of this one, by ARN: their trust names the account, or everyone.
    pub fn roles_trusting(&self, account: &str) -> Vec<&str> {
        let abroad = self.abroad();
        let named = abroad.by_account.get(account).into_iter().flatten();
        let elsewhere = |role: &&String| role.split(':').nth(4) != Some(account);
        let roles: BTreeSet<&str> = named.chain(&abroad.open).filter(elsewhere).map(String::as_str).collect();
        roles.into_iter().collect()
    }

    /// Functions whose own policies let somebody change their code: whose they are, their places, and the ARNs of the roles that
    /// they run as.
    pub(crate) fn open_functions(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        self.abroad().functions.iter().map(|(place, role)| (self.held[*place].account.as_str(), *place, role.as_str()))
    }

    /// Accounts whose IAM was read and of which a role of this account, or the policy of a function, may let somebody in.
    pub fn trusted_by(&self, account: &str) -> Vec<&str> {
        let abroad = self.abroad();
        let read = |id: &&String| id.as_str() != account && self.accounts.get(*id).is_some_and(|o| o.identity.is_some());
        let mut found: Vec<&str> = match abroad.named.get(account) {
            Some((_, true)) => self.accounts.keys().filter(read).map(String::as_str).collect(),
            Some((named, false)) => named.iter().filter(read).map(String::as_str).collect(),
            None => Vec::new(),
        };
        if abroad.of_sets.contains_key(account) {
            let keeps =
                self.centers.delegated.iter().chain([&self.centers.management]).filter(|id| self.accounts.contains_key(*id));
            found.extend(keeps.filter(read).map(String::as_str));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The roles of other accounts that an account keeps by IAM Identity Center, by ARN.
    pub fn kept_by_center(&self, account: &str, center: IdentityCenter) -> Vec<&str> {
        let all = self.abroad().of_sets.iter().filter(|(id, _)| match center {
            IdentityCenter::Management | IdentityCenter::Delegated => *id != account,
            IdentityCenter::No | IdentityCenter::Unknown => false,
        });
        all.flat_map(|(_, roles)| roles).map(String::as_str).collect()
    }

    /// Whether an account is the management account, in which a delegate assigns nobody.
    pub fn is_management(&self, account: &str) -> bool {
        !account.is_empty() && self.centers.management == account
    }

    /// Whether the management account has a role of a permission set, which then only it may change (IAM Identity Center:
    /// "Delegated administration"); none where its IAM was not read.
    pub fn is_set_of_management(&self, set: &str) -> Option<bool> {
        self.accounts.get(&self.centers.management)?.identity.as_ref()?;
        let roles = self.abroad().of_sets.get(&self.centers.management);
        Some(roles.is_some_and(|roles| roles.iter().any(|role| set_of(role) == set)))
    }

    /// The accounts from which ways may lead into some, by whom roles trust, those first.
    pub fn inward(&self, into: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut next: Vec<&str> = into.to_vec();
        while let Some(id) = next.pop() {
            if !all.iter().any(|known| known == id) {
                all.push(id.to_owned());
                next.extend(self.trusted_by(id));
            }
        }
        all
    }

    /// All roles are looked over once: most trust nobody outside.
    fn abroad(&self) -> &Abroad {
        self.abroad.get_or_init(|| {
            let mut abroad = Abroad::default();
            for (own, identity) in self.accounts.iter().filter_map(|(id, over)| Some((id, over.identity.as_ref()?))) {
                for role in &identity.roles {
                    if is_of_a_set(&role.path) {
                        abroad.of_sets.entry(own.clone()).or_default().push(role.arn.clone());
                    }
                    let (named, open) = abroad.note(own, &role.assume_role_policy_document);
                    if !open && named.is_empty() {
                        continue;
                    }
                    for id in named {
                        abroad.by_account.entry(id).or_default().push(role.arn.clone());
                    }
                    abroad.open.extend(open.then(|| role.arn.clone()));
                    abroad.trusts.extend(trust_of(role).map(|trust| (role.arn.clone(), Arc::new(trust))));
                }
            }
            let changes = CHANGES_CODE.map(ActionName::new);
            let speaks = |policy: &Compiled| changes.iter().any(|action| policy.allows_somebody(action));
            for f in self.regions.iter().flat_map(|region| &region.workloads.functions).filter(|f| !f.role.is_empty()) {
                let Some(place) = self.by_arn.get(&f.function_arn).copied() else { continue };
                let held = &self.held[place];
                if let Some(document) = held.resource.policy.as_ref().filter(|_| held.policy().is_some_and(speaks)) {
                    abroad.note(&held.account, document);
                    abroad.functions.push((place, f.role.clone()));
                }
            }
            abroad
        })
    }

    /// The resource control policies over an account's resources, by level from the root down.
    pub fn rcps(&self, account: &str) -> Vec<Vec<&Compiled>> {
        let Some(over) = self.accounts.get(account) else { return Vec::new() };
        let levels = over.compiled.get_or_init(|| {
            let read = |(name, document): &(String, Document)| {
                let policy = Policy::in_force(&document.0).ok()?;
                Some(Compiled::new(name, "", policy))
            };
            over.levels.iter().map(|level| level.iter().filter_map(read).collect()).collect()
        });
        levels.iter().map(|level| level.iter().collect()).collect()
    }
}

impl Abroad {
    /// Notes whom a document of an account names: other accounts, and whether everyone.
    fn note(&mut self, own: &str, document: &Document) -> (BTreeSet<String>, bool) {
        let text = document.unescaped();
        let open = text.contains("\"*\"") || text.contains("NotPrincipal");
        let named: BTreeSet<String> = accounts_in(&text).filter(|id| *id != own).map(str::to_owned).collect();
        if open || !named.is_empty() {
            let noted = self.named.entry(own.to_owned()).or_default();
            noted.0.extend(named.iter().cloned());
            noted.1 |= open;
        }
        (named, open)
    }
}

/// Whether two tell the same resources, and the same of who runs as what.
fn is_same(a: &RegionEstate, b: &RegionEstate) -> bool {
    (&a.account, &a.region, &a.resources) == (&b.account, &b.region, &b.resources)
        && a.workloads.functions == b.workloads.functions
}

fn trust_of(role: &Role) -> Option<Compiled> {
    let document = &role.assume_role_policy_document.0;
    let policy = Policy::in_force(document).ok()?;
    Some(Compiled::new(format!("trust of role/{}", role.role_name), "", policy))
}

/// Twelve digits in a row, wherever a document has them.
fn accounts_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 12)
}
