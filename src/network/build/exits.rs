//! NAT gateways and VPC endpoints.

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::{Builder, name};
use crate::network::net::{Endpoint, Nat, Object};
use crate::network::policy;

impl Builder<'_> {
    pub(super) fn nats(&mut self, home: usize, part: &RegionEstate) {
        for nat in &part.network.nat_gateways {
            let ix = self.net.nats.len();
            if matches!(nat.state.as_str(), "deleted") || !self.enter(&nat.nat_gateway_id, Object::Nat(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &nat.vpc_id);
            let subnet = (!nat.subnet_id.is_empty()).then(|| self.subnet_ix(home, vpc, &nat.subnet_id));
            // An address that is on its way in or out carries nothing yet or no more.
            let works = |a: &&aws::NatAddress| {
                !matches!(a.extra.get("Status").and_then(|s| s.as_str()), Some("failed" | "assigning" | "associating"))
            };
            let read = |text: fn(&aws::NatAddress) -> &str| {
                nat.nat_gateway_addresses.iter().filter(works).map(move |a| text(a).parse().ok()).collect::<Vec<_>>()
            };
            let addresses = read(|a| &a.private_ip).into_iter().zip(read(|a| &a.public_ip)).collect();
            self.net.nats.push(Nat {
                id: nat.nat_gateway_id.clone(),
                name: name(&nat.tags),
                home,
                vpc,
                subnet,
                is_public: nat.connectivity_type != "private",
                addresses,
                works: matches!(nat.state.as_str(), "available" | ""),
            });
        }
    }
    pub(super) fn endpoints(&mut self, home: usize, part: &RegionEstate) {
        for endpoint in &part.network.endpoints {
            let ix = self.net.endpoints.len();
            let gone = matches!(endpoint.state.as_str(), "deleted" | "deleting" | "rejected" | "failed" | "expired");
            if gone || !self.enter(&endpoint.vpc_endpoint_id, Object::Endpoint(ix)) {
                continue;
            }
            let vpc = self.vpc_ix(home, &endpoint.vpc_id);
            let subnets = endpoint.subnet_ids.iter().map(|s| self.subnet_ix(home, vpc, s)).collect();
            let mut interfaces = Vec::new();
            for id in &endpoint.network_interface_ids {
                if let Some(Object::Interface(i)) = self.net.object(id) {
                    interfaces.push(i);
                    self.net.interfaces[i].endpoint = Some(ix);
                }
            }
            if endpoint.service_name.contains(".vpce-svc-") {
                self.gap(&endpoint.vpc_endpoint_id, "it leads into the VPC of a provider (PrivateLink), which is not followed");
            }
            self.net.vpcs[vpc].endpoints.push(ix);
            self.net.endpoints.push(Endpoint {
                id: endpoint.vpc_endpoint_id.clone(),
                name: name(&endpoint.tags),
                home,
                vpc,
                kind: endpoint.vpc_endpoint_type.clone(),
                service: endpoint.service_name.clone(),
                subnets,
                interfaces,
                private_dns: endpoint.private_dns_enabled,
                works: matches!(endpoint.state.to_ascii_lowercase().as_str(), "available" | ""),
                passes: policy::passes(&endpoint.policy_document, &endpoint.vpc_id, &endpoint.vpc_endpoint_id),
            });
        }
    }
}
