//! From an estate to the compiled network. Dangling and malformed parts are named as gaps and kept as unknown, never
//! read as closed. No reachability is decided here.

mod check;
mod rules;
mod transit;
mod vpn;

pub use rules::service_of;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::account::Tags;
use crate::model::coverage::Outcome;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::network as aws;
use crate::network::build::rules::{acl_entry, compile, lay, ordered};
use crate::network::net::{
    Acl, Endpoint, Gap, Gateway, Group, Home, Instance, Interface, LoadBalancer, Nat, Net, Object, Peer, Peering, PrefixList,
    Route, Rule, Side, Subnet, Table, Target, Vpc, partition,
};
use crate::network::packets::{Addresses, Service, cidr};
use crate::network::{backends, net, policy};

/// Compiles the networks of an estate.
pub fn build(estate: &Estate) -> Net {
    let coverage = estate.coverage.iter().map(|c| ((c.account.as_str(), c.region.as_str(), c.api.as_str()), c.outcome)).collect();
    let mut b = Builder { net: Net::default(), estate, coverage, gaps: BTreeSet::new() };
    b.uncovered();
    let parts: Vec<(usize, &RegionEstate)> = estate.regions.iter().map(|r| (b.home(r), r.as_ref())).collect();
    for &(home, part) in &parts {
        b.vpcs(home, part);
    }
    for &(home, part) in &parts {
        b.prefix_lists(home, part);
        b.subnets(home, part);
        b.gateways(home, part);
        b.customer_gateways(home, part);
    }
    for &(home, part) in &parts {
        b.vpn_connections(home, part);
        b.peerings(home, part);
        b.transit(home, part);
        b.group_names(home, part);
        b.instances(home, part);
    }
    for &(_, part) in &parts {
        b.attachments(part);
    }
    for &(home, part) in &parts {
        b.groups(part);
        b.interfaces(home, part);
    }
    b.addresses();
    for &(home, part) in &parts {
        b.nats(home, part);
        b.endpoints(home, part);
        b.load_balancers(home, part);
    }
    for &(home, part) in &parts {
        b.acls(home, part);
        b.tables(home, part);
        b.transit_tables(part);
    }
    b.finish()
}

struct Builder<'e> {
    net: Net,
    estate: &'e Estate,
    coverage: HashMap<(&'e str, &'e str, &'e str), Outcome>,
    gaps: BTreeSet<Gap>,
}

fn name(tags: &Tags) -> String {
    tags.get("Name").cloned().unwrap_or_default()
}

impl Builder<'_> {
    fn gap(&mut self, object: &str, what: impl Into<String>) {
        self.gaps.insert(Gap { object: object.to_owned(), what: what.into() });
    }
    fn home(&mut self, part: &RegionEstate) -> usize {
        let account = self.estate.account(&part.account);
        self.net.homes.push(Home {
            account: part.account.clone(),
            label: self.estate.account_label(&part.account).to_owned(),
            region: part.region.clone(),
            environment: account.and_then(|a| a.environment.value),
            owner: account.and_then(|a| a.owner.value.clone()).unwrap_or_default(),
        });
        self.net.homes.len() - 1
    }
    /// Whether an API's answer is whole for this account and region, as far as coverage says.
    fn covered(&self, part: &RegionEstate, api: &str) -> bool {
        let row = self.coverage.get(&(part.account.as_str(), part.region.as_str(), api));
        row.is_none_or(|outcome| *outcome == Outcome::Ok)
    }
    /// What AWS did not answer is a gap of its own.
    fn uncovered(&mut self) {
        let network = |api: &str| api.starts_with("ec2:") || api.starts_with("elasticloadbalancing:");
        for c in self.estate.coverage.iter().filter(|c| c.outcome != Outcome::Ok && network(&c.api)) {
            let what = format!("{} was {}: what it would tell is unknown", c.api, c.outcome);
            self.gaps.insert(Gap { object: format!("{} {}", c.account, c.region), what });
        }
    }
    fn nets<'t>(&mut self, object: &str, texts: impl Iterator<Item = &'t str>) -> Vec<IpNet> {
        let mut nets = Vec::new();
        for text in texts {
            match cidr(text) {
                Ok(net) => nets.push(net),
                Err(e) => self.gap(object, e.to_string()),
            }
        }
        nets
    }
    /// Registers an id; false where it is there already (shared objects are seen from several accounts).
    fn enter(&mut self, id: &str, object: Object) -> bool {
        if id.is_empty() || self.net.ids.contains_key(id) {
            return false;
        }
        self.net.ids.insert(id.to_owned(), object);
        true
    }
    fn vpc_ix(&mut self, home: usize, id: &str) -> usize {
        if let Some(Object::Vpc(ix)) = self.net.object(id) {
            return ix;
        }
        // Named by something, but not described: kept so that what stands in it can still be judged.
        let ix = self.net.vpcs.len();
        self.enter(id, Object::Vpc(ix));
        self.net.vpcs.push(Vpc { id: id.to_owned(), home, ..Vpc::default() });
        if !id.is_empty() {
            self.gap(id, "the VPC is named but not in the estate");
        }
        ix
    }

    fn vpcs(&mut self, home: usize, part: &RegionEstate) {
        for vpc in &part.network.vpcs {
            let owner = vpc.owner_id.is_empty() || vpc.owner_id == part.account;
            if let Some(Object::Vpc(ix)) = self.net.object(&vpc.vpc_id) {
                // The owner's account is where it stands.
                if owner {
                    self.net.vpcs[ix].home = home;
                }
                continue;
            }
            let texts = vpc.cidrs();
            let nets = self.nets(&vpc.vpc_id, texts.iter().copied());
            let ix = self.net.vpcs.len();
            if self.enter(&vpc.vpc_id, Object::Vpc(ix)) {
                self.net.vpcs.push(Vpc {
                    id: vpc.vpc_id.clone(),
                    name: name(&vpc.tags),
                    home,
                    cidrs: Addresses::of(nets),
                    cidr_texts: texts.into_iter().map(str::to_owned).collect(),
                    is_default: vpc.is_default,
                    seen: true,
                    ..Vpc::default()
                });
            }
        }
    }

    fn prefix_lists(&mut self, home: usize, part: &RegionEstate) {
        let read = self.covered(part, "ec2:GetManagedPrefixListEntries");
        for list in &part.network.prefix_lists {
            let texts: Vec<String> = list.entries.iter().map(|e| e.cidr.clone()).collect();
            let before = self.gaps.len();
            let nets = self.nets(&list.prefix_list_id, texts.iter().map(String::as_str));
            // AWS's own lists are never empty; one's own may be.
            let known = read && self.gaps.len() == before && !(texts.is_empty() && list.owner_id == "AWS");
            let ix = self.net.prefix_lists.len();
            if self.enter(&list.prefix_list_id, Object::PrefixList(ix)) {
                self.net.prefix_lists.push(PrefixList {
                    id: list.prefix_list_id.clone(),
                    name: list.prefix_list_name.clone(),
                    home,
                    entries: known.then(|| Addresses::of(nets)),
                    texts,
                });
            } else if known && let Some(Object::PrefixList(ix)) = self.net.object(&list.prefix_list_id) {
                // Another account or region could read the entries.
                self.net.prefix_lists[ix].entries.get_or_insert_with(|| Addresses::of(nets));
            }
        }
    }

    fn subnets(&mut self, home: usize, part: &RegionEstate) {
        for subnet in &part.network.subnets {
            if let Some(Object::Subnet(ix)) = self.net.object(&subnet.subnet_id) {
                if subnet.owner_id == part.account {
                    self.net.subnets[ix].home = home;
                }
                continue;
            }
            let v6 = subnet.ipv6_cidr_block_association_set.iter().map(aws::CidrAssociation::cidr);
            let texts: Vec<String> =
                std::iter::once(subnet.cidr_block.as_str()).chain(v6).filter(|t| !t.is_empty()).map(str::to_owned).collect();
            let nets = self.nets(&subnet.subnet_id, texts.iter().map(String::as_str));
            let ix = self.net.subnets.len();
            if self.enter(&subnet.subnet_id, Object::Subnet(ix)) {
                let vpc = self.vpc_ix(home, &subnet.vpc_id);
                self.net.vpcs[vpc].subnets.push(ix);
                self.net.subnets.push(Subnet {
                    id: subnet.subnet_id.clone(),
                    name: name(&subnet.tags),
                    home,
                    vpc,
                    zone: subnet.availability_zone.clone(),
                    cidrs: Addresses::of(nets),
                    cidr_texts: texts,
                    ..Subnet::default()
                });
            }
        }
    }
    fn subnet_ix(&mut self, home: usize, vpc: usize, id: &str) -> usize {
        if let Some(Object::Subnet(ix)) = self.net.object(id) {
            return ix;
        }
        let ix = self.net.subnets.len();
        self.enter(id, Object::Subnet(ix));
        self.net.vpcs[vpc].subnets.push(ix);
        self.net.subnets.push(Subnet { id: id.to_owned(), home, vpc, ..Subnet::default() });
        if !id.is_empty() {
            self.gap(id, "the subnet is named but not in the estate");
        }
        ix
    }

    fn gateways(&mut self, home: usize, part: &RegionEstate) {
        let attached = |attachments: &[aws::GatewayAttachment]| {
            let live = attachments.iter().find(|a| !matches!(a.state.as_str(), "detached" | "detaching"));
            live.map(|a| a.vpc_id.clone())
        };
        for gateway in &part.network.internet_gateways {
            let ix = self.net.internet_gateways.len();
            if self.enter(&gateway.internet_gateway_id, Object::InternetGateway(ix)) {
                let vpc = attached(&gateway.attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].internet_gateway = Some(ix);
                }
                let (id, name) = (gateway.internet_gateway_id.clone(), name(&gateway.tags));
                self.net.internet_gateways.push(Gateway { id, name, home, vpc });
            }
        }
        for gateway in &part.network.egress_only_gateways {
            let ix = self.net.egress_only_gateways.len();
            if self.enter(&gateway.internet_gateway_id, Object::EgressOnlyGateway(ix)) {
                let vpc = attached(&gateway.attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].egress_only = Some(ix);
                }
                let (id, name) = (gateway.internet_gateway_id.clone(), name(&gateway.tags));
                self.net.egress_only_gateways.push(Gateway { id, name, home, vpc });
            }
        }
        for gateway in &part.network.vpn_gateways {
            let ix = self.net.vpn_gateways.len();
            if gateway.state != "deleted" && self.enter(&gateway.vpn_gateway_id, Object::VpnGateway(ix)) {
                let vpc = attached(&gateway.vpc_attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].vpn_gateway = Some(ix);
                }
                let (id, name) = (gateway.vpn_gateway_id.clone(), name(&gateway.tags));
                self.net.vpn_gateways.push(Gateway { id, name, home, vpc });
            }
        }
    }

    fn peerings(&mut self, home: usize, part: &RegionEstate) {
        for peering in &part.network.peerings {
            let id = &peering.vpc_peering_connection_id;
            let ix = self.net.peerings.len();
            if !self.enter(id, Object::Peering(ix)) {
                continue;
            }
            let mut side = |info: Option<&aws::PeerVpc>| {
                let Some(info) = info else { return Side::default() };
                let sets = info.cidr_block_set.iter().chain(&info.ipv6_cidr_block_set).map(aws::CidrAssociation::cidr);
                let texts: Vec<&str> = std::iter::once(info.cidr_block.as_str()).chain(sets).filter(|t| !t.is_empty()).collect();
                let vpc = match self.net.object(&info.vpc_id) {
                    Some(Object::Vpc(ix)) => Some(ix),
                    _ => None,
                };
                let mut cidrs = Addresses::of(self.nets(id, texts.into_iter()));
                if let Some(vpc) = vpc {
                    cidrs = cidrs.or(&self.net.vpcs[vpc].cidrs);
                }
                Side { vpc_id: info.vpc_id.clone(), vpc, cidrs, region: info.region.clone(), account: info.owner_id.clone() }
            };
            let sides = [side(peering.requester_vpc_info.as_ref()), side(peering.accepter_vpc_info.as_ref())];
            let status = peering.status.as_ref().map_or("", |s| s.state.as_str()).to_owned();
            for side in &sides {
                if let Some(vpc) = side.vpc {
                    self.net.vpcs[vpc].peerings.push(ix);
                } else if status == "active" {
                    self.gap(id, format!("the peered VPC {} is not in the estate", side.vpc_id));
                }
            }
            let active = status == "active";
            self.net.peerings.push(Peering { id: id.clone(), name: name(&peering.tags), home, sides, active, status });
        }
    }

    fn group_names(&mut self, home: usize, part: &RegionEstate) {
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
    fn groups(&mut self, part: &RegionEstate) {
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
    fn rules_of(&mut self, id: &str, egress: bool, p: &aws::IpPermission, out: &mut Vec<Rule>) {
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

    fn instances(&mut self, home: usize, part: &RegionEstate) {
        for instance in &part.network.instances {
            if instance.state() == "terminated" {
                continue;
            }
            let ix = self.net.instances.len();
            if self.enter(&instance.instance_id, Object::Instance(ix)) {
                let arn = format!(
                    "arn:{}:ec2:{}:{}:instance/{}",
                    partition(&part.region),
                    part.region,
                    part.account,
                    instance.instance_id
                );
                self.net.instances.push(Instance {
                    id: instance.instance_id.clone(),
                    name: instance.name().to_owned(),
                    arn,
                    home,
                    interfaces: Vec::new(),
                    profile: instance.iam_instance_profile.as_ref().map(|p| p.arn.clone()).unwrap_or_default(),
                    state: instance.state().to_owned(),
                    tags: instance.tags.clone(),
                });
            }
        }
    }

    fn interfaces(&mut self, home: usize, part: &RegionEstate) {
        let mut elastic: HashMap<(&str, &str), &str> = HashMap::new();
        for address in part.network.addresses.iter().filter(|a| !a.network_interface_id.is_empty()) {
            elastic.insert((&address.network_interface_id, &address.private_ip_address), &address.public_ip);
        }
        for interface in &part.network.interfaces {
            let id = &interface.network_interface_id;
            let ix = self.net.interfaces.len();
            if !self.enter(id, Object::Interface(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &interface.vpc_id);
            let subnet = self.subnet_ix(home, vpc, &interface.subnet_id);
            let mut v4: Vec<(IpAddr, Option<IpAddr>)> = Vec::new();
            let first = std::iter::once((interface.private_ip_address.as_str(), interface.association.as_ref()));
            let more = interface.private_ip_addresses.iter().map(|p| (p.private_ip_address.as_str(), p.association.as_ref()));
            for (private, association) in first.chain(more).filter(|(p, _)| !p.is_empty()) {
                let Ok(address) = private.parse::<IpAddr>() else {
                    self.gap(id, format!("{private:?} is no address"));
                    continue;
                };
                let public = association.map(|a| a.public_ip.as_str()).or_else(|| elastic.get(&(id.as_str(), private)).copied());
                let public = public.and_then(|p| p.parse().ok());
                match v4.iter_mut().find(|(a, _)| *a == address) {
                    Some(known) => known.1 = known.1.or(public),
                    None => v4.push((address, public)),
                }
            }
            let v6 = interface.ipv6_addresses.iter().filter_map(|a| a.ipv6_address.parse().ok()).collect();
            let mut groups = Vec::new();
            let mut lost_groups = Vec::new();
            for group in &interface.groups {
                match self.net.object(&group.group_id) {
                    Some(Object::Group(g)) => groups.push(g),
                    _ => lost_groups.push(group.group_id.clone()),
                }
            }
            groups.sort_unstable();
            groups.dedup();
            for lost in &lost_groups {
                self.gap(id, format!("its security group {lost} is not in the estate"));
            }
            for g in &groups {
                self.net.groups[*g].members.push(ix);
            }
            let instance = match self.net.object(interface.instance()) {
                Some(Object::Instance(i)) => Some(i),
                _ => None,
            };
            if let Some(i) = instance {
                self.net.instances[i].interfaces.push(ix);
            }
            self.net.subnets[subnet].interfaces.push(ix);
            let own = name(&interface.tags);
            let of_instance = instance.map(|i| self.net.instances[i].name.as_str()).unwrap_or_default();
            let label = [own.as_str(), of_instance, interface.description.as_str(), id].into_iter().find(|t| !t.is_empty());
            let made = Interface {
                id: id.clone(),
                name: label.unwrap_or_default().to_owned(),
                kind: interface.interface_type.clone(),
                description: interface.description.clone(),
                home,
                vpc,
                subnet,
                groups,
                lost_groups,
                v4,
                v6,
                instance,
                source_dest_check: interface.source_dest_check.unwrap_or(true),
                tags: interface.tags.clone(),
                ..Interface::default()
            };
            if made.groups.is_empty() && made.lost_groups.is_empty() && !made.is_ungrouped_kind() {
                self.gap(id, "it has no security group in the estate, though its kind always has one");
            }
            self.net.interfaces.push(made);
        }
    }

    fn addresses(&mut self) {
        for (ix, interface) in self.net.interfaces.iter().enumerate() {
            let public = interface.v4.iter().filter_map(|(_, public)| *public);
            for address in interface.addresses().chain(public) {
                self.net.by_address.entry(address).or_default().push(ix);
            }
        }
        // Interfaces of an attachment say which one they belong to; that tells its subnets where nothing else does.
        let of: HashMap<&str, usize> = self.net.attachments.iter().enumerate().map(|(i, a)| (a.id.as_str(), i)).collect();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for interface in self.net.interfaces.iter().filter(|i| i.kind == "transit_gateway") {
            let words = interface.description.split_whitespace();
            found.extend(words.filter_map(|w| of.get(w)).map(|a| (*a, interface.subnet)));
        }
        for (a, subnet) in found {
            if !self.net.attachments[a].subnets.contains(&subnet) {
                self.net.attachments[a].subnets.push(subnet);
            }
        }
    }

    fn nats(&mut self, home: usize, part: &RegionEstate) {
        for nat in &part.network.nat_gateways {
            let ix = self.net.nats.len();
            if matches!(nat.state.as_str(), "deleted") || !self.enter(&nat.nat_gateway_id, Object::Nat(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &nat.vpc_id);
            let subnet = (!nat.subnet_id.is_empty()).then(|| self.subnet_ix(home, vpc, &nat.subnet_id));
            let read =
                |text: fn(&aws::NatAddress) -> &str| nat.nat_gateway_addresses.iter().filter_map(move |a| text(a).parse().ok());
            self.net.nats.push(Nat {
                id: nat.nat_gateway_id.clone(),
                name: name(&nat.tags),
                home,
                vpc,
                subnet,
                is_public: nat.connectivity_type != "private",
                private: read(|a| &a.private_ip).collect(),
                public: read(|a| &a.public_ip).collect(),
                works: matches!(nat.state.as_str(), "available" | ""),
            });
        }
    }

    fn endpoints(&mut self, home: usize, part: &RegionEstate) {
        for endpoint in &part.network.endpoints {
            let ix = self.net.endpoints.len();
            let gone = matches!(endpoint.state.as_str(), "deleted" | "deleting" | "rejected" | "failed" | "expired");
            if gone || !self.enter(&endpoint.vpc_endpoint_id, Object::Endpoint(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &endpoint.vpc_id);
            let subnets = endpoint.subnet_ids.iter().map(|s| self.subnet_ix(home, vpc, s)).collect();
            let mut interfaces = Vec::new();
            for id in &endpoint.network_interface_ids {
                if let Some(Object::Interface(i)) = self.net.object(id) {
                    interfaces.push(i);
                    self.net.interfaces[i].endpoint = Some(ix);
                }
            }
            self.net.vpcs[vpc].endpoints.push(ix);
            self.net.endpoints.push(Endpoint {
                id: endpoint.vpc_endpoint_id.clone(),
                name: name(&endpoint.tags),
                home,
                vpc,
                kind: endpoint.vpc_endpoint_type.clone(),
                service: endpoint.service_name.clone(),
                subnets,
                interfaces,
                private_dns: endpoint.private_dns_enabled,
                works: matches!(endpoint.state.to_ascii_lowercase().as_str(), "available" | ""),
                passes: policy::passes(&endpoint.policy_document, &endpoint.vpc_id, &endpoint.vpc_endpoint_id),
            });
        }
    }

    fn load_balancers(&mut self, home: usize, part: &RegionEstate) {
        let listeners_read = self.covered(part, "elasticloadbalancing:DescribeListeners");
        for lb in &part.network.load_balancers {
            let ix = self.net.load_balancers.len();
            if !self.enter(&lb.load_balancer_arn, Object::LoadBalancer(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &lb.vpc_id);
            // `ELB app/name/0123456789abcdef` is how AWS describes the interfaces of `…:loadbalancer/app/name/0123456789abcdef`.
            let tail = lb.load_balancer_arn.split_once("loadbalancer/").map_or(lb.load_balancer_name.as_str(), |(_, tail)| tail);
            let description = format!("ELB {tail}");
            let subnets: Vec<usize> = lb.availability_zones.iter().map(|z| self.subnet_ix(home, vpc, &z.subnet_id)).collect();
            let mut interfaces = Vec::new();
            for s in &subnets {
                for i in &self.net.subnets[*s].interfaces {
                    if self.net.interfaces[*i].description == description {
                        interfaces.push(*i);
                    }
                }
            }
            interfaces.sort_unstable();
            interfaces.dedup();
            let internet_facing = lb.scheme == "internet-facing";
            if interfaces.is_empty() {
                self.gap(&lb.load_balancer_arn, "its network interfaces are not in the estate; they are assumed, one a subnet");
                interfaces = self.assumed(home, vpc, lb, &subnets);
            }
            for i in &interfaces {
                self.net.interfaces[*i].load_balancer = Some(ix);
                lb.load_balancer_name.clone_into(&mut self.net.interfaces[*i].name);
            }
            let mut listens = Service::default();
            let mut readable = true;
            for listener in &lb.listeners {
                match backends::listener(listener) {
                    Some(one) => listens = listens.or(&one.service),
                    None => readable = false,
                }
            }
            let known = readable && lb.kind != "gateway" && (!lb.listeners.is_empty() || listeners_read && self.asked(part));
            self.net.load_balancers.push(LoadBalancer {
                arn: lb.load_balancer_arn.clone(),
                name: lb.load_balancer_name.clone(),
                kind: lb.kind.clone(),
                home,
                vpc,
                internet_facing,
                interfaces,
                listens: known.then_some(listens),
                ..LoadBalancer::default()
            });
        }
        let unknown = backends::attach(&mut self.net, part);
        self.gaps.extend(unknown);
    }
    /// Whether listeners were surely asked for (files of plain answers may simply lack them).
    fn asked(&self, part: &RegionEstate) -> bool {
        let api = "elasticloadbalancing:DescribeListeners";
        self.coverage.contains_key(&(part.account.as_str(), part.region.as_str(), api))
    }
    fn assumed(&mut self, home: usize, vpc: usize, lb: &aws::LoadBalancer, subnets: &[usize]) -> Vec<usize> {
        let mut groups = Vec::new();
        let mut lost_groups = Vec::new();
        for id in &lb.security_groups {
            match self.net.object(id) {
                Some(Object::Group(g)) => groups.push(g),
                _ => lost_groups.push(id.clone()),
            }
        }
        groups.sort_unstable();
        let kind = if lb.kind == "network" { "network_load_balancer" } else { "interface" };
        let mut made = Vec::new();
        for subnet in subnets {
            let ix = self.net.interfaces.len();
            for g in &groups {
                self.net.groups[*g].members.push(ix);
            }
            self.net.subnets[*subnet].interfaces.push(ix);
            self.net.interfaces.push(Interface {
                id: format!("{}@{}", lb.load_balancer_name, self.net.subnets[*subnet].id),
                kind: kind.to_owned(),
                home,
                vpc,
                subnet: *subnet,
                groups: groups.clone(),
                lost_groups: lost_groups.clone(),
                source_dest_check: true,
                assumed: true,
                assumed_public: lb.scheme == "internet-facing",
                ..Interface::default()
            });
            made.push(ix);
        }
        made
    }

    fn acls(&mut self, home: usize, part: &RegionEstate) {
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

    fn tables(&mut self, home: usize, part: &RegionEstate) {
        let mut main: Vec<(usize, usize)> = Vec::new();
        for table in &part.network.route_tables {
            let id = &table.route_table_id;
            let ix = self.net.tables.len();
            if !self.enter(id, Object::Table(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &table.vpc_id);
            let mut out = Table { id: id.clone(), name: name(&table.tags), home, ..Table::default() };
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            let locals: Vec<IpNet> = self.net.vpcs[vpc].cidrs.cidrs();
            let mut stated: BTreeSet<IpNet> = BTreeSet::new();
            for route in &table.routes {
                let text = route.destination();
                let list = match self.net.object(text) {
                    Some(Object::PrefixList(l)) => Some(self.net.prefix_lists[l].entries.clone()),
                    _ => None,
                };
                let (nets, by_list) = match (cidr(text), list) {
                    (Ok(one), _) => (vec![one], false),
                    (_, Some(Some(entries))) => (entries.cidrs(), true),
                    _ => {
                        // A gateway endpoint's list holds public addresses of one AWS service only.
                        if !route.gateway_id.starts_with("vpce-") {
                            self.gap(id, format!("the route destination {text:?} is not known"));
                            out.unsure = Some(text.to_owned());
                        }
                        continue;
                    }
                };
                let propagated = route.origin == "EnableVgwRoutePropagation";
                let target = self.target(id, vpc, route);
                let rank = if target == Target::Local { 0 } else { 1 + u8::from(by_list) + 2 * u8::from(propagated) };
                for net in nets {
                    // A propagated route never beats the local one, however specific (Amazon VPC, "Route priority").
                    if propagated && locals.iter().any(|l| l.contains(&net)) {
                        continue;
                    }
                    stated.insert(net);
                    lay(net, rank, out.routes.len(), &mut v4, &mut v6);
                }
                out.routes.push(Route { destination: text.to_owned(), target, target_text: route.target().to_owned() });
            }
            for net in locals.iter().filter(|l| !stated.contains(l)) {
                // Every table has a local route for every CIDR of its VPC, whether the answer lists it or not.
                lay(*net, 0, out.routes.len(), &mut v4, &mut v6);
                out.routes.push(Route { destination: net.to_string(), target: Target::Local, target_text: "local".to_owned() });
            }
            out.v4 = net::Line::longest(v4);
            out.v6 = net::Line::longest(v6);
            self.net.tables.push(out);
            for association in &table.associations {
                let state = association.extra.get("AssociationState").and_then(|s| s.get("State")).and_then(|s| s.as_str());
                if matches!(state, Some("disassociated" | "disassociating" | "failed")) {
                    continue;
                }
                if !association.subnet_id.is_empty() {
                    if let Some(Object::Subnet(s)) = self.net.object(&association.subnet_id) {
                        self.net.subnets[s].table = Some(ix);
                    }
                } else if !association.gateway_id.is_empty() {
                    self.net.vpcs[vpc].edge_tables.insert(association.gateway_id.clone(), ix);
                } else if association.main {
                    main.push((vpc, ix));
                }
            }
        }
        for (vpc, table) in main {
            for s in self.net.vpcs[vpc].subnets.clone() {
                self.net.subnets[s].table.get_or_insert(table);
            }
        }
    }
    fn target(&mut self, table: &str, vpc: usize, route: &aws::Route) -> Target {
        let text = route.target();
        if route.state == "blackhole" {
            return Target::Blackhole(format!("the route to {} is a blackhole ({text} is gone)", route.destination()));
        }
        if text == "local" {
            return Target::Local;
        }
        match self.net.object(text) {
            Some(Object::InternetGateway(i)) => return Target::InternetGateway(i),
            Some(Object::EgressOnlyGateway(i)) => return Target::EgressOnly(i),
            Some(Object::Nat(i)) => return Target::Nat(i),
            Some(Object::Peering(i)) => return Target::Peering(i),
            Some(Object::TransitGateway(i)) => return Target::TransitGateway(i),
            Some(Object::VpnGateway(i)) => return Target::VpnGateway(i),
            Some(Object::Endpoint(i)) => return Target::Endpoint(i),
            Some(Object::Interface(i)) => return Target::Interface(i),
            Some(Object::Instance(i)) => {
                if let Some(first) = self.net.instances[i].interfaces.first() {
                    return Target::Interface(*first);
                }
            }
            _ => {}
        }
        let home = self.net.vpcs[vpc].home;
        // AWS marks a route to a gateway that was detached or deleted as a blackhole, so an active one is attached.
        if text.starts_with("igw-") {
            let ix = self.net.internet_gateways.len();
            self.enter(text, Object::InternetGateway(ix));
            self.net.internet_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].internet_gateway.get_or_insert(ix);
            self.gap(table, format!("a route leads to {text}, which is not in the estate; it is taken as attached"));
            return Target::InternetGateway(ix);
        }
        if text.starts_with("vgw-") {
            let ix = self.net.vpn_gateways.len();
            self.enter(text, Object::VpnGateway(ix));
            self.net.vpn_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].vpn_gateway.get_or_insert(ix);
            return Target::VpnGateway(ix);
        }
        if text.starts_with("eigw-") {
            let ix = self.net.egress_only_gateways.len();
            self.enter(text, Object::EgressOnlyGateway(ix));
            self.net.egress_only_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].egress_only.get_or_insert(ix);
            return Target::EgressOnly(ix);
        }
        if text.starts_with("tgw-") {
            return Target::TransitGateway(self.transit_ix(home, text));
        }
        let why = format!("the route to {} leads to {text:?}, which is not in the estate or not evaluated", route.destination());
        self.gap(table, why.clone());
        Target::Unknown(why)
    }

    fn finish(mut self) -> Net {
        self.associate();
        self.check();
        // Subnets without an ACL of their own have the VPC's default one.
        let defaults: BTreeMap<&str, usize> =
            self.net.acls.iter().enumerate().filter(|(_, a)| a.is_default).map(|(i, a)| (a.vpc.as_str(), i)).collect();
        let mut missing = Vec::new();
        for subnet in &mut self.net.subnets {
            if subnet.acl.is_none() {
                subnet.acl = defaults.get(self.net.vpcs[subnet.vpc].id.as_str()).copied();
            }
            let lacks = [
                (subnet.table.is_none(), "no route table is known for it"),
                (subnet.acl.is_none(), "no network ACL is known for it"),
            ];
            missing.extend(lacks.into_iter().filter(|(lack, _)| *lack).map(|(_, what)| (subnet.id.clone(), what)));
        }
        for (id, what) in missing {
            self.gap(&id, what);
        }
        for vpc in &mut self.net.vpcs {
            let home = &self.net.homes[vpc.home];
            let key = (home.account.as_str(), home.region.as_str(), "ec2:DescribeInternetGateways");
            let read = self.coverage.get(&key).is_none_or(|o| *o == Outcome::Ok);
            vpc.gateways_unknown = !vpc.seen || !read || vpc.subnets.iter().any(|s| self.net.subnets[*s].table.is_none());
        }
        self.net.gaps = self.gaps.into_iter().collect();
        self.net
    }
}
