//! `tapdeck doctor`: what this machine allows, what is missing and how to get it.

use std::process::ExitCode;

use crate::{
    host::{Host, Live},
    runtime::features::{CheckState, probe_features},
};

pub fn main() -> ExitCode {
    let host = Live;
    println!("tapdeck {} on Linux {} {}\n", env!("CARGO_PKG_VERSION"), host.kernel_release(), host.arch());
    let checks = probe_features();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &checks {
        let sign = match check.state {
            CheckState::Ok => "ok     ",
            CheckState::Limited => "limited",
            CheckState::Missing => "MISSING",
        };
        println!("{sign}  {:width$}  {}", check.name, check.detail);
        if !check.way_out.is_empty() {
            println!("{:9}{:width$}  {}", "", "", check.way_out);
        }
    }
    let missing = checks.iter().filter(|check| check.state == CheckState::Missing).count();
    println!();
    if missing == 0 {
        println!("Tracing works here.");
        ExitCode::SUCCESS
    } else {
        println!(
            "Tracing does not work here: {missing} of these must be there. `tapdeck --demo` shows what it looks like."
        );
        ExitCode::FAILURE
    }
}
