//! The listings of managed nodes and of sessions on them.

use crate::catalog::{Facts, Names, Spec, Subject, Value, spec};
use crate::listing::schema::Kind;
use crate::model::estate::RegionEstate;
use crate::model::network::Instance;
use crate::model::node::{Node, Session};

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
