//! What the policy of a VPC endpoint says about networks: from which addresses anything gets through. Who may do what on
//! which resource is for IAM; a policy that only says that lets every address pass here.

use serde_json::Value;

use crate::network::packets::{Addresses, cidr};

/// Addresses that get through an endpoint as far as its policy tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passes {
    pub sure: Addresses,
    pub may: Addresses,
}

/// Whether a policy is AWS's default, which allows everyone everything; an empty one is.
pub fn is_default(text: &str) -> bool {
    if text.trim().is_empty() {
        return true;
    }
    let Ok(policy) = serde_json::from_str::<Value>(text) else { return false };
    matches!(statements(&policy).as_slice(), [one]
        if one.get("Effect").is_some_and(|e| e == "Allow") && is_about_all(one) && one.get("Condition").is_none())
}

/// Reads the network's part of an endpoint's policy; none where every address passes.
///
/// A request passes where some statement may allow it and none denies it whole ("Control access to VPC endpoints using
/// endpoint policies"). Conditions on networks are `aws:VpcSourceIp`, `aws:SourceVpc`, `aws:SourceVpce` and
/// `aws:SourceIp`, which requests by an endpoint do not carry ("AWS global condition context keys").
pub fn passes(text: &str, vpc: &str, endpoint: &str) -> Option<Passes> {
    if is_default(text) {
        return None;
    }
    let Ok(policy) = serde_json::from_str::<Value>(text) else {
        return Some(Passes { sure: Addresses::default(), may: Addresses::everything() });
    };
    let mut out = Passes { sure: Addresses::default(), may: Addresses::default() };
    let mut denied = Passes { sure: Addresses::default(), may: Addresses::default() };
    for statement in statements(&policy) {
        let here = conditions(statement, vpc, endpoint);
        if statement.get("Effect").is_some_and(|e| e == "Deny") {
            // A denial of some principals, actions or resources leaves others.
            if is_about_all(statement) && here.only_networks {
                denied.sure = denied.sure.or(&here.passes.sure);
                denied.may = denied.may.or(&here.passes.may);
            }
        } else {
            out.sure = out.sure.or(&here.passes.sure);
            out.may = out.may.or(&here.passes.may);
        }
    }
    let out = Passes { sure: out.sure.minus(&denied.may), may: out.may.minus(&denied.sure) };
    (out.sure != Addresses::everything()).then_some(out)
}

fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// Whether a statement is about every principal, action and resource.
fn is_about_all(statement: &Value) -> bool {
    let everything = |v: Option<&Value>| match v {
        Some(Value::String(s)) => s == "*",
        Some(Value::Array(list)) => list.iter().any(|s| s == "*"),
        Some(Value::Object(map)) => {
            map.get("AWS").is_some_and(|s| s == "*" || s.as_array().is_some_and(|l| l.iter().any(|s| s == "*")))
        }
        _ => false,
    };
    ["Action", "Resource", "Principal"].iter().all(|key| everything(statement.get(key)))
}

struct Read {
    passes: Passes,
    /// Whether no condition is about anything else.
    only_networks: bool,
}

/// The addresses for which the conditions on networks hold.
fn conditions(statement: &Value, vpc: &str, endpoint: &str) -> Read {
    let all = Addresses::everything;
    let mut out = Read { passes: Passes { sure: all(), may: all() }, only_networks: true };
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    for (operator, keys) in operators {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let values: Vec<&str> = match values {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                Value::String(one) => vec![one],
                _ => Vec::new(),
            };
            let word = operator.to_ascii_lowercase();
            let if_there = word.ends_with("ifexists");
            let word = word.trim_end_matches("ifexists");
            let negated = word.contains("not");
            let held = match key.to_ascii_lowercase().as_str() {
                "aws:vpcsourceip" if matches!(word, "ipaddress" | "notipaddress") => {
                    let nets: Vec<_> = values.iter().map(|v| cidr(v)).collect();
                    if values.is_empty() || nets.iter().any(Result::is_err) {
                        None
                    } else {
                        let named = Addresses::of(nets.into_iter().flatten());
                        Some(if negated { all().minus(&named) } else { named })
                    }
                }
                // Not part of such requests: what asks for it fails, what asks against it holds.
                "aws:sourceip" => Some(if negated || if_there { all() } else { Addresses::default() }),
                "aws:sourcevpc" => is_one(word, &values, vpc).map(|held| if held { all() } else { Addresses::default() }),
                "aws:sourcevpce" => is_one(word, &values, endpoint).map(|held| if held { all() } else { Addresses::default() }),
                _ => {
                    out.only_networks = false;
                    continue;
                }
            };
            match held {
                Some(held) => out.passes = Passes { sure: out.passes.sure.and(&held), may: out.passes.may.and(&held) },
                None => out.passes.sure = Addresses::default(),
            }
        }
    }
    out
}

/// Whether a condition on one id holds; none for operators that are not read.
fn is_one(operator: &str, values: &[&str], own: &str) -> Option<bool> {
    let wild = |v: &&str| match v.split_once('*') {
        Some((front, back)) => {
            !back.contains('*') && own.len() >= front.len() + back.len() && own.starts_with(front) && own.ends_with(back)
        }
        None => *v == own,
    };
    match operator {
        "stringequals" | "stringequalsignorecase" => Some(values.iter().any(|v| v.eq_ignore_ascii_case(own))),
        "stringnotequals" | "stringnotequalsignorecase" => Some(!values.iter().any(|v| v.eq_ignore_ascii_case(own))),
        "stringlike" => Some(values.iter().any(wild)),
        "stringnotlike" => Some(!values.iter().any(wild)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(statement: &str) -> String {
        let text = format!("{{\"Statement\":[{statement}]}}");
        match passes(&text, "vpc-a", "vpce-a") {
            None => "everybody".to_owned(),
            Some(Passes { sure, may }) if sure == may && sure.is_empty() => "nobody".to_owned(),
            Some(Passes { sure, may }) if sure == may => sure.to_string(),
            Some(Passes { sure, may }) => format!("sure {sure}, may {may}"),
        }
    }

    #[test]
    fn only_what_is_said_of_networks_counts() {
        let all = r#""Principal":"*","Action":"*","Resource":"*""#;
        for (statement, expected) in [
            (format!(r#"{{"Effect":"Allow",{all}}}"#), "everybody"),
            (format!(r#"{{"Effect":"Deny",{all}}}"#), "nobody"),
            (r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#.to_owned(), "everybody"),
            (
                format!(r#"{{"Effect":"Allow",{all},"Condition":{{"IpAddress":{{"aws:VpcSourceIp":["10.0.1.0/24"]}}}}}}"#),
                "10.0.1.0/24",
            ),
            (
                format!(
                    r#"{{"Effect":"Allow",{all}}},{{"Effect":"Deny",{all},"Condition":{{"NotIpAddress":{{"aws:VpcSourceIp":"10.0.1.0/24"}}}}}}"#
                ),
                "10.0.1.0/24",
            ),
            (format!(r#"{{"Effect":"Allow",{all},"Condition":{{"StringEquals":{{"aws:SourceVpc":"vpc-b"}}}}}}"#), "nobody"),
            (format!(r#"{{"Effect":"Allow",{all},"Condition":{{"StringEquals":{{"aws:SourceVpc":"vpc-a"}}}}}}"#), "everybody"),
            (format!(r#"{{"Effect":"Allow",{all},"Condition":{{"IpAddress":{{"aws:SourceIp":"10.0.0.0/8"}}}}}}"#), "nobody"),
            // Who asks is not the network's part, and a denial of some is none of all.
            (format!(r#"{{"Effect":"Allow",{all},"Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"o-1"}}}}}}"#), "everybody"),
            (
                format!(
                    r#"{{"Effect":"Allow",{all}}},{{"Effect":"Deny",{all},"Condition":{{"StringNotEquals":{{"aws:PrincipalOrgID":"o-1"}}}}}}"#
                ),
                "everybody",
            ),
            (
                format!(r#"{{"Effect":"Allow",{all},"Condition":{{"IpAddress":{{"aws:VpcSourceIp":"junk"}}}}}}"#),
                "sure no address, may internet (IPv4 and IPv6)",
            ),
        ] {
            assert_eq!(told(&statement), expected, "{statement}");
        }
        assert!(is_default("") && !is_default("{") && passes("{", "", "").unwrap().sure.is_empty());
    }
}
