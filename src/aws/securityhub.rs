//! Security Hub: findings as raw texts, page by page, and where they are brought together. What a finding says is read
//! by the formats. And the two calls that change findings there: what people decided, and findings of other tools.

use std::future::Future;

use aws_sdk_securityhub::operation::{
    batch_import_findings::builders::BatchImportFindingsFluentBuilder,
    batch_update_findings::builders::BatchUpdateFindingsFluentBuilder, describe_hub::builders::DescribeHubFluentBuilder,
    get_finding_aggregator::builders::GetFindingAggregatorFluentBuilder,
    get_finding_history::builders::GetFindingHistoryFluentBuilder, get_findings::builders::GetFindingsFluentBuilder,
    list_finding_aggregators::builders::ListFindingAggregatorsFluentBuilder,
};
use aws_sdk_securityhub::types::{
    AwsSecurityFindingFilters, AwsSecurityFindingIdentifier, DateFilter, StringFilter, StringFilterComparison,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::aws::call::{Rate, Raw, calls};
use crate::aws::error::Failure;
use crate::aws::scope::{Answer, Scope, Tally};
use crate::model::Extra;
use crate::model::finding::{HubChange, HubEvent, RecordState, Severity};

// GetFindings 3 a second, burst 6; others 10 a second, burst 30
// (https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub_limits.html).
const FINDINGS: Rate = Rate { per_second: 3.0, burst: 6.0 };
const OTHER: Rate = Rate { per_second: 10.0, burst: 30.0 };
const NEXT: Option<&str> = Some("NextToken");

calls! {
    GET_FINDINGS = "securityhub:GetFindings", PerRegion, Json, FINDINGS, NEXT, "findings", GetFindingsFluentBuilder;
    DESCRIBE_HUB = "securityhub:DescribeHub", PerRegion, Json, OTHER, None, "whether Security Hub is on", DescribeHubFluentBuilder;
    LIST_AGGREGATORS = "securityhub:ListFindingAggregators", PerRegion, Json, OTHER, NEXT, "finding aggregators", ListFindingAggregatorsFluentBuilder;
    GET_AGGREGATOR = "securityhub:GetFindingAggregator", PerRegion, Json, OTHER, None, "the aggregation region", GetFindingAggregatorFluentBuilder;
    GET_HISTORY = "securityhub:GetFindingHistory", PerRegion, Json, OTHER, NEXT, "a finding's history", GetFindingHistoryFluentBuilder;
    UPDATE = "securityhub:BatchUpdateFindings", Hub, Json, OTHER, None, "delivery of decisions", BatchUpdateFindingsFluentBuilder;
    IMPORT = "securityhub:BatchImportFindings", Hub, Json, OTHER, None, "`bartizan push` of imported findings", BatchImportFindingsFluentBuilder;
}

/// Which findings. Filters on one field are OR-ed, fields are AND-ed; AWS allows 20 values a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// None: all. The severity that Security Hub shows (`SeverityLabel`).
    pub severities: Vec<Severity>,
    /// Only what was updated at or after this time. Triage does not touch it (`BatchUpdateFindings`).
    pub updated_since: Option<Timestamp>,
    /// None: both.
    pub record_state: Option<RecordState>,
    /// Only these accounts' findings; none: all the hub has.
    pub accounts: Vec<String>,
}

impl Query {
    fn filters(&self, now: Timestamp) -> Option<AwsSecurityFindingFilters> {
        if *self == Self::default() {
            return None;
        }
        let equals = |value: &str| StringFilter::builder().value(value).comparison(StringFilterComparison::Equals).build();
        let mut filters = AwsSecurityFindingFilters::builder();
        for severity in &self.severities {
            filters = filters.severity_label(equals(severity.word()));
        }
        for account in &self.accounts {
            filters = filters.aws_account_id(equals(account));
        }
        if let Some(state) = self.record_state {
            filters = filters.record_state(equals(state.word()));
        }
        if let Some(start) = self.updated_since {
            // The end is given too, and lies ahead: clocks differ, and a finding may come while pages are read.
            let end = now.checked_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
            filters = filters.updated_at(DateFilter::builder().start(start.to_string()).end(end.to_string()).build());
        }
        Some(filters.build())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    #[serde(borrow, default)]
    findings: Vec<&'a RawValue>,
    #[serde(default)]
    next_token: Option<String>,
}

/// Reads findings, 100 a page, and hands each page's raw JSON texts (ASFF) to `sink`, which is waited for before the next
/// page is asked for, so that memory stays bounded. The value is how many came.
pub async fn findings<F, Fut>(scope: &Scope, query: &Query, mut sink: F) -> Answer<u64>
where
    F: FnMut(Vec<String>) -> Fut + Send,
    Fut: Future<Output = ()> + Send,
{
    let filters = query.filters(Timestamp::now());
    let mut tally = Tally::new(GET_FINDINGS);
    let mut token: Option<String> = None;
    loop {
        let request =
            scope.securityhub().get_findings().max_results(100).set_filters(filters.clone()).set_next_token(token.clone());
        let body = match scope.body(&request).await {
            Ok(body) => body,
            Err(failure) => {
                tally.fail(failure);
                break;
            }
        };
        let (texts, next) = match serde_json::from_slice::<Page<'_>>(&body) {
            Ok(page) => (page.findings.iter().map(|f| f.get().to_owned()).collect::<Vec<_>>(), page.next_token),
            Err(error) => {
                tally.fail(Failure::unreadable(format!("securityhub:GetFindings: the answer is not what it should be: {error}")));
                break;
            }
        };
        drop(body);
        tally.count += texts.len() as u64;
        if !texts.is_empty() {
            sink(texts).await;
        }
        match next.filter(|next| !next.is_empty()) {
            None => break,
            next if next == token => {
                tally.fail(Failure::unreadable("securityhub:GetFindings gave the same page's token twice"));
                break;
            }
            next => token = next,
        }
    }
    Answer { value: tally.count, coverage: vec![scope.covered(&tally)] }
}

/// The most findings of one call that changes them.
pub const BATCH: usize = 100;
/// The most values a filter takes in one field.
const VALUES: usize = 20;
/// The most pages of one finding's history that are read: 90 days of a busy one.
const HISTORY_PAGES: usize = 10;

/// A finding by the names that Security Hub knows it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identifier {
    pub id: String,
    pub product_arn: String,
}

/// Reads these findings as they are now: raw JSON texts (ASFF), in no order; those that the hub does not have are left
/// out.
///
/// # Errors
/// The first call's that failed.
pub async fn some(scope: &Scope, wanted: &[Identifier]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(VALUES) {
        let equals = |value: &str| StringFilter::builder().value(value).comparison(StringFilterComparison::Equals).build();
        let mut products: Vec<&str> = part.iter().map(|i| i.product_arn.as_str()).collect();
        products.sort_unstable();
        products.dedup();
        let filters = AwsSecurityFindingFilters::builder()
            .set_id(Some(part.iter().map(|i| equals(&i.id)).collect()))
            .set_product_arn(Some(products.into_iter().map(equals).collect()))
            .build();
        let mut token: Option<String> = None;
        loop {
            let hub = scope.securityhub();
            let request = hub.get_findings().max_results(100).filters(filters.clone()).set_next_token(token.clone());
            let body = scope.body(&request).await?;
            let page: Page<'_> = serde_json::from_slice(&body)
                .map_err(|e| Failure::unreadable(format!("securityhub:GetFindings: the answer is not what it should be: {e}")))?;
            all.extend(page.findings.iter().map(|f| f.get().to_owned()));
            match page.next_token.filter(|next| !next.is_empty()) {
                None => break,
                next if next == token => {
                    return Err(Failure::unreadable("securityhub:GetFindings gave the same page's token twice"));
                }
                next => token = next,
            }
        }
    }
    Ok(all)
}

/// A finding that a call did not change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprocessed {
    /// The finding's `Id`.
    pub id: String,
    /// Empty where AWS does not name it.
    pub product_arn: String,
    /// AWS's code: `FindingNotFound`, `ConcurrentUpdateError`, …
    pub code: String,
    /// AWS's own words.
    pub message: String,
}

impl Unprocessed {
    /// Whether the same call may work later (`BatchUpdateFindingsUnprocessedFinding`, `ErrorCode`): someone else's call was
    /// in the way, or the service failed.
    pub fn may_pass(&self) -> bool {
        let code = self.code.as_str();
        matches!(code, "ConcurrentUpdateError" | "InternalFailure" | "InternalException" | "LimitExceeded")
            || code.contains("Throttl")
            || code.contains("TooManyRequests")
    }
    fn read(value: &Value, id: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            id: text(&id["Id"]),
            product_arn: text(&id["ProductArn"]),
            code: text(&value["ErrorCode"]),
            message: text(&value["ErrorMessage"]),
        }
    }
}

/// Sets the same fields of findings, at most [`BATCH`] of them (`BatchUpdateFindings`). `fields` are the request's own:
/// `Workflow`, `Note`, … The findings that were not changed; the others were.
///
/// # Errors
/// Where none was changed, or nobody knows.
pub async fn update(scope: &Scope, findings: &[Identifier], fields: &Map<String, Value>) -> Result<Vec<Unprocessed>, Failure> {
    let mut body = fields.clone();
    body.insert("FindingIdentifiers".into(), serde_json::to_value(findings).unwrap_or_default());
    let request = Raw::new(scope.securityhub().batch_update_findings(), Value::Object(body).to_string());
    let answer = scope.value(&request).await?;
    let list = answer["UnprocessedFindings"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(list.iter().map(|u| Unprocessed::read(u, &u["FindingIdentifier"])).collect())
}

/// Brings findings in, at most [`BATCH`] of them, each a JSON text (ASFF) (`BatchImportFindings`). Those that were not
/// taken; the others were.
///
/// # Errors
/// Where none was taken, or nobody knows.
pub async fn import(scope: &Scope, findings: &[String]) -> Result<Vec<Unprocessed>, Failure> {
    let body = format!("{{\"Findings\":[{}]}}", findings.join(","));
    let request = Raw::new(scope.securityhub().batch_import_findings(), body);
    let answer = scope.value(&request).await?;
    let list = answer["FailedFindings"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(list.iter().map(|f| Unprocessed::read(f, f)).collect())
}

/// What happened to a finding there in the last 90 days, as Security Hub tells it, the newest first.
///
/// # Errors
/// The call's.
pub async fn history(scope: &Scope, finding: &Identifier) -> Result<Vec<HubEvent>, Failure> {
    let name = AwsSecurityFindingIdentifier::builder().id(&finding.id).product_arn(&finding.product_arn).build();
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..HISTORY_PAGES {
        let request = scope.securityhub().get_finding_history().finding_identifier(name.clone());
        let answer = scope.value(&request.set_next_token(token.clone()).max_results(100)).await?;
        all.extend(answer["Records"].as_array().into_iter().flatten().filter_map(read_event));
        let next = answer["NextToken"].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        if next.is_none() || next == token {
            break;
        }
        token = next;
    }
    Ok(all)
}

/// None where it has no time.
fn read_event(record: &Value) -> Option<HubEvent> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let change = |c: &Value| HubChange { field: text(&c["UpdatedField"]), old: text(&c["OldValue"]), new: text(&c["NewValue"]) };
    Some(HubEvent {
        at: record["UpdateTime"].as_str()?.parse().ok()?,
        created: record["FindingCreated"].as_bool().unwrap_or_default(),
        source: text(&record["UpdateSource"]["Type"]),
        by: text(&record["UpdateSource"]["Identity"]),
        changes: record["Updates"].as_array().into_iter().flatten().map(change).collect(),
    })
}

/// The hub of an account and region as AWS describes it; none where Security Hub is off (coverage: not asked).
pub async fn hub(scope: &Scope) -> Answer<Option<Extra>> {
    let mut tally = Tally::new(DESCRIBE_HUB);
    let value = tally.add(scope.value(&scope.securityhub().describe_hub()).await);
    Answer { value: value.and_then(|v| serde_json::from_value(v).ok()), coverage: vec![scope.covered(&tally)] }
}

/// Where Security Hub brings findings of several regions together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    /// The region to read once instead of all the others.
    pub region: String,
    /// `ALL_REGIONS`, `ALL_REGIONS_EXCEPT_SPECIFIED`, `SPECIFIED_REGIONS` or `NO_REGIONS` (`RegionLinkingMode`).
    pub mode: String,
    /// The regions the mode speaks of.
    pub regions: Vec<String>,
}

impl Aggregation {
    /// Whether a region's findings are in the aggregation region.
    pub fn covers(&self, region: &str) -> bool {
        let named = self.regions.iter().any(|r| r == region);
        region == self.region
            || match self.mode.as_str() {
                "ALL_REGIONS" => true,
                "ALL_REGIONS_EXCEPT_SPECIFIED" => !named,
                "SPECIFIED_REGIONS" => named,
                _ => false,
            }
    }
}

/// The account's aggregation region; AWS answers from any region that has Security Hub on.
pub async fn aggregation(scope: &Scope) -> Answer<Option<Aggregation>> {
    let hub = scope.securityhub();
    let mut listed = Tally::new(LIST_AGGREGATORS);
    let answer = listed.add(scope.value(&hub.list_finding_aggregators()).await);
    // An account has one at most.
    let arn = answer.and_then(|v| v["FindingAggregators"][0]["FindingAggregatorArn"].as_str().map(str::to_owned));
    listed.count = u64::from(arn.is_some());
    let mut coverage = vec![scope.covered(&listed)];
    let mut value = None;
    if let Some(arn) = arn {
        let mut got = Tally::new(GET_AGGREGATOR);
        let answer = got.add(scope.value(&hub.get_finding_aggregator().finding_aggregator_arn(arn)).await);
        value = answer.as_ref().and_then(read_aggregation);
        coverage.push(scope.covered(&got));
    }
    Answer { value, coverage }
}

fn read_aggregation(answer: &Value) -> Option<Aggregation> {
    let regions = answer["Regions"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(Aggregation {
        region: answer["FindingAggregationRegion"].as_str().filter(|r| !r.is_empty())?.to_owned(),
        mode: answer["RegionLinkingMode"].as_str().unwrap_or_default().to_owned(),
        regions: regions.iter().filter_map(|r| r.as_str().map(str::to_owned)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_keep_each_finding_as_it_came() {
        let body = br#"{"Findings":[{"Id":"1", "New" : 1.50},{"Id":"2"}],"NextToken":"t"}"#;
        let page: Page<'_> = serde_json::from_slice(body).unwrap();
        assert_eq!(page.findings[0].get(), r#"{"Id":"1", "New" : 1.50}"#);
        assert_eq!(page.next_token.as_deref(), Some("t"));
    }

    #[test]
    fn filters_say_what_was_asked() {
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        assert!(Query::default().filters(now).is_none());
        let query = Query {
            severities: vec![Severity::Critical, Severity::High],
            updated_since: Some("2026-02-01T00:00:00Z".parse().unwrap()),
            record_state: Some(RecordState::Active),
            accounts: Vec::new(),
        };
        let filters = query.filters(now).unwrap();
        let labels: Vec<&str> = filters.severity_label().iter().filter_map(StringFilter::value).collect();
        assert_eq!(labels, ["CRITICAL", "HIGH"]);
        assert_eq!(filters.updated_at()[0].start(), Some("2026-02-01T00:00:00Z"));
        assert_eq!(filters.updated_at()[0].end(), Some("2026-03-02T00:00:00Z"));
        assert_eq!(filters.record_state()[0].value(), Some("ACTIVE"));
    }

    #[test]
    fn aggregation_modes() {
        let read = |mode: &str, regions: Value| {
            read_aggregation(&json!({"FindingAggregationRegion": "eu-west-1", "RegionLinkingMode": mode, "Regions": regions}))
                .unwrap()
        };
        let covers = |a: &Aggregation| ["eu-west-1", "us-east-1", "us-west-2"].map(|r| a.covers(r));
        assert_eq!(covers(&read("ALL_REGIONS", json!(null))), [true, true, true]);
        assert_eq!(covers(&read("ALL_REGIONS_EXCEPT_SPECIFIED", json!(["us-east-1"]))), [true, false, true]);
        assert_eq!(covers(&read("SPECIFIED_REGIONS", json!(["us-east-1"]))), [true, true, false]);
        assert_eq!(covers(&read("NO_REGIONS", json!([]))), [true, false, false]);
        assert!(read_aggregation(&json!({})).is_none());
    }
}
