//! The listings of network objects, with plain facts about what is open to the internet. What can truly be reached is
//! the judgement of the exposure engine, not of these lists.

use std::collections::BTreeSet;

use crate::catalog::{Facts, Names, Spec, Subject, Value, YES_NO, spec};
use crate::listing::schema::Kind;
use crate::model::account::Tags;
use crate::model::estate::RegionEstate;
use crate::model::network::{Interface, IpPermission, LoadBalancer, RouteTable, SecurityGroup, State, Subnet, Vpc};

/// A network object and where it stands.
pub struct Of<'a, T> {
    pub item: &'a T,
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
}

pub(super) fn each_of<'a, T: 'a>(facts: &'a Facts, list: impl Fn(&'a RegionEstate) -> &'a [T], mut each: impl FnMut(Of<'a, T>)) {
    for region in &facts.estate.regions {
        let account_name = facts.estate.account_label(&region.account);
        for item in list(region) {
            each(Of { item, region, account_name });
        }
    }
}

pub(super) fn name(tags: &Tags) -> &str {
    tags.get("Name").map_or("", String::as_str)
}

pub(super) fn tag_set(tags: &Tags) -> Value<'_> {
    Value::set(tags.iter().map(|(key, value)| format!("{key}={value}")))
}

/// The fields that every network object has.
pub(super) fn places<'a, T>() -> [Spec<Of<'a, T>>; 3] {
    let spec = spec::<Of<'a, T>>;
    [
        spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
        spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)),
        spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
            .also(&["account_name"])
            .hidden(),
    ]
}

pub(super) const EMPTY: &str = "Nothing here. EC2 may not be readable in these regions: press ! for what was refused, or choose \
                     other regions with -r.";

pub struct Vpcs;

impl Subject for Vpcs {
    type Row<'a> = Of<'a, Vpc>;
    const NAMES: Names = Names { name: "vpcs", title: "VPCs", one: "VPC", many: "VPCs" };
    const SORT: &'static str = "account_name,region,name";
    const GROUPS: &'static [&'static str] = &["account_name", "region", "internet"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, Vpc>>> {
        let spec = spec::<Of<'a, Vpc>>;
        let mut specs = vec![
            spec("id", "VPC", Kind::Text, 21, "The VPC's id", |r| Value::text(&*r.item.vpc_id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(&r.item.tags))).grow(),
            spec("cidr", "CIDRS", Kind::Set, 20, "Its address ranges", |r| Value::set(r.item.cidrs())).grow().natural(),
            spec("subnets", "SUBNETS", Kind::Number, 7, "Subnets in it", |r| {
                Value::number(r.region.network.subnets.iter().filter(|s| s.vpc_id == r.item.vpc_id).count())
            }),
            spec("interfaces", "IFACES", Kind::Number, 6, "Interfaces in it", |r| {
                Value::number(r.region.network.interfaces.iter().filter(|i| i.vpc_id == r.item.vpc_id).count())
            }),
            spec("internet", "INTERNET", YES_NO, 8, "Whether an internet gateway is attached", |r| {
                let gateways = &r.region.network.internet_gateways;
                Value::flag(gateways.iter().any(|g| g.attachments.iter().any(|a| a.vpc_id == r.item.vpc_id)))
            }),
            spec("default", "DEFAULT", YES_NO, 7, "Whether it is the region's default VPC", |r| Value::flag(r.item.is_default))
                .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, Vpc>)) {
        each_of(facts, |r| &r.network.vpcs, |row| each(&row.item.vpc_id, &row));
    }
}

pub struct Subnets;

/// The route table that serves a subnet: its own, else the VPC's main one.
pub fn route_table_of<'a>(region: &'a RegionEstate, subnet: &Subnet) -> Option<&'a RouteTable> {
    let tables = || region.network.route_tables.iter().filter(|t| t.vpc_id == subnet.vpc_id);
    let own = tables().find(|t| t.associations.iter().any(|a| a.subnet_id == subnet.subnet_id));
    own.or_else(|| tables().find(|t| t.associations.iter().any(|a| a.main)))
}

/// Whether a route table sends the whole internet, IPv4 or IPv6, to an internet gateway.
pub fn routes_to_internet(table: &RouteTable) -> bool {
    table
        .routes
        .iter()
        .any(|r| matches!(r.destination(), "0.0.0.0/0" | "::/0") && r.gateway_id.starts_with("igw-") && r.state != "blackhole")
}

impl Subject for Subnets {
    type Row<'a> = Of<'a, Subnet>;
    const NAMES: Names = Names { name: "subnets", title: "Subnets", one: "subnet", many: "subnets" };
    const SORT: &'static str = "account_name,region,vpc,cidr";
    const GROUPS: &'static [&'static str] = &["account_name", "vpc", "zone", "public"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, Subnet>>> {
        let spec = spec::<Of<'a, Subnet>>;
        let mut specs = vec![
            spec("id", "SUBNET", Kind::Text, 24, "The subnet's id", |r| Value::text(&*r.item.subnet_id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(&r.item.tags))).grow(),
            spec("cidr", "CIDR", Kind::Keyword, 18, "Its IPv4 range", |r| Value::text(&*r.item.cidr_block)).natural(),
            spec("zone", "ZONE", Kind::Keyword, 15, "The availability zone", |r| Value::text(&*r.item.availability_zone)),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.item.vpc_id)),
            spec("public", "PUBLIC", YES_NO, 6, "Whether its routes lead to an internet gateway", |r| {
                route_table_of(r.region, r.item).map_or(Value::None, |t| Value::flag(routes_to_internet(t)))
            }),
            spec("auto_public", "AUTO IP", YES_NO, 7, "Whether machines get a public address at launch", |r| {
                Value::flag(r.item.map_public_ip_on_launch)
            }),
            spec("free", "FREE", Kind::Number, 6, "Addresses that are free", |r| {
                r.item.available_ip_address_count.map_or(Value::None, Value::Number)
            })
            .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, Subnet>)) {
        each_of(facts, |r| &r.network.subnets, |row| each(&row.item.subnet_id, &row));
    }
}

pub struct RouteTables;

impl Subject for RouteTables {
    type Row<'a> = Of<'a, RouteTable>;
    const NAMES: Names = Names { name: "route-tables", title: "Route tables", one: "route table", many: "route tables" };
    const SORT: &'static str = "account_name,region,vpc";
    const GROUPS: &'static [&'static str] = &["account_name", "vpc", "internet"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, RouteTable>>> {
        let spec = spec::<Of<'a, RouteTable>>;
        let mut specs = vec![
            spec("id", "ROUTE TABLE", Kind::Text, 21, "The table's id", |r| Value::text(&*r.item.route_table_id)),
            spec("name", "NAME", Kind::Text, 16, "Its Name tag", |r| Value::text(name(&r.item.tags))).grow(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it serves", |r| Value::text(&*r.item.vpc_id)),
            spec("main", "MAIN", YES_NO, 4, "Whether it serves subnets without a table of their own", |r| {
                Value::flag(r.item.associations.iter().any(|a| a.main))
            }),
            spec("routes", "ROUTES", Kind::Number, 6, "Routes in it", |r| Value::number(r.item.routes.len())),
            spec("internet", "INTERNET", YES_NO, 8, "Whether it leads to an internet gateway", |r| {
                Value::flag(routes_to_internet(r.item))
            }),
            spec("blackholes", "DEAD", Kind::Number, 5, "Routes whose target is gone", |r| {
                Value::number(r.item.routes.iter().filter(|route| route.state == "blackhole").count())
            }),
            spec("target", "TARGETS", Kind::Set, 24, "What its routes lead to", |r| {
                Value::set(r.item.routes.iter().map(|route| route.target()).collect::<BTreeSet<_>>())
            })
            .grow(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, RouteTable>)) {
        each_of(facts, |r| &r.network.route_tables, |row| each(&row.item.route_table_id, &row));
    }
}

pub struct SecurityGroups;

/// What a group's inbound rules let in from the whole internet: `tcp 22`, `all`, …
pub fn open_ports(group: &SecurityGroup) -> Vec<String> {
    group.ip_permissions.iter().filter(|p| p.is_open()).map(IpPermission::ports).collect()
}

impl Subject for SecurityGroups {
    type Row<'a> = Of<'a, SecurityGroup>;
    const NAMES: Names =
        Names { name: "security-groups", title: "Security groups", one: "security group", many: "security groups" };
    const SORT: &'static str = "open,account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "vpc", "open", "region"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, SecurityGroup>>> {
        let spec = spec::<Of<'a, SecurityGroup>>;
        let mut specs = vec![
            spec("id", "GROUP", Kind::Text, 20, "The group's id", |r| Value::text(&*r.item.group_id)),
            spec("name", "NAME", Kind::Text, 20, "The group's name", |r| Value::text(&*r.item.group_name)).grow(),
            spec("open", "OPEN TO ALL", Kind::Set, 18, "What its inbound rules let in from 0.0.0.0/0 or ::/0", |r| {
                let ports = open_ports(r.item);
                if ports.is_empty() { Value::None } else { Value::set(ports) }
            }),
            spec("inbound", "IN", Kind::Number, 4, "Inbound rules", |r| {
                Value::number(r.item.ip_permissions.iter().map(|p| p.peers().count()).sum())
            }),
            spec("outbound", "OUT", Kind::Number, 4, "Outbound rules", |r| {
                Value::number(r.item.ip_permissions_egress.iter().map(|p| p.peers().count()).sum())
            }),
            spec("used", "USED BY", Kind::Number, 7, "Interfaces that carry it", |r| {
                let of = |i: &&Interface| i.groups.iter().any(|g| g.group_id == r.item.group_id);
                Value::number(r.region.network.interfaces.iter().filter(of).count())
            }),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.item.vpc_id)).hidden(),
            spec("peer", "PEERS", Kind::Set, 24, "CIDRs, prefix lists and groups its inbound rules name", |r| {
                Value::set(r.item.ip_permissions.iter().flat_map(|p| p.peers()).collect::<BTreeSet<_>>())
            })
            .hidden(),
            spec("description", "DESCRIPTION", Kind::Text, 24, "What its maker wrote", |r| Value::text(&*r.item.description))
                .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, SecurityGroup>)) {
        each_of(facts, |r| &r.network.security_groups, |row| each(&row.item.group_id, &row));
    }
}

pub struct Interfaces;

/// What an interface's groups let in from the whole internet, if it has a public address.
fn open_on(row: &Of<'_, Interface>) -> Vec<String> {
    if row.item.public_addresses().is_empty() && row.item.ipv6_addresses.is_empty() {
        return Vec::new();
    }
    let groups = row.region.network.security_groups.iter();
    let mine = groups.filter(|g| row.item.groups.iter().any(|r| r.group_id == g.group_id));
    mine.flat_map(open_ports).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Subject for Interfaces {
    type Row<'a> = Of<'a, Interface>;
    const NAMES: Names = Names { name: "interfaces", title: "Interfaces", one: "interface", many: "interfaces" };
    const SORT: &'static str = "public,account_name,address";
    const GROUPS: &'static [&'static str] = &["account_name", "vpc", "subnet", "kind", "open"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, Interface>>> {
        let spec = spec::<Of<'a, Interface>>;
        let mut specs = vec![
            spec("id", "INTERFACE", Kind::Text, 21, "The interface's id", |r| Value::text(&*r.item.network_interface_id)),
            spec("public", "PUBLIC", Kind::Set, 15, "Public IPv4 addresses", |r| {
                let all = r.item.public_addresses();
                if all.is_empty() { Value::None } else { Value::set(all) }
            })
            .natural(),
            spec("address", "PRIVATE", Kind::Keyword, 15, "The primary private address", |r| {
                Value::text(&*r.item.private_ip_address)
            })
            .natural(),
            spec(
                "open",
                "OPEN TO ALL",
                Kind::Set,
                16,
                "What its groups let in from everywhere, where it has a public address",
                |r| {
                    let ports = open_on(r);
                    if ports.is_empty() { Value::None } else { Value::set(ports) }
                },
            ),
            spec("kind", "KIND", Kind::Keyword, 12, "interface, nat_gateway, load balancer, …", |r| {
                Value::text(&*r.item.interface_type)
            }),
            spec("instance", "INSTANCE", Kind::Text, 19, "The instance it is attached to", |r| Value::text(r.item.instance())),
            spec("description", "DESCRIPTION", Kind::Text, 18, "What its maker wrote", |r| Value::text(&*r.item.description))
                .grow(),
            spec("group", "GROUPS", Kind::Set, 20, "Its security groups", |r| {
                Value::set(r.item.groups.iter().map(|g| g.group_id.as_str()))
            })
            .hidden(),
            spec("subnet", "SUBNET", Kind::Keyword, 24, "The subnet it stands in", |r| Value::text(&*r.item.subnet_id)).hidden(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.item.vpc_id)).hidden(),
            spec("ipv6", "IPV6", Kind::Set, 24, "IPv6 addresses", |r| {
                Value::set(r.item.ipv6_addresses.iter().map(|a| a.ipv6_address.as_str()))
            })
            .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| tag_set(&r.item.tags)).hidden(),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, Interface>)) {
        each_of(facts, |r| &r.network.interfaces, |row| each(&row.item.network_interface_id, &row));
    }
}

pub struct LoadBalancers;

impl Subject for LoadBalancers {
    type Row<'a> = Of<'a, LoadBalancer>;
    const NAMES: Names = Names { name: "load-balancers", title: "Load balancers", one: "load balancer", many: "load balancers" };
    const SORT: &'static str = "scheme:desc,account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "scheme", "kind", "vpc"];
    const EMPTY: &'static str = EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, LoadBalancer>>> {
        let spec = spec::<Of<'a, LoadBalancer>>;
        let mut specs = vec![
            spec("id", "ARN", Kind::Text, 30, "The load balancer's ARN", |r| Value::text(&*r.item.load_balancer_arn))
                .alias(&["arn"])
                .hidden(),
            spec("name", "NAME", Kind::Text, 24, "Its name", |r| Value::text(&*r.item.load_balancer_name)).grow(),
            spec("scheme", "SCHEME", Kind::Keyword, 15, "internet-facing or internal", |r| Value::text(&*r.item.scheme)),
            spec("kind", "KIND", Kind::Keyword, 11, "application, network, gateway or classic", |r| Value::text(&*r.item.kind)),
            spec("listens", "LISTENS", Kind::Set, 18, "Protocols and ports of its listeners", |r| {
                let word = |l: &crate::model::Extra| {
                    let part = |key: &str| {
                        l.get(key).map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                    };
                    format!("{} {}", part("Protocol"), part("Port"))
                };
                Value::set(r.item.listeners.iter().map(word))
            }),
            spec("dns", "DNS NAME", Kind::Text, 30, "The name clients use", |r| Value::text(&*r.item.dns_name)).hidden(),
            spec("state", "STATE", Kind::Keyword, 8, "active, provisioning, failed", |r| {
                let state: Option<&State> = r.item.state.as_ref();
                Value::text(state.map_or("", |s| &s.state))
            }),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.item.vpc_id)),
        ];
        specs.extend(places());
        specs
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, LoadBalancer>)) {
        each_of(facts, |r| &r.network.load_balancers, |row| each(&row.item.load_balancer_arn, &row));
    }
}
