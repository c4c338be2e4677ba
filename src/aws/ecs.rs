//! Elastic Container Service: the containers of one task, and ECS Exec's way into one. What travels over the session's data
//! channel is not its concern, nor collecting clusters.

use serde_json::{Value, json};

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::error::{Failure, Kind};
use crate::aws::json::Action;
use crate::aws::scope::Scope;
use crate::aws::ssm::Channel;

// ECS's own limits are far above (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>); a session
// needs one of each.
const ECS: Rate = Rate { per_second: 5.0, burst: 10.0 };

const fn call(action: &'static str, what: &'static str) -> Call {
    Call { action, reach: Reach::Node, rate: ECS, paginated: None, what, wire: Wire::Json }
}

const DESCRIBE_TASKS: Call = call("ecs:DescribeTasks", "the containers of a task that you open a session in");
const EXECUTE_COMMAND: Call = call("ecs:ExecuteCommand", "sessions in containers (ECS Exec)");

/// Every API action this file calls.
pub const CALLS: &[Call] = &[DESCRIBE_TASKS, EXECUTE_COMMAND];

/// The service's name on the wire ends in the version of its API.
struct DescribeTasks;

impl Action for DescribeTasks {
    const CALL: Call = DESCRIBE_TASKS;
    const TARGET: &'static str = "AmazonEC2ContainerServiceV20141113.DescribeTasks";
}

struct ExecuteCommand;

impl Action for ExecuteCommand {
    const CALL: Call = EXECUTE_COMMAND;
    const TARGET: &'static str = "AmazonEC2ContainerServiceV20141113.ExecuteCommand";
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The cluster's short name.
    pub cluster: String,
    /// The task's id.
    pub task: String,
    pub name: String,
    /// What Docker calls it; part of the name that its agent goes by.
    pub runtime: String,
}

impl Container {
    /// The name that the agent in the container goes by.
    pub fn target(&self) -> String {
        format!("ecs:{}_{}_{}", self.cluster, self.task, self.runtime)
    }
}

/// A task that was found, as far as ECS Exec needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub containers: Vec<Container>,
    /// Why no session can be opened in it, by container; where it can, there is no entry.
    pub doubts: Vec<(String, String)>,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// One task of a cluster; none where the cluster has no such task now. Stopped ones are there for about an hour.
///
/// # Errors
/// AWS's refusal: also that there is no such cluster.
pub async fn task(scope: &Scope, cluster: &str, task: &str) -> Result<Option<Task>, Failure> {
    let body = json!({"cluster": cluster, "tasks": [task]});
    let answer = match scope.value(&scope.json::<DescribeTasks>(&body)).await {
        Err(failure) if failure.code == "ClusterNotFoundException" => {
            return Err(Failure { kind: Kind::Missing, ..failure });
        }
        answer => answer?,
    };
    Ok(answer["tasks"].as_array().and_then(|tasks| tasks.first()).map(read))
}

fn read(task: &Value) -> Task {
    let id = last(text(task, "taskArn"));
    let mut doubts = Vec::new();
    let mut containers = Vec::new();
    for container in task["containers"].as_array().into_iter().flatten() {
        let name = text(container, "name").to_owned();
        let agents = container["managedAgents"].as_array().into_iter().flatten();
        let agent = agents.into_iter().find(|agent| text(agent, "name") == "ExecuteCommandAgent");
        let state = match text(container, "lastStatus") {
            "" => text(task, "lastStatus"),
            state => state,
        };
        let doubt = if state != "RUNNING" {
            Some(format!("it is {state}"))
        } else if task["enableExecuteCommand"] != true {
            Some("its task was started without enableExecuteCommand: update the service, or run the task, with it".to_owned())
        } else if text(container, "runtimeId").is_empty() {
            Some("it has no runtime id yet".to_owned())
        } else {
            agent.filter(|agent| text(agent, "lastStatus") != "RUNNING").map(|agent| {
                let why = Some(text(agent, "reason")).filter(|why| !why.is_empty());
                let why = why.unwrap_or("does the task's role allow ssmmessages, and is its endpoint within reach?");
                format!("its ExecuteCommandAgent is {}: {why}", text(agent, "lastStatus"))
            })
        };
        if let Some(doubt) = doubt {
            doubts.push((name.clone(), doubt));
        }
        containers.push(Container {
            cluster: last(text(task, "clusterArn")).to_owned(),
            task: id.to_owned(),
            name,
            runtime: text(container, "runtimeId").to_owned(),
        });
    }
    Task { containers, doubts }
}

/// Starts a command on a terminal in a container. Asked once: a second try could start it twice. There is no reason to give:
/// ECS has no place for one.
///
/// # Errors
/// AWS's refusal.
pub async fn execute(scope: &Scope, container: &Container, command: &str) -> Result<Channel, Failure> {
    let scope = scope.once();
    let body = json!({
        "cluster": container.cluster, "task": container.task, "container": container.name, "command": command,
        "interactive": true,
    });
    let mut answer = scope.value(&scope.json::<ExecuteCommand>(&body)).await?;
    let mut session = answer["session"].take();
    let mut field = |name: &str| match session.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let channel = Channel { session_id: field("sessionId"), token: field("tokenValue").into(), stream_url: field("streamUrl") };
    if channel.session_id.is_empty() || channel.token.is_empty() || channel.stream_url.is_empty() {
        return Err(Failure::unreadable("ecs:ExecuteCommand answered without a session, a token or a stream URL"));
    }
    Ok(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, more: &Value) -> Value {
        let mut container = json!({"name": name, "lastStatus": "RUNNING", "runtimeId": "abc-1"});
        for (key, value) in more.as_object().into_iter().flatten() {
            container[key] = value.clone();
        }
        container
    }

    #[test]
    fn what_keeps_a_session_out_of_a_container_is_told() {
        let agent = |status: &str, reason: &str| json!({"managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": status, "reason": reason}]});
        let mut task = json!({
            "taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3a", "clusterArn": "arn:aws:ecs:eu-west-1:1:cluster/shop",
            "lastStatus": "RUNNING", "enableExecuteCommand": true,
            "containers": [
                container("web", &agent("RUNNING", "")), container("side", &agent("STOPPED", "no route")),
                container("old", &json!({"lastStatus": "STOPPED"})), container("new", &json!({"runtimeId": null})),
            ],
        });
        let found = read(&task);
        assert_eq!(found.containers[0].target(), "ecs:shop_0f3a_abc-1");
        let doubts: Vec<(&str, &str)> = found.doubts.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
        assert_eq!(
            doubts,
            [
                ("side", "its ExecuteCommandAgent is STOPPED: no route"),
                ("old", "it is STOPPED"),
                ("new", "it has no runtime id yet")
            ]
        );
        task["enableExecuteCommand"] = false.into();
        assert!(read(&task).doubts[0].1.contains("enableExecuteCommand"));
    }
}
