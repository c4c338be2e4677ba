//! Network objects of one account and region, in the shapes of `ec2:Describe*` and `elasticloadbalancing:Describe*`.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::lenient;
use crate::model::principal::tags;

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
}

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
        #[serde(deserialize_with = "lenient::flag")]
        map_public_ip_on_launch: bool,
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
    /// `ec2:DescribeSecurityGroups`
    SecurityGroup {
        group_id: String,
        group_name: String,
        description: String,
        vpc_id: String,
        owner_id: String,
        #[serde(deserialize_with = "lenient::list")]
        ip_permissions: Vec<IpPermission>,
        #[serde(deserialize_with = "lenient::list")]
        ip_permissions_egress: Vec<IpPermission>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// One set of rules of a security group: a protocol, its ports, and all peers.
    IpPermission {
        /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol number, or `-1` for all.
        ip_protocol: String,
        /// None for all ports; for ICMP the type.
        #[serde(deserialize_with = "lenient::number")]
        from_port: Option<i64>,
        /// For ICMP the code.
        #[serde(deserialize_with = "lenient::number")]
        to_port: Option<i64>,
        #[serde(deserialize_with = "lenient::list")]
        ip_ranges: Vec<IpRange>,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_ranges: Vec<Ipv6Range>,
        #[serde(deserialize_with = "lenient::list")]
        prefix_list_ids: Vec<PrefixListRef>,
        #[serde(deserialize_with = "lenient::list")]
        user_id_group_pairs: Vec<GroupPair>,
    }
}

impl IpPermission {
    /// `all`, `tcp 22`, `tcp 1024-65535`, `icmp`.
    pub fn ports(&self) -> String {
        let protocol = match self.ip_protocol.as_str() {
            "-1" => return "all".to_owned(),
            "6" => "tcp",
            "17" => "udp",
            "1" => "icmp",
            "58" => "icmpv6",
            other => other,
        };
        match (self.from_port, self.to_port) {
            (Some(from), Some(to)) if !protocol.starts_with("icmp") && from >= 0 && (from > 0 || to != 65_535) => {
                if from == to {
                    format!("{protocol} {from}")
                } else {
                    format!("{protocol} {from}-{to}")
                }
            }
            _ => protocol.to_owned(),
        }
    }
    /// Every peer as one word: CIDRs, prefix lists, groups.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        (self.ip_ranges.iter().map(|r| r.cidr_ip.as_str()))
            .chain(self.ipv6_ranges.iter().map(|r| r.cidr_ipv6.as_str()))
            .chain(self.prefix_list_ids.iter().map(|p| p.prefix_list_id.as_str()))
            .chain(self.user_id_group_pairs.iter().map(|g| g.group_id.as_str()))
    }
    /// Whether it names the whole IPv4 or IPv6 internet.
    pub fn is_open(&self) -> bool {
        self.peers().any(|p| p == "0.0.0.0/0" || p == "::/0")
    }
}

object! { IpRange { cidr_ip: String, description: String } }
object! { Ipv6Range { cidr_ipv6: String, description: String } }
object! { PrefixListRef { prefix_list_id: String, description: String } }
object! {
    /// A security group as a peer, in this or a peered VPC.
    GroupPair {
        group_id: String,
        user_id: String,
        vpc_id: String,
        vpc_peering_connection_id: String,
        peering_status: String,
        description: String,
    }
}

object! {
    /// `ec2:DescribeNetworkAcls`
    NetworkAcl {
        network_acl_id: String,
        vpc_id: String,
        #[serde(deserialize_with = "lenient::flag")]
        is_default: bool,
        #[serde(deserialize_with = "lenient::list")]
        entries: Vec<AclEntry>,
        #[serde(deserialize_with = "lenient::list")]
        associations: Vec<AclAssociation>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// One entry; lower numbers are read first, the first match decides.
    AclEntry {
        #[serde(deserialize_with = "lenient::number")]
        rule_number: Option<i64>,
        protocol: String,
        /// `allow` or `deny`.
        rule_action: String,
        #[serde(deserialize_with = "lenient::flag")]
        egress: bool,
        cidr_block: String,
        ipv6_cidr_block: String,
        #[serde(deserialize_with = "lenient::maybe")]
        port_range: Option<PortRange>,
        #[serde(deserialize_with = "lenient::maybe")]
        icmp_type_code: Option<IcmpTypeCode>,
    }
}

object! {
    PortRange {
        #[serde(deserialize_with = "lenient::number")]
        from: Option<i64>,
        #[serde(deserialize_with = "lenient::number")]
        to: Option<i64>,
    }
}
object! {
    IcmpTypeCode {
        #[serde(rename = "Type", deserialize_with = "lenient::number")]
        kind: Option<i64>,
        #[serde(deserialize_with = "lenient::number")]
        code: Option<i64>,
    }
}
object! { AclAssociation { subnet_id: String, network_acl_association_id: String } }

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
object! { Attachment { attachment_id: String, instance_id: String, instance_owner_id: String, status: String } }
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
    /// `ec2:DescribeVpcPeeringConnections`
    Peering {
        vpc_peering_connection_id: String,
        #[serde(deserialize_with = "lenient::maybe")]
        requester_vpc_info: Option<PeerVpc>,
        #[serde(deserialize_with = "lenient::maybe")]
        accepter_vpc_info: Option<PeerVpc>,
        #[serde(deserialize_with = "lenient::maybe")]
        status: Option<State>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! {
    PeerVpc {
        vpc_id: String,
        owner_id: String,
        region: String,
        cidr_block: String,
        #[serde(deserialize_with = "lenient::list")]
        cidr_block_set: Vec<CidrAssociation>,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_cidr_block_set: Vec<CidrAssociation>,
    }
}

object! {
    /// `ec2:DescribeTransitGatewayAttachments`
    TransitGatewayAttachment {
        transit_gateway_attachment_id: String,
        transit_gateway_id: String,
        transit_gateway_owner_id: String,
        resource_owner_id: String,
        /// `vpc`, `vpn`, `direct-connect-gateway`, `peering`, …
        resource_type: String,
        resource_id: String,
        state: String,
        /// The route table that reads what comes in here.
        #[serde(deserialize_with = "lenient::maybe")]
        association: Option<TransitGatewayAssociation>,
        /// `ec2:DescribeTransitGatewayVpcAttachments`; empty where not read.
        #[serde(deserialize_with = "lenient::list")]
        subnet_ids: Vec<String>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! { TransitGatewayAssociation { transit_gateway_route_table_id: String, transit_gateway_attachment_id: String, state: String } }

object! {
    /// `ec2:DescribeTransitGateways`
    TransitGateway {
        transit_gateway_id: String,
        transit_gateway_arn: String,
        owner_id: String,
        state: String,
        #[serde(deserialize_with = "lenient::maybe")]
        options: Option<TransitGatewayOptions>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! {
    /// `security_group_referencing_support` is `enable` where groups of other VPCs may be named in rules.
    TransitGatewayOptions { security_group_referencing_support: String, association_default_route_table_id: String }
}

object! {
    /// `ec2:DescribeTransitGatewayRouteTables`, with what belongs to it; none where that was not read.
    TransitGatewayRouteTable {
        transit_gateway_route_table_id: String,
        transit_gateway_id: String,
        state: String,
        /// `ec2:SearchTransitGatewayRoutes`: static routes, and propagated ones where the answer has them.
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        routes: Option<Vec<TransitGatewayRoute>>,
        /// `ec2:GetTransitGatewayRouteTablePropagations`
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        propagations: Option<Vec<TransitGatewayPropagation>>,
        /// `ec2:GetTransitGatewayRouteTableAssociations`
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        associations: Option<Vec<TransitGatewayAssociation>>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! {
    TransitGatewayRoute {
        destination_cidr_block: String,
        prefix_list_id: String,
        /// `static` or `propagated`.
        #[serde(rename = "Type")]
        kind: String,
        /// `active` or `blackhole`.
        state: String,
        #[serde(deserialize_with = "lenient::list")]
        transit_gateway_attachments: Vec<TransitGatewayPropagation>,
    }
}
object! {
    TransitGatewayPropagation { transit_gateway_attachment_id: String, resource_id: String, resource_type: String, state: String }
}

object! {
    /// `ec2:DescribeVpnGateways`: a virtual private gateway.
    VpnGateway {
        vpn_gateway_id: String,
        state: String,
        #[serde(deserialize_with = "lenient::list")]
        vpc_attachments: Vec<GatewayAttachment>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// `ec2:DescribeVpnConnections`: a VPN between a gateway of AWS and a customer gateway. Its keys are not kept.
    VpnConnection {
        vpn_connection_id: String,
        customer_gateway_id: String,
        /// Empty where it ends at a transit gateway.
        vpn_gateway_id: String,
        transit_gateway_id: String,
        state: String,
        #[serde(deserialize_with = "lenient::maybe")]
        options: Option<VpnOptions>,
        /// Static routes; those that BGP told stand in route tables.
        #[serde(deserialize_with = "lenient::list")]
        routes: Vec<VpnStaticRoute>,
        /// Its tunnels as they are now.
        #[serde(deserialize_with = "lenient::list")]
        vgw_telemetry: Vec<VpnTunnel>,
        /// The router's configuration holds the tunnels' pre-shared keys.
        #[serde(rename = "CustomerGatewayConfiguration", deserialize_with = "lenient::dropped", skip_serializing)]
        configuration: (),
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! {
    VpnOptions {
        #[serde(deserialize_with = "lenient::flag")]
        static_routes_only: bool,
        #[serde(deserialize_with = "lenient::list")]
        tunnel_options: Vec<VpnTunnelOption>,
    }
}
object! {
    VpnTunnelOption {
        outside_ip_address: String,
        tunnel_inside_cidr: String,
        #[serde(rename = "PreSharedKey", deserialize_with = "lenient::dropped", skip_serializing)]
        key: (),
    }
}
object! { VpnStaticRoute { destination_cidr_block: String, state: String } }
object! {
    /// `status` is `UP` or `DOWN`.
    VpnTunnel { outside_ip_address: String, status: String, status_message: String }
}
object! {
    /// `ec2:DescribeCustomerGateways`: the far end of VPN connections.
    CustomerGateway {
        customer_gateway_id: String,
        state: String,
        /// Its public address; empty for one that signs in by certificate.
        ip_address: String,
        bgp_asn: String,
        device_name: String,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

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
    /// `elasticloadbalancing:DescribeLoadBalancers` (version 2), with what belongs to it.
    LoadBalancer {
        load_balancer_arn: String,
        load_balancer_name: String,
        #[serde(rename = "DNSName")]
        dns_name: String,
        /// `internet-facing` or `internal`.
        scheme: String,
        /// `application`, `network`, `gateway`.
        #[serde(rename = "Type")]
        kind: String,
        vpc_id: String,
        #[serde(deserialize_with = "lenient::maybe")]
        state: Option<State>,
        #[serde(deserialize_with = "lenient::list")]
        security_groups: Vec<String>,
        #[serde(deserialize_with = "lenient::list")]
        availability_zones: Vec<LoadBalancerZone>,
        /// `elasticloadbalancing:DescribeListeners`
        #[serde(deserialize_with = "lenient::list")]
        listeners: Vec<Extra>,
        /// `elasticloadbalancing:DescribeRules` of all its listeners; none where they were not read.
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        rules: Option<Vec<ListenerRule>>,
    }
}
object! {
    /// One rule of a listener: what matches its conditions is handled by its actions.
    ListenerRule {
        rule_arn: String,
        /// A number, the lowest first; `default` comes last.
        priority: String,
        #[serde(deserialize_with = "lenient::list")]
        conditions: Vec<Extra>,
        #[serde(deserialize_with = "lenient::list")]
        actions: Vec<Extra>,
        #[serde(deserialize_with = "lenient::flag")]
        is_default: bool,
    }
}

impl ListenerRule {
    /// The ARN of its listener: `…:listener-rule/app/NAME/ID/LISTENER/RULE` is a rule of `…:listener/app/NAME/ID/LISTENER`.
    pub fn listener(&self) -> Option<String> {
        let (front, path) = self.rule_arn.split_once(":listener-rule/")?;
        Some(format!("{front}:listener/{}", path.rsplit_once('/')?.0))
    }
    /// The ARN of its load balancer.
    pub fn load_balancer(&self) -> Option<String> {
        let (front, path) = self.rule_arn.split_once(":listener-rule/")?;
        let (path, _) = path.rsplit_once('/')?;
        Some(format!("{front}:loadbalancer/{}", path.rsplit_once('/')?.0))
    }
}

object! { LoadBalancerZone { zone_name: String, subnet_id: String } }

object! {
    /// `elasticloadbalancing:DescribeTargetGroups`, with what belongs to it; none where that was not read.
    TargetGroup {
        target_group_arn: String,
        target_group_name: String,
        protocol: String,
        #[serde(deserialize_with = "lenient::number")]
        port: Option<i64>,
        vpc_id: String,
        /// `instance`, `ip`, `lambda`, `alb`.
        target_type: String,
        #[serde(deserialize_with = "lenient::list")]
        load_balancer_arns: Vec<String>,
        /// The `Target` of each row of `elasticloadbalancing:DescribeTargetHealth`.
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        targets: Option<Vec<Target>>,
        /// `preserve_client_ip.enabled` of `elasticloadbalancing:DescribeTargetGroupAttributes`.
        #[serde(deserialize_with = "lenient::maybe_flag", skip_serializing_if = "Option::is_none")]
        preserve_client_ip: Option<bool>,
    }
}
object! {
    /// An instance id, an address, a function or a load balancer, and the port there.
    Target {
        id: String,
        #[serde(deserialize_with = "lenient::number")]
        port: Option<i64>,
        availability_zone: String,
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
    fn text_scalars_and_json_scalars_read_alike() {
        let xml_like =
            r#"{"IpProtocol":"tcp","FromPort":"22","ToPort":"22","IpRanges":[{"CidrIp":"0.0.0.0/0"}],"Ipv6Ranges":""}"#;
        let json = r#"{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}"#;
        let a: IpPermission = serde_json::from_str(xml_like).unwrap();
        let b: IpPermission = serde_json::from_str(json).unwrap();
        assert_eq!(a, b);
        assert!(a.is_open());
        assert_eq!(a.ports(), "tcp 22");
    }

    #[test]
    fn the_keys_of_a_vpn_are_not_kept() {
        let text = r#"{"VpnConnectionId":"vpn-1","CustomerGatewayConfiguration":"<key>s3cret</key>","Category":"VPN",
            "Options":{"StaticRoutesOnly":"true","TunnelOptions":[{"OutsideIpAddress":"203.0.113.1","PreSharedKey":"s3cret"}]}}"#;
        let vpn: VpnConnection = serde_json::from_str(text).unwrap();
        assert!(vpn.options.as_ref().is_some_and(|o| o.static_routes_only && o.tunnel_options.len() == 1));
        assert_eq!(vpn.extra["Category"], "VPN");
        assert!(!serde_json::to_string(&vpn).unwrap().contains("s3cret") && !format!("{vpn:?}").contains("s3cret"));
    }

    #[test]
    fn a_rule_knows_its_listener() {
        let rule = ListenerRule {
            rule_arn: "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/front/0a/1b/2c".into(),
            ..Default::default()
        };
        assert_eq!(rule.listener().unwrap(), "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/front/0a/1b");
        assert_eq!(rule.load_balancer().unwrap(), "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/front/0a");
        assert_eq!(ListenerRule::default().listener(), None);
    }

    #[test]
    fn an_instance_state_has_a_name_and_a_number() {
        let text = r#"{"InstanceId":"i-1","State":{"Code":16,"Name":"running"}}"#;
        let instance: Instance = serde_json::from_str(text).unwrap();
        assert_eq!(instance.state(), "running");
        assert_eq!(instance.state.as_ref().unwrap().extra["Code"], 16);
        let peering: Peering = serde_json::from_str(r#"{"Status":{"Code":"active","Message":"Active"}}"#).unwrap();
        assert_eq!(peering.status.unwrap().state, "active");
    }

    #[test]
    fn ports_read_as_people_write_them() {
        let permission = |protocol: &str, from, to| IpPermission {
            ip_protocol: protocol.into(),
            from_port: from,
            to_port: to,
            ..Default::default()
        };
        assert_eq!(permission("-1", None, None).ports(), "all");
        assert_eq!(permission("tcp", Some(0), Some(65_535)).ports(), "tcp");
        assert_eq!(permission("6", Some(1024), Some(2048)).ports(), "tcp 1024-2048");
        assert_eq!(permission("icmp", Some(-1), Some(-1)).ports(), "icmp");
    }
}
