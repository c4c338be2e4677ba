//! Written cases, one for each rule of AWS that the engine follows: `tests/network/cases/*.txt`.

use std::path::Path;

use bartizan::network::build::build;
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
            if case.page.is_empty() || case.asks.is_empty() {
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
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 150, "only {cases} cases");
}

fn answer(net: &bartizan::network::net::Net, ask: &dsl::Ask) -> Result<(), String> {
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
