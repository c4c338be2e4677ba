//! Between VPCs and out of AWS: peerings, transit gateways, VPN and Direct Connect.

use crate::network::lift::only;
use crate::network::net::{Object, Served};
use crate::network::walk::routes::cut;
use crate::network::walk::{Deed, End, FARTHEST, Leg, Place, Translation, Walk};

impl Walk<'_> {
    // ---- between VPCs ----

    pub(super) fn by_peering(&mut self, mut leg: Leg, place: Place, peering: usize) {
        let net = self.net;
        let p = &net.peerings[peering];
        let deed = Deed::Through(Object::Peering(peering));
        let other = match (p.sides[0].vpc == Some(place.vpc), p.sides[1].vpc == Some(place.vpc)) {
            (true, _) => &p.sides[1],
            (_, true) => &p.sides[0],
            _ => {
                self.halt(leg, deed, "the peering connection is not of this VPC");
                return;
            }
        };
        if !p.active {
            self.halt(
                leg,
                deed,
                format!("the peering connection is {}", if p.status.is_empty() { "not active" } else { &p.status }),
            );
            return;
        }
        if place.transit {
            self.halt(leg, deed, "a peering connection carries only packets between its two VPCs (it is not transitive)");
            return;
        }
        let to = self.destinations(&leg);
        if !other.cidrs.is_empty() && !other.cidrs.meets(&to) {
            let why = format!("the address is not of the peered VPC {} (peering is not transitive)", other.vpc_id);
            self.halt(leg, deed, why);
            return;
        }
        leg.step(self.way, deed);
        if let (false, Some(Translation::Nat { nat, .. })) = (self.is_request(), leg.translations.last().copied()) {
            if other.vpc == Some(net.nats[nat].vpc) {
                self.back_at_nat(leg, nat, None);
            } else {
                self.halt(leg, Deed::At(None), "the answer goes to another VPC than the NAT gateway's");
            }
            return;
        }
        match (self.goal(), other.vpc) {
            (End::Interface { ix, .. }, Some(vpc)) if net.interfaces[*ix].vpc == vpc => {
                let ix = *ix;
                self.arrive(leg, ix, None);
            }
            (_, Some(vpc)) => {
                let why = format!("the other end is not in the peered VPC {}", net.vpcs[vpc].id);
                self.halt(leg, Deed::At(Some(Object::Vpc(vpc))), why);
            }
            (_, None) => {
                leg.doubt(format!("the peered VPC {} is not in the estate", other.vpc_id));
                self.assume(leg);
            }
        }
    }
    pub(super) fn via_transit(&mut self, leg: Leg, place: Place, gateway: usize) {
        let net = self.net;
        let tgw = &net.transit_gateways[gateway];
        let deed = Deed::Through(Object::TransitGateway(gateway));
        let mut leg = leg;
        let of_vpc = tgw.attachments.iter().copied().find(|a| net.attachments[*a].vpc == Some(place.vpc));
        let Some(attachment) = of_vpc else {
            if tgw.attachments.is_empty() {
                leg.doubt(format!("the attachments of {} are not in the estate", tgw.id));
                self.assume(leg);
            } else {
                self.halt(leg, deed, format!("{} is not attached to the transit gateway", net.vpcs[place.vpc].id));
            }
            return;
        };
        let a = &net.attachments[attachment];
        if !a.works {
            self.halt(leg, deed, "the transit gateway attachment is not available");
            return;
        }
        let zone = &net.subnets[place.subnet].zone_id;
        if !a.subnets.is_empty() {
            // "How transit gateways work": packets get in only where the attachment has a subnet in the same zone.
            let Some(own) = a.subnets.iter().copied().find(|s| net.subnets[*s].zone_id == *zone) else {
                self.halt(
                    leg,
                    deed,
                    format!("the transit gateway attachment has no subnet in {}", net.subnets[place.subnet].zone),
                );
                return;
            };
            let Some(next) = self.acl(leg, own, false) else { return };
            leg = next;
        }
        leg.step(self.way, deed);
        self.in_transit(leg, attachment, zone);
    }
    /// Inside a transit gateway, having come in by an attachment.
    pub(super) fn in_transit(&mut self, mut leg: Leg, attachment: usize, zone: &str) {
        let net = self.net;
        leg.through += 1;
        let a = &net.attachments[attachment];
        let place = Object::TransitGateway(a.gateway);
        if leg.through > FARTHEST {
            self.halt(leg, Deed::Through(place), "the routes lead in a circle");
            return;
        }
        let table_ix = match a.table {
            Served::By(table) => table,
            Served::Nobody => {
                self.halt(leg, Deed::Through(place), format!("{} is associated with no transit gateway route table", a.id));
                return;
            }
            Served::Unknown => {
                leg.doubt(format!("the transit gateway route table that serves {} is not known", a.id));
                self.assume(leg);
                return;
            }
        };
        let table = &net.transit_tables[table_ix];
        let to = self.destinations(&leg);
        for (route, part) in cut(&to, &table.v4.0, &table.v6.0) {
            let mut leg = leg.clone();
            if part != to {
                leg.may = only(&leg.may, &part, self.to());
                leg.sure = leg.sure.map(|s| only(&s, &part, self.to()));
            }
            let deed = Deed::TransitRoute { table: table_ix, route };
            if !table.complete && route.is_none_or(|r| table.routes[r].propagated) {
                leg.doubt(format!("not all routes of {} are known", table.id));
                leg.step(self.way, deed.clone());
            }
            let Some(route) = route else {
                if table.complete {
                    self.halt(leg, deed, "no transit gateway route leads there");
                } else {
                    self.assume(leg);
                }
                continue;
            };
            let route = &table.routes[route];
            if !route.lost.is_empty() && route.attachments.is_empty() {
                leg.doubt(format!("the attachment {} is not in the estate", route.lost));
                self.assume(leg);
                continue;
            }
            if route.attachments.is_empty() {
                self.halt(leg, deed, format!("the transit gateway route to {} is a blackhole", route.destination));
                continue;
            }
            leg.step(self.way, deed);
            for next in &route.attachments {
                self.out_of_transit(leg.clone(), *next, zone);
            }
        }
    }
    pub(super) fn out_of_transit(&mut self, mut leg: Leg, attachment: usize, zone: &str) {
        let net = self.net;
        let a = &net.attachments[attachment];
        let deed = Deed::Through(Object::Attachment(attachment));
        if !a.works {
            self.halt(leg, deed, "the transit gateway attachment is not available");
            return;
        }
        leg.step(self.way, deed);
        match (a.kind.as_str(), a.vpc) {
            (_, Some(vpc)) => self.out_into_vpc(leg, attachment, vpc, zone),
            ("peering", None) => {
                let other = net.transit_gateways.iter().position(|t| t.id == a.resource);
                let end = other
                    .and_then(|o| net.transit_gateways[o].attachments.iter().copied().find(|x| net.attachments[*x].id == a.id));
                match end {
                    Some(end) if end != attachment => self.in_transit(leg, end, zone),
                    _ => {
                        leg.doubt(format!("the peered transit gateway {} is not in the estate", a.resource));
                        self.assume(leg);
                    }
                }
            }
            _ => self.out_to_premises(leg, Object::Attachment(attachment)),
        }
    }
    pub(super) fn out_into_vpc(&mut self, mut leg: Leg, attachment: usize, vpc: usize, zone: &str) {
        let net = self.net;
        let a = &net.attachments[attachment];
        let here = a.subnets.iter().copied().find(|s| net.subnets[*s].zone_id == *zone).or_else(|| a.subnets.first().copied());
        match here {
            Some(subnet) => self.route(leg, Place { vpc, subnet, transit: true }),
            None => {
                leg.doubt(format!("the subnets of {} are not known", a.id));
                let nat = leg.translations.last().copied().filter(|_| !self.is_request());
                match (nat, self.goal()) {
                    (Some(Translation::Nat { nat, .. }), _) if net.nats[nat].vpc == vpc => self.back_at_nat(leg, nat, None),
                    (_, End::Interface { ix, .. }) if net.interfaces[*ix].vpc == vpc => {
                        let ix = *ix;
                        self.arrive(leg, ix, None);
                    }
                    _ => self.assume(leg),
                }
            }
        }
    }

    // ---- on premises ----

    /// By a VPN connection that is known, over its customer gateway; says what lies behind the gateway.
    fn by_vpn(&self, leg: &mut Leg, by: Object, out: bool) -> String {
        let net = self.net;
        let far = if out { self.destinations(leg) } else { leg.may.sources() };
        let own = |v: &crate::network::net::VpnConnection| match by {
            Object::VpnGateway(g) => v.gateway == Some(g),
            Object::Attachment(a) => net.attachments[a].resource == v.id,
            _ => false,
        };
        let all: Vec<usize> = (0..net.vpn_connections.len()).filter(|v| own(&net.vpn_connections[*v])).collect();
        let leads = |v: &&usize| net.vpn_connections[**v].routes.as_ref().is_none_or(|r| r.meets(&far));
        let best = all.iter().filter(leads).max_by_key(|v| {
            let v = &net.vpn_connections[**v];
            (v.works, v.up, std::cmp::Reverse(&v.id))
        });
        let id = net.id_of(by);
        let Some(ix) = best.copied() else {
            let none = if all.is_empty() { "" } else { "; none of its VPN connections has a static route there" };
            return format!("the network behind {id} is not in the estate{none}");
        };
        let vpn = &net.vpn_connections[ix];
        let mut hops = vec![Object::VpnConnection(ix)];
        hops.extend(vpn.customer.map(Object::CustomerGateway));
        if !out {
            hops.reverse();
        }
        for hop in hops {
            leg.step(self.way, Deed::Through(hop));
        }
        let to = vpn.customer.map_or_else(String::new, |c| format!(" to {}", net.customer_gateways[c].id));
        let now = match (vpn.works, vpn.up) {
            (false, _) => "is not available",
            (true, Some(false)) => "has no tunnel up",
            (true, Some(true)) => "is up",
            (true, None) => "is there",
        };
        format!("the network behind {id} is not in the estate; {}{to} {now}", vpn.id)
    }
    pub(super) fn out_to_premises(&mut self, mut leg: Leg, by: Object) {
        let behind = self.by_vpn(&mut leg, by, true);
        leg.step(self.way, Deed::OnPremises);
        leg.doubt(behind);
        match self.goal() {
            End::OnPremises(_) | End::Internet(_) => self.done.push(leg),
            End::Interface { .. } => self.assume(leg),
        }
    }
    pub(super) fn in_from_premises(&mut self, mut leg: Leg, interface: usize) {
        let net = self.net;
        let vpc = net.interfaces[interface].vpc;
        if self.is_request() {
            leg.step(self.way, Deed::OnPremises);
        }
        let mut ways = 0;
        if let Some(gateway) = net.vpcs[vpc].vpn_gateway {
            ways += 1;
            let mut leg = leg.clone();
            let behind = self.by_vpn(&mut leg, Object::VpnGateway(gateway), false);
            leg.doubt(behind);
            leg.step(self.way, Deed::Through(Object::VpnGateway(gateway)));
            match net.vpcs[vpc].edge_tables.get(&net.vpn_gateways[gateway].id).copied() {
                Some(table) => self.by_edge_table(&mut leg, vpc, table, interface),
                None => self.arrive(leg, interface, None),
            }
        }
        for own in &net.vpcs[vpc].attachments {
            for outer in &net.transit_gateways[net.attachments[*own].gateway].attachments {
                let a = &net.attachments[*outer];
                if a.vpc.is_some() || a.kind == "peering" || !a.works {
                    continue;
                }
                ways += 1;
                let mut leg = leg.clone();
                let behind = self.by_vpn(&mut leg, Object::Attachment(*outer), false);
                leg.doubt(behind);
                leg.step(self.way, Deed::Through(Object::Attachment(*outer)));
                self.in_transit(leg, *outer, "");
            }
        }
        if ways == 0 {
            if net.vpcs[vpc].seen {
                let why = format!("neither VPN nor Direct Connect leads to {}", net.vpcs[vpc].id);
                self.halt(leg, Deed::At(Some(Object::Vpc(vpc))), why);
            } else {
                leg.doubt(format!("the gateways of {} are not known", net.vpcs[vpc].id));
                self.assume(leg);
            }
        }
    }
}
