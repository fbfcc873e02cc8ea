//! What the compiler finds, placed in the editor's text.

use crate::{
    diagnostics::{Diagnostic, Severity},
    pipeline::Compiled,
    runtime::reach::Reach,
    source::{FileId, Origin, SourceMap, Span},
    tui::{engine::EditorDiagnostic, shape},
};

/// What concerns the user's own text, placed in it.
pub fn editor_diagnostics(compiled: &Compiled) -> Vec<EditorDiagnostic> {
    let mut list: Vec<EditorDiagnostic> = Vec::new();
    for diagnostic in compiled.diagnostics.iter().filter_map(|d| editor_diagnostic(d, &compiled.sources)) {
        // A handler at several points finds the same several times.
        if !list.contains(&diagnostic) {
            list.push(diagnostic);
        }
    }
    let reach = compiled.lowered.as_deref().map(Reach::of).unwrap_or_default();
    let asks = if reach.is_to_be_asked() { "; running it asks first" } else { "" };
    list.extend(reach.wide_probes().map(|(span, places)| {
        let message = format!("{} places in functions of the kernel{asks}", shape::short(places as f64));
        let (line, columns) = line_and_columns(span, &compiled.sources);
        EditorDiagnostic { line, columns, severity: Severity::Warning, message, help: None, fix: None }
    }));
    list
}

/// A finding in a tapset file shows on the first line: it is the script that led there.
pub fn editor_diagnostic(diagnostic: &Diagnostic, sources: &SourceMap) -> Option<EditorDiagnostic> {
    let is_of_user = |span: &Span| sources.origin(*span) == Origin::User;
    // Of a point the part that is wrong, which comes as a note on the whole.
    let part = diagnostic.related.last().filter(|part| diagnostic.message == RESOLVING && is_of_user(&part.span));
    let (said, token, place) = match part {
        Some(part) => (&part.message, &part.token, Some(part.span)),
        None => (&diagnostic.message, &diagnostic.token, diagnostic.primary.filter(is_of_user)),
    };
    let ends = place.is_none() && diagnostic.token.ends_with(" EOF");
    if place.is_none() && diagnostic.severity == Severity::Warning {
        return None;
    }
    let (line, columns) = match place {
        Some(span) => line_and_columns(span, sources),
        None if ends => last_character(sources),
        None => (1, 0..0),
    };
    let mut message = said.clone();
    if ends {
        message += ", and the script ends here";
    } else if token.contains('\'') && !message.contains(token_name(token)) {
        message += &format!(": {token}");
    }
    for related in diagnostic.related.iter().filter(|_| part.is_none()) {
        message += &format!("; {}", related.message);
        if !related.span.is_none() {
            message += &format!(" at line {}", line_and_columns(related.span, sources).0);
        }
    }
    Some(EditorDiagnostic {
        line,
        columns,
        severity: diagnostic.severity,
        message,
        help: diagnostic.help.clone().or_else(|| {
            let lacks = diagnostic.kind == "argument-out-of-range";
            lacks.then(|| "{arguments} gives the script its arguments".to_owned())
        }),
        fix: diagnostic.fix.clone(),
    })
}

/// What is said of a probe point as a whole.
const RESOLVING: &str = "while resolving probe point";

/// Where the script ends, less empty lines.
fn last_character(sources: &SourceMap) -> (usize, std::ops::Range<usize>) {
    let mut files = (0..).map_while(|id| sources.get(FileId(id)));
    let Some(file) = files.find(|file| file.origin == Origin::User) else { return (1, 0..0) };
    let end = file.text.trim_ascii_end().len();
    let (line, column) = file.line_col(end.saturating_sub(1) as u32);
    (line as usize, column as usize - 1..column as usize)
}

/// `x` of `identifier 'x'`.
fn token_name(token: &str) -> &str {
    token.split('\'').nth(1).unwrap_or(token)
}

fn line_and_columns(span: Span, sources: &SourceMap) -> (usize, std::ops::Range<usize>) {
    let Some(file) = sources.get(span.file) else { return (1, 0..0) };
    let (line, column) = file.line_col(span.start);
    let start = column as usize - 1;
    let length = (span.end.saturating_sub(span.start) as usize).max(1);
    (line as usize, start..(start + length).min(file.line(line).len().max(start + 1)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        host::Live,
        pipeline::{CompileOptions, Compiler, Input},
    };

    /// The findings in a text, with what they are under.
    fn found(text: &str) -> Vec<String> {
        let compiler = Compiler::new(Arc::new(Live), &[]);
        let input = Input { name: "<input>".into(), text: text.into(), ..Input::default() };
        let compiled = compiler.compile(&input, &CompileOptions::default());
        let under = |found: &EditorDiagnostic| {
            let line = text.lines().nth(found.line - 1).unwrap_or("");
            line.get(found.columns.clone()).unwrap_or("").to_owned()
        };
        let list = editor_diagnostics(&compiled);
        list.iter().map(|found| format!("{}: {} {:?}", under(found), found.message, found.fix)).collect()
    }

    #[test]
    fn findings_stand_where_one_looks_for_them() {
        assert_eq!(found("probe begin {\n  x = 1\n\n"), ["1: expected statement, and the script ends here None"]);
        // A word of the grammar is seen where it stands.
        let empty = found("probe timer.sec(1) {}\n");
        assert_eq!(empty[0], "probe: Probe 'timer' has been elided None");
        let wrong = found("probe begin {}\nprobe timer.sek(1) {}\n");
        assert!(wrong.len() == 1 && wrong[0].starts_with("sek: probe point mismatch (similar: "), "{wrong:?}");
        assert!(wrong[0].ends_with(" Some(\"sec\")"), "{wrong:?}");
    }
}
