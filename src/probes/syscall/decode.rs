//! What kinds of arguments system calls have: how each is read, named and shown.
//!
//! Decoders are builtins, pure functions called `__tapdeck_<kind>` that give strace's text for a number; so they run in
//! user space on the captured number. Those of [`FLAG_KINDS`] take the number alone; [`SPECIAL_DECODERS`] lists the
//! others with their parameters.

/// How an argument word is cut to its C type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Int,
    Uint,
    /// 16 bits: `umode_t`.
    Ushort,
    Long,
    Ulong,
    /// An address in the caller's memory.
    Pointer,
}

/// What a script sees of an argument and what `argstr` shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// The number, by this conversion.
    Number(&'static str),
    /// `__tapdeck_<kind>(value)`, the number staying a number; also as `<name>_str`.
    Decoded,
    /// A NUL-terminated text, quoted; the variable is the quoted text, `<name>_uaddr` the address.
    Text,
    /// Bytes the caller hands over, as many as the next argument says; shown quoted and short.
    Data,
    /// Octal permissions that mean something only when the argument before says that a file is created.
    CreateMode,
    /// A struct read through the pointer by a special decoder; also as `<name>_str`.
    Struct,
}

/// One kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub cut: Cut,
    pub show: Show,
}

const fn number(name: &'static str, cut: Cut, conversion: &'static str) -> Kind {
    Kind { name, cut, show: Show::Number(conversion) }
}

const fn kind(name: &'static str, cut: Cut, show: Show) -> Kind {
    Kind { name, cut, show }
}

/// Kinds that are not shown by a decoder of their own name.
pub static PLAIN_KINDS: &[Kind] = &[
    number("int", Cut::Int, "%d"),
    number("fd", Cut::Int, "%d"),
    number("pid", Cut::Int, "%d"),
    number("id", Cut::Int, "%d"),
    number("uint", Cut::Uint, "%u"),
    number("long", Cut::Long, "%d"),
    number("ulong", Cut::Ulong, "%u"),
    number("size", Cut::Ulong, "%u"),
    number("offset", Cut::Long, "%d"),
    number("ptr", Cut::Pointer, "%p"),
    number("addr", Cut::Ulong, "%p"),
    number("hex", Cut::Uint, "%#x"),
    number("hexlong", Cut::Ulong, "%#x"),
    number("mode", Cut::Ushort, "%#o"),
    number("umask", Cut::Int, "%#o"),
    kind("create_mode", Cut::Ushort, Show::CreateMode),
    kind("path", Cut::Pointer, Show::Text),
    kind("text", Cut::Pointer, Show::Text),
    kind("data", Cut::Pointer, Show::Data),
    kind("timespec", Cut::Pointer, Show::Struct),
    kind("timeval", Cut::Pointer, Show::Struct),
    kind("timespecs", Cut::Pointer, Show::Struct),
    kind("timevals", Cut::Pointer, Show::Struct),
    kind("itimerval", Cut::Pointer, Show::Struct),
    kind("itimerspec", Cut::Pointer, Show::Struct),
    kind("rlimit_value", Cut::Pointer, Show::Struct),
    kind("sockaddr", Cut::Pointer, Show::Struct),
    kind("argv", Cut::Pointer, Show::Struct),
    kind("sockopt_name", Cut::Int, Show::Decoded),
    kind("sock_protocol", Cut::Int, Show::Decoded),
];

/// Kinds with a decoder `__tapdeck_<name>(value) -> string`. A value with bits no name covers shows them in hex at the
/// end (`O_RDONLY|0x10000000`); an unknown value of an enumeration shows as a number.
pub static FLAG_KINDS: &[(&str, Cut)] = &[
    ("open_flags", Cut::Int),    // O_RDONLY|O_CREAT; fcntl-linux.h
    ("dirfd", Cut::Int),         // AT_FDCWD, or the number
    ("fd_flags", Cut::Int),      // O_CLOEXEC|O_NONBLOCK, without an access mode
    ("faccess_flags", Cut::Int), // AT_EACCESS|…
    ("access_mode", Cut::Int),   // F_OK, or R_OK|W_OK|X_OK
    ("at_flags", Cut::Int),      // AT_SYMLINK_NOFOLLOW|…; 0x0 for none
    ("file_mode", Cut::Ushort),  // S_IFREG|0644
    ("whence", Cut::Int),        // SEEK_SET …
    ("prot", Cut::Ulong),        // PROT_NONE, PROT_READ|PROT_WRITE
    ("mmap_flags", Cut::Ulong),  // MAP_PRIVATE|MAP_ANONYMOUS
    ("mremap_flags", Cut::Ulong),
    ("msync_flags", Cut::Int),
    ("mlock2_flags", Cut::Int),
    ("mlockall_flags", Cut::Int),
    ("madvise", Cut::Int),
    ("fadvise", Cut::Int),
    ("signal", Cut::Int),        // SIGTERM; SIGRT_1; 0
    ("sigmask_how", Cut::Int),   // SIG_BLOCK …
    ("sock_domain", Cut::Int),   // AF_INET …
    ("sock_type", Cut::Int),     // SOCK_STREAM|SOCK_CLOEXEC
    ("sockopt_level", Cut::Int), // SOL_SOCKET …
    ("shutdown_how", Cut::Int),  // SHUT_RD …
    ("msg_flags", Cut::Uint),    // MSG_DONTWAIT|…
    ("accept_flags", Cut::Int),  // SOCK_CLOEXEC|SOCK_NONBLOCK
    ("clone_flags", Cut::Ulong), // CLONE_VM|…|SIGCHLD: the low byte is the exit signal
    ("wait_options", Cut::Int),
    ("waitid_type", Cut::Int), // P_PID …
    ("fcntl_cmd", Cut::Int),
    ("flock_op", Cut::Int),
    ("futex_op", Cut::Int), // FUTEX_WAIT|FUTEX_PRIVATE_FLAG
    ("futex2_flags", Cut::Uint),
    ("epoll_op", Cut::Int),    // EPOLL_CTL_ADD …
    ("epoll_flags", Cut::Int), // EPOLL_CLOEXEC
    ("eventfd_flags", Cut::Int),
    ("signalfd_flags", Cut::Int),
    ("timerfd_flags", Cut::Int),
    ("timer_flags", Cut::Int), // TIMER_ABSTIME
    ("inotify_flags", Cut::Int),
    ("inotify_mask", Cut::Uint),
    ("mount_flags", Cut::Ulong), // MS_RDONLY|…
    ("umount_flags", Cut::Int),
    ("rlimit", Cut::Int), // RLIMIT_NOFILE …
    ("clock", Cut::Int),  // CLOCK_REALTIME …
    ("itimer", Cut::Int), // ITIMER_REAL …
    ("prctl_option", Cut::Int),
    ("arch_prctl_option", Cut::Int),
    ("ptrace_request", Cut::Long),
    ("priority_which", Cut::Int), // PRIO_PROCESS …
    ("rusage_who", Cut::Int),     // RUSAGE_SELF …
    ("sched_policy", Cut::Int),   // SCHED_OTHER …
    ("ipc_key", Cut::Int),        // IPC_PRIVATE, or hex
    ("ipc_flags", Cut::Int),      // IPC_CREAT|0600
    ("ipc_cmd", Cut::Int),        // IPC_RMID …; also SETVAL … of semctl
    ("msgop_flags", Cut::Int),    // IPC_NOWAIT|MSG_NOERROR
    ("shmat_flags", Cut::Int),
    ("rename_flags", Cut::Uint),
    ("xattr_flags", Cut::Int),
    ("getrandom_flags", Cut::Uint),
    ("memfd_flags", Cut::Uint),
    ("splice_flags", Cut::Uint),
    ("fallocate_mode", Cut::Int),
    ("sync_range_flags", Cut::Uint),
    ("statx_mask", Cut::Uint),
    ("swap_flags", Cut::Int),
    ("reboot_magic", Cut::Int),
    ("reboot_cmd", Cut::Uint),
    ("seccomp_op", Cut::Uint),
    ("seccomp_flags", Cut::Uint),
    ("bpf_cmd", Cut::Int),
    ("keyctl_option", Cut::Int),
    ("perf_flags", Cut::Ulong),
    ("kcmp_type", Cut::Int),
    ("membarrier_cmd", Cut::Int),
    ("userfaultfd_flags", Cut::Int),
    ("ioprio_which", Cut::Int),
    ("mempolicy_mode", Cut::Int),
    ("mempolicy_flags", Cut::Ulong),
    ("module_flags", Cut::Uint), // delete_module: O_NONBLOCK|O_TRUNC
    ("finit_module_flags", Cut::Int),
    ("ioctl_cmd", Cut::Uint), // TCGETS …, or _IOC(_IOC_READ, 0x54, 0x1, 0x10)
    ("close_range_flags", Cut::Uint),
    ("pidfd_flags", Cut::Uint),
    ("preadv2_flags", Cut::Int), // RWF_…
    ("fanotify_flags", Cut::Uint),
    ("fanotify_mark_flags", Cut::Uint),
    ("quota_cmd", Cut::Uint),
    ("io_uring_register_op", Cut::Uint),
    ("io_uring_enter_flags", Cut::Uint),
    ("landlock_flags", Cut::Uint),
];

/// A decoder with parameters of its own. `addr` is the pointer itself, so that NULL shows as NULL; `w0`, `w1` … are the
/// 8-byte words at it, read in the kernel (0 where unreadable).
#[derive(Clone, Copy, Debug)]
pub struct SpecialDecoder {
    pub name: &'static str,
    pub params: &'static [&'static str],
    pub shows: &'static str,
}

pub static SPECIAL_DECODERS: &[SpecialDecoder] = &[
    SpecialDecoder {
        name: "__tapdeck_create_mode",
        params: &["flags", "mode"],
        shows: "`, 0644` when the open flags have O_CREAT or O_TMPFILE, else nothing",
    },
    SpecialDecoder {
        name: "__tapdeck_timespec",
        params: &["addr", "w0", "w1"],
        shows: "NULL, or {tv_sec=1, tv_nsec=500000000}",
    },
    SpecialDecoder {
        name: "__tapdeck_timeval",
        params: &["addr", "w0", "w1"],
        shows: "NULL, or {tv_sec=1, tv_usec=5}",
    },
    SpecialDecoder {
        name: "__tapdeck_timespecs",
        params: &["addr", "w0", "w1", "w2", "w3"],
        shows: "NULL, or [{tv_sec=1, tv_nsec=0}, UTIME_NOW]: utimensat(2)",
    },
    SpecialDecoder {
        name: "__tapdeck_timevals",
        params: &["addr", "w0", "w1", "w2", "w3"],
        shows: "NULL, or [{tv_sec=1, tv_usec=0}, {tv_sec=1, tv_usec=0}]",
    },
    SpecialDecoder {
        name: "__tapdeck_itimerval",
        params: &["addr", "w0", "w1", "w2", "w3"],
        shows: "NULL, or {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=1, tv_usec=0}}",
    },
    SpecialDecoder {
        name: "__tapdeck_itimerspec",
        params: &["addr", "w0", "w1", "w2", "w3"],
        shows: "NULL, or {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=1, tv_nsec=0}}",
    },
    SpecialDecoder {
        name: "__tapdeck_rlimit_value",
        params: &["addr", "w0", "w1"],
        shows: "NULL, or {rlim_cur=1024, rlim_max=RLIM64_INFINITY}",
    },
    SpecialDecoder {
        name: "__tapdeck_sockaddr",
        params: &["addr", "len", "w0", "w1", "w2", "text"],
        shows: "{AF_INET, 127.0.0.1, 53}, {AF_INET6, ::1, 53}, {AF_UNIX, \"/run/x\"}: `text` is what follows the family",
    },
    SpecialDecoder {
        name: "__tapdeck_sockopt_name",
        params: &["level", "name"],
        shows: "SO_REUSEADDR for SOL_SOCKET, TCP_NODELAY for SOL_TCP; else the number",
    },
    SpecialDecoder {
        name: "__tapdeck_sock_protocol",
        params: &["domain", "protocol"],
        shows: "IPPROTO_TCP for AF_INET and AF_INET6, NETLINK_ROUTE for AF_NETLINK; else the number",
    },
    SpecialDecoder {
        name: "__tapdeck_argv",
        params: &["addr", "n0", "a0", "a1", "a2", "a3"],
        shows: "[\"ls\", \"-l\"] of up to four texts; `n0`: how many pointers come before the NULL, 5 for more than four",
    },
    SpecialDecoder {
        name: "__tapdeck_returnstr",
        params: &["value", "style"],
        shows: "`-2 (ENOENT)` for -4095..-1, else the number: style 1 decimal, 2 hex (addresses), 3 octal",
    },
    SpecialDecoder {
        name: "__tapdeck_syscall_name",
        params: &["nr"],
        shows: "the name of a syscall number on this architecture, or `syscall_510`",
    },
];

/// The kind of a table row's word.
pub fn find_kind(name: &str) -> Option<Kind> {
    if let Some(plain) = PLAIN_KINDS.iter().find(|kind| kind.name == name) {
        return Some(*plain);
    }
    FLAG_KINDS.iter().find(|(flag, _)| *flag == name).map(|(name, cut)| Kind { name, cut: *cut, show: Show::Decoded })
}
