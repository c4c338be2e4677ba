//! Input that AWS would not send, or that lacks parts: named, judged as far as it goes, never a panic.

use bartizan::model::estate::Estate;
use bartizan::model::network::*;
use bartizan::network::build::build;
use bartizan::network::closers::closers;
use bartizan::network::diagram;
use bartizan::network::egress::{egress, service_access, session_manager};
use bartizan::network::exposure::{Behind, Facts, NothingKnown, Source, exposures, ladder};
use bartizan::network::judge::judge;
use bartizan::network::matrix::{Boundary, Selector, cells, crossings, flows};
use bartizan::network::net::{Net, Object};
use bartizan::network::packets::{Addresses, cidr};
use bartizan::network::reach::{NoSuchEnd, Verdict, can, resolve, service};
use bartizan::network::unused::{Waste, unused};

use crate::dsl::{estate, read};

fn net(text: &str) -> Net {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    build(&estate(&lines))
}

/// Runs everything there is over a network.
fn everything(net: &Net) {
    let sources = [Source::internet(), Source { name: "office".into(), addresses: Addresses::of(cidr("198.51.100.0/24")) }];
    let found = exposures(net, &sources, &NothingKnown);
    for e in &found {
        closers(net, &found, e);
        ladder(net, e);
    }
    let (out, across, waste) = (egress(net), flows(net), unused(net));
    let rule = Boundary { name: "all".into(), from: Selector::default(), to: Selector::default(), service: None };
    let crossed = crossings(net, &across, &[rule]);
    cells(net, &across, &found, &out, true);
    service_access(net, &out);
    for i in 0..net.instances.len() {
        session_manager(net, i);
    }
    judge(net, &found, &crossed, &waste, &out);
    let mut all = vec![diagram::organisation(net, &found, &[])];
    all.extend((0..net.vpcs.len()).map(|v| diagram::vpc(net, v, &found, &[])));
    for d in &all {
        diagram::text(d, 80, true);
        diagram::svg(d);
        diagram::dot(d);
        diagram::mermaid(d);
    }
}

#[test]
fn an_empty_estate() {
    everything(&build(&Estate::default()));
}

#[test]
fn references_to_nothing_are_named() {
    let net = net("
        vpc a 10.0.0.0/16
        subnet a a 10.0.1.0/24
        table a a main
        route a 0.0.0.0/0 igw-gone
        route a 10.9.0.0/16 pcx-gone
        group g a
        allow g in tcp 22 sg-gone
        allow g in tcp 23 pl-gone
        eni a a 10.0.1.10/203.0.113.10 groups=g,gone
    ");
    let said: Vec<String> = net.gaps.iter().map(|g| format!("{} {}", g.object, g.what)).collect();
    for word in ["sg-gone", "pl-gone", "pcx-gone", "igw-gone", "eni-a its security group sg-gone"] {
        assert!(said.iter().any(|s| s.contains(word)), "{word} is not among {said:#?}");
    }
    everything(&net);
}

#[test]
fn ranges_that_overlap_are_named_and_judged() {
    let net = net("
        vpc a 10.0.0.0/16
        vpc b 10.0.128.0/17
        subnet a a 10.0.1.0/24
        subnet twin a 10.0.1.128/25
        subnet far a 10.7.0.0/24
        subnet fine a 10.0.2.0/24
        pcx ab a b
        eni a a 10.0.1.10
        eni fine fine 10.0.2.10
    ");
    let said: Vec<String> = net.gaps.iter().map(|g| format!("{} {}", g.object, g.what)).collect();
    for word in [
        "subnet-twin its CIDR overlaps that of subnet-a",
        "subnet-far its CIDR 10.7.0.0/24 is not inside of vpc-a's",
        "pcx-ab its two VPCs overlap in 10.0.128.0/17",
    ] {
        assert!(said.iter().any(|s| s.contains(word)), "{word} is not among {said:#?}");
    }
    assert_eq!(said.len(), 3, "{said:#?}");
    let answer = can(&net, &resolve(&net, "eni-a").unwrap(), &resolve(&net, "eni-fine").unwrap(), &service("22").unwrap());
    assert_eq!(answer.verdict, Verdict::Yes);
    everything(&net);
}

#[test]
fn garbage_in_every_field() {
    for junk in ["", "x", "999.1.1.1/8", "10.0.0.0/33", "::/129", "\u{202e}\u{0}", "-1", "10.0.0.0/8 "] {
        let mut estate = Estate::default();
        let net = &mut estate.region_mut("111122223333", "eu-west-1").network;
        let s = || junk.to_owned();
        net.vpcs.push(Vpc { vpc_id: s(), cidr_block: s(), ..Vpc::default() });
        net.vpcs.push(Vpc { vpc_id: "vpc-a".into(), cidr_block: s(), ..Vpc::default() });
        net.subnets.push(Subnet { subnet_id: s(), vpc_id: s(), cidr_block: s(), availability_zone: s(), ..Subnet::default() });
        net.subnets.push(Subnet { subnet_id: "subnet-a".into(), vpc_id: "vpc-a".into(), cidr_block: s(), ..Subnet::default() });
        net.route_tables.push(RouteTable {
            route_table_id: s(),
            vpc_id: "vpc-a".into(),
            routes: vec![Route { destination_cidr_block: s(), gateway_id: s(), state: s(), ..Route::default() }],
            associations: vec![RouteTableAssociation { main: true, subnet_id: s(), ..RouteTableAssociation::default() }],
            ..RouteTable::default()
        });
        net.security_groups.push(SecurityGroup {
            group_id: "sg-a".into(),
            ip_permissions: vec![IpPermission {
                ip_protocol: s(),
                from_port: Some(-70_000),
                to_port: Some(i64::MAX),
                ip_ranges: vec![IpRange { cidr_ip: s(), ..IpRange::default() }],
                ipv6_ranges: vec![Ipv6Range { cidr_ipv6: s(), ..Ipv6Range::default() }],
                ..IpPermission::default()
            }],
            ..SecurityGroup::default()
        });
        net.network_acls.push(NetworkAcl {
            network_acl_id: s(),
            vpc_id: "vpc-a".into(),
            is_default: true,
            entries: vec![AclEntry {
                rule_number: None,
                protocol: s(),
                rule_action: s(),
                cidr_block: s(),
                ..AclEntry::default()
            }],
            ..NetworkAcl::default()
        });
        for id in ["", "eni-a"] {
            net.interfaces.push(Interface {
                network_interface_id: id.into(),
                vpc_id: "vpc-a".into(),
                subnet_id: "subnet-a".into(),
                private_ip_address: s(),
                association: Some(Association { public_ip: "203.0.113.9".into(), ..Association::default() }),
                groups: vec![GroupRef { group_id: "sg-a".into(), ..GroupRef::default() }],
                ..Interface::default()
            });
        }
        net.nat_gateways.push(NatGateway { nat_gateway_id: s(), vpc_id: s(), ..NatGateway::default() });
        net.peerings.push(Peering { vpc_peering_connection_id: s(), ..Peering::default() });
        net.transit_gateway_attachments
            .push(TransitGatewayAttachment { transit_gateway_attachment_id: s(), ..Default::default() });
        net.transit_gateway_route_tables
            .push(TransitGatewayRouteTable { transit_gateway_route_table_id: s(), ..Default::default() });
        net.endpoints.push(Endpoint { vpc_endpoint_id: s(), policy_document: s(), ..Endpoint::default() });
        net.load_balancers.push(LoadBalancer { load_balancer_arn: s(), vpc_id: s(), ..LoadBalancer::default() });
        net.target_groups.push(TargetGroup { target_group_arn: s(), load_balancer_arns: vec![s()], ..TargetGroup::default() });
        everything(&build(&estate));
    }
}

#[test]
fn an_object_seen_from_two_accounts_is_one() {
    let mut estate = estate(&["vpc a 10.0.0.0/16", "subnet a a 10.0.1.0/24", "eni a a 10.0.1.10"]);
    let shared = estate.regions[0].network.clone();
    estate.region_mut("444455556666", "eu-west-1").network = shared;
    let net = build(&estate);
    assert_eq!((net.vpcs.len(), net.subnets.len(), net.interfaces.len()), (1, 1, 1));
    assert_eq!(net.homes[net.vpcs[0].home].account, "111122223333");
}

#[test]
fn names_are_found_or_explained() {
    let net = net("
        vpc a 10.0.0.0/16
        subnet a a 10.0.1.0/24
        instance web a 10.0.1.10
        instance two a 10.0.1.11
    ");
    for text in [
        "internet",
        "eni-web",
        "i-web",
        "10.0.1.10",
        "10.0.1.0/24",
        "a",
        "vpc-a",
        "111122223333",
        "192.168.0.0/16",
        "8.8.8.8",
        "arn:aws:ec2:eu-west-1:111122223333:instance/i-web",
    ] {
        // `a` is the Name of the VPC and of its subnet.
        let found = resolve(&net, text);
        assert_eq!(found.is_err(), text == "a", "{text}: {found:?}");
    }
    assert!(matches!(resolve(&net, "nobody"), Err(NoSuchEnd::Unknown(_))));
    assert!(matches!(resolve(&net, "10.0.1.77"), Err(NoSuchEnd::Unused { .. })));
    assert!(matches!(resolve(&net, "a"), Err(NoSuchEnd::Ambiguous { .. })));
    for text in ["443", "53/udp", "1-100/tcp", "icmp", "icmp:8", "icmpv6:128", "all", "proto:47"] {
        assert!(service(text).is_ok(), "{text}");
    }
    for text in ["", "x", "70000", "5-1", "443/sctp", "icmp:999", "proto:300", "-5"] {
        assert!(service(text).is_err(), "{text}");
    }
}

#[test]
fn a_rule_stops_once_for_each_place() {
    let net = net("
        vpc a 10.0.0.0/16
        subnet a a 10.0.1.0/24
        subnet b a 10.0.2.0/24
        group shut a
        acl b a subnets=b
        eni a a 10.0.1.10 groups=shut
        eni b b 10.0.2.10 groups=shut
    ");
    let answer = can(&net, &resolve(&net, "eni-a").unwrap(), &resolve(&net, "eni-b").unwrap(), &service("22").unwrap());
    let stops: Vec<(bool, &str)> = answer.paths[0].stops.iter().map(|s| (s.request, s.kind)).collect();
    assert_eq!(answer.verdict, Verdict::No);
    assert_eq!(
        stops,
        [
            (true, "security groups of interface"),
            (true, "network ACL into subnet"),
            (true, "security groups of interface"),
            (false, "network ACL out of subnet"),
        ]
    );
}

struct Root;
impl Behind for Root {
    fn behind(&self, _: &Net, _: usize) -> Facts {
        Facts {
            role: "arn:aws:iam::111122223333:role/root".into(),
            administrator: true,
            known_exploited: true,
            ..Facts::default()
        }
    }
}

const SHOP: &str = "
    vpc a 10.0.0.0/16
    subnet pub a 10.0.1.0/24
    subnet priv a 10.0.2.0/24
    igw a a
    table pub a subnets=pub
    route pub 0.0.0.0/0 igw-a
    nat a pub 10.0.1.200/203.0.113.200
    table priv a main
    route priv 0.0.0.0/0 nat-a
    group lb a
    allow lb in tcp 443 0.0.0.0/0
    allow lb out all * 0.0.0.0/0
    group app a
    allow app in tcp 8080 sg-lb
    allow app out all * 0.0.0.0/0
    group ssh a
    allow ssh in tcp 22 0.0.0.0/0
    allow ssh in tcp 22 198.51.100.0/24
    allow ssh in tcp 9000 sg-empty
    group empty a
    eni lb pub 10.0.1.5/203.0.113.5 groups=lb description=ELB+app/front/0123456789abcdef
    lb front a application internet-facing subnets=pub groups=lb
    listener front 443/HTTPS apps
    targets apps front HTTP 8080 instance i-app
    instance app priv 10.0.2.10 groups=app role=app
    instance jump pub 10.0.1.10/203.0.113.10 groups=ssh role=admin
    instance twin pub 10.0.1.11/203.0.113.11 groups=ssh
";

#[test]
fn exposures_have_ranks_ids_ways_in_and_what_closes_them() {
    let net = net(SHOP);
    let found = exposures(&net, &[Source::internet()], &Root);
    let said: Vec<String> =
        found.iter().map(|e| format!("{} {} {:?}", net.name_of(e.target), e.service(), e.via.is_some())).collect();
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[0].contains("tcp 22") && said[1].contains("tcp 22"), "administration ports come first: {said:?}");
    assert!(said.iter().any(|s| s == "front tcp 443 false") && said.iter().any(|s| s == "app tcp 443 true"), "{said:#?}");
    let again = exposures(&net, &[Source::internet()], &NothingKnown);
    let ids = |list: &[bartizan::network::exposure::Exposure]| {
        let mut ids: Vec<String> = list.iter().map(|e| e.id.to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&found), ids(&again), "ids do not depend on findings or roles");
    let jump = found.iter().find(|e| e.interface == usize_of(&net, "eni-jump")).unwrap();
    assert!(jump.score.iter().any(|p| p.why.contains("administrator")) && jump.score.iter().any(|p| p.why == "production"));
    let closing = closers(&net, &found, jump);
    let rule = closing.iter().find(|c| c.object == "sg-ssh").unwrap();
    assert_eq!(rule.rules.len(), 2, "both rules let the internet in on port 22");
    assert!(rule.also_cuts.iter().any(|c| c.contains("1 more interface of ")));
    assert!(closing.iter().any(|c| c.what.contains("public address 203.0.113.10")));
    // Narrowing what the closer names does close it.
    let closed = SHOP.replace("allow ssh in tcp 22 0.0.0.0/0", "").replace("allow ssh in tcp 22 198.51.100.0/24", "");
    let lines: Vec<&str> = closed.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let after = exposures(&build(&estate(&lines)), &[Source::internet()], &NothingKnown);
    assert!(!ids(&after).contains(&jump.id.to_string()));
    let ways = ladder(&net, found.iter().find(|e| e.via.is_some()).unwrap());
    assert_eq!(ways.len(), 2, "to the load balancer, and from it to the target");
    assert!(ways.iter().all(|w| w.verdict == Verdict::Yes));
}

fn usize_of(net: &Net, id: &str) -> usize {
    match net.object(id) {
        Some(Object::Interface(i)) => i,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn what_does_nothing_is_found() {
    let net = net(SHOP);
    let found: Vec<(Waste, String, String)> = unused(&net).into_iter().map(|u| (u.waste, u.id, u.rule)).collect();
    let has = |w: Waste, id: &str, rule: &str| found.iter().any(|(a, b, c)| *a == w && b == id && c.contains(rule));
    assert!(has(Waste::RuleCovered, "sg-ssh", "198.51.100.0/24"), "{found:#?}");
    assert!(has(Waste::RuleNeverMatches, "sg-ssh", "sg-empty"));
    assert!(has(Waste::GroupOnlyNamed, "sg-empty", ""));
    assert!(has(Waste::GroupOnNothing, "sg-any-a", ""));
    assert!(!found.iter().any(|(_, id, _)| id == "sg-lb" || id == "sg-app"));
}

#[test]
fn ways_out_and_session_manager() {
    let net = net(SHOP);
    let out = egress(&net);
    let by = |id: &str| {
        out.iter()
            .find(|e| e.interfaces.contains(&usize_of(&net, id)))
            .map(|e| e.by.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>())
    };
    assert_eq!(by("eni-app"), Some(vec!["nat-a", "igw-a"]));
    assert_eq!(by("eni-jump"), None, "its group has no outbound rule");
    let instance = |id: &str| net.instances.iter().position(|i| i.id == id).unwrap();
    let needs = session_manager(&net, instance("i-app")).unwrap();
    assert!(needs.iter().all(|n| n.verdict == Verdict::Yes && n.by == "internet"));
    let needs = session_manager(&net, instance("i-jump")).unwrap();
    assert!(needs.iter().all(|n| n.verdict == Verdict::No && n.path.stops.iter().any(|s| s.why.contains("lets out tcp 443"))));
}

#[test]
fn boundaries_that_are_crossed() {
    let net = net("
        account 444455556666 name=dev environment=dev
        vpc p 10.0.0.0/16
        vpc d 10.1.0.0/16 account=444455556666
        subnet p p 10.0.1.0/24
        subnet d d 10.1.1.0/24
        group db p
        allow db in tcp 5432 10.1.0.0/16
        eni db p 10.0.1.10 groups=db
        eni dev d 10.1.1.10
        pcx pd p d
        table p p main
        route p 10.1.0.0/16 pcx-pd
        table d d main
        route d 10.0.0.0/16 pcx-pd
    ");
    let across = flows(&net);
    let boundary = |from: &str, to: &str| Boundary {
        name: format!("{from} must not reach {to}"),
        from: Selector { any_of: vec![from.into()], except: Vec::new() },
        to: Selector { any_of: vec![to.into()], except: Vec::new() },
        service: None,
    };
    let crossed = crossings(&net, &across, &[boundary("non-production", "production"), boundary("production", "shared")]);
    assert_eq!(crossed.len(), 1, "{crossed:#?}");
    assert_eq!(crossed[0].service.to_string(), "tcp 5432");
    assert!(crossed[0].path.hops.iter().any(|h| h.object == "pcx-pd"));
    let matrix = cells(&net, &across, &[], &[], false);
    let cell = matrix.iter().find(|c| (c.from.as_str(), c.to.as_str()) == ("non-production", "production")).unwrap();
    assert_eq!((cell.verdict, cell.service.as_str()), (Verdict::Yes, "tcp 5432"));
    let rows = judge(&net, &[], &crossed, &unused(&net), &[]);
    let row = rows.iter().find(|r| r.control == "NET.2").unwrap();
    let finding = row.finding(jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::UNIX_EPOCH);
    assert!(finding.types.iter().any(|t| t.contains("A.8.22")) && finding.is_open());
    assert_eq!(finding.account, "111122223333");
}

#[test]
fn diagrams_at_three_sizes() {
    let net = net(SHOP);
    let found = exposures(&net, &[Source::internet()], &NothingKnown);
    let vpc = diagram::vpc(&net, 0, &found, &["subnet-pub".to_owned()]);
    let all = diagram::organisation(&net, &found, &[]);
    let lines = |d: &diagram::Diagram, width: usize, ascii: bool| {
        let drawn = diagram::text(d, width, ascii);
        assert!(drawn.iter().all(|l| bartizan::text::width(&l.text) <= width), "no line is wider than {width}");
        drawn.into_iter().map(|l| l.text.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("vpc_80", lines(&vpc, 80, false));
    insta::assert_snapshot!("vpc_120", lines(&vpc, 120, false));
    insta::assert_snapshot!("vpc_60_ascii", lines(&vpc, 60, true));
    insta::assert_snapshot!("organisation_120", lines(&all, 120, false));
    insta::assert_snapshot!("vpc_dot", diagram::dot(&vpc));
    insta::assert_snapshot!("vpc_mermaid", diagram::mermaid(&vpc));
    let svg = diagram::svg(&vpc);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("internet"));
    assert!(lines(&vpc, 60, true).is_ascii());
}

#[test]
fn hostile_names_stay_text() {
    let net = net("
        vpc a 10.0.0.0/16
        subnet a a 10.0.1.0/24
        eni <script>\u{1b}[31m a 10.0.1.10
    ");
    let d = diagram::vpc(&net, 0, &[], &[]);
    assert!(!diagram::svg(&d).contains("<script>"));
    assert!(diagram::text(&d, 80, false).iter().all(|l| !l.text.contains('\u{1b}')));
    assert!(!diagram::mermaid(&d).contains("<script>"));
}

#[test]
fn the_language_of_cases_reads_what_it_should() {
    let cases = read("vpc a 10.0.0.0/16\ncase one\npage x\nask no internet -> eni-a 22\nvia y\ncase two\npage z\n");
    assert_eq!((cases.len(), cases[0].asks.len(), cases[0].asks[0].words.len(), cases[1].asks.len()), (2, 1, 1, 0));
}
