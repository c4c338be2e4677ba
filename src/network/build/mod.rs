//! From an estate to the compiled network. Dangling and malformed parts are named as gaps and kept as unknown, never
//! read as closed. No reachability is decided here.

mod balancers;
mod check;
mod exits;
mod guards;
mod machines;
mod routes;
mod rules;
mod transit;
mod vpcs;
mod vpn;

pub use rules::service_of;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::IpNet;

use crate::model::account::Tags;
use crate::model::coverage::Outcome;
use crate::model::estate::{Estate, RegionEstate};
use crate::network::net::{Gap, Home, Net, Object, Vpc};
use crate::network::packets::cidr;

/// Compiles the networks of an estate.
pub fn build(estate: &Estate) -> Net {
    let coverage = estate.coverage.iter().map(|c| ((c.account.as_str(), c.region.as_str(), c.api.as_str()), c.outcome)).collect();
    let mut b = Builder { net: Net::default(), estate, coverage, gaps: BTreeSet::new() };
    b.uncovered();
    let parts: Vec<(usize, &RegionEstate)> = estate.regions.iter().map(|r| (b.home(r), r.as_ref())).collect();
    for &(home, part) in &parts {
        b.unasked(part);
        b.vpcs(home, part);
    }
    for &(home, part) in &parts {
        b.prefix_lists(home, part);
        b.subnets(home, part);
        b.gateways(home, part);
        b.customer_gateways(home, part);
    }
    for &(home, part) in &parts {
        b.vpn_connections(home, part);
        b.peerings(home, part);
        b.transit(home, part);
        b.group_names(home, part);
        b.instances(home, part);
    }
    for &(_, part) in &parts {
        b.attachments(part);
    }
    for &(home, part) in &parts {
        b.groups(part);
        b.interfaces(home, part);
    }
    for &(home, part) in &parts {
        b.embedded(home, part);
    }
    b.addresses();
    for &(home, part) in &parts {
        b.nats(home, part);
        b.endpoints(home, part);
        b.load_balancers(home, part);
    }
    for &(home, part) in &parts {
        b.acls(home, part);
        b.tables(home, part);
        b.transit_tables(part);
    }
    b.finish()
}

struct Builder<'e> {
    net: Net,
    estate: &'e Estate,
    coverage: HashMap<(&'e str, &'e str, &'e str), Outcome>,
    gaps: BTreeSet<Gap>,
}

fn name(tags: &Tags) -> String {
    tags.get("Name").cloned().unwrap_or_default()
}

impl Builder<'_> {
    fn gap(&mut self, object: &str, what: impl Into<String>) {
        self.gaps.insert(Gap { object: object.to_owned(), what: what.into() });
    }
    fn home(&mut self, part: &RegionEstate) -> usize {
        let account = self.estate.account(&part.account);
        self.net.homes.push(Home {
            account: part.account.clone(),
            label: self.estate.account_label(&part.account).to_owned(),
            region: part.region.clone(),
            environment: account.and_then(|a| a.environment.value),
            owner: account.and_then(|a| a.owner.value.clone()).unwrap_or_default(),
            interfaces_known: self.whole(part, "ec2:DescribeNetworkInterfaces", part.network.interfaces.is_empty()),
        });
        self.net.homes.len() - 1
    }
    /// Whether an API's answer is whole for this account and region, as far as coverage says.
    fn covered(&self, part: &RegionEstate, api: &str) -> bool {
        let row = self.coverage.get(&(part.account.as_str(), part.region.as_str(), api));
        row.is_none_or(|outcome| *outcome == Outcome::Ok)
    }
    /// Whether an answer is there and whole; files of plain answers may lack what nobody asked for, and then it is `empty`.
    fn whole(&self, part: &RegionEstate, api: &str, empty: bool) -> bool {
        let asked = self.coverage.contains_key(&(part.account.as_str(), part.region.as_str(), api));
        self.covered(part, api) && (asked || !empty)
    }
    /// Files of plain answers may lack one that all others lean on.
    fn unasked(&mut self, part: &RegionEstate) {
        let api = "ec2:DescribeNetworkInterfaces";
        let asked = self.coverage.contains_key(&(part.account.as_str(), part.region.as_str(), api));
        let n = &part.network;
        if !asked && n.interfaces.is_empty() && !(n.vpcs.is_empty() && n.subnets.is_empty()) {
            let object = format!("{} {}", part.account, part.region);
            self.gap(&object, format!("no answer tells of interfaces ({api}): what stands in its VPCs is not known"));
        }
    }
    /// What AWS did not answer is a gap of its own.
    fn uncovered(&mut self) {
        let network = |api: &str| api.starts_with("ec2:") || api.starts_with("elasticloadbalancing:");
        for c in self.estate.coverage.iter().filter(|c| c.outcome != Outcome::Ok && network(&c.api)) {
            let what = format!("{} was {}: what it would tell is unknown", c.api, c.outcome);
            self.gaps.insert(Gap { object: format!("{} {}", c.account, c.region), what });
        }
    }
    fn nets<'t>(&mut self, object: &str, texts: impl Iterator<Item = &'t str>) -> Vec<IpNet> {
        let mut nets = Vec::new();
        for text in texts {
            match cidr(text) {
                Ok(net) => nets.push(net),
                Err(e) => self.gap(object, e.to_string()),
            }
        }
        nets
    }
    /// Registers an id; false where it is there already (shared objects are seen from several accounts).
    fn enter(&mut self, id: &str, object: Object) -> bool {
        if id.is_empty() || self.net.ids.contains_key(id) {
            return false;
        }
        self.net.ids.insert(id.to_owned(), object);
        true
    }
    fn vpc_ix(&mut self, home: usize, id: &str) -> usize {
        if let Some(Object::Vpc(ix)) = self.net.object(id) {
            return ix;
        }
        // Named by something, but not described: kept so that what stands in it can still be judged.
        let ix = self.net.vpcs.len();
        self.enter(id, Object::Vpc(ix));
        self.net.vpcs.push(Vpc { id: id.to_owned(), home, ..Vpc::default() });
        if !id.is_empty() {
            self.gap(id, "the VPC is named but not in the estate");
        }
        ix
    }
    fn finish(mut self) -> Net {
        self.associate();
        self.check();
        // Subnets without an ACL of their own have the VPC's default one.
        let defaults: BTreeMap<&str, usize> =
            self.net.acls.iter().enumerate().filter(|(_, a)| a.is_default).map(|(i, a)| (a.vpc.as_str(), i)).collect();
        let mut missing = Vec::new();
        for subnet in &mut self.net.subnets {
            if subnet.acl.is_none() {
                subnet.acl = defaults.get(self.net.vpcs[subnet.vpc].id.as_str()).copied();
            }
            let lacks = [
                (subnet.table.is_none(), "no route table is known for it"),
                (subnet.acl.is_none(), "no network ACL is known for it"),
            ];
            missing.extend(lacks.into_iter().filter(|(lack, _)| *lack).map(|(_, what)| (subnet.id.clone(), what)));
        }
        for (id, what) in missing {
            self.gap(&id, what);
        }
        for vpc in &mut self.net.vpcs {
            let home = &self.net.homes[vpc.home];
            let key = (home.account.as_str(), home.region.as_str(), "ec2:DescribeInternetGateways");
            let read = self.coverage.get(&key).is_none_or(|o| *o == Outcome::Ok);
            vpc.gateways_unknown = !vpc.seen || !read || vpc.subnets.iter().any(|s| self.net.subnets[*s].table.is_none());
        }
        self.net.gaps = self.gaps.into_iter().collect();
        self.net
    }
}
