//! Written cases, one for each rule of AWS that the engine follows: `tests/network/cases/*.txt`.

use std::path::Path;

use bartizan::network::build::build;
use bartizan::network::exposure::{NothingKnown, Source, exposures};
use bartizan::network::net::Net;
use bartizan::network::reach::{can, resolve, service};

use crate::dsl::{self, Case};

fn files() -> Vec<(String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/cases");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    names.retain(|p| p.extension().is_some_and(|e| e == "txt"));
    names.sort();
    let read =
        |p: &Path| (p.file_name().unwrap().to_string_lossy().into_owned(), dsl::read(&std::fs::read_to_string(p).unwrap()));
    names.iter().map(|p| read(p)).collect()
}

#[test]
fn every_written_case_has_its_answer() {
    let mut wrong = Vec::new();
    let (mut cases, mut asked) = (0, 0);
    for (file, list) in files() {
        for case in list {
            cases += 1;
            if case.page.is_empty() || case.asks.is_empty() && case.exposed.is_empty() {
                wrong.push(format!("{file}: {}: needs a page and an ask", case.name));
            }
            let net = build(&case.estate);
            for ask in &case.asks {
                asked += 1;
                let told = answer(&net, ask);
                if let Err(why) = told {
                    wrong.push(format!("{file}:{}: {}: {} -> {} {}: {why}", ask.line, case.name, ask.from, ask.to, ask.service));
                }
            }
            for exposed in &case.exposed {
                asked += 1;
                if let Err(why) = reached(&net, exposed) {
                    wrong.push(format!("{file}:{}: {}: {}: {why}", exposed.line, case.name, exposed.target));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 150, "only {cases} cases");
}

/// Whether what should be exposed is, as it should be.
fn reached(net: &Net, asked: &dsl::Exposed) -> Result<(), String> {
    let wanted = service(&asked.service).map_err(|e| e.to_string())?;
    let all = exposures(net, &[Source::internet()], &NothingKnown);
    let via = |lb: Option<usize>| lb.map_or("", |lb| net.load_balancers[lb].name.as_str());
    let mut found: Vec<_> = (all.iter())
        .filter(|e| net.id_of(e.target) == asked.target || net.name_of(e.target) == asked.target)
        .filter(|e| e.service().meets(&wanted) && via(e.via) == asked.via)
        .collect();
    found.sort_by_key(|e| std::cmp::Reverse(e.verdict));
    let told = || {
        all.iter()
            .map(|e| {
                format!(
                    "{} {} via {:?} from {} {}",
                    net.id_of(e.target),
                    e.service(),
                    via(e.via),
                    e.opening.peers,
                    e.verdict.word()
                )
            })
            .collect::<Vec<_>>()
    };
    let word = found.first().map_or("no", |e| e.verdict.word());
    if word != asked.expect {
        return Err(format!("is exposed: {word}, expected {}: {:#?}", asked.expect, told()));
    }
    if asked.from.is_empty() || found.iter().any(|e| e.opening.peers.to_string().replace(' ', "") == asked.from) {
        return Ok(());
    }
    Err(format!("is not exposed to {}: {:#?}", asked.from, told()))
}

fn answer(net: &Net, ask: &dsl::Ask) -> Result<(), String> {
    let from = resolve(net, &ask.from).map_err(|e| e.to_string())?;
    let to = resolve(net, &ask.to).map_err(|e| e.to_string())?;
    let service = service(&ask.service).map_err(|e| e.to_string())?;
    let answer = can(net, &from, &to, &service);
    let path = answer.paths.first().ok_or("no pair of ends")?;
    let told = || format!("{}\n    stops {:#?}\n    unknown {:?}", path.service, path.stops, path.unknown);
    if answer.verdict.word() != ask.expect {
        return Err(format!("said {}, expected {}: {}", answer.verdict.word(), ask.expect, told()));
    }
    let rules: Vec<String> = path
        .hops
        .iter()
        .flat_map(|h| h.rules.iter().map(|r| format!("{} {}", r.object, r.text)).chain([format!("{} {}", h.kind, h.object)]))
        .collect();
    for (word, text) in &ask.words {
        let there = match word.as_str() {
            "via" => rules.iter().any(|r| r.contains(text)),
            "stop" => path.stops.iter().any(|s| format!("{} {} {}", s.kind, s.object, s.why).contains(text)),
            "doubt" => path.unknown.iter().any(|s| s.contains(text)),
            "inspected" => path.inspected.iter().any(|s| s.contains(text)),
            "only" => path.only_from_ports.as_deref().is_some_and(|s| s.contains(text)),
            other => return Err(format!("{other:?} is no word")),
        };
        if !there {
            return Err(format!("{word} {text:?} is missing in {rules:#?}\n    {}", told()));
        }
    }
    Ok(())
}
