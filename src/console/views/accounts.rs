//! The accounts, under their organisational units.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(4),
    name: "accounts",
    title: "Accounts",
    listings: &[ListingId::Accounts],
    make: || Box::new(Lists::new(DECLARED.listings, &[("", ListingId::Accounts)]).outlined("ou")),
};
