//! Who from outside an account may become one of its roles: other accounts, services, identity providers, everyone;
//! and the delivery pipelines among them, with what weakens each trust.

use std::collections::BTreeSet;

use super::{Graph, Power, StatementId};
use crate::iam::account::Account;
use crate::iam::facts::Level;
use crate::iam::grants;
use crate::iam::policy::{Compare, Condition, Effect, PrincipalKind, Statement};

/// Who is trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Everyone,
    /// An account other than the role's; `known` where it is in the organisation.
    Account {
        id: String,
        known: bool,
    },
    /// A user or role of another account.
    Principal {
        arn: String,
        known: bool,
    },
    /// A principal that was deleted: AWS shows its id.
    Deleted {
        id: String,
    },
    Service {
        name: String,
    },
    Saml {
        arn: String,
    },
    /// `issuer` as in the provider's ARN; `pipeline` is the delivery system it is known to belong to.
    Oidc {
        arn: String,
        issuer: String,
        pipeline: Option<&'static str>,
    },
}

/// What weakens a trust.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// Anyone with an AWS account, or without.
    Public,
    /// Another organisation's account, and no `sts:ExternalId` is asked (AWS: "The confused deputy problem").
    NoExternalId,
    /// An account that is not known in the organisation.
    UnknownAccount,
    /// No condition on the token's subject: whoever the provider serves may become the role.
    NoSubject,
    /// The subject's condition leaves the owner open.
    WideSubject { pattern: String, leaves_open: &'static str },
    /// No condition on the token's audience.
    NoAudience,
    /// It names a principal that no longer exists.
    DeletedPrincipal,
}

impl Weakness {
    pub fn sentence(&self) -> String {
        match self {
            Self::Public => "everyone may become it".to_owned(),
            Self::NoExternalId => "another organisation's account is trusted without an external id".to_owned(),
            Self::UnknownAccount => "the trusted account is not in the organisation".to_owned(),
            Self::NoSubject => "no condition on the token's subject: all users of the provider may become it".to_owned(),
            Self::WideSubject { pattern, leaves_open } => format!("the subject {pattern:?} leaves the {leaves_open} open"),
            Self::NoAudience => "no condition on the token's audience".to_owned(),
            Self::DeletedPrincipal => "it trusts a principal that was deleted".to_owned(),
        }
    }
    /// It lets in strangers.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Public | Self::NoSubject => true,
            Self::WideSubject { leaves_open, .. } => OWNERS.contains(leaves_open),
            _ => false,
        }
    }
}

/// Parts of a subject whose openness lets other organisations in.
const OWNERS: &[&str] = &["organisation", "group", "account", "whole subject"];

/// One trust of a role in somebody outside the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Place in [`Account::principals`].
    pub role: usize,
    pub source: Source,
    pub weak: Vec<Weakness>,
    /// The subjects that an OIDC trust asks for.
    pub subjects: Vec<String>,
    pub statement: StatementId,
    pub conditions: Vec<String>,
}

/// A delivery pipeline and what it may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// `GitHub Actions`, …; else the issuer.
    pub system: String,
    pub trust: Trust,
    pub power: Power,
    /// How many actions its role is granted that write, and that manage permissions.
    pub writes: usize,
    pub manages: usize,
    /// Services it may write to.
    pub deploys: Vec<&'static str>,
}

/// A delivery system's tokens: how its issuer is known, and which part of the subject names the owner.
struct Issuer {
    host: &'static str,
    name: &'static str,
    /// What the subject must say in full before its first wildcard: this prefix and then up to the mark.
    prefix: &'static str,
    owner_mark: &'static str,
    owner: &'static str,
    /// What stands behind the owner and should be named too.
    project: Option<(&'static str, &'static str)>,
    /// The provider belongs to one customer, so a subject is not what keeps strangers out.
    own: bool,
}

const ISSUERS: &[Issuer] = &[
    Issuer {
        host: "token.actions.githubusercontent.com",
        name: "GitHub Actions",
        prefix: "repo:",
        owner_mark: "/",
        owner: "organisation",
        project: Some((":", "repository")),
        own: false,
    },
    Issuer {
        host: "gitlab.com",
        name: "GitLab",
        prefix: "project_path:",
        owner_mark: "/",
        owner: "group",
        project: Some((":", "project")),
        own: false,
    },
    Issuer {
        host: "api.bitbucket.org/2.0/workspaces/",
        name: "Bitbucket Pipelines",
        prefix: "",
        owner_mark: ":",
        owner: "repository",
        project: None,
        own: true,
    },
    Issuer {
        host: "agent.buildkite.com",
        name: "Buildkite",
        prefix: "organization:",
        owner_mark: ":",
        owner: "organisation",
        project: Some((":pipeline:", "pipeline")),
        own: false,
    },
    Issuer {
        host: "app.terraform.io",
        name: "Terraform Cloud",
        prefix: "organization:",
        owner_mark: ":",
        owner: "organisation",
        project: Some((":workspace:", "workspace")),
        own: false,
    },
    Issuer {
        host: "oidc.circleci.com/org/",
        name: "CircleCI",
        prefix: "org/",
        owner_mark: "/",
        owner: "organisation",
        project: None,
        own: true,
    },
    Issuer {
        host: "vstoken.dev.azure.com/",
        name: "Azure Pipelines",
        prefix: "sc://",
        owner_mark: "/",
        owner: "organisation",
        project: None,
        own: true,
    },
    Issuer {
        host: "oidc.codefresh.io",
        name: "Codefresh",
        prefix: "account:",
        owner_mark: ":",
        owner: "account",
        project: None,
        own: false,
    },
    Issuer {
        host: "api.pulumi.com/oidc",
        name: "Pulumi",
        prefix: "pulumi:",
        owner_mark: ":",
        owner: "organisation",
        project: None,
        own: false,
    },
];

/// Every trust of the account's roles in somebody outside it, by role. `known` are the organisation's accounts.
pub fn trusts(account: &Account, known: &BTreeSet<String>) -> Vec<Trust> {
    let mut all = Vec::new();
    for (role, p) in account.principals.iter().enumerate() {
        let Some(trust) = p.trust else { continue };
        for (i, s) in account.policies[trust].policy.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow) {
            let Some(element) = &s.principal else { continue };
            let statement = StatementId { policy: trust as u32, statement: i as u32 };
            let mut add = |source: Source| {
                let (weak, subjects) = weaknesses(&source, s);
                let conditions = s.conditions.iter().map(Condition::describe).collect();
                all.push(Trust { role, source, weak, subjects, statement, conditions });
            };
            if element.not {
                add(Source::Everyone);
                continue;
            }
            for value in &element.principals {
                let text = value.value.text.clone();
                match value.kind {
                    PrincipalKind::Everyone => add(Source::Everyone),
                    PrincipalKind::Aws if text == "*" => add(Source::Everyone),
                    PrincipalKind::Aws => match (account_id(&text), text.starts_with("arn:")) {
                        (Some(id), _) if id == account.id => {}
                        (Some(id), true) if !text.ends_with(":root") => {
                            add(Source::Principal { known: known.contains(&id), arn: text });
                        }
                        (Some(id), _) => add(Source::Account { known: known.contains(&id), id }),
                        (None, _) => add(Source::Deleted { id: text }),
                    },
                    PrincipalKind::Service => add(Source::Service { name: text }),
                    PrincipalKind::Federated => match text.split_once(":oidc-provider/") {
                        Some((_, issuer)) => {
                            let issuer = issuer.to_owned();
                            add(Source::Oidc { pipeline: known_issuer(&issuer).map(|i| i.name), arn: text, issuer });
                        }
                        None if text.contains(":saml-provider/") => add(Source::Saml { arn: text }),
                        // Amazon's own web identities: cognito-identity.amazonaws.com, accounts.google.com, …
                        None => add(Source::Oidc { arn: text.clone(), issuer: text, pipeline: None }),
                    },
                    PrincipalKind::CanonicalUser => add(Source::Deleted { id: text }),
                }
            }
        }
    }
    all
}

/// The delivery pipelines that may become one of the account's roles, with what that role is.
pub fn pipelines(graph: &Graph<'_>, known: &BTreeSet<String>) -> Vec<Pipeline> {
    let powers = graph.powers();
    trusts(graph.account, known)
        .into_iter()
        .filter_map(|trust| {
            let Source::Oidc { issuer, pipeline, .. } = &trust.source else { return None };
            let system = (*pipeline).map_or_else(|| issuer.clone(), str::to_owned);
            let granted = grants::of_principal(graph.account, trust.role);
            let changes = |l: Level| matches!(l, Level::Write | Level::PermissionsManagement);
            let mut deploys: Vec<&'static str> =
                granted.iter().filter(|(_, a)| changes(a.level)).map(|(s, _)| s.prefix).collect();
            deploys.dedup();
            Some(Pipeline {
                system,
                power: powers[trust.role],
                writes: granted.at_level(Level::Write),
                manages: granted.at_level(Level::PermissionsManagement),
                deploys,
                trust,
            })
        })
        .collect()
}

fn account_id(text: &str) -> Option<String> {
    let id = if text.starts_with("arn:") { text.split(':').nth(4)? } else { text };
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then(|| id.to_owned())
}

fn known_issuer(issuer: &str) -> Option<&'static Issuer> {
    ISSUERS.iter().find(|i| {
        if i.host.ends_with('/') {
            issuer.starts_with(i.host)
        } else {
            issuer == i.host || issuer.starts_with(&format!("{}/", i.host))
        }
    })
}

/// Positive, certain conditions on a key: those that narrow who is let in.
fn asked<'a>(s: &'a Statement, key: &str) -> Vec<&'a Condition> {
    s.conditions
        .iter()
        .filter(|c| c.key.text.eq_ignore_ascii_case(key) && !c.operator.negated && !c.operator.if_exists)
        .filter(|c| {
            matches!(
                c.operator.compare,
                Compare::StringEquals | Compare::StringEqualsIgnoreCase | Compare::StringLike | Compare::Arn
            ) && c.operator.quantifier != crate::iam::policy::Quantifier::AllValues
        })
        .collect()
}

fn weaknesses(source: &Source, s: &Statement) -> (Vec<Weakness>, Vec<String>) {
    let mut weak = Vec::new();
    let mut subjects = Vec::new();
    match source {
        Source::Everyone => {
            let narrowing = [
                "aws:PrincipalOrgID",
                "aws:PrincipalArn",
                "aws:PrincipalAccount",
                "aws:PrincipalOrgPaths",
                "aws:userid",
                "aws:SourceAccount",
                "aws:SourceOrgID",
            ];
            let narrow =
                |key: &&str| asked(s, key).iter().any(|c| c.values.iter().all(|v| !v.text.trim_matches(['*', '?']).is_empty()));
            if !narrowing.iter().any(narrow) {
                weak.push(Weakness::Public);
            }
        }
        Source::Account { known: false, .. } | Source::Principal { known: false, .. } => {
            weak.push(Weakness::UnknownAccount);
            if asked(s, "sts:ExternalId").is_empty() {
                weak.push(Weakness::NoExternalId);
            }
        }
        Source::Deleted { .. } => weak.push(Weakness::DeletedPrincipal),
        Source::Oidc { issuer, .. } => {
            let subject = asked(s, &format!("{issuer}:sub"));
            subjects = subject.iter().flat_map(|c| &c.values).map(|v| v.text.clone()).collect();
            let known = known_issuer(issuer);
            let own = known.is_some_and(|i| i.own) || issuer.starts_with("oidc.eks.");
            if subject.is_empty() {
                // Cognito and its like tell their users apart by the audience.
                let by_audience =
                    known.is_none() && !asked(s, &format!("{issuer}:aud")).is_empty() && !issuer.starts_with("oidc.eks.");
                if !own && !by_audience || issuer.starts_with("oidc.eks.") {
                    weak.push(Weakness::NoSubject);
                }
            }
            for c in &subject {
                let literal =
                    c.operator.compare == Compare::StringEquals || c.operator.compare == Compare::StringEqualsIgnoreCase;
                for v in &c.values {
                    weak.extend(wide(known, &v.text, literal));
                }
            }
            if asked(s, &format!("{issuer}:aud")).is_empty() {
                weak.push(Weakness::NoAudience);
            }
        }
        _ => {}
    }
    weak.sort();
    weak.dedup();
    (weak, subjects)
}

/// What a subject's pattern leaves open; a text that is compared whole leaves nothing open.
fn wide(issuer: Option<&Issuer>, pattern: &str, literal: bool) -> Option<Weakness> {
    if literal {
        return None;
    }
    let fixed = &pattern[..pattern.find(['*', '?']).unwrap_or(pattern.len())];
    if fixed.len() == pattern.len() {
        return None;
    }
    let open = |leaves_open| Some(Weakness::WideSubject { pattern: pattern.to_owned(), leaves_open });
    let Some(issuer) = issuer else { return if fixed.is_empty() { open("whole subject") } else { None } };
    let Some(rest) = fixed.strip_prefix(issuer.prefix) else { return open(issuer.owner) };
    let Some((_, behind)) = rest.split_once(issuer.owner_mark).filter(|(owner, _)| !owner.is_empty()) else {
        return open(issuer.owner);
    };
    match issuer.project {
        // `:pipeline:` must be followed by a name; `repo:org/name:` must end the name.
        Some((mark, name)) if mark.len() > 1 => {
            let behind = format!("{}{behind}", issuer.owner_mark);
            let named = behind.split_once(mark).is_some_and(|(_, n)| n.contains(':'));
            if named { None } else { open(name) }
        }
        Some((mark, name)) => {
            if behind.contains(mark) {
                None
            } else {
                open(name)
            }
        }
        None => None,
    }
}
