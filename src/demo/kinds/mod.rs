//! What findings can be about: each kind's control, severity, resource class and words, all our own. One row a kind.

mod others;
mod security_hub;
mod vulnerabilities;

use crate::model::finding::Severity;

pub(super) use vulnerabilities::{VULNERABILITIES, Vulnerability};

/// Who reports a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    SecurityHub,
    GuardDuty,
    Inspector,
    Macie,
    AccessAnalyzer,
    Prowler,
}

impl Source {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SecurityHub => "Security Hub",
            Self::GuardDuty => "GuardDuty",
            Self::Inspector => "Inspector",
            Self::Macie => "Macie",
            Self::AccessAnalyzer => "IAM Access Analyzer",
            Self::Prowler => "Prowler",
        }
    }
    /// The end of its product ARN, behind `product/`.
    pub(super) const fn product(self) -> &'static str {
        match self {
            Self::SecurityHub => "aws/securityhub",
            Self::GuardDuty => "aws/guardduty",
            Self::Inspector => "aws/inspector",
            Self::Macie => "aws/macie",
            Self::AccessAnalyzer => "aws/access-analyzer",
            Self::Prowler => "prowler/prowler",
        }
    }
    /// Checks pass or fail; the others tell of events and flaws.
    pub(super) const fn checks(self) -> bool {
        matches!(self, Self::SecurityHub | Self::Prowler)
    }
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident $kind:literal $arn:literal),+ $(,)?) => {
        /// What a finding is about. The first ones stand in the estate; the others only findings know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Class { $($(#[$doc])* $name),+ }

        impl Class {
            /// ASFF's word for the resource type.
            pub(super) const fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind),+ }
            }
            /// The ARN behind `arn:aws:`; `R`, `A` and `N` between braces stand for region, account and name.
            pub(super) const fn shape(self) -> &'static str {
                match self { $(Self::$name => $arn),+ }
            }
        }
    };
}

classes! {
    Account "AwsAccount" "",
    SecurityGroup "AwsEc2SecurityGroup" "ec2:{R}:{A}:security-group/{N}",
    Instance "AwsEc2Instance" "ec2:{R}:{A}:instance/{N}",
    Vpc "AwsEc2Vpc" "ec2:{R}:{A}:vpc/{N}",
    Subnet "AwsEc2Subnet" "ec2:{R}:{A}:subnet/{N}",
    Acl "AwsEc2NetworkAcl" "ec2:{R}:{A}:network-acl/{N}",
    Address "AwsEc2Eip" "ec2:{R}:{A}:elastic-ip/{N}",
    Balancer "AwsElbv2LoadBalancer" "",
    Role "AwsIamRole" "",
    User "AwsIamUser" "",
    Policy "AwsIamPolicy" "",
    Bucket "AwsS3Bucket" "s3:::acme-{N}",
    Database "AwsRdsDbInstance" "rds:{R}:{A}:db:{N}",
    DbCluster "AwsRdsDbCluster" "rds:{R}:{A}:cluster:{N}",
    DbSnapshot "AwsRdsDbSnapshot" "rds:{R}:{A}:snapshot:{N}",
    Function "AwsLambdaFunction" "lambda:{R}:{A}:function:{N}",
    Key "AwsKmsKey" "kms:{R}:{A}:key/{N}",
    Secret "AwsSecretsManagerSecret" "secretsmanager:{R}:{A}:secret:{N}",
    Trail "AwsCloudTrailTrail" "cloudtrail:{R}:{A}:trail/{N}",
    EcsCluster "AwsEcsCluster" "ecs:{R}:{A}:cluster/{N}",
    EcsService "AwsEcsService" "ecs:{R}:{A}:service/{N}",
    Task "AwsEcsTaskDefinition" "ecs:{R}:{A}:task-definition/{N}:4",
    Repository "AwsEcrRepository" "ecr:{R}:{A}:repository/{N}",
    Image "AwsEcrContainerImage" "ecr:{R}:{A}:repository/{N}",
    EksCluster "AwsEksCluster" "eks:{R}:{A}:cluster/{N}",
    Table "AwsDynamoDbTable" "dynamodb:{R}:{A}:table/{N}",
    Queue "AwsSqsQueue" "sqs:{R}:{A}:{N}",
    Topic "AwsSnsTopic" "sns:{R}:{A}:{N}",
    Distribution "AwsCloudFrontDistribution" "cloudfront::{A}:distribution/{N}",
    Stage "AwsApiGatewayStage" "apigateway:{R}::/restapis/{N}/stages/live",
    Volume "AwsEc2Volume" "ec2:{R}:{A}:volume/{N}",
    Certificate "AwsCertificateManagerCertificate" "acm:{R}:{A}:certificate/{N}",
    SearchDomain "AwsOpenSearchServiceDomain" "es:{R}:{A}:domain/{N}",
    Files "AwsEfsFileSystem" "elasticfilesystem:{R}:{A}:file-system/{N}",
    Warehouse "AwsRedshiftCluster" "redshift:{R}:{A}:cluster:{N}",
    Build "AwsCodeBuildProject" "codebuild:{R}:{A}:project/{N}",
    Scaling "AwsAutoScalingAutoScalingGroup" "autoscaling:{R}:{A}:autoScalingGroup:1:autoScalingGroupName/{N}",
    Machine "AwsStepFunctionStateMachine" "states:{R}:{A}:stateMachine:{N}",
}

impl Class {
    /// Whether such resources stand in the estate, so that a finding must name one that exists.
    pub(super) fn in_estate(self) -> bool {
        self <= Self::Policy
    }
    /// Global services report from the home region.
    pub(super) fn global(self) -> bool {
        matches!(self, Self::Role | Self::User | Self::Policy | Self::Distribution)
    }
}

/// One kind of finding.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) source: Source,
    /// `EC2.19`, `s3_bucket_public_access`, `UnauthorizedAccess:EC2/SSHBruteForce`.
    pub(super) control: &'static str,
    pub(super) severity: Severity,
    pub(super) class: Class,
    pub(super) title: &'static str,
    /// Why it matters, one sentence.
    pub(super) why: &'static str,
    /// What to do, one sentence.
    pub(super) fix: &'static str,
    /// Prowler's check of the same fact; empty where there is none.
    pub(super) twin: &'static str,
    /// What is known of the flaw, for Inspector's.
    pub(super) flaw: Option<&'static Vulnerability>,
}

/// Declares kinds: control, severity, class, Prowler's name of it; title; why; fix.
macro_rules! kinds {
    ($source:ident: $($control:literal $severity:ident $class:ident $twin:literal $title:literal $why:literal $fix:literal;)+) => {
        pub(in crate::demo) const KINDS: &[crate::demo::kinds::Kind] = &[$(crate::demo::kinds::Kind {
            source: crate::demo::kinds::Source::$source,
            control: $control,
            severity: crate::model::finding::Severity::$severity,
            class: crate::demo::kinds::Class::$class,
            title: $title,
            why: $why,
            fix: $fix,
            twin: $twin,
            flaw: None,
        }),+];
    };
}
use kinds;

/// Every kind: a place in this list is the kind's number.
pub(super) fn all() -> Vec<Kind> {
    let mut all = Vec::with_capacity(200);
    for list in
        [security_hub::KINDS, others::guard_duty::KINDS, others::macie::KINDS, others::analyzer::KINDS, others::prowler::KINDS]
    {
        all.extend(list.iter().map(|k| Kind { ..*k }));
    }
    all.extend(VULNERABILITIES.iter().map(|flaw| Kind {
        source: Source::Inspector,
        control: flaw.id,
        severity: flaw.severity,
        class: flaw.class,
        title: flaw.title,
        why: flaw.why,
        fix: "Update the package to the fixed version and roll the workload, or rebuild the image from a patched base.",
        twin: "",
        flaw: Some(flaw),
    }));
    all
}
