//! Pass 3: what an event handler cannot do in the kernel, why, and what to write instead.

use super::super::{Diagnostic, Severity, Stage};
use crate::source::Span;

fn error(kind: &'static str, message: impl Into<String>, at: Span) -> Diagnostic {
    Diagnostic::new(kind, Severity::Error, Stage::Generate, message).at(at)
}

/// Findings that say that only user space can do something.
const ONLY_USER_SPACE: &[&str] = &[
    "only-in-user-space",
    "deferred-text",
    "text-too-large",
    "kept-in-user-space",
    "kernel-format",
    "kernel-sorted-foreach",
    "kernel-foreach-histogram",
    "kernel-wildcard-key",
    "kernel-regex",
];

/// Whether user space could do what was refused in the kernel.
pub fn user_space_can(finding: &Diagnostic) -> bool {
    ONLY_USER_SPACE.contains(&finding.kind)
}

/// A builtin or function whose result is needed while an event handler runs, and only user space can compute it.
/// `because` names what in it only user space has.
pub fn only_in_user_space(name: &str, because: Option<&str>, at: Span) -> Diagnostic {
    let message = match because {
        Some(because) => format!("function '{name}' cannot run inside an event handler: it uses {because}"),
        None => format!("function '{name}' cannot run inside an event handler"),
    };
    error("only-in-user-space", message, at)
        .token(format!("identifier '{name}'"))
        .help("its result may be printed there, and used freely in begin, end and timer probes")
}

/// How to go on without a text that is not known.
const WITHOUT_THE_TEXT: &str = "it can be printed there, stored and passed on; look at it in an end or timer probe";

/// A text only user space can compute was kept in a local and is needed in the kernel.
pub fn deferred_local_needed(name: &str, because: &str, at: Span, assigned: Span) -> Diagnostic {
    error(
        "deferred-text",
        format!("the text of '{name}' is not known inside an event handler: it comes from {because}"),
        at,
    )
    .token(format!("identifier '{name}'"))
    .related("the text was assigned here", format!("identifier '{name}'"), assigned)
    .help(WITHOUT_THE_TEXT)
}

/// A text that is kept in pieces is needed in the kernel; `what` is the name it has there.
pub fn text_needed(what: Option<&str>, because: &str, at: Span) -> Diagnostic {
    let text = what.map_or("this text".to_owned(), |name| format!("the text of '{name}'"));
    let message = format!("{text} is not known inside an event handler: it comes from {because}");
    let diagnostic = error("deferred-text", message, at).help(WITHOUT_THE_TEXT);
    match what {
        Some(name) => diagnostic.token(format!("identifier '{name}'")),
        None => diagnostic,
    }
}

/// A text made in an event handler whose pieces come to more than `limit` bytes, or to more and more.
pub fn text_grows(limit: u32, at: Span) -> Diagnostic {
    error("text-too-large", format!("the pieces this text is made of may come to more than {limit} bytes"), at)
        .help("keep fewer of them, or put the text together in an end or timer probe")
}

/// A global that user space keeps, since something is done to it that only user space can do, at `because`, is needed in
/// the kernel.
pub fn kept_in_user_space(name: &str, at: Span, because: Span) -> Diagnostic {
    error("kept-in-user-space", format!("global '{name}' cannot be asked for here: it is kept in user space"), at)
        .token(format!("identifier '{name}'"))
        .related("because of what an event handler does to it here", format!("identifier '{name}'"), because)
        .help("do both in user space: in a timer or end probe; or keep what is needed here in another global")
}

/// `sprintf` in an event handler with conversions `bpf_snprintf` does not have.
pub fn format_in_kernel(at: Span) -> Diagnostic {
    error("kernel-format", "this format cannot be made into a text inside an event handler", at)
        .help("there %d %u %x %c %s with a plain width work; print it instead, or format it in an end or timer probe")
}

pub fn sorted_foreach(at: Span) -> Diagnostic {
    error("kernel-sorted-foreach", "an event handler cannot sort an array", at)
        .help("sort in an end or timer probe, which run in user space")
}

pub fn foreach_histogram(at: Span) -> Diagnostic {
    error("kernel-foreach-histogram", "an event handler cannot walk over the buckets of a histogram", at)
        .help("do it in an end or timer probe, which run in user space")
}

/// `delete a[*, k]` or `[*, k] in a`; `what` is "delete" or "in".
pub fn wildcard_key(what: &str, at: Span) -> Diagnostic {
    error("kernel-wildcard-key", format!("an event handler cannot use '*' with '{what}'"), at)
        .help("name every key, or do it in an end or timer probe, which run in user space")
}

/// `what` kind of regular expression it is.
pub fn regex(what: &str, at: Span) -> Diagnostic {
    error("kernel-regex", format!("an event handler cannot match {what}"), at)
        .help("ask for the match where it is made; long repetitions are large; end and timer probes run in user space")
}

/// A literal that is longer than the longest string, where it becomes one.
pub fn literal_cut(n_bytes: usize, limit: usize, at: Span) -> Diagnostic {
    let message = format!("string literal of {n_bytes} bytes is cut to {limit}");
    Diagnostic::new("literal-cut", Severity::Warning, Stage::Generate, message)
        .at(at)
        .help("a higher limit may help: -D MAXSTRINGLEN=N")
}

/// A global whose new value is made of its old one, in an event handler, by more than one access.
pub fn several_steps(name: &str, at: Span) -> Diagnostic {
    let message = format!(
        "'{name}' is read and changed in separate steps: changes another processor makes between them are lost"
    );
    Diagnostic::new("several-steps", Severity::Warning, Stage::Generate, message)
        .at(at)
        .token(format!("identifier '{name}'"))
        .help("++, --, +=, -= and <<< are one step; an element of one's own, as a[tid()] or a[cpu()], needs none")
}

/// Something the kernel does behind a statement that may fail when user space runs it, at `before`.
pub fn not_kept_from_running(at: Span, before: Span) -> Diagnostic {
    let message = "this is done even when what waits for user space before it fails";
    Diagnostic::new("not-kept-from-running", Severity::Warning, Stage::Generate, message)
        .at(at)
        .related("this waits for user space", "", before)
        .help("write it before that, where the order is what it was meant to be; -w leaves this warning out")
}

/// A builtin we know and do not offer anywhere.
pub fn refused(name: &str, reason: &str, help: &str, at: Span) -> Diagnostic {
    error("refused-function", format!("function '{name}' is not available: {reason}"), at)
        .token(format!("identifier '{name}'"))
        .help(help)
}

/// `int_arg(7)`.
pub fn no_such_argument(number: i64, at: Span) -> Diagnostic {
    error("no-such-argument", format!("a system call has no argument {number}"), at)
        .help("arguments are counted from 1 to 6")
}

/// `register("rdx")` with another name.
pub fn no_such_register(arch: &str, at: Span) -> Diagnostic {
    let names = match arch {
        "aarch64" => "x0 to x30, fp, lr, sp and pc",
        _ => {
            "rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15 and rip, and eax and so on for the lower half of the first eight"
        }
    };
    error("no-such-register", "register() takes the name of a register, written out".to_owned(), at)
        .help(format!("on {arch} there are {names}"))
}

/// `process.begin` for a path on a kernel whose layout is not known.
pub fn unknown_layout(what: &str, at: Span) -> Diagnostic {
    error("unknown-layout", format!("the kernel's type information does not say where {what} is"), at)
        .help("a kernel built with CONFIG_DEBUG_INFO_BTF has it in /sys/kernel/btf/vmlinux")
}

/// Code generation refuses; `at` is where, if it is known.
pub fn not_for_ebpf(reason: &str, at: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        "not-for-ebpf",
        Severity::Error,
        Stage::Generate,
        format!("this cannot run in the kernel: {reason}"),
    );
    match at {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    }
    .help("make the handler smaller, or do this in a timer or end probe")
}
