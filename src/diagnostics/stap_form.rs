//! SystemTap's text for a diagnostic: message, position, source line, caret, the macro calls it came out of.
//!
//! ```text
//! parse error: expected '('                      semantic error: type mismatch (long): identifier 'x' at t.stp:1:31
//!         saw: number '1' at t.stp:1:18                  source: global x probe begin { x<<<1; x=2 }
//!      source: probe begin { if 1 }                                                            ^
//!                               ^
//! ```
//!
//! Findings about the same thing are printed once ([`State`]); what is left out is counted for [`State::summary`].

use std::{collections::HashSet, fmt::Write};

use unicode_width::UnicodeWidthChar;

use super::{
    Diagnostic, Diagnostics, Severity, Stage, TokenLabel,
    catalogue::parse::EMPTY_INPUT,
    color::{Palette, Role},
};
use crate::source::{SourceMap, Span};

/// What was printed before: decides what is left out.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Print all of them, as `-v` does.
    pub verbose: bool,
    pub palette: Palette,
    /// File of the last position in a warning or semantic error; not said again.
    last_file: Option<String>,
    seen: HashSet<String>,
    n_errors_left_out: usize,
    n_warnings_left_out: usize,
}

impl State {
    pub fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }

    pub fn painted(self, palette: Palette) -> Self {
        Self { palette, ..self }
    }

    /// The lines at the very end about what was left out; empty when nothing was.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for (what, n) in [("error", self.n_errors_left_out), ("warning", self.n_warnings_left_out)] {
            if n > 0 {
                let _ = writeln!(out, "Number of similar {what} messages suppressed: {n}.");
            }
        }
        if !out.is_empty() {
            out.push_str("Rerun with -v to see them.\n");
        }
        out
    }

    /// Whether an error like this was printed before; counts it if so.
    fn leaves_out_error(&mut self, key: String) -> bool {
        let again = !self.seen.insert(key) && !self.verbose;
        self.n_errors_left_out += usize::from(again);
        again
    }

    /// The same of a warning: those with one text are alike, wherever they stand.
    fn leaves_out_warning(&mut self, message: &str) -> bool {
        let again = !self.seen.insert(format!("warning {message}")) && !self.verbose;
        self.n_warnings_left_out += usize::from(again);
        again
    }
}

/// `1 parse error.`; empty when there is none, or when it was said that the file is empty.
pub fn parse_error_count(diagnostics: &Diagnostics) -> String {
    if diagnostics.iter().any(|d| d.kind == EMPTY_INPUT) {
        return String::new();
    }
    let is_counted = |d: &&Diagnostic| d.is_error() && d.stage == Stage::Parse;
    match diagnostics.iter().filter(is_counted).count() {
        0 => String::new(),
        1 => "1 parse error.\n".to_owned(),
        n => format!("{n} parse errors.\n"),
    }
}

/// Every semantic error and what it came of, a line each between two marks, for programs: file, line, column, token and
/// message, divided by tabs. stap(1), `--semantic-keep-going`.
pub fn catalogue(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let errors = || diagnostics.iter().filter(|d| d.is_error() && d.stage != Stage::Parse);
    let mut out = format!("SEMANTIC_ERRORS: {}\n", errors().count());
    for error in errors() {
        // Where a message is about two places, the second counts.
        let second = error.related.iter().find(|related| related.message.is_empty());
        let (span, token) = second.map_or((error.primary, &error.token), |second| (Some(second.span), &second.token));
        let first = (span, &**token, &*error.message);
        let rest = error.related.iter().filter(|related| !related.message.is_empty());
        let rest = rest.map(|related| (Some(related.span), &*related.token, &*related.message));
        for (span, token, message) in std::iter::once(first).chain(rest) {
            let place = span.and_then(|span| Some((span, sources.get(span.file)?)));
            let (name, line, col) = match place {
                Some((span, file)) => (file.name.as_str(), file.line_col(span.start).0, file.line_col(span.start).1),
                None => ("-", 0, 0),
            };
            let token = token.split('\'').nth(1).filter(|text| !text.is_empty()).unwrap_or("-");
            let flat = |text: &str| text.replace(['\t', '\n'], " ");
            let _ = writeln!(out, "SEMANTIC_ERROR\t{name}\t{line}\t{col}\t{}\t{}", flat(token), flat(message));
        }
    }
    out + "SEMANTIC_ERRORS_END\n"
}

/// `Pass 1: parse failed.  [man error::pass1]`
pub fn pass_failed(pass: u8) -> String {
    let what = match pass {
        1 => "parse",
        2 => "analysis",
        3 => "translation",
        4 => "compilation",
        _ => "run",
    };
    format!("Pass {pass}: {what} failed.  [man error::pass{pass}]\n")
}

/// The diagnostic with a newline at the end; empty when one like it was printed before.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, state: &mut State) -> String {
    let mut out = String::new();
    if diagnostic.follows {
        return out;
    }
    match (diagnostic.severity, diagnostic.stage) {
        (Severity::Warning, _) => {
            if state.leaves_out_warning(&diagnostic.message) {
                return out;
            }
            // What was found wrong comes before what follows from it.
            for related in diagnostic.related.iter().filter(|_| diagnostic.stage == Stage::Parse) {
                let (message, token) = (&related.message, &related.token);
                parse_error(&mut out, message, "at", Some(related.span), token, sources, &state.palette);
                out.push('\n');
            }
            let _ = write!(out, "{} {}", state.palette.paint(Role::Warning, "WARNING:"), diagnostic.message);
            one_line(&mut out, diagnostic.primary, &diagnostic.token, " source: ", sources, state);
            help(&mut out, diagnostic, "   help: ");
        }
        (Severity::Error, Stage::Parse) if diagnostic.kind == EMPTY_INPUT => {
            let _ = writeln!(out, "{}", diagnostic.message);
        }
        (Severity::Error, Stage::Parse) => {
            if state.leaves_out_error(format!("{} {}", diagnostic.kind, diagnostic.message)) {
                return out;
            }
            let label = match diagnostic.label {
                TokenLabel::Saw => "saw",
                TokenLabel::At => "at",
            };
            let (message, palette) = (&diagnostic.message, &state.palette);
            parse_error(&mut out, message, label, diagnostic.primary, &diagnostic.token, sources, palette);
            help(&mut out, diagnostic, "       help: ");
            out.push('\n');
            for related in &diagnostic.related {
                parse_error(&mut out, &related.message, "at", Some(related.span), &related.token, sources, palette);
                out.push('\n');
            }
        }
        (Severity::Error, Stage::Semantic | Stage::Translate | Stage::Generate) => {
            if state.leaves_out_error(chain_key(diagnostic)) {
                return out;
            }
            let title = state.palette.paint(Role::Error, "semantic error:").into_owned();
            let _ = write!(out, "{title} {}", diagnostic.message);
            one_line(&mut out, diagnostic.primary, &diagnostic.token, "        source: ", sources, state);
            // The way out stands behind the last of the chain.
            for related in &diagnostic.related {
                let span = (!related.span.is_none()).then_some(related.span);
                let mut line = String::new();
                one_line(&mut line, span, &related.token, "        source: ", sources, state);
                // A note without words only points.
                match related.message.is_empty() {
                    true => out.push_str(line.trim_start_matches(": ")),
                    false => {
                        let _ = write!(out, "\n{title} {}{line}", related.message);
                    }
                }
            }
            help(&mut out, diagnostic, "          help: ");
            out.push('\n');
        }
    }
    out
}

/// What makes semantic errors alike: the kind and, where the reasons of one kind are many, the words of the reason.
fn chain_key(diagnostic: &Diagnostic) -> String {
    let reason = match diagnostic.related.first() {
        Some(related) if diagnostic.kind == "probe-point-no-match" => &*related.message,
        _ => "",
    };
    format!("{} {}", diagnostic.kind, reason.split(['(', '\'', '"']).next().unwrap_or(""))
}

fn help(out: &mut String, diagnostic: &Diagnostic, lead: &str) {
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{lead}{help}");
    }
}

fn parse_error(
    out: &mut String,
    message: &str,
    label: &str,
    span: Option<Span>,
    token: &str,
    sources: &SourceMap,
    palette: &Palette,
) {
    let _ = writeln!(out, "{} {message}", palette.paint(Role::Error, "parse error:"));
    match span {
        Some(span) => {
            let place = sources.place(span).to_string();
            let _ = writeln!(out, "{label:>11}: {token} at {}", palette.paint(Role::Place, &place));
            source_lines(out, span, token, "     source: ", sources, palette);
        }
        // At the end of the file there is a name and no line.
        None if !token.is_empty() => {
            let _ = writeln!(out, "{label:>11}: {token}");
        }
        None => {}
    }
}

/// `: TOKEN at FILE:LINE:COL` behind a message, and the source below it.
fn one_line(out: &mut String, span: Option<Span>, token: &str, lead: &str, sources: &SourceMap, state: &mut State) {
    let Some((span, file)) = span.and_then(|span| Some((span, sources.get(span.file)?))) else {
        out.push('\n');
        return;
    };
    let (line, col) = file.line_col(span.start);
    let same = state.last_file.as_deref() == Some(&file.name);
    let name = if same { "" } else { &file.name };
    let separator = if token.is_empty() { "" } else { " " };
    let place = format!("{name}:{line}:{col}");
    let _ = writeln!(out, ": {token}{separator}at {}", state.palette.paint(Role::Place, &place));
    state.last_file = Some(file.name.clone());
    source_lines(out, span, token, lead, sources, &state.palette);
}

/// The line, the caret under it, and the same for each macro call around.
fn source_lines(out: &mut String, span: Span, token: &str, lead: &str, sources: &SourceMap, palette: &Palette) {
    source_line(out, span, token, lead, sources, palette);
    let mut at = span;
    while let Some(expansion) = sources.expansion(at.file) {
        at = expansion.call;
        let token = format!("operator '{}'", expansion.name);
        let place = sources.place(at).to_string();
        let _ = writeln!(out, "\tin expansion of macro: {token} at {}", palette.paint(Role::Place, &place));
        source_line(out, at, &token, lead, sources, palette);
    }
}

fn source_line(out: &mut String, span: Span, token: &str, lead: &str, sources: &SourceMap, palette: &Palette) {
    let Some(file) = sources.get(span.file) else { return };
    let (line_number, col) = file.line_col(span.start);
    let line = file.line(line_number);
    let (before, rest) = line.split_at(line.len().min(col as usize - 1));
    let word = token.split('\'').nth(1).filter(|word| rest.starts_with(word.as_bytes())).unwrap_or_default();
    let text = String::from_utf8_lossy;
    let painted = if word.is_empty() { "".into() } else { palette.paint(Role::Token, word) };
    let _ = writeln!(out, "{lead}{}{painted}{}", text(before), text(&rest[word.len()..]));
    out.extend(std::iter::repeat_n(' ', lead.len()));
    let _ = writeln!(out, "{}{}", indent_to(line, col), palette.paint(Role::Caret, "^"));
}

/// Blanks that reach the 1-based byte column `col` of `line` on a terminal: tabs stay tabs, wide characters count twice.
// Differs from stap: it prints one blank a byte, so that its caret drifts off behind text that is not ASCII.
pub fn indent_to(line: &[u8], col: u32) -> String {
    let before = &line[..line.len().min(col as usize - 1)];
    let mut out = String::new();
    for c in String::from_utf8_lossy(before).chars() {
        if c == '\t' {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n(' ', c.width().unwrap_or(0)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Origin;

    const TEXT: &str = "global x probe begin { x<<<1; x=2 } probe end { x = 3 x=\"s\" }";

    fn mismatch(file: crate::source::FileId, at: usize) -> Diagnostic {
        Diagnostic::new("type-mismatch", Severity::Error, Stage::Semantic, "type mismatch (long)")
            .at(Span::new(file, at, at + 1))
            .token("identifier 'x'")
            .related("type was first inferred here (stats)", "identifier 'x'", Span::new(file, 23, 24))
    }

    #[test]
    fn chains_leave_out_the_file_and_likes_are_counted() {
        let mut sources = SourceMap::default();
        let file = sources.add("<input>", TEXT, Origin::User);
        let mut state = State::default();
        let mut out = render(&mismatch(file, 30), &sources, &mut state);
        out += &render(&mismatch(file, 48), &sources, &mut state);
        out += &state.summary();
        expect_test::expect![[r#"
            semantic error: type mismatch (long): identifier 'x' at <input>:1:31
                    source: global x probe begin { x<<<1; x=2 } probe end { x = 3 x="s" }
                                                          ^

            semantic error: type was first inferred here (stats): identifier 'x' at :1:24
                    source: global x probe begin { x<<<1; x=2 } probe end { x = 3 x="s" }
                                                   ^

            Number of similar error messages suppressed: 1.
            Rerun with -v to see them.
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn warnings_and_bare_errors() {
        let mut sources = SourceMap::default();
        let file = sources.add("t.stp", "probe begin {\n\tprint(zz)\n}", Origin::User);
        let mut state = State::default();
        let warning = Diagnostic::new("w", Severity::Warning, Stage::Semantic, "never-assigned local variable 'zz'")
            .at(Span::new(file, 21, 23))
            .token("identifier 'zz'")
            .help("assign it first");
        let mut out = render(&warning, &sources, &mut state);
        out += &render(&warning, &sources, &mut state);
        out +=
            &render(&Diagnostic::new("n", Severity::Error, Stage::Semantic, "no probes found"), &sources, &mut state);
        out += &pass_failed(2);
        expect_test::expect![[r#"
            WARNING: never-assigned local variable 'zz': identifier 'zz' at t.stp:2:8
             source: 	print(zz)
                     	      ^
               help: assign it first
            semantic error: no probes found

            Pass 2: analysis failed.  [man error::pass2]
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn errors_are_listed_for_programs() {
        let mut sources = SourceMap::default();
        let file = sources.add("t.stp", TEXT, Origin::User);
        let bare = Diagnostic::new("n", Severity::Error, Stage::Semantic, "no probes\tfound");
        let all: Diagnostics = [mismatch(file, 30), bare].into_iter().collect();
        assert_eq!(
            catalogue(&all, &sources),
            "SEMANTIC_ERRORS: 2\nSEMANTIC_ERROR\tt.stp\t1\t31\tx\ttype mismatch (long)\n\
             SEMANTIC_ERROR\tt.stp\t1\t24\tx\ttype was first inferred here (stats)\n\
             SEMANTIC_ERROR\t-\t0\t0\t-\tno probes found\nSEMANTIC_ERRORS_END\n"
        );
    }

    #[test]
    fn colours_are_staps() {
        let mut sources = SourceMap::default();
        let file = sources.add("<input>", "probe begin { foo() }", Origin::User);
        let error = Diagnostic::new("k", Severity::Error, Stage::Semantic, "unresolved function foo")
            .at(Span::new(file, 14, 17))
            .token("identifier 'foo'");
        let mut state = State { palette: Palette::new(None), ..State::default() };
        assert_eq!(
            render(&error, &sources, &mut state)
                .replace("\x1b[m\x1b[K", "}")
                .replace("m\x1b[K", "{")
                .replace('\x1b', ""),
            "[01;31{semantic error:} unresolved function foo: identifier 'foo' at [00;34{<input>:1:15}\n        \
             source: probe begin { [01{foo}() }\n                              [01{^}\n\n"
        );
    }

    #[test]
    fn macros_show_their_calls() {
        let mut sources = SourceMap::default();
        let file = sources.add("t", "@define m %( zz %) probe begin { @m }", Origin::User);
        let body = sources.add_expansion(file, "@m", Span::new(file, 33, 35));
        let error = Diagnostic::new("k", Severity::Error, Stage::Semantic, "unresolved type ")
            .at(Span::new(body, 13, 15))
            .token("identifier 'zz'");
        expect_test::expect![[r#"
            semantic error: unresolved type : identifier 'zz' at t:1:14
                    source: @define m %( zz %) probe begin { @m }
                                         ^
            	in expansion of macro: operator '@m' at t:1:34
                    source: @define m %( zz %) probe begin { @m }
                                                             ^

        "#]]
        .assert_eq(&render(&error, &sources, &mut State::default()));
        assert_eq!(
            crate::diagnostics::concise_form::render(&error, &sources),
            "t:1:34: error: unresolved type, at identifier 'zz'"
        );
    }
}
