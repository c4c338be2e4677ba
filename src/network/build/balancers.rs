//! Load balancers with their interfaces; what answers behind them is `backends`.

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::backends;
use crate::network::build::Builder;
use crate::network::net::{Interface, LoadBalancer, Object};
use crate::network::packets::Service;

impl Builder<'_> {
    pub(super) fn load_balancers(&mut self, home: usize, part: &RegionEstate) {
        let listeners_read = self.whole(part, "elasticloadbalancing:DescribeListeners", true);
        for lb in &part.network.load_balancers {
            let ix = self.net.load_balancers.len();
            if !self.enter(&lb.load_balancer_arn, Object::LoadBalancer(ix)) {
                continue;
            }
            if lb.vpc_id.is_empty() && lb.is_classic() {
                self.gap(&lb.load_balancer_arn, "it stands in no VPC (EC2-Classic): what reaches it is not judged");
            }
            let vpc = self.vpc_ix(home, &lb.vpc_id);
            // `ELB app/name/0123456789abcdef` is how AWS describes the interfaces of `…:loadbalancer/app/name/0123456789abcdef`,
            // `ELB name` those of a classic one.
            let tail = lb.load_balancer_arn.split_once("loadbalancer/").map_or(lb.load_balancer_name.as_str(), |(_, tail)| tail);
            let description = format!("ELB {tail}");
            let subnets: Vec<usize> = lb.availability_zones.iter().map(|z| self.subnet_ix(home, vpc, &z.subnet_id)).collect();
            let mut interfaces = Vec::new();
            for s in &subnets {
                for i in &self.net.subnets[*s].interfaces {
                    if self.net.interfaces[*i].description == description {
                        interfaces.push(*i);
                    }
                }
            }
            interfaces.sort_unstable();
            interfaces.dedup();
            let internet_facing = lb.scheme == "internet-facing";
            if interfaces.is_empty() {
                self.gap(&lb.load_balancer_arn, "its network interfaces are not in the estate; they are assumed, one a subnet");
                interfaces = self.assumed(home, vpc, lb, &subnets);
            }
            for i in &interfaces {
                self.net.interfaces[*i].load_balancer = Some(ix);
                lb.load_balancer_name.clone_into(&mut self.net.interfaces[*i].name);
            }
            let mut listens = Service::default();
            let mut readable = true;
            for listener in &lb.listeners {
                match backends::listener(listener) {
                    Some(one) => listens = listens.or(&one.service),
                    None => readable = false,
                }
            }
            let known = readable && lb.kind != "gateway" && (!lb.listeners.is_empty() || lb.is_classic() || listeners_read);
            self.net.load_balancers.push(LoadBalancer {
                arn: lb.load_balancer_arn.clone(),
                name: lb.load_balancer_name.clone(),
                kind: lb.kind.clone(),
                home,
                vpc,
                internet_facing,
                interfaces,
                subnets,
                listens: known.then_some(listens),
                ..LoadBalancer::default()
            });
        }
        let unknown = backends::attach(&mut self.net, part);
        self.gaps.extend(unknown);
    }
    pub(super) fn assumed(&mut self, home: usize, vpc: usize, lb: &aws::LoadBalancer, subnets: &[usize]) -> Vec<usize> {
        let mut groups = Vec::new();
        let mut lost_groups = Vec::new();
        for id in &lb.security_groups {
            match self.net.object(id) {
                Some(Object::Group(g)) => groups.push(g),
                _ => lost_groups.push(id.clone()),
            }
        }
        groups.sort_unstable();
        let kind = if lb.kind == "network" { "network_load_balancer" } else { "interface" };
        let mut made = Vec::new();
        for subnet in subnets {
            let ix = self.net.interfaces.len();
            for g in &groups {
                self.net.groups[*g].members.push(ix);
            }
            self.net.subnets[*subnet].interfaces.push(ix);
            self.net.interfaces.push(Interface {
                id: format!("{}@{}", lb.load_balancer_name, self.net.subnets[*subnet].id),
                kind: kind.to_owned(),
                home,
                vpc,
                subnet: *subnet,
                groups: groups.clone(),
                lost_groups: lost_groups.clone(),
                source_dest_check: true,
                assumed: true,
                assumed_public: lb.scheme == "internet-facing",
                ..Interface::default()
            });
            made.push(ix);
        }
        made
    }
}
