//! Secrets Manager: the secrets of a region and their policies. No secret is ever read.

use serde::Deserialize;
use serde_json::json;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::json::{Action, target};
use crate::aws::policies::{Codes, each};
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::resource::Resource;

/// "AWS Secrets Manager quotas": 100 a second for `ListSecrets`, 50 for resource policies
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>).
const READS: Rate = Rate { per_second: 15.0, burst: 30.0 };

const LIST: Call = Call {
    action: "secretsmanager:ListSecrets",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: Some("NextToken"),
    what: "secrets' names",
    wire: Wire::Json,
};
const POLICY: Call = Call {
    action: "secretsmanager:GetResourcePolicy",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: None,
    what: "policies of secrets",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST, POLICY];

struct ListSecrets;
impl Action for ListSecrets {
    const CALL: Call = LIST;
    const HEADERS: [(&'static str, &'static str); 2] = target("secretsmanager.ListSecrets");
}

struct GetResourcePolicy;
impl Action for GetResourcePolicy {
    const CALL: Call = POLICY;
    const HEADERS: [(&'static str, &'static str); 2] = target("secretsmanager.GetResourcePolicy");
}

const CODES: Codes = Codes { none: &[], gone: &["ResourceNotFoundException"] };

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "ARN")]
    arn: String,
    #[serde(rename = "Tags", default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// The secrets of an account and region, by name alone.
pub(super) async fn secrets(scope: &Scope) -> Answer<Vec<Resource>> {
    let mut secrets: Vec<Secret> = Vec::new();
    let next = |token: Option<String>| {
        let mut body = json!({"MaxResults": 100});
        if let Some(token) = token {
            body["NextToken"] = token.into();
        }
        scope.json::<ListSecrets>(&body)
    };
    let listed = scope.pages(next, |mut page| objects(&mut page, "SecretList", &mut secrets)).await;
    let asked = secrets.iter().map(|secret| (secret.arn.clone(), secret.arn.clone())).collect();
    let ask = |arn: String| async move {
        let answer = scope.value(&scope.json::<GetResourcePolicy>(&json!({"SecretId": arn}))).await?;
        Ok(answer["ResourcePolicy"].as_str().map(str::to_owned))
    };
    let (mut value, policies) = each(POLICY, CODES, asked, ask).await;
    secrets.sort_by(|a, b| a.arn.cmp(&b.arn));
    for resource in &mut value {
        if let Ok(at) = secrets.binary_search_by(|s| s.arn.cmp(&resource.arn)) {
            resource.tags = std::mem::take(&mut secrets[at].tags).into_iter().map(|t| (t.key, t.value)).collect();
        }
    }
    Answer { value, coverage: vec![scope.covered(&listed), scope.covered(&policies)] }
}
