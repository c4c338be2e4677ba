//! Who from outside an account may become one of its roles: other accounts, services, identity providers, everyone;
//! and the delivery pipelines among them, with what weakens each trust.
//!
//! Strangers ask our evaluator (`strangers`, for tokens `tokens`): a trust is as weak as what they get.

use std::collections::BTreeSet;

pub use super::issuers::Serves;

use super::crossings::ASSUME;
use super::issuers::{CHOSEN, COGNITO, Issuer, Open};
use super::tokens::{self, Tokens};
use super::{Graph, Power, StatementId};
use crate::iam::account::Account;
use crate::iam::evaluate::{ActionName, Caller, Compiled, Context, Resource};
use crate::iam::facts::Level;
use crate::iam::grants::{self, Actions};
use crate::iam::policy::{Condition, Effect, PrincipalKind, PrincipalValue};
use crate::iam::strangers::{Door, STRANGER, account_of, is_callers, named_by, of_account, of_other, strange};

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
        serves: Serves,
    },
}

impl Source {
    /// Whether it is let in as a matter of course: AWS's services, which run what somebody gave them, and the people who sign
    /// in by the own SAML provider.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::Service { .. } | Self::Saml { .. })
    }
    /// `everyone`, `account 999988887777`, `role/x of 999988887777`, `GitHub Actions`, `Cognito users`
    pub fn words(&self) -> String {
        let short = crate::model::arn::short;
        match self {
            Self::Everyone => "everyone with an AWS account".to_owned(),
            Self::Account { id, .. } => format!("account {id}"),
            Self::Principal { arn, .. } => format!("{} of {}", short(arn), arn.split(':').nth(4).unwrap_or_default()),
            Self::Deleted { id } => format!("{id}, which was deleted"),
            Self::Service { name } => name.clone(),
            Self::Saml { arn } => format!("{} of {}", short(arn), arn.split(':').nth(4).unwrap_or_default()),
            Self::Oidc { pipeline: Some(system), .. } => (*system).to_owned(),
            Self::Oidc { issuer, serves: Serves::Cluster, .. } => {
                format!("Kubernetes cluster {}", issuer.rsplit('/').next().unwrap_or_default())
            }
            Self::Oidc { issuer, serves: Serves::Users, .. } => format!("{} users", Issuer::of(issuer, []).name),
            Self::Oidc { issuer, .. } => format!("users of {issuer}"),
        }
    }
}

/// What weakens a trust.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// Anyone with an AWS account.
    Public,
    /// Anyone with an AWS account who knows the `sts:ExternalId`.
    PublicBySecret,
    /// Another organisation's account, and no `sts:ExternalId` is asked (AWS: "The confused deputy problem").
    NoExternalId,
    /// An account that is not known in the organisation.
    UnknownAccount,
    /// Nothing is asked of the token that strangers lack: whoever the provider serves may become the role.
    NoSubject,
    /// Guests of an identity pool, who sign in nowhere. `asked`: the trust asks for them; else the pool decides.
    Guests { asked: bool },
    /// No project is asked for; what is left open, `repository of the organisation`.
    AnyProject { of: &'static str },
    /// The subject's condition leaves the owner or the project open; `strangers`: so that other organisations get in.
    WideSubject { pattern: String, leaves_open: &'static str, strangers: bool },
    /// No condition on the token's audience.
    NoAudience,
    /// Nothing is asked of the token but its audience.
    OnlyAudience,
    /// It names a principal that no longer exists.
    DeletedPrincipal,
}

impl Weakness {
    pub fn sentence(&self) -> String {
        match self {
            Self::Public => "everyone may become it".to_owned(),
            Self::PublicBySecret => "everyone who knows the external id may become it, from any account".to_owned(),
            Self::NoExternalId => "another organisation's account is trusted without an external id".to_owned(),
            Self::UnknownAccount => "the trusted account is not in the organisation".to_owned(),
            Self::NoSubject => "no condition on the token's subject: all users of the provider may become it".to_owned(),
            Self::Guests { asked: true } => "guests of the identity pool may become it: whoever knows the pool's id".to_owned(),
            Self::Guests { asked: false } => {
                "guests of the identity pool may become it where the pool has guests: no condition asks for amr authenticated"
                    .to_owned()
            }
            Self::AnyProject { of } => format!("every {of} may become it"),
            Self::WideSubject { pattern, leaves_open, .. } => format!("the subject {pattern:?} leaves the {leaves_open} open"),
            Self::NoAudience => "no condition on the token's audience".to_owned(),
            Self::OnlyAudience => {
                "no condition on the token's subject: whoever gets a token for that audience may become it".to_owned()
            }
            Self::DeletedPrincipal => "it trusts a principal that was deleted".to_owned(),
        }
    }
    /// It lets in strangers.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Public | Self::NoSubject | Self::Guests { asked: true } | Self::WideSubject { strangers: true, .. })
    }
}

/// One trust of a role in somebody outside the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Place in [`Account::principals`].
    pub role: usize,
    pub source: Source,
    pub weak: Vec<Weakness>,
    /// Somebody whom it names gets in, over its own denials and the guardrails above it. For everyone: some stranger does; what
    /// only an address or the like keeps out is weak in nothing.
    pub admits: bool,
    /// That rests on nothing that is not known, such as an address or a second factor.
    pub certain: bool,
    /// Whoever is among those it names gets in as they do: nothing denies, and nothing is asked that tells them apart.
    pub alike: bool,
    /// Its users and roles were read, and tell themselves who of them gets in.
    pub read: bool,
    /// What a trust in a provider asks for: subjects, and other claims as `repository_id 1234`; nothing where all get in.
    pub subjects: Vec<String>,
    pub statement: StatementId,
    /// By which it is let in.
    pub action: &'static str,
    pub conditions: Vec<String>,
}

impl Trust {
    /// Who is let in, with what is asked of it: `account 999988887777 with the external id`, `GitHub Actions: repo:acme/app:*`
    pub fn who(&self) -> String {
        let subjects = || self.subjects.join(", ");
        let more = match &self.source {
            Source::Everyone if self.weak.contains(&Weakness::PublicBySecret) => " who knows the external id".to_owned(),
            Source::Account { known: false, .. } | Source::Principal { known: false, .. }
                if self.conditions.iter().any(|c| c.to_ascii_lowercase().contains("sts:externalid")) =>
            {
                " with the external id".to_owned()
            }
            Source::Oidc { .. } if self.weak.contains(&Weakness::NoSubject) => ": all of its users".to_owned(),
            Source::Oidc { .. } if self.weak.iter().any(|w| matches!(w, Weakness::Guests { .. })) => {
                format!(" and guests: {}", subjects())
            }
            Source::Oidc { .. } | Source::Saml { .. } if !self.subjects.is_empty() => format!(": {}", subjects()),
            _ => String::new(),
        };
        format!("{}{more}", self.source.words())
    }
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
    /// What the statements behind that name: their `Resource` values, sorted; of `NotResource` as `not …`.
    pub on: Vec<String>,
}

/// Every trust of a role in somebody outside its account, by statement.
pub(super) fn trusts_of(account: &Account, role: usize) -> Vec<Trust> {
    let p = &account.principals[role];
    let Some(trust) = p.trust else { return Vec::new() };
    let rcps = account.rcp_levels();
    let plain = ActionName::new(ASSUME);
    let token = ActionName::new("sts:AssumeRoleWithWebIdentity");
    let assertion = ActionName::new("sts:AssumeRoleWithSAML");
    let mut all = Vec::new();
    let compiled = &account.policies[trust];
    let naming = |action: &ActionName| -> BTreeSet<usize> { compiled.naming(action).map(|(i, _)| i).collect() };
    let denies = compiled.policy.statements.iter().any(|s| s.effect == Effect::Deny);
    let (by_caller, by_token, by_assertion) = (naming(&plain), naming(&token), naming(&assertion));
    for (i, s) in compiled.policy.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow) {
        let Some(element) = &s.principal else { continue };
        let statement = StatementId { policy: trust as u32, statement: i as u32 };
        let alone = std::cell::OnceCell::new();
        let ask = |source: &Source| {
            let only: &Compiled = alone.get_or_init(|| only(compiled, i));
            let door = Door::new(account.resources().as_read(account.resource(&p.arn)), only, &rcps);
            look(account, source, &door, (by_caller.contains(&i), by_token.contains(&i)))
        };
        let mut add = |source: Source| {
            let Seen { mut weak, subjects, admits, certain } = ask(&source);
            weak.sort();
            weak.dedup();
            let conditions = s.conditions.iter().map(Condition::describe).collect();
            let action = match &source {
                Source::Saml { .. } => "sts:AssumeRoleWithSAML",
                Source::Oidc { .. } => "sts:AssumeRoleWithWebIdentity",
                _ if by_caller.contains(&i) => ASSUME,
                _ => "sts:AssumeRoleWithWebIdentity",
            };
            let read = match &source {
                Source::Account { id, .. } => account.resources().has_read(id),
                Source::Principal { arn, .. } => account_of(arn).is_some_and(|id| account.resources().has_read(id)),
                _ => false,
            };
            let alike = !denies && !element.not && s.conditions.iter().all(|c| asks_alike(c, &source));
            all.push(Trust { role, source, weak, admits, certain, alike, read, subjects, statement, action, conditions });
        };
        let (called, told, asserted) = (by_caller.contains(&i), by_token.contains(&i), by_assertion.contains(&i));
        let everyone = |value: &PrincipalValue| value.kind == PrincipalKind::Everyone || value.value.text == "*";
        if called && (element.not || element.principals.iter().any(everyone)) {
            // Conditions may leave it to accounts that they name, or to the organisation's.
            for id in named_by(&s.conditions, account.resources()).into_iter().filter(|id| *id != account.id) {
                let known = account.knows(&id);
                add(Source::Account { id, known });
            }
        }
        if element.not {
            if called || told {
                add(Source::Everyone);
            }
            continue;
        }
        for value in &element.principals {
            let text = value.value.text.clone();
            match value.kind {
                PrincipalKind::Everyone if called || told => add(Source::Everyone),
                PrincipalKind::Aws if !called => {}
                PrincipalKind::Aws if text == "*" => add(Source::Everyone),
                PrincipalKind::Aws => match (account_of(&text).map(str::to_owned), text.starts_with("arn:")) {
                    (Some(id), _) if id == account.id => {}
                    (Some(id), true) if !text.ends_with(":root") => {
                        add(Source::Principal { known: account.knows(&id), arn: text });
                    }
                    (Some(id), _) => add(Source::Account { known: account.knows(&id), id }),
                    (None, _) => add(Source::Deleted { id: text }),
                },
                PrincipalKind::Service if called => add(Source::Service { name: text }),
                PrincipalKind::Federated if asserted && text.contains(":saml-provider/") => add(Source::Saml { arn: text }),
                PrincipalKind::Federated if told && !text.contains(":saml-provider/") => {
                    // Amazon's own web identities have no ARN: cognito-identity.amazonaws.com, accounts.google.com, …
                    let issuer = text.split_once(":oidc-provider/").map_or(text.as_str(), |(_, issuer)| issuer).to_owned();
                    let asked = s.conditions.iter().flat_map(|c| &c.values).map(|v| v.text.as_str());
                    let by = Issuer::of(&issuer, asked);
                    let pipeline = (by.serves == Serves::Pipelines).then_some(by.name);
                    add(Source::Oidc { pipeline, serves: by.serves, arn: text, issuer });
                }
                PrincipalKind::CanonicalUser if called => add(Source::Deleted { id: text }),
                _ => {}
            }
        }
    }
    all
}

/// Whether a condition asks the same of all whom a trust names, whichever of them it is: what they choose, or their subject.
fn asks_alike(c: &Condition, source: &Source) -> bool {
    let is = |key: &str| c.key.text.eq_ignore_ascii_case(key);
    match source {
        Source::Oidc { issuer, .. } => {
            let by = Issuer::of(issuer, c.values.iter().map(|v| v.text.as_str()));
            !c.operator.negated && [by.subject, by.audience].iter().any(|claim| is(&format!("{issuer}:{claim}")))
        }
        _ => is("sts:ExternalId") || is("sts:RoleSessionName"),
    }
}

/// The statement with all of the policy's denials, and no other that lets in.
fn only(policy: &Compiled, statement: usize) -> Compiled {
    let all = &policy.policy.statements;
    let denials = all.iter().filter(|s| s.effect == Effect::Deny);
    let mut alone = policy.policy.clone();
    alone.statements = all.get(statement).into_iter().chain(denials).cloned().collect();
    Compiled::new(policy.name.clone(), policy.arn.clone(), alone)
}

/// What weakens a statement of a trust by which holders of a provider's tokens come, as far as the document alone tells; none
/// where nobody comes by it.
pub(in crate::iam) fn weak_by_token(policy: &Compiled, statement: usize, provider: &str) -> Option<Vec<Weakness>> {
    let host = provider.split_once(":oidc-provider/").map_or(provider, |(_, host)| host);
    let role = format!("arn:aws:iam::{}:role/trusting", account_of(provider).unwrap_or(STRANGER));
    let only = only(policy, statement);
    let door = Door::new(Resource::new(&role), &only, &[]);
    let seen = by_token(&Tokens::new(&door, provider, host), host);
    seen.admits.then_some(seen.weak)
}

/// What strangers found of a trust.
#[derive(Default)]
struct Seen {
    weak: Vec<Weakness>,
    subjects: Vec<String>,
    admits: bool,
    certain: bool,
}

impl Seen {
    /// Whether somebody gets in, and for certain.
    fn of(admitted: Option<bool>) -> Self {
        Self { admits: admitted.is_some(), certain: admitted == Some(true), ..Self::default() }
    }
}

/// Has a trust tried by those whom it names. `called` and `told`: it speaks of callers, of holders of a token.
fn look(account: &Account, source: &Source, door: &Door<'_>, (called, told): (bool, bool)) -> Seen {
    let met = |weak: Vec<Weakness>| Seen { weak, ..Seen::of(Some(true)) };
    let plain = ActionName::new(ASSUME);
    match source {
        Source::Everyone => {
            let callers = if called { of_account(STRANGER, &asked_by(door)) } else { Vec::new() };
            let entry = knock(door, &callers);
            // Google's users are everyone: AWS takes their tokens without any provider being set up.
            let by_token = told && !Tokens::new(door, GOOGLE, GOOGLE).admitted(Open::Owner, None).is_empty();
            match entry {
                _ if by_token => met(vec![Weakness::Public]),
                Knocked::Free => met(vec![Weakness::Public]),
                Knocked::BySecret => met(vec![Weakness::PublicBySecret]),
                // Some may still get in under what is not known, such as an address.
                Knocked::Shut => {
                    let admitted = |caller: &Caller| door.admits(caller, &plain, &strange(caller), &is_callers);
                    Seen::of(callers.iter().filter_map(admitted).max())
                }
            }
        }
        Source::Account { known: false, id } => foreign(account, door, &of_account(id, &asked_by(door))),
        Source::Account { known: true, id } => Seen::of(called_in(account, door, &of_account(id, &asked_by(door)))),
        Source::Principal { known: true, arn } => Seen::of(called_in(account, door, &[Caller::new(arn)])),
        Source::Principal { known: false, arn } => {
            let asked = asked_by(door);
            let ids = asked.iter().filter(|c| c.key.text.eq_ignore_ascii_case("aws:userid")).flat_map(|c| &c.values);
            let known = ids.map(|v| {
                let mut caller = Caller::new(arn);
                caller.keys.set("aws:userid", [v.text.replace(['*', '?'], "x")]);
                caller
            });
            foreign(account, door, &known.chain([Caller::new(arn)]).collect::<Vec<_>>())
        }
        Source::Deleted { .. } => Seen { weak: vec![Weakness::DeletedPrincipal], ..Seen::default() },
        Source::Oidc { arn, issuer, .. } => by_token(&Tokens::new(door, arn, issuer), issuer),
        Source::Saml { arn } => {
            let action = ActionName::new("sts:AssumeRoleWithSAML");
            let caller = Caller::federated(arn);
            let admitted = door.admits(&caller, &action, &tokens::unsigned(&caller), &|key| key.starts_with("saml:"));
            Seen { subjects: asserted(door), ..Seen::of(admitted) }
        }
        Source::Service { name } => {
            // For whom it acts, and from where, is not known.
            Seen::of(door.admits(&Caller::new(name), &plain, &Context::new(), &|_| false))
        }
    }
}

/// What a trust asks of a SAML assertion beside its audience: `sub_type persistent`, `edupersonaffiliation staff or faculty`
/// (AWS: "IAM and AWS STS condition context keys", available keys for SAML-based AWS STS federation).
fn asserted(door: &Door<'_>) -> Vec<String> {
    let allows = door.statements().filter(|s| s.effect == Effect::Allow);
    let claim = |c: &Condition| {
        let (host, name) = c.key.text.split_once(':')?;
        let not = if c.operator.negated { "not " } else { "" };
        let values: Vec<&str> = c.values.iter().map(|v| v.text.as_str()).collect();
        let asked = host.eq_ignore_ascii_case("saml") && !name.eq_ignore_ascii_case("aud");
        asked.then(|| format!("{name} {not}{}", values.join(" or ")))
    };
    allows.flat_map(|s| &s.conditions).filter_map(claim).collect()
}

const GOOGLE: &str = "accounts.google.com";

fn asked_by<'a>(door: &Door<'a>) -> Vec<&'a Condition> {
    door.statements().flat_map(|s| &s.conditions).collect()
}

/// How somebody gets in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Knocked {
    Shut,
    /// Whoever knows the external id.
    BySecret,
    Free,
}

/// How the best of these callers gets in. An external id of one's own choice, or none, is no secret.
fn knock(door: &Door<'_>, callers: &[Caller]) -> Knocked {
    let action = ActionName::new(ASSUME);
    let enters = |caller: &Caller, context: &Context| door.lets_in(caller, &action, context).is_some();
    let of = |caller: &Caller| {
        let context = strange(caller);
        let none: [&str; 0] = [];
        let key = "sts:ExternalId";
        if enters(caller, &context.clone().with(key, ["a stranger's own"])) || enters(caller, &context.clone().with(key, none)) {
            Knocked::Free
        } else if enters(caller, &context) {
            Knocked::BySecret
        } else {
            Knocked::Shut
        }
    };
    callers.iter().map(of).max().unwrap_or(Knocked::Shut)
}

/// Whether any of these callers gets in by its own account's word: for certain, or under what is not known.
fn called_in(account: &Account, door: &Door<'_>, callers: &[Caller]) -> Option<bool> {
    let action = ActionName::new(ASSUME);
    let resources = account.resources();
    callers.iter().filter_map(|caller| door.admits(caller, &action, &of_other(resources, caller), &is_callers)).max()
}

fn foreign(account: &Account, door: &Door<'_>, callers: &[Caller]) -> Seen {
    let seen = Seen::of(called_in(account, door, callers));
    let action = ActionName::new(ASSUME);
    // What only lets in whoever is of an organisation is as good as one's own.
    let as_stranger = callers.iter().any(|caller| !door.refuses(caller, &action, &strange(caller)));
    let weak = match knock(door, callers) {
        _ if !seen.admits || !as_stranger => Vec::new(),
        Knocked::Free => vec![Weakness::UnknownAccount, Weakness::NoExternalId],
        Knocked::BySecret | Knocked::Shut => vec![Weakness::UnknownAccount],
    };
    Seen { weak, ..seen }
}

/// How somebody of whom a name tells gets into a role: by which action and which statements of its trust, and whether for
/// certain. A name is an account's twelve digits, an ARN, or a token's subject.
pub(super) fn asked(account: &Account, role: usize, name: &str) -> Option<(&'static str, Vec<u32>, bool)> {
    let p = &account.principals[role];
    let compiled = &account.policies[p.trust?];
    let rcps = account.rcp_levels();
    let mut found: Option<(&'static str, Vec<u32>, bool)> = None;
    for (i, s) in compiled.policy.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow) {
        let only = only(compiled, i);
        let door = Door::new(account.resources().as_read(account.resource(&p.arn)), &only, &rcps);
        let (action, admitted) = match account_of(name) {
            Some(id) if name == id || name.ends_with(":root") => {
                let principals = door.statements().flat_map(|s| &s.principal).flat_map(|e| &e.principals);
                let named = principals.map(|v| v.value.text.as_str());
                let named = named.filter(|arn| arn.starts_with("arn:") && account_of(arn) == Some(id)).map(Caller::new);
                let callers: Vec<Caller> = of_account(id, &asked_by(&door)).into_iter().chain(named).collect();
                (ASSUME, called_in(account, &door, &callers))
            }
            Some(_) if [":user/", ":role/", ":assumed-role/", ":federated-user/"].iter().any(|kind| name.contains(kind)) => {
                (ASSUME, called_in(account, &door, &[Caller::new(name)]))
            }
            _ if name.starts_with("arn:") || name.is_empty() => return None,
            _ => {
                let providers = s.principal.iter().flat_map(|e| &e.principals).filter(|v| v.kind == PrincipalKind::Federated);
                let tokens = providers.filter_map(|v| tokens::with_subject(&door, &v.value.text, name));
                ("sts:AssumeRoleWithWebIdentity", tokens.max())
            }
        };
        let Some(certain) = admitted else { continue };
        match &mut found {
            // What is there for certain is told.
            Some((_, by, sure)) if *sure == certain => by.push(i as u32),
            Some((_, _, true)) => {}
            _ => found = Some((action, vec![i as u32], certain)),
        }
    }
    found
}

/// What holders of tokens find: those of other owners, of any project, for another audience.
fn by_token(tokens: &Tokens<'_>, host: &str) -> Seen {
    let meant = tokens.admitted(Open::Closed, None);
    if meant.is_empty() {
        return Seen::default();
    }
    let issuer = tokens.issuer;
    let mut weak = Vec::new();
    let owners = if issuer.own { Vec::new() } else { tokens.admitted(Open::Owner, None) };
    let mut subjects: Vec<String> = meant.iter().filter_map(|v| v.pattern.clone()).chain(tokens.others(false)).collect();
    if !owners.is_empty() && owners.iter().all(|v| v.pattern.is_none()) {
        weak.push(Weakness::NoSubject);
        subjects.clear();
    } else {
        let open: Vec<&String> = owners.iter().filter_map(|v| v.pattern.as_ref()).collect();
        weak.extend(open.iter().map(|pattern| Weakness::WideSubject {
            pattern: (*pattern).clone(),
            leaves_open: issuer.owner,
            strangers: true,
        }));
        let any = tokens.admitted(Open::Project, None);
        if open.is_empty() && !any.is_empty() && any.iter().all(|v| v.pattern.is_none()) {
            weak.push(Weakness::AnyProject { of: tokens.any() });
            if subjects.is_empty() {
                subjects.push(format!("every {}", tokens.any()));
            }
        }
        weak.extend(any.iter().filter_map(|v| {
            let pattern = v.pattern.as_ref().filter(|p| !open.contains(p))?.clone();
            let leaves_open = if issuer.own && v.leaves == Open::Owner { issuer.owner } else { issuer.project };
            Some(Weakness::WideSubject { pattern, leaves_open, strangers: false })
        }));
    }
    if subjects.is_empty() && !weak.contains(&Weakness::NoSubject) {
        // Whom a provider that is not known gives that audience is not known either.
        weak.extend((weak.is_empty() && issuer.serves == Serves::Unknown).then_some(Weakness::OnlyAudience));
        subjects = tokens.others(true);
    }
    let as_guest = |amr: &str| tokens.admitted(Open::Closed, Some(("amr", amr))).iter().any(|v| v.leaves == Open::Owner);
    if host == COGNITO && !weak.contains(&Weakness::NoSubject) && as_guest("unauthenticated") {
        weak.push(Weakness::Guests { asked: !as_guest("authenticated") });
    }
    if !tokens.admitted(Open::Closed, Some((issuer.audience, &CHOSEN.to_string()))).is_empty() {
        weak.push(Weakness::NoAudience);
    }
    Seen { weak, subjects, admits: true, certain: tokens.is_certain() }
}

/// The delivery pipelines that may become one of the account's roles, with what that role is. Who signs in elsewhere, such
/// as an application's users or a cluster's workloads, is none.
pub fn pipelines(graph: &Graph<'_>) -> Vec<Pipeline> {
    let powers = graph.powers();
    let admitting = graph.trusts().iter().filter(|trust| trust.admits).cloned();
    admitting
        .filter_map(|trust| {
            let Source::Oidc { issuer, pipeline, serves: Serves::Pipelines | Serves::Unknown, .. } = &trust.source else {
                return None;
            };
            let system = (*pipeline).map_or_else(|| issuer.clone(), str::to_owned);
            let granted = grants::of_principal(graph.account, &graph.account.principals[trust.role]);
            let changes = |l: Level| matches!(l, Level::Write | Level::PermissionsManagement);
            let mut deploys: Vec<&'static str> =
                granted.iter().filter(|(_, a)| changes(a.level)).map(|(s, _)| s.prefix).collect();
            deploys.dedup();
            let account = graph.account;
            let statements = account.principals[trust.role].policies.iter().flat_map(|p| &account.policies[*p].policy.statements);
            let mut on = BTreeSet::new();
            for s in statements.filter(|s| s.effect == Effect::Allow) {
                let Some(element) = &s.resource else { continue };
                if Actions::named(&s.action).and(&granted).iter().any(|(_, a)| changes(a.level)) {
                    on.extend(
                        element.values.iter().map(|v| if element.not { format!("not {}", v.text) } else { v.text.clone() }),
                    );
                }
            }
            Some(Pipeline {
                system,
                power: powers[trust.role],
                writes: granted.at_level(Level::Write),
                manages: granted.at_level(Level::PermissionsManagement),
                deploys,
                on: on.into_iter().collect(),
                trust,
            })
        })
        .collect()
}
