//! The network's objects, with plain facts about what is open.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(6),
    name: "network",
    title: "Network",
    listings: &[
        ListingId::Vpcs,
        ListingId::Subnets,
        ListingId::RouteTables,
        ListingId::SecurityGroups,
        ListingId::Interfaces,
        ListingId::LoadBalancers,
    ],
    make: || Box::new(Lists::new(DECLARED.listings, &[])),
};
