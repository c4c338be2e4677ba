//! `bartizan completions` and `bartizan man`: made from the command line's declaration.

use std::io;

use clap::Args;
use clap_complete::Shell;
use color_eyre::eyre::Result;

use crate::cli::{Done, command};

/// Options of completions.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Done> {
        clap_complete::generate(self.shell, &mut command(), "bartizan", &mut io::stdout().lock());
        Ok(Done::Whole)
    }
}

/// The manual page, in roff.
pub(super) fn man() -> Result<Done> {
    clap_mangen::Man::new(command()).render(&mut io::stdout().lock())?;
    Ok(Done::Whole)
}
