//! Signals by number, and what a `struct sigaction` says of them. function::signal_str and its neighbours.

use super::{Builtin, Host, Type, bytes, decode, long_at};
use crate::builtins::{long, row};

pub static ROWS: &[Builtin] = &[
    row(
        "_signal_name",
        &[long("num")],
        Type::Str,
        Host(|args, _| Ok(bytes(decode::signal_text(long_at(args, 0))))),
        "The name of a signal: SIGKILL for 9.",
    )
    .pure()
    .at_most(15),
    row(
        "signal_str",
        &[long("num")],
        Type::Str,
        Host(|args, _| Ok(bytes(signal_str(long_at(args, 0))))),
        "The name of a signal, or UNKNOWN_SIG:99.",
    )
    .pure()
    .at_most(31),
    row(
        "sigset_mask_str",
        &[long("mask")],
        Type::Str,
        Host(|args, _| Ok(bytes(decode::signal_set(long_at(args, 0))))),
        "The names of the signals in a set, joined by |.",
    )
    .pure(),
    row(
        "sa_flags_str",
        &[long("sa_flags")],
        Type::Str,
        Host(|args, _| Ok(bytes(sa_flags(long_at(args, 0))))),
        "The names of sigaction(2) flags, joined by |.",
    )
    .pure()
    .at_most(127),
    row(
        "sa_handler_str",
        &[long("handler")],
        Type::Str,
        Host(|args, _| Ok(bytes(handler(long_at(args, 0))))),
        "What a signal handler's address means: default, ignored, or the address.",
    )
    .pure()
    .at_most(31),
];

fn signal_str(number: i64) -> String {
    decode::signal_name(number).unwrap_or_else(|| format!("UNKNOWN_SIG:{number}"))
}

/// Values from include/uapi/asm-generic/signal-defs.h.
#[rustfmt::skip]
static SA_FLAGS: &[(u64, &str)] = &[
    (1, "SA_NOCLDSTOP"), (2, "SA_NOCLDWAIT"), (4, "SA_SIGINFO"), (0x400, "SA_UNSUPPORTED"),
    (0x800, "SA_EXPOSE_TAGBITS"), (0x0400_0000, "SA_RESTORER"), (0x0800_0000, "SA_ONSTACK"),
    (0x1000_0000, "SA_RESTART"), (0x4000_0000, "SA_NODEFER"), (0x8000_0000, "SA_RESETHAND"),
];

fn sa_flags(flags: i64) -> String {
    decode::Table::Flags { zero: "0", bits: SA_FLAGS }.text(flags)
}

fn handler(address: i64) -> String {
    match address {
        0 => "default".to_owned(),
        1 => "ignored".to_owned(),
        _ => format!("{address:#x}"),
    }
}
