//! Whether S3 takes a bucket's policy for public (Amazon S3: "Blocking public access to your Amazon S3 storage", the meaning
//! of "public"). It goes by the words of what is allowed, not by what a stranger could do: that is `openings`' question.

use std::net::IpAddr;

use super::policy::{Compare, Condition, Effect, Policy, PrincipalKind, Quantifier, Statement};

/// Keys whose fixed values make a grant to everyone one to somebody.
const FIXED_BY: &[&str] = &[
    "aws:PrincipalOrgID",
    "aws:SourceArn",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceOwner",
    "aws:SourceAccount",
    "aws:SourceIp",
    "aws:userid",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "s3:DataAccessPointArn",
    "s3:DataAccessPointAccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Public is a policy with one statement that allows something to no fixed principal.
pub fn is_public(policy: &Policy) -> bool {
    policy.statements.iter().any(|s| s.effect == Effect::Allow && !is_fixed(s))
}

fn is_fixed(s: &Statement) -> bool {
    let named = s
        .principal
        .as_ref()
        .is_some_and(|p| !p.not && p.principals.iter().all(|p| p.kind != PrincipalKind::Everyone && !p.value.text.contains('*')));
    named || s.conditions.iter().any(narrows)
}

fn narrows(c: &Condition) -> bool {
    let op = c.operator;
    let positive = !op.negated && !op.if_exists && op.quantifier != Quantifier::AllValues;
    let compared = matches!(
        op.compare,
        Compare::StringEquals | Compare::StringEqualsIgnoreCase | Compare::StringLike | Compare::Arn | Compare::IpAddress
    );
    let known = FIXED_BY.iter().any(|k| k.eq_ignore_ascii_case(&c.key.text));
    positive && compared && known && !c.values.is_empty() && c.values.iter().all(|v| is_one(&c.key.text, &v.text))
}

/// Whether a value stands for somebody in particular.
fn is_one(key: &str, value: &str) -> bool {
    if value.contains("${") {
        return false;
    }
    if key.eq_ignore_ascii_case("aws:SourceIp") {
        return !is_broad(value);
    }
    // An access point may have any name, as long as its account is one.
    if key.eq_ignore_ascii_case("s3:DataAccessPointArn") {
        return value.split(':').nth(4).is_some_and(|account| !account.is_empty() && !account.contains(['*', '?']));
    }
    !value.contains(['*', '?'])
}

/// Broader than /8, or than /32 of IPv6; private ranges are nobody else's.
fn is_broad(range: &str) -> bool {
    let (address, bits) = range.split_once('/').map_or((range, None), |(a, b)| (a, b.parse::<u8>().ok()));
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => !v4.is_private() && bits.unwrap_or(32) < 8,
        Ok(IpAddr::V6(_)) => bits.unwrap_or(128) < 32,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meaning_of_public() {
        let public = |statement: &str| {
            is_public(&Policy::read(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)).unwrap())
        };
        let everyone = |condition: &str| {
            public(&format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*","Condition":{{{condition}}}}}"#
            ))
        };
        assert!(public(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}"#));
        assert!(public(r#"{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"*"}"#));
        assert!(public(r#"{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"*"}"#));
        assert!(!public(r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:GetObject","Resource":"*"}"#));
        assert!(!public(
            r#"{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"*"}"#
        ));
        assert!(!public(r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}"#));
        for fixed in [
            r#""StringEquals":{"aws:SourceVpc":"vpc-91237329"}"#,
            r#""StringEquals":{"aws:PrincipalOrgID":"o-1"}"#,
            r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/7","2001:db8::/32"]}"#,
            r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:123456789012:accesspoint/*"}"#,
        ] {
            assert!(!everyone(fixed), "{fixed}");
        }
        for open in [
            r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#,
            r#""StringNotEquals":{"aws:SourceVpc":"vpc-1"}"#,
            r#""StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}"#,
            r#""StringLike":{"aws:UserAgent":"mine"}"#,
            r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/1"]}"#,
            r#""IpAddress":{"aws:SourceIp":"2001::/16"}"#,
            r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:*:accesspoint/mine"}"#,
            r#""StringEquals":{"aws:userid":"${aws:userid}"}"#,
        ] {
            assert!(everyone(open), "{open}");
        }
    }
}
