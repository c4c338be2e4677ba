//! Who can act in each account: users, groups, roles, policies, providers, keys and the credential report.

mod policies;
mod roles;
mod used;

pub(super) use policies::VENDOR;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::demo::accounts::{SEATS, by_name, days, hours, tags};
use crate::demo::random::{Random, label, unique};
use crate::model::Extra;
use crate::model::principal::{
    AccessKey, AttachedPolicy, CredentialRow, Group, Identity, LastAccessed, ManagedPolicy, OidcProvider, PolicyVersion,
    SamlProvider, User,
};

/// Account, name, what for.
const USERS: [(&str, &str, Kind); 40] = [
    ("acme", "break-glass-1", Kind::BreakGlass),
    ("acme", "break-glass-2", Kind::BreakGlass),
    ("acme", "mira.koval", Kind::Human),
    ("acme", "billing-export", Kind::Service),
    ("security-tooling", "jo.tanaka", Kind::Human),
    ("security-tooling", "siem-forwarder", Kind::Service),
    ("log-archive", "archive-reader", Kind::Service),
    ("network", "break-glass-net", Kind::BreakGlass),
    ("network", "dns-sync", Kind::Service),
    ("shared-services", "ldap-bridge", Kind::Service),
    ("shared-services", "ines.aalto", Kind::Human),
    ("backup", "tape-gateway", Kind::Service),
    ("ci-cd", "jenkins", Kind::Service),
    ("ci-cd", "artifact-push", Kind::Service),
    ("ci-cd", "tomas.brandt", Kind::Human),
    ("payments-prod", "acquirer-sftp", Kind::Service),
    ("payments-prod", "pci-scanner", Kind::Service),
    ("payments-staging", "load-test", Kind::Service),
    ("payments-dev", "ravi.menon", Kind::Human),
    ("payments-dev", "terraform", Kind::Service),
    ("web-prod", "cdn-purge", Kind::Service),
    ("web-dev", "lena.ostrow", Kind::Human),
    ("web-dev", "preview-bot", Kind::Service),
    ("data-lake-prod", "partner-upload", Kind::Service),
    ("data-lake-prod", "bi-connector", Kind::Service),
    ("data-lake-dev", "noor.haddad", Kind::Human),
    ("data-lake-dev", "notebook", Kind::Service),
    ("identity-prod", "break-glass-idp", Kind::BreakGlass),
    ("identity-dev", "olu.adeyemi", Kind::Human),
    ("orders-prod", "erp-connector", Kind::Service),
    ("orders-dev", "petra.lind", Kind::Human),
    ("orders-dev", "fixtures", Kind::Service),
    ("mobile-prod", "push-certs", Kind::Service),
    ("warehouse-prod", "scanner-gateway", Kind::Service),
    ("warehouse-prod", "dmitri.vale", Kind::Human),
    ("sandbox-research", "ana.ferrer", Kind::Human),
    ("sandbox-research", "wei.zhou", Kind::Human),
    ("sandbox-research", "gpu-bot", Kind::Service),
    ("sandbox-training", "student-1", Kind::Human),
    ("sandbox-training", "student-2", Kind::Human),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Human,
    Service,
    BreakGlass,
}

/// A reference to a managed policy: the account's own where the name begins with its app's word or it is the team
/// boundary, else AWS's.
fn attach(account: &str, name: &str) -> AttachedPolicy {
    let own = name == "team-boundary" || SEATS.iter().any(|s| s.id == account && name.starts_with(&format!("{}-", s.app)));
    let owner = if own { account } else { "aws" };
    AttachedPolicy {
        policy_name: name.rsplit('/').next().unwrap_or(name).to_owned(),
        policy_arn: format!("arn:aws:iam::{owner}:policy/{name}"),
    }
}

/// The provider that IAM Identity Center makes in an account.
fn saml_provider(account: &str) -> String {
    format!("arn:aws:iam::{account}:saml-provider/AWSSSO_{:016x}_DO_NOT_DELETE", label("identity center"))
}

/// What a user or role of an account used of what it is granted, as AWS would tell it.
pub(super) fn used(identity: &Identity, arn: &str, now: Timestamp) -> Option<LastAccessed> {
    used::of(identity, arn, now)
}

/// IAM of every readable account; `instance_roles` are (account, role) that machines need.
pub(super) fn build(now: Timestamp, instance_roles: &BTreeSet<(usize, String)>) -> Vec<Identity> {
    let of = |(account, roles): (usize, Vec<_>)| {
        (account, Identity { account: SEATS[account].id.to_owned(), roles, ..Identity::default() })
    };
    let mut all: Vec<(usize, Identity)> = roles::build(now, instance_roles).into_iter().map(of).collect();
    by_halves(&mut all, |(account, identity)| {
        users(identity, *account, now);
        providers(identity, *account, now);
        managed(identity, *account, now);
        settings(identity, *account);
        used::add(identity, now);
    });
    all.into_iter().map(|(_, identity)| identity).collect()
}

/// Does the work on two cores: the console waits for it.
fn by_halves<T: Send>(jobs: &mut [T], work: impl Fn(&mut T) + Sync) {
    let (first, second) = jobs.split_at_mut(jobs.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| second.iter_mut().for_each(&work));
        first.iter_mut().for_each(&work);
    });
}

fn users(identity: &mut Identity, account: usize, now: Timestamp) {
    let id = SEATS[account].id;
    let mut groups = BTreeSet::new();
    identity.credentials.push(root(account, now));
    for (_, name, kind) in USERS.iter().filter(|(of, _, _)| by_name(of) == account) {
        let arn = format!("arn:aws:iam::{id}:user/{name}");
        let mut random = Random::of(&arn);
        let created = 200 + random.below(1400) as u64;
        let group = match kind {
            Kind::BreakGlass => Some("break-glass"),
            Kind::Human => Some(random.pick(&["developers", "developers", "administrators", "read-only"])),
            Kind::Service => None,
        };
        groups.extend(group);
        // Service users hold their policies themselves, which is a finding of its own.
        let direct: &[&str] = match kind {
            Kind::Service if random.chance(15) => &["AdministratorAccess"],
            Kind::Service if random.chance(40) => &["AmazonS3FullAccess"],
            Kind::Service => &["ReadOnlyAccess"],
            _ => &[],
        };
        let boundary_free = random.chance(70);
        identity.users.push(User {
            path: "/".to_owned(),
            user_name: (*name).to_owned(),
            user_id: unique("AIDA", &arn),
            arn: arn.clone(),
            create_date: Some(days(now, created)),
            group_list: group.iter().map(|g| (*g).to_owned()).collect(),
            attached_managed_policies: direct.iter().map(|p| attach(id, p)).collect(),
            tags: tags(&[("Team", if boundary_free { SEATS[account].app } else { "" })]),
            ..User::default()
        });
        let keys = match kind {
            Kind::Service => 1 + usize::from(random.chance(35)),
            Kind::Human => usize::from(random.chance(45)),
            Kind::BreakGlass => 0,
        };
        let from = identity.access_keys.len();
        for n in 0..keys {
            let age = random.pick(&[2u64, 25, 60, 85, 140, 260, 480, 800, 1130]).min(created);
            let used = match random.below(10) {
                0 | 1 => None,
                2 | 3 => Some(age / 2),
                _ => Some(random.below(10) as u64),
            };
            let used = used.map(|d| hours(now, (d * 24 + random.below(20) as u64).min(age * 24)));
            identity.access_keys.push(AccessKey {
                user_name: (*name).to_owned(),
                access_key_id: unique("AKIA", &format!("{arn}{n}")),
                status: if n == 1 && random.chance(50) { "Inactive" } else { "Active" }.to_owned(),
                create_date: Some(days(now, age)),
                last_used_date: used,
                last_used_service: if used.is_some() { random.pick(&["s3", "sts", "ec2", "sqs"]) } else { "N/A" }.to_owned(),
                last_used_region: if used.is_some() { "eu-west-1" } else { "N/A" }.to_owned(),
            });
        }
        let console = *kind != Kind::Service || random.chance(10);
        let mfa = *kind == Kind::BreakGlass || (*kind == Kind::Human && random.chance(60));
        let seen = if random.chance(25) { 100 + random.below(300) as u64 } else { random.below(30) as u64 };
        let row = row(
            &identity.users[identity.users.len() - 1],
            console,
            mfa,
            days(now, seen.min(created)),
            &identity.access_keys[from..],
        );
        identity.credentials.push(row);
    }
    for name in groups {
        let policy = match name {
            "developers" => "PowerUserAccess",
            "read-only" => "ReadOnlyAccess",
            _ => "AdministratorAccess",
        };
        let arn = format!("arn:aws:iam::{id}:group/{name}");
        identity.groups.push(Group {
            path: "/".to_owned(),
            group_name: name.to_owned(),
            group_id: unique("AGPA", &arn),
            arn,
            create_date: Some(days(now, 1500)),
            attached_managed_policies: vec![attach(id, policy), attach(id, "IAMUserChangePassword")],
            ..Group::default()
        });
    }
}

/// The credential report's time form.
fn report_time(at: Option<Timestamp>) -> Value {
    at.map_or(json!("N/A"), |at| json!(at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()))
}

fn row(user: &User, console: bool, mfa: bool, seen: Timestamp, keys: &[AccessKey]) -> CredentialRow {
    let mut row = CredentialRow::new();
    row.insert("user".into(), json!(user.user_name));
    row.insert("arn".into(), json!(user.arn));
    row.insert("user_creation_time".into(), report_time(user.create_date));
    row.insert("password_enabled".into(), json!(console.to_string()));
    row.insert("password_last_used".into(), report_time(console.then_some(seen)));
    row.insert("password_last_changed".into(), report_time(user.create_date.filter(|_| console)));
    row.insert("password_next_rotation".into(), json!("N/A"));
    row.insert("mfa_active".into(), json!(mfa.to_string()));
    rest(&mut row, keys);
    row
}

/// The report's columns on keys and certificates.
fn rest(row: &mut CredentialRow, keys: &[AccessKey]) {
    for n in 0..2 {
        let key = keys.get(n);
        let at = format!("access_key_{}", n + 1);
        row.insert(format!("{at}_active"), json!(key.is_some_and(|k| k.status == "Active").to_string()));
        row.insert(format!("{at}_last_rotated"), report_time(key.and_then(|k| k.create_date)));
        row.insert(format!("{at}_last_used_date"), report_time(key.and_then(|k| k.last_used_date)));
        row.insert(format!("{at}_last_used_region"), json!(key.map_or("N/A", |k| &k.last_used_region)));
        row.insert(format!("{at}_last_used_service"), json!(key.map_or("N/A", |k| &k.last_used_service)));
    }
    for n in 1..=2 {
        row.insert(format!("cert_{n}_active"), json!("false"));
        row.insert(format!("cert_{n}_last_rotated"), json!("N/A"));
    }
}

/// Accounts whose root user has no second factor.
fn root_without_mfa(account: usize) -> bool {
    matches!(SEATS[account].name, "orders-dev" | "sandbox-training" | "warehouse-prod")
}

fn root(account: usize, now: Timestamp) -> CredentialRow {
    let id = SEATS[account].id;
    let created = days(now, if account == 0 { 2400 } else { 1500 });
    let mut row = CredentialRow::new();
    row.insert("user".into(), json!("<root_account>"));
    row.insert("arn".into(), json!(format!("arn:aws:iam::{id}:root")));
    row.insert("user_creation_time".into(), report_time(Some(created)));
    row.insert("password_enabled".into(), json!("not_supported"));
    row.insert(
        "password_last_used".into(),
        if account == 0 { report_time(Some(days(now, 12))) } else { json!("no_information") },
    );
    row.insert("password_last_changed".into(), json!("not_supported"));
    row.insert("password_next_rotation".into(), json!("not_supported"));
    row.insert("mfa_active".into(), json!((!root_without_mfa(account)).to_string()));
    rest(&mut row, &[]);
    row
}

fn providers(identity: &mut Identity, account: usize, now: Timestamp) {
    let seat = &SEATS[account];
    identity.saml_providers.push(SamlProvider {
        arn: saml_provider(seat.id),
        create_date: Some(days(now, 900)),
        valid_until: Some(days(now, 900).checked_add(jiff::SignedDuration::from_hours(24 * 36_500)).unwrap_or(now)),
        ..SamlProvider::default()
    });
    if seat.name == "warehouse-prod" {
        identity.saml_providers.push(SamlProvider {
            arn: format!("arn:aws:iam::{}:saml-provider/old-adfs", seat.id),
            create_date: Some(days(now, 1300)),
            valid_until: Some(days(now, 205)),
            ..SamlProvider::default()
        });
    }
    if identity.roles.iter().any(|r| r.assume_role_policy_document.0.contains(policies::GITHUB)) {
        identity.oidc_providers.push(OidcProvider {
            arn: format!("arn:aws:iam::{}:oidc-provider/{}", seat.id, policies::GITHUB),
            url: policies::GITHUB.to_owned(),
            client_id_list: vec!["sts.amazonaws.com".to_owned()],
            thumbprint_list: vec![format!("{:016x}{:016x}{:08x}", label("thumb"), label("print"), label("x") as u32)],
            create_date: Some(days(now, 620)),
            ..OidcProvider::default()
        });
    }
}

/// Every policy that something is attached to, and the account's own.
fn managed(identity: &mut Identity, account: usize, now: Timestamp) {
    let seat = &SEATS[account];
    let mut attached: BTreeMap<String, i64> = BTreeMap::new();
    let lists = (identity.roles.iter().map(|r| &r.attached_managed_policies))
        .chain(identity.users.iter().map(|u| &u.attached_managed_policies))
        .chain(identity.groups.iter().map(|g| &g.attached_managed_policies));
    for policy in lists.flatten() {
        *attached.entry(policy.policy_arn.clone()).or_default() += 1;
    }
    attached.entry(format!("arn:aws:iam::{}:policy/team-boundary", seat.id)).or_default();
    if matches!(seat.name, "web-dev" | "sandbox-research") {
        attached.entry(format!("arn:aws:iam::{}:policy/{}-full-admin", seat.id, seat.app)).or_default();
    }
    for (arn, count) in attached {
        let path_and_name = arn.split_once(":policy").map_or("", |(_, rest)| rest);
        let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
        let own = !arn.starts_with("arn:aws:iam::aws:");
        let document = if own {
            let kind = name.strip_prefix(seat.app).map_or(name, |rest| rest.trim_start_matches('-'));
            policies::customer(kind, seat.app, seat.id)
        } else {
            policies::managed(name)
        };
        let created = days(now, if own { 400 + label(&arn) % 500 } else { 2900 });
        identity.policies.push(ManagedPolicy {
            policy_name: name.to_owned(),
            policy_id: unique("ANPA", &arn),
            path: format!("{path}/"),
            default_version_id: "v1".to_owned(),
            attachment_count: Some(count),
            create_date: Some(created),
            update_date: Some(created),
            policy_version_list: vec![PolicyVersion {
                document,
                version_id: "v1".to_owned(),
                is_default_version: true,
                create_date: Some(created),
            }],
            arn,
            ..ManagedPolicy::default()
        });
    }
}

fn settings(identity: &mut Identity, account: usize) {
    let seat = &SEATS[account];
    let strong = !seat.unit.starts_with("Sandbox") && !seat.name.ends_with("-dev");
    // Sandboxes never set one.
    identity.password_policy = (!seat.unit.starts_with("Sandbox")).then(|| {
        let mut policy = Extra::new();
        policy.insert("MinimumPasswordLength".into(), json!(if strong { 16 } else { 8 }));
        for name in ["RequireSymbols", "RequireNumbers", "RequireUppercaseCharacters", "RequireLowercaseCharacters"] {
            policy.insert(name.into(), json!(strong));
        }
        policy.insert("AllowUsersToChangePassword".into(), json!(true));
        policy.insert("ExpirePasswords".into(), json!(false));
        policy.insert("PasswordReusePrevention".into(), json!(if strong { 24 } else { 1 }));
        policy
    });
    let own = identity.policies.iter().filter(|p| !p.arn.starts_with("arn:aws:iam::aws:")).count();
    let mfa = identity.credentials.iter().filter(|row| row.get("mfa_active") == Some(&json!("true"))).count();
    let counts = [
        ("Users", identity.users.len()),
        ("UsersQuota", 5000),
        ("Groups", identity.groups.len()),
        ("Roles", identity.roles.len()),
        ("RolesQuota", 1000),
        ("Policies", own),
        ("InstanceProfiles", identity.roles.iter().map(|r| r.instance_profile_list.len()).sum()),
        ("Providers", identity.saml_providers.len() + identity.oidc_providers.len()),
        ("MFADevicesInUse", mfa),
        ("AccountMFAEnabled", usize::from(!root_without_mfa(account))),
        ("AccountAccessKeysPresent", 0),
    ];
    identity.summary = counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
}
