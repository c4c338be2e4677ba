//! What the demo promises: counts, determinism, references that hold, documents that say what the findings say.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::kinds::{self, Class};
use super::{FINDINGS, Organization};
use crate::model::account::Environment;
use crate::model::arn::Arn;
use crate::model::attribution::Rules;
use crate::model::coverage::Outcome;
use crate::model::estate::{self, Estate, RegionEstate};
use crate::model::finding::{Finding, Severity, Status};

fn now() -> Timestamp {
    "2026-03-14T09:26:53Z".parse().unwrap()
}

fn organization() -> Organization {
    Organization::new(now(), FINDINGS)
}

fn all(organization: &Organization, count: usize) -> Vec<Finding> {
    (0..count).map(|n| organization.finding(n)).collect()
}

#[test]
fn the_same_time_gives_the_same_organisation() {
    let (one, other) = (organization(), organization());
    assert_eq!(one.estate(), other.estate());
    assert_eq!(all(&one, FINDINGS), all(&other, FINDINGS));
    assert_eq!(one.document(77), other.document(77));
    assert_eq!(one.tick(6, now()), other.tick(6, now()));
    // More findings change none of the first ones, and another time moves them without changing what they are about.
    let more = Organization::new(now(), 1_000_000);
    assert_eq!(more.finding(4_321), one.finding(4_321));
    let later = Organization::new("2027-01-01T00:00:00Z".parse().unwrap(), FINDINGS);
    assert_eq!(later.finding(99).key, one.finding(99).key);
    assert_ne!(later.finding(99).first_seen, one.finding(99).first_seen);
}

fn sum(estate: &Estate, of: impl Fn(&RegionEstate) -> usize) -> usize {
    estate.regions.iter().map(|r| of(r)).sum()
}

#[test]
fn counts_are_as_promised() {
    let organization = organization();
    let estate = organization.estate();
    assert_eq!(organization.findings(), 5_000);
    assert_eq!(estate.accounts.len(), 24);
    assert_eq!(estate.accounts.iter().filter(|a| a.status == "SUSPENDED").count(), 1);
    assert_eq!(estate.region_names().len(), 4);
    assert_eq!(estate.identities.iter().map(|i| i.roles.len()).sum::<usize>(), 600);
    assert_eq!(estate.identities.iter().map(|i| i.users.len()).sum::<usize>(), 40);
    assert_eq!(sum(estate, |r| r.network.vpcs.len()), 30);
    assert_eq!(sum(estate, |r| r.nodes.len()), 60);
    assert!(sum(estate, |r| r.network.instances.len()) > 100);
    let running = |r: &RegionEstate| r.network.instances.iter().filter(|i| i.state() == "running").count();
    assert!(sum(estate, running) > 55 + 20, "some machines are no managed node");
    let status = |word: &'static str| sum(estate, move |r| r.nodes.iter().filter(|n| n.ping_status == word).count());
    assert!(status("Online") > 40 && status("ConnectionLost") >= 3, "{}", status("ConnectionLost"));
    let session = |word: &'static str| sum(estate, move |r| r.sessions.iter().filter(|s| s.status == word).count());
    assert!(session("Connected") >= 4 && session("Terminated") >= 20);
    assert_eq!(estate.caller.as_ref().unwrap().account, "222233334444");
}

#[test]
fn most_accounts_are_attributed_and_some_are_not() {
    let organization = organization();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unowned = 0;
    for account in &organization.estate().accounts {
        let mut account = (**account).clone();
        Rules::default().attribute(&mut account);
        *words.entry(account.environment_word()).or_default() += 1;
        unowned += usize::from(account.owner_word() == "unowned");
    }
    for environment in Environment::ALL {
        assert!(words.contains_key(environment.word()), "{words:?}");
    }
    assert!((1..=3).contains(&words["unclassified"]) && (3..=7).contains(&unowned), "{words:?}, {unowned} unowned");
    let units = &organization.estate().organization.as_ref().unwrap().units;
    for account in &organization.estate().accounts {
        assert!(units.iter().any(|u| u.path == account.ou_path), "{}", account.ou_path);
        assert!(account.email.ends_with("@example.com"));
        assert!(account.id.len() == 12 && account.id.bytes().all(|b| b.is_ascii_digit()));
    }
    for unit in units.iter().filter(|u| u.path.contains('/')) {
        let above = unit.path.rsplit_once('/').unwrap().0;
        assert!(units.iter().any(|u| u.path == above), "{above} is a unit of its own");
    }
}

#[test]
fn all_but_a_handful_was_covered() {
    let organization = organization();
    let rows = &organization.estate().coverage;
    let bad: Vec<_> = rows.iter().filter(|c| c.outcome != Outcome::Ok).collect();
    let outcomes: BTreeSet<&str> = bad.iter().map(|c| c.outcome.word()).collect();
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["denied", "failed", "not asked", "throttled"]);
    assert!(rows.len() > 1_000 && bad.len() == 5);
    assert!(bad.iter().all(|c| !c.reason.is_empty() && c.count == 0));
    let keys: BTreeSet<_> = rows.iter().map(|c| (&c.account, &c.region, &c.api)).collect();
    assert_eq!(keys.len(), rows.len());
    // What was refused is not there.
    for row in bad.iter().filter(|c| !c.region.is_empty()) {
        let region = organization.estate().region(&row.account, &row.region).unwrap();
        match row.api.as_str() {
            "ssm:DescribeSessions" => assert!(region.sessions.is_empty() && !region.nodes.is_empty()),
            "elasticloadbalancing:DescribeLoadBalancers" => assert!(region.network.load_balancers.is_empty()),
            _ => assert!((0..20_000).all(|n| organization.place(n) != (row.account.as_str(), row.region.as_str()))),
        }
    }
    for row in bad.iter().filter(|c| c.api == "sts:AssumeRole") {
        assert!(organization.estate().identity(&row.account).is_none());
        assert!(organization.estate().regions.iter().all(|r| r.account != row.account));
    }
}

#[test]
fn the_estate_reads_back_from_its_file() {
    let organization = Organization::new(now(), 50);
    let findings = all(&organization, 50);
    let mut packed = Vec::new();
    estate::write(&mut packed, organization.estate(), findings.iter().cloned()).unwrap();
    let (again, findings_again) = estate::read(&packed[..]).unwrap();
    assert_eq!(&again, &**organization.estate());
    assert_eq!(findings_again, findings);
}

#[test]
fn findings_are_spread_as_in_life() {
    let organization = organization();
    let findings = all(&organization, FINDINGS);
    let share = |test: &dyn Fn(&Finding) -> bool| findings.iter().filter(|f| test(f)).count() as f64 / FINDINGS as f64;
    let severity = |s: Severity| share(&|f| f.severity == s);
    assert!((0.012..0.035).contains(&severity(Severity::Critical)), "{}", severity(Severity::Critical));
    assert!((0.09..0.18).contains(&severity(Severity::High)), "{}", severity(Severity::High));
    assert!((0.33..0.45).contains(&severity(Severity::Medium)), "{}", severity(Severity::Medium));
    assert!((0.6..0.85).contains(&share(&|f| f.status == Status::New)));
    for status in Status::ALL {
        assert!(share(&|f| f.status == *status) > 0.02, "{status}");
    }
    assert!((0.01..0.2).contains(&share(&|f| !f.also.is_empty())));
    let days = |f: &Finding| now().duration_since(f.first_seen).as_secs() / 86_400;
    assert!(share(&|f| days(f) < 1) > 0.08 && share(&|f| days(f) > 365) > 0.1);
    assert!(findings.iter().all(|f| f.first_seen <= f.updated && f.updated <= now() && days(f) <= 731));
    let controls: BTreeSet<&str> = findings.iter().map(|f| f.control.as_str()).collect();
    assert!(controls.len() >= 120, "{} kinds", controls.len());
    let sources: BTreeSet<&str> = findings.iter().flat_map(Finding::sources).collect();
    assert_eq!(sources.len(), 6);
    let accounts: BTreeSet<&str> = findings.iter().map(|f| f.account.as_str()).collect();
    assert_eq!(accounts.len(), 23, "all but the suspended one");
}

#[test]
fn ids_and_keys_are_unique() {
    let organization = Organization::new(now(), 100_000);
    let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
    for n in 0..100_000 {
        let finding = organization.finding(n);
        assert_eq!(organization.place(n), (finding.account.as_str(), finding.region.as_str()));
        assert!(keys.insert(finding.key), "{n}: {finding:?}");
        assert!(ids.insert(finding.source.id.clone()), "{n}: {finding:?}");
    }
}

/// Every id and ARN that a finding may name, and whose it is.
fn standing(estate: &Estate) -> HashSet<String> {
    let mut known = HashSet::new();
    let mut id = |id: &str| known.insert(id.to_owned());
    for region in &estate.regions {
        let n = &region.network;
        n.security_groups.iter().for_each(|x| _ = id(&x.group_id));
        n.instances.iter().for_each(|x| _ = id(&x.instance_id));
        n.vpcs.iter().for_each(|x| _ = id(&x.vpc_id));
        n.subnets.iter().for_each(|x| _ = id(&x.subnet_id));
        n.network_acls.iter().for_each(|x| _ = id(&x.network_acl_id));
        n.addresses.iter().for_each(|x| _ = id(&x.allocation_id));
        n.load_balancers.iter().for_each(|x| _ = id(&x.load_balancer_arn));
    }
    for identity in &estate.identities {
        identity.roles.iter().for_each(|x| _ = id(&x.arn));
        identity.users.iter().for_each(|x| _ = id(&x.arn));
        identity.policies.iter().for_each(|x| _ = id(&x.arn));
    }
    estate.accounts.iter().for_each(|x| _ = id(&format!("AWS::::Account:{}", x.id)));
    known
}

#[test]
fn resources_of_the_estate_exist() {
    let organization = organization();
    let known = standing(organization.estate());
    let classes: BTreeMap<&str, bool> = kinds::all().iter().map(|k| (k.class.kind(), k.class.in_estate())).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for finding in all(&organization, 30_000) {
        let resource = &finding.resource;
        if let Some(arn) = resource.arn() {
            assert!(arn.account().is_empty() || arn.account() == finding.account, "{finding:?}");
            assert!(arn.region().is_empty() || arn.region() == finding.region, "{finding:?}");
        } else {
            assert_eq!(resource.kind, "AwsAccount", "{}", resource.id);
        }
        if classes[resource.kind.as_str()] {
            let id = resource.arn().map_or(resource.id.clone(), |arn| arn.resource_id().to_owned());
            assert!(known.contains(&resource.id) || known.contains(&id), "{finding:?}");
            *seen.entry(resource.kind.clone()).or_default() += 1;
        }
    }
    for class in [Class::SecurityGroup, Class::Instance, Class::Role, Class::User, Class::Vpc, Class::Subnet, Class::Policy] {
        assert!(seen.get(class.kind()).is_some_and(|n| *n >= 2), "{class:?}: {seen:?}");
    }
    // Hops: some findings are on managed nodes.
    let nodes: HashSet<&str> =
        organization.estate().regions.iter().flat_map(|r| r.nodes.iter().map(|n| n.instance_id.as_str())).collect();
    let on_nodes = all(&organization, FINDINGS).iter().filter(|f| nodes.iter().any(|n| f.resource.id.ends_with(n))).count();
    assert!(on_nodes > 50, "{on_nodes}");
}

#[test]
fn open_ports_are_found_where_they_are() {
    let organization = organization();
    let open: BTreeSet<String> = (all(&organization, FINDINGS).into_iter())
        .filter(|f| f.control == "EC2.13")
        .map(|f| f.resource.arn().unwrap().resource_id().to_owned())
        .collect();
    let mut truly = BTreeSet::new();
    for group in organization.estate().regions.iter().flat_map(|r| &r.network.security_groups) {
        let hit = |p: &crate::model::network::IpPermission| p.is_open() && (p.ip_protocol == "-1" || p.from_port == Some(22));
        if group.ip_permissions.iter().any(hit) {
            truly.insert(group.group_id.clone());
        }
    }
    assert_eq!(open, truly);
    let groups = || organization.estate().regions.iter().flat_map(|r| &r.network.security_groups).flat_map(|g| &g.ip_permissions);
    let only_v6 = groups().filter(|p| p.is_open() && p.ip_ranges.is_empty() && p.from_port == Some(22)).count();
    assert!(truly.len() >= 8 && only_v6 >= 1);
    assert!(groups().any(|p| p.user_id_group_pairs.iter().any(|g| g.peering_status == "deleted")));
}

#[test]
fn every_kind_of_fact_is_reported() {
    let organization = organization();
    let controls: BTreeSet<String> = all(&organization, FINDINGS).into_iter().map(|f| f.control).collect();
    for kind in kinds::all().iter().filter(|k| k.class.in_estate() && k.source.checks()) {
        assert!(controls.contains(kind.control), "{} is never reported", kind.control);
    }
    let kinds = kinds::all();
    let unique: BTreeSet<&str> = kinds.iter().map(|k| k.control).collect();
    assert_eq!(unique.len(), kinds.len(), "each control stands once");
}

#[test]
fn documents_say_what_findings_say() {
    let organization = Organization::new(now(), 30_000);
    for n in (0..2_000).chain(29_000..29_200) {
        let (finding, text) = (organization.finding(n), organization.document(n));
        assert!(finding.document.is_empty());
        let document: Value = serde_json::from_str(&text).unwrap();
        let at = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(at("/SchemaVersion"), "2018-10-08");
        assert_eq!(at("/Id"), finding.source.id);
        assert_eq!(at("/ProductName"), finding.source.name);
        assert_eq!((at("/AwsAccountId"), at("/Region")), (finding.account.as_str(), finding.region.as_str()));
        assert_eq!((at("/Title"), at("/Description")), (finding.title.as_str(), finding.description.as_str()));
        assert_eq!(at("/Severity/Label"), finding.severity.word());
        assert_eq!(at("/Workflow/Status"), finding.status.word());
        assert_eq!(at("/RecordState"), finding.record.word());
        assert_eq!(at("/Compliance/Status"), finding.compliance.map_or("", |c| c.word()));
        assert_eq!(at("/VerificationState"), finding.verdict.map_or("", |v| v.word()));
        assert_eq!(
            (at("/Resources/0/Id"), at("/Resources/0/Type")),
            (finding.resource.id.as_str(), finding.resource.kind.as_str())
        );
        assert_eq!(at("/FirstObservedAt").parse::<Timestamp>().unwrap(), finding.first_seen);
        assert_eq!(at("/UpdatedAt").parse::<Timestamp>().unwrap(), finding.updated);
        assert_eq!(at("/Remediation/Recommendation/Url"), finding.remediation_url);
        assert_eq!(at("/Types/0"), finding.types[0]);
        assert!(at("/ProductArn").parse::<Arn>().is_ok());
        // ASFF's own limits.
        assert!(finding.title.chars().count() <= 256 && finding.description.chars().count() <= 1024);
        assert!(finding.remediation.chars().count() <= 512 && finding.source.id.len() <= 512);
        if finding.source.name == "Security Hub" {
            assert_eq!(at("/Compliance/SecurityControlId"), finding.control);
        }
    }
}

#[test]
fn identities_hold_together() {
    let organization = organization();
    let (mut names, mut keys) = (HashSet::new(), Vec::new());
    for identity in &organization.estate().identities {
        let policies: HashSet<&str> = identity.policies.iter().map(|p| p.arn.as_str()).collect();
        let attached = (identity.roles.iter().flat_map(|r| &r.attached_managed_policies))
            .chain(identity.users.iter().flat_map(|u| &u.attached_managed_policies))
            .chain(identity.groups.iter().flat_map(|g| &g.attached_managed_policies));
        for policy in attached {
            assert!(policies.contains(policy.policy_arn.as_str()), "{policy:?}");
        }
        for role in &identity.roles {
            assert!(names.insert(role.arn.clone()), "{} stands twice", role.arn);
            let arn: Arn = role.arn.parse().unwrap();
            assert_eq!((arn.account(), arn.name()), (identity.account.as_str(), role.role_name.as_str()));
            assert!(role.role_name.len() <= 64, "{}", role.role_name);
            let trust = role.assume_role_policy_document.value().unwrap();
            let federated = trust.pointer("/Statement/0/Principal/Federated").and_then(Value::as_str);
            if let Some(provider) = federated {
                let known = identity.saml_providers.iter().any(|p| p.arn == provider);
                assert!(known || identity.oidc_providers.iter().any(|p| p.arn == provider), "{provider}");
            }
            if let Some(boundary) = &role.permissions_boundary {
                assert!(policies.contains(boundary.permissions_boundary_arn.as_str()));
            }
        }
        for user in &identity.users {
            assert!(user.group_list.iter().all(|g| identity.groups.iter().any(|x| x.group_name == *g)));
            assert!(user.arn.parse::<Arn>().is_ok());
        }
        assert_eq!(identity.credentials.len(), identity.users.len() + 1);
        assert!(identity.policies.iter().all(|p| p.default_document().and_then(|d| d.value()).is_some()));
        keys.extend(identity.access_keys.iter().cloned());
    }
    let days = |at: Option<Timestamp>| at.map(|at| now().duration_since(at).as_secs() / 86_400);
    assert!(keys.iter().any(|k| k.last_used_date.is_none()), "some were never used");
    assert!(keys.iter().any(|k| days(k.create_date) > Some(700)), "some are years old");
    let unique: HashSet<_> = keys.iter().map(|k| &k.access_key_id).collect();
    assert!(unique.len() == keys.len() && keys.iter().all(|k| k.access_key_id.len() == 20));
}

#[test]
fn networks_hold_together() {
    let organization = organization();
    let estate = organization.estate();
    let mut publics = HashSet::new();
    let mut addresses = HashSet::new();
    for region in &estate.regions {
        let n = &region.network;
        let vpcs: HashSet<&str> = n.vpcs.iter().map(|v| v.vpc_id.as_str()).collect();
        let subnets: BTreeMap<&str, &str> = n.subnets.iter().map(|s| (s.subnet_id.as_str(), s.cidr_block.as_str())).collect();
        let groups: HashSet<&str> = n.security_groups.iter().map(|g| g.group_id.as_str()).collect();
        let lists: HashSet<&str> = n.prefix_lists.iter().map(|l| l.prefix_list_id.as_str()).collect();
        assert!(n.subnets.iter().all(|s| vpcs.contains(s.vpc_id.as_str()) && s.subnet_arn.parse::<Arn>().is_ok()));
        for table in &n.route_tables {
            assert!(vpcs.contains(table.vpc_id.as_str()));
            assert!(table.associations.iter().all(|a| a.main || subnets.contains_key(a.subnet_id.as_str())));
            for route in &table.routes {
                assert!(!route.destination().is_empty() && !route.target().is_empty(), "{route:?}");
                let target = route.target();
                let known = match target.split('-').next().unwrap() {
                    "local" | "tgw" => true,
                    "vgw" => n.vpn_gateways.iter().any(|g| g.vpn_gateway_id == target),
                    "igw" => n.internet_gateways.iter().any(|g| g.internet_gateway_id == target),
                    "eigw" => n.egress_only_gateways.iter().any(|g| g.internet_gateway_id == target),
                    "nat" => n.nat_gateways.iter().any(|g| g.nat_gateway_id == target) || route.state == "blackhole",
                    "pcx" => n.peerings.iter().any(|p| p.vpc_peering_connection_id == target),
                    "vpce" => n.endpoints.iter().any(|e| e.vpc_endpoint_id == target),
                    _ => false,
                };
                assert!(known, "{route:?}");
            }
        }
        for group in &n.security_groups {
            assert!(vpcs.contains(group.vpc_id.as_str()));
            for rule in &group.ip_permissions {
                assert!(rule.prefix_list_ids.iter().all(|l| lists.contains(l.prefix_list_id.as_str())));
                // The deliberate exception: a group that went with its peering.
                let stale = |g: &crate::model::network::GroupPair| g.peering_status == "deleted";
                assert!(rule.user_id_group_pairs.iter().all(|g| stale(g) != groups.contains(g.group_id.as_str())));
            }
        }
        for acl in &n.network_acls {
            assert!(acl.associations.iter().all(|a| subnets.contains_key(a.subnet_id.as_str())));
        }
        let mut served: Vec<&str> = n.network_acls.iter().flat_map(|a| &a.associations).map(|a| a.subnet_id.as_str()).collect();
        served.sort_unstable();
        assert!(served.iter().eq(subnets.keys()), "each subnet has one network ACL");
        for eni in &n.interfaces {
            let cidr: ipnet::IpNet = subnets[eni.subnet_id.as_str()].parse().unwrap();
            assert!(cidr.contains(&eni.private_ip_address.parse::<std::net::IpAddr>().unwrap()), "{eni:?}");
            assert!(addresses.insert((eni.vpc_id.clone(), eni.private_ip_address.clone())), "{eni:?}");
            assert!(eni.groups.iter().all(|g| groups.contains(g.group_id.as_str())));
            assert!(eni.instance().is_empty() || n.instances.iter().any(|i| i.instance_id == eni.instance()));
            for public in eni.public_addresses() {
                assert!(["192.0.2.", "198.51.100.", "203.0.113."].iter().any(|block| public.starts_with(block)), "{public}");
                assert!(publics.insert(public.to_owned()), "{public} stands twice");
            }
        }
        for instance in &n.instances {
            let eni = n.interfaces.iter().find(|e| e.instance() == instance.instance_id).unwrap();
            assert_eq!(eni.private_ip_address, instance.private_ip_address);
            assert!(!instance.security_groups.is_empty() && !instance.name().is_empty());
            if let Some(profile) = &instance.iam_instance_profile {
                let identity = estate.identity(&region.account).unwrap();
                assert!(
                    identity.roles.iter().flat_map(|r| &r.instance_profile_list).any(|p| p.arn == profile.arn),
                    "{profile:?}"
                );
            }
        }
        let interface = |id: &String| n.interfaces.iter().any(|e| e.network_interface_id == *id);
        assert!(n.nat_gateways.iter().flat_map(|g| &g.nat_gateway_addresses).all(|a| interface(&a.network_interface_id)));
        assert!(n.endpoints.iter().flat_map(|e| &e.network_interface_ids).all(interface));
        assert!(n.load_balancers.iter().all(|b| b.load_balancer_arn.parse::<Arn>().is_ok() && b.listeners.len() == 2));
        for node in region.nodes.iter().filter(|x| x.resource_type == "EC2Instance") {
            assert!(n.instances.iter().any(|i| i.instance_id == node.instance_id));
        }
        assert!(region.sessions.iter().all(|s| region.nodes.iter().any(|x| x.instance_id == s.target)));
    }
    let vpcs: HashSet<&String> = estate.regions.iter().flat_map(|r| r.network.vpcs.iter().map(|v| &v.vpc_id)).collect();
    assert_eq!(vpcs.len(), 30);
    for attachment in estate.regions.iter().flat_map(|r| &r.network.transit_gateway_attachments) {
        assert!(vpcs.contains(&attachment.resource_id));
    }
}

#[test]
fn ticks_change_findings_nodes_and_sessions() {
    let organization = organization();
    let later: Timestamp = "2026-03-14T09:30:00Z".parse().unwrap();
    let (mut new, mut changed, mut nodes, mut started, mut ended) = (0, 0, 0, 0, 0);
    let known: HashSet<_> = all(&organization, FINDINGS).iter().map(|f| f.key).collect();
    let mut fresh = HashSet::new();
    for k in 0..200 {
        let tick = organization.tick(k, later);
        for finding in &tick.findings {
            let document: Value = serde_json::from_str(&finding.document).unwrap();
            assert_eq!(document["Id"], finding.source.id);
            assert_eq!(document["Workflow"]["Status"], finding.status.word());
            assert!(finding.updated <= later && finding.first_seen <= finding.updated);
            if known.contains(&finding.key) {
                changed += 1;
            } else {
                assert!(fresh.insert(finding.key), "a new finding is new once");
                new += 1;
            }
        }
        nodes += tick.nodes.len();
        for (account, region, node) in &tick.nodes {
            let region = organization.estate().region(account, region).unwrap();
            assert!(region.nodes.iter().any(|n| n.instance_id == node.instance_id));
        }
        for (_, _, session) in &tick.sessions {
            *(if session.end_date.is_none() { &mut started } else { &mut ended }) += 1;
        }
    }
    assert!(
        new > 100 && changed == 200 && nodes > 100 && started > 20 && ended > 20,
        "{new} {changed} {nodes} {started} {ended}"
    );
    let (start, end) = (organization.tick(0, later).sessions, organization.tick(15, later).sessions);
    assert!(start.iter().all(|s| end.iter().any(|e| e.2.session_id == s.2.session_id)), "the same session ends");
    // Nothing to change is no reason to fail.
    assert!(Organization::new(now(), 0).tick(1, later).findings.len() <= 2);
}

#[test]
fn odd_times_do_not_panic() {
    for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        let organization = Organization::new(at, 10);
        let findings = all(&organization, 10);
        assert!(findings.iter().all(|f| f.first_seen <= f.updated));
        assert!(!organization.document(3).is_empty());
        assert!(organization.finding(usize::MAX).first_seen <= at);
        assert!(organization.tick(u64::MAX, at).findings.len() <= 3);
    }
}
