//! `bartizan collect`: everything from AWS into one file.

use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr as _};

use crate::cli::{Done, Global, setup};
use crate::model::estate;
use crate::text;
use crate::work::sweep::{Kind, Used};

/// Options of collect.
#[derive(Debug, Args)]
pub(super) struct Collect {
    /// The file to write, best named *.json.zst
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Ask as well what every user and role used of what it is granted: seconds for each
    #[arg(long)]
    last_used: bool,
}

impl Collect {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let used = if self.last_used { Used::Everyone } else { Used::Nobody };
        let looked = setup::look_with_used(global, &Kind::ALL, used)?;
        let store = looked.library.read();
        let mut unread = 0;
        let findings = store.findings().filter_map(|finding| {
            if let Err(error) = &finding {
                eprintln!("{error}");
                unread += 1;
            }
            finding.ok()
        });
        write(&self.out, &looked.world.estate, findings)?;
        let estate = &looked.world.estate;
        eprintln!(
            "{}: {} accounts, {} regions, {} findings",
            self.out.display(),
            estate.accounts.len(),
            estate.region_names().len(),
            text::count(store.index().rows() as u64)
        );
        Ok(if unread > 0 { Done::InPart } else { looked.done })
    }
}

/// Writes an estate file beside its place and moves it there: the name never holds half a file.
pub(super) fn write(
    path: &std::path::Path,
    estate: &estate::Estate,
    findings: impl Iterator<Item = crate::model::finding::Finding>,
) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = || format!("could not write {}", path.display());
    let file = options.open(&beside).wrap_err_with(failed)?;
    let written = estate::write(BufWriter::new(&file), estate, findings).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file is worse than none.
        let _ = fs::remove_file(&beside);
    }
    written.and_then(|()| fs::rename(&beside, path)).wrap_err_with(failed)
}
