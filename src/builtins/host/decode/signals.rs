//! Signal names. Values from include/uapi/asm-generic/signal.h.

#[rustfmt::skip]
static NAMES: [&str; 32] = [
    "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
    "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
];

/// `SIGTERM`; `SIGRTMIN` and `SIGRT_n` for real-time ones.
pub fn name(number: i64) -> Option<String> {
    match number {
        1..32 => Some(NAMES[number as usize].to_owned()),
        32 => Some("SIGRTMIN".to_owned()),
        33..=64 => Some(format!("SIGRT_{}", number - 32)),
        _ => None,
    }
}

pub fn number_or_name(number: i64) -> String {
    name(number).unwrap_or_else(|| number.to_string())
}
