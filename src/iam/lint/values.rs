//! What is compared in conditions, and who is named: values and keys of the operator's type, patterns that do not do what
//! they say, principals that are nobody.

use std::net::IpAddr;

use super::arns::is_partition;
use super::elements::distance;
use super::trust::WEB_IDENTITIES;
use super::{Linter, Weight};
use crate::iam::evaluate::fits_operator;
use crate::iam::facts::keys::kind_of;
use crate::iam::facts::{Action, Service, facts, is_service};
use crate::iam::grants::Actions;
use crate::iam::policy::{Compare, Condition, Effect, Policy, PrincipalKind, Quantifier, Statement};

impl Linter {
    /// Whether a condition compares what can be compared.
    pub(super) fn values(
        &mut self,
        s: &Statement,
        c: &Condition,
        actions: &[(&'static Service, &'static Action)],
        variables: bool,
    ) {
        let text = matches!(
            c.operator.compare,
            Compare::StringEquals | Compare::StringEqualsIgnoreCase | Compare::StringLike | Compare::Arn
        );
        for value in c.values.iter().filter(|_| variables) {
            self.variables(value);
            if value.text.contains("${") && value.text.contains('}') && !text {
                let message =
                    format!("{} takes no policy variables: only texts and ARNs are compared with them", c.operator.name());
                self.say("unfit-variable", Weight::Error, value.span, message);
            }
        }
        for value in c.values.iter().filter(|_| c.operator.compare == Compare::Arn) {
            self.arn(value, variables);
        }
        self.private(c);
        self.services(c);
        for value in c.values.iter().filter(|v| !fits_operator(c.operator.compare, &v.text)) {
            let wanted = match c.operator.compare {
                Compare::Null | Compare::Bool => "true or false",
                Compare::IpAddress => "an address or a range of them, like 203.0.113.0/24",
                Compare::Arn => "an ARN",
                compare if is_date(compare) => "a time, like 2026-01-31T00:00:00Z",
                _ => "a number",
            };
            let message = format!("{} takes {wanted}, and {:?} is none: it never matches", c.operator.name(), value.text);
            self.say("unfit-value", Weight::Error, value.span, message);
        }
        if let Some(kind) = kind_of(&c.key.text, actions) {
            self.kinds(c, kind);
        }
        // AWS, "Condition operators … IfExists": long-term keys carry no aws:MultiFactorAuthPresent at all.
        let about_mfa = c.key.text.eq_ignore_ascii_case("aws:MultiFactorAuthPresent") && c.operator.compare == Compare::Bool;
        let says = |word: &str| c.values.iter().any(|v| v.text.eq_ignore_ascii_case(word));
        if about_mfa && s.effect == Effect::Deny && !c.operator.if_exists && says("false") {
            let message = "long-term keys carry no aws:MultiFactorAuthPresent and slip past this denial: use BoolIfExists";
            self.say("mfa-pattern", Weight::Warning, c.key.span, message);
        }
        let about_truth = c.operator.compare == Compare::Bool && c.operator.quantifier == Quantifier::Single;
        if about_truth && says("true") && says("false") {
            let message = format!("true and false both hold: the condition asks only whether {} is there", c.key.text);
            self.say("useless", Weight::Warning, c.key.span, message);
        }
        if about_mfa && s.effect == Effect::Allow && c.operator.if_exists && says("true") {
            let message = "long-term keys carry no aws:MultiFactorAuthPresent and are allowed without MFA: use Bool";
            self.say("mfa-pattern", Weight::Warning, c.key.span, message);
        }
    }

    /// Addresses that never come to AWS (AWS: "Access Analyzer policy check reference", private IP address).
    fn private(&mut self, c: &Condition) {
        if c.operator.compare != Compare::IpAddress || !c.key.text.eq_ignore_ascii_case("aws:SourceIp") {
            return;
        }
        let inner: Vec<_> = c.values.iter().filter(|v| is_private(&v.text)).collect();
        let weight = if inner.len() == c.values.len() { Weight::Error } else { Weight::Warning };
        for value in inner {
            let message = format!(
                "no request comes to AWS from the private {}; through a VPC endpoint it carries aws:VpcSourceIp in place of {}",
                value.text, c.key.text
            );
            self.say("private-address", weight, value.span, message);
        }
    }

    /// Values of keys that hold a service's name, which no service has.
    fn services(&mut self, c: &Condition) {
        let of = |keys: &[&str]| keys.iter().any(|key| c.key.text.eq_ignore_ascii_case(key));
        let via = of(&["kms:ViaService"]);
        if c.operator.compare != Compare::StringEquals || !via && !of(&["iam:PassedToService", "iam:AWSServiceName"]) {
            return;
        }
        for value in c.values.iter().filter(|v| !v.text.contains("${")) {
            let text = value.text.as_str();
            let message = match nearly(text) {
                _ if !is_service(text) => format!("{text:?} is no service: one is named like lambda.amazonaws.com"),
                Some(near) => format!("no service is known as {text}; did you mean {near}?"),
                // AWS KMS: "kms:ViaService", its values.
                None if via && text.split('.').count() < 4 => {
                    format!("{text} lacks the region, as in s3.eu-west-1.amazonaws.com")
                }
                None => continue,
            };
            self.say("unfit-value", Weight::Warning, value.span, message);
        }
    }

    /// Whether the operator is one for keys of this type.
    fn kinds(&mut self, c: &Condition, kind: &str) {
        let (many, kind) = kind.strip_prefix("ArrayOf").map_or((false, kind), |one| (true, one));
        let compare = c.operator.compare;
        if many && c.operator.quantifier == Quantifier::Single && compare != Compare::Null {
            let message = format!("{} holds several values: say ForAnyValue: or ForAllValues:", c.key.text);
            self.say("set-operator", Weight::Warning, c.key.span, message);
        }
        // AWS, "Access Analyzer policy check reference": ForAllValues with single valued key.
        // What a token says, an issuer's name in front, may have many (Amazon Cognito: "Role trust and permissions", amr).
        let of_token = c.key.text.contains('.');
        if !many && !of_token && c.operator.quantifier != Quantifier::Single {
            let message = format!("{} holds one value: leave ForAnyValue: and ForAllValues: away", c.key.text);
            self.say("set-operator", Weight::Warning, c.key.span, message);
        }
        let text = matches!(compare, Compare::StringEquals | Compare::StringEqualsIgnoreCase | Compare::StringLike);
        let fits = match kind {
            _ if compare == Compare::Null => true,
            "String" => text || matches!(compare, Compare::BinaryEquals),
            "ARN" => text || compare == Compare::Arn,
            "Bool" => text || compare == Compare::Bool,
            "Numeric" => is_number(compare) || is_date(compare),
            "Date" => is_date(compare) || is_number(compare),
            "IPAddress" => compare == Compare::IpAddress,
            _ => true,
        };
        let article = if matches!(kind, "ARN" | "IPAddress") { "an" } else { "a" };
        if !fits {
            let message = format!("{} is {article} {kind} key, and {} compares another type", c.key.text, c.operator.name());
            self.say("operator-type", Weight::Warning, c.operator_span, message);
        } else if text && matches!(kind, "ARN" | "Bool") && !(kind == "ARN" && is_whole(c)) {
            let better = if kind == "ARN" { "ArnLike compares part by part" } else { "Bool is its operator" };
            let message = format!("{} is {article} {kind} key: {better}", c.key.text);
            self.say("operator-type", Weight::Note, c.operator_span, message);
        }
    }

    /// Whether those whom a statement names can be anybody.
    pub(super) fn principals(&mut self, s: &Statement) {
        for p in s.principal.iter().flat_map(|p| &p.principals) {
            let text = p.value.text.as_str();
            let wrong = match p.kind {
                PrincipalKind::Everyone => None,
                PrincipalKind::Aws => aws_principal(text),
                PrincipalKind::Service => (!is_service(text)).then_some("a service is named like lambda.amazonaws.com"),
                PrincipalKind::Federated if text.contains(":oidc-provider/http") => {
                    Some("a provider's ARN goes without https://")
                }
                PrincipalKind::Federated => {
                    let provider =
                        text.starts_with("arn:") && [":saml-provider/", ":oidc-provider/"].iter().any(|p| text.contains(p));
                    (!provider && !WEB_IDENTITIES.contains(&text))
                        .then_some("a federation is named by the ARN of its SAML or OIDC provider, or is one of AWS's own")
                }
                PrincipalKind::CanonicalUser => {
                    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
                    (!hex).then_some("a canonical user id has 64 hexadecimal digits")
                }
            };
            let gone = p.kind == PrincipalKind::Aws && ["AIDA", "AROA"].iter().any(|prefix| is_id(text, prefix));
            if gone {
                let message = format!("{text:?} is a user or role that was deleted: nobody is let in by it");
                self.say("deleted-principal", Weight::Note, p.value.span, message);
            }
            if let Some(why) = wrong {
                self.say("odd-principal", Weight::Error, p.value.span, format!("{text:?} is nobody: {why}"));
            } else if let Some(near) = (p.kind == PrincipalKind::Service).then(|| nearly(text)).flatten() {
                let message =
                    format!("no service is known as {text}; did you mean {near}? AWS takes no policy that names another");
                self.say("odd-principal", Weight::Warning, p.value.span, message);
            }
        }
    }

    /// A policy that takes deleting away and leaves writing the bucket's own policy gives it back.
    pub(super) fn widens_itself(&mut self, policy: &Policy) {
        let granted = crate::iam::grants::of_statements(&policy.statements);
        let has = |name: &str| crate::iam::facts::facts().action(name).is_some() && named(name).within(&granted);
        for (widens, denied) in [
            ("s3:PutBucketPolicy", "s3:DeleteObject"),
            ("s3:PutBucketPolicy", "s3:DeleteBucket"),
            ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"),
            ("sqs:AddPermission", "sqs:DeleteQueue"),
            ("secretsmanager:PutResourcePolicy", "secretsmanager:DeleteSecret"),
        ] {
            let service = widens.split(':').next().unwrap_or_default();
            let narrowed = policy
                .statements
                .iter()
                .any(|s| s.effect == Effect::Deny && s.conditions.is_empty() && named(denied).within(&Actions::named(&s.action)));
            if narrowed && has(widens) && !has(denied) {
                let span = policy.statements.iter().find(|s| s.effect == Effect::Deny).map(|s| s.span).unwrap_or_default();
                let message =
                    format!("{denied} is denied, but {widens} is not: a policy of the {service} resource can allow it to others");
                self.say("widens-itself", Weight::Note, span, message);
                return;
            }
        }
    }
}

/// How some services are called as principals, beside those that have the names of their actions.
const CALLED: &[&str] = &[
    "ecs-tasks",
    "edgelambda",
    "eks-fargate-pods",
    "eks-nodegroup",
    "lakeformation",
    "signin",
    "spot",
    "spotfleet",
    "vmie",
    "vpc-flow-logs",
];

/// What people call some services, whose principals have another name.
const MISCALLED: &[(&str, &str)] = &[
    ("apigw", "apigateway"),
    ("cloudwatch-events", "events"),
    ("cloudwatchevents", "events"),
    ("cloudwatchlogs", "logs"),
    ("cloudwatch-logs", "logs"),
    ("emr", "elasticmapreduce"),
    ("eventbridge", "events"),
    ("kinesisfirehose", "firehose"),
    ("stepfunctions", "states"),
    ("step-functions", "states"),
    ("systems-manager", "ssm"),
    ("systemsmanager", "ssm"),
];

/// A service whose name is nearly this one, where none has it; short names are all near each other.
fn nearly(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('.')?;
    if let Some((_, called)) = MISCALLED.iter().find(|(slip, _)| slip.eq_ignore_ascii_case(first)) {
        return Some(format!("{called}.{rest}"));
    }
    let known = || facts().services().map(|s| s.prefix).chain(CALLED.iter().copied());
    // Written in another way, or a later one of it: application-insights, securityhubv2.
    let plain = |name: &str| {
        let lower = name.to_ascii_lowercase().replace('-', "");
        lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'v').to_owned()
    };
    if first.len() < 4 || known().any(|k| k.eq_ignore_ascii_case(first) || plain(k) == plain(first)) {
        return None;
    }
    let (far, near) = known().filter(|k| k.len() >= 4).map(|k| (distance(k, &first.to_ascii_lowercase()), k)).min()?;
    (far <= first.len() / 8 + 1).then(|| format!("{near}.{rest}"))
}

/// Whether a condition compares whole texts, each as it stands, so that an ARN's parts make no difference.
fn is_whole(c: &Condition) -> bool {
    c.operator.compare == Compare::StringEquals
        && c.values.iter().all(|v| v.text.starts_with("arn:") && !v.text.contains(['*', '?']))
}

fn named(action: &str) -> Actions {
    Actions::named(&crate::iam::policy::Element::of([action.to_owned()]))
}

/// Why this is no principal of AWS; none where it may be one.
fn aws_principal(text: &str) -> Option<&'static str> {
    if text == "*" || text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if ["AIDA", "AROA", "ANPA", "AGPA"].iter().any(|prefix| is_id(text, prefix)) {
        return None;
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, _, account, name] = parts.as_slice() else {
        return Some("write an account's id, or the ARN of a user, role or session");
    };
    if !is_partition(partition) {
        return Some("its ARN names no partition; most begin with arn:aws:");
    }
    if text.contains(['*', '?']) {
        return Some("wildcards in a principal's ARN never match; use * and a condition on aws:PrincipalArn");
    }
    let account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let kinds: &[&str] = match *service {
        "iam" => &["root", "user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/", "self"],
        "cloudfront" => &["user/CloudFront Origin Access Identity"],
        _ => &[],
    };
    if name.starts_with("group/") {
        return Some("a group is no principal; name its users or a role");
    }
    let known = kinds.iter().any(|k| name.starts_with(k));
    let own = account || name.starts_with("user/CloudFront");
    (!known || !own).then_some("write an account's id, or the ARN of a user, role or session")
}

/// The id that AWS keeps a principal by.
fn is_id(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Whether a range lies within the private ones (RFC 1918, RFC 4193), the loopback's and the link's.
fn is_private(range: &str) -> bool {
    let (address, bits) = range.split_once('/').map_or((range, None), |(a, b)| (a, b.parse::<u8>().ok()));
    let within = |least: u8| bits.is_none_or(|bits| bits >= least);
    match address.parse() {
        Ok(IpAddr::V4(v4)) => {
            let [a, b, ..] = v4.octets();
            match (a, b) {
                (10 | 127, _) => within(8),
                (172, 16..=31) => within(12),
                (192, 168) | (169, 254) => within(16),
                _ => false,
            }
        }
        Ok(IpAddr::V6(v6)) => {
            let first = v6.segments()[0];
            first & 0xfe00 == 0xfc00 && within(7) || first & 0xffc0 == 0xfe80 && within(10) || v6.is_loopback()
        }
        Err(_) => false,
    }
}

fn is_date(compare: Compare) -> bool {
    use Compare as C;
    matches!(compare, C::DateEquals | C::DateLessThan | C::DateLessThanEquals | C::DateGreaterThan | C::DateGreaterThanEquals)
}

fn is_number(compare: Compare) -> bool {
    use Compare as C;
    matches!(
        compare,
        C::NumericEquals | C::NumericLessThan | C::NumericLessThanEquals | C::NumericGreaterThan | C::NumericGreaterThanEquals
    )
}
