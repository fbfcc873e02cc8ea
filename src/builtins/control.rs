//! Ending, failing, and telling: what a handler does to the session.

use Implementation::Lowered;

use super::{Builtin, Implementation, Special, Stream, Value, row, string};
use crate::language::types::Type::Unknown;

pub static ROWS: &[Builtin] = &[
    row("exit", &[], Unknown, Lowered(Special::Exit), "Ends the session; this handler finishes and `end` probes run."),
    row(
        "abort",
        &[],
        Unknown,
        Lowered(Special::Abort),
        "Ends the session and this handler at once; `catch` does not see it.",
    ),
    row("error", &[string("msg")], Unknown, Lowered(Special::Error), "Ends this handler with a script error."),
    row(
        "warn",
        &[string("msg")],
        Unknown,
        Lowered(Special::Message(Stream::Warning)),
        "Writes a warning to standard error.",
    ),
    row("log", &[string("msg")], Unknown, Lowered(Special::Message(Stream::Output)), "Writes a line to the output."),
    row(
        "ftrace",
        &[string("msg")],
        Unknown,
        Lowered(Special::Message(Stream::Ftrace)),
        "Writes a line to the kernel's trace buffer (tracefs `trace`).",
    ),
    row(
        "system",
        &[string("cmd")],
        Unknown,
        Lowered(Special::Message(Stream::Shell)),
        "Runs a shell command in the background, as the user who runs the script.",
    ),
    row(
        "switch_file",
        &[],
        Unknown,
        Implementation::Host(|_, context| {
            context.next_output_file();
            Ok(Value::Long(0))
        }),
        "Goes on with the next file of -o and -S, as SIGUSR2 asks for.",
    ),
];
