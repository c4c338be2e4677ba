//! Folders of plain AWS CLI answers: `aws ec2 describe-*` and their like, one or many a file, known by their content;
//! CloudMapper's folders too. Pure: names and bytes in, an estate out; opening files is done elsewhere.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::model::Extra;
use crate::model::account::Account;
use crate::model::estate::Estate;
use crate::model::network::{
    Gateway, ListenerRule, LoadBalancer, Network, TransitGatewayPropagation, TransitGatewayRoute, TransitGatewayRouteTable,
};

/// What one file had to give.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Piece {
    pub account: Option<String>,
    pub region: Option<String>,
    pub network: Network,
    /// What was in the file but could not be read, and why.
    pub notes: Vec<String>,
    /// Whether anything in it was known.
    pub known: bool,
}

/// The largest file that is read; real answers are far below.
const LARGEST: usize = 512 << 20;

/// Reads one file by its content.
///
/// # Errors
/// Says why it is no JSON object; a file of another kind is no error but a piece with `known` false.
pub fn read(name: &str, bytes: &[u8]) -> Result<Piece, NotAnAnswer> {
    let refuse = |why: String| NotAnAnswer { name: name.chars().take(200).collect(), why };
    if bytes.len() > LARGEST {
        return Err(refuse(format!("it has {} bytes, more than the {LARGEST} that are read", bytes.len())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(|e| refuse(format!("it is no JSON: {e}")))?;
    let Value::Object(mut map) = value else { return Err(refuse("it is JSON, but no object with named lists".to_owned())) };
    let mut piece = Piece::default();
    if let Some(account) = map.get("Account").and_then(Value::as_str).filter(|a| is_account(a)) {
        piece.account = Some(account.to_owned());
    }
    lists(name, &mut map, &mut piece);
    piece.region = region_in(name).or_else(|| zone_region(&piece.network));
    if piece.account.is_none() {
        piece.account = owner(&piece.network).or_else(|| name.split(['/', '\\']).find(|s| is_account(s)).map(str::to_owned));
    }
    Ok(piece)
}

/// Why a file is no answer of AWS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read {name} as an answer of AWS: {why}; give JSON that `aws … --output json` printed")]
pub struct NotAnAnswer {
    name: String,
    why: String,
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A folder's name that is a region: `us-east-1`, `us-gov-west-1`.
fn region_in(path: &str) -> Option<String> {
    let is = |s: &&str| {
        let parts: Vec<&str> = s.split('-').collect();
        (3..=4).contains(&parts.len())
            && parts[0].len() == 2
            && parts.last().is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
            && parts[..parts.len() - 1].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
    };
    path.split(['/', '\\']).find(is).map(str::to_owned)
}

fn zone_region(net: &Network) -> Option<String> {
    let zones = net.subnets.iter().map(|s| &s.availability_zone).chain(net.interfaces.iter().map(|i| &i.availability_zone));
    zones.filter(|z| !z.is_empty()).map(|z| z.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned()).find(|z| z.len() > 4)
}

/// The owner that most objects name.
fn owner(net: &Network) -> Option<String> {
    let all = (net.vpcs.iter().map(|v| &v.owner_id))
        .chain(net.subnets.iter().map(|s| &s.owner_id))
        .chain(net.security_groups.iter().map(|g| &g.owner_id))
        .chain(net.interfaces.iter().map(|i| &i.owner_id));
    let mut count: BTreeMap<&String, usize> = BTreeMap::new();
    for id in all.filter(|id| is_account(id)) {
        *count.entry(id).or_default() += 1;
    }
    count.into_iter().max_by_key(|(id, n)| (*n, std::cmp::Reverse(*id))).map(|(id, _)| id.clone())
}

fn take<T: DeserializeOwned>(name: &str, key: &str, value: Value, into: &mut Vec<T>, notes: &mut Vec<String>) {
    let Value::Array(items) = value else {
        notes.push(format!("{name}: {key} is no list"));
        return;
    };
    for (n, item) in items.into_iter().enumerate() {
        match serde_json::from_value(item) {
            Ok(read) => into.push(read),
            Err(e) => notes.push(format!("{name}: {key}[{n}]: {e}")),
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn lists(name: &str, map: &mut Map<String, Value>, piece: &mut Piece) {
    let (net, notes) = (&mut piece.network, &mut piece.notes);
    let keys: Vec<String> = map.keys().cloned().collect();
    for key in keys {
        let Some(value) = map.get_mut(&key).map(Value::take) else { continue };
        match key.as_str() {
            "Vpcs" => take(name, &key, value, &mut net.vpcs, notes),
            "Subnets" => take(name, &key, value, &mut net.subnets, notes),
            "RouteTables" => take(name, &key, value, &mut net.route_tables, notes),
            "SecurityGroups" => take(name, &key, value, &mut net.security_groups, notes),
            "NetworkAcls" => take(name, &key, value, &mut net.network_acls, notes),
            "NetworkInterfaces" => take(name, &key, value, &mut net.interfaces, notes),
            "Instances" => take(name, &key, value, &mut net.instances, notes),
            "Reservations" => reservations(name, value, net, notes),
            "InternetGateways" => take(name, &key, value, &mut net.internet_gateways, notes),
            "EgressOnlyInternetGateways" => take::<Gateway>(name, &key, value, &mut net.egress_only_gateways, notes),
            "NatGateways" => take(name, &key, value, &mut net.nat_gateways, notes),
            "VpcPeeringConnections" => take(name, &key, value, &mut net.peerings, notes),
            "TransitGateways" => take(name, &key, value, &mut net.transit_gateways, notes),
            "TransitGatewayAttachments" => take(name, &key, value, &mut net.transit_gateway_attachments, notes),
            "TransitGatewayVpcAttachments" => vpc_attachments(name, value, net, notes),
            "TransitGatewayRouteTables" => take(name, &key, value, &mut net.transit_gateway_route_tables, notes),
            "TransitGatewayPropagations" | "TransitGatewayStaticRoutes" => table_parts(name, &key, value, net, notes),
            "VpnGateways" => take(name, &key, value, &mut net.vpn_gateways, notes),
            "VpnConnections" => take(name, &key, value, &mut net.vpn_connections, notes),
            "CustomerGateways" => take(name, &key, value, &mut net.customer_gateways, notes),
            "VpcEndpoints" => take(name, &key, value, &mut net.endpoints, notes),
            "LoadBalancers" => take(name, &key, value, &mut net.load_balancers, notes),
            "LoadBalancerDescriptions" => classic(name, value, net, notes),
            "TargetGroups" => take(name, &key, value, &mut net.target_groups, notes),
            "Listeners" => listeners(name, value, net, notes),
            // Other services have rules, too.
            "Rules" if is_listener_rules(&value) => rules(name, value, net, notes),
            "PrefixLists" => take(name, &key, value, &mut net.prefix_lists, notes),
            "Addresses" => take(name, &key, value, &mut net.addresses, notes),
            "VpcBlockPublicAccessExclusions" => {
                take(name, &key, value, net.public_access_exclusions.get_or_insert_default(), notes);
            }
            _ => continue,
        }
        piece.known = true;
    }
}

fn reservations(name: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let Value::Array(all) = value else { return };
    for mut reservation in all {
        if let Some(instances) = reservation.get_mut("Instances").map(Value::take) {
            take(name, "Instances", instances, &mut net.instances, notes);
        }
    }
}

/// `describe-transit-gateway-vpc-attachments` says what `describe-transit-gateway-attachments` leaves out: the subnets.
fn vpc_attachments(name: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let Value::Array(all) = value else { return };
    for mut one in all {
        if let Value::Object(map) = &mut one {
            let vpc = map.get("VpcId").cloned().unwrap_or_default();
            let owner = map.get("VpcOwnerId").cloned().unwrap_or_default();
            map.insert("ResourceType".into(), "vpc".into());
            map.insert("ResourceId".into(), vpc);
            map.insert("ResourceOwnerId".into(), owner);
        }
        take(name, "TransitGatewayVpcAttachments", Value::Array(vec![one]), &mut net.transit_gateway_attachments, notes);
    }
}

/// Propagations and routes, each with the id of the table they belong to.
fn table_parts(name: &str, key: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let Value::Array(all) = value else { return };
    for mut one in all {
        let id = text(&one, "TransitGatewayRouteTableId");
        let mut table = TransitGatewayRouteTable { transit_gateway_route_table_id: id, ..TransitGatewayRouteTable::default() };
        if key == "TransitGatewayPropagations" {
            let mut found: Vec<TransitGatewayPropagation> = Vec::new();
            let list = one.get_mut("TransitGatewayRouteTablePropagations").map(Value::take).unwrap_or_default();
            take(name, key, list, &mut found, notes);
            table.propagations = Some(found);
        } else {
            let mut found: Vec<TransitGatewayRoute> = Vec::new();
            let list = one.get_mut("Routes").map(Value::take).unwrap_or_default();
            take(name, key, list, &mut found, notes);
            table.routes = Some(found);
        }
        net.transit_gateway_route_tables.push(table);
    }
}

fn listeners(name: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let mut all: Vec<Extra> = Vec::new();
    take(name, "Listeners", value, &mut all, notes);
    for listener in all {
        let arn = listener.get("LoadBalancerArn").and_then(Value::as_str).unwrap_or_default().to_owned();
        match net.load_balancers.iter_mut().find(|l| l.load_balancer_arn == arn) {
            Some(lb) => lb.listeners.push(listener),
            None => {
                let listeners = vec![listener];
                net.load_balancers.push(LoadBalancer { load_balancer_arn: arn, listeners, ..LoadBalancer::default() });
            }
        }
    }
}

fn is_listener_rules(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().any(|rule| text(rule, "RuleArn").contains(":listener-rule/")))
}

/// Rules of listeners; a file has those of one listener, and the load balancer that it belongs to is in their ARNs.
fn rules(name: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let mut all: Vec<ListenerRule> = Vec::new();
    take(name, "Rules", value, &mut all, notes);
    for rule in all {
        let Some(arn) = rule.load_balancer() else { continue };
        match net.load_balancers.iter_mut().find(|l| l.load_balancer_arn == arn) {
            Some(lb) => lb.rules.get_or_insert_default().push(rule),
            None => net.load_balancers.push(LoadBalancer {
                load_balancer_arn: arn,
                rules: Some(vec![rule]),
                ..LoadBalancer::default()
            }),
        }
    }
}

/// Classic load balancers, as the load balancers they are.
fn classic(name: &str, value: Value, net: &mut Network, notes: &mut Vec<String>) {
    let mut all: Vec<Extra> = Vec::new();
    take(name, "LoadBalancerDescriptions", value, &mut all, notes);
    net.load_balancers.extend(all.into_iter().map(LoadBalancer::classic));
}

/// Reads many files into one estate; each file that is not understood is named, the rest is kept.
pub fn folder<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> (Estate, Vec<String>) {
    let mut notes = Vec::new();
    let mut pieces: Vec<(String, Piece)> = Vec::new();
    for (name, bytes) in files {
        match read(name, bytes) {
            Ok(piece) => {
                notes.extend(piece.notes.iter().cloned());
                if piece.known || piece.account.is_some() {
                    pieces.push((name.to_owned(), piece));
                } else {
                    notes.push(format!("{name}: nothing in it is about networks"));
                }
            }
            Err(e) => notes.push(e.to_string()),
        }
    }
    // What a file does not say about itself, its folder does; else the only account or region there is.
    let top = |name: &str| name.split(['/', '\\']).next().unwrap_or_default().to_owned();
    let mut account_of: BTreeMap<String, String> = BTreeMap::new();
    let mut region_of: BTreeMap<String, String> = BTreeMap::new();
    for (name, piece) in &pieces {
        let folder = if name.contains(['/', '\\']) { top(name) } else { String::new() };
        if let Some(account) = &piece.account {
            account_of.entry(folder.clone()).or_insert_with(|| account.clone());
        }
        if let Some(region) = &piece.region {
            region_of.entry(folder).or_insert_with(|| region.clone());
        }
    }
    let mut estate = Estate::default();
    for (name, piece) in pieces.into_iter().filter(|(_, p)| p.known) {
        let folder = if name.contains(['/', '\\']) { top(&name) } else { String::new() };
        let account = account_of.get(&folder).cloned().or(piece.account).unwrap_or_else(|| "000000000000".to_owned());
        let region = piece.region.or_else(|| region_of.get(&folder).cloned()).unwrap_or_else(|| "unknown".to_owned());
        if estate.account(&account).is_none() {
            estate.put_account(Account::bare(account.clone()));
        }
        let mut network = piece.network;
        for lb in network.load_balancers.iter_mut().filter(|lb| lb.is_classic()) {
            lb.load_balancer_arn = LoadBalancer::classic_arn(&region, &account, &lb.load_balancer_name);
        }
        merge(&mut estate.region_mut(&account, &region).network, network, &mut notes);
    }
    (estate, notes)
}

/// Joins what two files tell. An object that both describe is one; where they differ what came first counts, and that is
/// said: the files may be of different days.
fn join<T: PartialEq>(to: &mut Vec<T>, from: Vec<T>, id: impl Fn(&T) -> &str, notes: &mut Vec<String>) {
    let known: HashMap<String, usize> = to.iter().enumerate().map(|(n, one)| (id(one).to_owned(), n)).collect();
    for one in from {
        match known.get(id(&one)).filter(|_| !id(&one).is_empty()) {
            None => to.push(one),
            Some(held) if to[*held] == one => {}
            Some(_) => notes.push(format!("{}: two files describe it, and not alike; what came first counts", id(&one))),
        }
    }
}

fn merge(to: &mut Network, from: Network, notes: &mut Vec<String>) {
    join(&mut to.vpcs, from.vpcs, |o| &o.vpc_id, notes);
    join(&mut to.subnets, from.subnets, |o| &o.subnet_id, notes);
    join(&mut to.route_tables, from.route_tables, |o| &o.route_table_id, notes);
    join(&mut to.security_groups, from.security_groups, |o| &o.group_id, notes);
    join(&mut to.network_acls, from.network_acls, |o| &o.network_acl_id, notes);
    join(&mut to.interfaces, from.interfaces, |o| &o.network_interface_id, notes);
    join(&mut to.instances, from.instances, |o| &o.instance_id, notes);
    join(&mut to.internet_gateways, from.internet_gateways, |o| &o.internet_gateway_id, notes);
    join(&mut to.egress_only_gateways, from.egress_only_gateways, |o| &o.internet_gateway_id, notes);
    join(&mut to.nat_gateways, from.nat_gateways, |o| &o.nat_gateway_id, notes);
    join(&mut to.peerings, from.peerings, |o| &o.vpc_peering_connection_id, notes);
    join(&mut to.transit_gateways, from.transit_gateways, |o| &o.transit_gateway_id, notes);
    join(&mut to.vpn_gateways, from.vpn_gateways, |o| &o.vpn_gateway_id, notes);
    join(&mut to.vpn_connections, from.vpn_connections, |o| &o.vpn_connection_id, notes);
    join(&mut to.customer_gateways, from.customer_gateways, |o| &o.customer_gateway_id, notes);
    join(&mut to.endpoints, from.endpoints, |o| &o.vpc_endpoint_id, notes);
    join(&mut to.target_groups, from.target_groups, |o| &o.target_group_arn, notes);
    join(&mut to.prefix_lists, from.prefix_lists, |o| &o.prefix_list_id, notes);
    join(&mut to.addresses, from.addresses, |o| &o.public_ip, notes);
    if let Some(more) = from.public_access_exclusions {
        join(to.public_access_exclusions.get_or_insert_default(), more, |o| &o.exclusion_id, notes);
    }
    for a in from.transit_gateway_attachments {
        let same = to.transit_gateway_attachments.iter_mut().find(|b| {
            b.transit_gateway_attachment_id == a.transit_gateway_attachment_id && b.transit_gateway_id == a.transit_gateway_id
        });
        match same {
            Some(b) => {
                if b.subnet_ids.is_empty() {
                    b.subnet_ids = a.subnet_ids;
                }
                b.association = b.association.take().or(a.association);
                b.options = b.options.take().or(a.options);
                if b.transit_gateway_owner_id.is_empty() {
                    b.transit_gateway_owner_id = a.transit_gateway_owner_id;
                }
            }
            None => to.transit_gateway_attachments.push(a),
        }
    }
    for t in from.transit_gateway_route_tables {
        let id = &t.transit_gateway_route_table_id;
        match to.transit_gateway_route_tables.iter_mut().find(|u| u.transit_gateway_route_table_id == *id) {
            Some(u) => {
                if u.transit_gateway_id.is_empty() {
                    u.transit_gateway_id = t.transit_gateway_id;
                }
                u.routes = u.routes.take().or(t.routes);
                u.propagations = u.propagations.take().or(t.propagations);
                u.associations = u.associations.take().or(t.associations);
            }
            None => to.transit_gateway_route_tables.push(t),
        }
    }
    for lb in from.load_balancers {
        match to.load_balancers.iter_mut().find(|l| l.load_balancer_arn == lb.load_balancer_arn) {
            Some(known) => {
                let (mut listeners, mut rules) = (std::mem::take(&mut known.listeners), known.rules.take());
                listeners.extend(lb.listeners.iter().cloned());
                if let Some(more) = &lb.rules {
                    rules.get_or_insert_default().extend(more.iter().cloned());
                }
                if known.vpc_id.is_empty() {
                    *known = lb;
                }
                (known.listeners, known.rules) = (listeners, rules);
            }
            None => to.load_balancers.push(lb),
        }
    }
}
