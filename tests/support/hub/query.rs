//! `GetFindings`' filters and sort, by the API reference of `AwsSecurityFindingFilters`, `StringFilter`, `MapFilter`,
//! `NumberFilter`, `DateFilter`, `IpFilter`, `KeywordFilter`, `BooleanFilter` and `SortCriterion`.
//!
//! AWS documents CONTAINS and NOT_CONTAINS for automation rules; they are accepted here too.
//! It judges one document at a time and keeps no state.

use super::invalid;
use crate::support::wire::Refusal;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::cmp::Ordering;
use std::net::IpAddr;

/// What a filter attribute compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
    Map,
    Ip,
    Keyword,
    Flag,
}

/// The path of an attribute in the finding: names joined by dots; arrays on the way mean any of their members.
#[rustfmt::skip]
const ATTRIBUTES: &[(&str, Kind, &str)] = {
    use Kind::{Date, Flag, Ip, Keyword, Map, Number, Text};
    &[
        ("ProductArn", Text, "ProductArn"), ("AwsAccountId", Text, "AwsAccountId"), ("Id", Text, "Id"),
        ("GeneratorId", Text, "GeneratorId"), ("Region", Text, "Region"), ("Type", Text, "Types"),
        ("FirstObservedAt", Date, "FirstObservedAt"), ("LastObservedAt", Date, "LastObservedAt"),
        ("CreatedAt", Date, "CreatedAt"), ("UpdatedAt", Date, "UpdatedAt"),
        ("SeverityProduct", Number, "Severity.Product"), ("SeverityNormalized", Number, "Severity.Normalized"),
        ("SeverityLabel", Text, "Severity.Label"), ("Confidence", Number, "Confidence"), ("Criticality", Number, "Criticality"),
        ("Title", Text, "Title"), ("Description", Text, "Description"),
        ("RecommendationText", Text, "Remediation.Recommendation.Text"), ("SourceUrl", Text, "SourceUrl"),
        ("ProductFields", Map, "ProductFields"), ("ProductName", Text, "ProductName"), ("CompanyName", Text, "CompanyName"),
        ("UserDefinedFields", Map, "UserDefinedFields"),
        ("MalwareName", Text, "Malware.Name"), ("MalwareType", Text, "Malware.Type"), ("MalwarePath", Text, "Malware.Path"),
        ("MalwareState", Text, "Malware.State"),
        ("NetworkDirection", Text, "Network.Direction"), ("NetworkProtocol", Text, "Network.Protocol"),
        ("NetworkSourceIpV4", Ip, "Network.SourceIpV4"), ("NetworkSourceIpV6", Ip, "Network.SourceIpV6"),
        ("NetworkSourcePort", Number, "Network.SourcePort"), ("NetworkSourceDomain", Text, "Network.SourceDomain"),
        ("NetworkSourceMac", Text, "Network.SourceMac"), ("NetworkDestinationIpV4", Ip, "Network.DestinationIpV4"),
        ("NetworkDestinationIpV6", Ip, "Network.DestinationIpV6"), ("NetworkDestinationPort", Number, "Network.DestinationPort"),
        ("NetworkDestinationDomain", Text, "Network.DestinationDomain"),
        ("ProcessName", Text, "Process.Name"), ("ProcessPath", Text, "Process.Path"), ("ProcessPid", Number, "Process.Pid"),
        ("ProcessParentPid", Number, "Process.ParentPid"), ("ProcessLaunchedAt", Date, "Process.LaunchedAt"),
        ("ProcessTerminatedAt", Date, "Process.TerminatedAt"),
        ("ThreatIntelIndicatorType", Text, "ThreatIntelIndicators.Type"), ("ThreatIntelIndicatorValue", Text, "ThreatIntelIndicators.Value"),
        ("ThreatIntelIndicatorCategory", Text, "ThreatIntelIndicators.Category"),
        ("ThreatIntelIndicatorLastObservedAt", Date, "ThreatIntelIndicators.LastObservedAt"),
        ("ThreatIntelIndicatorSource", Text, "ThreatIntelIndicators.Source"), ("ThreatIntelIndicatorSourceUrl", Text, "ThreatIntelIndicators.SourceUrl"),
        ("ResourceType", Text, "Resources.Type"), ("ResourceId", Text, "Resources.Id"), ("ResourcePartition", Text, "Resources.Partition"),
        ("ResourceRegion", Text, "Resources.Region"), ("ResourceTags", Map, "Resources.Tags"),
        ("ResourceAwsEc2InstanceType", Text, "Resources.Details.AwsEc2Instance.Type"),
        ("ResourceAwsEc2InstanceImageId", Text, "Resources.Details.AwsEc2Instance.ImageId"),
        ("ResourceAwsEc2InstanceIpV4Addresses", Ip, "Resources.Details.AwsEc2Instance.IpV4Addresses"),
        ("ResourceAwsEc2InstanceIpV6Addresses", Ip, "Resources.Details.AwsEc2Instance.IpV6Addresses"),
        ("ResourceAwsEc2InstanceKeyName", Text, "Resources.Details.AwsEc2Instance.KeyName"),
        ("ResourceAwsEc2InstanceIamInstanceProfileArn", Text, "Resources.Details.AwsEc2Instance.IamInstanceProfileArn"),
        ("ResourceAwsEc2InstanceVpcId", Text, "Resources.Details.AwsEc2Instance.VpcId"),
        ("ResourceAwsEc2InstanceSubnetId", Text, "Resources.Details.AwsEc2Instance.SubnetId"),
        ("ResourceAwsEc2InstanceLaunchedAt", Date, "Resources.Details.AwsEc2Instance.LaunchedAt"),
        ("ResourceAwsS3BucketOwnerId", Text, "Resources.Details.AwsS3Bucket.OwnerId"),
        ("ResourceAwsS3BucketOwnerName", Text, "Resources.Details.AwsS3Bucket.OwnerName"),
        ("ResourceAwsIamAccessKeyUserName", Text, "Resources.Details.AwsIamAccessKey.UserName"),
        ("ResourceAwsIamAccessKeyPrincipalName", Text, "Resources.Details.AwsIamAccessKey.PrincipalName"),
        ("ResourceAwsIamAccessKeyStatus", Text, "Resources.Details.AwsIamAccessKey.Status"),
        ("ResourceAwsIamAccessKeyCreatedAt", Date, "Resources.Details.AwsIamAccessKey.CreatedAt"),
        ("ResourceAwsIamUserUserName", Text, "Resources.Details.AwsIamUser.UserName"),
        ("ResourceContainerName", Text, "Resources.Details.Container.Name"), ("ResourceContainerImageId", Text, "Resources.Details.Container.ImageId"),
        ("ResourceContainerImageName", Text, "Resources.Details.Container.ImageName"),
        ("ResourceContainerLaunchedAt", Date, "Resources.Details.Container.LaunchedAt"),
        ("ResourceDetailsOther", Map, "Resources.Details.Other"),
        ("ResourceApplicationName", Text, "Resources.ApplicationName"), ("ResourceApplicationArn", Text, "Resources.ApplicationArn"),
        ("ComplianceStatus", Text, "Compliance.Status"), ("ComplianceSecurityControlId", Text, "Compliance.SecurityControlId"),
        ("ComplianceAssociatedStandardsId", Text, "Compliance.AssociatedStandards.StandardsId"),
        ("ComplianceSecurityControlParametersName", Text, "Compliance.SecurityControlParameters.Name"),
        ("ComplianceSecurityControlParametersValue", Text, "Compliance.SecurityControlParameters.Value"),
        ("VerificationState", Text, "VerificationState"), ("WorkflowState", Text, "WorkflowState"),
        ("WorkflowStatus", Text, "Workflow.Status"), ("RecordState", Text, "RecordState"),
        ("RelatedFindingsProductArn", Text, "RelatedFindings.ProductArn"), ("RelatedFindingsId", Text, "RelatedFindings.Id"),
        ("NoteText", Text, "Note.Text"), ("NoteUpdatedAt", Date, "Note.UpdatedAt"), ("NoteUpdatedBy", Text, "Note.UpdatedBy"),
        ("Keyword", Keyword, ""), ("Sample", Flag, "Sample"), ("AwsAccountName", Text, "AwsAccountName"),
        ("FindingProviderFieldsConfidence", Number, "FindingProviderFields.Confidence"),
        ("FindingProviderFieldsCriticality", Number, "FindingProviderFields.Criticality"),
        ("FindingProviderFieldsRelatedFindingsId", Text, "FindingProviderFields.RelatedFindings.Id"),
        ("FindingProviderFieldsRelatedFindingsProductArn", Text, "FindingProviderFields.RelatedFindings.ProductArn"),
        ("FindingProviderFieldsSeverityLabel", Text, "FindingProviderFields.Severity.Label"),
        ("FindingProviderFieldsSeverityOriginal", Text, "FindingProviderFields.Severity.Original"),
        ("FindingProviderFieldsTypes", Text, "FindingProviderFields.Types"),
        ("VulnerabilitiesExploitAvailable", Text, "Vulnerabilities.ExploitAvailable"),
        ("VulnerabilitiesFixAvailable", Text, "Vulnerabilities.FixAvailable"),
    ]
};

fn attribute(name: &str) -> Option<(Kind, &'static str)> {
    ATTRIBUTES.iter().find(|(known, ..)| *known == name).map(|(_, kind, path)| (*kind, *path))
}

/// The comparisons of one attribute.
enum Test {
    Text { any: Vec<(Compare, String)>, none: Vec<(Compare, String)> },
    Map { any: Vec<(String, Compare, String)>, none: Vec<(String, Compare, String)> },
    Number(Vec<Bounds>),
    Date(Vec<(Timestamp, Timestamp)>),
    Ip(Vec<IpNet>),
    Keyword(Vec<String>),
    Flag(Vec<bool>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equals,
    Prefix,
    Contains,
}

impl Compare {
    fn holds(self, have: &str, want: &str) -> bool {
        match self {
            Self::Equals => have == want,
            Self::Prefix => have.starts_with(want),
            Self::Contains => have.contains(want),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    gte: f64,
    lte: f64,
    gt: f64,
    lt: f64,
    eq: Option<f64>,
}

/// A checked filter: attributes AND-ed; within one, positive comparisons OR-ed and negative ones AND-ed.
pub struct Query {
    tests: Vec<(&'static str, Test)>,
}

impl Query {
    /// Checks a request's `Filters`.
    ///
    /// # Errors
    /// `InvalidInputException` for more than 10 attributes or 20 values, comparisons that may not be mixed, bad values.
    pub fn read(filters: &Value, now: Timestamp) -> Result<Self, Refusal> {
        let Some(filters) = filters.as_object() else { return Ok(Self { tests: Vec::new() }) };
        let given: Vec<_> = filters.iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty())).collect();
        if given.len() > 10 {
            return Err(invalid(format!("Filters has {} attributes; at most 10 are allowed", given.len())));
        }
        let mut tests = Vec::new();
        for (name, list) in given {
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            if list.len() > 20 {
                return Err(invalid(format!("Filters.{name} has {} values; at most 20 are allowed", list.len())));
            }
            let Some((kind, path)) = attribute(name) else {
                return Err(invalid(format!("Filters.{name} is not a filter attribute this server knows")));
            };
            let test = match kind {
                Kind::Text => text_test(name, list)?,
                Kind::Map => map_test(name, list)?,
                Kind::Number => Test::Number(list.iter().map(|filter| bounds(name, filter)).collect::<Result<_, _>>()?),
                Kind::Date => Test::Date(list.iter().map(|filter| span(name, filter, now)).collect::<Result<_, _>>()?),
                Kind::Ip => Test::Ip(list.iter().map(|filter| cidr(name, filter)).collect::<Result<_, _>>()?),
                Kind::Keyword => Test::Keyword(
                    list.iter().map(|filter| word(name, filter, "Value").map(|w| w.to_lowercase())).collect::<Result<_, _>>()?,
                ),
                Kind::Flag => Test::Flag(list.iter().filter_map(|filter| filter["Value"].as_bool()).collect()),
            };
            tests.push((path, test));
        }
        Ok(Self { tests })
    }

    /// Whether a finding passes.
    pub fn matches(&self, finding: &Value) -> bool {
        self.tests.iter().all(|(path, test)| test.holds(finding, path))
    }
}

impl Test {
    fn holds(&self, finding: &Value, path: &str) -> bool {
        if let Self::Keyword(words) = self {
            return words.iter().any(|word| mentions(finding, word));
        }
        let mut found = Vec::new();
        values(finding, path, &mut found);
        match self {
            Self::Text { any, none } => {
                let hit = |(compare, want): &(Compare, String)| {
                    found.iter().filter_map(|v| v.as_str()).any(|have| compare.holds(have, want))
                };
                (any.is_empty() || any.iter().any(hit)) && !none.iter().any(hit)
            }
            Self::Map { any, none } => {
                let hit = |(key, compare, want): &(String, Compare, String)| {
                    found.iter().filter_map(|v| v.get(key)?.as_str()).any(|have| compare.holds(have, want))
                };
                (any.is_empty() || any.iter().any(hit)) && !none.iter().any(hit)
            }
            Self::Number(ranges) => found.iter().filter_map(|v| v.as_f64()).any(|n| {
                ranges.iter().any(|b| {
                    n >= b.gte && n <= b.lte && n > b.gt && n < b.lt && b.eq.is_none_or(|eq| (eq - n).abs() < f64::EPSILON)
                })
            }),
            Self::Date(spans) => found
                .iter()
                .filter_map(|v| v.as_str()?.parse::<Timestamp>().ok())
                .any(|at| spans.iter().any(|(start, end)| *start <= at && at <= *end)),
            Self::Ip(nets) => {
                found.iter().filter_map(|v| v.as_str()?.parse::<IpAddr>().ok()).any(|ip| nets.iter().any(|net| net.contains(&ip)))
            }
            Self::Flag(wanted) => wanted.contains(&found.iter().any(|v| v.as_bool() == Some(true))),
            Self::Keyword(_) => false,
        }
    }
}

/// All values at a path, through arrays.
fn values<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    if let Value::Array(list) = value {
        list.iter().for_each(|member| values(member, path, found));
    } else if path.is_empty() {
        found.push(value);
    } else {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(next) = value.get(first) {
            values(next, rest, found);
        }
    }
}

fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(word),
        Value::Array(list) => list.iter().any(|member| mentions(member, word)),
        Value::Object(map) => map.values().any(|member| mentions(member, word)),
        _ => false,
    }
}

fn word<'a>(name: &str, filter: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    match filter[field].as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(invalid(format!("Filters.{name}: {field} must be a non-empty string"))),
    }
}

fn text_test(name: &str, list: &[Value]) -> Result<Test, Refusal> {
    let (mut any, mut none, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for filter in list {
        let value = word(name, filter, "Value")?.to_owned();
        let comparison = word(name, filter, "Comparison")?;
        used.push(comparison);
        match comparison {
            "EQUALS" => any.push((Compare::Equals, value)),
            "PREFIX" => any.push((Compare::Prefix, value)),
            "CONTAINS" => any.push((Compare::Contains, value)),
            "NOT_EQUALS" => none.push((Compare::Equals, value)),
            "PREFIX_NOT_EQUALS" => none.push((Compare::Prefix, value)),
            "NOT_CONTAINS" => none.push((Compare::Contains, value)),
            other => return Err(invalid(format!("Filters.{name}: {other} is not a comparison of GetFindings"))),
        }
    }
    mixed(name, &used)?;
    Ok(Test::Text { any, none })
}

fn map_test(name: &str, list: &[Value]) -> Result<Test, Refusal> {
    let (mut any, mut none, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for filter in list {
        let key = word(name, filter, "Key")?.to_owned();
        let value = word(name, filter, "Value")?.to_owned();
        let comparison = word(name, filter, "Comparison")?;
        used.push(comparison);
        match comparison {
            "EQUALS" => any.push((key, Compare::Equals, value)),
            "CONTAINS" => any.push((key, Compare::Contains, value)),
            "NOT_EQUALS" => none.push((key, Compare::Equals, value)),
            "NOT_CONTAINS" => none.push((key, Compare::Contains, value)),
            other => return Err(invalid(format!("Filters.{name}: {other} is not a comparison of a map"))),
        }
    }
    mixed(name, &used)?;
    Ok(Test::Map { any, none })
}

/// The comparisons that may not stand together on one field (API reference of `StringFilter` and `MapFilter`).
fn mixed(name: &str, used: &[&str]) -> Result<(), Refusal> {
    let has = |comparison: &str| used.contains(&comparison);
    let alone = |comparison: &str| has(comparison) && used.iter().any(|other| *other != comparison);
    let equal = has("EQUALS") && (has("NOT_EQUALS") || has("PREFIX_NOT_EQUALS"));
    if equal || alone("CONTAINS") || alone("NOT_CONTAINS") {
        return Err(invalid(format!("Filters.{name}: these comparisons can't be combined on one field: {}", used.join(", "))));
    }
    Ok(())
}

fn bounds(name: &str, filter: &Value) -> Result<Bounds, Refusal> {
    let number = |field: &str| filter[field].as_f64();
    if ["Gte", "Lte", "Gt", "Lt", "Eq"].iter().all(|field| number(field).is_none()) {
        return Err(invalid(format!("Filters.{name}: a number filter needs Gte, Lte, Gt, Lt or Eq")));
    }
    let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
    Ok(Bounds {
        gte: number("Gte").unwrap_or(low),
        lte: number("Lte").unwrap_or(high),
        gt: number("Gt").unwrap_or(low),
        lt: number("Lt").unwrap_or(high),
        eq: number("Eq"),
    })
}

fn span(name: &str, filter: &Value, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
    if let Some(range) = filter["DateRange"].as_object() {
        let days = range.get("Value").and_then(Value::as_i64).unwrap_or(-1);
        let unit = range.get("Unit").and_then(Value::as_str);
        if !(0..=36_500).contains(&days) || unit != Some("DAYS") || filter.get("Start").is_some() || filter.get("End").is_some() {
            return Err(invalid(format!("Filters.{name}: DateRange needs a Value in DAYS, and no Start or End beside it")));
        }
        let edge = now - SignedDuration::from_hours(24 * days);
        return match range.get("Comparison").and_then(Value::as_str) {
            None | Some("WITHIN") => Ok((edge, Timestamp::MAX)),
            Some("OLDER_THAN") => Ok((Timestamp::MIN, edge)),
            Some(other) => Err(invalid(format!("Filters.{name}: {other} is not a comparison of DateRange"))),
        };
    }
    let time = |field: &str| match filter.get(field).filter(|v| !v.is_null()) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
            Some(at) => Ok(Some(at)),
            None => Err(invalid(format!("Filters.{name}.{field} is not a timestamp: {value}"))),
        },
    };
    match (time("Start")?, time("End")?) {
        (None, None) => Err(invalid(format!("Filters.{name}: a date filter needs Start, End or DateRange"))),
        (start, end) => Ok((start.unwrap_or(Timestamp::MIN), end.unwrap_or(Timestamp::MAX))),
    }
}

fn cidr(name: &str, filter: &Value) -> Result<IpNet, Refusal> {
    let text = word(name, filter, "Cidr")?;
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| invalid(format!("Filters.{name}: {text} is no CIDR")))
}

/// A checked `SortCriteria`.
pub struct Order {
    by: Vec<(&'static str, bool)>,
}

/// One sort value: absent sorts lowest.
#[derive(Debug, PartialEq)]
pub enum Rank {
    Absent,
    Number(f64),
    Text(String),
}

impl Order {
    /// Checks a request's `SortCriteria`: any filter attribute, `asc` (also when not said) or `desc`.
    ///
    /// # Errors
    /// `InvalidInputException` for an unknown field or order, or more than 10 criteria.
    pub fn read(criteria: &Value) -> Result<Self, Refusal> {
        let mut by = Vec::new();
        for criterion in criteria.as_array().map(Vec::as_slice).unwrap_or_default() {
            let field = criterion["Field"].as_str().unwrap_or_default();
            let path = match attribute(field) {
                Some((kind, path)) if kind != Kind::Map && kind != Kind::Keyword => path,
                _ => return Err(invalid(format!("SortCriteria: {field:?} is not a field to sort by"))),
            };
            let down = match criterion["SortOrder"].as_str() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(other) => return Err(invalid(format!("SortCriteria: {other:?} is neither asc nor desc"))),
            };
            by.push((path, down));
        }
        if by.len() > 10 {
            return Err(invalid(format!("SortCriteria has {} fields; at most 10 are allowed", by.len())));
        }
        Ok(Self { by })
    }

    /// A finding's sort values. Severity labels rank by severity, not by letters.
    pub fn ranks(&self, finding: &Value) -> Vec<Rank> {
        let rank = |(path, _): &(&str, bool)| {
            let mut found = Vec::new();
            values(finding, path, &mut found);
            match found.first() {
                Some(Value::Number(n)) => Rank::Number(n.as_f64().unwrap_or(0.0)),
                Some(Value::String(text)) if path.ends_with("Severity.Label") => {
                    Rank::Number(super::normalized(text).unwrap_or(-1) as f64)
                }
                Some(Value::String(text)) => Rank::Text(text.clone()),
                Some(other) => Rank::Text(other.to_string()),
                None => Rank::Absent,
            }
        };
        self.by.iter().map(rank).collect()
    }

    /// Compares two findings' sort values.
    pub fn compare(&self, left: &[Rank], right: &[Rank]) -> Ordering {
        let class = |rank: &Rank| match rank {
            Rank::Absent => 0,
            Rank::Number(_) => 1,
            Rank::Text(_) => 2,
        };
        for (((_, down), left), right) in self.by.iter().zip(left).zip(right) {
            let order = match (left, right) {
                (Rank::Number(a), Rank::Number(b)) => a.total_cmp(b),
                (Rank::Text(a), Rank::Text(b)) => a.cmp(b),
                (a, b) => class(a).cmp(&class(b)),
            };
            if order != Ordering::Equal {
                return if *down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}
