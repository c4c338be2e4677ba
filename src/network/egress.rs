//! The way out: who can reach the internet and by what, which AWS services are reached privately, and why Session
//! Manager does or does not reach an instance, as far as the network tells.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::network::exposure::in_parallel;
use crate::network::net::{Net, Object, Peer};
use crate::network::packets::{Addresses, PacketSet, Ranges, Service, TCP, nat64};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::walk::{Deed, End, Leg, packets_between, walk};

/// Interfaces that get out to the internet the same way.
#[derive(Debug, Clone)]
pub struct Egress {
    pub interfaces: Vec<usize>,
    /// Gateways, appliances and endpoints on the way, in order.
    pub by: Vec<Object>,
    pub service: Service,
    /// Where to.
    pub destinations: Addresses,
    /// Whether that is the whole internet of an address family.
    pub whole: bool,
    pub verdict: Verdict,
    pub unknown: Vec<String>,
    pub inspected: Vec<Object>,
}

/// Interfaces alike to every filter on the way out: same subnet, groups, and kind of address.
type Alike<'n> = (usize, &'n [usize], &'n [String], bool, bool, bool);

/// Every way to the internet, by subnet and groups.
pub fn egress(net: &Net) -> Vec<Egress> {
    let apart: Vec<bool> = (0..net.subnets.len()).map(|s| policies_tell_apart(net, s)).collect();
    let mut classes: BTreeMap<(Alike<'_>, Option<usize>), Vec<usize>> = BTreeMap::new();
    for (ix, i) in net.interfaces.iter().enumerate().filter(|(_, i)| !i.only_carries() && !i.assumed) {
        let key =
            (i.subnet, i.groups.as_slice(), i.lost_groups.as_slice(), i.is_public(), !i.v6.is_empty(), i.is_ungrouped_kind());
        classes.entry((key, apart[i.subnet].then_some(ix))).or_default().push(ix);
    }
    let classes: Vec<Vec<usize>> = classes.into_values().collect();
    let found = in_parallel(&classes, |members| of_class(net, members));
    found.into_iter().flatten().collect()
}

fn of_class(net: &Net, members: &[usize]) -> Vec<Egress> {
    let Some(first) = members.first() else { return Vec::new() };
    let i = &net.interfaces[*first];
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    let internet = Addresses::internet();
    // A public address goes first: the address it belongs to is the one that gets out by a gateway.
    let v4 = i.v4.iter().find(|(_, public)| public.is_some()).or(i.v4.first()).map(|(a, _)| *a);
    let mut out = Vec::new();
    for address in v4.into_iter().chain(i.v6.first().copied()) {
        let client = End::Interface { ix: *first, address: Some(address), public: None };
        let mut outside = vec![internet.clone()];
        if address.is_ipv6() && net.translates(i.subnet) {
            outside.push(nat64(&internet));
        }
        for set in outside {
            let server = End::Internet(set);
            let packets = packets_between(net, &client, &server, &Service::everything(), &ports);
            for leg in walk(net, &client, &server, packets, false).arrived {
                let sure = leg.sure();
                let (set, verdict) = if sure.is_empty() { (&leg.may, Verdict::Unknown) } else { (sure, Verdict::Yes) };
                out.push(row(members, &leg, set, verdict, matches!(address, IpAddr::V6(_)), &internet));
            }
        }
    }
    out
}

fn row(members: &[usize], leg: &Leg, set: &PacketSet, verdict: Verdict, v6: bool, internet: &Addresses) -> Egress {
    let destinations = set.destinations();
    let mut by: Vec<Object> = Vec::new();
    for step in leg.steps.iter().filter(|s| s.way == crate::network::lift::Way::Request) {
        if let Deed::Through(object) = step.deed
            && !by.contains(&object)
        {
            by.push(object);
        }
    }
    Egress {
        interfaces: members.to_vec(),
        by,
        service: set.service(),
        whole: if v6 { destinations.v6.covers(&internet.v6) } else { destinations.v4.covers(&internet.v4) },
        destinations,
        verdict,
        unknown: leg.doubts.clone(),
        inspected: leg.inspected.clone(),
    }
}

/// Services that most workloads call; the names are those of their endpoints.
pub const SERVICES: &[&str] = &[
    "s3",
    "dynamodb",
    "ssm",
    "ssmmessages",
    "ec2messages",
    "sts",
    "kms",
    "secretsmanager",
    "logs",
    "monitoring",
    "ecr.api",
    "ecr.dkr",
    "sqs",
    "sns",
    "lambda",
    "ec2",
];

/// How a VPC reaches an AWS service.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceAccess {
    pub vpc: String,
    pub service: &'static str,
    /// Endpoints in the VPC for it.
    pub endpoints: Vec<String>,
    /// Interfaces of the VPC that get to the internet on port 443, and so may call it there.
    pub by_internet: usize,
    pub interfaces: usize,
}

/// Which services each VPC reaches privately, and which only over the internet.
pub fn service_access(net: &Net, egress: &[Egress]) -> Vec<ServiceAccess> {
    let https = Service::ports(TCP, 443, 443);
    let mut out_by_vpc: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for e in egress.iter().filter(|e| e.verdict != Verdict::No && e.service.meets(&https)) {
        let only_endpoint = e.by.iter().any(|o| matches!(o, Object::Endpoint(x) if net.endpoints[*x].kind == "Gateway"));
        for i in e.interfaces.iter().filter(|_| !only_endpoint) {
            out_by_vpc.entry(net.interfaces[*i].vpc).or_default().push(*i);
        }
    }
    let mut rows = Vec::new();
    for (ix, vpc) in net.vpcs.iter().enumerate() {
        let mut by_internet = out_by_vpc.remove(&ix).unwrap_or_default();
        by_internet.sort_unstable();
        by_internet.dedup();
        let interfaces = vpc.subnets.iter().map(|s| net.subnets[*s].interfaces.len()).sum();
        if interfaces == 0 {
            continue;
        }
        for service in SERVICES {
            let endpoints: Vec<String> =
                endpoints_for(net, ix, service).into_iter().map(|e| net.endpoints[e].id.clone()).collect();
            rows.push(ServiceAccess { vpc: vpc.id.clone(), service, endpoints, by_internet: by_internet.len(), interfaces });
        }
    }
    rows
}

fn endpoints_for(net: &Net, vpc: usize, service: &str) -> Vec<usize> {
    let fits = |e: &&usize| {
        let name = &net.endpoints[**e].service;
        name.strip_suffix(service).is_some_and(|front| front.ends_with('.') && front.matches('.').count() >= 2)
    };
    net.vpcs[vpc].endpoints.iter().filter(fits).copied().collect()
}

/// One service that Session Manager needs.
#[derive(Debug, Clone, Serialize)]
pub struct Need {
    pub service: &'static str,
    pub verdict: Verdict,
    /// The endpoint's id, or `internet`.
    pub by: String,
    pub path: Path,
}

/// Whether an instance gets to the services Session Manager needs on port 443 ("Session Manager prerequisites":
/// `ssm`, `ssmmessages`; `ec2messages` for old agents). The agent always calls; nothing has to come in.
///
/// None where the instance has no interface in the estate.
pub fn session_manager(net: &Net, instance: usize) -> Option<Vec<Need>> {
    let own = *net.instances[instance].interfaces.first()?;
    let i = &net.interfaces[own];
    let address = i.v4.first().map(|(a, _)| *a).or(i.v6.first().copied());
    let client = End::Interface { ix: own, address, public: None };
    let https = Service::ports(TCP, 443, 443);
    let mut out = Vec::new();
    for service in ["ssm", "ssmmessages", "ec2messages"] {
        let private =
            endpoints_for(net, i.vpc, service).into_iter().find(|e| net.endpoints[*e].private_dns && net.endpoints[*e].works);
        let mut best: Option<Need> = None;
        // With private DNS the service's name leads to the endpoint and nowhere else.
        let servers: Vec<(String, End)> = match private {
            Some(e) => {
                let end =
                    |x: &usize| End::Interface { ix: *x, address: net.interfaces[*x].v4.first().map(|(a, _)| *a), public: None };
                net.endpoints[e].interfaces.iter().map(|x| (net.endpoints[e].id.clone(), end(x))).collect()
            }
            None => vec![("internet".to_owned(), End::Internet(Addresses::internet()))],
        };
        for (by, server) in servers {
            let path = path(net, &client, &server, &https);
            if best.as_ref().is_none_or(|b| path.verdict > b.verdict) {
                best = Some(Need { service, verdict: path.verdict, by, path });
            }
        }
        out.extend(best);
    }
    Some(out)
}

/// Whether an instance's agent gets to all that Session Manager needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The worst of the services it needs.
    pub verdict: Verdict,
    /// `vpce-…` or `internet`; where it gets there by several, each once.
    pub by: Vec<String>,
    /// What stops it first, in words; empty where nothing does.
    pub why: String,
}

/// The answer for every instance, by its place in the net; none where it has no interface. Instances that every filter
/// and route treats alike are walked once.
pub fn agents(net: &Net) -> Vec<Option<Agent>> {
    let apart: Vec<bool> = (0..net.subnets.len()).map(|s| told_apart(net, s)).collect();
    let mut classes: BTreeMap<(Alike<'_>, Option<usize>), Vec<usize>> = BTreeMap::new();
    for (ix, instance) in net.instances.iter().enumerate() {
        let Some(i) = instance.interfaces.first().map(|i| &net.interfaces[*i]) else { continue };
        let key = (i.subnet, i.groups.as_slice(), i.lost_groups.as_slice(), i.is_public(), i.v4.is_empty(), false);
        classes.entry((key, apart[i.subnet].then_some(ix))).or_default().push(ix);
    }
    let classes: Vec<Vec<usize>> = classes.into_values().collect();
    let found = in_parallel(&classes, |members| members.first().and_then(|first| agent(&session_manager(net, *first)?)));
    let mut out = vec![None; net.instances.len()];
    for (members, agent) in classes.iter().zip(found) {
        for m in members {
            out[*m].clone_from(&agent);
        }
    }
    out
}

/// Whether policies of the endpoints in a subnet's VPC name only some of the subnet's addresses.
fn policies_tell_apart(net: &Net, subnet: usize) -> bool {
    let here = &net.subnets[subnet];
    let own = net.vpcs[here.vpc].endpoints.iter().filter_map(|e| net.endpoints[*e].passes.as_ref());
    own.flat_map(|p| [&p.sure, &p.may]).any(|from| from.meets(&here.cidrs) && !from.covers(&here.cidrs))
}

/// Whether rules or policies of the endpoints in a subnet's VPC name only some of the subnet's addresses.
fn told_apart(net: &Net, subnet: usize) -> bool {
    if policies_tell_apart(net, subnet) {
        return true;
    }
    let here = &net.subnets[subnet];
    let some = |peers: &Addresses| peers.meets(&here.cidrs) && !peers.covers(&here.cidrs);
    let of_group = |g: &usize| {
        net.groups[*g].rules.iter().any(|r| match &r.peer {
            Peer::Cidr(peers) | Peer::List(Some(peers)) => some(peers),
            _ => false,
        })
    };
    net.vpcs[here.vpc].endpoints.iter().flat_map(|e| &net.endpoints[*e].interfaces).any(|i| {
        let i = &net.interfaces[*i];
        let acl = net.subnets[i.subnet].acl.map(|a| &net.acls[a]);
        i.groups.iter().any(of_group) || acl.is_some_and(|a| a.entries.iter().any(|e| some(&e.peers)))
    })
}

/// The needs as one answer. Old agents alone need `ec2messages` ("Session Manager prerequisites"): without it the rest
/// still works.
pub fn agent(needs: &[Need]) -> Option<Agent> {
    let needed = || needs.iter().filter(|n| n.service != "ec2messages");
    let verdict = needed().map(|n| n.verdict).min()?;
    let mut by: Vec<String> = needed().map(|n| n.by.clone()).collect();
    by.sort();
    by.dedup();
    let worst = needed().find(|n| n.verdict == verdict)?;
    let why = match verdict {
        Verdict::Yes => String::new(),
        Verdict::Unknown => worst.path.unknown.first().cloned().unwrap_or_else(|| "something on the way is not known".into()),
        Verdict::No => worst.path.stops.first().map_or_else(String::new, |s| {
            let back = if s.request { "" } else { "on the way back, " };
            format!("{back}{} {}: {}", s.kind, s.object, s.why)
        }),
    };
    Some(Agent { verdict, by, why })
}
