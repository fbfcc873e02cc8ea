//! The integration tests, one binary.

mod differential;
mod elaborate;
mod lower;
mod oracle;
mod parse;
mod scripts;
