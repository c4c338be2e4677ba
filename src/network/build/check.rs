//! Address ranges that can not be as they are told: answers of different days, or files that were put together wrongly.

use crate::network::build::Builder;
use crate::network::net::Net;

/// Subnets outside of their VPC, subnets of one VPC that overlap, peered VPCs that do: `(object, what)`.
fn odd_ranges(net: &Net) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for vpc in net.vpcs.iter().filter(|v| v.seen) {
        let mut lines: Vec<(u128, u128, bool, usize)> = Vec::new();
        for s in &vpc.subnets {
            let subnet = &net.subnets[*s];
            if !vpc.cidrs.covers(&subnet.cidrs) {
                out.push((subnet.id.clone(), format!("its CIDR {} is not inside of {}'s", subnet.cidr_texts.join(", "), vpc.id)));
            }
            lines.extend(subnet.cidrs.v4.parts().iter().map(|(a, b, _)| (u128::from(*a), u128::from(*b), false, *s)));
            lines.extend(subnet.cidrs.v6.parts().iter().map(|(a, b, _)| (*a, *b, true, *s)));
        }
        lines.sort_unstable_by_key(|(first, last, six, s)| (*six, *first, *last, *s));
        let mut widest: Option<(u128, bool, usize)> = None;
        for (first, last, six, s) in lines {
            if let Some((end, family, other)) = widest
                && family == six
                && first <= end
            {
                out.push((net.subnets[s].id.clone(), format!("its CIDR overlaps that of {}", net.subnets[other].id)));
            }
            if widest.is_none_or(|(end, family, _)| family != six || last > end) {
                widest = Some((last, six, s));
            }
        }
    }
    for p in net.peerings.iter().filter(|p| p.active) {
        let both = p.sides[0].cidrs.and(&p.sides[1].cidrs);
        if !both.is_empty() {
            out.push((p.id.clone(), format!("its two VPCs overlap in {both}, which AWS takes of no peering")));
        }
    }
    out
}

impl Builder<'_> {
    /// Names what is odd; what stands there is judged as it is told.
    pub(super) fn check(&mut self) {
        for (object, what) in odd_ranges(&self.net) {
            self.gap(&object, what);
        }
    }
}
