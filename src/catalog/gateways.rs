//! The listings of what joins networks and leads out of them: gateways, connections between VPCs and to premises, VPC
//! endpoints, network ACLs, and the ways out to the internet as the network engine found them.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::network::{EMPTY, Of, each_of, name, places, tag_set};
use crate::catalog::{Facts, Names, Spec, Subject, Value, YES_NO, spec};
use crate::listing::schema::Kind;
use crate::model::account::Tags;
use crate::model::estate::RegionEstate;
use crate::model::finding::FindingKey;
use crate::model::network::{AclEntry, Endpoint, IpPermission, NetworkAcl, PeerVpc, TransitGatewayAttachment, VpnConnection};
use crate::network::egress::Egress;
use crate::network::net::{Home, Net, Object};
use crate::network::picture::Picture;
use crate::network::reach::Verdict;

/// A gateway of any kind.
pub struct Gateway<'a> {
    pub id: &'a str,
    /// `internet`, `egress-only`, `NAT`, `virtual private`, `transit`, `customer`.
    pub kind: &'static str,
    pub state: &'a str,
    pub vpcs: Vec<&'a str>,
    pub subnet: &'a str,
    /// Public addresses.
    pub addresses: Vec<&'a str>,
    pub tags: &'a Tags,
}

/// Every gateway of a region; shared transit gateways are seen by each account that uses them.
pub fn gateways(region: &RegionEstate) -> Vec<Gateway<'_>> {
    let n = &region.network;
    let mut all = Vec::new();
    let attached = |list: &'_ [crate::model::network::GatewayAttachment]| if list.is_empty() { "detached" } else { "attached" };
    for (kind, list) in [("internet", &n.internet_gateways), ("egress-only", &n.egress_only_gateways)] {
        all.extend(list.iter().map(|g| Gateway {
            id: &g.internet_gateway_id,
            kind,
            state: attached(&g.attachments),
            vpcs: g.attachments.iter().map(|a| a.vpc_id.as_str()).collect(),
            subnet: "",
            addresses: Vec::new(),
            tags: &g.tags,
        }));
    }
    all.extend(n.nat_gateways.iter().map(|g| Gateway {
        id: &g.nat_gateway_id,
        kind: if g.connectivity_type == "private" { "NAT, private" } else { "NAT" },
        state: &g.state,
        vpcs: vec![&g.vpc_id],
        subnet: &g.subnet_id,
        addresses: g.nat_gateway_addresses.iter().map(|a| a.public_ip.as_str()).filter(|a| !a.is_empty()).collect(),
        tags: &g.tags,
    }));
    all.extend(n.vpn_gateways.iter().map(|g| Gateway {
        id: &g.vpn_gateway_id,
        kind: "virtual private",
        state: &g.state,
        vpcs: g.vpc_attachments.iter().map(|a| a.vpc_id.as_str()).collect(),
        subnet: "",
        addresses: Vec::new(),
        tags: &g.tags,
    }));
    all.extend(n.transit_gateways.iter().map(|g| {
        let own = |a: &&TransitGatewayAttachment| a.transit_gateway_id == g.transit_gateway_id && a.resource_type == "vpc";
        Gateway {
            id: &g.transit_gateway_id,
            kind: "transit",
            state: &g.state,
            vpcs: n.transit_gateway_attachments.iter().filter(own).map(|a| a.resource_id.as_str()).collect(),
            subnet: "",
            addresses: Vec::new(),
            tags: &g.tags,
        }
    }));
    all.extend(n.customer_gateways.iter().map(|g| Gateway {
        id: &g.customer_gateway_id,
        kind: "customer",
        state: &g.state,
        vpcs: Vec::new(),
        subnet: "",
        addresses: Some(g.ip_address.as_str()).filter(|a| !a.is_empty()).into_iter().collect(),
        tags: &g.tags,
    }));
    all
}

/// Whose account's answer to show of what several accounts see: the owner's, else the first.
fn once<'a, T>(
    facts: &'a Facts,
    list: impl Fn(&'a RegionEstate) -> Vec<T>,
    id: impl Fn(&T) -> &'a str,
    owned: impl Fn(&T, &RegionEstate) -> bool,
) -> Vec<(T, &'a RegionEstate)> {
    let mut all: BTreeMap<&str, (T, &RegionEstate)> = BTreeMap::new();
    for region in &facts.estate.regions {
        for item in list(region) {
            let owned = owned(&item, region);
            let key = id(&item);
            if owned || !all.contains_key(key) {
                all.insert(key, (item, region));
            }
        }
    }
    all.into_values().collect()
}

fn each<'a, T>(facts: &'a Facts, rows: Vec<(T, &'a RegionEstate)>, mut put: impl FnMut(&T, &Row<'a, T>)) {
    for (item, region) in rows {
        let row = Row { item, region, account_name: facts.estate.account_label(&region.account) };
        put(&row.item, &row);
    }
}

/// A row that is made rather than lent, and where it stands.
pub struct Row<'a, T> {
    pub item: T,
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
}

/// Where a made row stands.
fn stands<'a, T>() -> [Spec<Row<'a, T>>; 3] {
    let spec = spec::<Row<'a, T>>;
    [
        spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
        spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)),
        spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
            .also(&["account_name"])
            .hidden(),
    ]
}

pub struct Gateways;

impl Subject for Gateways {
    type Row<'a> = Row<'a, Gateway<'a>>;
    const NAMES: Names = Names { name: "gateways", title: "Gateways", one: "gateway", many: "gateways" };
    const SORT: &'static str = "kind,account_name,region,name";
    const GROUPS: &'static [&'static str] = &["kind", "account_name", "vpc", "state", "region"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Self::Row<'a>>> {
        let spec = spec::<Row<'a, Gateway<'a>>>;
        let mut specs = vec![
            spec("id", "GATEWAY", Kind::Text, 21, "The gateway's id", |r| Value::text(r.item.id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(r.item.tags))).grow(),
            spec("kind", "KIND", Kind::Keyword, 15, "internet, egress-only, NAT, virtual private, transit, customer", |r| {
                Value::text(r.item.kind)
            }),
            spec("state", "STATE", Kind::Keyword, 10, "available, attached, detached, failed, …", |r| {
                Value::text(r.item.state)
            }),
            spec("addresses", "PUBLIC", Kind::Set, 15, "Its public addresses", |r| {
                if r.item.addresses.is_empty() { Value::None } else { Value::set(r.item.addresses.iter().copied()) }
            })
            .natural(),
            spec("vpc", "VPCS", Kind::Set, 21, "VPCs it serves", |r| {
                if r.item.vpcs.is_empty() { Value::None } else { Value::set(r.item.vpcs.iter().copied()) }
            }),
            spec("routes", "ROUTES", Kind::Number, 6, "Routes of the account that lead to it", |r| {
                let tables = &r.region.network.route_tables;
                Value::number(tables.iter().flat_map(|t| &t.routes).filter(|route| route.target() == r.item.id).count())
            }),
            spec("subnet", "SUBNET", Kind::Keyword, 24, "The subnet it stands in", |r| Value::text(r.item.subnet)).hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(r.item.tags)).hidden(),
        ];
        specs.extend(stands());
        specs
    }

    fn rows<'a>(facts: &'a Facts, put: &mut dyn FnMut(&str, &Self::Row<'a>)) {
        let owned = |g: &Gateway<'_>, region: &RegionEstate| {
            g.kind == "transit"
                && region.network.transit_gateways.iter().any(|t| t.transit_gateway_id == g.id && t.owner_id == region.account)
        };
        each(facts, once(facts, gateways, |g| g.id, owned), |item, row| put(item.id, row));
    }
}

/// What joins two networks.
pub struct Connection<'a> {
    pub id: &'a str,
    /// `peering`, `transit VPC`, `transit vpn`, …, `VPN`.
    pub kind: String,
    pub one: String,
    pub other: String,
    pub state: &'a str,
    /// `1 of 2 up`, for a VPN.
    pub tunnels: String,
    /// The transit gateway route table that serves it.
    pub table: &'a str,
    pub accounts: BTreeSet<&'a str>,
    /// The account that made it.
    pub owner: &'a str,
    pub tags: &'a Tags,
}

/// Every connection that an account sees in a region.
pub fn connections(region: &RegionEstate) -> Vec<Connection<'_>> {
    let n = &region.network;
    let mut all = Vec::new();
    for p in &n.peerings {
        let side = |s: &'_ Option<PeerVpc>| s.as_ref().map_or_else(String::new, |s| s.vpc_id.clone());
        let sides = || [&p.requester_vpc_info, &p.accepter_vpc_info].into_iter().flatten();
        all.push(Connection {
            id: &p.vpc_peering_connection_id,
            kind: "peering".to_owned(),
            one: side(&p.requester_vpc_info),
            other: side(&p.accepter_vpc_info),
            state: p.status.as_ref().map_or("", |s| &s.state),
            tunnels: String::new(),
            table: "",
            accounts: sides().map(|s| s.owner_id.as_str()).filter(|a| !a.is_empty()).collect(),
            owner: p.requester_vpc_info.as_ref().map_or("", |s| &s.owner_id),
            tags: &p.tags,
        });
    }
    for a in &n.transit_gateway_attachments {
        let associated = |t: &&crate::model::network::TransitGatewayRouteTable| {
            let own = |x: &crate::model::network::TransitGatewayAssociation| {
                x.transit_gateway_attachment_id == a.transit_gateway_attachment_id
            };
            t.associations.iter().flatten().any(own)
        };
        let of_table = n.transit_gateway_route_tables.iter().find(associated).map(|t| t.transit_gateway_route_table_id.as_str());
        let own = a.association.as_ref().map(|x| x.transit_gateway_route_table_id.as_str());
        all.push(Connection {
            id: &a.transit_gateway_attachment_id,
            kind: format!("transit {}", if a.resource_type == "vpc" { "VPC" } else { a.resource_type.as_str() }),
            one: a.resource_id.clone(),
            other: a.transit_gateway_id.clone(),
            state: &a.state,
            tunnels: String::new(),
            table: own.or(of_table).unwrap_or_default(),
            accounts: [a.resource_owner_id.as_str(), &a.transit_gateway_owner_id].into_iter().filter(|a| !a.is_empty()).collect(),
            // Only the gateway's owner sees which route table serves it.
            owner: &a.transit_gateway_owner_id,
            tags: &a.tags,
        });
    }
    for v in &n.vpn_connections {
        let gateway = if v.vpn_gateway_id.is_empty() { &v.transit_gateway_id } else { &v.vpn_gateway_id };
        all.push(Connection {
            id: &v.vpn_connection_id,
            kind: "VPN".to_owned(),
            one: gateway.clone(),
            other: v.customer_gateway_id.clone(),
            state: &v.state,
            tunnels: tunnels(v),
            table: "",
            accounts: BTreeSet::from([region.account.as_str()]),
            owner: &region.account,
            tags: &v.tags,
        });
    }
    all
}

/// `1 of 2 up`; empty where that was not told.
pub fn tunnels(vpn: &VpnConnection) -> String {
    let up = vpn.vgw_telemetry.iter().filter(|t| t.status == "UP").count();
    if vpn.vgw_telemetry.is_empty() { String::new() } else { format!("{up} of {} up", vpn.vgw_telemetry.len()) }
}

pub struct Connections;

impl Subject for Connections {
    type Row<'a> = Row<'a, Connection<'a>>;
    const NAMES: Names = Names { name: "connections", title: "Connections", one: "connection", many: "connections" };
    const SORT: &'static str = "kind,account_name,region,name";
    const GROUPS: &'static [&'static str] = &["kind", "state", "account_name", "end", "table", "region"];
    const EMPTY: &'static str = "Nothing joins these networks: no peering, transit gateway attachment or VPN was found, or EC2 \
                                 is not readable: press ! for what was refused.";

    fn specs<'a>() -> Vec<Spec<Self::Row<'a>>> {
        let spec = spec::<Row<'a, Connection<'a>>>;
        let mut specs = vec![
            spec("id", "CONNECTION", Kind::Text, 14, "The id of the peering, attachment or VPN connection", |r| {
                Value::text(r.item.id)
            }),
            spec("name", "NAME", Kind::Text, 14, "Its Name tag", |r| Value::text(name(r.item.tags))).grow(),
            spec("kind", "KIND", Kind::Keyword, 11, "peering, transit gateway and what is attached, VPN", |r| {
                Value::text(&*r.item.kind)
            }),
            spec("from", "BETWEEN", Kind::Text, 21, "One end", |r| Value::text(&*r.item.one)),
            spec("to", "AND", Kind::Text, 21, "The other end", |r| Value::text(&*r.item.other)),
            spec("state", "STATE", Kind::Keyword, 18, "active, available, pending-acceptance, deleted, …", |r| {
                Value::text(r.item.state)
            }),
            spec("tunnels", "TUNNELS", Kind::Keyword, 9, "Of a VPN, how many of its tunnels are up", |r| {
                Value::text(&*r.item.tunnels)
            }),
            spec("table", "ROUTE TABLE", Kind::Keyword, 26, "The transit gateway route table that serves it", |r| {
                Value::text(r.item.table)
            })
            .hidden(),
            spec("end", "ENDS", Kind::Set, 24, "Both ends, for filters", |r| Value::set([r.item.one.as_str(), &r.item.other]))
                .hidden(),
            spec("accounts", "ACCOUNT IDS", Kind::Set, 24, "Accounts at its ends", |r| {
                Value::set(r.item.accounts.iter().copied())
            })
            .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(r.item.tags)).hidden(),
        ];
        specs.extend(stands());
        specs
    }

    fn rows<'a>(facts: &'a Facts, put: &mut dyn FnMut(&str, &Self::Row<'a>)) {
        let rows = once(facts, connections, |c| c.id, |c, region| c.owner == region.account);
        each(facts, rows, |item, row| put(item.id, row));
    }
}

pub struct Endpoints;

/// The service's own name: `com.amazonaws.eu-west-1.s3` is `s3`.
pub fn service(name: &str) -> &str {
    let parts: Vec<&str> = name.splitn(4, '.').collect();
    match parts.as_slice() {
        ["com" | "aws" | "cn", _, _, rest] if name.contains("amazonaws") => rest,
        _ => name,
    }
}

impl Subject for Endpoints {
    type Row<'a> = Of<'a, Endpoint>;
    const NAMES: Names = Names { name: "endpoints", title: "Endpoints", one: "endpoint", many: "endpoints" };
    const SORT: &'static str = "account_name,region,vpc,service";
    const GROUPS: &'static [&'static str] = &["service", "kind", "vpc", "account_name", "state", "region"];
    const EMPTY: &'static str = "No VPC endpoint: the VPCs reach AWS's services over the internet or not at all. If that is a \
                                 surprise, press ! for what was refused.";

    fn specs<'a>() -> Vec<Spec<Of<'a, Endpoint>>> {
        let spec = spec::<Of<'a, Endpoint>>;
        let mut specs = vec![
            spec("id", "ENDPOINT", Kind::Text, 22, "The endpoint's id", |r| Value::text(&*r.item.vpc_endpoint_id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(&r.item.tags))).grow(),
            spec("service", "SERVICE", Kind::Keyword, 18, "The service it leads to", |r| {
                Value::text(service(&r.item.service_name))
            }),
            spec("kind", "KIND", Kind::Keyword, 11, "Gateway, Interface, GatewayLoadBalancer", |r| {
                Value::text(&*r.item.vpc_endpoint_type)
            }),
            spec("state", "STATE", Kind::Keyword, 10, "available, pending, failed, …", |r| Value::text(&*r.item.state)),
            spec("dns", "OWN NAME", YES_NO, 8, "Whether the service's own name leads to it (private DNS)", |r| {
                if r.item.vpc_endpoint_type == "Interface" { Value::flag(r.item.private_dns_enabled) } else { Value::None }
            }),
            spec(
                "policy",
                "POLICY",
                Kind::Keyword,
                6,
                "all, where it allows everyone everything; own, where it has one of its own",
                |r| Value::text(if crate::network::policy::is_default(&r.item.policy_document) { "all" } else { "own" }),
            ),
            spec("subnets", "SUBNETS", Kind::Number, 7, "Subnets it stands in", |r| Value::number(r.item.subnet_ids.len())),
            spec("group", "GROUPS", Kind::Set, 20, "Its security groups", |r| {
                Value::set(r.item.groups.iter().map(|g| g.group_id.as_str()))
            })
            .hidden(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it serves", |r| Value::text(&*r.item.vpc_id)),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, Endpoint>)) {
        each_of(facts, |r| &r.network.endpoints, |row| each(&row.item.vpc_endpoint_id, &row));
    }
}

pub struct NetworkAcls;

/// The ports of an ACL's entry as a person writes them.
pub fn entry_ports(entry: &AclEntry) -> String {
    let ports = entry.port_range.as_ref();
    let (from, to) = (ports.and_then(|p| p.from), ports.and_then(|p| p.to));
    IpPermission { ip_protocol: entry.protocol.clone(), from_port: from, to_port: to, ..IpPermission::default() }.ports()
}

/// What an ACL's inbound entries allow the whole internet, as far as no entry before them denies all of it.
pub fn open_entries(acl: &NetworkAcl) -> Vec<String> {
    let mut entries: Vec<&AclEntry> = acl.entries.iter().filter(|e| !e.egress).collect();
    entries.sort_by_key(|e| e.rule_number);
    let every = |e: &AclEntry| e.cidr_block == "0.0.0.0/0" || e.ipv6_cidr_block == "::/0";
    let mut open = Vec::new();
    for (n, entry) in entries.iter().enumerate().filter(|(_, e)| every(e) && e.rule_action == "allow") {
        let ports = entry_ports(entry);
        let denied = |e: &&&AclEntry| {
            let family = e.cidr_block == entry.cidr_block && e.ipv6_cidr_block == entry.ipv6_cidr_block;
            e.rule_action == "deny" && family && (entry_ports(e) == ports || e.protocol == "-1")
        };
        if !entries[..n].iter().any(|e| denied(&e)) && !open.contains(&ports) {
            open.push(ports);
        }
    }
    open
}

impl Subject for NetworkAcls {
    type Row<'a> = Of<'a, NetworkAcl>;
    const NAMES: Names = Names { name: "network-acls", title: "Network ACLs", one: "network ACL", many: "network ACLs" };
    const SORT: &'static str = "account_name,region,vpc,name";
    const GROUPS: &'static [&'static str] = &["account_name", "vpc", "open", "default", "region"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, NetworkAcl>>> {
        let spec = spec::<Of<'a, NetworkAcl>>;
        let mut specs = vec![
            spec("id", "ACL", Kind::Text, 21, "The ACL's id", |r| Value::text(&*r.item.network_acl_id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(&r.item.tags))).grow(),
            spec("open", "OPEN TO ALL", Kind::Set, 18, "What its inbound entries allow from 0.0.0.0/0 or ::/0", |r| {
                let open = open_entries(r.item);
                if open.is_empty() { Value::None } else { Value::set(open) }
            })
            .natural(),
            spec("inbound", "IN", Kind::Number, 4, "Inbound entries, the last deny left out", |r| {
                Value::number(entries(r.item, false))
            }),
            spec("outbound", "OUT", Kind::Number, 4, "Outbound entries, the last deny left out", |r| {
                Value::number(entries(r.item, true))
            }),
            spec("subnets", "SUBNETS", Kind::Number, 7, "Subnets it guards", |r| Value::number(r.item.associations.len())),
            spec("default", "DEFAULT", YES_NO, 7, "Whether it guards subnets without one of their own", |r| {
                Value::flag(r.item.is_default)
            }),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.item.vpc_id)),
            spec("subnet", "SUBNET IDS", Kind::Set, 24, "The subnets it guards", |r| {
                Value::set(r.item.associations.iter().map(|a| a.subnet_id.as_str()))
            })
            .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, NetworkAcl>)) {
        each_of(facts, |r| &r.network.network_acls, |row| each(&row.item.network_acl_id, &row));
    }
}

fn entries(acl: &NetworkAcl, egress: bool) -> usize {
    // 32767 and 32768 are AWS's own: they deny what no entry matched.
    acl.entries.iter().filter(|e| e.egress == egress && e.rule_number.is_none_or(|n| n < 32_767)).count()
}

pub struct WaysOut;

/// A way out in its network.
pub struct Way<'a> {
    pub net: &'a Net,
    pub egress: &'a Egress,
    words: Vec<String>,
}

impl Way<'_> {
    fn first(&self) -> usize {
        self.egress.interfaces.first().copied().unwrap_or_default()
    }
    fn home(&self) -> &Home {
        &self.net.homes[self.net.interfaces[self.first()].home]
    }
}

/// The id of a way out, which stays from sweep to sweep: what tells it from others.
pub fn way_id(net: &Net, e: &Egress) -> String {
    let Some(first) = e.interfaces.first().map(|i| &net.interfaces[*i]) else { return String::new() };
    let groups: Vec<&str> = first.groups.iter().map(|g| net.groups[*g].id.as_str()).collect();
    let by: Vec<&str> = e.by.iter().map(|o| net.id_of(*o)).collect();
    let kind = format!("{} {} {}", first.is_public(), first.v6.is_empty(), first.is_ungrouped_kind());
    let (groups, by, lost, to) = (groups.join(" "), by.join(" "), first.lost_groups.join(" "), e.destinations.to_string());
    FindingKey::of(&["way out", &net.subnets[first.subnet].id, &groups, &lost, &by, &kind, &to]).to_string()
}

/// A way out by its id.
pub fn way_by_id<'p>(picture: &'p Picture, id: &str) -> Option<&'p Egress> {
    picture.egress.iter().find(|e| way_id(&picture.net, e) == id)
}

impl Subject for WaysOut {
    type Row<'a> = Way<'a>;
    const NAMES: Names = Names { name: "ways-out", title: "Ways out", one: "way out", many: "ways out" };
    const SORT: &'static str = "whole:desc,interfaces:desc,account_name,subnet";
    const GROUPS: &'static [&'static str] = &["account_name", "environment", "by", "service", "vpc", "whole", "region"];
    const EMPTY: &'static str = "No interface gets out to the internet, as far as is known, or the network is not readable yet: \
                                 press ! for what was refused.";

    fn specs<'a>() -> Vec<Spec<Way<'a>>> {
        let spec = spec::<Way<'a>>;
        vec![
            spec("id", "ID", Kind::Text, 24, "Its subnet, groups and gateways", |r| Value::text(way_id(r.net, r.egress)))
                .hidden()
                .mute(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(&*r.home().label)),
            spec("subnet", "SUBNET", Kind::Keyword, 18, "The subnet it begins in", |r| Value::text(&*r.words[1])).grow(),
            spec("interfaces", "IFACES", Kind::Number, 6, "Interfaces that get out this way", |r| {
                Value::number(r.egress.interfaces.len())
            }),
            spec("by", "BY", Kind::Keyword, 30, "Gateways, appliances and endpoints on the way, in order", |r| {
                Value::text(&*r.words[2])
            })
            .grow(),
            spec("service", "ON", Kind::Keyword, 14, "Protocols and ports", |r| Value::text(&*r.words[3])).natural(),
            spec("to", "TO", Kind::Text, 20, "Where to", |r| Value::text(r.egress.destinations.to_string())),
            spec("whole", "ALL", YES_NO, 4, "Whether that is the whole internet of an address family", |r| {
                Value::flag(r.egress.whole)
            }),
            spec(
                "sure",
                "SURE",
                Kind::Rank(&["unknown", "yes"]),
                7,
                "yes; unknown where something on the way is not known",
                |r| Value::Rank(u8::from(r.egress.verdict == Verdict::Yes)),
            ),
            spec("inspected", "INSPECTED", YES_NO, 9, "Whether a firewall on the way inspects it (not evaluated)", |r| {
                Value::flag(!r.egress.inspected.is_empty())
            })
            .hidden(),
            spec("environment", "ENV", Kind::Keyword, 14, "The account's environment class", |r| {
                Value::text(r.home().environment.map_or(crate::network::matrix::UNCLASSIFIED, |e| e.word()))
            })
            .alias(&["env"])
            .hidden()
            .mute(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it begins in", |r| {
                Value::text(&*r.net.vpcs[r.net.interfaces[r.first()].vpc].id)
            })
            .hidden(),
            spec("on", "OBJECTS", Kind::Set, 24, "Interfaces, machines, groups, subnet, VPC and gateways", |r| {
                Value::set(objects(r.net, r.egress))
            })
            .hidden(),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.home().region)).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.home().account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Way<'a>)) {
        let Some(picture) = &facts.network else { return };
        for egress in picture.egress.iter() {
            let row = Way { net: &picture.net, egress, words: way_out(&picture.net, egress) };
            each(&way_id(&picture.net, egress), &row);
        }
    }
}

/// One way out as words: how many interfaces, of which subnet, by what, on which ports, where to.
pub fn way_out(net: &Net, e: &Egress) -> Vec<String> {
    let subnet = e.interfaces.first().map_or("", |i| net.name_of(Object::Subnet(net.interfaces[*i].subnet)));
    let by: Vec<&str> = e.by.iter().map(|o| net.id_of(*o)).collect();
    let sure = if e.verdict == Verdict::Yes { "" } else { " (not known for certain)" };
    vec![
        e.interfaces.len().to_string(),
        subnet.to_owned(),
        by.join(", "),
        e.service.to_string(),
        format!("{}{sure}", e.destinations),
    ]
}

/// One way out as JSON: what the command line and the raw document show.
pub fn way_document(net: &Net, e: &Egress) -> serde_json::Value {
    serde_json::json!({
        "interfaces": e.interfaces.iter().map(|i| net.interfaces[*i].id.as_str()).collect::<Vec<_>>(),
        "by": e.by.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>(),
        "service": e.service.to_string(),
        "to": e.destinations.to_string(),
        "wholeInternet": e.whole,
        "verdict": e.verdict,
        "unknown": e.unknown,
        "inspected": e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>(),
    })
}

/// Every object on a way out.
pub fn objects<'n>(net: &'n Net, e: &Egress) -> BTreeSet<&'n str> {
    let mut all = BTreeSet::new();
    for i in e.interfaces.iter().map(|i| &net.interfaces[*i]) {
        all.extend([i.id.as_str(), &net.subnets[i.subnet].id, &net.vpcs[i.vpc].id]);
        all.extend(i.groups.iter().map(|g| net.groups[*g].id.as_str()));
        all.extend(i.instance.map(|x| net.instances[x].id.as_str()));
    }
    all.extend(e.by.iter().map(|o| net.id_of(*o)));
    all
}
