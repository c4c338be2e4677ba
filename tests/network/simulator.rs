//! One packet through one network, rule by rule, and its answer back. Written from AWS's pages on the shapes AWS
//! answers with; it shares no code with the engine. It knows what `random.rs` builds: security groups, network ACLs,
//! routes, internet and egress-only gateways, NAT gateways, peerings, transit gateways, Block Public Access and classic
//! load balancers.

use std::net::IpAddr;

use bartizan::model::network::*;
use ipnet::IpNet;

#[derive(Debug, Clone, Copy)]
pub struct Pkt {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: u8,
    pub sport: u16,
    /// For ICMP type × 256 + code.
    pub dport: u16,
}

#[derive(Debug, Clone, PartialEq)]
pub enum From {
    Interface(String),
    Internet,
}

pub struct Sim<'a> {
    pub net: &'a Network,
}

/// What happened to a connection under way, undone on the way back.
#[derive(Debug, Clone)]
enum Undo {
    /// Internet gateway: public address back to the private one.
    Public { private: IpAddr },
    /// NAT gateway: its address and port back to the client's.
    Nat { id: String, address: IpAddr, port: u16 },
}

struct Run<'a> {
    net: &'a Network,
    pkt: Pkt,
    request: bool,
    undo: Vec<Undo>,
    nat_port: u16,
    used_nat: bool,
    /// The interface the question came from, none for the internet.
    client: Option<&'a Interface>,
    /// Whether the server was reached over the internet, by which public address.
    by_internet: bool,
    server_public: Option<IpAddr>,
    hops: usize,
    unfiltered: bool,
    /// AWS does not say whether this would pass.
    unsaid: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    pub passes: bool,
    /// Whether a NAT gateway was on the way, so that its own port mattered.
    pub by_nat: bool,
    /// Whether it passes only if a rule that AWS does not write down is so.
    pub unsaid: bool,
}

fn inside(cidr: &str, a: IpAddr) -> bool {
    cidr.parse::<IpNet>().is_ok_and(|n| n.contains(&a))
}

fn is_internet(a: IpAddr) -> bool {
    match a {
        IpAddr::V4(v) => {
            let o = v.octets();
            let special = matches!(o[0], 0 | 10 | 127 | 224..)
                || (o[0] == 100 && (64..128).contains(&o[1]))
                || (o[0] == 169 && o[1] == 254)
                || (o[0] == 172 && (16..32).contains(&o[1]))
                || (o[0] == 192 && o[1] == 168);
            !special
        }
        IpAddr::V6(v) => v.segments()[0] & 0xe000 == 0x2000,
    }
}

fn addresses(i: &Interface) -> Vec<IpAddr> {
    let v4 = i.private_ip_addresses.iter().map(|a| a.private_ip_address.as_str()).chain([i.private_ip_address.as_str()]);
    let v6 = i.ipv6_addresses.iter().map(|a| a.ipv6_address.as_str());
    v4.chain(v6).filter_map(|t| t.parse().ok()).collect()
}

fn public_of(i: &Interface, private: IpAddr) -> Option<IpAddr> {
    let found = i.private_ip_addresses.iter().find(|a| a.private_ip_address.parse() == Ok(private))?;
    found.association.as_ref()?.public_ip.parse().ok()
}

impl<'a> Sim<'a> {
    /// Whether a packet gets to the interface (none: the internet) and its answer back.
    pub fn passes(&self, from: &From, pkt: Pkt, to: Option<&str>, nat_port: u16) -> Fate {
        let net = self.net;
        let find = |id: &str| net.interfaces.iter().find(|i| i.network_interface_id == id);
        let client = match from {
            From::Interface(id) => find(id),
            From::Internet => None,
        };
        let target = to.and_then(find);
        let mut run = Run {
            net,
            pkt,
            request: true,
            undo: Vec::new(),
            nat_port,
            used_nat: false,
            client,
            by_internet: false,
            server_public: None,
            hops: 0,
            unfiltered: false,
            unsaid: false,
        };
        let there = match client {
            Some(c) => run.group(c, true) && run.route(&c.vpc_id, &c.subnet_id, false, target),
            None => target.is_some_and(|t| run.internet_in(t)),
        };
        let passes = there && run.answer(target);
        Fate { passes, by_nat: run.used_nat, unsaid: run.unsaid }
    }

    /// Whether somebody on the internet who asks a classic load balancer on a port has the instance behind an interface
    /// answer: by the node of the load balancer, from its own address, to the listener's port of the instance.
    pub fn through(&self, client: IpAddr, lb: &LoadBalancer, port: u16, to: &Interface, ports: &[u16]) -> bool {
        let net = self.net;
        let number = |l: &bartizan::model::Extra, key: &str| l[key].as_u64().and_then(|p| u16::try_from(p).ok());
        let Some(behind) =
            lb.listeners.iter().find(|l| number(l, "LoadBalancerPort") == Some(port)).and_then(|l| number(l, "InstancePort"))
        else {
            return false;
        };
        let registered = lb.instances.iter().flatten().any(|i| i.instance_id == to.instance());
        let zone = |subnet: &str| net.subnets.iter().find(|s| s.subnet_id == subnet).map(|s| s.availability_zone.clone());
        let nodes = net.interfaces.iter().filter(|i| i.description == format!("ELB {}", lb.load_balancer_name));
        let nodes: Vec<&Interface> = nodes.collect();
        if !registered || !nodes.iter().any(|n| zone(&n.subnet_id) == zone(&to.subnet_id)) {
            return false;
        }
        let first = |i: &Interface| i.private_ip_address.parse::<IpAddr>();
        // Any of the client's ports, and any of the node's, is enough.
        let one = |from: &From, src: IpAddr, dst: IpAddr, dport: u16, to: &str| {
            let passes = |sport: &u16| self.passes(from, Pkt { src, dst, proto: 6, sport: *sport, dport }, Some(to), 1024).passes;
            ports.iter().any(passes)
        };
        let outer = nodes.iter().any(|n| {
            let public = first(n).ok().and_then(|private| public_of(n, private));
            public.is_some_and(|public| one(&From::Internet, client, public, port, &n.network_interface_id))
        });
        outer
            && nodes.iter().any(|n| {
                let (Ok(own), Ok(there)) = (first(n), first(to)) else { return false };
                let from = From::Interface(n.network_interface_id.clone());
                one(&from, own, there, behind, &to.network_interface_id)
            })
    }
}

impl<'a> Run<'a> {
    fn answer(&mut self, server: Option<&'a Interface>) -> bool {
        let (reply, real) = reply(self.pkt);
        self.pkt = reply;
        // Reach means a way there and a way back; a message that is never answered has no answer for an ACL to stop.
        self.unfiltered = !real;
        self.request = false;
        self.hops = 0;
        match server {
            Some(s) => self.route(&s.vpc_id, &s.subnet_id, false, self.client),
            None => self.internet_back(),
        }
    }

    /// A security group check; the remote address is the packet's destination on the way out, its source on the way in.
    fn group(&self, i: &Interface, egress: bool) -> bool {
        if i.groups.is_empty() {
            return true;
        }
        let remote = if egress { self.pkt.dst } else { self.pkt.src };
        for g in &i.groups {
            let Some(group) = self.net.security_groups.iter().find(|x| x.group_id == g.group_id) else { continue };
            let rules = if egress { &group.ip_permissions_egress } else { &group.ip_permissions };
            for rule in rules {
                if !service_matches(&rule.ip_protocol, rule.from_port, rule.to_port, self.pkt) {
                    continue;
                }
                let by_cidr = rule.ip_ranges.iter().any(|r| inside(&r.cidr_ip, remote))
                    || rule.ipv6_ranges.iter().any(|r| inside(&r.cidr_ipv6, remote));
                let by_list = rule.prefix_list_ids.iter().any(|p| {
                    let list = self.net.prefix_lists.iter().find(|l| l.prefix_list_id == p.prefix_list_id);
                    list.is_some_and(|l| l.entries.iter().any(|e| inside(&e.cidr, remote)))
                });
                let by_group = rule.user_id_group_pairs.iter().any(|pair| {
                    self.net.interfaces.iter().any(|m| {
                        m.groups.iter().any(|x| x.group_id == pair.group_id)
                            && addresses(m).contains(&remote)
                            && self.may_reference(&i.vpc_id, &m.vpc_id, egress)
                            && self.is_the_other_end(m, egress)
                    })
                });
                if by_cidr || by_list || by_group {
                    return true;
                }
            }
        }
        false
    }
    /// Overlapping VPCs may use an address twice: the member meant is the one that talks.
    fn is_the_other_end(&self, member: &Interface, egress: bool) -> bool {
        // A connection to an IPv6 address is to that interface; to a private address likewise, within the VPC's reach.
        egress || self.client.is_some_and(|c| c.network_interface_id == member.network_interface_id)
    }
    /// A load balancer answers on the ports of its listeners alone.
    fn answers(&self, i: &Interface) -> bool {
        let Some(name) = i.description.strip_prefix("ELB ") else { return true };
        let Some(lb) = self.net.load_balancers.iter().find(|l| l.load_balancer_name == name) else { return true };
        let listens = |l: &bartizan::model::Extra| l["LoadBalancerPort"].as_u64() == Some(u64::from(self.pkt.dport));
        self.pkt.proto == 6 && lb.listeners.iter().any(listens)
    }
    /// What Block Public Access blocks of a subnet: what comes in, what goes out.
    fn blocked(&self, subnet: &str) -> (bool, bool) {
        let Some(s) = self.net.subnets.iter().find(|s| s.subnet_id == subnet) else { return (false, false) };
        let excluded = self.net.public_access_exclusions.iter().flatten().any(|e| {
            let of = e.resource_arn.rsplit(':').next().unwrap_or_default();
            e.internet_gateway_exclusion_mode == "allow-bidirectional"
                && (of == format!("subnet/{}", s.subnet_id) || of == format!("vpc/{}", s.vpc_id))
        });
        match s.block_public_access_states.as_ref().map(|b| b.internet_gateway_block_mode.as_str()) {
            Some("block-bidirectional") if !excluded => (true, true),
            Some("block-ingress") if !excluded => (true, false),
            _ => (false, false),
        }
    }
    fn may_reference(&self, here: &str, other: &str, egress: bool) -> bool {
        if here == other {
            return true;
        }
        let peered = self.net.peerings.iter().any(|p| {
            let (Some(a), Some(b)) = (&p.requester_vpc_info, &p.accepter_vpc_info) else { return false };
            p.status.as_ref().is_some_and(|s| s.state == "active")
                && a.region == b.region
                && ((a.vpc_id == here && b.vpc_id == other) || (b.vpc_id == here && a.vpc_id == other))
        });
        let attached = |tgw: &TransitGateway, vpc: &str| {
            self.net
                .transit_gateway_attachments
                .iter()
                .any(|a| a.transit_gateway_id == tgw.transit_gateway_id && a.resource_id == vpc)
        };
        let by_tgw = !egress
            && self.net.transit_gateways.iter().any(|t| {
                t.options.as_ref().is_some_and(|o| o.security_group_referencing_support == "enable")
                    && attached(t, here)
                    && attached(t, other)
            });
        peered || by_tgw
    }

    /// A network ACL check of the packet as it is now.
    fn acl(&self, subnet: &str, egress: bool) -> bool {
        if self.unfiltered {
            return true;
        }
        let Some(s) = self.net.subnets.iter().find(|s| s.subnet_id == subnet) else { return false };
        let own = self.net.network_acls.iter().find(|a| a.associations.iter().any(|x| x.subnet_id == subnet));
        let acl = own.or_else(|| self.net.network_acls.iter().find(|a| a.vpc_id == s.vpc_id && a.is_default));
        let Some(acl) = acl else { return false };
        let remote = if egress { self.pkt.dst } else { self.pkt.src };
        let mut entries: Vec<&AclEntry> = acl.entries.iter().filter(|e| e.egress == egress).collect();
        entries.sort_by_key(|e| e.rule_number);
        for e in entries {
            let cidr = if e.cidr_block.is_empty() { &e.ipv6_cidr_block } else { &e.cidr_block };
            if !inside(cidr, remote) {
                continue;
            }
            let (from, to) = match (&e.icmp_type_code, &e.port_range) {
                (Some(i), _) => (i.kind, i.code),
                (_, Some(p)) => (p.from, p.to),
                _ => (None, None),
            };
            if service_matches(&e.protocol, from, to, self.pkt) {
                return e.rule_action == "allow";
            }
        }
        false
    }

    fn route(&mut self, vpc: &str, subnet: &str, transit: bool, goal: Option<&'a Interface>) -> bool {
        self.hops += 1;
        if self.hops > 20 {
            return false;
        }
        let dst = self.pkt.dst;
        let tables: Vec<&RouteTable> = self.net.route_tables.iter().filter(|t| t.vpc_id == vpc).collect();
        let own = tables.iter().find(|t| t.associations.iter().any(|a| a.subnet_id == subnet));
        let Some(table) = own.or_else(|| tables.iter().find(|t| t.associations.iter().any(|a| a.main))) else { return false };
        let Some(v) = self.net.vpcs.iter().find(|v| v.vpc_id == vpc) else { return false };
        // The most specific route; local before static before prefix list before propagated.
        let mut best: Option<(u8, i32, &Route)> = None;
        for r in &table.routes {
            let local = r.gateway_id == "local";
            let propagated = r.origin == "EnableVgwRoutePropagation";
            let mut nets: Vec<(String, i32)> = vec![(r.destination().to_owned(), 3)];
            if let Some(l) = self.net.prefix_lists.iter().find(|l| l.prefix_list_id == r.destination_prefix_list_id) {
                nets = l.entries.iter().map(|e| (e.cidr.clone(), 2)).collect();
            }
            for (text, rank) in nets {
                let Ok(n) = text.parse::<IpNet>() else { continue };
                if !n.contains(&dst) {
                    continue;
                }
                if propagated && v.cidrs().iter().any(|c| c.parse::<IpNet>().is_ok_and(|c| c.contains(&n))) {
                    continue;
                }
                let rank = if local { 9 } else { rank - if propagated { 2 } else { 0 } };
                let key = (n.prefix_len(), rank);
                if best.is_none_or(|(len, r, _)| key > (len, r)) {
                    best = Some((key.0, key.1, r));
                }
            }
        }
        let Some((_, _, r)) = best else { return false };
        if r.state == "blackhole" {
            return false;
        }
        if r.gateway_id == "local" {
            return self.local(vpc, Some(subnet), goal);
        }
        let target = r.target().to_owned();
        if let Some(nat) = self.net.nat_gateways.iter().find(|n| n.nat_gateway_id == target) {
            return self.nat(nat, subnet, goal);
        }
        if !self.acl(subnet, true) {
            return false;
        }
        if target.starts_with("igw-") {
            return self.internet_out(vpc, subnet, transit, &target, goal);
        }
        if target.starts_with("eigw-") {
            if !self.request || transit || self.pkt.dst.is_ipv4() || self.blocked(subnet).1 {
                return false;
            }
            self.undo.push(Undo::Public { private: self.pkt.src });
            return self.on_internet(goal);
        }
        if let Some(p) = self.net.peerings.iter().find(|p| p.vpc_peering_connection_id == target) {
            return self.peering(p, vpc, transit, goal);
        }
        if target.starts_with("tgw-") {
            return self.transit(&target, vpc, subnet, goal);
        }
        false
    }

    /// Delivery inside a VPC, from a subnet of it or from a gateway.
    fn local(&mut self, vpc: &str, from: Option<&str>, goal: Option<&'a Interface>) -> bool {
        if !self.request
            && let Some(Undo::Nat { id, .. }) = self.undo.last()
        {
            let id = id.clone();
            let Some(nat) = self.net.nat_gateways.iter().find(|n| n.nat_gateway_id == id) else { return false };
            return nat.vpc_id == vpc && self.nat_back(nat, from);
        }
        let Some(g) = goal else { return false };
        if g.vpc_id != vpc {
            return false;
        }
        let crosses = from != Some(g.subnet_id.as_str());
        if crosses && (from.is_some_and(|f| !self.acl(f, true)) || !self.acl(&g.subnet_id, false)) {
            return false;
        }
        !self.request || (g.interface_type != "nat_gateway" && self.group(g, false) && self.answers(g))
    }

    fn internet_out(&mut self, vpc: &str, subnet: &str, transit: bool, gateway: &str, goal: Option<&'a Interface>) -> bool {
        let attached = self
            .net
            .internet_gateways
            .iter()
            .any(|g| g.internet_gateway_id == gateway && g.attachments.iter().any(|a| a.vpc_id == vpc));
        if !attached {
            return false;
        }
        if self.request {
            if transit {
                return false;
            }
            let before = self.pkt.src;
            let public = match self.undo.last() {
                Some(Undo::Nat { id, .. }) => {
                    let Some(nat) = self.net.nat_gateways.iter().find(|n| n.nat_gateway_id == *id) else { return false };
                    if nat.connectivity_type == "private" {
                        return false;
                    }
                    nat.nat_gateway_addresses.first().and_then(|a| a.public_ip.parse().ok())
                }
                _ if before.is_ipv6() => Some(before),
                _ => self.client.and_then(|c| public_of(c, before)),
            };
            let Some(public) = public else { return false };
            let natted = matches!(self.undo.last(), Some(Undo::Nat { .. }));
            match self.blocked(subnet) {
                (_, true) => return false,
                // Inbound traffic alone is blocked: a NAT gateway lets none in.
                (true, false) if !natted => return false,
                _ => self.unsaid |= natted && self.client.is_some_and(|c| self.blocked(&c.subnet_id).1),
            }
            self.undo.push(Undo::Public { private: before });
            self.pkt.src = public;
            return self.on_internet(goal);
        }
        if !self.by_internet || transit {
            return false;
        }
        if let Some(public) = self.server_public {
            self.pkt.src = public;
        }
        self.internet_back()
    }
    /// A question on the internet.
    fn on_internet(&mut self, goal: Option<&'a Interface>) -> bool {
        match goal {
            None => is_internet(self.pkt.dst),
            Some(g) => self.internet_in(g),
        }
    }
    /// From the internet to an interface by its public address.
    fn internet_in(&mut self, g: &'a Interface) -> bool {
        let has = self.net.internet_gateways.iter().any(|x| x.attachments.iter().any(|a| a.vpc_id == g.vpc_id));
        if !has || self.blocked(&g.subnet_id).0 {
            return false;
        }
        self.by_internet = true;
        if self.pkt.dst.is_ipv4() {
            let private = addresses(g).into_iter().find(|a| public_of(g, *a) == Some(self.pkt.dst));
            let Some(private) = private else { return false };
            self.server_public = Some(self.pkt.dst);
            self.pkt.dst = private;
        } else if !addresses(g).contains(&self.pkt.dst) {
            return false;
        }
        self.local(&g.vpc_id, None, Some(g))
    }
    /// An answer on the internet.
    fn internet_back(&mut self) -> bool {
        let Some(c) = self.client else { return true };
        let Some(Undo::Public { private }) = self.undo.pop() else { return false };
        self.pkt.dst = private;
        let vpc = match self.undo.last() {
            Some(Undo::Nat { id, .. }) => {
                self.net.nat_gateways.iter().find(|n| n.nat_gateway_id == *id).map(|n| n.vpc_id.clone())
            }
            _ => Some(c.vpc_id.clone()),
        };
        vpc.is_some_and(|v| self.local(&v, None, Some(c)))
    }

    fn nat(&mut self, nat: &'a NatGateway, subnet: &str, goal: Option<&'a Interface>) -> bool {
        if nat.subnet_id != subnet && !self.acl(subnet, true) {
            return false;
        }
        let carried = matches!(self.pkt.proto, 1 | 6 | 17) && self.pkt.dst.is_ipv4();
        if nat.state != "available" || !self.request || !carried {
            return false;
        }
        if nat.subnet_id != subnet && !self.acl(&nat.subnet_id, false) {
            return false;
        }
        self.used_nat = true;
        let Some(own) = nat.nat_gateway_addresses.first().and_then(|a| a.private_ip.parse().ok()) else { return false };
        self.undo.push(Undo::Nat { id: nat.nat_gateway_id.clone(), address: self.pkt.src, port: self.pkt.sport });
        self.pkt.src = own;
        if self.pkt.proto != 1 {
            self.pkt.sport = self.nat_port;
        }
        self.route(&nat.vpc_id, &nat.subnet_id, false, goal)
    }
    fn nat_back(&mut self, nat: &'a NatGateway, from: Option<&str>) -> bool {
        let crosses = from != Some(nat.subnet_id.as_str());
        if crosses && (from.is_some_and(|f| !self.acl(f, true)) || !self.acl(&nat.subnet_id, false)) {
            return false;
        }
        let Some(Undo::Nat { address, port, .. }) = self.undo.pop() else { return false };
        self.pkt.dst = address;
        if self.pkt.proto != 1 {
            self.pkt.dport = port;
        }
        self.route(&nat.vpc_id, &nat.subnet_id, true, self.client)
    }

    fn peering(&mut self, p: &Peering, vpc: &str, transit: bool, goal: Option<&'a Interface>) -> bool {
        let (Some(a), Some(b)) = (&p.requester_vpc_info, &p.accepter_vpc_info) else { return false };
        let other = if a.vpc_id == vpc {
            b
        } else if b.vpc_id == vpc {
            a
        } else {
            return false;
        };
        if transit || p.status.as_ref().is_none_or(|s| s.state != "active") {
            return false;
        }
        let Some(v) = self.net.vpcs.iter().find(|v| v.vpc_id == other.vpc_id) else { return false };
        if !v.cidrs().iter().any(|c| inside(c, self.pkt.dst)) {
            return false;
        }
        if !self.request
            && let Some(Undo::Nat { id, .. }) = self.undo.last()
        {
            let id = id.clone();
            let Some(nat) = self.net.nat_gateways.iter().find(|n| n.nat_gateway_id == id) else { return false };
            return nat.vpc_id == v.vpc_id && self.nat_back(nat, None);
        }
        let Some(g) = goal else { return false };
        if g.vpc_id != v.vpc_id || !self.acl(&g.subnet_id, false) {
            return false;
        }
        !self.request || (g.interface_type != "nat_gateway" && self.group(g, false) && self.answers(g))
    }

    fn transit(&mut self, tgw: &str, vpc: &str, subnet: &str, goal: Option<&'a Interface>) -> bool {
        let zone = |s: &str| self.net.subnets.iter().find(|x| x.subnet_id == s).map(|x| x.availability_zone.clone());
        let from = self.net.transit_gateway_attachments.iter().find(|a| a.transit_gateway_id == tgw && a.resource_id == vpc);
        let Some(from) = from else { return false };
        let Some(own) = from.subnet_ids.iter().find(|s| zone(s) == zone(subnet)) else { return false };
        if !self.acl(own, false) {
            return false;
        }
        let Some(served) = &from.association else { return false };
        let table = self
            .net
            .transit_gateway_route_tables
            .iter()
            .find(|t| t.transit_gateway_route_table_id == served.transit_gateway_route_table_id);
        let Some(table) = table else { return false };
        let mut routes: Vec<(String, bool, Option<String>)> = Vec::new();
        for r in table.routes.iter().flatten() {
            let to = r.transit_gateway_attachments.first().map(|a| a.transit_gateway_attachment_id.clone());
            routes.push((r.destination_cidr_block.clone(), true, to.filter(|_| r.state != "blackhole")));
        }
        for p in table.propagations.iter().flatten() {
            let Some(a) = self
                .net
                .transit_gateway_attachments
                .iter()
                .find(|a| a.transit_gateway_attachment_id == p.transit_gateway_attachment_id)
            else {
                continue;
            };
            let Some(v) = self.net.vpcs.iter().find(|v| v.vpc_id == a.resource_id) else { continue };
            routes.extend(v.cidrs().iter().map(|c| ((*c).to_owned(), false, Some(a.transit_gateway_attachment_id.clone()))));
        }
        let fits = routes.iter().filter(|(c, _, _)| inside(c, self.pkt.dst));
        let mut best: Option<(u8, bool, &Option<String>)> = None;
        for (c, fixed, to) in fits {
            let len = c.parse::<IpNet>().map_or(0, |n| n.prefix_len());
            if best.is_none_or(|(l, f, _)| (len, *fixed) > (l, f)) {
                best = Some((len, *fixed, to));
            }
        }
        let Some((_, _, Some(to))) = best else { return false };
        let Some(to) = self.net.transit_gateway_attachments.iter().find(|a| a.transit_gateway_attachment_id == *to) else {
            return false;
        };
        let here = to.subnet_ids.iter().find(|s| zone(s) == zone(subnet)).or(to.subnet_ids.first()).cloned();
        let (Some(here), vpc) = (here, to.resource_id.clone()) else { return false };
        self.route(&vpc, &here, true, goal)
    }
}

fn service_matches(protocol: &str, from: Option<i64>, to: Option<i64>, pkt: Pkt) -> bool {
    let number = match protocol {
        "-1" => return true,
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmpv6" => 58,
        other => other.parse().unwrap_or(255),
    };
    if number != i64::from(pkt.proto) {
        return false;
    }
    match pkt.proto {
        6 | 17 => {
            let port = i64::from(pkt.dport);
            from.is_none_or(|f| f < 0 || port >= f) && to.is_none_or(|t| t < 0 || port <= t)
        }
        1 | 58 => {
            let (kind, code) = (i64::from(pkt.dport >> 8), i64::from(pkt.dport & 255));
            from.is_none_or(|f| f < 0 || (f == kind && to.is_none_or(|t| t < 0 || t == code)))
        }
        _ => true,
    }
}

/// The answer to a packet, and whether there is one: nothing answers ICMP errors.
fn reply(p: Pkt) -> (Pkt, bool) {
    let (sport, dport, real) = match (p.proto, p.dport >> 8) {
        (1, 8) => (0, 0, true),
        (1, 13) => (0, 14 << 8, true),
        (1, 15) => (0, 16 << 8, true),
        (1, 17) => (0, 18 << 8, true),
        (58, 128) => (0, 129 << 8, true),
        (1 | 58, _) => (0, p.dport, false),
        _ => (p.dport, p.sport, true),
    };
    (Pkt { src: p.dst, dst: p.src, proto: p.proto, sport, dport }, real)
}
