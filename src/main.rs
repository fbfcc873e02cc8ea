//! The `tapdeck` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapdeck::cli::main(std::env::args_os().collect())
}
