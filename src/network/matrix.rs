//! Trust boundaries: what may flow between VPCs and so between accounts and environments, and rules about it. Private
//! ways only; the internet's row and column come from exposures and egress.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::account::Environment;
use crate::network::egress::Egress;
use crate::network::exposure::{Exposure, in_parallel};
use crate::network::net::{Net, Object};
use crate::network::packets::{Addresses, Allow, PacketSet, Ranges, Service, cut_by_ports};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::walk::{End, group_filter, names, walk};

/// What one class of interfaces may ask of another.
#[derive(Debug, Clone)]
pub struct Flow {
    /// One interface of each class, for an example.
    pub from: usize,
    pub to: usize,
    pub from_count: usize,
    pub to_count: usize,
    pub service: Service,
    pub verdict: Verdict,
    pub inspected: Vec<Object>,
}

/// Interfaces that rules and routes treat alike.
struct Class {
    members: Vec<usize>,
    addresses: Addresses,
    /// What its own groups let in by address.
    admits: Allow,
    by_group: bool,
    /// No more than this can ever be let in.
    most: Service,
}

/// Flows that are not known, kept for a pair of VPCs; more would only repeat them.
const MOST_DOUBTFUL: usize = 8;

/// Flows between VPCs, enough of them that every service that gets from one to the other is among them, and between accounts inside a shared VPC.
pub fn flows(net: &Net) -> Vec<Flow> {
    let mut by_vpc: Vec<BTreeMap<Alike<'_>, Vec<usize>>> = vec![BTreeMap::new(); net.vpcs.len()];
    for (ix, i) in net.interfaces.iter().enumerate().filter(|(_, i)| !i.takes_no_connections() && !i.assumed) {
        let key = (i.subnet, i.groups.as_slice(), i.lost_groups.as_slice(), i.home, i.load_balancer);
        by_vpc[i.vpc].entry(key).or_default().push(ix);
    }
    let classes: Vec<Vec<Class>> =
        by_vpc.into_iter().map(|m| m.into_values().map(|members| class(net, members)).collect()).collect();
    let pairs: Vec<(usize, usize)> = connected(net).into_iter().collect();
    let found = in_parallel(&pairs, |(a, b)| {
        let mut out = Vec::new();
        let mut known = Service::default();
        let mut doubtful = 0;
        for from in &classes[*a] {
            for to in &classes[*b] {
                // Between two VPCs a flow is worth a walk only where it may add a service to those already found.
                if known.covers(&to.most) {
                    continue;
                }
                let Some(flow) = flow(net, from, to, a == b, &known) else { continue };
                if flow.verdict == Verdict::Yes {
                    known = known.or(&flow.service);
                } else {
                    doubtful += 1;
                    if doubtful > MOST_DOUBTFUL {
                        continue;
                    }
                }
                out.push(flow);
            }
        }
        out
    });
    found.into_iter().flatten().collect()
}

type Alike<'n> = (usize, &'n [usize], &'n [String], usize, Option<usize>);

fn class(net: &Net, members: Vec<usize>) -> Class {
    let nets = members.iter().flat_map(|m| net.interfaces[*m].addresses()).map(ipnet::IpNet::from);
    let addresses = Addresses::of(nets);
    let first = members.first().copied().unwrap_or_default();
    let i = &net.interfaces[first];
    let bare = i.groups.is_empty() && i.lost_groups.is_empty();
    let admits = if bare { Allow::everything() } else { group_filter(net, first, false, None).may };
    let by_group = i.groups.iter().any(|g| !net.groups[*g].by_group.is_empty());
    let named = i.groups.iter().flat_map(|g| net.groups[*g].by_group.iter().map(|r| &net.groups[*g].rules[*r]));
    let most = named.filter(|r| !r.egress).fold(admits.service(), |all, r| all.or(&r.service));
    Class { members, addresses, admits, by_group, most }
}

/// Ordered pairs of VPCs with a peering or a transit gateway between them, and shared VPCs with themselves.
fn connected(net: &Net) -> BTreeSet<(usize, usize)> {
    let mut out = BTreeSet::new();
    for p in net.peerings.iter().filter(|p| p.active) {
        if let (Some(a), Some(b)) = (p.sides[0].vpc, p.sides[1].vpc)
            && a != b
        {
            out.extend([(a, b), (b, a)]);
        }
    }
    // Transit gateways that are peered with one another count as one.
    let mut part: Vec<usize> = (0..net.transit_gateways.len()).collect();
    for a in net.attachments.iter().filter(|a| a.kind == "peering") {
        if let Some(other) = net.transit_gateways.iter().position(|t| t.id == a.resource) {
            let (from, to) = (part[a.gateway], part[other]);
            part.iter_mut().filter(|p| **p == from).for_each(|p| *p = to);
        }
    }
    let mut members: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for a in &net.attachments {
        if let Some(vpc) = a.vpc {
            members.entry(part[a.gateway]).or_default().insert(vpc);
        }
    }
    for vpcs in members.values() {
        for a in vpcs {
            out.extend(vpcs.iter().filter(|b| *b != a).map(|b| (*a, *b)));
        }
    }
    for (ix, vpc) in net.vpcs.iter().enumerate() {
        let homes: BTreeSet<&str> = vpc
            .subnets
            .iter()
            .flat_map(|s| &net.subnets[*s].interfaces)
            .map(|i| net.homes[net.interfaces[*i].home].account.as_str())
            .collect();
        if homes.len() > 1 {
            out.insert((ix, ix));
        }
    }
    out
}

fn flow(net: &Net, from: &Class, to: &Class, same_vpc: bool, known: &Service) -> Option<Flow> {
    let (a, b) = (*from.members.first()?, *to.members.first()?);
    if same_vpc && net.homes[net.interfaces[a].home].account == net.homes[net.interfaces[b].home].account {
        return None;
    }
    // Most pairs end here: nothing of the other side is let in at all.
    let mut most = Service::default();
    if to.by_group {
        let rules = net.interfaces[b].groups.iter().flat_map(|g| &net.groups[*g].rules);
        most = rules.filter(|r| !r.egress && names(net, r, a)).fold(most, |all, r| all.or(&r.service));
    }
    let asked = Allow::rule(&Service::everything(), &from.addresses);
    if to.admits.meets(&asked) {
        most = most.or(&to.admits.and(&asked).service());
    }
    if known.covers(&most) {
        return None;
    }
    let address = |ix: usize| net.interfaces[ix].addresses().next();
    let ends = |ix: usize| End::Interface { ix, address: address(ix), public: None };
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    let packets = cut_by_ports(&Service::everything())
        .iter()
        .fold(PacketSet::default(), |all, s| all.or(&PacketSet::of(s, &ports, &from.addresses, &to.addresses)));
    let legs = walk(net, &ends(a), &ends(b), packets, false).arrived;
    let sure = legs.iter().fold(PacketSet::default(), |all, l| all.or(l.sure()));
    let may = legs.iter().fold(PacketSet::default(), |all, l| all.or(&l.may));
    let (set, verdict) = if sure.is_empty() { (may, Verdict::Unknown) } else { (sure, Verdict::Yes) };
    if set.is_empty() {
        return None;
    }
    let mut inspected: Vec<Object> = legs.into_iter().flat_map(|l| l.inspected).collect();
    inspected.sort_unstable();
    inspected.dedup();
    Some(Flow {
        from: a,
        to: b,
        from_count: from.members.len(),
        to_count: to.members.len(),
        service: set.service(),
        verdict,
        inspected,
    })
}

/// The word for an environment that nothing decided.
pub const UNCLASSIFIED: &str = "unclassified";

fn environment(net: &Net, interface: usize) -> &'static str {
    net.homes[net.interfaces[interface].home].environment.map_or(UNCLASSIFIED, Environment::word)
}

/// One field of the matrix.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    pub from: String,
    pub to: String,
    pub verdict: Verdict,
    /// `tcp 443; icmp`
    pub service: String,
    /// Flows, exposures or ways out that make it up.
    pub ways: usize,
    /// An example: the interfaces' ids.
    pub example: (String, String),
}

/// The matrix, by environments or by accounts; where nothing flows there is no cell.
pub fn cells(net: &Net, flows: &[Flow], exposures: &[Exposure], egress: &[Egress], by_account: bool) -> Vec<Cell> {
    let label = |ix: usize| {
        if by_account { net.homes[net.interfaces[ix].home].label.clone() } else { environment(net, ix).to_owned() }
    };
    let mut all: BTreeMap<(String, String), (Service, Cell)> = BTreeMap::new();
    let mut put = |from: String, to: String, verdict: Verdict, service: &Service, example: (String, String)| {
        let empty = |from: String, to: String| Cell { from, to, verdict, service: String::new(), ways: 0, example };
        let (sum, cell) = all.entry((from.clone(), to.clone())).or_insert_with(|| (Service::default(), empty(from, to)));
        cell.verdict = cell.verdict.max(verdict);
        *sum = sum.or(service);
        cell.ways += 1;
    };
    let id = |ix: usize| net.interfaces[ix].id.clone();
    for f in flows {
        put(label(f.from), label(f.to), f.verdict, &f.service, (id(f.from), id(f.to)));
    }
    for e in exposures.iter().filter(|e| e.via.is_none()) {
        put(e.source.clone(), label(e.interface), e.verdict, &e.service(), (e.source.clone(), id(e.interface)));
    }
    for e in egress {
        if let Some(first) = e.interfaces.first() {
            put(label(*first), "internet".to_owned(), e.verdict, &e.service, (id(*first), "internet".to_owned()));
        }
    }
    all.into_values().map(|(service, cell)| Cell { service: service.to_string(), ..cell }).collect()
}

/// Which environments or accounts a rule means: words of environments, account ids or names; empty means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    pub any_of: Vec<String>,
    pub except: Vec<String>,
}

impl Selector {
    fn has(&self, net: &Net, interface: usize) -> bool {
        let home = &net.homes[net.interfaces[interface].home];
        let words = [environment(net, interface), &home.account, &home.label];
        let among = |list: &[String]| list.iter().any(|w| words.contains(&w.as_str()));
        (self.any_of.is_empty() || among(&self.any_of)) && !among(&self.except)
    }
}

/// "FROM must not reach TO", as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    pub name: String,
    pub from: Selector,
    pub to: Selector,
    /// Only these protocols and ports; none for all.
    pub service: Option<Service>,
}

/// A flow that crosses a boundary.
#[derive(Debug, Clone)]
pub struct Crossing {
    pub boundary: String,
    pub flow: Flow,
    pub service: Service,
    /// The way, hop by hop.
    pub path: Path,
}

/// Every flow that a boundary forbids, with its path.
pub fn crossings(net: &Net, flows: &[Flow], boundaries: &[Boundary]) -> Vec<Crossing> {
    let mut out = Vec::new();
    for boundary in boundaries {
        for flow in flows {
            if !boundary.from.has(net, flow.from) || !boundary.to.has(net, flow.to) {
                continue;
            }
            let service = boundary.service.as_ref().map_or_else(|| flow.service.clone(), |s| s.and(&flow.service));
            if service.is_empty() {
                continue;
            }
            let address = |ix: usize| net.interfaces[ix].addresses().next();
            let end = |ix: usize| End::Interface { ix, address: address(ix), public: None };
            let path = path(net, &end(flow.from), &end(flow.to), &service);
            out.push(Crossing { boundary: boundary.name.clone(), flow: flow.clone(), service, path });
        }
    }
    out
}
