//! What is wrong, risky or useless in a policy document, with its place.
//!
//! Facts come from `facts`, containment from `sets`; nothing is said of a document that needs an account to judge.

mod arns;
mod elements;
mod together;
mod trust;
mod values;
mod within;

use std::collections::HashSet;

use super::evaluate::Compiled;
use super::facts::{Action, Level, Service};
use super::grants::Actions;
use super::policy::json::MAX_BYTES;
use super::policy::{Effect, Element, Policy, PrincipalElement, Span, Statement, Version};
use super::sets::Set;
use super::sets::glob::{self, Glob, is_every_action};
pub(in crate::iam) use arns::odd_part;
pub use within::{Looked, look_over};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    Note,
    Warning,
    /// AWS refuses it, or it does not do what it says.
    Error,
}

impl Weight {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to say about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// Stable: `unknown-action`.
    pub id: &'static str,
    pub weight: Weight,
    pub span: Span,
    /// From 1.
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// What a policy is attached to, which decides its size limit and which elements it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Managed,
    InlineUser,
    InlineGroup,
    InlineRole,
    Trust,
    Scp,
    Rcp,
    Resource,
}

impl Kind {
    /// Characters without white space (AWS: "IAM and AWS STS quotas", "Quotas for AWS Organizations").
    pub const fn size_limit(self) -> usize {
        match self {
            Self::Managed => 6_144,
            Self::InlineUser => 2_048,
            Self::InlineGroup => 5_120,
            Self::InlineRole => 10_240,
            Self::Trust => 4_096,
            Self::Scp => 10_240,
            Self::Rcp => 5_120,
            Self::Resource => 20_480,
        }
    }
}

/// Characters of a trust policy, unless the account asked for more.
const TRUST_UNASKED: usize = 2_048;
/// Of a KMS key's policy ("KMS resource quotas").
const OF_A_KEY: usize = 32_768;
/// Services whose policies on resources speak of that one resource, whether or not they name it.
const OF_ITSELF: [&str; 2] = ["ecr:", "elasticfilesystem:"];

/// Whether all of the statements' actions begin so.
fn are_all<'s>(mut statements: impl Iterator<Item = &'s Statement>, beginnings: &[&str]) -> bool {
    let begins = |text: &str| beginnings.iter().any(|b| text.get(..b.len()).is_some_and(|t| t.eq_ignore_ascii_case(b)));
    statements.all(|s| !s.action.not && s.action.values.iter().all(|v| begins(&v.text)))
}

/// Actions that hand out what is kept: objects, rows, messages, secrets, images, code. The reference's level of reading says no
/// more than that nothing is changed.
const READS: &[&str] = &[
    "appconfig:GetConfiguration",
    "appconfig:GetLatestConfiguration",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "cassandra:Select",
    "codeartifact:GetPackageVersionAsset",
    "codeartifact:ReadFromRepository",
    "codecommit:GetBlob",
    "codecommit:GetFile",
    "codecommit:GitPull",
    "dax:BatchGetItem",
    "dax:GetItem",
    "dax:Query",
    "dax:Scan",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:PartiQLSelect",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ebs:GetSnapshotBlock",
    "ec2:GetPasswordData",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "elasticfilesystem:ClientMount",
    "es:ESHttpGet",
    "glacier:GetJobOutput",
    "healthlake:ReadResource",
    "kafka-cluster:ReadData",
    "kinesis:GetRecords",
    "kinesis:SubscribeToShard",
    "kinesisvideo:GetClip",
    "kinesisvideo:GetMedia",
    "kms:Decrypt",
    "lambda:GetFunction",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetLogRecord",
    "logs:GetQueryResults",
    "logs:StartLiveTail",
    "logs:Unmask",
    "neptune-db:ReadDataViaQuery",
    "neptune-graph:ReadDataViaQuery",
    "qldb:PartiQLSelect",
    "rds:DownloadCompleteDBLogFile",
    "rds:DownloadDBLogFilePortion",
    "s3-object-lambda:GetObject",
    "s3-outposts:GetObject",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3tables:GetTableData",
    "s3vectors:GetVectors",
    "s3vectors:QueryVectors",
    "sdb:GetAttributes",
    "sdb:Select",
    "secretsmanager:GetSecretValue",
    "sqs:ReceiveMessage",
    "ssm:GetParameter",
    "ssm:GetParameterHistory",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "timestream:Select",
];

/// Documents above this are only said to be too large; AWS itself keeps few that are larger.
const LARGEST: usize = 128 << 10;

/// Says what there is to say about a document, in its order.
pub fn lint(text: &str, kind: Kind) -> Vec<Lint> {
    let policy = match Policy::read(text) {
        Ok(policy) => policy,
        Err(e) => {
            let id = if text.len() > MAX_BYTES { "too-large" } else { "unreadable" };
            return vec![Lint { id, weight: Weight::Error, span: e.span, line: e.line, column: e.column, message: e.what }];
        }
    };
    let mut linter = Linter { kind, lints: Vec::new() };
    linter.document(&policy, text.chars().count());
    let mut lints = linter.lints;
    place(text, &mut lints);
    lints
}

/// Puts messages in the document's order and tells their lines and columns.
fn place(text: &str, lints: &mut [Lint]) {
    lints.sort_by_key(|l| (l.span.start, l.span.end, l.id));
    // A mark of byte order is no character of the document.
    let begin = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let (mut from, mut line, mut column) = (begin, 1, 1);
    for l in lints {
        let mut to = (l.span.start as usize).clamp(from, text.len());
        while !text.is_char_boundary(to) {
            to -= 1;
        }
        for c in text.get(from..to).unwrap_or_default().chars() {
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        from = to;
        (l.line, l.column) = (line, column);
    }
}

struct Linter {
    kind: Kind,
    lints: Vec<Lint>,
}

/// Messages on what a statement grants.
const GRANTS: [&str; 3] = ["grants-everything", "open-grant", "open-read"];

/// Pairs of statements whose resources are compared: what AWS takes has fewer.
const MOST_COMPARED: usize = 400;

impl Linter {
    fn say(&mut self, id: &'static str, weight: Weight, span: Span, message: impl Into<String>) {
        self.lints.push(Lint { id, weight, span, line: 0, column: 0, message: message.into() });
    }

    /// `written`: characters of the document as it stands.
    fn document(&mut self, policy: &Policy, written: usize) {
        let start = Span::default();
        match policy.version {
            Some(Version::V2012) => {}
            _ if self.kind == Kind::Rcp => {
                self.say("old-version", Weight::Error, start, "a resource control policy has Version 2012-10-17");
            }
            _ => self.say(
                "old-version",
                Weight::Warning,
                start,
                "without Version 2012-10-17 policy variables are plain text and newer features do not work",
            ),
        }
        let size = policy.size();
        let of_key = self.kind == Kind::Resource && are_all(policy.statements.iter(), &["kms:"]);
        let limit = if of_key { OF_A_KEY } else { self.kind.size_limit() };
        if size > limit {
            let message = format!("{size} characters without white space are more than the {limit} allowed");
            self.say("too-large", Weight::Error, start, message);
        } else if matches!(self.kind, Kind::Scp | Kind::Rcp) && written > limit {
            let message = format!(
                "{written} characters with white space are more than the {limit} allowed: AWS Organizations counts it, but for what \
                 its console takes out"
            );
            self.say("large", Weight::Warning, start, message);
        } else if self.kind == Kind::Trust && size > TRUST_UNASKED {
            let message =
                format!("{size} characters without white space are more than the {TRUST_UNASKED} that AWS takes unasked");
            self.say("large", Weight::Warning, start, message);
        }
        // Far above what any service takes: the rest is not worth the time it would take.
        if size > LARGEST {
            return;
        }
        if policy.statements.is_empty() {
            self.say("empty", Weight::Error, start, "the policy has no statement");
        }
        // What AWS takes is tried; the rest would take its time.
        let trust = (self.kind == Kind::Trust && size <= limit).then(|| Compiled::new("", "", policy.clone()));
        let mut sids = HashSet::new();
        for (i, s) in policy.statements.iter().enumerate() {
            if let Some(sid) = s.sid.as_ref().filter(|sid| !sid.text.is_empty()) {
                if !sids.insert(sid.text.clone()) {
                    self.say("repeated-sid", Weight::Error, sid.span, format!("the Sid {:?} stands twice", sid.text));
                }
                let plain = sid.text.bytes().all(|b| b.is_ascii_alphanumeric());
                if !plain && !matches!(self.kind, Kind::Resource | Kind::Trust) {
                    let message = "AWS refuses it: a Sid in such a policy has letters and digits only";
                    self.say("odd-sid", Weight::Error, sid.span, message);
                }
            }
            self.statement(s, policy.version == Some(Version::V2012));
            if let Some(trust) = &trust {
                self.tokens(trust, i);
            }
        }
        self.shadowed(policy);
        if !matches!(self.kind, Kind::Trust | Kind::Resource | Kind::Rcp) {
            self.widens_itself(policy);
        }
    }

    fn statement(&mut self, s: &Statement, variables: bool) {
        let identity = matches!(self.kind, Kind::Managed | Kind::InlineUser | Kind::InlineGroup | Kind::InlineRole | Kind::Scp);
        match (&s.principal, identity) {
            (Some(p), true) => {
                let message = if self.kind == Kind::Scp {
                    "a service control policy has no Principal: it speaks of everybody in the accounts that it is attached to"
                } else {
                    "a policy attached to an identity has no Principal; is it another's? Lint it with --kind trust or --kind resource"
                };
                self.say("needless-principal", Weight::Error, p.span, message);
            }
            (None, false) => {
                let message = match self.kind {
                    Kind::Rcp => "a statement of a resource control policy needs a Principal, which is \"*\"",
                    Kind::Trust => "a statement of a role's trust policy needs a Principal",
                    _ => "a statement of a resource's policy needs a Principal",
                };
                self.say("no-principal", Weight::Error, s.span, message);
            }
            _ => {}
        }
        match (&s.resource, self.kind) {
            (None, Kind::Trust) => {}
            (None, Kind::Resource) if are_all(std::iter::once(s), &OF_ITSELF) => {}
            (None, _) => self.say("no-resource", Weight::Error, s.span, "the statement needs a Resource or a NotResource"),
            (Some(r), Kind::Trust) => {
                let span = r.values.first().map_or(s.span, |v| v.span);
                self.say("needless-resource", Weight::Error, span, "a role's trust policy has no Resource: it is the role");
            }
            _ => {}
        }
        if self.kind == Kind::Rcp {
            if s.action.not {
                let span = s.action.values.first().map_or(s.span, |v| v.span);
                self.say("rcp-not-action", Weight::Error, span, "a resource control policy has Action, not NotAction");
            }
            let everyone = |p: &PrincipalElement| !p.not && p.principals.iter().all(|p| p.value.text == "*");
            if s.effect == Effect::Allow {
                self.say("rcp-allow", Weight::Error, s.span, "a resource control policy of one's own can only deny");
            }
            if let Some(p) = s.principal.as_ref().filter(|p| !everyone(p)) {
                self.say(
                    "rcp-principal",
                    Weight::Error,
                    p.span,
                    "a resource control policy speaks of everyone: Principal is \"*\"",
                );
            }
        }
        if s.action.not && s.effect == Effect::Allow && self.kind != Kind::Scp {
            let span = s.action.values.first().map_or(s.span, |v| v.span);
            self.say(
                "allow-not-action",
                Weight::Warning,
                span,
                "Allow with NotAction grants every action that is not named, new ones too",
            );
        }
        if s.resource.as_ref().is_some_and(|r| r.not) && s.effect == Effect::Allow {
            self.say(
                "allow-not-resource",
                Weight::Warning,
                s.span,
                "Allow with NotResource grants every resource that is not named, new ones too",
            );
        }
        if let Some(p) = s.principal.as_ref().filter(|p| p.not) {
            let allow = s.effect == Effect::Allow;
            let (weight, message) = if allow {
                (Weight::Error, "Allow with NotPrincipal grants everyone who is not named, the anonymous too")
            } else {
                (Weight::Warning, "NotPrincipal needs account, role and session listed; aws:PrincipalArn in a condition is safer")
            };
            self.say("not-principal", weight, p.span, message);
        }
        for empty in [Some(&s.action), s.resource.as_ref()].into_iter().flatten().filter(|e| e.values.is_empty()) {
            let message = if empty.not {
                "an empty list excludes nothing"
            } else {
                "an empty list names nothing: the statement does nothing"
            };
            self.say("useless", Weight::Error, s.span, message);
        }
        self.principals(s);
        if self.kind == Kind::Trust {
            self.trusted(s);
        }
        let actions = self.actions(&s.action);
        self.resources(s, &actions, variables);
        self.conditions(s, &actions, variables);
        self.wildcards(s, &actions);
    }

    fn wildcards(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)]) {
        if s.effect != Effect::Allow || s.action.not || matches!(self.kind, Kind::Scp | Kind::Trust) {
            return;
        }
        // On a resource * is the resource; what is open there is who comes.
        if self.kind == Kind::Resource {
            let everyone = |p: &&PrincipalElement| !p.not && p.principals.iter().any(|p| p.value.text == "*");
            if let Some(p) = s.principal.as_ref().filter(everyone).filter(|_| s.conditions.is_empty()) {
                let message = "everyone is let in, with an AWS account or without: name those who may, or add a condition";
                self.say("open-policy", Weight::Warning, p.span, message);
            }
            return;
        }
        // Of a service's resources, or of all services'.
        let everywhere = |service: &str| {
            let values = s.resource.iter().filter(|r| !r.not).flat_map(|r| &r.values);
            values.into_iter().any(|v| is_everything(&v.text, service))
        };
        if !s.conditions.is_empty() {
            return;
        }
        let span = s.action.values.first().map_or(s.span, |v| v.span);
        if s.action.values.iter().any(|v| is_every_action(&v.text)) && everywhere("") {
            return self.say("grants-everything", Weight::Warning, span, "grants every action on every resource");
        }
        let reads = |service: &Service, a: &Action| {
            matches!(a.level, Level::Read | Level::Write)
                && READS.binary_search(&format!("{}:{}", service.prefix, a.name).as_str()).is_ok()
        };
        let mut open: [Vec<String>; 3] = std::array::from_fn(|_| Vec::new());
        for (service, a) in actions.iter().filter(|(service, a)| !a.resources.is_empty() && everywhere(service.prefix)) {
            let of = match a.level {
                Level::PermissionsManagement => 0,
                // Decrypting is a way to read, though AWS counts it among the writes.
                _ if reads(service, a) => 2,
                Level::Write => 1,
                _ => continue,
            };
            open[of].push(format!("{}:{}", service.prefix, a.name));
        }
        let kinds = [
            ("open-grant", Weight::Warning, "permissions management ", ""),
            ("open-grant", Weight::Note, "write ", ""),
            ("open-read", Weight::Note, "", " that read data or secrets"),
        ];
        for ((id, weight, before, behind), open) in kinds.into_iter().zip(open).filter(|(_, open)| !open.is_empty()) {
            let shown = open.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let more = if open.len() > 3 { ", …" } else { "" };
            let what = match open.len() {
                1 => format!("1 {before}action{}", behind.replace("read", "reads")),
                n => format!("{n} {before}actions{behind}"),
            };
            self.say(id, weight, span, format!("grants {what} on every resource that could name one: {shown}{more}"));
        }
    }

    /// Statements that another of the same effect covers, or that an open Deny makes useless.
    fn shadowed(&mut self, policy: &Policy) {
        // The comparison of each with each; AWS's size limits keep the count small.
        if policy.statements.len() > 60 {
            return;
        }
        let named: Vec<Actions> = policy.statements.iter().map(|s| Actions::named(&s.action)).collect();
        let (mut compared, mut told) = (0, Vec::with_capacity(named.len()));
        for (i, s) in policy.statements.iter().enumerate() {
            if s.principal.is_some() || named[i].is_empty() {
                told.push(false);
                continue;
            }
            let wider = policy.statements.iter().enumerate().find(|(j, o)| {
                *j != i
                    && (o.effect == s.effect || o.effect == Effect::Deny)
                    && o.principal.is_none()
                    && (o.conditions.is_empty() || o.effect == s.effect && o.conditions == s.conditions)
                    && named[i].within(&named[*j])
                    && {
                        compared += 1;
                        compared <= MOST_COMPARED
                    }
                    && covers(o.resource.as_ref(), s.resource.as_ref())
                    && !(covers(s.resource.as_ref(), o.resource.as_ref())
                        && named[i] == named[*j]
                        && *j > i
                        && (o.effect, &o.conditions) == (s.effect, &s.conditions))
            });
            told.push(wider.is_some());
            if let Some((j, o)) = wider {
                let label = o.label(j);
                let message = if o.effect == s.effect {
                    format!("{label} covers this statement")
                } else {
                    // It grants nothing after all.
                    let inside = |span: Span| s.span.start <= span.start && span.end <= s.span.end;
                    self.lints.retain(|l| !(GRANTS.contains(&l.id) && inside(l.span)));
                    format!("{label} denies all of it")
                };
                self.say("shadowed", Weight::Warning, s.span, message);
            }
        }
        self.covered_together(policy, &named, told);
    }
}

/// Whether a pattern of ARNs is every resource of a service, of all services where none is named.
fn is_everything(pattern: &str, service: &str) -> bool {
    let wild = |part: &str| !part.is_empty() && part.bytes().all(|b| b == b'*');
    match glob::split(pattern) {
        None => wild(pattern),
        Some([arn, partition, of, region, account, name]) => {
            let any = |part: &str| part.is_empty() || wild(part);
            let is_service = wild(of) || !service.is_empty() && Glob::new(of).matches(service);
            (arn == "arn" || wild(arn)) && !partition.is_empty() && is_service && any(region) && any(account) && wild(name)
        }
    }
}

/// Whether one resource element names all that the other does, for certain.
fn covers(wide: Option<&Element>, narrow: Option<&Element>) -> bool {
    let (Some(wide), Some(narrow)) = (wide, narrow) else { return wide.is_none() && narrow.is_none() };
    if wide == narrow {
        return true;
    }
    if wide.not || narrow.not || wide.values.len() * narrow.values.len() > 400 {
        return false;
    }
    if wide.values.iter().any(|v| v.text == "*") {
        return true;
    }
    let plain = |e: &Element| e.values.iter().all(|v| !v.text.contains("${"));
    if !plain(wide) || !plain(narrow) {
        return false;
    }
    let set = |e: &Element| Set::union(e.values.iter().map(|v| Set::resource(&v.text)));
    set(wide).covers(&set(narrow)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(statements: &str) -> Vec<&'static str> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        lint(&text, Kind::Managed).into_iter().map(|l| l.id).collect()
    }

    #[test]
    fn policies_on_resources_speak_of_that_one() {
        let on = |statement: &str| -> Vec<&'static str> {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            lint(&text, Kind::Resource).into_iter().map(|l| l.id).collect()
        };
        let key = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;
        assert_eq!(on(key), [""; 0]);
        let repository = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"ecr:BatchGetImage"}"#;
        assert_eq!(on(repository), [""; 0]);
        assert_eq!(on(&repository.replace("ecr:BatchGetImage", "s3:GetObject")), ["no-resource"]);
        let open = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
        assert_eq!(on(open), ["open-policy"]);
        let tls = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
        assert_eq!(on(tls), [""; 0]);
    }

    #[test]
    fn each_message_with_its_fixture() {
        let on = |action: &str, rest: &str| ids(&format!(r#"{{"Effect":"Allow","Action":{action},{rest}}}"#));
        let weighed = |action: &str, rest: &str| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{action},{rest}}}}}"#);
            lint(&text, Kind::Managed).into_iter().map(|l| (l.id, l.weight)).collect::<Vec<_>>()
        };
        let bucket = r#""Resource":"arn:aws:s3:::b/*""#;
        assert_eq!(on(r#""s3:GetObject""#, bucket), [""; 0]);
        assert_eq!(on(r#""s3:GetObjekt""#, bucket), ["unknown-action"]);
        assert_eq!(on(r#""s3:GetObject ""#, bucket), ["unknown-action"]);
        assert_eq!(on(r#""s4:GetObject""#, bucket), ["unknown-service"]);
        // A wildcard is meant for those of its actions that fit.
        assert_eq!(on(r#"["s3:GetObject","s3:Get*"]"#, bucket), ["covered"]);
        assert_eq!(on(r#"["s3:GetObject","s3:ListBucket"]"#, bucket)[0..1], ["action-mismatch"][..]);
        let rest = r#"{"Effect":"Allow","Action":"apigateway:GET","Resource":"arn:aws:apigateway:eu-west-1::/restapis/*"}"#;
        assert_eq!(ids(rest), [""; 0]);
        assert!(on(r#"["s3:GetObject","s3:GetObj*"]"#, bucket).contains(&"covered"));
        assert!(on(r#""sqs:SendMessage""#, bucket).contains(&"useless"));
        // What names nothing does nothing; beside what there is, it is a slip.
        assert_eq!(weighed(r#""s3:GetObjekt""#, bucket), [("unknown-action", Weight::Error)]);
        assert_eq!(weighed(r#""s4:GetObject""#, bucket), [("unknown-service", Weight::Error)]);
        assert_eq!(weighed(r#"["s3:GetObject","s3:GetObjekt"]"#, bucket), [("unknown-action", Weight::Warning)]);
        assert_eq!(
            weighed(r#""s3:GetObject""#, r#""Sid":"has space-","Resource":"arn:aws:s3:::b/*""#),
            [("odd-sid", Weight::Error)]
        );
        // A bucket's name has no slash.
        assert_eq!(
            weighed(r#"["s3:ListBucket","s3:PutBucketPolicy"]"#, bucket),
            [("useless", Weight::Error), ("resource-mismatch", Weight::Warning)]
        );
        for named in ["arn:aws:s3:::b", "arn:aws:s3:::b*", "arn:aws:s3:::*"] {
            assert_eq!(on(r#""s3:ListBucket""#, &format!(r#""Resource":"{named}""#)), [""; 0], "{named}");
        }
        // AWS's walkthrough for buckets allows the list of all buckets so.
        let every = r#""Resource":"arn:aws:s3:::*""#;
        assert_eq!(on(r#"["s3:ListAllMyBuckets","s3:GetBucketLocation"]"#, every), [""; 0]);
        assert!(on(r#""s3:ListAllMyBuckets""#, r#""Resource":"arn:aws:s3:::b""#).contains(&"useless"));
        assert_eq!(on(r#""s3:GetObject""#, r#""Resource":"my-bucket""#), ["no-arn"]);
        assert_eq!(on(r#""*""#, r#""Resource":"*""#), ["grants-everything"]);
        assert_eq!(on(r#""iam:PassRole""#, r#""Resource":"*""#), ["open-grant"]);
        assert_eq!(
            on(r#""s3:GetObject""#, r#""Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:Foo":"x"}}"#),
            ["unknown-key"]
        );
        assert_eq!(
            on(r#""s3:GetObject""#, r#""Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:PrincipalTag/x":"y*"}}"#),
            ["literal-star"]
        );
        assert_eq!(ids("[]"), ["empty"]);
        assert_eq!(
            ids(
                r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/k"},{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]"#
            ),
            ["shadowed"]
        );
        assert_eq!(
            ids(
                r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/k"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]"#
            ),
            ["shadowed"]
        );
    }

    #[test]
    fn values_principals_and_patterns_are_looked_over() {
        let under = |effect: &str, condition: &str| {
            ids(&format!(
                r#"{{"Effect":"{effect}","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{condition}}}"#
            ))
        };
        let on = |condition: &str| under("Allow", condition);
        assert_eq!(on(r#"{"Bool":{"aws:SecureTransport":"yes"}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"Null":{"aws:SourceVpce":"vpce-1"}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","10.0.0/8"]}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":"1h"}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"ArnLike":{"aws:PrincipalArn":"role/x"}}"#), ["unfit-value"]);
        assert_eq!(on(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}"#), [""; 0]);
        assert_eq!(on(r#"{"IpAddress":{"aws:RequestedRegion":"10.0.0.0/8"}}"#), ["operator-type"]);
        assert_eq!(on(r#"{"StringLike":{"aws:SourceIp":"10.*"}}"#), ["operator-type"]);
        assert_eq!(on(r#"{"NumericLessThan":{"aws:username":"5"}}"#), ["operator-type"]);
        assert_eq!(on(r#"{"StringLike":{"aws:PrincipalOrgPaths":"o-1/*"}}"#), ["set-operator"]);
        assert_eq!(on(r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgID":"o-1*"}}"#), ["set-operator"]);
        assert_eq!(on(r#"{"Bool":{"aws:SecureTransport":["true","false"]}}"#), ["useless"]);
        assert_eq!(on(r#"{"StringEquals":{"aws:username":"j?"}}"#), ["literal-star"]);
        assert_eq!(on(r#"{"StringEquals":{"aws:username":"j${?}${*}"}}"#), [""; 0]);
        assert_eq!(on(r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-1/*"}}"#), [""; 0]);
        assert_eq!(on(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), ["private-address"]);
        assert_eq!(on(r#"{"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","fd00::/8"]}}"#), ["private-address"]);
        for fine in ["10.0.0.0/7", "172.32.0.0/16", "203.0.113.0/24", "2001:db8::/32"] {
            assert_eq!(on(&format!(r#"{{"IpAddress":{{"aws:SourceIp":"{fine}"}}}}"#)), [""; 0], "{fine}");
        }
        assert_eq!(on(r#"{"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}"#), [""; 0]);
        assert_eq!(on(r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":"${aws:username}"}}"#), ["unfit-variable"]);
        assert_eq!(on(r#"{"StringEquals":{"aws:PrincipalTag/a":"${aws:usrname}"}}"#), ["unknown-variable"]);
        assert_eq!(on(r#"{"ArnLike":{"aws:PrincipalArn":"arn:awz:iam::*:role/x"}}"#), ["odd-arn"]);
        assert_eq!(on(r#"{"StringLike":{"aws:username":"a","aws:UserName":"b"}}"#), ["repeated-key"]);
        // Keys of the service that requests for the action do not carry.
        assert_eq!(on(r#"{"StringLike":{"s3:prefix":"home/*"}}"#), ["idle-key"]);
        assert_eq!(on(r#"{"StringEquals":{"aws:RequestTag/team":"red"}}"#), ["idle-key"]);
        assert_eq!(on(r#"{"StringEqualsIfExists":{"aws:RequestTag/team":"red"}}"#), [""; 0]);
        let machines = |action: &str| {
            let statement = format!(
                r#"{{"Effect":"Allow","Action":"ec2:{action}","Resource":"arn:aws:ec2:*:*:instance/*",
                    "Condition":{{"StringEquals":{{"aws:RequestTag/team":"a"}}}}}}"#
            );
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            lint(&text, Kind::Managed).into_iter().map(|l| l.id).collect::<Vec<_>>()
        };
        assert!(machines("StopInstances").contains(&"idle-key") && !machines("RunInstances").contains(&"idle-key"));
        assert_eq!(on(r#"{"StringEquals":{"s3:ExistingObjectTag/team":"red"}}"#), [""; 0]);
        assert_eq!(on(r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}"#), ["mfa-pattern"]);
        assert_eq!(on(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#), [""; 0]);
        assert_eq!(under("Deny", r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#), ["mfa-pattern"]);
        assert_eq!(under("Deny", r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#), [""; 0]);
        // Who covers whom does not depend on who comes first.
        let read = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
        let denied = read.replace("Allow", "Deny");
        let asking = read.replace("\"Resource\"", r#""Condition":{"Bool":{"aws:SecureTransport":"true"}},"Resource""#);
        for (one, other) in [(read, denied.as_str()), (asking.as_str(), read), (read, read)] {
            for pair in [format!("[{one},{other}]"), format!("[{other},{one}]")] {
                assert_eq!(ids(&pair), ["shadowed"], "{pair}");
            }
        }
        for (action, resource, said) in [
            ("*", "arn:aws:*:*:*:*", "grants-everything"),
            ("**", "*", "grants-everything"),
            ("iam:PutUserPolicy", "arn:aws:iam::*:*", "open-grant"),
        ] {
            let wide = format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#);
            assert!(ids(&wide).contains(&said), "{wide}: {:?}", ids(&wide));
        }
        let narrow = r#"{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"arn:aws:iam::*:user/*"}"#;
        assert_eq!(ids(narrow), [""; 0]);
        let short = r#"{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs"}"#;
        assert_eq!(ids(short), ["short-arn"]);
        let widens = r#"[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]"#;
        assert!(ids(widens).contains(&"widens-itself"), "{:?}", ids(widens));
        let trusted = |principal: &str| -> Vec<&'static str> {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}}}"#
            );
            lint(&text, Kind::Trust).into_iter().map(|l| l.id).collect()
        };
        for nobody in [
            r#"{"AWS":"arn:aws:iam::111122223333:role/*"}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:group/admins"}"#,
            r#"{"AWS":"jo"}"#,
            r#"{"AWS":"arn:aws:iam::1111:user/jo"}"#,
            r#"{"AWS":"arn:awz:iam::111122223333:user/jo"}"#,
            r#"{"Service":"ec2.amazon.com"}"#,
            r#"{"Service":"lambda"}"#,
            r#"{"Federated":"token.actions.githubusercontent.com"}"#,
            r#"{"CanonicalUser":"jo"}"#,
        ] {
            assert_eq!(trusted(nobody), ["odd-principal"], "{nobody}");
        }
        for somebody in [
            r#"{"AWS":["111122223333","arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/a/jo"]}"#,
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#,
            r#"{"Service":["ec2.amazonaws.com","edgelambda.amazonaws.com","ec2.amazonaws.com.cn"]}"#,
        ] {
            assert_eq!(trusted(somebody), [""; 0], "{somebody}");
        }
        for service in ["lamda", "ecs-task", "codebiuld.eu-west-1", "cloudformations", "dynamod"] {
            assert_eq!(trusted(&format!(r#"{{"Service":"{service}.amazonaws.com"}}"#)), ["odd-principal"], "{service}");
        }
        // Services that have no actions of their name, or are called differently there.
        for service in [
            "airflow-env",
            "batchoperations.s3",
            "billingconsole",
            "build.apprunner",
            "channels.lex",
            "cloudtrail",
            "config-multiaccountsetup",
            "config-conforms",
            "custom-resource.cloudformation",
            "delivery.logs",
            "diode",
            "ec2.application-autoscaling",
            "ec2scheduled",
            "ecs.application-autoscaling",
            "eks-connector",
            "eks-fargate",
            "email.cognito-idp",
            "events",
            "hooks.cloudformation",
            "inspector2",
            "iotthingsgraph",
            "lex.channels",
            "lexv2",
            "loadbalancing",
            "logs.eu-west-1",
            "macie",
            "malware-protection-plan.guardduty",
            "management.chatbot",
            "member.org.stacksets.cloudformation",
            "monitoring.rds",
            "networkflowmonitor",
            "ops.apigateway",
            "ops.emr-serverless",
            "opsworks-cm",
            "osis-pipelines",
            "pods.eks",
            "private-networks",
            "purchaseorders",
            "rds-application",
            "reachabilityanalyzer.networkinsights",
            "replicator.lambda",
            "replication.dynamodb",
            "resources.cloudformation",
            "robomaker",
            "s3-object-lambda",
            "serverlessrepo",
            "ssm-incidents",
            "ssm-quicksetup",
            "stacksets.cloudformation",
            "states.eu-west-1",
            "storage-lens.s3",
            "streams.metrics.cloudwatch",
            "streaming.personalize",
            "tasks.apprunner",
            "tagpolicies.tag",
            "topic.sns",
            "trainingjob.personalize",
            "transitgateway",
            "vpc-lattice",
            "worklink",
            "worker.nimble",
            "maintenance.elasticache",
        ] {
            assert_eq!(trusted(&format!(r#"{{"Service":"{service}.amazonaws.com"}}"#)), [""; 0], "{service}");
        }
        assert_eq!(trusted(r#"{"AWS":["111122223333","AROAEXAMPLEEXAMPLE"]}"#), ["deleted-principal"]);
        for federated in ["cognito-identity.amazonaws.com", "arn:aws:iam::111122223333:saml-provider/corp"] {
            let said = trusted(&format!(r#"{{"Federated":"{federated}"}}"#));
            assert!(!said.contains(&"odd-principal") && said.contains(&"mismatched-action"), "{federated}: {said:?}");
        }
    }

    #[test]
    fn reads_of_data_on_everything_are_noted() {
        assert!(READS.is_sorted());
        for name in READS {
            let (_, action) = super::super::facts::facts().action(name).unwrap_or_else(|| panic!("{name}"));
            assert!(!action.resources.is_empty(), "{name}");
        }
        let said = |action: &str, resource: &str| {
            let statement = format!(r#"{{"Effect":"Allow","Action":{action},"Resource":"{resource}"}}"#);
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            lint(&text, Kind::Managed).into_iter().map(|l| (l.id, l.weight, l.message)).collect::<Vec<_>>()
        };
        for (action, resource, message) in [
            (
                r#""s3:GetObject""#,
                "*",
                "grants 1 action that reads data or secrets on every resource that could name one: s3:GetObject",
            ),
            (
                r#"["kms:Decrypt","secretsmanager:GetSecretValue","ssm:Describe*"]"#,
                "*",
                "grants 2 actions that read data or secrets on every resource that could name one: kms:Decrypt, \
                 secretsmanager:GetSecretValue",
            ),
            (
                r#""s3:GetObject""#,
                "arn:aws:s3:::*",
                "grants 1 action that reads data or secrets on every resource that could name one: s3:GetObject",
            ),
        ] {
            assert_eq!(said(action, resource), [("open-read", Weight::Note, message.to_owned())], "{action}");
        }
        assert_eq!(said(r#"["s3:GetBucketPolicy","dynamodb:DescribeTable","sqs:GetQueueAttributes"]"#, "*"), []);
        assert_eq!(said(r#""s3:GetObject""#, "arn:aws:s3:::b/*"), []);
    }

    #[test]
    fn arns_that_miss_their_account_name_nothing() {
        let lambda = |arn: &str| ids(&format!(r#"{{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"{arn}"}}"#));
        assert_eq!(lambda("arn:aws:lambda:eu-west-1::function:f"), ["useless", "resource-mismatch"]);
        assert_eq!(lambda("arn:aws:lambda:eu-west-1:*:function:f"), [""; 0]);
        assert_eq!(lambda("arn:aws:lambda:${aws:RequestedRegion}:111122223333:function:f"), [""; 0]);
        // AWS's own images and documents stand in none.
        let image = r#"{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:eu-west-1::image/ami-1"}"#;
        assert_eq!(ids(image), [""; 0]);
        let document = image.replace("ec2:RunInstances", "ssm:GetDocument");
        assert_eq!(ids(&document.replace("ec2:eu-west-1::image/ami-1", "ssm:*::document/AWS-StartSSHSession")), [""; 0]);
    }

    #[test]
    fn an_apis_own_policy_may_name_its_paths() {
        let on = |kind: Kind, resource: &str| -> Vec<&'static str> {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"111122223333"}},
                   "Action":"execute-api:Invoke","Resource":"{resource}"}}}}"#
            );
            lint(&text, kind).into_iter().map(|l| l.id).collect()
        };
        for short in ["execute-api:/*", "execute-api:/prod/GET/pets", "arn:aws:execute-api:eu-west-1:111122223333:a1/*/*/*"] {
            assert_eq!(on(Kind::Resource, short), [""; 0], "{short}");
        }
        assert!(on(Kind::Managed, "execute-api:/*").contains(&"no-arn"));
        assert_eq!(on(Kind::Resource, "execute-api"), ["no-arn"]);
    }

    #[test]
    fn whole_arns_may_be_compared_as_texts() {
        let on = |condition: &str| {
            let boundary = r#""Action":"iam:CreateRole","Resource":"arn:aws:iam::111122223333:role/app/*""#;
            ids(&format!(r#"{{"Effect":"Allow",{boundary},"Condition":{condition}}}"#))
        };
        let key = "iam:PermissionsBoundary";
        assert_eq!(on(&format!(r#"{{"StringEquals":{{"{key}":"arn:aws:iam::111122223333:policy/limit"}}}}"#)), [""; 0]);
        assert_eq!(on(&format!(r#"{{"StringLike":{{"{key}":"arn:aws:iam::*:policy/limit"}}}}"#)), ["operator-type"]);
    }

    #[test]
    fn a_principal_out_of_place_is_told_with_what_it_is_in() {
        let says = |kind: Kind| {
            let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
            let said = lint(text, kind).into_iter().find(|l| l.id == "needless-principal");
            said.map(|l| l.message).unwrap_or_default()
        };
        assert!(says(Kind::Scp).starts_with("a service control policy has no Principal"), "{}", says(Kind::Scp));
        assert!(says(Kind::InlineRole).contains("--kind trust or --kind resource"), "{}", says(Kind::InlineRole));
        assert_eq!(says(Kind::Rcp), "");
    }

    #[test]
    fn messages_point_into_the_text() {
        let text = "{\"Version\":\"2012-10-17\",\n \"Statement\":[{\"Effect\":\"Allow\",\n  \"Action\":\"s3:GetObjekt\",\"Resource\":\"*\"}]}";
        let lints = lint(text, Kind::Managed);
        assert_eq!((lints[0].line, lints[0].column), (3, 12));
        assert!(lints[0].message.contains("did you mean s3:GetObject?"), "{}", lints[0].message);
        let broken = lint("{\"Version\":\"2012-10-17\",\n\"Statement\":[", Kind::Managed);
        assert_eq!((broken[0].id, broken[0].line), ("unreadable", 2));
    }

    #[test]
    fn resource_control_policies_are_as_aws_takes_them() {
        let said = |version: &str, action: &str, padding: usize| -> Vec<&'static str> {
            let pad = " ".repeat(padding);
            let text = format!(
                r#"{{"Version":"{version}",{pad}"Statement":{{"Effect":"Deny","Principal":"*",{action},"Resource":"*","Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}}}"#
            );
            lint(&text, Kind::Rcp).into_iter().map(|l| l.id).collect()
        };
        assert_eq!(said("2012-10-17", r#""Action":"s3:*""#, 0), [""; 0]);
        assert_eq!(said("2008-10-17", r#""Action":"s3:*""#, 0), ["old-version"]);
        assert_eq!(said("2012-10-17", r#""NotAction":"s3:GetObject""#, 0), ["rcp-not-action"]);
        assert_eq!(said("2012-10-17", r#""Action":"s3:*""#, 5_120), ["large"]);
    }

    #[test]
    fn size_limits() {
        let actions: Vec<String> = (0..400).map(|i| format!("\"s3:GetObject{i}\"")).collect();
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
            actions.join(",")
        );
        assert!(lint(&text, Kind::Managed).iter().any(|l| l.id == "too-large"));
        assert!(!lint(&text, Kind::InlineRole).iter().any(|l| l.id == "too-large"));
    }
}
