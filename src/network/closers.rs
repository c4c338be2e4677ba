//! What would close an exposure: the smallest change at each hop, whose it is, and what else it would cut.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::network::exposure::{Exposure, backend_of};
use crate::network::lift::{Seen, View, Way, Who};
use crate::network::net::{Backend, Net, Object, Peer, Target};
use crate::network::packets::{Addresses, PacketSet, Ranges, Service};
use crate::network::reach::CLIENT_PORTS;
use crate::network::walk::names;
use crate::network::words::{RuleRef, acl_entries, entry_text, rule_text};

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
    let outer = exposure.front.or(exposure.via);
    let own = outer.and_then(|lb| net.load_balancers[lb].interfaces.first().copied()).unwrap_or(exposure.interface);
    let service = exposure.service();
    let peers = &exposure.opening.peers;
    let mut out = Vec::new();
    out.extend(at_groups(net, own, &service, peers));
    out.extend(at_load_balancer(net, all, exposure));
    out.extend(at_target(net, exposure));
    out.extend(at_address(net, all, exposure, own));
    out.extend(at_acl(net, own, &service, peers));
    out.extend(at_routes(net, own));
    out.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.object.cmp(&b.object)));
    out
}

/// The rules of its groups that let the clients in.
fn at_groups(net: &Net, own: usize, service: &Service, peers: &Addresses) -> Option<Change> {
    let i = &net.interfaces[own];
    let mut rules = Vec::new();
    let mut also = Vec::new();
    let mut weight = 0;
    let mut owner = String::new();
    for g in &i.groups {
        let group = &net.groups[*g];
        for rule in group.rules.iter().filter(|r| !r.egress && r.service.meets(service)) {
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
            let rest = rule.service.minus(service);
            if !rest.is_empty() {
                weight += 1;
                also.push(format!("{rest} from {}", rule.peer_text));
            }
            let inside = wide.and(&net.vpcs[i.vpc].cidrs);
            if !inside.is_empty() {
                weight += 1;
                also.push(format!("{} from inside the VPC ({inside}), unless another rule allows it", rule.service.and(service)));
            }
        }
    }
    rules.sort();
    rules.dedup();
    let object = rules.first()?.object.clone();
    let what = if rules.len() == 1 { "remove or narrow the rule" } else { "remove or narrow these rules, all of them" };
    Some(Change { object, what: what.to_owned(), rules, owner, also_cuts: also, weight })
}

/// Its public address.
fn at_address(net: &Net, all: &[Exposure], exposure: &Exposure, own: usize) -> Option<Change> {
    let i = &net.interfaces[own];
    let of_interface = all.iter().filter(|e| e.interface == own && e.id != exposure.id).count();
    let public: Vec<String> = i.v4.iter().filter_map(|(_, p)| p.map(|p| p.to_string())).collect();
    if public.is_empty() || i.load_balancer.is_some() {
        return None;
    }
    Some(Change {
        object: i.id.clone(),
        what: format!("take away its public address {}", public.join(", ")),
        rules: Vec::new(),
        owner: net.owner_of(Object::Interface(own)).to_owned(),
        also_cuts: vec![format!("{of_interface} more exposures of it"), "its own way to the internet, unless by NAT".to_owned()],
        weight: of_interface + 1,
    })
}

/// An entry of its subnet's network ACL, before the one that lets it in.
fn at_acl(net: &Net, own: usize, service: &Service, peers: &Addresses) -> Option<Change> {
    let subnet = &net.subnets[net.interfaces[own].subnet];
    let a = subnet.acl?;
    let acl = &net.acls[a];
    let view = View { way: Way::Request, who: Who::Client, seen: Seen::Own, nat_port: false };
    let asked = PacketSet::of(service, &Ranges::range(CLIENT_PORTS.0, CLIENT_PORTS.1), peers, &Addresses::everything());
    let entry = acl_entries(acl, false, view, &asked).into_iter().find(|e| acl.entries[*e].allow)?;
    let others: usize = acl.subnets.iter().map(|s| net.subnets[*s].interfaces.len()).sum();
    let others = others.max(subnet.interfaces.len()).saturating_sub(1);
    let number = acl.entries[entry].number;
    let free = (1..number).rev().find(|n| !acl.entries.iter().any(|e| !e.egress && e.number == *n))?;
    Some(Change {
        object: acl.id.clone(),
        what: format!("add ingress entry {free} deny {service} from {peers}"),
        rules: vec![RuleRef { object: acl.id.clone(), text: entry_text(acl, entry) }],
        owner: net.owner_of(Object::Acl(a)).to_owned(),
        also_cuts: vec![
            format!("{service} from there to {others} more interfaces in {} subnets", acl.subnets.len().max(1)),
            "answers to connections from inside, where their ports overlap".to_owned(),
        ],
        weight: others + 2,
    })
}

/// The routes of its subnet to the internet gateway.
fn at_routes(net: &Net, own: usize) -> Option<Change> {
    let subnet = &net.subnets[net.interfaces[own].subnet];
    let t = subnet.table?;
    let table = &net.tables[t];
    let routes: Vec<RuleRef> = (table.routes.iter())
        .filter(|r| matches!(r.target, Target::InternetGateway(_)))
        .map(|r| RuleRef { object: table.id.clone(), text: format!("{} to {}", r.destination, r.target_text) })
        .collect();
    if routes.is_empty() {
        return None;
    }
    let others = subnet.interfaces.len().saturating_sub(1);
    Some(Change {
        object: table.id.clone(),
        what: "remove the route to the internet gateway".to_owned(),
        rules: routes,
        owner: net.owner_of(Object::Table(t)).to_owned(),
        also_cuts: vec![format!("the internet, in and out, for {others} more interfaces of {}", subnet.id)],
        weight: others + 3,
    })
}

/// To have the load balancer not pass it on: the rule of its listener.
fn at_load_balancer(net: &Net, all: &[Exposure], exposure: &Exposure) -> Option<Change> {
    let (lb, backend) = (exposure.via?, backend_of(net, exposure)?);
    let l = &net.load_balancers[lb];
    let same = |b: &&Backend| (&b.rule, b.listener) == (&backend.rule, backend.listener) && b.interface != backend.interface;
    let others: BTreeSet<usize> = l.backends.iter().filter(same).map(|b| b.interface).collect();
    let mut also = Vec::new();
    if !others.is_empty() {
        also.push(format!("the same rule for {} more targets of {}", others.len(), backend.group));
    }
    let twins = all.iter().filter(|e| e.via == Some(lb) && e.interface == exposure.interface && e.id != exposure.id).count();
    if twins > 0 && others.is_empty() {
        also.push(format!("{twins} more exposures of it through {} would stay", l.name));
    }
    Some(Change {
        object: l.arn.clone(),
        what: format!(
            "have listener {} not forward to {} any more, or narrow its rule to known source addresses",
            backend.listens, backend.group
        ),
        rules: vec![RuleRef { object: l.arn.clone(), text: format!("{} forwards to {}", backend.rule, backend.group) }],
        owner: net.owner_of(Object::LoadBalancer(lb)).to_owned(),
        also_cuts: also,
        weight: others.len() + 1,
    })
}

/// To have the target not take it: the rules of its groups that let the load balancer, or the clients it shows, in.
fn at_target(net: &Net, exposure: &Exposure) -> Option<Change> {
    let (lb, backend) = (exposure.via?, backend_of(net, exposure)?);
    let target = &net.interfaces[exposure.interface];
    let own = &net.load_balancers[lb].interfaces;
    let from = if backend.preserves_client {
        exposure.opening.peers.clone()
    } else {
        Addresses::of(own.iter().flat_map(|i| net.interfaces[*i].addresses()).map(ipnet::IpNet::from))
    };
    let mut rules = Vec::new();
    let mut also = BTreeSet::new();
    let mut owner = String::new();
    let mut weight = 0;
    for g in &target.groups {
        let group = &net.groups[*g];
        for rule in group.rules.iter().filter(|r| !r.egress && r.service.meets(&backend.service)) {
            let lets = match &rule.peer {
                Peer::Cidr(set) | Peer::List(Some(set)) => set.meets(&from),
                Peer::List(None) | Peer::Unreadable => true,
                Peer::Group(_) => own.iter().any(|i| names(net, rule, *i)),
            };
            if !lets {
                continue;
            }
            net.owner_of(Object::Group(*g)).clone_into(&mut owner);
            rules.push(RuleRef { object: group.id.clone(), text: rule_text(rule) });
            let others = group.members.len().saturating_sub(1);
            if others > 0 {
                weight += others;
                also.insert(format!("the same rule on {others} more interfaces of {} ({})", group.id, group.name));
            }
            let rest = rule.service.minus(&backend.service);
            if !rest.is_empty() {
                weight += 1;
                also.insert(format!("{rest} from {}", rule.peer_text));
            }
        }
    }
    rules.sort();
    rules.dedup();
    let object = rules.first()?.object.clone();
    let what = if rules.len() == 1 {
        "remove the rule that lets the load balancer in"
    } else {
        "remove the rules that let the load balancer in, all of them"
    };
    also.insert(format!("all that {} passes on to it", net.load_balancers[lb].name));
    Some(Change { object, what: what.to_owned(), rules, owner, also_cuts: also.into_iter().collect(), weight: weight + 1 })
}
