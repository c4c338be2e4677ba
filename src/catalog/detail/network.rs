//! Network objects in full.

use jiff::Timestamp;

use crate::catalog::detail::gateways::entries;
use crate::catalog::detail::parts::{Body, Detail, Writer, tags};
use crate::catalog::{ListingId, network};
use crate::listing::filter::{exactly, quote};
use crate::model::account::Tags;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::network::{
    Instance, Interface, IpPermission, LoadBalancer, RouteTable, SecurityGroup, Subnet, TargetGroup, Vpc,
};
use crate::network::backends::{Pass, listener, passes};

pub(super) fn vpc(region: &RegionEstate, o: &Vpc, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.vpc_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let n = &region.network;
    let gateways = n.internet_gateways.iter().filter(|g| g.attachments.iter().any(|a| a.vpc_id == o.vpc_id));
    let gateways: Vec<&str> = gateways.map(|g| g.internet_gateway_id.as_str()).collect();
    w.facts("", &[account, place, ("address ranges", o.cidrs().join(", ")), ("internet gateway", gateways.join(", "))]);
    let rows = n.subnets.iter().filter(|s| s.vpc_id == o.vpc_id).map(|s| {
        let public = network::route_table_of(region, s).is_some_and(network::routes_to_internet);
        let word = if public { "public" } else { "private" };
        vec![s.subnet_id.clone(), s.cidr_block.clone(), s.availability_zone.clone(), word.to_owned()]
    });
    w.table("Subnets", &["subnet", "CIDR", "zone", "routes"], rows.collect());
    let rows = n.nat_gateways.iter().filter(|g| g.vpc_id == o.vpc_id);
    w.table(
        "NAT gateways",
        &["gateway", "subnet", "state"],
        rows.map(|g| vec![g.nat_gateway_id.clone(), g.subnet_id.clone(), g.state.clone()]).collect(),
    );
    let of = |p: &Option<crate::model::network::PeerVpc>| {
        p.as_ref().map_or_else(String::new, |v| format!("{} of {}", v.vpc_id, v.owner_id))
    };
    let side = |p: &Option<crate::model::network::PeerVpc>| p.as_ref().is_some_and(|v| v.vpc_id == o.vpc_id);
    let rows = n.peerings.iter().filter(|p| side(&p.requester_vpc_info) || side(&p.accepter_vpc_info)).map(|p| {
        let state = p.status.as_ref().map_or_else(String::new, |s| s.state.clone());
        vec![p.vpc_peering_connection_id.clone(), of(&p.requester_vpc_info), of(&p.accepter_vpc_info), state]
    });
    w.table("Peerings", &["peering", "from", "to", "state"], rows.collect());
    let rows = n.transit_gateway_attachments.iter().filter(|a| a.resource_id == o.vpc_id);
    w.table(
        "Transit gateways",
        &["attachment", "gateway", "state"],
        rows.map(|a| vec![a.transit_gateway_attachment_id.clone(), a.transit_gateway_id.clone(), a.state.clone()]).collect(),
    );
    let rows = n.endpoints.iter().filter(|e| e.vpc_id == o.vpc_id);
    w.table(
        "Endpoints",
        &["endpoint", "type", "service", "state"],
        rows.map(|e| vec![e.vpc_endpoint_id.clone(), e.vpc_endpoint_type.clone(), e.service_name.clone(), e.state.clone()])
            .collect(),
    );
    w.section("Tags", tags(&o.tags));
    let id = &o.vpc_id;
    w.link("subnets", ListingId::Subnets, exactly("vpc", id));
    w.link("route tables", ListingId::RouteTables, exactly("vpc", id));
    w.link("security groups", ListingId::SecurityGroups, exactly("vpc", id));
    w.link("interfaces", ListingId::Interfaces, exactly("vpc", id));
    w.link("network ACLs", ListingId::NetworkAcls, exactly("vpc", id));
    w.link("gateways", ListingId::Gateways, exactly("vpc", id));
    w.link("connections", ListingId::Connections, exactly("end", id));
    w.link("endpoints", ListingId::Endpoints, exactly("vpc", id));
    w.link("ways out", ListingId::WaysOut, exactly("vpc", id));
    w.findings_on(id);
    w.finish()
}

fn named(id: &str, tags: &Tags) -> String {
    tags.get("Name").map_or_else(|| id.to_owned(), |name| format!("{id} {name}"))
}

pub(super) fn subnet(region: &RegionEstate, o: &Subnet, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.subnet_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let table = network::route_table_of(region, o);
    let acl = region.network.network_acls.iter().find(|a| a.associations.iter().any(|s| s.subnet_id == o.subnet_id));
    w.facts(
        "",
        &[
            account,
            place,
            ("VPC", o.vpc_id.clone()),
            ("CIDR", o.cidr_block.clone()),
            ("zone", o.availability_zone.clone()),
            ("public address at launch", if o.map_public_ip_on_launch { "yes" } else { "no" }.to_owned()),
            ("route table", table.map_or_else(String::new, |t| t.route_table_id.clone())),
            ("network ACL", acl.map_or_else(String::new, |a| a.network_acl_id.clone())),
        ],
    );
    if let Some(table) = table {
        routes(&mut w, table);
        w.link("route table", ListingId::RouteTables, exactly("id", &table.route_table_id));
    }
    if let Some(acl) = acl {
        for (heading, egress) in [("Network ACL, inbound", false), ("Network ACL, outbound", true)] {
            w.table(heading, &["entry", "action", "ports", "peer"], entries(acl, egress));
        }
        w.link("network ACL", ListingId::NetworkAcls, exactly("id", &acl.network_acl_id));
    }
    w.section("Tags", tags(&o.tags));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.link("interfaces", ListingId::Interfaces, exactly("subnet", &o.subnet_id));
    w.findings_on(&o.subnet_id);
    w.finish()
}

fn routes(w: &mut Writer, table: &RouteTable) {
    let row = |r: &crate::model::network::Route| vec![r.destination().to_owned(), r.target().to_owned(), r.state.clone()];
    w.table("Routes", &["destination", "target", "state"], table.routes.iter().map(row).collect());
}

pub(super) fn route_table(region: &RegionEstate, o: &RouteTable, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.route_table_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let served =
        o.associations.iter().map(|a| if a.main { "subnets without a table of their own" } else { a.subnet_id.as_str() });
    w.facts("", &[account, place, ("VPC", o.vpc_id.clone()), ("serves", served.collect::<Vec<_>>().join(", "))]);
    routes(&mut w, o);
    w.section("Tags", tags(&o.tags));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.route_table_id);
    w.finish()
}

fn rules(permissions: &[IpPermission]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for permission in permissions {
        let ports = permission.ports();
        let mut add = |peer: &str, description: &str| rows.push(vec![ports.clone(), peer.to_owned(), description.to_owned()]);
        permission.ip_ranges.iter().for_each(|r| add(&r.cidr_ip, &r.description));
        permission.ipv6_ranges.iter().for_each(|r| add(&r.cidr_ipv6, &r.description));
        permission.prefix_list_ids.iter().for_each(|r| add(&r.prefix_list_id, &r.description));
        permission.user_id_group_pairs.iter().for_each(|r| add(&r.group_id, &r.description));
    }
    rows
}

pub(super) fn security_group(region: &RegionEstate, o: &SecurityGroup, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.group_id, o.group_name), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("VPC", o.vpc_id.clone()),
            ("description", o.description.clone()),
            ("open to everyone", network::open_ports(o).join(", ")),
        ],
    );
    w.table("Inbound rules", &["ports", "from", "description"], rules(&o.ip_permissions));
    w.table("Outbound rules", &["ports", "to", "description"], rules(&o.ip_permissions_egress));
    let used = region.network.interfaces.iter().filter(|i| i.groups.iter().any(|g| g.group_id == o.group_id));
    let row = |i: &Interface| {
        vec![i.network_interface_id.clone(), i.public_addresses().join(", "), i.instance().to_owned(), i.description.clone()]
    };
    w.table("Carried by", &["interface", "public", "instance", "description"], used.map(row).collect());
    w.section("Tags", tags(&o.tags));
    w.link("findings on it", ListingId::Findings, format!("resource:{}", quote(&o.group_id)));
    w.link("interfaces that carry it", ListingId::Interfaces, exactly("group", &o.group_id));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.finish()
}

pub(super) fn interface(region: &RegionEstate, o: &Interface, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.network_interface_id, o.description), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("kind", o.interface_type.clone()),
            ("private address", o.private_ip_address.clone()),
            ("public addresses", o.public_addresses().join(", ")),
            ("IPv6 addresses", o.ipv6_addresses.iter().map(|a| a.ipv6_address.as_str()).collect::<Vec<_>>().join(", ")),
            ("instance", o.instance().to_owned()),
            ("subnet", o.subnet_id.clone()),
            ("VPC", o.vpc_id.clone()),
            ("status", o.status.clone()),
            (
                "source/destination check",
                o.source_dest_check.map_or_else(String::new, |on| if on { "on" } else { "off" }.to_owned()),
            ),
        ],
    );
    for group in &o.groups {
        w.link(
            format!("group {} {}", group.group_id, group.group_name),
            ListingId::SecurityGroups,
            exactly("id", &group.group_id),
        );
        if let Some(known) = region.network.security_groups.iter().find(|g| g.group_id == group.group_id) {
            w.table(
                &format!("Lets in, by {} {}", known.group_id, known.group_name),
                &["ports", "from", "description"],
                rules(&known.ip_permissions),
            );
        }
    }
    w.section("Tags", tags(&o.tags));
    if !o.instance().is_empty() {
        w.link(format!("node {}", o.instance()), ListingId::Nodes, exactly("id", o.instance()));
    }
    w.link("subnet", ListingId::Subnets, exactly("id", &o.subnet_id));
    w.findings_on(&o.network_interface_id);
    w.finish()
}

pub(super) fn instance(region: &RegionEstate, o: &Instance, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.instance_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let profile = o.iam_instance_profile.as_ref().map_or("", |p| p.arn.as_str());
    let tokens = o.metadata_options.as_ref().map_or("", |m| match m.http_tokens.as_str() {
        "required" => "version 2 only",
        "optional" => "versions 1 and 2",
        other => other,
    });
    w.facts(
        "",
        &[
            account,
            place,
            ("state", o.state().to_owned()),
            ("type", o.instance_type.clone()),
            ("image", o.image_id.clone()),
            ("platform", o.platform_details.clone()),
            ("private address", o.private_ip_address.clone()),
            ("public address", o.public_ip_address.clone()),
            ("instance profile", profile.to_owned()),
            ("metadata service", tokens.to_owned()),
            ("VPC", o.vpc_id.clone()),
            ("subnet", o.subnet_id.clone()),
        ],
    );
    w.section("Tags", tags(&o.tags));
    let id = &o.instance_id;
    if region.nodes.iter().any(|n| n.instance_id == *id) {
        w.link(format!("node {id}"), ListingId::Nodes, exactly("id", id));
    }
    let roles = estate.identity(&region.account).into_iter().flat_map(|i| &i.roles);
    for role in roles.filter(|r| r.instance_profile_list.iter().any(|p| p.arn == profile)) {
        w.link(format!("role {}", role.role_name), ListingId::Principals, exactly("id", &role.arn));
    }
    w.link("interfaces", ListingId::Interfaces, exactly("instance", id));
    w.link("exposures of it", ListingId::Exposures, exactly("on", id));
    w.link("subnet", ListingId::Subnets, exactly("id", &o.subnet_id));
    w.findings_on(id);
    w.finish()
}

pub(super) fn load_balancer(region: &RegionEstate, o: &LoadBalancer, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("load balancer {}", o.load_balancer_name), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("ARN", o.load_balancer_arn.clone()),
            ("scheme", o.scheme.clone()),
            ("kind", o.kind.clone()),
            ("DNS name", o.dns_name.clone()),
            ("VPC", o.vpc_id.clone()),
        ],
    );
    let word = |l: &crate::model::Extra, key: &str| {
        l.get(key).map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
    };
    w.table(
        "Listeners",
        &["protocol", "port", "TLS policy"],
        o.listeners.iter().map(|l| vec![word(l, "Protocol"), word(l, "Port"), word(l, "SslPolicy")]).collect(),
    );
    let passed: Vec<Vec<String>> = (o.listeners.iter().filter_map(listener))
        .flat_map(|l| {
            let of = region.network.target_groups.iter();
            let name =
                |arn: &str| of.clone().find(|g| g.target_group_arn == arn).map_or(arn, |g| &g.target_group_name).to_owned();
            let clients = |p: &Pass| p.clients.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
            let signs = |p: &Pass| if p.signs_in { "after signing in" } else { "" }.to_owned();
            let row = |p: Pass| vec![l.port.to_string(), p.rule.clone(), clients(&p), name(&p.group), signs(&p)];
            passes(&l, o).into_iter().map(row).collect::<Vec<_>>()
        })
        .collect();
    w.table("Passes on", &["port", "by", "clients", "target group", ""], passed);
    if let Some(instances) = &o.instances {
        let ports = o.listeners.iter().map(|l| {
            let by = format!("{} to {}", word(l, "Protocol"), word(l, "InstanceProtocol"));
            vec![word(l, "Port"), by, word(l, "InstancePort")]
        });
        w.table("Passes on", &["port", "by", "port of each instance"], ports.collect());
        let rows = instances.iter().map(|one| {
            let known = region.network.instances.iter().find(|i| i.instance_id == one.instance_id);
            let state = known.map_or("not among the instances", Instance::state);
            let name = known.map_or("", Instance::name);
            vec![one.instance_id.clone(), name.to_owned(), state.to_owned()]
        });
        w.table("Registered instances", &["instance", "name", "state"], rows.collect());
    }
    if o.kind == "application" && o.rules.is_none() && !o.listeners.is_empty() {
        w.section("", Body::Prose("The rules of its listeners were not read: they may pass on to more target groups.".into()));
    }
    let own = |g: &&TargetGroup| g.load_balancer_arns.contains(&o.load_balancer_arn);
    let rows = region.network.target_groups.iter().filter(own).map(|g| {
        let targets = g.targets.as_ref().map_or_else(
            || "not known".to_owned(),
            |all| {
                all.iter()
                    .map(|t| t.port.map_or_else(|| t.id.clone(), |p| format!("{}:{p}", t.id)))
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        vec![g.target_group_name.clone(), g.protocol.clone(), g.target_type.clone(), targets]
    });
    w.table("Target groups", &["group", "protocol", "kind", "targets"], rows.collect());
    w.link("exposures of it", ListingId::Exposures, exactly("on", &o.load_balancer_arn));
    for group in &o.security_groups {
        w.link(format!("group {group}"), ListingId::SecurityGroups, exactly("id", group));
    }
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.load_balancer_arn);
    w.finish()
}
