//! What GuardDuty, Macie, IAM Access Analyzer and Prowler report, by their type names and in our words.

pub(super) mod guard_duty {
    use crate::demo::kinds::kinds;

    kinds! { GuardDuty:
        "UnauthorizedAccess:EC2/SSHBruteForce" Low Instance "" "{} is being tried for SSH passwords"
            "A host on the internet tries many passwords in a short time." "Close port 22 to the internet and look for a success among the tries.";
        "UnauthorizedAccess:EC2/RDPBruteForce" Low Instance "" "{} is being tried for remote desktop passwords"
            "A host on the internet tries many passwords in a short time." "Close port 3389 to the internet and look for a success.";
        "CryptoCurrency:EC2/BitcoinTool.B!DNS" High Instance "" "{} looks up a mining pool"
            "Machines that ask for mining pools are usually mining for somebody else." "Isolate the machine, keep its memory and disk, replace it.";
        "CryptoCurrency:EC2/BitcoinTool.B" High Instance "" "{} talks to a mining pool"
            "Traffic to a known pool leaves the machine." "Isolate the machine, keep its memory and disk, replace it.";
        "Backdoor:EC2/C&CActivity.B!DNS" High Instance "" "{} looks up a command and control server"
            "The name belongs to a known botnet." "Isolate the machine and follow the malware runbook.";
        "Trojan:EC2/DNSDataExfiltration" High Instance "" "{} sends data out in DNS queries"
            "Long, ever-changing names under one domain carry data." "Isolate the machine and find what was read.";
        "Recon:EC2/PortProbeUnprotectedPort" Low Instance "" "{} is probed on an open port"
            "A known scanner found a port without a filter." "Narrow the security group.";
        "Recon:EC2/Portscan" Medium Instance "" "{} scans ports of other machines"
            "Machines of ours do not scan; an intruder looking around does." "Find the process, isolate if it is nobody's.";
        "Behavior:EC2/NetworkPortUnusual" Medium Instance "" "{} talks on a port it never used"
            "The change may be a release, or a backdoor." "Ask the owning team for a release at that time.";
        "Behavior:EC2/TrafficVolumeUnusual" Medium Instance "" "{} sends far more than usual"
            "Large outward transfers can be a leak." "Compare with jobs and backups of that time.";
        "DefenseEvasion:EC2/UnusualDNSResolver" Medium Instance "" "{} asks a foreign name server"
            "Our name servers, and their logs, are gone around." "Find the process; block outward DNS.";
        "Impact:EC2/SuspiciousDomainRequest.Reputation" Low Instance "" "{} looks up a name of ill repute"
            "The name is new, and others report abuse from it." "Look at the process that asked.";
        "UnauthorizedAccess:EC2/TorClient" High Instance "" "{} connects to the Tor network"
            "Servers have no business there." "Isolate the machine and find the process.";
        "UnauthorizedAccess:EC2/MetadataDNSRebind" High Instance "" "{} resolves a name to the metadata address"
            "A trick to make an application read role credentials." "Require IMDSv2 and rotate the role's sessions.";
        "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS" High Role "" "Credentials of {} are used outside of AWS"
            "Credentials of a machine appear at an address that is not AWS's." "Revoke the role's sessions and look at the machine.";
        "UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B" Medium User "" "{} signed in from two countries at once"
            "One of the two is not the user." "Ask the user; revoke sessions and reset the password.";
        "CredentialAccess:IAMUser/AnomalousBehavior" Medium Role "" "{} fetches secrets in an unusual way"
            "The calls differ from all of the last weeks." "Ask the owning team; revoke sessions if nobody knows.";
        "Persistence:IAMUser/AnomalousBehavior" Medium Role "" "{} creates access keys in an unusual way"
            "New keys outlive the session that made them." "Delete the keys and revoke the sessions.";
        "Discovery:IAMUser/AnomalousBehavior" Low Role "" "{} lists resources in an unusual way"
            "Looking around is how most intrusions begin." "Compare with the pipeline's runs.";
        "Exfiltration:IAMUser/AnomalousBehavior" High Role "" "{} copies snapshots in an unusual way"
            "Snapshots shared with another account are data gone." "Revoke the sharing and the sessions.";
        "PenTest:IAMUser/KaliLinux" Medium User "" "{} calls from a penetration testing system"
            "A test without an announcement is an attack." "Check the calendar of tests.";
        "Policy:IAMUser/RootCredentialUsage" Low Account "" "Root user called an API"
            "Root is for emergencies; each use needs a reason." "Find who used it and for what.";
        "Stealth:IAMUser/CloudTrailLoggingDisabled" Low Trail "" "Somebody switched a trail off"
            "Logging is switched off first, then things happen." "Switch it on and look at the gap.";
        "Policy:S3/BucketAnonymousAccessGranted" High Bucket "" "{} was opened to anonymous users"
            "The change was made a moment before this finding." "Undo the change and look for reads since.";
        "Exfiltration:S3/AnomalousBehavior" High Bucket "" "{} is read in an unusual way"
            "Far more objects than ever are fetched." "Revoke the reader's sessions.";
        "Discovery:S3/MaliciousIPCaller.Custom" Medium Bucket "" "{} is listed from an address on our list"
            "The address stands on the threat list of the organisation." "Block it and look at what it fetched.";
        "Execution:Kubernetes/ExecInKubeSystemPod" Medium EksCluster "" "Somebody runs commands in a system pod of {}"
            "System pods are not meant to be worked in." "Find who it was in the audit log.";
    }
}

pub(super) mod macie {
    use crate::demo::kinds::kinds;

    kinds! { Macie:
        "SensitiveData:S3Object-Personal" Medium Bucket "" "Personal data stands in {}"
            "Names, addresses or birth dates were found in objects." "Move them where personal data is meant to be, or mask them.";
        "SensitiveData:S3Object-Financial" High Bucket "" "Card numbers stand in {}"
            "Payment data outside of the payment accounts is out of bounds." "Delete or tokenise the objects and tell the payment team.";
        "SensitiveData:S3Object-Credentials" High Bucket "" "Private keys or tokens stand in {}"
            "Whoever may read the bucket may act as their owner." "Rotate them and move them to Secrets Manager.";
        "Policy:IAMUser-S3BucketSharedExternally" High Bucket "" "{} is shared outside of the organisation"
            "An account that is not ours may read it." "Remove the grant, or register the partner.";
        "Policy:IAMUser-S3BucketEncryptionDisabled" Low Bucket "" "{} lost its default encryption"
            "New objects follow the default of the service only." "Set the default encryption again.";
    }
}

pub(super) mod analyzer {
    use crate::demo::kinds::kinds;

    kinds! { AccessAnalyzer:
        "external-access-role" High Role "" "{} can be assumed from outside of the organisation"
            "Its trust names a principal that is not ours, or one too wide." "Narrow the trust and ask for an external id.";
        "external-access-bucket" High Bucket "" "{} can be read from outside of the organisation"
            "Its policy names a principal that is not ours." "Remove the principal or add a condition on the organisation.";
        "external-access-key" Medium Key "" "{} can be used from outside of the organisation"
            "Its key policy names an account that is not ours." "Remove the account.";
        "external-access-queue" Medium Queue "" "{} takes messages from anyone"
            "Its policy has no condition on the sender." "Add a condition on the source.";
        "unused-access-role" Low Role "" "{} has not been used for 90 days"
            "Nobody would miss it, and nobody would notice its misuse." "Delete the role.";
    }
}

pub(super) mod prowler {
    use crate::demo::kinds::kinds;

    kinds! { Prowler:
        "iam_role_administratoraccess_policy" High Role "" "Role holds AdministratorAccess"
            "A role for daily work that can do everything." "Give it what it needs.";
        "iam_inline_policy_no_administrative_privileges" High Role "" "Inline policy of the role allows everything"
            "Inline policies are seen by nobody, and this one allows all." "Remove the inline policy.";
        "iam_policy_allows_privilege_escalation" High Policy "" "Policy lets its holder become administrator"
            "Its actions can be combined into more rights than it grants." "Remove the actions, or put a boundary on the holder.";
        "iam_no_custom_policy_permissive_role_assumption" High Policy "" "Policy lets its holder assume any role"
            "It opens every role that trusts the account." "Name the roles.";
        "iam_role_cross_account_readonlyaccess_policy" High Role "" "Another account reads everything here"
            "The role gives ReadOnlyAccess to an account outside." "Narrow it to what the vendor needs.";
        "ssm_managed_compliant_association" Medium Instance "" "Managed node lost contact"
            "Its agent has not answered for hours." "Look at the machine; restart the agent.";
        "s3_bucket_public_access" Critical Bucket "" "Bucket is open to the public"
            "Policy or ACL let anyone in." "Block public access for the bucket.";
        "s3_bucket_no_mfa_delete" Low Bucket "" "Bucket deletes without a second factor"
            "A stolen key is enough to remove versions." "Turn on MFA delete.";
        "s3_bucket_cross_region_replication" Low Bucket "" "Bucket is not replicated"
            "A region's failure makes it unavailable." "Replicate it where the data is critical.";
        "awslambda_function_no_secrets_in_variables" High Function "" "Secrets stand in the function's variables"
            "Whoever may view the function reads them." "Move them to Secrets Manager and rotate.";
        "awslambda_function_url_public" High Function "" "Function has a public address without sign-in"
            "Anyone who finds it may call it." "Ask for IAM on the function's address.";
        "ecr_registry_scan_images_on_push_enabled" Medium Repository "" "Registry does not scan on push"
            "Known flaws go to production unseen." "Turn on enhanced scanning.";
        "rds_instance_transport_encrypted" High Database "" "Database takes connections without TLS"
            "Queries and passwords cross networks in the clear." "Force TLS in the parameter group.";
        "rds_instance_backup_enabled" Medium Database "" "Database has no backups"
            "A wrong statement cannot be undone." "Set a retention of seven days at least.";
        "secretsmanager_not_publicly_accessible" Critical Secret "" "Secret is readable from outside"
            "Its resource policy names everyone." "Remove the policy and rotate the secret.";
        "kms_key_not_publicly_accessible" Critical Key "" "Key may be used by anyone"
            "Its policy names everyone without a condition." "Name the principals.";
        "sqs_queues_not_publicly_accessible" High Queue "" "Queue is open to everyone"
            "Anyone may send or read messages." "Narrow the queue's policy.";
        "sns_topics_not_publicly_accessible" High Topic "" "Topic is open to everyone"
            "Anyone may publish or subscribe." "Narrow the topic's policy.";
        "cloudfront_distributions_https_enabled" Medium Distribution "" "Distribution serves plain HTTP"
            "Visitors can be listened to." "Redirect to HTTPS.";
        "opensearch_service_domains_audit_logging_enabled" Low SearchDomain "" "Search domain keeps no audit log"
            "Who searched what cannot be told." "Turn on audit logs.";
        "codebuild_project_older_90_days" Low Build "" "Build project has not run for 90 days"
            "Its role still exists." "Delete the project and its role.";
        "acm_certificates_transparency_logs_enabled" Low Certificate "" "Certificate is not in transparency logs"
            "Browsers may refuse it." "Issue it again with logging.";
        "efs_have_backup_enabled" Medium Files "" "File system has no backups"
            "Deleted files are gone." "Add it to the backup plan.";
    }
}
