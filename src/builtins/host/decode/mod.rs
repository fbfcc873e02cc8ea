//! System call arguments as strace shows them: `__tapdeck_<kind>(value) -> string`. Which argument has which kind stands
//! in `probes::syscall`; here is what each number is called. The tables are data from the kernel's UAPI headers, v6.1
//! with later additions.

mod errno;
mod files;
mod memory;
mod processes;
mod signals;
mod sockets;
mod special;
mod structs;
mod syscalls;
mod system;
mod waiting;

pub(super) use signals::{name as signal_name, number_or_name as signal_text};

use super::{Builtin, Host, Type, bytes, long_at};

/// Groups of rows, for [`crate::builtins::BUILTINS`].
pub static FILES: &[Builtin] = files::ROWS;
pub static MEMORY: &[Builtin] = memory::ROWS;
pub static PROCESSES: &[Builtin] = processes::ROWS;
pub static SOCKETS: &[Builtin] = sockets::ROWS;
pub static WAITING: &[Builtin] = waiting::ROWS;
pub static SYSTEM: &[Builtin] = system::ROWS;
pub static SPECIAL: &[Builtin] = special::ROWS;
pub static STRUCTS: &[Builtin] = structs::ROWS;
pub static ERRORS: &[Builtin] = errno::ROWS;

/// How a number becomes names.
pub(super) enum Table {
    /// One of these; anything else stays a number.
    Enum(&'static [(i64, &'static str)]),
    /// Bits joined by `|`. A row of several bits stands before its parts; what no row covers is hex at the end.
    Flags { zero: &'static str, bits: &'static [(u64, &'static str)] },
    /// The bits under `mask` are one of `choices`, the rest are flags.
    Choice { mask: u64, choices: &'static [(u64, &'static str)], bits: &'static [(u64, &'static str)] },
}

impl Table {
    pub fn text(&self, value: i64) -> String {
        match self {
            Table::Enum(rows) => match rows.iter().find(|(n, _)| same(*n, value)) {
                Some((_, name)) => (*name).to_owned(),
                None => value.to_string(),
            },
            Table::Flags { zero, bits } => {
                let mut text = String::new();
                push_bits(bits, as_bits(value), &mut text);
                if text.is_empty() { (*zero).to_owned() } else { text }
            }
            Table::Choice { mask, choices, bits } => {
                let value = as_bits(value);
                let (choice, rest) = (value & mask, value & !mask);
                // Some flags share bits with the mask's neighbours only, so the choice can be named first.
                let mut text = match choices.iter().find(|(n, _)| *n == choice) {
                    Some((_, name)) => (*name).to_owned(),
                    None => format!("{choice:#x}"),
                };
                push_bits(bits, rest, &mut text);
                text
            }
        }
    }
}

/// An `int` and its sign extension are the same number.
fn same(row: i64, value: i64) -> bool {
    row == value
        || (row as u32 == value as u32 && (value == i64::from(value as i32) || value == i64::from(value as u32)))
}

/// A negative `int` is 32 bits, not 64.
fn as_bits(value: i64) -> u64 {
    if value < 0 && value == i64::from(value as i32) { u64::from(value as u32) } else { value as u64 }
}

/// Appends the names of the bits, then what is left in hex, each after a `|` if something stands before.
fn push_bits(bits: &[(u64, &str)], mut value: u64, text: &mut String) {
    let mut push = |piece: &str| {
        if !text.is_empty() {
            text.push('|');
        }
        text.push_str(piece);
    };
    for (bit, name) in bits {
        if value & bit == *bit {
            push(name);
            value &= !bit;
        }
    }
    if value != 0 {
        push(&format!("{value:#x}"));
    }
}

/// Rows for tables: `"name" "what it is" = table;`.
macro_rules! decoders {
    ($($name:literal $doc:literal = $table:expr;)*) => {
        pub static ROWS: &[super::Builtin] = &[$(
            super::decoder($name, |args, _| {
                static TABLE: Table = $table;
                Ok(super::bytes(TABLE.text(super::long_at(args, 0))))
            }, $doc),
        )*];
    };
}
use decoders;

/// A row that takes a number and gives its text.
const fn decoder(name: &'static str, function: crate::builtins::HostFn, doc: &'static str) -> Builtin {
    crate::builtins::row(name, VALUE, Type::Str, Host(function), doc).pure()
}

const VALUE: &[crate::builtins::Param] = &[crate::builtins::long("value")];

#[cfg(test)]
mod tests {
    use crate::builtins::{Implementation, Value, find, get};

    #[track_caller]
    fn check(name: &str, args: &[Value], expected: &str) {
        let row = get(find(name, args.len()).unwrap_or_else(|| panic!("{name} with {} arguments", args.len())));
        let Implementation::Host(function) = row.implementation else { panic!("{name} is not a host function") };
        let value = function(args, &mut super::super::tests::Context::default()).unwrap();
        assert_eq!(value, Value::Str(expected.as_bytes().to_vec()), "{name}");
    }

    fn flag(kind: &str, value: i64, expected: &str) {
        check(&format!("__tapdeck_{kind}"), &[Value::Long(value)], expected);
    }

    #[test]
    fn flags_as_strace_shows_them() {
        flag("open_flags", 0, "O_RDONLY");
        flag("open_flags", 0x80241, "O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC");
        flag("open_flags", 0x101002, "O_RDWR|O_SYNC");
        flag("open_flags", 0x10000000, "O_RDONLY|0x10000000");
        flag("dirfd", -100, "AT_FDCWD");
        flag("dirfd", 0xffff_ff9c, "AT_FDCWD");
        flag("dirfd", 7, "7");
        flag("access_mode", 0, "F_OK");
        flag("access_mode", 5, "R_OK|X_OK");
        flag("file_mode", 0o100644, "S_IFREG|0644");
        flag("prot", 3, "PROT_READ|PROT_WRITE");
        flag("prot", 0, "PROT_NONE");
        flag("gfp", 0xcc0, "GFP_KERNEL");
        flag("gfp", 0x2d20, "GFP_ATOMIC|__GFP_ZERO|__GFP_DIRECT_RECLAIM|__GFP_NOWARN");
        flag("mmap_flags", 0x22, "MAP_PRIVATE|MAP_ANONYMOUS");
        flag("sock_domain", 10, "AF_INET6");
        flag("sock_type", 0x80801, "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        flag("clone_flags", 0x0120_0011, "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD");
        flag("clone_flags", 0x11, "SIGCHLD");
        flag("wait_options", 1, "WNOHANG");
        flag("signal", 15, "SIGTERM");
        flag("signal", 0, "0");
        flag("signal", 34, "SIGRT_2");
        flag("futex_op", 0x81, "FUTEX_WAKE|FUTEX_PRIVATE_FLAG");
        flag("epoll_op", 1, "EPOLL_CTL_ADD");
        flag("whence", 99, "99");
        flag("ipc_flags", 0o1600, "IPC_CREAT|0600");
        flag("ipc_key", 0, "IPC_PRIVATE");
        flag("ipc_key", 0x1234, "0x1234");
        flag("ioctl_cmd", 0x5401, "TCGETS");
        flag("ioctl_cmd", 0x8010_5401, "_IOC(_IOC_READ, 0x54, 0x1, 0x10)");
        flag("reboot_magic", -18751827, "LINUX_REBOOT_MAGIC1");
        flag("rusage_who", -1, "RUSAGE_CHILDREN");
        flag("quota_cmd", 0x8000_0700, "QCMD(Q_GETQUOTA, USRQUOTA)");
    }

    #[test]
    fn every_kind_the_syscall_tables_use_is_here() {
        for (kind, _) in crate::probes::syscall::decode::FLAG_KINDS {
            assert!(find(&format!("__tapdeck_{kind}"), 1).is_some(), "{kind}");
        }
        for special in crate::probes::syscall::decode::SPECIAL_DECODERS {
            assert!(find(special.name, special.params.len()).is_some(), "{}", special.name);
        }
    }

    #[test]
    fn structs_and_special_decoders() {
        use Value::{Long, Str};
        let longs = |numbers: &[i64]| numbers.iter().map(|n| Long(*n)).collect::<Vec<_>>();
        check("__tapdeck_timespec", &longs(&[0, 1, 2]), "NULL");
        check("__tapdeck_timespec", &longs(&[9, 1, 500_000_000]), "{tv_sec=1, tv_nsec=500000000}");
        check("__tapdeck_timespecs", &longs(&[9, 1, 0, 5, 0x3fff_ffff]), "[{tv_sec=1, tv_nsec=0}, UTIME_NOW]");
        check(
            "__tapdeck_itimerval",
            &longs(&[9, 0, 0, 1, 0]),
            "{it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=1, tv_usec=0}}",
        );
        check("__tapdeck_rlimit_value", &longs(&[9, 1024, -1]), "{rlim_cur=1024, rlim_max=RLIM64_INFINITY}");
        let inet = i64::from_le_bytes([2, 0, 0, 53, 127, 0, 0, 1]);
        let none = Str(Vec::new());
        let sockaddr =
            |len, w: [i64; 3], text: Value| vec![Long(9), Long(len), Long(w[0]), Long(w[1]), Long(w[2]), text];
        check("__tapdeck_sockaddr", &sockaddr(16, [inet, 0, 0], none.clone()), "{AF_INET, 127.0.0.1, 53}");
        let inet6 = i64::from_le_bytes([10, 0, 0, 80, 0, 0, 0, 0]);
        check(
            "__tapdeck_sockaddr",
            &sockaddr(28, [inet6, 0, 0x0100_0000_0000_0000], none.clone()),
            "{AF_INET6, ::1, 80}",
        );
        check("__tapdeck_sockaddr", &sockaddr(9, [1, 0, 0], Str(b"/run/x".to_vec())), "{AF_UNIX, \"/run/x\"}");
        check("__tapdeck_create_mode", &longs(&[0x41, 0o644]), ", 0644");
        check("__tapdeck_create_mode", &longs(&[0, 0o644]), "");
        check("__tapdeck_sockopt_name", &longs(&[1, 2]), "SO_REUSEADDR");
        check("__tapdeck_sock_protocol", &longs(&[2, 6]), "IPPROTO_TCP");
        check("__tapdeck_sock_protocol", &longs(&[1, 6]), "6");
        let text = |s: &str| Str(s.as_bytes().to_vec());
        check("__tapdeck_argv", &[Long(9), Long(2), text("ls"), text("-l"), text(""), text("")], "[\"ls\", \"-l\"]");
        check("__tapdeck_returnstr", &longs(&[-2, 1]), "-2 (ENOENT)");
        check("__tapdeck_returnstr", &longs(&[255, 2]), "0xff");
        check("__tapdeck_returnstr", &longs(&[0, 2]), "0x0");
        check("__tapdeck_returnstr", &longs(&[8, 3]), "010");
        check("__tapdeck_syscall_name", &longs(&[100_000]), "syscall_100000");
    }
}
