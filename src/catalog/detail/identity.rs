//! Principals, access keys, policies and identity providers in full.

use jiff::Timestamp;

use crate::catalog::ListingId;
use crate::catalog::detail::parts::{Body, Detail, Writer, tags};
use crate::catalog::identity::{self, Principal, Provider};
use crate::listing::filter::{exactly, quote};
use crate::model::arn;
use crate::model::estate::Estate;
use crate::model::principal::{AccessKey, Identity, ManagedPolicy};
use crate::model::standing::Pipeline;

pub(super) fn principal(identity: &Identity, o: Principal<'_>, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.kind(), o.name()), now);
    let account = w.account(estate, &identity.account);
    let used = match o {
        Principal::Role(r) => r.role_last_used.as_ref().filter(|l| l.last_used_date.is_some()).map_or_else(
            || "never, as far as AWS remembers (400 days)".to_owned(),
            |l| format!("{} in {}", w.time(l.last_used_date), l.region),
        ),
        _ => String::new(),
    };
    w.facts(
        "",
        &[
            ("ARN", o.arn().to_owned()),
            ("account", account),
            ("created", w.time(o.created())),
            ("last used", used),
            ("boundary", o.boundary().map_or_else(String::new, |b| b.permissions_boundary_arn.clone())),
            ("may be assumed by", o.trust().map_or_else(String::new, |t| identity::trusted(t).join(", "))),
        ],
    );
    if let Principal::User(user) = o {
        w.section("Groups", Body::Prose(user.group_list.join("\n")));
        let report = identity.credentials.iter().find(|c| c.get("arn").and_then(|v| v.as_str()) == Some(o.arn()));
        let facts = |names: &[(&str, &str)]| -> Vec<(String, String)> {
            let value = |column: &str| report.and_then(|r| r.get(column)).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            names.iter().map(|(label, column)| ((*label).to_owned(), value(column))).filter(|(_, v)| !v.is_empty()).collect()
        };
        w.section(
            "Sign-in",
            Body::Facts(facts(&[
                ("password", "password_enabled"),
                ("password used", "password_last_used"),
                ("password changed", "password_last_changed"),
                ("second factor", "mfa_active"),
            ])),
        );
        let keys = identity.access_keys.iter().filter(|k| k.user_name == user.user_name);
        let row =
            |k: &AccessKey| vec![k.access_key_id.clone(), k.status.clone(), w.time(k.create_date), w.time(k.last_used_date)];
        let rows: Vec<_> = keys.map(row).collect();
        if !rows.is_empty() {
            w.link("access keys", ListingId::AccessKeys, format!("user={} account={}", quote(&user.user_name), identity.account));
        }
        w.table("Access keys", &["key", "status", "made", "last used"], rows);
    }
    if let Principal::Group(group) = o {
        let members = identity.users.iter().filter(|u| u.group_list.contains(&group.group_name));
        let names: Vec<&str> = members.map(|u| u.user_name.as_str()).collect();
        let words = if names.is_empty() { "Nobody, of the users that were read.".to_owned() } else { names.join("\n") };
        w.section("Members", Body::Prose(words));
    }
    if let Some(trust) = o.trust() {
        w.section("Trust policy", Body::Code(trust.pretty()));
    }
    for attached in o.attached() {
        let policy = identity.policies.iter().find(|p| p.arn == attached.policy_arn);
        let document = policy.and_then(ManagedPolicy::default_document);
        let body = document.map_or_else(|| Body::Prose("The document was not read.".into()), |d| Body::Code(d.pretty()));
        w.section(&format!("Attached policy {}", attached.policy_name), body);
        let id = if attached.policy_arn.contains(":iam::aws:") {
            format!("{}@{}", attached.policy_arn, identity.account)
        } else {
            attached.policy_arn.clone()
        };
        let filter = id
            .split_once('@')
            .map_or_else(|| exactly("id", &id), |(arn, account)| format!("{} account={account}", exactly("id", arn)));
        w.link(format!("policy {}", attached.policy_name), ListingId::Policies, filter);
    }
    for inline in o.inline() {
        w.section(&format!("Inline policy {}", inline.policy_name), Body::Code(inline.policy_document.pretty()));
    }
    if let Some(map) = o.tags() {
        w.section("Tags", tags(map));
    }
    w.findings_on(o.arn());
    w.finish()
}

pub(super) fn access_key(identity: &Identity, o: &AccessKey, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("access key {}", o.access_key_id), now);
    let account = w.account(estate, &identity.account);
    w.facts(
        "",
        &[
            ("user", o.user_name.clone()),
            ("account", account),
            ("status", o.status.clone()),
            ("made", w.time(o.create_date)),
            (
                "last used",
                match o.last_used_date {
                    None if o.last_used_service.is_empty() => "not read".to_owned(),
                    None => "never".to_owned(),
                    used => w.time(used),
                },
            ),
            ("last service", o.last_used_service.clone()),
            ("last region", o.last_used_region.clone()),
        ],
    );
    if let Some(user) = identity.users.iter().find(|u| u.user_name == o.user_name) {
        w.link(format!("user {}", user.user_name), ListingId::Principals, exactly("id", &user.arn));
    }
    w.finish()
}

pub(super) fn policy(identity: &Identity, o: &ManagedPolicy, estate: &Estate, now: Timestamp) -> Detail {
    let name = identity::policy_name(o);
    let mut w = Writer::new(format!("policy {name}"), now);
    let account = w.account(estate, &identity.account);
    w.facts(
        "",
        &[
            ("ARN", o.arn.clone()),
            ("account", account),
            ("attached to", o.attachment_count.map_or_else(String::new, |n| n.to_string())),
            ("version", o.default_version_id.clone()),
            ("updated", w.time(o.update_date)),
        ],
    );
    let holders = identity::principals(identity).filter(|p| p.attached().iter().any(|a| a.policy_arn == o.arn));
    w.table("Attached to", &["kind", "name"], holders.map(|p| vec![p.kind().to_owned(), p.name().to_owned()]).collect());
    let document = o.default_document();
    w.section("Document", document.map_or_else(|| Body::Prose("The document was not read.".into()), |d| Body::Code(d.pretty())));
    w.link("principals that have it", ListingId::Principals, format!("policy={} account={}", quote(name), identity.account));
    w.findings_on(&o.arn);
    w.finish()
}

pub(super) fn pipeline(o: &Pipeline, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} becomes {}", o.system, arn::short(&o.role)), now);
    let account = w.account(estate, &o.account);
    w.facts(
        "",
        &[
            ("role", o.role.clone()),
            ("account", account),
            ("issuer", o.issuer.clone()),
            ("subjects", if o.subjects.is_empty() { "everyone's".to_owned() } else { o.subjects.join(", ") }),
            ("lets in strangers", if o.open { "yes" } else { "no" }.to_owned()),
            ("administrator", o.power.word().to_owned()),
            ("may take", format!("{} actions that write, {} that manage permissions", o.writes, o.manages)),
        ],
    );
    w.section("What weakens the trust", Body::Prose(o.weak.join("\n")));
    w.section("What it may change", Body::Prose(o.deploys.join(", ")));
    w.section("On these resources", Body::Prose(o.on.join("\n")));
    let identity = estate.identity(&o.account);
    if let Some(role) = identity.and_then(|i| i.roles.iter().find(|r| r.arn == o.role)) {
        w.section("Trust policy", Body::Code(role.assume_role_policy_document.pretty()));
    }
    w.link(format!("role {}", arn::short(&o.role)), ListingId::Principals, exactly("id", &o.role));
    w.findings_on(&o.role);
    w.finish()
}

pub(super) fn provider(identity: &Identity, o: Provider<'_>, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(arn::short(o.arn()), now);
    let account = w.account(estate, &identity.account);
    match o {
        Provider::Saml(p) => w.facts(
            "",
            &[
                ("ARN", p.arn.clone()),
                ("account", account),
                ("made", w.time(p.create_date)),
                ("metadata valid until", p.valid_until.map_or_else(String::new, |t| t.strftime("%Y-%m-%d").to_string())),
            ],
        ),
        Provider::Oidc(p) => w.facts(
            "",
            &[
                ("ARN", p.arn.clone()),
                ("account", account),
                ("URL", p.url.clone()),
                ("audience", p.client_id_list.join(", ")),
                ("thumbprints", p.thumbprint_list.join(", ")),
                ("made", w.time(p.create_date)),
            ],
        ),
    }
    // Conditions stand in the trust of the roles that name the provider.
    let trusting = identity.roles.iter().filter(|r| r.assume_role_policy_document.unescaped().contains(o.arn()));
    for role in trusting {
        w.section(&format!("Trusted by role {}", role.role_name), Body::Code(role.assume_role_policy_document.pretty()));
        w.link(format!("role {}", role.role_name), ListingId::Principals, exactly("id", &role.arn));
    }
    w.findings_on(o.arn());
    w.finish()
}
