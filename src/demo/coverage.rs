//! What was asked and what came back: nearly all is well, a handful is not, as in any organisation.

use jiff::Timestamp;

use crate::demo::accounts::{AUDIT, REFUSED, REGIONS, SEATS, SUSPENDED};
use crate::model::coverage::{Coverage, Outcome};
use crate::model::estate::{Estate, RegionEstate};
use crate::model::principal::Identity;

type Count<T> = fn(&T) -> usize;

const GLOBAL: [(&str, Count<Identity>); 7] = [
    ("iam:GetAccountAuthorizationDetails", |i| i.users.len() + i.groups.len() + i.roles.len() + i.policies.len()),
    ("iam:GetAccountPasswordPolicy", |i| usize::from(i.password_policy.is_some())),
    ("iam:GetAccountSummary", |_| 1),
    ("iam:GetCredentialReport", |i| i.credentials.len()),
    ("iam:ListAccessKeys", |i| i.access_keys.len()),
    ("iam:ListOpenIDConnectProviders", |i| i.oidc_providers.len()),
    ("iam:ListSAMLProviders", |i| i.saml_providers.len()),
];

const REGIONAL: [(&str, Count<RegionEstate>); 55] = [
    ("ec2:DescribeAddresses", |r| r.network.addresses.len()),
    ("ec2:DescribeCustomerGateways", |r| r.network.customer_gateways.len()),
    ("ec2:DescribeEgressOnlyInternetGateways", |r| r.network.egress_only_gateways.len()),
    ("ec2:DescribeInstances", |r| r.network.instances.len()),
    ("ec2:DescribeInternetGateways", |r| r.network.internet_gateways.len()),
    ("ec2:DescribeManagedPrefixLists", |r| r.network.prefix_lists.len()),
    ("ec2:DescribeNatGateways", |r| r.network.nat_gateways.len()),
    ("ec2:DescribeNetworkAcls", |r| r.network.network_acls.len()),
    ("ec2:DescribeNetworkInterfaces", |r| r.network.interfaces.len()),
    ("ec2:DescribeRouteTables", |r| r.network.route_tables.len()),
    ("ec2:DescribeSecurityGroups", |r| r.network.security_groups.len()),
    ("ec2:DescribeSubnets", |r| r.network.subnets.len()),
    ("ec2:DescribeTransitGatewayAttachments", |r| r.network.transit_gateway_attachments.len()),
    ("ec2:DescribeTransitGatewayRouteTables", |r| r.network.transit_gateway_route_tables.len()),
    ("ec2:DescribeTransitGatewayVpcAttachments", |r| r.network.transit_gateway_attachments.len()),
    ("ec2:DescribeTransitGateways", |r| r.network.transit_gateways.len()),
    ("ec2:DescribeVpcEndpoints", |r| r.network.endpoints.len()),
    ("ec2:DescribeVpcPeeringConnections", |r| r.network.peerings.len()),
    ("ec2:DescribeVpcs", |r| r.network.vpcs.len()),
    ("ec2:DescribeVpnConnections", |r| r.network.vpn_connections.len()),
    ("ec2:DescribeVpnGateways", |r| r.network.vpn_gateways.len()),
    ("ec2:GetTransitGatewayRouteTableAssociations", |r| {
        r.network.transit_gateway_route_tables.iter().flat_map(|t| &t.associations).map(Vec::len).sum()
    }),
    ("ec2:GetTransitGatewayRouteTablePropagations", |r| {
        r.network.transit_gateway_route_tables.iter().flat_map(|t| &t.propagations).map(Vec::len).sum()
    }),
    ("ec2:SearchTransitGatewayRoutes", |r| {
        r.network.transit_gateway_route_tables.iter().flat_map(|t| &t.routes).map(Vec::len).sum()
    }),
    ("ecr:DescribeRepositories", |r| of(r, "ecr")),
    ("ecr:GetRepositoryPolicy", |r| of(r, "ecr")),
    ("ecs:DescribeTaskDefinition", |r| r.workloads.tasks.len()),
    ("ecs:DescribeTasks", |r| r.workloads.tasks.len()),
    ("ecs:ListClusters", |r| usize::from(!r.workloads.tasks.is_empty())),
    ("ecs:ListTasks", |r| r.workloads.tasks.len()),
    ("elasticloadbalancing:DescribeListeners", |r| r.network.load_balancers.iter().map(|l| l.listeners.len()).sum()),
    ("elasticloadbalancing:DescribeLoadBalancers", |r| r.network.load_balancers.len()),
    ("elasticloadbalancing:DescribeRules", |r| r.network.load_balancers.iter().flat_map(|l| &l.rules).map(Vec::len).sum()),
    ("elasticloadbalancing:DescribeTargetGroupAttributes", |r| r.network.target_groups.len()),
    ("elasticloadbalancing:DescribeTargetGroups", |r| r.network.target_groups.len()),
    ("elasticloadbalancing:DescribeTargetHealth", |r| {
        r.network.target_groups.iter().flat_map(|g| &g.targets).map(Vec::len).sum()
    }),
    ("kms:GetKeyPolicy", |r| of(r, "kms")),
    ("kms:ListGrants", |r| r.resources.iter().map(|k| k.grants.len()).sum()),
    ("kms:ListKeys", |r| of(r, "kms")),
    ("lambda:GetPolicy", |r| of(r, "lambda")),
    ("lambda:ListFunctions", |r| r.workloads.functions.len()),
    ("s3:GetAccountPublicAccessBlock", |r| usize::from(of(r, "s3") > 0)),
    ("s3:GetBucketPolicy", |r| of(r, "s3")),
    ("s3:GetBucketPublicAccessBlock", |r| of(r, "s3")),
    ("s3:GetBucketTagging", |r| of(r, "s3")),
    ("s3:ListAllMyBuckets", |r| of(r, "s3")),
    ("secretsmanager:GetResourcePolicy", |r| of(r, "secretsmanager")),
    ("secretsmanager:ListSecrets", |r| of(r, "secretsmanager")),
    ("securityhub:DescribeHub", |_| 1),
    ("sns:GetTopicAttributes", |r| of(r, "sns")),
    ("sns:ListTopics", |r| of(r, "sns")),
    ("sqs:GetQueueAttributes", |r| of(r, "sqs")),
    ("sqs:ListQueues", |r| of(r, "sqs")),
    ("ssm:DescribeInstanceInformation", |r| r.nodes.len()),
    ("ssm:DescribeSessions", |r| r.sessions.len()),
];

/// How many resources of a service carry a policy, or could.
fn of(region: &RegionEstate, service: &str) -> usize {
    region.resources.iter().filter(|r| r.service() == service).count()
}

/// What went wrong: account, region, API.
fn trouble(account: &str, region: &str, api: &str) -> Option<(Outcome, &'static str)> {
    match (account, region, api) {
        ("warehouse-prod", "eu-central-1", "ssm:DescribeSessions") => Some((
            Outcome::Denied,
            "AccessDeniedException: explicit deny in a service control policy (p-8f2kguard); ask cloud-governance to allow ssm:DescribeSessions",
        )),
        ("data-lake-dev", "eu-central-1", "elasticloadbalancing:DescribeLoadBalancers") => {
            Some((Outcome::Throttled, "Throttling: Rate exceeded; it is asked again with the next sweep"))
        }
        ("backup", "ap-southeast-2", "securityhub:DescribeHub") => Some((
            Outcome::Failed,
            "InvalidAccessException: the account is not subscribed to Security Hub in ap-southeast-2; enable it there",
        )),
        _ => None,
    }
}

/// Every row; `findings` is how many Security Hub handed out.
pub(super) fn rows(estate: &Estate, findings: usize, at: Timestamp) -> Vec<Coverage> {
    let row = |account: usize, region: &str, api: &str, count: usize| Coverage {
        account: SEATS[account].id.to_owned(),
        region: region.to_owned(),
        api: api.to_owned(),
        outcome: Outcome::Ok,
        reason: String::new(),
        count: count as u64,
        at,
    };
    let mut rows = Vec::with_capacity(5000);
    let units = estate.organization.as_ref().map_or(0, |o| o.units.len());
    let delegates = estate.organization.as_ref().and_then(|o| o.delegates.as_ref()).map_or(0, |all| all.len());
    let policies = estate.organization.as_ref().map_or(0, |o| o.controls.iter().map(|c| c.policies.len()).sum());
    for (api, count) in [
        ("organizations:DescribeOrganization", 1),
        ("organizations:ListAccounts", SEATS.len()),
        ("organizations:ListOrganizationalUnitsForParent", units),
        ("organizations:ListTagsForResource", SEATS.len()),
        ("organizations:ListDelegatedAdministrators", delegates),
        ("organizations:ListDelegatedServicesForAccount", delegates),
        ("organizations:ListPolicies", policies),
        ("organizations:DescribePolicy", policies),
        ("organizations:ListTargetsForPolicy", policies),
    ] {
        rows.push(row(0, "", api, count));
    }
    rows.push(row(AUDIT, REGIONS[0], "securityhub:GetFindings", findings));
    // Nearly in order already: sorting is a pass over them.
    let mut seats: Vec<usize> = (0..SEATS.len()).collect();
    seats.sort_unstable_by_key(|n| SEATS[*n].id);
    let mut regions = REGIONS;
    regions.sort_unstable();
    for n in seats {
        let seat = &SEATS[n];
        if let Some(identity) = estate.identity(seat.id) {
            rows.extend(GLOBAL.iter().map(|(api, count)| row(n, "", api, count(identity))));
        }
        let mut assume = row(n, "", "sts:AssumeRole", 1);
        if n == REFUSED {
            assume.outcome = Outcome::Denied;
            assume.count = 0;
            assume.reason = format!(
                "AccessDenied: {} is not authorized to perform sts:AssumeRole on arn:aws:iam::{}:role/SecurityAudit; create the role there",
                "arn:aws:sts::222233334444:assumed-role/SecurityAudit/jo.tanaka", seat.id
            );
        } else if n == SUSPENDED {
            assume.outcome = Outcome::NotAsked;
            assume.count = 0;
            assume.reason = "the account is suspended".to_owned();
        }
        rows.push(assume);
        for region in regions {
            let Some(part) = estate.region(seat.id, region) else { continue };
            for (api, count) in REGIONAL {
                let mut row = row(n, region, api, count(part));
                if let Some((outcome, reason)) = trouble(seat.name, region, api) {
                    row.outcome = outcome;
                    row.count = 0;
                    row.reason = reason.to_owned();
                }
                rows.push(row);
            }
        }
    }
    rows.sort_by(|a, b| (&a.account, &a.region, &a.api).cmp(&(&b.account, &b.region, &b.api)));
    rows
}
