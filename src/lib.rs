//! tapdeck: SystemTap scripts compiled in process to eBPF, watched live in a terminal.
#![deny(unsafe_code)]

pub mod builtins;
pub mod cli;
pub mod debuginfo;
pub mod diagnostics;
pub mod elaborate;
pub mod embedded;
pub mod host;
pub mod language;
pub mod lower;
pub mod output;
pub mod pipeline;
pub mod probes;
pub mod runtime;
pub mod source;
pub mod sys;
pub mod tapset;
pub mod tui;
