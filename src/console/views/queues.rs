//! Queues: who has how much to do, and what was decided.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(3),
    name: "queues",
    title: "Queues",
    listings: &[ListingId::Queues, ListingId::Decisions],
    make: || Box::new(Lists::new(DECLARED.listings, &[])),
};
