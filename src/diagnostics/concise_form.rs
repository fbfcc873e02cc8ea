//! One line a diagnostic, for pipes and editors: `file:line:col: error: message (help)`.

use std::fmt::Write;

use super::{Diagnostic, Severity};
use crate::source::SourceMap;

/// The line, without a newline. Positions inside macros are those of the call, where the reader is.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let mut out = String::new();
    if let Some(span) = diagnostic.primary {
        let _ = write!(out, "{}: ", sources.place(sources.outermost(span)));
    }
    out.push_str(match diagnostic.severity {
        Severity::Warning => "warning: ",
        Severity::Error => "error: ",
    });
    let message: Vec<&str> = diagnostic.message.split_whitespace().collect();
    out.push_str(&message.join(" "));
    if !diagnostic.token.is_empty() {
        let _ = write!(out, ", {} {}", if diagnostic.primary.is_some() { "at" } else { "saw" }, diagnostic.token);
    }
    if let Some(help) = &diagnostic.help {
        let _ = write!(out, " ({help})");
    }
    out
}
