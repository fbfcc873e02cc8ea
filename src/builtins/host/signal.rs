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
        "The name of a signal without SIG: KILL for 9, RTMIN+1 for 33; empty for a number that is none.",
    )
    .pure()
    .at_most(31),
    row(
        "sigset_mask_str",
        &[long("mask")],
        Type::Str,
        Host(|args, _| Ok(bytes(sigset(long_at(args, 0))))),
        "The numbers of the signals in a set, joined by commas; the 64th is left out.",
    )
    .pure(),
    row(
        "sa_flags_str",
        &[long("sa_flags")],
        Type::Str,
        Host(|args, _| Ok(bytes(sa_flags(long_at(args, 0))))),
        "The names of sigaction(2) flags without SA_, joined by |; flags without a name are left out.",
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
    match number {
        29 => "IO/POLL".to_owned(),
        32 => "RTMIN".to_owned(),
        33..=64 => format!("RTMIN+{}", number - 32),
        _ => decode::signal_name(number).map(|name| name.replacen("SIG", "", 1)).unwrap_or_default(),
    }
}

/// Bit 0 is signal 1.
fn sigset(mask: i64) -> String {
    let numbers = (1..64).filter(|number| mask >> (number - 1) & 1 != 0);
    numbers.map(|number: i64| number.to_string()).collect::<Vec<_>>().join(",")
}

/// Values from include/uapi/asm-generic/signal-defs.h, in the order they are told.
#[rustfmt::skip]
static SA_FLAGS: &[(i64, &str)] = &[
    (1, "NOCLDSTOP"), (2, "NOCLDWAIT"), (4, "SIGINFO"), (0x0800_0000, "ONSTACK"), (0x1000_0000, "RESTART"),
    (0x4000_0000, "NODEFER"), (0x8000_0000, "RESETHAND"), (0x0400_0000, "RESTORER"),
];

fn sa_flags(flags: i64) -> String {
    let names: Vec<&str> = SA_FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    names.join("|")
}

fn handler(address: i64) -> String {
    match address {
        0 => "default".to_owned(),
        1 => "ignored".to_owned(),
        _ => format!("{address:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n, s};

    #[test]
    fn signals() {
        let mut context = Context::default();
        let mut text = |name: &str, number: i64| call(&mut context, name, &[n(number)]).unwrap();
        for (number, name) in
            [(0, ""), (1, "HUP"), (9, "KILL"), (29, "IO/POLL"), (32, "RTMIN"), (64, "RTMIN+32"), (65, "")]
        {
            assert_eq!(text("signal_str", number), s(name));
        }
        assert_eq!(text("sigset_mask_str", 0x8000_0000_0000_0103u64 as i64), s("1,2,9"));
        assert_eq!(text("sa_flags_str", 0x1400_0023), s("NOCLDSTOP|NOCLDWAIT|RESTART|RESTORER"));
        assert_eq!(text("sa_flags_str", 0), s(""));
        assert_eq!(
            ["default", "ignored", "0x1234"].map(s),
            [0, 1, 0x1234].map(|address| text("sa_handler_str", address))
        );
    }
}
