//! Puts a filter, which sees one address and one port, onto packet sets, which have two of each. Knows no objects.

use std::net::IpAddr;

use crate::network::packets::{
    Addresses, Allow, Filter, ICMP, ICMPV6, Layer, Number, PacketSet, Ranges, Region as _, Space, TCP, UDP,
};

/// Which way a packet goes: from the client to the server, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    Request,
    Response,
}

/// Whose address a filter looks at. In packet sets the client is the source, on the way back too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Client,
    Server,
}

/// How an address looks at some place: as in the packet set, or translated to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    Own,
    As(IpAddr),
}

/// First and last port that a NAT gateway takes for itself ("NAT gateway basics": 1024–65535).
pub const NAT_PORTS: (u16, u16) = (1024, 65535);

/// ICMP and ICMPv6 types that are answered, with the answer's type (RFC 792, RFC 950, RFC 4443).
const REPLIES: [(u8, u8, u8); 5] = [(ICMP, 8, 0), (ICMP, 13, 14), (ICMP, 15, 16), (ICMP, 17, 18), (ICMPV6, 128, 129)];

/// What a filter is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub way: Way,
    pub who: Who,
    pub seen: Seen,
    /// Whether the client's port was replaced by one of a NAT gateway.
    pub nat_port: bool,
}

/// The packets of connections that a filter lets through at a place. With a NAT gateway's port, `all` decides whether
/// every one of its ports has to pass or one is enough.
pub fn lift(allow: &Allow, view: View, all: bool) -> PacketSet {
    PacketSet { v4: lift_family(&allow.v4, view, all), v6: lift_family(&allow.v6, view, all) }
}

fn ends<A: Number>(remote: &Ranges<A>, who: Who) -> Layer<A, Ranges<A>> {
    match who {
        Who::Client => remote.map(|_, _, _| Ranges::everything()),
        Who::Server => Layer::all(remote.clone()),
    }
}

fn lift_family<A: Number>(filter: &Filter<A>, view: View, all: bool) -> Space<A> {
    let seen = |remote: &Ranges<A>| match view.seen {
        Seen::Own => remote.clone(),
        Seen::As(address) => {
            let inside = match address {
                IpAddr::V4(a) => A::BITS == 32 && remote.has(A::narrow(a.to_bits().into())),
                IpAddr::V6(a) => A::BITS == 128 && remote.has(A::narrow(a.to_bits())),
            };
            if inside { Ranges::everything() } else { Ranges::default() }
        }
    };
    if view.way == Way::Request {
        return filter.map(|_, _, ports| ports.map(|_, _, remote| Layer::all(ends(&seen(remote), view.who))));
    }
    let icmp = Layer::span(ICMP, ICMP, Layer::everything()).or(&Layer::span(ICMPV6, ICMPV6, Layer::everything()));
    let rest: Filter<A> = filter.minus(&icmp);
    let mut out: Space<A> = rest.map(|first, last, ports| {
        let natted = view.nat_port && first == last && matches!(first, TCP | UDP);
        if natted {
            let (low, high) = NAT_PORTS;
            let remote = if all { ports.each_in(low, high) } else { ports.any_in(low, high) };
            return Layer::all(Layer::all(ends(&seen(&remote), view.who)));
        }
        Layer::all(ports.map(|_, _, remote| ends(&seen(remote), view.who)))
    });
    for protocol in [ICMP, ICMPV6] {
        let mut types = Layer::everything();
        for (_, asked, answer) in REPLIES.iter().filter(|(p, _, _)| *p == protocol) {
            let span = |t: u8| (u16::from(t) << 8, u16::from(t) << 8 | 255);
            let (first, last) = span(*asked);
            let remote = filter.at(protocol).and_then(|ports| ports.at(span(*answer).0)).map(seen).unwrap_or_default();
            let passes = Layer::span(first, last, Layer::all(ends(&remote, view.who)));
            types = types.minus(&Layer::span(first, last, Layer::everything())).or(&passes);
        }
        out = out.or(&Layer::span(protocol, protocol, types));
    }
    out
}

/// Only the packets with these addresses on one side.
pub fn only(set: &PacketSet, addresses: &Addresses, who: Who) -> PacketSet {
    fn of<A: Number>(space: &Space<A>, ranges: &Ranges<A>, who: Who) -> Space<A> {
        let source: Layer<A, Ranges<A>> = ranges.map(|_, _, _| Ranges::everything());
        space.map(|_, _, dports| {
            dports.map(|_, _, sports| {
                sports.map(|_, _, src| match who {
                    Who::Client => src.and(&source),
                    Who::Server => src.map(|_, _, dst| dst.and(ranges)),
                })
            })
        })
    }
    PacketSet { v4: of(&set.v4, &addresses.v4, who), v6: of(&set.v6, &addresses.v6, who) }
}
