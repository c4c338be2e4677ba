//! Network objects of one account and region, in the shapes of `ec2:Describe*` and `elasticloadbalancing:Describe*`.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::lenient;
use crate::model::principal::tags;

/// Declares an object in AWS's JSON shape: every field may be absent, what we do not know is kept in `extra`.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $type,)+
            #[serde(flatten)]
            pub extra: Extra,
        }
    };
}

mod balancers;
mod between;
mod guards;

pub use balancers::*;
pub use between::*;
pub use guards::*;

/// All network objects of one account and region.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub vpcs: Vec<Vpc>,
    pub subnets: Vec<Subnet>,
    pub route_tables: Vec<RouteTable>,
    pub security_groups: Vec<SecurityGroup>,
    pub network_acls: Vec<NetworkAcl>,
    pub interfaces: Vec<Interface>,
    pub instances: Vec<Instance>,
    pub internet_gateways: Vec<Gateway>,
    pub egress_only_gateways: Vec<Gateway>,
    pub nat_gateways: Vec<NatGateway>,
    pub peerings: Vec<Peering>,
    pub transit_gateways: Vec<TransitGateway>,
    pub transit_gateway_attachments: Vec<TransitGatewayAttachment>,
    pub transit_gateway_route_tables: Vec<TransitGatewayRouteTable>,
    pub vpn_gateways: Vec<VpnGateway>,
    pub vpn_connections: Vec<VpnConnection>,
    pub customer_gateways: Vec<CustomerGateway>,
    pub endpoints: Vec<Endpoint>,
    pub load_balancers: Vec<LoadBalancer>,
    pub target_groups: Vec<TargetGroup>,
    pub prefix_lists: Vec<PrefixList>,
    pub addresses: Vec<Address>,
    /// None where they were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_exclusions: Option<Vec<BlockPublicAccessExclusion>>,
}

impl Network {
    /// Whether VPC Block Public Access is on for any VPC or subnet.
    pub fn blocks_public_access(&self) -> bool {
        let vpcs = self.vpcs.iter().map(|v| &v.block_public_access_states);
        vpcs.chain(self.subnets.iter().map(|s| &s.block_public_access_states)).flatten().any(|b| b.is_on())
    }
}

object! {
    /// `ec2:DescribeVpcs`
    Vpc {
        vpc_id: String,
        owner_id: String,
        /// The primary CIDR.
        cidr_block: String,
        #[serde(deserialize_with = "lenient::list")]
        cidr_block_association_set: Vec<CidrAssociation>,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_cidr_block_association_set: Vec<CidrAssociation>,
        #[serde(deserialize_with = "lenient::flag")]
        is_default: bool,
        state: String,
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        block_public_access_states: Option<BlockPublicAccess>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

impl Vpc {
    /// Every IPv4 and IPv6 CIDR that is associated, the primary first.
    pub fn cidrs(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let more = self.cidr_block_association_set.iter().chain(&self.ipv6_cidr_block_association_set);
        let gone = |a: &&CidrAssociation| !matches!(a.state(), "disassociated" | "disassociating" | "failed");
        for cidr in std::iter::once(self.cidr_block.as_str()).chain(more.filter(gone).map(CidrAssociation::cidr)) {
            if !cidr.is_empty() && !all.contains(&cidr) {
                all.push(cidr);
            }
        }
        all
    }
}

object! {
    /// One CIDR of a VPC or subnet; IPv4 and IPv6 have names of their own.
    CidrAssociation {
        association_id: String,
        cidr_block: String,
        ipv6_cidr_block: String,
        /// `private` where AWS does not tell the internet of it.
        #[serde(skip_serializing_if = "String::is_empty")]
        ipv6_address_attribute: String,
        #[serde(deserialize_with = "lenient::maybe")]
        cidr_block_state: Option<State>,
        #[serde(deserialize_with = "lenient::maybe")]
        ipv6_cidr_block_state: Option<State>,
    }
}

impl CidrAssociation {
    pub fn cidr(&self) -> &str {
        if self.cidr_block.is_empty() { &self.ipv6_cidr_block } else { &self.cidr_block }
    }
    fn state(&self) -> &str {
        self.cidr_block_state.as_ref().or(self.ipv6_cidr_block_state.as_ref()).map_or("", |s| &s.state)
    }
}

object! {
    /// A state (some AWS answers call it `Code`).
    State {
        #[serde(alias = "Code")]
        state: String,
    }
}

object! {
    /// VPC Block Public Access: `off`, `block-ingress` or `block-bidirectional`.
    BlockPublicAccess { internet_gateway_block_mode: String }
}

impl BlockPublicAccess {
    pub fn is_on(&self) -> bool {
        !matches!(self.internet_gateway_block_mode.as_str(), "" | "off")
    }
}

object! {
    /// `ec2:DescribeVpcBlockPublicAccessExclusions`: a VPC or subnet that Block Public Access leaves alone.
    BlockPublicAccessExclusion {
        exclusion_id: String,
        /// `allow-bidirectional` or `allow-egress`.
        internet_gateway_exclusion_mode: String,
        /// Of the VPC or subnet.
        resource_arn: String,
        state: String,
    }
}

object! {
    /// An instance's state: `running`, `stopped`, …; its number is in `extra`.
    InstanceState { name: String }
}

object! {
    /// `ec2:DescribeSubnets`
    Subnet {
        subnet_id: String,
        subnet_arn: String,
        vpc_id: String,
        owner_id: String,
        cidr_block: String,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_cidr_block_association_set: Vec<CidrAssociation>,
        availability_zone: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        availability_zone_id: String,
        #[serde(deserialize_with = "lenient::flag")]
        map_public_ip_on_launch: bool,
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        block_public_access_states: Option<BlockPublicAccess>,
        #[serde(deserialize_with = "lenient::number")]
        available_ip_address_count: Option<i64>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// `ec2:DescribeRouteTables`
    RouteTable {
        route_table_id: String,
        vpc_id: String,
        #[serde(deserialize_with = "lenient::list")]
        routes: Vec<Route>,
        #[serde(deserialize_with = "lenient::list")]
        associations: Vec<RouteTableAssociation>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// One route: a destination and one of several kinds of target.
    Route {
        destination_cidr_block: String,
        destination_ipv6_cidr_block: String,
        destination_prefix_list_id: String,
        gateway_id: String,
        nat_gateway_id: String,
        instance_id: String,
        network_interface_id: String,
        vpc_peering_connection_id: String,
        transit_gateway_id: String,
        egress_only_internet_gateway_id: String,
        local_gateway_id: String,
        carrier_gateway_id: String,
        core_network_arn: String,
        /// `active` or `blackhole`.
        state: String,
        origin: String,
    }
}

impl Route {
    pub fn destination(&self) -> &str {
        first(&[&self.destination_cidr_block, &self.destination_ipv6_cidr_block, &self.destination_prefix_list_id])
    }
    pub fn target(&self) -> &str {
        first(&[
            &self.gateway_id,
            &self.nat_gateway_id,
            &self.network_interface_id,
            &self.instance_id,
            &self.vpc_peering_connection_id,
            &self.transit_gateway_id,
            &self.egress_only_internet_gateway_id,
            &self.local_gateway_id,
            &self.carrier_gateway_id,
            &self.core_network_arn,
        ])
    }
}

fn first<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().find(|t| !t.is_empty()).copied().unwrap_or_default()
}

object! {
    /// Which subnet or gateway a route table serves; `main` serves every subnet without one of its own.
    RouteTableAssociation {
        #[serde(deserialize_with = "lenient::flag")]
        main: bool,
        subnet_id: String,
        gateway_id: String,
    }
}

object! {
    /// `ec2:DescribeNetworkInterfaces`
    Interface {
        network_interface_id: String,
        vpc_id: String,
        subnet_id: String,
        owner_id: String,
        availability_zone: String,
        description: String,
        /// `interface`, `nat_gateway`, `network_load_balancer`, `lambda`, `vpc_endpoint`, …
        interface_type: String,
        requester_id: String,
        private_ip_address: String,
        #[serde(deserialize_with = "lenient::list")]
        private_ip_addresses: Vec<PrivateAddress>,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_addresses: Vec<Ipv6Address>,
        #[serde(deserialize_with = "lenient::maybe")]
        association: Option<Association>,
        #[serde(deserialize_with = "lenient::maybe")]
        attachment: Option<Attachment>,
        #[serde(deserialize_with = "lenient::list")]
        groups: Vec<GroupRef>,
        #[serde(deserialize_with = "lenient::maybe_flag")]
        source_dest_check: Option<bool>,
        status: String,
        #[serde(rename = "TagSet", with = "tags")]
        tags: Tags,
    }
}

impl Interface {
    /// Public IPv4 addresses of all its private ones.
    pub fn public_addresses(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let of_private = self.private_ip_addresses.iter().filter_map(|a| a.association.as_ref());
        for association in self.association.iter().chain(of_private) {
            if !association.public_ip.is_empty() && !all.contains(&association.public_ip.as_str()) {
                all.push(&association.public_ip);
            }
        }
        all
    }
    /// The instance it is attached to; empty where none.
    pub fn instance(&self) -> &str {
        self.attachment.as_ref().map_or("", |a| &a.instance_id)
    }
}

object! {
    PrivateAddress {
        private_ip_address: String,
        #[serde(deserialize_with = "lenient::flag")]
        primary: bool,
        #[serde(deserialize_with = "lenient::maybe")]
        association: Option<Association>,
    }
}
object! { Ipv6Address { ipv6_address: String } }
object! {
    /// A public address behind a private one.
    Association { public_ip: String, public_dns_name: String, allocation_id: String, ip_owner_id: String }
}
object! {
    Attachment {
        attachment_id: String,
        instance_id: String,
        instance_owner_id: String,
        /// 0 for the instance's first interface.
        #[serde(deserialize_with = "lenient::number", skip_serializing_if = "Option::is_none")]
        device_index: Option<i64>,
        status: String,
    }
}
object! { GroupRef { group_id: String, group_name: String } }

object! {
    /// `ec2:DescribeInstances`, without the reservation around it.
    Instance {
        instance_id: String,
        image_id: String,
        instance_type: String,
        #[serde(deserialize_with = "lenient::maybe")]
        state: Option<InstanceState>,
        vpc_id: String,
        subnet_id: String,
        private_ip_address: String,
        public_ip_address: String,
        platform_details: String,
        launch_time: String,
        #[serde(deserialize_with = "lenient::maybe")]
        iam_instance_profile: Option<ProfileRef>,
        #[serde(deserialize_with = "lenient::list")]
        security_groups: Vec<GroupRef>,
        #[serde(deserialize_with = "lenient::maybe")]
        metadata_options: Option<MetadataOptions>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

impl Instance {
    /// `running`, `stopped`, …
    pub fn state(&self) -> &str {
        self.state.as_ref().map_or("", |s| &s.name)
    }
    /// Its Name tag; empty where none.
    pub fn name(&self) -> &str {
        self.tags.get("Name").map_or("", String::as_str)
    }
}

object! { ProfileRef { arn: String, id: String } }
object! {
    /// `http_tokens` is `required` where the instance metadata service answers version 2 only.
    MetadataOptions { http_tokens: String, http_endpoint: String }
}

object! {
    /// `ec2:DescribeInternetGateways` and `ec2:DescribeEgressOnlyInternetGateways`.
    Gateway {
        #[serde(alias = "EgressOnlyInternetGatewayId")]
        internet_gateway_id: String,
        #[serde(deserialize_with = "lenient::list")]
        attachments: Vec<GatewayAttachment>,
        owner_id: String,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! { GatewayAttachment { vpc_id: String, state: String } }

object! {
    /// `ec2:DescribeNatGateways`
    NatGateway {
        nat_gateway_id: String,
        vpc_id: String,
        subnet_id: String,
        state: String,
        /// `public` or `private`.
        connectivity_type: String,
        #[serde(deserialize_with = "lenient::list")]
        nat_gateway_addresses: Vec<NatAddress>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! { NatAddress { allocation_id: String, network_interface_id: String, private_ip: String, public_ip: String } }

object! {
    /// `ec2:DescribeVpcEndpoints`
    Endpoint {
        vpc_endpoint_id: String,
        /// `Gateway`, `Interface`, `GatewayLoadBalancer`.
        vpc_endpoint_type: String,
        vpc_id: String,
        service_name: String,
        state: String,
        policy_document: String,
        #[serde(deserialize_with = "lenient::list")]
        route_table_ids: Vec<String>,
        #[serde(deserialize_with = "lenient::list")]
        subnet_ids: Vec<String>,
        #[serde(deserialize_with = "lenient::list")]
        groups: Vec<GroupRef>,
        #[serde(deserialize_with = "lenient::flag")]
        private_dns_enabled: bool,
        #[serde(deserialize_with = "lenient::list")]
        network_interface_ids: Vec<String>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// `ec2:DescribeManagedPrefixLists` with the entries of `ec2:GetManagedPrefixListEntries`.
    PrefixList {
        prefix_list_id: String,
        prefix_list_name: String,
        prefix_list_arn: String,
        address_family: String,
        owner_id: String,
        #[serde(deserialize_with = "lenient::list")]
        entries: Vec<PrefixListEntry>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! { PrefixListEntry { cidr: String, description: String } }

object! {
    /// `ec2:DescribeAddresses`: an elastic address.
    Address {
        public_ip: String,
        allocation_id: String,
        association_id: String,
        private_ip_address: String,
        network_interface_id: String,
        instance_id: String,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_state_has_a_name_and_a_number() {
        let text = r#"{"InstanceId":"i-1","State":{"Code":16,"Name":"running"}}"#;
        let instance: Instance = serde_json::from_str(text).unwrap();
        assert_eq!(instance.state(), "running");
        assert_eq!(instance.state.as_ref().unwrap().extra["Code"], 16);
        let peering: Peering = serde_json::from_str(r#"{"Status":{"Code":"active","Message":"Active"}}"#).unwrap();
        assert_eq!(peering.status.unwrap().state, "active");
    }
}
