//! Accounts, and what each API answered of them.

use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::catalog::detail::parts::{Body, Detail, Writer, decided, tags};
use crate::listing::filter::exactly;
use crate::model::account::Account;
use crate::model::coverage::Coverage;
use crate::model::estate::Estate;

pub fn account(o: &Account, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(o.label(), now);
    let short = |service: &String| service.trim_end_matches(".amazonaws.com").to_owned();
    let administers = estate.organization.as_ref().map_or_else(String::new, |organization| {
        if organization.management_account == o.id {
            return "the organisation".to_owned();
        }
        organization.delegated_to(&o.id).iter().map(short).collect::<Vec<_>>().join(", ")
    });
    w.facts(
        "",
        &[
            ("account", o.id.clone()),
            ("unit", o.ou_path.clone()),
            ("administers", administers),
            ("environment", decided(o.environment_word(), &o.environment.decided_by)),
            ("owner", decided(o.owner_word(), &o.owner.decided_by)),
            ("status", o.status.clone()),
            ("e-mail", o.email.clone()),
            ("joined", w.time(o.joined)),
        ],
    );
    w.section("Tags", tags(&o.tags));
    let missing = estate.coverage.iter().filter(|c| c.account == o.id && c.outcome != crate::model::coverage::Outcome::Ok);
    let rows = missing.map(|c| vec![c.outcome.to_string(), c.region.clone(), c.api.clone(), c.reason.clone()]);
    w.table("Not answered", &["outcome", "region", "API", "reason"], rows.collect());
    if let Some(identity) = estate.identity(&o.id) {
        let summary = identity.summary.iter().map(|(key, value)| (key.clone(), value.to_string()));
        w.section("IAM summary", Body::Facts(summary.collect()));
        let policy = identity.password_policy.iter().flatten().map(|(key, value)| (key.clone(), value.to_string()));
        w.section("Password policy", Body::Facts(policy.collect()));
    }
    w.link("open findings", ListingId::Findings, format!("account={} open:yes", o.id));
    w.link("principals", ListingId::Principals, exactly("account", &o.id));
    w.link("VPCs", ListingId::Vpcs, exactly("account", &o.id));
    w.link("nodes", ListingId::Nodes, exactly("account", &o.id));
    w.link("coverage", ListingId::Coverage, exactly("account", &o.id));
    w.finish()
}

pub fn coverage(o: &Coverage, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(o.api.clone(), now);
    let account = w.account(estate, &o.account);
    w.facts(
        "",
        &[
            ("outcome", o.outcome.to_string()),
            ("account", account),
            ("region", o.region.clone()),
            ("objects", o.count.to_string()),
            ("asked", w.time(Some(o.at))),
        ],
    );
    w.section("Why", Body::Prose(o.reason.clone()));
    w.link("the same API elsewhere", ListingId::Coverage, exactly("api", &o.api));
    w.finish()
}
