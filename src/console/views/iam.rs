//! IAM: principals, access keys, policies and identity providers.

use crate::catalog::ListingId;
use crate::console::views::Declared;
use crate::console::views::lists::Lists;

pub const DECLARED: Declared = Declared {
    digit: Some(5),
    name: "iam",
    title: "IAM",
    listings: &[ListingId::Principals, ListingId::AccessKeys, ListingId::Policies, ListingId::Providers],
    make: || Box::new(Lists::new(DECLARED.listings, &[("by:customer", ListingId::Policies)])),
};
