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

/// Prints every finding of a compilation. `true` when it may go on.
pub fn report(compiled: &Compiled, manner: Manner) -> bool {
    let mut state = stap_form::State::new(manner.verbose);
    let mut err = std::io::stderr().lock();
    let mut n_parse_errors = 0;
    let mut failed = compiled.failed;
    for diagnostic in compiled.diagnostics.iter() {
        if diagnostic.severity == Severity::Warning {
            if manner.no_warnings {
                continue;
            }
            if manner.warnings_are_errors {
                failed = failed.or(Some(if diagnostic.stage == Stage::Parse { Pass::Parse } else { Pass::Elaborate }));
            }
        } else if diagnostic.stage == Stage::Parse {
            n_parse_errors += 1;
        }
        let _ = write!(err, "{}", stap_form::render(diagnostic, &compiled.sources, &mut state));
    }
    let _ = write!(err, "{}", state.summary());
    let Some(pass) = failed else { return true };
    if n_parse_errors > 0 {
        let _ = write!(err, "{}", stap_form::parse_error_count(n_parse_errors));
    }
    // Passes 3 and 4 cannot fail under stap for what a script says; ours are part of its analysis.
    let number = (pass as u8).min(2);
    let _ = write!(err, "{}", stap_form::pass_failed(number));
    false
}
