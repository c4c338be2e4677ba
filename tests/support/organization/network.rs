//! The network of one account in one region: two VPCs with the mistakes people make, and all that hangs in them.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AddPrefixListEntry, DomainType, GatewayType, IamInstanceProfileSpecification, InstanceType, IpPermission, IpRange, Ipv6Range,
    PortRange, PrefixListId, ResourceType, RuleAction, Tag, TagSpecification, UserIdGroupPair, VpcEndpointType,
};
use aws_sdk_elasticloadbalancingv2 as elb;
use aws_types::SdkConfig;
use std::collections::{BTreeMap, BTreeSet};

/// A kind of network object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Vpc,
    Subnet,
    RouteTable,
    SecurityGroup,
    NetworkAcl,
    Interface,
    InternetGateway,
    NatGateway,
    Peering,
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayRouteTable,
    VpnGateway,
    VpnConnection,
    CustomerGateway,
    Endpoint,
    PrefixList,
    /// By allocation id.
    Address,
    Instance,
    /// By ARN.
    LoadBalancer,
    /// By ARN.
    TargetGroup,
}

/// What is in one account and region.
#[derive(Debug, Default)]
pub struct Network {
    /// Every object's id by kind, as moto's own listing tells it: the seeded ones and the default VPC's.
    pub all: BTreeMap<Kind, BTreeSet<String>>,
    /// The seeded ones by a short name: `vpc edge`, `subnet public-a`, `group web`, `instance web-0`…
    pub named: BTreeMap<String, String>,
    /// CIDR blocks by VPC id, the secondary ones too.
    pub cidrs: BTreeMap<String, Vec<String>>,
    /// Rules of the seeded security groups by group id.
    pub rules: BTreeMap<String, Rules>,
    /// Routes beside the local ones: (route table id, destination, target id).
    pub routes: BTreeSet<(String, String, String)>,
    /// Public addresses of interfaces: (interface id, address).
    pub public: BTreeSet<(String, String)>,
}

/// A security group's ingress rules as (protocol, from, to, source); the source is a CIDR, group id or prefix list id.
pub type Rules = BTreeSet<(String, i32, i32, String)>;

impl Network {
    /// A seeded object's id by its short name.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn id(&self, name: &str) -> &str {
        self.named.get(name).unwrap_or_else(|| panic!("nothing seeded is named {name:?}"))
    }

    fn name(&mut self, name: &str, id: Option<impl Into<String>>) -> String {
        let id: String = id.unwrap_or_else(|| panic!("{name} was made without an id")).into();
        self.named.insert(name.to_owned(), id.clone());
        id
    }
}

fn tagged(kind: ResourceType, name: &str) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder().resource_type(kind).tags(tag("Name", name)).tags(tag("team", "platform")).build()
}

/// Fills one account and region. `number` tells places apart: it is the second octet of the addresses.
pub(super) async fn build(config: &SdkConfig, region: &str, number: usize) -> Network {
    let ec2 = Client::new(config);
    let mut net = Network::default();
    Box::pin(ground(&ec2, &mut net, region, number)).await;
    Box::pin(ways(&ec2, &mut net)).await;
    Box::pin(guards(&ec2, &mut net)).await;
    Box::pin(machines(&ec2, &elb::Client::new(config), &mut net, region)).await;
    net.all = Box::pin(listing(&ec2, &elb::Client::new(config))).await;
    net
}

/// VPCs and subnets.
async fn ground(ec2: &Client, net: &mut Network, region: &str, number: usize) {
    for (name, octet, second) in [("edge", number * 2, "100.64.0.0/20"), ("data", number * 2 + 1, "")] {
        let cidr = format!("10.{octet}.0.0/16");
        let made = ec2
            .create_vpc()
            .cidr_block(&cidr)
            .tag_specifications(tagged(ResourceType::Vpc, name))
            .send()
            .await
            .expect("create_vpc");
        let id = net.name(&format!("vpc {name}"), made.vpc.and_then(|v| v.vpc_id));
        let mut cidrs = vec![cidr];
        if !second.is_empty() {
            ec2.associate_vpc_cidr_block().vpc_id(&id).cidr_block(second).send().await.expect("associate_vpc_cidr_block");
            cidrs.push(second.to_owned());
        }
        net.cidrs.insert(id, cidrs);
    }
    for (name, vpc, third, zone) in [
        ("public-a", "edge", 0, "a"),
        ("public-b", "edge", 1, "b"),
        ("private-a", "edge", 2, "a"),
        ("data-a", "data", 0, "a"),
        ("data-b", "data", 1, "b"),
    ] {
        let octet = number * 2 + usize::from(vpc == "data");
        let vpc_id = net.id(&format!("vpc {vpc}")).to_owned();
        let call = ec2
            .create_subnet()
            .vpc_id(vpc_id)
            .cidr_block(format!("10.{octet}.{third}.0/24"))
            .availability_zone(format!("{region}{zone}"));
        let made = call.tag_specifications(tagged(ResourceType::Subnet, name)).send().await.expect("create_subnet");
        net.name(&format!("subnet {name}"), made.subnet.and_then(|s| s.subnet_id));
    }
}

/// Gateways, peering, transit gateway, endpoints, route tables.
async fn ways(ec2: &Client, net: &mut Network) {
    let (edge, data) = (net.id("vpc edge").to_owned(), net.id("vpc data").to_owned());
    let made = ec2.create_internet_gateway().send().await.expect("create_internet_gateway");
    let igw = net.name("internet gateway", made.internet_gateway.and_then(|g| g.internet_gateway_id));
    ec2.attach_internet_gateway().internet_gateway_id(&igw).vpc_id(&edge).send().await.expect("attach_internet_gateway");
    let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.expect("allocate_address");
    let allocation = net.name("address nat", address.allocation_id);
    let made = ec2
        .create_nat_gateway()
        .subnet_id(net.id("subnet public-a"))
        .allocation_id(allocation)
        .send()
        .await
        .expect("create_nat_gateway");
    let nat = net.name("nat gateway", made.nat_gateway.and_then(|g| g.nat_gateway_id));
    let made =
        ec2.create_vpc_peering_connection().vpc_id(&edge).peer_vpc_id(&data).send().await.expect("create_vpc_peering_connection");
    let peering = net.name("peering", made.vpc_peering_connection.and_then(|p| p.vpc_peering_connection_id));
    ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&peering).send().await.expect("accept_vpc_peering_connection");
    let made = ec2.create_transit_gateway().description("core").send().await.expect("create_transit_gateway");
    let transit = net.name("transit gateway", made.transit_gateway.and_then(|t| t.transit_gateway_id));
    let call = ec2
        .create_transit_gateway_vpc_attachment()
        .transit_gateway_id(&transit)
        .vpc_id(&data)
        .subnet_ids(net.id("subnet data-a"));
    let made = call.send().await.expect("create_transit_gateway_vpc_attachment");
    let attachment =
        net.name("transit gateway attachment", made.transit_gateway_vpc_attachment.and_then(|a| a.transit_gateway_attachment_id));
    let made = ec2.create_transit_gateway_route_table().transit_gateway_id(&transit).send().await;
    let made = made.expect("create_transit_gateway_route_table").transit_gateway_route_table;
    let table = net.name("transit gateway route table", made.and_then(|t| t.transit_gateway_route_table_id));
    let call = ec2.create_transit_gateway_route().transit_gateway_route_table_id(&table);
    call.destination_cidr_block("172.31.0.0/16").blackhole(true).send().await.expect("create_transit_gateway_route");
    let call = ec2.enable_transit_gateway_route_table_propagation().transit_gateway_route_table_id(&table);
    let enabled = call.transit_gateway_attachment_id(&attachment).send().await;
    enabled.expect("enable_transit_gateway_route_table_propagation");
    let call = ec2.associate_transit_gateway_route_table().transit_gateway_route_table_id(&table);
    call.transit_gateway_attachment_id(&attachment).send().await.expect("associate_transit_gateway_route_table");
    let made = ec2.create_vpn_gateway().r#type(GatewayType::Ipsec1).send().await.expect("create_vpn_gateway");
    let vpn = net.name("vpn gateway", made.vpn_gateway.and_then(|g| g.vpn_gateway_id));
    ec2.attach_vpn_gateway().vpn_gateway_id(&vpn).vpc_id(&data).send().await.expect("attach_vpn_gateway");
    let call = ec2.create_customer_gateway().r#type(GatewayType::Ipsec1).bgp_asn(65_000).public_ip("198.51.100.9");
    let made = call.send().await.expect("create_customer_gateway").customer_gateway;
    let customer = net.name("customer gateway", made.and_then(|c| c.customer_gateway_id));
    let call = ec2.create_vpn_connection().r#type("ipsec.1").customer_gateway_id(customer).vpn_gateway_id(&vpn);
    let made = call.send().await.expect("create_vpn_connection").vpn_connection;
    net.name("vpn connection", made.and_then(|c| c.vpn_connection_id));

    // name, VPC, subnets, routes
    type Table<'a> = (&'a str, &'a str, &'a [&'a str], Vec<(&'a str, &'a str)>);
    let tables: [Table<'_>; 3] = [
        ("public", &edge, &["public-a", "public-b"], vec![("0.0.0.0/0", &igw)]),
        ("private", &edge, &["private-a"], vec![("0.0.0.0/0", &nat), ("192.168.0.0/16", &peering)]),
        ("data", &data, &["data-a", "data-b"], vec![("172.16.0.0/12", &transit), ("192.168.0.0/16", &peering)]),
    ];
    for (name, vpc, subnets, routes) in tables {
        let made = ec2.create_route_table().vpc_id(vpc).tag_specifications(tagged(ResourceType::RouteTable, name)).send().await;
        let table = net
            .name(&format!("route table {name}"), made.expect("create_route_table").route_table.and_then(|t| t.route_table_id));
        for subnet in subnets {
            let subnet = net.id(&format!("subnet {subnet}"));
            ec2.associate_route_table().route_table_id(&table).subnet_id(subnet).send().await.expect("associate_route_table");
        }
        for (destination, target) in routes {
            let call = ec2.create_route().route_table_id(&table).destination_cidr_block(destination);
            let call = match target.split('-').next() {
                Some("igw") => call.gateway_id(target),
                Some("nat") => call.nat_gateway_id(target),
                Some("pcx") => call.vpc_peering_connection_id(target),
                _ => call.transit_gateway_id(target),
            };
            call.send().await.expect("create_route");
            net.routes.insert((table.clone(), destination.to_owned(), target.to_owned()));
        }
    }
}

/// Prefix list, security groups, network ACL, endpoints.
async fn guards(ec2: &Client, net: &mut Network) {
    let (edge, data) = (net.id("vpc edge").to_owned(), net.id("vpc data").to_owned());
    let call = ec2.create_managed_prefix_list().prefix_list_name("offices").max_entries(5).address_family("IPv4");
    let entry = |cidr: &str, what: &str| AddPrefixListEntry::builder().cidr(cidr).description(what).build();
    let made = call.entries(entry("198.51.100.0/24", "Berlin")).entries(entry("203.0.113.0/25", "Lyon")).send().await;
    let offices =
        net.name("prefix list offices", made.expect("create_managed_prefix_list").prefix_list.and_then(|p| p.prefix_list_id));

    for (name, vpc) in [("web", &edge), ("app", &edge), ("database", &data), ("forgotten", &edge)] {
        let call = ec2.create_security_group().group_name(name).description(format!("{name} servers")).vpc_id(vpc);
        let made =
            call.tag_specifications(tagged(ResourceType::SecurityGroup, name)).send().await.expect("create_security_group");
        net.name(&format!("group {name}"), made.group_id);
    }
    let group = |name: &str| net.id(&format!("group {name}")).to_owned();
    let wanted = [
        (
            group("web"),
            vec![
                (443, 443, "0.0.0.0/0".to_owned()),
                (443, 443, "::/0".to_owned()),
                (22, 22, "0.0.0.0/0".to_owned()),
                (80, 80, "0.0.0.0/0".to_owned()),
            ],
        ),
        (group("app"), vec![(8080, 8090, group("web")), (22, 22, offices.clone())]),
        (group("database"), vec![(5432, 5432, "10.0.0.0/8".to_owned()), (5432, 5432, offices)]),
    ];
    for (id, rules) in wanted {
        let mut kept = Rules::new();
        for (from, to, source) in rules {
            let permission = IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to);
            let permission = if source.starts_with("sg-") {
                permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(&source).build())
            } else if source.starts_with("pl-") {
                permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(&source).build())
            } else if source.contains(':') {
                permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(&source).build())
            } else {
                permission.ip_ranges(IpRange::builder().cidr_ip(&source).description("seeded").build())
            };
            let call = ec2.authorize_security_group_ingress().group_id(&id).ip_permissions(permission.build());
            call.send().await.expect("authorize_security_group_ingress");
            kept.insert(("tcp".to_owned(), from, to, source));
        }
        net.rules.insert(id, kept);
    }

    let made = ec2.create_network_acl().vpc_id(&data).send().await.expect("create_network_acl");
    let acl = net.name("network acl", made.network_acl.and_then(|a| a.network_acl_id));
    for (number, action, from, to, egress) in [
        (90, RuleAction::Deny, 22, 22, false),
        (100, RuleAction::Allow, 5432, 5432, false),
        (100, RuleAction::Allow, 1024, 65535, true),
    ] {
        let ports = PortRange::builder().from(from).to(to).build();
        let call = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(number).protocol("6").rule_action(action);
        call.egress(egress).cidr_block("0.0.0.0/0").port_range(ports).send().await.expect("create_network_acl_entry");
    }
}

/// Interfaces, addresses, instances, endpoints and a load balancer.
async fn machines(ec2: &Client, elb: &elb::Client, net: &mut Network, region: &str) {
    let web = net.id("group web").to_owned();
    let call = ec2.create_network_interface().subnet_id(net.id("subnet public-a")).groups(&web).description("bastion, by hand");
    let made = call.send().await.expect("create_network_interface");
    let interface = net.name("interface bastion", made.network_interface.and_then(|i| i.network_interface_id));
    let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.expect("allocate_address");
    let allocation = net.name("address bastion", address.allocation_id);
    ec2.associate_address().allocation_id(allocation).network_interface_id(&interface).send().await.expect("associate_address");
    net.public.insert((interface, address.public_ip.unwrap_or_default()));

    for (name, subnet, group) in [("web-0", "private-a", "app"), ("db-0", "data-a", "database")] {
        let call = ec2.run_instances().image_id("ami-12c6146b").instance_type(InstanceType::T3Micro).min_count(1).max_count(1);
        let call = call.subnet_id(net.id(&format!("subnet {subnet}"))).security_group_ids(net.id(&format!("group {group}")));
        let profile = IamInstanceProfileSpecification::builder().name("web-server").build();
        let call = if name == "web-0" { call.iam_instance_profile(profile) } else { call };
        let made = call.tag_specifications(tagged(ResourceType::Instance, name)).send().await.expect("run_instances");
        net.name(&format!("instance {name}"), made.instances().first().and_then(|i| i.instance_id()));
    }

    let call = ec2.create_vpc_endpoint().vpc_id(net.id("vpc edge")).service_name(format!("com.amazonaws.{region}.s3"));
    let made = call.vpc_endpoint_type(VpcEndpointType::Gateway).route_table_ids(net.id("route table private")).send().await;
    net.name("endpoint s3", made.expect("create_vpc_endpoint").vpc_endpoint.and_then(|e| e.vpc_endpoint_id));
    let call = ec2.create_vpc_endpoint().vpc_id(net.id("vpc edge")).service_name(format!("com.amazonaws.{region}.ssm"));
    let call = call
        .vpc_endpoint_type(VpcEndpointType::Interface)
        .subnet_ids(net.id("subnet private-a"))
        .security_group_ids(net.id("group app"));
    net.name("endpoint ssm", call.send().await.expect("create_vpc_endpoint").vpc_endpoint.and_then(|e| e.vpc_endpoint_id));

    let call =
        elb.create_load_balancer().name("front").security_groups(&web).scheme(elb::types::LoadBalancerSchemeEnum::InternetFacing);
    let made =
        call.subnets(net.id("subnet public-a")).subnets(net.id("subnet public-b")).send().await.expect("create_load_balancer");
    let arn = net.name("load balancer front", made.load_balancers().first().and_then(|l| l.load_balancer_arn()));
    let call =
        elb.create_target_group().name("app").protocol(elb::types::ProtocolEnum::Http).port(8080).vpc_id(net.id("vpc edge"));
    let made = call.send().await.expect("create_target_group");
    let target = net.name("target group app", made.target_groups().first().and_then(|t| t.target_group_arn()));
    let web = elb::types::TargetDescription::builder().id(net.id("instance web-0")).port(8080).build();
    elb.register_targets().target_group_arn(&target).targets(web).send().await.expect("register_targets");
    let forward = elb::types::Action::builder().r#type(elb::types::ActionTypeEnum::Forward).target_group_arn(target).build();
    let call =
        elb.create_listener().load_balancer_arn(arn).protocol(elb::types::ProtocolEnum::Http).port(80).default_actions(forward);
    let made = call.send().await.expect("create_listener");
    let listener = net.name("listener", made.listeners().first().and_then(|l| l.listener_arn()));
    let call =
        elb.create_target_group().name("jobs").protocol(elb::types::ProtocolEnum::Http).port(8081).vpc_id(net.id("vpc edge"));
    let made = call.send().await.expect("create_target_group");
    let jobs = net.name("target group jobs", made.target_groups().first().and_then(|t| t.target_group_arn()));
    let forward = elb::types::Action::builder().r#type(elb::types::ActionTypeEnum::Forward).target_group_arn(jobs).build();
    let path = elb::types::PathPatternConditionConfig::builder().values("/jobs/*").build();
    let condition = elb::types::RuleCondition::builder().field("path-pattern").path_pattern_config(path).build();
    let call = elb.create_rule().listener_arn(listener).priority(7).conditions(condition).actions(forward);
    let made = call.send().await.expect("create_rule");
    net.name("rule", made.rules().first().and_then(|r| r.rule_arn()));
}

/// Every object there is, default VPC included. Moto answers these whole.
async fn listing(ec2: &Client, elb: &elb::Client) -> BTreeMap<Kind, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    macro_rules! list {
        ($kind:ident, $call:ident, $field:ident, $id:ident) => {
            let found = ec2.$call().send().await.expect(stringify!($call));
            all.insert(Kind::$kind, found.$field().iter().filter_map(|o| o.$id()).map(str::to_owned).collect::<BTreeSet<_>>());
        };
    }
    list!(Vpc, describe_vpcs, vpcs, vpc_id);
    list!(Subnet, describe_subnets, subnets, subnet_id);
    list!(RouteTable, describe_route_tables, route_tables, route_table_id);
    list!(SecurityGroup, describe_security_groups, security_groups, group_id);
    list!(NetworkAcl, describe_network_acls, network_acls, network_acl_id);
    list!(Interface, describe_network_interfaces, network_interfaces, network_interface_id);
    list!(InternetGateway, describe_internet_gateways, internet_gateways, internet_gateway_id);
    list!(NatGateway, describe_nat_gateways, nat_gateways, nat_gateway_id);
    list!(Peering, describe_vpc_peering_connections, vpc_peering_connections, vpc_peering_connection_id);
    list!(TransitGateway, describe_transit_gateways, transit_gateways, transit_gateway_id);
    list!(
        TransitGatewayAttachment,
        describe_transit_gateway_attachments,
        transit_gateway_attachments,
        transit_gateway_attachment_id
    );
    list!(
        TransitGatewayRouteTable,
        describe_transit_gateway_route_tables,
        transit_gateway_route_tables,
        transit_gateway_route_table_id
    );
    list!(VpnGateway, describe_vpn_gateways, vpn_gateways, vpn_gateway_id);
    list!(VpnConnection, describe_vpn_connections, vpn_connections, vpn_connection_id);
    list!(CustomerGateway, describe_customer_gateways, customer_gateways, customer_gateway_id);
    list!(Endpoint, describe_vpc_endpoints, vpc_endpoints, vpc_endpoint_id);
    list!(PrefixList, describe_managed_prefix_lists, prefix_lists, prefix_list_id);
    list!(Address, describe_addresses, addresses, allocation_id);
    let found = ec2.describe_instances().send().await.expect("describe_instances");
    let instances = found.reservations().iter().flat_map(|r| r.instances()).filter_map(|i| i.instance_id()).map(str::to_owned);
    all.insert(Kind::Instance, instances.collect());
    let found = elb.describe_load_balancers().send().await.expect("describe_load_balancers");
    all.insert(
        Kind::LoadBalancer,
        found.load_balancers().iter().filter_map(|l| l.load_balancer_arn()).map(str::to_owned).collect(),
    );
    let found = elb.describe_target_groups().send().await.expect("describe_target_groups");
    let groups = found.target_groups().iter().filter_map(|g| g.target_group_arn()).map(str::to_owned);
    all.insert(Kind::TargetGroup, groups.collect());
    all
}
