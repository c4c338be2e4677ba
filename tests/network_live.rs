//! The written cases of the network engine, live: each small network is built in the test cloud by API, collected with the
//! built program, and judged as its file is. What the cloud can not have stays with the files alone; [`lacks`] says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

#[path = "network/dsl.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod dsl;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    DomainType, GatewayType, IcmpTypeCode, IpPermission, IpRange, Ipv6Range, PortRange, RuleAction, TransitGatewayRequestOptions,
    UserIdGroupPair,
};
use aws_sdk_elasticloadbalancingv2 as elb;
use bartizan::model::estate;
use bartizan::model::network::{self as model, Network};
use bartizan::network::build::build;
use bartizan::network::exposure::{NothingKnown, Source, exposures};
use bartizan::network::net::Net;
use bartizan::network::packets::cidr;
use bartizan::network::reach::{Verdict, can, resolve, service};
use dsl::Case;
use support::{Cloud, Options, run};

const REGION: &str = dsl::REGION;
const FILES: &[&str] = &[
    "01-security-groups.txt",
    "02-network-acls.txt",
    "03-routes.txt",
    "04-gateways.txt",
    "05-between-vpcs.txt",
    "06-load-balancers.txt",
    "07-public-access.txt",
];

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/cases");
    let read = |file: &&str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        dsl::read(&text).into_iter().map(|case| ((*file).to_owned(), case)).collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

/// Why the cloud can not have the network of a case; none where it can.
fn lacks(case: &Case) -> Option<&'static str> {
    let [region] = case.estate.regions.as_slice() else { return Some("it stands in several accounts or regions, one is built") };
    let n = &region.network;
    if !case.estate.coverage.is_empty() {
        return Some("it is about an API that was denied");
    }
    // IPv6 ranges of VPCs are AWS's choice, and so differ.
    let six = n.vpcs.iter().any(|v| v.cidrs().iter().any(|c| c.contains(':')))
        || n.network_acls.iter().any(|a| !a.is_default && a.entries.iter().any(|e| !e.ipv6_cidr_block.is_empty()))
        || n.interfaces.iter().any(|i| !i.ipv6_addresses.is_empty());
    if six || !n.egress_only_gateways.is_empty() {
        return Some("the cloud chooses IPv6 ranges itself");
    }
    if !n.endpoints.is_empty() {
        return Some("the cloud's endpoints have neither interfaces nor addresses of services");
    }
    if n.network_acls.iter().flat_map(|a| &a.entries).any(|e| e.icmp_type_code.is_some()) {
        return Some("the cloud forgets an ACL entry's ICMP type");
    }
    gateways_lack(n).or_else(|| guards_lack(n)).or_else(|| routes_lack(n)).or_else(|| balancers_lack(n))
}

fn gateways_lack(n: &Network) -> Option<&'static str> {
    let acls = n.network_acls.iter().any(|a| !a.is_default);
    let blocked = n.public_access_exclusions.is_some() || n.blocks_public_access();
    if blocked {
        return Some("the cloud has no Block Public Access");
    }
    if n.nat_gateways
        .iter()
        .any(|g| g.state != "available" || g.connectivity_type != "public" || g.nat_gateway_addresses.len() > 1)
    {
        return Some("the cloud's NAT gateways are public, have one address and always work");
    }
    if !n.nat_gateways.is_empty() && acls {
        return Some("the cloud's NAT gateways have addresses outside of their subnets, which ACLs see");
    }
    let joined = |a: &model::TransitGatewayAttachment| {
        let tables = n.transit_gateway_route_tables.iter();
        let served = a.association.as_ref().map(|x| &x.transit_gateway_route_table_id);
        a.resource_type == "vpc"
            && a.state == "available"
            && served.is_some_and(|t| tables.clone().any(|x| x.transit_gateway_route_table_id == *t))
    };
    if !n.transit_gateway_attachments.iter().all(joined) {
        return Some("the cloud's transit gateway attachments are VPCs, available and always served");
    }
    if n.transit_gateway_attachments.iter().any(|a| a.options.is_some()) {
        return Some("the cloud forgets the options of a transit gateway attachment");
    }
    if n.transit_gateway_attachments.iter().any(|a| a.subnet_ids.is_empty())
        || n.transit_gateways.iter().any(|t| t.options.is_none())
        || n.transit_gateways
            .iter()
            .any(|t| !n.transit_gateway_attachments.iter().any(|a| a.transit_gateway_id == t.transit_gateway_id))
    {
        return Some("it is about what is not known of a transit gateway");
    }
    let whole = |t: &model::TransitGatewayRouteTable| t.propagations.is_some() && t.routes.as_ref().is_some_and(Vec::is_empty);
    if !n.transit_gateway_route_tables.iter().all(whole) {
        return Some("the cloud forgets where a transit gateway's static routes lead");
    }
    if !n.vpn_connections.is_empty() {
        return Some("the cloud's VPN connections have neither static routes nor tunnels");
    }
    let side = |s: &Option<model::PeerVpc>| s.as_ref().is_some_and(|s| n.vpcs.iter().any(|v| v.vpc_id == s.vpc_id));
    let state = |p: &model::Peering| p.status.as_ref().map_or("", |s| s.state.as_str()).to_owned();
    if n.peerings.iter().any(|p| !side(&p.requester_vpc_info) || !side(&p.accepter_vpc_info)) {
        return Some("it names what is not there");
    }
    n.peerings
        .iter()
        .any(|p| !matches!(state(p).as_str(), "active" | "pending-acceptance"))
        .then_some("the cloud forgets a deleted peering")
}

fn guards_lack(n: &Network) -> Option<&'static str> {
    let known = |id: &str| id.is_empty() || n.security_groups.iter().any(|g| g.group_id == id);
    let list = |id: &str| n.prefix_lists.iter().any(|l| l.prefix_list_id == id);
    let permissions = || n.security_groups.iter().flat_map(|g| g.ip_permissions.iter().chain(&g.ip_permissions_egress));
    let dangling = permissions().any(|p| {
        p.user_id_group_pairs.iter().any(|pair| !known(&pair.group_id))
            || p.prefix_list_ids.iter().any(|l| !list(&l.prefix_list_id))
    });
    if dangling || n.interfaces.iter().any(|i| i.groups.iter().any(|g| !known(&g.group_id))) {
        return Some("it names what is not there");
    }
    if n.prefix_lists.iter().any(|l| l.owner_id == "AWS") {
        return Some("the cloud has prefix lists of AWS of its own");
    }
    // AWS takes no such thing; only a file can have it.
    let bad = |text: &str| !text.is_empty() && cidr(text).is_err();
    let malformed = permissions()
        .any(|p| p.ip_ranges.iter().any(|r| bad(&r.cidr_ip)) || p.ipv6_ranges.iter().any(|r| bad(&r.cidr_ipv6)))
        || n.network_acls.iter().flat_map(|a| &a.entries).any(|e| bad(&e.cidr_block))
        || n.route_tables.iter().flat_map(|t| &t.routes).any(|r| r.destination_prefix_list_id.is_empty() && bad(r.destination()));
    if malformed {
        return Some("AWS takes no malformed CIDR");
    }
    let bare = n.vpcs.iter().any(|v| {
        v.cidr_block.is_empty()
            || !n.route_tables.iter().any(|t| t.vpc_id == v.vpc_id && t.associations.iter().any(|a| a.main))
            || !n.network_acls.iter().any(|a| a.is_default && a.vpc_id == v.vpc_id && a.entries.len() == 4)
    });
    bare.then_some("AWS makes a main route table and a default ACL with every VPC")
}

fn routes_lack(n: &Network) -> Option<&'static str> {
    for table in &n.route_tables {
        if table.associations.iter().any(|a| !a.gateway_id.is_empty()) {
            return Some("the cloud has no route tables of gateways");
        }
        for route in &table.routes {
            let target = route.target();
            let there = target == "local"
                || n.internet_gateways.iter().any(|g| g.internet_gateway_id == target)
                || n.peerings.iter().any(|p| p.vpc_peering_connection_id == target)
                || n.nat_gateways.iter().any(|g| g.nat_gateway_id == target)
                || n.transit_gateways.iter().any(|g| g.transit_gateway_id == target)
                || n.vpn_gateways.iter().any(|g| g.vpn_gateway_id == target)
                || n.interfaces.iter().any(|i| i.network_interface_id == target);
            if route.state == "blackhole" {
                return Some("the cloud marks no route as a blackhole");
            }
            if route.origin == "EnableVgwRoutePropagation" {
                return Some("the cloud propagates no routes");
            }
            let list = &route.destination_prefix_list_id;
            if !there || !(list.is_empty() || n.prefix_lists.iter().any(|l| l.prefix_list_id == *list)) {
                return Some("it names what is not there");
            }
        }
    }
    let second = |i: &model::Interface| i.attachment.as_ref().is_some_and(|a| a.device_index.is_some_and(|n| n > 0));
    if n.interfaces.iter().any(second) {
        return Some("an instance is run with one interface");
    }
    let odd = |i: &model::Interface| !matches!(i.interface_type.as_str(), "" | "interface" | "nat_gateway") && !is_of_balancer(i);
    n.interfaces.iter().any(odd).then_some("the cloud makes interfaces of one kind")
}

fn is_of_balancer(i: &model::Interface) -> bool {
    i.description.starts_with("ELB ")
}

fn balancers_lack(n: &Network) -> Option<&'static str> {
    let signs =
        |a: &bartizan::model::Extra| a.get("Type").is_some_and(|t| t.as_str().is_some_and(|t| t.starts_with("authenticate")));
    if n.load_balancers.iter().flat_map(|l| l.rules.iter().flatten()).flat_map(|r| &r.actions).any(signs) {
        return Some("the cloud signs nobody in");
    }
    if n.load_balancers.iter().any(|l| l.is_classic() && l.listeners.is_empty()) {
        return Some("AWS makes no classic load balancer without a listener");
    }
    if n.load_balancers.iter().any(|l| l.kind == "application" && !l.listeners.is_empty() && l.rules.is_none()) {
        return Some("it is about rules that were not read");
    }
    None
}

/// Builds a network; the answer is the cloud's id of each of the file's.
async fn make(ec2: &Client, n: &Network) -> BTreeMap<String, String> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut main: BTreeMap<String, String> = BTreeMap::new();
    for vpc in &n.vpcs {
        let made = ec2.create_vpc().cidr_block(&vpc.cidr_block).send().await.unwrap();
        let id = made.vpc.unwrap().vpc_id.unwrap();
        for more in vpc.cidrs().iter().skip(1) {
            ec2.associate_vpc_cidr_block().vpc_id(&id).cidr_block(*more).send().await.unwrap();
        }
        let filter = |name: &str, value: &str| aws_sdk_ec2::types::Filter::builder().name(name).values(value).build();
        let call = ec2.describe_route_tables().filters(filter("vpc-id", &id)).filters(filter("association.main", "true"));
        let tables = call.send().await.unwrap();
        main.insert(vpc.vpc_id.clone(), tables.route_tables()[0].route_table_id().unwrap().to_owned());
        ids.insert(vpc.vpc_id.clone(), id);
    }
    for subnet in &n.subnets {
        let call = ec2.create_subnet().vpc_id(&ids[&subnet.vpc_id]).cidr_block(&subnet.cidr_block);
        let made = call.availability_zone(&subnet.availability_zone).send().await.unwrap();
        ids.insert(subnet.subnet_id.clone(), made.subnet.unwrap().subnet_id.unwrap());
    }
    for gateway in &n.internet_gateways {
        let made = ec2.create_internet_gateway().send().await.unwrap();
        let id = made.internet_gateway.unwrap().internet_gateway_id.unwrap();
        for to in &gateway.attachments {
            ec2.attach_internet_gateway().internet_gateway_id(&id).vpc_id(&ids[&to.vpc_id]).send().await.unwrap();
        }
        ids.insert(gateway.internet_gateway_id.clone(), id);
    }
    for list in &n.prefix_lists {
        use aws_sdk_ec2::types::AddPrefixListEntry;
        let entries = list.entries.iter().map(|e| AddPrefixListEntry::builder().cidr(&e.cidr).build()).collect();
        let call = ec2.create_managed_prefix_list().prefix_list_name(&list.prefix_list_id).max_entries(20).address_family("IPv4");
        let made = call.set_entries(Some(entries)).send().await.unwrap();
        ids.insert(list.prefix_list_id.clone(), made.prefix_list.unwrap().prefix_list_id.unwrap());
    }
    Box::pin(joins(ec2, n, &mut ids)).await;
    for peering in &n.peerings {
        let side = |s: &Option<model::PeerVpc>| ids[&s.as_ref().unwrap().vpc_id].clone();
        let (a, b) = (side(&peering.requester_vpc_info), side(&peering.accepter_vpc_info));
        let made = ec2.create_vpc_peering_connection().vpc_id(a).peer_vpc_id(b).send().await.unwrap();
        let id = made.vpc_peering_connection.unwrap().vpc_peering_connection_id.unwrap();
        if peering.status.as_ref().is_some_and(|s| s.state == "active") {
            ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&id).send().await.unwrap();
        }
        ids.insert(peering.vpc_peering_connection_id.clone(), id);
    }
    Box::pin(guards(ec2, n, &mut ids)).await;
    for interface in n.interfaces.iter().filter(|i| i.interface_type != "nat_gateway" && !is_of_balancer(i)) {
        let groups = interface.groups.iter().map(|g| ids[&g.group_id].clone()).collect();
        let call = ec2.create_network_interface().subnet_id(&ids[&interface.subnet_id]).set_groups(Some(groups));
        let made = call.private_ip_address(&interface.private_ip_address).send().await.unwrap();
        let id = made.network_interface.unwrap().network_interface_id.unwrap();
        if !interface.public_addresses().is_empty() {
            let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
            let call = ec2.associate_address().allocation_id(address.allocation_id.unwrap()).network_interface_id(&id);
            call.send().await.unwrap();
        }
        if interface.source_dest_check == Some(false) {
            let off = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
            ec2.modify_network_interface_attribute().network_interface_id(&id).source_dest_check(off).send().await.unwrap();
        }
        if !interface.instance().is_empty() {
            use aws_sdk_ec2::types::InstanceNetworkInterfaceSpecification;
            let own = InstanceNetworkInterfaceSpecification::builder().device_index(0).network_interface_id(&id).build();
            let call = ec2.run_instances().image_id("ami-12c6146b").min_count(1).max_count(1).network_interfaces(own);
            let made = call.send().await.unwrap().instances()[0].instance_id().unwrap().to_owned();
            let known = n.instances.iter().find(|i| i.instance_id == interface.instance());
            if known.is_some_and(|i| i.state() == "stopped") {
                ec2.stop_instances().instance_ids(&made).send().await.unwrap();
            }
            ids.insert(interface.instance().to_owned(), made);
        }
        ids.insert(interface.network_interface_id.clone(), id);
    }
    for table in &n.route_tables {
        let id = if table.associations.iter().any(|a| a.main) {
            main[&table.vpc_id].clone()
        } else {
            let made = ec2.create_route_table().vpc_id(&ids[&table.vpc_id]).send().await.unwrap();
            made.route_table.unwrap().route_table_id.unwrap()
        };
        for association in table.associations.iter().filter(|a| !a.subnet_id.is_empty()) {
            let call = ec2.associate_route_table().route_table_id(&id).subnet_id(&ids[&association.subnet_id]);
            call.send().await.unwrap();
        }
        for route in table.routes.iter().filter(|r| r.target() != "local") {
            let call = ec2.create_route().route_table_id(&id);
            let call = if !route.destination_prefix_list_id.is_empty() {
                call.destination_prefix_list_id(&ids[&route.destination_prefix_list_id])
            } else if route.destination_ipv6_cidr_block.is_empty() {
                call.destination_cidr_block(route.destination())
            } else {
                call.destination_ipv6_cidr_block(route.destination())
            };
            let target = &ids[route.target()];
            let call = match target.split_once('-').map(|(kind, _)| kind) {
                Some("pcx") => call.vpc_peering_connection_id(target),
                Some("nat") => call.nat_gateway_id(target),
                Some("tgw") => call.transit_gateway_id(target),
                Some("eni") => call.network_interface_id(target),
                _ => call.gateway_id(target),
            };
            call.send().await.unwrap();
        }
        ids.insert(table.route_table_id.clone(), id);
    }
    ids
}

/// NAT gateways, virtual private gateways, transit gateways with what hangs on them.
async fn joins(ec2: &Client, n: &Network, ids: &mut BTreeMap<String, String>) {
    for nat in &n.nat_gateways {
        let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
        let call = ec2.create_nat_gateway().subnet_id(&ids[&nat.subnet_id]).allocation_id(address.allocation_id.unwrap());
        ids.insert(nat.nat_gateway_id.clone(), call.send().await.unwrap().nat_gateway.unwrap().nat_gateway_id.unwrap());
    }
    for gateway in &n.vpn_gateways {
        let made = ec2.create_vpn_gateway().r#type(GatewayType::Ipsec1).send().await.unwrap();
        let id = made.vpn_gateway.unwrap().vpn_gateway_id.unwrap();
        for to in &gateway.vpc_attachments {
            ec2.attach_vpn_gateway().vpn_gateway_id(&id).vpc_id(&ids[&to.vpc_id]).send().await.unwrap();
        }
        ids.insert(gateway.vpn_gateway_id.clone(), id);
    }
    for gateway in &n.transit_gateways {
        let references = gateway.options.as_ref().map_or("disable", |o| o.security_group_referencing_support.as_str());
        let options = TransitGatewayRequestOptions::builder().security_group_referencing_support(references.into()).build();
        let made = ec2.create_transit_gateway().options(options).send().await.unwrap();
        ids.insert(gateway.transit_gateway_id.clone(), made.transit_gateway.unwrap().transit_gateway_id.unwrap());
    }
    for table in &n.transit_gateway_route_tables {
        let made =
            ec2.create_transit_gateway_route_table().transit_gateway_id(&ids[&table.transit_gateway_id]).send().await.unwrap();
        let id = made.transit_gateway_route_table.unwrap().transit_gateway_route_table_id.unwrap();
        ids.insert(table.transit_gateway_route_table_id.clone(), id);
    }
    for a in &n.transit_gateway_attachments {
        let subnets = a.subnet_ids.iter().map(|s| ids[s].clone()).collect();
        let call = ec2.create_transit_gateway_vpc_attachment().transit_gateway_id(&ids[&a.transit_gateway_id]);
        let made = call.vpc_id(&ids[&a.resource_id]).set_subnet_ids(Some(subnets)).send().await.unwrap();
        let id = made.transit_gateway_vpc_attachment.unwrap().transit_gateway_attachment_id.unwrap();
        let table = &ids[&a.association.as_ref().unwrap().transit_gateway_route_table_id];
        let call = ec2.associate_transit_gateway_route_table().transit_gateway_route_table_id(table);
        call.transit_gateway_attachment_id(&id).send().await.unwrap();
        ids.insert(a.transit_gateway_attachment_id.clone(), id);
    }
    for table in &n.transit_gateway_route_tables {
        for from in table.propagations.iter().flatten() {
            let call = ec2.enable_transit_gateway_route_table_propagation();
            let call = call.transit_gateway_route_table_id(&ids[&table.transit_gateway_route_table_id]);
            call.transit_gateway_attachment_id(&ids[&from.transit_gateway_attachment_id]).send().await.unwrap();
        }
    }
}

/// Load balancers with target groups, listeners and rules; `n` tells networks' names apart.
async fn balancers(elb: &elb::Client, n: &Network, nth: usize, ids: &mut BTreeMap<String, String>) {
    for lb in n.load_balancers.iter().filter(|lb| !lb.is_classic()) {
        let call = elb.create_load_balancer().name(format!("{}-{nth}", lb.load_balancer_name));
        let call = call.scheme(lb.scheme.as_str().into()).r#type(lb.kind.as_str().into());
        let subnets = lb.availability_zones.iter().map(|z| ids[&z.subnet_id].clone()).collect();
        let groups = lb.security_groups.iter().map(|g| ids[g].clone()).collect();
        let call = call.set_subnets(Some(subnets)).set_security_groups(Some(groups));
        let arn = call.send().await.unwrap().load_balancers()[0].load_balancer_arn().unwrap().to_owned();
        ids.insert(lb.load_balancer_name.clone(), arn.clone());
        ids.insert(lb.load_balancer_arn.clone(), arn);
    }
    for group in &n.target_groups {
        let call = elb.create_target_group().name(format!("{}-{nth}", group.target_group_name)).port(group.port.unwrap() as i32);
        let call = call.protocol(group.protocol.as_str().into()).target_type(group.target_type.as_str().into());
        let made = call.vpc_id(&ids[&n.vpcs[0].vpc_id]).send().await.unwrap();
        let arn = made.target_groups()[0].target_group_arn().unwrap().to_owned();
        for target in group.targets.iter().flatten() {
            let id = ids.get(&target.id).unwrap_or(&target.id);
            let target = elb::types::TargetDescription::builder().id(id).port(target.port.unwrap() as i32).build();
            elb.register_targets().target_group_arn(&arn).targets(target).send().await.unwrap();
        }
        if let Some(preserve) = group.preserve_client_ip {
            let pair = elb::types::TargetGroupAttribute::builder().key("preserve_client_ip.enabled").value(preserve.to_string());
            elb.modify_target_group_attributes().target_group_arn(&arn).attributes(pair.build()).send().await.unwrap();
        }
        ids.insert(group.target_group_arn.clone(), arn);
    }
    for lb in n.load_balancers.iter().filter(|lb| !lb.is_classic()) {
        for extra in &lb.listeners {
            let listener = bartizan::network::backends::listener(extra).unwrap();
            let rules: Vec<&model::ListenerRule> =
                lb.rules.iter().flatten().filter(|r| r.listener().as_deref() == Some(&listener.arn)).collect();
            let default = rules.iter().find(|r| r.is_default).map_or(&listener.default, |r| &r.actions);
            // A certificate is nothing to a network.
            let protocol = match extra["Protocol"].as_str().unwrap() {
                "HTTPS" => "HTTP",
                other => other,
            };
            let call = elb.create_listener().load_balancer_arn(&ids[&lb.load_balancer_arn]).protocol(protocol.into());
            let made = call.port(i32::from(listener.port)).set_default_actions(Some(actions(default, ids))).send().await.unwrap();
            let arn = made.listeners()[0].listener_arn().unwrap().to_owned();
            for rule in rules.iter().filter(|r| !r.is_default) {
                let conditions = rule.conditions.iter().map(condition).collect();
                let call = elb.create_rule().listener_arn(&arn).priority(rule.priority.parse().unwrap());
                call.set_conditions(Some(conditions)).set_actions(Some(actions(&rule.actions, ids))).send().await.unwrap();
            }
        }
    }
}

/// Classic load balancers, by the API of 2012-06-01, for which there is no client here.
fn classic(cloud: &Cloud, n: &Network, nth: usize, ids: &mut BTreeMap<String, String>) {
    for lb in n.load_balancers.iter().filter(|lb| lb.is_classic()) {
        let name = format!("{}-{nth}", lb.load_balancer_name);
        let mut form = vec![
            ("Action".to_owned(), "CreateLoadBalancer".to_owned()),
            ("LoadBalancerName".to_owned(), name.clone()),
            ("Scheme".to_owned(), lb.scheme.clone()),
        ];
        let subnets = lb.availability_zones.iter().map(|z| &z.subnet_id).enumerate();
        form.extend(subnets.map(|(i, s)| (format!("Subnets.member.{}", i + 1), ids[s].clone())));
        let groups = lb.security_groups.iter().enumerate();
        form.extend(groups.map(|(i, g)| (format!("SecurityGroups.member.{}", i + 1), ids[g].clone())));
        for (i, listener) in lb.listeners.iter().enumerate() {
            for key in ["Protocol", "LoadBalancerPort", "InstanceProtocol", "InstancePort"] {
                let value = listener[key].as_str().map_or_else(|| listener[key].to_string(), str::to_owned);
                // A certificate is nothing to a network.
                let value = match value.as_str() {
                    "HTTPS" => "HTTP",
                    "SSL" => "TCP",
                    other => other,
                };
                form.push((format!("Listeners.member.{}.{key}", i + 1), value.to_owned()));
            }
        }
        ask_elb(cloud, &form);
        let mut form = vec![
            ("Action".to_owned(), "RegisterInstancesWithLoadBalancer".to_owned()),
            ("LoadBalancerName".to_owned(), name.clone()),
        ];
        for (i, one) in lb.instances.iter().flatten().enumerate() {
            form.push((format!("Instances.member.{}.InstanceId", i + 1), ids[&one.instance_id].clone()));
        }
        ask_elb(cloud, &form);
        let arn = model::LoadBalancer::classic_arn(REGION, support::front::MANAGEMENT, &name);
        ids.insert(lb.load_balancer_name.clone(), arn.clone());
        ids.insert(lb.load_balancer_arn.clone(), arn);
    }
}

/// One question in the query protocol; the cloud looks at no signature.
fn ask_elb(cloud: &Cloud, form: &[(String, String)]) {
    use std::io::{Read as _, Write as _};
    let host = cloud.url().trim_start_matches("http://").to_owned();
    let mut body = "Version=2012-06-01".to_owned();
    for (name, value) in form {
        body += &format!("&{name}={value}");
    }
    let mut socket = std::net::TcpStream::connect(&host).unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/elasticloadbalancing/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{body}: {answer}");
}

fn actions(list: &[bartizan::model::Extra], ids: &BTreeMap<String, String>) -> Vec<elb::types::Action> {
    let nothing = || {
        let answer = elb::types::FixedResponseActionConfig::builder().status_code("404").build();
        elb::types::Action::builder().r#type("fixed-response".into()).fixed_response_config(answer).build()
    };
    let mut out: Vec<elb::types::Action> = Vec::new();
    for action in list {
        let group = |arn: &serde_json::Value| ids[arn.as_str().unwrap()].clone();
        let made = elb::types::Action::builder();
        out.push(match action["Type"].as_str().unwrap() {
            "forward" => match action.get("ForwardConfig") {
                Some(config) => {
                    let tuple = |g: &serde_json::Value| {
                        let tuple = elb::types::TargetGroupTuple::builder().target_group_arn(group(&g["TargetGroupArn"]));
                        tuple.weight(g["Weight"].as_i64().unwrap() as i32).build()
                    };
                    let groups = config["TargetGroups"].as_array().unwrap().iter().map(tuple).collect();
                    let config = elb::types::ForwardActionConfig::builder().set_target_groups(Some(groups)).build();
                    made.r#type("forward".into()).forward_config(config).build()
                }
                None => made.r#type("forward".into()).target_group_arn(group(&action["TargetGroupArn"])).build(),
            },
            "redirect" => {
                let to = elb::types::RedirectActionConfig::builder().status_code("HTTP_301".into()).protocol("HTTPS").port("443");
                made.r#type("redirect".into()).redirect_config(to.build()).build()
            }
            _ => nothing(),
        });
    }
    if out.is_empty() {
        out.push(nothing());
    }
    out
}

fn condition(extra: &bartizan::model::Extra) -> elb::types::RuleCondition {
    let made = elb::types::RuleCondition::builder().field(extra["Field"].as_str().unwrap());
    let values = |key: &str| -> Option<Vec<String>> {
        Some(extra.get(key)?["Values"].as_array()?.iter().map(|v| v.as_str().unwrap().to_owned()).collect())
    };
    let paths =
        values("PathPatternConfig").map(|v| elb::types::PathPatternConditionConfig::builder().set_values(Some(v)).build());
    let hosts = values("HostHeaderConfig").map(|v| elb::types::HostHeaderConditionConfig::builder().set_values(Some(v)).build());
    let sources = values("SourceIpConfig").map(|v| elb::types::SourceIpConditionConfig::builder().set_values(Some(v)).build());
    made.set_path_pattern_config(paths).set_host_header_config(hosts).set_source_ip_config(sources).build()
}

/// Security groups with their rules, and network ACLs.
async fn guards(ec2: &Client, n: &Network, ids: &mut BTreeMap<String, String>) {
    for group in &n.security_groups {
        let call = ec2.create_security_group().group_name(&group.group_name).description("a case");
        let made = call.vpc_id(&ids[&group.vpc_id]).send().await.unwrap();
        let id = made.group_id.unwrap();
        // Every new group lets everything out; a case says itself what goes out.
        let all = IpPermission::builder().ip_protocol("-1").ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
        ec2.revoke_security_group_egress().group_id(&id).ip_permissions(all).send().await.unwrap();
        ids.insert(group.group_id.clone(), id);
    }
    for group in &n.security_groups {
        let id = &ids[&group.group_id];
        for p in &group.ip_permissions {
            let rule = permission(p, ids);
            ec2.authorize_security_group_ingress().group_id(id).ip_permissions(rule).send().await.unwrap();
        }
        for p in &group.ip_permissions_egress {
            let rule = permission(p, ids);
            ec2.authorize_security_group_egress().group_id(id).ip_permissions(rule).send().await.unwrap();
        }
    }
    for acl in n.network_acls.iter().filter(|a| !a.is_default) {
        let made = ec2.create_network_acl().vpc_id(&ids[&acl.vpc_id]).send().await.unwrap();
        let id = made.network_acl.unwrap().network_acl_id.unwrap();
        for entry in &acl.entries {
            let action = if entry.rule_action == "allow" { RuleAction::Allow } else { RuleAction::Deny };
            let number = i32::try_from(entry.rule_number.unwrap()).unwrap();
            let call = ec2.create_network_acl_entry().network_acl_id(&id).rule_number(number).protocol(&entry.protocol);
            let mut call = call.rule_action(action).egress(entry.egress).cidr_block(&entry.cidr_block);
            let int = |n: Option<i64>| n.map(|n| i32::try_from(n).unwrap());
            if let Some(ports) = &entry.port_range {
                call = call.port_range(PortRange::builder().set_from(int(ports.from)).set_to(int(ports.to)).build());
            }
            if let Some(icmp) = &entry.icmp_type_code {
                let code = IcmpTypeCode::builder().set_type(int(icmp.kind)).set_code(int(icmp.code)).build();
                call = call.icmp_type_code(code);
            }
            call.send().await.unwrap();
        }
        for subnet in &acl.associations {
            let subnet = &ids[&subnet.subnet_id];
            let of = aws_sdk_ec2::types::Filter::builder().name("association.subnet-id").values(subnet).build();
            let found = ec2.describe_network_acls().filters(of).send().await.unwrap();
            let now = found.network_acls().iter().flat_map(|a| a.associations()).find(|a| a.subnet_id() == Some(subnet)).unwrap();
            let call = ec2.replace_network_acl_association().association_id(now.network_acl_association_id().unwrap());
            call.network_acl_id(&id).send().await.unwrap();
        }
        ids.insert(acl.network_acl_id.clone(), id);
    }
}

fn permission(p: &model::IpPermission, ids: &BTreeMap<String, String>) -> IpPermission {
    let int = |n: Option<i64>| n.map(|n| i32::try_from(n).unwrap());
    let mut rule =
        IpPermission::builder().ip_protocol(&p.ip_protocol).set_from_port(int(p.from_port)).set_to_port(int(p.to_port));
    for range in &p.ip_ranges {
        rule = rule.ip_ranges(IpRange::builder().cidr_ip(&range.cidr_ip).build());
    }
    for list in &p.prefix_list_ids {
        rule =
            rule.prefix_list_ids(aws_sdk_ec2::types::PrefixListId::builder().prefix_list_id(&ids[&list.prefix_list_id]).build());
    }
    for range in &p.ipv6_ranges {
        rule = rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(&range.cidr_ipv6).build());
    }
    for pair in &p.user_id_group_pairs {
        rule = rule.user_id_group_pairs(UserIdGroupPair::builder().group_id(&ids[&pair.group_id]).build());
    }
    rule.build()
}

fn verdict(net: &Net, from: &str, to: &str, what: &str) -> Verdict {
    let (from, to) = (resolve(net, from).unwrap(), resolve(net, to).unwrap());
    can(net, &from, &to, &service(what).unwrap()).verdict
}

#[test]
fn what_is_built_by_api_and_collected_is_judged_as_its_file_is() {
    let cloud = Cloud::with(Options { managed_policies: false });
    let all = cases();
    let whole = all.len();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for (file, case) in all {
        match lacks(&case) {
            Some(why) => *left_out.entry(why).or_default() += 1,
            None => cases.push((file, case)),
        }
    }
    let (cloud, made) = run(async {
        let config = cloud.config(REGION);
        let (ec2, elb) = (Client::new(&config), elb::Client::new(&config));
        let mut made = Vec::new();
        for (nth, (file, case)) in cases.into_iter().enumerate() {
            let n = &case.estate.regions[0].network;
            let mut ids = Box::pin(make(&ec2, n)).await;
            Box::pin(balancers(&elb, n, nth, &mut ids)).await;
            classic(&cloud, n, nth, &mut ids);
            made.push((file, case, ids));
        }
        (cloud, made)
    });
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("estate.json.zst");
    let mut program = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    program.env_clear().env("HOME", home.path()).envs(cloud.environment(REGION));
    program.args(["collect", "--single-account", "--region", REGION, "--out", out.to_str().unwrap()]);
    let done = program.output().unwrap();
    assert!(out.exists(), "{}", String::from_utf8_lossy(&done.stderr));
    let (collected, _) = estate::read(std::fs::File::open(&out).unwrap()).unwrap();
    let live = build(&collected);

    let mut wrong = Vec::new();
    let mut asked = 0;
    for (file, case, ids) in &made {
        let filed = build(&case.estate);
        for ask in &case.asks {
            // Addresses overlap between cases, and public ones are the cloud's choice: asked are names, and addresses
            // that mean the same out there.
            let outer = |text: &str| {
                let (one, other) = (resolve(&filed, text).ok()?, resolve(&live, text).ok()?);
                let same = one.interfaces.is_empty() && other.interfaces.is_empty();
                (same && (one.internet, one.premises) == (other.internet, other.premises)).then(|| text.to_owned())
            };
            let name = |text: &str| {
                if text == "internet" { Some(text.to_owned()) } else { ids.get(text).cloned().or_else(|| outer(text)) }
            };
            let (Some(from), Some(to)) = (name(&ask.from), name(&ask.to)) else { continue };
            asked += 1;
            let (theirs, ours) = (verdict(&filed, &ask.from, &ask.to, &ask.service), verdict(&live, &from, &to, &ask.service));
            if theirs != ours || ours.word() != ask.expect {
                wrong.push(format!(
                    "{file}:{} {}: {} to {} {}: the file says {}, the collected network {}, expected {}",
                    ask.line,
                    case.name,
                    ask.from,
                    ask.to,
                    ask.service,
                    theirs.word(),
                    ours.word(),
                    ask.expect
                ));
            }
        }
    }
    let reached = exposures(&live, &[Source::internet()], &NothingKnown);
    for (file, case, ids) in &made {
        for wanted in &case.exposed {
            let Some(target) = ids.get(&wanted.target) else { continue };
            asked += 1;
            let what = service(&wanted.service).unwrap();
            let via = |lb: Option<usize>| lb.map(|lb| live.load_balancers[lb].arn.as_str());
            let through = (!wanted.via.is_empty()).then(|| ids[&wanted.via].as_str());
            let fits =
                reached.iter().filter(|e| live.id_of(e.target) == target && e.service().meets(&what) && via(e.via) == through);
            let word = fits.map(|e| e.verdict).max().map_or("no", Verdict::word);
            if word != wanted.expect {
                wrong.push(format!(
                    "{file}:{} {}: {} is exposed on {} through {:?}: {word}, expected {}",
                    wanted.line, case.name, wanted.target, wanted.service, wanted.via, wanted.expect
                ));
            }
        }
    }
    eprintln!("{} of {whole} networks are live, {asked} questions; the others:", made.len());
    left_out.iter().for_each(|(why, n)| eprintln!("{n:>4}  {why}"));
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(made.len() >= 100 && asked >= 150, "only {} networks and {asked} questions are live", made.len());
}
