//! Diagrams of a VPC or of every VPC: one model of boxes and lines, drawn as text (Unicode or ASCII), SVG, Graphviz
//! and Mermaid. It knows no terminal: text comes as lines with marks that a screen may colour. What stands between the
//! whole and one interface is [`zoom`](crate::network::zoom)'s.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::network::exposure::Exposure;
use crate::network::net::{Net, Object, Target};
use crate::text;

/// How exposed something is; a screen gives each a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Heat {
    #[default]
    Inside,
    /// Has a way out to the internet.
    Out,
    /// Reachable from some named or small source, or perhaps.
    Some,
    /// Reachable from the whole internet.
    Open,
}

impl Heat {
    /// Its mark, read without colour.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Inside => " ",
            Self::Out => ">",
            Self::Some => "!",
            Self::Open => "!!",
        }
    }
    /// What the mark says.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inside => "inside only",
            Self::Out => "reaches the internet",
            Self::Some => "reached from some of the internet, or perhaps",
            Self::Open => "reached from the whole internet",
        }
    }
    const fn fill(self) -> &'static str {
        match self {
            Self::Inside => "#eef2f5",
            Self::Out => "#e3eefb",
            Self::Some => "#fdf0d5",
            Self::Open => "#fbdfdc",
        }
    }
    const fn stroke(self) -> &'static str {
        match self {
            Self::Inside => "#7a8793",
            Self::Out => "#3c78b4",
            Self::Some => "#b07d12",
            Self::Open => "#b3261e",
        }
    }
}

/// A box: a VPC, a subnet, a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: String,
    pub object: Option<Object>,
    pub title: String,
    pub lines: Vec<String>,
    pub heat: Heat,
    /// Whether it is on the path that is looked at.
    pub focus: bool,
    /// What it looks like from nearer, where there is more to see.
    pub nearer: Option<Zoom>,
}

/// How near a diagram looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zoom {
    /// Every account, by environment.
    Organisation,
    /// The VPCs of an account, by its id.
    Account(String),
    Vpc(String),
    Subnet(String),
}

/// A row of boxes with a heading, as a zone of subnets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    pub title: String,
    pub items: Vec<Item>,
}

/// A line between two boxes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub from: String,
    pub to: String,
    pub label: String,
    pub focus: bool,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    pub title: String,
    pub bands: Vec<Band>,
    pub links: Vec<Link>,
}

pub(super) const INTERNET: &str = "internet";

pub(super) fn heats(net: &Net, exposures: &[Exposure]) -> BTreeMap<usize, Heat> {
    let mut heat: BTreeMap<usize, Heat> = BTreeMap::new();
    for e in exposures {
        let open = e.source == INTERNET && e.score.iter().any(|p| p.points == 40) && e.unknown.is_empty();
        let now = if open { Heat::Open } else { Heat::Some };
        let at = heat.entry(e.interface).or_default();
        *at = (*at).max(now);
        if let Some(lb) = net.interfaces[e.interface].load_balancer {
            for i in &net.load_balancers[lb].interfaces {
                let at = heat.entry(*i).or_default();
                *at = (*at).max(now);
            }
        }
    }
    heat
}

pub(super) fn label(id: &str, name: &str) -> String {
    let text = if name.is_empty() || name == id { id.to_owned() } else { format!("{name} ({id})") };
    text::line(&text).into_owned()
}

/// Every VPC by account, with what joins them.
pub fn organisation(net: &Net, exposures: &[Exposure], focus: &[String]) -> Diagram {
    let heat = heats(net, exposures);
    let mut bands: BTreeMap<(String, String), Vec<Item>> = BTreeMap::new();
    let mut links = Vec::new();
    for (ix, vpc) in net.vpcs.iter().enumerate() {
        let home = &net.homes[vpc.home];
        let interfaces = || vpc.subnets.iter().flat_map(|s| net.subnets[*s].interfaces.iter());
        let worst = interfaces().filter_map(|i| heat.get(i)).max().copied().unwrap_or_default();
        let out = if vpc.internet_gateway.is_some() { Heat::Out } else { Heat::Inside };
        let exposed = interfaces().filter(|i| heat.get(i).is_some_and(|h| *h >= Heat::Some)).count();
        let mut lines = vec![
            vpc.cidr_texts.iter().take(2).cloned().collect::<Vec<_>>().join(" "),
            format!("{} subnets, {} interfaces", vpc.subnets.len(), interfaces().count()),
        ];
        if exposed > 0 {
            lines.push(format!("{exposed} exposed"));
        }
        bands.entry((home.label.clone(), home.region.clone())).or_default().push(Item {
            id: vpc.id.clone(),
            object: Some(Object::Vpc(ix)),
            title: label(&vpc.id, &vpc.name),
            lines,
            heat: worst.max(out),
            focus: focus.contains(&vpc.id),
            nearer: Some(Zoom::Vpc(vpc.id.clone())),
        });
        if let Some(gateway) = vpc.internet_gateway {
            links.push(Link {
                from: INTERNET.into(),
                to: vpc.id.clone(),
                label: net.internet_gateways[gateway].id.clone(),
                focus: false,
            });
        }
    }
    for p in net.peerings.iter().filter(|p| p.active) {
        links.push(Link {
            from: p.sides[0].vpc_id.clone(),
            to: p.sides[1].vpc_id.clone(),
            label: p.id.clone(),
            focus: focus.contains(&p.id),
        });
    }
    let mut hubs = Vec::new();
    for (ix, t) in net.transit_gateways.iter().enumerate() {
        let vpcs: Vec<&str> =
            t.attachments.iter().filter_map(|a| net.attachments[*a].vpc.map(|v| net.vpcs[v].id.as_str())).collect();
        let others = t.attachments.len() - vpcs.len();
        let mut lines = vec![format!("{} VPCs", vpcs.len())];
        if others > 0 {
            lines.push(format!("{others} other attachments"));
        }
        hubs.push(Item {
            id: t.id.clone(),
            object: Some(Object::TransitGateway(ix)),
            title: label(&t.id, &t.name),
            lines,
            heat: Heat::Inside,
            focus: focus.contains(&t.id),
            nearer: None,
        });
        links.extend(vpcs.into_iter().map(|v| Link { from: v.to_owned(), to: t.id.clone(), label: String::new(), focus: false }));
    }
    let mut all: Vec<Band> = bands
        .into_iter()
        .map(|((account, region), items)| Band { title: format!("{} {region}", text::line(&account)), items })
        .collect();
    if !hubs.is_empty() {
        all.push(Band { title: "transit gateways".to_owned(), items: hubs });
    }
    finish(Diagram { title: "All VPCs".to_owned(), bands: all, links }, focus)
}

/// One VPC: gateways, then its subnets by zone with what stands in them.
pub fn vpc(net: &Net, vpc: usize, exposures: &[Exposure], focus: &[String]) -> Diagram {
    let heat = heats(net, exposures);
    let v = &net.vpcs[vpc];
    let mut gates: Vec<Item> = Vec::new();
    let mut links: Vec<Link> = Vec::new();
    let item = |object: Object, lines: Vec<String>, heat: Heat| Item {
        id: net.id_of(object).to_owned(),
        object: Some(object),
        title: label(net.id_of(object), net.name_of(object)),
        lines,
        heat,
        focus: focus.iter().any(|f| f == net.id_of(object)),
        nearer: match object {
            Object::Subnet(s) => Some(Zoom::Subnet(net.subnets[s].id.clone())),
            _ => None,
        },
    };
    if let Some(g) = v.internet_gateway {
        gates.push(item(Object::InternetGateway(g), vec!["internet gateway".into()], Heat::Out));
        links.push(Link { from: INTERNET.into(), to: net.internet_gateways[g].id.clone(), label: String::new(), focus: false });
    }
    if let Some(g) = v.egress_only {
        gates.push(item(Object::EgressOnlyGateway(g), vec!["egress-only gateway".into()], Heat::Out));
    }
    if let Some(g) = v.vpn_gateway {
        let mut lines = vec!["virtual private gateway".to_owned()];
        for vpn in net.vpn_connections.iter().filter(|v| v.gateway == Some(g)) {
            let to = vpn.customer.map_or("somewhere", |c| net.name_of(Object::CustomerGateway(c)));
            let now = if vpn.up == Some(false) { ", no tunnel up" } else { "" };
            lines.push(format!("VPN to {}{now}", text::line(to)));
        }
        gates.push(item(Object::VpnGateway(g), lines, Heat::Inside));
    }
    for p in &v.peerings {
        let peering = &net.peerings[*p];
        let other = if peering.sides[0].vpc == Some(vpc) { &peering.sides[1] } else { &peering.sides[0] };
        let name = other.vpc.map_or(other.vpc_id.as_str(), |o| net.name_of(Object::Vpc(o)));
        gates.push(item(
            Object::Peering(*p),
            vec![format!("peering with {}", text::line(name)), peering.status.clone()],
            Heat::Inside,
        ));
    }
    for a in &v.attachments {
        let t = net.attachments[*a].gateway;
        gates.push(item(Object::TransitGateway(t), vec!["transit gateway".into()], Heat::Inside));
    }
    for e in v.endpoints.iter().filter(|e| net.endpoints[**e].kind != "Interface") {
        gates.push(item(Object::Endpoint(*e), vec![format!("endpoint {}", net.endpoints[*e].service)], Heat::Inside));
    }
    let mut zones: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
    for s in &v.subnets {
        let subnet = &net.subnets[*s];
        let mut worst = Heat::Inside;
        let mut lines = vec![subnet.cidr_texts.join(" ")];
        for nat in net.nats.iter().filter(|n| n.subnet == Some(*s)) {
            lines.push(format!("{} NAT", nat.id));
        }
        // The exposed ones first, then by name; a long list is counted.
        let mut here: Vec<(bool, Heat, &str)> = subnet
            .interfaces
            .iter()
            .map(|i| {
                (
                    focus.contains(&net.interfaces[*i].id),
                    heat.get(i).copied().unwrap_or_default(),
                    net.interfaces[*i].name.as_str(),
                )
            })
            .collect();
        // What is on the path stands first, whatever its heat.
        here.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(b.2)));
        worst = worst.max(here.iter().map(|(_, h, _)| *h).max().unwrap_or_default());
        for (on, h, name) in here.iter().take(6) {
            let on = if *on { "* " } else { "" };
            lines.push(format!("{:<2} {on}{}", h.mark(), text::line(name)).trim_end().to_owned());
        }
        if here.len() > 6 {
            lines.push(format!("   and {} more", here.len() - 6));
        }
        let table = subnet.table.map(|t| &net.tables[t]);
        for route in table.into_iter().flat_map(|t| &t.routes) {
            let to = match route.target {
                Target::Local | Target::Blackhole(_) | Target::Unknown(_) => continue,
                Target::InternetGateway(_) | Target::EgressOnly(_) | Target::Nat(_) => {
                    worst = worst.max(Heat::Out);
                    &route.target_text
                }
                _ => &route.target_text,
            };
            links.push(Link { from: subnet.id.clone(), to: to.clone(), label: route.destination.clone(), focus: false });
        }
        zones.entry(&subnet.zone).or_default().push(item(Object::Subnet(*s), lines, worst));
    }
    let mut bands = Vec::new();
    if !gates.is_empty() {
        gates.dedup_by(|a, b| a.id == b.id);
        bands.push(Band { title: "gateways".to_owned(), items: gates });
    }
    bands.extend(
        zones
            .into_iter()
            .map(|(zone, items)| Band { title: if zone.is_empty() { "subnets".into() } else { zone.to_owned() }, items }),
    );
    finish(Diagram { title: format!("VPC {}", label(&v.id, &v.name)), bands, links }, focus)
}

/// Links between two boxes of the path are of the path.
pub(super) fn finish(mut diagram: Diagram, focus: &[String]) -> Diagram {
    let on = |id: &String| focus.contains(id);
    for link in &mut diagram.links {
        link.focus |= on(&link.from) && on(&link.to);
    }
    diagram.links.sort();
    diagram.links.dedup();
    diagram
}

/// Characters of a box.
struct Frame {
    corners: [char; 4],
    across: char,
    down: char,
}

const UNICODE: Frame = Frame { corners: ['┌', '┐', '└', '┘'], across: '─', down: '│' };
const STRONG: Frame = Frame { corners: ['┏', '┓', '┗', '┛'], across: '━', down: '┃' };
const ASCII: Frame = Frame { corners: ['+', '+', '+', '+'], across: '-', down: '|' };
const ASCII_STRONG: Frame = Frame { corners: ['#', '#', '#', '#'], across: '=', down: '#' };

/// Cells inside a box that are asked for at most.
const WIDEST: usize = 34;

/// A line of a drawn diagram, and where boxes are on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrawnLine {
    pub text: String,
    pub spans: Vec<Span>,
}

/// The part of a line that a box takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First cell, and cells.
    pub start: usize,
    pub width: usize,
    pub heat: Heat,
    pub focus: bool,
    /// The box, counted over all bands.
    pub item: usize,
}

/// As text, at most `width` cells wide (at least 24); as many lines as it takes, so that a screen may scroll.
pub fn text(diagram: &Diagram, width: usize, ascii: bool) -> Vec<DrawnLine> {
    let width = width.max(24);
    let mut out = vec![plain(&text::fit(&diagram.title, width))];
    let mut first = 0;
    for band in &diagram.bands {
        out.push(DrawnLine::default());
        out.push(plain(&text::fit(&band.title, width)));
        // As many columns as fit; a long name is cut rather than given a row of its own.
        let longest = band.items.iter().map(content_width).max().unwrap_or(20).clamp(20, WIDEST.min(width - 4));
        let columns = ((width + 1) / (longest + 5)).clamp(1, band.items.len().max(1));
        let cell = (width + 1) / columns - 1;
        for row in band.items.chunks(columns) {
            let height = row.iter().map(|i| i.lines.len() + 1).max().unwrap_or(1);
            for line in 0..height + 2 {
                out.push(box_line(row, first, line, (height, cell), ascii));
            }
            first += row.len();
        }
    }
    if !diagram.links.is_empty() {
        out.push(DrawnLine::default());
        out.push(plain("links"));
        let arrow = if ascii { "->" } else { "→" };
        for link in &diagram.links {
            let focus = if link.focus { "* " } else { "  " };
            let label = if link.label.is_empty() { String::new() } else { format!("  {}", link.label) };
            out.push(plain(&text::fit(&format!("{focus}{} {arrow} {}{label}", link.from, link.to), width)));
        }
    }
    if ascii {
        for line in &mut out {
            line.text = line.text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        }
    }
    out
}

fn plain(text: &str) -> DrawnLine {
    DrawnLine { text: text.to_owned(), spans: Vec::new() }
}

fn content_width(item: &Item) -> usize {
    item.lines.iter().map(|l| text::width(l)).chain([text::width(&item.title) + 3]).max().unwrap_or(0)
}

/// A line of a row of boxes, the first of which has the number `first`; rows have a height, boxes a width.
fn box_line(row: &[Item], first: usize, line: usize, (height, cell): (usize, usize), ascii: bool) -> DrawnLine {
    let mut out = DrawnLine::default();
    for (n, item) in row.iter().enumerate() {
        if n > 0 {
            out.text.push(' ');
        }
        let frame = match (ascii, item.focus) {
            (false, false) => &UNICODE,
            (false, true) => &STRONG,
            (true, false) => &ASCII,
            (true, true) => &ASCII_STRONG,
        };
        out.spans.push(Span { start: n * (cell + 1), width: cell, heat: item.heat, focus: item.focus, item: first + n });
        let inner = cell.saturating_sub(4);
        let edge = |left: char, right: char, out: &mut String| {
            out.push(left);
            out.extend(std::iter::repeat_n(frame.across, cell.saturating_sub(2)));
            out.push(right);
        };
        if line == 0 {
            edge(frame.corners[0], frame.corners[1], &mut out.text);
        } else if line == height + 1 {
            edge(frame.corners[2], frame.corners[3], &mut out.text);
        } else {
            let content = if line == 1 {
                format!("{} {}", item.heat.mark(), item.title).trim_start().to_owned()
            } else {
                item.lines.get(line - 2).cloned().unwrap_or_default()
            };
            // An ellipsis is no ASCII; a tilde stands in for it.
            let cut = text::fit(&content, inner).into_owned();
            let cut = if ascii { cut.replace('…', "~") } else { cut };
            out.text.push(frame.down);
            out.text.push(' ');
            out.text.push_str(&text::pad(&cut, inner, false));
            out.text.push(' ');
            out.text.push(frame.down);
        }
    }
    out
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// As a standalone SVG document, without scripts, fonts or links of its own.
pub fn svg(diagram: &Diagram) -> String {
    const W: i64 = 290;
    /// Characters of 12 pixels' monospace that a box holds.
    const FIT: usize = 37;
    const LINE: i64 = 16;
    const GAP: i64 = 24;
    const LEFT: i64 = 40;
    let mut body = String::new();
    let mut at: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    let columns = 4;
    let mut y = 70;
    at.insert(INTERNET, (LEFT, 16, 24));
    for band in &diagram.bands {
        let _ = write!(body, r##"<text x="{LEFT}" y="{y}" class="band">{}</text>"##, xml(&band.title));
        y += 12;
        for row in band.items.chunks(columns) {
            let height = row.iter().map(|i| i.lines.len() as i64 + 1).max().unwrap_or(1) * LINE + 14;
            for (n, item) in row.iter().enumerate() {
                let x = LEFT + n as i64 * (W + GAP);
                at.insert(&item.id, (x, y, height));
                let stroke = if item.focus { 3 } else { 1 };
                let _ = write!(
                    body,
                    r##"<g><title>{}</title><rect x="{x}" y="{y}" width="{W}" height="{height}" rx="5" fill="{}" stroke="{}" stroke-width="{stroke}"/>"##,
                    xml(&item.title),
                    item.heat.fill(),
                    item.heat.stroke()
                );
                let mut line = y + LINE + 2;
                let title = format!("{} {}", item.heat.mark().trim(), item.title);
                let _ = write!(
                    body,
                    r##"<text x="{}" y="{line}" class="title">{}</text>"##,
                    x + 8,
                    xml(&text::fit(title.trim(), FIT))
                );
                for text in &item.lines {
                    line += LINE;
                    let _ = write!(body, r##"<text x="{}" y="{line}">{}</text>"##, x + 8, xml(&text::fit(text, FIT)));
                }
                body.push_str("</g>");
            }
            y += height + GAP;
        }
        y += GAP;
    }
    let mut lines = String::new();
    for link in &diagram.links {
        let (Some(a), Some(b)) = (at.get(link.from.as_str()), at.get(link.to.as_str())) else { continue };
        // From the lower edge of the upper box to the upper edge of the lower one, or along the side.
        let (x1, y1, x2, y2) = (a.0 + W / 2, a.1 + a.2, b.0 + W / 2, b.1);
        let (y1, y2) = if a.1 + a.2 <= b.1 {
            (y1, y2)
        } else if b.1 + b.2 <= a.1 {
            (a.1, b.1 + b.2)
        } else {
            (a.1 + a.2 / 2, b.1 + b.2 / 2)
        };
        let class = if link.focus { "link focus" } else { "link" };
        let bend = (y1 + y2) / 2;
        let _ = write!(
            lines,
            r##"<path d="M{x1} {y1} C{x1} {bend} {x2} {bend} {x2} {y2}" class="{class}"><title>{} {} {}</title></path>"##,
            xml(&link.from),
            xml(&link.to),
            xml(&link.label)
        );
    }
    if diagram.links.iter().any(|l| l.from == INTERNET) {
        let _ = write!(
            body,
            r##"<rect x="{LEFT}" y="16" width="{W}" height="24" rx="12" fill="#ffffff" stroke="#3c78b4"/><text x="{}" y="33" class="title">internet</text>"##,
            LEFT + 8
        );
    }
    // What marks and colours say, at the foot.
    for (n, heat) in [Heat::Open, Heat::Some, Heat::Out, Heat::Inside].into_iter().enumerate() {
        let x = LEFT + n as i64 * (W + GAP);
        let _ = write!(
            body,
            r##"<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{}" stroke="{}"/><text x="{}" y="{}">{} {}</text>"##,
            heat.fill(),
            heat.stroke(),
            x + 22,
            y + 11,
            xml(heat.mark()),
            heat.word()
        );
    }
    y += 30;
    let right = LEFT * 2 + columns as i64 * (W + GAP);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {y}" width="{right}" height="{y}" role="img" aria-label="{title}"><style>text{{font:12px ui-monospace,monospace;fill:#1b2733}}.title{{font-weight:600}}.band{{font-weight:600;fill:#5a6772}}.link{{fill:none;stroke:#7a8793;stroke-width:1;opacity:.55}}.focus{{stroke:#b3261e;stroke-width:2.5;opacity:1}}</style><rect width="100%" height="100%" fill="#ffffff"/><text x="{tx}" y="33" class="title">{title}</text>{lines}{body}</svg>
"##,
        title = xml(&diagram.title),
        tx = LEFT + W + GAP,
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
}

/// For Graphviz: `dot -Tsvg`.
pub fn dot(diagram: &Diagram) -> String {
    let mut out = format!(
        "digraph network {{\n  label={};\n  rankdir=TB;\n  node [shape=box, fontname=monospace];\n",
        quoted(&diagram.title)
    );
    if diagram.links.iter().any(|l| l.from == INTERNET) {
        out.push_str("  internet [shape=ellipse];\n");
    }
    for (n, band) in diagram.bands.iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{n} {{\n    label={};", quoted(&band.title));
        for item in &band.items {
            let lines: Vec<&str> = std::iter::once(item.title.as_str()).chain(item.lines.iter().map(String::as_str)).collect();
            let label = lines.iter().map(|l| l.replace('\\', "\\\\").replace('"', "\\\"")).collect::<Vec<_>>().join("\\n");
            let width = if item.focus { ", penwidth=3" } else { "" };
            let _ = writeln!(
                out,
                "    {} [label=\"{label}\", style=filled, fillcolor=\"{}\", color=\"{}\"{width}];",
                quoted(&item.id),
                item.heat.fill(),
                item.heat.stroke()
            );
        }
        out.push_str("  }\n");
    }
    for link in &diagram.links {
        let _ = writeln!(out, "  {} -> {} [label={}];", quoted(&link.from), quoted(&link.to), quoted(&link.label));
    }
    out.push_str("}\n");
    out
}

/// For Mermaid, as GitHub and many wikis draw it.
pub fn mermaid(diagram: &Diagram) -> String {
    let key = |id: &str| id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    let safe = |text: &str| text.replace('"', "#quot;").replace(['\n', '\r'], " ").replace('<', "#lt;").replace('>', "#gt;");
    let mut out = String::from("flowchart TB\n");
    if diagram.links.iter().any(|l| l.from == INTERNET) {
        out.push_str("  internet([internet])\n");
    }
    for (n, band) in diagram.bands.iter().enumerate() {
        let _ = writeln!(out, "  subgraph band{n}[\"{}\"]", safe(&band.title));
        for item in &band.items {
            let lines: Vec<String> = std::iter::once(&item.title).chain(&item.lines).map(|l| safe(l)).collect();
            let _ = writeln!(out, "    {}[\"{}\"]", key(&item.id), lines.join("<br/>"));
            let _ = writeln!(out, "    style {} fill:{},stroke:{}", key(&item.id), item.heat.fill(), item.heat.stroke());
        }
        out.push_str("  end\n");
    }
    for link in &diagram.links {
        let label = if link.label.is_empty() { String::new() } else { format!("|\"{}\"|", safe(&link.label)) };
        let _ = writeln!(out, "  {} -->{label} {}", key(&link.from), key(&link.to));
    }
    out
}
