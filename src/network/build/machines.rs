//! Instances, interfaces and their addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::arn::partition_of;
use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::{Builder, name};
use crate::network::net::{Instance, Interface, Object};

impl Builder<'_> {
    pub(super) fn instances(&mut self, home: usize, part: &RegionEstate) {
        for instance in &part.network.instances {
            if instance.state() == "terminated" {
                continue;
            }
            let ix = self.net.instances.len();
            if self.enter(&instance.instance_id, Object::Instance(ix)) {
                let arn = format!(
                    "arn:{}:ec2:{}:{}:instance/{}",
                    partition_of(&part.region),
                    part.region,
                    part.account,
                    instance.instance_id
                );
                self.net.instances.push(Instance {
                    id: instance.instance_id.clone(),
                    name: instance.name().to_owned(),
                    arn,
                    home,
                    interfaces: Vec::new(),
                    profile: instance.iam_instance_profile.as_ref().map(|p| p.arn.clone()).unwrap_or_default(),
                    state: instance.state().to_owned(),
                    tags: instance.tags.clone(),
                });
            }
        }
    }
    pub(super) fn interfaces(&mut self, home: usize, part: &RegionEstate) {
        let mut elastic: HashMap<(&str, &str), &str> = HashMap::new();
        for address in part.network.addresses.iter().filter(|a| !a.network_interface_id.is_empty()) {
            elastic.insert((&address.network_interface_id, &address.private_ip_address), &address.public_ip);
        }
        for interface in &part.network.interfaces {
            if !self.net.ids.contains_key(&interface.network_interface_id) {
                self.interface(home, interface, &elastic);
            }
        }
    }

    /// Interfaces that only their instances tell of: `ec2:DescribeInstances` has them, too, so that where the interfaces'
    /// own answer is missing their machines are still judged.
    pub(super) fn embedded(&mut self, home: usize, part: &RegionEstate) {
        for instance in part.network.instances.iter().filter(|i| !matches!(i.state(), "terminated" | "shutting-down")) {
            let id = &instance.instance_id;
            let Some(Object::Instance(ix)) = self.net.object(id) else { continue };
            if !self.net.instances[ix].interfaces.is_empty() {
                continue;
            }
            let told = instance.extra.get("NetworkInterfaces").and_then(|all| all.as_array()).into_iter().flatten();
            let mut own: Vec<aws::Interface> = told.filter_map(|one| serde_json::from_value(one.clone()).ok()).collect();
            if own.is_empty() {
                own.push(aws::Interface::default());
            }
            for (n, one) in own.iter_mut().enumerate() {
                let fill = |text: &mut String, with: &str| {
                    if text.is_empty() {
                        with.clone_into(text);
                    }
                };
                fill(&mut one.vpc_id, &instance.vpc_id);
                fill(&mut one.subnet_id, &instance.subnet_id);
                one.attachment.get_or_insert_default().instance_id.clone_from(id);
                if n == 0 {
                    fill(&mut one.private_ip_address, &instance.private_ip_address);
                    if one.groups.is_empty() {
                        one.groups.clone_from(&instance.security_groups);
                    }
                    if one.public_addresses().is_empty() && !instance.public_ip_address.is_empty() {
                        let public_ip = instance.public_ip_address.clone();
                        one.association = Some(aws::Association { public_ip, ..aws::Association::default() });
                    }
                }
                // Answers that were made anonymous have one id for all.
                if one.network_interface_id.is_empty() || self.net.ids.contains_key(&one.network_interface_id) {
                    let known = if one.network_interface_id.is_empty() { "eni" } else { &one.network_interface_id };
                    one.network_interface_id = format!("{known}@{id}");
                }
            }
            own.retain(|one| !one.private_ip_address.is_empty() || !one.ipv6_addresses.is_empty());
            let what = if own.is_empty() {
                "its network interfaces are not in the estate: what reaches it is not known"
            } else {
                "its network interfaces are known from its own answer alone"
            };
            self.gap(id, what);
            for one in &own {
                self.interface(home, one, &HashMap::new());
            }
        }
    }

    fn interface(&mut self, home: usize, interface: &aws::Interface, elastic: &HashMap<(&str, &str), &str>) {
        let id = &interface.network_interface_id;
        let ix = self.net.interfaces.len();
        if !self.enter(id, Object::Interface(ix)) {
            return;
        }
        let lets_in = match interface.interface_type.as_str() {
            "global_accelerator_managed" => Some("an accelerator (Global Accelerator)"),
            "api_gateway_managed" => Some("an API (API Gateway)"),
            _ => None,
        };
        if let Some(who) = lets_in {
            self.gap(id, format!("by it {who} lets others in; whom, and to what, is not in the estate"));
        }
        let vpc = self.vpc_ix(home, &interface.vpc_id);
        let subnet = self.subnet_ix(home, vpc, &interface.subnet_id);
        let mut v4: Vec<(IpAddr, Option<IpAddr>)> = Vec::new();
        let first = std::iter::once((interface.private_ip_address.as_str(), interface.association.as_ref()));
        let more = interface.private_ip_addresses.iter().map(|p| (p.private_ip_address.as_str(), p.association.as_ref()));
        for (private, association) in first.chain(more).filter(|(p, _)| !p.is_empty()) {
            let Ok(address) = private.parse::<IpAddr>() else {
                self.gap(id, format!("{private:?} is no address"));
                continue;
            };
            let public = association.map(|a| a.public_ip.as_str()).or_else(|| elastic.get(&(id.as_str(), private)).copied());
            let public = public.and_then(|p| p.parse().ok());
            match v4.iter_mut().find(|(a, _)| *a == address) {
                Some(known) => known.1 = known.1.or(public),
                None => v4.push((address, public)),
            }
        }
        let v6 = interface.ipv6_addresses.iter().filter_map(|a| a.ipv6_address.parse().ok()).collect();
        let mut groups = Vec::new();
        let mut lost_groups = Vec::new();
        for group in &interface.groups {
            match self.net.object(&group.group_id) {
                Some(Object::Group(g)) => groups.push(g),
                _ => lost_groups.push(group.group_id.clone()),
            }
        }
        groups.sort_unstable();
        groups.dedup();
        for lost in &lost_groups {
            self.gap(id, format!("its security group {lost} is not in the estate"));
        }
        for g in &groups {
            self.net.groups[*g].members.push(ix);
        }
        let instance = match self.net.object(interface.instance()) {
            Some(Object::Instance(i)) => Some(i),
            _ => None,
        };
        if let Some(i) = instance {
            // The first interface (device index 0) is the one that load balancers and agents mean.
            let first = interface.attachment.as_ref().is_some_and(|a| a.device_index == Some(0));
            let at = if first { 0 } else { self.net.instances[i].interfaces.len() };
            self.net.instances[i].interfaces.insert(at, ix);
        }
        self.net.subnets[subnet].interfaces.push(ix);
        let own = name(&interface.tags);
        let of_instance = instance.map(|i| self.net.instances[i].name.as_str()).unwrap_or_default();
        let label = [own.as_str(), of_instance, interface.description.as_str(), id].into_iter().find(|t| !t.is_empty());
        let made = Interface {
            id: id.clone(),
            name: label.unwrap_or_default().to_owned(),
            kind: interface.interface_type.clone(),
            description: interface.description.clone(),
            home,
            vpc,
            subnet,
            groups,
            lost_groups,
            v4,
            v6,
            instance,
            source_dest_check: interface.source_dest_check.unwrap_or(true),
            tags: interface.tags.clone(),
            ..Interface::default()
        };
        if made.groups.is_empty() && made.lost_groups.is_empty() && !made.is_ungrouped_kind() {
            self.gap(id, "it has no security group in the estate, though its kind always has one");
        }
        self.net.interfaces.push(made);
    }
    pub(super) fn addresses(&mut self) {
        for (ix, interface) in self.net.interfaces.iter().enumerate() {
            let public = interface.v4.iter().filter_map(|(_, public)| *public);
            for address in interface.addresses().chain(public) {
                self.net.by_address.entry(address).or_default().push(ix);
            }
        }
        // Interfaces of an attachment say which one they belong to; that tells its subnets where nothing else does.
        let of: HashMap<&str, usize> = self.net.attachments.iter().enumerate().map(|(i, a)| (a.id.as_str(), i)).collect();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for interface in self.net.interfaces.iter().filter(|i| i.kind == "transit_gateway") {
            let words = interface.description.split_whitespace();
            found.extend(words.filter_map(|w| of.get(w)).map(|a| (*a, interface.subnet)));
        }
        for (a, subnet) in found {
            if !self.net.attachments[a].subnets.contains(&subnet) {
                self.net.attachments[a].subnets.push(subnet);
            }
        }
    }
}
