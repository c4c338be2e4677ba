//! The organisation's networks: thirty VPCs with their subnets. Gateways and routes, network ACLs, security groups,
//! machines and what joins VPCs have files of their own. Public addresses are from the documentation ranges (RFC 5737,
//! 3849).

mod acls;
mod between;
mod gateways;
mod groups;
mod machines;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::demo::accounts::{REGIONS, SEATS, by_name, tags};
use crate::demo::random::id;
use crate::model::Extra;
use crate::model::network::{CidrAssociation, GroupRef, Interface, Network, PrivateAddress, State, Subnet, Vpc};

/// How a VPC is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As AWS makes it: public subnets, stock groups.
    Default,
    /// Public, private and data subnets.
    Open,
    /// Private and data subnets, out by transit gateway only.
    Inner,
}

/// A deliberate mistake in a VPC.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    Ssh,
    Rdp,
    Postgres,
    All,
    SshV6,
    Stale,
    StockDefault,
    AclOpen,
    Blackhole,
}
use Layout::{Default as Stock, Inner, Open};
use Mistake::{AclOpen, All, Blackhole, Postgres, Rdp, Ssh, SshV6, Stale, StockDefault};

struct Site {
    account: &'static str,
    region: usize,
    name: &'static str,
    layout: Layout,
    zones: usize,
    mistakes: &'static [Mistake],
}

const fn site(
    account: &'static str,
    region: usize,
    name: &'static str,
    layout: Layout,
    zones: usize,
    mistakes: &'static [Mistake],
) -> Site {
    Site { account, region, name, layout, zones, mistakes }
}

const SITES: [Site; 30] = [
    site("network", 0, "hub-eu-west", Open, 3, &[]),
    site("network", 1, "hub-eu-central", Open, 2, &[]),
    site("network", 2, "hub-us-east", Open, 2, &[Blackhole]),
    site("shared-services", 0, "shared", Open, 2, &[StockDefault]),
    site("ci-cd", 0, "builders", Open, 2, &[Ssh, Stale]),
    site("payments-prod", 0, "payments", Open, 3, &[Ssh]),
    site("payments-prod", 1, "payments-dr", Open, 2, &[AclOpen]),
    site("payments-staging", 0, "payments-staging", Open, 2, &[StockDefault]),
    site("payments-dev", 0, "payments-dev", Open, 2, &[Ssh, Postgres, All]),
    site("web-prod", 0, "web", Open, 3, &[SshV6]),
    site("web-prod", 2, "web-us", Open, 3, &[StockDefault]),
    site("web-prod", 3, "web-ap", Open, 2, &[AclOpen, SshV6]),
    site("web-dev", 0, "web-dev", Open, 2, &[All, StockDefault]),
    site("data-lake-prod", 0, "lake", Inner, 3, &[Stale]),
    site("data-lake-prod", 1, "lake-central", Inner, 2, &[]),
    site("data-lake-dev", 1, "lake-dev", Open, 2, &[Postgres, Rdp]),
    site("identity-prod", 0, "identity", Inner, 3, &[]),
    site("identity-prod", 2, "identity-us", Inner, 2, &[]),
    site("identity-dev", 0, "identity-dev", Open, 2, &[Rdp]),
    site("orders-prod", 0, "orders", Open, 3, &[Stale]),
    site("orders-prod", 2, "orders-us", Open, 2, &[Postgres]),
    site("orders-dev", 0, "orders-dev", Open, 2, &[Ssh, StockDefault]),
    site("mobile-prod", 2, "mobile", Open, 3, &[]),
    site("mobile-prod", 3, "mobile-ap", Open, 2, &[Ssh]),
    site("warehouse-prod", 1, "warehouse", Inner, 2, &[Stale, Blackhole]),
    site("security-tooling", 0, "tooling", Inner, 2, &[]),
    site("sandbox-research", 2, "default", Stock, 3, &[All, StockDefault]),
    site("sandbox-research", 0, "notebooks", Open, 2, &[Ssh, Rdp, Postgres]),
    site("sandbox-training", 3, "default", Stock, 3, &[Ssh, Rdp, StockDefault]),
    site("acme", 2, "default", Stock, 3, &[StockDefault]),
];

/// Where a classic load balancer was left behind.
const LEFT_BEHIND: &str = "orders-dev";

/// A VPC under construction: the keys of its parts.
struct Yard {
    site: &'static Site,
    account: usize,
    vpc: String,
    /// Its third of `10.n.0.0/16`.
    block: String,
    cidr: String,
    /// The first three parts of its IPv6 addresses; empty where it has none.
    v6: String,
    public: Vec<Place>,
    private: Vec<Place>,
    data: Vec<Place>,
    /// Group ids by what they are for.
    groups: BTreeMap<&'static str, String>,
}

/// A subnet to put things into.
#[derive(Clone)]
struct Place {
    subnet: String,
    zone: String,
    /// The first three parts of its addresses.
    prefix: String,
    next: usize,
}

impl Place {
    fn address(&mut self) -> String {
        let host = self.next;
        self.next += 1;
        format!("{}.{host}", self.prefix)
    }
}

impl Yard {
    fn label(&self, part: &str) -> String {
        format!("{}/{}/{part}", self.vpc, self.site.name)
    }
    fn id(&self, prefix: &str, part: &str) -> String {
        id(prefix, &self.label(part))
    }
    fn owner(&self) -> String {
        SEATS[self.account].id.to_owned()
    }
    fn app(&self) -> &'static str {
        SEATS[self.account].app
    }
    fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.site.name)
    }
    /// The groups with these purposes that exist here.
    fn group_refs(&self, purposes: &[&'static str]) -> Vec<GroupRef> {
        let name = |p: &'static str| if p == "default" { p.to_owned() } else { self.name(p) };
        let of = |p: &&'static str| {
            self.groups.get(p).map(|id| GroupRef { group_id: id.clone(), group_name: name(p), ..GroupRef::default() })
        };
        purposes.iter().filter_map(of).collect()
    }
}

/// Networks by (account, region), and which roles' instance profiles they lean on.
pub(super) struct Ground {
    pub(super) now: Timestamp,
    pub(super) networks: BTreeMap<(usize, usize), Network>,
    /// (account, role name)
    pub(super) instance_roles: BTreeSet<(usize, String)>,
    publics: usize,
}

impl Ground {
    fn network(&mut self, yard: &Yard) -> &mut Network {
        self.networks.entry((yard.account, yard.site.region)).or_default()
    }
    /// The next unused documentation address (RFC 5737: three blocks of 256).
    fn public_address(&mut self) -> String {
        let n = self.publics;
        self.publics += 1;
        let block = ["203.0.113", "198.51.100", "192.0.2"][(n / 250) % 3];
        format!("{block}.{}", 3 + n % 250)
    }
    /// A bare interface at the next address of a subnet.
    fn interface(&self, yard: &Yard, place: &mut Place, part: &str, kind: &str, description: String) -> Interface {
        let address = place.address();
        Interface {
            network_interface_id: yard.id("eni", part),
            vpc_id: yard.vpc.clone(),
            subnet_id: place.subnet.clone(),
            owner_id: yard.owner(),
            availability_zone: place.zone.clone(),
            description,
            interface_type: kind.to_owned(),
            private_ip_addresses: vec![PrivateAddress {
                private_ip_address: address.clone(),
                primary: true,
                ..PrivateAddress::default()
            }],
            private_ip_address: address,
            source_dest_check: Some(kind != "nat_gateway"),
            status: "in-use".to_owned(),
            ..Interface::default()
        }
    }
}

/// Builds every network.
pub(super) fn build(now: Timestamp) -> Ground {
    let mut ground = Ground { now, networks: BTreeMap::new(), instance_roles: BTreeSet::new(), publics: 0 };
    let mut yards: Vec<Yard> = Vec::new();
    for (n, site) in SITES.iter().enumerate() {
        let mut yard = vpc(&mut ground, n, site);
        groups::add(&mut ground, &mut yard);
        gateways::add(&mut ground, &mut yard);
        acls::add(&mut ground, &yard);
        machines::add(&mut ground, &mut yard);
        yards.push(yard);
    }
    for yard in yards.iter_mut().filter(|yard| yard.site.name == LEFT_BEHIND) {
        machines::classic(&mut ground, yard);
    }
    between::add(&mut ground, &yards);
    ground
}

fn state(word: &str) -> Option<State> {
    Some(State { state: word.to_owned(), extra: Extra::new() })
}

fn vpc(ground: &mut Ground, n: usize, site: &'static Site) -> Yard {
    let account = by_name(site.account);
    let vpc = id("vpc", &format!("{}/{}/{}", site.account, REGIONS[site.region], site.name));
    let stock = site.layout == Stock;
    let block = if stock { "172.31".to_owned() } else { format!("10.{}", 16 + n) };
    let cidr = format!("{block}.0.0/16");
    let v6 = if site.mistakes.contains(&SshV6) { format!("2001:db8:{:x}", 0x100 + n) } else { String::new() };
    let mut yard = Yard {
        site,
        account,
        vpc,
        block,
        cidr,
        v6,
        public: Vec::new(),
        private: Vec::new(),
        data: Vec::new(),
        groups: BTreeMap::new(),
    };
    let environment = SEATS[account].name.rsplit('-').next().unwrap_or_default();
    let association = |id: String, cidr: &str| CidrAssociation {
        association_id: id,
        cidr_block: cidr.to_owned(),
        cidr_block_state: state("associated"),
        ..CidrAssociation::default()
    };
    let association6 = |id: String, cidr: String| CidrAssociation {
        association_id: id,
        ipv6_cidr_block: cidr,
        ipv6_cidr_block_state: state("associated"),
        ..CidrAssociation::default()
    };
    let made = Vpc {
        vpc_id: yard.vpc.clone(),
        owner_id: yard.owner(),
        cidr_block: yard.cidr.clone(),
        cidr_block_association_set: vec![association(yard.id("vpc-cidr-assoc", ""), &yard.cidr)],
        ipv6_cidr_block_association_set: if !yard.v6.is_empty() {
            vec![association6(yard.id("vpc-cidr-assoc", "6"), format!("{}::/56", yard.v6))]
        } else {
            Vec::new()
        },
        is_default: stock,
        state: "available".to_owned(),
        tags: if stock { tags(&[]) } else { tags(&[("Name", site.name), ("Environment", environment)]) },
        ..Vpc::default()
    };
    ground.network(&yard).vpcs.push(made);

    let tiers: &[&str] = match site.layout {
        Stock => &["public"],
        Open => &["public", "private", "data"],
        Inner => &["private", "data"],
    };
    for (t, tier) in tiers.iter().enumerate() {
        for z in 0..site.zones {
            let letter = char::from(b'a' + z as u8);
            let zone = format!("{}{letter}", REGIONS[site.region]);
            let third = if stock { z * 16 } else { t * 32 + z * 4 };
            let subnet_id = yard.id("subnet", &format!("{tier}{z}"));
            let name = yard.name(&format!("{tier}-{letter}"));
            let subnet = Subnet {
                subnet_arn: format!("arn:aws:ec2:{}:{}:subnet/{subnet_id}", REGIONS[site.region], SEATS[account].id),
                subnet_id: subnet_id.clone(),
                vpc_id: yard.vpc.clone(),
                owner_id: yard.owner(),
                cidr_block: format!("{}.{third}.0/{}", yard.block, if stock { 20 } else { 22 }),
                ipv6_cidr_block_association_set: if !yard.v6.is_empty() && *tier == "public" {
                    vec![association6(yard.id("subnet-cidr-assoc", &zone), format!("{}:{z}::/64", yard.v6))]
                } else {
                    Vec::new()
                },
                availability_zone: zone.clone(),
                map_public_ip_on_launch: *tier == "public" && (stock || z == 0),
                available_ip_address_count: Some(if stock { 4080 } else { 1002 } - (z as i64) * 7),
                tags: if stock { tags(&[]) } else { tags(&[("Name", &name), ("Tier", tier)]) },
                ..Subnet::default()
            };
            let place = Place { subnet: subnet_id, zone, prefix: format!("{}.{third}", yard.block), next: 5 };
            match *tier {
                "public" => yard.public.push(place),
                "private" => yard.private.push(place),
                _ => yard.data.push(place),
            }
            ground.network(&yard).subnets.push(subnet);
        }
    }
    yard
}
