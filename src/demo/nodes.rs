//! Managed nodes and the sessions on them.

use jiff::Timestamp;

use crate::demo::accounts::{REGIONS, SEATS, by_name, hours, seconds};
use crate::demo::random::{Random, id, label};
use crate::model::estate::Estate;
use crate::model::network::Instance;
use crate::model::node::{Node, Session};

/// Nodes in the whole organisation: machines of EC2, and a few elsewhere.
const ON_EC2: usize = 55;
const HYBRID: [(&str, usize, &str); 5] = [
    ("warehouse-prod", 1, "scanner-gate-a"),
    ("warehouse-prod", 1, "scanner-gate-b"),
    ("warehouse-prod", 1, "label-printer"),
    ("shared-services", 0, "office-dc-1"),
    ("shared-services", 0, "office-dc-2"),
];

const PEOPLE: [&str; 8] =
    ["jo.tanaka", "mira.koval", "ines.aalto", "tomas.brandt", "ravi.menon", "lena.ostrow", "noor.haddad", "olu.adeyemi"];
const REASONS: [&str; 10] = [
    "INC-2041 payments latency",
    "CHG-884 rotate log shipper certificate",
    "INC-2057 disk full on worker",
    "look at stuck queue consumers",
    "CHG-902 kernel update",
    "INC-2063 failed health checks",
    "collect evidence for finding on security group",
    "debug slow queries, read only",
    "CHG-910 agent upgrade",
    "",
];

/// Where a node stands and what it is called, to act on it later.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) instance: String,
}

fn node(now: Timestamp, id: &str, name: &str, address: &str, windows: bool) -> Node {
    let mut random = Random::of(id);
    let lost = random.chance(9);
    let old = random.chance(28);
    let ping = if lost { 3600 * (2 + random.below(400)) } else { 5 + random.below(280) };
    let (platform, name_of, version) = match (windows, random.below(3)) {
        (true, _) => ("Windows", "Microsoft Windows Server 2022 Datacenter", "10.0.20348"),
        (_, 0) => ("Linux", "Ubuntu", "22.04"),
        (_, 1) => ("Linux", "Amazon Linux", "2"),
        _ => ("Linux", "Amazon Linux", "2023"),
    };
    Node {
        instance_id: id.to_owned(),
        ping_status: if lost { "ConnectionLost" } else { "Online" }.to_owned(),
        last_ping_date_time: Some(seconds(now, ping as u64)),
        agent_version: if old { random.pick(&["3.1.1732.0", "2.3.978.0", "3.2.582.0"]) } else { "3.3.1611.0" }.to_owned(),
        is_latest_version: Some(!old),
        platform_type: platform.to_owned(),
        platform_name: name_of.to_owned(),
        platform_version: version.to_owned(),
        resource_type: if id.starts_with("mi-") { "ManagedInstance" } else { "EC2Instance" }.to_owned(),
        ip_address: address.to_owned(),
        computer_name: format!("{name}.acme.example"),
        ..Node::default()
    }
}

/// Puts nodes and sessions into the estate; returns the nodes' posts in a settled order.
pub(super) fn add(estate: &mut Estate, now: Timestamp) -> Vec<Post> {
    let sandboxes: Vec<&str> = SEATS.iter().filter(|s| s.unit == "Sandbox").map(|s| s.id).collect();
    let ready = |i: &&Instance| i.state() == "running" && i.iam_instance_profile.is_some();
    let mut chosen: Vec<(Post, Node)> = (estate.regions.iter())
        .filter(|r| !sandboxes.contains(&r.account.as_str()))
        .flat_map(|r| r.network.instances.iter().filter(ready).map(move |i| (r, i)))
        .map(|(r, i)| {
            let post = Post { account: r.account.clone(), region: r.region.clone(), instance: i.instance_id.clone() };
            (post, node(now, &i.instance_id, i.name(), &i.private_ip_address, i.platform_details == "Windows"))
        })
        .collect();
    chosen.sort_by_key(|(post, _)| label(&post.instance));
    chosen.truncate(ON_EC2);
    for (n, (account, region, name)) in HYBRID.into_iter().enumerate() {
        let machine = id("mi", name);
        let post = Post {
            account: SEATS[by_name(account)].id.to_owned(),
            region: REGIONS[region].to_owned(),
            instance: machine.clone(),
        };
        let mut node = node(now, &machine, name, &format!("192.168.40.{}", 10 + n), name.starts_with("office"));
        node.name = name.to_owned();
        node.iam_role = "AmazonSSMHybridRole".to_owned();
        chosen.push((post, node));
    }
    let mut posts = Vec::with_capacity(chosen.len());
    for (n, (post, node)) in chosen.into_iter().enumerate() {
        let online = node.ping_status == "Online";
        let region = estate.region_mut(&post.account, &post.region);
        region.nodes.push(node);
        // Sessions may not be listed there (see coverage).
        if post.account != SEATS[by_name("warehouse-prod")].id {
            if online && n % 8 == 0 {
                region.sessions.push(session(&post, n as u64, seconds(now, 240 + n as u64 * 97), None));
            }
            for past in 0..Random::of(&post.instance).below(3) as u64 {
                let at = 3 + past * 31 + n as u64 * 5;
                let ended = hours(now, at);
                region.sessions.push(session(&post, n as u64 * 7 + past + 1000, seconds(ended, 300 + at * 11), Some(ended)));
            }
        }
        posts.push(post);
    }
    posts
}

/// A session on a node; `end` none while it runs.
pub(super) fn session(post: &Post, n: u64, start: Timestamp, end: Option<Timestamp>) -> Session {
    let mut random = Random::of(&format!("{}{n}", post.instance));
    let person = random.pick(&PEOPLE);
    let document = random.pick(&["SSM-SessionManagerRunShell", "SSM-SessionManagerRunShell", "AWS-StartPortForwardingSession"]);
    let role = format!("AWSReservedSSO_Developer_{:016x}", label("Developer"));
    Session {
        session_id: format!("{person}-0{:016x}", random.next()),
        target: post.instance.clone(),
        status: if end.is_some() { "Terminated" } else { "Connected" }.to_owned(),
        start_date: Some(start),
        end_date: end,
        document_name: document.to_owned(),
        owner: format!("arn:aws:sts::{}:assumed-role/{role}/{person}", post.account),
        reason: random.pick(&REASONS).to_owned(),
        ..Session::default()
    }
}
