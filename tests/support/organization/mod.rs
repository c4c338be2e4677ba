//! Seeding: fills a test cloud with an organisation, and says object by object what is in it.
//!
//! Accounts, units and tags are made here; principals in `identity`, networks in `network`, findings, nodes and sessions in
//! `findings`. It goes to moto directly, so that seeding is neither recorded nor meets faults.

mod findings;
mod identity;
mod network;

use super::cloud::{Cloud, assume, config_at};
use aws_credential_types::Credentials;
use aws_sdk_organizations as organizations;
use aws_types::SdkConfig;
pub use identity::{Group, Identity, Policy, Role, User};
use jiff::Timestamp;
pub use network::{Kind, Network, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The role by which the management account enters its members.
pub const ENTRY_ROLE: &str = "OrganizationAccountAccessRole";

/// What to seed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Active accounts, the management account among them.
    pub accounts: usize,
    /// Accounts closed after they were made (status `SUSPENDED`): listed, never entered.
    pub suspended: usize,
    pub regions: Vec<String>,
    /// Findings in each account and region.
    pub findings: usize,
    /// Session Manager nodes in each account and region, at least the two instances of the network.
    pub nodes: usize,
    /// The time the findings' and sessions' own times are counted back from.
    pub now: Timestamp,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            accounts: 6,
            suspended: 1,
            regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
            findings: 240,
            nodes: 8,
            now: "2026-06-01T00:00:00Z".parse().expect("a timestamp"),
        }
    }
}

/// What was seeded. The first account is the management account.
#[derive(Debug)]
pub struct Seeded {
    pub organization: String,
    pub root: String,
    pub units: Vec<Unit>,
    pub regions: Vec<String>,
    pub accounts: Vec<Account>,
}

/// An organisational unit.
#[derive(Debug, Clone)]
pub struct Unit {
    pub id: String,
    pub name: String,
    /// The parent unit's id, or the root's.
    pub parent: String,
    /// Names from below the root down to this one: `Workloads/Production`.
    pub path: String,
}

/// An account and all in it. A suspended one has no `identity` and no `places`.
#[derive(Debug, Default)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub email: String,
    pub suspended: bool,
    /// The unit's path, empty in the root.
    pub path: String,
    /// The unit's id, or the root's.
    pub parent: String,
    pub tags: BTreeMap<String, String>,
    pub identity: Identity,
    /// By region.
    pub places: BTreeMap<String, Place>,
}

/// One account in one region.
#[derive(Debug, Default)]
pub struct Place {
    pub network: Network,
    /// The findings' `Id`s.
    pub findings: BTreeSet<String>,
    /// Managed nodes' ids: `i-…` and `mi-…`.
    pub nodes: BTreeSet<String>,
    /// Session ids.
    pub sessions: BTreeSet<String>,
}

impl Seeded {
    /// The active accounts.
    pub fn active(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(|account| !account.suspended)
    }

    /// An account by id.
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// Everything of a kind in all accounts and regions, as (account, region, id).
    pub fn all(&self, kind: Kind) -> BTreeSet<(String, String, String)> {
        let mut all = BTreeSet::new();
        for account in self.active() {
            for (region, place) in &account.places {
                let ids = place.network.all.get(&kind).into_iter().flatten();
                all.extend(ids.map(|id| (account.id.clone(), region.clone(), id.clone())));
            }
        }
        all
    }
}

/// Name, its unit's place in `UNITS` (the root where it is past the end), environment, owner.
const ACCOUNTS: &[(&str, usize, &str, &str)] = &[
    ("security-tooling", 0, "security", "security"),
    ("payments-prod", 3, "production", "payments"),
    ("web-prod", 2, "production", "web"),
    ("web-dev", 4, "non-production", "web"),
    ("shared-network", 5, "shared", "platform"),
    ("data-lake", 2, "production", "data"),
    ("sandbox", 99, "non-production", ""),
];

/// Name and the parent's place in this list (the root where it is past the end).
const UNITS: &[(&str, usize)] =
    &[("Security", 99), ("Workloads", 99), ("Production", 1), ("Payments", 2), ("Development", 1), ("Infrastructure", 99)];

/// Fills a fresh cloud.
///
/// # Panics
/// When moto refuses a step.
pub async fn seed(cloud: &Cloud, plan: &Plan) -> Seeded {
    let home = config_at(&cloud.moto_url(), &plan.regions[0], Credentials::new("test", "test", None, None, "seed"));
    let mut seeded = organise(&home, plan, cloud.management()).await;
    let plan = Arc::new(plan.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for (index, account) in seeded.accounts.iter().enumerate().filter(|(_, account)| !account.suspended) {
        let (home, plan, id, management) = (home.clone(), Arc::clone(&plan), account.id.clone(), cloud.management());
        // boxed: unoptimised SDK futures are large
        tasks.spawn(Box::pin(async move {
            let config = if id == management { home } else { assume(&home, &id, ENTRY_ROLE).await };
            let identity = identity::build(&config, &id, management).await;
            let mut networks = BTreeMap::new();
            for (r, region) in plan.regions.iter().enumerate() {
                let region_config = config.to_builder().region(aws_types::region::Region::new(region.clone())).build();
                let network = Box::pin(network::build(&region_config, region, index * plan.regions.len() + r)).await;
                networks.insert(region.clone(), network);
            }
            (index, identity, networks)
        }));
    }
    while let Some(done) = tasks.join_next().await {
        let (index, identity, networks) = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let account = &mut seeded.accounts[index];
        account.identity = identity;
        account.places = networks.into_iter().map(|(region, network)| (region, Place { network, ..Place::default() })).collect();
    }
    for (index, account) in seeded.accounts.iter_mut().enumerate() {
        findings::build(cloud, account, index, &plan);
    }
    seeded
}

/// The organisation, its units and accounts.
async fn organise(config: &SdkConfig, plan: &Plan, management: &str) -> Seeded {
    let client = organizations::Client::new(config);
    let made = client.create_organization().feature_set(organizations::types::OrganizationFeatureSet::All).send().await;
    let organization = made.expect("create_organization").organization.and_then(|o| o.id).expect("an organisation id");
    let roots = client.list_roots().send().await.expect("list_roots");
    let root = roots.roots()[0].id().expect("a root id").to_owned();
    // Moto has it on from the start or not, by version.
    let service = organizations::types::PolicyType::ServiceControlPolicy;
    let _ = client.enable_policy_type().root_id(&root).policy_type(service).send().await;
    let mut units: Vec<Unit> = Vec::new();
    for (name, above) in UNITS {
        let parent = units.get(*above).map_or_else(|| root.clone(), |unit| unit.id.clone());
        let path = units.get(*above).map_or_else(|| (*name).to_owned(), |unit| format!("{}/{name}", unit.path));
        let made =
            client.create_organizational_unit().parent_id(&parent).name(*name).send().await.expect("create_organizational_unit");
        let id = made.organizational_unit.and_then(|unit| unit.id).expect("a unit id");
        units.push(Unit { id, name: (*name).to_owned(), parent, path });
    }
    let described = client.describe_account().account_id(management).send().await.expect("describe_account");
    let described = described.account.expect("the management account");
    let mut accounts = vec![Account {
        id: management.to_owned(),
        name: described.name.unwrap_or_default(),
        email: described.email.unwrap_or_default(),
        parent: root.clone(),
        tags: tag_account(&client, management, "management", "platform").await,
        ..Account::default()
    }];
    for number in 1..plan.accounts + plan.suspended {
        let suspended = number >= plan.accounts;
        let (base, unit, class, owner) = ACCOUNTS[(number - 1) % ACCOUNTS.len()];
        let name = if number > ACCOUNTS.len() { format!("{base}-{number}") } else { base.to_owned() };
        let name = if suspended { format!("closed-{number}") } else { name };
        let email = format!("aws+{name}@example.com");
        let made = client.create_account().account_name(&name).email(&email).send().await.expect("create_account");
        let id = made.create_account_status.and_then(|status| status.account_id).expect("an account id");
        let unit = units.get(unit);
        let parent = unit.map_or_else(|| root.clone(), |unit| unit.id.clone());
        if let Some(unit) = unit {
            let moved =
                client.move_account().account_id(&id).source_parent_id(&root).destination_parent_id(&unit.id).send().await;
            moved.expect("move_account");
        }
        let tags = tag_account(&client, &id, class, owner).await;
        if suspended {
            client.close_account().account_id(&id).send().await.expect("close_account");
        }
        let path = unit.map(|unit| unit.path.clone()).unwrap_or_default();
        accounts.push(Account { id, name, email, suspended, path, parent, tags, ..Account::default() });
    }
    Seeded { organization, root, units, regions: plan.regions.clone(), accounts }
}

async fn tag_account(client: &organizations::Client, id: &str, class: &str, owner: &str) -> BTreeMap<String, String> {
    let pairs = [("Environment", class), ("Owner", owner)];
    let tags: BTreeMap<String, String> =
        pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let tag =
        |(key, value): (&String, &String)| organizations::types::Tag::builder().key(key).value(value).build().expect("a tag");
    let list = tags.iter().map(tag).collect();
    client.tag_resource().resource_id(id).set_tags(Some(list)).send().await.expect("tag_resource");
    tags
}
