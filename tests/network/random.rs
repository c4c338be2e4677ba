//! Random networks and packets: the set engine against the one-packet simulator, both directions.

use std::net::IpAddr;

use bartizan::model::network::Network;
use bartizan::network::build::build;
use bartizan::network::exposure::{NothingKnown, Source, exposures};
use bartizan::network::matrix::flows;
use bartizan::network::net::{Net, Object};
use bartizan::network::packets::{Addresses, Packet, PacketSet, Ranges, Region as _, Service};
use bartizan::network::reach::Verdict;
use bartizan::network::walk::{Deed, End, packets_between, walk};

use crate::dsl::{ACCOUNT, REGION, estate};
use crate::simulator::{From, Pkt, Sim};

/// SplitMix64: the same networks on every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn roll(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }
    fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.roll(list.len())]
    }
}

const CIDRS: &[&str] = &[
    "0.0.0.0/0",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.1.0.0/16",
    "10.2.0.0/16",
    "10.1.2.0/25",
    "203.0.113.0/24",
    "198.51.100.7/32",
    "198.51.100.0/24",
    "2001:db8:1::/48",
    "2001:db8:a::/48",
    "2600::/12",
    "10.0.1.10/32",
];
const PORTS: &[&str] = &["22", "443", "0-65535", "1024-65535", "32768-61000", "1-1023", "80-443", "*"];
const PROTOCOLS: &[&str] = &["tcp", "tcp", "tcp", "udp", "all", "all", "icmp", "icmpv6", "47"];

fn ports(dice: &mut Dice, protocol: &str) -> &'static str {
    match protocol {
        "tcp" | "udp" => dice.pick::<&str>(PORTS),
        "icmp" => dice.pick::<&str>(&["*", "8:0", "0:0", "8:-1", "3:-1"]),
        "icmpv6" => dice.pick::<&str>(&["*", "128:0", "129:0"]),
        _ => "*",
    }
}

/// A network of two or three VPCs with everything the simulator knows, as lines.
fn network(dice: &mut Dice) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut put = |line: String| out.push(line);
    let vpcs = 2 + dice.roll(2);
    // Now and then two VPCs overlap.
    let block = |v: usize, same: bool| if same && v == 1 { 0 } else { v };
    let same = dice.chance(10);
    let v6 = dice.chance(50);
    put("list p 203.0.113.0/25 10.1.0.0/16".into());
    for v in 0..vpcs {
        let b = block(v, same);
        let six = if v6 { format!(" 2600:{v:x}::/56") } else { String::new() };
        put(format!("vpc v{v} 10.{b}.0.0/16{six}"));
    }
    let mut gateways: Vec<Vec<String>> = Vec::new();
    for v in 0..vpcs {
        let b = block(v, same);
        for s in 0..2 {
            let six = if v6 { format!(" 2600:{v:x}:0:{s}::/64") } else { String::new() };
            let zone = if dice.chance(70) { "a" } else { "b" };
            let bpa = match dice.roll(12) {
                0 => " bpa=block-ingress",
                1 => " bpa=block-bidirectional",
                _ => "",
            };
            put(format!("subnet v{v}s{s} v{v} 10.{b}.{}.0/24{six} zone={zone}{bpa}", s + 1));
        }
        put(format!("exclusions v{v} v{v}"));
        if dice.chance(20) {
            let what = if dice.chance(50) { format!("vpc/vpc-v{v}") } else { format!("subnet/subnet-v{v}s{}", dice.roll(2)) };
            put(format!("exclude v{v} v{v} {what} allow-bidirectional"));
        }
        let mut here = Vec::new();
        if dice.chance(80) {
            put(format!("igw v{v} v{v}"));
            here.extend([format!("igw-v{v}"), format!("igw-v{v}")]);
        }
        if v6 && dice.chance(50) {
            put(format!("eigw v{v} v{v}"));
            here.push(format!("eigw-v{v}"));
        }
        if dice.chance(60) {
            here.extend([format!("nat-v{v}"), format!("nat-v{v}")]);
            let kind = if dice.chance(15) { " private" } else { "" };
            let state = if dice.chance(8) { " state=failed" } else { "" };
            put(format!("nat v{v} v{v}s0 10.{b}.1.200/198.51.100.{}{kind}{state}", 100 + v));
        }
        for g in 0..3 {
            put(format!("group v{v}g{g} v{v}"));
        }
        gateways.push(here);
    }
    // AWS refuses to peer VPCs that overlap.
    let pcx = dice.chance(70) && !same;
    if pcx {
        let status = if dice.chance(12) { " status=deleted" } else { "" };
        put(format!("pcx one v0 v1{status}"));
    }
    let tgw = dice.chance(60);
    if tgw {
        put(format!("tgw one {}", if dice.chance(40) { "sgref" } else { "" }));
        put("ttable one one".into());
        for v in 0..vpcs {
            let subnets = match dice.roll(3) {
                0 => format!("v{v}s0"),
                1 => format!("v{v}s1"),
                _ => format!("v{v}s0,v{v}s1"),
            };
            let table = if dice.chance(90) { " table=one" } else { "" };
            put(format!("attach v{v} one vpc:v{v} subnets={subnets}{table}"));
            if dice.chance(80) {
                put(format!("propagate one v{v}"));
            }
        }
        for _ in 0..dice.roll(3) {
            let to = if dice.chance(20) { "blackhole".to_owned() } else { format!("v{}", dice.roll(vpcs)) };
            put(format!("troute one {} {to}", dice.pick(&["0.0.0.0/0", "10.1.0.0/16", "10.1.1.0/24", "10.0.0.0/8"])));
        }
    }
    for (v, here) in gateways.iter().enumerate() {
        for s in 0..2 {
            put(format!("table v{v}t{s} v{v} subnets=v{v}s{s}{}", if s == 0 { " main" } else { "" }));
            let mut targets = here.clone();
            if pcx && v < 2 {
                targets.extend(["pcx-one".to_owned(), "pcx-one".to_owned()]);
            }
            if tgw {
                targets.push("tgw-one".to_owned());
            }
            let mut done: Vec<String> = Vec::new();
            for _ in 0..1 + dice.roll(5) {
                let mut dest = (*dice.pick(&[
                    "0.0.0.0/0",
                    "0.0.0.0/0",
                    "::/0",
                    "10.0.0.0/16",
                    "10.1.0.0/16",
                    "10.2.0.0/16",
                    "10.1.1.0/24",
                    "10.0.0.0/8",
                    "pl-p",
                    "198.51.100.0/24",
                    "2600:1::/56",
                    "2600::/56",
                ]))
                .to_owned();
                if done.contains(&dest)
                    || (v == block(v, same) && dest == format!("10.{v}.0.0/16"))
                    || dest == format!("2600:{v:x}::/56")
                {
                    dest = "203.0.113.0/24".to_owned();
                }
                if v == 1 && same && dest == "10.0.0.0/16" || done.contains(&dest) {
                    continue;
                }
                if targets.is_empty() {
                    break;
                }
                let target = dice.pick(&targets).clone();
                // AWS has no such routes: a NAT gateway for IPv6, an egress-only gateway for IPv4.
                let six = dest.contains(':');
                let absurd = if six { "nat" } else { "eigw" };
                if target.starts_with(absurd) {
                    continue;
                }
                let hole = if dice.chance(6) { " blackhole" } else { "" };
                put(format!("route v{v}t{s} {dest} {target}{hole}"));
                done.push(dest);
            }
            if dice.chance(60) {
                put(format!("acl v{v}s{s} v{v} subnets=v{v}s{s}"));
                let mut number = 10;
                for way in ["in", "out"] {
                    for _ in 0..dice.roll(4) {
                        number += 1 + dice.roll(5);
                        let protocol = *dice.pick(PROTOCOLS);
                        let action = if dice.chance(55) { "allow" } else { "deny" };
                        put(format!(
                            "entry v{v}s{s} {way} {number} {action} {protocol} {} {}",
                            ports(dice, protocol),
                            dice.pick(CIDRS)
                        ));
                    }
                    if dice.chance(75) {
                        put(format!("entry v{v}s{s} {way} 900 allow all * 0.0.0.0/0"));
                        put(format!("entry v{v}s{s} {way} 901 allow all * ::/0"));
                    }
                }
            }
        }
        for g in 0..3 {
            for way in ["in", "out"] {
                for _ in 0..dice.roll(4) {
                    let protocol = *dice.pick(PROTOCOLS);
                    let peer = match dice.roll(5) {
                        0 => format!("sg-v{}g{}", dice.roll(vpcs), dice.roll(3)),
                        1 => "pl-p".to_owned(),
                        _ => (*dice.pick(CIDRS)).to_owned(),
                    };
                    put(format!("allow v{v}g{g} {way} {protocol} {} {peer}", ports(dice, protocol)));
                }
                if dice.chance(40) {
                    put(format!("allow v{v}g{g} {way} all * 0.0.0.0/0"));
                    put(format!("allow v{v}g{g} {way} all * ::/0"));
                }
            }
        }
        let b = block(v, same);
        for s in 0..2 {
            for e in 0..1 + dice.roll(2) {
                let n = 10 + e;
                let public = if dice.chance(55) { format!("/198.51.100.{}", 10 + v * 20 + s * 4 + e) } else { String::new() };
                let second = if dice.chance(20) { format!(" 10.{b}.{}.{}", s + 1, n + 50) } else { String::new() };
                let six = if v6 && dice.chance(70) { format!(" 2600:{v:x}:0:{s}::{n:x}") } else { String::new() };
                let groups = if dice.chance(25) {
                    format!("v{v}g{},v{v}g{}", dice.roll(3), dice.roll(3))
                } else if dice.chance(30) {
                    format!("any-v{v}")
                } else {
                    format!("v{v}g{}", dice.roll(3))
                };
                put(format!("eni v{v}s{s}e{e} v{v}s{s} 10.{b}.{}.{n}{public}{second}{six} groups={groups}", s + 1));
            }
        }
        if dice.chance(50) {
            let group = |dice: &mut Dice| if dice.chance(40) { format!("any-v{v}") } else { format!("v{v}g{}", dice.roll(3)) };
            let own = group(dice);
            put(format!("eni v{v}elb v{v}s0 10.{b}.1.90/198.51.100.{} groups={own} description=ELB+lb{v}", 150 + v));
            for s in 0..2 {
                let theirs = group(dice);
                put(format!("instance v{v}i{s} v{v}s{s} 10.{b}.{}.70 groups={theirs}", s + 1));
            }
            put(format!("classic lb{v} v{v} internet-facing subnets=v{v}s0 groups={own} instances=v{v}i0,v{v}i1"));
            put(format!("listener lb{v} 443/HTTPS to={}/HTTP", dice.pick(&["80", "443", "1024"])));
            if dice.chance(50) {
                put(format!("listener lb{v} 22/TCP to=22/TCP"));
            }
        }
    }
    out
}

const OUTSIDE: &[&str] =
    &["203.0.113.7", "203.0.113.200", "198.51.100.7", "198.51.100.250", "8.8.8.8", "2001:db8:1::7", "2001:db8:a::1", "2610::9"];
const EDGES: &[u16] = &[0, 1, 22, 79, 80, 443, 444, 1023, 1024, 32767, 32768, 50000, 61000, 61001, 65535];

/// Every end in the network, with the address it is reached at.
fn ends(net: &Net) -> Vec<End> {
    let mut out = vec![End::Internet(Addresses::internet())];
    for (ix, i) in net.interfaces.iter().enumerate().filter(|(_, i)| !i.takes_no_connections()) {
        for (a, public) in &i.v4 {
            out.push(End::Interface { ix, address: Some(*a), public: None });
            if public.is_some() {
                out.push(End::Interface { ix, address: Some(*a), public: *public });
            }
        }
        out.extend(i.v6.iter().map(|a| End::Interface { ix, address: Some(*a), public: None }));
    }
    out
}

fn address(end: &End, dice: &mut Dice) -> IpAddr {
    match end {
        End::Interface { public: Some(a), .. } | End::Interface { address: Some(a), .. } => *a,
        _ => dice.pick(OUTSIDE).parse().unwrap(),
    }
}

/// Ports at which any rule changes its mind, for the NAT gateway's own choice.
fn nat_ports(net: &Network) -> Vec<u16> {
    let mut all = vec![1024u16, 65535];
    for e in net.network_acls.iter().flat_map(|a| &a.entries) {
        let Some(r) = &e.port_range else { continue };
        for p in [r.from, r.to].into_iter().flatten() {
            all.extend([p - 1, p, p + 1].iter().filter_map(|p| u16::try_from(*p).ok()).filter(|p| *p >= 1024));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn a_quarter_million_packets_agree_with_the_simulator() {
    let mut dice = Dice(0x0ba2_712a);
    let (mut compared, mut passed, mut networks, mut natted, mut answered) = (0u32, 0u32, 0u32, 0u32, 0u32);
    // More networks than a usual run walks: `BARTIZAN_NETWORKS=100000`, best with optimisation.
    let wanted: u32 = std::env::var("BARTIZAN_NETWORKS").ok().and_then(|n| n.parse().ok()).unwrap_or_default();
    while compared < 250_000 || networks < wanted {
        let (pairs, packets) = if wanted > 0 { (2, 3) } else { (6, 10) };
        let lines = network(&mut dice);
        let refs: Vec<&str> = lines.iter().map(String::as_str).collect();
        let estate = estate(&refs);
        networks += 1;
        let net = build(&estate);
        let raw = &estate.regions[0].network;
        let sim = Sim { net: raw };
        let choices = nat_ports(raw);
        let all = ends(&net);
        for _ in 0..pairs {
            let (client, server) = (dice.pick(&all).clone(), dice.pick(&all).clone());
            let client = match client {
                End::Interface { ix, address, .. } => End::Interface { ix, address, public: None },
                other => other,
            };
            let same = matches!((&client, &server), (End::Interface { ix: a, .. }, End::Interface { ix: b, .. }) if a == b);
            if same || matches!((&client, &server), (End::Internet(_), End::Internet(_))) {
                continue;
            }
            if matches!((&client, &server), (End::Internet(_), End::Interface { address: Some(IpAddr::V4(_)), public: None, .. }))
            {
                continue;
            }
            let sets = packets_between(&net, &client, &server, &Service::everything(), &Ranges::everything());
            let legs = walk(&net, &client, &server, sets, false).arrived;
            let may = legs.iter().fold(PacketSet::default(), |a, l| a.or(&l.may));
            let sure = legs.iter().fold(PacketSet::default(), |a, l| a.or(l.sure()));
            let id = |end: &End| match end {
                End::Interface { ix, .. } => Some(net.id_of(Object::Interface(*ix)).to_owned()),
                _ => None,
            };
            let from = id(&client).map_or(From::Internet, From::Interface);
            let to = id(&server);
            for _ in 0..packets {
                let (src, dst) = (address(&client, &mut dice), address(&server, &mut dice));
                if src.is_ipv4() != dst.is_ipv4() {
                    continue;
                }
                let proto = *dice.pick(&[6u8, 6, 6, 17, 1, 58, 47]);
                let (sport, dport) = match proto {
                    6 | 17 => (*dice.pick(EDGES), *dice.pick(EDGES)),
                    1 => (0, *dice.pick(&[8u16 << 8, 0, 3 << 8 | 1, 8 << 8 | 1, 13 << 8])),
                    58 => (0, *dice.pick(&[128u16 << 8, 129 << 8, 1 << 8])),
                    _ => (0, 0),
                };
                let pkt = Pkt { src, dst, proto, sport, dport };
                let first = sim.passes(&from, pkt, to.as_deref(), 1024);
                let (mut any, mut every) = (first.passes, first.passes && !first.unsaid);
                if first.by_nat {
                    natted += 1;
                    for port in &choices {
                        let one = sim.passes(&from, pkt, to.as_deref(), *port);
                        any |= one.passes;
                        every &= one.passes && !one.unsaid;
                    }
                }
                let asked = Packet { from: src, to: dst, protocol: proto, from_port: sport, to_port: dport };
                let told = (may.has(asked), sure.has(asked));
                assert_eq!(
                    told,
                    (any, every),
                    "network {networks}: {client:?} -> {server:?} {pkt:?}: the engine says may, sure = {told:?}, the simulator {:?}\n{}",
                    (any, every),
                    lines.join("\n")
                );
                compared += 1;
                passed += u32::from(any);
                answered += u32::from(any && matches!(server, End::Interface { .. }));
            }
        }
    }
    eprintln!("{networks} networks, {compared} packets, {passed} passed ({answered} to an interface), {natted} by NAT");
    // A comparison that never sees a packet pass, or never sees one stopped, would prove little.
    assert!(passed > compared / 20 && passed < compared * 19 / 20, "{passed} of {compared} passed");
    assert!(natted > 1000 && networks > 1000);
}

/// What classic load balancers pass on, by exposures and by packets that are walked to them and on.
#[test]
fn what_classic_load_balancers_pass_on_agrees_with_the_simulator() {
    let mut dice = Dice(0x0e1b_7777);
    let (mut asked, mut reached, mut shut) = (0u32, 0u32, 0u32);
    for n in 0..1500 {
        let lines = network(&mut dice);
        let estate = estate(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let raw = &estate.regions[0].network;
        if raw.load_balancers.is_empty() {
            continue;
        }
        let net = build(&estate);
        let found = exposures(&net, &[Source::internet()], &NothingKnown);
        let sim = Sim { net: raw };
        let choices = nat_ports(raw);
        for lb in &raw.load_balancers {
            for target in raw.interfaces.iter().filter(|i| !i.instance().is_empty()) {
                for port in [22u16, 80, 443] {
                    for client in OUTSIDE.iter().map(|a| a.parse::<IpAddr>().unwrap()).filter(IpAddr::is_ipv4) {
                        let told = found.iter().any(|e| {
                            e.via.is_some_and(|via| net.load_balancers[via].name == lb.load_balancer_name)
                                && net.id_of(e.target) == target.network_interface_id
                                && e.verdict == Verdict::Yes
                                && e.service().meets(&Service::ports(6, port, port))
                                && e.opening.peers.has(client)
                        });
                        let truth = sim.through(client, lb, port, target, &choices);
                        assert_eq!(
                            told,
                            truth,
                            "network {n}: {client} by {} on {port} to {}: the engine says {told}, the simulator {truth}\n{}",
                            lb.load_balancer_name,
                            target.network_interface_id,
                            lines.join("\n")
                        );
                        asked += 1;
                        reached += u32::from(truth);
                        shut += u32::from(!truth && port == 443);
                    }
                }
            }
        }
    }
    eprintln!("{asked} asked through classic load balancers, {reached} reached, {shut} shut on a port that is listened on");
    assert!(reached > 500 && shut > 500, "too few of one kind prove little");
}

/// What may flow between VPCs, by every pair of interfaces, against what the matrix's classes and roads say.
#[test]
fn flows_between_vpcs_are_what_every_pair_of_interfaces_says() {
    let mut dice = Dice(0x0f10_35ed);
    let (mut pairs, mut flowing, mut unsure) = (0u32, 0u32, 0u32);
    for n in 0..500 {
        let lines = network(&mut dice);
        let mut estate = estate(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        if n % 4 == 0 {
            // A transit gateway of somebody else's: its routes are not known.
            for table in &mut estate.region_mut(ACCOUNT, REGION).network.transit_gateway_route_tables {
                (table.routes, table.propagations) = (None, None);
            }
        }
        let net = build(&estate);
        let told = flows(&net);
        for (a, b) in (0..net.vpcs.len()).flat_map(|a| (0..net.vpcs.len()).map(move |b| (a, b))).filter(|(a, b)| a != b) {
            let of = |vpc: usize| {
                let is = move |i: &&bartizan::network::net::Interface| i.vpc == vpc && !i.takes_no_connections();
                net.interfaces.iter().enumerate().filter(move |(_, i)| is(i)).map(|(ix, _)| ix)
            };
            let (mut sure, mut may) = (Service::default(), Service::default());
            for (from, to) in of(a).flat_map(|f| of(b).map(move |t| (f, t))) {
                for (client, server) in
                    net.interfaces[from].addresses().flat_map(|x| net.interfaces[to].addresses().map(move |y| (x, y)))
                {
                    let client = End::Interface { ix: from, address: Some(client), public: None };
                    let server = End::Interface { ix: to, address: Some(server), public: None };
                    let ports = Ranges::range(1024, 65535);
                    let sets = packets_between(&net, &client, &server, &Service::everything(), &ports);
                    // Over the internet is an exposure, not a flow between VPCs.
                    let private = |l: &bartizan::network::walk::Leg| l.steps.iter().all(|s| s.deed != Deed::Internet);
                    for leg in walk(&net, &client, &server, sets, false).arrived.into_iter().filter(private) {
                        sure = sure.or(&leg.sure().service());
                        may = may.or(&leg.may.service());
                    }
                }
            }
            let here = || told.iter().filter(|f| (net.interfaces[f.from].vpc, net.interfaces[f.to].vpc) == (a, b));
            let yes = here().filter(|f| f.verdict == Verdict::Yes).fold(Service::default(), |all, f| all.or(&f.service));
            assert_eq!(yes, sure, "network {n}, {} to {}\n{}", net.vpcs[a].id, net.vpcs[b].id, lines.join("\n"));
            if sure.is_empty() {
                assert_eq!(here().next().is_some(), !may.is_empty(), "network {n}\n{}", lines.join("\n"));
                unsure += u32::from(!may.is_empty());
            }
            pairs += 1;
            flowing += u32::from(!sure.is_empty());
        }
    }
    eprintln!("{pairs} pairs of VPCs, {flowing} with flows, {unsure} not known");
    assert!(flowing > 40 && flowing < pairs / 2 && unsure > 8, "too few of one kind prove little");
}
