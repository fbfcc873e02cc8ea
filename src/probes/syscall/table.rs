//! Every system call: number on x86_64, number on arm64 (-1: not there), names, arguments.
//!
//! Names: first the one `name` shows, which is SystemTap's where the two differ; then others a probe point may use
//! (`syscall.pipe` is pipe and pipe2). Arguments: `names:kind`, names being SystemTap's first, then the manual page's;
//! kinds are those of [`super::decode`]. Numbers: arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub x86_64: i16,
    pub arm64: i16,
    /// Separated by `|`.
    pub names: &'static str,
    /// Separated by spaces.
    pub args: &'static str,
}

impl Row {
    /// What `name` shows.
    pub fn name(&self) -> &'static str {
        self.names.split('|').next().unwrap_or(self.names)
    }

    pub fn all_names(&self) -> impl Iterator<Item = &'static str> {
        self.names.split('|')
    }

    /// `None`: this architecture has no such call.
    pub fn number(&self, arch: &str) -> Option<u32> {
        let number = if arch == "aarch64" { self.arm64 } else { self.x86_64 };
        u32::try_from(number).ok()
    }

    /// `(names, kind)` of each argument.
    pub fn args(&self) -> impl Iterator<Item = (impl Iterator<Item = &'static str> + Clone, &'static str)> {
        self.args.split_whitespace().map(|arg| {
            let (names, kind) = arg.split_once(':').unwrap_or((arg, "ulong"));
            (names.split('/'), kind)
        })
    }
}

const fn r(x86_64: i16, arm64: i16, names: &'static str, args: &'static str) -> Row {
    Row { x86_64, arm64, names, args }
}

#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    r(0, 63, "read", "fd:fd buf:ptr count:size"),
    r(1, 64, "write", "fd:fd buf:data count:size"),
    r(2, -1, "open", "filename/pathname:path flags:open_flags mode:create_mode"),
    r(3, 57, "close", "fd:fd"),
    r(4, -1, "stat|newstat", "filename/pathname:path buf/statbuf:ptr"),
    r(5, 80, "fstat|newfstat", "filedes/fd:fd buf/statbuf:ptr"),
    r(6, -1, "lstat|newlstat", "path/pathname:path buf/statbuf:ptr"),
    r(7, -1, "poll", "ufds/fds:ptr nfds:uint timeout:int"),
    r(8, 62, "lseek", "fildes/fd:fd offset:offset whence:whence"),
    r(9, 222, "mmap|mmap2", "start/addr:addr length/len:size prot:prot flags:mmap_flags fd:fd offset:hexlong"),
    r(10, 226, "mprotect", "addr:addr len:size prot:prot"),
    r(11, 215, "munmap", "start/addr:addr length/len:size"),
    r(12, 214, "brk", "brk/addr:addr"),
    r(13, 134, "rt_sigaction", "sig/signum:signal act:ptr oact/oldact:ptr sigsetsize:size"),
    r(14, 135, "rt_sigprocmask", "how:sigmask_how set:ptr oldset:ptr sigsetsize:size"),
    r(15, 139, "rt_sigreturn", ""),
    r(16, 29, "ioctl", "fd:fd request/cmd:ioctl_cmd argp/arg:addr"),
    r(17, 67, "pread|pread64", "fd:fd buf:ptr count:size offset:offset"),
    r(18, 68, "pwrite|pwrite64", "fd:fd buf:data count:size offset:offset"),
    r(19, 65, "readv", "fd:fd vector/iov:ptr count/iovcnt:int"),
    r(20, 66, "writev", "fd:fd vector/iov:ptr count/iovcnt:int"),
    r(21, -1, "access", "pathname:path mode:access_mode"),
    r(22, -1, "pipe", "fildes/pipefd:ptr"),
    r(23, -1, "select", "n/nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:timeval"),
    r(24, 124, "sched_yield", ""),
    r(25, 216, "mremap", "old_address:addr old_size:size new_size:size flags:mremap_flags new_address:addr"),
    r(26, 227, "msync", "start/addr:addr length/len:size flags:msync_flags"),
    r(27, 232, "mincore", "start/addr:addr length/len:size vec:ptr"),
    r(28, 233, "madvise", "start/addr:addr length/len:size advice:madvise"),
    r(29, 194, "shmget", "key:ipc_key size:size shmflg:ipc_flags"),
    r(30, 196, "shmat", "shmid:id shmaddr:ptr shmflg:shmat_flags"),
    r(31, 195, "shmctl", "shmid:id cmd/op:ipc_cmd buf:ptr"),
    r(32, 23, "dup", "oldfd:fd"),
    r(33, -1, "dup2", "oldfd:fd newfd:fd"),
    r(34, -1, "pause", ""),
    r(35, 101, "nanosleep", "req/duration:timespec rem:ptr"),
    r(36, 102, "getitimer", "which:itimer value/curr_value:ptr"),
    r(37, -1, "alarm", "seconds:uint"),
    r(38, 103, "setitimer", "which:itimer value/new_value:itimerval ovalue/old_value:ptr"),
    r(39, 172, "getpid", ""),
    r(40, 71, "sendfile|sendfile64", "out_fd:fd in_fd:fd offset:ptr count:size"),
    r(41, 198, "socket", "family/domain:sock_domain type:sock_type protocol:sock_protocol"),
    r(42, 203, "connect", "sockfd:fd serv_addr/addr:sockaddr addrlen:int"),
    r(43, 202, "accept", "sockfd:fd addr:ptr addrlen:ptr"),
    r(44, 206, "sendto", "s/sockfd:fd buf:data len:size flags:msg_flags to/dest_addr:sockaddr tolen/addrlen:int"),
    r(45, 207, "recvfrom", "s/sockfd:fd buf:ptr len:size flags:msg_flags addr/src_addr:ptr addrlen:ptr"),
    r(46, 211, "sendmsg", "s/sockfd:fd msg:ptr flags:msg_flags"),
    r(47, 212, "recvmsg", "s/sockfd:fd msg:ptr flags:msg_flags"),
    r(48, 210, "shutdown", "s/sockfd:fd how:shutdown_how"),
    r(49, 200, "bind", "sockfd:fd my_addr/addr:sockaddr addrlen:int"),
    r(50, 201, "listen", "sockfd:fd backlog:int"),
    r(51, 204, "getsockname", "s/sockfd:fd name/addr:ptr namelen/addrlen:ptr"),
    r(52, 205, "getpeername", "s/sockfd:fd name/addr:ptr namelen/addrlen:ptr"),
    r(53, 199, "socketpair", "family/domain:sock_domain type:sock_type protocol:sock_protocol sv:ptr"),
    r(54, 208, "setsockopt", "fd/sockfd:fd level:sockopt_level optname:sockopt_name optval:ptr optlen:int"),
    r(55, 209, "getsockopt", "fd/sockfd:fd level:sockopt_level optname:sockopt_name optval:ptr optlen:ptr"),
    r(56, 220, "clone", "clone_flags/flags:clone_flags stack_start/stack:addr parent_tid:ptr child_tid:ptr tls:addr"),
    r(57, -1, "fork", ""),
    r(58, -1, "vfork", ""),
    r(59, 221, "execve", "filename/pathname:path argv:argv envp:ptr"),
    r(60, 93, "exit|_exit", "status:int"),
    r(61, 260, "wait4", "pid:pid status/wstatus:ptr options:wait_options rusage:ptr"),
    r(62, 129, "kill", "pid:pid sig:signal"),
    r(63, 160, "uname|newuname", "name/buf:ptr"),
    r(64, 190, "semget", "key:ipc_key nsems:int semflg:ipc_flags"),
    r(65, 193, "semop", "semid:id sops/tsops:ptr nsops:uint"),
    r(66, 191, "semctl", "semid:id semnum:int cmd/op:ipc_cmd arg:addr"),
    r(67, 197, "shmdt", "shmaddr:ptr"),
    r(68, 186, "msgget", "key:ipc_key msgflg:ipc_flags"),
    r(69, 189, "msgsnd", "msqid:id msgp:ptr msgsz:size msgflg:msgop_flags"),
    r(70, 188, "msgrcv", "msqid:id msgp:ptr msgsz:size msgtyp:long msgflg:msgop_flags"),
    r(71, 187, "msgctl", "msqid:id cmd/op:ipc_cmd buf:ptr"),
    r(72, 25, "fcntl", "fd:fd cmd/op:fcntl_cmd arg:hexlong"),
    r(73, 32, "flock", "fd:fd operation/op:flock_op"),
    r(74, 82, "fsync", "fd:fd"),
    r(75, 83, "fdatasync", "fd:fd"),
    r(76, 45, "truncate", "path:path length:offset"),
    r(77, 46, "ftruncate", "fd:fd length:offset"),
    r(78, -1, "getdents", "fd:fd dirp:ptr count:uint"),
    r(79, 17, "getcwd", "buf:ptr size:size"),
    r(80, 49, "chdir", "path:path"),
    r(81, 50, "fchdir", "fd:fd"),
    r(82, -1, "rename", "oldpath:path newpath:path"),
    r(83, -1, "mkdir", "pathname:path mode:mode"),
    r(84, -1, "rmdir", "pathname:path"),
    r(85, -1, "creat", "pathname:path mode:mode"),
    r(86, -1, "link", "oldpath:path newpath:path"),
    r(87, -1, "unlink", "pathname:path"),
    r(88, -1, "symlink", "oldpath/target:path newpath/linkpath:path"),
    r(89, -1, "readlink", "path/pathname:path buf:ptr bufsiz:int"),
    r(90, -1, "chmod", "path/pathname:path mode:mode"),
    r(91, 52, "fchmod", "fildes/fd:fd mode:mode"),
    r(92, -1, "chown", "path/pathname:path owner:id group:id"),
    r(93, 55, "fchown", "fd:fd owner:id group:id"),
    r(94, -1, "lchown", "path/pathname:path owner:id group:id"),
    r(95, 166, "umask", "mask:umask"),
    r(96, 169, "gettimeofday", "tv:ptr tz:ptr"),
    r(97, 163, "getrlimit", "resource:rlimit rlim:ptr"),
    r(98, 165, "getrusage", "who:rusage_who usage:ptr"),
    r(99, 179, "sysinfo", "info:ptr"),
    r(100, 153, "times", "buf:ptr"),
    r(101, 117, "ptrace", "request/op:ptrace_request pid:pid addr:addr data:hexlong"),
    r(102, 174, "getuid", ""),
    r(103, 116, "syslog", "type:int bufp:ptr len:int"),
    r(104, 176, "getgid", ""),
    r(105, 146, "setuid", "uid:id"),
    r(106, 144, "setgid", "gid:id"),
    r(107, 175, "geteuid", ""),
    r(108, 177, "getegid", ""),
    r(109, 154, "setpgid", "pid:pid pgid:pid"),
    r(110, 173, "getppid", ""),
    r(111, -1, "getpgrp", ""),
    r(112, 157, "setsid", ""),
    r(113, 145, "setreuid", "ruid:id euid:id"),
    r(114, 143, "setregid", "rgid:id egid:id"),
    r(115, 158, "getgroups", "size:int list:ptr"),
    r(116, 159, "setgroups", "size:int list:ptr"),
    r(117, 147, "setresuid", "ruid:id euid:id suid:id"),
    r(118, 148, "getresuid", "ruid:ptr euid:ptr suid:ptr"),
    r(119, 149, "setresgid", "rgid:id egid:id sgid:id"),
    r(120, 150, "getresgid", "rgid:ptr egid:ptr sgid:ptr"),
    r(121, 155, "getpgid", "pid:pid"),
    r(122, 151, "setfsuid", "fsuid:id"),
    r(123, 152, "setfsgid", "fsgid:id"),
    r(124, 156, "getsid", "pid:pid"),
    r(125, 90, "capget", "header/hdrp:ptr data/datap:ptr"),
    r(126, 91, "capset", "header/hdrp:ptr data/datap:ptr"),
    r(127, 136, "rt_sigpending", "set:ptr sigsetsize:size"),
    r(128, 137, "rt_sigtimedwait", "uthese/set:ptr uinfo/info:ptr uts/timeout:timespec sigsetsize:size"),
    r(129, 138, "rt_sigqueueinfo", "pid/tgid:pid sig:signal uinfo/info:ptr"),
    r(130, 133, "rt_sigsuspend", "set/mask:ptr sigsetsize:size"),
    r(131, 132, "sigaltstack", "uss/ss:ptr uoss/old_ss:ptr"),
    r(132, -1, "utime", "filename:path buf/times:ptr"),
    r(133, -1, "mknod", "pathname:path mode:file_mode dev:hex"),
    r(134, -1, "uselib", "library:path"),
    r(135, 92, "personality", "persona:hex"),
    r(136, -1, "ustat", "dev:hex ubuf:ptr"),
    r(137, 43, "statfs", "path:path buf:ptr"),
    r(138, 44, "fstatfs", "fd:fd buf:ptr"),
    r(139, -1, "sysfs", "option:int arg1:hexlong arg2:hexlong"),
    r(140, 141, "getpriority", "which:priority_which who:id"),
    r(141, 140, "setpriority", "which:priority_which who:id prio:int"),
    r(142, 118, "sched_setparam", "pid:pid p/param:ptr"),
    r(143, 121, "sched_getparam", "pid:pid p/param:ptr"),
    r(144, 119, "sched_setscheduler", "pid:pid policy:sched_policy p/param:ptr"),
    r(145, 120, "sched_getscheduler", "pid:pid"),
    r(146, 125, "sched_get_priority_max", "policy:sched_policy"),
    r(147, 126, "sched_get_priority_min", "policy:sched_policy"),
    r(148, 127, "sched_rr_get_interval", "pid:pid tp:ptr"),
    r(149, 228, "mlock", "addr:addr len:size"),
    r(150, 229, "munlock", "addr:addr len:size"),
    r(151, 230, "mlockall", "flags:mlockall_flags"),
    r(152, 231, "munlockall", ""),
    r(153, 58, "vhangup", ""),
    r(154, -1, "modify_ldt", "func:int ptr:ptr bytecount:size"),
    r(155, 41, "pivot_root", "new_root:path old_root/put_old:path"),
    r(156, -1, "sysctl|_sysctl", "args:ptr"),
    r(157, 167, "prctl", "option/op:prctl_option arg2:hexlong arg3:hexlong arg4:hexlong arg5:hexlong"),
    r(158, -1, "arch_prctl", "code/op:arch_prctl_option addr:addr"),
    r(159, 171, "adjtimex", "buf:ptr"),
    r(160, 164, "setrlimit", "resource:rlimit rlim:rlimit_value"),
    r(161, 51, "chroot", "path:path"),
    r(162, 81, "sync", ""),
    r(163, 89, "acct", "filename:path"),
    r(164, 170, "settimeofday", "tv:timeval tz:ptr"),
    r(165, 40, "mount", "source:path target:path filesystemtype:text mountflags:mount_flags data:text"),
    r(166, 39, "umount|umount2", "target:path flags:umount_flags"),
    r(167, 224, "swapon", "path:path swapflags:swap_flags"),
    r(168, 225, "swapoff", "path:path"),
    r(169, 142, "reboot", "magic:reboot_magic magic2:reboot_magic flag/op:reboot_cmd arg:ptr"),
    r(170, 161, "sethostname", "hostname/name:text len:int"),
    r(171, 162, "setdomainname", "domainname/name:text len:int"),
    r(172, -1, "iopl", "level:int"),
    r(173, -1, "ioperm", "from:hexlong num:hexlong turn_on:int"),
    r(174, -1, "create_module", "name:text size:size"),
    r(175, 105, "init_module", "umod/module_image:ptr len:size uargs/param_values:text"),
    r(176, 106, "delete_module", "name_user/name:text flags:module_flags"),
    r(177, -1, "get_kernel_syms", "table:ptr"),
    r(178, -1, "query_module", "name:text which:int buf:ptr bufsize:size ret:ptr"),
    r(179, 60, "quotactl", "cmd/op:quota_cmd special:path id:id addr:ptr"),
    r(180, 42, "nfsservctl", "cmd:int argp:ptr resp:ptr"),
    r(181, -1, "getpmsg", ""),
    r(182, -1, "putpmsg", ""),
    r(183, -1, "afs_syscall", ""),
    r(184, -1, "tux|tuxcall", ""),
    r(185, -1, "security", ""),
    r(186, 178, "gettid", ""),
    r(187, 213, "readahead", "fd:fd offset:offset count:size"),
    r(188, 5, "setxattr", "path:path name:text value:ptr size:size flags:xattr_flags"),
    r(189, 6, "lsetxattr", "path:path name:text value:ptr size:size flags:xattr_flags"),
    r(190, 7, "fsetxattr", "filedes/fd:fd name:text value:ptr size:size flags:xattr_flags"),
    r(191, 8, "getxattr", "path:path name:text value:ptr size:size"),
    r(192, 9, "lgetxattr", "path:path name:text value:ptr size:size"),
    r(193, 10, "fgetxattr", "filedes/fd:fd name:text value:ptr size:size"),
    r(194, 11, "listxattr", "path:path list:ptr size:size"),
    r(195, 12, "llistxattr", "path:path list:ptr size:size"),
    r(196, 13, "flistxattr", "filedes/fd:fd list:ptr size:size"),
    r(197, 14, "removexattr", "path:path name:text"),
    r(198, 15, "lremovexattr", "path:path name:text"),
    r(199, 16, "fremovexattr", "filedes/fd:fd name:text"),
    r(200, 130, "tkill", "pid/tid:pid sig:signal"),
    r(201, -1, "time", "t/tloc:ptr"),
    r(202, 98, "futex", "futex/uaddr:ptr op/futex_op:futex_op val:int utime/timeout:addr uaddr2:ptr val3:hex"),
    r(203, 122, "sched_setaffinity", "pid:pid len/cpusetsize:uint mask:ptr"),
    r(204, 123, "sched_getaffinity", "pid:pid len/cpusetsize:uint mask:ptr"),
    r(205, -1, "set_thread_area", "u_info:ptr"),
    r(206, 0, "io_setup", "maxevents/nr_events:uint ctxp/ctx_idp:ptr"),
    r(207, 1, "io_destroy", "ctx/ctx_id:hexlong"),
    r(208, 4, "io_getevents", "ctx_id:hexlong min_nr:long nr:long events:ptr timeout:timespec"),
    r(209, 2, "io_submit", "ctx_id:hexlong nr:long iocbpp:ptr"),
    r(210, 3, "io_cancel", "ctx_id:hexlong iocb:ptr result:ptr"),
    r(211, -1, "get_thread_area", "u_info:ptr"),
    r(212, 18, "lookup_dcookie", "cookie:hexlong buffer:ptr len:size"),
    r(213, -1, "epoll_create", "size:int"),
    r(214, -1, "epoll_ctl_old", ""),
    r(215, -1, "epoll_wait_old", ""),
    r(216, 234, "remap_file_pages", "start/addr:addr size:size prot:prot pgoff:size flags:mmap_flags"),
    r(217, 61, "getdents64|getdents", "fd:fd dirp:ptr count:uint"),
    r(218, 96, "set_tid_address", "tidptr:ptr"),
    r(219, 128, "restart_syscall", ""),
    r(220, 192, "semtimedop", "semid:id sops/tsops:ptr nsops:uint timeout:timespec"),
    r(221, 223, "fadvise64", "fd:fd offset:offset len/size:size advice:fadvise"),
    r(222, 107, "timer_create", "clockid:clock evp/sevp:ptr timerid:ptr"),
    r(223, 110, "timer_settime", "timerid:id flags:timer_flags value/new_value:itimerspec ovalue/old_value:ptr"),
    r(224, 108, "timer_gettime", "timerid:id value/curr_value:ptr"),
    r(225, 109, "timer_getoverrun", "timerid:id"),
    r(226, 111, "timer_delete", "timerid:id"),
    r(227, 112, "clock_settime", "clk_id/clockid:clock tp:timespec"),
    r(228, 113, "clock_gettime", "clk_id/clockid:clock tp:ptr"),
    r(229, 114, "clock_getres", "clk_id/clockid:clock res:ptr"),
    r(230, 115, "clock_nanosleep", "clk_id/clockid:clock flags:timer_flags req/t:timespec rem/remain:ptr"),
    r(231, 94, "exit_group", "status:int"),
    r(232, -1, "epoll_wait", "epfd:fd events:ptr maxevents:int timeout:int"),
    r(233, 21, "epoll_ctl", "epfd:fd op:epoll_op fd:fd event:ptr"),
    r(234, 131, "tgkill", "tgid:pid pid/tid:pid sig:signal"),
    r(235, -1, "utimes", "filename:path tvp/times:timevals"),
    r(236, -1, "vserver", ""),
    r(237, 235, "mbind", "start/addr:addr len:size mode:mempolicy_mode nmask/nodemask:ptr maxnode:size flags:mempolicy_flags"),
    r(238, 237, "set_mempolicy", "mode:mempolicy_mode nmask/nodemask:ptr maxnode:size"),
    r(239, 236, "get_mempolicy", "policy/mode:ptr nmask/nodemask:ptr maxnode:size addr:addr flags:mempolicy_flags"),
    r(240, 180, "mq_open", "filename/name:text oflag:open_flags mode:create_mode u_attr/attr:ptr"),
    r(241, 181, "mq_unlink", "u_name/name:text"),
    r(242, 182, "mq_timedsend", "mqdes:fd msg_ptr:data msg_len:size msg_prio:uint abs_timeout:timespec"),
    r(243, 183, "mq_timedreceive", "mqdes:fd msg_ptr:ptr msg_len:size msg_prio:ptr abs_timeout:timespec"),
    r(244, 184, "mq_notify", "mqdes:fd notification/sevp:ptr"),
    r(245, 185, "mq_getsetattr", "mqdes:fd u_mqstat/newattr:ptr u_omqstat/oldattr:ptr"),
    r(246, 104, "kexec_load", "entry:addr nr_segments:size segments:ptr flags:hexlong"),
    r(247, 95, "waitid", "which/idtype:waitid_type pid/id:pid infop:ptr options:wait_options rusage:ptr"),
    r(248, 217, "add_key", "type:text description:text payload:ptr plen:size ringid/keyring:int"),
    r(249, 218, "request_key", "type:text description:text callout_info:text destringid/dest_keyring:int"),
    r(250, 219, "keyctl", "option/op:keyctl_option arg2:hexlong arg3:hexlong arg4:hexlong arg5:hexlong"),
    r(251, 30, "ioprio_set", "which:ioprio_which who:id ioprio:hex"),
    r(252, 31, "ioprio_get", "which:ioprio_which who:id"),
    r(253, -1, "inotify_init", ""),
    r(254, 27, "inotify_add_watch", "fd:fd path/pathname:path mask:inotify_mask"),
    r(255, 28, "inotify_rm_watch", "fd:fd wd:int"),
    r(256, 238, "migrate_pages", "pid:pid maxnode:size old_nodes:ptr new_nodes:ptr"),
    r(257, 56, "openat", "dfd/dirfd:dirfd filename/pathname:path flags:open_flags mode:create_mode"),
    r(258, 34, "mkdirat", "dirfd:dirfd pathname:path mode:mode"),
    r(259, 33, "mknodat", "dirfd:dirfd pathname:path mode:file_mode dev:hex"),
    r(260, 54, "fchownat", "dirfd:dirfd pathname:path owner:id group:id flags:at_flags"),
    r(261, -1, "futimesat", "dirfd:dirfd filename/pathname:path tvp/times:timevals"),
    r(262, 79, "fstatat|newfstatat|fstatat64", "dirfd:dirfd path/pathname:path buf/statbuf:ptr flags:at_flags"),
    r(263, 35, "unlinkat", "dfd/dirfd:dirfd pathname:path flag/flags:at_flags"),
    r(264, 38, "renameat", "olddfd/olddirfd:dirfd oldname/oldpath:path newdfd/newdirfd:dirfd newname/newpath:path"),
    r(265, 37, "linkat", "olddirfd:dirfd oldpath:path newdirfd:dirfd newpath:path flags:at_flags"),
    r(266, 36, "symlinkat", "oldname/target:path newdfd/newdirfd:dirfd newname/linkpath:path"),
    r(267, 78, "readlinkat", "dfd/dirfd:dirfd path/pathname:path buf:ptr bufsiz:int"),
    r(268, 53, "fchmodat", "dirfd:dirfd pathname:path mode:mode"),
    r(269, 48, "faccessat", "dirfd:dirfd pathname:path mode:access_mode"),
    r(270, 72, "pselect6|pselect", "nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:timespec sigmask:ptr"),
    r(271, 73, "ppoll", "fds/ufds:ptr nfds:uint tsp/tmo_p:timespec sigmask:ptr sigsetsize:size"),
    r(272, 97, "unshare", "unshare_flags/flags:clone_flags"),
    r(273, 99, "set_robust_list", "list_head/head:ptr len/size:size"),
    r(274, 100, "get_robust_list", "pid:pid list_head/head_ptr:ptr len/sizep:ptr"),
    r(275, 76, "splice", "fd_in:fd off_in:ptr fd_out:fd off_out:ptr len/size:size flags:splice_flags"),
    r(276, 77, "tee", "fdin/fd_in:fd fdout/fd_out:fd len/size:size flags:splice_flags"),
    r(277, 84, "sync_file_range", "fd:fd offset:offset nbytes:offset flags:sync_range_flags"),
    r(278, 75, "vmsplice", "fd:fd iov:ptr nr_segs:size flags:splice_flags"),
    r(279, 239, "move_pages", "pid:pid nr_pages/count:size pages:ptr nodes:ptr status:ptr flags:mempolicy_flags"),
    r(280, 88, "utimensat", "dfd/dirfd:dirfd filename/pathname:path tsp/times:timespecs flags:at_flags"),
    r(281, 22, "epoll_pwait", "epfd:fd events:ptr maxevents:int timeout:int sigmask:ptr sigsetsize:size"),
    r(282, -1, "signalfd", "fd:fd mask:ptr sizemask:size"),
    r(283, 85, "timerfd_create|timerfd", "clockid:clock flags:timerfd_flags"),
    r(284, -1, "eventfd", "count/initval:uint"),
    r(285, 47, "fallocate", "fd:fd mode:fallocate_mode offset:offset len/size:offset"),
    r(286, 86, "timerfd_settime", "fd:fd flags:timerfd_flags value/new_value:itimerspec ovalue/old_value:ptr"),
    r(287, 87, "timerfd_gettime", "fd:fd value/curr_value:ptr"),
    r(288, 242, "accept4", "sockfd:fd addr:ptr addrlen:ptr flags:accept_flags"),
    r(289, 74, "signalfd4|signalfd", "fd:fd mask:ptr sizemask:size flags:signalfd_flags"),
    r(290, 19, "eventfd2|eventfd", "count/initval:uint flags:eventfd_flags"),
    r(291, 20, "epoll_create1|epoll_create", "flags:epoll_flags"),
    r(292, 24, "dup3", "oldfd:fd newfd:fd flags:fd_flags"),
    r(293, 59, "pipe2|pipe", "fildes/pipefd:ptr flags:fd_flags"),
    r(294, 26, "inotify_init1|inotify_init", "flags:inotify_flags"),
    r(295, 69, "preadv", "fd:fd vector/iov:ptr count/iovcnt:int offset:offset"),
    r(296, 70, "pwritev", "fd:fd vector/iov:ptr count/iovcnt:int offset:offset"),
    r(297, 240, "rt_tgsigqueueinfo", "tgid:pid tid:pid sig:signal uinfo/info:ptr"),
    r(298, 241, "perf_event_open", "attr:ptr pid:pid cpu:int group_fd:fd flags:perf_flags"),
    r(299, 243, "recvmmsg", "s/sockfd:fd mmsg/msgvec:ptr vlen:uint flags:msg_flags timeout:timespec"),
    r(300, 262, "fanotify_init", "flags:fanotify_flags event_f_flags:open_flags"),
    r(301, 263, "fanotify_mark", "fanotify_fd:fd flags:fanotify_mark_flags mask:hexlong dirfd:dirfd pathname:path"),
    r(302, 261, "prlimit64|prlimit", "pid:pid resource:rlimit new_rlim/new_limit:rlimit_value old_rlim/old_limit:ptr"),
    r(303, 264, "name_to_handle_at", "dfd/dirfd:dirfd pathname:path handle:ptr mnt_id/mount_id:ptr flags:at_flags"),
    r(304, 265, "open_by_handle_at", "mount_dfd/mount_fd:dirfd handle:ptr flags:open_flags"),
    r(305, 266, "clock_adjtime", "clk_id:clock tx/buf:ptr"),
    r(306, 267, "syncfs", "fd:fd"),
    r(307, 269, "sendmmsg", "s/sockfd:fd mmsg/msgvec:ptr vlen:uint flags:msg_flags"),
    r(308, 268, "setns", "fd:fd nstype:clone_flags"),
    r(309, 168, "getcpu", "cpu:ptr node:ptr tcache:ptr"),
    r(310, 270, "process_vm_readv", "pid:pid local_iov:ptr liovcnt:size remote_iov:ptr riovcnt:size flags:hexlong"),
    r(311, 271, "process_vm_writev", "pid:pid local_iov:ptr liovcnt:size remote_iov:ptr riovcnt:size flags:hexlong"),
    r(312, 272, "kcmp", "pid1:pid pid2:pid type:kcmp_type idx1:ulong idx2:ulong"),
    r(313, 273, "finit_module", "fd:fd uargs/param_values:text flags:finit_module_flags"),
    r(314, 274, "sched_setattr", "pid:pid sched_attr/attr:ptr flags:hex"),
    r(315, 275, "sched_getattr", "pid:pid sched_attr/attr:ptr size:uint flags:hex"),
    r(316, 276, "renameat2", "olddfd/olddirfd:dirfd oldname/oldpath:path newdfd/newdirfd:dirfd newname/newpath:path flags:rename_flags"),
    r(317, 277, "seccomp", "op/operation:seccomp_op flags:seccomp_flags uargs/args:ptr"),
    r(318, 278, "getrandom", "buf:ptr count/buflen:size flags:getrandom_flags"),
    r(319, 279, "memfd_create", "uname/name:text flags:memfd_flags"),
    r(320, 294, "kexec_file_load", "kernel_fd:fd initrd_fd:fd cmdline_len:size cmdline:text flags:hexlong"),
    r(321, 280, "bpf", "cmd:bpf_cmd attr:ptr size:uint"),
    r(322, 281, "execveat", "dirfd/fd:dirfd filename/pathname:path argv:argv envp:ptr flags:at_flags"),
    r(323, 282, "userfaultfd", "flags:userfaultfd_flags"),
    r(324, 283, "membarrier", "cmd:membarrier_cmd flags:hex cpu_id:int"),
    r(325, 284, "mlock2", "addr:addr len:size flags:mlock2_flags"),
    r(326, 285, "copy_file_range", "fd_in:fd off_in:ptr fd_out:fd off_out:ptr len/size:size flags:hex"),
    r(327, 286, "preadv2", "fd:fd vector/iov:ptr count/iovcnt:int offset:offset pos_h:hexlong flags:preadv2_flags"),
    r(328, 287, "pwritev2", "fd:fd vector/iov:ptr count/iovcnt:int offset:offset pos_h:hexlong flags:preadv2_flags"),
    r(329, 288, "pkey_mprotect", "addr:addr len:size prot:prot pkey:int"),
    r(330, 289, "pkey_alloc", "flags:hexlong init_val/access_rights:hexlong"),
    r(331, 290, "pkey_free", "pkey:int"),
    r(332, 291, "statx", "dfd/dirfd:dirfd filename/pathname:path flags:at_flags mask:statx_mask buf/statxbuf:ptr"),
    r(333, 292, "io_pgetevents", "ctx_id:hexlong min_nr:long nr:long events:ptr timeout:timespec usig:ptr"),
    r(334, 293, "rseq", "rseq:ptr rseq_len:hex flags:hex sig:hex"),
    r(335, -1, "uretprobe", ""),
    r(336, -1, "uprobe", ""),
    r(424, 424, "pidfd_send_signal", "pidfd:fd sig:signal info:ptr flags:hex"),
    r(425, 425, "io_uring_setup", "entries:uint params/p:ptr"),
    r(426, 426, "io_uring_enter", "fd:fd to_submit:uint min_complete:uint flags:io_uring_enter_flags argp/sig:ptr argsz/sz:size"),
    r(427, 427, "io_uring_register", "fd:fd opcode/op:io_uring_register_op arg:ptr nr_args:uint"),
    r(428, 428, "open_tree", "dfd/dirfd:dirfd filename/path:path flags:at_flags"),
    r(429, 429, "move_mount", "from_dfd/from_dirfd:dirfd from_pathname/from_path:path to_dfd/to_dirfd:dirfd to_pathname/to_path:path flags:hex"),
    r(430, 430, "fsopen", "fs_name/fsname:text flags:hex"),
    r(431, 431, "fsconfig", "fd:fd cmd:uint key:text value:ptr aux:int"),
    r(432, 432, "fsmount", "fs_fd/fsfd:fd flags:hex attr_flags:hex"),
    r(433, 433, "fspick", "dfd/dirfd:dirfd path:path flags:hex"),
    r(434, 434, "pidfd_open", "pid:pid flags:pidfd_flags"),
    r(435, 435, "clone3", "uargs/cl_args:ptr size:size"),
    r(436, 436, "close_range", "fd/first:uint max_fd/last:uint flags:close_range_flags"),
    r(437, 437, "openat2", "dfd/dirfd:dirfd filename/pathname:path how:ptr size:size"),
    r(438, 438, "pidfd_getfd", "pidfd:fd fd/targetfd:fd flags:hex"),
    r(439, 439, "faccessat2", "dirfd:dirfd pathname:path mode:access_mode flags:faccess_flags"),
    r(440, 440, "process_madvise", "pidfd:fd vec/iovec:ptr vlen/n:size behavior/advice:madvise flags:hex"),
    r(441, 441, "epoll_pwait2", "epfd:fd events:ptr maxevents:int timeout:timespec sigmask:ptr sigsetsize:size"),
    r(442, 442, "mount_setattr", "dfd/dirfd:dirfd path:path flags:at_flags uattr/attr:ptr size:size"),
    r(443, 443, "quotactl_fd", "fd:fd cmd/op:quota_cmd id:id addr:ptr"),
    r(444, 444, "landlock_create_ruleset", "attr:ptr size:size flags:landlock_flags"),
    r(445, 445, "landlock_add_rule", "ruleset_fd:fd rule_type:int rule_attr:ptr flags:hex"),
    r(446, 446, "landlock_restrict_self", "ruleset_fd:fd flags:hex"),
    r(447, 447, "memfd_secret", "flags:hex"),
    r(448, 448, "process_mrelease", "pidfd:fd flags:hex"),
    r(449, 449, "futex_waitv", "waiters:ptr nr_futexes/n:uint flags:hex timeout:timespec clockid:clock"),
    r(450, 450, "set_mempolicy_home_node", "start:addr len/size:size home_node:ulong flags:hexlong"),
    r(451, 451, "cachestat", "fd:fd cstat_range:ptr cstat:ptr flags:hex"),
    r(452, 452, "fchmodat2", "dfd/dirfd:dirfd filename/pathname:path mode:mode flags:at_flags"),
    r(453, 453, "map_shadow_stack", "addr:addr size:size flags:hex"),
    r(454, 454, "futex_wake", "uaddr:ptr mask:hexlong nr:int flags:futex2_flags"),
    r(455, 455, "futex_wait", "uaddr:ptr val:ulong mask:hexlong flags:futex2_flags timeout:timespec clockid:clock"),
    r(456, 456, "futex_requeue", "waiters:ptr flags:hex nr_wake:int nr_requeue:int"),
    r(457, 457, "statmount", "req:ptr buf/smbuf:ptr bufsize:size flags:hex"),
    r(458, 458, "listmount", "req:ptr mnt_ids:ptr nr_mnt_ids:size flags:hex"),
    r(459, 459, "lsm_get_self_attr", "attr:uint ctx:ptr size:ptr flags:hex"),
    r(460, 460, "lsm_set_self_attr", "attr:uint ctx:ptr size:uint flags:hex"),
    r(461, 461, "lsm_list_modules", "ids:ptr size:ptr flags:hex"),
    r(462, 462, "mseal", "start/addr:addr len/size:size flags:hexlong"),
    r(463, 463, "setxattrat", "dfd/dirfd:dirfd pathname/path:path at_flags:at_flags name:text uargs:ptr usize:size"),
    r(464, 464, "getxattrat", "dfd/dirfd:dirfd pathname/path:path at_flags:at_flags name:text uargs:ptr usize:size"),
    r(465, 465, "listxattrat", "dfd/dirfd:dirfd pathname/path:path at_flags:at_flags list:ptr size:size"),
    r(466, 466, "removexattrat", "dfd/dirfd:dirfd pathname/path:path at_flags:at_flags name:text"),
    r(467, 467, "open_tree_attr", "dfd/dirfd:dirfd filename/path:path flags:at_flags uattr/attr:ptr usize/size:size"),
    r(468, 468, "file_getattr", "dfd/dirfd:dirfd filename/pathname:path ufattr:ptr usize:size at_flags:at_flags"),
    r(469, 469, "file_setattr", "dfd/dirfd:dirfd filename/pathname:path ufattr:ptr usize:size at_flags:at_flags"),
    r(470, 470, "listns", "req:ptr ns_ids:ptr nr_ns_ids:size flags:hex"),
    // What only other architectures or 32-bit programs have. SystemTap resolves these names, so scripts that name them
    // must too; on this machine they never happen.
    r(-1, -1, "send", "s/sockfd:fd buf:data len:size flags:msg_flags"),
    r(-1, -1, "recv", "s/sockfd:fd buf:ptr len:size flags:msg_flags"),
    r(-1, -1, "waitpid", "pid:pid status/wstatus:ptr options:wait_options"),
    r(-1, -1, "signal", "sig/signum:signal handler:ptr"),
    r(-1, -1, "sigaction|sigaction32", "sig/signum:signal act:ptr oact/oldact:ptr"),
    r(-1, -1, "sigpending", "set:ptr"),
    r(-1, -1, "sigprocmask", "how:sigmask_how set:ptr oldset:ptr"),
    r(-1, -1, "sigreturn", ""),
    r(-1, -1, "sigsuspend", "mask:hexlong"),
    r(-1, -1, "sgetmask", ""),
    r(-1, -1, "ssetmask", "newmask:hex"),
    r(-1, -1, "stime", "t:ptr"),
    r(-1, -1, "nice", "inc:int"),
    r(-1, -1, "readdir", "fd:fd dirent:ptr count:uint"),
    r(-1, -1, "llseek|_llseek", "fd:fd offset_high:hexlong offset_low:hexlong result:ptr whence:whence"),
    r(-1, -1, "gethostname", "name:ptr len:int"),
    r(-1, -1, "bdflush", "func:int data:long"),
    r(-1, -1, "ni_syscall", ""),
    r(-1, -1, "socketcall", "call:int args:ptr"),
    r(-1, -1, "ipc", "call:uint first:int second:hexlong third:hexlong ptr:ptr fifth:long"),
    r(-1, -1, "statfs64", "path:path sz:size buf:ptr"),
    r(-1, -1, "fstatfs64", "fd:fd sz:size buf:ptr"),
    r(-1, -1, "ftruncate64", "fd:fd length:offset"),
    r(-1, -1, "truncate64", "path:path length:offset"),
    r(-1, -1, "fadvise64_64", "fd:fd offset:offset len:size advice:fadvise"),
    r(-1, -1, "chown16", "path:path owner:id group:id"),
    r(-1, -1, "fchown16", "fd:fd owner:id group:id"),
    r(-1, -1, "lchown16", "path:path owner:id group:id"),
    r(-1, -1, "setregid16", "rgid:id egid:id"),
    r(-1, -1, "setreuid16", "ruid:id euid:id"),
    r(-1, -1, "setresgid16", "rgid:id egid:id sgid:id"),
    r(-1, -1, "setresuid16", "ruid:id euid:id suid:id"),
    r(-1, -1, "pselect7", "nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:timespec sigmask:ptr"),
    r(-1, -1, "settimeofday32", "tv:ptr tz:ptr"),
    r(-1, -1, "ustat32", "dev:hex ubuf:ptr"),
    r(-1, -1, "pwrite32", "fd:fd buf:ptr count:size offset:offset"),
    r(-1, -1, "rt_sigaction32", "sig:signal act:ptr oact:ptr sigsetsize:size"),
    r(-1, -1, "compat_adjtimex", "buf:ptr"),
    r(-1, -1, "compat_clock_nanosleep", "clk_id:clock flags:timer_flags req:ptr rem:ptr"),
    r(-1, -1, "compat_execve", "filename:path argv:ptr envp:ptr"),
    r(-1, -1, "compat_execveat", "dirfd:dirfd filename:path argv:ptr envp:ptr flags:at_flags"),
    r(-1, -1, "compat_futex", "futex:ptr op:futex_op val:int utime:ptr uaddr2:ptr val3:hex"),
    r(-1, -1, "compat_futimesat", "dirfd:dirfd filename:path tvp:ptr"),
    r(-1, -1, "compat_getitimer", "which:itimer value:ptr"),
    r(-1, -1, "compat_setitimer", "which:itimer value:ptr ovalue:ptr"),
    r(-1, -1, "compat_nanosleep", "req:ptr rem:ptr"),
    r(-1, -1, "compat_ppoll", "fds:ptr nfds:uint tsp:ptr sigmask:ptr sigsetsize:size"),
    r(-1, -1, "compat_pselect6", "nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:ptr sigmask:ptr"),
    r(-1, -1, "compat_pselect7", "nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:ptr sigmask:ptr"),
    r(-1, -1, "compat_recvmmsg", "s:fd mmsg:ptr vlen:uint flags:msg_flags timeout:ptr"),
    r(-1, -1, "compat_rt_sigprocmask", "how:sigmask_how set:ptr oldset:ptr sigsetsize:size"),
    r(-1, -1, "compat_select", "n:int readfds:ptr writefds:ptr exceptfds:ptr timeout:ptr"),
    r(-1, -1, "compat_signalfd", "fd:fd mask:ptr sizemask:size"),
    r(-1, -1, "compat_utime", "filename:path buf:ptr"),
    r(-1, -1, "compat_utimensat", "dfd:dirfd filename:path tsp:ptr flags:at_flags"),
    r(-1, -1, "compat_vmsplice", "fd:fd iov:ptr nr_segs:size flags:splice_flags"),
    r(-1, -1, "compat_sys_msgctl", "msqid:id cmd:ipc_cmd buf:ptr"),
    r(-1, -1, "compat_sys_msgrcv", "msqid:id msgp:ptr msgsz:size msgtyp:long msgflg:msgop_flags"),
    r(-1, -1, "compat_sys_msgsnd", "msqid:id msgp:ptr msgsz:size msgflg:msgop_flags"),
    r(-1, -1, "compat_sys_recvmsg", "s:fd msg:ptr flags:msg_flags"),
    r(-1, -1, "compat_sys_semctl", "semid:id semnum:int cmd:ipc_cmd arg:addr"),
    r(-1, -1, "compat_sys_semtimedop", "semid:id sops:ptr nsops:uint timeout:ptr"),
    r(-1, -1, "compat_sys_sendmsg", "s:fd msg:ptr flags:msg_flags"),
    r(-1, -1, "compat_sys_shmat", "shmid:id shmaddr:ptr shmflg:shmat_flags"),
    r(-1, -1, "compat_sys_shmctl", "shmid:id cmd:ipc_cmd buf:ptr"),
    r(-1, -1, "compat_sys_utimes", "filename:path tvp:ptr"),
];

/// The rows with that name among theirs, in the order of the table.
pub fn named(name: &str) -> &'static [&'static Row] {
    static BY_NAME: LazyLock<FxHashMap<&str, Vec<&Row>>> = LazyLock::new(|| {
        let mut by_name: FxHashMap<&str, Vec<&Row>> = FxHashMap::default();
        for row in ROWS {
            row.all_names().for_each(|name| by_name.entry(name).or_default().push(row));
        }
        by_name
    });
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// The call with this number; `None` past the end of the table or in a hole.
pub fn by_number(nr: u32, arch: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.number(arch) == Some(nr))
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::{super::decode::find_kind, *};

    #[test]
    fn names_and_numbers_are_unique() {
        let (mut names, mut x86_64, mut arm64) = (HashSet::new(), HashSet::new(), HashSet::new());
        for row in ROWS {
            assert!(names.insert(row.name()), "{} twice", row.name());
            assert!(row.x86_64 < 0 || x86_64.insert(row.x86_64), "{}: number twice", row.name());
            assert!(row.arm64 < 0 || arm64.insert(row.arm64), "{}: arm64 number twice", row.name());
        }
    }

    #[test]
    fn every_argument_has_a_kind_and_names_of_its_own() {
        for row in ROWS {
            let mut seen = HashSet::new();
            assert!(row.args().count() <= 6, "{}", row.name());
            for (names, kind) in row.args() {
                assert!(find_kind(kind).is_some(), "{}: kind {kind}", row.name());
                for name in names {
                    assert!(seen.insert(name), "{}: {name} twice", row.name());
                }
            }
        }
    }

    /// C headers of this machine, where there are some: the numbers must agree.
    #[test]
    fn numbers_are_those_of_the_headers() {
        use crate::host::{Host, Live};
        let check = |header: &str, arch: &str| {
            let Ok(text) = Live.read(std::path::Path::new(header)) else {
                eprintln!("skipped: {header} is not there");
                return;
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            let mut numbers: HashMap<&str, u32> = HashMap::new();
            for line in text.lines() {
                let mut words = line.split_whitespace();
                if words.next() != Some("#define") {
                    continue;
                }
                let (Some(name), Some(number)) = (words.next(), words.next()) else { continue };
                let name = name.strip_prefix("__NR_").or_else(|| name.strip_prefix("__NR3264_"));
                if let (Some(name), Ok(number)) = (name, number.parse()) {
                    numbers.insert(name, number);
                }
            }
            for (name, number) in numbers {
                // Numbers 403-423 are 32-bit only; 244 and 451 mark ranges in the generic header.
                let marks = arch == "aarch64" && matches!(name, "syscalls" | "arch_specific_syscall");
                if marks || (403..424).contains(&number) || name.ends_with("range2") {
                    continue;
                }
                let row = by_number(number, arch);
                assert!(row.is_some_and(|row| row.all_names().any(|n| n == name)), "{arch} {number} {name}: {row:?}");
            }
        };
        check("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "x86_64");
        check("/usr/include/asm-generic/unistd.h", "aarch64");
    }
}
