//! The findings.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(2),
    name: "findings",
    title: "Findings",
    listings: &[ListingId::Findings],
    make: || Box::new(Lists::new(DECLARED.listings, &[("", ListingId::Findings)])),
};
