//! Roles: AWS's own, Identity Center's, those that machines, functions and pipelines take, and a few that should not be.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::demo::accounts::{AUDIT, SEATS, days, hours, readable, tags};
use crate::demo::identity::{attach, by_halves, policies, saml_provider};
use crate::demo::random::{Random, label, unique};
use crate::model::principal::{Boundary, Document, InlinePolicy, InstanceProfile, LastUsed, Role};

/// How many there are in the whole organisation.
pub(super) const TOTAL: usize = 600;

const WORDS: [&str; 24] = [
    "api",
    "events",
    "ledger",
    "search",
    "mailer",
    "images",
    "reports",
    "webhooks",
    "scheduler",
    "exporter",
    "audit",
    "pricing",
    "catalog",
    "checkout",
    "refunds",
    "sessions",
    "tokens",
    "ingest",
    "compactor",
    "metrics",
    "archive",
    "gateway",
    "notifier",
    "janitor",
];
const KINDS: [(&str, &str, &str); 3] = [
    ("lambda", "lambda.amazonaws.com", "AWSLambdaBasicExecutionRole"),
    ("task", "ecs-tasks.amazonaws.com", "AmazonECSTaskExecutionRolePolicy"),
    ("job", "batch.amazonaws.com", "AmazonECSTaskExecutionRolePolicy"),
];
/// Services whose linked role every account has.
const LINKED: [(&str, &str); 7] = [
    ("support.amazonaws.com", "Support"),
    ("trustedadvisor.amazonaws.com", "TrustedAdvisor"),
    ("organizations.amazonaws.com", "Organizations"),
    ("sso.amazonaws.com", "SSO"),
    ("securityhub.amazonaws.com", "SecurityHub"),
    ("guardduty.amazonaws.com", "AmazonGuardDuty"),
    ("config.amazonaws.com", "Config"),
];

struct Smith<'a> {
    now: Timestamp,
    account: usize,
    roles: &'a mut Vec<Role>,
}

impl Smith<'_> {
    fn id(&self) -> &'static str {
        SEATS[self.account].id
    }
    /// A role used lately, and not for long by some.
    fn role(&mut self, path: &str, name: &str, trust: Document, attached: &[&str]) -> &mut Role {
        let mut random = Random::of(&format!("{}{path}{name}", self.id()));
        let idle = if random.chance(18) { 95 + random.below(500) as u64 } else { random.below(40) as u64 };
        let used = (idle < 400).then(|| LastUsed {
            last_used_date: Some(hours(self.now, idle * 24 + random.below(24) as u64)),
            region: random.pick(&["eu-west-1", "us-east-1", "eu-central-1"]).to_owned(),
        });
        let arn = format!("arn:aws:iam::{}:role{path}{name}", self.id());
        self.roles.push(Role {
            path: path.to_owned(),
            role_id: unique("AROA", &arn),
            arn,
            role_name: name.to_owned(),
            create_date: Some(days(self.now, idle + 30 + random.below(900) as u64)),
            assume_role_policy_document: trust,
            attached_managed_policies: attached.iter().map(|p| attach(self.id(), p)).collect(),
            role_last_used: Some(used.unwrap_or_default()),
            ..Role::default()
        });
        let last = self.roles.len() - 1;
        &mut self.roles[last]
    }
}

/// The roles of every account, by its place; [`TOTAL`] in all.
pub(super) fn build(now: Timestamp, instance_roles: &BTreeSet<(usize, String)>) -> Vec<(usize, Vec<Role>)> {
    let mut all: Vec<(usize, Vec<Role>)> = readable().map(|n| (n, Vec::new())).collect();
    by_halves(&mut all, |(account, roles)| {
        let mut smith = Smith { now, account: *account, roles };
        standing(&mut smith);
        special(&mut smith);
        for (_, name) in instance_roles.iter().filter(|(n, _)| n == account) {
            machine(&mut smith, name);
        }
    });
    // The rest are what applications run as; workloads have most of them.
    let mut missing = TOTAL.saturating_sub(all.iter().map(|(_, roles)| roles.len()).sum());
    let mut rounds: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
    for n in 0.. {
        if missing == 0 {
            break;
        }
        let (turn, round) = (n % all.len(), n / 22);
        if SEATS[all[turn].0].unit.starts_with("Workloads") || round.is_multiple_of(4) {
            rounds[turn].push(round);
            missing -= 1;
        }
    }
    let mut jobs: Vec<_> = all.iter_mut().zip(rounds).collect();
    by_halves(&mut jobs, |((account, roles), rounds)| {
        rounds.iter().for_each(|round| application(&mut Smith { now, account: *account, roles }, *round));
    });
    for (_, roles) in &mut all {
        roles.sort_by(|a, b| a.role_name.cmp(&b.role_name));
    }
    all
}

/// What every account has.
fn standing(smith: &mut Smith<'_>) {
    let seat = &SEATS[smith.account];
    for (service, name) in LINKED {
        let path = format!("/aws-service-role/{service}/");
        let policy = format!("aws-service-role/AWS{name}ServiceRolePolicy");
        smith.role(&path, &format!("AWSServiceRoleFor{name}"), policies::service(service), &[&policy]);
    }
    if smith.account != 0 {
        let trust = policies::account(SEATS[0].id, "");
        smith.role("/", "OrganizationAccountAccessRole", trust, &["AdministratorAccess"]);
    }
    let sweep = hours(smith.now, 1);
    let audit = smith.role("/", "SecurityAudit", policies::account(SEATS[AUDIT].id, "acme-audit"), &["SecurityAudit"]);
    audit.role_last_used = Some(LastUsed { last_used_date: Some(sweep), region: "eu-west-1".to_owned() });
    let sets: &[(&str, &str)] = if seat.unit.starts_with("Workloads") {
        &[("AdministratorAccess", "AdministratorAccess"), ("Developer", "PowerUserAccess"), ("ReadOnly", "ReadOnlyAccess")]
    } else {
        &[("AdministratorAccess", "AdministratorAccess"), ("ReadOnly", "ReadOnlyAccess")]
    };
    for (set, policy) in sets {
        let name = format!("AWSReservedSSO_{set}_{:016x}", label(set));
        let trust = policies::saml(&saml_provider(seat.id));
        smith.role("/aws-reserved/sso.amazonaws.com/eu-west-1/", &name, trust, &[policy]);
    }
}

/// Pipelines, vendors, leftovers.
fn special(smith: &mut Smith<'_>) {
    let seat = &SEATS[smith.account];
    if seat.unit.starts_with("Workloads") {
        let subject = match seat.name {
            "payments-prod" | "data-lake-dev" => "repo:acme-example/*".to_owned(),
            "web-dev" => String::new(),
            "orders-prod" => "repo:acme-example/orders:*".to_owned(),
            _ => format!("repo:acme-example/{}:ref:refs/heads/main", seat.app),
        };
        let deploy = format!("{}-deploy", seat.app);
        let role = smith.role("/", "ci-deploy", policies::github(seat.id, &subject), &[&deploy]);
        role.tags = tags(&[("Pipeline", "github"), ("Team", seat.app)]);
    }
    if seat.unit.ends_with("/Production") {
        let external = if matches!(seat.name, "orders-prod" | "mobile-prod") { "" } else { "acme-7f31" };
        smith.role("/vendors/", "observability-vendor", policies::account(policies::VENDOR, external), &["ReadOnlyAccess"]);
    }
    match seat.name {
        "data-lake-prod" => {
            let data = format!("{}-data-access", seat.app);
            smith.role("/vendors/", "partner-export", policies::account(policies::VENDOR, ""), &[&data]);
        }
        "ci-cd" => {
            smith.role("/", "jenkins-agent", policies::service("ec2.amazonaws.com"), &["ci-launch-anything"]);
            smith.role("/", "release-orchestrator", policies::github(seat.id, "repo:acme-example/*"), &["ci-assume-anything"]);
        }
        "sandbox-research" | "payments-dev" => {
            // The payments team once let the build account in, and nobody shut the door behind it.
            let trust = match (seat.name, SEATS.iter().find(|s| s.name == "ci-cd")) {
                ("payments-dev", Some(build)) => policies::accounts(&[seat.id, build.id]),
                _ => policies::account(seat.id, ""),
            };
            let role = smith.role("/", "legacy-admin", trust, &[]);
            role.role_policy_list = vec![InlinePolicy {
                policy_name: "all".to_owned(),
                policy_document: policies::customer("full-admin", seat.app, seat.id),
            }];
        }
        "identity-prod" => {
            let editor = format!("{}-policy-editor", seat.app);
            let id = seat.id;
            let role = smith.role("/", "directory-sync", policies::service("lambda.amazonaws.com"), &[&editor]);
            role.permissions_boundary = Some(Boundary {
                permissions_boundary_type: "Policy".to_owned(),
                permissions_boundary_arn: format!("arn:aws:iam::{id}:policy/team-boundary"),
            });
        }
        _ => {}
    }
}

/// A role for machines, with its instance profile.
fn machine(smith: &mut Smith<'_>, name: &str) {
    let seat = &SEATS[smith.account];
    let data = format!("{}-data-access", seat.app);
    let mut attached = vec!["AmazonSSMManagedInstanceCore"];
    if name.ends_with("-api-instance") || name.ends_with("-worker-instance") {
        attached.push(&data);
    }
    if name.ends_with("-edge-instance") && seat.name == "payments-dev" {
        attached.push("AmazonS3FullAccess");
    }
    if name.ends_with("-runner-instance") {
        attached.push("ci-launch-anything");
    }
    let role = smith.role("/", name, policies::service("ec2.amazonaws.com"), &attached);
    role.instance_profile_list = vec![InstanceProfile {
        instance_profile_name: name.to_owned(),
        arn: format!("arn:aws:iam::{}:instance-profile/{name}", seat.id),
        ..InstanceProfile::default()
    }];
    role.tags = tags(&[("Team", seat.app)]);
}

/// A role for one part of an application; `round` counts them.
fn application(smith: &mut Smith<'_>, round: usize) {
    let seat = &SEATS[smith.account];
    let (kind, service, execution) = KINDS[(round / WORDS.len()) % KINDS.len()];
    let word = WORDS[(round * 7 + smith.account) % WORDS.len()];
    let turn = round / (WORDS.len() * KINDS.len());
    let suffix = if turn == 0 { String::new() } else { format!("-{turn}") };
    let own = format!("{}-{}", seat.app, ["data-access", "secrets-read", "queue-worker"][round % 3]);
    let name = format!("{}-{word}-{kind}{suffix}", seat.app);
    let role = smith.role("/", &name, policies::service(service), &[execution, &own]);
    role.tags = tags(&[("Team", if round.is_multiple_of(5) { "" } else { seat.app })]);
}
