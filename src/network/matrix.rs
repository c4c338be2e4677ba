//! Trust boundaries: what may flow between VPCs and so between accounts and environments, and rules about it. Private
//! ways only; the internet's row and column come from exposures and egress.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::account::Environment;
use crate::network::egress::Egress;
use crate::network::exposure::{Exposure, in_parallel};
use crate::network::lift::{Seen, View, Way, Who, lift};
use crate::network::net::{Both, Net, Object, Peer};
use crate::network::packets::{Addresses, Allow, PacketSet, Ranges, Service, cut_by_ports};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::walk::{End, Leg, group_filter, names, road, walk};

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
    subnet: usize,
    addresses: Addresses,
    /// All there is from its addresses.
    asked: Allow,
    /// What its own groups let in and out by address.
    admits: Both,
    emits: Both,
    /// Groups that its inbound rules name.
    names: Vec<usize>,
    /// Whether rules of its groups name groups: in, out.
    by_group: (bool, bool),
    /// No more than this can ever be let in.
    most: Service,
    /// Guarded by more than groups: a listener or an endpoint's policy.
    guarded: bool,
}

/// The classes of one VPC, and what they have together.
#[derive(Default)]
struct Side {
    classes: Vec<Class>,
    asked: Allow,
    /// Groups that an interface here has, sorted.
    groups: Vec<usize>,
    /// Whether an interface has groups that are not known.
    lost: bool,
    most: Service,
    /// Addresses of the interfaces, by subnet.
    addresses: BTreeMap<usize, Addresses>,
}

/// Flows that are not known, kept for a pair of VPCs; more would only repeat them.
const MOST_DOUBTFUL: usize = 8;

/// Flows between VPCs, enough of them that every service that gets from one to the other is among them, and between accounts inside a shared VPC.
pub fn flows(net: &Net) -> Vec<Flow> {
    let mut by_vpc: Vec<BTreeMap<Alike<'_>, Vec<usize>>> = vec![BTreeMap::new(); net.vpcs.len()];
    for (ix, i) in net.interfaces.iter().enumerate().filter(|(_, i)| !i.only_carries() && !i.assumed) {
        let key = (
            i.subnet,
            i.groups.as_slice(),
            i.lost_groups.as_slice(),
            i.home,
            i.load_balancer,
            i.endpoint,
            i.takes_no_connections(),
        );
        by_vpc[i.vpc].entry(key).or_default().push(ix);
    }
    let sides: Vec<Side> = in_parallel(&by_vpc, |classes| side(net, classes));
    let pairs: Vec<(usize, usize)> = connected(net).into_iter().collect();
    let found = in_parallel(&pairs, |(a, b)| between(net, &sides[*a], &sides[*b], a == b));
    found.into_iter().flatten().collect()
}

type Alike<'n> = (usize, &'n [usize], &'n [String], usize, Option<usize>, Option<usize>, bool);

fn side(net: &Net, classes: &BTreeMap<Alike<'_>, Vec<usize>>) -> Side {
    let mut out = Side { classes: classes.values().map(|members| class(net, members.clone())).collect(), ..Side::default() };
    let mut groups = BTreeSet::new();
    for class in &out.classes {
        let i = &net.interfaces[class.members.first().copied().unwrap_or_default()];
        groups.extend(i.groups.iter().copied());
        out.lost |= !i.lost_groups.is_empty();
        out.most = out.most.or(&class.most);
        let here = out.addresses.entry(class.subnet).or_default();
        *here = here.or(&class.addresses);
    }
    let all = out.addresses.values().fold(Addresses::default(), |all, here| all.or(here));
    out.asked = Allow::rule(&Service::everything(), &all);
    out.groups = groups.into_iter().collect();
    out
}

fn class(net: &Net, members: Vec<usize>) -> Class {
    let nets = members.iter().flat_map(|m| net.interfaces[*m].addresses()).map(ipnet::IpNet::from);
    let addresses = Addresses::of(nets);
    let first = members.first().copied().unwrap_or_default();
    let i = &net.interfaces[first];
    let guards = |egress: bool| {
        if i.groups.is_empty() && i.lost_groups.is_empty() {
            // A kind that has no groups filters nothing; another's are not known.
            let sure = if i.is_ungrouped_kind() { Allow::everything() } else { Allow::default() };
            return Both::new(sure, Allow::everything());
        }
        group_filter(net, first, egress, None)
    };
    let shut = i.takes_no_connections();
    let admits = if shut { Both::new(Allow::default(), Allow::default()) } else { guards(false) };
    let emits = guards(true);
    let named = |egress: bool| {
        let rules = i.groups.iter().flat_map(|g| net.groups[*g].by_group.iter().map(|r| &net.groups[*g].rules[*r]));
        rules.filter(move |r| r.egress == egress && (egress || !shut))
    };
    let most = named(false).fold(admits.may.service(), |all, r| all.or(&r.service));
    let of = |r: &crate::network::net::Rule| if let Peer::Group(Some(group)) = r.peer { Some(group) } else { None };
    Class {
        subnet: i.subnet,
        asked: Allow::rule(&Service::everything(), &addresses),
        names: named(false).filter_map(of).collect(),
        by_group: (named(false).next().is_some(), named(true).next().is_some()),
        guarded: i.load_balancer.is_some() || i.endpoint.is_some(),
        members,
        addresses,
        admits,
        emits,
        most,
    }
}

/// The ways between two subnets, without what guards their interfaces: walked once for all classes in them.
type Roads = BTreeMap<(usize, usize), Vec<Leg>>;

/// The flows from one VPC to another.
fn between(net: &Net, a: &Side, b: &Side, same_vpc: bool) -> Vec<Flow> {
    let mut out = Vec::new();
    let mut known = Service::default();
    let mut doubtful = 0;
    let mut roads = Roads::new();
    for to in &b.classes {
        // Between two VPCs a flow is worth a look only where it may add a service to those already found.
        if known.covers(&to.most) {
            continue;
        }
        let mut most = to.admits.may.and(&a.asked).service();
        if to.by_group.0 && (a.lost || to.names.iter().any(|g| a.groups.binary_search(g).is_ok())) {
            most = to.most.clone();
        }
        for from in &a.classes {
            if known.covers(&most) {
                break;
            }
            let Some(flow) = flow(net, (a, from), (b, to), same_vpc, &known, &mut roads) else { continue };
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

fn flow(
    net: &Net,
    (a, from): (&Side, &Class),
    (b, to): (&Side, &Class),
    same_vpc: bool,
    known: &Service,
    roads: &mut Roads,
) -> Option<Flow> {
    let (client, server) = (*from.members.first()?, *to.members.first()?);
    let account = |ix: usize| &net.homes[net.interfaces[ix].home].account;
    if same_vpc && account(client) == account(server) {
        return None;
    }
    // Most pairs end here: nothing of the other side is let in at all.
    let mut most = Service::default();
    if to.by_group.0 {
        let rules = net.interfaces[server].groups.iter().flat_map(|g| &net.groups[*g].rules);
        most = rules.filter(|r| !r.egress && names(net, r, client)).fold(most, |all, r| all.or(&r.service));
    }
    if to.admits.may.meets(&from.asked) {
        most = most.or(&to.admits.may.and(&from.asked).service());
    }
    if known.covers(&most) || !(from.by_group.1 || from.emits.may.meets(&to.asked)) {
        return None;
    }
    let address = |ix: usize| net.interfaces[ix].addresses().next();
    let end = |ix: usize| End::Interface { ix, address: address(ix), public: None };
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    let packets = |service: &Service, from: &Addresses, to: &Addresses| {
        cut_by_ports(service).iter().fold(PacketSet::default(), |all, s| all.or(&PacketSet::of(s, &ports, from, to)))
    };
    let asked = packets(&most, &from.addresses, &to.addresses);
    let road = roads.entry((from.subnet, to.subnet)).or_insert_with(|| {
        let all = packets(&b.most, &a.addresses[&from.subnet], &b.addresses[&to.subnet]);
        road(net, &end(client), &end(server), all)
    });
    if road.is_empty() {
        return None;
    }
    let (mut sure, mut may) = (PacketSet::default(), PacketSet::default());
    let mut inspected: Vec<Object> = Vec::new();
    if to.guarded || !road.iter().all(Leg::is_plain) {
        // What a filter sees on the way depends on more than the two ends.
        for leg in walk(net, &end(client), &end(server), asked, false).arrived {
            sure = sure.or(leg.sure());
            may = may.or(&leg.may);
            inspected.extend(leg.inspected);
        }
    } else {
        let out = guards(net, from, client, true, server);
        let into = guards(net, to, server, false, client);
        let seen = |who: Who| View { way: Way::Request, who, seen: Seen::Own, nat_port: false };
        let passes = |set: PacketSet, both: &Both, who: Who, of_sure: bool| {
            if both.all == (true, true) {
                return set;
            }
            set.and(&lift(if of_sure { &both.sure } else { &both.may }, seen(who), of_sure))
        };
        for leg in road {
            let one = passes(passes(asked.and(&leg.may), &out, Who::Server, false), &into, Who::Client, false);
            if one.is_empty() {
                continue;
            }
            let exact = out.exact && into.exact && leg.sure() == &leg.may;
            let certain = if exact {
                one.clone()
            } else {
                passes(passes(asked.and(leg.sure()), &out, Who::Server, true), &into, Who::Client, true)
            };
            sure = sure.or(&certain);
            may = may.or(&one);
            inspected.extend(leg.inspected.iter().copied());
        }
    }
    let (set, verdict) = if sure.is_empty() { (may, Verdict::Unknown) } else { (sure, Verdict::Yes) };
    if set.is_empty() {
        return None;
    }
    inspected.sort_unstable();
    inspected.dedup();
    Some(Flow {
        from: client,
        to: server,
        from_count: from.members.len(),
        to_count: to.members.len(),
        service: set.service(),
        verdict,
        inspected,
    })
}

/// What the groups of a class let through towards one other interface.
fn guards<'c>(net: &Net, class: &'c Class, own: usize, egress: bool, other: usize) -> Cow<'c, Both> {
    let by_group = if egress { class.by_group.1 } else { class.by_group.0 };
    if by_group {
        return Cow::Owned(group_filter(net, own, egress, Some(other)));
    }
    Cow::Borrowed(if egress { &class.emits } else { &class.admits })
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
