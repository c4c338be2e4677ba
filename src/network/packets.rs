//! Sets of packets: source and destination address, protocol, ports, ICMP types. It knows no network objects.
//!
//! Protocols are IANA numbers. Ports exist for TCP and UDP; for ICMP and ICMPv6 the destination port's place holds
//! type × 256 + code, and every other protocol has all ports. IPv4 and IPv6 are separate spaces, so `::/0` never
//! means an IPv4 packet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use crate::network::sets::{Layer, Ranges, Region, Step};

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;

/// Whether packets of this protocol have ports that AWS filters on.
pub const fn has_ports(protocol: u8) -> bool {
    protocol == TCP || protocol == UDP
}

/// An address as a number: `u32` for IPv4, `u128` for IPv6.
pub trait Number: Step + fmt::Debug + std::hash::Hash + 'static {
    /// Bits of an address.
    const BITS: u8;
    fn ip(self) -> IpAddr;
    fn wide(self) -> u128;
    /// From a number that fits.
    fn narrow(wide: u128) -> Self;
}

impl Number for u32 {
    const BITS: u8 = 32;
    fn ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self))
    }
    fn wide(self) -> u128 {
        self.into()
    }
    fn narrow(wide: u128) -> Self {
        Self::try_from(wide).unwrap_or(Self::MAX)
    }
}

impl Number for u128 {
    const BITS: u8 = 128;
    fn ip(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self))
    }
    fn wide(self) -> u128 {
        self
    }
    fn narrow(wide: u128) -> Self {
        wide
    }
}

/// Addresses of both families.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Addresses {
    pub v4: Ranges<u32>,
    pub v6: Ranges<u128>,
}

impl Addresses {
    pub fn everything() -> Self {
        Self { v4: Ranges::everything(), v6: Ranges::everything() }
    }
    pub fn of(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(n) => v4.push((n.network().to_bits(), n.broadcast().to_bits())),
                IpNet::V6(n) => v6.push((n.network().to_bits(), n.broadcast().to_bits())),
            }
        }
        Self { v4: Ranges::of(v4), v6: Ranges::of(v6) }
    }
    pub fn one(address: IpAddr) -> Self {
        Self::of([IpNet::from(address)])
    }
    /// What AWS's internet gateway can carry: all IPv4 but the special-purpose ranges (RFC 6890: private, shared,
    /// loopback, link-local, multicast, reserved), and IPv6 global unicast (RFC 4291, `2000::/3`).
    pub fn internet() -> Self {
        let special = [
            ([0, 0, 0, 0], 8),
            ([10, 0, 0, 0], 8),
            ([100, 64, 0, 0], 10),
            ([127, 0, 0, 0], 8),
            ([169, 254, 0, 0], 16),
            ([172, 16, 0, 0], 12),
            ([192, 168, 0, 0], 16),
            ([224, 0, 0, 0], 3),
        ];
        let ends = special.map(|(a, bits)| {
            let first = Ipv4Addr::from(a).to_bits();
            (first, first | (u32::MAX >> bits))
        });
        let global = 0x2000_u128 << 112;
        Self { v4: Ranges::everything().minus(&Ranges::of(ends.to_vec())), v6: Ranges::range(global, global | (u128::MAX >> 3)) }
    }
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
    pub fn and(&self, other: &Self) -> Self {
        Self { v4: self.v4.and(&other.v4), v6: self.v6.and(&other.v6) }
    }
    pub fn or(&self, other: &Self) -> Self {
        Self { v4: self.v4.or(&other.v4), v6: self.v6.or(&other.v6) }
    }
    pub fn minus(&self, other: &Self) -> Self {
        Self { v4: self.v4.minus(&other.v4), v6: self.v6.minus(&other.v6) }
    }
    pub fn meets(&self, other: &Self) -> bool {
        self.v4.meets(&other.v4) || self.v6.meets(&other.v6)
    }
    pub fn covers(&self, other: &Self) -> bool {
        self.v4.covers(&other.v4) && self.v6.covers(&other.v6)
    }
    pub fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.v4.has(a.to_bits()),
            IpAddr::V6(a) => self.v6.has(a.to_bits()),
        }
    }
    /// How many addresses, as far as a number holds them.
    pub fn count(&self) -> u128 {
        let v4: u128 = self.v4.parts().iter().map(|(a, b, _)| u128::from(b - a) + 1).sum();
        self.v6.parts().iter().fold(v4, |n, (a, b, _)| n.saturating_add(b - a).saturating_add(1))
    }
    /// As the fewest CIDRs, IPv4 first.
    pub fn cidrs(&self) -> Vec<IpNet> {
        let mut out = Vec::new();
        cidrs_of(&self.v4, &mut out);
        cidrs_of(&self.v6, &mut out);
        out
    }
}

/// `internet` for all of it, else CIDRs; a long list is cut and says so.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no address");
        }
        let internet = Self::internet();
        let (has4, has6) = (!self.v4.is_empty(), !self.v6.is_empty());
        let (all4, all6) = (self.v4.covers(&internet.v4), self.v6.covers(&internet.v6));
        match (has4, has6) {
            (true, true) if all4 && all6 => return f.write_str("internet (IPv4 and IPv6)"),
            (true, false) if all4 => return f.write_str("internet (IPv4)"),
            (false, true) if all6 => return f.write_str("internet (IPv6)"),
            _ => {}
        }
        let cidrs = self.cidrs();
        // Most of the internet reads better as what is missing.
        let missing = internet.minus(self);
        let missing =
            Self { v4: if has4 { missing.v4 } else { Ranges::default() }, v6: if has6 { missing.v6 } else { Ranges::default() } };
        let holes = missing.cidrs();
        if cidrs.len() > 6 && holes.len() < cidrs.len() {
            f.write_str(match (has4, has6) {
                (true, false) => "internet (IPv4) without ",
                (false, true) => "internet (IPv6) without ",
                _ => "internet without ",
            })?;
            return list(f, &holes);
        }
        list(f, &cidrs)
    }
}

fn list(f: &mut fmt::Formatter<'_>, cidrs: &[IpNet]) -> fmt::Result {
    for (n, net) in cidrs.iter().take(8).enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        if net.prefix_len() == net.max_prefix_len() { write!(f, "{}", net.addr())? } else { write!(f, "{net}")? }
    }
    if cidrs.len() > 8 { write!(f, " and {} more", cidrs.len() - 8) } else { Ok(()) }
}

/// The fewest CIDRs that make up a set.
fn cidrs_of<A: Number>(ranges: &Ranges<A>, out: &mut Vec<IpNet>) {
    for (first, last, _) in ranges.parts() {
        let (mut at, last) = (first.wide(), last.wide());
        loop {
            // The largest block that starts here and ends in time.
            let aligned = at.trailing_zeros().min(u32::from(A::BITS));
            let room = last - at;
            let fits = if room == u128::MAX { 128 } else { (room + 1).ilog2() };
            let bits = aligned.min(fits);
            let length = A::BITS - u8::try_from(bits).unwrap_or(A::BITS);
            let net = match A::narrow(at).ip() {
                IpAddr::V4(a) => Ipv4Net::new(a, length).map(IpNet::V4),
                IpAddr::V6(a) => Ipv6Net::new(a, length).map(IpNet::V6),
            };
            out.extend(net);
            let end = if bits >= 128 { u128::MAX } else { at + ((1 << bits) - 1) };
            if end >= last {
                break;
            }
            at = end + 1;
        }
    }
}

/// Protocol → port → address at the other end: what one filter rule can say in one family.
pub type Filter<A> = Layer<u8, Layer<u16, Ranges<A>>>;

/// What a filter lets through, seen from its own side: protocol, port, and the address it looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    pub v4: Filter<u32>,
    pub v6: Filter<u128>,
}

impl Allow {
    pub fn everything() -> Self {
        Self { v4: Filter::everything(), v6: Filter::everything() }
    }
    /// A rule: protocols and ports in `service`, from or to `peers`.
    pub fn rule(service: &Service, peers: &Addresses) -> Self {
        Self { v4: service.filter(&peers.v4), v6: service.filter(&peers.v6) }
    }
    pub fn and(&self, other: &Self) -> Self {
        Self { v4: self.v4.and(&other.v4), v6: self.v6.and(&other.v6) }
    }
    pub fn or(&self, other: &Self) -> Self {
        Self { v4: self.v4.or(&other.v4), v6: self.v6.or(&other.v6) }
    }
    pub fn minus(&self, other: &Self) -> Self {
        Self { v4: self.v4.minus(&other.v4), v6: self.v6.minus(&other.v6) }
    }
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
    pub fn meets(&self, other: &Self) -> bool {
        self.v4.meets(&other.v4) || self.v6.meets(&other.v6)
    }
    /// All protocols and ports that occur, whatever the address.
    pub fn service(&self) -> Service {
        let flat4 = self.v4.map(|_, _, ports| ports.map(|_, _, _| true));
        let flat6 = self.v6.map(|_, _, ports| ports.map(|_, _, _| true));
        Service(flat4.or(&flat6))
    }
}

/// Protocols with their ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Service(pub Layer<u8, Ranges<u16>>);

impl Service {
    pub fn everything() -> Self {
        Self(Layer::everything())
    }
    /// One protocol with ports `first` to `last`; all ports where the protocol has none.
    pub fn ports(protocol: u8, first: u16, last: u16) -> Self {
        let ports = if has_ports(protocol) { Ranges::range(first, last) } else { Ranges::everything() };
        Self(Layer::span(protocol, protocol, ports))
    }
    /// ICMP (1) or ICMPv6 (58) with a type and code; none for all.
    pub fn icmp(protocol: u8, kind: Option<u8>, code: Option<u8>) -> Self {
        let ports = match (kind, code) {
            (None, _) => Ranges::everything(),
            (Some(kind), None) => Ranges::range(u16::from(kind) << 8, u16::from(kind) << 8 | 255),
            (Some(kind), Some(code)) => {
                let both = u16::from(kind) << 8 | u16::from(code);
                Ranges::range(both, both)
            }
        };
        Self(Layer::span(protocol, protocol, ports))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.and(&other.0))
    }
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.or(&other.0))
    }
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.minus(&other.0))
    }
    pub fn meets(&self, other: &Self) -> bool {
        self.0.meets(&other.0)
    }
    pub fn covers(&self, other: &Self) -> bool {
        other.0.minus(&self.0).is_empty()
    }
    pub fn is_all(&self) -> bool {
        self.0.parts().len() == 1 && self.0 == Layer::everything()
    }
    fn filter<A: Number>(&self, peers: &Ranges<A>) -> Filter<A> {
        self.0.map(|_, _, ports| ports.map(|_, _, _| peers.clone()))
    }
    /// Each protocol span and port range: `(first protocol, last protocol, first port, last port)`.
    pub fn spans(&self) -> Vec<(u8, u8, u16, u16)> {
        let each = |(a, b, ports): &(u8, u8, Ranges<u16>)| {
            ports.parts().iter().map(|(first, last, _)| (*a, *b, *first, *last)).collect::<Vec<_>>()
        };
        self.0.parts().iter().flat_map(each).collect()
    }
}

/// `tcp 22, 80-443; icmp 8`, `all traffic`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        if self.is_all() {
            return f.write_str("all traffic");
        }
        let mut first = true;
        for (a, b, ports) in self.0.parts() {
            // Only a span of one protocol says more than "all".
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            if a == b {
                f.write_str(&protocol_word(*a))?;
            } else {
                write!(f, "protocols {a}-{b}")?;
            }
            if ports.is_all() {
                continue;
            }
            for (n, (low, high, _)) in ports.parts().iter().enumerate() {
                f.write_str(if n == 0 { " " } else { ", " })?;
                if n == 12 {
                    write!(f, "and {} more", ports.parts().len() - n)?;
                    break;
                }
                if matches!(*a, ICMP | ICMPV6) {
                    icmp_range(f, *low, *high)?;
                } else if low == high {
                    write!(f, "{low}")?;
                } else {
                    write!(f, "{low}-{high}")?;
                }
            }
        }
        Ok(())
    }
}

fn icmp_range(f: &mut fmt::Formatter<'_>, low: u16, high: u16) -> fmt::Result {
    let ((kind, code), (last, end)) = ((low >> 8, low & 255), (high >> 8, high & 255));
    match (kind == last, code == 0 && end == 255) {
        (true, true) => write!(f, "type {kind}"),
        (false, true) => write!(f, "types {kind}-{last}"),
        _ if low == high => write!(f, "type {kind} code {code}"),
        _ => write!(f, "type {kind} code {code} to type {last} code {end}"),
    }
}

/// `tcp`, `udp`, `icmp`, `icmpv6`, else `protocol 47`.
pub fn protocol_word(protocol: u8) -> String {
    match protocol {
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        ICMP => "icmp".to_owned(),
        ICMPV6 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    }
}

/// Protocol → destination port → source port → source → destination.
pub type Space<A> = Layer<u8, Layer<u16, Layer<u16, Layer<A, Ranges<A>>>>>;

/// A set of packets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketSet {
    pub v4: Space<u32>,
    pub v6: Space<u128>,
}

/// One packet, to ask a set about. For ICMP `to_port` is type × 256 + code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub from_port: u16,
    pub to_port: u16,
}

impl PacketSet {
    pub fn everything() -> Self {
        Self { v4: Space::everything(), v6: Space::everything() }
    }
    /// All packets of a service between addresses, from the source ports given.
    pub fn of(service: &Service, source_ports: &Ranges<u16>, from: &Addresses, to: &Addresses) -> Self {
        Self { v4: space(service, source_ports, &from.v4, &to.v4), v6: space(service, source_ports, &from.v6, &to.v6) }
    }
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
    pub fn and(&self, other: &Self) -> Self {
        Self { v4: self.v4.and(&other.v4), v6: self.v6.and(&other.v6) }
    }
    pub fn or(&self, other: &Self) -> Self {
        Self { v4: self.v4.or(&other.v4), v6: self.v6.or(&other.v6) }
    }
    pub fn minus(&self, other: &Self) -> Self {
        Self { v4: self.v4.minus(&other.v4), v6: self.v6.minus(&other.v6) }
    }
    pub fn meets(&self, other: &Self) -> bool {
        self.v4.meets(&other.v4) || self.v6.meets(&other.v6)
    }
    pub fn has(&self, packet: Packet) -> bool {
        fn inside<A: Number>(space: &Space<A>, p: Packet, from: A, to: A) -> bool {
            let ports = space.at(p.protocol).and_then(|dports| dports.at(p.to_port));
            ports.and_then(|sports| sports.at(p.from_port)).and_then(|src| src.at(from)).is_some_and(|dst| dst.has(to))
        }
        match (packet.from, packet.to) {
            (IpAddr::V4(a), IpAddr::V4(b)) => inside(&self.v4, packet, a.to_bits(), b.to_bits()),
            (IpAddr::V6(a), IpAddr::V6(b)) => inside(&self.v6, packet, a.to_bits(), b.to_bits()),
            _ => false,
        }
    }
    /// Protocols and destination ports that occur.
    pub fn service(&self) -> Service {
        Service(self.v4.map(|_, _, p| p.map(|_, _, _| true)).or(&self.v6.map(|_, _, p| p.map(|_, _, _| true))))
    }
    /// Source ports that occur.
    pub fn source_ports(&self) -> Ranges<u16> {
        fn of<A: Number>(space: &Space<A>, all: &mut Vec<(u16, u16)>) {
            for (_, _, dports) in space.parts() {
                for (_, _, sports) in dports.parts() {
                    all.extend(sports.parts().iter().map(|(a, b, _)| (*a, *b)));
                }
            }
        }
        let mut all = Vec::new();
        of(&self.v4, &mut all);
        of(&self.v6, &mut all);
        Ranges::of(all)
    }
    pub fn sources(&self) -> Addresses {
        fn of<A: Number>(space: &Space<A>) -> Ranges<A> {
            Ranges::of(each_src(space).flat_map(|s| s.parts().iter().map(|(a, b, _)| (*a, *b))).collect())
        }
        Addresses { v4: of(&self.v4), v6: of(&self.v6) }
    }
    pub fn destinations(&self) -> Addresses {
        fn of<A: Number>(space: &Space<A>) -> Ranges<A> {
            let sets = each_src(space).flat_map(|s| s.parts().iter().map(|(_, _, d)| d));
            Ranges::of(sets.flat_map(|d| d.parts().iter().map(|(a, b, _)| (*a, *b))).collect())
        }
        Addresses { v4: of(&self.v4), v6: of(&self.v6) }
    }
    /// The set split by who may ask what: each protocol span and port range with exactly the sources that have it.
    pub fn openings(&self) -> Vec<Opening> {
        let mut allow = Allow::default();
        fn flat<A: Number>(space: &Space<A>) -> Filter<A> {
            space.map(|_, _, dports| {
                dports.map(|_, _, sports| {
                    let src = sports.parts().iter().flat_map(|(_, _, src)| src.parts().iter().map(|(a, b, _)| (*a, *b)));
                    Ranges::of(src.collect())
                })
            })
        }
        allow.v4 = flat(&self.v4);
        allow.v6 = flat(&self.v6);
        allow.openings()
    }
}

impl Allow {
    /// Each protocol span and port range with exactly the addresses that have it, both families joined where equal.
    pub fn openings(&self) -> Vec<Opening> {
        fn each<A: Number>(filter: &Filter<A>, wrap: impl Fn(&Ranges<A>) -> Addresses, out: &mut Vec<Opening>) {
            for (a, b, ports) in filter.parts() {
                for (first, last, peers) in ports.parts() {
                    out.push(Opening { protocols: (*a, *b), ports: (*first, *last), peers: wrap(peers) });
                }
            }
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        each(&self.v4, |r| Addresses { v4: r.clone(), v6: Ranges::default() }, &mut v4);
        each(&self.v6, |r| Addresses { v4: Ranges::default(), v6: r.clone() }, &mut v6);
        for other in v6 {
            match v4.iter_mut().find(|o| (o.protocols, o.ports) == (other.protocols, other.ports)) {
                Some(same) => same.peers.v6 = other.peers.v6,
                None => v4.push(other),
            }
        }
        v4.sort_by_key(|o| (o.protocols, o.ports));
        v4
    }
}

/// The IPv6 addresses that stand for IPv4 ones where a gateway translates: `64:ff9b::/96` (RFC 6052).
pub fn nat64(addresses: &Addresses) -> Addresses {
    let base = 0x0064_ff9b_u128 << 96;
    let inner = addresses.v4.parts().iter().map(|(first, last, _)| (base | u128::from(*first), base | u128::from(*last)));
    Addresses { v4: Ranges::default(), v6: Ranges::of(inner.collect()) }
}

/// One protocol span and port range, and the addresses at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// First and last protocol number.
    pub protocols: (u8, u8),
    /// First and last port; for ICMP type × 256 + code.
    pub ports: (u16, u16),
    pub peers: Addresses,
}

impl Opening {
    pub fn service(&self) -> Service {
        Service(Layer::span(self.protocols.0, self.protocols.1, Ranges::range(self.ports.0, self.ports.1)))
    }
}

fn each_src<A: Number>(space: &Space<A>) -> impl Iterator<Item = &Layer<A, Ranges<A>>> {
    let dports = space.parts().iter().map(|(_, _, dports)| dports);
    let sports = dports.flat_map(|d| d.parts().iter().map(|(_, _, sports)| sports));
    sports.flat_map(|s| s.parts().iter().map(|(_, _, src)| src))
}

fn space<A: Number>(service: &Service, sports: &Ranges<u16>, from: &Ranges<A>, to: &Ranges<A>) -> Space<A> {
    let ends = from.map(|_, _, _| to.clone());
    let full = Layer::all(ends.clone());
    let some = sports.map(|_, _, _| ends.clone());
    service.0.map(|a, b, ports| {
        // A span that holds TCP or UDP is cut so that only those have source ports; callers give single protocols or all.
        let with_ports = a == b && has_ports(a);
        ports.map(|_, _, _| if with_ports { some.clone() } else { full.clone() })
    })
}

/// Services of a span of protocols cut so that TCP and UDP stand alone; source ports then apply to them only.
pub fn cut_by_ports(service: &Service) -> Vec<Service> {
    let mut rest = service.clone();
    let mut out = Vec::new();
    for protocol in [TCP, UDP] {
        let own = service.and(&Service::ports(protocol, 0, u16::MAX));
        if !own.is_empty() {
            rest = rest.minus(&own);
            out.push(own);
        }
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// Reads `10.0.0.0/8`, `::/0` or a bare address; host bits are cleared, as AWS does.
///
/// # Errors
/// Names the text that is neither.
pub fn cidr(text: &str) -> Result<IpNet, NotACidr> {
    let text = text.trim();
    let net: Result<IpNet, _> = text.parse();
    net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|net| net.trunc())
        .map_err(|_| NotACidr { text: text.chars().take(80).collect() })
}

/// Why a text is no CIDR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an address nor a CIDR; write 10.0.0.0/8, 203.0.113.7 or 2001:db8::/32")]
pub struct NotACidr {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Addresses {
        Addresses::of(texts.iter().map(|t| cidr(t).unwrap()))
    }

    #[test]
    fn addresses_read_as_cidrs() {
        assert_eq!(nets(&["10.0.0.0/9", "10.128.0.0/9", "10.1.2.3"]).to_string(), "10.0.0.0/8");
        assert_eq!(nets(&["10.0.0.1", "10.0.0.2/31"]).to_string(), "10.0.0.1, 10.0.0.2/31");
        assert_eq!(nets(&["0.0.0.0/0"]).to_string(), "internet (IPv4)");
        assert_eq!(nets(&["0.0.0.0/0", "::/0"]).to_string(), "internet (IPv4 and IPv6)");
        assert_eq!(nets(&["::/0"]).cidrs().len(), 1);
        assert_eq!(nets(&["0.0.0.0/0"]).minus(&nets(&["8.8.8.8"])).to_string(), "internet (IPv4) without 8.8.8.8");
        assert_eq!(nets(&["10.1.2.3/8"]).to_string(), "10.0.0.0/8");
        assert!(cidr("10.0.0.0/33").is_err() && cidr("").is_err() && cidr("10.0.0").is_err());
        assert!(!Addresses::internet().has("10.1.1.1".parse().unwrap()));
        assert!(!Addresses::internet().has("fe80::1".parse().unwrap()));
        assert_eq!(Addresses::internet().and(&nets(&["10.0.0.0/8"])), Addresses::default());
    }

    #[test]
    fn the_two_families_never_meet() {
        let v6 = PacketSet::of(&Service::everything(), &Ranges::everything(), &nets(&["::/0"]), &nets(&["::/0"]));
        let v4 = PacketSet::of(&Service::everything(), &Ranges::everything(), &nets(&["0.0.0.0/0"]), &nets(&["0.0.0.0/0"]));
        assert!(!v4.meets(&v6) && v4.and(&v6).is_empty());
        assert_eq!(v4.or(&v6), PacketSet::everything());
        assert_eq!(PacketSet::everything().minus(&v4), v6);
    }

    #[test]
    fn services_read_as_people_write_them() {
        let both = Service::ports(TCP, 22, 22).or(&Service::ports(TCP, 80, 443)).or(&Service::icmp(ICMP, Some(8), None));
        assert_eq!(both.to_string(), "icmp type 8; tcp 22, 80-443");
        assert_eq!(Service::everything().to_string(), "all traffic");
        assert_eq!(Service::ports(47, 0, 0).to_string(), "protocol 47");
        assert_eq!(Service::icmp(ICMPV6, Some(128), Some(0)).to_string(), "icmpv6 type 128 code 0");
    }

    #[test]
    fn openings_split_by_source() {
        let any = Ranges::everything();
        let to = nets(&["10.0.0.9"]);
        let web = PacketSet::of(&Service::ports(TCP, 80, 443), &any, &nets(&["0.0.0.0/0"]), &to);
        let ssh = PacketSet::of(&Service::ports(TCP, 22, 80), &any, &nets(&["198.51.100.7"]), &to);
        let openings = web.or(&ssh).openings();
        let said: Vec<String> = openings.iter().map(|o| format!("{} from {}", o.service(), o.peers)).collect();
        assert_eq!(said, ["tcp 22-79 from 198.51.100.7", "tcp 80-443 from internet (IPv4)"]);
        assert_eq!(web.or(&ssh).sources(), nets(&["0.0.0.0/0"]));
        assert_eq!(web.or(&ssh).destinations(), to);
    }

    #[test]
    fn ipv4_addresses_have_ipv6_ones_for_translation() {
        assert_eq!(nat64(&nets(&["192.0.2.0/24", "2001:db8::/32"])), nets(&["64:ff9b::c000:200/120"]));
        assert_eq!(nat64(&Addresses::everything()), nets(&["64:ff9b::/96"]));
    }

    #[test]
    fn one_packet_in_a_set() {
        let set = PacketSet::of(
            &Service::ports(TCP, 22, 22),
            &Ranges::range(1024, 65535),
            &nets(&["192.0.2.0/24"]),
            &nets(&["10.0.0.9"]),
        );
        let packet = Packet {
            from: "192.0.2.200".parse().unwrap(),
            to: "10.0.0.9".parse().unwrap(),
            protocol: TCP,
            from_port: 40_000,
            to_port: 22,
        };
        assert!(set.has(packet));
        assert!(!set.has(Packet { from_port: 80, ..packet }));
        assert!(!set.has(Packet { protocol: UDP, ..packet }));
        assert!(!set.has(Packet { to: "10.0.0.8".parse().unwrap(), ..packet }));
    }
}
