//! The router of a VPC: route tables, and where their routes lead.

use crate::network::lift::only;
use crate::network::net::{Object, Target};
use crate::network::packets::{Addresses, Ranges, Region as _};
use crate::network::walk::{Deed, End, FARTHEST, Leg, Place, Translation, Walk};

impl Walk<'_> {
    /// Asks the route table of a subnet, and follows each route that part of the packets take.
    pub(super) fn route(&mut self, mut leg: Leg, place: Place) {
        leg.through += 1;
        let Some(table_ix) = self.net.subnets[place.subnet].table else {
            leg.doubt(format!("no route table is known for {}", self.net.subnets[place.subnet].id));
            leg.step(self.way, Deed::Route { table: None, subnet: Some(place.subnet), route: None });
            // The subnet's own filter still counts where it is known.
            let Some(leg) = self.leave(leg, place) else { return };
            self.assume(leg);
            return;
        };
        if leg.through > FARTHEST {
            let deed = Deed::Route { table: Some(table_ix), subnet: Some(place.subnet), route: None };
            self.halt(leg, deed, "the routes lead in a circle");
            return;
        }
        let table = &self.net.tables[table_ix];
        if let Some(what) = &table.unsure {
            leg.doubt(format!("the route destination {what} of {} is not known", table.id));
        }
        let to = self.destinations(&leg);
        for (route, part) in cut(&to, &table.v4.0, &table.v6.0) {
            let mut leg = leg.clone();
            if part != to {
                // Translated addresses are single, so only untranslated ones are ever cut.
                leg.may = only(&leg.may, &part, self.to());
                leg.sure = leg.sure.map(|s| only(&s, &part, self.to()));
            }
            let deed = Deed::Route { table: Some(table_ix), subnet: Some(place.subnet), route };
            match route {
                Some(route) => {
                    leg.step(self.way, deed);
                    self.follow(leg, place, &table.routes[route].target);
                }
                None => self.halt(leg, deed, "no route leads there"),
            }
        }
    }
    /// The subnet's ACL on the way out of it; to the goal's own subnet packets do not leave.
    pub(super) fn leave(&mut self, leg: Leg, place: Place) -> Option<Leg> {
        let same = match self.goal() {
            End::Interface { ix, .. } => self.net.interfaces[*ix].subnet == place.subnet,
            _ => false,
        };
        if same { Some(leg) } else { self.acl(leg, place.subnet, true) }
    }
    pub(super) fn follow(&mut self, mut leg: Leg, place: Place, target: &Target) {
        match target {
            Target::Local => self.local(leg, place),
            Target::Blackhole(why) => self.halt(leg, Deed::At(None), why.clone()),
            Target::Unknown(why) => {
                leg.doubt(why.clone());
                let Some(leg) = self.acl(leg, place.subnet, true) else { return };
                self.assume(leg);
            }
            Target::InternetGateway(gateway) => {
                let Some(leg) = self.acl(leg, place.subnet, true) else { return };
                self.out_by_internet_gateway(leg, place, *gateway);
            }
            Target::EgressOnly(gateway) => {
                let Some(leg) = self.acl(leg, place.subnet, true) else { return };
                let deed = Deed::Through(Object::EgressOnlyGateway(*gateway));
                let v6 = self.destinations(&leg).v4.is_empty();
                if !v6 {
                    self.halt(leg, deed, "an egress-only internet gateway carries IPv6 only");
                } else if let Err(why) = self.leaves_in_public(&leg) {
                    self.halt(leg, deed, why);
                } else if place.transit {
                    self.halt(leg, deed, "the gateway serves only the VPC's own addresses");
                } else if !self.is_request() {
                    self.halt(leg, deed, "an egress-only internet gateway only answers what was asked from inside");
                } else {
                    let before = leg.client;
                    let Some(mut leg) = self.public_access(leg, place.subnet, true, &deed) else { return };
                    leg.step(self.way, deed);
                    leg.changed = true;
                    leg.translations.push(Translation::InternetGateway { before });
                    leg.step(self.way, Deed::Internet);
                    self.internet(leg);
                }
            }
            Target::Nat(nat) => self.by_nat(leg, place, *nat),
            Target::Peering(peering) => {
                let Some(leg) = self.acl(leg, place.subnet, true) else { return };
                self.by_peering(leg, place, *peering);
            }
            Target::TransitGateway(gateway) => {
                let Some(leg) = self.acl(leg, place.subnet, true) else { return };
                self.via_transit(leg, place, *gateway);
            }
            Target::VpnGateway(gateway) => {
                let Some(mut leg) = self.acl(leg, place.subnet, true) else { return };
                let deed = Deed::Through(Object::VpnGateway(*gateway));
                if place.transit {
                    self.halt(leg, deed, "the gateway serves only the VPC's own addresses");
                    return;
                }
                leg.step(self.way, deed);
                self.out_to_premises(leg, Object::VpnGateway(*gateway));
            }
            Target::Endpoint(endpoint) => self.by_endpoint(leg, place, *endpoint),
            Target::Interface(appliance) => self.by_appliance(leg, place, *appliance),
        }
    }
    pub(super) fn local(&mut self, leg: Leg, place: Place) {
        let net = self.net;
        // A translated answer comes back to the NAT gateway first.
        if let (false, Some(Translation::Nat { nat, .. })) = (self.is_request(), leg.translations.last().copied()) {
            if net.nats[nat].vpc == place.vpc {
                self.back_at_nat(leg, nat, Some(place.subnet));
            } else {
                self.halt(leg, Deed::At(None), "the answer is local to another VPC than the NAT gateway's");
            }
            return;
        }
        match self.goal() {
            End::Interface { ix, .. } if net.interfaces[*ix].vpc == place.vpc => {
                let ix = *ix;
                self.arrive(leg, ix, Some(place.subnet));
            }
            _ => {
                let why = format!("the address is local to {}, where the other end is not", net.vpcs[place.vpc].id);
                self.halt(leg, Deed::At(Some(Object::Vpc(place.vpc))), why);
            }
        }
    }
}

/// A route, and what it decides for.
type Piece = (Option<usize>, Vec<(u32, u32)>, Vec<(u128, u128)>);
pub(super) type Cut = Vec<(Option<usize>, Addresses)>;

/// Cuts addresses by the routes that decide for them, in the order of routes; what none decides for comes last.
pub(super) fn cut(to: &Addresses, v4: &[(u32, u32, usize)], v6: &[(u128, u128, usize)]) -> Cut {
    fn family<A: crate::network::packets::Number>(
        to: &Ranges<A>,
        line: &[(A, A, usize)],
        put: &mut impl FnMut(Option<usize>, A, A),
    ) {
        for (first, last, _) in to.parts() {
            let mut at = *first;
            let start = line.partition_point(|(_, end, _)| end < first);
            let mut whole = false;
            for (a, b, route) in line.iter().skip(start).take_while(|(a, _, _)| a <= last) {
                if *a > at {
                    put(None, at, a.prev());
                }
                put(Some(*route), at.max(*a), (*b).min(*last));
                if *b >= *last {
                    whole = true;
                    break;
                }
                at = b.next();
            }
            if !whole {
                put(None, at, *last);
            }
        }
    }
    // Few routes decide, so a small list beats a map.
    let mut pieces: Vec<Piece> = Vec::new();
    fn slot(pieces: &mut Vec<Piece>, route: Option<usize>) -> usize {
        pieces.iter().position(|p| p.0 == route).unwrap_or_else(|| {
            pieces.push((route, Vec::new(), Vec::new()));
            pieces.len() - 1
        })
    }
    family(&to.v4, v4, &mut |route, a, b| {
        let at = slot(&mut pieces, route);
        pieces[at].1.push((a, b));
    });
    family(&to.v6, v6, &mut |route, a, b| {
        let at = slot(&mut pieces, route);
        pieces[at].2.push((a, b));
    });
    pieces.sort_by_key(|(route, _, _)| route.unwrap_or(usize::MAX));
    pieces.into_iter().map(|(route, v4, v6)| (route, Addresses { v4: Ranges::of(v4), v6: Ranges::of(v6) })).collect()
}
