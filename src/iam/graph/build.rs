//! Finding the edges.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use super::crossings::{Crossing, crossings};
use super::permit::{Permit, StatementId, Table};
use super::ways::{self, CREDENTIALS, LAUNCHES, TAKE_OVERS};
use super::{Edge, Need, To, Way};
use crate::iam::account::Account;
use crate::iam::evaluate::{ActionName, Context, Decision, Request, Resource, Truth};
use crate::iam::policy::{Effect, PrincipalKind};
use crate::iam::workloads::WorkloadKind;

const ADMINISTRATOR_ACCESS: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Who is an administrator, all edges by `from`, and the ways into other accounts.
pub(super) fn build(account: &Account) -> (Vec<bool>, Vec<Edge>, Vec<Crossing>) {
    let table = Table::new(account, ways::actions());
    let ground = Ground::new(account, &table);
    let count = account.principals.len();
    let chunk = count.div_ceil(threads()).max(1);
    let administrators: Vec<bool> = spread(count, chunk, |i| ground.is_administrator(i));
    let edges: Vec<Vec<Edge>> = spread(count, chunk, |i| if administrators[i] { Vec::new() } else { ground.edges(i) });
    (administrators, edges.into_iter().flatten().collect(), crossings(account, &table))
}

/// How many threads may work at the same thing. The system is asked once: it reads several files to say.
pub(super) fn threads() -> usize {
    static MOST: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, |n| n.get().min(8)));
    *MOST
}

/// One answer for each place, worked out in chunks side by side, in order.
pub(super) fn spread<T: Send>(count: usize, chunk: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if count <= chunk {
        return (0..count).map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = (0..count)
            .step_by(chunk)
            .map(|from| scope.spawn(move || (from..(from + chunk).min(count)).map(work).collect::<Vec<T>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

struct Ground<'a> {
    account: &'a Account,
    table: &'a Table,
    /// Each principal, group and managed policy as a resource.
    principals: Vec<Resource>,
    groups: Vec<Resource>,
    policies: Vec<Option<Resource>>,
    workloads: Vec<(Resource, Option<usize>)>,
    /// Roles that trust everyone, the whole account, and those that name a principal, by what they name.
    trusting_everyone: Vec<usize>,
    trusting_account: Vec<usize>,
    trusting: HashMap<&'a str, Vec<usize>>,
    /// Roles by the service that may assume them.
    by_service: HashMap<String, Vec<usize>>,
    /// Groups whose own policies make an administrator.
    strong_groups: Vec<usize>,
    plain: Context,
    attach: Context,
    star: Resource,
}

impl<'a> Ground<'a> {
    fn new(account: &'a Account, table: &'a Table) -> Self {
        let own = |p: &usize| {
            let arn = &account.policies[*p].arn;
            let customer = !arn.is_empty() && !arn.contains(":iam::aws:");
            customer.then(|| account.resource(arn))
        };
        let mut ground = Self {
            account,
            table,
            principals: account.principals.iter().map(|p| account.resource(&p.arn)).collect(),
            groups: account.groups.iter().map(|g| account.resource(&g.arn)).collect(),
            policies: (0..account.policies.len()).map(|p| own(&p)).collect(),
            workloads: account
                .workloads
                .iter()
                .map(|w| (account.resource(&w.arn), account.principals.iter().position(|p| p.arn == w.role_arn)))
                .collect(),
            trusting_everyone: Vec::new(),
            trusting_account: Vec::new(),
            trusting: HashMap::new(),
            by_service: HashMap::new(),
            strong_groups: Vec::new(),
            plain: Context::new(),
            // The attack is to attach AdministratorAccess, so that is what conditions are asked about.
            attach: Context::new().with("iam:PolicyARN", [ADMINISTRATOR_ACCESS]),
            star: Resource::new("*").in_account(&account.id),
        };
        ground.read_trust();
        ground.strong_groups = (0..account.groups.len()).filter(|g| ground.is_strong(&account.groups[*g].policies)).collect();
        ground
    }

    fn read_trust(&mut self) {
        let root = format!(":iam::{}:root", self.account.id);
        for (role, p) in self.account.principals.iter().enumerate() {
            let Some(trust) = p.trust else { continue };
            let (mut account_too, mut everyone) = (false, false);
            let mut names = BTreeSet::new();
            let mut services = BTreeSet::new();
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
                            services.insert(text.to_ascii_lowercase());
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
            for service in services {
                self.by_service.entry(service).or_default().push(role);
            }
        }
    }

    /// Whether these policies alone make an administrator: something open allows all, and nothing is denied.
    fn is_strong(&self, policies: &[usize]) -> bool {
        ways::ADMINISTRATOR.iter().all(|action| {
            let name = ActionName::new(action);
            let open = |p: &usize| {
                let policy = &self.account.policies[*p];
                policy.naming(&name).any(|(i, e)| e == Effect::Allow && policy.is_open(i))
            };
            policies.iter().any(open)
        })
    }

    fn permit(&self, p: usize, action: &'static str) -> Option<Permit<'_>> {
        self.table.permit(self.account, p, action, true)
    }

    /// By its own policies and boundary: what the organisation takes from everyone in the account, such as stopping the
    /// trail, makes nobody less of an administrator of it.
    fn is_administrator(&self, p: usize) -> bool {
        ways::ADMINISTRATOR.iter().all(|action| {
            let permit = self.table.permit(self.account, p, action, false);
            permit.is_some_and(|permit| permit.on(&self.star, &self.plain).0 == Truth::Yes)
        })
    }

    fn edges(&self, p: usize) -> Vec<Edge> {
        let mut edges = Vec::new();
        self.assume(p, &mut edges);
        self.credentials(p, &mut edges);
        self.launches(p, &mut edges);
        self.take_overs(p, &mut edges);
        self.possible_take_overs(p, &mut edges);
        self.rewrites(p, &mut edges);
        edges
    }

    fn assume(&self, p: usize, edges: &mut Vec<Edge>) {
        let permit = self.permit(p, "sts:AssumeRole");
        let me = &self.account.principals[p];
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
            let certain = match self.account.decision(p, &action, target, &self.plain) {
                Decision::Denied { .. } => continue,
                Decision::Allowed => true,
                Decision::Depends => false,
            };
            let by = grants.iter().map(|(s, _)| StatementId { policy: trust as u32, statement: *s as u32 }).collect();
            let mut needs = vec![Need { action: "sts:AssumeRole", by }];
            if let (false, Some(permit)) = (direct, &permit) {
                needs.push(Need { action: "sts:AssumeRole", by: permit.on(target, &self.plain).1 });
            }
            edges.push(Edge { from: p, to: To::Principal(role), way: Way::Assume, needs: needs.into(), certain });
        }
    }

    fn credentials(&self, p: usize, edges: &mut Vec<Edge>) {
        for (row, way) in CREDENTIALS.iter().enumerate() {
            let Some(permit) = self.permit(p, way.action) else { continue };
            let mut shared = Shared::default();
            for (target, other) in self.account.principals.iter().enumerate() {
                if target == p || other.is_role != way.of_role || is_aws_kept(&other.path) {
                    continue;
                }
                let (truth, by) = permit.on(&self.principals[target], &self.plain);
                if truth != Truth::No {
                    edges.push(Edge {
                        from: p,
                        to: To::Principal(target),
                        way: Way::Credential(row as u8),
                        needs: shared.of(&[], way.action, by),
                        certain: truth == Truth::Yes,
                    });
                }
            }
        }
    }

    fn launches(&self, p: usize, edges: &mut Vec<Edge>) {
        let Some(pass) = self.permit(p, "iam:PassRole") else { return };
        for (row, launch) in LAUNCHES.iter().enumerate() {
            let Some(roles) = self.by_service.get(launch.service) else { continue };
            let mut truth = Truth::Yes;
            let mut needs = Vec::new();
            for action in launch.actions {
                let (t, by) = match self.permit(p, action) {
                    Some(permit) => permit.somewhere(&self.plain),
                    None => (Truth::No, [].into()),
                };
                truth = truth.and(t);
                needs.push(Need { action, by });
            }
            if truth == Truth::No {
                continue;
            }
            let mut shared = Shared::default();
            let context = Context::new().with("iam:PassedToService", [launch.service]);
            for role in roles.iter().copied().filter(|r| *r != p) {
                if launch.profile && self.account.principals[role].instance_profiles.is_empty() {
                    continue;
                }
                let (t, by) = pass.on(&self.principals[role], &context);
                if t == Truth::No {
                    continue;
                }
                let needs = shared.of(&needs, "iam:PassRole", by);
                let certain = truth.and(t) == Truth::Yes;
                edges.push(Edge { from: p, to: To::Principal(role), way: Way::Launch(row as u8), needs, certain });
            }
        }
    }

    fn take_overs(&self, p: usize, edges: &mut Vec<Edge>) {
        for (row, way) in TAKE_OVERS.iter().enumerate() {
            let permits: Option<Vec<Permit<'_>>> = way.actions.iter().map(|a| self.permit(p, a)).collect();
            let Some(permits) = permits else { continue };
            // Of many that run as one role one makes the point, the first that is there for certain.
            let mut found: HashMap<usize, usize> = HashMap::new();
            for (at, (resource, role)) in self.workloads.iter().enumerate() {
                let Some(role) = role.filter(|r| *r != p && self.account.workloads[at].kind == way.kind) else { continue };
                let before = found.get(&role).copied();
                if before.is_some_and(|e: usize| edges[e].certain) {
                    continue;
                }
                let mut truth = Truth::Yes;
                let mut needs = Vec::new();
                for (action, permit) in way.actions.iter().zip(&permits) {
                    let (t, by) = permit.on(resource, &self.plain);
                    truth = truth.and(t);
                    needs.push(Need { action, by });
                }
                // A group may keep to one version of its template.
                let certain = truth == Truth::Yes && way.kind != WorkloadKind::LaunchTemplate;
                if truth == Truth::No || before.is_some() && !certain {
                    continue;
                }
                let way = Way::TakeOver(row as u8, at as u32);
                let edge = Edge { from: p, to: To::Principal(role), way, needs: needs.into(), certain };
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

    /// Taking over what may run as a role, where it is not known what does: one edge to each role that no other leads to.
    fn possible_take_overs(&self, p: usize, edges: &mut Vec<Edge>) {
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
            for action in way.actions {
                let by = match self.permit(p, action) {
                    Some(permit) => permit.somewhere(&self.plain).1,
                    None => break,
                };
                if by.is_empty() {
                    break;
                }
                needs.push(Need { action, by });
            }
            if needs.len() < way.actions.len() {
                continue;
            }
            let needs: Arc<[Need]> = needs.into();
            for &role in roles {
                let by_profile = matches!(way.kind, WorkloadKind::Ec2Instance | WorkloadKind::LaunchTemplate);
                let with_profile = !by_profile || !self.account.principals[role].instance_profiles.is_empty();
                if role != p && with_profile && !std::mem::replace(&mut reached[role], true) {
                    let way = Way::MayTakeOver(row as u8);
                    edges.push(Edge { from: p, to: To::Principal(role), way, needs: needs.clone(), certain: false });
                }
            }
        }
    }

    /// Ways to change what itself, or one it can become, may do: each makes an administrator.
    fn rewrites(&self, p: usize, edges: &mut Vec<Edge>) {
        let user = &self.account.principals[p];
        if !user.is_role
            && let Some(permit) = self.permit(p, "iam:AddUserToGroup")
        {
            for &g in self.strong_groups.iter().filter(|g| !user.groups.contains(&self.account.groups[**g].name)) {
                let (truth, by) = permit.on(&self.groups[g], &self.plain);
                if truth != Truth::No && user.boundary.is_none() {
                    let needs = [Need { action: "iam:AddUserToGroup", by }].into();
                    let way = Way::Join(g as u32);
                    edges.push(Edge { from: p, to: To::Administrator, way, needs, certain: truth == Truth::Yes });
                }
            }
        }
        let rewriting = Rewriting::new(self, p);
        if rewriting.is_empty() {
            return;
        }
        let mut reach: Vec<(usize, Option<usize>)> = vec![(p, None)];
        let mut seen = vec![false; self.account.principals.len()];
        seen[p] = true;
        for (i, e) in edges.iter().enumerate() {
            if let To::Principal(to) = e.to
                && !std::mem::replace(&mut seen[to], true)
            {
                reach.push((to, Some(i)));
            }
        }
        let mut uncertain = None;
        for (through, by_edge) in reach {
            // What has a boundary stays within it, whatever its policies say.
            if self.account.principals[through].boundary.is_some() {
                continue;
            }
            let base = by_edge.map(|e| &edges[e]);
            let sure = base.is_none_or(|e| e.certain);
            let found = rewriting.of(through);
            let mut found: Vec<Edge> = found
                .into_iter()
                .map(|(action, truth, by)| {
                    let mut needs = base.map(|e| e.needs.to_vec()).unwrap_or_default();
                    needs.push(Need { action, by });
                    let certain = sure && truth == Truth::Yes;
                    Edge { from: p, to: To::Administrator, way: Way::Rewrite { through, action }, needs: needs.into(), certain }
                })
                .collect();
            // Its own are all told; of those through others the first is enough to make the point.
            if through == p {
                let done = found.iter().any(|e| e.certain);
                edges.append(&mut found);
                if done {
                    return;
                }
            } else if let Some(at) = found.iter().position(|e| e.certain) {
                edges.push(found.swap_remove(at));
                return;
            } else if uncertain.is_none() {
                uncertain = found.into_iter().next();
            }
        }
        edges.extend(uncertain);
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

/// Roles that AWS keeps: their policies and trust cannot be changed through IAM.
pub(super) fn is_aws_kept(path: &str) -> bool {
    path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/")
}

/// The permits of one principal to change permissions.
struct Rewriting<'g, 'a> {
    ground: &'g Ground<'a>,
    user: Vec<(&'static str, Permit<'g>)>,
    role: Vec<(&'static str, Permit<'g>)>,
    group: Vec<(&'static str, Permit<'g>)>,
    policy: Vec<(&'static str, Permit<'g>)>,
    set: Vec<(&'static str, Permit<'g>)>,
    switch: Option<Permit<'g>>,
}

impl<'g, 'a> Rewriting<'g, 'a> {
    fn new(ground: &'g Ground<'a>, p: usize) -> Self {
        let of = |actions: &[&'static str]| actions.iter().filter_map(|a| Some((*a, ground.permit(p, a)?))).collect();
        Self {
            ground,
            user: of(ways::REWRITES_USER),
            role: of(ways::REWRITES_ROLE),
            group: of(ways::REWRITES_GROUP),
            policy: of(ways::REWRITES_POLICY),
            set: of(ways::REWRITES_SET),
            switch: ground.permit(p, ways::SWITCH),
        }
    }

    fn is_empty(&self) -> bool {
        let lists = [&self.user, &self.role, &self.group, &self.policy, &self.set];
        lists.iter().all(|l| l.is_empty()) && self.switch.is_none()
    }

    /// The ways to change what one principal may do.
    fn of(&self, through: usize) -> Vec<(&'static str, Truth, Arc<[StatementId]>)> {
        let g = self.ground;
        let target = &g.account.principals[through];
        let mut found = Vec::new();
        let mut add = |action: &&'static str, (truth, by)| {
            if truth != Truth::No {
                found.push((*action, truth, by));
            }
        };
        if is_aws_kept(&target.path) {
            if target.path.starts_with("/aws-reserved/sso.amazonaws.com/") {
                for (action, permit) in &self.set {
                    add(action, permit.somewhere(&g.plain));
                }
            }
            return found;
        }
        for (action, permit) in if target.is_role { &self.role } else { &self.user } {
            add(action, permit.on(&g.principals[through], &g.attach));
        }
        if !self.group.is_empty() {
            let own = |at: &usize| target.groups.contains(&g.account.groups[*at].name);
            for at in (0..g.account.groups.len()).filter(own) {
                for (action, permit) in &self.group {
                    add(action, permit.on(&g.groups[at], &g.attach));
                }
            }
        }
        if let Some(permit) = &self.switch {
            let strong = |p: &&usize| g.account.other_versions.get(p).is_some_and(|all| all.iter().any(|v| g.is_strong(&[*v])));
            for resource in target.policies.iter().filter(strong).filter_map(|i| g.policies[*i].as_ref()) {
                add(&ways::SWITCH, permit.on(resource, &g.plain));
            }
        }
        for (action, permit) in &self.policy {
            for resource in target.policies.iter().filter_map(|i| g.policies[*i].as_ref()) {
                add(action, permit.on(resource, &g.plain));
            }
        }
        found
    }
}
