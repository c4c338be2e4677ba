//! Instances, load balancers, functions' and databases' interfaces: what stands in the subnets.

use serde_json::json;

use crate::demo::accounts::{REGIONS, SEATS, days, tags};
use crate::demo::network::{Ground, Inner, Mistake, Place, Stock, Yard, state};
use crate::demo::random::{Random, label};
use crate::model::Extra;
use crate::model::network::{
    Address, Association, Attachment, Instance, InstanceState, Interface, Ipv6Address, ListenerRule, LoadBalancer,
    LoadBalancerZone, MetadataOptions, ProfileRef, Target, TargetGroup,
};

/// Gives an interface an elastic address; returns the allocation.
pub(super) fn elastic(ground: &mut Ground, yard: &Yard, part: &str, eni: &mut Interface, public: &str, instance: &str) -> String {
    let allocation = yard.id("eipalloc", part);
    associate(yard, eni, public, &allocation);
    let address = Address {
        public_ip: public.to_owned(),
        allocation_id: allocation.clone(),
        association_id: yard.id("eipassoc", part),
        private_ip_address: eni.private_ip_address.clone(),
        network_interface_id: eni.network_interface_id.clone(),
        instance_id: instance.to_owned(),
        tags: tags(&[("Name", &yard.name(part))]),
        ..Address::default()
    };
    ground.network(yard).addresses.push(address);
    allocation
}

fn associate(yard: &Yard, eni: &mut Interface, public: &str, allocation: &str) {
    let association = Association {
        public_ip: public.to_owned(),
        public_dns_name: format!("ec2-{}.{}.compute.amazonaws.com", public.replace('.', "-"), REGIONS[yard.site.region]),
        allocation_id: allocation.to_owned(),
        ip_owner_id: if allocation.is_empty() { "amazon".to_owned() } else { yard.owner() },
        ..Association::default()
    };
    if let Some(address) = eni.private_ip_addresses.first_mut() {
        address.association = Some(association.clone());
    }
    eni.association = Some(association);
}

/// What runs where: name, tier, size, groups, how many.
struct Fleet {
    name: &'static str,
    tier: &'static str,
    size: &'static str,
    groups: &'static [&'static str],
    count: usize,
}

const fn fleet(
    name: &'static str,
    tier: &'static str,
    size: &'static str,
    groups: &'static [&'static str],
    count: usize,
) -> Fleet {
    Fleet { name, tier, size, groups, count }
}

const OPEN: &[Fleet] = &[
    fleet("jump", "public", "t3.micro", &["bastion"], 1),
    fleet("edge", "public", "c6i.large", &["edge", "ipv6-ssh", "debug-all"], 1),
    fleet("api", "private", "m6i.large", &["app"], 2),
    fleet("worker", "private", "m6i.xlarge", &["app"], 1),
];
const INNER: &[Fleet] = &[
    fleet("api", "private", "m6i.large", &["app"], 2),
    fleet("batch", "private", "r6i.2xlarge", &["app"], 1),
    fleet("index", "data", "r6i.xlarge", &["db"], 1),
];
const STOCK: &[Fleet] = &[fleet("test", "public", "t2.medium", &["edge", "rdp-temp", "debug-all", "default"], 2)];

/// Adds the VPC's machines and everything else that has an interface.
pub(super) fn add(ground: &mut Ground, yard: &mut Yard) {
    let fleets = match yard.site.layout {
        Stock => STOCK,
        Inner => INNER,
        _ => OPEN,
    };
    for fleet in fleets {
        for n in 0..fleet.count {
            instance(ground, yard, fleet, n);
        }
    }
    if yard.groups.contains_key("rdp-temp") && yard.site.layout != Stock {
        instance(ground, yard, &fleet("desktop", "public", "t3.large", &["rdp-temp"], 1), 0);
    }
    if yard.site.account == "ci-cd" {
        for n in 0..4 {
            instance(ground, yard, &fleet("runner", "private", "c6i.4xlarge", &["app"], 4), n);
        }
    }
    if yard.site.layout == Stock {
        return;
    }
    // One API was throttled there (see coverage), so its load balancers are not known.
    if yard.site.account != "data-lake-dev" {
        balancer(ground, yard);
    }
    let function = format!("AWS Lambda VPC ENI-{}-events-{:08x}", yard.app(), label(&yard.vpc) as u32);
    attached(ground, yard, "private", "lambda", "lambda", function, &["app"]);
    attached(ground, yard, "data", "rds", "interface", "RDSNetworkInterface".to_owned(), &["db", "db-migration"]);
    if Random::of(&yard.label("spare")).chance(25) {
        let mut place = take(yard, "private");
        let mut eni = ground.interface(yard, &mut place, "spare", "interface", "left over".to_owned());
        eni.status = "available".to_owned();
        eni.groups = yard.group_refs(&["app"]);
        give(yard, "private", place);
        ground.network(yard).interfaces.push(eni);
    }
}

/// The tier's subnet with the fewest addresses in use; the VPC's first where the tier is missing.
fn take(yard: &Yard, tier: &str) -> Place {
    let places = match tier {
        "public" => &yard.public,
        "private" => &yard.private,
        _ => &yard.data,
    };
    let any = || yard.public.first().or(yard.private.first());
    places.iter().min_by_key(|p| p.next).or_else(any).cloned().unwrap_or_else(|| Place {
        subnet: String::new(),
        zone: String::new(),
        prefix: yard.block.clone(),
        next: 5,
    })
}

fn give(yard: &mut Yard, tier: &str, place: Place) {
    let places = match tier {
        "public" => &mut yard.public,
        "private" => &mut yard.private,
        _ => &mut yard.data,
    };
    if let Some(slot) = places.iter_mut().find(|p| p.subnet == place.subnet) {
        *slot = place;
    }
}

/// An interface that a service of AWS holds.
fn attached(
    ground: &mut Ground,
    yard: &mut Yard,
    tier: &str,
    part: &str,
    kind: &str,
    description: String,
    groups: &[&'static str],
) {
    let mut place = take(yard, tier);
    let mut eni = ground.interface(yard, &mut place, part, kind, description);
    eni.requester_id = format!("amazon-{part}");
    eni.groups = yard.group_refs(groups);
    eni.attachment = Some(Attachment {
        attachment_id: yard.id("ela-attach", part),
        instance_owner_id: format!("amazon-{part}"),
        status: "attached".to_owned(),
        ..Attachment::default()
    });
    give(yard, tier, place);
    ground.network(yard).interfaces.push(eni);
}

fn instance(ground: &mut Ground, yard: &mut Yard, fleet: &Fleet, n: usize) {
    let part = format!("{}{n}", fleet.name);
    let mut random = Random::of(&yard.label(&part));
    let instance_id = yard.id("i", &part);
    let name = format!("{}-{}-{}", yard.site.name, fleet.name, n + 1);
    let mut place = take(yard, fleet.tier);
    let mut eni = ground.interface(yard, &mut place, &part, "interface", String::new());
    eni.groups = yard.group_refs(fleet.groups);
    if eni.groups.is_empty() {
        eni.groups = yard.group_refs(&["default"]);
    }
    eni.attachment = Some(Attachment {
        attachment_id: yard.id("eni-attach", &part),
        instance_id: instance_id.clone(),
        instance_owner_id: yard.owner(),
        status: "attached".to_owned(),
        ..Attachment::default()
    });
    let windows = fleet.name == "desktop";
    let running = random.chance(92);
    let mut public = String::new();
    if fleet.tier == "public" && running {
        public = ground.public_address();
        if fleet.name == "edge" {
            elastic(ground, yard, &part, &mut eni, &public, &instance_id);
        } else {
            associate(yard, &mut eni, &public, "");
        }
        if !yard.v6.is_empty() {
            let zone = yard.public.iter().position(|p| p.subnet == place.subnet).unwrap_or(0);
            let address = format!("{}:{zone}::{:x}", yard.v6, 0x10 + place.next);
            eni.ipv6_addresses.push(Ipv6Address { ipv6_address: address, extra: Extra::new() });
        }
    }
    let role = format!("{}-{}-instance", yard.app(), fleet.name);
    // Sandboxes start machines by hand, without a profile.
    let profile = yard.site.layout != Stock || n == 0;
    if profile {
        ground.instance_roles.insert((yard.account, role.clone()));
    }
    let production = SEATS[yard.account].unit.ends_with("/Production");
    let old = random.chance(if production { 20 } else { 45 });
    let launched = days(ground.now, 1 + random.below(if old { 900 } else { 200 }) as u64);
    let made = Instance {
        instance_id,
        image_id: format!("ami-0{:016x}", label(if windows { "windows" } else { "linux" })),
        instance_type: fleet.size.to_owned(),
        state: Some(InstanceState { name: if running { "running" } else { "stopped" }.to_owned(), extra: Extra::new() }),
        vpc_id: yard.vpc.clone(),
        subnet_id: eni.subnet_id.clone(),
        private_ip_address: eni.private_ip_address.clone(),
        public_ip_address: public,
        platform_details: if windows { "Windows" } else { "Linux/UNIX" }.to_owned(),
        launch_time: launched.to_string(),
        iam_instance_profile: profile.then(|| ProfileRef {
            arn: format!("arn:aws:iam::{}:instance-profile/{role}", SEATS[yard.account].id),
            id: crate::demo::random::unique("AIPA", &role),
            ..ProfileRef::default()
        }),
        security_groups: eni.groups.clone(),
        metadata_options: Some(MetadataOptions {
            http_tokens: if old { "optional" } else { "required" }.to_owned(),
            http_endpoint: "enabled".to_owned(),
            ..MetadataOptions::default()
        }),
        tags: tags(&[("Name", &name), ("Role", fleet.name), ("Team", if random.chance(80) { yard.app() } else { "" })]),
        ..Instance::default()
    };
    give(yard, fleet.tier, place);
    let network = ground.network(yard);
    network.interfaces.push(eni);
    network.instances.push(made);
}

fn balancer(ground: &mut Ground, yard: &mut Yard) {
    let outside = !yard.public.is_empty();
    let region = REGIONS[yard.site.region];
    let network_kind = yard.site.name.starts_with("hub");
    let kind = if network_kind { "network" } else { "application" };
    let name = yard.name("front");
    let hash = format!("{:016x}", label(&yard.label("front")));
    let short = if network_kind { "net" } else { "app" };
    let arn = format!("arn:aws:elasticloadbalancing:{region}:{}:loadbalancer/{short}/{name}/{hash}", SEATS[yard.account].id);
    let groups = if network_kind { &[][..] } else { &["edge"][..] };
    let tier = if outside { "public" } else { "private" };
    let mut zones = Vec::new();
    for n in 0..if outside { yard.public.len() } else { yard.private.len() } {
        let mut place = if outside { yard.public[n].clone() } else { yard.private[n].clone() };
        let eni_kind = if network_kind { "network_load_balancer" } else { "interface" };
        let mut eni = ground.interface(yard, &mut place, &format!("front{n}"), eni_kind, format!("ELB {short}/{name}/{hash}"));
        eni.requester_id = "amazon-elb".to_owned();
        eni.groups = yard.group_refs(if outside { groups } else { &["app"] });
        eni.attachment = Some(Attachment {
            attachment_id: yard.id("ela-attach", &format!("front{n}")),
            instance_owner_id: "amazon-elb".to_owned(),
            status: "attached".to_owned(),
            ..Attachment::default()
        });
        if outside {
            let public = ground.public_address();
            associate(yard, &mut eni, &public, "");
        }
        zones.push(LoadBalancerZone {
            zone_name: place.zone.clone(),
            subnet_id: place.subnet.clone(),
            ..LoadBalancerZone::default()
        });
        give(yard, tier, place);
        ground.network(yard).interfaces.push(eni);
    }
    let (listeners, rules) = listeners(ground, yard, &arn, network_kind);
    let made = LoadBalancer {
        load_balancer_arn: arn,
        load_balancer_name: name.clone(),
        dns_name: format!("{name}-{}.{region}.elb.amazonaws.com", label(&name) as u32),
        scheme: if outside { "internet-facing" } else { "internal" }.to_owned(),
        kind: kind.to_owned(),
        vpc_id: yard.vpc.clone(),
        state: state("active"),
        security_groups: if network_kind {
            Vec::new()
        } else {
            yard.group_refs(if outside { groups } else { &["app"] }).into_iter().map(|g| g.group_id).collect()
        },
        availability_zones: zones,
        listeners,
        rules: (!network_kind).then_some(rules),
        ..LoadBalancer::default()
    };
    ground.network(yard).load_balancers.push(made);
}

/// A classic load balancer from before the VPC's other one, which still lets everybody at its machines.
pub(super) fn classic(ground: &mut Ground, yard: &mut Yard) {
    let name = yard.name("legacy");
    let mut subnets = Vec::new();
    for (n, mut place) in yard.public.clone().into_iter().enumerate() {
        let part = format!("legacy{n}");
        let mut eni = ground.interface(yard, &mut place, &part, "interface", format!("ELB {name}"));
        eni.requester_id = "amazon-elb".to_owned();
        eni.groups = yard.group_refs(&["edge"]);
        eni.attachment = Some(Attachment {
            attachment_id: yard.id("ela-attach", &part),
            instance_owner_id: "amazon-elb".to_owned(),
            status: "attached".to_owned(),
            ..Attachment::default()
        });
        let public = ground.public_address();
        associate(yard, &mut eni, &public, "");
        subnets.push(place.subnet.clone());
        give(yard, "public", place);
        ground.network(yard).interfaces.push(eni);
    }
    let runs = |i: &&Instance| i.state() == "running" && yard.private.iter().any(|p| p.subnet == i.subnet_id);
    let behind: Vec<_> =
        ground.network(yard).instances.iter().filter(runs).map(|i| json!({"InstanceId": i.instance_id})).collect();
    let listener = |port: u16, protocol: &str| {
        json!({"Listener": {"Protocol": protocol, "LoadBalancerPort": port, "InstanceProtocol": "HTTP", "InstancePort": 8080},
            "PolicyNames": []})
    };
    let region = REGIONS[yard.site.region];
    let number = label(&yard.label("legacy")) % 10_000_000_000;
    let told = json!({
        "LoadBalancerName": name,
        "DNSName": format!("{name}-{number:010}.{region}.elb.amazonaws.com"),
        "Scheme": "internet-facing",
        "VPCId": yard.vpc,
        "Subnets": subnets,
        "SecurityGroups": yard.group_refs(&["edge"]).iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>(),
        "ListenerDescriptions": [listener(80, "HTTP"), listener(443, "HTTPS")],
        "Instances": behind,
        "HealthCheck": {"Target": "TCP:8080", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 10},
        "SourceSecurityGroup": {"OwnerAlias": yard.owner(), "GroupName": yard.name("edge")},
    });
    let told = told.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect::<Extra>();
    let mut made = LoadBalancer::classic(told);
    made.load_balancer_arn = LoadBalancer::classic_arn(region, SEATS[yard.account].id, &made.load_balancer_name);
    ground.network(yard).load_balancers.push(made);
}

/// The listeners of a VPC's load balancer and their rules, with the target groups they forward to. Plain HTTP is
/// redirected, but for a path that somebody still needs where other mistakes were made, too.
fn listeners(ground: &mut Ground, yard: &Yard, arn: &str, network_kind: bool) -> (Vec<Extra>, Vec<ListenerRule>) {
    let mut group = |name: &str, port: i64, fleets: &[&str]| {
        let arn = arn.replace(":loadbalancer/", ":targetgroup/");
        let arn =
            format!("{}/{}-{name}/{:016x}", arn.split("/app/").next().unwrap_or(&arn), yard.site.name, label(&yard.label(name)));
        let ids: Vec<String> = fleets.iter().map(|part| yard.id("i", part)).collect();
        let network = ground.network(yard);
        let there: Vec<Target> = (ids.into_iter())
            .filter(|id| network.instances.iter().any(|i| i.instance_id == *id))
            .map(|id| Target { id, port: Some(port), ..Target::default() })
            .collect();
        network.target_groups.push(TargetGroup {
            target_group_arn: arn.clone(),
            target_group_name: format!("{}-{name}", yard.site.name),
            protocol: if network_kind { "TCP" } else { "HTTP" }.to_owned(),
            port: Some(port),
            vpc_id: yard.vpc.clone(),
            target_type: "instance".to_owned(),
            load_balancer_arns: Vec::new(),
            targets: Some(there),
            preserve_client_ip: network_kind.then_some(true),
            ..TargetGroup::default()
        });
        arn
    };
    let api = group("api", 8080, &["api0", "api1"]);
    let jobs = group("jobs", 8081, if yard.site.layout == Inner { &["batch0"] } else { &["worker0"] });
    let careless = yard.site.mistakes.iter().any(|m| matches!(m, Mistake::Ssh | Mistake::Postgres));
    let own: Vec<&String> = if network_kind { vec![&api] } else { vec![&api, &jobs] };
    for made in ground.network(yard).target_groups.iter_mut().filter(|g| own.contains(&&g.target_group_arn)) {
        made.load_balancer_arns.push(arn.to_owned());
    }
    let listener_arn =
        |port: u16| format!("{}/{:016x}", arn.replace(":loadbalancer/", ":listener/"), label(&format!("{arn}{port}")));
    let listener = |port: u16, protocol: &str, action: serde_json::Value| {
        let mut made = Extra::new();
        made.insert("ListenerArn".to_owned(), json!(listener_arn(port)));
        made.insert("LoadBalancerArn".to_owned(), json!(arn));
        made.insert("Port".to_owned(), json!(port));
        made.insert("Protocol".to_owned(), json!(protocol));
        made.insert("DefaultActions".to_owned(), json!([action]));
        if port == 443 {
            made.insert("SslPolicy".to_owned(), json!("ELBSecurityPolicy-TLS13-1-2-2021-06"));
        }
        made
    };
    let extra = |value: serde_json::Value| {
        value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect::<Extra>()
    };
    let rule = |port: u16, priority: &str, conditions: Vec<serde_json::Value>, action: serde_json::Value| ListenerRule {
        rule_arn: format!("{}/{priority:0>16}", listener_arn(port).replace(":listener/", ":listener-rule/")),
        priority: priority.to_owned(),
        conditions: conditions.into_iter().map(extra).collect(),
        actions: vec![extra(action)],
        is_default: priority == "default",
        ..ListenerRule::default()
    };
    let forward = |group: &str| json!({"Type": "forward", "TargetGroupArn": group});
    let path = |value: &str| vec![json!({"Field": "path-pattern", "PathPatternConfig": {"Values": [value]}})];
    if network_kind {
        return (vec![listener(80, "TCP", forward(&api)), listener(443, "TLS", forward(&api))], Vec::new());
    }
    let redirect = json!({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}});
    let nothing = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}});
    let mut internal = path("/jobs/*");
    internal.push(json!({"Field": "source-ip", "SourceIpConfig": {"Values": ["198.51.100.0/28", "198.51.100.128/28"]}}));
    let mut rules = vec![
        rule(80, "default", Vec::new(), redirect.clone()),
        rule(443, "10", internal, forward(&jobs)),
        rule(443, "20", path("/api/*"), forward(&api)),
        rule(443, "default", Vec::new(), nothing.clone()),
    ];
    if careless {
        rules.insert(0, rule(80, "5", path("/legacy/*"), forward(&jobs)));
    }
    (vec![listener(80, "HTTP", redirect), listener(443, "HTTPS", nothing)], rules)
}
