//! The integration tests, one binary.

mod elaborate;
mod oracle;
mod parse;
mod scripts;
