//! Security Hub: findings as raw texts, page by page, and where they are brought together. What a finding says is read
//! by the formats.

use std::future::Future;

use aws_sdk_securityhub::operation::{
    describe_hub::builders::DescribeHubFluentBuilder, get_finding_aggregator::builders::GetFindingAggregatorFluentBuilder,
    get_findings::builders::GetFindingsFluentBuilder, list_finding_aggregators::builders::ListFindingAggregatorsFluentBuilder,
};
use aws_sdk_securityhub::types::{AwsSecurityFindingFilters, DateFilter, StringFilter, StringFilterComparison};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::aws::call::{Rate, calls};
use crate::aws::error::Failure;
use crate::aws::scope::{Answer, Scope, Tally};
use crate::model::Extra;
use crate::model::finding::{RecordState, Severity};

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
