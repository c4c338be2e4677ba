//! The ways in which a permission becomes somebody else's permissions: rows, so that a new way is one line.
//! Facts after AWS's API pages of the actions and "Granting a user permissions to pass a role to an AWS service".

use std::collections::BTreeSet;
use std::sync::Arc;

use super::permit::{Permit, StatementId};
use crate::iam::evaluate::{Context, Resource, Truth};
use crate::iam::facts::facts;
use crate::iam::resources::CHANGES_CODE;
use crate::iam::workloads::WorkloadKind;

/// Passing a role to a service that then runs the passer's code or acts at the passer's word.
#[derive(Clone, Copy)]
pub(super) struct Launch {
    pub(super) service: &'static str,
    /// All are needed, beside `iam:PassRole` on the role.
    pub(super) actions: &'static [&'static str],
    /// `start an EC2 instance with it`
    pub(super) sentence: &'static str,
    /// The role must stand in an instance profile.
    pub(super) profile: bool,
    /// It takes something that is there already (a stack, a project, a cluster), of which it is not known whether it is.
    pub(super) standing: bool,
    /// What `iam:PassedToService` names, where that is another than the one that assumes it.
    pub(super) passed_to: &'static str,
}

const fn launch(service: &'static str, actions: &'static [&'static str], sentence: &'static str) -> Launch {
    Launch { service, actions, sentence, profile: false, standing: false, passed_to: service }
}
/// On machines: the role's instance profile is what is passed.
const fn machine(actions: &'static [&'static str], sentence: &'static str) -> Launch {
    Launch { profile: true, ..launch("ec2.amazonaws.com", actions, sentence) }
}
/// With something that has to be there.
const fn standing(way: Launch) -> Launch {
    Launch { standing: true, ..way }
}

pub(super) const LAUNCHES: &[Launch] = &[
    machine(&["ec2:RunInstances"], "start an instance with it"),
    machine(&["ec2:RequestSpotInstances"], "request a spot instance with it"),
    // The fleet's own role is passed as well.
    standing(machine(&["ec2:RequestSpotFleet"], "request a spot fleet with it")),
    standing(machine(&["ec2:AssociateIamInstanceProfile"], "put it on a running instance")),
    standing(machine(&["ec2:ReplaceIamInstanceProfileAssociation"], "put it on a running instance in place of another")),
    // With a launch template, EC2 Auto Scaling asks for ec2:RunInstances ("Launch template support"), which is told above.
    machine(&["autoscaling:CreateLaunchConfiguration", "autoscaling:CreateAutoScalingGroup"], "start a scaling group with it"),
    standing(machine(
        &["autoscaling:CreateLaunchConfiguration", "autoscaling:UpdateAutoScalingGroup"],
        "have a scaling group start instances with it",
    )),
    // The service's own role is passed as well.
    standing(machine(&["elasticmapreduce:RunJobFlow"], "start a cluster with it")),
    machine(
        &[
            "imagebuilder:CreateComponent",
            "imagebuilder:CreateImageRecipe",
            "imagebuilder:CreateInfrastructureConfiguration",
            "imagebuilder:CreateImage",
        ],
        "build an image on a machine with it",
    ),
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
    standing(launch(
        "lambda.amazonaws.com",
        &["lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode"],
        "give a function it and other code",
    )),
    launch("cloudformation.amazonaws.com", &["cloudformation:CreateStack"], "create a stack with it"),
    standing(launch("cloudformation.amazonaws.com", &["cloudformation:UpdateStack"], "update a stack with it")),
    launch(
        "cloudformation.amazonaws.com",
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        "run a change set with it",
    ),
    // It only assumes a role of each account that it deploys to.
    standing(launch(
        "cloudformation.amazonaws.com",
        &["cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"],
        "create a stack set with it",
    )),
    standing(launch("cloudformation.amazonaws.com", &["cloudformation:UpdateStackSet"], "update a stack set with it")),
    launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:CreateCluster", "ecs:RegisterTaskDefinition", "ecs:RunTask"],
        "run a container task with it in a cluster of its own",
    ),
    launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:CreateCluster", "ecs:RegisterTaskDefinition", "ecs:CreateService"],
        "run a container service with it in a cluster of its own",
    ),
    standing(launch("ecs-tasks.amazonaws.com", &["ecs:RegisterTaskDefinition", "ecs:RunTask"], "run a container task with it")),
    standing(launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:RegisterTaskDefinition", "ecs:StartTask"],
        "start a container task with it",
    )),
    standing(launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:RegisterTaskDefinition", "ecs:CreateService"],
        "run a container service with it",
    )),
    standing(launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:RegisterTaskDefinition", "ecs:UpdateService"],
        "have a container service run with it",
    )),
    // Both take another role and command for a task of a definition that is there.
    standing(launch("ecs-tasks.amazonaws.com", &["ecs:RunTask"], "run a task of another's definition with it")),
    standing(launch(
        "ecs-tasks.amazonaws.com",
        &["ecs:RegisterContainerInstance", "ecs:StartTask"],
        "start a task of another's definition with it, on a machine of its own",
    )),
    launch("codebuild.amazonaws.com", &["codebuild:CreateProject", "codebuild:StartBuild"], "run a build with it"),
    launch("codebuild.amazonaws.com", &["codebuild:CreateProject", "codebuild:StartBuildBatch"], "run a batch of builds with it"),
    standing(launch(
        "codebuild.amazonaws.com",
        &["codebuild:UpdateProject", "codebuild:StartBuild"],
        "give a build project it and run that",
    )),
    standing(launch(
        "codebuild.amazonaws.com",
        &["codebuild:UpdateProject", "codebuild:StartBuildBatch"],
        "give a build project it and run a batch of that",
    )),
    launch("codepipeline.amazonaws.com", &["codepipeline:CreatePipeline"], "create a pipeline with it"),
    standing(launch(
        "codepipeline.amazonaws.com",
        &["codepipeline:UpdatePipeline", "codepipeline:StartPipelineExecution"],
        "give a pipeline it and run that",
    )),
    launch("glue.amazonaws.com", &["glue:CreateJob", "glue:StartJobRun"], "run a Glue job with it"),
    launch("glue.amazonaws.com", &["glue:CreateJob", "glue:CreateTrigger"], "create a Glue job with it and trigger that"),
    standing(launch("glue.amazonaws.com", &["glue:UpdateJob", "glue:StartJobRun"], "give a Glue job it and run that")),
    standing(launch("glue.amazonaws.com", &["glue:UpdateJob", "glue:CreateTrigger"], "give a Glue job it and trigger that")),
    launch("glue.amazonaws.com", &["glue:CreateDevEndpoint"], "create a Glue endpoint with it"),
    launch("glue.amazonaws.com", &["glue:CreateSession", "glue:RunStatement"], "run a Glue session with it"),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"],
        "open a notebook with it",
    ),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateNotebookInstanceLifecycleConfig", "sagemaker:CreateNotebookInstance"],
        "start a notebook with it that runs a script",
    ),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateDomain", "sagemaker:CreateUserProfile", "sagemaker:CreatePresignedDomainUrl"],
        "open a studio with it",
    ),
    launch("sagemaker.amazonaws.com", &["sagemaker:CreateTrainingJob"], "run a training job with it"),
    launch("sagemaker.amazonaws.com", &["sagemaker:CreateProcessingJob"], "run a processing job with it"),
    launch("sagemaker.amazonaws.com", &["sagemaker:CreateHyperParameterTuningJob"], "run a tuning job with it"),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint"],
        "serve a model of its own with it",
    ),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreateModel", "sagemaker:CreateTransformJob"],
        "run a model of its own with it",
    ),
    launch(
        "sagemaker.amazonaws.com",
        &["sagemaker:CreatePipeline", "sagemaker:StartPipelineExecution"],
        "run a pipeline of jobs with it",
    ),
    launch("states.amazonaws.com", &["states:CreateStateMachine", "states:StartExecution"], "run a state machine with it"),
    launch("states.amazonaws.com", &["states:CreateStateMachine", "states:StartSyncExecution"], "run a state machine with it"),
    launch("states.amazonaws.com", &["states:TestState"], "test a state with it"),
    standing(launch(
        "states.amazonaws.com",
        &["states:UpdateStateMachine", "states:StartExecution"],
        "give a state machine it and run that",
    )),
    launch("ssm.amazonaws.com", &["ssm:StartAutomationExecution"], "run an automation with it"),
    launch("ssm.amazonaws.com", &["ssm:CreateAssociation"], "have an automation run with it"),
    launch(
        "ssm.amazonaws.com",
        &["ssm:CreateMaintenanceWindow", "ssm:RegisterTaskWithMaintenanceWindow"],
        "have a maintenance window run a task with it",
    ),
    standing(launch(
        "ssm.amazonaws.com",
        &["ssm:RegisterTaskWithMaintenanceWindow"],
        "have another's maintenance window run a task with it",
    )),
    // "Create the IAM service role required for Systems Manager in hybrid and multicloud environments"
    launch("ssm.amazonaws.com", &["ssm:CreateActivation"], "register a machine of its own with it"),
    launch("apprunner.amazonaws.com", &["apprunner:CreateService"], "run a service with it"),
    launch("tasks.apprunner.amazonaws.com", &["apprunner:CreateService"], "run a service with it"),
    launch(
        "datapipeline.amazonaws.com",
        &["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition", "datapipeline:ActivatePipeline"],
        "run a data pipeline with it",
    ),
    // Which runs the machines, and no code of whoever makes it.
    standing(launch("batch.amazonaws.com", &["batch:CreateComputeEnvironment"], "create a compute environment with it")),
    launch(
        "ecs-tasks.amazonaws.com",
        &["batch:CreateComputeEnvironment", "batch:CreateJobQueue", "batch:RegisterJobDefinition", "batch:SubmitJob"],
        "run a batch job with it in a queue of its own",
    ),
    standing(launch("ecs-tasks.amazonaws.com", &["batch:RegisterJobDefinition", "batch:SubmitJob"], "run a batch job with it")),
    launch("scheduler.amazonaws.com", &["scheduler:CreateSchedule"], "schedule calls with it"),
    launch("events.amazonaws.com", &["events:PutRule", "events:PutTargets"], "have a rule call its targets with it"),
    launch("pipes.amazonaws.com", &["pipes:CreatePipe"], "run a pipe with it"),
    launch("imagebuilder.amazonaws.com", &["imagebuilder:CreateImagePipeline"], "build images with it"),
    launch(
        "bedrock.amazonaws.com",
        &["bedrock:CreateAgent", "bedrock:PrepareAgent", "bedrock:InvokeAgent"],
        "run an agent with it",
    ),
    launch(
        "bedrock-agentcore.amazonaws.com",
        &[
            "bedrock-agentcore:CreateCodeInterpreter",
            "bedrock-agentcore:StartCodeInterpreterSession",
            "bedrock-agentcore:InvokeCodeInterpreter",
        ],
        "run code in an interpreter with it",
    ),
    launch(
        "bedrock-agentcore.amazonaws.com",
        &["bedrock-agentcore:CreateAgentRuntime", "bedrock-agentcore:InvokeAgentRuntime"],
        "run an agent with it",
    ),
    launch(
        "bedrock-agentcore.amazonaws.com",
        &["bedrock-agentcore:CreateAgentRuntime", "bedrock-agentcore:InvokeAgentRuntimeCommand"],
        "run commands in a runtime with it",
    ),
    launch("braket.amazonaws.com", &["braket:CreateJob"], "run a Braket job with it"),
    launch(
        "kinesisanalytics.amazonaws.com",
        &["kinesisanalytics:CreateApplication", "kinesisanalytics:StartApplication"],
        "run a Flink application with it",
    ),
    launch("omics.amazonaws.com", &["omics:CreateWorkflow", "omics:StartRun"], "run a workflow with it"),
    launch(
        "rolesanywhere.amazonaws.com",
        &["rolesanywhere:CreateTrustAnchor", "rolesanywhere:CreateProfile"],
        "sign in to it by a certificate of its own",
    ),
    // The trust names it as an identity provider: the pool's guests become the role.
    standing(launch(
        "cognito-identity.amazonaws.com",
        &["cognito-identity:SetIdentityPoolRoles"],
        "give it to the guests of an identity pool",
    )),
    // "Accessing an Amazon MWAA environment"
    Launch {
        passed_to: "airflow.amazonaws.com",
        ..launch("airflow-env.amazonaws.com", &["airflow:CreateEnvironment"], "run workflows with it")
    },
    // The credentials of an integration, of a data source.
    launch("apigateway.amazonaws.com", &["apigateway:POST", "apigateway:PUT"], "call services with it by an API of its own"),
    launch(
        "appsync.amazonaws.com",
        &["appsync:CreateGraphqlApi", "appsync:StartSchemaCreation", "appsync:CreateDataSource", "appsync:CreateResolver"],
        "call services with it by an API of its own",
    ),
    launch(
        "credentials.iot.amazonaws.com",
        &["iot:CreateRoleAlias", "iot:CreateKeysAndCertificate", "iot:CreatePolicy", "iot:AttachPolicy"],
        "get its credentials by a certificate of its own",
    ),
    launch(
        "athena.amazonaws.com",
        &["athena:CreateWorkGroup", "athena:StartSession", "athena:StartCalculationExecution"],
        "run a notebook with it",
    ),
    standing(launch("pods.eks.amazonaws.com", &["eks:CreatePodIdentityAssociation"], "give it to the pods of a cluster")),
    launch(
        "appstream.amazonaws.com",
        &["appstream:CreateImageBuilder", "appstream:CreateImageBuilderStreamingURL"],
        "open a desktop with it",
    ),
    launch(
        "servicecatalog.amazonaws.com",
        &[
            "servicecatalog:CreatePortfolio",
            "servicecatalog:CreateProduct",
            "servicecatalog:AssociateProductWithPortfolio",
            "servicecatalog:AssociatePrincipalWithPortfolio",
            "servicecatalog:CreateConstraint",
            "servicecatalog:ProvisionProduct",
        ],
        "launch a product of its own with it",
    ),
    launch("amplify.amazonaws.com", &["amplify:CreateApp"], "build an app with it"),
    launch(
        "emr-serverless.amazonaws.com",
        &["emr-serverless:CreateApplication", "emr-serverless:StartJobRun"],
        "run a serverless job with it in an application of its own",
    ),
    standing(launch("emr-serverless.amazonaws.com", &["emr-serverless:StartJobRun"], "run a serverless job with it")),
    launch("gamelift.amazonaws.com", &["gamelift:CreateBuild", "gamelift:CreateFleet"], "run a fleet of its own build with it"),
    standing(launch("gamelift.amazonaws.com", &["gamelift:CreateFleet"], "run a fleet with it")),
];

/// The services that these actions hand a role to, where it is known of them.
pub fn handed_to(actions: &BTreeSet<&str>) -> BTreeSet<&'static str> {
    // What changes a thing hands it to whom what makes it does: `bedrock:UpdateAgent` is in no row.
    let made = |action: &str| action.replacen(":Update", ":Create", 1);
    let given: BTreeSet<String> = actions.iter().filter(|a| takes_role(a)).flat_map(|a| [(*a).to_owned(), made(a)]).collect();
    let launches = LAUNCHES.iter().filter(|l| l.actions.iter().any(|a| given.contains(*a) && takes_role(a)));
    launches.map(|l| l.passed_to).collect()
}

/// Whether an action is given a role, so that it needs `iam:PassRole`. What only starts or calls what is there is not.
pub fn takes_role(action: &str) -> bool {
    // The reference is silent about these; their API pages have a role among what they take.
    const SILENT: &[&str] = &[
        "airflow:CreateEnvironment",
        "airflow:UpdateEnvironment",
        "amplify:CreateApp",
        "amplify:UpdateApp",
        "apigateway:PUT",
        "apprunner:CreateService",
        "apprunner:UpdateService",
        "appstream:CreateImageBuilder",
        "appsync:CreateDataSource",
        "appsync:UpdateDataSource",
        "athena:CreateWorkGroup",
        "athena:UpdateWorkGroup",
        "autoscaling:CreateLaunchConfiguration",
        "autoscaling:PutLifecycleHook",
        "batch:CreateComputeEnvironment",
        "batch:RegisterJobDefinition",
        "batch:UpdateComputeEnvironment",
        "bedrock-agentcore:CreateCodeInterpreter",
        "bedrock:CreateAgent",
        "bedrock:CreateFlow",
        "bedrock:CreateKnowledgeBase",
        "bedrock:CreateModelCustomizationJob",
        "bedrock:CreateModelInvocationJob",
        "bedrock:UpdateAgent",
        "braket:CreateJob",
        "cloudformation:ContinueUpdateRollback",
        "cloudformation:CreateChangeSet",
        "cloudformation:CreateStack",
        "cloudformation:CreateStackSet",
        "cloudformation:DeleteStack",
        "cloudformation:RollbackStack",
        "cloudformation:UpdateStack",
        "cloudformation:UpdateStackSet",
        "codebuild:CreateProject",
        "codebuild:UpdateProject",
        "codedeploy:CreateDeploymentGroup",
        "codedeploy:UpdateDeploymentGroup",
        "codepipeline:CreatePipeline",
        "codepipeline:UpdatePipeline",
        "cognito-identity:SetIdentityPoolRoles",
        "datapipeline:PutPipelineDefinition",
        "ec2:RequestSpotFleet",
        "ecs:RegisterTaskDefinition",
        "eks:CreateCluster",
        "eks:CreateFargateProfile",
        "eks:CreateNodegroup",
        "eks:CreatePodIdentityAssociation",
        "events:PutRule",
        "events:PutTargets",
        "firehose:CreateDeliveryStream",
        "glue:CreateCrawler",
        "glue:CreateDevEndpoint",
        "glue:CreateJob",
        "glue:CreateSession",
        "glue:UpdateCrawler",
        "glue:UpdateJob",
        "iot:CreateTopicRule",
        "iot:ReplaceTopicRule",
        "kinesisanalytics:UpdateApplication",
        "lambda:UpdateFunctionConfiguration",
        "ssm:CreateAssociation",
        "ssm:RegisterTaskWithMaintenanceWindow",
        "ssm:SendCommand",
        "ssm:StartAutomationExecution",
        "ssm:UpdateAssociation",
        "servicecatalog:CreateConstraint",
        "ssm:CreateActivation",
        "states:TestState",
    ];
    SILENT.contains(&action) || facts().action(action).is_some_and(|(_, a)| a.dependent.contains(&"iam:PassRole"))
}

/// Putting a role into an instance profile: one that is made, or one that is emptied first ("Use instance profiles").
pub(super) const INTO_PROFILE: [[&str; 2]; 2] = [
    ["iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"],
    ["iam:RemoveRoleFromInstanceProfile", "iam:AddRoleToInstanceProfile"],
];

/// Documents of Systems Manager's that run whatever commands they are given.
pub(super) const RUNS_COMMANDS: [&str; 2] = ["AWS-RunShellScript", "AWS-RunPowerShellScript"];

/// Taking over what runs as a role already.
pub(super) struct TakeOver {
    pub(super) kind: WorkloadKind,
    /// All are needed on the workload.
    pub(super) actions: &'static [&'static str],
    /// The first of them is needed on a document of Systems Manager's as well.
    pub(super) document: bool,
    /// These as well, on something else that is not known to go with it: a deployment group, a cluster.
    pub(super) beside: &'static [&'static str],
    pub(super) sentence: &'static str,
}

impl TakeOver {
    /// All that is needed.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        self.actions.iter().chain(self.beside).copied()
    }
}

const fn over(kind: WorkloadKind, actions: &'static [&'static str], sentence: &'static str) -> TakeOver {
    TakeOver { kind, actions, document: false, beside: &[], sentence }
}

pub(super) const TAKE_OVERS: &[TakeOver] = &[
    TakeOver { document: true, ..over(WorkloadKind::Ec2Instance, &["ssm:SendCommand"], "run a command on") },
    over(WorkloadKind::Ec2Instance, &["ssm:StartSession"], "open a session on"),
    TakeOver { document: true, ..over(WorkloadKind::Ec2Instance, &["ssm:CreateAssociation"], "have commands run on") },
    over(WorkloadKind::Ec2Instance, &["ec2-instance-connect:SendSSHPublicKey"], "put an SSH key on"),
    over(
        WorkloadKind::Ec2Instance,
        &["ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"],
        "change the user data of",
    ),
    TakeOver {
        kind: WorkloadKind::Ec2Instance,
        actions: &[],
        document: false,
        beside: &["codedeploy:CreateDeployment", "codedeploy:RegisterApplicationRevision", "codedeploy:GetDeploymentConfig"],
        sentence: "deploy a revision of its own to",
    },
    TakeOver {
        kind: WorkloadKind::Ec2Instance,
        actions: &[],
        document: false,
        beside: &["elasticmapreduce:AddJobFlowSteps"],
        sentence: "run a step of a cluster on",
    },
    over(WorkloadKind::LaunchTemplate, &["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"], "put user data into"),
    over(WorkloadKind::LambdaFunction, &[CHANGES_CODE[0]], "replace the code of"),
    over(WorkloadKind::LambdaFunction, &[CHANGES_CODE[1]], "put a layer under"),
    // "Granting Lambda function access to other accounts": whoever says who may replace its code names itself.
    over(WorkloadKind::LambdaFunction, &["lambda:AddPermission"], "let somebody of its own replace the code of"),
    over(WorkloadKind::EcsTask, &["ecs:ExecuteCommand"], "run a command in"),
    // Its command may be another than its definition's.
    over(WorkloadKind::BatchJob, &["batch:SubmitJob"], "run its own command in"),
    over(WorkloadKind::CodeBuildProject, &["codebuild:StartBuild"], "run its own build steps in"),
    over(WorkloadKind::CodeBuildProject, &["codebuild:StartBuildBatch"], "run its own batch of build steps in"),
    over(WorkloadKind::CloudFormationStack, &["cloudformation:UpdateStack"], "change"),
    over(
        WorkloadKind::CloudFormationStack,
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        "run a change set on",
    ),
    over(WorkloadKind::GlueDevEndpoint, &["glue:UpdateDevEndpoint"], "put an SSH key on"),
    over(WorkloadKind::GlueJob, &["glue:UpdateJob", "glue:StartJobRun"], "replace the script of"),
    over(WorkloadKind::GlueJob, &["glue:UpdateJob", "glue:CreateTrigger"], "replace the script of, and trigger,"),
    over(WorkloadKind::SageMakerNotebook, &["sagemaker:CreatePresignedNotebookInstanceUrl"], "open"),
    TakeOver {
        kind: WorkloadKind::SageMakerNotebook,
        actions: &["sagemaker:StopNotebookInstance", "sagemaker:UpdateNotebookInstance", "sagemaker:StartNotebookInstance"],
        document: false,
        beside: &["sagemaker:CreateNotebookInstanceLifecycleConfig"],
        sentence: "put a start script into",
    },
    over(WorkloadKind::AppRunnerService, &["apprunner:UpdateService"], "replace the code of"),
    over(WorkloadKind::StateMachine, &["states:UpdateStateMachine", "states:StartExecution"], "rewrite"),
    over(
        WorkloadKind::CodeInterpreter,
        &["bedrock-agentcore:StartCodeInterpreterSession", "bedrock-agentcore:InvokeCodeInterpreter"],
        "run code in",
    ),
    over(WorkloadKind::AgentRuntime, &["bedrock-agentcore:InvokeAgentRuntimeCommand"], "run commands in"),
    over(WorkloadKind::StudioProfile, &["sagemaker:CreatePresignedDomainUrl"], "open"),
    over(WorkloadKind::FlinkApplication, &["kinesisanalytics:UpdateApplication"], "replace the code of"),
    over(WorkloadKind::CertificateProfile, &["rolesanywhere:CreateTrustAnchor"], "sign in by a certificate of its own through"),
    over(WorkloadKind::CertificateProfile, &["rolesanywhere:UpdateTrustAnchor"], "put its own authority behind the trust of"),
];

/// The rows by which a function's own policy may let somebody of another account take it over, each with its one action (AWS
/// Lambda: "Granting Lambda function access to other accounts", the actions that are supported).
pub(super) fn changes_code() -> impl Iterator<Item = (u8, &'static str)> {
    let rows = TAKE_OVERS.iter().enumerate();
    rows.filter_map(|(row, way)| Some((row as u8, *CHANGES_CODE.iter().find(|action| way.actions == [**action])?)))
}

/// Making or changing credentials and trust: the action is on the user or role itself.
pub(super) struct Takeable {
    pub(super) action: &'static str,
    pub(super) of_role: bool,
    pub(super) sentence: &'static str,
}

pub(super) const CREDENTIALS: &[Takeable] = &[
    Takeable { action: "iam:CreateAccessKey", of_role: false, sentence: "create an access key for" },
    Takeable { action: SETS_PASSWORD, of_role: false, sentence: "set a first console password for" },
    Takeable { action: CHANGES_PASSWORD, of_role: false, sentence: "change the console password of" },
    Takeable { action: "iam:UpdateAssumeRolePolicy", of_role: true, sentence: "rewrite who may become" },
];

/// For a user that has no console password, and for one that has.
pub(super) const SETS_PASSWORD: &str = "iam:CreateLoginProfile";
pub(super) const CHANGES_PASSWORD: &str = "iam:UpdateLoginProfile";

/// Being let in by what a role's trust leaves it to.
pub(super) struct Admit {
    /// What is needed before it.
    pub(super) first: Option<&'static str>,
    pub(super) action: &'static str,
    pub(super) by: Gate,
    pub(super) sentence: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// A SAML provider of the account: the action is on it.
    Saml,
    /// IAM Identity Center, which is kept in one account of the organisation.
    IdentityCenter,
}

/// Assigning somebody to a permission set in an account.
pub(super) const ASSIGN: &str = "sso:CreateAccountAssignment";

impl Admit {
    /// Whether IAM Identity Center may be asked to let somebody into a role's account: an assignment is on that account, too.
    pub(super) fn opens(&self, permit: &Permit<'_>, role: &str, context: &Context) -> (Truth, Arc<[StatementId]>) {
        let mut parts = role.split(':').skip(1);
        match (self.action, parts.next(), parts.nth(2)) {
            (ASSIGN, Some(partition), Some(account)) => {
                permit.on(&Resource::new(&format!("arn:{partition}:sso:::account/{account}")), context)
            }
            _ => permit.somewhere(context),
        }
    }
}

pub(super) const ADMITS: &[Admit] = &[
    Admit {
        first: None,
        action: "iam:UpdateSAMLProvider",
        by: Gate::Saml,
        sentence: "put its own keys into the identity provider and sign in as",
    },
    // What has the same name has the same ARN.
    Admit {
        first: Some("iam:DeleteSAMLProvider"),
        action: "iam:CreateSAMLProvider",
        by: Gate::Saml,
        sentence: "put an identity provider of its own in the place of one and sign in as",
    },
    Admit { first: None, action: ASSIGN, by: Gate::IdentityCenter, sentence: "have somebody assigned to" },
    Admit {
        first: None,
        action: "identitystore:CreateGroupMembership",
        by: Gate::IdentityCenter,
        sentence: "put somebody into a group that is assigned to",
    },
];

/// Changing what a user or role may do: the action is on it.
pub(super) const REWRITES_USER: &[&str] = &["iam:PutUserPolicy", "iam:AttachUserPolicy"];
pub(super) const REWRITES_ROLE: &[&str] = &["iam:PutRolePolicy", "iam:AttachRolePolicy"];
/// On a group the user is in.
pub(super) const REWRITES_GROUP: &[&str] = &["iam:PutGroupPolicy", "iam:AttachGroupPolicy"];
/// On a group the user is not in.
pub(super) const JOIN: &str = "iam:AddUserToGroup";
/// On a group the user is in, whose policies deny.
pub(super) const LEAVE: &str = "iam:RemoveUserFromGroup";
/// On a policy that is attached to it; the new version can be made the default in the same call.
pub(super) const REWRITES_POLICY: &[&str] = &["iam:CreatePolicyVersion"];
/// On a policy that is attached to it and has another version that allows more.
pub(super) const SWITCH: &str = "iam:SetDefaultPolicyVersion";

/// Changing a permission set, which changes the roles that IAM Identity Center keeps of it once it is provisioned again
/// (`ProvisionPermissionSet`): what is called, and what the caller needs on a role of the management account itself
/// (IAM Identity Center: "Identity-based policy examples", the note on assignments in the management account).
pub(super) const REWRITES_SET: &[(&str, &str)] = &[
    ("sso:PutInlinePolicyToPermissionSet", "iam:PutRolePolicy"),
    ("sso:AttachManagedPolicyToPermissionSet", "iam:AttachRolePolicy"),
    ("sso:AttachCustomerManagedPolicyReferenceToPermissionSet", "iam:AttachRolePolicy"),
];
pub(super) const PROVISION: &str = "sso:ProvisionPermissionSet";

/// Taking a permissions boundary off, or putting another in its place: on the user or role.
pub(super) const UNBINDS_USER: [&str; 2] = ["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"];
pub(super) const UNBINDS_ROLE: [&str; 2] = ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"];

/// Taking policies off that deny: an inline one, a managed one.
pub(super) const DROPS_USER: (&str, &str) = ("iam:DeleteUserPolicy", "iam:DetachUserPolicy");
pub(super) const DROPS_ROLE: (&str, &str) = ("iam:DeleteRolePolicy", "iam:DetachRolePolicy");

/// Tagging itself, where a policy or a trust asks for tags.
pub(super) const TAGS_USER: &str = "iam:TagUser";
pub(super) const TAGS_ROLE: &str = "iam:TagRole";

/// Tagging machines, where permissions go by tags.
pub(super) const TAGS_MACHINE: &str = "ec2:CreateTags";

/// A user has two access keys at most ("IAM and AWS STS quotas"): one goes before another is made.
pub(super) const MOST_KEYS: usize = 2;
pub(super) const ROOM_FOR_KEY: &str = "iam:DeleteAccessKey";

/// A managed policy has five versions at most ("IAM and AWS STS quotas"): one goes before another is made.
pub(super) const MOST_VERSIONS: usize = 5;
pub(super) const ROOM_FOR_VERSION: &str = "iam:DeletePolicyVersion";

/// A policy that is made to be attached, where only some may be.
pub(super) const MAKES_POLICY: &str = "iam:CreatePolicy";

/// Somebody new: made, given permissions, and become.
pub(super) const MAKES_ROLE: &str = "iam:CreateRole";
pub(super) const MAKES_USER: &str = "iam:CreateUser";
pub(super) const ENTERS_USER: &[&str] = &["iam:CreateAccessKey", SETS_PASSWORD];

/// Who may do all of these on every resource is an administrator: they span identity, data, compute and keys. What it is
/// denied of the rest, it can give itself by the first four.
pub(super) const CORE: usize = 4;
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
    let more = [JOIN, LEAVE, SWITCH, PROVISION, TAGS_USER, TAGS_ROLE, MAKES_ROLE, MAKES_USER, MAKES_POLICY];
    let one = ["sts:AssumeRole", "iam:PassRole", TAGS_MACHINE, ROOM_FOR_KEY, ROOM_FOR_VERSION].into_iter().chain(more);
    let drops = [DROPS_USER, DROPS_ROLE].into_iter().flat_map(|(inline, managed)| [inline, managed]);
    let lists = [REWRITES_USER, REWRITES_ROLE, REWRITES_GROUP, REWRITES_POLICY, &UNBINDS_USER, &UNBINDS_ROLE, ENTERS_USER];
    one.chain(drops)
        .chain(LAUNCHES.iter().flat_map(|l| l.actions.iter().copied()))
        .chain(INTO_PROFILE.into_iter().flatten())
        .chain(TAKE_OVERS.iter().flat_map(TakeOver::all))
        .chain(CREDENTIALS.iter().map(|c| c.action))
        .chain(ADMITS.iter().flat_map(|a| a.first.into_iter().chain([a.action])))
        .chain(lists.into_iter().flatten().copied())
        .chain(REWRITES_SET.iter().map(|(action, _)| *action))
        .chain(ADMINISTRATOR.iter().copied())
}
