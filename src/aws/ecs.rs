//! Elastic Container Service: the tasks that run in a region and the roles of the code in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::error::Failure;
use crate::aws::json::{Action, target};
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::workload::Task;

// "Cluster read actions" and their like: a bucket of 50 and more, refilled with 20 a second
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html).
const READS: Rate = Rate { per_second: 10.0, burst: 20.0 };

const fn read(action: &'static str, what: &'static str, paginated: Option<&'static str>) -> Call {
    Call { action, reach: Reach::PerRegion, rate: READS, paginated, what, wire: Wire::Json }
}

const LIST_CLUSTERS: Call = read("ecs:ListClusters", "container clusters", Some("nextToken"));
const LIST_TASKS: Call = read("ecs:ListTasks", "container tasks", Some("nextToken"));
const DESCRIBE_TASKS: Call = read("ecs:DescribeTasks", "container tasks' details", None);
const DESCRIBE_DEFINITION: Call = read("ecs:DescribeTaskDefinition", "roles of container tasks", None);

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST_CLUSTERS, LIST_TASKS, DESCRIBE_TASKS, DESCRIBE_DEFINITION];

macro_rules! actions {
    ($($name:ident $call:ident $target:literal;)+) => {
        $(pub(super) struct $name;
        impl Action for $name {
            const CALL: Call = $call;
            const HEADERS: [(&'static str, &'static str); 2] = target(concat!("AmazonEC2ContainerServiceV20141113.", $target));
        })+
    };
}

actions! {
    ListClusters LIST_CLUSTERS "ListClusters";
    ListTasks LIST_TASKS "ListTasks";
    DescribeTasks DESCRIBE_TASKS "DescribeTasks";
    DescribeTaskDefinition DESCRIBE_DEFINITION "DescribeTaskDefinition";
}

/// Tasks that `DescribeTasks` takes at once.
const AT_ONCE: usize = 100;

/// The tasks that run in an account and region, with the roles of their code.
pub async fn tasks(scope: &Scope) -> Answer<Vec<Task>> {
    let mut clusters: Vec<String> = Vec::new();
    let next = |token| scope.json::<ListClusters>(&page(json!({}), token));
    let listed = scope.pages(next, |mut page| objects(&mut page, "clusterArns", &mut clusters)).await;
    let mut coverage = vec![scope.covered(&listed)];
    let (mut found, mut described, mut defined) =
        (Tally::new(LIST_TASKS), Tally::new(DESCRIBE_TASKS), Tally::new(DESCRIBE_DEFINITION));
    let mut value: Vec<Task> = Vec::new();
    for cluster in &clusters {
        let mut arns: Vec<String> = Vec::new();
        let next = |token| scope.json::<ListTasks>(&page(json!({"cluster": cluster}), token));
        found.join(scope.pages(next, |mut page| objects(&mut page, "taskArns", &mut arns)).await);
        for some in arns.chunks(AT_ONCE) {
            let answer = scope.value(&scope.json::<DescribeTasks>(&json!({"cluster": cluster, "tasks": some}))).await;
            match answer {
                Ok(mut answer) => {
                    answer["tasks"].as_array_mut().into_iter().flatten().for_each(plain);
                    described.read(objects(&mut answer, "tasks", &mut value));
                }
                Err(failure) => described.fail(failure),
            }
        }
    }
    let mut roles: BTreeMap<String, Option<String>> = BTreeMap::new();
    for task in value.iter_mut().filter(|t| t.task_role_arn.is_empty() && !t.task_definition_arn.is_empty()) {
        let known = match roles.get(&task.task_definition_arn) {
            Some(known) => known.clone(),
            None => {
                let role = defined.add(role_of(scope, &task.task_definition_arn).await);
                roles.insert(task.task_definition_arn.clone(), role.clone());
                role
            }
        };
        task.task_role_arn = known.unwrap_or_default();
    }
    value.sort_by(|a, b| a.task_arn.cmp(&b.task_arn));
    if listed.failure.is_none() {
        coverage.extend([scope.covered(&found), scope.covered(&described), scope.covered(&defined)]);
    }
    Answer { value, coverage }
}

fn page(mut body: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        body["nextToken"] = Value::from(token);
    }
    body
}

/// What of a task is kept: a role that it was started with stands over its definition's; environments hold passwords.
fn plain(task: &mut Value) {
    if let Some(role) = task["overrides"]["taskRoleArn"].as_str().map(str::to_owned) {
        task["taskRoleArn"] = Value::from(role);
    }
    if let Some(task) = task.as_object_mut() {
        task.remove("overrides");
    }
}

/// The role of the code in tasks of a definition; empty where it has none.
async fn role_of(scope: &Scope, definition: &str) -> Result<String, Failure> {
    let request = scope.json::<DescribeTaskDefinition>(&json!({"taskDefinition": definition}));
    let answer = scope.value(&request).await?;
    Ok(answer["taskDefinition"]["taskRoleArn"].as_str().unwrap_or_default().to_owned())
}
