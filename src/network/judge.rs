//! Findings of the network engine: exposures, crossed boundaries, rules that do nothing, ways around private access.
//! Each has an id that stays the same across sweeps, evidence, and the clauses it maps to.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::arn::ResourceRef;
use crate::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, SourceRef, Status};
use crate::network::closers::closers;
use crate::network::egress::Egress;
use crate::network::exposure::{Exposure, kind_of, ladder};
use crate::network::matrix::Crossing;
use crate::network::net::{Net, Object};
use crate::network::packets::{Addresses, Service, TCP, UDP};
use crate::network::reach::Verdict;
use crate::network::unused::{Unused, Waste};

/// One finding of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: FindingKey,
    /// `NET.1` and so on; [`CONTROLS`] has them all.
    pub control: &'static str,
    pub title: String,
    pub severity: Severity,
    pub account: String,
    pub region: String,
    pub resource: ResourceRef,
    pub others: Vec<ResourceRef>,
    /// Machine-readable: hops, rules, score.
    pub evidence: Value,
    pub remediation: String,
}

/// A control and the clauses it gives evidence for.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    pub id: &'static str,
    pub title: &'static str,
    pub clauses: &'static [&'static str],
}

/// ISO/IEC 27001:2022 Annex A, NIS2 (Directive (EU) 2022/2555) Article 21(2), CIS AWS Foundations Benchmark v3.0.
pub const CONTROLS: &[Control] = &[
    Control {
        id: "NET.1",
        title: "Nothing but what is meant to be is reachable from the internet",
        clauses: &["ISO 27001 A.8.20", "ISO 27001 A.8.21", "NIS2 21(2)(e)", "NIS2 21(2)(i)", "CIS AWS 5.2", "CIS AWS 5.3"],
    },
    Control {
        id: "NET.2",
        title: "Trust boundaries between environments hold",
        clauses: &["ISO 27001 A.8.22", "NIS2 21(2)(e)", "NIS2 21(2)(i)"],
    },
    Control {
        id: "NET.3",
        title: "Rules that do nothing are removed",
        clauses: &["ISO 27001 A.8.20", "ISO 27001 A.8.9", "NIS2 21(2)(e)"],
    },
    Control {
        id: "NET.4",
        title: "Ways out to the whole internet are limited",
        clauses: &["ISO 27001 A.8.23", "ISO 27001 A.8.20", "NIS2 21(2)(e)"],
    },
    Control {
        id: "NET.5",
        title: "Network ACLs do not open administration ports to the internet",
        clauses: &["ISO 27001 A.8.20", "CIS AWS 5.1"],
    },
    Control {
        id: "NET.6",
        title: "Default security groups let nothing through",
        clauses: &["ISO 27001 A.8.20", "ISO 27001 A.8.9", "CIS AWS 5.4"],
    },
];

fn row(net: &Net, control: &'static str, object: Object, part: &str, title: String, severity: Severity) -> Row {
    let home = &net.homes[net.home_of(object)];
    let arn = net.arn_of(object);
    Row {
        key: FindingKey::of(&["bartizan", control, &arn, part]),
        control,
        title,
        severity,
        account: home.account.clone(),
        region: home.region.clone(),
        resource: ResourceRef::new(arn, resource_kind(net, object)),
        others: Vec::new(),
        evidence: Value::Null,
        remediation: String::new(),
    }
}

/// ASFF's word for the type of an object.
fn resource_kind(net: &Net, object: Object) -> &'static str {
    match object {
        Object::Group(_) => "AwsEc2SecurityGroup",
        Object::Interface(_) => "AwsEc2NetworkInterface",
        Object::Instance(_) => "AwsEc2Instance",
        Object::LoadBalancer(lb) if net.load_balancers[lb].is_classic() => "AwsElbLoadBalancer",
        Object::LoadBalancer(_) => "AwsElbv2LoadBalancer",
        Object::Acl(_) => "AwsEc2NetworkAcl",
        Object::Subnet(_) => "AwsEc2Subnet",
        Object::Vpc(_) => "AwsEc2Vpc",
        Object::Table(_) => "AwsEc2RouteTable",
        Object::TransitGateway(_) => "AwsEc2TransitGateway",
        _ => "Other",
    }
}

/// All findings, worst first.
pub fn judge(net: &Net, exposures: &[Exposure], crossings: &[Crossing], unused: &[Unused], egress: &[Egress]) -> Vec<Row> {
    let mut out = Vec::new();
    out.extend(exposures.iter().map(|e| exposed(net, exposures, e)));
    out.extend(crossings.iter().map(|c| crossed(net, c)));
    out.extend(unused.iter().map(|u| wasted(net, u)));
    out.extend(egress.iter().filter(|e| e.whole && e.verdict == Verdict::Yes).filter_map(|e| way_out(net, e)));
    out.extend(open_acls(net));
    out.extend(default_groups(net));
    out.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.key.cmp(&b.key)));
    out.dedup_by(|a, b| a.key == b.key);
    out
}

fn exposed(net: &Net, all: &[Exposure], e: &Exposure) -> Row {
    let resource = e.resource(net);
    let word = if e.verdict == Verdict::Unknown { "may be reachable" } else { "is reachable" };
    let lbs: Vec<&str> = [e.front, e.via].into_iter().flatten().map(|lb| net.load_balancers[lb].name.as_str()).collect();
    let via = if lbs.is_empty() { String::new() } else { format!(" through {}", lbs.join(" and ")) };
    let title = format!("{} {word} from {} on {}{via} ({})", net.name_of(resource), e.source, e.service(), kind_of(&e.opening));
    let mut out = row(net, "NET.1", resource, "", title, e.severity);
    // An exposure's own id, so that list and finding agree.
    out.key = e.id;
    out.others.push(ResourceRef::new(net.arn_of(Object::Interface(e.interface)), "AwsEc2NetworkInterface"));
    let closers = closers(net, all, e);
    let paths = ladder(net, e);
    out.remediation = closers.first().map(|c| format!("{} on {}", c.what, c.object)).unwrap_or_default();
    let score: Vec<Value> = e.score.iter().map(|p| json!({"points": p.points, "why": p.why})).collect();
    out.evidence = json!({
        "source": e.source,
        "from": e.opening.peers.to_string(),
        "service": e.service().to_string(),
        "verdict": e.verdict.word(),
        "unknown": e.unknown,
        "inspected": e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>(),
        "points": e.points(),
        "score": score,
        "paths": serde_json::to_value(paths).unwrap_or_default(),
        "closedBy": serde_json::to_value(closers).unwrap_or_default(),
    });
    out
}

fn crossed(net: &Net, c: &Crossing) -> Row {
    let (from, to) = (Object::Interface(c.flow.from), Object::Interface(c.flow.to));
    let title = format!("{}: {} reaches {} on {}", c.boundary, net.name_of(from), net.name_of(to), c.service);
    let part = format!("{} {}", c.boundary, net.arn_of(from));
    let severity = if c.flow.verdict == Verdict::Unknown { Severity::Medium } else { Severity::High };
    let mut out = row(net, "NET.2", to, &part, title, severity);
    out.others.push(ResourceRef::new(net.arn_of(from), "AwsEc2NetworkInterface"));
    out.evidence = json!({
        "boundary": c.boundary,
        "service": c.service.to_string(),
        "fromInterfaces": c.flow.from_count,
        "toInterfaces": c.flow.to_count,
        "path": serde_json::to_value(&c.path).unwrap_or_default(),
    });
    out.remediation = "Remove the rule that lets it in, or the route between the two.".to_owned();
    out
}

fn wasted(net: &Net, u: &Unused) -> Row {
    let what = if u.rule.is_empty() { String::new() } else { format!(": {}", u.rule) };
    let title = match u.waste {
        Waste::GroupOnNothing | Waste::GroupOnlyNamed => format!("Security group {} is on no interface", u.name),
        Waste::RuleNeverMatches => format!("A rule of {} never matches{what}", u.name),
        Waste::RuleCovered => format!("A rule of {} is covered by a wider one{what}", u.name),
        Waste::EntryShadowed => format!("An entry of {} is never asked{what}", u.name),
        Waste::AclOnNothing => format!("Network ACL {} is on no subnet", u.name),
        Waste::RouteDead => format!("A route of {} leads nowhere{what}", u.name),
        Waste::GatewayOnNothing => format!("Internet gateway {} is on no VPC", u.name),
    };
    let mut out = row(net, "NET.3", u.object, &format!("{:?} {}", u.waste, u.rule), title, Severity::Low);
    out.evidence = json!({"rule": u.rule, "why": u.why});
    out.remediation = "Remove it.".to_owned();
    out
}

fn way_out(net: &Net, e: &Egress) -> Option<Row> {
    let first = *e.interfaces.first()?;
    let subnet = Object::Subnet(net.interfaces[first].subnet);
    let by: Vec<&str> = e.by.iter().map(|o| net.id_of(*o)).collect();
    let everything = e.service.is_all() || e.service.covers(&Service::ports(TCP, 0, u16::MAX));
    if !everything {
        return None;
    }
    let title = format!("{} interfaces of {} reach the whole internet on every port", e.interfaces.len(), net.name_of(subnet));
    let groups: Vec<&str> = net.interfaces[first].groups.iter().map(|g| net.groups[*g].id.as_str()).collect();
    let mut out = row(net, "NET.4", subnet, &format!("{} {}", by.join(" "), groups.join(" ")), title, Severity::Low);
    out.evidence = json!({"by": by, "groups": groups, "service": e.service.to_string(), "to": e.destinations.to_string(),
        "interfaces": e.interfaces.iter().take(50).map(|i| net.interfaces[*i].id.as_str()).collect::<Vec<_>>()});
    out.remediation = "Narrow the outbound rules of its security groups, or send it through a filter.".to_owned();
    Some(out)
}

fn open_acls(net: &Net) -> Vec<Row> {
    let admin = Service::ports(TCP, 22, 22).or(&Service::ports(TCP, 3389, 3389)).or(&Service::ports(UDP, 3389, 3389));
    let mut out = Vec::new();
    let internet = Addresses::internet();
    for (ix, acl) in net.acls.iter().enumerate().filter(|(_, a)| !a.is_default && !a.subnets.is_empty()) {
        let bad = acl.entries.iter().enumerate().filter(|(_, e)| {
            let whole = e.peers.v4.covers(&internet.v4) || e.peers.v6.covers(&internet.v6);
            !e.egress && e.allow && e.service.meets(&admin) && whole
        });
        // Only what no entry before it denies counts.
        let open =
            bad.filter(|(_, e)| acl.ingress.may.meets(&crate::network::packets::Allow::rule(&e.service.and(&admin), &internet)));
        let texts: Vec<String> = open.map(|(n, _)| crate::network::words::entry_text(acl, n)).collect();
        if let Some(first) = texts.first() {
            let title = format!("Network ACL {} opens administration ports to the internet", net.name_of(Object::Acl(ix)));
            let mut made = row(net, "NET.5", Object::Acl(ix), first, title, Severity::Medium);
            made.evidence = json!({"entries": texts});
            made.remediation = "Allow these ports from known addresses only.".to_owned();
            out.push(made);
        }
    }
    out
}

fn default_groups(net: &Net) -> Vec<Row> {
    let mut out = Vec::new();
    for (ix, group) in net.groups.iter().enumerate().filter(|(_, g)| g.name == "default" && !g.rules.is_empty()) {
        let title = format!("The default security group of {} has rules", group.vpc);
        let severity = if group.members.is_empty() { Severity::Low } else { Severity::Medium };
        let mut made = row(net, "NET.6", Object::Group(ix), "", title, severity);
        made.evidence = json!({
            "rules": group.rules.iter().map(crate::network::words::rule_text).collect::<Vec<_>>(),
            "members": group.members.len(),
        });
        made.remediation = "Remove all its rules; give each interface a group of its own.".to_owned();
        out.push(made);
    }
    out
}

impl Row {
    /// As a finding of source `bartizan`; `seen` is when this sweep saw it.
    pub fn finding(&self, first_seen: Timestamp, seen: Timestamp) -> Finding {
        let clauses = CONTROLS.iter().find(|c| c.id == self.control).map(|c| c.clauses).unwrap_or_default();
        Finding {
            key: self.key,
            source: SourceRef { name: "bartizan".to_owned(), id: self.key.to_string() },
            also: Vec::new(),
            account: self.account.clone(),
            region: self.region.clone(),
            control: self.control.to_owned(),
            title: self.title.clone(),
            description: CONTROLS.iter().find(|c| c.id == self.control).map(|c| c.title.to_owned()).unwrap_or_default(),
            severity: self.severity,
            status: Status::New,
            record: RecordState::Active,
            compliance: Some(Compliance::Failed),
            verdict: None,
            resource: self.resource.clone(),
            others: self.others.clone(),
            types: clauses.iter().map(|c| format!("Software and Configuration Checks/{c}")).collect(),
            already: false,
            first_seen,
            updated: seen,
            remediation: self.remediation.clone(),
            remediation_url: String::new(),
            document: json!({
                "id": self.key.to_string(),
                "control": CONTROLS
                    .iter()
                    .find(|c| c.id == self.control)
                    .map(|c| json!({"id": c.id, "title": c.title, "requirements": c.clauses})),
                "resource": self.resource.id,
                "evidence": self.evidence,
                "remedy": self.remediation,
            })
            .to_string(),
        }
    }
}
