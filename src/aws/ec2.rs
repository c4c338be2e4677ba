//! EC2: the network objects of a region, its instances, and which regions there are. What joins VPCs is in `transit`.

use aws_sdk_ec2::operation::{
    describe_addresses::builders::DescribeAddressesFluentBuilder,
    describe_egress_only_internet_gateways::builders::DescribeEgressOnlyInternetGatewaysFluentBuilder,
    describe_instances::builders::DescribeInstancesFluentBuilder,
    describe_internet_gateways::builders::DescribeInternetGatewaysFluentBuilder,
    describe_managed_prefix_lists::builders::DescribeManagedPrefixListsFluentBuilder,
    describe_nat_gateways::builders::DescribeNatGatewaysFluentBuilder,
    describe_network_acls::builders::DescribeNetworkAclsFluentBuilder,
    describe_network_interfaces::builders::DescribeNetworkInterfacesFluentBuilder,
    describe_regions::builders::DescribeRegionsFluentBuilder, describe_route_tables::builders::DescribeRouteTablesFluentBuilder,
    describe_security_groups::builders::DescribeSecurityGroupsFluentBuilder,
    describe_subnets::builders::DescribeSubnetsFluentBuilder,
    describe_vpc_block_public_access_exclusions::builders::DescribeVpcBlockPublicAccessExclusionsFluentBuilder,
    describe_vpc_endpoints::builders::DescribeVpcEndpointsFluentBuilder,
    describe_vpc_peering_connections::builders::DescribeVpcPeeringConnectionsFluentBuilder,
    describe_vpcs::builders::DescribeVpcsFluentBuilder,
    get_managed_prefix_list_entries::builders::GetManagedPrefixListEntriesFluentBuilder,
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::call::{Rate, calls};
use crate::aws::scope::{Answer, Read, Scope, Tally, objects};
use crate::aws::{elb, transit};
use crate::model::coverage::Coverage;
use crate::model::network::{BlockPublicAccessExclusion, Instance, Network, PrefixList, PrefixListEntry};

// "Non-mutating actions", paginated: a bucket of 100, refilled with 20 a second, for each action
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).
const DESCRIBE: Rate = Rate { per_second: 20.0, burst: 100.0 };
// The same page, "unfiltered and unpaginated non-mutating actions".
const UNPAGED: Rate = Rate { per_second: 10.0, burst: 50.0 };
const NEXT: Option<&str> = Some("NextToken");

calls! {
    VPCS = "ec2:DescribeVpcs", PerRegion, Ec2, DESCRIBE, NEXT, "VPCs", DescribeVpcsFluentBuilder;
    SUBNETS = "ec2:DescribeSubnets", PerRegion, Ec2, DESCRIBE, NEXT, "subnets", DescribeSubnetsFluentBuilder;
    ROUTE_TABLES = "ec2:DescribeRouteTables", PerRegion, Ec2, DESCRIBE, NEXT, "route tables", DescribeRouteTablesFluentBuilder;
    SECURITY_GROUPS = "ec2:DescribeSecurityGroups", PerRegion, Ec2, DESCRIBE, NEXT, "security groups", DescribeSecurityGroupsFluentBuilder;
    NETWORK_ACLS = "ec2:DescribeNetworkAcls", PerRegion, Ec2, DESCRIBE, NEXT, "network ACLs", DescribeNetworkAclsFluentBuilder;
    INTERFACES = "ec2:DescribeNetworkInterfaces", PerRegion, Ec2, DESCRIBE, NEXT, "network interfaces", DescribeNetworkInterfacesFluentBuilder;
    INSTANCES = "ec2:DescribeInstances", PerRegion, Ec2, DESCRIBE, NEXT, "instances", DescribeInstancesFluentBuilder;
    INTERNET_GATEWAYS = "ec2:DescribeInternetGateways", PerRegion, Ec2, DESCRIBE, NEXT, "internet gateways", DescribeInternetGatewaysFluentBuilder;
    EGRESS_ONLY_GATEWAYS = "ec2:DescribeEgressOnlyInternetGateways", PerRegion, Ec2, DESCRIBE, NEXT, "egress-only internet gateways", DescribeEgressOnlyInternetGatewaysFluentBuilder;
    NAT_GATEWAYS = "ec2:DescribeNatGateways", PerRegion, Ec2, DESCRIBE, NEXT, "NAT gateways", DescribeNatGatewaysFluentBuilder;
    PEERINGS = "ec2:DescribeVpcPeeringConnections", PerRegion, Ec2, DESCRIBE, NEXT, "VPC peering connections", DescribeVpcPeeringConnectionsFluentBuilder;
    ENDPOINTS = "ec2:DescribeVpcEndpoints", PerRegion, Ec2, DESCRIBE, NEXT, "VPC endpoints", DescribeVpcEndpointsFluentBuilder;
    PREFIX_LISTS = "ec2:DescribeManagedPrefixLists", PerRegion, Ec2, DESCRIBE, NEXT, "prefix lists", DescribeManagedPrefixListsFluentBuilder;
    PREFIX_LIST_ENTRIES = "ec2:GetManagedPrefixListEntries", PerRegion, Ec2, DESCRIBE, NEXT, "prefix list entries", GetManagedPrefixListEntriesFluentBuilder;
    EXCLUSIONS = "ec2:DescribeVpcBlockPublicAccessExclusions", PerRegion, Ec2, DESCRIBE, NEXT, "exclusions from Block Public Access, where it is on", DescribeVpcBlockPublicAccessExclusionsFluentBuilder;
    ADDRESSES = "ec2:DescribeAddresses", PerRegion, Ec2, UNPAGED, None, "elastic addresses", DescribeAddressesFluentBuilder;
    REGIONS = "ec2:DescribeRegions", Global, Ec2, UNPAGED, None, "regions", DescribeRegionsFluentBuilder;
}

/// One region of the caller's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionState {
    pub name: String,
    /// Whether the account may use it.
    pub enabled: bool,
}

/// Every region of the partition, enabled or not, by name.
pub async fn regions(scope: &Scope) -> Answer<Vec<RegionState>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        region_name: String,
        #[serde(default)]
        opt_in_status: String,
    }
    let request = scope.ec2().describe_regions().all_regions(true);
    let Answer { value: rows, coverage } = scope.list::<Row, _>("Regions", |_| request.clone()).await;
    let state = |row: Row| RegionState { enabled: row.opt_in_status != "not-opted-in", name: row.region_name };
    let mut value: Vec<RegionState> = rows.into_iter().map(state).collect();
    value.sort_by(|a, b| a.name.cmp(&b.name));
    Answer { value, coverage }
}

/// All network objects, instances and load balancers of an account and region. The kinds are asked for at the same
/// time, each under its own limit.
pub async fn network(scope: &Scope) -> Answer<Network> {
    let ec2 = scope.ec2();
    let first = async {
        tokio::join!(
            Box::pin(scope.list("Vpcs", |t| ec2.describe_vpcs().max_results(1000).set_next_token(t))),
            Box::pin(scope.list("Subnets", |t| ec2.describe_subnets().max_results(1000).set_next_token(t))),
            Box::pin(scope.list("RouteTables", |t| ec2.describe_route_tables().max_results(100).set_next_token(t))),
            Box::pin(scope.list("SecurityGroups", |t| ec2.describe_security_groups().max_results(1000).set_next_token(t))),
            Box::pin(scope.list("NetworkAcls", |t| ec2.describe_network_acls().max_results(1000).set_next_token(t))),
            Box::pin(scope.list("NetworkInterfaces", |t| ec2.describe_network_interfaces().max_results(1000).set_next_token(t))),
            Box::pin(instances(scope)),
            Box::pin(scope.list("Addresses", |_| ec2.describe_addresses())),
        )
    };
    let second = async {
        tokio::join!(
            Box::pin(scope.list("InternetGateways", |t| ec2.describe_internet_gateways().max_results(1000).set_next_token(t))),
            Box::pin(scope.list("EgressOnlyInternetGateways", |t| {
                ec2.describe_egress_only_internet_gateways().max_results(255).set_next_token(t)
            })),
            Box::pin(scope.list("NatGateways", |t| ec2.describe_nat_gateways().max_results(1000).set_next_token(t))),
            Box::pin(
                scope.list("VpcPeeringConnections", |t| ec2
                    .describe_vpc_peering_connections()
                    .max_results(1000)
                    .set_next_token(t))
            ),
            Box::pin(transit::transit(scope)),
            Box::pin(scope.list("VpcEndpoints", |t| ec2.describe_vpc_endpoints().max_results(1000).set_next_token(t))),
            Box::pin(prefix_lists(scope)),
            Box::pin(elb::load_balancers(scope)),
            Box::pin(elb::target_groups(scope)),
        )
    };
    let (a, b) = tokio::join!(Box::pin(first), Box::pin(second));
    let mut coverage = Vec::new();
    let all = &mut coverage;
    let joins = b.4.into(all);
    let mut value = Network {
        vpcs: a.0.into(all),
        subnets: a.1.into(all),
        route_tables: a.2.into(all),
        security_groups: a.3.into(all),
        network_acls: a.4.into(all),
        interfaces: a.5.into(all),
        instances: a.6.into(all),
        addresses: a.7.into(all),
        internet_gateways: b.0.into(all),
        egress_only_gateways: b.1.into(all),
        nat_gateways: b.2.into(all),
        peerings: b.3.into(all),
        transit_gateways: joins.gateways,
        transit_gateway_attachments: joins.attachments,
        transit_gateway_route_tables: joins.tables,
        vpn_gateways: joins.vpn_gateways,
        vpn_connections: joins.vpn_connections,
        customer_gateways: joins.customer_gateways,
        endpoints: b.5.into(all),
        prefix_lists: b.6.into(all),
        load_balancers: b.7.into(all),
        target_groups: b.8.into(all),
        public_access_exclusions: None,
    };
    if value.blocks_public_access() {
        value.public_access_exclusions = exclusions(scope, all).await;
    }
    Answer { value, coverage }
}

/// What Block Public Access leaves alone; none where that did not arrive whole. Most regions have it off: then nobody asks.
async fn exclusions(scope: &Scope, coverage: &mut Vec<Coverage>) -> Option<Vec<BlockPublicAccessExclusion>> {
    let next = |t| scope.ec2().describe_vpc_block_public_access_exclusions().max_results(1000).set_next_token(t);
    let answer = scope.list("VpcBlockPublicAccessExclusions", next).await;
    let whole = answer.is_whole();
    let exclusions = answer.into(coverage);
    whole.then_some(exclusions)
}

/// Instances, taken out of their reservations.
async fn instances(scope: &Scope) -> Answer<Vec<Instance>> {
    let mut value = Vec::new();
    let next = |t| scope.ec2().describe_instances().max_results(1000).set_next_token(t);
    let tally = scope.pages(next, |page| reserved(page, &mut value)).await;
    Answer { value, coverage: vec![scope.covered(&tally)] }
}

fn reserved(mut page: Value, into: &mut Vec<Instance>) -> Read {
    let mut all = Read::default();
    let reservations = page.get_mut("Reservations").and_then(Value::as_array_mut);
    for reservation in reservations.into_iter().flatten() {
        let read = objects(reservation, "Instances", into);
        all.count += read.count;
        all.broken = all.broken.or(read.broken);
    }
    all
}

/// Prefix lists with their entries. AWS's own lists (S3, CloudFront, …) have entries too; they bound what routes reach.
async fn prefix_lists(scope: &Scope) -> Answer<Vec<PrefixList>> {
    let ec2 = scope.ec2();
    let mut coverage: Vec<Coverage> = Vec::new();
    let next = |t| ec2.describe_managed_prefix_lists().max_results(100).set_next_token(t);
    let mut value: Vec<PrefixList> = scope.list("PrefixLists", next).await.into(&mut coverage);
    let ids: Vec<String> = value.iter().map(|list| list.prefix_list_id.clone()).collect();
    let mut each = futures_util::stream::iter(ids)
        .map(|id| async move {
            let mut entries: Vec<PrefixListEntry> = Vec::new();
            let next = |t| ec2.get_managed_prefix_list_entries().prefix_list_id(&id).max_results(100).set_next_token(t);
            let tally = scope.pages(next, |mut page| objects(&mut page, "Entries", &mut entries)).await;
            (entries, tally)
        })
        .buffered(8);
    let mut tally = Tally::new(PREFIX_LIST_ENTRIES);
    let mut at = 0;
    while let Some((entries, one)) = each.next().await {
        value[at].entries = entries;
        tally.join(one);
        at += 1;
    }
    drop(each);
    coverage.push(scope.covered(&tally));
    Answer { value, coverage }
}
