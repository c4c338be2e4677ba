//! Elastic Load Balancing version 1: classic load balancers. Their API shares its name and its permission with version 2's
//! (`elbv2`), so what was asked of both is one row of coverage, made there.

use crate::aws::call::Call;
use crate::aws::elbv2::LOAD_BALANCERS;
use crate::aws::query::Ask;
use crate::aws::scope::{Scope, Tally, objects};
use crate::model::Extra;
use crate::model::network::LoadBalancer;

struct DescribeLoadBalancers;

impl Ask for DescribeLoadBalancers {
    const CALL: Call = LOAD_BALANCERS;
    const VERSION: &'static str = "2012-06-01";
}

/// The classic load balancers of an account and region, with their listeners and registered instances.
pub(super) async fn classic(scope: &Scope) -> (Vec<LoadBalancer>, Tally) {
    let mut all: Vec<Extra> = Vec::new();
    let next = |marker| scope.query::<DescribeLoadBalancers>(&[("PageSize", Some("400".to_owned())), ("Marker", marker)]);
    let tally = scope.pages(next, |mut page| objects(&mut page, "LoadBalancerDescriptions", &mut all)).await;
    let made = all.into_iter().map(|description| {
        let mut lb = LoadBalancer::classic(description);
        lb.load_balancer_arn = LoadBalancer::classic_arn(scope.region(), scope.account(), &lb.load_balancer_name);
        lb
    });
    (made.collect(), tally)
}
