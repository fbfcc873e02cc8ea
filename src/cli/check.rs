//! Diagnostics on standard error, in SystemTap's words.

use std::io::Write;

use crate::{
    diagnostics::{Severity, Stage, stap_form},
    pipeline::{Compiled, Pass},
};

/// How findings are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    pub verbose: bool,
    /// -w
    pub no_warnings: bool,
    /// -W
    pub warnings_are_errors: bool,
}

/// What a compilation's findings come to.
#[derive(Debug)]
pub struct Verdict {
    /// It may go on.
    pub ok: bool,
    /// How many likes were left out: the very last that is said, after the script's own output.
    pub summary: String,
}

/// Prints every finding of a compilation.
pub fn report(compiled: &Compiled, manner: Manner) -> Verdict {
    let mut state = stap_form::State::new(manner.verbose);
    let mut err = std::io::stderr().lock();
    let mut failed = compiled.failed;
    for diagnostic in compiled.diagnostics.iter() {
        if diagnostic.severity == Severity::Warning {
            if manner.no_warnings {
                continue;
            }
            if manner.warnings_are_errors {
                failed = failed.or(Some(if diagnostic.stage == Stage::Parse { Pass::Parse } else { Pass::Elaborate }));
            }
        }
        let _ = write!(err, "{}", stap_form::render(diagnostic, &compiled.sources, &mut state));
    }
    let summary = state.summary();
    let Some(pass) = failed else { return Verdict { ok: true, summary } };
    let _ = write!(err, "{}", stap_form::parse_error_count(&compiled.diagnostics));
    // What only eBPF does not take is part of SystemTap's analysis.
    let untranslatable = compiled.errors().any(|error| error.stage == Stage::Translate);
    let number = if untranslatable { 3 } else { (pass as u8).min(2) };
    let _ = write!(err, "{}", stap_form::pass_failed(number));
    Verdict { ok: false, summary }
}
