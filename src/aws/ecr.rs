//! Elastic Container Registry: the repositories of a region and their policies.

use serde::Deserialize;
use serde_json::json;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::json::{Action, target};
use crate::aws::policies::{Codes, each};
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::resource::Resource;

// AWS publishes no figures for these; careful ones.
const READS: Rate = Rate { per_second: 10.0, burst: 20.0 };

const LIST: Call = Call {
    action: "ecr:DescribeRepositories",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: Some("nextToken"),
    what: "repositories",
    wire: Wire::Json,
};
const POLICY: Call = Call {
    action: "ecr:GetRepositoryPolicy",
    reach: Reach::PerRegion,
    rate: READS,
    paginated: None,
    what: "policies of repositories",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST, POLICY];

struct DescribeRepositories;
impl Action for DescribeRepositories {
    const CALL: Call = LIST;
    const HEADERS: [(&'static str, &'static str); 2] = target("AmazonEC2ContainerRegistry_V20150921.DescribeRepositories");
    const HOST: Option<&'static str> = Some("api.ecr");
}

struct GetRepositoryPolicy;
impl Action for GetRepositoryPolicy {
    const CALL: Call = POLICY;
    const HEADERS: [(&'static str, &'static str); 2] = target("AmazonEC2ContainerRegistry_V20150921.GetRepositoryPolicy");
    const HOST: Option<&'static str> = Some("api.ecr");
}

const CODES: Codes = Codes { none: &["RepositoryPolicyNotFoundException"], gone: &["RepositoryNotFoundException"] };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    repository_arn: String,
    repository_name: String,
}

/// The repositories of an account and region.
pub(super) async fn repositories(scope: &Scope) -> Answer<Vec<Resource>> {
    let mut repositories: Vec<Repository> = Vec::new();
    let next = |token: Option<String>| {
        let mut body = json!({"maxResults": 1000});
        if let Some(token) = token {
            body["nextToken"] = token.into();
        }
        scope.json::<DescribeRepositories>(&body)
    };
    let listed = scope.pages(next, |mut page| objects(&mut page, "repositories", &mut repositories)).await;
    let asked = repositories.into_iter().map(|r| (r.repository_arn, r.repository_name)).collect();
    let ask = |name: String| async move {
        let answer = scope.value(&scope.json::<GetRepositoryPolicy>(&json!({"repositoryName": name}))).await?;
        Ok(answer["policyText"].as_str().map(str::to_owned))
    };
    let (value, policies) = each(POLICY, CODES, asked, ask).await;
    Answer { value, coverage: vec![scope.covered(&listed), scope.covered(&policies)] }
}
