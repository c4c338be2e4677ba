//! How a VPC reaches out: internet and NAT gateways, VPNs, endpoints, and the route tables that use them.

use crate::demo::accounts::{REGIONS, SEATS, by_name, tags};
use crate::demo::network::{Blackhole, Ground, Inner, Open, Place, Site, Stock, Yard, machines};
use crate::demo::random::{Random, id};
use crate::model::network::{
    Address, CustomerGateway, Endpoint, Gateway, GatewayAttachment, NatAddress, NatGateway, Route, RouteTable,
    RouteTableAssociation, VpnConnection, VpnGateway, VpnOptions, VpnStaticRoute, VpnTunnel,
};

/// Where the transit gateway stands that this site's VPC is attached to, if one does.
pub(super) fn transit_gateway(site: &Site) -> Option<String> {
    let reach = site.layout != Stock && !SEATS[by_name(site.account)].unit.starts_with("Sandbox");
    (reach && site.region < 2).then(|| id("tgw", REGIONS[site.region]))
}

/// The id of AWS's own prefix list for S3 in a region.
pub(super) fn s3_list(region: usize) -> String {
    id("pl", &format!("s3/{}", REGIONS[region]))
}

pub(super) fn route(destination: &str, target: impl FnOnce(&mut Route)) -> Route {
    let mut route = Route { state: "active".to_owned(), origin: "CreateRoute".to_owned(), ..Route::default() };
    if destination.contains("::") {
        route.destination_ipv6_cidr_block = destination.to_owned();
    } else {
        route.destination_cidr_block = destination.to_owned();
    }
    target(&mut route);
    route
}

/// Internet and NAT gateways, endpoints, and the route tables that use them.
pub(super) fn add(ground: &mut Ground, yard: &mut Yard) {
    let region = REGIONS[yard.site.region];
    let local = |cidr: &str| {
        let mut local = route(cidr, |r| r.gateway_id = "local".to_owned());
        local.origin = "CreateRouteTable".to_owned();
        local
    };
    let tgw = transit_gateway(yard.site);
    let inside = |routes: &mut Vec<Route>| {
        if let Some(tgw) = &tgw {
            routes.push(route("10.0.0.0/8", |r| r.transit_gateway_id.clone_from(tgw)));
        }
    };
    let internet = (!yard.public.is_empty()).then(|| yard.id("igw", ""));
    if let Some(igw) = &internet {
        let attachments =
            vec![GatewayAttachment { vpc_id: yard.vpc.clone(), state: "available".to_owned(), ..GatewayAttachment::default() }];
        let gateway = Gateway {
            internet_gateway_id: igw.clone(),
            attachments,
            owner_id: yard.owner(),
            tags: tags(&[("Name", &yard.name("igw"))]),
            ..Gateway::default()
        };
        ground.network(yard).internet_gateways.push(gateway);
    }
    let egress_only = (!yard.v6.is_empty()).then(|| yard.id("eigw", ""));
    if let Some(gateway) = &egress_only {
        let attachments =
            vec![GatewayAttachment { vpc_id: yard.vpc.clone(), state: "attached".to_owned(), ..GatewayAttachment::default() }];
        let gateway = Gateway { internet_gateway_id: gateway.clone(), attachments, ..Gateway::default() };
        ground.network(yard).egress_only_gateways.push(gateway);
    }
    let nat = (yard.site.layout == Open).then(|| nat_gateway(ground, yard));

    let far = partner(yard.site).map(|partner| (partner.cidr, vpn(ground, yard, partner)));
    let mut table = |part: &str, main: bool, subnets: &[Place], mut routes: Vec<Route>| {
        routes.insert(0, local(&yard.cidr));
        let mut associations: Vec<RouteTableAssociation> = (subnets.iter())
            .map(|p| RouteTableAssociation { subnet_id: p.subnet.clone(), ..RouteTableAssociation::default() })
            .collect();
        if main {
            associations.insert(0, RouteTableAssociation { main: true, ..RouteTableAssociation::default() });
        }
        let made = RouteTable {
            route_table_id: yard.id("rtb", part),
            vpc_id: yard.vpc.clone(),
            routes,
            associations,
            tags: if yard.site.layout == Stock { tags(&[]) } else { tags(&[("Name", &yard.name(part))]) },
            ..RouteTable::default()
        };
        ground.networks.entry((yard.account, yard.site.region)).or_default().route_tables.push(made);
    };
    let mut outward = Vec::new();
    if let Some(igw) = &internet {
        outward.push(route("0.0.0.0/0", |r| r.gateway_id.clone_from(igw)));
        if !yard.v6.is_empty() {
            outward.push(route("::/0", |r| r.gateway_id.clone_from(igw)));
        }
    }
    if yard.site.layout == Stock {
        table("main", true, &[], outward);
        return;
    }
    table("main", true, &[], Vec::new());
    if !yard.public.is_empty() {
        inside(&mut outward);
        table("public", false, &yard.public, outward);
    }
    let s3 = yard.id("vpce", "s3");
    let list = s3_list(yard.site.region);
    let mut private = vec![route("", |r| (r.gateway_id, r.destination_prefix_list_id) = (s3.clone(), list.clone()))];
    let data = private.clone();
    match (&nat, &tgw) {
        (Some(nat), _) => private.push(route("0.0.0.0/0", |r| r.nat_gateway_id.clone_from(nat))),
        (None, Some(tgw)) => private.push(route("0.0.0.0/0", |r| r.transit_gateway_id.clone_from(tgw))),
        (None, None) => {}
    }
    if let Some(gateway) = &egress_only {
        private.push(route("::/0", |r| r.egress_only_internet_gateway_id.clone_from(gateway)));
    }
    inside(&mut private);
    if let Some((cidr, gateway)) = far {
        private.push(route(cidr, |r| r.gateway_id = gateway));
    }
    if yard.site.mistakes.contains(&Blackhole) {
        let gone = yard.id("nat", "deleted");
        let mut hole = route("192.168.40.0/24", |r| r.nat_gateway_id = gone);
        hole.state = "blackhole".to_owned();
        private.push(hole);
    }
    table("private", false, &yard.private, private);
    table("data", false, &yard.data, data);

    let tables = vec![yard.id("rtb", "private"), yard.id("rtb", "data")];
    let gateway = Endpoint {
        vpc_endpoint_id: s3,
        vpc_endpoint_type: "Gateway".to_owned(),
        vpc_id: yard.vpc.clone(),
        service_name: format!("com.amazonaws.{region}.s3"),
        state: "available".to_owned(),
        policy_document:
            r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#.into(),
        route_table_ids: tables,
        tags: tags(&[("Name", &yard.name("s3"))]),
        ..Endpoint::default()
    };
    ground.network(yard).endpoints.push(gateway);
    // Inner VPCs need these for Session Manager to reach their machines at all.
    let services: &[&str] = if yard.site.layout == Inner { &["ssm", "ssmmessages", "ec2messages", "kms"] } else { &["ssm"] };
    for service in services {
        let endpoint = yard.id("vpce", service);
        let groups = yard.group_refs(&["endpoints"]);
        let (mut interfaces, mut subnets) = (Vec::new(), Vec::new());
        for z in 0..yard.private.len() {
            let mut place = yard.private[z].clone();
            let part = format!("{service}{z}");
            let mut eni = ground.interface(yard, &mut place, &part, "vpc_endpoint", format!("VPC Endpoint Interface {endpoint}"));
            eni.groups.clone_from(&groups);
            interfaces.push(eni.network_interface_id.clone());
            subnets.push(place.subnet.clone());
            yard.private[z] = place;
            ground.network(yard).interfaces.push(eni);
        }
        let made = Endpoint {
            vpc_endpoint_id: endpoint,
            vpc_endpoint_type: "Interface".to_owned(),
            vpc_id: yard.vpc.clone(),
            service_name: format!("com.amazonaws.{region}.{service}"),
            state: "available".to_owned(),
            subnet_ids: subnets,
            groups,
            private_dns_enabled: true,
            network_interface_ids: interfaces,
            tags: tags(&[("Name", &yard.name(service))]),
            ..Endpoint::default()
        };
        ground.network(yard).endpoints.push(made);
    }
}

/// Who is at the far end of a VPN.
struct Partner {
    name: &'static str,
    address: &'static str,
    cidr: &'static str,
    /// Which of its two tunnels are up.
    up: [bool; 2],
}

fn partner(site: &Site) -> Option<&'static Partner> {
    const BANK: Partner = Partner { name: "bank", address: "192.0.2.241", cidr: "172.20.0.0/16", up: [true, true] };
    const CARRIER: Partner = Partner { name: "carrier", address: "192.0.2.242", cidr: "172.24.8.0/22", up: [false, false] };
    match site.name {
        "payments" => Some(&BANK),
        "orders" => Some(&CARRIER),
        _ => None,
    }
}

/// A VPN to a partner; returns its virtual private gateway.
fn vpn(ground: &mut Ground, yard: &Yard, partner: &Partner) -> String {
    let (gateway, customer) = (yard.id("vgw", ""), yard.id("cgw", partner.name));
    let tunnel = |(n, up): (usize, bool)| VpnTunnel {
        outside_ip_address: format!("203.0.113.{}", 251 + n),
        status: if up { "UP" } else { "DOWN" }.to_owned(),
        status_message: if up { "" } else { "IPSEC IS DOWN" }.to_owned(),
        ..VpnTunnel::default()
    };
    let connection = VpnConnection {
        vpn_connection_id: yard.id("vpn", partner.name),
        customer_gateway_id: customer.clone(),
        vpn_gateway_id: gateway.clone(),
        state: "available".to_owned(),
        options: Some(VpnOptions { static_routes_only: true, ..VpnOptions::default() }),
        routes: vec![VpnStaticRoute {
            destination_cidr_block: partner.cidr.to_owned(),
            state: "available".to_owned(),
            ..VpnStaticRoute::default()
        }],
        vgw_telemetry: partner.up.into_iter().enumerate().map(tunnel).collect(),
        tags: tags(&[("Name", &yard.name(partner.name))]),
        ..VpnConnection::default()
    };
    let customer = CustomerGateway {
        customer_gateway_id: customer,
        state: "available".to_owned(),
        ip_address: partner.address.to_owned(),
        bgp_asn: "65000".to_owned(),
        tags: tags(&[("Name", partner.name)]),
        ..CustomerGateway::default()
    };
    let own = VpnGateway {
        vpn_gateway_id: gateway.clone(),
        state: "available".to_owned(),
        vpc_attachments: vec![GatewayAttachment {
            vpc_id: yard.vpc.clone(),
            state: "attached".to_owned(),
            ..GatewayAttachment::default()
        }],
        tags: tags(&[("Name", &yard.name("vgw"))]),
        ..VpnGateway::default()
    };
    let network = ground.network(yard);
    network.vpn_gateways.push(own);
    network.customer_gateways.push(customer);
    network.vpn_connections.push(connection);
    gateway
}

fn nat_gateway(ground: &mut Ground, yard: &mut Yard) -> String {
    let nat = yard.id("nat", "");
    let public = ground.public_address();
    let mut place = yard.public[0].clone();
    let mut eni = ground.interface(yard, &mut place, "nat", "nat_gateway", format!("Interface for NAT Gateway {nat}"));
    yard.public[0] = place;
    let allocation = machines::elastic(ground, yard, "nat", &mut eni, &public, "");
    let address = NatAddress {
        allocation_id: allocation,
        network_interface_id: eni.network_interface_id.clone(),
        private_ip: eni.private_ip_address.clone(),
        public_ip: public,
        ..NatAddress::default()
    };
    let made = NatGateway {
        nat_gateway_id: nat.clone(),
        vpc_id: yard.vpc.clone(),
        subnet_id: eni.subnet_id.clone(),
        state: "available".to_owned(),
        connectivity_type: "public".to_owned(),
        nat_gateway_addresses: vec![address],
        tags: tags(&[("Name", &yard.name("nat"))]),
        ..NatGateway::default()
    };
    let network = ground.network(yard);
    network.interfaces.push(eni);
    network.nat_gateways.push(made);
    if Random::of(&yard.vpc).chance(30) {
        // An address somebody reserved and forgot.
        let forgotten = ground.public_address();
        let address = Address {
            public_ip: forgotten,
            allocation_id: yard.id("eipalloc", "forgotten"),
            tags: tags(&[("Name", &yard.name("spare"))]),
            ..Address::default()
        };
        ground.network(yard).addresses.push(address);
    }
    nat
}
