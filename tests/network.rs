//! The network engine held against written cases, an independent packet simulator and hostile input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "network/bad.rs"]
mod bad;
#[path = "network/cases.rs"]
mod cases;
#[path = "network/dsl.rs"]
mod dsl;
#[path = "network/random.rs"]
mod random;
#[path = "network/simulator.rs"]
mod simulator;
