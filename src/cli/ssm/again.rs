//! Sessions that are there already: which one is meant, going on with one that was left, ending one from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;

use crate::catalog::{machines, sessions};
use crate::cli::ssm::{At, Why};
use crate::cli::{Done, Global, setup};
use crate::config::Config;
use crate::model::estate::Estate;
use crate::model::node::Machine;
use crate::text;
use crate::triage::sessions::{History, LEFT};
use crate::work::sessions::ended_from_outside;
use crate::work::sessions::left::{self, Note};
use crate::work::sessions::record::Book;
use crate::work::sessions::way::Way;
use crate::work::sweep::{Kind, Used};

/// Those whose id a text is, or how the id begins or ends.
fn meant<'a>(ids: impl Iterator<Item = &'a str>, text: &str) -> Vec<&'a str> {
    let near = |id: &&str| !text.is_empty() && (id.starts_with(text) || id.ends_with(text));
    let found: Vec<&str> = ids.filter(near).collect();
    if found.contains(&text) { found.into_iter().filter(|id| *id == text).collect() } else { found }
}

/// The session that is to be gone on with, its machine within reach, and why.
pub(super) async fn at(wanted: Option<&str>, why: &Why, global: &Global, config: Config) -> Result<(At, String)> {
    let at = setup::desk(global, Timestamp::now()).await?;
    if at.connections.is_empty() {
        bail!(if global.from.is_some() {
            "the demo's sessions end with it: nothing is left to go on with"
        } else {
            "there is no way to AWS: sign in, then go on with the session"
        });
    }
    at.desk.log(&mut 0).await?;
    let directory = config.sessions.recordings.clone().unwrap_or_else(|| at.directory.join("recordings"));
    let history = at.desk.library().history();
    let mut notes = left::look(&directory);
    // One that was ended from outside since is over.
    let over =
        |note: &Note| history.told(&note.session).and_then(|told| told.end.as_ref()).is_some_and(|end| end.outcome != LEFT);
    notes.retain(|note| !over(note));
    let note = choose(wanted, &notes, &history)?.clone();
    let machine = machines::of_session(&at.world.estate, note.machine());
    let mut why = why.clone();
    if why.reason.is_none() {
        why.reason = history.told(&note.session).map(|told| told.reason.clone());
    }
    let way = Way::over(at.connections.clone());
    let estate = Arc::clone(&at.world.estate);
    let at = why.settle(config, at, estate, machine, way).await?;
    Ok((at, note.session))
}

/// The note that is meant.
fn choose<'a>(wanted: Option<&str>, notes: &'a [Note], history: &History) -> Result<&'a Note> {
    let lines = |notes: &[&Note]| -> String {
        let line = |note: &&Note| {
            let began = history.told(&note.session).map(|told| told.began.strftime("%Y-%m-%d %H:%M UTC").to_string());
            let began = began.unwrap_or_default();
            text::line(&format!("{}  {}/{}  {began}", note.session, note.account_name, note.name)).into_owned()
        };
        notes.iter().map(|note| format!("\n  {}", line(note))).collect()
    };
    let all: Vec<&Note> = notes.iter().collect();
    let found: Vec<&Note> = match wanted {
        None => all.clone(),
        Some(text) => {
            let ids = meant(notes.iter().map(|note| note.session.as_str()), text);
            notes.iter().filter(|note| ids.contains(&note.session.as_str())).collect()
        }
    };
    match (found.as_slice(), wanted) {
        ([note], _) => Ok(note),
        ([], None) => bail!("nothing was left running on this machine; `bartizan ssm list` tells what became of sessions"),
        ([], Some(text)) => {
            let there = if all.is_empty() { String::new() } else { format!("; there are:{}", lines(&all)) };
            bail!("{}{there}", unknown(text, history))
        }
        (several, _) => bail!("several sessions were left running here; say which by its id:{}", lines(several)),
    }
}

/// What is known of a session that cannot be taken up here.
fn unknown(text: &str, history: &History) -> String {
    let ids = meant(history.iter().map(|(id, _)| id), text);
    let [id] = ids.as_slice() else { return format!("no session {text:?} was left running on this machine") };
    let Some(told) = history.told(id) else { return String::new() };
    match &told.end {
        Some(end) if end.outcome == LEFT => {
            let host = told.again.last().map_or(&told.host, |again| &again.host);
            format!("{id} was left running on {host}, and is taken up there; `bartizan ssm end {id}` ends it")
        }
        Some(end) => format!("{id} is over since {}: {}", end.at.strftime("%Y-%m-%d %H:%M UTC"), end.outcome),
        None => format!(
            "{id} is open in another program, was opened on another machine ({}) or is encrypted; `bartizan ssm end {id}` ends it",
            told.host
        ),
    }
}

/// Ends a session from outside, and writes that down.
pub(super) async fn end(wanted: &str, global: &Global, config: &Config) -> Result<Done> {
    let now = Timestamp::now();
    let at = setup::desk(global, now).await?;
    at.desk.log(&mut 0).await?;
    if at.connections.is_empty() {
        bail!(if global.from.is_some() {
            "the demo's sessions end with it: none is left to end"
        } else {
            "there is no way to AWS: sign in, then end the session"
        });
    }
    let history = at.desk.library().history();
    let mut found = find(wanted, &at.world.estate, &history)?;
    if found.is_none() {
        // It may be younger than what is known here.
        let options = setup::options(global, config, setup::ask_on_terminal());
        let kinds = [Kind::Accounts, Kind::Nodes];
        let looked = setup::collect(options, config, &kinds, Used::Nobody, now, at.connections.clone()).await?;
        found = find(wanted, &looked.world.estate, &history)?;
    }
    let Some((id, machine)) = found else {
        bail!("neither AWS nor the ledger knows a session {wanted:?}; `bartizan ssm list` has them all");
    };
    let way = Way::over(at.connections.clone());
    let caller = way.end(&machine, &id).await.map_err(|why| eyre!("{id} could not be ended: {why}"))?;
    let book = Book::new(Arc::new(std::sync::OnceLock::from(Ok(Arc::clone(&at.desk)))));
    book.end(&caller, &id, ended_from_outside(&caller)).await.map_err(|why| eyre!(why))?;
    at.desk.ledger().close().await?;
    println!("{}: {id} was ended", text::line(&machine.name));
    Ok(Done::Whole)
}

/// The session that is meant, and its machine: as AWS or the ledger remembers it.
fn find(wanted: &str, estate: &Estate, history: &History) -> Result<Option<(String, Machine)>> {
    let mut all: BTreeMap<String, (Machine, bool)> = BTreeMap::new();
    sessions::each_row(estate, history, &mut |id, row| {
        let known = Machine {
            account: row.account().to_owned(),
            account_name: row.account_name.to_owned(),
            region: row.region().to_owned(),
            id: row.node().to_owned(),
            name: row.name.to_owned(),
            environment: None,
        };
        let over = row.is_over();
        all.insert(id.to_owned(), (machines::of_session(estate, known), over));
    });
    let ids = meant(all.keys().map(String::as_str), wanted);
    let running: Vec<&str> = ids.iter().copied().filter(|id| all.get(*id).is_some_and(|(_, over)| !over)).collect();
    match (running.as_slice(), ids.as_slice()) {
        ([id], _) | ([], [id]) => match all.get(*id) {
            Some((_, true)) => bail!("{id} is over already; `bartizan ssm list` tells how"),
            Some((machine, false)) => Ok(Some(((*id).to_owned(), machine.clone()))),
            None => Ok(None),
        },
        ([], []) => Ok(None),
        ([], several) => bail!("the {} sessions that {wanted:?} names are over already", several.len()),
        (several, _) => {
            let lines: String = several.iter().map(|id| format!("\n  {id}")).collect();
            bail!("{wanted:?} names {} sessions; say which by its id:{lines}", several.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_meant_whole_or_by_its_beginning_or_end() {
        let ids = ["jo-0a1", "jo-0a11", "eve-0b2"];
        let of = |text| meant(ids.iter().copied(), text);
        assert_eq!(of("jo-0a1"), ["jo-0a1"]);
        assert_eq!(of("jo"), ["jo-0a1", "jo-0a11"]);
        assert_eq!(of("b2"), ["eve-0b2"]);
        assert_eq!(of("0a"), Vec::<&str>::new());
        assert_eq!(of(""), Vec::<&str>::new());
    }
}
