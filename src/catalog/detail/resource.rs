//! A bucket, key, queue, topic, function, secret or repository in full. Whom its policy lets in is added by the engine.

use jiff::Timestamp;

use crate::catalog::detail::parts::{Body, Detail, Writer, tags};
use crate::catalog::resources::{kind_of, name_of};
use crate::model::account::class_of;
use crate::model::arn;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::resource::Resource;

pub(super) fn resource(region: &RegionEstate, o: &Resource, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", kind_of(o), name_of(o)), now);
    let [account, place] = w.place(estate, region);
    let blocked = match o.restricted {
        Some(true) => "on: whoever is let in from other accounts by a public policy is kept out",
        Some(false) => "off for public policies",
        None if o.service() == "s3" && o.policy.is_some() => "not read",
        None => "",
    };
    w.facts(
        "",
        &[
            ("ARN", o.arn.clone()),
            account,
            place,
            ("data", class_of(&o.tags).unwrap_or_default().to_owned()),
            ("Block Public Access", blocked.to_owned()),
        ],
    );
    let rows = o.grants.iter().map(|g| vec![arn::short(&g.grantee_principal).to_owned(), g.operations.join(", ")]);
    w.table("Grants", &["to", "may"], rows.collect());
    w.section("Tags", tags(&o.tags));
    let policy = match &o.policy {
        _ if o.unread => Body::Prose("It was not read: press ! for why.".to_owned()),
        Some(policy) => Body::Code(policy.pretty()),
        None => Body::Prose("It has none: nobody gets in by it.".to_owned()),
    };
    w.section("Policy", policy);
    w.findings_on(&o.arn);
    w.finish()
}
