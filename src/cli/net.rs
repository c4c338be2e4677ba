//! `bartizan net`: what can be reached from where, why, and what would close it; on AWS, on an estate file, or on a folder
//! of plain answers of the AWS CLI.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use jiff::Timestamp;
use serde_json::json;

use crate::catalog::ListingId;
use crate::catalog::gateways::{way_document, way_out};
use crate::cli::list::{table_width, unless_closed};
use crate::cli::{Done, Global, setup};
use crate::formats::aws_cli;
use crate::model::estate::Estate;
use crate::network::build::build;
use crate::network::closers::closers;
use crate::network::diagram::{Zoom, dot, mermaid, organisation, svg, text as drawn};
use crate::network::egress::service_access;
use crate::network::exposure::{Behind, NothingKnown, ladder};
use crate::network::picture::{Picture, Terms};
use crate::network::reach::{Path as Way, Verdict, can, resolve, service};
use crate::network::unused::unused;
use crate::network::zoom::{accounts, place_of, zoomed};
use crate::text;
use crate::work::behind::machines;
use crate::work::sweep::Kind as Asked;

/// Gaps in the estate that are told of at most; JSON has all.
const MOST_GAPS: usize = 10;

/// Options of net.
#[derive(Debug, Args)]
pub(super) struct NetCommand {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the internet reaches, the worst first
    Exposures {
        /// With each hop, and what would close it
        #[arg(long)]
        why: bool,
    },
    /// Can it be reached? Exit code 1 where it cannot or where that is not known
    Can {
        /// An address, a CIDR, `internet`, an id, a name or an ARN
        source: String,
        target: String,
        /// 443, 53/udp, 1000-2000/tcp, icmp, all
        port: String,
    },
    /// The same, hop by hop, with the rule that decides at each; where it is stopped, by what, and what would be next
    Path { source: String, target: String, port: String },
    /// What may flow between environments
    Matrix {
        /// Between accounts instead
        #[arg(long)]
        accounts: bool,
    },
    /// What crosses the trust boundaries of the configuration, hop by hop. Exit code 1 where anything does
    Boundaries,
    /// Draw the organisation's VPCs, or one account, VPC or subnet
    Diagram {
        /// An account, a VPC or a subnet by its id, or what stands in one [default: all VPCs]
        #[arg(value_name = "ID")]
        one: Option<String>,
        /// Accounts as boxes, by environment, instead of VPCs
        #[arg(long, conflicts_with = "one")]
        accounts: bool,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Who reaches the internet and by what, and which AWS services each VPC reaches privately
    Egress,
    /// Groups on nothing, rules that never match or that others cover, routes to what is gone
    Unused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Svg,
    Dot,
    Mermaid,
}

impl NetCommand {
    /// Whether the exit code is the answer.
    pub(super) fn answers(&self) -> bool {
        matches!(self.command, Command::Can { .. } | Command::Path { .. } | Command::Boundaries)
    }

    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let looked = estate(global, matches!(self.command, Command::Exposures { .. }))?;
        let net = Arc::new(build(&looked.estate));
        let mut out = String::new();
        let mut done = Done::Whole;
        match &self.command {
            Command::Can { source, target, port } | Command::Path { source, target, port } => {
                let (from, to) = (resolve(&net, source)?, resolve(&net, target)?);
                let answer = can(&net, &from, &to, &service(port)?);
                if answer.verdict != Verdict::Yes {
                    done = Done::No;
                }
                if self.json {
                    out = serde_json::to_string_pretty(&answer)?;
                } else {
                    out = format!("{}: {} to {}, {}\n", answer.verdict.word(), answer.from, answer.to, answer.service);
                    if answer.paths.is_empty() {
                        out.push_str("  nothing that was collected is between these two ends\n");
                    }
                    if answer.pairs > 1 {
                        out.push_str(&format!(
                            "  {} of {} pairs of ends, {} not known\n",
                            answer.reachable, answer.pairs, answer.not_known
                        ));
                    }
                    if answer.left_out > 0 {
                        out.push_str(&format!("  {} pairs were not looked at: name narrower ends\n", answer.left_out));
                    }
                    for words in &answer.through {
                        out.push_str(&format!("  but load balancer {words}\n"));
                    }
                    let whole = matches!(self.command, Command::Path { .. });
                    for path in &answer.paths {
                        tell(path, whole, &mut out);
                    }
                }
            }
            Command::Exposures { why } => {
                let picture = looked.picture();
                let (net, all) = (&*picture.net, &*picture.exposures);
                let rows: Vec<_> = all
                    .iter()
                    .map(|e| {
                        let mut row = json!({
                            "id": e.id,
                            "severity": e.severity.word(),
                            "source": e.source,
                            "target": net.id_of(e.target),
                            "name": net.name_of(e.target),
                            "account": net.homes[net.home_of(e.target)].label,
                            "region": net.homes[net.home_of(e.target)].region,
                            "service": e.service().to_string(),
                            "verdict": e.verdict,
                            "addresses": e.addresses,
                            "score": e.score,
                            "role": e.behind.role,
                            "administrator": e.behind.administrator || e.behind.becomes_administrator,
                            "openFindings": e.behind.open_findings,
                            "unknown": e.unknown,
                            "inspected": e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>(),
                        });
                        if *why {
                            row["path"] = json!(ladder(net, e));
                            row["would_close"] = json!(closers(net, all, e));
                        }
                        row
                    })
                    .collect();
                if self.json {
                    out = serde_json::to_string_pretty(&rows)?;
                } else {
                    for (e, row) in all.iter().zip(&rows) {
                        let word = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
                        let sure = if e.verdict == Verdict::Yes { "" } else { "  (not known for certain)" };
                        out.push_str(&format!(
                            "{:<8}  {:>3}  {:<15}  {:<22}  {}  {}{}{sure}\n",
                            word("severity"),
                            e.points(),
                            word("account"),
                            word("target"),
                            word("service"),
                            word("name"),
                            if e.source == "internet" { String::new() } else { format!("  from {}", e.source) },
                        ));
                        if *why {
                            for part in &e.score {
                                out.push_str(&format!("    {:+}  {}\n", part.points, part.why));
                            }
                            for path in ladder(net, e) {
                                tell(&path, true, &mut out);
                            }
                            for change in closers(net, all, e).iter().take(3) {
                                let cuts = if change.also_cuts.is_empty() {
                                    String::new()
                                } else {
                                    format!("; it would also cut {}", change.also_cuts.join(", "))
                                };
                                out.push_str(&format!("    closed by: {} on {}{cuts}\n", change.what, change.object));
                            }
                        }
                    }
                    if all.is_empty() && net.interfaces.is_empty() {
                        out.push_str("No interface was collected: what the internet reaches is not known.\n");
                    } else if all.is_empty() {
                        out.push_str("Nothing that was collected is reachable from the internet.\n");
                    }
                }
            }
            Command::Matrix { accounts } => {
                let picture = looked.picture();
                let cells = picture.cells(*accounts);
                if self.json {
                    out = serde_json::to_string_pretty(&cells)?;
                } else {
                    let width = cells.iter().map(|c| text::width(&c.from).max(text::width(&c.to))).max().unwrap_or(0);
                    for cell in &cells {
                        let sure = if cell.verdict == Verdict::Yes { "" } else { "  (not known for certain)" };
                        let (from, to) = (text::pad(&cell.from, width, false), text::pad(&cell.to, width, false));
                        out.push_str(&format!("{from}  to  {to}  {}{sure}\n", cell.service));
                    }
                }
            }
            Command::Unused => {
                let rows = unused(&net);
                if self.json {
                    out = serde_json::to_string_pretty(&rows)?;
                } else {
                    for row in &rows {
                        let what = if row.rule.is_empty() { String::new() } else { format!("  {}", row.rule) };
                        out.push_str(&format!("{:<24}  {}{what}: {}\n", row.id, row.name, row.why));
                    }
                }
            }
            Command::Egress => {
                let picture = looked.picture();
                let net = &*picture.net;
                let services = service_access(net, &picture.egress);
                if self.json {
                    let ways: Vec<_> = picture.egress.iter().map(|e| way_document(net, e)).collect();
                    out = serde_json::to_string_pretty(&json!({"ways": ways, "services": services}))?;
                } else {
                    for e in picture.egress.iter() {
                        let words = way_out(net, e);
                        let interfaces = if e.interfaces.len() == 1 { "interface" } else { "interfaces" };
                        out.push_str(&format!(
                            "{} {interfaces} of {} by {}: {} to {}\n",
                            words[0], words[1], words[2], words[3], words[4]
                        ));
                    }
                    for a in services.iter().filter(|a| !a.endpoints.is_empty() || a.by_internet > 0) {
                        let by =
                            if a.endpoints.is_empty() { "over the internet only".to_owned() } else { a.endpoints.join(", ") };
                        out.push_str(&format!(
                            "{}  {}: {by} ({} of {} interfaces get to the internet)\n",
                            a.vpc, a.service, a.by_internet, a.interfaces
                        ));
                    }
                }
            }
            Command::Boundaries => {
                let picture = looked.picture();
                picture.notes.iter().for_each(|note| eprintln!("{}", text::line(note)));
                if picture.boundaries.is_empty() {
                    bail!("the configuration names no boundaries: [[network.boundary]] says what must not reach what");
                }
                if !picture.crossings().is_empty() {
                    done = Done::No;
                }
                if self.json {
                    let rows: Vec<_> = (picture.crossings().iter())
                        .map(|c| json!({"boundary": c.boundary, "service": c.service.to_string(), "verdict": c.flow.verdict, "path": c.path}))
                        .collect();
                    out = serde_json::to_string_pretty(&rows)?;
                } else {
                    for c in picture.crossings().iter() {
                        let sure = if c.flow.verdict == Verdict::Yes { "" } else { "  (not known for certain)" };
                        out.push_str(&format!("{}: {}{sure}\n", c.boundary, c.service));
                        tell(&c.path, true, &mut out);
                    }
                    if picture.crossings().is_empty() {
                        out.push_str("Nothing crosses a boundary, as far as is known.\n");
                    }
                }
            }
            Command::Diagram { one, accounts, format } => {
                out = self.diagram(&looked.picture(), one.as_deref(), *accounts, *format, global)?;
            }
        }
        for gap in net.gaps.iter().take(MOST_GAPS) {
            eprintln!("{}", text::line(&format!("{}: {}", gap.object, gap.what)));
        }
        if net.gaps.len() > MOST_GAPS {
            eprintln!("{} more parts of the network are not known", text::count((net.gaps.len() - MOST_GAPS) as u64));
        }
        // Foreign names are in it: line by line it is made safe.
        let safe: Vec<_> = out.trim_end().lines().map(text::line).collect();
        unless_closed(writeln!(io::stdout().lock(), "{}", safe.join("\n")))?;
        Ok(done)
    }

    fn diagram(&self, picture: &Picture, one: Option<&str>, by_account: bool, format: Format, global: &Global) -> Result<String> {
        let (net, all) = (&*picture.net, &*picture.exposures);
        let diagram = match one {
            Some(id) => {
                let account =
                    net.homes.iter().find(|h| h.account == id || h.label == id).map(|h| Zoom::Account(h.account.clone()));
                let zoom = account.or_else(|| place_of(net, id));
                let diagram = zoom.and_then(|zoom| zoomed(net, all, &zoom, &[id.to_owned()]));
                diagram.ok_or_else(|| {
                    eyre!("nothing with a place in a network is called {id:?}; `bartizan list vpcs` shows what there is")
                })?
            }
            None if by_account => accounts(net, all, &[]),
            None => organisation(net, all, &[]),
        };
        Ok(match format {
            Format::Svg => svg(&diagram),
            Format::Dot => dot(&diagram),
            Format::Mermaid => mermaid(&diagram),
            Format::Text => {
                let lines = drawn(&diagram, table_width().min(160), global.ascii);
                lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
            }
        })
    }
}

/// What is looked at, and what is known beside the network.
struct Looked {
    estate: Arc<Estate>,
    terms: Terms,
    behind: Box<dyn Behind>,
}

impl Looked {
    fn picture(&self) -> Picture {
        Picture::of(&self.estate, &self.terms, &*self.behind)
    }
}

/// The estate that is looked at: a folder of the AWS CLI's answers, a file, the demo, or AWS; there with its findings
/// only where they are wanted, since reading them all may take long.
fn estate(global: &Global, with_findings: bool) -> Result<Looked> {
    let terms = setup::config(global)?.network.terms();
    if let Some((folder, files)) = answers(global)? {
        let (estate, notes) = aws_cli::folder(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        // A folder of an account's answers holds much else.
        let (other, notes): (Vec<_>, Vec<_>) = notes.iter().partition(|note| note.ends_with("nothing in it is about networks"));
        notes.iter().for_each(|note| eprintln!("{}", text::line(note)));
        if !other.is_empty() {
            let files = if other.len() == 1 { "file holds" } else { "files hold" };
            eprintln!("{} {files} nothing about networks", other.len());
        }
        if estate.regions.is_empty() {
            bail!("{} holds no answers about networks: aws ec2 describe-vpcs and its like, one or many a file", folder.display());
        }
        return Ok(Looked { estate: Arc::new(estate), terms, behind: Box::new(NothingKnown) });
    }
    let mut kinds = vec![Asked::Accounts, Asked::Network, Asked::Iam];
    kinds.extend(with_findings.then_some(Asked::Findings));
    let looked = setup::look(global, &kinds)?;
    let estate = Arc::clone(&looked.world.estate);
    let findings = looked.world.index(ListingId::Findings);
    let document = |key| looked.library.read().finding(key).ok().flatten().map(|f| f.document).unwrap_or_default();
    let behind = machines(&estate, findings, &document, (&looked.library.roles, &looked.library.engine), Timestamp::now());
    Ok(Looked { estate, terms, behind: Box::new(behind) })
}

/// Files by their names.
type Files = Vec<(String, Vec<u8>)>;

/// Plain answers of the AWS CLI: all files of a folder, or one file that has some. None where something else is looked at.
fn answers(global: &Global) -> Result<Option<(&Path, Files)>> {
    let Some(path) = global.from.as_deref().map(Path::new) else { return Ok(None) };
    if path.is_dir() {
        let mut files = Vec::new();
        read_folder(path, path, &mut files, 0)?;
        files.sort();
        return Ok(Some((path, files)));
    }
    if path.extension().is_none_or(|e| e != "json") || !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(path).wrap_err_with(|| format!("could not read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let known = aws_cli::read(&name, &bytes).is_ok_and(|piece| piece.known);
    Ok(known.then(|| (path, vec![(name, bytes)])))
}

/// The JSON files below a folder, by their names in it.
fn read_folder(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>, depth: usize) -> Result<()> {
    if depth > 6 {
        return Ok(());
    }
    let entries = fs::read_dir(folder).wrap_err_with(|| format!("could not read {}", folder.display()))?;
    for entry in entries {
        let path = entry.wrap_err_with(|| format!("could not read {}", folder.display()))?.path();
        if path.is_dir() {
            read_folder(root, &path, files, depth + 1)?;
        } else if path.extension().is_some_and(|e| e == "json") {
            let bytes = fs::read(&path).wrap_err_with(|| format!("could not read {}", path.display()))?;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((name, bytes));
        }
    }
    Ok(())
}

/// An id, and what people call it where that is something else.
fn named(id: &str, name: &str) -> String {
    if id == name || name.is_empty() { id.to_owned() } else { format!("{id} {name}") }
}

/// One way, hop by hop.
fn tell(path: &Way, whole: bool, out: &mut String) {
    out.push_str(&format!(
        "  {} to {}: {}\n",
        path.from,
        path.to,
        if path.service.is_empty() { path.verdict.word() } else { &path.service }
    ));
    if whole {
        for hop in &path.hops {
            let way = if hop.request { " " } else { "back" };
            let rules: Vec<&str> = hop.rules.iter().map(|r| r.text.as_str()).collect();
            let line = format!("    {way:<4} {} {}  {}", hop.kind, named(&hop.object, &hop.name), rules.join("; "));
            out.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    for stop in &path.stops {
        let way = if stop.request { "" } else { "on the way back, " };
        out.push_str(&format!("    stopped {way}at {} {}: {}\n", stop.kind, named(&stop.object, &stop.name), stop.why));
    }
    for why in &path.unknown {
        out.push_str(&format!("    not known: {why}\n"));
    }
    for by in &path.inspected {
        out.push_str(&format!("    inspected by {by}, which is not evaluated\n"));
    }
}
