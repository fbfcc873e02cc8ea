//! The integration tests, one binary.

mod oracle;
mod parse;
mod scripts;
