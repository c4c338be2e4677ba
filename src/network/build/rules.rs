//! Rules and entries as sets: protocols, ports, CIDRs, the order of ACL entries.

use ipnet::IpNet;

use crate::model::network as aws;
use crate::network::net::{AclEntry, Both, Peer, Rule};
use crate::network::packets::{Addresses, Allow, ICMP, ICMPV6, Service, TCP, UDP, cidr};

pub(super) fn lay(
    net: IpNet,
    rank: u8,
    index: usize,
    v4: &mut Vec<(u32, u32, u8, usize)>,
    v6: &mut Vec<(u128, u128, u8, usize)>,
) {
    match net {
        IpNet::V4(n) => v4.push((n.network().to_bits(), n.broadcast().to_bits(), rank, index)),
        IpNet::V6(n) => v6.push((n.network().to_bits(), n.broadcast().to_bits(), rank, index)),
    }
}

/// The rules of one direction that name addresses, as one set.
pub(super) fn compile(rules: &[Rule], egress: bool) -> Both {
    let (mut all_sure, mut all_may) = (Allow::default(), Allow::default());
    for rule in rules.iter().filter(|r| r.egress == egress) {
        let (sure, may) = match &rule.peer {
            Peer::Cidr(peers) | Peer::List(Some(peers)) => (Some(peers.clone()), Some(peers.clone())),
            Peer::List(None) | Peer::Unreadable => (None, Some(Addresses::everything())),
            Peer::Group(_) => (None, None),
        };
        if let Some(peers) = sure {
            all_sure = all_sure.or(&Allow::rule(&rule.service, &peers));
        }
        if let Some(peers) = may {
            all_may = all_may.or(&Allow::rule(&rule.service, &peers));
        }
    }
    Both::new(all_sure, all_may)
}

/// Entries in order of their numbers; the first that matches decides, what none matches is denied.
pub(super) fn ordered(entries: &[AclEntry], egress: bool, whole: bool) -> Both {
    if !whole {
        return Both::new(Allow::default(), Allow::everything());
    }
    let mut decided = Allow::default();
    let mut allowed = Allow::default();
    for entry in entries.iter().filter(|e| e.egress == egress) {
        let here = Allow::rule(&entry.service, &entry.peers);
        if entry.allow {
            allowed = allowed.or(&here.minus(&decided));
        }
        decided = decided.or(&here);
    }
    Both::new(allowed.clone(), allowed)
}

/// A security group rule's protocol and ports (API reference, `IpPermission`): `-1` is everything whatever the ports
/// say, ICMP's ports are type and code with -1 for all, protocols other than TCP, UDP and ICMP have all ports.
pub fn service_of(protocol: &str, from: Option<i64>, to: Option<i64>) -> Option<Service> {
    let number = match protocol.to_ascii_lowercase().as_str() {
        "-1" | "all" => return Some(Service::everything()),
        "tcp" => TCP,
        "udp" => UDP,
        "icmp" => ICMP,
        "icmpv6" => ICMPV6,
        other => other.parse().ok()?,
    };
    let byte = |n: Option<i64>| match n {
        None | Some(-1) => Some(None),
        Some(n) => u8::try_from(n).ok().map(Some),
    };
    match number {
        ICMP | ICMPV6 => Some(Service::icmp(number, byte(from)?, byte(to)?)),
        TCP | UDP => {
            let port = |n: Option<i64>, none: u16| match n {
                None | Some(-1) => Some(none),
                Some(n) => u16::try_from(n).ok(),
            };
            let (first, last) = (port(from, 0)?, port(to, u16::MAX)?);
            (first <= last).then(|| Service::ports(number, first, last))
        }
        other => Some(Service::ports(other, 0, u16::MAX)),
    }
}

pub(super) fn acl_entry(entry: &aws::AclEntry) -> Result<AclEntry, String> {
    let peer_text = if entry.cidr_block.is_empty() { &entry.ipv6_cidr_block } else { &entry.cidr_block };
    let net = cidr(peer_text).map_err(|e| e.to_string())?;
    let icmp = entry.icmp_type_code.as_ref();
    let ports = entry.port_range.as_ref();
    let (from, to) = match entry.protocol.to_ascii_lowercase().as_str() {
        "1" | "58" | "icmp" | "icmpv6" => (icmp.and_then(|i| i.kind), icmp.and_then(|i| i.code)),
        _ => (ports.and_then(|p| p.from), ports.and_then(|p| p.to)),
    };
    let service = service_of(&entry.protocol, from, to)
        .ok_or_else(|| format!("protocol {:?} with {from:?} to {to:?} can not be read", entry.protocol))?;
    let allow = match entry.rule_action.to_ascii_lowercase().as_str() {
        "allow" => true,
        "deny" => false,
        other => return Err(format!("the action {other:?} is neither allow nor deny")),
    };
    let number = entry.rule_number.ok_or("it has no number")?;
    let (peers, peer_text) = (Addresses::of([net]), peer_text.clone());
    Ok(AclEntry { number, egress: entry.egress, allow, service, peers, peer_text })
}
