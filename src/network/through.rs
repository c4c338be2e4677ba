//! Behind a load balancer: which clients a target answers through it, and the way there. What stands behind which listener
//! is [`backends`](crate::network::backends)'s; what of it is exposed is [`exposure`](crate::network::exposure)'s.

use std::borrow::Cow;

use crate::network::lift::{Seen, View, Way, Who, lift};
use crate::network::net::{Backend, Both, Net};
use crate::network::packets::{Addresses, Allow, PacketSet, Ranges};
use crate::network::reach::{CLIENT_PORTS, Path, Verdict, path};
use crate::network::walk::{End, group_filter, road};
use crate::network::words::{Hop, RuleRef};

/// An interface by the address that others of the VPC know it by.
fn end(net: &Net, ix: usize) -> End {
    End::Interface { ix, address: net.interfaces[ix].v4.first().map(|(a, _)| *a), public: None }
}

/// Which of the clients a target answers through a load balancer.
pub fn passed_on(net: &Net, lb: usize, backend: &Backend, clients: &Addresses) -> (Addresses, Verdict) {
    let mut best = (Addresses::default(), Verdict::No);
    for own in net.load_balancers[lb].interfaces.iter().filter(|own| **own != backend.interface) {
        if backend.preserves_client {
            let (may, sure) = preserved(net, *own, backend, clients);
            for (set, verdict) in [(may, Verdict::Unknown), (sure, Verdict::Yes)] {
                if !set.is_empty() && verdict >= best.1 {
                    best = (best.0.or(&set.sources()), verdict);
                }
            }
        }
        // Who asks in IPv6 a target that has IPv4 alone is translated, and so not shown.
        let translated = Addresses { v6: clients.v6.clone(), ..Addresses::default() };
        let clients = match backend.preserves_client {
            false => clients,
            true if net.interfaces[backend.interface].v6.is_empty() && !translated.is_empty() => &translated,
            true => continue,
        };
        let verdict = path(net, &end(net, *own), &end(net, backend.interface), &backend.service).verdict;
        if verdict != Verdict::No && verdict >= best.1 {
            best = (best.0.or(clients), verdict);
        }
    }
    best
}

/// What gets through one node of a load balancer that shows its targets the clients' addresses, and back by it: what may,
/// and what surely does. The node's groups let it out; the target's let in clients, or whatever has the node's groups
/// ("Network Load Balancers: Update the security groups").
fn preserved(net: &Net, own: usize, backend: &Backend, clients: &Addresses) -> (PacketSet, PacketSet) {
    let (node, target) = (&net.interfaces[own], &net.interfaces[backend.interface]);
    let ports = Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1);
    // One that is assumed has some address of its subnet.
    let there = match target.assumed {
        true => net.subnets[target.subnet].cidrs.clone(),
        false => Addresses::of(target.addresses().map(ipnet::IpNet::from)),
    };
    let all = PacketSet::of(&backend.service, &ports, clients, &there);
    let nothing_known = || Cow::Owned(Both::new(Allow::default(), Allow::everything()));
    let groups = |ix: usize, egress: bool, remote: usize| {
        let i = &net.interfaces[ix];
        match (i.groups.is_empty() && i.lost_groups.is_empty(), i.is_ungrouped_kind()) {
            (true, true) => None,
            (true, false) => Some(nothing_known()),
            _ => Some(Cow::Owned(group_filter(net, ix, egress, Some(remote)))),
        }
    };
    let acl = |subnet: usize, egress: bool| {
        let known = net.subnets[subnet].acl.map(|a| &net.acls[a]);
        Some(known.map_or_else(nothing_known, |a| Cow::Borrowed(if egress { &a.egress } else { &a.ingress })))
    };
    let mut filters = vec![
        (groups(own, true, backend.interface), Way::Request, Who::Server),
        (groups(backend.interface, false, own), Way::Request, Who::Client),
    ];
    if node.subnet != target.subnet {
        filters.extend([
            (acl(node.subnet, true), Way::Request, Who::Server),
            (acl(target.subnet, false), Way::Request, Who::Client),
            (acl(target.subnet, true), Way::Response, Who::Client),
            (acl(node.subnet, false), Way::Response, Who::Server),
        ]);
    }
    let (mut may, mut sure) = (all.clone(), all);
    for (both, way, who) in filters {
        let Some(both) = both else { continue };
        let view = View { way, who, seen: Seen::Own, nat_port: false };
        may = may.and(&lift(&both.may, view, false));
        sure = sure.and(&lift(&both.sure, view, true));
    }
    if node.vpc != target.vpc && !may.is_empty() {
        // The way to another VPC, whoever asks.
        let (client, server) = (end(net, own), end(net, backend.interface));
        let asked = crate::network::walk::packets_between(net, &client, &server, &backend.service, &ports);
        let ways = road(net, &client, &server, asked);
        if ways.iter().all(|leg| leg.may.is_empty()) {
            may = PacketSet::default();
        }
        if ways.iter().all(|leg| leg.sure().is_empty()) {
            sure = PacketSet::default();
        }
    }
    (may, sure)
}

/// From a load balancer to a target, with the rule that passes it on; by the node from which it gets there best.
pub fn passed_path(net: &Net, lb: usize, backend: &Backend) -> Option<Path> {
    let l = &net.load_balancers[lb];
    let ways = l.interfaces.iter().filter(|own| **own != backend.interface);
    let ways = ways.map(|own| path(net, &end(net, *own), &end(net, backend.interface), &backend.service));
    // Of equal ones the first.
    let mut path = ways.reduce(|best, next| if next.verdict > best.verdict { next } else { best })?;
    let signs = if backend.signs_in { " after users sign in" } else { "" };
    let text = format!("listener {}: {} forwards to {}{signs}", backend.listens, backend.rule, backend.group);
    let rules = vec![RuleRef { object: l.arn.clone(), text }];
    path.hops.insert(0, Hop { request: true, object: l.arn.clone(), name: l.name.clone(), kind: "load balancer", rules });
    Some(path)
}
