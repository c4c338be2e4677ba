//! What a role's trust policy allows: the actions by which somebody becomes a role, and by which of them each kind of
//! principal comes.

use super::elements::{distance, said_without};
use super::{Linter, Weight};
use crate::iam::evaluate::Compiled;
use crate::iam::facts::facts;
use crate::iam::facts::keys::{global_keys, is_global, same_key};
use crate::iam::graph::{Weakness, may_be_read, weak_by_token};
use crate::iam::policy::{Condition, Effect, PrincipalElement, PrincipalKind, PrincipalValue, Statement};
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
            if let Some((weight, message)) = issuer(p).and_then(|host| unasked(host, s)) {
                self.say("open-federation", weight, p.value.span, message);
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
    /// Says whose tokens get in by a statement of a trust, beside those it is meant for: they are tried, as at the roles of an
    /// account.
    pub(super) fn tokens(&mut self, trust: &Compiled, statement: usize) {
        let Some(s) = trust.policy.statements.get(statement).filter(|s| s.effect == Effect::Allow) else { return };
        let principals = s.principal.iter().filter(|p| !p.not).flat_map(|p| &p.principals);
        for (p, host) in principals.filter_map(|p| Some((p, issuer(p).filter(|host| unasked(host, s).is_none())?))) {
            let place = |pattern: &str| {
                let of = s.conditions.iter().filter(|c| is_of(host, &c.key.text)).flat_map(|c| &c.values);
                of.into_iter().find(|v| v.text == pattern).map_or(p.value.span, |v| v.span)
            };
            for weakness in weak_by_token(trust, statement, &p.value.text).into_iter().flatten() {
                let sentence = weakness.sentence();
                let (span, message) = match &weakness {
                    Weakness::NoSubject => {
                        (p.value.span, format!("whoever gets a token of {host} becomes the role: the conditions keep nobody out"))
                    }
                    Weakness::WideSubject { pattern, strangers: true, .. } => {
                        (place(pattern), format!("{sentence}: tokens that {host} gives to others get in"))
                    }
                    Weakness::WideSubject { pattern, leaves_open, .. } => {
                        (place(pattern), format!("{sentence}: every {leaves_open} that fits gets in"))
                    }
                    Weakness::Guests { .. } | Weakness::AnyProject { .. } | Weakness::OnlyAudience => (p.value.span, sentence),
                    // The provider itself lists the audiences that it takes.
                    _ => continue,
                };
                let open = ("open-federation", Weight::Warning);
                let (id, weight) = if weakness.is_open() { open } else { ("wide-federation", Weight::Note) };
                self.say(id, weight, span, message);
            }
        }
    }

    /// Whether a request for the role can carry a condition's key: what every request has, what STS knows, and what the
    /// statement's own issuers of tokens tell.
    pub(super) fn told(&mut self, principal: &PrincipalElement, c: &Condition) {
        let key = &c.key;
        let text = key.text.as_str();
        let anybody = principal.not || principal.principals.iter().any(|p| p.value.text == "*");
        let issuers: Vec<&str> = principal.principals.iter().filter_map(issuer).collect();
        let of = |host: &&str| is_of(host, text);
        let known = || facts().service("sts").into_iter().flat_map(|s| s.keys.iter().map(|k| k.name));
        if issuers.iter().any(|host| of(host) && !may_be_read(host, &text[host.len() + 1..])) {
            let message = format!("AWS does not read {text} from tokens{}", said_without(c));
            return self.say("unknown-key", Weight::Warning, key.span, message);
        }
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

/// Issuers whose tokens are everybody's, and the claim that AWS takes no trust in them without (AWS: "Identity-provider
/// controls for shared OIDC providers"). IBM Turbonomic is one as well, under hosts that change with its versions.
const CONTROLS: &[(&str, &str)] = &[
    ("cognito-identity.amazonaws.com", "aud"),
    ("agent.buildkite.com", "sub"),
    ("oidc.codefresh.io", "sub"),
    ("studio.datachain.ai/api", "sub"),
    ("token.actions.githubusercontent.com", "sub"),
    ("oidc-configuration.audit-log.githubusercontent.com", "sub"),
    ("vstoken.actions.githubusercontent.com", "sub"),
    ("gitlab.com", "sub"),
    ("api.pulumi.com/oidc", "aud"),
    ("sandboxes.cloud", "aud"),
    ("scalr.io", "sub"),
    ("tokens.cloud.shisho.dev", "sub"),
    ("app.terraform.io", "sub"),
    ("proidc.upbound.io", "sub"),
    ("oidc.vercel.com", "aud"),
];
/// Azure Sentinel, whose customers are told apart by the session's name (there too).
const SENTINEL: &str = "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d";

/// Whether a condition key is of an issuer's tokens.
fn is_of(host: &str, key: &str) -> bool {
    key.get(..host.len()).is_some_and(|h| h.eq_ignore_ascii_case(host)) && key[host.len()..].starts_with(':')
}

/// What is wrong with a statement that asks too little of an issuer's tokens, whatever it is that it asks.
fn unasked(host: &str, s: &Statement) -> Option<(Weight, String)> {
    let needed = match CONTROLS.iter().find(|(of, _)| *of == host) {
        Some((_, claim)) => Some(format!("{host}:{claim}")),
        None => (host == SENTINEL).then(|| "sts:RoleSessionName".to_owned()),
    };
    let mut keys = s.conditions.iter().map(|c| c.key.text.as_str());
    if let Some(needed) = needed {
        let message = || {
            format!(
                "AWS takes no such trust any more: {host} gives tokens to everybody, and a condition on {needed} has to say whose \
                 get in"
            )
        };
        return (!keys.any(|k| k.eq_ignore_ascii_case(&needed))).then(|| (Weight::Error, message()));
    }
    let message = || {
        format!(
            "whoever gets a token of {host} becomes the role: add conditions on {host}:aud and, where others get tokens there too, \
             on {host}:sub"
        )
    };
    (!keys.any(|k| is_of(host, k))).then(|| (Weight::Warning, message()))
}

/// Whether a key is a claim of whoever holds a token, rather than its audience.
pub(super) fn is_claim(key: &str) -> bool {
    let claim = key.rsplit_once(':').filter(|(host, _)| host.contains('.'));
    claim.is_some_and(|(_, claim)| !claim.eq_ignore_ascii_case("aud"))
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
    fn tokens_that_get_in_are_told() {
        let said = |host: &str, condition: &str| {
            let principal = if host.contains("amazonaws.com") {
                format!(r#"{{"Federated":"{host}"}}"#)
            } else {
                format!(r#"{{"Federated":"arn:aws:iam::111122223333:oidc-provider/{host}"}}"#)
            };
            trusted(&principal, r#""sts:AssumeRoleWithWebIdentity""#, &condition.replace("HOST", host))
        };
        let subject = |pattern: &str| {
            let aud = r#""StringEquals":{"HOST:aud":"sts.amazonaws.com"}"#;
            format!(r#"{{{aud},"StringLike":{{"HOST:sub":"{pattern}"}}}}"#)
        };
        let open = [("open-federation", Weight::Warning)];
        let wide = [("wide-federation", Weight::Note)];
        let refused = [("open-federation", Weight::Error)];
        let github = "token.actions.githubusercontent.com";
        // What AWS takes no trust without.
        for (host, condition) in [
            (github, "{}"),
            (github, r#"{"StringEquals":{"HOST:aud":"sts.amazonaws.com"}}"#),
            (github, r#"{"StringEquals":{"HOST:repository_id":"1234"}}"#),
            ("app.terraform.io", r#"{"StringEquals":{"HOST:aud":"aws.workload.identity"}}"#),
            ("cognito-identity.amazonaws.com", r#"{"ForAnyValue:StringLike":{"HOST:amr":"authenticated"}}"#),
            ("oidc.vercel.com", r#"{"StringLike":{"HOST:sub":"owner:acme:*"}}"#),
        ] {
            assert_eq!(said(host, condition), refused, "{host} {condition}");
        }
        for pattern in ["*", "repo:*", "repo:acme*", "repo:*/*", "*:*", "repo:*:ref:refs/heads/main", "repo:?cme/app:*"] {
            assert_eq!(said(github, &subject(pattern)), open, "{pattern}");
        }
        assert_eq!(said("app.terraform.io", &subject("*")), open);
        assert_eq!(said("gitlab.com", &subject("project_path:*")), open);
        assert_eq!(said(github, r#"{"StringLikeIfExists":{"HOST:sub":"*"}}"#), open);
        assert_eq!(said(github, &subject("repo:acme/*")), wide);
        let cluster = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF";
        let at = |pattern: &str| {
            let principal = format!(r#"{{"Federated":"arn:aws:iam::111122223333:oidc-provider/{cluster}"}}"#);
            let condition = subject(pattern).replace("HOST", cluster);
            trusted(&principal, r#""sts:AssumeRoleWithWebIdentity""#, &condition)
        };
        assert_eq!(at("system:serviceaccount:*:*"), wide);
        assert_eq!(at("system:serviceaccount:shop:checkout"), []);
        for fine in ["repo:acme/app:*", "repo:acme/app:ref:refs/heads/main"] {
            assert_eq!(said(github, &subject(fine)), [], "{fine}");
        }
        // A denial of the same policy counts, and so do the other claims.
        let owner = r#"{"StringEquals":{"HOST:repository_id":"1234"},"StringLike":{"HOST:sub":"repo:*"}}"#;
        assert!(said(github, owner).iter().all(|(_, weight)| *weight == Weight::Note), "{:?}", said(github, owner));
        let denied = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/HOST"},
             "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"HOST:sub":"repo:*"}}},
            {"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity",
             "Condition":{"StringNotLike":{"HOST:sub":"repo:acme/app:*"}}}]}"#;
        assert_eq!(lint(&denied.replace("HOST", github), Kind::Trust), []);
        // A star under StringEquals is one that no token has.
        let starred = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
            "Principal":{{"Federated":"arn:aws:iam::111122223333:oidc-provider/{github}"}},
            "Condition":{{"StringEquals":{{"{github}:sub":"repo:acme/app:*"}}}}}}}}"#
        );
        let said = lint(&starred, Kind::Trust);
        assert!(said.len() == 1 && said[0].id == "literal-star" && said[0].message.contains("no token"), "{said:?}");
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
