//! The terminal: what is read from it, what is written to it, and the promise to leave it as it was.

pub mod encode;
pub mod guard;
pub mod input;
pub mod writer;
