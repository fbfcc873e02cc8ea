//! Probe points as lists: `-l` and `-L` in stap's form, `tapdeck list` as a table for people.

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use super::{args::ListArgs, compiler};
use crate::{
    debuginfo::model::Traceable,
    diagnostics::stap_form,
    elaborate::list::ListedPoint,
    pipeline::{CompileOptions, Compiler, Input},
};

/// Written at once: lists have megabytes.
const OUTPUT_BYTES: usize = 1 << 16;

/// `-l` and `-L`. Exit code 0 when something matches. `input` may define aliases (`-E`).
pub fn stap_list(compiler: &Compiler, pattern: &str, with_variables: bool, input: &Input) -> ExitCode {
    let mut points = find(compiler, pattern, with_variables, input, true);
    points.retain(|point| !matches!(point.traceable, Traceable::Not(_)));
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, std::io::stdout().lock());
    for point in &points {
        let written = if with_variables { writeln!(out, "{}", point.line()) } else { writeln!(out, "{}", point.point) };
        if written.is_err() {
            break;
        }
    }
    if points.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// `tapdeck list`: the point, how it can be probed where that is known, and what a handler sees.
pub fn main(args: &ListArgs) -> ExitCode {
    let compiler = match compiler(&[], args.release.as_deref()) {
        Ok(compiler) => compiler,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let all = find(&compiler, &args.pattern, true, &Input::default(), false);
    let n_all = all.len();
    let is_shown = |point: &ListedPoint| args.all || !matches!(point.traceable, Traceable::Not(_));
    let points: Vec<ListedPoint> = all.into_iter().filter(is_shown).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    if table(&points, args.variables, &mut out).and_then(|()| out.flush()).is_err() {
        return ExitCode::SUCCESS;
    }
    let n_left_out = n_all - points.len();
    if n_left_out > 0 {
        eprintln!("{n_left_out} left out that can never be probed (--all shows them)");
    }
    if points.is_empty() {
        eprintln!("no probe point matches {}", args.pattern);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Wider points push their line to the right; otherwise one long name would move all.
const MAX_POINT_COLUMNS: usize = 60;

fn table(points: &[ListedPoint], a_line_each: bool, out: &mut impl Write) -> std::io::Result<()> {
    let width = |text: fn(&ListedPoint) -> String, max: usize| {
        points.iter().map(|point| text(point).chars().count()).max().unwrap_or(0).min(max)
    };
    let point_columns = width(|point| point.point.clone(), MAX_POINT_COLUMNS);
    let how = |point: &ListedPoint| match point.traceable {
        Traceable::Unknown => String::new(),
        known => known.to_string(),
    };
    let how_columns = width(how, usize::MAX);
    for point in points {
        let mut line = format!("{:point_columns$}", point.point);
        if how_columns > 0 {
            line += &format!("  {:how_columns$}", how(point));
        }
        if a_line_each {
            point.vars.iter().for_each(|(name, ty)| line += &format!("\n    {name:20} {ty}"));
        } else {
            let names: Vec<&str> = point.vars.iter().map(|(name, _)| name.as_str()).collect();
            line += &format!("  {}", names.join(" "));
        }
        let lines = line.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        writeln!(out, "{lines}")?;
    }
    Ok(())
}

/// `quiet`: that nothing matches is no error, as under stap.
fn find(compiler: &Compiler, pattern: &str, with_variables: bool, input: &Input, quiet: bool) -> Vec<ListedPoint> {
    let (points, compiled) = compiler.list(pattern, with_variables, input, &CompileOptions::default());
    if let Some(warning) = compiler.world.opened_dwarf().and_then(|dwarf| dwarf.warning()) {
        eprintln!("WARNING: {warning}");
    }
    let mut state = stap_form::State::new(false);
    for diagnostic in compiled.errors() {
        let text = stap_form::render(diagnostic, &compiled.sources, &mut state);
        if !quiet || text.starts_with("parse error") {
            eprint!("{text}");
        }
    }
    eprint!("{}", stap_form::parse_error_count(&compiled.diagnostics));
    points
}
