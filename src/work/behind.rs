//! What stands behind interfaces: the open findings on each machine, and what its role can do. It brings together what
//! findings, IAM and networks each know alone; ranking by it is the network engine's.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::catalog::nodes::machine_of;
use crate::iam::graph::Power;
use crate::listing::filter;
use crate::listing::index::Index;
use crate::listing::query::{Cancel, unordered};
use crate::listing::segment::Cell;
use crate::model::estate::Estate;
use crate::model::finding::Severity;
use crate::model::principal::Identity;
use crate::network::exposure::{Behind, Facts};
use crate::network::net::Net;
use crate::work::identity::Engine;

/// Documents of findings that are read at most to learn of exploits; the worst findings come first.
const MOST_READ: usize = 2_000;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Seen {
    pub estate: Arc<Estate>,
    pub findings: Index,
}

/// What is known of each machine, by instance id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machines(HashMap<String, Facts>);

impl Behind for Machines {
    fn behind(&self, net: &Net, interface: usize) -> Facts {
        let instance = net.interfaces[interface].instance.map(|i| net.instances[i].id.as_str());
        instance.and_then(|id| self.0.get(id)).cloned().unwrap_or_default()
    }
}

/// The powers of roles within their own accounts, worked out once for each account's IAM as it was collected.
#[derive(Debug, Default)]
pub struct Roles(Mutex<HashMap<String, Known>>);

/// The IAM that was judged, and the powers of its principals by ARN.
type Known = (Arc<Identity>, Arc<HashMap<String, Power>>);

impl Roles {
    fn of(&self, estate: &Estate, engine: &Engine, account: &str) -> Option<Arc<HashMap<String, Power>>> {
        let identity = estate.identity(account)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, powers)) = known.get(account)
            && Arc::ptr_eq(of, identity)
        {
            return Some(Arc::clone(powers));
        }
        let ready = engine.account(estate, account)?;
        let powers = ready.graph().powers();
        let powers: HashMap<String, Power> = ready.account.principals.iter().map(|p| p.arn.clone()).zip(powers).collect();
        let powers = Arc::new(powers);
        known.insert(account.to_owned(), (Arc::clone(identity), Arc::clone(&powers)));
        Some(powers)
    }
}

/// Learns what is behind every instance of an estate; `document` reads a finding's by its key, and is empty where it is
/// gone.
pub fn machines(
    estate: &Estate,
    findings: &Index,
    document: &dyn Fn(u64) -> String,
    (roles, engine): (&Roles, &Engine),
    now: Timestamp,
) -> Machines {
    let mut all: HashMap<String, Facts> = HashMap::new();
    let raised = engine.raised(estate);
    for region in &estate.regions {
        let profiled = || region.network.instances.iter().filter_map(|i| Some((i, i.iam_instance_profile.as_ref()?)));
        let powers = if profiled().next().is_some() { roles.of(estate, engine, &region.account) } else { None };
        let identity = estate.identity(&region.account);
        for instance in &region.network.instances {
            all.entry(instance.instance_id.clone()).or_default();
        }
        for (instance, profile) in profiled() {
            let of = |r: &&crate::model::principal::Role| r.instance_profile_list.iter().any(|p| p.arn == profile.arn);
            let Some(role) = identity.and_then(|i| i.roles.iter().find(of)) else { continue };
            let own = powers.as_ref().and_then(|p| p.get(&role.arn)).copied();
            let power = raised.get(&role.arn).copied().or(own);
            let facts = all.entry(instance.instance_id.clone()).or_default();
            facts.role.clone_from(&role.arn);
            facts.administrator = power == Some(Power::Administrator);
            facts.becomes_administrator = power == Some(Power::CanBecome);
        }
    }
    if !all.is_empty() {
        open_findings(&mut all, findings, document, now);
    }
    Machines(all)
}

/// Counts open findings on instances, but for our own, which come of the exposures; of the critical and high ones, learns whether an exploit is known.
fn open_findings(all: &mut HashMap<String, Facts>, findings: &Index, document: &dyn Fn(u64) -> String, now: Timestamp) {
    let schema = &ListingId::Findings.get().schema;
    let Ok(open) = filter::parse("open:yes !source:bartizan", schema, now.as_second()) else { return };
    let (Some(resource), Some(severity)) = (schema.field("resource"), schema.field("severity")) else { return };
    let Some(rows) = unordered(findings, &open, now.as_second(), &Cancel::new()) else { return };
    let mut grave: Vec<(u8, u64, String)> = Vec::new();
    for row in &rows {
        let Cell::Text(about) = findings.cell(*row, resource) else { continue };
        let id = machine_of(&about);
        let Some(facts) = all.get_mut(id) else { continue };
        let Cell::Rank(rank, _) = findings.cell(*row, severity) else { continue };
        let Some(severity) = Severity::ALL.get(usize::from(rank)).copied() else { continue };
        facts.open_findings += 1;
        facts.worst_finding = facts.worst_finding.max(Some(severity));
        if severity >= Severity::High
            && let Some(key) = findings.key(*row)
        {
            grave.push((rank, key, id.to_owned()));
        }
    }
    grave.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut done: HashSet<String> = HashSet::new();
    for (_, key, id) in grave.into_iter().take(MOST_READ) {
        if done.contains(&id) {
            continue;
        }
        // A finding whose document is gone or broken says nothing of exploits.
        if exploited(&document(key))
            && let Some(facts) = all.get_mut(&id)
        {
            facts.known_exploited = true;
            done.insert(id);
        }
    }
}

/// Whether a finding's document tells of a known exploit: ASFF's `Vulnerabilities[].ExploitAvailable` is `YES`, or OCSF's
/// `vulnerabilities[].is_exploit_available` is true.
fn exploited(document: &str) -> bool {
    if !document.contains("xploit") {
        return false;
    }
    let Ok(value) = serde_json::from_str::<serde_json::Value>(document) else { return false };
    let list = |name: &str| value.get(name).and_then(|v| v.as_array()).cloned().unwrap_or_default();
    list("Vulnerabilities").iter().any(|v| v.get("ExploitAvailable").is_some_and(|e| e == "YES"))
        || list("vulnerabilities").iter().any(|v| v.get("is_exploit_available").is_some_and(|e| e == true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploits_are_read_from_both_schemas() {
        assert!(exploited(r#"{"Vulnerabilities":[{"ExploitAvailable":"NO"},{"ExploitAvailable":"YES"}]}"#));
        assert!(exploited(r#"{"vulnerabilities":[{"is_exploit_available":true}]}"#));
        for none in [
            r#"{"Vulnerabilities":[{"ExploitAvailable":"NO"}]}"#,
            "",
            "{",
            r#"{"Title":"exploit"}"#,
            r#"{"Vulnerabilities":"exploit"}"#,
        ] {
            assert!(!exploited(none), "{none}");
        }
    }
}
