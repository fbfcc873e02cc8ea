//! Pass 3: what passes 1 and 2 take and nothing can be made of.

use super::super::{Diagnostic, Severity, Stage};
use crate::{language::types::Type, source::Span};

fn error(kind: &'static str, message: impl Into<String>, at: Span) -> Diagnostic {
    Diagnostic::new(kind, Severity::Error, Stage::Translate, message).at(at)
}

pub fn outside_loop(statement: &str, at: Span) -> Diagnostic {
    error("outside-loop", format!("cannot '{statement}' outside loop"), at)
}

pub fn too_many_print_args(n_args: usize, at: Span) -> Diagnostic {
    error("too-many-print-args", format!("too many arguments to print ({n_args})"), at)
        .help("a print takes 32 at most: write two of them")
}

/// An argument of a print that is neither a number nor a string.
pub fn not_printable(ty: Type, at: Span) -> Diagnostic {
    let diagnostic = error("not-printable", "print format actual argument evaluation type unsupported", at);
    if ty == Type::Stat {
        diagnostic.help("take a number out of the aggregate: @count(x), @sum(x), @min(x), @max(x), @avg(x)")
    } else {
        diagnostic
    }
}

/// C between `%{` and `%}`, or an operator that asks for C.
pub fn embedded(what: &str, at: Span) -> Diagnostic {
    error("embedded-code", format!("{what} is not supported"), at)
        .help("tapdeck compiles to eBPF without a C compiler; write it in the script language")
}
