//! Security groups as filters: what the groups of an interface let through, with rules that name groups resolved.

use crate::network::net::{Both, Net, Peer};
use crate::network::packets::{Addresses, Allow};

/// Whether rules of one VPC may name groups of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Related {
    Yes,
    No,
    Unknown,
}

/// Whether a group of VPC `other` counts in a rule of VPC `here`: in the same VPC, across an active peering in the same
/// region ("Update your security groups to reference peer security groups"), and inbound across a transit gateway that
/// has it switched on ("Security group referencing").
pub fn related(net: &Net, here: usize, other: usize, egress: bool) -> Related {
    if here == other {
        return Related::Yes;
    }
    for p in &net.vpcs[here].peerings {
        let p = &net.peerings[*p];
        let both = (p.sides[0].vpc == Some(here) && p.sides[1].vpc == Some(other))
            || (p.sides[1].vpc == Some(here) && p.sides[0].vpc == Some(other));
        if both && p.active && p.sides[0].region == p.sides[1].region {
            return Related::Yes;
        }
    }
    let mut answer = Related::No;
    if !egress {
        for a in &net.vpcs[here].attachments {
            let (gateway, own) = (net.attachments[*a].gateway, net.attachments[*a].group_references);
            let theirs = net.vpcs[other].attachments.iter().map(|b| &net.attachments[*b]).find(|b| b.gateway == gateway);
            // It has to be on at the gateway, where it is off by default, and at both attachments, where it is on.
            let shared = theirs.is_some_and(|b| own != Some(false) && b.group_references != Some(false));
            match (shared, net.transit_gateways[gateway].group_references) {
                (true, Some(true)) => return Related::Yes,
                (true, None) => answer = Related::Unknown,
                _ => {}
            }
        }
    }
    answer
}

/// Everything the groups of an interface let through, with rules that name groups resolved for one remote interface.
pub fn group_filter(net: &Net, interface: usize, egress: bool, remote: Option<usize>) -> Both {
    let here = &net.interfaces[interface];
    let (mut sure, mut may) = (Allow::default(), Allow::default());
    for group in here.groups.iter().map(|g| &net.groups[*g]) {
        let plain = if egress { &group.egress } else { &group.ingress };
        sure = sure.or(&plain.sure);
        may = may.or(&plain.may);
        let Some(remote) = remote else { continue };
        for rule in group.by_group.iter().map(|r| &group.rules[*r]).filter(|r| r.egress == egress) {
            if !names(net, rule, remote) {
                continue;
            }
            let allow = || Allow::rule(&rule.service, &Addresses::everything());
            match related(net, here.vpc, net.interfaces[remote].vpc, egress) {
                Related::Yes => {
                    let allow = allow();
                    sure = sure.or(&allow);
                    may = may.or(&allow);
                }
                Related::Unknown => may = may.or(&allow()),
                Related::No => {}
            }
        }
    }
    if !here.lost_groups.is_empty() {
        // A group that is not known may let anything through.
        may = Allow::everything();
    }
    Both::new(sure, may)
}

/// Whether a rule names a group that an interface has.
pub fn names(net: &Net, rule: &crate::network::net::Rule, interface: usize) -> bool {
    match rule.peer {
        Peer::Group(Some(group)) => net.interfaces[interface].groups.binary_search(&group).is_ok(),
        Peer::Group(None) => net.interfaces[interface].lost_groups.contains(&rule.peer_text),
        _ => false,
    }
}
