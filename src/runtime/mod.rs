//! Pass 5: a running script. Loads, attaches, runs user handlers, reads maps, detaches.
//!
//! ```text
//!  LoadPlan ─prepare─▶ Prepared ─go─▶ SessionHandle, Receiver<SessionEvent>
//!            target held   attached,    │ own thread: begin ▶ live ▶ … ▶ stopping ▶ end (or error) ▶ gone
//!            maps, programs return at once
//! ```
//!
//! Everything attached is a file descriptor of this process, so however it ends, the probes go with it.

pub mod attach;
pub mod control;
pub mod engine;
pub mod exit_report;
pub mod features;
mod files;
pub mod headless;
pub mod interpreter;
pub mod load;
pub mod lockdown;
pub mod maps;
pub mod outbox;
pub mod output_files;
pub mod overload;
mod peek;
pub mod plan;
pub mod prepare;
pub mod reach;
pub mod recording;
pub mod ring;
mod running;
pub mod session;
pub mod snapshots;
mod symbols;
pub mod target;
pub mod timers;
pub mod verifier_log;

pub use features::probe_features;
pub use prepare::{Prepared, SessionHandle, StartError, prepare, start};

#[cfg(test)]
mod tests;
