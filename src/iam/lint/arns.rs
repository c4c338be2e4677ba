//! ARNs part by part, and policy variables: partitions, regions and accounts that cannot be, variables that nothing fills.

use super::elements::distance;
use super::{Kind, Linter, Weight};
use crate::iam::facts::keys::{global_keys, is_global};
use crate::iam::fit::whole_secret;
use crate::iam::policy::{Piece, Spanned, Template};
use crate::iam::sets::glob::{Glob, split};

/// AWS: "Amazon Resource Names (ARNs)" and the partitions of its SDKs.
const PARTITIONS: &[&str] = &["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"];

/// What the last word but one of a region's name is. Regions come and go, the points of the compass stay.
const DIRECTIONS: &[&str] = &["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

impl Linter {
    /// Whether an ARN's partition, region and account can be (AWS: "Access Analyzer policy check reference", invalid
    /// partition, region and account).
    pub(super) fn arn(&mut self, value: &Spanned, variables: bool) {
        if let Some(why) = odd_part(&value.text, variables) {
            self.say("odd-arn", Weight::Error, value.span, format!("{} names nothing: {why}", value.text));
        }
        if let Some(whole) = whole_secret(&value.text) {
            let message = format!("{} names no secret: AWS puts six characters behind its name, as in {whole}", value.text);
            self.say("odd-arn", Weight::Warning, value.span, message);
        }
    }

    /// Whether the variables of a value are closed, and whether requests can fill them.
    pub(super) fn variables(&mut self, value: &Spanned) {
        let mut rest = value.text.as_str();
        while let Some((_, inner)) = rest.split_once("${") {
            let Some((body, behind)) = inner.split_once('}') else {
                let message = format!("the variable ${{{inner} has no closing brace and is plain text");
                return self.say("open-variable", Weight::Error, value.span, message);
            };
            rest = behind;
            if let Some((_, default)) = body.split_once(',') {
                let default = default.trim();
                let quoted = default.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
                if quoted.is_none() {
                    let message = format!(
                        "the default {default} of a variable stands between single quotes: '{}'",
                        default.trim_matches('\'')
                    );
                    self.say("unquoted-default", Weight::Error, value.span, message);
                }
            }
            self.variable(value, body.split(',').next().unwrap_or_default().trim());
        }
    }

    fn variable(&mut self, value: &Spanned, key: &str) {
        // Services have variables of their own that no reference lists: iot:Connection.Thing.ThingName, transfer:UserName.
        let global = key.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("aws:"));
        // IAM: "Policy variables", where the variables' values come from: only users have a name of their own.
        if key.eq_ignore_ascii_case("aws:username") && self.kind == Kind::InlineRole {
            let message =
                "a role's requests carry no aws:username, so that it never matches; aws:userid ends with the session's name";
            return self.say("unknown-variable", Weight::Warning, value.span, message);
        }
        if matches!(key, "*" | "?" | "$") || is_global(key) || key.contains(':') && !global {
            return;
        }
        let near = global_keys().map(|k| (distance(&k.to_ascii_lowercase(), &key.to_ascii_lowercase()), k)).min();
        let near = near.filter(|(d, k)| *d <= 3 && !k.contains('*'));
        let hint = near.map(|(_, k)| format!("; did you mean ${{{k}}}?")).unwrap_or_default();
        // A key of every request that is new to us may be one; a slip of a known one is none.
        let weight = if global && near.is_none() { Weight::Warning } else { Weight::Error };
        let message = format!("no request fills the variable ${{{key}}}, so that it never matches{hint}");
        self.say("unknown-variable", weight, value.span, message);
    }
}

/// Why an ARN or a pattern over ARNs names nothing: which of its partition, region and account cannot be.
pub(in crate::iam) fn odd_part(arn: &str, variables: bool) -> Option<String> {
    let open = open(arn, variables);
    let [_, partition, _, region, account, _] = split(&open).filter(|parts| parts[0] == "arn")?;
    if !is_partition(partition) {
        Some(format!("{partition:?} is no partition; most ARNs begin with arn:aws:"))
    } else if let Some(hint) = no_region(region) {
        Some(format!("{region:?} is no region{hint}"))
    } else {
        (!is_account(account)).then(|| format!("{account:?} is no account: it has twelve digits"))
    }
}

/// The text with a star for what a variable stands for.
pub(super) fn open(text: &str, variables: bool) -> String {
    let pieces = Template::read(text, true, variables).pieces;
    pieces
        .iter()
        .map(|p| match p {
            Piece::Text(text) => text.as_str(),
            Piece::One => "?",
            Piece::Star | Piece::Variable { .. } => "*",
        })
        .collect()
}

/// Whether a partition, or a pattern over partitions, is one.
pub(super) fn is_partition(text: &str) -> bool {
    let glob = Glob::new(text);
    PARTITIONS.iter().any(|p| glob.matches(p))
}

/// What to write in place of a text that is no region; none where it may be one.
fn no_region(text: &str) -> Option<String> {
    if text.is_empty() || text.contains(['*', '?']) || text == "aws-global" {
        return None;
    }
    let words: Vec<&str> = text.split('-').collect();
    let [area @ .., direction, number] = words.as_slice() else { return Some(String::new()) };
    let lower = |w: &&str| w.bytes().all(|b| b.is_ascii_lowercase()) && !w.is_empty();
    let shaped = !area.is_empty() && area.iter().all(lower) && number.parse::<u8>().is_ok();
    if shaped && DIRECTIONS.contains(direction) {
        return None;
    }
    let near = DIRECTIONS.iter().map(|d| (distance(d, direction), d)).min().filter(|(d, _)| *d <= 2 && shaped);
    Some(near.map(|(_, d)| format!("; did you mean {}-{d}-{number}?", area.join("-"))).unwrap_or_default())
}

fn is_account(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if text.contains(['*', '?']) {
        return digits <= 12;
    }
    // `aws`, `aws-managed`, `cloudfront`: what is AWS's own.
    let word = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    word || digits == 12 && text.len() == 12
}

#[cfg(test)]
mod tests {
    use crate::iam::lint::{Kind, Lint, Weight, lint};

    fn on(resource: &str) -> Vec<Lint> {
        lint(
            &format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":["s3:GetObject","sqs:SendMessage"],"Resource":{}}}}}"#,
                serde_json::json!([resource, "arn:aws:s3:::b/*", "arn:aws:sqs:eu-west-1:111122223333:q"])
            ),
            Kind::Managed,
        )
    }

    #[test]
    fn parts_that_cannot_be_are_named() {
        for (arn, says) in [
            ("arn:awz:s3:::c/*", "\"awz\" is no partition"),
            ("arn:aws:sqs:us-esat-1:111122223333:r", "\"us-esat-1\" is no region; did you mean us-east-1?"),
            ("arn:aws:sqs:here:111122223333:r", "\"here\" is no region"),
            ("arn:aws:sqs:EU-WEST-1:111122223333:r", "is no region"),
            ("arn:aws:sqs:us-east-1:1111:r", "\"1111\" is no account"),
            ("arn:aws:sqs:us-east-1:ACCOUNT:r", "\"ACCOUNT\" is no account"),
        ] {
            let said = on(arn);
            let odd: Vec<_> = said.iter().filter(|l| l.id == "odd-arn").collect();
            assert!(odd.len() == 1 && odd[0].weight == Weight::Error && odd[0].message.contains(says), "{arn}: {said:?}");
        }
        for arn in [
            "arn:*:sqs:*:*:r",
            "arn:aws-cn:s3:::c/*",
            "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:r",
            "arn:aws-eusc:sqs:eusc-de-east-1:111122223333:r",
            "arn:aws:sqs:eu-*-?:1111*:r",
            "arn:${aws:partition}:sqs:${aws:RequestedRegion}:${aws:PrincipalAccount}:r",
            "arn:aws:s3:::c:d/*",
        ] {
            assert!(on(arn).iter().all(|l| l.id != "odd-arn"), "{arn}: {:?}", on(arn));
        }
    }

    #[test]
    fn variables_are_ones_that_requests_fill() {
        let said = |arn: &str| {
            let all = on(arn).into_iter().filter(|l| l.id.ends_with("-variable"));
            all.map(|l| (l.id, l.weight, l.message)).collect::<Vec<_>>()
        };
        let typo = said("arn:aws:s3:::c/${aws:usrname}/*");
        assert_eq!((typo[0].0, typo[0].1), ("unknown-variable", Weight::Error));
        assert!(typo[0].2.contains("did you mean ${aws:username}?"), "{typo:?}");
        assert_eq!(said("arn:aws:s3:::c/${aws:SomethingQuiteNew}/*")[0].1, Weight::Warning);
        assert_eq!(said("arn:aws:s3:::c/${Bucket}/*")[0].1, Weight::Error);
        assert_eq!(said("arn:aws:s3:::c/${aws:username/*")[0].0, "open-variable");
        for slip in ["none", "'none", "none'", ""] {
            let arn = format!("arn:aws:s3:::c/${{aws:PrincipalTag/team, {slip}}}/*");
            assert!(on(&arn).iter().any(|l| l.id == "unquoted-default"), "{slip}");
        }
        assert!(on("arn:aws:s3:::c/${aws:username, ''}").iter().all(|l| l.id != "unquoted-default"));
        for fine in [
            "arn:aws:s3:::c/${aws:UserName}/${aws:PrincipalTag/team, 'none'}/${*}${?}${$}",
            "arn:aws:s3:::c/${saml:sub}",
            "arn:aws:s3:::c/${cognito-identity.amazonaws.com:sub}/$x}",
        ] {
            assert_eq!(said(fine), [], "{fine}");
        }
    }
}
