//! Starts bartizan; prints the last error with its causes.

#![allow(clippy::print_stderr, reason = "the last error has nowhere else to go")]

use std::process::ExitCode;

fn main() -> ExitCode {
    bartizan::cli::hooks();
    match bartizan::cli::main() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bartizan: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
