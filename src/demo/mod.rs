//! The embedded organisation: a believable estate and any number of findings, the same on every run. It reads no
//! clock, no file and no network; everything is relative to the time its caller gives. Names, people and numbers are
//! invented: addresses are of the documentation ranges, mail goes to example.com.
//!
//! `accounts`, `identity`, `network`, `nodes`, `workloads`, `resources` and `coverage` build the estate; `facts` says what checks would find in
//! it, `kinds` holds the words, `findings` draws the `n`-th finding, `document` writes it out in full, `tick` changes
//! things while somebody watches.

mod accounts;
mod controls;
mod coverage;
mod document;
mod facts;
mod findings;
mod identity;
mod kinds;
mod network;
mod nodes;
mod random;
mod resources;
#[cfg(test)]
mod tests;
mod tick;
mod workloads;

use std::sync::Arc;

use jiff::Timestamp;

use crate::demo::accounts::{REGIONS, SEATS, readable, seconds};
use crate::demo::findings::Generator;
use crate::demo::nodes::Post;
use crate::model::estate::Estate;
use crate::model::finding::Finding;
use crate::model::principal::LastAccessed;

pub use crate::demo::tick::Tick;

/// How many findings it has unless asked otherwise.
pub const FINDINGS: usize = 5_000;

/// Its teams: name, role in the operating model, and who is in it, by the names of their sessions.
pub const TEAMS: [(&str, &str, &[&str]); 9] = [
    ("cloud-governance", "oversight", &["mira.koval"]),
    ("data", "application", &["noor.haddad"]),
    ("developer-experience", "platform", &["tomas.brandt"]),
    ("identity", "platform", &["olu.adeyemi"]),
    ("mobile", "application", &["dmitri.vale"]),
    ("payments", "application", &["ravi.menon"]),
    ("platform", "platform", &["ines.aalto"]),
    ("security", "control", &["jo.tanaka", "kim.lee"]),
    ("storefront", "application", &["lena.ostrow", "petra.lind"]),
];

/// The embedded organisation at one time.
pub struct Organization {
    now: Timestamp,
    findings: usize,
    estate: Arc<Estate>,
    generator: Generator,
    posts: Vec<Post>,
}

/// What a user or role of the estate used of what it is granted; none where there is no such.
pub fn used(estate: &Estate, arn: &str, now: Timestamp) -> Option<LastAccessed> {
    let identity = estate.identity(arn.split(':').nth(4)?)?;
    identity::used(identity, arn, now)
}

impl Organization {
    /// Builds the estate as of `now` (whole seconds count); findings are made when asked for. The `n`-th finding is the
    /// same however many there are.
    pub fn new(now: Timestamp, findings: usize) -> Self {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let collected = seconds(now, 12);
        let mut ground = network::build(now);
        let mut estate = Estate {
            collected: Some(collected),
            caller: Some(accounts::caller()),
            organization: Some(accounts::organization()),
            ..Estate::default()
        };
        if let Some(organization) = &mut estate.organization {
            organization.controls = controls::build(&organization.units);
        }
        for n in 0..SEATS.len() {
            estate.put_account(accounts::account(n, now));
        }
        for identity in identity::build(now, &ground.instance_roles) {
            estate.put_identity(identity);
        }
        for account in readable() {
            for (region, name) in REGIONS.iter().enumerate() {
                let network = ground.networks.remove(&(account, region)).unwrap_or_default();
                estate.region_mut(SEATS[account].id, name).network = network;
            }
        }
        let posts = nodes::add(&mut estate, now);
        workloads::add(&mut estate);
        resources::add(&mut estate);
        let kinds = kinds::all();
        // Side by side: the console waits for both.
        let (facts, coverage) = std::thread::scope(|scope| {
            let coverage = scope.spawn(|| coverage::rows(&estate, findings, collected));
            let facts = facts::collect(&estate, &kinds, now);
            (facts, coverage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        estate.coverage = Arc::new(coverage);
        Self { now, findings, estate: Arc::new(estate), generator: Generator::new(kinds, facts), posts }
    }

    /// Accounts without attribution of environment and owner: that is the caller's, by its rules.
    pub fn estate(&self) -> &Arc<Estate> {
        &self.estate
    }

    /// How many findings there are.
    pub fn findings(&self) -> usize {
        self.findings
    }

    /// The `n`-th finding, its `document` empty; any `n` gives one. Its key is that of the same record imported from
    /// a file: of product ARN and id, or for Prowler of account, region, check and resource.
    pub fn finding(&self, n: usize) -> Finding {
        self.generator.finding(n, self.now)
    }

    /// The `n`-th finding as an ASFF record: JSON text with the same facts.
    pub fn document(&self, n: usize) -> String {
        self.write(&self.finding(n), n)
    }

    /// Account and region of the `n`-th finding, far cheaper than the whole.
    pub fn place(&self, n: usize) -> (&'static str, &'static str) {
        self.generator.place(&self.generator.draw(n))
    }

    fn write(&self, finding: &Finding, n: usize) -> String {
        document::build(finding, self.generator.kind(&self.generator.draw(n)), &self.estate)
    }
}
