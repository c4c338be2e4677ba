//! Load balancers: what a listener listens on, what its rules pass on to whom, and which interfaces answer behind it. It
//! reads `elasticloadbalancing:Describe*` shapes; reachability from the load balancer to its targets is not decided here.

use std::net::IpAddr;

use serde_json::Value;

use crate::model::Extra;
use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::net::{Backend, Gap, Net, Object};
use crate::network::packets::{Addresses, Service, TCP, UDP, cidr};

/// One listener.
pub struct Listener {
    pub arn: String,
    pub service: Service,
    pub port: u16,
    /// What it does where no rule says otherwise.
    pub default: Vec<Extra>,
}

/// Reads a listener; none where its port or protocol can not be read (a Gateway Load Balancer's has neither).
pub fn listener(extra: &Extra) -> Option<Listener> {
    let port = extra.get("Port")?;
    let port = port.as_u64().or_else(|| port.as_str()?.parse().ok())?;
    let port = u16::try_from(port).ok()?;
    let service = listens(extra.get("Protocol")?.as_str()?, port);
    let arn = extra.get("ListenerArn").and_then(Value::as_str).unwrap_or_default().to_owned();
    let actions = extra.get("DefaultActions").and_then(Value::as_array).into_iter().flatten();
    let default = actions.filter_map(Value::as_object).map(|a| a.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
    Some(Listener { arn, service, port, default: default.collect() })
}

/// What a protocol of a listener or a target group is on the wire.
fn listens(protocol: &str, port: u16) -> Service {
    let both = || Service::ports(TCP, port, port).or(&Service::ports(UDP, port, port));
    match protocol.to_ascii_uppercase().as_str() {
        "UDP" | "QUIC" | "GENEVE" => Service::ports(UDP, port, port),
        "TCP_UDP" | "TCP_QUIC" => both(),
        _ => Service::ports(TCP, port, port),
    }
}

/// What a listener passes on to one target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The target group's ARN.
    pub group: String,
    /// Clients it is passed on for; none for all.
    pub clients: Option<Addresses>,
    /// `rule 10 (path /api/*)`, `default action`.
    pub rule: String,
    /// Whether users have to sign in at the load balancer first.
    pub signs_in: bool,
    /// False where what decides could not be read.
    pub sure: bool,
}

/// All that a listener passes on: its rules in order of priority, each for the clients that no rule before it takes whole
/// ("Listener rules for your Application Load Balancer"). Only an application load balancer has rules; where they were
/// not read the default action is known alone.
pub fn passes(listener: &Listener, lb: &aws::LoadBalancer) -> Vec<Pass> {
    let mut out = Vec::new();
    let rules = lb.rules.as_deref().unwrap_or_default();
    let mut own: Vec<(u64, &aws::ListenerRule)> = (rules.iter())
        .filter(|r| !listener.arn.is_empty() && r.listener().as_ref() == Some(&listener.arn))
        // The default rule's priority is a word, and it comes last.
        .map(|r| (if r.is_default { u64::MAX } else { r.priority.parse().unwrap_or(u64::MAX - 1) }, r))
        .collect();
    own.sort_by_key(|(priority, _)| *priority);
    let mut taken = Addresses::default();
    for (_, rule) in &own {
        let read = Conditions::of(&rule.conditions);
        let left = read.clients.minus(&taken);
        if left.is_empty() {
            continue;
        }
        let name = if rule.is_default { "default action".to_owned() } else { format!("rule {}{}", rule.priority, read.text) };
        let clients = (left != Addresses::everything()).then_some(left);
        forwards(
            &rule.actions,
            |group, signs_in| Pass { group, clients: clients.clone(), rule: name.clone(), signs_in, sure: read.sure },
            &mut out,
        );
        if read.all_else && read.sure {
            taken = taken.or(&read.clients);
        }
    }
    if !own.iter().any(|(_, rule)| rule.is_default) {
        let left = Addresses::everything().minus(&taken);
        if !left.is_empty() {
            let clients = (left != Addresses::everything()).then_some(left);
            let rule = || "default action".to_owned();
            forwards(
                &listener.default,
                |group, signs_in| Pass { group, clients: clients.clone(), rule: rule(), signs_in, sure: true },
                &mut out,
            );
        }
    }
    out
}

/// What a rule's conditions say of who may pass; the rest of them is about requests, not about networks.
struct Conditions {
    clients: Addresses,
    /// Whether the other conditions hold for every request.
    all_else: bool,
    sure: bool,
    text: String,
}

impl Conditions {
    fn of(conditions: &[Extra]) -> Self {
        let mut read = Self { clients: Addresses::everything(), all_else: true, sure: true, text: String::new() };
        let mut words = Vec::new();
        for condition in conditions {
            let field = condition.get("Field").and_then(Value::as_str).unwrap_or_default();
            // `SourceIpConfig`, `PathPatternConfig` and so on hold the values; older answers have them beside the field.
            let of = |holder: Option<&Value>| -> Vec<String> {
                let list = holder.and_then(|h| h.get("Values")).and_then(Value::as_array).into_iter().flatten();
                list.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let mut values: Vec<String> =
                condition.iter().filter(|(key, _)| key.ends_with("Config")).flat_map(|(_, config)| of(Some(config))).collect();
            if values.is_empty() {
                let list = condition.get("Values").and_then(Value::as_array).into_iter().flatten();
                values = list.filter_map(Value::as_str).map(str::to_owned).collect();
            }
            match field {
                "source-ip" => {
                    let nets: Vec<_> = values.iter().map(|v| cidr(v)).collect();
                    read.sure &= !values.is_empty() && nets.iter().all(Result::is_ok);
                    if read.sure {
                        read.clients = read.clients.and(&Addresses::of(nets.into_iter().flatten()));
                    }
                    words.push(format!("source {}", values.join(", ")));
                }
                "path-pattern" | "host-header" => {
                    let every = values.iter().any(|v| v == "*" || field == "path-pattern" && v == "/*");
                    read.all_else &= every;
                    words.push(format!("{} {}", if field == "host-header" { "host" } else { "path" }, values.join(", ")));
                }
                other => {
                    read.all_else = false;
                    words.push(other.replace('-', " "));
                }
            }
        }
        if !words.is_empty() {
            read.text = format!(" ({})", words.join("; "));
        }
        read
    }
}

/// The target groups that actions forward to; one of weight 0 beside others gets nothing.
fn forwards(actions: &[Extra], make: impl Fn(String, bool) -> Pass, out: &mut Vec<Pass>) {
    let kind = |a: &Extra| a.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let signs_in = actions.iter().any(|a| kind(a).starts_with("authenticate-") || kind(a) == "jwt-validation");
    let mut groups: Vec<String> = Vec::new();
    for action in actions {
        let listed = action.get("ForwardConfig").and_then(|f| f.get("TargetGroups")).and_then(Value::as_array);
        let listed: Vec<(String, f64)> = (listed.into_iter().flatten())
            .filter_map(|g| {
                let weight = g.get("Weight").and_then(|w| w.as_f64().or_else(|| w.as_str()?.parse().ok())).unwrap_or(1.0);
                Some((g.get("TargetGroupArn")?.as_str()?.to_owned(), weight))
            })
            .collect();
        let some = listed.iter().any(|(_, weight)| *weight > 0.0);
        groups.extend(listed.iter().filter(|(_, weight)| *weight > 0.0 || !some).map(|(arn, _)| arn.clone()));
        if listed.is_empty() {
            groups.extend(action.get("TargetGroupArn").and_then(Value::as_str).map(str::to_owned));
        }
    }
    groups.sort();
    groups.dedup();
    out.extend(groups.into_iter().map(|group| make(group, signs_in)));
}

/// Whether the target sees the client's address ("Target groups for your Network Load Balancers", client IP
/// preservation): by default for all but targets by address, for UDP always.
fn preserves_client(kind: &str, group: &aws::TargetGroup) -> bool {
    if kind != "network" {
        return false;
    }
    if matches!(group.protocol.as_str(), "UDP" | "TCP_UDP" | "QUIC" | "TCP_QUIC") {
        return true;
    }
    group.preserve_client_ip.unwrap_or(group.target_type != "ip")
}

/// A listener of a classic load balancer: what it listens on, and where on the instances it forwards to.
struct ClassicListener {
    listens: Service,
    port: u16,
    /// `HTTPS to HTTP`.
    rule: String,
    /// None where that could not be read.
    instance_port: Option<u16>,
}

fn classic_listener(extra: &Extra) -> Option<ClassicListener> {
    let one = listener(extra)?;
    let text = |key: &str| extra.get(key).and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase();
    let (front, back) = (text("Protocol"), text("InstanceProtocol"));
    let port = extra.get("InstancePort").and_then(|p| p.as_u64().or_else(|| p.as_str()?.parse().ok()));
    Some(ClassicListener {
        listens: one.service,
        port: one.port,
        rule: if back.is_empty() { front } else { format!("{front} to {back}") },
        instance_port: port.and_then(|p| u16::try_from(p).ok()),
    })
}

/// What a classic load balancer passes on: each of its listeners to one port of each registered instance, from its own
/// address ("Classic Load Balancers: Listeners"). The second answer is whether all of it is known.
fn classic(net: &Net, ix: usize, lb: &aws::LoadBalancer) -> (Vec<Backend>, bool) {
    let mut known = net.load_balancers[ix].listens.is_some() && lb.instances.is_some();
    let mut out = Vec::new();
    for listener in lb.listeners.iter().filter_map(classic_listener) {
        let Some(port) = listener.instance_port else {
            known = false;
            continue;
        };
        for instance in lb.instances.iter().flatten() {
            let Some(interface) = interfaces_of(net, net.load_balancers[ix].vpc, &instance.instance_id).first().copied() else {
                known = false;
                continue;
            };
            if serves(net, ix, interface) {
                out.push(Backend {
                    listener: listener.port,
                    listens: listener.listens.clone(),
                    group: "its instances".to_owned(),
                    interface,
                    port,
                    service: Service::ports(TCP, port, port),
                    preserves_client: false,
                    clients: None,
                    rule: listener.rule.clone(),
                    signs_in: false,
                    sure: true,
                });
            }
        }
    }
    (out, known)
}

/// Whether a load balancer has a node in the zone of a target: without one a registered target gets nothing ("How Elastic
/// Load Balancing works: Availability Zones"). Where zones are not known, and for targets in other VPCs, it does.
fn serves(net: &Net, lb: usize, interface: usize) -> bool {
    let (l, target) = (&net.load_balancers[lb], &net.interfaces[interface]);
    let zone = |s: usize| net.subnets[s].zone_id.as_str();
    let of_target = zone(target.subnet);
    let unknown = of_target.is_empty() || l.subnets.is_empty() || l.subnets.iter().any(|s| zone(*s).is_empty());
    unknown || target.vpc != l.vpc || target.load_balancer.is_some() || l.subnets.iter().any(|s| zone(*s) == of_target)
}

/// Ties every load balancer of a region to the interfaces behind it; says what is not known of them.
pub fn attach(net: &mut Net, part: &RegionEstate) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for lb in &part.network.load_balancers {
        let Some(Object::LoadBalancer(ix)) = net.object(&lb.load_balancer_arn) else { continue };
        let lost = |known: bool| {
            let what = "not all that its listeners pass on to is known: target groups, or targets in them, are not in the estate";
            (!known).then(|| Gap { object: lb.load_balancer_arn.clone(), what: what.to_owned() })
        };
        if lb.is_classic() {
            let (backends, known) = classic(net, ix, lb);
            gaps.extend(lost(known));
            net.load_balancers[ix].backends = in_order(backends);
            continue;
        }
        let read: Vec<Listener> = lb.listeners.iter().filter_map(listener).collect();
        let all: Vec<(usize, Pass)> =
            read.iter().enumerate().flat_map(|(n, l)| passes(l, lb).into_iter().map(move |p| (n, p))).collect();
        // Rules that were not read may lead to any group that says it belongs to the load balancer.
        let unread = lb.kind == "application" && lb.rules.is_none();
        let mut backends = Vec::new();
        let mut known = net.load_balancers[ix].listens.is_some();
        let mut asked: Vec<&str> = all.iter().map(|(_, p)| p.group.as_str()).collect();
        for group in &part.network.target_groups {
            let mut ways: Vec<(usize, Pass)> = all.iter().filter(|(_, p)| p.group == group.target_group_arn).cloned().collect();
            if ways.is_empty() && unread && group.load_balancer_arns.contains(&lb.load_balancer_arn) {
                let rule = "a rule that was not read".to_owned();
                let any = Pass { group: group.target_group_arn.clone(), clients: None, rule, signs_in: false, sure: false };
                ways = (0..read.len()).map(|n| (n, any.clone())).collect();
            }
            asked.retain(|arn| *arn != group.target_group_arn);
            if ways.is_empty() {
                continue;
            }
            let Some(targets) = &group.targets else {
                known = false;
                continue;
            };
            for target in targets {
                let port = target.port.or(group.port).and_then(|p| u16::try_from(p).ok());
                let interfaces = interfaces_of(net, net.load_balancers[ix].vpc, &target.id);
                let (Some(port), false) = (port, interfaces.is_empty()) else {
                    // A function or a target elsewhere is no interface of ours.
                    known &= group.target_type == "lambda";
                    continue;
                };
                for (n, pass) in &ways {
                    backends.extend(interfaces.iter().filter(|i| serves(net, ix, **i)).map(|interface| Backend {
                        listener: read[*n].port,
                        listens: read[*n].service.clone(),
                        group: group.target_group_name.clone(),
                        interface: *interface,
                        port,
                        service: listens(&group.protocol, port),
                        preserves_client: preserves_client(&lb.kind, group),
                        clients: pass.clients.clone(),
                        rule: pass.rule.clone(),
                        signs_in: pass.signs_in,
                        sure: pass.sure,
                    }));
                }
            }
        }
        gaps.extend(lost(known && asked.is_empty()));
        net.load_balancers[ix].backends = in_order(backends);
    }
    gaps
}

fn in_order(mut backends: Vec<Backend>) -> Vec<Backend> {
    backends.sort_by(|a, b| {
        (a.interface, a.listener, a.port, !a.sure, &a.rule).cmp(&(b.interface, b.listener, b.port, !b.sure, &b.rule))
    });
    backends.dedup();
    backends
}

/// The interfaces of a target: an instance's first, one that has the address, or a load balancer's. An address inside of
/// the load balancer's VPC is that VPC's; another may be in any that is joined to it.
fn interfaces_of(net: &Net, vpc: usize, id: &str) -> Vec<usize> {
    match net.object(id) {
        Some(Object::Instance(i)) => return net.instances[i].interfaces.first().copied().into_iter().collect(),
        Some(Object::LoadBalancer(lb)) => return net.load_balancers[lb].interfaces.clone(),
        _ => {}
    }
    let Ok(address) = id.parse::<IpAddr>() else { return Vec::new() };
    let all = net.by_address.get(&address).map_or(&[][..], Vec::as_slice);
    match all.iter().copied().find(|i| net.interfaces[*i].vpc == vpc) {
        Some(own) => vec![own],
        None if net.vpcs[vpc].cidrs.has(address) => Vec::new(),
        None => all.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn extra(value: Value) -> Extra {
        serde_json::from_value(value).unwrap()
    }

    const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/front/0a/1b";

    #[allow(clippy::needless_pass_by_value, reason = "cases are written in place")]
    fn told(rules: Value, default: Value) -> Vec<String> {
        let listener =
            listener(&extra(json!({"ListenerArn": LISTENER, "Port": 443, "Protocol": "HTTPS", "DefaultActions": default})))
                .unwrap();
        let mut rules: Vec<aws::ListenerRule> = serde_json::from_value(rules).unwrap();
        for (n, rule) in rules.iter_mut().enumerate() {
            rule.rule_arn = format!("{}/{n}", LISTENER.replace(":listener/", ":listener-rule/"));
        }
        let lb = aws::LoadBalancer { rules: Some(rules), ..Default::default() };
        let clients = |p: &Pass| p.clients.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        let sure = |p: &Pass| if p.sure { "" } else { " unsure" };
        passes(&listener, &lb).iter().map(|p| format!("{} {} by {}{}", p.group, clients(p), p.rule, sure(p))).collect()
    }

    fn to(group: &str) -> Value {
        json!([{"Type": "forward", "TargetGroupArn": group}])
    }

    #[test]
    fn rules_forward_in_order_and_a_rule_for_all_takes_all() {
        let path = |p: &str| json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": [p]}}]);
        let rules = json!([
            {"Priority": "20", "Conditions": path("/*"), "Actions": to("b")},
            {"Priority": "3", "Conditions": path("/api/*"), "Actions": to("a")},
            {"Priority": "default", "IsDefault": "true", "Actions": to("c")},
        ]);
        assert_eq!(told(rules, json!([])), ["a all by rule 3 (path /api/*)", "b all by rule 20 (path /*)"]);
    }

    #[test]
    fn a_redirect_forwards_to_nobody_and_a_rule_beside_it_does() {
        let redirect = json!([{"Type": "redirect"}]);
        assert_eq!(told(json!([]), redirect.clone()), Vec::<String>::new());
        let rules = json!([{"Priority": "1", "Conditions": [{"Field": "host-header", "Values": ["a.example"]}], "Actions": to("a")},
            {"Priority": "2", "Conditions": [], "Actions": [{"Type": "fixed-response"}]}]);
        assert_eq!(told(rules, redirect), ["a all by rule 1 (host a.example)"]);
    }

    #[test]
    fn source_conditions_narrow_and_take_away() {
        let source = |list: Value| json!([{"Field": "source-ip", "SourceIpConfig": {"Values": list}}]);
        let rules = json!([
            {"Priority": "1", "Conditions": source(json!(["0.0.0.0/1", "::/0"])), "Actions": to("a")},
            {"Priority": "default", "IsDefault": true, "Actions": to("b")},
        ]);
        assert_eq!(
            told(rules, json!([])),
            ["a 0.0.0.0/1, ::/0 by rule 1 (source 0.0.0.0/1, ::/0)", "b 128.0.0.0/1 by default action"]
        );
        let broken = json!([{"Priority": "1", "Conditions": source(json!(["junk"])), "Actions": to("a")}]);
        assert_eq!(told(broken, to("b")), ["a all by rule 1 (source junk) unsure", "b all by default action"]);
    }

    #[test]
    fn a_group_of_weight_zero_gets_nothing() {
        let weighted = |a: u8, b: u8| json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a", "Weight": a}, {"TargetGroupArn": "b", "Weight": b.to_string()}]}}]);
        assert_eq!(told(json!([]), weighted(0, 1)), ["b all by default action"]);
        assert_eq!(told(json!([]), weighted(5, 1)).len(), 2);
    }
}
