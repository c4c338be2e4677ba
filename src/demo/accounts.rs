//! The organisation's accounts and units: who stands where, and the tags from which environment and owner follow.
//! Attribution itself is the caller's, by its rules.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::demo::random::{Random, label};
use crate::model::Extra;
use crate::model::account::{Account, Caller, Organization, Tags, Unit};

pub(super) const ORGANIZATION: &str = "o-8f2kexample";
/// The first is where findings of all regions come together, and global services report from.
pub(super) const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"];

/// One account's place, and the word that its resources' names begin with.
pub(super) struct Seat {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) app: &'static str,
    pub(super) unit: &'static str,
    /// `Key=value` pairs; some accounts lack owner or environment, as everywhere.
    tags: &'static [(&'static str, &'static str)],
}

const PROD: &str = "Workloads/Production";
const DEV: &str = "Workloads/NonProduction";

const fn seat(
    id: &'static str,
    name: &'static str,
    app: &'static str,
    unit: &'static str,
    tags: &'static [(&'static str, &'static str)],
) -> Seat {
    Seat { id, name, app, unit, tags }
}

/// Every account; ids are of the kind that AWS's documentation uses.
pub(super) const SEATS: [Seat; 24] = [
    seat("111122223333", "acme", "org", "", &[("Environment", "management"), ("Owner", "cloud-governance")]),
    seat("222233334444", "security-tooling", "sec", "Security", &[("Environment", "security"), ("Owner", "security")]),
    seat("333344445555", "log-archive", "logs", "Security", &[("Environment", "security"), ("Owner", "security")]),
    seat("444455556666", "network", "net", "Infrastructure", &[("Environment", "shared"), ("Owner", "platform")]),
    seat("555566667777", "shared-services", "shared", "Infrastructure", &[("Environment", "infra"), ("Owner", "platform")]),
    seat("666677778888", "backup", "backup", "Infrastructure", &[("env", "shared"), ("team", "platform")]),
    seat("777788889999", "ci-cd", "ci", "Infrastructure", &[("Environment", "shared"), ("Owner", "developer-experience")]),
    seat("111133335555", "payments-prod", "payments", PROD, &[("Environment", "production"), ("Owner", "payments")]),
    seat("222244446666", "web-prod", "web", PROD, &[("Environment", "production"), ("Owner", "storefront")]),
    seat("333355557777", "data-lake-prod", "lake", PROD, &[("Environment", "prod"), ("Owner", "data")]),
    seat("444466668888", "identity-prod", "identity", PROD, &[("Environment", "production"), ("Owner", "identity")]),
    seat("555577779999", "orders-prod", "orders", PROD, &[("Environment", "production"), ("Owner", "storefront")]),
    seat("111144447777", "mobile-prod", "mobile", PROD, &[("env", "live"), ("team", "mobile")]),
    seat("222255558888", "warehouse-prod", "warehouse", PROD, &[("Environment", "production")]),
    seat("333366669999", "payments-staging", "payments", DEV, &[("Environment", "staging"), ("Owner", "payments")]),
    seat("111155559999", "payments-dev", "payments", DEV, &[("Environment", "dev"), ("Owner", "payments")]),
    seat("222266661111", "web-dev", "web", DEV, &[("Environment", "dev"), ("Owner", "storefront")]),
    seat("333377772222", "data-lake-dev", "lake", DEV, &[("Environment", "dev"), ("Owner", "data")]),
    seat("444488883333", "identity-dev", "identity", DEV, &[("Environment", "dev"), ("Owner", "identity")]),
    seat("555599994444", "orders-dev", "orders", DEV, &[("Environment", "dev")]),
    seat("666611115555", "sandbox-research", "research", "Sandbox", &[("CostCenter", "cc-410")]),
    seat("777722226666", "sandbox-hack", "hack", "Sandbox", &[("Environment", "sandbox"), ("Owner", "developer-experience")]),
    seat("888833337777", "sandbox-training", "training", "Sandbox", &[("Environment", "sandbox")]),
    seat("999944448888", "legacy-shop", "shop", "Suspended", &[]),
];

/// The account that refuses the console's role.
pub(super) const REFUSED: usize = 21;
/// The account that is closed.
pub(super) const SUSPENDED: usize = 23;
/// Where the console's own role stands, and Security Hub is administered from.
pub(super) const AUDIT: usize = 1;

/// Accounts that could be read, by their place in [`SEATS`].
pub(super) fn readable() -> impl Iterator<Item = usize> {
    (0..SEATS.len()).filter(|n| *n != REFUSED && *n != SUSPENDED)
}

/// The account's place by its name; the first one's for a name that does not exist.
pub(super) fn by_name(name: &str) -> usize {
    SEATS.iter().position(|s| s.name == name).unwrap_or(0)
}

/// So many days before.
pub(super) fn days(now: Timestamp, days: u64) -> Timestamp {
    hours(now, days.saturating_mul(24))
}

/// So many hours before; the earliest time there is where that is out of range.
pub(super) fn hours(now: Timestamp, hours: u64) -> Timestamp {
    seconds(now, hours.saturating_mul(3600))
}

/// So many seconds before; the earliest time there is where that is out of range.
pub(super) fn seconds(now: Timestamp, seconds: u64) -> Timestamp {
    let back = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_sub(back).unwrap_or(Timestamp::MIN)
}

/// Tags from pairs; empty values are left out.
pub(super) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub(super) fn caller() -> Caller {
    let account = SEATS[AUDIT].id;
    Caller {
        arn: format!("arn:aws:sts::{account}:assumed-role/SecurityAudit/jo.tanaka"),
        account: account.to_owned(),
        user_id: "AROAEXAMPLEAUDITROLE1:jo.tanaka".to_owned(),
    }
}

pub(super) fn organization() -> Organization {
    let mut paths: Vec<&str> = vec![""];
    for path in ["Security", "Infrastructure", "Workloads", PROD, DEV, "Sandbox", "Suspended"] {
        paths.push(path);
    }
    let unit = |path: &str| Unit {
        id: if path.is_empty() { "r-8f2k".to_owned() } else { format!("ou-8f2k-{:08x}", label(path) as u32) },
        name: if path.is_empty() { "Root" } else { path.rsplit('/').next().unwrap_or(path) }.to_owned(),
        path: path.to_owned(),
    };
    Organization {
        id: ORGANIZATION.to_owned(),
        management_account: SEATS[0].id.to_owned(),
        name: SEATS[0].name.to_owned(),
        units: paths.into_iter().map(unit).collect(),
        controls: Vec::new(),
        delegates: Some(delegates()),
        extra: Extra::new(),
    }
}

/// Which accounts administer what for the organisation.
fn delegates() -> BTreeMap<String, Vec<String>> {
    let of = |n: usize, services: &[&str]| {
        (SEATS[n].id.to_owned(), services.iter().map(|service| format!("{service}.amazonaws.com")).collect())
    };
    [of(AUDIT, &["config", "guardduty", "inspector2", "securityhub"]), of(by_name("identity-prod"), &["sso"])].into()
}

/// An account as the organisation lists it.
pub(super) fn account(n: usize, now: Timestamp) -> Account {
    let seat = &SEATS[n];
    let mut random = Random::of(seat.name);
    let mut account = Account::bare(seat.id);
    account.name = seat.name.to_owned();
    account.email = if n == 0 { "aws@example.com".to_owned() } else { format!("aws+{}@example.com", seat.name) };
    account.ou_path = seat.unit.to_owned();
    account.status = if n == SUSPENDED { "SUSPENDED" } else { "ACTIVE" }.to_owned();
    account.joined = Some(days(now, if n == 0 { 2400 } else { 300 + random.below(1900) as u64 }));
    account.tags = tags(seat.tags);
    account
}
