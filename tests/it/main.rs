//! The integration tests, one binary.

mod elaborate;
mod lower;
mod oracle;
mod parse;
mod scripts;
