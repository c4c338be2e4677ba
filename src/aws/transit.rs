//! EC2's transit gateways with their route tables, virtual private gateways, VPN connections and customer gateways: what
//! joins VPCs to one another and to what is on premises. Attachments' own list stands in `ec2`.

use aws_sdk_ec2::operation::{
    describe_customer_gateways::builders::DescribeCustomerGatewaysFluentBuilder,
    describe_transit_gateway_attachments::builders::DescribeTransitGatewayAttachmentsFluentBuilder,
    describe_transit_gateway_route_tables::builders::DescribeTransitGatewayRouteTablesFluentBuilder,
    describe_transit_gateway_vpc_attachments::builders::DescribeTransitGatewayVpcAttachmentsFluentBuilder,
    describe_transit_gateways::builders::DescribeTransitGatewaysFluentBuilder,
    describe_vpn_connections::builders::DescribeVpnConnectionsFluentBuilder,
    describe_vpn_gateways::builders::DescribeVpnGatewaysFluentBuilder,
    get_transit_gateway_route_table_associations::builders::GetTransitGatewayRouteTableAssociationsFluentBuilder,
    get_transit_gateway_route_table_propagations::builders::GetTransitGatewayRouteTablePropagationsFluentBuilder,
    search_transit_gateway_routes::builders::SearchTransitGatewayRoutesFluentBuilder,
};
use aws_sdk_ec2::types::Filter;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::call::{Rate, calls};
use crate::aws::error::Failure;
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::coverage::Coverage;
use crate::model::network::{
    CustomerGateway, TransitGateway, TransitGatewayAssociation, TransitGatewayAttachment, TransitGatewayAttachmentOptions,
    TransitGatewayPropagation, TransitGatewayRoute, TransitGatewayRouteTable, VpnConnection, VpnGateway,
};

// As the other reads of EC2: see `ec2`.
const DESCRIBE: Rate = Rate { per_second: 20.0, burst: 100.0 };
const UNPAGED: Rate = Rate { per_second: 10.0, burst: 50.0 };
const NEXT: Option<&str> = Some("NextToken");

calls! {
    GATEWAYS = "ec2:DescribeTransitGateways", PerRegion, Ec2, DESCRIBE, NEXT, "transit gateways", DescribeTransitGatewaysFluentBuilder;
    ATTACHMENTS = "ec2:DescribeTransitGatewayAttachments", PerRegion, Ec2, DESCRIBE, NEXT, "transit gateway attachments", DescribeTransitGatewayAttachmentsFluentBuilder;
    VPC_ATTACHMENTS = "ec2:DescribeTransitGatewayVpcAttachments", PerRegion, Ec2, DESCRIBE, NEXT, "subnets of transit gateway attachments", DescribeTransitGatewayVpcAttachmentsFluentBuilder;
    TABLES = "ec2:DescribeTransitGatewayRouteTables", PerRegion, Ec2, DESCRIBE, NEXT, "transit gateway route tables", DescribeTransitGatewayRouteTablesFluentBuilder;
    ASSOCIATIONS = "ec2:GetTransitGatewayRouteTableAssociations", PerRegion, Ec2, DESCRIBE, NEXT, "associations of transit gateway route tables", GetTransitGatewayRouteTableAssociationsFluentBuilder;
    PROPAGATIONS = "ec2:GetTransitGatewayRouteTablePropagations", PerRegion, Ec2, DESCRIBE, NEXT, "propagations of transit gateway route tables", GetTransitGatewayRouteTablePropagationsFluentBuilder;
    ROUTES = "ec2:SearchTransitGatewayRoutes", PerRegion, Ec2, DESCRIBE, NEXT, "transit gateway routes", SearchTransitGatewayRoutesFluentBuilder;
    VPN_GATEWAYS = "ec2:DescribeVpnGateways", PerRegion, Ec2, UNPAGED, None, "virtual private gateways", DescribeVpnGatewaysFluentBuilder;
    VPN_CONNECTIONS = "ec2:DescribeVpnConnections", PerRegion, Ec2, UNPAGED, None, "VPN connections", DescribeVpnConnectionsFluentBuilder;
    CUSTOMER_GATEWAYS = "ec2:DescribeCustomerGateways", PerRegion, Ec2, UNPAGED, None, "customer gateways", DescribeCustomerGatewaysFluentBuilder;
}

/// What joins a region's VPCs.
#[derive(Debug, Default)]
pub(super) struct Transit {
    pub(super) gateways: Vec<TransitGateway>,
    pub(super) attachments: Vec<TransitGatewayAttachment>,
    pub(super) tables: Vec<TransitGatewayRouteTable>,
    pub(super) vpn_gateways: Vec<VpnGateway>,
    pub(super) vpn_connections: Vec<VpnConnection>,
    pub(super) customer_gateways: Vec<CustomerGateway>,
}

/// Transit gateways, their attachments and route tables, and what leads on premises. Of a shared transit gateway a
/// member account sees the gateway and its own attachments; the tables are its owner's.
pub(super) async fn transit(scope: &Scope) -> Answer<Transit> {
    let ec2 = scope.ec2();
    let mut coverage = Vec::new();
    let all = &mut coverage;
    let (gateways, attachments, subnets, tables, vpn_gateways, vpn_connections, customer_gateways) = tokio::join!(
        Box::pin(scope.list("TransitGateways", |t| ec2.describe_transit_gateways().max_results(1000).set_next_token(t))),
        Box::pin(scope.list("TransitGatewayAttachments", |t| {
            ec2.describe_transit_gateway_attachments().max_results(1000).set_next_token(t)
        })),
        Box::pin(scope.list("TransitGatewayVpcAttachments", |t| {
            ec2.describe_transit_gateway_vpc_attachments().max_results(1000).set_next_token(t)
        })),
        Box::pin(tables(scope)),
        Box::pin(scope.list("VpnGateways", |_| ec2.describe_vpn_gateways())),
        Box::pin(scope.list("VpnConnections", |_| ec2.describe_vpn_connections())),
        Box::pin(scope.list("CustomerGateways", |_| ec2.describe_customer_gateways())),
    );
    let mut value = Transit {
        gateways: gateways.into(all),
        attachments: attachments.into(all),
        tables: tables.into(all),
        vpn_gateways: vpn_gateways.into(all),
        vpn_connections: vpn_connections.into(all),
        customer_gateways: customer_gateways.into(all),
    };
    let subnets: Vec<VpcAttachment> = subnets.into(all);
    for attachment in &mut value.attachments {
        let id = &attachment.transit_gateway_attachment_id;
        if let Some(known) = subnets.iter().find(|s| s.transit_gateway_attachment_id == *id) {
            attachment.subnet_ids.clone_from(&known.subnet_ids);
            attachment.options.clone_from(&known.options);
        }
    }
    Answer { value, coverage }
}

/// What `ec2:DescribeTransitGatewayVpcAttachments` says beside what the list of all attachments does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VpcAttachment {
    transit_gateway_attachment_id: String,
    #[serde(deserialize_with = "crate::model::lenient::list")]
    subnet_ids: Vec<String>,
    #[serde(deserialize_with = "crate::model::lenient::maybe")]
    options: Option<TransitGatewayAttachmentOptions>,
}

/// Route tables, each with its associations, propagations and routes; what could not be read of one stays unknown.
async fn tables(scope: &Scope) -> Answer<Vec<TransitGatewayRouteTable>> {
    let ec2 = scope.ec2();
    let mut coverage: Vec<Coverage> = Vec::new();
    let next = |t| ec2.describe_transit_gateway_route_tables().max_results(1000).set_next_token(t);
    let mut value: Vec<TransitGatewayRouteTable> = scope.list("TransitGatewayRouteTables", next).await.into(&mut coverage);
    let ids: Vec<String> = value.iter().map(|table| table.transit_gateway_route_table_id.clone()).collect();
    let mut each = futures_util::stream::iter(ids)
        .map(|id| async move { tokio::join!(associations(scope, &id), propagations(scope, &id), routes(scope, &id)) })
        .buffered(4);
    let mut tallies = [Tally::new(ASSOCIATIONS), Tally::new(PROPAGATIONS), Tally::new(ROUTES)];
    let mut at = 0;
    while let Some((associations, propagations, routes)) = each.next().await {
        let table = &mut value[at];
        let [of_associations, of_propagations, of_routes] = &mut tallies;
        table.associations = kept(associations, of_associations);
        table.propagations = kept(propagations, of_propagations);
        table.routes = kept(routes, of_routes);
        at += 1;
    }
    drop(each);
    coverage.extend(tallies.iter().map(|tally| scope.covered(tally)));
    Answer { value, coverage }
}

/// A list that arrived whole; half a list of routes would say that there are no others.
fn kept<T>((list, tally): (Vec<T>, Tally), all: &mut Tally) -> Option<Vec<T>> {
    let whole = tally.failure.is_none();
    all.join(tally);
    whole.then_some(list)
}

async fn associations(scope: &Scope, id: &str) -> (Vec<TransitGatewayAssociation>, Tally) {
    let mut all = Vec::new();
    let request = scope.ec2().get_transit_gateway_route_table_associations().transit_gateway_route_table_id(id);
    let next = |t| request.clone().max_results(1000).set_next_token(t);
    let tally = scope.pages(next, |mut page| objects(&mut page, "Associations", &mut all)).await;
    (all, tally)
}

async fn propagations(scope: &Scope, id: &str) -> (Vec<TransitGatewayPropagation>, Tally) {
    let mut all = Vec::new();
    let request = scope.ec2().get_transit_gateway_route_table_propagations().transit_gateway_route_table_id(id);
    let next = |t| request.clone().max_results(1000).set_next_token(t);
    let tally = scope.pages(next, |mut page| objects(&mut page, "TransitGatewayRouteTablePropagations", &mut all)).await;
    (all, tally)
}

async fn routes(scope: &Scope, id: &str) -> (Vec<TransitGatewayRoute>, Tally) {
    let mut all = Vec::new();
    let states = Filter::builder().name("state").values("active").values("blackhole").build();
    let request = scope.ec2().search_transit_gateway_routes().transit_gateway_route_table_id(id).filters(states);
    let mut more = false;
    let next = |t| request.clone().set_next_token(t);
    let tally = scope
        .pages(next, |mut page| {
            // True on the last page means that pages end before the routes do.
            more = page.get("AdditionalRoutesAvailable").and_then(Value::as_str) == Some("true");
            objects(&mut page, "Routes", &mut all)
        })
        .await;
    if more {
        let why = format!("{id} has more routes than {} answers with", ROUTES.action);
        return (all, tally.failed(Failure::unreadable(why)));
    }
    (all, tally)
}
