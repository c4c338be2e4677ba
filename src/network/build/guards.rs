//! Security groups and network ACLs.

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::rules::{acl_entry, compile, ordered, service_of};
use crate::network::build::{Builder, name};
use crate::network::net::{Acl, Group, Object, Peer, Rule};
use crate::network::packets::{Addresses, Service, cidr};

impl Builder<'_> {
    pub(super) fn group_names(&mut self, home: usize, part: &RegionEstate) {
        for group in &part.network.security_groups {
            let ix = self.net.groups.len();
            if self.enter(&group.group_id, Object::Group(ix)) {
                self.net.groups.push(Group {
                    id: group.group_id.clone(),
                    name: group.group_name.clone(),
                    home,
                    vpc: group.vpc_id.clone(),
                    tags: group.tags.clone(),
                    ..Group::default()
                });
            } else if group.owner_id == part.account
                && let Some(Object::Group(ix)) = self.net.object(&group.group_id)
            {
                self.net.groups[ix].home = home;
            }
        }
    }
    pub(super) fn groups(&mut self, part: &RegionEstate) {
        for group in &part.network.security_groups {
            let Some(Object::Group(ix)) = self.net.object(&group.group_id) else { continue };
            if !self.net.groups[ix].rules.is_empty() {
                continue;
            }
            let mut rules = Vec::new();
            let ways = [(false, &group.ip_permissions), (true, &group.ip_permissions_egress)];
            for (egress, permission) in ways.into_iter().flat_map(|(e, list)| list.iter().map(move |p| (e, p))) {
                self.rules_of(&group.group_id, egress, permission, &mut rules);
            }
            let (ingress, egress) = (compile(&rules, false), compile(&rules, true));
            let to = &mut self.net.groups[ix];
            to.by_group = (0..rules.len()).filter(|r| matches!(rules[*r].peer, Peer::Group(_))).collect();
            (to.rules, to.ingress, to.egress) = (rules, ingress, egress);
        }
    }
    pub(super) fn rules_of(&mut self, id: &str, egress: bool, p: &aws::IpPermission, out: &mut Vec<Rule>) {
        let (service, readable) = match service_of(&p.ip_protocol, p.from_port, p.to_port) {
            Some(service) => (service, true),
            None => {
                self.gap(id, format!("a rule has protocol {:?} with ports {:?} to {:?}", p.ip_protocol, p.from_port, p.to_port));
                (Service::everything(), false)
            }
        };
        let mut put = |peer: Peer, text: &str, description: &str| {
            let peer = if readable { peer } else { Peer::Unreadable };
            let (peer_text, description) = (text.to_owned(), description.to_owned());
            out.push(Rule { egress, service: service.clone(), peer, peer_text, description });
        };
        for (text, description) in (p.ip_ranges.iter().map(|r| (&r.cidr_ip, &r.description)))
            .chain(p.ipv6_ranges.iter().map(|r| (&r.cidr_ipv6, &r.description)))
        {
            match cidr(text) {
                Ok(net) => put(Peer::Cidr(Addresses::of([net])), text, description),
                Err(e) => {
                    self.gap(id, e.to_string());
                    put(Peer::Unreadable, text, description);
                }
            }
        }
        for list in &p.prefix_list_ids {
            let entries = match self.net.object(&list.prefix_list_id) {
                Some(Object::PrefixList(ix)) => self.net.prefix_lists[ix].entries.clone(),
                _ => None,
            };
            if entries.is_none() {
                self.gap(
                    id,
                    format!("a rule names the prefix list {}, whose entries are not in the estate", list.prefix_list_id),
                );
            }
            put(Peer::List(entries), &list.prefix_list_id, &list.description);
        }
        for pair in &p.user_id_group_pairs {
            let found = match self.net.object(&pair.group_id) {
                Some(Object::Group(ix)) => Some(ix),
                _ => None,
            };
            if found.is_none() {
                self.gap(id, format!("a rule names the security group {}, which is not in the estate", pair.group_id));
            }
            put(Peer::Group(found), &pair.group_id, &pair.description);
        }
    }
    pub(super) fn acls(&mut self, home: usize, part: &RegionEstate) {
        for acl in &part.network.network_acls {
            let ix = self.net.acls.len();
            if !self.enter(&acl.network_acl_id, Object::Acl(ix)) {
                continue;
            }
            let mut entries = Vec::new();
            let mut whole = [true, true];
            for entry in &acl.entries {
                match acl_entry(entry) {
                    Ok(read) => entries.push(read),
                    Err(why) => {
                        self.gap(&acl.network_acl_id, format!("entry {}: {why}", entry.rule_number.unwrap_or_default()));
                        whole[usize::from(entry.egress)] = false;
                    }
                }
            }
            entries.sort_by_key(|e| (e.egress, e.number));
            let mut subnets = Vec::new();
            for association in &acl.associations {
                if let Some(Object::Subnet(s)) = self.net.object(&association.subnet_id) {
                    self.net.subnets[s].acl = Some(ix);
                    subnets.push(s);
                }
            }
            self.net.acls.push(Acl {
                id: acl.network_acl_id.clone(),
                name: name(&acl.tags),
                home,
                vpc: acl.vpc_id.clone(),
                is_default: acl.is_default,
                subnets,
                ingress: ordered(&entries, false, whole[0]),
                egress: ordered(&entries, true, whole[1]),
                entries,
                tags: acl.tags.clone(),
            });
        }
    }
}
