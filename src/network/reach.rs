//! "Can FROM reach TO": names to ends, every pair of ends walked both ways, and one answer with its hops or stops.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::model::arn::Arn;
use crate::network::net::{Net, Object, Target};
use crate::network::packets::{Addresses, PacketSet, Ranges, Region as _, Service, TCP, UDP, cidr, nat64};
use crate::network::walk::{End, Leg, packets_between, walk};
use crate::network::words::{Hop, Stop, hops, stop};

/// Ports that clients ask from (RFC 6056; AWS's advice for network ACLs): an answer has to get back to one of them.
pub const CLIENT_PORTS: (u16, u16) = (1024, 65535);

/// An answer to "can it be reached".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    No,
    /// Something on the way is not known; never read as no.
    Unknown,
    Yes,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::Yes => "yes",
        }
    }
}

/// What a name on the command line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As it was written.
    pub text: String,
    /// What it is: `interface eni-1`, `internet`, `on premises 192.0.2.0/24`.
    pub label: String,
    pub interfaces: Vec<usize>,
    /// The address that was written, where one was: reach it there, not at its others.
    pub address: Option<IpAddr>,
    pub internet: Addresses,
    pub premises: Addresses,
}

/// Why a name stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchEnd {
    #[error("nothing in the estate is called {0:?}; give an id, an ARN, a Name tag, an address, a CIDR or `internet`")]
    Unknown(String),
    #[error("{name:?} is the name of {} things: {}; give an id", .ids.len(), .ids.join(", "))]
    Ambiguous { name: String, ids: Vec<String> },
    #[error("{0} has no network interface in the estate")]
    Empty(String),
    #[error("no route tells what is behind {0}; give the addresses there as a CIDR")]
    NoRoutes(String),
    #[error("{address} is inside {vpc}, but no interface of the estate has it")]
    Unused { address: String, vpc: String },
}

/// Finds what a text means: `internet`, an address or CIDR, an id, an ARN, an account, or a Name tag.
///
/// # Errors
/// [`NoSuchEnd`] says what to write instead.
pub fn resolve(net: &Net, text: &str) -> Result<Named, NoSuchEnd> {
    let text = text.trim();
    let mut named = Named {
        text: text.to_owned(),
        label: text.to_owned(),
        interfaces: Vec::new(),
        address: None,
        internet: Addresses::default(),
        premises: Addresses::default(),
    };
    if text.eq_ignore_ascii_case("internet") {
        named.label = "internet".to_owned();
        named.internet = Addresses::internet();
        return Ok(named);
    }
    if let Ok(block) = cidr(text) {
        return addresses(net, named, &Addresses::of([block]), text.parse().ok());
    }
    let id = text.parse::<Arn>().map_or(text.to_owned(), |arn| match arn.service() {
        "ec2" => arn.resource_id().to_owned(),
        _ => text.to_owned(),
    });
    let object = match net.object(&id) {
        Some(object) => object,
        None => match by_name(net, text)? {
            Some(object) => object,
            None => {
                let of =
                    |i: &crate::network::net::Interface| net.homes[i.home].account == text || net.homes[i.home].label == text;
                named.interfaces = (0..net.interfaces.len()).filter(|i| of(&net.interfaces[*i])).collect();
                named.label = format!("account {text}");
                return if named.interfaces.is_empty() { Err(NoSuchEnd::Unknown(text.to_owned())) } else { Ok(named) };
            }
        },
    };
    named.label = format!("{} {}", crate::network::words::kind_word(object), net.id_of(object));
    if matches!(object, Object::VpnGateway(_) | Object::VpnConnection(_) | Object::CustomerGateway(_)) {
        named.premises = behind(net, object);
        return if named.premises.is_empty() { Err(NoSuchEnd::NoRoutes(named.label)) } else { Ok(named) };
    }
    named.interfaces = interfaces_of(net, object);
    if named.interfaces.is_empty() { Err(NoSuchEnd::Empty(named.label)) } else { Ok(named) }
}

/// Addresses on the far side of a VPN, as its static routes and the routes to its gateway tell; those of VPCs are not.
fn behind(net: &Net, object: Object) -> Addresses {
    let routed = |gateway: usize| {
        let routes = net.tables.iter().flat_map(|t| &t.routes).filter(|r| r.target == Target::VpnGateway(gateway));
        Addresses::of(routes.filter_map(|r| cidr(&r.destination).ok()))
    };
    let by = |v: &crate::network::net::VpnConnection| match (&v.routes, v.gateway) {
        (Some(routes), _) => routes.clone(),
        (None, Some(gateway)) => routed(gateway),
        (None, None) => Addresses::default(),
    };
    let all = match object {
        Object::VpnGateway(gateway) => {
            let own = net.vpn_connections.iter().filter(|v| v.gateway == Some(gateway));
            own.fold(routed(gateway), |all, v| all.or(&by(v)))
        }
        Object::VpnConnection(v) => by(&net.vpn_connections[v]),
        Object::CustomerGateway(c) => {
            let own = net.vpn_connections.iter().filter(|v| v.customer == Some(c));
            own.fold(Addresses::default(), |all, v| all.or(&by(v)))
        }
        _ => Addresses::default(),
    };
    net.vpcs.iter().fold(all, |all, vpc| all.minus(&vpc.cidrs))
}

/// Interfaces that stand for an object.
pub fn interfaces_of(net: &Net, object: Object) -> Vec<usize> {
    match object {
        Object::Interface(i) => vec![i],
        Object::Instance(i) => net.instances[i].interfaces.clone(),
        Object::LoadBalancer(i) => net.load_balancers[i].interfaces.clone(),
        Object::Endpoint(i) => net.endpoints[i].interfaces.clone(),
        Object::Group(i) => net.groups[i].members.clone(),
        Object::Subnet(i) => net.subnets[i].interfaces.clone(),
        Object::Vpc(i) => net.vpcs[i].subnets.iter().flat_map(|s| net.subnets[*s].interfaces.iter().copied()).collect(),
        _ => Vec::new(),
    }
}

fn by_name(net: &Net, name: &str) -> Result<Option<Object>, NoSuchEnd> {
    if name.is_empty() {
        return Ok(None);
    }
    let mut found: Vec<Object> = Vec::new();
    found.extend(net.instances.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Instance(i)));
    found.extend(net.load_balancers.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::LoadBalancer(i)));
    found.extend(net.vpcs.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Vpc(i)));
    found.extend(net.subnets.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Subnet(i)));
    found.extend(net.endpoints.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Endpoint(i)));
    if found.is_empty() {
        found.extend(net.groups.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Group(i)));
    }
    if found.is_empty() {
        found.extend(net.interfaces.iter().enumerate().filter(|(_, x)| x.name == name).map(|(i, _)| Object::Interface(i)));
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        more => Err(NoSuchEnd::Ambiguous {
            name: name.to_owned(),
            ids: more.iter().take(8).map(|o| net.id_of(*o).to_owned()).collect(),
        }),
    }
}

fn addresses(net: &Net, mut named: Named, set: &Addresses, one: Option<IpAddr>) -> Result<Named, NoSuchEnd> {
    if let Some(address) = one {
        if let Some(all) = net.by_address.get(&address) {
            named.interfaces.clone_from(all);
            named.address = Some(address);
            return Ok(named);
        }
    } else {
        let inside = |i: &crate::network::net::Interface| i.addresses().any(|a| set.has(a));
        named.interfaces = (0..net.interfaces.len()).filter(|i| inside(&net.interfaces[*i])).collect();
    }
    let mut inner = Addresses::default();
    for vpc in &net.vpcs {
        if vpc.cidrs.meets(set) {
            if one.is_some() || (named.interfaces.is_empty() && vpc.cidrs.covers(set)) {
                return Err(NoSuchEnd::Unused { address: named.text, vpc: vpc.id.clone() });
            }
            inner = inner.or(&vpc.cidrs);
        }
    }
    let outer = set.minus(&inner);
    named.internet = outer.and(&Addresses::internet());
    if nat64(&Addresses::everything()).covers(set) {
        named.internet = set.clone();
    }
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
    let private = Addresses::of(private.iter().filter_map(|t| cidr(t).ok()));
    named.premises = outer.and(&private);
    Ok(named)
}

/// Reads `443`, `443/tcp`, `53/udp`, `icmp`, `icmp:8`, `1000-2000/tcp`, `all`, or a protocol number as `proto:47`.
///
/// # Errors
/// Names the text that is none of these.
pub fn service(text: &str) -> Result<Service, NotAService> {
    let text = text.trim().to_ascii_lowercase();
    let refuse = || NotAService(text.chars().take(60).collect());
    if matches!(text.as_str(), "all" | "any" | "-1") {
        return Ok(Service::everything());
    }
    if let Some(rest) = text.strip_prefix("proto:") {
        let number: u8 = rest.parse().map_err(|_| refuse())?;
        return Ok(Service::ports(number, 0, u16::MAX));
    }
    for (word, protocol) in [("icmpv6", 58), ("icmp", 1)] {
        if let Some(rest) = text.strip_prefix(word) {
            let kind = match rest.strip_prefix(':') {
                Some(kind) => Some(kind.parse().map_err(|_| refuse())?),
                None if rest.is_empty() => None,
                None => return Err(refuse()),
            };
            return Ok(Service::icmp(protocol, kind, None));
        }
    }
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, "tcp")) => (ports, TCP),
        Some((ports, "udp")) => (ports, UDP),
        Some(_) => return Err(refuse()),
        None => (text.as_str(), TCP),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().map_err(|_| refuse())?, last.parse().map_err(|_| refuse())?);
    if first > last { Err(refuse()) } else { Ok(Service::ports(protocol, first, last)) }
}

/// Why a text is no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no port or protocol; write 443, 53/udp, 1000-2000/tcp, icmp, icmp:8, proto:47 or all")]
pub struct NotAService(String);

/// One way between two ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    pub from: String,
    pub to: String,
    pub verdict: Verdict,
    /// What gets through: `tcp 443`.
    pub service: String,
    /// Set where answers get back only to some of the ports that clients ask from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_from_ports: Option<String>,
    pub hops: Vec<Hop>,
    /// The first and each later place that stops it; empty unless the verdict is no.
    pub stops: Vec<Stop>,
    /// Why it is not known.
    pub unknown: Vec<String>,
    /// Firewalls and appliances on the way: inspected, not evaluated.
    pub inspected: Vec<String>,
    #[serde(skip)]
    pub packets: PacketSet,
}

/// The answer for all pairs of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub from: String,
    pub to: String,
    pub service: String,
    pub verdict: Verdict,
    /// Pairs of ends that were asked, and how many of them are reachable and not known.
    pub pairs: usize,
    pub reachable: usize,
    pub not_known: usize,
    /// Pairs left out beyond [`MOST_PAIRS`]; never in silence.
    pub left_out: usize,
    /// One way for the verdict; the nearest miss where it is no.
    pub paths: Vec<Path>,
    /// Where it does not get there by itself: load balancers that pass something on to the other end, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
}

/// Pairs of ends that one question walks at most, after equal ones are joined.
pub const MOST_PAIRS: usize = 20_000;

/// The pairs of ends that a client and a server interface can talk by: each address family, private first.
pub fn pairs(net: &Net, client: &Named, server: &Named) -> Vec<(End, End)> {
    let mut out = Vec::new();
    let one = |named: &Named, ix: usize| -> Vec<(Option<IpAddr>, Option<IpAddr>)> {
        let here = &net.interfaces[ix];
        if here.assumed {
            return vec![(None, None)];
        }
        let wanted = |private: &IpAddr, public: &Option<IpAddr>| match named.address {
            Some(a) => *private == a || *public == Some(a),
            None => true,
        };
        let v4 = here.v4.iter().filter(|(private, public)| wanted(private, public)).map(|(a, p)| (Some(*a), *p));
        v4.chain(here.v6.iter().filter(|a| wanted(a, &None)).map(|a| (Some(*a), None))).collect()
    };
    let v6 = |a: &Option<IpAddr>| matches!(a, Some(IpAddr::V6(_)));
    for s in &server.interfaces {
        for (address, public) in one(server, *s) {
            let by_public = named_public(server, public);
            for c in client.interfaces.iter().filter(|c| *c != s) {
                for (from, _) in one(client, *c).into_iter().filter(|(from, _)| v6(from) == v6(&address) || from.is_none()) {
                    let client = End::Interface { ix: *c, address: from, public: None };
                    if !by_public {
                        out.push((client.clone(), End::Interface { ix: *s, address, public: None }));
                    }
                    if public.is_some() && (by_public || server.address.is_none()) {
                        out.push((client, End::Interface { ix: *s, address, public }));
                    }
                }
            }
            if !client.internet.is_empty() {
                out.push((End::Internet(client.internet.clone()), End::Interface { ix: *s, address, public }));
            }
            if !client.premises.is_empty() {
                out.push((End::OnPremises(client.premises.clone()), End::Interface { ix: *s, address, public: None }));
            }
        }
    }
    for c in &client.interfaces {
        for (from, _) in one(client, *c) {
            let client = End::Interface { ix: *c, address: from, public: None };
            if !server.internet.is_empty() {
                if matches!(from, Some(IpAddr::V6(_))) && net.translates(net.interfaces[*c].subnet) {
                    out.push((client.clone(), End::Internet(nat64(&server.internet))));
                }
                out.push((client.clone(), End::Internet(server.internet.clone())));
            }
            if !server.premises.is_empty() {
                out.push((client, End::OnPremises(server.premises.clone())));
            }
        }
    }
    // Ends of different families never talk; where there are no others, one pair stays to say so.
    let talk =
        |pair: &(End, End)| !packets_between(net, &pair.0, &pair.1, &Service::ports(1, 0, 0), &Ranges::everything()).is_empty();
    if out.iter().any(talk) {
        out.retain(talk);
    } else {
        out.truncate(1);
    }
    out
}

/// Whether the server was named by its public address.
fn named_public(named: &Named, public: Option<IpAddr>) -> bool {
    named.address.is_some() && named.address == public
}

/// Whether, how and what gets from one end to another, or what stops it.
pub fn can(net: &Net, from: &Named, to: &Named, service: &Service) -> Answer {
    let all = distinct(net, pairs(net, from, to));
    let left_out = all.len().saturating_sub(MOST_PAIRS);
    let mut answer = Answer {
        from: from.label.clone(),
        to: to.label.clone(),
        service: service.to_string(),
        verdict: Verdict::No,
        pairs: 0,
        reachable: 0,
        not_known: 0,
        left_out,
        paths: Vec::new(),
        through: Vec::new(),
    };
    if all.is_empty() {
        // Neither end is ours: what is between them is not known here.
        answer.verdict = Verdict::Unknown;
    }
    let mut best: Option<Path> = None;
    for (client, server) in all.iter().take(MOST_PAIRS) {
        let path = path(net, client, server, service);
        answer.pairs += 1;
        match path.verdict {
            Verdict::Yes => answer.reachable += 1,
            Verdict::Unknown => answer.not_known += 1,
            Verdict::No => {}
        }
        // Of several misses the one with the fewest stops says most.
        let better = best.as_ref().is_none_or(|b| {
            path.verdict > b.verdict
                || (path.verdict == Verdict::No && b.verdict == Verdict::No && path.stops.len() < b.stops.len())
        });
        if better {
            best = Some(path);
        }
    }
    if left_out > 0 && best.as_ref().is_some_and(|b| b.verdict == Verdict::No) {
        answer.verdict = Verdict::Unknown;
    }
    if let Some(best) = best {
        answer.verdict = answer.verdict.max(best.verdict);
        answer.paths.push(best);
    }
    if answer.verdict == Verdict::No {
        answer.through = passed_on(net, &to.interfaces);
    }
    answer
}

/// Load balancers that are told of at most.
const MOST_THROUGH: usize = 6;

/// What load balancers pass on to interfaces; whether they can be reached themselves is another question.
fn passed_on(net: &Net, interfaces: &[usize]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for lb in &net.load_balancers {
        for b in lb.backends.iter().filter(|b| interfaces.contains(&b.interface)) {
            let sure = if b.sure { "" } else { "perhaps, " };
            let words = format!("{} passes {} on to it: {sure}{}, at port {}", lb.name, b.listens, b.rule, b.port);
            if !out.contains(&words) {
                out.push(words);
            }
        }
    }
    out.truncate(MOST_THROUGH);
    out
}

/// One pair for all that look the same to every filter and route: same subnet, groups and kind of address.
fn distinct(net: &Net, all: Vec<(End, End)>) -> Vec<(End, End)> {
    if all.len() <= 64 {
        return all;
    }
    // Rules by CIDR may tell two interfaces apart, so only a remote end without an address may join them.
    let mut kept: BTreeMap<String, (End, End)> = BTreeMap::new();
    for (n, (client, server)) in all.into_iter().enumerate() {
        let key = match (&client, &server) {
            (End::Interface { ix, address, .. }, End::Internet(_)) | (End::Internet(_), End::Interface { ix, address, .. }) => {
                let i = &net.interfaces[*ix];
                if i.assumed || !net.vpcs[i.vpc].edge_tables.is_empty() {
                    format!("{n:012}")
                } else {
                    let v6 = matches!(address, Some(IpAddr::V6(_)));
                    let public = i.v4.iter().any(|(a, p)| Some(*a) == *address && p.is_some());
                    format!("c{} {:?} {:?} {} {v6} {public} {:?}", i.subnet, i.groups, i.lost_groups, i.kind, i.load_balancer)
                }
            }
            _ => format!("{n:012}"),
        };
        kept.entry(key).or_insert((client, server));
    }
    kept.into_values().collect()
}

/// One pair of ends.
pub fn path(net: &Net, client: &End, server: &End, service: &Service) -> Path {
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    let packets = packets_between(net, client, server, service, &ports);
    let walked = walk(net, client, server, packets.clone(), false);
    let (from, to) = (end_label(net, client), end_label(net, server));
    let sure = walked.arrived.iter().find(|leg| !leg.sure().is_empty());
    let found: Option<(&Leg, &PacketSet, Verdict)> = match sure {
        Some(leg) => Some((leg, leg.sure(), Verdict::Yes)),
        None => walked.arrived.iter().find(|leg| !leg.may.is_empty()).map(|leg| (leg, &leg.may, Verdict::Unknown)),
    };
    let inspected = |leg: &Leg| leg.inspected.iter().map(|o| net.id_of(*o).to_owned()).collect();
    if let Some((leg, set, verdict)) = found {
        let union = walked
            .arrived
            .iter()
            .fold(PacketSet::default(), |all, leg| all.or(if verdict == Verdict::Yes { leg.sure() } else { &leg.may }));
        let back = set.source_ports();
        return Path {
            from,
            to,
            verdict,
            service: union.service().to_string(),
            only_from_ports: (!back.covers(&ports))
                .then(|| Service(crate::network::packets::Layer::span(TCP, TCP, back)).to_string()),
            hops: hops(net, leg, set),
            stops: Vec::new(),
            unknown: if verdict == Verdict::Unknown { leg.doubts.clone() } else { Vec::new() },
            inspected: inspected(leg),
            packets: union,
        };
    }
    // Nothing gets through: walk once more, over whatever stops.
    let over = walk(net, client, server, packets.clone(), true);
    let least = over.arrived.iter().chain(&over.stopped).filter(|l| !l.halts.is_empty()).min_by_key(|l| l.halts.len());
    let mut stops: Vec<Stop> = Vec::new();
    if let Some(leg) = least {
        for one in leg.halts.iter().map(|h| stop(net, h, &packets)) {
            if !stops.contains(&one) {
                stops.push(one);
            }
        }
    }
    let family = packets.is_empty().then(|| Stop {
        request: true,
        object: to.clone(),
        name: to.clone(),
        kind: "address",
        why: "the two ends have no address family in common".to_owned(),
    });
    stops.extend(family);
    Path {
        from,
        to,
        verdict: Verdict::No,
        service: service.to_string(),
        only_from_ports: None,
        hops: least.map(|leg| hops(net, leg, &packets)).unwrap_or_default(),
        stops,
        unknown: least.map(|leg| leg.doubts.clone()).unwrap_or_default(),
        inspected: least.map(inspected).unwrap_or_default(),
        packets: PacketSet::default(),
    }
}

/// `eni-1 (web) 10.0.0.9`, `internet`, `on premises 192.0.2.0/24`.
pub fn end_label(net: &Net, end: &End) -> String {
    match end {
        End::Internet(set) => set.to_string(),
        End::OnPremises(set) => format!("on premises {set}"),
        End::Interface { ix, address, public } => {
            let i = &net.interfaces[*ix];
            let name = if i.name == i.id { String::new() } else { format!(" ({})", i.name) };
            let address = public.or(*address).map(|a| format!(" {a}")).unwrap_or_default();
            format!("{}{name}{address}", i.id)
        }
    }
}
