//! An account ready to be asked: its principals with the policies that apply to each, compiled once.
//!
//! What the answers mean together (who can become whom) is `graph`'s work.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::evaluate::{
    ActionName, Answer, Caller, CallerKind, Compiled, Context, Decision, Layers, Request, Resource, ResourcePolicy, decide,
    explain,
};
use super::facts::{facts, held_against};
use super::policy::{Effect, Element, Policy, PolicyError, Statement};
use super::resources::{Held, Resources};
use super::workloads::{Tagged, Workload, WorkloadKind, known_workloads, running, tagged};
use crate::model::account::{ControlKind, Tags, class_of};
use crate::model::estate::Estate;
use crate::model::principal::{AttachedPolicy, Boundary, Document, Identity, InlinePolicy};
use crate::model::resource;

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
    /// Machines, functions and the like that act as a role.
    pub workloads: Vec<Workload>,
    /// Kinds of which [`Self::workloads`] has all there are; of others it is not known what runs as which role.
    pub workloads_known: BTreeSet<WorkloadKind>,
    /// Resources whose tags tell the class of their data.
    pub tagged: Vec<Tagged>,
    /// The class that the account's own tags tell.
    pub data_class: Option<String>,
    /// Whether it is its organisation's management account, which keeps IAM Identity Center unless that is delegated.
    pub manages: Option<bool>,
    /// Versions of managed policies that are not in force, by the one that is.
    pub(crate) other_versions: HashMap<usize, Vec<usize>>,
    managed: HashMap<String, usize>,
    by_arn: HashMap<String, usize>,
    /// Users by the ids of their access keys.
    by_key: HashMap<String, usize>,
    scps: Vec<Vec<usize>>,
    rcps: Vec<Vec<usize>>,
    /// Who and what stands here is only a part of the account's IAM.
    pub part: bool,
    /// What carries a policy of its own, in whichever account of the estate.
    resources: Arc<Resources>,
    organization: Option<String>,
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
    #[error("{0:?} is no action: write service:Action, like s3:GetObject")]
    NoAction(String),
    #[error(
        "{0:?} is no resource: write its ARN, like arn:aws:s3:::bucket/key, or role/name and user/name for those that are known"
    )]
    NoResource(String),
}

/// Services whose resources carry policies (AWS: "AWS services that work with IAM", resource-based policies), of those
/// that people ask about most.
const CARRY_POLICIES: &[&str] = &[
    "s3",
    "kms",
    "sqs",
    "sns",
    "lambda",
    "secretsmanager",
    "ecr",
    "dynamodb",
    "elasticfilesystem",
    "es",
    "glue",
    "backup",
    "events",
    "kinesis",
    "execute-api",
    "codeartifact",
    "glacier",
    "logs",
    "ses",
    "s3express",
];

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// No service takes a policy of more than 32 KB; white space and escapes add to that.
const LARGEST: usize = 256 << 10;

impl Account {
    /// Compiles an account's identities.
    pub fn read(identity: &Identity) -> Self {
        let mut a = Self {
            id: identity.account.clone(),
            principals: Vec::new(),
            groups: Vec::new(),
            policies: Vec::new(),
            problems: Vec::new(),
            workloads: Vec::new(),
            workloads_known: BTreeSet::new(),
            tagged: Vec::new(),
            data_class: None,
            manages: None,
            other_versions: HashMap::new(),
            managed: HashMap::new(),
            by_arn: HashMap::new(),
            by_key: HashMap::new(),
            scps: Vec::new(),
            rcps: Vec::new(),
            part: identity.part,
            resources: Arc::default(),
            organization: None,
        };
        if a.part {
            a.problem(
                &format!("account {}", a.id),
                "what was read is one page of its IAM: users, roles and policies of the pages behind are missing. Write the answer \
                 again without --max-items and --no-paginate",
            );
        }
        for p in &identity.policies {
            let name = if p.policy_name.is_empty() { p.arn.rsplit('/').next().unwrap_or_default() } else { &p.policy_name };
            match p.default_document() {
                Some(document) => {
                    if let Some(at) = a.compile(name, &p.arn, document) {
                        a.managed.insert(p.arn.clone(), at);
                        // AWS's own cannot be switched, so their old versions do not matter.
                        let own = !p.arn.contains(":iam::aws:");
                        for v in p.policy_version_list.iter().filter(|v| own && !v.is_default_version) {
                            let other = a.compile(&format!("{name} {}", v.version_id), &p.arn, &v.document);
                            a.other_versions.entry(at).or_default().extend(other);
                        }
                    }
                }
                None => a.problem(name, "its default version is not in what was read"),
            }
        }
        for g in &identity.groups {
            let (policies, unread) =
                a.own(&g.group_policy_list, &g.attached_managed_policies, &format!("group/{}", g.group_name));
            a.groups.push(Group { arn: g.arn.clone(), name: g.group_name.clone(), policies, unread });
        }
        let groups: HashMap<String, Group> = a.groups.iter().map(|g| (g.name.clone(), g.clone())).collect();
        for u in &identity.users {
            let who = format!("user/{}", u.user_name);
            let (mut policies, mut unread) = a.own(&u.user_policy_list, &u.attached_managed_policies, &who);
            let own_policies = policies.len();
            for g in &u.group_list {
                match groups.get(g) {
                    Some(more) => {
                        policies.extend(&more.policies);
                        unread.extend(more.unread.iter().cloned());
                    }
                    None => {
                        a.problem(&format!("group/{g}"), &format!("{who} is in it, but it was not read"));
                        unread.push(format!("policies of group/{g}"));
                    }
                }
            }
            let mut caller = Caller::new(&u.arn);
            caller.id.clone_from(&u.user_id);
            if !u.user_id.is_empty() {
                caller.keys.set("aws:userid", [u.user_id.as_str()]);
            }
            Self::tag(&mut caller, &u.tags);
            // A role's session may bring more tags; a user has those it has.
            caller.keys.close("aws:PrincipalTag/");
            let boundary = a.boundary(u.permissions_boundary.as_ref(), &who);
            a.push(Principal {
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
        for key in &identity.access_keys {
            let at = a.principals.iter().position(|p| p.name == key.user_name);
            a.by_key.extend(at.map(|at| (key.access_key_id.clone(), at)));
        }
        for r in &identity.roles {
            let who = format!("role/{}", r.role_name);
            let (policies, unread) = a.own(&r.role_policy_list, &r.attached_managed_policies, &who);
            let mut caller = Caller::new(&r.arn);
            caller.id.clone_from(&r.role_id);
            Self::tag(&mut caller, &r.tags);
            let boundary = a.boundary(r.permissions_boundary.as_ref(), &who);
            let trust = a.compile(&format!("trust of {who}"), "", &r.assume_role_policy_document);
            let own_policies = policies.len();
            a.push(Principal {
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
        a
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
            let management = organization.management_account.as_str();
            account.manages = (!management.is_empty()).then(|| id == management);
            if let Some(known) = estate.account(id) {
                // `o-…/r-…/ou-…/`: the path ends with the unit that holds the account.
                let above = organization.above(known);
                let path = format!("{}/{}/", organization.id, above[..above.len().saturating_sub(1)].join("/"));
                for p in &mut account.principals {
                    p.caller.keys.set("aws:PrincipalOrgPaths", [path.as_str()]);
                }
            }
        }
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
    /// Tells the organisation's id, for `aws:PrincipalOrgID`.
    pub fn set_organization(&mut self, id: &str) {
        self.organization = Some(id.to_owned());
        for p in &mut self.principals {
            p.caller.keys.set("aws:PrincipalOrgID", [id]);
        }
    }
    /// Gives the policy of a resource of this account: a bucket's, a key's, a queue's.
    pub fn set_resource_policy(&mut self, arn: &str, document: &Document) {
        let resource = resource::Resource { arn: arn.to_owned(), policy: Some(document.clone()), ..Default::default() };
        Arc::make_mut(&mut self.resources).put(&self.id, "", resource);
    }
    /// What carries a policy of its own, over all accounts of the estate.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
    /// Whether a resource may have a policy of its own that was not read.
    pub fn is_blind(&self, arn: &str) -> bool {
        let service = arn.split(':').nth(2).unwrap_or_default();
        CARRY_POLICIES.contains(&service) && !self.resources.find(arn).is_some_and(Held::is_known)
    }
    /// What answers do without, in sentences; empty where everything is known.
    pub fn gaps(&self, resource: &str) -> Vec<String> {
        let mut gaps: Vec<String> = self.problems.iter().map(|p| format!("{}: {}.", p.policy, p.why)).collect();
        if self.organization.is_none() {
            gaps.push(
                "No organisation is known: if there is one, its service and resource control policies are left out.".into(),
            );
        }
        if self.is_blind(resource) {
            gaps.push(format!("The policy of {resource} was not read: it may allow or deny more."));
        }
        gaps
    }
    /// Whose a resource is, where that is known: a bucket's ARN does not tell.
    pub fn owner<'a>(&'a self, arn: &'a str) -> Option<&'a str> {
        let named = arn.split(':').nth(4).filter(|account| !account.is_empty());
        named.or_else(|| self.resources.find(arn).map(|held| held.account.as_str()))
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
        let name = name.rsplit('/').next().unwrap_or_default();
        let mut found = (0..self.principals.len())
            .filter(|i| self.principals[*i].name == name && kind.is_none_or(|k| k == self.principals[*i].is_role));
        match (found.next(), found.next()) {
            (Some(at), None) if !asked.starts_with("arn:") => Ok(at),
            _ => {
                let lower = name.to_ascii_lowercase();
                let near = self.principals.iter().find(|p| p.name.to_ascii_lowercase().contains(&lower) && !lower.is_empty());
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

    /// Whether a principal may do something, and why.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn can(&self, principal: &str, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        let at = self.principal(principal)?;
        let action = ask_action(action)?;
        let session = principal.contains(":assumed-role/").then(|| {
            let mut caller = self.principals[at].caller.clone();
            caller.session = Some(principal.to_owned());
            let name = principal.rsplit('/').next().unwrap_or_default();
            if !caller.id.is_empty() {
                caller.keys.set("aws:userid", [format!("{}:{name}", caller.id)]);
            }
            caller
        });
        let caller = session.as_ref().unwrap_or(&self.principals[at].caller);
        let asked = self.named(resource)?;
        Ok(self.with_layers(at, &action, &self.asked(&action, &asked), None, |layers, resource| {
            explain(&Request { caller, action: &action, resource, context }, layers)
        }))
    }

    /// As [`Self::can`], for one who is no user or role of the account: `root` or the ARN of its root user, `*` for whoever has
    /// no account, an AWS service (`lambda.amazonaws.com`), an identity provider, somebody of another account, of whose own
    /// policies nothing is known.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn can_outsider(&self, who: &str, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        let caller = match who {
            "root" => Caller::new(&format!("arn:aws:iam::{}:root", self.id)),
            arn if arn.starts_with("arn:") => Caller::new(arn),
            name if name == "*" || [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|end| name.ends_with(end)) => {
                Caller::new(name)
            }
            // Whoever is neither is told what there is.
            name => return self.principal(name).and_then(|_| self.can(name, action, resource, context)),
        };
        let action = ask_action(action)?;
        let asked = self.named(resource)?;
        let own: Vec<Compiled> = match caller.kind {
            CallerKind::User | CallerKind::Role | CallerKind::FederatedUser => unread("its own policies").into_iter().collect(),
            _ => Vec::new(),
        };
        let own: Vec<&Compiled> = own.iter().collect();
        let resource = self.asked(&action, &asked);
        Ok(self.around(&caller.account, (&own, None), &action, &resource, None, |layers, resource| {
            explain(&Request { caller: &caller, action: &action, resource, context }, layers)
        }))
    }

    /// Every principal that may do something, or may under conditions, with the reasons, in the account's order.
    ///
    /// # Errors
    /// [`AskError::NoAction`]
    pub fn who_can(&self, action: &str, resource: &str, context: &Context) -> Result<Vec<(usize, Answer)>, AskError> {
        let action = ask_action(action)?;
        let asked = self.named(resource)?;
        let resource = self.asked(&action, &asked);
        let mut all = Vec::new();
        for (at, p) in self.principals.iter().enumerate() {
            let answer = self.with_layers(at, &action, &resource, None, |layers, resource| {
                let request = Request { caller: &p.caller, action: &action, resource, context };
                (!matches!(decide(&request, layers), Decision::Denied { .. })).then(|| explain(&request, layers))
            });
            all.extend(answer.map(|a| (at, a)));
        }
        Ok(all)
    }

    /// The decision alone.
    pub(crate) fn decision(&self, at: usize, action: &ActionName, resource: &Resource, context: &Context) -> Decision {
        let caller = &self.principals[at].caller;
        self.with_layers(at, action, resource, None, |layers, resource| {
            decide(&Request { caller, action, resource, context }, layers)
        })
    }

    /// What whoever may do everything by its own policies may do: the guardrails over the account still hold.
    pub(crate) fn decision_for_administrator(&self, action: &ActionName, resource: &Resource, context: &Context) -> Decision {
        self.as_administrator(None, (action, resource, context), None)
    }

    /// As if one of the principals, or somebody new where none is named, were allowed everything by its own policies.
    fn as_administrator(
        &self,
        at: Option<usize>,
        (action, resource, context): (&ActionName, &Resource, &Context),
        trust: Option<&Compiled>,
    ) -> Decision {
        let all = || Element::of(["*".to_owned()]);
        let everything = Compiled::new("", "", Policy::of(vec![Statement::of(None, Effect::Allow, all(), all(), Vec::new())]));
        let mut made = Caller::new(&format!("arn:aws:iam::{}:user/administrator", self.id));
        if let Some(id) = &self.organization {
            made.keys.set("aws:PrincipalOrgID", [id.as_str()]);
        }
        let caller = at.map_or(&made, |at| &self.principals[at].caller);
        self.with_own((&[&everything], None), action, resource, trust, |layers, resource| {
            decide(&Request { caller, action, resource, context }, layers)
        })
    }

    /// Whether one of the principals may assume a role of another account that has this trust: its own side, the trust, and
    /// what lies over either.
    pub(crate) fn assumes(&self, at: usize, role: &Resource, trust: &Compiled) -> Decision {
        let (action, context) = (ActionName::new("sts:AssumeRole"), Context::new());
        let caller = &self.principals[at].caller;
        self.with_layers(at, &action, role, Some(trust), |layers, resource| {
            decide(&Request { caller, action: &action, resource, context: &context }, layers)
        })
    }

    /// As [`Self::assumes`], for an administrator of the account who acts as one of its principals, or as somebody new: it
    /// gives either what it needs.
    pub(crate) fn administrator_assumes(&self, at: Option<usize>, role: &Resource, trust: &Compiled) -> Decision {
        self.as_administrator(at, (&ActionName::new("sts:AssumeRole"), role, &Context::new()), Some(trust))
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

    /// What is meant by a resource as people name it: an ARN, `role/name` and `user/name` of this account, `*` for none or any.
    ///
    /// # Errors
    /// [`AskError::NoResource`], [`AskError::NoPrincipal`]
    pub fn named(&self, resource: &str) -> Result<String, AskError> {
        if resource == "*" || resource.starts_with("arn:") {
            return Ok(resource.to_owned());
        }
        if resource.starts_with("role/") || resource.starts_with("user/") {
            return Ok(self.principals[self.principal(resource)?].arn.clone());
        }
        Err(AskError::NoResource(resource.chars().take(200).collect()))
    }

    /// What a request is held against: a few actions that name no resource are so against an ARN.
    fn asked(&self, action: &ActionName, resource: &str) -> Resource {
        match held_against(action.as_str()).filter(|_| resource == "*") {
            Some(arn) => {
                let partition = self.principals.first().and_then(|p| p.arn.split(':').nth(1)).unwrap_or("aws");
                let arn = arn.replacen(":aws:", &format!(":{partition}:"), 1);
                self.placed(Resource::literal(&arn), &arn)
            }
            None => self.resource(&self.all_of(action, resource)),
        }
    }

    /// The resources that are meant where none is named: all those that the action takes.
    fn all_of<'a>(&self, action: &ActionName, resource: &'a str) -> Cow<'a, str> {
        let takes = (resource == "*").then(|| facts().action(action.as_str())).flatten();
        let takes = takes.and_then(|(service, action)| service.main_type(action));
        let Some(of) = takes else { return Cow::Borrowed(resource) };
        let partition = self.principals.first().and_then(|p| p.arn.split(':').nth(1)).unwrap_or("aws");
        let mut arn = of.arn.replace("${Partition}", partition).replace("${Account}", &self.id);
        while let (Some(from), Some(to)) = (arn.find("${"), arn.find('}')) {
            arn.replace_range(from..=to, "*");
        }
        Cow::Owned(arn)
    }

    /// A resource of this account, unless its ARN says otherwise.
    pub fn resource(&self, arn: &str) -> Resource {
        self.placed(Resource::new(arn), arn)
    }

    fn placed(&self, resource: Resource, arn: &str) -> Resource {
        let named = arn.split(':').nth(4).is_some_and(|a| !a.is_empty());
        let owner = self.owner(arn).unwrap_or(&self.id);
        let mut resource = if named { resource } else { resource.in_account(owner) };
        // A call goes to the region where the resource stands.
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let of_arn = parts.get(3).copied().filter(|region| !region.is_empty() && !region.contains(['*', '?']));
        let of_bucket = || self.resources.find(arn).map(|held| held.region.as_str()).filter(|region| !region.is_empty());
        let global = || parts.get(2).filter(|service| GLOBAL_SERVICES.contains(service)).map(|_| home(parts[1]));
        if let Some(region) = of_arn.or_else(of_bucket).or_else(global) {
            resource.set_key("aws:RequestedRegion", [region]);
        }
        if let Some(organization) = self.organization.as_ref().filter(|_| owner == self.id || self.resources.lists(owner)) {
            resource.set_key("aws:ResourceOrgID", [organization.as_str()]);
        }
        if let Some(at) = self.by_arn.get(arn) {
            resource.close_keys("aws:ResourceTag/");
            resource.close_keys("iam:ResourceTag/");
            for (key, value) in &self.principals[*at].tags {
                resource.set_key(&format!("aws:ResourceTag/{key}"), [value.as_str()]);
                resource.set_key(&format!("iam:ResourceTag/{key}"), [value.as_str()]);
            }
        }
        resource
    }

    /// The layers that apply to one of the account's principals.
    fn with_layers<T>(
        &self,
        at: usize,
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
        ask: impl FnOnce(&Layers<'_>, &Resource) -> T,
    ) -> T {
        let p = &self.principals[at];
        let get = |i: &usize| &self.policies[*i];
        let mut identity: Vec<&Compiled> = p.policies.iter().map(get).collect();
        let unread: Vec<Compiled> = p.unread.iter().filter_map(|name| unread(name)).collect();
        identity.extend(&unread);
        self.with_own((&identity, p.boundary.as_ref().map(get)), action, resource, trust, ask)
    }

    /// The layers around these policies of a principal's own and its boundary. `trust`: of the role that is asked about,
    /// where that is at hand.
    fn with_own<T>(
        &self,
        (identity, boundary): (&[&Compiled], Option<&Compiled>),
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
        ask: impl FnOnce(&Layers<'_>, &Resource) -> T,
    ) -> T {
        self.around(&self.id, (identity, boundary), action, resource, trust, ask)
    }

    /// The layers around the policies of one who is of this account or of another.
    fn around<T>(
        &self,
        caller: &str,
        (identity, boundary): (&[&Compiled], Option<&Compiled>),
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
        ask: impl FnOnce(&Layers<'_>, &Resource) -> T,
    ) -> T {
        let get = |i: &usize| &self.policies[*i];
        let scps: Vec<Vec<&Compiled>> = match caller == self.id {
            true => self.scps.iter().map(|l| l.iter().map(get).collect()).collect(),
            false => Vec::new(),
        };
        // What lies over the resource is its own account's.
        let elsewhere = self.owner(resource.as_str()).filter(|owner| *owner != self.id);
        let rcps: Vec<Vec<&Compiled>> = match elsewhere {
            Some(owner) => self.resources.rcps(owner),
            None => self.rcps.iter().map(|l| l.iter().map(get).collect()).collect(),
        };
        let abroad = action.service() == "sts" && elsewhere.is_some() && trust.is_none();
        let read = abroad.then(|| self.resources.trust(resource.as_str())).flatten();
        let own = if action.service() == "sts" {
            let known = self.by_arn.get(resource.as_str()).and_then(|r| self.principals[*r].trust);
            known.as_ref().map(get).or(trust).or(read.as_deref()).map_or(ResourcePolicy::Unknown, ResourcePolicy::Is)
        } else {
            self.resources.find(resource.as_str()).map_or(ResourcePolicy::Unknown, |held| held.layer(caller))
        };
        let layers = Layers { identity, boundary, session: None, scps: &scps, rcps: &rcps, resource: own };
        ask(&layers, resource)
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
        if document.0.len() > LARGEST {
            self.problem(name, &format!("{} bytes are more than any policy AWS accepts", document.0.len()));
            return None;
        }
        match Policy::read(&document.0) {
            Ok(policy) => {
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
            let text = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NotRead","Effect":"Allow","Action":"*","Resource":"*",
                "Condition":{"Bool":{"the boundary, which was not read":"true"}}}]}"#;
            self.compile(arn.rsplit('/').next().unwrap_or_default(), arn, &Document(text.to_owned()))
        })
    }

    fn tag(caller: &mut Caller, tags: &Tags) {
        for (key, value) in tags {
            caller.keys.set(&format!("aws:PrincipalTag/{key}"), [value.as_str()]);
        }
    }
}

/// What a policy that was not read does: perhaps everything, perhaps nothing.
fn unread(name: &str) -> Option<Compiled> {
    let statement = |effect: &str| {
        let condition = serde_json::json!({"Bool": {"the policy, which was not read": "true"}});
        serde_json::json!({"Sid": "NotRead", "Effect": effect, "Action": "*", "Resource": "*", "Condition": condition})
    };
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [statement("Allow"), statement("Deny")]});
    Some(Compiled::new(name, "", Policy::read(&document.to_string()).ok()?))
}

/// Services whose calls all go to one region of a partition (AWS: "AWS global condition context keys", `aws:RequestedRegion`).
const GLOBAL_SERVICES: &[&str] = &["iam", "organizations", "cloudfront", "route53"];

fn home(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

fn ask_action(action: &str) -> Result<ActionName, AskError> {
    let whole = action.split_once(':').is_some_and(|(s, n)| !s.is_empty() && !n.is_empty());
    if !whole || action.contains(['*', '?']) || action.contains(char::is_whitespace) {
        return Err(AskError::NoAction(action.chars().take(100).collect()));
    }
    Ok(ActionName::new(action))
}
