//! Pass 5: a running script. Loads, attaches, runs user handlers, reads maps, detaches.

pub mod attach;
pub mod features;
pub mod interpreter;
pub mod load;
pub mod plan;
pub mod recording;
pub mod session;
pub mod target;
pub mod timers;
pub mod verifier_log;

pub use features::probe_features;
