//! Managed nodes, instances whether managed or not, and the sessions on them.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(7),
    name: "nodes",
    title: "Nodes",
    listings: &[ListingId::Nodes, ListingId::Instances, ListingId::Sessions],
    make: || Box::new(Lists::new(DECLARED.listings, &[])),
};
