//! Finding the edges: becoming others. Changing what somebody may do is `changes`', what one can do to itself first `gains`'.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::changes::{Bound, Change};
use super::crossings::{Crossing, crossings};
use super::permit::{Granted, Permit, StatementId, Table};
use super::threads::side_by_side;
use super::ways::{self, ADMITS, CREDENTIALS, Gate, LAUNCHES, TAKE_OVERS};
use super::{Edge, Need, To, Way};
use crate::iam::account::{Account, Principal};
use crate::iam::center::{IdentityCenter, is_aws_kept, is_of_a_set};
use crate::iam::evaluate::{
    ActionName, Caller, Compiled, Context, Decision, Known, Layers, Request, Resource, ResourcePolicy, Truth, decide,
};
use crate::iam::facts::{ResourceType, facts};
use crate::iam::policy::{Effect, PrincipalKind};
use crate::iam::resources::Held;
use crate::iam::sets::glob::{ArnPattern, common, split};
use crate::iam::strangers::{choices, in_organization};
use crate::iam::workloads::WorkloadKind;
use crate::model::account::Tags;
use crate::text;

/// Who is an administrator, all edges by `from`, and the ways into other accounts.
pub(super) fn build(account: &Account) -> (Vec<bool>, Vec<Edge>, Vec<Crossing>) {
    let table = Table::new(account, ways::actions());
    let ground = Ground::new(account, &table);
    let count = account.principals.len();
    let administrators: Vec<bool> = side_by_side(count, |i| ground.is_administrator(&account.principals[i]));
    let mut edges: Vec<Vec<Edge>> = side_by_side(count, |i| if administrators[i] { Vec::new() } else { ground.edges(i) });
    ground.by_others(&administrators, &mut edges);
    let out = crossings(account, &table, &administrators);
    (administrators, edges.into_iter().flatten().collect(), out)
}

/// Who acts: a principal as it is, or as it is once it has done something to itself.
#[derive(Clone, Copy)]
pub(super) struct Actor<'x> {
    pub(super) at: usize,
    pub(super) who: &'x Principal,
}

/// A role that a service may assume.
struct Served<'a> {
    role: usize,
    /// How the role's trust writes the service's name.
    written: &'a str,
    truth: Truth,
    /// Patterns of the ARNs that it has to be called for; empty where any serves.
    sources: Vec<String>,
}

/// A launch by which somebody hands over a role that may be passed.
pub(super) struct Launchable<'a> {
    pub(super) row: u8,
    pass: Arc<Permit<'a>>,
    truth: Truth,
    needs: Vec<Need>,
}

impl Launchable<'_> {
    /// Handing over a role that is made for it.
    pub(super) fn of_new(&self, role: &Resource) -> Option<Change> {
        let passed_to = LAUNCHES[usize::from(self.row)].passed_to;
        let (truth, by) = self.pass.on(role, &Context::new().with("iam:PassedToService", [passed_to]));
        let pass = Need { action: "iam:PassRole", by };
        let truth = truth.and(self.truth);
        (truth != Truth::No).then(|| Change::launched(truth, self.needs.iter().cloned().chain([pass]).collect()))
    }
}

pub(super) struct Ground<'a> {
    pub(super) account: &'a Account,
    pub(super) table: &'a Table,
    /// Each principal, group and managed policy as a resource.
    pub(super) principals: Vec<Resource>,
    pub(super) groups: Vec<Resource>,
    pub(super) policies: Vec<Option<Resource>>,
    workloads: Vec<(Resource, Option<usize>)>,
    /// Those of the workloads whose own policies speak of taking them over.
    spoken_of: Vec<usize>,
    /// Roles that trust everyone, the whole account, and those that name a principal, by what they name.
    trusting_everyone: Vec<usize>,
    trusting_account: Vec<usize>,
    trusting: HashMap<&'a str, Vec<usize>>,
    /// Roles by the service that may assume them.
    by_service: HashMap<String, Vec<Served<'a>>>,
    /// Roles by the SAML provider whose assertions they take.
    by_provider: Vec<(Resource, Vec<usize>)>,
    scps: Vec<Vec<&'a Compiled>>,
    rcps: Vec<Vec<&'a Compiled>>,
    /// Groups whose own policies make an administrator, by themselves or of who then writes its own.
    pub(super) lifting_groups: Vec<usize>,
    /// ARNs of policies that, as permissions boundaries, leave everything: AdministratorAccess first.
    pub(super) wide: Vec<String>,
    /// Attaching what makes an administrator of a user, and of a role: AdministratorAccess first.
    pub(super) attach: [Vec<Context>; 2],
    /// By policy: whether it asks for tags of whoever acts.
    pub(super) asks_for_tags: Vec<bool>,
    asks_for_tags_of_roles: Vec<bool>,
    /// By policy: whether it allows anything that leads on.
    pub(super) gainful: Vec<bool>,
    pub(super) plain: Context,
    star: Resource,
    /// By principal: what is left of administration within its permissions boundary.
    pub(super) bounds: Vec<Bound>,
    /// Somebody has a permissions boundary.
    pub(super) is_bound_any: bool,
    /// By launch: pairs of its actions that take the same kind of resource.
    alike: Vec<Vec<(&'static str, &'static str)>>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(account: &'a Account, table: &'a Table) -> Self {
        let own = |p: &usize| {
            let arn = &account.policies[*p].arn;
            let customer = !arn.is_empty() && !arn.contains(":iam::aws:");
            customer.then(|| account.resource(arn))
        };
        let guards = account.scp_levels().iter().map(|level| level.iter().map(|i| &account.policies[*i]).collect());
        let mut ground = Self {
            account,
            table,
            principals: account
                .principals
                .iter()
                .map(|p| bounded(account.resource(&p.arn), p.boundary.map(|b| account.policies[b].arn.as_str())))
                .collect(),
            groups: account.groups.iter().map(|g| account.resource(&g.arn)).collect(),
            policies: (0..account.policies.len()).map(|p| own(&p)).collect(),
            workloads: account
                .workloads
                .iter()
                .map(|w| {
                    let mut resource = account.resource(&w.arn);
                    w.tags.iter().for_each(|tags| wear(&mut resource, tags));
                    (resource, account.place(&w.role_arn))
                })
                .collect(),
            spoken_of: spoken_of(account),
            trusting_everyone: Vec::new(),
            trusting_account: Vec::new(),
            trusting: HashMap::new(),
            by_service: HashMap::new(),
            by_provider: Vec::new(),
            scps: guards.collect(),
            rcps: account.rcp_levels(),
            lifting_groups: Vec::new(),
            wide: Vec::new(),
            attach: [Vec::new(), Vec::new()],
            asks_for_tags: account.policies.iter().map(|p| asks_for(p, &["aws:principaltag/"])).collect(),
            asks_for_tags_of_roles: account
                .policies
                .iter()
                .map(|p| asks_for(p, &["aws:resourcetag/", "iam:resourcetag/"]))
                .collect(),
            gainful: (0..account.policies.len()).map(|p| table.is_gainful(p)).collect(),
            plain: Context::new(),
            star: Resource::new("*").in_account(&account.id),
            bounds: Vec::new(),
            is_bound_any: account.principals.iter().any(|p| p.boundary.is_some()),
            alike: LAUNCHES.iter().map(|launch| alike(launch.actions)).collect(),
        };
        ground.read_trust();
        ground.lifting_groups = (0..account.groups.len()).filter(|g| ground.lifts(&account.groups[*g].policies, false)).collect();
        let partition = ground.partition();
        for (of, is_role) in [(0, false), (1, true)] {
            let known = ["AdministratorAccess", "IAMFullAccess", "AdministratorAccess-Amplify"]
                .map(|n| format!("arn:{partition}:iam::aws:policy/{n}"));
            let own = (0..account.policies.len()).filter(|p| ground.policies[*p].is_some() && ground.lifts(&[*p], is_role));
            let arns = known.into_iter().chain(own.map(|p| account.policies[p].arn.clone()));
            ground.attach[of] = arns.map(|arn| Context::new().with("iam:PolicyARN", [arn])).collect();
        }
        ground.wide = vec![format!("arn:{partition}:iam::aws:policy/AdministratorAccess")];
        let wide =
            (0..account.policies.len()).filter(|p| ground.policies[*p].is_some() && !ground.is_old(*p) && ground.is_wide(*p));
        let wide: Vec<String> = wide.map(|p| account.policies[p].arn.clone()).collect();
        ground.wide.extend(wide);
        ground.bounds = account.principals.iter().enumerate().map(|(at, who)| ground.bound(Actor { at, who })).collect();
        ground
    }

    /// `aws`, `aws-cn`, `aws-us-gov`
    pub(super) fn partition(&self) -> &'a str {
        self.account.partition()
    }

    fn read_trust(&mut self) {
        let root = format!(":iam::{}:root", self.account.id);
        for (role, p) in self.account.principals.iter().enumerate() {
            let Some(trust) = p.trust else { continue };
            let (mut account_too, mut everyone) = (false, false);
            let mut names = BTreeSet::new();
            let mut services = BTreeSet::new();
            let mut providers = BTreeSet::new();
            for s in self.account.policies[trust].policy.statements.iter().filter(|s| s.effect == Effect::Allow) {
                let Some(element) = &s.principal else { continue };
                everyone |= element.not;
                for value in &element.principals {
                    let text = value.value.text.as_str();
                    match value.kind {
                        PrincipalKind::Everyone => everyone = true,
                        PrincipalKind::Aws if text == "*" => everyone = true,
                        PrincipalKind::Aws if text == self.account.id || text.ends_with(&root) => {
                            account_too = true;
                        }
                        PrincipalKind::Aws => {
                            names.insert(text);
                        }
                        PrincipalKind::Service => {
                            services.insert(text);
                        }
                        PrincipalKind::Federated if text.contains(":saml-provider/") => {
                            providers.insert(text);
                        }
                        // Cognito's identity pools stand where an identity provider does.
                        PrincipalKind::Federated if text.ends_with(".amazonaws.com") => {
                            services.insert(text);
                        }
                        _ => {}
                    }
                }
            }
            if everyone {
                self.trusting_everyone.push(role);
            }
            if account_too {
                self.trusting_account.push(role);
            }
            for name in names {
                self.trusting.entry(name).or_default().push(role);
            }
            for written in services {
                let (truth, sources) = self.serves(written, role, &self.account.policies[trust]);
                if truth != Truth::No {
                    self.by_service.entry(service_name(written)).or_default().push(Served { role, written, truth, sources });
                }
            }
            for provider in providers {
                match self.by_provider.iter_mut().find(|(p, _)| p.as_str() == provider) {
                    Some((_, roles)) => roles.push(role),
                    None => self.by_provider.push((self.account.resource(provider), vec![role])),
                }
            }
        }
    }

    /// Whether a service that a role's trust names may assume it for somebody of the account (AWS: "The confused deputy problem":
    /// it says for whose account, and for which of its resources), and for which resources it has to be, if not for any.
    fn serves(&self, service: &str, role: usize, trust: &Compiled) -> (Truth, Vec<String>) {
        // Cognito's identity pools come with a token.
        let federated = service_name(service) == "cognito-identity.amazonaws.com";
        let (caller, action) = match federated {
            true => (Caller::federated(service), "sts:AssumeRoleWithWebIdentity"),
            false => (Caller::new(service), "sts:AssumeRole"),
        };
        let action = ActionName::new(action);
        let of_account = in_organization(self.account.resources(), &Caller::new(&self.account.somebody()));
        let mut context = Context::new().with("aws:SourceAccount", [self.account.id.as_str()]);
        if let Known::Values(organization) = of_account.get("aws:principalorgid") {
            context.set("aws:SourceOrgID", organization.iter().cloned());
        }
        let rcps = self.rcps.iter().flatten().map(|p| &p.policy);
        let statements = || rcps.clone().chain([&trust.policy]).flat_map(|p| &p.statements);
        // What is made to call the service stands in the account.
        let own = |text: &str| text.split(':').nth(4).is_none_or(|id| id.is_empty() || id == self.account.id);
        let sources = statements().flat_map(|s| &s.conditions).filter(|c| c.key.text.eq_ignore_ascii_case("aws:SourceArn"));
        let named = sources.flat_map(|c| &c.values).map(|v| v.text.as_str()).map(|text| match split(text) {
            Some(mut parts) if parts[4].contains(['*', '?']) => {
                parts[4] = &self.account.id;
                parts.join(":")
            }
            _ => text.to_owned(),
        });
        let named: BTreeSet<String> = named.filter(|arn| own(arn)).collect();
        let layers = Layers { rcps: &self.rcps, resource: ResourcePolicy::Is(trust), ..Layers::default() };
        let resource = &self.principals[role];
        let ask = |context: &Context| match decide(&Request { caller: &caller, action: &action, resource, context }, &layers) {
            Decision::Allowed => Truth::Yes,
            Decision::Depends => Truth::Maybe,
            Decision::Denied { .. } => Truth::No,
        };
        let elsewhere = format!("arn:{}:x:x:{}:x", self.partition(), self.account.id);
        let from = |arn: &str| ask(&context.clone().with("aws:SourceArn", [arn.replace(['*', '?'], "x")]));
        let anywhere = from(&elsewhere);
        let asked: Vec<(Truth, String)> = named.into_iter().map(|arn| (from(&arn), arn)).collect();
        match asked.iter().map(|(truth, _)| *truth).max() {
            Some(best) if best > anywhere => (best, asked.into_iter().filter(|(t, _)| *t == best).map(|(_, arn)| arn).collect()),
            _ => (anywhere, Vec::new()),
        }
    }

    /// Whether any of these policies allows an action everywhere, whatever they deny.
    fn opens(&self, policies: &[usize], action: &str) -> bool {
        let name = ActionName::new(action);
        policies.iter().any(|p| {
            let policy = &self.account.policies[*p];
            policy.naming(&name).any(|(i, e)| e == Effect::Allow && policy.is_open(i))
        })
    }

    /// Whether these policies alone make an administrator, or let a user or role write its own permissions.
    pub(super) fn lifts(&self, policies: &[usize], is_role: bool) -> bool {
        let rewrites = if is_role { ways::REWRITES_ROLE } else { ways::REWRITES_USER };
        rewrites.iter().any(|action| self.opens(policies, action))
            || ways::ADMINISTRATOR.iter().all(|action| self.opens(policies, action))
    }

    /// Whether a policy leaves all of administration to whoever has it as a permissions boundary.
    fn is_wide(&self, policy: usize) -> bool {
        let alone = |who: &Principal| Principal { policies: vec![policy], own_policies: 1, boundary: None, ..who.clone() };
        ways::ADMINISTRATOR.iter().all(|action| self.opens(&[policy], action))
            && self.account.principals.first().is_some_and(|who| self.is_administrator(&alone(who)))
    }

    /// A version of a managed policy that is not in force.
    pub(super) fn is_old(&self, policy: usize) -> bool {
        self.account.other_versions.values().any(|all| all.contains(&policy))
    }

    pub(super) fn permit<'p>(&'p self, who: &'p Principal, action: &'static str) -> Option<Permit<'p>> {
        self.table.permit(self.account, who, action, true)
    }

    /// By its own policies and boundary: what the organisation takes from everyone in the account, such as stopping the
    /// trail, makes nobody less of an administrator of it; nor does what it denies itself while it may change that; nor
    /// a second factor, which its holder has.
    pub(super) fn is_administrator(&self, who: &Principal) -> bool {
        self.administers(who) == Truth::Yes
    }

    pub(super) fn administers(&self, who: &Principal) -> Truth {
        let signed = Context::new().with("aws:MultiFactorAuthPresent", ["true"]).with("aws:MultiFactorAuthAge", ["1"]);
        let mut all = Truth::Yes;
        for (row, action) in ways::ADMINISTRATOR.iter().enumerate() {
            let permit = self.table.permit(self.account, who, action, false);
            all = all.and(permit.map_or(Truth::No, |permit| match row < ways::CORE {
                true => permit.on(&self.star, &signed).0,
                false => permit.is_granted(&self.star, &signed),
            }));
            if all == Truth::No {
                break;
            }
        }
        all
    }

    /// Whether somebody may assume a role of the account that has this trust.
    pub(super) fn assumes(&self, who: &Principal, role: &Resource, trust: &Compiled) -> Decision {
        let action = ActionName::new("sts:AssumeRole");
        let get = |i: &usize| &self.account.policies[*i];
        let identity: Vec<&Compiled> = who.policies.iter().map(get).collect();
        let layers = Layers {
            identity: &identity,
            boundary: who.boundary.as_ref().map(get),
            session: None,
            scps: &self.scps,
            rcps: &self.rcps,
            resource: ResourcePolicy::Is(trust),
        };
        let ask = |context: &Context| decide(&Request { caller: &who.caller, action: &action, resource: role, context }, &layers);
        let plain = self.account.in_best_region(ask);
        if plain != Decision::Depends {
            return plain;
        }
        // Whoever asks says the external id that it was told, and names the session.
        // Its tags are known, but for a user that has given itself others.
        let tagged = !who.is_role && who.caller.keys.get("aws:principaltag/") == Known::Unknown;
        let own =
            |key: &str| matches!(key, "sts:externalid" | "sts:rolesessionname") || tagged && key.starts_with("aws:principaltag/");
        let guards = self.scps.iter().chain(&self.rcps).flatten().copied();
        let all = identity.iter().copied().chain(layers.boundary).chain(guards).chain([trust]);
        let mut said = choices(all.flat_map(|p| &p.policy.statements), &self.plain, &own);
        for said in &mut said {
            if let Known::Values([name]) = said.get("sts:rolesessionname") {
                let name = filled_in(name, &who.caller);
                said.set("sts:RoleSessionName", [name]);
            }
        }
        let fares = |said: &Context| self.account.in_best_region(|context| ask(&said.clone().and(context)));
        let mut tried = said.iter().skip_while(|_| said.len() < 2);
        if tried.any(|said| fares(said) == Decision::Allowed) { Decision::Allowed } else { plain }
    }

    fn edges(&self, p: usize) -> Vec<Edge> {
        let me = Actor { at: p, who: &self.account.principals[p] };
        let mut edges = self.direct(me);
        self.gains(me, &mut edges);
        edges
    }

    /// What somebody can do as it is.
    pub(super) fn direct(&self, me: Actor<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        self.assume(me, &mut edges);
        self.credentials(me, &mut edges);
        self.admits(me, &mut edges);
        self.launches(me, &mut edges);
        self.take_overs(me, &mut edges);
        self.possible_take_overs(me, &mut edges);
        self.rewrites(me, &mut edges);
        self.makes(me, &mut edges);
        edges
    }

    fn assume(&self, Actor { at: p, who: me }: Actor<'_>, edges: &mut Vec<Edge>) {
        let permit = self.permit(me, "sts:AssumeRole");
        let named = |name: &str| self.trusting.get(name).into_iter().flatten().copied();
        let mut roles: BTreeSet<usize> = named(&me.arn).chain(named(&me.caller.id)).collect();
        roles.extend(self.trusting_everyone.iter().copied());
        if me.is_role {
            // Trusts that name a session of this role.
            let sessions = format!(":assumed-role/{}/", me.name);
            roles.extend(self.trusting.iter().filter(|(n, _)| n.contains(&sessions)).flat_map(|(_, r)| r.iter().copied()));
        }
        // A grant to the account only delegates.
        if permit.is_some() {
            roles.extend(self.trusting_account.iter().copied());
        }
        let action = ActionName::new("sts:AssumeRole");
        for role in roles.into_iter().filter(|r| *r != p) {
            let target = &self.principals[role];
            let Some(trust) = self.account.principals[role].trust else { continue };
            let request = Request { caller: &me.caller, action: &action, resource: target, context: &self.plain };
            let grants = self.account.policies[trust].grants(&request);
            let direct = grants.iter().any(|(_, needs_own)| !needs_own);
            if grants.is_empty() || !direct && permit.is_none() {
                continue;
            }
            let mut target = Cow::Borrowed(target);
            let mut needs = Vec::new();
            let mut truth = self.assumed(me, &target, trust);
            if truth != Truth::Yes
                && let Some((others, able, need)) = self.retagged(me, role, Some(trust))
            {
                for tagged in others {
                    let then = self.assumed(me, &tagged, trust).and(able);
                    if then > truth {
                        (target, truth) = (Cow::Owned(tagged), then);
                        needs = vec![need.clone()];
                    }
                }
            }
            if truth == Truth::No {
                continue;
            }
            let certain = truth == Truth::Yes;
            let by = grants.iter().map(|(s, _)| StatementId { policy: trust as u32, statement: *s as u32 }).collect();
            needs.push(Need { action: "sts:AssumeRole", by });
            if let (false, Some(permit)) = (direct, &permit) {
                needs.push(Need { action: "sts:AssumeRole", by: permit.on(&target, &self.plain).1 });
            }
            edges.push(Edge { from: p, to: To::Principal(role), way: Way::Assume, first: None, needs: needs.into(), certain });
        }
    }

    fn assumed(&self, who: &Principal, role: &Resource, trust: usize) -> Truth {
        match self.assumes(who, role, &self.account.policies[trust]) {
            Decision::Denied { .. } => Truth::No,
            Decision::Allowed => Truth::Yes,
            Decision::Depends => Truth::Maybe,
        }
    }

    /// A user or role with each of the other tags that somebody gives it who may, where anything asks for its tags; how surely, and
    /// by what. Tags that are there are changed, not taken off.
    pub(super) fn retagged(&self, who: &Principal, at: usize, trust: Option<usize>) -> Option<(Vec<Resource>, Truth, Need)> {
        let of = || who.policies.iter().chain(&who.boundary).copied().chain(trust);
        if !of().any(|p| self.asks_for_tags_of_roles[p]) {
            return None;
        }
        let action = if self.account.principals[at].is_role { ways::TAGS_ROLE } else { ways::TAGS_USER };
        let (able, by) = self.permit(who, action)?.on_as(&self.principals[at], &self.plain);
        if able == Truth::No {
            return None;
        }
        const OWN: [&str; 2] = ["aws:resourcetag/", "iam:resourcetag/"];
        let guards = self.scps.iter().chain(&self.rcps).flatten().copied();
        let all = of().map(|p| &self.account.policies[p]).chain(guards);
        let said =
            choices(all.flat_map(|p| &p.policy.statements), &self.plain, &|key| OWN.iter().any(|own| key.starts_with(own)));
        let tagged = said.iter().map(|said| {
            let mut tagged = self.principals[at].clone();
            let tag = |key: &str| OWN.iter().find_map(|own| key.strip_prefix(own)).map(str::to_owned);
            for (key, value) in said.told().filter_map(|(key, values)| Some((tag(key)?, values.first()?))) {
                let value = filled_in(value, &who.caller);
                OWN.iter().for_each(|own| tagged.set_key(&format!("{own}{key}"), [value.as_str()]));
            }
            tagged
        });
        Some((tagged.collect(), able, Need { action, by }))
    }

    fn credentials(&self, Actor { at: p, who }: Actor<'_>, edges: &mut Vec<Edge>) {
        for (row, way) in CREDENTIALS.iter().enumerate() {
            let Some(permit) = self.permit(who, way.action) else { continue };
            let mut shared = Shared::default();
            for (target, other) in self.account.principals.iter().enumerate() {
                if target == p || other.is_role != way.of_role || is_aws_kept(&other.path) {
                    continue;
                }
                let (mut truth, by) = permit.on(&self.principals[target], &self.plain);
                let mut needs = match truth {
                    Truth::Yes => shared.of(&[], way.action, by),
                    _ => {
                        let ask = |resource: &Resource| Change::of(way.action, permit.on(resource, &self.plain));
                        let Some(change) = self.on_principal(who, target, ask) else { continue };
                        truth = change.truth;
                        change.needs.into()
                    }
                };
                if way.action == ways::ENTERS_USER[0] && self.account.access_keys(target) >= ways::MOST_KEYS {
                    let room =
                        self.permit(who, ways::ROOM_FOR_KEY).map(|permit| permit.on(&self.principals[target], &self.plain));
                    let Some((able, by)) = room else { continue };
                    truth = truth.and(able);
                    needs = [Need { action: ways::ROOM_FOR_KEY, by }].into_iter().chain(needs.iter().cloned()).collect();
                }
                if let Some((able, need)) = self.password(who, target, way.action) {
                    truth = truth.and(able);
                    needs = needs.iter().cloned().chain(need).collect();
                }
                if truth != Truth::No {
                    let (way, certain) = (Way::Credential(row as u8), truth == Truth::Yes);
                    edges.push(Edge { from: p, to: To::Principal(target), way, first: None, needs, certain });
                }
            }
        }
    }

    /// Whether a user's password is there to be changed, or not there so that a first one can be set; where that is not known, both
    /// have to be allowed. None for other actions.
    fn password(&self, who: &Principal, user: usize, action: &str) -> Option<(Truth, Option<Need>)> {
        let (is_there, other) = match action {
            ways::SETS_PASSWORD => (false, ways::CHANGES_PASSWORD),
            ways::CHANGES_PASSWORD => (true, ways::SETS_PASSWORD),
            _ => return None,
        };
        Some(match self.account.has_password(user) {
            Some(known) if known == is_there => (Truth::Yes, None),
            Some(_) => (Truth::No, None),
            None => match self.permit(who, other).map(|permit| permit.on(&self.principals[user], &self.plain)) {
                Some((Truth::Yes, by)) => (Truth::Yes, Some(Need { action: other, by })),
                _ => (Truth::Maybe, None),
            },
        })
    }

    /// Being let in by an identity provider of the account, or by IAM Identity Center where this account keeps it. Who is
    /// assigned to what, and who somebody is there, is not collected: that stays under conditions.
    fn admits(&self, Actor { at: p, who }: Actor<'_>, edges: &mut Vec<Edge>) {
        for (row, way) in ADMITS.iter().enumerate() {
            let Some(permit) = self.permit(who, way.action) else { continue };
            let mut add = |role: usize, truth: Truth, before: &[Need], by: Arc<[StatementId]>| {
                if role != p && truth != Truth::No {
                    let needs = before.iter().cloned().chain([Need { action: way.action, by }]).collect();
                    let (way, certain) = (Way::Admit(row as u8), truth == Truth::Yes);
                    edges.push(Edge { from: p, to: To::Principal(role), way, first: None, needs, certain });
                }
            };
            let kept = |role: usize| is_of_a_set(&self.account.principals[role].path);
            match way.by {
                Gate::Saml => {
                    let first = way.first.map(|action| (action, self.permit(who, action)));
                    for (provider, roles) in &self.by_provider {
                        let (mut truth, by) = permit.on(provider, &self.plain);
                        let mut before = Vec::new();
                        if let Some((action, permit)) = &first {
                            let Some((able, by)) = permit.as_ref().map(|permit| permit.on(provider, &self.plain)) else {
                                continue;
                            };
                            truth = truth.and(able);
                            before.push(Need { action, by });
                        }
                        // AWS keeps the provider of those roles, and puts its keys back.
                        for role in roles {
                            let truth = if kept(*role) { truth.and(Truth::Maybe) } else { truth };
                            add(*role, truth, &before, by.clone());
                        }
                    }
                }
                Gate::IdentityCenter if self.account.identity_center != IdentityCenter::No => {
                    let roles: Vec<usize> = (0..self.principals.len()).filter(|role| kept(*role)).collect();
                    let Some(first) = roles.first() else { continue };
                    let (truth, by) = way.opens(&permit, &self.account.principals[*first].arn, &self.plain);
                    roles.into_iter().for_each(|role| add(role, truth.and(Truth::Maybe), &[], by.clone()));
                }
                Gate::IdentityCenter => {}
            }
        }
    }

    fn launches(&self, Actor { at: p, who }: Actor<'_>, edges: &mut Vec<Edge>) {
        let Some(pass) = self.permit(who, "iam:PassRole") else { return };
        let into_profile = self.enters_profile(who);
        for (row, launch) in LAUNCHES.iter().enumerate() {
            let Some(roles) = self.by_service.get(launch.service) else { continue };
            let Some((truth, needs)) = self.called(who, row) else { continue };
            let mut shared = Shared::default();
            let passed = |name: &str| Context::new().with("iam:PassedToService", [name]);
            let context = passed(launch.passed_to);
            for Served { role, written, truth: served, sources } in roles.iter().filter(|served| served.role != p) {
                let (role, written) = (*role, *written);
                let bare = launch.profile && self.account.principals[role].instance_profiles.is_empty();
                if bare && into_profile.is_none() {
                    continue;
                }
                let (mut t, mut by) = pass.on(&self.principals[role], &context);
                if t == Truth::No && written != launch.passed_to {
                    (t, by) = pass.on(&self.principals[role], &passed(written));
                }
                if t == Truth::No {
                    continue;
                }
                let mut needs = shared.of(&needs, "iam:PassRole", by);
                if let (true, Some((profile, first))) = (bare, &into_profile) {
                    t = t.and(*profile);
                    needs = first.iter().chain(needs.iter()).cloned().collect();
                }
                let served = if sources.is_empty() { *served } else { served.and(self.is_called_for(who, row, sources)) };
                if served == Truth::No {
                    continue;
                }
                let certain = truth.and(t).and(served) == Truth::Yes;
                edges.push(Edge { from: p, to: To::Principal(role), way: Way::Launch(row as u8), first: None, needs, certain });
            }
        }
    }

    /// The launches by which somebody hands a role to a service, whichever role that is.
    pub(super) fn launchable<'s>(&'s self, who: &'s Principal) -> Vec<Launchable<'s>> {
        let Some(pass) = self.permit(who, "iam:PassRole").map(Arc::new) else { return Vec::new() };
        let into_profile = self.enters_profile(who);
        let rows = LAUNCHES.iter().enumerate().filter_map(|(row, launch)| {
            let (mut truth, mut needs) = self.called(who, row)?;
            if launch.profile {
                let (able, first) = into_profile.as_ref()?;
                truth = truth.and(*able);
                needs.extend_from_slice(first);
            }
            Some(Launchable { row: row as u8, pass: pass.clone(), truth, needs })
        });
        rows.collect()
    }

    /// What is true of a launch's actions, all of which are called in one region, which is chosen.
    fn called(&self, who: &Principal, row: usize) -> Option<(Truth, Vec<Need>)> {
        let launch = &LAUNCHES[row];
        let permits: Option<Vec<_>> = launch.actions.iter().map(|a| Some((*a, self.permit(who, a)?))).collect();
        let permits = permits?;
        let called = |context: &Context| {
            let mut truth = Truth::Yes;
            let mut needs = Vec::new();
            for (action, permit) in &permits {
                let (t, by) = permit.somewhere(context);
                truth = truth.and(t);
                needs.push(Need { action, by });
            }
            (truth, needs)
        };
        let (mut truth, mut needs) = called(&self.plain);
        if truth == Truth::Maybe {
            let mut best = Truth::No;
            for region in self.account.regions() {
                let (here, by) = called(&Context::new().with("aws:RequestedRegion", [region]));
                if here > best {
                    (best, needs) = (here, by);
                }
                if best == Truth::Yes {
                    break;
                }
            }
            truth = best;
        }
        let standing = if launch.standing { Truth::Maybe } else { Truth::Yes };
        (truth != Truth::No && self.meet(who, row)).then(|| (truth.and(standing), needs))
    }

    /// Whether those of a launch's actions that take the same kind of resource are allowed on one and the same.
    fn meet(&self, who: &Principal, launch: usize) -> bool {
        !self.alike[launch].iter().any(|(a, b)| self.apart(who, a, b))
    }

    /// Whether a launch may be of something that has one of these ARNs. What ARN a service tells that is none of the launch's is
    /// not known; nor is the id that something is given which AWS makes up.
    fn is_called_for(&self, who: &Principal, launch: usize, sources: &[String]) -> Truth {
        let of = |source: &String| {
            let pattern = ArnPattern::new(source);
            let is_such = |of: &&ResourceType| ArnPattern::new(&self.account.pattern_of(of)).overlaps(&pattern);
            let is_made_up = |of: &ResourceType| of.arn.ends_with("Id}") && !source.ends_with('*');
            let mut truth = None;
            for action in LAUNCHES[launch].actions {
                let Some((service, listed)) = facts().action(action) else { continue };
                // What names nothing makes something of its service.
                let made = if listed.resources.is_empty() { service.resources.iter().find(is_such) } else { None };
                let mut named = listed.resources.iter().filter_map(|(at, _)| service.resources.get(*at));
                let (kind, allowed) = match (made, named.find(is_such)) {
                    (Some(kind), _) => (kind, Truth::Yes),
                    (None, Some(kind)) => (kind, self.is_allowed_within(who, action, source, &pattern)),
                    (None, None) => continue,
                };
                let known = if is_made_up(kind) { Truth::Maybe } else { Truth::Yes };
                truth = Some(truth.unwrap_or(Truth::Yes).and(allowed).and(known));
            }
            truth.unwrap_or(Truth::Maybe)
        };
        sources.iter().map(of).max().unwrap_or(Truth::No)
    }

    /// Whether an action is allowed on something that a pattern names.
    fn is_allowed_within(&self, who: &Principal, action: &'static str, source: &str, pattern: &ArnPattern) -> Truth {
        let Some(permit) = self.permit(who, action) else { return Truth::No };
        let allowed = self.table.patterns(self.account, who, action).into_iter();
        let on = allowed.filter(|allowed| allowed.contains("${") || ArnPattern::new(allowed).overlaps(pattern)).map(|allowed| {
            let both = common(allowed, source);
            both.map_or(Truth::Maybe, |arn| permit.on(&self.account.resource(&arn), &self.plain).0)
        });
        on.max().unwrap_or(Truth::No)
    }

    /// Whether two actions that take the same kind of resource are allowed on none together.
    fn apart(&self, who: &Principal, a: &str, b: &str) -> bool {
        let patterns = |action: &str| -> Vec<ArnPattern> {
            self.table.patterns(self.account, who, action).into_iter().map(ArnPattern::new).collect()
        };
        let (on, other) = (patterns(a), patterns(b));
        !on.iter().any(|p| other.iter().any(|q| p.overlaps(q)))
    }

    /// Putting a role that is in no instance profile into one.
    fn enters_profile(&self, who: &Principal) -> Option<(Truth, Vec<Need>)> {
        let both = |actions: [&'static str; 2]| {
            if self.apart(who, actions[0], actions[1]) {
                return None;
            }
            let mut all = (Truth::Yes, Vec::new());
            for action in actions {
                let (truth, by) = self.permit(who, action)?.somewhere(&self.plain);
                all.0 = all.0.and(truth);
                all.1.push(Need { action, by });
            }
            (all.0 != Truth::No).then_some(all)
        };
        // Whether there is one that may be emptied is not known.
        let emptied = || both(ways::INTO_PROFILE[1]).map(|(truth, needs)| (truth.and(Truth::Maybe), needs));
        both(ways::INTO_PROFILE[0]).or_else(emptied)
    }

    /// Whether an action is allowed on a document that runs whatever commands it is given; on others it may be.
    fn on_document(&self, permit: &Permit<'_>, region: &str) -> Truth {
        let arn = |account: &str, name: &str| format!("arn:{}:ssm:{region}:{account}:document/{name}", self.partition());
        let allowed = |arn: String| permit.on(&Resource::new(&arn), &self.plain).0;
        let known = ways::RUNS_COMMANDS.iter().map(|name| allowed(arn("", name))).max().unwrap_or(Truth::No);
        if known == Truth::No { allowed(arn("*", "*")).and(Truth::Maybe) } else { known }
    }

    fn take_overs(&self, Actor { at: p, who }: Actor<'_>, edges: &mut Vec<Edge>) {
        let tags = self.permit(who, ways::TAGS_MACHINE);
        for (row, way) in TAKE_OVERS.iter().enumerate() {
            let permits: Vec<Option<Permit<'_>>> = way.all().map(|a| self.permit(who, a)).collect();
            let own = permits.iter().all(Option::is_some);
            if !own && self.spoken_of.is_empty() {
                continue;
            }
            // What itself is not granted, the workload's own policy may grant.
            let count = if own { self.workloads.len() } else { self.spoken_of.len() };
            // Of many that run as one role one makes the point, the first that is there for certain.
            let mut found: HashMap<usize, usize> = HashMap::new();
            for n in 0..count {
                let at = if own { n } else { self.spoken_of[n] };
                let (resource, role) = &self.workloads[at];
                let Some(role) = role.filter(|r| *r != p && self.account.workloads[at].kind == way.kind) else { continue };
                // Whoever may tag it chooses its tags.
                let may_tag = |permit: &Permit<'_>| permit.on(resource, &self.plain).0 != Truth::No;
                let bare = (self.account.workloads[at].tags.is_some() && tags.as_ref().is_some_and(may_tag))
                    .then(|| self.account.resource(&self.account.workloads[at].arn));
                let resource = bare.as_ref().unwrap_or(resource);
                let before = found.get(&role).copied();
                if before.is_some_and(|e: usize| edges[e].certain) {
                    continue;
                }
                // It is not known which of them stand in the group that is deployed to.
                let mut truth = if way.beside.is_empty() { Truth::Yes } else { Truth::Maybe };
                if let (true, Some(Some(permit))) = (way.document, permits.first()) {
                    let region = self.account.workloads[at].arn.split(':').nth(3).unwrap_or_default();
                    truth = truth.and(self.on_document(permit, region));
                }
                let mut needs = Vec::new();
                for (n, (action, permit)) in way.all().zip(&permits).enumerate() {
                    let on = n < way.actions.len();
                    let (t, by) = match permit {
                        Some(permit) if on => permit.on(resource, &self.plain),
                        Some(permit) => permit.somewhere(&self.plain),
                        None => (Truth::No, [].into()),
                    };
                    let (t, by) = if on { self.over_workload(at, Actor { at: p, who }, action, (t, by)) } else { (t, by) };
                    truth = truth.and(t);
                    needs.extend((!by.is_empty()).then_some(Need { action, by }));
                }
                // A group may keep to one version of its template.
                let certain = truth == Truth::Yes && way.kind != WorkloadKind::LaunchTemplate;
                if truth == Truth::No || before.is_some() && !certain {
                    continue;
                }
                let way = Way::TakeOver(row as u8, at as u32);
                let edge = Edge { from: p, to: To::Principal(role), way, first: None, needs: needs.into(), certain };
                match before {
                    Some(place) => edges[place] = edge,
                    None => {
                        found.insert(role, edges.len());
                        edges.push(edge);
                    }
                }
            }
        }
    }

    /// What is true of an action on a workload with what its own policy says of it, and the statements any of which grant it.
    fn over_workload(&self, workload: usize, Actor { at: p, who }: Actor<'_>, action: &str, own: Granted) -> Granted {
        if !self.spoken_of.contains(&workload) || !std::ptr::eq(who, &self.account.principals[p]) {
            return own;
        }
        let (action, resource) = (ActionName::new(action), &self.workloads[workload].0);
        let truth = match self.account.decision(&self.account.principals[p], &action, resource, &self.plain) {
            Decision::Allowed => Truth::Yes,
            Decision::Depends => Truth::Maybe,
            Decision::Denied { .. } => return (Truth::No, [].into()),
        };
        let resources = self.account.resources();
        let place = resources.place(&self.account.workloads[workload].arn);
        let policy = place.and_then(|place| Some((place, resources.at(place)?.policy()?)));
        let request = Request { caller: &who.caller, action: &action, resource, context: &self.plain };
        let by = policy.into_iter().flat_map(|(place, policy)| {
            let direct = policy.grants(&request).into_iter().filter(|(s, needs_own)| {
                // What may grant is no alternative to what does.
                !needs_own && (truth != Truth::Yes || policy.applies(*s, &request) == Truth::Yes)
            });
            direct.map(move |(statement, _)| StatementId::of_resource(place, statement)).collect::<Vec<_>>()
        });
        let own = own.1.iter().copied().filter(|_| truth != Truth::Yes || own.0 == Truth::Yes);
        (truth, own.chain(by).collect())
    }

    /// Taking over what may run as a role, where it is not known what does: one edge to each role that no other leads to.
    fn possible_take_overs(&self, Actor { at: p, who }: Actor<'_>, edges: &mut Vec<Edge>) {
        let mut reached = vec![false; self.account.principals.len()];
        for e in edges.iter() {
            if let To::Principal(to) = e.to {
                reached[to] = true;
            }
        }
        for (row, way) in TAKE_OVERS.iter().enumerate() {
            let Some(roles) = self.by_service.get(way.kind.service()) else { continue };
            if self.account.workloads_known.contains(&way.kind) {
                continue;
            }
            let mut needs = Vec::new();
            for action in way.all() {
                let by = match self.permit(who, action) {
                    Some(permit) => permit.somewhere(&self.plain).1,
                    None => break,
                };
                if by.is_empty() {
                    break;
                }
                needs.push(Need { action, by });
            }
            if needs.len() < way.all().count() {
                continue;
            }
            let needs: Arc<[Need]> = needs.into();
            for &Served { role, .. } in roles {
                let by_profile = matches!(way.kind, WorkloadKind::Ec2Instance | WorkloadKind::LaunchTemplate);
                let with_profile = !by_profile || !self.account.principals[role].instance_profiles.is_empty();
                if role != p && with_profile && !std::mem::replace(&mut reached[role], true) {
                    let way = Way::MayTakeOver(row as u8);
                    edges.push(Edge { from: p, to: To::Principal(role), way, first: None, needs: needs.clone(), certain: false });
                }
            }
        }
    }
}

/// The needs of one edge after another, kept once as long as they are the same.
#[derive(Default)]
struct Shared {
    by: Option<Arc<[StatementId]>>,
    needs: Arc<[Need]>,
}

impl Shared {
    fn of(&mut self, first: &[Need], action: &'static str, by: Arc<[StatementId]>) -> Arc<[Need]> {
        if self.by.as_ref().is_some_and(|last| Arc::ptr_eq(last, &by)) {
            return self.needs.clone();
        }
        let last = Need { action, by: by.clone() };
        self.needs = first.iter().cloned().chain([last]).collect();
        self.by = Some(by);
        self.needs.clone()
    }
}

/// A value in which what policy variables say of the caller stands in their place, as far as it is known.
pub(super) fn filled_in(value: &str, caller: &Caller) -> String {
    text::fill(value, |name| match caller.keys.get(&name.to_ascii_lowercase()) {
        Known::Values([one]) => one.clone().into(),
        _ => format!("${{{name}}}").into(),
    })
}

/// Says which tags a machine has, in the words of each service that asks for them.
fn wear(resource: &mut Resource, tags: &Tags) {
    for of in ["aws:ResourceTag/", "ec2:ResourceTag/", "ssm:resourceTag/"] {
        resource.close_keys(of);
        tags.iter().for_each(|(key, value)| resource.set_key(&format!("{of}{key}"), [value.as_str()]));
    }
}

/// A user or role with what is known of its boundary.
pub(super) fn bounded(mut resource: Resource, boundary: Option<&str>) -> Resource {
    resource.set_key("iam:PermissionsBoundary", boundary);
    resource
}

/// A service's name as the tables have it: without a region, and without China's ending
/// (AWS: "AWS JSON policy elements: Principal", service principals).
fn service_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix(".cn").unwrap_or(&lower);
    let is_region = |part: &str| part.ends_with(|c: char| c.is_ascii_digit()) && part.matches('-').count() >= 2;
    match name.strip_suffix(".amazonaws.com").and_then(|head| head.rsplit_once('.')) {
        Some((head, region)) if is_region(region) => format!("{head}.amazonaws.com"),
        _ => name.to_owned(),
    }
}

/// Workloads whose own policies name what takes them over.
fn spoken_of(account: &Account) -> Vec<usize> {
    let actions: Vec<ActionName> = TAKE_OVERS.iter().flat_map(|way| way.actions).map(|a| ActionName::new(a)).collect();
    let speaks = |policy: &Compiled| actions.iter().any(|a| policy.naming(a).next().is_some());
    let policy = |w: &usize| account.resources().find(&account.workloads[*w].arn).and_then(Held::policy);
    (0..account.workloads.len()).filter(|w| policy(w).is_some_and(speaks)).collect()
}

/// The pairs of actions that take the same kind of resource.
fn alike(actions: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let kind = |action: &str| facts().action(action).and_then(|(s, a)| Some((s.prefix, s.main_type(a)?.name)));
    let pairs = actions.iter().enumerate().flat_map(|(at, a)| actions[at + 1..].iter().map(move |b| (*a, *b)));
    pairs.filter(|(a, b)| kind(a).is_some() && kind(a) == kind(b)).collect()
}

/// Whether a policy speaks of keys that begin so, in lower case.
fn asks_for(policy: &Compiled, keys: &[&str]) -> bool {
    let has = |text: &str| {
        let lower = text.to_ascii_lowercase();
        keys.iter().any(|key| lower.contains(key))
    };
    policy.policy.statements.iter().any(|s| {
        let key = |c: &crate::iam::policy::Condition| has(&c.key.text) || c.values.iter().any(|v| has(&v.text));
        s.conditions.iter().any(key) || s.resource.as_ref().is_some_and(|r| r.values.iter().any(|v| has(&v.text)))
    })
}
