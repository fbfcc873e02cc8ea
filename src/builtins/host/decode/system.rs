//! The machine as a whole: reboot, bpf, keys, modules, io_uring, ioctl. Values from include/uapi/linux.

use super::{Table, decoders};

decoders! {
    "__tapdeck_reboot_magic" "Magic numbers of reboot(2)." =
        Table::Enum(&[
            (0xfee1dead, "LINUX_REBOOT_MAGIC1"), (0x28121969, "LINUX_REBOOT_MAGIC2"),
            (0x5121996, "LINUX_REBOOT_MAGIC2A"), (0x16041998, "LINUX_REBOOT_MAGIC2B"),
            (0x20112000, "LINUX_REBOOT_MAGIC2C"),
        ]);
    "__tapdeck_reboot_cmd" "Command of reboot(2)." =
        Table::Enum(&[
            (0x1234567, "LINUX_REBOOT_CMD_RESTART"), (0xcdef0123, "LINUX_REBOOT_CMD_HALT"),
            (0x89abcdef, "LINUX_REBOOT_CMD_CAD_ON"), (0, "LINUX_REBOOT_CMD_CAD_OFF"),
            (0x4321fedc, "LINUX_REBOOT_CMD_POWER_OFF"), (0xa1b2c3d4, "LINUX_REBOOT_CMD_RESTART2"),
            (0xd000fce2, "LINUX_REBOOT_CMD_SW_SUSPEND"), (0x45584543, "LINUX_REBOOT_CMD_KEXEC"),
        ]);
    "__tapdeck_bpf_cmd" "Command of bpf(2)." =
        Table::Enum(&[
            (0, "BPF_MAP_CREATE"), (1, "BPF_MAP_LOOKUP_ELEM"), (2, "BPF_MAP_UPDATE_ELEM"),
            (3, "BPF_MAP_DELETE_ELEM"), (4, "BPF_MAP_GET_NEXT_KEY"), (5, "BPF_PROG_LOAD"), (6, "BPF_OBJ_PIN"),
            (7, "BPF_OBJ_GET"), (8, "BPF_PROG_ATTACH"), (9, "BPF_PROG_DETACH"), (10, "BPF_PROG_TEST_RUN"),
            (11, "BPF_PROG_GET_NEXT_ID"), (12, "BPF_MAP_GET_NEXT_ID"), (13, "BPF_PROG_GET_FD_BY_ID"),
            (14, "BPF_MAP_GET_FD_BY_ID"), (15, "BPF_OBJ_GET_INFO_BY_FD"), (16, "BPF_PROG_QUERY"),
            (17, "BPF_RAW_TRACEPOINT_OPEN"), (18, "BPF_BTF_LOAD"), (19, "BPF_BTF_GET_FD_BY_ID"),
            (20, "BPF_TASK_FD_QUERY"), (21, "BPF_MAP_LOOKUP_AND_DELETE_ELEM"), (22, "BPF_MAP_FREEZE"),
            (23, "BPF_BTF_GET_NEXT_ID"), (24, "BPF_MAP_LOOKUP_BATCH"), (25, "BPF_MAP_LOOKUP_AND_DELETE_BATCH"),
            (26, "BPF_MAP_UPDATE_BATCH"), (27, "BPF_MAP_DELETE_BATCH"), (28, "BPF_LINK_CREATE"),
            (29, "BPF_LINK_UPDATE"), (30, "BPF_LINK_GET_FD_BY_ID"), (31, "BPF_LINK_GET_NEXT_ID"),
            (32, "BPF_ENABLE_STATS"), (33, "BPF_ITER_CREATE"), (34, "BPF_LINK_DETACH"), (35, "BPF_PROG_BIND_MAP"),
            (36, "BPF_TOKEN_CREATE"),
        ]);
    "__tapdeck_keyctl_option" "Operation of keyctl(2)." =
        Table::Enum(&[
            (0, "KEYCTL_GET_KEYRING_ID"), (1, "KEYCTL_JOIN_SESSION_KEYRING"), (2, "KEYCTL_UPDATE"),
            (3, "KEYCTL_REVOKE"), (4, "KEYCTL_CHOWN"), (5, "KEYCTL_SETPERM"), (6, "KEYCTL_DESCRIBE"),
            (7, "KEYCTL_CLEAR"), (8, "KEYCTL_LINK"), (9, "KEYCTL_UNLINK"), (10, "KEYCTL_SEARCH"),
            (11, "KEYCTL_READ"), (12, "KEYCTL_INSTANTIATE"), (13, "KEYCTL_NEGATE"),
            (14, "KEYCTL_SET_REQKEY_KEYRING"), (15, "KEYCTL_SET_TIMEOUT"), (16, "KEYCTL_ASSUME_AUTHORITY"),
            (17, "KEYCTL_GET_SECURITY"), (18, "KEYCTL_SESSION_TO_PARENT"), (19, "KEYCTL_REJECT"),
            (20, "KEYCTL_INSTANTIATE_IOV"), (21, "KEYCTL_INVALIDATE"), (22, "KEYCTL_GET_PERSISTENT"),
            (23, "KEYCTL_DH_COMPUTE"), (24, "KEYCTL_PKEY_QUERY"), (25, "KEYCTL_PKEY_ENCRYPT"),
            (26, "KEYCTL_PKEY_DECRYPT"), (27, "KEYCTL_PKEY_SIGN"), (28, "KEYCTL_PKEY_VERIFY"),
            (29, "KEYCTL_RESTRICT_KEYRING"), (30, "KEYCTL_MOVE"), (31, "KEYCTL_CAPABILITIES"),
            (32, "KEYCTL_WATCH_KEY"),
        ]);
    "__tapdeck_perf_flags" "Flags of perf_event_open(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "PERF_FLAG_FD_NO_GROUP"), (2, "PERF_FLAG_FD_OUTPUT"), (4, "PERF_FLAG_PID_CGROUP"),
            (8, "PERF_FLAG_FD_CLOEXEC"),
        ] };
    "__tapdeck_module_flags" "Flags of delete_module(2)." =
        Table::Flags { zero: "0", bits: &[(0x200, "O_TRUNC"), (0x800, "O_NONBLOCK")] };
    "__tapdeck_finit_module_flags" "Flags of finit_module(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "MODULE_INIT_IGNORE_MODVERSIONS"), (2, "MODULE_INIT_IGNORE_VERMAGIC"),
            (4, "MODULE_INIT_COMPRESSED_FILE"),
        ] };
    "__tapdeck_io_uring_register_op" "Operation of io_uring_register(2)." =
        Table::Enum(&[
            (0, "IORING_REGISTER_BUFFERS"), (1, "IORING_UNREGISTER_BUFFERS"), (2, "IORING_REGISTER_FILES"),
            (3, "IORING_UNREGISTER_FILES"), (4, "IORING_REGISTER_EVENTFD"), (5, "IORING_UNREGISTER_EVENTFD"),
            (6, "IORING_REGISTER_FILES_UPDATE"), (7, "IORING_REGISTER_EVENTFD_ASYNC"),
            (8, "IORING_REGISTER_PROBE"), (9, "IORING_REGISTER_PERSONALITY"),
            (10, "IORING_UNREGISTER_PERSONALITY"), (11, "IORING_REGISTER_RESTRICTIONS"),
            (12, "IORING_REGISTER_ENABLE_RINGS"), (13, "IORING_REGISTER_FILES2"),
            (14, "IORING_REGISTER_FILES_UPDATE2"), (15, "IORING_REGISTER_BUFFERS2"),
            (16, "IORING_REGISTER_BUFFERS_UPDATE"), (17, "IORING_REGISTER_IOWQ_AFF"),
            (18, "IORING_UNREGISTER_IOWQ_AFF"), (19, "IORING_REGISTER_IOWQ_MAX_WORKERS"),
            (20, "IORING_REGISTER_RING_FDS"), (21, "IORING_UNREGISTER_RING_FDS"),
            (22, "IORING_REGISTER_PBUF_RING"), (23, "IORING_UNREGISTER_PBUF_RING"),
            (24, "IORING_REGISTER_SYNC_CANCEL"), (25, "IORING_REGISTER_FILE_ALLOC_RANGE"),
        ]);
    "__tapdeck_io_uring_enter_flags" "Flags of io_uring_enter(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "IORING_ENTER_GETEVENTS"), (2, "IORING_ENTER_SQ_WAKEUP"), (4, "IORING_ENTER_SQ_WAIT"),
            (8, "IORING_ENTER_EXT_ARG"), (0x10, "IORING_ENTER_REGISTERED_RING"),
        ] };
}

pub(super) static QUOTA_SUBCMD: Table = Table::Enum(&[
    (0x800001, "Q_SYNC"),
    (0x800002, "Q_QUOTAON"),
    (0x800003, "Q_QUOTAOFF"),
    (0x800004, "Q_GETFMT"),
    (0x800005, "Q_GETINFO"),
    (0x800006, "Q_SETINFO"),
    (0x800007, "Q_GETQUOTA"),
    (0x800008, "Q_SETQUOTA"),
    (0x800009, "Q_GETNEXTQUOTA"),
]);

pub(super) static IOCTL_NAMES: Table = Table::Enum(&[
    (0x5401, "TCGETS"),
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    (0x5405, "TCGETA"),
    (0x5406, "TCSETA"),
    (0x5409, "TCSBRK"),
    (0x540a, "TCXONC"),
    (0x540b, "TCFLSH"),
    (0x540c, "TIOCEXCL"),
    (0x540d, "TIOCNXCL"),
    (0x540e, "TIOCSCTTY"),
    (0x540f, "TIOCGPGRP"),
    (0x5410, "TIOCSPGRP"),
    (0x5411, "TIOCOUTQ"),
    (0x5412, "TIOCSTI"),
    (0x5413, "TIOCGWINSZ"),
    (0x5414, "TIOCSWINSZ"),
    (0x5415, "TIOCMGET"),
    (0x5416, "TIOCMBIS"),
    (0x5417, "TIOCMBIC"),
    (0x5418, "TIOCMSET"),
    (0x541b, "FIONREAD"),
    (0x541d, "TIOCCONS"),
    (0x5420, "TIOCPKT"),
    (0x5421, "FIONBIO"),
    (0x5422, "TIOCNOTTY"),
    (0x5423, "TIOCSETD"),
    (0x5424, "TIOCGETD"),
    (0x5425, "TCSBRKP"),
    (0x5429, "TIOCGSID"),
    (0x80045430, "TIOCGPTN"),
    (0x40045431, "TIOCSPTLCK"),
    (0x5441, "TIOCGPTPEER"),
    (0x5450, "FIONCLEX"),
    (0x5451, "FIOCLEX"),
    (0x5452, "FIOASYNC"),
    (0x5460, "FIOQSIZE"),
    (0x125d, "BLKROSET"),
    (0x125e, "BLKROGET"),
    (0x125f, "BLKRRPART"),
    (0x1260, "BLKGETSIZE"),
    (0x1261, "BLKFLSBUF"),
    (0x1262, "BLKRASET"),
    (0x1263, "BLKRAGET"),
    (0x1268, "BLKSSZGET"),
    (0x80081270, "BLKBSZGET"),
    (0x80081272, "BLKGETSIZE64"),
    (0x1277, "BLKDISCARD"),
    (0x1278, "BLKIOMIN"),
    (0x1279, "BLKIOOPT"),
    (0x127a, "BLKALIGNOFF"),
    (0x127b, "BLKPBSZGET"),
    (0x127f, "BLKZEROOUT"),
    (1, "FIBMAP"),
    (2, "FIGETBSZ"),
    (0xc0045877, "FIFREEZE"),
    (0xc0045878, "FITHAW"),
    (0xc0185879, "FITRIM"),
    (0x40049409, "FICLONE"),
    (0x4020940d, "FICLONERANGE"),
    (0xc0189436, "FIDEDUPERANGE"),
    (0x80086601, "FS_IOC_GETFLAGS"),
    (0x40086602, "FS_IOC_SETFLAGS"),
    (0x80087601, "FS_IOC_GETVERSION"),
    (0xc020660b, "FS_IOC_FIEMAP"),
    (0x801c581f, "FS_IOC_FSGETXATTR"),
    (0x401c5820, "FS_IOC_FSSETXATTR"),
    (0x8910, "SIOCGIFNAME"),
    (0x8912, "SIOCGIFCONF"),
    (0x8913, "SIOCGIFFLAGS"),
    (0x8914, "SIOCSIFFLAGS"),
    (0x8915, "SIOCGIFADDR"),
    (0x8916, "SIOCSIFADDR"),
    (0x891b, "SIOCGIFNETMASK"),
    (0x8919, "SIOCGIFBRDADDR"),
    (0x8921, "SIOCGIFMTU"),
    (0x8922, "SIOCSIFMTU"),
    (0x8927, "SIOCGIFHWADDR"),
    (0x8933, "SIOCGIFINDEX"),
    (0x8942, "SIOCGIFTXQLEN"),
    (0x8946, "SIOCETHTOOL"),
    (0x8906, "SIOCGSTAMP_OLD"),
    (0x890b, "SIOCADDRT"),
    (0x890c, "SIOCDELRT"),
    (0x8954, "SIOCGARP"),
    (0x89a0, "SIOCBRADDBR"),
    (0x89a2, "SIOCBRADDIF"),
    (0x4b3b, "KDGETMODE"),
    (0x4b3a, "KDSETMODE"),
    (0x4b33, "KDGKBTYPE"),
    (0x4b44, "KDGKBMODE"),
    (0x5603, "VT_GETSTATE"),
    (0x5600, "VT_OPENQRY"),
    (0x5606, "VT_ACTIVATE"),
    (0x400454ca, "TUNSETIFF"),
    (0x800454d2, "TUNGETIFF"),
    (0x400454cb, "TUNSETPERSIST"),
    (0x400454cc, "TUNSETOWNER"),
]);
