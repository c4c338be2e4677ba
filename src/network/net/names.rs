//! What objects are called, where they stand, and small questions about them.

use std::net::{IpAddr, Ipv6Addr};

use crate::model::arn::partition_of;
use crate::network::net::{Net, Object, Target};

impl Net {
    pub fn object(&self, id: &str) -> Option<Object> {
        self.ids.get(id).copied()
    }
    /// Whether the internet knows an address of an interface: of IPv6 addresses it does not know all.
    pub fn knows_internet(&self, interface: usize, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => true,
            // Global unicast is 2000::/3 (RFC 4291), and of it a VPC may have ranges that AWS keeps to itself.
            IpAddr::V6(a) => {
                let vpc = self.interfaces[interface].vpc;
                a.segments()[0] & 0xe000 == 0x2000 && !self.vpcs[vpc].private_v6.has(address)
            }
        }
    }
    /// Whether a subnet's routes lead IPv6 packets for IPv4 addresses to a NAT gateway (NAT64).
    pub fn translates(&self, subnet: usize) -> bool {
        let any = IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 1));
        let route = self.subnets[subnet].table.and_then(|t| Some(&self.tables[t].routes[self.tables[t].at(any)?]));
        route.is_some_and(|r| matches!(r.target, Target::Nat(_)))
    }
    /// Account and region an object stands in.
    pub fn home_of(&self, object: Object) -> usize {
        match object {
            Object::Vpc(i) => self.vpcs[i].home,
            Object::Subnet(i) => self.subnets[i].home,
            Object::Table(i) => self.tables[i].home,
            Object::Acl(i) => self.acls[i].home,
            Object::Group(i) => self.groups[i].home,
            Object::Interface(i) => self.interfaces[i].home,
            Object::Instance(i) => self.instances[i].home,
            Object::InternetGateway(i) => self.internet_gateways[i].home,
            Object::EgressOnlyGateway(i) => self.egress_only_gateways[i].home,
            Object::Nat(i) => self.nats[i].home,
            Object::Peering(i) => self.peerings[i].home,
            Object::TransitGateway(i) => self.transit_gateways[i].home,
            Object::Attachment(i) => self.transit_gateways[self.attachments[i].gateway].home,
            Object::VpnGateway(i) => self.vpn_gateways[i].home,
            Object::VpnConnection(i) => self.vpn_connections[i].home,
            Object::CustomerGateway(i) => self.customer_gateways[i].home,
            Object::Endpoint(i) => self.endpoints[i].home,
            Object::LoadBalancer(i) => self.load_balancers[i].home,
            Object::PrefixList(i) => self.prefix_lists[i].home,
        }
    }
    /// AWS's id, or the ARN of a load balancer.
    pub fn id_of(&self, object: Object) -> &str {
        match object {
            Object::Vpc(i) => &self.vpcs[i].id,
            Object::Subnet(i) => &self.subnets[i].id,
            Object::Table(i) => &self.tables[i].id,
            Object::Acl(i) => &self.acls[i].id,
            Object::Group(i) => &self.groups[i].id,
            Object::Interface(i) => &self.interfaces[i].id,
            Object::Instance(i) => &self.instances[i].id,
            Object::InternetGateway(i) => &self.internet_gateways[i].id,
            Object::EgressOnlyGateway(i) => &self.egress_only_gateways[i].id,
            Object::Nat(i) => &self.nats[i].id,
            Object::Peering(i) => &self.peerings[i].id,
            Object::TransitGateway(i) => &self.transit_gateways[i].id,
            Object::Attachment(i) => &self.attachments[i].id,
            Object::VpnGateway(i) => &self.vpn_gateways[i].id,
            Object::VpnConnection(i) => &self.vpn_connections[i].id,
            Object::CustomerGateway(i) => &self.customer_gateways[i].id,
            Object::Endpoint(i) => &self.endpoints[i].id,
            Object::LoadBalancer(i) => &self.load_balancers[i].arn,
            Object::PrefixList(i) => &self.prefix_lists[i].id,
        }
    }
    /// What people call it; the id where it has no name.
    pub fn name_of(&self, object: Object) -> &str {
        let name = match object {
            Object::Vpc(i) => &self.vpcs[i].name,
            Object::Subnet(i) => &self.subnets[i].name,
            Object::Table(i) => &self.tables[i].name,
            Object::Acl(i) => &self.acls[i].name,
            Object::Group(i) => &self.groups[i].name,
            Object::Interface(i) => &self.interfaces[i].name,
            Object::Instance(i) => &self.instances[i].name,
            Object::InternetGateway(i) => &self.internet_gateways[i].name,
            Object::EgressOnlyGateway(i) => &self.egress_only_gateways[i].name,
            Object::Nat(i) => &self.nats[i].name,
            Object::Peering(i) => &self.peerings[i].name,
            Object::TransitGateway(i) => &self.transit_gateways[i].name,
            Object::Attachment(i) => &self.attachments[i].id,
            Object::VpnGateway(i) => &self.vpn_gateways[i].name,
            Object::VpnConnection(i) => &self.vpn_connections[i].name,
            Object::CustomerGateway(i) => &self.customer_gateways[i].name,
            Object::Endpoint(i) => &self.endpoints[i].name,
            Object::LoadBalancer(i) => &self.load_balancers[i].name,
            Object::PrefixList(i) => &self.prefix_lists[i].name,
        };
        if name.is_empty() { self.id_of(object) } else { name }
    }
    /// The ARN AWS gives it.
    pub fn arn_of(&self, object: Object) -> String {
        let kind = match object {
            Object::LoadBalancer(i) => return self.load_balancers[i].arn.clone(),
            Object::Instance(i) => return self.instances[i].arn.clone(),
            Object::Vpc(_) => "vpc",
            Object::Subnet(_) => "subnet",
            Object::Table(_) => "route-table",
            Object::Acl(_) => "network-acl",
            Object::Group(_) => "security-group",
            Object::Interface(_) => "network-interface",
            Object::InternetGateway(_) => "internet-gateway",
            Object::EgressOnlyGateway(_) => "egress-only-internet-gateway",
            Object::Nat(_) => "natgateway",
            Object::Peering(_) => "vpc-peering-connection",
            Object::TransitGateway(_) => "transit-gateway",
            Object::Attachment(_) => "transit-gateway-attachment",
            Object::VpnGateway(_) => "vpn-gateway",
            Object::VpnConnection(_) => "vpn-connection",
            Object::CustomerGateway(_) => "customer-gateway",
            Object::Endpoint(_) => "vpc-endpoint",
            Object::PrefixList(_) => "prefix-list",
        };
        let home = &self.homes[self.home_of(object)];
        let partition = partition_of(&home.region);
        format!("arn:{partition}:ec2:{}:{}:{kind}/{}", home.region, home.account, self.id_of(object))
    }
    /// The team that answers for an object: its own tag, else its account's owner; empty where nobody does.
    pub fn owner_of(&self, object: Object) -> &str {
        let tags = match object {
            Object::Group(i) => Some(&self.groups[i].tags),
            Object::Acl(i) => Some(&self.acls[i].tags),
            Object::Interface(i) => Some(&self.interfaces[i].tags),
            Object::Instance(i) => Some(&self.instances[i].tags),
            _ => None,
        };
        let keys = ["Owner", "owner", "Team", "team"];
        let tagged = tags.and_then(|tags| keys.iter().find_map(|key| tags.get(*key)));
        tagged.map_or(&self.homes[self.home_of(object)].owner, String::as_str)
    }
}
