//! The integration tests, one binary.

mod binary;
mod both;
mod cli;
mod corpus;
mod debug_information;
mod differential;
mod elaborate;
mod endings;
mod exact;
mod examples;
mod executors;
mod faults;
mod functions;
mod library;
mod listing;
mod locations;
mod lower;
mod mutants;
mod options;
mod oracle;
mod parse;
mod runs;
mod script_files;
mod scripts;
mod terminal;
mod tidy;
