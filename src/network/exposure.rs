//! Exposures: every interface and load balancer that can be reached from the internet or from named sources, ranked by
//! what it means, with what would close each and what else that would cut.
//!
//! Interfaces that every filter and route treats alike (same subnet, groups, kind of address) are walked once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use crate::model::account::Environment;
use crate::model::finding::{FindingKey, Severity};
use crate::network::lift::Way;
use crate::network::net::{Net, Object, Peer, Target};
use crate::network::packets::{Addresses, Allow, Opening, PacketSet, Ranges, Region as _, Service, TCP, UDP};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::walk::{End, group_filter, packets_between, walk};
use crate::network::words::{RuleRef, entry_text, rule_text};

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

/// What load balancers that are exposed pass on.
fn through_load_balancers(net: &Net, sources: &[Source], out: &mut Vec<Exposure>) {
    let mut more: BTreeMap<FindingKey, Exposure> = BTreeMap::new();
    for e in out.iter() {
        let Object::LoadBalancer(lb) = e.target else { continue };
        if !sources.iter().any(|s| s.name == e.source) {
            continue;
        }
        for backend in &net.load_balancers[lb].backends {
            let (first, last) = e.opening.ports;
            if backend.listener.is_some_and(|p| p < first || p > last) {
                continue;
            }
            let (from, verdict) = passed_on(net, lb, backend, &e.opening.peers);
            if verdict == Verdict::No {
                continue;
            }
            let mut opening = e.opening.clone();
            if let Some(port) = backend.listener {
                opening.ports = (port, port);
            }
            opening.peers = from;
            let target = Object::Interface(backend.interface);
            let id = key(net, &e.source, target, &opening, Some(lb));
            more.entry(id).or_insert_with(|| Exposure {
                id,
                target,
                interface: backend.interface,
                via: Some(lb),
                opening,
                behind_port: Some(backend.port),
                verdict: e.verdict.min(verdict),
                ..e.clone()
            });
        }
    }
    out.extend(more.into_values());
}

/// Which of the clients a target answers through a load balancer.
fn passed_on(net: &Net, lb: usize, backend: &crate::network::net::Backend, clients: &Addresses) -> (Addresses, Verdict) {
    let service = Service::ports(backend.protocol, backend.port, backend.port);
    let mut best = (Addresses::default(), Verdict::No);
    for own in &net.load_balancers[lb].interfaces {
        if backend.preserves_client {
            // The target sees the client's address; its answer goes back by the load balancer all the same.
            let filter = group_filter(net, backend.interface, false, Some(*own));
            let wanted = Allow::rule(&service, clients);
            let target = &net.interfaces[backend.interface];
            let mut may = filter.may.and(&wanted);
            let mut sure = filter.sure.and(&wanted);
            if net.interfaces[*own].subnet != target.subnet
                && let Some(acl) = net.subnets[target.subnet].acl
            {
                may = may.and(&net.acls[acl].ingress.may);
                sure = sure.and(&net.acls[acl].ingress.sure);
            }
            let peers = |allow: &Allow| allow.openings().into_iter().fold(Addresses::default(), |all, o| all.or(&o.peers));
            for (allow, verdict) in [(&may, Verdict::Unknown), (&sure, Verdict::Yes)] {
                if !allow.is_empty() && verdict >= best.1 {
                    best = (best.0.or(&peers(allow)), verdict);
                }
            }
            continue;
        }
        let address = |ix: usize| net.interfaces[ix].v4.first().map(|(a, _)| *a);
        let client = End::Interface { ix: *own, address: address(*own), public: None };
        let server = End::Interface { ix: backend.interface, address: address(backend.interface), public: None };
        if *own == backend.interface {
            continue;
        }
        let verdict = path(net, &client, &server, &service).verdict;
        if verdict > best.1 {
            best = (clients.clone(), verdict);
        }
    }
    best
}

/// The walk of an exposure, hop by hop, with the rule at each.
pub fn ladder(net: &Net, exposure: &Exposure) -> Vec<Path> {
    let service = exposure.service();
    let client = End::Internet(exposure.opening.peers.clone());
    let first = match exposure.via {
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
    if let (Some(lb), Some(port)) = (exposure.via, exposure.behind_port) {
        let address = |ix: usize| net.interfaces[ix].v4.first().map(|(a, _)| *a);
        for own in net.load_balancers[lb].interfaces.iter().take(1) {
            let client = End::Interface { ix: *own, address: address(*own), public: None };
            let server = End::Interface { ix: exposure.interface, address: address(exposure.interface), public: None };
            out.push(path(net, &client, &server, &Service::ports(TCP, port, port)));
        }
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

// ---- what would close it ----

/// One change that closes an exposure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The object to change.
    pub object: String,
    pub what: String,
    /// The rules to take away or narrow; all of them are needed.
    pub rules: Vec<RuleRef>,
    pub owner: String,
    /// What else it would cut, in words; a count first where there are many.
    pub also_cuts: Vec<String>,
    /// How much it would cut beyond this exposure; the smallest change has the lowest.
    pub weight: usize,
}

/// The smallest change at each hop, the one that cuts least first.
pub fn closers(net: &Net, all: &[Exposure], exposure: &Exposure) -> Vec<Change> {
    let own = exposure.via.and_then(|lb| net.load_balancers[lb].interfaces.first().copied()).unwrap_or(exposure.interface);
    let i = &net.interfaces[own];
    let service = exposure.service();
    let peers = &exposure.opening.peers;
    let mut out = Vec::new();

    let mut rules = Vec::new();
    let mut also = Vec::new();
    let mut weight = 0;
    let mut owner = String::new();
    for g in &i.groups {
        let group = &net.groups[*g];
        for rule in group.rules.iter().filter(|r| !r.egress && r.service.meets(&service)) {
            let wide = match &rule.peer {
                Peer::Cidr(set) | Peer::List(Some(set)) => set.clone(),
                Peer::List(None) | Peer::Unreadable => Addresses::everything(),
                Peer::Group(_) => continue,
            };
            if !wide.meets(peers) {
                continue;
            }
            net.owner_of(Object::Group(*g)).clone_into(&mut owner);
            rules.push(RuleRef { object: group.id.clone(), text: rule_text(rule) });
            let others = group.members.len().saturating_sub(1);
            if others > 0 {
                weight += others;
                also.push(format!("the same rule on {others} more interfaces of {} ({})", group.id, group.name));
            }
            let rest = rule.service.minus(&service);
            if !rest.is_empty() {
                weight += 1;
                also.push(format!("{rest} from {}", rule.peer_text));
            }
            let inside = wide.and(&net.vpcs[i.vpc].cidrs);
            if !inside.is_empty() {
                weight += 1;
                also.push(format!(
                    "{} from inside the VPC ({inside}), unless another rule allows it",
                    rule.service.and(&service)
                ));
            }
        }
    }
    if !rules.is_empty() {
        rules.sort();
        rules.dedup();
        let object = rules.first().map(|r| r.object.clone()).unwrap_or_default();
        let what = if rules.len() == 1 { "remove or narrow the rule" } else { "remove or narrow these rules, all of them" };
        out.push(Change { object, what: what.to_owned(), rules, owner, also_cuts: also, weight });
    }

    let of_interface = all.iter().filter(|e| e.interface == own && e.id != exposure.id).count();
    let public: Vec<String> = i.v4.iter().filter_map(|(_, p)| p.map(|p| p.to_string())).collect();
    if !public.is_empty() && i.load_balancer.is_none() {
        out.push(Change {
            object: i.id.clone(),
            what: format!("take away its public address {}", public.join(", ")),
            rules: Vec::new(),
            owner: net.owner_of(Object::Interface(own)).to_owned(),
            also_cuts: vec![
                format!("{of_interface} more exposures of it"),
                "its own way to the internet, unless by NAT".to_owned(),
            ],
            weight: of_interface + 1,
        });
    }

    let subnet = &net.subnets[i.subnet];
    if let Some(a) = subnet.acl {
        let acl = &net.acls[a];
        let view = crate::network::lift::View {
            way: Way::Request,
            who: crate::network::lift::Who::Client,
            seen: crate::network::lift::Seen::Own,
            nat_port: false,
        };
        let asked = PacketSet::of(&service, &Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1), peers, &Addresses::everything());
        let found = crate::network::words::acl_entries(acl, false, view, &asked);
        let entry = found.into_iter().find(|e| acl.entries[*e].allow);
        if let Some(entry) = entry {
            let others: usize = acl.subnets.iter().map(|s| net.subnets[*s].interfaces.len()).sum();
            let others = others.max(subnet.interfaces.len()).saturating_sub(1);
            let number = acl.entries[entry].number;
            let free = (1..number).rev().find(|n| !acl.entries.iter().any(|e| !e.egress && e.number == *n));
            if let Some(free) = free {
                out.push(Change {
                    object: acl.id.clone(),
                    what: format!("add ingress entry {free} deny {service} from {peers}"),
                    rules: vec![RuleRef { object: acl.id.clone(), text: entry_text(acl, entry) }],
                    owner: net.owner_of(Object::Acl(a)).to_owned(),
                    also_cuts: vec![
                        format!("{service} from there to {others} more interfaces in {} subnets", acl.subnets.len().max(1)),
                        "answers to connections from inside, where their ports overlap".to_owned(),
                    ],
                    weight: others + 2,
                });
            }
        }
    }
    if let Some(t) = subnet.table {
        let table = &net.tables[t];
        let routes: Vec<RuleRef> = (table.routes.iter())
            .filter(|r| matches!(r.target, Target::InternetGateway(_)))
            .map(|r| RuleRef { object: table.id.clone(), text: format!("{} to {}", r.destination, r.target_text) })
            .collect();
        if !routes.is_empty() {
            let others = subnet.interfaces.len().saturating_sub(1);
            out.push(Change {
                object: table.id.clone(),
                what: "remove the route to the internet gateway".to_owned(),
                rules: routes,
                owner: net.owner_of(Object::Table(t)).to_owned(),
                also_cuts: vec![format!("the internet, in and out, for {others} more interfaces of {}", subnet.id)],
                weight: others + 3,
            });
        }
    }
    out.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.object.cmp(&b.object)));
    out
}
