//! The listings of managed nodes and of instances whether managed or not.

use std::collections::{BTreeSet, HashMap};

use crate::catalog::{Facts, ListingId, Names, Spec, Subject, Value, spec};
use crate::listing::filter;
use crate::listing::query::{Cancel, unordered};
use crate::listing::schema::Kind;
use crate::listing::segment::Cell;
use crate::model::estate::RegionEstate;
use crate::model::finding::Severity;
use crate::model::network::Instance;
use crate::model::node::Node;
use crate::network::egress::Agent;
use crate::network::net::Object;
use crate::network::picture::Picture;

pub struct Nodes;

/// A managed node with its instance, where it is one.
pub struct NodeRow<'a> {
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
    pub node: &'a Node,
    pub instance: Option<&'a Instance>,
    pub risk: Risk,
}

/// What people call a node: the instance's Name tag, the activation's name, the computer's name.
pub fn name_of<'a>(node: &'a Node, instance: Option<&'a Instance>) -> &'a str {
    let names = [instance.map_or("", |i| i.name()), &node.name, &node.computer_name];
    names.into_iter().find(|n| !n.is_empty()).unwrap_or_default()
}

/// What gets to a machine from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exposed {
    /// The network engine has not said, or cannot: the machine's network was not collected, or is not AWS's.
    #[default]
    Unknown,
    Nothing,
    /// Something, the worst of it this bad.
    By(Severity),
}

/// Words of [`Exposed`], where there is something.
const EXPOSED: &[&str] = &["unknown", "informational", "low", "medium", "high", "critical"];

/// What is known against a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Risk {
    pub exposed: Exposed,
    /// What gets in, and from where.
    pub ways: BTreeSet<String>,
    /// Open findings on it and the worst of them; none while there are no findings at all.
    pub findings: Option<(usize, Option<Severity>)>,
}

/// What is known against all machines, by instance id.
struct Risks<'a> {
    picture: Option<&'a Picture>,
    ways: HashMap<&'a str, (Severity, BTreeSet<String>)>,
    findings: Option<HashMap<String, (usize, Severity)>>,
}

impl<'a> Risks<'a> {
    fn of(facts: &'a Facts) -> Self {
        let picture = facts.network.as_deref();
        let mut ways: HashMap<&str, (Severity, BTreeSet<String>)> = HashMap::new();
        for exposure in picture.iter().flat_map(|p| p.exposures.iter().map(move |e| (p, e))) {
            let (picture, exposure) = exposure;
            let Some(instance) = picture.net.interfaces[exposure.interface].instance else { continue };
            let known = ways.entry(&picture.net.instances[instance].id).or_insert((exposure.severity, BTreeSet::new()));
            known.0 = known.0.max(exposure.severity);
            known.1.insert(format!("{} from {}", exposure.service(), exposure.source));
        }
        Self { picture, ways, findings: findings_on_machines(facts) }
    }

    fn on(&self, id: &str) -> Risk {
        let seen = self.picture.is_some_and(|p| matches!(p.net.object(id), Some(Object::Instance(_))));
        let (exposed, ways) = match self.ways.get(id) {
            Some((severity, ways)) => (Exposed::By(*severity), ways.clone()),
            None if seen => (Exposed::Nothing, BTreeSet::new()),
            None => (Exposed::Unknown, BTreeSet::new()),
        };
        let findings = self.findings.as_ref().map(|all| all.get(id).map_or((0, None), |(n, worst)| (*n, Some(*worst))));
        Risk { exposed, ways, findings }
    }
}

/// The instance, or the machine elsewhere, that a finding's resource names by its ARN or id; anything else as it is.
pub fn machine_of(resource: &str) -> &str {
    match resource.rsplit_once('/') {
        Some((_, name)) if resource.contains(":instance/") || resource.contains(":managed-instance/") => name,
        _ => resource,
    }
}

/// Open findings on machines and the worst of them, by instance id; none while there are no findings at all.
fn findings_on_machines(facts: &Facts) -> Option<HashMap<String, (usize, Severity)>> {
    let findings = &facts.findings;
    if findings.rows() == 0 {
        return None;
    }
    let mut all: HashMap<String, (usize, Severity)> = HashMap::new();
    let (schema, now) = (&ListingId::Findings.get().schema, facts.now.as_second());
    let open = filter::parse("open:yes (resource:instance/ or resource:i-* or resource:mi-*)", schema, now).ok()?;
    let (resource, severity) = (schema.field("resource")?, schema.field("severity")?);
    for row in unordered(findings, &open, now, &Cancel::new())? {
        let Cell::Text(about) = findings.cell(row, resource) else { continue };
        let Cell::Rank(rank, _) = findings.cell(row, severity) else { continue };
        let Some(severity) = Severity::ALL.get(usize::from(rank)).copied() else { continue };
        let machine = machine_of(&about);
        match all.get_mut(machine) {
            Some(known) => *known = (known.0 + 1, known.1.max(severity)),
            None => _ = all.insert(machine.to_owned(), (1, severity)),
        }
    }
    Some(all)
}

impl Subject for Nodes {
    type Row<'a> = NodeRow<'a>;
    const NAMES: Names = Names { name: "nodes", title: "Nodes", one: "node", many: "nodes" };
    const SORT: &'static str = "account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "ping", "exposure", "platform", "region"];
    const EMPTY: &'static str = "No managed nodes. A machine appears here when the SSM agent runs on it, its role allows it \
                                 to register, and it reaches the ssm and ssmmessages endpoints.";

    fn specs<'a>() -> Vec<Spec<NodeRow<'a>>> {
        let spec = spec::<NodeRow<'a>>;
        vec![
            spec("id", "NODE", Kind::Text, 19, "The instance id, or mi-… of a hybrid machine", |r| {
                Value::text(&*r.node.instance_id)
            }),
            spec("name", "NAME", Kind::Text, 18, "The machine's name", |r| Value::text(name_of(r.node, r.instance))).grow(),
            spec("ping", "PING", Kind::Keyword, 14, "Online, ConnectionLost or Inactive", |r| Value::text(&*r.node.ping_status)),
            spec(
                "exposure",
                "EXPOSURE",
                Kind::Rank(EXPOSED),
                9,
                "The worst way in from outside; unknown until the network is judged, and for machines outside AWS",
                |r| match r.risk.exposed {
                    Exposed::Unknown => Value::Rank(0),
                    Exposed::Nothing => Value::None,
                    Exposed::By(severity) => Value::Rank(severity.rank() + 1),
                },
            )
            .absent("none"),
            spec(
                "findings",
                "FINDINGS",
                Kind::Number,
                8,
                "Open findings on it; unknown while there are no findings at all",
                |r| r.risk.findings.map_or(Value::None, |(open, _)| Value::number(open)),
            )
            .absent("unknown"),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)),
            spec("platform", "PLATFORM", Kind::Keyword, 16, "Operating system", |r| {
                let name = if r.node.platform_name.is_empty() { &r.node.platform_type } else { &r.node.platform_name };
                Value::text(format!("{name} {}", r.node.platform_version).trim().to_owned())
            }),
            spec("agent", "AGENT", Kind::Keyword, 11, "Version of the SSM agent", |r| Value::text(&*r.node.agent_version)),
            spec("seen", "SEEN", Kind::Age, 5, "How long since the agent last answered", |r| {
                Value::time(r.node.last_ping_date_time)
            }),
            spec("subnet", "SUBNET", Kind::Keyword, 24, "The subnet it stands in", |r| {
                Value::text(r.instance.map_or("", |i| &i.subnet_id))
            }),
            spec("worst", "WORST", Kind::Rank(Severity::WORDS), 13, "The worst open finding on it", |r| {
                r.risk.findings.and_then(|(_, worst)| worst).map_or(Value::None, |worst| Value::Rank(worst.rank()))
            })
            .hidden(),
            spec("ways", "REACHED ON", Kind::Set, 24, "What gets in from outside, and from where", |r| {
                Value::set(r.risk.ways.iter().map(String::as_str))
            })
            .hidden(),
            spec("address", "ADDRESS", Kind::Text, 15, "Private address", |r| Value::text(&*r.node.ip_address)).hidden(),
            spec("latest", "LATEST", super::YES_NO, 6, "Whether the agent is the newest", |r| {
                r.node.is_latest_version.map_or(Value::None, Value::flag)
            })
            .hidden(),
            spec("state", "STATE", Kind::Keyword, 9, "The instance's state", |r| {
                Value::text(r.instance.map_or("", |i| i.state()))
            })
            .hidden(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(r.instance.map_or("", |i| &i.vpc_id)))
                .hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &NodeRow<'a>)) {
        if facts.estate.regions.iter().all(|r| r.nodes.is_empty()) {
            return;
        }
        let risks = Risks::of(facts);
        for region in &facts.estate.regions {
            let account_name = facts.estate.account_label(&region.account);
            for node in &region.nodes {
                let instance = region.network.instances.iter().find(|i| i.instance_id == node.instance_id);
                let risk = risks.on(&node.instance_id);
                each(&node.instance_id, &NodeRow { region, account_name, node, instance, risk });
            }
        }
    }
}

pub struct Instances;

/// An EC2 instance, whether Session Manager knows it or not.
pub struct InstanceRow<'a> {
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
    pub instance: &'a Instance,
    pub node: Option<&'a Node>,
    /// Whether its agent gets to Session Manager; none until the network engine has said.
    pub agent: Option<Agent>,
}

impl Subject for Instances {
    type Row<'a> = InstanceRow<'a>;
    const NAMES: Names = Names { name: "instances", title: "Instances", one: "instance", many: "instances" };
    const SORT: &'static str = "way,account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "ping", "way", "state", "region", "vpc"];
    const EMPTY: &'static str = "No EC2 instances. EC2 may not be readable in these regions: press ! for what was refused.";

    fn specs<'a>() -> Vec<Spec<InstanceRow<'a>>> {
        let spec = spec::<InstanceRow<'a>>;
        vec![
            spec("id", "INSTANCE", Kind::Text, 19, "The instance's id", |r| Value::text(&*r.instance.instance_id)),
            spec("name", "NAME", Kind::Text, 18, "Its Name tag", |r| Value::text(r.instance.name())).grow(),
            spec("state", "STATE", Kind::Keyword, 8, "running, stopped, …", |r| Value::text(r.instance.state())),
            spec("ping", "SSM", Kind::Keyword, 14, "What Session Manager says of it: Online, ConnectionLost, Inactive", |r| {
                r.node.map_or(Value::None, |n| Value::text(&*n.ping_status))
            })
            .absent("not managed"),
            spec("way", "WAY", Kind::Rank(WAYS), 7, "Whether the network lets its agent get to Session Manager", |r| {
                r.agent.as_ref().map_or(Value::None, |a| Value::Rank(a.verdict as u8))
            }),
            spec("by", "BY", Kind::Set, 14, "By which endpoints, or over the internet", |r| {
                r.agent.as_ref().map_or(Value::None, |a| Value::set(a.by.clone()))
            }),
            spec("why", "STOPPED AT", Kind::Text, 24, "What stops its agent first, or what is not known", |r| {
                r.agent.as_ref().map_or(Value::None, |a| Value::text(a.why.clone()))
            })
            .grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)).hidden(),
            spec("address", "PRIVATE", Kind::Text, 15, "Private address", |r| Value::text(&*r.instance.private_ip_address))
                .hidden(),
            spec("public", "PUBLIC", Kind::Text, 15, "Public address", |r| Value::text(&*r.instance.public_ip_address)).hidden(),
            spec("profile", "PROFILE", Kind::Text, 20, "Its instance profile", |r| {
                let arn = r.instance.iam_instance_profile.as_ref().map_or("", |p| p.arn.as_str());
                Value::text(crate::model::arn::short(arn))
            })
            .hidden(),
            spec("type", "TYPE", Kind::Keyword, 11, "The instance type", |r| Value::text(&*r.instance.instance_type)).hidden(),
            spec("subnet", "SUBNET", Kind::Keyword, 24, "The subnet it stands in", |r| Value::text(&*r.instance.subnet_id))
                .hidden(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| Value::text(&*r.instance.vpc_id)).hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| {
                Value::set(r.instance.tags.iter().map(|(key, value)| format!("{key}={value}")))
            })
            .hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &InstanceRow<'a>)) {
        let agent = |id: &str| {
            let picture = facts.network.as_ref()?;
            match picture.net.object(id)? {
                Object::Instance(i) => picture.agents.get(i)?.clone(),
                _ => None,
            }
        };
        for region in &facts.estate.regions {
            let account_name = facts.estate.account_label(&region.account);
            let nodes: HashMap<&str, &Node> = region.nodes.iter().map(|n| (n.instance_id.as_str(), n)).collect();
            for instance in region.network.instances.iter().filter(|i| i.state() != "terminated") {
                let id = instance.instance_id.as_str();
                let row = InstanceRow { region, account_name, instance, node: nodes.get(id).copied(), agent: agent(id) };
                each(id, &row);
            }
        }
    }
}

/// Words of [`Verdict`](crate::network::reach::Verdict), in its order.
const WAYS: &[&str] = &["closed", "unknown", "open"];
