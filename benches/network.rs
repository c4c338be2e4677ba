//! The network engine on a made-up organisation: 10,000 interfaces, 2,000 security groups that name each other, 500
//! VPCs with peerings and transit gateways; then the same at 2×, 4× and 8×. Prints the median of runs.
//!
//! Budget (design, section 8): all exposures of 10,000 interfaces in 300 ms on two cores.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bartizan::model::account::{Account, Attribution, Environment};
use bartizan::model::estate::Estate;
use bartizan::model::network::*;
use bartizan::network::build::build;
use bartizan::network::egress::egress;
use bartizan::network::exposure::{NothingKnown, Source, exposures};
use bartizan::network::matrix::flows;
use bartizan::network::unused::unused;

/// VPCs that share one transit gateway.
const SPOKES: usize = 20;

fn main() {
    println!("network engine, synthetic organisation; median of 5 runs (3 above 1x; flows: one run), release build");
    println!(
        "{:>6} {:>10} {:>8} {:>6} {:>10} {:>12} {:>10} {:>10} {:>10}",
        "size", "interfaces", "groups", "VPCs", "build", "exposures", "egress", "flows", "unused"
    );
    // `cargo bench --bench network -- quick` stops after the first size.
    let sizes: &[usize] = if std::env::args().any(|a| a == "quick") { &[1] } else { &[1, 2, 4, 8] };
    for &size in sizes {
        let estate = organisation(500 * size);
        let runs = if size == 1 { 5 } else { 3 };
        let net = build(&estate);
        let sources = [Source::internet()];
        let found = exposures(&net, &sources, &NothingKnown).len();
        let start = Instant::now();
        let across = flows(&net).len();
        let flows_took = start.elapsed();
        println!(
            "{:>5}x {:>10} {:>8} {:>6} {:>10} {:>12} {:>10} {:>10} {:>10}   {found} exposures, {across} flows",
            size,
            net.interfaces.len(),
            net.groups.len(),
            net.vpcs.len(),
            ms(median(runs, || drop(black_box(build(&estate))))),
            ms(median(runs, || drop(black_box(exposures(&net, &sources, &NothingKnown))))),
            ms(median(runs, || drop(black_box(egress(&net))))),
            ms(flows_took),
            ms(median(runs, || drop(black_box(unused(&net))))),
        );
    }
}

fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}

fn ms(d: Duration) -> String {
    format!("{:.1} ms", d.as_secs_f64() * 1e3)
}

fn cidr(protocol: &str, from: i64, to: i64, cidr: &str) -> IpPermission {
    IpPermission {
        ip_protocol: protocol.into(),
        from_port: Some(from),
        to_port: Some(to),
        ip_ranges: vec![IpRange { cidr_ip: cidr.into(), ..IpRange::default() }],
        ..IpPermission::default()
    }
}

fn group_rule(from: i64, group: &str) -> IpPermission {
    IpPermission {
        ip_protocol: "tcp".into(),
        from_port: Some(from),
        to_port: Some(from),
        user_id_group_pairs: vec![GroupPair { group_id: group.into(), ..GroupPair::default() }],
        ..IpPermission::default()
    }
}

fn route(destination: &str, set: impl FnOnce(&mut Route)) -> Route {
    let mut route = Route { destination_cidr_block: destination.into(), state: "active".into(), ..Route::default() };
    set(&mut route);
    route
}

/// `vpcs` VPCs in accounts of ten each; four subnets, four groups and twenty interfaces in each.
fn organisation(vpcs: usize) -> Estate {
    let mut estate = Estate::default();
    for a in 0..vpcs.div_ceil(10) {
        let mut account = Account::bare(format!("{:012}", 100_000_000_000 + a));
        account.environment = Attribution::new(Environment::ALL[a % 3], "explicit");
        estate.put_account(account);
    }
    for v in 0..vpcs {
        let account = format!("{:012}", 100_000_000_000 + v / 10);
        let net = &mut estate.region_mut(&account, "eu-west-1").network;
        vpc(net, v, vpcs);
    }
    estate
}

fn vpc(net: &mut Network, v: usize, vpcs: usize) {
    let id = format!("vpc-{v:05}");
    // Blocks repeat beyond 4,096 VPCs, as they do in real organisations; neighbours on a transit gateway differ.
    let block = v % 4096;
    let (hi, lo) = (block / 16, (block % 16) * 16);
    let prefix = |subnet: usize| format!("10.{hi}.{}", lo + subnet);
    let whole = format!("10.{hi}.{lo}.0/20");
    net.vpcs.push(Vpc { vpc_id: id.clone(), cidr_block: whole.clone(), ..Vpc::default() });
    let igw = format!("igw-{v:05}");
    let attachments = vec![GatewayAttachment { vpc_id: id.clone(), state: "available".into(), ..GatewayAttachment::default() }];
    net.internet_gateways.push(Gateway { internet_gateway_id: igw.clone(), attachments, ..Gateway::default() });
    let (nat, tgw, pcx) = (format!("nat-{v:05}"), format!("tgw-{:05}", v / SPOKES), format!("pcx-{v:05}"));
    for s in 0..4 {
        net.subnets.push(Subnet {
            subnet_id: format!("subnet-{v:05}-{s}"),
            vpc_id: id.clone(),
            cidr_block: format!("{}.0/24", prefix(s)),
            availability_zone: format!("eu-west-1{}", ["a", "b"][s % 2]),
            ..Subnet::default()
        });
    }
    net.nat_gateways.push(NatGateway {
        nat_gateway_id: nat.clone(),
        vpc_id: id.clone(),
        subnet_id: format!("subnet-{v:05}-0"),
        state: "available".into(),
        connectivity_type: "public".into(),
        nat_gateway_addresses: vec![NatAddress {
            private_ip: format!("{}.4", prefix(0)),
            public_ip: format!("52.{}.{}.4", v / 250 % 250, v % 250),
            ..NatAddress::default()
        }],
        ..NatGateway::default()
    });
    let mut peer_cidr = None;
    if v.is_multiple_of(5) && v + 1 < vpcs && !(v + 1).is_multiple_of(4096) && (v + 1) / 10 == v / 10 {
        let other = (v + 1) % 4096;
        let other = format!("10.{}.{}.0/20", other / 16, (other % 16) * 16);
        let side = |vpc: usize, cidr: &str| PeerVpc {
            vpc_id: format!("vpc-{vpc:05}"),
            region: "eu-west-1".into(),
            cidr_block: cidr.into(),
            ..PeerVpc::default()
        };
        net.peerings.push(Peering {
            vpc_peering_connection_id: pcx.clone(),
            requester_vpc_info: Some(side(v, &whole)),
            accepter_vpc_info: Some(side(v + 1, &other)),
            status: Some(State { state: "active".into(), ..State::default() }),
            ..Peering::default()
        });
        peer_cidr = Some(other);
    }
    for (name, subnets, out) in [("public", [0, 1], &igw), ("private", [2, 3], &nat)] {
        let mut routes = vec![
            route(&whole, |r| r.gateway_id = "local".into()),
            route("0.0.0.0/0", |r| {
                if out.starts_with("igw") { r.gateway_id.clone_from(out) } else { r.nat_gateway_id.clone_from(out) }
            }),
            route("10.0.0.0/8", |r| r.transit_gateway_id.clone_from(&tgw)),
        ];
        if let Some(cidr) = &peer_cidr {
            routes.push(route(cidr, |r| r.vpc_peering_connection_id.clone_from(&pcx)));
        }
        net.route_tables.push(RouteTable {
            route_table_id: format!("rtb-{v:05}-{name}"),
            vpc_id: id.clone(),
            routes,
            associations: subnets
                .iter()
                .map(|s| RouteTableAssociation { subnet_id: format!("subnet-{v:05}-{s}"), ..RouteTableAssociation::default() })
                .collect(),
            ..RouteTable::default()
        });
    }
    acls(net, v, &id);
    groups(net, v, &id, vpcs);
    transit(net, v, &tgw);
    for n in 0..20 {
        let subnet = n % 4;
        let private = format!("{}.{}", prefix(subnet), 10 + n);
        let public = (subnet < 2)
            .then(|| Association { public_ip: format!("54.{}.{}.{}", v / 250 % 250, v % 250, 10 + n), ..Association::default() });
        let mut groups = vec![format!("sg-{v:05}-{}", n / 2 % 4)];
        if n % 3 == 0 {
            groups.push(format!("sg-{v:05}-{}", (n / 2 + 1) % 4));
        }
        net.interfaces.push(Interface {
            network_interface_id: format!("eni-{v:05}-{n:02}"),
            vpc_id: id.clone(),
            subnet_id: format!("subnet-{v:05}-{subnet}"),
            interface_type: "interface".into(),
            private_ip_address: private,
            association: public,
            groups: groups.into_iter().map(|group_id| GroupRef { group_id, ..GroupRef::default() }).collect(),
            ..Interface::default()
        });
    }
}

fn acls(net: &mut Network, v: usize, vpc: &str) {
    let entry = |number: i64, egress: bool, action: &str, ports: Option<(i64, i64)>, cidr: &str| AclEntry {
        rule_number: Some(number),
        protocol: if ports.is_some() { "6" } else { "-1" }.into(),
        rule_action: action.into(),
        egress,
        cidr_block: cidr.into(),
        port_range: ports.map(|(from, to)| PortRange { from: Some(from), to: Some(to), ..PortRange::default() }),
        ..AclEntry::default()
    };
    let mut entries = Vec::new();
    for egress in [false, true] {
        if v.is_multiple_of(3) {
            entries.push(entry(90, egress, "deny", Some((3389, 3389)), "0.0.0.0/0"));
            entries.push(entry(91, egress, "deny", Some((445, 445)), "192.0.2.0/24"));
        }
        entries.push(entry(100, egress, "allow", None, "0.0.0.0/0"));
    }
    net.network_acls.push(NetworkAcl {
        network_acl_id: format!("acl-{v:05}"),
        vpc_id: vpc.into(),
        is_default: true,
        entries,
        ..NetworkAcl::default()
    });
}

fn groups(net: &mut Network, v: usize, vpc: &str, vpcs: usize) {
    for g in 0..4 {
        let mut inbound =
            vec![group_rule(8080 + g, &format!("sg-{v:05}-{}", (g + 1) % 4)), group_rule(9090, &format!("sg-{v:05}-{g}"))];
        let neighbour = (v + 1) % vpcs;
        inbound.push(group_rule(5432, &format!("sg-{neighbour:05}-{g}")));
        match g {
            0 => inbound.extend([cidr("tcp", 443, 443, "0.0.0.0/0"), cidr("tcp", 80, 80, "0.0.0.0/0")]),
            1 if v.is_multiple_of(7) => inbound.push(cidr("tcp", 22, 22, "0.0.0.0/0")),
            1 => inbound
                .extend((0..8).map(|n| cidr("tcp", 22, 22, &format!("198.51.100.{}/32", n * 8 + i64::try_from(v % 8).unwrap())))),
            2 => inbound.push(cidr("tcp", 5432, 5432, &format!("10.{}.0.0/16", v % 4096 / 16))),
            _ => {}
        }
        net.security_groups.push(SecurityGroup {
            group_id: format!("sg-{v:05}-{g}"),
            group_name: format!("group-{g}"),
            vpc_id: vpc.into(),
            ip_permissions: inbound,
            ip_permissions_egress: vec![cidr("-1", -1, -1, "0.0.0.0/0")],
            ..SecurityGroup::default()
        });
    }
}

fn transit(net: &mut Network, v: usize, tgw: &str) {
    if v.is_multiple_of(SPOKES) {
        net.transit_gateways.push(TransitGateway {
            transit_gateway_id: tgw.into(),
            state: "available".into(),
            options: Some(TransitGatewayOptions {
                security_group_referencing_support: "enable".into(),
                ..TransitGatewayOptions::default()
            }),
            ..TransitGateway::default()
        });
        let from = |n: usize| TransitGatewayPropagation {
            transit_gateway_attachment_id: format!("tgw-attach-{n:05}"),
            state: "enabled".into(),
            ..TransitGatewayPropagation::default()
        };
        net.transit_gateway_route_tables.push(TransitGatewayRouteTable {
            transit_gateway_route_table_id: format!("tgw-rtb-{:05}", v / SPOKES),
            transit_gateway_id: tgw.into(),
            routes: Some(Vec::new()),
            propagations: Some((v..v + SPOKES).map(from).collect()),
            ..TransitGatewayRouteTable::default()
        });
    }
    net.transit_gateway_attachments.push(TransitGatewayAttachment {
        transit_gateway_attachment_id: format!("tgw-attach-{v:05}"),
        transit_gateway_id: tgw.into(),
        resource_type: "vpc".into(),
        resource_id: format!("vpc-{v:05}"),
        state: "available".into(),
        association: Some(TransitGatewayAssociation {
            transit_gateway_route_table_id: format!("tgw-rtb-{:05}", v / SPOKES),
            ..TransitGatewayAssociation::default()
        }),
        subnet_ids: vec![format!("subnet-{v:05}-2"), format!("subnet-{v:05}-3")],
        ..TransitGatewayAttachment::default()
    });
}
