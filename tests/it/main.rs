//! The integration tests, one binary.

mod binary;
mod cli;
mod differential;
mod elaborate;
mod examples;
mod faults;
mod lower;
mod oracle;
mod parse;
mod runs;
mod scripts;
