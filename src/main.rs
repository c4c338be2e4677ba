//! Starts bartizan; prints the last error with its causes.

#![allow(clippy::print_stderr, reason = "the last error has nowhere else to go")]

use std::process::ExitCode;

use bartizan::cli::Failed;

fn main() -> ExitCode {
    bartizan::cli::hooks();
    match bartizan::cli::main() {
        Ok(code) => code,
        Err(Failed { why: error, code }) => {
            let mut said = error.to_string();
            eprintln!("bartizan: {said}");
            // Many messages hold their cause's words already.
            for cause in error.chain().skip(1).map(ToString::to_string) {
                if !said.contains(&cause) {
                    eprintln!("  because {cause}");
                }
                said = cause;
            }
            ExitCode::from(code)
        }
    }
}
