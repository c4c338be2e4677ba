//! What was asked of AWS and what was not answered: the list behind `!`.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: None,
    name: "coverage",
    title: "Coverage",
    listings: &[ListingId::Coverage],
    make: || Box::new(Lists::new(DECLARED.listings, &[("!outcome:ok", ListingId::Coverage)])),
};
