//! One row in full: what a person wants to know of it, where it leads, and the raw document. Shared by the detail
//! pane and `bartizan show`.

pub mod drawing;
mod exposure;
mod gateways;
mod identity;
mod network;
mod session;

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::decided::{self, Decisions};
use crate::catalog::detail::drawing::Drawing;
use crate::catalog::identity::{Principal, Provider, principals};
use crate::catalog::{Column, Listing, ListingId, decisions, nodes};
use crate::listing::filter::{exactly, quote};
use crate::listing::index::{Index, RowId};
use crate::model::account::Account;
use crate::model::arn::{self, Arn, ResourceRef};
use crate::model::coverage::Coverage;
use crate::model::decision::{Entry, Subject, person};
use crate::model::estate::{Estate, RegionEstate};
use crate::model::finding::{Finding, HubEvent};
use crate::model::network::{Endpoint, Instance, Interface, LoadBalancer, NetworkAcl, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::model::node::{Node, Session};
use crate::model::principal::{AccessKey, Identity, ManagedPolicy};
use crate::model::standing::Pipeline;
use crate::text;
use crate::triage::inherit::{self, Origin};
use crate::triage::queues::is_open;
use crate::triage::sla::{self, Due};
use crate::triage::state::{Hold, State};

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
    /// Figures with a bar each; `parts` name the figures of every row.
    Bars { parts: Vec<String>, rows: Vec<(String, Vec<u64>)> },
    /// Rows under headings.
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
    /// A way through the network, place by place.
    Ladder(Vec<Rung>),
    /// Boxes and the arrows between them.
    Graph(Drawing),
}

/// One place on a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rung {
    /// On the way back.
    pub back: bool,
    /// `security groups of interface eni-0a web`
    pub place: String,
    /// The rules, routes or entries that let it through; where it is stopped, why.
    pub rules: Vec<String>,
    pub stops: bool,
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

pub use exposure::{agent_sections, of_exposure, rungs, way_out_sections};
pub use gateways::of_way_out;
pub use session::of_session;

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
    Acl(&'a RegionEstate, &'a NetworkAcl),
    Endpoint(&'a RegionEstate, &'a Endpoint),
    /// A gateway of any kind by its id.
    Gateway(&'a RegionEstate, &'a str),
    /// A peering, attachment or VPN connection by its id.
    Connection(&'a RegionEstate, &'a str),
    Instance(&'a RegionEstate, &'a Instance),
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
        ListingId::Findings
        | ListingId::Queues
        | ListingId::Decisions
        | ListingId::Pipelines
        | ListingId::Exposures
        | ListingId::WaysOut => None,
        ListingId::Accounts => estate.account(id).map(|a| Object::Account(a)),
        ListingId::Principals => estate.identities.iter().find_map(|i| {
            let mut all = principals(i);
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
        ListingId::NetworkAcls => {
            in_regions!(Acl, |r: &'a RegionEstate| &r.network.network_acls, |o: &NetworkAcl| o.network_acl_id.clone())
        }
        ListingId::Endpoints => {
            in_regions!(Endpoint, |r: &'a RegionEstate| &r.network.endpoints, |o: &Endpoint| o.vpc_endpoint_id.clone())
        }
        ListingId::Gateways => {
            let all = || estate.regions.iter().flat_map(|r| super::gateways::gateways(r).into_iter().map(move |g| (r, g)));
            // The owner of a shared one sees most of it.
            let own = |r: &RegionEstate| {
                r.network.transit_gateways.iter().any(|t| t.transit_gateway_id == id && t.owner_id == r.account)
            };
            let found = all().filter(|(_, g)| g.id == id).max_by_key(|(r, _)| own(r));
            found.map(|(r, g)| Object::Gateway(r, g.id))
        }
        ListingId::Connections => {
            let all = || estate.regions.iter().flat_map(|r| super::gateways::connections(r).into_iter().map(move |c| (r, c)));
            let found = all().filter(|(_, c)| c.id == id).max_by_key(|(r, c)| c.owner == r.account);
            found.map(|(r, c)| Object::Connection(r, c.id))
        }
        ListingId::Instances => {
            in_regions!(Instance, |r: &'a RegionEstate| &r.network.instances, |o: &Instance| o.instance_id.clone())
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
        Object::Acl(_, o) => json(o),
        Object::Endpoint(_, o) => json(o),
        Object::Gateway(r, id) => {
            let n = &r.network;
            let gateways = n.internet_gateways.iter().chain(&n.egress_only_gateways).find(|g| g.internet_gateway_id == id);
            let found = gateways.map(json);
            let found = found.or_else(|| n.nat_gateways.iter().find(|g| g.nat_gateway_id == id).map(json));
            let found = found.or_else(|| n.vpn_gateways.iter().find(|g| g.vpn_gateway_id == id).map(json));
            let found = found.or_else(|| n.transit_gateways.iter().find(|g| g.transit_gateway_id == id).map(json));
            found.or_else(|| n.customer_gateways.iter().find(|g| g.customer_gateway_id == id).map(json)).unwrap_or_default()
        }
        Object::Connection(r, id) => {
            let n = &r.network;
            let found = n.peerings.iter().find(|p| p.vpc_peering_connection_id == id).map(json);
            let attached = || n.transit_gateway_attachments.iter().find(|a| a.transit_gateway_attachment_id == id).map(json);
            let found = found.or_else(attached);
            found.or_else(|| n.vpn_connections.iter().find(|v| v.vpn_connection_id == id).map(json)).unwrap_or_default()
        }
        Object::Instance(_, o) => json(o),
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
            Body::Ladder(rungs) => rungs.is_empty(),
            Body::Graph(drawing) => drawing.boxes.is_empty(),
            Body::Bars { rows, .. } => rows.is_empty(),
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
    /// What was decided on a finding, beside what its facts tell.
    fn state(&mut self, state: &State) {
        let hold = |hold: &Hold| {
            let until = hold.until.strftime("%Y-%m-%d %H:%M UTC");
            format!("{} until {until} by {}: {}", hold.kind.word(), person(&hold.by), hold.reason)
        };
        let claim = state.claim.as_ref().map_or_else(String::new, |c| format!("{}, {}", person(&c.by), self.time(Some(c.at))));
        let facts = [
            ("claimed by", claim),
            ("held", state.hold.as_deref().map_or_else(String::new, hold)),
            ("waits for approval", state.pending.as_deref().map_or_else(String::new, hold)),
            (
                "came back",
                state.returned.map_or_else(String::new, |(why, at)| format!("{why:?}, {}", self.time(Some(at))).to_lowercase()),
            ),
            ("resolved", self.time(state.resolved)),
        ];
        self.facts("Decided", &facts);
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
            ("ec2", Some("network-acl")) => link(ListingId::NetworkAcls, "id", arn.name()),
            ("ec2", Some("vpc-endpoint")) => link(ListingId::Endpoints, "id", arn.name()),
            (
                "ec2",
                Some(
                    "internet-gateway"
                    | "egress-only-internet-gateway"
                    | "natgateway"
                    | "vpn-gateway"
                    | "transit-gateway"
                    | "customer-gateway",
                ),
            ) => link(ListingId::Gateways, "id", arn.name()),
            ("ec2", Some("vpc-peering-connection" | "transit-gateway-attachment" | "vpn-connection")) => {
                link(ListingId::Connections, "id", arn.name())
            }
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
        Some("acl") => link(ListingId::NetworkAcls, "id", id),
        Some("vpce") => link(ListingId::Endpoints, "id", id),
        Some("igw" | "eigw" | "nat" | "vgw" | "cgw") => link(ListingId::Gateways, "id", id),
        Some("pcx" | "vpn") => link(ListingId::Connections, "id", id),
        Some("tgw") if id.starts_with("tgw-attach-") => link(ListingId::Connections, "id", id),
        Some("tgw") => link(ListingId::Gateways, "id", id),
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
pub fn of_finding(finding: &Finding, estate: &Estate, decisions: &Decisions, now: Timestamp) -> Detail {
    let mut w = Writer::new(finding.title.clone(), now);
    let account = estate.account(&finding.account);
    let state = decisions.states.finding(finding.key);
    let rule = account.map(|a| &a.owner);
    let owned = inherit::owner(&decisions.states, finding.key, &finding.resource.id, &finding.account, rule);
    let facts = decided::facts(finding, account.map(AsRef::as_ref));
    let due = if is_open(&facts, state) || state.is_some_and(|s| s.due.is_some()) {
        sla::due(&decisions.policy, &facts, state, now)
    } else {
        Due { at: None, explicit: false, paused: false }
    };
    let decided_or = |source: String, decided: Option<String>| match decided {
        Some(decided) if decided != source => format!("{decided} (its source says {source})"),
        _ => source,
    };
    if let Some(link) = resource_link(&finding.resource) {
        w.detail.links.push(link);
    }
    let account_name = w.account(estate, &finding.account);
    w.facts(
        "",
        &[
            ("severity", decided_or(finding.severity.to_string(), state.and_then(|s| s.severity).map(|s| s.to_string()))),
            ("status", decided_or(finding.status.to_string(), state.and_then(|s| s.status).map(|s| s.to_string()))),
            ("result", finding.compliance.map_or_else(String::new, |c| c.to_string())),
            ("verdict", state.and_then(|s| s.verdict).or(finding.verdict).map_or_else(String::new, |v| v.to_string())),
            ("record", finding.record.to_string()),
            ("account", account_name),
            ("environment", account.map_or_else(String::new, |a| decided(a.environment_word(), &a.environment.decided_by))),
            ("owner", decided(owned.word(), &owned_by(&owned.origin))),
            ("assignee", state.and_then(|s| s.assignee.as_deref()).unwrap_or_default().to_owned()),
            ("region", finding.region.clone()),
            ("resource", finding.resource.id.clone()),
            ("type", finding.resource.kind.clone()),
            ("control", finding.control.clone()),
            ("due", due_words(&due, now)),
            ("first seen", w.time(Some(finding.first_seen))),
            ("updated", w.time(Some(finding.updated))),
        ],
    );
    if let Some(state) = state {
        w.state(state);
    }
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

/// The heading of a history.
pub const HISTORY: &str = "History";

/// The ledger's entries on something and, of a finding, what Security Hub tells of it, on one time line, newest first.
pub fn history(entries: &[Entry], hub: &[HubEvent]) -> Section {
    let head = ["at (UTC)", "who", "kind", "content", "reason"].map(str::to_owned).into();
    let at = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    let ours = entries.iter().rev().map(|e| {
        let (who, kind) = (person(&e.actor.arn).to_owned(), e.decision.word().to_owned());
        (e.at, vec![at(e.at), who, kind, decisions::content(&e.decision), e.reason.clone()])
    });
    let theirs = hub.iter().map(|e| {
        let kind = if e.is_triage() { "Security Hub" } else { "reported" };
        (e.at, vec![at(e.at), person(&e.by).to_owned(), kind.to_owned(), happened(e), String::new()])
    });
    let mut rows: Vec<(Timestamp, Vec<String>)> = ours.chain(theirs).collect();
    // Stable: what happened at one moment stays in its source's order.
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Section { heading: HISTORY.into(), body: Body::Table { head, rows: rows.into_iter().map(|(_, row)| row).collect() } }
}

/// What an event of Security Hub's history changed: `Workflow NEW to RESOLVED; …`.
fn happened(event: &HubEvent) -> String {
    // Security Hub writes objects as JSON texts; of one with one member that member says all.
    let short = |value: &str| {
        let object: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(value).ok();
        match object.as_ref().and_then(|o| o.values().next().filter(|_| o.len() == 1)?.as_str()) {
            Some(only) => only.to_owned(),
            None => value.chars().take(200).collect(),
        }
    };
    let change = |c: &crate::model::finding::HubChange| match (c.old.is_empty(), c.new.is_empty()) {
        (true, _) => format!("{} {}", c.field, short(&c.new)),
        (_, true) => format!("{} {} taken away", c.field, short(&c.old)),
        _ => format!("{} {} to {}", c.field, short(&c.old), short(&c.new)),
    };
    let created = event.created.then(|| "created".to_owned());
    created.into_iter().chain(event.changes.iter().map(change)).collect::<Vec<_>>().join("; ")
}

/// An entry of the ledger in full.
pub fn of_entry(entry: &Entry, finding: Option<&str>, now: Timestamp) -> Detail {
    let mut w = Writer::new(format!("{} on {}", entry.decision.word(), entry.subject), now);
    let content = decisions::content(&entry.decision);
    w.facts(
        "",
        &[
            ("entry", entry.sequence.to_string()),
            ("at", w.time(Some(entry.at))),
            ("who", entry.actor.arn.clone()),
            ("from", format!("{}@{}", entry.actor.os_user, entry.actor.host)),
            ("content", if content.contains('\n') { String::new() } else { content.clone() }),
            ("subject", entry.subject.to_string()),
            ("hash", entry.hash.to_string()),
            ("previous", entry.previous.to_string()),
        ],
    );
    w.section("Why", Body::Prose(entry.reason.clone()));
    if content.contains('\n') {
        w.section("Content", Body::Prose(content));
    }
    match &entry.subject {
        Subject::Finding(_) => {
            if let Some(id) = finding {
                w.link("the finding", ListingId::Findings, exactly("id", id));
            }
        }
        Subject::Account(id) => w.link(format!("account {id}"), ListingId::Accounts, exactly("id", id)),
        Subject::Principal(arn) => w.link("the principal", ListingId::Principals, exactly("id", arn)),
        Subject::Resource(id) => w.link("findings on it", ListingId::Findings, exactly("resource", id)),
        Subject::Session(id) => w.link("the session", ListingId::Sessions, exactly("id", id)),
    }
    w.finish()
}

/// What decided an owner, to stand behind "by".
fn owned_by(origin: &Origin<'_>) -> String {
    match origin {
        Origin::Explicit => "a decision on it".into(),
        Origin::Resource => "a decision on its resource".into(),
        Origin::Account => "a decision on its account".into(),
        Origin::Rule(rule) => (*rule).to_owned(),
        Origin::Unowned => String::new(),
    }
}

fn due_words(due: &Due, now: Timestamp) -> String {
    let Some(at) = due.at else { return String::new() };
    let day = at.strftime("%Y-%m-%d %H:%M UTC");
    let seconds = at.as_second() - now.as_second();
    let when = match seconds {
        _ if due.paused => "paused while accepted".to_owned(),
        0.. => format!("in {}", text::span(seconds)),
        _ => format!("{} overdue", text::span(-seconds)),
    };
    format!("{day} ({when}{})", if due.explicit { "" } else { ", by service level" })
}

/// A row that stands for nothing but its fields.
pub fn of_cells(listing: &Listing, index: &Index, row: RowId, now: Timestamp) -> Detail {
    let name = listing.field("name").map(|field| index.cell(row, field));
    let title = name.and_then(|cell| cell.members().next().map(str::to_owned)).unwrap_or_default();
    let mut w = Writer::new(title, now);
    let fact = |column: &Column| {
        let field = listing.schema.get(column.field);
        (field.help, column.show(&index.cell(row, column.field), &field.kind, now))
    };
    w.facts("", &listing.columns.iter().map(fact).collect::<Vec<_>>());
    w.finish()
}

/// A delivery pipeline in full.
pub fn of_pipeline(pipeline: &Pipeline, estate: &Estate, now: Timestamp) -> Detail {
    identity::pipeline(pipeline, estate, now)
}

fn decided(value: &str, by: &str) -> String {
    if by.is_empty() { value.to_owned() } else { format!("{value} (by {by})") }
}

/// An object in full.
pub fn of_object(object: Object<'_>, estate: &Estate, now: Timestamp) -> Detail {
    match object {
        Object::Account(o) => account(o, estate, now),
        Object::Principal(identity, o) => identity::principal(identity, o, estate, now),
        Object::AccessKey(identity, o) => identity::access_key(identity, o, estate, now),
        Object::Policy(identity, o) => identity::policy(identity, o, estate, now),
        Object::Provider(identity, o) => identity::provider(identity, o, estate, now),
        Object::Vpc(region, o) => network::vpc(region, o, estate, now),
        Object::Subnet(region, o) => network::subnet(region, o, estate, now),
        Object::RouteTable(region, o) => network::route_table(region, o, estate, now),
        Object::SecurityGroup(region, o) => network::security_group(region, o, estate, now),
        Object::Interface(region, o) => network::interface(region, o, estate, now),
        Object::LoadBalancer(region, o) => network::load_balancer(region, o, estate, now),
        Object::Acl(region, o) => gateways::acl(region, o, estate, now),
        Object::Endpoint(region, o) => gateways::endpoint(region, o, estate, now),
        Object::Gateway(region, id) => {
            gateways::gateway(region, id, estate, now).unwrap_or_else(|| Writer::new(id, now).finish())
        }
        Object::Connection(region, id) => {
            gateways::connection(region, id, estate, now).unwrap_or_else(|| Writer::new(id, now).finish())
        }
        Object::Instance(region, o) => network::instance(region, o, estate, now),
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

fn node(region: &RegionEstate, o: &Node, estate: &Estate, now: Timestamp) -> Detail {
    let instance = region.network.instances.iter().find(|i| i.instance_id == o.instance_id);
    let mut w = Writer::new(format!("{} {}", o.instance_id, nodes::name_of(o, instance)), now);
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
    session::remembered(&mut w, region, o, estate);
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
    if further.is_empty() && link.listing == ListingId::Nodes {
        // An instance that Session Manager does not know is an instance all the same.
        let further = links_of(estate, ListingId::Instances, &id);
        let link = Link { listing: ListingId::Instances, ..link };
        return if further.is_empty() { Vec::new() } else { std::iter::once(link).chain(further).collect() };
    }
    if further.is_empty() { Vec::new() } else { std::iter::once(link).chain(further).collect() }
}
