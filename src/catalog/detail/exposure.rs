//! Exposures in full, ways through the network as ladders, ways out of a VPC, and why an agent does or does not get to
//! Session Manager.

use crate::catalog::ListingId;
use crate::catalog::detail::parts::{Body, Detail, Link, Rung, Section};
use crate::catalog::gateways::way_out;
use crate::listing::filter::{exactly, quote};
use crate::model::arn::short;
use crate::network::closers::{Change, closers};
use crate::network::egress::{Egress, ServiceAccess, service_access, session_manager};
use crate::network::exposure::{Exposure, backend_of, kind_of, ladder};
use crate::network::net::{Net, Object};
use crate::network::picture::Picture;
use crate::network::reach::{Path, Verdict};

/// Changes that are shown; those after cut more.
const MOST_CHANGES: usize = 4;

/// A way as a ladder: each place there and back with what let it through, and each that stops it.
pub fn rungs(path: &Path) -> Vec<Rung> {
    let place = |kind: &str, object: &str, name: &str| match (kind, name) {
        ("network", _) => object.to_owned(),
        (_, name) if name.is_empty() || name == object => format!("{kind} {object}"),
        _ => format!("{kind} {object} {name}"),
    };
    let mut all: Vec<Rung> = Vec::new();
    for hop in &path.hops {
        let stops: Vec<String> = path
            .stops
            .iter()
            .filter(|s| (s.request, &s.object, s.kind) == (hop.request, &hop.object, hop.kind))
            .map(|s| s.why.clone())
            .collect();
        all.push(Rung {
            back: !hop.request,
            place: place(hop.kind, &hop.object, &hop.name),
            stops: !stops.is_empty(),
            rules: if stops.is_empty() {
                hop.rules
                    .iter()
                    .map(|r| if r.object == hop.object { r.text.clone() } else { format!("{}: {}", r.object, r.text) })
                    .collect()
            } else {
                stops
            },
        });
    }
    // What stops it beyond the hops that are known.
    for s in &path.stops {
        if !path.hops.iter().any(|h| (h.request, &h.object, h.kind) == (s.request, &s.object, s.kind)) {
            let rung =
                Rung { back: !s.request, place: place(s.kind, &s.object, &s.name), rules: vec![s.why.clone()], stops: true };
            all.push(rung);
        }
    }
    all
}

/// An exposure in full: what it is, why it matters, how it gets in, what would close it.
pub fn of_exposure(picture: &Picture, e: &Exposure) -> Detail {
    let net = &*picture.net;
    let i = &net.interfaces[e.interface];
    let home = &net.homes[i.home];
    let resource = e.resource(net);
    let may = if e.verdict == Verdict::Yes { "is reached" } else { "may be reached" };
    let lbs: Vec<&str> = [e.front, e.via].into_iter().flatten().map(|lb| net.load_balancers[lb].name.as_str()).collect();
    let via = if lbs.is_empty() { String::new() } else { format!(" through {}", lbs.join(" and ")) };
    let title = format!("{} {may} from {} on {}{via}", net.name_of(resource), e.source, e.service());
    let label = if home.label == home.account { home.account.clone() } else { format!("{} ({})", home.label, home.account) };
    let behind = &e.behind;
    let power = match (behind.administrator, behind.becomes_administrator) {
        (true, _) => ", an administrator",
        (_, true) => ", which can make itself an administrator",
        _ => "",
    };
    let facts = [
        ("severity", e.severity.to_string()),
        ("score", e.points().to_string()),
        (
            "reached from",
            if e.source == "internet" { e.opening.peers.to_string() } else { format!("{}: {}", e.source, e.opening.peers) },
        ),
        ("on", format!("{} ({})", e.service(), kind_of(&e.opening))),
        ("passed on by", backend_of(net, e).map_or_else(String::new, |b| format!("listener {}, {}", b.listens, b.rule))),
        ("port behind", e.behind_port.map_or_else(String::new, |p| p.to_string())),
        ("certain", if e.verdict == Verdict::Yes { "yes" } else { "no: something on the way is not known" }.to_owned()),
        ("resource", net.arn_of(resource)),
        ("interface", i.id.clone()),
        ("addresses", e.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("account", label),
        ("environment", home.environment.map_or("unclassified", |v| v.word()).to_owned()),
        ("owner", net.owner_of(resource).to_owned()),
        ("region", home.region.clone()),
        ("role", if behind.role.is_empty() { String::new() } else { format!("{}{power}", short(&behind.role)) }),
        ("open findings", if behind.open_findings == 0 { String::new() } else { behind.open_findings.to_string() }),
        ("inspected by", e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>().join(", ")),
    ];
    let kept = facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(l, v)| (l.to_owned(), v)).collect();
    let mut sections = vec![Section { heading: String::new(), body: Body::Facts(kept) }];
    let rows = e.score.iter().map(|p| vec![format!("{:+}", p.points), p.why.clone()]).collect();
    let head = vec!["points".to_owned(), "why".to_owned()];
    sections.push(Section { heading: "Why it matters".into(), body: Body::Table { head, rows } });
    if !e.unknown.is_empty() {
        sections.push(Section { heading: "Not known".into(), body: Body::Prose(e.unknown.join("\n")) });
    }
    let changes = closers(net, &picture.exposures, e);
    for (n, change) in changes.iter().take(MOST_CHANGES).enumerate() {
        let heading = if n == 0 { "What would close it, and cut least" } else { "Or" };
        sections.push(Section { heading: heading.into(), body: closing(change) });
    }
    for path in ladder(net, e) {
        let heading = format!("The way: {} to {}, {}", path.from, path.to, path.service);
        sections.push(Section { heading, body: Body::Ladder(rungs(&path)) });
    }
    Detail { title, sections, links: links(net, e, resource, &changes) }
}

fn closing(change: &Change) -> Body {
    let mut facts = vec![("change".to_owned(), format!("{} on {}", change.what, change.object))];
    for (n, rule) in change.rules.iter().enumerate() {
        let label = if n == 0 { "rule" } else { "and" };
        facts.push((label.to_owned(), format!("{}: {}", rule.object, rule.text)));
    }
    let owner = if change.owner.is_empty() { "nobody" } else { &change.owner };
    facts.push(("owner".to_owned(), owner.to_owned()));
    let cuts = if change.also_cuts.is_empty() { "nothing else".to_owned() } else { change.also_cuts.join("; ") };
    facts.push(("also cuts".to_owned(), cuts));
    Body::Facts(facts)
}

fn links(net: &Net, e: &Exposure, resource: Object, changes: &[Change]) -> Vec<Link> {
    let i = &net.interfaces[e.interface];
    let home = &net.homes[i.home];
    let mut links = Vec::new();
    if let Some(instance) = i.instance {
        let id = &net.instances[instance].id;
        links.push(Link::to(format!("instance {id}"), ListingId::Instances, exactly("id", id)));
    }
    if let Some(lb) = i.load_balancer.or(e.via) {
        let lb = &net.load_balancers[lb];
        links.push(Link::to(format!("load balancer {}", lb.name), ListingId::LoadBalancers, exactly("id", &lb.arn)));
    }
    links.push(Link::to(format!("interface {}", i.id), ListingId::Interfaces, exactly("id", &i.id)));
    for change in changes.iter().filter(|c| c.object.starts_with("sg-")) {
        links.push(Link::to(format!("group {}", change.object), ListingId::SecurityGroups, exactly("id", &change.object)));
    }
    if !e.behind.role.is_empty() {
        let label = format!("role {}", short(&e.behind.role));
        links.push(Link::to(label, ListingId::Principals, exactly("id", &e.behind.role)));
    }
    let id = net.id_of(resource);
    links.push(Link::to("findings on it", ListingId::Findings, format!("resource:{}", quote(id))));
    links.push(Link::to("all exposures of it", ListingId::Exposures, exactly("on", id)));
    links.push(Link::to("VPC", ListingId::Vpcs, exactly("id", &net.vpcs[i.vpc].id)));
    links.push(Link::to(format!("account {}", home.label), ListingId::Accounts, exactly("id", &home.account)));
    links
}

/// Why the agent on an instance does or does not get to Session Manager, as far as the network tells; empty where the
/// network has no such instance.
pub fn agent_sections(net: &Net, instance: &str) -> Vec<Section> {
    let Some(Object::Instance(ix)) = net.object(instance) else { return Vec::new() };
    let Some(needs) = session_manager(net, ix) else { return Vec::new() };
    let rows = needs
        .iter()
        .map(|n| {
            let word = match n.verdict {
                Verdict::Yes => "open",
                Verdict::Unknown => "unknown",
                Verdict::No => "closed",
            };
            let why = match n.verdict {
                Verdict::Yes => String::new(),
                Verdict::Unknown => n.path.unknown.first().cloned().unwrap_or_default(),
                Verdict::No => n.path.stops.first().map_or_else(String::new, |s| format!("{} {}: {}", s.kind, s.object, s.why)),
            };
            vec![n.service.to_owned(), word.to_owned(), n.by.clone(), why]
        })
        .collect();
    let head = ["service", "way", "by", "why"].map(str::to_owned).into();
    let mut out = vec![Section { heading: "The agent's way to Session Manager".into(), body: Body::Table { head, rows } }];
    let stopped = needs.iter().find(|n| n.verdict == Verdict::No && n.service != "ec2messages");
    if let Some(need) = stopped {
        let heading = format!("Where the way to {} ends", need.service);
        out.push(Section { heading, body: Body::Ladder(rungs(&need.path)) });
        let advice = if need.by == "internet" {
            "There is no endpoint for it in the VPC, and no way to the internet: add interface endpoints for ssm and \
             ssmmessages with private DNS, or a route out."
        } else {
            "The VPC's endpoint answers for it by private DNS: its security groups must let in port 443 from the machine, and \
             the machine's must let it out."
        };
        out.push(Section { heading: "What to do".into(), body: Body::Prose(advice.into()) });
    }
    out
}

/// The ways out of a VPC to the internet, and how it reaches AWS's services; empty where it has no interfaces.
pub fn way_out_sections(picture: &Picture, vpc: &str) -> Vec<Section> {
    let net = &*picture.net;
    let Some(Object::Vpc(ix)) = net.object(vpc) else { return Vec::new() };
    let of = |e: &&Egress| e.interfaces.first().is_some_and(|i| net.interfaces[*i].vpc == ix);
    let rows: Vec<Vec<String>> = picture.egress.iter().filter(of).map(|e| way_out(net, e)).collect();
    let mut out = Vec::new();
    if !rows.is_empty() {
        let head = ["interfaces", "subnet", "by", "on", "to"].map(str::to_owned).into();
        out.push(Section { heading: "Ways out to the internet".into(), body: Body::Table { head, rows } });
    }
    let rows: Vec<Vec<String>> = (service_access(net, &picture.egress).iter())
        .filter(|a| a.vpc == vpc)
        .map(|a| vec![a.service.to_owned(), a.endpoints.join(", "), by_internet(a)])
        .collect();
    if !rows.is_empty() {
        let head = ["service", "privately, by", "over the internet"].map(str::to_owned).into();
        out.push(Section { heading: "AWS services".into(), body: Body::Table { head, rows } });
    }
    out
}

fn by_internet(a: &ServiceAccess) -> String {
    match a.by_internet {
        0 => "no".to_owned(),
        // With an endpoint's private DNS the name leads there; what could go out still could.
        n if n == a.interfaces => "every interface can".to_owned(),
        n => format!("{n} of {} interfaces can", a.interfaces),
    }
}
