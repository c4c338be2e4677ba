//! Answers what the network view asks: diagrams, the trust matrix, ways between two ends, an exposure in full. It puts
//! questions to the engine and its answers into words for the screen; it judges nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::detail;
use crate::catalog::gateways::{way_by_id, way_document};
use crate::message::{Matrix, NetworkAsk, NetworkSays, Opened};
use crate::model::account::Environment;
use crate::network::diagram::{Diagram, dot, mermaid, svg, text};
use crate::network::exposure::ladder;
use crate::network::matrix::UNCLASSIFIED;
use crate::network::picture::Picture;
use crate::network::reach::{can, resolve, service};
use crate::network::zoom::zoomed;
use crate::work::files;
use crate::world::World;

/// Cells of a diagram in a text file.
const TEXT_WIDTH: usize = 120;

fn picture(world: &World) -> Result<&Picture, String> {
    world.network.as_deref().ok_or_else(|| "The networks are still being worked out: try again in a moment.".to_owned())
}

/// Answers one question.
///
/// # Errors
/// In words for the screen: an end that stands for nothing, a port that is none, a VPC that is gone.
pub fn answer(world: &World, ask: &NetworkAsk) -> Result<NetworkSays, String> {
    let picture = picture(world)?;
    match ask {
        NetworkAsk::Diagram { zoom, path } => {
            let drawn = zoomed(&picture.net, &picture.exposures, zoom, path);
            drawn.map(|d| NetworkSays::Diagram(Arc::new(d))).ok_or_else(|| "It is not in what was collected any more.".to_owned())
        }
        NetworkAsk::Matrix => Ok(NetworkSays::Matrix(Box::new(matrix(picture)))),
        NetworkAsk::Way { from, to, port } => {
            let net = &picture.net;
            let end = |text: &str| resolve(net, text).map_err(|e| e.to_string());
            let (from, to) = (end(from)?, end(to)?);
            let service = service(port).map_err(|e| e.to_string())?;
            Ok(NetworkSays::Way(Box::new(can(net, &from, &to, &service))))
        }
    }
}

fn matrix(picture: &Picture) -> Matrix {
    let environment_of: BTreeMap<String, &'static str> =
        (picture.net.homes.iter()).map(|h| (h.label.clone(), h.environment.map_or(UNCLASSIFIED, Environment::word))).collect();
    let crossing = |c: &crate::network::matrix::Crossing| {
        let sure = if c.flow.verdict == crate::network::reach::Verdict::Yes { "" } else { " (not known for certain)" };
        (c.boundary.clone(), format!("{} to {} on {}{sure}", c.path.from, c.path.to, c.service))
    };
    Matrix {
        environments: picture.cells(false),
        accounts: picture.cells(true),
        environment_of,
        crossings: picture.crossings().iter().map(crossing).collect(),
        notes: (*picture.notes).clone(),
        boundaries: picture.boundaries.len(),
    }
}

/// An exposure in full.
///
/// # Errors
/// In words for the screen: it is gone.
pub fn exposure(world: &World, id: &str) -> Result<Opened, String> {
    let picture = picture(world)?;
    let e = picture.exposure(id).ok_or("This exposure is gone: it went away with the last refresh.")?;
    let net = &picture.net;
    let document = serde_json::json!({
        "id": e.id,
        "severity": e.severity,
        "source": e.source,
        "from": e.opening.peers.to_string(),
        "service": e.service().to_string(),
        "verdict": e.verdict,
        "resource": net.arn_of(e.resource(net)),
        "interface": net.interfaces[e.interface].id,
        "addresses": e.addresses,
        "score": e.score,
        "unknown": e.unknown,
        "inspected": e.inspected.iter().map(|o| net.id_of(*o)).collect::<Vec<_>>(),
        "role": e.behind.role,
        "openFindings": e.behind.open_findings,
        "paths": ladder(net, e),
        "closedBy": crate::network::closers::closers(net, &picture.exposures, e),
    });
    let document = serde_json::to_string_pretty(&document).unwrap_or_default();
    Ok(Opened { id: id.to_owned(), detail: detail::of_exposure(picture, e), document })
}

/// A way out in full.
///
/// # Errors
/// In words for the screen: it is gone.
pub fn way_out(world: &World, id: &str) -> Result<Opened, String> {
    let picture = picture(world)?;
    let gone = || "This way out is gone: it went away with the last refresh.".to_owned();
    let detail = detail::of_way_out(picture, id).ok_or_else(gone)?;
    let (e, net) = (way_by_id(picture, id).ok_or_else(gone)?, &picture.net);
    let document = way_document(net, e);
    Ok(Opened { id: id.to_owned(), detail, document: serde_json::to_string_pretty(&document).unwrap_or_default() })
}

/// Writes a diagram to a new file, in the format its name ends in.
///
/// # Errors
/// In words for the screen.
pub fn draw(diagram: &Diagram, path: &Path) -> Result<(), String> {
    let drawn = match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => svg(diagram),
        Some("dot" | "gv") => dot(diagram),
        Some("mmd" | "mermaid") => mermaid(diagram),
        Some("txt") => text(diagram, TEXT_WIDTH, false).iter().map(|line| format!("{}\n", line.text.trim_end())).collect(),
        _ => return Err(format!("{}: the name has to end in .svg, .dot, .mmd or .txt", path.display())),
    };
    files::save(&drawn, path)
}
