//! Walks in words: each hop with the rule that decided there, each stop with what is missing. It decides nothing.

use serde::Serialize;

use crate::network::lift::{View, Way, lift};
use crate::network::net::{Acl, Net, Object, Peer, Rule};
use crate::network::packets::{Addresses, Allow, PacketSet};
use crate::network::walk::{Deed, Halt, Leg, Related, Step, names, related};

/// One place on a path and what let packets through there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// False on the way back.
    pub request: bool,
    /// AWS's id or ARN; `internet` or `on premises` outside of AWS.
    pub object: String,
    pub name: String,
    /// `security group`, `network ACL`, `route table`, …
    pub kind: &'static str,
    /// The rules, routes or entries that let packets through; empty where nothing is asked.
    pub rules: Vec<RuleRef>,
}

/// One rule, route or entry by its place and its words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RuleRef {
    /// The group, ACL or table it stands in.
    pub object: String,
    /// `ingress tcp 22 from 0.0.0.0/0`, `entry 100 allow all traffic to 0.0.0.0/0`, `0.0.0.0/0 to igw-1`.
    pub text: String,
}

/// One place that stops packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    pub request: bool,
    pub object: String,
    pub name: String,
    pub kind: &'static str,
    pub why: String,
}

/// A rule of a security group in words.
pub fn rule_text(rule: &Rule) -> String {
    let (way, word) = if rule.egress { ("egress", "to") } else { ("ingress", "from") };
    format!("{way} {} {word} {}", rule.service, rule.peer_text)
}

/// An entry of a network ACL in words.
pub fn entry_text(acl: &Acl, entry: usize) -> String {
    let e = &acl.entries[entry];
    let (way, word) = if e.egress { ("egress", "to") } else { ("ingress", "from") };
    let action = if e.allow { "allow" } else { "deny" };
    format!("{way} entry {} {action} {} {word} {}", e.number, e.service, e.peer_text)
}

pub fn kind_word(object: Object) -> &'static str {
    match object {
        Object::Vpc(_) => "VPC",
        Object::Subnet(_) => "subnet",
        Object::Table(_) => "route table",
        Object::Acl(_) => "network ACL",
        Object::Group(_) => "security group",
        Object::Interface(_) => "interface",
        Object::Instance(_) => "instance",
        Object::InternetGateway(_) => "internet gateway",
        Object::EgressOnlyGateway(_) => "egress-only internet gateway",
        Object::Nat(_) => "NAT gateway",
        Object::Peering(_) => "VPC peering",
        Object::TransitGateway(_) => "transit gateway",
        Object::Attachment(_) => "transit gateway attachment",
        Object::VpnGateway(_) => "virtual private gateway",
        Object::VpnConnection(_) => "VPN connection",
        Object::CustomerGateway(_) => "customer gateway",
        Object::Endpoint(_) => "VPC endpoint",
        Object::LoadBalancer(_) => "load balancer",
        Object::PrefixList(_) => "prefix list",
    }
}

/// The rules of an interface's groups that let some of the packets through.
pub fn group_rules(
    net: &Net,
    interface: usize,
    egress: bool,
    view: View,
    remote: Option<usize>,
    packets: &PacketSet,
) -> Vec<(usize, usize)> {
    let here = &net.interfaces[interface];
    let mut out = Vec::new();
    for group in &here.groups {
        for (n, rule) in net.groups[*group].rules.iter().enumerate().filter(|(_, r)| r.egress == egress) {
            let peers = match &rule.peer {
                Peer::Cidr(peers) | Peer::List(Some(peers)) => peers.clone(),
                Peer::List(None) | Peer::Unreadable => Addresses::everything(),
                Peer::Group(_) => match remote {
                    Some(r) if names(net, rule, r) && related(net, here.vpc, net.interfaces[r].vpc, egress) != Related::No => {
                        Addresses::everything()
                    }
                    _ => continue,
                },
            };
            if lift(&Allow::rule(&rule.service, &peers), view, false).meets(packets) {
                out.push((*group, n));
            }
        }
    }
    out
}

/// The entries of an ACL that decide for some of the packets, first the lowest number; none is the default deny.
pub fn acl_entries(acl: &Acl, egress: bool, view: View, packets: &PacketSet) -> Vec<usize> {
    let mut rest = Allow::everything();
    let mut out = Vec::new();
    for (n, entry) in acl.entries.iter().enumerate().filter(|(_, e)| e.egress == egress) {
        let here = Allow::rule(&entry.service, &entry.peers);
        if lift(&rest.and(&here), view, false).meets(packets) {
            out.push(n);
        }
        rest = rest.minus(&here);
    }
    out
}

/// The hops of a walk, for the packets that came through.
pub fn hops(net: &Net, leg: &Leg, packets: &PacketSet) -> Vec<Hop> {
    leg.steps.iter().filter_map(|step| hop(net, step, packets)).collect()
}

fn of(net: &Net, request: bool, object: Object, rules: Vec<RuleRef>) -> Hop {
    Hop { request, object: net.id_of(object).to_owned(), name: net.name_of(object).to_owned(), kind: kind_word(object), rules }
}

fn outside(request: bool, word: &str) -> Hop {
    Hop { request, object: word.to_owned(), name: word.to_owned(), kind: "network", rules: Vec::new() }
}

fn hop(net: &Net, step: &Step, packets: &PacketSet) -> Option<Hop> {
    let request = step.way == Way::Request;
    let rule = |object: &str, text: String| RuleRef { object: object.to_owned(), text };
    Some(match &step.deed {
        Deed::Groups { interface, egress, view, remote, private } => {
            let remote = remote.filter(|_| *private);
            let found = group_rules(net, *interface, *egress, *view, remote, packets);
            let rules = found.iter().map(|(g, r)| rule(&net.groups[*g].id, rule_text(&net.groups[*g].rules[*r]))).collect();
            let mut hop = of(net, request, Object::Interface(*interface), rules);
            hop.kind = "security groups of interface";
            hop
        }
        Deed::Acl { subnet, egress, view } => {
            let Some(acl) = net.subnets[*subnet].acl else { return Some(of(net, request, Object::Subnet(*subnet), Vec::new())) };
            let a = &net.acls[acl];
            let found = acl_entries(a, *egress, *view, packets).into_iter().filter(|e| a.entries[*e].allow);
            let rules = found.map(|e| rule(&a.id, entry_text(a, e))).collect();
            let mut hop = of(net, request, Object::Subnet(*subnet), rules);
            hop.kind = if *egress { "network ACL out of subnet" } else { "network ACL into subnet" };
            hop
        }
        Deed::Route { table: Some(table), route, .. } => {
            let t = &net.tables[*table];
            let routes = route.iter().map(|r| &t.routes[*r]);
            let rules = routes.map(|r| rule(&t.id, format!("{} to {}", r.destination, r.target_text))).collect();
            of(net, request, Object::Table(*table), rules)
        }
        Deed::Route { table: None, subnet, .. } => of(net, request, Object::Subnet((*subnet)?), Vec::new()),
        Deed::TransitRoute { table, route } => {
            let t = &net.transit_tables[*table];
            let text = |r: &usize| {
                let r = &t.routes[*r];
                let to: Vec<&str> = r.attachments.iter().map(|a| net.attachments[*a].id.as_str()).collect();
                format!("{} to {}{}", r.destination, to.join(", "), if r.propagated { " (propagated)" } else { "" })
            };
            Hop {
                request,
                object: t.id.clone(),
                name: t.id.clone(),
                kind: "transit gateway route table",
                rules: route.iter().map(|r| rule(&t.id, text(r))).collect(),
            }
        }
        Deed::Through(object) => of(net, request, *object, Vec::new()),
        Deed::Internet => outside(request, "internet"),
        Deed::OnPremises => outside(request, "on premises"),
        Deed::Listens(lb) => {
            let l = &net.load_balancers[*lb];
            let text = l.listens.as_ref().map(|s| format!("listens on {}", s.and(&packets.service())));
            of(net, request, Object::LoadBalancer(*lb), text.into_iter().map(|t| rule(&l.arn, t)).collect())
        }
        Deed::Arrives(interface) => of(net, request, Object::Interface(*interface), Vec::new()),
        Deed::At(object) => of(net, request, (*object)?, Vec::new()),
    })
}

/// What stops packets, in words.
pub fn stop(net: &Net, halt: &Halt, packets: &PacketSet) -> Stop {
    let request = halt.step.way == Way::Request;
    let hop = hop(net, &halt.step, packets).unwrap_or_else(|| outside(request, "route"));
    let mut out = Stop { request, object: hop.object, name: hop.name, kind: hop.kind, why: halt.why.clone() };
    if !out.why.is_empty() {
        return out;
    }
    let what = packets.service();
    out.why = match &halt.step.deed {
        Deed::Groups { interface, egress, .. } => {
            let groups: Vec<&str> = net.interfaces[*interface].groups.iter().map(|g| net.groups[*g].id.as_str()).collect();
            let (way, word, peer) =
                if *egress { ("out", "to", packets.destinations()) } else { ("in", "from", packets.sources()) };
            format!("no rule of {} lets {way} {what} {word} {peer}", groups.join(", "))
        }
        Deed::Acl { subnet, egress, view } => {
            let acl = net.subnets[*subnet].acl.map(|a| &net.acls[a]);
            let deny = acl.and_then(|a| acl_entries(a, *egress, *view, packets).first().map(|e| entry_text(a, *e)));
            let id = acl.map_or("", |a| a.id.as_str());
            match deny {
                Some(text) => format!("{id}: {text}"),
                None => format!("{id}: no entry matches, the default denies"),
            }
        }
        Deed::Listens(lb) => {
            let listens = net.load_balancers[*lb].listens.as_ref();
            format!("it listens on {}", listens.map_or_else(String::new, ToString::to_string))
        }
        _ => "nothing gets through".to_owned(),
    };
    out
}
