//! Where resources lead: which listing shows them.

use crate::catalog::ListingId;
use crate::catalog::detail::parts::Link;
use crate::listing::filter::exactly;
use crate::model::arn::{self, Arn, ResourceRef};

/// Where a resource leads: the listing that shows it, if any does.
pub fn resource_link(resource: &ResourceRef) -> Option<Link> {
    let link = |listing, field, value: &str| {
        Some(Link { label: format!("resource {}", arn::short(&resource.id)), listing, filter: exactly(field, value) })
    };
    if let Ok(arn) = resource.id.parse::<Arn>() {
        return match (arn.service(), arn.resource_type()) {
            ("iam", Some("role" | "user" | "group")) => link(ListingId::Principals, "id", arn.as_str()),
            ("iam", Some("policy")) => link(ListingId::Policies, "id", arn.as_str()),
            ("iam", Some("saml-provider" | "oidc-provider")) => link(ListingId::Providers, "id", arn.as_str()),
            ("iam", _) if arn.resource() == "root" => link(ListingId::Accounts, "id", arn.account()),
            ("s3" | "sqs" | "sns" | "secretsmanager" | "ecr", _) | ("kms", Some("key")) | ("lambda", Some("function")) => {
                link(ListingId::Resources, "id", arn.as_str())
            }
            ("ec2", Some("security-group")) => link(ListingId::SecurityGroups, "id", arn.name()),
            ("ec2", Some("vpc")) => link(ListingId::Vpcs, "id", arn.name()),
            ("ec2", Some("subnet")) => link(ListingId::Subnets, "id", arn.name()),
            ("ec2", Some("route-table")) => link(ListingId::RouteTables, "id", arn.name()),
            ("ec2", Some("network-acl")) => link(ListingId::NetworkAcls, "id", arn.name()),
            ("ec2", Some("vpc-endpoint")) => link(ListingId::Endpoints, "id", arn.name()),
            (
                "ec2",
                Some(
                    "internet-gateway"
                    | "egress-only-internet-gateway"
                    | "natgateway"
                    | "vpn-gateway"
                    | "transit-gateway"
                    | "customer-gateway",
                ),
            ) => link(ListingId::Gateways, "id", arn.name()),
            ("ec2", Some("vpc-peering-connection" | "transit-gateway-attachment" | "vpn-connection")) => {
                link(ListingId::Connections, "id", arn.name())
            }
            ("ec2", Some("network-interface")) => link(ListingId::Interfaces, "id", arn.name()),
            ("ec2", Some("instance")) | ("ssm", Some("managed-instance")) => link(ListingId::Nodes, "id", arn.name()),
            ("elasticloadbalancing", _) => link(ListingId::LoadBalancers, "id", arn.as_str()),
            _ => None,
        };
    }
    let id = resource.id.as_str();
    match id.split_once('-').map(|(kind, _)| kind) {
        Some("sg") => link(ListingId::SecurityGroups, "id", id),
        Some("vpc") => link(ListingId::Vpcs, "id", id),
        Some("subnet") => link(ListingId::Subnets, "id", id),
        Some("rtb") => link(ListingId::RouteTables, "id", id),
        Some("acl") => link(ListingId::NetworkAcls, "id", id),
        Some("vpce") => link(ListingId::Endpoints, "id", id),
        Some("igw" | "eigw" | "nat" | "vgw" | "cgw") => link(ListingId::Gateways, "id", id),
        Some("pcx" | "vpn") => link(ListingId::Connections, "id", id),
        Some("tgw") if id.starts_with("tgw-attach-") => link(ListingId::Connections, "id", id),
        Some("tgw") => link(ListingId::Gateways, "id", id),
        Some("eni") => link(ListingId::Interfaces, "id", id),
        Some("i" | "mi") => link(ListingId::Nodes, "id", id),
        _ => match id.strip_prefix("AWS::::Account:") {
            Some(account) => link(ListingId::Accounts, "id", account),
            None if id.starts_with("AKIA") => link(ListingId::AccessKeys, "id", id),
            None => None,
        },
    }
}
