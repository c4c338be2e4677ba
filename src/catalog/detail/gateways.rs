//! Gateways, connections, endpoints, network ACLs and ways out in full.

use jiff::Timestamp;
use serde_json::Value;

use crate::catalog::ListingId;
use crate::catalog::detail::parts::{Body, Detail, Link, Section, Writer, tags};
use crate::catalog::gateways::{connections, entry_ports, gateways, service, tunnels, way_by_id, way_out};
use crate::listing::filter::{exactly, quote};
use crate::model::estate::{Estate, RegionEstate};
use crate::model::network::{AclEntry, Endpoint, NetworkAcl, PeerVpc};
use crate::network::net::Object;
use crate::network::picture::Picture;

fn named(id: &str, name: Option<&String>) -> String {
    name.map_or_else(|| id.to_owned(), |name| format!("{id} {name}"))
}

/// A gateway of any kind; none where the region has none of this id.
pub(super) fn gateway(region: &RegionEstate, id: &str, estate: &Estate, now: Timestamp) -> Option<Detail> {
    let all = gateways(region);
    let o = all.iter().find(|g| g.id == id)?;
    let mut w = Writer::new(format!("{} gateway {}", o.kind, named(id, o.tags.get("Name"))), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("kind", o.kind.to_owned()),
            ("state", o.state.to_owned()),
            ("public addresses", o.addresses.join(", ")),
            ("subnet", o.subnet.to_owned()),
            ("VPCs", o.vpcs.join(", ")),
        ],
    );
    let n = &region.network;
    let rows = n.route_tables.iter().flat_map(|t| t.routes.iter().filter(|r| r.target() == id).map(move |r| (t, r)));
    w.table(
        "Routes that lead to it",
        &["route table", "VPC", "destination", "state"],
        rows.map(|(t, r)| vec![t.route_table_id.clone(), t.vpc_id.clone(), r.destination().to_owned(), r.state.clone()])
            .collect(),
    );
    let rows = n
        .vpn_connections
        .iter()
        .filter(|v| [&v.vpn_gateway_id, &v.transit_gateway_id, &v.customer_gateway_id].iter().any(|x| *x == id));
    w.table(
        "VPN connections",
        &["connection", "customer gateway", "state", "tunnels"],
        rows.map(|v| vec![v.vpn_connection_id.clone(), v.customer_gateway_id.clone(), v.state.clone(), tunnels(v)]).collect(),
    );
    let tables = n.transit_gateway_route_tables.iter().filter(|t| t.transit_gateway_id == id);
    w.table(
        "Route tables",
        &["route table", "routes", "learns from", "serves"],
        tables
            .map(|t| {
                let count = |list: Option<usize>| list.map_or_else(|| "not known".to_owned(), |n| n.to_string());
                vec![
                    t.transit_gateway_route_table_id.clone(),
                    count(t.routes.as_ref().map(Vec::len)),
                    count(t.propagations.as_ref().map(Vec::len)),
                    count(t.associations.as_ref().map(Vec::len)),
                ]
            })
            .collect(),
    );
    w.section("Tags", tags(o.tags));
    for vpc in o.vpcs.iter().take(8) {
        w.link(format!("VPC {vpc}"), ListingId::Vpcs, exactly("id", vpc));
    }
    if !o.subnet.is_empty() {
        w.link("subnet", ListingId::Subnets, exactly("id", o.subnet));
    }
    w.link("route tables that lead to it", ListingId::RouteTables, exactly("target", id));
    w.link("ways out by it", ListingId::WaysOut, exactly("on", id));
    w.link("connections at it", ListingId::Connections, exactly("end", id));
    w.findings_on(id);
    Some(w.finish())
}

/// A connection of any kind; none where the region has none of this id.
pub(super) fn connection(region: &RegionEstate, id: &str, estate: &Estate, now: Timestamp) -> Option<Detail> {
    let all = connections(region);
    let o = all.iter().find(|c| c.id == id)?;
    let mut w = Writer::new(format!("{} {}", o.kind, named(id, o.tags.get("Name"))), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("kind", o.kind.clone()),
            ("state", o.state.to_owned()),
            ("between", o.one.clone()),
            ("and", o.other.clone()),
            ("tunnels", o.tunnels.clone()),
            ("route table", o.table.to_owned()),
        ],
    );
    let n = &region.network;
    if let Some(p) = n.peerings.iter().find(|p| p.vpc_peering_connection_id == id) {
        let side = |s: &PeerVpc| {
            let mut cidrs: Vec<&str> = vec![&s.cidr_block];
            cidrs.extend(s.cidr_block_set.iter().chain(&s.ipv6_cidr_block_set).map(|c| c.cidr()));
            cidrs.retain(|c| !c.is_empty());
            cidrs.dedup();
            vec![s.vpc_id.clone(), estate.account_label(&s.owner_id).to_owned(), s.region.clone(), cidrs.join(", ")]
        };
        let rows = [&p.requester_vpc_info, &p.accepter_vpc_info].into_iter().flatten().map(side);
        w.table("Sides", &["VPC", "account", "region", "address ranges"], rows.collect());
    }
    if let Some(v) = n.vpn_connections.iter().find(|v| v.vpn_connection_id == id) {
        let rows = v.vgw_telemetry.iter().map(|t| vec![t.outside_ip_address.clone(), t.status.clone(), t.status_message.clone()]);
        w.table("Tunnels", &["outside address", "status", "says"], rows.collect());
        let rows = v.routes.iter().map(|r| vec![r.destination_cidr_block.clone(), r.state.clone()]);
        w.table("Static routes", &["destination", "state"], rows.collect());
        w.link("customer gateway", ListingId::Gateways, exactly("id", &v.customer_gateway_id));
    }
    let rows = n.route_tables.iter().flat_map(|t| t.routes.iter().filter(|r| r.target() == id).map(move |r| (t, r)));
    w.table(
        "Routes that lead over it",
        &["route table", "VPC", "destination", "state"],
        rows.map(|(t, r)| vec![t.route_table_id.clone(), t.vpc_id.clone(), r.destination().to_owned(), r.state.clone()])
            .collect(),
    );
    w.section("Tags", tags(o.tags));
    for end in [&o.one, &o.other] {
        let listing = if end.starts_with("vpc-") { ListingId::Vpcs } else { ListingId::Gateways };
        if !end.is_empty() {
            w.link(end.clone(), listing, exactly("id", end));
        }
    }
    w.findings_on(id);
    Some(w.finish())
}

pub(super) fn endpoint(region: &RegionEstate, o: &Endpoint, estate: &Estate, now: Timestamp) -> Detail {
    // A gateway endpoint is in the routes; names lead where they always do.
    let own_name = match (o.vpc_endpoint_type.as_str(), o.private_dns_enabled) {
        ("Interface", true) => "yes",
        ("Interface", false) => "no",
        _ => "",
    };
    let mut w = Writer::new(format!("endpoint {}", named(&o.vpc_endpoint_id, o.tags.get("Name"))), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("service", service(&o.service_name).to_owned()),
            ("service name", o.service_name.clone()),
            ("kind", o.vpc_endpoint_type.clone()),
            ("state", o.state.clone()),
            ("the service's own name leads to it", own_name.to_owned()),
            ("VPC", o.vpc_id.clone()),
            ("subnets", o.subnet_ids.join(", ")),
            ("route tables", o.route_table_ids.join(", ")),
        ],
    );
    if !o.policy_document.is_empty() {
        let pretty = serde_json::from_str::<Value>(&o.policy_document).and_then(|v| serde_json::to_string_pretty(&v));
        w.section("Policy", Body::Code(pretty.unwrap_or_else(|_| o.policy_document.clone())));
    }
    w.section("Tags", tags(&o.tags));
    for group in &o.groups {
        w.link(format!("group {}", group.group_id), ListingId::SecurityGroups, exactly("id", &group.group_id));
    }
    for interface in o.network_interface_ids.iter().take(4) {
        w.link(format!("interface {interface}"), ListingId::Interfaces, exactly("id", interface));
    }
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.vpc_endpoint_id);
    w.finish()
}

/// The entries of one direction as rows, in the order they are asked.
pub(super) fn entries(acl: &NetworkAcl, egress: bool) -> Vec<Vec<String>> {
    let mut entries: Vec<&AclEntry> = acl.entries.iter().filter(|e| e.egress == egress).collect();
    entries.sort_by_key(|e| e.rule_number);
    let row = |e: &AclEntry| {
        let peer = if e.cidr_block.is_empty() { &e.ipv6_cidr_block } else { &e.cidr_block };
        let number = e.rule_number.map_or_else(String::new, |n| if n >= 32_767 { "*".to_owned() } else { n.to_string() });
        let icmp =
            e.icmp_type_code.as_ref().and_then(|i| i.kind).filter(|t| *t >= 0).map_or_else(String::new, |t| format!(" type {t}"));
        vec![number, e.rule_action.clone(), format!("{}{icmp}", entry_ports(e)), peer.clone()]
    };
    entries.into_iter().map(row).collect()
}

pub(super) fn acl(region: &RegionEstate, o: &NetworkAcl, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("network ACL {}", named(&o.network_acl_id, o.tags.get("Name"))), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("VPC", o.vpc_id.clone()),
            ("default", if o.is_default { "yes: it guards subnets without one of their own" } else { "no" }.to_owned()),
        ],
    );
    w.table("Inbound, the first that matches decides", &["entry", "action", "ports", "from"], entries(o, false));
    w.table("Outbound", &["entry", "action", "ports", "to"], entries(o, true));
    let subnet = |id: &str| region.network.subnets.iter().find(|s| s.subnet_id == id);
    let rows = o.associations.iter().map(|a| {
        let known = subnet(&a.subnet_id);
        let name = known.and_then(|s| s.tags.get("Name")).cloned().unwrap_or_default();
        vec![a.subnet_id.clone(), name, known.map_or_else(String::new, |s| s.cidr_block.clone())]
    });
    w.table("Guards", &["subnet", "name", "CIDR"], rows.collect());
    w.section("Tags", tags(&o.tags));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.network_acl_id);
    w.finish()
}

/// A way out in full; none where it is gone.
pub fn of_way_out(picture: &Picture, id: &str) -> Option<Detail> {
    let net = &*picture.net;
    let e = way_by_id(picture, id)?;
    let first = &net.interfaces[*e.interfaces.first()?];
    let home = &net.homes[first.home];
    let words = way_out(net, e);
    let count = if e.interfaces.len() == 1 { "1 interface" } else { &format!("{} interfaces", e.interfaces.len()) };
    let title = format!("{count} of {} out by {}", words[1], words[2]);
    let facts = [
        ("account", home.label.clone()),
        ("region", home.region.clone()),
        ("environment", home.environment.map_or(crate::network::matrix::UNCLASSIFIED, |v| v.word()).to_owned()),
        ("subnet", net.subnets[first.subnet].id.clone()),
        ("by", words[2].clone()),
        ("on", words[3].clone()),
        ("to", words[4].clone()),
        ("security groups", first.groups.iter().map(|g| net.groups[*g].id.as_str()).collect::<Vec<_>>().join(", ")),
        ("inspected by", e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>().join(", ")),
    ];
    let kept = facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(l, v)| (l.to_owned(), v)).collect();
    let mut sections = vec![Section { heading: String::new(), body: Body::Facts(kept) }];
    if !e.unknown.is_empty() {
        sections.push(Section { heading: "Not known".into(), body: Body::Prose(e.unknown.join("\n")) });
    }
    let rows: Vec<Vec<String>> = (e.interfaces.iter().take(40))
        .map(|i| {
            let i = &net.interfaces[*i];
            let instance = i.instance.map_or_else(String::new, |x| net.instances[x].id.clone());
            let address = i.v4.first().map_or_else(String::new, |(a, _)| a.to_string());
            vec![i.id.clone(), i.name.clone(), address, instance]
        })
        .collect();
    let more = e.interfaces.len().saturating_sub(rows.len());
    let head = ["interface", "name", "address", "instance"].map(str::to_owned).into();
    sections.push(Section { heading: "Who gets out".into(), body: Body::Table { head, rows } });
    if more > 0 {
        sections.push(Section { heading: String::new(), body: Body::Prose(format!("and {more} more")) });
    }
    let mut links = vec![Link::to("subnet", ListingId::Subnets, exactly("id", &net.subnets[first.subnet].id))];
    for o in &e.by {
        let listing = match o {
            Object::Endpoint(_) => ListingId::Endpoints,
            Object::Peering(_) | Object::Attachment(_) | Object::VpnConnection(_) => ListingId::Connections,
            Object::Interface(_) => ListingId::Interfaces,
            _ => ListingId::Gateways,
        };
        links.push(Link::to(format!("by {}", net.id_of(*o)), listing, exactly("id", net.id_of(*o))));
    }
    links.extend(first.groups.iter().map(|g| {
        let id = &net.groups[*g].id;
        Link::to(format!("group {id}"), ListingId::SecurityGroups, exactly("id", id))
    }));
    links.push(Link::to(
        "findings on the subnet",
        ListingId::Findings,
        format!("resource:{}", quote(&net.subnets[first.subnet].id)),
    ));
    links.push(Link::to(format!("account {}", home.label), ListingId::Accounts, exactly("id", &home.account)));
    Some(Detail { title, sections, links })
}
