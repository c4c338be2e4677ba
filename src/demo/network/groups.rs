//! Security groups: what each VPC's parts let in, and the mistakes among them.

use crate::demo::accounts::{REGIONS, tags};
use crate::demo::network::{Ground, Mistake, Stock, Yard};
use crate::demo::random::id;
use crate::model::network::{GroupPair, IpPermission, IpRange, Ipv6Range, PrefixListRef, SecurityGroup};

/// Whom a rule lets in.
enum Peer<'a> {
    World,
    World6,
    Cidr(&'a str),
    /// A group of the same VPC, by its id.
    Group(&'a str),
    List(&'a str),
}

fn permission(protocol: &str, ports: Option<(i64, i64)>, peers: &[Peer<'_>], why: &str, owner: &str) -> IpPermission {
    let mut made = IpPermission {
        ip_protocol: protocol.to_owned(),
        from_port: ports.map(|p| p.0),
        to_port: ports.map(|p| p.1),
        ..IpPermission::default()
    };
    let why = why.to_owned();
    for peer in peers {
        match peer {
            Peer::World => made.ip_ranges.push(range("0.0.0.0/0", &why)),
            Peer::Cidr(cidr) => made.ip_ranges.push(range(cidr, &why)),
            Peer::World6 => made.ipv6_ranges.push(Ipv6Range {
                cidr_ipv6: "::/0".to_owned(),
                description: why.clone(),
                ..Ipv6Range::default()
            }),
            Peer::Group(group) => made.user_id_group_pairs.push(GroupPair {
                group_id: (*group).to_owned(),
                user_id: owner.to_owned(),
                description: why.clone(),
                ..GroupPair::default()
            }),
            Peer::List(list) => made.prefix_list_ids.push(PrefixListRef {
                prefix_list_id: (*list).to_owned(),
                description: why.clone(),
                ..PrefixListRef::default()
            }),
        }
    }
    made
}

fn range(cidr: &str, why: &str) -> IpRange {
    IpRange { cidr_ip: cidr.to_owned(), description: why.to_owned(), ..IpRange::default() }
}

/// The customer-managed prefix list of offices in a region.
pub(super) fn office_list(region: usize) -> String {
    id("pl", &format!("offices/{}", REGIONS[region]))
}

/// Adds the VPC's groups, and notes their ids by purpose.
pub(super) fn add(ground: &mut Ground, yard: &mut Yard) {
    let has = |mistake: Mistake| yard.site.mistakes.contains(&mistake);
    let owner = yard.owner();
    let tcp = |port: i64, peers: &[Peer<'_>], why: &str| permission("tcp", Some((port, port)), peers, why, &owner);
    let mut made: Vec<(&'static str, &str, Vec<IpPermission>)> = Vec::new();
    let gid = |purpose: &str| yard.id("sg", purpose);

    let default = gid("default");
    let stock = has(Mistake::StockDefault);
    let own = if stock { vec![permission("-1", None, &[Peer::Group(&default)], "", &owner)] } else { Vec::new() };
    made.push(("default", "default VPC security group", own));
    let (edge, app, bastion) = (gid("edge"), gid("app"), gid("bastion"));
    if yard.site.layout != Stock {
        let office = office_list(yard.site.region);
        if !yard.public.is_empty() {
            let mut web = vec![tcp(443, &[Peer::World], "customers"), tcp(80, &[Peer::World], "redirect to 443")];
            if !yard.v6.is_empty() {
                web[0].ipv6_ranges.push(Ipv6Range {
                    cidr_ipv6: "::/0".into(),
                    description: "customers".into(),
                    ..Ipv6Range::default()
                });
            }
            if has(Mistake::Ssh) {
                web.push(tcp(22, &[Peer::World], "temporary, remove after migration"));
            }
            made.push(("edge", "Load balancers and edge hosts", web));
            let from = tcp(22, &[Peer::List(&office)], "offices");
            made.push(("bastion", "Jump hosts", vec![from]));
        }
        let mut inner = vec![permission("tcp", Some((8080, 8089)), &[Peer::Group(&edge)], "from the load balancer", &owner)];
        if yard.public.is_empty() {
            inner = vec![permission("tcp", Some((8080, 8089)), &[Peer::Cidr("10.0.0.0/8")], "inside", &owner)];
        } else {
            inner.push(tcp(22, &[Peer::Group(&bastion)], "from jump hosts"));
        }
        made.push(("app", "Application machines", inner));
        let mut store = vec![tcp(5432, &[Peer::Group(&app)], "from the application")];
        if has(Mistake::Stale) {
            // A group that went with a peering; AWS leaves the reference behind.
            let gone = gid("deleted");
            let mut stale = tcp(5432, &[], "");
            stale.user_id_group_pairs.push(GroupPair {
                group_id: gone,
                user_id: owner.clone(),
                vpc_id: yard.id("vpc", "deleted-peer"),
                vpc_peering_connection_id: yard.id("pcx", "deleted"),
                peering_status: "deleted".to_owned(),
                description: "reporting".to_owned(),
                ..GroupPair::default()
            });
            store.push(stale);
        }
        made.push(("db", "Databases", store));
        made.push(("endpoints", "Interface endpoints", vec![tcp(443, &[Peer::Cidr(&yard.cidr)], "this VPC")]));
        made.push(("unused", "Kept for a rollback in spring", vec![tcp(9200, &[Peer::Cidr("10.0.0.0/8")], "search")]));
    } else if has(Mistake::Ssh) {
        made.push(("edge", "launch-wizard-1 created by the console", vec![tcp(22, &[Peer::World], "")]));
    }
    if has(Mistake::Rdp) {
        made.push(("rdp-temp", "Remote desktop for the contractor", vec![tcp(3389, &[Peer::World], "contractor, ask Mira")]));
    }
    if has(Mistake::Postgres) {
        made.push(("db-migration", "Database migration", vec![tcp(5432, &[Peer::World], "migration tool")]));
    }
    if has(Mistake::All) {
        made.push(("debug-all", "Debugging", vec![permission("-1", None, &[Peer::World], "debugging, do not merge", &owner)]));
    }
    if has(Mistake::SshV6) {
        made.push(("ipv6-ssh", "IPv6 rollout", vec![tcp(22, &[Peer::World6], "IPv6 test")]));
    }
    let everywhere = permission("-1", None, &[Peer::World], "", &owner);
    let made: Vec<_> =
        made.into_iter().map(|(purpose, description, rules)| (purpose, gid(purpose), description, rules)).collect();
    for (purpose, group_id, description, rules) in made {
        let group = SecurityGroup {
            group_id: group_id.clone(),
            group_name: if purpose == "default" { purpose.to_owned() } else { yard.name(purpose) },
            description: description.to_owned(),
            vpc_id: yard.vpc.clone(),
            owner_id: owner.clone(),
            ip_permissions: rules,
            ip_permissions_egress: if purpose == "default" && !stock { Vec::new() } else { vec![everywhere.clone()] },
            tags: if purpose == "default" { tags(&[]) } else { tags(&[("Name", &yard.name(purpose))]) },
            ..SecurityGroup::default()
        };
        ground.networks.entry((yard.account, yard.site.region)).or_default().security_groups.push(group);
        yard.groups.insert(purpose, group_id);
    }
}
