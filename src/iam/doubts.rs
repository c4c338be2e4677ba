//! What speaks against a question before it is answered: a mistyped action is denied to everyone, and so is a bucket's ARN
//! where an action takes objects. The answer stands all the same; whoever asks is told. A mistyped condition key would change
//! the answer and is refused.

use serde_json::json;

use super::account::Account;
use super::evaluate::{Context, fits_operator};
use super::facts::keys::{global_keys, kind_of, same_key};
use super::facts::{facts, held_against};
use super::fit::whole_secret;
use super::lint::{Kind, lint};
use super::policy::Compare;
use super::sets::glob::ArnPattern;

/// Types of resources that are told by name.
const SHOWN: usize = 6;

/// Doubts in sentences; none where the action is known and takes such a resource, or the resource is no whole ARN.
pub fn doubts(action: &str, resource: &str) -> Vec<String> {
    let Some((service, known)) = facts().action(action) else {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        let told = lint(&json!({"Version": "2012-10-17", "Statement": [statement]}).to_string(), Kind::Managed);
        let unknown = told.into_iter().filter(|l| matches!(l.id, "unknown-action" | "unknown-service"));
        return unknown.map(|l| format!("Mistyped? {}", l.message)).collect();
    };
    let name = format!("{}:{}", service.prefix, known.name);
    if resource == "*" {
        let types: Vec<&str> = service.takes(known).map(|(of, _)| of.name).collect();
        let more = if types.len() > SHOWN { format!(" and {} more", types.len() - SHOWN) } else { String::new() };
        let shown = types.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let told = format!("No resource is named: all that {name} takes are meant ({shown}{more}).");
        return if types.is_empty() { Vec::new() } else { vec![told] };
    }
    if !resource.starts_with("arn:") {
        return Vec::new();
    }
    if let Some(whole) = whole_secret(resource) {
        return vec![format!("AWS puts six characters behind a secret's name: its ARN is like {whole}.")];
    }
    let asked = ArnPattern::new(resource);
    if held_against(&name).is_some_and(|arn| asked.matches(arn)) {
        return Vec::new();
    }
    let takes: Vec<_> = known.resources.iter().filter_map(|(r, _)| service.resources.get(*r)).collect();
    if takes.is_empty() {
        return vec![format!("{name} takes no single resource: statements allow it on * alone.")];
    }
    if takes.iter().any(|r| r.may_be(&asked)) {
        return Vec::new();
    }
    let mut shapes: Vec<&str> = takes.iter().map(|r| r.arn).collect();
    shapes.sort_by_key(|shape| shape.len());
    vec![format!("{name} takes no such resource, but {}.", shapes.join(" or "))]
}

/// Why what is told of a request can only be a slip: no such condition key, or a value that it never has. A service's key that
/// a policy of the accounts speaks of is one, and so is any of a token's claims, which begin with its issuer's host.
pub fn unfit(context: &Context, accounts: &[&Account]) -> Option<String> {
    context.told().find_map(|(key, values)| {
        let (prefix, _) = key.split_once(':')?;
        if prefix.contains('.') {
            return None;
        }
        let own = || facts().service(prefix).into_iter().flat_map(|s| s.keys.iter()).map(|k| (k.name, Some(k.kind)));
        let all = || facts().services().flat_map(|s| s.keys.iter()).map(|k| (k.name, Some(k.kind)));
        let global = || global_keys().map(|k| (k, None));
        let known = global().chain(own()).chain(all()).find(|(known, _)| same_key(known, key));
        let Some((name, kind)) = known else {
            let is_aws = prefix == "aws";
            let spoken = accounts.iter().filter(|_| !is_aws).flat_map(|a| &a.policies).flat_map(|p| &p.policy.statements);
            if spoken.flat_map(|s| &s.conditions).any(|c| c.key.text.eq_ignore_ascii_case(key)) {
                return None;
            }
            let far = |name: &str| {
                // What stands behind the slash is a tag's own name.
                let parts = |text: &str| text.split('/').next().unwrap_or_default().to_ascii_lowercase();
                strsim::damerau_levenshtein(&parts(name), &parts(key))
            };
            let near = global().chain(own()).map(|(name, _)| (far(name), name)).min().filter(|(far, _)| *far <= 3);
            let near = near.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
            return Some(format!("{key:?} is no condition key that is known{near}"));
        };
        let kind = kind_of(key, &[]).or(kind)?;
        // What a token says may be several things.
        if values.len() > 1 && !kind.starts_with("ArrayOf") && !key.contains('.') {
            return Some(format!("a request has one {name}, and {} are told: ask once for each", values.len()));
        }
        let (compare, takes) = match kind.strip_prefix("ArrayOf").unwrap_or(kind) {
            "Bool" => (Compare::Bool, "true or false"),
            "Numeric" => (Compare::NumericEquals, "a number"),
            "Date" => (Compare::DateEquals, "a time, like 2027-01-01T00:00:00Z"),
            "IPAddress" => (Compare::IpAddress, "an address, like 192.0.2.1"),
            "ARN" => (Compare::Arn, "an ARN"),
            _ => return None,
        };
        let wrong = values.iter().find(|value| value.contains("${") || !fits_operator(compare, value))?;
        Some(format!("{wrong:?} is no value of {name}, which takes {takes}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_what_is_told_of_a_request_is_refused() {
        let told = |texts: &[&str]| {
            let mut context = Context::new();
            texts.iter().for_each(|text| context.tell(text).unwrap());
            unfit(&context, &[])
        };
        for (text, says) in [
            ("aws:MultiFactorAuthPresnt=true", "did you mean aws:MultiFactorAuthPresent?"),
            ("aws:RequestTg/team=a", "did you mean aws:RequestTag/"),
            ("s3:prefx=a", "did you mean s3:prefix?"),
            ("nosuch:Key=a", "\"nosuch:key\" is no condition key that is known"),
            ("aws:MultiFactorAuthPresent=yes", "\"yes\" is no value of aws:MultiFactorAuthPresent, which takes true or false"),
            ("aws:SourceIp=nonsense", "which takes an address"),
            ("aws:SourceIp=", "which takes an address"),
            ("aws:SourceIp=10.0.0.1,2001:db8::1", "a request has one aws:SourceIp, and 2 are told"),
            ("aws:MultiFactorAuthPresent=true,false", "a request has one aws:MultiFactorAuthPresent"),
            ("aws:MultiFactorAuthAge=old", "a number"),
            ("aws:CurrentTime=today", "a time"),
            ("aws:PrincipalArn=role/x", "an ARN"),
        ] {
            let why = told(&["aws:SecureTransport=true", text]).unwrap_or_default();
            assert!(why.contains(says), "{text}: {why}");
        }
        for text in [
            "aws:RequestTag/team=a",
            "aws:TagKeys=a,b",
            "!s3:prefix",
            "S3:Prefix=",
            "s3:ExistingObjectTag/class=public",
            "kms:EncryptionContext:app=x",
            "aws:SourceIp=2001:db8::1",
            "aws:EpochTime=1700000000",
            "token.actions.githubusercontent.com:sub=repo:acme/app:ref:refs/heads/main",
            "saml:aud=https://signin.aws.amazon.com/saml",
            "sts:ExternalId=x",
        ] {
            assert_eq!(told(&[text]), None, "{text}");
        }
    }

    #[test]
    fn what_can_only_be_a_slip_is_told() {
        for (action, resource, says) in [
            ("s3:GetObjct", "*", "did you mean s3:GetObject?"),
            ("s4:GetObject", "*", "no service \"s4\""),
            ("s3:GetObject", "arn:aws:s3:::payroll", "takes no such resource, but arn:${Partition}:s3:::${BucketName}/"),
            ("s3:ListBucket", "arn:aws:s3:::payroll/2026.csv", "takes no such resource, but arn:${Partition}:s3:::${BucketName}"),
            ("s3:ListAllMyBuckets", "arn:aws:s3:::payroll", "takes no single resource"),
            ("s3:GetObject", "*", "all that s3:GetObject takes are meant (object)."),
            ("ssm:StartSession", "*", "are meant (document, instance, managed-instance, task)."),
        ] {
            let told = doubts(action, resource);
            assert!(told.len() == 1 && told[0].contains(says), "{action} {resource}: {told:?}");
        }
        for (action, resource) in [
            ("s3:GetObject", "arn:aws:s3:::payroll/2026.csv"),
            ("S3:getobject", "arn:aws:s3:::payroll/*"),
            ("s3:ListAllMyBuckets", "*"),
            ("s3:ListAllMyBuckets", "arn:aws:s3:::*"),
            ("iam:PassRole", "role/admin"),
            ("ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*"),
        ] {
            assert_eq!(doubts(action, resource), [""; 0], "{action} {resource}");
        }
    }
}
