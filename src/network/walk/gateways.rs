//! Gateways of one VPC: internet gateway, NAT gateway, endpoints, firewalls and appliances.

use std::net::IpAddr;

use crate::network::lift::{Seen, Way, Who, only};
use crate::network::net::{Object, Target};
use crate::network::packets::{Addresses, ICMP, Layer, PacketSet, Region as _, TCP, UDP, nat64};
use crate::network::walk::{Deed, End, Leg, Place, Translation, Walk};

impl Walk<'_> {
    // ---- the internet ----

    /// The public address that goes with how the outgoing side looks now.
    pub(super) fn public_of_sender(&self, leg: &Leg) -> Result<Option<IpAddr>, &'static str> {
        if self.is_request() {
            if let Some(Translation::Nat { nat, address, .. }) = leg.translations.last() {
                let nat = &self.net.nats[*nat];
                return match nat.is_public {
                    true => Ok(nat.addresses.get(*address).and_then(|(_, public)| *public)),
                    false => Err("a private NAT gateway has no public address"),
                };
            }
            if let Some(appliance) = leg.middlebox {
                return Ok(self.net.interfaces[appliance].v4.iter().find_map(|(_, public)| *public));
            }
            return match self.client {
                End::Interface { address: Some(IpAddr::V6(_)), .. } => self.leaves_in_public(leg).map(|()| None),
                End::Interface { ix, address, .. } => {
                    let here = &self.net.interfaces[*ix];
                    let public = here.v4.iter().find(|(private, _)| Some(*private) == *address).and_then(|(_, public)| *public);
                    if public.is_none() && !here.assumed_public { Err("it has no public IPv4 address") } else { Ok(public) }
                }
                _ => Err("the packets are not of this VPC"),
            };
        }
        match self.server {
            End::Interface { public, .. } => Ok(*public),
            _ => Ok(None),
        }
    }
    /// Whether the internet knows the addresses at both ends: of a VPC's IPv6 ranges some are private, and those for NAT64
    /// only a NAT gateway understands.
    pub(super) fn leaves_in_public(&self, leg: &Leg) -> Result<(), &'static str> {
        if !leg.may.v6.is_empty() && nat64(&Addresses::everything()).meets(&self.destinations(leg)) {
            return Err("addresses of 64:ff9b::/96 are for NAT64: only a NAT gateway carries them");
        }
        match (self.is_request(), self.client) {
            (true, End::Interface { ix, address: Some(address), .. }) if !self.net.knows_internet(*ix, *address) => {
                Err("its IPv6 address is private")
            }
            _ => Ok(()),
        }
    }
    /// Asks VPC Block Public Access of a subnet, for a request that goes out there or (`out` false) comes in.
    pub(super) fn public_access(&mut self, mut leg: Leg, subnet: usize, out: bool, deed: &Deed) -> Option<Leg> {
        let here = &self.net.subnets[subnet];
        let translated = matches!(leg.translations.last(), Some(Translation::Nat { .. }));
        let gateway = translated || matches!(deed, Deed::Through(Object::EgressOnlyGateway(_)));
        let shut = if out { here.blocked.egress || here.blocked.ingress && !gateway } else { here.blocked.ingress };
        if shut && out && here.blocked.let_out {
            // "Outbound internet traffic is allowed": whether without a NAT gateway, AWS does not say.
            leg.doubt(format!("VPC Block Public Access lets {} out; whether without a NAT gateway is not known", here.id));
        } else if shut && here.blocked.sure {
            let way = if out { "keeps it from the internet" } else { "keeps the internet out" };
            return self.refuse(leg, deed.clone(), format!("VPC Block Public Access of {} {way}", here.id));
        } else if shut {
            leg.doubt(format!("VPC Block Public Access is on for {}; whether it leaves that alone is not known", here.id));
        } else if let (true, End::Interface { ix, .. }) = (out, self.client) {
            let own = &self.net.subnets[self.net.interfaces[*ix].subnet];
            if own.blocked.egress {
                leg.doubt(format!("VPC Block Public Access is on for {}, and off for the gateway's subnet", own.id));
            }
        }
        Some(leg)
    }
    pub(super) fn out_by_internet_gateway(&mut self, mut leg: Leg, place: Place, gateway: usize) {
        let deed = Deed::Through(Object::InternetGateway(gateway));
        if self.net.internet_gateways[gateway].vpc != Some(place.vpc) {
            self.halt(leg, deed, "the internet gateway is not attached to this VPC");
            return;
        }
        if place.transit && leg.middlebox.is_none() && leg.inspected.is_empty() {
            self.halt(leg, deed, "an internet gateway serves only the VPC's own addresses");
            return;
        }
        if self.is_request() {
            let before = leg.client;
            match self.leaves_in_public(&leg).and_then(|()| self.public_of_sender(&leg)) {
                Ok(Some(public)) => leg.client = Seen::As(public),
                Ok(None) => {}
                Err(why) => {
                    self.halt(leg, deed, why);
                    return;
                }
            }
            let Some(next) = self.public_access(leg, place.subnet, true, &deed) else { return };
            leg = next;
            leg.changed = true;
            leg.translations.push(Translation::InternetGateway { before });
        } else {
            if !leg.by_internet {
                self.halt(leg, deed, "the answer would leave to the internet, the question did not come from there");
                return;
            }
            if let End::Interface { public: Some(public), .. } = self.server {
                leg.server = Seen::As(*public);
            }
        }
        leg.step(self.way, deed);
        leg.step(self.way, Deed::Internet);
        self.internet(leg);
    }
    /// Out on the internet, on the way to the goal.
    pub(super) fn internet(&mut self, mut leg: Leg) {
        match (self.goal(), self.way) {
            (End::Internet(_), _) => self.done.push(leg),
            (End::OnPremises(_), _) => self.halt(leg, Deed::Internet, "the internet does not carry private addresses"),
            (End::Interface { ix, address, public }, Way::Request) => {
                if public.is_some() || matches!(address, Some(IpAddr::V6(_))) {
                    let ix = *ix;
                    self.in_from_internet(leg, ix);
                } else {
                    self.halt(leg, Deed::Internet, "the internet does not carry private addresses");
                }
            }
            (End::Interface { ix, .. }, Way::Response) => match leg.translations.pop() {
                Some(Translation::InternetGateway { before }) => {
                    leg.client = before;
                    let ix = *ix;
                    match leg.translations.last().copied() {
                        Some(Translation::Nat { nat, .. }) => self.back_at_nat(leg, nat, None),
                        None => {
                            let here = &self.net.interfaces[ix];
                            self.enter(leg, here.vpc, ix, self.net.vpcs[here.vpc].internet_gateway);
                        }
                        Some(_) => self.halt(leg, Deed::Internet, "the answer comes back at another gateway"),
                    }
                }
                _ => self.halt(leg, Deed::Internet, "the answer comes back over the internet, the question did not leave by it"),
            },
        }
    }
    pub(super) fn in_from_internet(&mut self, mut leg: Leg, interface: usize) {
        let net = self.net;
        let vpc = net.interfaces[interface].vpc;
        leg.by_internet = true;
        if let End::Interface { address: Some(address), .. } = self.server
            && !net.knows_internet(interface, *address)
        {
            self.halt(leg, Deed::At(Some(Object::Interface(interface))), "its IPv6 address is private");
            return;
        }
        if let End::Interface { address: Some(private), public: Some(_), .. } = self.server {
            leg.server = Seen::As(*private);
        }
        match net.vpcs[vpc].internet_gateway {
            Some(gateway) => {
                let deed = Deed::Through(Object::InternetGateway(gateway));
                leg.step(self.way, deed.clone());
                let Some(leg) = self.public_access(leg, net.interfaces[interface].subnet, false, &deed) else { return };
                self.enter(leg, vpc, interface, Some(gateway));
            }
            None if net.vpcs[vpc].gateways_unknown => {
                leg.doubt(format!("whether {} has an internet gateway is not known", net.vpcs[vpc].id));
                self.enter(leg, vpc, interface, None);
            }
            None => {
                let why = format!("no internet gateway is attached to {}", net.vpcs[vpc].id);
                self.halt(leg, Deed::At(Some(Object::Vpc(vpc))), why);
            }
        }
    }
    /// From a gateway into its VPC: its own route table may send packets to an appliance first.
    pub(super) fn enter(&mut self, mut leg: Leg, vpc: usize, interface: usize, gateway: Option<usize>) {
        let net = self.net;
        let id = gateway.map(|g| net.internet_gateways[g].id.as_str()).unwrap_or_default();
        let Some(table) = net.vpcs[vpc].edge_tables.get(id).copied() else {
            self.arrive(leg, interface, None);
            return;
        };
        self.by_edge_table(&mut leg, vpc, table, interface);
    }
    pub(super) fn by_edge_table(&mut self, leg: &mut Leg, vpc: usize, table: usize, interface: usize) {
        let net = self.net;
        let to = net.interfaces[interface].addresses().next();
        let seen = if self.is_request() { leg.server } else { leg.client };
        let to =
            if let Seen::As(a) = seen { Some(a) } else { self.destinations(leg).cidrs().first().map(ipnet::IpNet::addr).or(to) };
        let route = to.and_then(|a| net.tables[table].at(a));
        let mut leg = leg.clone();
        leg.through += 1;
        leg.step(self.way, Deed::Route { table: Some(table), subnet: None, route });
        match route.map(|r| &net.tables[table].routes[r].target) {
            Some(Target::Endpoint(e)) => self.inspect(leg, Object::Endpoint(*e), None),
            Some(Target::Interface(i)) => {
                let place = net.interfaces[*i].subnet;
                let Some(leg) = self.acl(leg, place, false) else { return };
                self.by_appliance(leg, Place { vpc, subnet: place, transit: true }, *i);
            }
            Some(Target::Local) | None => self.arrive(leg, interface, None),
            Some(Target::Blackhole(why)) => self.halt(leg, Deed::At(None), why.clone()),
            Some(_) => {
                leg.doubt("the gateway's route table leads to something that is not evaluated".to_owned());
                self.arrive(leg, interface, None);
            }
        }
    }

    // ---- NAT ----

    pub(super) fn by_nat(&mut self, leg: Leg, place: Place, nat: usize) {
        let net = self.net;
        let gateway = &net.nats[nat];
        let deed = Deed::Through(Object::Nat(nat));
        let mut leg = leg;
        let other = gateway.subnet != Some(place.subnet);
        if other {
            let Some(next) = self.acl(leg, place.subnet, true) else { return };
            leg = next;
        }
        if !gateway.works {
            self.halt(leg, deed, "the NAT gateway does not work (its state is not available)");
            return;
        }
        if !self.is_request() {
            self.halt(leg, deed, "a NAT gateway carries only answers to what was asked from inside");
            return;
        }
        if !leg.may.v6.is_empty() && nat64(&Addresses::everything()).covers(&self.destinations(&leg)) {
            // "DNS64 and NAT64": the gateway asks in IPv4 what was asked in IPv6.
            leg.step(self.way, deed);
            leg.doubt(format!("what {} makes of IPv6 packets (NAT64) is not evaluated", gateway.id));
            match self.goal() {
                End::Internet(_) if gateway.is_public => self.done.push(leg),
                _ => self.halt(leg, Deed::Through(Object::Nat(nat)), "NAT64 leads to IPv4 addresses, where the other end is not"),
            }
            return;
        }
        // "NAT gateway basics": TCP, UDP and ICMP.
        let carried = |p: u8| Layer::span(p, p, Layer::everything());
        let v4 = carried(TCP).or(&carried(UDP)).or(&carried(ICMP));
        leg.may = leg.may.and(&PacketSet { v4: v4.clone(), v6: Layer::default() });
        leg.sure = leg.sure.map(|s| s.and(&PacketSet { v4, v6: Layer::default() }));
        if leg.may.is_empty() {
            self.halt(leg, deed, "a NAT gateway carries IPv4 with TCP, UDP and ICMP only");
            return;
        }
        let Some(subnet) = gateway.subnet else {
            leg.doubt(format!("the subnet of {} is not known", gateway.id));
            self.assume(leg);
            return;
        };
        if other {
            let Some(next) = self.acl(leg, subnet, false) else { return };
            leg = next;
        }
        leg.step(self.way, deed);
        leg.changed = true;
        let (before, port) = (leg.client, leg.nat_port);
        leg.nat_port = true;
        let mut rest = leg.may.clone();
        for address in 0..gateway.addresses.len().max(1) {
            let mut leg = leg.clone();
            leg.translations.push(Translation::Nat { nat, address, before, port });
            match gateway.addresses.get(address).and_then(|(private, _)| *private) {
                Some(private) => leg.client = Seen::As(private),
                None => leg.doubt(format!("the private address of {} is not known", gateway.id)),
            }
            if address > 0 {
                leg.may = rest.clone();
                leg.doubt(format!("{} asks from any of its addresses, of which not all get there", gateway.id));
            }
            let asked = self.done.len();
            self.route(leg, Place { vpc: gateway.vpc, subnet, transit: false });
            if address + 1 >= gateway.addresses.len() || self.explain {
                break;
            }
            // The other addresses matter only for what the first did not carry.
            rest = self.done.iter().skip(asked).fold(rest, |rest, done| rest.minus(&done.may));
            if rest.is_empty() {
                break;
            }
        }
    }
    /// An answer arrives at the NAT gateway that asked, and goes on to who really did.
    pub(super) fn back_at_nat(&mut self, leg: Leg, nat: usize, from: Option<usize>) {
        let gateway = &self.net.nats[nat];
        let Some(subnet) = gateway.subnet else {
            self.assume(leg);
            return;
        };
        let mut leg = leg;
        if from != Some(subnet) {
            if let Some(from) = from {
                let Some(next) = self.acl(leg, from, true) else { return };
                leg = next;
            }
            let Some(next) = self.acl(leg, subnet, false) else { return };
            leg = next;
        }
        if let Some(Translation::Nat { before, port, .. }) = leg.translations.pop() {
            leg.client = before;
            leg.nat_port = port;
        }
        leg.step(self.way, Deed::Through(Object::Nat(nat)));
        self.route(leg, Place { vpc: gateway.vpc, subnet, transit: true });
    }

    // ---- endpoints and appliances ----

    pub(super) fn by_endpoint(&mut self, leg: Leg, place: Place, endpoint: usize) {
        let e = &self.net.endpoints[endpoint];
        let deed = Deed::Through(Object::Endpoint(endpoint));
        if e.kind == "GatewayLoadBalancer" || e.kind.is_empty() {
            self.inspect(leg, Object::Endpoint(endpoint), Some(place.subnet));
            return;
        }
        let Some(mut leg) = self.acl(leg, place.subnet, true) else { return };
        if e.kind != "Gateway" {
            self.halt(leg, deed, "an interface endpoint is no target for routes");
        } else if place.transit {
            self.halt(leg, deed, "a gateway endpoint serves only its own VPC");
        } else if !self.is_request() {
            self.halt(leg, deed, "a gateway endpoint carries no answers to the internet");
        } else if !matches!(self.server, End::Internet(_)) {
            self.halt(leg, deed, "the endpoint leads to an AWS service, where the other end is not");
        } else {
            if !e.works {
                self.halt(leg, deed, "the endpoint is not available");
                return;
            }
            leg.step(self.way, deed);
            if let Some(leg) = self.by_policy(leg, endpoint) {
                self.done.push(leg);
            }
        }
    }
    /// Asks the policy of an endpoint from where it lets anything through.
    pub(super) fn by_policy(&mut self, mut leg: Leg, endpoint: usize) -> Option<Leg> {
        let e = &self.net.endpoints[endpoint];
        let Some(passes) = &e.passes else { return Some(leg) };
        let narrow = |set: &PacketSet, from: &Addresses| match leg.client {
            Seen::Own => only(set, from, Who::Client),
            Seen::As(address) if from.has(address) => set.clone(),
            Seen::As(_) => PacketSet::default(),
        };
        let (may, sure) = (narrow(&leg.may, &passes.may), narrow(leg.sure(), &passes.sure));
        if may.is_empty() {
            let why = format!("the policy of {} lets nothing through from there", e.id);
            return self.refuse(leg, Deed::Through(Object::Endpoint(endpoint)), why);
        }
        if sure != may && leg.sure.is_none() {
            leg.doubts.push(format!("the policy of {} could not be read whole", e.id));
        }
        leg.sure = (sure != may).then_some(sure);
        leg.may = may;
        Some(leg)
    }
    /// Through a firewall behind a Gateway Load Balancer endpoint (AWS Network Firewall too): passed on as if it let
    /// everything through, and marked.
    pub(super) fn inspect(&mut self, leg: Leg, firewall: Object, from: Option<usize>) {
        let net = self.net;
        let Object::Endpoint(endpoint) = firewall else { return };
        let e = &net.endpoints[endpoint];
        let zone = from.map(|f| net.subnets[f].zone_id.as_str());
        let subnet =
            e.subnets.iter().copied().find(|s| Some(net.subnets[*s].zone_id.as_str()) == zone).or(e.subnets.first().copied());
        let mut leg = leg;
        if from != subnet {
            if let Some(from) = from {
                let Some(next) = self.acl(leg, from, true) else { return };
                leg = next;
            }
            if let Some(subnet) = subnet {
                let Some(next) = self.acl(leg, subnet, false) else { return };
                leg = next;
            }
        }
        if !leg.inspected.contains(&firewall) {
            leg.inspected.push(firewall);
        }
        leg.step(self.way, Deed::Through(firewall));
        match subnet {
            Some(subnet) => self.route(leg, Place { vpc: e.vpc, subnet, transit: true }),
            None => {
                leg.doubt(format!("the subnet of {} is not known", e.id));
                self.assume(leg);
            }
        }
    }
    pub(super) fn by_appliance(&mut self, leg: Leg, place: Place, appliance: usize) {
        let net = self.net;
        let here = &net.interfaces[appliance];
        let deed = Deed::Through(Object::Interface(appliance));
        let mut leg = leg;
        if here.subnet != place.subnet {
            let Some(next) = self.acl(leg, place.subnet, true) else { return };
            leg = next;
            let Some(next) = self.acl(leg, here.subnet, false) else { return };
            leg = next;
        }
        if here.source_dest_check {
            self.halt(leg, deed, format!("{} drops what is not its own (source/destination check is on)", here.id));
            return;
        }
        if here.instance.is_some_and(|i| !matches!(net.instances[i].state.as_str(), "running" | "pending" | "")) {
            self.halt(leg, deed, format!("the instance behind {} does not run", here.id));
            return;
        }
        if self.is_request() {
            let Some(next) = self.groups(leg, appliance, false, Who::Client) else { return };
            leg = next;
            let Some(next) = self.groups(leg, appliance, true, Who::Server) else { return };
            leg = next;
        }
        leg.doubt(format!("what the appliance {} passes on is not evaluated", here.id));
        if !leg.inspected.contains(&Object::Interface(appliance)) {
            leg.inspected.push(Object::Interface(appliance));
        }
        leg.middlebox = Some(appliance);
        leg.changed = true;
        leg.step(self.way, deed);
        self.route(leg, Place { vpc: here.vpc, subnet: here.subnet, transit: true });
    }
}
