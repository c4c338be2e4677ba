//! What runs in an account as which role, and what of it tags call by the class of its data: taken from an estate. What one
//! can do with it is `graph`'s work.

use std::collections::HashMap;

use crate::model::account::{Tags, class_of};
use crate::model::coverage::Outcome;
use crate::model::estate::Estate;
use crate::model::principal::Identity;

/// Something that runs code as a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub arn: String,
    pub role_arn: String,
    /// Where they were read with it.
    pub tags: Option<Tags>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    Ec2Instance,
    LambdaFunction,
    EcsTask,
    /// ECS Exec is off on it: nobody runs a command in it.
    ClosedEcsTask,
    CodeBuildProject,
    CloudFormationStack,
    GlueJob,
    GlueDevEndpoint,
    SageMakerNotebook,
    AppRunnerService,
    StateMachine,
    /// Of Bedrock AgentCore.
    CodeInterpreter,
    /// What machines that are started later run first.
    LaunchTemplate,
    BatchJob,
    /// Of Bedrock AgentCore.
    AgentRuntime,
    /// A user's of SageMaker Studio.
    StudioProfile,
    FlinkApplication,
    /// Of IAM Roles Anywhere.
    CertificateProfile,
}

impl WorkloadKind {
    /// The service that takes the role on.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Ec2Instance | Self::LaunchTemplate => "ec2.amazonaws.com",
            Self::LambdaFunction => "lambda.amazonaws.com",
            Self::EcsTask | Self::ClosedEcsTask | Self::BatchJob => "ecs-tasks.amazonaws.com",
            Self::CodeBuildProject => "codebuild.amazonaws.com",
            Self::CloudFormationStack => "cloudformation.amazonaws.com",
            Self::GlueJob | Self::GlueDevEndpoint => "glue.amazonaws.com",
            Self::SageMakerNotebook | Self::StudioProfile => "sagemaker.amazonaws.com",
            Self::AppRunnerService => "tasks.apprunner.amazonaws.com",
            Self::StateMachine => "states.amazonaws.com",
            Self::FlinkApplication => "kinesisanalytics.amazonaws.com",
            Self::CertificateProfile => "rolesanywhere.amazonaws.com",
            Self::CodeInterpreter | Self::AgentRuntime => "bedrock-agentcore.amazonaws.com",
        }
    }
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ec2Instance => "an instance",
            Self::LambdaFunction => "a function",
            Self::EcsTask | Self::ClosedEcsTask => "a container task",
            Self::CodeBuildProject => "a build project",
            Self::CloudFormationStack => "a stack",
            Self::GlueJob => "a Glue job",
            Self::GlueDevEndpoint => "a Glue endpoint",
            Self::SageMakerNotebook => "a notebook",
            Self::AppRunnerService => "an App Runner service",
            Self::StateMachine => "a state machine",
            Self::CodeInterpreter => "a code interpreter",
            Self::LaunchTemplate => "a launch template",
            Self::BatchJob => "a batch job",
            Self::AgentRuntime => "an agent",
            Self::StudioProfile => "a studio",
            Self::FlinkApplication => "a Flink application",
            Self::CertificateProfile => "a Roles Anywhere profile",
        }
    }
}

/// The APIs that tell all there is of a kind, each in every region.
const TOLD_BY: &[(WorkloadKind, &[&str])] = &[
    (WorkloadKind::LambdaFunction, &["lambda:ListFunctions"]),
    (WorkloadKind::EcsTask, &["ecs:ListClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition"]),
];

/// Kinds of which an estate has all that run in an account: every region answered every question.
pub fn known_workloads(estate: &Estate, id: &str) -> Vec<WorkloadKind> {
    // Rows are sorted by account.
    let first = estate.coverage.partition_point(|c| c.account.as_str() < id);
    let own = || estate.coverage.iter().skip(first).take_while(|c| c.account == id);
    let whole = |api: &&str| {
        let mut rows = own().filter(|c| c.api == **api).peekable();
        rows.peek().is_some() && rows.all(|c| c.outcome == Outcome::Ok)
    };
    TOLD_BY.iter().filter(|(_, apis)| apis.iter().all(&whole)).map(|(kind, _)| *kind).collect()
}

/// A resource whose tags tell the class of its data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged {
    /// `confidential`, as the tag has it.
    pub class: String,
    pub arn: String,
}

/// The machines, buckets and secrets of an account whose tags tell a class: nothing else is collected with its tags.
pub(super) fn tagged(estate: &Estate, identity: &Identity) -> Vec<Tagged> {
    let id = identity.account.as_str();
    let partition = identity.roles.first().and_then(|r| r.arn.split(':').nth(1)).unwrap_or("aws");
    let mut all = Vec::new();
    let mut add = |tags: &Tags, arn: String| all.extend(class_of(tags).map(|class| Tagged { class: class.to_owned(), arn }));
    for region in estate.regions.iter().filter(|r| r.account == id) {
        let place = &region.region;
        for i in region.network.instances.iter().filter(|i| i.state() != "terminated") {
            add(&i.tags, format!("arn:{partition}:ec2:{place}:{id}:instance/{}", i.instance_id));
        }
    }
    let resources = estate.regions.iter().filter(|r| r.account == id).flat_map(|r| &r.resources);
    resources.for_each(|r| all.extend(class_of(&r.tags).map(|class| Tagged { class: class.to_owned(), arn: r.arn.clone() })));
    all.sort();
    all
}

/// The tag of what an Auto Scaling group started.
const GROUP: &str = "aws:autoscaling:groupName";

/// All that runs in an account as a role, sorted; and whether any of its machines were read.
pub(super) fn running(estate: &Estate, identity: &Identity) -> (Vec<Workload>, bool) {
    let id = identity.account.as_str();
    let mut profiles: HashMap<&str, &str> = HashMap::new();
    for role in &identity.roles {
        profiles.extend(role.instance_profile_list.iter().map(|p| (p.arn.as_str(), role.arn.as_str())));
    }
    let partition = identity.roles.first().and_then(|r| r.arn.split(':').nth(1)).unwrap_or("aws");
    let mut workloads = Vec::new();
    let mut seen = false;
    for region in estate.regions.iter().filter(|r| r.account == id) {
        seen = true;
        for instance in region.network.instances.iter().filter(|i| i.state() != "terminated") {
            let role = instance.iam_instance_profile.as_ref().and_then(|p| profiles.get(p.arn.as_str()));
            workloads.extend(role.map(|role| Workload {
                kind: WorkloadKind::Ec2Instance,
                arn: format!("arn:{partition}:ec2:{}:{id}:instance/{}", region.region, instance.instance_id),
                role_arn: (*role).to_owned(),
                tags: Some(instance.tags.clone()),
            }));
            // A group started it from a template, and will start the next one from it (AWS tags both).
            let template = instance.tags.get("aws:ec2launchtemplate:id").filter(|_| instance.tags.contains_key(GROUP));
            workloads.extend(role.zip(template).map(|(role, template)| Workload {
                kind: WorkloadKind::LaunchTemplate,
                arn: format!("arn:{partition}:ec2:{}:{id}:launch-template/{template}", region.region),
                role_arn: (*role).to_owned(),
                tags: None,
            }));
        }
    }
    for region in estate.regions.iter().filter(|r| r.account == id) {
        let run = &region.workloads;
        let functions = run.functions.iter().map(|f| (WorkloadKind::LambdaFunction, &f.function_arn, &f.role));
        let tasks = run.tasks.iter().map(|t| {
            let kind = if t.enable_execute_command { WorkloadKind::EcsTask } else { WorkloadKind::ClosedEcsTask };
            (kind, &t.task_arn, &t.task_role_arn)
        });
        workloads.extend(functions.chain(tasks).filter(|(_, _, role)| !role.is_empty()).map(|(kind, arn, role)| Workload {
            kind,
            arn: arn.clone(),
            role_arn: role.clone(),
            tags: None,
        }));
    }
    workloads.sort();
    // Many machines come of one template.
    workloads.dedup();
    (workloads, seen)
}
