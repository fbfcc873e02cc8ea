//! Pass 2's findings. Wording follows SystemTap's, so that people and tools that know it find what they look for; `help`
//! adds the way out.

use super::super::{Diagnostic, Severity, Stage};
use crate::{language::types::Type, source::Span};

/// A token as messages name it: where, and `identifier 'x'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub span: Span,
    pub token: String,
}

fn error(kind: &'static str, message: impl Into<String>, at: &Spot) -> Diagnostic {
    Diagnostic::new(kind, Severity::Error, Stage::Semantic, message).at(at.span).token(at.token.clone())
}

fn warning(kind: &'static str, message: impl Into<String>, at: &Spot) -> Diagnostic {
    Diagnostic::new(kind, Severity::Warning, Stage::Semantic, message).at(at.span).token(at.token.clone())
}

/// ` (similar: a, b)` or nothing.
fn similar_text(similar: &[String]) -> String {
    if similar.is_empty() { String::new() } else { format!(" (similar: {})", similar.join(", ")) }
}

/// ` (alternatives: a b)` or nothing.
fn alternatives_text(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (alternatives: {})", names.join(", ")) }
}

/// The nearest name as the editor's fix, and a question for people.
fn with_nearest(diagnostic: Diagnostic, similar: &[String]) -> Diagnostic {
    match similar.first() {
        Some(nearest) => diagnostic.help(format!("did you mean '{nearest}'?")).fix(nearest.clone()),
        None => diagnostic,
    }
}

// Names.

/// `nearest` may be what is no function, `printf` for `prntf`.
pub fn unresolved_function(name: &str, similar: &[String], nearest: &[String], at: &Spot) -> Diagnostic {
    let message = format!("unresolved function {name}{}", similar_text(similar));
    with_nearest(error("unresolved-function", message, at), nearest)
}

/// A call with another number of arguments than any function of that name has; `declared` is one of them.
pub fn function_arity(name: &str, n_params: usize, at: &Spot, declared: Option<&Spot>) -> Diagnostic {
    let message = format!("arity mismatch found (function '{name}' takes {n_params} args)");
    let diagnostic = error("function-arity", message, at);
    match declared {
        Some(spot) => diagnostic.related("", spot.token.clone(), spot.span),
        None => diagnostic,
    }
}

pub fn unresolved_array(name: &str, arity: usize, at: &Spot) -> Diagnostic {
    error("unresolved-array", format!("unresolved arity-{arity} global array {name}, missing global declaration?"), at)
        .help(format!("arrays are global: add a line 'global {name}' outside the probes"))
}

pub fn unresolved_delete(at: &Spot) -> Diagnostic {
    error("unresolved-delete", "unresolved array in delete statement", at)
}

pub fn invalid_delete(at: &Spot) -> Diagnostic {
    error("invalid-delete", "invalid operand of delete expression", at)
        .help("delete takes a variable, an array or an element of one")
}

/// `*` in place of a key, where one element is meant.
pub fn wildcard_index(at: &Spot) -> Diagnostic {
    error("wildcard-index", "wildcard not allowed in array index", at)
        .help("'*' stands for any key in 'foreach', 'delete' and 'in'")
}

pub fn stat_local(at: &Spot) -> Diagnostic {
    error("stat-local", "stat locals not supported, missing global declaration? ", at)
        .help("aggregates are global: declare it with 'global' outside the probes")
}

pub fn inconsistent_arity(now: usize, before: usize, at: &Spot, first: Option<&Spot>) -> Diagnostic {
    let diagnostic = error("inconsistent-arity", format!("inconsistent arity ({before} vs {now})"), at);
    match first {
        Some(spot) => diagnostic.related(format!("arity {before} first inferred here"), spot.token.clone(), spot.span),
        None => diagnostic,
    }
}

pub fn too_many_keys(n_keys: usize, at: &Spot) -> Diagnostic {
    error("too-many-keys", format!("array with {n_keys} indices, at most 9 are possible"), at)
}

pub fn wrapping_scalar(at: &Spot) -> Diagnostic {
    error("wrapping-scalar", "wrapping not supported for scalars", at)
}

pub fn not_a_variable(operator: &Spot, target: &Spot) -> Diagnostic {
    error("not-assignable", "Expecting lvalue for assignment", operator).related("", target.token.clone(), target.span)
}

// Probe points.

/// What a bad point says: `mismatch` at the part that is wrong, inside "while resolving probe point".
pub fn point_mismatch(similar: &[String], point: &Spot, part: &Spot) -> Diagnostic {
    let message = format!("probe point mismatch{}", similar_text(similar));
    let mut diagnostic = error("probe-point-mismatch", "while resolving probe point", point).related(
        message,
        part.token.clone(),
        part.span,
    );
    if let Some(nearest) = similar.first() {
        diagnostic = diagnostic.help(format!("did you mean '{nearest}'?")).fix(nearest.clone());
    }
    diagnostic
}

/// A name with a wildcard that no name fits.
pub fn point_no_wildcard_match(similar: &[String], point: &Spot, part: &Spot) -> Diagnostic {
    let message = format!("probe point mismatch: didn't find any wildcard matches{}", similar_text(similar));
    error("probe-point-no-wildcard-match", "while resolving probe point", point).related(
        message,
        part.token.clone(),
        part.span,
    )
}

const INVALID_SUFFIX: &str = "invalid suffix for probe";

/// Something behind a point that is whole.
pub fn point_suffix(point: &Spot, part: &Spot) -> Diagnostic {
    error("probe-point-suffix", "while resolving probe point", point).related(
        INVALID_SUFFIX,
        part.token.clone(),
        part.span,
    )
}

/// What one of an alias's points says to a suffix, said of the point that has both.
pub fn point_behind_alias(of_inner: &Diagnostic, point: &Spot, suffix: &Spot) -> Diagnostic {
    let mut diagnostic = of_inner.clone().at(point.span).token(point.token.clone());
    for related in diagnostic.related.iter_mut().filter(|related| !related.span.is_none()) {
        if diagnostic.kind == "probe-point-no-wildcard-match" {
            related.message = INVALID_SUFFIX.to_owned();
        }
        (related.token, related.span) = (suffix.token.clone(), suffix.span);
    }
    // What was near a name inside the alias need not be written here.
    diagnostic.fix = None;
    diagnostic
}

/// A point that must go on; `follow` are the ways, as `hz(number)`.
pub fn point_truncated(follow: &[String], point: &Spot, part: &Spot) -> Diagnostic {
    let message = format!("probe point truncated (follow:  {})", follow.join(" "));
    error("probe-point-truncated", "while resolving probe point", point).related(message, part.token.clone(), part.span)
}

/// A family knows the point but finds nothing there; `part` when it is about one part.
pub fn point_no_match(message: &str, help: Option<String>, point: &Spot, part: Option<&Spot>) -> Diagnostic {
    let (token, span) = part.map_or((String::new(), Span::NONE), |part| (part.token.clone(), part.span));
    let mut diagnostic =
        error("probe-point-no-match", "while resolving probe point", point).related(message, token, span);
    diagnostic.help = help;
    diagnostic
}

/// A kernel that was built without any way to probe functions.
pub fn no_function_probes(message: &str, help: &str, at: &Spot) -> Diagnostic {
    error("no-function-probes", message, at).help(help)
}

/// `place` is where the point stands that leads to itself.
pub fn alias_loop(name: &str, place: &str, at: &Spot) -> Diagnostic {
    error("alias-loop", "while resolving probe point", at).related(
        format!("recursive loop in alias expansion of {name} at {place}"),
        "",
        Span::NONE,
    )
}

pub fn alias_parameter(name: &str, at: &Spot) -> Diagnostic {
    error("alias-parameter", "while registering probe alias", at).related(
        format!("alias component {name} contains illegal parameter"),
        "",
        Span::NONE,
    )
}

pub fn no_probes() -> Diagnostic {
    Diagnostic::new("no-probes", Severity::Error, Stage::Semantic, "no probes found")
}

pub fn condition_undeclared(at: &Spot) -> Diagnostic {
    error("condition-undeclared", "probe condition must not reference undeclared global", at)
}

pub fn condition_modifies(at: &Spot) -> Diagnostic {
    error("condition-modifies", "probe condition must not modify any variables", at)
}

pub fn condition_calls(at: &Spot) -> Diagnostic {
    error("condition-calls", "probe condition must not reference function", at)
}

// Context variables.

pub fn unresolved_context(reason: &str, at: &Spot) -> Diagnostic {
    error("unresolved-context", reason, at)
}

/// `x->y` where nothing says what `x` points to.
pub fn unknown_dereference(at: &Spot) -> Diagnostic {
    error("unknown-dereference", "unknown type in dereference", at).help("name it: @cast(value, \"type\")->member")
}

/// `@enum("NAME")` of no enumeration.
pub fn no_such_enumerator(name: &str, at: &Spot) -> Diagnostic {
    error("no-such-enumerator", format!("unable to find enumerator '{name}' in the kernel's type information"), at)
}

/// `@enumname` without a type that is an enumeration.
pub fn no_enumeration(at: &Spot) -> Diagnostic {
    let message = "@enumname requires a typed $variable or a type string argument; unresolved enumeration type";
    error("no-enumeration", message, at).help("write @enumname(value, \"pid_type\")")
}

/// `@enumname` of a variable with another type.
pub fn not_an_enumeration(name: &str, has: &str, at: &Spot) -> Diagnostic {
    let message = format!("@enumname target '{name}' does not have enumeration type (have {has})");
    error("no-enumeration", message, at).help("write @enumname(value, \"pid_type\")")
}

pub fn no_such_variable(name: &str, alternatives: &[String], nearest: Option<&str>, at: &Spot) -> Diagnostic {
    let diagnostic = error(
        "no-such-context-variable",
        format!("unable to find local '{name}'{}", alternatives_text(alternatives)),
        at,
    );
    match nearest {
        Some(nearest) => diagnostic.help(format!("did you mean '{nearest}'?")).fix(nearest),
        None => diagnostic,
    }
}

/// A variable that has no value at the probe. `elsewhere`: of how many instances of the function it has one, and how many
/// there are.
pub fn not_accessible(
    name: &str,
    pc: u64,
    why: &str,
    lives: &[(u64, u64)],
    elsewhere: (usize, usize),
    at: &Spot,
) -> Diagnostic {
    const MAX_SHOWN: usize = 5;
    let message = format!("not accessible at this address (pc: {pc:#x}) [man error::dwarf]");
    let places: Vec<String> =
        lives.iter().take(MAX_SHOWN).map(|(start, end)| format!("[{start:#x},{end:#x}]")).collect();
    let more = if lives.len() > MAX_SHOWN { ", …" } else { "" };
    let lives = match places.is_empty() {
        true => String::new(),
        false => format!("; it has a value at {}{more}", places.join(", ")),
    };
    let instances = match elsewhere {
        (_, 0 | 1) => String::new(),
        (has, n) => format!("; {has} of {n} instances of the function have it where they begin"),
    };
    error("not-accessible", message, at).help(format!("{name}: {why}{lives}{instances}"))
}

pub fn no_such_member(name: &str, of: &str, alternatives: &[String], nearest: Option<&str>, at: &Spot) -> Diagnostic {
    let diagnostic = error(
        "no-such-member",
        format!("unable to find member '{name}' for {of}{}", alternatives_text(alternatives)),
        at,
    );
    match nearest {
        Some(nearest) => diagnostic.help(format!("did you mean '{nearest}'?")),
        None => diagnostic,
    }
}

/// `@defined` where there is no context to ask.
pub fn defined_without_context(at: &Spot) -> Diagnostic {
    warning("defined-without-context", "Collapsing unresolved @define to 0 [stapprobes]", at)
}

pub fn bad_var_substituted(at: &Spot) -> Diagnostic {
    warning("bad-context-variable", "Bad $context variable being substituted with literal 0", at)
}

pub fn context_write(at: &Spot) -> Diagnostic {
    error("context-write", "write to target variable not permitted", at)
        .help("eBPF programs of tracepoints cannot change what they look at")
}

pub fn context_in_library(at: &Spot) -> Diagnostic {
    error("unresolved-context", "unresolved target-symbol expression", at)
}

pub fn entry_outside_return(at: &Spot) -> Diagnostic {
    error("entry-outside-return", "@entry is only valid in .return probes", at)
}

pub fn unsupported_operator(name: &str, why: &str, at: &Spot) -> Diagnostic {
    error("unsupported-operator", format!("{name} is not supported: {why}"), at)
}

// Types.

pub fn type_mismatch(expected: Type, found: Type, at: &Spot) -> Diagnostic {
    error("type-mismatch", format!("type mismatch: expected {expected} but found {found}"), at)
}

pub fn type_mismatch_first(now: Type, before: Type, at: &Spot, first: &Spot) -> Diagnostic {
    error("inferred-mismatch", format!("type mismatch ({now})"), at).related(
        format!("type was first inferred here ({before})"),
        first.token.clone(),
        first.span,
    )
}

pub fn index_mismatch(index: usize, now: Type, before: Type, at: &Spot, first: &Spot) -> Diagnostic {
    error("inferred-mismatch", format!("index {index} type mismatch ({now})"), at).related(
        format!("type of index {index} was first inferred here ({before})"),
        first.token.clone(),
        first.span,
    )
}

/// As [`type_mismatch`], of something declared with its type.
pub fn declared_mismatch(found: Type, declared: Type, at: &Spot) -> Diagnostic {
    error("declared-mismatch", format!("type mismatch: expected {found} but found {declared}"), at)
}

pub fn sides_mismatch(left: Type, right: Type, at: &Spot) -> Diagnostic {
    error("sides-mismatch", format!("type mismatch: left and right sides don't agree ({left} vs {right})"), at)
}

pub fn unresolved_type(at: &Spot) -> Diagnostic {
    error("unresolved-type", "unresolved type ", at)
}

pub fn invalid_type(ty: Type, at: &Spot) -> Diagnostic {
    let diagnostic = error("invalid-type", format!("invalid type {ty}"), at);
    if ty == Type::Stat {
        diagnostic.help("take a number out of the aggregate: @count(x), @sum(x), @min(x), @max(x), @avg(x)")
    } else {
        diagnostic
    }
}

pub fn invalid_operator(at: &Spot) -> Diagnostic {
    error("invalid-operator", "invalid operator", at)
}

pub fn print_arity(at: &Spot) -> Diagnostic {
    error("print-arity", "Wrong number of args to formatted print operator", at)
}

pub fn hist_as_value(at: &Spot) -> Diagnostic {
    error("histogram-as-value", "a histogram can only be printed, indexed or iterated", at)
}

// Statistics and loops.

pub fn multiple_histograms(name: &str, at: &Spot) -> Diagnostic {
    error("multiple-histograms", format!("multiple histogram types declared on '__global_{name}'"), at)
        .help("keep a second aggregate for the second shape")
}

pub fn conflicting_shifts(previous: u8, at: &Spot) -> Diagnostic {
    error("conflicting-shifts", format!("conflicting bit shifts declared (previously {previous})"), at)
}

pub fn shift_range(shift: i64, at: &Spot) -> Diagnostic {
    error("shift-range", format!("bit shift ({shift}) out of range <0..62>"), at)
}

pub fn modified_while_iterating(name: &str, at: &Spot) -> Diagnostic {
    error("modified-while-iterating", format!("variable '{name}' modified during 'foreach' iteration"), at)
        .help("collect the keys in another array and change this one after the loop")
}

pub fn call_modifies_iterated(name: &str, at: &Spot) -> Diagnostic {
    error("call-modifies-iterated", format!("function call modifies var '{name}' during 'foreach' iteration"), at)
}

pub fn bad_regex(message: &str, at: &Spot) -> Diagnostic {
    error("bad-regex", message, at)
}

pub fn array_as_scalar(name: &str, at: &Spot) -> Diagnostic {
    error("array-as-scalar", format!("array '{name}' is used without an index"), at)
}

pub fn too_many_instances(at: &Spot) -> Diagnostic {
    error("nesting-too-deep", "expression or statement nested too deeply", at)
}

// What is not needed.

pub fn never_assigned_local(name: &str, similar: &[String], at: &Spot) -> Diagnostic {
    let message = format!("never-assigned local variable '{name}'{}", similar_text(similar));
    with_nearest(warning("never-assigned-local", message, at), similar)
}

pub fn never_assigned_global(name: &str, similar: &[String], at: &Spot) -> Diagnostic {
    warning("never-assigned-global", format!("never-assigned global variable '{name}'{}", similar_text(similar)), at)
}

pub fn eliding_variable(name: &str, at: &Spot) -> Diagnostic {
    warning("eliding-variable", format!("Eliding unused variable '{name}'"), at)
}

pub fn eliding_function(name: &str, at: &Spot) -> Diagnostic {
    warning("eliding-function", format!("Eliding unused function '{name}'"), at)
}

pub fn eliding_assignment(name: &str, at: &Spot) -> Diagnostic {
    warning("eliding-assignment", format!("Eliding assignment to '{name}'"), at)
}

pub fn eliding_expression(at: &Spot) -> Diagnostic {
    warning("eliding-expression", "Eliding side-effect-free expression ", at)
}

pub fn effectless_function(name: &str, at: &Spot) -> Diagnostic {
    warning("side-effect-free-function", format!("side-effect-free function '{name}'"), at)
}

pub fn eliding_probe(point: &str, at: &Spot) -> Diagnostic {
    warning("eliding-probe", format!("Probe '{point}' has been elided"), at)
}

pub fn unused_init(name: &str, at: &Spot) -> Diagnostic {
    error("unknown-global", format!("-G sets '{name}', which is not a global of the script"), at)
}

pub fn sized_scalar(at: &Spot) -> Diagnostic {
    error("sized-scalar", "inconsistent arity", at).help("a size is for arrays; this global is used without an index")
}
