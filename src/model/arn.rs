//! ARNs by their parts, and references to resources that may have none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Amazon Resource Name, `arn:partition:service:region:account:resource`, kept as one text with its parts' places.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    text: Box<str>,
    /// Where the 2nd to 5th colon stand; the resource part may hold colons of its own.
    colons: [u16; 5],
}

/// The partition a region is in, by the region's name.
pub fn partition_of(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("eusc-") => "aws-eusc",
        r if r.starts_with("us-iso-") => "aws-iso",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        _ => "aws",
    }
}

/// Whether a text has an ARN's six parts, with a service and something of it; parts may be patterns.
pub fn is_whole(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut named = || parts.next().is_some_and(|part| !part.is_empty());
    let begins = text.starts_with("arn:") && named() && named() && named();
    begins && parts.nth(2).is_some_and(|resource| !resource.is_empty())
}

/// Why a text is no ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an ARN: it needs arn:partition:service:region:account:resource")]
pub struct NotAnArn {
    text: String,
}

impl Arn {
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.part(0)
    }
    pub fn service(&self) -> &str {
        self.part(1)
    }
    /// Empty for global services.
    pub fn region(&self) -> &str {
        self.part(2)
    }
    /// Empty for resources whose name is global (S3 buckets).
    pub fn account(&self) -> &str {
        self.part(3)
    }
    /// Everything behind the fifth colon: `role/admin`, `security-group/sg-0a`, `function:name:1`.
    pub fn resource(&self) -> &str {
        &self.text[usize::from(self.colons[4]) + 1..]
    }
    /// `role`, `security-group`; none where the resource is a bare name (`arn:aws:s3:::bucket`).
    pub fn resource_type(&self) -> Option<&str> {
        self.resource().split_once(['/', ':']).map(|(kind, _)| kind)
    }
    /// What stands behind the type: `path/to/admin`, `sg-0a`.
    pub fn resource_id(&self) -> &str {
        self.resource().split_once(['/', ':']).map_or(self.resource(), |(_, id)| id)
    }
    /// The last segment: `admin` of `role/path/to/admin`.
    pub fn name(&self) -> &str {
        self.resource().rsplit(['/', ':']).next().unwrap_or_default()
    }
    fn part(&self, n: usize) -> &str {
        &self.text[usize::from(self.colons[n]) + 1..usize::from(self.colons[n + 1])]
    }
}

impl FromStr for Arn {
    type Err = NotAnArn;
    fn from_str(text: &str) -> Result<Self, NotAnArn> {
        let refuse = || NotAnArn { text: text.chars().take(200).collect() };
        // AWS's own limit for an ARN is 2,048 characters.
        if !text.starts_with("arn:") || text.len() > 2048 {
            return Err(refuse());
        }
        let mut colons = [0u16; 5];
        let mut places = text.bytes().enumerate().filter(|(_, b)| *b == b':').map(|(i, _)| i);
        for colon in &mut colons {
            *colon = places.next().and_then(|i| u16::try_from(i).ok()).ok_or_else(refuse)?;
        }
        let arn = Self { text: text.into(), colons };
        let whole = !arn.partition().is_empty() && !arn.service().is_empty() && !arn.resource().is_empty();
        if whole { Ok(arn) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Arn {
    type Error = NotAnArn;
    fn try_from(text: String) -> Result<Self, NotAnArn> {
        text.parse()
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.text.into()
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whatever a finding or a path is about: by ARN where it has one, else by the id its source gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The ARN, or the source's own id (`i-0abc`, an image digest, an account id).
    pub id: String,
    /// The source's word for its type: `AwsEc2SecurityGroup`, `AWS::IAM::Role`; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

impl ResourceRef {
    pub fn new(id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { id: id.into(), kind: kind.into() }
    }
    pub fn arn(&self) -> Option<Arn> {
        self.id.parse().ok()
    }
    /// What a person calls it: `role/admin`, `sg-0a41`, `bucket/raw-events`.
    pub fn short(&self) -> &str {
        short(&self.id)
    }
}

/// What a person calls the thing with this ARN or id: `role/admin` of `arn:aws:iam::1:role/admin`, `raw-events` of
/// `arn:aws:s3:::raw-events`; an id stays as it is.
pub fn short(id: &str) -> &str {
    if !id.starts_with("arn:") {
        // Security Hub's way to name an account as a resource.
        return id.strip_prefix("AWS::::").unwrap_or(id);
    }
    let mut rest = id;
    for _ in 0..5 {
        match rest.split_once(':') {
            Some((_, tail)) => rest = tail,
            None => return id,
        }
    }
    if rest.is_empty() { id } else { rest }
}

/// What a person calls a user or role: `role/admin`, whatever path it stands under.
pub fn principal(arn: &str) -> String {
    let short = short(arn);
    if !arn.starts_with("arn:") {
        return short.to_owned();
    }
    match (short.split_once('/'), short.rsplit('/').next()) {
        (Some((kind, _)), Some(name)) => format!("{kind}/{name}"),
        _ => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() -> Result<(), NotAnArn> {
        let arn: Arn = "arn:aws:iam::111122223333:role/path/to/admin".parse()?;
        assert_eq!((arn.partition(), arn.service(), arn.region(), arn.account()), ("aws", "iam", "", "111122223333"));
        assert_eq!((arn.resource_type(), arn.resource_id(), arn.name()), (Some("role"), "path/to/admin", "admin"));
        let bucket: Arn = "arn:aws:s3:::raw-events".parse()?;
        assert_eq!((bucket.resource_type(), bucket.resource_id()), (None, "raw-events"));
        let function: Arn = "arn:aws:lambda:eu-west-1:111122223333:function:pay:7".parse()?;
        assert_eq!((function.resource_type(), function.resource_id(), function.name()), (Some("function"), "pay:7", "7"));
        Ok(())
    }

    #[test]
    fn not_arns() {
        for text in ["", "arn:", "arn:aws:iam::1", "arn::iam::1:x", "arn:aws:::: ", "sg-0a41", "arn:aws:iam::1:"] {
            let parsed: Result<Arn, _> = text.parse();
            assert_eq!(parsed.is_ok(), text == "arn:aws:s3:::b", "{text:?}");
        }
    }

    #[test]
    fn short_names() {
        assert_eq!(short("arn:aws:iam::1:role/admin"), "role/admin");
        assert_eq!(short("arn:aws:s3:::raw-events"), "raw-events");
        assert_eq!(principal("arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/Admin"), "role/Admin");
        assert_eq!(principal("arn:aws:iam::1:root"), "root");
        assert_eq!(short("sg-0a41"), "sg-0a41");
        assert_eq!(short("AWS::::Account:111122223333"), "Account:111122223333");
        assert_eq!(short("arn:aws"), "arn:aws");
    }
}
