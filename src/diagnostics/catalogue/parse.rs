//! What can be wrong with a text before anyone asks what it means. The wording is SystemTap's wherever it has one.
//!
//! These carry no position: lexer, preprocessor and parser add the token they are about.

use crate::{
    diagnostics::{Diagnostic, Severity, Stage, TokenLabel},
    source::Span,
};

fn error(kind: &'static str, message: impl Into<String>) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(kind, Severity::Error, Stage::Parse, message);
    diagnostic.label = TokenLabel::Saw;
    diagnostic
}

fn warning(kind: &'static str, message: impl Into<String>, span: Span, token: String) -> Diagnostic {
    Diagnostic::new(kind, Severity::Warning, Stage::Parse, message).at(span).token(token)
}

/// A text without a declaration. Told in a sentence of its own, and no parse error.
pub fn empty_input(name: &str, after_preprocessing: bool) -> Diagnostic {
    let after = if after_preprocessing { " after preprocessing" } else { "" };
    error(EMPTY_INPUT, format!("Input file '{name}' is empty{after}."))
}

/// The kind of [`empty_input`].
pub const EMPTY_INPUT: &str = "empty-input";

// Lexer.

/// Kinds of what the lexer finds: errors only where the parser reads them.
pub const LEXER: &[&str] =
    &["unterminated-string", "unterminated-embedded-code", "nested-argument", "argument-out-of-range"];

pub fn unterminated_string() -> Diagnostic {
    error("unterminated-string", "Could not find matching closing quote")
}

pub fn unterminated_embedded() -> Diagnostic {
    error("unterminated-embedded-code", "Could not find matching '%}' to close embedded function block")
}

pub fn nested_argument() -> Diagnostic {
    error("nested-argument", "invalid nested substitution of command line arguments")
}

pub fn argument_out_of_range(n_args: usize) -> Diagnostic {
    error("argument-out-of-range", format!("command line argument out of range [1-{n_args}]"))
        .help("script arguments follow the script's name on the command line")
}

pub fn number_invalid() -> Diagnostic {
    error("number-invalid", "number invalid or out of range")
}

pub fn suspicious_embedded(span: Span) -> Diagnostic {
    warning("suspicious-embedded-code", "possible erroneous closing '}%', use '%}'?", span, "embedded-code".to_owned())
}

// Macros.

pub fn expected_identifier() -> Diagnostic {
    error("expected-identifier", "expected identifier")
}

pub fn expected_op(op: &str) -> Diagnostic {
    error("expected-operator", format!("expected '{op}'"))
}

pub fn expected_either(a: &str, b: &str) -> Diagnostic {
    error("expected-either", format!("expected '{a}' or '{b}'"))
}

pub fn macro_needs_arguments(name: &str, n_params: usize) -> Diagnostic {
    let s = if n_params == 1 { "" } else { "s" };
    error(
        "macro-needs-arguments",
        format!("expected '(' in invocation of macro '{name}' taking {n_params} parameter{s}"),
    )
}

pub fn macro_call_unterminated() -> Diagnostic {
    error("macro-call-unterminated", "could not find end of macro invocation")
}

pub fn macro_too_few(name: &str, wanted: usize) -> Diagnostic {
    error("macro-too-few-arguments", format!("too few parameters for macro '{name}' (expected {wanted})"))
}

pub fn macro_too_many(name: &str, wanted: usize) -> Diagnostic {
    error("macro-too-many-arguments", format!("too many parameters for macro '{name}' (expected {wanted})"))
}

pub fn expected_macro_body() -> Diagnostic {
    error("expected-macro-body", "expected '%(' or '('")
}

pub fn macro_definition_incomplete() -> Diagnostic {
    error("macro-definition-incomplete", "incomplete macro definition - missing '%)'")
}

pub fn nested_define() -> Diagnostic {
    error("nested-define", "'@define' forbidden inside macro body")
}

pub fn macro_redefined(name: &str) -> Diagnostic {
    error("macro-redefined", format!("attempt to redefine macro '{name}' in the same file"))
}

pub fn library_macro_redefined(name: &str) -> Diagnostic {
    error("library-macro-redefined", format!("duplicate definition of library macro '{name}'"))
}

pub fn macro_hides_builtin(name: &str, span: Span, token: String) -> Diagnostic {
    warning("macro-hides-builtin", format!("macro redefines built-in operator '{name}'"), span, token)
}

pub fn macro_too_deep(name: &str) -> Diagnostic {
    error("macro-too-deep", format!("macro '{name}' never stops expanding"))
        .help("a macro that calls itself has no way to end; write a function")
}

/// `why` is the first of its errors.
pub fn macro_file_skipped(name: &str, why: Diagnostic) -> Diagnostic {
    let message = format!("macro tapset \"{name}\" has errors, and will be skipped.");
    let skipped = Diagnostic::new("macro-file-skipped", Severity::Warning, Stage::Parse, message);
    skipped.related(why.message, why.token, why.primary.unwrap_or(Span::NONE))
}

pub fn not_a_definition() -> Diagnostic {
    error("not-a-definition", "expected '@define': a macro file holds only definitions")
}

// Conditionals.

pub fn conditional_unterminated() -> Diagnostic {
    error("conditional-unterminated", "incomplete conditional at end of file")
}

/// A `%?`, `%:` or `%)` that belongs to nothing. Three kinds, so that one does not hide the others.
pub fn conditional_unopened(op: &str) -> Diagnostic {
    let kind = match op {
        "%?" => "conditional-unopened-then",
        "%:" => "conditional-unopened-else",
        _ => "conditional-unopened-end",
    };
    error(kind, "incomplete conditional - missing '%('")
}

pub fn conditional_second_else() -> Diagnostic {
    error("conditional-second-else", "invalid conditional - duplicate '%:'")
}

pub fn condition_incomplete() -> Diagnostic {
    error("condition-incomplete", "incomplete condition after '%('")
}

pub fn expected_equality() -> Diagnostic {
    error("expected-equality", "expected '==' or '!='")
}

pub fn expected_comparison() -> Diagnostic {
    error("expected-comparison", "expected comparison operator")
}

pub fn wildcard_with_order() -> Diagnostic {
    error("wildcard-with-order", "wildcard not allowed with order comparison operators")
}

pub fn expected_string_literal() -> Diagnostic {
    error("expected-string-literal", "expected string literal")
}

pub fn expected_number_right() -> Diagnostic {
    error("expected-number-on-the-right", "expected number literal as right value")
}

pub fn expected_string_right() -> Diagnostic {
    error("expected-string-on-the-right", "expected string literal as right value")
}

pub fn expected_conditional_marker() -> Diagnostic {
    error("expected-conditional-marker", "expected '%?' marker for conditional")
}

pub fn expected_zero_or_one() -> Diagnostic {
    error("expected-zero-or-one", "expected 0 or 1")
}

pub fn expected_config_operand() -> Diagnostic {
    error("expected-config-operand", "expected string, number literal or other CONFIG_... as right side operand")
}

pub fn unknown_condition() -> Diagnostic {
    error(
        "unknown-condition",
        "expected 'arch', 'kernel_v', 'kernel_vr', 'systemtap_v',\n             'runtime', 'systemtap_privilege', \
         'CONFIG_...', or\n             comparison between strings or integers",
    )
}

// Declarations.

pub fn end_of_file() -> Diagnostic {
    error("unexpected-end-of-file", "unexpected end-of-file")
}

pub fn expected_declaration() -> Diagnostic {
    error("expected-declaration", "expected 'probe', 'global', 'private', 'function', or '%{'")
}

pub fn embedded_needs_guru() -> Diagnostic {
    error("embedded-code-needs-guru", "embedded code in unprivileged script; need stap -g")
        .help("tapdeck compiles to eBPF, where C code cannot run at all")
}

pub fn embedded_expr_needs_guru() -> Diagnostic {
    error("embedded-expression-needs-guru", "embedded expression code in unprivileged script; need stap -g")
}

pub fn expected_private_declaration() -> Diagnostic {
    error("expected-private-declaration", "expected 'function' or identifier")
}

pub fn initialized_array() -> Diagnostic {
    error("initialized-array", "only scalar globals can be initialized")
        .help("assign the elements in a 'probe begin' instead")
}

pub fn duplicate_global() -> Diagnostic {
    error("duplicate-global", "duplicate global name")
}

pub fn array_size_invalid() -> Diagnostic {
    error("array-size-invalid", "array size out of range")
}

pub fn expected_number() -> Diagnostic {
    error("expected-number", "expected number")
}

pub fn expected_literal_number() -> Diagnostic {
    error("expected-literal-number", "expected literal number")
}

pub fn expected_value() -> Diagnostic {
    error("expected-value", "expected value")
}

pub fn expected_expression_statement() -> Diagnostic {
    error("expected-expression-statement", "expression statement expected")
}

pub fn expected_type() -> Diagnostic {
    error("expected-type", "expected 'string' or 'long'")
}

pub fn duplicate_parameter() -> Diagnostic {
    error("duplicate-parameter", "duplicate parameter names")
}

pub fn priority_invalid() -> Diagnostic {
    error("priority-invalid", "specified priority must be > 0")
}

// Probe points.

pub fn expected_probe_point() -> Diagnostic {
    error("expected-probe-point", "expected identifier or '*' or '{'")
}

pub fn expected_probe_point_specifier() -> Diagnostic {
    error("expected-probe-point-specifier", "expected probe point specifier")
}

pub fn expected_after_point() -> Diagnostic {
    error("expected-after-probe-point", "expected one of ', { } = +='")
}

pub fn alias_not_plain() -> Diagnostic {
    error("alias-not-plain", "probe point alias name cannot be optional nor sufficient")
}

pub fn epilogue_of_epilogue() -> Diagnostic {
    error("epilogue-of-epilogue", "Combined prologue and epilogue cannot be defined with '+='")
}

pub fn suffix_not_last() -> Diagnostic {
    error("suffix-not-last", "'?', '!' or condition must only be specified in suffix")
}

pub fn suffix_respecified() -> Diagnostic {
    error("suffix-respecified", "'?' or '!' respecified")
}

pub fn condition_respecified() -> Diagnostic {
    error("condition-respecified", "condition respecified")
}

pub fn too_many_probe_points() -> Diagnostic {
    error("too-many-probe-points", "brace expansion gives too many probe points")
}

// Statements.

pub fn expected_statement() -> Diagnostic {
    error("expected-statement", "expected statement")
}

pub fn return_outside_function() -> Diagnostic {
    error("return-outside-function", "found 'return' not in function context").help("'next' leaves a probe handler")
}

pub fn expected_catch() -> Diagnostic {
    error("expected-catch", "expected 'catch'")
}

pub fn expected_in() -> Diagnostic {
    error("expected-in", "expected 'in'")
}

pub fn several_sort_directives() -> Diagnostic {
    error("several-sort-directives", "multiple sort directives")
}

pub fn expected_sort_direction() -> Diagnostic {
    error("expected-sort-direction", "expected sort directive")
}

pub fn nested_too_deeply() -> Diagnostic {
    error("nested-too-deeply", "nested too deeply")
}

// Expressions.

pub fn expected_literal() -> Diagnostic {
    error("expected-literal", "expected literal string or number")
}

pub fn expected_literal_string() -> Diagnostic {
    error("expected-literal-string", "expected literal string")
}

pub fn list_without_in() -> Diagnostic {
    error("list-without-in", "unexpected comma-separated expression list")
}

pub fn unknown_at_word(word: &str, similar: &[String]) -> Diagnostic {
    let diagnostic = error("unknown-at-operator", format!("unknown operator {word}"));
    if similar.is_empty() { diagnostic } else { diagnostic.help(format!("similar: {}", similar.join(", "))) }
}

pub fn format_invalid(message: impl Into<String>) -> Diagnostic {
    error("format-invalid", message)
}

pub fn expected_array() -> Diagnostic {
    error("expected-array", "expected identifier or statistical operation")
}

pub fn expected_stat_op() -> Diagnostic {
    error("expected-statistical-operation", "expected statistical operation")
}

pub fn expected_call_separator() -> Diagnostic {
    error("expected-call-separator", "expected one of ') ,'")
}

pub fn expected_print_separator() -> Diagnostic {
    error("expected-print-separator", "expected one of ', )'")
}

pub fn expected_index_separator() -> Diagnostic {
    error("expected-index-separator", "expected one of '] ,'")
}

/// `$x$$->y`.
pub fn pretty_goes_on() -> Diagnostic {
    error("pretty-goes-on", "-> and [ are not accepted for a pretty-printing variable")
}

pub fn expected_member() -> Diagnostic {
    error("expected-member", "expected identifier or keyword")
}

pub fn expected_string() -> Diagnostic {
    error("expected-string", "expected string")
}

pub fn bare_histogram() -> Diagnostic {
    error("bare-histogram", "base histogram operator where expression expected")
        .help("print(@hist_log(x)) draws it, @hist_log(x)[n] reads a bucket")
}

pub fn too_many_stat_params(allowed: usize) -> Diagnostic {
    let s = if allowed == 0 { "" } else { "s" };
    error("too-many-statistic-parameters", format!("not more than {} parameter{s} allowed", allowed + 1))
}

pub fn needs_guru(word: &str) -> Diagnostic {
    error("operator-needs-guru", format!("using {word} operator not permitted; need stap -g"))
}

// Arguments.

pub fn unused_argument(number: usize) -> Diagnostic {
    Diagnostic::new(
        "unused-argument",
        Severity::Warning,
        Stage::Parse,
        format!("unused command line option ${number}/@{number}"),
    )
}
