//! `bartizan import`: findings from other tools' files into the local cache, or into an estate file.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use jiff::Timestamp;

use crate::cli::{Done, Global, collect, setup};
use crate::formats;
use crate::model::estate::Estate;
use crate::model::finding::Finding;
use crate::text;
use crate::work::source;
use crate::work::store::{Origin, Put, Store};

/// Options of import.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Files of findings: ASFF, OCSF, Prowler CSV; told apart by their content, .zst is unpacked
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write an estate file instead of the local cache; `--from` opens it
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Import {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        // Every file is read before anything is changed: a broken file changes nothing.
        let mut all: Vec<Finding> = Vec::new();
        let mut done = Done::Whole;
        for path in &self.files {
            let name = path.display();
            let bytes = fs::read(path).wrap_err_with(|| format!("could not read {name}; nothing was imported"))?;
            let imported = formats::read(&bytes).wrap_err_with(|| format!("could not import {name}; nothing was imported"))?;
            for broken in &imported.broken {
                eprintln!("{name}: {broken}");
                done = Done::InPart;
            }
            let count = |n: usize| text::count(n as u64);
            let broken = imported.broken.len();
            let beside = if broken == 0 { String::new() } else { format!(", {} records could not be read", count(broken)) };
            eprintln!("{name}: {}, {} findings{beside}", imported.kind, count(imported.findings.len()));
            all.extend(imported.findings);
        }
        let put = match &self.out {
            Some(out) => self.write_file(out, all)?,
            None => into_cache(global, all)?,
        };
        let count = |n: usize| text::count(n as u64);
        eprintln!("{} new, {} changed, {} known already", count(put.added), count(put.changed), count(put.unchanged));
        Ok(done)
    }

    fn write_file(&self, out: &std::path::Path, findings: Vec<Finding>) -> Result<Put> {
        let estate = setup::estate_of(&findings);
        let mut store = Store::in_memory();
        let put = store.put_all(findings, Origin::File, &|id| estate.account(id).map(Arc::clone))?;
        let whole: Vec<Finding> = store.findings().collect::<Result<_, _>>()?;
        collect::write(out, &estate, whole.into_iter())?;
        Ok(put)
    }
}

fn into_cache(global: &Global, findings: Vec<Finding>) -> Result<Put> {
    let config = setup::config(global)?;
    let options = setup::options(global, &config, setup::ask_on_terminal());
    let dir =
        setup::cache_dir(global, &options).ok_or_else(|| eyre!("there is no cache to import into; name a file with --out"))?;
    let cache = Arc::new(source::open_cache(&dir)?);
    if let Some(why) = cache.read_only() {
        bail!("could not import into {}: {why}; close the other console, or name a file with --out", dir.display());
    }
    let mut estate: Estate = cache.read_estate()?.unwrap_or_default();
    // Accounts that only these findings name appear in the lists too.
    for account in &setup::estate_of(&findings).accounts {
        if estate.account(&account.id).is_none() {
            estate.put_account((**account).clone());
        }
    }
    estate.collected.get_or_insert(Timestamp::now());
    let rules = config.rules();
    let accounts = |id: &str| {
        estate.account(id).map(|a| {
            let mut account = (**a).clone();
            rules.attribute(&mut account);
            Arc::new(account)
        })
    };
    let (mut store, problems) = Store::on(&cache, &accounts, &mut |_| {});
    problems.iter().for_each(|p| eprintln!("{p}"));
    let put = store.put_all(findings, Origin::File, &accounts)?;
    store.save()?;
    cache.write_estate(&estate)?;
    Ok(put)
}
