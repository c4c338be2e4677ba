//! The listings of IAM: principals, access keys, policies, identity providers.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::catalog::{Facts, Names, Spec, Subject, Value, YES_NO, spec};
use crate::listing::schema::Kind;
use crate::model::account::Tags;
use crate::model::principal::{
    AccessKey, AttachedPolicy, Boundary, CredentialRow, Document, Group, Identity, InlinePolicy, ManagedPolicy, OidcProvider,
    Role, SamlProvider, User, is_on,
};
use crate::model::standing::{Nature, Pipeline, Power, Standing};

pub struct Principals;

/// A user, role or group.
#[derive(Clone, Copy)]
pub enum Principal<'a> {
    User(&'a User),
    Role(&'a Role),
    Group(&'a Group),
}

impl<'a> Principal<'a> {
    pub fn arn(self) -> &'a str {
        match self {
            Self::User(u) => &u.arn,
            Self::Role(r) => &r.arn,
            Self::Group(g) => &g.arn,
        }
    }
    pub fn name(self) -> &'a str {
        match self {
            Self::User(u) => &u.user_name,
            Self::Role(r) => &r.role_name,
            Self::Group(g) => &g.group_name,
        }
    }
    pub fn path(self) -> &'a str {
        match self {
            Self::User(u) => &u.path,
            Self::Role(r) => &r.path,
            Self::Group(g) => &g.path,
        }
    }
    pub fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
        }
    }
    pub fn created(self) -> Option<Timestamp> {
        match self {
            Self::User(u) => u.create_date,
            Self::Role(r) => r.create_date,
            Self::Group(g) => g.create_date,
        }
    }
    pub fn attached(self) -> &'a [AttachedPolicy] {
        match self {
            Self::User(u) => &u.attached_managed_policies,
            Self::Role(r) => &r.attached_managed_policies,
            Self::Group(g) => &g.attached_managed_policies,
        }
    }
    pub fn inline(self) -> &'a [InlinePolicy] {
        match self {
            Self::User(u) => &u.user_policy_list,
            Self::Role(r) => &r.role_policy_list,
            Self::Group(g) => &g.group_policy_list,
        }
    }
    pub fn boundary(self) -> Option<&'a Boundary> {
        match self {
            Self::User(u) => u.permissions_boundary.as_ref(),
            Self::Role(r) => r.permissions_boundary.as_ref(),
            Self::Group(_) => None,
        }
    }
    pub fn tags(self) -> Option<&'a Tags> {
        match self {
            Self::User(u) => Some(&u.tags),
            Self::Role(r) => Some(&r.tags),
            Self::Group(_) => None,
        }
    }
    pub fn trust(self) -> Option<&'a Document> {
        match self {
            Self::Role(r) => Some(&r.assume_role_policy_document),
            _ => None,
        }
    }
}

/// Every principal of an account.
pub fn principals(identity: &Identity) -> impl Iterator<Item = Principal<'_>> {
    let roles = identity.roles.iter().map(Principal::Role);
    let users = identity.users.iter().map(Principal::User);
    roles.chain(users).chain(identity.groups.iter().map(Principal::Group))
}

pub struct PrincipalRow<'a> {
    pub principal: Principal<'a>,
    pub account: &'a str,
    pub account_name: &'a str,
    standing: Option<&'a Standing>,
    keys: Vec<&'a AccessKey>,
    credentials: Option<&'a CredentialRow>,
}

impl PrincipalRow<'_> {
    fn last_used(&self) -> Option<Timestamp> {
        match self.principal {
            Principal::Role(r) => r.role_last_used.as_ref().and_then(|l| l.last_used_date),
            Principal::User(_) => {
                let password = self.credentials.and_then(|c| report_time(c, "password_last_used"));
                self.keys.iter().filter_map(|k| k.last_used_date).chain(password).max()
            }
            Principal::Group(_) => None,
        }
    }
    fn oldest_key(&self) -> Option<Timestamp> {
        self.keys.iter().filter(|k| k.status == "Active").filter_map(|k| k.create_date).min()
    }
    fn report_flag(&self, column: &str) -> Value<'_> {
        self.credentials.and_then(|c| is_on(c, column)).map_or(Value::None, Value::flag)
    }
}

/// A time in a credential report's row; `N/A`, `no_information` and their like are none.
pub fn report_time(row: &CredentialRow, column: &str) -> Option<Timestamp> {
    row.get(column)?.as_str()?.parse().ok()
}

/// Who a trust policy's Allow statements name: `service ec2`, `account 1111…`, `role/…`, `GitHub …`, `everyone`.
pub fn trusted(document: &Document) -> Vec<String> {
    let Some(value) = document.value() else { return Vec::new() };
    let statements = match &value["Statement"] {
        Json::Array(list) => list.iter().collect(),
        one @ Json::Object(_) => vec![one],
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for statement in statements.into_iter().filter(|s| s["Effect"] == "Allow") {
        match &statement["Principal"] {
            Json::String(_) => all.push("everyone".to_owned()),
            Json::Object(kinds) => {
                for (kind, who) in kinds {
                    let who: Vec<&str> = match who {
                        Json::String(one) => vec![one],
                        Json::Array(list) => list.iter().filter_map(Json::as_str).collect(),
                        _ => Vec::new(),
                    };
                    all.extend(who.into_iter().map(|who| trusted_name(kind, who)));
                }
            }
            _ => {}
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn trusted_name(kind: &str, who: &str) -> String {
    if who == "*" {
        return "everyone".to_owned();
    }
    match kind {
        "Service" => format!("service {}", who.trim_end_matches(".amazonaws.com")),
        "Federated" => format!("identity provider {}", crate::model::arn::short(who)),
        _ => match who.parse::<crate::model::arn::Arn>() {
            Ok(arn) if arn.resource() == "root" => format!("account {}", arn.account()),
            Ok(arn) => format!("{} of {}", arn.resource(), arn.account()),
            Err(_) => format!("account {who}"),
        },
    }
}

impl Subject for Principals {
    type Row<'a> = PrincipalRow<'a>;
    const NAMES: Names = Names { name: "principals", title: "Principals", one: "principal", many: "principals" };
    const SORT: &'static str = "administrator:desc,account_name,kind,name";
    const GROUPS: &'static [&'static str] = &["account_name", "kind", "nature", "administrator", "foreign", "trusts", "policy"];
    const EMPTY: &'static str = "No principals. IAM was not readable: press ! for what was refused; \
                                 `bartizan permissions` prints the policy that allows it.";
    const OF_DETAILS: &'static str = "No users, roles or groups: the file has none.";

    fn specs<'a>() -> Vec<Spec<PrincipalRow<'a>>> {
        let spec = spec::<PrincipalRow<'a>>;
        vec![
            spec("id", "ARN", Kind::Text, 30, "The principal's ARN", |r| Value::text(r.principal.arn())).alias(&["arn"]).hidden(),
            spec("kind", "KIND", Kind::Keyword, 5, "user, role or group", |r| Value::text(r.principal.kind())),
            spec("name", "NAME", Kind::Text, 24, "The principal's name", |r| Value::text(r.principal.name())).grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("administrator", "ADMIN", Kind::Rank(Power::WORDS), 10, "Whether it is an administrator, or becomes one", |r| {
                r.standing.map_or(Value::None, |s| Value::Rank(s.power.rank()))
            })
            .alias(&["admin"]),
            spec("nature", "ACTS AS", Kind::Rank(Nature::WORDS), 7, "Who acts as it: people, machines, both", |r| {
                r.standing.map_or(Value::None, |s| Value::Rank(s.nature.rank()))
            }),
            spec("used", "USED", Kind::Age, 5, "How long since it was last used", |r| Value::time(r.last_used())),
            spec("key_age", "KEY AGE", Kind::Age, 7, "Age of its oldest active access key", |r| Value::time(r.oldest_key())),
            spec("mfa", "MFA", YES_NO, 4, "Whether the user has a second factor", |r| r.report_flag("mfa_active")),
            spec(
                "foreign",
                "FOREIGN",
                Kind::Set,
                14,
                "Strangers that may become it: accounts outside the organisation, anyone",
                |r| r.standing.map_or(Value::None, |s| if s.foreign.is_empty() { Value::None } else { Value::set(&s.foreign) }),
            ),
            spec("unused", "UNUSED", Kind::Number, 6, "Percent of what it is granted that it did not use in 90 days", |r| {
                r.standing.and_then(|s| s.unused).map_or(Value::None, |share| Value::number(usize::from(share)))
            }),
            spec("trusts", "TRUSTS", Kind::Set, 22, "Who may become it, by its trust policy", |r| {
                r.principal.trust().map_or(Value::None, |t| Value::set(trusted(t)))
            })
            .grow(),
            spec("policies", "POLICIES", Kind::Number, 8, "Attached and inline policies", |r| {
                Value::number(r.principal.attached().len() + r.principal.inline().len())
            }),
            spec("console", "CONSOLE", YES_NO, 7, "Whether the user has a password", |r| r.report_flag("password_enabled"))
                .hidden(),
            spec("created", "CREATED", Kind::Age, 7, "How long since it was made", |r| Value::time(r.principal.created()))
                .hidden(),
            spec("policy", "POLICY", Kind::Set, 30, "Names of its policies", |r| {
                let attached = r.principal.attached().iter().map(|p| p.policy_name.as_str());
                Value::set(attached.chain(r.principal.inline().iter().map(|p| p.policy_name.as_str())))
            })
            .hidden(),
            spec("boundary", "BOUNDARY", Kind::Keyword, 20, "Its permissions boundary", |r| {
                Value::text(r.principal.boundary().map_or("", |b| crate::model::arn::short(&b.permissions_boundary_arn)))
            })
            .hidden(),
            spec("path", "PATH", Kind::Keyword, 16, "Its IAM path", |r| Value::text(r.principal.path())).hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| {
                r.principal.tags().map_or(Value::None, |t| Value::set(t.iter().map(|(k, v)| format!("{k}={v}"))))
            })
            .hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(r.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &PrincipalRow<'a>)) {
        for identity in &facts.estate.identities {
            let account_name = facts.estate.account_label(&identity.account);
            for principal in principals(identity) {
                let keys = identity.access_keys.iter();
                let keys = keys.filter(|k| principal.kind() == "user" && k.user_name == principal.name()).collect();
                let credentials =
                    identity.credentials.iter().find(|c| c.get("arn").and_then(Json::as_str) == Some(principal.arn()));
                let standing = facts.standings.principals.get(principal.arn());
                let account = identity.account.as_str();
                each(principal.arn(), &PrincipalRow { principal, account, account_name, standing, keys, credentials });
            }
        }
    }
}

pub struct Pipelines;

/// A pipeline with its account's name.
pub struct PipelineRow<'a> {
    pub pipeline: &'a Pipeline,
    pub account_name: &'a str,
}

impl Subject for Pipelines {
    type Row<'a> = PipelineRow<'a>;
    const NAMES: Names = Names { name: "pipelines", title: "Pipelines", one: "pipeline", many: "pipelines" };
    const SORT: &'static str = "open:desc,administrator:desc,account_name,role";
    const GROUPS: &'static [&'static str] = &["system", "account_name", "administrator", "open"];
    const EMPTY: &'static str = "No delivery pipeline can become a role by OpenID Connect, in what was read. Pipelines that use \
                                 access keys show among the access keys.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<PipelineRow<'a>>> {
        let spec = spec::<PipelineRow<'a>>;
        vec![
            spec("id", "ID", Kind::Text, 30, "Role, issuer and subjects", |r| Value::text(r.pipeline.id())).hidden().mute(),
            spec("role", "ROLE", Kind::Text, 24, "The role it becomes", |r| {
                Value::text(crate::model::arn::short(&r.pipeline.role))
            })
            .grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("open", "OPEN", YES_NO, 5, "Whether strangers' pipelines are let in", |r| Value::flag(r.pipeline.open)),
            spec(
                "administrator",
                "ADMIN",
                Kind::Rank(Power::WORDS),
                10,
                "Whether its role is an administrator, or becomes one",
                |r| Value::Rank(r.pipeline.power.rank()),
            )
            .alias(&["admin"]),
            spec("subjects", "SUBJECTS", Kind::Set, 28, "Whose tokens are let in, by their subject or another claim", |r| {
                if r.pipeline.subjects.is_empty() { Value::set(["everyone's"]) } else { Value::set(&r.pipeline.subjects) }
            })
            .grow(),
            spec("system", "SYSTEM", Kind::Keyword, 15, "The delivery system, else its issuer", |r| {
                Value::text(&*r.pipeline.system)
            }),
            spec("writes", "WRITES", Kind::Number, 6, "Actions it may take that write", |r| Value::number(r.pipeline.writes)),
            spec("manages", "MANAGES", Kind::Number, 7, "Actions it may take that manage permissions", |r| {
                Value::number(r.pipeline.manages)
            }),
            spec("weak", "WEAK", Kind::Set, 30, "What weakens the trust", |r| Value::set(&r.pipeline.weak)).hidden(),
            spec("deploys", "DEPLOYS", Kind::Set, 24, "Services it may change", |r| Value::set(&r.pipeline.deploys)).hidden(),
            spec("issuer", "ISSUER", Kind::Keyword, 24, "Whose tokens they are", |r| Value::text(&*r.pipeline.issuer)).hidden(),
            spec("arn", "ROLE ARN", Kind::Text, 40, "The role's ARN", |r| Value::text(&*r.pipeline.role)).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| {
                Value::text(&*r.pipeline.account)
            })
            .also(&["account_name"])
            .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &PipelineRow<'a>)) {
        for pipeline in &facts.standings.pipelines {
            let account_name = facts.estate.account_label(&pipeline.account);
            each(&pipeline.id(), &PipelineRow { pipeline, account_name });
        }
    }
}

/// A thing of an account's IAM with the account's name.
pub struct Of<'a, T> {
    pub item: &'a T,
    pub account: &'a str,
    pub account_name: &'a str,
}

fn each_of<'a, T: 'a>(facts: &'a Facts, list: impl Fn(&'a Identity) -> &'a [T], mut each: impl FnMut(Of<'a, T>)) {
    for identity in &facts.estate.identities {
        let account_name = facts.estate.account_label(&identity.account);
        for item in list(identity) {
            each(Of { item, account: &identity.account, account_name });
        }
    }
}

pub struct AccessKeys;

impl Subject for AccessKeys {
    type Row<'a> = Of<'a, AccessKey>;
    const NAMES: Names = Names { name: "access-keys", title: "Access keys", one: "access key", many: "access keys" };
    const SORT: &'static str = "age:desc";
    const GROUPS: &'static [&'static str] = &["account_name", "status", "user"];
    const EMPTY: &'static str = "No long-lived access keys, as it should be.";

    fn specs<'a>() -> Vec<Spec<Of<'a, AccessKey>>> {
        let spec = spec::<Of<'a, AccessKey>>;
        vec![
            spec("id", "KEY", Kind::Text, 20, "The key's id", |r| Value::text(&*r.item.access_key_id)),
            spec("age", "AGE", Kind::Age, 5, "How long since it was made", |r| Value::time(r.item.create_date)),
            spec("used", "USED", Kind::Age, 5, "How long since it was last used", |r| Value::time(r.item.last_used_date))
                .absent("never"),
            spec("user", "USER", Kind::Keyword, 24, "Whose key it is", |r| Value::text(&*r.item.user_name)).grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 16, "The account's name", |r| Value::text(r.account_name)),
            spec("status", "STATUS", Kind::Keyword, 8, "Active or Inactive", |r| Value::text(&*r.item.status)),
            spec("service", "SERVICE", Kind::Keyword, 16, "The service it last called", |r| {
                Value::text(r.item.last_used_service.trim_start_matches("N/A"))
            }),
            spec("region", "REGION", Kind::Keyword, 14, "Where it was last used", |r| {
                Value::text(r.item.last_used_region.trim_start_matches("N/A"))
            })
            .hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(r.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, AccessKey>)) {
        each_of(facts, |i| &i.access_keys, |row| each(&row.item.access_key_id, &row));
    }
}

pub struct Policies;

impl Subject for Policies {
    type Row<'a> = Of<'a, ManagedPolicy>;
    const NAMES: Names = Names { name: "policies", title: "Policies", one: "policy", many: "policies" };
    const SORT: &'static str = "account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "by"];
    const EMPTY: &'static str = "No managed policies were read.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<Of<'a, ManagedPolicy>>> {
        let spec = spec::<Of<'a, ManagedPolicy>>;
        vec![
            spec("id", "ARN", Kind::Text, 30, "The policy's ARN", |r| Value::text(&*r.item.arn)).alias(&["arn"]).hidden(),
            spec("name", "NAME", Kind::Text, 32, "The policy's name", |r| Value::text(policy_name(r.item))).grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 16, "The account's name", |r| Value::text(r.account_name)),
            spec("by", "BY", Kind::Keyword, 8, "Who keeps it: AWS or the customer", |r| {
                Value::text(if r.item.arn.contains(":iam::aws:") { "AWS" } else { "customer" })
            }),
            spec("attached", "ATTACHED", Kind::Number, 8, "Principals it is attached to", |r| {
                r.item.attachment_count.map_or(Value::None, Value::Number)
            }),
            spec("versions", "VERSIONS", Kind::Number, 8, "Versions that are kept", |r| {
                Value::number(r.item.policy_version_list.len())
            }),
            spec("updated", "UPDATED", Kind::Age, 7, "How long since it was changed", |r| Value::time(r.item.update_date)),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(r.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Of<'a, ManagedPolicy>)) {
        each_of(facts, |i| &i.policies, |row| each(&policy_id(&row), &row));
    }
}

/// AWS's own policies have one ARN in every account: with the account it is one row's id.
fn policy_id(row: &Of<'_, ManagedPolicy>) -> String {
    if row.item.arn.contains(":iam::aws:") { format!("{}@{}", row.item.arn, row.account) } else { row.item.arn.clone() }
}

/// The policy's name; from its ARN where AWS left the name out.
pub fn policy_name(policy: &ManagedPolicy) -> &str {
    if policy.policy_name.is_empty() { policy.arn.rsplit('/').next().unwrap_or_default() } else { &policy.policy_name }
}

pub struct Providers;

/// A SAML or OIDC provider.
pub struct ProviderRow<'a> {
    pub provider: Provider<'a>,
    pub account: &'a str,
    pub account_name: &'a str,
}

#[derive(Clone, Copy)]
pub enum Provider<'a> {
    Saml(&'a SamlProvider),
    Oidc(&'a OidcProvider),
}

impl<'a> Provider<'a> {
    pub fn arn(self) -> &'a str {
        match self {
            Self::Saml(p) => &p.arn,
            Self::Oidc(p) => &p.arn,
        }
    }
}

impl Subject for Providers {
    type Row<'a> = ProviderRow<'a>;
    const NAMES: Names =
        Names { name: "providers", title: "Identity providers", one: "identity provider", many: "identity providers" };
    const SORT: &'static str = "account_name,kind,name";
    const GROUPS: &'static [&'static str] = &["account_name", "kind", "name"];
    const EMPTY: &'static str = "No SAML or OIDC providers.";

    fn specs<'a>() -> Vec<Spec<ProviderRow<'a>>> {
        let spec = spec::<ProviderRow<'a>>;
        vec![
            spec("id", "ARN", Kind::Text, 30, "The provider's ARN", |r| Value::text(r.provider.arn())).alias(&["arn"]).hidden(),
            spec("kind", "KIND", Kind::Keyword, 5, "SAML or OIDC", |r| {
                Value::text(if matches!(r.provider, Provider::Saml(_)) { "SAML" } else { "OIDC" })
            }),
            spec("name", "NAME", Kind::Keyword, 36, "Its name or host", |r| {
                let name = crate::model::arn::short(r.provider.arn());
                Value::text(name.split_once('/').map_or(name, |(_, name)| name))
            })
            .grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 16, "The account's name", |r| Value::text(r.account_name)),
            spec("audience", "AUDIENCE", Kind::Set, 24, "Client ids an OIDC provider's tokens are for", |r| match r.provider {
                Provider::Oidc(p) => Value::set(p.client_id_list.iter().map(String::as_str)),
                Provider::Saml(_) => Value::None,
            }),
            spec("valid_until", "VALID UNTIL", Kind::Time, 16, "When a SAML provider's metadata runs out (UTC)", |r| {
                match r.provider {
                    Provider::Saml(p) => Value::time(p.valid_until),
                    Provider::Oidc(_) => Value::None,
                }
            }),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(r.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &ProviderRow<'a>)) {
        for identity in &facts.estate.identities {
            let (account, account_name) = (identity.account.as_str(), facts.estate.account_label(&identity.account));
            let saml = identity.saml_providers.iter().map(Provider::Saml);
            for provider in saml.chain(identity.oidc_providers.iter().map(Provider::Oidc)) {
                each(provider.arn(), &ProviderRow { provider, account, account_name });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::ListingId;
    use crate::model::estate::Estate;
    use crate::model::principal::Identity;

    #[test]
    fn what_a_file_never_holds_is_not_said_to_be_absent() {
        let mut estate = Estate::default();
        let says = |estate: &Estate, listing: ListingId| listing.get().when_empty(estate);
        assert_eq!(says(&estate, ListingId::AccessKeys), "No long-lived access keys, as it should be.");
        estate.put_identity(Identity { account: "111122223333".into(), details_only: true, ..Identity::default() });
        for listing in [ListingId::AccessKeys, ListingId::Providers, ListingId::Resources, ListingId::Vpcs] {
            let told = says(&estate, listing);
            assert!(told.contains("says nothing of") && told.contains("is not known"), "{told}");
        }
        for listing in [ListingId::Principals, ListingId::Findings, ListingId::Pipelines] {
            let told = says(&estate, listing);
            assert!(!told.contains("refused") && !told.contains("says nothing of"), "{told}");
        }
        // What was asked beside it is known.
        estate.put_identity(Identity { account: "444455556666".into(), ..Identity::default() });
        assert_eq!(says(&estate, ListingId::AccessKeys), "No long-lived access keys, as it should be.");
    }
}
