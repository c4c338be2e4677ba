//! Findings that follow from the estate: what a check would report of the groups, machines, users and roles that stand
//! in it. They name resources that exist and are true of them, so that a hop from finding to resource holds.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use crate::demo::accounts::{REGIONS, SEATS, days};
use crate::demo::kinds::{Class, Kind};
use crate::demo::random::{Random, label};
use crate::model::estate::{Estate, RegionEstate};
use crate::model::network::IpPermission;
use crate::model::principal::Identity;

/// A resource of the estate that findings can be about.
#[derive(Debug)]
pub(super) struct Target {
    /// Place in [`SEATS`].
    pub(super) account: u8,
    /// Place in [`REGIONS`].
    pub(super) region: u8,
    pub(super) class: Class,
    /// The ARN; for an account Security Hub's id of it.
    pub(super) id: String,
}

/// A kind that holds of a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) kind: u16,
    pub(super) target: u32,
}

/// All of both; targets by class for events that may strike any.
pub(super) struct Facts {
    pub(super) targets: Vec<Target>,
    pub(super) facts: Vec<Fact>,
}

struct Clerk<'a> {
    kinds: HashMap<&'static str, u16>,
    all: &'a [Kind],
    known: HashMap<(String, u8), u32>,
    out: Facts,
}

impl Clerk<'_> {
    fn target(&mut self, account: usize, region: usize, class: Class, id: String) -> u32 {
        let region = if class.global() { 0 } else { region as u8 };
        *self.known.entry((id, region)).or_insert_with_key(|(id, _)| {
            self.out.targets.push(Target { account: account as u8, region, class, id: id.clone() });
            self.out.targets.len() as u32 - 1
        })
    }
    /// Notes that this control fails on the target; unknown controls are a test's concern.
    fn fails(&mut self, control: &str, target: u32) {
        if let Some(kind) = self.kinds.get(control)
            && self.all[usize::from(*kind)].class == self.out.targets[target as usize].class
        {
            self.out.facts.push(Fact { kind: *kind, target });
        }
    }
}

/// Everything that can be said of the estate.
pub(super) fn collect(estate: &Estate, kinds: &[Kind], now: Timestamp) -> Facts {
    let mut clerk = Clerk {
        kinds: kinds.iter().enumerate().map(|(n, kind)| (kind.control, n as u16)).collect(),
        all: kinds,
        known: HashMap::new(),
        out: Facts { targets: Vec::new(), facts: Vec::new() },
    };
    for part in &estate.regions {
        let account = SEATS.iter().position(|s| s.id == part.account).unwrap_or(0);
        let region = REGIONS.iter().position(|r| *r == part.region).unwrap_or(0);
        network(&mut clerk, account, region, part);
        settings(&mut clerk, account, region);
    }
    for identity in &estate.identities {
        let account = SEATS.iter().position(|s| s.id == identity.account).unwrap_or(0);
        users(&mut clerk, account, identity, now);
        roles(&mut clerk, account, identity, now);
    }
    let mut out = clerk.out;
    // Shuffled, so that the first findings are of many kinds (Fisher and Yates).
    let mut random = Random::of("facts");
    for n in (1..out.facts.len()).rev() {
        let other = random.below(n + 1);
        out.facts.swap(n, other);
    }
    out
}

fn arn(class: Class, account: usize, region: usize, name: &str) -> String {
    let shape = class.shape().replace("{R}", REGIONS[region]).replace("{A}", SEATS[account].id).replace("{N}", name);
    format!("arn:aws:{shape}")
}

/// Whether the rule lets the internet reach the TCP port.
fn opens(rule: &IpPermission, port: i64) -> bool {
    let covers = rule.ip_protocol == "-1" || rule.from_port.is_some_and(|from| from <= port && rule.to_port >= Some(port));
    rule.is_open() && covers
}

fn network(clerk: &mut Clerk<'_>, account: usize, region: usize, part: &RegionEstate) {
    let network = &part.network;
    let used = |group: &str| {
        network.interfaces.iter().any(|i| i.groups.iter().any(|g| g.group_id == group))
            || network.load_balancers.iter().any(|b| b.security_groups.iter().any(|g| g == group))
    };
    for group in &network.security_groups {
        let target =
            clerk.target(account, region, Class::SecurityGroup, arn(Class::SecurityGroup, account, region, &group.group_id));
        let open = |port| group.ip_permissions.iter().any(|rule| opens(rule, port));
        let others = group.ip_permissions.iter().any(|r| r.is_open() && !matches!(r.from_port, Some(80 | 443)));
        let checks = [
            ("EC2.13", open(22)),
            ("EC2.14", open(3389)),
            ("EC2.19", open(22) || open(3389) || open(5432)),
            ("EC2.18", others),
            ("EC2.2", group.group_name == "default" && !group.ip_permissions.is_empty()),
            ("EC2.22", group.group_name != "default" && !used(&group.group_id)),
        ];
        checks.iter().filter(|(_, fails)| *fails).for_each(|(control, _)| clerk.fails(control, target));
    }
    for instance in &network.instances {
        let target = clerk.target(account, region, Class::Instance, arn(Class::Instance, account, region, &instance.instance_id));
        let node = part.nodes.iter().find(|n| n.instance_id == instance.instance_id);
        let running = instance.state() == "running";
        let old = instance.metadata_options.as_ref().is_some_and(|o| o.http_tokens == "optional");
        let checks = [
            ("EC2.8", old),
            ("EC2.9", !instance.public_ip_address.is_empty()),
            ("EC2.4", instance.state() == "stopped"),
            ("SSM.1", running && node.is_none()),
            ("SSM.2", node.is_some_and(|n| n.is_latest_version == Some(false))),
            ("ssm_managed_compliant_association", node.is_some_and(|n| n.ping_status != "Online")),
        ];
        checks.iter().filter(|(_, fails)| *fails).for_each(|(control, _)| clerk.fails(control, target));
    }
    for vpc in &network.vpcs {
        let target = clerk.target(account, region, Class::Vpc, arn(Class::Vpc, account, region, &vpc.vpc_id));
        let private = network.endpoints.iter().any(|e| e.vpc_id == vpc.vpc_id && e.service_name.ends_with(".ec2"));
        if label(&vpc.vpc_id).is_multiple_of(2) {
            clerk.fails("EC2.6", target);
        }
        if !private {
            clerk.fails("EC2.10", target);
        }
    }
    for subnet in network.subnets.iter().filter(|s| s.map_public_ip_on_launch) {
        let target = clerk.target(account, region, Class::Subnet, subnet.subnet_arn.clone());
        clerk.fails("EC2.15", target);
    }
    for acl in network.network_acls.iter().filter(|a| !a.is_default) {
        let target = clerk.target(account, region, Class::Acl, arn(Class::Acl, account, region, &acl.network_acl_id));
        let open = acl.entries.iter().any(|e| {
            let remote = e.port_range.as_ref().is_some_and(|p| matches!(p.from, Some(22 | 3389)));
            !e.egress && e.rule_action == "allow" && e.cidr_block == "0.0.0.0/0" && remote
        });
        if open {
            clerk.fails("EC2.21", target);
        }
    }
    for address in network.addresses.iter().filter(|a| a.association_id.is_empty()) {
        let target = clerk.target(account, region, Class::Address, arn(Class::Address, account, region, &address.allocation_id));
        clerk.fails("EC2.12", target);
    }
    for balancer in network.load_balancers.iter().filter(|b| !b.is_classic()) {
        let target = clerk.target(account, region, Class::Balancer, balancer.load_balancer_arn.clone());
        // Plain HTTP that is forwarded, by default or by a rule of its own.
        let plain = balancer.listeners.iter().filter(|l| l.get("Protocol") == Some(&json!("HTTP"))).any(|l| {
            let own = |name: &str| l.get(name).cloned().unwrap_or_default();
            let rules = own("ListenerArn").as_str().unwrap_or_default().replace(":listener/", ":listener-rule/");
            let by_rule = balancer.rules.iter().flatten().filter(|r| r.rule_arn.starts_with(&rules)).flat_map(|r| &r.actions);
            own("DefaultActions")[0]["Type"] == "forward" || by_rule.into_iter().any(|a| a.get("Type") == Some(&json!("forward")))
        });
        let mut random = Random::of(&balancer.load_balancer_arn);
        for (control, fails) in [("ELB.1", plain), ("ELB.5", random.chance(40)), ("ELB.6", random.chance(50))] {
            if fails {
                clerk.fails(control, target);
            }
        }
    }
}

/// Services of the account in a region; the estate does not hold their settings, so these only have to be settled.
fn settings(clerk: &mut Clerk<'_>, account: usize, region: usize) {
    let seat = &SEATS[account];
    if (seat.name, REGIONS[region]) == ("backup", "ap-southeast-2") {
        return;
    }
    let target = clerk.target(account, region, Class::Account, format!("AWS::::Account:{}", seat.id));
    let mut random = Random::of(&format!("{}{region}", seat.id));
    let careless = if seat.unit == "Sandbox" { 3 } else { 1 };
    for (control, percent) in [("Config.1", 3), ("GuardDuty.1", 5), ("Macie.1", 20), ("EC2.7", 15), ("CloudTrail.1", 2)] {
        if random.chance(percent * careless) {
            clerk.fails(control, target);
        }
    }
    if region == 0 {
        for (control, percent) in [("Account.1", 25), ("S3.1", 12)] {
            if random.chance(percent * careless) {
                clerk.fails(control, target);
            }
        }
    }
}

fn users(clerk: &mut Clerk<'_>, account: usize, identity: &Identity, now: Timestamp) {
    for user in &identity.users {
        let target = clerk.target(account, 0, Class::User, user.arn.clone());
        let row = identity.credentials.iter().find(|r| r.get("arn") == Some(&json!(user.arn)));
        let says = |column: &str| row.is_some_and(|r| r.get(column) == Some(&json!("true")));
        let mut active = identity.access_keys.iter().filter(|k| k.user_name == user.user_name && k.status == "Active");
        let idle = active.clone().any(|k| k.last_used_date.or(k.create_date).is_some_and(|at| at < days(now, 90)));
        let checks = [
            ("IAM.2", !user.attached_managed_policies.is_empty()),
            ("IAM.3", active.any(|k| k.create_date.is_some_and(|at| at < days(now, 90)))),
            ("IAM.5", says("password_enabled") && !says("mfa_active")),
            ("IAM.8", idle),
        ];
        checks.iter().filter(|(_, fails)| *fails).for_each(|(control, _)| clerk.fails(control, target));
    }
    let root = identity.credentials.iter().find(|r| r.get("user") == Some(&json!("<root_account>")));
    let target = clerk.target(account, 0, Class::Account, format!("AWS::::Account:{}", identity.account));
    if root.is_some_and(|r| r.get("mfa_active") == Some(&json!("false"))) {
        clerk.fails("IAM.6", target);
    }
    let length = identity.password_policy.as_ref().and_then(|p| p.get("MinimumPasswordLength")?.as_i64());
    if length.unwrap_or(0) < 14 {
        clerk.fails("IAM.7", target);
    }
    for policy in identity.policies.iter().filter(|p| !p.arn.starts_with("arn:aws:iam::aws:")) {
        let target = clerk.target(account, 0, Class::Policy, policy.arn.clone());
        for (name, control) in [
            ("-full-admin", "IAM.1"),
            ("-launch-anything", "iam_policy_allows_privilege_escalation"),
            ("-policy-editor", "iam_policy_allows_privilege_escalation"),
            ("-assume-anything", "iam_no_custom_policy_permissive_role_assumption"),
        ] {
            if policy.policy_name.ends_with(name) {
                clerk.fails(control, target);
            }
        }
    }
}

fn roles(clerk: &mut Clerk<'_>, account: usize, identity: &Identity, now: Timestamp) {
    let ours = |trust: &str| SEATS.iter().any(|s| trust.contains(&format!("::{}:root", s.id)));
    for role in &identity.roles {
        let target = clerk.target(account, 0, Class::Role, role.arn.clone());
        let trust = &role.assume_role_policy_document.0;
        let github = trust.contains("token.actions.githubusercontent.com:aud");
        let wide = github && (!trust.contains("githubusercontent.com:sub") || trust.contains("acme-example/*"));
        let foreign = trust.contains(":root") && !ours(trust);
        let has = |name: &str| role.attached_managed_policies.iter().any(|p| p.policy_name == name);
        let used = role.role_last_used.as_ref().and_then(|u| u.last_used_date);
        let linked = role.path.starts_with("/aws-");
        let checks = [
            ("external-access-role", wide || foreign),
            ("iam_role_cross_account_readonlyaccess_policy", foreign && has("ReadOnlyAccess")),
            ("iam_role_administratoraccess_policy", !linked && has("AdministratorAccess")),
            ("iam_inline_policy_no_administrative_privileges", !role.role_policy_list.is_empty()),
            ("unused-access-role", !linked && used.is_none_or(|at| at < days(now, 90))),
        ];
        checks.iter().filter(|(_, fails)| *fails).for_each(|(control, _)| clerk.fails(control, target));
    }
}
