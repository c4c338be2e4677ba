//! What a role's trust policy allows: the actions by which somebody becomes a role, and by which of them each kind of
//! principal comes.

use super::elements::distance;
use super::{Linter, Weight};
use crate::iam::facts::facts;
use crate::iam::facts::keys::{global_keys, is_global, same_key};
use crate::iam::policy::{Effect, PrincipalElement, PrincipalKind, PrincipalValue, Spanned, Statement};
use crate::iam::sets::glob::Glob;

/// Who gives out web identities without a provider in the account (AWS: "AWS JSON policy elements: Principal").
pub(super) const WEB_IDENTITIES: &[&str] =
    &["cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com"];

const BY_CALL: &str = "sts:AssumeRole";
const BY_SAML: &str = "sts:AssumeRoleWithSAML";
const BY_TOKEN: &str = "sts:AssumeRoleWithWebIdentity";
const WAYS: [&str; 3] = [BY_CALL, BY_SAML, BY_TOKEN];
/// What goes with them.
const BESIDE: [&str; 3] = ["sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"];

impl Linter {
    /// Looks over one statement of a trust policy.
    pub(super) fn trusted(&mut self, s: &Statement) {
        if s.action.not {
            return;
        }
        let names = |value: &str, action: &str| Glob::new(&value.to_ascii_lowercase()).matches(&action.to_ascii_lowercase());
        for value in &s.action.values {
            if !WAYS.iter().chain(&BESIDE).any(|action| names(&value.text, action)) {
                let message = format!(
                    "{} is nothing that a trust policy can allow: AWS takes {} and {} alone",
                    value.text,
                    WAYS.join(", "),
                    BESIDE.join(", ")
                );
                self.say("trust-action", Weight::Error, value.span, message);
            }
        }
        let allowed = |way: &str| s.action.values.iter().any(|v| names(&v.text, way));
        let Some(principal) = s.principal.as_ref().filter(|p| s.effect == Effect::Allow && !p.not) else { return };
        // A statement of tags and identities alone stands beside the one that lets in.
        if !WAYS.iter().any(|way| allowed(way)) {
            return;
        }
        for p in &principal.principals {
            let text = &p.value.text;
            let everyone = p.kind == PrincipalKind::Everyone || p.kind == PrincipalKind::Aws && text == "*";
            if everyone && s.conditions.is_empty() {
                let message = "every principal of every AWS account becomes the role: name those who may, or add a condition";
                self.say("open-trust", Weight::Warning, p.value.span, message);
            }
            if let Some(way) = way(p).filter(|way| !allowed(way)) {
                let message = format!("{text} becomes a role by {way}, which the statement does not allow");
                self.say("mismatched-action", Weight::Error, p.value.span, message);
            }
            if let Some(host) = issuer(p) {
                let about = |key: &str| key.get(..host.len()).is_some_and(|h| h.eq_ignore_ascii_case(host));
                if !s.conditions.iter().any(|c| about(&c.key.text)) {
                    let message = format!(
                        "whoever gets a token of {host} becomes the role: add conditions on {host}:aud and, where others get \
                         tokens there too, on {host}:sub"
                    );
                    self.say("open-federation", Weight::Warning, p.value.span, message);
                } else if SHARED.contains(&host) && !s.conditions.iter().any(|c| about(&c.key.text) && !is_audience(&c.key.text))
                {
                    let message = format!(
                        "whoever has a project at {host} gets a token for that audience: add a condition on {host}:sub that names yours"
                    );
                    self.say("open-federation", Weight::Warning, p.value.span, message);
                }
            }
        }
        let comes = |by: &str| principal.principals.iter().any(|p| way(p).is_none_or(|w| w == by));
        for value in &s.action.values {
            let exact = WAYS.iter().find(|w| w.eq_ignore_ascii_case(&value.text));
            if let Some(by) = exact.filter(|by| !comes(by)) {
                let message = format!("none of the statement's principals becomes a role by {by}");
                self.say("mismatched-action", Weight::Error, value.span, message);
            }
        }
    }
}

impl Linter {
    /// Whether a request for the role can carry a condition's key: what every request has, what STS knows, and what the
    /// statement's own issuers of tokens tell.
    pub(super) fn told(&mut self, principal: &PrincipalElement, key: &Spanned) {
        let text = key.text.as_str();
        let anybody = principal.not || principal.principals.iter().any(|p| p.value.text == "*");
        let issuers: Vec<&str> = principal.principals.iter().filter_map(issuer).collect();
        let of = |host: &&str| {
            text.get(..host.len()).is_some_and(|h| h.eq_ignore_ascii_case(host)) && text[host.len()..].starts_with(':')
        };
        let known = || facts().service("sts").into_iter().flat_map(|s| s.keys.iter().map(|k| k.name));
        if is_global(text) || issuers.iter().any(of) || known().any(|k| same_key(k, text)) {
            return;
        }
        // Keys of issuers have their host's name in front.
        let claim = text.rsplit_once(':').filter(|(host, _)| host.contains('.'));
        let message = match (claim, issuers.as_slice()) {
            (Some(_), _) if anybody => return,
            (Some((_, claim)), [host, ..]) => {
                format!("a token of {host} carries no {text}: the condition never holds; did you mean {host}:{claim}?")
            }
            (Some((host, _)), []) => {
                format!("none of the statement's principals comes with a token of {host}: {text} is never there")
            }
            (None, _) => {
                let lower = text.to_ascii_lowercase();
                let near = global_keys().chain(known()).map(|k| (distance(&k.to_ascii_lowercase(), &lower), k)).min();
                let near = near.filter(|(d, k)| *d <= 3 && !k.contains('*'));
                let hint = near.map(|(_, k)| format!("; did you mean {k}?")).unwrap_or_default();
                format!("no request for a role carries the condition key {text}{hint}")
            }
        };
        self.say("unknown-key", Weight::Warning, key.span, message);
    }
}

/// Who serves everybody's delivery pipelines, and gives each the audience it asks for.
const SHARED: &[&str] = &["token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "agent.buildkite.com"];

fn is_audience(key: &str) -> bool {
    key.to_ascii_lowercase().ends_with(":aud")
}

/// The call by which a principal becomes a role; none where that may be any, or is not known.
fn way(p: &PrincipalValue) -> Option<&'static str> {
    match p.kind {
        PrincipalKind::Aws if p.value.text == "*" => None,
        PrincipalKind::Aws | PrincipalKind::Service => Some(BY_CALL),
        PrincipalKind::Federated if p.value.text.contains(":saml-provider/") => Some(BY_SAML),
        PrincipalKind::Federated => issuer(p).map(|_| BY_TOKEN),
        PrincipalKind::Everyone | PrincipalKind::CanonicalUser => None,
    }
}

/// The host and path that give out tokens.
fn issuer(p: &PrincipalValue) -> Option<&str> {
    let text = p.value.text.as_str();
    if p.kind != PrincipalKind::Federated {
        return None;
    }
    text.split_once(":oidc-provider/").map(|(_, host)| host).or_else(|| WEB_IDENTITIES.contains(&text).then_some(text))
}

#[cfg(test)]
mod tests {
    use crate::iam::lint::{Kind, Weight, lint};

    fn trusted(principal: &str, action: &str, condition: &str) -> Vec<(&'static str, Weight)> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":{action},"Condition":{condition}}}}}"#
        );
        lint(&text, Kind::Trust).into_iter().map(|l| (l.id, l.weight)).collect()
    }

    #[test]
    fn actions_are_those_by_which_the_principals_come() {
        const ACCOUNT: &str = r#"{"AWS":"111122223333"}"#;
        const SAML: &str = r#"{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"}"#;
        const GITHUB: &str = r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}"#;
        let known = r#"{"StringEquals":{"token.actions.githubusercontent.com:sub":"repo:o/r:ref:refs/heads/main"}}"#;
        let error = |id| vec![(id, Weight::Error)];
        assert_eq!(trusted(r#"{"AWS":"*"}"#, r#""s3:GetObject""#, "{}"), error("trust-action"));
        assert!(trusted(ACCOUNT, r#""sts:TagSessions""#, "{}").contains(&("trust-action", Weight::Error)));
        assert_eq!(trusted(ACCOUNT, r#""sts:GetCallerIdentity""#, "{}"), error("trust-action"));
        let wrong = vec![("mismatched-action", Weight::Error); 2];
        assert_eq!(trusted(SAML, r#""sts:AssumeRole""#, "{}"), wrong);
        assert_eq!(trusted(GITHUB, r#""sts:AssumeRole""#, known), wrong);
        assert_eq!(trusted(ACCOUNT, r#""sts:AssumeRoleWithSAML""#, "{}"), wrong);
        assert_eq!(
            trusted(
                r#"{"AWS":"111122223333","Federated":"arn:aws:iam::111122223333:saml-provider/corp"}"#,
                r#""sts:AssumeRole""#,
                "{}"
            ),
            error("mismatched-action")
        );
        assert_eq!(trusted(GITHUB, r#""sts:AssumeRoleWithWebIdentity""#, "{}"), [("open-federation", Weight::Warning)]);
        let audience = r#"{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}"#;
        assert_eq!(trusted(GITHUB, r#""sts:AssumeRoleWithWebIdentity""#, audience), [("open-federation", Weight::Warning)]);
        for everyone in [r#""*""#, r#"{"AWS":"*"}"#] {
            assert_eq!(trusted(everyone, r#""sts:AssumeRole""#, "{}"), [("open-trust", Weight::Warning)]);
        }
        for (principal, action, condition) in [
            (ACCOUNT, r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#, "{}"),
            (ACCOUNT, r#""sts:*""#, "{}"),
            (ACCOUNT, r#""sts:TagSession""#, "{}"),
            (SAML, r#"["sts:AssumeRoleWithSAML","sts:TagSession"]"#, "{}"),
            (SAML, r#""sts:TagSession""#, "{}"),
            (GITHUB, r#""sts:AssumeRoleWithWebIdentity""#, known),
            (r#""*""#, r#""sts:AssumeRole""#, r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}"#),
            (r#"{"Service":"pods.eks.amazonaws.com"}"#, r#"["sts:AssumeRole","sts:TagSession"]"#, "{}"),
        ] {
            assert_eq!(trusted(principal, action, condition), [], "{principal} {action}");
        }
    }

    #[test]
    fn keys_are_those_that_requests_for_roles_carry() {
        const ACCOUNT: &str = r#"{"AWS":"111122223333"}"#;
        const GITLAB: &str = r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example.com/sub"}"#;
        const SAML: &str = r#"{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"}"#;
        let unknown = |principal: &str, way: &str, condition: &str| {
            let said = trusted(principal, &format!("\"sts:{way}\""), condition);
            said.iter().any(|(id, _)| *id == "unknown-key")
        };
        let by_token = |condition: &str| unknown(GITLAB, "AssumeRoleWithWebIdentity", condition);
        assert!(!by_token(r#"{"StringEquals":{"gitlab.example.com/sub:sub":"a"}}"#));
        assert!(by_token(r#"{"StringEquals":{"gitlab.exmaple.com/sub:sub":"a"}}"#));
        assert!(by_token(r#"{"StringEquals":{"gitlab.example.com/sub2:sub":"a"}}"#));
        assert!(!unknown(SAML, "AssumeRoleWithSAML", r#"{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}"#));
        assert!(unknown(SAML, "AssumeRoleWithSAML", r#"{"StringEquals":{"saml:audience":"x"}}"#));
        for fine in ["sts:ExternalId", "aws:PrincipalOrgID", "aws:RequestTag/team", "sts:RoleSessionName"] {
            assert!(!unknown(ACCOUNT, "AssumeRole", &format!(r#"{{"StringEquals":{{"{fine}":"x"}}}}"#)), "{fine}");
        }
        for wrong in ["sts:ExternalID2", "aws:PrincipalOrgIDs", "s3:prefix", "gitlab.com:sub"] {
            assert!(unknown(ACCOUNT, "AssumeRole", &format!(r#"{{"StringEquals":{{"{wrong}":"x"}}}}"#)), "{wrong}");
        }
    }
}
