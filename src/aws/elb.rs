//! Elastic Load Balancing, version 2 and the classic load balancers of version 1: load balancers with their listeners and
//! rules, target groups with their targets.

use aws_sdk_elasticloadbalancingv2::operation::{
    describe_listeners::builders::DescribeListenersFluentBuilder,
    describe_load_balancers::builders::DescribeLoadBalancersFluentBuilder, describe_rules::builders::DescribeRulesFluentBuilder,
    describe_target_group_attributes::builders::DescribeTargetGroupAttributesFluentBuilder,
    describe_target_groups::builders::DescribeTargetGroupsFluentBuilder,
    describe_target_health::builders::DescribeTargetHealthFluentBuilder,
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::call::{Call, Rate, calls};
use crate::aws::query::Ask;
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::Extra;
use crate::model::coverage::Coverage;
use crate::model::network::{ListenerRule, LoadBalancer, Target, TargetGroup};

// "Non-mutating actions": 40 in the bucket, 10 a second
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/load-balancer-request-throttling.html).
const DESCRIBE: Rate = Rate { per_second: 10.0, burst: 40.0 };
const NEXT: Option<&str> = Some("NextMarker");

calls! {
    LOAD_BALANCERS = "elasticloadbalancing:DescribeLoadBalancers", PerRegion, Query, DESCRIBE, NEXT, "load balancers, classic ones too", DescribeLoadBalancersFluentBuilder;
    LISTENERS = "elasticloadbalancing:DescribeListeners", PerRegion, Query, DESCRIBE, NEXT, "listeners", DescribeListenersFluentBuilder;
    RULES = "elasticloadbalancing:DescribeRules", PerRegion, Query, DESCRIBE, NEXT, "rules of listeners", DescribeRulesFluentBuilder;
    TARGET_GROUPS = "elasticloadbalancing:DescribeTargetGroups", PerRegion, Query, DESCRIBE, NEXT, "target groups", DescribeTargetGroupsFluentBuilder;
    TARGETS = "elasticloadbalancing:DescribeTargetHealth", PerRegion, Query, DESCRIBE, None, "targets", DescribeTargetHealthFluentBuilder;
    ATTRIBUTES = "elasticloadbalancing:DescribeTargetGroupAttributes", PerRegion, Query, DESCRIBE, None, "attributes of target groups", DescribeTargetGroupAttributesFluentBuilder;
}

/// Load balancers of an account and region, classic ones too, each with its listeners and their rules. Only an Application Load Balancer's
/// listeners have rules beside the default action; rules of which one could not be read are none.
pub async fn load_balancers(scope: &Scope) -> Answer<Vec<LoadBalancer>> {
    let elb = scope.elbv2();
    let mut coverage: Vec<Coverage> = Vec::new();
    let next = |t| elb.describe_load_balancers().page_size(400).set_marker(t);
    let mut value: Vec<LoadBalancer> = Vec::new();
    let mut all = scope.pages(next, |mut page| objects(&mut page, "LoadBalancers", &mut value)).await;
    let asked: Vec<(String, bool)> = value.iter().map(|lb| (lb.load_balancer_arn.clone(), lb.kind == "application")).collect();
    let mut each = futures_util::stream::iter(asked)
        .map(|(arn, has_rules)| async move {
            let mut listeners: Vec<Extra> = Vec::new();
            let next = |t| elb.describe_listeners().load_balancer_arn(&arn).page_size(100).set_marker(t);
            let tally = scope.pages(next, |mut page| objects(&mut page, "Listeners", &mut listeners)).await;
            listeners.iter_mut().for_each(with_number_port);
            let mut rules = Tally::new(RULES);
            let mut all: Vec<ListenerRule> = Vec::new();
            let listener = |l: &Extra| l.get("ListenerArn").and_then(Value::as_str).map(str::to_owned);
            for arn in listeners.iter().filter(|_| has_rules).filter_map(listener) {
                let next = |t| elb.describe_rules().listener_arn(&arn).page_size(400).set_marker(t);
                rules.join(scope.pages(next, |mut page| objects(&mut page, "Rules", &mut all)).await);
            }
            let whole = has_rules && tally.failure.is_none() && rules.failure.is_none();
            (listeners, tally, whole.then_some(all), rules)
        })
        .buffered(8);
    let (mut of_listeners, mut of_rules) = (Tally::new(LISTENERS), Tally::new(RULES));
    let mut at = 0;
    while let Some((listeners, one, rules, other)) = each.next().await {
        value[at].listeners = listeners;
        value[at].rules = rules;
        of_listeners.join(one);
        of_rules.join(other);
        at += 1;
    }
    drop(each);
    // Classic ones need the same permission: who was refused these is not asked for those.
    if all.failure.is_none() {
        let (classic, tally) = classic(scope).await;
        value.extend(classic);
        all.join(tally);
    }
    coverage.extend([scope.covered(&all), scope.covered(&of_listeners), scope.covered(&of_rules)]);
    Answer { value, coverage }
}

/// Version 1's, which shares its name and its permission with version 2's: what was asked of both is one row of coverage.
struct DescribeClassic;

impl Ask for DescribeClassic {
    const CALL: Call = LOAD_BALANCERS;
    const VERSION: &'static str = "2012-06-01";
}

/// The classic load balancers of an account and region, with their listeners and registered instances.
async fn classic(scope: &Scope) -> (Vec<LoadBalancer>, Tally) {
    let mut all: Vec<Extra> = Vec::new();
    let next = |marker| scope.query::<DescribeClassic>(&[("PageSize", Some("400".to_owned())), ("Marker", marker)]);
    let tally = scope.pages(next, |mut page| objects(&mut page, "LoadBalancerDescriptions", &mut all)).await;
    let made = all.into_iter().map(|description| {
        let mut lb = LoadBalancer::classic(description);
        lb.load_balancer_arn = LoadBalancer::classic_arn(scope.region(), scope.account(), &lb.load_balancer_name);
        lb
    });
    (made.collect(), tally)
}

/// XML has no numbers; a listener is kept as it came, so its port is made one here, as the command line prints it.
fn with_number_port(listener: &mut Extra) {
    if let Some(port) = listener.get_mut("Port")
        && let Some(number) = port.as_str().and_then(|text| text.parse::<u16>().ok())
    {
        *port = Value::from(number);
    }
}

/// Target groups of an account and region, each with its targets and whether these see the client's address; what could
/// not be read of one stays unknown.
pub async fn target_groups(scope: &Scope) -> Answer<Vec<TargetGroup>> {
    let elb = scope.elbv2();
    let mut coverage: Vec<Coverage> = Vec::new();
    let next = |t| elb.describe_target_groups().page_size(400).set_marker(t);
    let mut value: Vec<TargetGroup> = scope.list("TargetGroups", next).await.into(&mut coverage);
    // Only a Network Load Balancer's groups have the attribute.
    let asked: Vec<(String, bool)> = value
        .iter()
        .map(|g| (g.target_group_arn.clone(), matches!(g.protocol.as_str(), "TCP" | "TLS" | "UDP" | "TCP_UDP")))
        .collect();
    let mut each = futures_util::stream::iter(asked)
        .map(|(arn, of_network)| async move {
            let mut targets: Vec<Health> = Vec::new();
            let request = elb.describe_target_health().target_group_arn(&arn);
            let tally =
                scope.pages(|_| request.clone(), |mut page| objects(&mut page, "TargetHealthDescriptions", &mut targets)).await;
            let mut attributes: Vec<Attribute> = Vec::new();
            let asked = if of_network {
                let request = elb.describe_target_group_attributes().target_group_arn(&arn);
                Some(scope.pages(|_| request.clone(), |mut page| objects(&mut page, "Attributes", &mut attributes)).await)
            } else {
                None
            };
            ((targets, tally), (attributes, asked))
        })
        .buffered(8);
    let (mut of_targets, mut of_attributes) = (Tally::new(TARGETS), Tally::new(ATTRIBUTES));
    let mut at = 0;
    while let Some(((targets, tally), (attributes, asked))) = each.next().await {
        let group = &mut value[at];
        group.targets = tally.failure.is_none().then(|| targets.into_iter().map(|t| t.target).collect());
        of_targets.join(tally);
        group.preserve_client_ip =
            attributes.iter().find(|a| a.key == "preserve_client_ip.enabled").map(|a| a.value.eq_ignore_ascii_case("true"));
        if let Some(asked) = asked {
            of_attributes.join(asked);
        }
        at += 1;
    }
    drop(each);
    coverage.extend([scope.covered(&of_targets), scope.covered(&of_attributes)]);
    Answer { value, coverage }
}

/// One row of `elasticloadbalancing:DescribeTargetHealth`; whether the target answers does not change what reaches it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    target: Target,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attribute {
    key: String,
    value: String,
}
