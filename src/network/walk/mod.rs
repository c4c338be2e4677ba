//! Walks sets of packets through the compiled network, there and back, place by place, and keeps what every place let
//! through. It decides; naming ends, choosing what to ask and putting answers into words is
//! [`reach`](crate::network::reach)'s.
//!
//! A walk carries two sets: what may get through and what surely does. They differ only behind something that is not
//! known. The set keeps the addresses and ports of the client and server as they were at the start; address
//! translation changes only how a place sees them ([`Seen`]).

mod between;
mod gateways;
mod groups;
mod routes;

pub use groups::{Related, group_filter, names, related};

use std::net::IpAddr;

use crate::network::lift::{Seen, View, Way, Who, lift};
use crate::network::net::{Both, Net, Object};
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
    InternetGateway {
        before: Seen,
    },
    /// `address` is which of the gateway's it asks from.
    Nat {
        nat: usize,
        address: usize,
        before: Seen,
        port: bool,
    },
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
    /// Something that is no rule stops it; none where the walk is not an explaining one, which goes on behind it.
    fn refuse(&mut self, mut leg: Leg, deed: Deed, why: String) -> Option<Leg> {
        leg.halts.push(Halt { step: Step { way: self.way, deed }, why, filter: true });
        if self.explain {
            return Some(leg);
        }
        self.stopped.push(leg);
        None
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
        let remote = remote.filter(|_| private);
        let mut both = group_filter(net, interface, egress, remote);
        if !leg.inspected.is_empty() && remote.is_some_and(|r| net.interfaces[r].vpc != here.vpc) {
            // Behind a firewall it is not said whether a group of another VPC is still known by its name.
            both = Both::new(group_filter(net, interface, egress, None).sure, both.may);
        }
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
                let why = format!("an interface of kind {} takes no connections", here.kind);
                let Some(next) = self.refuse(leg, deed, why) else { return };
                leg = next;
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
