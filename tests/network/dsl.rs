//! Small networks as text: one object a line, turned into an estate in AWS's shapes. `tests/network/cases/README.md`
//! has the words.

use std::collections::BTreeMap;

use bartizan::model::account::{Account, Attribution, Environment};
use bartizan::model::estate::Estate;
use bartizan::model::network::*;
use serde_json::json;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";

/// What should reach something from the internet, or from a named part of it.
#[derive(Debug)]
pub struct Exposed {
    pub expect: String,
    pub target: String,
    pub service: String,
    /// The load balancer's name; empty for none.
    pub via: String,
    /// As an exposure tells it; empty where it does not matter.
    pub from: String,
    pub line: usize,
}

/// One question with the answer it should have.
#[derive(Debug)]
pub struct Ask {
    pub expect: String,
    pub from: String,
    pub to: String,
    pub service: String,
    /// Words that must occur in the rules on the way (`via`) or among the stops (`stop`).
    pub words: Vec<(String, String)>,
    pub line: usize,
}

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub page: String,
    pub estate: Estate,
    pub asks: Vec<Ask>,
    pub exposed: Vec<Exposed>,
}

/// Options of a line: `key=value` words, and the plain words.
struct Words<'t> {
    plain: Vec<&'t str>,
    keys: BTreeMap<&'t str, &'t str>,
}

fn words(line: &str) -> Words<'_> {
    let mut out = Words { plain: Vec::new(), keys: BTreeMap::new() };
    for word in line.split_whitespace() {
        match word.split_once('=') {
            Some((key, value)) if !key.contains(':') => drop(out.keys.insert(key, value)),
            _ => out.plain.push(word),
        }
    }
    out
}

fn list(text: Option<&&str>) -> Vec<String> {
    text.map(|t| t.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

fn state(word: &str) -> Option<State> {
    Some(State { state: word.to_owned(), ..State::default() })
}

fn is_v6(text: &str) -> bool {
    text.contains(':')
}

fn named(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("Name".to_owned(), name.to_owned())])
}

/// Reads a file of cases.
pub fn read(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut common: Vec<(usize, String)> = Vec::new();
    let mut current: Option<(String, Vec<(usize, String)>)> = None;
    for (n, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix("case ") {
            cases.extend(current.take().map(|(name, lines)| case(&name, &lines)));
            current = Some((name.trim().to_owned(), common.clone()));
        } else if line == "common" {
            cases.extend(current.take().map(|(name, lines)| case(&name, &lines)));
            common.clear();
        } else {
            match &mut current {
                Some((_, lines)) => lines.push((n + 1, line.to_owned())),
                None => common.push((n + 1, line.to_owned())),
            }
        }
    }
    cases.extend(current.take().map(|(name, lines)| case(&name, &lines)));
    cases
}

fn case(name: &str, lines: &[(usize, String)]) -> Case {
    let mut page = String::new();
    let mut asks: Vec<Ask> = Vec::new();
    let mut exposed: Vec<Exposed> = Vec::new();
    let mut net: Vec<&str> = Vec::new();
    for (n, line) in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "page" => rest.clone_into(&mut page),
            "ask" => {
                let parts: Vec<&str> = rest.split_whitespace().collect();
                let [expect, from, "->", to, service] = parts.as_slice() else { panic!("line {n}: {line}") };
                let text = |t: &&str| (*t).to_owned();
                let (expect, from, to, service) = (text(expect), text(from), text(to), text(service));
                asks.push(Ask { expect, from, to, service, words: Vec::new(), line: *n });
            }
            "exposed" => {
                let w = words(rest);
                let [expect, target, service] = w.plain.as_slice() else { panic!("line {n}: {line}") };
                let key = |k: &str| w.keys.get(k).copied().unwrap_or_default().to_owned();
                let (expect, target, service) = ((*expect).to_owned(), (*target).to_owned(), (*service).to_owned());
                exposed.push(Exposed { expect, target, service, via: key("via"), from: key("from"), line: *n });
            }
            "via" | "stop" | "doubt" | "inspected" | "only" | "noasks" => {
                asks.last_mut().unwrap_or_else(|| panic!("line {n}: {word} before ask")).words.push((word.into(), rest.into()));
            }
            _ => net.push(line),
        }
    }
    Case { name: name.to_owned(), page, estate: estate(&net), asks, exposed }
}

/// Builds an estate from lines; what a VPC needs and no line gives (main table, default ACL, an open group) is made.
pub fn estate(lines: &[&str]) -> Estate {
    let mut estate = Estate::default();
    let mut account = Account::bare(ACCOUNT);
    account.environment = Attribution::new(Environment::Production, "explicit");
    estate.put_account(account);
    let mut bare: Vec<String> = Vec::new();
    let mut homes: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        one(&mut estate, &mut bare, &mut homes, word, &words(rest)).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    let parts: Vec<(String, String)> = estate.regions.iter().map(|r| (r.account.clone(), r.region.clone())).collect();
    for (account, region) in parts {
        defaults(&mut estate.region_mut(&account, &region).network, &bare);
    }
    estate
}

/// What AWS makes with a VPC: a main route table, a default network ACL that allows everything.
fn defaults(net: &mut Network, bare: &[String]) {
    for vpc in net.vpcs.clone() {
        if bare.contains(&vpc.vpc_id) {
            continue;
        }
        let of_vpc = |t: &&mut RouteTable| t.vpc_id == vpc.vpc_id && t.associations.iter().any(|a| a.main);
        if net.route_tables.iter_mut().find(of_vpc).is_none() {
            net.route_tables.push(RouteTable {
                route_table_id: format!("rtb-main-{}", vpc.vpc_id),
                vpc_id: vpc.vpc_id.clone(),
                associations: vec![RouteTableAssociation { main: true, ..RouteTableAssociation::default() }],
                ..RouteTable::default()
            });
        }
        for table in net.route_tables.iter_mut().filter(|t| t.vpc_id == vpc.vpc_id) {
            for cidr in vpc.cidrs() {
                if table.routes.iter().any(|r| r.destination() == cidr) {
                    continue;
                }
                let mut route = Route { gateway_id: "local".into(), state: "active".into(), ..Route::default() };
                if is_v6(cidr) { &mut route.destination_ipv6_cidr_block } else { &mut route.destination_cidr_block }
                    .push_str(cidr);
                table.routes.push(route);
            }
        }
        if !net.network_acls.iter().any(|a| a.vpc_id == vpc.vpc_id && a.is_default) {
            let mut acl = NetworkAcl {
                network_acl_id: format!("acl-default-{}", vpc.vpc_id),
                vpc_id: vpc.vpc_id.clone(),
                is_default: true,
                ..NetworkAcl::default()
            };
            for egress in [false, true] {
                for (number, cidr) in [(100, "0.0.0.0/0"), (101, "::/0")] {
                    acl.entries.push(entry(number, egress, "allow", "-1", "", cidr));
                }
            }
            net.network_acls.push(acl);
        }
    }
}

pub fn entry(number: i64, egress: bool, action: &str, protocol: &str, ports: &str, cidr: &str) -> AclEntry {
    let mut e = AclEntry { rule_number: Some(number), egress, rule_action: action.into(), ..AclEntry::default() };
    e.protocol = match protocol {
        "tcp" => "6",
        "udp" => "17",
        "icmp" => "1",
        "icmpv6" => "58",
        "all" => "-1",
        other => other,
    }
    .into();
    if is_v6(cidr) { &mut e.ipv6_cidr_block } else { &mut e.cidr_block }.push_str(cidr);
    let bounds = |t: &str| {
        let (a, b) = t.split_once('-').unwrap_or((t, t));
        (a.parse().ok(), b.parse().ok())
    };
    if matches!(protocol, "icmp" | "icmpv6" | "1" | "58") {
        let (kind, code) = ports.split_once(':').unwrap_or((ports, "-1"));
        let kind = if matches!(ports, "" | "*") { Some(-1) } else { kind.parse().ok() };
        e.icmp_type_code = Some(IcmpTypeCode { kind, code: code.parse().ok(), ..IcmpTypeCode::default() });
    } else if !matches!(ports, "" | "*") {
        let (from, to) = bounds(ports);
        e.port_range = Some(PortRange { from, to, ..PortRange::default() });
    }
    e
}

pub fn permission(protocol: &str, ports: &str, peer: &str) -> IpPermission {
    let mut p =
        IpPermission { ip_protocol: if protocol == "all" { "-1".into() } else { protocol.into() }, ..IpPermission::default() };
    if matches!(protocol, "icmp" | "icmpv6" | "1" | "58") {
        let (kind, code) = ports.split_once(':').unwrap_or((ports, "-1"));
        p.from_port = if matches!(ports, "" | "*") { Some(-1) } else { kind.parse().ok() };
        p.to_port = code.parse().ok();
    } else if !matches!(ports, "" | "*") {
        let (a, b) = ports.split_once('-').unwrap_or((ports, ports));
        (p.from_port, p.to_port) = (a.parse().ok(), b.parse().ok());
    }
    if peer.starts_with("pl-") {
        p.prefix_list_ids.push(PrefixListRef { prefix_list_id: peer.into(), ..PrefixListRef::default() });
    } else if peer.starts_with("sg-") {
        p.user_id_group_pairs.push(GroupPair { group_id: peer.into(), user_id: ACCOUNT.into(), ..GroupPair::default() });
    } else if is_v6(peer) {
        p.ipv6_ranges.push(Ipv6Range { cidr_ipv6: peer.into(), ..Ipv6Range::default() });
    } else {
        p.ip_ranges.push(IpRange { cidr_ip: peer.into(), ..IpRange::default() });
    }
    p
}

type Homes = BTreeMap<String, (String, String)>;

fn one(estate: &mut Estate, bare: &mut Vec<String>, homes: &mut Homes, word: &str, w: &Words<'_>) -> Result<(), String> {
    let p = |n: usize| w.plain.get(n).copied().ok_or_else(|| format!("word {n} is missing"));
    let key = |k: &str| w.keys.get(k).copied().unwrap_or_default().to_owned();
    // An object stands where its VPC (or the object it is named after) stands.
    let default = (ACCOUNT.to_owned(), REGION.to_owned());
    let place = |homes: &Homes, of: &str| homes.get(of).cloned().unwrap_or_else(|| default.clone());
    match word {
        "account" => {
            let mut account = Account::bare(p(0)?);
            account.name = key("name");
            if let Some(e) = Environment::from_tag(&key("environment")) {
                account.environment = Attribution::new(e, "explicit");
            }
            estate.put_account(account);
            return Ok(());
        }
        "bare" => {
            bare.push(format!("vpc-{}", p(0)?));
            return Ok(());
        }
        "denied" => {
            estate.put_coverage([bartizan::model::coverage::Coverage {
                account: ACCOUNT.into(),
                region: REGION.into(),
                api: p(0)?.into(),
                outcome: bartizan::model::coverage::Outcome::Denied,
                reason: String::new(),
                count: 0,
                at: jiff::Timestamp::UNIX_EPOCH,
            }]);
            return Ok(());
        }
        _ => {}
    }
    let id = p(0)?.to_owned();
    let parent = match word {
        "vpc" | "tgw" | "list" => {
            let account = w.keys.get("account").copied().unwrap_or(ACCOUNT).to_owned();
            let region = w.keys.get("region").copied().unwrap_or(REGION).to_owned();
            (account, region)
        }
        "route" | "entry" | "allow" | "troute" | "propagate" | "associate" | "member" | "listener" | "rule" | "rules" => {
            place(homes, &id)
        }
        _ => place(homes, p(1)?),
    };
    homes.insert(id.clone(), parent.clone());
    let (account, region) = parent;
    let owner = account.clone();
    let subnet_vpc = |net: &Network, subnet: &str| {
        let s = net.subnets.iter().find(|s| s.subnet_id == format!("subnet-{subnet}"));
        s.map(|s| s.vpc_id.clone()).ok_or_else(|| format!("no subnet {subnet}"))
    };
    let net = &mut estate.region_mut(&account, &region).network;
    match word {
        "vpc" => {
            let v4: Vec<&&str> = w.plain[1..].iter().filter(|c| !is_v6(c)).collect();
            let set = |cidr: &str, v6: bool| {
                let (a, b) = if v6 { (String::new(), cidr.to_owned()) } else { (cidr.to_owned(), String::new()) };
                let private = v6 && w.keys.contains_key("six");
                let attribute = if private { key("six") } else { String::new() };
                CidrAssociation {
                    cidr_block: a,
                    ipv6_cidr_block: b,
                    ipv6_address_attribute: attribute,
                    ..CidrAssociation::default()
                }
            };
            net.vpcs.push(Vpc {
                vpc_id: format!("vpc-{id}"),
                owner_id: owner,
                cidr_block: v4.first().map(|c| (**c).to_owned()).unwrap_or_default(),
                cidr_block_association_set: v4.iter().map(|c| set(c, false)).collect(),
                ipv6_cidr_block_association_set: w.plain[1..].iter().filter(|c| is_v6(c)).map(|c| set(c, true)).collect(),
                tags: named(&id),
                ..Vpc::default()
            });
            // An open group for interfaces that name none.
            let mut group = SecurityGroup {
                group_id: format!("sg-any-{id}"),
                group_name: "any".into(),
                vpc_id: format!("vpc-{id}"),
                ..SecurityGroup::default()
            };
            for cidr in ["0.0.0.0/0", "::/0"] {
                group.ip_permissions.push(permission("all", "", cidr));
                group.ip_permissions_egress.push(permission("all", "", cidr));
            }
            net.security_groups.push(group);
        }
        "subnet" => {
            let v6 = w.plain[2..].iter().find(|c| is_v6(c));
            net.subnets.push(Subnet {
                subnet_id: format!("subnet-{id}"),
                vpc_id: format!("vpc-{}", p(1)?),
                owner_id: owner,
                cidr_block: w.plain[2..].iter().find(|c| !is_v6(c)).map(|c| (*c).to_owned()).unwrap_or_default(),
                ipv6_cidr_block_association_set: v6
                    .map(|c| CidrAssociation { ipv6_cidr_block: (*c).to_owned(), ..CidrAssociation::default() })
                    .into_iter()
                    .collect(),
                availability_zone: w.keys.get("zone").map_or_else(|| format!("{region}a"), |z| format!("{region}{z}")),
                block_public_access_states: w.keys.get("bpa").map(|mode| BlockPublicAccess {
                    internet_gateway_block_mode: (*mode).to_owned(),
                    ..BlockPublicAccess::default()
                }),
                tags: named(&id),
                ..Subnet::default()
            });
        }
        // exclusions NAME VPC ; exclude NAME VPC subnet/ID|vpc/ID MODE
        "exclusions" => drop(net.public_access_exclusions.get_or_insert_default()),
        "exclude" => net.public_access_exclusions.get_or_insert_default().push(BlockPublicAccessExclusion {
            exclusion_id: format!("vpcbpa-exclude-{id}"),
            resource_arn: format!("arn:aws:ec2:{region}:{account}:{}", p(2)?),
            internet_gateway_exclusion_mode: p(3)?.into(),
            state: w.keys.get("state").copied().unwrap_or("create-complete").to_owned(),
            ..BlockPublicAccessExclusion::default()
        }),
        "igw" | "eigw" => {
            let gateway = Gateway {
                internet_gateway_id: format!("{word}-{id}"),
                attachments: vec![GatewayAttachment {
                    vpc_id: format!("vpc-{}", p(1)?),
                    state: "attached".into(),
                    ..GatewayAttachment::default()
                }],
                ..Gateway::default()
            };
            if word == "igw" { net.internet_gateways.push(gateway) } else { net.egress_only_gateways.push(gateway) }
        }
        "vgw" => net.vpn_gateways.push(VpnGateway {
            vpn_gateway_id: format!("vgw-{id}"),
            state: "available".into(),
            vpc_attachments: vec![GatewayAttachment {
                vpc_id: format!("vpc-{}", p(1)?),
                state: "attached".into(),
                ..GatewayAttachment::default()
            }],
            ..VpnGateway::default()
        }),
        "table" => {
            let mut associations: Vec<RouteTableAssociation> = list(w.keys.get("subnets"))
                .iter()
                .map(|s| RouteTableAssociation { subnet_id: format!("subnet-{s}"), ..RouteTableAssociation::default() })
                .collect();
            if w.plain.contains(&"main") {
                associations.push(RouteTableAssociation { main: true, ..RouteTableAssociation::default() });
            }
            if w.keys.contains_key("edge") {
                associations.push(RouteTableAssociation { gateway_id: key("edge"), ..RouteTableAssociation::default() });
            }
            net.route_tables.push(RouteTable {
                route_table_id: format!("rtb-{id}"),
                vpc_id: format!("vpc-{}", p(1)?),
                associations,
                ..RouteTable::default()
            });
        }
        "route" => {
            let (dest, target) = (p(1)?.to_owned(), p(2)?.to_owned());
            let mut r =
                Route { state: if w.plain.contains(&"blackhole") { "blackhole" } else { "active" }.into(), ..Route::default() };
            r.origin = if w.plain.contains(&"propagated") { "EnableVgwRoutePropagation" } else { "CreateRoute" }.into();
            if dest.starts_with("pl-") {
                r.destination_prefix_list_id = dest;
            } else if is_v6(&dest) {
                r.destination_ipv6_cidr_block = dest;
            } else {
                r.destination_cidr_block = dest;
            }
            let slot = match target.split_once('-').map(|(a, _)| a) {
                Some("nat") => &mut r.nat_gateway_id,
                Some("eni") => &mut r.network_interface_id,
                Some("i") => &mut r.instance_id,
                Some("pcx") => &mut r.vpc_peering_connection_id,
                Some("tgw") => &mut r.transit_gateway_id,
                Some("eigw") => &mut r.egress_only_internet_gateway_id,
                Some("lgw") => &mut r.local_gateway_id,
                Some("arn") => &mut r.core_network_arn,
                _ => &mut r.gateway_id,
            };
            *slot = target;
            let table = net.route_tables.iter_mut().find(|t| t.route_table_id == format!("rtb-{id}"));
            table.ok_or("no such table")?.routes.push(r);
        }
        "acl" => net.network_acls.push(NetworkAcl {
            network_acl_id: format!("acl-{id}"),
            vpc_id: format!("vpc-{}", p(1)?),
            is_default: w.plain.contains(&"default"),
            associations: list(w.keys.get("subnets"))
                .iter()
                .map(|s| AclAssociation { subnet_id: format!("subnet-{s}"), ..AclAssociation::default() })
                .collect(),
            ..NetworkAcl::default()
        }),
        // entry ACL in|out NUMBER allow|deny PROTOCOL PORTS CIDR
        "entry" => {
            let number = p(2)?.parse().map_err(|_| "no number")?;
            let made = entry(number, p(1)? == "out", p(3)?, p(4)?, p(5)?, p(6)?);
            let acl = net.network_acls.iter_mut().find(|a| a.network_acl_id == format!("acl-{id}"));
            acl.ok_or("no such acl")?.entries.push(made);
        }
        "group" => net.security_groups.push(SecurityGroup {
            group_id: format!("sg-{id}"),
            group_name: id,
            vpc_id: format!("vpc-{}", p(1)?),
            owner_id: owner,
            ..SecurityGroup::default()
        }),
        // allow GROUP in|out PROTOCOL PORTS PEER
        "allow" => {
            let made = permission(p(2)?, p(3)?, p(4)?);
            let group = net.security_groups.iter_mut().find(|g| g.group_id == format!("sg-{id}")).ok_or("no such group")?;
            if p(1)? == "out" { group.ip_permissions_egress.push(made) } else { group.ip_permissions.push(made) }
        }
        "eni" | "instance" => {
            let vpc = subnet_vpc(net, p(1)?)?;
            let association = |ip: &str| Association { public_ip: ip.to_owned(), ..Association::default() };
            let mut private: Vec<PrivateAddress> = Vec::new();
            for (n, text) in w.plain[2..].iter().filter(|a| !is_v6(a)).enumerate() {
                let (a, public) = text.split_once('/').unwrap_or((text, ""));
                private.push(PrivateAddress {
                    private_ip_address: a.to_owned(),
                    primary: n == 0,
                    association: (!public.is_empty()).then(|| association(public)),
                    ..PrivateAddress::default()
                });
            }
            let groups = if w.keys.contains_key("groups") {
                list(w.keys.get("groups")).iter().filter(|g| *g != "none").map(|g| format!("sg-{g}")).collect()
            } else {
                vec![format!("sg-any-{}", vpc.trim_start_matches("vpc-"))]
            };
            let kind = w.keys.get("kind").copied().unwrap_or("interface");
            net.interfaces.push(Interface {
                network_interface_id: format!("eni-{id}"),
                vpc_id: vpc.clone(),
                subnet_id: format!("subnet-{}", p(1)?),
                owner_id: owner,
                interface_type: kind.to_owned(),
                description: key("description").replace('+', " "),
                private_ip_address: private.first().map(|a| a.private_ip_address.clone()).unwrap_or_default(),
                private_ip_addresses: private,
                ipv6_addresses: w.plain[2..]
                    .iter()
                    .filter(|a| is_v6(a))
                    .map(|a| Ipv6Address { ipv6_address: (*a).to_owned(), ..Ipv6Address::default() })
                    .collect(),
                groups: groups.into_iter().map(|group_id| GroupRef { group_id, ..GroupRef::default() }).collect(),
                source_dest_check: Some(key("check") != "off"),
                attachment: (word == "instance" || w.keys.contains_key("of")).then(|| Attachment {
                    instance_id: w.keys.get("of").map_or_else(|| format!("i-{id}"), |of| format!("i-{of}")),
                    device_index: w.keys.get("index").and_then(|n| n.parse().ok()),
                    ..Attachment::default()
                }),
                status: "in-use".into(),
                tags: named(&id),
                ..Interface::default()
            });
            if word == "instance" {
                let running = w.keys.get("state").copied().unwrap_or("running").to_owned();
                net.instances.push(Instance {
                    instance_id: format!("i-{id}"),
                    vpc_id: vpc,
                    subnet_id: format!("subnet-{}", p(1)?),
                    state: Some(InstanceState { name: running, ..InstanceState::default() }),
                    iam_instance_profile: w.keys.get("role").map(|r| ProfileRef {
                        arn: format!("arn:aws:iam::{account}:instance-profile/{r}"),
                        ..ProfileRef::default()
                    }),
                    ..Instance::default()
                });
            }
        }
        // nat NAME SUBNET PRIVATE[/PUBLIC] [more=PRIVATE/PUBLIC] [private] [state=]
        "nat" => {
            let vpc = subnet_vpc(net, p(1)?)?;
            let (private, public) = p(2)?.split_once('/').unwrap_or((p(2)?, ""));
            net.nat_gateways.push(NatGateway {
                nat_gateway_id: format!("nat-{id}"),
                vpc_id: vpc.clone(),
                subnet_id: format!("subnet-{}", p(1)?),
                state: w.keys.get("state").copied().unwrap_or("available").to_owned(),
                connectivity_type: if w.plain.contains(&"private") { "private" } else { "public" }.into(),
                nat_gateway_addresses: std::iter::once((private, public))
                    .chain(w.keys.get("more").and_then(|m| m.split_once('/')))
                    .map(|(private, public)| NatAddress {
                        private_ip: private.to_owned(),
                        public_ip: public.to_owned(),
                        network_interface_id: format!("eni-nat-{id}"),
                        ..NatAddress::default()
                    })
                    .collect(),
                ..NatGateway::default()
            });
            net.interfaces.push(Interface {
                network_interface_id: format!("eni-nat-{id}"),
                vpc_id: vpc,
                subnet_id: format!("subnet-{}", p(1)?),
                interface_type: "nat_gateway".into(),
                private_ip_address: private.to_owned(),
                association: (!public.is_empty()).then(|| Association { public_ip: public.to_owned(), ..Association::default() }),
                source_dest_check: Some(false),
                ..Interface::default()
            });
        }
        "pcx" => {
            let (a, b) = (format!("vpc-{}", p(1)?), format!("vpc-{}", p(2)?));
            let (status, remote) = (w.keys.get("status").copied().unwrap_or("active").to_owned(), key("region"));
            let all: Vec<(String, Vpc)> =
                estate.regions.iter().flat_map(|r| r.network.vpcs.iter().map(|v| (r.region.clone(), v.clone()))).collect();
            let side = |id: &str| {
                let found = all.iter().find(|(_, v)| v.vpc_id == id);
                let cidrs = found.map(|(_, v)| v.cidrs().into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap_or_default();
                let set = |v6: bool| {
                    cidrs
                        .iter()
                        .filter(|c| is_v6(c) == v6)
                        .map(|c| CidrAssociation {
                            cidr_block: if v6 { String::new() } else { c.clone() },
                            ipv6_cidr_block: if v6 { c.clone() } else { String::new() },
                            ..CidrAssociation::default()
                        })
                        .collect()
                };
                PeerVpc {
                    vpc_id: id.to_owned(),
                    owner_id: ACCOUNT.into(),
                    region: found
                        .map_or_else(|| if remote.is_empty() { REGION.to_owned() } else { remote.clone() }, |(r, _)| r.clone()),
                    cidr_block: w.keys.get("cidr").map(|c| (*c).to_owned()).filter(|_| found.is_none()).unwrap_or_default(),
                    cidr_block_set: set(false),
                    ipv6_cidr_block_set: set(true),
                    ..PeerVpc::default()
                }
            };
            let made = Peering {
                vpc_peering_connection_id: format!("pcx-{id}"),
                requester_vpc_info: Some(side(&a)),
                accepter_vpc_info: Some(side(&b)),
                status: state(&status),
                ..Peering::default()
            };
            estate.region_mut(&account, &region).network.peerings.push(made);
        }
        "tgw" => net.transit_gateways.push(TransitGateway {
            transit_gateway_id: format!("tgw-{id}"),
            owner_id: owner,
            state: "available".into(),
            options: (!w.plain.contains(&"nooptions")).then(|| TransitGatewayOptions {
                security_group_referencing_support: if w.plain.contains(&"sgref") { "enable" } else { "disable" }.into(),
                ..TransitGatewayOptions::default()
            }),
            ..TransitGateway::default()
        }),
        // attach NAME TGW vpc:NAME|vpn:ID|peering:TGW [subnets=] [table=] [state=] [sgref=]
        "attach" => {
            let (kind, resource) = p(2)?.split_once(':').ok_or("kind:resource")?;
            net.transit_gateway_attachments.push(TransitGatewayAttachment {
                transit_gateway_attachment_id: format!("tgw-attach-{}", w.keys.get("same").copied().unwrap_or(&id)),
                transit_gateway_id: format!("tgw-{}", p(1)?),
                transit_gateway_owner_id: owner,
                resource_type: if kind == "dx" { "direct-connect-gateway" } else { kind }.into(),
                resource_id: match kind {
                    "vpc" => format!("vpc-{resource}"),
                    "peering" => format!("tgw-{resource}"),
                    _ => resource.to_owned(),
                },
                state: w.keys.get("state").copied().unwrap_or("available").to_owned(),
                association: w.keys.get("table").map(|t| TransitGatewayAssociation {
                    transit_gateway_route_table_id: format!("tgw-rtb-{t}"),
                    ..TransitGatewayAssociation::default()
                }),
                subnet_ids: list(w.keys.get("subnets")).iter().map(|s| format!("subnet-{s}")).collect(),
                options: w.keys.get("sgref").map(|word| TransitGatewayAttachmentOptions {
                    security_group_referencing_support: (*word).to_owned(),
                    ..TransitGatewayAttachmentOptions::default()
                }),
                ..TransitGatewayAttachment::default()
            });
        }
        "ttable" => net.transit_gateway_route_tables.push(TransitGatewayRouteTable {
            transit_gateway_route_table_id: format!("tgw-rtb-{id}"),
            transit_gateway_id: format!("tgw-{}", p(1)?),
            routes: (!w.plain.contains(&"unread")).then(Vec::new),
            propagations: (!w.plain.contains(&"unread")).then(Vec::new),
            ..TransitGatewayRouteTable::default()
        }),
        "troute" => {
            let to = p(2)?;
            let made = TransitGatewayRoute {
                destination_cidr_block: p(1)?.into(),
                kind: if w.plain.contains(&"propagated") { "propagated" } else { "static" }.into(),
                state: if to == "blackhole" { "blackhole" } else { "active" }.into(),
                transit_gateway_attachments: if to == "blackhole" {
                    Vec::new()
                } else {
                    vec![TransitGatewayPropagation {
                        transit_gateway_attachment_id: format!("tgw-attach-{to}"),
                        ..TransitGatewayPropagation::default()
                    }]
                },
                ..TransitGatewayRoute::default()
            };
            let table =
                net.transit_gateway_route_tables.iter_mut().find(|t| t.transit_gateway_route_table_id == format!("tgw-rtb-{id}"));
            table.ok_or("no such table")?.routes.get_or_insert_default().push(made);
        }
        "propagate" => {
            let made = TransitGatewayPropagation {
                transit_gateway_attachment_id: format!("tgw-attach-{}", p(1)?),
                state: "enabled".into(),
                ..TransitGatewayPropagation::default()
            };
            let table =
                net.transit_gateway_route_tables.iter_mut().find(|t| t.transit_gateway_route_table_id == format!("tgw-rtb-{id}"));
            table.ok_or("no such table")?.propagations.get_or_insert_default().push(made);
        }
        // endpoint NAME VPC KIND [service=] [subnets=] [enis=] [policy=own] [dns]
        "endpoint" => net.endpoints.push(Endpoint {
            vpc_endpoint_id: format!("vpce-{id}"),
            vpc_id: format!("vpc-{}", p(1)?),
            vpc_endpoint_type: p(2)?.into(),
            service_name: w
                .keys
                .get("service")
                .map_or_else(|| format!("com.amazonaws.{region}.s3"), |s| format!("com.amazonaws.{region}.{s}")),
            state: w.keys.get("state").copied().unwrap_or("available").to_owned(),
            subnet_ids: list(w.keys.get("subnets")).iter().map(|s| format!("subnet-{s}")).collect(),
            network_interface_ids: list(w.keys.get("enis")).iter().map(|s| format!("eni-{s}")).collect(),
            private_dns_enabled: w.plain.contains(&"dns"),
            policy_document: match key("policy").as_str() {
                "own" => r#"{"Statement":[{"Effect":"Deny","Action":"*","Principal":"*","Resource":"*"}]}"#.into(),
                "bucket" => {
                    r#"{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Principal":"*","Resource":"arn:aws:s3:::b/*"}]}"#
                        .into()
                }
                "junk" => "{".into(),
                other => other.strip_prefix("from:").map_or_else(String::new, |from| {
                    json!({"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "*", "Resource": "*",
                        "Condition": {"IpAddress": {"aws:VpcSourceIp": from}}}]})
                    .to_string()
                }),
            },
            ..Endpoint::default()
        }),
        "list" => net.prefix_lists.push(PrefixList {
            prefix_list_id: format!("pl-{id}"),
            owner_id: if w.plain.contains(&"aws") { "AWS".into() } else { owner },
            entries: w.plain[1..]
                .iter()
                .filter(|c| **c != "aws")
                .map(|c| PrefixListEntry { cidr: (*c).to_owned(), ..PrefixListEntry::default() })
                .collect(),
            ..PrefixList::default()
        }),
        // lb NAME VPC KIND SCHEME subnets= [groups=] ; listener LB PORT/PROTOCOL [TARGETGROUP] ; member
        "lb" => net.load_balancers.push(LoadBalancer {
            load_balancer_arn: lb_arn(&id),
            load_balancer_name: id.clone(),
            vpc_id: format!("vpc-{}", p(1)?),
            kind: p(2)?.into(),
            scheme: p(3)?.into(),
            security_groups: list(w.keys.get("groups")).iter().map(|g| format!("sg-{g}")).collect(),
            availability_zones: list(w.keys.get("subnets"))
                .iter()
                .map(|s| LoadBalancerZone { subnet_id: format!("subnet-{s}"), ..LoadBalancerZone::default() })
                .collect(),
            ..LoadBalancer::default()
        }),
        // classic NAME VPC SCHEME subnets= [groups=] [instances=a,b] ; listener NAME PORT/PROTOCOL to=PORT/PROTOCOL
        "classic" => {
            let ids = |key: &str, kind: &str| -> Vec<String> {
                list(w.keys.get(key)).iter().map(|one| format!("{kind}-{one}")).collect()
            };
            let instances: Vec<_> = ids("instances", "i").into_iter().map(|i| json!({"InstanceId": i})).collect();
            let told = json!({"LoadBalancerName": id, "VPCId": format!("vpc-{}", p(1)?), "Scheme": p(2)?, "Instances": instances,
                "Subnets": ids("subnets", "subnet"), "SecurityGroups": ids("groups", "sg")});
            let mut lb = LoadBalancer::classic(serde_json::from_value(told).map_err(|e| e.to_string())?);
            lb.load_balancer_arn = LoadBalancer::classic_arn(&region, &account, &id);
            net.load_balancers.push(lb);
        }
        "listener" if w.keys.contains_key("to") => {
            let (port, protocol) = p(1)?.split_once('/').ok_or("port/protocol")?;
            let to = key("to");
            let (behind, spoken) = to.split_once('/').unwrap_or((&to, protocol));
            let number = |text: &str| text.parse::<u16>().map_err(|_| "port");
            let told = json!({"ListenerDescriptions": [{"Listener": {"Protocol": protocol, "LoadBalancerPort": number(port)?,
                "InstanceProtocol": spoken, "InstancePort": number(behind)?}, "PolicyNames": []}]});
            let made = LoadBalancer::classic(serde_json::from_value(told).map_err(|e| e.to_string())?);
            let lb = net.load_balancers.iter_mut().find(|l| l.load_balancer_name == id).ok_or("no such lb")?;
            lb.listeners.extend(made.listeners);
        }
        "listener" => {
            let (port, protocol) = p(1)?.split_once('/').ok_or("port/protocol")?;
            let port: u16 = port.parse().map_err(|_| "port")?;
            let actions = match w.plain.get(2) {
                Some(group) => json!([{"Type": "forward", "TargetGroupArn": format!("arn:tg/{group}")}]),
                None => json!([]),
            };
            let lb = net.load_balancers.iter_mut().find(|l| l.load_balancer_name == id).ok_or("no such lb")?;
            let arn = format!("{}/{port}", lb.load_balancer_arn.replace(":loadbalancer/", ":listener/"));
            let value = json!({"ListenerArn": arn, "Port": port, "Protocol": protocol, "DefaultActions": actions});
            lb.listeners.push(serde_json::from_value(value).map_err(|e| e.to_string())?);
            if lb.kind == "application" {
                lb.rules.get_or_insert_default();
            }
        }
        // rules LB unread ; rule LB PORT PRIORITY ACTION [path=] [host=] [source=] [signin]
        "rules" => {
            let lb = net.load_balancers.iter_mut().find(|l| l.load_balancer_name == id).ok_or("no such lb")?;
            lb.rules = None;
        }
        "rule" => {
            let lb = net.load_balancers.iter_mut().find(|l| l.load_balancer_name == id).ok_or("no such lb")?;
            let (port, priority, action) = (p(1)?, p(2)?, p(3)?);
            let front = lb.load_balancer_arn.replace(":loadbalancer/", ":listener-rule/");
            let mut conditions = Vec::new();
            for (key, field, config) in [
                ("path", "path-pattern", "PathPatternConfig"),
                ("host", "host-header", "HostHeaderConfig"),
                ("source", "source-ip", "SourceIpConfig"),
            ] {
                let values = list(w.keys.get(key));
                if !values.is_empty() {
                    conditions.push(json!({"Field": field, config: {"Values": values}}));
                }
            }
            let mut actions =
                if w.plain.contains(&"signin") { vec![json!({"Type": "authenticate-oidc", "Order": 1})] } else { vec![] };
            actions.push(match action.strip_prefix("forward:") {
                Some(groups) => {
                    let one = |g: &str| {
                        let (name, weight) = g.split_once('*').unwrap_or((g, "1"));
                        json!({"TargetGroupArn": format!("arn:tg/{name}"), "Weight": weight.parse::<u16>().unwrap_or(1)})
                    };
                    json!({"Type": "forward", "ForwardConfig": {"TargetGroups": groups.split(',').map(one).collect::<Vec<_>>()}})
                }
                None => json!({"Type": action}),
            });
            let value = json!({"RuleArn": format!("{front}/{port}/{priority}"), "Priority": priority, "Conditions": conditions,
                "Actions": actions, "IsDefault": priority == "default"});
            lb.rules.get_or_insert_default().push(serde_json::from_value(value).map_err(|e| e.to_string())?);
        }
        // customer NAME VPC ADDRESS ; vpn NAME vgw-NAME|tgw-NAME cgw-NAME [down] [static=CIDR,…]
        "customer" => net.customer_gateways.push(CustomerGateway {
            customer_gateway_id: format!("cgw-{id}"),
            state: "available".into(),
            ip_address: p(2)?.into(),
            tags: named(&id),
            ..CustomerGateway::default()
        }),
        "vpn" => {
            let to = p(1)?;
            let slot = |kind: &str| if to.starts_with(kind) { to.to_owned() } else { String::new() };
            let routes = list(w.keys.get("static"));
            net.vpn_connections.push(VpnConnection {
                vpn_connection_id: format!("vpn-{id}"),
                customer_gateway_id: p(2)?.into(),
                vpn_gateway_id: slot("vgw-"),
                transit_gateway_id: slot("tgw-"),
                state: w.keys.get("state").copied().unwrap_or("available").to_owned(),
                options: Some(VpnOptions { static_routes_only: !routes.is_empty(), ..VpnOptions::default() }),
                routes: routes
                    .into_iter()
                    .map(|r| VpnStaticRoute { destination_cidr_block: r, state: "available".into(), ..VpnStaticRoute::default() })
                    .collect(),
                vgw_telemetry: vec![VpnTunnel {
                    status: if w.plain.contains(&"down") { "DOWN" } else { "UP" }.into(),
                    ..VpnTunnel::default()
                }],
                ..VpnConnection::default()
            });
        }
        // targets NAME LB PROTOCOL PORT instance|ip ID... [preserve=]
        "targets" => net.target_groups.push(TargetGroup {
            target_group_arn: format!("arn:tg/{id}"),
            target_group_name: id,
            protocol: p(2)?.into(),
            port: p(3)?.parse().ok(),
            target_type: p(4)?.into(),
            load_balancer_arns: vec![lb_arn(p(1)?)],
            targets: Some(
                w.plain[5..]
                    .iter()
                    .map(|t| Target { id: (*t).to_owned(), port: p(3).ok().and_then(|x| x.parse().ok()), ..Target::default() })
                    .collect(),
            ),
            preserve_client_ip: w.keys.get("preserve").map(|v| *v == "true"),
            ..TargetGroup::default()
        }),
        other => return Err(format!("{other:?} is no word of this language")),
    }
    Ok(())
}

pub fn lb_arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{name}/0123456789abcdef")
}
