//! Load balancers: what a listener listens on, and which interfaces answer behind it. It reads
//! `elasticloadbalancing:Describe*` shapes; reachability from the load balancer to its targets is not decided here.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::Extra;
use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::net::{Backend, Net, Object};
use crate::network::packets::{Service, TCP, UDP};

/// One listener.
pub struct Listener {
    pub service: Service,
    pub port: u16,
    /// ARNs of the target groups that its default actions forward to.
    pub groups: Vec<String>,
}

/// Reads a listener; none where its port or protocol can not be read (a Gateway Load Balancer's has neither).
pub fn listener(extra: &Extra) -> Option<Listener> {
    let port = extra.get("Port")?;
    let port = port.as_u64().or_else(|| port.as_str()?.parse().ok())?;
    let port = u16::try_from(port).ok()?;
    let both = |port| Service::ports(TCP, port, port).or(&Service::ports(UDP, port, port));
    let service = match extra.get("Protocol")?.as_str()?.to_ascii_uppercase().as_str() {
        "UDP" | "QUIC" => Service::ports(UDP, port, port),
        "TCP_UDP" | "TCP_QUIC" => both(port),
        _ => Service::ports(TCP, port, port),
    };
    let mut groups = Vec::new();
    for action in extra.get("DefaultActions").and_then(|a| a.as_array()).into_iter().flatten() {
        let one = action.get("TargetGroupArn").into_iter();
        let more = action.get("ForwardConfig").and_then(|f| f.get("TargetGroups")).and_then(|g| g.as_array());
        let more = more.into_iter().flatten().filter_map(|g| g.get("TargetGroupArn"));
        groups.extend(one.chain(more).filter_map(|t| t.as_str()).map(str::to_owned));
    }
    groups.sort();
    groups.dedup();
    Some(Listener { service, port, groups })
}

/// Whether the target sees the client's address ("Target groups for your Network Load Balancers", client IP
/// preservation): always for instances by default, for addresses only with UDP, unless an attribute says otherwise.
fn preserves_client(kind: &str, group: &aws::TargetGroup) -> bool {
    if kind != "network" {
        return false;
    }
    if matches!(group.protocol.as_str(), "UDP" | "TCP_UDP") {
        return true;
    }
    group.preserve_client_ip.unwrap_or(group.target_type == "instance")
}

/// Ties every load balancer of a region to the interfaces behind it.
pub fn attach(net: &mut Net, part: &RegionEstate) {
    let listeners: HashMap<&str, &aws::LoadBalancer> =
        part.network.load_balancers.iter().map(|lb| (lb.load_balancer_arn.as_str(), lb)).collect();
    for lb in &part.network.load_balancers {
        let Some(Object::LoadBalancer(ix)) = net.object(&lb.load_balancer_arn) else { continue };
        let read: Vec<Listener> = listeners
            .get(lb.load_balancer_arn.as_str())
            .map_or_else(Vec::new, |lb| lb.listeners.iter().filter_map(listener).collect());
        let mut backends = Vec::new();
        let mut known = net.load_balancers[ix].listens.is_some();
        let mut some = false;
        for group in &part.network.target_groups {
            let of_lb = group.load_balancer_arns.contains(&lb.load_balancer_arn);
            let ports: Vec<u16> = read.iter().filter(|l| l.groups.contains(&group.target_group_arn)).map(|l| l.port).collect();
            if !of_lb && ports.is_empty() {
                continue;
            }
            some = true;
            let Some(targets) = &group.targets else {
                known = false;
                continue;
            };
            for target in targets {
                let port = target.port.or(group.port).and_then(|p| u16::try_from(p).ok());
                let (Some(port), Some(interface)) = (port, interface_of(net, net.load_balancers[ix].vpc, &target.id)) else {
                    // A function or a target elsewhere is no interface of ours.
                    known &= group.target_type == "lambda";
                    continue;
                };
                let protocol = if group.protocol == "UDP" { UDP } else { TCP };
                let preserves_client = preserves_client(&lb.kind, group);
                let name = group.target_group_name.clone();
                let one = |listener| Backend { listener, group: name.clone(), interface, protocol, port, preserves_client };
                if ports.is_empty() { backends.push(one(None)) } else { backends.extend(ports.iter().map(|p| one(Some(*p)))) }
            }
        }
        backends.sort_by_key(|b| (b.interface, b.listener, b.port));
        backends.dedup();
        let forwards = read.iter().any(|l| !l.groups.is_empty());
        net.load_balancers[ix].backends_known = known && (some || !forwards);
        net.load_balancers[ix].backends = backends;
    }
}

fn interface_of(net: &Net, vpc: usize, id: &str) -> Option<usize> {
    if let Some(Object::Instance(i)) = net.object(id) {
        return net.instances[i].interfaces.first().copied();
    }
    let address: IpAddr = id.parse().ok()?;
    let all = net.by_address.get(&address)?;
    all.iter().copied().find(|i| net.interfaces[*i].vpc == vpc).or_else(|| all.first().copied())
}
