//! `tapdeck doctor`: what this machine allows, what is missing and how to get it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    host::{Host, Live},
    runtime::features::{CheckState, probe_features},
};

pub fn main() -> ExitCode {
    // Who reads no further has seen enough.
    report(&mut io::stdout().lock()).unwrap_or(ExitCode::SUCCESS)
}

fn report(out: &mut impl Write) -> io::Result<ExitCode> {
    let host = Live;
    writeln!(out, "tapdeck {} on Linux {} {}\n", env!("CARGO_PKG_VERSION"), host.kernel_release(), host.arch())?;
    let checks = probe_features();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &checks {
        let sign = match check.state {
            CheckState::Ok => "ok     ",
            CheckState::Limited => "limited",
            CheckState::Missing => "MISSING",
        };
        writeln!(out, "{sign}  {:width$}  {}", check.name, check.detail)?;
        if !check.way_out.is_empty() {
            writeln!(out, "{:9}{:width$}  {}", "", "", check.way_out)?;
        }
    }
    let missing = checks.iter().filter(|check| check.state == CheckState::Missing).count();
    writeln!(out)?;
    if missing == 0 {
        writeln!(out, "Tracing works here.")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "Tracing does not work here: {missing} of these must be there. `tapdeck --demo` shows what it looks like."
    )?;
    Ok(ExitCode::FAILURE)
}
