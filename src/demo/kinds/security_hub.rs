//! Security Hub's controls, by AWS's ids and in our words.

use super::kinds;

kinds! { SecurityHub:
    "Account.1" Medium Account "account_maintain_different_contact_details_to_security_billing_and_operations"
        "Security contact is missing for the account"
        "Without a security contact AWS's abuse notices reach nobody who can act on them."
        "Set the alternate security contact to the security team's mailbox.";
    "ACM.1" Medium Certificate "acm_certificates_expiration_check"
        "Certificate runs out within 30 days"
        "A certificate that is not renewed in time takes its endpoints down."
        "Renew it, or move to DNS validation so that it renews itself.";
    "APIGateway.1" Medium Stage "apigateway_restapi_logging_enabled"
        "API stage writes no execution logs"
        "Calls to the API cannot be traced afterwards."
        "Turn on execution logging at least at ERROR level.";
    "AutoScaling.3" High Scaling ""
        "Launch configuration allows version 1 of instance metadata"
        "New machines of the group hand out role credentials to any request that can be forged."
        "Move the group to a launch template that requires IMDSv2.";
    "CloudFront.1" High Distribution ""
        "Distribution has no default root object"
        "A request for the root can list the origin's contents."
        "Name a default root object.";
    "CloudFront.4" Low Distribution ""
        "Distribution has no origin failover"
        "One failing origin makes the site unavailable."
        "Add an origin group with a second origin.";
    "CloudTrail.1" High Account "cloudtrail_multi_region_enabled"
        "No trail records all regions"
        "Calls in a region without a trail leave no evidence."
        "Create an organisation trail that covers every region.";
    "CloudTrail.2" Medium Trail "cloudtrail_kms_encryption_enabled"
        "Trail is not encrypted with a key of ours"
        "Who may read the log is then decided by bucket permissions alone."
        "Set a customer-managed KMS key on the trail.";
    "CloudTrail.4" Low Trail "cloudtrail_log_file_validation_enabled"
        "Trail does not validate its log files"
        "A changed log file would go unnoticed."
        "Enable log file validation.";
    "CloudTrail.5" Low Trail "cloudtrail_cloudwatch_logging_enabled"
        "Trail is not delivered to CloudWatch Logs"
        "Alarms on API calls cannot fire in time."
        "Connect the trail to a log group.";
    "CodeBuild.2" Critical Build ""
        "Build project holds credentials in plain variables"
        "Everyone who may view the project reads the secret."
        "Move it to Secrets Manager or Parameter Store and rotate it.";
    "CodeBuild.4" Medium Build ""
        "Build project writes no logs"
        "What a build did cannot be told afterwards."
        "Enable CloudWatch or S3 logs for the project.";
    "Config.1" Critical Account "config_recorder_all_regions_enabled"
        "Configuration recorder is off"
        "Changes to resources are not recorded, and most checks have nothing to judge."
        "Turn the recorder on with its service-linked role for all resource types.";
    "DynamoDB.2" Medium Table "dynamodb_tables_pitr_enabled"
        "Table has no point-in-time recovery"
        "A wrong write cannot be undone."
        "Enable point-in-time recovery.";
    "DynamoDB.6" Medium Table ""
        "Table may be deleted without a second step"
        "One wrong call removes the data."
        "Enable deletion protection.";
    "EC2.2" High SecurityGroup "ec2_securitygroup_default_restrict_traffic"
        "Default security group has rules"
        "Whatever is started without a group of its own can talk to everything else in the group."
        "Remove all rules from the default group and give machines groups of their own.";
    "EC2.3" Medium Volume "ec2_ebs_volume_encryption"
        "Attached volume is not encrypted"
        "A copied snapshot can be read by whoever holds it."
        "Copy the volume into an encrypted one and swap it.";
    "EC2.4" Medium Instance "ec2_instance_older_than_specific_days"
        "Stopped instance is still around"
        "It gets no updates and comes back with old flaws."
        "Terminate it, or keep an image instead.";
    "EC2.6" Medium Vpc "vpc_flow_logs_enabled"
        "VPC has no flow logs"
        "Connections cannot be reconstructed after an incident."
        "Send flow logs to the log archive.";
    "EC2.7" Medium Account "ec2_ebs_default_encryption"
        "New volumes are not encrypted by default"
        "It depends on each team's memory whether data at rest is protected."
        "Turn on default EBS encryption in the region.";
    "EC2.8" High Instance "ec2_instance_imdsv2_enabled"
        "Instance answers version 1 of instance metadata"
        "A forged request through an application can read the role's credentials."
        "Require IMDSv2 tokens on the instance.";
    "EC2.9" High Instance "ec2_instance_public_ip"
        "Instance has a public IPv4 address"
        "It can be reached from the internet wherever a group lets it."
        "Put it behind a load balancer and use Session Manager for access.";
    "EC2.10" Medium Vpc ""
        "VPC reaches the EC2 API over the internet"
        "Calls leave by the NAT gateway although a private way exists."
        "Create an interface endpoint for the EC2 API.";
    "EC2.12" Low Address "ec2_elastic_ip_unassigned"
        "Elastic address is in no use"
        "It costs money, and a stale DNS record may still point to it."
        "Release it after checking DNS.";
    "EC2.13" High SecurityGroup "ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_22"
        "Port 22 is open to the internet"
        "Every scanner of the world may try passwords and keys."
        "Remove the rule; use Session Manager, or the office prefix list.";
    "EC2.14" High SecurityGroup "ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_3389"
        "Port 3389 is open to the internet"
        "Remote desktop is a favourite of ransomware crews."
        "Remove the rule; forward the port through Session Manager.";
    "EC2.15" Medium Subnet "vpc_subnet_no_public_ip_by_default"
        "Subnet gives machines public addresses by itself"
        "Whatever starts there is on the internet without a decision."
        "Turn off automatic public addresses.";
    "EC2.18" High SecurityGroup ""
        "Ports other than the approved ones are open to the internet"
        "Only 80 and 443 are meant to be reached by anyone."
        "Restrict the source, or have the port approved.";
    "EC2.19" Critical SecurityGroup "ec2_securitygroup_allow_ingress_from_internet_to_high_risk_tcp_ports"
        "High-risk port is open to the internet"
        "Databases and remote access in the open are found within minutes."
        "Close the port to the internet; allow known sources only.";
    "EC2.21" Medium Acl "ec2_networkacl_allow_ingress_tcp_port_22"
        "Network ACL lets the internet in on 22 or 3389"
        "The subnet's second line of defence is open on remote access ports."
        "Delete the entries, or narrow them to the offices.";
    "EC2.22" Medium SecurityGroup "ec2_securitygroup_not_used"
        "Security group is used by nothing"
        "It waits to be attached by mistake."
        "Delete the group.";
    "ECR.1" High Repository "ecr_repositories_scan_images_on_push_enabled"
        "Images are not scanned when pushed"
        "Known flaws go to production unseen."
        "Turn on scanning for the repository.";
    "ECR.3" Medium Repository "ecr_repositories_lifecycle_policy_enabled"
        "Repository keeps every image forever"
        "Old images with old flaws stay deployable."
        "Add a lifecycle policy.";
    "ECS.1" High Task ""
        "Task shares the host's network with a privileged user"
        "The container can listen in on the host."
        "Use awsvpc networking and an unprivileged user.";
    "ECS.5" High Task "ecs_task_definitions_containers_readonly_access"
        "Container may write to its root file system"
        "An intruder can replace the program that runs."
        "Set the root file system to read-only and mount what must be written.";
    "ECS.8" High Task "ecs_task_definitions_no_environment_secrets"
        "Secrets stand in the task's environment"
        "Whoever may describe the task reads them."
        "Refer to Secrets Manager from the task definition.";
    "ECS.2" High EcsService ""
        "Service gives its tasks public addresses"
        "Each task is on the internet by itself."
        "Disable public addresses for the service.";
    "ECS.12" Medium EcsCluster ""
        "Cluster collects no container metrics"
        "Trouble in it is seen by customers first."
        "Turn on Container Insights.";
    "EFS.1" Medium Files "efs_encryption_at_rest_enabled"
        "File system is not encrypted"
        "Backups and snapshots can be read by whoever holds them."
        "Copy the data into an encrypted file system.";
    "EKS.1" High EksCluster "eks_cluster_not_publicly_accessible"
        "Cluster endpoint is open to the internet"
        "The Kubernetes API is one leaked token away from anyone."
        "Make the endpoint private, or list the allowed networks.";
    "EKS.2" High EksCluster ""
        "Cluster runs an unsupported Kubernetes version"
        "Flaws found now are not fixed there any more."
        "Upgrade, one minor version at a time.";
    "ELB.1" Medium Balancer "elbv2_ssl_listeners"
        "Load balancer forwards plain HTTP"
        "Sessions and passwords cross the network in the clear."
        "Redirect port 80 to HTTPS.";
    "ELB.5" Medium Balancer "elbv2_logging_enabled"
        "Load balancer writes no access logs"
        "Requests cannot be traced after an incident."
        "Turn on access logs to the log archive.";
    "ELB.6" Medium Balancer "elbv2_deletion_protection"
        "Load balancer may be deleted without a second step"
        "One wrong call takes the service down."
        "Enable deletion protection.";
    "ES.2" Critical SearchDomain "opensearch_service_domains_not_publicly_accessible"
        "Search domain stands outside of a VPC"
        "Its endpoint can be reached from anywhere."
        "Move the domain into a VPC.";
    "GuardDuty.1" High Account "guardduty_is_enabled"
        "GuardDuty is off"
        "Nobody watches for stolen credentials or malware here."
        "Enable GuardDuty through the organisation.";
    "IAM.1" High Policy "iam_customer_attached_policy_no_administrative_privileges"
        "Policy allows everything on everything"
        "Whoever gets it owns the account."
        "Write down what is needed, and boundary the rest.";
    "IAM.2" Low User "iam_policy_attached_only_to_group_or_roles"
        "User holds policies directly"
        "Permissions given one by one are never taken back."
        "Give them by group or role.";
    "IAM.3" Medium User "iam_rotate_access_key_90_days"
        "Access key is older than 90 days"
        "The longer a key lives, the more places it has been copied to."
        "Rotate it, or replace the user by a role.";
    "IAM.5" Medium User "iam_user_mfa_enabled_console_access"
        "User signs in without a second factor"
        "A guessed or reused password is enough."
        "Register a security key for the user.";
    "IAM.6" Critical Account "iam_root_hardware_mfa_enabled"
        "Root user has no hardware second factor"
        "The root user can do everything, and nothing can limit it."
        "Register a hardware key for the root user and lock it away.";
    "IAM.7" Medium Account "iam_password_policy_minimum_length_14"
        "Password policy is weak"
        "Short and repeated passwords are guessed."
        "Ask for 14 characters at least and remember 24.";
    "IAM.8" Medium User "iam_user_accesskey_unused"
        "Credentials have not been used for 90 days"
        "Nobody would miss them, and nobody would notice their misuse."
        "Disable them, then delete them.";
    "KMS.3" Critical Key "kms_cmk_not_deleted_unintentionally"
        "Key is about to be deleted"
        "What it encrypted is lost with it."
        "Cancel the deletion unless it was meant.";
    "KMS.4" Medium Key "kms_cmk_rotation_enabled"
        "Key does not rotate"
        "One leaked key opens all data it ever protected."
        "Turn on yearly rotation.";
    "Lambda.1" Critical Function "awslambda_function_not_publicly_accessible"
        "Function may be called by anyone"
        "Strangers run our code, with its role, on our bill."
        "Restrict the function's resource policy.";
    "Lambda.2" Medium Function "awslambda_function_using_supported_runtimes"
        "Function uses a retired runtime"
        "It gets no security fixes any more."
        "Move it to a supported runtime.";
    "Lambda.5" Low Function ""
        "Function runs in one zone only"
        "A zone's failure stops it."
        "Give it subnets in two zones.";
    "Macie.1" Medium Account "macie_is_enabled"
        "Macie is off"
        "Personal data in buckets stays undiscovered."
        "Enable Macie through the organisation.";
    "RDS.1" Critical DbSnapshot "rds_snapshots_public_access"
        "Database snapshot is public"
        "Anyone with an AWS account can restore it and read the data."
        "Make it private and treat the data as leaked.";
    "RDS.2" Critical Database "rds_instance_no_public_access"
        "Database is publicly accessible"
        "It has an address on the internet."
        "Turn public access off and keep it in data subnets.";
    "RDS.3" Medium Database "rds_instance_storage_encrypted"
        "Database storage is not encrypted"
        "Copies and backups are readable by whoever holds them."
        "Restore an encrypted copy and switch over.";
    "RDS.5" Medium Database "rds_instance_multi_az"
        "Database stands in one zone"
        "A zone's failure takes it down."
        "Turn on multi-AZ.";
    "RDS.8" Low Database "rds_instance_deletion_protection"
        "Database may be deleted without a second step"
        "One wrong call removes it."
        "Enable deletion protection.";
    "RDS.13" High Database "rds_instance_minor_version_upgrade_enabled"
        "Database does not take minor updates"
        "Fixed flaws stay open."
        "Turn on automatic minor upgrades.";
    "RDS.16" Low DbCluster ""
        "Cluster does not copy tags to its snapshots"
        "Snapshots lose their owner."
        "Copy tags to snapshots.";
    "Redshift.1" Critical Warehouse "redshift_cluster_public_access"
        "Warehouse is publicly accessible"
        "All reporting data is behind one password on the internet."
        "Turn public access off.";
    "Redshift.4" Medium Warehouse "redshift_cluster_audit_logging"
        "Warehouse keeps no audit log"
        "Who read what cannot be told."
        "Turn on audit logging.";
    "S3.1" Medium Account "s3_account_level_public_access_blocks"
        "Account does not block public buckets"
        "One wrong policy makes a bucket public."
        "Block public access for the whole account.";
    "S3.2" Critical Bucket "s3_bucket_public_access"
        "Bucket policy allows public read"
        "Everyone can list and fetch its objects."
        "Block public access and serve through CloudFront.";
    "S3.5" Medium Bucket "s3_bucket_secure_transport_policy"
        "Bucket takes requests without TLS"
        "Objects may cross networks in the clear."
        "Deny requests that are not secure.";
    "S3.8" High Bucket "s3_bucket_level_public_access_block"
        "Bucket does not block public access"
        "Nothing stops the next policy from opening it."
        "Turn on all four blocks.";
    "S3.9" Medium Bucket "s3_bucket_server_access_logging_enabled"
        "Bucket writes no access logs"
        "Who fetched what cannot be told."
        "Turn on access logging.";
    "S3.13" Low Bucket "s3_bucket_lifecycle_enabled"
        "Bucket has no lifecycle rules"
        "Data outlives its purpose."
        "Add rules that expire or archive.";
    "S3.14" Low Bucket "s3_bucket_object_versioning"
        "Bucket keeps no versions"
        "An overwritten object is gone."
        "Turn on versioning.";
    "S3.17" Medium Bucket "s3_bucket_kms_encryption"
        "Bucket is not encrypted with a key of ours"
        "Bucket permissions alone decide who reads it."
        "Set a customer-managed KMS key as default.";
    "SecretsManager.1" Medium Secret "secretsmanager_automatic_rotation_enabled"
        "Secret does not rotate"
        "A leaked secret stays valid."
        "Turn on rotation.";
    "SecretsManager.3" Medium Secret "secretsmanager_secret_unused"
        "Secret has not been used for 90 days"
        "It is a risk without a use."
        "Delete it.";
    "SNS.1" Low Topic "sns_topics_kms_encryption_at_rest_enabled"
        "Topic is not encrypted"
        "Messages at rest are protected by permissions alone."
        "Set a KMS key on the topic.";
    "SQS.1" Low Queue "sqs_queues_server_side_encryption_enabled"
        "Queue is not encrypted"
        "Messages at rest are protected by permissions alone."
        "Turn on server-side encryption.";
    "SSM.1" Medium Instance "ec2_instance_managed_by_ssm"
        "Running instance is not managed by Systems Manager"
        "It is neither patched nor reachable by private sessions."
        "Give it the agent and an instance role for Systems Manager.";
    "SSM.2" High Instance "ssm_managed_compliant_patching"
        "Managed node misses patches"
        "Known flaws stay open on it."
        "Run the patch baseline and reboot in the window.";
    "StepFunctions.1" Low Machine ""
        "State machine writes no logs"
        "Failed runs leave no trace."
        "Turn on logging at ERROR level.";
}
