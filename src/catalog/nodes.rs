//! The listings of managed nodes, of instances whether managed or not, and of sessions on them.

use std::collections::HashMap;

use crate::catalog::{Facts, Names, Spec, Subject, Value, spec};
use crate::listing::schema::Kind;
use crate::model::estate::RegionEstate;
use crate::model::network::Instance;
use crate::model::node::{Node, Session};
use crate::network::egress::Agent;
use crate::network::net::Object;

pub struct Nodes;

/// A managed node with its instance, where it is one.
pub struct NodeRow<'a> {
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
    pub node: &'a Node,
    pub instance: Option<&'a Instance>,
}

impl NodeRow<'_> {
    /// What people call it: the instance's Name tag, the activation's name, the computer's name.
    pub fn name(&self) -> &str {
        let names = [self.instance.map_or("", |i| i.name()), &self.node.name, &self.node.computer_name];
        names.into_iter().find(|n| !n.is_empty()).unwrap_or_default()
    }
}

impl Subject for Nodes {
    type Row<'a> = NodeRow<'a>;
    const NAMES: Names = Names { name: "nodes", title: "Nodes", one: "node", many: "nodes" };
    const SORT: &'static str = "account_name,name";
    const GROUPS: &'static [&'static str] = &["account_name", "ping", "platform", "region"];
    const EMPTY: &'static str = "No managed nodes. A machine appears here when the SSM agent runs on it, its role allows it \
                                 to register, and it reaches the ssm and ssmmessages endpoints.";

    fn specs<'a>() -> Vec<Spec<NodeRow<'a>>> {
        let spec = spec::<NodeRow<'a>>;
        vec![
            spec("id", "NODE", Kind::Text, 19, "The instance id, or mi-… of a hybrid machine", |r| {
                Value::text(&*r.node.instance_id)
            }),
            spec("name", "NAME", Kind::Text, 18, "The machine's name", |r| Value::text(r.name())).grow(),
            spec("ping", "PING", Kind::Keyword, 14, "Online, ConnectionLost or Inactive", |r| Value::text(&*r.node.ping_status)),
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
            spec("address", "ADDRESS", Kind::Text, 15, "Private address", |r| Value::text(&*r.node.ip_address)).hidden(),
            spec("latest", "LATEST", super::YES_NO, 6, "Whether the agent is the newest", |r| {
                r.node.is_latest_version.map_or(Value::None, Value::flag)
            })
            .hidden(),
            spec("state", "STATE", Kind::Keyword, 9, "The instance's state", |r| {
                Value::text(r.instance.map_or("", |i| i.state()))
            })
            .hidden(),
            spec("subnet", "SUBNET", Kind::Keyword, 24, "The subnet it stands in", |r| {
                Value::text(r.instance.map_or("", |i| &i.subnet_id))
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
        for region in &facts.estate.regions {
            let account_name = facts.estate.account_label(&region.account);
            for node in &region.nodes {
                let instance = region.network.instances.iter().find(|i| i.instance_id == node.instance_id);
                each(&node.instance_id, &NodeRow { region, account_name, node, instance });
            }
        }
    }
}

pub struct Sessions;

pub struct SessionRow<'a> {
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
    pub session: &'a Session,
}

impl Subject for Sessions {
    type Row<'a> = SessionRow<'a>;
    const NAMES: Names = Names { name: "sessions", title: "Sessions", one: "session", many: "sessions" };
    const SORT: &'static str = "started";
    const GROUPS: &'static [&'static str] = &["who", "account_name", "status", "node"];
    const EMPTY: &'static str = "No sessions in what AWS still remembers (30 days).";

    fn specs<'a>() -> Vec<Spec<SessionRow<'a>>> {
        let spec = spec::<SessionRow<'a>>;
        vec![
            spec("id", "SESSION", Kind::Text, 22, "The session's id", |r| Value::text(&*r.session.session_id)),
            spec("status", "STATUS", Kind::Keyword, 12, "Connected, Terminated, …", |r| Value::text(&*r.session.status)),
            spec("started", "STARTED", Kind::Age, 7, "How long since it began", |r| Value::time(r.session.start_date)),
            spec("who", "WHO", Kind::Keyword, 20, "The ARN of who opened it", |r| Value::text(&*r.session.owner)),
            spec("node", "NODE", Kind::Keyword, 19, "The node it runs on", |r| Value::text(&*r.session.target)),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)).hidden(),
            spec("reason", "REASON", Kind::Text, 20, "Why it was opened", |r| Value::text(&*r.session.reason)).grow(),
            spec("document", "DOCUMENT", Kind::Keyword, 24, "The session document", |r| Value::text(&*r.session.document_name))
                .hidden(),
            spec("ended", "ENDED", Kind::Time, 16, "When it ended (UTC)", |r| Value::time(r.session.end_date)).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &SessionRow<'a>)) {
        for region in &facts.estate.regions {
            let account_name = facts.estate.account_label(&region.account);
            for session in &region.sessions {
                each(&session.session_id, &SessionRow { region, account_name, session });
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
