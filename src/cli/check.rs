//! Diagnostics on standard error, in SystemTap's words.

use std::io::Write;

use crate::{
    diagnostics::{Severity, Stage, color::Palette, stap_form},
    pipeline::{Compiled, Pass},
};

/// How findings are told.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub verbose: bool,
    /// -w
    pub no_warnings: bool,
    /// -W
    pub warnings_are_errors: bool,
    /// --semantic-keep-going: all errors of pass 2 again, for a program to read.
    pub catalogue: bool,
    pub palette: Palette,
}

/// What a compilation's findings come to.
#[derive(Debug)]
pub struct Verdict {
    /// It may go on.
    pub ok: bool,
    /// How many likes were left out: the very last that is said, after the script's own output.
    pub summary: String,
}

/// Every finding as it is told, and the verdict.
#[derive(Debug)]
pub struct Told {
    pub text: String,
    pub verdict: Verdict,
}

/// Prints every finding of a compilation.
pub fn report(compiled: &Compiled, manner: &Manner) -> Verdict {
    let told = told(compiled, manner);
    let _ = std::io::stderr().lock().write_all(told.text.as_bytes());
    told.verdict
}

/// The text of [`report`].
pub fn told(compiled: &Compiled, manner: &Manner) -> Told {
    let mut state = stap_form::State::new(manner.verbose).painted(manner.palette.clone());
    let mut text = String::new();
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
        text += &stap_form::render(diagnostic, &compiled.sources, &mut state);
    }
    let summary = state.summary();
    let Some(pass) = failed else { return Told { text, verdict: Verdict { ok: true, summary } } };
    text += &stap_form::parse_error_count(&compiled.diagnostics);
    if manner.catalogue && pass != Pass::Parse {
        text += &stap_form::catalogue(&compiled.diagnostics, &compiled.sources);
    }
    // What only eBPF does not take is part of SystemTap's analysis.
    let untranslatable = compiled.errors().any(|error| error.stage == Stage::Translate);
    text += &stap_form::pass_failed(if untranslatable { 3 } else { (pass as u8).min(2) });
    Told { text, verdict: Verdict { ok: false, summary } }
}
