//! What joins VPCs with each other and with premises: peerings, transit gateways, VPNs, in the shapes of `ec2:Describe*`.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::lenient;
use crate::model::network::{CidrAssociation, GatewayAttachment, State};
use crate::model::principal::tags;

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
        /// The same answer's; none where not read.
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        options: Option<TransitGatewayAttachmentOptions>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}
object! {
    /// `security_group_referencing_support` is `disable` where rules of other VPCs may not name groups of this one.
    TransitGatewayAttachmentOptions { security_group_referencing_support: String }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_vpn_are_not_kept() {
        let text = r#"{"VpnConnectionId":"vpn-1","CustomerGatewayConfiguration":"<key>s3cret</key>","Category":"VPN",
            "Options":{"StaticRoutesOnly":"true","TunnelOptions":[{"OutsideIpAddress":"203.0.113.1","PreSharedKey":"s3cret"}]}}"#;
        let vpn: VpnConnection = serde_json::from_str(text).unwrap();
        assert!(vpn.options.as_ref().is_some_and(|o| o.static_routes_only && o.tunnel_options.len() == 1));
        assert_eq!(vpn.extra["Category"], "VPN");
        assert!(!serde_json::to_string(&vpn).unwrap().contains("s3cret") && !format!("{vpn:?}").contains("s3cret"));
    }
}
