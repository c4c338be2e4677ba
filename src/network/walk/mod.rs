//! Walks sets of packets through the compiled network, there and back, place by place, and keeps what every place let
//! through. It decides; naming ends, choosing what to ask and putting answers into words is
//! [`reach`](crate::network::reach)'s.
//!
//! A walk carries two sets: what may get through and what surely does. They differ only behind something that is not
//! known. The set keeps the addresses and ports of the client and server as they were at the start; address
//! translation changes only how a place sees them ([`Seen`]).

mod between;
mod gateways;

use std::net::IpAddr;

use crate::network::lift::{Seen, View, Way, Who, lift, only};
use crate::network::net::{Both, Net, Object, Peer, Target};
use crate::network::packets::{Addresses, Allow, PacketSet, Ranges, Region as _, Service};

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// An interface by one of its addresses; none where its addresses are not known. `public` is set where it is
    /// addressed by that one instead.
    Interface { ix: usize, address: Option<IpAddr>, public: Option<IpAddr> },
    /// Addresses on the internet.
    Internet(Addresses),
    /// Private addresses behind a VPN or Direct Connect.
    OnPremises(Addresses),
}

/// What happened at one place of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A security group of an interface was asked.
    Groups {
        interface: usize,
        egress: bool,
        view: View,
        remote: Option<usize>,
        private: bool,
    },
    /// A subnet's network ACL was asked.
    Acl {
        subnet: usize,
        egress: bool,
        view: View,
    },
    /// A route of a route table was taken; none where no route fits.
    Route {
        table: Option<usize>,
        subnet: Option<usize>,
        route: Option<usize>,
    },
    TransitRoute {
        table: usize,
        route: Option<usize>,
    },
    /// Went through a gateway, endpoint or appliance.
    Through(Object),
    Internet,
    OnPremises,
    /// A load balancer listens there.
    Listens(usize),
    Arrives(usize),
    /// At some place without an object of its own.
    At(Option<Object>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub way: Way,
    pub deed: Deed,
}

/// Something that stops packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    pub step: Step,
    pub why: String,
    /// Whether it is a filter; else there is no way on from here.
    pub filter: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Translation {
    InternetGateway { before: Seen },
    Nat { nat: usize, before: Seen, port: bool },
}

/// A set of packets under way.
#[derive(Debug, Clone)]
pub struct Leg {
    pub may: PacketSet,
    /// None where it is the same as `may`.
    sure: Option<PacketSet>,
    pub steps: Vec<Step>,
    pub halts: Vec<Halt>,
    /// Why `sure` is less than `may`.
    pub doubts: Vec<String>,
    /// Firewalls and appliances on the way, none of which is evaluated.
    pub inspected: Vec<Object>,
    client: Seen,
    server: Seen,
    nat_port: bool,
    translations: Vec<Translation>,
    by_internet: bool,
    middlebox: Option<usize>,
    /// An address or port was translated, or an appliance passed it on: filters may see something else than the ends do.
    changed: bool,
    through: usize,
}

impl Leg {
    pub fn sure(&self) -> &PacketSet {
        self.sure.as_ref().unwrap_or(&self.may)
    }
    /// Whether every place saw the packets as both ends do.
    pub fn is_plain(&self) -> bool {
        !self.changed
    }
    fn doubt(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.doubts.contains(&why) {
            self.doubts.push(why);
        }
        self.sure = Some(PacketSet::default());
    }
    fn step(&mut self, way: Way, deed: Deed) {
        self.steps.push(Step { way, deed });
    }
}

/// How far a walk may go; AWS itself drops a packet that loops when its hops run out.
const FARTHEST: usize = 40;

/// Where packets stand in a VPC when a route table is asked.
#[derive(Debug, Clone, Copy)]
struct Place {
    vpc: usize,
    subnet: usize,
    /// They came from outside the VPC or were inspected: gateways that serve only a VPC's own packets refuse them.
    transit: bool,
}

pub struct Walk<'n> {
    net: &'n Net,
    client: &'n End,
    server: &'n End,
    /// Go on behind what stops, to name each later stop.
    explain: bool,
    /// Ask everything but the two ends themselves: their groups, policy and listeners.
    bare: bool,
    way: Way,
    done: Vec<Leg>,
    stopped: Vec<Leg>,
}

/// Where every walk ended.
#[derive(Debug, Default)]
pub struct Walked {
    /// Arrived and came back (or, in an explaining walk, got to the end over what stops).
    pub arrived: Vec<Leg>,
    /// Stopped under way.
    pub stopped: Vec<Leg>,
}

/// Walks packets from a client to a server and their answers back.
pub fn walk(net: &Net, client: &End, server: &End, packets: PacketSet, explain: bool) -> Walked {
    both_ways(net, client, server, packets, explain, false)
}

/// The way between two interfaces and back, without what guards the interfaces themselves: what gets along it is the same
/// for all interfaces of the two subnets that have these addresses.
pub fn road(net: &Net, client: &End, server: &End, packets: PacketSet) -> Vec<Leg> {
    both_ways(net, client, server, packets, false, true).arrived
}

fn both_ways(net: &Net, client: &End, server: &End, packets: PacketSet, explain: bool, bare: bool) -> Walked {
    let mut out = Walked::default();
    if packets.is_empty() {
        return out;
    }
    let mut request = Walk { net, client, server, explain, bare, way: Way::Request, done: Vec::new(), stopped: Vec::new() };
    request.start(Leg {
        may: packets,
        sure: None,
        steps: Vec::new(),
        halts: Vec::new(),
        doubts: Vec::new(),
        inspected: Vec::new(),
        client: Seen::Own,
        server: Seen::Own,
        nat_port: false,
        translations: Vec::new(),
        by_internet: false,
        middlebox: None,
        changed: false,
        through: 0,
    });
    let mut response =
        Walk { net, client, server, explain, bare, way: Way::Response, done: Vec::new(), stopped: request.stopped };
    for mut leg in request.done {
        // Behind a missing route the way back means nothing.
        if leg.halts.iter().any(|h| !h.filter) {
            response.done.push(leg);
            continue;
        }
        leg.through = 0;
        leg.middlebox = None;
        response.back(leg);
    }
    out.arrived = response.done;
    out.stopped = response.stopped;
    out
}

impl Walk<'_> {
    fn is_request(&self) -> bool {
        self.way == Way::Request
    }
    /// The end that packets go to now.
    fn goal(&self) -> &End {
        if self.is_request() { self.server } else { self.client }
    }
    fn to(&self) -> Who {
        if self.is_request() { Who::Server } else { Who::Client }
    }
    fn from(&self) -> Who {
        if self.is_request() { Who::Client } else { Who::Server }
    }
    fn view(&self, leg: &Leg, who: Who) -> View {
        let seen = if who == Who::Client { leg.client } else { leg.server };
        View { way: self.way, who, seen, nat_port: leg.nat_port }
    }
    fn destinations(&self, leg: &Leg) -> Addresses {
        let seen = if self.to() == Who::Client { leg.client } else { leg.server };
        match (seen, self.to()) {
            (Seen::As(address), _) => Addresses::one(address),
            (Seen::Own, Who::Client) => leg.may.sources(),
            (Seen::Own, Who::Server) => leg.may.destinations(),
        }
    }
    fn halt(&mut self, mut leg: Leg, deed: Deed, why: impl Into<String>) {
        leg.halts.push(Halt { step: Step { way: self.way, deed }, why: why.into(), filter: false });
        if self.explain { self.assume(leg) } else { self.stopped.push(leg) }
    }
    /// Goes on at the goal, as if the way there were open.
    fn assume(&mut self, leg: Leg) {
        match self.goal() {
            End::Interface { ix, .. } => {
                let ix = *ix;
                self.arrive(leg, ix, None);
            }
            End::Internet(_) | End::OnPremises(_) => self.done.push(leg),
        }
    }
    /// Asks a filter; none where nothing gets through and the walk is not an explaining one.
    fn gate(&mut self, mut leg: Leg, both: &Both, view: View, deed: Deed) -> Option<Leg> {
        let no_v4 = leg.may.v4.is_empty();
        if (no_v4 || both.all.0) && (leg.may.v6.is_empty() || both.all.1) {
            leg.steps.push(Step { way: self.way, deed });
            return Some(leg);
        }
        let exact = both.exact;
        let nat = view.nat_port && view.way == Way::Response;
        let may = leg.may.and(&lift(&both.may, view, false));
        let step = Step { way: self.way, deed };
        if may.is_empty() {
            leg.halts.push(Halt { step, why: String::new(), filter: true });
            if self.explain {
                return Some(leg);
            }
            self.stopped.push(leg);
            return None;
        }
        if !(exact && !nat && leg.sure.is_none()) {
            let before = leg.sure.is_none();
            let sure = leg.sure().and(&lift(&both.sure, view, true));
            if sure != may {
                if before {
                    leg.doubts.push(match step.deed {
                        Deed::Acl { subnet, .. } if nat => format!(
                            "the network ACL of {} lets back only some of the NAT gateway's ports 1024-65535",
                            self.net.subnets[subnet].id
                        ),
                        Deed::Acl { subnet, .. } => {
                            format!("the network ACL of {} is not fully known", self.net.subnets[subnet].id)
                        }
                        Deed::Groups { interface, .. } => {
                            format!("a security group rule at {} is not fully known", self.net.interfaces[interface].id)
                        }
                        _ => "a filter on the way is not fully known".to_owned(),
                    });
                }
                leg.sure = Some(sure);
            } else {
                leg.sure = None;
            }
        }
        leg.may = may;
        leg.steps.push(step);
        Some(leg)
    }

    // ---- filters ----

    fn acl(&mut self, mut leg: Leg, subnet: usize, egress: bool) -> Option<Leg> {
        let who = if egress { self.to() } else { self.from() };
        let view = self.view(&leg, who);
        let deed = Deed::Acl { subnet, egress, view };
        let net = self.net;
        match net.subnets[subnet].acl {
            Some(acl) => {
                let acl = &net.acls[acl];
                let both = if egress { &acl.egress } else { &acl.ingress };
                self.gate(leg, both, view, deed)
            }
            None => {
                leg.doubt(format!("no network ACL is known for {}", net.subnets[subnet].id));
                leg.step(self.way, deed);
                Some(leg)
            }
        }
    }
    fn remote(&self, who: Who) -> Option<usize> {
        match if who == Who::Client { self.client } else { self.server } {
            End::Interface { ix, .. } => Some(*ix),
            _ => None,
        }
    }
    fn groups(&mut self, mut leg: Leg, interface: usize, egress: bool, who: Who) -> Option<Leg> {
        let net = self.net;
        let here = &net.interfaces[interface];
        let is_end = |end: &End| matches!(end, End::Interface { ix, .. } if *ix == interface);
        if self.bare && (is_end(self.client) || is_end(self.server)) {
            return Some(leg);
        }
        if here.groups.is_empty() && here.lost_groups.is_empty() {
            if !here.is_ungrouped_kind() {
                leg.doubt(format!("no security group is known for {}", here.id));
            }
            return Some(leg);
        }
        let view = self.view(&leg, who);
        let remote = self.remote(who);
        // A group in a rule means the private addresses of its members (EC2 user guide, "Security group rules").
        let server_public = who == Who::Server && matches!(self.server, End::Interface { public: Some(_), .. });
        let translated = match view.seen {
            Seen::Own => server_public && !matches!(self.server, End::Interface { address: Some(IpAddr::V6(_)), .. }),
            Seen::As(_) => who == Who::Client,
        };
        let private = !translated && leg.middlebox.is_none();
        let deed = Deed::Groups { interface, egress, view, remote, private };
        if let ([one], true) = (here.groups.as_slice(), here.lost_groups.is_empty())
            && (net.groups[*one].by_group.is_empty() || remote.is_none())
        {
            let both = if egress { &net.groups[*one].egress } else { &net.groups[*one].ingress };
            return self.gate(leg, both, view, deed);
        }
        let both = group_filter(net, interface, egress, remote.filter(|_| private));
        self.gate(leg, &both, view, deed)
    }

    // ---- beginnings ----

    fn start(&mut self, mut leg: Leg) {
        match (self.client, self.server) {
            (End::Interface { ix, .. }, _) => self.depart(leg, *ix),
            (End::Internet(_), End::Interface { ix, address, public }) => {
                let here = &self.net.interfaces[*ix];
                leg.step(self.way, Deed::Internet);
                let v6 = matches!(address, Some(IpAddr::V6(_)));
                if v6 || public.is_some() || here.assumed_public {
                    self.in_from_internet(leg, *ix);
                } else {
                    self.halt(leg, Deed::At(Some(Object::Interface(*ix))), "it has no public IPv4 address");
                }
            }
            (End::OnPremises(_), End::Interface { ix, .. }) => self.in_from_premises(leg, *ix),
            (client, _) => {
                let (deed, why) = match client {
                    End::Internet(_) => (Deed::Internet, "no interface of the estate is at the other end"),
                    _ => (Deed::OnPremises, "no interface of the estate is at the other end"),
                };
                leg.step(self.way, deed.clone());
                leg.halts.push(Halt { step: Step { way: self.way, deed }, why: why.to_owned(), filter: false });
                self.stopped.push(leg);
            }
        }
    }
    fn depart(&mut self, leg: Leg, interface: usize) {
        let here = &self.net.interfaces[interface];
        let Some(leg) = self.groups(leg, interface, true, Who::Server) else { return };
        self.route(leg, Place { vpc: here.vpc, subnet: here.subnet, transit: false });
    }
    fn back(&mut self, mut leg: Leg) {
        match self.server {
            End::Interface { ix, .. } => {
                let here = &self.net.interfaces[*ix];
                self.route(leg, Place { vpc: here.vpc, subnet: here.subnet, transit: false });
            }
            End::Internet(_) if leg.steps.iter().any(|s| s.deed == Deed::Internet) => {
                leg.step(self.way, Deed::Internet);
                self.internet(leg);
            }
            // Reached over a gateway endpoint: the answer comes back the same way, without asking a route table.
            End::Internet(_) => self.return_unrouted(leg),
            // In a VPC that the estate does not have: no more is known of the way back.
            End::OnPremises(_) if !leg.steps.iter().any(|s| s.deed == Deed::OnPremises) => self.return_unrouted(leg),
            End::OnPremises(_) => {
                leg.step(self.way, Deed::OnPremises);
                match self.client {
                    End::Interface { ix, .. } => self.in_from_premises(leg, *ix),
                    _ => self.done.push(leg),
                }
            }
        }
    }
    fn return_unrouted(&mut self, leg: Leg) {
        match (leg.translations.last().copied(), self.client) {
            (Some(Translation::Nat { nat, .. }), _) => self.back_at_nat(leg, nat, None),
            (_, End::Interface { ix, .. }) => self.arrive(leg, *ix, None),
            _ => self.done.push(leg),
        }
    }

    // ---- the router of a VPC ----

    /// Asks the route table of a subnet, and follows each route that part of the packets take.
    fn route(&mut self, mut leg: Leg, place: Place) {
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
    fn leave(&mut self, leg: Leg, place: Place) -> Option<Leg> {
        let same = match self.goal() {
            End::Interface { ix, .. } => self.net.interfaces[*ix].subnet == place.subnet,
            _ => false,
        };
        if same { Some(leg) } else { self.acl(leg, place.subnet, true) }
    }
    fn follow(&mut self, mut leg: Leg, place: Place, target: &Target) {
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
                let Some(mut leg) = self.acl(leg, place.subnet, true) else { return };
                let deed = Deed::Through(Object::EgressOnlyGateway(*gateway));
                let v6 = self.destinations(&leg).v4.is_empty();
                if !v6 {
                    self.halt(leg, deed, "an egress-only internet gateway carries IPv6 only");
                } else if place.transit {
                    self.halt(leg, deed, "the gateway serves only the VPC's own addresses");
                } else if !self.is_request() {
                    self.halt(leg, deed, "an egress-only internet gateway only answers what was asked from inside");
                } else {
                    let before = leg.client;
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
    fn local(&mut self, leg: Leg, place: Place) {
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
    /// At the subnet and interface where packets are to go. `from` is the subnet of the same VPC they left.
    fn arrive(&mut self, leg: Leg, interface: usize, from: Option<usize>) {
        let here = &self.net.interfaces[interface];
        let mut leg = leg;
        if from != Some(here.subnet) {
            if let Some(from) = from {
                let Some(next) = self.acl(leg, from, true) else { return };
                leg = next;
            }
            let Some(next) = self.acl(leg, here.subnet, false) else { return };
            leg = next;
        }
        if self.is_request() {
            if here.takes_no_connections() {
                let deed = Deed::At(Some(Object::Interface(interface)));
                leg.halts.push(Halt {
                    step: Step { way: self.way, deed },
                    why: format!("an interface of kind {} takes no connections", here.kind),
                    filter: true,
                });
                if !self.explain {
                    self.stopped.push(leg);
                    return;
                }
            }
            let Some(next) = self.groups(leg, interface, false, Who::Client) else { return };
            leg = next;
            if let Some(endpoint) = here.endpoint.filter(|_| !self.bare) {
                let Some(next) = self.by_policy(leg, endpoint) else { return };
                leg = next;
            }
            if let Some(lb) = here.load_balancer.filter(|_| !self.bare)
                && let Some(listens) = &self.net.load_balancers[lb].listens
            {
                let listens = Allow::rule(listens, &Addresses::everything());
                let both = Both::new(listens.clone(), listens);
                let view = self.view(&leg, Who::Client);
                let Some(next) = self.gate(leg, &both, view, Deed::Listens(lb)) else { return };
                leg = next;
            }
        }
        leg.step(self.way, Deed::Arrives(interface));
        self.done.push(leg);
    }
}

/// A route, and what it decides for.
type Piece = (Option<usize>, Vec<(u32, u32)>, Vec<(u128, u128)>);
type Cut = Vec<(Option<usize>, Addresses)>;

/// Cuts addresses by the routes that decide for them, in the order of routes; what none decides for comes last.
fn cut(to: &Addresses, v4: &[(u32, u32, usize)], v6: &[(u128, u128, usize)]) -> Cut {
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

/// Whether rules of one VPC may name groups of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Related {
    Yes,
    No,
    Unknown,
}

/// Whether a group of VPC `other` counts in a rule of VPC `here`: in the same VPC, across an active peering in the same
/// region ("Update your security groups to reference peer security groups"), and inbound across a transit gateway that
/// has it switched on ("Security group referencing").
pub fn related(net: &Net, here: usize, other: usize, egress: bool) -> Related {
    if here == other {
        return Related::Yes;
    }
    for p in &net.vpcs[here].peerings {
        let p = &net.peerings[*p];
        let both = (p.sides[0].vpc == Some(here) && p.sides[1].vpc == Some(other))
            || (p.sides[1].vpc == Some(here) && p.sides[0].vpc == Some(other));
        if both && p.active && p.sides[0].region == p.sides[1].region {
            return Related::Yes;
        }
    }
    let mut answer = Related::No;
    if !egress {
        for a in &net.vpcs[here].attachments {
            let gateway = net.attachments[*a].gateway;
            let shared = net.vpcs[other].attachments.iter().any(|b| net.attachments[*b].gateway == gateway);
            match (shared, net.transit_gateways[gateway].group_references) {
                (true, Some(true)) => return Related::Yes,
                (true, None) => answer = Related::Unknown,
                _ => {}
            }
        }
    }
    answer
}

/// Everything the groups of an interface let through, with rules that name groups resolved for one remote interface.
pub fn group_filter(net: &Net, interface: usize, egress: bool, remote: Option<usize>) -> Both {
    let here = &net.interfaces[interface];
    let (mut sure, mut may) = (Allow::default(), Allow::default());
    for group in here.groups.iter().map(|g| &net.groups[*g]) {
        let plain = if egress { &group.egress } else { &group.ingress };
        sure = sure.or(&plain.sure);
        may = may.or(&plain.may);
        let Some(remote) = remote else { continue };
        for rule in group.by_group.iter().map(|r| &group.rules[*r]).filter(|r| r.egress == egress) {
            if !names(net, rule, remote) {
                continue;
            }
            let allow = || Allow::rule(&rule.service, &Addresses::everything());
            match related(net, here.vpc, net.interfaces[remote].vpc, egress) {
                Related::Yes => {
                    let allow = allow();
                    sure = sure.or(&allow);
                    may = may.or(&allow);
                }
                Related::Unknown => may = may.or(&allow()),
                Related::No => {}
            }
        }
    }
    if !here.lost_groups.is_empty() {
        // A group that is not known may let anything through.
        may = Allow::everything();
    }
    Both::new(sure, may)
}

/// Whether a rule names a group that an interface has.
pub fn names(net: &Net, rule: &crate::network::net::Rule, interface: usize) -> bool {
    match rule.peer {
        Peer::Group(Some(group)) => net.interfaces[interface].groups.binary_search(&group).is_ok(),
        Peer::Group(None) => net.interfaces[interface].lost_groups.contains(&rule.peer_text),
        _ => false,
    }
}

/// All packets of a service between two ends, from the source ports given.
pub fn packets_between(net: &Net, client: &End, server: &End, service: &Service, source_ports: &Ranges<u16>) -> PacketSet {
    let at = |end: &End| match end {
        End::Internet(set) | End::OnPremises(set) => set.clone(),
        End::Interface { public: Some(public), .. } => Addresses::one(*public),
        End::Interface { address: Some(address), .. } => Addresses::one(*address),
        End::Interface { ix, .. } => net.subnets[net.interfaces[*ix].subnet].cidrs.clone(),
    };
    let (from, to) = (at(client), at(server));
    crate::network::packets::cut_by_ports(service)
        .iter()
        .fold(PacketSet::default(), |all, part| all.or(&PacketSet::of(part, source_ports, &from, &to)))
}
