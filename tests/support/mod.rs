//! The test cloud: what the tests talk to instead of AWS, over real HTTP with the real SDK.
//!
//! [`Cloud::start`] installs (once) and runs a pinned moto server and puts a front before it. The front answers by AWS's
//! documented rules what moto lacks (Security Hub findings, Session Manager's listings), injects faults by [`Rule`],
//! records every call, and forwards the rest. [`organization::seed`] fills it with an organisation.
//!
//! Floors: `organization` → `cloud` → `front` → {`hub`, `nodes`, `accessed`, `trail`, `faults`, `calls`, `moto`} → `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test binary includes this folder and uses its own part of it"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test support: a broken test cloud must fail the test at once")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]
#![allow(clippy::print_stderr, reason = "the one-time installation says what it waits for")]

pub mod accessed;
pub mod calls;
pub mod cloud;
pub mod faults;
pub mod front;
pub mod hub;
pub mod moto;
pub mod nodes;
pub mod organization;
pub mod trail;
pub mod wire;

pub use calls::Call;
pub use cloud::{Cloud, Options, run};
pub use faults::{Fault, Rule};
