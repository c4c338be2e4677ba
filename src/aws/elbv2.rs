//! Elastic Load Balancing version 2: load balancers with their listeners.

use aws_sdk_elasticloadbalancingv2::operation::{
    describe_listeners::builders::DescribeListenersFluentBuilder,
    describe_load_balancers::builders::DescribeLoadBalancersFluentBuilder,
};
use futures_util::StreamExt;
use serde_json::Value;

use crate::aws::call::{Rate, calls};
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::Extra;
use crate::model::coverage::Coverage;
use crate::model::network::LoadBalancer;

// "Non-mutating actions": 40 in the bucket, 10 a second
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/load-balancer-request-throttling.html).
const DESCRIBE: Rate = Rate { per_second: 10.0, burst: 40.0 };
const NEXT: Option<&str> = Some("NextMarker");

calls! {
    LOAD_BALANCERS = "elasticloadbalancing:DescribeLoadBalancers", PerRegion, Query, DESCRIBE, NEXT, "load balancers", DescribeLoadBalancersFluentBuilder;
    LISTENERS = "elasticloadbalancing:DescribeListeners", PerRegion, Query, DESCRIBE, NEXT, "listeners", DescribeListenersFluentBuilder;
}

/// Load balancers of an account and region, each with its listeners.
pub async fn load_balancers(scope: &Scope) -> Answer<Vec<LoadBalancer>> {
    let elb = scope.elbv2();
    let mut coverage: Vec<Coverage> = Vec::new();
    let next = |t| elb.describe_load_balancers().page_size(400).set_marker(t);
    let mut value: Vec<LoadBalancer> = scope.list("LoadBalancers", next).await.into(&mut coverage);
    let arns: Vec<String> = value.iter().map(|lb| lb.load_balancer_arn.clone()).collect();
    let mut each = futures_util::stream::iter(arns)
        .map(|arn| async move {
            let mut listeners: Vec<Extra> = Vec::new();
            let next = |t| elb.describe_listeners().load_balancer_arn(&arn).page_size(100).set_marker(t);
            let tally = scope.pages(next, |mut page| objects(&mut page, "Listeners", &mut listeners)).await;
            listeners.iter_mut().for_each(with_number_port);
            (listeners, tally)
        })
        .buffered(8);
    let mut tally = Tally::new(LISTENERS);
    let mut at = 0;
    while let Some((listeners, one)) = each.next().await {
        value[at].listeners = listeners;
        tally.join(one);
        at += 1;
    }
    drop(each);
    coverage.push(scope.covered(&tally));
    Answer { value, coverage }
}

/// XML has no numbers; a listener is kept as it came, so its port is made one here, as the command line prints it.
fn with_number_port(listener: &mut Extra) {
    if let Some(port) = listener.get_mut("Port")
        && let Some(number) = port.as_str().and_then(|text| text.parse::<u16>().ok())
    {
        *port = Value::from(number);
    }
}
