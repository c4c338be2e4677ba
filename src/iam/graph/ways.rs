//! The ways in which a permission becomes somebody else's permissions: rows, so that a new way is one line.
//! Facts after AWS's API pages of the actions and "Granting a user permissions to pass a role to an AWS service".

use std::collections::BTreeSet;

use crate::iam::facts::facts;
use crate::iam::workloads::WorkloadKind;

/// Passing a role to a service that then runs the passer's code or acts at the passer's word.
pub(super) struct Launch {
    pub(super) service: &'static str,
    /// All are needed, beside `iam:PassRole` on the role.
    pub(super) actions: &'static [&'static str],
    /// `start an EC2 instance with it`
    pub(super) sentence: &'static str,
    /// The role must stand in an instance profile.
    pub(super) profile: bool,
}

const fn launch(service: &'static str, actions: &'static [&'static str], sentence: &'static str) -> Launch {
    Launch { service, actions, sentence, profile: false }
}

pub(super) const LAUNCHES: &[Launch] = &[
    Launch { service: "ec2.amazonaws.com", actions: &["ec2:RunInstances"], sentence: "start an instance with it", profile: true },
    Launch {
        service: "ec2.amazonaws.com",
        actions: &["ec2:AssociateIamInstanceProfile"],
        sentence: "put it on a running instance",
        profile: true,
    },
    Launch {
        service: "ec2.amazonaws.com",
        actions: &["autoscaling:CreateLaunchConfiguration", "autoscaling:CreateAutoScalingGroup"],
        sentence: "start a scaling group with it",
        profile: true,
    },
    launch("lambda.amazonaws.com", &["lambda:CreateFunction", "lambda:InvokeFunction"], "create and invoke a function with it"),
    launch(
        "lambda.amazonaws.com",
        &["lambda:CreateFunction", "lambda:AddPermission"],
        "create a function with it and let another invoke it",
    ),
    launch(
        "lambda.amazonaws.com",
        &["lambda:CreateFunction", "lambda:CreateEventSourceMapping"],
        "create a function with it and trigger it by an event",
    ),
    launch("cloudformation.amazonaws.com", &["cloudformation:CreateStack"], "create a stack with it"),
    launch("cloudformation.amazonaws.com", &["cloudformation:UpdateStack"], "update a stack with it"),
    launch(
        "cloudformation.amazonaws.com",
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        "run a change set with it",
    ),
    launch("ecs-tasks.amazonaws.com", &["ecs:RegisterTaskDefinition", "ecs:RunTask"], "run a container task with it"),
    launch("ecs-tasks.amazonaws.com", &["ecs:RegisterTaskDefinition", "ecs:StartTask"], "start a container task with it"),
    launch("ecs-tasks.amazonaws.com", &["ecs:RegisterTaskDefinition", "ecs:CreateService"], "run a container service with it"),
    launch("codebuild.amazonaws.com", &["codebuild:CreateProject", "codebuild:StartBuild"], "run a build with it"),
    launch(
        "codebuild.amazonaws.com",
        &["codebuild:UpdateProject", "codebuild:StartBuild"],
        "give a build project it and run that",
    ),
    launch("codepipeline.amazonaws.com", &["codepipeline:CreatePipeline"], "create a pipeline with it"),
    launch("glue.amazonaws.com", &["glue:CreateJob", "glue:StartJobRun"], "run a Glue job with it"),
    launch("glue.amazonaws.com", &["glue:CreateDevEndpoint"], "create a Glue endpoint with it"),
    launch("glue.amazonaws.com", &["glue:CreateSession", "glue:RunStatement"], "run a Glue session with it"),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"],
        "open a notebook with it",
    ),
    launch("sagemaker.amazonaws.com", &["sagemaker:CreateTrainingJob"], "run a training job with it"),
    launch("sagemaker.amazonaws.com", &["sagemaker:CreateProcessingJob"], "run a processing job with it"),
    launch("states.amazonaws.com", &["states:CreateStateMachine", "states:StartExecution"], "run a state machine with it"),
    launch("ssm.amazonaws.com", &["ssm:StartAutomationExecution"], "run an automation with it"),
    launch("apprunner.amazonaws.com", &["apprunner:CreateService"], "run a service with it"),
    launch("tasks.apprunner.amazonaws.com", &["apprunner:CreateService"], "run a service with it"),
    launch(
        "datapipeline.amazonaws.com",
        &["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition", "datapipeline:ActivatePipeline"],
        "run a data pipeline with it",
    ),
    Launch {
        service: "ec2.amazonaws.com",
        actions: &["elasticmapreduce:RunJobFlow"],
        sentence: "start a cluster with it",
        profile: true,
    },
    launch("batch.amazonaws.com", &["batch:CreateComputeEnvironment"], "create a compute environment with it"),
    launch("ecs-tasks.amazonaws.com", &["batch:RegisterJobDefinition", "batch:SubmitJob"], "run a batch job with it"),
    launch("scheduler.amazonaws.com", &["scheduler:CreateSchedule"], "schedule calls with it"),
    launch("imagebuilder.amazonaws.com", &["imagebuilder:CreateImagePipeline"], "build images with it"),
    launch("bedrock.amazonaws.com", &["bedrock:CreateAgent", "bedrock:InvokeAgent"], "run an agent with it"),
    launch("airflow-env.amazonaws.com", &["airflow:CreateEnvironment"], "run workflows with it"),
    launch("cloudformation.amazonaws.com", &["cloudformation:CreateStackSet"], "create a stack set with it"),
    launch("amplify.amazonaws.com", &["amplify:CreateApp"], "build an app with it"),
    launch("emr-serverless.amazonaws.com", &["emr-serverless:StartJobRun"], "run a serverless job with it"),
    launch("gamelift.amazonaws.com", &["gamelift:CreateFleet"], "run a fleet with it"),
];

/// The services that these actions hand a role to, where it is known of them.
pub fn handed_to(actions: &BTreeSet<&str>) -> BTreeSet<&'static str> {
    let passes = |action: &str| facts().action(action).is_some_and(|(_, a)| a.dependent.contains(&"iam:PassRole"));
    let launches = LAUNCHES.iter().filter(|l| l.actions.iter().any(|a| actions.contains(a) && passes(a)));
    launches.map(|l| l.service).collect()
}

/// Taking over what runs as a role already.
pub(super) struct TakeOver {
    pub(super) kind: WorkloadKind,
    /// All are needed on the workload.
    pub(super) actions: &'static [&'static str],
    pub(super) sentence: &'static str,
}

pub(super) const TAKE_OVERS: &[TakeOver] = &[
    TakeOver { kind: WorkloadKind::Ec2Instance, actions: &["ssm:SendCommand"], sentence: "run a command on" },
    TakeOver { kind: WorkloadKind::Ec2Instance, actions: &["ssm:StartSession"], sentence: "open a session on" },
    TakeOver {
        kind: WorkloadKind::Ec2Instance,
        actions: &["ec2-instance-connect:SendSSHPublicKey"],
        sentence: "put an SSH key on",
    },
    TakeOver {
        kind: WorkloadKind::Ec2Instance,
        actions: &["ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"],
        sentence: "change the user data of",
    },
    TakeOver {
        kind: WorkloadKind::LaunchTemplate,
        actions: &["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"],
        sentence: "put user data into",
    },
    TakeOver { kind: WorkloadKind::LambdaFunction, actions: &["lambda:UpdateFunctionCode"], sentence: "replace the code of" },
    TakeOver {
        kind: WorkloadKind::LambdaFunction,
        actions: &["lambda:UpdateFunctionConfiguration"],
        sentence: "put a layer under",
    },
    TakeOver { kind: WorkloadKind::EcsTask, actions: &["ecs:ExecuteCommand"], sentence: "run a command in" },
    TakeOver { kind: WorkloadKind::CodeBuildProject, actions: &["codebuild:StartBuild"], sentence: "run its own build steps in" },
    TakeOver { kind: WorkloadKind::CloudFormationStack, actions: &["cloudformation:UpdateStack"], sentence: "change" },
    TakeOver { kind: WorkloadKind::GlueDevEndpoint, actions: &["glue:UpdateDevEndpoint"], sentence: "put an SSH key on" },
    TakeOver { kind: WorkloadKind::GlueJob, actions: &["glue:UpdateJob", "glue:StartJobRun"], sentence: "replace the script of" },
    TakeOver {
        kind: WorkloadKind::SageMakerNotebook,
        actions: &["sagemaker:CreatePresignedNotebookInstanceUrl"],
        sentence: "open",
    },
];

/// Making or changing credentials and trust: the action is on the user or role itself.
pub(super) struct Takeable {
    pub(super) action: &'static str,
    pub(super) of_role: bool,
    pub(super) sentence: &'static str,
}

pub(super) const CREDENTIALS: &[Takeable] = &[
    Takeable { action: "iam:CreateAccessKey", of_role: false, sentence: "create an access key for" },
    Takeable { action: "iam:CreateLoginProfile", of_role: false, sentence: "set a first console password for" },
    Takeable { action: "iam:UpdateLoginProfile", of_role: false, sentence: "change the console password of" },
    Takeable { action: "iam:UpdateAssumeRolePolicy", of_role: true, sentence: "rewrite who may become" },
];

/// Changing what a user or role may do: the action is on it.
pub(super) const REWRITES_USER: &[&str] = &["iam:PutUserPolicy", "iam:AttachUserPolicy"];
pub(super) const REWRITES_ROLE: &[&str] = &["iam:PutRolePolicy", "iam:AttachRolePolicy"];
/// On a group the user is in.
pub(super) const REWRITES_GROUP: &[&str] = &["iam:PutGroupPolicy", "iam:AttachGroupPolicy"];
/// On a policy that is attached to it; the new version can be made the default in the same call.
pub(super) const REWRITES_POLICY: &[&str] = &["iam:CreatePolicyVersion"];
/// On a policy that is attached to it and has another version that makes an administrator.
pub(super) const SWITCH: &str = "iam:SetDefaultPolicyVersion";
/// On roles that IAM Identity Center keeps.
pub(super) const REWRITES_SET: &[&str] = &["sso:PutInlinePolicyToPermissionSet", "sso:AttachManagedPolicyToPermissionSet"];

/// Who may do all of these on every resource is an administrator: they span identity, data, compute and keys.
pub(super) const ADMINISTRATOR: &[&str] = &[
    "iam:CreateUser",
    "iam:AttachUserPolicy",
    "iam:PutRolePolicy",
    "iam:PassRole",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "s3:DeleteBucket",
    "s3:GetObject",
    "kms:ScheduleKeyDeletion",
    "lambda:CreateFunction",
    "secretsmanager:GetSecretValue",
    "cloudtrail:DeleteTrail",
    "rds:DeleteDBInstance",
];

/// Every action the graph asks about.
pub(super) fn actions() -> impl Iterator<Item = &'static str> {
    let fixed = ["sts:AssumeRole", "iam:PassRole", "iam:AddUserToGroup", SWITCH];
    fixed
        .into_iter()
        .chain(LAUNCHES.iter().flat_map(|l| l.actions.iter().copied()))
        .chain(TAKE_OVERS.iter().flat_map(|t| t.actions.iter().copied()))
        .chain(CREDENTIALS.iter().map(|c| c.action))
        .chain(REWRITES_USER.iter().copied())
        .chain(REWRITES_ROLE.iter().copied())
        .chain(REWRITES_GROUP.iter().copied())
        .chain(REWRITES_POLICY.iter().copied())
        .chain(REWRITES_SET.iter().copied())
        .chain(ADMINISTRATOR.iter().copied())
}
