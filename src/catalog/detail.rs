//! One row in full: what a person wants to know of it, where it leads, and the raw document. Shared by the detail
//! pane and `bartizan show`.

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::identity::{self, Principal, Provider};
use crate::catalog::{ListingId, network, nodes};
use crate::listing::filter::{exactly, quote};
use crate::model::account::Account;
use crate::model::arn::{self, Arn, ResourceRef};
use crate::model::coverage::Coverage;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::finding::Finding;
use crate::model::network::{Interface, IpPermission, LoadBalancer, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::model::node::{Node, Session};
use crate::model::principal::{AccessKey, Identity, ManagedPolicy};
use crate::text;

/// One row in full. All text is as AWS sent it: who shows it makes it safe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    pub title: String,
    pub sections: Vec<Section>,
    /// Where one key leads from here.
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Empty for the first.
    pub heading: String,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// Labels and values.
    Facts(Vec<(String, String)>),
    /// Prose, wrapped.
    Prose(String),
    /// A document, shown as it stands.
    Code(String),
    /// Rows under headings.
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
}

/// A hop: the rows of another listing that have to do with this one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// `resource sg-0a41`, `account payments-prod`, `3 findings`
    pub label: String,
    #[serde(serialize_with = "listing_name")]
    pub listing: ListingId,
    /// The filter that selects them.
    pub filter: String,
}

impl Link {
    pub fn to(label: impl Into<String>, listing: ListingId, filter: impl Into<String>) -> Self {
        Self { label: label.into(), listing, filter: filter.into() }
    }
}

fn listing_name<S: serde::Serializer>(id: &ListingId, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(id.get().name)
}

/// An object of the estate.
#[derive(Clone, Copy)]
pub enum Object<'a> {
    Account(&'a Account),
    Principal(&'a Identity, Principal<'a>),
    AccessKey(&'a Identity, &'a AccessKey),
    Policy(&'a Identity, &'a ManagedPolicy),
    Provider(&'a Identity, Provider<'a>),
    Vpc(&'a RegionEstate, &'a Vpc),
    Subnet(&'a RegionEstate, &'a Subnet),
    RouteTable(&'a RegionEstate, &'a RouteTable),
    SecurityGroup(&'a RegionEstate, &'a SecurityGroup),
    Interface(&'a RegionEstate, &'a Interface),
    LoadBalancer(&'a RegionEstate, &'a LoadBalancer),
    Node(&'a RegionEstate, &'a Node),
    Session(&'a RegionEstate, &'a Session),
    Coverage(&'a Coverage),
}

/// The object that a row of a listing stands for, by the row's id; none for findings, which the estate does not hold.
pub fn object<'a>(estate: &'a Estate, listing: ListingId, id: &str) -> Option<Object<'a>> {
    macro_rules! in_regions {
        ($variant:ident, $list:expr, $id:expr) => {
            estate.regions.iter().find_map(|r| $list(r).iter().find(|o| $id(o) == id).map(|o| Object::$variant(r, o)))
        };
    }
    match listing {
        ListingId::Findings => None,
        ListingId::Accounts => estate.account(id).map(|a| Object::Account(a)),
        ListingId::Principals => estate.identities.iter().find_map(|i| {
            let mut all = identity::principals(i);
            all.find(|p| p.arn() == id).map(|p| Object::Principal(i, p))
        }),
        ListingId::AccessKeys => estate
            .identities
            .iter()
            .find_map(|i| i.access_keys.iter().find(|k| k.access_key_id == id).map(|k| Object::AccessKey(i, k))),
        ListingId::Policies => {
            let (arn, account) = id.split_once('@').map_or((id, None), |(arn, account)| (arn, Some(account)));
            let identities = estate.identities.iter().filter(|i| account.is_none_or(|a| i.account == a));
            identities.into_iter().find_map(|i| i.policies.iter().find(|p| p.arn == arn).map(|p| Object::Policy(i, p)))
        }
        ListingId::Providers => estate.identities.iter().find_map(|i| {
            let saml = i.saml_providers.iter().map(Provider::Saml);
            let mut all = saml.chain(i.oidc_providers.iter().map(Provider::Oidc));
            all.find(|p| p.arn() == id).map(|p| Object::Provider(i, p))
        }),
        ListingId::Vpcs => in_regions!(Vpc, |r: &'a RegionEstate| &r.network.vpcs, |o: &Vpc| o.vpc_id.clone()),
        ListingId::Subnets => in_regions!(Subnet, |r: &'a RegionEstate| &r.network.subnets, |o: &Subnet| o.subnet_id.clone()),
        ListingId::RouteTables => {
            in_regions!(RouteTable, |r: &'a RegionEstate| &r.network.route_tables, |o: &RouteTable| o.route_table_id.clone())
        }
        ListingId::SecurityGroups => {
            in_regions!(SecurityGroup, |r: &'a RegionEstate| &r.network.security_groups, |o: &SecurityGroup| o.group_id.clone())
        }
        ListingId::Interfaces => {
            in_regions!(Interface, |r: &'a RegionEstate| &r.network.interfaces, |o: &Interface| o.network_interface_id.clone())
        }
        ListingId::LoadBalancers => {
            in_regions!(LoadBalancer, |r: &'a RegionEstate| &r.network.load_balancers, |o: &LoadBalancer| o
                .load_balancer_arn
                .clone())
        }
        ListingId::Nodes => in_regions!(Node, |r: &'a RegionEstate| &r.nodes, |o: &Node| o.instance_id.clone()),
        ListingId::Sessions => in_regions!(Session, |r: &'a RegionEstate| &r.sessions, |o: &Session| o.session_id.clone()),
        ListingId::Coverage => estate.coverage.iter().find(|c| super::coverage::id(c) == id).map(Object::Coverage),
    }
}

/// The object as AWS answered it (with what we do not know), as indented JSON.
pub fn document(object: Object<'_>) -> String {
    fn json(value: &impl Serialize) -> String {
        serde_json::to_string_pretty(value).unwrap_or_else(|e| format!("could not be written as JSON: {e}"))
    }
    match object {
        Object::Account(o) => json(o),
        Object::Principal(_, Principal::User(o)) => json(o),
        Object::Principal(_, Principal::Role(o)) => json(o),
        Object::Principal(_, Principal::Group(o)) => json(o),
        Object::AccessKey(_, o) => json(o),
        Object::Policy(_, o) => json(o),
        Object::Provider(_, Provider::Saml(o)) => json(o),
        Object::Provider(_, Provider::Oidc(o)) => json(o),
        Object::Vpc(_, o) => json(o),
        Object::Subnet(_, o) => json(o),
        Object::RouteTable(_, o) => json(o),
        Object::SecurityGroup(_, o) => json(o),
        Object::Interface(_, o) => json(o),
        Object::LoadBalancer(_, o) => json(o),
        Object::Node(_, o) => json(o),
        Object::Session(_, o) => json(o),
        Object::Coverage(o) => json(o),
    }
}

/// Collects a detail; facts without a value are left out.
struct Writer {
    detail: Detail,
    now: Timestamp,
}

impl Writer {
    fn new(title: impl Into<String>, now: Timestamp) -> Self {
        Self { detail: Detail { title: title.into(), sections: Vec::new(), links: Vec::new() }, now }
    }
    fn section(&mut self, heading: &str, body: Body) {
        let empty = match &body {
            Body::Facts(facts) => facts.is_empty(),
            Body::Prose(text) | Body::Code(text) => text.trim().is_empty(),
            Body::Table { rows, .. } => rows.is_empty(),
        };
        if !empty {
            self.detail.sections.push(Section { heading: heading.to_owned(), body });
        }
    }
    fn facts(&mut self, heading: &str, facts: &[(&str, String)]) {
        let kept = facts.iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| ((*label).to_owned(), value.clone()));
        let kept = kept.collect();
        self.section(heading, Body::Facts(kept));
    }
    fn table(&mut self, heading: &str, head: &[&str], rows: Vec<Vec<String>>) {
        self.section(heading, Body::Table { head: head.iter().map(|h| (*h).to_owned()).collect(), rows });
    }
    fn link(&mut self, label: impl Into<String>, listing: ListingId, filter: impl Into<String>) {
        let link = Link::to(label, listing, filter);
        if !self.detail.links.contains(&link) {
            self.detail.links.push(link);
        }
    }
    fn time(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| {
            format!("{} UTC ({} ago)", at.strftime("%Y-%m-%d %H:%M"), text::span(self.now.as_second() - at.as_second()))
        })
    }
    fn account(&mut self, estate: &Estate, id: &str) -> String {
        if id.is_empty() {
            return String::new();
        }
        let label = estate.account_label(id).to_owned();
        self.link(format!("account {label}"), ListingId::Accounts, exactly("id", id));
        if label == id { label } else { format!("{label} ({id})") }
    }
    fn place(&mut self, estate: &Estate, region: &RegionEstate) -> [(&'static str, String); 2] {
        [("account", self.account(estate, &region.account)), ("region", region.region.clone())]
    }
    fn findings_on(&mut self, id: &str) {
        if !id.is_empty() {
            self.link("findings on it", ListingId::Findings, format!("resource:{}", quote(id)));
        }
    }
    fn finish(self) -> Detail {
        self.detail
    }
}

/// Where a resource leads: the listing that shows it, if any does.
pub fn resource_link(resource: &ResourceRef) -> Option<Link> {
    let link = |listing, field, value: &str| {
        Some(Link { label: format!("resource {}", arn::short(&resource.id)), listing, filter: exactly(field, value) })
    };
    if let Ok(arn) = resource.id.parse::<Arn>() {
        return match (arn.service(), arn.resource_type()) {
            ("iam", Some("role" | "user" | "group")) => link(ListingId::Principals, "id", arn.as_str()),
            ("iam", Some("policy")) => link(ListingId::Policies, "id", arn.as_str()),
            ("iam", Some("saml-provider" | "oidc-provider")) => link(ListingId::Providers, "id", arn.as_str()),
            ("iam", _) if arn.resource() == "root" => link(ListingId::Accounts, "id", arn.account()),
            ("ec2", Some("security-group")) => link(ListingId::SecurityGroups, "id", arn.name()),
            ("ec2", Some("vpc")) => link(ListingId::Vpcs, "id", arn.name()),
            ("ec2", Some("subnet")) => link(ListingId::Subnets, "id", arn.name()),
            ("ec2", Some("route-table")) => link(ListingId::RouteTables, "id", arn.name()),
            ("ec2", Some("network-interface")) => link(ListingId::Interfaces, "id", arn.name()),
            ("ec2", Some("instance")) | ("ssm", Some("managed-instance")) => link(ListingId::Nodes, "id", arn.name()),
            ("elasticloadbalancing", _) => link(ListingId::LoadBalancers, "id", arn.as_str()),
            _ => None,
        };
    }
    let id = resource.id.as_str();
    match id.split_once('-').map(|(kind, _)| kind) {
        Some("sg") => link(ListingId::SecurityGroups, "id", id),
        Some("vpc") => link(ListingId::Vpcs, "id", id),
        Some("subnet") => link(ListingId::Subnets, "id", id),
        Some("rtb") => link(ListingId::RouteTables, "id", id),
        Some("eni") => link(ListingId::Interfaces, "id", id),
        Some("i" | "mi") => link(ListingId::Nodes, "id", id),
        _ => match id.strip_prefix("AWS::::Account:") {
            Some(account) => link(ListingId::Accounts, "id", account),
            None if id.starts_with("AKIA") => link(ListingId::AccessKeys, "id", id),
            None => None,
        },
    }
}

/// A finding in full.
pub fn of_finding(finding: &Finding, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(finding.title.clone(), now);
    let account = estate.account(&finding.account);
    if let Some(link) = resource_link(&finding.resource) {
        w.detail.links.push(link);
    }
    let account_name = w.account(estate, &finding.account);
    w.facts(
        "",
        &[
            ("severity", finding.severity.to_string()),
            ("status", finding.status.to_string()),
            ("result", finding.compliance.map_or_else(String::new, |c| c.to_string())),
            ("verdict", finding.verdict.map_or_else(String::new, |v| v.to_string())),
            ("record", finding.record.to_string()),
            ("account", account_name),
            ("environment", account.map_or_else(String::new, |a| decided(a.environment_word(), &a.environment.decided_by))),
            ("owner", account.map_or_else(String::new, |a| decided(a.owner_word(), &a.owner.decided_by))),
            ("region", finding.region.clone()),
            ("resource", finding.resource.id.clone()),
            ("type", finding.resource.kind.clone()),
            ("control", finding.control.clone()),
            ("first seen", w.time(Some(finding.first_seen))),
            ("updated", w.time(Some(finding.updated))),
        ],
    );
    w.section("What is wrong", Body::Prose(finding.description.clone()));
    let remedy = [finding.remediation.as_str(), finding.remediation_url.as_str()];
    w.section("What to do", Body::Prose(remedy.iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join("\n")));
    let sources = std::iter::once(&finding.source).chain(&finding.also);
    w.table("Reported by", &["source", "id"], sources.map(|s| vec![s.name.clone(), s.id.clone()]).collect());
    w.table(
        "Further resources",
        &["type", "resource"],
        finding.others.iter().map(|r| vec![r.kind.clone(), r.id.clone()]).collect(),
    );
    for other in &finding.others {
        w.detail.links.extend(resource_link(other));
    }
    w.section("Types", Body::Prose(finding.types.join("\n")));
    if !finding.control.is_empty() {
        w.link("all of this control", ListingId::Findings, exactly("control", &finding.control));
    }
    if !finding.resource.id.is_empty() {
        w.link("all on this resource", ListingId::Findings, exactly("resource", &finding.resource.id));
    }
    w.finish()
}

fn decided(value: &str, by: &str) -> String {
    if by.is_empty() { value.to_owned() } else { format!("{value} (by {by})") }
}

/// An object in full.
pub fn of_object(object: Object<'_>, estate: &Estate, now: Timestamp) -> Detail {
    match object {
        Object::Account(o) => account(o, estate, now),
        Object::Principal(identity, o) => principal(identity, o, estate, now),
        Object::AccessKey(identity, o) => access_key(identity, o, estate, now),
        Object::Policy(identity, o) => policy(identity, o, estate, now),
        Object::Provider(identity, o) => provider(identity, o, estate, now),
        Object::Vpc(region, o) => vpc(region, o, estate, now),
        Object::Subnet(region, o) => subnet(region, o, estate, now),
        Object::RouteTable(region, o) => route_table(region, o, estate, now),
        Object::SecurityGroup(region, o) => security_group(region, o, estate, now),
        Object::Interface(region, o) => interface(region, o, estate, now),
        Object::LoadBalancer(region, o) => load_balancer(region, o, estate, now),
        Object::Node(region, o) => node(region, o, estate, now),
        Object::Session(region, o) => session(region, o, estate, now),
        Object::Coverage(o) => coverage(o, estate, now),
    }
}

fn tags(tags: &crate::model::account::Tags) -> Body {
    Body::Facts(tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn account(o: &Account, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(o.label(), now);
    w.facts(
        "",
        &[
            ("account", o.id.clone()),
            ("unit", o.ou_path.clone()),
            ("environment", decided(o.environment_word(), &o.environment.decided_by)),
            ("owner", decided(o.owner_word(), &o.owner.decided_by)),
            ("status", o.status.clone()),
            ("e-mail", o.email.clone()),
            ("joined", w.time(o.joined)),
        ],
    );
    w.section("Tags", tags(&o.tags));
    let missing = estate.coverage.iter().filter(|c| c.account == o.id && c.outcome != crate::model::coverage::Outcome::Ok);
    let rows = missing.map(|c| vec![c.outcome.to_string(), c.region.clone(), c.api.clone(), c.reason.clone()]);
    w.table("Not answered", &["outcome", "region", "API", "reason"], rows.collect());
    if let Some(identity) = estate.identity(&o.id) {
        let summary = identity.summary.iter().map(|(key, value)| (key.clone(), value.to_string()));
        w.section("IAM summary", Body::Facts(summary.collect()));
        let policy = identity.password_policy.iter().flatten().map(|(key, value)| (key.clone(), value.to_string()));
        w.section("Password policy", Body::Facts(policy.collect()));
    }
    w.link("open findings", ListingId::Findings, format!("account={} open:yes", o.id));
    w.link("principals", ListingId::Principals, exactly("account", &o.id));
    w.link("VPCs", ListingId::Vpcs, exactly("account", &o.id));
    w.link("nodes", ListingId::Nodes, exactly("account", &o.id));
    w.link("coverage", ListingId::Coverage, exactly("account", &o.id));
    w.finish()
}

fn principal(identity: &Identity, o: Principal<'_>, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.kind(), o.name()), now);
    let account = w.account(estate, &identity.account);
    let used = match o {
        Principal::Role(r) => r.role_last_used.as_ref().map_or_else(
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

fn access_key(identity: &Identity, o: &AccessKey, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("access key {}", o.access_key_id), now);
    let account = w.account(estate, &identity.account);
    w.facts(
        "",
        &[
            ("user", o.user_name.clone()),
            ("account", account),
            ("status", o.status.clone()),
            ("made", w.time(o.create_date)),
            ("last used", if o.last_used_date.is_some() { w.time(o.last_used_date) } else { "never".to_owned() }),
            ("last service", o.last_used_service.clone()),
            ("last region", o.last_used_region.clone()),
        ],
    );
    if let Some(user) = identity.users.iter().find(|u| u.user_name == o.user_name) {
        w.link(format!("user {}", user.user_name), ListingId::Principals, exactly("id", &user.arn));
    }
    w.finish()
}

fn policy(identity: &Identity, o: &ManagedPolicy, estate: &Estate, now: Timestamp) -> Detail {
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

fn provider(identity: &Identity, o: Provider<'_>, estate: &Estate, now: Timestamp) -> Detail {
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
    let trusting = identity.roles.iter().filter(|r| r.assume_role_policy_document.0.contains(o.arn()));
    for role in trusting {
        w.section(&format!("Trusted by role {}", role.role_name), Body::Code(role.assume_role_policy_document.pretty()));
        w.link(format!("role {}", role.role_name), ListingId::Principals, exactly("id", &role.arn));
    }
    w.findings_on(o.arn());
    w.finish()
}

fn vpc(region: &RegionEstate, o: &Vpc, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.vpc_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let n = &region.network;
    let gateways = n.internet_gateways.iter().filter(|g| g.attachments.iter().any(|a| a.vpc_id == o.vpc_id));
    let gateways: Vec<&str> = gateways.map(|g| g.internet_gateway_id.as_str()).collect();
    w.facts("", &[account, place, ("address ranges", o.cidrs().join(", ")), ("internet gateway", gateways.join(", "))]);
    let rows = n.subnets.iter().filter(|s| s.vpc_id == o.vpc_id).map(|s| {
        let public = network::route_table_of(region, s).is_some_and(network::routes_to_internet);
        let word = if public { "public" } else { "private" };
        vec![s.subnet_id.clone(), s.cidr_block.clone(), s.availability_zone.clone(), word.to_owned()]
    });
    w.table("Subnets", &["subnet", "CIDR", "zone", "routes"], rows.collect());
    let rows = n.nat_gateways.iter().filter(|g| g.vpc_id == o.vpc_id);
    w.table(
        "NAT gateways",
        &["gateway", "subnet", "state"],
        rows.map(|g| vec![g.nat_gateway_id.clone(), g.subnet_id.clone(), g.state.clone()]).collect(),
    );
    let of = |p: &Option<crate::model::network::PeerVpc>| {
        p.as_ref().map_or_else(String::new, |v| format!("{} of {}", v.vpc_id, v.owner_id))
    };
    let side = |p: &Option<crate::model::network::PeerVpc>| p.as_ref().is_some_and(|v| v.vpc_id == o.vpc_id);
    let rows = n.peerings.iter().filter(|p| side(&p.requester_vpc_info) || side(&p.accepter_vpc_info)).map(|p| {
        let state = p.status.as_ref().map_or_else(String::new, |s| s.state.clone());
        vec![p.vpc_peering_connection_id.clone(), of(&p.requester_vpc_info), of(&p.accepter_vpc_info), state]
    });
    w.table("Peerings", &["peering", "from", "to", "state"], rows.collect());
    let rows = n.transit_gateway_attachments.iter().filter(|a| a.resource_id == o.vpc_id);
    w.table(
        "Transit gateways",
        &["attachment", "gateway", "state"],
        rows.map(|a| vec![a.transit_gateway_attachment_id.clone(), a.transit_gateway_id.clone(), a.state.clone()]).collect(),
    );
    let rows = n.endpoints.iter().filter(|e| e.vpc_id == o.vpc_id);
    w.table(
        "Endpoints",
        &["endpoint", "type", "service", "state"],
        rows.map(|e| vec![e.vpc_endpoint_id.clone(), e.vpc_endpoint_type.clone(), e.service_name.clone(), e.state.clone()])
            .collect(),
    );
    w.section("Tags", tags(&o.tags));
    let id = &o.vpc_id;
    w.link("subnets", ListingId::Subnets, exactly("vpc", id));
    w.link("route tables", ListingId::RouteTables, exactly("vpc", id));
    w.link("security groups", ListingId::SecurityGroups, exactly("vpc", id));
    w.link("interfaces", ListingId::Interfaces, exactly("vpc", id));
    w.findings_on(id);
    w.finish()
}

fn named(id: &str, tags: &crate::model::account::Tags) -> String {
    tags.get("Name").map_or_else(|| id.to_owned(), |name| format!("{id} {name}"))
}

fn subnet(region: &RegionEstate, o: &Subnet, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.subnet_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let table = network::route_table_of(region, o);
    let acl = region.network.network_acls.iter().find(|a| a.associations.iter().any(|s| s.subnet_id == o.subnet_id));
    w.facts(
        "",
        &[
            account,
            place,
            ("VPC", o.vpc_id.clone()),
            ("CIDR", o.cidr_block.clone()),
            ("zone", o.availability_zone.clone()),
            ("public address at launch", if o.map_public_ip_on_launch { "yes" } else { "no" }.to_owned()),
            ("route table", table.map_or_else(String::new, |t| t.route_table_id.clone())),
            ("network ACL", acl.map_or_else(String::new, |a| a.network_acl_id.clone())),
        ],
    );
    if let Some(table) = table {
        routes(&mut w, table);
        w.link("route table", ListingId::RouteTables, exactly("id", &table.route_table_id));
    }
    if let Some(acl) = acl {
        for (heading, egress) in [("Network ACL, inbound", false), ("Network ACL, outbound", true)] {
            let mut entries: Vec<_> = acl.entries.iter().filter(|e| e.egress == egress).collect();
            entries.sort_by_key(|e| e.rule_number);
            let row = |e: &crate::model::network::AclEntry| {
                let ports = e.port_range.as_ref().map_or_else(String::new, |p| match (p.from, p.to) {
                    (Some(from), Some(to)) if from == to => from.to_string(),
                    (Some(from), Some(to)) => format!("{from}-{to}"),
                    _ => String::new(),
                });
                let peer = if e.cidr_block.is_empty() { &e.ipv6_cidr_block } else { &e.cidr_block };
                let number = e.rule_number.map_or_else(String::new, |n| if n == 32_767 { "*".to_owned() } else { n.to_string() });
                vec![number, e.rule_action.clone(), protocol(&e.protocol), ports, peer.clone()]
            };
            w.table(heading, &["rule", "action", "protocol", "ports", "peer"], entries.into_iter().map(row).collect());
        }
    }
    w.section("Tags", tags(&o.tags));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.link("interfaces", ListingId::Interfaces, exactly("subnet", &o.subnet_id));
    w.findings_on(&o.subnet_id);
    w.finish()
}

fn protocol(number: &str) -> String {
    match number {
        "-1" => "all",
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" => "icmpv6",
        other => other,
    }
    .to_owned()
}

fn routes(w: &mut Writer, table: &RouteTable) {
    let row = |r: &crate::model::network::Route| vec![r.destination().to_owned(), r.target().to_owned(), r.state.clone()];
    w.table("Routes", &["destination", "target", "state"], table.routes.iter().map(row).collect());
}

fn route_table(region: &RegionEstate, o: &RouteTable, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(named(&o.route_table_id, &o.tags), now);
    let [account, place] = w.place(estate, region);
    let served =
        o.associations.iter().map(|a| if a.main { "subnets without a table of their own" } else { a.subnet_id.as_str() });
    w.facts("", &[account, place, ("VPC", o.vpc_id.clone()), ("serves", served.collect::<Vec<_>>().join(", "))]);
    routes(&mut w, o);
    w.section("Tags", tags(&o.tags));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.route_table_id);
    w.finish()
}

fn rules(permissions: &[IpPermission]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for permission in permissions {
        let ports = permission.ports();
        let mut add = |peer: &str, description: &str| rows.push(vec![ports.clone(), peer.to_owned(), description.to_owned()]);
        permission.ip_ranges.iter().for_each(|r| add(&r.cidr_ip, &r.description));
        permission.ipv6_ranges.iter().for_each(|r| add(&r.cidr_ipv6, &r.description));
        permission.prefix_list_ids.iter().for_each(|r| add(&r.prefix_list_id, &r.description));
        permission.user_id_group_pairs.iter().for_each(|r| add(&r.group_id, &r.description));
    }
    rows
}

fn security_group(region: &RegionEstate, o: &SecurityGroup, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.group_id, o.group_name), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("VPC", o.vpc_id.clone()),
            ("description", o.description.clone()),
            ("open to everyone", network::open_ports(o).join(", ")),
        ],
    );
    w.table("Inbound rules", &["ports", "from", "description"], rules(&o.ip_permissions));
    w.table("Outbound rules", &["ports", "to", "description"], rules(&o.ip_permissions_egress));
    let used = region.network.interfaces.iter().filter(|i| i.groups.iter().any(|g| g.group_id == o.group_id));
    let row = |i: &Interface| {
        vec![i.network_interface_id.clone(), i.public_addresses().join(", "), i.instance().to_owned(), i.description.clone()]
    };
    w.table("Carried by", &["interface", "public", "instance", "description"], used.map(row).collect());
    w.section("Tags", tags(&o.tags));
    w.link("findings on it", ListingId::Findings, format!("resource:{}", quote(&o.group_id)));
    w.link("interfaces that carry it", ListingId::Interfaces, exactly("group", &o.group_id));
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.finish()
}

fn interface(region: &RegionEstate, o: &Interface, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} {}", o.network_interface_id, o.description), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("kind", o.interface_type.clone()),
            ("private address", o.private_ip_address.clone()),
            ("public addresses", o.public_addresses().join(", ")),
            ("IPv6 addresses", o.ipv6_addresses.iter().map(|a| a.ipv6_address.as_str()).collect::<Vec<_>>().join(", ")),
            ("instance", o.instance().to_owned()),
            ("subnet", o.subnet_id.clone()),
            ("VPC", o.vpc_id.clone()),
            ("status", o.status.clone()),
            (
                "source/destination check",
                o.source_dest_check.map_or_else(String::new, |on| if on { "on" } else { "off" }.to_owned()),
            ),
        ],
    );
    for group in &o.groups {
        w.link(
            format!("group {} {}", group.group_id, group.group_name),
            ListingId::SecurityGroups,
            exactly("id", &group.group_id),
        );
        if let Some(known) = region.network.security_groups.iter().find(|g| g.group_id == group.group_id) {
            w.table(
                &format!("Lets in, by {} {}", known.group_id, known.group_name),
                &["ports", "from", "description"],
                rules(&known.ip_permissions),
            );
        }
    }
    w.section("Tags", tags(&o.tags));
    if !o.instance().is_empty() {
        w.link(format!("node {}", o.instance()), ListingId::Nodes, exactly("id", o.instance()));
    }
    w.link("subnet", ListingId::Subnets, exactly("id", &o.subnet_id));
    w.findings_on(&o.network_interface_id);
    w.finish()
}

fn load_balancer(region: &RegionEstate, o: &LoadBalancer, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("load balancer {}", o.load_balancer_name), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            account,
            place,
            ("ARN", o.load_balancer_arn.clone()),
            ("scheme", o.scheme.clone()),
            ("kind", o.kind.clone()),
            ("DNS name", o.dns_name.clone()),
            ("VPC", o.vpc_id.clone()),
        ],
    );
    let word = |l: &crate::model::Extra, key: &str| {
        l.get(key).map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
    };
    w.table(
        "Listeners",
        &["protocol", "port", "TLS policy"],
        o.listeners.iter().map(|l| vec![word(l, "Protocol"), word(l, "Port"), word(l, "SslPolicy")]).collect(),
    );
    for group in &o.security_groups {
        w.link(format!("group {group}"), ListingId::SecurityGroups, exactly("id", group));
    }
    w.link("VPC", ListingId::Vpcs, exactly("id", &o.vpc_id));
    w.findings_on(&o.load_balancer_arn);
    w.finish()
}

fn node(region: &RegionEstate, o: &Node, estate: &Estate, now: Timestamp) -> Detail {
    let instance = region.network.instances.iter().find(|i| i.instance_id == o.instance_id);
    let row = nodes::NodeRow { region, account_name: estate.account_label(&region.account), node: o, instance };
    let mut w = Writer::new(format!("{} {}", o.instance_id, row.name()), now);
    let [account, place] = w.place(estate, region);
    let agent = match o.is_latest_version {
        Some(false) => format!("{} (a newer one is out)", o.agent_version),
        _ => o.agent_version.clone(),
    };
    w.facts(
        "",
        &[
            ("ping", o.ping_status.clone()),
            ("last answer", w.time(o.last_ping_date_time)),
            account,
            place,
            ("platform", format!("{} {} {}", o.platform_type, o.platform_name, o.platform_version)),
            ("agent", agent),
            ("address", o.ip_address.clone()),
            ("computer name", o.computer_name.clone()),
            ("role at activation", o.iam_role.clone()),
        ],
    );
    if let Some(instance) = instance {
        let profile = instance.iam_instance_profile.as_ref().map_or("", |p| &p.arn);
        w.facts(
            "Instance",
            &[
                ("state", instance.state().to_owned()),
                ("type", instance.instance_type.clone()),
                ("image", instance.image_id.clone()),
                ("public address", instance.public_ip_address.clone()),
                ("subnet", instance.subnet_id.clone()),
                ("VPC", instance.vpc_id.clone()),
                ("instance profile", profile.to_owned()),
                (
                    "metadata service",
                    instance.metadata_options.as_ref().map_or_else(String::new, |m| format!("tokens {}", m.http_tokens)),
                ),
            ],
        );
        w.section("Tags", tags(&instance.tags));
        let identity = estate.identity(&region.account);
        let role = identity.and_then(|i| {
            i.roles.iter().find(|r| r.instance_profile_list.iter().any(|p| !profile.is_empty() && p.arn == profile))
        });
        if let Some(role) = role {
            w.link(format!("role {}", role.role_name), ListingId::Principals, exactly("id", &role.arn));
        }
        w.link("interfaces", ListingId::Interfaces, exactly("instance", &instance.instance_id));
        w.link("subnet", ListingId::Subnets, exactly("id", &instance.subnet_id));
    }
    w.link("sessions on it", ListingId::Sessions, exactly("node", &o.instance_id));
    w.findings_on(&o.instance_id);
    w.finish()
}

fn session(region: &RegionEstate, o: &Session, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("session {}", o.session_id), now);
    let [account, place] = w.place(estate, region);
    w.facts(
        "",
        &[
            ("status", o.status.clone()),
            ("node", o.target.clone()),
            account,
            place,
            ("who", o.owner.clone()),
            ("reason", o.reason.clone()),
            ("started", w.time(o.start_date)),
            ("ended", w.time(o.end_date)),
            ("document", o.document_name.clone()),
            ("details", o.details.clone()),
        ],
    );
    w.link(format!("node {}", o.target), ListingId::Nodes, exactly("id", &o.target));
    w.finish()
}

fn coverage(o: &Coverage, estate: &Estate, now: Timestamp) -> Detail {
    let mut w = Writer::new(o.api.clone(), now);
    let account = w.account(estate, &o.account);
    w.facts(
        "",
        &[
            ("outcome", o.outcome.to_string()),
            ("account", account),
            ("region", o.region.clone()),
            ("objects", o.count.to_string()),
            ("asked", w.time(Some(o.at))),
        ],
    );
    w.section("Why", Body::Prose(o.reason.clone()));
    w.link("the same API elsewhere", ListingId::Coverage, exactly("api", &o.api));
    w.finish()
}

/// The listings in which something has this id or ARN.
pub fn find(estate: &Estate, id: &str) -> Vec<ListingId> {
    ListingId::ALL.into_iter().filter(|listing| object(estate, *listing, id).is_some()).collect()
}

/// Where an object leads; empty where it is not in the estate.
pub fn links_of(estate: &Estate, listing: ListingId, id: &str) -> Vec<Link> {
    object(estate, listing, id).map_or_else(Vec::new, |o| of_object(o, estate, Timestamp::UNIX_EPOCH).links)
}

/// Where the resource of a finding leads: to itself, then wherever it leads; empty where it is not in the estate.
pub fn links_of_resource(estate: &Estate, resource: &ResourceRef) -> Vec<Link> {
    let Some(link) = resource_link(resource) else { return Vec::new() };
    let id = link.filter.split_once('=').map_or("", |(_, id)| id.trim_matches('"')).to_owned();
    let further = links_of(estate, link.listing, &id);
    if further.is_empty() { Vec::new() } else { std::iter::once(link).chain(further).collect() }
}
