//! What runs code as a role beside machines: functions and container tasks, in the shapes of `lambda:ListFunctions` and
//! `ecs:DescribeTaskDefinition`.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::lenient;

/// All of it in one account and region.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workloads {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Function>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
}

impl Workloads {
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.tasks.is_empty()
    }
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Function {
    pub function_name: String,
    pub function_arn: String,
    /// The ARN of the role that it runs as.
    pub role: String,
    /// `python3.13`; empty for container images.
    #[serde(deserialize_with = "text")]
    pub runtime: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A container task that runs, with what its definition says of roles. ECS writes names in camelCase.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    pub task_arn: String,
    pub task_definition_arn: String,
    pub cluster_arn: String,
    /// Whether `ecs:ExecuteCommand` works on it.
    #[serde(deserialize_with = "lenient::flag")]
    pub enable_execute_command: bool,
    /// The role of the code in it, by its definition; empty where that names none, or was not read.
    pub task_role_arn: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A text; null is empty.
fn text<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(d)?.unwrap_or_default())
}
