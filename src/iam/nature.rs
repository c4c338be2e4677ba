//! Who acts as a principal: people, machines, AWS itself. Judged by what it signs in with and by whom it trusts, never
//! by its name.

use serde_json::Value;

use super::account::Principal;
use super::graph::{Graph, Serves, Source, Trust};
use crate::model::principal::{Identity, is_on};
use crate::model::standing::Nature;

/// The nature of a principal and what tells it.
pub fn nature(identity: &Identity, graph: &Graph<'_>, principal: usize) -> (Nature, String) {
    let p = &graph.account.principals[principal];
    if p.is_role { of_role(p, graph.trusts_of(principal)) } else { of_user(p, identity, graph.account.has_password(principal)) }
}

fn of_user(p: &Principal, identity: &Identity, password: Option<bool>) -> (Nature, String) {
    let row = identity.credentials.iter().find(|r| r.get("arn").and_then(Value::as_str) == Some(p.arn.as_str()));
    let keys = identity.access_keys.iter().filter(|k| k.user_name == p.name && k.status == "Active").count();
    let keys = keys > 0
        || row.is_some_and(|r| is_on(r, "access_key_1_active") == Some(true) || is_on(r, "access_key_2_active") == Some(true));
    match (password, keys) {
        (Some(true), true) => (Nature::Both, "it has a console password and an active access key".into()),
        (Some(true), false) => (Nature::Human, "it has a console password".into()),
        (Some(false), true) => (Nature::Machine, "it has access keys and no console password".into()),
        (None, true) => (Nature::Unknown, "it has access keys; whether it has a password was not read".into()),
        (Some(false), false) => (Nature::Unknown, "it has neither a password nor an active access key".into()),
        (None, false) => (Nature::Unknown, "how it signs in was not read".into()),
    }
}

fn of_role(p: &Principal, trusts: &[Trust]) -> (Nature, String) {
    if p.path.starts_with("/aws-service-role/") {
        return (Nature::Aws, "a service-linked role".into());
    }
    if p.path.starts_with("/aws-reserved/sso.amazonaws.com/") {
        return (Nature::Human, "IAM Identity Center gives it to people".into());
    }
    let (mut people, mut machines, mut others) = (None, None, false);
    for t in trusts {
        match &t.source {
            Source::Saml { .. } => people = Some("people sign in to it through the identity provider (SAML)".to_owned()),
            Source::Service { name } => machines = Some(format!("{name} acts as it")),
            Source::Oidc { pipeline: Some(system), .. } => machines = Some(format!("{system} acts as it")),
            Source::Oidc { serves: Serves::Cluster, .. } => {
                machines = Some("a Kubernetes workload acts as it".to_owned());
            }
            // A web identity may be either.
            Source::Oidc { .. } | Source::Everyone | Source::Account { .. } | Source::Principal { .. } => others = true,
            Source::Deleted { .. } => {}
        }
    }
    match (people, machines) {
        (Some(people), Some(machines)) => (Nature::Both, format!("{people}, and {machines}")),
        (Some(people), None) => (Nature::Human, people),
        (None, Some(machines)) => (Nature::Machine, machines),
        (None, None) if others => (Nature::Unknown, "other principals may become it, people's or machines'".into()),
        (None, None) => (Nature::Unknown, "nobody from outside its account may become it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::account::Account;
    use crate::iam::read::authorization_details;
    use serde_json::json;

    #[test]
    fn each_nature_with_its_fixture() {
        let role = |name: &str, path: &str, principal: Value| {
            json!({"RoleName": name, "Path": path, "Arn": format!("arn:aws:iam::111122223333:role{path}{name}"),
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement":
                    [{"Effect": "Allow", "Action": "sts:*", "Principal": principal}]}})
        };
        let provider = |kind: &str| json!({"Federated": format!("arn:aws:iam::111122223333:{kind}")});
        let user = |name: &str| json!({"UserName": name, "Arn": format!("arn:aws:iam::111122223333:user/{name}")});
        let text = json!({
            "UserDetailList": [user("jo"), user("ci"), user("both"), user("idle"), user("unread")],
            "RoleDetailList": [
                role("linked", "/aws-service-role/x.amazonaws.com/", json!({"Service": "x.amazonaws.com"})),
                role("sso", "/aws-reserved/sso.amazonaws.com/", provider("saml-provider/AWSSSO")),
                role("saml", "/", provider("saml-provider/okta")),
                role("app", "/", json!({"Service": "ec2.amazonaws.com"})),
                role("deploy", "/", provider("oidc-provider/token.actions.githubusercontent.com")),
                role("shared", "/", json!({"Service": "ec2.amazonaws.com", "Federated": "arn:aws:iam::111122223333:saml-provider/okta"})),
                role("cross", "/", json!({"AWS": "444455556666"})),
            ]
        });
        let mut identity = authorization_details(&text.to_string()).unwrap();
        for (user, password, key) in
            [("jo", "true", "false"), ("ci", "false", "true"), ("both", "true", "true"), ("idle", "false", "false")]
        {
            let row = json!({"user": user, "arn": format!("arn:aws:iam::111122223333:user/{user}"),
                "password_enabled": password, "access_key_1_active": key});
            identity.credentials.push(row.as_object().unwrap().clone());
        }
        let account = Account::read(&identity);
        let graph = Graph::new(&account);
        let found: Vec<(&str, Nature)> =
            account.principals.iter().map(|p| p.name.as_str()).zip((0..).map(|at| nature(&identity, &graph, at).0)).collect();
        use Nature::{Aws, Both, Human, Machine, Unknown};
        assert_eq!(
            found,
            [
                ("jo", Human),
                ("ci", Machine),
                ("both", Both),
                ("idle", Unknown),
                ("unread", Unknown),
                ("linked", Aws),
                ("sso", Human),
                ("saml", Human),
                ("app", Machine),
                ("deploy", Machine),
                ("shared", Both),
                ("cross", Unknown),
            ]
        );
    }
}
