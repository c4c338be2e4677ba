//! The objects of the estate that rows stand for, and their documents.

use serde::Serialize;

use crate::catalog::ListingId;
use crate::catalog::identity::{Principal, Provider, principals};
use crate::model::account::Account;
use crate::model::coverage::Coverage;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::network::{Endpoint, Instance, Interface, LoadBalancer, NetworkAcl, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::model::node::{Node, Session};
use crate::model::principal::{AccessKey, Identity, ManagedPolicy};
use crate::model::resource::Resource;

/// An object of the estate.
#[derive(Clone, Copy)]
pub enum Object<'a> {
    Account(&'a Account),
    Principal(&'a Identity, Principal<'a>),
    AccessKey(&'a Identity, &'a AccessKey),
    Policy(&'a Identity, &'a ManagedPolicy),
    Provider(&'a Identity, Provider<'a>),
    Resource(&'a RegionEstate, &'a Resource),
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
        ListingId::Resources => in_regions!(Resource, |r: &'a RegionEstate| &r.resources, |o: &Resource| o.arn.clone()),
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
            let all =
                || estate.regions.iter().flat_map(|r| crate::catalog::gateways::gateways(r).into_iter().map(move |g| (r, g)));
            // The owner of a shared one sees most of it.
            let own = |r: &RegionEstate| {
                r.network.transit_gateways.iter().any(|t| t.transit_gateway_id == id && t.owner_id == r.account)
            };
            let found = all().filter(|(_, g)| g.id == id).max_by_key(|(r, _)| own(r));
            found.map(|(r, g)| Object::Gateway(r, g.id))
        }
        ListingId::Connections => {
            let all =
                || estate.regions.iter().flat_map(|r| crate::catalog::gateways::connections(r).into_iter().map(move |c| (r, c)));
            let found = all().filter(|(_, c)| c.id == id).max_by_key(|(r, c)| c.owner == r.account);
            found.map(|(r, c)| Object::Connection(r, c.id))
        }
        ListingId::Instances => {
            in_regions!(Instance, |r: &'a RegionEstate| &r.network.instances, |o: &Instance| o.instance_id.clone())
        }
        ListingId::Nodes => in_regions!(Node, |r: &'a RegionEstate| &r.nodes, |o: &Node| o.instance_id.clone()),
        ListingId::Sessions => in_regions!(Session, |r: &'a RegionEstate| &r.sessions, |o: &Session| o.session_id.clone()),
        ListingId::Coverage => estate.coverage.iter().find(|c| crate::catalog::coverage::id(c) == id).map(Object::Coverage),
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
        Object::Resource(_, o) => json(o),
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

/// The listings in which something has this id or ARN.
pub fn find(estate: &Estate, id: &str) -> Vec<ListingId> {
    ListingId::ALL.into_iter().filter(|listing| object(estate, *listing, id).is_some()).collect()
}
