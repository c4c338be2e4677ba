//! The written cases of the network engine, live: each small network is built in the test cloud by API, collected with the
//! built program, and judged as its file is. What the cloud does not have (see `supported`) stays with the files alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

#[path = "network/dsl.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod dsl;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{DomainType, IcmpTypeCode, IpPermission, IpRange, Ipv6Range, PortRange, RuleAction, UserIdGroupPair};
use bartizan::model::estate;
use bartizan::model::network::{self as model, Network};
use bartizan::network::build::build;
use bartizan::network::net::Net;
use bartizan::network::packets::cidr;
use bartizan::network::reach::{Verdict, can, resolve, service};
use dsl::Case;
use support::{Cloud, Options, run};

const REGION: &str = dsl::REGION;
/// The files whose cases are built; the other files are of what the cloud lacks.
const FILES: &[&str] = &["01-security-groups.txt", "02-network-acls.txt", "03-routes.txt", "05-between-vpcs.txt"];

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/cases");
    let read = |file: &&str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        dsl::read(&text).into_iter().map(|case| ((*file).to_owned(), case)).collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

/// The network of a case that the cloud can have; none where it lacks something.
fn supported(case: &Case) -> Option<&Network> {
    let [region] = case.estate.regions.as_slice() else { return None };
    let n = &region.network;
    let lacking = !n.nat_gateways.is_empty()
        || !n.instances.is_empty()
        || !n.egress_only_gateways.is_empty()
        || !n.transit_gateway_attachments.is_empty()
        || !n.vpn_gateways.is_empty()
        || !n.endpoints.is_empty()
        || !n.load_balancers.is_empty()
        || !n.prefix_lists.is_empty()
        || !case.estate.coverage.is_empty();
    // IPv6 ranges of VPCs are AWS's choice, and so differ.
    let six = n.vpcs.iter().any(|v| v.cidrs().iter().any(|c| c.contains(':')))
        || n.network_acls.iter().any(|a| !a.is_default && a.entries.iter().any(|e| !e.ipv6_cidr_block.is_empty()))
        || n.interfaces.iter().any(|i| !i.ipv6_addresses.is_empty());
    let known = |id: &str| id.is_empty() || n.security_groups.iter().any(|g| g.group_id == id);
    let dangling = n.interfaces.iter().any(|i| {
        i.groups.iter().any(|g| !known(&g.group_id))
            || !matches!(i.interface_type.as_str(), "" | "interface")
            || i.source_dest_check == Some(false)
    }) || n
        .security_groups
        .iter()
        .flat_map(|g| g.ip_permissions.iter().chain(&g.ip_permissions_egress))
        .any(|p| p.user_id_group_pairs.iter().any(|pair| !known(&pair.group_id)) || !p.prefix_list_ids.is_empty());
    let routes = n.route_tables.iter().any(|t| {
        t.associations.iter().any(|a| !a.gateway_id.is_empty())
            || t.routes.iter().any(|r| {
                let target = r.target();
                let igw = n.internet_gateways.iter().any(|g| g.internet_gateway_id == target);
                let pcx = n.peerings.iter().any(|p| p.vpc_peering_connection_id == target);
                r.state == "blackhole" || r.origin == "EnableVgwRoutePropagation" || !(target == "local" || igw || pcx)
            })
    });
    let peerings = n.peerings.iter().any(|p| {
        let side = |s: &Option<model::PeerVpc>| s.as_ref().is_some_and(|s| n.vpcs.iter().any(|v| v.vpc_id == s.vpc_id));
        !side(&p.requester_vpc_info) || !side(&p.accepter_vpc_info) || p.status.as_ref().is_some_and(|s| s.state != "active")
    });
    let bare = n.vpcs.iter().any(|v| {
        v.cidr_block.is_empty()
            || !n.route_tables.iter().any(|t| t.vpc_id == v.vpc_id && t.associations.iter().any(|a| a.main))
            || !n.network_acls.iter().any(|a| a.is_default && a.vpc_id == v.vpc_id && a.entries.len() == 4)
    });
    // The cloud forgets an ACL entry's ICMP type.
    let forgotten = n.network_acls.iter().flat_map(|a| &a.entries).any(|e| e.icmp_type_code.is_some());
    // AWS takes no such thing; only a file can have it.
    let bad = |text: &str| !text.is_empty() && cidr(text).is_err();
    let malformed = n
        .security_groups
        .iter()
        .flat_map(|g| g.ip_permissions.iter().chain(&g.ip_permissions_egress))
        .any(|p| p.ip_ranges.iter().any(|r| bad(&r.cidr_ip)) || p.ipv6_ranges.iter().any(|r| bad(&r.cidr_ipv6)))
        || n.network_acls.iter().flat_map(|a| &a.entries).any(|e| bad(&e.cidr_block))
        || n.route_tables.iter().flat_map(|t| &t.routes).any(|r| bad(r.destination()));
    (!(malformed || forgotten || lacking || six || dangling || routes || peerings || bare)).then_some(n)
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
    for peering in &n.peerings {
        let side = |s: &Option<model::PeerVpc>| ids[&s.as_ref().unwrap().vpc_id].clone();
        let (a, b) = (side(&peering.requester_vpc_info), side(&peering.accepter_vpc_info));
        let made = ec2.create_vpc_peering_connection().vpc_id(a).peer_vpc_id(b).send().await.unwrap();
        let id = made.vpc_peering_connection.unwrap().vpc_peering_connection_id.unwrap();
        ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&id).send().await.unwrap();
        ids.insert(peering.vpc_peering_connection_id.clone(), id);
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
            let call = if route.destination_ipv6_cidr_block.is_empty() {
                call.destination_cidr_block(route.destination())
            } else {
                call.destination_ipv6_cidr_block(route.destination())
            };
            let target = &ids[route.target()];
            let call = if target.starts_with("igw-") { call.gateway_id(target) } else { call.vpc_peering_connection_id(target) };
            call.send().await.unwrap();
        }
        ids.insert(table.route_table_id.clone(), id);
    }
    Box::pin(guards(ec2, n, &mut ids)).await;
    for interface in &n.interfaces {
        let groups = interface.groups.iter().map(|g| ids[&g.group_id].clone()).collect();
        let call = ec2.create_network_interface().subnet_id(&ids[&interface.subnet_id]).set_groups(Some(groups));
        let made = call.private_ip_address(&interface.private_ip_address).send().await.unwrap();
        let id = made.network_interface.unwrap().network_interface_id.unwrap();
        if !interface.public_addresses().is_empty() {
            let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
            let call = ec2.associate_address().allocation_id(address.allocation_id.unwrap()).network_interface_id(&id);
            call.send().await.unwrap();
        }
        ids.insert(interface.network_interface_id.clone(), id);
    }
    ids
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
    let cases: Vec<(String, Case)> = cases().into_iter().filter(|(_, case)| supported(case).is_some()).collect();
    let (cloud, made) = run(async {
        let ec2 = Client::new(&cloud.config(REGION));
        let mut made = Vec::new();
        for (file, case) in cases {
            let ids = Box::pin(make(&ec2, supported(&case).unwrap())).await;
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
            let name = |text: &str| if text == "internet" { Some(text.to_owned()) } else { ids.get(text).cloned() };
            // Addresses overlap between cases, and public ones are the cloud's choice: only names are asked.
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
    eprintln!("{} networks, {asked} questions", made.len());
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(made.len() >= 40 && asked >= 60, "only {} networks and {asked} questions are live", made.len());
}
