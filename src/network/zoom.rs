//! Diagrams from far and near: every account, an account's VPCs, one VPC, one subnet with its interfaces; and what of a
//! path each of them shows. Drawing is [`diagram`](crate::network::diagram)'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::account::Environment;
use crate::network::diagram::{Band, Diagram, Heat, INTERNET, Item, Link, Zoom, finish, heats, label, vpc};
use crate::network::exposure::Exposure;
use crate::network::matrix::UNCLASSIFIED;
use crate::network::net::{Net, Object};
use crate::network::words::rule_text;
use crate::text;

/// Interfaces that a subnet shows at most, the exposed ones first; the rest is counted.
const MOST_INTERFACES: usize = 60;

/// A diagram from so near; none where there is no such account, VPC or subnet. `path` names objects to point out; what
/// they stand in is pointed out with them.
pub fn zoomed(net: &Net, exposures: &[Exposure], zoom: &Zoom, path: &[String]) -> Option<Diagram> {
    let focus = around(net, path);
    match zoom {
        Zoom::Organisation => Some(accounts(net, exposures, &focus)),
        Zoom::Account(id) => account(net, exposures, id, &focus),
        Zoom::Vpc(id) => match net.object(id)? {
            Object::Vpc(ix) => Some(vpc(net, ix, exposures, &focus)),
            _ => None,
        },
        Zoom::Subnet(id) => match net.object(id)? {
            Object::Subnet(ix) => Some(subnet(net, ix, exposures, &focus)),
            _ => None,
        },
    }
}

/// One step farther away.
pub fn farther(net: &Net, zoom: &Zoom) -> Option<Zoom> {
    match zoom {
        Zoom::Organisation => None,
        Zoom::Account(_) => Some(Zoom::Organisation),
        Zoom::Vpc(id) => match net.object(id) {
            Some(object) => Some(Zoom::Account(net.homes[net.home_of(object)].account.clone())),
            None => Some(Zoom::Organisation),
        },
        Zoom::Subnet(id) => match net.object(id) {
            Some(Object::Subnet(s)) => Some(Zoom::Vpc(net.vpcs[net.subnets[s].vpc].id.clone())),
            _ => Some(Zoom::Organisation),
        },
    }
}

/// The place of an object, as near as it can be seen with what is around it.
pub fn place_of(net: &Net, id: &str) -> Option<Zoom> {
    Some(match net.object(id)? {
        Object::Interface(i) => Zoom::Vpc(net.vpcs[net.interfaces[i].vpc].id.clone()),
        Object::Instance(i) => {
            let first = *net.instances[i].interfaces.first()?;
            Zoom::Vpc(net.vpcs[net.interfaces[first].vpc].id.clone())
        }
        Object::LoadBalancer(i) => Zoom::Vpc(net.vpcs[net.load_balancers[i].vpc].id.clone()),
        Object::Endpoint(i) => Zoom::Vpc(net.vpcs[net.endpoints[i].vpc].id.clone()),
        Object::Subnet(i) => Zoom::Subnet(net.subnets[i].id.clone()),
        Object::Vpc(i) => Zoom::Vpc(net.vpcs[i].id.clone()),
        Object::Group(i) => Zoom::Vpc(net.groups[i].vpc.clone()),
        Object::Acl(i) => Zoom::Vpc(net.acls[i].vpc.clone()),
        object => Zoom::Account(net.homes[net.home_of(object)].account.clone()),
    })
}

/// The objects of a path and all they stand in.
fn around(net: &Net, path: &[String]) -> Vec<String> {
    let mut all: BTreeSet<String> = path.iter().cloned().collect();
    for id in path {
        let Some(object) = net.object(id) else { continue };
        let mut interfaces = Vec::new();
        match object {
            Object::Interface(i) => interfaces.push(i),
            Object::Instance(i) => interfaces.extend(&net.instances[i].interfaces),
            Object::LoadBalancer(i) => interfaces.extend(&net.load_balancers[i].interfaces),
            Object::Subnet(i) => _ = all.insert(net.vpcs[net.subnets[i].vpc].id.clone()),
            Object::InternetGateway(i) => all.extend(net.internet_gateways[i].vpc.map(|v| net.vpcs[v].id.clone())),
            _ => {}
        }
        for i in interfaces {
            let i = &net.interfaces[i];
            all.extend([i.id.clone(), net.subnets[i.subnet].id.clone(), net.vpcs[i.vpc].id.clone()]);
        }
    }
    let accounts: Vec<String> =
        all.iter().filter_map(|id| net.object(id)).map(|o| account_key(&net.homes[net.home_of(o)].account)).collect();
    all.extend(accounts);
    if path.iter().any(|id| id == INTERNET) {
        all.insert(INTERNET.to_owned());
    }
    all.into_iter().collect()
}

fn account_key(id: &str) -> String {
    format!("account {id}")
}

/// What is known of one VPC in a line or two.
struct Summary {
    heat: Heat,
    exposed: usize,
    interfaces: usize,
}

fn summary(net: &Net, heat: &BTreeMap<usize, Heat>, vpc: usize) -> Summary {
    let v = &net.vpcs[vpc];
    let interfaces = || v.subnets.iter().flat_map(|s| net.subnets[*s].interfaces.iter());
    let worst = interfaces().filter_map(|i| heat.get(i)).max().copied().unwrap_or_default();
    let out = if v.internet_gateway.is_some() { Heat::Out } else { Heat::Inside };
    Summary {
        heat: worst.max(out),
        exposed: interfaces().filter(|i| heat.get(i).is_some_and(|h| *h >= Heat::Some)).count(),
        interfaces: interfaces().count(),
    }
}

/// Every account as a box with its VPCs, by environment.
pub fn accounts(net: &Net, exposures: &[Exposure], focus: &[String]) -> Diagram {
    let heat = heats(net, exposures);
    let mut by_account: BTreeMap<(usize, String), Vec<usize>> = BTreeMap::new();
    let order = |e: Option<Environment>| e.and_then(|e| Environment::ALL.iter().position(|x| *x == e)).unwrap_or(usize::MAX);
    for (ix, v) in net.vpcs.iter().enumerate() {
        let home = &net.homes[v.home];
        by_account.entry((order(home.environment), home.account.clone())).or_default().push(ix);
    }
    let mut bands: BTreeMap<usize, Band> = BTreeMap::new();
    let mut links: Vec<Link> = Vec::new();
    for ((environment, id), mut vpcs) in by_account {
        let Some(home) = vpcs.first().map(|v| &net.homes[net.vpcs[*v].home]) else { continue };
        vpcs.sort_by(|a, b| summary(net, &heat, *b).heat.cmp(&summary(net, &heat, *a).heat).then(a.cmp(b)));
        let mut worst = Heat::Inside;
        let mut lines = Vec::new();
        for v in &vpcs {
            let s = summary(net, &heat, *v);
            worst = worst.max(s.heat);
            let vpc = &net.vpcs[*v];
            let name = if vpc.name.is_empty() { &vpc.id } else { &vpc.name };
            let exposed = if s.exposed > 0 { format!(", {} exposed", s.exposed) } else { String::new() };
            let region = &net.homes[vpc.home].region;
            lines.push(format!("{:<2} {} {region}{exposed}", s.heat.mark(), text::line(name)));
            if vpc.internet_gateway.is_some() {
                links.push(Link { from: INTERNET.into(), to: account_key(&id), label: String::new(), focus: false });
            }
        }
        let word = home.environment.map_or(UNCLASSIFIED, Environment::word);
        let band = bands.entry(environment).or_insert_with(|| Band { title: word.to_owned(), items: Vec::new() });
        band.items.push(Item {
            id: account_key(&id),
            object: None,
            title: label(&id, &home.label),
            lines,
            heat: worst,
            focus: focus.contains(&account_key(&id)),
            nearer: Some(Zoom::Account(id)),
        });
    }
    let key = |vpc: usize| account_key(&net.homes[net.vpcs[vpc].home].account);
    for p in net.peerings.iter().filter(|p| p.active) {
        if let (Some(a), Some(b)) = (p.sides[0].vpc, p.sides[1].vpc)
            && key(a) != key(b)
        {
            links.push(Link { from: key(a), to: key(b), label: "VPC peering".into(), focus: focus.contains(&p.id) });
        }
    }
    let mut hubs = Vec::new();
    for (ix, t) in net.transit_gateways.iter().enumerate() {
        let joined: BTreeSet<String> = t.attachments.iter().filter_map(|a| net.attachments[*a].vpc.map(key)).collect();
        hubs.push(hub(net, ix, focus));
        links.extend(joined.into_iter().map(|a| Link { from: a, to: t.id.clone(), label: String::new(), focus: false }));
    }
    let mut bands: Vec<Band> = bands.into_values().collect();
    for band in &mut bands {
        band.items.sort_by(|a, b| b.heat.cmp(&a.heat).then_with(|| a.title.cmp(&b.title)));
    }
    if !hubs.is_empty() {
        bands.push(Band { title: "transit gateways".into(), items: hubs });
    }
    finish(Diagram { title: "The organisation: accounts by environment".into(), bands, links }, focus)
}

fn hub(net: &Net, ix: usize, focus: &[String]) -> Item {
    let t = &net.transit_gateways[ix];
    let vpcs = t.attachments.iter().filter(|a| net.attachments[**a].vpc.is_some()).count();
    let mut lines = vec![format!("{vpcs} VPCs")];
    if t.attachments.len() > vpcs {
        lines.push(format!("{} other attachments", t.attachments.len() - vpcs));
    }
    Item {
        id: t.id.clone(),
        object: Some(Object::TransitGateway(ix)),
        title: label(&t.id, &t.name),
        lines,
        heat: Heat::Inside,
        focus: focus.contains(&t.id),
        nearer: None,
    }
}

/// The VPCs of an account by region, and what they are joined to.
pub fn account(net: &Net, exposures: &[Exposure], id: &str, focus: &[String]) -> Option<Diagram> {
    let heat = heats(net, exposures);
    let mut bands: BTreeMap<&str, Band> = BTreeMap::new();
    let mut links: Vec<Link> = Vec::new();
    let mut beyond: BTreeMap<String, Item> = BTreeMap::new();
    let mut title = None;
    for (ix, v) in net.vpcs.iter().enumerate().filter(|(_, v)| net.homes[v.home].account == id) {
        let home = &net.homes[v.home];
        title.get_or_insert_with(|| label(id, &home.label));
        let s = summary(net, &heat, ix);
        let mut lines = vec![
            v.cidr_texts.iter().take(3).cloned().collect::<Vec<_>>().join(" "),
            format!("{} subnets, {} interfaces", v.subnets.len(), s.interfaces),
        ];
        if s.exposed > 0 {
            lines.push(format!("{} exposed", s.exposed));
        }
        if let Some(gateway) = v.internet_gateway {
            let label = net.internet_gateways[gateway].id.clone();
            links.push(Link { from: INTERNET.into(), to: v.id.clone(), label, focus: false });
        }
        for p in v.peerings.iter().map(|p| &net.peerings[*p]).filter(|p| p.active) {
            let other = if p.sides[0].vpc == Some(ix) { &p.sides[1] } else { &p.sides[0] };
            links.push(Link { from: v.id.clone(), to: other.vpc_id.clone(), label: p.id.clone(), focus: focus.contains(&p.id) });
            if other.account != id {
                beyond.entry(other.vpc_id.clone()).or_insert_with(|| remote(net, other, focus));
            }
        }
        for a in &v.attachments {
            let t = net.attachments[*a].gateway;
            let to = net.transit_gateways[t].id.clone();
            links.push(Link { from: v.id.clone(), to: to.clone(), label: net.attachments[*a].id.clone(), focus: false });
            beyond.entry(to).or_insert_with(|| hub(net, t, focus));
        }
        let band = bands.entry(&home.region).or_insert_with(|| Band { title: home.region.clone(), items: Vec::new() });
        band.items.push(Item {
            id: v.id.clone(),
            object: Some(Object::Vpc(ix)),
            title: label(&v.id, &v.name),
            lines,
            heat: s.heat,
            focus: focus.contains(&v.id),
            nearer: Some(Zoom::Vpc(v.id.clone())),
        });
    }
    let mut bands: Vec<Band> = bands.into_values().collect();
    if !beyond.is_empty() {
        bands.push(Band { title: "joined to".into(), items: beyond.into_values().collect() });
    }
    Some(finish(Diagram { title: format!("Account {}", title?), bands, links }, focus))
}

/// The far side of a peering.
fn remote(net: &Net, side: &crate::network::net::Side, focus: &[String]) -> Item {
    let name = side.vpc.map_or("", |v| net.vpcs[v].name.as_str());
    let account = side.vpc.map_or(side.account.as_str(), |v| net.homes[net.vpcs[v].home].label.as_str());
    Item {
        id: side.vpc_id.clone(),
        object: side.vpc.map(Object::Vpc),
        title: label(&side.vpc_id, name),
        lines: vec![format!("account {}", text::line(account)), side.cidrs.to_string()],
        heat: Heat::Inside,
        focus: focus.contains(&side.vpc_id),
        nearer: side.vpc.map(|_| Zoom::Vpc(side.vpc_id.clone())),
    }
}

/// A subnet: its routes, its network ACL, and each interface with what its groups let in.
pub fn subnet(net: &Net, ix: usize, exposures: &[Exposure], focus: &[String]) -> Diagram {
    let heat = heats(net, exposures);
    let s = &net.subnets[ix];
    let on = |id: &str| focus.iter().any(|f| f == id);
    let plain = |id: &str, object, title: String, lines, heat| Item {
        id: id.to_owned(),
        object: Some(object),
        title,
        lines,
        heat,
        focus: on(id),
        nearer: None,
    };
    let mut rules = Vec::new();
    if let Some(t) = s.table {
        let table = &net.tables[t];
        let lines = table.routes.iter().map(|r| format!("{} to {}", r.destination, r.target_text)).collect();
        rules.push(plain(&table.id, Object::Table(t), format!("routes {}", label(&table.id, &table.name)), lines, Heat::Inside));
    }
    if let Some(a) = s.acl {
        let acl = &net.acls[a];
        let lines = (0..acl.entries.len()).map(|n| crate::network::words::entry_text(acl, n)).collect();
        rules.push(plain(&acl.id, Object::Acl(a), format!("ACL {}", label(&acl.id, &acl.name)), lines, Heat::Inside));
    }
    let mut here: Vec<usize> = s.interfaces.clone();
    let rank = |i: &usize| (on(&net.interfaces[*i].id), heat.get(i).copied().unwrap_or_default());
    here.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| net.interfaces[*a].name.cmp(&net.interfaces[*b].name)));
    let mut items = Vec::new();
    for i in here.iter().take(MOST_INTERFACES) {
        let interface = &net.interfaces[*i];
        let mut lines: Vec<String> = Vec::new();
        for (private, public) in &interface.v4 {
            lines.push(public.map_or_else(|| private.to_string(), |p| format!("{private}, public {p}")));
        }
        lines.extend(interface.v6.iter().map(ToString::to_string));
        for g in &interface.groups {
            let group = &net.groups[*g];
            lines.push(format!("{} {}", group.id, text::line(&group.name)));
            lines.extend(group.rules.iter().filter(|r| !r.egress).take(6).map(|r| format!("  {}", rule_text(r))));
        }
        let now = heat.get(i).copied().unwrap_or_default();
        items.push(plain(&interface.id, Object::Interface(*i), label(&interface.id, &interface.name), lines, now));
    }
    let mut bands = Vec::new();
    if !rules.is_empty() {
        bands.push(Band { title: "routes and network ACL".into(), items: rules });
    }
    let more = here.len().saturating_sub(MOST_INTERFACES);
    let title = match (here.len(), more) {
        (0, _) => "no interfaces".to_owned(),
        (1, _) => "1 interface".to_owned(),
        (n, 0) => format!("{n} interfaces"),
        (n, more) => format!("{} of {n} interfaces, the exposed ones first; {more} more", n - more),
    };
    bands.push(Band { title, items });
    let title = format!("Subnet {} {} {}", label(&s.id, &s.name), s.cidr_texts.join(" "), s.zone);
    finish(Diagram { title, bands, links: Vec::new() }, focus)
}
