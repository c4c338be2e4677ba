//! The principals of one account: roles, users, groups, own policies, providers, the password policy.

use super::ENTRY_ROLE;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::Tag;
use aws_types::SdkConfig;
use serde_json::{Value, json};

/// What IAM holds in one account.
#[derive(Debug, Default)]
pub struct Identity {
    pub roles: Vec<Role>,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    /// The account's own managed policies.
    pub policies: Vec<Policy>,
    /// ARNs.
    pub saml_providers: Vec<String>,
    /// ARNs.
    pub oidc_providers: Vec<String>,
    /// The least length the password policy asks; `None` without a policy.
    pub password_length: Option<i32>,
}

/// A role as it was made.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub arn: String,
    pub trust: Value,
    /// Inline policies: name and document.
    pub inline: Vec<(String, Value)>,
    /// Attached policies' ARNs.
    pub attached: Vec<String>,
    pub boundary: Option<String>,
    pub tags: Vec<(String, String)>,
    /// The instance profile of the same name holds it.
    pub instance_profile: bool,
}

/// A user as it was made.
#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub arn: String,
    /// Access key ids, and whether each is active.
    pub keys: Vec<(String, bool)>,
    pub groups: Vec<String>,
    /// Whether it may sign in to the console.
    pub login: bool,
    pub attached: Vec<String>,
    pub inline: Vec<(String, Value)>,
}

/// A group as it was made.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub arn: String,
    pub attached: Vec<String>,
    pub inline: Vec<(String, Value)>,
}

/// A managed policy of the account, with its default version's document.
#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    pub arn: String,
    pub document: Value,
    /// How many versions it has.
    pub versions: usize,
}

fn document(effect: &str, actions: &[&str], resource: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": effect, "Action": actions, "Resource": resource }] })
}

fn trust(principal: &Value, action: &str, condition: Option<Value>) -> Value {
    let mut statement = json!({ "Effect": "Allow", "Principal": principal, "Action": action });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Fills one account.
pub(super) async fn build(config: &SdkConfig, account: &str, management: &str) -> Identity {
    let client = Client::new(config);
    let mut identity = Identity { policies: policies(&client).await, ..Identity::default() };
    providers(&client, &mut identity).await;
    identity.groups = groups(&client, &identity.policies).await;
    identity.roles = roles(&client, account, management, &identity).await;
    identity.users = users(&client, &identity).await;
    if account != management {
        let policy =
            client.update_account_password_policy().minimum_password_length(14).require_symbols(true).require_numbers(true);
        policy.send().await.expect("update_account_password_policy");
        identity.password_length = Some(14);
    }
    identity
}

async fn policies(client: &Client) -> Vec<Policy> {
    let wanted = [
        ("ReadLogs", document("Allow", &["logs:Get*", "logs:FilterLogEvents"], "*"), 1),
        ("DeployBoundary", document("Allow", &["s3:*", "lambda:*", "logs:*"], "*"), 1),
        ("PassAnyRole", document("Allow", &["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "*"), 2),
    ];
    let mut made = Vec::new();
    for (name, document, versions) in wanted {
        let answer = client.create_policy().policy_name(name).policy_document(document.to_string()).send().await;
        let arn = answer.expect("create_policy").policy.and_then(|p| p.arn).expect("a policy ARN");
        for _ in 1..versions {
            let version =
                client.create_policy_version().policy_arn(&arn).policy_document(document.to_string()).set_as_default(true);
            version.send().await.expect("create_policy_version");
        }
        made.push(Policy { name: name.to_owned(), arn, document, versions });
    }
    made
}

async fn providers(client: &Client, identity: &mut Identity) {
    // IAM wants at least 1,000 characters of metadata
    let metadata = format!(
        "<?xml version=\"1.0\"?><EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         entityID=\"https://idp.example.com/saml\"><!--{}--></EntityDescriptor>",
        "x".repeat(1000)
    );
    let saml = client.create_saml_provider().name("corporate").saml_metadata_document(metadata).send().await;
    identity.saml_providers = saml.expect("create_saml_provider").saml_provider_arn.into_iter().collect();
    let oidc = client
        .create_open_id_connect_provider()
        .url("https://token.actions.githubusercontent.com")
        .client_id_list("sts.amazonaws.com")
        .thumbprint_list("6938fd4d98bab03faadb97b34396831e3780aea1");
    let oidc = oidc.send().await.expect("create_open_id_connect_provider");
    identity.oidc_providers = oidc.open_id_connect_provider_arn.into_iter().collect();
}

async fn groups(client: &Client, policies: &[Policy]) -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, attached) in [("admins", "arn:aws:iam::aws:policy/AdministratorAccess"), ("readers", policies[0].arn.as_str())] {
        let made = client.create_group().group_name(name).send().await.expect("create_group");
        let arn = made.group.map(|g| g.arn).expect("a group");
        client.attach_group_policy().group_name(name).policy_arn(attached).send().await.expect("attach_group_policy");
        let inline =
            vec![("own-keys".to_owned(), document("Allow", &["iam:*AccessKey*"], "arn:aws:iam::*:user/${aws:username}"))];
        for (policy, document) in &inline {
            let put = client.put_group_policy().group_name(name).policy_name(policy).policy_document(document.to_string());
            put.send().await.expect("put_group_policy");
        }
        groups.push(Group { name: name.to_owned(), arn, attached: vec![attached.to_owned()], inline });
    }
    groups
}

async fn roles(client: &Client, account: &str, management: &str, identity: &Identity) -> Vec<Role> {
    let service = |name: &str| trust(&json!({ "Service": format!("{name}.amazonaws.com") }), "sts:AssumeRole", None);
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess".to_owned();
    let audit = "arn:aws:iam::aws:policy/SecurityAudit".to_owned();
    let role = |name: &str, trust: Value| Role {
        name: name.to_owned(),
        arn: String::new(),
        trust,
        inline: Vec::new(),
        attached: Vec::new(),
        boundary: None,
        tags: vec![("team".to_owned(), "platform".to_owned())],
        instance_profile: false,
    };
    let any_repository = json!({
        "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com" },
        "StringLike": { "token.actions.githubusercontent.com:sub": "repo:*" },
    });
    let mut wanted = vec![
        Role {
            attached: vec![audit],
            ..role(
                "SecurityAudit",
                trust(
                    &json!({ "AWS": format!("arn:aws:iam::{management}:root") }),
                    "sts:AssumeRole",
                    Some(json!({ "StringEquals": { "sts:ExternalId": "audit" } })),
                ),
            )
        },
        Role {
            attached: vec![identity.policies[2].arn.clone()],
            boundary: Some(identity.policies[1].arn.clone()),
            ..role(
                "ci-deploy",
                trust(&json!({ "Federated": identity.oidc_providers[0] }), "sts:AssumeRoleWithWebIdentity", Some(any_repository)),
            )
        },
        Role {
            inline: vec![("read-config".to_owned(), document("Allow", &["ssm:GetParameter*"], "*"))],
            attached: vec!["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore".to_owned()],
            instance_profile: true,
            ..role("web-server", service("ec2"))
        },
        Role {
            inline: vec![
                ("everything".to_owned(), document("Allow", &["*"], "*")),
                ("not-the-trail".to_owned(), document("Deny", &["cloudtrail:*"], "*")),
            ],
            ..role("batch", service("lambda"))
        },
        Role {
            attached: vec![admin.clone()],
            ..role(
                "federated-admin",
                trust(
                    &json!({ "Federated": identity.saml_providers[0] }),
                    "sts:AssumeRoleWithSAML",
                    Some(json!({ "StringEquals": { "SAML:aud": "https://signin.aws.amazon.com/saml" } })),
                ),
            )
        },
        role("anyone", trust(&json!({ "AWS": "*" }), "sts:AssumeRole", None)),
    ];
    if account != management {
        wanted.push(Role {
            attached: vec![admin],
            ..role(ENTRY_ROLE, trust(&json!({ "AWS": format!("arn:aws:iam::{management}:root") }), "sts:AssumeRole", None))
        });
    }
    // moto makes this one for every account, the management account too, without AWS's path and policy
    let _ = client.delete_role().role_name(ENTRY_ROLE).send().await;
    for role in &mut wanted {
        let tags = role.tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build().expect("a tag")).collect();
        let call =
            client.create_role().role_name(&role.name).assume_role_policy_document(role.trust.to_string()).set_tags(Some(tags));
        let made = call.set_permissions_boundary(role.boundary.clone()).send().await.expect("create_role");
        role.arn = made.role.map(|r| r.arn).expect("a role");
        for (policy, document) in &role.inline {
            let put = client.put_role_policy().role_name(&role.name).policy_name(policy).policy_document(document.to_string());
            put.send().await.expect("put_role_policy");
        }
        for arn in &role.attached {
            client.attach_role_policy().role_name(&role.name).policy_arn(arn).send().await.expect("attach_role_policy");
        }
        if role.instance_profile {
            client.create_instance_profile().instance_profile_name(&role.name).send().await.expect("create_instance_profile");
            let add = client.add_role_to_instance_profile().instance_profile_name(&role.name).role_name(&role.name);
            add.send().await.expect("add_role_to_instance_profile");
        }
    }
    wanted
}

async fn users(client: &Client, identity: &Identity) -> Vec<User> {
    let mut users = Vec::new();
    for (name, keys, login, groups) in
        [("alice", 1, true, vec!["admins"]), ("bob", 2, true, vec!["readers", "admins"]), ("legacy-ci", 1, false, vec![])]
    {
        let made = client.create_user().user_name(name).send().await.expect("create_user");
        let arn = made.user.map(|u| u.arn).expect("a user");
        let mut ids = Vec::new();
        for number in 0..keys {
            let key = client.create_access_key().user_name(name).send().await.expect("create_access_key");
            let id = key.access_key.map(|k| k.access_key_id).expect("an access key");
            let active = number == 0;
            if !active {
                let off = client
                    .update_access_key()
                    .user_name(name)
                    .access_key_id(&id)
                    .status(aws_sdk_iam::types::StatusType::Inactive);
                off.send().await.expect("update_access_key");
            }
            ids.push((id, active));
        }
        if login {
            let profile = client.create_login_profile().user_name(name).password("Correct-Horse-9-Battery");
            profile.send().await.expect("create_login_profile");
        }
        for group in &groups {
            client.add_user_to_group().user_name(name).group_name(*group).send().await.expect("add_user_to_group");
        }
        let (mut attached, mut inline) = (Vec::new(), Vec::new());
        if groups.is_empty() {
            attached.push(identity.policies[2].arn.clone());
            inline.push(("deploy".to_owned(), document("Allow", &["s3:PutObject"], "*")));
        }
        for policy in &attached {
            client.attach_user_policy().user_name(name).policy_arn(policy).send().await.expect("attach_user_policy");
        }
        for (policy, document) in &inline {
            let put = client.put_user_policy().user_name(name).policy_name(policy).policy_document(document.to_string());
            put.send().await.expect("put_user_policy");
        }
        let groups = groups.into_iter().map(str::to_owned).collect();
        users.push(User { name: name.to_owned(), arn, keys: ids, groups, login, attached, inline });
    }
    users
}
