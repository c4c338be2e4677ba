//! Route tables, and what their routes lead to.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::rules::lay;
use crate::network::build::{Builder, name};
use crate::network::net::{Gateway, Line, Object, Route, Table, Target};
use crate::network::packets::cidr;

impl Builder<'_> {
    pub(super) fn tables(&mut self, home: usize, part: &RegionEstate) {
        let mut main: Vec<(usize, usize)> = Vec::new();
        for table in &part.network.route_tables {
            let id = &table.route_table_id;
            let ix = self.net.tables.len();
            if !self.enter(id, Object::Table(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &table.vpc_id);
            let mut out = Table { id: id.clone(), name: name(&table.tags), home, ..Table::default() };
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            let locals: Vec<IpNet> = self.net.vpcs[vpc].cidrs.cidrs();
            let mut stated: BTreeSet<IpNet> = BTreeSet::new();
            for route in &table.routes {
                let text = route.destination();
                let list = match self.net.object(text) {
                    Some(Object::PrefixList(l)) => Some(self.net.prefix_lists[l].entries.clone()),
                    _ => None,
                };
                let (nets, by_list) = match (cidr(text), list) {
                    (Ok(one), _) => (vec![one], false),
                    (_, Some(Some(entries))) => (entries.cidrs(), true),
                    _ => {
                        // A gateway endpoint's list holds public addresses of one AWS service only.
                        if !route.gateway_id.starts_with("vpce-") {
                            self.gap(id, format!("the route destination {text:?} is not known"));
                            out.unsure = Some(text.to_owned());
                        }
                        continue;
                    }
                };
                let propagated = route.origin == "EnableVgwRoutePropagation";
                let target = self.target(id, vpc, route);
                let rank = if target == Target::Local { 0 } else { 1 + u8::from(by_list) + 2 * u8::from(propagated) };
                for net in nets {
                    // A propagated route never beats the local one, however specific (Amazon VPC, "Route priority").
                    if propagated && locals.iter().any(|l| l.contains(&net)) {
                        continue;
                    }
                    stated.insert(net);
                    lay(net, rank, out.routes.len(), &mut v4, &mut v6);
                }
                out.routes.push(Route { destination: text.to_owned(), target, target_text: route.target().to_owned() });
            }
            for net in locals.iter().filter(|l| !stated.contains(l)) {
                // Every table has a local route for every CIDR of its VPC, whether the answer lists it or not.
                lay(*net, 0, out.routes.len(), &mut v4, &mut v6);
                out.routes.push(Route { destination: net.to_string(), target: Target::Local, target_text: "local".to_owned() });
            }
            out.v4 = Line::longest(v4);
            out.v6 = Line::longest(v6);
            self.net.tables.push(out);
            for association in &table.associations {
                let state = association.extra.get("AssociationState").and_then(|s| s.get("State")).and_then(|s| s.as_str());
                if matches!(state, Some("disassociated" | "disassociating" | "failed")) {
                    continue;
                }
                if !association.subnet_id.is_empty() {
                    if let Some(Object::Subnet(s)) = self.net.object(&association.subnet_id) {
                        self.net.subnets[s].table = Some(ix);
                    }
                } else if !association.gateway_id.is_empty() {
                    self.net.vpcs[vpc].edge_tables.insert(association.gateway_id.clone(), ix);
                } else if association.main {
                    main.push((vpc, ix));
                }
            }
        }
        for (vpc, table) in main {
            for s in self.net.vpcs[vpc].subnets.clone() {
                self.net.subnets[s].table.get_or_insert(table);
            }
        }
    }
    pub(super) fn target(&mut self, table: &str, vpc: usize, route: &aws::Route) -> Target {
        let text = route.target();
        if route.state == "blackhole" {
            return Target::Blackhole(format!("the route to {} is a blackhole ({text} is gone)", route.destination()));
        }
        if text == "local" {
            return Target::Local;
        }
        match self.net.object(text) {
            Some(Object::InternetGateway(i)) => return Target::InternetGateway(i),
            Some(Object::EgressOnlyGateway(i)) => return Target::EgressOnly(i),
            Some(Object::Nat(i)) => return Target::Nat(i),
            Some(Object::Peering(i)) => return Target::Peering(i),
            Some(Object::TransitGateway(i)) => return Target::TransitGateway(i),
            Some(Object::VpnGateway(i)) => return Target::VpnGateway(i),
            Some(Object::Endpoint(i)) => return Target::Endpoint(i),
            Some(Object::Interface(i)) => return Target::Interface(i),
            Some(Object::Instance(i)) => {
                if let Some(first) = self.net.instances[i].interfaces.first() {
                    return Target::Interface(*first);
                }
            }
            _ => {}
        }
        let home = self.net.vpcs[vpc].home;
        // AWS marks a route to a gateway that was detached or deleted as a blackhole, so an active one is attached.
        if text.starts_with("igw-") {
            let ix = self.net.internet_gateways.len();
            self.enter(text, Object::InternetGateway(ix));
            self.net.internet_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].internet_gateway.get_or_insert(ix);
            self.gap(table, format!("a route leads to {text}, which is not in the estate; it is taken as attached"));
            return Target::InternetGateway(ix);
        }
        if text.starts_with("vgw-") {
            let ix = self.net.vpn_gateways.len();
            self.enter(text, Object::VpnGateway(ix));
            self.net.vpn_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].vpn_gateway.get_or_insert(ix);
            return Target::VpnGateway(ix);
        }
        if text.starts_with("eigw-") {
            let ix = self.net.egress_only_gateways.len();
            self.enter(text, Object::EgressOnlyGateway(ix));
            self.net.egress_only_gateways.push(Gateway { id: text.to_owned(), name: String::new(), home, vpc: Some(vpc) });
            self.net.vpcs[vpc].egress_only.get_or_insert(ix);
            return Target::EgressOnly(ix);
        }
        if text.starts_with("tgw-") {
            return Target::TransitGateway(self.transit_ix(home, text));
        }
        let why = format!("the route to {} leads to {text:?}, which is not in the estate or not evaluated", route.destination());
        self.gap(table, why.clone());
        Target::Unknown(why)
    }
}
