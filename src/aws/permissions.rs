//! What this build needs to be allowed, generated from what the services' files declare: the caller's policy, and a role
//! for member accounts as CloudFormation and Terraform. It grants nothing itself.

use serde_json::{Value, json};

use crate::aws::call::{Call, Reach};
use crate::aws::{
    cloudtrail, ec2, ecr, ecs, elb, exec, iam, kms, lambda, organizations, s3, secretsmanager, securityhub, sns, sqs, ssm, sts,
    transit,
};

/// Every API action this build calls, by name.
pub fn calls() -> Vec<Call> {
    let all = [
        sts::CALLS,
        organizations::CALLS,
        iam::CALLS,
        ec2::CALLS,
        transit::CALLS,
        elb::CALLS,
        cloudtrail::CALLS,
        ecr::CALLS,
        ecs::CALLS,
        exec::CALLS,
        kms::CALLS,
        lambda::CALLS,
        s3::CALLS,
        secretsmanager::CALLS,
        sns::CALLS,
        sqs::CALLS,
        ssm::CALLS,
        ssm::CHANNELS,
        securityhub::CALLS,
    ];
    let mut calls: Vec<Call> = all.concat();
    calls.sort_by_key(|call| call.action);
    calls
}

/// A role for member accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleTemplate {
    /// Without a path.
    pub name: String,
    /// Who may become it: an account id, or the ARN of a principal.
    pub trusted: String,
    pub external_id: Option<String>,
    /// Whether it may open sessions on nodes.
    pub sessions: bool,
}

/// The least privilege that the caller needs, as an IAM policy: all that is read in its own account, the organisation,
/// what changes findings where a hub holds them and what opens sessions on nodes (statements of their own, to be left out for who only reads), and becoming `role` in member accounts of the partition (`aws`, `aws-cn`, `aws-us-gov`). The actions have no resource-level permissions that would narrow them further,
/// but for `sts:AssumeRole`.
pub fn caller_policy(partition: &str, role: &str) -> String {
    let acts = |call: &Call| matches!(call.reach, Reach::Hub | Reach::Node);
    let reads: Vec<&str> = actions(|call| call.action != sts::ASSUME_ROLE.action && !acts(call));
    let writes: Vec<&str> = actions(|call| call.reach == Reach::Hub);
    pretty(&json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "BartizanReads", "Effect": "Allow", "Action": reads, "Resource": "*"},
            {"Sid": "BartizanDeliversDecisions", "Effect": "Allow", "Action": writes, "Resource": "*"},
            {"Sid": "BartizanOpensSessions", "Effect": "Allow", "Action": actions(opens_sessions), "Resource": "*"},
            {"Sid": "BartizanEntersMemberAccounts", "Effect": "Allow", "Action": sts::ASSUME_ROLE.action, "Resource": format!("arn:{partition}:iam::*:role/{role}")},
        ]
    }))
}

/// The least privilege in a member account, as an IAM policy; with what opens sessions on its nodes where that is wanted.
pub fn member_policy(sessions: bool) -> String {
    let mut statements = vec![json!({"Sid": "BartizanReads", "Effect": "Allow", "Action": actions(in_members), "Resource": "*"})];
    if sessions {
        statements
            .push(json!({"Sid": "BartizanOpensSessions", "Effect": "Allow", "Action": actions(opens_sessions), "Resource": "*"}));
    }
    pretty(&json!({"Version": "2012-10-17", "Statement": statements}))
}

/// Members are read only unless sessions are wanted: decisions go out from the account that holds the hub.
fn in_members(call: &Call) -> bool {
    !matches!(call.reach, Reach::Management | Reach::Hub | Reach::Node)
}

fn opens_sessions(call: &Call) -> bool {
    call.reach == Reach::Node
}

fn actions(wanted: impl Fn(&Call) -> bool) -> Vec<&'static str> {
    calls().iter().filter(|call| wanted(call)).map(|call| call.action).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl RoleTemplate {
    fn principal(&self) -> String {
        let is_account = self.trusted.len() == 12 && self.trusted.bytes().all(|b| b.is_ascii_digit());
        if is_account { format!("arn:aws:iam::{}:root", self.trusted) } else { self.trusted.clone() }
    }

    /// What the role may do: to read, and to open sessions where that is wanted.
    fn actions(&self) -> Vec<&'static str> {
        actions(|call| in_members(call) || (self.sessions && opens_sessions(call)))
    }
    fn what(&self) -> &'static str {
        if self.sessions { "Role" } else { "Read-only role" }
    }

    /// The role as a CloudFormation template, for a stack set over the organisation.
    pub fn cloudformation(&self) -> String {
        let condition = self.external_id.as_ref().map_or_else(String::new, |id| {
            format!("            Condition:\n              StringEquals:\n                sts:ExternalId: {}\n", quoted(id))
        });
        let actions: String = self.actions().iter().map(|action| format!("                  - {action}\n")).collect();
        format!(
            "AWSTemplateFormatVersion: \"2010-09-09\"\n\
             Description: {what} for bartizan, made by `bartizan permissions`\n\
             Resources:\n\
             \x20 BartizanRole:\n\
             \x20   Type: AWS::IAM::Role\n\
             \x20   Properties:\n\
             \x20     RoleName: {name}\n\
             \x20     MaxSessionDuration: 3600\n\
             \x20     AssumeRolePolicyDocument:\n\
             \x20       Version: \"2012-10-17\"\n\
             \x20       Statement:\n\
             \x20         - Effect: Allow\n\
             \x20           Principal:\n\
             \x20             AWS: {principal}\n\
             \x20           Action: sts:AssumeRole\n\
             {condition}\
             \x20     Policies:\n\
             \x20       - PolicyName: bartizan-read\n\
             \x20         PolicyDocument:\n\
             \x20           Version: \"2012-10-17\"\n\
             \x20           Statement:\n\
             \x20             - Effect: Allow\n\
             \x20               Action:\n\
             {actions}\
             \x20               Resource: \"*\"\n\
             Outputs:\n\
             \x20 RoleArn:\n\
             \x20   Value: !GetAtt BartizanRole.Arn\n",
            what = self.what(),
            name = quoted(&self.name),
            principal = quoted(&self.principal()),
        )
    }

    /// The role as Terraform (HCL).
    pub fn terraform(&self) -> String {
        let condition = self.external_id.as_ref().map_or_else(String::new, |id| {
            format!("      Condition = {{ StringEquals = {{ \"sts:ExternalId\" = {} }} }}\n", hcl(id))
        });
        let actions: String = self.actions().iter().map(|action| format!("        \"{action}\",\n")).collect();
        format!(
            "# {what} for bartizan, made by `bartizan permissions`\n\
             resource \"aws_iam_role\" \"bartizan\" {{\n\
             \x20 name                 = {name}\n\
             \x20 max_session_duration = 3600\n\
             \x20 assume_role_policy = jsonencode({{\n\
             \x20   Version = \"2012-10-17\"\n\
             \x20   Statement = [{{\n\
             \x20     Effect    = \"Allow\"\n\
             \x20     Principal = {{ AWS = {principal} }}\n\
             \x20     Action    = \"sts:AssumeRole\"\n\
             {condition}\
             \x20   }}]\n\
             \x20 }})\n\
             }}\n\
             \n\
             resource \"aws_iam_role_policy\" \"bartizan\" {{\n\
             \x20 name = \"bartizan-read\"\n\
             \x20 role = aws_iam_role.bartizan.id\n\
             \x20 policy = jsonencode({{\n\
             \x20   Version = \"2012-10-17\"\n\
             \x20   Statement = [{{\n\
             \x20     Effect = \"Allow\"\n\
             \x20     Action = [\n\
             {actions}\
             \x20     ]\n\
             \x20     Resource = \"*\"\n\
             \x20   }}]\n\
             \x20 }})\n\
             }}\n\
             \n\
             output \"bartizan_role_arn\" {{\n\
             \x20 value = aws_iam_role.bartizan.arn\n\
             }}\n",
            what = self.what(),
            name = hcl(&self.name),
            principal = hcl(&self.principal()),
        )
    }
}

/// As a double-quoted YAML scalar: JSON's strings are those.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// As an HCL string, in which `${` and `%{` would begin a template.
fn hcl(text: &str) -> String {
    quoted(text).replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> RoleTemplate {
        RoleTemplate {
            name: "Bartizan\"\n: x${y}".into(),
            trusted: "111122223333".into(),
            external_id: Some("x-1".into()),
            sessions: false,
        }
    }

    #[test]
    fn every_call_is_allowed_and_what_writes_stands_alone() {
        let calls = calls();
        let policy: Value = serde_json::from_str(&caller_policy("aws", "Audit")).unwrap();
        let allowed: Vec<&str> = policy["Statement"][0]["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let writes: Vec<&str> = policy["Statement"][1]["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let opens: Vec<&str> = policy["Statement"][2]["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(writes, ["securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings"]);
        let names = [
            "ecs:ExecuteCommand",
            "kms:GenerateDataKey",
            "ssm:ResumeSession",
            "ssm:StartSession",
            "ssm:TerminateSession",
            "ssmmessages:OpenDataChannel",
        ];
        assert_eq!(opens, names);
        assert_eq!(allowed.len() + writes.len() + opens.len() + 1, calls.len());
        assert!(!member_policy(true).contains("Batch"), "members are read only");
        let member = member_policy(false);
        assert!(!member.contains("ssm:StartSession") && member_policy(true).contains("ssm:StartSession"));
        for call in &calls {
            let (service, verb) = call.action.split_once(':').unwrap();
            let services = [
                "cloudtrail",
                "ec2",
                "ecr",
                "ecs",
                "elasticloadbalancing",
                "iam",
                "kms",
                "lambda",
                "organizations",
                "s3",
                "secretsmanager",
                "securityhub",
                "sns",
                "sqs",
                "ssm",
                "ssmmessages",
                "sts",
            ];
            assert!(services.contains(&service), "{service}");
            // These two make reports and change nothing.
            let reports = ["GenerateCredentialReport", "GenerateServiceLastAccessedDetails"];
            let reads = ["Describe", "Get", "List", "Lookup", "Search", reports[0], reports[1], "AssumeRole"]
                .iter()
                .any(|v| verb.starts_with(v));
            let acts = writes.contains(&call.action) || opens.contains(&call.action);
            assert_ne!(reads, acts, "{} in the wrong statement", call.action);
            assert!(acts || allowed.contains(&call.action) || call.action == "sts:AssumeRole");
        }
        assert_eq!(policy["Statement"][3]["Resource"], "arn:aws:iam::*:role/Audit");
        let mut once = allowed.clone();
        once.dedup();
        assert_eq!(once, allowed, "an action is declared twice");
    }

    #[test]
    fn a_member_account_needs_no_organisation_rights() {
        let policy = member_policy(true);
        assert!(policy.contains("ec2:DescribeVpcs") && policy.contains("iam:GetAccountAuthorizationDetails"));
        assert!(!policy.contains("organizations:") && !policy.contains("sts:"));
    }

    #[test]
    fn templates_quote_what_the_user_gave() {
        let opening = RoleTemplate { sessions: true, ..template() };
        for (without, with) in
            [(template().cloudformation(), opening.cloudformation()), (template().terraform(), opening.terraform())]
        {
            assert!(!without.contains("ssm:StartSession") && with.contains("ssm:StartSession"));
        }
        let cloudformation = template().cloudformation();
        assert!(cloudformation.contains("      RoleName: \"Bartizan\\\"\\n: x${y}\"\n"), "{cloudformation}");
        assert!(cloudformation.contains("              AWS: \"arn:aws:iam::111122223333:root\"\n"));
        assert!(cloudformation.contains("                sts:ExternalId: \"x-1\"\n"));
        assert!(cloudformation.contains("                  - ec2:DescribeVpcs\n"));
        let terraform = template().terraform();
        assert!(terraform.contains("x$${y}\""), "{terraform}");
        assert!(terraform.contains("\"sts:ExternalId\" = \"x-1\""));
        assert!(!RoleTemplate { external_id: None, ..template() }.terraform().contains("ExternalId"));
        assert_eq!(terraform.matches(['{', '[', '(']).count(), terraform.matches(['}', ']', ')']).count());
    }

    /// A call can only be sent through `Request`, which `calls!` implements; this holds that nobody goes around it.
    #[test]
    fn nobody_sends_an_undeclared_call() {
        let rooms = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws");
        let mut seen = 0;
        for entry in std::fs::read_dir(rooms).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let sends = text
                .lines()
                .filter(|line| line.contains(concat!(".se", "nd()")) || line.contains(concat!(".into_pagi", "nator()")))
                .count();
            let may = usize::from(path.file_name().is_some_and(|name| name == "call.rs"));
            assert_eq!(sends, may, "{} sends by itself", path.display());
            seen += 1;
        }
        assert!(seen > 10);
    }
}
