//! What joins VPCs: peerings, transit gateways, their attachments, route tables and associations.

use std::collections::HashMap;

use ipnet::IpNet;

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::rules::lay;
use crate::network::build::{Builder, name};
use crate::network::net::{Attachment, Line, Object, Peering, Served, Side, TransitGateway, TransitRoute, TransitTable};
use crate::network::packets::{Addresses, cidr};

impl Builder<'_> {
    pub(super) fn transit_ix(&mut self, home: usize, id: &str) -> usize {
        if let Some(Object::TransitGateway(ix)) = self.net.object(id) {
            return ix;
        }
        let ix = self.net.transit_gateways.len();
        self.enter(id, Object::TransitGateway(ix));
        self.net.transit_gateways.push(TransitGateway { id: id.to_owned(), home, ..TransitGateway::default() });
        ix
    }
    pub(super) fn transit(&mut self, home: usize, part: &RegionEstate) {
        for gateway in &part.network.transit_gateways {
            if matches!(gateway.state.as_str(), "deleted" | "deleting") {
                continue;
            }
            let ix = self.transit_ix(home, &gateway.transit_gateway_id);
            let own = gateway.owner_id == part.account;
            let to = &mut self.net.transit_gateways[ix];
            if own {
                to.home = home;
            }
            to.name = name(&gateway.tags);
            if let Some(options) = &gateway.options {
                to.group_references = match options.security_group_referencing_support.as_str() {
                    "enable" => Some(true),
                    "disable" => Some(false),
                    // Gateways from before the option was there behave as if it were off.
                    _ => Some(false),
                };
            }
        }
    }
    pub(super) fn attachments(&mut self, part: &RegionEstate) {
        let home = self.net.homes.iter().position(|h| h.account == part.account && h.region == part.region).unwrap_or_default();
        for attachment in &part.network.transit_gateway_attachments {
            let works = matches!(attachment.state.as_str(), "available" | "modifying" | "");
            if matches!(attachment.state.as_str(), "deleted" | "deleting" | "rejected" | "failed") {
                continue;
            }
            let gateway = self.transit_ix(home, &attachment.transit_gateway_id);
            let id = &attachment.transit_gateway_attachment_id;
            // A peering attachment has one id and two ends.
            let known =
                self.net.transit_gateways[gateway].attachments.iter().find(|a| self.net.attachments[**a].id == *id).copied();
            let ix = known.unwrap_or(self.net.attachments.len());
            if known.is_none() {
                self.enter(id, Object::Attachment(ix));
                let vpc = (attachment.resource_type == "vpc").then(|| self.vpc_ix(home, &attachment.resource_id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].attachments.push(ix);
                }
                self.net.transit_gateways[gateway].attachments.push(ix);
                self.net.attachments.push(Attachment {
                    id: id.clone(),
                    gateway,
                    kind: attachment.resource_type.clone(),
                    resource: attachment.resource_id.clone(),
                    vpc,
                    works,
                    ..Attachment::default()
                });
            }
            let referencing = attachment.options.as_ref().map(|o| o.security_group_referencing_support != "disable");
            let own = &mut self.net.attachments[ix].group_references;
            *own = own.or(referencing);
            if self.net.attachments[ix].subnets.is_empty()
                && let Some(vpc) = self.net.attachments[ix].vpc
            {
                let mut subnets: Vec<usize> = attachment.subnet_ids.iter().map(|s| self.subnet_ix(home, vpc, s)).collect();
                subnets.sort_by(|a, b| self.net.subnets[*a].id.cmp(&self.net.subnets[*b].id));
                self.net.attachments[ix].subnets = subnets;
            }
        }
    }
    /// Transit gateway route tables, their associations and routes; every attachment is known by now.
    pub(super) fn transit_tables(&mut self, part: &RegionEstate) {
        let net = &self.net;
        let find = |gateway: usize, id: &str| {
            net.transit_gateways[gateway].attachments.iter().copied().find(|a| net.attachments[*a].id == id)
        };
        let mut gaps = Vec::new();
        let mut served: Vec<(usize, Served)> = Vec::new();
        let mut tables: Vec<TransitTable> = Vec::new();
        for table in &part.network.transit_gateway_route_tables {
            let Some(Object::TransitGateway(gateway)) = net.object(&table.transit_gateway_id) else {
                gaps.push((
                    table.transit_gateway_route_table_id.clone(),
                    "its transit gateway has no attachment in the estate".to_owned(),
                ));
                continue;
            };
            let id = &table.transit_gateway_route_table_id;
            if net.transit_tables.iter().any(|t| t.id == *id && t.complete) {
                continue;
            }
            let mut out = TransitTable { id: id.clone(), gateway, complete: table.routes.is_some(), ..TransitTable::default() };
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            let mut put = |out: &mut TransitTable, nets: &[IpNet], route: TransitRoute| {
                let index = out.routes.len();
                let rank = u8::from(route.propagated);
                for net in nets {
                    lay(*net, rank, index, &mut v4, &mut v6);
                }
                out.routes.push(route);
            };
            for route in table.routes.iter().flatten() {
                let blackhole = route.state == "blackhole";
                let mut attachments = Vec::new();
                let mut lost = String::new();
                for to in route.transit_gateway_attachments.iter().filter(|_| !blackhole) {
                    match find(gateway, &to.transit_gateway_attachment_id) {
                        Some(ix) => attachments.push(ix),
                        None => lost.clone_from(&to.transit_gateway_attachment_id),
                    }
                }
                if !lost.is_empty() {
                    gaps.push((
                        id.clone(),
                        format!("a route to {} names {lost}, which is not in the estate", route.destination_cidr_block),
                    ));
                }
                let text =
                    if route.destination_cidr_block.is_empty() { &route.prefix_list_id } else { &route.destination_cidr_block };
                let nets = match (cidr(text), net.object(text)) {
                    (Ok(one), _) => vec![one],
                    (_, Some(Object::PrefixList(ix))) if net.prefix_lists[ix].entries.is_some() => {
                        net.prefix_lists[ix].entries.as_ref().map(Addresses::cidrs).unwrap_or_default()
                    }
                    _ => {
                        out.complete = false;
                        gaps.push((id.clone(), format!("the route destination {text:?} is not known")));
                        continue;
                    }
                };
                let propagated = route.kind == "propagated";
                put(&mut out, &nets, TransitRoute { destination: text.clone(), attachments, lost, propagated });
            }
            for from in table.propagations.iter().flatten().filter(|p| !matches!(p.state.as_str(), "disabled" | "disabling")) {
                match find(gateway, &from.transit_gateway_attachment_id) {
                    Some(ix) if net.attachments[ix].vpc.is_some() => {
                        let vpc = net.attachments[ix].vpc.unwrap_or_default();
                        for one in net.vpcs[vpc].cidrs.cidrs() {
                            let route = TransitRoute {
                                destination: one.to_string(),
                                attachments: vec![ix],
                                lost: String::new(),
                                propagated: true,
                            };
                            put(&mut out, &[one], route);
                        }
                    }
                    // What an on-premises side propagates is only known from the routes themselves.
                    Some(_) if table.routes.is_none() => out.complete = false,
                    Some(_) => {}
                    None => {
                        gaps.push((
                            id.clone(),
                            format!("{} propagates but is not in the estate", from.transit_gateway_attachment_id),
                        ));
                        out.complete = false;
                    }
                }
            }
            out.v4 = Line::longest(v4);
            out.v6 = Line::longest(v6);
            let index = net.transit_tables.len() + tables.len();
            for a in table.associations.iter().flatten().filter(|a| a.state != "disassociated") {
                served.extend(find(gateway, &a.transit_gateway_attachment_id).map(|ix| (ix, Served::By(index))));
            }
            tables.push(out);
        }
        self.net.transit_tables.extend(tables);
        for (ix, by) in served {
            self.net.attachments[ix].table = by;
        }
        for (object, what) in gaps {
            self.gap(&object, what);
        }
    }
    /// Associations that the attachments themselves carry; all tables are known by now.
    pub(super) fn associate(&mut self) {
        let mut named: HashMap<(&str, &str), (&str, bool)> = HashMap::new();
        for part in &self.estate.regions {
            for a in &part.network.transit_gateway_attachments {
                // Only the gateway's owner sees associations.
                let own = a.transit_gateway_owner_id == part.account;
                let table = a.association.as_ref().map_or("", |x| x.transit_gateway_route_table_id.as_str());
                let entry = named.entry((&a.transit_gateway_attachment_id, &a.transit_gateway_id)).or_default();
                if !table.is_empty() {
                    entry.0 = table;
                }
                entry.1 |= own;
            }
        }
        let mut gaps = Vec::new();
        for a in &mut self.net.attachments {
            if a.table != Served::Unknown {
                continue;
            }
            let gateway = self.net.transit_gateways[a.gateway].id.as_str();
            let (table, own) = named.get(&(a.id.as_str(), gateway)).copied().unwrap_or_default();
            let of_gateway = || self.net.transit_tables.iter().any(|t| t.gateway == a.gateway);
            a.table = match self.net.transit_tables.iter().position(|t| t.id == table && t.gateway == a.gateway) {
                Some(ix) => Served::By(ix),
                None if table.is_empty() && own && of_gateway() => Served::Nobody,
                None => {
                    gaps.push((
                        a.id.clone(),
                        format!("the transit gateway route table {table:?} that serves it is not in the estate"),
                    ));
                    Served::Unknown
                }
            };
        }
        for (object, what) in gaps {
            self.gap(&object, what);
        }
    }
    pub(super) fn peerings(&mut self, home: usize, part: &RegionEstate) {
        for peering in &part.network.peerings {
            let id = &peering.vpc_peering_connection_id;
            let ix = self.net.peerings.len();
            if !self.enter(id, Object::Peering(ix)) {
                continue;
            }
            let mut side = |info: Option<&aws::PeerVpc>| {
                let Some(info) = info else { return Side::default() };
                let sets = info.cidr_block_set.iter().chain(&info.ipv6_cidr_block_set).map(aws::CidrAssociation::cidr);
                let texts: Vec<&str> = std::iter::once(info.cidr_block.as_str()).chain(sets).filter(|t| !t.is_empty()).collect();
                let vpc = match self.net.object(&info.vpc_id) {
                    Some(Object::Vpc(ix)) => Some(ix),
                    _ => None,
                };
                let mut cidrs = Addresses::of(self.nets(id, texts.into_iter()));
                if let Some(vpc) = vpc {
                    cidrs = cidrs.or(&self.net.vpcs[vpc].cidrs);
                }
                Side { vpc_id: info.vpc_id.clone(), vpc, cidrs, region: info.region.clone(), account: info.owner_id.clone() }
            };
            let sides = [side(peering.requester_vpc_info.as_ref()), side(peering.accepter_vpc_info.as_ref())];
            let status = peering.status.as_ref().map_or("", |s| s.state.as_str()).to_owned();
            for side in &sides {
                if let Some(vpc) = side.vpc {
                    self.net.vpcs[vpc].peerings.push(ix);
                } else if status == "active" {
                    self.gap(id, format!("the peered VPC {} is not in the estate", side.vpc_id));
                }
            }
            let active = status == "active";
            self.net.peerings.push(Peering { id: id.clone(), name: name(&peering.tags), home, sides, active, status });
        }
    }
}
