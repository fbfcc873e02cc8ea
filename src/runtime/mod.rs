//! Pass 5: a running script. Loads, attaches, runs user handlers, reads maps, detaches.

pub mod plan;
pub mod session;
