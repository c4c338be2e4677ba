//! What does nothing: groups on nothing, rules that never match, entries and rules behind wider ones, dead routes.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::network::net::{Net, Object, Peer, Target};
use crate::network::packets::{Addresses, Allow};
use crate::network::words::{entry_text, rule_text};

/// Why something does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waste {
    /// A security group on no interface and in no rule.
    GroupOnNothing,
    /// A security group on no interface, but named by rules.
    GroupOnlyNamed,
    /// A rule whose peer has no members or does not exist.
    RuleNeverMatches,
    /// A rule that a wider one in the same group covers.
    RuleCovered,
    /// An ACL entry that entries before it decide for completely.
    EntryShadowed,
    /// A network ACL on no subnet.
    AclOnNothing,
    /// A route to something that is gone.
    RouteDead,
    /// An internet gateway on no VPC.
    GatewayOnNothing,
}

/// One thing that does nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unused {
    pub waste: Waste,
    #[serde(skip)]
    pub object: Object,
    pub id: String,
    pub name: String,
    /// The rule, entry or route; empty for a whole object.
    pub rule: String,
    pub why: String,
}

/// Everything that does nothing, in order of objects.
pub fn unused(net: &Net) -> Vec<Unused> {
    let mut out = Vec::new();
    groups(net, &mut out);
    acls(net, &mut out);
    for (ix, table) in net.tables.iter().enumerate() {
        for route in &table.routes {
            if let Target::Blackhole(why) = &route.target {
                let rule = format!("{} to {}", route.destination, route.target_text);
                out.push(made(net, Waste::RouteDead, Object::Table(ix), rule, why.clone()));
            }
        }
    }
    for (ix, gateway) in net.internet_gateways.iter().enumerate().filter(|(_, g)| g.vpc.is_none()) {
        let why = format!("{} is attached to no VPC", gateway.id);
        out.push(made(net, Waste::GatewayOnNothing, Object::InternetGateway(ix), String::new(), why));
    }
    out
}

fn made(net: &Net, waste: Waste, object: Object, rule: String, why: String) -> Unused {
    Unused { waste, object, id: net.id_of(object).to_owned(), name: net.name_of(object).to_owned(), rule, why }
}

/// Whether no interface has a group, as far as all are known.
fn lonely(net: &Net, group: usize) -> bool {
    let group = &net.groups[group];
    group.members.is_empty() && net.homes[group.home].interfaces_known
}

fn groups(net: &Net, out: &mut Vec<Unused>) {
    let mut named: BTreeSet<usize> = BTreeSet::new();
    for (ix, group) in net.groups.iter().enumerate() {
        named.extend(group.rules.iter().filter_map(|r| match r.peer {
            Peer::Group(Some(other)) if other != ix => Some(other),
            _ => None,
        }));
    }
    for (ix, group) in net.groups.iter().enumerate() {
        let object = Object::Group(ix);
        // The default group can not be deleted, so that it stands on nothing is as it should be.
        if lonely(net, ix) && group.name != "default" {
            let (waste, why) = if named.contains(&ix) {
                (Waste::GroupOnlyNamed, "no interface has it; rules of other groups name it")
            } else {
                (Waste::GroupOnNothing, "no interface has it and no rule names it")
            };
            out.push(made(net, waste, object, String::new(), why.to_owned()));
        }
        let sets: Vec<Option<(Allow, &Addresses)>> = group
            .rules
            .iter()
            .map(|r| match &r.peer {
                Peer::Cidr(set) | Peer::List(Some(set)) => Some((Allow::rule(&r.service, set), set)),
                _ => None,
            })
            .collect();
        for (n, rule) in group.rules.iter().enumerate() {
            let never = match &rule.peer {
                Peer::Group(None) => {
                    Some(format!("the group {} is not in the estate; if it was deleted, the rule is stale", rule.peer_text))
                }
                // The default group has this rule from AWS, and may stand on nothing.
                Peer::Group(Some(other)) if *other == ix && group.name == "default" => None,
                Peer::Group(Some(other)) if lonely(net, *other) => Some(format!("no interface has the group {}", rule.peer_text)),
                Peer::List(Some(set)) if set.is_empty() => Some(format!("the prefix list {} is empty", rule.peer_text)),
                _ => None,
            };
            if let Some(why) = never {
                out.push(made(net, Waste::RuleNeverMatches, object, rule_text(rule), why));
                continue;
            }
            let Some((own, peers)) = &sets[n] else {
                // The same group twice, the other time with more ports.
                let wider = group.rules.iter().enumerate().find(|(m, r)| {
                    *m != n
                        && r.egress == rule.egress
                        && matches!((&r.peer, &rule.peer), (Peer::Group(Some(a)), Peer::Group(Some(b))) if a == b)
                        && r.service.covers(&rule.service)
                        && (!rule.service.covers(&r.service) || *m < n)
                });
                if let Some((_, wider)) = wider {
                    let why = format!("{} already allows it", rule_text(wider));
                    out.push(made(net, Waste::RuleCovered, object, rule_text(rule), why));
                }
                continue;
            };
            // Of two equal rules only the later one is too much.
            let wider = group.rules.iter().enumerate().find(|(m, r)| {
                *m != n
                    && r.egress == rule.egress
                    && sets[*m].as_ref().is_some_and(|(other, theirs)| {
                        r.service.covers(&rule.service) && theirs.covers(peers) && (own != other || *m < n)
                    })
            });
            if let Some((_, wider)) = wider {
                let why = format!("{} already allows it", rule_text(wider));
                out.push(made(net, Waste::RuleCovered, object, rule_text(rule), why));
            }
        }
    }
}

fn acls(net: &Net, out: &mut Vec<Unused>) {
    for (ix, acl) in net.acls.iter().enumerate() {
        let object = Object::Acl(ix);
        let used = net.subnets.iter().any(|s| s.acl == Some(ix));
        if !used && !acl.is_default {
            out.push(made(net, Waste::AclOnNothing, object, String::new(), "no subnet has it".to_owned()));
        }
        for egress in [false, true] {
            let mut decided = Allow::default();
            for (n, entry) in acl.entries.iter().enumerate().filter(|(_, e)| e.egress == egress) {
                let own = Allow::rule(&entry.service, &entry.peers);
                // The last one, 32767, is AWS's own and always there.
                if entry.number < 32_767 && own.minus(&decided).is_empty() {
                    let before = acl.entries.iter().enumerate().filter(|(_, e)| e.egress == egress && e.number < entry.number);
                    let meets =
                        |e: &crate::network::net::AclEntry| e.service.meets(&entry.service) && e.peers.meets(&entry.peers);
                    let first = before.filter(|(_, e)| meets(e)).map(|(m, _)| entry_text(acl, m)).collect::<Vec<_>>();
                    let why = format!("entries before it decide for all of it: {}", first.join("; "));
                    out.push(made(net, Waste::EntryShadowed, object, entry_text(acl, n), why));
                }
                decided = decided.or(&own);
            }
        }
    }
}
