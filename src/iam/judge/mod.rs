//! What an account's IAM deserves as findings: one row a rule, one judgement for each resource it holds of. Ids are
//! stable from collection to collection. Whether they are new, or gone, is told elsewhere.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::account::Account;
use super::center::is_aws_kept;
use super::facts::only_region;
use super::graph::{Graph, Power, Source};
use super::openings::Opening;
use crate::model::arn::ResourceRef;
use crate::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, SourceRef, Status};
use crate::model::principal::{AccessKey, CredentialRow, Identity, is_on};

/// A rule: what is judged and where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// `iam-key-old`
    pub id: &'static str,
    pub title: &'static str,
    pub severity: Severity,
    /// Clauses it serves: ISO/IEC 27001:2022 Annex A, NIS2 Art. 21(2), CIS AWS Foundations 3.0.
    pub refs: &'static [&'static str],
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $title:literal [$($clause:literal),*] $remedy:literal;)+) => {
        $(const $name: Rule =
            Rule { id: $id, title: $title, severity: Severity::$severity, refs: &[$($clause),*], remedy: $remedy };)+
        /// Every rule, in the order judgements come in.
        pub const RULES: &[Rule] = &[$($name),+];
    };
}

rules! {
    ROOT_KEY "iam-root-key" Critical "The root user has an access key" ["ISO A.8.2", "ISO A.5.17", "NIS2 21(2)(i)", "CIS 1.4"]
        "Delete the root user's access keys; give each machine a role.";
    ROOT_MFA "iam-root-mfa" Critical "The root user signs in without MFA" ["ISO A.8.2", "ISO A.5.17", "NIS2 21(2)(j)", "CIS 1.5"]
        "Register a hardware MFA device for the root user, or take its credentials away through central root access.";
    ROOT_USE "iam-root-used" High "The root user was used in the last 90 days" ["ISO A.8.2", "NIS2 21(2)(i)", "CIS 1.7"]
        "Find out who used it and for what; work through roles, and keep root for what only root can do.";
    KEY_OLD "iam-key-old" High "A long-lived access key is older than allowed" ["ISO A.5.17", "ISO A.5.18", "NIS2 21(2)(i)", "CIS 1.14"]
        "Rotate the key, or better replace it by a role or by the identity provider; then delete it.";
    KEY_LONG "iam-key-long-lived" Medium "A user signs requests with a long-lived access key" ["ISO A.5.17", "NIS2 21(2)(i)"]
        "Replace the key by a role (machines) or by sign-in through the identity provider (people).";
    KEY_UNUSED "iam-key-unused" Medium "An active access key was not used for 45 days" ["ISO A.5.18", "CIS 1.12"]
        "Deactivate the key, watch for a week, then delete it.";
    KEY_NEVER "iam-key-never-used" Medium "An active access key was never used" ["ISO A.5.18", "CIS 1.12"]
        "Delete the key.";
    TWO_KEYS "iam-key-two" Low "A user has two active access keys" ["ISO A.5.17", "CIS 1.13"]
        "Delete the older key once its rotation is over.";
    NO_MFA "iam-console-no-mfa" High "A user signs in to the console without MFA" ["ISO A.5.17", "NIS2 21(2)(j)", "CIS 1.10"]
        "Register an MFA device for the user, or remove the password and let the person sign in through the identity provider.";
    NOT_FEDERATED "iam-human-not-federated" Medium "A person signs in as an IAM user and not through the identity provider" ["ISO A.5.16", "NIS2 21(2)(i)", "CIS 1.21"]
        "Give the person access through the identity provider and remove the IAM user's password.";
    PASSWORD_UNUSED "iam-password-unused" Medium "A console password was not used for 45 days" ["ISO A.5.18", "CIS 1.12"]
        "Remove the console password.";
    BOTH "iam-user-human-and-machine" Medium "A user is both a person's and a machine's" ["ISO A.5.16", "CIS 1.11"]
        "Give the machine a role, delete the access key, and leave the user to the person.";
    USER_POLICY "iam-user-policy" Low "Policies are attached to a user and not to its groups" ["ISO A.5.15", "ISO A.5.18", "CIS 1.15"]
        "Move the policies to a group, or better to a role.";
    ADMINISTRATOR "iam-administrator" High "A principal has full administrative permissions" ["ISO A.8.2", "ISO A.5.15", "NIS2 21(2)(i)", "CIS 1.16"]
        "Give it the actions it uses: `bartizan iam unused` writes that policy; keep administrators few and behind MFA.";
    ESCALATION "iam-escalation" Critical "A principal can make itself an administrator" ["ISO A.8.2", "ISO A.5.18", "NIS2 21(2)(i)"]
        "Remove or narrow one of the statements on the way: `bartizan iam paths --from` names them.";
    PUBLIC_TRUST "iam-trust-public" Critical "Everyone can become a role" ["ISO A.5.15", "NIS2 21(2)(i)"]
        "Name the principals that may become the role, or delete it.";
    FOREIGN "iam-trust-foreign" Medium "A role trusts an account that is not in the organisation" ["ISO A.5.15", "ISO A.5.16", "NIS2 21(2)(i)"]
        "Confirm who owns the account; remove the trust where nobody answers for it.";
    EXTERNAL_ID "iam-trust-no-external-id" High "A role trusts another organisation's account without an external id" ["ISO A.5.15", "NIS2 21(2)(i)"]
        "Ask for sts:ExternalId in the trust, with a value that the other side makes for you.";
    OIDC_OPEN "iam-oidc-open" Critical "A role lets in pipelines or users of other organisations" ["ISO A.5.15", "ISO A.5.16", "NIS2 21(2)(i)"]
        "Add a condition on the token's subject that names your organisation and repository.";
    OIDC_WIDE "iam-oidc-wide" Medium "A role's trust in an identity provider is wider than one project" ["ISO A.5.15", "ISO A.5.16"]
        "Narrow the condition on the token's subject to one project and branch, and ask for the audience.";
    DELETED "iam-trust-deleted" Low "A role trusts a principal that was deleted" ["ISO A.5.18"]
        "Remove the deleted principal's id from the trust.";
    RESOURCE_PUBLIC "iam-resource-public" Critical "Everyone can use a resource by its policy" ["ISO A.5.15", "ISO A.8.3", "NIS2 21(2)(i)", "CIS 2.1.4"]
        "Name who may use it in its policy, or ask for aws:PrincipalOrgID; for buckets switch Block Public Access on.";
    RESOURCE_FOREIGN "iam-resource-foreign" Medium "A resource's policy lets in an account that is not in the organisation" ["ISO A.5.15", "ISO A.5.16", "NIS2 21(2)(i)"]
        "Confirm who owns the account and what it needs; remove the grant where nobody answers for it.";
    ROLE_UNUSED "iam-role-unused" Low "A role was not used for 90 days" ["ISO A.5.18"]
        "Delete the role, or note why it has to stay.";
    NO_BOUNDARY "iam-no-boundary" Low "A principal has no permissions boundary" ["ISO A.8.2"]
        "Attach the permissions boundary that the configuration asks for.";
    PASSWORD_POLICY "iam-password-policy" Medium "The password policy is weaker than it should be" ["ISO A.5.17", "CIS 1.8", "CIS 1.9"]
        "Ask for 14 characters and remember the last 24 passwords.";
    REPORT_STALE "iam-report-stale" Low "The credential report is missing or old" ["ISO A.5.18"]
        "Allow iam:GenerateCredentialReport and iam:GetCredentialReport; `bartizan permissions` prints the policy.";
}

/// One rule that holds of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub rule: Rule,
    /// Stable: the rule's id, the resource, and what tells several on one resource apart.
    pub key: String,
    /// ARN.
    pub resource: String,
    /// `user/jo`; for the root user `root`.
    pub principal: String,
    /// Where the resource stands; empty for IAM's own.
    pub region: String,
    /// What was seen, in one or two sentences.
    pub evidence: String,
}

impl Judgement {
    /// `detail` tells several of one resource apart.
    fn of(rule: Rule, resource: &str, detail: &str, evidence: String) -> Self {
        let principal = crate::model::arn::short(resource).to_owned();
        let key = if detail.is_empty() { format!("{}/{resource}", rule.id) } else { format!("{}/{resource}/{detail}", rule.id) };
        Self { rule, key, resource: resource.to_owned(), principal, region: String::new(), evidence }
    }

    /// As a finding of source `bartizan` in an account; `seen` is when what it was judged from was collected.
    pub fn finding(&self, account: &str, first_seen: Timestamp, seen: Timestamp) -> Finding {
        let rule = &self.rule;
        let key = FindingKey::of(&["bartizan", &self.key]);
        let resource = ResourceRef::new(self.resource.clone(), resource_kind(&self.resource));
        Finding {
            key,
            source: SourceRef { name: "bartizan".to_owned(), id: key.to_string() },
            also: Vec::new(),
            account: account.to_owned(),
            region: if self.region.is_empty() { home_region(&self.resource).to_owned() } else { self.region.clone() },
            control: rule.id.to_owned(),
            title: rule.title.to_owned(),
            description: self.evidence.clone(),
            severity: rule.severity,
            status: Status::New,
            record: RecordState::Active,
            compliance: Some(Compliance::Failed),
            verdict: None,
            resource,
            others: Vec::new(),
            types: rule.refs.iter().map(|c| format!("Software and Configuration Checks/{c}")).collect(),
            already: false,
            first_seen,
            updated: seen,
            remediation: rule.remedy.to_owned(),
            remediation_url: String::new(),
            document: json!({
                "id": key.to_string(),
                "control": {"id": rule.id, "title": rule.title, "requirements": rule.refs},
                "resource": self.resource,
                "evidence": self.evidence,
                "remedy": rule.remedy,
            })
            .to_string(),
        }
    }
}

/// ASFF's word for what an ARN names.
fn resource_kind(arn: &str) -> &'static str {
    match arn.split(':').nth(2) {
        Some("s3") => return "AwsS3Bucket",
        Some("kms") => return "AwsKmsKey",
        Some("sqs") => return "AwsSqsQueue",
        Some("sns") => return "AwsSnsTopic",
        Some("lambda") => return "AwsLambdaFunction",
        Some("secretsmanager") => return "AwsSecretsManagerSecret",
        Some("ecr") => return "AwsEcrRepository",
        _ => {}
    }
    match arn.rsplit(':').next().unwrap_or_default().split('/').next() {
        Some("user") => "AwsIamUser",
        Some("role") => "AwsIamRole",
        Some("root") => "AwsAccount",
        _ => "Other",
    }
}

/// Where IAM stands in the ARN's partition: global services report from one region.
fn home_region(arn: &str) -> &'static str {
    only_region("iam", arn.split(':').nth(1).unwrap_or_default()).unwrap_or_default()
}

/// What the judgement takes into account.
#[derive(Debug, Clone)]
pub struct Options {
    pub now: Timestamp,
    /// When AWS made the credential report, where that is known.
    pub report_made: Option<Timestamp>,
    pub key_max_days: i64,
    /// Whether every user and role that people made must have a boundary.
    pub boundary_required: bool,
    /// Whether an absent password policy means that there is none, and not that it was not read.
    pub password_policy_read: bool,
}

impl Options {
    pub fn new(now: Timestamp) -> Self {
        Self { now, report_made: None, key_max_days: 90, boundary_required: false, password_policy_read: false }
    }
}

/// Judges an account. Rules come in the order of [`RULES`], what they are about in the account's. What its resources' policies let in is told by
/// [`openings`].
pub fn judge(identity: &Identity, graph: &Graph<'_>, options: &Options) -> Vec<Judgement> {
    let mut judge = Judge { account: graph.account, graph, identity, options, found: Vec::new() };
    judge.credentials();
    judge.keys();
    judge.principals();
    judge.trust();
    judge.settings();
    let place = |j: &Judgement| RULES.iter().position(|r| r.id == j.rule.id);
    judge.found.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key)));
    judge.found.dedup_by(|a, b| a.key == b.key);
    judge.found
}

/// A principal that can make itself an administrator, by a way of these steps.
pub fn escalation(arn: &str, steps: &[String]) -> Judgement {
    Judgement::of(ESCALATION, arn, "", format!("{}.", steps.join("; then ")))
}

/// Whom resources' own policies let in from outside; one that lets in the public is told once.
pub fn openings(found: &[Opening]) -> Vec<Judgement> {
    let mut all: Vec<Judgement> = Vec::new();
    for Opening { arn, region, who, actions, statements } in found {
        let (mut rule, words) = (if who.is_public() { RESOURCE_PUBLIC } else { RESOURCE_FOREIGN }, who.words());
        if who.is_public() && arn.split(':').nth(2) != Some("s3") {
            // The benchmark speaks of buckets.
            rule.refs = &rule.refs[..rule.refs.len() - 1];
        }
        let more = match actions.len().saturating_sub(3) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let may = format!("{}{more}", actions.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "));
        let detail = if who.is_public() { "" } else { &words };
        let evidence = format!("Its policy ({}) lets {words} do {may}.", statements.join(", "));
        let judgement = Judgement { region: region.clone(), ..Judgement::of(rule, arn, detail, evidence) };
        if all.iter().all(|known| known.key != judgement.key) {
            all.push(judgement);
        }
    }
    all
}

struct Judge<'a> {
    account: &'a Account,
    graph: &'a Graph<'a>,
    identity: &'a Identity,
    options: &'a Options,
    found: Vec<Judgement>,
}

fn field<'a>(row: &'a CredentialRow, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn yes(row: &CredentialRow, key: &str) -> bool {
    is_on(row, key) == Some(true)
}

impl Judge<'_> {
    fn add(&mut self, rule: Rule, resource: &str, detail: &str, evidence: String) {
        self.found.push(Judgement::of(rule, resource, detail, evidence));
    }

    /// Days since a time; negative where it lies ahead.
    fn days(&self, at: Timestamp) -> i64 {
        (self.options.now.as_second() - at.as_second()).div_euclid(86_400)
    }

    fn time(row: &CredentialRow, key: &str) -> Option<Timestamp> {
        field(row, key).parse().ok()
    }

    fn credentials(&mut self) {
        let identity = self.identity;
        for row in &identity.credentials {
            let arn = field(row, "arn");
            let root = field(row, "user") == "<root_account>";
            let key_active = |n: u8| yes(row, &format!("access_key_{n}_active"));
            let password_used = Self::time(row, "password_last_used");
            if root {
                if key_active(1) || key_active(2) {
                    self.add(ROOT_KEY, arn, "", "The credential report shows an active access key of the root user.".into());
                }
                // Where central root access took its credentials away nobody signs in.
                let signs_in = is_on(row, "password_enabled") != Some(false) || key_active(1) || key_active(2);
                if signs_in && !yes(row, "mfa_active") {
                    self.add(ROOT_MFA, arn, "", "The credential report shows no MFA device of the root user.".into());
                }
                let used = ["password_last_used", "access_key_1_last_used_date", "access_key_2_last_used_date"];
                let last = used.iter().filter_map(|k| Self::time(row, k)).max();
                if let Some(days) = last.map(|t| self.days(t)).filter(|d| *d < 90) {
                    self.add(ROOT_USE, arn, "", format!("The root user was last used {days} days ago."));
                }
                continue;
            }
            let password = yes(row, "password_enabled");
            if !password {
                continue;
            }
            if !yes(row, "mfa_active") {
                self.add(NO_MFA, arn, "", "It has a console password and no MFA device.".into());
            }
            self.add(NOT_FEDERATED, arn, "", "It has a console password of its own.".into());
            if key_active(1) || key_active(2) {
                self.add(BOTH, arn, "", "It has a console password and an active access key.".into());
            }
            let since = password_used
                .or_else(|| Self::time(row, "password_last_changed"))
                .or_else(|| Self::time(row, "user_creation_time"));
            if let Some(days) = since.map(|t| self.days(t)).filter(|d| *d >= 45) {
                let what = if password_used.is_some() { "was last used" } else { "was never used; it was set" };
                self.add(PASSWORD_UNUSED, arn, "", format!("The console password {what} {days} days ago."));
            }
        }
    }

    /// The keys that the credential report tells of, where they were not listed themselves: it numbers them.
    fn told_keys(&self, row: &serde_json::Map<String, Value>) -> Vec<AccessKey> {
        let user = field(row, "user");
        if user == "<root_account>" || self.identity.access_keys.iter().any(|k| k.user_name == user) {
            return Vec::new();
        }
        let key = |n: u8| {
            let part = |name: &str| format!("access_key_{n}_{name}");
            let used = Self::time(row, &part("last_used_date"));
            let service =
                if used.is_some() { field(row, &part("last_used_service")) } else { field(row, &part("last_used_date")) };
            yes(row, &part("active")).then(|| AccessKey {
                user_name: user.to_owned(),
                access_key_id: n.to_string(),
                status: "Active".to_owned(),
                create_date: Self::time(row, &part("last_rotated")),
                last_used_date: used,
                last_used_service: service.to_owned(),
                ..AccessKey::default()
            })
        };
        [1, 2].into_iter().filter_map(key).collect()
    }

    fn keys(&mut self) {
        let mut of_user = std::collections::BTreeMap::<String, usize>::new();
        let identity = self.identity;
        let told = identity.credentials.iter().flat_map(|row| self.told_keys(row)).collect::<Vec<_>>();
        for key in identity.access_keys.iter().chain(&told) {
            if key.status != "Active" {
                continue;
            }
            let Some(user) = self.identity.users.iter().find(|u| u.user_name == key.user_name) else { continue };
            let (arn, id) = (user.arn.clone(), key.access_key_id.as_str());
            *of_user.entry(arn.clone()).or_default() += 1;
            let age = key.create_date.map(|t| self.days(t));
            match age {
                Some(days) if days > self.options.key_max_days => {
                    let limit = self.options.key_max_days;
                    self.add(KEY_OLD, &arn, id, format!("Key {id} is {days} days old; {limit} are allowed."));
                }
                Some(days) => self.add(KEY_LONG, &arn, id, format!("Key {id} is {days} days old.")),
                None => self.add(KEY_LONG, &arn, id, format!("Key {id} is active; its age is not known.")),
            }
            match (key.last_used_date, age) {
                (Some(used), _) if self.days(used) >= 45 => {
                    let days = self.days(used);
                    self.add(
                        KEY_UNUSED,
                        &arn,
                        id,
                        format!("Key {id} was last used {days} days ago, for {}.", key.last_used_service),
                    );
                }
                // AWS says N/A of one that was never used; where it said nothing, that was not read.
                (None, Some(days)) if days >= 1 && !key.last_used_service.is_empty() => {
                    self.add(KEY_NEVER, &arn, id, format!("Key {id} was created {days} days ago and never used."));
                }
                _ => {}
            }
        }
        for (arn, n) in of_user.into_iter().filter(|(_, n)| *n > 1) {
            self.add(TWO_KEYS, &arn, "", format!("{n} of its access keys are active."));
        }
    }

    fn principals(&mut self) {
        let escalations = self.graph.escalations();
        let powers = self.graph.powers();
        for (i, p) in self.account.principals.iter().enumerate() {
            let linked = p.path.starts_with("/aws-service-role/");
            if !p.is_role && p.own_policies > 0 {
                self.add(USER_POLICY, &p.arn, "", format!("{} policies are its own.", p.own_policies));
            }
            match powers[i] {
                Power::Administrator => {
                    let by = p.policies.iter().map(|i| self.account.policies[*i].name.as_str()).take(4).collect::<Vec<_>>();
                    self.add(ADMINISTRATOR, &p.arn, "", format!("Its policies: {}.", by.join(", ")));
                }
                Power::CanBecome => {
                    let sentences: Vec<String> = escalations[i]
                        .iter()
                        .flat_map(|path| &path.steps)
                        .filter_map(|s| Some(self.graph.sentence(&self.graph.edges()[*s.edges.first()?])))
                        .collect();
                    let found = escalation(&p.arn, &sentences);
                    self.found.push(found);
                }
                _ => {}
            }
            // Roles of permission sets go with those.
            if p.is_role && !is_aws_kept(&p.path) {
                let old = p.created.is_some_and(|t| self.days(t) >= 90);
                match p.last_used {
                    Some(used) if self.days(used) >= 90 => {
                        let days = self.days(used);
                        self.add(ROLE_UNUSED, &p.arn, "", format!("It was last used {days} days ago."));
                    }
                    // An answer that tells of last uses has an empty one for a role that was never used.
                    None if old && self.identity.roles.iter().any(|r| r.role_last_used.is_some()) => {
                        self.add(ROLE_UNUSED, &p.arn, "", "No use of it is on record within the tracking period.".into());
                    }
                    _ => {}
                }
            }
            if self.options.boundary_required && p.boundary.is_none() && !linked && !p.path.starts_with("/aws-reserved/") {
                self.add(NO_BOUNDARY, &p.arn, "", "It has no permissions boundary, and the configuration asks for one.".into());
            }
        }
    }

    fn trust(&mut self) {
        for t in self.graph.trusts() {
            let arn = self.account.principals[t.role].arn.clone();
            let who = match &t.source {
                Source::Everyone => "*".to_owned(),
                Source::Account { id, .. } | Source::Deleted { id } => id.clone(),
                Source::Principal { arn, .. } | Source::Saml { arn } | Source::Oidc { arn, .. } => arn.clone(),
                Source::Service { name } => name.clone(),
            };
            let mut by_rule: Vec<(Rule, Vec<String>)> = Vec::new();
            for weak in &t.weak {
                use super::graph::Weakness as W;
                let rule = match weak {
                    W::Public => PUBLIC_TRUST,
                    W::NoExternalId => EXTERNAL_ID,
                    W::UnknownAccount | W::PublicBySecret => FOREIGN,
                    W::DeletedPrincipal => DELETED,
                    weak if weak.is_open() => OIDC_OPEN,
                    W::NoSubject | W::Guests { .. } | W::AnyProject { .. } | W::WideSubject { .. } => OIDC_WIDE,
                    W::NoAudience | W::OnlyAudience => OIDC_WIDE,
                };
                match by_rule.iter_mut().find(|(r, _)| *r == rule) {
                    Some((_, why)) => why.push(weak.sentence()),
                    None => by_rule.push((rule, vec![weak.sentence()])),
                }
            }
            for (rule, why) in by_rule {
                let detail = format!("{who}/{}", t.statement.statement);
                self.add(rule, &arn, &detail, format!("It trusts {who}: {}.", why.join("; ")));
            }
        }
    }

    fn settings(&mut self) {
        let root = format!("arn:{}:iam::{}:root", self.account.partition(), self.account.id);
        match &self.identity.password_policy {
            None if self.options.password_policy_read => {
                self.add(PASSWORD_POLICY, &root, "", "The account has no password policy of its own.".into());
            }
            Some(policy) => {
                let number = |k: &str| policy.get(k).and_then(Value::as_i64);
                let mut weak = Vec::new();
                if number("MinimumPasswordLength").is_none_or(|n| n < 14) {
                    weak.push("passwords may be shorter than 14 characters");
                }
                if number("PasswordReusePrevention").is_none_or(|n| n < 24) {
                    weak.push("one of the last 24 passwords may be used again");
                }
                if !weak.is_empty() {
                    self.add(PASSWORD_POLICY, &root, "", format!("In the password policy {}.", weak.join(", and ")));
                }
            }
            None => {}
        }
        let stale = self.options.report_made.is_some_and(|t| self.days(t) > 7);
        if self.identity.credentials.is_empty() && !self.identity.users.is_empty() {
            self.add(REPORT_STALE, &root, "", "No credential report was read, so passwords and MFA are not judged.".into());
        } else if stale {
            self.add(REPORT_STALE, &root, "", "The credential report is older than a week.".into());
        }
    }
}

#[cfg(test)]
mod tests;
