//! What joins VPCs: peerings, transit gateways, shared prefix lists.

use crate::demo::accounts::{REGIONS, SEATS, by_name, readable, tags};
use crate::demo::network::gateways::{route, s3_list, transit_gateway};
use crate::demo::network::{Ground, Yard, groups, state};
use crate::demo::random::id;
use crate::model::network::{
    PeerVpc, Peering, PrefixList, PrefixListEntry, TransitGateway, TransitGatewayAssociation, TransitGatewayAttachment,
    TransitGatewayOptions, TransitGatewayPropagation, TransitGatewayRoute, TransitGatewayRouteTable,
};

/// Pairs of VPCs by name, and how each peering stands.
const PEERINGS: [(&str, &str, &str); 4] = [
    ("payments", "lake", "active"),
    ("web", "orders", "active"),
    ("web-us", "orders-us", "active"),
    ("builders", "payments-dev", "pending-acceptance"),
];

pub(super) fn add(ground: &mut Ground, yards: &[Yard]) {
    for (one, other, status) in PEERINGS {
        let find = |name: &str| yards.iter().find(|y| y.site.name == name);
        if let (Some(one), Some(other)) = (find(one), find(other)) {
            peer(ground, one, other, status);
        }
    }
    let hub = by_name("network");
    for yard in yards {
        let Some(tgw) = transit_gateway(yard.site) else { continue };
        let attachment = TransitGatewayAttachment {
            transit_gateway_attachment_id: yard.id("tgw-attach", ""),
            transit_gateway_id: tgw,
            transit_gateway_owner_id: SEATS[hub].id.to_owned(),
            resource_owner_id: yard.owner(),
            resource_type: "vpc".to_owned(),
            resource_id: yard.vpc.clone(),
            state: "available".to_owned(),
            subnet_ids: yard.private.iter().map(|place| place.subnet.clone()).collect(),
            tags: tags(&[("Name", yard.site.name)]),
            ..TransitGatewayAttachment::default()
        };
        // The gateway's owner sees every attachment, the others see their own.
        if yard.account != hub {
            ground.networks.entry((hub, yard.site.region)).or_default().transit_gateway_attachments.push(attachment.clone());
        }
        ground.network(yard).transit_gateway_attachments.push(attachment);
    }
    for region in 0..REGIONS.len() {
        let joined: Vec<&Yard> = yards.iter().filter(|y| y.site.region == region && transit_gateway(y.site).is_some()).collect();
        if let Some(tgw) = joined.first().and_then(|y| transit_gateway(y.site)) {
            tables(ground, hub, region, &tgw, &joined);
        }
    }
    for account in readable() {
        for (region, name) in REGIONS.iter().enumerate() {
            let lists = &mut ground.networks.entry((account, region)).or_default().prefix_lists;
            lists.push(list(
                s3_list(region),
                &format!("com.amazonaws.{name}.s3"),
                name,
                "AWS",
                &["192.0.2.0/25", "192.0.2.128/26"],
            ));
            let offices = ["198.51.100.0/28", "198.51.100.128/28"];
            lists.push(list(groups::office_list(region), "acme-offices", name, SEATS[hub].id, &offices));
        }
    }
}

/// Which of the transit gateway's route tables serves a VPC. One of the data lake's was put into the wrong one.
fn served(yard: &Yard) -> &'static str {
    let unit = SEATS[yard.account].unit;
    match unit {
        "Workloads/Production" => "production",
        "Workloads/NonProduction" if yard.site.name == "lake-dev" => "production",
        "Workloads/NonProduction" => "non-production",
        _ => "shared",
    }
}

/// The transit gateway of a region: shared services know all VPCs, production and the rest know shared services and
/// themselves; the way out is the hub's.
fn tables(ground: &mut Ground, hub: usize, region: usize, tgw: &str, joined: &[&Yard]) {
    let gateway = TransitGateway {
        transit_gateway_arn: format!("arn:aws:ec2:{}:{}:transit-gateway/{tgw}", REGIONS[region], SEATS[hub].id),
        transit_gateway_id: tgw.to_owned(),
        owner_id: SEATS[hub].id.to_owned(),
        state: "available".to_owned(),
        options: Some(TransitGatewayOptions {
            security_group_referencing_support: "disable".to_owned(),
            ..TransitGatewayOptions::default()
        }),
        tags: tags(&[("Name", &format!("acme-{}", REGIONS[region]))]),
        ..TransitGateway::default()
    };
    let mut holders: Vec<usize> = joined.iter().map(|y| y.account).chain([hub]).collect();
    holders.sort_unstable();
    holders.dedup();
    for account in holders {
        ground.networks.entry((account, region)).or_default().transit_gateways.push(gateway.clone());
    }
    let attachment = |yard: &Yard| yard.id("tgw-attach", "");
    let out = joined.iter().find(|y| y.account == hub).map(|y| TransitGatewayPropagation {
        transit_gateway_attachment_id: attachment(y),
        resource_id: y.vpc.clone(),
        resource_type: "vpc".to_owned(),
        ..TransitGatewayPropagation::default()
    });
    for name in ["production", "non-production", "shared"] {
        let table = id("tgw-rtb", &format!("{tgw}/{name}"));
        let known = joined.iter().filter(|y| name == "shared" || served(y) == name || served(y) == "shared");
        let propagation = |y: &&Yard| TransitGatewayPropagation {
            transit_gateway_attachment_id: attachment(y),
            resource_id: y.vpc.clone(),
            resource_type: "vpc".to_owned(),
            state: "enabled".to_owned(),
            ..TransitGatewayPropagation::default()
        };
        let association = |y: &&Yard| TransitGatewayAssociation {
            transit_gateway_route_table_id: table.clone(),
            transit_gateway_attachment_id: attachment(y),
            state: "associated".to_owned(),
            ..TransitGatewayAssociation::default()
        };
        let routes = out.iter().map(|hub| TransitGatewayRoute {
            destination_cidr_block: "0.0.0.0/0".to_owned(),
            kind: "static".to_owned(),
            state: "active".to_owned(),
            transit_gateway_attachments: vec![hub.clone()],
            ..TransitGatewayRoute::default()
        });
        let made = TransitGatewayRouteTable {
            transit_gateway_route_table_id: table.clone(),
            transit_gateway_id: tgw.to_owned(),
            state: "available".to_owned(),
            routes: Some(routes.collect()),
            propagations: Some(known.map(propagation).collect()),
            associations: Some(joined.iter().filter(|y| served(y) == name).map(association).collect()),
            tags: tags(&[("Name", name)]),
            ..TransitGatewayRouteTable::default()
        };
        ground.networks.entry((hub, region)).or_default().transit_gateway_route_tables.push(made);
    }
}

fn list(list: String, name: &str, region: &str, owner: &str, entries: &[&str]) -> PrefixList {
    let entry = |cidr: &&str| PrefixListEntry { cidr: (*cidr).to_owned(), ..PrefixListEntry::default() };
    PrefixList {
        prefix_list_arn: format!("arn:aws:ec2:{region}:{}:prefix-list/{list}", owner.to_ascii_lowercase()),
        prefix_list_id: list,
        prefix_list_name: name.to_owned(),
        address_family: "IPv4".to_owned(),
        owner_id: owner.to_owned(),
        entries: entries.iter().map(entry).collect(),
        ..PrefixList::default()
    }
}

fn peer(ground: &mut Ground, one: &Yard, other: &Yard, status: &str) {
    let side = |yard: &Yard| PeerVpc {
        vpc_id: yard.vpc.clone(),
        owner_id: yard.owner(),
        region: REGIONS[yard.site.region].to_owned(),
        cidr_block: yard.cidr.clone(),
        ..PeerVpc::default()
    };
    let pcx = id("pcx", &format!("{}{}", one.vpc, other.vpc));
    let peering = Peering {
        vpc_peering_connection_id: pcx.clone(),
        requester_vpc_info: Some(side(one)),
        accepter_vpc_info: Some(side(other)),
        status: state(status),
        tags: tags(&[("Name", &format!("{}-to-{}", one.site.name, other.site.name))]),
        ..Peering::default()
    };
    for (here, there) in [(one, other), (other, one)] {
        let private = here.id("rtb", "private");
        let network = ground.network(here);
        network.peerings.push(peering.clone());
        if status == "active" {
            let tables = network.route_tables.iter_mut().filter(|t| t.route_table_id == private);
            tables.for_each(|t| t.routes.push(route(&there.cidr, |r| r.vpc_peering_connection_id.clone_from(&pcx))));
        }
    }
}
