//! Condition keys: those that every request may carry, what type each has, and whether one that is written is one that is
//! known. Services' own keys are in the facts.

use std::borrow::Cow;

use super::{Action, Service};

/// Keys that every request may carry (AWS: "AWS global condition context keys").
const GLOBAL: &[&str] = &[
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:FederatedProvider",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:PrincipalTag/*",
    "aws:PrincipalType",
    "aws:referer",
    "aws:RequestedRegion",
    "aws:RequestTag/*",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:ResourceTag/*",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIdentity",
    "aws:SourceIp",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    // Of Amazon SNS, in the policy that every topic begins with.
    "aws:SourceOwner",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceVpcArn",
    "aws:TagKeys",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:userid",
    "aws:username",
    "aws:ViaAWSService",
    "aws:VpcSourceIp",
    "aws:Ec2InstanceSourceVpc",
    "aws:Ec2InstanceSourcePrivateIPv4",
    "aws:AssumedRoot",
    "aws:ChatbotSourceArn",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
    "aws:SignInSessionArn",
    "aws:IsMcpServiceAction",
    "aws:ViaAWSMCPService",
    "aws:CalledViaAWSMCP",
    "ec2:SourceInstanceARN",
    "ec2:RoleDelivery",
    "lambda:SourceFunctionArn",
    "ecs:SourceTaskArn",
    "identitystore:UserId",
];

/// Types of keys that every request may carry, where that is not text (AWS: "AWS global condition context keys").
const KINDS: &[(&str, &str)] = &[
    ("aws:ChatbotSourceArn", "ARN"),
    ("aws:PrincipalArn", "ARN"),
    ("aws:SignInSessionArn", "ARN"),
    ("aws:SourceArn", "ARN"),
    ("aws:SourceVpcArn", "ARN"),
    ("ec2:SourceInstanceARN", "ARN"),
    ("ecs:SourceTaskArn", "ARN"),
    ("lambda:SourceFunctionArn", "ARN"),
    ("aws:MultiFactorAuthPresent", "Bool"),
    ("aws:PrincipalIsAWSService", "Bool"),
    ("aws:SecureTransport", "Bool"),
    ("aws:ViaAWSService", "Bool"),
    ("aws:CurrentTime", "Date"),
    ("aws:TokenIssueTime", "Date"),
    ("aws:MultiFactorAuthAge", "Numeric"),
    ("aws:SourceIp", "IPAddress"),
    ("aws:VpcSourceIp", "IPAddress"),
    ("aws:CalledVia", "ArrayOfString"),
    ("aws:PrincipalOrgPaths", "ArrayOfString"),
    ("aws:PrincipalServiceNamesList", "ArrayOfString"),
    ("aws:SourceOrgPaths", "ArrayOfString"),
    ("aws:TagKeys", "ArrayOfString"),
    ("aws:PrincipalAccount", "String"),
    ("aws:PrincipalOrgID", "String"),
    ("aws:PrincipalType", "String"),
    ("aws:RequestedRegion", "String"),
    ("aws:ResourceAccount", "String"),
    ("aws:ResourceOrgID", "String"),
    ("aws:SourceAccount", "String"),
    ("aws:SourceOrgID", "String"),
    ("aws:SourceVpc", "String"),
    ("aws:SourceVpce", "String"),
    ("aws:UserAgent", "String"),
    ("aws:referer", "String"),
    ("aws:userid", "String"),
    ("aws:username", "String"),
];

/// Keys that every request may carry; `*` stands for a tag's key.
pub fn global_keys() -> impl Iterator<Item = &'static str> {
    GLOBAL.iter().copied()
}

/// Whether every request may carry it.
pub fn is_global(key: &str) -> bool {
    GLOBAL.iter().any(|g| same_key(g, key))
}

/// `aws:ResourceTag/${TagKey}` and `s3:ExistingObjectTag/<key>` stand for any tag.
pub fn same_key(known: &str, key: &str) -> bool {
    // The reference writes some names of tags as they are, and means any.
    let known = known
        .strip_suffix("tag-key")
        .filter(|start| start.ends_with('/'))
        .map_or(known.into(), |start| Cow::from(format!("{start}*")));
    let known: &str = &known;
    let fixed = known.find(['$', '<', '*']).unwrap_or(known.len());
    if fixed < known.len() {
        key.get(..fixed).is_some_and(|begins| begins.eq_ignore_ascii_case(&known[..fixed]))
    } else {
        known.eq_ignore_ascii_case(key)
    }
}

/// The type of a key: of every request's by the table, of a service's by its facts.
pub fn kind_of(key: &str, actions: &[(&'static Service, &'static Action)]) -> Option<&'static str> {
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
        return Some(kind);
    }
    if key.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("aws:")) {
        return None;
    }
    let mut services: Vec<&'static Service> = actions.iter().map(|(s, _)| *s).collect();
    services.dedup_by_key(|s| s.prefix);
    services.iter().find_map(|s| s.keys.iter().find(|k| k.name.eq_ignore_ascii_case(key))).map(|k| k.kind)
}
