//! Simple Queue Service: the queues of a region and their policies. Messages are never read.

use serde_json::json;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::json::{Action, target_1_0};
use crate::aws::policies::{Codes, each};
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::arn::partition_of;
use crate::model::resource::Resource;

// AWS lets queues be asked without a published limit; careful figures.
const READS: Rate = Rate { per_second: 20.0, burst: 40.0 };

const LIST: Call = Call {
    action: "sqs:ListQueues",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: Some("NextToken"),
    what: "queues",
    wire: Wire::Json,
};
const ATTRIBUTES: Call = Call {
    action: "sqs:GetQueueAttributes",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: None,
    what: "policies of queues",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST, ATTRIBUTES];

struct ListQueues;
impl Action for ListQueues {
    const CALL: Call = LIST;
    const HEADERS: [(&'static str, &'static str); 2] = target_1_0("AmazonSQS.ListQueues");
}

struct GetQueueAttributes;
impl Action for GetQueueAttributes {
    const CALL: Call = ATTRIBUTES;
    const HEADERS: [(&'static str, &'static str); 2] = target_1_0("AmazonSQS.GetQueueAttributes");
}

const CODES: Codes = Codes { none: &[], gone: &["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] };

/// The queues of an account and region.
pub(super) async fn queues(scope: &Scope) -> Answer<Vec<Resource>> {
    let mut urls: Vec<String> = Vec::new();
    let next = |token: Option<String>| {
        let mut body = json!({"MaxResults": 1000});
        if let Some(token) = token {
            body["NextToken"] = token.into();
        }
        scope.json::<ListQueues>(&body)
    };
    let listed = scope.pages(next, |mut page| objects(&mut page, "QueueUrls", &mut urls)).await;
    // A queue's URL ends with its account and name.
    let arn = |url: &String| {
        let mut parts = url.rsplit('/');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("arn:{}:sqs:{}:{account}:{name}", partition_of(scope.region()), scope.region())
    };
    let asked = urls.into_iter().map(|url| (arn(&url), url)).collect();
    let ask = |url: String| async move {
        let request = scope.json::<GetQueueAttributes>(&json!({"QueueUrl": url, "AttributeNames": ["Policy"]}));
        let answer = scope.value(&request).await?;
        Ok(answer["Attributes"]["Policy"].as_str().map(str::to_owned))
    };
    let (value, policies) = each(ATTRIBUTES, CODES, asked, ask).await;
    Answer { value, coverage: vec![scope.covered(&listed), scope.covered(&policies)] }
}
