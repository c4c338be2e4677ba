//! Exposures: every interface and load balancer that can be reached from the internet or from named sources, ranked by
//! what it means. What would close one is [`closers`](crate::network::closers)'.
//!
//! Interfaces that every filter and route treats alike (same subnet, groups, kind of address) are walked once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use crate::model::account::Environment;
use crate::model::finding::{FindingKey, Severity};
use crate::network::net::{Backend, Net, Object};
use crate::network::packets::{Addresses, Allow, Opening, PacketSet, Ranges, Region as _, Service, TCP, UDP};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::through::{passed_on, passed_path};
use crate::network::walk::{End, group_filter, packets_between, walk};

/// Where packets may come from: the internet, or addresses with a name (an office, a partner).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub addresses: Addresses,
}

impl Source {
    pub fn internet() -> Self {
        Self { name: "internet".to_owned(), addresses: Addresses::internet() }
    }
}

/// What others know about the machine behind an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub worst_finding: Option<Severity>,
    pub known_exploited: bool,
    pub open_findings: usize,
    /// ARN of the role that runs there.
    pub role: String,
    pub administrator: bool,
    /// Whether the role can make itself an administrator.
    pub becomes_administrator: bool,
}

/// Asks for what is behind an interface; the network itself knows neither findings nor roles.
pub trait Behind: Sync {
    fn behind(&self, net: &Net, interface: usize) -> Facts;
}

/// Nothing is known.
pub struct NothingKnown;

impl Behind for NothingKnown {
    fn behind(&self, _: &Net, _: usize) -> Facts {
        Facts::default()
    }
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub points: i32,
    pub why: String,
}

/// One concrete way in.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// Stable across sweeps: source, target and service.
    pub id: FindingKey,
    pub source: String,
    /// The interface, or the load balancer it belongs to.
    pub target: Object,
    /// One of the interfaces that are reached.
    pub interface: usize,
    /// The load balancer that passes it on, where it is reached through one.
    pub via: Option<usize>,
    /// The one before that, where a network load balancer has an application load balancer behind it.
    pub front: Option<usize>,
    /// Protocols and ports at the target (at the load balancer, where through one).
    pub opening: Opening,
    /// The port behind the load balancer.
    pub behind_port: Option<u16>,
    pub verdict: Verdict,
    /// Why it is not known.
    pub unknown: Vec<String>,
    /// Firewalls on the way: inspected, not evaluated.
    pub inspected: Vec<Object>,
    pub addresses: Vec<IpAddr>,
    /// What is known of the machine there.
    pub behind: Facts,
    pub score: Vec<Part>,
    pub severity: Severity,
}

impl Exposure {
    pub fn points(&self) -> i32 {
        self.score.iter().map(|p| p.points).sum()
    }
    pub fn service(&self) -> Service {
        self.opening.service()
    }
    /// The instance it ends at, or the load balancer or interface where it ends at none.
    pub fn resource(&self, net: &Net) -> Object {
        let machine = net.interfaces[self.interface].instance;
        match machine.filter(|_| self.via.is_some() || matches!(self.target, Object::Interface(_))) {
            Some(instance) => Object::Instance(instance),
            None => self.target,
        }
    }
}

/// All that reaches one class of interfaces.
struct Reached {
    openings: Vec<(Opening, Verdict)>,
    unknown: Vec<String>,
    inspected: Vec<Object>,
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone)]
struct Class<'n> {
    source: usize,
    subnet: usize,
    groups: &'n [usize],
    lost: &'n [String],
    ungrouped: bool,
    load_balancer: Option<usize>,
    public: bool,
    v6: bool,
    /// Set where an edge route table or an assumed address makes it one of a kind.
    only: Option<usize>,
}

/// Finds every exposure to the sources, the worst first.
pub fn exposures(net: &Net, sources: &[Source], behind: &dyn Behind) -> Vec<Exposure> {
    let mut classes: BTreeMap<Class<'_>, Vec<usize>> = BTreeMap::new();
    for (ix, i) in net.interfaces.iter().enumerate() {
        let public = i.is_public();
        if i.takes_no_connections() || (!public && i.v6.is_empty()) {
            continue;
        }
        for source in 0..sources.len() {
            let class = Class {
                source,
                subnet: i.subnet,
                groups: &i.groups,
                lost: &i.lost_groups,
                ungrouped: i.is_ungrouped_kind(),
                load_balancer: i.load_balancer,
                public,
                v6: !i.v6.is_empty(),
                only: (i.assumed || !net.vpcs[i.vpc].edge_tables.is_empty()).then_some(ix),
            };
            classes.entry(class).or_default().push(ix);
        }
    }
    let classes: Vec<(Class<'_>, Vec<usize>)> = classes.into_iter().collect();
    let judge = |(class, members): &(Class<'_>, Vec<usize>)| {
        let first = members.first().copied().unwrap_or_default();
        reached(net, first, &sources[class.source].addresses)
    };
    let judged = in_parallel(&classes, judge);
    let mut out = Vec::new();
    let mut seen: HashMap<FindingKey, usize> = HashMap::new();
    for ((class, members), reached) in classes.iter().zip(&judged) {
        let source = &sources[class.source];
        for ix in members {
            for (opening, verdict) in &reached.openings {
                let i = &net.interfaces[*ix];
                let target = i.load_balancer.map_or(Object::Interface(*ix), Object::LoadBalancer);
                let addresses = i.v4.iter().filter_map(|(_, p)| *p).chain(i.v6.iter().copied()).collect();
                let made = Exposure {
                    id: key(net, &source.name, target, opening, None),
                    source: source.name.clone(),
                    target,
                    interface: *ix,
                    via: None,
                    front: None,
                    opening: opening.clone(),
                    behind_port: None,
                    verdict: *verdict,
                    unknown: if *verdict == Verdict::Unknown { reached.unknown.clone() } else { Vec::new() },
                    inspected: reached.inspected.clone(),
                    addresses,
                    behind: Facts::default(),
                    score: Vec::new(),
                    severity: Severity::Low,
                };
                // The interfaces of one load balancer are one target.
                match seen.get(&made.id) {
                    Some(at) => merge(&mut out, *at, made),
                    None => {
                        seen.insert(made.id, out.len());
                        out.push(made);
                    }
                }
            }
        }
    }
    through_load_balancers(net, sources, &mut out);
    rank(net, &mut out, behind);
    out
}

/// Scores exposures by what they mean, and puts the worst first.
pub fn rank(net: &Net, exposures: &mut [Exposure], behind: &dyn Behind) {
    let mut facts: HashMap<usize, Facts> = HashMap::new();
    for e in exposures.iter_mut() {
        e.behind = facts.entry(e.interface).or_insert_with(|| behind.behind(net, e.interface)).clone();
        e.score = score(net, e, &e.behind);
        e.severity = severity(e.points());
    }
    exposures.sort_by(|a, b| b.points().cmp(&a.points()).then_with(|| a.id.cmp(&b.id)));
}

fn merge(out: &mut [Exposure], at: usize, more: Exposure) {
    let Some(one) = out.get_mut(at) else { return };
    one.opening.peers = one.opening.peers.or(&more.opening.peers);
    one.verdict = one.verdict.max(more.verdict);
    for address in more.addresses {
        if !one.addresses.contains(&address) {
            one.addresses.push(address);
        }
    }
}

/// Spreads work over the machine's cores (at most four), keeping order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    if items.len() < 64 || cores < 2 {
        return items.iter().map(work).collect();
    }
    // Small chunks in turn, so that one heavy region does not keep a core busy alone.
    let chunk = (items.len() / (cores * 8)).max(1);
    let chunks: Vec<&[T]> = items.chunks(chunk).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut parts: Vec<(usize, Vec<R>)> = Vec::with_capacity(chunks.len());
    std::thread::scope(|scope| {
        let run = || {
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(chunk) = chunks.get(at) else { return mine };
                mine.push((at, chunk.iter().map(&work).collect::<Vec<R>>()));
            }
        };
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(run)).collect();
        parts.extend(run());
        for other in others {
            match other.join() {
                Ok(mine) => parts.extend(mine),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    parts.sort_by_key(|(at, _)| *at);
    parts.into_iter().flat_map(|(_, part)| part).collect()
}

/// The ways an interface can be addressed from outside its VPC.
pub fn outer_ends(net: &Net, interface: usize) -> Vec<End> {
    let i = &net.interfaces[interface];
    if i.assumed {
        return if i.assumed_public { vec![End::Interface { ix: interface, address: None, public: None }] } else { Vec::new() };
    }
    let v4 =
        i.v4.iter().filter(|(_, p)| p.is_some()).map(|(a, p)| End::Interface { ix: interface, address: Some(*a), public: *p });
    v4.chain(i.v6.iter().map(|a| End::Interface { ix: interface, address: Some(*a), public: None })).collect()
}

fn reached(net: &Net, interface: usize, from: &Addresses) -> Reached {
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    let (mut sure, mut may) = (PacketSet::default(), PacketSet::default());
    let mut out = Reached { openings: Vec::new(), unknown: Vec::new(), inspected: Vec::new() };
    // Only what its groups may let in is worth a walk.
    let i = &net.interfaces[interface];
    let service = if i.groups.is_empty() {
        Service::everything()
    } else {
        let admitted = group_filter(net, interface, false, None).may.and(&Allow::rule(&Service::everything(), from));
        admitted.service()
    };
    if service.is_empty() {
        return out;
    }
    let (mut had4, mut had6) = (false, false);
    for end in outer_ends(net, interface) {
        // One address of a family stands for all of them.
        let v6 = matches!(end, End::Interface { address: Some(IpAddr::V6(_)), .. });
        if std::mem::replace(if v6 { &mut had6 } else { &mut had4 }, true) {
            continue;
        }
        let family = if v6 {
            Addresses { v4: Ranges::default(), v6: from.v6.clone() }
        } else {
            Addresses { v4: from.v4.clone(), v6: Ranges::default() }
        };
        let client = End::Internet(family);
        let packets = packets_between(net, &client, &end, &service, &ports);
        for leg in walk(net, &client, &end, packets, false).arrived {
            sure = sure.or(leg.sure());
            may = may.or(&leg.may);
            out.unknown.extend(leg.doubts);
            out.inspected.extend(leg.inspected);
        }
    }
    out.unknown.sort();
    out.unknown.dedup();
    out.inspected.sort_unstable();
    out.inspected.dedup();
    out.openings = sure.openings().into_iter().map(|o| (o, Verdict::Yes)).collect();
    if may != sure {
        out.openings.extend(may.minus(&sure).openings().into_iter().map(|o| (o, Verdict::Unknown)));
    }
    out
}

fn key(net: &Net, source: &str, target: Object, opening: &Opening, via: Option<usize>) -> FindingKey {
    let service = opening.service().to_string();
    let via = via.map_or("", |lb| net.load_balancers[lb].arn.as_str());
    FindingKey::of(&["bartizan", "exposure", source, &net.arn_of(target), &service, via])
}

/// What load balancers that are exposed pass on, and what load balancers behind those do.
fn through_load_balancers(net: &Net, sources: &[Source], out: &mut Vec<Exposure>) {
    let mut more: BTreeMap<FindingKey, Exposure> = BTreeMap::new();
    for e in out.iter().filter(|e| sources.iter().any(|s| s.name == e.source)) {
        let Object::LoadBalancer(lb) = e.target else { continue };
        for first in behind(net, e, lb) {
            if let (Some(inner), Some(port)) = (net.interfaces[first.interface].load_balancer, first.behind_port) {
                // What the inner one is asked on is the port behind the outer one.
                let asked = Exposure { opening: Opening { ports: (port, port), ..first.opening.clone() }, ..first.clone() };
                for second in behind(net, &asked, inner) {
                    let opening = first.opening.clone();
                    let id = key(net, &e.source, second.target, &opening, Some(inner));
                    more.entry(id).or_insert(Exposure { id, opening, front: Some(lb), ..second });
                }
            }
            more.entry(first.id).or_insert(first);
        }
    }
    let known: BTreeSet<FindingKey> = out.iter().map(|e| e.id).collect();
    out.extend(more.into_values().filter(|e| !known.contains(&e.id)));
}

/// What one load balancer passes on of what reaches it.
fn behind(net: &Net, e: &Exposure, lb: usize) -> Vec<Exposure> {
    let mut out = Vec::new();
    for backend in &net.load_balancers[lb].backends {
        if !e.service().meets(&backend.listens) {
            continue;
        }
        let clients = backend.clients.as_ref().map_or_else(|| e.opening.peers.clone(), |only| e.opening.peers.and(only));
        if clients.is_empty() {
            continue;
        }
        let (peers, verdict) = passed_on(net, lb, backend, &clients);
        if verdict == Verdict::No {
            continue;
        }
        let opening = Opening { ports: (backend.listener, backend.listener), peers, ..e.opening.clone() };
        let i = &net.interfaces[backend.interface];
        let target = i.load_balancer.map_or(Object::Interface(backend.interface), Object::LoadBalancer);
        let mut unknown = e.unknown.clone();
        if !backend.sure {
            unknown.push(format!(
                "the rules of {}'s listener on port {} were not read",
                net.load_balancers[lb].name, backend.listener
            ));
        }
        let verdict = if backend.sure { verdict } else { Verdict::Unknown };
        out.push(Exposure {
            id: key(net, &e.source, target, &opening, Some(lb)),
            target,
            interface: backend.interface,
            via: Some(lb),
            opening,
            behind_port: Some(backend.port),
            verdict: e.verdict.min(verdict),
            unknown,
            ..e.clone()
        });
    }
    out
}

/// How a load balancer passes an exposure on: the backend that does.
pub fn backend_of<'n>(net: &'n Net, e: &Exposure) -> Option<&'n Backend> {
    let fits = |b: &&Backend| b.interface == e.interface && Some(b.port) == e.behind_port;
    net.load_balancers[e.via?].backends.iter().find(|b| fits(b) && (e.front.is_some() || e.service().meets(&b.listens)))
}

/// The walk of an exposure, hop by hop, with the rule at each: to where it comes in, and from each load balancer on.
pub fn ladder(net: &Net, exposure: &Exposure) -> Vec<Path> {
    let service = exposure.service();
    let client = End::Internet(exposure.opening.peers.clone());
    let first = match exposure.front.or(exposure.via) {
        Some(lb) => net.load_balancers[lb].interfaces.first().copied(),
        None => Some(exposure.interface),
    };
    let mut out = Vec::new();
    for end in first.map(|ix| outer_ends(net, ix)).unwrap_or_default() {
        let one = path(net, &client, &end, &service);
        if one.verdict != Verdict::No {
            out.push(one);
        }
    }
    if let (Some(front), Some(via)) = (exposure.front, exposure.via) {
        let inner = |b: &&Backend| b.listens.meets(&service) && net.load_balancers[via].interfaces.contains(&b.interface);
        out.extend(net.load_balancers[front].backends.iter().find(inner).and_then(|b| passed_path(net, front, b)));
    }
    if let (Some(via), Some(backend)) = (exposure.via, backend_of(net, exposure)) {
        out.extend(passed_path(net, via, backend));
    }
    out
}

// ---- score ----

/// Ports to administer machines by.
pub const ADMIN: &[u16] = &[22, 23, 135, 139, 445, 2375, 2376, 3389, 5900, 5901, 5985, 5986, 6443, 10250];
/// Ports of databases, caches and queues.
pub const DATABASES: &[u16] = &[
    1433, 1521, 2049, 2379, 3306, 5432, 5439, 5672, 5984, 6379, 7000, 7001, 8020, 9042, 9092, 9200, 9300, 11211, 27017, 27018,
    50070,
];

/// What kind of service an opening is, for people.
pub fn kind_of(opening: &Opening) -> &'static str {
    let service = opening.service();
    let any = |list: &[u16]| {
        list.iter()
            .any(|p| service.meets(&Service::ports(TCP, *p, *p)) || (*p == 3389 && service.meets(&Service::ports(UDP, *p, *p))))
    };
    let ports = u32::from(opening.ports.1) - u32::from(opening.ports.0) + 1;
    let tcp = (opening.protocols.0..=opening.protocols.1).contains(&TCP);
    if tcp && ports > 60_000 {
        "everything"
    } else if any(ADMIN) {
        "administration"
    } else if any(DATABASES) {
        "database"
    } else if opening.protocols.0 == opening.protocols.1 && matches!(opening.protocols.0, 1 | 58) {
        "icmp"
    } else if tcp && ports == 1 && matches!(opening.ports.0, 80 | 443) {
        "web"
    } else {
        "other"
    }
}

fn score(net: &Net, e: &Exposure, facts: &Facts) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut put = |points: i32, why: String| parts.push(Part { points, why });
    let v4: u64 = e.opening.peers.v4.parts().iter().map(|(a, b, _)| u64::from(b - a) + 1).sum();
    let internet = Addresses::internet();
    let whole = |has: bool, all: bool| has && all;
    if whole(!e.opening.peers.v4.is_empty(), e.opening.peers.v4.covers(&internet.v4))
        || whole(!e.opening.peers.v6.is_empty(), e.opening.peers.v6.covers(&internet.v6))
    {
        put(40, "the whole internet".to_owned());
    } else if v4 >= 1 << 24 || e.opening.peers.v6.parts().iter().any(|(a, b, _)| b - a >= 1 << 96) {
        put(30, format!("a large part of the internet: {}", e.opening.peers));
    } else if v4 > 256 {
        put(20, format!("{v4} addresses: {}", e.opening.peers));
    } else if v4 > 1 || !e.opening.peers.v6.is_empty() {
        put(10, format!("few addresses: {}", e.opening.peers));
    } else {
        put(5, format!("one address: {}", e.opening.peers));
    }
    match kind_of(&e.opening) {
        "everything" => put(30, "all ports".to_owned()),
        "administration" => put(25, format!("administration: {}", e.service())),
        "database" => put(25, format!("a database or cache: {}", e.service())),
        "web" => put(5, format!("web: {}", e.service())),
        "icmp" => put(1, "ICMP only".to_owned()),
        _ => put(12, format!("some service: {}", e.service())),
    }
    let i = &net.interfaces[e.interface];
    match net.homes[i.home].environment {
        Some(Environment::Production) => put(10, "production".to_owned()),
        Some(Environment::Security | Environment::Management) => put(10, "a security or management account".to_owned()),
        Some(Environment::Shared) => put(5, "shared services".to_owned()),
        _ => {}
    }
    if facts.known_exploited {
        put(15, "an exploit is known for a vulnerability there".to_owned());
    }
    match facts.worst_finding {
        Some(Severity::Critical) => put(10, format!("{} open findings there, the worst critical", facts.open_findings)),
        Some(Severity::High) => put(5, format!("{} open findings there, the worst high", facts.open_findings)),
        _ => {}
    }
    if facts.administrator {
        put(15, format!("its role is an administrator: {}", facts.role));
    } else if facts.becomes_administrator {
        put(12, format!("its role can make itself an administrator: {}", facts.role));
    }
    if i.instance.is_some_and(|x| !matches!(net.instances[x].state.as_str(), "running" | "pending" | "")) {
        put(-20, "the instance does not run".to_owned());
    }
    if e.verdict == Verdict::Unknown {
        put(-10, "something on the way is not known".to_owned());
    }
    if backend_of(net, e).is_some_and(|b| b.signs_in) {
        put(-10, "users have to sign in at the load balancer first".to_owned());
    }
    if !e.inspected.is_empty() {
        put(-10, "a firewall inspects it (not evaluated)".to_owned());
    }
    parts
}

/// 75 and more is critical, 55 high, 30 medium.
fn severity(points: i32) -> Severity {
    match points {
        75.. => Severity::Critical,
        55.. => Severity::High,
        30.. => Severity::Medium,
        _ => Severity::Low,
    }
}
