//! The compiled network: objects by number, rules as sets, routes as lines. [`build`](crate::network::build) makes it;
//! nothing here reads an estate or judges.

mod line;
mod names;

pub use line::Line;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::model::account::{Environment, Tags};
use crate::model::network::CLASSIC;
use crate::network::packets::{Addresses, Allow, Region, Service};
use crate::network::policy::Passes;

/// One account and region.
#[derive(Debug, Clone, Default)]
pub struct Home {
    pub account: String,
    /// The account's name, else its id.
    pub label: String,
    pub region: String,
    pub environment: Option<Environment>,
    /// The account's owning team; empty where nobody is.
    pub owner: String,
    /// Whether all interfaces here were read: else of nothing can be said that no interface has it.
    pub interfaces_known: bool,
}

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    Vpc(usize),
    Subnet(usize),
    Table(usize),
    Acl(usize),
    Group(usize),
    Interface(usize),
    Instance(usize),
    InternetGateway(usize),
    EgressOnlyGateway(usize),
    Nat(usize),
    Peering(usize),
    TransitGateway(usize),
    Attachment(usize),
    VpnGateway(usize),
    VpnConnection(usize),
    CustomerGateway(usize),
    Endpoint(usize),
    LoadBalancer(usize),
    PrefixList(usize),
}

/// What could not be understood, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gap {
    /// The object that names what is missing or malformed.
    pub object: String,
    pub what: String,
}

#[derive(Debug, Clone, Default)]
pub struct Vpc {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub cidrs: Addresses,
    pub cidr_texts: Vec<String>,
    pub internet_gateway: Option<usize>,
    pub egress_only: Option<usize>,
    pub vpn_gateway: Option<usize>,
    pub subnets: Vec<usize>,
    pub peerings: Vec<usize>,
    pub attachments: Vec<usize>,
    pub endpoints: Vec<usize>,
    /// The route table of its internet gateway or virtual private gateway (ingress routing).
    pub edge_tables: BTreeMap<String, usize>,
    pub is_default: bool,
    /// IPv6 ranges that the internet does not know.
    pub private_v6: Addresses,
    /// Whether gateways may be attached that the estate does not have.
    pub gateways_unknown: bool,
    /// Whether the estate has it, or only something that names it.
    pub seen: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Subnet {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: usize,
    pub zone: String,
    /// The zone's id, which means the same in every account; its name where the id is not known.
    pub zone_id: String,
    pub cidrs: Addresses,
    pub cidr_texts: Vec<String>,
    /// None where no table is known for it.
    pub table: Option<usize>,
    /// None where no ACL is known for it.
    pub acl: Option<usize>,
    pub interfaces: Vec<usize>,
    pub blocked: Blocked,
}

/// What VPC Block Public Access keeps from passing an internet gateway or egress-only internet gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    pub ingress: bool,
    /// What goes out by itself; what goes out by a NAT gateway or an egress-only internet gateway may with `ingress` alone.
    pub egress: bool,
    /// Whether an exclusion lets out what else would be blocked both ways.
    pub let_out: bool,
    /// False where it is not known what is left alone.
    pub sure: bool,
}

impl Default for Blocked {
    fn default() -> Self {
        Self { ingress: false, egress: false, let_out: false, sure: true }
    }
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Local,
    InternetGateway(usize),
    EgressOnly(usize),
    Nat(usize),
    Peering(usize),
    TransitGateway(usize),
    VpnGateway(usize),
    Endpoint(usize),
    Interface(usize),
    /// The route says so, or its target is known to be gone.
    Blackhole(String),
    /// Something the estate does not have, or that is not evaluated.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As AWS writes it.
    pub destination: String,
    pub target: Target,
    /// As AWS writes it.
    pub target_text: String,
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub routes: Vec<Route>,
    pub v4: Line<u32>,
    pub v6: Line<u128>,
    /// A route whose destination is not known: everything no other route takes may go there.
    pub unsure: Option<String>,
}

impl Table {
    pub fn at(&self, address: IpAddr) -> Option<usize> {
        match address {
            IpAddr::V4(a) => self.v4.at(a.to_bits()),
            IpAddr::V6(a) => self.v6.at(a.to_bits()),
        }
    }
}

/// What is surely let through, and what may be: the two differ only where something is not known.
#[derive(Debug, Clone, Default)]
pub struct Both {
    pub sure: Allow,
    pub may: Allow,
    /// Whether the two are the same.
    pub exact: bool,
    /// Whether all of IPv4 and all of IPv6 surely passes: then nothing needs to be asked.
    pub all: (bool, bool),
}

impl Both {
    pub fn new(sure: Allow, may: Allow) -> Self {
        let all = (sure.v4 == Region::everything(), sure.v6 == Region::everything());
        Self { exact: sure == may, all, sure, may }
    }
}

#[derive(Debug, Clone)]
pub struct AclEntry {
    pub number: i64,
    pub egress: bool,
    pub allow: bool,
    pub service: Service,
    pub peers: Addresses,
    pub peer_text: String,
}

#[derive(Debug, Clone, Default)]
pub struct Acl {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: String,
    pub is_default: bool,
    pub subnets: Vec<usize>,
    /// By direction, then number.
    pub entries: Vec<AclEntry>,
    pub ingress: Both,
    pub egress: Both,
    pub tags: Tags,
}

/// Who a security group rule is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Peer {
    Cidr(Addresses),
    /// A prefix list; none where its entries are not known.
    List(Option<Addresses>),
    /// A security group; none where the estate does not have it.
    Group(Option<usize>),
    /// A peer that could not be read.
    Unreadable,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub egress: bool,
    pub service: Service,
    pub peer: Peer,
    /// The CIDR, prefix list or group as AWS writes it.
    pub peer_text: String,
    /// The rule's own description.
    pub description: String,
}

#[derive(Debug, Clone, Default)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: String,
    pub rules: Vec<Rule>,
    /// The rules with CIDRs and prefix lists as one set.
    pub ingress: Both,
    pub egress: Both,
    /// Rules that name groups.
    pub by_group: Vec<usize>,
    pub members: Vec<usize>,
    pub tags: Tags,
}

#[derive(Debug, Clone, Default)]
pub struct Interface {
    pub id: String,
    /// What people call it: its Name tag, its instance's, its description, its id.
    pub name: String,
    pub kind: String,
    pub description: String,
    pub home: usize,
    pub vpc: usize,
    pub subnet: usize,
    /// Sorted.
    pub groups: Vec<usize>,
    /// Groups it names that the estate does not have.
    pub lost_groups: Vec<String>,
    /// Private IPv4 addresses with their public ones.
    pub v4: Vec<(IpAddr, Option<IpAddr>)>,
    pub v6: Vec<IpAddr>,
    pub instance: Option<usize>,
    pub load_balancer: Option<usize>,
    pub endpoint: Option<usize>,
    pub source_dest_check: bool,
    /// Made from a load balancer whose interfaces are not in the estate: its addresses are not known.
    pub assumed: bool,
    /// An assumed interface of an internet-facing load balancer.
    pub assumed_public: bool,
    pub tags: Tags,
}

impl Interface {
    /// Kinds that AWS runs without security groups: they filter nothing themselves.
    pub fn is_ungrouped_kind(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "nat_gateway"
                | "natGateway"
                | "network_load_balancer"
                | "gateway_load_balancer"
                | "gateway_load_balancer_endpoint"
                | "transit_gateway"
        )
    }
    /// Kinds that only carry packets of others: they neither ask nor answer.
    pub fn only_carries(&self) -> bool {
        matches!(self.kind.as_str(), "nat_gateway" | "natGateway" | "gateway_load_balancer_endpoint" | "transit_gateway")
    }
    /// Those, and functions: Lambda lets nobody connect to one ("AWS Lambda FAQs": inbound connections are blocked).
    pub fn takes_no_connections(&self) -> bool {
        self.only_carries() || self.kind == "lambda"
    }
    pub fn is_public(&self) -> bool {
        self.assumed_public || self.v4.iter().any(|(_, public)| public.is_some())
    }
    /// Every private IPv4 address and every IPv6 address.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.iter().map(|(private, _)| *private).chain(self.v6.iter().copied())
    }
}

#[derive(Debug, Clone, Default)]
pub struct Instance {
    pub id: String,
    pub name: String,
    pub arn: String,
    pub home: usize,
    pub interfaces: Vec<usize>,
    /// ARN of its instance profile; empty where none.
    pub profile: String,
    pub state: String,
    pub tags: Tags,
}

#[derive(Debug, Clone, Default)]
pub struct Gateway {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: Option<usize>,
}

/// A VPN connection between a gateway of AWS and a customer gateway.
#[derive(Debug, Clone, Default)]
pub struct VpnConnection {
    pub id: String,
    pub name: String,
    pub home: usize,
    /// The virtual private gateway it ends at; none where it ends at a transit gateway.
    pub gateway: Option<usize>,
    /// None where the estate does not have it.
    pub customer: Option<usize>,
    /// Where it leads, by static routes; none where BGP says so.
    pub routes: Option<Addresses>,
    /// Whether a tunnel is up; none where that was not told.
    pub up: Option<bool>,
    pub works: bool,
}

/// The far end of VPN connections.
#[derive(Debug, Clone, Default)]
pub struct CustomerGateway {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub address: Option<IpAddr>,
}

#[derive(Debug, Clone, Default)]
pub struct Nat {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: usize,
    pub subnet: Option<usize>,
    pub is_public: bool,
    /// Each private address with its public one; the first is the primary. Connections leave by any of them.
    pub addresses: Vec<(Option<IpAddr>, Option<IpAddr>)>,
    pub works: bool,
}

/// One side of a peering.
#[derive(Debug, Clone, Default)]
pub struct Side {
    pub vpc_id: String,
    /// None where the estate does not have the VPC.
    pub vpc: Option<usize>,
    pub cidrs: Addresses,
    pub region: String,
    pub account: String,
}

#[derive(Debug, Clone, Default)]
pub struct Peering {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub sides: [Side; 2],
    pub active: bool,
    pub status: String,
}

#[derive(Debug, Clone, Default)]
pub struct TransitGateway {
    pub id: String,
    pub name: String,
    pub home: usize,
    /// None where its options are not known.
    pub group_references: Option<bool>,
    pub attachments: Vec<usize>,
}

/// The route table that serves a transit gateway attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Served {
    By(usize),
    Nobody,
    #[default]
    Unknown,
}

#[derive(Debug, Clone, Default)]
pub struct Attachment {
    pub id: String,
    pub gateway: usize,
    /// `vpc`, `vpn`, `direct-connect-gateway`, `peering`, `connect`, …
    pub kind: String,
    pub resource: String,
    pub vpc: Option<usize>,
    /// Empty where not known.
    pub subnets: Vec<usize>,
    pub table: Served,
    /// Whether rules may name groups across it; none where not known, which AWS's default is yes for.
    pub group_references: Option<bool>,
    pub works: bool,
}

#[derive(Debug, Clone)]
pub struct TransitRoute {
    pub destination: String,
    /// Empty for a blackhole.
    pub attachments: Vec<usize>,
    /// An attachment it names that the estate does not have.
    pub lost: String,
    pub propagated: bool,
}

#[derive(Debug, Clone, Default)]
pub struct TransitTable {
    pub id: String,
    pub gateway: usize,
    pub routes: Vec<TransitRoute>,
    pub v4: Line<u32>,
    pub v6: Line<u128>,
    /// Whether all its routes are known.
    pub complete: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    pub id: String,
    pub name: String,
    pub home: usize,
    pub vpc: usize,
    /// `Gateway`, `Interface`, `GatewayLoadBalancer`.
    pub kind: String,
    pub service: String,
    pub subnets: Vec<usize>,
    pub interfaces: Vec<usize>,
    pub private_dns: bool,
    pub works: bool,
    /// Which addresses its policy lets through; none for all.
    pub passes: Option<Passes>,
}

/// What answers behind a port of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Port at the load balancer, and what is spoken there.
    pub listener: u16,
    pub listens: Service,
    /// The target group's name.
    pub group: String,
    pub interface: usize,
    /// Port at the target, and what is spoken there.
    pub port: u16,
    pub service: Service,
    pub preserves_client: bool,
    /// Clients that the listener passes on; none for all.
    pub clients: Option<Addresses>,
    /// `rule 10 (path /api/*)`, `default action`.
    pub rule: String,
    /// Whether users have to sign in at the load balancer first.
    pub signs_in: bool,
    /// False where the listener's rules were not read.
    pub sure: bool,
}

#[derive(Debug, Clone, Default)]
pub struct LoadBalancer {
    pub arn: String,
    pub name: String,
    /// `application`, `network`, `gateway`, `classic`.
    pub kind: String,
    pub home: usize,
    pub vpc: usize,
    pub internet_facing: bool,
    pub interfaces: Vec<usize>,
    pub subnets: Vec<usize>,
    /// None where its listeners are not known.
    pub listens: Option<Service>,
    pub backends: Vec<Backend>,
}

impl LoadBalancer {
    pub fn is_classic(&self) -> bool {
        self.kind == CLASSIC
    }
}

#[derive(Debug, Clone, Default)]
pub struct PrefixList {
    pub id: String,
    pub name: String,
    pub home: usize,
    /// None where they were not read.
    pub entries: Option<Addresses>,
    pub texts: Vec<String>,
}

/// Every network of an estate, compiled.
#[derive(Debug, Clone, Default)]
pub struct Net {
    pub homes: Vec<Home>,
    pub vpcs: Vec<Vpc>,
    pub subnets: Vec<Subnet>,
    pub tables: Vec<Table>,
    pub acls: Vec<Acl>,
    pub groups: Vec<Group>,
    pub interfaces: Vec<Interface>,
    pub instances: Vec<Instance>,
    pub internet_gateways: Vec<Gateway>,
    pub egress_only_gateways: Vec<Gateway>,
    pub nats: Vec<Nat>,
    pub peerings: Vec<Peering>,
    pub transit_gateways: Vec<TransitGateway>,
    pub attachments: Vec<Attachment>,
    pub transit_tables: Vec<TransitTable>,
    pub vpn_gateways: Vec<Gateway>,
    pub vpn_connections: Vec<VpnConnection>,
    pub customer_gateways: Vec<CustomerGateway>,
    pub endpoints: Vec<Endpoint>,
    pub load_balancers: Vec<LoadBalancer>,
    pub prefix_lists: Vec<PrefixList>,
    /// What was missing or malformed, sorted.
    pub gaps: Vec<Gap>,
    pub ids: HashMap<String, Object>,
    /// Interfaces by each of their addresses, private and public.
    pub by_address: HashMap<IpAddr, Vec<usize>>,
}
