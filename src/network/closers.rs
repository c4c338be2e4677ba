//! What would close an exposure: the smallest change at each hop, whose it is, and what else it would cut.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::network::exposure::{Exposure, backend_of};
use crate::network::lift::{Seen, View, Way, Who};
use crate::network::net::{Backend, Net, Object, Peer, Rule, Target};
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

/// `1 subnet`, `3 subnets`.
fn many(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// `1 more interface`, `no more interfaces`.
fn more(n: usize, one: &str) -> String {
    match n {
        0 => format!("no more {one}s"),
        n => many(n, &format!("more {one}")),
    }
}

/// Rules of an interface's groups that let something in, and what else would go with them.
struct Letting {
    rules: Vec<RuleRef>,
    owner: String,
    also: Vec<String>,
    weight: usize,
}

/// The rules for a service of which `lets` says yes; `beside` tells what else such a rule lets in.
fn letting(
    net: &Net,
    interface: usize,
    service: &Service,
    lets: impl Fn(&Rule) -> bool,
    beside: impl Fn(&Rule) -> Option<String>,
) -> Letting {
    let mut all = Letting { rules: Vec::new(), owner: String::new(), also: Vec::new(), weight: 0 };
    for g in &net.interfaces[interface].groups {
        let group = &net.groups[*g];
        for rule in group.rules.iter().filter(|r| !r.egress && r.service.meets(service) && lets(r)) {
            net.owner_of(Object::Group(*g)).clone_into(&mut all.owner);
            all.rules.push(RuleRef { object: group.id.clone(), text: rule_text(rule) });
            let others = group.members.len().saturating_sub(1);
            if others > 0 {
                all.weight += others;
                all.also.push(format!("the same rule on {} of {} ({})", more(others, "interface"), group.id, group.name));
            }
            let rest = rule.service.minus(service);
            let rest = (!rest.is_empty()).then(|| format!("{rest} from {}", rule.peer_text));
            for cut in rest.into_iter().chain(beside(rule)) {
                all.weight += 1;
                all.also.push(cut);
            }
        }
    }
    all.rules.sort();
    all.rules.dedup();
    let mut told = BTreeSet::new();
    all.also.retain(|cut| told.insert(cut.clone()));
    all
}

/// Whom a rule by addresses names; none for one that names a group.
fn named(rule: &Rule) -> Option<Addresses> {
    match &rule.peer {
        Peer::Cidr(set) | Peer::List(Some(set)) => Some(set.clone()),
        Peer::List(None) | Peer::Unreadable => Some(Addresses::everything()),
        Peer::Group(_) => None,
    }
}

/// The rules of its groups that let the clients in.
fn at_groups(net: &Net, own: usize, service: &Service, peers: &Addresses) -> Option<Change> {
    let home = &net.vpcs[net.interfaces[own].vpc].cidrs;
    let inside = |rule: &Rule| {
        let inside = named(rule)?.and(home);
        let what = rule.service.and(service);
        (!inside.is_empty()).then(|| format!("{what} from inside the VPC ({inside}), unless another rule allows it"))
    };
    let all = letting(net, own, service, |rule| named(rule).is_some_and(|wide| wide.meets(peers)), inside);
    let object = all.rules.first()?.object.clone();
    let what = if all.rules.len() == 1 { "remove or narrow the rule" } else { "remove or narrow these rules, all of them" };
    let (owner, rules) = (all.owner, all.rules);
    Some(Change { object, what: what.to_owned(), rules, owner, also_cuts: all.also, weight: all.weight })
}

/// Its public address.
fn at_address(net: &Net, all: &[Exposure], exposure: &Exposure, own: usize) -> Option<Change> {
    let i = &net.interfaces[own];
    let of_interface = all.iter().filter(|e| e.interface == own && e.id != exposure.id).count();
    let public: Vec<String> = i.v4.iter().filter_map(|(_, p)| p.map(|p| p.to_string())).collect();
    if public.is_empty() || i.load_balancer.is_some() {
        return None;
    }
    let mut also_cuts = vec!["its own way to the internet, unless by NAT".to_owned()];
    if of_interface > 0 {
        also_cuts.insert(0, format!("{} of it", more(of_interface, "exposure")));
    }
    Some(Change {
        object: i.id.clone(),
        what: format!("take away its public address {}", public.join(", ")),
        rules: Vec::new(),
        owner: net.owner_of(Object::Interface(own)).to_owned(),
        also_cuts,
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
            format!("{service} from there to {} in {}", more(others, "interface"), many(acl.subnets.len().max(1), "subnet")),
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
        also_cuts: vec![match others {
            0 => "the internet, in and out".to_owned(),
            n => format!("the internet, in and out, for {} of {}", more(n, "interface"), subnet.id),
        }],
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
        let what = if l.is_classic() { "listener" } else { "rule" };
        also.push(format!("the same {what} for {} of {}", more(others.len(), "target"), backend.group));
    }
    let twins = all.iter().filter(|e| e.via == Some(lb) && e.interface == exposure.interface && e.id != exposure.id).count();
    // A classic load balancer has no rules: a listener is there or not, an instance is registered or not.
    let through = || format!("{} of it through {}", more(twins, "exposure"), l.name);
    let what = if l.is_classic() {
        also.extend((twins > 0).then(through));
        format!("deregister the instance, or delete listener {}", backend.listens)
    } else {
        let stays = if twins > 0 && others.is_empty() { format!("; {} would stay", through()) } else { String::new() };
        format!(
            "have listener {} not forward to {} any more, or narrow its rule to known source addresses{stays}",
            backend.listens, backend.group
        )
    };
    Some(Change {
        object: l.arn.clone(),
        what,
        rules: vec![RuleRef { object: l.arn.clone(), text: format!("{} forwards to {}", backend.rule, backend.group) }],
        owner: net.owner_of(Object::LoadBalancer(lb)).to_owned(),
        also_cuts: also,
        weight: others.len() + 1,
    })
}

/// To have the target not take it: the rules of its groups that let the load balancer, or the clients it shows, in.
fn at_target(net: &Net, exposure: &Exposure) -> Option<Change> {
    let (lb, backend) = (exposure.via?, backend_of(net, exposure)?);
    let own = &net.load_balancers[lb].interfaces;
    let from = if backend.preserves_client {
        exposure.opening.peers.clone()
    } else {
        Addresses::of(own.iter().flat_map(|i| net.interfaces[*i].addresses()).map(ipnet::IpNet::from))
    };
    let lets = |rule: &Rule| named(rule).map_or_else(|| own.iter().any(|i| names(net, rule, *i)), |set| set.meets(&from));
    let mut all = letting(net, exposure.interface, &backend.service, lets, |_| None);
    let object = all.rules.first()?.object.clone();
    let what = if all.rules.len() == 1 {
        "remove the rule that lets the load balancer in"
    } else {
        "remove the rules that let the load balancer in, all of them"
    };
    all.also.push(format!("all that {} passes on to it", net.load_balancers[lb].name));
    let (owner, rules) = (all.owner, all.rules);
    Some(Change { object, what: what.to_owned(), rules, owner, also_cuts: all.also, weight: all.weight + 1 })
}
