//! The network exposure engine: what can be reached from where, why, and what would close it. Pure judgement on an
//! estate; it collects nothing and draws nothing but diagrams as text.
//!
//! ```text
//! sets → packets → lift        packets as canonical sets, filters laid onto them
//! net ← build (+ backends, policy)     an estate, compiled; what is missing is named as a gap
//! walk → words → reach         packets there and back, in words, between any two ends
//! exposure (→ through, closers), egress, matrix, unused → judge → findings
//! diagram (zoom)               text, SVG, Graphviz, Mermaid
//! picture                      all answers about one estate, kept
//! ```

pub mod backends;
pub mod build;
pub mod closers;
pub mod diagram;
pub mod egress;
pub mod exposure;
pub mod judge;
pub mod lift;
pub mod matrix;
pub mod net;
pub mod packets;
pub mod picture;
pub mod policy;
pub mod reach;
pub mod sets;
pub mod through;
pub mod unused;
pub mod walk;
pub mod words;
pub mod zoom;
