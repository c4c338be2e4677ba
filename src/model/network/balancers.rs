//! Load balancers and target groups, in the shapes of `elasticloadbalancing:Describe*`; classic ones take the shape of the
//! others.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Extra;
use crate::model::arn::partition_of;
use crate::model::lenient;
use crate::model::network::State;

object! {
    /// `elasticloadbalancing:DescribeLoadBalancers` (version 2), with what belongs to it.
    LoadBalancer {
        load_balancer_arn: String,
        load_balancer_name: String,
        #[serde(rename = "DNSName")]
        dns_name: String,
        /// `internet-facing` or `internal`.
        scheme: String,
        /// `application`, `network`, `gateway`; `classic` for one of version 2012-06-01.
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
        /// The instances that are registered with a classic load balancer; the others have target groups.
        #[serde(deserialize_with = "lenient::maybe", skip_serializing_if = "Option::is_none")]
        instances: Option<Vec<RegisteredInstance>>,
    }
}
object! { RegisteredInstance { instance_id: String } }

/// The kind of a load balancer of version 2012-06-01.
pub const CLASSIC: &str = "classic";

impl LoadBalancer {
    pub fn is_classic(&self) -> bool {
        self.kind == CLASSIC
    }
    /// The ARN of a classic load balancer, which AWS's answer lacks ("Service Authorization Reference, Elastic Load
    /// Balancing").
    pub fn classic_arn(region: &str, account: &str, name: &str) -> String {
        let partition = partition_of(region);
        format!("arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/{name}")
    }
    /// A description of version 2012-06-01 as the load balancer it is: its listeners gain a `Port`, its subnets become
    /// zones. What has no place among the others' fields stays in `extra`.
    pub fn classic(mut description: Extra) -> Self {
        let text = |of: &mut Extra, key: &str| match of.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let list = |of: &mut Extra, key: &str| match of.remove(key) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let words = |list: Vec<Value>| -> Vec<String> {
            list.into_iter().filter_map(|v| if let Value::String(text) = v { Some(text) } else { None }).collect()
        };
        let of = &mut description;
        let mut listeners = Vec::new();
        for row in list(of, "ListenerDescriptions") {
            let Value::Object(mut row) = row else { continue };
            let Some(Value::Object(inner)) = row.remove("Listener") else { continue };
            let mut listener: Extra = row.into_iter().chain(inner).collect();
            for key in ["LoadBalancerPort", "InstancePort"] {
                if let Some(port) = listener.get_mut(key) {
                    number(port);
                }
            }
            let port = listener.get("LoadBalancerPort").cloned().unwrap_or_default();
            listener.insert("Port".to_owned(), port);
            listeners.push(listener);
        }
        let instances = list(of, "Instances").into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
        // The zones are those of the subnets.
        drop(list(of, "AvailabilityZones"));
        let zone = |subnet_id| LoadBalancerZone { subnet_id, ..LoadBalancerZone::default() };
        Self {
            load_balancer_arn: String::new(),
            load_balancer_name: text(of, "LoadBalancerName"),
            dns_name: text(of, "DNSName"),
            scheme: text(of, "Scheme"),
            kind: CLASSIC.to_owned(),
            vpc_id: text(of, "VPCId"),
            state: None,
            security_groups: words(list(of, "SecurityGroups")),
            availability_zones: words(list(of, "Subnets")).into_iter().map(zone).collect(),
            listeners,
            rules: None,
            instances: Some(instances),
            extra: description,
        }
    }
}

/// XML has no numbers: a port is made one, as the command line prints it.
fn number(port: &mut Value) {
    if let Some(number) = port.as_str().and_then(|text| text.parse::<u16>().ok()) {
        *port = Value::from(number);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classic_load_balancer_reads_from_xml_and_json_alike() {
        let json = r#"{"LoadBalancerName":"shop","DNSName":"shop.example","Scheme":"internal","VPCId":"vpc-1",
            "Subnets":["subnet-1"],"AvailabilityZones":["eu-west-1a"],"SecurityGroups":["sg-1"],"Policies":{"OtherPolicies":[]},
            "ListenerDescriptions":[{"Listener":{"Protocol":"HTTPS","LoadBalancerPort":443,"InstanceProtocol":"HTTP",
            "InstancePort":8080},"PolicyNames":["tls"]}],"Instances":[{"InstanceId":"i-1"}]}"#;
        let xml = json.replace(":443", r#":"443""#).replace(":8080", r#":"8080""#);
        let read = |text: &str| LoadBalancer::classic(serde_json::from_str(text).unwrap());
        let one = read(json);
        assert_eq!(one, read(&xml));
        assert_eq!((one.kind.as_str(), one.vpc_id.as_str(), one.dns_name.as_str()), ("classic", "vpc-1", "shop.example"));
        assert_eq!((&one.listeners[0]["Port"], &one.listeners[0]["InstancePort"]), (&Value::from(443), &Value::from(8080)));
        assert_eq!(one.listeners[0]["PolicyNames"][0], "tls");
        assert_eq!(one.availability_zones[0].subnet_id, "subnet-1");
        assert_eq!(one.instances.as_ref().unwrap()[0].instance_id, "i-1");
        assert!(one.extra.contains_key("Policies"), "what has no place is kept");
        let again: LoadBalancer = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(again, one);
        // An empty XML element is text.
        let bare = read(r#"{"LoadBalancerName":"bare","Subnets":"","Instances":"","ListenerDescriptions":""}"#);
        assert_eq!((bare.instances, bare.listeners.len()), (Some(Vec::new()), 0));
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
}
