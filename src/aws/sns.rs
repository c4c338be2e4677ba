//! Simple Notification Service: the topics of a region and their policies.

use serde::Deserialize;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::policies::{Codes, each};
use crate::aws::query::Ask;
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::resource::Resource;

/// "Amazon SNS endpoints and quotas": 30 a second for each of these, shared by all who ask
/// (<https://docs.aws.amazon.com/general/latest/gr/sns.html>).
const READS: Rate = Rate { per_second: 10.0, burst: 20.0 };

const LIST: Call = Call {
    action: "sns:ListTopics",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: Some("NextToken"),
    what: "topics",
    wire: Wire::Query,
};
const ATTRIBUTES: Call = Call {
    action: "sns:GetTopicAttributes",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: None,
    what: "policies of topics",
    wire: Wire::Query,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST, ATTRIBUTES];

struct ListTopics;
impl Ask for ListTopics {
    const CALL: Call = LIST;
    const VERSION: &'static str = "2010-03-31";
}

struct GetTopicAttributes;
impl Ask for GetTopicAttributes {
    const CALL: Call = ATTRIBUTES;
    const VERSION: &'static str = "2010-03-31";
}

const CODES: Codes = Codes { none: &[], gone: &["NotFound", "NotFoundException"] };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Topic {
    topic_arn: String,
}

/// The topics of an account and region.
pub(super) async fn topics(scope: &Scope) -> Answer<Vec<Resource>> {
    let mut topics: Vec<Topic> = Vec::new();
    let next = |token| scope.query::<ListTopics>(&[("NextToken", token)]);
    let listed = scope.pages(next, |mut page| objects(&mut page, "Topics", &mut topics)).await;
    let asked = topics.into_iter().map(|topic| (topic.topic_arn.clone(), topic.topic_arn)).collect();
    let ask = |arn: String| async move {
        let answer = scope.value(&scope.query::<GetTopicAttributes>(&[("TopicArn", Some(arn))])).await?;
        Ok(answer["Attributes"]["Policy"].as_str().map(str::to_owned))
    };
    let (value, policies) = each(ATTRIBUTES, CODES, asked, ask).await;
    Answer { value, coverage: vec![scope.covered(&listed), scope.covered(&policies)] }
}
