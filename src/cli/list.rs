//! Probe points as lists: `-l` and `-L` in stap's form, `tapdeck list` as a table for people.

use std::{io::Write, process::ExitCode};

use super::{args::ListArgs, compiler};
use crate::{
    diagnostics::stap_form,
    elaborate::list::ListedPoint,
    pipeline::{CompileOptions, Compiler, Input},
};

/// `-l` and `-L`. Exit code 0 when something matches. `input` may define aliases (`-E`).
pub fn stap_list(compiler: &Compiler, pattern: &str, with_variables: bool, input: &Input) -> ExitCode {
    let points = find(compiler, pattern, with_variables, input, true);
    let mut out = std::io::stdout().lock();
    for point in &points {
        let line = if with_variables { point.line() } else { point.point.clone() };
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    if points.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

pub fn main(args: &ListArgs) -> ExitCode {
    let compiler = match compiler(&[], args.release.as_deref()) {
        Ok(compiler) => compiler,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let points = find(&compiler, &args.pattern, true, &Input::default(), false);
    let width = points.iter().map(|point| point.point.len()).max().unwrap_or(0).min(60);
    let mut out = std::io::stdout().lock();
    for point in &points {
        let line = if args.variables {
            let lines: String = point.vars.iter().map(|(name, ty)| format!("\n    {name:20} {ty}")).collect();
            format!("{}{lines}", point.point)
        } else {
            let names: Vec<&str> = point.vars.iter().map(|(name, _)| name.as_str()).collect();
            format!("{:width$}  {}", point.point, names.join(" "))
        };
        if writeln!(out, "{}", line.trim_end()).is_err() {
            return ExitCode::SUCCESS;
        }
    }
    if points.is_empty() {
        eprintln!("no probe point matches {}", args.pattern);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// `quiet`: that nothing matches is no error, as under stap.
fn find(compiler: &Compiler, pattern: &str, with_variables: bool, input: &Input, quiet: bool) -> Vec<ListedPoint> {
    let (points, compiled) = compiler.list(pattern, with_variables, input, &CompileOptions::default());
    let mut state = stap_form::State::new(false);
    for diagnostic in compiled.errors() {
        let text = stap_form::render(diagnostic, &compiled.sources, &mut state);
        if !quiet || text.starts_with("parse error") {
            eprint!("{text}");
        }
    }
    points
}
